//! Servers that a test starts: they end with the test, also where it is killed.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A machine that builds something else at the same time is slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with this value. Its output is in a file.
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program; the kernel ends it with the thread that runs the test.
    pub fn start(program: &mut Command, log: &Path) -> Server {
        let file = File::create(log).expect("a file of ours");
        let again = file.try_clone().expect("a descriptor");
        let mut guarded = Command::new("setpriv");
        guarded.args(["--pdeathsig", "KILL", "--"]).arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => guarded.env(name, value),
                None => guarded.env_remove(name),
            };
        }
        if let Some(folder) = program.get_current_dir() {
            guarded.current_dir(folder);
        }
        let child =
            guarded.stdin(Stdio::null()).stdout(file).stderr(again).spawn().expect("setpriv is there");
        Server { child, log: log.to_owned() }
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("its log")).into_owned()
    }

    /// Waits until something is there.
    pub fn until(&mut self, what: &str, mut there: impl FnMut(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !there(&self.log()) {
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(ended.is_none() && Instant::now() < end, "{what} ({ended:?}):\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until something listens at these ports.
    pub fn until_it_listens(&mut self, ports: &[u16]) {
        let listens = |port: &u16| TcpStream::connect(("127.0.0.1", *port)).is_ok();
        self.until(&format!("it listens at {ports:?}"), |_| ports.iter().all(listens));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port of this machine that is free.
pub fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// The folder of the pinned engines.
pub fn engines() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let asked = Command::new(env!("CARGO_BIN_EXE_cutproof")).args(["engines", "install"]).output();
        let asked = asked.expect("cutproof starts");
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim())
    })
}

/// nginx in front of other servers: this text is the `http` part of its configuration.
pub fn nginx(folder: &Path, http: &str, ports: &[u16]) -> Server {
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {};", path(&format!("nginx-{what}"))))
        .join(" ");
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let text = format!(
        "{user} daemon off; master_process off; pid {}; error_log stderr;\nevents {{}}\nhttp {{ access_log off; {temporary}\n{http}\n}}\n",
        path("nginx.pid")
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text).expect("a file of ours");
    let found = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let program = found.expect("these tests need nginx (apt-get install nginx-light)");
    let mut server = Server::start(
        Command::new(program).arg("-c").arg(&file).arg("-p").arg(folder),
        &folder.join("nginx.log"),
    );
    server.until_it_listens(ports);
    server
}
