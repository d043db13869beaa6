//! As whom and how protected a service that already runs is spoken to: variables go before the profile. Files are looked
//! at here, before anything is asked of anybody. Nothing of this comes from a command line.

use crate::model::service::{Sasl, Tls, variable};
use crate::model::{Endpoint, Secret, ServiceKind};
use crate::probe::client::tls;
use crate::profile::Service;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No password is longer than this, in bytes.
const LONGEST: u64 = 64 << 10;

/// The endpoint of a service at this address.
///
/// # Errors
/// A file that is not what it should be, or settings that don't go together: which, what was expected, what was seen.
pub fn endpoint(service: &Service, address: &str) -> Result<Endpoint, String> {
    let told = |why: String| format!("service `{}`: {why}", service.name);
    endpoint_with(service, address, &|name| std::env::var(name).ok().filter(|text| !text.is_empty()))
        .map_err(told)
}

/// What a variable says.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

fn endpoint_with(service: &Service, address: &str, variables: Variables<'_>) -> Result<Endpoint, String> {
    let said = |what: &str| variables(&variable(what, &service.name));
    let endpoint = Endpoint {
        user: said("USER").or_else(|| service.user.clone()),
        password: password(service, variables)?.map(Secret::new),
        database: service.database.clone(),
        tls: protection(service, variables)?,
        sasl: mechanism(service, variables)?,
        ..Endpoint::at(service.kind, address.trim_end_matches('/'))
    };
    agree(&endpoint, &service.name)?;
    if let Some(tls) = &endpoint.tls {
        tls::check(tls).map_err(|error| error.0)?;
    }
    Ok(endpoint)
}

fn password(service: &Service, variables: Variables<'_>) -> Result<Option<String>, String> {
    let said = |what: &str| variables(&variable(what, &service.name));
    if let Some(password) = said("PASSWORD") {
        return Ok(Some(password));
    }
    if let Some(file) = said("PASSWORD_FILE") {
        return of_file(Path::new(&file), &variable("PASSWORD_FILE", &service.name)).map(Some);
    }
    match &service.password_file {
        Some(file) => of_file(Path::new(file), "password_file").map(Some),
        None => Ok(service.password_env.as_deref().and_then(variables)),
    }
}

