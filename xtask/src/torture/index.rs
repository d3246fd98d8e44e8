//! The index under blows: its first build, its updates and its rebuilding are killed at random
//! moments. Whoever asks in between gets the old answers or the new ones, what was durable is not
//! embedded again, and in the end the index is the one that an undisturbed run makes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use stele_testkit::faults::{Ending, kill_after};
use stele_testkit::rng::Rng;
use stele_testkit::sample::{Plan, write};

/// Size of each of the two samples: some thousand texts, which are several steps of a build.
const SAMPLE_BYTES: u64 = 2_000_000;

/// The same for the model, which needs some ten milliseconds a text: still several steps.
const MODEL_SAMPLE_BYTES: u64 = 800_000;

/// Most kills of one run before it may end in peace.
const KILLS_MAX: u64 = 4;

/// Times the room of an undisturbed index that a disturbed one may take: the old version, the new
/// one, and what killed writes left until the next upkeep.
const ROOM_MAX: u64 = 4;

/// Vectors that need no model and follow from the text: what is tried here is the index.
const DOUBLE: &str = "[embedding]\nprovider = \"test-double\"\ndimension = 64\n";

/// What is asked after each kill.
const QUESTIONS: [&str; 4] = ["data.price", "auctionState fields", "payout of a wager", "chat message"];

/// What gives texts their vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vectors {
    /// A double without meaning: fast, so that most seeds have it.
    Double,
    /// The model that everybody has: slow, so that most of a run is embedding.
    Model,
}

/// A run of kills.
pub(super) struct Blows {
    pub(super) what: &'static str,
    pub(super) story: String,
    pub(super) kills: u64,
    /// What does not hold.
    pub(super) findings: Vec<String>,
}

/// The ids of the results, question by question.
type Answers = Vec<Vec<String>>;

/// Lakes with and without an index, and what is found in them.
pub(super) struct IndexWorld {
    stele: PathBuf,
    dir: PathBuf,
    /// Found in the first lake.
    old: Answers,
    /// Found in the second, which has other inputs.
    new: Answers,
    /// The index of the second, made in peace.
    whole: Made,
}

/// An index that was made in peace.
struct Made {
    logical_hash: String,
    /// Texts in it.
    rows: u64,
    /// Texts that came with an update from the first lake.
    updated: u64,
    /// Texts that it took out at its end.
    removed: u64,
    /// Bytes on disk.
    room: u64,
    /// How long it took to make from nothing, and to update.
    micros: [u64; 2],
}

/// What is killed.
#[derive(Clone, Copy)]
enum Deed {
    Build,
    Update,
    Rebuild,
}

impl IndexWorld {
    /// Makes the lakes, and the indexes that others are compared with.
    pub(super) fn new(stele: &Path, scratch: &Path, seed: u64, vectors: Vectors) -> Result<Self> {
        let dir = scratch.join("torture-index");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let (config, bytes) = match vectors {
            Vectors::Double => (DOUBLE, SAMPLE_BYTES),
            Vectors::Model => ("", MODEL_SAMPLE_BYTES),
        };
        fs::write(dir.join("stele.toml"), config)?;
        for (name, seed) in [("one", seed), ("two", seed + 1_000_000)] {
            write(&Plan { seed, bytes, damage: false }, &dir.join(name))?;
        }
        let whole =
            Made { logical_hash: String::new(), rows: 0, updated: 0, removed: 0, room: 0, micros: [0; 2] };
        let mut world = Self { stele: stele.to_owned(), dir, old: Vec::new(), new: Vec::new(), whole };
        // The first lake, then the second: more inputs, and one of the first is gone.
        world.ok("first", &["ingest", "one/recordings", "--no-embed"])?;
        let first = world.ok("first", &["index", "build"])?;
        // Without a model everything would work by words, and nothing be tried.
        ensure!(first["semantic"] == (vectors == Vectors::Model), "the model is missing: `make models`");
        world.old = world.answers("first")?;
        copy(&world.dir.join("first"), &world.dir.join("grown"))?;
        world.ok("grown", &["ingest", "two/recordings", "--no-embed"])?;
        let gone = fs::canonicalize(world.dir.join("one/recordings/quay_raw.jsonl.gz"))?;
        world.ok("grown", &["lake", "prune", "--source", &gone.display().to_string(), "--yes"])?;
        copy(&world.dir.join("grown/lake"), &world.dir.join("bare/lake"))?;
        // The same by an update and from nothing.
        copy(&world.dir.join("grown"), &world.dir.join("updated"))?;
        let start = Instant::now();
        let update = world.ok("updated", &["index", "build"])?;
        world.whole.micros[1] = start.elapsed().as_micros() as u64;
        world.whole.updated = number(&update, "inserted")?;
        world.whole.removed = number(&update, "deleted")?;
        copy(&world.dir.join("bare"), &world.dir.join("made"))?;
        let start = Instant::now();
        world.ok("made", &["index", "build"])?;
        world.whole.micros[0] = start.elapsed().as_micros() as u64;
        world.new = world.answers("made")?;
        ensure!(world.new != world.old, "both lakes give the same answers");
        ensure!(world.answers("updated")? == world.new, "an update in peace gives other answers");
        let verified = world.ok("made", &["index", "verify"])?;
        world.whole.logical_hash = text(&verified, "logical_hash")?;
        world.whole.rows = number(&verified, "rows")?;
        world.whole.room = room(&world.dir.join("made/index"))?;
        Ok(world)
    }

