//! A collection as it is measured: its questions with what answers them, and everything odd about it.
//!
//! All of it is read before the first text is embedded, so that a mistake is not found after an hour. What
//! makes a figure wrong is an error; what makes it lower than it should be is counted and said.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;
use stele_index::QUESTION_BYTES_MAX;
use stele_search::Relevance;

use super::collection::{Document, Spot, lines, parsed, wrong};
use super::judgements::{Judgement, Judgements};
use crate::EngineError;

/// A question with what answers it.
pub(super) struct Judged {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) relevant: Relevance,
    /// Where it stands in `queries.jsonl`.
    pub(super) line: u64,
}

/// What was found in a collection's files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CollectionCounts {
    /// Lines of `qrels/*.tsv`.
    pub judgements: u64,
    /// Those whose document is not in `corpus.jsonl`; nothing can find it.
    pub judgements_without_document: u64,
    /// Those whose question is not in `queries.jsonl`; nobody asks it.
    pub judgements_without_query: u64,
    /// Those that say something else than one before them about the same document; the last one counts.
    pub judgements_changed: u64,
    /// Questions in `queries.jsonl`.
    pub queries: u64,
    /// Those that no document answers, or that are empty: they are not asked.
    pub queries_left_out: u64,
    /// Those that are longer than a question may be, and were cut.
    pub queries_cut: u64,
    /// Documents without title and text.
    pub documents_without_text: u64,
}

/// A collection that makes sense.
pub(super) struct Labelled {
    pub(super) questions: Vec<Judged>,
    pub(super) counts: CollectionCounts,
    /// What is odd, in words, each with the first place where it is so.
    pub(super) notes: Vec<String>,
}

impl Labelled {
    /// Reads everything in the directory but the documents' texts.
    pub(super) fn read(dir: &Path) -> Result<Self, EngineError> {
        // The largest file last, and no table before it is known that there is a corpus.
        super::collection::find(dir, "corpus.jsonl")?;
        let judgements = Judgements::read(dir)?;
        let mut reading = Reading { counts: CollectionCounts::default(), odd: BTreeMap::new() };
        let mut relevance = reading.relevance(&judgements);
        let (questions, asked) = reading.questions(dir, &mut relevance)?;
        let documents = reading.documents(dir)?;
        reading.strangers(&judgements, &asked, &documents)?;
        if questions.is_empty() {
            let reason = "no question of queries.jsonl has a document with a score above 0 in qrels/*.tsv";
            return Err(EngineError::Collection { path: dir.to_path_buf(), reason: reason.to_owned() });
        }
        let notes =
            reading.odd.values().map(|(count, what, first)| format!("{what}: {count}, first {first}"));
        Ok(Labelled { questions, notes: notes.collect(), counts: reading.counts })
    }
}

/// Where each id stands.
type Ids = HashMap<String, u64>;

/// A collection on its way in.
struct Reading {
    counts: CollectionCounts,
    /// How often something odd was seen, what it is, and where it was seen first.
    odd: BTreeMap<&'static str, (u64, &'static str, String)>,
}

impl Reading {
    fn note(&mut self, what: &'static str, id: &str, (path, line): Spot<'_>) -> u64 {
        let first = || (0, what, format!("{id} at {}:{line}", path.display()));
        let seen = self.odd.entry(what).or_insert_with(first);
        seen.0 += 1;
        seen.0
    }

    fn relevance(&mut self, judgements: &Judgements) -> HashMap<String, Relevance> {
        let mut relevance: HashMap<String, Relevance> = HashMap::new();
        self.counts.judgements = judgements.all.len() as u64;
        for judgement in &judgements.all {
            let Judgement { query, document, grade, .. } = judgement;
            let before = relevance.entry(query.clone()).or_default().insert(document.clone(), *grade);
            if before.is_some_and(|before| before != *grade) {
                let what = "judgements that say something else than one before, of which the last one counts";
                self.counts.judgements_changed = self.note(what, document, judgements.place(judgement));
            }
        }
        relevance
    }

    /// The questions that some document answers, and the ids of all.
    fn questions(
        &mut self,
        dir: &Path,
        relevance: &mut HashMap<String, Relevance>,
    ) -> Result<(Vec<Judged>, Ids), EngineError> {
        let (mut questions, mut ids) = (Vec::new(), Ids::new());
        lines(dir, "queries.jsonl", &mut |place, line| {
            let Document { id, mut text, .. } = parsed(place, line)?;
            once(&mut ids, &id, place)?;
            self.counts.queries += 1;
            let relevant = relevance.remove(&id).unwrap_or_default();
            if text.trim().is_empty() || !relevant.values().any(|grade| *grade > 0) {
                self.counts.queries_left_out += 1;
                return Ok(());
            }
            if text.len() > QUESTION_BYTES_MAX {
                text.truncate(text.floor_char_boundary(QUESTION_BYTES_MAX));
                let what = "questions that are longer than a question may be, and were cut";
                self.counts.queries_cut = self.note(what, &id, place);
            }
            questions.push(Judged { id, text, relevant, line: place.1 });
            Ok(())
        })?;
        Ok((questions, ids))
    }

    fn documents(&mut self, dir: &Path) -> Result<Ids, EngineError> {
        let mut ids = Ids::new();
        lines(dir, "corpus.jsonl", &mut |place, line| {
            let document = parsed(place, line)?;
            once(&mut ids, &document.id, place)?;
            if document.title.trim().is_empty() && document.text.trim().is_empty() {
                let what = "documents without title and text";
                self.counts.documents_without_text = self.note(what, &document.id, place);
            }
            Ok(())
        })?;
        if ids.is_empty() {
            let path = super::collection::find(dir, "corpus.jsonl")?;
            return Err(EngineError::Collection { path, reason: "there is no document in it".to_owned() });
        }
        Ok(ids)
    }

    /// Judgements about what is not there.
    fn strangers(&mut self, judgements: &Judgements, asked: &Ids, there: &Ids) -> Result<(), EngineError> {
        let mut answers = 0;
        for judgement in &judgements.all {
            let place = judgements.place(judgement);
            if !there.contains_key(&judgement.document) {
                let what = "judgements of documents that are not in corpus.jsonl, which count as not found";
                self.counts.judgements_without_document = self.note(what, &judgement.document, place);
            } else if judgement.grade > 0 && asked.contains_key(&judgement.query) {
                answers += 1;
            }
            if !asked.contains_key(&judgement.query) {
                let what = "judgements of questions that are not in queries.jsonl";
                self.counts.judgements_without_query = self.note(what, &judgement.query, place);
            }
        }
        match judgements.all.iter().find(|judgement| judgement.grade > 0) {
            Some(first) if answers == 0 => {
                let reason = format!(
                    "no judgement with a score above 0 has its question ({}) in queries.jsonl and its document ({}) in corpus.jsonl",
                    first.query, first.document
                );
                Err(wrong(judgements.place(first), reason))
            }
            _ => Ok(()),
        }
    }
}

/// An id that stands there twice would be found twice, and make every figure too high.
fn once(ids: &mut Ids, id: &str, place: Spot<'_>) -> Result<(), EngineError> {
    match ids.insert(id.to_owned(), place.1) {
        Some(before) => Err(wrong(place, format!("the id {id} is that of line {before} too"))),
        None => Ok(()),
    }
}
