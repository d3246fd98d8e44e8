//! Who else holds a copy? The texts of a lake and their vectors, in a vector store outside; and its graph, in a
//! graph database.
//!
//! ```
//! # use stele_model::{Chunk, ChunkKind, ChunkMetadata};
//! # use stele_sinks::{MemorySink, Opening, Point, Stamp, WantedPoints, never, sync, verify};
//! let mut wanted = WantedPoints::new(Stamp::new("lake 7", "local/small", 2));
//! let metadata = ChunkMetadata::new(ChunkKind::Record, "a.jsonl", "tick", "default", "a tick");
//! wanted.put(Point { chunk: Chunk::new("price 7".to_owned(), metadata), vector: vec![0.6, 0.8] });
//!
//! let sink = MemorySink::new(); // or `open` with a configuration: Chroma, Qdrant
//! let synced = sync(&sink, &wanted, Opening::default(), &mut |_| {}, &never)?;
//! assert_eq!((synced.written, synced.removed), (1, 0));
//! assert!(synced.parity.holds() && verify(&sink, &wanted, &never)?.holds());
//! # Ok::<(), stele_sinks::SinkError>(())
//! ```
//!
//! Nothing remembers what was copied. A [`Sink`] is asked which points it holds, what is missing is written,
//! what is too much is removed, and it is asked again: [`Parity`] is what that comparison finds. Ids follow
//! from content, so writing twice is writing once, and a run that was killed is healed by the next.
//!
//! A graph is copied by the same rule: [`sync_graph`] to a [`GraphSink`], with nodes and edges compared by what
//! they say, too.
//!
//! What is not here: no vector is made, no index is read ([`Wanted`] is what the caller has to offer), and
//! neither the environment nor a configuration file is looked at.

mod bodies;
mod bolt;
mod chroma;
mod config;
mod error;
mod graph;
mod memory;
mod parity;
mod prepare;
mod qdrant;
mod service;
mod sink;
mod sync;

pub use config::{SinkConfig, SinkKind, open};
pub use error::SinkError;
pub use graph::{
    GRAPH_SCHEMA, GraphEdge, GraphNode, GraphParity, GraphSink, GraphSynced, PROPERTY_BYTES_MAX, Properties,
    Property, WantedGraph, WantedNodes, sync_graph, verify_graph,
};
pub use memory::{MemorySink, WantedPoints};
pub use parity::{Differing, NAMED_IDS_MAX, Parity, verify};
pub use prepare::{Opening, prepare};
pub use sink::{Found, PAGE_IDS_MAX, Page, Point, PointId, SCHEMA, Sink, Stamp};
pub use stele_http::{Cancelled, ClientConfig, Pace, Secret, never};
pub use sync::{BATCH_IDS_MAX, BATCH_POINTS_MAX, OnProgress, Progress, Step, Synced, Wanted, sync};
