//! `cutproof readiness`: the ten service levels, declared by flags as the runbook does it, measured by a profile's
//! gates, or both. It only reads. Its evidence is a projection of the run's journal, copied to the runbook's path.

use super::compose::ComposeFlags;
use super::{Display, Refusal, flags, init, print, run};
use crate::evidence::READINESS_FILE;
use crate::exit;
use crate::model::readiness::{LEVELS, Level, LevelUnit, ReadinessPlan};
use crate::plan::Plan;
use crate::process::{Cancel, Worker, signals};
use crate::profile::Profile;
use crate::rehearsal::provision::Provision;
use crate::rehearsal::readiness::{self, Declared, Said};
use crate::rehearsal::{Options, Rehearsal};
use crate::settings::names::quoted;
use clap::builder::NonEmptyStringValueParser;
use std::path::PathBuf;
use std::sync::Arc;

/// Words for true and false, in any case. Whoever does not know leaves the flag out.
const YES: [&str; 7] = ["true", "yes", "y", "1", "ok", "healthy", "complete"];
const NO: [&str; 8] = ["false", "no", "n", "0", "failed", "unhealthy", "incomplete", "broken"];

/// How many gates run side by side.
const JOBS: usize = 8;

/// The flags of `readiness`. Values are texts, so that what is wrong with one is told as everywhere.
#[derive(Debug, Default, clap::Args)]
pub struct Arguments {
    /// A profile whose [readiness] says what measures: a path, or the NAME of gates/NAME.toml
    #[arg(long, value_name = "FILE")]
    profile: Option<String>,
    /// The evidence file
    #[arg(long, value_name = "FILE", default_value = "docs/results/ctp_readiness_precheck.json")]
    output_json: PathBuf,
    /// The environment's name in the evidence [default: the profile's, else single-host-ubuntu]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    environment: Option<String>,
    /// The service's name in the evidence [default: the profile's, else core_engine]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    service: Option<String>,
    /// What the evidence is for
    #[arg(long, value_name = "WORD", default_value = "precheck", value_parser = NonEmptyStringValueParser::new())]
    scope: String,
    /// Let only measured values be healthy
    #[arg(long)]
    require_measured: bool,
    /// Where the run's own folder goes
    #[arg(long, value_name = "DIR", default_value = "evidence", env = "CUTPROOF_EVIDENCE_DIR")]
    evidence_dir: PathBuf,
    /// Where a service is, for this run: NAME=ADDRESS (or the variable CUTPROOF_ENDPOINT_NAME)
    #[arg(long = "endpoint", value_name = "NAME=ADDRESS", value_parser = flags::endpoint)]
    endpoints: Vec<(String, String)>,
    #[command(flatten)]
    compose: ComposeFlags,
    #[command(flatten)]
    declared: DeclaredFlags,
}

/// Values that a person gives in place of a measurement, and targets.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Declared values (marked as such) and targets")]
struct DeclaredFlags {
    /// Whether the core is alive: true or false
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    core_process_alive: Option<String>,
    /// The strategy bridge's latency, p99 [without a profile: 0]
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    strategy_bridge_latency_ms: Option<String>,
    /// Its target [default: 1500]
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    strategy_bridge_target_ms: Option<String>,
    /// Whether state, intent and order follow on each other: complete or incomplete
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    strategy_bridge_chain_status: Option<String>,
    /// healthy or unhealthy
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    redis_health: Option<String>,
    /// healthy or unhealthy
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    timescale_health: Option<String>,
    /// healthy or unhealthy [without a profile: as --timescale-health]
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    postgres_health: Option<String>,
    /// Queries' latency, p99
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    query_latency_ms: Option<String>,
    /// Its target [default: 2000]
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    query_latency_target_ms: Option<String>,
    /// How often flow control held a query back
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    flow_control_hits: Option<String>,
    /// Its target [default: 10]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    flow_control_hits_target: Option<String>,
    /// The part of disconnects that were recovered from, 0 to 1
    #[arg(long, value_name = "RATIO", allow_hyphen_values = true)]
    disconnect_recovery_success_rate: Option<String>,
    /// Its target [default: 0.99]
    #[arg(long, value_name = "RATIO", allow_hyphen_values = true)]
    disconnect_recovery_target: Option<String>,
    /// The part of rejects whose reason is known, 0 to 1
    #[arg(long, value_name = "RATIO", allow_hyphen_values = true)]
    reject_classified_ratio: Option<String>,
    /// Its target [default: 0.95]
    #[arg(long, value_name = "RATIO", allow_hyphen_values = true)]
    reject_classified_target: Option<String>,
}

