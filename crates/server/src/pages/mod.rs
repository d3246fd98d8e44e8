//! The dashboard: pages that the service renders itself, for people in a browser.
//!
//! Pages ask the same tools as programs do, so that they cannot show something else. They are whole without
//! JavaScript; with it they stay up to date by themselves. Whatever was recorded goes through the templates, which
//! escape it.

mod chart;
mod coverage;
mod docs;
mod events;
mod excerpt;
mod frame;
mod graph;
mod jobs;
mod overview;
mod quarantine;
mod report;
mod search;
mod sign_in;
mod sources;
mod sql;
mod words;

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::Markup;
use rmcp::model::JsonObject;
use serde_json::Value;
use tokio::runtime::Handle;

pub(crate) use frame::problem;

use self::frame::Frame;
use crate::desk::Call;
use crate::http::guard::Route;
use crate::http::problem::Problem;
use crate::ready::Readiness;
use crate::reply::Refusal;
use crate::seats::Kind;
use crate::service::{Service, Tenant, Visitor};
use crate::tokens::Right;
use crate::tools::{self, Tool};

/// One page.
#[derive(Clone, Copy)]
struct Page {
    path: &'static str,
    /// What its window is called.
    title: &'static str,
    /// Whose places it takes.
    kind: Kind,
    render: Render,
}

type Render = fn(&Asked<'_>) -> Result<Markup, Refusal>;

/// A page about what is in the lake, the index and the graph.
const fn page(path: &'static str, title: &'static str, render: Render) -> Page {
    Page { path, title, kind: Kind::Call, render }
}

/// A page that says how it stands.
const fn look(path: &'static str, title: &'static str, render: Render) -> Page {
    Page { kind: Kind::Status, ..page(path, title, render) }
}

/// Every page that a GET shows.
const PAGES: [Page; 15] = [
    look("/", "Overview", overview::render),
    look("/jobs", "Jobs", jobs::list),
    look("/jobs/{id}", "Job", jobs::one),
    look("/jobs/{id}/report", "Report", report::render),
    look("/sources", "Sources", sources::render),
    page("/coverage", "Coverage", coverage::render),
    page("/coverage/event", "Event", events::event),
    page("/coverage/field", "Field", events::field),
    page("/coverage/drift", "Drift", events::drift),
    page("/excerpt", "Excerpt", excerpt::render),
    page("/search", "Search", search::render),
    page("/graph", "Graph", graph::render),
    page("/sql", "SQL", sql::render),
    page("/quarantine", "Quarantine", quarantine::render),
    page("/docs", "API", docs::render),
];

/// What a page is asked, and whom it asks.
pub(crate) struct Asked<'a> {
    pub(crate) tenant: &'a Arc<Tenant>,
    pub(crate) right: Right,
    pub(crate) call: &'a Call,
    service: &'a Service,
    query: &'a HashMap<String, String>,
}

impl Asked<'_> {
    /// An argument of the address; nothing where it is empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// What a tool answers.
    fn ask<T: Tool>(&self, arguments: &[(&str, Value)]) -> Result<Value, Refusal> {
        let given = arguments.iter().filter(|(_, value)| !value.is_null());
        let arguments: JsonObject = given.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        (tools::spec::<T>().run)(&self.tenant.desk, self.call, arguments)
    }

    /// Whether this tenant's data is ready for queries.
    fn readiness(&self) -> Result<Arc<Readiness>, Refusal> {
        Handle::current().block_on(self.service.readiness(self.tenant))
    }

    /// A text argument of the address as a tool takes it.
    fn text(&self, name: &str) -> Value {
        self.get(name).map_or(Value::Null, |text| Value::String(text.to_owned()))
    }

    /// A number of the address as a tool takes it. What is no number is none.
    fn number(&self, name: &str) -> Value {
        self.get(name).and_then(|text| text.parse::<u64>().ok()).map_or(Value::Null, Value::from)
    }
}

