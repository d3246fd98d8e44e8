//! What a purge takes away, written aside first: the inputs of the lake byte for byte, with their names, the records that
//! were rejected, and a list of them. The list is written last, so a backup that has one is whole.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stele_lake::replay::Replayer;
use stele_model::id::to_hex;
use stele_model::{FileEntry, FileId};
use stele_sources::{Input, prefix_hashes};

use super::purge::PurgePlan;
use super::sink::{FORMAT, REJECTED_DIR, SCHEME, taken};
use super::{SourceDesk, lock};
use crate::discover::InputOptions;
use crate::durable::write_durably;
use crate::engine::Engine;
use crate::error::At;
use crate::ingest::IngestOptions;
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::{EngineError, IngestSummary};

/// Where backups go that whoever asks names no place for, below the data directory.
pub const BACKUPS_DIR: &str = "backups";

/// The list of a backup.
const LIST: &str = "backup.json";

/// The way in which backups are written. The first had no rejected records.
const VERSION: u32 = 2;

/// Up to so many inputs are looked for one by one; of more, all places are found in one pass over the lake.
const ONE_BY_ONE_MAX: usize = 16;

/// Longest list that is read: a million inputs.
const LIST_BYTES_MAX: u64 = 256 << 20;

/// A backup that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Where it is.
    pub dir: PathBuf,
    /// Inputs in it.
    pub inputs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of records that were rejected.
    pub rejected: u64,
}

/// What came back of a backup.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// Whose records they are.
    pub tenant: String,
    /// Of which help desk.
    pub platform: String,
    /// Sources that go on where they were.
    pub sources: Vec<String>,
    /// Inputs in the backup.
    pub inputs: u64,
    /// Records that came into the lake.
    pub records: u64,
    /// Inputs of it that were in the lake already.
    pub duplicates: u64,
    /// Files of records that were rejected, of those that were not there.
    pub rejected: u64,
    /// The lake with them.
    pub lake_version: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct List {
    version: u32,
    /// Into whose part of the lake they belong.
    lake_tenant: String,
    tenant: String,
    platform: String,
    sources: Vec<String>,
    inputs: Vec<Listed>,
    /// The files of records that were rejected.
    #[serde(default)]
    rejected: Vec<Listed>,
}

/// A file of a backup.
#[derive(Serialize, Deserialize)]
struct Listed {
    /// What it is in the lake; of rejected records, the source and the name of their file.
    uri: String,
    file: String,
    bytes: u64,
    sha256: String,
}

impl List {
    fn files(&self) -> impl Iterator<Item = &Listed> {
        self.inputs.iter().chain(&self.rejected)
    }

    fn told(&self, dir: &Path, bytes: u64) -> Backup {
        let (inputs, rejected) = (self.inputs.len() as u64, self.rejected.len() as u64);
        Backup { dir: dir.to_path_buf(), inputs, bytes, rejected }
    }
}

fn refuse(path: &Path, reason: impl Into<String>) -> EngineError {
    EngineError::Backup { path: path.to_path_buf(), reason: reason.into() }
}

