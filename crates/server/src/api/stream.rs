//! What happens to a job, as it happens: server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream::{self, Stream};
use serde_json::json;
use stele_engine::jobs::{EventKind, JobId, JobsError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::guard::Route;
use crate::http::problem::Problem;
use crate::jobs::Jobs;
use crate::reply::{Cause, Refusal};
use crate::service::Visitor;
use crate::tokens::Right;

/// The address of the stream.
pub(crate) const PATH: &str = "/api/jobs/{id}/events";

/// Time between two looks at the queue: what a person takes for at once, and no burden.
const LOOK: Duration = Duration::from_millis(400);

/// Events of one look; more come with the next.
const EVENTS_MAX: usize = 200;

/// Streams at once: each asks the queue twice a second.
const STREAMS_MAX: usize = 64;

/// Looks of one stream: about an hour. A client that still listens comes back by itself, with its place.
const LOOKS_MAX: u32 = 9000;

/// Looks in a row that fail before a stream ends: about a minute, in which a queue is started again and nobody who listens
/// need notice. A browser that came back meanwhile would be refused, and come no more.
const FAILED_MAX: u32 = 100;

/// Looks between two at the job itself, a dozen seconds: where the job was forgotten, or whoever listens claims to have
/// seen events that are still to come, no event tells of its end.
const CHECKED_EVERY: u32 = 32;

/// Time between two signs of life.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) fn router() -> Router {
    Router::new().route(PATH, get(events)).with_state(Arc::new(Semaphore::new(STREAMS_MAX)))
}

async fn events(State(room): State<Arc<Semaphore>>, request: Request) -> Response {
    let mut response = match begin(&room, Wanted::of(&request)).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(Route(PATH));
    response
}

/// What a request says, without the request: it may not be held while the queue is asked.
struct Wanted {
    visitor: Result<Visitor, Problem>,
    id: String,
    after: Result<u64, Refusal>,
    /// Whether events are wanted as they happen.
    stays: bool,
}

impl Wanted {
    fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let id = path.strip_prefix("/api/jobs/").and_then(|rest| rest.strip_suffix("/events"));
        let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        Self {
            visitor: super::visitor(request, Right::Read),
            id: id.unwrap_or_default().to_owned(),
            after: after(request),
            stays: accepts.is_some_and(|accepts| accepts.contains("text/event-stream")),
        }
    }
}

async fn begin(room: &Arc<Semaphore>, wanted: Wanted) -> Result<Response, Problem> {
    let Wanted { visitor, id, after, stays } = wanted;
    let visitor = visitor?;
    let refused = |refusal: Refusal| Problem::from(&refusal);
    let jobs = super::jobs::queue(&visitor.tenant.desk).map_err(refused)?.clone();
    let after = after.map_err(refused)?;
    let job = jobs.in_time(jobs.get(&id)).await.map_err(refused)?;
    if !stays {
        // What has happened so far, for whoever does not stay.
        let found = jobs.in_time(jobs.queue.more_events(job.id, after, EVENTS_MAX)).await;
        return Ok(super::json(&json!({ "events": found.map_err(refused)? })));
    }
    // A browser comes back whenever a stream ends, until it is told this. The events are looked at after the state, so
    // one that is being taken up again is not taken for one that has ended.
    if job.state.is_terminal() {
        let left = jobs.in_time(jobs.queue.more_events(job.id, after, 1)).await.map_err(refused)?;
        if left.is_empty() {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    let permit = Arc::clone(room).try_acquire_owned().map_err(|_| {
        let refusal = Refusal::new(format!("{STREAMS_MAX} streams are open."));
        refused(refusal.because(Cause::Busy).hint("the state of the job, at /api/jobs/ID"))
    })?;
    let place = Place { jobs, id: job.id, after, looks: 0, failed: 0, ended: false, _permit: permit };
    let alive = KeepAlive::new().interval(ALIVE).text("");
    Ok(Sse::new(follow(place)).keep_alive(alive).into_response())
}

/// After which event: by the header that browsers send when they come back, or by the address.
fn after(request: &Request) -> Result<u64, Refusal> {
    let given = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let query = request.uri().query().unwrap_or_default();
    let asked = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "after");
    match given.map(str::to_owned).or(asked.map(|(_, value)| value.into_owned())) {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| {
            Refusal::new("The event to go on after is no number.").hint("`number` of an event, or nothing")
        }),
    }
}

