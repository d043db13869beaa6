//! Shards, made and merged by the binary: what they report, what a merged bundle holds, and everything that must not
//! be merged.

mod common;

use common::{Desk, Ended, Run, argument, ended};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Of three shards these gates belong to the first, the first, the second and the third. Each leaves a line in the
/// file `ran` of its folder.
const GATES: [(&str, &str); 4] =
    [("redis-ping", ""), ("kafka-init", ""), ("kafka-topics", "needs = [\"kafka-init\"]"), ("kafka-lag", "")];

/// A profile of these gates; a gate that is named in `red` fails.
fn profile(desk: &Desk, name: &str, red: &[&str]) -> String {
    let mut text = "environment = \"shared-out\"\n".to_owned();
    for (id, more) in GATES {
        let shell = if red.contains(&id) { "exit 3" } else { "true" };
        text.push_str(&format!(
            "[[gate]]\nid = \"{id}\"\nphase = \"infra\"\nprobe = \"command\"\n{more}\nwith = {{ shell = '''{shell}''' }}\n"
        ));
    }
    desk.write(name, &text)
}

fn shard(desk: &Desk, profile: &str, partition: &str) -> Run {
    desk.measure(&["gates", "run", "--profile", profile, "--partition", partition])
}

fn three(desk: &Desk) -> Vec<PathBuf> {
    let profile = profile(desk, "desk.toml", &[]);
    ["1/3", "2/3", "3/3"].map(|partition| shard(desk, &profile, partition).with_code(0).folder).to_vec()
}

fn merge(desk: &Desk, shards: &[&Path], output: &str) -> Ended {
    let shards: Vec<String> = shards.iter().map(|shard| argument(shard)).collect();
    let output = argument(&desk.path(output));
    let mut arguments = vec!["merge"];
    arguments.extend(shards.iter().map(String::as_str));
    arguments.extend(["--output", &output]);
    desk.run(&arguments)
}

fn paths(shards: &[PathBuf]) -> Vec<&Path> {
    shards.iter().map(PathBuf::as_path).collect()
}

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).expect("a folder").flatten() {
            match entry.file_type().expect("it is there").is_dir() {
                true => open.push(entry.path()),
                false => {
                    let path = entry.path().strip_prefix(folder).expect("it is below").to_owned();
                    found.insert(path, fs::read(entry.path()).expect("a file"));
                }
            }
        }
    }
    found
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("the file is there")).expect("JSON")
}

fn cases(folder: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(folder.join("junit.xml")).expect("a report");
    let report = quick_junit::Report::deserialize_from_str(&text).expect("JUnit");
    let cases = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    cases.map(|case| case.name.to_string()).collect()
}

#[test]
fn a_shard_reports_its_own_gates_and_runs_what_they_need_as_set_up() {
    let desk = Desk::new();
    let second = shard(&desk, &profile(&desk, "desk.toml", &[]), "2/3").with_code(0);
    assert_eq!(second.summary["verdict"], "partial");
    assert_eq!(second.gates().into_keys().collect::<Vec<_>>(), ["kafka-topics"]);
    assert_eq!(second.summary["partition"]["setup"], serde_json::json!(["kafka-init"]));
    assert_eq!(cases(&second.folder), BTreeSet::from(["kafka-topics".to_owned()]));
    let told = &second.ended.stdout;
    assert!(told.contains("PARTIAL shard 2/3: 1 of 1 gates passed, 1 as set-up"), "{told}");
    assert!(told.contains("`cutproof merge`"), "{told}");
    let started = &common::journal(&second.folder)[0];
    assert_eq!(started["partition"], serde_json::json!({"index": 2, "total": 3, "setup": ["kafka-init"]}));
    assert_eq!(started["not_selected"], serde_json::json!(["kafka-lag", "redis-ping"]));
}

#[test]
fn set_up_that_fails_blocks_what_needs_it_and_its_own_shard_is_red_too() {
    let desk = Desk::new();
    let profile = profile(&desk, "desk.toml", &["kafka-init"]);
    let [first, second, third] = ["1/3", "2/3", "3/3"].map(|partition| shard(&desk, &profile, partition));
    let (first, second, third) = (first.with_code(1), second.with_code(1), third.with_code(0));
    assert_eq!(first.verdict("kafka-init"), "failed");
    assert_eq!(second.verdict("kafka-topics"), "skipped");
    assert!(second.reason("kafka-topics").contains("blocked: needs `kafka-init`, which failed"));
    assert!(second.read("junit.xml").contains("set-up infra::kafka-init failed"));
    let merged = merge(&desk, &[&first.folder, &second.folder, &third.folder], "merged").with_code(1);
    assert!(merged.stdout.contains("FAILED"), "{}", merged.stdout);
    let summary = json(&desk.path("merged/summary.json"));
    assert_eq!((&summary["verdict"], &summary["counts"]["failed"]), (&"failed".into(), &1.into()));
}