/// Writes what a plan takes away into a directory that is empty, or not there yet. What was written is removed again
/// if it does not become whole.
pub(super) fn back_up(
    engine: &Engine,
    plan: &PurgePlan,
    dir: &Path,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Backup, EngineError> {
    if belongs_to(dir, engine.data_dir()) {
        return Err(refuse(
            dir,
            "it belongs to the data directory; name one outside, which stays when that goes",
        ));
    }
    fs::create_dir_all(dir).at("create", dir)?;
    if fs::read_dir(dir).at("list", dir)?.next().is_some() {
        return Err(refuse(dir, "it is not empty; name a new directory"));
    }
    let mut list = List {
        version: VERSION,
        lake_tenant: engine.settings().tenant.clone(),
        tenant: plan.tenant.clone(),
        platform: plan.platform.clone(),
        sources: plan.sources.clone(),
        inputs: Vec::new(),
        rejected: Vec::new(),
    };
    let written = write(engine, plan, dir, &mut list, progress, cancel);
    let bytes = written.inspect_err(|_| remove(dir, &list))?;
    Ok(list.told(dir, bytes))
}

/// A whole backup of what a plan takes away, which one that was killed has left.
pub(super) fn left_by_another(dir: &Path, plan: &PurgePlan) -> Option<Backup> {
    let list = read(dir).ok()?;
    let is_it =
        (&list.tenant, &list.platform, &list.sources) == (&plan.tenant, &plan.platform, &plan.sources);
    is_it.then(|| list.told(dir, list.inputs.iter().map(|input| input.bytes).sum()))
}

/// Whether a directory, which need not be there yet, lies in a data directory, and not where that keeps backups itself.
fn belongs_to(dir: &Path, data_dir: &Path) -> bool {
    let resolved = |ancestor: &Path| {
        let rest = dir.strip_prefix(ancestor).ok()?;
        Some(ancestor.canonicalize().ok()?.join(rest))
    };
    match (dir.ancestors().find_map(resolved), data_dir.canonicalize()) {
        (Some(dir), Ok(own)) => dir.starts_with(&own) && !dir.starts_with(own.join(BACKUPS_DIR)),
        _ => false,
    }
}

/// Removes what a backup that came to nothing has left, so that the same command can be given again.
fn remove(dir: &Path, list: &List) {
    for file in list.files().map(|listed| listed.file.as_str()).chain([LIST]) {
        let path = dir.join(file);
        // It may not have been whole yet.
        let _ = fs::remove_file(path.with_extension("part"));
        let _ = fs::remove_file(path);
    }
    // A directory in which somebody else has put something stays.
    let _ = fs::remove_dir(dir);
}

/// The files of rejected records of a plan's sources, each with its source.
pub(super) fn rejected<'p>(
    engine: &Engine,
    plan: &'p PurgePlan,
) -> Result<Vec<(&'p str, PathBuf)>, EngineError> {
    let mut found = Vec::new();
    for source in &plan.sources {
        let kept = engine.data_dir().join(REJECTED_DIR).join(source);
        let files = match fs::read_dir(&kept) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            files => files.at("list", &kept)?,
        };
        for file in files {
            let path = file.at("list", &kept)?.path();
            // Another ending has what a run that was killed had begun to write.
            if path.extension().is_some_and(|ending| ending == "jsonl") {
                found.push((source.as_str(), path));
            }
        }
    }
    Ok(found)
}

