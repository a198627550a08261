//! What holds for every request: origins, methods, compression, slashes, the base path, the page.

use super::*;

#[tokio::test]
async fn pages_of_other_origins_may_ask() {
    let facade = Facade::start().await;
    let origin = ("Origin", "http://elsewhere");
    let (status, head, _) = facade.send("GET", "/api/state", &[origin], "").await;
    assert_eq!(status, 200);
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    let (_, head, _) = facade.call("GET", "/api/state").await;
    assert!(!head.contains("access-control"), "{head}");
    let asks = [origin, ("Access-Control-Request-Method", "DELETE")];
    for path in [
        "/api/loadpoints/1/smartcostlimit",
        "/api/loadpoints/1/mode/pv/",
        "/api/state",
        "/api/config/site",
    ] {
        let (status, head, body) = facade.send("OPTIONS", path, &asks, "").await;
        assert_eq!((status, &*body), (200, ""), "{path}");
        for line in [
            "access-control-allow-origin: *",
            "access-control-allow-methods: get, head, post, put, patch, delete",
            "access-control-allow-headers: content-type, authorization, x-admin-password",
        ] {
            assert!(head.contains(line), "{path}: {head}");
        }
    }
    let (status, head, body) = facade.send("OPTIONS", "/api/nosuch", &asks, "").await;
    assert_eq!((status, &*body), (404, "{\"error\":\"not found\"}\n"));
    assert!(!head.contains("access-control-allow-methods"), "{head}");
}

#[tokio::test]
async fn every_path_names_its_methods() {
    let facade = Facade::start().await;
    for (method, path, status, allow) in [
        ("PUT", "/api/state", 405, "allow: get,head"),
        ("PATCH", "/api/prioritysoc/50", 405, "allow: post"),
        ("GET", "/api/vehicles/tesla/mode", 405, "allow: delete"),
        ("OPTIONS", "/api/prioritysoc/50", 200, "allow: post"),
    ] {
        let (told, head, body) = facade.call(method, path).await;
        assert_eq!((told, &*body), (status, ""), "{method} {path}");
        assert!(head.contains(allow), "{method} {path}: {head}");
    }
    let (status, head, body) = facade.call("HEAD", "/api/state").await;
    assert_eq!((status, &*body), (200, ""));
    assert!(head.contains("content-length: "), "{head}");
}

#[tokio::test]
async fn long_answers_are_compressed_for_whoever_accepts_it() {
    let facade = Facade::start().await;
    let whole = facade.get("/api/state").await.1;
    for (accept, chosen) in [("deflate, gzip", "gzip"), ("deflate", "deflate")] {
        let request = format!(
            "GET /api/state HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAccept-Encoding: {accept}\r\n\r\n"
        );
        let answer = facade.bytes(request.as_bytes()).await;
        let head = String::from_utf8_lossy(&answer[..400]).to_lowercase();
        assert!(head.contains(&format!("content-encoding: {chosen}")), "{head}");
        assert!(answer.len() < whole.len() / 2, "{} of {}", answer.len(), whole.len());
    }
    for accept in ["br", "gzip;q=0", "identity"] {
        let (_, head, body) =
            facade.send("GET", "/api/state", &[("Accept-Encoding", accept)], "").await;
        assert!(!head.contains("content-encoding"), "{accept}: {head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{accept}: {head}");
    }
    // ha-evcc wants the length of an error.
    let (status, head, body) =
        facade.send("GET", "/api/tariff/x", &[("Accept-Encoding", "gzip")], "").await;
    assert_eq!(status, 404);
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
}

#[tokio::test]
async fn slashes_at_the_end_are_not_seen() {
    let facade = Facade::start().await;
    for path in ["/api/state/", "/api/health//", "/api/loadpoints/1/plan/"] {
        assert_eq!(facade.get(path).await.0, 200, "{path}");
    }
    assert_eq!(facade.post("/api/loadpoints/1/mode/now/").await, (200, "\"now\"\n".to_owned()));
    let (status, body) = facade.get("/api/state/?jq=.siteTitle").await;
    assert_eq!((status, &*body), (200, "\"Zuhause\"\n"));
}

