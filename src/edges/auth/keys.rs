//! Keys for programs: each has a name and a scope; of the key itself only a digest is kept.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value as Json, json};

use crate::api::Access;
use crate::config::ApiKey;
use crate::edges::password::equal;
use crate::model::KeyScope;

/// What evcc's keys begin with.
const PREFIX: &str = "evcc_";

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Unique among the keys.
    pub name: String,
    /// What it opens.
    pub scope: KeyScope,
    /// It stands in the configuration and cannot be removed over REST.
    pub configured: bool,
    /// SHA-256: the keys have so much chance in them that a slow hash would add nothing.
    digest: String,
}

impl Key {
    /// A key of the configuration.
    pub(super) fn configured(key: &ApiKey) -> Self {
        Self { configured: true, ..Self::new(&key.name, key.scope, &key.key) }
    }

    /// A key that was just made.
    pub(super) fn new(name: &str, scope: KeyScope, key: &str) -> Self {
        Self { name: name.to_owned(), scope, configured: false, digest: digest_of(key) }
    }

    fn json(&self) -> Json {
        json!({ "name": self.name, "scope": self.scope.as_str(), "digest": self.digest })
    }

    fn of_json(json: &Json) -> Option<Self> {
        let text = |name: &str| Some(json.get(name)?.as_str()?.to_owned());
        let scope = text("scope")?.parse().ok()?;
        Some(Self { name: text("name")?, scope, configured: false, digest: text("digest")? })
    }
}

/// What a key opens, if it is one of these; the owner's key needs no password beside it.
pub(super) fn granted(keys: &[Key], shown: &str) -> Option<Access> {
    let shown = digest_of(shown);
    let key = keys.iter().find(|key| equal(key.digest.as_bytes(), shown.as_bytes()))?;
    Some(match key.scope {
        KeyScope::Read => Access::Read,
        KeyScope::Write => Access::Write,
        KeyScope::Admin => Access::Confirmed,
    })
}

/// How the keys that were made are stored.
pub(super) fn stored(keys: &[Key]) -> String {
    let made = keys.iter().filter(|key| !key.configured).map(Key::json);
    Json::Array(made.collect()).to_string()
}

/// The keys that were stored; what is none is left out.
pub(super) fn restored(text: &str) -> Vec<Key> {
    let json: Json = serde_json::from_str(text).unwrap_or_default();
    json.as_array().into_iter().flatten().filter_map(Key::of_json).collect()
}

/// A new key; it is shown once and never kept.
pub(super) fn make() -> Option<String> {
    Some(format!("{PREFIX}{}", random()?))
}

/// 256 bits of chance as text; nothing if the system has none.
pub(super) fn random() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(BASE64.encode(bytes))
}

fn digest_of(key: &str) -> String {
    BASE64.encode(digest::digest(&digest::SHA256, key.as_bytes()))
}
