//! Queue, worker and service under blows: jobs on made-up documents and recordings are worked on by a worker
//! and a service that are killed at random moments and started again, until all is done. Then lake, graph and
//! index are those of an undisturbed run, id by id, and each job has ended once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use stele_testkit::rng::Rng;

/// Documents and recordings of a round, and how many jobs they make: a job of some seconds has moments in each
/// stage, and six of them give two workers something to do side by side.
const DOCUMENTS: u64 = 300;
const RECORDINGS: u64 = 100;
const JOBS: u64 = 6;

/// The longest time between most blows: several of them fall into one job. One in four takes as long as a job does
/// in peace, so that late stages are reached, too.
const BLOW_MICROS_MAX: u64 = 2_500_000;

/// Blows of one round before it may end in peace: with all of them in one a job would meet each stage once.
const ROUND_KILLS_MAX: u64 = 20;

/// The longest that a round may take after its last blow, before something hangs: ten minutes, or several times as long
/// as all jobs take in peace where the machine is that busy.
const ROUND_MAX: Duration = Duration::from_secs(600);
const PEACE_TIMES_MAX: u64 = 4;

/// Vectors that need no model, and as many attempts as there are blows: each one costs a job an attempt, and what
/// is looked for is what gets lost, not what gives up.
const CONFIG: &str = "sample_queries = [\"tide level\"]\n\
    [embedding]\nprovider = \"test-double\"\ndimension = 32\n\
    [jobs]\nattempts_max = 1000\n";

/// How long a worker that is gone holds its jobs. Half of those that come back have another name and have to wait.
const LEASE: &str = "2s";

/// What a lake has to say, in an order of its own: ids, places and content.
const ROWS: [(&str, &str); 6] = [
    (
        "records",
        "SELECT record_id, source, line_no, byte_offset, raw_hash, event_type FROM events ORDER BY ALL",
    ),
    ("rejected lines", "SELECT file_id, line_no, byte_offset, text FROM quarantine ORDER BY ALL"),
    ("documents", "SELECT * FROM documents ORDER BY ALL"),
    ("sections", "SELECT * FROM sections ORDER BY ALL"),
    ("entities", "SELECT * FROM entities ORDER BY ALL"),
    ("edges", "SELECT * FROM edges ORDER BY ALL"),
];

/// Words of made-up texts: some are in every document, so that things are mentioned and linked.
const WORDS: [&str; 16] = [
    "tide", "level", "pier", "crane", "harbour", "wind", "signal", "buoy", "pilot", "anchor", "berth",
    "cargo", "lock", "channel", "beacon", "watch",
];

/// What the blows came to.
pub(super) struct Story {
    /// A line a round, for the table.
    pub(super) lines: Vec<String>,
    pub(super) kills: u64,
    pub(super) held: bool,
}

/// What an undisturbed run leaves, or another one.
#[derive(PartialEq, Eq)]
struct Left {
    rows: BTreeMap<&'static str, BTreeSet<String>>,
    index: Value,
    graph: Value,
}

/// The inputs, and what an undisturbed run makes of them.
struct JobsWorld {
    stele: PathBuf,
    dir: PathBuf,
    /// The files of each job.
    batches: Vec<Vec<String>>,
    /// How long a job takes in peace.
    job_micros: u64,
}

/// Runs rounds until there were so many kills; `told` hears of each when it is over, since each takes minutes.
///
/// # Errors
///
/// The program cannot be run at all, or what an undisturbed run does fails.
pub(super) fn kill_workers(
    stele: &Path,
    scratch: &Path,
    (seed, kills): (u64, u64),
    told: &dyn Fn(&str),
) -> Result<Story> {
    let mut story = Story { lines: Vec::new(), kills: 0, held: true };
    if kills == 0 {
        return Ok(story);
    }
    let mut world = JobsWorld::new(stele, scratch, seed)?;
    let ids = world.submit("peace", 0..world.batches.len())?;
    ensure!(ids.len() == world.batches.len(), "{} jobs instead of {JOBS}", ids.len());
    let start = Instant::now();
    world.ok("peace", &["worker", "--until-idle"])?;
    world.job_micros = start.elapsed().as_micros() as u64 / JOBS;
    let peace = world.left("peace")?;
    for round in 0.. {
        if story.kills >= kills {
            break;
        }
        let left = (kills - story.kills).min(ROUND_KILLS_MAX);
        let blows = world.round(&mut Rng::fork(seed, round), left, &peace)?;
        story.held &= blows.findings.is_empty();
        story.kills += blows.kills;
        let mut at = String::new();
        for (state, times) in &blows.hit {
            let _ = write!(at, ", {times} in {state}");
        }
        let line = format!(
            "| {seed}.{round} | kill -9 of worker and service | {} kills{at} | {} |",
            blows.kills,
            super::verdict(&blows.findings)
        );
        told(&line);
        story.lines.push(line);
    }
    fs::remove_dir_all(&world.dir)?;
    Ok(story)
}

