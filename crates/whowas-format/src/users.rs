//! The directory: people as their systems list them, for the names behind the ids in sign-ins.
//!
//! Three formats, one mapping (`crate::person`):
//!
//! * `dynamics-users`: *System administration › Users* of Finance and Operations: OData `SystemUsers` as
//!   JSON, or a table with its columns or the form's labels.
//! * `graph-users`: Microsoft Graph's `/users`: pages, arrays, one object a line, delta pages.
//! * `users-csv`: any table of people. It is recognised by a login name or an e-mail address, beside which
//!   there is an id, a name or a state, and by the absence of columns that only sign-ins have.
//!
//! Each row is a record of kind `identity`: what the directory said at that time. A directory rarely
//! tells when an entry changed; then it is the time of the reading.

use std::io::Read;

use serde_json::{Map, Value};
use whowas_event::Draft;

use crate::{
    contract::{Format, Info, Item, Options, ReadError, ReadSummary, Sample, Sink, Yields},
    jsonstream,
    person::{Person, Word},
    strict::Strict,
    table::Table,
    tabular::{self, AlwaysTable, Columns, Tabular, squash},
};

const YIELDS: Yields = Yields { start: false, end: false, failure: false, identity: true };

/// `dynamics-users`
#[derive(Debug)]
pub struct DynamicsUsers;

static DYNAMICS_USERS: Info = Info {
    name: "dynamics-users",
    product: "Dynamics 365 Finance and Operations",
    marker: "JSON objects or a table with `UserID` and `UserObjectId` (Telemetry ID), `SecurityIdentifier` or the like",
    yields: YIELDS,
    row_caps: &[],
};

/// `graph-users`
#[derive(Debug)]
pub struct GraphUsers;

static GRAPH_USERS: Info = Info {
    name: "graph-users",
    product: "Microsoft Entra ID",
    marker: "JSON objects with `userPrincipalName` and nothing of a sign-in, or `$metadata#users`",
    yields: YIELDS,
    row_caps: &[],
};

/// `users-csv`
#[derive(Debug)]
pub struct UsersCsv;

static USERS_CSV: Info = Info {
    name: "users-csv",
    product: "any directory",
    marker: "table with a login name or e-mail address and an id, a name or a state, and no column of sign-ins",
    yields: YIELDS,
    row_caps: &[],
};

/// What only users of Finance and Operations have, squashed.
const DYNAMICS_MARKS: [&str; 6] = [
    "userobjectid",
    "telemetryid",
    "securityidentifier",
    "networkdomain",
    "emailproviderid",
    "userinfolanguage",
];

/// What sign-ins have and people do not, squashed.
const SIGN_IN_MARKS: [&str; 64] = [
    "action",
    "activity",
    "activityid",
    "app",
    "appdisplayname",
    "appid",
    "application",
    "auditdata",
    "browser",
    "clientapp",
    "clientappused",
    "clientip",
    "clientipaddress",
    "conditionalaccess",
    "conditionalaccessstatus",
    "correlationid",
    "creationdate",
    "date",
    "dateandtime",
    "datetime",
    "end",
    "endtime",
    "event",
    "eventdate",
    "eventid",
    "eventtime",
    "eventtype",
    "failurereason",
    "ip",
    "ipaddress",
    "loggedat",
    "loginat",
    "logindate",
    "logindatetime",
    "loginend",
    "loginstart",
    "logintime",
    "logoff",
    "logoffdatetime",
    "logofftime",
    "logout",
    "logoutdatetime",
    "logouttime",
    "occurredat",
    "operation",
    "outcome",
    "recordtype",
    "requestid",
    "resource",
    "result",
    "resulttype",
    "sessionid",
    "signindatetime",
    "signinerrorcode",
    "signintime",
    "sourceip",
    "start",
    "starttime",
    "time",
    "timegenerated",
    "timestamp",
    "ts",
    "useragent",
    "when",
];

fn is_of_sign_in(squashed: &str) -> bool {
    let name = squashed.strip_suffix("utc").unwrap_or(squashed);
    SIGN_IN_MARKS.binary_search(&name).is_ok()
}

