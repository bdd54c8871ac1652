//! `dynamics-lcs`: *User Login Events* as Lifecycle Services exported them for Dynamics 365 Finance and
//! Operations (*View raw logs*, *Export grid*), until the query was switched off in September 2024.
//!
//! One row is one session. It gives a logon and, where its end stands, a logoff; both have the same
//! `session_uid`, made from user and start. So do the ids: a weekly file that overlaps with the one before
//! adds nothing twice, and an end that a later export brings adds only the logoff. Rows with the same user
//! and start are told apart by their order.
//!
//! The vendor printed the columns in no document, so the header decides. Spaces, capitals and punctuation
//! do not matter; `(UTC)` behind a name says that the times are.
//!
//! | meaning | names |
//! |---|---|
//! | user (required) | `AADUserID`, `Microsoft Entra IDUserID` (a search-and-replace accident), and the like |
//! | start (required) | `LoginStart`, `Start time`, `Login start time`, `StartTime`, `SessionStart`, `Login time` … |
//! | end | the same with `End`, `LogoffTime`, `LogoutTime`, `SignOutTime` … |
//! | browser, address | `Browser`, `UserAgent`; `IP`, `IPAddress`, `ClientIP` … |
//! | name, e-mail, duration | `UserName`, `Email`, `Duration` … |
//!
//! Other columns (`EventId`, `ActivityId`, `RoleInstance`, `EnvironmentId` …) go to `unmapped` of the logon.

use whowas_event::{Activity, Event, Service, Status};

use crate::{
    contract::{Info, Options, Problem, ReadError, ReadSummary, Sink, Yields},
    dynamics,
    ids::{self, DerivedIds},
    strict::canonical_object,
    table::{Row, Table},
    tabular::{self, AlwaysTable, Columns, Tabular, TimeColumn, members},
};

/// The format.
#[derive(Debug)]
pub struct DynamicsLcs;

static INFO: Info = Info {
    name: "dynamics-lcs",
    product: "Dynamics Lifecycle Services",
    marker: "table with the column `AADUserID` or `Microsoft Entra IDUserID` and a start of the session",
    yields: Yields { start: true, end: true, failure: false, identity: false },
    row_caps: &[5_000],
};

const USER: [&str; 8] = [
    "aaduserid",
    "microsoftentraiduserid",
    "microsoftentrauserid",
    "entraiduserid",
    "entrauserid",
    "azureaduserid",
    "aadobjectid",
    "aaduserobjectid",
];
const START: [&str; 20] = [
    "loginstart",
    "loginstarttime",
    "loginstartdatetime",
    "loginstartdateandtime",
    "sessionstart",
    "sessionstarttime",
    "sessionstartdatetime",
    "logonstart",
    "logonstarttime",
    "signinstart",
    "signinstarttime",
    "starttime",
    "startdatetime",
    "startdateandtime",
    "start",
    "logintime",
    "logindatetime",
    "logontime",
    "signintime",
    "starttimestamp",
];
const END: [&str; 24] = [
    "loginend",
    "loginendtime",
    "loginenddatetime",
    "loginenddateandtime",
    "sessionend",
    "sessionendtime",
    "sessionenddatetime",
    "logonend",
    "logonendtime",
    "signinend",
    "signinendtime",
    "endtime",
    "enddatetime",
    "enddateandtime",
    "end",
    "logouttime",
    "logoutdatetime",
    "logout",
    "logofftime",
    "logoffdatetime",
    "logoff",
    "signouttime",
    "signout",
    "endtimestamp",
];
const BROWSER: [&str; 5] = ["browser", "browsername", "clientbrowser", "useragent", "browseruseragent"];
const ADDRESS: [&str; 7] =
    ["ip", "ipaddress", "clientip", "clientipaddress", "useripaddress", "userip", "sourceip"];
const NAME: [&str; 3] = ["username", "userid", "user"];
const EMAIL: [&str; 4] = ["email", "useremail", "emailaddress", "userprincipalname"];
const DURATION: [&str; 4] = ["duration", "sessionduration", "loginduration", "durationminutes"];

impl AlwaysTable for DynamicsLcs {}

impl Tabular for DynamicsLcs {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn fits(&self, columns: &Columns) -> bool {
        columns.find(&USER).is_some() && columns.find(&START).is_some()
    }

