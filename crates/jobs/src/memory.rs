//! Jobs in memory, stricter than any disk: a change is seen at once, is durable a while later, and is answered for
//! after that; a crash takes everything back that was not durable, and answers may get lost.
//!
//! For tests. Nothing of it outlives the process.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stele_model::Micros;

use crate::error::JobsError;
use crate::home::{Asker, Change, Home, Stored};
use crate::job::{Ending, Event, JobId, State};
use crate::limits::{ENDINGS_KEPT_MAX, EVENTS_KEPT_MAX};
use crate::record::{Record, Shelf, Source};
use crate::spec::{SourceKey, Spec};
use crate::text::{self, version_of};
use crate::trouble::Trouble;
use crate::view::{Counts, WorkerStatus};

/// What befalls the requests of one side. Times are those of `tokio`, which a test may let pass as it likes.
pub trait Weather: Send + Sync {
    /// How long a request takes to arrive.
    fn arrives_in(&self) -> Duration;
    /// Whether a request never arrives.
    fn request_lost(&self) -> bool;
    /// How long it takes until a change is durable.
    fn sync_takes(&self) -> Duration;
    /// Whether what was done is never answered.
    fn answer_lost(&self) -> bool;
}

/// A home of a queue in memory. Clones are the same home.
#[derive(Clone, Default)]
pub struct Memory {
    halves: Arc<Mutex<Halves>>,
    weather: Option<Arc<dyn Weather>>,
}

#[derive(Default)]
struct Halves {
    /// What everybody sees.
    seen: Tables,
    /// What a crash leaves.
    durable: Tables,
    /// What is seen and not durable yet, with its number.
    between: VecDeque<(u64, Arc<Change>)>,
    /// How many changes there were, and how many crashes.
    changes: u64,
    crashes: u64,
    down: bool,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("jobs", &self.lock().seen.jobs.len()).finish_non_exhaustive()
    }
}

impl Memory {
    /// An empty one, in fair weather.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same home as somebody has it whose requests go through this weather.
    #[must_use]
    pub fn through(&self, weather: Arc<dyn Weather>) -> Self {
        Self { halves: Arc::clone(&self.halves), weather: Some(weather) }
    }

    /// What is not durable is gone, and nobody is answered until [`Memory::restart`].
    pub fn crash(&self) {
        let mut halves = self.lock();
        halves.seen = halves.durable.clone();
        halves.between.clear();
        halves.crashes += 1;
        halves.down = true;
    }

    /// Goes on with what is durable.
    pub fn restart(&self) {
        self.lock().down = false;
    }

    fn lock(&self) -> MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn arrive(&self) -> Result<MutexGuard<'_, Halves>, JobsError> {
        let takes = self.weather.as_ref().map_or(Duration::ZERO, |weather| weather.arrives_in());
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        let lost = self.weather.as_ref().is_some_and(|weather| weather.request_lost());
        let halves = self.lock();
        if halves.down || lost { Err(unreachable()) } else { Ok(halves) }
    }
}

fn unreachable() -> JobsError {
    JobsError::Home {
        what: "reach",
        home: "the queue in memory".to_owned(),
        trouble: Trouble::Unreachable,
        source: "it is down, or the answer got lost".into(),
    }
}

/// As a disk has it: texts, and what finds them.
#[derive(Debug, Clone, Default)]
struct Tables {
    jobs: BTreeMap<JobId, Row>,
    sources: HashMap<SourceKey, (String, u64)>,
    lanes: BTreeMap<String, Micros>,
    events: HashMap<JobId, VecDeque<Event>>,
    endings: HashMap<String, VecDeque<(u64, Ending)>>,
    workers: BTreeMap<String, WorkerStatus>,
}

#[derive(Debug, Clone)]
struct Row {
    spec: Arc<Spec>,
    body: String,
    version: u64,
    shelf: Shelf,
    state: State,
    lane: String,
    submitted: Micros,
}

impl Row {
    /// Whether it is this tenant's; with none named, it is.
    fn is_of(&self, tenant: Option<&str>) -> bool {
        tenant.is_none_or(|tenant| self.spec.options.tenant == tenant)
    }
}

impl Tables {
    /// Whether nothing that the change is based on is another by now.
    fn holds(&self, change: &Change) -> bool {
        let jobs = change.jobs.iter().all(|job| self.jobs.get(&job.id).map(|row| row.version) == job.read);
        let version = |key| self.sources.get(key).map_or(0, |(_, version)| *version);
        jobs && change.sources.iter().all(|source| version(&source.key) == source.read)
    }

