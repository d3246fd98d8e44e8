//! The object store under the Delta logs: a local directory where "written" means durable.
//!
//! `object_store`'s own local store neither syncs a file nor the directory that names it, so a
//! commit could be acknowledged and be gone after a power cut. This wrapper writes aside, syncs,
//! links under the final name (which fails if the name is taken: that is Delta's put-if-absent) and
//! syncs the directory. Each step is a failpoint. Reading is passed through.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use stele_model::Faults;

use crate::error::{At, LakeError};
use crate::tables::Table;

/// The failpoints of writing one file of one table's log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogPoints {
    write: &'static str,
    sync: &'static str,
    link: &'static str,
    dir_sync: &'static str,
}

impl LogPoints {
    pub(crate) const fn of(table: Table) -> Self {
        match table {
            Table::Quarantine => Self {
                write: "lake.quarantine.log.write",
                sync: "lake.quarantine.log.sync",
                link: "lake.quarantine.log.link",
                dir_sync: "lake.quarantine.log.dir_sync",
            },
            Table::Files => Self {
                write: "lake.files.log.write",
                sync: "lake.files.log.sync",
                link: "lake.files.log.link",
                dir_sync: "lake.files.log.dir_sync",
            },
            Table::Notes => Self {
                write: "lake.notes.log.write",
                sync: "lake.notes.log.sync",
                link: "lake.notes.log.link",
                dir_sync: "lake.notes.log.dir_sync",
            },
            Table::Events => Self {
                write: "lake.events.log.write",
                sync: "lake.events.log.sync",
                link: "lake.events.log.link",
                dir_sync: "lake.events.log.dir_sync",
            },
        }
    }
}

/// A local store whose writes are durable when they return.
pub(crate) struct DurableStore {
    inner: LocalFileSystem,
    faults: Arc<dyn Faults>,
    points: LogPoints,
}

impl DurableStore {
    pub(crate) fn new(table: Table, faults: Arc<dyn Faults>) -> Self {
        Self { inner: LocalFileSystem::new(), faults, points: LogPoints::of(table) }
    }

    fn put_durably(&self, path: &FsPath, payload: &PutPayload, replace: bool) -> io::Result<()> {
        let dir = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        if !dir.is_dir() {
            fs::create_dir_all(dir)?;
            sync_dir(dir.parent().unwrap_or(dir))?;
        }
        let aside = aside(path);
        let written = self.write_aside(&aside, payload).and_then(|()| {
            self.faults.hit(self.points.link)?;
            if replace { fs::rename(&aside, path) } else { fs::hard_link(&aside, path) }
        });
        // After a rename there is nothing left to remove, and a leftover is harmless: `#` keeps it
        // out of every listing and the doctor removes it.
        let _ = fs::remove_file(&aside);
        written?;
        self.faults.hit(self.points.dir_sync)?;
        sync_dir(dir)
    }

    fn write_aside(&self, aside: &FsPath, payload: &PutPayload) -> io::Result<()> {
        // A leftover may share its inode with an entry that was linked before a crash, so it is
        // unlinked and never truncated.
        if let Err(error) = fs::remove_file(aside)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(aside)?;
        for chunk in payload {
            self.faults.hit(self.points.write)?;
            file.write_all(chunk)?;
        }
        self.faults.hit(self.points.sync)?;
        file.sync_all()
    }
}

/// How the name ends under which a file is written before it is linked. `LocalFileSystem` leaves
/// names with `#` out of its listings, so no reader of the log ever sees it.
const ASIDE: &str = "#1";

fn aside(path: &FsPath) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ASIDE);
    name.into()
}

/// What crashes left in a log's directory under such names.
pub(crate) fn asides(log_dir: &FsPath) -> Result<Vec<PathBuf>, LakeError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(log_dir).at("list", log_dir)? {
        let path = entry.at("list", log_dir)?.path();
        if path.as_os_str().as_encoded_bytes().ends_with(ASIDE.as_bytes()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &FsPath) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

impl fmt::Display for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableStore({})", self.inner)
    }
}

impl fmt::Debug for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> StoreResult<PutResult> {
        let path = self.inner.path_to_filesystem(location)?;
        let replace = match opts.mode {
            PutMode::Create => false,
            PutMode::Overwrite => true,
            PutMode::Update(_) => return Err(not_implemented("put with a condition on the old version")),
        };
        // Blocking here is meant: the lake's runtime serves this one caller.
        match self.put_durably(&path, &payload, replace) {
            Ok(()) => Ok(PutResult { e_tag: None, version: None }),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::AlreadyExists { path: path.display().to_string(), source: source.into() })
            }
            Err(source) => Err(Error::Generic { store: "DurableStore", source: source.into() }),
        }
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        // Nothing that goes through this store is large: log entries and checkpoints.
        Err(not_implemented("multipart upload"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> StoreResult<()> {
        Err(not_implemented("copy"))
    }
}

fn not_implemented(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: "DurableStore".to_owned() }
}
