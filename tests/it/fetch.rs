//! The HTTP client against servers that answer, that do not, and that answer too much (design S6).

use std::time::Duration;

use chargebus::config::{HttpAuth, HttpRequest};
use chargebus::edges::fetch::{ANSWER_MAX, AT_ONCE, Failure, Fetch, REDIRECTS_MAX};
use tokio::time::Instant;

use crate::support::{free_port, soon, until};
use crate::web::{Heard, Reply, Web};

const SHORT: Duration = Duration::from_millis(300);

fn digest_login() -> HttpAuth {
    HttpAuth::Digest { user: "Mufasa".to_owned(), password: "Circle of Life".to_owned() }
}

#[tokio::test]
async fn requests_arrive_as_they_are_written() {
    let web = Web::start(|heard| Reply::ok(format!("{} {}", heard.method, heard.body))).await;
    let fetch = Fetch::default();
    let basic = HttpAuth::Basic { user: "me".to_owned(), password: "pä:ss".to_owned() };
    let request = HttpRequest {
        method: "put".to_owned(),
        headers: vec![("X-Key".to_owned(), "1".to_owned())],
        body: "{\"a\":1}".to_owned(),
        auth: basic,
        ..HttpRequest::get(format!("127.0.0.1:{}/a?b=c", web.port))
    };
    let answer = fetch.send(&request).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (200, &b"PUT {\"a\":1}"[..]));
    let bearer =
        HttpRequest { auth: HttpAuth::Bearer("t0k".to_owned()), ..HttpRequest::get(web.uri("/")) };
    fetch.send(&bearer).await.unwrap();
    let [first, second] = &web.heard()[..] else { panic!("two requests") };
    assert_eq!(first.path, "/a?b=c");
    assert_eq!(first.header("x-key"), "1");
    assert_eq!(first.header("authorization"), "Basic bWU6cMOkOnNz");
    assert!(first.header("user-agent").starts_with("chargebus/"));
    assert_eq!(second.header("authorization"), "Bearer t0k");
}

#[tokio::test]
async fn whatever_the_status_it_is_an_answer() {
    let web = Web::start(|heard| Reply::status(heard.path[1..].parse().unwrap())).await;
    for status in [200, 204, 400, 401, 404, 500, 503] {
        let answer = Fetch::default().send(&HttpRequest::get(web.uri(&format!("/{status}")))).await;
        assert_eq!(answer.unwrap().status, status);
    }
}

#[tokio::test]
async fn bad_servers_are_given_up_in_time() {
    let fetch = Fetch::default();
    for (reply, part) in [
        (Reply::Silent, "no answer within 300ms"),
        (Reply::Half, "no answer within 300ms"),
        (Reply::Close, ""),
        (Reply::Garbage, ""),
    ] {
        let shown = format!("{reply:?}");
        let web = Web::start(move |_| reply.clone()).await;
        let request = HttpRequest { timeout: SHORT, ..HttpRequest::get(web.uri("/")) };
        let failure = soon("a failure", fetch.send(&request)).await.unwrap_err();
        let Failure::NoAnswer(text) = &failure else { panic!("{shown}: {failure:?}") };
        assert!(text.contains(part) && !text.is_empty(), "{shown}: {text}");
    }
    let nobody = HttpRequest::get(format!("127.0.0.1:{}", free_port()));
    let failure = fetch.send(&nobody).await.unwrap_err();
    assert!(failure.to_string().contains("refused"), "{failure}");
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let web = Web::start(|_| Reply::Endless).await;
    let answer = soon("a failure", Fetch::default().send(&HttpRequest::get(web.uri("/")))).await;
    assert_eq!(answer, Err(Failure::TooLong));
    let web = Web::start(|heard| Reply::ok("x".repeat(heard.path[1..].parse().unwrap()))).await;
    let fits = HttpRequest::get(web.uri(&format!("/{ANSWER_MAX}")));
    assert_eq!(Fetch::default().send(&fits).await.unwrap().body.len(), ANSWER_MAX);
    let longer = HttpRequest::get(web.uri(&format!("/{}", ANSWER_MAX + 1)));
    assert_eq!(Fetch::default().send(&longer).await, Err(Failure::TooLong));
}

