//! What a query on ClickHouse gives: its first row's columns, as conditions name them.

use super::client::clickhouse::{Session, agent, unreadable};
use super::client::columns::{self, Answer, Cell};
use super::{BadArgs, Context, Measurement, Probe, ProbeError, Sampled, Sampler};
use crate::model::field::{Field, FieldKind};
use crate::model::time::millis;
use crate::model::{Args, Metric, ServiceKind};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::time::Instant;
use ureq::Agent;

/// The probe `clickhouse_query`.
pub struct ClickhouseQuery;

const FIELDS: &[Field] = &[
    columns::SQL,
    columns::OBSERVES,
    Field::optional("params", FieldKind::Map, "query parameters: `id` is {id:UInt32} in the statement"),
];

impl Probe for ClickhouseQuery {
    fn name(&self) -> &'static str {
        "clickhouse_query"
    }

    fn about(&self) -> &'static str {
        "what a query on ClickHouse gives; the server keeps it from writing"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Clickhouse]
    }

    fn fields(&self) -> &'static [Field] {
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
        let endpoint = context.endpoint(ServiceKind::Clickhouse)?;
        ask(args, context, &Session::new(endpoint, endpoint.database.as_deref())?)
    }

    fn sampler(&self, args: &Args) -> Option<Box<dyn Sampler>> {
        Some(Box::new(Again { args: args.clone(), agent: None }))
    }
}

/// Asks again and again over one connection.
struct Again {
    args: Args,
    agent: Option<Agent>,
}

impl Sampler for Again {
    fn sample(&mut self, context: &Context<'_>) -> Result<Sampled, ProbeError> {
        let endpoint = context.endpoint(ServiceKind::Clickhouse)?;
        let agent = match self.agent.take() {
            Some(agent) => agent,
            None => agent(endpoint)?,
        };
        let session = Session::over(agent.clone(), endpoint, endpoint.database.as_deref());
        let sampled = ask(&self.args, context, &session)?;
        // After an error the next sample has connections of its own.
        self.agent = Some(agent);
        Ok(sampled.into())
    }
}

fn ask(args: &Args, context: &Context<'_>, session: &Session<'_>) -> Result<Measurement, ProbeError> {
    let endpoint = session.endpoint();
    let sql = args.text("sql").unwrap_or_default();
    let began = Instant::now();
    let text = session.read(sql, &args.map("params"), context.remaining())?;
    let elapsed = millis(began.elapsed());
    let answer = answer(&text).map_err(|error| unreadable(endpoint, &error))?;
    let at = format!("ClickHouse at {}", endpoint.address);
    columns::measurement(args, context, &answer, elapsed, &at)
}

#[derive(Deserialize)]
struct Table {
    meta: Vec<Column>,
    data: Rows,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The first row, and how many there are; the others are not kept.
#[derive(Default)]
struct Rows {
    first: Option<Vec<Value>>,
    count: u64,
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Rows, D::Error> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = Rows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of rows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rows, A::Error> {
                let first = list.next_element()?;
                let mut count = u64::from(first.is_some());
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Rows { first, count })
            }
        }
        from.deserialize_seq(Count)
    }
}

/// Reads JSONCompact.
fn answer(text: &str) -> Result<Answer, serde_json::Error> {
    let table: Table = serde_json::from_str(text)?;
    let mut values = table.data.first.map(Vec::into_iter);
    let column = |Column { name, kind }| {
        let value = values.as_mut().map(|values| cell(values.next().unwrap_or(Value::Null), &kind));
        (name, value)
    };
    Ok(Answer { columns: table.meta.into_iter().map(column).collect(), rows: table.data.count })
}

/// A value of a column of this type. Big integers, NaN and infinities may come as texts; the latter also as null.
fn cell(value: Value, kind: &str) -> Cell {
    let inner = kind.trim_start_matches("LowCardinality(").trim_start_matches("Nullable(");
    let numeric = ["Int", "UInt", "Float", "BFloat", "Decimal"].iter().any(|name| inner.starts_with(name));
    match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Bool(value),
        Value::Number(number) => number.as_f64().map_or(Cell::Null, Cell::Number),
        Value::String(text) => match text.parse() {
            Ok(number) if numeric => Cell::Number(number),
            _ => Cell::Text(text),
        },
        other => Cell::Text(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_read_by_their_column_types() {
        let text = r#"{"meta":[{"name":"n","type":"UInt64"},{"name":"x","type":"Nullable(Float64)"},
            {"name":"i","type":"Float64"},{"name":"t","type":"LowCardinality(Nullable(String))"},
            {"name":"b","type":"Bool"},{"name":"a","type":"Array(UInt8)"}],
            "data":[["18446744073709551615",null,"inf","5",true,[1,2]],[1,2,3,"",false,[]]],"rows":2}"#;
        let answer = answer(text).unwrap();
        assert_eq!(answer.rows, 2);
        let cells: Vec<_> = answer.columns.into_iter().map(|(_, cell)| cell.unwrap()).collect();
        assert_eq!(
            cells,
            [
                Cell::Number(18_446_744_073_709_551_615.0),
                Cell::Null,
                Cell::Number(f64::INFINITY),
                Cell::Text("5".into()),
                Cell::Bool(true),
                Cell::Text("[1,2]".into()),
            ]
        );
    }

    #[test]
    fn an_answer_without_rows_has_columns_without_values() {
        let answer = answer(r#"{"meta":[{"name":"n","type":"UInt8"}],"data":[],"rows":0}"#).unwrap();
        assert_eq!((answer.rows, answer.columns), (0, vec![("n".to_owned(), None)]));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = answer(&text);
        }
    }
}
