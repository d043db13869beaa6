//! Pages in headless Chromium: how many rows it sees, that nothing runs, and that nothing is asked for.

use super::{hostile_text, made};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Longer than Chromium takes on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(180);

/// The DOM after whatever the page could do, as Chromium writes it.
fn dom(page: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, out) = (folder.path().join("report.html"), folder.path().join("dom"));
    fs::write(&file, page).expect("the page is written");
    let told = run(folder.path(), &["--virtual-time-budget=2000", "--dump-dom"], &file, &out);
    let dom = fs::read_to_string(&out).expect("the DOM");
    assert!(dom.contains("</html>"), "Chromium gave no DOM: {told}");
    dom
}

/// Runs Chromium on a file, with an empty profile and without any network but what the page asks for.
fn run(folder: &Path, flags: &[&str], file: &Path, out: &Path) -> String {
    let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let errors = folder.join("stderr");
    let mut browser = Command::new(&program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(flags)
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .stdout(File::create(out).expect("a file"))
        .stderr(File::create(&errors).expect("a file"))
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed: apt-get install chromium ({error})"));
    let since = Instant::now();
    loop {
        match browser.try_wait().expect("Chromium's state") {
            Some(_) => return fs::read_to_string(errors).unwrap_or_default(),
            None if since.elapsed() > DEADLINE => {
                browser.kill().ok();
                browser.wait().ok();
                panic!("Chromium did not end within {DEADLINE:?}");
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A server on loopback that has nothing, and takes note of who comes.
struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// It ends with the test's process.
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let server = Server { url, connections: Arc::default(), requests: Arc::default() };
        let (connections, requests) = (Arc::clone(&server.connections), Arc::clone(&server.requests));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                connections.fetch_add(1, Relaxed);
                stream.set_read_timeout(Some(Duration::from_secs(5))).ok();
                if stream.read(&mut [0; 1024]).is_ok_and(|bytes| bytes > 0) {
                    requests.fetch_add(1, Relaxed);
                }
                stream.write_all(b"HTTP/1.1 404 None\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok();
            }
        });
        server
    }

    fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }
}

fn title(dom: &str) -> &str {
    let behind = dom.split_once("<title>").expect("a title").1;
    behind.split_once("</title>").expect("a title").0
}

fn rows(dom: &str) -> usize {
    dom.matches("<tr class=\"gate ").count()
}

#[test]
#[ignore = "needs chromium"]
fn chromium_reads_a_good_run() {
    let made = made::good();
    let dom = dom(&made.html());
    assert_eq!(rows(&dom), made.judgement.gates.len());
    assert_eq!(title(&dom), "GO: single-host-ubuntu");
    assert_eq!(dom.matches("<figure ").count(), 6);
}

#[test]
#[ignore = "needs chromium"]
fn chromium_reads_a_rollback() {
    let made = made::rolled_back();
    let dom = dom(&made.html());
    assert_eq!(rows(&dom), made.judgement.gates.len());
    assert_eq!(title(&dom), "NO-GO: single-host-ubuntu");
    assert!(dom.contains("LONGER than its limit"), "the limit is not told");
    for drawn in ["class=\"gap\"", "class=\"breach\"", "class=\"cross\"", "class=\"limit\""] {
        assert!(dom.contains(drawn), "{drawn} is not drawn");
    }
}

#[test]
#[ignore = "needs chromium"]
fn chromium_runs_and_fetches_nothing_of_a_hostile_run() {
    let server = Server::start();
    let made = made::hostile(10_000, &hostile_text(&server.url));
    let page = made.html();
    let dom = dom(&page);
    assert_eq!(rows(&dom), 10_000);
    assert!(title(&dom).starts_with("NO-GO: &lt;script&gt;"), "{}", title(&dom));
    assert_eq!(server.connections(), 0, "something was asked for");
    for element in ["<script", "<img", "<iframe", "<a "] {
        assert!(!dom.contains(element), "{element}");
    }
}

/// What the tests above look for is found where it is there.
#[test]
#[ignore = "needs chromium"]
fn chromium_would_run_and_fetch_what_is_not_escaped() {
    let server = Server::start();
    let page = format!(
        "<!doctype html><html><head><title>ours</title></head><body>{}</body></html>",
        hostile_text(&server.url).replace("http-equiv=refresh", "name=none")
    );
    let dom = dom(&page);
    assert_eq!(title(&dom), "x");
    assert!(server.requests() > 0, "nothing was asked for");
}

/// Were all of the escaping to fail, the page's own policy would still hold.
#[test]
#[ignore = "needs chromium"]
fn the_policy_holds_where_escaping_does_not() {
    let server = Server::start();
    let text = hostile_text(&server.url).replace("http-equiv=refresh", "name=none");
    let page = made::good().html().replace("<main>", &format!("<main>{text}"));
    assert_eq!(title(&dom(&page)), "GO: single-host-ubuntu");
    // Chromium connects ahead of a frame that it then does not load; nothing is asked for.
    assert_eq!(server.requests(), 0, "something was asked for");
}
