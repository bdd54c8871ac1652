//! Windows events as rows of a table: `SecurityEvent` as Log Analytics exports it, and whatever else has a column
//! for each field. A row says what a JSON object of the same members would.

use std::io::Read;

use serde_json::{Map, Value};

use super::json;
use crate::{
    contract::{Problem, ReadError, Sample, Stop},
    jsonstream,
    table::{Header, Line, Row, Table},
};

/// Receives the object of each row with its bytes, and what is none.
pub(super) type Each<'a> =
    dyn FnMut(Result<(&Row<'_>, Map<String, Value>), Problem>) -> Result<(), Stop> + 'a;

/// Whether a sample begins with the header of such a table. Event Viewer's CSV is none: it has no fields but a
/// text in the language of its user.
pub(super) fn recognizes(sample: Sample<'_>) -> bool {
    if jsonstream::is_json_like(sample) || sample.bytes.contains(&0) {
        return false;
    }
    let Some(header) = Header::of_sample(sample) else { return false };
    let columns = columns(&header);
    let has_user = columns.iter().any(|column| column.name.eq_ignore_ascii_case("TargetUserName"));
    // Any number will do for what is only asked for being there.
    has_user
        && json::is_event(&columns.iter().map(|column| (column.name.clone(), Value::from("1"))).collect())
}

/// Reads all rows; returns how many there were.
pub(super) fn read(input: &mut dyn Read, each: &mut Each<'_>) -> Result<u64, ReadError> {
    let mut table = Table::open(input)?;
    let columns = columns(table.header());
    while let Some(line) = table.next_line()? {
        match line {
            Line::Row(row) => {
                let said = columns.iter().enumerate().filter_map(|(at, column)| {
                    let text = row.text(Some(at))?;
                    let is_local = column.is_utc && !text.ends_with(['Z', 'z']);
                    let text = if is_local { format!("{text} UTC") } else { text.to_owned() };
                    Some((column.name.clone(), Value::from(text)))
                });
                let object = said.collect();
                each(Ok((&row, object)))?;
            }
            Line::Problem(problem) => each(Err(problem))?,
        }
    }
    Ok(table.rows())
}

struct Column {
    name: String,
    /// Whether its name says that its times are UTC.
    is_utc: bool,
}

fn columns(header: &Header) -> Vec<Column> {
    let names = header.names().iter();
    names
        .map(|name| {
            let bare = name.strip_suffix("[UTC]").or_else(|| name.strip_suffix("(UTC)"));
            Column { name: bare.unwrap_or(name).trim().to_owned(), is_utc: bare.is_some() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{
        WindowsEvents,
        fixture::{COMPUTER, LOGON, xml},
    };
    use crate::testing::{options, read, read_any, recognizes};

    #[test]
    fn rows_say_what_events_say() {
        let mut header =
            "\"TimeGenerated [UTC]\",Computer,EventSourceName,Channel,EventRecordId,EventID".to_owned();
        let mut row = format!(
            "\"11/20/2026, 8:15:30.123 AM\",{COMPUTER},Microsoft-Windows-Security-Auditing,Security,7,4624"
        );
        for (name, value) in LOGON {
            header = format!("{header},{name}");
            row = format!("{row},{value}");
        }
        let text = format!("{header}\r\n{row}\r\n{}\r\n", row.replace(",4624,", ",4672,"));
        let (format, reading) = read_any(text.as_bytes(), &options()).unwrap();
        assert_eq!((format, reading.others), ("windows-event", vec!["set aside: Security 4672".to_owned()]));
        let mut want = read(&WindowsEvents, &xml(4624, 7, LOGON)).events.remove(0);
        want.raw_time = reading.events[0].raw_time.clone();
        assert_eq!((reading.events[0].clone(), reading.summary.times_without_zone), (want, 0));
    }

    #[test]
    fn other_tables_are_not_taken() {
        for header in [
            "Level,Date and Time,Source,Event ID,Task Category",
            "Id,ProviderName,LogName,MachineName,TimeCreated,RecordId,Message",
            "TimeGenerated,Computer,EventID,TargetUserName",
            "a,b",
        ] {
            assert!(!recognizes(&WindowsEvents, &format!("{header}\n1,2,3,4,5,6,7\n")), "{header}");
        }
    }
}
