//! Drives real processes: what is ended, when, by whom, and what lives on.
//!
//! This binary is also the program that is held: started with a role in its environment it plays that
//! role instead of running tests.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use cutproof::process::{
    Cancel, Capture, Command, Daemons, Exit, Fate, Outcome, Output, Signal, StartError, Worker, hold, signals,
};
use libtest_mimic::{Arguments, Failed, Trial};

const ROLE: &str = "PROCESS_TEST_ROLE";
const FOLDER: &str = "PROCESS_TEST_FOLDER";
/// Nothing here waits longer for what is to happen.
const DEADLINE: Duration = Duration::from_secs(30);
/// No command of these tests takes as long.
const LONG: Duration = Duration::from_secs(300);

type Checked = Result<(), Failed>;

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE) {
        return play(&role);
    }
    macro_rules! trials {
        ($($name:ident),* $(,)?) => { vec![$(Trial::test(stringify!($name), $name)),*] };
    }
    let trials = trials![
        all_is_gone_when_the_holder_is_killed,
        all_is_gone_when_the_worker_is_killed,
        all_is_gone_when_the_holders_group_is_killed,
        a_run_inside_a_run_is_gone_with_the_outer_holder,
        all_is_gone_when_the_worker_panics,
        what_is_left_over_at_the_end_is_ended,
        the_workers_exit_code_is_the_holders,
        a_worker_that_dies_of_a_signal_gives_128_and_its_number,
        sigterm_is_passed_on_and_cancels_in_order,
        sigint_is_passed_on_and_cancels_in_order,
        a_second_sigint_cuts_the_grace_short,
        a_hangup_that_was_ignored_before_stays_ignored,
        a_hangup_that_the_worker_outlives_ends_nothing,
        a_hangup_ends_a_worker_that_does_not_outlive_it,
        the_hook_runs_when_the_holder_is_lost,
        what_is_owed_is_done_when_the_worker_is_killed,
        what_is_owed_is_done_when_the_holder_is_killed,
        what_is_owed_is_done_after_an_orderly_end,
        what_is_settled_is_not_done_again,
        a_released_daemon_lives_on_after_the_end,
        a_released_daemon_lives_on_when_the_worker_is_killed,
        a_released_daemon_lives_on_when_the_holder_is_killed,
        what_a_released_daemon_starts_later_lives_on_too,
        a_released_daemon_can_be_stopped_and_is_reaped,
        a_daemon_without_a_mark_is_ended_with_the_command_that_ran_alone,
        a_daemon_without_a_mark_waits_for_the_last_of_several_commands,
        a_worker_variable_of_nobody_is_refused,
        commands_inherit_neither_the_variable_nor_the_lifeline,
        a_command_gives_its_exit_code_and_both_streams,
        a_command_that_dies_of_a_signal_says_which,
        a_daemon_that_holds_the_output_does_not_hold_up_the_command,
        a_daemon_that_floods_the_output_does_not_hold_up_the_command,
        a_helper_that_ends_by_itself_is_not_spoken_of,
        a_timeout_ends_children_that_ignore_sigterm,
        a_timeout_lets_the_command_end_in_order,
        a_timeout_ends_one_that_starts_others_without_end,
        a_cancelled_command_is_ended_and_says_so,
        a_command_after_a_cancellation_is_not_started,
        an_orphan_that_ends_is_reaped_while_its_command_runs,
        one_gib_of_output_stays_within_bounds,
        bytes_that_are_not_utf8_are_kept,
        a_program_that_is_not_there_says_where_it_was_searched,
        a_command_that_cannot_start_says_why,
        the_commands_own_path_is_searched,
        a_command_runs_as_another_user_or_says_that_it_may_not,
        a_log_takes_the_output_and_is_for_its_owner_only,
        a_log_that_is_there_is_not_written_over,
        a_server_is_stopped_in_order,
        a_server_that_will_not_stop_is_killed_with_its_children,
        a_server_that_is_dropped_is_gone,
        a_released_server_lives_on_with_all_that_it_starts,
        a_released_server_lives_on_when_the_worker_is_killed,
        a_released_server_can_be_stopped_and_is_reaped,
        a_server_that_has_ended_releases_nobody,
        a_server_tells_what_it_has_printed,
        other_commands_leave_a_servers_daemons_alone,
        children_of_others_keep_their_exit_status,
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

// ---------------------------------------------------------------- roles

/// What the held program does: each role runs shell lines from the environment and prints what came of it.
fn play(role: &str) -> ExitCode {
    let played = match role {
        "self-kill" => hold(|_| {
            let pid = rustix::process::getpid();
            rustix::process::kill_process(pid, Signal::KILL).map_or(1, |()| 2)
        }),
        "memory" => return memory(),
        _ => hold(|worker| work(role, worker).unwrap_or_else(|error| panic!("{role}: {error}"))),
    };
    played.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}

fn work(role: &str, worker: &Worker) -> std::io::Result<u8> {
    let cancel = Cancel::new()?;
    let _listener = signals::listen(&cancel)?;
    let folder = PathBuf::from(variable(FOLDER));
    fs::write(folder.join("worker"), std::process::id().to_string())?;
    let line = variable("LINE");
    match role {
        "command" => {
            let outcome = Command::shell(&line, LONG).run(worker, &cancel);
            tell(&outcome, &cancel);
            Ok(7)
        }
        "stubborn" => {
            let outcome = Command { grace: LONG, ..Command::shell(&line, LONG) }.run(worker, &cancel);
            tell(&outcome, &cancel);
            Ok(7)
        }
        "outlive-hangup" => {
            signals::outlive_hangup()?;
            let outcome = Command::shell(&line, LONG).run(worker, &cancel);
            tell(&outcome, &cancel);
            Ok(7)
        }
        "hook" => {
            let path = folder.join("hook");
            worker.on_lost_holder(move || fs::write(path, "done").unwrap());
            Command::shell(&line, LONG).run(worker, &cancel);
            Ok(0)
        }
        "owe" | "settle" => {
            let file = folder.join("owed").into_os_string();
            let [shell, option, script, text] =
                ["sh", "-c", "echo \"$1\" >> \"$0\"", "paid, with \n"].map(Into::into);
            let owed = [shell, option, script, file, text];
            worker.owe(&owed)?;
            Command::shell(&line, LONG).run(worker, &cancel);
            if role == "settle" {
                worker.settle(&owed)?;
            }
            Ok(5)
        }
        "panic" => {
            let _server = Command::shell(&line, LONG).start(worker, &folder.join("log")).unwrap();
            await_file(&folder.join("server"));
            // A panic that is not caught unwinds through drops; what they miss is the holder's.
            std::mem::forget(_server);
            panic!("on purpose");
        }
        "leave-server" => {
            let server = Command::shell(&line, LONG).start(worker, &folder.join("log")).unwrap();
            await_file(&folder.join("server"));
            std::mem::forget(server);
            Ok(3)
        }
        "step" => {
            let log = Output::Log { path: folder.join("log"), excerpt: Capture::default() };
            let step = Command { output: log, daemons: Daemons::Release, ..Command::shell(&line, LONG) };
            tell(&step.run(worker, &cancel), &cancel);
            // A gate after the step, and a server, must not disturb what was released.
            let gate = variable("GATE");
            tell(&Command::shell(&gate, LONG).run(worker, &cancel), &cancel);
            fs::write(folder.join("stepped"), "")?;
            if std::env::var_os("STAY").is_some() {
                Command::shell("sleep 300", LONG).run(worker, &cancel);
            }
            Ok(0)
        }
        "release" => {
            let server = Command::shell(&line, LONG).start(worker, &folder.join("log")).unwrap();
            await_file(&folder.join("server"));
            println!("released={}", server.release()?.len());
            tell(&Command::shell(variable("GATE"), LONG).run(worker, &cancel), &cancel);
            fs::write(folder.join("released"), "")?;
            if std::env::var_os("STAY").is_some() {
                Command::shell("sleep 300", LONG).run(worker, &cancel);
            }
            Ok(0)
        }
        "side-by-side" => {
            std::thread::scope(|scope| {
                scope.spawn(|| tell(&Command::shell(variable("OTHER"), LONG).run(worker, &cancel), &cancel));
                await_file(&folder.join("other"));
                tell(&Command::shell(&line, LONG).run(worker, &cancel), &cancel);
                fs::write(folder.join("first-done"), "").unwrap();
            });
            Ok(0)
        }
        other => panic!("no role {other}"),
    }
}

/// 1 GiB through a capture, then our own peak of memory.
fn memory() -> ExitCode {
    let worker = Worker::unheld().unwrap();
    let cancel = Cancel::new().unwrap();
    let outcome = Command::shell("head -c 1073741824 /dev/zero; echo end", LONG).run(&worker, &cancel);
    tell(&outcome, &cancel);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
    ExitCode::SUCCESS
}

/// One line an outcome, for the tests to look at.
fn tell(outcome: &Outcome, cancel: &Cancel) {
    let left: Vec<String> =
        outcome.left_behind.iter().map(|l| format!("{}:{:?}:{}", l.name, l.fate, l.certain)).collect();
    println!(
        "{:?} why={:?} left={left:?} dropped={} tail={:?} stdout={:?}",
        outcome.exit,
        cancel.why(),
        outcome.stdout.dropped,
        String::from_utf8_lossy(&outcome.stdout.tail[outcome.stdout.tail.len().saturating_sub(4)..]),
        String::from_utf8_lossy(&outcome.stdout.head[..outcome.stdout.head.len().min(100)]),
    );
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn await_file(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < DEADLINE, "{} did not appear", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

// ---------------------------------------------------------------- the stage

/// A folder for one test, with a script that names a process: `mark NAME` writes its pid to that file and
/// becomes `sleep 300`. At the end of the test nobody of the named is left.
struct Stage {
    folder: tempfile::TempDir,
}

/// A process that named itself, beyond doubt: pid and start time.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    name: String,
    pid: i32,
    start: String,
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let script = "#!/bin/sh\nfolder=${0%/*}\necho $$ > \"$folder/$1.new\" && mv \"$folder/$1.new\" \"$folder/$1\"\n\
                      shift\n[ $# = 0 ] && exec sleep 300\nexec \"$@\"\n";
        let path = folder.path().join("mark");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Stage { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A shell line in which MARK stands for the script.
    fn line(&self, line: &str) -> String {
        line.replace("MARK", &self.path("mark").to_string_lossy())
    }

    /// Starts this program in a role, held. `env` sees to it that signals are not ignored from before.
    fn hold(&self, role: &str, variables: &[(&str, &str)]) -> Held {
        let mut command = std::process::Command::new("env");
        command.arg("--default-signal=INT,TERM,HUP,QUIT").arg(std::env::current_exe().unwrap());
        self.hold_by(command, role, variables)
    }

    fn hold_by(&self, mut command: std::process::Command, role: &str, variables: &[(&str, &str)]) -> Held {
        command.env(ROLE, role).env(FOLDER, self.folder.path());
        command.envs(variables.iter().map(|(name, value)| (name, self.line(value))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Held { child: command.process_group(0).spawn().unwrap() }
    }

    /// Waits until these have named themselves.
    fn named(&self, names: &[&str]) -> Vec<Named> {
        names
            .iter()
            .map(|name| {
                await_file(&self.path(name));
                let pid = fs::read_to_string(self.path(name)).unwrap().trim().parse().unwrap();
                let start = start_of(pid).unwrap_or_else(|| panic!("{name} is gone already"));
                Named { name: name.to_string(), pid, start }
            })
            .collect()
    }
}

impl Drop for Stage {
    /// A test that failed must not leave its processes to the machine.
    fn drop(&mut self) {
        for file in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let pid = fs::read_to_string(file.path()).ok().and_then(|text| text.trim().parse::<i32>().ok());
            let ours = |pid: &i32| {
                let environ = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&environ).starts_with("sleep\u{0}300")
            };
            if let Some(pid) = pid.filter(ours).and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Start time of a living process; None if it is gone or a zombie.
fn start_of(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (fields[0] != "Z").then(|| fields[19].to_string())
}

fn is_alive(named: &Named) -> bool {
    start_of(named.pid).as_ref() == Some(&named.start)
}

/// Waits until all are gone.
fn gone(all: &[Named]) -> Checked {
    let begun = Instant::now();
    while let Some(alive) = all.iter().find(|named| is_alive(named)) {
        if begun.elapsed() > DEADLINE {
            return Err(format!("{alive:?} is still there").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("gone after {:?}", begun.elapsed());
    Ok(())
}

/// Checks that they are all there, and still a while later.
fn alive(all: &[Named]) -> Checked {
    for _ in 0..10 {
        if let Some(gone) = all.iter().find(|named| !is_alive(named)) {
            return Err(format!("{gone:?} should live on").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn kill(pid: i32, signal: Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// A held run; its first process is the holder.
struct Held {
    child: Child,
}

impl Held {
    fn signal(&self, signal: Signal) {
        kill(self.child.id() as i32, signal);
    }

    /// Waits for the end of the holder; what it and the worker printed.
    fn end(mut self) -> (ExitStatus, String, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < DEADLINE, "the holder does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        // Whoever was released has a standard output of its own, so these end too.
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (status, stdout, stderr)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn same<T: PartialEq + std::fmt::Debug>(seen: T, expected: T) -> Checked {
    if seen == expected { Ok(()) } else { Err(format!("expected {expected:?}, saw {seen:?}").into()) }
}

fn holds(text: &str, part: &str) -> Checked {
    if text.contains(part) { Ok(()) } else { Err(format!("expected {part:?} in {text:?}").into()) }
}

// ---------------------------------------------------------------- the holder

/// A child, one in a session of its own, one whose parent is gone, one that in addition has cleared its
/// environment, and one that ignores SIGTERM.
const TREE: &str = "MARK plain & setsid MARK session & (MARK orphan &); \
    env -i PATH=$PATH setsid sh -c '(MARK bare &)'; (trap '' TERM; MARK stubborn) & wait";
const TREE_NAMES: [&str; 5] = ["plain", "session", "orphan", "bare", "stubborn"];

/// Waits for the tree, and for the worker.
fn tree_and_worker(stage: &Stage) -> (Vec<Named>, Named) {
    let tree = stage.named(&TREE_NAMES);
    let worker = stage.named(&["worker"]).remove(0);
    (tree, worker)
}

fn all_is_gone_when_the_holder_is_killed() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("command", &[("LINE", TREE)]);
    let (tree, worker) = tree_and_worker(&stage);
    held.signal(Signal::KILL);
    gone(&tree)?;
    gone(&[worker])
}

fn all_is_gone_when_the_worker_is_killed() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("command", &[("LINE", TREE)]);
    let (tree, worker) = tree_and_worker(&stage);
    kill(worker.pid, Signal::KILL);
    gone(&tree)?;
    same(held.end().0.code(), Some(137))
}

fn all_is_gone_when_the_holders_group_is_killed() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("command", &[("LINE", TREE)]);
    let (tree, worker) = tree_and_worker(&stage);
    let group = rustix::process::Pid::from_child(&held.child);
    rustix::process::kill_process_group(group, Signal::KILL).unwrap();
    gone(&tree)?;
    gone(&[worker])
}

fn a_run_inside_a_run_is_gone_with_the_outer_holder() -> Checked {
    let stage = Stage::new();
    let inner = Stage::new();
    let line = format!(
        "{ROLE}=command {FOLDER}={} LINE='{}' {}",
        inner.folder.path().display(),
        inner.line("setsid MARK a & (MARK b &); wait"),
        std::env::current_exe().unwrap().display()
    );
    let held = stage.hold("command", &[("LINE", &line)]);
    let both = [inner.named(&["a", "b", "worker"]), stage.named(&["worker"])].concat();
    held.signal(Signal::KILL);
    gone(&both)
}

fn all_is_gone_when_the_worker_panics() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("panic", &[("LINE", "setsid MARK daemon & MARK server")]);
    let all = stage.named(&["server"]);
    let (status, _, stderr) = held.end();
    holds(&stderr, "on purpose")?;
    same(status.code(), Some(101))?;
    gone(&all)
}

fn what_is_left_over_at_the_end_is_ended() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("leave-server", &[("LINE", "(MARK server &); wait; sleep 300")]);
    let server = stage.named(&["server"]);
    same(held.end().0.code(), Some(3))?;
    if server.iter().any(is_alive) { Err("the holder ended before the server".into()) } else { Ok(()) }
}

fn the_workers_exit_code_is_the_holders() -> Checked {
    let stage = Stage::new();
    let (status, stdout, stderr) = stage.hold("command", &[("LINE", "echo hello")]).end();
    holds(&stdout, r#"Exited(0) why=None left=[] dropped=0 tail="" stdout="hello\n""#)?;
    same(stderr.as_str(), "")?;
    same(status.code(), Some(7))
}

fn a_worker_that_dies_of_a_signal_gives_128_and_its_number() -> Checked {
    same(Stage::new().hold("self-kill", &[]).end().0.code(), Some(137))
}

fn passed_on(signal: Signal, name: &str) -> Checked {
    let stage = Stage::new();
    let held = stage.hold("command", &[("LINE", TREE)]);
    let (tree, _) = tree_and_worker(&stage);
    held.signal(signal);
    // The stubborn one makes this take the whole grace; it is all gone when the holder ends.
    let (status, stdout, _) = held.end();
    if let Some(alive) = tree.iter().find(|named| is_alive(named)) {
        return Err(format!("{alive:?} outlived the run").into());
    }
    holds(&stdout, &format!("Cancelled why=Some({name:?}) left=[]"))?;
    same(status.code(), Some(7))
}

fn sigterm_is_passed_on_and_cancels_in_order() -> Checked {
    passed_on(Signal::TERM, "SIGTERM")
}

fn sigint_is_passed_on_and_cancels_in_order() -> Checked {
    passed_on(Signal::INT, "SIGINT")
}

fn a_second_sigint_cuts_the_grace_short() -> Checked {
    let stage = Stage::new();
    // The grace of this role is longer than the test waits.
    let held = stage.hold(
        "stubborn",
        &[(
            "LINE",
            "trap 'echo > $PROCESS_TEST_FOLDER/told' TERM; (trap '' TERM; MARK stubborn) & \
        while :; do sleep 0.05; done",
        )],
    );
    let stubborn = stage.named(&["stubborn"]);
    held.signal(Signal::INT);
    await_file(&stage.path("told"));
    held.signal(Signal::INT);
    let (_, stdout, _) = held.end();
    holds(&stdout, "Cancelled why=Some(\"SIGINT\")")?;
    gone(&stubborn)
}

/// A run that ends when it is told to, by a file.
const UNTIL_TOLD: &str = "MARK up true; until [ -e $PROCESS_TEST_FOLDER/go ]; do sleep 0.02; done; echo done";

fn outlives_hangup(stage: &Stage, held: Held) -> Checked {
    await_file(&stage.path("up"));
    held.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(100));
    fs::write(stage.path("go"), "").unwrap();
    let (status, stdout, _) = held.end();
    holds(&stdout, "done")?;
    same(status.code(), Some(7))
}

fn a_hangup_that_was_ignored_before_stays_ignored() -> Checked {
    let stage = Stage::new();
    let mut nohup = std::process::Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$0\""]).arg(std::env::current_exe().unwrap());
    let held = stage.hold_by(nohup, "command", &[("LINE", UNTIL_TOLD)]);
    outlives_hangup(&stage, held)
}

fn a_hangup_that_the_worker_outlives_ends_nothing() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("outlive-hangup", &[("LINE", UNTIL_TOLD)]);
    outlives_hangup(&stage, held)
}

fn a_hangup_ends_a_worker_that_does_not_outlive_it() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("command", &[("LINE", TREE)]);
    let (tree, _) = tree_and_worker(&stage);
    held.signal(Signal::HUP);
    same(held.end().0.code(), Some(129))?;
    gone(&tree)
}

fn the_hook_runs_when_the_holder_is_lost() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("hook", &[("LINE", TREE)]);
    let (tree, worker) = tree_and_worker(&stage);
    held.signal(Signal::KILL);
    gone(&tree)?;
    gone(&[worker])?;
    same(fs::read_to_string(stage.path("hook"))?.as_str(), "done")
}

/// What the owed command writes, once.
const PAID: &str = "paid, with \n\n";

fn what_is_owed_is_done_when_the_worker_is_killed() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("owe", &[("LINE", TREE)]);
    let (tree, worker) = tree_and_worker(&stage);
    kill(worker.pid, Signal::KILL);
    same(held.end().0.code(), Some(137))?;
    same(fs::read_to_string(stage.path("owed"))?.as_str(), PAID)?;
    gone(&tree)
}

fn what_is_owed_is_done_when_the_holder_is_killed() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("owe", &[("LINE", TREE)]);
    let (tree, worker) = tree_and_worker(&stage);
    held.signal(Signal::KILL);
    gone(&tree)?;
    gone(&[worker])?;
    await_file(&stage.path("owed"));
    let begun = Instant::now();
    while fs::read_to_string(stage.path("owed"))? != PAID {
        holds(if begun.elapsed() < DEADLINE { "in time" } else { "late" }, "in time")?;
    }
    Ok(())
}

fn what_is_owed_is_done_after_an_orderly_end() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("owe", &[("LINE", "true")]);
    same(held.end().0.code(), Some(5))?;
    same(fs::read_to_string(stage.path("owed"))?.as_str(), PAID)
}

fn what_is_settled_is_not_done_again() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("settle", &[("LINE", "true")]);
    same(held.end().0.code(), Some(5))?;
    same(stage.path("owed").exists(), false)
}

// ---------------------------------------------------------------- released daemons

/// A step that leaves four daemons, one of which has shed all marks; then a gate that leaves another two.
const STEP: &str = "MARK plain & setsid MARK session & (MARK orphan &); \
    env -i PATH=$PATH setsid sh -c '(MARK bare &)'; \
    for name in plain session orphan bare; do until [ -e $PROCESS_TEST_FOLDER/$name ]; do sleep 0.02; done; done; \
    echo started";
const STEP_NAMES: [&str; 4] = ["plain", "session", "orphan", "bare"];
const GATE: &str = "MARK gate & env -i PATH=$PATH setsid sh -c '(MARK bare-gate &)'; \
    for name in gate bare-gate; do until [ -e $PROCESS_TEST_FOLDER/$name ]; do sleep 0.02; done; done";

fn a_released_daemon_lives_on_after_the_end() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("step", &[("LINE", STEP), ("GATE", GATE)]);
    let daemons = stage.named(&STEP_NAMES);
    let (status, stdout, _) = held.end();
    same(status.code(), Some(0))?;
    let lines: Vec<&str> = stdout.lines().collect();
    holds(lines[0], "Exited(0)")?;
    same(lines[0].matches(":Released:true").count(), 4)?;
    holds(lines[0], r#"stdout="started\n""#)?;
    holds(lines[1], "Exited(0)")?;
    same(lines[1].matches(":Ended:true").count(), 2)?;
    alive(&daemons)
}

fn a_released_daemon_lives_on_when_the_worker_is_killed() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("step", &[("LINE", STEP), ("GATE", "true"), ("STAY", "1")]);
    let daemons = stage.named(&STEP_NAMES);
    await_file(&stage.path("stepped"));
    let worker = stage.named(&["worker"]).remove(0);
    kill(worker.pid, Signal::KILL);
    same(held.end().0.code(), Some(137))?;
    alive(&daemons)
}

fn a_released_daemon_lives_on_when_the_holder_is_killed() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("step", &[("LINE", STEP), ("GATE", "true"), ("STAY", "1")]);
    let daemons = stage.named(&STEP_NAMES);
    await_file(&stage.path("stepped"));
    let worker = stage.named(&["worker"]);
    held.signal(Signal::KILL);
    gone(&worker)?;
    alive(&daemons)
}

