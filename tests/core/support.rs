//! A core that runs, and what its page says.

use crate::common::{Desk, Ended, Engines, Going, argument, ended, expect_soon};
use reference_engine::{Address, ask};
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// For an answer that must come.
pub const ANSWER: Duration = Duration::from_secs(60);

/// Services that are not there: nobody listens on port 1.
pub const AWAY: [&str; 6] = ["--kafka", "127.0.0.1:1", "--postgres", "127.0.0.1:1", "--redis", "127.0.0.1:1"];

/// A core in a process of its own.
pub struct Core<'a> {
    desk: &'a Desk,
    process: Going,
    log: String,
    variables: Vec<(String, String)>,
    pub state: PathBuf,
    pub address: Address,
}

impl<'a> Core<'a> {
    /// One whose services are away.
    pub fn alone(desk: &'a Desk, flags: &[&str]) -> Core<'a> {
        Core::start(desk, &[&["--version", "new"], &AWAY[..], flags].concat())
    }

    /// One on a free port.
    pub fn start(desk: &'a Desk, flags: &[&str]) -> Core<'a> {
        Core::start_at(desk, "127.0.0.1:0", flags)
    }

    pub fn start_at(desk: &'a Desk, listen: &str, flags: &[&str]) -> Core<'a> {
        Core::launch(desk, Vec::new(), &[&["--listen", listen], flags].concat())
    }

    /// One on engines, which it finds by its variables.
    pub fn on(engines: &Engines<'_>, desk: &'a Desk, flags: &[&str]) -> Core<'a> {
        let variables = engines.variables.clone().into_iter().collect();
        Core::launch(desk, variables, &[&["--listen", "127.0.0.1:0"], flags].concat())
    }

    fn launch(desk: &'a Desk, variables: Vec<(String, String)>, flags: &[&str]) -> Core<'a> {
        static CORES: AtomicU32 = AtomicU32::new(0);
        let number = CORES.fetch_add(1, Ordering::SeqCst);
        let (log, state) = (format!("core-{number}.log"), desk.path(&format!("core-{number}.json")));
        let mut command = desk.cutproof(&["core", "serve", "--state", &argument(&state)]);
        command.args(flags).envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdout(File::create(desk.path(&log)).expect("a file of ours"));
        let mut process = Going::start(&mut command);
        expect_soon("the core says where it is", || {
            let ended = process.child().try_wait().expect("a child of ours");
            assert!(ended.is_none(), "the core ended: {ended:?}");
            state.exists()
        });
        let text = std::fs::read_to_string(&state).expect("the state file");
        let told: Value = serde_json::from_str(&text).expect("it is JSON");
        let address = told["address"].as_str().expect("an address").parse().expect("a good one");
        Core { desk, process, log, variables, state, address }
    }

    /// One that trades.
    pub fn ready(self) -> Core<'a> {
        expect_soon("the core is ready", || self.get("/ready").0 == 200);
        self
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    pub fn process(&mut self) -> &mut Going {
        &mut self.process
    }

    pub fn end(self) -> ExitStatus {
        self.process.end()
    }

    /// Status and body.
    #[track_caller]
    pub fn get(&self, target: &str) -> (u16, String) {
        let answer = ask(&self.address, "GET", target, ANSWER).unwrap_or_else(|error| panic!("{error}"));
        (answer.status, answer.body)
    }

    #[track_caller]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status").1).expect("the status is JSON")
    }

    /// A sample of the metrics page; none where the series is not there.
    #[track_caller]
    pub fn sample(&self, series: &str) -> Option<f64> {
        let (code, page) = self.get("/metrics");
        assert_eq!(code, 200);
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap_or_else(|_| panic!("{series} is `{value}`")))
    }

    #[track_caller]
    pub fn value(&self, series: &str) -> f64 {
        self.sample(series).unwrap_or_else(|| panic!("no {series} in {}", self.get("/metrics").1))
    }

    /// Waits until a sample is what it must become.
    #[track_caller]
    pub fn expect(&self, series: &str, holds: impl Fn(f64) -> bool) {
        expect_soon(series, || self.sample(series).is_some_and(&holds));
    }

    /// Waits for so many more orders.
    pub fn more_orders(&self, count: f64) {
        let before = self.value("ctp_orders_total");
        self.expect("ctp_orders_total", |now| now >= before + count);
    }

    pub fn log(&self) -> String {
        self.desk.read(&self.log)
    }

    /// Runs a verb on this core.
    pub fn run(&self, words: &[&str]) -> Ended {
        let mut command = self.desk.cutproof(&[&["core"], words].concat());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("CUTPROOF_ENDPOINT_CORE", format!("http://{}", self.address));
        ended(command)
    }

    pub fn fault(&self, words: &[&str]) {
        self.run(&[&["fault"], words].concat()).with_code(0);
    }

    pub fn clear(&self) {
        assert_eq!(self.run(&["clear"]).with_code(0).stdout, "cleared\n");
    }
}
