//! The file of a queue: opened, opened anew when it is another one by now, and written to in a way that one failure
//! does not outlast.
//!
//! Nothing here knows what a job is.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, Executor};
use tokio::sync::Mutex;

use crate::error::JobsError;
use crate::trouble::{Trouble, plain};

const SCHEMA: &str = include_str!("schema.sql");

/// Finds the jobs of a tenant in order, with all that is counted. Not by its lane, which is no name of one tenant:
/// `a/b` is a tenant, too.
const TENANT_INDEX: &str = "CREATE INDEX IF NOT EXISTS jobs_of_tenant
    ON jobs (spec ->> '$.options.tenant', submitted, id, state)";

/// `Stel`: tells our files from other people's.
const APPLICATION: i64 = 0x5374_656c;

/// Raised when older programs could not read the file any more.
const SCHEMA_VERSION: i64 = 1;

/// Readers of one process at a time, beside one writer; more would wait for the disk.
const CONNECTIONS_MAX: u32 = 4;

/// How long one waits for the writers of other processes. A transaction takes milliseconds, so that this is a disk
/// that stands still.
const BUSY_MAX: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    open: Mutex<Option<Opened>>,
    /// Whether the last write did not work.
    failing: AtomicBool,
}

#[derive(Debug, Clone)]
struct Opened {
    pool: SqlitePool,
    /// Which file that is: its name may be another's by now.
    identity: (u64, u64),
    read_only: bool,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Write,
    /// Beside those who write it.
    Read,
    /// Where nobody can write it, not even the notes that readers leave for writers.
    ReadAlone,
}

impl File {
    /// That file, which is opened when it is needed.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: Mutex::default(), failing: AtomicBool::new(false) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> String {
        format!("the queue in {}", self.path.display())
    }

    /// Where to read. One that was removed or replaced below a running process is opened anew, since what would be
    /// written to the old one nobody would ever find.
    pub(super) async fn reading(&self) -> Result<SqlitePool, JobsError> {
        Ok(self.opened(false).await?.pool)
    }

    /// Hands a transaction to `work`, and commits if that gives `true`. Gives what `work` gave.
    pub(super) async fn write(
        &self,
        what: &'static str,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<bool, sqlx::Error>,
    ) -> Result<bool, JobsError> {
        let written = self.written(what, work).await;
        self.failing.store(written.is_err(), Ordering::Relaxed);
        written
    }

    async fn written(
        &self,
        what: &'static str,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<bool, sqlx::Error>,
    ) -> Result<bool, JobsError> {
        let wrong = |error| failure(&self.path, what, &error);
        let opened = self.opened(true).await?;
        if opened.read_only {
            return Err(self.trouble(what, Trouble::ReadOnly, Trouble::ReadOnly.to_string()));
        }
        let mut tx = opened.pool.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
        if !work(&mut *tx).await.map_err(wrong)? {
            // Dropped, it is taken back; here so that the next one need not do it.
            tx.rollback().await.map_err(wrong)?;
            return Ok(false);
        }
        tx.commit().await.map_err(wrong)?;
        Ok(true)
    }

    /// Whether it can be read and, as far as is known, written.
    pub(super) async fn check(&self) -> Result<(), JobsError> {
        let opened = self.opened(true).await?;
        if opened.read_only {
            return Err(self.trouble("write to", Trouble::ReadOnly, Trouble::ReadOnly.to_string()));
        }
        if self.failing.load(Ordering::Relaxed) {
            // A full disk takes the lock and nothing else, so something has to be written.
            self.write("write to", async |tx| tx.execute("PRAGMA user_version = 1").await.map(|_| true))
                .await?;
        }
        self.count("read").await
    }

    /// Goes through all that it holds.
    pub(super) async fn examine(&self) -> Result<(), JobsError> {
        self.check().await?;
        let pool = self.reading().await?;
        let said: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&pool)
            .await
            .map_err(|error| failure(&self.path, "read", &error))?;
        if said == "ok" { Ok(()) } else { Err(self.trouble("read", Trouble::Garbage, said)) }
    }

    async fn count(&self, what: &'static str) -> Result<(), JobsError> {
        let pool = self.reading().await?;
        let counted = pool.execute("SELECT 1 FROM workers LIMIT 1").await;
        counted.map(|_| ()).map_err(|error| failure(&self.path, what, &error))
    }

    fn trouble(&self, what: &'static str, trouble: Trouble, said: String) -> JobsError {
        JobsError::Home { what, home: self.name(), trouble, source: said.into() }
    }

    async fn opened(&self, to_write: bool) -> Result<Opened, JobsError> {
        let mut open = self.open.lock().await;
        if let Some(opened) = &*open {
            let same = identity(&self.path).is_some_and(|now| now == opened.identity);
            if same && !(to_write && opened.read_only) {
                return Ok(opened.clone());
            }
            if !same {
                tracing::warn!(
                    file = %self.path.display(),
                    "the file of the queue was removed or replaced; it is opened anew, and what waited in the old \
                     one has to be submitted again"
                );
            }
        }
        *open = None;
        let opened = self.open().await?;
        *open = Some(opened.clone());
        Ok(opened)
    }

    async fn open(&self) -> Result<Opened, JobsError> {
        let error = match self.open_as(Mode::Write).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        let unwritable = matches!(
            error,
            JobsError::Home { trouble: Trouble::ReadOnly | Trouble::Forbidden | Trouble::Other, .. }
        );
        if !unwritable || !self.path.is_file() {
            return Err(error);
        }
        for mode in [Mode::Read, Mode::ReadAlone] {
            if let Ok(opened) = self.open_as(mode).await {
                return Ok(opened);
            }
        }
        Err(error)
    }

    async fn open_as(&self, mode: Mode) -> Result<Opened, JobsError> {
        let wrong = |error| failure(&self.path, "open", &error);
        let options = SqliteConnectOptions::new().filename(&self.path).busy_timeout(BUSY_MAX);
        let options = match mode {
            Mode::Write => options
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full),
            Mode::Read => options.read_only(true),
            Mode::ReadAlone => options.read_only(true).immutable(true),
        };
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(BUSY_MAX * 2)
            // A file does not hang up, and every ping is a way to another thread and back.
            .test_before_acquire(false)
            // A commit that fails, as on a full disk, may leave a connection that believes to be in a transaction for
            // ever. The answer to the ping comes after the attempt to take it back.
            .after_release(|connection, _| {
                Box::pin(async move {
                    if connection.is_in_transaction() {
                        connection.ping().await?;
                    }
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(options)
            .await
            .map_err(wrong)?;
        self.prepare(&pool, mode).await?;
        let identity = identity(&self.path).ok_or_else(|| {
            self.trouble("open", Trouble::Disk, "it went away while it was opened".to_owned())
        })?;
        Ok(Opened { pool, identity, read_only: mode != Mode::Write })
    }

    async fn prepare(&self, pool: &SqlitePool, mode: Mode) -> Result<(), JobsError> {
        let wrong = |error| failure(&self.path, "open", &error);
        let begin = if mode == Mode::Write { "BEGIN IMMEDIATE" } else { "BEGIN" };
        let mut tx = pool.begin_with(begin).await.map_err(wrong)?;
        let application: i64 =
            sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *tx).await.map_err(wrong)?;
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *tx).await.map_err(wrong)?;
        let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema")
            .fetch_one(&mut *tx)
            .await
            .map_err(wrong)?;
        let foreign = |reason| Err(JobsError::Foreign { home: self.name(), reason });
        match (application, version, tables) {
            (APPLICATION, SCHEMA_VERSION, _) if mode == Mode::Write => {
                // One that was made before somebody asked by tenant; nothing else about it is different.
                tx.execute(TENANT_INDEX).await.map_err(wrong)?;
                return tx.commit().await.map_err(wrong);
            }
            (APPLICATION, SCHEMA_VERSION, _) => return Ok(()),
            (0, 0, 0) if mode == Mode::Write => {}
            (0, 0, 0) => return foreign("it is empty, and nothing can be written".to_owned()),
            (APPLICATION, found, _) => {
                return foreign(format!(
                    "its layout is version {found}, and this program knows {SCHEMA_VERSION}"
                ));
            }
            _ => return foreign("it is a database of another program".to_owned()),
        }
        tx.execute(SCHEMA).await.map_err(wrong)?;
        tx.execute(TENANT_INDEX).await.map_err(wrong)?;
        tx.execute("PRAGMA application_id = 1400137068; PRAGMA user_version = 1").await.map_err(wrong)?;
        tx.commit().await.map_err(wrong)
    }
}

