//! Gates that run commands, at their worst: they hang with children that will not end, leave a daemon that holds
//! their output, print what is no text, or print without end. The run goes on, and nothing is left of them.

mod common;

use common::{Desk, Going, Run, argument, ended, expect_soon, expect_whole_files, journal, within};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// A profile of command gates: an id, the line of a shell, and what else the gate says.
fn profile(desk: &Desk, gates: &[(&str, &str, &str)]) -> String {
    let mut text = "environment = \"commands\"\n".to_owned();
    for (id, shell, more) in gates {
        text.push_str(&format!(
            "[[gate]]\nid = \"{id}\"\nphase = \"infra\"\nprobe = \"command\"\n{more}\nwith = {{ shell = '''{shell}''' }}\n"
        ));
    }
    desk.write("commands.toml", &text)
}

fn measure(desk: &Desk, gates: &[(&str, &str, &str)]) -> Run {
    desk.measure(&["rehearse", "--profile", &profile(desk, gates)])
}

#[test]
fn a_gate_after_another_waits_for_its_end_runs_whatever_it_was_and_selects_nothing() {
    let desk = Desk::new();
    let profile = desk.write(
        "order.toml",
        r#"environment = "desk"

[[gate]]
id = "first"
phase = "infra"
probe = "command"
after = ["slow"]
with = { shell = "true" }

[[gate]]
id = "slow"
phase = "infra"
probe = "command"
with = { shell = "sleep 0.3; false" }
"#,
    );
    let run = desk.measure(&["rehearse", "--jobs", "2", "--profile", &profile]).with_code(1);
    assert_eq!((run.verdict("first"), run.verdict("slow")), ("passed", "failed"));
    let told: Vec<_> = journal(&run.folder)
        .iter()
        .filter(|line| line["event"] == "gate_started" || line["event"] == "gate_ended")
        .map(|line| format!("{} {}", line["event"].as_str().unwrap(), line["gate"].as_str().unwrap()))
        .collect();
    assert_eq!(told, ["gate_started slow", "gate_ended slow", "gate_started first", "gate_ended first"]);
    for selection in [["--only", "first"], ["--skip", "slow"]] {
        let run = desk.measure(&[&["rehearse", "--profile", &profile][..], &selection].concat()).with_code(0);
        assert_eq!(run.gates().keys().copied().collect::<Vec<_>>(), ["first"]);
    }
}

#[test]
fn a_hung_command_is_an_error_and_all_that_it_started_is_gone() {
    let desk = Desk::new();
    let hung = "trap '' TERM; (trap '' TERM; sleep 300) & setsid sh -c \"trap '' TERM; sleep 300\" & echo begun; wait";
    let run = measure(&desk, &[("hangs", hung, "timeout = \"1s\""), ("other", "true", "")]).with_code(1);
    desk.expect_nothing_left();
    assert_eq!(run.verdict("hangs"), "error");
    assert!(run.reason("hangs").contains("within the 1.0 s"), "{}", run.reason("hangs"));
    assert_eq!(run.verdict("other"), "passed");
    run.expect_junit_agrees();
    assert!(run.reason("hangs").contains("begun"), "what it printed is kept: {}", run.reason("hangs"));
}

#[test]
fn a_daemon_that_holds_the_output_does_not_hold_up_the_run() {
    let desk = Desk::new();
    let began = Instant::now();
    let daemon = "setsid sleep 300 & sleep 300 & echo done";
    let run = measure(
        &desk,
        &[("leaves", daemon, "timeout = \"60s\"\nexpect = 'exit_code == 0 and stdout == \"done\"'")],
    );
    desk.expect_nothing_left();
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    assert_eq!(run.with_code(0).verdict("leaves"), "passed");
}

