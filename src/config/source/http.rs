//! `source: http`: the answer of a web server, or a request per command (§7.1, §7.3).

use std::time::Duration;

use super::{Field, Flaw, Section, Sink, Source, Want, pipeline, template};
use crate::config::plugin::{HttpAuth, HttpRequest, HttpSource};
use crate::config::text::{did_you_mean, quoted};

/// Shortest time between two requests or runs.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

const AUTH: &[&str] = &["basic", "bearer", "digest"];

pub(super) fn source(section: Section<'_>, _want: Want) -> Result<Source, Flaw> {
    let request = request(&section, None);
    let interval = interval(&section);
    let pipeline = pipeline::read(&section);
    section.finish_strict();
    let (request, (scale, pipeline)) = (request?, pipeline?);
    Ok(Source::Http(Box::new(HttpSource { request, interval, scale, pipeline })))
}

pub(super) fn sink(section: Section<'_>, name: &str) -> Result<Sink, Flaw> {
    let request = request(&section, Some(name));
    pipeline::unused(&section);
    for unused in ["cache", "interval"] {
        section.has(unused);
    }
    section.finish_strict();
    Ok(Sink::Http(Box::new(request?)))
}

/// How often is asked: `interval`, and no more often than `cache` says.
pub(super) fn interval(section: &Section<'_>) -> Option<Duration> {
    let interval = section.get("interval").and_then(|field| {
        let interval = field.duration()?;
        if interval < MIN_INTERVAL {
            field.error(format!("must be at least {MIN_INTERVAL:?}"));
        }
        Some(interval)
    });
    let cache = section.time("cache");
    interval.max(cache.map(|cache| cache.max(MIN_INTERVAL)))
}

/// `name` is the placeholder of a value that is written.
fn request(section: &Section<'_>, name: Option<&str>) -> Result<HttpRequest, Flaw> {
    let uri = section.need("uri").and_then(|field| uri(&field, name));
    let body = section.get("body").map(|field| match name {
        Some(name) => template(&field, name),
        None => field.text().ok_or(Flaw::Reported),
    });
    let method = section.get("method").map(|field| method(&field));
    let caller = caller(section);
    let timeout = section.time("timeout");
    let mut request = caller?.of(HttpRequest::get(uri?));
    request.body = body.transpose()?.unwrap_or_default();
    // A body turns GET into POST.
    request.method = match method.transpose()? {
        Some(method) if method != "GET" || request.body.is_empty() => method,
        None if request.body.is_empty() => request.method,
        Some(_) | None => "POST".to_owned(),
    };
    request.timeout = timeout.unwrap_or(request.timeout);
    Ok(request)
}

/// Who asks, and whom we believe.
pub(super) struct Caller {
    headers: Vec<(String, String)>,
    auth: HttpAuth,
    insecure: bool,
}

impl Caller {
    pub(super) fn of(self, request: HttpRequest) -> HttpRequest {
        let Self { headers, auth, insecure } = self;
        HttpRequest { headers, auth, insecure, ..request }
    }
}

/// `headers`, `auth` and `insecure`.
pub(super) fn caller(section: &Section<'_>) -> Result<Caller, Flaw> {
    let headers = section.section("headers").map(|section| headers(&section));
    let auth = section.section("auth").map(auth).transpose();
    let insecure = section.flag("insecure").unwrap_or(false);
    let auth = auth?.unwrap_or(HttpAuth::None);
    Ok(Caller { headers: headers.unwrap_or_default(), auth, insecure })
}

pub(super) fn uri(field: &Field<'_>, name: Option<&str>) -> Result<String, Flaw> {
    let uri = match name {
        Some(name) => template(field, name)?,
        None => field.text().ok_or(Flaw::Reported)?,
    };
    if name.is_none() && uri.contains("{{") {
        return Err(field.unsupported("Go templates are not expanded where a value is read"));
    }
    let uri = uri.trim();
    let scheme = uri.split_once("://").map_or("http", |(scheme, _)| scheme);
    let wrong = if uri.is_empty() {
        "must not be empty"
    } else if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        "must begin with http:// or https://"
    } else if name.is_none() && uri.contains(char::is_whitespace) {
        "must not have blanks: write %20"
    } else {
        return Ok(uri.to_owned());
    };
    field.error(format!("{wrong}, found {}", quoted(uri)));
    Err(Flaw::Reported)
}

fn method(field: &Field<'_>) -> Result<String, Flaw> {
    let method = field.text().ok_or(Flaw::Reported)?.trim().to_ascii_uppercase();
    if !method.is_empty() && method.bytes().all(|letter| letter.is_ascii_alphabetic()) {
        return Ok(method);
    }
    field.error(format!("must be a method like GET or POST, found {}", quoted(&method)));
    Err(Flaw::Reported)
}

fn headers(section: &Section<'_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (name, field) in section.pairs() {
        let Some(value) = field.text() else { continue };
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            field.error("is not the name of a header");
        } else if value.chars().any(|c| c.is_control() && c != '\t') {
            field.error("has a character that cannot be sent");
        } else {
            headers.push((name, value));
        }
    }
    headers
}

fn auth(section: Section<'_>) -> Result<HttpAuth, Flaw> {
    if let Some(field) = section.get("source") {
        return Err(field.unsupported("OAuth is not built yet: use basic, bearer or digest"));
    }
    let kind = section.need("type")?;
    let word = kind.text().ok_or(Flaw::Reported)?.to_lowercase();
    let text = |key| section.need(key).and_then(|field| field.text().ok_or(Flaw::Reported));
    let login = || Ok((text("user")?, section.text("password").unwrap_or_default()));
    let auth = match word.as_str() {
        "basic" => login().map(|(user, password)| HttpAuth::Basic { user, password }),
        "digest" => login().map(|(user, password)| HttpAuth::Digest { user, password }),
        "bearer" => text("token").map(HttpAuth::Bearer),
        _ => {
            let hint = did_you_mean(&word, AUTH.iter().copied());
            let known = AUTH.join(", ");
            kind.error(format!("must be one of {known}, found {}{hint}", quoted(&word)));
            return Err(Flaw::Reported);
        }
    };
    section.finish_strict();
    auth
}
