//! How fast documents are read, beside other tools on the same files. They only parse; ours keeps every
//! byte, finds what the texts are about, and writes a graph of it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::peers::{Run, Tools};

/// Tools that read Markdown.
const PEERS: [&str; 3] = ["markdown-it-py", "markitdown", "unstructured"];

/// What to measure.
#[derive(Debug, Clone)]
pub struct Documents {
    /// Our program, a Python with the others, and room on the disk.
    pub tools: Tools,
    /// The built example `measure` of `stele-documents`; without it parsing alone is not measured.
    pub measure: Option<PathBuf>,
    /// Markdown files.
    pub corpus: PathBuf,
    /// How often the corpus is there, under other names and with other words: small ones measure the
    /// start of programs.
    pub copies: u64,
    /// Measured rounds.
    pub runs: usize,
    /// Whether our program is measured once more with the vectors of all texts.
    pub embedded: bool,
}

/// Measures, and gives the table.
///
/// # Errors
///
/// A program cannot be run, or does not read all files.
pub fn documents(plan: &Documents) -> Result<String> {
    fs::create_dir_all(&plan.tools.scratch)?;
    let (dir, files, bytes) = copied(plan)?;
    let script = plan.tools.scratch.join("documents.py");
    fs::write(&script, include_str!("../documents.py"))?;
    let lake = plan.tools.scratch.join("documents-lake");
    let ingest = |threads: &str| {
        let mut work = Command::new(&plan.tools.stele);
        work.arg("ingest").arg(&dir).args(["--quiet", "--threads", threads, "--data-dir"]).arg(&lake);
        work
    };
    let mut rows: Vec<(String, Vec<Run>)> = Vec::new();
    let mut left_out = String::new();
    let ours = [("stele, one thread", "1"), ("stele, two threads", "2")];
    for round in 0..=plan.runs {
        let mut all = Vec::new();
        for (name, threads) in ours {
            plan.tools.fresh("documents-lake")?;
            let mut work = ingest(threads);
            work.arg("--no-embed");
            all.push((name, plan.tools.measure(work)?));
        }
        if let Some(measure) = &plan.measure {
            let mut work = Command::new(measure);
            work.arg("--alone").arg(&dir);
            all.push(("stele, parsing and extraction alone, one thread", plan.tools.measure(work)?));
        }
        for peer in PEERS {
            let mut work = Command::new(&plan.tools.python);
            work.arg(&script).arg(peer).arg(&dir);
            if round == 0
                && let Some(why) = why_not(&mut work, files)?
            {
                let _ = writeln!(left_out, "{peer} is not measured: {why}");
                continue;
            }
            if round == 0 || rows.iter().any(|(name, _)| name == peer) {
                all.push((peer, plan.tools.measure(work)?));
            }
        }
        for (name, run) in all {
            ensure!(run.success, "{name} failed");
            match rows.iter_mut().find(|(known, _)| known == name) {
                // The first round warms the caches and is not counted.
                Some((_, runs)) => runs.push(run),
                None => rows.push((name.to_owned(), Vec::new())),
            }
        }
    }
    if plan.embedded {
        plan.tools.fresh("documents-lake")?;
        let run = plan.tools.measure(ingest("2"))?;
        ensure!(run.success, "ingest with vectors failed");
        rows.push(("stele, two threads, with vectors, once".to_owned(), vec![run]));
    }
    Ok(table(&rows, files, bytes) + &left_out)
}

/// Why a tool cannot be measured here, in its own last words; one that runs has to read all files.
fn why_not(work: &mut Command, files: u64) -> Result<Option<String>> {
    let output = work.output().context("cannot run the Python of the others")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
        return Ok(Some(format!("{}: {last}", output.status)));
    }
    let read = String::from_utf8_lossy(&output.stdout);
    ensure!(read.trim() == files.to_string(), "{read} of {files} files were read");
    Ok(None)
}

fn table(rows: &[(String, Vec<Run>)], files: u64, bytes: u64) -> String {
    let mut out = format!(
        "{files} files, {:.1} MB of Markdown\n\n| tool | MB/s | MB per CPU-second | peak MB |\n|---|---|---|---|\n",
        bytes as f64 / 1e6
    );
    for (name, runs) in rows {
        let median = |of: &dyn Fn(&Run) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let megabytes = bytes as f64 / 1e6;
        let _ = writeln!(
            out,
            "| {name} | {:.1} | {:.1} | {:.0} |",
            megabytes / median(&|run| run.seconds),
            megabytes / median(&|run| run.cpu_seconds),
            median(&|run| run.peak_bytes as f64 / 1e6)
        );
    }
    out
}

/// The corpus, as often as wanted, with a word of its own in each copy.
fn copied(plan: &Documents) -> Result<(PathBuf, u64, u64)> {
    let dir = plan.tools.fresh("documents-corpus")?;
    let mut texts = Vec::new();
    markdown_in(&plan.corpus, &mut texts)?;
    ensure!(!texts.is_empty(), "{} holds no Markdown", plan.corpus.display());
    let (mut files, mut bytes) = (0, 0);
    for copy in 0..plan.copies {
        let below = dir.join(copy.to_string());
        fs::create_dir_all(&below)?;
        for (number, text) in texts.iter().enumerate() {
            let text = format!("{text}\n\nThis is copy {copy} of page {number}.\n");
            bytes += text.len() as u64;
            files += 1;
            fs::write(below.join(format!("page-{number}.md")), text)?;
        }
    }
    Ok((dir, files, bytes))
}

fn markdown_in(dir: &Path, texts: &mut Vec<String>) -> Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir)
        .with_context(|| format!("cannot list {}", dir.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            markdown_in(&path, texts)?;
        } else if path.extension().is_some_and(|ending| ending == "md") {
            texts.push(fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
