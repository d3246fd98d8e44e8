//! The program under blows: killed at random moments, run twice at once, fed the same thing again.
//! Afterwards nothing may be missing, doubled or changed. One seed replays one run.

mod index;
mod jobs;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use stele_testkit::faults::{Ending, kill_after};
use stele_testkit::rng::Rng;
use stele_testkit::sample::{Plan, Sample, write};

use self::index::{Blows, IndexWorld, Vectors};

/// Size of the sample: large enough that an ingest has several moments worth being killed at.
const SAMPLE_BYTES: u64 = 1_500_000;

/// Most kills in one run before it may end in peace.
const KILLS_MAX: u64 = 4;

/// How often a run may be refused because another one writes, before something is wrong.
const REFUSALS_MAX: usize = 50;

/// What to run.
#[derive(Debug, Clone)]
pub struct Torture {
    /// Our program.
    pub stele: PathBuf,
    /// Where samples and lakes are put.
    pub scratch: PathBuf,
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds.
    pub seeds: u64,
    /// How many seeds more for the index with the model, which takes half a minute each.
    pub model_seeds: u64,
    /// How many kills of workers and services.
    pub job_kills: u64,
}

/// Runs every seed and returns the table, and whether all held. `told` hears of what takes long when it is over.
///
/// # Errors
///
/// The program cannot be run at all, or the scratch directory cannot be used.
pub fn torture(plan: &Torture, told: &dyn Fn(&str)) -> Result<(String, bool)> {
    let mut out = String::from("| seed | what | how it went | verdict |\n|---|---|---|---|\n");
    let mut all = lakes(plan, &mut out)?;
    let mut kills = 0;
    for (vectors, seeds) in [(Vectors::Double, plan.seeds), (Vectors::Model, plan.model_seeds)] {
        if seeds == 0 {
            continue;
        }
        let index = IndexWorld::new(&plan.stele, &plan.scratch, plan.first_seed, vectors)?;
        for seed in plan.first_seed..plan.first_seed + seeds {
            let blows = index.blow(seed, &mut Rng::new(seed))?;
            all &= blows.findings.is_empty();
            kills += blows.kills;
            let with = if vectors == Vectors::Model { ", with the model" } else { "" };
            let Blows { what, story, findings, .. } = blows;
            let _ = writeln!(out, "| {seed} | {what}{with} | {story} | {} |", verdict(&findings));
        }
    }
    let jobs = jobs::kill_workers(&plan.stele, &plan.scratch, (plan.first_seed, plan.job_kills), told)?;
    all &= jobs.held;
    jobs.lines.iter().for_each(|line| out.extend([line, "\n"]));
    let _ = writeln!(out, "\nThe index was killed {kills} times, workers and services {} times.", jobs.kills);
    Ok((out, all))
}

/// Ingests under blows, a line a seed; says whether all held.
fn lakes(plan: &Torture, out: &mut String) -> Result<bool> {
    if plan.seeds == 0 {
        return Ok(true);
    }
    let sample_dir = plan.scratch.join("torture-sample");
    if sample_dir.exists() {
        fs::remove_dir_all(&sample_dir)?;
    }
    let sample = write(&Plan { seed: plan.first_seed, bytes: SAMPLE_BYTES, damage: true }, &sample_dir)?;
    let mut world =
        World { stele: plan.stele.clone(), lake: plan.scratch.join("torture-lake"), sample, micros: 0 };
    world.fresh()?;
    let start = Instant::now();
    world.finish()?;
    world.micros = start.elapsed().as_micros() as u64;
    let mut all = true;
    for seed in plan.first_seed..plan.first_seed + plan.seeds {
        let mut rng = Rng::new(seed);
        world.fresh()?;
        let (what, story) = match seed % 5 {
            0..=2 => ("kill -9 at random moments", world.kill(&mut rng)?),
            3 => ("two processes at once, killed", world.two_at_once(&mut rng)?),
            _ => ("the same inputs again and again", world.again(&mut rng)?),
        };
        let findings = world.judge()?;
        all &= findings.is_empty();
        let _ = writeln!(out, "| {seed} | {what} | {story} | {} |", verdict(&findings));
    }
    fs::remove_dir_all(&sample_dir)?;
    world.fresh()?;
    Ok(all)
}

fn verdict(findings: &[String]) -> String {
    if findings.is_empty() { "holds".to_owned() } else { findings.join("; ") }
}