#[test]
fn a_shard_to_which_no_gate_falls_is_no_error_and_no_green() {
    let desk = Desk::new();
    let profile = profile(&desk, "desk.toml", &[]);
    // Of eight, these gates belong to 4, 5 and 8, and to one more.
    let shards: Vec<Run> =
        (1..=8).map(|index| shard(&desk, &profile, &format!("{index}/8")).with_code(0)).collect();
    let empty: Vec<&Run> = shards.iter().filter(|run| run.gates().is_empty()).collect();
    assert!((4..=5).contains(&empty.len()), "{}", empty.len());
    for run in &empty {
        assert_eq!(run.summary["verdict"], "partial");
        let index = &run.summary["partition"]["index"];
        let told = format!("PARTIAL shard {index}/8: no gate of the plan falls to it");
        assert!(run.ended.stdout.contains(&told), "{}", run.ended.stdout);
        assert_eq!(cases(&run.folder), BTreeSet::from([format!("shard-{index}-of-8")]));
    }
    let folders: Vec<&Path> = shards.iter().map(|run| run.folder.as_path()).collect();
    merge(&desk, &folders, "merged").with_code(0);
    // The merge knows that an empty shard ran, and that one did not.
    let without: Vec<&Path> = folders.iter().filter(|folder| **folder != empty[0].folder).copied().collect();
    let told = merge(&desk, &without, "other").with_code(4);
    let index = &empty[0].summary["partition"]["index"];
    assert!(told.error().contains(&format!("shard {index}/8")), "{}", told.stderr);
}

#[test]
fn the_merged_bundle_is_whole_keeps_each_shard_and_is_the_same_in_any_order() {
    let desk = Desk::new();
    let shards = three(&desk);
    fs::create_dir(shards[1].join("signatures")).expect("a folder of ours");
    fs::write(shards[1].join("signatures/run.dsse.json"), "{}").expect("a file of ours");
    let [a, b, c] = [0, 1, 2].map(|at| shards[at].as_path());
    let told = merge(&desk, &[a, b, c], "merged").with_code(0);
    assert!(told.stdout.contains("PASSED 4 of 4 gates"), "{}", told.stdout);
    let merged = desk.path("merged");
    let expected = contents(&merged);
    for (at, order) in [[a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]].iter().enumerate() {
        merge(&desk, order, &format!("again-{at}")).with_code(0);
        assert_eq!(contents(&desk.path(&format!("again-{at}"))), expected);
    }
    for shard in &shards {
        let name = shard.file_name().expect("a run's folder");
        assert_eq!(contents(&merged.join("shards").join(name)), contents(shard), "byte for byte");
    }
    let beside: Vec<_> = expected.keys().filter(|path| !path.starts_with("shards")).collect();
    assert_eq!(
        beside,
        ["junit.xml", "manifest.json", "summary.json"].map(Path::new).iter().collect::<Vec<_>>()
    );
    assert_eq!(cases(&merged), GATES.iter().map(|(id, _)| (*id).to_owned()).collect());
    let manifest = json(&merged.join("manifest.json"));
    assert_eq!((&manifest["partial"], &manifest["partition"]), (&false.into(), &Value::Null));
    assert_eq!(manifest["shards"].as_array().map(Vec::len), Some(3));
    let heads: Vec<&str> = manifest["journals"]
        .as_array()
        .expect("journals")
        .iter()
        .filter_map(|j| j["head"].as_str())
        .collect();
    assert!(heads.len() == 3 && heads.is_sorted(), "{heads:?}");
    let run = manifest["run"].as_str().expect("an id");
    assert!(run.contains("-merge-") && json(&merged.join("summary.json"))["run"] == run, "{run}");
    let left = fs::read_dir(desk.path(".")).expect("ours").flatten().map(|entry| entry.file_name());
    let drafts: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(".cutproof")).collect();
    assert!(drafts.is_empty(), "{drafts:?}");
}

