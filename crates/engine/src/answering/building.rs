//! Bringing the index up to a snapshot: what is new is embedded and put in, what is gone is taken
//! out, and both become visible together with the snapshot's number.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::Serialize;
use stele_embed::{DEFAULT_MODEL, Embedder, Purpose};
use stele_index::{ChunkHash, Filter, Index, Model, Pointer, Reader, Spec, TextHash};
use stele_lake::{PartInfo, Snapshot};
use stele_model::error::in_full;
use stele_model::{Chunk, ChunkId, ChunkKind, ErrorKind};

use super::config::{EmbeddingConfig, Meaning, index_dir, is_unusable};
use super::target::Target;
use super::texts;
use crate::EngineError;
use crate::engine::Engine;
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::timings::Timed;

/// Texts of one step: embedded together, put in together. About a megabyte of text and a few seconds
/// of a model, which is what a killed build loses at most.
const TEXTS_PER_STEP: usize = 512;

/// What a build came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct IndexSummary {
    /// Texts in the index now.
    pub chunks: u64,
    /// Texts that were not there before.
    pub inserted: u64,
    /// Texts that were there and whose title, time, place or vector is another now.
    pub changed: u64,
    /// Texts that were taken out.
    pub deleted: u64,
    /// Texts that were there and stay.
    pub unchanged: u64,
    /// Texts that were given a vector by the model.
    pub embedded: u64,
    /// Texts whose vector was known: equal texts are embedded once.
    pub reused: u64,
    /// Tokens that the model looked at.
    pub tokens: u64,
    /// Texts that were longer than the model's window and lost their end in the vector.
    pub texts_cut: u64,
    /// What the service asks for it, in the currency of the price that is set.
    pub cost: f64,
    /// What made the vectors; nothing if there are none.
    pub model: Option<String>,
    /// Whether near vectors mean near meaning.
    pub semantic: bool,
    /// The snapshot of the lake that the index follows.
    pub lake_version: u64,
    /// Texts that no index covers yet: they are found by looking at each.
    pub lag: u64,
    /// Steps of the upkeep that failed; answers are complete all the same.
    pub degraded: Vec<String>,
    /// Time from start to end.
    pub seconds: f64,
    /// What is less than it could be, in words.
    pub notes: Vec<String>,
    /// Whether somebody asked to stop; what was done is kept and gone on with.
    pub cancelled: bool,
}

impl Engine {
    /// Brings the index up to the newest snapshot; makes it if there is none.
    ///
    /// # Errors
    ///
    /// If there is no lake, somebody else writes to the index, it was made with another model, or the
    /// model fails. What was done before is kept.
    pub fn index_build(&self, progress: &dyn Progress, cancel: &Cancel) -> Result<IndexSummary, EngineError> {
        let started = self.now();
        self.graph_follow(progress, cancel)?;
        let index = self.index()?;
        let meaning = self.meaning_that_works(index)?;
        self.refuse_words_beside_meaning(&meaning, index)?;
        let spec = spec_of(&meaning)?;
        let mut writer = index.writer(&spec)?;
        // After the lock is held, so that nobody has followed a newer one meanwhile.
        let snapshot = self.snapshot()?;
        let known = match writer.is_unfinished() {
            // Of another snapshot, perhaps: everything is compared, and nothing embedded again.
            true => None,
            false => self.parts_before(&snapshot, writer.pointer())?,
        };
        writer.follow(snapshot.lake_id());
        let reader = index.reader_of(&spec)?;
        let build = Build::new(self, &meaning, Target::Update(Box::new(writer)), progress, cancel, &snapshot);
        build.run(&snapshot, known, Some(reader), started)
    }

