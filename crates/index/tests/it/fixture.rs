//! An index in a directory of its own, and chunks to put into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stele_index::{Hit, Index, IndexError, Model, Reader, Spec, Upsert, Writer};
use stele_model::{Chunk, ChunkId, ChunkKind, ChunkMetadata, Faults, NoFaults};
use stele_testkit::rng::Rng;

pub const DIMENSION: u32 = 16;

/// A model of the tests.
pub fn spec() -> Spec {
    spec_of("double-a", DIMENSION)
}

pub fn spec_of(id: &str, dimension: u32) -> Spec {
    Spec::new(Some(Model { id: id.to_owned(), dimension, semantic: false }))
}

/// An index below a temporary directory.
pub struct World {
    _dir: tempfile::TempDir,
    pub path: PathBuf,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        Self { _dir: dir, path }
    }

    pub fn index(&self) -> Index {
        Index::open(&self.path, Arc::new(NoFaults)).unwrap()
    }

    pub fn failing(&self, faults: Arc<dyn Faults>) -> Index {
        Index::open(&self.path, faults).unwrap()
    }

    pub fn writer(&self) -> Writer {
        self.index().writer(&spec()).unwrap()
    }

    pub fn reader(&self) -> Reader {
        self.index().reader().unwrap()
    }

    /// An index that holds these.
    pub fn with(upserts: Vec<Upsert>) -> Self {
        let world = Self::new();
        world.writer().apply(upserts, &[], Some(1)).unwrap();
        world
    }

    pub fn clean(&self) {
        let found = self.reader().verify().unwrap();
        assert!(found.is_clean(), "{found:?}");
    }

    /// The version directories.
    pub fn versions(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("v-"))
            .collect();
        names.sort();
        names
    }
}

pub fn metadata(kind: ChunkKind, source: &str) -> ChunkMetadata {
    ChunkMetadata::new(kind, source, "ws_event", "default", source)
}

/// A chunk of a text, with a vector that follows from it.
pub fn chunk(text: &str) -> Upsert {
    with(text, |_| {})
}

/// A chunk of a text and of what is said about it.
pub fn with(text: &str, say: impl FnOnce(&mut ChunkMetadata)) -> Upsert {
    let mut metadata = metadata(ChunkKind::Record, "a.jsonl");
    say(&mut metadata);
    (Chunk::new(text.to_owned(), metadata), Some(vector_of(text)))
}

/// A field of an event.
pub fn field(event: &str, path: &str, text: &str) -> Upsert {
    with(text, |metadata| {
        metadata.kind = ChunkKind::Field;
        metadata.event_type = Some(event.to_owned());
        metadata.path = Some(path.to_owned());
    })
}

/// Numbers that follow from a text, on the unit sphere.
pub fn vector_of(text: &str) -> Vec<f32> {
    let seed = text.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    direction(seed, DIMENSION as usize)
}

pub fn direction(seed: u64, dimension: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    let vector: Vec<f32> =
        (0..dimension).map(|_| (rng.below(2_000_001) as f32 - 1_000_000.0) / 1_000_000.0).collect();
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.into_iter().map(|number| number / length).collect()
}

/// Many chunks of made-up words.
pub fn many(count: usize, seed: u64) -> Vec<Upsert> {
    const WORDS: [&str; 12] = [
        "price",
        "tick",
        "player",
        "round",
        "started",
        "crashed",
        "payout",
        "multiplier",
        "connection",
        "wallet",
        "history",
        "leaderboard",
    ];
    let mut rng = Rng::new(seed);
    (0..count)
        .map(|number| {
            let words: Vec<&str> = (0..6).map(|_| WORDS[rng.below(12) as usize]).collect();
            with(&format!("{} number{number} of seed{seed}", words.join(" ")), |metadata| {
                metadata.line = Some(number as u64);
                metadata.event_type = Some(format!("event{}", number % 7));
                metadata.game_id = Some(format!("game-{}", number % 50));
                metadata.ts = Some(number as i64 * 1_000);
            })
        })
        .collect()
}

pub fn ids(hits: &[Hit]) -> Vec<ChunkId> {
    hits.iter().map(|hit| hit.id).collect()
}

pub fn all_ids(reader: &Reader) -> Vec<ChunkId> {
    let mut all = Vec::new();
    reader
        .ids(&mut |ids| {
            all.extend_from_slice(ids);
            Ok(())
        })
        .unwrap();
    all.sort();
    all
}

pub fn ids_of(upserts: &[Upsert]) -> Vec<ChunkId> {
    let mut ids: Vec<ChunkId> = upserts.iter().map(|(chunk, _)| chunk.id).collect();
    ids.sort();
    ids
}

/// The words of an error.
pub fn said<T: std::fmt::Debug>(result: Result<T, IndexError>) -> String {
    result.unwrap_err().to_string()
}

/// Bytes of everything below a directory.
pub fn bytes_below(dir: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        bytes += if metadata.is_dir() { bytes_below(&entry.path()) } else { metadata.len() };
    }
    bytes
}
