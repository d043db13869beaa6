//! What a statement says of its subjects: in-toto's test result v0.1 for a run, SLSA's verification summary v1 for a
//! verdict over runs, and an approval of our own for a file that a person stands for. Fields that are not known are
//! passed over, but for extensions: those whose names are URIs.

use super::resource::{ResourceDescriptor, is_uri, short};
use crate::model::Stamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// URIs of our own.
pub mod uri {
    /// Extension: as what the signer signs, `runner`, `approver`, …
    pub const ROLE: &str = "urn:cutproof:role";
    /// Extension of a test result: what the run is worth, a text: `passed`, `partial`, `simulated`, `failed`, …
    pub const OUTCOME: &str = "urn:cutproof:outcome";
    /// Extension of a verification summary: what was found.
    pub const FINDINGS: &str = "urn:cutproof:findings";
    /// Extension of a verification summary: the policy's waivers and what became of each.
    pub const WAIVERS: &str = "urn:cutproof:waivers";
    /// The verifier's id in a verification summary.
    pub const VERIFIER: &str = "urn:cutproof:verifier";
    /// The type of an approval.
    pub const APPROVAL: &str = "urn:cutproof:approval:v1";
    /// The type of a test result.
    pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
    /// The type of a verification summary.
    pub const VERIFICATION_SUMMARY: &str = "https://slsa.dev/verification_summary/v1";
}

/// What the levels of a verification that did not pass are.
const FAILED: &str = "FAILED";
/// What SLSA's own levels begin with.
const SLSA: &str = "SLSA_";

/// What a statement says.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Predicate {
    /// What came of a run.
    TestResult(TestResult),
    /// What came of a policy.
    VerificationSummary(VerificationSummary),
    /// Somebody stands for a file.
    Approval(Approval),
    /// Something else.
    Other {
        /// Its type's URI.
        kind: String,
        /// What it says.
        predicate: Value,
    },
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// In a word.
    pub result: TestOutcome,
    /// What it was run with: the profile, the templates.
    pub configuration: Vec<ResourceDescriptor>,
    /// Where it can be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Tests that passed.
    #[serde(default)]
    pub passed_tests: Vec<String>,
    /// Tests that passed, and not without something to say: those that passed only when they were tried again.
    #[serde(default)]
    pub warned_tests: Vec<String>,
    /// Tests that did not pass.
    #[serde(default)]
    pub failed_tests: Vec<String>,
    /// Fields whose names are URIs.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, Value>,
}

/// What came of a run, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TestOutcome {
    /// It passed.
    Passed,
    /// Nothing stands against it, and it is not a whole pass.
    Warned,
    /// It did not pass.
    Failed,
}

impl TestOutcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            TestOutcome::Passed => "PASSED",
            TestOutcome::Warned => "WARNED",
            TestOutcome::Failed => "FAILED",
        }
    }
}

/// What came of a policy: SLSA's verification summary, version 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSummary {
    /// Who verified.
    pub verifier: Verifier,
    /// When.
    pub time_verified: Stamp,
    /// What it is for: a URI that names the environment, so that a verdict for one can't be used for another.
    pub resource_uri: String,
    /// By which policy; its URI must be there.
    pub policy: ResourceDescriptor,
    /// What was looked at, each with its digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_attestations: Vec<ResourceDescriptor>,
    /// What came of it.
    pub verification_result: VerificationResult,
    /// Which levels were reached; `FAILED` alone where it did not pass.
    pub verified_levels: Vec<String>,
    /// Levels of what it depends on, counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dependency_levels: BTreeMap<String, u64>,
    /// The version of SLSA that is meant, `MAJOR.MINOR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slsa_version: Option<String>,
    /// Fields whose names are URIs.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, Value>,
}

/// Who verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// A URI.
    pub id: String,
    /// Versions by component.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
}

/// What came of a policy, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerificationResult {
    /// It is fulfilled.
    Passed,
    /// It is not.
    Failed,
}

/// Somebody stands for a file. As what, the extension [`uri::ROLE`] says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Fields whose names are URIs.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, Value>,
}

impl Predicate {
    /// Its type's URI.
    pub fn kind(&self) -> &str {
        match self {
            Predicate::TestResult(_) => uri::TEST_RESULT,
            Predicate::VerificationSummary(_) => uri::VERIFICATION_SUMMARY,
            Predicate::Approval(_) => uri::APPROVAL,
            Predicate::Other { kind, .. } => kind,
        }
    }

