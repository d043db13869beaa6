//! The gates of a plan as a table: what `gates list` prints.

use super::layout::{columns, fit, pad};
use crate::evidence::text::visible;
use crate::model::Gate;

/// The widest a column gets; the last one is as wide as its texts.
const WIDEST: usize = 44;

/// One line a gate, in the plan's order; the flag says whether a selection keeps it.
pub fn plan_table<'a>(gates: impl IntoIterator<Item = (&'a Gate, bool)>) -> String {
    let head = ["GATE", "RUNS", "PROBE", "USES", "NEEDS", "EXPECTS"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(gates.into_iter().map(|(gate, selected)| row(gate, selected)));
    let widths: Vec<_> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| columns(&row[column]).min(WIDEST)).max().unwrap_or(0))
        .collect();
    let line = |row: &[String; 6]| {
        let (last, others) = (&row[5], &row[..5]);
        let others = others.iter().zip(&widths).map(|(cell, width)| pad(&fit(cell, *width), *width));
        let line = others.chain([last.clone()]).collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(gate: &Gate, selected: bool) -> [String; 6] {
    let list = |names: Vec<&str>| {
        if names.is_empty() { "-".to_owned() } else { visible(&names.join(", ")).into_owned() }
    };
    let runs = match (selected, gate.required) {
        (false, _) => "not selected",
        (true, true) => "required",
        (true, false) => "optional",
    };
    [
        gate.case(),
        runs.to_owned(),
        visible(&gate.probe).into_owned(),
        list(gate.uses.iter().map(String::as_str).collect()),
        list(gate.needs.iter().map(|need| need.as_str()).collect()),
        visible(&gate.expect).into_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::sample;

    #[test]
    fn a_plan_is_a_table_that_says_what_runs() {
        let mut gates =
            [sample::gate("redis-ping", "redis_ping"), sample::gate("kafka-topics", "kafka_topics")];
        gates[0].required = false;
        gates[1].uses = vec!["kafka".to_owned(), "connect".to_owned()];
        gates[1].needs = vec![gates[0].id.clone()];
        let table = plan_table([(&gates[0], true), (&gates[1], false)]);
        insta::assert_snapshot!(table, @r"
        GATE                 RUNS          PROBE         USES            NEEDS       EXPECTS
        infra::redis-ping    optional      redis_ping    -               -           ok
        infra::kafka-topics  not selected  kafka_topics  kafka, connect  redis-ping  ok
        ");
    }
}
