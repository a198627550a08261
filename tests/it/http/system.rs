//! The log and the end over REST, and the page of somebody else.

use std::fs;

use super::*;

fn unguarded() -> Settings {
    let store = Store::memory().unwrap();
    let stored = &mut BTreeMap::new();
    let auth = Auth::new(Mode::Disabled, &Api::default(), stored, store, Clock::start());
    Settings { auth, ..open() }
}

#[tokio::test]
async fn the_log_and_the_end_are_the_owners() {
    let facade = Facade::start().await;
    for (method, path) in [
        ("GET", "/api/system/log"),
        ("GET", "/api/system/log/areas"),
        ("POST", "/api/system/shutdown"),
        ("POST", "/api/shutdown"),
        ("DELETE", "/api/system/cache"),
        ("GET", "/api/db/backup"),
    ] {
        assert_eq!(facade.call(method, path).await.0, 401, "{path}");
    }
    assert_eq!(facade.get("/api/health").await.0, 200, "still there");
}

#[tokio::test]
async fn the_owner_reads_the_log_and_ends_the_service() {
    let facade = Facade::with(unguarded(), Store::memory().unwrap()).await;
    for path in ["/api/system/log", "/api/system/log/areas", "/api/system/log?level=odd&count=x"] {
        assert_eq!(facade.get(path).await, (200, "[]\n".to_owned()), "{path}");
    }
    let (status, head, _) = facade.call("GET", "/api/system/log?format=txt&level=warn").await;
    assert_eq!(status, 200);
    assert!(head.contains("attachment; filename=\"evcc-") && head.contains("-warn.log"), "{head}");
    assert_eq!(facade.call("POST", "/api/system/shutdown").await.0, 204);
    let gone = async {
        while TcpStream::connect(facade.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, gone).await.expect("the service ends");
}

#[tokio::test]
async fn a_cleared_cache_loses_no_setting() {
    let store = Store::memory().unwrap();
    let settings = [("tariff.grid", "{}"), ("tariff.solar2", "{}"), ("prioritySoc", "50")];
    let settings = settings.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
    store.save_settings(settings.into()).await.unwrap();
    let mut facade = Facade::with(unguarded(), store.clone()).await;
    let (status, _, body) = facade.call("DELETE", "/api/system/cache").await;
    assert_eq!((status, &*body), (200, "\"OK\"\n"));
    let left = store.load_settings().await.unwrap();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["prioritySoc"]);
    assert!(matches!(facade.news.try_recv(), Ok(Reply::Forget)), "the loop would keep it again");
}

#[tokio::test]
async fn the_owner_takes_the_database_home() {
    let store = Store::memory().unwrap();
    store.save_settings(vec![("prioritySoc".to_owned(), Some("50".to_owned()))]).await.unwrap();
    let facade = Facade::with(unguarded(), store).await;
    let answer =
        facade.bytes(b"GET /api/db/backup HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    let answer = answer.await;
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..at]).to_lowercase();
    assert!(head.contains("attachment; filename=\"evcc-backup-"), "{head}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy.db");
    fs::write(&path, &answer[at + 4..]).unwrap();
    let settings = Store::open(&path).unwrap().load_settings().await.unwrap();
    assert_eq!(settings.get("prioritySoc").map(String::as_str), Some("50"));
    let (status, update) = facade.post("/api/update").await;
    assert_eq!((status, update.contains("pull the new image")), (501, true), "{update}");
    let none = "{\"error\":\"there is no optimizer\"}\n".to_owned();
    assert_eq!(facade.post("/api/optimize").await, (200, none));
}

#[tokio::test]
async fn a_folder_takes_the_place_of_our_page() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("dist");
    fs::create_dir_all(folder.join("assets")).unwrap();
    fs::write(dir.path().join("secret"), "x").unwrap();
    assert!(chargebus::edges::http::check_ui(&folder).unwrap_err().contains("no index.html"));
    fs::write(folder.join("index.html"), "<html lang=\"[[.DefaultLang]]\">[[.Version]]").unwrap();
    fs::write(folder.join("assets/app.js"), "1").unwrap();
    let ui = Some(chargebus::edges::http::check_ui(&folder).unwrap());
    let facade = Facade::with(Settings { ui, ..open() }, Store::memory().unwrap()).await;
    let page = format!("<html lang=\"en\">{}", api::System::EMULATED);
    assert_eq!(facade.get("/").await, (200, page));
    let (status, head, body) = facade.call("GET", "/assets/app.js").await;
    assert_eq!((status, &*body), (200, "1"));
    assert!(head.contains("content-type: text/javascript"), "{head}");
    for line in ["access-control-allow-origin: *", "access-control-allow-private-network: true"] {
        assert!(head.contains(line), "{head}");
    }
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let known = facade.send("GET", "/assets/app.js", &[("If-None-Match", tag)], "").await;
    assert_eq!((known.0, &*known.2), (304, ""), "whoever has the file is told so");
    let (_, head, _) = facade.send("GET", "/api/state", &[("Origin", "http://x")], "").await;
    assert!(!head.contains("private-network"), "only files: {head}");
    for path in ["/assets/nosuch.js", "/assets/../../secret", "/assets/%2e%2e/%2e%2e/secret"] {
        assert_eq!(facade.get(path).await.0, 404, "{path}");
    }
    assert!(facade.get("/globals.js").await.1.starts_with("window.evcc = {\"version\":\""));
    assert_eq!(facade.get("/api/state?jq=.siteTitle").await.0, 200, "the API is the same");

    let globals = facade.get("/globals.js").await.1;
    assert!(globals.contains(r#""customCss":"false","customLogo":"false""#), "{globals}");
    for (file, path, kind) in [
        ("custom.css", "/custom.css", "text/css"),
        ("custom-logo-light.png", "/custom-logo-light", "image/png"),
        ("custom-logo-dark.svg", "/custom-logo-dark", "image/svg+xml"),
    ] {
        assert_eq!(facade.get(path).await.0, 404, "{path}");
        fs::write(folder.join(file), file).unwrap();
        let (status, head, body) = facade.call("GET", path).await;
        assert_eq!((status, &*body), (200, file));
        assert!(head.contains(&format!("content-type: {kind}")), "{head}");
    }
    let globals = facade.get("/globals.js").await.1;
    assert!(globals.contains(r#""customCss":"true","customLogo":"true""#), "{globals}");
}
