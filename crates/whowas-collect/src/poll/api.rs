//! What one kind of source is: where its records are asked for, and how an answer goes on.
//!
//! Pure: addresses and bytes in, addresses out. The executor is [`super::collector`].

use std::fmt;

use url::Url;
use whowas_event::Time;

use super::http::{Response, Secret};
use crate::coverage::{Terms, plan::Rhythm};

/// How a stream is read.
#[derive(Clone, Debug)]
pub enum Mode {
    /// By windows of time, each several times.
    Windows(Rhythm),
    /// Everything behind a mark that the source gives and keeps; everything again if it gives none.
    Marks {
        /// Time between two polls.
        every_ms: i64,
        /// What is known of the source.
        terms: Terms,
        /// How far before the last mark reading begins again when the mark is not accepted any more.
        overlap_ms: i64,
    },
}

/// One stream of a source.
#[derive(Clone, Debug)]
pub struct StreamSpec {
    /// Its name; empty if the source has but one.
    pub name: String,
    /// How it is read.
    pub mode: Mode,
}

/// How requests are signed.
#[derive(Clone, Debug)]
pub enum Auth {
    /// With this header.
    Header(Secret),
    /// With a token for client id and secret (RFC 6749 §4.4).
    ClientCredentials {
        /// Where it is asked for.
        token_url: Url,
        /// The form, secret included.
        form: Secret,
    },
}

/// How an answer goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// With the page at this address.
    Page(String),
    /// Not at all. Of marks: where the next poll goes on.
    End(Option<String>),
}

/// The answer is not what the source documents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not as documented: {0}")]
pub struct Unreadable(pub String);

/// One kind of source.
pub trait Api: Send + Sync + fmt::Debug {
    /// The format of its records.
    fn format(&self) -> &'static str;
    /// Its streams.
    fn streams(&self) -> Vec<StreamSpec>;
    /// How its requests are signed.
    fn auth(&self) -> &Auth;
    /// So many requests are allowed in so many milliseconds.
    fn rate(&self) -> (usize, i64);
    /// Where the records of `[from, to)` are asked for. Of marks, `to` is now.
    fn first(&self, stream: &str, from: Time, to: Time) -> Url;
    /// What follows the answer to a request to `url`.
    fn next(&self, url: &Url, response: &Response) -> Result<Next, Unreadable>;
    /// Every address that requests may go to.
    fn hosts(&self) -> Vec<Url>;
}

/// The longest address of a next page that is followed: those of Graph have some 2,000 bytes.
const LINK_BYTES_MAX: usize = 16 * 1024;

/// A link as it stands in an answer.
pub(crate) fn link(text: &str) -> Result<String, Unreadable> {
    if text.len() > LINK_BYTES_MAX {
        return Err(Unreadable(format!("a link of {} bytes", text.len())));
    }
    match Url::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Unreadable(format!("a link: {error}"))),
    }
}

/// The frame of a page of OData: Graph's, and Dynamics'.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct ODataPage {
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta: Option<String>,
    /// Parsed whole, so that an answer that breaks off is no answer.
    #[expect(dead_code, reason = "its being there and well-formed is what matters")]
    value: Vec<serde::de::IgnoredAny>,
}

impl ODataPage {
    /// What follows a page.
    pub(crate) fn next(body: &[u8]) -> Result<Next, Unreadable> {
        let page: Self = serde_json::from_slice(body).map_err(|e| Unreadable(plain(&e)))?;
        Ok(match (page.next, page.delta) {
            (Some(next), _) => Next::Page(link(&next)?),
            (None, delta) => Next::End(delta.map(|delta| link(&delta)).transpose()?),
        })
    }
}

/// The records of an answer that is an array.
pub(crate) fn array_len(body: &[u8]) -> Result<usize, Unreadable> {
    let records: Vec<serde::de::IgnoredAny> =
        serde_json::from_slice(body).map_err(|e| Unreadable(plain(&e)))?;
    Ok(records.len())
}

/// A parser's error without the values that it may quote: it gets into logs and records.
fn plain(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it breaks off",
        serde_json::error::Category::Data => "a member is missing or of another type",
        _ => "no JSON",
    };
    format!("{what} at line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_odata_go_on_or_end_and_what_breaks_off_is_no_page() {
        let check = |body: &str, want: Result<Next, &str>| {
            assert_eq!(
                ODataPage::next(body.as_bytes()).map_err(|e| e.0),
                want.map_err(str::to_owned),
                "{body}"
            );
        };
        let next = || Ok(Next::Page("https://a/x?$skiptoken=1".into()));
        check(r#"{"value":[{"id":1}],"@odata.nextLink":"https://a/x?$skiptoken=1"}"#, next());
        check(r#"{"@odata.nextLink":"https://a/x?$skiptoken=1","value":[]}"#, next());
        check(r#"{"value":[]}"#, Ok(Next::End(None)));
        check(r#"{"value":[],"@odata.deltaLink":"https://a/d"}"#, Ok(Next::End(Some("https://a/d".into()))));
        check(r#"{"value":[{"id":1},"#, Err("it breaks off at line 1, column 19"));
        check("", Err("it breaks off at line 1, column 0"));
        check(
            r#"{"error":{"code":"x"}}"#,
            Err("a member is missing or of another type at line 1, column 22"),
        );
        check(r#"{"value":[],"@odata.nextLink":"/x"}"#, Err("a link: relative URL without a base"));
    }
}
