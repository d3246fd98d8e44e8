//! Jobs in a file of SQLite: no service is needed, and several processes of one machine share it.
//!
//! `synchronous=FULL`: what is committed is on the disk, also after a power cut. In WAL mode that is one `fsync` a
//! transaction, and a job makes a few dozen of them in its life.

mod file;

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};
use stele_model::Micros;

use crate::error::JobsError;
use crate::home::{Asker, Change, Home, JobChange, Stored};
use crate::job::{Ending, Event, JobId, State};
use crate::limits::{ENDINGS_KEPT_MAX, EVENTS_KEPT_MAX};
use crate::record::{Record, Shelf, Source};
use crate::spec::SourceKey;
use crate::text::{self, version_of};
use crate::view::{Counts, WorkerStatus};
use file::{File, failure};

/// The first of each lane that are offered: as many workers can look at once without each wanting the same.
const HEADS_MAX: i64 = 4;

/// The ends of jobs, numbered within their tenant. Made with the first end, so that a file from before there was any
/// becomes one like all others when it is written to, and a program from before goes on with both.
const ENDINGS: &str = "CREATE TABLE IF NOT EXISTS endings (
    tenant TEXT    NOT NULL,
    number INTEGER NOT NULL,
    job    TEXT    NOT NULL,
    state  TEXT    NOT NULL,
    PRIMARY KEY (tenant, number)
) STRICT, WITHOUT ROWID";

#[derive(Debug)]
pub(crate) struct Sqlite {
    file: File,
}

impl Sqlite {
    /// A queue in that file, which is opened when it is needed.
    pub(crate) fn at(file: &Path) -> Self {
        Self { file: File::new(file) }
    }

    /// The same, opened.
    pub(crate) async fn open(file: &Path) -> Result<Self, JobsError> {
        let home = Self::at(file);
        home.file.reading().await?;
        Ok(home)
    }

    fn failed(&self, what: &'static str, error: sqlx::Error) -> JobsError {
        failure(self.file.path(), what, &error)
    }

    fn damaged(&self, what: String, reason: impl ToString) -> JobsError {
        JobsError::Damaged { what, home: self.name(), reason: reason.to_string() }
    }

    fn stored(&self, row: &SqliteRow) -> Result<Stored, JobsError> {
        let id: String = row.get("id");
        let read = || -> Result<Record, String> {
            let id = JobId::from_str(&id).map_err(|error| error.to_string())?;
            let spec = serde_json::from_str(row.get("spec")).map_err(|error| error.to_string())?;
            let body = serde_json::from_str(row.get("body")).map_err(|error| error.to_string())?;
            Ok(Record { id, spec: Arc::new(spec), body })
        };
        let record = read().map_err(|reason| self.damaged(format!("job {id}"), reason))?;
        Ok(Stored { record, version: row.get::<i64, _>("version").cast_unsigned() })
    }

    fn id(&self, text: &str) -> Result<JobId, JobsError> {
        JobId::from_str(text).map_err(|error| self.damaged(format!("job {text}"), error))
    }

    fn ids(&self, texts: Vec<String>) -> Result<Vec<JobId>, JobsError> {
        texts.iter().map(|text| self.id(text)).collect()
    }
}

#[async_trait]
impl Home for Sqlite {
    fn name(&self) -> String {
        self.file.name()
    }

    async fn check(&self) -> Result<(), JobsError> {
        self.file.check().await
    }