struct World {
    stele: PathBuf,
    lake: PathBuf,
    sample: Sample,
    /// How long an undisturbed ingest takes.
    micros: u64,
}

impl World {
    fn fresh(&self) -> Result<()> {
        if self.lake.exists() {
            fs::remove_dir_all(&self.lake)?;
        }
        Ok(())
    }

    fn command(&self, verb: &str, target: Option<&Path>) -> Command {
        let mut command = Command::new(&self.stele);
        command.arg(verb).args(target).arg("--data-dir").arg(&self.lake).stdin(Stdio::null());
        command.env("STELE_INDEX_ON_INGEST", "false");
        // Answers of SQL are read as CSV; everything else as JSON.
        if verb != "sql" {
            command.arg("--json");
        }
        command
    }

    fn ingest(&self) -> Command {
        self.command("ingest", Some(&self.sample.recordings))
    }

    fn output(&self, command: &mut Command) -> Result<Output> {
        command.output().with_context(|| format!("cannot run {}", self.stele.display()))
    }

    /// Ingests in peace, waiting for its turn.
    fn finish(&self) -> Result<()> {
        for _ in 0..REFUSALS_MAX {
            let output = self.output(&mut self.ingest())?;
            if output.status.success() {
                return Ok(());
            }
            let error = String::from_utf8_lossy(&output.stderr);
            // A child that was killed may hold the lock for the moment that its end takes.
            if !error.contains("writ") {
                bail!("an undisturbed ingest ended with {}: {error}", output.status);
            }
        }
        bail!("the lake stays locked")
    }

    fn kill(&self, rng: &mut Rng) -> Result<String> {
        let mut moments = Vec::new();
        for _ in 0..=rng.below(KILLS_MAX) {
            match kill_after(&mut self.ingest(), rng, self.micros * 5 / 4)? {
                Ending::Killed => moments.push("killed"),
                Ending::Finished { success: true } => moments.push("done"),
                Ending::Finished { success: false } => moments.push("failed"),
            }
        }
        self.finish()?;
        Ok(moments.join(", "))
    }

    fn two_at_once(&self, rng: &mut Rng) -> Result<String> {
        let mut other = self.ingest().stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let ending = kill_after(&mut self.ingest(), rng, self.micros)?;
        let status = other.wait()?;
        self.finish()?;
        let one = if ending == Ending::Killed { "killed" } else { "ended" };
        Ok(format!("one {one}, the other ended with {}", status.code().unwrap_or(-1)))
    }

    fn again(&self, rng: &mut Rng) -> Result<String> {
        // First some of the inputs alone, then all of them twice.
        let mut alone = 0;
        for file in &self.sample.files {
            if rng.one_in(3) {
                let path = self.sample.recordings.with_file_name(&file.path);
                let output = self.output(&mut self.command("ingest", Some(&path)))?;
                if !output.status.success() {
                    bail!("ingest of {} ended with {}", file.path, output.status);
                }
                alone += 1;
            }
        }
        self.finish()?;
        self.finish()?;
        Ok(format!("{alone} inputs alone, then all twice"))
    }

    /// What does not hold.
    fn judge(&self) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        let output = self.output(&mut self.command("coverage", None))?;
        if !output.status.success() {
            findings.push(format!("coverage ended with {}", output.status));
        }
        let counts = [
            ("records", "SELECT count(*) AS n FROM events", self.sample.records()),
            (
                "records with an id of their own",
                "SELECT count(DISTINCT record_id) AS n FROM events",
                self.sample.records(),
            ),
            ("rejected lines", "SELECT count(*) AS n FROM quarantine", self.sample.quarantined()),
        ];
        for (what, query, expect) in counts {
            let mut command = self.command("sql", None);
            let output = self.output(command.arg(query).args(["--format", "csv"]))?;
            let text = String::from_utf8_lossy(&output.stdout);
            let found = text.split(|c: char| !c.is_ascii_digit()).rfind(|word| !word.is_empty());
            if found.and_then(|word| word.parse().ok()) != Some(expect) {
                findings.push(format!("{} {what} instead of {expect}", found.unwrap_or("no")));
            }
        }
        let output = self.output(self.command("doctor", None).arg("--fix"))?;
        if !output.status.success() {
            findings.push(format!("doctor ended with {}", output.status));
        }
        Ok(findings)
    }
}
