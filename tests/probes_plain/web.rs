//! Servers that do what a script says, on a free port of the loopback.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Web {
    pub url: String,
    /// What was asked: the request's head.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// A server that hands each connection, after its request's head was read, to `answer`; until the test ends.
    pub fn start(answer: impl Fn(&str, TcpStream) + Send + Sync + 'static) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (told, answer) = (Arc::clone(&told), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let head = head(&stream);
                    told.lock().unwrap().push(head.clone());
                    answer(&head, stream);
                });
            }
        });
        Web { url, asked }
    }

    /// A server that always sends these bytes and closes.
    pub fn sends(bytes: impl Into<Vec<u8>>) -> Web {
        let bytes = bytes.into();
        Web::start(move |_, mut stream| drop(stream.write_all(&bytes)))
    }

    /// A server that always answers with this status, content type and body.
    pub fn answers(status: &str, kind: &str, body: &str) -> Web {
        Web::sends(answer(status, kind, body))
    }
}

/// An answer whose length is said.
pub fn answer(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn head(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap_or(0) > 2 {}
    head
}
