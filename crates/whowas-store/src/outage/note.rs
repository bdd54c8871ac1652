//! A note of an outage that outlives the process: written over room that was taken while there was some.
//!
//! A full disk has no room for a row of the control database. It does let bytes of a file be written over, where the
//! file system does not copy on write. A note is a hint to whoever starts next, no evidence: what it says becomes a record.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

use serde_json::{Value, json};
use whowas_event::Time;

use crate::{control::Outage, durable};

/// One block of most file systems. The first lines lie in its first sector, which is written as a whole or not at all.
const NOTE_BYTES: usize = 4096;
/// Outages that are noted at once: those of processes that ended one after the other on a disk that stayed full. Of more, the first.
const NOTED_MAX: usize = 16;

/// Takes the room, if it is not taken yet.
pub(super) fn reserve(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() == NOTE_BYTES as u64 => Ok(()),
        _ => {
            let mut file = File::create(path)?;
            file.write_all(&padded(&[]))?;
            file.sync_all()?;
            durable::sync_parent(path)
        }
    }
}

/// What is noted. A line that is none is skipped: it was torn, or is of another version.
pub(super) fn read(path: &Path) -> io::Result<Vec<Outage>> {
    let mut text = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(NOTE_BYTES as u64).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(text.split(|byte| *byte == b'\n').filter_map(parse).take(NOTED_MAX).collect())
}

/// Notes these and nothing else, in place.
pub(super) fn write(path: &Path, outages: &[Outage]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.write_all(&padded(outages))?;
    file.sync_data()
}

/// Notes one beside what is noted, in the place of what was noted of the same.
pub(super) fn add(path: &Path, outage: &Outage) -> io::Result<()> {
    let mut noted = read(path)?;
    noted.retain(|one| one.began_at != outage.began_at);
    noted.push(outage.clone());
    write(path, &noted)
}

/// Lines, and spaces to the end: bytes that are never zero cannot be left out by the file system.
fn padded(outages: &[Outage]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(NOTE_BYTES);
    for outage in outages.iter().take(NOTED_MAX) {
        let line = json!({
            "began_at": outage.began_at, "ended_at": outage.ended_at, "records": outage.records,
            "submissions": outage.submissions,
        });
        bytes.extend_from_slice(format!("{line}\n").as_bytes());
    }
    bytes.resize(NOTE_BYTES, b' ');
    bytes
}

fn parse(line: &[u8]) -> Option<Outage> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let time = |name: &str| Time::parse_rfc3339(value.get(name)?.as_str()?).ok();
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    let (began_at, ended_at) = (time("began_at")?, time("ended_at")?);
    let (submissions, records) = (number("submissions")?, number("records")?);
    (began_at <= ended_at).then_some(Outage { began_at, ended_at, submissions, records })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outage(began: i64, ended: i64, records: u64) -> Outage {
        let at = |ms| Time::from_ms(ms).unwrap();
        Outage { began_at: at(began), ended_at: at(ended), submissions: 1, records }
    }

    #[test]
    fn a_note_takes_no_room_that_was_not_taken_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outage");
        assert_eq!(read(&path).unwrap(), []);
        reserve(&path).unwrap();
        assert_eq!(read(&path).unwrap(), []);
        add(&path, &outage(1, 2, 5)).unwrap();
        add(&path, &outage(7, 9, 1)).unwrap();
        // Goes on, and takes the place of what was noted before.
        add(&path, &outage(1, 4, 11)).unwrap();
        assert_eq!(read(&path).unwrap(), [outage(7, 9, 1), outage(1, 4, 11)]);
        reserve(&path).unwrap();
        assert_eq!(read(&path).unwrap().len(), 2, "room that is taken stays as it is");
        for n in 0..40 {
            add(&path, &outage(1_790_000_000_000 + n, 1_790_000_900_000, u64::MAX)).unwrap();
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), NOTE_BYTES as u64);
        assert_eq!(read(&path).unwrap().len(), NOTED_MAX);
        write(&path, &[]).unwrap();
        assert_eq!(read(&path).unwrap(), []);
    }

    #[test]
    fn a_damaged_note_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outage");
        add(&path, &outage(1000, 2000, 5)).unwrap();
        let good = std::fs::read(&path).unwrap();
        let end = good.iter().position(|byte| *byte == b'\n').unwrap();
        for at in 0..end {
            std::fs::write(&path, &good[..at]).unwrap();
            assert_eq!(read(&path).unwrap(), [], "cut at {at}");
        }
        std::fs::write(&path, "\u{0}\n{}\n{\"began_at\":\"2026-01-02T00:00:00Z\",\"ended_at\":\"2026-01-01T00:00:00Z\",\"records\":1,\"submissions\":1}\n").unwrap();
        assert_eq!(read(&path).unwrap(), []);
        reserve(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), NOTE_BYTES as u64);
    }
}
