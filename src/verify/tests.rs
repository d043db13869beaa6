//! The rules, each against evidence in which one thing is not as it must be; and all of them against any text.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The texts of a cutover's and a rollback's file.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub cutover: String,
    pub rollback: String,
}

macro_rules! pair {
    ($name:literal) => {
        Pair {
            cutover: include_str!(concat!("../../tests/verify/", $name, "/ctp_cutover_result.env"))
                .to_owned(),
            rollback: include_str!(concat!("../../tests/verify/", $name, "/ctp_rollback_result.env"))
                .to_owned(),
        }
    };
}

pub(crate) fn success() -> Pair {
    pair!("success")
}
fn rolled_back() -> Pair {
    pair!("rolled-back")
}
fn drill() -> Pair {
    pair!("drill")
}
fn dry_run() -> Pair {
    pair!("dry-run")
}
fn older() -> Pair {
    pair!("older")
}

pub(crate) fn rules(mode: Mode) -> Rules {
    let max_rollback = "180".parse().expect("a limit");
    Rules {
        level: Level::Strict,
        mode,
        allow_dry_run: false,
        allow_partial: false,
        fail_on_flaky: false,
        max_rollback,
        since: None,
    }
}

fn contract(mode: Mode) -> Rules {
    Rules { level: Level::Contract, ..rules(mode) }
}

const MODES: [Mode; 3] = [Mode::Cutover, Mode::CutoverOrRollback, Mode::RollbackDrill];

impl Pair {
    fn text(&mut self, which: Which) -> &mut String {
        match which {
            Which::Cutover => &mut self.cutover,
            _ => &mut self.rollback,
        }
    }

    /// In whichever file the key's name says; those of steps and of cutproof need `steps_of`.
    fn set(mut self, key: &str, value: &str) -> Pair {
        let which = if key.starts_with("CUTOVER_") { Which::Cutover } else { Which::Rollback };
        assert!(key.starts_with(which.prefix()), "{key} is in neither file");
        *self.text(which) = set(self.text(which), key, value);
        self
    }

    fn set_in(mut self, which: Which, key: &str, value: &str) -> Pair {
        *self.text(which) = set(self.text(which), key, value);
        self
    }

    fn without(mut self, which: Which, key: &str) -> Pair {
        *self.text(which) = without(self.text(which), key);
        self
    }

    fn with_line(mut self, which: Which, line: &str) -> Pair {
        self.text(which).push_str(&format!("{line}\n"));
        self
    }

    /// Without the lines that contain this.
    fn without_lines(mut self, part: &str) -> Pair {
        for which in [Which::Cutover, Which::Rollback] {
            let kept = self.text(which).lines().filter(|line| !line.contains(part));
            *self.text(which) = kept.map(|line| format!("{line}\n")).collect();
        }
        self
    }

    pub(crate) fn verify(&self, rules: &Rules) -> Verification {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: Ok(text.to_owned()) };
        verify(&source("c.env", &self.cutover), &source("r.env", &self.rollback), rules)
    }

    #[track_caller]
    fn expect(&self, rules: &Rules, codes: &[Code]) {
        let found = self.verify(rules);
        let seen: BTreeSet<_> = found.errors().map(|finding| finding.code).collect();
        assert_eq!(seen, codes.iter().copied().collect(), "{:#?}", found.findings);
    }

    #[track_caller]
    fn expect_warnings(&self, rules: &Rules, codes: &[Code]) {
        let found = self.verify(rules);
        assert!(found.passed(), "{:#?}", found.findings);
        let seen: BTreeSet<_> = found.warnings().map(|finding| finding.code).collect();
        assert_eq!(seen, codes.iter().copied().collect(), "{:#?}", found.findings);
    }
}

fn set(text: &str, key: &str, value: &str) -> String {
    let is_key = |line: &str| line.split_once('=').is_some_and(|(known, _)| known == key);
    assert!(text.lines().any(is_key), "no {key} in:\n{text}");
    let line = |line: &str| if is_key(line) { format!("{key}={value}\n") } else { format!("{line}\n") };
    text.lines().map(line).collect()
}

fn without(text: &str, key: &str) -> String {
    let is_key = |line: &&str| line.split_once('=').is_some_and(|(known, _)| known == key);
    assert!(text.lines().any(|line| is_key(&line)), "no {key} in:\n{text}");
    text.lines().filter(|line| !is_key(line)).map(|line| format!("{line}\n")).collect()
}

/// The second half of a file's steps has other numbers.
fn renumbered(text: &str, from: usize, to: usize) -> String {
    text.replace(&format!("STEP_{from}_"), &format!("STEP_{to}_"))
}

use Code as C;
use Which::{Cutover, Rollback};

#[test]
fn good_files_pass_at_both_levels() {
    for (pair, mode) in [
        (success(), Mode::Cutover),
        (success(), Mode::CutoverOrRollback),
        (rolled_back(), Mode::CutoverOrRollback),
        (drill(), Mode::RollbackDrill),
    ] {
        pair.expect_warnings(&rules(mode), &[]);
        pair.expect_warnings(&contract(mode), &[]);
    }
}

#[test]
fn a_dry_run_passes_strict_only_where_it_is_allowed() {
    dry_run().expect(&rules(Mode::Cutover), &[C::DryRun]);
    dry_run().expect_warnings(&Rules { allow_dry_run: true, ..rules(Mode::Cutover) }, &[]);
    dry_run().expect_warnings(&contract(Mode::Cutover), &[C::DryRun]);
}

#[test]
fn a_shorter_plan_of_an_older_tool_passes_with_warnings() {
    older().expect_warnings(&rules(Mode::Cutover), &[C::NoRunId, C::StepsLeftOut]);
    older().expect_warnings(&contract(Mode::Cutover), &[C::NoRunId]);
}

