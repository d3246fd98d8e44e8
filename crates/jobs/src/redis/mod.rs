//! Jobs in Redis: workers of several hosts share them.
//!
//! | key | what it holds |
//! |---|---|
//! | `<ns>:jobs` | a stream with an entry for each job that has not ended; pending for who holds it in the group `<ns>:workers`, for `waiting` if nobody does |
//! | `<ns>:state:<job>` | a hash: the job itself, gone a week after its end |
//! | `<ns>:events:<job>` | a stream: its history, gone a week after the last event |
//! | `<ns>:endings:<tenant>` | a stream: the ends of jobs, numbered as the script sees them; gone a week after the last |
//! | `<ns>:dead` | a stream: dead letters with their reasons, and what others put into `<ns>:jobs` |
//! | `<ns>:sources` | a hash: who is in line for a source, and what it was last done in |
//! | `<ns>:index…`, `:of…`, `:tenants`, `:held…`, `:due`, `:ready:…`, `:ended`, `:lanes` | sorted sets and sets that find jobs |
//!
//! A change is one script, so it is made as a whole. Who holds a job is said by the hash, since only there it can be
//! compared and changed as one; the group is kept in step with it by claiming entries by their ids. What others can
//! see of the stream is so always true, and no entry is lost when the stream is trimmed.

mod link;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use redis::{Cmd, Pipeline, RedisError, Script};
use serde_json::{Value, json};
use stele_model::Micros;

use crate::error::JobsError;
use crate::home::{Asker, Change, Home, JobChange, Stored};
use crate::job::{Ending, Event, JobId, State};
use crate::limits::{ENDINGS_KEPT_MAX, EVENTS_KEPT_MAX, JOBS_MAX};
use crate::record::{Record, Shelf, Source};
use crate::spec::{SourceKey, name_fits};
use crate::text::{self, version_of};
use crate::view::{Counts, WorkerStatus};
use link::{Again, Link, Question, said, trouble_of};

/// What a job that ended, and a history that nobody adds to, are kept for, in seconds: a week.
const EXPIRES_S: i64 = 7 * 24 * 3600;

/// Dead letters in the stream. Jobs that are dead stay findable beyond it.
const LETTERS_MAX: u64 = 10_000;

/// Entries of the stream: twice as many as there can be jobs, so that only what others put there is trimmed.
const ENTRIES_MAX: u64 = 2 * JOBS_MAX;

/// The first of each lane that are offered: as many workers can look at once without each wanting the same.
const HEADS_MAX: u32 = 4;

/// The layout of the keys; raised when older programs could not read them any more.
const LAYOUT: &str = "2";

/// The one before it, in which nothing found the jobs of a tenant.
const LAYOUT_WITHOUT_TENANTS: &str = "1";

/// The namespace of whoever names none.
pub const DEFAULT_NAMESPACE: &str = "ingest";

/// Where the server is, and under which names the jobs are kept there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/database]`.
    pub url: String,
    /// What every name begins with; [`DEFAULT_NAMESPACE`] as a rule.
    pub namespace: String,
}

impl RedisConfig {
    /// That server, with the usual namespace.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), namespace: DEFAULT_NAMESPACE.to_owned() }
    }
}

pub(crate) struct Redis {
    link: Link,
    namespace: String,
    commit: Script,
    candidates: Script,
    waiting: Script,
}

impl Redis {
    pub(crate) async fn open(config: &RedisConfig) -> Result<Self, JobsError> {
        name_fits("namespace", &config.namespace)?;
        let home = Self {
            link: Link::new(&config.url)?,
            namespace: config.namespace.clone(),
            commit: Script::new(include_str!("commit.lua")),
            candidates: Script::new(include_str!("candidates.lua")),
            waiting: Script::new(include_str!("waiting.lua")),
        };
        home.prepare().await?;
        Ok(home)
    }

