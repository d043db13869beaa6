//! What a person sees while a watch goes on: on a terminal one line for each metric, renewed in place, with the time
//! that is left; elsewhere plain lines, few enough for the log of a pipeline. Goes to stderr.
//!
//! A terminal that takes nothing more (Ctrl-S, a dead connection) must not hold up the trigger: lines are printed by a
//! thread of its own, and what it can't keep up with is not shown.

mod board;

use crate::evidence::text::visible;
use crate::model::Event;
use crate::model::event::Sink;
use crate::service::embedded::{Phase, Progress};
use board::Board;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many events may wait to be shown.
const WAITING: usize = 1024;

/// How often the time that is left is renewed.
const RENEW: Duration = Duration::from_millis(500);

/// How long the end waits for the last lines.
const LAST: Duration = Duration::from_secs(1);

/// Shows a watch as it goes on.
pub struct Watching {
    tell: Mutex<Option<SyncSender<Event>>>,
    done: Mutex<Receiver<()>>,
}

impl Watching {
    /// A display on stderr.
    pub fn new() -> Watching {
        let (tell, told) = sync_channel(WAITING);
        let (say_done, done) = sync_channel(1);
        let show = move || {
            Screen::new().show(&told);
            say_done.send(()).ok();
        };
        // Where no thread can be had, nothing is shown; the watch goes on.
        std::thread::Builder::new().name("watch display".into()).spawn(show).ok();
        Watching { tell: Mutex::new(Some(tell)), done: Mutex::new(done) }
    }

    /// Shows what is left to show, for a moment at most.
    pub fn finish(&self) {
        let tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner).take();
        if tell.is_some() {
            drop(tell);
            self.done.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LAST).ok();
        }
    }
}

impl Default for Watching {
    fn default() -> Self {
        Watching::new()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Sink for Watching {
    fn event(&self, event: Event) {
        if let Some(tell) = &*self.tell.lock().unwrap_or_else(PoisonError::into_inner) {
            // Full: the terminal takes nothing.
            tell.try_send(event).ok();
        }
    }
}

/// A watch installs nothing.
impl Progress for Watching {
    fn at(&self, _: Phase, _: u64, _: u64) {}

    fn done(&self, _: Phase, _: Duration) {}

    fn note(&self, _: &str) {}
}

/// The lines themselves, on their thread.
struct Screen {
    board: Option<Board>,
    /// On a terminal: a line for each metric, and the last for the time.
    bars: Option<(MultiProgress, Vec<ProgressBar>)>,
    terminal: bool,
    /// The watch's time at the last sample, and when that was.
    last: Option<(f64, Instant)>,
}

impl Screen {
    fn new() -> Screen {
        Screen { board: None, bars: None, terminal: std::io::stderr().is_terminal(), last: None }
    }

    fn show(mut self, told: &Receiver<Event>) {
        loop {
            match told.recv_timeout(RENEW) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.renew_time();
        }
        self.clear();
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::RunStarted(started) => {
                self.line(&format!("run {}", started.run));
                if let Some(board) = started.watch.as_deref().and_then(|plan| Board::new(plan).ok()) {
                    self.line(&board.begin());
                    self.board = Some(board);
                }
            }
            Event::ServiceReady(ready) => {
                let product = ready.product.map(|product| format!("  {product}")).unwrap_or_default();
                self.line(&format!("  up       {}{product} at {}", ready.service, ready.address));
            }
            Event::ServiceFailed { service, reason, .. } => {
                self.line(&format!("  DOWN     {service}: {}", visible(&reason)));
            }
            Event::Warning { text } => self.line(&format!("warning: {}", visible(&text))),
            Event::WatchSampled(sample) => {
                self.last = Some((sample.at_ms, Instant::now()));
                let lines = self.board.as_mut().map(|board| board.take(&sample)).unwrap_or_default();
                if self.terminal {
                    self.renew();
                } else {
                    lines.iter().for_each(|line| say(line));
                }
            }
            Event::WatchEnded(verdict) => {
                self.clear();
                let reason =
                    if verdict.reason.is_empty() { String::new() } else { format!(": {}", verdict.reason) };
                let seconds = verdict.watched_ms / 1e3;
                self.line(&format!("watch {} after {seconds:.1} s{}", verdict.verdict, visible(&reason)));
            }
            Event::Interrupted { by } => self.line(&format!("interrupted by {by}: putting things in order")),
            _ => {}
        }
    }

    fn renew(&mut self) {
        let Some(board) = &self.board else { return };
        let rows = board.rows();
        let (_, bars) = self.bars.get_or_insert_with(|| begin(rows.len() + 1));
        for (bar, row) in bars.iter().zip(rows) {
            bar.set_message(row);
        }
    }

    fn renew_time(&self) {
        if let (Some(board), Some((_, bars)), Some((at_ms, when))) = (&self.board, &self.bars, self.last)
            && let Some(bar) = bars.last()
        {
            bar.set_message(board.left(at_ms + when.elapsed().as_secs_f64() * 1e3));
        }
    }

    fn clear(&mut self) {
        if let Some((all, bars)) = self.bars.take() {
            bars.iter().for_each(ProgressBar::finish_and_clear);
            all.clear().ok();
        }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            Some((all, _)) => all.suspend(|| say(text)),
            None => say(text),
        }
    }
}

fn begin(lines: usize) -> (MultiProgress, Vec<ProgressBar>) {
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("  {wide_msg}");
    let bar = |_| {
        let bar = all.add(ProgressBar::new_spinner());
        if let Ok(style) = &style {
            bar.set_style(style.clone());
        }
        bar
    };
    let bars = (0..lines).map(bar).collect();
    (all, bars)
}

/// A line on stderr; a closed stderr is no reason to end a watch.
fn say(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").ok();
}
