//! The tables of a profile, each described once: the decoder, the JSON Schema and the docs read these lists.

mod switch;

pub(super) use switch::{
    CUTOVER, MARK, MARKS, METRIC, METRIC_LIST, READINESS, SLI, SLI_LIST, SOURCE, SOURCE_LIST, STEP, SWITCH,
    SWITCH_MARK, WATCH,
};

pub(super) use crate::model::field::Apart;
use crate::model::field::{Field, FieldKind};

use FieldKind::{Bool, Choice, Duration, Table, Text, Texts};

/// The words of the phases, in their order.
pub(super) const PHASES: [&str; 6] = ["infra", "readiness", "switch", "watch", "rollback", "evidence"];

/// The words of the kinds of services.
pub(super) const KINDS: [&str; 7] =
    ["redis", "kafka", "connect", "clickhouse", "postgres", "prometheus", "http"];

/// The top of the file.
pub(super) const PROFILE: &[Field] = &[
    Field::required("environment", Text, "The environment's name, as evidence has it."),
    Field::with_default("about", Text, "\"\"", "One line on what this environment is."),
    Field::optional("defaults", Table(DEFAULTS), "What holds for gates that do not say otherwise."),
    Field::optional("cutover", Table(CUTOVER), "The templates of the cutover, and how it is run."),
];

/// Keys at the top of the file whose names the user chooses, or which are lists.
pub(super) const PROFILE_APART: [Apart; 7] = [
    Apart {
        name: "services",
        about: "What gates measure: `[services.NAME]`. A name has lower-case letters, digits, `-` and `_`.",
    },
    Apart {
        name: "thresholds",
        about: "Limits by name, for conditions to use as `$NAME`: a number, or a text such as \"500ms\".",
    },
    Apart { name: "gate", about: "The gates, each one a test case: `[[gate]]`." },
    Apart {
        name: "step",
        about: "What the templates cannot say about single steps of a cutover: `[[step]]`.",
    },
    Apart {
        name: "switch",
        about: "When the new core logged in, confirmed settlement and loaded its instruments.",
    },
    Apart { name: "watch", about: "What is measured in the minutes after a cutover." },
    Apart { name: "readiness", about: "Which gates measure the service levels of readiness." },
];

/// `[defaults]`
pub(super) const DEFAULTS: &[Field] = &[
    Field::with_default("timeout", Duration, "\"10s\"", "The deadline of one attempt of a gate."),
    Field::optional("retry", Table(RETRY), "When a gate that did not pass is tried again."),
];

/// `retry = { every, for }`
pub(super) const RETRY: &[Field] = &[
    Field::required("every", Duration, "Pause between two attempts."),
    Field::required("for", Duration, "No attempt begins later than this after the first."),
];

/// `[services.NAME]`
pub(super) const SERVICE: &[Field] = &[
    Field::required("kind", Choice(&KINDS), "What speaks there."),
    Field::optional(
        "endpoint",
        Text,
        "Where it runs already: \"host:port\" for redis, kafka (several with commas) and postgres, a URL for the \
         others. Not used where cutproof starts the service itself.",
    ),
    Field::optional("user", Text, "The user to log in as."),
    Field::optional("password_env", Text, "The environment variable that holds the user's password."),
    Field::optional(
        "password_file",
        Text,
        "In place of `password_env`: the file that holds the password and nothing else, a line feed at its end aside.",
    ),
    Field::optional("sasl", Choice(&SASL), "How to log in, for kafka; with `user` and a password."),
    Field::optional("database", Text, "The database to use, where the kind has databases."),
    Field::optional(
        "stands_for",
        Text,
        "What the real environment runs, such as \"redis:7.2-alpine\"; evidence says where a rehearsal differs.",
    ),
    Field::with_default(
        "from",
        Text,
        "\"pinned\"",
        "What cutproof starts in a rehearsal: \"pinned\", its own engine, or a server program on PATH or by path.",
    ),
    Field::optional(
        "image",
        Text,
        "The image of its container, where containers are started: \"redis:7.2-alpine\"; the kind's own where it is \
         absent. The variable CUTPROOF_IMAGE_NAME goes before it.",
    ),
    Field::optional(
        "start",
        Text,
        "In place of `from`, for the kinds prometheus and http: the command line that a rehearsal starts and that \
         serves in the foreground, at the address in CUTPROOF_ENDPOINT_NAME; it finds those of the services in \
         `needs` likewise.",
    ),
    Field::with_default("needs", Texts, "[]", "Services that must be up before this one."),
];

