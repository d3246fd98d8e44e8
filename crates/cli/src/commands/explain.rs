//! `stele explain`: everything known about a field or an event.

use stele_engine::discovery::render::explain::{Detail, find, write_json, write_text};
use stele_engine::discovery::render::to_text;

use super::Context;
use crate::args::ExplainArgs;
use crate::errors::{Exit, Failure};
use crate::output::write_page;

/// Runs the command.
pub fn run(context: &Context, args: &ExplainArgs) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let view = engine.catalogue()?.view();
    let question = args.question.join(" ");
    let answer = find(&view, &question);
    if context.out.json {
        let value = super::schema::parsed(&to_text(|out| write_json(out, &answer)))?;
        context.out.event("explain", &value)?;
    } else if answer.is_found() {
        let detail = if context.out.quiet { Detail::Shape } else { Detail::Evidence };
        write_page(|out| write_text(out, &answer, detail))?;
    }
    if answer.is_found() {
        return Ok(Exit::Done);
    }
    if context.out.json {
        return Ok(Exit::Failure);
    }
    let failure = Failure::new(format!("nothing in the lake is called {question:?}"));
    Err(match answer.suggestions.as_slice() {
        [] => failure.hint(format!("`{}` lists the events", context.command("status"))),
        near => failure.hint(format!("near it: {}", near.join(", "))),
    })
}