#[test]
fn a_success_with_a_rollback_is_a_drill_and_nothing_else() {
    for mode in [Mode::Cutover, Mode::CutoverOrRollback] {
        drill().expect(&rules(mode), &[C::RollbackTriggered]);
        drill().expect(&contract(mode), &[C::RollbackTriggered]);
    }
    success().expect(&rules(Mode::RollbackDrill), &[C::RollbackNotTriggered]);
}

#[test]
fn a_failed_cutover_is_refused_unless_it_may_have_been_rolled_back() {
    rolled_back().expect(&rules(Mode::Cutover), &[C::CutoverFailed, C::RollbackTriggered]);
    rolled_back().expect(&contract(Mode::Cutover), &[C::CutoverFailed, C::RollbackTriggered]);
    rolled_back().expect(&rules(Mode::RollbackDrill), &[C::CutoverFailed]);
}

#[test]
fn a_failed_cutover_without_a_rollback_is_refused() {
    let pair = Pair { rollback: success().rollback, ..rolled_back() };
    let pair = pair.set("CUTOVER_TRIGGERED_ROLLBACK", "false");
    pair.expect(&rules(Mode::CutoverOrRollback), &[C::RollbackNotTriggered]);
    pair.expect(&contract(Mode::CutoverOrRollback), &[C::RollbackNotTriggered]);
}

#[test]
fn a_rollback_that_failed_is_refused() {
    let pair = drill()
        .set("ROLLBACK_SUCCESS", "false")
        .set("ROLLBACK_FAILED_STEP", "post_rollback_validate")
        .set_in(Rollback, "STEP_7_STATUS", "failed")
        .set_in(Rollback, "STEP_7_EXIT_CODE", "1");
    pair.expect(&rules(Mode::RollbackDrill), &[C::RollbackFailed]);
    pair.expect(&contract(Mode::RollbackDrill), &[C::RollbackFailed]);
}

#[test]
fn a_rollback_over_the_limit_is_refused_and_one_at_it_is_not() {
    let limited = |limit: &str| Rules { max_rollback: limit.parse().unwrap(), ..rules(Mode::RollbackDrill) };
    drill().expect(&limited("12"), &[C::RollbackOverLimit]);
    drill().expect(&limited("12.159"), &[C::RollbackOverLimit]);
    drill().expect(&limited("12.160"), &[]);
    drill().expect(&Rules { level: Level::Contract, ..limited("12") }, &[C::RollbackOverLimit]);
    rolled_back().expect(&Rules { mode: Mode::CutoverOrRollback, ..limited("12") }, &[C::RollbackOverLimit]);
}

#[test]
fn an_unfinished_run_is_refused_in_plain_words_and_nothing_else_is_said() {
    let pair = pair!("unfinished");
    for mode in MODES {
        for rules in [rules(mode), contract(mode)] {
            pair.expect(&rules, &[C::RunUnfinished]);
            let found = pair.verify(&rules);
            let said = found.findings[0].advice.as_deref().unwrap();
            let run = "20260212T040000Z-cutover-4f7k2q";
            assert!(said.contains(&format!("`cutproof status {run}`")), "{said}");
            assert!(said.contains(&format!("`cutproof cutover --resume {run}`")), "{said}");
        }
    }
}

#[test]
fn a_run_that_was_killed_between_its_two_files_is_unfinished() {
    let pair = Pair { rollback: pair!("unfinished").rollback, ..success() };
    pair.expect(&rules(Mode::Cutover), &[C::RunUnfinished]);
    pair.expect(&contract(Mode::Cutover), &[C::RunUnfinished]);
}

#[test]
fn a_run_id_that_a_shell_would_read_otherwise_is_not_shown_as_one() {
    for id in ["$(reboot)", "-rf", "a b", "x;y"] {
        let pair = pair!("unfinished").set_in(Cutover, "CUTPROOF_RUN_ID", id);
        let found = pair.verify(&rules(Mode::Cutover));
        let unfinished = found.errors().find(|finding| finding.code == C::RunUnfinished);
        let advice = unfinished.and_then(|finding| finding.advice.clone()).unwrap();
        assert!(advice.contains("`cutproof status RUN`"), "{advice}");
    }
}

#[test]
fn an_interrupted_run_is_refused_also_where_it_was_rolled_back() {
    let pair = pair!("interrupted");
    for mode in MODES {
        pair.expect(&rules(mode), &[C::RunInterrupted]);
        pair.expect(&contract(mode), &[C::RunInterrupted]);
    }
    let pair = drill().set("ROLLBACK_SUCCESS", "false").set("ROLLBACK_FAILED_STEP", "interrupted");
    pair.expect(&rules(Mode::RollbackDrill), &[C::RunInterrupted]);
}

#[test]
fn numbers_that_are_not_finite_are_refused_at_both_levels() {
    for value in ["NaN", "nan", "inf", "-inf", "Infinity", "-1"] {
        for key in ["CUTOVER_DURATION_SECONDS", "ROLLBACK_DURATION_SECONDS"] {
            let pair = success().set(key, value);
            pair.expect(&rules(Mode::Cutover), &[C::BadNumber]);
            pair.expect(&contract(Mode::Cutover), &[C::BadNumber]);
        }
        let pair = success().set_in(Cutover, "STEP_4_DURATION_MS", value);
        pair.expect(&rules(Mode::Cutover), &[C::BadNumber]);
        pair.expect(&contract(Mode::Cutover), &[C::BadNumber]);
    }
    let pair = success().set("ROLLBACK_MAX_SECONDS", "inf");
    pair.expect(&contract(Mode::Cutover), &[C::BadNumber]);
}

#[test]
fn numbers_are_plain_decimals_at_strict_level() {
    for (key, value) in [
        ("CUTOVER_DURATION_SECONDS", "2.3412e1"),
        ("CUTOVER_DURATION_SECONDS", "+23.412"),
        ("CUTOVER_TOTAL_STEPS", "10.0"),
        ("CUTOVER_MONITOR_MINUTES", "half an hour"),
        ("ROLLBACK_MAX_SECONDS", "1e400"),
    ] {
        success().set(key, value).expect(&rules(Mode::Cutover), &[C::BadNumber]);
    }
    success().set_in(Cutover, "STEP_1_EXIT_CODE", "zero").expect(&rules(Mode::Cutover), &[C::BadNumber]);
    success().set("CUTOVER_DURATION_SECONDS", "2.3412e1").expect(&contract(Mode::Cutover), &[]);
}