struct Blows {
    kills: u64,
    /// What the jobs that somebody held were at when their holder was killed.
    hit: BTreeMap<String, u64>,
    findings: Vec<String>,
}

impl JobsWorld {
    fn new(stele: &Path, scratch: &Path, seed: u64) -> Result<Self> {
        let dir = scratch.join("torture-jobs");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(dir.join("in"))?;
        fs::write(dir.join("stele.toml"), CONFIG)?;
        let mut rng = Rng::fork(seed, u64::MAX);
        let mut batches = vec![Vec::new(); JOBS as usize];
        let mut put = |number: u64, name: String, text: String| -> Result<()> {
            fs::write(dir.join(&name), text)?;
            batches[(number % JOBS) as usize].push(name);
            Ok(())
        };
        for number in 0..DOCUMENTS {
            put(number, format!("in/page-{number:03}.md"), document(&mut rng, number))?;
        }
        for number in 0..RECORDINGS {
            put(number, format!("in/gauge-{number:03}.jsonl"), recording(&mut rng, number))?;
        }
        Ok(Self { stele: stele.to_owned(), dir, batches, job_micros: 0 })
    }

    /// Works on all jobs while worker and service are killed so many times, then in peace.
    fn round(&self, rng: &mut Rng, kills_max: u64, peace: &Left) -> Result<Blows> {
        let data = "victim";
        if self.dir.join(data).exists() {
            fs::remove_dir_all(self.dir.join(data))?;
        }
        let mut blows = Blows { kills: 0, hit: BTreeMap::new(), findings: Vec::new() };
        // Some wait already, the others come while there is work.
        let first = 1 + rng.below(self.batches.len() as u64 - 1) as usize;
        let mut ids = self.submit(data, 0..first)?;
        let mut rest = first..self.batches.len();
        let mut crew = Crew::default();
        let mut since = Instant::now();
        let jobs = loop {
            crew.complete(self, data, rng)?;
            let most = if rng.one_in(4) { self.job_micros.max(1) } else { BLOW_MICROS_MAX };
            pass(Duration::from_micros(rng.below(most)));
            let struck = if blows.kills < kills_max { crew.strike(rng)? } else { 0 };
            if struck > 0 {
                blows.kills += struck;
                since = Instant::now();
            }
            if let Some(next) = rest.next().filter(|_| blows.kills < kills_max) {
                ids.extend(self.submit(data, next..next + 1)?);
            } else if !rest.is_empty() || ids.len() < self.batches.len() {
                ids.extend(self.submit(data, ids.len()..self.batches.len())?);
                rest = 0..0;
            }
            let jobs = self.jobs(data)?;
            // Who was killed holds its job until somebody else takes it.
            for job in jobs.iter().filter(|job| struck > 0 && job["worker"].is_string()) {
                *blows.hit.entry(word(&job["state"])).or_default() += 1;
            }
            if jobs.iter().all(|job| job["finished"].is_number()) && ids.len() == self.batches.len() {
                break jobs;
            }
            let most = ROUND_MAX.max(Duration::from_micros(self.job_micros * JOBS * PEACE_TIMES_MAX));
            if since.elapsed() > most {
                blows.findings.push(format!("not done {} s after the last blow", most.as_secs()));
                break jobs;
            }
        };
        crew.strike_all()?;
        blows.findings.extend(self.judge_jobs(data, &ids, &jobs)?);
        blows.findings.extend(self.judge_left(data, peace)?);
        Ok(blows)
    }

