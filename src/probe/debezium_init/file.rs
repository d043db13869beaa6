//! Connector files: read, checked, and their placeholders filled.

use crate::model::redact::names_a_secret;
use crate::model::{Args, Endpoint, ServiceKind};
use crate::probe::Context;
use crate::probe::client::connect::Config;
use crate::probe::placeholder::fill;
use serde_json::Value;

/// The longest file that is read.
const LONGEST_FILE: u64 = 1 << 20;

/// A connector as its file has it, placeholders and all.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Its name in steps.
    pub key: String,
    /// The file's path.
    pub file: String,
    /// The connector's name.
    pub name: String,
    /// Its configuration, its name included.
    pub config: Config,
}

/// Reads the connector files.
///
/// # Errors
/// A file that is not there, or holds no connector: its path and what is wrong.
pub(super) fn plans(args: &Args) -> Result<Vec<Plan>, String> {
    let connectors = args.tables("connectors");
    let plan = |connector: &Args| {
        let (key, file) =
            (connector.text("key").unwrap_or_default(), connector.text("file").unwrap_or_default());
        let (name, config) =
            parse(&read(file)?, key).map_err(|why| format!("connector file {file}: {why}"))?;
        Ok(Plan { key: key.to_owned(), file: file.to_owned(), name, config })
    };
    let plans: Vec<Plan> = connectors.iter().map(plan).collect::<Result<_, String>>()?;
    for (index, plan) in plans.iter().enumerate() {
        if let Some(other) = plans[..index].iter().find(|other| other.name == plan.name) {
            let (name, file) = (&plan.name, &plan.file);
            return Err(format!("connector file {file}: {} names its connector {name} too", other.file));
        }
    }
    Ok(plans)
}

fn read(file: &str) -> Result<String, String> {
    match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("connector file not found: {file}"));
        }
        Err(error) => return Err(format!("connector file {file}: {error}")),
        Ok(found) if !found.is_file() => return Err(format!("connector file {file} is no file")),
        Ok(found) if found.len() > LONGEST_FILE => {
            return Err(format!("connector file {file} has {} bytes, expected at most 1 MiB", found.len()));
        }
        Ok(_) => {}
    }
    std::fs::read_to_string(file).map_err(|error| format!("connector file {file}: {error}"))
}

/// A connector's name and configuration; without a name it is called as its key.
fn parse(text: &str, key: &str) -> Result<(String, Config), String> {
    let body: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        format!("expected JSON, and at line {} column {}: {error}", error.line(), error.column())
    })?;
    let Value::Object(mut body) = body else { return Err("expected a JSON object".to_owned()) };
    let name = |of: &Config| of.get("name").and_then(Value::as_str).map(str::to_owned);
    let (named, mut config) = match body.remove("config") {
        Some(Value::Object(config)) => (name(&body).or_else(|| name(&config)), config),
        Some(_) => return Err("expected `config` to be an object".to_owned()),
        None => (name(&body), body),
    };
    let name = named.filter(|name| !name.is_empty()).unwrap_or_else(|| key.to_owned());
    config.insert("name".to_owned(), Value::String(name.clone()));
    if !config.contains_key("connector.class") {
        return Err("expected `connector.class` in its configuration".to_owned());
    }
    if let Some((entry, value)) = config.iter().find(|(_, value)| value.is_object() || value.is_array()) {
        return Err(format!("expected a text, number or truth for `{entry}`, and got {value}"));
    }
    Ok((name, config))
}

/// The configuration with values for its placeholders. Those that are secrets, the context's redactor knows from
/// here on.
pub(super) fn resolve(config: &Config, context: &Context<'_>) -> Result<Config, String> {
    let database = context.endpoint(ServiceKind::Postgres).ok();
    let mut resolved = Config::new();
    for (entry, value) in config {
        let mut secret = names_a_secret(entry);
        let text = match value {
            Value::String(text) => fill(text, &mut |name| {
                secret |= names_a_secret(name);
                lookup(name, database)
            })
            .map_err(|why| format!("`{entry}`: {why}"))?,
            // Connect takes texts only, and gives them back as texts.
            other => other.to_string(),
        };
        if secret && !text.starts_with("${") {
            context.redactor.add(&text);
        }
        resolved.insert(entry.clone(), Value::String(text));
    }
    Ok(resolved)
}