    /// Builds the index anew, aside, while the old one answers; then puts it in its place. A build
    /// that was stopped is gone on with.
    ///
    /// # Errors
    ///
    /// As [`Engine::index_build`]; the old one answers then.
    pub fn index_rebuild(
        &self,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<IndexSummary, EngineError> {
        let started = self.now();
        self.graph_follow(progress, cancel)?;
        let meaning = self.meaning()?;
        let mut rebuild = self.index()?.rebuild(&spec_of(&meaning)?)?;
        let snapshot = self.snapshot()?;
        rebuild.follow(snapshot.lake_id());
        let build = Build::new(self, &meaning, Target::Aside(Box::new(rebuild)), progress, cancel, &snapshot);
        build.run(&snapshot, None, None, started)
    }

    /// The index of the data directory, whether there is one or not.
    pub(crate) fn index(&self) -> Result<&Index, EngineError> {
        if let Some(index) = self.kept.index.get() {
            return Ok(index);
        }
        let index = Index::open(&index_dir(self.data_dir(), &self.settings().tenant), self.faults())?;
        Ok(self.kept.index.get_or_init(|| index))
    }

    /// Texts that an index of the data directory holds, also where a build of it has not ended.
    pub fn texts_indexed(&self) -> u64 {
        let pointers = self.index().ok().and_then(|index| index.pointers().ok()).unwrap_or_default();
        let texts = |pointer: &Pointer| pointer.staged.as_ref().map_or(pointer.rows, |staged| staged.rows);
        pointers.iter().map(texts).sum()
    }

    /// What a build goes by. A first one tries the model before it decides for vectors: an index of words
    /// is more than a build that fails in its middle.
    fn meaning_that_works(&self, index: &Index) -> Result<Meaning, EngineError> {
        let meaning = self.meaning()?;
        let by_default = matches!(&self.settings().embedding, EmbeddingConfig::Local(local) if local.model == DEFAULT_MODEL);
        let Some(embedder) = meaning.embedder().filter(|_| by_default && !index.exists()) else {
            return Ok(meaning);
        };
        match embedder.embed(&["first"], Purpose::Passage, &stele_embed::never) {
            Err(error) if is_unusable(&error) => Ok(Meaning::None(Some(in_full(&error)))),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(meaning),
        }
    }

    /// An index with meaning is not left behind for one of words because its model is missing today.
    fn refuse_words_beside_meaning(&self, meaning: &Meaning, index: &Index) -> Result<(), EngineError> {
        let Meaning::None(Some(why)) = meaning else { return Ok(()) };
        let there = index.pointers()?.into_iter().find_map(|pointer| pointer.spec.model);
        match there {
            Some(model) => Err(EngineError::ModelGone { model: model.id, why: why.clone() }),
            None => Ok(()),
        }
    }

    /// The parts that the index covers already, if it only has to follow new ones: all that it
    /// followed are still there.
    fn parts_before(
        &self,
        snapshot: &Snapshot,
        pointer: &Pointer,
    ) -> Result<Option<Vec<PartInfo>>, EngineError> {
        let same_lake = pointer.lake.as_deref() == Some(snapshot.lake_id());
        let Some(version) = pointer.checkpoint.filter(|version| same_lake && *version <= snapshot.version())
        else {
            return Ok(None);
        };
        // Parts of an old version that were vacuumed are no error here: everything is compared then.
        let Ok(before) = self.snapshot_at(version) else { return Ok(None) };
        let there: HashSet<&Path> = snapshot.event_parts().iter().map(|part| &*part.path).collect();
        let all = before.event_parts().iter().all(|part| there.contains(&*part.path));
        Ok(all.then(|| before.event_parts().to_vec()))
    }
}

/// How an index is made with what there is.
pub(crate) fn spec_of(meaning: &Meaning) -> Result<Spec, EngineError> {
    let Some(embedder) = meaning.embedder() else { return Ok(Spec::new(None)) };
    let dimension = match embedder.dimension() {
        Some(dimension) => dimension,
        // A service whose dimension nobody set tells it with its first answer.
        None => embedder.embed(&["dimension"], Purpose::Passage, &stele_embed::never)?.vectors.dimension(),
    };
    Ok(Spec::new(Some(Model {
        id: embedder.model_id().to_owned(),
        dimension: u32::try_from(dimension).unwrap_or(u32::MAX),
        semantic: embedder.semantic(),
    })))
}

fn cost_of(embedder: Option<&dyn Embedder>) -> f64 {
    embedder.map_or(0.0, |embedder| embedder.usage().cost)
}

/// A build under way.
struct Build<'a> {
    engine: &'a Engine,
    embedder: Option<&'a dyn Embedder>,
    target: Target,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    /// What is in the index and has not been met among the texts.
    unmet: HashMap<ChunkId, ChunkHash>,
    waiting: Vec<Chunk>,
    /// Texts that were met, for the progress.
    done: u64,
    total: u64,
    /// What the embedder had cost before: it may have served others.
    cost_before: f64,
    summary: IndexSummary,
}

