//! The tables of a cutover: its steps, the switch gate, the watch and readiness.

use super::Apart;
use crate::model::field::{Field, FieldKind};
use crate::model::readiness::LEVELS;
use crate::model::{CUTOVER_STEPS, ROLLBACK_STEPS};

use FieldKind::{Bool, Choice, Duration, Number, Regex, Text, Texts};

/// The steps of a cutover, then those of a rollback, each in their order.
const STEPS: [&str; 17] = {
    let (there, back) = (CUTOVER_STEPS, ROLLBACK_STEPS);
    let mut all = [""; 17];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < there.len() { there[at] } else { back[at - there.len()] };
        at += 1;
    }
    all
};

/// What a new core does before it is one, in this order.
pub(in crate::profile) use crate::model::switch::MARKS;

/// The service levels of readiness.
const SLIS: [&str; 10] = {
    let mut names = [""; 10];
    let mut at = 0;
    while at < names.len() {
        names[at] = LEVELS[at].name;
        at += 1;
    }
    names
};

/// The words of what it means that there is no data.
const ON_NO_DATA: [&str; 3] = ["hold", "fail", "rollback"];

/// A number of samples.
const LIMIT: FieldKind = FieldKind::Integer { min: 0, max: 1_000_000 };

/// `[cutover]`
pub(in crate::profile) const CUTOVER: &[Field] = &[
    Field::optional("cutover_template", Text, "The cutover template, where no flag names one."),
    Field::optional("rollback_template", Text, "The rollback template, where no flag names one."),
    Field::with_default(
        "enforce_window",
        Bool,
        "false",
        "Whether a cutover outside CUTOVER_WINDOW_LOCAL is refused; otherwise it is a recorded warning.",
    ),
    Field::with_default(
        "step_timeout",
        Duration,
        "\"10m\"",
        "How long a step may take that does not say otherwise.",
    ),
    Field::with_default(
        "rehearsal_watch",
        Duration,
        "\"10s\"",
        "How long the watch lasts in a rehearsal, in place of POST_SWITCH_MONITOR_MINUTES.",
    ),
];

const PROBE: &str = "What measures; see probes.md. One that writes has no place here.";
const USES: &str = "The services that it measures, by name: of the kinds that the probe takes.";

/// `[[step]]`, but for `with`.
pub(in crate::profile) const STEP: &[Field] = &[
    Field::required("name", Choice(&STEPS), "Which step."),
    Field::optional(
        "timeout",
        Duration,
        "How long it may take, a background step until it is ready; `step_timeout` of `[cutover]` where it is absent.",
    ),
    Field::with_default(
        "background",
        Bool,
        "false",
        "Whether its command serves in the foreground: it is left running as soon as it is ready.",
    ),
    Field::optional(
        "ready",
        Text,
        "The condition by which a background step is ready, on what `probe` observes. `$NAME` is a threshold.",
    ),
    Field::optional("probe", Text, PROBE),
    Field::with_default("uses", Texts, "[]", USES),
];

/// `[switch]`, but for `with` and the marks.
pub(in crate::profile) const SWITCH: &[Field] =
    &[Field::optional("probe", Text, PROBE), Field::with_default("uses", Texts, "[]", USES)];

/// The key of `[switch]` that holds the marks.
pub(in crate::profile) const SWITCH_MARK: Apart =
    Apart { name: "mark", about: "Login, settlement and instruments, in this order: `[[switch.mark]]`." };

/// `[[switch.mark]]`
pub(in crate::profile) const MARK: &[Field] = &[
    Field::required("name", Choice(&MARKS), "What happened."),
    Field::optional(
        "value",
        Text,
        "What the probe observes of it: when it happened, as a time since 1970. Either this or `match`.",
    ),
    Field::optional(
        "match",
        Regex,
        "A regular expression on the output of WARMUP_QUERY_CMD, whose group `at` is when it happened: RFC 3339, or \
         seconds since 1970.",
    ),
    Field::required("within", Duration, "How long after the new core's start it may happen at the latest."),
];

/// `[watch]`, but for sources and metrics.
pub(in crate::profile) const WATCH: &[Field] = &[
    Field::with_default("interval", Duration, "\"1s\"", "From one sample to the next; at least 100ms."),
    Field::optional(
        "max_age",
        Duration,
        "How old a value may be before it counts as missing; three intervals where it is absent.",
    ),
];

/// The key of `[watch]` that holds the sources.
pub(in crate::profile) const SOURCE_LIST: Apart = Apart {
    name: "source",
    about: "Where values come from, each asked once an interval: `[[watch.source]]`.",
};

/// The key of `[watch]` that holds the metrics.
pub(in crate::profile) const METRIC_LIST: Apart =
    Apart { name: "metric", about: "What is watched: `[[watch.metric]]`." };

/// `[[watch.source]]`, but for `with`.
pub(in crate::profile) const SOURCE: &[Field] = &[
    Field::required("name", Text, "Its name: lower-case letters, digits, `-` and `_`, a letter first."),
    Field::required("probe", Text, PROBE),
    Field::with_default("uses", Texts, "[]", USES),
    Field::optional("timeout", Duration, "How long one sample may take; the interval where it is absent."),
];

/// `[[watch.metric]]`
pub(in crate::profile) const METRIC: &[Field] = &[
    Field::required("name", Text, "The name that conditions use, the trigger's too; MONITOR_KEYS lists it."),
    Field::required("source", Text, "The source that it comes from."),
    Field::optional(
        "value",
        Text,
        "What of the source's observations; the one of the metric's name where absent.",
    ),
    Field::optional(
        "expect",
        Text,
        "The condition on each sample: true is a success, false a failure, unknown inconclusive. Where absent, the \
         metric is only recorded, and used by the trigger. `$NAME` is a threshold; `for` is allowed.",
    ),
    Field::with_default("failure_limit", LIMIT, "0", "More failures than this fail the watch."),
    Field::with_default("inconclusive_limit", LIMIT, "0", "More inconclusive samples than this are no data."),
    Field::with_default("consecutive_error_limit", LIMIT, "4", "More errors in a row than this are no data."),
    Field::optional(
        "warmup",
        Duration,
        "For how long after the watch's start samples count for nothing; no time where it is absent.",
    ),
    Field::with_default(
        "on_no_data",
        Choice(&ON_NO_DATA),
        "\"hold\"",
        "What it means that there is no data: `hold` ends inconclusive, `fail` fails the watch, `rollback` rolls back.",
    ),
    Field::with_default(
        "activity",
        Bool,
        "false",
        "Whether it shows that the core is doing something: then 0 is a failure, whatever `expect` says.",
    ),
];

/// `[readiness]`, but for its levels.
pub(in crate::profile) const READINESS: &[Field] =
    &[Field::with_default("service", Text, "\"core_engine\"", "The service's name in the evidence.")];

/// The key of `[readiness]` that holds the levels.
pub(in crate::profile) const SLI_LIST: Apart =
    Apart { name: "sli", about: "The service levels that are measured: `[[readiness.sli]]`." };

/// `[[readiness.sli]]`
pub(in crate::profile) const SLI: &[Field] = &[
    Field::required("name", Choice(&SLIS), "Which level."),
    Field::required("gate", Text, "The gate that measures it, of phase infra or readiness."),
    Field::optional(
        "value",
        Text,
        "What of the gate's observations. Where absent, whether the gate passed: for levels that are true or false.",
    ),
    Field::optional(
        "target",
        Number,
        "The limit in the level's unit, where it is another than the runbook's; none for what is true or false.",
    ),
];
