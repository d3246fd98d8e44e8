//! `stele serve`: the service over HTTP, for agents, programs and people in a browser.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::{Handle, Signals};
use stele_engine::jobs::{
    JobDesk, Manager, Mark, Options, Signal, Stop as WorkerStop, WorkerSettings, worker_name,
};
use stele_engine::{Engine, EngineError};
use stele_model::error::in_full;
use stele_server::{DiskWanted, HttpOptions, JobsOptions, Root, ServerError, Stop, Tokens, serve_http};

use super::Context;
use crate::args::ServeArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;

/// The environment variable that holds the token, so that it stands in no list of processes.
const TOKEN: &str = "STELE_TOKEN";

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
    let desk = if args.mcp_only { None } else { Some(context.jobs_of_service(&args.home)?) };
    let found =
        Options { embed: settings.index_on_ingest, tenant: settings.tenant.clone(), ..Options::default() };
    let watch = |desk: &JobDesk| desk.watch(&settings.watchers, found);
    let manager = desk.as_ref().map(watch).transpose()?.map(Arc::new);
    let mut roots: Vec<Root> = args.allow_root.iter().map(|root| Root::parse(root)).collect();
    roots.extend(tokens.roots().iter().cloned());
    let mut withheld = vec![settings.data_dir.clone()];
    withheld.extend(settings.config_file.iter().chain(&args.token_file).cloned());
    let jobs = |desk: &JobDesk| JobsOptions {
        queue: desk.queue().clone(),
        roots,
        withheld,
        watchers: manager.clone(),
    };
    let options = HttpOptions {
        tokens,
        tenant: settings.tenant.clone(),
        hosts: args.host,
        only_agents: args.mcp_only,
        jobs: desk.as_ref().map(jobs),
        disk: disk_of(&settings.job_marks),
        variables: Arc::new(super::sources::text_of),
        ..HttpOptions::new(args.listen.unwrap_or(SocketAddr::new(args.bind, args.port)))
    };
    // Its own, so that a search that is slow holds back jobs.
    let environment = match &desk {
        Some(desk) => desk.environment().clone(),
        None => context.environment()?,
    };
    let engines = |tenant: &str| {
        let mut settings = settings.clone();
        tenant.clone_into(&mut settings.tenant);
        Engine::new(settings, environment.clone())
    };
    let worker = WorkerSettings {
        capacity: args.workers.into(),
        lease: args.lease,
        ..WorkerSettings::new(args.worker_name.clone().unwrap_or_else(worker_name))
    };
    let works = desk.is_some() && args.workers > 0;
    if works {
        // Before anybody is served: a service without its worker takes jobs that nobody does.
        worker.check().map_err(EngineError::from)?;
    }
    let path = if args.mcp_only { "/mcp" } else { "/" };
    let mut told = Ok(());
    let (mut hangups, hangup) = hangups()?;
    let worker_stop = WorkerStop::new();
    let asked = worker_stop.clone();
    interrupt.also(move || asked.ask());
    let worked = std::thread::scope(|scope| -> Result<Result<(), Failure>, Failure> {
        let worker = desk.as_ref().filter(|_| works).map(|desk| {
            let (settings, stop) = (&worker, &worker_stop);
            scope.spawn(move || {
                let worked = desk.work(settings, stop);
                if let Err(error) = &worked {
                    // Nobody would notice before the service ends.
                    let why = in_full(error);
                    crate::output::complain(&format!("error: the worker of the service has ended: {why}\n"));
                }
                worked
            })
        });
        if let Some(manager) = &manager {
            scope.spawn(move || {
                for _ in hangups.forever() {
                    reload(context, manager);
                }
            });
        }
        let served = serve_http(&engines, &super::answer_sql::command(), options, &stop, |address| {
            let url = format!("http://{address}{path}");
            let event =
                json!({ "url": url, "mcp": format!("http://{address}/mcp"), "token_required": guarded });
            told = context.out.event("serving", &event);
            context.out.remark(&format!("serving {url}; Ctrl-C ends it"));
        });
        // Where nobody is served any more, nobody works either.
        worker_stop.ask();
        hangup.close();
        let worked = worker.map(|worker| worker.join());
        served.map_err(failed)?;
        Ok(match worked {
            Some(Ok(Err(error))) => Err(error.into()),
            Some(Err(_)) => {
                Err(Failure::new("the worker of the service ended in a way that it never should"))
            }
            Some(Ok(Ok(_))) | None => Ok(()),
        })
    })?;
    told?;
    worked?;
    Ok(Exit::Done)
}

/// When the disk counts as nearly full: where jobs are held back for it, if that is said.
fn disk_of(marks: &[Mark]) -> DiskWanted {
    let own = marks.iter().find(|mark| mark.signal == Signal::DiskFree);
    own.map_or_else(DiskWanted::default, |mark| DiskWanted::below(mark.high as u64))
}

/// The signal that says that the configuration has changed, and what ends listening to it.
fn hangups() -> Result<(Signals, Handle), Failure> {
    let signals = Signals::new([SIGHUP]);
    let signals = signals.map_err(|error| Failure::new(format!("cannot listen for SIGHUP: {error}")))?;
    let handle = signals.handle();
    Ok((signals, handle))
}

/// Watches what the configuration says now. One that cannot be used changes nothing.
fn reload(context: &Context, manager: &Manager) {
    let applied = context.settings().and_then(|settings| {
        manager.apply(&settings.watchers).map_err(|error| Failure::new(in_full(&error)))
    });
    match applied {
        Ok(applied) => context.out.remark(&format!(
            "configuration read again: {} watchers started, {} replaced, {} stopped",
            applied.started.len(),
            applied.replaced.len(),
            applied.stopped.len()
        )),
        Err(failure) => crate::output::complain(&failure.to_text()),
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
    let failed = |error| {
        config(Failure::io("read", file, &error)).hint("docs/guide/service.md shows a file of tokens")
    };
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
        ServerError::Root { .. } => {
            failure.exit = Exit::Config;
            failure.hint("--allow-root, or [[root]] in the file of tokens, names a directory that is there")
        }
        ServerError::RootOfNobody { .. } => {
            failure.exit = Exit::Config;
            failure.hint(
                "a directory for everybody is `--allow-root DIR`; one with a `=` in its name is written `./DIR`",
            )
        }
        ServerError::Listen { .. } => {
            failure.hint("another port with --port, or --port 0 for a free one; --bind names the address")
        }
        _ => failure,
    }
}
