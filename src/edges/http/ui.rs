//! Another web page than ours: a folder with a build of evcc's own user interface (api.md §3.12).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::services::ServeDir;

use crate::api::System;

use super::App;

/// A larger page is none.
const PAGE_MAX: u64 = 1 << 20;
/// Folders whose files are served as they are.
const FOLDERS: [&str; 3] = ["assets", "i18n", "meta"];
/// The language of the page until the browser says otherwise.
const LANGUAGE: &str = "en";

/// The page of a folder at `/`, and what it loads.
pub(super) fn routes(folder: &Path) -> Router<App> {
    let index: Arc<Path> = folder.join("index.html").into();
    let page = get(move || page(Arc::clone(&index)));
    let mut router = Router::new().route("/", page).route("/globals.js", get(globals));
    for name in FOLDERS {
        router = router.nest_service(&format!("/{name}"), ServeDir::new(folder.join(name)));
    }
    router
}

/// What is wrong with a folder as a user interface.
///
/// # Errors
/// There is no page in it; names the remedy.
pub fn check(folder: &Path) -> Result<PathBuf, String> {
    match folder.join("index.html").is_file() {
        true => Ok(folder.to_owned()),
        false => Err(format!(
            "{} has no index.html: give the folder of a built evcc user interface (its dist)",
            folder.display()
        )),
    }
}

async fn page(index: Arc<Path>) -> Response {
    let size = tokio::fs::metadata(&index).await.map_or(0, |metadata| metadata.len());
    let text = match size {
        0 | PAGE_MAX.. => None,
        _ => tokio::fs::read_to_string(&index).await.ok(),
    };
    let Some(text) = text else {
        return (StatusCode::NOT_FOUND, "index.html of --ui cannot be read\n").into_response();
    };
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (headers, filled_in(&text)).into_response()
}

/// The page with its `[[.Name]]` filled in; names that we do not know stay empty.
fn filled_in(text: &str) -> String {
    let mut pieces = text.split("[[");
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let Some((name, rest)) = piece.split_once("]]") else {
            page.push_str("[[");
            page.push_str(piece);
            continue;
        };
        page.push_str(match name.trim() {
            ".Version" => System::EMULATED,
            ".DefaultLang" => LANGUAGE,
            _ => "",
        });
        page.push_str(rest);
    }
    page
}

async fn globals() -> Response {
    let globals = serde_json::json!({
        "version": System::EMULATED, "commit": "", "customCss": "", "customLogo": "",
        "customBrand": "", "customWebsite": "", "customEmail": "", "customPhone": "",
    });
    let headers = [(header::CONTENT_TYPE, "text/javascript"), (header::CACHE_CONTROL, "no-cache")];
    (headers, format!("window.evcc = {globals};\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_page_are_filled_in() {
        let page = "<html lang=\"[[.DefaultLang]]\">[[ .Version ]][[.Strange]] a[[0] b</html>";
        let filled = format!("<html lang=\"en\">{} a[[0] b</html>", System::EMULATED);
        assert_eq!(filled_in(page), filled);
    }
}
