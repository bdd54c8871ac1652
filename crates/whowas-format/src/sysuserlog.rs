//! `dynamics-user-log`: the *User log* of Dynamics AX 2012 and Dynamics 365 Finance and Operations, table
//! `SysUserLog`, as delimited text or as a workbook.
//!
//! Columns by the names of the table's fields or by the labels of the form, in whatever case and spacing:
//!
//! | meaning | names |
//! |---|---|
//! | user id (required) | `UserId`, *User ID* |
//! | start (required) | `CreatedDateTime`, *Created date and time*; or *Created date* and *Created time* |
//! | end or last sign of life | `LogoutDateTime`, *Logoff date time*, *Logoff date and time* |
//! | properly ended | `TerminatedOk`, *Closed* |
//! | session, machine | `SessionId`, *Session ID*; `Computername`, *Computer name* |
//! | person, roles | *User name*; `RolesWithAccessToSensitiveData` |
//! | the rest | `Type`, `ClientType`, `BuildNum` or *Build number*, `Alive`, *Online time* → `unmapped` |
//!
//! User, start, session id and machine are a row's key (session ids begin anew every day), and so the
//! `session_uid` and the id. Without a session id equal rows are told apart by their order.
//!
//! **The end is two things.** While a client lives, the system writes the end every 15 minutes; only
//! *Closed* says that the user signed out. So a row that is not closed gives a logon alone, and the time
//! goes to `last_seen_at` in its `unmapped`. A later export of the same session says something else there,
//! or is closed: the logon gets a new revision. The logon of a closed row does not change any more.
//! 1900-01-01 is no end.

use serde_json::{Map, Value};
use whowas_event::{Activity, Event, NativeId, Status};

use crate::{
    contract::{Info, Options, Problem, ReadError, ReadSummary, Sink, Yields},
    dynamics,
    ids::{self, DerivedIds},
    instant::Instant,
    strict::canonical_object,
    table::{Row, Table},
    tabular::{self, AlwaysTable, Columns, Tabular, TimeColumn, members, yes_no},
};

/// The format.
#[derive(Debug)]
pub struct DynamicsUserLog;

static INFO: Info = Info {
    name: "dynamics-user-log",
    product: "Dynamics 365 Finance and Operations, Dynamics AX 2012",
    marker: "table with `UserId`, `CreatedDateTime` and another field of SysUserLog, or the form's labels",
    yields: Yields { start: true, end: true, failure: false, identity: false },
    row_caps: &[],
};

const USER: [&str; 1] = ["userid"];
const CREATED: [&str; 3] = ["createddatetime", "createddateandtime", "createddate"];
const CREATED_CLOCK: [&str; 1] = ["createdtime"];
const LOGOUT: [&str; 5] =
    ["logoutdatetime", "logoffdatetime", "logoffdateandtime", "logoutdateandtime", "logoffdate"];
const LOGOUT_CLOCK: [&str; 2] = ["logofftime", "logouttime"];
const CLOSED: [&str; 2] = ["terminatedok", "closed"];
const SESSION: [&str; 1] = ["sessionid"];
const COMPUTER: [&str; 1] = ["computername"];
const NAME: [&str; 1] = ["username"];
const ROLES: [&str; 2] = ["roleswithaccesstosensitivedata", "roleswithsensitivedataaccess"];
/// What goes to `unmapped`, and whether it changes while the session lasts.
const BESIDE: [(&[&str], &str, bool); 5] = [
    (&["clienttype"], "client_type", false),
    (&["type"], "type", false),
    (&["buildnum", "buildnumber", "build"], "build_number", false),
    (&["alive"], "alive", true),
    (&["onlinetime"], "online_time", true),
];

impl AlwaysTable for DynamicsUserLog {}

impl Tabular for DynamicsUserLog {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn fits(&self, columns: &Columns) -> bool {
        let has = |spellings| columns.find(spellings).is_some();
        let is_log = has(&LOGOUT) || has(&CLOSED) || has(&SESSION) || has(&["clienttype", "buildnum"]);
        has(&USER) && has(&CREATED) && is_log
    }

    fn read_table(
        &self,
        table: Table<'_>,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let mut log = Log::new(Columns::new(table.header()), options)?;
        let mut summary = tabular::read_rows(table, sink, &mut |row, events| log.read(row, events))?;
        summary.times_without_zone = log.without_zone;
        Ok(summary)
    }
}

/// The columns, and what is counted over the rows.
struct Log {
    user: usize,
    created: TimeColumn,
    logout: Option<TimeColumn>,
    closed: Option<usize>,
    session: Option<usize>,
    computer: Option<usize>,
    name: Option<usize>,
    roles: Option<usize>,
    /// Goes to `unmapped` of the logon.
    lasting: Vec<(usize, String)>,
    /// Goes there while the session lasts, and to that of the logoff when it is over.
    passing: Vec<(usize, String)>,
    ids: DerivedIds,
    without_zone: u64,
}

