//! Signing in: a browser keeps the token in a cookie that no script can read and no other site can send.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};

use super::{frame, pairs, see_other};
use crate::http::guard::{COOKIE, Route};
use crate::http::problem::Problem;
use crate::service::Service;

/// Seconds for which a browser stays signed in: a working day.
const SIGNED_IN_SECONDS: u32 = 12 * 3600;

pub(super) fn router(service: &Arc<Service>) -> Router {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-out", post(sign_out))
        .with_state(Arc::clone(service))
}

async fn show(State(service): State<Arc<Service>>) -> Response {
    if service.tokens.is_open() {
        return see_other("/");
    }
    named(super::html(&form(None)))
}

async fn sign_in(State(service): State<Arc<Service>>, request: Request) -> Response {
    let token = match pairs(request).await {
        Ok(mut pairs) => pairs.remove("token").unwrap_or_default(),
        Err(problem) => return frame::problem(&problem),
    };
    let token = token.trim();
    if service.tokens.holder(token).is_none() {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Nobody has that token.");
        let mut response = super::html(&form(Some(&problem.title)));
        problem.mark(&mut response);
        return named(response);
    }
    with_cookie(token, SIGNED_IN_SECONDS)
}

async fn sign_out() -> Response {
    with_cookie("", 0)
}

fn with_cookie(token: &str, seconds: u32) -> Response {
    let mut response = see_other("/");
    let cookie = format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    // A token that is known is visible ASCII; one with a semicolon would be cut, and then not be known.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    named(response)
}

fn named(mut response: Response) -> Response {
    response.extensions_mut().insert(Route("/sign-in"));
    response
}

fn form(wrong: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (frame::head("Sign in", false))
            body.bare {
                main.card id="main" {
                    h1 { img src="/assets/icon.svg" alt="" width="32" height="32"; " Stele" }
                    @if let Some(wrong) = wrong { p.bad role="alert" { (wrong) } }
                    form.stack method="post" action="/sign-in" {
                        label for="token" { "Token" }
                        input id="token" name="token" type="password" required autocomplete="current-password" autofocus;
                        button { "Sign in" }
                    }
                    p.muted { "Whoever keeps this service has the tokens, in its token file." }
                }
            }
        }
    }
}
