//! Which steps are run, in which order, and what turns the run back.

use crate::runbook::{CUTOVER, ROLLBACK, Runbook, names};

#[test]
fn a_dry_run_is_the_default_and_touches_nothing() {
    let runbook = Runbook::new();
    let ended = runbook.run(&["cutover"]).with_code(0);
    assert!(runbook.order().is_empty() && !runbook.exists("evidence/logs"));
    let (cutover, rollback) = (runbook.result("cutover"), runbook.result("rollback"));
    assert_eq!((&*cutover["CUTOVER_DRY_RUN"], &*cutover["CUTOVER_SUCCESS"]), ("1", "true"));
    assert_eq!((&*cutover["STEP_10_STATUS"], &*rollback["ROLLBACK_TRIGGERED"]), ("simulated_ok", "false"));
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ended.stdout);
    assert!(lines[0].ends_with("ctp_cutover_result.env") && lines[1].ends_with("ctp_rollback_result.env"));
}

#[test]
fn ten_steps_are_run_in_order_each_on_record_before_it_begins() {
    let runbook = Runbook::new();
    let ended = runbook.run(&["cutover", "--execute"]).with_code(0);
    assert_eq!(runbook.order(), names(&CUTOVER));
    assert!(!ended.stderr.contains("not triggered"), "{}", ended.stderr);
    let cutover = runbook.result("cutover");
    assert_eq!((&*cutover["CUTOVER_SUCCESS"], &*cutover["CUTOVER_FAILED_STEP"]), ("true", ""));
    assert_eq!(runbook.result("rollback")["ROLLBACK_TRIGGERED"], "false");
    let steps: Vec<_> =
        runbook.happened().into_iter().filter(|event| event.starts_with("command_")).collect();
    let expected: Vec<_> = names(&CUTOVER)
        .iter()
        .flat_map(|name| [format!("command_started {name}"), format!("command_ended {name}")])
        .collect();
    assert_eq!(steps, expected);
}

#[test]
fn what_can_not_be_run_without_a_profile_is_on_record_with_the_reason() {
    let runbook = Runbook::new();
    runbook.run(&["cutover", "--execute"]).with_code(0);
    let journal = crate::common::journal(&runbook.folder());
    for stage in ["preflight", "switch_gate", "readiness", "watch"] {
        let ended = journal.iter().find(|entry| entry["event"] == "stage_ended" && entry["stage"] == stage);
        let ended = ended.unwrap_or_else(|| panic!("{stage} is not on record"));
        assert_eq!(ended["verdict"], "skipped");
        assert!(ended["reason"].as_str().is_some_and(|why| why.contains("profile")), "{ended}");
    }
    let warning = journal.iter().find(|entry| entry["event"] == "warning").expect("nobody watches");
    let text = warning["text"].as_str().unwrap_or_default();
    assert!(text.contains("breaker_state") && text.contains("order_latency_p99_ms_gt_5ms"), "{text}");
}

#[test]
fn a_step_that_fails_ends_the_sequence_and_the_cutover_is_rolled_back() {
    let mut runbook = Runbook::new();
    runbook.and("BOOTSTRAP_INFRA_CMD", "exit 7");
    let ended = runbook.run(&["cutover", "--execute"]).with_code(2);
    assert!(
        ended.error().contains("bootstrap_infra") && ended.error().contains("exit code 7"),
        "{}",
        ended.error()
    );
    assert_eq!(runbook.order(), [&names(&CUTOVER)[..4], &names(&ROLLBACK)].concat());
    let (cutover, rollback) = (runbook.result("cutover"), runbook.result("rollback"));
    assert_eq!(
        (&*cutover["CUTOVER_SUCCESS"], &*cutover["CUTOVER_FAILED_STEP"]),
        ("false", "bootstrap_infra")
    );
    assert_eq!((&*cutover["STEP_4_EXIT_CODE"], &*cutover["CUTOVER_TRIGGERED_ROLLBACK"]), ("7", "true"));
    assert_eq!((&*rollback["ROLLBACK_SUCCESS"], &*rollback["ROLLBACK_SLO_MET"]), ("true", "true"));
}

#[test]
fn a_drill_follows_a_good_cutover() {
    let runbook = Runbook::new();
    runbook.run(&["cutover", "--execute", "--force-rollback"]).with_code(0);
    assert_eq!(runbook.order(), [names(&CUTOVER), names(&ROLLBACK)].concat());
    assert_eq!(runbook.result("cutover")["CUTOVER_SUCCESS"], "true");
    assert_eq!(runbook.result("rollback")["ROLLBACK_SUCCESS"], "true");
}

