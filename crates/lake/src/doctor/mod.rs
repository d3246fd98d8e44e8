//! What is wrong with a lake, and what can be done about it.
//!
//! [`check`] only reads. [`fix`] takes the writer lock and does what loses nothing: it finishes a
//! commit that lacks nothing but its anchor, takes other unfinished commits back, migrates, removes
//! unfinished files, and moves finished parts that no commit names to `lake/lost+found/`. [`salvage`] gives
//! up damaged parts, keeps every row of them that is provably intact, and notes what was lost.

mod complete;
mod evidence;
mod salvage;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use stele_model::Micros;

use crate::delta::DeltaLog;
use crate::error::{At, LakeError};
use crate::lake::Lake;
use crate::maintain::part_files;
use crate::part::{PartInfo, UNFINISHED, checksum_matches};
use crate::reader::PartReader;
use crate::snapshot::Snapshot;
use crate::tables::{SCHEMA_VERSION, Table, lake_dir};
use crate::{lock, log_check, migrate, store, writer};

pub(crate) use complete::lost_and_found;
pub use complete::{damaged_newest_entry, give_up_entry};
pub use salvage::{Intact, Reread, SalvageLoss, Salvaged, TakeEnvelope, salvage};

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Logs, and each part's presence, size and footer.
    Quick,
    /// Every byte of every part as well.
    Full,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// A file of a Delta log cannot be read.
    DamagedLog,
    /// The lake belongs to another version of the program.
    SchemaVersion,
    /// A part that the snapshot names is gone.
    MissingPart,
    /// A part that the snapshot names has other bytes than were written.
    DamagedPart,
    /// A commit to one table has no anchor in `events`.
    Provisional,
    /// An unfinished file that no commit names: the rest of a crash.
    Orphan,
    /// A finished part that no commit names: the rest of a crash, or of a commit whose entry in the
    /// log is gone.
    UnnamedPart,
    /// The lock file names a process that does not hold it.
    StaleLock,
    /// A process is writing now; its unfinished files look like orphans.
    Writing,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind.
    pub problem: Problem,
    /// With which file.
    pub path: PathBuf,
    /// More about it, and what to do.
    pub detail: String,
    /// Whether [`fix`] puts it right.
    pub fixable: bool,
}

/// Looks for everything that is wrong.
///
/// # Errors
///
/// [`LakeError::NoLake`], and what the operating system refuses. What is wrong with the lake is a
/// finding and no error.
pub fn check(lake: &Lake, depth: Depth) -> Result<Vec<Finding>, LakeError> {
    let headless = lake.refuse_headless();
    if !lake.exists() && headless.is_ok() && !Table::Events.dir(lake.data_dir()).is_dir() {
        return Err(lake.none());
    }
    let mut findings = Findings(Vec::new());
    let writing = findings.lock(lake)?;
    if let Err(error) = headless {
        findings.damage(error)?;
    }
    for table in Table::ALL {
        let dir = table.dir(lake.data_dir()).join("_delta_log");
        if dir.is_dir() {
            findings.log(&dir)?;
        }
    }
    if findings.0.iter().any(|finding| finding.problem == Problem::DamagedLog) {
        return Ok(findings.0);
    }
    match lake.snapshot() {
        Ok(snapshot) => {
            findings.version(lake, snapshot.schema_version());
            for table in Table::ALL {
                findings.parts(snapshot.parts(table), depth)?;
                if DeltaLog::exists(&lake.home, table) {
                    findings.table(lake, table, writing)?;
                }
            }
        }
        Err(LakeError::NewerSchema { path, found, known }) => {
            let detail = LakeError::NewerSchema { path: path.clone(), found, known }.to_string();
            findings.add(Problem::SchemaVersion, &path, detail, false);
        }
        Err(error @ LakeError::CorruptLog { .. }) => findings.damage(error)?,
        Err(error @ LakeError::Delta { .. }) => {
            findings.add(Problem::DamagedLog, &lake.dir(), error.to_string(), false);
        }
        Err(error) => return Err(error),
    }
    findings.0.sort_by(|a, b| (a.problem, &a.path).cmp(&(b.problem, &b.path)));
    Ok(findings.0)
}

