//! Clients of other makers, from the registries that users take them from: they set, are answered, and
//! watch. `.ci/run` installs them; without them these tests say that they are skipped.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::service::Home;
use crate::support::{clients, program, soon};

/// The interpreter and the folder of `requirements.txt`, if its packages are beside it.
fn python() -> Option<(PathBuf, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let installed = folder.join("python_modules/paho").is_dir();
    if !installed {
        println!("skipped: run python3 -m pip install --target python_modules -r requirements.txt");
    }
    let python = program("python3").filter(|_| installed);
    let must = std::env::var_os("CHARGEBUS_REQUIRE_PEERS").is_some();
    assert!(python.is_some() || !must, "python3 and its packages must be installed");
    Some((python?, folder))
}

/// Runs a script against a service with either broker, in both versions of MQTT.
async fn converse(interpreter: &Path, folder: &Path, script: &str) {
    let homes = [Some(Home::with_embedded_broker()), Home::with_mosquitto().await];
    for mut home in homes.into_iter().flatten() {
        // Where answers are wanted is part of version 5.
        home.edit("  topic: evcc", "  topic: evcc\n  version: 5");
        let service = home.start().await;
        let mut client = service.client().await;
        client.until("the mode", |seen| seen.value("loadpoints/1/mode").is_some()).await;
        for version in ["4", "5"] {
            let mut command = Command::new(interpreter);
            command
                .arg(folder.join(script))
                .args([service.port.to_string(), service.http().port().to_string()])
                .arg(version)
                .env("PYTHONPATH", folder.join("python_modules"))
                .kill_on_drop(true);
            let output = soon(script, command.output()).await.unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{script} with MQTT {version}: {said}{complaint}");
            assert!(said.starts_with("ok: "), "{said}");
        }
        service.stop().await;
    }
}

#[tokio::test]
async fn of_npm_set_and_watch() {
    let Some((node, folder)) = clients() else { return };
    converse(&node, &folder, "client.cjs").await;
}

#[tokio::test]
async fn of_pypi_set_and_watch() {
    let Some((python, folder)) = python() else { return };
    converse(&python, &folder, "client.py").await;
}
