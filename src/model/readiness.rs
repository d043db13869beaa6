//! The service levels that readiness is made of: the ten of the contract, and a run's own, as they were resolved from
//! a profile and flags. Their values are observations of gates, or what a person typed; the evidence is projected from
//! both.

use super::gate::Position;
use super::id::GateId;
use super::units::{Dimension, Unit};
use serde::{Deserialize, Serialize};

/// One of the ten service levels of the contract.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Its name in the evidence.
    pub name: &'static str,
    /// The unit of its value.
    pub unit: LevelUnit,
    /// Its target where nobody says another.
    pub target: f64,
    /// Healthy at or below the target; the others at or above it.
    pub at_most: bool,
    /// The flag that declares it.
    pub flag: &'static str,
    /// The flag that sets its target; a bool has none.
    pub target_flag: Option<&'static str>,
}

/// The ten, in the contract's order.
pub const LEVELS: [Level; 10] = [
    truth("quant_hft_core_process_alive", "--core-process-alive"),
    Level {
        name: "quant_hft_strategy_bridge_latency_p99_ms",
        unit: LevelUnit::Ms,
        target: 1500.0,
        at_most: true,
        flag: "--strategy-bridge-latency-ms",
        target_flag: Some("--strategy-bridge-target-ms"),
    },
    truth("quant_hft_strategy_bridge_chain_integrity", "--strategy-bridge-chain-status"),
    truth("quant_hft_storage_redis_health", "--redis-health"),
    truth("quant_hft_storage_timescale_health", "--timescale-health"),
    truth("quant_hft_storage_postgres_health", "--postgres-health"),
    Level {
        name: "quant_hft_ctp_query_latency_p99_ms",
        unit: LevelUnit::Ms,
        target: 2000.0,
        at_most: true,
        flag: "--query-latency-ms",
        target_flag: Some("--query-latency-target-ms"),
    },
    Level {
        name: "quant_hft_ctp_flow_control_hits",
        unit: LevelUnit::Count,
        target: 10.0,
        at_most: true,
        flag: "--flow-control-hits",
        target_flag: Some("--flow-control-hits-target"),
    },
    Level {
        name: "quant_hft_ctp_disconnect_recovery_success_rate",
        unit: LevelUnit::Ratio,
        target: 0.99,
        at_most: false,
        flag: "--disconnect-recovery-success-rate",
        target_flag: Some("--disconnect-recovery-target"),
    },
    Level {
        name: "quant_hft_ctp_reject_classified_ratio",
        unit: LevelUnit::Ratio,
        target: 0.95,
        at_most: false,
        flag: "--reject-classified-ratio",
        target_flag: Some("--reject-classified-target"),
    },
];

const fn truth(name: &'static str, flag: &'static str) -> Level {
    Level { name, unit: LevelUnit::Bool, target: 1.0, at_most: false, flag, target_flag: None }
}

/// The level of a name.
pub fn level(name: &str) -> Option<&'static Level> {
    LEVELS.iter().find(|level| level.name == name)
}

/// The unit of a service level's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelUnit {
    /// 1 for true, 0 for false.
    Bool,
    /// Milliseconds.
    Ms,
    /// How often something happened.
    Count,
    /// A part of the whole, from 0 to 1.
    Ratio,
}

