//! Copies outside: the collections of `[sinks.NAME]`, brought up to the index and compared with it, and
//! the databases, brought up to the graph.

use std::sync::Arc;

use serde::Serialize;
use stele_http::{Secret, shown_address};
use stele_index::Reader;
use stele_model::ChunkId;
use stele_model::error::in_full;
use stele_sinks::{
    GraphParity, GraphSink, GraphSynced, Parity, Point, Sink, SinkConfig, SinkError, Stamp, Step, Synced,
    Wanted,
};
pub use stele_sinks::{Opening, SinkKind};

use super::config::Paced;
use super::sink_times::{Watch, Watched};
use crate::EngineError;
use crate::doctor::{Check, CheckState};
use crate::documents::CopiedGraph;
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
    /// The collection; empty for a graph database.
    pub collection: String,
    /// The database, where one is set.
    pub database: Option<String>,
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
    /// Points that were written; nodes and edges of a graph.
    pub written: u64,
    /// Points that were removed; nodes and edges of a graph.
    pub removed: u64,
    /// What it holds now, beside the index; nodes and edges of a graph together.
    pub parity: Parity,
    /// Of a graph: its nodes alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Parity>,
    /// Of a graph: its edges alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges: Option<Parity>,
    /// The version of the lake that the index or the graph follows.
    pub lake_version: Option<u64>,
    /// Records and documents that came or went since it was built.
    pub pending: Option<u64>,
    /// Whether the sink holds exactly what the lake comes to.
    pub holds: bool,
    /// Seconds that each batch took which was sent, of the first 200.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_seconds: Vec<f64>,
}

