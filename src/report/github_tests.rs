use super::*;
use crate::evidence::sample::Sample;
use crate::model::Event;
use crate::model::event::Partition;
use crate::policy::Policy;
use crate::verify::policy::sample::{bundle, bundle_of, judge_at, minutes, planned, policy, run, run_of};
use proptest::prelude::*;

/// What is annotated of a run, and what its step's summary says.
fn told_by(sample: &Sample, policy: &Policy) -> (String, String) {
    let bundle = bundle(sample);
    told_of(bundle, policy)
}

fn told_of(bundle: Bundle, policy: &Policy) -> (String, String) {
    let bundles = [bundle];
    let judgement = judge_at(&bundles, policy, minutes(60));
    let bundles: Vec<_> = bundles.iter().collect();
    (annotations(&judgement, &bundles), step_summary(&judgement, &bundles))
}

fn commands(sample: &Sample) -> String {
    told_by(sample, &Policy::built_in()).0
}

#[test]
fn a_run_that_passed_annotates_nothing() {
    assert_eq!(commands(&run(&[("a", Verdict::Passed)])), "");
}

#[test]
fn each_red_gate_is_annotated_at_its_line_the_worst_first() {
    let plan = ["ok", "hurt", "lost", "bad", "extra"].map(|name| planned(name, name != "extra", &[], &[]));
    let gates = [
        ("ok", Verdict::Passed),
        ("hurt", Verdict::Error),
        ("lost", Verdict::Skipped),
        ("bad", Verdict::Failed),
        ("extra", Verdict::Failed),
    ];
    let mut plan = plan.to_vec();
    for (line, gate) in (10..).zip(&mut plan) {
        gate.at.line = line;
    }
    insta::assert_snapshot!(commands(&run_of(plan, &gates)), @r"
    ::error file=gates/single-host.toml,line=13,title=infra%3A%3Abad failed::expected 1, seen 2
    ::error file=gates/single-host.toml,line=11,title=infra%3A%3Ahurt error::expected 1, seen 2
    ::error file=gates/single-host.toml,line=12,title=infra%3A%3Alost skipped::expected 1, seen 2
    ::warning file=gates/single-host.toml,line=14,title=infra%3A%3Aextra failed (not required)::expected 1, seen 2
    ");
}

#[test]
fn a_gate_that_passed_on_retry_is_a_warning() {
    let mut sample = Sample::new(vec![planned("a", true, &[], &[])]);
    sample.begin("a").end_with("a", Verdict::Passed, "", |ended| ended.attempts = 3).done();
    let told = commands(&sample);
    assert!(told.starts_with("::warning file=") && told.contains("passed on retry"), "{told}");
    assert!(told.ends_with("(after 3 attempts)\n") && told.lines().count() == 1, "{told}");
}

#[test]
fn a_waived_gate_is_a_warning_and_not_an_error() {
    let waiver = "[[require]]\nrequired = true\n[[waiver]]\ngate = \"a\"\nreason = \"known\"\napprover = \"Ann\"\n\
                  expires = \"2100-01-01T00:00:00Z\"\ncommit = \"0123456789abcdef0123456789abcdef01234567\"\n";
    let told = told_by(&run(&[("a", Verdict::Failed)]), &policy(waiver)).0;
    assert!(told.contains("title=infra%3A%3Aa failed (waived)") && !told.contains("::error"), "{told}");
}

#[test]
fn a_run_that_was_killed_says_so_without_a_line() {
    let mut sample = Sample::new(vec![planned("a", true, &[], &[])]);
    sample.begin("a");
    let told = commands(&sample);
    assert!(told.contains("::error title=rehearse unfinished::the journal has no end"), "{told}");
    assert!(told.contains("title=infra%3A%3Aa error"), "{told}");
}

#[test]
fn what_a_gate_prints_as_its_reason_begins_no_command() {
    let mut sample = Sample::new(vec![planned("a", true, &[], &[])]);
    sample.begin("a").end("a", Verdict::Failed, "100%\n::error::forged\r##[error]forged").done();
    insta::assert_snapshot!(commands(&sample), @r"
    ::error file=gates/single-host.toml,line=42,title=infra%3A%3Aa failed::100%25\n::error::forged\r#\#[error]forged
    ");
}

#[test]
fn of_many_red_gates_ten_are_told() {
    let names: Vec<_> = (0..25).map(|at| format!("gate-{at}")).collect();
    let gates: Vec<_> = names.iter().map(|name| (name.as_str(), Verdict::Failed)).collect();
    let told = commands(&run(&gates));
    assert_eq!(told.lines().count(), 10);
    assert!(
        told.ends_with("::error title=cutproof report::16 more findings: see the log of this step\n"),
        "{told}"
    );
}

fn shard(mut sample: Sample, setup: &[&str]) -> Sample {
    let setup = setup.iter().map(|name| crate::evidence::sample::id(name)).collect();
    sample.started.partition = Some(Partition { index: 1, total: 2, setup });
    sample
}

#[test]
fn a_green_shard_annotates_nothing_and_its_summary_is_that_of_the_terminal() {
    let (told, summary) = told_by(&shard(run(&[("a", Verdict::Passed)]), &[]), &Policy::built_in());
    assert_eq!(told, "", "that it is no whole run is no fault of it");
    assert!(summary.starts_with("# shard 1/2: partial\n"), "{summary}");
    assert!(
        summary.contains("PARTIAL shard 1/2: 1 of 1 gates passed") && !summary.contains("INCOMPLETE"),
        "{summary}"
    );
}

#[test]
fn set_up_that_failed_is_told_as_such_where_the_gate_itself_is_not() {
    let gates = [("a", Verdict::Failed), ("b", Verdict::Skipped)];
    let told = told_by(&shard(run(&gates), &["a"]), &Policy::built_in()).0;
    assert!(
        told.contains("title=set-up infra%3A%3Aa failed") && told.contains("title=infra%3A%3Ab skipped"),
        "{told}"
    );
    // Merged, the gate's own shard tells it.
    let other = shard(run(&[("a", Verdict::Failed)]), &[]);
    let two = shard(run(&gates), &["a"]);
    let merged = bundle_of("evidence/merged", &[("shards/one/", &two), ("shards/two/", &other)]);
    let told = told_of(merged, &Policy::built_in()).0;
    assert!(told.contains("title=infra%3A%3Aa failed") && !told.contains("set-up"), "{told}");
}

#[test]
fn runs_within_a_run_are_told_where_that_is_red() {
    let within = run(&[("core", Verdict::Failed)]);
    for (own, told) in [(Verdict::Passed, 0), (Verdict::Failed, 1)] {
        let own = run(&[("a", own)]);
        let bundle = bundle_of("evidence/run", &[("", &own), ("runs/x/", &within)]);
        let (commands, _) = told_of(bundle, &Policy::built_in());
        assert_eq!(commands.matches("title=infra%3A%3Acore failed").count(), told, "{commands}");
    }
}

#[test]
fn a_summary_that_has_no_room_is_cut_at_a_line_and_says_so() {
    let text = format!("# GO\n{}", "- a line of é\n".repeat(1000));
    assert_eq!(within(&text, text.len()), text);
    for room in [200, 201, 202, 203, 5000] {
        let cut = within(&text, room);
        assert!(cut.len() <= room && cut.ends_with(CUT), "{room}");
        assert!(cut.strip_suffix(CUT).is_some_and(|head| text.starts_with(&format!("{head}\n"))), "{cut}");
    }
    assert_eq!(within(&text, 3), "");
}

proptest! {
    #[test]
    fn no_reason_makes_a_line_of_its_own(reason in any::<String>()) {
        let mut sample = Sample::new(vec![planned("a", true, &[], &[])]);
        sample.begin("a").end("a", Verdict::Failed, &reason).done();
        let (told, summary) = told_by(&shard(sample, &[]), &Policy::built_in());
        prop_assert_eq!(told.lines().count(), 1);
        prop_assert!(!told.contains("##") && summary.len() < SUMMARY);
    }

    #[test]
    fn what_is_cut_fits(text in "[a-zé\n]{0,400}", room in 0usize..400) {
        prop_assert!(within(&text, room).len() <= room.max(text.len().min(room)));
    }
}

#[test]
fn an_interrupted_run_says_by_what() {
    let mut sample = Sample::new(vec![planned("a", true, &[], &[])]);
    sample
        .event(Event::Interrupted { by: "SIGTERM".to_owned() })
        .end("a", Verdict::Skipped, "interrupted")
        .done();
    assert!(commands(&sample).contains("interrupted by SIGTERM"), "{}", commands(&sample));
}
