//! What one file claims, with the line of each value. Reading judges nothing: what is absent or malformed is `None`
//! here, and `form` says so. It walks the entries once and copies none of them: archives hold a great many.

use super::Level;
use super::finding::{Place, Which};
use super::form::{self, Places};
use super::value::{self, Status};
use crate::evidence::{Entry, Env};
use std::cmp::Ordering;
use std::time::Duration;

/// A value that has its form, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'e, T> {
    pub entry: &'e Entry<'e>,
    pub value: T,
}

/// A part of a step that is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Name,
    Status,
    Duration,
    ExitCode,
    Command,
}

/// How keys end that say them, in the same order.
const PARTS: [&str; 5] = ["NAME", "STATUS", "DURATION_MS", "EXIT_CODE", "COMMAND"];

/// A step of the file.
#[derive(Debug, Clone)]
pub(super) struct Step<'e> {
    pub number: u64,
    /// Its entries in the order of [`PARTS`].
    parts: [Option<&'e Entry<'e>>; PARTS.len()],
    pub name: Option<Field<'e, &'e str>>,
    pub status: Option<Field<'e, Status>>,
    pub duration: Option<Field<'e, Duration>>,
    pub exit_code: Option<Field<'e, i64>>,
}

/// What a file says.
#[derive(Debug)]
pub(super) struct Claim<'e> {
    pub which: Which,
    /// The file's own keys, in the order of [`form::keys`].
    own: [Option<&'e Entry<'e>>; form::MOST_KEYS],
    /// `CUTPROOF_PROJECTION`.
    pub projection: Option<&'e Entry<'e>>,
    run_id: Option<&'e Entry<'e>>,
    /// `CUTPROOF_STARTED_UTC` and `CUTPROOF_COMPLETED_UTC`.
    run_times: [Option<&'e Entry<'e>>; 2],
    /// `CUTPROOF_PARTIAL`.
    pub partial: Option<Field<'e, bool>>,
    pub dry_run: Option<Field<'e, bool>>,
    pub success: Option<Field<'e, bool>>,
    /// Whether a rollback was triggered: both files of a cutover say it.
    pub triggered: Option<Field<'e, bool>>,
    pub total_steps: Option<Field<'e, u64>>,
    pub failed_step: Option<&'e Entry<'e>>,
    pub duration: Option<Field<'e, Duration>>,
    /// Seconds since 1970.
    pub started: Option<Field<'e, i64>>,
    pub completed: Option<Field<'e, i64>>,
    /// Of a rollback only.
    pub slo_met: Option<Field<'e, bool>>,
    pub max_seconds: Option<Field<'e, Duration>>,
    /// By their numbers.
    pub steps: Vec<Step<'e>>,
    /// Keys of steps whose number is 0 or is written in no usual way.
    pub odd_steps: Vec<&'e Entry<'e>>,
}

