//! Asking the arms and putting the answer together.

use std::collections::HashMap;
use std::thread::ScopedJoinHandle;

use stele_embed::{Cancelled, Embedder, Purpose, never};
use stele_index::{Hit, Reader, Row};
use stele_model::error::in_full;
use stele_model::{Chunk, ChunkId, ErrorKind};

use crate::SearchError;
use crate::answer::{Answer, ArmReport, Found, Parts};
use crate::confidence::{Signs, confidence};
use crate::evidence::{coverage, evidence};
use crate::expand::{self, Structure};
use crate::fuse::{Fused, fuse};
use crate::plan::{Arm, Question};

/// Chunks that each arm hands to the fusion, at least: enough that one which is middling in both
/// arms can still come first, and what recall at 100 needs.
const CANDIDATES_MIN: usize = 100;

/// The same as a multiple of the results wanted, so that a cap on sources has a choice.
const CANDIDATES_PER_RESULT: usize = 4;

/// Candidates among which diversity chooses, as a multiple of the results wanted. Each choice
/// compares all of them with all that were chosen.
const DIVERSE_PER_RESULT: usize = 3;

/// An open index and what made its vectors.
pub struct Searcher<'a> {
    reader: &'a Reader,
    embedder: Option<&'a dyn Embedder>,
    structure: Option<&'a dyn Structure>,
    cancelled: Cancelled<'a>,
    /// Why there is no embedder.
    why: String,
}

/// The hits of the arms, in the order in which the fusion takes them.
#[derive(Default)]
struct Hits {
    text: Vec<Hit>,
    names: Vec<Hit>,
    vector: Vec<Hit>,
}

impl<'a> Searcher<'a> {
    /// `embedder` has to be the one that made the index's vectors; without it meaning has no say.
    pub fn new(reader: &'a Reader, embedder: Option<&'a dyn Embedder>) -> Self {
        let made_with = reader.pointer().spec.model.as_ref();
        let same = |embedder: &&dyn Embedder| made_with.is_some_and(|model| model.id == embedder.model_id());
        let why = match embedder {
            Some(other) => {
                format!("{} is set, whose vectors do not compare (`stele index rebuild`)", other.model_id())
            }
            None => "it is not here".to_owned(),
        };
        Self { reader, embedder: embedder.filter(same), structure: None, cancelled: &never, why }
    }

    /// The same, with what the sections of documents have to do with each other.
    #[must_use]
    pub fn with_structure(self, structure: &'a dyn Structure) -> Self {
        Self { structure: Some(structure), ..self }
    }

    /// The same, ended where `cancelled` says so: before an arm is asked, and before chunks are read.
    #[must_use]
    pub fn with_cancel(self, cancelled: Cancelled<'a>) -> Self {
        Self { cancelled, ..self }
    }

    /// Says why there is no embedder, for those who miss it.
    #[must_use]
    pub fn because(mut self, why: Option<&str>) -> Self {
        if let Some(why) = why {
            self.why = why.to_owned();
        }
        self
    }

