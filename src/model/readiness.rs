//! The service levels that readiness is made of, as they were resolved from a profile and flags. Their values are
//! observations of gates, or what a person typed; the evidence is projected from both.

use super::gate::Position;
use super::id::GateId;
use serde::{Deserialize, Serialize};

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
        /// The contract's default.
        value: f64,
    },
}