#[test]
fn booleans_are_true_or_false_and_a_dry_run_is_1_or_0() {
    for (key, value) in [
        ("CUTOVER_SUCCESS", "True"),
        ("CUTOVER_TRIGGERED_ROLLBACK", "no"),
        ("ROLLBACK_SUCCESS", "1"),
        ("ROLLBACK_TRIGGERED", "FALSE"),
        ("CUTOVER_DRY_RUN", "false"),
        ("ROLLBACK_DRY_RUN", "no"),
    ] {
        success().set(key, value).expect(&rules(Mode::Cutover), &[C::BadBoolean]);
        success().set(key, value).expect(&contract(Mode::Cutover), &[]);
    }
    success().set("ROLLBACK_SLO_MET", "yes").expect(&rules(Mode::Cutover), &[C::BadBoolean]);
    success().set("CUTOVER_SUCCESS", "maybe").expect(&contract(Mode::Cutover), &[C::BadBoolean]);
}

#[test]
fn times_are_utc_to_the_second() {
    for value in ["2026-02-12T04:00:23", "yesterday", "2026-02-12T12:00:23+08:00", "2026-02-30T04:00:23Z"] {
        success().set("CUTOVER_COMPLETED_UTC", value).expect(&rules(Mode::Cutover), &[C::BadTime]);
    }
}

#[test]
fn a_status_is_one_of_three() {
    let pair = success().set_in(Cutover, "STEP_2_STATUS", "skipped");
    pair.expect(&rules(Mode::Cutover), &[C::BadStatus]);
    pair.expect(&contract(Mode::Cutover), &[C::BadStatus]);
}

#[test]
fn a_required_key_that_is_not_there_is_refused() {
    let pair = success().without(Cutover, "CUTOVER_ENV");
    pair.expect(&rules(Mode::Cutover), &[C::MissingKey]);
    pair.expect(&contract(Mode::Cutover), &[C::MissingKey]);
    success().without(Cutover, "CUTOVER_WINDOW_LOCAL").expect(&rules(Mode::Cutover), &[C::MissingKey]);
    success().without(Cutover, "CUTOVER_WINDOW_LOCAL").expect(&contract(Mode::Cutover), &[]);
    success().without(Cutover, "STEP_3_EXIT_CODE").expect(&rules(Mode::Cutover), &[C::MissingKey]);
    success().without(Cutover, "STEP_3_EXIT_CODE").expect(&contract(Mode::Cutover), &[C::MissingKey]);
}

#[test]
fn a_command_is_missed_only_where_cutproof_wrote_the_file() {
    let pair = success().without(Cutover, "STEP_3_COMMAND");
    pair.expect(&rules(Mode::Cutover), &[C::MissingKey]);
    pair.without(Cutover, "CUTPROOF_PROJECTION").expect(&rules(Mode::Cutover), &[]);
}

#[test]
fn a_required_value_that_is_empty_is_refused() {
    success().set("CUTOVER_ENV", "").expect(&contract(Mode::Cutover), &[C::EmptyValue]);
    success().set("CUTOVER_COMPLETED_UTC", "").expect(&rules(Mode::Cutover), &[C::EmptyValue]);
    success().set("CUTOVER_MONITOR_KEYS", "").expect(&rules(Mode::Cutover), &[C::EmptyValue]);
    drill().set("ROLLBACK_STARTED_UTC", "").expect(&rules(Mode::RollbackDrill), &[C::EmptyValue]);
    success().set_in(Cutover, "STEP_1_STATUS", "").expect(&contract(Mode::Cutover), &[C::EmptyValue]);
}

#[test]
fn duplicate_keys_are_refused_and_at_contract_level_the_last_wins() {
    let pair = success().with_line(Cutover, "CUTOVER_SUCCESS=true");
    pair.expect(&rules(Mode::Cutover), &[C::DuplicateKey]);
    pair.expect(&contract(Mode::Cutover), &[]);
    let pair = success().with_line(Cutover, "CUTOVER_DURATION_SECONDS=nan");
    pair.expect(&contract(Mode::Cutover), &[C::BadNumber]);
    let pair = success().set("CUTOVER_DURATION_SECONDS", "nan");
    pair.with_line(Cutover, "CUTOVER_DURATION_SECONDS=23.412").expect(&contract(Mode::Cutover), &[]);
}

#[test]
fn a_key_that_is_there_a_thousand_times_is_one_finding() {
    let pair = success().with_line(Cutover, &"X=1\n".repeat(1000));
    let found = pair.verify(&rules(Mode::Cutover));
    assert_eq!(found.errors().count(), 1);
    assert_eq!(found.findings[0].seen, "1000 of it, the first in line 67");
}

#[test]
fn more_findings_of_a_code_than_anyone_reads_are_counted() {
    let lines: String =
        (0..500).map(|number| format!("K{number}=1\nK{number}=1\nstray {number}\n")).collect();
    let found = success().with_line(Cutover, &lines).verify(&rules(Mode::Cutover));
    assert_eq!(found.findings.len(), 2 * MOST_OF_A_CODE);
    let more = [(C::DuplicateKey, Severity::Error), (C::LineWithoutKey, Severity::Warning)];
    assert_eq!(found.more, more.map(|(code, severity)| More { code, severity, count: 400 }));
}

