//! From a run to a sign-off that two people signed, and to a cutover that asks for it. The example is that of
//! docs/signoff.md, run as it stands there; what follows from it is refused in every other state.

mod common;

use common::{Desk, Ended, argument, ended, journal, within};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const PAGE: &str = include_str!("../docs/signoff.md");

/// What a line of the example ends with where it must not end with 0.
const EXIT: &str = " # exit ";

/// A repository in which the example was run.
struct Window {
    desk: Desk,
}

impl Window {
    /// Writes the files of the page, and runs its commands, each of which ends with the exit code that stands there.
    fn of_the_page() -> Window {
        let desk = Desk::new();
        for (language, text) in blocks(PAGE).filter(|(language, _)| matches!(*language, "toml" | "ini")) {
            let (path, _) = text.split_once('\n').expect("a line with the path");
            let path =
                path.strip_prefix("# ").unwrap_or_else(|| panic!("a {language} block without its path"));
            desk.write(&format!("repo/{path}"), text);
        }
        let bin = desk.path("bin");
        fs::create_dir(&bin).expect("a folder of ours");
        symlink(env!("CARGO_BIN_EXE_cutproof"), bin.join("cutproof")).expect("a link of ours");
        let commands: String = blocks(PAGE)
            .filter(|(language, _)| *language == "sh")
            .map(|(_, text)| format!("{text}\n"))
            .collect();
        let mut command = desk.program("bash");
        command.args(["-c", &script(&commands)]).current_dir(desk.path("repo"));
        let path = std::env::var("PATH").expect("a PATH");
        command.env("PATH", format!("{}:{path}", argument(&bin)));
        ended(command).with_code(0);
        Window { desk }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.path("repo").join(name)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.desk.cutproof(arguments);
        command.current_dir(self.desk.path("repo"));
        ended(command)
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = self.desk.program("git");
        command.current_dir(self.desk.path("repo")).args([
            "-c",
            "user.name=desk",
            "-c",
            "user.email=desk@example.org",
        ]);
        command.args(arguments);
        ended(command).with_code(0);
    }

    /// A cutover that asks for the sign-off.
    fn cutover(&self, more: &[&str]) -> Ended {
        let asks = ["cutover", "--profile", "gates/desk.toml", "--require-signoff", "evidence/signoff.json"];
        self.run(&[&asks, more].concat())
    }

    /// That no cutover begins now, dry or not, for this reason.
    #[track_caller]
    fn refused(&self, code: &str) {
        let before = self.runs("cutover").len();
        for flags in [&[][..], &["--execute", "--yes"]] {
            let refused = self.cutover(flags).with_code(2);
            assert!(refused.stderr.contains(code), "expected {code} in:\n{}", refused.stderr);
            refused.error();
        }
        assert_eq!(self.runs("cutover").len(), before, "no run was begun");
        assert!(!self.desk.path("switched").exists(), "something was touched");
    }

    /// The folders of the runs of a verb, oldest first.
    fn runs(&self, verb: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("evidence")).expect("the evidence").flatten();
        let mut runs: Vec<_> = entries.map(|entry| entry.path()).filter(|path| is_of(path, verb)).collect();
        runs.sort();
        runs
    }

    /// Changes a file for as long as `then` takes.
    fn with_changed(&self, name: &str, change: impl FnOnce(String) -> String, then: impl FnOnce()) {
        let path = self.path(name);
        let was = fs::read_to_string(&path).expect("a file of ours");
        let changed = change(was.clone());
        assert_ne!(was, changed);
        fs::write(&path, changed).expect("a file of ours");
        then();
        fs::write(&path, was).expect("a file of ours");
    }
}

fn is_of(path: &Path, verb: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(&format!("-{verb}-")))
}

/// The fenced blocks of a page: language and text.
fn blocks(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').expect("a fence and its text"))
}

/// The commands as a script that ends where one does not end as it must.
fn script(commands: &str) -> String {
    let line = |line: &str| {
        let (command, code) = line.split_once(EXIT).unwrap_or((line, "0"));
        format!(
            "{command}\ncode=$?; [ $code = {code} ] || {{ echo \"exit $code: {}\" >&2; exit 99; }}\n",
            command.replace('"', "'")
        )
    };
    commands.lines().filter(|line| !line.is_empty()).map(line).collect()
}

#[test]
fn a_cutover_begins_only_with_what_two_people_signed_off_for_it() {
    let window = Window::of_the_page();
    the_sign_off_says_what_it_stands_on(&window);
    the_cutover_keeps_what_it_relied_on(&window);
    what_is_about_to_be_used_must_be_what_was_signed_off(&window);
    a_signature_less_or_a_byte_changed_is_refused(&window);
    a_sign_off_that_others_signed_is_not_replaced(&window);
    a_sign_off_ends(&window);
}

fn the_sign_off_says_what_it_stands_on(window: &Window) {
    let text = fs::read_to_string(window.path("evidence/signoff.json")).expect("the sign-off");
    let signoff: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&signoff["projection"], &signoff["decision"]), (&"signoff".into(), &"GO".into()));
    assert_eq!(signoff["environment"], "desk");
    let runs = window.runs("gates-run");
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(signoff["run"]["run"], name(&runs[1]));
    assert_eq!(signoff["run"]["why"], "the latest of 2, 1 of which failed before");
    let other = &signoff["other_runs"][0];
    assert_eq!((&other["run"], &other["outcome"]), (&name(&runs[0]).into(), &"failed".into()));
    assert_eq!(signoff["gates"][0]["status"], "passed");
    assert_eq!(signoff["signers"][0]["name"], "ci");
    let codes: Vec<_> =
        signoff["findings"].as_array().expect("a list").iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, ["earlier-run-failed"]);
    assert!(signoff["expires_first"].as_str().is_some_and(|what| what.contains("ready")), "{signoff:#}");
}

