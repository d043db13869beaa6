//! Locks that are held, given up, and left by runs that are killed: with real processes, since only the kernel knows.

use super::*;
use crate::cutover::resume::tests::Cutover;
use crate::model::switch::Sequence;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;

/// A place for locks and for folders of runs.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn take(&self, run: &str) -> Result<EnvironmentLock, LockError> {
        self.take_for(run, Purpose::Begin)
    }

    fn take_for(&self, run: &str, purpose: Purpose<'_>) -> Result<EnvironmentLock, LockError> {
        let what = ("desk", &RunId::from_text(run), &*self.path(run));
        EnvironmentLock::take_in(&self.path("locks"), what, purpose)
    }

    fn file(&self) -> PathBuf {
        self.path("locks").join(file_name("desk"))
    }

    /// A run of a process of its own that takes the lock, and is killed when it has it.
    fn killed(&self, run: &str) {
        let mut child = self.start(run);
        soon(|| self.path(&format!("{run}.said")).exists());
        assert_eq!(fs::read_to_string(self.path(&format!("{run}.said"))).unwrap(), "won");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn start(&self, run: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cutover::lock::tests::hold_until_killed", "--ignored"])
            .env("CUTPROOF_TEST_LOCK", self.0.path())
            .env("CUTPROOF_TEST_RUN", run)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

/// A run that takes the lock, leaves a daemon, and then waits for its end.
#[test]
#[ignore = "run by other tests in a process of its own"]
fn hold_until_killed() {
    let (Some(desk), Ok(run)) = (std::env::var_os("CUTPROOF_TEST_LOCK"), std::env::var("CUTPROOF_TEST_RUN"))
    else {
        return;
    };
    let desk = PathBuf::from(desk);
    let what = ("desk", &RunId::from_text(&run), &*desk.join(&run));
    let taken = EnvironmentLock::take_in(&desk.join("locks"), what, Purpose::Begin);
    let mut daemon = None;
    if taken.is_ok() {
        daemon = Some(Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap());
        fs::write(desk.join("daemon"), daemon.as_ref().unwrap().id().to_string()).unwrap();
    }
    let said = taken.as_ref().map_or_else(ToString::to_string, |_| "won".to_owned());
    let (half, whole) = (desk.join(format!("{run}.half")), desk.join(format!("{run}.said")));
    fs::write(&half, said).unwrap();
    fs::rename(half, whole).unwrap();
    std::thread::sleep(Duration::from_secs(60));
    if let Some(mut daemon) = daemon {
        daemon.wait().unwrap();
    }
}

fn soon(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "it did not come true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let daemon = fs::read_to_string(self.path("daemon")).ok().and_then(|pid| pid.parse().ok());
        if let Some(pid) = daemon.and_then(Pid::from_raw) {
            kill_process(pid, Signal::KILL).ok();
        }
    }
}

/// A run's journal: two steps that are done, and one that is not known.
fn half_way() -> Cutover {
    let mut run = Cutover::new();
    run.done(Sequence::Cutover, 2).begin(Sequence::Cutover, 3);
    run
}

#[test]
fn no_name_leaves_the_folder_and_no_two_share_a_file() {
    let long = "x".repeat(5_000);
    let names = [
        "desk",
        "desk ",
        "Desk",
        "a/b",
        "a_b",
        "../../etc/passwd",
        "",
        ".",
        "..",
        "日本",
        "日文",
        "a\0b",
        &long,
    ];
    let files: BTreeSet<_> = names.iter().map(|name| file_name(name)).collect();
    assert_eq!(files.len(), names.len());
    for file in files {
        assert!(file.len() < 128 && !file.contains(['/', '\0']) && file.ends_with(".lock"), "{file}");
    }
}

#[test]
fn who_comes_second_is_told_who_came_first() {
    let desk = Desk::new();
    let lock = desk.take("first").unwrap();
    let refused = desk.take("second").unwrap_err();
    let LockError::Held(holder) = &refused else { panic!("{refused}") };
    assert_eq!(**holder, *lock.holder());
    let (host, since) = (host(), lock.holder().since.to_seconds());
    assert_eq!(
        refused.to_string(),
        format!(
            "environment `desk` is being switched by run first (process {} on {host}, since {since}): expected one \
             cutover at a time; see `cutproof status {}`",
            std::process::id(),
            desk.path("first").display()
        )
    );
    let refused = desk.take_for("second", Purpose::Abandon(&RunId::from_text("first"))).unwrap_err();
    assert!(matches!(refused, LockError::Held(_)), "a run that lives is not abandoned: {refused}");
    let other = ("other", &RunId::from_text("third"), &*desk.path("third"));
    EnvironmentLock::take_in(&desk.path("locks"), other, Purpose::Begin).unwrap();
}

#[test]
fn an_environment_that_is_given_up_is_free_and_nothing_is_warned_of() {
    let desk = Desk::new();
    drop(desk.take("first").unwrap());
    let said: Holder = serde_json::from_slice(&fs::read(desk.file()).unwrap()).unwrap();
    assert!(said.released.is_some() && said.run.as_str() == "first");
    let lock = desk.take("second").unwrap();
    assert_eq!(lock.taken_over(), None);
}

#[test]
fn of_many_at_once_exactly_one_wins() {
    let desk = Desk::new();
    let start = Barrier::new(16);
    let results: Vec<_> = std::thread::scope(|scope| {
        let (desk, start) = (&desk, &start);
        let taker = |number: usize| {
            scope.spawn(move || {
                start.wait();
                desk.take(&format!("run-{number}"))
            })
        };
        let takers: Vec<_> = (0..16).map(taker).collect();
        takers.into_iter().map(|taker| taker.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);

    let desk = Desk::new();
    let runs = ["a", "b", "c", "d"];
    let mut children: Vec<_> = runs.iter().map(|run| desk.start(run)).collect();
    soon(|| runs.iter().all(|run| desk.path(&format!("{run}.said")).exists()));
    let said = runs.map(|run| fs::read_to_string(desk.path(&format!("{run}.said"))).unwrap());
    let winner = said.iter().position(|said| said == "won").unwrap();
    let told = format!("run {} (process {} on ", runs[winner], children[winner].id());
    for (number, said) in said.iter().enumerate() {
        assert!(number == winner || said.contains(&told), "{said}");
    }
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_run_that_was_killed_before_its_first_step_is_taken_over_and_told_of() {
    let desk = Desk::new();
    Cutover::new().write(&desk.path("killed"));
    desk.killed("killed");
    let lock = desk.take("next").unwrap();
    let warning = lock.taken_over().unwrap().to_string();
    assert!(warning.starts_with("run killed (process "), "{warning}");
    assert!(warning.ends_with("which was taken over: it had begun no step that has no end"), "{warning}");
}

#[test]
fn a_run_that_was_killed_after_its_end_or_was_dry_is_taken_over() {
    let desk = Desk::new();
    let mut ended = half_way();
    ended.finish().write(&desk.path("ended"));
    desk.killed("ended");
    drop(desk.take("next").unwrap());
    let desk = Desk::new();
    let mut dry = half_way();
    dry.started().dry_run = true;
    dry.write(&desk.path("dry"));
    desk.killed("dry");
    desk.take("next").unwrap();
}

#[test]
fn what_a_killed_run_left_half_done_is_refused_until_a_person_says_that_it_is_in_order() {
    let desk = Desk::new();
    half_way().write(&desk.path("killed"));
    desk.killed("killed");
    for _ in 0..2 {
        let refused = desk.take("next").unwrap_err();
        assert!(matches!(&refused, LockError::Unfinished { step, .. } if step == "precheck"), "{refused}");
        let folder = desk.path("killed");
        let resume = format!("cutproof cutover --resume {}`", folder.display());
        assert!(refused.to_string().contains(&resume), "{refused}");
        assert!(refused.to_string().contains("--rollback or --continue"), "{refused}");
        assert!(refused.to_string().contains("--abandon killed"), "{refused}");
    }
    let refused = desk.take_for("next", Purpose::Abandon(&RunId::from_text("other"))).unwrap_err();
    let told = "--abandon other: that run has not left environment `desk` locked; killed has";
    assert_eq!(refused.to_string(), told);
    let lock = desk.take_for("next", Purpose::Abandon(&RunId::from_text("killed"))).unwrap();
    assert!(lock.taken_over().unwrap().to_string().ends_with("put in order by hand"));
    drop(lock);
    let refused = desk.take_for("next", Purpose::Abandon(&RunId::from_text("killed"))).unwrap_err();
    assert!(refused.to_string().ends_with("locked; leave --abandon out"), "{refused}");
}

#[test]
fn what_cannot_be_told_is_refused() {
    for (case, told) in [("absent", "there is no "), ("damaged", "line 3 was changed")] {
        let desk = Desk::new();
        if case == "damaged" {
            half_way().write(&desk.path(case));
            let journal = desk.path(case).join(journal::FILE);
            let text = fs::read_to_string(&journal).unwrap();
            fs::write(&journal, text.replace("\"command_ended\"", "\"command_startled\"")).unwrap();
        }
        desk.killed(case);
        let refused = desk.take("next").unwrap_err();
        assert!(matches!(&refused, LockError::Unclear { why, .. } if why.contains(told)), "{refused}");
        desk.take_for("next", Purpose::Abandon(&RunId::from_text(case))).unwrap();
    }
    let desk = Desk::new();
    Cutover::new().write(&desk.path("elsewhere"));
    let holder = Holder { host: "elsewhere".to_owned(), ..desk.take("elsewhere").unwrap().holder().clone() };
    fs::write(desk.file(), serde_json::to_vec(&holder).unwrap()).unwrap();
    let refused = desk.take("next").unwrap_err();
    assert!(refused.to_string().contains("whether it lives is known on elsewhere"), "{refused}");
}

#[test]
fn a_file_that_says_nothing_is_refused_and_nothing_is_followed_or_waited_for() {
    let desk = Desk::new();
    fs::create_dir(desk.path("locks")).unwrap();
    fs::write(desk.file(), "{\"environment\":").unwrap();
    let refused = desk.take("next").unwrap_err();
    assert!(refused.to_string().contains("remove that file"), "{refused}");
    fs::remove_file(desk.file()).unwrap();
    fs::write(desk.path("precious"), "").unwrap();
    symlink(desk.path("precious"), desk.file()).unwrap();
    assert!(matches!(desk.take("next").unwrap_err(), LockError::Io { action: "open", .. }));
    assert_eq!(fs::read(desk.path("precious")).unwrap(), b"");
    fs::remove_file(desk.file()).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, desk.file(), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(matches!(desk.take("next").unwrap_err(), LockError::Unreadable { .. }));
}

#[test]
fn a_run_that_could_not_write_its_end_does_not_give_up_what_it_left_half_done() {
    let desk = Desk::new();
    let lock = desk.take("first").unwrap();
    half_way().write(&desk.path("first"));
    drop(lock);
    assert!(matches!(desk.take("second").unwrap_err(), LockError::Unfinished { .. }));
}

#[test]
fn a_run_goes_on_only_where_no_other_had_its_environment_since() {
    let desk = Desk::new();
    let started = Stamp::now();
    half_way().write(&desk.path("killed"));
    desk.killed("killed");
    let lock = desk.take_for("killed", Purpose::GoOn(started)).unwrap();
    assert_eq!(lock.taken_over(), None);
    drop(lock);
    drop(desk.take_for("later", Purpose::Abandon(&RunId::from_text("killed"))).unwrap());
    let refused = desk.take_for("killed", Purpose::GoOn(started)).unwrap_err();
    assert!(refused.to_string().starts_with("killed can't go on: run later (process "), "{refused}");
    // One that was over before it began, and a folder in which nobody was before, say nothing against it.
    desk.take_for("killed", Purpose::GoOn(Stamp::now().plus(Duration::from_secs(1)))).unwrap();
    Desk::new().take_for("killed", Purpose::GoOn(started)).unwrap();
}

#[test]
fn a_folder_with_blanks_and_quotes_is_an_argument_of_a_shell() {
    assert_eq!(quoted(Path::new("/var/evidence/run-1")), "/var/evidence/run-1");
    assert_eq!(quoted(Path::new("/my evidence/it's")), r"'/my evidence/it'\''s'");
}
