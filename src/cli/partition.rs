//! `--partition`: which shard a run is, from the flag or, where it says `auto`, from the variables of whoever starts
//! several jobs of one kind. Without the flag a run is whole, whatever the variables say: a job must not become a
//! part of itself by surprise.

use super::Refusal;
use crate::model::Shard;
use std::str::FromStr;

/// GitLab's, of a job with `parallel`: the index counts from 1.
const GITLAB: [&str; 2] = ["CI_NODE_INDEX", "CI_NODE_TOTAL"];
/// Kubernetes', of an Indexed Job: the index counts from 0. It does not say of how many.
const KUBERNETES: [&str; 2] = ["JOB_COMPLETION_INDEX", "CUTPROOF_PARTITION_TOTAL"];

/// What the flag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionFlag {
    /// This one.
    Shard(Shard),
    /// As the variables say.
    Auto,
}

impl FromStr for PartitionFlag {
    type Err = String;
    fn from_str(text: &str) -> Result<PartitionFlag, String> {
        match text {
            "auto" => Ok(PartitionFlag::Auto),
            text => text.parse().map(PartitionFlag::Shard).map_err(|bad| format!("{bad}; or `auto`")),
        }
    }
}

impl PartitionFlag {
    /// The shard.
    ///
    /// # Errors
    /// Where it is to come from variables that are not set, or name none.
    pub fn shard(self) -> super::Result<Shard> {
        match self {
            PartitionFlag::Shard(shard) => Ok(shard),
            PartitionFlag::Auto => of_variables(|name| std::env::var(name).ok()).map_err(Refusal),
        }
    }
}

fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Shard, String> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let gitlab = GITLAB.map(set);
    let kubernetes = KUBERNETES.map(set);
    match (gitlab, kubernetes) {
        ([Some(_), _], [Some(_), _]) => Err(format!(
            "--partition auto: expected the variables of one of GitLab and Kubernetes, and both {} and {} are set; say \
             --partition I/N",
            GITLAB[0], KUBERNETES[0]
        )),
        ([Some(index), Some(total)], _) => shard(GITLAB, &index, &total, 0),
        (_, [Some(index), Some(total)]) => shard(KUBERNETES, &index, &total, 1),
        // A job without `parallel` has a total of 1 and no index.
        ([None, Some(total)], [None, _]) if total == "1" => shard(GITLAB, "1", "1", 0),
        _ => Err(format!(
            "--partition auto: expected {} and {}, which GitLab sets in a job with `parallel`, or {}, which Kubernetes \
             sets in an Indexed Job, and {} beside it; saw {}; or say --partition I/N",
            GITLAB[0],
            GITLAB[1],
            KUBERNETES[0],
            KUBERNETES[1],
            seen(set)
        )),
    }
}

/// The shard of two variables; `from` is added to an index that does not count from 1.
fn shard(names: [&str; 2], index: &str, total: &str, from: u32) -> Result<Shard, String> {
    let number =
        |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let index_from_one = number(index).and_then(|index| index.checked_add(from));
    let found = index_from_one.zip(number(total)).and_then(|(index, total)| Shard::new(index, total).ok());
    found.ok_or_else(|| {
        let shown = |text: &str| text.chars().take(40).collect::<String>();
        let most = crate::model::shard::MOST;
        format!(
            "--partition auto: expected {} from {} to {}, which is at most {most}; saw {}=`{}` and {}=`{}`",
            names[0],
            1 - from,
            if from == 0 { names[1].to_owned() } else { format!("{} - {from}", names[1]) },
            names[0],
            shown(index),
            names[1],
            shown(total)
        )
    })
}

fn seen(set: impl Fn(&str) -> Option<String>) -> String {
    let there: Vec<_> =
        GITLAB.iter().chain(&KUBERNETES).filter(|name| set(name).is_some()).copied().collect();
    if there.is_empty() { "none of them".to_owned() } else { format!("only {}", there.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(variables: &[(&str, &str)]) -> Result<String, String> {
        let value =
            |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
        of_variables(value).map(|shard| shard.to_string())
    }

    #[test]
    fn gitlab_counts_from_one_and_kubernetes_from_zero() {
        assert_eq!(auto(&[("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "3")]).as_deref(), Ok("2/3"));
        let kubernetes = [("JOB_COMPLETION_INDEX", "0"), ("CUTPROOF_PARTITION_TOTAL", "3")];
        assert_eq!(auto(&kubernetes).as_deref(), Ok("1/3"));
        let last = [("JOB_COMPLETION_INDEX", "2"), ("CUTPROOF_PARTITION_TOTAL", "3")];
        assert_eq!(auto(&last).as_deref(), Ok("3/3"));
        assert_eq!(auto(&[("CI_NODE_TOTAL", "1")]).as_deref(), Ok("1/1"), "a job without `parallel`");
    }

    #[test]
    fn variables_that_name_no_shard_are_refused_with_what_was_seen() {
        let bad: [&[(&str, &str)]; 9] = [
            &[],
            &[("CI_NODE_TOTAL", "3")],
            &[("CI_NODE_INDEX", "3")],
            &[("CI_NODE_INDEX", "4"), ("CI_NODE_TOTAL", "3")],
            &[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "3")],
            &[("JOB_COMPLETION_INDEX", "3"), ("CUTPROOF_PARTITION_TOTAL", "3")],
            &[("JOB_COMPLETION_INDEX", "4294967295"), ("CUTPROOF_PARTITION_TOTAL", "4294967295")],
            &[("JOB_COMPLETION_INDEX", "0"), ("CI_NODE_TOTAL", "1")],
            &[
                ("JOB_COMPLETION_INDEX", "0"),
                ("CUTPROOF_PARTITION_TOTAL", "3"),
                ("CI_NODE_INDEX", "1"),
                ("CI_NODE_TOTAL", "3"),
            ],
        ];
        for variables in bad {
            let told = auto(variables).unwrap_err();
            assert!(told.starts_with("--partition auto: expected"), "{told}");
            assert!(variables.is_empty() || told.contains(variables[0].0), "{told}");
        }
    }

    #[test]
    fn the_flag_takes_a_shard_or_auto() {
        assert_eq!("auto".parse(), Ok(PartitionFlag::Auto));
        assert_eq!("2/3".parse(), Ok(PartitionFlag::Shard(Shard::new(2, 3).unwrap())));
        assert!("Auto".parse::<PartitionFlag>().unwrap_err().ends_with("saw `Auto`; or `auto`"));
    }
}
