//! The protocol for agents at `/mcp`, without sessions: every request stands for itself, so nothing is kept
//! for clients that went away.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tower_service::Service as _;

use super::problem::Problem;
use crate::Agents;
use crate::limits::BODY_BYTES_MAX;
use crate::message::{self, Sent};
use crate::seats::Kind;
use crate::service::{Service, Visitor};

type Protocol = StreamableHttpService<Agents, NeverSessionManager>;

/// The protocol of every tenant: an agent meets the tools of its own.
#[derive(Clone)]
pub(super) struct Mcp(Arc<BTreeMap<String, Protocol>>);

impl Mcp {
    pub(super) fn of(service: &Service) -> Self {
        let protocol = |agents: Agents| {
            let config = StreamableHttpServerConfig::default()
                .with_legacy_session_mode(false)
                .with_json_response(true)
                .with_max_request_body_bytes(BODY_BYTES_MAX)
                .with_allowed_hosts(service.hosts.clone())
                .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"])
                .enforce_origin_validation();
            StreamableHttpService::new(move || Ok(agents.clone()), Arc::default(), config)
        };
        let each = service.tenants().map(|tenant| {
            let agents = Agents::at(Arc::clone(&tenant.desk), service.places.of(Kind::Call).clone());
            (tenant.name.clone(), protocol(agents))
        });
        Self(Arc::new(each.collect()))
    }
}

/// Answers one request.
pub(super) async fn answer(State(mcp): State<Mcp>, request: Request) -> Response {
    let request = match read(request).await {
        Ok(request) => request,
        Err(response) => return response,
    };
    let tenant = request.extensions().get::<Visitor>().map(|visitor| visitor.tenant.name.clone());
    let Some(mut protocol) = tenant.and_then(|tenant| mcp.0.get(&tenant).cloned()) else {
        return Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed.").into_response();
    };
    match protocol.call(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// Answers what is no message of the protocol, as on standard input. What says that it is something else
/// than JSON is refused by the library.
async fn read(request: Request) -> Result<Request, Response> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        let problem = Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "The request is too large, or ended early.",
        );
        return Err(problem.into_response());
    };
    if let Sent::Wrong(answer) = message::read(&bytes) {
        let mut response = Response::new(Body::from(answer.to_string()));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        return Err(response);
    }
    Ok(Request::from_parts(head, Body::from(bytes)))
}