fn what_a_released_daemon_starts_later_lives_on_too() -> Checked {
    let stage = Stage::new();
    // The supervisor goes to the background at once, and only later starts the engine and ends.
    let line = "(setsid sh -c 'MARK supervisor true; until [ -e $PROCESS_TEST_FOLDER/stepped ]; do sleep 0.02; done; \
                MARK engine &' >/dev/null 2>&1 &) ; until [ -e $PROCESS_TEST_FOLDER/supervisor ]; do sleep 0.02; done";
    let held = stage.hold("step", &[("LINE", line), ("GATE", "true"), ("STAY", "1")]);
    let engine = stage.named(&["engine"]);
    let worker = stage.named(&["worker"]);
    held.signal(Signal::KILL);
    gone(&worker)?;
    alive(&engine)
}

fn a_released_daemon_can_be_stopped_and_is_reaped() -> Checked {
    let stage = Stage::new();
    // As stop scripts do: the pid must disappear, which takes somebody to reap it.
    let gate = "read pid < $PROCESS_TEST_FOLDER/orphan; kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.02; done";
    let held = stage.hold("step", &[("LINE", STEP), ("GATE", gate)]);
    let (status, stdout, _) = held.end();
    same(status.code(), Some(0))?;
    holds(stdout.lines().nth(1).unwrap_or_default(), "Exited(0) why=None left=[]")
}