    async fn prepare(&self) -> Result<(), JobsError> {
        let foreign = |reason| Err(JobsError::Foreign { home: self.name(), reason });
        let script = Script::new(include_str!("layout.lua"));
        let question = Question::Script(&script, &self.namespace, vec![LAYOUT.to_owned()]);
        let asked = self.link.ask::<(String, String)>(&question, Again::May).await;
        let (layout, foreign_kind) = asked.map_err(|error| self.failed("open", error))?;
        match layout.as_str() {
            LAYOUT => {}
            LAYOUT_WITHOUT_TENANTS => {
                let script = Script::new(include_str!("tenants.lua"));
                let question = Question::Script(&script, &self.namespace, vec![LAYOUT.to_owned()]);
                let asked = self.link.ask::<i64>(&question, Again::May).await;
                asked.map_err(|error| self.failed("open", error))?;
            }
            "" => return foreign(format!("{} is a {foreign_kind} of another program", self.key("jobs"))),
            other => {
                return foreign(format!("its layout is version {other}, and this program knows {LAYOUT}"));
            }
        }
        let (jobs, group) = (self.key("jobs"), self.key("workers"));
        let create = Question::Command(command("XGROUP", &["CREATE", &jobs, &group, "0", "MKSTREAM"]));
        match self.link.ask::<Value0>(&create, Again::May).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            Err(error) => Err(self.failed("open", error)),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.namespace)
    }

    fn state_key(&self, id: JobId) -> String {
        self.key(&format!("state:{id}"))
    }

    /// What finds the jobs in a state. States come first, since a tenant's name may look like one.
    fn index_key(&self, tenant: Option<&str>, state: State) -> String {
        match tenant {
            None => self.key(&format!("index:{state}")),
            Some(tenant) => self.key(&format!("of_state:{state}:{tenant}")),
        }
    }

    async fn ask<T: redis::FromRedisValue>(&self, what: &'static str, command: Cmd) -> Result<T, JobsError> {
        let asked = self.link.ask(&Question::Command(command), Again::May).await;
        asked.map_err(|error| self.failed(what, error))
    }

    fn failed(&self, what: &'static str, error: RedisError) -> JobsError {
        JobsError::Home { what, home: self.name(), trouble: trouble_of(&error), source: said(&error).into() }
    }

    fn damaged(&self, what: String, reason: impl ToString) -> JobsError {
        JobsError::Damaged { what, home: self.name(), reason: reason.to_string() }
    }

    fn ids(&self, texts: &[String]) -> Result<Vec<JobId>, JobsError> {
        let read =
            |text: &String| JobId::from_str(text).map_err(|error| self.damaged(format!("job {text}"), error));
        texts.iter().map(read).collect()
    }

    /// Ends of jobs in a part of a stream of them.
    async fn endings_of(&self, range: Cmd) -> Result<Vec<(u64, Ending)>, JobsError> {
        let rows: Vec<(String, Vec<String>)> = self.ask("read the history of", range).await?;
        let read = |(entry, fields): &(String, Vec<String>)| {
            let ending = || {
                let [_, job, _, state] = fields.as_slice() else { return None };
                let number = entry.split('-').next()?.parse::<u64>().ok()?;
                Some((number, Ending { job: job.parse().ok()?, state: state.parse().ok()? }))
            };
            ending().ok_or_else(|| self.damaged(format!("the end {entry}"), "it is none of a job"))
        };
        rows.iter().map(read).collect()
    }
}

/// An answer of which nothing is needed.
type Value0 = redis::Value;

fn command(name: &str, arguments: &[&str]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(arguments);
    command
}

#[async_trait]
impl Home for Redis {
    fn name(&self) -> String {
        format!("the queue {} in Redis at {}", self.namespace, self.link.server)
    }

    async fn doubts(&self) -> Result<Vec<String>, JobsError> {
        let get = command("CONFIG", &["GET", "appendonly", "appendfsync", "maxmemory", "maxmemory-policy"]);
        let set: BTreeMap<String, String> = match self.link.ask(&Question::Command(get), Again::May).await {
            Ok(set) => set,
            // Whoever rents a server may not be allowed to look.
            Err(error) if error.code().is_some() => {
                let server = &self.link.server;
                return Ok(vec![format!(
                    "Redis at {server} does not say whether it keeps what it acknowledges"
                )]);
            }
            Err(error) => return Err(self.failed("look at", error)),
        };
        Ok(doubts(&self.link.server, &set))
    }

