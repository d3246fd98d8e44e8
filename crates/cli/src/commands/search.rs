//! `stele search`: questions in words, answers with evidence.

use serde_json::json;
use stele_engine::retrieval::{Filter, Found, Question};
use stele_engine::{Cancel, SearchAnswer};

use super::Context;
use crate::args::SearchArgs;
use crate::errors::{Exit, Failure};
use crate::output::human;

/// Evidence beside the results: what an agent reads first.
const EVIDENCE_MAX: usize = 5;

/// Runs the command.
pub fn run(context: &Context, args: SearchArgs) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let explain = args.explain;
    let answer = engine.search(&question(args), &Cancel::default())?;
    context.out.event("search", &as_json(&answer))?;
    context.out.text(page(&answer, explain))?;
    for note in &answer.answer.notes {
        context.out.remark(note);
    }
    Ok(Exit::Done)
}

fn question(args: SearchArgs) -> Question {
    Question {
        text: args.text,
        top: args.top as usize,
        arm: args.arm.into(),
        filter: Filter {
            kinds: args.kind,
            event_types: args.event,
            game_ids: args.game,
            doc_types: args.doc_type,
            source_prefix: args.source,
            scopes: args.scope,
            ..Filter::default()
        },
        fusion: args.fusion.into(),
        per_source: args.per_source.map(|most| most as usize),
        expand: !args.no_graph,
        diversity: args.diversity,
    }
}

fn as_json(answer: &SearchAnswer) -> serde_json::Value {
    let mut body = json!(answer);
    let evidence = answer.answer.results.iter().take(EVIDENCE_MAX).map(|found| {
        json!({
            "id": found.id,
            "title": found.metadata.title,
            "at": found.evidence.at,
            "snippet": found.evidence.snippet,
            "score": found.score,
        })
    });
    body["evidence"] = evidence.collect();
    body
}

fn page(answer: &SearchAnswer, explain: bool) -> String {
    if answer.answer.results.is_empty() {
        return "Nothing was found. Fewer filters or other words may help; `stele status` lists the events\n"
            .to_owned();
    }
    let mut text = String::new();
    for (place, found) in answer.answer.results.iter().enumerate() {
        text.push_str(&format!("{:>2}  {:.2}  {}\n", place + 1, found.score, found.metadata.title));
        for line in wrapped(&found.evidence.snippet) {
            text.push_str(&format!("          {line}\n"));
        }
        text.push_str(&format!("          {}\n", found.evidence.at));
        if explain {
            text.push_str(&format!("          {}\n", explained(found)));
        }
    }
    let pending = match answer.pending {
        Some(0) => String::new(),
        Some(pending) => format!(", {} not indexed yet", human::many(pending, "record")),
        None => ", which it does not follow".to_owned(),
    };
    text.push_str(&format!(
        "Confidence {:.2}. Index at version {} of the lake, which is at {}{pending}\n",
        answer.answer.confidence,
        answer.answer.index_snapshot.map_or_else(|| "none".to_owned(), |version| version.to_string()),
        answer.lake_snapshot,
    ));
    text
}

fn explained(found: &Found) -> String {
    let part = |name: &str, part: Option<f32>| match part {
        Some(part) => format!("{name} {part:.2}"),
        None => format!("{name} –"),
    };
    let parts = &found.parts;
    format!(
        "{}, {}, {} ({}); matched {}",
        part("words", parts.text),
        part("names", parts.names),
        part("meaning", parts.vector),
        part("cosine", parts.cosine),
        if found.evidence.matched.is_empty() {
            "nothing".to_owned()
        } else {
            found.evidence.matched.join(", ")
        }
    )
}

/// Characters of a line of a snippet.
const LINE_CHARS: usize = 88;

/// The snippet in lines that end between words.
fn wrapped(snippet: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in snippet.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + word.chars().count() >= LINE_CHARS {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}
