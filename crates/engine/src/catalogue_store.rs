//! The catalogue beside the lake: one delta a commit, and now and then the sum of them.
//!
//! A commit names the delta that belongs to it, so what discovery counted and what the lake holds
//! are never out of step, whatever crashed. The sums are a short cut: without them, or without
//! any of these files, the catalogue is counted again from the lake.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stele_discover::{Catalogue, FoldRule, Folding, Observed};
use stele_lake::{LakeError, Snapshot};
use stele_model::Faults;
use stele_model::id::{IdHasher, to_hex};
use stele_model::json::Tape;
use stele_sources::FrameScratch;

use crate::EngineError;
use crate::engine::Engine;
use crate::error::At;
use crate::progress::{NoProgress, Progress, Update};
use crate::scan;

/// Rounds of "fold, count again, look for more to fold". Each round folds at least one level of
/// nesting; data whose keys are data four levels deep has not been seen.
pub(crate) const FOLD_ROUNDS_MAX: usize = 4;

/// Where the catalogue's files are.
pub(crate) struct CatalogueStore {
    dir: PathBuf,
    faults: Arc<dyn Faults>,
}

impl CatalogueStore {
    pub(crate) fn open(data_dir: &Path, faults: Arc<dyn Faults>) -> Result<Self, EngineError> {
        let dir = data_dir.join("manifests").join("catalogue");
        fs::create_dir_all(&dir).at("create", &dir)?;
        Ok(Self { dir, faults })
    }

    /// The catalogue of `snapshot`, from the stored files if they are whole, from the lake if not.
    pub(crate) fn load(&self, engine: &Engine, snapshot: &Snapshot) -> Result<Catalogue, EngineError> {
        if let Some(catalogue) = self.stored(engine, snapshot)? {
            return Ok(catalogue);
        }
        self.rebuild(engine, snapshot, &NoProgress)
    }

