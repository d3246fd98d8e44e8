//! Inputs of jobs that are no files of this machine: their content is fetched, and kept until it is in the
//! lake.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use stele_jobs::{Job, Origin};
use stele_model::ErrorKind;
use stele_model::error::in_full;
use stele_model::id::{IdHasher, to_hex};
use stele_sources::Input;
use stele_watch::{Fetching, WatchError, is_remote};

use crate::EngineError;
use crate::engine::Engine;
use crate::error::At;
use crate::progress::Cancel;
use crate::summary::InputFailure;

/// Where fetched content lies, below the data directory.
const FETCHED_DIR: &str = "tmp/fetched";

/// What was fetched for a job. It is gone with this value.
#[derive(Default)]
pub(super) struct Fetched {
    /// The content of each, under its address.
    pub(super) inputs: Vec<Input>,
    /// What could not be fetched.
    pub(super) failures: Vec<InputFailure>,
    dir: Option<PathBuf>,
}

impl Drop for Fetched {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            // What stays is fetched again, and takes room until then.
            let _ = fs::remove_dir_all(dir);
        }
    }
}

impl Engine {
    /// Fetches the remote inputs of a job.
    ///
    /// # Errors
    ///
    /// If what comes cannot be kept, or somebody asks for the stop. What a service does not give is a
    /// failure of that input.
    pub(super) fn fetch(
        &self,
        job: &Job,
        fetching: &Fetching,
        cancel: &Cancel,
    ) -> Result<Fetched, EngineError> {
        let remote = job.spec.inputs.iter().filter(|input| !input.removed && is_remote(&input.uri));
        let mut fetched = Fetched::default();
        let config = match &job.spec.origin {
            Origin::Watcher(name) => fetching.configured.of(name),
            Origin::Cli | Origin::Http => None,
        };
        for input in remote {
            let dir = self.data_dir().join(FETCHED_DIR).join(job.id.to_string());
            fs::create_dir_all(&dir).at("create", &dir)?;
            fetched.dir = Some(dir.clone());
            let path = dir.join(file_name(&input.uri));
            let mut out = BufWriter::new(File::create(&path).at("create", &path)?);
            let stopped = || cancel.is_cancelled();
            match fetching.fetch(&input.uri, config.as_ref(), &mut out, &stopped) {
                Ok(size) => {
                    out.flush().at("write", &path)?;
                    fetched.inputs.push(Input {
                        uri: input.uri.clone(),
                        path: Some(path),
                        size_on_disk: size,
                    });
                }
                Err(WatchError::Cancelled) => return Err(EngineError::Cancelled("everything was fetched")),
                Err(WatchError::Io { source, .. }) => return Err(source).at("write", &path),
                Err(error) => fetched.failures.push(InputFailure {
                    uri: input.uri.clone(),
                    reason: in_full(&error),
                    passing: error.kind() != ErrorKind::Config,
                }),
            }
        }
        Ok(fetched)
    }
}

/// A name for the content: one of its own, with the ending that says what it is.
fn file_name(uri: &str) -> String {
    let hash = to_hex(&IdHasher::new("fetched").part(uri.as_bytes()).finish());
    let plain = uri.split(['?', '#']).next().unwrap_or(uri);
    let ending = Path::new(plain).extension().and_then(|ending| ending.to_str());
    let ending =
        ending.filter(|ending| ending.len() <= 8 && ending.chars().all(|c| c.is_ascii_alphanumeric()));
    match ending {
        Some(ending) => format!("{}.{ending}", &hash[..16]),
        None => hash[..16].to_owned(),
    }
}
