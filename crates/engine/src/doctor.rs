//! Is everything where it should be, and what to do if not.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use stele_lake::doctor::{self as lake_doctor, Depth, Finding, Fixed, Problem};
use stele_lake::sql::{Params, SqlOptions};
use stele_lake::{Lake, LakeError};

use crate::EngineError;
use crate::catalogue_store::CatalogueStore;
use crate::engine::Engine;
use crate::error::At;
use crate::progress::Progress;

/// Memory that the SQL check may use: it asks for one number.
const SQL_CHECK_MEMORY: u64 = 64 << 20;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Was wrong and has been put right.
    Fixed,
    /// Works, but somebody should know.
    Warning,
    /// Does not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How that ended.
    pub state: CheckState,
    /// What was found.
    pub detail: String,
    /// What to do next, if anything.
    pub next: Option<String>,
}

impl Check {
    pub(crate) fn new(name: &str, state: CheckState, detail: impl Into<String>, next: Option<&str>) -> Self {
        Self { name: name.to_owned(), state, detail: detail.into(), next: next.map(str::to_owned) }
    }
}

impl Engine {
    /// Looks at settings, profiles, the data directory, the lake, its catalogue, SQL, the index, the graph
    /// and the queue; with `fix`, puts right what can be put right without losing anything.
    ///
    /// # Errors
    ///
    /// If something cannot be looked at. What is found wrong is in the checks.
    pub fn doctor(&self, fix: bool, progress: &dyn Progress) -> Result<Vec<Check>, EngineError> {
        let mut checks = self.validate_config();
        checks.push(self.check_data_dir());
        checks.extend(self.check_spool()?);
        checks.extend(self.check_lake(fix, progress)?);
        checks.extend(self.check_indexes());
        checks.push(self.check_graph());
        checks.push(self.check_queue());
        Ok(checks)
    }

    /// Whether the settings make sense. No service is asked and no model loaded.
    pub fn validate_config(&self) -> Vec<Check> {
        let zone = match self.timezone() {
            Ok(None) => {
                Check::new("time zone", CheckState::Ok, "none declared: naive times stay naive", None)
            }
            Ok(Some(_)) => {
                let name = self.settings().timezone.clone().unwrap_or_default();
                Check::new("time zone", CheckState::Ok, name, None)
            }
            Err(error) => Check::new("time zone", CheckState::Failed, error.to_string(), None),
        };
        let formats = self.profiles().names().join(", ");
        let mut checks = vec![zone, Check::new("formats", CheckState::Ok, formats, None)];
        checks.push(self.check_embedding());
        checks.extend(self.check_sinks());
        checks
    }

    fn check_data_dir(&self) -> Check {
        let dir = self.data_dir();
        let name = "data directory";
        if !dir.exists() {
            let detail = format!("{} does not exist yet; the first ingest makes it", dir.display());
            return Check::new(name, CheckState::Ok, detail, None);
        }
        match probe(dir) {
            Ok(()) => Check::new(name, CheckState::Ok, format!("{} can be written", dir.display()), None),
            Err(error) => Check::new(
                name,
                CheckState::Failed,
                format!("{} cannot be written: {error}", dir.display()),
                Some("give this user write permission, or choose another --data-dir"),
            ),
        }
    }

    /// Spools of standard input. Each may be the only copy of what was piped in, or be read by a
    /// running ingest, so none is ever removed here.
    fn check_spool(&self) -> Result<Vec<Check>, EngineError> {
        let dir = self.data_dir().join("spool");
        let mut left = Vec::new();
        for file in fs::read_dir(&dir).into_iter().flatten() {
            let file = file.at("list", &dir)?;
            if file.file_type().at("inspect", &dir)?.is_file() {
                left.push(file.path());
            }
        }
        left.sort();
        let mut checks = Vec::new();
        for path in left {
            let path = path.display();
            let detail = format!("{path}: standard input of an ingest that is running, or was killed");
            let next = format!("if it was killed: stele ingest {path}, then remove the file");
            checks.push(Check::new("spool", CheckState::Warning, detail, Some(&next)));
        }
        if checks.is_empty() {
            checks.push(Check::new("spool", CheckState::Ok, "empty", None));
        }
        Ok(checks)
    }

