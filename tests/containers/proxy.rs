//! A socket between a run and the Docker of this machine, which a test can cut.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub struct Proxy {
    path: PathBuf,
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl Proxy {
    /// Listens there, and hands everything on.
    pub fn start(path: PathBuf) -> Proxy {
        let listener = UnixListener::bind(&path).expect("a socket of ours");
        let open = Arc::new(Mutex::new(Vec::new()));
        let streams = Arc::clone(&open);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = UnixStream::connect(socket()).expect("Docker's socket");
                let mut open = streams.lock().expect("nobody panics with it");
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let ends = |stream: &UnixStream| stream.try_clone().expect("a descriptor");
                    let (from, to) = (ends(from), ends(to));
                    open.push(ends(&from));
                    std::thread::spawn(move || hand_on(from, to, UnixStream::shutdown));
                }
            }
        });
        Proxy { path, open }
    }

    /// What DOCKER_HOST is to be.
    pub fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// What DOCKER_HOST is without a proxy.
    pub fn real() -> String {
        format!("unix://{}", socket().display())
    }

    /// From now on nothing answers.
    pub fn cut(&self) {
        std::fs::remove_file(&self.path).expect("the socket is there");
        for stream in self.open.lock().expect("nobody panics with it").drain(..) {
            // It may be closed already.
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

/// The same Docker at a port of this machine, as jobs on GitLab have theirs: what DOCKER_HOST is to be.
pub fn by_tcp() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of ours");
    let address = listener.local_addr().expect("it has one");
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = UnixStream::connect(socket()).expect("Docker's socket");
            let (from, to) =
                (near.try_clone().expect("a descriptor"), far.try_clone().expect("a descriptor"));
            std::thread::spawn(move || hand_on(from, to, UnixStream::shutdown));
            std::thread::spawn(move || hand_on(far, near, TcpStream::shutdown));
        }
    });
    format!("tcp://{address}")
}

fn hand_on<W: io::Write>(mut from: impl io::Read, mut to: W, end: fn(&W, Shutdown) -> io::Result<()>) {
    // Either end may close at any time.
    io::copy(&mut from, &mut to).ok();
    end(&to, Shutdown::Write).ok();
}

/// Docker's, or the one that DOCKER_HOST names.
pub fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").map_or_else(|| Path::new("/var/run/docker.sock").to_owned(), PathBuf::from)
}
