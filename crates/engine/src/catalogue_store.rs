//! The catalogue beside the lake: one delta a commit, and now and then the sum of them.
//!
//! A commit names the delta that belongs to it, so what discovery counted and what the lake holds
//! are never out of step, whatever crashed. The sums are a short cut: without them, or without
//! any of these files, the catalogue is counted again from the lake ([`crate::count_again`]).

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stele_discover::Catalogue;
use stele_lake::Snapshot;
use stele_model::Faults;
use stele_model::id::{IdHasher, to_hex};

use crate::EngineError;
use crate::count_again::{count_under, fold_again, rebuild};
use crate::durable::write_durably;
use crate::engine::Engine;
use crate::error::At;
use crate::progress::{Cancel, NoProgress, Progress};

/// How the name of a sum begins.
const SUM: &str = "sum-";

/// How the names of stored catalogues end.
const STORED: &str = ".zst";

/// Where the catalogue's files are.
pub(crate) struct CatalogueStore {
    dir: PathBuf,
    faults: Arc<dyn Faults>,
}

impl CatalogueStore {
    pub(crate) fn of(engine: &Engine) -> Self {
        Self { dir: engine.data_dir().join("manifests").join("catalogue"), faults: engine.faults() }
    }

    /// The catalogue of `snapshot`, from the stored files if they are whole, from the lake if not.
    pub(crate) fn load(&self, engine: &Engine, snapshot: &Snapshot) -> Result<Catalogue, EngineError> {
        self.load_until(engine, snapshot, &Cancel::default())
    }

    /// The same, until somebody asks for a stop: counting takes its time.
    pub(crate) fn load_until(
        &self,
        engine: &Engine,
        snapshot: &Snapshot,
        cancel: &Cancel,
    ) -> Result<Catalogue, EngineError> {
        if let Some(catalogue) = self.stored(engine, snapshot)? {
            return Ok(catalogue);
        }
        rebuild(engine, snapshot, &NoProgress, cancel)
    }

    /// The newest sum that is a part of `snapshot`, plus the deltas after it; `None` if a file is
    /// missing, damaged or was counted under other rules.
    pub(crate) fn stored(
        &self,
        engine: &Engine,
        snapshot: &Snapshot,
    ) -> Result<Option<Catalogue>, EngineError> {
        let notes = snapshot.catalogues()?;
        let empty = || Catalogue::new(engine.settings().fold, engine.fold_rules());
        let (count, mut catalogue) = self.newest_sum(&notes).unwrap_or_else(|| (0, empty()));
        if !made_as_wanted(&catalogue, engine) {
            return Ok(None);
        }
        for delta in &notes[count..] {
            match read(&self.dir.join(delta)) {
                Ok(delta) if delta.rules() == catalogue.rules() && delta.folding() == catalogue.folding() => {
                    catalogue.merge(delta);
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(catalogue))
    }

    /// Whether there is a sum for `snapshot`, counted under other settings than the engine has.
    pub(crate) fn made_otherwise(&self, engine: &Engine, snapshot: &Snapshot) -> Result<bool, EngineError> {
        let sum = self.newest_sum(&snapshot.catalogues()?);
        Ok(sum.is_some_and(|(_, sum)| !made_as_wanted(&sum, engine)))
    }

    /// The newest sum that can be read, and of how many of `deltas` it is the sum.
    fn newest_sum(&self, deltas: &[String]) -> Option<(usize, Catalogue)> {
        let names = sum_names(deltas);
        let read = |(count, name): (usize, &String)| Some((count, read(&self.dir.join(name)).ok()?));
        names.iter().enumerate().rev().find_map(read)
    }

    /// A sum of more commits than the lake has. A sum is stored after the last of its commits is
    /// durable, so that commit was acknowledged and is gone.
    pub(crate) fn sum_of_the_lost(&self, engine: &Engine) -> Result<Option<PathBuf>, EngineError> {
        let Ok(files) = fs::read_dir(&self.dir) else { return Ok(None) };
        // Listed first: what is stored meanwhile belongs to commits that are there.
        let names: Vec<_> = files.flatten().map(|file| file.file_name()).collect();
        let known = engine.snapshot()?.all_catalogues()?;
        let known: HashSet<String> = known.iter().flat_map(|deltas| sum_names(deltas)).collect();
        let lost = names
            .iter()
            .filter_map(|name| name.to_str())
            .find(|name| name.starts_with(SUM) && name.ends_with(STORED) && !known.contains(*name));
        Ok(lost.map(|name| self.dir.join(name)))
    }

    /// Makes the share of one commit durable and returns its name.
    pub(crate) fn put_delta(&self, delta: &Catalogue) -> Result<String, EngineError> {
        let bytes = to_bytes(delta, &self.dir)?;
        let id = IdHasher::new("delta").part(&bytes).finish();
        let name = format!("delta-{}{STORED}", to_hex(&id));
        self.put(&name, &bytes)?;
        Ok(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
        let path = self.dir.join(name);
        self.faults.hit("catalogue.write").at("write", &path)?;
        fs::create_dir_all(&self.dir).at("create", &self.dir)?;
        write_durably(&path, bytes)
    }

    /// Brings the catalogue to rest after a run: decides about folding on everything that there
    /// is, counts again if that changed anything, and stores the sum.
    pub(crate) fn settle(
        &self,
        engine: &Engine,
        snapshot: &Snapshot,
        mut catalogue: Catalogue,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Catalogue, EngineError> {
        catalogue = fold_again(catalogue, |rules, before| {
            progress.note("some objects have data for keys; counting again with them folded");
            count_under(engine, snapshot, rules, before, progress, cancel)
        })?;
        let names = sum_names(&snapshot.catalogues()?);
        let name = &names[names.len() - 1];
        self.put(name, &to_bytes(&catalogue, &self.dir)?)?;
        self.sweep(name)?;
        Ok(catalogue)
    }

    /// Removes everything that the sum called `keep` contains.
    fn sweep(&self, keep: &str) -> Result<(), EngineError> {
        for file in fs::read_dir(&self.dir).at("list", &self.dir)? {
            let path = file.at("list", &self.dir)?.path();
            if path.file_name().is_none_or(|name| name != keep) {
                fs::remove_file(&path).at("remove", &path)?;
            }
        }
        Ok(())
    }
}

/// Whether a catalogue was counted under the settings that the engine has.
fn made_as_wanted(catalogue: &Catalogue, engine: &Engine) -> bool {
    catalogue.folding() == engine.settings().fold
        && engine.fold_rules().iter().all(|rule| catalogue.rules().contains(rule))
}

/// The names of the sums of no note, of the first, of the first two, and so on.
fn sum_names(notes: &[String]) -> Vec<String> {
    let mut hasher = IdHasher::new("sum");
    let mut names = Vec::with_capacity(notes.len() + 1);
    for note in notes {
        names.push(hasher.clone());
        hasher = hasher.part(note.as_bytes());
    }
    names.push(hasher);
    names.into_iter().map(|hasher| format!("{SUM}{}{STORED}", to_hex(&hasher.finish()))).collect()
}

fn read(path: &Path) -> Result<Catalogue, EngineError> {
    let bytes = fs::read(path).at("read", path)?;
    Catalogue::from_bytes(&bytes)
        .map_err(|error| EngineError::Manifest { path: path.to_path_buf(), reason: error.to_string() })
}

fn to_bytes(catalogue: &Catalogue, dir: &Path) -> Result<Vec<u8>, EngineError> {
    catalogue
        .to_bytes()
        .map_err(|error| EngineError::Manifest { path: dir.to_path_buf(), reason: error.to_string() })
}