/// The router of the dashboard.
pub(crate) fn router(service: &Arc<Service>) -> Router {
    let mut router = Router::new();
    for page in PAGES {
        let service = Arc::clone(service);
        let mut methods = get({
            let service = Arc::clone(&service);
            move |request: Request| async move { show(&service, page, request).await }
        });
        // A query may be longer than an address.
        if page.path == "/sql" {
            methods =
                methods.post(move |request: Request| async move { show(&service, page, request).await });
        }
        router = router.route(page.path, methods);
    }
    let picture = {
        let service = Arc::clone(service);
        move |request: Request| async move { graph::picture(&service, request).await }
    };
    let forms = Router::new()
        .route("/jobs/start", post(jobs::start_form))
        .route("/jobs/{id}/control", post(jobs::control_form))
        .route("/sources/run", post(sources::run_form))
        .route("/sources/check", post(sources::check_form))
        .route("/captures/control", post(sources::control_form))
        .with_state(Arc::clone(service));
    router.route("/graph/picture", get(picture)).merge(forms).merge(sign_in::router(service))
}

/// Renders one page.
async fn show(service: &Arc<Service>, page: Page, request: Request) -> Response {
    let visitor = match crate::api::visitor(&request, Right::Read) {
        Ok(visitor) => visitor,
        Err(problem) => return frame::problem(&problem),
    };
    let frame = Frame::of(page.path, page.title, !service.tokens.is_open(), &visitor.tenant.name);
    let query = match pairs(request).await {
        Ok(query) => query,
        Err(problem) => return frame::problem(&problem),
    };
    let rendered = work(service, visitor, query, (page.kind, page.path), page.render).await;
    let mut response = match rendered {
        Ok(content) => html(&frame.around(content)),
        Err(refusal) => {
            let problem = Problem::from(&refusal);
            let mut response = html(&frame.around(frame.instead(&problem)));
            problem.mark(&mut response);
            response
        }
    };
    response.extensions_mut().insert(Route(page.path));
    response
}

/// Works on what is asked, on a thread that may block.
async fn work<T: Send + 'static>(
    service: &Arc<Service>,
    visitor: Visitor,
    query: HashMap<String, String>,
    (kind, route): (Kind, &'static str),
    act: impl FnOnce(&Asked<'_>) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let held = Arc::clone(service);
    let work = move |call: &Call| {
        let Visitor { tenant, right } = &visitor;
        act(&Asked { tenant, right: *right, call, service: &held, query: &query })
    };
    service.places.of(kind).run(route, pending(), work).await
}

/// Does what a form asks for, and shows where that leads.
async fn acted(
    service: &Arc<Service>,
    request: Request,
    route: &'static str,
    act: fn(&Asked<'_>) -> Result<String, Refusal>,
) -> Response {
    let done = tried(service, request, route, act).await.map(|to| see_other(&to));
    of_route(route, done)
}

/// Does what a form asks for.
async fn tried<T: Send + 'static>(
    service: &Arc<Service>,
    request: Request,
    route: &'static str,
    act: fn(&Asked<'_>) -> Result<T, Refusal>,
) -> Result<T, Problem> {
    let visitor = crate::api::visitor(&request, Right::Run)?;
    let query = pairs(request).await?;
    let done = work(service, visitor, query, (Kind::Order, route), act).await;
    done.map_err(|refusal| Problem::from(&refusal))
}

/// What came of a form, as a response that says which route it was.
fn of_route(route: &'static str, done: Result<Response, Problem>) -> Response {
    let mut response = done.unwrap_or_else(|problem| frame::problem(&problem));
    response.extensions_mut().insert(Route(route));
    response
}

/// The arguments of an address, or of a form that was sent.
pub(crate) async fn pairs(request: Request) -> Result<HashMap<String, String>, Problem> {
    let (head, body) = request.into_parts();
    let mut pairs: HashMap<String, String> = HashMap::new();
    let job =
        head.uri.path().strip_prefix("/jobs/").and_then(|rest| rest.split('/').next()).map(str::to_owned);
    if let Some(query) = head.uri.query() {
        pairs.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
    }
    if head.method == axum::http::Method::POST {
        let bytes = crate::api::arguments::whole(body).await?;
        pairs.extend(url::form_urlencoded::parse(&bytes).into_owned());
    }
    // The job that the address names, whatever its arguments say.
    pairs.extend(job.map(|job| ("id".to_owned(), job)));
    Ok(pairs)
}

/// A page as a response.
fn html(page: &Markup) -> Response {
    let mut response = page.0.clone().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// Sends a browser to another page of this service.
pub(crate) fn see_other(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// An address of this service with arguments.
fn address(path: &str, arguments: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    arguments.iter().filter(|(_, value)| !value.is_empty()).for_each(|(name, value)| {
        query.append_pair(name, value);
    });
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
