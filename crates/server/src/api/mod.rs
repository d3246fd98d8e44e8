//! What programs ask over HTTP: one table of routes, from which the router, the OpenAPI document and the tests
//! are made. A route is a tool like those of agents, with an address.

pub(crate) mod arguments;
pub(crate) mod coverage;
pub(crate) mod feeds;
pub(crate) mod graph;
pub(crate) mod jobs;
pub(crate) mod openapi;
pub(crate) mod quarantine;
pub(crate) mod schemas;
pub(crate) mod sources;
mod standing;
pub(crate) mod starting;
mod state;
pub(crate) mod stream;
pub(crate) mod summary;
pub(crate) mod system;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use serde_json::Value;

use crate::http::guard::Route as Answered;
use crate::http::problem::Problem;
use crate::limits::{ANSWER_KEPT, RECENT};
use crate::seats::Kind;
use crate::service::{Service, Visitor};
use crate::tokens::Right;
use crate::tools::{self, Spec};

/// How a route is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

/// One address of the service that answers with JSON.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// As the router writes it: `{name}` stands for one part.
    pub(crate) path: &'static str,
    /// What it belongs to in the document.
    pub(crate) tag: &'static str,
    /// What one has to be allowed to do.
    pub(crate) right: Right,
    /// How long an answer is as good as a new one where lake, index and graph are the same; none is never.
    pub(crate) kept: Option<Duration>,
    /// Whose places it takes.
    pub(crate) kind: Kind,
    pub(crate) spec: Spec,
}

/// Every route of `/api`, in the order of the document.
pub(crate) fn routes() -> Vec<Route> {
    let get = |path, tag, spec| Route {
        method: Method::Get,
        path,
        tag,
        right: Right::Read,
        kept: Some(ANSWER_KEPT),
        kind: Kind::Call,
        spec,
    };
    let status = |path, tag, spec| Route { kind: Kind::Status, kept: Some(RECENT), ..get(path, tag, spec) };
    // What lies in the queue, or runs, has a life of its own.
    let live = |path, tag, spec| Route { kept: None, ..status(path, tag, spec) };
    let post = |path, tag, spec| Route { method: Method::Post, kept: None, ..get(path, tag, spec) };
    let run_of = |path, tag, spec| Route { right: Right::Run, kind: Kind::Order, ..post(path, tag, spec) };
    let run = |path, spec| run_of(path, "jobs", spec);
    vec![
        get("/api/search", "search", tools::spec::<tools::Search>()),
        post("/api/sql", "sql", tools::spec::<tools::SqlQuery>()),
        get("/api/coverage", "coverage", tools::spec::<coverage::Coverage>()),
        status("/api/status", "coverage", tools::spec::<tools::IngestStatus>()),
        get("/api/events", "schemas", tools::spec::<tools::ListEvents>()),
        get("/api/schemas", "schemas", tools::spec::<schemas::Schemas>()),
        get("/api/schemas/drift", "schemas", tools::spec::<schemas::Drift>()),
        get("/api/fields", "schemas", tools::spec::<tools::DescribeEvent>()),
        get("/api/fields/explain", "schemas", tools::spec::<tools::ExplainField>()),
        get("/api/examples", "records", tools::spec::<tools::FindExamples>()),
        get("/api/excerpt", "records", tools::spec::<tools::ReadExcerpt>()),
        get("/api/quarantine", "records", tools::spec::<quarantine::Quarantine>()),
        get("/api/graph/neighbors", "graph", tools::spec::<tools::GraphExpand>()),
        get("/api/graph/path", "graph", tools::spec::<tools::GraphPaths>()),
        get("/api/graph/show", "graph", tools::spec::<graph::Show>()),
        get("/api/graph/section", "graph", tools::spec::<tools::ExpandExcerpt>()),
        run("/api/ingest/start", tools::spec::<starting::IngestStart>()),
        live("/api/ingest/status", "jobs", tools::spec::<jobs::QueueStatus>()),
        live("/api/jobs", "jobs", tools::spec::<jobs::ListJobs>()),
        run("/api/jobs", tools::spec::<starting::SubmitJob>()),
        live("/api/jobs/{id}", "jobs", tools::spec::<jobs::ShowJob>()),
        live("/api/jobs/{id}/report", "jobs", tools::spec::<jobs::JobReport>()),
        run("/api/jobs/{id}/control", tools::spec::<jobs::ControlJob>()),
        live("/api/sources", "sources", tools::spec::<sources::ListSources>()),
        live("/api/sources/{id}", "sources", tools::spec::<sources::ShowSource>()),
        run_of("/api/sources/{id}/check", "sources", tools::spec::<sources::CheckSource>()),
        run_of("/api/sources/{id}/reset", "sources", tools::spec::<sources::ResetSource>()),
        run_of("/api/sources/{id}/purge", "sources", tools::spec::<sources::PurgeSource>()),
        live("/api/captures", "sources", tools::spec::<feeds::ListCaptures>()),
        run_of("/api/captures/{name}/control", "sources", tools::spec::<feeds::ControlCapture>()),
        live("/api/watchers", "sources", tools::spec::<feeds::ListWatchers>()),
        live("/api/metrics/summary", "state", tools::spec::<summary::Summary>()),
        live("/api/system", "state", tools::spec::<system::System>()),
    ]
}