impl DeclaredFlags {
    /// What was typed for each level and for its target, in the order of [`LEVELS`].
    fn typed(&self) -> [(Option<&str>, Option<&str>); LEVELS.len()] {
        let no_target = &None;
        [
            (&self.core_process_alive, no_target),
            (&self.strategy_bridge_latency_ms, &self.strategy_bridge_target_ms),
            (&self.strategy_bridge_chain_status, no_target),
            (&self.redis_health, no_target),
            (&self.timescale_health, no_target),
            (&self.postgres_health, no_target),
            (&self.query_latency_ms, &self.query_latency_target_ms),
            (&self.flow_control_hits, &self.flow_control_hits_target),
            (&self.disconnect_recovery_success_rate, &self.disconnect_recovery_target),
            (&self.reject_classified_ratio, &self.reject_classified_target),
        ]
        .map(|(value, target)| (value.as_deref(), target.as_deref()))
    }
}

impl Arguments {
    /// What was declared, checked.
    fn declared(&self) -> super::Result<Declared> {
        let mut declared = Declared {
            environment: self.environment.clone(),
            service: self.service.clone(),
            require_measured: self.require_measured,
            ..Declared::default()
        };
        for (level, (value, target)) in LEVELS.iter().zip(self.declared.typed()) {
            if let Some(text) = value {
                declared.values.insert(level.name, said(level, text)?);
            }
            if let (Some(text), Some(flag)) = (target, level.target_flag) {
                declared.targets.insert(level.name, number(level.unit, flag, text)?);
            }
        }
        match declared.values.values().next() {
            Some(Said { flag, .. }) if self.require_measured => Err(Refusal(format!(
                "--require-measured: expected no declared value beside it, and saw {flag}; leave one of the two out"
            ))),
            _ => Ok(declared),
        }
    }
}

/// A declared value.
fn said(level: &Level, text: &str) -> super::Result<Said> {
    let value = match level.unit {
        LevelUnit::Bool => truth(level.flag, text)?,
        unit => number(unit, level.flag, text)?,
    };
    Ok(Said { value, flag: format!("{} {}", level.flag, text.trim()) })
}

fn number(unit: LevelUnit, flag: &str, text: &str) -> super::Result<f64> {
    let value = text.trim().parse().ok().filter(|value| unit.accepts(*value));
    // The zero below zero is zero.
    value.map(|value: f64| value + 0.0).ok_or_else(|| refused(flag, unit.expected(), text))
}

fn truth(flag: &str, text: &str) -> super::Result<f64> {
    let word = text.trim().to_lowercase();
    match () {
        () if YES.contains(&word.as_str()) => Ok(1.0),
        () if NO.contains(&word.as_str()) => Ok(0.0),
        () => {
            let expected = format!("one of {}, or {}", YES.join(", "), NO.join(", "));
            Err(refused(flag, &expected, text))
        }
    }
}

fn refused(flag: &str, expected: &str, text: &str) -> Refusal {
    Refusal(format!("{flag}: expected {expected}, and saw {}", quoted(text)))
}

/// Judges readiness, writes its evidence, and prints where that is.
pub fn run(arguments: Arguments, worker: Worker) -> super::Result {
    let declared = arguments.declared()?;
    let profile = flags::named_profile(arguments.profile.as_deref())?;
    let (plan, readiness) = plan(profile.as_ref(), &declared, &arguments.scope)?;
    let options = Options {
        verb: "readiness",
        provision: Provision::Attach,
        endpoints: arguments.endpoints.clone(),
        compose: arguments.compose.composition()?,
        evidence_dir: arguments.evidence_dir.clone(),
        parent: super::flags::parent(),
        exports: vec![arguments.output_json.clone()],
        readiness: Some(Box::new(readiness)),
        ..Options::default()
    };
    let cancel = Cancel::new().map_err(Refusal::of)?;
    let _listener = signals::listen(&cancel).map_err(Refusal::of)?;
    let display = Arc::new(Display::new());
    let rehearsal =
        Rehearsal::open(&plan, &options, worker, &cancel, display.clone()).map_err(Refusal::of)?;
    rehearsal.runner().all(JOBS);
    let finished = rehearsal.finish().map_err(Refusal::of)?;
    display.finish();
    let document = finished.documents.iter().find(|document| document.name == READINESS_FILE);
    let document = document.ok_or_else(|| Refusal(format!("the run gave no {READINESS_FILE}")))?;
    print(&run::exported(&finished, document, &arguments.output_json)?)?;
    Ok(match finished.exit_code() {
        exit::OK => exit::OK,
        code => {
            display.line(&format!("unhealthy:\n  {}", finished.reasons()));
            if code == exit::NOT_PASSED { exit::UNHEALTHY } else { code }
        }
    })
}