    async fn check(&self) -> Result<(), JobsError> {
        // The same as before; a server that is full or a copy refuses it.
        let set = command("HSET", &[&self.key("meta"), "made_by", "stele"]);
        self.ask::<i64>("write to", set).await.map(|_| ())
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Stored>>, JobsError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for id in ids {
            pipeline.add_command(command("HMGET", &[&self.state_key(*id), "version", "spec", "body"]));
        }
        let asked = self.link.ask(&Question::Pipeline(pipeline), Again::May).await;
        let rows: Vec<(Option<String>, Option<String>, Option<String>)> =
            asked.map_err(|error| self.failed("read jobs of", error))?;
        let stored = |(id, row): (&JobId, (Option<String>, Option<String>, Option<String>))| {
            let (Some(version), Some(spec), Some(body)) = row else { return Ok(None) };
            let read = || -> Result<Stored, String> {
                let spec = serde_json::from_str(&spec).map_err(|error| error.to_string())?;
                let body = serde_json::from_str(&body).map_err(|error| error.to_string())?;
                let version = version.parse().map_err(|_| format!("its version is {version:?}"))?;
                Ok(Stored { record: Record { id: *id, spec: Arc::new(spec), body }, version })
            };
            read().map(Some).map_err(|reason| self.damaged(format!("job {id}"), reason))
        };
        ids.iter().zip(rows).map(stored).collect()
    }

