//! The service over HTTP: agents at `/mcp`, programs at `/api/…`, probes and metrics, and the dashboard for
//! people.
//!
//! It listens on the loopback unless there are tokens. Web pages of others cannot reach it: [`guard`].

mod assets;
mod connections;
pub(crate) mod guard;
mod mcp;
pub(crate) mod problem;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use stele_engine::{Engine, EngineError};
use tokio::net::TcpListener;

use self::guard::is_for_programs;
use self::problem::Problem;
use crate::jobs::JobsOptions;
use crate::limits::{DESCRIPTORS, HEAD_TIME_MAX, NICENESS, REQUEST_TIME_MAX, WRITE_TIME_MAX};
use crate::metrics::Family;
use crate::ready::DiskWanted;
use crate::roots::Roots;
use crate::service::{Meters, Service};
use crate::stdio::WORKERS;
use crate::tokens::Tokens;
use crate::{ServerError, SqlCommand, Stop, Variables, api, pages, sources};

/// Where to listen, to whom, and what to serve.
#[derive(Clone)]
pub struct HttpOptions {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may ask; needed to listen beyond the loopback.
    pub tokens: Tokens,
    /// Whose data it is where anybody may ask.
    pub tenant: String,
    /// Names of this host that requests may use, besides those of the loopback and the address.
    pub hosts: Vec<String>,
    /// Whether agents alone are served.
    pub only_agents: bool,
    /// The queue of jobs; without one, none can be started or seen.
    pub jobs: Option<JobsOptions>,
    /// The keys of services, by the names of their variables, for whoever tries a source.
    pub variables: Variables,
    /// Where numbers are told.
    pub meters: Arc<Meters>,
    /// How long clients are waited for.
    pub patience: Patience,
    /// When the disk counts as nearly full.
    pub disk: DiskWanted,
}

/// How long clients are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request, idle time between two included.
    pub head: Duration,
    /// For a whole request with its body, until it is answered.
    pub request: Duration,
    /// For a part of an answer to be taken.
    pub write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: HEAD_TIME_MAX, request: REQUEST_TIME_MAX, write: WRITE_TIME_MAX }
    }
}

impl HttpOptions {
    /// Everything, for anybody of this machine.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tokens: Tokens::default(),
            tenant: "default".to_owned(),
            hosts: Vec::new(),
            only_agents: false,
            jobs: None,
            variables: sources::nothing(),
            meters: Arc::default(),
            patience: Patience::default(),
            disk: DiskWanted::default(),
        }
    }
}

/// Serves until `stop` is asked for. `engines` makes the engine of a tenant; `ready` is told the address once
/// requests are taken.
///
/// # Errors
///
/// If the address cannot be listened on, or would be open to anybody, or an engine cannot be made.
pub fn serve_http(
    engines: &dyn Fn(&str) -> Result<Engine, EngineError>,
    sql: &SqlCommand,
    options: HttpOptions,
    stop: &Stop,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServerError> {
    if options.tokens.is_open() && !options.listen.ip().is_loopback() {
        return Err(ServerError::Open(options.listen));
    }
    if let Err(error) = stele_isolate::raise_descriptors(DESCRIPTORS) {
        tracing::warn!(%error, "the limit of descriptors stays as it is");
    }
    // Whoever starts the service may have had it stand behind others already.
    let niceness = rustix::process::getpriority_process(None).unwrap_or(0) + NICENESS;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("stele-http")
        .on_thread_start(move || give_way(niceness))
        .enable_all()
        .build()
        .map_err(ServerError::Start)?;
    let result = runtime.block_on(async {
        let address = options.listen;
        let listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let local = listener.local_addr().map_err(listen)?;
        let hosts = hosts(&options, local);
        let HttpOptions { tokens, tenant, meters, .. } = &options;
        let queue = match &options.jobs {
            Some(jobs) => {
                let tenants = if tokens.is_open() { vec![tenant.clone()] } else { tokens.tenants() };
                let roots = Roots::new(&jobs.roots, &jobs.withheld, &tenants)?;
                Some((jobs.queue.clone(), roots, jobs.watchers.clone()))
            }
            None => None,
        };
        let tokens = tokens.clone();
        let variables = &options.variables;
        let mut service = Service::new(engines, sql, meters, tokens, (tenant, hosts), queue, variables)?;
        service.disk = options.disk;
        let service = Arc::new(service);
        let router = router(&service, options.only_agents, options.patience.request);
        ready(local);
        let open = move |count: usize| {
            service.tenants().for_each(|tenant| tenant.metrics.set(Family::Connections, &[], count as f64));
        };
        connections::accept(&listener, router, options.patience, stop, open).await;
        Ok(())
    });
    // Calls that were told to stop and did not are not waited for again.
    runtime.shutdown_timeout(std::time::Duration::ZERO);
    result
}

/// Has the calling thread, and those that it starts, stand behind others. Where that is not allowed they stand beside them.
fn give_way(niceness: i32) {
    if let Err(error) = rustix::process::setpriority_process(None, niceness) {
        tracing::debug!(%error, "threads that answer stand beside those that work");
    }
}

fn hosts(options: &HttpOptions, local: SocketAddr) -> Vec<String> {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    // The address that stands for all of them is nobody's name.
    if !local.ip().is_unspecified() {
        hosts.push(match local.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => ip.to_string(),
        });
    }
    hosts.extend(options.hosts.iter().cloned());
    hosts
}

fn router(service: &Arc<Service>, only_agents: bool, time_max: Duration) -> Router {
    let mut router = Router::new().route("/mcp", any(mcp::answer).with_state(mcp::Mcp::of(service)));
    if !only_agents {
        router = router.merge(api::router(service)).merge(pages::router(service)).merge(assets::router());
    }
    router
        .method_not_allowed_fallback(not_allowed)
        .fallback(nothing)
        .layer(middleware::from_fn_with_state((Arc::clone(service), time_max), guard::admit))
}

async fn nothing(request: Request) -> Response {
    let problem = Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.")
        .next("GET /openapi.json lists what there is; the dashboard is at /");
    tell(problem, &request)
}

async fn not_allowed(request: Request) -> Response {
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This address does not take that method.",
    )
    .next("GET /openapi.json lists the methods of every address");
    tell(problem, &request)
}

fn tell(problem: Problem, request: &Request) -> Response {
    if is_for_programs(request.uri().path()) { problem.into_response() } else { pages::problem(&problem) }
}