/// The router of everything that programs ask.
pub(crate) fn router(service: &Arc<Service>) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let method = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
        };
        let service = Arc::clone(service);
        let handler = move |path: RawPathParams, request: Request| {
            let service = Arc::clone(&service);
            async move { answer(&service, route, &path, request).await }
        };
        router = router.route(route.path, on(method, handler));
    }
    router.merge(stream::router()).merge(state::router(service))
}

/// Answers one request, and says which route it was.
async fn answer(service: &Service, route: Route, path: &RawPathParams, request: Request) -> Response {
    let mut response = match ask(service, route, path, request).await {
        Ok(body) => as_json(body),
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(Answered(route.path));
    response
}

async fn ask(
    service: &Service,
    route: Route,
    path: &RawPathParams,
    request: Request,
) -> Result<Bytes, Problem> {
    let visitor = visitor(&request, route.right)?;
    let address = request.uri().to_string();
    let mut arguments = match route.method {
        Method::Get => {
            let query = request.uri().query().unwrap_or_default();
            arguments::from_pairs(&(route.spec.input)(), query).map_err(|refusal| Problem::from(&refusal))?
        }
        Method::Post => {
            let (head, body) = request.into_parts();
            arguments::from_body(&head.headers, body).await?
        }
    };
    for (name, value) in path {
        arguments.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    let tenant = visitor.tenant;
    let desk = Arc::clone(&tenant.desk);
    let work = move |call: &crate::desk::Call| (route.spec.write)(&desk, call, arguments);
    let new = async {
        let text = service.places.of(route.kind).run(route.path, pending(), work).await;
        text.map(Bytes::from).map_err(|refusal| Problem::from(&refusal))
    };
    match route.kept {
        Some(time) => tenant.answers.of(&address, time, || tenant.desk.engine.standing(), new).await,
        None => new.await,
    }
}

/// Who asks, if it may.
pub(crate) fn visitor(request: &Request, right: Right) -> Result<Visitor, Problem> {
    // The guard lets nobody else through; a route that it does not know is still closed.
    let visitor = request
        .extensions()
        .get::<Visitor>()
        .cloned()
        .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed."))?;
    if visitor.right < right {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "This token may ask, and not run anything.",
        )
        .next("a token with may = \"run\""));
    }
    Ok(visitor)
}

/// A document as a response.
pub(crate) fn json(value: &Value) -> Response {
    as_json(Bytes::from(value.to_string()))
}

fn as_json(body: Bytes) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
