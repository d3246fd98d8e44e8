//! Stages of a job beside others who write: to its inputs, to the lake, to its report.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use stele_jobs::{Input, Job, Limits, Memory, Queue, Spec, Stage};
use stele_watch::Fetching;

use super::desk::sha256_of;
use super::report::ReportFacts;
use super::stages::Carried;
use crate::answering::{EmbeddingConfig, Paced};
use crate::engine::Engine;
use crate::progress::{Cancel, NoProgress, Progress, Update};
use crate::{Environment, IngestOptions, Settings};

/// A directory with files and a lake in it.
struct World {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { dir, runtime: runtime.unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn engine(&self) -> Engine {
        let settings = Settings {
            data_dir: self.path("d"),
            threads: Some(1),
            embedding: EmbeddingConfig::TestDouble { dimension: 8 },
            ..Settings::default()
        };
        Engine::new(settings, Environment::default()).unwrap()
    }

    /// A job on these files as they are.
    fn job(&self, names: &[&str]) -> Arc<Job> {
        let input = |name: &&str| {
            let path = self.path(name);
            Input::new(path.to_str().unwrap(), format!("sha256:{}", sha256_of(&path).unwrap()))
        };
        let spec = Spec::new(names.iter().map(input));
        let clock = Arc::clone(&Environment::default().clock);
        let queue = Queue::memory(&Memory::new(), Limits::default(), clock).unwrap();
        Arc::new(self.runtime.block_on(async {
            let id = queue.submit(spec).await.unwrap().job.unwrap();
            queue.get(id).await.unwrap()
        }))
    }

    fn stage(
        &self,
        (stage, job): (Stage, &Job),
        carried: &mut Carried,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(), crate::EngineError> {
        let fetching = Fetching {
            pace: Arc::new(Paced::new(Arc::clone(&Environment::default().clock))),
            secrets: Arc::new(|_| None),
            runtime: self.runtime.handle().clone(),
            configured: stele_watch::Configured::default(),
        };
        self.engine().job_stage(stage, job, carried, &fetching, progress, cancel)
    }

    fn parsed(&self, job: &Job, progress: &dyn Progress) -> Carried {
        let mut carried = Carried::default();
        self.stage((Stage::Parsing, job), &mut carried, progress, &Cancel::default()).unwrap();
        carried
    }

    fn ingest(&self, name: &str) -> u64 {
        let target = self.path(name).display().to_string();
        let options = IngestOptions::default();
        let summary = self.engine().ingest(&[target], &options, &NoProgress, &Cancel::default()).unwrap();
        summary.lake_version.unwrap()
    }
}

fn lines(word: &str, count: usize) -> String {
    let line = |number| format!("{{\"event\":\"{word}\",\"data\":{{\"level\":\"{word} {number}\"}}}}\n");
    (0..count).map(line).collect()
}

/// A frame of zstd with one block, as it is.
fn packed(text: &str) -> Vec<u8> {
    let size = u8::try_from(text.len()).unwrap();
    let block = (u32::from(size) << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, size], &block[..3], text.as_bytes()].concat()
}

/// Writes a file anew as soon as some of it was read.
struct Rewrites(PathBuf, String);

impl Progress for Rewrites {
    fn update(&self, update: &Update) {
        if update.done > 0 {
            fs::write(&self.0, &self.1).unwrap();
        }
    }