#[test]
fn a_merged_bundle_is_signed_and_signs_off_and_one_of_its_shards_does_neither_alone() {
    let desk = Desk::new();
    let shards = three(&desk);
    merge(&desk, &paths(&shards), "whole").with_code(0);
    let (whole, key) = (argument(&desk.path("whole")), argument(&desk.path("alice")));
    desk.run(&["keygen", "--algorithm", "ed25519", "--output", &key]).with_code(0);
    let (private, public) = (format!("{key}.key"), format!("{key}.pub"));
    desk.run(&["verify", &whole, "--key", &public]).with_code(4);
    desk.run(&["sign", &whole, "--key", &private]).with_code(0);
    desk.run(&["verify", &whole, "--key", &public]).with_code(0);
    let pem = fs::read_to_string(&public).expect("a public key");
    let policy = format!(
        "name = \"desk\"\n[[require]]\nrequired = true\n[[key]]\nname = \"alice\"\nroles = [\"runner\"]\n\
         pem = \"\"\"\n{pem}\"\"\"\n[[threshold]]\nrole = \"runner\"\ncount = 1\n"
    );
    let policy = desk.write("policy.toml", &policy);
    let signoff = |run: &str, code: i32| {
        desk.run(&["signoff", run, "--policy", &policy, "--output", &argument(&desk.path("signoff.json"))])
            .with_code(code)
    };
    signoff(&whole, 0);
    signoff(&argument(&shards[0]), 4);
    fs::remove_file(desk.path("whole/signatures/runner.dsse.json")).expect("the envelope");
    signoff(&whole, 4);
}

#[test]
fn what_is_missing_or_there_twice_is_named() {
    let desk = Desk::new();
    let shards = three(&desk);
    let told = merge(&desk, &[&shards[0], &shards[2]], "merged").with_code(4);
    let expected =
        "shard-missing the shards: shard 2/3 must be there: its run's folder; seen: nothing: it is missing";
    assert!(told.error().contains(expected), "{}", told.stderr);
    let absent = desk.path("absent");
    let told = merge(&desk, &[&shards[0], &shards[1], &absent], "merged").with_code(4);
    assert!(told.error().contains(&argument(&absent)), "{}", told.stderr);
    let again = shard(&desk, &argument(&desk.path("desk.toml")), "2/3").with_code(0);
    let all = [paths(&shards), vec![again.folder.as_path()]].concat();
    let told = merge(&desk, &all, "merged").with_code(1);
    assert!(told.error().contains("shard-twice") && told.error().contains("shard 2/3"), "{}", told.stderr);
    assert!(!desk.path("merged").exists());
}

#[test]
fn shards_of_another_profile_selection_or_kind_of_run_are_refused() {
    let desk = Desk::new();
    let shards = three(&desk);
    let own = argument(&desk.path("desk.toml"));
    let other = profile(&desk, "other.toml", &["redis-ping"]);
    let with = |third: &Path, code: &str, words: &str| {
        let told = merge(&desk, &[&shards[0], &shards[1], third], "merged").with_code(1);
        let all = told.stderr.clone();
        assert!(all.contains(code) && all.contains(words), "{all}");
    };
    with(&shard(&desk, &other, "3/3").folder, "shards-differ", "the profile must be");
    with(&shard(&desk, &own, "3/4").folder, "shards-differ", "the number of shards must be 3");
    let selected = ["gates", "run", "--profile", &own, "--skip", "redis-ping", "--partition", "3/3"];
    with(&desk.measure(&selected).folder, "shards-differ", "the selection must be of all gates");
    let dry = ["gates", "run", "--profile", &own, "--dry-run", "--partition", "3/3"];
    with(&desk.measure(&dry).folder, "shards-differ", "the dry run must be false");
    with(&desk.measure(&["gates", "run", "--profile", &own]).folder, "no-shard", "made with --partition");
    let merged = merge(&desk, &paths(&shards), "whole").with_code(0);
    drop(merged);
    with(&desk.path("whole"), "no-shard", "without a journal of its own");
}