/// Writes the inputs of a plan, if there are any, what was rejected, and then the list, to which each is added before it is
/// begun. Returns the bytes of the inputs.
fn write(
    engine: &Engine,
    plan: &PurgePlan,
    dir: &Path,
    list: &mut List,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<u64, EngineError> {
    let bytes = match &plan.prune {
        Some(_) => write_inputs(engine, plan, dir, list, progress, cancel)?,
        None => 0,
    };
    write_rejected(engine, plan, dir, list, cancel)?;
    let path = dir.join(LIST);
    write_durably(&path, serde_json::to_string_pretty(list).unwrap_or_default().as_bytes())?;
    Ok(bytes)
}

fn write_inputs(
    engine: &Engine,
    plan: &PurgePlan,
    dir: &Path,
    list: &mut List,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<u64, EngineError> {
    let snapshot = engine.snapshot()?;
    let entries = entries_of(engine, plan)?;
    let all = (entries.len() > ONE_BY_ONE_MAX).then(|| Replayer::of_all(&snapshot)).transpose()?;
    let mut bytes = 0;
    for (number, entry) in entries.iter().enumerate() {
        cancel.check("the backup was written; nothing is gone")?;
        let (uri, file) = (entry.uri.clone(), format!("{number:07}.jsonl"));
        let path = dir.join(&file);
        list.inputs.push(Listed { uri, file, bytes: 0, sha256: String::new() });
        let mut out = BufWriter::new(File::create(&path).at("create", &path)?);
        let replayed = match &all {
            Some(all) => all.replay(entry, &mut out)?,
            None => Replayer::of_one(&snapshot, entry.file_id)?.replay(entry, &mut out)?,
        };
        out.flush().at("write", &path)?;
        out.get_ref().sync_all().at("sync", &path)?;
        bytes += replayed.bytes;
        if let Some(listed) = list.inputs.last_mut() {
            (listed.bytes, listed.sha256) = (replayed.bytes, replayed.sha256);
        }
        progress.update(&Update {
            stage: "backup",
            item: entry.uri.clone(),
            done: bytes,
            total: Some(plan.bytes.max(bytes)),
            unit: Unit::Bytes,
            records: 0,
        });
    }
    Ok(bytes)
}

/// Copies the rejected records of a plan's sources.
fn write_rejected(
    engine: &Engine,
    plan: &PurgePlan,
    dir: &Path,
    list: &mut List,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    for (number, (source, from)) in rejected(engine, plan)?.into_iter().enumerate() {
        cancel.check("the backup was written; nothing is gone")?;
        let bytes = fs::read(&from).at("read", &from)?;
        let uri = format!("{source}/{}", from.file_name().unwrap_or_default().to_string_lossy());
        let file = format!("rejected-{number:07}.jsonl");
        let path = dir.join(&file);
        list.rejected.push(Listed { uri, file, bytes: bytes.len() as u64, sha256: String::new() });
        write_durably(&path, &bytes)?;
        if let Some(listed) = list.rejected.last_mut() {
            listed.sha256 = listed.hash(dir)?;
        }
    }
    Ok(())
}

impl Listed {
    fn input(&self, dir: &Path) -> Input {
        Input { uri: self.uri.clone(), path: Some(dir.join(&self.file)), size_on_disk: self.bytes }
    }

    fn hash(&self, dir: &Path) -> Result<String, EngineError> {
        Ok(to_hex(&prefix_hashes(&self.input(dir), &[self.bytes])?[0]))
    }

    /// The file, if it is what was written.
    fn whole(&self, dir: &Path) -> Result<Input, EngineError> {
        let path = dir.join(&self.file);
        let size_on_disk = fs::metadata(&path).at("read", &path)?.len();
        if size_on_disk != self.bytes {
            let reason = format!("{} has {size_on_disk} bytes and had {}", self.file, self.bytes);
            return Err(refuse(dir, reason));
        }
        match self.hash(dir)? == self.sha256 {
            true => Ok(self.input(dir)),
            false => Err(refuse(dir, format!("{} is not what was written when it was made", self.file))),
        }
    }
}

/// The inputs of a plan, in the order in which they came.
fn entries_of(engine: &Engine, plan: &PurgePlan) -> Result<Vec<FileEntry>, EngineError> {
    let named = plan.prune.iter().flat_map(|prune| &prune.named).filter(|name| name.gives_up);
    let wanted: BTreeSet<(FileId, &str)> = named.map(|name| (name.file_id, name.uri.as_str())).collect();
    let mut entries = engine.own(engine.snapshot()?.contents()?);
    entries.retain(|entry| wanted.contains(&(entry.file_id, entry.uri.as_str())));
    Ok(entries)
}

impl SourceDesk<'_> {
    /// Brings a backup back under the names that its inputs had, so that everything is known again as it was: things,
    /// their order, and how far their sources have come.
    ///
    /// # Errors
    ///
    /// If it is not whole, or of another tenant; if its sources have collected something else since, which it would
    /// be mixed up with; or if the lake cannot be written.
    pub fn restore(
        &self,
        dir: &Path,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Restored, EngineError> {
        let list = read(dir)?;
        let own = &self.engine.settings().tenant;
        if list.lake_tenant != *own {
            let reason =
                format!("it belongs to the tenant {}, and this is the lake of {own}", list.lake_tenant);
            return Err(refuse(dir, reason));
        }
        let _locks =
            list.sources.iter().map(|id| taken(self.engine, id)).collect::<Result<Vec<File>, _>>()?;
        let _turn = lock(&self.turn);
        self.refuse_what_came_since(dir, &list)?;
        let found: Vec<Input> = list.inputs.iter().map(|input| input.whole(dir)).collect::<Result<_, _>>()?;
        // Nothing is changed before all of it is found to be whole.
        list.rejected.iter().try_for_each(|listed| listed.whole(dir).map(drop))?;
        let options = IngestOptions {
            inputs: InputOptions { format: Some(FORMAT.to_owned()), ..InputOptions::default() },
            found,
            ..IngestOptions::default()
        };
        let summary = match options.found.is_empty() {
            true => IngestSummary::default(),
            false => self.engine.ingest(&[], &options, progress, cancel)?,
        };
        if let Some(failure) = summary.failures.first() {
            return Err(refuse(dir, format!("{}: {}", failure.uri, failure.reason)));
        }
        if summary.cancelled {
            return Err(EngineError::Cancelled("all of the backup was in the lake; run it again"));
        }
        self.hold_against(dir, &list)?;
        let rejected = self.restore_rejected(dir, &list)?;
        Ok(Restored {
            tenant: list.tenant,
            platform: list.platform,
            sources: list.sources,
            inputs: list.inputs.len() as u64,
            records: summary.records,
            duplicates: summary.duplicates,
            rejected,
            lake_version: summary.lake_version,
        })
    }

    /// Puts the rejected records where they were, and says how many files were not there. They are named after their content,
    /// so one that is there is it.
    fn restore_rejected(&self, dir: &Path, list: &List) -> Result<u64, EngineError> {
        let mut missing = 0;
        for listed in &list.rejected {
            let path = self.engine.data_dir().join(REJECTED_DIR).join(&listed.uri);
            if path.exists() {
                continue;
            }
            let kept = path.parent().unwrap_or(&path);
            fs::create_dir_all(kept).at("create", kept)?;
            let from = dir.join(&listed.file);
            write_durably(&path, &fs::read(&from).at("read", &from)?)?;
            missing += 1;
        }
        Ok(missing)
    }

    /// Batches are told apart by their numbers: those of a source that began anew bear the same ones.
    fn refuse_what_came_since(&self, dir: &Path, list: &List) -> Result<(), EngineError> {
        if self.engine.is_without_lake() {
            return Ok(());
        }
        let snapshot = self.engine.snapshot()?;
        let known: BTreeSet<&str> = list.inputs.iter().map(|input| input.uri.as_str()).collect();
        let prefixes: Vec<String> = list.sources.iter().map(|id| format!("{SCHEME}{id}/")).collect();
        let with_rows = snapshot.inputs_with_rows()?;
        let other = self.engine.own(snapshot.contents()?).into_iter().find(|entry| {
            prefixes.iter().any(|prefix| entry.uri.starts_with(prefix))
                && with_rows.contains(&entry.file_id)
                && !known.contains(entry.uri.as_str())
        });
        match other {
            Some(other) => Err(refuse(
                dir,
                format!(
                    "{} was collected since, and would be mixed up with it; `stele sources purge` first",
                    other.uri
                ),
            )),
            None => Ok(()),
        }
    }

    /// Whether the lake has to the byte what the list names.
    fn hold_against(&self, dir: &Path, list: &List) -> Result<(), EngineError> {
        if list.inputs.is_empty() {
            return Ok(());
        }
        let entries = self.engine.own(self.engine.snapshot()?.files()?);
        let there: HashMap<&str, &str> =
            entries.iter().map(|entry| (entry.uri.as_str(), entry.sha256.as_str())).collect();
        match list.inputs.iter().find(|input| there.get(input.uri.as_str()) != Some(&input.sha256.as_str())) {
            Some(other) => {
                Err(refuse(dir, format!("{} is not what was written when it was made", other.file)))
            }
            None => Ok(()),
        }
    }
}

fn read(dir: &Path) -> Result<List, EngineError> {
    let path = dir.join(LIST);
    let there = fs::metadata(&path);
    if there.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        let reason = format!(
            "it has no {LIST}, which `stele sources purge --backup` writes there last; name the directory that was named there"
        );
        return Err(refuse(dir, reason));
    }
    let length = there.at("read", &path)?.len();
    if length > LIST_BYTES_MAX {
        return Err(refuse(dir, format!("{LIST} is too long to be one")));
    }
    let list: List = serde_json::from_slice(&fs::read(&path).at("read", &path)?)
        .map_err(|error| refuse(dir, format!("{LIST} cannot be read: {error}")))?;
    if list.version > VERSION {
        return Err(refuse(dir, format!("it is of version {}, and {VERSION} is known", list.version)));
    }
    // A list from elsewhere leads nowhere out of its directory, and brings in nothing but what was collected.
    let is_name = |name: &str| {
        Path::new(name).components().count() == 1 && !name.starts_with('.') && !name.contains('/')
    };
    if let Some(id) = list.sources.iter().find(|id| !is_name(id)) {
        return Err(refuse(dir, format!("{id} is the name of no source")));
    }
    let is_input = |listed: &Listed, id: &str| listed.uri.starts_with(&format!("{SCHEME}{id}/"));
    let is_rejected = |listed: &Listed, id: &str| {
        listed.uri.split_once('/').is_some_and(|(of, name)| of == id && is_name(name))
    };
    let of_any = |is: &dyn Fn(&str) -> bool| list.sources.iter().any(|id| is(id));
    let inputs = list.inputs.iter().map(|listed| (listed, of_any(&|id| is_input(listed, id))));
    let rejected = list.rejected.iter().map(|listed| (listed, of_any(&|id| is_rejected(listed, id))));
    for (listed, is_own) in inputs.chain(rejected) {
        if !is_own || !is_name(&listed.file) {
            return Err(refuse(dir, format!("{} is none of its files", listed.uri)));
        }
    }
    Ok(list)
}
