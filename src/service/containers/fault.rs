//! What went wrong with a container, told with what to do about it. Pure.

use super::daemon::CallError;
use crate::model::service::variable;
use testcontainers::bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum as Status};

/// How many lines of a log are told.
pub(super) const TOLD: usize = 20;

/// The exit code of a process that was ended by SIGKILL.
const KILLED: i64 = 137;

/// How a container is, as Docker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It runs, or is about to.
    Runs,
    /// Its processes stand still.
    Paused,
    /// Its main process has ended.
    Ended { code: i64, out_of_memory: bool, error: String },
}

impl Standing {
    pub fn of(container: &ContainerInspectResponse) -> Standing {
        let Some(state) = &container.state else { return Standing::Runs };
        let ended = matches!(state.status, Some(Status::EXITED | Status::DEAD | Status::REMOVING));
        if ended {
            let error = state.error.clone().unwrap_or_default();
            let (code, out_of_memory) = (state.exit_code.unwrap_or(-1), state.oom_killed.unwrap_or(false));
            return Standing::Ended { code, out_of_memory, error };
        }
        if state.paused.unwrap_or(false) { Standing::Paused } else { Standing::Runs }
    }

    /// What is wrong, and what to do; nothing where it runs.
    pub fn fault(&self, id: &str) -> Option<String> {
        match self {
            Standing::Runs => None,
            Standing::Paused => {
                Some(format!("its container is paused: nothing in it answers; docker unpause {}", short(id)))
            }
            Standing::Ended { code, out_of_memory: true, .. } => Some(format!(
                "its container ended with exit code {code}: out of memory, the kernel killed it (OOMKilled); give \
                 Docker more memory, or start fewer services at once"
            )),
            Standing::Ended { code: KILLED, error, .. } => {
                Some(format!("its container ended with exit code 137: somebody killed it{}", also(error)))
            }
            Standing::Ended { code, error, .. } => {
                Some(format!("its container ended with exit code {code}{}", also(error)))
            }
        }
    }
}

fn also(error: &str) -> String {
    if error.is_empty() { String::new() } else { format!(": {error}") }
}

/// An id as people know it.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// What the daemon or the way to it said, with what to do where that is known.
pub(super) fn explain(said: &str, daemon: &str) -> String {
    let lower = said.to_lowercase();
    let has = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    let advice = if has(&["no space left", "disk quota"]) {
        "Docker's disk is full: see `docker system df`, and free some"
    } else if has(&["address pool"]) {
        "Docker has no addresses left for one more network: see `docker network ls`, and `docker network prune`"
    } else if !answered(&lower) && has(&["permission denied"]) {
        "this user may not use the socket: join the group that it belongs to"
    } else if !answered(&lower)
        && has(&[
            "connection refused",
            "not found: /",
            "no such file",
            "connection reset",
            "broken pipe",
            "connection closed",
            "incomplete message",
            "not answered within",
            "error trying to connect",
            "client error",
            "timed out",
            "timeout",
        ])
    {
        "does Docker still run? see `docker info`"
    } else if has(&["out of memory", "cannot allocate"]) {
        "the machine has no memory left for it"
    } else {
        ""
    };
    let daemon = format!("{daemon} says: {said}");
    if advice.is_empty() { daemon } else { format!("{daemon}; {advice}") }
}

/// Whether it is the daemon itself that said so: then it runs, whatever else it could not reach.
fn answered(said: &str) -> bool {
    said.contains("docker responded with status code")
}

/// A call that failed.
pub(super) fn call(error: &CallError, daemon: &str) -> String {
    explain(&error.to_string(), daemon)
}

/// Whether the port that a container was to have belongs to somebody else.
pub(super) fn is_port_taken(said: &str) -> bool {
    [
        "port is already allocated",
        "address already in use",
        "failed to bind host port",
        "ports are not available",
    ]
    .iter()
    .any(|text| said.to_lowercase().contains(text))
}

/// An image that can't be had.
pub(super) fn no_image(service: &str, image: &str, said: &str, daemon: &str) -> String {
    format!(
        "the image {image} is not there and can't be pulled: {}; what to do: `docker pull {image}` where that works, \
         another image as `image` in [services.{service}], or {}",
        explain(said, daemon),
        variable("IMAGE", service)
    )
}

/// The last lines of a log, quoted.
pub(super) fn quote(log: &str) -> String {
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(TOLD)..];
    last.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use testcontainers::bollard::models::ContainerState;

    fn standing(state: ContainerState) -> Standing {
        Standing::of(&ContainerInspectResponse { state: Some(state), ..Default::default() })
    }

    #[test]
    fn a_container_that_ran_out_of_memory_says_so() {
        let state = ContainerState {
            status: Some(Status::EXITED),
            exit_code: Some(137),
            oom_killed: Some(true),
            ..Default::default()
        };
        let fault = standing(state).fault("0123456789abcdef").unwrap_or_default();
        assert!(fault.contains("out of memory") && fault.contains("137"), "{fault}");
    }

    #[test]
    fn a_container_that_is_paused_says_how_it_goes_on() {
        let state = ContainerState { status: Some(Status::PAUSED), paused: Some(true), ..Default::default() };
        let fault = standing(state).fault("0123456789abcdef").unwrap_or_default();
        assert!(fault.contains("docker unpause 0123456789ab"), "{fault}");
        let runs = ContainerState { status: Some(Status::RUNNING), ..Default::default() };
        assert_eq!(standing(runs).fault("x"), None);
    }

    #[test]
    fn what_docker_says_comes_with_what_to_do() {
        let full = explain("write /x: no space left on device", "Docker 1 at unix:///s");
        assert!(full.contains("disk is full") && full.contains("docker system df"), "{full}");
        assert!(explain("error trying to connect: Connection refused", "D").contains("docker info"));
        let registry = "Docker responded with status code 500: dial tcp 127.0.0.1:1: connection refused";
        assert_eq!(explain(registry, "D"), format!("D says: {registry}"));
        let pools = "could not find an available, non-overlapping IPv4 address pool";
        assert!(explain(pools, "D").contains("docker network prune"));
        assert_eq!(explain("something new", "D"), "D says: something new");
    }

    #[test]
    fn an_image_that_cannot_be_pulled_says_all_three_ways_out() {
        let told = no_image("trade-db", "postgres:0", "manifest unknown", "Docker");
        for part in
            ["docker pull postgres:0", "[services.trade-db]", "CUTPROOF_IMAGE_TRADE_DB", "manifest unknown"]
        {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn only_the_last_lines_of_a_log_are_told() {
        let log: String = (0..50).map(|n| format!("line {n}\r\n\n")).collect();
        let quoted = quote(&log);
        assert_eq!(quoted.lines().count(), TOLD);
        assert!(quoted.starts_with("  | line 30\n") && quoted.ends_with("  | line 49"), "{quoted}");
        assert_eq!(quote(""), "");
    }
}