    /// Kills one deed a few times, then lets it end.
    pub(super) fn blow(&self, seed: u64, rng: &mut Rng) -> Result<Blows> {
        let (deed, what, from, made_of) = match seed % 3 {
            0 => (Deed::Build, "kill -9 of a first build", "bare", 0),
            1 => (Deed::Update, "kill -9 of an update", "grown", 1),
            _ => (Deed::Rebuild, "kill -9 of a rebuild", "grown", 0),
        };
        let victim = self.dir.join("victim");
        if victim.exists() {
            fs::remove_dir_all(&victim)?;
        }
        copy(&self.dir.join(from), &victim)?;
        let args: [&str; 2] =
            if matches!(deed, Deed::Rebuild) { ["index", "rebuild"] } else { ["index", "build"] };
        let (mut story, mut findings, mut kills, mut durable) = (Vec::new(), Vec::new(), 0, 0);
        for _ in 0..=rng.below(KILLS_MAX) {
            let ending = kill_after(&mut self.command("victim", &args), rng, self.whole.micros[made_of])?;
            findings.extend(self.asked_in_between(deed)?);
            findings.extend(self.status_in_between(deed)?);
            let before = std::mem::replace(&mut durable, self.durable("victim", deed)?);
            match ending {
                Ending::Killed => {
                    kills += 1;
                    story.push(format!("killed with {durable} texts put in"));
                }
                Ending::Finished { success: true } => {
                    story.push("done".to_owned());
                    break;
                }
                Ending::Finished { success: false } => findings.push("ended with a failure".to_owned()),
            }
            // An update takes out at its end what is gone, and a rebuild that has taken over begins anew.
            let gone = if matches!(deed, Deed::Update) { self.whole.removed } else { 0 };
            if durable + gone < before && !matches!(deed, Deed::Rebuild) {
                findings.push(format!("of {before} durable texts {durable} are left"));
            }
        }
        let ended = self.ok("victim", &args)?;
        findings.extend(self.judge(deed, durable, &ended)?);
        Ok(Blows { what, story: story.join(", "), kills, findings })
    }

    /// Whether the index can say how it is, or that there is none.
    fn status_in_between(&self, deed: Deed) -> Result<Option<String>> {
        let output = self.run("victim", &["index", "status"])?;
        let said = String::from_utf8_lossy(&output.stderr);
        let nothing_yet = matches!(deed, Deed::Build) && said.contains("stele index build");
        Ok((!output.status.success() && !nothing_yet)
            .then(|| format!("index status failed: {}", said.trim())))
    }

