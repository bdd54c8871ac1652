//! The real network: `reqwest` with rustls, without redirects, every answer bounded in time and size.

use std::time::Duration;

use async_trait::async_trait;
use jiff::fmt::rfc2822;
use reqwest::{
    Client,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LINK, RETRY_AFTER},
    redirect::Policy,
};
use url::{Host, Url};
use whowas_event::Time;

use super::http::{Http, HttpError, Request, Response};
use crate::with_causes;

/// For a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole answer: Okta ends queries after 30 s, Graph takes longer at times.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of an answer: 1,000 sign-ins of Graph have some 5 MB.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Headers `Link` that are looked at.
const LINKS_MAX: usize = 16;

/// Sends requests over the network.
#[derive(Clone, Debug)]
pub struct Web {
    client: Client,
    /// For sources on this machine, which no proxy can reach.
    direct: Client,
}

impl Web {
    /// Ready to send.
    pub fn new() -> Result<Self, String> {
        let builder = || {
            Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(ANSWER_TIMEOUT)
                .redirect(Policy::none())
                .user_agent(concat!("whowas/", env!("CARGO_PKG_VERSION")))
        };
        let build = |builder: reqwest::ClientBuilder| builder.build().map_err(|e| e.to_string());
        Ok(Self { client: build(builder())?, direct: build(builder().no_proxy())? })
    }
}

#[async_trait]
impl Http for Web {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let client = if is_here(&request.url) { &self.direct } else { &self.client };
        let url = request.url.clone();
        let mut builder = match &request.form {
            None => client.get(url),
            Some(form) => client
                .post(url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.reveal().to_owned()),
        };
        if let Some(value) = &request.authorization {
            let mut header = HeaderValue::from_str(value.reveal())
                .map_err(|_| HttpError::Broken("the credential is no value of a header".to_owned()))?;
            header.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, header);
        }
        // Addresses of pages are long and of no use to whoever reads the error.
        let broken = |error: reqwest::Error| HttpError::Broken(with_causes(&error.without_url()));
        let mut answer = builder.send().await.map_err(broken)?;
        let mut response = Response { status: answer.status().as_u16(), ..head(answer.headers()) };
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            response.body.extend_from_slice(&chunk);
            if response.body.len() > BODY_BYTES_MAX {
                return Err(HttpError::TooLong(BODY_BYTES_MAX));
            }
        }
        Ok(response)
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// What the headers say.
fn head(headers: &HeaderMap) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let date = text(DATE.as_str()).and_then(http_date);
    let until = |time: Time| date.map(|date| time.as_ms() - date.as_ms());
    let seconds = |text: &str| text.trim().parse::<i64>().ok();
    let retry_after = text(RETRY_AFTER.as_str()).and_then(|text| match seconds(text) {
        Some(seconds) => Some(seconds.saturating_mul(1000)),
        None => until(http_date(text)?),
    });
    // Okta says instead when its minute is over, in seconds since 1970.
    let reset = || {
        let at = seconds(text("x-rate-limit-reset")?)?.checked_mul(1000)?;
        until(Time::from_ms(at).ok()?)
    };
    let links = headers.get_all(LINK).iter().take(LINKS_MAX);
    Response {
        retry_after_ms: retry_after.or_else(reset),
        date,
        links: links.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect(),
        ..Response::default()
    }
}

fn http_date(text: &str) -> Option<Time> {
    let zoned = rfc2822::parse(text).ok()?;
    Time::from_ms(zoned.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry_after(pairs: &[(&'static str, &'static str)]) -> Option<i64> {
        let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        head(&pairs.collect()).retry_after_ms
    }

    #[test]
    fn pauses_are_asked_for_in_three_ways() {
        let date = ("date", "Tue, 24 Nov 2026 12:00:00 GMT");
        assert_eq!(retry_after(&[("retry-after", "7")]), Some(7000));
        assert_eq!(retry_after(&[date, ("retry-after", "Tue, 24 Nov 2026 12:00:30 GMT")]), Some(30_000));
        assert_eq!(retry_after(&[date, ("x-rate-limit-reset", "1795521609")]), Some(9000));
        assert_eq!(retry_after(&[("retry-after", "soon")]), None);
        assert_eq!(retry_after(&[("retry-after", "99999999999999999999")]), None);
    }
}