    async fn examine(&self) -> Result<(), JobsError> {
        self.file.examine().await
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Stored>>, JobsError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
            "SELECT id, version, spec, body FROM jobs WHERE id IN (SELECT value FROM json_each(?1))",
        )
        .bind(json!(ids).to_string())
        .fetch_all(&self.file.reading().await?)
        .await
        .map_err(|error| self.failed("read jobs of", error))?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let stored = self.stored(row)?;
            found.insert(stored.record.id, stored);
        }
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn sources(&self, keys: &[SourceKey]) -> Result<Vec<(Source, u64)>, JobsError> {
        let rows = sqlx::query(
            "SELECT key, version, body FROM sources WHERE key IN (SELECT value FROM json_each(?1))",
        )
        .bind(json!(keys).to_string())
        .fetch_all(&self.file.reading().await?)
        .await
        .map_err(|error| self.failed("read sources of", error))?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let key: String = row.get("key");
            let source: Source = serde_json::from_str(row.get("body"))
                .map_err(|error| self.damaged(format!("source {key}"), error))?;
            found.insert(key, (source, row.get::<i64, _>("version").cast_unsigned()));
        }
        Ok(keys.iter().map(|key| found.get(&key.0).cloned().unwrap_or_default()).collect())
    }

    async fn commit(&self, change: &Change) -> Result<bool, JobsError> {
        self.file.write("write to", async |tx| apply(tx, change).await).await
    }

    async fn candidates(&self, asker: &Asker<'_>) -> Result<Vec<JobId>, JobsError> {
        let limit = i64::try_from(asker.limit).unwrap_or(i64::MAX);
        let texts = sqlx::query_scalar(
            "SELECT id FROM (SELECT id, 0 AS class, at AS rank, 0 AS place, '' AS lane FROM jobs WHERE worker = ?1
               UNION ALL SELECT id, 1, at, 0, '' FROM jobs WHERE shelf = 'held' AND at <= ?2
               UNION ALL SELECT id, 2, at, 0, '' FROM jobs WHERE shelf = 'due' AND at <= ?2
               UNION ALL SELECT jobs.id, 3, lanes.served,
                   ROW_NUMBER() OVER (PARTITION BY jobs.lane ORDER BY jobs.at, jobs.id), jobs.lane
                 FROM lanes JOIN jobs ON jobs.id IN (SELECT id FROM jobs WHERE lane = lanes.lane AND shelf = 'ready'
                   ORDER BY at, id LIMIT ?3))
             GROUP BY id ORDER BY MIN(class), place, rank, lane, id LIMIT ?4",
        )
        .bind(asker.worker)
        .bind(asker.now)
        .bind(HEADS_MAX)
        .bind(limit)
        .fetch_all(&self.file.reading().await?)
        .await
        .map_err(|error| self.failed("look for work in", error))?;
        self.ids(texts)
    }

    async fn page(
        &self,
        tenant: Option<&str>,
        states: &[State],
        before: Option<(Micros, JobId)>,
        limit: usize,
    ) -> Result<Vec<JobId>, JobsError> {
        let (at, id) = before.map_or((Micros::MAX, "~".to_owned()), |(at, id)| (at, id.to_string()));
        let states = if states.is_empty() { &State::ALL[..] } else { states };
        let query = match tenant {
            None => {
                "SELECT id FROM jobs WHERE state IN (SELECT value FROM json_each(?1)) AND (submitted, id) < (?2, ?3)
                 ORDER BY submitted DESC, id DESC LIMIT ?4"
            }
            Some(_) => {
                "SELECT id FROM jobs INDEXED BY jobs_of_tenant
                 WHERE spec ->> '$.options.tenant' = ?5
                   AND state IN (SELECT value FROM json_each(?1)) AND (submitted, id) < (?2, ?3)
                 ORDER BY submitted DESC, id DESC LIMIT ?4"
            }
        };
        let mut query = sqlx::query_scalar(query)
            .bind(json!(states).to_string())
            .bind(at)
            .bind(id)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        if let Some(tenant) = tenant {
            query = query.bind(tenant);
        }
        let texts = query
            .fetch_all(&self.file.reading().await?)
            .await
            .map_err(|error| self.failed("list the jobs of", error))?;
        self.ids(texts)
    }

    async fn events(&self, job: JobId, after: u64, limit: usize) -> Result<Vec<Event>, JobsError> {
        let texts: Vec<String> = sqlx::query_scalar(
            "SELECT body FROM events WHERE job = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
        )
        .bind(job.to_string())
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.file.reading().await?)
        .await
        .map_err(|error| self.failed("read events of", error))?;
        let read = |text: &String| {
            serde_json::from_str(text).map_err(|error| self.damaged(format!("an event of job {job}"), error))
        };
        texts.iter().map(read).collect()
    }

    async fn counts(&self, tenant: Option<&str>, now: Micros) -> Result<Counts, JobsError> {
        let (query, oldest) = match tenant {
            None => (
                sqlx::query_as("SELECT state, COUNT(*) FROM jobs GROUP BY state"),
                // What is ready stands in its order: of a hundred thousand one is looked at.
                sqlx::query_scalar(
                    "SELECT MIN(submitted) FROM (SELECT MIN(at) AS submitted FROM jobs WHERE shelf = 'ready'
                       UNION ALL SELECT MIN(submitted) FROM jobs WHERE shelf = 'due' AND at <= ?1)",
                )
                .bind(now),
            ),
            Some(tenant) => (
                sqlx::query_as(
                    "SELECT state, COUNT(*) FROM jobs INDEXED BY jobs_of_tenant
                     WHERE spec ->> '$.options.tenant' = ?1 GROUP BY state",
                )
                .bind(tenant),
                sqlx::query_scalar(
                    "SELECT MIN(submitted) FROM (SELECT submitted FROM jobs INDEXED BY jobs_of_tenant
                       WHERE spec ->> '$.options.tenant' = ?2 AND state = 'queued'
                         AND (shelf = 'ready' OR (shelf = 'due' AND at <= ?1)) ORDER BY submitted LIMIT 1)",
                )
                .bind(now)
                .bind(tenant),
            ),
        };
        let pool = self.file.reading().await?;
        let failed = |error| self.failed("count the jobs of", error);
        let rows: Vec<(String, i64)> = query.fetch_all(&pool).await.map_err(failed)?;
        let mut counts = text::no_counts();
        for (state, count) in rows {
            let state = State::from_str(&state).map_err(|error| self.damaged("a state".to_owned(), error))?;
            counts.states.insert(state, count.cast_unsigned());
        }
        counts.oldest_waiting = oldest.fetch_one(&pool).await.map_err(failed)?;
        Ok(counts)
    }

    async fn ended(&self, before: Micros, limit: usize) -> Result<Vec<JobId>, JobsError> {
        let texts =
            sqlx::query_scalar("SELECT id FROM jobs WHERE shelf = 'ended' AND at < ?1 ORDER BY at LIMIT ?2")
                .bind(before)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.file.reading().await?)
                .await
                .map_err(|error| self.failed("list the jobs of", error))?;
        self.ids(texts)
    }

    async fn endings(&self, tenant: &str, after: u64, limit: usize) -> Result<Vec<(u64, Ending)>, JobsError> {
        let pool = self.file.reading().await?;
        let failed = |error| self.failed("read the history of", error);
        if !has_endings(&pool).await.map_err(failed)? {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT number, job, state FROM endings WHERE tenant = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
        )
        .bind(tenant)
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&pool)
        .await
        .map_err(failed)?;
        let read = |(number, job, state): (i64, String, String)| {
            let state = State::from_str(&state).map_err(|error| self.damaged("a state".to_owned(), error))?;
            Ok((number.cast_unsigned(), Ending { job: self.id(&job)?, state }))
        };
        rows.into_iter().map(read).collect()
    }

    async fn newest_ending(&self, tenant: &str) -> Result<u64, JobsError> {
        let pool = self.file.reading().await?;
        let failed = |error| self.failed("read the history of", error);
        if !has_endings(&pool).await.map_err(failed)? {
            return Ok(0);
        }
        let newest: Option<i64> =
            sqlx::query_scalar("SELECT number FROM endings WHERE tenant = ?1 ORDER BY number DESC LIMIT 1")
                .bind(tenant)
                .fetch_optional(&pool)
                .await
                .map_err(failed)?;
        Ok(newest.map_or(0, i64::cast_unsigned))
    }

    async fn greet(&self, name: &str, status: Option<&WorkerStatus>) -> Result<(), JobsError> {
        let query = match status {
            Some(status) => sqlx::query("INSERT OR REPLACE INTO workers VALUES (?1, ?2)")
                .bind(name)
                .bind(text::of(status)),
            None => sqlx::query("DELETE FROM workers WHERE name = ?1").bind(name),
        };
        let written = self.file.write("write to", async |tx| query.execute(tx).await.map(|_| true)).await;
        written.map(|_| ())
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>, JobsError> {
        let texts: Vec<String> = sqlx::query_scalar("SELECT body FROM workers")
            .fetch_all(&self.file.reading().await?)
            .await
            .map_err(|error| self.failed("read the workers of", error))?;
        let read = |text: &String| {
            serde_json::from_str(text).map_err(|error| self.damaged("a worker".to_owned(), error))
        };
        texts.iter().map(read).collect()
    }
}

