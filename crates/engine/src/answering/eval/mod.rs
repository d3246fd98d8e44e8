//! How good search is on a labelled collection: figures an arm out.

mod collection;
mod judgements;
mod labelled;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use stele_embed::{Embedder, Purpose};
use stele_index::{Index, Upsert, Writer};
use stele_model::error::in_full;
use stele_model::{Chunk, ChunkId, ChunkKind, ChunkMetadata, ErrorKind};
use stele_search::{Arm, Fusion, Metrics, Question, SearchError, Searcher, Signs};

use self::collection::{Document, lines, parsed, wrong};
pub use self::labelled::CollectionCounts;
use self::labelled::{Judged, Labelled};
use super::building::spec_of;
use crate::EngineError;
use crate::engine::Engine;
use crate::error::At;
use crate::progress::{Cancel, Progress, Unit, Update};

/// Documents that are embedded and put in together.
const DOCUMENTS_PER_STEP: usize = 512;

/// Places of a ranking that are looked at.
const DEPTH: usize = 100;

/// What to measure.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    /// The collection.
    pub dir: PathBuf,
    /// Where the index is built and left; without it, in a directory that is gone at the end.
    pub keep: Option<PathBuf>,
    /// How the arms are brought together.
    pub fusion: Fusion,
}

/// What it came to.
#[derive(Debug, Clone, Serialize)]
pub struct EvalReport {
    /// Words alone.
    pub bm25: Metrics,
    /// Meaning alone; nothing without a model.
    pub dense: Option<Metrics>,
    /// All together.
    pub hybrid: Metrics,
    /// What made the vectors.
    pub model: Option<String>,
    /// Documents.
    pub docs: u64,
    /// Questions with at least one relevant document.
    pub queries: u64,
    /// How far the confidence is from the share of first results that were relevant, on average.
    pub calibration_error: f64,
    /// Share of questions whose first result is relevant.
    #[serde(rename = "hit@1")]
    pub hit_at_1: f64,
    /// Time from start to end.
    pub seconds: f64,
    /// What was found in the collection's files, and what of it is odd.
    pub collection: CollectionCounts,
    /// What is less than it could be, in words.
    pub notes: Vec<String>,
}

/// One question, as it was answered.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// Its name in the collection.
    pub id: String,
    /// The question.
    pub query: String,
    /// How good the ranking of all arms together is.
    #[serde(flatten)]
    pub hybrid: Metrics,
    /// Whether the first result is relevant.
    pub right: bool,
    /// How likely that was said to be.
    pub confidence: f32,
    /// What was seen of it.
    pub signs: Signs,
}

impl Engine {
    /// Indexes the collection and asks its questions; `each` sees every one of them.
    ///
    /// # Errors
    ///
    /// If the collection is not there or cannot be understood, or the model fails.
    pub fn eval(
        &self,
        options: &EvalOptions,
        each: &mut dyn FnMut(&Asked),
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<EvalReport, EngineError> {
        let started = self.now();
        let Labelled { questions, counts, mut notes } = Labelled::read(&options.dir)?;
        let meaning = self.meaning()?;
        let spec = spec_of(&meaning)?;
        let scratch = tempfile::Builder::new().prefix("stele-eval-").tempdir();
        let scratch = scratch.at("create", Path::new("a directory to work in"))?;
        let work_dir = options.keep.as_deref().unwrap_or(scratch.path());
        if work_dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            let reason = "it is not empty, and what is in it would be ranked too; name another directory";
            return Err(EngineError::Collection { path: work_dir.to_path_buf(), reason: reason.to_owned() });
        }
        let index = Index::open(work_dir, self.faults())?;
        let filling =
            Filling { embedder: meaning.embedder(), writer: index.writer(&spec)?, progress, cancel };
        let names = filling.fill(&options.dir)?;
        let reader = index.reader_of(&spec)?;
        let asking = Asking {
            searcher: Searcher::new(&reader, meaning.embedder()),
            questions: &questions,
            asked_in: collection::find(&options.dir, "queries.jsonl")?,
            names: &names,
            fusion: options.fusion,
            cancel,
        };
        let bm25 = Metrics::mean(&asking.rank(Arm::Text)?);
        let dense = match meaning.embedder() {
            Some(_) => Some(Metrics::mean(&asking.rank(Arm::Vector)?)),
            None => None,
        };
        let hybrid = asking.rank(Arm::Hybrid)?;
        let sure = asking.answer(&hybrid, each)?;
        Ok(EvalReport {
            bm25,
            dense,
            hybrid: Metrics::mean(&hybrid),
            model: spec.model.map(|model| model.id),
            docs: names.len() as u64,
            queries: questions.len() as u64,
            hit_at_1: sure.iter().filter(|(_, right)| *right).count() as f64 / sure.len() as f64,
            calibration_error: calibration_error(sure),
            seconds: (self.now() - started) as f64 / 1e6,
            collection: counts,
            notes: {
                notes.extend(meaning.note());
                notes
            },
        })
    }
}

/// The documents on their way into the index.
struct Filling<'a> {
    embedder: Option<&'a dyn Embedder>,
    writer: Writer,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

