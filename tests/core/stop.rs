//! Ending a core, and the next one on the same port.

use crate::common::{Desk, GONE, ended, expect_soon, within};
use crate::support::{AWAY, Core};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn a_core_ends_in_order_when_it_is_asked_or_told() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    let stopped = core.run(&["stop"]).with_code(0);
    assert_eq!(stopped.stdout, format!("core: process {} ended in order\n", core.pid()));
    assert!(!core.state.exists());
    assert!(core.log().trim_end().ends_with("core new: ended"), "{}", core.log());
    assert!(core.end().success());
    for signal in [Signal::TERM, Signal::INT] {
        let mut core = Core::alone(&desk, &[]).ready();
        core.process().signal(signal);
        assert!(core.end().success());
    }
}

#[test]
fn nothing_to_stop_is_said_and_no_error() {
    let desk = Desk::new();
    let nothing = desk.run(&["core", "stop", "--core", "http://127.0.0.1:1", "--state", "/tmp/no-such-file"]);
    assert_eq!(nothing.with_code(0).stdout, "core: nothing to stop\n");
    let nothing = desk.run(&["core", "strategy-stop", "--state", "/tmp/no-such-file"]);
    assert_eq!(nothing.with_code(0).stdout, "strategy: nothing to stop\n");
}

/// Numbers of processes come round again.
#[test]
fn a_process_that_only_has_the_number_of_a_core_is_left_alone() {
    let desk = Desk::new();
    let mut other = crate::common::Going::start(desk.program("sleep").arg("600"));
    let text = format!(r#"{{"role":"core","version":"new","pid":{},"start_ticks":7}}"#, other.pid());
    let state = desk.write("core.json", &text);
    let stopped = desk.run(&["core", "stop", "--state", &state, "--within", "0"]).with_code(0);
    assert_eq!(stopped.stdout, "core: nothing to stop\n");
    assert!(other.child().try_wait().expect("ours").is_none());
}

#[test]
fn what_is_no_core_is_not_stopped() {
    let desk = Desk::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it has one"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _request = stream.read(&mut [0; 1024]);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").ok();
        }
    });
    let refused = desk.run(&["core", "stop", "--core", &url]).with_code(2);
    assert!(refused.error().contains("is no core"), "{}", refused.stderr);
    let state = desk.write("state", "{}");
    let refused = desk.run(&["core", "stop", "--state", &state]).with_code(2);
    assert!(refused.error().contains("state file"), "{}", refused.stderr);
}

#[test]
fn one_version_runs_after_the_other_on_the_same_port_and_waits_for_it() {
    let desk = Desk::new();
    let mut old = Core::start(&desk, &[&["--version", "old"], &AWAY[..]].concat()).ready();
    let listen = old.address.to_string();
    let state = old.state.to_str().expect("UTF-8").to_owned();
    // It begins while its predecessor is still there.
    let mut command =
        desk.cutproof(&["core", "serve", "--version", "new", "--listen", &listen, "--state", &state]);
    let mut new = crate::common::Going::start(command.args(AWAY).stdout(Stdio::null()));
    assert!(!within(Duration::from_millis(300), || new.child().try_wait().expect("ours").is_some()));
    assert_eq!(old.status()["version"], "old");
    old.process().signal(Signal::TERM);
    assert!(old.end().success());
    let status = || desk.run(&["core", "status", "--core", &listen]).stdout;
    expect_soon("the new one has the port", || status().starts_with("core new "));
    let stop = ["core", "stop", "--core", &listen, "--state", &state];
    desk.run(&stop).with_code(0);
    assert!(new.end().success());
    let back = Core::start_at(&desk, &listen, &[&["--version", "old"], &AWAY[..]].concat()).ready();
    assert_eq!(back.value("ctp_core_info{version=\"old\"}"), 1.0);
}

#[test]
fn a_port_that_stays_taken_is_an_error() {
    let desk = Desk::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = listener.local_addr().expect("it has one").to_string();
    let since = Instant::now();
    let refused = desk.run(&["core", "serve", "--version", "new", "--listen", &listen]).with_code(2);
    assert!(refused.error().contains(&listen) && refused.error().contains("core stop"), "{}", refused.stderr);
    assert!(since.elapsed() >= Duration::from_secs(5), "it was waited for");
}

#[test]
fn a_core_that_runs_is_not_started_twice() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    let state = core.state.to_str().expect("UTF-8");
    let flags = ["core", "serve", "--version", "old", "--listen", "127.0.0.1:0", "--state", state];
    let refused = ended(desk.cutproof(&flags)).with_code(2);
    assert!(refused.error().contains(&format!("process {}", core.pid())), "{}", refused.stderr);
}

#[test]
fn a_core_whose_services_do_not_answer_ends_all_the_same() {
    let desk = Desk::new();
    // It accepts and says nothing, for as long as it lives.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = silent.local_addr().expect("it has one").to_string();
    let flags = ["--version", "new", "--kafka", &at, "--postgres", &at, "--redis", &at];
    let mut core = Core::start(&desk, &flags).ready();
    core.more_orders(2.0);
    core.process().signal(Signal::TERM);
    let mut status = None;
    let in_time = within(GONE, || {
        status = core.process().child().try_wait().expect("ours");
        status.is_some()
    });
    assert!(in_time && status.is_some_and(|status| status.success()), "{status:?}");
}