/// Whether what was read was still so; if not, nothing must be committed.
async fn apply(tx: &mut SqliteConnection, change: &Change) -> Result<bool, sqlx::Error> {
    for job in &change.jobs {
        if !apply_job(tx, job).await? {
            return Ok(false);
        }
        for event in &job.events {
            sqlx::query("INSERT INTO events VALUES (?1, ?2, ?3)")
                .bind(job.id.to_string())
                .bind(event.number.cast_signed())
                .bind(text::of(event))
                .execute(&mut *tx)
                .await?;
        }
        let kept = job.events.last().map_or(0, |event| event.number.saturating_sub(EVENTS_KEPT_MAX));
        if kept > 0 {
            sqlx::query("DELETE FROM events WHERE job = ?1 AND number <= ?2")
                .bind(job.id.to_string())
                .bind(kept.cast_signed())
                .execute(&mut *tx)
                .await?;
        }
        if let (Some(first), Some(record)) = (job.ending(), &job.record) {
            note_ending(tx, first, record).await?;
        }
    }
    for source in &change.sources {
        let body = text::of(&source.source);
        let version = version_of(&body);
        // Versions are hashes, and none is 0.
        let done = sqlx::query(
            "INSERT INTO sources SELECT ?1, ?2, ?3 WHERE ?4 = 0 OR EXISTS (SELECT 1 FROM sources WHERE key = ?1)
             ON CONFLICT (key) DO UPDATE SET version = ?2, body = ?3 WHERE version = ?4",
        )
        .bind(&source.key.0)
        .bind(version.cast_signed())
        .bind(body)
        .bind(source.read.cast_signed())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() != 1 {
            return Ok(false);
        }
    }
    if let Some((lane, at)) = &change.served {
        sqlx::query("UPDATE lanes SET served = MAX(served, ?2) WHERE lane = ?1")
            .bind(lane)
            .bind(at)
            .execute(&mut *tx)
            .await?;
    }
    Ok(true)
}