    /// Whether the answers are those from before or those from after.
    fn asked_in_between(&self, deed: Deed) -> Result<Option<String>> {
        let mut found = Vec::new();
        for question in QUESTIONS {
            let output = self.run("victim", &["search", question])?;
            let answer = last_line(&output.stdout);
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                let nothing_yet = matches!(deed, Deed::Build) && said.contains("stele index build");
                return Ok((!nothing_yet).then(|| format!("search failed: {}", said.trim())));
            }
            if matches!(deed, Deed::Build) && answer["complete"] == false {
                // A first build shows what it has got, and says so.
                continue;
            }
            found.push((question, ids_of(&answer)));
        }
        let one_of = |answers: &Answers| {
            found.iter().all(|(question, ids)| {
                QUESTIONS.iter().position(|asked| asked == question).is_some_and(|at| answers[at] == *ids)
            })
        };
        Ok((!one_of(&self.old) && !one_of(&self.new)).then(|| "answers are neither old nor new".to_owned()))
    }

    /// What does not hold after a run in peace, before which so many texts were durable.
    fn judge(&self, deed: Deed, durable: u64, ended: &Value) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        let left = match deed {
            // All of it was put in, and what is gone was taken out.
            Deed::Update if durable + self.whole.removed == self.whole.updated => 0,
            Deed::Update => self.whole.updated.saturating_sub(durable),
            Deed::Build | Deed::Rebuild => self.whole.rows.saturating_sub(durable),
        };
        let (inserted, embedded) = (number(ended, "inserted")?, number(ended, "embedded")?);
        if inserted != left || embedded > left {
            findings.push(format!("{durable} texts were durable, and {inserted} were put in ({embedded} embedded) instead of {left}"));
        }
        let verified = last_line(&self.run("victim", &["index", "verify"])?.stdout);
        if verified["holds"] != true {
            findings.push(format!("index verify: {verified}"));
        }
        if verified["logical_hash"] != self.whole.logical_hash.as_str() {
            findings.push("another logical hash".to_owned());
        }
        if self.answers("victim")? != self.new {
            findings.push("other answers".to_owned());
        }
        let room = room(&self.dir.join("victim/index"))?;
        if room > self.whole.room * ROOM_MAX {
            findings.push(format!("{room} bytes on disk instead of {}", self.whole.room));
        }
        Ok(findings)
    }

    /// Texts that a killed run has put in for good: the next one need not.
    fn durable(&self, data_dir: &str, deed: Deed) -> Result<u64> {
        let index = self.dir.join(data_dir).join("index");
        let rows = |pointer: &Value| pointer["rows"].as_u64().unwrap_or(0);
        if matches!(deed, Deed::Rebuild) {
            // The newest version that is built aside, or the one that has taken over.
            let current = body(&index.join("CURRENT.json"))?;
            let answers = current["indexes"][0]["dir"].as_str().unwrap_or_default().to_owned();
            if answers != "v-1" {
                return Ok(0);
            }
            for entry in fs::read_dir(&index)? {
                let progress = entry?.path().join("PROGRESS.json");
                if progress.exists() {
                    return Ok(rows(&body(&progress)?["pointer"]));
                }
            }
            return Ok(0);
        }
        let current = index.join("CURRENT.json");
        if !current.exists() {
            return Ok(0);
        }
        let current = body(&current)?;
        let pointer = &current["indexes"][0];
        Ok(match (deed, pointer.get("staged")) {
            (Deed::Update, Some(staged)) => rows(staged).saturating_sub(rows(pointer)),
            (Deed::Update, None) if pointer["checkpoint"] != self.first_version()? => self.whole.updated,
            (Deed::Update, None) => 0,
            _ => rows(pointer),
        })
    }

    /// The version of the lake that the first index follows.
    fn first_version(&self) -> Result<Value> {
        Ok(body(&self.dir.join("first/index/CURRENT.json"))?["indexes"][0]["checkpoint"].clone())
    }

    fn answers(&self, data_dir: &str) -> Result<Answers> {
        QUESTIONS.iter().map(|question| Ok(ids_of(&self.ok(data_dir, &["search", question])?))).collect()
    }

    fn command(&self, data_dir: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.stele);
        command
            .current_dir(&self.dir)
            .args(args)
            .args(["--data-dir", data_dir, "--json"])
            .stdin(Stdio::null());
        command.env_remove("STELE_CONFIG");
        command
    }

    fn run(&self, data_dir: &str, args: &[&str]) -> Result<Output> {
        let output = self.command(data_dir, args).output();
        output.with_context(|| format!("cannot run {}", self.stele.display()))
    }

    /// The last line of a run, which has to succeed.
    fn ok(&self, data_dir: &str, args: &[&str]) -> Result<Value> {
        let output = self.run(data_dir, args)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{} ended with {}: {}", args.join(" "), output.status, said.trim());
        }
        Ok(last_line(&output.stdout))
    }
}

fn last_line(stdout: &[u8]) -> Value {
    let text = String::from_utf8_lossy(stdout);
    text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default()
}

fn ids_of(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    results.iter().filter_map(|found| found["id"].as_str().map(str::to_owned)).collect()
}

fn number(of: &Value, name: &str) -> Result<u64> {
    of[name].as_u64().with_context(|| format!("no {name} in {of}"))
}

fn text(of: &Value, name: &str) -> Result<String> {
    Ok(of[name].as_str().with_context(|| format!("no {name} in {of}"))?.to_owned())
}

/// What a pointer file says, without its frame.
fn body(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(serde_json::from_str::<Value>(&text)?["body"].take())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Bytes of everything below a directory.
fn room(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { room(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
