//! `source: ws`, `websocket`: the last message of a WebSocket (§7.1).

use super::{Field, Flaw, Section, Source, Want, http, pipeline};
use crate::config::plugin::{HttpRequest, SocketSource};
use crate::config::text::quoted;

pub(super) fn source(section: Section<'_>, _want: Want) -> Result<Source, Flaw> {
    let uri = section.need("uri").and_then(|field| uri(&field));
    let caller = http::caller(&section);
    let timeout = section.time("timeout");
    let pipeline = pipeline::read(&section);
    section.finish_strict();
    let (uri, (scale, pipeline)) = (uri?, pipeline?);
    let request = caller?.of(HttpRequest::get(uri));
    Ok(Source::Socket(Box::new(SocketSource { request, timeout, scale, pipeline })))
}

/// The address of the handshake, which is a request over HTTP.
fn uri(field: &Field<'_>) -> Result<String, Flaw> {
    let written = field.text().ok_or(Flaw::Reported)?;
    let (scheme, rest) = written.trim().split_once("://").unwrap_or(("ws", written.trim()));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => "http",
        "wss" | "https" => "https",
        _ => {
            field.error(format!("must begin with ws:// or wss://, found {}", quoted(&written)));
            return Err(Flaw::Reported);
        }
    };
    if rest.is_empty() || rest.contains(char::is_whitespace) {
        field.error(format!("must be an address without blanks, found {}", quoted(&written)));
        return Err(Flaw::Reported);
    }
    Ok(format!("{scheme}://{rest}"))
}
