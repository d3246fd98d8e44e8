//! How is the lake asked? SQL over one snapshot, answered as a stream of Arrow batches.
//!
//! [`Sql::open`] hands the parts of a snapshot to an engine in memory as views, adds the helper
//! views and macros of `docs/guide/sql.md`, and then closes every door: afterwards the engine can
//! open those parts and its own temporary directory, and nothing else. Nothing here writes to the
//! lake, and nothing here prints.
//!
//! ```no_run
//! # use stele_lake::Snapshot;
//! # use stele_lake::sql::{Params, Sql, SqlOptions, Tables};
//! # fn count(snapshot: &Snapshot, options: &SqlOptions) -> Result<usize, Box<dyn std::error::Error>> {
//! let sql = Sql::open(&Tables::of(snapshot)?, options)?;
//! let mut rows = sql.query("SELECT * FROM episode($1)", &Params::positional(["some-game"]))?;
//! let mut count = 0;
//! while let Some(batch) = rows.next_batch()? {
//!     count += batch.num_rows();
//! }
//! # Ok(count)
//! # }
//! ```

mod derived;
mod error;
mod guard;
mod objects;
pub mod output;
mod query;
mod views;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use duckdb::{Config, Connection, InterruptHandle};
use stele_model::{FileEntry, FileId};

use crate::error::{At, LakeError};
use crate::part::PartInfo;
use crate::snapshot::{Pruned, Snapshot};
use crate::tables::NULL_PARTITION;

pub use derived::{Derived, DerivedPart, Held};
pub use error::SqlError;
pub use objects::ObjectRows;
pub use query::{Column, Param, Params, Rows, Shape};

/// What SQL needs to know about a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Parts of `events`.
    pub events: Vec<Part>,
    /// Parts of `quarantine`.
    pub quarantine: Vec<PathBuf>,
    /// The newest entry of every input.
    pub files: Vec<FileEntry>,
    /// Rows that are gone from the lake.
    pub pruned: Vec<Pruned>,
    /// Tables that follow from the lake.
    pub derived: Vec<Derived>,
    /// What rows of things of help desks hold beside their keys.
    pub objects: ObjectRows,
    /// The only tenant whose rows are there; those of all if none is named.
    pub tenant: Option<String>,
}

impl Tables {
    /// The tables of a snapshot.
    ///
    /// # Errors
    ///
    /// If a part of `files` cannot be read, or the working directory is gone.
    pub fn of(snapshot: &Snapshot) -> Result<Self, LakeError> {
        // The engine is told absolute paths, so that it opens the same file whatever it thinks the
        // working directory is.
        let absolute = |part: &PartInfo| std::path::absolute(&part.path).at("find", &part.path);
        let event = |part: &PartInfo| {
            Ok(Part {
                path: absolute(part)?,
                doc_type: part.partition("doc_type").unwrap_or(NULL_PARTITION).to_owned(),
                date: part.partition("date").map(str::to_owned),
            })
        };
        Ok(Self {
            events: snapshot.event_parts().iter().map(event).collect::<Result<_, LakeError>>()?,
            quarantine: snapshot.quarantine_parts().iter().map(absolute).collect::<Result<_, _>>()?,
            files: snapshot.files()?,
            pruned: snapshot.pruned()?,
            derived: Vec::new(),
            objects: ObjectRows::default(),
            tenant: None,
        })
    }

    /// The same, with nothing of other tenants: neither rows nor inputs.
    #[must_use]
    pub fn only(mut self, tenant: &str) -> Self {
        self.files.retain(|file| file.tenant == tenant);
        let inputs: HashSet<FileId> = self.files.iter().map(|file| file.file_id).collect();
        self.pruned.retain(|one| inputs.contains(&one.file_id));
        self.tenant = Some(tenant.to_owned());
        self
    }
}

/// One Parquet file of `events`, which lies in `…/doc_type=X/date=Y/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it lies, as an absolute path.
    pub path: PathBuf,
    /// Value of its partition column `doc_type`.
    pub doc_type: String,
    /// Value of its partition column `date`, if it has one.
    pub date: Option<String>,
}

/// How much of the machine a query may use.
#[derive(Debug, Clone)]
pub struct SqlOptions {
    /// Bytes of memory that the engine may hold; what does not fit goes to `temp_dir`.
    pub memory_limit: u64,
    /// Threads of the engine. One thread also makes sums of floats the same in every run.
    pub threads: usize,
    /// Where the engine may spill. It is made when it is needed and emptied by the engine.
    pub temp_dir: PathBuf,
}

/// A snapshot of the lake, open for questions.
pub struct Sql {
    connection: Connection,
    names: Arc<Names>,
    cancelled: Arc<AtomicBool>,
    /// Files are opened as queries come to them, so they have to stay until the last one has ended.
    held: Vec<Held>,
}

/// What a query may name.
#[derive(Debug)]
struct Names {
    views: Vec<String>,
    table_macros: Vec<String>,
    memory_limit: String,
}

impl Sql {
    /// Opens the parts of a snapshot for questions.
    ///
    /// # Errors
    ///
    /// If a part lies elsewhere than its partition says, or the engine refuses an option.
    pub fn open(tables: &Tables, options: &SqlOptions) -> Result<Self, SqlError> {
        let memory_limit = format!("{}B", options.memory_limit.max(MEMORY_BYTES_MIN));
        let connection = configure(options, &memory_limit)?;
        let parts = views::create(&connection, tables)?;
        lock(&connection, &parts)?;
        let names = Names {
            views: list(&connection, VIEWS)?,
            table_macros: list(&connection, TABLE_MACROS)?,
            memory_limit,
        };
        let held = tables.derived.iter().map(|table| table.held.clone()).collect();
        Ok(Self { connection, names: Arc::new(names), cancelled: Arc::default(), held })
    }