    fn note(&self, _: &str) {}
}

#[test]
fn what_was_read_is_what_was_submitted_or_not_known() {
    let world = World::new();
    world.write("same.jsonl", &lines("tide", 9));
    world.write("other.jsonl", &lines("wind", 9));
    world.write("grown.jsonl", &lines("rain", 9));
    let job = world.job(&["grown.jsonl", "other.jsonl", "same.jsonl"]);
    // Before anybody reads them.
    world.write("other.jsonl", &lines("snow", 7));
    world.write("grown.jsonl", &lines("rain", 12));
    let carried = world.parsed(&job, &NoProgress);
    assert_eq!(carried.changed(), [0, 1]);
    // What is there now is in the lake as a whole.
    assert_eq!(carried.away(), None);
    let carried = world.parsed(&world.job(&["grown.jsonl", "other.jsonl", "same.jsonl"]), &NoProgress);
    assert_eq!((carried.changed(), carried.away()), (&[][..], None));
}

#[test]
fn what_was_written_to_while_it_was_read_is_read_again() {
    let world = World::new();
    world.write("x.jsonl", &lines("tide", 9));
    let submitted = world.job(&["x.jsonl"]);
    world.write("x.jsonl", &lines("half", 5));
    // What is submitted is there again when the reading is over, and it is not what was read.
    let rewrites = Rewrites(world.path("x.jsonl"), lines("tide", 9));
    let carried = world.parsed(&submitted, &rewrites);
    assert_eq!(carried.changed(), [0]);
    assert!(carried.away().is_some_and(|why| why.contains("written to while it was read")));
    let carried = world.parsed(&submitted, &NoProgress);
    assert_eq!((carried.changed(), carried.away()), (&[][..], None));
}

#[test]
fn a_file_in_a_file_is_compared_as_it_lies_there() {
    let world = World::new();
    fs::write(world.path("x.jsonl.zst"), packed(&lines("tide", 2))).unwrap();
    let job = world.job(&["x.jsonl.zst"]);
    assert_eq!(world.parsed(&job, &NoProgress).changed(), [0_usize; 0]);
    fs::write(world.path("x.jsonl.zst"), packed(&lines("wind", 2))).unwrap();
    assert_eq!(world.parsed(&job, &NoProgress).changed(), [0]);
}

/// A stage is begun anew after a wait: what went wrong before is over.
#[test]
fn errors_that_passed_are_none() {
    let world = World::new();
    world.write("x.jsonl", &lines("tide", 3));
    let job = world.job(&["x.jsonl"]);
    let mut carried = Carried::default();
    for number in 0..60 {
        carried.error(Stage::Parsing, None, &format!("no answer {number}"));
    }
    world.stage((Stage::Parsing, &job), &mut carried, &NoProgress, &Cancel::default()).unwrap();
    assert_eq!(carried.cause(), "all stages are done");
    // What another stage had to say stays.
    carried.error(Stage::Indexing, None, "sink away");
    world.stage((Stage::Parsing, &job), &mut carried, &NoProgress, &Cancel::default()).unwrap();
    assert_eq!(carried.cause(), "all stages are done; the report has an error");
}

/// A job whose first worker died half-way: it is one job, and its report counts what both of them read.
#[test]
fn a_job_that_was_continued_counts_all_of_it() {
    let world = World::new();
    world.write("in/a.jsonl", &lines("tide", 9));
    world.ingest("in/a.jsonl");
    world.write("in/b.jsonl", &lines("wind", 5));
    world.write("in/c.md", "# Pier\n\nIt is long.\n");
    let mut job = (*world.job(&["in/a.jsonl", "in/b.jsonl", "in/c.md"])).clone();
    let told = |job: &Job| {
        let counts = world.parsed(job, &NoProgress).counts();
        ["files", "records", "documents", "duplicates"].map(|name| counts[name])
    };
    job.started = Some(world.engine().now());
    // It has grown, and what was known of it before is no work of this job.
    world.write("in/a.jsonl", &lines("tide", 12));
    for name in ["in/a.jsonl", "in/c.md"] {
        world.ingest(name);
    }
    assert_eq!(told(&job), [3, 3 + 5, 1, 0]);
    // A job that begins now has nothing to read.
    job.started = Some(world.engine().now());
    assert_eq!(told(&job), [3, 0, 0, 3]);
}

/// Whoever lost the lease leaves the report of the one who has it.
#[test]
fn who_is_fenced_off_writes_no_report() {
    let world = World::new();
    world.write("x.jsonl", &lines("tide", 3));
    let job = world.job(&["x.jsonl"]);
    let mut carried = world.parsed(&job, &NoProgress);
    for stage in [Stage::Postchecks, Stage::Reporting] {
        let fenced = Cancel::guarding(|| false);
        let error = world.stage((stage, &job), &mut carried, &NoProgress, &fenced).unwrap_err();
        assert_eq!(error.kind(), stele_model::ErrorKind::Cancelled, "{stage}: {error}");
        assert_eq!(world.engine().read_report(&job.id.to_string()).unwrap(), None, "{stage}");
    }
    world.stage((Stage::Postchecks, &job), &mut carried, &NoProgress, &Cancel::default()).unwrap();
    assert!(world.engine().read_report(&job.id.to_string()).unwrap().is_some());
}

/// Stages that only look stop, too.
#[test]
fn whoever_looks_hears_of_a_stop() {
    let world = World::new();
    world.write("x.jsonl", &lines("tide", 3));
    let job = world.job(&["x.jsonl"]);
    let mut carried = world.parsed(&job, &NoProgress);
    world.engine().index_build(&NoProgress, &Cancel::default()).unwrap();
    let asked = Cancel::default();
    asked.cancel();
    for stage in [Stage::Graphing, Stage::Postchecks] {
        let error = world.stage((stage, &job), &mut carried, &NoProgress, &asked).unwrap_err();
        assert_eq!(error.kind(), stele_model::ErrorKind::Cancelled, "{stage}: {error}");
    }
    assert_eq!(world.engine().read_report(&job.id.to_string()).unwrap(), None);
}

/// Another job has committed what it read, and its graph and index follow later: that is no fault of the first one.
#[test]
fn what_others_brought_meanwhile_is_pending() {
    let world = World::new();
    world.write("in/a.jsonl", &lines("tide", 40));
    world.write("in/a.md", "# Harbour\n\nThe tide level is read at the pier.\n");
    world.write("in/gone.md", "# Pier\n\nIt is long.\n");
    let own = ["in/a.jsonl", "in/a.md", "in/gone.md"].map(|name| world.ingest(name))[2];
    let engine = world.engine();
    engine.graph_build(&NoProgress, &Cancel::default()).unwrap();
    engine.index_build(&NoProgress, &Cancel::default()).unwrap();
    let report = |lake_version| {
        let facts = ReportFacts { state: "done".to_owned(), lake_version, ..ReportFacts::default() };
        let report = world.engine().job_report(facts).unwrap();
        let drift = report.drift.unwrap();
        ((drift.missing, drift.extra, drift.differing), drift.pending, report.reasons)
    };
    let clean = |reasons: &[String]| reasons.iter().all(|reason| reason.contains("no sample queries"));
    let (drift, pending, reasons) = report(Some(own));
    assert_eq!((drift, pending), ((0, 0, 0), 0));
    assert!(clean(&reasons), "{reasons:?}");
    world.write("in/b.jsonl", &lines("wind", 40));
    world.write("in/b.md", "# Weather\n\nThe wind turns at noon.\n");
    world.write("in/a.md", "# Harbour\n\nThe tide level is read at the gate.\n");
    fs::remove_file(world.path("in/gone.md")).unwrap();
    world.ingest("in");
    for graph_too in [false, true] {
        if graph_too {
            engine.graph_build(&NoProgress, &Cancel::default()).unwrap();
        }
        let (drift, pending, reasons) = report(Some(own));
        assert_eq!(drift, (0, 0, 0), "{reasons:?}");
        assert!(pending > 0 && clean(&reasons), "{pending}, {reasons:?}");
        // Whoever has to answer for it is told.
        let (drift, pending, reasons) = report(None);
        assert!(drift.0 > 0 && pending == 0 && !clean(&reasons), "{drift:?}, {pending}, {reasons:?}");
    }
    engine.index_build(&NoProgress, &Cancel::default()).unwrap();
    for version in [Some(own), None] {
        let (drift, pending, reasons) = report(version);
        assert_eq!((drift, pending), ((0, 0, 0), 0), "{reasons:?}");
    }
}