#[test]
fn shards_of_different_commits_are_refused() {
    let desk = Desk::new();
    let profile = profile(&desk, "work/desk.toml", &[]);
    let work = desk.path("work");
    let git = |arguments: &[&str]| {
        let mut command = desk.program("git");
        let who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
        command.current_dir(&work).args(who).args(arguments);
        ended(command).with_code(0);
    };
    git(&["init", "-q"]);
    let mut shards = Vec::new();
    for index in 1..=3 {
        if index != 2 {
            git(&["add", "-A"]);
            git(&["commit", "-q", "--allow-empty", "-m", "more"]);
        }
        let evidence = desk.evidence();
        let (partition, folder) = (format!("{index}/3"), argument(&evidence));
        let arguments =
            ["gates", "run", "--profile", &profile, "--partition", &partition, "--evidence-dir", &folder];
        let mut command = desk.cutproof(&arguments);
        command.current_dir(&work);
        shards.push(Run::of(ended(command), &evidence).with_code(0).folder);
    }
    let told = merge(&desk, &paths(&shards), "merged").with_code(1);
    assert!(
        told.error().contains("shards-differ") && told.error().contains("the commit must be"),
        "{}",
        told.stderr
    );
    assert_eq!(told.stderr.matches("the commit must be").count(), 1, "of the third only: {}", told.stderr);
    let mut log = desk.program("git");
    log.current_dir(&work).args(["log", "--format=%H"]);
    let commits = ended(log).with_code(0).stdout;
    assert_eq!(commits.lines().count(), 2);
    assert!(commits.lines().all(|commit| told.stderr.contains(commit)), "both are named: {}", told.stderr);
}

#[test]
fn a_shard_that_was_changed_is_refused_as_such() {
    let desk = Desk::new();
    let shards = three(&desk);
    let report = shards[2].join("junit.xml");
    let text = fs::read_to_string(&report).expect("a report").replace("kafka-lag", "kafka-lap");
    fs::write(&report, text).expect("a file of ours");
    let told = merge(&desk, &paths(&shards), "merged").with_code(5);
    assert!(told.error().contains("junit.xml"), "{}", told.stderr);
    assert!(!desk.path("merged").exists());
}

#[test]
fn a_place_that_is_taken_stays_as_it_is() {
    let desk = Desk::new();
    let shards = three(&desk);
    desk.write("taken/notes.txt", "mine");
    let told = merge(&desk, &paths(&shards), "taken").with_code(2);
    assert!(told.error().contains("it is not empty") && told.error().contains("--output"), "{}", told.stderr);
    assert_eq!(desk.read("taken/notes.txt"), "mine");
    fs::create_dir(desk.path("empty")).expect("a folder of ours");
    merge(&desk, &paths(&shards), "empty").with_code(0);
    let inside = argument(&shards[0].join("merged"));
    let arguments: Vec<String> = shards.iter().map(|shard| argument(shard)).collect();
    let mut words: Vec<&str> = std::iter::once("merge").chain(arguments.iter().map(String::as_str)).collect();
    words.extend(["--output", &inside]);
    let told = desk.run(&words).with_code(2);
    assert!(told.error().contains("outside of the shards' folders"), "{}", told.stderr);
}

#[test]
fn a_partition_that_is_none_is_bad_usage() {
    let mut desk = Desk::new();
    // The job that runs these tests may be one of several.
    ["CI_NODE_INDEX", "CI_NODE_TOTAL", "JOB_COMPLETION_INDEX"].iter().for_each(|name| desk.set(name, ""));
    let profile = profile(&desk, "desk.toml", &[]);
    for bad in ["0/0", "1/0", "3/2", "0/2", "x/y", "1", "1/99999999999", ""] {
        let told = desk.run(&["gates", "run", "--profile", &profile, "--partition", bad]).with_code(2);
        assert!(told.error().contains("expected a shard I/N"), "{bad}: {}", told.stderr);
    }
    let told = desk.run(&["rehearse", "--profile", &profile, "--partition", "1/2"]).with_code(2);
    assert!(told.error().contains("--gates-only"), "{}", told.stderr);
    let told = desk.run(&["gates", "run", "--profile", &profile, "--partition", "auto"]);
    assert!(told.with_code(2).error().contains("CI_NODE_INDEX"));
}

#[test]
fn variables_make_a_shard_only_where_the_flag_says_auto() {
    let mut desk = Desk::new();
    desk.set("CI_NODE_INDEX", "3");
    desk.set("CI_NODE_TOTAL", "3");
    let profile = profile(&desk, "desk.toml", &[]);
    let whole = desk.measure(&["gates", "run", "--profile", &profile]).with_code(0);
    assert_eq!((&whole.summary["verdict"], whole.gates().len()), (&"passed".into(), 4));
    let auto = shard(&desk, &profile, "auto").with_code(0);
    assert_eq!(auto.gates().into_keys().collect::<Vec<_>>(), ["kafka-lag"]);
}

/// The codes of what refuses a bundle.
fn refusals(folder: &Path) -> BTreeSet<&'static str> {
    let bundle = cutproof::verify::bundle::open(folder);
    let errors =
        bundle.findings.iter().filter(|finding| finding.severity == cutproof::verify::Severity::Error);
    errors.map(|finding| finding.code.as_str()).collect()
}

