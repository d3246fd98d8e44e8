//! The protocol over HTTP at `/mcp`, without sessions: every request stands for itself, so nothing
//! is kept for clients that went away.
//!
//! It listens on the loopback unless a token is set. Web pages cannot reach it: requests have to name
//! this host, and those of a browser have to come from a page of this machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use stele_engine::Engine;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::limits::{BODY_BYTES_MAX, CONNECTIONS_MAX, HEAD_TIME_MAX, REQUEST_TIME_MAX, STOP_TIME_MAX};
use crate::message::{self, Sent};
use crate::stdio::WORKERS;
use crate::{Agents, ServerError, SqlCommand, Stop};

/// Fewest characters of a token: what sixteen random bytes take in base64 without its end.
pub const TOKEN_CHARS_MIN: usize = 16;

/// Where to listen, and to whom.
#[derive(Clone)]
pub struct HttpOptions {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What `Authorization: Bearer …` has to say; needed to listen beyond the loopback.
    pub token: Option<String>,
    /// Names of this host that requests may use, besides those of the loopback and the address.
    pub hosts: Vec<String>,
}

/// Serves until `stop` is asked for. `ready` is told the address once requests are taken.
///
/// # Errors
///
/// If the address cannot be listened on, or would be open to anybody.
pub fn serve_http(
    engine: Engine,
    sql: SqlCommand,
    options: HttpOptions,
    stop: &Stop,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServerError> {
    check(&options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("stele-http")
        .enable_all()
        .build()
        .map_err(ServerError::Start)?;
    let result = runtime.block_on(async {
        let address = options.listen;
        let listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let local = listener.local_addr().map_err(listen)?;
        ready(local);
        accept(&listener, router(Agents::new(engine, sql), &options, local), stop).await;
        Ok(())
    });
    // Calls that were told to stop and did not are not waited for again.
    runtime.shutdown_timeout(std::time::Duration::ZERO);
    result
}

fn check(options: &HttpOptions) -> Result<(), ServerError> {
    match &options.token {
        None if !options.listen.ip().is_loopback() => Err(ServerError::Open(options.listen)),
        Some(token)
            if token.len() < TOKEN_CHARS_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Err(ServerError::Token(TOKEN_CHARS_MIN))
        }
        _ => Ok(()),
    }
}

fn router(agents: Agents, options: &HttpOptions, local: SocketAddr) -> Router {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    // The address that stands for all of them is nobody's name.
    if !local.ip().is_unspecified() {
        hosts.push(match local.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => ip.to_string(),
        });
    }
    hosts.extend(options.hosts.iter().cloned());
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_BYTES_MAX)
        .with_allowed_hosts(hosts)
        .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"])
        .enforce_origin_validation();
    let service = StreamableHttpService::new(
        move || Ok(agents.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let token = options.token.as_ref().map(|token| blake3::hash(token.as_bytes()));
    Router::new()
        .route_service("/mcp", service)
        .layer(middleware::from_fn(read))
        .layer(middleware::from_fn_with_state(token, admit))
        .layer(middleware::from_fn(in_time))
}

/// Lets through whoever knows the token. Hashes are compared, which takes as long for every guess.
async fn admit(State(token): State<Option<blake3::Hash>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| blake3::hash(token.trim().as_bytes()))
    });
    if token.is_some() && given != token {
        let mut response =
            refusal(StatusCode::UNAUTHORIZED, "Authorization: Bearer TOKEN is missing or wrong\n");
        let bearer = axum::http::HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        return response;
    }
    next.run(request).await
}

/// Answers what is no message of the protocol, as on standard input. What says that it is something else
/// than JSON is refused by the library.
async fn read(request: Request, next: Next) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large, or ended early\n");
    };
    if let Sent::Wrong(answer) = message::read(&bytes) {
        let mut response = Response::new(Body::from(answer.to_string()));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let json = axum::http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        return response;
    }
    next.run(Request::from_parts(head, Body::from(bytes))).await
}

/// Ends a request that takes too long, its body included.
async fn in_time(request: Request, next: Next) -> Response {
    let response = tokio::time::timeout(REQUEST_TIME_MAX, next.run(request)).await;
    response.unwrap_or_else(|_| refusal(StatusCode::REQUEST_TIMEOUT, "the request took too long\n"))
}

fn refusal(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

/// Takes connections, a bounded number at once, until it is told to stop.
async fn accept(listener: &TcpListener, router: Router, stop: &Stop) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let next = async || {
        // Never closed, so there is always a permit in the end.
        let permit = Arc::clone(&connections).acquire_owned().await;
        (listener.accept().await, permit)
    };
    loop {
        let (accepted, permit) = tokio::select! {
            next = next() => next,
            () = stop.asked() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, or a client that went: the next one may do better, after a breath.
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    let _ = tokio::time::timeout(STOP_TIME_MAX, graceful.shutdown()).await;
}
