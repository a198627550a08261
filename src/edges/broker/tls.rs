//! TLS for listeners: certificate and key from PEM files.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::config::TlsConfig;

/// Reads certificate and key.
pub(super) fn acceptor(tls: &TlsConfig) -> anyhow::Result<TlsAcceptor> {
    let named = |path: &Path| format!("{}: not usable as PEM", path.display());
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| named(&tls.certificate))?;
    ensure!(!chain.is_empty(), "{}: contains no certificate", tls.certificate.display());
    let key = PrivateKeyDer::from_pem_file(&tls.key).with_context(|| named(&tls.key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| {
            format!("{} does not fit {}", tls.key.display(), tls.certificate.display())
        })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