#[test]
fn lines_on_which_readers_would_not_agree_are_refused() {
    for hidden in ["\u{2028}", "\u{85}", "\u{b}", "\r", "\0", "\u{1b}"] {
        let pair = success().with_line(Rollback, &format!("NOTE=a{hidden}ROLLBACK_TRIGGERED=true"));
        pair.expect(&rules(Mode::Cutover), &[C::HiddenLineBreak]);
        pair.expect(&contract(Mode::Cutover), &[C::HiddenLineBreak]);
    }
}

#[test]
fn a_key_that_reads_as_another_one_is_refused() {
    for line in [
        "Cutover_Success=false",
        "cutover_success=false",
        "export CUTOVER_SUCCESS=false",
        "declare -x\tCUTOVER_SUCCESS=false",
        "\u{feff}CUTOVER_SUCCESS=false",
        "CUTOVER_\u{200b}SUCCESS=false",
        "CUTOVER_FAıLED_STEP=precheck",
        "step_2_status=failed",
        "cutproof_run_id=another",
    ] {
        success().with_line(Cutover, line).expect(&rules(Mode::Cutover), &[C::LookAlikeKey]);
        success().with_line(Cutover, line).expect(&contract(Mode::Cutover), &[]);
    }
    for line in ["note=x", "Cutover_Note=x", "cutover.note=x", "Ключ=x"] {
        success().with_line(Cutover, line).expect(&rules(Mode::Cutover), &[]);
    }
}

#[test]
fn keys_that_differ_in_white_space_only_are_the_same() {
    for line in ["CUTOVER_SUCCESS =true", "\tCUTOVER_SUCCESS\t= true", "CUTOVER_SUCCESS\u{a0}=true"] {
        success().with_line(Cutover, line).expect(&rules(Mode::Cutover), &[C::DuplicateKey]);
    }
}

#[test]
fn a_step_whose_number_nobody_reads_alike_is_refused() {
    for line in ["STEP_１１_STATUS=failed", "STEP_+1_STATUS=failed", "STEP_1.0_NAME=x", "STEP__EXIT_CODE=1"]
    {
        success().with_line(Cutover, line).expect(&rules(Mode::Cutover), &[C::BadStepNumber]);
    }
}

#[test]
fn numbers_have_no_leading_zeros_at_strict_level() {
    for (key, value) in [("CUTOVER_TOTAL_STEPS", "010"), ("CUTOVER_DURATION_SECONDS", "023.412")] {
        success().set(key, value).expect(&rules(Mode::Cutover), &[C::BadNumber]);
        success().set(key, value).expect(&contract(Mode::Cutover), &[]);
    }
    success().set_in(Cutover, "STEP_1_EXIT_CODE", "00").expect(&rules(Mode::Cutover), &[C::BadNumber]);
}

#[test]
fn no_step_has_a_duration_that_is_no_number_whether_it_is_read_or_not() {
    let pair = success().with_line(Cutover, "STEP_11_DURATION_MS=nan");
    pair.expect(&contract(Mode::Cutover), &[C::BadNumber]);
    let pair = success().with_line(Rollback, "STEP_1_DURATION_MS=inf");
    pair.expect(&contract(Mode::Cutover), &[C::BadNumber]);
}

#[test]
fn steps_whose_lines_are_in_any_order_are_the_same_steps() {
    let cutover: Vec<_> = success().cutover.lines().rev().map(|line| format!("{line}\n")).collect();
    Pair { cutover: cutover.concat(), ..success() }.expect_warnings(&rules(Mode::Cutover), &[]);
}

#[test]
fn crlf_a_byte_order_mark_comments_and_new_keys_are_fine() {
    let pair = success().with_line(Cutover, "# a note\n\nNEW_KEY=\tvalue\nSTEP_10_DETAIL=x\nSTEP_BACK=no");
    let pair = Pair { cutover: format!("\u{feff}{}", pair.cutover.replace('\n', "\r\n")), ..pair };
    pair.expect_warnings(&rules(Mode::Cutover), &[]);
}

#[test]
fn a_line_without_an_equals_sign_is_told_and_one_without_a_key_is_refused() {
    let pair = success().with_line(Cutover, "password hunter2");
    pair.expect_warnings(&rules(Mode::Cutover), &[C::LineWithoutKey]);
    assert!(!format!("{:?}", pair.verify(&rules(Mode::Cutover))).contains("hunter2"));
    success().with_line(Cutover, "=x").expect(&rules(Mode::Cutover), &[C::EmptyKey]);
}

#[test]
fn a_file_whose_last_line_has_no_end_is_told() {
    let pair = Pair { cutover: success().cutover.trim_end().to_owned(), ..success() };
    pair.expect_warnings(&rules(Mode::Cutover), &[C::NoFinalNewline]);
}

#[test]
fn a_projection_of_another_version_is_not_judged_as_if_it_were_known() {
    let pair = success().set_in(Cutover, "CUTPROOF_PROJECTION", "ctp_cutover_result/2");
    pair.expect(&rules(Mode::Cutover), &[C::UnknownProjection]);
}

#[test]
fn steps_are_numbered_from_1_without_a_gap() {
    let pair = Pair { cutover: renumbered(&success().cutover, 10, 11), ..success() };
    pair.expect(&rules(Mode::Cutover), &[C::StepGap]);
    pair.expect(&contract(Mode::Cutover), &[C::StepCount]);
    for odd in ["STEP_0_NAME=precheck", "STEP_010_NAME=precheck", "STEP_99999999999999999999_NAME=precheck"] {
        success().with_line(Cutover, odd).expect(&rules(Mode::Cutover), &[C::BadStepNumber]);
    }
}

#[test]
fn there_are_as_many_steps_as_the_total_says() {
    for total in ["9", "11", "0", "18446744073709551615"] {
        let codes = if total == "0" { &[C::StepCount, C::NoSteps][..] } else { &[C::StepCount] };
        success().set("CUTOVER_TOTAL_STEPS", total).expect(&rules(Mode::Cutover), codes);
    }
    success().set("CUTOVER_TOTAL_STEPS", "11").expect(&contract(Mode::Cutover), &[C::StepCount]);
    success().set("CUTOVER_TOTAL_STEPS", "9").expect(&contract(Mode::Cutover), &[]);
}

