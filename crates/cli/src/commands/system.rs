//! `stele system`: what this system is made of, in numbers.

use serde_json::json;
use stele_engine::collecting::{SourceDesk, SourceEntry, SystemFacts};

use super::Context;
use super::sources::text_of;
use crate::errors::{Exit, Failure};
use crate::output::human;
use crate::output::table::Rows;

/// Runs the command.
pub fn run(context: &Context) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    // Nothing is asked, but whose key is not there is not collected either.
    let desk = SourceDesk::open(&engine, &text_of)?;
    let sources: Vec<&SourceEntry> = desk.config().sources.iter().collect();
    let facts = desk.system(&sources, &desk.unusable())?;
    context.out.event("system", &json!(facts))?;
    context.out.text(page(&facts))?;
    Ok(Exit::Done)
}

fn page(facts: &SystemFacts) -> String {
    let lake = facts.lake_version.map_or("none yet".to_owned(), |version| format!("version {version}"));
    let mut rows = Rows::new(["", ">count", "what"]);
    rows.row(["records", &human::count(facts.record_count), &format!("lake: {lake}")]);
    let mut of = format!("of {} that can be used", human::many(facts.source_count as u64, "source"));
    if facts.unusable_sources > 0 {
        let more = human::count(facts.unusable_sources as u64);
        of.push_str(&format!("; {more} cannot, and `stele sources list` says why"));
    }
    rows.row(["active sources", &human::count(facts.active_sources as u64), &of]);
    let contracts = human::many(facts.contracts as u64, "contract");
    let rules = format!("{}, {contracts} of sources (`schema`)", human::many(facts.formats as u64, "format"));
    rows.row(["rules", &human::count(facts.rule_count as u64), &rules]);
    rows.row(["calls", &human::count(facts.api_call_count), "of sources to services"]);
    rows.row(["tokens", &human::count(facts.tokens), "that they used"]);
    rows.row(["USD", &human::usd(facts.cost_usd), "that they cost"]);
    format!("stele {} at {}\n{rows}", facts.version, facts.timestamp)
}
