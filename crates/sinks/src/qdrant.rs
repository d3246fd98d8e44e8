//! Qdrant over REST. A chunk's id has 16 bytes, so it is a point's UUID as it is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stele_http::Method;
use stele_model::{Chunk, ChunkId};

use crate::bodies::Bodies;
use crate::service::{Service, if_there};
use crate::{
    BATCH_POINTS_MAX, Cancelled, Found, PAGE_IDS_MAX, Page, Point, PointId, Sink, SinkConfig, SinkError,
    Stamp,
};

/// Where the hyphens of a UUID stand between its hexadecimal digits.
const HYPHENS: [usize; 4] = [8, 12, 16, 20];

/// A collection of a Qdrant server.
pub(crate) struct Qdrant {
    service: Service,
    path: String,
}

impl Qdrant {
    pub(crate) fn new(service: Service, config: &SinkConfig) -> Self {
        Qdrant { service, path: format!("/collections/{}", config.collection) }
    }

    fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.path)
    }
}

/// Every answer is wrapped.
#[derive(Deserialize)]
struct Answer<T> {
    result: T,
}

#[derive(Deserialize)]
struct Collection {
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    params: Params,
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Params {
    /// One kind of vector, or several with names.
    vectors: Option<Value>,
}

#[derive(Deserialize)]
struct Scrolled {
    points: Vec<Scroll>,
    next_page_offset: Option<Value>,
}

#[derive(Deserialize)]
struct Scroll {
    id: Value,
}

#[derive(Deserialize)]
struct Counted {
    count: u64,
}

#[derive(Serialize)]
struct Written<'a> {
    id: String,
    vector: &'a [f32],
    payload: &'a Chunk,
}

impl Sink for Qdrant {
    fn shown(&self) -> &str {
        self.service.shown()
    }

    fn look(&self, cancelled: Cancelled<'_>) -> Result<Option<Found>, SinkError> {
        let answer = self.service.ask("look at", (Method::Get, &self.path), None, cancelled);
        let Some(Answer { result: Collection { config } }) = if_there(answer)? else { return Ok(None) };
        let vectors = config.params.vectors.unwrap_or_default();
        let dimension = vectors.get("size").and_then(Value::as_u64);
        let space = match vectors.get("distance").and_then(Value::as_str) {
            Some(space) => space.to_lowercase(),
            None => "several, by name".to_owned(),
        };
        Ok(Some(Found {
            stamp: config.metadata.as_ref().and_then(Stamp::read_from),
            dimension: dimension.and_then(|size| usize::try_from(size).ok()),
            space,
            points: self.count(cancelled)?,
        }))
    }

    fn make(&self, stamp: &Stamp, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        let mut metadata = Map::new();
        stamp.put_into(&mut metadata);
        let body = json!({
            "vectors": { "size": stamp.dimension, "distance": "Cosine" },
            "metadata": metadata,
        });
        match self.service.ask::<Value>("make", (Method::Put, &self.path), bytes(&body), cancelled) {
            // Already there: by another process, or by us when the answer was lost.
            Ok(_) | Err(SinkError::Refused { status: 409, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn mark(&self, stamp: &Stamp, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        let mut metadata = Map::new();
        stamp.put_into(&mut metadata);
        // What is not named stays.
        let body = json!({ "metadata": metadata });
        self.service.ask::<Value>("mark", (Method::Patch, &self.path), bytes(&body), cancelled).map(drop)
    }

    fn remove(&self, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        let answer = self.service.ask::<Value>("remove", (Method::Delete, &self.path), None, cancelled);
        if_there(answer).map(drop)
    }

    fn page(&self, from: Option<&str>, cancelled: Cancelled<'_>) -> Result<Page, SinkError> {
        let offset: Value = from.and_then(|from| serde_json::from_str(from).ok()).unwrap_or_default();
        let body = json!({
            "limit": PAGE_IDS_MAX, "offset": offset, "with_payload": false, "with_vector": false,
        });
        let path = self.path("/points/scroll");
        let answer = self.service.ask("list", (Method::Post, &path), bytes(&body), cancelled);
        let Some(Answer { result: Scrolled { points, next_page_offset } }) = if_there(answer)? else {
            return Err(self.service.missing());
        };
        Ok(Page {
            ids: points.into_iter().map(|point| id_of(&point.id)).collect(),
            next: next_page_offset.map(|offset| offset.to_string()),
        })
    }

    fn upsert(&self, points: &[Point], cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        let path = self.path("/points?wait=true");
        let send = |body: Option<Vec<u8>>| match body {
            None => Ok(()),
            body => self.service.ask::<Value>("write to", (Method::Put, &path), body, cancelled).map(drop),
        };
        let mut bodies = Bodies::new(["points"], BATCH_POINTS_MAX);
        for Point { chunk, vector } in points {
            let written = Written { id: uuid(chunk.id), vector, payload: chunk };
            let json = serde_json::to_vec(&written).map_err(|error| unwritable(chunk, &error))?;
            send(bodies.push([json]))?;
        }
        send(bodies.take())
    }

    fn delete(&self, ids: &[PointId], cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        let ids: Vec<Value> = ids
            .iter()
            .map(|id| match id {
                PointId::Chunk(id) => Value::from(uuid(*id)),
                PointId::Foreign(id) => id.parse::<u64>().map_or_else(|_| id.as_str().into(), Value::from),
            })
            .collect();
        let body = json!({ "points": ids });
        let path = self.path("/points/delete?wait=true");
        self.service
            .ask::<Value>("remove points of", (Method::Post, &path), bytes(&body), cancelled)
            .map(drop)
    }

    fn count(&self, cancelled: Cancelled<'_>) -> Result<u64, SinkError> {
        let body = json!({ "exact": true });
        let path = self.path("/points/count");
        let answer = self.service.ask("count", (Method::Post, &path), bytes(&body), cancelled);
        let Some(Answer { result: Counted { count } }) = if_there(answer)? else {
            return Err(self.service.missing());
        };
        Ok(count)
    }
}

/// A chunk's id with the hyphens of a UUID.
fn uuid(id: ChunkId) -> String {
    let mut text = id.to_string();
    for place in HYPHENS.iter().rev() {
        text.insert(*place, '-');
    }
    text
}

/// Qdrant's ids are UUIDs, each of which is a chunk's id, and numbers, none of which is.
fn id_of(id: &Value) -> PointId {
    match id.as_str() {
        None => PointId::Foreign(id.to_string()),
        Some(text) => match ChunkId::from_hex(&text.replace('-', "")) {
            Some(id) if uuid(id) == text => PointId::Chunk(id),
            _ => PointId::Foreign(text.to_owned()),
        },
    }
}

fn bytes(body: &Value) -> Option<Vec<u8>> {
    Some(body.to_string().into_bytes())
}

fn unwritable(chunk: &Chunk, error: &serde_json::Error) -> SinkError {
    SinkError::Point { id: chunk.id.to_string(), reason: format!("it is no JSON: {error}") }
}
