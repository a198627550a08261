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
pub(super) const FOLDERS: [&str; 3] = ["assets", "i18n", "meta"];
/// What a user may add to the folder: the name in a request, and the files that can stand for it.
const CUSTOM: [(&str, &[(&str, &str)]); 3] = [
    ("custom.css", &[("custom.css", "text/css")]),
    (
        "custom-logo-light",
        &[("custom-logo-light.svg", "image/svg+xml"), ("custom-logo-light.png", "image/png")],
    ),
    (
        "custom-logo-dark",
        &[("custom-logo-dark.svg", "image/svg+xml"), ("custom-logo-dark.png", "image/png")],
    ),
];
/// The language of the page until the browser says otherwise.
const LANGUAGE: &str = "en";

/// The page of a folder at `/`, and what it loads.
pub(super) fn routes(folder: &Path) -> Router<App> {
    let root: Arc<Path> = folder.into();
    let (index, ours) = (Arc::clone(&root), Arc::clone(&root));
    let page = get(move || page(Arc::clone(&index)));
    let globals = get(move || globals(Arc::clone(&ours)));
    let mut router = Router::new().route("/", page).route("/globals.js", globals);
    for (name, files) in CUSTOM {
        let root = Arc::clone(&root);
        router = router.route(&format!("/{name}"), get(move || custom(Arc::clone(&root), files)));
    }
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

/// A file that is no longer than a page may be.
async fn read(path: &Path) -> Option<Vec<u8>> {
    match tokio::fs::metadata(path).await.ok()?.len() {
        0 | PAGE_MAX.. => None,
        _ => tokio::fs::read(path).await.ok(),
    }
}

/// The first of these files that is there.
async fn custom(folder: Arc<Path>, files: &'static [(&'static str, &'static str)]) -> Response {
    for (name, kind) in files {
        if let Some(bytes) = read(&folder.join(name)).await {
            let headers = [(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "no-cache")];
            return (headers, bytes).into_response();
        }
    }
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

async fn page(folder: Arc<Path>) -> Response {
    let text = read(&folder.join("index.html")).await.and_then(|text| String::from_utf8(text).ok());
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

async fn globals(folder: Arc<Path>) -> Response {
    // The page asks for these files where it reads `true`, and for both logos or none.
    let [css, light, dark] =
        CUSTOM.map(|(_, files)| files.iter().any(|(name, _)| folder.join(name).is_file()));
    let (css, logo) = (css.to_string(), (light && dark).to_string());
    let globals = serde_json::json!({
        "version": System::EMULATED, "commit": "", "customCss": css, "customLogo": logo,
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