    fn apply(&mut self, change: &Change) {
        for job in &change.jobs {
            let Some(record) = &job.record else {
                self.jobs.remove(&job.id);
                self.events.remove(&job.id);
                continue;
            };
            self.lanes.entry(record.spec.lane()).or_insert(0);
            self.jobs.insert(job.id, row(record));
            let events = self.events.entry(job.id).or_default();
            events.extend(job.events.iter().cloned());
            while events.len() as u64 > EVENTS_KEPT_MAX {
                events.pop_front();
            }
            if let Some(first) = job.ending() {
                let endings = self.endings.entry(record.spec.options.tenant.clone()).or_default();
                let number = endings.back().map_or(first, |(newest, _)| newest + 1);
                endings.push_back((number, Ending { job: job.id, state: record.body.state }));
                if endings.len() as u64 > ENDINGS_KEPT_MAX {
                    endings.pop_front();
                }
            }
        }
        for source in &change.sources {
            let body = text::of(&source.source);
            let version = version_of(&body);
            self.sources.insert(source.key.clone(), (body, version));
        }
        if let Some((lane, at)) = &change.served {
            let served = self.lanes.entry(lane.clone()).or_insert(0);
            *served = (*served).max(*at);
        }
    }

    fn candidates(&self, asker: &Asker<'_>) -> Vec<JobId> {
        let mut found: BTreeSet<(u8, usize, Micros, &str, JobId)> = BTreeSet::new();
        let mut lanes: BTreeMap<&str, Vec<(Micros, JobId)>> = BTreeMap::new();
        for (id, row) in &self.jobs {
            match &row.shelf {
                Shelf::Held { worker, until } if worker == asker.worker => {
                    found.insert((0, 0, *until, "", *id));
                }
                Shelf::Held { until, .. } if *until <= asker.now => {
                    found.insert((1, 0, *until, "", *id));
                }
                Shelf::Due(at) if *at <= asker.now => {
                    found.insert((2, 0, *at, "", *id));
                }
                Shelf::Ready => lanes.entry(&row.lane).or_default().push((row.submitted, *id)),
                _ => {}
            }
        }
        for (lane, mut jobs) in lanes {
            jobs.sort_unstable();
            let served = self.lanes.get(lane).copied().unwrap_or(0);
            found.extend(jobs.into_iter().enumerate().map(|(place, (_, id))| (3, place, served, lane, id)));
        }
        found.into_iter().take(asker.limit).map(|(.., id)| id).collect()
    }
}

fn row(record: &Record) -> Row {
    let body = text::of(&record.body);
    Row {
        spec: Arc::clone(&record.spec),
        version: version_of(&body),
        body,
        shelf: record.shelf(),
        state: record.body.state,
        lane: record.spec.lane(),
        submitted: record.body.submitted,
    }
}

fn read<T: serde::de::DeserializeOwned>(what: impl fmt::Display, text: &str) -> Result<T, JobsError> {
    serde_json::from_str(text).map_err(|error| JobsError::Damaged {
        what: what.to_string(),
        home: "the queue in memory".to_owned(),
        reason: error.to_string(),
    })
}

#[async_trait]
impl Home for Memory {
    fn name(&self) -> String {
        "the queue in memory".to_owned()
    }