/// What [`fix`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed {
    /// What was put right.
    pub findings: Vec<Finding>,
    /// Records of a commit that lacked nothing but its anchor, and has it now.
    pub completed: Option<u64>,
    /// Where finished parts that no commit names were moved.
    pub set_aside: Option<PathBuf>,
}

/// Puts right what can be put right without losing a byte, and returns what it was.
///
/// # Errors
///
/// [`LakeError::Busy`] while somebody writes, and what recovery meets.
pub fn fix(lake: &Lake, now: Micros) -> Result<Fixed, LakeError> {
    let before = check(lake, Depth::Quick)?;
    if let Some(damage) = before.iter().find(|finding| finding.problem == Problem::DamagedLog) {
        return Err(LakeError::Invalid(format!(
            "nothing can be put right before the log is: {}",
            damage.detail
        )));
    }
    // This migrates and rewrites the lock and the manifest.
    let mut writer = writer::Writer::begin(lake, now)?;
    let completed = complete::complete(&mut writer, now)?;
    writer.recover()?;
    // What no commit named before the lock was held may belong to one by now, so only what the
    // holder of the lock finds is removed.
    let mut orphans = Findings(Vec::new());
    for table in Table::ALL {
        orphans.orphans(writer.log(table), false)?;
    }
    let mut set_aside = None;
    for orphan in &orphans.0 {
        if orphan.problem == Problem::UnnamedPart {
            complete::set_aside(lake.data_dir(), &orphan.path)?;
            set_aside = Some(lost_and_found(lake.data_dir()));
        } else {
            std::fs::remove_file(&orphan.path).at("remove", &orphan.path)?;
        }
    }
    let mut findings = orphans.0;
    let moved: HashSet<PathBuf> = findings.iter().map(|it| it.path.clone()).collect();
    let others = |it: &Finding| match it.problem {
        Problem::Orphan => false,
        // Named by now: by the commit that was finished, if there was one.
        Problem::UnnamedPart => completed.is_some() && !moved.contains(&it.path),
        _ => it.fixable,
    };
    findings.extend(before.into_iter().filter(others));
    findings.sort_by(|a, b| (a.problem, &a.path).cmp(&(b.problem, &b.path)));
    Ok(Fixed { findings, completed, set_aside })
}

/// The parts of a snapshot that are gone, or whose bytes are not those that were written.
///
/// # Errors
///
/// What the operating system refuses.
pub fn damaged_parts(snapshot: &Snapshot) -> Result<Vec<Finding>, LakeError> {
    let mut findings = Findings(Vec::new());
    for table in Table::ALL {
        findings.parts(snapshot.parts(table), Depth::Full)?;
    }
    Ok(findings.0)
}

/// How many parts each table still has, in words: for a lake whose log no longer tells.
///
/// # Errors
///
/// What the operating system refuses.
pub fn parts_left(lake: &Lake) -> Result<String, LakeError> {
    let mut said = Vec::new();
    for table in Table::ALL {
        let dir = table.dir(lake.data_dir());
        let files = if dir.is_dir() { part_files(&dir)? } else { Vec::new() };
        let count = files.iter().filter(|file| file.path.extension().is_some_and(|it| it == "parquet"));
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        said.push(format!("{} parts of {} ({bytes} bytes)", count.count(), table.name()));
    }
    Ok(said.join(", "))
}

