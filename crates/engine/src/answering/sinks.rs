//! Copies of the index outside: the collections of `[sinks.NAME]`, brought up to the index and compared
//! with it.

use std::sync::Arc;

use serde::Serialize;
use stele_http::{Secret, shown_address};
use stele_index::Reader;
use stele_model::ChunkId;
use stele_model::error::in_full;
pub use stele_sinks::{Opening, SinkKind};
use stele_sinks::{Parity, Point, Sink, SinkConfig, SinkError, Stamp, Step, Synced, Wanted};

use super::config::Paced;
use crate::EngineError;
use crate::doctor::{Check, CheckState};
use crate::engine::Engine;
use crate::progress::{Cancel, Progress, Unit, Update};

/// The environment variable that holds a sink's key, unless its table names another.
pub(crate) const KEY_VARIABLE: &str = "STELE_SINK_KEY";

/// One sink of the configuration.
#[derive(Debug, Clone, Serialize)]
pub struct SinkEntry {
    /// Its name.
    pub name: String,
    /// What kind of store it is.
    pub kind: SinkKind,
    /// Where the store is, as it may be shown.
    pub url: String,
    /// The collection.
    pub collection: String,
    /// The environment variable that its key is taken from.
    pub key_variable: String,
    /// Whether there is a key in it.
    pub has_key: bool,
}

/// What became of one sink.
#[derive(Debug, Clone, Serialize)]
pub struct SinkReport {
    /// Its name.
    pub name: String,
    /// Points that were written.
    pub written: u64,
    /// Points that were removed.
    pub removed: u64,
    /// What it holds now, beside the index.
    pub parity: Parity,
    /// The version of the lake that the index follows.
    pub lake_version: Option<u64>,
    /// Records that came or went since the index was built.
    pub pending: Option<u64>,
    /// Whether the sink holds exactly what the lake comes to.
    pub holds: bool,
}

impl Engine {
    /// The sinks of the configuration, by name.
    pub fn sinks(&self) -> Vec<SinkEntry> {
        let settings = self.settings();
        let entry = |(name, config): (&String, &SinkConfig)| SinkEntry {
            name: name.clone(),
            kind: config.kind,
            url: shown_address(&config.url),
            collection: config.collection.clone(),
            key_variable: config.key_variable.clone().unwrap_or_else(|| KEY_VARIABLE.to_owned()),
            has_key: settings.sink_keys.contains_key(name),
        };
        settings.sinks.iter().map(entry).collect()
    }

    /// Whether each sink can be used, as far as that can be told without asking it.
    pub(crate) fn check_sinks(&self) -> Vec<Check> {
        let check = |entry: SinkEntry| {
            let name = format!("sink {}", entry.name);
            match self.sink(&entry.name) {
                Ok(sink) => {
                    let key = if entry.has_key { "holds its key" } else { "is not set" };
                    let detail = format!("{}; {} {key}", sink.shown(), entry.key_variable);
                    Check::new(&name, CheckState::Ok, detail, None)
                }
                Err(error) => Check::new(&name, CheckState::Failed, in_full(&error), None),
            }
        };
        self.sinks().into_iter().map(check).collect()
    }