impl<'e> Claim<'e> {
    pub fn read(which: Which, env: &'e Env<'e>, level: Level) -> Claim<'e> {
        let Found { own, cutproof, steps, odd_steps } = Found::in_entries(which, env);
        let places = Places::of(which);
        let entry = |place: Option<usize>| own[place?];
        let boolean = |text: &str| value::boolean(text, level);
        let seconds = |text: &str| value::seconds(text, level);
        let time = |place: Option<usize>, of_cutproof: Cutproof| match which.has_times() {
            true => entry(place),
            false => cutproof[of_cutproof as usize],
        };
        Claim {
            which,
            own,
            projection: cutproof[Cutproof::Projection as usize],
            run_id: cutproof[Cutproof::RunId as usize],
            run_times: [cutproof[Cutproof::Started as usize], cutproof[Cutproof::Completed as usize]],
            partial: field(cutproof[Cutproof::Partial as usize], boolean),
            dry_run: field(entry(places.dry_run), |text| value::flag(text, level)),
            success: field(entry(places.success), boolean),
            triggered: field(entry(places.triggered), boolean),
            total_steps: field(entry(places.total_steps), |text| value::whole(text, level)),
            failed_step: entry(places.failed_step),
            duration: field(entry(places.duration), seconds),
            started: field(time(places.started, Cutproof::Started), value::moment),
            completed: field(time(places.completed, Cutproof::Completed), value::moment),
            slo_met: field(entry(places.slo_met), boolean),
            max_seconds: field(entry(places.max_seconds), seconds),
            steps: with_values(steps, level),
            odd_steps,
        }
    }

    /// One of the file's own keys: `SUCCESS` for `CUTOVER_SUCCESS`.
    pub fn entry(&self, name: &str) -> Option<&'e Entry<'e>> {
        self.own[form::place_of(self.which, name)?]
    }

    /// The same by its place in [`form::keys`].
    pub fn own(&self, place: usize) -> Option<&'e Entry<'e>> {
        self.own[place]
    }

    /// The full name of one of the file's own keys.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.which.prefix())
    }

    /// Where an entry stands.
    pub fn at(&self, entry: &Entry<'_>) -> Place {
        Place::of(self.which, entry)
    }

    /// Where one of the file's own keys stands, if it does.
    pub fn at_key(&self, name: &str) -> Place {
        match self.entry(name) {
            Some(entry) => self.at(entry),
            None => Place::nowhere(self.which, self.key(name)),
        }
    }

    pub fn succeeded(&self) -> Option<bool> {
        self.success.map(|field| field.value)
    }

    pub fn was_triggered(&self) -> Option<bool> {
        self.triggered.map(|field| field.value)
    }

    pub fn is_dry_run(&self) -> Option<bool> {
        self.dry_run.map(|field| field.value)
    }

    /// FAILED_STEP; `None` where the key is not there.
    pub fn failed_step(&self) -> Option<&'e str> {
        self.failed_step.map(|entry| &*entry.value)
    }

    /// The run id, where the file has one.
    pub fn run_id(&self) -> Option<&'e Entry<'e>> {
        self.run_id.filter(|entry| !entry.value.is_empty())
    }

    /// When the run began and ended, as cutproof says: each as far as it is there.
    pub fn run_times(&self) -> [Option<&'e Entry<'e>>; 2] {
        self.run_times
    }

    /// Whether cutproof says that it wrote the file: then it has all that cutproof writes.
    pub fn is_of_cutproof(&self) -> bool {
        self.projection.is_some()
    }

    /// What is written while a run is going on, and is left when it is killed.
    pub fn is_unfinished(&self) -> bool {
        let no_end = self.entry("COMPLETED_UTC").is_some_and(|entry| entry.value.is_empty());
        no_end && self.succeeded() == Some(false)
    }

    /// The steps whose status is so.
    pub fn with_status(&self, status: Status) -> impl Iterator<Item = Field<'e, Status>> {
        self.steps.iter().filter_map(|step| step.status).filter(move |field| field.value == status)
    }

    /// The names of the steps, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = Field<'e, &'e str>> {
        self.steps.iter().filter_map(|step| step.name)
    }

    /// How long the steps took together.
    pub fn steps_duration(&self) -> Duration {
        let durations = self.steps.iter().filter_map(|step| step.duration);
        durations.fold(Duration::ZERO, |sum, one| sum.saturating_add(one.value))
    }
}

impl<'e> Step<'e> {
    fn new(number: u64) -> Step<'e> {
        Step { number, parts: [None; PARTS.len()], name: None, status: None, duration: None, exit_code: None }
    }

    /// The entry that says this.
    pub fn part(&self, part: Part) -> Option<&'e Entry<'e>> {
        self.parts[part as usize]
    }

    /// Whether there is a value of this that has its form.
    pub fn has(&self, part: Part) -> bool {
        match part {
            Part::Name => self.name.is_some(),
            Part::Status => self.status.is_some(),
            Part::Duration => self.duration.is_some(),
            Part::ExitCode => self.exit_code.is_some(),
            Part::Command => self.part(part).is_some(),
        }
    }

    /// Takes over what another piece of the same step has, which stands behind this one in the file.
    fn merge(&mut self, later: &Step<'e>) {
        for (part, later) in self.parts.iter_mut().zip(later.parts) {
            *part = later.or(*part);
        }
    }
}

/// The keys of cutproof that are judged.
#[derive(Debug, Clone, Copy)]
enum Cutproof {
    Projection,
    RunId,
    Partial,
    Started,
    Completed,
}

impl Cutproof {
    const COUNT: usize = 5;

    fn of(name: &str) -> Option<Cutproof> {
        match name {
            "PROJECTION" => Some(Cutproof::Projection),
            "RUN_ID" => Some(Cutproof::RunId),
            "PARTIAL" => Some(Cutproof::Partial),
            "STARTED_UTC" => Some(Cutproof::Started),
            "COMPLETED_UTC" => Some(Cutproof::Completed),
            _ => None,
        }
    }
}

/// Whether a key of a file says something that is judged.
pub(super) fn is_judged(which: Which, key: &str) -> bool {
    let of_step = key.strip_prefix("STEP_").map(|rest| !matches!(Numbered::of(rest), Numbered::Not));
    let own = || Some(form::place_of(which, key.strip_prefix(which.prefix())?).is_some());
    let of_cutproof = || Some(Cutproof::of(key.strip_prefix("CUTPROOF_")?).is_some());
    of_step.or_else(own).or_else(of_cutproof).unwrap_or(false)
}

