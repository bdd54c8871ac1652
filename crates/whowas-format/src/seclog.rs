//! What CEF and LEEF events mean: both are a vendor, a product, a name and keys with values, and differ in how
//! that is written ([`crate::cef`], [`crate::leef`]).
//!
//! An event is a sign-in if it says so itself: LEEF's `isLoginEvent` and `isLogoutEvent`, or the name, the id of the
//! event, `act` or `cat`, where that speaks of signing in and of nothing else (`eventname.rs`). All others are
//! set aside, counted by product and name.
//!
//! | field | CEF | LEEF |
//! |---|---|---|
//! | `occurred_at` | `rt`, `end`, `start`; else the syslog head | `devTime`; else the syslog head |
//! | `native_id` | made of the line: ids of products are not unique enough to tell a repetition by | the same |
//! | `user.*` | `duser`, `duid`, `dntdom`; else `suser`, `suid`, `sntdom`, who is the actor beside another | `usrName`, `domain` |
//! | `src_endpoint.*` | `src`, `c6a2`, `shost`, `spt` | `src`, `identSrc`, `srcPort`, `identHostName` |
//! | `dst_endpoint`, `service` | `dhost`, `dvchost`; the product | `dstHostName`; the product |
//! | `status` | `outcome`, else the name | the name |
//! | `status_code`, `status_detail` | `reason`, `msg` | `reason` |
//! | `session.uid` | the labelled custom text that is called a session id; `sessionId` | `sessionId`, `session` |
//! | `unmapped` | everything else; custom texts under their labels | everything else |

use serde_json::{Map, Value};
use whowas_event::{Activity, Event, Status, admit::parse_ip};

use crate::{
    contract::Options,
    dates, eventname,
    instant::Instant,
    strict::canonical_object,
    syslog::{self, SyslogLine},
};

/// One event, in its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SecurityEvent {
    pub(crate) vendor: String,
    pub(crate) product: String,
    pub(crate) version: String,
    /// The product's id for this kind of event.
    pub(crate) id: String,
    /// Its name for people; LEEF has none.
    pub(crate) name: String,
    /// The last of several values of a key counts, as both specifications imply.
    pub(crate) fields: Map<String, Value>,
}

/// What a line is.
#[derive(Debug)]
pub(crate) enum Meaning {
    Event(Box<Event>),
    Aside(String),
}

/// The longest category that is counted by itself.
const CATEGORY_CHARS_MAX: usize = 60;

impl SecurityEvent {
    fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Takes the first of these keys that says something.
    fn take(&mut self, keys: &[&str]) -> Option<String> {
        let key = keys.iter().find(|key| self.text(key).is_some())?;
        match self.fields.remove(*key) {
            Some(Value::String(text)) => Some(text.trim().to_owned()),
            _ => None,
        }
    }

    fn meaning(&self) -> Option<(Activity, Status)> {
        let is =
            |key: &str| self.text(key).is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1");
        let phrases = [Some(self.name.as_str()), Some(self.id.as_str()), self.text("act"), self.text("cat")];
        let told = phrases.into_iter().flatten().find_map(eventname::phrase_meaning);
        let (activity, status) = match (is("isLoginEvent"), is("isLogoutEvent"), told) {
            (true, _, Some((Activity::Logon, status))) => (Activity::Logon, status),
            (true, _, _) => (Activity::Logon, Status::Success),
            (_, true, _) => (Activity::Logoff, Status::Success),
            (_, _, told) => told?,
        };
        let outcome = self.text("outcome").map(str::to_ascii_lowercase);
        let status = match outcome.as_deref() {
            Some("failure" | "failed" | "fail" | "denied" | "deny" | "blocked" | "error" | "/failure") => {
                Status::Failure
            }
            Some("success" | "succeeded" | "successful" | "/success") => Status::Success,
            _ => status,
        };
        Some((activity, status))
    }

    /// The event of a line; `head` is the syslog line around it, if there is one.
    pub(crate) fn read(
        mut self,
        head: Option<SyslogLine<'_>>,
        options: &Options,
    ) -> Result<(Meaning, bool), String> {
        let Some((activity, status)) = self.meaning() else {
            let name = if self.name.is_empty() { &self.id } else { &self.name };
            let category = format!("{}: {name}", self.product);
            return Ok((Meaning::Aside(category.chars().take(CATEGORY_CHARS_MAX).collect()), false));
        };
        let instant = self.instant(head, options)?;
        let is_without_zone = instant.is_without_zone;
        let mut event = Event {
            activity,
            status,
            occurred_at: instant.time,
            raw_time: instant.raw_time,
            ..Event::default()
        };
        for key in ["outcome", "isLoginEvent", "isLogoutEvent", "devTimeFormat"] {
            self.fields.remove(key);
        }
        self.label_customs();
        self.who(&mut event);
        self.place(&mut event);
        event.dst_hostname = self
            .take(&["dhost", "dstHostName", "dvchost", "deviceHostName"])
            .or_else(|| head.and_then(|head| head.host).map(str::to_owned));
        event.service.name = Some(self.product.clone()).filter(|product| !product.is_empty());
        event.status_detail = self.take(&["reason", "msg"]);
        event.session_uid =
            self.take(&["sessionId", "sessionID", "session_id", "Session ID", "session id", "session"]);
        event.user_agent = self.take(&["requestClientApplication", "userAgent"]);
        event.status_code = Some(self.id.clone()).filter(|id| !id.is_empty());
        for (name, value) in [("vendor", self.vendor), ("version", self.version), ("event_name", self.name)] {
            self.fields.entry(name).or_insert_with(|| value.into());
        }
        event.unmapped = canonical_object(self.fields)?;
        Ok((Meaning::Event(Box::new(event)), is_without_zone))
    }

