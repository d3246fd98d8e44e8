//! Asking the arms and putting the answer together.

use std::collections::HashMap;

use stele_embed::{Embedder, Purpose, never};
use stele_index::{Filter, Hit, Reader};
use stele_model::{Chunk, ChunkId, ChunkKind, ChunkMetadata};

use crate::SearchError;
use crate::answer::{Answer, ArmReport, Found, Parts};
use crate::confidence::{Signs, confidence};
use crate::evidence::{coverage, evidence};
use crate::fuse::{Fused, fuse};
use crate::plan::{Arm, Question};

/// Chunks that each arm hands to the fusion, at least: enough that one which is middling in both
/// arms can still come first, and what recall at 100 needs.
const CANDIDATES_MIN: usize = 100;

/// The same as a multiple of the results wanted, so that a cap on sources has a choice.
const CANDIDATES_PER_RESULT: usize = 4;

/// Texts that are looked at for one name, to find those that are about just that: a common name is a
/// part of many paths, and the shorter ones come first.
const SUBJECTS_MAX: usize = 20;

/// How far what is named in full is ahead of what is named in part: enough to outweigh a text that is
/// a little shorter, and not one that speaks of more words of the question.
const SUBJECT_LEAD: f32 = 2.0;

/// Candidates among which diversity chooses, as a multiple of the results wanted. Each choice
/// compares all of them with all that were chosen.
const DIVERSE_PER_RESULT: usize = 3;