/// Makes the manifest say what is there now, as someone would who edits a bundle and knows its format.
fn seal_anew(folder: &Path) {
    let path = folder.join("manifest.json");
    let mut manifest: cutproof::bundle::Manifest =
        serde_json::from_slice(&fs::read(&path).expect("a manifest")).expect("JSON");
    manifest.files = cutproof::bundle::files(folder).expect("files");
    cutproof::bundle::write_manifest(folder, &manifest).expect("it can be written");
}

#[test]
fn whatever_is_changed_in_a_merged_bundle_is_found() {
    let desk = Desk::new();
    let shards = three(&desk);
    let names: Vec<String> =
        shards.iter().map(|shard| argument(shard.file_name().expect("a name").as_ref())).collect();
    type Change<'c> = (&'c str, Box<dyn Fn(&Path) + 'c>, &'c [&'c str]);
    let inside = |of: usize, file: &str| format!("shards/{}/{file}", names[of]);
    let edit = |folder: &Path, file: &str, from: &str, to: &str| {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).expect("a text");
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(path, text.replace(from, to)).expect("ours");
    };
    let changes: Vec<Change<'_>> = vec![
        (
            "a byte of a shard",
            Box::new(|at| edit(at, &inside(1, "junit.xml"), "kafka-topics", "kafka-topicz")),
            &["file-changed"],
        ),
        (
            "a shard's report, sealed anew in the whole",
            Box::new(|at| {
                edit(at, &inside(1, "junit.xml"), "kafka-topics", "kafka-topicz");
                seal_anew(at);
            }),
            &["manifest-differs", "evidence-differs"],
        ),
        (
            "the joined summary, sealed anew",
            Box::new(|at| {
                edit(at, "summary.json", "\"passed\": 4", "\"passed\": 5");
                seal_anew(at);
            }),
            &["evidence-differs"],
        ),
        (
            "a shard taken out, sealed anew",
            Box::new(|at| {
                fs::remove_dir_all(at.join(inside(2, ""))).expect("ours");
                seal_anew(at);
            }),
            &["shard-missing"],
        ),
        (
            "a shard's manifest taken out, sealed anew",
            Box::new(|at| {
                fs::remove_file(at.join(inside(2, "manifest.json"))).expect("ours");
                seal_anew(at);
            }),
            &["manifest-missing"],
        ),
        (
            "a file put to a shard, sealed anew",
            Box::new(|at| {
                fs::write(at.join(inside(0, "notes.txt")), "x").expect("ours");
                seal_anew(at);
            }),
            &["manifest-differs"],
        ),
        (
            "a file put beside the shards, sealed anew",
            Box::new(|at| {
                fs::write(at.join("ctp_cutover_result.env"), "CUTOVER_SUCCESS=true\n").expect("ours");
                seal_anew(at);
            }),
            &["file-added"],
        ),
        (
            "the list of shards",
            Box::new(|at| edit(at, "manifest.json", "\"index\": 2", "\"index\": 1")),
            &["manifest-differs"],
        ),
    ];
    for (at, (what, change, expected)) in changes.iter().enumerate() {
        let output = format!("merged-{at}");
        merge(&desk, &paths(&shards), &output).with_code(0);
        assert_eq!(refusals(&desk.path(&output)), BTreeSet::new(), "{what}: before");
        change(&desk.path(&output));
        let found = refusals(&desk.path(&output));
        assert!(expected.iter().all(|code| found.contains(code)), "{what}: {found:?}");
    }
}

#[test]
fn a_merged_bundle_is_worth_what_its_shards_are_together() {
    use cutproof::verify::{Level, Mode, Rules};
    let desk = Desk::new();
    let rules = Rules {
        level: Level::Strict,
        mode: Mode::Cutover,
        allow_dry_run: false,
        allow_partial: false,
        fail_on_flaky: false,
        max_rollback: "180".parse().expect("seconds"),
        since: None,
    };
    let judge = |folder: &Path| {
        let judged = cutproof::verify::bundle::judge(&cutproof::verify::bundle::open(folder), &rules);
        (judged.class(), judged.findings)
    };
    let shards = three(&desk);
    merge(&desk, &paths(&shards), "merged").with_code(0);
    assert_eq!(judge(&desk.path("merged")), (None, Vec::new()));
    desk.run(&["verify", &argument(&desk.path("merged"))]).with_code(0);
    let (class, findings) = judge(&shards[0]);
    assert_eq!(class, Some(cutproof::verify::Class::Refused));
    assert_eq!((findings[0].code.as_str(), findings[0].seen.as_str()), ("partial-run", "shard 1/3"));
}