    /// `cs1=…` with `cs1Label=…` is a value under that label.
    fn label_customs(&mut self) {
        let labels: Vec<String> = self.fields.keys().filter(|key| key.ends_with("Label")).cloned().collect();
        for label in labels {
            let key = label.trim_end_matches("Label");
            if matches!(key, "c6a2" | "c6a3" | "c6a1" | "c6a4") {
                continue;
            }
            if let (Some(Value::String(name)), Some(value)) =
                (self.fields.get(&label).cloned(), self.fields.remove(key))
            {
                self.fields.remove(&label);
                let name = if name.trim().is_empty() { key.to_owned() } else { name.trim().to_owned() };
                self.fields.entry(name).or_insert(value);
            }
        }
    }

    fn who(&mut self, event: &mut Event) {
        let target = self.take(&["duser", "usrName", "userName"]);
        let target_id = self.take(&["duid"]);
        let source = self.take(&["suser"]);
        let source_id = self.take(&["suid"]);
        let domain = self.take(&["dntdom", "domain"]).or_else(|| self.take(&["sntdom"]));
        let user = &mut event.user;
        if target.is_some() || target_id.is_some() {
            let is_other = target.is_some() && source.is_some() && source != target;
            event.actor.name = source.filter(|_| is_other);
            event.actor.uid = source_id.filter(|id| is_other && Some(id) != target_id.as_ref());
            (user.name, user.uid) = (target, target_id);
        } else {
            (user.name, user.uid) = (source, source_id);
        }
        user.domain = domain;
        user.email_addr = user.name.clone().filter(|name| name.contains('@'));
        // NetBIOS names, as Windows shows them.
        if let Some((domain, name)) = user.name.as_deref().and_then(|name| name.split_once('\\'))
            && user.domain.is_none()
            && !name.is_empty()
        {
            (user.domain, user.name) = (Some(domain.to_owned()), Some(name.to_owned()));
        }
    }

    fn place(&mut self, event: &mut Event) {
        let src = &mut event.src_endpoint;
        let address = self.take(&["src", "identSrc", "sourceAddress", "c6a2"]);
        match address.as_deref().and_then(parse_ip) {
            Some(ip) => src.ip = Some(ip.to_string()),
            None => src.hostname = address,
        }
        let host = self.take(&["shost", "identHostName"]);
        src.hostname = host.or(src.hostname.take());
        src.port = self.take(&["spt", "srcPort"]).and_then(|port| port.parse().ok());
        self.fields.remove("c6a2Label");
    }

    fn instant(&mut self, head: Option<SyslogLine<'_>>, options: &Options) -> Result<Instant, String> {
        let key = ["rt", "devTime", "end", "start"].into_iter().find(|key| self.text(key).is_some());
        if let Some(key) = key {
            let text = self.text(key).unwrap_or_default().to_owned();
            let instant = instant(&text, options).map_err(|error| format!("`{key}`: {error}"))?;
            self.fields.remove(key);
            return Ok(instant);
        }
        let stamp =
            head.map(|head| head.stamp).ok_or("the event has no time: neither its own nor of syslog")?;
        stamp.instant(options).map_err(|error| format!("the time `{}`: {error}", stamp.text()))
    }
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A time of CEF or LEEF: milliseconds since 1970, `Nov 24 2026 07:22:01.500 UTC`, `Nov 24 07:22:01`, or what all formats read.
fn instant(text: &str, options: &Options) -> Result<Instant, String> {
    if let (10..=16, Ok(number)) = (text.len(), text.parse::<u64>()) {
        // Ten digits are seconds until the year 2286, sixteen microseconds.
        let microseconds = match text.len() {
            10 => number.saturating_mul(1_000_000),
            16 => number,
            _ => number.saturating_mul(1000),
        };
        return crate::instant::of_microseconds(microseconds).map_err(|error| error.to_string());
    }
    let words: Vec<&str> = text.splitn(4, ' ').collect();
    if let [month, day, year, rest] = words.as_slice()
        && let Some(month) = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name))
        && year.len() == 4
    {
        let day = day.trim_end_matches(',');
        let text = format!("{year}-{:02}-{day:0>2} {rest}", month + 1);
        return dates::parse(&text, options).map_err(|error| error.to_string());
    }
    if let Some((stamp, _)) = syslog::stamp(text) {
        return stamp.instant(options).map_err(|error| error.to_string());
    }
    dates::parse(text, options).map_err(|error| error.to_string())
}