impl Format for DynamicsUsers {
    fn info(&self) -> &'static Info {
        &DYNAMICS_USERS
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        if tabular::recognizes(self, sample) {
            return true;
        }
        jsonstream::first_object(sample).is_some_and(|first| {
            let names: Vec<String> = first.keys().map(|name| squash(name)).collect();
            let has = |name: &str| names.iter().any(|other| other == name);
            has("userid")
                && DYNAMICS_MARKS.iter().any(|mark| has(mark))
                && !names.iter().any(|n| is_of_sign_in(n))
        })
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        tabular::read_json_or_table(self, read_json, input, options, sink)
    }
}

impl Tabular for DynamicsUsers {
    fn info(&self) -> &'static Info {
        &DYNAMICS_USERS
    }

    fn fits(&self, columns: &Columns) -> bool {
        columns.find(&["userid"]).is_some()
            && columns.find(&DYNAMICS_MARKS).is_some()
            && !columns.squashed().any(|(_, name)| is_of_sign_in(name))
    }

    fn read_table(
        &self,
        table: Table<'_>,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        read_people(table, options, sink)
    }
}

impl Format for GraphUsers {
    fn info(&self) -> &'static Info {
        &GRAPH_USERS
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        let Some(first) = jsonstream::first_object(sample) else { return false };
        let is_page = memchr::memmem::find(sample.bytes, b"$metadata#users").is_some();
        let has_sign_in = first.keys().any(|name| is_of_sign_in(&squash(name)));
        (is_page || first.contains_key("userPrincipalName")) && !has_sign_in
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        read_json(input, options, sink)
    }
}

impl AlwaysTable for UsersCsv {}

impl Tabular for UsersCsv {
    fn info(&self) -> &'static Info {
        &USERS_CSV
    }

    fn fits(&self, columns: &Columns) -> bool {
        let words: Vec<Word> = columns.squashed().filter_map(|(_, name)| Word::of(name)).collect();
        let n_telling = words.iter().filter(|word| word.tells_who() || word.describes()).count();
        // `id` and `name` are in every list; a login name or an e-mail address is not.
        words.iter().any(|word| word.tells_who() && *word != Word::Uid)
            && n_telling > 1
            && !columns.squashed().any(|(_, name)| is_of_sign_in(name))
    }

    fn read_table(
        &self,
        table: Table<'_>,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        read_people(table, options, sink)
    }
}

fn read_people(table: Table<'_>, options: &Options, sink: &mut Sink<'_>) -> Result<ReadSummary, ReadError> {
    let columns = Columns::new(table.header());
    let words: Vec<(usize, Word)> =
        columns.squashed().filter_map(|(column, name)| Some((column, Word::of(name)?))).collect();
    if !words.iter().any(|(_, word)| word.tells_who()) {
        return Err(columns.missing("who it is (an id, a login name or an e-mail address)"));
    }
    let mut without_zone = 0;
    let mut summary = tabular::read_rows(table, sink, &mut |row, events| {
        let mut person = Person::default();
        for (column, word) in &words {
            if let Some(text) = row.text(Some(*column)) {
                person.set(*word, Value::from(text));
            }
        }
        let event = person.into_event(options, &mut without_zone);
        events.push(event.map_err(|reason| row.problem(None, reason))?);
        Ok(())
    })?;
    summary.times_without_zone = without_zone;
    Ok(summary)
}

fn read_json(input: &mut dyn Read, options: &Options, sink: &mut Sink<'_>) -> Result<ReadSummary, ReadError> {
    let mut summary = ReadSummary::default();
    summary.read = jsonstream::read_records(input, &mut |found| {
        let record = match found {
            Ok(record) => record,
            Err(problem) => return sink(Item::Problem(problem)),
        };
        let object = match serde_json::from_slice(record.raw) {
            Ok(Strict(Value::Object(object))) => object,
            Ok(_) => return sink(Item::Problem(record.problem("not a JSON object"))),
            Err(error) => return sink(Item::Problem(record.parse_problem(&error))),
        };
        let event = person_of(object).into_event(options, &mut summary.times_without_zone);
        sink(match event {
            Ok(event) => Item::Draft(Draft { event, raw: record.raw.to_vec() }, record.place),
            Err(reason) => Item::Problem(record.problem(reason)),
        })
    })?;
    Ok(summary)
}

fn person_of(object: Map<String, Value>) -> Person {
    let mut person = Person::default();
    for (name, value) in object {
        if let Some(word) = Word::of(&squash(&name)) {
            person.set(word, value);
        }
    }
    person
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
