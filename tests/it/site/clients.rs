//! Clients of other makers, from the registries that users take them from: they set, are answered, and
//! watch. `.ci/run` installs them into `target/clients`; without them these tests say that they are skipped.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::service::Home;
use crate::support::{program, soon};

/// Where the packages are, if they are installed.
fn packages(folder: &str, package: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients").join(folder);
    let found = folder.join(package).exists();
    let must = std::env::var_os("CHARGEBUS_REQUIRE_PEERS").is_some();
    assert!(found || !must, "{package} must be installed in {}", folder.display());
    if !found {
        println!("skipped: {package} is not installed in {}", folder.display());
    }
    found.then_some(folder)
}

/// Runs a script against a service with either broker, in both versions of MQTT.
async fn converse(interpreter: &str, script: &str, variable: &str, packages: &Path) {
    let Some(interpreter) = program(interpreter) else { return };
    let homes = [Some(Home::with_embedded_broker()), Home::with_mosquitto().await];
    for mut home in homes.into_iter().flatten() {
        // Where answers are wanted is part of version 5.
        home.edit("  topic: evcc", "  topic: evcc\n  version: 5");
        let service = home.start().await;
        let mut client = service.client().await;
        client.until("the mode", |seen| seen.value("loadpoints/1/mode").is_some()).await;
        for version in ["4", "5"] {
            let mut command = Command::new(&interpreter);
            command
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script))
                .args([service.port.to_string(), service.http().port().to_string()])
                .arg(version)
                .env(variable, packages)
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
    let Some(packages) = packages("node_modules", "mqtt") else { return };
    converse("node", "client.cjs", "NODE_PATH", &packages).await;
}

#[tokio::test]
async fn of_pypi_set_and_watch() {
    let Some(packages) = packages("python", "paho") else { return };
    converse("python3", "client.py", "PYTHONPATH", &packages).await;
}
