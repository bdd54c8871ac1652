//! A person through time: what directories said of them, from when to when.
//!
//! Derived from the `identity` records each time it is asked; nothing of it is kept. As of an earlier size of the tree it
//! is what it was then, because later records are not looked at.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use datafusion::logical_expr::{col, lit};
use serde::Serialize;
use serde_json::Value;
use whowas_event::Time;
use whowas_store::{StoreError, Trail};

use crate::{
    AsOf, Engine, QueryError,
    kept::Records,
    newest::{fetch, newest},
};

/// What is said of one person at most: that many changes are a source gone wild, and are counted all the same.
pub const VERSIONS_MAX: usize = 10_000;

/// What a directory said of a person for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserVersion {
    /// The id that the directory gave. A person who was deleted and created again has two.
    pub id: String,
    /// The person's id.
    pub uid: Option<String>,
    /// Login name.
    pub name: Option<String>,
    /// The person's name.
    pub full_name: Option<String>,
    /// E-mail address.
    pub email_addr: Option<String>,
    /// Everything else.
    pub attributes: Value,
    /// True from then on, as the source says, or since it was read …
    pub from: Time,
    /// … and until then; until now if absent.
    pub to: Option<Time>,
    /// Whether the directory said that the person is deleted.
    pub is_removed: bool,
    /// The source.
    pub source: String,
    /// When the record got its position.
    pub recorded_at: Time,
    /// The record that says so.
    pub position: u64,
}

/// A person through time, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserHistory {
    /// What was said, by its beginning.
    pub versions: Vec<UserVersion>,
    /// How many there are, of which the newest [`VERSIONS_MAX`] are told.
    pub total: u64,
    /// The size of the tree that was asked.
    pub tree_size: u64,
}

impl UserHistory {
    /// What was true at a moment. Of several directories the one that spoke last before it.
    pub fn at(&self, moment: Time) -> Option<&UserVersion> {
        let is_then =
            |version: &&UserVersion| version.from <= moment && version.to.is_none_or(|to| moment < to);
        self.versions.iter().rev().find(is_then)
    }
}

const COLUMNS: [&str; 10] = [
    "position",
    "occurred_at",
    "recorded_at",
    "source",
    "native_id",
    "user_uid",
    "user_name",
    "user_full_name",
    "user_email_addr",
    "unmapped",
];

impl Engine {
    /// What directories said of whoever has this id, login name, address or name, now or then.
    ///
    /// Found by the archive's sort key, as searches for a user are: cheap in a trail of any length. Records of a time
    /// when the person had another id as well as another name are not found by the name of today.
    pub async fn user_history(
        &self,
        trail: &Trail,
        user: &str,
        as_of: Option<AsOf>,
        now: Time,
    ) -> Result<UserHistory, QueryError> {
        let snapshot = trail.snapshot();
        let records = Records::new(trail, snapshot.clone(), self.files().clone());
        let (size, _) = self.state_of(records, as_of, now).await?;
        let user = user.trim().to_lowercase();
        let mut keys = snapshot.directory.keys_of(&user, false);
        keys.insert(user);
        // Records without any name lie under this key.
        keys.remove("");
        let condition = col("kind")
            .eq(lit("identity"))
            .and(col("user_key").in_list(keys.into_iter().map(lit).collect(), false))
            .and(col("position").lt(lit(i64::try_from(size).unwrap_or(i64::MAX))));
        let scan = self.scan_where(trail, snapshot, &condition)?;
        let (total, hits) = newest(&scan, None, VERSIONS_MAX).await?;
        let mut versions = Vec::with_capacity(hits.len());
        for batch in fetch(&scan, &hits, &COLUMNS).await? {
            for row in 0..batch.num_rows() {
                versions.push(version(&batch, row)?);
            }
        }
        Ok(UserHistory { versions: in_order(versions), total, tree_size: size })
    }
}

/// By their beginning, each until the next one of the same id. Of two with the same beginning the later record counts.
fn in_order(mut versions: Vec<UserVersion>) -> Vec<UserVersion> {
    versions.sort_by_key(|version| (version.from, version.position));
    let mut next: std::collections::HashMap<String, Time> = std::collections::HashMap::new();
    for version in versions.iter_mut().rev() {
        version.to = next.insert(version.id.clone(), version.from);
    }
    versions
}

fn version(batch: &RecordBatch, row: usize) -> Result<UserVersion, QueryError> {
    let wrong = |name: &str| StoreError::Corrupt(format!("a record of a person has no {name}"));
    let text = |name: &str| {
        let column = batch.column_by_name(name).filter(|column| !column.is_null(row))?;
        match column.as_string_opt::<i32>() {
            Some(strings) => Some(strings.value(row).to_owned()),
            None => Some(column.as_string_view_opt()?.value(row).to_owned()),
        }
    };
    let time = |name: &str| {
        let column = batch.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>()?;
        Time::from_ms(column.value(row) / 1000).ok()
    };
    let position = batch.column_by_name("position").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let position = position.and_then(|column| u64::try_from(column.value(row)).ok());
    let attributes: Value =
        text("unmapped").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let is_removed = attributes.get("removed").is_some_and(|removed| *removed != Value::Bool(false));
    Ok(UserVersion {
        id: text("native_id").ok_or_else(|| wrong("native_id"))?,
        uid: text("user_uid"),
        name: text("user_name"),
        full_name: text("user_full_name"),
        email_addr: text("user_email_addr"),
        attributes,
        from: time("occurred_at").ok_or_else(|| wrong("occurred_at"))?,
        to: None,
        is_removed,
        source: text("source").ok_or_else(|| wrong("source"))?,
        recorded_at: time("recorded_at").ok_or_else(|| wrong("recorded_at"))?,
        position: position.ok_or_else(|| wrong("position"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(id: &str, name: &str, from: i64, position: u64) -> UserVersion {
        UserVersion {
            id: id.into(),
            uid: None,
            name: Some(name.into()),
            full_name: None,
            email_addr: None,
            attributes: Value::Null,
            from: Time::from_ms(from).unwrap(),
            to: None,
            is_removed: false,
            source: "s".into(),
            recorded_at: Time::from_ms(9_999).unwrap(),
            position,
        }
    }

    #[test]
    fn each_holds_until_the_next_of_the_same_id() {
        // The second was recorded last: a source that told of the past later.
        let versions = in_order(vec![
            said("a", "1", 100, 0),
            said("b", "x", 150, 1),
            said("a", "3", 300, 2),
            said("a", "2", 200, 3),
        ]);
        let told: Vec<_> =
            versions.iter().map(|one| (one.name.as_deref().unwrap(), one.to.map(Time::as_ms))).collect();
        assert_eq!(told, [("1", Some(200)), ("x", None), ("2", Some(300)), ("3", None)]);
        let history = UserHistory { versions, total: 4, tree_size: 4 };
        let at = |ms| history.at(Time::from_ms(ms).unwrap()).and_then(|one| one.name.as_deref());
        assert_eq!(
            (at(99), at(100), at(199), at(299), at(300)),
            (None, Some("1"), Some("x"), Some("2"), Some("3"))
        );
    }

    #[test]
    fn of_two_with_one_beginning_the_later_record_counts() {
        let history = UserHistory {
            versions: in_order(vec![said("a", "old", 100, 1), said("a", "new", 100, 2)]),
            ..UserHistory::default()
        };
        assert_eq!(history.at(Time::from_ms(100).unwrap()).unwrap().position, 2);
    }
}
