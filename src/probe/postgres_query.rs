//! What a query on PostgreSQL gives: its first row's columns, as conditions name them.

use super::client::columns::{self, Answer, Cell};
use super::client::postgres::Session;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::Field;
use crate::model::time::millis;
use crate::model::{Args, Metric, ServiceKind, Stamp};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{FromSql, Kind, Type};
use postgres::{Error, Row, Transaction};
use std::time::Instant;

/// The probe `postgres_query`.
pub struct PostgresQuery;

impl Probe for PostgresQuery {
    fn name(&self) -> &'static str {
        "postgres_query"
    }

    fn about(&self) -> &'static str {
        "what a query on PostgreSQL gives, in a read-only transaction"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Postgres]
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[columns::SQL, columns::OBSERVES];
        FIELDS
    }

    fn metrics(&self, args: &Args) -> Vec<Metric> {
        columns::metrics(args)
    }

    fn expect(&self, _args: &Args) -> String {
        "rows > 0".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        columns::check(args)
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let mut session = Session::open(context.endpoint(ServiceKind::Postgres)?, context.deadline)?;
        let sql = args.text("sql").unwrap_or_default();
        let began = Instant::now();
        let answer = session.read(|transaction| answer(transaction, sql))?;
        columns::measurement(args, context, &answer, millis(began.elapsed()), &session.at)
    }
}

/// Runs one statement (the protocol takes no more at a time), keeps the first row and counts the others.
fn answer(transaction: &mut Transaction<'_>, sql: &str) -> Result<Answer, Error> {
    let statement = transaction.prepare(sql)?;
    let none: [&str; 0] = [];
    let mut rows = transaction.query_raw(&statement, none)?;
    let (mut first, mut count) = (None, 0);
    while let Some(row) = rows.next()? {
        first.get_or_insert(row);
        count += 1;
    }
    let columns = statement.columns().iter().enumerate();
    let column = |(index, column): (usize, &postgres::Column)| {
        let cell = first.as_ref().map(|row| cell(row, index)).transpose()?;
        Ok((column.name().to_owned(), cell))
    };
    Ok(Answer { columns: columns.map(column).collect::<Result<_, Error>>()?, rows: count })
}

fn cell(row: &Row, index: usize) -> Result<Cell, Error> {
    Ok(row.try_get::<_, Option<Cell>>(index)?.unwrap_or(Cell::Null))
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Cell, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *kind {
            Type::BOOL => Cell::Bool(FromSql::from_sql(kind, raw)?),
            Type::INT2 => Cell::Number(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => Cell::Number(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => Cell::Number(i64::from_sql(kind, raw)? as f64),
            Type::OID => Cell::Number(u32::from_sql(kind, raw)?.into()),
            Type::FLOAT4 => Cell::Number(f32::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => Cell::Number(f64::from_sql(kind, raw)?),
            Type::NUMERIC => Cell::Number(numeric(raw).ok_or("a numeric that is cut off")?),
            Type::TIMESTAMPTZ => {
                // Microseconds since 2000, which was 946,684,800 s after 1970.
                let millis = i64::from_be_bytes(raw.try_into()?).div_euclid(1_000);
                Cell::Text(Stamp::from_millis(millis.saturating_add(946_684_800_000)).to_string())
            }
            Type::JSON => Cell::Text(String::from_utf8_lossy(raw).into_owned()),
            _ if matches!(kind.kind(), Kind::Enum(_)) || <&str>::accepts(kind) => {
                Cell::Text(String::from_utf8_lossy(raw).into_owned())
            }
            _ => Cell::Other(kind.name().to_owned()),
        })
    }

    fn accepts(_kind: &Type) -> bool {
        true
    }
}

/// A numeric on the wire: number of digits, weight of the first, sign, scale, then digits to the base of 10,000.
fn numeric(raw: &[u8]) -> Option<f64> {
    let word = |index: usize| Some(u16::from_be_bytes([*raw.get(index * 2)?, *raw.get(index * 2 + 1)?]));
    let (count, weight) = (usize::from(word(0)?), i32::from(word(1)? as i16));
    let sign = match word(2)? {
        0x0000 => "",
        0x4000 => "-",
        0xd000 => return Some(f64::INFINITY),
        0xf000 => return Some(f64::NEG_INFINITY),
        _ => return Some(f64::NAN),
    };
    // Written out and parsed, so that the number is the nearest one, as if it had been read from text.
    let mut digits = String::with_capacity(count * 4 + 16);
    for index in 0..count {
        digits.push_str(&format!("{:04}", word(4 + index)?));
    }
    let exponent = (weight + 1 - i32::try_from(count).ok()?) * 4;
    format!("{sign}0{digits}e{exponent}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn a_numeric_is_read_as_its_text_would_be() {
        // 12345.678: digits 1, 2345, 6780.
        assert_eq!(numeric(&wire(&[3, 1, 0, 3, 1, 2345, 6780])), Some(12345.678));
        assert_eq!(numeric(&wire(&[1, 0xffff, 0x4000, 4, 25])), Some(-0.0025));
        assert_eq!(numeric(&wire(&[0, 0, 0, 0])), Some(0.0));
        assert_eq!(numeric(&wire(&[1, 2, 0, 0, 7])), Some(700_000_000.0));
        assert!(numeric(&wire(&[0, 0, 0xc000, 0])).unwrap().is_nan());
        assert_eq!(numeric(&wire(&[2, 0, 0, 0, 1])), None);
    }

    #[test]
    fn types_that_are_not_read_are_named() {
        assert_eq!(Cell::from_sql(&Type::INTERVAL, &[0; 16]).unwrap(), Cell::Other("interval".into()));
        assert_eq!(
            Cell::from_sql(&Type::TIMESTAMPTZ, &[0; 8]).unwrap(),
            Cell::Text("2000-01-01T00:00:00.000Z".into())
        );
        assert_eq!(Cell::from_sql(&Type::TEXT, b"a\xff").unwrap(), Cell::Text("a\u{fffd}".into()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_numeric_or_none(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = numeric(&raw);
        }
    }
}