/// The list as it grows.
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, problem: Problem, path: &Path, detail: String, fixable: bool) {
        self.0.push(Finding { problem, path: path.to_path_buf(), detail, fixable });
    }

    /// Looks at the lock; true if somebody holds it.
    fn lock(&mut self, lake: &Lake) -> Result<bool, LakeError> {
        let path = lock::path(lake.data_dir());
        let Some(holder) = lock::held(lake.data_dir())? else {
            let named = std::fs::read_to_string(&path).unwrap_or_default();
            if !named.trim().is_empty() {
                let detail = format!(
                    "process {} ended without giving the lock back; that harms nothing",
                    named.trim()
                );
                self.add(Problem::StaleLock, &path, detail, true);
            }
            return Ok(false);
        };
        let who = holder.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
        self.add(Problem::Writing, &path, format!("{who} is writing"), false);
        Ok(true)
    }

    fn log(&mut self, dir: &Path) -> Result<(), LakeError> {
        log_check::check(dir).or_else(|error| self.damage(error))
    }

    /// Takes in an error that is damage of a log.
    fn damage(&mut self, error: LakeError) -> Result<(), LakeError> {
        let LakeError::CorruptLog { path, line, detail } = error else { return Err(error) };
        if !self.0.iter().any(|finding| finding.path == path) {
            let line = line.map_or_else(String::new, |line| format!("line {line}: "));
            self.add(Problem::DamagedLog, &path, format!("damaged Delta log: {line}{detail}"), false);
        }
        Ok(())
    }

    fn version(&mut self, lake: &Lake, found: u32) {
        if found != SCHEMA_VERSION {
            let detail =
                format!("schema version {found}; this program writes {SCHEMA_VERSION} and will migrate it");
            self.add(Problem::SchemaVersion, &lake_dir(lake.data_dir()), detail, true);
        } else if migrate::manifest_version(lake.data_dir()) != Some(SCHEMA_VERSION) {
            let path = migrate::manifest(lake.data_dir());
            self.add(Problem::SchemaVersion, &path, "it does not say the lake's version".to_owned(), true);
        }
    }

    fn parts(&mut self, parts: &[PartInfo], depth: Depth) -> Result<(), LakeError> {
        for part in parts {
            match examine(part, depth) {
                Ok(()) => {}
                Err(error @ LakeError::MissingPart { .. }) => {
                    self.add(Problem::MissingPart, &part.path, error.to_string(), false);
                }
                Err(error @ LakeError::CorruptPart { .. }) => {
                    self.add(Problem::DamagedPart, &part.path, error.to_string(), false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Looks for provisional commits and for files that no commit names.
    fn table(&mut self, lake: &Lake, table: Table, writing: bool) -> Result<(), LakeError> {
        let head = DeltaLog::load(&lake.home, table, None)?;
        let dir = head.dir();
        if table != Table::Events {
            let events = DeltaLog::load(&lake.home, Table::Events, None)?;
            let pinned = events.pin(table.app_id())?;
            if !writing && writer::provisional(&lake.home, &head, pinned)?.is_some() {
                let detail =
                    format!("version {} has no anchor; the next writer takes it back", head.version());
                self.add(Problem::Provisional, &dir, detail, true);
            }
        }
        self.orphans(&head, writing)
    }

    /// Looks for files that no commit of a table names.
    fn orphans(&mut self, head: &DeltaLog, writing: bool) -> Result<(), LakeError> {
        let dir = head.dir();
        let left = head.tombstones()?;
        let named: HashSet<String> = head.parts()?.into_iter().map(|part| part.relative).collect();
        for file in part_files(&dir)? {
            let relative = file.path.strip_prefix(&dir).unwrap_or(&file.path).to_string_lossy().into_owned();
            let ours = relative.ends_with(".parquet") || relative.ends_with(UNFINISHED);
            if ours && !named.contains(&relative) && !left.contains_key(&relative) {
                let detail = format!("{} bytes that no commit names", file.bytes);
                let whole = relative.ends_with(".parquet");
                let problem = if whole { Problem::UnnamedPart } else { Problem::Orphan };
                self.add(problem, &file.path, detail, !writing);
            }
        }
        for path in store::asides(&dir.join("_delta_log"))? {
            self.add(Problem::Orphan, &path, "a log entry that was not finished".to_owned(), !writing);
        }
        Ok(())
    }
}

/// Reads a part as far as `depth` says.
fn examine(part: &PartInfo, depth: Depth) -> Result<(), LakeError> {
    let damaged = |detail: String| Err(LakeError::CorruptPart { path: part.path.clone(), detail });
    let file = crate::part::open(&part.path)?;
    let bytes = file.metadata().at("inspect", &part.path)?.len();
    if bytes != part.bytes {
        return damaged(format!("it has {bytes} bytes, and had {} when it was written", part.bytes));
    }
    let reader = PartReader::open(&part.path)?;
    if reader.row_count() != part.rows {
        return damaged(format!(
            "it has {} rows, and had {} when it was written",
            reader.row_count(),
            part.rows
        ));
    }
    if depth == Depth::Full {
        match checksum_matches(&part.path)? {
            Some(true) => {}
            Some(false) => return damaged("its bytes are not those that were written".to_owned()),
            // A part that another program made: at least all of it has to be readable.
            None => crate::rows::each_batch(&part.path, None, |_| Ok(()))?,
        }
    }
    Ok(())
}