impl Filling<'_> {
    /// Puts every document in, and says which chunk is which.
    fn fill(mut self, dir: &Path) -> Result<HashMap<ChunkId, String>, EngineError> {
        let mut names: HashMap<ChunkId, String> = HashMap::new();
        let mut waiting: Vec<Chunk> = Vec::new();
        lines(dir, "corpus.jsonl", &mut |place, line| {
            let document: Document = parsed(place, line)?;
            let chunk = chunk_of(&document);
            names.insert(chunk.id, document.id);
            waiting.push(chunk);
            if waiting.len() < DOCUMENTS_PER_STEP {
                return Ok(());
            }
            self.step(dir, std::mem::take(&mut waiting), names.len())
        })?;
        self.step(dir, waiting, names.len())?;
        self.writer.maintain()?;
        Ok(names)
    }

    fn step(&mut self, dir: &Path, chunks: Vec<Chunk>, done: usize) -> Result<(), EngineError> {
        self.cancel.check("every document was indexed")?;
        let texts: Vec<&str> = chunks.iter().map(|chunk| &*chunk.text).collect();
        let vectors: Vec<Option<Vec<f32>>> = match self.embedder {
            Some(embedder) => {
                let cancel = self.cancel;
                let embedded = embedder.embed(&texts, Purpose::Passage, &|| cancel.is_cancelled())?;
                embedded.vectors.iter().map(|vector| Some(vector.to_vec())).collect()
            }
            None => vec![None; chunks.len()],
        };
        let upserts: Vec<Upsert> = chunks.into_iter().zip(vectors).collect();
        self.writer.apply(upserts, &[], Some(0))?;
        self.progress.update(&Update {
            stage: "embed",
            item: dir.display().to_string(),
            done: done as u64,
            total: None,
            unit: Unit::Records,
            records: done as u64,
        });
        Ok(())
    }
}

/// The questions on their way to the index.
struct Asking<'a> {
    searcher: Searcher<'a>,
    questions: &'a [Judged],
    /// Where they stand.
    asked_in: PathBuf,
    names: &'a HashMap<ChunkId, String>,
    fusion: Fusion,
    cancel: &'a Cancel,
}

impl Asking<'_> {
    /// How good the ranking of one arm is, question by question.
    fn rank(&self, arm: Arm) -> Result<Vec<Metrics>, EngineError> {
        let of = |asked: &Judged| {
            self.cancel.check("every question was asked")?;
            let fusion = self.fusion;
            let question = Question { top: DEPTH, arm, fusion, ..Question::new(asked.text.as_str()) };
            let ranking = self.searcher.ranking(&question).map_err(|error| self.failed(asked, error))?;
            let ranking: Vec<&str> =
                ranking.iter().filter_map(|id| self.names.get(id).map(String::as_str)).collect();
            Ok(Metrics::of(&ranking, &asked.relevant))
        };
        self.questions.iter().map(of).collect()
    }

    /// A question that cannot be asked, named.
    fn failed(&self, asked: &Judged, error: SearchError) -> EngineError {
        match error.kind() {
            ErrorKind::Fix => {
                let reason = format!("the question {} cannot be asked: {}", asked.id, in_full(&error));
                wrong((&self.asked_in, asked.line), reason)
            }
            _ => error.into(),
        }
    }

    /// How sure each answer was of its first result, and whether that was right.
    fn answer(
        &self,
        hybrid: &[Metrics],
        each: &mut dyn FnMut(&Asked),
    ) -> Result<Vec<(f32, bool)>, EngineError> {
        let mut sure = Vec::with_capacity(self.questions.len());
        for (asked, hybrid) in self.questions.iter().zip(hybrid) {
            self.cancel.check("every question was asked")?;
            let question = Question { top: 2, fusion: self.fusion, ..Question::new(asked.text.as_str()) };
            let answer = self.searcher.answer(&question).map_err(|error| self.failed(asked, error))?;
            let first = answer.results.first().and_then(|first| self.names.get(&first.id));
            let right = first.is_some_and(|id| asked.relevant.get(id).is_some_and(|grade| *grade > 0));
            sure.push((answer.confidence, right));
            each(&Asked {
                id: asked.id.clone(),
                query: asked.text.clone(),
                hybrid: *hybrid,
                right,
                confidence: answer.confidence,
                signs: answer.signs,
            });
        }
        Ok(sure)
    }
}

/// Groups of about equal size in which confidence and truth are compared.
const CALIBRATION_GROUPS: usize = 5;

/// The mean difference, over groups of like confidence, between it and the share that was right.
fn calibration_error(mut sure: Vec<(f32, bool)>) -> f64 {
    sure.sort_by(|one, two| one.0.total_cmp(&two.0));
    let size = sure.len().div_ceil(CALIBRATION_GROUPS).max(1);
    let error: f64 = sure
        .chunks(size)
        .map(|group| {
            let said: f64 = group.iter().map(|(confidence, _)| f64::from(*confidence)).sum();
            let right = group.iter().filter(|(_, right)| *right).count() as f64;
            (said - right).abs()
        })
        .sum();
    error / sure.len().max(1) as f64
}

fn chunk_of(document: &Document) -> Chunk {
    let text = match document.title.trim() {
        "" => document.text.clone(),
        title => format!("{title}\n{}", document.text),
    };
    let metadata = ChunkMetadata::new(ChunkKind::Record, &*document.id, "document", "eval", &*document.title);
    Chunk::new(text, metadata)
}

#[cfg(test)]
mod tests {
    use super::calibration_error;

    #[test]
    fn calibration_is_the_distance_from_truth() {
        let exact: Vec<(f32, bool)> = (0..100).map(|n| (0.5, n % 2 == 0)).collect();
        assert!(calibration_error(exact) < 1e-9);
        let wrong: Vec<(f32, bool)> = vec![(0.9, false); 10];
        assert!((calibration_error(wrong) - 0.9).abs() < 1e-6);
    }
}
