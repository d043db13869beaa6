//! A server that runs along until the end of a rehearsal. A thread waits for it, so that one that is stopped by a step
//! is reaped at once: scripts wait for a pid to disappear.

use crate::process::{Cancel, Server, Signal};
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long it has to end in order.
const GRACE: Duration = Duration::from_secs(5);

/// No wait is without end; this one begins again.
const LONG: Duration = Duration::from_secs(3600);

/// A server that runs along.
pub struct Held {
    over: Cancel,
    thread: JoinHandle<Result<(), String>>,
}

impl Held {
    /// Takes charge of it.
    ///
    /// # Errors
    /// The system gives no descriptor or thread; the server is ended then.
    pub fn new(mut server: Server) -> io::Result<Held> {
        let over = Cancel::new()?;
        let told = over.clone();
        let thread = std::thread::Builder::new().name("held".to_owned()).spawn(move || {
            while !told.is_cancelled() {
                match server.wait(LONG, Some(&told)) {
                    // What it started may still be there: that is ended at the end, or by a step.
                    Ok(Some(_)) => {
                        told.pause(LONG);
                    }
                    Ok(None) => {}
                    Err(error) => return Err(format!("a background step could not be waited for: {error}")),
                }
            }
            match server.stop(Signal::TERM, GRACE) {
                Ok(stopped) if stopped.survivors > 0 => {
                    Err(format!("{} processes of a background step could not be ended", stopped.survivors))
                }
                Ok(_) => Ok(()),
                Err(error) => Err(format!("a background step could not be ended: {error}")),
            }
        })?;
        Ok(Held { over, thread })
    }

    /// Ends it.
    ///
    /// # Errors
    /// What could not be ended.
    pub fn end(self) -> Result<(), String> {
        self.over.cancel("the rehearsal is over");
        self.thread.join().unwrap_or_else(|_| Err("ending a background step broke off".to_owned()))
    }
}