/// Whether there is what keeps the ends of jobs.
async fn has_endings(pool: &SqlitePool) -> Result<bool, sqlx::Error> {
    let tables: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'endings'")
            .fetch_one(pool)
            .await?;
    Ok(tables > 0)
}

async fn note_ending(tx: &mut SqliteConnection, first: u64, record: &Record) -> Result<(), sqlx::Error> {
    let tenant = &record.spec.options.tenant;
    sqlx::query(ENDINGS).execute(&mut *tx).await?;
    sqlx::query(
        "INSERT INTO endings VALUES (?1, COALESCE((SELECT number + 1 FROM endings WHERE tenant = ?1
           ORDER BY number DESC LIMIT 1), ?2), ?3, ?4)",
    )
    .bind(tenant)
    .bind(first.cast_signed())
    .bind(record.id.to_string())
    .bind(record.body.state.name())
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "DELETE FROM endings WHERE tenant = ?1
           AND number <= (SELECT MAX(number) FROM endings WHERE tenant = ?1) - ?2",
    )
    .bind(tenant)
    .bind(ENDINGS_KEPT_MAX.cast_signed())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn apply_job(tx: &mut SqliteConnection, job: &JobChange) -> Result<bool, sqlx::Error> {
    let id = job.id.to_string();
    let read = job.read.map(u64::cast_signed);
    let Some(record) = &job.record else {
        let gone = sqlx::query("DELETE FROM jobs WHERE id = ?1 AND version = ?2")
            .bind(&id)
            .bind(read)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM events WHERE job = ?1").bind(&id).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM lanes WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.lane = lanes.lane)")
            .execute(&mut *tx)
            .await?;
        return Ok(gone.rows_affected() == 1);
    };
    let body = text::of(&record.body);
    let (shelf, at, worker) = match record.shelf() {
        Shelf::Held { until, worker } => ("held", until, Some(worker)),
        Shelf::Due(at) => ("due", at, None),
        Shelf::Ready => ("ready", record.body.submitted, None),
        Shelf::Blocked => ("blocked", record.body.submitted, None),
        Shelf::Ended(at) => ("ended", at, None),
    };
    let query = match read {
        Some(read) => sqlx::query(
            "UPDATE jobs SET version = ?2, state = ?3, shelf = ?4, at = ?5, worker = ?6, body = ?7
             WHERE id = ?1 AND version = ?8",
        )
        .bind(&id)
        .bind(version_of(&body).cast_signed())
        .bind(record.body.state.name())
        .bind(shelf)
        .bind(at)
        .bind(worker)
        .bind(body)
        .bind(read),
        None => {
            sqlx::query("INSERT OR IGNORE INTO lanes VALUES (?1, 0)")
                .bind(record.spec.lane())
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT OR IGNORE INTO jobs (id, version, state, shelf, at, worker, body, lane, submitted, spec)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )
            .bind(&id)
            .bind(version_of(&body).cast_signed())
            .bind(record.body.state.name())
            .bind(shelf)
            .bind(at)
            .bind(worker)
            .bind(body)
            .bind(record.spec.lane())
            .bind(record.body.submitted)
            .bind(text::of(&*record.spec))
        }
    };
    Ok(query.execute(&mut *tx).await?.rows_affected() == 1)
}
