//! `stele serve`: the service over HTTP, for agents, programs and people in a browser.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;
use stele_engine::Engine;
use stele_model::error::in_full;
use stele_server::{HttpOptions, JobsOptions, QueueAt, ServerError, Stop, Tokens, serve_http};

use super::Context;
use crate::args::ServeArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;

/// The environment variable that holds the token, so that it stands in no list of processes.
const TOKEN: &str = "STELE_TOKEN";

/// The queue in the data directory.
const QUEUE_FILE: &str = "state.db";

/// Bytes of a file of tokens: a thousand of them with everything that can be said.
const TOKEN_FILE_BYTES_MAX: u64 = 1 << 20;

/// Runs the command.
pub fn run(context: &Context, args: ServeArgs) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let tokens = match (&args.token_file, token()?) {
        (Some(_), Some(_)) => {
            return Err(Failure::usage(format!("--token-file and {TOKEN} are two answers to one question"))
                .hint(format!("unset {TOKEN}, or leave --token-file out")));
        }
        (Some(file), None) => tokens_of(file, &settings.tenant)?,
        (None, Some(token)) => {
            let tokens = Tokens::single(&token, &settings.tenant);
            tokens.map_err(|error| failed(ServerError::Tokens(error)))?
        }
        (None, None) => Tokens::default(),
    };
    let interrupt = Interrupt::start()?;
    let stop = Stop::default();
    let asked = stop.clone();
    interrupt.also(move || asked.stop());
    let guarded = !tokens.is_open();
    if !args.mcp_only && args.queue == "sqlite" {
        // The queue may be there before the lake is.
        let dir = &settings.data_dir;
        std::fs::create_dir_all(dir).map_err(|error| Failure::io("create", dir, &error))?;
    }
    let options = HttpOptions {
        tokens,
        tenant: settings.tenant.clone(),
        hosts: args.host,
        only_agents: args.mcp_only,
        jobs: (!args.mcp_only)
            .then(|| JobsOptions { queue: queue(&args.queue, &settings.data_dir), roots: args.allow_root }),
        ..HttpOptions::new(args.listen.unwrap_or(SocketAddr::new(args.bind, args.port)))
    };
    let environment = context.environment()?;
    let engines = |tenant: &str| {
        let mut settings = settings.clone();
        tenant.clone_into(&mut settings.tenant);
        Engine::new(settings, environment.clone())
    };
    let path = if args.mcp_only { "/mcp" } else { "/" };
    let mut told = Ok(());
    serve_http(&engines, &super::answer_sql::command(), options, &stop, |address| {
        let url = format!("http://{address}{path}");
        let event = json!({ "url": url, "mcp": format!("http://{address}/mcp"), "token_required": guarded });
        told = context.out.event("serving", &event);
        context.out.remark(&format!("serving {url}; Ctrl-C ends it"));
    })
    .map_err(failed)?;
    told?;
    Ok(Exit::Done)
}

/// Where the jobs are kept: an address of Redis, or a file in the data directory.
fn queue(named: &str, data_dir: &Path) -> QueueAt {
    if named == "sqlite" {
        QueueAt::File(data_dir.join(QUEUE_FILE))
    } else {
        QueueAt::Redis(named.to_owned())
    }
}

/// The token; an empty variable is none.
fn token() -> Result<Option<String>, Failure> {
    let given = super::variable(TOKEN).filter(|value| !value.is_empty());
    let read = given.map(|value| value.into_string());
    read.transpose().map_err(|_| {
        Failure::new(format!("{TOKEN}: expected UTF-8")).hint("visible ASCII, as in `openssl rand -hex 32`")
    })
}

/// The tokens of a file.
fn tokens_of(file: &Path, tenant: &str) -> Result<Tokens, Failure> {
    let config = |failure: Failure| Failure { exit: Exit::Config, ..failure };
    let failed = |error| config(Failure::io("read", file, &error));
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > TOKEN_FILE_BYTES_MAX {
        return Err(config(Failure::new(format!(
            "{}: {size} bytes; a file of tokens has up to {TOKEN_FILE_BYTES_MAX}",
            file.display()
        ))));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    Tokens::parse(&text, tenant).map_err(|error| {
        config(Failure::new(format!("{}: {error}", file.display())))
            .hint("docs/guide/service.md shows a file of tokens")
    })
}

/// An error of a server, with what to try.
pub fn failed(error: ServerError) -> Failure {
    let mut failure = Failure::new(in_full(&error));
    match error {
        ServerError::Engine(error) => error.into(),
        ServerError::Open(_) | ServerError::Tokens(_) => {
            failure.exit = Exit::Config;
            failure.hint(
                "STELE_TOKEN=$(openssl rand -hex 32) sets one; agents send it as `Authorization: Bearer …`",
            )
        }
        ServerError::Root(_) => failure.hint("--allow-root names a directory that is there"),
        ServerError::Jobs(_) => {
            failure.hint("--queue sqlite keeps the jobs in the data directory, --queue redis://HOST in Redis")
        }
        ServerError::Listen { .. } => {
            failure.hint("another port with --port, or --port 0 for a free one; --bind names the address")
        }
        _ => failure,
    }
}