    /// Answers a question.
    ///
    /// # Errors
    ///
    /// If the question makes no sense or is cancelled, meaning alone is asked and there is no model, or
    /// the index cannot be read.
    pub fn answer(&self, question: &Question) -> Result<Answer, SearchError> {
        question.check()?;
        let mut notes = Vec::new();
        let candidates = CANDIDATES_MIN.max(question.top * CANDIDATES_PER_RESULT);
        let hits = self.hits(question, candidates, &mut notes)?;
        let arms: [&[Hit]; 3] = [&hits.text, &hits.names, &hits.vector];
        let mut fused = fuse(question.fusion, &arms, candidates);
        let mut chunks = HashMap::new();
        if let Some(structure) = self.structure.filter(|_| question.expand) {
            self.read(fused.iter().take(expand::CANDIDATES_MAX), &mut chunks)?;
            expand::expand(&mut fused, &chunks, structure);
        }
        let chosen = self.choose(question, &fused, &mut chunks)?;
        self.read(chosen.iter(), &mut chunks)?;
        let cosines: HashMap<ChunkId, f32> = hits.vector.iter().map(|hit| (hit.id, hit.score)).collect();
        let results: Vec<Found> = chosen
            .iter()
            .filter_map(|one| {
                let chunk = chunks.remove(&one.id)?;
                let [text, names, vector] = one.parts[..] else { return None };
                Some(Found {
                    id: one.id,
                    score: one.score,
                    evidence: evidence(&question.text, &chunk),
                    text: chunk.text,
                    metadata: chunk.metadata,
                    parts: Parts {
                        text,
                        names,
                        vector,
                        graph: (one.graph > 0.0).then_some(one.graph),
                        cosine: cosines.get(&one.id).copied(),
                    },
                })
            })
            .collect();
        let signs = signs(question, &results, &hits);
        let report =
            |arm, hits: &[Hit]| ArmReport { arm, hits: hits.len(), best: hits.first().map(|hit| hit.score) };
        let pointer = self.reader.pointer();
        Ok(Answer {
            query: question.text.clone(),
            arm: question.arm,
            confidence: if results.is_empty() { 0.0 } else { confidence(signs) },
            signs,
            results,
            arms: vec![
                report("text", &hits.text),
                report("names", &hits.names),
                report("vector", &hits.vector),
            ],
            notes,
            model: pointer.spec.model.as_ref().map(|model| model.id.clone()),
            semantic: pointer.spec.model.as_ref().is_some_and(|model| model.semantic),
            index_snapshot: pointer.checkpoint,
        })
    }

    /// The ids of the best chunks of one arm or of all together, and nothing else: for measuring.
    ///
    /// # Errors
    ///
    /// As [`Searcher::answer`].
    pub fn ranking(&self, question: &Question) -> Result<Vec<ChunkId>, SearchError> {
        question.check()?;
        let candidates = CANDIDATES_MIN.max(question.top);
        let hits = self.hits(question, candidates, &mut Vec::new())?;
        let fused = fuse(question.fusion, &[&hits.text, &hits.names, &hits.vector], candidates);
        Ok(fused.into_iter().take(question.top).map(|one| one.id).collect())
    }

