//! The rows of a page as the grid shows them, and the addresses around them.

use jiff::tz::TimeZone;
use whowas_event::{EnvironmentName, Time};
use whowas_query::{LoginPage, LoginRow, NameChange, NameSource, NamedQuery};

use super::{
    PAGE_ROWS, RawLogParams,
    range::{Range, local},
};
use crate::console::{address, grouped};

/// Newer pages that an address remembers; beyond, the way back leads to the first page.
const BACK_MAX: usize = 20;
/// Stands for the first page among remembered page tokens.
const FIRST_PAGE: &str = "first";

/// What *Export grid* offers beside CSV.
const EXPORTS: [(&str, &str); 5] = [
    ("Excel workbook (XLSX)", "xlsx"),
    ("JSON Lines", "jsonl"),
    ("Parquet", "parquet"),
    ("OCSF, JSON Lines", "ocsf"),
    ("CSV for programs, without the guard against formulas", "csv-raw"),
];

/// A row as the grid shows it.
pub(super) struct GridRow {
    pub(super) position: u64,
    pub(super) href: String,
    pub(super) id: String,
    pub(super) id_href: String,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) is_from_directory: bool,
    /// What the name was at sign-in, or who has the id now; empty where nothing differs.
    pub(super) other_name: String,
    pub(super) start: String,
    pub(super) end: String,
    pub(super) status: String,
    pub(super) status_detail: String,
    pub(super) ip: String,
    pub(super) place: String,
    pub(super) client: String,
    pub(super) user_agent: String,
    pub(super) service: String,
}

/// What a search found.
pub(super) struct Grid {
    pub(super) rows: Vec<GridRow>,
    pub(super) total: String,
    /// Which rows of the whole answer are on the page, from 1, if the address remembers all newer pages.
    pub(super) shown: Option<(String, String)>,
    pub(super) newer: Option<String>,
    pub(super) older: Option<String>,
    pub(super) export: String,
    /// The other formats: what they are called, and where.
    pub(super) exports: Vec<(&'static str, String)>,
    /// What an export in the background is asked for with.
    pub(super) job: [(&'static str, String); 4],
    pub(super) api: String,
    /// Where histogram and common values are.
    pub(super) summary: String,
}

/// Makes addresses of searches that differ in one thing from the one that is shown.
pub(super) struct Links<'a> {
    pub(super) name: &'a EnvironmentName,
    pub(super) params: &'a RawLogParams,
    pub(super) query: NamedQuery,
    pub(super) range: &'a Range,
}

impl Links<'_> {
    fn path(&self) -> String {
        format!("/p/{}/monitoring/raw-logs", self.name)
    }

    /// The form's fields, as short as they can be: what follows from others is left out.
    fn fields<'b>(&'b self, filter: &'b str, start: &'b str, end: &'b str) -> Vec<(&'b str, &'b str)> {
        let (is_fixed, preset) = (self.range.preset.is_empty() || !start.is_empty(), &self.range.preset);
        let start = if start.is_empty() && is_fixed { &self.range.start } else { start };
        let end = if end.is_empty() && is_fixed { &self.range.end } else { end };
        vec![
            ("query", self.query.as_str()),
            ("range", if is_fixed { "" } else { preset }),
            ("start", start),
            ("end", end),
            ("tz", if self.range.zone_name == "UTC" { "" } else { &self.range.zone_name }),
            ("filter", filter),
            ("hide", &self.params.hide),
        ]
    }

    /// The first page of the same search with another filter.
    pub(super) fn with_filter(&self, filter: &str) -> String {
        address(&self.path(), &self.fields(filter, "", ""))
    }

    /// The first page of the same search in another range, both ends as times of the zone.
    pub(super) fn with_range(&self, start: &str, end: &str) -> String {
        address(&self.path(), &self.fields(&self.params.filter, start, end))
    }

    fn with_page(&self, token: &str, back: &str) -> String {
        let mut fields = self.fields(&self.params.filter, "", "");
        fields.extend([("page", token), ("back", back)]);
        address(&self.path(), &fields)
    }

    fn summary(&self) -> String {
        address(&format!("{}/summary", self.path()), &self.fields(&self.params.filter, "", ""))
    }

    fn record(&self, position: u64) -> String {
        let tz = if self.range.zone_name == "UTC" { "" } else { &self.range.zone_name };
        address(&format!("{}/{position}", self.path()), &[("tz", tz)])
    }

