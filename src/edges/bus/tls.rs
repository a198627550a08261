//! TLS towards the broker: whom we trust and who we are, from PEM text or PEM files.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::Mqtt;
use crate::edges::trust::{Anyone, system_roots};

/// Reads the files anew at every connection, so that a renewed certificate needs no restart.
///
/// # Errors
///
/// A file or a text is not what it should be; names the key of the configuration.
pub(super) fn client_config(server: &Mqtt) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if server.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    } else {
        builder.with_root_certificates(roots(server.ca_cert.as_deref())?)
    };
    let config = match (given(&server.client_cert), given(&server.client_key)) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates(cert, "mqtt.clientCert")?, private_key(key)?)
            .context("mqtt.clientCert and mqtt.clientKey do not fit")?,
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => bail!("mqtt.clientCert needs mqtt.clientKey"),
        (None, Some(_)) => bail!("mqtt.clientKey needs mqtt.clientCert"),
    };
    Ok(Arc::new(config))
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.trim().is_empty())
}

fn roots(ca_cert: Option<&str>) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    if let Some(ca_cert) = ca_cert.filter(|text| !text.trim().is_empty()) {
        for certificate in certificates(ca_cert, "mqtt.caCert")? {
            store
                .add(certificate)
                .context("mqtt.caCert holds a certificate that cannot be used")?;
        }
    } else {
        store = system_roots()
            .map_err(|error| anyhow!("{error}: set mqtt.caCert to the broker's CA"))?;
    }
    ensure!(!store.is_empty(), "no certificate to trust: set mqtt.caCert to the broker's CA");
    Ok(store)
}

fn certificates(text_or_path: &str, key: &str) -> Result<Vec<CertificateDer<'static>>> {
    let pem = pem(text_or_path, key)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|err| anyhow!("{key} is not PEM: {err}"))?;
    ensure!(!certificates.is_empty(), "{key} holds no certificate");
    Ok(certificates)
}

fn private_key(text_or_path: &str) -> Result<PrivateKeyDer<'static>> {
    let pem = pem(text_or_path, "mqtt.clientKey")?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|err| anyhow!("mqtt.clientKey holds no private key: {err}"))
}

fn pem(text_or_path: &str, key: &str) -> Result<Vec<u8>> {
    if text_or_path.contains("-----BEGIN") {
        return Ok(text_or_path.as_bytes().to_vec());
    }
    let path = text_or_path.trim();
    fs::read(path).with_context(|| format!("{key}: cannot read {path}"))
}
