//! Everything that is written about a run, derived from its journal: pure, versioned projections, and how they get
//! to the disk. A projection never knows more than the journal, and where the journal is silent it is not green.

mod against;
mod bootstrap;
mod claim;
mod env;
mod export;
mod inits;
mod junit;
mod junit_case;
mod junit_fit;
mod junit_run;
mod junit_switch;
mod listing;
mod proof;
mod readiness;
mod shards;
mod summary;
mod summary_switch;
mod switch;
mod switch_env;
pub mod text;
mod verdict;
mod view;
pub mod watch;
mod write;

pub use against::Against;
pub use claim::Claim;
pub use env::{Entry, Env, Stray};
pub use export::{Exported, export, renew};
pub use inits::VERSION as ENV_VERSION;
pub use junit::{Cut, junit, junit_cut, stack};
pub use readiness::{FILE as READINESS_FILE, Sli, VERSION as READINESS_VERSION, slis};
pub use shards::{Differing, Merged, Misfit, SHARDS, ShardView};
pub use summary::{VERSION as SUMMARY_VERSION, summary};
pub use switch::{CommandView, SequenceView, StageView, SwitchView};
pub use switch_env::{CUTOVER_FILE, ROLLBACK_FILE, documents as switch_documents};
pub use verdict::{Outcome, Reason, RunVerdict, flaky, verdict};
pub use view::{Attempt, Contradiction, GateView, RunEnd, RunView, ServiceState, ServiceView, StepView};
pub use write::{WriteError, folder_of, place, write};

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
pub(crate) mod sample_switch;
#[cfg(test)]
mod switch_tests;
#[cfg(test)]
mod switch_walk_tests;
#[cfg(test)]
mod tests;

/// The report for CI in a run's folder.
pub const JUNIT_FILE: &str = "junit.xml";
/// The report for programs.
pub const SUMMARY_FILE: &str = "summary.json";

/// A file of a run's folder: its name there, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// `junit.xml`, `kafka_topic_init_result.env`, …
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// All files that this run's journal gives: the `.env` files of its inits, its bootstrap, its cutover and its
/// rollback, `ctp_readiness.json`, `watch.csv` and `watch.json` of its watch, `junit.xml` and `summary.json`.
///
/// # Errors
/// Where one of them could not be put together; that is a fault of cutproof.
pub fn documents(run: &RunView<'_>) -> Result<Vec<Document>, ProjectionError> {
    let mut documents: Vec<_> = bootstrap::document(run).into_iter().collect();
    documents.extend(inits::documents(run));
    documents.extend(readiness::document(run)?);
    documents.extend(switch_documents(run));
    documents.push(Document { name: JUNIT_FILE.to_owned(), bytes: junit(run) });
    documents.extend(watch::documents(run)?);
    documents.push(Document { name: SUMMARY_FILE.to_owned(), bytes: summary(run)? });
    Ok(documents)
}

/// All files that are joined of shards: `junit.xml` and `summary.json`. What else a shard has is its own.
///
/// # Errors
/// As [`documents`].
pub fn joined_documents(merged: &Merged<'_>) -> Result<Vec<Document>, ProjectionError> {
    let run = merged.view();
    Ok(vec![
        Document { name: JUNIT_FILE.to_owned(), bytes: junit(&run) },
        Document { name: SUMMARY_FILE.to_owned(), bytes: summary(&run)? },
    ])
}

/// Whether a file of this name, in a run's folder, is one of its [`documents`].
pub fn is_document(name: &str) -> bool {
    let of_init = |file: &str| {
        let stem = file.strip_suffix(".env").unwrap_or(file);
        name.strip_prefix(stem).is_some_and(|rest| {
            // A second gate of a kind has its name in the file's.
            rest == ".env" || rest.strip_prefix('.').is_some_and(|rest| rest.ends_with(".env"))
        })
    };
    let names = [
        bootstrap::FILE,
        READINESS_FILE,
        CUTOVER_FILE,
        ROLLBACK_FILE,
        JUNIT_FILE,
        SUMMARY_FILE,
        watch::SERIES,
        watch::PLAN,
    ];
    names.contains(&name) || inits::INITS.iter().any(|init| of_init(init.file))
}

/// Why a projection could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The service levels.
    #[error("cannot make ctp_readiness.json: {0}")]
    Readiness(#[source] serde_json::Error),
    /// The summary.
    #[error("cannot make summary.json: {0}")]
    Summary(#[from] serde_json::Error),
    /// The watch.
    #[error("cannot make watch.json: {0}")]
    Watch(serde_json::Error),
}
