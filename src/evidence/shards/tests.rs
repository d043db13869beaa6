use super::super::sample::{Sample, gate, id};
use super::super::{RunView, junit, summary};
use super::*;
use crate::journal::Records;
use crate::model::event::{FileDigest, Partition};
use crate::model::{Event, ServiceKind};

/// As [`Shard::of`] shares them out among three.
const OWNERS: [(&str, u32); 4] = [("redis-ping", 1), ("kafka-init", 1), ("kafka-topics", 2), ("shop", 3)];

/// A shard of three: its own gates pass. Gate `kafka-topics` needs `kafka-init`.
fn sample(index: u32) -> Sample {
    let mut sample = Sample::new(OWNERS.map(|(name, _)| gate(name, "command")).to_vec());
    let shard = |name: &str| Shard::of(&id(name), 3).index();
    OWNERS.iter().for_each(|(name, owner)| assert_eq!(shard(name), *owner, "{name}"));
    let setup: Vec<_> = if index == 2 { vec![id("kafka-init")] } else { vec![] };
    let run = RunId::from_text(&format!("20261122T19410{index}Z-gates-run-shard{index}"));
    let started = &mut sample.started;
    let left_out = OWNERS.iter().filter(|(_, owner)| *owner != index).map(|(name, _)| id(name));
    started.not_selected = left_out.filter(|gate| !setup.contains(gate)).collect();
    started.partition = Some(Partition { index, total: 3, setup: setup.into_iter().collect() });
    (started.run, started.partial, started.host) = (run, true, format!("host-{index}"));
    started.started = started.started.plus(Duration::from_secs(u64::from(index)));
    sample.service("redis", ServiceKind::Redis, None);
    sample.ready("redis", ServiceKind::Redis, "redis 7.2.4", None);
    for (name, owner) in OWNERS {
        if owner == index || (index == 2 && name == "kafka-init") {
            sample.begin(name).pass(name, &[]);
        } else {
            sample.end(name, Verdict::Skipped, "not selected: it belongs to another shard");
        }
    }
    sample.finish(Verdict::Passed);
    sample
}

use std::time::Duration;

fn merge(samples: &[Sample]) -> Result<[String; 2], Vec<Misfit>> {
    let records: Vec<Records> = samples.iter().map(Sample::records).collect();
    let views: Vec<RunView<'_>> = records.iter().map(|records| RunView::of(records).unwrap()).collect();
    let merged = Merged::of(&views.iter().collect::<Vec<_>>())?;
    let view = merged.view();
    Ok([junit(&view).unwrap(), summary(&view).unwrap()].map(|bytes| String::from_utf8(bytes).unwrap()))
}