#[tokio::test]
async fn redirections_are_followed_a_few_times() {
    let web = Web::start(|heard| match heard.path.as_str() {
        "/a/old" => Reply::redirect(301, "new?x=1"),
        "/kept" => Reply::redirect(307, "/a/new"),
        "/loop" => Reply::redirect(302, "/loop"),
        "/nowhere" => Reply::redirect(302, "ftp://127.0.0.1/"),
        _ => Reply::ok("there"),
    })
    .await;
    let fetch = Fetch::default();
    for path in ["/a/old", "/kept"] {
        let answer = fetch.send(&HttpRequest::post(web.uri(path), "b")).await.unwrap();
        assert_eq!(&*answer.body, b"there", "{path}");
    }
    let shown = |heard: Heard| format!("{} {} {}", heard.method, heard.path, heard.body);
    let seen: Vec<_> = web.heard().into_iter().map(shown).collect();
    assert_eq!(seen, ["POST /a/old b", "GET /a/new?x=1 ", "POST /kept b", "POST /a/new b"]);
    for path in ["/loop", "/nowhere"] {
        let failure = fetch.send(&HttpRequest::get(web.uri(path))).await.unwrap_err();
        assert!(matches!(failure, Failure::Redirected(_)), "{path}: {failure:?}");
    }
    let rounds = web.paths().iter().filter(|path| *path == "/loop").count();
    assert_eq!(rounds, REDIRECTS_MAX + 1);
}

#[tokio::test]
async fn secrets_stay_with_the_host_they_are_for() {
    let other = Web::start(|_| Reply::ok("")).await;
    let target = other.uri("/");
    let web = Web::start(move |_| Reply::redirect(307, &target)).await;
    let request = HttpRequest {
        headers: vec![("x-key".to_owned(), "1".to_owned())],
        auth: HttpAuth::Bearer("t0k".to_owned()),
        ..HttpRequest::get(web.uri("/"))
    };
    Fetch::default().send(&request).await.unwrap();
    assert_eq!(web.heard()[0].header("authorization"), "Bearer t0k");
    let heard = &other.heard()[0];
    assert_eq!((heard.header("authorization"), heard.header("x-key")), ("", ""));
    let shown = format!("{:?}", HttpRequest { uri: "http://h/p?key=s3".to_owned(), ..request });
    assert!(!shown.contains("s3") && !shown.contains("t0k"), "{shown}");
}

#[tokio::test]
async fn a_digest_challenge_is_answered() {
    // RFC 7616 §3.9.1 for the password; the answer is checked with the server's own nonce.
    let web = Web::start(|heard| match heard.header("authorization") {
        "" => {
            let challenge = "www-authenticate: Basic realm=\"x\"\r\nwww-authenticate: Digest \
                             realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                             algorithm=SHA-256, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"\r\n";
            Reply::Full(401, challenge.to_owned(), String::new())
        }
        proof => Reply::ok(proof),
    })
    .await;
    let request =
        HttpRequest { auth: digest_login(), ..HttpRequest::get(web.uri("/dir/index.html")) };
    let answer = Fetch::default().send(&request).await.unwrap();
    let proof = String::from_utf8(answer.body.to_vec()).unwrap();
    for part in ["Digest ", "username=\"Mufasa\"", "uri=\"/dir/index.html\"", "algorithm=SHA-256"] {
        assert!(proof.contains(part), "{part}: {proof}");
    }
    assert!(!proof.contains("Circle"), "{proof}");
    assert_eq!(web.heard().len(), 2);
    // A challenge that cannot be read is an error, not a panic.
    let odd = Web::start(|_| {
        Reply::Full(401, "www-authenticate: Digest realm=\"\r\n".to_owned(), String::new())
    })
    .await;
    let request = HttpRequest { auth: digest_login(), ..HttpRequest::get(odd.uri("/")) };
    assert!(matches!(Fetch::default().send(&request).await, Err(Failure::Invalid(_))));
}

#[tokio::test]
async fn a_dead_host_delays_nobody_else() {
    let dead = Web::start(|_| Reply::Silent).await;
    let good = Web::start(|_| Reply::ok("1")).await;
    let fetch = Fetch::default();
    let started = Instant::now();
    let stuck: Vec<_> = (0..20)
        .map(|_| {
            let (fetch, request) = (fetch.clone(), HttpRequest::get(dead.uri("/")));
            tokio::spawn(async move { fetch.send(&request).await })
        })
        .collect();
    until("the dead host to be asked", || dead.heard().len() == AT_ONCE).await;
    for _ in 0..20 {
        fetch.send(&HttpRequest::get(good.uri("/"))).await.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(dead.heard().len(), AT_ONCE, "one host gets no more at once");
    assert!(stuck.iter().all(|task| !task.is_finished()));
}

#[tokio::test]
async fn what_cannot_be_sent_is_named() {
    let uris = ["", "ftp://h/", "http://", "http://h/a b"];
    for uri in uris {
        let failure = Fetch::default().send(&HttpRequest::get(uri)).await.unwrap_err();
        assert!(matches!(failure, Failure::Invalid(_)), "{uri}: {failure:?}");
    }
    let request =
        HttpRequest { headers: vec![("a b".to_owned(), "1".to_owned())], ..HttpRequest::get("h") };
    assert!(matches!(Fetch::default().send(&request).await, Err(Failure::Invalid(_))));
}
