//! What SQL is asked over: the records of one trail, and tables that are derived from them as they are read.
//!
//! | table | a row is | columns of its own |
//! |---|---|---|
//! | `records` | any record | those of the archive (`docs/format.md` §6) |
//! | `logins` | a sign-in, sign-out or failure | the same |
//! | `sessions` | a session: a sign-in and its end, recorded or inferred | `user`, `user_id`, `host`, `line`, `service`, `start`, `end`, `end_reason`, `end_confidence`, `duration_s` … |
//! | `users` | a person whom the directory knows now | `user_uid`, `user_name`, `user_full_name`, `user_email_addr`, `attributes`, `known_from`, `since`, `position` |
//! | `user_history` | what a directory said of a person, for a time | `id`, `user_uid` …, `attributes`, `source`, `valid_from`, `valid_to`, `recorded_at`, `position` |
//! | `coverage` | one pass over a source | `source`, `format`, `file`, `complete`, counts, the times it was from and to |
//! | `access` | somebody looked or changed something | who, `action`, `interface`, `query`, its range, `rows`, `detail` |
//!
//! `json_text(json, name)` gives the text of a member of an object, for `unmapped`, `body` and `attributes`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, TimeUnit},
};
use datafusion::{
    common::{Result, exec_err},
    dataframe::DataFrame,
    datasource::MemTable,
    functions_window::expr_fn::lead,
    logical_expr::{
        ColumnarValue, Expr, ExprFunctionExt, ScalarUDF, Volatility, col, create_udf, lit, try_cast,
    },
    prelude::SessionContext,
};
use serde_json::Value;
use whowas_event::Time;
use whowas_store::{Directory, Person, Snapshot, Trail};

use crate::{
    kept::{Index, View},
    session_table,
    table::TrailTable,
};

