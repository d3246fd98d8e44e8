//! How good search is on a labelled collection: BEIR's layout in, figures an arm out.
//!
//! ```text
//! DIR/corpus.jsonl[.gz]    {"_id", "title", "text"}
//! DIR/queries.jsonl[.gz]   {"_id", "text"}
//! DIR/qrels/*.tsv          query-id  corpus-id  score
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stele_embed::Purpose;
use stele_index::{Index, Upsert};
use stele_model::{Chunk, ChunkId, ChunkKind, ChunkMetadata};
use stele_search::{Arm, Fusion, Metrics, Question, Relevance, Searcher};

use super::building::spec_of;
use crate::EngineError;
use crate::engine::Engine;
use crate::error::At;
use crate::progress::{Cancel, Progress, Unit, Update};

/// Documents that are embedded and put in together.
const DOCUMENTS_PER_STEP: usize = 512;

/// The longest line of a collection: a document longer than this is a mistake.
const LINE_BYTES_MAX: u64 = 64 << 20;

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
    /// What is less than it could be, in words.
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    text: String,
}

impl Engine {
    /// Indexes the collection and asks its questions.
    ///
    /// # Errors
    ///
    /// If the collection is not there or cannot be understood, or the model fails.
    pub fn eval(
        &self,
        options: &EvalOptions,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<EvalReport, EngineError> {
        let started = self.now();
        let meaning = self.meaning()?;
        let spec = spec_of(&meaning)?;
        let scratch = tempfile::Builder::new().prefix("stele-eval-").tempdir();
        let scratch = scratch.at("create", Path::new("a directory to work in"))?;
        let work_dir = options.keep.as_deref().unwrap_or(scratch.path());
        let index = Index::open(work_dir, self.faults())?;
        let mut writer = index.writer(&spec)?;
        let mut names: HashMap<ChunkId, String> = HashMap::new();
        let mut waiting: Vec<Chunk> = Vec::new();
        let mut done = 0;
        let mut step = |waiting: &mut Vec<Chunk>| -> Result<(), EngineError> {
            cancel.check("every document was indexed")?;
            let chunks = std::mem::take(waiting);
            done += chunks.len() as u64;
            let texts: Vec<&str> = chunks.iter().map(|chunk| &*chunk.text).collect();
            let vectors: Vec<Option<Vec<f32>>> = match meaning.embedder() {
                Some(embedder) => {
                    let embedded = embedder.embed(&texts, Purpose::Passage, &|| cancel.is_cancelled())?;
                    embedded.vectors.iter().map(|vector| Some(vector.to_vec())).collect()
                }
                None => vec![None; chunks.len()],
            };
            let upserts: Vec<Upsert> = chunks.into_iter().zip(vectors).collect();
            writer.apply(upserts, &[], Some(0))?;
            let item = options.dir.display().to_string();
            progress.update(&Update {
                stage: "embed",
                item,
                done,
                total: None,
                unit: Unit::Records,
                records: done,
            });
            Ok(())
        };
        lines(&options.dir, "corpus.jsonl", &mut |place, line| {
            let document: Document = parsed(place, line)?;
            let chunk = chunk_of(&document);
            names.insert(chunk.id, document.id);
            waiting.push(chunk);
            if waiting.len() == DOCUMENTS_PER_STEP { step(&mut waiting) } else { Ok(()) }
        })?;
        step(&mut waiting)?;
        writer.maintain()?;
        drop(writer);
        let judged = judgements(&options.dir)?;
        let mut questions: Vec<(String, Relevance)> = Vec::new();
        lines(&options.dir, "queries.jsonl", &mut |place, line| {
            let query: Document = parsed(place, line)?;
            if let Some(relevant) =
                judged.get(&query.id).filter(|relevant| relevant.values().any(|grade| *grade > 0))
            {
                questions.push((query.text, relevant.clone()));
            }
            Ok(())
        })?;
        let reader = index.reader_of(&spec)?;
        let searcher = Searcher::new(&reader, meaning.embedder());
        let measure = |arm: Arm| -> Result<Vec<Metrics>, EngineError> {
            let mut all = Vec::with_capacity(questions.len());
            for (text, relevant) in &questions {
                cancel.check("every question was asked")?;
                let question =
                    Question { top: DEPTH, arm, fusion: options.fusion, ..Question::new(text.as_str()) };
                let ranking = searcher.ranking(&question)?;
                let ranking: Vec<&str> =
                    ranking.iter().filter_map(|id| names.get(id).map(String::as_str)).collect();
                all.push(Metrics::of(&ranking, relevant));
            }
            Ok(all)
        };
        let bm25 = Metrics::mean(&measure(Arm::Text)?);
        let dense = match meaning.embedder() {
            Some(_) => Some(Metrics::mean(&measure(Arm::Vector)?)),
            None => None,
        };
        let hybrid = Metrics::mean(&measure(Arm::Hybrid)?);
        let mut sure: Vec<(f32, bool)> = Vec::new();
        for (text, relevant) in &questions {
            let question = Question { top: 2, fusion: options.fusion, ..Question::new(text.as_str()) };
            let answer = searcher.answer(&question)?;
            let first = answer.results.first().and_then(|first| names.get(&first.id));
            let right = first.is_some_and(|id| relevant.get(id).is_some_and(|grade| *grade > 0));
            sure.push((answer.confidence, right));
        }
        Ok(EvalReport {
            bm25,
            dense,
            hybrid,
            model: spec.model.map(|model| model.id),
            docs: names.len() as u64,
            queries: questions.len() as u64,
            calibration_error: calibration_error(&mut sure),
            hit_at_1: sure.iter().filter(|(_, right)| *right).count() as f64 / sure.len().max(1) as f64,
            seconds: (self.now() - started) as f64 / 1e6,
            notes: meaning.note().map(str::to_owned).into_iter().collect(),
        })
    }
}

/// Groups of about equal size in which confidence and truth are compared.
const CALIBRATION_GROUPS: usize = 5;

/// The mean difference, over groups of like confidence, between it and the share that was right.
fn calibration_error(sure: &mut [(f32, bool)]) -> f64 {
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

/// Relevance by question and document, from every table in `qrels/`.
fn judgements(dir: &Path) -> Result<BTreeMap<String, Relevance>, EngineError> {
    let dir = dir.join("qrels");
    let mut tables: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&dir).at("list", &dir)? {
        let path = entry.at("list", &dir)?.path();
        if path.extension().is_some_and(|end| end == "tsv") {
            tables.push(path);
        }
    }
    tables.sort();
    let mut judged: BTreeMap<String, Relevance> = BTreeMap::new();
    for path in tables {
        let text = fs::read_to_string(&path).at("read", &path)?;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let mut cells = line.split('\t');
            let (query, document, grade) = (cells.next(), cells.next(), cells.next());
            match (query, document, grade.map(|grade| grade.trim().parse::<i64>())) {
                (Some(query), Some(document), Some(Ok(grade))) => {
                    let grade = u32::try_from(grade.max(0)).unwrap_or(u32::MAX);
                    judged.entry(query.to_owned()).or_default().insert(document.to_owned(), grade);
                }
                // The first line names the columns.
                _ if number == 0 => {}
                _ => {
                    let reason =
                        format!("line {}: expected query, document and score, got {line:?}", number + 1);
                    return Err(EngineError::Collection { path, reason });
                }
            }
        }
    }
    Ok(judged)
}

