//! One attempt of a gate: the probe measures on a thread of its own, the condition judges.
//!
//! A probe keeps its deadline itself. Where one does not (a native library that never returns), its thread is left
//! behind after a grace period, so that no gate can hang a run; what it still does is no longer heard.

use super::{Settings, ended};
use crate::condition::Truth;
use crate::model::event::{GateEnded, PlannedStep, Sink, StepEnded, StepStarted, StepStatus};
use crate::model::redact::Redactor;
use crate::model::time::millis;
use crate::model::{Endpoint, Event, GateId, Reading, Verdict};
use crate::plan::PlannedGate;
use crate::probe::{Context, Measurement, Probe, ProbeError, Steps};
use crate::process::Cancel;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How much later than its deadline a probe may answer, and still be heard: a command that does not end has 1 s to
/// do so in order and is then killed, within 2 s.
const GRACE: Duration = Duration::from_secs(4);

/// How often a wait for an answer looks whether the run was cancelled.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Measures once and judges.
pub(super) fn run(settings: &Settings, planned: &PlannedGate, endpoints: &[(String, Endpoint)]) -> GateEnded {
    let failed = Arc::default();
    match measure(settings, planned, endpoints, &failed) {
        Ok(measurement) => {
            let ended = judge(planned, measurement);
            let failed = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
            match failed {
                // That the step failed is why; the condition only says that one did.
                Some(why) if ended.verdict == Verdict::Failed => {
                    redacted(GateEnded { reason: why, ..ended }, &settings.redactor)
                }
                _ => redacted(ended, &settings.redactor),
            }
        }
        Err(error) => {
            let reason = match settings.cancel.why() {
                Some(by) => format!("interrupted by {by}: {error}"),
                None => error.0,
            };
            let reason = settings.redactor.text(&reason).into_owned();
            ended(&planned.gate.id, Verdict::Error, reason)
        }
    }
}

/// What services and commands said may hold secrets, whatever a probe did about them; it is judged as it was, and
/// told without them.
fn redacted(mut ended: GateEnded, redactor: &Redactor) -> GateEnded {
    let mask = |text: &mut String| {
        if let Cow::Owned(masked) = redactor.text(text) {
            *text = masked;
        }
    };
    mask(&mut ended.reason);
    mask(&mut ended.excerpt);
    for observation in &mut ended.observations {
        if let Reading::Text { value } = &mut observation.reading {
            mask(value);
        }
    }
    ended.facts.each_text(&mask);
    ended
}

fn judge(planned: &PlannedGate, measurement: Measurement) -> GateEnded {
    let (verdict, reason) = match planned.condition.judge(&measurement.observations) {
        Ok(seen) => match seen.truth {
            Truth::True => (Verdict::Passed, String::new()),
            Truth::False => (Verdict::Failed, seen.to_string()),
            Truth::Unknown => (Verdict::Inconclusive, seen.to_string()),
        },
        Err(error) => (Verdict::Error, error.to_string()),
    };
    GateEnded {
        observations: measurement.observations,
        facts: measurement.facts,
        excerpt: measurement.excerpt,
        ..ended(&planned.gate.id, verdict, reason)
    }
}

