//! An index in a directory: where reading and writing begin.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use stele_model::{Faults, NoFaults};
use tokio::runtime::Runtime;

use crate::error::{At, IndexError};
use crate::pointer::{Current, Pointer, Spec};
use crate::reader::Reader;
use crate::rebuild::Rebuild;
use crate::writer::Writer;

/// Threads that drive the library's I/O. It needs a second one while the first waits; the heavy
/// work runs in the library's own pool, one thread a core.
const RUNTIME_THREADS: usize = 2;

/// Stack of such a thread. Plans of the library nest deep where it is built without optimisation.
const THREAD_STACK_BYTES: usize = 8 << 20;

/// What is kept of indexes between queries. An index of 100,000 vectors of 384 numbers takes about
/// 60 MB; what does not fit is read again.
const INDEX_CACHE_BYTES: usize = 512 << 20;

/// What is kept of manifests and file footers.
const METADATA_CACHE_BYTES: usize = 64 << 20;

/// Times that a reader looks at the pointer again because the version it named was removed between
/// the look and the opening. A removal takes a swap before it, so twice in a row is strange already.
const OPEN_TRIES: usize = 3;

/// What every part needs.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    runtime: Arc<Runtime>,
    pub(crate) session: Arc<lancedb::Session>,
    pub(crate) faults: Arc<dyn Faults>,
}

impl Home {
    /// The same with nothing in memory of what was read before.
    pub(crate) fn cold(&self) -> Self {
        Self { session: session(), ..self.clone() }
    }

    /// Drives one call of the library to its end.
    ///
    /// Where a file is damaged the library may panic in the middle of decoding it. That is an error
    /// like any other to whoever asked, and must not end a program that serves others too.
    pub(crate) fn call<T, E>(
        &self,
        what: &'static str,
        path: &Path,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, IndexError>
    where
        Result<T, E>: At<T>,
    {
        // Futures of the library are large; on the heap they do not add up on the stack.
        let call = Box::pin(call);
        match catch_unwind(AssertUnwindSafe(|| self.runtime.block_on(call))) {
            Ok(result) => result.at(what, path),
            Err(panic) => {
                let words = panic.downcast_ref::<String>().map(String::as_str);
                let words =
                    words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
                Err(IndexError::Lance {
                    what,
                    path: path.to_path_buf(),
                    detail: format!("the library gave up, as it does on a damaged file: {words}"),
                    no_room: false,
                })
            }
        }
    }

    pub(crate) fn hit(&self, point: &'static str) -> Result<(), IndexError> {
        self.faults.hit(point).at("write to the index at", &self.dir)
    }
}

/// What is kept between queries, empty.
fn session() -> Arc<lancedb::Session> {
    Arc::new(lancedb::Session::new(INDEX_CACHE_BYTES, METADATA_CACHE_BYTES, Arc::default()))
}

/// An index. Cheap to open: nothing is read before a reader or a writer is asked for.
///
/// Its calls block, and must not be made from inside an async runtime's worker thread.
#[derive(Clone)]
pub struct Index {
    pub(crate) home: Home,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("dir", &self.home.dir).finish_non_exhaustive()
    }
}

impl Index {
    /// The index in a directory, which the first [`Index::writer`] creates if need be.
    ///
    /// # Errors
    ///
    /// When the path cannot be made absolute, or no thread can be started.
    pub fn open(dir: &Path, faults: Arc<dyn Faults>) -> Result<Self, IndexError> {
        let dir = std::path::absolute(dir).at("find", dir)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_name("stele-index")
            .thread_stack_size(THREAD_STACK_BYTES)
            .enable_all()
            .build()
            .at("start threads for", &dir)?;
        Ok(Self { home: Home { dir, runtime: Arc::new(runtime), session: session(), faults } })
    }

    /// The index in a directory that has one.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoIndex`] where there is none.
    pub fn open_existing(dir: &Path) -> Result<Self, IndexError> {
        let index = Self::open(dir, Arc::new(NoFaults))?;
        if index.exists() { Ok(index) } else { Err(index.none()) }
    }

    /// Whether there is an index.
    pub fn exists(&self) -> bool {
        Current::path(&self.home.dir).exists()
    }