    async fn check(&self) -> Result<(), JobsError> {
        self.arrive().await.map(|_| ())
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Stored>>, JobsError> {
        let halves = self.arrive().await?;
        let stored = |id: &JobId| {
            let Some(row) = halves.seen.jobs.get(id) else { return Ok(None) };
            let body = read(id, &row.body)?;
            let record = Record { id: *id, spec: Arc::clone(&row.spec), body };
            Ok(Some(Stored { record, version: row.version }))
        };
        ids.iter().map(stored).collect()
    }

    async fn sources(&self, keys: &[SourceKey]) -> Result<Vec<(Source, u64)>, JobsError> {
        let halves = self.arrive().await?;
        let source = |key: &SourceKey| match halves.seen.sources.get(key) {
            Some((text, version)) => Ok((read(&key.0, text)?, *version)),
            None => Ok((Source::default(), 0)),
        };
        keys.iter().map(source).collect()
    }

    async fn commit(&self, change: &Change) -> Result<bool, JobsError> {
        let (number, crashes, takes) = {
            let mut halves = self.arrive().await?;
            if !halves.seen.holds(change) {
                return Ok(false);
            }
            halves.seen.apply(change);
            halves.changes += 1;
            let number = halves.changes;
            halves.between.push_back((number, Arc::new(change.clone())));
            let takes = self.weather.as_ref().map_or(Duration::ZERO, |weather| weather.sync_takes());
            (number, halves.crashes, takes)
        };
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        let mut halves = self.lock();
        if halves.crashes != crashes {
            return Err(unreachable());
        }
        // What came before it is durable with it, as in every log.
        while let Some((first, earlier)) = halves.between.pop_front() {
            if first > number {
                halves.between.push_front((first, earlier));
                break;
            }
            halves.durable.apply(&earlier);
        }
        let lost = self.weather.as_ref().is_some_and(|weather| weather.answer_lost());
        if lost { Err(unreachable()) } else { Ok(true) }
    }

    async fn candidates(&self, asker: &Asker<'_>) -> Result<Vec<JobId>, JobsError> {
        Ok(self.arrive().await?.seen.candidates(asker))
    }

    async fn page(
        &self,
        tenant: Option<&str>,
        states: &[State],
        before: Option<(Micros, JobId)>,
        limit: usize,
    ) -> Result<Vec<JobId>, JobsError> {
        let halves = self.arrive().await?;
        let mut found: Vec<_> = halves
            .seen
            .jobs
            .iter()
            .filter(|(_, row)| row.is_of(tenant))
            .filter(|(_, row)| states.is_empty() || states.contains(&row.state))
            .map(|(id, row)| (row.submitted, *id))
            .filter(|place| before.is_none_or(|before| *place < before))
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found.into_iter().take(limit).map(|(_, id)| id).collect())
    }

    async fn events(&self, job: JobId, after: u64, limit: usize) -> Result<Vec<Event>, JobsError> {
        let halves = self.arrive().await?;
        let events = halves.seen.events.get(&job).into_iter().flatten();
        Ok(events.filter(|event| event.number > after).take(limit).cloned().collect())
    }

    async fn counts(&self, tenant: Option<&str>, now: Micros) -> Result<Counts, JobsError> {
        let halves = self.arrive().await?;
        let mut counts = text::no_counts();
        for row in halves.seen.jobs.values().filter(|row| row.is_of(tenant)) {
            *counts.states.entry(row.state).or_default() += 1;
            if row.shelf == Shelf::Ready || matches!(row.shelf, Shelf::Due(at) if at <= now) {
                let oldest = counts.oldest_waiting.get_or_insert(row.submitted);
                *oldest = row.submitted.min(*oldest);
            }
        }
        Ok(counts)
    }

    async fn ended(&self, before: Micros, limit: usize) -> Result<Vec<JobId>, JobsError> {
        let halves = self.arrive().await?;
        let ended = |(id, row): (&JobId, &Row)| match row.shelf {
            Shelf::Ended(at) if at < before => Some((at, *id)),
            _ => None,
        };
        let mut found: Vec<_> = halves.seen.jobs.iter().filter_map(ended).collect();
        found.sort_unstable();
        Ok(found.into_iter().take(limit).map(|(_, id)| id).collect())
    }

    async fn endings(&self, tenant: &str, after: u64, limit: usize) -> Result<Vec<(u64, Ending)>, JobsError> {
        let halves = self.arrive().await?;
        let endings = halves.seen.endings.get(tenant).into_iter().flatten();
        Ok(endings.filter(|(number, _)| *number > after).take(limit).copied().collect())
    }

    async fn newest_ending(&self, tenant: &str) -> Result<u64, JobsError> {
        let halves = self.arrive().await?;
        let newest = halves.seen.endings.get(tenant).and_then(|endings| endings.back());
        Ok(newest.map_or(0, |(number, _)| *number))
    }

    async fn greet(&self, name: &str, status: Option<&WorkerStatus>) -> Result<(), JobsError> {
        let mut halves = self.arrive().await?;
        match status {
            Some(status) => halves.seen.workers.insert(name.to_owned(), status.clone()),
            None => halves.seen.workers.remove(name),
        };
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>, JobsError> {
        Ok(self.arrive().await?.seen.workers.values().cloned().collect())
    }
}