    async fn sources(&self, keys: &[SourceKey]) -> Result<Vec<(Source, u64)>, JobsError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut all = vec![self.key("sources")];
        all.extend(keys.iter().map(|key| key.0.clone()));
        let mut get = redis::cmd("HMGET");
        get.arg(all);
        let rows: Vec<Option<String>> = self.ask("read sources of", get).await?;
        let source = |(key, row): (&SourceKey, Option<String>)| {
            let Some(row) = row else { return Ok((Source::default(), 0)) };
            let read = || {
                let (version, body) = row.split_once('\n')?;
                Some((serde_json::from_str(body).ok()?, version.parse().ok()?))
            };
            read().ok_or_else(|| self.damaged(format!("source {}", key.0), "it is no version and no JSON"))
        };
        keys.iter().zip(rows).map(source).collect()
    }

    async fn commit(&self, change: &Change) -> Result<bool, JobsError> {
        let script = Question::Script(&self.commit, &self.namespace, vec![written(change)]);
        // Nobody may make a change twice without looking: the second time it would seem to be refused.
        let made: i64 =
            self.link.ask(&script, Again::MustNot).await.map_err(|error| self.failed("write to", error))?;
        Ok(made == 1)
    }

    async fn candidates(&self, asker: &Asker<'_>) -> Result<Vec<JobId>, JobsError> {
        let expired = asker.now.saturating_sub(EXPIRES_S * 1_000_000);
        let arguments = vec![
            asker.worker.to_owned(),
            asker.now.to_string(),
            asker.limit.to_string(),
            HEADS_MAX.to_string(),
            expired.to_string(),
        ];
        let script = Question::Script(&self.candidates, &self.namespace, arguments);
        let asked = self.link.ask::<Vec<String>>(&script, Again::May).await;
        let mut texts = asked.map_err(|error| self.failed("look for work in", error))?;
        let mut seen = std::collections::HashSet::new();
        texts.retain(|text| seen.insert(text.clone()));
        texts.truncate(asker.limit);
        self.ids(&texts)
    }

    async fn page(
        &self,
        tenant: Option<&str>,
        states: &[State],
        before: Option<(Micros, JobId)>,
        limit: usize,
    ) -> Result<Vec<JobId>, JobsError> {
        let keys: Vec<String> = match (states, tenant) {
            ([], None) => vec![self.key("index")],
            ([], Some(tenant)) => vec![self.key(&format!("of:{tenant}"))],
            _ => states.iter().map(|state| self.index_key(tenant, *state)).collect(),
        };
        let (most, limit_text) = (before.map(|(at, _)| format!("({at}")), limit.to_string());
        let mut pipeline = Pipeline::new();
        for key in &keys {
            let most = most.as_deref().unwrap_or("+inf");
            pipeline.add_command(command(
                "ZRANGE",
                &[key, most, "-inf", "BYSCORE", "REV", "LIMIT", "0", &limit_text, "WITHSCORES"],
            ));
            // Those of the very same microsecond are told apart by their ids.
            let at = before.map_or("1".to_owned(), |(at, _)| at.to_string());
            let none = if before.is_some() { at.clone() } else { "0".to_owned() };
            pipeline.add_command(command("ZRANGE", &[key, &at, &none, "BYSCORE", "WITHSCORES"]));
        }
        let asked = self.link.ask::<Vec<Vec<(String, f64)>>>(&Question::Pipeline(pipeline), Again::May).await;
        let rows = asked.map_err(|error| self.failed("list the jobs of", error))?;
        let mut found = Vec::new();
        for (text, at) in rows.into_iter().flatten() {
            found.push((at as Micros, self.ids(&[text])?[0]));
        }
        found.retain(|place| before.is_none_or(|before| *place < before));
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found.into_iter().take(limit).map(|(_, id)| id).collect())
    }

    async fn events(&self, job: JobId, after: u64, limit: usize) -> Result<Vec<Event>, JobsError> {
        let (key, from, limit) =
            (self.key(&format!("events:{job}")), format!("({after}-0"), limit.to_string());
        let range = command("XRANGE", &[&key, &from, "+", "COUNT", &limit]);
        let rows: Vec<(String, Vec<String>)> = self.ask("read events of", range).await?;
        let read = |(_, fields): &(String, Vec<String>)| {
            let text = fields.get(1).map_or("", String::as_str);
            serde_json::from_str(text).map_err(|error| self.damaged(format!("an event of job {job}"), error))
        };
        rows.iter().map(read).collect()
    }

    async fn counts(&self, tenant: Option<&str>, now: Micros) -> Result<Counts, JobsError> {
        let mut pipeline = Pipeline::new();
        for state in State::ALL {
            pipeline.add_command(command("ZCARD", &[&self.index_key(tenant, state)]));
        }
        let asked = self.link.ask::<Vec<u64>>(&Question::Pipeline(pipeline), Again::May).await;
        let numbers = asked.map_err(|error| self.failed("count the jobs of", error))?;
        let mut counts = text::no_counts();
        counts.states = State::ALL.into_iter().zip(numbers).collect();
        let mut arguments = vec![now.to_string()];
        arguments.extend(tenant.map(str::to_owned));
        let script = Question::Script(&self.waiting, &self.namespace, arguments);
        let asked = self.link.ask::<Option<f64>>(&script, Again::May).await;
        let oldest = asked.map_err(|error| self.failed("count the jobs of", error))?;
        counts.oldest_waiting = oldest.map(|at| at as Micros);
        Ok(counts)
    }

    async fn ended(&self, before: Micros, limit: usize) -> Result<Vec<JobId>, JobsError> {
        let (key, before, limit) = (self.key("ended"), format!("({before}"), limit.to_string());
        let range = command("ZRANGE", &[&key, "-inf", &before, "BYSCORE", "LIMIT", "0", &limit]);
        let texts: Vec<String> = self.ask("list the jobs of", range).await?;
        self.ids(&texts)
    }

    async fn endings(&self, tenant: &str, after: u64, limit: usize) -> Result<Vec<(u64, Ending)>, JobsError> {
        let (key, from) = (self.key(&format!("endings:{tenant}")), format!("({after}-0"));
        self.endings_of(command("XRANGE", &[&key, &from, "+", "COUNT", &limit.to_string()])).await
    }

    async fn newest_ending(&self, tenant: &str) -> Result<u64, JobsError> {
        let key = self.key(&format!("endings:{tenant}"));
        let newest = self.endings_of(command("XREVRANGE", &[&key, "+", "-", "COUNT", "1"])).await?;
        Ok(newest.first().map_or(0, |(number, _)| *number))
    }

    async fn greet(&self, name: &str, status: Option<&WorkerStatus>) -> Result<(), JobsError> {
        let (key, jobs, group) = (self.key("crew"), self.key("jobs"), self.key("workers"));
        if let Some(status) = status {
            let set = command("HSET", &[&key, name, &text::of(status)]);
            return self.ask::<i64>("write to", set).await.map(|_| ());
        }
        self.ask::<i64>("write to", command("HDEL", &[&key, name])).await?;
        // A consumer that is removed takes what is pending for it along.
        let held: i64 = self.ask("write to", command("SCARD", &[&self.key(&format!("held:{name}"))])).await?;
        if held == 0 {
            self.ask::<i64>("write to", command("XGROUP", &["DELCONSUMER", &jobs, &group, name])).await?;
        }
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>, JobsError> {
        let texts: Vec<String> =
            self.ask("read the workers of", command("HVALS", &[&self.key("crew")])).await?;
        let read = |text: &String| {
            serde_json::from_str(text).map_err(|error| self.damaged("a worker".to_owned(), error))
        };
        texts.iter().map(read).collect()
    }
}

