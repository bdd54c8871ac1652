//! `[[schedule]]` and `[[webhook]]` of `whowas.toml`: exports that are made by themselves, and who is told.

use std::{path::PathBuf, sync::Arc};

use jiff::tz::TimeZone;
use whowas_event::Time;
use whowas_export::{
    ExportFormat, FileFormat,
    windows::{Every, Schedule},
};
use whowas_server::{
    archive::{Offline, Scheduled},
    webhook::Webhook,
};

use crate::{failure::Failure, sources::read_secret, times};

const HOUR_MS: i64 = 3_600_000;
/// Of a window that is not covered: Graph closes time after three and a half days.
const LATEST_DEFAULT: &str = "5d";
/// Between two looks at what was written.
const VERIFY_DEFAULT: &str = "30d";
/// Letters of a schedule's name, which is part of paths.
const NAME_CHARS_MAX: usize = 64;

/// One `[[schedule]]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleSetting {
    /// PROJECT/ENVIRONMENT; created if there is none.
    environment: String,
    /// Its name, part of the paths in the storage [default: weekly].
    name: Option<String>,
    /// The first window begins here: a date (UTC) or RFC 3339. Its day of the week or month is that of all windows.
    begin: String,
    /// How long windows are: days, weeks or months [default: 7d].
    every: Option<String>,
    /// So long after its end a window that is not covered is exported all the same, as late [default: 5d].
    latest: Option<String>,
    /// So often what was written is read back and checked [default: 30d].
    verify: Option<String>,
    /// Where: a folder, s3://BUCKET/PREFIX or az://CONTAINER/PREFIX.
    to: String,
    /// As what the rows are written beside the evidence [default: csv and parquet].
    r#as: Option<Vec<String>>,
}

/// One `[[webhook]]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookSetting {
    /// Its address.
    url: String,
    /// The variable of the environment that holds the secret of its signatures.
    secret_env: Option<String>,
    /// The file that holds it.
    secret_file: Option<PathBuf>,
}

/// Every schedule of the settings.
pub(crate) fn schedules(settings: &[ScheduleSetting], now: Time) -> Result<Vec<Scheduled>, Failure> {
    let mut all: Vec<Scheduled> = Vec::new();
    for setting in settings {
        let wrong = |reason: String| {
            Failure::not_understood(format!("schedule of {}: {reason}", setting.environment))
        };
        let one = setting.scheduled(now).map_err(wrong)?;
        if all
            .iter()
            .any(|other| (&other.environment, &other.schedule.name) == (&one.environment, &one.schedule.name))
        {
            return Err(wrong(format!("name: there are two with the name {}", one.schedule.name)));
        }
        all.push(one);
    }
    Ok(all)
}

/// Every webhook of the settings, with its secret read.
pub(crate) fn webhooks(settings: &[WebhookSetting]) -> Result<Vec<Webhook>, Failure> {
    let webhook = |setting: &WebhookSetting| {
        let secret = read_secret(setting.secret_env.as_deref(), setting.secret_file.as_deref());
        secret.and_then(|secret| Webhook::new(&setting.url, secret.reveal()))
    };
    // The address itself may be a secret: which one is told by its number.
    let numbered = settings.iter().enumerate();
    numbered
        .map(|(count, setting)| {
            webhook(setting)
                .map_err(|reason| Failure::not_understood(format!("webhook {}: {reason}", count + 1)))
        })
        .collect()
}

impl ScheduleSetting {
    fn scheduled(&self, now: Time) -> Result<Scheduled, String> {
        let environment = self.environment.parse().map_err(|e| format!("environment: {e}"))?;
        let name = self.name.clone().unwrap_or_else(|| "weekly".to_owned());
        let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !is_plain {
            return Err(format!("name: {name}: write a-z, 0-9 and -, {NAME_CHARS_MAX} at most"));
        }
        let begin = times::parse(&self.begin, now, &TimeZone::UTC, false);
        let begin = begin.map_err(|_| format!("begin: {}: write a date, such as 2026-11-02", self.begin))?;
        let every = Every::parse(self.every.as_deref().unwrap_or("7d")).map_err(|e| format!("every: {e}"))?;
        let age = |name: &str, text: &Option<String>, default: &str| {
            let text = text.as_deref().unwrap_or(default);
            let age = whowas_query::select::age_ms(text).filter(|ms| *ms > 0);
            age.ok_or_else(|| format!("{name}: {text}: write an age, such as {default}"))
        };
        let latest_ms = age("latest", &self.latest, LATEST_DEFAULT)?;
        let verify_ms = age("verify", &self.verify, VERIFY_DEFAULT)?.max(HOUR_MS);
        let formats = match &self.r#as {
            None => vec![FileFormat::Rows(ExportFormat::Csv), FileFormat::Parquet],
            Some(words) => words.iter().map(|word| FileFormat::from_word(word)).collect::<Result<_, _>>()?,
        };
        let storage = Offline::open(&self.to).map_err(|e| format!("to: {e}"))?;
        let schedule = Schedule { name, begin, every, settle_ms: HOUR_MS, latest_ms, verify_ms };
        Ok(Scheduled { environment, schedule, storage: Arc::new(storage), formats })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<&str, &str>) {
        #[derive(serde::Deserialize)]
        struct File {
            schedule: Vec<ScheduleSetting>,
        }
        let text = format!("[[schedule]]\nenvironment = \"a/b\"\n{text}");
        let now = Time::parse_rfc3339("2026-11-24T12:00:00Z").unwrap();
        let got = toml::from_str::<File>(&text)
            .map_err(|e| e.message().to_owned())
            .and_then(|file| file.schedule[0].scheduled(now))
            .map(|one| {
                let window = one.schedule.next(None);
                format!("{} {} {} {}", one.schedule.name, window.from, window.to, one.storage.shown())
            });
        assert_eq!(got.as_deref().map_err(String::as_str), want, "{text}");
    }

    #[test]
    fn schedules_are_complete_or_refused_with_what_is_wrong() {
        let week = "begin = \"2026-11-02\"\nto = \"/x\"";
        check(week, Ok("weekly 2026-11-02T00:00:00.000Z 2026-11-09T00:00:00.000Z /x"));
        check(
            &format!("{week}\nname = \"months\"\nevery = \"1m\""),
            Ok("months 2026-11-02T00:00:00.000Z 2026-12-02T00:00:00.000Z /x"),
        );
        check("to = \"/x\"", Err("missing field `begin`"));
        check("begin = \"monday\"\nto = \"/x\"", Err("begin: monday: write a date, such as 2026-11-02"));
        check(
            &format!("{week}\nevery = \"0d\""),
            Err("every: 0d: write days, weeks or months, such as 7d, 1w or 1m; a year at most"),
        );
        check(&format!("{week}\nlatest = \"soon\""), Err("latest: soon: write an age, such as 5d"));
        check(&format!("{week}\nname = \"../x\""), Err("name: ../x: write a-z, 0-9 and -, 64 at most"));
        check(
            &format!("{week}\nas = [\"pdf\"]"),
            Err("there is no export of this name; there are csv, xlsx, jsonl, parquet, ocsf, csv-raw"),
        );
        check(
            "begin = \"2026-11-02\"\nto = \"ftp://x\"",
            Err("to: ftp://x: write a folder, s3://BUCKET/PREFIX or az://CONTAINER/PREFIX"),
        );
    }
}
