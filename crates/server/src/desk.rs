//! What the calls share: the engine, and what is dear to open, kept for the newest version of the
//! lake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use stele_engine::collecting::CollectError;
use stele_engine::discovery::view::CatalogueView;
use stele_engine::lake::sql::{Params, Sql, SqlError, SqlOptions};
use stele_engine::lake::{LakeError, Snapshot};
use stele_engine::{Cancel, Engine, EngineError};
use stele_model::error::in_full;
use stele_model::{ErrorKind, FileEntry};

use crate::jobs::Jobs;
use crate::limits::SQL_MEMORY_BYTES;
use crate::metrics::Metrics;
use crate::reply::{Cause, Refusal};
use crate::sources::Sources;
use crate::sql::{Asked, OpenLake, Page, Processes, SqlCommand};

/// The engine of one tenant, with what is open. Whoever asks here sees what that tenant has and nothing
/// of others, whether or not they share the lake.
pub(crate) struct Desk {
    pub(crate) engine: Engine,
    view: Mutex<Option<(State, Arc<CatalogueView>)>>,
    sql: Mutex<Option<(State, Sql)>>,
    processes: Arc<Processes>,
    /// The queue, where the service has one.
    pub(crate) jobs: Option<Jobs>,
    /// Which sources are this tenant's.
    pub(crate) sources: Sources,
    /// Where it is told what was asked.
    pub(crate) metrics: Arc<Metrics>,
    /// The version of the lake whose damaged lines were counted for the metrics.
    counted: Mutex<Option<State>>,
}

impl Desk {
    pub(crate) fn new(engine: Engine, sql: SqlCommand) -> Self {
        let processes = Arc::new(Processes::new(sql, engine.sql_temp_dir()));
        let metrics = Arc::default();
        Self {
            engine,
            view: Mutex::default(),
            sql: Mutex::default(),
            processes,
            jobs: None,
            sources: Sources::default(),
            metrics,
            counted: Mutex::default(),
        }
    }

