//! Password, sessions, keys and scopes (api.md §3.10).

use chargebus::config::ApiKey;
use chargebus::model::KeyScope;
use tokio_tungstenite::connect_async;

use super::*;

const PASSWORD: &str = "correct horse";

fn key(name: &str, scope: KeyScope) -> ApiKey {
    ApiKey { name: name.to_owned(), scope, key: format!("{name}-key-of-the-configuration") }
}

/// One key of each scope.
fn api(protect_reads: bool, protect_writes: bool) -> Api {
    let keys =
        [("reader", KeyScope::Read), ("writer", KeyScope::Write), ("owner", KeyScope::Admin)];
    let keys = keys.map(|(name, scope)| key(name, scope)).into();
    Api { protect_reads, protect_writes, keys, ..Api::default() }
}

fn guarded(mode: Mode, api: &Api, store: &Store, stored: &mut BTreeMap<String, String>) -> Auth {
    Auth::new(mode, api, stored, store.clone(), Clock::start())
}

async fn start(mode: Mode, api: &Api) -> Facade {
    let store = Store::memory().unwrap();
    let auth = guarded(mode, api, &store, &mut BTreeMap::new());
    Facade::with(Settings { auth, ..open() }, store).await
}

fn password(text: &str) -> String {
    serde_json::json!({ "password": text }).to_string()
}

fn change(current: &str, new: &str) -> String {
    serde_json::json!({ "current": current, "new": new }).to_string()
}

/// The cookie that an answer sets, as a browser sends it back. The heads of answers are in lower
/// case, so the server is asked once more for its words.
async fn session(facade: &Facade, method: &str, path: &str, body: &str) -> (u16, String) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = facade.raw(request.as_bytes()).await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let line = answer.lines().find(|line| line.to_lowercase().starts_with("set-cookie: "));
    let line = line.unwrap_or_else(|| panic!("no cookie: {answer}"));
    let cookie = line.split_once(": ").unwrap().1;
    for part in ["; Path=/;", "; Expires=", " GMT; HttpOnly; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(answer.ends_with("\r\n\r\n"), "a body: {answer}");
    (status, cookie.split(';').next().unwrap().to_owned())
}

async fn status(facade: &Facade, headers: &[(&str, &str)]) -> (u16, String) {
    let (status, _, body) = facade.send("GET", "/api/auth/status", headers, "").await;
    (status, body.trim_end().to_owned())
}

#[tokio::test]
async fn the_first_password_makes_an_owner_who_logs_in_and_out() {
    let facade = start(Mode::Guarded, &Api::default()).await;
    assert_eq!(status(&facade, &[]).await, (501, "Not implemented".to_owned()));
    let login = async |body: &str| {
        let (status, head, body) = facade.send("POST", "/api/auth/login", &[], body).await;
        (status, head.contains("set-cookie"), body.trim_end().to_owned())
    };
    let wrong = (401, false, "Invalid password".to_owned());
    assert_eq!(login(&password("")).await, wrong, "no password is set, so none is right");
    let (status_of_first, first) =
        session(&facade, "PUT", "/api/auth/password", &change("", PASSWORD)).await;
    assert_eq!(status_of_first, 201);
    assert_eq!(status(&facade, &[]).await, (200, "false".to_owned()));
    assert_eq!(status(&facade, &[("Cookie", &first)]).await, (200, "true".to_owned()));
    let among_others = format!("theme=dark; {first}; lang=de");
    assert_eq!(status(&facade, &[("Cookie", &among_others)]).await.1, "true");

    assert_eq!(login(&password("wrong horse")).await, wrong);
    assert_eq!(login(&password(&"x".repeat(2000))).await, wrong);
    for body in ["", "{", "[]", "{}", r#"{"password":7}"#] {
        let (status, cookie, answer) = login(body).await;
        assert_eq!((status, cookie), (400, false), "{body}");
        assert!(answer.starts_with("{\"error\":\""), "{answer}");
    }
    let (status_of_login, again) =
        session(&facade, "POST", "/api/auth/login", &password(PASSWORD)).await;
    assert_eq!(status_of_login, 200);
    assert_eq!(status(&facade, &[("Cookie", &again)]).await.1, "true");
    let (logged_out, empty) = session(&facade, "POST", "/api/auth/logout", "").await;
    assert_eq!((logged_out, &*empty), (200, "auth="));
    assert_eq!(status(&facade, &[("Cookie", &empty)]).await.1, "false");

    let (refused, _, text) =
        facade.send("PUT", "/api/auth/password", &[], &change("wrong", "new")).await;
    assert_eq!((refused, &*text), (400, "Invalid password\n"));
    for new in [String::new(), "x".repeat(1025)] {
        let (refused, _, text) =
            facade.send("PUT", "/api/auth/password", &[], &change(PASSWORD, &new)).await;
        assert_eq!((refused, text.starts_with("{\"error\":")), (400, true), "{text}");
    }
    let (changed, third) =
        session(&facade, "PUT", "/api/auth/password", &change(PASSWORD, "new horse")).await;
    assert_eq!(changed, 202);
    assert_eq!(status(&facade, &[("Cookie", &third)]).await.1, "true");
    assert_eq!(status(&facade, &[("Cookie", &first)]).await.1, "false", "all others are ended");
    assert_eq!(login(&password(PASSWORD)).await, wrong);
}