#[test]
fn a_cutover_without_steps_is_refused() {
    let mut pair = success().set("CUTOVER_TOTAL_STEPS", "0");
    pair.cutover = pair
        .cutover
        .lines()
        .filter(|line| !line.starts_with("STEP_"))
        .fold(String::new(), |text, line| text + line + "\n");
    pair.expect(&rules(Mode::Cutover), &[C::NoSteps]);
    pair.expect(&contract(Mode::Cutover), &[C::NoSteps]);
    let preflight = pair.set("CUTOVER_SUCCESS", "false").set("CUTOVER_FAILED_STEP", "preflight");
    preflight.expect(&rules(Mode::Cutover), &[C::CutoverFailed]);
}

#[test]
fn a_step_that_the_plan_does_not_have_is_refused() {
    let pair = success().set_in(Cutover, "STEP_3_NAME", "coffee").without(Cutover, "CUTPROOF_PROJECTION");
    pair.expect(&rules(Mode::Cutover), &[C::UnknownStep]);
    pair.expect(&contract(Mode::Cutover), &[]);
}

#[test]
fn steps_in_another_order_or_twice_are_refused() {
    let swapped = success().set_in(Cutover, "STEP_3_NAME", "bootstrap_infra").set_in(
        Cutover,
        "STEP_4_NAME",
        "precheck",
    );
    swapped.expect(&rules(Mode::Cutover), &[C::StepOrder]);
    swapped.expect(&contract(Mode::Cutover), &[]);
    let twice = older().set_in(Cutover, "STEP_2_NAME", "precheck");
    twice.expect(&rules(Mode::Cutover), &[C::StepOrder]);
}

#[test]
fn cutproof_leaves_no_step_of_the_plan_out() {
    let own = older().with_line(Cutover, "CUTPROOF_PROJECTION=ctp_cutover_result/1");
    let own = (1..=3).fold(own, |own, number| own.with_line(Cutover, &format!("STEP_{number}_COMMAND=x")));
    own.expect(&rules(Mode::Cutover), &[C::StepsLeftOut]);
}

#[test]
fn a_step_after_a_failed_one_is_refused() {
    let mut pair = rolled_back().set("CUTOVER_TOTAL_STEPS", "6");
    let step = |part: &str| format!("STEP_6_{part}");
    for (part, value) in [
        ("NAME", "init_clickhouse_schema"),
        ("STATUS", "ok"),
        ("DURATION_MS", "1"),
        ("EXIT_CODE", "0"),
        ("COMMAND", "x"),
    ] {
        pair = pair.with_line(Cutover, &format!("{}={value}", step(part)));
    }
    pair.expect(&rules(Mode::CutoverOrRollback), &[C::StepAfterFailed]);
}

#[test]
fn an_exit_code_fits_its_status() {
    success().set_in(Cutover, "STEP_2_EXIT_CODE", "7").expect(&rules(Mode::Cutover), &[C::ExitCode]);
    rolled_back()
        .set_in(Cutover, "STEP_5_EXIT_CODE", "0")
        .expect(&rules(Mode::CutoverOrRollback), &[C::ExitCode]);
    success().set_in(Cutover, "STEP_2_EXIT_CODE", "7").expect(&contract(Mode::Cutover), &[]);
}

#[test]
fn steps_fit_the_kind_of_run() {
    success()
        .set_in(Cutover, "STEP_2_STATUS", "simulated_ok")
        .expect(&rules(Mode::Cutover), &[C::SimulatedStep]);
    let allowed = Rules { allow_dry_run: true, ..rules(Mode::Cutover) };
    dry_run().set_in(Cutover, "STEP_2_STATUS", "ok").expect(&allowed, &[C::ExecutedStep]);
}

#[test]
fn success_and_a_failed_step_do_not_go_together() {
    let pair =
        success().set_in(Cutover, "STEP_10_STATUS", "failed").set_in(Cutover, "STEP_10_EXIT_CODE", "1");
    pair.expect(&rules(Mode::Cutover), &[C::SuccessWithFailedStep]);
    let pair = success().set("CUTOVER_FAILED_STEP", "warmup_query");
    pair.expect(&rules(Mode::Cutover), &[C::SuccessNamesFailedStep]);
    pair.expect(&contract(Mode::Cutover), &[C::SuccessNamesFailedStep]);
    drill()
        .set("ROLLBACK_FAILED_STEP", "interrupted")
        .expect(&rules(Mode::RollbackDrill), &[C::SuccessNamesFailedStep]);
}

#[test]
fn a_failure_names_what_failed() {
    let pair = rolled_back().set("CUTOVER_FAILED_STEP", "");
    pair.expect(&rules(Mode::CutoverOrRollback), &[C::FailureWithoutStep]);
    pair.expect(&contract(Mode::CutoverOrRollback), &[C::FailureWithoutStep]);
}

#[test]
fn a_failed_step_is_one_of_the_file_or_one_of_the_words() {
    let of = |name: &str| rolled_back().set("CUTOVER_FAILED_STEP", name);
    of("warmup_query").expect(&rules(Mode::CutoverOrRollback), &[C::FailedStepUnknown]);
    of("coffee").expect(&rules(Mode::CutoverOrRollback), &[C::FailedStepUnknown]);
    // A word of rollbacks only.
    of("rollback_duration_exceeded").expect(&rules(Mode::CutoverOrRollback), &[C::FailedStepUnknown]);
    of("coffee").expect(&contract(Mode::CutoverOrRollback), &[]);
}

#[test]
fn the_step_that_is_said_to_have_failed_says_so_too() {
    let pair = rolled_back().set("CUTOVER_FAILED_STEP", "precheck");
    pair.expect(&rules(Mode::CutoverOrRollback), &[C::FailedStepNotFailed]);
    let pair = rolled_back().set_in(Cutover, "STEP_5_STATUS", "ok").set_in(Cutover, "STEP_5_EXIT_CODE", "0");
    pair.expect(&rules(Mode::CutoverOrRollback), &[C::FailedStepNotFailed]);
}

