//! Who uses a system and who does not: the last sign-in of everybody, and who signed in how often.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use datafusion::logical_expr::{Expr, col, lit};
use serde::Serialize;
use serde_json::Value;
use whowas_event::Time;
use whowas_store::{Directory, Person, Snapshot, StoreError, Trail};

use crate::{
    AsOf, Engine, Filter, LoginRow, QueryError,
    kept::{List, Records},
    last_use::{LastUse, Latest},
    lower,
    newest::{fetch, newest},
    row::{self, COLUMNS},
    scan::on_blocking_thread,
    session_search,
};

const DAY_MS: i64 = 86_400_000;
/// People who left, at most, whose sign-ins are looked for at once: each is a part of the condition.
const LEAVERS_MAX: usize = 1_000;
/// Sign-ins after leaving that are shown.
const AFTER_LEAVING_MAX: usize = 10_000;
/// Sessions that a count by person may look at: their positions take 8 MB.
const SESSIONS_MAX: usize = 1_000_000;

/// Somebody, and when they signed in last: the columns of the *dormant user* report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastSignIn {
    /// Login name, else id, else whatever sign-ins call them.
    pub user_id: String,
    /// The person's name.
    pub user_name: Option<String>,
    /// E-mail address.
    pub user_email_addr: Option<String>,
    /// Alias.
    pub alias: Option<String>,
    /// Company.
    pub company: Option<String>,
    /// Whether the directory lets them in; `null` where it does not say.
    pub enabled: Option<bool>,
    /// The last successful sign-in; `null` for never.
    pub last_login: Option<Time>,
    /// Whole days since; `null` for never.
    pub days_since_last_login: Option<u64>,
    /// Account type.
    pub account_type: Option<String>,
    /// `directory`, or `sign-in` for people of whom only sign-ins tell.
    pub known_from: &'static str,
}

/// How often somebody signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserCount {
    /// Login name, else id, else whatever sign-ins call them.
    pub user_id: String,
    /// The person's name.
    pub user_name: Option<String>,
    /// The day, in UTC, where days are told apart.
    pub day: Option<String>,
    /// Successful sign-ins.
    pub sign_ins: u64,
    /// Sessions that began: sign-ins of one session count once.
    pub sessions: u64,
    /// The first.
    pub first: Time,
    /// The last.
    pub last: Time,
}

/// Which accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountStatus {
    /// All.
    #[default]
    All,
    /// Those that the directory does not say are disabled.
    Enabled,
    /// Those that it says are.
    Disabled,
}

impl AccountStatus {
    /// `all`, `enabled` or `disabled`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "all" | "" => Some(Self::All),
            "enabled" => Some(Self::Enabled),
            "disabled" => Some(Self::Disabled),
            _ => None,
        }
    }

    fn fits(self, enabled: Option<bool>) -> bool {
        match self {
            Self::All => true,
            Self::Enabled => enabled != Some(false),
            Self::Disabled => enabled == Some(false),
        }
    }
}

/// People by the time since their last sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgingRange {
    /// From so many days on.
    pub from_days: u64,
    /// Below so many; `null` for any.
    pub to_days: Option<u64>,
    /// How many people.
    pub users: u64,
}

/// The ranges of the *User activity aging* report, if nobody says others.
pub const AGING_DAYS: [u64; 5] = [10, 30, 60, 90, 120];

/// People in the ranges that begin at 0 and at each of these days, and those who never signed in.
pub fn aging(people: &[LastSignIn], days: &[u64]) -> (Vec<AgingRange>, u64) {
    let mut bounds = vec![0];
    bounds.extend(days.iter().copied().filter(|day| *day > 0));
    bounds.sort_unstable();
    bounds.dedup();
    let ranges = bounds.iter().enumerate().map(|(at, &from_days)| {
        let to_days = bounds.get(at + 1).copied();
        let is_in = |days: u64| from_days <= days && to_days.is_none_or(|to| days < to);
        let users = people.iter().filter(|one| one.days_since_last_login.is_some_and(is_in)).count();
        AgingRange { from_days, to_days, users: users as u64 }
    });
    let never = people.iter().filter(|one| one.last_login.is_none()).count() as u64;
    (ranges.collect(), never)
}