/// What a server that is set up like this cannot promise.
fn doubts(server: &str, set: &BTreeMap<String, String>) -> Vec<String> {
    let is = |name: &str, value: &str| set.get(name).is_some_and(|set| set == value);
    let mut doubts = Vec::new();
    if !is("appendonly", "yes") {
        doubts.push(format!("Redis at {server} loses jobs when it stops; `appendonly yes` keeps them"));
    } else if !is("appendfsync", "always") {
        doubts.push(format!(
            "Redis at {server} may lose its last second of jobs in a power cut; `appendfsync always` keeps it"
        ));
    }
    if !is("maxmemory", "0") && !is("maxmemory-policy", "noeviction") {
        doubts.push(format!(
            "Redis at {server} drops jobs when its memory is full; `maxmemory-policy noeviction` refuses new ones instead"
        ));
    }
    doubts
}

/// A change as the script reads it.
fn written(change: &Change) -> String {
    let sources: Vec<Value> = change
        .sources
        .iter()
        .map(|source| {
            let body = text::of(&source.source);
            let (read, version) = (source.read.to_string(), version_of(&body).to_string());
            json!({ "key": source.key, "read": read, "version": version, "body": body })
        })
        .collect();
    let jobs: Vec<Value> = change.jobs.iter().map(written_job).collect();
    let mut all = json!({
        "jobs": jobs,
        "sources": sources,
        "entering": {},
        "entries_max": ENTRIES_MAX.to_string(),
        "letters_max": LETTERS_MAX.to_string(),
        "events_max": EVENTS_KEPT_MAX.to_string(),
        "endings_max": ENDINGS_KEPT_MAX.to_string(),
        "expires_s": EXPIRES_S.to_string(),
    });
    if let Some((lane, at)) = &change.served {
        all["served"] = json!({ "lane": lane, "at": at.to_string() });
    }
    all.to_string()
}

fn written_job(job: &JobChange) -> Value {
    let read = job.read.map_or_else(String::new, |read| read.to_string());
    let Some(record) = &job.record else {
        return json!({ "id": job.id, "read": read, "gone": true, "events": [] });
    };
    let events: Vec<BTreeMap<&str, String>> = job
        .events
        .iter()
        .map(|event| BTreeMap::from([("number", event.number.to_string()), ("body", text::of(event))]))
        .collect();
    let body = text::of(&record.body);
    let (shelf, at, worker) = match record.shelf() {
        Shelf::Held { until, worker } => ("held", until, worker),
        Shelf::Due(at) => ("due", at, String::new()),
        Shelf::Ready => ("ready", 0, String::new()),
        Shelf::Blocked => ("blocked", 0, String::new()),
        Shelf::Ended(at) => ("ended", at, String::new()),
    };
    let mut written = json!({
        "id": job.id,
        "read": read,
        "version": version_of(&body).to_string(),
        "state": record.body.state,
        "shelf": shelf,
        "at": at.to_string(),
        "worker": worker,
        "lane": record.spec.lane(),
        "tenant": record.spec.options.tenant,
        "submitted": record.body.submitted.to_string(),
        "stage": record.body.stage,
        "percent": record.body.progress.percent.to_string(),
        "attempts": record.body.attempts.to_string(),
        "why": record.body.why,
        "ended": record.body.ended.is_some(),
        "body": body,
        "events": events,
    });
    if job.read.is_none() {
        written["spec"] = text::of(&*record.spec).into();
    }
    if let Some(first) = job.ending() {
        written["ending"] = first.to_string().into();
    }
    written
}
