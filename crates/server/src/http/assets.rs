//! The files of the dashboard, which are parts of the program.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::guard::Route;

/// A browser asks again whether they are the same; a newer program has newer ones.
const CACHE: &str = "max-age=300";

/// Name, media type, content.
const FILES: [(&str, &str, &str); 3] = [
    ("/assets/style.css", "text/css; charset=utf-8", include_str!("../assets/style.css")),
    ("/assets/app.js", "text/javascript; charset=utf-8", include_str!("../assets/app.js")),
    ("/assets/icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
];

pub(super) fn router() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, media_type, content)| {
        let answer = move || async move {
            let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, CACHE)];
            let mut response = (headers, content).into_response();
            response.extensions_mut().insert(Route("/assets"));
            response
        };
        router.route(path, get(answer))
    })
}
