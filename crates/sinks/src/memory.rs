//! A store and its source in memory. The store is stricter than the real ones: what they might let pass, it
//! refuses, so that a caller who is right with it is right with them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stele_http::HttpError;
use stele_model::{Chunk, ChunkId};

use crate::{
    BATCH_IDS_MAX, BATCH_POINTS_MAX, Cancelled, Found, PAGE_IDS_MAX, Page, Point, PointId, Sink, SinkError,
    Stamp, Wanted,
};

/// Points that should be in a store, in memory.
#[derive(Debug, Clone)]
pub struct WantedPoints {
    stamp: Stamp,
    points: BTreeMap<ChunkId, Point>,
}

impl WantedPoints {
    /// None yet.
    pub fn new(stamp: Stamp) -> Self {
        WantedPoints { stamp, points: BTreeMap::new() }
    }

    /// One more, or another in the place of the one with its id.
    pub fn put(&mut self, point: Point) {
        self.points.insert(point.chunk.id, point);
    }

    /// One less.
    pub fn take(&mut self, id: ChunkId) -> Option<Point> {
        self.points.remove(&id)
    }
}

impl Wanted for WantedPoints {
    fn stamp(&self) -> Stamp {
        self.stamp.clone()
    }

    fn ids(&self) -> Result<Vec<ChunkId>, SinkError> {
        Ok(self.points.keys().copied().collect())
    }

    fn points(&self, ids: &[ChunkId]) -> Result<Vec<Point>, SinkError> {
        Ok(ids.iter().filter_map(|id| self.points.get(id).cloned()).collect())
    }
}

/// A store in memory, for tests.
#[derive(Debug, Default)]
pub struct MemorySink {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    collection: Option<Collection>,
    down: bool,
}

#[derive(Debug, Default)]
struct Collection {
    stamp: Option<Stamp>,
    dimension: usize,
    /// Chunk and vector, or nothing for what somebody else put there.
    points: BTreeMap<PointId, Option<Point>>,
}

impl MemorySink {
    /// There is no collection yet.
    pub fn new() -> Self {
        MemorySink::default()
    }

    /// Makes a collection as somebody else would: without a mark.
    pub fn make_foreign(&self, dimension: usize) {
        lock(&self.inside).collection = Some(Collection { dimension, ..Collection::default() });
    }

    /// Puts a point there that is none of ours.
    pub fn put_foreign(&self, id: &str) {
        if let Some(collection) = &mut lock(&self.inside).collection {
            collection.points.insert(PointId::Foreign(id.to_owned()), None);
        }
    }

    /// From now on it does not answer, or does again.
    pub fn set_down(&self, down: bool) {
        lock(&self.inside).down = down;
    }

    /// What it holds under this id.
    pub fn point(&self, id: ChunkId) -> Option<(Chunk, Vec<f32>)> {
        let inside = lock(&self.inside);
        let point = inside.collection.as_ref()?.points.get(&PointId::Chunk(id))?.clone()?;
        Some((point.chunk, point.vector))
    }

    fn ask<T>(
        &self,
        what: &'static str,
        cancelled: Cancelled<'_>,
        answer: impl FnOnce(&mut Option<Collection>) -> Result<T, SinkError>,
    ) -> Result<T, SinkError> {
        if cancelled() {
            return Err(SinkError::Cancelled);
        }
        let mut inside = lock(&self.inside);
        if inside.down {
            let (service, reason) = ("memory".to_owned(), "it is down".to_owned());
            let source = HttpError::Unreachable { service, reason, tries: 1 };
            return Err(SinkError::Service { what, sink: self.shown().to_owned(), source });
        }
        answer(&mut inside.collection)
    }

    fn ask_collection<T>(
        &self,
        what: &'static str,
        cancelled: Cancelled<'_>,
        answer: impl FnOnce(&mut Collection) -> Result<T, SinkError>,
    ) -> Result<T, SinkError> {
        self.ask(what, cancelled, |collection| match collection {
            Some(collection) => answer(collection),
            None => Err(SinkError::Missing { sink: self.shown().to_owned() }),
        })
    }

    fn refuse(&self, what: &'static str, reason: String) -> SinkError {
        let advice = "the caller broke a promise";
        SinkError::Refused { what, sink: self.shown().to_owned(), status: 400, reason, advice }
    }
}

impl Sink for MemorySink {
    fn shown(&self) -> &str {
        "the collection in memory"
    }

    fn look(&self, cancelled: Cancelled<'_>) -> Result<Option<Found>, SinkError> {
        self.ask("look at", cancelled, |collection| {
            Ok(collection.as_ref().map(|collection| Found {
                stamp: collection.stamp.clone(),
                dimension: Some(collection.dimension),
                space: "cosine".to_owned(),
                points: collection.points.len() as u64,
            }))
        })
    }

    fn make(&self, stamp: &Stamp, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.ask("make", cancelled, |collection| {
            let (stamp, dimension) = (Some(stamp.clone()), stamp.dimension);
            collection.get_or_insert(Collection { stamp, dimension, ..Collection::default() });
            Ok(())
        })
    }

    fn mark(&self, stamp: &Stamp, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.ask_collection("mark", cancelled, |collection| {
            collection.stamp = Some(stamp.clone());
            Ok(())
        })
    }

    fn remove(&self, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.ask("remove", cancelled, |collection| {
            *collection = None;
            Ok(())
        })
    }

    fn page(&self, from: Option<&str>, cancelled: Cancelled<'_>) -> Result<Page, SinkError> {
        self.ask_collection("list", cancelled, |collection| {
            let start: usize = from.and_then(|from| from.parse().ok()).unwrap_or(0);
            let ids: Vec<PointId> =
                collection.points.keys().skip(start).take(PAGE_IDS_MAX).cloned().collect();
            let end = start + ids.len();
            Ok(Page { ids, next: (end < collection.points.len()).then(|| end.to_string()) })
        })
    }

    fn upsert(&self, points: &[Point], cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.ask_collection("write to", cancelled, |collection| {
            if points.len() > BATCH_POINTS_MAX {
                return Err(self.refuse("write to", format!("{} points at once", points.len())));
            }
            if points.iter().any(|point| point.vector.len() != collection.dimension) {
                return Err(self.refuse("write to", "a vector does not fit".to_owned()));
            }
            for point in points {
                collection.points.insert(PointId::Chunk(point.chunk.id), Some(point.clone()));
            }
            Ok(())
        })
    }

    fn delete(&self, ids: &[PointId], cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.ask_collection("remove points of", cancelled, |collection| {
            if ids.len() > BATCH_IDS_MAX {
                return Err(self.refuse("remove points of", format!("{} ids at once", ids.len())));
            }
            for id in ids {
                collection.points.remove(id);
            }
            Ok(())
        })
    }

    fn count(&self, cancelled: Cancelled<'_>) -> Result<u64, SinkError> {
        self.ask_collection("count", cancelled, |collection| Ok(collection.points.len() as u64))
    }
}

/// What is behind the lock is whole between any two statements, so a panic of another thread is no reason
/// to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