#[tokio::test]
async fn a_proxy_may_mount_us_below_a_path() {
    let settings = Settings { base_path: "/charge".to_owned(), ..open() };
    let facade = Facade::with(settings, Store::memory().unwrap()).await;
    // It may take the path off, or not.
    for path in ["/charge/api/health", "/api/health", "/charge/", "/", "/charge/app.js"] {
        assert_eq!(facade.get(path).await.0, 200, "{path}");
    }
    assert_eq!(facade.post("/charge/api/loadpoints/1/mode/now").await.0, 200);
    let (status, head, _) = facade.call("GET", "/charge").await;
    assert_eq!(status, 308);
    assert!(head.contains("location: /charge/\r\n"), "{head}");
    for path in ["/charged/api/health", "/charge/charge/api/health"] {
        assert_eq!(facade.get(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn values_have_the_spellings_of_evcc_and_ours() {
    let facade = Facade::start().await;
    for (path, answer) in [
        ("/api/residualpower/-100.5", "-100.5"),
        ("/api/loadpoints/1/enable/threshold/-2000", "-2000"),
        ("/api/loadpoints/1/smartcostlimit/-0.05", "-0.05"),
        ("/api/batterydischargecontrol/on", "true"),
        ("/api/batterydischargecontrol/0", "false"),
        ("/api/batterydischargecontrol/t", "true"),
        ("/api/batterydischargecontrol/off", "false"),
        ("/api/batterydischargecontrol/TRUE", "true"),
    ] {
        assert_eq!(facade.post(path).await, (200, format!("{answer}\n")), "{path}");
    }
    for path in [
        "/api/batterydischargecontrol/2",
        "/api/batterydischargecontrol/maybe",
        "/api/residualpower/1.2.3",
        "/api/prioritysoc/-1",
        "/api/loadpoints/1/mode/%ff",
    ] {
        let (status, head, body) = facade.call("POST", path).await;
        assert_eq!(status, 400, "{path}: {body}");
        assert!(head.contains("content-type: application/json"), "{path}: {head}");
        assert!(body.starts_with("{\"error\":\""), "{path}: {body}");
    }
}

#[tokio::test]
async fn bodies_that_are_too_long_or_no_text_are_refused_in_json() {
    let facade = Facade::start().await;
    let path = "/api/vehicles/tesla/plan/repeating";
    for size in [5_000, 70_000] {
        let (status, _, body) = facade.send("POST", path, &[], &"x".repeat(size)).await;
        assert_eq!(status, 413, "{body}");
        assert!(body.starts_with("{\"error\":\""), "{body}");
    }
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    )
    .into_bytes();
    request.extend([0xff, 0xfe]);
    let answer = facade.raw(&request).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("{\"error\":\""), "{answer}");
}

#[tokio::test]
async fn files_of_the_page_are_sent_again_only_when_they_changed() {
    let facade = Facade::start().await;
    let (status, head, _) = facade.call("GET", "/app.js").await;
    assert_eq!(status, 200);
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let tag = tag.replace("w/", "W/");
    let (status, _, body) = facade.send("GET", "/app.js", &[("If-None-Match", &tag)], "").await;
    assert_eq!((status, &*body), (304, ""));
    let (status, _, _) = facade.send("GET", "/style.css", &[("If-None-Match", &tag)], "").await;
    assert_eq!(status, 200, "the tag of another file");
    let (_, head, _) = facade.call("GET", "/").await;
    assert!(head.contains("cache-control: no-store") && !head.contains("etag"), "{head}");
}

/// Watches and displays send programs like these, partly unescaped (api.md §8 no. 17 to 19 and 30).
#[tokio::test]
async fn programs_of_clients_are_answered() {
    let facade = Facade::start().await;
    let watch = "{result:{loadpoints:[.loadpoints[]|{title,mode,charging,vehicleSoc}],pvPower,gridPower,\
        grid:{power:.grid.power},batterySoc,vehicles:.vehicles|map_values({title}),\
        forecast:{solar:.forecast.solar|{scale,today:{energy:.today.energy}}}}}\
        |walk(if type==\"object\"then with_entries(select(.value!=null and .value!={} and .value!=[]))\
        elif type==\"array\"then map(select(.!=null and .!={} and .!=[]))else . end)";
    let escaped = watch.replace('"', "%22").replace(' ', "%20");
    let (status, body) = facade.get(&format!("/api/state?jq={escaped}")).await;
    assert_eq!(status, 200, "{body}");
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["result"]["loadpoints"][0]["title"], "Carport");
    assert_eq!(told["result"]["vehicles"]["zoe"]["title"], "Zoe");
    assert_eq!(told["result"]["grid"]["power"], -3000);
    assert!(!body.contains("null") && !body.contains("{}"), "{body}");
    let display = "{gridPower:.grid.power,loadpoints:[.loadpoints[0],.loadpoints[7]]|map(select(.!=null)|{soc:(.vehicleSoc//.soc)})}";
    let (status, body) = facade.get(&format!("/api/state?jq={display}")).await;
    assert_eq!((status, &*body), (200, "{\"gridPower\":-3000,\"loadpoints\":[{\"soc\":41}]}\n"));
}
