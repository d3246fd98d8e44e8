//! Queue and workers in simulated time, over a home that crashes, loses requests and answers, and is slow to be durable:
//! one seed is one history, the same on every machine.
//!
//! `STELE_SIM_SEEDS=10000` runs as many, from `STELE_SIM_FIRST` on; one that fails is named and fails alone again with
//! `STELE_SIM_FIRST=SEED STELE_SIM_SEEDS=1`.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use stele_jobs::{
    Control, EventKind, Filter, Input, JobId, Limits, Memory, Options, Origin, Queue, Spec, State, Stop,
    Work, WorkerSettings, run_worker,
};
use stele_model::Clock;
use stele_testkit::rng::Rng;
use tokio::task::JoinHandle;
use world::{LEASE, Lake, Sky, Time, tag};

/// Seeds of an ordinary run: seconds.
const SEEDS: u64 = 200;

/// Things that happen before the weather clears.
const TURNS: u64 = 60;

struct Sim {
    rng: Rng,
    time: Arc<Time>,
    memory: Memory,
    truth: Queue,
    /// The queue as whoever submits and cancels has it, through weather.
    client: Queue,
    sky: Arc<Sky>,
    lake: Arc<Lake>,
    workers: Vec<Worker>,
    /// What was submitted, as far as anybody was told.
    jobs: Vec<JobId>,
    /// Those whose end somebody asked for, and was told that it is so.
    cancelled: BTreeSet<JobId>,
    down: bool,
    run: u64,
}

struct Worker {
    name: String,
    sky: Arc<Sky>,
    task: Option<JoinHandle<()>>,
    stop: Stop,
}

impl Sim {
    fn new(seed: u64) -> Sim {
        let (memory, time, mut rng) = (Memory::new(), Time::new(), Rng::new(seed));
        let limits = Limits {
            attempts_max: 1 + u32::try_from(rng.below(3)).unwrap(),
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(4),
        };
        let truth = Queue::memory(&memory, limits, Arc::clone(&time) as Arc<dyn Clock>).unwrap();
        let sky = Sky::new(Rng::fork(seed, 2), 20);
        let through = memory.through(Arc::clone(&sky) as Arc<_>);
        let client = Queue::memory(&through, limits, Arc::clone(&time) as Arc<dyn Clock>).unwrap();
        let lake = Lake::new(truth.clone(), Rng::fork(seed, 1));
        let names = 1 + rng.below(3);
        let worker = |number| Worker {
            name: format!("w{number}"),
            sky: Sky::new(Rng::fork(seed, 10 + number), 40),
            task: None,
            stop: Stop::new(),
        };
        let workers = (0..names).map(worker).collect();
        let (jobs, cancelled) = (Vec::new(), BTreeSet::new());
        Sim { rng, time, memory, truth, client, sky, lake, workers, jobs, cancelled, down: false, run: 0 }
    }

    fn start(&mut self, number: usize, until_idle: bool) {
        let worker = &mut self.workers[number];
        if worker.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        self.run += 1;
        let memory = self.memory.through(Arc::clone(&worker.sky) as Arc<_>);
        let clock = Arc::clone(&self.time) as Arc<dyn Clock>;
        let queue = Queue::memory(&memory, *self.truth.limits(), clock).unwrap();
        let mut settings = WorkerSettings::new(&worker.name);
        settings.capacity = 1 + usize::try_from(self.rng.below(3)).unwrap();
        settings.lease = LEASE;
        settings.stop_grace = Duration::from_secs(2);
        settings.until_idle = until_idle;
        let (work, stop) = (Arc::clone(&self.lake) as Arc<dyn Work>, Stop::new());
        worker.stop = stop.clone();
        worker.task = Some(tokio::spawn(async move {
            run_worker(&queue, work, &settings, &stop).await.unwrap();
        }));
    }

