//! The tables of a policy, each described once: the decoder and docs/policy.md read these lists.

use crate::model::field::{Apart, Field, FieldKind};

use FieldKind::{Bool, Choice, Duration, Integer, Table, Text, Texts};

/// The words of those who give services.
pub(super) const PROVISIONERS: [&str; 3] = ["embedded", "containers", "attach"];

/// The words of the phases, in their order.
const PHASES: [&str; 6] = ["infra", "readiness", "switch", "watch", "rollback", "evidence"];

/// The top of the file.
pub(super) const POLICY: &[Field] = &[
    Field::required("name", Text, "Its name, as verdicts have it."),
    Field::optional(
        "expires",
        Text,
        "From then on nothing is signed off by it: a time with its offset, \"2027-01-01T00:00:00+08:00\".",
    ),
    Field::optional("runs", Table(RUNS), "What the runs must have been made of."),
];

/// The lists at the top of the file.
pub(super) const LISTS: [Apart; 5] = [
    Apart { name: "product", about: "Which product a service must have been: `[[product]]`." },
    Apart { name: "require", about: "Gates that must have passed: `[[require]]`." },
    Apart { name: "key", about: "Who may sign: `[[key]]`." },
    Apart { name: "threshold", about: "How many of whom must have signed: `[[threshold]]`." },
    Apart { name: "waiver", about: "Gates that may be red all the same: `[[waiver]]`." },
];

/// `[runs]`
pub(super) const RUNS: &[Field] = &[
    Field::optional("environment", Text, "The environment's name."),
    Field::optional("commit", Text, "The commit, whole: 40 or 64 hexadecimal digits."),
    Field::with_default("clean_tree", Bool, "false", "The work tree was as the commit has it."),
    Field::optional("profile_sha256", Text, "SHA-256 of the profile: 64 hexadecimal digits."),
    Field::with_default(
        "provisioners",
        Texts,
        "[]",
        "Who may have given the services: \"embedded\", \"containers\", \"attach\"; any where it is empty.",
    ),
    Field::with_default(
        "measured_only",
        Bool,
        "false",
        "Every service level was measured: there is one, and none is declared or defaulted.",
    ),
    Field::optional("rollback_drill", Table(DRILL), "A rollback was drilled."),
    Field::optional("min_watch", Duration, "The watch after the switch lasted at least so long."),
    Field::with_default("no_flaky", Bool, "false", "No gate passed only when it was tried again."),
];

/// `rollback_drill = { max_age, max_duration }`
pub(super) const DRILL: &[Field] = &[
    Field::required("max_age", Duration, "It may be so old."),
    Field::optional(
        "max_duration",
        Duration,
        "It took at most so long; the limit of its own plan holds besides.",
    ),
];

/// `[[product]]`
pub(super) const PRODUCT: &[Field] = &[
    Field::required("service", Text, "The service's name in the profile."),
    Field::optional(
        "name",
        Text,
        "The product's name, as evidence has it: \"Redis\"; any where it is absent.",
    ),
    Field::with_default(
        "versions",
        Texts,
        "[]",
        "What its version must begin with, part by part: \"7.2\" takes 7.2 and 7.2.4, not 7.20; any where it is empty.",
    ),
];

/// `[[require]]`
pub(super) const REQUIRE: &[Field] = &[
    Field::optional("gate", Text, "This gate."),
    Field::optional("tag", Text, "All gates that have this word."),
    Field::optional("phase", Choice(&PHASES), "All gates of this part of the cutover."),
    Field::optional(
        "required",
        Bool,
        "true: all gates that the profile requires. They must have passed anyway.",
    ),
    Field::optional("max_age", Duration, "What was measured may be so old; any age where it is absent."),
];

/// `[[key]]`
pub(super) const KEY: &[Field] = &[
    Field::required("name", Text, "Whose it is."),
    Field::required("roles", Texts, "As what its owner may sign: \"runner\", \"approver\", …"),
    Field::optional("file", Text, "The public key's PEM file, from the policy's folder: \"keys/alice.pub\"."),
    Field::optional("pem", Text, "The public key itself, as PEM."),
    Field::optional(
        "id",
        Text,
        "The key's id, as `cutproof keygen` prints it: 64 hexadecimal digits. A policy that is signed must have it \
         beside `file`: its signature does not cover that one.",
    ),
];

/// `[[threshold]]`
pub(super) const THRESHOLD: &[Field] = &[
    Field::required("role", Text, "The role."),
    Field::required("count", Integer { min: 1, max: 1000 }, "So many distinct keys must have signed in it."),
];

/// `[[waiver]]`
pub(super) const WAIVER: &[Field] = &[
    Field::required("gate", Text, "Which gate may be red."),
    Field::required("reason", Text, "Why."),
    Field::required("approver", Text, "Who says so."),
    Field::required("expires", Text, "Until then: a time with its offset."),
    Field::optional("commit", Text, "It holds for runs of this commit: 40 or 64 hexadecimal digits."),
    Field::optional(
        "evidence",
        Text,
        "It holds for the run whose manifest has this SHA-256: 64 hexadecimal digits.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Phase;

    #[test]
    fn the_words_are_those_of_the_model() {
        assert_eq!(PHASES, Phase::ALL.map(Phase::as_str));
    }
}
