//! Tokens for client id and secret (RFC 6749 §4.4): asked for by the collector, and by the test of a source.

use url::Url;

use super::{
    http::{Http, Request, Secret},
    outcome::Outcome,
};

/// The longest that a token is taken to be good.
const LASTS_S_MAX: i64 = 86_400;

/// Asks for a token: the value of the header, and for how many milliseconds it is good. `attempts` failed before.
pub(crate) async fn ask(
    http: &dyn Http,
    token_url: &Url,
    form: &Secret,
    attempts: u32,
) -> Result<(Secret, i64), Outcome> {
    let request = Request { url: token_url.clone(), authorization: None, form: Some(form.clone()) };
    let response = match Outcome::of(http.send(&request).await, false, attempts) {
        Outcome::Page(response) => response,
        // What a token is refused for stands in the answer, but may quote the request.
        Outcome::Unauthorized => return Err(Outcome::Refused("the token request is refused".to_owned())),
        Outcome::Refused(why) => return Err(Outcome::Refused(format!("the token request: {why}"))),
        other => return Err(other),
    };
    #[derive(serde::Deserialize)]
    struct Token {
        access_token: String,
        #[serde(default)]
        expires_in: i64,
    }
    let token: Token = serde_json::from_slice(&response.body)
        .map_err(|_| Outcome::Again("the token endpoint answers no token".to_owned()))?;
    Ok((Secret::new(format!("Bearer {}", token.access_token)), token.expires_in.clamp(0, LASTS_S_MAX) * 1000))
}
