//! Whether Redis answers, how fast, and as what.

use super::client::redis::{Session, failure};
use super::{Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::time::millis;
use crate::model::units::Unit;
use crate::model::{Args, Metric, Observation, Reading, ServiceKind};
use redis::{ErrorKind, ServerErrorKind, cmd};
use std::time::Instant;

/// The probe `redis_ping`.
pub struct RedisPing;

impl Probe for RedisPing {
    fn name(&self) -> &'static str {
        "redis_ping"
    }

    fn about(&self) -> &'static str {
        "Redis answers PING: how fast, as master or replica, and whether it is still loading its data"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Redis]
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[Field::with_default(
            "samples",
            FieldKind::Integer { min: 1, max: 10_000 },
            "20",
            "how many PINGs are sent, one after the other",
        )];
        FIELDS
    }

    fn metrics(&self, _args: &Args) -> Vec<Metric> {
        vec![
            Metric::number(
                "latency_ms",
                Unit::Millisecond,
                "99th percentile (nearest rank) of the PINGs' round trips: of fewer than 100, the slowest",
            ),
            Metric::text("role", "`master` or `slave`, as Redis says it"),
            Metric::bool("loading", "whether it is still loading its data"),
        ]
    }

    fn expect(&self, _args: &Args) -> String {
        "role == \"master\" and loading == false".to_owned()
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let mut session = Session::open(context.endpoint(ServiceKind::Redis)?, context.deadline)?;
        let mut facts = Args::default();
        let info = match session.attempt::<String>(&cmd("INFO")) {
            Ok(info) => info,
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {
                facts.set("info", failure(&error, &session.at).0);
                String::new()
            }
            Err(error) => return Err(failure(&error, &session.at)),
        };
        let said = |name: &str| said(&info, name);
        for (fact, name) in [("version", "redis_version"), ("run_id", "run_id")] {
            if let Some(value) = said(name) {
                facts.set(fact, value);
            }
        }
        let loading = said("loading").map(|flag| flag != "0");
        let samples = args.integer("samples").unwrap_or(20);
        let mut trips = if loading == Some(true) { Vec::new() } else { ping(&mut session, samples)? };
        let latency =
            percentile(&mut trips, 99).map_or(Reading::Missing, |ms| Reading::number(ms, Unit::Millisecond));
        let latency = Observation {
            samples: trips.len() as u64,
            ..context.observed("latency_ms", latency, &session.at)
        };
        let role = said("role").map_or(Reading::Missing, Reading::text);
        let loading = loading.map_or(Reading::Missing, Reading::bool);
        let observations = vec![
            latency,
            context.observed("role", role, &session.at),
            context.observed("loading", loading, &session.at),
        ];
        Ok(Measurement { observations, facts, ..Measurement::default() })
    }
}

/// The value of a line `name:value`.
fn said<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Round trips in ms.
fn ping(session: &mut Session, samples: i64) -> Result<Vec<f64>, ProbeError> {
    let mut trips = Vec::new();
    for _ in 0..samples {
        let began = Instant::now();
        let answer: String = session.ask(&cmd("PING"))?;
        trips.push(millis(began.elapsed()));
        if answer != "PONG" {
            let seen: String = answer.chars().take(60).collect();
            return Err(ProbeError(format!("{}: expected PONG, seen `{seen}`: is this Redis?", session.at)));
        }
    }
    Ok(trips)
}

/// The smallest value that at least `percent` of all values don't exceed (nearest rank); sorts them.
pub(super) fn percentile(values: &mut [f64], percent: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_the_nearest_rank() {
        assert_eq!(percentile(&mut [], 99), None);
        assert_eq!(percentile(&mut [3.0, 1.0, 2.0], 99), Some(3.0));
        let mut hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&mut hundred, 99), Some(99.0));
        assert_eq!(percentile(&mut hundred, 50), Some(50.0));
    }

    #[test]
    fn a_line_of_info_is_found_by_its_whole_name() {
        let info = "# Server\r\nredis_version:7.2.4\r\nasync_loading:1\r\nloading:0\r\n";
        assert_eq!(said(info, "redis_version"), Some("7.2.4"));
        assert_eq!(said(info, "loading"), Some("0"));
        assert_eq!(said(info, "version"), None);
    }
}