impl LevelUnit {
    /// The word for it in every file.
    pub fn as_str(self) -> &'static str {
        match self {
            LevelUnit::Bool => "bool",
            LevelUnit::Ms => "ms",
            LevelUnit::Count => "count",
            LevelUnit::Ratio => "ratio",
        }
    }

    /// The unit of a word.
    pub fn parse(word: &str) -> Option<LevelUnit> {
        let all = [LevelUnit::Bool, LevelUnit::Ms, LevelUnit::Count, LevelUnit::Ratio];
        all.into_iter().find(|unit| unit.as_str() == word)
    }

    /// Whether this can be a value or a target: what is not finite, negative or out of range never can.
    pub fn accepts(self, value: f64) -> bool {
        value.is_finite()
            && value >= 0.0
            && match self {
                LevelUnit::Bool => value == 0.0 || value == 1.0,
                LevelUnit::Ratio => value <= 1.0,
                LevelUnit::Ms | LevelUnit::Count => true,
            }
    }

    /// What it accepts, in words that follow on "expected".
    pub fn expected(self) -> &'static str {
        match self {
            LevelUnit::Bool => "true or false",
            LevelUnit::Ms => "a number of milliseconds, 0 or more",
            LevelUnit::Count => "a count, 0 or more",
            LevelUnit::Ratio => "a ratio from 0 to 1",
        }
    }

    /// Whether a number that was measured in this unit can be the level's value. A time must say its unit; a truth
    /// may be a gauge that is 1 or 0.
    pub fn fits(self, unit: Unit) -> bool {
        match self {
            LevelUnit::Ms => unit.dimension() == Dimension::Time,
            LevelUnit::Ratio => matches!(unit.dimension(), Dimension::Ratio | Dimension::None),
            LevelUnit::Bool | LevelUnit::Count => {
                matches!(unit.dimension(), Dimension::Count | Dimension::None)
            }
        }
    }
}

/// What readiness is judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadinessPlan {
    /// `precheck`, `rollback`, …: the evidence's scope.
    pub scope: String,
    /// The environment's name in the evidence.
    pub environment: String,
    /// The service's name in the evidence.
    pub service: String,
    /// Whether a profile measures: what nobody said is then never healthy. With flags alone the contract's defaults
    /// stay as they are, marked.
    pub measuring: bool,
    /// Declared and defaulted values are refused.
    pub require_measured: bool,
    /// The levels, in the contract's order.
    pub slis: Vec<SliPlan>,
}

/// One service level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliPlan {
    /// `quant_hft_ctp_query_latency_p99_ms`, …
    pub name: String,
    /// The unit in the evidence: `bool`, `ms`, `count`, `ratio`.
    pub unit: String,
    /// The limit; a bool's is 1.
    pub target: f64,
    /// Healthy at or below the target; the others at or above it.
    pub at_most: bool,
    /// Where its value comes from.
    pub from: SliSource,
}

impl SliPlan {
    /// Whether a value is healthy by the target alone. What is no number is not.
    pub fn is_met(&self, value: f64) -> bool {
        if self.at_most { value <= self.target } else { value >= self.target }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
pub enum SliSource {
    /// A gate measures it.
    Measured {
        /// Which gate.
        gate: GateId,
        /// Which of its observations; none for a bool that is whether the gate passed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        /// Where the profile says so.
        at: Position,
    },
    /// A person typed it.
    Declared {
        /// The value in the unit.
        value: f64,
        /// The flag and what was typed: `--query-latency-ms 1200`.
        flag: String,
    },
    /// Nobody said.
    Defaulted {
        /// The contract's default; none where it has none: the value is not known then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<f64>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_a_name_and_flags_of_its_own_and_a_target_that_can_be_met() {
        for (n, level) in LEVELS.iter().enumerate() {
            assert!(level.unit.accepts(level.target), "{level:?}");
            assert_eq!(level.target_flag.is_none(), level.unit == LevelUnit::Bool, "{level:?}");
            assert_eq!(LevelUnit::parse(level.unit.as_str()), Some(level.unit));
            for other in &LEVELS[n + 1..] {
                assert!(level.name != other.name && level.flag != other.flag, "{level:?}");
            }
        }
        assert_eq!(LevelUnit::parse("s"), None);
    }

    #[test]
    fn no_value_is_negative_not_finite_or_out_of_range() {
        for unit in [LevelUnit::Bool, LevelUnit::Ms, LevelUnit::Count, LevelUnit::Ratio] {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -f64::MIN_POSITIVE] {
                assert!(!unit.accepts(value), "{unit:?} {value}");
            }
            assert!(unit.accepts(0.0) && unit.accepts(1.0));
        }
        assert!(!LevelUnit::Ratio.accepts(1.0 + f64::EPSILON));
        assert!(!LevelUnit::Bool.accepts(0.5));
        assert!(LevelUnit::Ms.accepts(1e9) && LevelUnit::Count.accepts(1e9));
    }
}
