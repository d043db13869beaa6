//! What a fault is, how it is made, and the end that it deserves: what the two files of the cutover that it struck must
//! say.

use super::table::FAULTS;

use crate::evidence::Env;
use crate::verify::Mode;
use std::fmt;
use std::time::Duration;

/// A fault.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line on what happens.
    pub about: &'static str,
    /// How it is made.
    pub make: Make,
    /// What the evidence must say then.
    pub deserves: Deserved,
}

/// How a fault is made.
#[derive(Debug, Clone, Copy)]
pub enum Make {
    /// The new core makes it itself, when the watch has begun.
    Core {
        /// The core's name for it.
        name: &'static str,
        /// How much of it.
        value: Option<&'static str>,
    },
    /// The new core begins with it: NAME or NAME=VALUE.
    CoreAtStart(&'static str),
    /// A service's process is stopped (SIGSTOP) when the watch has begun.
    Pause(&'static str),
    /// A service's process is killed just before a step.
    Kill {
        /// The service.
        service: &'static str,
        /// The step.
        before: &'static str,
    },
    /// What a connector reads from is taken away when the watch has begun.
    Connector,
    /// A step's command begins with another.
    Step {
        /// The step.
        name: &'static str,
        /// What comes before its command.
        before: &'static str,
        /// How long it may take, in seconds, where that is less than otherwise.
        timeout: Option<u64>,
    },
    /// A step of the way back sleeps, in seconds, and the way back has a limit of so many.
    Late {
        /// The step.
        step: &'static str,
        /// How long it sleeps.
        sleep: u64,
        /// The limit.
        limit: u64,
    },
    /// No file of ours can grow any more from the second step of the way back on.
    DiskFull,
}

impl Make {
    /// How long a watch must last to see it.
    pub fn shows_after(self) -> Duration {
        match self {
            // A reconnect is measured when it is done.
            Make::Core { name: "disconnect", value: Some(seconds) } => {
                let seconds = seconds.parse().map_or(Duration::ZERO, Duration::from_secs_f64);
                seconds + Duration::from_secs(5)
            }
            // More errors in a row than the metrics allow.
            Make::Core { name: "hang" | "crash", .. } => Duration::from_secs(12),
            _ => Duration::ZERO,
        }
    }
}

/// What the two files of a cutover must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deserved {
    /// CUTOVER_SUCCESS.
    pub switched: bool,
    /// CUTOVER_FAILED_STEP.
    pub failed_step: &'static str,
    /// ROLLBACK_TRIGGERED.
    pub rolled_back: bool,
    /// ROLLBACK_SUCCESS.
    pub restored: bool,
    /// ROLLBACK_FAILED_STEP.
    pub rollback_failed_step: &'static str,
    /// Whether the evidence is whole; else it must read as that of a run that did not end.
    pub proven: bool,
}

impl Deserved {
    /// The switch holds, and the drill after it too: the fault is one to live with.
    pub const DRILL: Deserved = Deserved {
        switched: true,
        failed_step: "",
        rolled_back: true,
        restored: true,
        rollback_failed_step: "",
        proven: true,
    };

    /// Nothing is proven, since nothing could be written.
    pub const UNPROVEN: Deserved = Deserved { restored: false, proven: false, ..Deserved::DRILL };

    /// Failed there, and the way back was taken.
    pub const fn rolled_back(failed_step: &'static str) -> Deserved {
        Deserved { switched: false, failed_step, ..Deserved::DRILL }
    }

    /// Failed there, and a person decides.
    pub const fn stopped(failed_step: &'static str) -> Deserved {
        Deserved { rolled_back: false, ..Deserved::rolled_back(failed_step) }
    }

    /// Failed there, and the way back failed too.
    pub const fn rollback_failed(failed_step: &'static str, rollback_failed_step: &'static str) -> Deserved {
        Deserved { restored: false, rollback_failed_step, ..Deserved::rolled_back(failed_step) }
    }

    /// The switch holds, and the drill after it failed.
    pub const fn drill_failed(rollback_failed_step: &'static str) -> Deserved {
        Deserved { restored: false, rollback_failed_step, ..Deserved::DRILL }
    }

    /// What the verifier is asked about it.
    pub fn mode(&self) -> Mode {
        if self.switched { Mode::RollbackDrill } else { Mode::CutoverOrRollback }
    }

