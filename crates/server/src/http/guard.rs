//! Who may come in. Every request passes here: it names this host, it is sent by no page of somebody
//! else, its token is known and not used too often, and it ends in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use tracing::Instrument;

use crate::limits::QUERY_BYTES_MAX;
use crate::metrics::Family;
use crate::service::{Service, Visitor};

/// The cookie in which a browser keeps its token after the sign-in.
pub(crate) const COOKIE: &str = "stele_token";

/// What a response was the answer to, as `http_requests_total` names it. A path that was made up is none.
#[derive(Clone, Copy)]
pub(crate) struct Route(pub(crate) &'static str);

/// What pages may do: nothing but what this service itself serves.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What every response says to a browser. Nobody else is told where a link was followed; of our own pages the browser
/// has to say it, since with `no-referrer` the origin of a form is `null`, which is everybody's.
const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("x-frame-options", "DENY"),
];

/// Paths that need no token: what a prober asks, and what a sign-in takes.
fn is_open(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/sign-in") || path.starts_with("/assets/")
}

/// Paths of programs, which are told what is wrong as JSON; people are shown a page.
pub(crate) fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/")
        || matches!(path, "/mcp" | "/metrics" | "/openapi.json" | "/health" | "/ready" | "/api")
}

/// Lets a request in, or says why not; and dresses whatever comes out.
pub(super) async fn admit(
    State((service, time_max)): State<(Arc<Service>, Duration)>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!(
        "http.request",
        method = request.method().as_str(),
        route = tracing::field::Empty,
        status = tracing::field::Empty,
    );
    let (visitor, outcome) = check(&service, request);
    let mut response = match outcome {
        Ok(request) => match tokio::time::timeout(time_max, next.run(request).instrument(span.clone())).await
        {
            Ok(response) => response,
            Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The request took too long.")
                .next("the same request again, with a body that is sent at once")
                .into_response(),
        },
        Err(problem) => refused(&problem, &path),
    };
    dress(&mut response);
    if let Some(visitor) = visitor {
        let route = response.extensions().get::<Route>().map_or("other", |route| route.0);
        span.record("route", route);
        span.record("status", response.status().as_u16());
        let metrics = &visitor.tenant.metrics;
        metrics.add(Family::Requests, &[route, response.status().as_str()], 1.0);
        metrics.observe(Family::RequestTime, &[route], began.elapsed());
    }
    response
}

fn refused(problem: &Problem, path: &str) -> Response {
    if is_for_programs(path) {
        return problem.clone().into_response();
    }
    if problem.status() == StatusCode::UNAUTHORIZED {
        let mut response = crate::pages::see_other("/sign-in");
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    }
    crate::pages::problem(problem)
}

fn dress(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    // What is there now need not be there in a moment, and is not everybody's.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// What the checks come to, and who asked, if that is known.
fn check(service: &Service, mut request: Request) -> (Option<Visitor>, Result<Request, Problem>) {
    let path = request.uri().path().to_owned();
    if request.uri().query().is_some_and(|query| query.len() > QUERY_BYTES_MAX) {
        let problem = Problem::new(StatusCode::URI_TOO_LONG, "too_large", "The address is too long.")
            .next("long queries of SQL go into the body of POST /api/sql");
        return (service.anybody(), Err(problem));
    }
    let host = match host_of(&request, &service.hosts) {
        Ok(host) => host,
        Err(problem) => return (service.anybody(), Err(problem)),
    };
    // The protocol for agents has rules of its own, which also let in pages of this machine.
    if path != "/mcp"
        && let Err(problem) = check_origin(&request, &host)
    {
        return (service.anybody(), Err(problem));
    }
    let (number, visitor) = match given(request.headers(), request.uri(), request.method()) {
        Some(token) => match service.visitor(&token) {
            Some((number, visitor)) => (Some(number), Some(visitor)),
            None => (None, service.anybody()),
        },
        None => (None, service.anybody()),
    };
    if let (Some(number), Some(visitor)) = (number, &visitor)
        && let Err(wait) = service.rates.take(number, visitor.tenant.desk.engine.now())
    {
        let problem = Problem {
            retry: Some(wait),
            ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "This token has asked too often.")
                .next("the same request after the time in Retry-After; requests_per_minute raises the limit")
        };
        return (Some(visitor.clone()), Err(problem));
    }
    if visitor.is_none() && !is_open(&path) {
        let problem = Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "A token is needed, and none that is known was given.",
        )
        .next("Authorization: Bearer TOKEN, with a token of the service's token file");
        return (None, Err(problem));
    }
    if let Some(visitor) = &visitor {
        request.extensions_mut().insert(visitor.clone());
    }
    (visitor, Ok(request))
}

/// The token of a request: of a program in its head, of a browser in its cookie.
fn given(headers: &HeaderMap, uri: &Uri, method: &Method) -> Option<String> {
    let bearer = headers.get(header::AUTHORIZATION).map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    if let Some(bearer) = bearer {
        return bearer;
    }
    // A cookie is sent by the browser, not by its user: where something is changed, the request has to come from a
    // page of ours, which only browsers that say so prove.
    let is_ours = method == Method::GET || method == Method::HEAD || headers.contains_key(header::ORIGIN);
    if !is_ours || uri.path() == "/mcp" {
        return None;
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| token.to_owned())
}

/// The host that a request names, which has to be this one: a name that leads here by somebody else's doing
/// would make his page one of ours.
fn host_of(request: &Request, hosts: &[String]) -> Result<String, Problem> {
    let mut given = request.headers().get_all(header::HOST).iter();
    let host = match (given.next().map(HeaderValue::to_str), given.next(), request.uri().authority()) {
        (Some(Ok(host)), None, None) => host.to_owned(),
        (Some(Ok(host)), None, Some(authority)) if authority.as_str() == host => host.to_owned(),
        _ => String::new(),
    };
    let name = name_of(&host).to_ascii_lowercase();
    if hosts.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
        return Ok(host);
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "wrong_host", "The request names a host that is not this one.")
        .next("the address that the service printed when it started; `--host NAME` adds a name"))
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

/// A request that a browser sends for a page of somebody else is refused.
fn check_origin(request: &Request, host: &str) -> Result<(), Problem> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_own = |origin: &str| {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    let origin_is_foreign = header("origin").is_some_and(|origin| !is_own(origin));
    // A link that leads here is fine, a form or a script that does is not.
    let is_link = request.method() == Method::GET && header("sec-fetch-mode") == Some("navigate");
    let site_is_foreign =
        header("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) && !is_link;
    if !origin_is_foreign && !site_is_foreign {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "wrong_origin",
        "The request comes from a page of somebody else.",
    )
    .next("the dashboard of this service, or a program that is no browser"))
}
