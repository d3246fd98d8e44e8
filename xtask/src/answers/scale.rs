//! An index of so many texts: how long it takes to build and how much memory, how large it is, and how
//! fast it answers.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;
use stele_testkit::sample::{Plan, write};

use super::asked::{Server, cold, questions};
use super::{Answers, quantile, sorted};

/// Questions before the clock starts: files are open, caches filled, the model loaded.
const QUESTIONS_BEFORE: usize = 20;

/// Questions on the clock, so many that ten lie above the 95th percentile.
const QUESTIONS: usize = 200;

/// Whole processes of which the median is taken.
const COLD_STARTS: usize = 20;

/// The arms, by the names that the tool gives them.
const ARMS: [&str; 3] = ["text", "vector", "hybrid"];

/// Vectors without meaning, as many numbers as the model's, for what the model would take too long for.
const DOUBLE: &str = "[embedding]\nprovider = \"test-double\"\ndimension = 384\n";

/// What an index of one size came to.
#[derive(Debug, Serialize)]
pub(super) struct Scale {
    texts: u64,
    /// What made the vectors.
    model: String,
    build_seconds: f64,
    build_peak_bytes: u64,
    index_bytes: u64,
    arms: Vec<Arm>,
}

/// How fast one arm answers, in milliseconds.
#[derive(Debug, Serialize)]
struct Arm {
    arm: &'static str,
    warm_p50: f64,
    warm_p95: f64,
    cold_median: f64,
}

impl Scale {
    /// A line an arm; what belongs to all of them stands in the first.
    pub(super) fn rows(&self) -> Vec<String> {
        let row = |(number, arm): (usize, &Arm)| {
            let whole = format!(
                "{} | {} | {:.1} s | {:.0} | {:.1}",
                self.texts,
                self.model,
                self.build_seconds,
                self.build_peak_bytes as f64 / 1e6,
                self.index_bytes as f64 / 1e6,
            );
            let whole = if number == 0 { whole } else { " | | | | ".to_owned() };
            let Arm { arm, warm_p50, warm_p95, cold_median } = arm;
            format!("| {whole} | {arm} | {warm_p50:.1} ms | {warm_p95:.1} ms | {cold_median:.0} ms |")
        };
        self.arms.iter().enumerate().map(row).collect()
    }
}

/// Makes a lake of a sample so large, and measures.
pub(super) fn scale(plan: &Answers, bytes: u64) -> Result<Scale> {
    let dir = plan.tools.fresh("answers")?;
    let data_dir = dir.join("data");
    let sample = write(&Plan { seed: 1, bytes, damage: false }, &dir.join("sample"))?;
    let lake = Lake { stele: &plan.tools.stele, data_dir, config: dir.join("stele.toml") };
    fs::write(&lake.config, "")?;
    lake.run(&["ingest", &sample.recordings.display().to_string(), "--no-embed"])?;
    let texts = lake.texts()?;
    let count = texts.len() as u64;
    if count > plan.real_max {
        fs::write(&lake.config, DOUBLE)?;
    }
    let build = plan.tools.measure(lake.command(&["index", "build"]))?;
    ensure!(build.success, "stele index build failed");
    let status = lake.run(&["index", "status"])?;
    let index = &status["indexes"][0];
    let pointer = &index["pointer"];
    ensure!(pointer["rows"] == count, "{} of {count} texts are in the index", pointer["rows"]);
    let model = pointer["spec"]["model"]["id"].as_str().context("the index has no vectors")?.to_owned();
    let index_bytes = index["bytes"].as_u64().context("the index has no size")?;
    let mut server = Server::start(lake.command(&["mcp"]))?;
    let mut arms = Vec::new();
    for (number, arm) in ARMS.into_iter().enumerate() {
        let asked = questions(&texts, QUESTIONS_BEFORE + QUESTIONS, number as u64)?;
        let took = asked.iter().map(|question| server.search(question, arm)).collect::<Result<Vec<_>>>()?;
        let warm = sorted(took[QUESTIONS_BEFORE..].to_vec());
        let cold_median = quantile(&lake.cold_starts(&asked[..COLD_STARTS], arm)?, 0.5);
        let [warm_p50, warm_p95] = [0.5, 0.95].map(|share| quantile(&warm, share));
        arms.push(Arm { arm, warm_p50, warm_p95, cold_median });
    }
    server.stop()?;
    fs::remove_dir_all(&dir)?;
    Ok(Scale {
        texts: count,
        model,
        build_seconds: build.seconds,
        build_peak_bytes: build.peak_bytes,
        index_bytes,
        arms,
    })
}

/// A data directory, and the program that works on it.
struct Lake<'a> {
    stele: &'a Path,
    data_dir: PathBuf,
    config: PathBuf,
}

impl Lake<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.stele);
        command.args(arguments).arg("--data-dir").arg(&self.data_dir).arg("--config").arg(&self.config);
        command
    }

    /// The last line of a run, which has to succeed.
    fn run(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command(arguments).arg("--json").output().context("cannot run stele")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "stele {}: {}", arguments.join(" "), said.trim());
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(text.lines().last().unwrap_or_default()).context("stele did not answer in JSON")
    }

    /// Every text that the lake comes to.
    fn texts(&self) -> Result<Vec<String>> {
        let mut command = self.command(&["export", "chunks"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let out = child.stdout.take().context("stele export chunks has no pipe")?;
        let mut texts = Vec::new();
        for line in BufReader::new(out).lines() {
            let chunk: Value = serde_json::from_str(&line?).context("a chunk is no JSON")?;
            texts.push(chunk["text"].as_str().context("a chunk has no text")?.to_owned());
        }
        ensure!(child.wait()?.success(), "stele export chunks failed");
        Ok(texts)
    }

    /// Milliseconds of processes that answer one question each, in order.
    fn cold_starts(&self, asked: &[String], arm: &str) -> Result<Vec<f64>> {
        let took = asked.iter().map(|question| {
            let mut command = self.command(&["search", question, "--arm", arm, "--json"]);
            cold(&mut command)
        });
        Ok(sorted(took.collect::<Result<_>>()?))
    }
}