#[tokio::test]
async fn an_api_key_is_shown_once_and_opens_everything() {
    let facade = start(Mode::Guarded, &Api::default()).await;
    let (unauthorized, head, text) = facade.send("GET", "/api/auth/apikey", &[], "").await;
    assert_eq!((unauthorized, &*text), (401, "Unauthorized\n"));
    assert!(
        head.contains("content-type: text/plain") && head.contains("www-authenticate"),
        "{head}"
    );
    let (_, cookie) = session(&facade, "PUT", "/api/auth/password", &change("", PASSWORD)).await;
    // A proxy may want a password of its own for the same request.
    let owner = [("Cookie", &*cookie), ("Authorization", "Basic cHJveHk6cHJveHk=")];
    let configured = async || facade.send("GET", "/api/auth/apikey", &owner, "").await.2;
    assert_eq!(configured().await, "{\"configured\":false}\n");
    let (status_of_wrong, _, text) =
        facade.send("POST", "/api/auth/apikey", &owner, &password("wrong")).await;
    assert_eq!((status_of_wrong, &*text), (401, "Invalid password\n"));
    let make = async || {
        let (made, _, body) =
            facade.send("POST", "/api/auth/apikey", &owner, &password(PASSWORD)).await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(made, 200);
        body["key"].as_str().unwrap().to_owned()
    };
    let first = make().await;
    assert!(first.starts_with("evcc_") && first.len() > 40, "a short key");
    assert_eq!(configured().await, "{\"configured\":true}\n");
    let second = make().await;
    for (key, open) in [(&first, "false"), (&second, "true"), (&String::new(), "false")] {
        let bearer = format!("bearer {key}");
        assert_eq!(status(&facade, &[("Authorization", &bearer)]).await.1, open);
    }
    let kept = facade.door.store.load_settings().await.unwrap();
    let kept: Vec<_> = kept.values().collect();
    assert!(kept.iter().all(|value| !value.contains(&second) && !value.contains(PASSWORD)));
}

#[tokio::test]
async fn scopes_open_what_they_name() {
    const READ: (&str, &str) = ("GET", "/api/state");
    const WRITE: (&str, &str) = ("POST", "/api/loadpoints/1/mode/now");
    const ADMIN: (&str, &str) = ("GET", "/api/auth/keys");
    const OPEN: (&str, &str) = ("GET", "/api/health");
    // What is protected, and what is then open to nobody, reader, writer, owner.
    let cases = [
        (api(false, false), READ, [200, 200, 200, 200]),
        (api(false, false), WRITE, [200, 200, 200, 200]),
        (api(false, false), ADMIN, [401, 401, 401, 200]),
        (api(false, true), READ, [200, 200, 200, 200]),
        (api(false, true), WRITE, [401, 401, 200, 200]),
        (api(true, false), READ, [401, 200, 200, 200]),
        (api(true, false), WRITE, [401, 401, 200, 200]),
        (api(true, true), ADMIN, [401, 401, 401, 200]),
        (api(true, true), OPEN, [200, 200, 200, 200]),
    ];
    for (api, (method, path), expected) in cases {
        let facade = start(Mode::Guarded, &api).await;
        for (who, expected) in ["", "reader", "writer", "owner"].into_iter().zip(expected) {
            let bearer = format!("Bearer {who}-key-of-the-configuration");
            let before = facade.told.borrow().state.json();
            let (status, _, body) =
                facade.send(method, path, &[("Authorization", &bearer)], "").await;
            let place = format!("{method} {path} by {who:?}");
            assert_eq!(status, expected, "{place}");
            if expected == 401 {
                assert_eq!(body, "Unauthorized\n", "{place}");
                assert_eq!(facade.told.borrow().state.json(), before, "{place}");
            }
        }
    }
}