impl Log {
    fn new(mut columns: Columns, options: &Options) -> Result<Self, ReadError> {
        let Some(user) = columns.take(&USER) else { return Err(columns.missing("the user (`UserId`)")) };
        let Some(mut created) = columns.take_time(&CREATED, options) else {
            return Err(columns.missing("the start of the session (`CreatedDateTime`)"));
        };
        created.clock = columns.take(&CREATED_CLOCK);
        let mut logout = columns.take_time(&LOGOUT, options);
        if let Some(logout) = &mut logout {
            logout.clock = columns.take(&LOGOUT_CLOCK);
        }
        let [closed, session, computer] =
            [&CLOSED[..], &SESSION, &COMPUTER].map(|spellings| columns.take(spellings));
        let [name, roles] = [&NAME[..], &ROLES].map(|spellings| columns.take(spellings));
        let (mut lasting, mut passing) = (Vec::new(), Vec::new());
        for (spellings, word, is_passing) in BESIDE {
            let group = if is_passing { &mut passing } else { &mut lasting };
            group.extend(columns.take(spellings).map(|column| (column, word.to_owned())));
        }
        lasting.extend(session.map(|column| (column, "session_id".to_owned())));
        lasting.extend(columns.rest());
        let (ids, without_zone) = (DerivedIds::default(), 0);
        Ok(Self {
            user,
            created,
            logout,
            closed,
            session,
            computer,
            name,
            roles,
            lasting,
            passing,
            ids,
            without_zone,
        })
    }

    fn read(&mut self, row: &Row<'_>, events: &mut Vec<Event>) -> Result<(), Problem> {
        let user = row.text(Some(self.user));
        let user = user.ok_or_else(|| row.problem(Some(self.user), "the user id is missing"))?;
        let created = self.created.read(row, &mut self.without_zone)?;
        let created =
            created.ok_or_else(|| self.created.problem(row, "the start of the session is missing"))?;
        let last_seen = match &self.logout {
            Some(column) => column.read(row, &mut self.without_zone)?,
            None => None,
        };
        let is_closed = self.is_closed(row)?;
        let id = self.id(row, user, &created);
        let mut logon = self.event(row, user, &id);
        let mut beside = members(row, named(&self.lasting));
        if let Some(class) = dynamics::account_class(user) {
            beside.insert("account_class".to_owned(), class.into());
        }
        let logoff = match last_seen {
            Some(end) if is_closed => Some(self.logoff(row, &logon, end, &id)?),
            last_seen => {
                beside.extend(members(row, named(&self.passing)));
                let time = last_seen.map(|seen| seen.time.to_string());
                beside.insert("last_seen_at".to_owned(), time.into());
                let closed = if is_closed { Value::Bool(true) } else { Value::Null };
                beside.insert("closed".to_owned(), closed);
                None
            }
        };
        logon.occurred_at = created.time;
        logon.raw_time = created.raw_time;
        logon.activity = Activity::Logon;
        logon.native_id = id;
        logon.user.roles = row.text(self.roles).map(roles).unwrap_or_default();
        logon.unmapped = unmapped(row, beside)?;
        events.push(logon);
        events.extend(logoff);
        Ok(())
    }

    fn is_closed(&self, row: &Row<'_>) -> Result<bool, Problem> {
        let Some(text) = row.text(self.closed) else { return Ok(false) };
        yes_no(text).ok_or_else(|| row.problem(self.closed, format!("`{text}` is neither yes nor no")))
    }

    fn id(&mut self, row: &Row<'_>, user: &str, created: &Instant) -> NativeId {
        let session = row.text(self.session);
        let start = created.time.to_string();
        let key = [user, &start, session.unwrap_or_default(), row.text(self.computer).unwrap_or_default()];
        if session.is_some() { ids::of_key(key) } else { self.ids.next(key) }
    }

    /// What logon and logoff have in common.
    fn event(&self, row: &Row<'_>, user: &str, id: &NativeId) -> Event {
        let mut event = Event { status: Status::Success, ..Event::default() };
        event.session_uid = Some(id.as_str().to_owned());
        event.user.name = Some(user.to_owned());
        event.user.full_name = row.text(self.name).map(str::to_owned);
        event.src_endpoint.hostname = row.text(self.computer).map(str::to_owned);
        event
    }

    fn logoff(&self, row: &Row<'_>, common: &Event, end: Instant, id: &NativeId) -> Result<Event, Problem> {
        Ok(Event {
            occurred_at: end.time,
            raw_time: end.raw_time,
            activity: Activity::Logoff,
            native_id: ids::end_of(id),
            unmapped: unmapped(row, members(row, named(&self.passing)))?,
            ..common.clone()
        })
    }
}

fn named(columns: &[(usize, String)]) -> impl Iterator<Item = (usize, &str)> {
    columns.iter().map(|(column, name)| (*column, &**name))
}

fn unmapped(row: &Row<'_>, members: Map<String, Value>) -> Result<Option<String>, Problem> {
    canonical_object(members).map_err(|error| row.problem(None, error))
}

/// The roles of a list. Their names may have commas in them, so semicolons and line breaks go first.
fn roles(text: &str) -> Vec<String> {
    let separators: &[char] = if text.contains([';', '\n']) { &[';', '\n'] } else { &[','] };
    text.split(separators).map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
#[path = "sysuserlog_tests.rs"]
mod tests;
