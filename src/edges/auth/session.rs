//! Sessions: a signed token (JWT, HS256) that says until when whoever shows it is the owner.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use ring::hmac;
use serde::{Deserialize, Serialize};

/// How long a session lasts (api.md §3.10).
const LIFETIME: TimeDelta = TimeDelta::days(90);
/// A longer text is no token of ours.
const TOKEN_MAX: usize = 512;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const SUBJECT: &str = "admin";

/// A session, for the cookie.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The token; secret.
    pub token: String,
    /// When it ends.
    pub ends: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    iat: i64,
}

/// A new session, signed with `secret`.
pub(super) fn issue(secret: &str, now: DateTime<Utc>) -> Session {
    let ends = now + LIFETIME;
    let claims = serde_json::json!({
        "sub": SUBJECT, "exp": ends.timestamp(), "iat": now.timestamp(),
    });
    let signed = format!("{}.{}", BASE64.encode(HEADER), BASE64.encode(claims.to_string()));
    let signature = hmac::sign(&key(secret), signed.as_bytes());
    Session { token: format!("{signed}.{}", BASE64.encode(signature)), ends }
}

/// Whether `token` was signed with `secret` and has not ended. The header must be exactly ours, so
/// that no token chooses how it is checked.
pub(super) fn is_valid(secret: &str, now: DateTime<Utc>, token: &str) -> bool {
    let claims = || {
        let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= TOKEN_MAX)?;
        let signature = BASE64.decode(signature).ok()?;
        hmac::verify(&key(secret), signed.as_bytes(), &signature).ok()?;
        let (header, claims) = signed.split_once('.')?;
        let claims = BASE64.decode(claims).ok().filter(|_| header == BASE64.encode(HEADER))?;
        serde_json::from_slice::<Claims>(&claims).ok()
    };
    claims().is_some_and(|claims| claims.sub == SUBJECT && now.timestamp() < claims.exp)
}

fn key(secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_valid_until_it_ends_and_with_its_secret_only() {
        let now = DateTime::from_timestamp(1_786_190_400, 0).unwrap();
        let session = issue("secret", now);
        assert_eq!(session.ends - now, TimeDelta::days(90));
        assert!(is_valid("secret", now, &session.token));
        assert!(is_valid("secret", session.ends - TimeDelta::seconds(1), &session.token));
        assert!(!is_valid("secret", session.ends, &session.token));
        assert!(!is_valid("another", now, &session.token));
    }

    #[test]
    fn what_is_forged_is_no_session() {
        let now = DateTime::from_timestamp(1_786_190_400, 0).unwrap();
        let token = issue("secret", now).token;
        let parts: Vec<&str> = token.split('.').collect();
        let unsigned = BASE64.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let later = BASE64.encode(r#"{"sub":"admin","exp":9999999999,"iat":0}"#);
        let signed = |text: &str| {
            format!("{text}.{}", BASE64.encode(hmac::sign(&key("secret"), text.as_bytes())))
        };
        for forged in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            format!("{unsigned}.{}.", parts[1]),
            format!("{}.{later}.{}", parts[0], parts[2]),
            format!("{}.{}.{}", parts[0], parts[1], &parts[2][1..]),
            signed(&format!("{unsigned}.{later}")),
            signed(&format!(
                "{}.{}",
                parts[0],
                BASE64.encode(r#"{"sub":"guest","exp":9999999999,"iat":0}"#)
            )),
            signed(parts[0]),
            "x".repeat(100_000),
        ] {
            assert!(!is_valid("secret", now, &forged), "{forged:.80}");
        }
    }
}
