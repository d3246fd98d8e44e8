//! The protocol on standard input and output, for clients that start this program themselves.

use rmcp::ServiceExt;
use rmcp::transport::stdio_pipes;
use stele_engine::Engine;

use crate::limits::STOP_TIME_MAX;
use crate::lines::Lines;
use crate::{Agents, ServerError, SqlCommand, Stop};

/// Serves one client on standard input and output until it goes or `stop` is asked for. Nothing else
/// may write to standard output meanwhile.
///
/// # Errors
///
/// If there is no thread to run on, or the client does not speak the protocol.
pub fn serve_stdio(engine: Engine, sql: SqlCommand, stop: &Stop) -> Result<(), ServerError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("stele-mcp")
        .enable_all()
        .build()
        .map_err(ServerError::Start)?;
    let result = runtime.block_on(serve(Agents::new(engine, sql), stop));
    // A read from a terminal cannot be ended, so nothing waits for it.
    runtime.shutdown_timeout(std::time::Duration::ZERO);
    result
}

/// Threads that read and write messages; the work is done on others.
pub(crate) const WORKERS: usize = 2;

async fn serve(agents: Agents, stop: &Stop) -> Result<(), ServerError> {
    let (input, output) = stdio_pipes();
    let session = tokio::select! {
        session = agents.serve(Lines::new(input, output)) => session,
        () = stop.asked() => return Ok(()),
    };
    let session = match session {
        Ok(session) => session,
        // A client that looks whether there is a server, and goes.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(ServerError::Session(error.to_string())),
    };
    let token = session.cancellation_token();
    let waiting = session.waiting();
    tokio::pin!(waiting);
    tokio::select! {
        _ = &mut waiting => {}
        () = stop.asked() => {
            token.cancel();
            // Calls that run may end; a client that reads nothing holds up nobody.
            let _ = tokio::time::timeout(STOP_TIME_MAX, waiting).await;
        }
    }
    Ok(())
}
