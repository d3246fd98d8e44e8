//! Queries that callers wrote, each answered in a process of its own kind: this program, called as
//! another command, that opens the lake and calls [`answer_sql`].
//!
//! The SQL engine counts the memory of its operators and not that of the values which functions make,
//! and it cannot be interrupted inside one of them. So what a query may take is what the operating
//! system grants its process: memory, time, the size of files. A process is kept as long as it does
//! well, since opening the lake takes a hundred times longer than a small query.
//!
//! ```text
//! tool ─► Processes ─ one line: lake, query, rows ─► answer_sql ─► engine
//!                  ◄─ one line: page or refusal ────
//! ```

mod entry;
mod page;
mod processes;

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stele_engine::lake::sql::ObjectRows;

pub(crate) use page::{Column, Page};
pub(crate) use processes::Processes;

pub use entry::answer_sql;

use crate::reply::Refusal;

/// The command that calls [`answer_sql`] on its standard input and output.
#[derive(Debug, Clone)]
pub struct SqlCommand {
    /// The program, usually this one.
    pub program: PathBuf,
    /// What makes it call [`answer_sql`].
    pub arguments: Vec<OsString>,
}

/// What a process is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) lake: OpenLake,
    pub(crate) query: String,
    /// Rows at most.
    pub(crate) rows_max: u64,
}

/// What a process opens, and keeps open for the next query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenLake {
    pub(crate) data_dir: PathBuf,
    /// Whose graph has views here.
    pub(crate) tenant: String,
    pub(crate) lake_id: String,
    pub(crate) version: u64,
    /// Version of the graph, which has views here, too, and goes on without the lake.
    pub(crate) graph: Option<u64>,
    /// What rows of help desks hold.
    pub(crate) objects: ObjectRows,
    /// Threads of the engine.
    pub(crate) threads: usize,
}

/// What it answers.
type Told = Result<Page, Refusal>;

/// Where the process with this number spills, below the directory that is there for it: two engines in
/// one directory would take each other's files for their own.
fn temp_dir(all: &std::path::Path, process: u32) -> PathBuf {
    all.join(format!("sql-{process}"))
}