    /// Reads the chunks of these that were not read yet.
    fn read<'f>(
        &self,
        which: impl Iterator<Item = &'f Fused>,
        chunks: &mut HashMap<ChunkId, Chunk>,
    ) -> Result<(), SearchError> {
        let rows: Vec<Row> = which.filter(|one| !chunks.contains_key(&one.id)).map(|one| one.row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        self.go_on()?;
        chunks.extend(self.reader.at_rows(&rows)?.into_iter().map(|chunk| (chunk.id, chunk)));
        Ok(())
    }

    fn go_on(&self) -> Result<(), SearchError> {
        if (self.cancelled)() { Err(SearchError::Cancelled) } else { Ok(()) }
    }

    /// Asks the arms side by side: each waits for the index most of its time.
    fn hits(&self, question: &Question, k: usize, notes: &mut Vec<String>) -> Result<Hits, SearchError> {
        self.go_on()?;
        let names = question.names();
        let by_words = question.arm != Arm::Vector;
        let embedder = match question.arm {
            Arm::Text => None,
            _ => self.embedder_or_why(question.arm, notes)?,
        };
        std::thread::scope(|scope| {
            let names = scope.spawn(|| match by_words && !names.is_empty() {
                true => self.reader.terms(&names, &question.filter, k),
                false => Ok(Vec::new()),
            });
            let vector = scope.spawn(|| match embedder {
                Some(embedder) => self.near(embedder, question, k),
                None => Ok(Vec::new()),
            });
            let text = match by_words {
                true => self.reader.text(&question.text, &question.filter, k),
                false => Ok(Vec::new()),
            };
            let vector = match joined(vector) {
                // A service that is away, or a model that is damaged, takes its arm with it, and not the
                // others.
                Err(error @ SearchError::Embed(_)) if by_words && error.kind() != ErrorKind::Cancelled => {
                    notes.push(format!("answered by words alone: {}", in_full(&error)));
                    Vec::new()
                }
                vector => vector?,
            };
            Ok(Hits { text: text?, names: joined(names)?, vector })
        })
    }

    /// What lies near the question in meaning.
    fn near(&self, embedder: &dyn Embedder, question: &Question, k: usize) -> Result<Vec<Hit>, SearchError> {
        let embedded = embedder.embed(&[&question.text], Purpose::Query, self.cancelled)?;
        self.go_on()?;
        Ok(self.reader.vector(embedded.vectors.get(0).unwrap_or_default(), &question.filter, k)?)
    }

    /// What makes the question's vector; nothing, and a note why, where words have to do.
    fn embedder_or_why(
        &self,
        arm: Arm,
        notes: &mut Vec<String>,
    ) -> Result<Option<&dyn Embedder>, SearchError> {
        match (self.embedder, &self.reader.pointer().spec.model) {
            (Some(embedder), Some(model)) => {
                if !model.semantic {
                    notes.push(format!("{} is a test double: its vectors have no meaning", model.id));
                }
                return Ok(Some(embedder));
            }
            (_, there) if arm == Arm::Vector => {
                return Err(SearchError::Question(match there {
                    Some(model) => format!("the index was made with {}: {}", model.id, self.why),
                    None => "the index holds texts alone: `stele models pull`, then `stele index rebuild`, adds meaning".to_owned(),
                }));
            }
            (None, Some(model)) => {
                notes.push(format!("answered by words alone; the index was made with {}: {}", model.id, self.why));
            }
            (_, None) => notes.push(
                "answered by words alone: the index holds no vectors (`stele models pull`, then `stele index rebuild`)".to_owned(),
            ),
        }
        Ok(None)
    }

    /// The results out of the candidates: no more of one source than wanted, and different ones if
    /// that is wanted.
    fn choose(
        &self,
        question: &Question,
        fused: &[Fused],
        chunks: &mut HashMap<ChunkId, Chunk>,
    ) -> Result<Vec<Fused>, SearchError> {
        let mut left: Vec<Fused> = fused.to_vec();
        if let Some(cap) = question.per_source {
            self.read(left.iter(), chunks)?;
            let mut counts: HashMap<&str, usize> = HashMap::new();
            left.retain(|one| {
                let count =
                    counts.entry(chunks.get(&one.id).map_or("", |chunk| &chunk.metadata.source)).or_default();
                *count += 1;
                *count <= cap
            });
        }
        if question.diversity <= 0.0 {
            left.truncate(question.top);
            return Ok(left);
        }
        left.truncate(question.top * DIVERSE_PER_RESULT);
        let ids: Vec<ChunkId> = left.iter().map(|one| one.id).collect();
        let vectors = self.reader.vectors(&ids)?;
        let alike = |one: &Fused, two: &Fused| match (vectors.get(&one.id), vectors.get(&two.id)) {
            (Some(one), Some(two)) => one.iter().zip(two).map(|(a, b)| a * b).sum::<f32>(),
            _ => 0.0,
        };
        let mut chosen: Vec<Fused> = Vec::new();
        while chosen.len() < question.top && !left.is_empty() {
            let worth = |one: &Fused| {
                let nearest = chosen.iter().map(|other| alike(one, other)).fold(0.0, f32::max);
                (1.0 - question.diversity) * one.score - question.diversity * nearest
            };
            // The first of equals, which is the better one.
            let best = (0..left.len()).rev().max_by(|a, b| worth(&left[*a]).total_cmp(&worth(&left[*b])));
            let Some(best) = best else { break };
            chosen.push(left.remove(best));
        }
        Ok(chosen)
    }
}

/// What a thread came to. A panic in it goes on in the caller, as without the thread.
fn joined<T, E>(thread: ScopedJoinHandle<'_, Result<T, E>>) -> Result<T, SearchError>
where
    SearchError: From<E>,
{
    match thread.join() {
        Ok(outcome) => Ok(outcome?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn signs(question: &Question, results: &[Found], hits: &Hits) -> Signs {
    let Some(first) = results.first() else { return Signs::default() };
    let words = first.parts.text.unwrap_or(0.0).max(first.parts.names.unwrap_or(0.0));
    let agreement = match (hits.text.is_empty() && hits.names.is_empty(), hits.vector.is_empty()) {
        (false, false) => words.min(first.parts.vector.unwrap_or(0.0)),
        // One arm has nobody to agree with.
        _ => 0.5,
    };
    Signs {
        margin: first.score - results.get(1).map_or(0.0, |second| second.score),
        agreement,
        coverage: coverage(&question.text, &first.text),
    }
}
