//! The cutover's checklist in Markdown, laid out as the runbook's tools lay it out. Values are a person's text: whatever
//! stands in them, a reader of CommonMark gets them back, and nothing of them becomes markup.

use crate::model::Stamp;
use std::borrow::Cow;

/// What the checklist is made of: the values of both templates.
#[derive(Debug, Clone)]
pub struct Checklist<'a> {
    /// When it was made.
    pub generated: Stamp,
    /// CUTOVER_ENV_NAME.
    pub environment: Cow<'a, str>,
    /// CUTOVER_WINDOW_LOCAL.
    pub window: Cow<'a, str>,
    /// CTP_CONFIG_PATH.
    pub config_path: Cow<'a, str>,
    /// OLD_CORE_ENGINE_STOP_CMD.
    pub old_core_stop: Cow<'a, str>,
    /// OLD_STRATEGY_RUNNER_STOP_CMD.
    pub old_runner_stop: Cow<'a, str>,
    /// PRECHECK_CMD.
    pub precheck: Cow<'a, str>,
    /// BOOTSTRAP_INFRA_CMD, and those of the three inits.
    pub bootstrap: [Cow<'a, str>; 4],
    /// NEW_CORE_ENGINE_START_CMD.
    pub new_core_start: Cow<'a, str>,
    /// NEW_STRATEGY_RUNNER_START_CMD.
    pub new_runner_start: Cow<'a, str>,
    /// WARMUP_QUERY_CMD.
    pub warmup: Cow<'a, str>,
    /// POST_SWITCH_MONITOR_MINUTES.
    pub minutes: Cow<'a, str>,
    /// MONITOR_KEYS, one by one.
    pub monitor_keys: Vec<Cow<'a, str>>,
    /// CUTOVER_EVIDENCE_OUTPUT.
    pub cutover_output: Cow<'a, str>,
    /// ROLLBACK_TRIGGER_CONDITION.
    pub trigger: Cow<'a, str>,
    /// NEW_CORE_ENGINE_STOP_CMD and NEW_STRATEGY_RUNNER_STOP_CMD.
    pub new_stop: [Cow<'a, str>; 2],
    /// RESTORE_PREVIOUS_BINARIES_CMD and RESTORE_REDIS_BRIDGE_COMPAT_CMD.
    pub restore: [Cow<'a, str>; 2],
    /// PREVIOUS_CORE_ENGINE_START_CMD and PREVIOUS_STRATEGY_RUNNER_START_CMD.
    pub previous_start: [Cow<'a, str>; 2],
    /// POST_ROLLBACK_VALIDATE_CMD.
    pub validate: Cow<'a, str>,
    /// MAX_ROLLBACK_SECONDS.
    pub max_seconds: Cow<'a, str>,
    /// ROLLBACK_EVIDENCE_OUTPUT.
    pub rollback_output: Cow<'a, str>,
}

type Values<'a> = [Cow<'a, str>];

/// The page.
pub fn checklist(of: &Checklist<'_>) -> String {
    let one = std::slice::from_ref;
    let mut page = Page::default();
    page.line("# CTP One-Shot Cutover Checklist\n");
    page.line(&format!("Generated at: {}", of.generated.to_string().replace('Z', "+00:00")));
    page.line(&format!("Environment: {}", plain(&of.environment)));
    page.line(&format!("Cutover window(local): {}", plain(&of.window)));
    page.line(&format!("CTP config: {}\n", code(&of.config_path)));

    page.line("## 1) Pre-Cutover (T-30min)\n");
    page.task("Stop old core engine", one(&of.old_core_stop));
    page.task("Stop old strategy runner", one(&of.old_runner_stop));
    page.task("Precheck readiness evidence", one(&of.precheck));
    page.task("Bootstrap infra and initialize schemas/topics", &of.bootstrap);

    page.line("## 2) Cutover Window\n");
    page.task("Start new core engine", one(&of.new_core_start));
    page.task("Start new strategy runner", one(&of.new_runner_start));
    page.task("Warmup query and settlement verification", one(&of.warmup));

    page.line(&format!("## 3) Post-Cutover {} Minutes Watch\n", plain(&of.minutes)));
    of.monitor_keys.iter().for_each(|key| page.line(&format!("- [ ] {}", plain(key))));
    page.line(&format!("\n- [ ] Persist cutover evidence to:\n\n{}\n", code(&of.cutover_output)));

    page.line("## 4) Rollback Drill Template\n");
    page.line(&format!("Trigger condition:\n- {}\n", code(&of.trigger)));
    page.task("Stop new stack", &of.new_stop);
    page.task("Restore previous binaries and compat bridge", &of.restore);
    page.task("Start previous stack", &of.previous_start);
    page.task("Validate rollback health", one(&of.validate));
    page.line(&format!("- [ ] Rollback must finish within {} seconds.", code(&of.max_seconds)));
    page.line(&format!("- [ ] Persist rollback evidence to {}.", code(&of.rollback_output)));
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// A box to tick, and the commands to run, one a line.
    fn task(&mut self, title: &str, commands: &Values<'_>) {
        let longest = commands.iter().map(|command| longest_run(command)).max().unwrap_or(0);
        let fence = "`".repeat(if longest < 3 { 3 } else { longest + 1 });
        self.line(&format!("- [ ] {title}\n\n{fence}bash"));
        commands.iter().for_each(|command| self.line(command));
        self.line(&format!("{fence}\n"));
    }
}

/// The length of the longest run of backquotes.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A code span. One whose text has backquotes has more of them around it; where they stand at an end, a blank that
/// readers take away keeps the two apart.
fn code(text: &str) -> String {
    let marks = "`".repeat(longest_run(text) + 1);
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{marks}{blank}{text}{blank}{marks}")
}

/// Text whose marks mean nothing. A low line between letters or digits never means anything, and stays as it is.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let within_word = c == '_' && inside(before) && inside(rest.peek().copied()) && before != Some('_');
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~' | '!' | '#' | '$' | '|')
            && !within_word
        {
            safe.push('\\');
        }
        safe.push(c);
        before = Some(c);
    }
    safe
}

#[cfg(test)]
#[path = "checklist_tests.rs"]
mod tests;
