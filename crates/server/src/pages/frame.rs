//! What stands around every page: its head, where one can go, and what is said where a page cannot be shown.

use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

use super::html as respond;
use crate::http::problem::Problem;

/// Where one can go: address, name, the key after `g`.
const PLACES: [(&str, &str, &str); 9] = [
    ("/", "Overview", "o"),
    ("/jobs", "Jobs", "j"),
    ("/sources", "Sources", "r"),
    ("/coverage", "Coverage", "c"),
    ("/search", "Search", "s"),
    ("/graph", "Graph", "g"),
    ("/sql", "SQL", "x"),
    ("/quarantine", "Quarantine", "q"),
    ("/docs", "API", "a"),
];

/// Pages that change by themselves: without JavaScript they are loaded again after this many seconds.
const LIVE: [&str; 4] = ["/", "/jobs", "/jobs/{id}", "/sources"];
const RELOAD_SECONDS: u32 = 10;

/// The frame of one page.
pub(super) struct Frame {
    path: &'static str,
    title: String,
    /// Whether one can sign out.
    signed_in: bool,
    tenant: String,
}

impl Frame {
    pub(super) fn of(path: &'static str, title: &str, signed_in: bool, tenant: &str) -> Self {
        Self { path, title: title.to_owned(), signed_in, tenant: tenant.to_owned() }
    }

    /// What stands in a page that cannot be shown.
    pub(super) fn instead(&self, problem: &Problem) -> Markup {
        html! { h1 { (self.title) } (notice(problem)) }
    }

    /// The whole page.
    pub(super) fn around(&self, content: Markup) -> Markup {
        let is_here = |place: &str| match place {
            "/" => self.path == "/",
            "/coverage" => self.path.starts_with(place) || self.path == "/excerpt",
            _ => self.path.starts_with(place),
        };
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(&self.title, LIVE.contains(&self.path)))
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        a.brand href="/" { img src="/assets/icon.svg" alt="" width="24" height="24"; "Stele" }
                        nav aria-label="Pages" {
                            @for (place, name, key) in PLACES {
                                a href=(place) data-key=(key) aria-current=[is_here(place).then_some("page")] { (name) }
                            }
                        }
                        form.find action="/search" role="search" {
                            input type="search" name="query" placeholder="Search" aria-label="Search" data-find;
                        }
                    }
                    main id="main" tabindex="-1" data-live[LIVE.contains(&self.path)] { (content) }
                    footer {
                        span { "Stele " (env!("CARGO_PKG_VERSION")) " · tenant " (self.tenant) }
                        span.keys { "Press " kbd { "?" } " for keys" }
                        @if self.signed_in { form method="post" action="/sign-out" { button.plain { "Sign out" } } }
                    }
                    dialog id="keys" aria-label="Keys" {
                        h2 { "Keys" }
                        dl.keys {
                            dt { kbd { "/" } } dd { "search" }
                            @for (_, name, key) in PLACES { dt { kbd { "g" } " " kbd { (key) } } dd { (name) } }
                            dt { kbd { "Ctrl" } " " kbd { "Enter" } } dd { "run the query" }
                            dt { kbd { "Esc" } } dd { "close this" }
                        }
                        form method="dialog" { button { "Close" } }
                    }
                }
            }
        }
    }
}

/// The head of a page.
pub(super) fn head(title: &str, live: bool) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · Stele" }
            link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
            link rel="stylesheet" href="/assets/style.css";
            script src="/assets/app.js" defer {}
            @if live { noscript { meta http-equiv="refresh" content=(RELOAD_SECONDS); } }
        }
    }
}

/// What went wrong, inside a page.
pub(super) fn notice(problem: &Problem) -> Markup {
    html! {
        section.notice.bad role="alert" {
            h2 { (problem.title) }
            @if let Some(detail) = &problem.detail { p.detail { (detail) } }
            @if let Some(next) = &problem.next { p { b { "Try: " } (next) } }
        }
    }
}

/// What went wrong, as a page of its own: nobody is known for whom there would be a frame.
pub(crate) fn problem(problem: &Problem) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(&problem.title, false))
            body.bare {
                main id="main" {
                    h1 { img src="/assets/icon.svg" alt="" width="32" height="32"; "Stele" }
                    (notice(problem))
                    p { a href="/" { "To the overview" } }
                }
            }
        }
    };
    let mut response = respond(&page);
    problem.mark(&mut response);
    response
}
