//! Chroma over version 2 of its REST interface. A chunk's id is a point's, as 32 hexadecimal digits.
//!
//! Collections are found by name and asked by an id that the server gave them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use stele_http::Method;
use stele_model::{Chunk, ChunkId};

use crate::bodies::Bodies;
use crate::service::{Service, if_there};
use crate::{
    BATCH_POINTS_MAX, Cancelled, Found, PAGE_IDS_MAX, Page, Point, PointId, Sink, SinkConfig, SinkError,
    Stamp,
};

/// What a server has that nobody set up otherwise.
const TENANT: &str = "default_tenant";
const DATABASE: &str = "default_database";

/// A collection of a Chroma server.
pub(crate) struct Chroma {
    service: Service,
    /// All collections of the database.
    path: String,
    collection: String,
    known: Mutex<Known>,
}

/// What the server was asked for once.
#[derive(Default)]
struct Known {
    id: Option<String>,
    batch_max: Option<usize>,
}

#[derive(Deserialize)]
struct Collection {
    id: String,
    metadata: Option<Map<String, Value>>,
    dimension: Option<usize>,
    configuration_json: Option<Value>,
}

#[derive(Deserialize)]
struct Limits {
    max_batch_size: usize,
}

#[derive(Deserialize)]
struct Got {
    ids: Vec<String>,
}