fn of_file(file: &Path, key: &str) -> Result<String, String> {
    let wrong = |seen: &str| {
        format!("`{key}`: expected a file that holds the password, {}, seen: {seen}", file.display())
    };
    let about = std::fs::metadata(file).map_err(|error| wrong(&error.to_string()))?;
    if !about.is_file() {
        return Err(wrong("no regular file"));
    }
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| wrong(&error.to_string()))?;
    if bytes.len() as u64 > LONGEST {
        return Err(wrong("more than 64 KiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("a text that is not UTF-8"))?;
    let password = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    match password {
        "" => Err(wrong("an empty file")),
        password if password.contains(['\n', '\r', '\0']) => Err(wrong("more than one line")),
        password => Ok(password.to_owned()),
    }
}

fn protection(service: &Service, variables: Variables<'_>) -> Result<Option<Tls>, String> {
    let name = |what: &str| variable(what, &service.name);
    let on = match variables(&name("TLS")).as_deref() {
        None => false,
        Some("true") => true,
        Some(_) => return Err(format!("`{}`: expected true, or nothing, seen another text", name("TLS"))),
    };
    let file = |what: &str, of: fn(&Tls) -> &Option<PathBuf>| {
        let own = service.tls.as_ref().and_then(|tls| of(tls).clone());
        let file = variables(&name(what)).map(PathBuf::from).or(own);
        // Commands are told these files too, and may work in another folder.
        file.map(|file| std::path::absolute(&file).unwrap_or(file))
    };
    let tls = Tls {
        ca: file("TLS_CA", |tls| &tls.ca),
        certificate: file("TLS_CERTIFICATE", |tls| &tls.certificate),
        key: file("TLS_KEY", |tls| &tls.key),
    };
    Ok((on || service.tls.is_some() || tls != Tls::default()).then_some(tls))
}

fn mechanism(service: &Service, variables: Variables<'_>) -> Result<Option<Sasl>, String> {
    let name = variable("SASL", &service.name);
    let Some(word) = variables(&name) else { return Ok(service.sasl) };
    let known = Sasl::ALL.map(|sasl| sasl.as_str().to_lowercase()).join(", ");
    Sasl::parse(&word)
        .map(Some)
        .ok_or_else(|| format!("`{name}`: expected one of {known}, seen another text"))
}

/// Whether what is known of a service goes together. What would be left aside is refused: whoever set it counts on it.
fn agree(endpoint: &Endpoint, name: &str) -> Result<(), String> {
    let Endpoint { kind, address, user, password, tls, sasl, .. } = endpoint;
    let http = !matches!(kind, ServiceKind::Redis | ServiceKind::Kafka | ServiceKind::Postgres);
    // A compose project is asked for the address later, and by `tls` for the scheme.
    if tls.is_some() && http && !address.is_empty() && !address.starts_with("https://") {
        return Err(format!("it has `tls`: expected an address with https://, seen {address}"));
    }
    match sasl {
        Some(_) if *kind != ServiceKind::Kafka => Err(format!(
            "`sasl` (or {}) is for kind kafka, and this is {kind}: leave it out",
            variable("SASL", name)
        )),
        Some(sasl) if user.is_none() || password.is_none() => Err(format!(
            "expected a user and a password for SASL {}, and there are not both: set `user` and `password_env` or \
             `password_file`, or the variables {} and {}",
            sasl.as_str(),
            variable("USER", name),
            variable("PASSWORD", name)
        )),
        None if *kind == ServiceKind::Kafka && (user.is_some() || password.is_some()) => Err(format!(
            "it has a user or a password, and Kafka takes them only with a mechanism: set `sasl` (or {}) to one of plain, \
             scram-sha-256, scram-sha-512",
            variable("SASL", name)
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn asked(service: &Service, address: &str, variables: &[(&str, &str)]) -> Result<Endpoint, String> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        endpoint_with(service, address, &|name| variables.get(name).map(|text| (*text).to_owned()))
    }

    fn service(kind: ServiceKind) -> Service {
        Service::new("it", kind, None)
    }

    #[test]
    fn variables_go_before_the_profile() {
        let mut kafka = service(ServiceKind::Kafka);
        kafka.user = Some("profile".to_owned());
        kafka.password_env = Some("OWN".to_owned());
        kafka.sasl = Some(Sasl::Plain);
        let own = [("OWN", "from-own")];
        let known = asked(&kafka, "h:1", &own).unwrap();
        assert_eq!((known.user.as_deref(), known.sasl), (Some("profile"), Some(Sasl::Plain)));
        assert_eq!(known.password.unwrap().reveal(), "from-own");
        let more = [
            ("OWN", "from-own"),
            ("CUTPROOF_USER_IT", "u"),
            ("CUTPROOF_PASSWORD_IT", "p"),
            ("CUTPROOF_SASL_IT", "SCRAM-SHA-512"),
        ];
        let known = asked(&kafka, "h:1", &more).unwrap();
        assert_eq!((known.user.as_deref(), known.sasl), (Some("u"), Some(Sasl::ScramSha512)));
        assert_eq!(known.password.unwrap().reveal(), "p");
    }

    #[test]
    fn a_password_file_holds_one_line_and_what_it_holds_is_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut redis = service(ServiceKind::Redis);
        let mut with = |text: &[u8]| {
            let file = folder.path().join("password");
            std::fs::write(&file, text).unwrap();
            redis.password_file = Some(file.to_str().unwrap().to_owned());
            asked(&redis, "h:1", &[]).map(|known| known.password.unwrap().reveal().to_owned())
        };
        assert_eq!(with(b"hunter2\n").as_deref(), Ok("hunter2"));
        assert_eq!(with(b" hunter2 \r\n").as_deref(), Ok(" hunter2 "));
        for (bad, seen) in [
            (&b""[..], "an empty file"),
            (b"\n", "an empty file"),
            (b"hunter2\nx\n", "more than one line"),
            (b"\xff", "not UTF-8"),
        ] {
            let told = with(bad).unwrap_err();
            assert!(
                told.contains(seen) && told.contains("`password_file`") && !told.contains("hunter2"),
                "{told}"
            );
        }
        redis.password_file = Some("no/such/file".to_owned());
        let told = asked(&redis, "h:1", &[]).unwrap_err();
        assert!(told.contains("no/such/file") && told.contains("No such file"), "{told}");
    }

    #[test]
    fn a_file_that_holds_no_certificate_is_told_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let mut redis = service(ServiceKind::Redis);
        redis.tls = Some(Tls { ca: Some(file.clone()), ..Tls::default() });
        let told = |redis: &Service| asked(redis, "h:1", &[]).unwrap_err();
        assert!(told(&redis).contains("ca.pem, seen: No such file"), "{}", told(&redis));
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nMIIB\n").unwrap();
        assert!(told(&redis).contains("cut off or damaged"), "{}", told(&redis));
        std::fs::write(&file, "nothing").unwrap();
        assert!(told(&redis).contains("`tls.ca`: expected certificates in PEM"), "{}", told(&redis));
    }

    #[test]
    fn what_would_be_left_aside_is_refused() {
        let wrong = |kind, address, variables: &[(&str, &str)]| {
            asked(&service(kind), address, variables).unwrap_err()
        };
        let told = wrong(ServiceKind::Kafka, "h:1", &[("CUTPROOF_USER_IT", "u")]);
        assert!(told.contains("set `sasl` (or CUTPROOF_SASL_IT)"), "{told}");
        let told = wrong(ServiceKind::Kafka, "h:1", &[("CUTPROOF_SASL_IT", "plain")]);
        assert!(told.contains("CUTPROOF_USER_IT and CUTPROOF_PASSWORD_IT"), "{told}");
        let told = wrong(ServiceKind::Redis, "h:1", &[("CUTPROOF_SASL_IT", "plain")]);
        assert!(told.contains("is for kind kafka"), "{told}");
        let told = wrong(ServiceKind::Kafka, "h:1", &[("CUTPROOF_SASL_IT", "gssapi")]);
        assert!(told.contains("plain, scram-sha-256, scram-sha-512"), "{told}");
        let told = wrong(ServiceKind::Connect, "http://h:1", &[("CUTPROOF_TLS_IT", "true")]);
        assert!(told.contains("https://"), "{told}");
        let told = wrong(ServiceKind::Redis, "h:1", &[("CUTPROOF_TLS_IT", "no")]);
        assert!(told.contains("expected true"), "{told}");
    }
}