fn the_cutover_keeps_what_it_relied_on(window: &Window) {
    let told = window.cutover(&[]).with_code(0);
    assert!(told.stderr.contains("sign-off evidence/signoff.json: GO, valid until "), "{}", told.stderr);
    let run = window.runs("cutover").pop().expect("a run");
    let kept = &journal(&run)[0]["switch"]["signoff"];
    assert_eq!((&kept["file"]["path"], &kept["decision"]), (&"evidence/signoff.json".into(), &"GO".into()));
    assert_eq!(kept["signers"], serde_json::json!(["alice (approver)", "ci (runner)"]));
    // The way back asks for nothing.
    window.run(&["rollback", "--profile", "gates/desk.toml"]).with_code(0);
    let no_flag = window.run(&["rollback", "--require-signoff", "evidence/signoff.json"]).with_code(2);
    assert!(no_flag.stderr.contains("--require-signoff"), "{}", no_flag.stderr);
}

fn what_is_about_to_be_used_must_be_what_was_signed_off(window: &Window) {
    window.git(&["commit", "--quiet", "--allow-empty", "--message", "Another"]);
    window.refused("signoff-other-commit");
    window.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    window.with_changed("gates/desk.toml", |text| text + "\n", || window.refused("signoff-other-profile"));
    window.with_changed(
        "gates/policy/window.toml",
        |text| text + "\n",
        || window.refused("signoff-other-policy"),
    );
    let elsewhere = |text: String| text.replace("ENV_NAME=desk", "ENV_NAME=elsewhere");
    window.with_changed("configs/ops/ctp_cutover.template.env", elsewhere, || {
        let other = "configs/ops/ctp_rollback_drill.template.env";
        window.with_changed(other, elsewhere, || window.refused("signoff-other-environment"));
    });
    window.with_changed(
        "configs/ops/ctp_cutover.template.env",
        |text| text + "\n",
        || {
            window.refused("signoff-dirty-tree");
        },
    );
    window.cutover(&[]).with_code(0);
}

fn a_signature_less_or_a_byte_changed_is_refused(window: &Window) {
    for name in ["signoff.json.approver.dsse.json", "signoff.json.dsse.json"] {
        let (path, away) = (window.path(&format!("evidence/{name}")), window.desk.path("away"));
        fs::rename(&path, &away).expect("a file of ours");
        window.refused("signoff-unsigned");
        fs::rename(&away, &path).expect("a file of ours");
    }
    let later = |text: String| text.replacen("\"valid_until\": \"20", "\"valid_until\": \"21", 1);
    window.with_changed("evidence/signoff.json", later, || window.refused("signoff-unsigned"));
    let twice = |text: String| text.replacen("{\n", "{\n  \"decision\": \"GO\",\n", 1);
    window.with_changed("evidence/signoff.json", twice, || window.refused("duplicate"));
    window.cutover(&["--policy", "window"]).with_code(0);
}

fn a_sign_off_that_others_signed_is_not_replaced(window: &Window) {
    let run = argument(&window.runs("gates-run")[1]);
    let flags = ["signoff", &run, "--policy", "window", "--output", "evidence/signoff.json"];
    let refused = window.run(&flags).with_code(2);
    assert!(refused.error().contains("signatures of others"), "{}", refused.stderr);
    window.cutover(&[]).with_code(0);
}

/// It was judged for the end of the run, and what was measured may be a second old.
fn a_sign_off_ends(window: &Window) {
    let short = fs::read_to_string(window.path("gates/policy/window.toml")).expect("the policy");
    let short = short.replace("max_age = \"4h\"", "max_age = \"1s\"");
    fs::write(window.path("gates/policy/window.toml"), short).expect("a file of ours");
    window.git(&["commit", "--quiet", "--all", "--message", "A second is enough"]);
    window.run(&["gates", "run", "--profile", "gates/desk.toml"]).with_code(0);
    let run = window.runs("gates-run").pop().expect("a run");
    let run = argument(&run);
    window.run(&["sign", &run, "--key", "../ci/key.key"]).with_code(0);
    let manifest = fs::read_to_string(Path::new(&run).join("manifest.json")).expect("the manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let at = manifest["completed"].as_str().expect("its end");
    for envelope in ["signoff.json.approver.dsse.json", "signoff.json.dsse.json"] {
        fs::remove_file(window.path(&format!("evidence/{envelope}"))).expect("a file of ours");
    }
    let flags =
        ["--policy", "window", "--at", at, "--output", "evidence/signoff.json", "--key", "../ci/key.key"];
    window.run(&[&["signoff", &run][..], &flags].concat()).with_code(0);
    window
        .run(&["sign", "evidence/signoff.json", "--role", "approver", "--key", "../alice/key.key"])
        .with_code(0);
    let since = SystemTime::now();
    assert!(within(Duration::from_secs(30), || since
        .elapsed()
        .is_ok_and(|gone| gone > Duration::from_secs(2))));
    window.refused("signoff-expired");
}