/// The key of a service that is a truth or a table.
pub(super) const TLS: Apart = Apart {
    name: "tls",
    about: "How it is protected: `true`, or a table of the files below. Its host name and its certificate are always \
            checked. What speaks HTTP has `https://` in its `endpoint`.",
};

/// `tls = { … }`
pub(super) const TLS_FILES: &[Field] = &[
    Field::optional(
        "ca",
        Text,
        "Who vouches for the server, in PEM; the system's authorities where it is absent.",
    ),
    Field::optional(
        "certificate",
        Text,
        "The certificate by which we are known to the server, in PEM; with `key`.",
    ),
    Field::optional("key", Text, "Its private key, in PEM, without a passphrase."),
];

/// The words of the mechanisms of SASL.
pub(super) const SASL: [&str; 3] = ["plain", "scram-sha-256", "scram-sha-512"];

/// Keys that a service must not have, and why.
pub(super) const SERVICE_REFUSED: [(&str, &str); 1] = [(
    "password",
    "a password does not belong in a profile; put it into an environment variable and name that here: \
     password_env = \"DB_PASSWORD\"; or into a file: password_file = \"PATH\"",
)];

/// `[[gate]]`, but for `with`, whose keys are the probe's.
pub(super) const GATE: &[Field] = &[
    Field::required(
        "id",
        Text,
        "Its name, unique in the profile: lower-case letters, digits, `-`, `_` and `.`, a letter first.",
    ),
    Field::with_default("about", Text, "\"\"", "One line on why it is there."),
    Field::required(
        "phase",
        Choice(&PHASES),
        "The part of the cutover it belongs to; phases run in this order.",
    ),
    Field::required("probe", Text, "What measures; see probes.md."),
    Field::optional(
        "expect",
        Text,
        "The condition on what was measured; the probe's own where it is absent. `$NAME` is a threshold.",
    ),
    Field::with_default(
        "uses",
        Texts,
        "[]",
        "The services that it measures, by name: of the kinds that the probe takes.",
    ),
    Field::with_default("needs", Texts, "[]", "Gates that must have passed before; of no later phase."),
    Field::with_default(
        "after",
        Texts,
        "[]",
        "Gates that it waits for where they run too, however they end; of no later phase.",
    ),
    Field::with_default("required", Bool, "true", "Whether the run fails where it does not pass."),
    Field::optional(
        "timeout",
        Duration,
        "The deadline of one attempt; that of `[defaults]` where it is absent, else \"10s\".",
    ),
    Field::optional(
        "retry",
        Table(RETRY),
        "When it is tried again; that of `[defaults]` where it is absent, else never.",
    ),
    Field::with_default("tags", Texts, "[]", "Words to select gates by."),
    Field::with_default(
        "writes",
        Bool,
        "false",
        "Must be true for a gate that writes to what it measures: nothing is written that was not asked for.",
    ),
];

/// The key of a gate that holds its probe's settings.
pub(super) const WITH: Apart = Apart { name: "with", about: "The probe's own settings; see probes.md." };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::service::Sasl;
    use crate::model::{Phase, ServiceKind};

    #[test]
    fn the_words_are_those_of_the_model() {
        assert_eq!(PHASES, Phase::ALL.map(Phase::as_str));
        assert_eq!(KINDS, ServiceKind::ALL.map(ServiceKind::as_str));
        assert_eq!(SASL.map(Sasl::parse), Sasl::ALL.map(Some));
    }
}
