//! `cutproof plan`: the runbook's checklist from the two templates.

use super::Refusal;
use crate::evidence;
use crate::model::Stamp;
use crate::model::redact::{MASK, Redactor, names_a_secret};
use crate::report::{self, Checklist};
use crate::template::{Cutover, Rollback, Template};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The flags of `plan`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What the cutover is made of
    #[arg(long, value_name = "FILE", default_value = "configs/ops/ctp_cutover.template.env")]
    cutover_template: PathBuf,
    /// What the way back is made of
    #[arg(long, value_name = "FILE", default_value = "configs/ops/ctp_rollback_drill.template.env")]
    rollback_template: PathBuf,
    /// Where the checklist goes
    #[arg(long, value_name = "FILE", default_value = "docs/results/ctp_one_shot_cutover_checklist.md")]
    output_md: PathBuf,
    /// Where both templates' values go, for programs
    #[arg(long, value_name = "FILE")]
    output_json: Option<PathBuf>,
}

/// Writes the checklist, and prints where.
pub fn run(arguments: &Arguments) -> super::Result {
    let cutover = Cutover::read(&arguments.cutover_template).map_err(Refusal::of)?;
    let rollback = Rollback::read(&arguments.rollback_template).map_err(Refusal::of)?;
    let unknown = cutover.template.warnings().into_iter().chain(rollback.template.warnings());
    unknown.for_each(|warning| eprintln!("warning: {warning}"));
    let (there, back) = (&cutover.env_name.text, &rollback.env_name.text);
    if there != back {
        eprintln!("warning: the cutover is of the environment {there}, and the rollback of {back}");
    }
    refuse_the_same(arguments)?;
    let redactor = Redactor::of_environment();
    let page = report::checklist(&page(&cutover, &rollback, &redactor));
    let mut files = vec![(&arguments.output_md, page)];
    if let Some(path) = &arguments.output_json {
        files.push((path, format!("{:#}\n", values(arguments, &cutover, &rollback, &redactor))));
    }
    for (path, text) in files {
        evidence::place(path, text.as_bytes()).map_err(Refusal::of)?;
        super::print(&format!("{}\n", path.display()))?;
    }
    Ok(crate::exit::OK)
}

/// What is written must not take the place of what was read, nor of what is written besides.
fn refuse_the_same(arguments: &Arguments) -> super::Result<()> {
    let read = [&arguments.cutover_template, &arguments.rollback_template];
    let mut taken: Vec<PathBuf> = read.into_iter().map(|path| whole(path)).collect();
    for path in std::iter::once(&arguments.output_md).chain(&arguments.output_json) {
        let at = whole(path);
        if taken.contains(&at) {
            return Err(Refusal(format!(
                "{} would take the place of a template or of the other output; give another path",
                path.display()
            )));
        }
        taken.push(at);
    }
    Ok(())
}

/// The path as the system knows it; of a file that is not there yet, its folder's.
fn whole(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let of_folder = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(of_folder).unwrap_or_else(|| path.to_owned())
}

fn page<'a>(cutover: &'a Cutover, rollback: &'a Rollback, redactor: &Redactor) -> Checklist<'a> {
    let safe = |text: &'a str| redactor.text(text);
    let it = |setting: &'a crate::template::Setting| safe(&setting.text);
    Checklist {
        generated: Stamp::now(),
        environment: it(&cutover.env_name),
        window: safe(&cutover.window.text),
        config_path: it(&cutover.ctp_config_path),
        old_core_stop: it(&cutover.old_core_engine_stop),
        old_runner_stop: it(&cutover.old_strategy_runner_stop),
        precheck: it(&cutover.precheck),
        bootstrap: [
            it(&cutover.bootstrap_infra),
            it(&cutover.init_kafka_topic),
            it(&cutover.init_clickhouse_schema),
            it(&cutover.init_debezium_connector),
        ],
        new_core_start: it(&cutover.new_core_engine_start),
        new_runner_start: it(&cutover.new_strategy_runner_start),
        warmup: it(&cutover.warmup_query),
        minutes: safe(&cutover.monitor.text),
        // The names of metrics are no free text.
        monitor_keys: cutover.monitor_keys.iter().map(|key| Cow::Borrowed(key.as_str())).collect(),
        cutover_output: it(&cutover.evidence_output),
        trigger: it(&rollback.trigger_condition),
        new_stop: [it(&rollback.new_core_engine_stop), it(&rollback.new_strategy_runner_stop)],
        restore: [it(&rollback.restore_previous_binaries), it(&rollback.restore_redis_bridge_compat)],
        previous_start: [
            it(&rollback.previous_core_engine_start),
            it(&rollback.previous_strategy_runner_start),
        ],
        validate: it(&rollback.post_rollback_validate),
        max_seconds: safe(&rollback.limit.text),
        rollback_output: it(&rollback.evidence_output),
    }
}

fn values(arguments: &Arguments, cutover: &Cutover, rollback: &Rollback, redactor: &Redactor) -> Value {
    let env = |template: &Template| {
        let value = |(key, setting): &(String, crate::template::Setting)| {
            let text = match key.as_str() {
                "MONITOR_KEYS" => Cow::Borrowed(setting.text.as_str()),
                key if names_a_secret(key) => Cow::Borrowed(MASK),
                _ => redactor.text(&setting.text),
            };
            (key.clone(), Value::from(text.into_owned()))
        };
        Value::Object(template.settings.iter().map(value).collect::<Map<_, _>>())
    };
    let path = |path: &Path| path.display().to_string();
    json!({
        "cutover_template": path(&arguments.cutover_template),
        "rollback_template": path(&arguments.rollback_template),
        "output_md": path(&arguments.output_md),
        "cutover_env": env(&cutover.template),
        "rollback_env": env(&rollback.template),
    })
}
