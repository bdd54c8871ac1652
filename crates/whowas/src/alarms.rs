//! `[[alarm]]` of `whowas.toml`: what somebody is told of, and who.

use std::path::PathBuf;

use whowas_server::{
    alarm::{AlarmKind, Rule, Target},
    webhook::Webhook,
};

use crate::{failure::Failure, sources::read_secret};

/// Letters of an alarm's name.
const NAME_CHARS_MAX: usize = 64;
/// A reminder more often than this would be noise, and a record of nothing.
const REPEAT_MS_MIN: i64 = 3_600_000;

/// One `[[alarm]]`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlarmSetting {
    /// Its name.
    name: String,
    /// Which PROJECT/ENVIRONMENT [default: all].
    #[serde(default)]
    environments: Vec<String>,
    /// Which sources [default: all].
    #[serde(default)]
    sources: Vec<String>,
    /// Which kinds [default: all].
    #[serde(default)]
    kinds: Vec<String>,
    /// So long before a source forgets it, time that is open is at risk [default: a quarter of its retention].
    before: Option<String>,
    /// So often what goes on is told again [default: never].
    repeat: Option<String>,
    /// Whether its end is told, too [default: yes].
    resolved: Option<bool>,
    /// Whether the server's log is told [default: if there is no url].
    log: Option<bool>,
    /// Where to send it, signed as Standard Webhooks say.
    url: Option<String>,
    /// The variable of the environment that holds the secret of its signatures.
    secret_env: Option<String>,
    /// The file that holds it.
    secret_file: Option<PathBuf>,
}

/// Every alarm of the settings, with its secret read.
pub(crate) fn alarms(settings: &[AlarmSetting]) -> Result<Vec<Target>, Failure> {
    let mut all: Vec<Target> = Vec::new();
    for setting in settings {
        let wrong = |reason| Failure::not_understood(format!("alarm {}: {reason}", setting.name));
        let target = setting.target().map_err(wrong)?;
        if all.iter().any(|other| other.rule.name == target.rule.name) {
            return Err(wrong("name: there are two of this name".to_owned()));
        }
        all.push(target);
    }
    Ok(all)
}

impl AlarmSetting {
    fn target(&self) -> Result<Target, String> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > NAME_CHARS_MAX || !self.name.chars().all(is_plain) {
            return Err(format!("name: write a-z, 0-9 and -, {NAME_CHARS_MAX} at most"));
        }
        let environments = self
            .environments
            .iter()
            .map(|name| name.parse().map_err(|e| format!("environments: {name}: {e}")));
        let kinds = self.kinds.iter().map(|word| {
            let known = AlarmKind::ALL.map(AlarmKind::as_str).join(", ");
            AlarmKind::from_word(word).ok_or_else(|| format!("kinds: {word}: write some of {known}"))
        });
        let age = |name: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let ms = whowas_query::select::age_ms(text).filter(|ms| *ms > 0);
            ms.map(Some).ok_or_else(|| format!("{name}: {text}: write an age, such as 2d"))
        };
        let rule = Rule {
            name: self.name.clone(),
            environments: environments.collect::<Result<_, _>>()?,
            sources: self.sources.clone(),
            kinds: kinds.collect::<Result<_, _>>()?,
            before_ms: age("before", &self.before)?,
            repeat_ms: age("repeat", &self.repeat)?,
            tells_resolved: self.resolved.unwrap_or(true),
        };
        if rule.repeat_ms.is_some_and(|ms| ms < REPEAT_MS_MIN) {
            return Err("repeat: an hour at least".to_owned());
        }
        let webhooks = match &self.url {
            Some(url) => {
                let secret = read_secret(self.secret_env.as_deref(), self.secret_file.as_deref())?;
                vec![Webhook::new(url, secret.reveal())?]
            }
            None if self.secret_env.is_some() || self.secret_file.is_some() => {
                return Err("url: there is a secret and nobody to tell".to_owned());
            }
            None => Vec::new(),
        };
        let is_logged = self.log.unwrap_or(webhooks.is_empty());
        if webhooks.is_empty() && !is_logged {
            return Err("url: nobody is told".to_owned());
        }
        Ok(Target { rule, webhooks, is_logged })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<(), &str>) {
        let setting: AlarmSetting = toml::from_str(&format!("name = \"on-call\"\n{text}")).unwrap();
        assert_eq!(setting.target().map(|_| ()), want.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn alarms_are_complete_or_refused_with_what_is_wrong() {
        check("", Ok(()));
        check("kinds = [\"at_risk\", \"lost\"]\nbefore = \"2d\"\nrepeat = \"1d\"", Ok(()));
        check("environments = [\"contoso/production\"]\nresolved = false", Ok(()));
        check(
            "kinds = [\"fire\"]",
            Err(
                "kinds: fire: write some of silence, at_risk, lost, truncated, late_window, failed_window, outage",
            ),
        );
        check("repeat = \"5m\"", Err("repeat: an hour at least"));
        check("before = \"soon\"", Err("before: soon: write an age, such as 2d"));
        check("log = false", Err("url: nobody is told"));
        check("secret_env = \"X\"", Err("url: there is a secret and nobody to tell"));
        check("url = \"https://x.example/\"", Err("secret_env or secret_file: say where the secret is"));
        for name in ["", "a b", &"a".repeat(65)] {
            let setting = AlarmSetting { name: name.to_owned(), ..AlarmSetting::default() };
            assert!(setting.target().is_err(), "{name}");
        }
        let twice: AlarmSetting = toml::from_str("name = \"a\"").unwrap();
        assert!(alarms(&[twice.clone(), twice]).is_err());
    }
}