/// Gives a context the tables of a trail as it is now.
///
/// Sessions are given where a statement may ask for them: bringing them up to date may take a while.
pub(crate) fn register(
    context: &SessionContext,
    trail: &Trail,
    snapshot: Arc<Snapshot>,
    kept: Option<(Arc<Index>, Arc<View>)>,
    now: Time,
) -> Result<()> {
    let json = json_text();
    context.register_udf(json.clone());
    let users = users(&snapshot.directory)?;
    context.register_table("users", Arc::new(MemTable::try_new(users.schema(), vec![vec![users]])?))?;
    let table = Arc::new(TrailTable::new(trail, snapshot));
    context.register_table("records", table.clone())?;
    let of_kind = |kind: &str| context.read_table(table.clone())?.filter(col("kind").eq(lit(kind)));
    context.register_table("logins", of_kind("login")?.into_view())?;
    if let Some(kept) = kept {
        let sessions = session_table::sessions(context, kept, now, of_kind("login")?, &json)?;
        context.register_table("sessions", sessions.into_view())?;
    }
    context.register_table("user_history", user_history(of_kind("identity")?)?.into_view())?;
    context.register_table("coverage", coverage(of_kind("coverage")?, &json)?.into_view())?;
    context.register_table("access", access(of_kind("access")?, &json)?.into_view())?;
    Ok(())
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Members of a JSON column, as columns of their names and types.
fn members(json: &ScalarUDF, column: &str, names: &[(&str, &str, DataType)]) -> Vec<Expr> {
    let member = |(member, name, kind): &(&str, &str, DataType)| {
        let text = json.call(vec![col(column), lit(*member)]);
        let value = if *kind == DataType::Utf8 { text } else { try_cast(text, kind.clone()) };
        value.alias(*name)
    };
    names.iter().map(member).collect()
}

fn coverage(records: DataFrame, json: &ScalarUDF) -> Result<DataFrame> {
    let text = || DataType::Utf8;
    let mut columns = vec![col("position"), col("received_at")];
    columns.extend(members(json, "body", &[("source", "source", text()), ("format", "format", text())]));
    columns.extend(members(json, "unmapped", &[("file", "file", text())]));
    columns.extend(members(
        json,
        "body",
        &[
            ("complete", "complete", DataType::Boolean),
            ("read", "read", DataType::Int64),
            ("recorded", "recorded", DataType::Int64),
            ("duplicate", "duplicate", DataType::Int64),
            ("revised", "revised", DataType::Int64),
            ("rejected", "rejected", DataType::Int64),
            ("first_occurred_at", "first_occurred_at", instant()),
            ("last_occurred_at", "last_occurred_at", instant()),
        ],
    ));
    records.select(columns)
}

fn access(records: DataFrame, json: &ScalarUDF) -> Result<DataFrame> {
    let text = || DataType::Utf8;
    let mut columns = vec![col("position"), col("occurred_at"), col("user_name"), col("src_ip")];
    columns.extend(members(
        json,
        "body",
        &[
            ("action", "action", text()),
            ("interface", "interface", text()),
            ("query", "query", text()),
            ("from", "range_from", instant()),
            ("to", "range_to", instant()),
            ("rows", "rows", DataType::Int64),
        ],
    ));
    columns.extend([col("body"), col("unmapped").alias("detail")]);
    records.select(columns)
}

/// Each entry of a directory with the time for which it was the last word about its id.
fn user_history(records: DataFrame) -> Result<DataFrame> {
    let next = lead(col("occurred_at"), Some(1), None)
        .partition_by(vec![col("native_id")])
        .order_by(vec![col("occurred_at").sort(true, false), col("position").sort(true, false)])
        .build()?;
    let mut columns: Vec<Expr> = vec![col("native_id").alias("id")];
    columns.extend(["user_uid", "user_name", "user_full_name", "user_email_addr"].map(col));
    columns.extend([col("unmapped").alias("attributes"), col("source")]);
    columns.extend([col("occurred_at").alias("valid_from"), next.alias("valid_to")]);
    columns.extend([col("recorded_at"), col("position")]);
    records.filter(col("user_key").not_eq(lit("")))?.select(columns)
}

/// Everyone, by name.
fn users(directory: &Directory) -> Result<RecordBatch> {
    let mut people: Vec<&Person> = directory.iter().collect();
    people.sort_by(|a, b| (&a.full_name, &a.name, &a.id).cmp(&(&b.full_name, &b.name, &b.id)));
    let texts = |text: fn(&Person) -> Option<&str>| -> ArrayRef {
        Arc::new(people.iter().map(|person| text(person)).collect::<StringArray>())
    };
    let since: TimestampMicrosecondArray =
        people.iter().map(|person| person.since.map(|time| time.as_ms() * 1000)).collect();
    let positions: Int64Array = people.iter().map(|person| i64::try_from(person.position).ok()).collect();
    let columns: [(&str, ArrayRef); 8] = [
        ("user_uid", texts(|person| person.uid.as_deref())),
        ("user_name", texts(|person| person.name.as_deref())),
        ("user_full_name", texts(|person| person.full_name.as_deref())),
        ("user_email_addr", texts(|person| person.email_addr.as_deref())),
        ("attributes", texts(|person| person.attributes.as_deref())),
        ("known_from", texts(|person| Some(if person.is_observed { "sign-in" } else { "directory" }))),
        ("since", Arc::new(since.with_timezone("UTC"))),
        ("position", Arc::new(positions)),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))?)
}

/// `json_text(json, name)`: a member's text, or its JSON if it is no text; null if there is none.
fn json_text() -> ScalarUDF {
    create_udf(
        "json_text",
        vec![DataType::Utf8, DataType::Utf8],
        DataType::Utf8,
        Volatility::Immutable,
        Arc::new(|arguments: &[ColumnarValue]| {
            let arrays = ColumnarValue::values_to_arrays(arguments)?;
            let texts: Vec<&StringArray> = arrays.iter().filter_map(|array| array.as_string_opt()).collect();
            let [json, names] = texts[..] else { return exec_err!("json_text takes two texts") };
            let found = json.iter().zip(names).map(|(json, name)| member(json?, name?));
            Ok(ColumnarValue::Array(Arc::new(found.collect::<StringArray>())))
        }),
    )
}

fn member(json: &str, name: &str) -> Option<String> {
    match serde_json::from_str::<Value>(json).ok()?.get_mut(name)?.take() {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_texts() {
        let json = r#"{"a":"x","b":7,"c":null,"d":{"e":[1]}}"#;
        let found = ["a", "b", "c", "d", "f"].map(|name| member(json, name).unwrap_or_default());
        assert_eq!(found, ["x", "7", "", "{\"e\":[1]}", ""]);
        assert_eq!(member("no JSON", "a"), None);
    }
}