#[test]
fn a_previous_core_is_never_started_behind_a_stop_or_a_restore_that_failed() {
    for (place, (key, _)) in ROLLBACK.iter().take(4).enumerate() {
        let mut runbook = Runbook::new();
        runbook.and("PRECHECK_CMD", "exit 1").and(key, "exit 1");
        let ended = runbook.run(&["cutover", "--execute"]).with_code(2);
        assert!(ended.error().contains("ROLLBACK FAILED"), "{}", ended.error());
        assert_eq!(runbook.order(), [&names(&CUTOVER)[..3], &names(&ROLLBACK)[..=place]].concat());
        let rollback = runbook.result("rollback");
        assert_eq!(
            (&*rollback["ROLLBACK_SUCCESS"], &*rollback["ROLLBACK_FAILED_STEP"]),
            ("false", ROLLBACK[place].1)
        );
    }
}

#[test]
fn a_rollback_over_its_limit_is_alarmed_and_goes_on() {
    let mut runbook = Runbook::new();
    runbook.set("MAX_ROLLBACK_SECONDS", "0.5").and("PRECHECK_CMD", "exit 1");
    // The steps' own time is the limit: the two together take longer.
    runbook.and("NEW_CORE_ENGINE_STOP_CMD", "sleep 0.3").and("RESTORE_PREVIOUS_BINARIES_CMD", "sleep 0.35");
    let ended = runbook.run(&["cutover", "--execute"]).with_code(2);
    assert_eq!(runbook.order(), [&names(&CUTOVER)[..3], &names(&ROLLBACK)].concat());
    assert!(
        ended.stderr.contains("ALARM: the rollback has taken longer than its limit of 0.5 s"),
        "{}",
        ended.stderr
    );
    let rollback = runbook.result("rollback");
    assert_eq!((&*rollback["ROLLBACK_SUCCESS"], &*rollback["ROLLBACK_SLO_MET"]), ("false", "false"));
    assert_eq!(rollback["ROLLBACK_FAILED_STEP"], "rollback_duration_exceeded");
    // At once, not at the end.
    let happened = runbook.happened();
    let place =
        |what: &str| happened.iter().position(|event| event == what).unwrap_or_else(|| panic!("no {what}"));
    assert!(place("alarm") < place("command_ended post_rollback_validate"), "{happened:#?}");
}

#[test]
fn a_rollback_on_its_own_runs_its_seven_steps() {
    let runbook = Runbook::new();
    runbook.run(&["rollback"]).with_code(0);
    assert!(runbook.order().is_empty());
    std::fs::remove_dir_all(runbook.desk.path("evidence")).expect("a folder of ours");
    let ended = runbook.run(&["rollback", "--execute"]).with_code(0);
    assert_eq!(runbook.order(), names(&ROLLBACK));
    let rollback = runbook.result("rollback");
    assert_eq!((&*rollback["ROLLBACK_TRIGGERED"], &*rollback["ROLLBACK_SUCCESS"]), ("true", "true"));
    assert!(
        ended.stdout.lines().count() == 1 && !runbook.exists("results/ctp_cutover_result.env"),
        "{}",
        ended.stdout
    );
}

#[test]
fn the_first_command_of_the_rollback_begins_at_once() {
    let mut runbook = Runbook::new();
    runbook.and("WARMUP_QUERY_CMD", "exit 1");
    runbook.run(&["cutover", "--execute"]).with_code(2);
    let journal = crate::common::journal(&runbook.folder());
    let place = |event: &str, name: &str| {
        let found = journal
            .iter()
            .position(|entry| entry["event"] == event && (entry["name"] == name || entry["stage"] == name));
        found.unwrap_or_else(|| panic!("no {event} {name}"))
    };
    let (red, first) =
        (place("command_ended", "warmup_query"), place("command_started", "stop_new_core_engine"));
    let at = |place: usize| journal[place]["at"].as_str().expect("a stamp").to_owned();
    println!("from {} to {}", at(red), at(first));
    // Nothing else is on record in between, and so nothing else was waited for.
    let between: Vec<_> =
        journal[red + 1..first].iter().map(|entry| entry["event"].as_str().unwrap_or_default()).collect();
    assert_eq!(between, ["stage_ended", "stage_started"]);
}
