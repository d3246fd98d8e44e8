//! `stele sources summarise`: what a help desk has in a few words of a model.

use stele_engine::collecting::SourceDesk;
use stele_engine::{Cancel, Engine};

use super::Context;
use super::sources::keyless;
use crate::errors::{Exit, Failure};
use crate::output::human;
use crate::progress::Reporter;

/// Runs the command.
pub fn run(context: &Context, engine: &Engine, id: &str, cancel: &Cancel) -> Result<Exit, Failure> {
    let desk = SourceDesk::open(engine, &keyless)?;
    let reporter = Reporter::events(context.out);
    let done = desk.summarise(id, &reporter, cancel);
    reporter.clear();
    let done = done?;
    context.out.event("summarised", &done)?;
    let asked = &done.asked;
    context.out.text(match done.objects {
        0 => format!(
            "Nothing to summarise: rows of tenant {} on {} hold keys alone, or there are none; no model was asked\n",
            done.tenant, done.platform
        ),
        objects => format!(
            "{} of {} have a summary, which is a model's words ({}): {} asked about now, {} known, {} left\n",
            human::count(done.summaries),
            human::many(objects, "object"),
            asked.extractor,
            human::count(asked.asked),
            human::count(asked.known),
            human::count(asked.left),
        ),
    })?;
    if let Some(why) = &asked.unusable_why {
        let said = human::many(asked.unusable, "answer");
        context.out.remark(&format!("{said} of the model said nothing that can be used; the first: {why}"));
    }
    if asked.estimated > 0 {
        let texts = human::many(asked.estimated, "answer");
        context
            .out
            .remark(&format!("tokens of {texts} are an estimate by length: the service did not count them"));
    }
    if let Some(why) = &asked.stopped {
        context.out.remark(&format!("the model was not asked about the rest: {why}"));
    }
    Ok(if asked.left == 0 { Exit::Done } else { Exit::Partial })
}
