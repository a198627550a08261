//! `source: prometheus`: the answer of a query, one number (§7.1).

use super::{Field, Flaw, Section, Source, Want, http, pipeline};
use crate::config::plugin::{HttpRequest, HttpSource, Pipeline};
use crate::config::text::encoded;

/// The number of an answer that is a scalar, or a vector with one element.
const NUMBER: &str = r#"
if .status != "success" then error(.error // "the query failed")
elif .data.resultType == "scalar" then .data.result[1]
elif .data.resultType == "vector" and (.data.result | length) == 1 then .data.result[0].value[1]
else error("not a single number: \(.data.resultType) of \(.data.result | length)")
end"#;

pub(super) fn source(section: Section<'_>, want: Want) -> Result<Source, Flaw> {
    if want != Want::Number {
        section.error("source", "prometheus gives a number: it cannot be used here");
        return Err(Flaw::Reported);
    }
    let uri = section.need("uri").and_then(|field| http::uri(&field, None));
    let query = section.need("query").and_then(|field| query(&field));
    let caller = http::caller(&section);
    let timeout = section.time("timeout");
    let interval = http::interval(&section);
    let scale = pipeline::scale(&section);
    section.finish_strict();
    let (uri, query) = (uri?, query?);
    let uri = format!("{}/api/v1/query?query={}", uri.trim_end_matches('/'), encoded(&query));
    let mut request = caller?.of(HttpRequest::get(uri));
    request.timeout = timeout.unwrap_or(request.timeout);
    let pipeline = Pipeline { jq: Some(NUMBER.to_owned()), ..Pipeline::default() };
    Ok(Source::Http(Box::new(HttpSource { request, interval, scale, pipeline })))
}

fn query(field: &Field<'_>) -> Result<String, Flaw> {
    let query = field.text().ok_or(Flaw::Reported)?;
    if query.trim().is_empty() {
        field.error("must not be empty");
        return Err(Flaw::Reported);
    }
    Ok(query)
}