    fn read_table(
        &self,
        table: Table<'_>,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let mut sessions = Sessions::new(Columns::new(table.header()), options)?;
        let mut summary = tabular::read_rows(table, sink, &mut |row, events| sessions.read(row, events))?;
        summary.times_without_zone = sessions.without_zone;
        if sessions.backward > 0 {
            summary.warnings.push(format!(
                "{} sessions end before they start: are the order of dates and the time zone right?",
                sessions.backward
            ));
        }
        Ok(summary)
    }
}

/// The columns, and what is counted over the rows.
struct Sessions {
    user: usize,
    start: TimeColumn,
    end: Option<TimeColumn>,
    browser: Option<usize>,
    address: Option<usize>,
    name: Option<usize>,
    email: Option<usize>,
    duration: Option<usize>,
    rest: Vec<(usize, String)>,
    ids: DerivedIds,
    without_zone: u64,
    backward: u64,
}

impl Sessions {
    fn new(mut columns: Columns, options: &Options) -> Result<Self, ReadError> {
        let Some(user) = columns.take(&USER) else {
            return Err(columns.missing("the user (`AADUserID`)"));
        };
        let Some(start) = columns.take_time(&START, options) else {
            return Err(columns.missing("the start of the session (`LoginStart`)"));
        };
        Ok(Self {
            user,
            start,
            end: columns.take_time(&END, options),
            browser: columns.take(&BROWSER),
            address: columns.take(&ADDRESS),
            name: columns.take(&NAME),
            email: columns.take(&EMAIL),
            duration: columns.take(&DURATION),
            rest: columns.rest(),
            ids: DerivedIds::default(),
            without_zone: 0,
            backward: 0,
        })
    }

    fn read(&mut self, row: &Row<'_>, events: &mut Vec<Event>) -> Result<(), Problem> {
        let user = row.text(Some(self.user));
        let user = user.ok_or_else(|| row.problem(Some(self.user), "the user is missing"))?;
        let start = self.start.read(row, &mut self.without_zone)?;
        let start = start.ok_or_else(|| self.start.problem(row, "the start of the session is missing"))?;
        let end = match &self.end {
            Some(column) => column.read(row, &mut self.without_zone)?,
            None => None,
        };
        let uid = dynamics::guid(user).unwrap_or_else(|| user.to_owned());
        let id = self.ids.next([&*uid, &start.time.to_string()]);
        let mut logon = self.event(row, uid);
        logon.session_uid = Some(id.as_str().to_owned());
        let duration = self.duration.map(|column| (column, "duration"));
        let of_logoff = canonical_object(members(row, duration)).map_err(|error| row.problem(None, error))?;
        let logoff = end.map(|end| {
            self.backward += u64::from(end.time < start.time);
            Event {
                occurred_at: end.time,
                raw_time: end.raw_time,
                activity: Activity::Logoff,
                native_id: ids::end_of(&id),
                unmapped: of_logoff,
                ..logon.clone()
            }
        });
        logon.occurred_at = start.time;
        logon.raw_time = start.raw_time;
        logon.activity = Activity::Logon;
        logon.native_id = id;
        let rest = self.rest.iter().map(|(column, name)| (*column, &**name));
        logon.unmapped = canonical_object(members(row, rest)).map_err(|error| row.problem(None, error))?;
        events.push(logon);
        events.extend(logoff);
        Ok(())
    }

    /// What logon and logoff have in common.
    fn event(&self, row: &Row<'_>, uid: String) -> Event {
        let mut event = Event { status: Status::Success, ..Event::default() };
        event.service = Service { name: Some("Dynamics 365 Finance and Operations".to_owned()), uid: None };
        event.user.uid = Some(uid);
        event.user.name = row.text(self.name).map(str::to_owned);
        event.user.email_addr = row.text(self.email).map(str::to_owned);
        event.src_endpoint.ip = row.text(self.address).map(str::to_owned);
        let browser = row.text(self.browser).map(str::to_owned);
        if browser.as_ref().is_some_and(|browser| browser.contains('/')) {
            event.user_agent = browser;
        } else {
            event.device.browser = browser;
        }
        event
    }
}

#[cfg(test)]
#[path = "lcs_tests.rs"]
mod tests;
