//! Telling another system over HTTP: signed by the specification *Standard Webhooks*.
//!
//! One request a message, no redirects, the answer's body is not read. Whoever calls decides what is told and
//! when it is tried again. The key is never logged, nor is the address, which often holds a secret of its own.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, redirect::Policy};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::{Host, Url};
use whowas_event::Time;

/// For a whole exchange.
const TIMEOUT: Duration = Duration::from_secs(15);
/// What SHA-256 takes at a time.
const BLOCK_BYTES: usize = 64;

/// Where and with which key.
#[derive(Clone)]
pub struct Webhook {
    url: Url,
    key: Vec<u8>,
    client: Client,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhook")
    }
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// The same for each try, so that the receiver can tell a repetition.
    pub id: String,
    /// What kind, such as `archive.verified`.
    pub kind: String,
    /// When it became so.
    pub at: Time,
    /// What. Names nobody.
    pub data: Value,
}

impl Webhook {
    /// `secret` is `whsec_` with base64, or any other text.
    ///
    /// # Errors
    /// The address is none, or anybody between could read along; the secret is too short or none.
    pub fn new(url: &str, secret: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|e| format!("url: {e}"))?;
        let is_here = match url.host() {
            Some(Host::Domain(domain)) => domain == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        if !(url.scheme() == "https" || (url.scheme() == "http" && is_here)) {
            return Err("url: write an https address".to_owned());
        }
        let key = match secret.strip_prefix("whsec_") {
            Some(text) => {
                STANDARD.decode(text).map_err(|_| "the secret after whsec_ is no base64".to_owned())?
            }
            None => secret.as_bytes().to_vec(),
        };
        if key.len() < 16 {
            return Err("the secret has fewer than 16 bytes".to_owned());
        }
        let builder = Client::builder().timeout(TIMEOUT).redirect(Policy::none());
        let builder = builder.user_agent(concat!("whowas/", env!("CARGO_PKG_VERSION")));
        let builder = if is_here { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|e| e.to_string())?;
        Ok(Self { url, key, client })
    }

    /// Sends a message once.
    ///
    /// # Errors
    /// It did not arrive, or was not taken.
    pub async fn send(&self, message: &Message, now: Time) -> Result<(), String> {
        let body = serde_json::json!({
            "type": message.kind, "timestamp": message.at.to_string(), "data": message.data,
        });
        let body = body.to_string();
        let seconds = now.as_ms().div_euclid(1000).to_string();
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", &seconds)
            .header("webhook-signature", self.signature(&message.id, &seconds, &body))
            .body(body);
        let answer = request.send().await.map_err(|e| e.without_url().to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("HTTP {}", status.as_u16())),
        }
    }

    fn signature(&self, id: &str, seconds: &str, body: &str) -> String {
        let signed = format!("{id}.{seconds}.{body}");
        format!("v1,{}", STANDARD.encode(hmac(&self.key, signed.as_bytes())))
    }
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK_BYTES];
    let digest;
    let short = if key.len() > BLOCK_BYTES {
        digest = Sha256::digest(key);
        &digest[..]
    } else {
        key
    };
    block.iter_mut().zip(short).for_each(|(slot, byte)| *slot = *byte);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let check =
            |key: &[u8], message: &[u8], want: &str| assert_eq!(hex::encode(hmac(key, message)), want);
        check(&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        check(
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        check(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        );
    }

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        // The example of the specification's libraries.
        let webhook = Webhook::new("https://x.example/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let got = webhook.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(got, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn addresses_and_secrets_are_complete() {
        let secret = "0123456789abcdef";
        assert!(Webhook::new("https://x.example/hook", secret).is_ok());
        assert!(Webhook::new("http://127.0.0.1:1/hook", secret).is_ok());
        for (url, secret) in [
            ("http://x.example/", secret),
            ("x", secret),
            ("https://x.example/", "short"),
            ("https://x.example/", "whsec_!"),
        ] {
            assert!(Webhook::new(url, secret).is_err(), "{url} {secret}");
        }
        let shown = format!("{:?}", Webhook::new("https://x.example/tomato", secret).unwrap());
        assert!(!shown.contains("tomato") && !shown.contains("0123"), "{shown}");
    }
}
