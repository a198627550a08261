//! Passwords and other secrets: hashed slowly, compared without telling where they differ.

use anyhow::Context;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

/// The hash of a password: argon2id with the crate's recommended parameters, 19 MiB each time.
///
/// # Errors
/// When the system gives no random salt.
pub fn hash(password: &str) -> anyhow::Result<String> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("the password cannot be hashed")?;
    Ok(hash.to_string())
}

/// Whether this text is a hash that [`hash`] could have made.
pub(super) fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| hash.hash.is_some())
}

/// Whether this is the password of that hash; takes as long as [`hash`].
pub(super) fn verify(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Compares without telling by its duration where the secrets differ.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && differences == 0
}