    /// Fields whose names are URIs.
    pub fn extensions(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Predicate::TestResult(result) => Some(&result.extensions),
            Predicate::VerificationSummary(summary) => Some(&summary.extensions),
            Predicate::Approval(approval) => Some(&approval.extensions),
            Predicate::Other { .. } => None,
        }
    }

    fn extensions_mut(&mut self) -> Option<&mut BTreeMap<String, Value>> {
        match self {
            Predicate::TestResult(result) => Some(&mut result.extensions),
            Predicate::VerificationSummary(summary) => Some(&mut summary.extensions),
            Predicate::Approval(approval) => Some(&mut approval.extensions),
            Predicate::Other { .. } => None,
        }
    }

    pub(super) fn read(kind: String, predicate: Value) -> Result<Predicate, serde_json::Error> {
        let mut read = match kind.as_str() {
            uri::TEST_RESULT => Predicate::TestResult(TestResult::deserialize(predicate)?),
            uri::VERIFICATION_SUMMARY => {
                Predicate::VerificationSummary(VerificationSummary::deserialize(predicate)?)
            }
            uri::APPROVAL => Predicate::Approval(Approval::deserialize(predicate)?),
            _ => Predicate::Other { kind, predicate },
        };
        if let Some(extensions) = read.extensions_mut() {
            extensions.retain(|name, _| is_uri(name));
        }
        Ok(read)
    }

    pub(super) fn write(&self) -> Result<Value, serde_json::Error> {
        match self {
            Predicate::TestResult(result) => serde_json::to_value(result),
            Predicate::VerificationSummary(summary) => serde_json::to_value(summary),
            Predicate::Approval(approval) => serde_json::to_value(approval),
            Predicate::Other { predicate, .. } => Ok(predicate.clone()),
        }
    }

    /// What is wrong with it by its type's own rules, in words.
    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Predicate::TestResult(result) => result.fault(),
            Predicate::VerificationSummary(summary) => summary.fault(),
            Predicate::Approval(_) => None,
            Predicate::Other { kind, .. } => {
                (!is_uri(kind)).then(|| format!("predicateType must be a URI, and it is {:?}", short(kind)))
            }
        }
    }

    /// What is wrong with one of ours, besides.
    pub(super) fn fault_of_ours(&self) -> Option<String> {
        let names = self.extensions().into_iter().flatten().map(|(name, _)| name);
        if let Some(name) = names.into_iter().find(|name| !is_uri(name)) {
            return Some(format!("the extension {name:?} must have a URI for its name"));
        }
        let Predicate::VerificationSummary(summary) = self else { return None };
        let slsa = summary.verified_levels.iter().find(|level| level.starts_with(SLSA));
        slsa.map(|level| {
            format!("the level {level:?} must not begin with {SLSA}: no SLSA track was verified")
        })
    }
}

impl TestResult {
    fn fault(&self) -> Option<String> {
        of_each("configuration", &self.configuration)
    }
}

impl VerificationSummary {
    fn fault(&self) -> Option<String> {
        for (field, text) in [("verifier.id", &self.verifier.id), ("resourceUri", &self.resource_uri)] {
            if !is_uri(text) {
                return Some(format!("{field} must be a URI, and it is {:?}", short(text)));
            }
        }
        if self.policy.uri.is_none() {
            return Some("policy must have a uri".to_owned());
        }
        if let Some(fault) = self.policy.fault() {
            return Some(format!("policy {fault}"));
        }
        if let Some(place) = self.input_attestations.iter().position(|input| input.digest.is_empty()) {
            return Some(format!("inputAttestations[{place}] must have a digest"));
        }
        of_each("inputAttestations", &self.input_attestations).or_else(|| self.fault_of_levels())
    }

    fn fault_of_levels(&self) -> Option<String> {
        let failed = self.verified_levels.iter().any(|level| level == FAILED);
        match self.verification_result {
            VerificationResult::Failed if self.verified_levels != [FAILED] => {
                Some("verifiedLevels must be FAILED alone where verificationResult is FAILED".to_owned())
            }
            VerificationResult::Passed if failed => {
                Some("verifiedLevels has FAILED, and verificationResult is PASSED".to_owned())
            }
            _ => None,
        }
    }
}

fn of_each(field: &str, descriptors: &[ResourceDescriptor]) -> Option<String> {
    let mut faults = descriptors.iter().enumerate();
    faults.find_map(|(place, descriptor)| descriptor.fault().map(|fault| format!("{field}[{place}] {fault}")))
}