/// An open index and what made its vectors.
pub struct Searcher<'a> {
    reader: &'a Reader,
    embedder: Option<&'a dyn Embedder>,
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
        let same = |embedder: &&dyn Embedder| {
            reader.pointer().spec.model.as_ref().is_some_and(|model| model.id == embedder.model_id())
        };
        Self { reader, embedder: embedder.filter(same) }
    }

    /// Answers a question.
    ///
    /// # Errors
    ///
    /// If the question makes no sense, meaning alone is asked and there is no model, or the index
    /// cannot be read.
    pub fn answer(&self, question: &Question) -> Result<Answer, SearchError> {
        question.check()?;
        let mut notes = Vec::new();
        let candidates = CANDIDATES_MIN.max(question.top * CANDIDATES_PER_RESULT);
        let hits = self.hits(question, candidates, &mut notes)?;
        let arms: [&[Hit]; 3] = [&hits.text, &hits.names, &hits.vector];
        let fused = fuse(question.fusion, &arms, candidates);
        let chosen = self.choose(question, &fused)?;
        let ids: Vec<ChunkId> = chosen.iter().map(|one| one.id).collect();
        let mut chunks: HashMap<ChunkId, Chunk> =
            self.reader.get(&ids)?.into_iter().map(|chunk| (chunk.id, chunk)).collect();
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
                    parts: Parts { text, names, vector, cosine: cosines.get(&one.id).copied() },
                })
            })
            .collect();
        let report =
            |arm, hits: &[Hit]| ArmReport { arm, hits: hits.len(), best: hits.first().map(|hit| hit.score) };
        let pointer = self.reader.pointer();
        Ok(Answer {
            query: question.text.clone(),
            arm: question.arm,
            confidence: sure(question, &results, &hits),
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

    fn hits(&self, question: &Question, k: usize, notes: &mut Vec<String>) -> Result<Hits, SearchError> {
        let mut hits = Hits::default();
        if question.arm != Arm::Vector {
            hits.text = self.reader.text(&question.text, &question.filter, k)?;
            let names = question.names();
            if !names.is_empty() {
                hits.names = self.reader.terms(&names, &question.filter, k)?;
                self.put_subjects_first(question, &names, &mut hits.names)?;
            }
        }
        if question.arm == Arm::Text {
            return Ok(hits);
        }
        match (self.embedder, &self.reader.pointer().spec.model) {
            (Some(embedder), Some(model)) => {
                let embedded = embedder.embed(&[&question.text], Purpose::Query, &never)?;
                let vector = embedded.vectors.get(0).unwrap_or_default();
                hits.vector = self.reader.vector(vector, &question.filter, k)?;
                if !model.semantic {
                    notes.push(format!("{} is a test double: its vectors have no meaning", model.id));
                }
            }
            (_, there) if question.arm == Arm::Vector => {
                return Err(SearchError::Question(match there {
                    Some(model) => format!("the index was made with {}, which is not here: `stele models pull` fetches models", model.id),
                    None => "the index holds texts alone: `stele models pull`, then `stele index rebuild`, adds meaning".to_owned(),
                }));
            }
            (None, Some(model)) => {
                notes.push(format!("answered by words alone: {} is not here (`stele models pull` fetches models)", model.id));
            }
            (_, None) => notes.push(
                "answered by words alone: the index holds no vectors (`stele models pull`, then `stele index rebuild`)".to_owned(),
            ),
        }
        Ok(hits)
    }

    /// Puts what the question names in full before what it names in part: the event type of that name,
    /// whose text lists all of its fields, so that a single name counts for little in it, and the
    /// field with that very path, which stands beside others that look alike. A single name may also
    /// be the last of a path: then the field is meant, and not the object that lists it.
    fn put_subjects_first(
        &self,
        question: &Question,
        names: &[&str],
        hits: &mut Vec<Hit>,
    ) -> Result<(), SearchError> {
        let best = hits.first().map_or(1.0, |hit| hit.score);
        let alone = names.len() == 1;
        for kind in [ChunkKind::Event, ChunkKind::Field] {
            let kinds = &question.filter.kinds;
            if !kinds.is_empty() && !kinds.contains(&kind) {
                continue;
            }
            let alike = Filter { kinds: vec![kind], ..question.filter.clone() };
            for name in names {
                let found = self.reader.terms(&[name], &alike, SUBJECTS_MAX)?;
                let ids: Vec<ChunkId> = found.iter().map(|hit| hit.id).collect();
                for chunk in self.reader.get(&ids)? {
                    let ChunkMetadata { event_type, path, .. } = &chunk.metadata;
                    let subject = if kind == ChunkKind::Event { event_type } else { path };
                    let subject = subject.as_deref().unwrap_or_default();
                    let own = found.iter().find(|hit| hit.id == chunk.id).map_or(0.0, |hit| hit.score);
                    let score = if subject.eq_ignore_ascii_case(name) {
                        best.max(own)
                    } else if alone && ends_in(subject, name) {
                        own
                    } else {
                        continue;
                    };
                    hits.retain(|hit| hit.id != chunk.id);
                    hits.push(Hit { id: chunk.id, score: score * SUBJECT_LEAD });
                }
            }
        }
        hits.sort_by(|one, two| two.score.total_cmp(&one.score).then(one.id.cmp(&two.id)));
        Ok(())
    }

    /// The results out of the candidates: no more of one source than wanted, and different ones if
    /// that is wanted.
    fn choose(&self, question: &Question, fused: &[Fused]) -> Result<Vec<Fused>, SearchError> {
        let mut left: Vec<Fused> = fused.to_vec();
        if let Some(cap) = question.per_source {
            let ids: Vec<ChunkId> = left.iter().map(|one| one.id).collect();
            let sources: HashMap<ChunkId, String> =
                self.reader.get(&ids)?.into_iter().map(|chunk| (chunk.id, chunk.metadata.source)).collect();
            let mut counts: HashMap<&str, usize> = HashMap::new();
            left.retain(|one| {
                let count = counts.entry(sources.get(&one.id).map_or("", String::as_str)).or_default();
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

/// Whether the last step of a path has this name.
fn ends_in(path: &str, name: &str) -> bool {
    path.rsplit('.').next().is_some_and(|last| last.trim_end_matches("[]").eq_ignore_ascii_case(name))
}

fn sure(question: &Question, results: &[Found], hits: &Hits) -> f32 {
    let Some(first) = results.first() else { return 0.0 };
    let words = first.parts.text.unwrap_or(0.0).max(first.parts.names.unwrap_or(0.0));
    let agreement = match (hits.text.is_empty() && hits.names.is_empty(), hits.vector.is_empty()) {
        (false, false) => words.min(first.parts.vector.unwrap_or(0.0)),
        // One arm has nobody to agree with.
        _ => 0.5,
    };
    confidence(Signs {
        margin: first.score - results.get(1).map_or(0.0, |second| second.score),
        agreement,
        coverage: coverage(&question.text, &first.text),
    })
}