    /// One thing happens.
    async fn turn(&mut self) {
        let number = usize::try_from(self.rng.below(self.workers.len() as u64)).unwrap();
        match self.rng.below(20) {
            0..6 => self.submit().await,
            6 => self.control(Control::Cancel).await,
            7 => self.control(Control::Pause).await,
            8 | 9 => self.control(Control::Resume).await,
            10 => self.control(Control::Retry).await,
            11 => {
                // As `kill -9`.
                if let Some(task) = self.workers[number].task.take() {
                    task.abort();
                    let _ = task.await;
                }
            }
            12 => self.workers[number].stop.ask(),
            13..16 => self.start(number, false),
            16 => {
                let seconds = self.rng.below(12);
                self.workers[number].sky.cut_off(Duration::from_secs(seconds));
            }
            17 => {
                self.memory.crash();
                self.down = true;
            }
            18 => {
                self.memory.restart();
                self.down = false;
                self.lake.look_for_new().await;
            }
            _ => {
                let seconds = self.rng.within(-30, 30);
                self.time.jump(seconds * 1_000_000);
            }
        }
        let wait = self.rng.below(1_500);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if self.down && self.rng.one_in(2) {
            self.memory.restart();
            self.down = false;
            self.lake.look_for_new().await;
        }
    }

    async fn submit(&mut self) {
        let count = 1 + self.rng.below(3);
        let mut uris = BTreeSet::new();
        for _ in 0..count {
            uris.insert(self.rng.below(6));
        }
        let mut spec = Spec::new(uris.into_iter().map(|uri| {
            let checksum = self.rng.below(3);
            Input::new(format!("f{uri}"), checksum.to_string())
        }));
        spec.options = Options { tag: Some(tag(&mut self.rng).to_owned()), ..Options::default() };
        spec.options.force = self.rng.one_in(5);
        spec.origin = if self.rng.one_in(2) { Origin::Cli } else { Origin::Watcher("inbox".to_owned()) };
        // The home may die while it is asked.
        let (client, memory) = (self.client.clone(), self.memory.clone());
        let crash = self.rng.one_in(8).then(|| Duration::from_micros(self.rng.below(25_000)));
        let submitted = tokio::select! {
            biased;
            submitted = client.submit(spec) => submitted,
            () = async {
                tokio::time::sleep(crash.unwrap_or(Duration::MAX)).await;
                memory.crash();
                memory.restart();
                std::future::pending::<()>().await;
            } => unreachable!(),
        };
        self.lake.look_for_new().await;
        self.jobs.extend(submitted.ok().and_then(|submitted| submitted.job));
    }

    async fn control(&mut self, control: Control) {
        if self.jobs.is_empty() {
            return;
        }
        let id = *self.rng.pick(&self.jobs);
        // What a person would not do: to cancel, and then to try again.
        if control == Control::Retry && self.cancelled.contains(&id) {
            return;
        }
        let had_ended = self.truth.get(id).await.is_ok_and(|job| job.state.is_terminal());
        // Only what is surely so is expected later; of a retry that is never answered nobody could tell.
        let queue = if control == Control::Cancel { &self.client } else { &self.truth };
        match (queue.control(id, control).await, control) {
            (Ok(_), Control::Cancel) => {
                self.cancelled.insert(id);
            }
            (Ok(_), Control::Retry) if had_ended => self.lake.in_line(id),
            _ => {}
        }
    }

    /// The weather clears, everybody works, and what is left must have an end.
    async fn settle(&mut self) {
        self.memory.restart();
        self.sky.clear();
        self.lake.look_for_new().await;
        for worker in &mut self.workers {
            worker.sky.clear();
            worker.stop.ask();
            if let Some(task) = worker.task.take() {
                task.await.unwrap();
            }
        }
        for id in self.jobs.clone() {
            // One that has ended cannot be resumed, and need not be.
            let _ = self.truth.control(id, Control::Resume).await;
        }
        for number in 0..self.workers.len() {
            self.start(number, true);
        }
        for worker in &mut self.workers {
            let task = worker.task.take().unwrap();
            tokio::time::timeout(Duration::from_secs(3600), task).await.expect("it is idle at last").unwrap();
        }
    }