#[test]
fn output_that_is_no_text_is_shown_and_every_file_stays_well_formed() {
    let desk = Desk::new();
    let wild = r#"printf 'a\001b \033[31mred\033[0m \377\376 ]]> <tag> & \"q\" \000 \r\n\302\205 \357\277\276 end\n'; exit 3"#;
    let run = measure(&desk, &[("wild", wild, ""), ("wild-and-fine", &wild.replace("exit 3", "exit 0"), "")])
        .with_code(1);
    assert_eq!((run.verdict("wild"), run.verdict("wild-and-fine")), ("failed", "passed"));
    run.expect_junit_agrees();
    let text = run.read("junit.xml");
    let forbidden =
        |c: char| c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{fffe}' | '\u{ffff}');
    assert!(!text.contains(forbidden), "{text:?}");
    assert!(!run.ended.stdout.contains(forbidden), "{:?}", run.ended.stdout);
    assert!(!run.ended.stderr.contains(forbidden), "{:?}", run.ended.stderr);
    for case in run.junit().test_suites.iter().flat_map(|suite| &suite.test_cases) {
        let out = case.system_out.as_ref().expect("what it printed").as_str();
        for part in ["]]>", "<tag>", "red", "end"] {
            assert!(out.contains(part), "{part} is not in {out:?}");
        }
    }
    // A strict parser that is not ours, of the JDK that the engines need anyhow.
    let parser = desk.write(
        "Parse.java",
        "public class Parse { public static void main(String[] files) throws Exception { \
         javax.xml.parsers.DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new java.io.File(files[0])); } }",
    );
    let mut java = desk.program("java");
    java.arg(parser).arg(run.folder.join("junit.xml"));
    ended(java).with_code(0);
}

#[test]
fn output_without_end_is_bounded_and_so_is_memory() {
    let desk = Desk::new();
    let flood = "head -c 1G /dev/zero | tr '\\\\0' 'x'; echo; echo the-end";
    let profile = profile(
        &desk,
        &[("floods", flood, "timeout = \"120s\""), ("holds", "sleep 300", "needs = [\"floods\"]")],
    );
    let evidence = desk.evidence();
    let going = desk.start(&["rehearse", "--profile", &profile, "--evidence-dir", &argument(&evidence)]);
    expect_soon("the flood is over", || desk.processes().values().any(|words| words.contains("sleep 300")));
    // The memory that was used at most, in KiB, while the processes can still be asked.
    let peak = |pid: &i32| -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
    };
    let ours = |words: &String| words.contains("rehearse");
    let peaks: Vec<_> =
        desk.processes().iter().filter(|(_, words)| ours(words)).filter_map(|(pid, _)| peak(pid)).collect();
    assert_eq!(peaks.len(), 2, "holder and worker");
    assert!(peaks.iter().all(|peak| *peak < 60 * 1024), "{peaks:?} KiB");
    going.signal(Signal::TERM);
    assert_eq!(going.end().code(), Some(143));
    let said = common::Ended { code: Some(143), stdout: desk.read("out"), stderr: desk.read("err") };
    let run = Run::of(said, &evidence);
    assert_eq!(run.verdict("floods"), "passed");
    assert!(run.read("junit.xml").contains("the-end"), "the tail is kept");
    let size: u64 = fs::read_dir(&run.folder)
        .expect("a folder")
        .flatten()
        .map(|file| file.metadata().expect("a file").len())
        .sum();
    assert!(size < 1 << 20, "{size} bytes of evidence");
}

#[test]
fn a_command_ends_with_the_run_that_is_told_to_end() {
    for (which, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (desk, evidence, going) = sleeping();
        going.signal(which);
        assert_eq!(going.end().code(), Some(code));
        desk.expect_nothing_left();
        let said = common::Ended { code: Some(code), stdout: desk.read("out"), stderr: desk.read("err") };
        let run = Run::of(said, &evidence);
        assert_eq!(run.summary["verdict"], "interrupted");
        assert_eq!(run.verdict("sleeps"), "error");
        run.expect_junit_agrees();
        expect_whole_files(&run.folder);
    }
}

#[test]
fn a_command_is_gone_when_cutproof_is_killed() {
    let (desk, _, mut going) = sleeping();
    let began: BTreeSet<_> = desk.processes().into_keys().collect();
    assert!(began.len() >= 5, "{:#?}", desk.processes());
    going.signal(Signal::KILL);
    going.child().wait().expect("a child of ours");
    assert!(within(common::GONE, || desk.processes().is_empty()), "{:#?}", desk.processes());
}

/// A run that has come to a command that sleeps, with children of which one is in a session of its own.
fn sleeping() -> (Desk, std::path::PathBuf, Going) {
    let desk = Desk::new();
    let line = "setsid sleep 301 & (trap \"\" TERM; sleep 302) & sleep 303";
    let profile = profile(&desk, &[("sleeps", line, "timeout = \"300s\"")]);
    let evidence = desk.evidence();
    let going = desk.start(&["rehearse", "--profile", &profile, "--evidence-dir", &argument(&evidence)]);
    expect_soon("the commands run", || {
        let running = desk.processes();
        (301..=303).all(|number| running.values().any(|words| words.trim() == format!("sleep {number}")))
    });
    (desk, evidence, going)
}