/// Where a line stands.
type Spot<'a> = (&'a Path, u64);

fn parsed(place: Spot<'_>, line: &str) -> Result<Document, EngineError> {
    serde_json::from_str(line).map_err(|error| EngineError::Collection {
        path: place.0.to_path_buf(),
        reason: format!("line {}: {error}", place.1),
    })
}

/// Hands over the lines of `DIR/name`, or of `DIR/name.gz`.
fn lines(
    dir: &Path,
    name: &str,
    take: &mut dyn FnMut(Spot<'_>, &str) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let plain = dir.join(name);
    let zipped = dir.join(format!("{name}.gz"));
    let path = if plain.exists() || !zipped.exists() { plain } else { zipped };
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let reason =
                "there is no such file, and none with .gz behind it; a collection has corpus.jsonl, \
                          queries.jsonl and qrels/*.tsv, as docs/guide/search.md shows"
                    .to_owned();
            return Err(EngineError::Collection { path, reason });
        }
        file => file.at("open", &path)?,
    };
    let reader: Box<dyn Read> = if path.extension().is_some_and(|end| end == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        if reader.by_ref().take(LINE_BYTES_MAX).read_line(&mut line).at("read", &path)? == 0 {
            break;
        }
        if !line.trim().is_empty() {
            take((&path, number), &line)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::calibration_error;

    #[test]
    fn calibration_is_the_distance_from_truth() {
        let mut exact: Vec<(f32, bool)> = (0..100).map(|n| (0.5, n % 2 == 0)).collect();
        assert!(calibration_error(&mut exact) < 1e-9);
        let mut wrong: Vec<(f32, bool)> = vec![(0.9, false); 10];
        assert!((calibration_error(&mut wrong) - 0.9).abs() < 1e-6);
    }
}