    /// Brings one sink up to the index, and the index up to the lake before.
    ///
    /// # Errors
    ///
    /// If no sink has the name, the index cannot be built or has no vectors, or the store cannot be
    /// asked. What was written is kept, and the next call goes on from there.
    pub fn sink_sync(
        &self,
        name: &str,
        opening: Opening,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<SinkReport, EngineError> {
        let sink = self.sink(name)?;
        if self.index_build(progress, cancel)?.cancelled {
            return Err(EngineError::Cancelled("the index was brought up to the lake"));
        }
        let copied = self.copied()?;
        let mut told = |step: stele_sinks::Progress| {
            progress.update(&Update {
                stage: stage(step.step),
                item: name.to_owned(),
                done: step.done,
                total: Some(step.total),
                unit: Unit::Records,
                records: step.done,
            });
        };
        let synced = stele_sinks::sync(&*sink, &copied, opening, &mut told, &|| cancel.is_cancelled())?;
        let Synced { written, removed, parity } = synced;
        self.report(name, &copied, (written, removed), parity)
    }

    /// Compares one sink with the index, and changes nothing.
    ///
    /// # Errors
    ///
    /// If no sink has the name, there is no index, or the store cannot be asked.
    pub fn sink_verify(&self, name: &str, cancel: &Cancel) -> Result<SinkReport, EngineError> {
        let sink = self.sink(name)?;
        let copied = self.copied()?;
        let parity = stele_sinks::verify(&*sink, &copied, &|| cancel.is_cancelled())?;
        self.report(name, &copied, (0, 0), parity)
    }

    fn report(
        &self,
        name: &str,
        copied: &Copied,
        (written, removed): (u64, u64),
        parity: Parity,
    ) -> Result<SinkReport, EngineError> {
        let lake_version = copied.reader.pointer().checkpoint;
        let pending = self.pending(&self.snapshot()?, copied.reader.pointer());
        let holds = parity.holds() && pending == Some(0);
        Ok(SinkReport { name: name.to_owned(), written, removed, parity, lake_version, pending, holds })
    }

    fn sink(&self, name: &str) -> Result<Box<dyn Sink>, EngineError> {
        let settings = self.settings();
        let Some(config) = settings.sinks.get(name) else {
            let known: Vec<&str> = settings.sinks.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none is set".to_owned() } else { known.join(", ") };
            return Err(EngineError::Config {
                origin: "sinks".to_owned(),
                reason: format!("no sink is named {name}; {known} ([sinks.NAME] in stele.toml)"),
            });
        };
        let key = settings.sink_keys.get(name).map(Secret::new);
        Ok(stele_sinks::open(config, key, Arc::new(Paced::new(self.shared_clock())))?)
    }

    /// Whose the copies are: this lake's, and this tenant's.
    fn owner(&self) -> Result<String, EngineError> {
        let snapshot = self.snapshot()?;
        Ok(format!("{}/{}", snapshot.lake_id(), self.settings().tenant))
    }

    /// What the sinks should hold: the index that answers.
    fn copied(&self) -> Result<Copied, EngineError> {
        let reader = self.index()?.reader()?;
        let Some(model) = reader.pointer().spec.model.clone() else {
            return Err(EngineError::NoVectors);
        };
        let stamp = Stamp::new(self.owner()?, model.id, model.dimension as usize);
        Ok(Copied { reader, stamp })
    }
}

/// One version of the index, as what a store should hold.
struct Copied {
    reader: Reader,
    stamp: Stamp,
}

impl Wanted for Copied {
    fn stamp(&self) -> Stamp {
        self.stamp.clone()
    }

    fn ids(&self) -> Result<Vec<ChunkId>, SinkError> {
        let mut all = Vec::new();
        let read = self.reader.ids(&mut |ids| {
            all.extend_from_slice(ids);
            Ok(())
        });
        read.map_err(|error| SinkError::wanted(error.kind(), error))?;
        Ok(all)
    }

    fn points(&self, ids: &[ChunkId]) -> Result<Vec<Point>, SinkError> {
        let chunks = self.reader.get(ids).map_err(|error| SinkError::wanted(error.kind(), error))?;
        let mut vectors = self.reader.vectors(ids).map_err(|error| SinkError::wanted(error.kind(), error))?;
        let point = |chunk: stele_model::Chunk| {
            let vector = vectors.remove(&chunk.id)?;
            Some(Point { chunk, vector })
        };
        Ok(chunks.into_iter().filter_map(point).collect())
    }
}

fn stage(step: Step) -> &'static str {
    match step {
        Step::Listing => "list",
        Step::Writing => "write",
        Step::Removing => "remove",
        Step::Comparing => "compare",
    }
}