fn a_daemon_without_a_mark_is_ended_with_the_command_that_ran_alone() -> Checked {
    let stage = Stage::new();
    let held = stage.hold("command", &[("LINE", GATE)]);
    let daemons = stage.named(&["gate", "bare-gate"]);
    let (_, stdout, _) = held.end();
    same(stdout.matches(":Ended:true").count(), 2)?;
    gone(&daemons)
}

fn a_daemon_without_a_mark_waits_for_the_last_of_several_commands() -> Checked {
    let stage = Stage::new();
    let other = "MARK other true; until [ -e $PROCESS_TEST_FOLDER/go ]; do sleep 0.02; done";
    let held = stage.hold("side-by-side", &[("LINE", GATE), ("OTHER", other)]);
    let marked = stage.named(&["gate"]);
    let bare = stage.named(&["bare-gate"]);
    await_file(&stage.path("first-done"));
    gone(&marked)?;
    alive(&bare)?;
    fs::write(stage.path("go"), "")?;
    let (_, stdout, _) = held.end();
    let lines: Vec<&str> = stdout.lines().collect();
    holds(lines[0], r#":Ended:true"]"#)?;
    // It can't be told whose it was, and that is said.
    holds(lines[1], r#":Ended:false"]"#)?;
    gone(&bare)
}

// ---------------------------------------------------------------- what is inherited

fn a_worker_variable_of_nobody_is_refused() -> Checked {
    let stage = Stage::new();
    // A closed descriptor, no number, standard output, and an open descriptor that is no lifeline.
    for value in ["63", "x", "", "1", "9"] {
        let mut sh = std::process::Command::new("sh");
        sh.args(["-c", "exec 9</dev/null; exec \"$0\""]).arg(std::env::current_exe().unwrap());
        let (status, stdout, stderr) =
            stage.hold_by(sh, "command", &[("LINE", "echo ran"), ("CUTPROOF_WORKER", value)]).end();
        same(status.code(), Some(2))?;
        same(stdout.as_str(), "")?;
        holds(
            &stderr,
            &format!("error: CUTPROOF_WORKER={value} is set, but not by a process that holds this one"),
        )?;
    }
    Ok(())
}

fn commands_inherit_neither_the_variable_nor_the_lifeline() -> Checked {
    let stage = Stage::new();
    let line = "env | grep -c ^CUTPROOF_COMMAND=; env | grep -c ^CUTPROOF_WORKER; for fd in /proc/self/fd/*; do \
                readlink $fd; done | grep -c socket";
    let (_, stdout, _) = stage.hold("command", &[("LINE", line)]).end();
    holds(&stdout, r#"stdout="1\n0\n0\n""#)
}

// ---------------------------------------------------------------- commands

fn run(command: &Command) -> Outcome {
    command.run(&Worker::unheld().unwrap(), &Cancel::new().unwrap())
}

fn shell(line: &str) -> Command {
    Command::shell(line, LONG)
}

fn exited(outcome: &Outcome, code: i32) -> Checked {
    match outcome.exit {
        Exit::Exited(seen) if seen == code => Ok(()),
        _ => Err(format!("expected exit code {code}, saw {outcome:?}").into()),
    }
}

fn a_command_gives_its_exit_code_and_both_streams() -> Checked {
    let outcome = run(&shell("echo out; echo err >&2; exit 3"));
    exited(&outcome, 3)?;
    same(outcome.stdout.whole(), Some(&b"out\n"[..]))?;
    same(outcome.stderr.whole(), Some(&b"err\n"[..]))?;
    same(outcome.left_behind.len(), 0)?;
    let outcome = run(&Command {
        folder: Some("/".into()),
        environment: vec![("NAME".into(), "value".into())],
        ..Command::argv(["sh", "-c", "pwd; echo $NAME $0", "argument"], LONG)
    });
    same(outcome.stdout.whole(), Some(&b"/\nvalue argument\n"[..]))
}

fn a_command_that_dies_of_a_signal_says_which() -> Checked {
    let outcome = run(&shell("echo before; kill -SEGV $$"));
    same(outcome.stdout.whole(), Some(&b"before\n"[..]))?;
    match outcome.exit {
        Exit::Signalled(11) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn a_daemon_that_holds_the_output_does_not_hold_up_the_command() -> Checked {
    let stage = Stage::new();
    let outcome = run(&shell(&stage.line(
        "setsid MARK daemon & sh -c 'until [ -e ${0%/*}/daemon ]; do sleep 0.02; done' MARK; echo done",
    )));
    exited(&outcome, 0)?;
    same(outcome.stdout.whole(), Some(&b"done\n"[..]))?;
    same(outcome.left_behind.len(), 1)?;
    same(outcome.left_behind[0].fate, Fate::Ended)?;
    same(start_of(outcome.left_behind[0].pid as i32), None)
}

fn a_daemon_that_floods_the_output_does_not_hold_up_the_command() -> Checked {
    let outcome = run(&shell("yes & sleep 0.1"));
    exited(&outcome, 0)?;
    same(outcome.left_behind.len(), 1)?;
    same(&outcome.stdout.head[..4], b"y\ny\n")
}

fn a_helper_that_ends_by_itself_is_not_spoken_of() -> Checked {
    // Like bash's `> >(tee log)`: the reader ends when its pipe does, a moment after the shell.
    let line = "exec 3>&1; { cat >&3; } < /dev/null & rm -f \"$0\"; exit 0";
    let outcome = run(&shell(line));
    exited(&outcome, 0)?;
    same(outcome.left_behind.len(), 0)
}

fn a_timeout_ends_children_that_ignore_sigterm() -> Checked {
    let stage = Stage::new();
    let outcome = run(&Command {
        timeout: Duration::from_secs(1),
        grace: Duration::from_millis(200),
        ..shell(&stage.line(
            "echo begun; setsid MARK session & (trap '' TERM; MARK stubborn & setsid MARK both &) & wait",
        ))
    });
    let ended = matches!(outcome.exit, Exit::TimedOut);
    if !ended {
        return Err(format!("{outcome:?}").into());
    }
    same(outcome.stdout.whole(), Some(&b"begun\n"[..]))?;
    same(outcome.left_behind.len(), 0)?;
    for name in ["session", "stubborn", "both"] {
        let pid = fs::read_to_string(stage.path(name))?.trim().parse()?;
        same(start_of(pid), None)?;
    }
    Ok(())
}

fn a_timeout_lets_the_command_end_in_order() -> Checked {
    let outcome = run(&Command {
        timeout: Duration::from_millis(500),
        grace: LONG,
        // What it starts to end in order is not told to end as well.
        ..shell("trap 'sh -c \"sleep 0.3; echo bye\"; exit 0' TERM; while :; do sleep 0.02; done")
    });
    same(outcome.stdout.whole(), Some(&b"bye\n"[..]))?;
    // It has had its time all the same.
    if matches!(outcome.exit, Exit::TimedOut) { Ok(()) } else { Err(format!("{outcome:?}").into()) }
}

fn a_timeout_ends_one_that_starts_others_without_end() -> Checked {
    let outcome = run(&Command {
        timeout: Duration::from_millis(300),
        grace: Duration::from_millis(50),
        ..shell("trap '' TERM; echo $$; while :; do (sleep 60 &); done")
    });
    if !matches!(outcome.exit, Exit::TimedOut) {
        return Err(format!("{outcome:?}").into());
    }
    same(outcome.left_behind.len(), 0)?;
    // All of them were in its group, and none is left there (zombies may still wait for their reaper).
    let group: i32 = String::from_utf8_lossy(&outcome.stdout.head).trim().parse()?;
    for process in fs::read_dir("/proc")?.flatten() {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        if fields.get(2) == Some(&group.to_string().as_str()) && fields[0] != "Z" {
            return Err(format!("still there: {stat}").into());
        }
    }
    Ok(())
}

fn a_cancelled_command_is_ended_and_says_so() -> Checked {
    let stage = Stage::new();
    let cancel = Cancel::new()?;
    let outcome = std::thread::scope(|scope| {
        let command = shell(&stage.line("MARK up & wait"));
        let cancel = &cancel;
        let run = scope.spawn(move || command.run(&Worker::unheld().unwrap(), cancel));
        await_file(&stage.path("up"));
        cancel.cancel("enough");
        run.join().unwrap()
    });
    if matches!(outcome.exit, Exit::Cancelled) { Ok(()) } else { Err(format!("{outcome:?}").into()) }
}

fn a_command_after_a_cancellation_is_not_started() -> Checked {
    let stage = Stage::new();
    let cancel = Cancel::new()?;
    cancel.cancel("SIGINT");
    let outcome = shell(&stage.line("MARK up true")).run(&Worker::unheld()?, &cancel);
    if !matches!(outcome.exit, Exit::Cancelled) || stage.path("up").exists() {
        return Err(format!("{outcome:?}").into());
    }
    Ok(())
}

fn an_orphan_that_ends_is_reaped_while_its_command_runs() -> Checked {
    // `kill -0` finds a zombie too; this loop ends only when the orphan has been reaped.
    let stage = Stage::new();
    let line = "(MARK orphan true &); until [ -e DIR/orphan ]; do sleep 0.02; done; read pid < DIR/orphan; \
                while kill -0 $pid 2>/dev/null; do sleep 0.02; done; echo gone";
    let line = stage.line(&line.replace("DIR", &stage.folder.path().to_string_lossy()));
    let outcome = run(&Command { timeout: DEADLINE, ..shell(&line) });
    same(outcome.stdout.whole(), Some(&b"gone\n"[..]))
}

fn one_gib_of_output_stays_within_bounds() -> Checked {
    // A program of its own, as memory is looked at.
    let stage = Stage::new();
    let begun = Instant::now();
    let (status, stdout, _) = stage.hold("memory", &[]).end();
    println!("1 GiB in {:?}; {stdout}", begun.elapsed());
    same(status.code(), Some(0))?;
    let lines: Vec<&str> = stdout.lines().collect();
    holds(
        lines[0],
        &format!("Exited(0) why=None left=[] dropped={} tail=\"end\\n\"", (1 << 30) + 4 - 32 * 1024),
    )?;
    let kib: u64 = lines[1].split_whitespace().nth(1).ok_or("no VmHWM")?.parse()?;
    if kib < 20 * 1024 { Ok(()) } else { Err(format!("{kib} KiB of memory").into()) }
}

fn bytes_that_are_not_utf8_are_kept() -> Checked {
    let outcome = run(&shell(r"printf 'a\377\000\033b'"));
    same(outcome.stdout.whole(), Some(&b"a\xff\x00\x1bb"[..]))
}

fn not_started(command: &Command) -> Result<StartError, Failed> {
    match run(command).exit {
        Exit::NotStarted(error) => Ok(error),
        other => Err(format!("expected that nothing starts, saw {other:?}").into()),
    }
}

fn a_program_that_is_not_there_says_where_it_was_searched() -> Checked {
    let error = not_started(&Command {
        environment: vec![("PATH".into(), "/nowhere:/usr/nowhere".into())],
        ..Command::argv(["no-such-program"], LONG)
    })?;
    same(error.to_string().as_str(), "program no-such-program not found on PATH (/nowhere:/usr/nowhere)")?;
    let error = not_started(&Command::argv(["/nowhere/program"], LONG))?;
    same(error.to_string().as_str(), "program /nowhere/program not found: there is no such file")
}

fn a_command_that_cannot_start_says_why() -> Checked {
    let stage = Stage::new();
    let text = |command: &Command| not_started(command).map(|error| error.to_string());
    holds(&text(&Command::argv(Vec::<String>::new(), LONG))?, "the command is empty")?;
    holds(&text(&shell(" \n"))?, "the command is empty")?;
    holds(
        &text(&Command { folder: Some("/nowhere".into()), ..shell("true") })?,
        "the folder to run in is missing: /nowhere",
    )?;
    let script = stage.path("script");
    fs::write(&script, "#!/no/such/interpreter\n")?;
    let script = script.into_os_string();
    holds(&text(&Command::argv([script.clone()], LONG))?, "cannot be executed")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700))?;
    holds(&text(&Command::argv([script], LONG))?, "interpreter")
}

fn the_commands_own_path_is_searched() -> Checked {
    let stage = Stage::new();
    let path = stage.folder.path().as_os_str().to_owned();
    let outcome = run(&Command {
        environment: vec![("PATH".into(), path)],
        ..Command::argv(["mark", "named", "/bin/true"], LONG)
    });
    exited(&outcome, 0)?;
    // The script was found there, and for the same reason does not find mv.
    holds(&String::from_utf8_lossy(&outcome.stderr.head), "mv")
}

fn a_command_runs_as_another_user_or_says_that_it_may_not() -> Checked {
    let user = cutproof::process::User { uid: 65534, gid: 65534 };
    let outcome = run(&Command { user: Some(user), folder: Some("/".into()), ..shell("id -u; id -g") });
    match (rustix::process::geteuid().is_root(), outcome.exit) {
        (true, Exit::Exited(0)) => same(outcome.stdout.whole(), Some(&b"65534\n65534\n"[..])),
        (false, Exit::NotStarted(error)) => holds(&error.to_string(), "ermi"), // permission, not permitted
        (_, exit) => Err(format!("{exit:?}").into()),
    }
}

fn a_log_takes_the_output_and_is_for_its_owner_only() -> Checked {
    let stage = Stage::new();
    let path = stage.path("log");
    let output = Output::Log { path: path.clone(), excerpt: Capture { head: 4, tail: 4 } };
    let outcome = run(&Command { output, ..shell("echo out; echo middle >&2; echo end") });
    exited(&outcome, 0)?;
    same(fs::read_to_string(&path)?.as_str(), "out\nmiddle\nend\n")?;
    same(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600)?;
    same(outcome.stdout.head.as_slice(), b"out\n")?;
    same(outcome.stdout.tail.as_slice(), b"end\n")?;
    same(outcome.stdout.dropped, 7)?;
    same(outcome.stderr.total(), 0)
}

fn a_log_that_is_there_is_not_written_over() -> Checked {
    let stage = Stage::new();
    fs::write(stage.path("log"), "precious")?;
    let output = Output::Log { path: stage.path("log"), excerpt: Capture::default() };
    let error = not_started(&Command { output, ..shell("echo out") })?;
    holds(&error.to_string(), "cannot create the log")?;
    same(fs::read_to_string(stage.path("log"))?.as_str(), "precious")
}

// ---------------------------------------------------------------- servers

fn serve(stage: &Stage, line: &str) -> cutproof::process::Server {
    shell(&stage.line(line)).start(&Worker::unheld().unwrap(), &stage.path("log")).unwrap()
}

fn a_server_is_stopped_in_order() -> Checked {
    let stage = Stage::new();
    let mut server = serve(&stage, "trap 'echo bye; exit 4' INT; MARK up true; while :; do sleep 0.02; done");
    await_file(&stage.path("up"));
    same(server.exited()?, None)?;
    let stopped = server.stop(Signal::INT, DEADLINE)?;
    same((stopped.in_order, stopped.survivors), (true, 0))?;
    same(stopped.status.and_then(|status| status.code()), Some(4))?;
    same(fs::read_to_string(stage.path("log"))?.as_str(), "bye\n")
}

fn a_server_that_will_not_stop_is_killed_with_its_children() -> Checked {
    let stage = Stage::new();
    let server =
        serve(&stage, "trap '' TERM; MARK child & setsid MARK session & (MARK orphan &); wait; MARK last");
    let children = stage.named(&["child", "session", "orphan"]);
    let stopped = server.stop(Signal::TERM, Duration::from_millis(100))?;
    same((stopped.in_order, stopped.survivors), (false, 0))?;
    same(stopped.status.and_then(|status| status.signal()), Some(9))?;
    gone(&children)
}

fn a_server_that_is_dropped_is_gone() -> Checked {
    let stage = Stage::new();
    let server = serve(&stage, "(MARK orphan &); MARK up");
    let all = stage.named(&["up", "orphan"]);
    drop(server);
    if let Some(alive) = all.iter().find(|named| is_alive(named)) {
        return Err(format!("{alive:?} is still there").into());
    }
    Ok(())
}

/// A server with a child and a daemon, and one more that it starts when the run has ended.
const RELEASED: &str = "(MARK orphan &); setsid MARK session & MARK server & while [ ! -e ${0%/*}/go ]; do sleep 0.02; \
    done; MARK late";

fn released(variables: &[(&str, &str)]) -> (Stage, Held, Vec<Named>) {
    let stage = Stage::new();
    let line = RELEASED.replace("${0%/*}", &stage.folder.path().to_string_lossy());
    let held =
        stage.hold("release", &[&[("LINE", line.as_str()), ("GATE", "sleep 300 &")], variables].concat());
    let all = stage.named(&["orphan", "session", "server"]);
    await_file(&stage.path("released"));
    (stage, held, all)
}

fn a_released_server_lives_on_with_all_that_it_starts() -> Checked {
    let (stage, held, mut all) = released(&[]);
    let (status, stdout, _) = held.end();
    same(status.code(), Some(0))?;
    // Shell, orphan, session, server, and a sleep of the loop's now and then.
    let count = stdout.lines().find_map(|line| line.strip_prefix("released=")?.parse::<u32>().ok());
    if count.is_none_or(|count| count < 4) {
        return Err(format!("expected at least 4 released in {stdout:?}").into());
    }
    fs::write(stage.path("go"), "")?;
    all.extend(stage.named(&["late"]));
    alive(&all)?;
    all.iter().for_each(|named| kill(named.pid, Signal::KILL));
    gone(&all)
}

fn a_released_server_lives_on_when_the_worker_is_killed() -> Checked {
    let (stage, held, all) = released(&[("STAY", "1")]);
    let worker = stage.named(&["worker"]).remove(0);
    kill(worker.pid, Signal::KILL);
    same(held.end().0.code(), Some(137))?;
    alive(&all)?;
    fs::write(stage.path("go"), "")?;
    let late = stage.named(&["late"]);
    let all = [all, late].concat();
    all.iter().for_each(|named| kill(named.pid, Signal::KILL));
    gone(&all)
}

fn a_released_server_can_be_stopped_and_is_reaped() -> Checked {
    let stage = Stage::new();
    // A later command ends the server, and waits until its pid is gone: a zombie would keep it waiting.
    let stop = "pid=$(cat FOLDER/server); kill $pid; while kill -0 $pid 2>&-; do sleep 0.02; done; echo gone"
        .replace("FOLDER", &stage.folder.path().to_string_lossy());
    let held = stage.hold("release", &[("LINE", "exec MARK server"), ("GATE", &stop)]);
    let (status, stdout, _) = held.end();
    same(status.code(), Some(0))?;
    holds(&stdout, "gone")
}

fn a_server_that_has_ended_releases_nobody() -> Checked {
    let stage = Stage::new();
    let mut server = serve(&stage, "exit 3");
    same(server.wait(DEADLINE, None)?.and_then(|status| status.code()), Some(3))?;
    same(server.release()?.len(), 0)
}

fn a_server_tells_what_it_has_printed() -> Checked {
    let stage = Stage::new();
    let server = serve(&stage, "echo out; echo err >&2; MARK up");
    stage.named(&["up"]);
    same(server.printed(Capture::default())?.whole(), Some(&b"out\nerr\n"[..]))?;
    let silent =
        shell(&stage.line("echo lost; MARK silent")).start_unlogged(&Worker::unheld().unwrap()).unwrap();
    let named = stage.named(&["silent"]);
    same(silent.printed(Capture::default())?.total(), 0)?;
    drop((server, silent));
    gone(&named)
}

fn other_commands_leave_a_servers_daemons_alone() -> Checked {
    let stage = Stage::new();
    let server = serve(&stage, "(MARK orphan &); MARK up");
    let all = stage.named(&["up", "orphan"]);
    for _ in 0..5 {
        let outcome = run(&shell("sleep 300 &"));
        exited(&outcome, 0)?;
    }
    alive(&all)?;
    drop(server);
    gone(&all)
}

fn children_of_others_keep_their_exit_status() -> Checked {
    // Libraries and tests start processes of their own; the reaping of orphans must not take those.
    for _ in 0..20 {
        let mut child = std::process::Command::new("sh").args(["-c", "exit 5"]).spawn()?;
        std::thread::sleep(Duration::from_millis(30));
        exited(&run(&shell("(true &)")), 0)?;
        same(child.wait()?.code(), Some(5))?;
    }
    Ok(())
}