fn measure(
    settings: &Settings,
    planned: &PlannedGate,
    endpoints: &[(String, Endpoint)],
    failed: &Arc<Mutex<Option<String>>>,
) -> Result<Measurement, ProbeError> {
    let timeout = planned.gate.timeout;
    let deadline = Instant::now() + timeout;
    let heard = Arc::new(AtomicBool::new(true));
    let steps = Told {
        gate: planned.gate.id.clone(),
        sink: Arc::clone(&settings.sink),
        heard: Arc::clone(&heard),
        number: AtomicU32::new(0),
        failed: Arc::clone(failed),
        redactor: Arc::clone(&settings.redactor),
    };
    let probe = planned.probe;
    if probe.ends_by_itself() {
        let measure = || probe.measure(&planned.gate.with, &context(settings, endpoints, deadline, &steps));
        // What a panic leaves behind is this attempt's own.
        return std::panic::catch_unwind(AssertUnwindSafe(measure))
            .unwrap_or_else(|payload| Err(broke_off(probe, &panic_text(payload))));
    }
    let (answer, answers) = mpsc::sync_channel(1);
    let cancel = settings.cancel.clone();
    let (args, endpoints, settings) = (planned.gate.with.clone(), endpoints.to_vec(), settings.clone());
    let thread = std::thread::Builder::new().name(format!("gate {}", planned.gate.id)).spawn(move || {
        let found = probe.measure(&args, &context(&settings, &endpoints, deadline, &steps));
        // The receiver is gone only where this thread was left behind, and then nobody is to be told.
        answer.send(found).ok();
    });
    let thread = thread.map_err(|error| {
        ProbeError(format!("expected to start a thread for the measurement, and the system said: {error}"))
    })?;
    match listen(&answers, deadline + GRACE, &cancel) {
        Ok(found) => found,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            heard.store(false, Ordering::SeqCst);
            let seconds = timeout.as_secs_f64();
            Err(ProbeError(format!(
                "expected an answer within {seconds} s, and `{}` gave none",
                probe.name()
            )))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let why = thread.join().err().map(panic_text).unwrap_or_default();
            Err(broke_off(probe, &why))
        }
    }
}

fn context<'a>(
    settings: &'a Settings,
    endpoints: &'a [(String, Endpoint)],
    deadline: Instant,
    steps: &'a Told,
) -> Context<'a> {
    Context {
        endpoints,
        deadline,
        cancel: &settings.cancel,
        clock: settings.clock,
        run: &settings.run,
        redactor: &settings.redactor,
        steps,
        worker: settings.worker,
    }
}

fn broke_off(probe: &dyn Probe, why: &str) -> ProbeError {
    ProbeError(format!("the probe `{}` broke off, which is a fault in cutproof: {why}", probe.name()))
}

/// Waits for the answer until `last`, or until the grace period after the run was cancelled.
fn listen<T>(
    answers: &mpsc::Receiver<T>,
    mut last: Instant,
    cancel: &Cancel,
) -> Result<T, mpsc::RecvTimeoutError> {
    let mut cancelled = false;
    loop {
        if !cancelled && cancel.is_cancelled() {
            cancelled = true;
            last = last.min(Instant::now() + GRACE);
        }
        let left = last.saturating_duration_since(Instant::now());
        match answers.recv_timeout(left.min(LOOK_UP)) {
            Err(mpsc::RecvTimeoutError::Timeout) if !left.is_zero() => {}
            heard => return heard,
        }
    }
}

fn panic_text(payload: Box<dyn std::any::Any + Send>) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it gave no reason").to_owned()
}

/// Tells steps to the sink, as long as the attempt is heard.
struct Told {
    gate: GateId,
    sink: Arc<dyn Sink + Send + Sync>,
    heard: Arc<AtomicBool>,
    number: AtomicU32,
    /// The first step that failed, and why.
    failed: Arc<Mutex<Option<String>>>,
    redactor: Arc<Redactor>,
}

impl Told {
    fn event(&self, event: Event) -> Result<(), String> {
        if !self.heard.load(Ordering::SeqCst) {
            return Err("the gate's deadline has passed".to_owned());
        }
        self.sink.event(event);
        Ok(())
    }
}

impl Steps for Told {
    fn step(
        &self,
        planned: &PlannedStep,
        work: &mut dyn FnMut() -> Result<String, String>,
    ) -> Result<String, String> {
        let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
        let (gate, name) = (self.gate.clone(), planned.name.clone());
        self.event(Event::StepStarted(StepStarted { gate: gate.clone(), number, name: name.clone() }))?;
        let began = Instant::now();
        let result = work();
        let (status, detail) = match &result {
            Ok(detail) => (StepStatus::Ok, detail.clone()),
            Err(error) => {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert_with(|| format!("{name}: {error}"));
                (StepStatus::Failed, error.clone())
            }
        };
        self.event(Event::StepEnded(StepEnded {
            gate,
            number,
            name,
            status,
            duration_ms: millis(began.elapsed()),
            command: planned.command.clone(),
            detail: self.redactor.text(&detail).into_owned(),
        }))?;
        result
    }
}
