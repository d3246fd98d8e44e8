//! `stele capture URL`: what a live feed says, into the lake.

use std::time::Duration;

use stele_engine::collecting::{CaptureConfig, Template};

use super::{Context, index, variable};
use crate::args::CaptureArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::progress::Reporter;

/// Characters of a name that an address gives.
const NAME_CHARS_MAX: usize = 48;

/// Runs the command.
pub fn run(context: &Context, args: &CaptureArgs) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let stdin = args.url == "-";
    let name =
        args.name.clone().unwrap_or_else(|| if stdin { "stdin".to_owned() } else { name_of(&args.url) });
    let config = CaptureConfig {
        url: Template::new(if stdin { "stdin:" } else { &args.url }),
        number: args.number.clone(),
        for_ms: args.time.map(|time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        ..CaptureConfig::default()
    };
    let interrupt = Interrupt::start()?;
    let reporter = Reporter::events(context.out);
    let input: Option<Box<dyn std::io::Read + Send>> = stdin.then(|| Box::new(std::io::stdin()) as _);
    let text_of = |name: &str| variable(name)?.into_string().ok();
    context.out.remark(&format!("listening as {name}; Ctrl-C ends it"));
    let listened = engine.capture(&name, config, input, text_of, &reporter, &interrupt.cancel);
    reporter.clear();
    let listened = listened?;
    context.out.event("captured", &listened)?;
    let counts = &listened.capture.counts;
    let mut text = format!(
        "{name}: {} received in {}, {} in the lake\n",
        human::many(counts.received, "message"),
        human::many(counts.connections, "connection"),
        human::many(listened.records, "record"),
    );
    if counts.gaps > 0 {
        let missing = match counts.missing {
            0 => String::new(),
            missing => format!(", {} missing by their numbers", human::many(missing, "message")),
        };
        text.push_str(&format!("{} on record{missing}\n", human::many(counts.gaps, "gap")));
    }
    if let Some(loss) = listened.capture.last_loss.as_ref().filter(|_| counts.gaps > 0) {
        let why = serde_json::to_value(loss).unwrap_or_default();
        let why = why.as_str().map_or_else(|| why.to_string(), |word| word.replace('_', " "));
        text.push_str(&format!("the last connection was lost: {why}\n"));
    }
    context.out.text(text)?;
    if listened.records > 0 {
        // Asked to stop or not: what came is there, and is to be found.
        index::follow(context, &engine, !args.no_embed, &stele_engine::Cancel::default())?;
    }
    if counts.connections == 0 && !interrupt.cancel.is_cancelled() {
        return Err(Failure::new(format!(
            "{name}: nobody answered; {} to connect failed",
            human::many(counts.failures, "attempt")
        ))
        .kept("that nobody answered, and when, is in the lake")
        .hint("is the address right, and does the feed run? the next capture goes on under the same name"));
    }
    Ok(match (listened.left.is_empty(), interrupt.cancel.is_cancelled()) {
        (false, _) => Exit::Partial,
        (true, true) => Exit::Interrupted,
        (true, false) => Exit::Done,
    })
}

/// A name for a feed, from its host and its path.
fn name_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    // What stands before the host may be a password.
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let good = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = rest.chars().map(good).take(NAME_CHARS_MAX).collect();
    let name = name.trim_matches('-').to_owned();
    if name.is_empty() { "feed".to_owned() } else { name }
}