impl SinkReport {
    /// Of a store of points, of which nothing was timed; the last two are the version that it copies and
    /// what came or went since.
    fn of(
        name: &str,
        (written, removed): (u64, u64),
        parity: Parity,
        (lake_version, pending): (Option<u64>, Option<u64>),
    ) -> Self {
        Self {
            name: name.to_owned(),
            written,
            removed,
            holds: parity.holds() && pending == Some(0),
            parity,
            nodes: None,
            edges: None,
            lake_version,
            pending,
            write_seconds: Vec::new(),
        }
    }
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
            database: config.database.clone(),
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
                    let shown = match &sink {
                        Outside::Points(sink) => sink.shown(),
                        Outside::Graph(sink) => sink.shown(),
                    };
                    let detail = format!("{shown}; {} {key}", entry.key_variable);
                    Check::new(&name, CheckState::Ok, detail, None)
                }
                Err(error) => Check::new(&name, CheckState::Failed, in_full(&error), None),
            }
        };
        self.sinks().into_iter().map(check).collect()
    }

    /// Brings one sink up to the index, and the index up to the lake before; or a database to the graph, and
    /// the graph to the lake.
    ///
    /// # Errors
    ///
    /// If no sink has the name, the index cannot be built or has no vectors, the graph cannot be built, or
    /// the store cannot be asked. What was written is kept, and the next call goes on from there.
    pub fn sink_sync(
        &self,
        name: &str,
        opening: Opening,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<SinkReport, EngineError> {
        let sink = self.sink(name)?;
        let watch = Watch::new(self.clock(), self.timings());
        // A database is sent a batch before each of these; a store says itself when it was sent one.
        let (graph, mut last) = (matches!(sink, Outside::Graph(_)), self.now());
        let mut told = |step: stele_sinks::Progress| {
            if graph && matches!(step.step, Step::Writing | Step::Removing) {
                watch.sent(last, false);
            }
            last = watch.now();
            progress.update(&Update {
                stage: stage(step.step),
                item: name.to_owned(),
                done: step.done,
                total: Some(step.total),
                unit: Unit::Entries,
                records: step.done,
            });
        };
        let cancelled = || cancel.is_cancelled();
        match sink {
            Outside::Points(sink) => {
                if self.index_build(progress, cancel)?.cancelled {
                    return Err(EngineError::Cancelled("the index was brought up to the lake"));
                }
                let copied = self.copied()?;
                let watched = Watched { sink: &*sink, watch: &watch };
                let synced = stele_sinks::sync(&watched, &copied, opening, &mut told, &cancelled)?;
                let Synced { written, removed, parity } = synced;
                let report = self.report(name, &copied, (written, removed), parity)?;
                Ok(SinkReport { write_seconds: watch.seconds(), ..report })
            }
            Outside::Graph(sink) => {
                if self.graph_build(progress, cancel)?.cancelled {
                    return Err(EngineError::Cancelled("the graph was brought up to the lake"));
                }
                let copied = self.copied_graph()?;
                let synced = stele_sinks::sync_graph(&sink, &copied, opening, &mut told, &cancelled)?;
                let GraphSynced { written, removed, parity } = synced;
                let report = self.graph_report(name, &copied, (written, removed), parity)?;
                Ok(SinkReport { write_seconds: watch.seconds(), ..report })
            }
        }
    }

    /// Compares one sink with the index or the graph, and changes nothing.
    ///
    /// # Errors
    ///
    /// If no sink has the name, there is no index or graph, or the store cannot be asked.
    pub fn sink_verify(&self, name: &str, cancel: &Cancel) -> Result<SinkReport, EngineError> {
        let cancelled = || cancel.is_cancelled();
        match self.sink(name)? {
            Outside::Points(sink) => {
                let copied = self.copied()?;
                let parity = stele_sinks::verify(&*sink, &copied, &cancelled)?;
                self.report(name, &copied, (0, 0), parity)
            }
            Outside::Graph(sink) => {
                let copied = self.copied_graph()?;
                let parity = stele_sinks::verify_graph(&sink, &copied, &cancelled)?;
                self.graph_report(name, &copied, (0, 0), parity)
            }
        }
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
        Ok(SinkReport::of(name, (written, removed), parity, (lake_version, pending)))
    }

    fn graph_report(
        &self,
        name: &str,
        copied: &CopiedGraph,
        (written, removed): (u64, u64),
        parity: GraphParity,
    ) -> Result<SinkReport, EngineError> {
        let version = copied.graph.version().follows.lake_version;
        let pending = self.pending_since(&self.snapshot()?, version);
        // Of each by itself: in the sums what one has too many could hide what the other lacks.
        let holds = parity.holds() && pending == Some(0);
        let GraphParity { nodes, edges } = parity;
        let report =
            SinkReport::of(name, (written, removed), nodes.clone().and(&edges), (Some(version), pending));
        Ok(SinkReport { nodes: Some(nodes), edges: Some(edges), holds, ..report })
    }

    fn sink(&self, name: &str) -> Result<Outside, EngineError> {
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
        let pace = Arc::new(Paced::new(self.shared_clock()));
        Ok(match config.kind {
            SinkKind::Neo4j => Outside::Graph(Box::new(GraphSink::open(config, key, pace)?)),
            SinkKind::Chroma | SinkKind::Qdrant => Outside::Points(stele_sinks::open(config, key, pace)?),
        })
    }

    /// Whose the copies are: this lake's, and this tenant's.
    fn owner(&self) -> Result<String, EngineError> {
        let snapshot = self.snapshot()?;
        Ok(format!("{}/{}", snapshot.lake_id(), self.settings().tenant))
    }

    /// What graph databases should hold: the graph that answers.
    fn copied_graph(&self) -> Result<CopiedGraph, EngineError> {
        CopiedGraph::new(self.graph_or_why()?, self.owner()?)
    }

    /// What the other sinks should hold: the index that answers.
    fn copied(&self) -> Result<Copied, EngineError> {
        let reader = self.index()?.reader()?;
        let Some(model) = reader.pointer().spec.model.clone() else {
            return Err(EngineError::NoVectors);
        };
        let stamp = Stamp::new(self.owner()?, model.id, model.dimension as usize);
        Ok(Copied { reader, stamp })
    }
}

/// A sink, by what it holds.
enum Outside {
    /// Texts and vectors.
    Points(Box<dyn Sink>),
    /// The graph.
    Graph(Box<GraphSink>),
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
