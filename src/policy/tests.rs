use super::*;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use proptest::prelude::*;

/// The PEM of a public key whose private half is made of this byte.
pub(crate) fn pem(seed: u8) -> String {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
    key.to_public_key_pem(Default::default()).unwrap()
}

/// The PEM of a key's public half.
pub(crate) fn pem_of(key: &crate::sign::PrivateKey) -> String {
    key.public().to_pem().unwrap()
}

fn key(name: &str, seed: u8, roles: &str) -> String {
    format!("[[key]]\nname = \"{name}\"\nroles = [{roles}]\npem = \"\"\"\n{}\"\"\"\n", pem(seed))
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn faults(text: &str) -> String {
    parse("p.toml", text).map(|policy| panic!("{policy:?}")).unwrap_err().to_string()
}

/// The first line of what is told of a policy with this text behind its name.
fn told(text: &str) -> String {
    let faults = parse("p.toml", &format!("name = \"x\"\n{text}")).map(|policy| panic!("{text}: {policy:?}"));
    let Faults(faults) = faults.unwrap_err();
    assert_eq!(faults.len(), 1, "{text}: {faults:?}");
    let (at, message) = (&faults[0].at, &faults[0].message);
    format!("{}:{} {message}", at.line, at.column)
}

#[test]
fn the_built_in_policy_is_what_its_text_says() {
    let policy = parse("(built in)", BUILT_IN).unwrap();
    assert_eq!(policy, Policy::built_in());
}

#[test]
fn everything_that_a_policy_says_is_read() {
    let text = format!(
        "name = \"night\"\nexpires = \"2027-01-01T00:00:00+08:00\"\n[runs]\nenvironment = \"prod\"\ncommit = \
         \"{upper}\"\nclean_tree = true\nprofile_sha256 = \"{digest}\"\nprovisioners = [\"attach\"]\nmeasured_only = \
         true\nrollback_drill = {{ max_age = \"7d\", max_duration = \"180s\" }}\nmin_watch = \"30m\"\nno_flaky = \
         true\n[[product]]\nservice = \"redis\"\nversions = [\"7.2\"]\n[[require]]\ngate = \"a\"\nmax_age = \
         \"24h\"\n[[require]]\ntag = \"flow\"\n[[require]]\nphase = \"infra\"\n[[require]]\nrequired = \
         true\n{}{}[[threshold]]\nrole = \"approver\"\ncount = 2\n[[waiver]]\ngate = \"a\"\nreason = \"why\"\napprover \
         = \"Li Wei\"\nexpires = \"2026-12-01T00:00:00Z\"\nevidence = \"{digest}\"\n",
        key("ann", 1, "\"approver\", \"runner\""),
        key("ben", 2, "\"approver\""),
        upper = COMMIT.to_uppercase(),
        digest = "ab".repeat(32),
    );
    let policy = parse("p.toml", &text).unwrap();
    assert_eq!((policy.name.as_str(), policy.path.as_str()), ("night", "p.toml"));
    assert_eq!(policy.sha256, digest(&text));
    assert_eq!(policy.expires.unwrap().to_seconds(), "2026-12-31T16:00:00Z");
    let requires = &policy.requires;
    assert_eq!(requires.commit.as_deref(), Some(COMMIT), "digits are told in lower case");
    assert!(requires.clean_tree && requires.measured_only && requires.no_flaky);
    assert_eq!(requires.min_watch, Some(Duration::from_secs(1800)));
    let drill = requires.rollback_drill.as_ref().unwrap();
    assert_eq!(drill.max_age, Duration::from_secs(7 * 86_400));
    assert_eq!((drill.max_duration, drill.at.line), (Some(Duration::from_secs(180)), 10));
    let selects: Vec<String> = policy.gates.iter().map(|rule| rule.select.to_string()).collect();
    assert_eq!(selects, ["gate `a`", "tag `flow`", "phase infra", "required gates"]);
    assert_eq!(policy.keys[0].roles.len(), 2);
    assert_eq!(policy.thresholds[0].count, 2);
    assert_eq!(policy.waivers[0].bound, Bound::Evidence("ab".repeat(32)));
    assert!(policy.waivers[0].at.line > 20);
}

#[test]
fn every_rule_that_cannot_be_read_is_told_with_its_place() {
    let table = [
        ("exipres = \"x\"", "unknown key `exipres` in the policy; nearest: `expires`"),
        ("expires = \"tomorrow\"", "expected a time with its offset, such as"),
        ("expires = \"2026-02-30T00:00:00Z\"", "expected a time with its offset, such as"),
        ("expires = 2026-02-03T00:00:00Z", "expected a text in quotes; got the date"),
        ("runs = 3", "expected a table of"),
        (
            "[runs]\nenviroment = \"x\"",
            "unknown key `enviroment` in `runs` in the policy; nearest: `environment`",
        ),
        ("[runs]\nenvironment = \" \"", "`environment` in `[runs]` is empty"),
        ("[runs]\ncommit = \"abc\"", "`commit` in `[runs]`: expected 40 or 64 hexadecimal digits; got `abc`"),
        ("[runs]\nprovisioners = [\"atach\"]", "`atach` gives no services; nearest: `attach`"),
        ("[runs]\nmin_watch = \"0s\"", "expected a duration above zero"),
        ("[runs]\nrollback_drill = { max_duration = \"180s\" }", "is missing `max_age`"),
        ("[[product]]\nservice = \"redis\"", "product `redis` asks for nothing"),
        ("[[product]]\nservice = \"redis\"\nversions = []", "product `redis` asks for nothing"),
        ("[[product]]\nservice = \"redis\"\nversions = [\"7..2\"]", "expected the beginning of a version"),
        ("[product]\nservice = \"redis\"", "write [[product]], not [product]"),
        ("[[require]]\nmax_age = \"1h\"", "needs one of `gate`, `tag`, `phase`, `required`"),
        ("[[require]]\ngate = \"a\"\ntag = \"b\"", "has `gate`, `tag`: expected one of them"),
        ("[[require]]\ngate = \"A b\"", "is no gate id"),
        ("[[require]]\nphase = \"inrfa\"", "nearest: `infra`"),
        ("[[require]]\nrequired = false", "would loosen the profile"),
        ("[[require]]\ntag = \"\"", "`tag` in require number 1 is empty"),
        ("[[require]]\ngate = \"a\"\nmax_age = \"0h\"", "expected a duration above zero"),
        ("[[require]]\ngate = \"a\"\nmax_age = \"24hours\"", "nearest unit"),
        (
            "[[require]]\ngate = \"a\"\n[[require]]\ngate = \"a\"\n",
            "a second rule for gate `a`; the first stands in line 2",
        ),
        ("[[threshold]]\nrole = \"runner\"\ncount = 0", "expected a whole number from 1 to 1000"),
        (
            "[[threshold]]\nrole = \"runner\"\ncount = 1",
            "unknown role `runner` in a threshold: no key has it",
        ),
        ("[[key]]\nname = \"a\"\nroles = []\npem = \"x\"", "expected a public key as PEM"),
        ("[[key]]\nname = \"a\"\nroles = [\"r\"]\nfile = \"a.pub\"", "can't be read here"),
        ("[[key]]\nname = \"a\"\nroles = [\"r\"]", "needs one of `file`, `pem`"),
    ];
    for (text, expected) in table {
        let faults = faults(&format!("name = \"x\"\n{text}"));
        assert!(faults.contains(expected), "{text}:\n{faults}");
        assert!(faults.starts_with("p.toml:"), "{faults}");
    }
}

#[test]
fn keys_and_thresholds_that_would_let_one_person_count_twice_are_faults() {
    let [ann, again, other] =
        [key("ann", 1, "\"approver\""), key("ben", 1, "\"approver\""), key("ann", 2, "\"approver\"")];
    assert!(told(&format!("{ann}{again}")).contains("key `ben` is the key of `ann` in line 2"));
    assert!(told(&format!("{ann}{other}")).contains("a second key `ann`"));
    let threshold = "[[threshold]]\nrole = \"approver\"\ncount = 2\n";
    assert!(told(&format!("{ann}{threshold}")).contains("asks for 2 keys, and 1 may sign in that role"));
    let misspelt = "[[threshold]]\nrole = \"aprover\"\ncount = 1\n";
    assert!(told(&format!("{ann}{misspelt}")).ends_with("no key has it; nearest: `approver`"));
    let one = "[[threshold]]\nrole = \"approver\"\ncount = 1\n";
    assert!(told(&format!("{ann}{one}{one}")).contains("a second threshold for approver"));
    assert!(told(&key("ann", 1, "")).contains("has no role"));
    assert!(told(&key("ann", 1, "\"a b\"")).contains("expected lower-case letters"));
    assert!(told(&key("ann", 1, "\"a\", \"a\"")).contains("stands here twice"));
}

#[test]
fn what_stands_in_place_of_a_key_is_never_shown() {
    let secret =
        "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIHVuZXhwZWN0ZWQ=\\n-----END PRIVATE KEY-----";
    let text = format!("name = \"x\"\n[[key]]\nname = \"a\"\nroles = [\"r\"]\npem = \"{secret}\"\n");
    let shown = faults(&text);
    assert!(shown.contains("p.toml:5:1: `pem` in key `a`: expected a public key, and this is a private one"));
    assert!(!shown.contains("MC4C"), "{shown}");
}

#[test]
fn a_waiver_says_which_gate_why_who_until_when_and_for_what() {
    let good = [
        ("gate", "\"a\""),
        ("reason", "\"why\""),
        ("approver", "\"Li Wei\""),
        ("expires", "\"2026-12-01T00:00:00Z\""),
        ("commit", &format!("\"{COMMIT}\"")),
    ];
    let waiver = |key: &str, value: Option<&str>| {
        let line = |(name, said): &(&str, &str)| match (name == &key, value) {
            (true, None) => String::new(),
            (true, Some(value)) => format!("{name} = {value}\n"),
            (false, _) => format!("{name} = {said}\n"),
        };
        format!("[[waiver]]\n{}", good.iter().map(line).collect::<String>())
    };
    let whole = waiver("", None);
    assert!(parse("p.toml", &format!("name = \"x\"\n{whole}")).is_ok());
    for key in ["gate", "reason", "approver", "expires"] {
        assert!(told(&waiver(key, None)).contains(&format!("is missing `{key}`")));
    }
    for key in ["reason", "approver"] {
        assert!(told(&waiver(key, Some("\" \""))).ends_with("is empty"));
    }
    assert!(told(&waiver("commit", None)).contains("needs one of `commit`, `evidence`"));
    assert!(told(&waiver("commit", Some("\"main\""))).contains("40 or 64 hexadecimal digits; got `main`"));
    assert!(told(&waiver("expires", Some("\"2026-12-01\""))).contains("a time with its offset"));
    let both = format!("{whole}evidence = \"{}\"\n", "ab".repeat(32));
    assert!(told(&both).contains("has `commit`, `evidence`: expected one of them"));
    assert!(told(&format!("{whole}{whole}")).contains("a second waiver for gate `a` and commit 0123"));
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let text = "nam = \"x\"\nexpires = \"soon\"\n[runs]\ncommit = \"HEAD\"\n[[require]]\ngate = \"A\"\n[[waiver]]\n\
                gate = \"a\"\n";
    let Faults(faults) = parse("p.toml", text).unwrap_err();
    let lines: Vec<usize> = faults.iter().map(|fault| fault.at.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    for line in [1, 2, 4, 6, 7] {
        assert!(lines.contains(&line), "{line}: {faults:?}");
    }
}

#[test]
fn the_sample_policies_are_sound_and_fit_the_sample_profile() {
    let profile = crate::profile::Profile::load(Path::new("gates/single-host.toml")).unwrap();
    for name in ["rehearsal", "production"] {
        let policy = load(&find(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(policy.name, name);
        assert_eq!(policy.requires.environment.as_ref(), Some(&profile.environment));
        for rule in &policy.gates {
            let selects = |checked: &crate::profile::CheckedGate| rule.select.selects(&checked.gate);
            assert!(profile.gates.iter().any(selects), "{name}: {}", rule.select);
        }
        for product in &policy.requires.products {
            assert!(profile.services.iter().any(|service| service.name == product.service));
        }
    }
    let embedded = |name: &str| {
        let provisioners = load(&find(name)).unwrap().requires.provisioners;
        provisioners.iter().any(|provisioner| provisioner == "embedded")
    };
    assert!(embedded("rehearsal") && !embedded("production"));
}

#[test]
fn a_key_in_a_file_lies_beside_the_policy_and_is_the_one_that_its_id_says() {
    let folder = tempfile::tempdir().unwrap();
    let at = |text: &str| {
        std::fs::write(folder.path().join("p.toml"), text).unwrap();
        load(&folder.path().join("p.toml")).map_err(|error| error.to_string())
    };
    std::fs::write(folder.path().join("ann.pub"), pem(1)).unwrap();
    let with = |more: &str| at(&format!("name = \"x\"\n[[key]]\nname = \"ann\"\nroles = [\"r\"]\n{more}\n"));
    let id = PublicKey::from_pem(&pem(1)).unwrap().id().to_string();
    assert!(with("file = \"ann.pub\"").is_ok());
    assert!(with(&format!("file = \"./ann.pub\"\nid = \"{id}\"")).is_ok());
    let other = with(&format!("file = \"ann.pub\"\nid = \"{}\"", "0".repeat(64))).unwrap_err();
    assert!(other.contains("key `ann` has another key: expected the id 0000"), "{other}");
    assert!(with("file = \"ben.pub\"").unwrap_err().contains("`ben.pub` is not there"));
    for outside in ["/etc/hostname", "../ann.pub", "a/../../ann.pub", ""] {
        let told = with(&format!("file = \"{outside}\"")).unwrap_err();
        assert!(told.contains("is no path from the policy's folder down"), "{told}");
    }
}

#[test]
fn a_key_without_a_policy_is_no_policy() {
    assert_eq!(of_flags(None, None).unwrap(), Policy::built_in());
    assert_eq!(of_flags(Some("rehearsal"), None).unwrap().name, "rehearsal");
    let key = PublicKey::from_pem(&pem(1)).unwrap();
    assert!(matches!(of_flags(None, Some(&key)), Err(PolicyError::NothingSigned)));
    assert!(matches!(of_flags(Some("rehearsal"), Some(&key)), Err(PolicyError::Unsigned { .. })));
}

#[test]
fn a_policy_that_is_not_there_is_told_with_the_nearest_one() {
    let told = load(&find("producton")).unwrap_err().to_string();
    assert_eq!(told, "policy not found: gates/policy/producton.toml; nearest: gates/policy/production.toml");
    assert_eq!(load(Path::new("gates")).unwrap_err().to_string(), "policy gates is a folder, not a file");
}

#[test]
fn a_policy_that_must_be_signed_is_read_only_as_it_was_signed() {
    use crate::sign::{Algorithm, Envelope, PrivateKey, Statement};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    let [ann, ben] =
        [Algorithm::Ed25519, Algorithm::EcdsaP256].map(|kind| PrivateKey::generate(kind).unwrap());
    let write = |text: &str, signer: &PrivateKey| {
        std::fs::write(&path, text).unwrap();
        let statement = Statement::approval("p.toml", &digest(text), "owner");
        std::fs::write(envelope(&path), Envelope::sign(&statement, &[signer]).unwrap().to_json()).unwrap();
    };
    let told = |by: &PrivateKey| load_signed(&path, by.public()).map_err(|error| error.to_string());
    let text = "name = \"x\"\n[runs]\nno_flaky = true\n";
    std::fs::write(&path, text).unwrap();
    assert!(told(&ann).unwrap_err().contains("p.toml.dsse.json, and there is none"));
    write(text, &ann);
    assert!(told(&ann).unwrap().requires.no_flaky);
    assert!(told(&ben).unwrap_err().contains("none of its signatures is of the key"));
    std::fs::write(&path, text.replace("true", "false")).unwrap();
    assert!(told(&ann).unwrap_err().contains("not about this policy as it is now"));
    std::fs::write(envelope(&path), "{}").unwrap();
    assert!(told(&ann).is_err());
    // The signature does not cover the key's file.
    std::fs::write(folder.path().join("k.pub"), pem(1)).unwrap();
    let keyed = "name = \"x\"\n[[key]]\nname = \"a\"\nroles = [\"r\"]\nfile = \"k.pub\"\n";
    write(keyed, &ann);
    assert!(load(&path).is_ok());
    assert!(told(&ann).unwrap_err().contains("must name the key in a file by its `id` too"));
    let id = PublicKey::from_pem(&pem(1)).unwrap().id().to_string();
    write(&format!("{keyed}id = \"{id}\"\n"), &ann);
    assert!(told(&ann).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_a_policy_or_a_list_of_faults(text in any::<String>()) {
        let _ = parse("p.toml", &text);
    }

    #[test]
    fn a_policy_of_which_any_part_is_cut_out_is_never_read_as_more_than_it_says(
        from in 0usize..2000, length in 0usize..60,
    ) {
        let text = include_str!("../../gates/policy/rehearsal.toml");
        let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let (from, to) = (boundary(from), boundary(from + length));
        let cut = format!("{}{}", &text[..from], &text[to..]);
        if let Ok(policy) = parse("p.toml", &cut) {
            prop_assert!(policy.gates.len() <= 2 && policy.waivers.is_empty());
        }
    }
}
