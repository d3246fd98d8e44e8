//! `stele search`: questions in words, answers with evidence.

use serde::Serialize;
use serde_json::json;
use stele_engine::graph::Context as Surroundings;
use stele_engine::retrieval::{Filter, Found, Question};
use stele_engine::{Cancel, Engine, EngineError, SearchAnswer};

use super::Context;
use crate::args::SearchArgs;
use crate::errors::{Exit, Failure};
use crate::output::human;

/// Evidence beside the results: what an agent reads first.
const EVIDENCE_MAX: usize = 5;

/// Runs the command.
pub fn run(context: &Context, args: SearchArgs) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let (explain, budget) = (args.explain, args.context);
    let mut answer = engine.search(&question(args), &Cancel::default())?;
    let around = match budget {
        Some(tokens) => around(&engine, &mut answer, tokens)?,
        None => Vec::new(),
    };
    context.out.event("search", &as_json(&answer, budget.map(|_| &*around)))?;
    context.out.text(page(&answer, &around, explain))?;
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

/// What stands around a result.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Around {
    /// The section and others.
    Sections(Box<Surroundings>),
    /// What stands around an earlier result, of the same section: its place, counted from 1.
    SameAs { same_as: usize },
    /// It is not of a document.
    Nothing,
}

/// What stands around each result. A section that several of them are of is given once.
fn around(engine: &Engine, answer: &mut SearchAnswer, tokens: u32) -> Result<Vec<Around>, Failure> {
    let results = &answer.answer.results;
    let (mut all, mut missing) = (Vec::with_capacity(results.len()), 0);
    for (place, found) in results.iter().enumerate() {
        let section = found.metadata.section.as_ref();
        let before = results[..place].iter().position(|one| one.metadata.section.as_ref() == section);
        all.push(match (section, before) {
            (None, _) => Around::Nothing,
            (Some(_), Some(before)) => Around::SameAs { same_as: before + 1 },
            (Some(_), None) => match engine.context_of(&found.metadata, tokens) {
                Ok(Some(around)) => Around::Sections(Box::new(around)),
                Ok(None) | Err(EngineError::NoGraph) => {
                    missing += 1;
                    Around::Nothing
                }
                Err(error) => return Err(error.into()),
            },
        });
    }
    if missing > 0 {
        answer.answer.notes.push(format!(
            "the graph does not have the sections of {} (any more), so nothing is shown around them: `stele index \
             build` brings graph and index up to the lake",
            human::many(missing, "result")
        ));
    }
    Ok(all)
}

fn as_json(answer: &SearchAnswer, around: Option<&[Around]>) -> serde_json::Value {
    let mut body = json!(answer);
    for (place, around) in around.unwrap_or_default().iter().enumerate() {
        body["results"][place]["context"] = json!(around);
    }
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

fn page(answer: &SearchAnswer, around: &[Around], explain: bool) -> String {
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
        text.push_str(&around.get(place).map_or_else(String::new, surrounded));
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

/// What stands around a result, as it is written there.
fn surrounded(around: &Around) -> String {
    let around = match around {
        Around::Nothing => return String::new(),
        Around::SameAs { same_as } => return format!("          in the section shown at {same_as}\n"),
        Around::Sections(around) => around,
    };
    let mut text = String::new();
    for section in &around.sections {
        let part = if section.cut { ", a part" } else { "" };
        let at = match &section.lines {
            Some(lines) => format!("{}:{}-{}", around.source, lines.start(), lines.end()),
            None => section.at.clone(),
        };
        text.push_str(&format!(
            "          ┌ {} ({}{part}), {at}\n",
            section.headings.join(" › "),
            section.relation
        ));
        for line in section.text.trim_matches('\n').lines() {
            text.push_str(&format!("          │ {line}\n"));
        }
    }
    let ends = match around.limit_reason {
        Some(_) => ", and the document has more: a larger --context shows more of it",
        None => ", all of the document",
    };
    text.push_str(&format!("          └ about {}{ends}\n", human::many(u64::from(around.tokens), "token")));
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