    /// The same, telling these what was asked.
    pub(crate) fn counting(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// The same, with a queue.
    pub(crate) fn with_jobs(self, jobs: Option<Jobs>) -> Self {
        Self { jobs, ..self }
    }

    /// The same, with sources.
    pub(crate) fn with_sources(self, sources: Sources) -> Self {
        Self { sources, ..self }
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot, Refusal> {
        Ok(self.engine.snapshot()?)
    }

    /// The catalogue of a snapshot. Whoever comes while it is made waits instead of making another.
    pub(crate) fn view(&self, snapshot: &Snapshot, call: &Call) -> Result<Arc<CatalogueView>, Refusal> {
        let mut kept = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((state, view)) = &*kept
            && *state == state_of(snapshot)
        {
            return Ok(Arc::clone(view));
        }
        let view = Arc::new(self.engine.own_catalogue(snapshot, &call.cancel())?.view());
        *kept = Some((state_of(snapshot), Arc::clone(&view)));
        Ok(view)
    }

    /// Whether the damaged lines of this version were counted for the metrics.
    pub(crate) fn counted_reasons(&self, snapshot: &Snapshot) -> bool {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) == Some(state_of(snapshot))
    }

    /// Notes that they were.
    pub(crate) fn note_reasons(&self, snapshot: &Snapshot) {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(state_of(snapshot));
    }

    /// The inputs of this tenant.
    pub(crate) fn inputs(&self, snapshot: &Snapshot) -> Result<Vec<FileEntry>, Refusal> {
        Ok(self.engine.own(snapshot.files().map_err(EngineError::from)?))
    }

    /// Records of this tenant that are in the lake.
    pub(crate) fn records(&self, snapshot: &Snapshot) -> Result<u64, Refusal> {
        Ok(self.engine.own_records(snapshot)?)
    }

    /// The first rows of a query that a caller wrote.
    pub(crate) fn query(
        &self,
        snapshot: &Snapshot,
        call: &Call,
        query: &str,
        rows_max: u64,
    ) -> Result<Page, Refusal> {
        let lake = OpenLake {
            data_dir: self.engine.settings().data_dir.clone(),
            tenant: self.engine.settings().tenant.clone(),
            lake_id: snapshot.lake_id().to_owned(),
            version: snapshot.version(),
            graph: self.engine.graph(snapshot)?.map(|graph| graph.version().version),
            objects: self.engine.object_rows(),
            threads: self.engine.threads(),
        };
        self.processes.answer(&Asked { lake, query: query.to_owned(), rows_max }, call)
    }

    /// A snapshot open for queries of this program, which end with the call.
    pub(crate) fn sql(&self, snapshot: &Snapshot, call: &Call) -> Result<Sql, Refusal> {
        let mut kept = self.sql.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(&*kept, Some((state, _)) if *state == state_of(snapshot)) {
            let options = SqlOptions {
                memory_limit: SQL_MEMORY_BYTES,
                threads: self.engine.threads(),
                temp_dir: self.engine.sql_temp_dir(),
            };
            *kept = Some((state_of(snapshot), self.engine.own_sql(snapshot, &options)?));
        }
        let Some((_, sql)) = &*kept else { return Err(Refusal::new("The lake cannot be opened for SQL.")) };
        let own = sql.try_clone()?;
        let canceller = own.canceller();
        call.at_stop(move || canceller.cancel());
        Ok(own)
    }
}

/// Which lake, and which version of it: one that was made anew has the same numbers.
type State = (String, u64);

fn state_of(snapshot: &Snapshot) -> State {
    (snapshot.lake_id().to_owned(), snapshot.version())
}

/// The rows of a query of this program, which asks for few of them.
pub(crate) fn rows(sql: &Sql, text: &str, params: &Params) -> Result<Vec<Vec<Option<String>>>, SqlError> {
    let mut all = Vec::new();
    sql.query(text, params)?.each_text(|row| {
        all.push(row);
        Ok::<(), SqlError>(())
    })?;
    Ok(all)
}

/// One call, as the thread sees it that works on it.
#[derive(Default)]
pub(crate) struct Call {
    stopped: AtomicBool,
    stops: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl Call {
    /// Whether the time is over or the caller has gone.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Ends the work as soon as it can be ended.
    pub(crate) fn stop(&self) {
        // The list is held meanwhile, so that what is added at this moment is not missed.
        let stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        self.stopped.store(true, Ordering::SeqCst);
        stops.iter().for_each(|stop| stop());
    }

    /// What the engine looks at, which is asked to stop with the call.
    pub(crate) fn cancel(&self) -> Arc<Cancel> {
        let cancel = Arc::new(Cancel::default());
        let of_call = Arc::clone(&cancel);
        self.at_stop(move || of_call.cancel());
        cancel
    }

    /// Also calls `stop` when the call is stopped, at once if it was.
    pub(crate) fn at_stop(&self, stop: impl Fn() + Send + 'static) {
        let mut stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_stopped() {
            stop();
        }
        stops.push(Box::new(stop));
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        let what = match &error {
            EngineError::Lake(LakeError::NoLake { .. }) => "There is no lake in the data directory.",
            EngineError::Lake(_) => "The lake cannot be read.",
            EngineError::Sql(_) => "The query was refused or failed.",
            EngineError::Index(_) => "The index cannot answer.",
            EngineError::NoGraph => "There is no graph of this lake yet.",
            EngineError::Collect(CollectError::Stopped { .. }) => "The source is being collected.",
            EngineError::Collect(CollectError::Sources { .. }) => "The sources cannot be read.",
            EngineError::Collect(_) => "The source cannot do that.",
            EngineError::Helpdesk(_) => "Nothing was removed.",
            EngineError::Backup { .. } => "Nothing was removed: the backup cannot be written.",
            EngineError::NotListening { .. } => "The capture cannot be told that.",
            EngineError::UnknownName { .. } => "Nothing in the graph has that name.",
            EngineError::UnknownInput { .. } | EngineError::AmbiguousInput { .. } => {
                "No single input of the lake has that name."
            }
            _ if error.kind() == ErrorKind::Cancelled => "The question took too long and was ended.",
            _ => "The question cannot be answered.",
        };
        let hint = match (&error, error.kind()) {
            (EngineError::Lake(LakeError::NoLake { .. }), _) => {
                "have `stele ingest FILE… --data-dir DIR` run, and this server started with that --data-dir"
            }
            (EngineError::Index(_), _) => {
                "have `stele index build` run; explain_field, find_examples and sql need no index"
            }
            (EngineError::UnknownInput { .. } | EngineError::AmbiguousInput { .. }, _) => {
                "a source as it stands in `source` of another result, or SELECT uri FROM files"
            }
            (EngineError::NoGraph, _) => "have `stele graph build` run; search and sql need no graph",
            (EngineError::UnknownName { .. }, _) => {
                "a name as SELECT kind, name FROM entities lists it, or an id of another result"
            }
            (EngineError::Collect(CollectError::Stopped { .. }), _) => {
                "the same again when that is over; POST /api/jobs/ID/control ends a job that collects it"
            }
            (EngineError::Helpdesk(_), _) => {
                "the same call without `confirm`: it shows what goes, and how the words are formed"
            }
            (EngineError::Collect(_), _) => "docs/guide/sources.md; `stele sources list` names what is wrong",
            (EngineError::NotListening { .. }, _) => "a capture that GET /api/captures lists as running",
            (EngineError::Search(_), _) => {
                "a shorter question in plain words, arm `text` or `hybrid`, or explain_field with a name"
            }
            (_, ErrorKind::Retry) => "the same call again in a moment",
            _ => "have `stele doctor` run: it says what is wrong",
        };
        let cause = match (&error, error.kind()) {
            (EngineError::Sql(error), _) => cause_of(error),
            (EngineError::Helpdesk(_), _) => Cause::Forbidden,
            (EngineError::UnknownName { .. } | EngineError::UnknownInput { .. }, _) => Cause::Missing,
            (EngineError::NotListening { is_there: false, .. }, _) => Cause::Missing,
            (EngineError::NotListening { .. } | EngineError::Collect(CollectError::Stopped { .. }), _) => {
                Cause::Changed
            }
            (EngineError::AmbiguousInput { .. } | EngineError::Search(_), ErrorKind::Fix) => Cause::Asked,
            (_, ErrorKind::Cancelled) => Cause::Limit,
            (_, ErrorKind::Retry) => Cause::Busy,
            (_, ErrorKind::Fix | ErrorKind::Config) => Cause::Unavailable,
            (_, ErrorKind::Report) => Cause::Failed,
        };
        Self::new(what).because(cause).why(in_full(&error)).hint(hint)
    }
}

fn cause_of(error: &SqlError) -> Cause {
    match error {
        SqlError::Cancelled | SqlError::Memory { .. } => Cause::Limit,
        SqlError::Forbidden { .. } => Cause::Forbidden,
        _ => Cause::Asked,
    }
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        let (what, hint) = match &error {
            SqlError::Cancelled => {
                ("The query took too long and was ended.", "a narrower WHERE, fewer rows, or a count first")
            }
            SqlError::Unknown { .. } | SqlError::Syntax { .. } => (
                "The query makes no sense.",
                "SELECT * FROM help lists views and macros, DESCRIBE events its columns",
            ),
            SqlError::Forbidden { .. } => ("The query was refused.", "one SELECT over the views of the lake"),
            SqlError::Memory { .. } => (
                "The query needs too much memory.",
                "fewer columns (raw is the large one), or a narrower WHERE",
            ),
            SqlError::Parameter(_) => ("The query has parameters.", "values written into the query"),
            _ => ("The query failed.", "SELECT * FROM help lists views and macros"),
        };
        Self::new(what).because(cause_of(&error)).why(in_full(&error)).hint(hint)
    }
}
