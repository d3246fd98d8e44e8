//! What probes and scrapers ask: is it there, is it ready, how much is it doing, what can it be asked.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::openapi;
use crate::http::guard::Route;
use crate::http::problem::Problem;
use crate::metrics::Family;
use crate::service::{Service, Visitor};

/// The media type of the text format of Prometheus.
pub(crate) const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router(service: &Arc<Service>) -> Router {
    let document = Bytes::from(openapi::document().to_string());
    let openapi = move || async move { told("/openapi.json", "application/json", document) };
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .with_state(Arc::clone(service))
}

fn told(route: &'static str, media_type: &'static str, body: impl IntoResponse) -> Response {
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
    let tenants: Vec<_> = match &visitor {
        Some(visitor) => vec![&visitor.tenant],
        None => service.tenants().collect(),
    };
    let mut found = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        found.push(service.readiness(tenant).await);
    }
    let is_ready = found.iter().all(|found| found.as_ref().is_ok_and(|found| found.ready));
    let body = match (visitor.is_some(), found.into_iter().next()) {
        (true, Some(Ok(found))) => json!(*found),
        // Where nobody has time to look, it is not ready either.
        (true, Some(Err(refusal))) => {
            let problem = Problem::from(&refusal);
            let reason = json!({ "code": problem.code, "message": problem.message, "next": problem.next });
            json!({ "ready": false, "reasons": [reason] })
        }
        _ => json!({ "ready": is_ready }),
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
    let tenant = &visitor.tenant;
    let told_anew = async {
        service.measure(tenant).await?;
        service.readiness(tenant).await
    };
    match told_anew.await {
        Ok(_) => {
            tenant.metrics.set(Family::Uptime, &[], tenant.uptime());
            told("/metrics", METRICS, tenant.metrics.text())
        }
        Err(refusal) => Problem::from(&refusal).into_response(),
    }
}