impl Engine {
    /// Everybody who is known, with their last successful sign-in, the longest absence first: never goes before long ago.
    pub async fn last_sign_ins(
        &self,
        trail: &Trail,
        as_of: Option<AsOf>,
        now: Time,
    ) -> Result<Vec<LastSignIn>, QueryError> {
        let folder = session_search::folder(trail)?;
        let (era, known) = self.last_uses().get(&folder);
        let snapshot = trail.snapshot();
        let records = Records::new(trail, snapshot.clone(), self.files().clone());
        let (size, instant) = self.state_of(records, as_of, now).await?;
        let snapshot = self.as_of_size(trail, snapshot, size)?;
        // A state before what is known is asked of every record.
        let known = if known.to <= size { known } else { LastUse::default() };
        let condition = success().and(from_position(known.to)).and(below(size));
        let scan = self.scan_where(trail, snapshot.clone(), &condition)?;
        let parts =
            scan.fold(&["user_key", "occurred_at"], |latest, _, batch| add_latest(latest, batch)).await?;
        let known = known.with(parts, size);
        let latest = known.latest.clone();
        self.last_uses().keep(folder, era, known);
        let mut people = last_of_everybody(&snapshot.directory, &latest, instant);
        people.sort_by(|a, b| (a.last_login, &a.user_id).cmp(&(b.last_login, &b.user_id)));
        Ok(people)
    }

    /// Users without a successful sign-in for at least so many days (0 for all), the longest absence first.
    pub async fn dormant(
        &self,
        trail: &Trail,
        (days, status): (u64, AccountStatus),
        as_of: Option<AsOf>,
        now: Time,
    ) -> Result<Vec<LastSignIn>, QueryError> {
        let mut people = self.last_sign_ins(trail, as_of, now).await?;
        people.retain(|one| {
            status.fits(one.enabled) && one.days_since_last_login.is_none_or(|since| since >= days)
        });
        Ok(people)
    }

    /// Everybody who signed in successfully in a range, by day if asked.
    pub async fn distinct_users(
        &self,
        trail: &Trail,
        (from, to): (Time, Time),
        filter: &Filter,
        is_by_day: bool,
        now: Time,
    ) -> Result<Vec<UserCount>, QueryError> {
        let snapshot = trail.snapshot();
        let began = self.began(trail, &snapshot, (from, to)).await?;
        let mut condition = success()
            .and(below(snapshot.size))
            .and(col("occurred_at").gt_eq(lower::instant(from)))
            .and(col("occurred_at").lt(lower::instant(to.min(now.saturating_add_ms(1)))));
        for term in lower::filter(filter, &snapshot.directory) {
            condition = condition.and(term);
        }
        let scan = self.scan_where(trail, snapshot.clone(), &condition)?;
        let parts = scan
            .fold(&["user_key", "occurred_at", "position"], move |counts, _, batch| {
                add_counts(counts, batch, &began, is_by_day)
            })
            .await?;
        Ok(counted(&snapshot.directory, parts))
    }

    /// Positions of the records that began a session in a range, ascending.
    async fn began(
        &self,
        trail: &Trail,
        snapshot: &Arc<Snapshot>,
        (from, to): (Time, Time),
    ) -> Result<Arc<Vec<u64>>, QueryError> {
        let records = Records::new(trail, snapshot.clone(), self.files().clone());
        let (index, size) = (self.index(trail)?, snapshot.size);
        let range = (from, to.saturating_add_ms(-1));
        on_blocking_thread(move || {
            index.ask(&records, Some(size), |view| {
                let mut began = Vec::new();
                for list in [List::Ended, List::Open] {
                    view.each(list, range, None, |row| {
                        began.push(row.position);
                        began.len() <= SESSIONS_MAX
                    })?;
                }
                if began.len() > SESSIONS_MAX {
                    return Err(QueryError::Invalid(format!(
                        "more than {SESSIONS_MAX} sessions began in this range; choose a shorter one"
                    )));
                }
                began.sort_unstable();
                Ok(Arc::new(began))
            })
        })
        .await
    }

    /// Successful sign-ins of people after the directory said that they are disabled or deleted, the newest first, and
    /// how many there are.
    pub async fn after_leaving(&self, trail: &Trail) -> Result<(u64, Vec<LoginRow>), QueryError> {
        let snapshot = trail.snapshot();
        let leavers: Vec<&Person> =
            snapshot.directory.iter().filter(|one| !one.is_observed && has_left(one)).collect();
        if leavers.len() > LEAVERS_MAX {
            return Err(QueryError::Invalid(format!(
                "{} people have left; sign-ins of more than {LEAVERS_MAX} cannot be looked for at once",
                leavers.len()
            )));
        }
        let of = |person: &Person| -> Option<Expr> {
            let names = [&person.uid, &person.name, &person.email_addr];
            let keys: BTreeSet<String> =
                names.into_iter().flatten().map(|name| name.to_lowercase()).collect();
            let since = left_at(person)?;
            let keys = keys.into_iter().map(lit).collect();
            Some(col("user_key").in_list(keys, false).and(col("occurred_at").gt(lower::instant(since))))
        };
        let Some(any) = leavers.into_iter().filter_map(of).reduce(Expr::or) else {
            return Ok((0, Vec::new()));
        };
        let condition = success().and(any);
        let scan = self.scan_where(trail, snapshot.clone(), &condition)?;
        let (total, hits) = newest(&scan, None, AFTER_LEAVING_MAX).await?;
        let mut rows = Vec::with_capacity(hits.len());
        for batch in fetch(&scan, &hits, &COLUMNS).await? {
            rows.extend(row::rows(&batch, &snapshot)?);
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.occurred_at, row.position)));
        Ok((total, rows))
    }
}