    /// Whether each job that was submitted has ended once, and nothing is to be done any more.
    fn judge_jobs(&self, data: &str, ids: &[String], jobs: &[Value]) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        let known: BTreeSet<&str> = jobs.iter().filter_map(|job| job["id"].as_str()).collect();
        let given: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        if known != given || jobs.len() != ids.len() {
            findings.push(format!("{} jobs were submitted and {} are there", ids.len(), jobs.len()));
        }
        for job in jobs {
            let id = word(&job["id"]);
            if job["state"] != "done" {
                findings.push(format!("{id} is {}: {}", word(&job["state"]), word(&job["cause"])));
                continue;
            }
            let told = self.run(data, &["tail", &id, "--no-follow"])?;
            let events: Vec<Value> = lines(&told.stdout).collect();
            let ended = events.iter().filter(|event| event["kind"] == "ended").count();
            let percents: Vec<f64> =
                events.iter().filter_map(|event| event["progress"]["percent"].as_f64()).collect();
            if ended != 1 || !percents.is_sorted() || percents.last() != Some(&100.0) {
                findings.push(format!("{id} ended {ended} times, at {:?} %", percents.last()));
            }
            if !self.dir.join(data).join("manifests/jobs").join(&id).join("report.json").exists() {
                findings.push(format!("{id} has no report"));
            }
        }
        // What is done is done: none of it makes a job again.
        let again = self.submit(data, 0..self.batches.len())?;
        if !again.is_empty() {
            findings.push(format!("{} jobs for what is done", again.len()));
        }
        Ok(findings)
    }

    /// Whether what is left is what an undisturbed run leaves.
    fn judge_left(&self, data: &str, peace: &Left) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        for args in [
            &["coverage"][..],
            &["verify"],
            &["graph", "verify"],
            &["index", "verify"],
            &["doctor", "--fix"],
            &["doctor"],
        ] {
            let output = self.run(data, args)?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                findings.push(format!("{} ended with {}: {said}", args.join(" "), output.status));
            }
        }
        let left = self.left(data)?;
        for (what, rows) in &peace.rows {
            let found = &left.rows[what];
            if found != rows {
                let missing: Vec<_> = rows.difference(found).collect();
                let extra: Vec<_> = found.difference(rows).collect();
                findings.push(format!(
                    "{what}: {} are missing, such as {:?}, and {} too many, such as {:?}",
                    missing.len(),
                    missing.first(),
                    extra.len(),
                    extra.first()
                ));
            }
        }
        for (what, found, expected) in
            [("index", &left.index, &peace.index), ("graph", &left.graph, &peace.graph)]
        {
            if found != expected {
                findings.push(format!("the {what} has the logical hash {found} instead of {expected}"));
            }
        }
        Ok(findings)
    }

    fn left(&self, data: &str) -> Result<Left> {
        let mut rows = BTreeMap::new();
        for (what, query) in ROWS {
            let output = self.command(data, &["sql", query, "--format", "jsonl", "--limit", "0"]).output()?;
            ensure!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let all: Vec<String> = text.lines().map(str::to_owned).collect();
            ensure!(!all.is_empty(), "no {what}, so that nothing would be compared");
            let kept: BTreeSet<String> = all.iter().cloned().collect();
            // A set hides what is there twice, which ids forbid.
            ensure!(kept.len() == all.len(), "{what}: {} rows are there twice", all.len() - kept.len());
            rows.insert(what, kept);
        }
        let hash = |args: &[&str]| -> Result<Value> {
            let hash = self.ok(data, args)?["logical_hash"].take();
            ensure!(hash.is_string(), "{} gives no logical hash", args.join(" "));
            Ok(hash)
        };
        Ok(Left { rows, index: hash(&["index", "verify"])?, graph: hash(&["graph", "status"])? })
    }

    /// Puts jobs into the queue and gives their names.
    fn submit(&self, data: &str, which: std::ops::Range<usize>) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for batch in &self.batches[which] {
            let mut args = vec!["ingest", "--no-wait"];
            args.extend(batch.iter().map(String::as_str));
            let queued = self.ok(data, &args)?;
            let given = queued["job_ids"].as_array().context("no job_ids")?;
            ids.extend(given.iter().map(word));
        }
        Ok(ids)
    }

    fn jobs(&self, data: &str) -> Result<Vec<Value>> {
        let mut told = self.ok(data, &["jobs", "--limit", "1000"])?;
        match told["jobs"].take() {
            Value::Array(jobs) => Ok(jobs),
            other => bail!("no list of jobs: {other}"),
        }
    }

    fn command(&self, data: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.stele);
        command.current_dir(&self.dir).args(args).args(["--data-dir", data]).stdin(Stdio::null());
        // A row of SQL is a line; everything else is an event of its own.
        if args[0] != "sql" {
            command.arg("--json");
        }
        command.env_remove("STELE_CONFIG").env_remove("STELE_QUEUE").env_remove("STELE_INDEX_ON_INGEST");
        command
    }

    fn run(&self, data: &str, args: &[&str]) -> Result<Output> {
        let output = self.command(data, args).output();
        output.with_context(|| format!("cannot run {}", self.stele.display()))
    }

    /// The last line of a run, which has to succeed.
    fn ok(&self, data: &str, args: &[&str]) -> Result<Value> {
        let output = self.run(data, args)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{} ended with {}: {}", args[..args.len().min(3)].join(" "), output.status, said.trim());
        }
        lines(&output.stdout).last().context("it said nothing")
    }
}