    fn check_lake(&self, fix: bool, progress: &dyn Progress) -> Result<Vec<Check>, EngineError> {
        let lake = Lake::open(self.data_dir(), self.faults())?;
        let found = match lake_doctor::check(&lake, Depth::Full) {
            Err(LakeError::NoLake { .. })
                if self.data_dir().join("manifests/schema_version.json").exists() =>
            {
                let detail = format!("{} is gone, although there was a lake here", lake.dir().display());
                let next = "restore the directory from a copy, or ingest the inputs again";
                return Ok(vec![Check::new("lake", CheckState::Failed, detail, Some(next))]);
            }
            Err(LakeError::NoLake { .. }) => {
                return Ok(vec![Check::new("lake", CheckState::Ok, "none yet", Some("stele ingest PATH"))]);
            }
            found => found?,
        };
        let broken = found.iter().any(|finding| finding.problem == Problem::DamagedLog);
        let fixed = if fix && !broken && found.iter().any(|finding| finding.fixable) {
            lake_doctor::fix(&lake, self.clock().now())?
        } else {
            Fixed::default()
        };
        let of = |problem| -> Vec<Finding> {
            found.iter().filter(|finding| finding.problem == problem).cloned().collect()
        };
        let (left_over, unnamed) = (of(Problem::Orphan), of(Problem::UnnamedPart));
        let mut checks: Vec<Check> = found
            .iter()
            .filter(|finding| !matches!(finding.problem, Problem::Orphan | Problem::UnnamedPart))
            .map(|finding| of_finding(finding, fixed.findings.contains(finding)))
            .collect();
        checks.extend(left_overs(&left_over, &fixed.findings));
        checks.extend(unnamed_parts(&unnamed, &fixed));
        checks.extend(fixed.completed.map(|records| {
            let detail = format!("a commit lacked its last step and was finished: {records} records");
            Check::new("lake", CheckState::Fixed, detail, None)
        }));
        if checks.is_empty() {
            checks.push(Check::new(
                "lake",
                CheckState::Ok,
                "logs and parts are whole; nothing is left over",
                None,
            ));
        }
        if broken {
            checks.push(what_is_left(&lake)?);
        }
        if checks.iter().any(|check| check.state == CheckState::Failed) {
            for name in ["catalogue", "sql"] {
                let detail = "not looked at: the lake comes first";
                checks.push(Check::new(name, CheckState::Warning, detail, None));
            }
            return Ok(checks);
        }
        let snapshot = self.snapshot()?;
        checks.extend(lost_rows(&snapshot)?);
        checks.push(self.check_catalogue(fix, &snapshot, progress)?);
        checks.extend(self.check_manifests(fix, &snapshot)?);
        checks.push(self.check_sql(&snapshot));
        Ok(checks)
    }

    fn check_catalogue(
        &self,
        fix: bool,
        snapshot: &stele_lake::Snapshot,
        progress: &dyn Progress,
    ) -> Result<Check, EngineError> {
        let store = CatalogueStore::of(self);
        let records = snapshot.totals().records;
        let name = "catalogue";
        let state = match store.stored(self, snapshot)? {
            Some(catalogue) if catalogue.view().records == records => {
                return Ok(Check::new(name, CheckState::Ok, format!("covers all {records} records"), None));
            }
            None if store.made_otherwise(self, snapshot)? => {
                let detail = "made under other fold settings than this command has, and counted again for it";
                return Ok(Check::new(name, CheckState::Ok, detail, None));
            }
            Some(catalogue) => format!("covers {} of {records} records", catalogue.view().records),
            None => "missing or damaged".to_owned(),
        };
        if !fix {
            return Ok(Check::new(name, CheckState::Warning, state, Some("stele doctor --fix")));
        }
        self.count_again(snapshot, progress)?;
        Ok(Check::new(
            name,
            CheckState::Fixed,
            format!("counted again from the lake: {records} records"),
            None,
        ))
    }

    /// Whether the files for people and programs say what the catalogue says. Where that is missing,
    /// it comes first.
    fn check_manifests(
        &self,
        fix: bool,
        snapshot: &stele_lake::Snapshot,
    ) -> Result<Option<Check>, EngineError> {
        let Some(catalogue) = CatalogueStore::of(self).stored(self, snapshot)? else { return Ok(None) };
        let stale = self.stale_manifests(&catalogue, snapshot)?;
        let Some(first) = stale.first() else {
            let detail = "schemas, index, reports and dictionary say what the catalogue says";
            return Ok(Some(Check::new("manifests", CheckState::Ok, detail, None)));
        };
        let detail = match stale.len() - 1 {
            0 => format!("{} is not what the catalogue comes to", first.display()),
            more => format!("{} and {more} more are not what the catalogue comes to", first.display()),
        };
        if !fix {
            return Ok(Some(Check::new(
                "manifests",
                CheckState::Warning,
                detail,
                Some("stele doctor --fix"),
            )));
        }
        self.write_manifests(&catalogue, snapshot)?;
        Ok(Some(Check::new("manifests", CheckState::Fixed, format!("{detail}: written anew"), None)))
    }

    fn check_sql(&self, snapshot: &stele_lake::Snapshot) -> Check {
        let options =
            SqlOptions { memory_limit: SQL_CHECK_MEMORY, threads: 1, temp_dir: self.sql_temp_dir() };
        let answer = self.sql(snapshot, &options).and_then(|sql| {
            let mut rows = sql.query("SELECT count(*) FROM events", &Params::none())?;
            Ok(rows.next_batch().map(drop)?)
        });
        match answer {
            Ok(()) => Check::new("sql", CheckState::Ok, "DuckDB reads the lake", None),
            Err(error) => Check::new("sql", CheckState::Failed, error.to_string(), None),
        }
    }
}

