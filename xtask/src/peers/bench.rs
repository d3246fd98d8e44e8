//! How long the same work takes: interleaved runs, and no figure for a wrong answer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Run, Tools, difference, paths_of};

/// What to measure.
#[derive(Debug, Clone)]
pub struct Bench {
    /// Inputs with their names.
    pub inputs: Vec<(String, PathBuf)>,
    /// Measured runs of each; one more goes before them and is not counted.
    pub runs: usize,
    /// Also shows figures of tools whose answer differs, marked.
    pub show_wrong: bool,
}

/// A tool that does a piece of work.
struct Contender {
    work: &'static str,
    tool: &'static str,
    /// What differs in its answer; empty if nothing does.
    wrong: String,
    /// Records per second are only meaningful if there are records.
    rows: u64,
    runs: Vec<Run>,
}

/// Measures and returns the table.
///
/// # Errors
///
/// A program cannot be run, or ours gives no answer.
pub fn bench(tools: &Tools, bench: &Bench) -> Result<String> {
    let mut out = String::from(
        "| input | work | tool | MB/s (min–max) | records per CPU-second | peak MB | answer |\n|---|---|---|---|---|---|---|\n",
    );
    for (name, input) in &bench.inputs {
        let bytes = fs::metadata(input).with_context(|| format!("cannot read {}", input.display()))?.len();
        let mut contenders = contenders(tools, input)?;
        for round in 0..=bench.runs {
            for contender in &mut contenders {
                if contender.wrong.is_empty() || bench.show_wrong || contender.tool == "stele" {
                    let run = run(tools, contender, input)?;
                    if round > 0 {
                        contender.runs.push(run);
                    }
                }
            }
        }
        for contender in &contenders {
            let _ = writeln!(out, "{}", row(name, bytes, contender));
        }
    }
    Ok(out)
}

/// Who takes part, after a look at their answers.
fn contenders(tools: &Tools, input: &Path) -> Result<Vec<Contender>> {
    let expect = paths_of(&tools.discover(input, "none")?);
    let rows =
        fs::read(input)?.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    let rows = rows as u64;
    let judge = |answer: super::Described| -> String {
        if let Some(error) = answer.error {
            return format!("fails: {}", error.chars().take(60).collect::<String>());
        }
        match answer.rows {
            Some(found) if found != rows => format!("{found} of {rows} records"),
            _ => difference(&expect, &answer.paths),
        }
    };
    let entry = |work, tool, wrong| Contender { work, tool, wrong, rows, runs: Vec::new() };
    let mut all = vec![entry("discover", "stele", own_rows(tools, input, rows)?)];
    if tools.genson.is_some() {
        let schema = tools.fresh("genson.json")?;
        let output = genson(tools, input).output().context("cannot run genson-rs")?;
        fs::write(&schema, output.stdout)?;
        all.push(entry("discover", "genson-rs", judge(tools.describe("genson", &schema)?)));
    }
    all.push(entry("discover", "duckdb", judge(tools.describe("duckdb-structure", input)?)));
    all.push(entry("ingest", "stele", String::new()));
    all.push(entry("ingest", "duckdb", judge(tools.describe("duckdb", input)?)));
    all.push(entry("ingest", "polars", judge(tools.describe("polars", input)?)));
    Ok(all)
}

/// What is wrong with our own count of records, by the summary of an ingest.
fn own_rows(tools: &Tools, input: &Path, rows: u64) -> Result<String> {
    let output = stele(tools, "ingest", input)?.output().context("cannot run stele")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let summary: serde_json::Value = serde_json::from_str(last).context("stele ingest gave no summary")?;
    let found = summary["records"].as_u64().unwrap_or(0) + summary["quarantined"].as_u64().unwrap_or(0);
    Ok(if found == rows { String::new() } else { format!("{found} of {rows} records") })
}

fn genson(tools: &Tools, input: &Path) -> Command {
    let mut command = Command::new(tools.genson.as_deref().unwrap_or(Path::new("genson-rs")));
    command.args(["--delimiter", "newline"]).arg(input);
    command
}

fn stele(tools: &Tools, work: &str, input: &Path) -> Result<Command> {
    let mut command = Command::new(&tools.stele);
    command.arg(work).arg(input);
    if work == "ingest" {
        command.arg("--data-dir").arg(tools.fresh("bench-lake")?).args(["--no-embed", "--json"]);
    } else {
        command.args(["--fold", "none", "--format", "tsv"]);
    }
    Ok(command)
}

fn run(tools: &Tools, contender: &Contender, input: &Path) -> Result<Run> {
    let work = match contender.tool {
        "stele" => stele(tools, contender.work, input)?,
        "genson-rs" => genson(tools, input),
        peer => {
            let mut command = tools.script();
            command.args(["run", peer, contender.work]).arg(input).arg(tools.fresh("bench-output")?);
            command
        }
    };
    tools.measure(work)
}

fn row(input: &str, bytes: u64, contender: &Contender) -> String {
    let Contender { work, tool, wrong, .. } = contender;
    let verdict = if wrong.is_empty() { "same" } else { wrong };
    let mut speeds: Vec<f64> = contender.runs.iter().map(|run| bytes as f64 / 1e6 / run.seconds).collect();
    speeds.sort_by(f64::total_cmp);
    if contender.runs.iter().any(|run| !run.success) {
        return format!("| {input} | {work} | {tool} | – | – | – | fails |");
    }
    let (Some(least), Some(most)) = (speeds.first(), speeds.last()) else {
        return format!("| {input} | {work} | {tool} | – | – | – | {verdict} |");
    };
    let mut cpu: Vec<f64> =
        contender.runs.iter().map(|run| contender.rows as f64 / run.cpu_seconds).collect();
    cpu.sort_by(f64::total_cmp);
    let peak = contender.runs.iter().map(|run| run.peak_bytes).max().unwrap_or_default();
    format!(
        "| {input} | {work} | {tool} | {:.0} ({least:.0}–{most:.0}) | {:.0} | {:.0} | {verdict} |",
        speeds[speeds.len() / 2],
        cpu[cpu.len() / 2],
        peak as f64 / 1e6,
    )
}

/// Inputs of about `bytes` each, made from the sample in `dir`: the captures and the games, each as
/// one file.
///
/// # Errors
///
/// The sample cannot be written.
pub fn default_inputs(dir: &Path, bytes: u64) -> Result<Vec<(String, PathBuf)>> {
    let sample_dir = dir.join("bench-sample");
    if sample_dir.exists() {
        fs::remove_dir_all(&sample_dir)?;
    }
    let plan = stele_testkit::sample::Plan { seed: 1, bytes: bytes * 2, damage: false };
    let sample = stele_testkit::sample::write(&plan, &sample_dir)?;
    let mut inputs = Vec::new();
    for (name, format) in [("captures", "F1"), ("games", "F4")] {
        let path = dir.join(format!("bench-{name}.jsonl"));
        let mut out = fs::File::create(&path)?;
        let parts: BTreeSet<&str> = sample
            .files
            .iter()
            .filter(|file| file.format == format && file.compression == "none")
            .map(|file| file.path.as_str())
            .collect();
        for part in parts {
            std::io::copy(&mut fs::File::open(sample_dir.join(part))?, &mut out)?;
        }
        inputs.push((name.to_owned(), path));
    }
    fs::remove_dir_all(&sample_dir)?;
    Ok(inputs)
}
