//! `window.json`: what a window of a schedule consists of. It is written last; what it does not name is nothing.

use serde::{Deserialize, Serialize};
use whowas_event::Time;
use whowas_export::windows::{Covered, Window};

/// The format's name and version.
pub const FORMAT: &str = "whowas-window@1";
/// The name of the manifest in the folder of its window.
pub const MANIFEST: &str = "window.json";
/// Bytes of a manifest: [`UNCOVERED_MAX`] intervals and [`FILES_MAX`] files, 300 bytes each.
pub const MANIFEST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Intervals that are listed as not covered; of more, the first.
pub const UNCOVERED_MAX: usize = 1000;
/// Files of one window: 20,000 segments are 2.6 billion records.
pub const FILES_MAX: usize = 20_000;

/// What a window consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `whowas-window@1`.
    pub format: String,
    /// Whose sign-ins.
    pub environment: String,
    /// The log.
    pub origin: String,
    /// The log's key when the window was written.
    pub vkey: String,
    /// The schedule.
    pub schedule: String,
    /// The window: sign-ins that occurred at or after …
    pub from: Time,
    /// … and before.
    pub to: Time,
    /// How complete its time was when it was written.
    pub covered: Covered,
    /// Which time of which source was not.
    pub uncovered: Vec<Uncovered>,
    /// SHA-256 of the `window.json` before; none in the first.
    pub previous: Option<String>,
    /// The records of this window's segments begin here, where those of the window before ended …
    pub first_position: u64,
    /// … and end before here.
    pub tree_size: u64,
    /// Roots of the complete subtrees before `first_position`, largest first, base64.
    pub peaks: Vec<String>,
    /// The checkpoint of `tree_size`.
    pub checkpoint: String,
    /// Rows of the window.
    pub rows: u64,
    /// Sign-ins and sign-outs of earlier windows among the records of the segments.
    pub late_rows: u64,
    /// Its files.
    pub files: Vec<Part>,
    /// When it was made.
    pub made_at: Time,
}

/// Time of a source that was not covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uncovered {
    /// The source.
    pub source: String,
    /// Its stream.
    pub stream: String,
    /// From here …
    pub from: Time,
    /// … to before here.
    pub to: Time,
    /// `open`, `at_risk` or `lost`.
    pub state: String,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The window's rows.
    Rows,
    /// An evidence bundle of them.
    Evidence,
    /// Records, from which the trail can be restored.
    Records,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name, beside the manifest.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Its size.
    pub bytes: u64,
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
    /// Of records: the first position …
    pub start: Option<u64>,
    /// … and one past the last.
    pub end: Option<u64>,
}

impl Manifest {
    /// Reads one. What it says is believed of nothing that is not checked; but names stay within its folder.
    ///
    /// # Errors
    /// It is none, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|e| format!("it is not one of {FORMAT}: {e}"))?;
        if manifest.format != FORMAT {
            return Err(format!("its format is not {FORMAT}"));
        }
        if manifest.files.len() > FILES_MAX {
            return Err(format!("it has more than {FILES_MAX} files"));
        }
        let is_plain = |name: &str| {
            let is_safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(is_safe)
        };
        if let Some(part) = manifest.files.iter().find(|part| !is_plain(&part.name)) {
            return Err(format!("a file has the name {:?}", part.name));
        }
        if manifest.from >= manifest.to || manifest.first_position > manifest.tree_size {
            return Err("it is about no time, or about no positions".to_owned());
        }
        Ok(manifest)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest is plain data");
        bytes.push(b'\n');
        bytes
    }
}

/// The folder of a window: `PROJECT/ENVIRONMENT/SCHEDULE/FROM_TO`.
pub fn folder(environment: &str, schedule: &str, window: Window) -> String {
    let time = |time: Time| time.to_string().replace(".000Z", "Z").replace(':', "-");
    format!("{environment}/{schedule}/{}_{}", time(window.from), time(window.to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_folder() {
        let at = |text| Time::parse_rfc3339(text).unwrap();
        let mut manifest = Manifest {
            format: FORMAT.into(),
            environment: "a/b".into(),
            origin: "o".into(),
            vkey: "v".into(),
            schedule: "weekly".into(),
            from: at("2026-11-02T00:00:00Z"),
            to: at("2026-11-09T00:00:00Z"),
            covered: Covered::Closed,
            uncovered: Vec::new(),
            previous: None,
            first_position: 0,
            tree_size: 0,
            peaks: Vec::new(),
            checkpoint: String::new(),
            rows: 0,
            late_rows: 0,
            files: Vec::new(),
            made_at: at("2026-11-09T01:00:00Z"),
        };
        assert_eq!(Manifest::parse(&manifest.to_bytes()).as_ref(), Ok(&manifest));
        for name in ["", "..", "../x", "a/b", ".hidden", "a\\b", "%2e%2e", &"x".repeat(201)] {
            let purpose = Purpose::Rows;
            let part =
                Part { name: name.into(), purpose, bytes: 0, sha256: String::new(), start: None, end: None };
            manifest.files = vec![part];
            assert!(Manifest::parse(&manifest.to_bytes()).is_err(), "{name}");
        }
        let window = Window { from: manifest.from, to: manifest.to };
        assert_eq!(folder("a/b", "weekly", window), "a/b/weekly/2026-11-02T00-00-00Z_2026-11-09T00-00-00Z");
    }
}
