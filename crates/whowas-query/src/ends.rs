//! When sessions ended, as far as a sign-out with the same session id tells.

use std::collections::HashMap;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::TimestampMicrosecondType,
};
use datafusion::logical_expr::{Expr, col, lit};
use whowas_event::Time;
use whowas_store::StoreError;

use crate::QueryError;

/// The columns that [`Ends::add`] needs.
pub(crate) const END_COLUMNS: [&str; 2] = ["session_uid", "occurred_at"];

/// Sign-outs that name a session.
pub(crate) fn is_logoff() -> Expr {
    col("activity").eq(lit("logoff")).and(col("kind").eq(lit("login"))).and(col("session_uid").is_not_null())
}

/// Sign-outs by session: a digest of the session id to the times of its ends. 16 bytes for each session and
/// no texts, so that the ends of years fit.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    by_session: HashMap<u64, Vec<i64>>,
}

impl Ends {
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let wrong = || StoreError::Corrupt("a sign-out lacks its session or time".to_owned());
        let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
        let sessions = column("session_uid")?.as_string_opt::<i32>().ok_or_else(wrong)?;
        let times =
            column("occurred_at")?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
        for row in (0..batch.num_rows()).filter(|&row| !sessions.is_null(row)) {
            self.by_session.entry(digest(sessions.value(row))).or_default().push(times.value(row) / 1000);
        }
        Ok(())
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        if self.by_session.is_empty() {
            return other;
        }
        for (session, ends) in other.by_session {
            self.by_session.entry(session).or_default().extend(ends);
        }
        self
    }

    /// The first end of this session that is not before its start.
    pub(crate) fn after(&self, session_uid: &str, start: Time) -> Option<Time> {
        let ends = self.by_session.get(&digest(session_uid))?;
        let first = ends.iter().copied().filter(|&end| end >= start.as_ms()).min()?;
        Time::from_ms(first).ok()
    }
}

/// Not for security: two session ids of one answer that collide would share an end, with odds of 2^-64 a pair.
fn digest(text: &str) -> u64 {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_with_its_first_sign_out_after_its_start() {
        let at = |ms| Time::from_ms(ms).unwrap();
        let mut ends = Ends::default();
        ends.by_session.insert(digest("s"), vec![500, 100]);
        let mut others = Ends::default();
        others.by_session.insert(digest("s"), vec![300]);
        let ends = ends.merge(others);
        assert_eq!(ends.after("s", at(200)), Some(at(300)));
        assert_eq!(ends.after("s", at(600)), None);
        assert_eq!(ends.after("t", at(0)), None);
    }
}