    /// Another door to the same open snapshot, with its own [`Canceller`]: cheap, so that every
    /// thread may have one.
    ///
    /// # Errors
    ///
    /// If the engine refuses another connection.
    pub fn try_clone(&self) -> Result<Self, SqlError> {
        let connection = self.connection.try_clone().map_err(engine("open another connection"))?;
        let (names, held) = (Arc::clone(&self.names), self.held.clone());
        Ok(Self { connection, names, cancelled: Arc::default(), held })
    }

    /// Runs one statement that reads. The rows arrive as they are asked for, so memory does not
    /// grow with their number.
    ///
    /// # Errors
    ///
    /// If the text is no single reading statement, names what does not exist, lacks a parameter, or
    /// fails while its first rows are made.
    pub fn query(&self, text: &str, params: &Params) -> Result<Rows<'_>, SqlError> {
        let text = guard::check(&self.connection, text, &self.names.table_macros)?;
        Rows::start(self, text.into_owned(), params)
    }

    /// The rows of a query in a total order: by all columns, from left to right.
    pub(crate) fn query_in_order(&self, text: &str, params: &Params) -> Result<Rows<'_>, SqlError> {
        guard::check(&self.connection, text, &self.names.table_macros)?;
        let text = text.trim_end().trim_end_matches(';');
        self.query(&format!("SELECT * FROM (\n{text}\n) AS slice ORDER BY ALL"), params)
    }

    /// A handle with which another thread ends the running query, and every later one, of this
    /// [`Sql`].
    pub fn canceller(&self) -> Canceller {
        Canceller { handle: self.connection.interrupt_handle(), cancelled: Arc::clone(&self.cancelled) }
    }

    /// Names of the views, in alphabetical order.
    pub fn views(&self) -> &[String] {
        &self.names.views
    }
}

/// Ends queries from another thread.
#[derive(Clone)]
pub struct Canceller {
    handle: Arc<InterruptHandle>,
    cancelled: Arc<AtomicBool>,
}

impl Canceller {
    /// Ends the running query and refuses later ones, so that a cancel that comes between two
    /// queries is not lost.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.handle.interrupt();
    }
}

/// With less than this the engine cannot read one row group of a part.
const MEMORY_BYTES_MIN: u64 = 64 << 20;

const VIEWS: &str = "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL";
const TABLE_MACROS: &str = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE NOT internal AND function_type = 'table_macro' ORDER BY ALL";

/// An engine in memory that loads nothing and remembers nothing.
fn configure(options: &SqlOptions, memory_limit: &str) -> Result<Connection, SqlError> {
    let failed = engine("start");
    let threads = i64::try_from(options.threads.max(1)).unwrap_or(1);
    let temp_dir = utf8(&options.temp_dir)?;
    let config = Config::default()
        .max_memory(memory_limit)
        .and_then(|config| config.threads(threads))
        .and_then(|config| config.enable_autoload_extension(false))
        .and_then(|config| config.with("autoinstall_known_extensions", "false"))
        .and_then(|config| config.with("allow_community_extensions", "false"))
        .and_then(|config| config.with("allow_persistent_secrets", "false"))
        .and_then(|config| config.with("temp_directory", temp_dir))
        // The system keeps files in memory already. This one would grow with the lake, up to the limit.
        .and_then(|config| config.with("enable_external_file_cache", "false"))
        .map_err(&failed)?;
    let connection = Connection::open_in_memory_with_flags(config).map_err(&failed)?;
    connection.execute_batch("SET GLOBAL TimeZone = 'UTC'").map_err(&failed)?;
    Ok(connection)
}

/// Closes every door but the parts, for good.
fn lock(connection: &Connection, parts: &[String]) -> Result<(), SqlError> {
    let parts: Vec<String> = parts.iter().map(|path| views::literal(path)).collect();
    connection
        .execute_batch(&format!(
            "SET allowed_paths = [{}]; SET enable_external_access = false; SET lock_configuration = true;",
            parts.join(", ")
        ))
        .map_err(engine("lock itself"))
}

fn list(connection: &Connection, text: &str) -> Result<Vec<String>, SqlError> {
    let failed = engine("list its names");
    let mut statement = connection.prepare(text).map_err(&failed)?;
    let names = statement.query_map([], |row| row.get(0)).map_err(&failed)?;
    names.collect::<Result<_, _>>().map_err(failed)
}

fn engine(what: &'static str) -> impl Fn(duckdb::Error) -> SqlError {
    move |error| {
        let detail = error.to_string();
        let class =
            ["IO Error: ", "Invalid Input Error: "].iter().find_map(|class| detail.strip_prefix(class));
        match class.map(|said| said.lines().next().unwrap_or_default()) {
            Some(said) if error::names_part(said) => SqlError::Part(said.to_owned()),
            _ => SqlError::Engine { what, detail },
        }
    }
}

fn utf8(path: &std::path::Path) -> Result<&str, SqlError> {
    path.to_str().ok_or_else(|| SqlError::Layout(format!("the path {} is not UTF-8", path.display())))
}
