//! A directory of parser tests, each file taken as one record: `y_…` has to be accepted, `n_…`
//! refused, `i_…` is the reader's choice, and nothing may crash.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use stele_model::json::Tape;

/// What went wrong, a line each, and how many files were tried.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Files.
    pub files: usize,
    /// Wrong answers.
    pub findings: Vec<String>,
}

/// Tries every file of `dir` on the parser, and with `stele` on the whole program as well: ingest,
/// what its summary says, and replay.
///
/// # Errors
///
/// The directory or a file cannot be read, or the program cannot be run.
pub fn json_suite(dir: &Path, stele: Option<&Path>, scratch: &Path) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut paths: Vec<_> = fs::read_dir(dir)
        .with_context(|| format!("cannot list {}", dir.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut tape = Tape::default();
    for path in paths {
        outcome.files += 1;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let accepted = std::str::from_utf8(&bytes).is_ok_and(|text| tape.parse(text).is_ok());
        let mut findings = Vec::new();
        if name.starts_with("y_") && !accepted {
            findings.push("the parser refuses it".to_owned());
        }
        if name.starts_with("n_") && accepted {
            findings.push("the parser accepts it".to_owned());
        }
        if let Some(stele) = stele {
            findings.extend(through_program(stele, &path, &bytes, &name, scratch)?);
        }
        outcome.findings.extend(findings.into_iter().map(|finding| format!("{name}: {finding}")));
    }
    Ok(outcome)
}

fn through_program(
    stele: &Path,
    path: &Path,
    bytes: &[u8],
    name: &str,
    scratch: &Path,
) -> Result<Vec<String>> {
    let lake = scratch.join(name);
    let mut findings = Vec::new();
    let run = |args: &[&str]| {
        let output = Command::new(stele).args(args).arg(path).arg("--data-dir").arg(&lake).output();
        output.with_context(|| format!("cannot run {}", stele.display()))
    };
    let output = run(&["ingest", "--no-embed", "--json"])?;
    // 101 is a panic, and no code at all is a signal.
    if !matches!(output.status.code(), Some(0..=100)) {
        findings.push(format!("ingest ended with {}", output.status));
        return Ok(findings);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let summary: serde_json::Value =
        text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    let (records, rejected) = (summary["records"].as_u64(), summary["quarantined"].as_u64());
    if name.starts_with("y_") && rejected != Some(0) {
        findings.push(format!("ingest has {records:?} records and {rejected:?} rejected"));
    }
    // A refused text that spans lines may hold a line that is a record of its own; what counts is
    // that the damage did not go unnoticed.
    let noticed = rejected.is_some_and(|rejected| rejected > 0) || bytes.trim_ascii().is_empty();
    if name.starts_with("n_") && !noticed {
        findings.push(format!("ingest has {records:?} records and {rejected:?} rejected"));
    }
    let replay = run(&["replay"])?;
    if replay.stdout != bytes {
        findings.push("replay differs".to_owned());
    }
    fs::remove_dir_all(&lake).with_context(|| format!("cannot remove {}", lake.display()))?;
    Ok(findings)
}
