//! What `docker compose ps --format json` says. It has had two forms: one array of all containers, and since compose
//! 2.21 one object a line.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// How much of what could not be read is shown.
const SHOWN: usize = 120;

/// A container of a project. Fields that a release of compose does not give are empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    /// The service that it is one of.
    pub service: String,
    #[serde(default)]
    pub name: String,
    /// The image as the compose file has it; compose before 2.17 does not give it.
    #[serde(default)]
    pub image: String,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub state: String,
    /// `starting`, `healthy`, `unhealthy`; empty where there is no health check.
    #[serde(default)]
    pub health: String,
    /// Of the last end; 0 where there was none.
    #[serde(default)]
    pub exit_code: i64,
    /// Null where there are none.
    #[serde(default)]
    publishers: Option<Vec<Publisher>>,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Publisher {
    /// The host's address that it is bound to; empty in early releases.
    #[serde(default, rename = "URL")]
    pub url: String,
    /// In the container.
    pub target_port: u16,
    /// At the host; 0 where it is only exposed to other containers.
    #[serde(default)]
    pub published_port: u16,
    #[serde(default)]
    pub protocol: String,
}

impl Container {
    /// Its TCP ports that can be reached from outside.
    pub fn published(&self) -> impl Iterator<Item = &Publisher> {
        let tcp = |port: &&Publisher| matches!(port.protocol.as_str(), "tcp" | "");
        self.publishers.iter().flatten().filter(|port| port.published_port != 0).filter(tcp)
    }
}

/// A project, as `docker compose ls --format json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub name: String,
}

/// Reads a list in either form; no text at all, and `null`, are a list of nothing.
///
/// # Errors
/// What could not be read, and why, in words.
pub(super) fn list<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, String> {
    let text = text.trim();
    if text.starts_with('[') || text == "null" {
        let all: Result<Option<Vec<T>>, _> = serde_json::from_str(text);
        return all.map(Option::unwrap_or_default).map_err(|error| unread(text, &error));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).map_err(|error| unread(line, &error))).collect()
}

fn unread(text: &str, error: &serde_json::Error) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{error}, in `{shown}{more}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As compose 2.40 gives it, some keys left out.
    const LINES: &str = r#"{"Command":"\"docker-entrypoint.s…\"","CreatedAt":"2026-11-22 19:41:03 +0000 UTC","ExitCode":0,"Health":"healthy","ID":"7f1d3c","Image":"redis:7.2-alpine","Labels":"com.docker.compose.project=p","LocalVolumes":"1","Mounts":"p_redis","Name":"p-redis-1","Names":"p-redis-1","Networks":"p_default","Ports":"127.0.0.1:49153-\u003e6379/tcp","Project":"p","Publishers":[{"URL":"127.0.0.1","TargetPort":6379,"PublishedPort":49153,"Protocol":"tcp"}],"RunningFor":"2 minutes ago","Service":"redis","Size":"0B","State":"running","Status":"Up 2 minutes (healthy)"}
{"ExitCode":137,"Health":"","Image":"apache/kafka:4.1.0","Name":"p-kafka-1","Project":"p","Publishers":[],"Service":"kafka","State":"exited","Status":"Exited (137) 1 minute ago"}
"#;

    /// As compose 2.12 gives it.
    const ARRAY: &str = r#"[{"ID":"7f1d3c","Name":"p-redis-1","Command":"redis-server","Project":"p","Service":"redis","State":"running","Health":"","ExitCode":0,"Publishers":[{"URL":"0.0.0.0","TargetPort":6379,"PublishedPort":6379,"Protocol":"tcp"},{"URL":"::","TargetPort":6379,"PublishedPort":6379,"Protocol":"tcp"},{"URL":"","TargetPort":9999,"PublishedPort":0,"Protocol":"tcp"}]},{"Name":"p-job-1","Project":"p","Service":"job","State":"exited","Health":"","ExitCode":1,"Publishers":null}]"#;

    fn read(text: &str) -> Vec<Container> {
        list(text).unwrap()
    }

    #[test]
    fn one_object_a_line_is_read() {
        let found = read(LINES);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].service.as_str(), found[0].health.as_str()), ("redis", "healthy"));
        assert_eq!(found[0].published().map(|port| port.published_port).collect::<Vec<_>>(), [49153]);
        assert_eq!((found[1].state.as_str(), found[1].exit_code), ("exited", 137));
        assert_eq!(found[1].published().count(), 0);
    }

    #[test]
    fn one_array_is_read_and_ports_that_are_only_exposed_are_not_published() {
        let found = read(ARRAY);
        assert_eq!(found.len(), 2);
        let ports: Vec<_> = found[0].published().map(|port| (port.url.as_str(), port.target_port)).collect();
        assert_eq!(ports, [("0.0.0.0", 6379), ("::", 6379)]);
        assert_eq!((found[0].image.as_str(), found[1].published().count()), ("", 0));
    }

    #[test]
    fn both_forms_of_the_same_project_are_the_same() {
        let lines = ARRAY.trim_matches(['[', ']']).replace("},{\"Name\"", "}\n{\"Name\"");
        assert_eq!(read(&lines), read(ARRAY));
    }

    #[test]
    fn nothing_and_null_are_a_project_without_containers() {
        for text in ["", "\n", "[]", "[]\n", "null", "null\n"] {
            assert_eq!(read(text), [], "{text:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_containers_is_told_with_its_beginning() {
        let told = |text: &str| list::<Container>(text).unwrap_err();
        assert!(told("NAME   IMAGE   COMMAND").ends_with("in `NAME   IMAGE   COMMAND`"));
        assert!(told(r#"{"Service":"redis"}"#).contains("missing field `State`"));
        assert!(
            told(r#"[{"Service":"redis","State":"running","Publishers":[{"TargetPort":70000}]}]"#)
                .contains("70000")
        );
        let long = told(&"x".repeat(1000));
        assert!(long.contains('…') && long.len() < 300, "{long}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*") {
            list::<Container>(&text).ok();
        }

        #[test]
        fn no_change_of_a_real_answer_makes_it_panic_or_lose_a_container_in_silence(
            at in 0..LINES.len(), with in "[\\[\\]{}\",:a0\\n]{0,3}", cut in 0..4usize,
        ) {
            let end = (at + cut).min(LINES.len());
            if LINES.is_char_boundary(at) && LINES.is_char_boundary(end) {
                let text = format!("{}{with}{}", &LINES[..at], &LINES[end..]);
                if let Ok(found) = list::<Container>(&text) {
                    // The line break between the two is all that may go without both being refused or read.
                    prop_assert_eq!(found.len(), 2, "{}", text);
                }
            }
        }
    }
}