#[test]
fn a_step_that_failed_is_the_one_that_is_named() {
    let pair = rolled_back().without_lines("CUTPROOF_PROJECTION");
    for word in ["post_switch_watch", "switch_gate"] {
        pair.clone()
            .set("CUTOVER_FAILED_STEP", word)
            .expect(&rules(Mode::CutoverOrRollback), &[C::FailedStepNotNamed]);
    }
}

#[test]
fn a_watch_that_broke_off_a_cutover_is_a_failure_without_a_failed_step() {
    let pair = Pair { cutover: drill().cutover, ..drill() }
        .set("CUTOVER_SUCCESS", "false")
        .set("CUTOVER_FAILED_STEP", "post_switch_watch");
    pair.expect_warnings(&rules(Mode::CutoverOrRollback), &[]);
}

#[test]
fn a_red_preflight_touches_nothing() {
    let pair = drill().set("CUTOVER_SUCCESS", "false").set("CUTOVER_FAILED_STEP", "preflight");
    pair.expect(&rules(Mode::CutoverOrRollback), &[C::PreflightWithSteps]);
}

#[test]
fn nothing_is_completed_before_it_started() {
    let pair = success().set("CUTOVER_STARTED_UTC", "2026-02-12T05:00:00Z");
    pair.expect(&rules(Mode::Cutover), &[C::CompletedBeforeStart]);
    pair.expect(&contract(Mode::Cutover), &[]);
}

#[test]
fn a_duration_is_within_a_second_of_what_the_times_say() {
    // The times are 23 s apart; the steps took 23.199 s.
    for (duration, codes) in [
        ("23.199", &[][..]),
        ("24.000", &[]),
        ("24.001", &[C::DurationAgainstTimes]),
        ("3600", &[C::DurationAgainstTimes]),
        ("21.999", &[C::DurationAgainstTimes, C::StepsLongerThanTotal]),
    ] {
        success().set("CUTOVER_DURATION_SECONDS", duration).expect(&rules(Mode::Cutover), codes);
    }
    older().set("CUTOVER_DURATION_SECONDS", "22.000").expect(&rules(Mode::Cutover), &[]);
    older()
        .set("CUTOVER_DURATION_SECONDS", "21.999")
        .expect(&rules(Mode::Cutover), &[C::DurationAgainstTimes]);
}

#[test]
fn steps_do_not_take_longer_than_the_whole() {
    success().set("CUTOVER_DURATION_SECONDS", "23.199").expect(&rules(Mode::Cutover), &[]);
    let pair = success().set("CUTOVER_DURATION_SECONDS", "23.198");
    pair.expect(&rules(Mode::Cutover), &[C::StepsLongerThanTotal]);
    let pair = success().set_in(Cutover, "STEP_1_DURATION_MS", "18446744073709551615");
    pair.expect(&rules(Mode::Cutover), &[C::StepsLongerThanTotal]);
}

#[test]
fn the_slo_is_what_duration_and_limit_say() {
    let pair = drill().set("ROLLBACK_MAX_SECONDS", "12.159");
    pair.expect(&rules(Mode::RollbackDrill), &[C::SloAgainstDuration]);
    drill().set("ROLLBACK_MAX_SECONDS", "12.160").expect(&rules(Mode::RollbackDrill), &[]);
    let late = pair.set("ROLLBACK_SLO_MET", "false");
    late.expect(&rules(Mode::RollbackDrill), &[C::SuccessOverLimit]);
    let late = late.set("ROLLBACK_SUCCESS", "false");
    let late = late.set("ROLLBACK_FAILED_STEP", "rollback_duration_exceeded");
    late.expect(&rules(Mode::RollbackDrill), &[C::RollbackFailed]);
}

#[test]
fn a_limit_that_was_kept_was_not_exceeded() {
    let pair =
        drill().set("ROLLBACK_SUCCESS", "false").set("ROLLBACK_FAILED_STEP", "rollback_duration_exceeded");
    pair.expect(&rules(Mode::RollbackDrill), &[C::LimitNotExceeded, C::RollbackFailed]);
}

#[test]
fn a_rollback_that_was_not_triggered_leaves_no_traces() {
    for (key, value) in [
        ("ROLLBACK_SLO_MET", "false"),
        ("ROLLBACK_DURATION_SECONDS", "1.000"),
        ("ROLLBACK_STARTED_UTC", "2026-02-12T04:00:23Z"),
        ("ROLLBACK_COMPLETED_UTC", "2026-02-12T04:00:23Z"),
    ] {
        success().set(key, value).expect(&rules(Mode::Cutover), &[C::NotTriggeredWithTraces]);
    }
    let pair = success().set("ROLLBACK_TOTAL_STEPS", "7");
    pair.expect(&rules(Mode::Cutover), &[C::NotTriggeredWithTraces, C::StepCount]);
    pair.expect(&contract(Mode::Cutover), &[C::NotTriggeredWithTraces]);
    let pair = success().set("ROLLBACK_FAILED_STEP", "post_rollback_validate");
    pair.expect(&rules(Mode::Cutover), &[C::SuccessNamesFailedStep]);
    pair.expect(&contract(Mode::Cutover), &[C::NotTriggeredWithTraces]);
    let pair = success()
        .set("ROLLBACK_SUCCESS", "false")
        .set("ROLLBACK_FAILED_STEP", "rollback_duration_exceeded")
        .set("ROLLBACK_COMPLETED_UTC", "2026-02-12T04:00:23Z");
    pair.expect(&rules(Mode::Cutover), &[C::NotTriggeredWithTraces]);
}