/// How far a stream is.
struct Place {
    jobs: Jobs,
    id: JobId,
    after: u64,
    looks: u32,
    /// Looks in a row that failed.
    failed: u32,
    ended: bool,
    /// Given up with the stream.
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// What happened since, and whether the job was found to be over before that was asked.
    async fn look(&self) -> Result<(Vec<stele_engine::jobs::Event>, bool), JobsError> {
        let queue = &self.jobs.queue;
        let checked = self.looks.is_multiple_of(CHECKED_EVERY);
        let over = checked && queue.get(self.id).await?.state.is_terminal();
        Ok((queue.more_events(self.id, self.after, EVENTS_MAX).await?, over))
    }
}

fn follow(place: Place) -> impl Stream<Item = Result<Event, Infallible>> {
    let batches = stream::unfold(place, |mut place| async move {
        loop {
            if place.ended || place.looks >= LOOKS_MAX {
                return None;
            }
            if place.looks > 0 {
                tokio::time::sleep(LOOK).await;
            }
            place.looks += 1;
            let looked = place.jobs.in_time(place.look()).await;
            let (found, over) = match looked {
                Ok(looked) => looked,
                Err(refusal) => {
                    place.failed += 1;
                    let passes = matches!(refusal.cause, Cause::Busy | Cause::Unavailable);
                    // Where the queue cannot be asked for long, the stream ends, and whoever listens comes back.
                    if !passes || place.failed >= FAILED_MAX {
                        return None;
                    }
                    continue;
                }
            };
            place.failed = 0;
            if found.is_empty() {
                place.ended = over;
                continue;
            }
            place.after = found.last().map_or(place.after, |event| event.number);
            // A job that ended may be taken up again; only where nothing follows is it the end.
            place.ended = found.last().is_some_and(|event| event.kind == EventKind::Ended);
            let events: Vec<_> = found.iter().map(|event| Ok(told(event))).collect();
            return Some((stream::iter(events), place));
        }
    });
    futures::StreamExt::flatten(batches)
}

fn told(event: &stele_engine::jobs::Event) -> Event {
    // A document of texts and numbers can always be written.
    let data = serde_json::to_string(event).unwrap_or_default();
    Event::default().event("job").id(event.number.to_string()).data(data)
}

/// What the document says of it.
pub(crate) fn operation(problems: serde_json::Value) -> serde_json::Value {
    let mut responses = problems;
    responses["200"] = json!({
        "description": "The events: as they happen where text/event-stream is accepted, otherwise those so far.",
        "content": {
            "text/event-stream": { "schema": { "type": "string" } },
            "application/json": { "schema": { "type": "object", "required": ["events"],
                "properties": { "events": { "type": "array", "items": { "type": "object" } } } } },
        },
    });
    responses["204"] = json!({
        "description": "Where text/event-stream is accepted: the job has ended and there is nothing more to tell. \
            Browsers then stop coming back; of a job that is taken up again, a new request tells.",
    });
    json!({ "get": {
        "operationId": "job_events", "summary": "What happens to a job", "tags": ["jobs"],
        "description": "Server-sent events named `job`, each with the number to go on after (Last-Event-ID).",
        "parameters": [
            { "name": "id", "in": "path", "required": true, "schema": { "type": "string" }, "description": "The id of the job." },
            { "name": "after", "in": "query", "required": false, "schema": { "type": "integer", "minimum": 0 },
              "description": "Only events after this number." },
        ],
        "responses": responses,
    } })
}
