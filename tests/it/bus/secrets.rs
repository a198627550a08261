//! Who may connect: user and password, TLS, client certificates.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use super::*;
use crate::support::program;

#[tokio::test]
async fn a_wrong_password_is_named_and_a_right_one_connects() {
    let Some(passwd) = program("mosquitto_passwd") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("passwords");
    let made = Command::new(passwd).arg("-c").arg("-b").arg(&file).args(["ann", "secret"]).output();
    assert!(made.unwrap().status.success());
    let extra = format!("allow_anonymous false\npassword_file {}", file.display());
    let Some(broker) = Mosquitto::start(&extra).await else {
        return;
    };

    let user = |user: &str, password: &str| {
        let (user, password) = (user.to_owned(), password.to_owned());
        start(Mqtt { user, password, ..server(broker.port) }, &[])
    };
    let (_bus, mut inbox) = user("ann", "wrong");
    let reason = down(&mut inbox).await;
    assert!(reason.contains("`ann`") && reason.contains("mqtt.password"), "{reason}");
    assert!(!reason.contains("wrong"), "{reason}");
    let (_bus, mut inbox) = user("", "");
    let reason = down(&mut inbox).await;
    assert!(reason.contains("wants a user"), "{reason}");
    let (_bus, mut inbox) = user("ann", "secret");
    assert_eq!(up(&mut inbox).await, 1);
}

struct Pki {
    ca: String,
    client: (String, String),
}

/// Writes the broker's files and returns what its clients hold; the broker is `broker_name`.
fn pki(dir: &Path, broker_name: &str) -> Pki {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "test CA");
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let signed = |name: &str, usage| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let broker = signed(broker_name, ExtendedKeyUsagePurpose::ServerAuth);
    fs::write(dir.join("ca.pem"), &ca_pem).unwrap();
    fs::write(dir.join("cert.pem"), broker.0).unwrap();
    fs::write(dir.join("key.pem"), broker.1).unwrap();
    Pki { ca: ca_pem, client: signed("chargebus", ExtendedKeyUsagePurpose::ClientAuth) }
}

fn tls_lines(dir: &Path, wants_client_certificate: bool) -> String {
    let dir = dir.display();
    format!(
        "cafile {dir}/ca.pem\ncertfile {dir}/cert.pem\nkeyfile {dir}/key.pem\n\
         require_certificate {wants_client_certificate}"
    )
}

#[tokio::test]
async fn a_certificate_of_our_ca_is_trusted_and_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki(dir.path(), "localhost");
    let Some(broker) = Mosquitto::start(&tls_lines(dir.path(), false)).await else {
        return;
    };
    let localhost = Mqtt { tls: true, host: "localhost".into(), ..server(broker.port) };

    // As text and as a path.
    for ca_cert in [pki.ca.clone(), dir.path().join("ca.pem").display().to_string()] {
        let server = Mqtt { ca_cert: Some(ca_cert), ..localhost.clone() };
        let (bus, mut inbox) = start(server, &["in/#"]);
        assert_eq!(up(&mut inbox).await, 1);
        let size = 300_000;
        bus.publish("in/large".into(), vec![b'x'; size], false);
        assert_eq!(message(&mut inbox).await.payload.len(), size);
        bus.close().await;
    }

    let other_name = Mqtt { host: "127.0.0.1".into(), ca_cert: Some(pki.ca), ..localhost.clone() };
    let (_bus, mut inbox) = start(other_name.clone(), &[]);
    let reason = down(&mut inbox).await;
    assert!(reason.contains("TLS") && reason.contains("not valid for name"), "{reason}");
    let (_bus, mut inbox) = start(Mqtt { insecure: true, ca_cert: None, ..other_name }, &[]);
    assert_eq!(up(&mut inbox).await, 1);

    let other_dir = tempfile::tempdir().unwrap();
    let other_ca = self::pki(other_dir.path(), "localhost").ca;
    let (_bus, mut inbox) = start(Mqtt { ca_cert: Some(other_ca), ..localhost.clone() }, &[]);
    let reason = down(&mut inbox).await;
    assert!(reason.contains("mqtt.caCert"), "{reason}");

    let not_tls = Mqtt { tls: false, ..localhost };
    let (_bus, mut inbox) = start(not_tls, &[]);
    down(&mut inbox).await;
}

#[tokio::test]
async fn a_client_certificate_opens_the_door() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki(dir.path(), "localhost");
    let Some(broker) = Mosquitto::start(&tls_lines(dir.path(), true)).await else {
        return;
    };
    let without =
        Mqtt { tls: true, host: "localhost".into(), ca_cert: Some(pki.ca), ..server(broker.port) };
    let (_bus, mut inbox) = start(without.clone(), &[]);
    down(&mut inbox).await;
    let (cert, key) = pki.client;
    let with = Mqtt { client_cert: Some(cert), client_key: Some(key), ..without };
    let (_bus, mut inbox) = start(with, &[]);
    assert_eq!(up(&mut inbox).await, 1);
}

#[tokio::test]
async fn tls_that_cannot_be_is_named_with_its_reason() {
    let tls = Mqtt { tls: true, ..server(free_port()) };
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (Mqtt { host: "::1".into(), ..tls.clone() }, "host name"),
        (Mqtt { ca_cert: text("/nowhere/ca.pem"), ..tls.clone() }, "/nowhere/ca.pem"),
        (Mqtt { ca_cert: text("-----BEGIN NOTHING"), ..tls.clone() }, "mqtt.caCert"),
        (Mqtt { insecure: true, client_cert: text("x"), ..tls.clone() }, "mqtt.clientKey"),
        (Mqtt { insecure: true, client_key: text("x"), ..tls }, "mqtt.clientCert"),
    ];
    for (server, named) in cases {
        let (bus, mut inbox) = start(server, &[]);
        let reason = down(&mut inbox).await;
        assert!(reason.contains(named), "{reason}");
        bus.close().await;
    }
}