#[tokio::test]
async fn a_protected_socket_wants_a_key() {
    let facade = start(Mode::Guarded, &api(true, true)).await;
    let url = format!("ws://{}/ws", facade.address);
    let refused = timeout(DEADLINE, connect_async(&url)).await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("401"), "{refused}");
    let request = tokio_tungstenite::tungstenite::ClientRequestBuilder::new(url.parse().unwrap())
        .with_header("Authorization", "Bearer reader-key-of-the-configuration");
    timeout(DEADLINE, connect_async(request)).await.unwrap().unwrap();
    // The page itself has no secrets.
    assert_eq!(facade.get("/").await.0, 200);
}

#[tokio::test]
async fn keys_are_made_listed_and_removed_by_the_owner_alone() {
    let facade = start(Mode::Guarded, &api(false, true)).await;
    let (_, cookie) = session(&facade, "PUT", "/api/auth/password", &change("", PASSWORD)).await;
    let wanted = r#"{"name":"grafana","scope":"read"}"#;
    let with = |password: &'static str| {
        [("Cookie", cookie.clone()), ("X-Admin-Password", password.to_owned())]
    };
    let call = async |method: &str, path: &str, headers: &[(&str, String)], body: &str| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let (status, _, body) = facade.send(method, path, &headers, body).await;
        (status, body)
    };
    // A session alone makes no key that outlives it: the password is asked for once more.
    let session_only = [("Cookie", cookie.clone())];
    assert_eq!(call("POST", "/api/auth/keys", &session_only, wanted).await.0, 401);
    let (status, text) = call("POST", "/api/auth/keys", &with("wrong"), wanted).await;
    assert_eq!((status, &*text), (401, "Invalid password\n"));
    let (status, made) = call("POST", "/api/auth/keys", &with(PASSWORD), wanted).await;
    assert_eq!(status, 201, "{made}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!((&made["name"], &made["scope"]), (&"grafana".into(), &"read".into()));
    let bearer = [("Authorization", format!("Bearer {}", made["key"].as_str().unwrap()))];
    assert_eq!(call("GET", "/api/state", &bearer, "").await.0, 200);
    assert_eq!(call("POST", "/api/loadpoints/1/mode/now", &bearer, "").await.0, 401);

    // A key of the owner needs no password beside it.
    let owner = [("Authorization", "Bearer owner-key-of-the-configuration".to_owned())];
    for bad in [
        wanted,
        r#"{"name":"","scope":"read"}"#,
        r#"{"name":"a b","scope":"read"}"#,
        r#"{"name":"apikey","scope":"read"}"#,
        r#"{"name":"x","scope":"all"}"#,
        r#"{"name":"x"}"#,
    ] {
        let (status, body) = call("POST", "/api/auth/keys", &owner, bad).await;
        assert_eq!((status, body.starts_with("{\"error\":")), (400, true), "{bad}: {body}");
    }
    let (_, listed) = call("GET", "/api/auth/keys", &session_only, "").await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|key| &key["name"]).collect();
    assert_eq!(names, ["reader", "writer", "owner", "grafana"]);
    assert!(!listed.to_string().contains("digest"), "{listed}");
    for n in 0..28 {
        let wanted = format!(r#"{{"name":"k{n}","scope":"read"}}"#);
        assert_eq!(call("POST", "/api/auth/keys", &owner, &wanted).await.0, 201);
    }
    let (status, body) =
        call("POST", "/api/auth/keys", &owner, r#"{"name":"more","scope":"read"}"#).await;
    assert_eq!((status, body.contains("remove one first")), (400, true), "{body}");

    for (name, expected) in [("reader", 400), ("grafana", 204), ("grafana", 404)] {
        let path = format!("/api/auth/keys/{name}");
        assert_eq!(call("DELETE", &path, &session_only, "").await.0, 401);
        assert_eq!(call("DELETE", &path, &owner, "").await.0, expected, "{name}");
    }
    assert_eq!(call("GET", "/api/auth/keys", &bearer, "").await.0, 401);
}

#[tokio::test]
async fn secrets_survive_a_restart_and_are_no_settings() {
    let facade = start(Mode::Guarded, &Api::default()).await;
    let (_, cookie) = session(&facade, "PUT", "/api/auth/password", &change("", PASSWORD)).await;
    let headers = [("Cookie", &*cookie), ("X-Admin-Password", PASSWORD)];
    let wanted = r#"{"name":"grafana","scope":"admin"}"#;
    let (_, _, made) = facade.send("POST", "/api/auth/keys", &headers, wanted).await;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let state = facade.get("/api/state").await.1;
    assert!(!state.contains("auth.") && !state.contains("argon2"), "{state}");
    let store = facade.door.store.clone();

    let mut stored = store.load_settings().await.unwrap();
    let auth = guarded(Mode::Guarded, &Api::default(), &store, &mut stored);
    assert!(stored.is_empty(), "what is left is replayed as settings: {:?}", stored.keys());
    let facade = Facade::with(Settings { auth, ..open() }, store).await;
    assert_eq!(status(&facade, &[("Cookie", &cookie)]).await.1, "true");
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    assert_eq!(status(&facade, &[("Authorization", &bearer)]).await.1, "true");
    assert_eq!(session(&facade, "POST", "/api/auth/login", &password(PASSWORD)).await.0, 200);
}

#[tokio::test]
async fn what_is_not_stored_is_not_in_force() {
    let store = Store::without_file("the disk is full").unwrap();
    let auth = guarded(Mode::Guarded, &Api::default(), &store, &mut BTreeMap::new());
    let facade = Facade::with(Settings { auth, ..open() }, store).await;
    let (failed, head, body) =
        facade.send("PUT", "/api/auth/password", &[], &change("", PASSWORD)).await;
    assert_eq!((failed, &*body), (500, "{\"error\":\"not stored: the disk is full\"}\n"));
    assert!(!head.contains("set-cookie"), "{head}");
    assert_eq!(status(&facade, &[]).await.0, 501);
}

#[tokio::test]
async fn guessing_is_slowed_down_also_for_the_right_guess() {
    let facade = start(Mode::Guarded, &Api::default()).await;
    session(&facade, "PUT", "/api/auth/password", &change("", PASSWORD)).await;
    for _ in 0..5 {
        let (status, _, _) = facade.send("POST", "/api/auth/login", &[], &password("guess")).await;
        assert_eq!(status, 401);
    }
    // At most a second has to pass; the answers until then are quick.
    let mut waited = 0;
    loop {
        let (status, head, body) =
            facade.send("POST", "/api/auth/login", &[], &password(PASSWORD)).await;
        match status {
            429 => {
                assert!(head.contains("retry-after: 1\r\n") || head.contains("retry-after: 2\r\n"));
                assert!(body.starts_with("Too many attempts, wait "), "{body}");
                waited += 1;
            }
            200 => break,
            other => panic!("{other}: {body}"),
        }
    }
    assert!(waited > 0, "nobody was slowed down");
}

#[tokio::test]
async fn two_first_passwords_at_a_time_make_one_owner() {
    let facade = start(Mode::Guarded, &Api::default()).await;
    let set =
        async |new: &str| facade.send("PUT", "/api/auth/password", &[], &change("", new)).await.0;
    let (one, other) = tokio::join!(set("one"), set("other"));
    let mut both = [one, other];
    both.sort_unstable();
    assert_eq!(both, [201, 400]);
}

#[tokio::test]
async fn the_demo_has_no_owner() {
    let facade = start(Mode::Demo, &Api::default()).await;
    let calls = [
        ("GET", "/api/auth/status", String::new()),
        ("POST", "/api/auth/login", password("x")),
        ("PUT", "/api/auth/password", change("", "x")),
        ("GET", "/api/auth/apikey", String::new()),
        ("POST", "/api/auth/keys", r#"{"name":"x","scope":"admin"}"#.to_owned()),
    ];
    for (method, path, body) in calls {
        let (status, _, text) = facade.send(method, path, &[], &body).await;
        assert_eq!((status, &*text), (403, "Forbidden in demo mode\n"), "{method} {path}");
    }
    assert_eq!(facade.post("/api/loadpoints/1/mode/now").await.0, 200);
}

#[tokio::test]
async fn without_authentication_everybody_is_the_owner() {
    let facade = start(Mode::Disabled, &api(true, true)).await;
    assert_eq!(status(&facade, &[]).await, (200, "true".to_owned()));
    for path in ["/api/state", "/api/auth/keys", "/api/auth/apikey"] {
        assert_eq!(facade.get(path).await.0, 200, "{path}");
    }
    // The way back in for whoever forgot the password.
    for new in ["first", "second"] {
        let (changed, _) =
            session(&facade, "PUT", "/api/auth/password", &change("forgotten", new)).await;
        assert!([201, 202].contains(&changed), "{changed}");
    }
    assert_eq!(session(&facade, "POST", "/api/auth/login", &password("any")).await.0, 200);
}

#[tokio::test]
async fn a_password_that_could_not_be_read_cannot_be_replaced() {
    let facade = start(Mode::Locked, &api(false, true)).await;
    let (status, _, body) =
        facade.send("PUT", "/api/auth/password", &[], &change("", PASSWORD)).await;
    assert_eq!((status, body.contains("could not be read")), (500, true), "{body}");
    assert_eq!(facade.get("/api/auth/keys").await.0, 401);
    assert_eq!(facade.get("/api/state").await.0, 200, "control goes on");
}