fn lookup(name: &str, postgres: Option<&Endpoint>) -> Result<String, String> {
    if let Some(variable) = name.strip_prefix("env.") {
        return std::env::var(variable)
            .map_err(|_| format!("`{{{{{name}}}}}` has no value: the variable {variable} is not set"));
    }
    let Some(part) = name.strip_prefix("postgres.") else {
        return Err(format!(
            "`{{{{{name}}}}}` is not known here: expected {{{{postgres.host}}}}, .port, .user, .password or .database, \
             or {{{{env.NAME}}}}"
        ));
    };
    let Some(postgres) = postgres else {
        return Err(format!("`{{{{{name}}}}}` has no value: the gate uses no service of kind postgres"));
    };
    let (host, port) = postgres.inside().rsplit_once(':').unwrap_or((postgres.inside(), "5432"));
    match part {
        "host" => Ok(host.trim_start_matches('[').trim_end_matches(']').to_owned()),
        "port" => Ok(port.to_owned()),
        "user" => Ok(postgres.user.clone().unwrap_or_else(|| "postgres".to_owned())),
        // A server that asks for none takes any; Debezium wants one to be there.
        "password" => Ok(postgres.password.as_ref().map_or("none", |password| password.reveal()).to_owned()),
        "database" => Ok(postgres.database.clone().unwrap_or_else(|| "postgres".to_owned())),
        _ => Err(format!(
            "`{{{{{name}}}}}` is not known here: expected host, port, user, password or database"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn postgres() -> Endpoint {
        let mut endpoint = Endpoint::at(ServiceKind::Postgres, "127.0.0.1:5432");
        endpoint.inside = Some("[::1]:15432".to_owned());
        endpoint.user = Some("hft".to_owned());
        endpoint
    }

    #[test]
    fn a_connector_is_called_as_its_file_says_or_as_its_key() {
        let name = |text: &str| parse(text, "key").unwrap().0;
        assert_eq!(name(r#"{"name": "a", "config": {"connector.class": "x"}}"#), "a");
        assert_eq!(name(r#"{"config": {"connector.class": "x", "name": "b"}}"#), "b");
        assert_eq!(name(r#"{"connector.class": "x", "name": "c"}"#), "c");
        assert_eq!(name("\u{feff}{\"connector.class\": \"x\"}"), "key");
    }

    #[test]
    fn the_configuration_always_has_the_name() {
        let (_, config) = parse(r#"{"name": "a", "config": {"connector.class": "x"}}"#, "key").unwrap();
        assert_eq!(config.get("name"), Some(&Value::from("a")));
    }

    #[test]
    fn a_file_that_holds_no_connector_says_where_and_why() {
        let error = |text: &str| parse(text, "key").unwrap_err();
        assert!(error("{\n  \"a\" 1}").contains("line 2 column 7"), "{}", error("{\n  \"a\" 1}"));
        assert!(error("{}").contains("connector.class"));
        assert!(error(r#"{"connector.class": "x", "transforms": ["a"]}"#).contains("`transforms`"));
    }

    #[test]
    fn the_database_is_named_as_connect_sees_it() {
        let value = |name: &str| lookup(name, Some(&postgres())).unwrap();
        assert_eq!((value("postgres.host").as_str(), value("postgres.port").as_str()), ("::1", "15432"));
        assert_eq!(
            (value("postgres.user").as_str(), value("postgres.database").as_str()),
            ("hft", "postgres")
        );
    }

    #[test]
    fn a_placeholder_that_is_not_known_or_has_no_value_is_an_error() {
        assert!(lookup("postgres.hots", Some(&postgres())).unwrap_err().contains("expected host, port"));
        assert!(lookup("postgres.host", None).unwrap_err().contains("no service of kind postgres"));
        assert!(lookup("redis.host", Some(&postgres())).unwrap_err().contains("not known here"));
        assert!(
            lookup("env.CUTPROOF_TEST_UNSET", None).unwrap_err().contains("CUTPROOF_TEST_UNSET is not set")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_connector_or_an_error(text: String) {
            let _ = parse(&text, "key");
        }
    }
}