/// What is run, and what it is judged by.
fn plan(profile: Option<&Profile>, declared: &Declared, scope: &str) -> super::Result<(Plan, ReadinessPlan)> {
    let Some(profile) = profile else {
        let judged = readiness::declared_only(init::ENVIRONMENT, declared, scope);
        return Ok((readiness::plan_of_nothing(&judged.environment), judged));
    };
    for warning in &profile.warnings {
        eprintln!("warning: {warning}");
    }
    let judged = readiness::plan(profile, declared, scope).map_err(Refusal::of)?;
    let plan = readiness::plan_of_gates(profile, &judged).map_err(Refusal::of)?;
    readiness::refuse_writers(&plan).map_err(Refusal::of)?;
    Ok((plan, judged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use proptest::prelude::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn declared(flags: &[&str]) -> Result<Declared, String> {
        let line =
            Line::try_parse_from([&["readiness"], flags].concat()).map_err(|error| error.to_string())?;
        line.arguments.declared().map_err(|refusal| refusal.0)
    }

    #[test]
    fn each_flag_declares_its_own_level_and_each_target_is_its_own() {
        for level in LEVELS {
            let found = declared(&[level.flag, "1"]).unwrap();
            let values: Vec<_> = found.values.iter().map(|(name, said)| (*name, said.value)).collect();
            assert_eq!((values, found.targets.len()), (vec![(level.name, 1.0)], 0), "{}", level.flag);
            assert_eq!(found.values[level.name].flag, format!("{} 1", level.flag));
            if let Some(flag) = level.target_flag {
                let found = declared(&[flag, "0.5"]).unwrap();
                assert_eq!(found.targets.into_iter().collect::<Vec<_>>(), [(level.name, 0.5)], "{flag}");
                assert!(found.values.is_empty());
            }
        }
    }

    #[test]
    fn the_words_for_true_and_false_are_taken_in_any_case_and_no_others() {
        let value = |word: &str| {
            declared(&["--redis-health", word]).map(|found| found.values.into_values().next().unwrap().value)
        };
        for word in YES {
            assert_eq!(
                (value(word), value(&format!(" {} ", word.to_uppercase()))),
                (Ok(1.0), Ok(1.0)),
                "{word}"
            );
        }
        for word in NO {
            assert_eq!(value(word), Ok(0.0), "{word}");
        }
        for word in ["", " ", "unknown", "healthyy", "2", "1.0", "-1", "not healthy", "--timescale-health"] {
            let told = value(word).unwrap_err();
            assert!(told.starts_with("--redis-health: expected one of true, yes, y, 1, ok"), "{told}");
        }
    }

    #[test]
    fn declared_values_beside_the_demand_for_measured_ones_are_refused() {
        let told = declared(&["--require-measured", "--query-latency-ms", "1200"]).unwrap_err();
        assert!(told.contains("saw --query-latency-ms 1200"), "{told}");
        assert!(declared(&["--require-measured", "--query-latency-target-ms", "1200"]).is_ok());
    }

    proptest! {
        #[test]
        fn no_number_is_taken_that_is_negative_not_finite_or_out_of_range(
            text in prop_oneof![
                any::<f64>().prop_map(|value| value.to_string()),
                "[-+]?[0-9]{0,4}[.]?[0-9]{0,3}(e[-+]?[0-9]{1,3})?",
                "[-+]?(nan|NaN|inf|Infinity|1e999)",
                "\\PC{0,12}",
            ],
            level in 0..LEVELS.len(),
        ) {
            let level = &LEVELS[level];
            for found in [said(level, &text).map(|said| said.value), number(level.unit, level.flag, &text)] {
                match found {
                    Ok(value) => {
                        prop_assert!(value.is_finite() && value.is_sign_positive(), "{} {}", level.flag, text);
                        prop_assert!(level.unit.accepts(value));
                    }
                    Err(told) => prop_assert!(told.0.starts_with(level.flag) && told.0.contains("and saw `")),
                }
            }
        }
    }
}