    /// The newest sum that is a part of `snapshot`, plus the deltas after it; `None` if a file is
    /// missing, damaged or was counted under other rules.
    pub(crate) fn stored(
        &self,
        engine: &Engine,
        snapshot: &Snapshot,
    ) -> Result<Option<Catalogue>, EngineError> {
        let notes = snapshot.notes()?;
        let sum = (0..=notes.len()).rev().find_map(|count| {
            let sum = read(&self.dir.join(sum_name(&notes[..count]))).ok()?;
            Some((count, sum))
        });
        let empty = || Catalogue::new(engine.settings().fold, engine.fold_rules());
        let (count, mut catalogue) = sum.unwrap_or_else(|| (0, empty()));
        let wanted = engine.fold_rules();
        if catalogue.folding() != engine.settings().fold
            || !wanted.iter().all(|rule| catalogue.rules().contains(rule))
        {
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

    /// Makes the share of one commit durable and returns its name.
    pub(crate) fn put_delta(&self, delta: &Catalogue) -> Result<String, EngineError> {
        let bytes = to_bytes(delta, &self.dir)?;
        let id = IdHasher::new("delta").part(&bytes).finish();
        let name = format!("delta-{}.zst", to_hex(&id));
        self.put(&name, &bytes)?;
        Ok(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
        let path = self.dir.join(name);
        self.faults.hit("catalogue.write").at("write", &path)?;
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
    ) -> Result<Catalogue, EngineError> {
        catalogue = fold_again(catalogue, |rules, before| {
            progress.note("some objects have data for keys; counting again with them folded");
            recount(engine, snapshot, rules, before, progress)
        })?;
        let name = sum_name(&snapshot.notes()?);
        self.put(&name, &to_bytes(&catalogue, &self.dir)?)?;
        self.sweep(&name)?;
        Ok(catalogue)
    }

    /// Counts everything again from the lake.
    pub(crate) fn rebuild(
        &self,
        engine: &Engine,
        snapshot: &Snapshot,
        progress: &dyn Progress,
    ) -> Result<Catalogue, EngineError> {
        let empty = Catalogue::new(engine.settings().fold, engine.fold_rules());
        let rules = empty.rules().to_vec();
        let catalogue = recount(engine, snapshot, rules, &empty, progress)?;
        fold_again(catalogue, |rules, before| recount(engine, snapshot, rules, before, progress))
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

/// The name of the sum of these notes, in this order.
fn sum_name(notes: &[String]) -> String {
    let hasher = notes.iter().fold(IdHasher::new("sum"), |hasher, note| hasher.part(note.as_bytes()));
    format!("sum-{}.zst", to_hex(&hasher.finish()))
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

/// Writes a whole file: aside, synced, renamed, and the directory synced.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let aside = path.with_extension("part");
    let mut file = File::create(&aside).at("create", &aside)?;
    file.write_all(bytes).at("write", &aside)?;
    file.sync_all().at("sync", &aside)?;
    fs::rename(&aside, path).at("rename", path)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).at("sync", dir)
}

/// Adds the folds that the counts give evidence for and counts again, until there are no more.
pub(crate) fn fold_again(
    mut catalogue: Catalogue,
    mut count: impl FnMut(Vec<FoldRule>, &Catalogue) -> Result<Catalogue, EngineError>,
) -> Result<Catalogue, EngineError> {
    for _ in 0..FOLD_ROUNDS_MAX {
        let more = catalogue.propose_folds();
        if more.is_empty() {
            break;
        }
        let mut rules = catalogue.rules().to_vec();
        rules.extend(more);
        catalogue = count(rules, &catalogue)?;
    }
    Ok(catalogue)
}

/// Counts the records of `snapshot` under `rules`; what is known about the files is taken over.
fn recount(
    engine: &Engine,
    snapshot: &Snapshot,
    rules: Vec<FoldRule>,
    before: &Catalogue,
    progress: &dyn Progress,
) -> Result<Catalogue, EngineError> {
    let mut catalogue = before.recount(rules);
    let mut tape = Tape::default();
    let mut frames = FrameScratch::default();
    let formats = engine.formats_of(snapshot)?;
    let total = snapshot.totals().records;
    let mut records = 0;
    scan::records(snapshot, |row| {
        let unreadable = || {
            LakeError::Invalid(format!(
                "{}:{} was accepted once and cannot be read again",
                row.source, row.line_no
            ))
        };
        let Some(format) = formats.get(&row) else {
            return Err(unreadable());
        };
        let text = format.json_of(row.raw).unwrap_or(row.raw);
        tape.parse(text).map_err(|_| unreadable())?;
        let envelope = format.read(row.raw, &tape, &mut frames);
        catalogue.revisit(row.source, format.name());
        catalogue.observe(&Observed {
            event: row.event_type,
            text,
            tape: &tape,
            line: row.line_no,
            seq: envelope.seq,
            time: envelope.time.micros,
            payload: envelope.payload,
            frame: crate::worker::frame_of(&frames),
        });
        records += 1;
        if records % 100_000 == 0 {
            progress.update(&Update {
                stage: "count",
                item: row.source.to_owned(),
                bytes: records,
                bytes_total: total,
                records,
            });
        }
        Ok(())
    })?;
    Ok(catalogue)
}

impl Engine {
    /// Fold rules of the profiles.
    pub(crate) fn fold_rules(&self) -> Vec<FoldRule> {
        if self.settings().fold != Folding::Auto {
            return Vec::new();
        }
        let rule = |path: &String, fold| FoldRule {
            event: None,
            path: path.clone(),
            fold,
            reason: "the profile says so".to_owned(),
        };
        self.profiles()
            .fold_rules()
            .flat_map(|rules| {
                let force = rules.force.iter().map(move |path| rule(path, true));
                force.chain(rules.forbid.iter().map(move |path| rule(path, false)))
            })
            .collect()
    }
}