/// The entries of a file, sorted by what they are; the last of keys that are there again.
struct Found<'e> {
    own: [Option<&'e Entry<'e>>; form::MOST_KEYS],
    cutproof: [Option<&'e Entry<'e>>; Cutproof::COUNT],
    steps: Vec<Step<'e>>,
    odd_steps: Vec<&'e Entry<'e>>,
}

impl<'e> Found<'e> {
    fn in_entries(which: Which, env: &'e Env<'e>) -> Found<'e> {
        let mut found = Found {
            own: [None; form::MOST_KEYS],
            cutproof: [None; Cutproof::COUNT],
            steps: Vec::with_capacity(16),
            odd_steps: Vec::new(),
        };
        let mut late = Vec::new();
        let mut next = 0;
        for entry in env.entries() {
            if let Some(rest) = entry.key.strip_prefix("STEP_") {
                found.take_step(rest, entry, &mut late);
            } else if let Some(name) = entry.key.strip_prefix(which.prefix()) {
                if let Some(place) = form::place_from(which, name, next) {
                    found.own[place] = Some(entry);
                    next = place + 1;
                }
            } else if let Some(key) = entry.key.strip_prefix("CUTPROOF_").and_then(Cutproof::of) {
                found.cutproof[key as usize] = Some(entry);
            }
        }
        found.sort_in(late);
        found
    }

    /// `12_NAME` is the name of step 12. What else a step may have is only counted as there.
    fn take_step(&mut self, rest: &str, entry: &'e Entry<'e>, late: &mut Vec<Step<'e>>) {
        match Numbered::of(rest) {
            Numbered::Step(number, part) => {
                let step = self.step(number, late);
                if let Some(part) = PARTS.iter().position(|known| *known == part) {
                    step.parts[part] = Some(entry);
                }
            }
            Numbered::Oddly => self.odd_steps.push(entry),
            Numbered::Not => {}
        }
    }

    /// The step of this number, so far. One that comes out of order is put among the others at the end.
    fn step<'f>(&'f mut self, number: u64, late: &'f mut Vec<Step<'e>>) -> &'f mut Step<'e> {
        let last = self.steps.last().map_or(0, |step| step.number);
        let known = match number.cmp(&last) {
            Ordering::Equal => Some(self.steps.len().saturating_sub(1)),
            Ordering::Greater => None,
            Ordering::Less => self.steps.binary_search_by_key(&number, |step| step.number).ok(),
        };
        let to = if number < last && known.is_none() { late } else { &mut self.steps };
        let at = known.unwrap_or(to.len());
        if at == to.len() {
            to.push(Step::new(number));
        }
        &mut to[at]
    }

    fn sort_in(&mut self, late: Vec<Step<'e>>) {
        if late.is_empty() {
            return;
        }
        self.steps.extend(late);
        // Stable: pieces of a step stay in the order of the file.
        self.steps.sort_by_key(|step| step.number);
        self.steps.dedup_by(|later, step| {
            let same = later.number == step.number;
            if same {
                step.merge(later);
            }
            same
        });
    }
}

/// How a step's key is numbered.
enum Numbered<'k> {
    /// As 1, 2, 3, with the part behind it.
    Step(u64, &'k str),
    /// 0, with a leading zero or a sign, too large, in other digits.
    Oddly,
    /// It is no step's key.
    Not,
}

impl Numbered<'_> {
    /// Of what stands behind `STEP_`.
    fn of(rest: &str) -> Numbered<'_> {
        let end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(end);
        let number = value::whole(digits, Level::Strict).filter(|number| *number > 0);
        match (number, behind.strip_prefix('_')) {
            (Some(number), Some(part)) => Numbered::Step(number, part),
            (None, Some(_)) if !digits.is_empty() => Numbered::Oddly,
            // Whatever stands there in place of a number, this says something of a step to somebody.
            _ if PARTS.iter().any(|part| rest.strip_suffix(part).is_some_and(|head| head.ends_with('_'))) => {
                Numbered::Oddly
            }
            _ => Numbered::Not,
        }
    }
}

fn with_values(mut steps: Vec<Step<'_>>, level: Level) -> Vec<Step<'_>> {
    for step in &mut steps {
        let [name, status, duration, exit_code, _] = step.parts;
        step.name = field(name, |text| Some(text).filter(|text| !text.is_empty()));
        step.status = field(status, Status::parse);
        step.duration = field(duration, |text| value::millis(text, level));
        step.exit_code = field(exit_code, |text| value::exit_code(text, level));
    }
    steps
}

fn field<'e, T>(entry: Option<&'e Entry<'e>>, parse: impl Fn(&'e str) -> Option<T>) -> Option<Field<'e, T>> {
    let entry = entry?;
    parse(&entry.value).map(|value| Field { entry, value })
}