impl<'a> Build<'a> {
    fn new(
        engine: &'a Engine,
        meaning: &'a Meaning,
        target: Target,
        progress: &'a dyn Progress,
        cancel: &'a Cancel,
        snapshot: &Snapshot,
    ) -> Self {
        let embedder = meaning.embedder();
        let summary = IndexSummary {
            model: embedder.map(|embedder| embedder.model_id().to_owned()),
            semantic: embedder.is_some_and(Embedder::semantic),
            lake_version: snapshot.version(),
            notes: meaning.note().into_iter().collect(),
            ..IndexSummary::default()
        };
        Self {
            engine,
            embedder,
            target,
            progress,
            cancel,
            unmet: HashMap::new(),
            waiting: Vec::new(),
            done: 0,
            total: snapshot.totals().records,
            cost_before: cost_of(embedder),
            summary,
        }
    }

    /// `known` are the parts whose records are in the index; without it everything is compared.
    fn run(
        mut self,
        snapshot: &Snapshot,
        known: Option<Vec<PartInfo>>,
        reader: Option<Reader>,
        started: i64,
    ) -> Result<IndexSummary, EngineError> {
        // Sections follow from the graph, which may have been made anew by other rules of the same lake.
        let at_rest = known.is_some()
            && self.target.pointer().checkpoint == Some(snapshot.version())
            && self.engine.section_count(snapshot)? == 0;
        let outcome = if at_rest { self.rest() } else { self.compare(snapshot, known, reader.as_ref()) };
        // Versions that nobody reads are cleared away at the end: this one does not any more.
        drop(reader);
        match outcome {
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                self.summary.cancelled = true;
                self.summary.chunks = self.target.pointer().rows;
                self.summary.seconds = (self.engine.now() - started) as f64 / 1e6;
                return Ok(self.summary);
            }
            outcome => outcome?,
        }
        let mut gone: Vec<ChunkId> = self.unmet.into_keys().collect();
        gone.sort_unstable();
        let cost = cost_of(self.embedder) - self.cost_before;
        let began = self.engine.now();
        let (pointer, maintenance) = self.target.finish(&gone, snapshot.version())?;
        self.engine.took(Timed::IndexWrite, began);
        let mut summary = self.summary;
        summary.chunks = pointer.rows;
        summary.deleted = gone.len() as u64;
        summary.cost = cost;
        summary.lag = maintenance.lag;
        let failed = |step: &stele_index::Step| Some(format!("{}: {}", step.name, step.failed.as_ref()?));
        summary.degraded = maintenance.steps.iter().filter_map(failed).collect();
        summary.seconds = (self.engine.now() - started) as f64 / 1e6;
        Ok(summary)
    }

    /// Nothing has happened since the index was brought up to the snapshot.
    fn rest(&mut self) -> Result<(), EngineError> {
        self.summary.unchanged = self.target.pointer().rows;
        Ok(())
    }

    fn compare(
        &mut self,
        snapshot: &Snapshot,
        known: Option<Vec<PartInfo>>,
        reader: Option<&Reader>,
    ) -> Result<(), EngineError> {
        let mut parts = snapshot.event_parts().to_vec();
        // Texts that are made of more than one record: sections, and about as many of the others as there were before.
        let mut made_of_many = 0;
        match (known, reader) {
            (Some(known), Some(reader)) => {
                // Records that are there stay as they are; only what is made of many can change.
                let known: HashSet<&Path> = known.iter().map(|part| &*part.path).collect();
                parts.retain(|part| !known.contains(&*part.path));
                let kinds = ChunkKind::ALL.into_iter().filter(|kind| *kind != ChunkKind::Record).collect();
                let other_kinds = Filter { kinds, ..Filter::default() };
                let unmet = &mut self.unmet;
                reader.hashes(&other_kinds, &mut |hashes| {
                    unmet.extend(hashes.iter().copied());
                    Ok(())
                })?;
                made_of_many = self.unmet.len() as u64;
                self.summary.unchanged = self.target.pointer().rows - made_of_many;
                self.total = parts.iter().map(|part| part.rows).sum();
            }
            _ => self.unmet = self.target.hashes()?,
        }
        let engine = self.engine;
        self.total += engine.section_count(snapshot)?.max(made_of_many);
        texts::of_the_whole(engine, snapshot, &mut |chunk| self.take(chunk))?;
        texts::of_parts(engine, snapshot, &parts, &mut |chunk| self.take(chunk))?;
        self.step()
    }

    fn take(&mut self, chunk: Chunk) -> Result<(), EngineError> {
        self.done += 1;
        // An id says nothing of a title, a time or a place: those may change under it.
        if self.unmet.remove(&chunk.id).is_some_and(|there| there == ChunkHash::of(&chunk)) {
            self.summary.unchanged += 1;
            return Ok(());
        }
        self.waiting.push(chunk);
        if self.waiting.len() == TEXTS_PER_STEP { self.step() } else { Ok(()) }
    }

    /// Embeds what waits, each text once, and puts it in.
    fn step(&mut self) -> Result<(), EngineError> {
        self.cancel.check("every text was indexed")?;
        let chunks = std::mem::take(&mut self.waiting);
        if chunks.is_empty() {
            return Ok(());
        }
        let item = chunks.last().map(|chunk| chunk.metadata.title.clone()).unwrap_or_default();
        let vectors = match self.embedder {
            Some(embedder) => self.vectors(embedder, &chunks)?,
            None => HashMap::new(),
        };
        let with_vector = |chunk: Chunk| {
            let vector = vectors.get(&TextHash::of(&chunk.text)).cloned();
            (chunk, vector)
        };
        let chunks: Vec<_> = chunks.into_iter().map(with_vector).collect();
        let began = self.engine.now();
        let span = tracing::info_span!("index.write", texts = chunks.len());
        let applied = span.in_scope(|| self.target.apply(chunks, &[]))?;
        self.engine.took(Timed::IndexWrite, began);
        self.summary.inserted += applied.inserted;
        self.summary.changed += applied.replaced;
        self.progress.update(&Update {
            stage: "index",
            item,
            done: self.done,
            // A section that is long comes in several texts: how many is known when it was read.
            total: (self.done <= self.total).then_some(self.total),
            unit: Unit::Texts,
            records: self.done,
        });
        Ok(())
    }

    fn vectors(
        &mut self,
        embedder: &dyn Embedder,
        chunks: &[Chunk],
    ) -> Result<HashMap<TextHash, Vec<f32>>, EngineError> {
        // In order of the texts, so that the same texts are always asked for in the same way.
        let texts: BTreeMap<&str, TextHash> =
            chunks.iter().map(|chunk| (&*chunk.text, TextHash::of(&chunk.text))).collect();
        let hashes: Vec<TextHash> = texts.values().copied().collect();
        let mut vectors = self.target.known_texts(&hashes)?;
        self.summary.reused += (chunks.len() - texts.len() + vectors.len()) as u64;
        let (new, hashes): (Vec<&str>, Vec<TextHash>) =
            texts.into_iter().filter(|(_, hash)| !vectors.contains_key(hash)).unzip();
        let cancel = self.cancel;
        let embedded = embedder.embed(&new, Purpose::Passage, &|| cancel.is_cancelled())?;
        self.summary.embedded += new.len() as u64;
        self.summary.tokens += embedded.tokens;
        self.summary.texts_cut += embedded.texts_cut as u64;
        vectors.extend(hashes.into_iter().zip(embedded.vectors.iter().map(<[f32]>::to_vec)));
        Ok(vectors)
    }
}
