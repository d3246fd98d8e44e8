//! Other tools on the same input: how fast they are, and what they lose.
//!
//! DuckDB and Polars run in a Python environment through `xtask/peers.py`, genson-rs and `stele` as
//! the programs they are. Everything is a child process, measured from outside in the same way.

mod bench;
mod t12;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

pub use bench::{Bench, bench, default_inputs};
pub use t12::t12;

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Our program.
    pub stele: PathBuf,
    /// A Python that has `duckdb` and `polars`.
    pub python: PathBuf,
    /// genson-rs, if it is installed.
    pub genson: Option<PathBuf>,
    /// Scratch space on the disk that is to be measured.
    pub scratch: PathBuf,
}

/// What a tool found in a file.
#[derive(Debug, Clone, Deserialize)]
pub struct Described {
    /// Records; a tool that only writes a schema does not say.
    #[serde(default)]
    pub rows: Option<u64>,
    /// Paths, whatever the event.
    #[serde(default)]
    pub paths: BTreeSet<String>,
    /// Why it found nothing.
    #[serde(default)]
    pub error: Option<String>,
}

/// One run, seen from outside.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_bytes: u64,
    pub(crate) success: bool,
}

/// How long a tool may think about a small file. One of them needs minutes for ten thousand keys.
const PATIENCE_SECONDS: u64 = 10;

/// Exit code of `timeout` when the time was over.
const TIMED_OUT: i32 = 124;

impl Tools {
    fn script(&self) -> Command {
        let mut command = Command::new(&self.python);
        self.with_script(&mut command);
        command
    }

    fn with_script(&self, command: &mut Command) {
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers.py"));
    }

    /// What `tool` finds in `input`.
    ///
    /// # Errors
    ///
    /// The helper cannot be run. A tool that fails is no error: that is its answer.
    pub fn describe(&self, tool: &str, input: &Path) -> Result<Described> {
        self.answer(self.script(), tool, input)
    }

    /// The same, but not waiting for ever.
    ///
    /// # Errors
    ///
    /// The helper cannot be run.
    pub fn describe_soon(&self, tool: &str, input: &Path) -> Result<Described> {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE_SECONDS.to_string()).arg(&self.python);
        self.with_script(&mut command);
        self.answer(command, tool, input)
    }

    fn answer(&self, mut command: Command, tool: &str, input: &Path) -> Result<Described> {
        let output = command.args(["describe", tool]).arg(input).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot run {}", self.python.display()))?;
        if output.status.code() == Some(TIMED_OUT) {
            let error = Some(format!("no answer after {PATIENCE_SECONDS} s"));
            return Ok(Described { rows: None, paths: BTreeSet::new(), error });
        }
        if !output.status.success() {
            // A tool that takes the whole process down has given its answer, too.
            let error = Some(format!("ended with {}", output.status));
            return Ok(Described { rows: None, paths: BTreeSet::new(), error });
        }
        serde_json::from_slice(&output.stdout).context("the helper did not answer in JSON")
    }

    /// Our own answer: rows of `stele discover` without events.
    ///
    /// # Errors
    ///
    /// The program cannot be run or fails.
    pub fn discover(&self, input: &Path, fold: &str) -> Result<String> {
        let output = Command::new(&self.stele)
            .arg("discover")
            .arg(input)
            .args(["--fold", fold, "--format", "tsv"])
            .stderr(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", self.stele.display()))?;
        if !output.status.success() {
            bail!("stele discover {} ended with {}", input.display(), output.status);
        }
        String::from_utf8(output.stdout).context("stele discover did not write UTF-8")
    }

    /// Runs a command with its output thrown away, and says what it took.
    pub(crate) fn measure(&self, work: Command) -> Result<Run> {
        let report = self.fresh("measured.json")?;
        let mut command = self.script();
        command.arg("measure").arg(&report).arg(work.get_program()).args(work.get_args());
        let status = command.status().with_context(|| format!("cannot run {}", self.python.display()))?;
        if !status.success() {
            bail!("measuring {} ended with {status}", work.get_program().display());
        }
        serde_json::from_slice(&fs::read(&report)?).context("the measurement is not JSON")
    }

    /// A fresh path below the scratch directory.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let path = self.scratch.join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if path.exists() {
            fs::remove_file(&path)?;
        }
        Ok(path)
    }
}

/// Paths with keys that are data written as one segment, on both sides alike: those of digits, and
/// those below an object that one side shows as a map. A map is a good answer, and no peer is
/// blamed for finding one, or for not finding one among digits.
fn folded(paths: &BTreeSet<String>, maps: &BTreeSet<String>) -> BTreeSet<String> {
    let fold = |path: &String| {
        let mut out = String::new();
        // Names in quotes hold no separators that matter here: they are kept as they are.
        for (index, step) in path.split('.').enumerate() {
            let (name, rest) = step.split_at(step.find('[').unwrap_or(step.len()));
            let data = maps.contains(&out) || (!name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()));
            if index > 0 {
                out.push('.');
            }
            out.push_str(if data { "{}" } else { name });
            out.push_str(rest);
        }
        out
    };
    paths.iter().map(fold).collect()
}

/// Objects that are shown as maps.
fn maps(paths: &BTreeSet<String>) -> BTreeSet<String> {
    paths.iter().filter_map(|path| path.strip_suffix(".{}")).map(str::to_owned).collect()
}

/// The paths of a catalogue in TSV, whatever the event.
fn paths_of(tsv: &str) -> BTreeSet<String> {
    tsv.lines().filter_map(|line| line.split('\t').nth(1)).map(str::to_owned).collect()
}

/// What is missing in `found` and what is too much, in a few words; empty if nothing.
fn difference(expect: &BTreeSet<String>, found: &BTreeSet<String>) -> String {
    let maps: BTreeSet<String> = maps(expect).union(&maps(found)).cloned().collect();
    let (expect, found) = (&folded(expect, &maps), &folded(found, &maps));
    let (missing, extra) = (expect.difference(found).count(), found.difference(expect).count());
    match (missing, extra) {
        (0, 0) => String::new(),
        (_, 0) => format!("{missing} of {} paths lost", expect.len()),
        (0, _) => format!("{extra} paths invented"),
        _ => format!("{missing} of {} paths lost, {extra} invented", expect.len()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::difference;

    #[track_caller]
    fn check(expect: &[&str], found: &[&str], verdict: &str) {
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(difference(&set(expect), &set(found)), verdict);
    }

    #[test]
    fn differences() {
        check(&["a", "a.b"], &["a", "a.b"], "");
        check(&["a", "a.b"], &["a"], "1 of 2 paths lost");
        check(&["a"], &["a", "b"], "1 paths invented");
        check(&["a"], &["b"], "1 of 1 paths lost, 1 invented");
        check(&["m", "m.{}", "m.{}.v"], &["m", "m.1", "m.2", "m.1.v"], "");
        check(&["m", "m.x", "m.y", "m.y.v[]"], &["m", "m.{}", "m.{}.v[]"], "");
    }
}