    /// Whether the verifier must accept it: the old core is back as it should be, and all of it is on record.
    pub fn is_verified(&self) -> bool {
        self.rolled_back && self.restored && self.proven
    }

    /// Compares it with the two files.
    ///
    /// # Errors
    /// What differs: expected and seen.
    pub fn compare(&self, cutover: &Env, rollback: &Env) -> Result<(), String> {
        let mut wrong = Vec::new();
        let mut same = |key: &str, env: &Env, expected: &dyn fmt::Display| {
            let (expected, seen) = (expected.to_string(), env.get(key).unwrap_or("nothing"));
            if expected != seen {
                wrong.push(format!("{key}: expected `{expected}`, and saw `{seen}`"));
            }
        };
        if self.proven {
            same("CUTOVER_SUCCESS", cutover, &self.switched);
            same("CUTOVER_FAILED_STEP", cutover, &self.failed_step);
            same("CUTOVER_TRIGGERED_ROLLBACK", cutover, &self.rolled_back);
            same("ROLLBACK_TRIGGERED", rollback, &self.rolled_back);
            same("ROLLBACK_SUCCESS", rollback, &self.restored);
            same("ROLLBACK_FAILED_STEP", rollback, &self.rollback_failed_step);
        } else {
            same("CUTOVER_SUCCESS", cutover, &false);
            same("ROLLBACK_SUCCESS", rollback, &false);
            same("ROLLBACK_COMPLETED_UTC", rollback, &"");
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }
}

/// As a person expects it.
impl fmt::Display for Deserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.proven {
            return f.write_str("restored, and not proven");
        }
        match self.switched {
            true => f.write_str("the switch holds")?,
            false => write!(f, "fails at {}", self.failed_step)?,
        }
        match (self.rolled_back, self.restored) {
            (false, _) => f.write_str(", and a person decides"),
            (true, true) => f.write_str(", and the way back is good"),
            (true, false) => write!(f, ", and the way back fails: {}", self.rollback_failed_step),
        }
    }
}

/// The fault of a name.
///
/// # Errors
/// The names that there are, the nearest first.
pub fn find(name: &str) -> Result<&'static Fault, String> {
    FAULTS.iter().find(|fault| fault.name == name).ok_or_else(|| {
        let mut names: Vec<_> = FAULTS.iter().map(|fault| fault.name).collect();
        names.sort_by_key(|known| strsim::damerau_levenshtein(known, name));
        format!("unknown fault `{name}`: expected one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(cutover: [&str; 3], rollback: [&str; 3]) -> (Env<'static>, Env<'static>) {
        let mut env = (Env::new(), Env::new());
        for (key, value) in ["SUCCESS", "FAILED_STEP", "TRIGGERED_ROLLBACK"].iter().zip(cutover) {
            env.0.set(format!("CUTOVER_{key}"), value);
        }
        for (key, value) in ["SUCCESS", "FAILED_STEP", "TRIGGERED"].iter().zip(rollback) {
            env.1.set(format!("ROLLBACK_{key}"), value);
        }
        env
    }

    #[test]
    fn an_end_is_deserved_only_where_every_word_of_both_files_is() {
        let deserved = Deserved::rolled_back("post_switch_watch");
        let (cutover, rollback) = files(["false", "post_switch_watch", "true"], ["true", "", "true"]);
        assert_eq!(deserved.compare(&cutover, &rollback), Ok(()));
        let other = [
            files(["true", "post_switch_watch", "true"], ["true", "", "true"]),
            files(["false", "switch_gate", "true"], ["true", "", "true"]),
            files(["false", "post_switch_watch", "false"], ["true", "", "true"]),
            files(["false", "post_switch_watch", "true"], ["false", "", "true"]),
            files(["false", "post_switch_watch", "true"], ["true", "restore_previous_binaries", "true"]),
            files(["false", "post_switch_watch", "true"], ["true", "", "false"]),
            (Env::new(), Env::new()),
        ];
        for (cutover, rollback) in other {
            assert!(deserved.compare(&cutover, &rollback).is_err(), "{cutover}{rollback}");
        }
    }

    #[test]
    fn each_fault_has_a_name_of_its_own_and_an_unknown_one_is_answered_with_the_nearest() {
        let mut names: Vec<_> = FAULTS.iter().map(|fault| fault.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FAULTS.len());
        let refused = find("redis-kil").unwrap_err();
        assert!(refused.contains("expected one of redis-kill,"), "{refused}");
    }
}
