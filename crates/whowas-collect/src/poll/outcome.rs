//! What an answer means for the pass that asked for it.

use super::http::{HttpError, Response};

/// The shortest and longest pause that a source can ask for; beyond an hour, asking again costs nothing.
const PAUSE_MS: (i64, i64) = (1000, 3_600_000);

/// What to do with an answer.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is a page.
    Page(Response),
    /// Come back later: not a failure.
    Later {
        /// After so long.
        pause_ms: i64,
    },
    /// The token is not accepted.
    Unauthorized,
    /// The address of the next page is not known any more.
    Expired,
    /// The same request may work soon.
    Again(String),
    /// It will not, without somebody's doing.
    Refused(String),
}

impl Outcome {
    /// Of the answer to a first page, or to a `link` that the source gave. `attempts` failed before it.
    pub(crate) fn of(answer: Result<Response, HttpError>, is_link: bool, attempts: u32) -> Self {
        let response = match answer {
            Ok(response) => response,
            Err(error @ HttpError::Foreign(_)) => return Self::Refused(error.to_string()),
            Err(error) => return Self::Again(error.to_string()),
        };
        let usual_ms = 10_000 << attempts.min(6);
        match (response.status, response.retry_after_ms) {
            (200, _) => Self::Page(response),
            (429, pause) => Self::Later { pause_ms: pause.unwrap_or(usual_ms).clamp(PAUSE_MS.0, PAUSE_MS.1) },
            (503, Some(pause)) => Self::Later { pause_ms: pause.clamp(PAUSE_MS.0, PAUSE_MS.1) },
            (401, _) => Self::Unauthorized,
            (400 | 404 | 410, _) if is_link => Self::Expired,
            (status @ (408 | 500..=599), _) => Self::Again(format!("HTTP {status}")),
            (status, _) => Self::Refused(format!("HTTP {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_one_meaning() {
        let check = |status, retry_after_ms, is_link, want: &str| {
            let response = Response { status, retry_after_ms, ..Response::default() };
            let got = match Outcome::of(Ok(response), is_link, 0) {
                Outcome::Page(_) => "page".to_owned(),
                other => format!("{other:?}"),
            };
            assert_eq!(got, want, "{status}");
        };
        check(200, None, false, "page");
        check(429, None, false, "Later { pause_ms: 10000 }");
        check(429, Some(0), false, "Later { pause_ms: 1000 }");
        check(429, Some(i64::MAX), false, "Later { pause_ms: 3600000 }");
        check(503, Some(7000), false, "Later { pause_ms: 7000 }");
        check(503, None, false, "Again(\"HTTP 503\")");
        check(401, None, false, "Unauthorized");
        check(410, None, true, "Expired");
        check(410, None, false, "Refused(\"HTTP 410\")");
        check(403, None, true, "Refused(\"HTTP 403\")");
        // Redirects are not followed.
        check(302, None, true, "Refused(\"HTTP 302\")");
    }
}