#[test]
fn both_files_say_the_same_of_the_trigger() {
    let pair = success().set("CUTOVER_TRIGGERED_ROLLBACK", "true");
    pair.expect(&rules(Mode::Cutover), &[C::TriggeredDiffers]);
    pair.expect(&contract(Mode::Cutover), &[C::TriggeredDiffers]);
}

#[test]
fn both_files_are_of_one_environment_one_kind_of_run_and_one_run() {
    success().set("ROLLBACK_ENV", "staging").expect(&rules(Mode::Cutover), &[C::EnvironmentDiffers]);
    let mixed = Pair { rollback: dry_run().rollback, ..success() };
    let allowed = Rules { allow_dry_run: true, ..rules(Mode::Cutover) };
    mixed.expect(&allowed, &[C::DryRunDiffers]);
    let pair = success().set_in(Rollback, "CUTPROOF_RUN_ID", "20260101T000000Z-cutover-aaaaaa");
    pair.expect(&rules(Mode::Cutover), &[C::OtherRun]);
}

#[test]
fn a_rollback_begins_when_the_cutover_has_ended() {
    let pair = drill()
        .set("ROLLBACK_STARTED_UTC", "2026-02-12T04:00:22Z")
        .set("ROLLBACK_COMPLETED_UTC", "2026-02-12T04:00:34Z");
    pair.expect(&rules(Mode::RollbackDrill), &[C::RollbackBeforeCutoverEnd]);
}

#[test]
fn files_that_may_be_left_over_are_told_and_pass() {
    let pair = success().without(Rollback, "CUTPROOF_RUN_ID");
    pair.expect_warnings(&rules(Mode::Cutover), &[C::NoRunId]);
    let since = |text: &str| {
        let since: jiff::Timestamp = text.parse().unwrap();
        Rules { since: Some(Stamp::from_millis(since.as_millisecond())), ..rules(Mode::Cutover) }
    };
    success().expect_warnings(&since("2026-02-12T04:00:24Z"), &[C::OlderThanSince]);
    success().expect_warnings(&since("2026-02-12T04:00:23.999Z"), &[]);
}

#[test]
fn a_file_that_cannot_be_read_is_refused_and_the_other_one_is_judged_all_the_same() {
    let there = Source { path: "r.env".into(), text: Ok(success().set("ROLLBACK_ENV", "").rollback) };
    for (fault, code) in [
        (FileFault::NotFound, C::EvidenceNotFound),
        (FileFault::NotAFile("a FIFO"), C::EvidenceUnreadable),
        (FileFault::NotUtf8 { line: 3 }, C::EvidenceUnreadable),
    ] {
        let gone = Source { path: "c.env".into(), text: Err(fault) };
        let found = verify(&gone, &there, &rules(Mode::Cutover));
        let codes: Vec<_> = found.errors().map(|finding| finding.code).collect();
        assert_eq!(codes, [code, C::EmptyValue]);
    }
}

#[test]
fn two_empty_files_are_refused() {
    let pair = Pair { cutover: String::new(), rollback: String::new() };
    for mode in MODES {
        pair.expect(&rules(mode), &[C::MissingKey]);
        pair.expect(&contract(mode), &[C::MissingKey]);
    }
}

#[test]
fn every_finding_is_told_in_one_pass_with_the_line_of_each() {
    let pair = success().set("CUTOVER_ENV", "").set("ROLLBACK_MAX_SECONDS", "nan").set_in(
        Cutover,
        "STEP_2_EXIT_CODE",
        "7",
    );
    let found = pair.verify(&rules(Mode::Cutover));
    let told: Vec<_> = found.errors().map(|f| (f.code, f.file.as_str(), f.line)).collect();
    let expected = [
        (C::EmptyValue, "c.env", Some(1)),
        (C::BadNumber, "r.env", Some(8)),
        (C::ExitCode, "c.env", Some(22)),
        (C::EnvironmentDiffers, "r.env", Some(1)),
    ];
    assert_eq!(told, expected);
}

/// Good evidence, and the rules under which it passes.
fn good() -> impl Strategy<Value = (Pair, Rules)> {
    let dry = Rules { allow_dry_run: true, ..rules(Mode::Cutover) };
    prop::sample::select(vec![
        (success(), rules(Mode::Cutover)),
        (success(), rules(Mode::CutoverOrRollback)),
        (rolled_back(), rules(Mode::CutoverOrRollback)),
        (drill(), rules(Mode::RollbackDrill)),
        (dry_run(), dry),
    ])
}

/// Whether good evidence may do without this key, or with another value of it.
fn is_free(key: &str) -> bool {
    key.starts_with("CUTPROOF_") || key.ends_with("_COMMAND")
}

/// A value with which the file contradicts itself, or has not its form: whatever the run.
fn contradicting(key: &str, value: &str) -> Vec<String> {
    let part = key.trim_start_matches(|c: char| c != '_').trim_start_matches('_');
    let part = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    let odd = |more: &[&str]| more.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    let numbers = ["NaN", "-inf", "-1", "1e1", "", "0x1", "1,0", "ten"];
    match part {
        "SUCCESS" | "TRIGGERED" | "TRIGGERED_ROLLBACK" | "SLO_MET" => {
            odd(&[if value == "true" { "false" } else { "true" }, "TRUE", "", "1"])
        }
        "DRY_RUN" => odd(&[if value == "1" { "0" } else { "1" }, "true", ""]),
        "TOTAL_STEPS" => [odd(&numbers), odd(&["8", "12", "99999999999999999999"])].concat(),
        "DURATION_SECONDS" => [odd(&numbers), odd(&["100000", "60.5", "3.001"])].concat(),
        "MAX_SECONDS" | "MONITOR_MINUTES" => odd(&numbers),
        "DURATION_MS" => [odd(&numbers), odd(&["60000"])].concat(),
        "EXIT_CODE" => [odd(&numbers), odd(&[if value == "0" { "1" } else { "0" }])].concat(),
        "STATUS" => ["ok", "failed", "simulated_ok", "done", ""]
            .iter()
            .filter(|status| **status != value)
            .map(|status| (*status).to_owned())
            .collect(),
        "NAME" => odd(&["coffee", "", "rollback_duration_exceeded"]),
        "FAILED_STEP" if value.is_empty() => odd(&["precheck", "coffee", "interrupted"]),
        "FAILED_STEP" => odd(&["", "precheck", "coffee", "warmup_query", "switch_gate"]),
        "STARTED_UTC" | "COMPLETED_UTC" => {
            odd(&["2026-02-13T04:00:00Z", "2026-02-11T04:00:00Z", "now", "2026-02-12T04:00:08"])
        }
        "ENV" => odd(&["another", ""]),
        "WINDOW_LOCAL" | "CTP_CONFIG_PATH" | "MONITOR_KEYS" | "TRIGGER_CONDITION" => odd(&[""]),
        "PROJECTION" => odd(&["ctp_cutover_result/2", "ctp_rollback_result/"]),
        "RUN_ID" => odd(&["20260101T000000Z-cutover-aaaaaa"]),
        _ => Vec::new(),
    }
}