/// What tells a file from another of the same name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}

/// An error of the library in words, and what is the matter.
pub(super) fn failure(path: &Path, what: &'static str, error: &sqlx::Error) -> JobsError {
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    let trouble = match (code, error) {
        (Some(13), _) => Trouble::Full,
        (Some(5 | 6), _) | (None, sqlx::Error::PoolTimedOut) => Trouble::Busy,
        (Some(10), _) | (None, sqlx::Error::Io(_)) => Trouble::Disk,
        (Some(11 | 26), _) => Trouble::Garbage,
        // Not allowed, read only, cannot open: the file system knows more.
        (Some(3 | 8 | 14), _) => unwritable(path),
        _ => Trouble::Other,
    };
    let said = match error {
        _ if !matches!(trouble, Trouble::Other | Trouble::Disk) => trouble.to_string(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => plain(&other.to_string()).to_owned(),
    };
    JobsError::Home { what, home: format!("the queue in {}", path.display()), trouble, source: said.into() }
}

/// Why a file cannot be opened for writing.
fn unwritable(path: &Path) -> Trouble {
    if path.is_dir() {
        return Trouble::Directory;
    }
    let is_there = path.exists();
    let tried = std::fs::OpenOptions::new().write(true).create_new(!is_there).open(path);
    if tried.is_ok() && !is_there {
        // Only to ask; what is made for it must not be taken for a queue. If it stays, it is an empty one.
        let _ = std::fs::remove_file(path);
    }
    match tried.map_err(|error| error.kind()) {
        Err(io::ErrorKind::ReadOnlyFilesystem) => Trouble::ReadOnly,
        Err(io::ErrorKind::PermissionDenied) => Trouble::Forbidden,
        Err(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Trouble::Absent,
        Err(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Trouble::Full,
        // The file may be written, and its directory not, where its neighbours have to be.
        Ok(_) => beside(path),
        Err(_) => Trouble::Other,
    }
}

/// Why nothing can be written beside a file.
fn beside(path: &Path) -> Trouble {
    let mut name = path.as_os_str().to_owned();
    name.push(".tried");
    let tried = std::fs::File::create(&name);
    if tried.is_ok() {
        // It holds nothing, and says by its name what it was.
        let _ = std::fs::remove_file(&name);
    }
    match tried.map_err(|error| error.kind()) {
        Err(io::ErrorKind::ReadOnlyFilesystem) => Trouble::ReadOnly,
        Err(io::ErrorKind::PermissionDenied) => Trouble::Forbidden,
        Err(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Trouble::Full,
        _ => Trouble::Other,
    }
}
