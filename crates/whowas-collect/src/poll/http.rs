//! The seam to the network: one request, one answer. The real one is `crate::poll::web`; tests put a
//! simulated source here.

use std::fmt;

use async_trait::async_trait;
use url::Url;
use whowas_event::Time;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where.
    pub url: Url,
    /// The value of the header `Authorization`.
    pub authorization: Option<Secret>,
    /// A form to be posted; without one the request is a `GET`.
    pub form: Option<Secret>,
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Of `Retry-After`.
    pub retry_after_ms: Option<i64>,
    /// The source's own clock.
    pub date: Option<Time>,
    /// The values of the headers `Link`.
    pub links: Vec<String>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The address is none that was configured: nothing was sent.
    #[error("the source refers to {0}, which is not configured")]
    Foreign(String),
    /// No answer, or not all of it.
    #[error("{0}")]
    Broken(String),
    /// The body is longer than what is taken.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// Sends requests. Each ends within a bounded time, with the whole answer or an error; redirects are not
/// followed.
#[async_trait]
pub trait Http: Send + Sync + fmt::Debug {
    /// Sends one request.
    async fn send(&self, request: &Request) -> Result<Response, HttpError>;
}

/// The origins to which requests may go.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Vec<url::Origin>);

impl Allowed {
    /// Those of these addresses.
    pub fn of<'a>(urls: impl IntoIterator<Item = &'a Url>) -> Self {
        Self(urls.into_iter().map(Url::origin).collect())
    }

    /// Refuses an address of another origin: links in answers are written by others.
    pub fn check(&self, url: &Url) -> Result<(), HttpError> {
        let origin = url.origin();
        if self.0.contains(&origin) {
            return Ok(());
        }
        Err(HttpError::Foreign(origin.ascii_serialization().chars().take(200).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_to_configured_origins_only_and_secrets_are_not_shown() {
        let url = |text: &str| Url::parse(text).unwrap();
        let allowed = Allowed::of(&[url("https://graph.example/v1.0/"), url("http://127.0.0.1:8080/x")]);
        for (text, is_allowed) in [
            ("https://graph.example/beta?x=1", true),
            ("https://graph.example:443/", true),
            ("http://127.0.0.1:8080/", true),
            ("http://graph.example/", false),
            ("https://graph.example:444/", false),
            ("https://graph.example.evil.example/", false),
            ("https://graph.example@evil.example/", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(allowed.check(&url(text)).is_ok(), is_allowed, "{text}");
        }
        let authorization = Some(Secret::new("Bearer tomato"));
        let request = Request { url: url("http://a/"), authorization, form: Some(Secret::new("tomato")) };
        assert!(!format!("{request:?}").contains("tomato"));
    }
}
