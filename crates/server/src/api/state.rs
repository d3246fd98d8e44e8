//! What probes and scrapers ask: is it there, is it ready, how much is it doing, what can it be asked.

use std::future::pending;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::openapi;
use crate::http::guard::Route;
use crate::http::problem::Problem;
use crate::seats::Kind;
use crate::service::{Service, Visitor};

/// The media type of the text format of Prometheus.
pub(crate) const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router(service: &Arc<Service>) -> Router {
    let document = Arc::new(openapi::document().to_string());
    let openapi = move || async move { told("/openapi.json", "application/json", document.to_string()) };
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .with_state(Arc::clone(service))
}

fn told(route: &'static str, media_type: &'static str, body: String) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.extensions_mut().insert(Route(route));
    response
}

async fn health() -> Response {
    let body = json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") });
    told("/health", "application/json", body.to_string())
}

/// Whether queries are answered from everything. Without a token where one is needed it is a bare yes or no,
/// about all tenants.
async fn ready(State(service): State<Arc<Service>>, request: Request) -> Response {
    let visitor = request.extensions().get::<Visitor>().cloned();
    let disk = service.disk;
    let tenants: Vec<_> = match &visitor {
        Some(visitor) => vec![Arc::clone(&visitor.tenant)],
        None => service.tenants().cloned().collect(),
    };
    let mut turns = Vec::new();
    for tenant in &tenants {
        turns.push(tenant.turn_to_look().await);
    }
    let all = tenants.clone();
    let work =
        move |_: &crate::desk::Call| Ok(all.iter().map(|tenant| tenant.readiness(disk)).collect::<Vec<_>>());
    let (is_ready, body) = match service.places.of(Kind::Probe).run("/ready", pending(), work).await {
        Ok(found) => {
            let is_ready = found.iter().all(|one| one.ready);
            let body = match (&visitor, found.first()) {
                (Some(_), Some(found)) => json!(**found),
                _ => json!({ "ready": is_ready }),
            };
            (is_ready, body)
        }
        // Where nobody has time to look, it is not ready either.
        Err(refusal) => {
            let problem = Problem::from(&refusal);
            let reason = json!({ "code": problem.code, "message": problem.message, "next": problem.next });
            (false, json!({ "ready": false, "reasons": [reason] }))
        }
    };
    let mut response = told("/ready", "application/json", body.to_string());
    if !is_ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn metrics(State(service): State<Arc<Service>>, request: Request) -> Response {
    let visitor = match super::visitor(&request, crate::tokens::Right::Read) {
        Ok(visitor) => visitor,
        Err(problem) => return problem.into_response(),
    };
    let disk = service.disk;
    let tenant = Arc::clone(&visitor.tenant);
    let _turn = tenant.turn_to_look().await;
    let work = move |call: &crate::desk::Call| {
        if visitor.tenant.is_to_measure() {
            super::summary::refresh(&visitor.tenant.desk, call);
        }
        visitor.tenant.readiness(disk);
        let uptime = visitor.tenant.uptime();
        visitor.tenant.metrics.set(crate::metrics::Family::Uptime, &[], uptime);
        Ok(visitor.tenant.metrics.text())
    };
    match service.places.of(Kind::Probe).run("/metrics", pending(), work).await {
        Ok(text) => told("/metrics", METRICS, text),
        Err(refusal) => Problem::from(&refusal).into_response(),
    }
}