    fn api(&self, resource: &str, format: &str) -> String {
        let (from, to) = (self.range.from.to_string(), self.range.to.to_string());
        let params = [
            ("as", format),
            ("query", self.query.as_str()),
            ("from", &from),
            ("to", &to),
            ("filter", &self.params.filter),
        ];
        address(&format!("/api/v1/environments/{}/{resource}", self.name), &params)
    }

    fn job(&self) -> [(&'static str, String); 4] {
        let filter = self.params.filter.clone();
        let (from, to) = (self.range.from.to_string(), self.range.to.to_string());
        [("query", self.query.as_str().to_owned()), ("from", from), ("to", to), ("filter", filter)]
    }

    pub(super) fn grid(&self, page: LoginPage) -> Grid {
        let params = self.params;
        let (newer, older) = (back_of(params), forth_of(params));
        let page_rows = page.rows.len();
        Grid {
            rows: page.rows.into_iter().map(|row| self.row(row)).collect(),
            total: grouped(page.total),
            shown: shown_rows(params, page_rows),
            newer: newer.map(|(token, back)| self.with_page(&token, &back)),
            older: page.next.map(|token| self.with_page(&token, &older)),
            export: self.api("export", "csv"),
            exports: EXPORTS
                .map(|(title, word)| (title, self.api("export", word)))
                .into_iter()
                .chain([
                    ("Evidence bundle", self.api("evidence", "csv")),
                    ("Report for an auditor (PDF)", self.api("report", "pdf")),
                ])
                .collect(),
            job: self.job(),
            api: self.api("logins", ""),
            summary: self.summary(),
        }
    }

    fn row(&self, row: LoginRow) -> GridRow {
        let id = row.user_uid.clone().or_else(|| row.user_name.clone()).unwrap_or_default();
        let place = [row.src_city, row.src_country].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let email = row.user_email_addr.or_else(|| row.user_name.clone().filter(|name| name.contains('@')));
        let zone = &self.range.zone;
        let is_erased = row.name_source == Some(NameSource::Erased);
        let gone = if is_erased { "(erased)".to_owned() } else { String::new() };
        let (name, other_name) = names(&row.name_at_sign_in, &row.name_now, row.name_change);
        GridRow {
            position: row.position,
            href: self.record(row.position),
            id_href: term("user", &id).map(|term| self.with_filter(&term)).unwrap_or_default(),
            id,
            name: name.or(row.user_full_name).or(row.user_name).unwrap_or(gone),
            other_name,
            email: email.unwrap_or_default(),
            is_from_directory: row.name_source == Some(NameSource::Directory),
            start: show_in(row.start, zone),
            end: show_in(row.end, zone),
            status: row.status,
            status_detail: row.status_detail.or(row.status_code).unwrap_or_default(),
            ip: row.src_ip.unwrap_or_default(),
            place,
            client: row.client.unwrap_or_default(),
            user_agent: row.user_agent.unwrap_or_default(),
            service: row.service_name.unwrap_or_default(),
        }
    }
}

/// The name to show, where another than the row's is meant, and a word about the one of then or now.
fn names(
    then: &Option<String>,
    now: &Option<String>,
    change: Option<NameChange>,
) -> (Option<String>, String) {
    let (Some(then), Some(now)) = (then, now) else { return (None, String::new()) };
    match change {
        Some(NameChange::Renamed) => (Some(now.clone()), format!("was {then}")),
        Some(NameChange::AnotherPerson) => (Some(then.clone()), format!("now the id of {now}")),
        None => (None, String::new()),
    }
}

fn show_in(time: Option<Time>, zone: &TimeZone) -> String {
    time.map(|time| local(time, zone, "%Y-%m-%d %H:%M:%S")).unwrap_or_default()
}

/// `key:"value"`, if a filter can say that: its values may hold anything but quotes.
pub(super) fn term(key: &str, value: &str) -> Option<String> {
    (!value.is_empty() && !value.contains('"')).then(|| format!("{key}:\"{value}\""))
}

/// The page before this one, newer, and what that page remembers.
fn back_of(params: &RawLogParams) -> Option<(String, String)> {
    if params.page.is_empty() {
        return None;
    }
    let (back, last) = params.back.rsplit_once('.').unwrap_or(("", &params.back));
    let token = if last == FIRST_PAGE { "" } else { last };
    Some((token.to_owned(), back.to_owned()))
}

/// The first and the last row of a page that has so many. `None` if there is none, or if it is unknown how
/// many pages were before.
fn shown_rows(params: &RawLogParams, page_rows: usize) -> Option<(String, String)> {
    let pages_before = if params.page.is_empty() { 0 } else { params.back.split('.').count() };
    let is_known = params.page.is_empty() || params.back.starts_with(FIRST_PAGE);
    let before = pages_before * PAGE_ROWS;
    let number = |row: usize| grouped(row as u64);
    (is_known && page_rows > 0).then(|| (number(before + 1), number(before + page_rows)))
}

/// What the next page, older, remembers.
fn forth_of(params: &RawLogParams) -> String {
    let this = if params.page.is_empty() { FIRST_PAGE } else { &params.page };
    let mut pages: Vec<&str> = params.back.split('.').filter(|token| !token.is_empty()).collect();
    pages.push(this);
    let skipped = pages.len().saturating_sub(BACK_MAX);
    pages.into_iter().skip(skipped).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(page: &str, back: &str) -> RawLogParams {
        RawLogParams { page: page.to_owned(), back: back.to_owned(), ..RawLogParams::default() }
    }

    #[test]
    fn the_way_back_is_in_the_address() {
        assert_eq!(back_of(&params("", "")), None);
        assert_eq!(forth_of(&params("", "")), "first");
        assert_eq!(back_of(&params("t1", "first")), Some((String::new(), String::new())));
        assert_eq!(forth_of(&params("t1", "first")), "first.t1");
        assert_eq!(back_of(&params("t2", "first.t1")), Some(("t1".to_owned(), "first".to_owned())));
        // Without a memory the way back leads to the first page.
        assert_eq!(back_of(&params("t9", "")), Some((String::new(), String::new())));
        let rows = |page: &str, back: &str, rows: usize| shown_rows(&params(page, back), rows);
        let text = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
        assert_eq!([rows("", "", 0), rows("t9", "t1.t2", 7)], [None, None]);
        assert_eq!(rows("", "", 100), text("1", "100"));
        assert_eq!(rows("t2", "first.t1", 44), text("201", "244"));
        let long = (0..50).fold(String::new(), |back, at| forth_of(&params(&format!("t{at}"), &back)));
        assert_eq!(long.split('.').count(), BACK_MAX);
    }

    #[test]
    fn a_renamed_person_has_the_name_of_now_and_another_person_is_no_rename() {
        let (then, now) = (Some("Anna Berg".to_owned()), Some("Bo Carl".to_owned()));
        assert_eq!(names(&then, &now, Some(NameChange::Renamed)), (now.clone(), "was Anna Berg".to_owned()));
        let other = names(&then, &now, Some(NameChange::AnotherPerson));
        assert_eq!(other, (then.clone(), "now the id of Bo Carl".to_owned()));
        assert_eq!(names(&then, &now, None), (None, String::new()));
        assert_eq!(names(&None, &now, None), (None, String::new()));
    }

    #[test]
    fn an_address_says_what_is_shown_and_no_more() {
        let name: EnvironmentName = "contoso/production".parse().unwrap();
        let now = Time::parse_rfc3339("2026-11-24T15:00:00Z").unwrap();
        let links = |params: &RawLogParams, change: &dyn Fn(&Links<'_>) -> String| {
            let range = Range::of(params, now).unwrap();
            change(&Links { name: &name, params, query: NamedQuery::default(), range: &range })
        };
        let relative =
            RawLogParams { range: "-7d".to_owned(), tz: "Asia/Tokyo".to_owned(), ..RawLogParams::default() };
        let path = "/p/contoso/production/monitoring/raw-logs?query=user-login-events";
        assert_eq!(
            links(&relative, &|links| links.with_filter("user:\"a b\"")),
            format!("{path}&range=-7d&tz=Asia%2FTokyo&filter=user%3A%22a+b%22")
        );
        assert_eq!(
            links(&relative, &|links| links.with_range("2026-11-24T01:00:00", "2026-11-24T02:00:00")),
            format!("{path}&start=2026-11-24T01%3A00%3A00&end=2026-11-24T02%3A00%3A00&tz=Asia%2FTokyo")
        );
        let fixed =
            RawLogParams { filter: "x".to_owned(), hide: "email".to_owned(), ..RawLogParams::default() };
        assert_eq!(
            links(&fixed, &|links| links.with_filter("y")),
            format!("{path}&start=2026-11-17&end=2026-11-24&filter=y&hide=email")
        );
        assert_eq!(
            [term("user", "a\"b"), term("user", ""), term("ip", "::1")],
            [None, None, Some("ip:\"::1\"".to_owned())]
        );
    }
}
