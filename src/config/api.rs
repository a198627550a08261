//! `api`: what REST asks of whoever comes, how it speaks, and the keys of programs. It is ours; evcc
//! has none.

use super::reader::{Field, Section};
use super::text::quoted;
use super::unsupported::Scope;
use super::{Api, ApiKey};
use crate::model::{Dialect, ForecastForm, KeyScope};

/// A shorter key can be guessed.
const KEY_MIN: usize = 20;
const KEY_MAX: usize = 200;
/// More keys are refused.
const KEYS_MAX: usize = 32;

pub(super) fn read(root: &Section<'_>) -> Api {
    let Some(section) = root.section("api") else {
        return Api::default();
    };
    let mut keys: Vec<ApiKey> = Vec::new();
    if let Some(field) = section.get("keys") {
        let items = field.items();
        if items.len() > KEYS_MAX {
            field.error(format!("more than {KEYS_MAX} keys"));
        }
        for item in &items {
            let Some(key) = key(item) else { continue };
            if keys.iter().any(|known| known.name == key.name) {
                item.error(format!("there are two keys named {}", quoted(&key.name)));
            }
            keys.push(key);
        }
    }
    let spoken = section.get("dialect").and_then(|field| field.spelled(Dialect::SPELLINGS));
    let form = section.get("forecast").and_then(|field| field.spelled(ForecastForm::SPELLINGS));
    let api = Api {
        protect_writes: section.flag("protect_writes").unwrap_or(false),
        protect_reads: section.flag("protect_reads").unwrap_or(false),
        dialect: spoken.unwrap_or_default(),
        forecast: form.unwrap_or_default(),
        keys,
    };
    section.finish(Scope::Other);
    api
}

fn key(item: &Field<'_>) -> Option<ApiKey> {
    let section = item.section()?;
    let name = section.text("name").unwrap_or_default();
    if name.is_empty() {
        section.error("name", "is missing: give the key a name");
    }
    let scope = section.get("scope").map(|field| field.spelled(KeyScope::SPELLINGS));
    let scope = scope.unwrap_or(Some(KeyScope::Read))?;
    let key = section.text("key").unwrap_or_default();
    if !(KEY_MIN..=KEY_MAX).contains(&key.len()) {
        // The key itself is not repeated.
        section.error("key", format!("must have {KEY_MIN} to {KEY_MAX} letters"));
    }
    section.finish(Scope::Other);
    Some(ApiKey { name, scope, key })
}
