//! Workers that are processes, stopped and killed by signals.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use stele_jobs::{
    Context, Halt, Job, Limits, Queue, RedisConfig, Stage, State, Stop, Work, WorkerSettings, run_worker,
};
use stele_testkit::stores::{Server, Store};

use crate::rig::{SystemTime, spec};

/// How the child learns where the queue is and where it writes; it is a test of this binary, too.
const QUEUE: &str = "STELE_JOBS_CHILD_QUEUE";
const NOTES: &str = "STELE_JOBS_CHILD_NOTES";

/// Long enough that who works keeps it beside a compiler.
const LEASE: Duration = Duration::from_secs(2);

/// Longer than anything here takes beside a compiler.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says in a file what it does, and waits in the middle for somebody to let it go on.
struct Noted(PathBuf);

impl Noted {
    fn note(&self, what: &str) {
        std::fs::write(self.0.join(what), what).unwrap();
    }
}

#[async_trait]
impl Work for Noted {
    async fn run(
        &self,
        stage: Stage,
        _: &Job,
        _: Option<Value>,
        context: &Context,
    ) -> Result<Option<Value>, Halt> {
        if stage != Stage::Extracting {
            return Ok(Some(json!({ "from": stage })));
        }
        self.note("begun");
        // As a thread would that is in the middle of something and looks at nothing.
        while !self.0.join("go").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if let Err(halt) = context.confirm().await {
            self.note("fenced");
            return Err(halt);
        }
        self.note(&format!("committed with {}", context.token()));
        Ok(Some(json!(1)))
    }
}

async fn open(queue: &str) -> Queue {
    let (limits, clock) = (Limits::default(), Arc::new(SystemTime));
    if queue.starts_with("redis:") {
        return Queue::redis(&RedisConfig::new(queue), limits, clock).await.unwrap();
    }
    Queue::sqlite(Path::new(queue), limits, clock).await.unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn settings(name: &str) -> WorkerSettings {
    let poll = Duration::from_millis(20);
    WorkerSettings { lease: LEASE, poll, until_idle: true, ..WorkerSettings::new(name) }
}

/// Not a test by itself: the worker that is stopped and killed.
#[test]
#[expect(clippy::disallowed_methods, reason = "a child is told by its environment")]
fn child() {
    let (Ok(queue), Ok(notes)) = (std::env::var(QUEUE), std::env::var(NOTES)) else { return };
    runtime().block_on(async {
        let queue = open(&queue).await;
        let work = Arc::new(Noted(notes.into()));
        let worked = run_worker(&queue, work.clone(), &settings("child"), &Stop::new()).await.unwrap();
        work.note(&format!("lost {}", worked.lost));
    });
}

struct Scene {
    notes: tempfile::TempDir,
    queue: String,
    child: Child,
}

impl Scene {
    /// A child that is in the middle of a stage.
    fn begin(queue: &str) -> Scene {
        let notes = tempfile::tempdir().unwrap();
        runtime().block_on(async {
            open(queue).await.submit(spec("a@1 b@1")).await.unwrap().job.unwrap();
        });
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::child"])
            .env(QUEUE, queue)
            .env(NOTES, notes.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let scene = Scene { notes, queue: queue.to_owned(), child };
        scene.wait_for("begun");
        scene
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn has(&self, note: &str) -> bool {
        self.notes.path().join(note).exists()
    }

    fn wait_for(&self, note: &str) {
        let began = Instant::now();
        while !self.has(note) {
            assert!(began.elapsed() < PATIENCE, "it never says {note:?}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Somebody else does the job.
    fn take_over(&self) {
        std::fs::write(self.notes.path().join("go"), "").unwrap();
        runtime().block_on(async {
            let queue = open(&self.queue).await;
            let work = Arc::new(Noted(self.notes.path().into()));
            let worked = run_worker(&queue, work, &settings("other"), &Stop::new()).await.unwrap();
            assert_eq!(worked.became.get(&State::Done), Some(&1));
        });
    }

    fn judge(&self) {
        assert!(self.has("committed with 2") && !self.has("committed with 1"));
        runtime().block_on(async {
            let jobs = open(&self.queue).await.list(&Default::default()).await.unwrap().jobs;
            assert_eq!((jobs.len(), jobs[0].state, jobs[0].attempts), (1, State::Done, 2));
        });
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each home, if it is there, as a child has to be told of it.
fn each_home(test: impl Fn(&str)) {
    let dir = tempfile::tempdir().unwrap();
    test(dir.path().join("state.db").to_str().unwrap());
    if let Some(server) = Server::start(Store::Redis) {
        test(&server.url);
    }
}

#[test]
fn who_was_stopped_too_long_is_fenced_off() {
    each_home(|queue| {
        let mut scene = Scene::begin(queue);
        kill_process(scene.pid(), Signal::STOP).unwrap();
        // The other one waits for the lease to run out.
        scene.take_over();
        kill_process(scene.pid(), Signal::CONT).unwrap();
        scene.wait_for("fenced");
        scene.wait_for("lost 1");
        assert!(scene.child.wait().unwrap().success());
        scene.judge();
    });
}

#[test]
fn who_is_killed_is_followed() {
    each_home(|queue| {
        let mut scene = Scene::begin(queue);
        scene.child.kill().unwrap();
        scene.child.wait().unwrap();
        scene.take_over();
        assert!(!scene.has("fenced"));
        scene.judge();
    });
}