/// The worker and the service, as far as they run.
#[derive(Default)]
struct Crew {
    worker: Option<Child>,
    service: Option<Child>,
    /// Names that were given.
    names: u64,
}

impl Crew {
    /// Starts who is not there.
    fn complete(&mut self, world: &JobsWorld, data: &str, rng: &mut Rng) -> Result<()> {
        // Half of them come back as who they were, and take up at once what they held.
        self.names += u64::from(rng.one_in(2));
        let names = self.names;
        let start = |args: &[&str]| -> Result<Child> {
            let mut command = world.command(data, args);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().with_context(|| format!("cannot run {}", world.stele.display()))
        };
        if gone(&mut self.worker)? {
            let name = format!("worker-{names}");
            self.worker = Some(start(&["worker", "--name", &name, "--lease", LEASE])?);
        }
        if gone(&mut self.service)? {
            let name = format!("service-{names}");
            let args = ["serve", "--port", "0", "--worker-name", &name, "--lease", LEASE];
            self.service = Some(start(&args)?);
        }
        Ok(())
    }

    /// Kills one of the two, or both, and says how many.
    fn strike(&mut self, rng: &mut Rng) -> Result<u64> {
        let whom = rng.below(3);
        let mut kills = 0;
        if whom != 1 {
            kills += kill(&mut self.worker)?;
        }
        if whom != 0 {
            kills += kill(&mut self.service)?;
        }
        Ok(kills)
    }

    fn strike_all(&mut self) -> Result<()> {
        kill(&mut self.worker)?;
        kill(&mut self.service)?;
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // Where a round ends with an error; nobody is left to hear of a second one.
        let _ = self.strike_all();
    }
}

/// Whether nobody is there. One that ended by itself has something to say.
fn gone(child: &mut Option<Child>) -> Result<bool> {
    let Some(running) = child else { return Ok(true) };
    match running.try_wait()? {
        None => Ok(false),
        Some(status) => bail!("a process that works until it is stopped ended with {status}"),
    }
}

fn kill(child: &mut Option<Child>) -> Result<u64> {
    let Some(mut running) = child.take() else { return Ok(0) };
    if let Some(status) = running.try_wait()? {
        bail!("a process that works until it is stopped ended with {status}");
    }
    running.kill()?;
    running.wait()?;
    Ok(1)
}

#[allow(clippy::disallowed_methods, reason = "the point is to let an arbitrary time pass")]
fn pass(time: Duration) {
    std::thread::sleep(time);
}

fn lines(stdout: &[u8]) -> impl Iterator<Item = Value> {
    let text = String::from_utf8_lossy(stdout).into_owned();
    let values: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    values.into_iter()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn sentence(rng: &mut Rng) -> String {
    let mut text = String::from("The");
    for _ in 0..6 + rng.below(12) {
        let _ = write!(text, " {}", rng.pick(&WORDS));
    }
    text.push_str(".\n");
    text
}

/// A page with sections, a procedure, a command, and a link to another one.
fn document(rng: &mut Rng, number: u64) -> String {
    let mut text = format!("# Page {number}: {}\n\nThe tide level of page {number}.\n", rng.pick(&WORDS));
    for section in 0..2 + rng.below(4) {
        let (one, other) = (rng.pick(&WORDS), rng.below(DOCUMENTS));
        let _ = write!(text, "\n## {one} {section}\n\n{}", sentence(rng));
        let _ = write!(text, "\nSee also [page {other}](page-{other:03}.md).\n");
        let _ = write!(
            text,
            "\n```sh\nharbourctl {one} --berth {other}\n```\n\n1. Open `{one}.toml`.\n2. Wait.\n"
        );
    }
    text
}

/// Lines of a gauge, some of them damaged.
fn recording(rng: &mut Rng, number: u64) -> String {
    let mut text = String::new();
    for line in 0..20 + rng.below(40) {
        if rng.one_in(15) {
            text.push_str("{\"event\": \"tide\", \"data\":\n");
            continue;
        }
        let (event, level) = (rng.pick(&WORDS), rng.below(10_000));
        let _ = writeln!(
            text,
            "{{\"event\":\"{event}\",\"data\":{{\"gauge\":{number},\"line\":{line},\"level\":{level}}}}}"
        );
    }
    text
}