impl Chroma {
    pub(crate) fn new(service: Service, config: &SinkConfig) -> Self {
        let tenant = config.tenant.as_deref().unwrap_or(TENANT);
        let database = config.database.as_deref().unwrap_or(DATABASE);
        Chroma {
            service,
            path: format!("/api/v2/tenants/{tenant}/databases/{database}/collections"),
            collection: config.collection.clone(),
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Whole between any two statements, so a panic of another thread is no reason to stop.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn named(&self) -> String {
        format!("{}/{}", self.path, self.collection)
    }

    fn get(&self, what: &'static str, cancelled: Cancelled<'_>) -> Result<Option<Collection>, SinkError> {
        let answer = self.service.ask(what, (Method::Get, &self.named()), None, cancelled);
        let found: Option<Collection> = if_there(answer)?;
        self.known().id = found.as_ref().map(|collection| collection.id.clone());
        Ok(found)
    }

    /// The path of the collection by its id, which is asked for once.
    fn by_id(&self, what: &'static str, cancelled: Cancelled<'_>) -> Result<String, SinkError> {
        let known = self.known().id.clone();
        let id = match known {
            Some(id) => Some(id),
            None => self.get(what, cancelled)?.map(|collection| collection.id),
        };
        id.map(|id| format!("{}/{id}", self.path)).ok_or_else(|| self.service.missing())
    }

    /// Points and ids that the server takes at once.
    fn batch_max(&self, cancelled: Cancelled<'_>) -> Result<usize, SinkError> {
        if let Some(max) = self.known().batch_max {
            return Ok(max);
        }
        let path = "/api/v2/pre-flight-checks";
        let limits: Limits = self.service.ask("ask the limits of", (Method::Get, path), None, cancelled)?;
        let max = limits.max_batch_size.max(1);
        self.known().batch_max = Some(max);
        Ok(max)
    }
}

impl Sink for Chroma {
    fn shown(&self) -> &str {
        self.service.shown()
    }

    fn look(&self, cancelled: Cancelled<'_>) -> Result<Option<Found>, SinkError> {
        let Some(collection) = self.get("look at", cancelled)? else { return Ok(None) };
        let configuration = collection.configuration_json.unwrap_or_default();
        let space =
            ["hnsw", "spann"].iter().find_map(|index| configuration.get(index)?.get("space")?.as_str());
        Ok(Some(Found {
            stamp: collection.metadata.as_ref().and_then(Stamp::read_from),
            dimension: collection.dimension,
            space: space.unwrap_or("unknown").to_lowercase(),
            points: self.count(cancelled)?,
        }))
    }

    fn make(&self, stamp: &Stamp, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        let mut metadata = Map::new();
        stamp.put_into(&mut metadata);
        let body = json!({
            "name": self.collection,
            "metadata": metadata,
            "configuration": { "hnsw": { "space": "cosine" } },
            // Twice is once, where the answer was lost.
            "get_or_create": true,
        });
        self.service.ask::<Value>("make", (Method::Post, &self.path), bytes(&body), cancelled).map(drop)
    }

    fn mark(&self, stamp: &Stamp, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        let Some(collection) = self.get("mark", cancelled)? else { return Err(self.service.missing()) };
        // The new metadata stands in the place of the old.
        let mut metadata = collection.metadata.unwrap_or_default();
        stamp.put_into(&mut metadata);
        let body = json!({ "new_metadata": metadata });
        let path = format!("{}/{}", self.path, collection.id);
        self.service.ask::<Value>("mark", (Method::Put, &path), bytes(&body), cancelled).map(drop)
    }

    fn remove(&self, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.known().id = None;
        let answer = self.service.ask::<Value>("remove", (Method::Delete, &self.named()), None, cancelled);
        if_there(answer).map(drop)
    }

    fn page(&self, from: Option<&str>, cancelled: Cancelled<'_>) -> Result<Page, SinkError> {
        let start: usize = from.and_then(|from| from.parse().ok()).unwrap_or(0);
        let path = format!("{}/get", self.by_id("list", cancelled)?);
        let body = json!({ "limit": PAGE_IDS_MAX, "offset": start, "include": [] });
        let Got { ids } = self.service.ask("list", (Method::Post, &path), bytes(&body), cancelled)?;
        Ok(Page {
            // A short page is the last; that of a full one may be empty.
            next: (ids.len() >= PAGE_IDS_MAX).then(|| (start + ids.len()).to_string()),
            ids: ids.into_iter().map(id_of).collect(),
        })
    }

    fn upsert(&self, points: &[Point], cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        let path = format!("{}/upsert", self.by_id("write to", cancelled)?);
        let send = |body: Option<Vec<u8>>| match body {
            None => Ok(()),
            body => self.service.ask::<Value>("write to", (Method::Post, &path), body, cancelled).map(drop),
        };
        let points_max = self.batch_max(cancelled)?.min(BATCH_POINTS_MAX);
        let mut bodies = Bodies::new(["ids", "embeddings", "documents", "metadatas"], points_max);
        for Point { chunk, vector } in points {
            let values = values(chunk, vector).map_err(|error| SinkError::Point {
                id: chunk.id.to_string(),
                reason: format!("it is no JSON: {error}"),
            })?;
            send(bodies.push(values))?;
        }
        send(bodies.take())
    }

    fn delete(&self, ids: &[PointId], cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        let path = format!("{}/delete", self.by_id("remove points of", cancelled)?);
        for batch in ids.chunks(self.batch_max(cancelled)?) {
            let ids: Vec<String> = batch.iter().map(ToString::to_string).collect();
            let body = json!({ "ids": ids });
            self.service.ask::<Value>("remove points of", (Method::Post, &path), bytes(&body), cancelled)?;
        }
        Ok(())
    }

    fn count(&self, cancelled: Cancelled<'_>) -> Result<u64, SinkError> {
        let path = format!("{}/count", self.by_id("count", cancelled)?);
        self.service.ask("count", (Method::Get, &path), None, cancelled)
    }
}

/// What a point is in each of the four lists. A chunk's metadata is flat, as Chroma wants it, and leaves
/// out what is not known.
fn values(chunk: &Chunk, vector: &[f32]) -> Result<[Vec<u8>; 4], serde_json::Error> {
    Ok([
        serde_json::to_vec(&chunk.id)?,
        serde_json::to_vec(vector)?,
        serde_json::to_vec(&chunk.text)?,
        serde_json::to_vec(&chunk.metadata)?,
    ])
}

/// Any text may be an id here; only the one spelling that we write is ours.
fn id_of(text: String) -> PointId {
    match ChunkId::from_hex(&text) {
        Some(id) if id.to_string() == text => PointId::Chunk(id),
        _ => PointId::Foreign(text),
    }
}

fn bytes(body: &Value) -> Option<Vec<u8>> {
    Some(body.to_string().into_bytes())
}