    /// The directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.home.dir
    }

    /// What there is: one entry a model, in the order of their names.
    ///
    /// # Errors
    ///
    /// When the pointer file cannot be read.
    pub fn pointers(&self) -> Result<Vec<Pointer>, IndexError> {
        Ok(Current::load(&self.home.dir)?.unwrap_or_default().indexes)
    }

    /// A reader of the index that answers when nobody names a model: the one that was built first,
    /// until a rebuild ends or [`Writer::take_over`] is called.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoIndex`] where there is none; otherwise what opening it met.
    pub fn reader(&self) -> Result<Reader, IndexError> {
        self.read(&|current| self.answering(current))
    }

    /// What [`Index::reader`] would read, without opening it.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoIndex`] where there is none, or when the pointer file cannot be read.
    pub fn pointer(&self) -> Result<Pointer, IndexError> {
        self.answering(&Current::load(&self.home.dir)?.ok_or_else(|| self.none())?)
    }

    /// When a version last took the place of another, for whoever keeps answers; `None` where there is none.
    pub fn changed(&self) -> Option<SystemTime> {
        std::fs::metadata(Current::path(&self.home.dir)).and_then(|file| file.modified()).ok()
    }

    fn answering(&self, current: &Current) -> Result<Pointer, IndexError> {
        let key = current.answers.as_deref().unwrap_or_default();
        current.find(key).or(current.indexes.first()).cloned().ok_or_else(|| self.none())
    }

    /// A reader of the index that was made in this way.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoModel`] if nothing was made with this model, [`IndexError::Mismatch`] if
    /// something was but in another way.
    pub fn reader_of(&self, spec: &Spec) -> Result<Reader, IndexError> {
        self.read(&|current| match self.matching(current, spec)? {
            Some(pointer) => Ok(pointer.clone()),
            None => Err(IndexError::NoModel {
                path: self.home.dir.clone(),
                asked: spec.in_words(),
                there: current.in_words(),
            }),
        })
    }

    /// Takes the writer lock, creates what is not there, and takes back what a writer before it did
    /// not finish.
    ///
    /// # Errors
    ///
    /// [`IndexError::Busy`] while another one writes, [`IndexError::Mismatch`] if what is there was
    /// made in another way; otherwise what recovery met.
    pub fn writer(&self, spec: &Spec) -> Result<Writer, IndexError> {
        Writer::open(self, spec)
    }

    /// Builds a version aside while the old one answers, or goes on with one that was not finished.
    ///
    /// # Errors
    ///
    /// [`IndexError::Busy`] while another one writes; otherwise what the disk says.
    pub fn rebuild(&self, spec: &Spec) -> Result<Rebuild, IndexError> {
        Rebuild::open(self, spec)
    }

    /// The entry that was made in this way.
    pub(crate) fn matching<'a>(
        &self,
        current: &'a Current,
        spec: &Spec,
    ) -> Result<Option<&'a Pointer>, IndexError> {
        match current.find(spec.key()) {
            Some(pointer) if pointer.spec == *spec => Ok(Some(pointer)),
            Some(pointer) => Err(IndexError::Mismatch {
                path: self.home.dir.clone(),
                asked: spec.in_words(),
                there: pointer.spec.in_words(),
            }),
            None => Ok(None),
        }
    }

    fn read(&self, choose: &dyn Fn(&Current) -> Result<Pointer, IndexError>) -> Result<Reader, IndexError> {
        let mut tried = 0;
        loop {
            let current = Current::load(&self.home.dir)?.ok_or_else(|| self.none())?;
            let pointer = choose(&current)?;
            let answers = current.answers.as_deref() == Some(pointer.spec.key());
            tried += 1;
            match Reader::open(&self.home, &pointer, answers) {
                Ok(Some(reader)) => return Ok(reader),
                // It was replaced in between if the pointer says something else now.
                Ok(None) | Err(_)
                    if tried < OPEN_TRIES && Current::load(&self.home.dir)?.as_ref() != Some(&current) => {}
                Ok(None) => {
                    return Err(crate::durable::damaged(
                        &Current::path(&self.home.dir),
                        &format!("it names {}, which is not there", pointer.dir),
                    ));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn none(&self) -> IndexError {
        IndexError::NoIndex { path: self.home.dir.clone() }
    }
}