/// Keys of both files with the index of the file.
fn keys(pair: &Pair) -> Vec<(Which, String, String)> {
    let of = |which, text: &str| {
        let owned =
            |entry: &crate::evidence::Entry<'_>| (which, entry.key.to_string(), entry.value.to_string());
        Env::parse(text).entries().iter().map(owned).collect::<Vec<_>>()
    };
    [of(Cutover, &pair.cutover), of(Rollback, &pair.rollback)].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn good_evidence_with_a_required_key_less_never_passes((pair, rules) in good(), at in any::<prop::sample::Index>()) {
        let keys: Vec<_> = keys(&pair).into_iter().filter(|(_, key, _)| !is_free(key)).collect();
        let (which, key, _) = at.get(&keys);
        prop_assert!(!pair.without(*which, key).verify(&rules).passed(), "without {key}");
    }

    #[test]
    fn good_evidence_with_a_contradicting_value_never_passes(
        (pair, rules) in good(),
        at in any::<prop::sample::Index>(),
        with in any::<prop::sample::Index>(),
    ) {
        let keys: Vec<_> = keys(&pair).into_iter().filter(|(_, key, value)| !contradicting(key, value).is_empty()).collect();
        let (which, key, value) = at.get(&keys);
        let values = contradicting(key, value);
        let other = with.get(&values);
        prop_assert!(!pair.set_in(*which, key, other).verify(&rules).passed(), "{key}={other}");
    }

    #[test]
    fn good_evidence_with_a_key_twice_never_passes((pair, rules) in good(), at in any::<prop::sample::Index>(), other: bool) {
        let keys = keys(&pair);
        let (which, key, value) = at.get(&keys);
        let value = if other { "x" } else { value };
        prop_assert!(!pair.with_line(*which, &format!("{key}={value}")).verify(&rules).passed(), "{key} twice");
    }

    #[test]
    fn good_evidence_with_two_steps_swapped_never_passes(
        (pair, rules) in good(),
        one in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let steps: Vec<_> = keys(&pair).into_iter().filter(|(_, key, _)| key.ends_with("_NAME")).collect();
        let (which, first, name) = one.get(&steps);
        let same: Vec<_> = steps.iter().filter(|(file, key, _)| file == which && key != first).collect();
        let (_, second, other) = other.get(&same);
        let swapped = pair.set_in(*which, first, other).set_in(*which, second, name);
        prop_assert!(!swapped.verify(&rules).passed(), "{first} and {second}");
    }

    #[test]
    fn good_evidence_that_is_cut_off_never_passes((pair, rules) in good(), at in any::<prop::sample::Index>(), first: bool) {
        let which = if first { Cutover } else { Rollback };
        let mut pair = pair;
        let text = pair.text(which);
        // The last key that must be there is not there any more.
        let required = Env::parse(text).entries().iter().rfind(|entry| !is_free(&entry.key)).unwrap().key.to_string();
        text.truncate(at.index(text.find(&required).unwrap() + required.len()));
        prop_assert!(!pair.verify(&rules).passed());
    }

    #[test]
    fn files_of_different_outcomes_never_pass_together((one, rules) in good(), (other, _) in good()) {
        let trigger = |text: &str, key: &str| Env::parse(text).get(key).map(str::to_owned);
        let differ = trigger(&one.cutover, "CUTOVER_TRIGGERED_ROLLBACK") != trigger(&other.rollback, "ROLLBACK_TRIGGERED");
        let mixed = Pair { rollback: other.rollback, ..one };
        prop_assert!(!differ || !mixed.verify(&rules).passed());
    }

}

proptest! {
    #[test]
    fn any_text_can_be_judged(cutover in any_file(), rollback in any_file()) {
        let pair = Pair { cutover, rollback };
        for mode in MODES {
            for rules in [rules(mode), contract(mode)] {
                let found = pair.verify(&rules);
                prop_assert!(found.findings.iter().all(|finding| !finding.expected.is_empty()));
            }
        }
    }
}

/// Any text; or lines with keys that mean something and any values.
fn any_file() -> impl Strategy<Value = String> {
    let names: Vec<String> = keys(&drill()).into_iter().map(|(_, key, _)| key).collect();
    let values = prop::sample::select(vec![
        "true",
        "false",
        "1",
        "0",
        "",
        "failed",
        "ok",
        "interrupted",
        "preflight",
        "nan",
        "1e308",
        "-0",
        "0.1",
        "99999999999999999999",
        "2026-02-12T04:00:23Z",
        "-009999-01-02T01:59:59Z",
        "9999-12-31T23:59:59Z",
        "precheck",
    ]);
    let value = prop_oneof![values.prop_map(str::to_owned), any::<String>()];
    let line = (prop::sample::select(names), value).prop_map(|(key, value)| format!("{key}={value}\n"));
    prop_oneof![any::<String>(), prop::collection::vec(line, 0..40).prop_map(|lines| lines.concat())]
}
