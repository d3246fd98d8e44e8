//! `stele sink`: copies of the index in vector stores outside, and of the graph in databases.

use serde_json::json;
use stele_engine::retrieval::Opening;
use stele_engine::{Engine, EngineError, SinkReport};
use stele_model::ErrorKind;

use super::Context;
use crate::args::SinkAction;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::output::table::Rows;
use crate::progress::Reporter;

/// Runs the command.
pub fn run(context: &Context, action: SinkAction) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    match action {
        SinkAction::List => list(context, &engine),
        SinkAction::Sync(args) => {
            let opening = Opening { adopt: args.adopt, recreate: args.recreate };
            let interrupt = Interrupt::start()?;
            each(context, &engine, &args.names, &|name| {
                let reporter = Reporter::events(context.out);
                let outcome = engine.sink_sync(name, opening, &reporter, &interrupt.cancel);
                reporter.clear();
                outcome
            })
        }
        SinkAction::Verify(args) => {
            let interrupt = Interrupt::start()?;
            each(context, &engine, &args.names, &|name| engine.sink_verify(name, &interrupt.cancel))
        }
    }
}

fn list(context: &Context, engine: &Engine) -> Result<Exit, Failure> {
    let sinks = engine.sinks();
    context.out.event("sinks", &json!({ "sinks": sinks }))?;
    let mut rows = Rows::new(["name", "kind", "where", "collection or database", "key"]);
    for sink in &sinks {
        let key = if sink.has_key { "set" } else { "not set" };
        let key = format!("{} {key}", sink.key_variable);
        let database = sink.database.as_deref().unwrap_or("(the default)");
        let which = if sink.collection.is_empty() { database } else { &sink.collection };
        rows.row([&sink.name, sink.kind.name(), &sink.url, which, &key]);
    }
    match sinks.is_empty() {
        true => context.out.text("No sinks are set ([sinks.NAME] in stele.toml; docs/guide/search.md)\n")?,
        false => context.out.text(rows)?,
    }
    Ok(Exit::Done)
}

/// Does it for each sink, or all of them. One that fails is told at once, and does not keep others waiting.
fn each(
    context: &Context,
    engine: &Engine,
    names: &[String],
    deed: &dyn Fn(&str) -> Result<SinkReport, EngineError>,
) -> Result<Exit, Failure> {
    let all: Vec<String> = engine.sinks().into_iter().map(|sink| sink.name).collect();
    let names = if names.is_empty() { &all } else { names };
    if names.is_empty() {
        return Err(Failure::usage("no sinks are set: docs/guide/search.md shows how"));
    }
    let (mut failed, mut done, mut differ) = (Vec::new(), 0, false);
    for name in names {
        match deed(name) {
            Ok(report) => {
                done += 1;
                differ |= !report.holds;
                context.out.event("sink", &report)?;
                context.out.text(page(&report))?;
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error.into()),
            Err(error) => {
                let mut failure = Failure::from(error);
                if names.len() > 1 {
                    failure.what = format!("{name}: {}", failure.what);
                }
                let mut line = failure.to_json();
                line["sink"] = name.as_str().into();
                context.out.event("error", &line)?;
                crate::output::complain(&failure.to_text());
                failed.push(failure.exit);
            }
        }
    }
    Ok(match failed[..] {
        [] if differ => Exit::NotMet,
        [] => Exit::Done,
        _ if done > 0 => Exit::Partial,
        // All of them, and for one reason or for several.
        [first, ..] if failed.iter().all(|exit| *exit == first) => first,
        _ => Exit::Failure,
    })
}

fn page(report: &SinkReport) -> String {
    let SinkReport { name, written, removed, parity, .. } = report;
    let mut text = format!("{name}: {} written, {} removed", human::count(*written), human::count(*removed));
    let parts = match (&report.nodes, &report.edges) {
        (Some(nodes), Some(edges)) => vec![(nodes, "node"), (edges, "edge")],
        _ => vec![(parity, "point")],
    };
    for (parity, thing) in parts {
        text.push_str(&format!(
            "; {} wanted, {} there, {} missing, {} too many",
            human::many(parity.wanted, thing),
            human::count(parity.counted),
            human::count(parity.missing.count),
            human::count(parity.extra.count),
        ));
        if parity.changed.count > 0 {
            text.push_str(&format!(", {} changed", human::count(parity.changed.count)));
        }
    }
    text.push('\n');
    let differing = [("missing", &parity.missing), ("too many", &parity.extra), ("changed", &parity.changed)];
    for (what, differing) in differing {
        for id in &differing.ids {
            text.push_str(&format!("  {what}: {id}\n"));
        }
    }
    let of = if report.nodes.is_some() { "graph" } else { "index" };
    text.push_str(&match (report.holds, report.pending) {
        (true, _) => format!("{name} holds what the lake comes to.\n"),
        (false, Some(0)) => format!("{name} differs: `stele sink sync {name}` brings it up to the {of}.\n"),
        (false, _) => format!("{name} is behind the lake: `stele sink sync {name}` brings it up.\n"),
    });
    text
}