    async fn judge(&self) -> BTreeMap<State, u64> {
        assert_eq!(self.lake.wrong(), Vec::<String>::new());
        let mut ends = BTreeMap::new();
        let listed = self.truth.list(&Filter::default()).await.unwrap().jobs;
        for id in &self.jobs {
            assert!(listed.iter().any(|job| job.id == *id), "{id} is lost");
        }
        for job in &listed {
            let id = &job.id;
            *ends.entry(job.state).or_insert(0) += 1;
            assert!(job.state.is_terminal(), "{job:?} has no end");
            assert!(!job.cause.is_empty() && !job.next_action.is_empty(), "{job:?} has no cause");
            assert!(job.attempts <= job.attempts_max, "{job:?}");
            assert_eq!(job.progress.percent >= 100.0, job.state == State::Done, "{job:?}");
            if self.cancelled.contains(id) {
                assert_eq!(job.state, State::Cancelled, "{job:?}");
            }
            let tag = job.spec.options.tag.as_deref().unwrap();
            let may = match tag {
                "poison" | "panics" => job.state != State::Done && job.state != State::Failed,
                "wrong" => job.state != State::Done,
                _ => job.state != State::Failed,
            };
            assert!(may, "{job:?}");
            let events = self.truth.events(*id, 0, 1000).await.unwrap();
            let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
            let last = numbers.last().copied().unwrap_or_default();
            assert!(numbers.iter().copied().eq(last + 1 - numbers.len() as u64..=last), "{numbers:?}");
            let done = events.iter().filter(|e| e.kind == EventKind::Ended && e.state == State::Done).count();
            assert_eq!(done, usize::from(job.state == State::Done), "{job:?} is done {done} times");
            let falls = events.windows(2).any(|two| two[1].progress.percent < two[0].progress.percent);
            assert!(!falls, "{id} went backwards");
        }
        // Nobody stands in any line any more: each source is new again, or done.
        for uri in 0..6 {
            let spec = Spec::new([Input::new(format!("f{uri}"), "another")]);
            let said = self.truth.submit(spec).await.unwrap();
            let job = self.truth.get(said.job.unwrap()).await.unwrap();
            assert!(!job.cause.contains("behind"), "{}", job.cause);
        }
        ends
    }
}

/// The history of a seed, in short.
fn run(seed: u64) -> (BTreeMap<State, u64>, u64) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut sim = Sim::new(seed);
        for number in 0..sim.workers.len() {
            sim.start(number, false);
        }
        for _ in 0..TURNS {
            sim.turn().await;
        }
        sim.settle().await;
        (sim.judge().await, sim.lake.commits())
    })
}

#[test]
fn histories_end_well() {
    let number = |name: &str, default| {
        #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let (first, seeds) = (number("STELE_SIM_FIRST", 1), number("STELE_SIM_SEEDS", SEEDS));
    // Panics on purpose would bury what matters.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"panics on purpose") {
            usual(info);
        }
    }));
    let mut ends: BTreeMap<State, u64> = BTreeMap::new();
    let mut commits = 0;
    for seed in first..first + seeds {
        let found = std::panic::catch_unwind(|| run(seed));
        let Ok((of_seed, committed)) = found else { panic!("seed {seed} ends badly") };
        of_seed.into_iter().for_each(|(state, count)| *ends.entry(state).or_default() += count);
        commits += committed;
    }
    println!("{seeds} histories: {ends:?}, {commits} commits");
    // A simulation in which nothing happens proves nothing.
    if seeds >= SEEDS {
        for state in [State::Done, State::Failed, State::Cancelled, State::Dead] {
            assert!(
                ends.get(&state).copied().unwrap_or(0) > seeds / 20,
                "hardly any job is {state}: {ends:?}"
            );
        }
    }
}

#[test]
fn a_seed_is_one_history() {
    assert_eq!(run(7), run(7));
}
