//! `search`: a question in words, answered from the index.

use std::time::Instant;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use stele_engine::retrieval::{Arm, Filter, Found, Question, Scope};
use stele_model::ChunkKind;

use super::{Tool, arguments};
use crate::cursor::index_sum;
use crate::desk::{Call, Desk};
use crate::limits::{SEARCH_RESULTS_MAX, TEXT_BYTES_MAX};
use crate::metrics::Family;
use crate::reply::{Head, Refusal, cut, fact};

/// Results of a page unless told otherwise: the right one is among them or the question was wrong.
const TOP_DEFAULT: u64 = 10;

/// A question in words.
pub(crate) struct Search;

/// The names that a field may hold, as its schema has them; null is for none of them.
fn names(names: impl Iterator<Item = &'static str>) -> Schema {
    let names: Vec<Option<&str>> = names.map(Some).chain([None]).collect();
    json_schema!({ "type": ["string", "null"], "enum": names })
}

fn arms(_: &mut SchemaGenerator) -> Schema {
    names(Arm::ALL.into_iter().map(Arm::name))
}

fn kinds(_: &mut SchemaGenerator) -> Schema {
    names(ChunkKind::ALL.into_iter().map(ChunkKind::name))
}

/// The question.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// In words, or the name of a field or event.
    query: String,
    /// Results of a page, up to 100; 10 unless told otherwise.
    #[serde(skip_serializing)]
    top: Option<u64>,
    /// `text`, `vector`, or `hybrid`, which it is unless told otherwise.
    #[serde(default)]
    #[schemars(schema_with = "arms")]
    arm: Option<Arm>,
    /// Only texts about this event type.
    event: Option<String>,
    /// Only texts made from records of this doc type.
    doc_type: Option<String>,
    /// Only texts about this game.
    game: Option<String>,
    /// Only documents in this directory or file, such as `docs/guide`.
    scope: Option<String>,
    /// Only texts of this kind.
    #[serde(default)]
    #[schemars(schema_with = "kinds")]
    kind: Option<ChunkKind>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// A page of results.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answered {
    #[serde(flatten)]
    head: Head,
    query: String,
    /// Best first.
    results: Vec<Hit>,
    /// How likely it is that the first result of the first page is right, from 0 to 1.
    confidence: f32,
    /// What makes the answer less than it could be.
    notes: Vec<String>,
    /// The version of the lake that the index follows.
    index_snapshot: Option<u64>,
    /// Records that the lake holds and the index does not know yet; null if that cannot be told.
    pending: Option<u64>,
    /// Whether the index knows every record.
    complete: bool,
    /// What made the vectors; null if words alone answer.
    model: Option<String>,
}

/// One result.
#[derive(Debug, Serialize, JsonSchema)]
struct Hit {
    id: String,
    /// Comparable inside one answer only.
    score: f32,
    kind: &'static str,
    title: String,
    /// `file:line`, as far as it is known: cite it.
    at: String,
    source: String,
    line: Option<u64>,
    byte_offset: Option<u64>,
    event: Option<String>,
    path: Option<String>,
    game: Option<String>,
    /// The section of a document that it is a part of, for `expand_excerpt`.
    section: Option<String>,
    /// The stretch that speaks of the question.
    snippet: String,
    /// Words of the question that stand in the text.
    matched: Vec<String>,
    /// The whole text, unless `text_cut`.
    text: String,
    text_cut: bool,
    score_parts: ScoreParts,
}

/// The parts of a score, each from 0 to 1; null where that arm did not find it.
#[derive(Debug, Serialize, JsonSchema)]
struct ScoreParts {
    words: Option<f32>,
    names: Option<f32>,
    meaning: Option<f32>,
    cosine: Option<f32>,
}

/// Words of the question that are told of one result.
const MATCHED_MAX: usize = 20;

impl Tool for Search {
    const NAME: &'static str = "search";
    const TITLE: &'static str = "Search in words";
    const SAYS: &'static str = "Answers a question in words from documents, fields, events, records, games and sessions, with evidence at \
        file:line and a confidence. Use it when names are not known; explain_field when they are; sql to count. \
        `pending` says how many records the index does not know yet.";
    type Arguments = Arguments;
    type Result = Answered;

    fn run(desk: &Desk, call: &Call, arguments: Arguments) -> Result<Answered, Refusal> {
        let size = arguments::count("top", arguments.top, TOP_DEFAULT, SEARCH_RESULTS_MAX as u64)?;
        arguments::said("query", &arguments.query)?;
        let cursor = arguments::cursor_of(Self::NAME, &arguments, arguments.cursor.as_deref())?;
        // Where there is no lake either, that is what to say.
        desk.snapshot()?;
        let began = Instant::now();
        let answer = desk.engine.search(&question(&arguments), &call.cancel());
        let arm = arguments.arm.unwrap_or_default().name();
        desk.metrics.observe(Family::Search, &[arm], began.elapsed());
        let answer = answer?;
        let lake = match &cursor.1 {
            // The lake may go on without the index; the list does not change by that.
            Some(cursor) => cursor.lake,
            None => answer.lake_snapshot,
        };
        let paging = arguments::paging(cursor, lake, index_sum(&answer.index_version))?;
        let (found, more) = arguments::slice(answer.answer.results, &paging, size);
        let (results, head) = paging.page(found.iter().map(hit).collect(), more);
        Ok(Answered {
            head: Head { lake_version: answer.lake_snapshot, ..head },
            query: cut(&arguments.query, TEXT_BYTES_MAX).0,
            results,
            confidence: answer.answer.confidence,
            notes: answer.answer.notes.iter().map(|note| fact(note)).collect(),
            index_snapshot: answer.answer.index_snapshot,
            pending: answer.pending,
            complete: answer.complete,
            model: answer.answer.model.as_deref().map(fact),
        })
    }
}

fn question(arguments: &Arguments) -> Question {
    let list = |one: &Option<String>| one.iter().cloned().collect();
    Question {
        top: SEARCH_RESULTS_MAX,
        arm: arguments.arm.unwrap_or_default(),
        filter: Filter {
            kinds: arguments.kind.into_iter().collect(),
            event_types: list(&arguments.event),
            game_ids: list(&arguments.game),
            doc_types: list(&arguments.doc_type),
            scopes: arguments.scope.iter().cloned().map(Scope::Path).collect(),
            ..Filter::default()
        },
        ..Question::new(arguments.query.as_str())
    }
}

fn hit(found: &Found) -> Hit {
    let metadata = &found.metadata;
    let (text, text_cut) = cut(&found.text, TEXT_BYTES_MAX);
    let parts = &found.parts;
    Hit {
        id: found.id.to_string(),
        score: found.score,
        kind: metadata.kind.name(),
        title: fact(&metadata.title),
        at: fact(&found.evidence.at),
        source: fact(&metadata.source),
        line: metadata.line,
        byte_offset: found.evidence.byte_offset,
        event: metadata.event_type.as_deref().map(fact),
        path: metadata.path.as_deref().map(fact),
        game: metadata.game_id.as_deref().map(fact),
        section: metadata.section.clone(),
        snippet: cut(&found.evidence.snippet, TEXT_BYTES_MAX / 4).0,
        matched: found.evidence.matched.iter().take(MATCHED_MAX).map(|word| fact(word)).collect(),
        text,
        text_cut,
        score_parts: ScoreParts {
            words: parts.text,
            names: parts.names,
            meaning: parts.vector,
            cosine: parts.cosine,
        },
    }
}
