//! `[sessions.FORMAT]` of `whowas.toml`: how sessions of a format are paired, where the built-in rules do not fit.
//! `[sessions.default]` is for formats that have no rules of their own.

use std::collections::BTreeMap;

use whowas_query::sessions::{FormatRules, Keys, SessionRules};

/// What may be set for one format; what is not set stays as it is built in.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FormatSettings {
    /// `"unique"`, or `"reused"` if an id means another session later.
    ids: Option<Ids>,
    /// Seconds within which two logins of one user under one reused id are one.
    told_twice_s: Option<u32>,
    /// Seconds without any record after which a session is taken for over. 0 for never.
    timeout_s: Option<u32>,
    /// Seconds after the start when the credential's life is over. 0 for never.
    lifetime_s: Option<u32>,
    /// Whether the source tells ends.
    tells_ends: Option<bool>,
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ids {
    Unique,
    Reused,
}

/// The built-in rules with these settings in their place.
pub(crate) fn rules(settings: &BTreeMap<String, FormatSettings>) -> SessionRules {
    let mut rules = SessionRules::default();
    if let Some(default) = settings.get("default") {
        rules.default = default.applied_to(rules.default);
    }
    for (format, settings) in settings.iter().filter(|(format, _)| *format != "default") {
        let applied = settings.applied_to(rules.of(format));
        rules.formats.insert(format.clone(), applied);
    }
    rules
}

impl FormatSettings {
    fn applied_to(self, rules: FormatRules) -> FormatRules {
        let ms = |seconds: u32| i64::from(seconds) * 1000;
        let or_never = |seconds: u32| (seconds > 0).then(|| ms(seconds));
        FormatRules {
            keys: match self.ids {
                None => rules.keys,
                Some(Ids::Unique) => Keys::Unique,
                Some(Ids::Reused) => Keys::Reused,
            },
            told_twice_ms: self.told_twice_s.map_or(rules.told_twice_ms, ms),
            timeout_ms: self.timeout_s.map_or(rules.timeout_ms, or_never),
            lifetime_ms: self.lifetime_s.map_or(rules.lifetime_ms, or_never),
            tells_ends: self.tells_ends.unwrap_or(rules.tells_ends),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_stand_in_place_of_what_is_built_in() {
        let text = "[default]\ntimeout_s = 3600\n[auth-log]\ntold_twice_s = 5\nids = \"unique\"\n[mine]\nlifetime_s = 60\ntells_ends = false\ntimeout_s = 0\n";
        let rules = rules(&toml::from_str(text).unwrap());
        let auth_log = rules.of("auth-log");
        assert_eq!((auth_log.keys, auth_log.told_twice_ms, auth_log.timeout_ms), (Keys::Unique, 5_000, None));
        let mine = rules.of("mine");
        assert_eq!((mine.timeout_ms, mine.lifetime_ms, mine.tells_ends), (None, Some(60_000), false));
        assert_eq!(rules.of("other").timeout_ms, Some(3_600_000));
        assert_eq!(rules.of("wtmp"), SessionRules::default().of("wtmp"));
        assert!(toml::from_str::<FormatSettings>("timeout = 3").is_err(), "a misspelt setting is an error");
    }
}
