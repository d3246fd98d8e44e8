//! One face for every store under test: what the suite does to it from outside.

use std::sync::Arc;

use serde_json::{Value, json};
use stele_http::{ClientConfig, Method, Pace, Still};
use stele_model::{Chunk, ChunkId, ChunkKind, ChunkMetadata};
use stele_sinks::{MemorySink, Point, Sink, SinkConfig, SinkKind, Stamp, WantedPoints, open};
use stele_testkit::stores::{Server, Store};

/// Numbers in the vectors of the tests.
pub const DIMENSION: usize = 4;

/// A store, its back door and its main switch.
pub trait Rig {
    /// A way to the store that nobody has used yet.
    fn sink(&self) -> Arc<dyn Sink>;
    /// Makes the collection as somebody else would.
    fn make_foreign(&self, dimension: usize);
    /// Puts a point there that is none of ours.
    fn put_foreign(&self, number: u64, dimension: usize);
    /// What the store shows to others under an id: `{"id", "text", "metadata"}` and the vector.
    fn point(&self, id: ChunkId) -> Option<(Value, Vec<f32>)>;
    fn kill(&self);
    fn restart(&self);
}

pub struct Memory(Arc<MemorySink>);

impl Memory {
    pub fn start() -> Option<Memory> {
        Some(Memory(Arc::new(MemorySink::new())))
    }
}

impl Rig for Memory {
    fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.0) as Arc<dyn Sink>
    }

    fn make_foreign(&self, dimension: usize) {
        self.0.make_foreign(dimension);
    }

    fn put_foreign(&self, number: u64, _: usize) {
        self.0.put_foreign(&number.to_string());
    }

    fn point(&self, id: ChunkId) -> Option<(Value, Vec<f32>)> {
        let (chunk, vector) = self.0.point(id)?;
        Some((serde_json::to_value(chunk).unwrap(), vector))
    }

    fn kill(&self) {
        self.0.set_down(true);
    }

    fn restart(&self) {
        self.0.set_down(false);
    }
}

pub fn config(kind: SinkKind, url: &str) -> SinkConfig {
    SinkConfig {
        kind,
        url: url.to_owned(),
        collection: "texts".to_owned(),
        tenant: None,
        database: None,
        user: None,
        key_variable: None,
        follow: false,
        http: ClientConfig { tries_max: 2, ..ClientConfig::default() },
    }
}

/// A way to a server on which time stands still.
pub fn sink_to(kind: SinkKind, url: &str, pace: Arc<dyn Pace>) -> Arc<dyn Sink> {
    Arc::from(open(&config(kind, url), None, pace).unwrap())
}

pub struct Qdrant(pub Server);

impl Qdrant {
    pub fn start() -> Option<Qdrant> {
        Server::start(Store::Qdrant).map(Qdrant)
    }
}

impl Rig for Qdrant {
    fn sink(&self) -> Arc<dyn Sink> {
        sink_to(SinkKind::Qdrant, &self.0.url, Arc::new(Still::default()))
    }

    fn make_foreign(&self, dimension: usize) {
        let vectors = json!({ "size": dimension, "distance": "Cosine" });
        let body = json!({ "vectors": vectors, "metadata": { "made_by": "them" } });
        self.0.ask(Method::Put, "/collections/texts", Some(body));
    }

    fn put_foreign(&self, number: u64, dimension: usize) {
        let body = json!({ "points": [{ "id": number, "vector": vec![0.5; dimension] }] });
        self.0.ask(Method::Put, "/collections/texts/points?wait=true", Some(body));
    }

    fn point(&self, id: ChunkId) -> Option<(Value, Vec<f32>)> {
        let body = json!({ "ids": [id], "with_payload": true, "with_vector": true });
        let found = self.0.ask(Method::Post, "/collections/texts/points", Some(body));
        let point = found["result"].get(0)?;
        Some((point["payload"].clone(), serde_json::from_value(point["vector"].clone()).unwrap()))
    }

    fn kill(&self) {
        self.0.kill();
    }

    fn restart(&self) {
        self.0.restart();
    }
}

pub struct Chroma(pub Server);

const COLLECTIONS: &str = "/api/v2/tenants/default_tenant/databases/default_database/collections";

impl Chroma {
    pub fn start() -> Option<Chroma> {
        Server::start(Store::Chroma).map(Chroma)
    }

    fn path(&self, verb: &str) -> String {
        let found = self.0.ask(Method::Get, &format!("{COLLECTIONS}/texts"), None);
        format!("{COLLECTIONS}/{}/{verb}", found["id"].as_str().unwrap())
    }
}

impl Rig for Chroma {
    fn sink(&self) -> Arc<dyn Sink> {
        sink_to(SinkKind::Chroma, &self.0.url, Arc::new(Still::default()))
    }

    fn make_foreign(&self, _: usize) {
        // As clients before 1.0 did; the size is that of the first vector.
        let metadata = json!({ "hnsw:space": "cosine", "made_by": "them" });
        self.0.ask(Method::Post, COLLECTIONS, Some(json!({ "name": "texts", "metadata": metadata })));
    }

    fn put_foreign(&self, number: u64, dimension: usize) {
        let (ids, vectors) = ([number.to_string()], [vec![0.5; dimension]]);
        let body = json!({ "ids": ids, "embeddings": vectors, "documents": ["theirs"] });
        self.0.ask(Method::Post, &self.path("upsert"), Some(body));
    }

    fn point(&self, id: ChunkId) -> Option<(Value, Vec<f32>)> {
        let body = json!({ "ids": [id], "include": ["documents", "metadatas", "embeddings"] });
        let found = self.0.ask(Method::Post, &self.path("get"), Some(body));
        let (id, text, metadata) =
            (found["ids"].get(0)?, found["documents"].get(0)?, found["metadatas"].get(0)?);
        let vector = serde_json::from_value(found["embeddings"][0].clone()).unwrap();
        Some((json!({ "id": id, "text": text, "metadata": metadata }), vector))
    }

    fn kill(&self) {
        self.0.kill();
    }

    fn restart(&self) {
        self.0.restart();
    }
}

/// A point of length 1 that follows from the text.
pub fn point(text: &str) -> Point {
    let mut metadata = ChunkMetadata::new(ChunkKind::Record, "game \"é\".jsonl", "tick", "default", "");
    metadata.event_type = Some("gameStateUpdate".to_owned());
    metadata.ts = Some(1_700_000_000_123_456);
    metadata.byte_offset = Some(u64::from(u32::MAX) + 7);
    let chunk = Chunk::new(text.to_owned(), metadata);
    let mut vector: Vec<f32> = chunk.id.0[..DIMENSION].iter().map(|byte| f32::from(*byte) + 1.0).collect();
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|number| *number /= length);
    Point { chunk, vector }
}

pub fn wanted<'a>(texts: impl IntoIterator<Item = &'a str>) -> WantedPoints {
    wanted_by("lake 7", texts)
}

pub fn wanted_by<'a>(owner: &str, texts: impl IntoIterator<Item = &'a str>) -> WantedPoints {
    let mut wanted = WantedPoints::new(Stamp::new(owner, "local/small", DIMENSION));
    texts.into_iter().for_each(|text| wanted.put(point(text)));
    wanted
}
