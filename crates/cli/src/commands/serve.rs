//! `stele serve`: the tools for agents over HTTP.

use serde_json::json;
use stele_model::error::in_full;
use stele_server::{HttpOptions, ServerError, Stop, serve_http};

use super::Context;
use crate::args::ServeArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;

/// The environment variable that holds the token, so that it stands in no list of processes.
const TOKEN: &str = "STELE_TOKEN";

/// Runs the command.
pub fn run(context: &Context, args: ServeArgs) -> Result<Exit, Failure> {
    if !args.mcp_only {
        return Err(Failure::usage("`stele serve` serves agents alone so far").hint("add --mcp-only"));
    }
    let engine = context.engine()?;
    let interrupt = Interrupt::start()?;
    let stop = Stop::default();
    let asked = stop.clone();
    interrupt.also(move || asked.stop());
    let options = HttpOptions { listen: args.listen, token: token()?, hosts: args.host };
    let guarded = options.token.is_some();
    let mut told = Ok(());
    serve_http(engine, super::answer_sql::command(), options, &stop, |address| {
        let url = format!("http://{address}/mcp");
        let event = json!({ "url": url, "token_required": guarded });
        told = context.out.event("serving", &event);
        context.out.remark(&format!("serving {url}; Ctrl-C ends it"));
    })
    .map_err(failed)?;
    told?;
    Ok(Exit::Done)
}

/// The token; an empty variable is none.
fn token() -> Result<Option<String>, Failure> {
    let given = super::variable(TOKEN).filter(|value| !value.is_empty());
    let read = given.map(|value| value.into_string());
    read.transpose().map_err(|_| {
        Failure::new(format!("{TOKEN}: expected UTF-8")).hint("visible ASCII, as in `openssl rand -hex 32`")
    })
}

/// An error of a server, with what to try.
pub fn failed(error: ServerError) -> Failure {
    let mut failure = Failure::new(in_full(&error));
    match error {
        ServerError::Engine(error) => error.into(),
        ServerError::Open(_) | ServerError::Token(_) => {
            failure.exit = Exit::Config;
            failure.hint(
                "STELE_TOKEN=$(openssl rand -hex 32) sets one; agents send it as `Authorization: Bearer …`",
            )
        }
        ServerError::Listen { .. } => {
            failure.hint("another address with --listen, such as 127.0.0.1:0 for a free port")
        }
        _ => failure,
    }
}