/// What a salvage gave up stays worth knowing: no later check can see that it is missing.
fn lost_rows(snapshot: &stele_lake::Snapshot) -> Result<Option<Check>, EngineError> {
    let mut lost = snapshot.pruned()?;
    lost.retain(|one| one.lost && one.rows > 0);
    let rows: u64 = lost.iter().map(|one| one.rows).sum();
    let inputs: std::collections::BTreeSet<_> = lost.iter().map(|one| one.file_id).collect();
    let detail = format!("{rows} rows of {} inputs were lost with damaged parts", inputs.len());
    let next = "stele coverage names the inputs";
    Ok((rows > 0).then(|| Check::new("lake", CheckState::Warning, detail, Some(next))))
}

/// What there is of a lake whose log is damaged, and what can be done with it.
fn what_is_left(lake: &Lake) -> Result<Check, EngineError> {
    let left = lake_doctor::parts_left(lake)?;
    let detail = format!("what is left: {left}");
    let next = if lake_doctor::damaged_newest_entry(lake)?.is_some() {
        "only the newest entry is damaged: stele doctor --salvage moves it aside and finishes its commit \
         from the parts, or goes back to the version before it"
    } else {
        "restore what is missing from a copy. Without one, ingest the inputs again into a new data \
         directory; each part that is left is a Parquet file that any reader opens"
    };
    Ok(Check::new("lake", CheckState::Warning, detail, Some(next)))
}

/// What killed runs left, as one thing: there may be hundreds of files, and one cure for all.
fn left_overs(found: &[Finding], fixed: &[Finding]) -> Option<Check> {
    let example = found.first()?.path.display();
    let count = found.len();
    let files = if count == 1 { "file" } else { "files" };
    let detail = format!("{count} {files} that no commit names, left by runs that were stopped: {example}");
    let detail = if count == 1 { detail } else { format!("{detail} and others") };
    Some(if found.iter().all(|finding| fixed.contains(finding)) {
        Check::new("lake", CheckState::Fixed, detail, None)
    } else if found.iter().any(|finding| finding.fixable) {
        Check::new("lake", CheckState::Warning, detail, Some("stele doctor --fix"))
    } else {
        let detail =
            format!("{count} {files} that no commit names: the process that writes now may name them");
        Check::new("lake", CheckState::Ok, detail, None)
    })
}

/// Finished parts that no commit names. They may be all that is left of rows that were committed.
fn unnamed_parts(found: &[Finding], fixed: &Fixed) -> Option<Check> {
    let example = found.first()?.path.display();
    let count = found.len();
    let parts = if count == 1 { "finished part" } else { "finished parts" };
    let detail = format!("{count} {parts} that no commit names, such as {example}");
    let mended = found.iter().all(|finding| fixed.findings.contains(finding));
    Some(match (&fixed.set_aside, mended) {
        (Some(dir), true) => {
            let detail = format!("{detail}: moved to {}", dir.display());
            let next = "where their rows are in the lake or in the inputs, that directory can be removed";
            Check::new("lake", CheckState::Fixed, detail, Some(next))
        }
        (None, true) => Check::new("lake", CheckState::Fixed, format!("{detail}: one names them now"), None),
        _ if found.iter().any(|finding| finding.fixable) => {
            let detail = format!("{detail}: left by a stopped run, or by a commit whose log entry is gone");
            let next = "stele doctor --fix, which finishes the commit if its inputs prove it whole, and \
                        otherwise moves the parts to lake/lost+found";
            Check::new("lake", CheckState::Warning, detail, Some(next))
        }
        _ => {
            let detail =
                format!("{count} {parts} that no commit names: the process that writes may name them");
            Check::new("lake", CheckState::Ok, detail, None)
        }
    })
}

fn of_finding(finding: &Finding, fixed: bool) -> Check {
    let (state, next) = match (fixed, finding.fixable) {
        (true, _) => (CheckState::Fixed, None),
        (false, true) => (CheckState::Warning, Some("stele doctor --fix")),
        (false, false) => match finding.problem {
            Problem::Writing => (CheckState::Ok, None),
            Problem::MissingPart | Problem::DamagedPart => (
                CheckState::Failed,
                Some("restore the file from a copy, or give up what is lost: stele doctor --salvage"),
            ),
            Problem::DamagedLog => (CheckState::Failed, None),
            _ => (CheckState::Failed, Some("restore the file from a copy, then stele coverage")),
        },
    };
    Check::new("lake", state, format!("{}: {}", finding.path.display(), finding.detail), next)
}

/// Tries to write a file.
fn probe(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(".write_test");
    fs::File::create(&path).and_then(|mut file| file.write_all(b"stele"))?;
    fs::remove_file(&path)
}