fn success() -> Expr {
    let is = |column: &str, word: &str| col(column).eq(lit(word));
    is("kind", "login").and(is("activity", "logon")).and(is("status", "success"))
}

fn below(size: u64) -> Expr {
    col("position").lt(lit(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn from_position(from: u64) -> Expr {
    col("position").gt_eq(lit(i64::try_from(from).unwrap_or(i64::MAX)))
}

fn wrong() -> StoreError {
    StoreError::Corrupt("a record lacks its user, time or position".to_owned())
}

/// Latest times by user, in microseconds.
fn add_latest(latest: &mut Latest, batch: &RecordBatch) -> Result<(), QueryError> {
    let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
    let users = column("user_key")?.as_string_opt::<i32>().ok_or_else(wrong)?;
    let times = column("occurred_at")?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
    let mut row = 0;
    while row < batch.num_rows() {
        // One person's rows lie together, the newest first.
        let user = users.value(row);
        let mut at = i64::MIN;
        while row < batch.num_rows() && users.value(row) == user {
            at = at.max(times.value(row));
            row += 1;
        }
        match latest.get_mut(user) {
            Some(known) => *known = at.max(*known),
            None => drop(latest.insert(user.to_owned(), at)),
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
struct Counts {
    sign_ins: u64,
    sessions: u64,
    first: i64,
    last: i64,
}

/// By user and day, which is 0 where days are not told apart.
type ByUser = HashMap<(String, i64), Counts>;

fn add_counts(
    counts: &mut ByUser,
    batch: &RecordBatch,
    began: &[u64],
    is_by_day: bool,
) -> Result<(), QueryError> {
    let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
    let users = column("user_key")?.as_string_opt::<i32>().ok_or_else(wrong)?;
    let times = column("occurred_at")?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
    let positions = column("position")?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
    for row in 0..batch.num_rows() {
        let ms = times.value(row) / 1000;
        let day = if is_by_day { ms.div_euclid(DAY_MS) } else { 0 };
        let counts = counts.entry((users.value(row).to_owned(), day)).or_insert(Counts {
            sign_ins: 0,
            sessions: 0,
            first: ms,
            last: ms,
        });
        counts.sign_ins += 1;
        let position = u64::try_from(positions.value(row)).map_err(|_| wrong())?;
        counts.sessions += u64::from(began.binary_search(&position).is_ok());
        counts.first = ms.min(counts.first);
        counts.last = ms.max(counts.last);
    }
    Ok(())
}

/// One row for each person and day: somebody whose records have an id here and a name there is one.
fn counted(directory: &Directory, parts: Vec<ByUser>) -> Vec<UserCount> {
    let mut people: BTreeMap<(String, i64), (Option<String>, bool, Counts)> = BTreeMap::new();
    let mut has_days = false;
    for ((key, day), counts) in parts.into_iter().flatten() {
        has_days |= day != 0;
        let person = directory.find(Some(&key), Some(&key), Some(&key));
        let name = person.and_then(|one| one.full_name.clone());
        let shown = person.and_then(|one| one.name.clone().or_else(|| one.uid.clone())).unwrap_or(key);
        let (_, is_known, sum) = people.entry((shown, day)).or_insert((name, false, counts));
        if *is_known {
            sum.sign_ins += counts.sign_ins;
            sum.sessions += counts.sessions;
            sum.first = sum.first.min(counts.first);
            sum.last = sum.last.max(counts.last);
        }
        *is_known = true;
    }
    let row = |((user_id, day), (user_name, _, counts)): ((String, i64), (Option<String>, bool, Counts))| {
        let time = |ms| Time::from_ms(ms).unwrap_or_default();
        let date = || time(day.saturating_mul(DAY_MS)).to_string().chars().take(10).collect();
        UserCount {
            user_id,
            user_name,
            day: has_days.then(date),
            sign_ins: counts.sign_ins,
            sessions: counts.sessions,
            first: time(counts.first),
            last: time(counts.last),
        }
    };
    people.into_iter().map(row).collect()
}

/// Gives everybody their latest time, and those whom no directory knows a row of their own.
fn last_of_everybody(directory: &Directory, latest: &Latest, now: Time) -> Vec<LastSignIn> {
    let mut of_person: HashMap<&str, i64> = HashMap::new();
    let mut others = Vec::new();
    for (key, at) in latest.iter().filter(|(key, _)| !key.is_empty()) {
        match directory.find(Some(key), Some(key), Some(key)) {
            Some(person) => {
                let known = of_person.entry(&person.id).or_insert(*at);
                *known = (*at).max(*known);
            }
            None => others.push((key, *at)),
        }
    }
    let mut people: Vec<LastSignIn> = directory
        .iter()
        .map(|person| of_directory(person, of_person.get(&*person.id).copied(), now))
        .collect();
    people.extend(others.into_iter().map(|(key, at)| {
        let nobody = Person { name: Some(key.clone()), is_observed: true, ..Person::default() };
        of_directory(&nobody, Some(at), now)
    }));
    people
}

fn of_directory(person: &Person, latest_micros: Option<i64>, now: Time) -> LastSignIn {
    let attributes = attributes(person);
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).map(str::to_owned);
    let last_login = latest_micros.and_then(|micros| Time::from_ms(micros / 1000).ok());
    let days = last_login.map(|last| now.as_ms().saturating_sub(last.as_ms()).max(0) / DAY_MS);
    let shown = [&person.name, &person.uid, &person.email_addr].into_iter().flatten().next();
    LastSignIn {
        user_id: shown.cloned().unwrap_or_else(|| person.id.clone()),
        user_name: person.full_name.clone(),
        user_email_addr: person.email_addr.clone(),
        alias: text("alias"),
        company: text("company"),
        enabled: attributes.get("enabled").and_then(Value::as_bool),
        last_login,
        days_since_last_login: days.and_then(|days| u64::try_from(days).ok()),
        account_type: text("account_type").or_else(|| text("user_type")),
        known_from: if person.is_observed { "sign-in" } else { "directory" },
    }
}

fn attributes(person: &Person) -> Value {
    person.attributes.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn has_left(person: &Person) -> bool {
    let attributes = attributes(person);
    let is = |name: &str, value: bool| attributes.get(name).and_then(Value::as_bool) == Some(value);
    is("enabled", false) || is("removed", true) || attributes.get("deleted_at").is_some_and(Value::is_string)
}

/// When they left: the source's word, else when the directory was read that says so.
fn left_at(person: &Person) -> Option<Time> {
    let deleted = attributes(person).get("deleted_at").and_then(Value::as_str).map(Time::parse_rfc3339);
    deleted.and_then(Result::ok).or(person.since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(days: Option<u64>) -> LastSignIn {
        let last = days.map(|_| Time::default());
        LastSignIn {
            last_login: last,
            days_since_last_login: days,
            ..of_directory(&Person::default(), None, Time::default())
        }
    }

    #[test]
    fn everybody_is_in_one_range_or_never_came() {
        let people: Vec<_> =
            [Some(0), Some(9), Some(10), Some(89), Some(120), Some(4_000), None].map(seen).into();
        let (ranges, never) = aging(&people, &AGING_DAYS);
        assert_eq!(ranges.iter().map(|range| range.users).collect::<Vec<_>>(), [2, 1, 0, 1, 0, 2]);
        assert_eq!(
            (ranges[0].to_days, ranges[5].from_days, ranges[5].to_days, never),
            (Some(10), 120, None, 1)
        );
        assert_eq!(aging(&people, &[30, 30, 0]).0.len(), 2);
    }

    #[test]
    fn who_left_is_told_by_the_directory() {
        let with = |text: &str| Person {
            attributes: Some(text.to_owned()),
            since: Some(Time::default()),
            ..Person::default()
        };
        for (text, want) in [
            (r#"{"enabled":false}"#, true),
            (r#"{"enabled":true}"#, false),
            (r#"{"removed":true}"#, true),
            (r#"{"deleted_at":"2026-01-02T00:00:00Z"}"#, true),
            ("{}", false),
            ("no JSON", false),
        ] {
            assert_eq!(has_left(&with(text)), want, "{text}");
        }
        let deleted = with(r#"{"deleted_at":"2026-01-02T00:00:00Z"}"#);
        assert_eq!(left_at(&deleted), Time::parse_rfc3339("2026-01-02T00:00:00Z").ok());
        assert_eq!(left_at(&with(r#"{"enabled":false}"#)), Some(Time::default()));
    }
}
