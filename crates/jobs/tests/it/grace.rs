//! Workers in real time whose stages are slow to stop, whose queue is slow to answer, and that have much to forget.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use stele_jobs::{
    Context, Control, Filter, Halt, Job, JobId, Limits, Memory, Queue, Report, Stage, State, Stop, Weather,
    Why, Work, Worked, WorkerSettings, run_worker,
};
use stele_model::Clock;

use crate::rig::{Ticking, submit, wait_until};

fn on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // A test that hangs fails.
        tokio::time::timeout(Duration::from_secs(30), test).await.expect("it ends");
    });
}

fn queue(memory: &Memory) -> Queue {
    queue_at(memory, Ticking::running())
}

fn queue_at(memory: &Memory, clock: Arc<Ticking>) -> Queue {
    Queue::memory(memory, Limits::default(), clock as Arc<dyn Clock>).unwrap()
}

fn settings() -> WorkerSettings {
    WorkerSettings {
        poll: Duration::from_millis(5),
        progress_every: Duration::from_millis(20),
        until_idle: true,
        ..WorkerSettings::new("w")
    }
}

async fn work_on(queue: &Queue, work: Arc<dyn Work>, settings: WorkerSettings) -> Worked {
    run_worker(queue, work, &settings, &Stop::new()).await.unwrap()
}

/// Work whose graphing blocks a thread, and hears nothing, until it is let go.
#[derive(Default)]
struct Deaf {
    going: Mutex<bool>,
    gone: Condvar,
    began: Mutex<BTreeMap<JobId, u32>>,
    /// Threads that write now, and at most.
    writing: AtomicU64,
    at_most: AtomicU64,
}

impl Deaf {
    fn let_go(&self) {
        *self.going.lock().unwrap() = true;
        self.gone.notify_all();
    }

    fn began(&self, id: JobId) -> u32 {
        self.began.lock().unwrap().get(&id).copied().unwrap_or_default()
    }
}

struct Hands(Arc<Deaf>);

#[async_trait]
impl Work for Hands {
    async fn run(
        &self,
        stage: Stage,
        job: &Job,
        _: Option<Value>,
        context: &Context,
    ) -> Result<Option<Value>, Halt> {
        if stage != Stage::Graphing {
            return Ok(None);
        }
        let deaf = Arc::clone(&self.0);
        *deaf.began.lock().unwrap().entry(job.id).or_default() += 1;
        let thread = move || {
            let writing = deaf.writing.fetch_add(1, Ordering::SeqCst) + 1;
            deaf.at_most.fetch_max(writing, Ordering::SeqCst);
            // A test that fails lets nobody go, and has to end all the same.
            let (going, at_last) = (deaf.going.lock().unwrap(), Duration::from_secs(20));
            drop(deaf.gone.wait_timeout_while(going, at_last, |going| !*going).unwrap());
            deaf.writing.fetch_sub(1, Ordering::SeqCst);
        };
        tokio::task::spawn_blocking(thread).await.unwrap();
        context.go_on().map(|()| None)
    }
}

/// How long a deaf stage is waited for until it is looked at what became of it: longer than it takes until the worker
/// hears that it should stop, and its grace, and shorter than a lease from then on.
const LOOK_AFTER: Duration = Duration::from_millis(1_500);

/// A worker with room for two jobs, whose stage does not stop when somebody asks for `control`.
async fn deaf_to(control: Control, test: impl AsyncFn(&Queue, &Arc<Deaf>, JobId, JobId)) -> Worked {
    let (memory, deaf) = (Memory::new(), Arc::new(Deaf::default()));
    let queue = queue(&memory);
    let (first, second) = (submit(&queue, "a@1").await, submit(&queue, "a@2").await);
    let settings = WorkerSettings {
        capacity: 2,
        lease: Duration::from_secs(3),
        stop_grace: Duration::from_millis(50),
        ..settings()
    };
    let (theirs, work) = (queue.clone(), Arc::new(Hands(Arc::clone(&deaf))));
    let worker = tokio::spawn(async move { work_on(&theirs, work, settings).await });
    wait_until("graphing", async || deaf.writing.load(Ordering::SeqCst) == 1).await;
    queue.control(first, control).await.unwrap();
    test(&queue, &deaf, first, second).await;
    worker.await.unwrap()
}

#[test]
fn nobody_begins_beside_a_stage_that_does_not_stop() {
    on(async {
        let worked = deaf_to(Control::Cancel, async |queue, deaf, first, second| {
            tokio::time::sleep(LOOK_AFTER).await;
            let job = queue.get(first).await.unwrap();
            assert_eq!((job.state, job.cancelling), (State::Graphing, true));
            assert_eq!(deaf.began(second), 0);
            deaf.let_go();
            // Not when its lease is over, but when it has stopped.
            wait_until("it stops", async || queue.get(first).await.unwrap().state == State::Cancelled).await;
            wait_until("the next", async || queue.get(second).await.unwrap().state == State::Done).await;
            assert_eq!(deaf.at_most.load(Ordering::SeqCst), 1);
        })
        .await;
        assert_eq!(
            (worked.lost, worked.became),
            (0, BTreeMap::from([(State::Cancelled, 1), (State::Done, 1)]))
        );
    });
}

#[test]
fn a_stage_that_never_stops_has_its_lease_and_no_more() {
    on(async {
        let worked = deaf_to(Control::Cancel, async |queue, deaf, first, _| {
            wait_until("others may", async || queue.get(first).await.unwrap().state == State::Cancelled)
                .await;
            assert!(deaf.writing.load(Ordering::SeqCst) > 0);
            deaf.let_go();
        })
        .await;
        assert_eq!((worked.lost, worked.became), (1, BTreeMap::from([(State::Done, 1)])));
    });
}

#[test]
fn a_job_that_is_resumed_late_has_one_thread() {
    on(async {
        let worked = deaf_to(Control::Pause, async |queue, deaf, first, second| {
            tokio::time::sleep(LOOK_AFTER).await;
            queue.control(first, Control::Resume).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(deaf.began(first), 1);
            deaf.let_go();
            wait_until("the next", async || queue.get(second).await.unwrap().state == State::Done).await;
            let job = queue.get(first).await.unwrap();
            assert_eq!((job.state, job.attempts, deaf.began(first)), (State::Done, 1, 2));
            assert_eq!(deaf.at_most.load(Ordering::SeqCst), 1);
        })
        .await;
        assert_eq!(worked.lost, 0);
    });
}

/// Work that hears of a pause and of its end, and is at it for longer than it has to stop.
#[derive(Default)]
struct Patient {
    began: AtomicU64,
    paused: AtomicBool,
}

const GRACE: Duration = Duration::from_millis(1_000);

#[async_trait]
impl Work for Patient {
    async fn run(
        &self,
        stage: Stage,
        _: &Job,
        _: Option<Value>,
        context: &Context,
    ) -> Result<Option<Value>, Halt> {
        if stage != Stage::Graphing {
            return Ok(None);
        }
        self.began.fetch_add(1, Ordering::SeqCst);
        while context.asked() != Some(Why::Pause) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.paused.store(true, Ordering::SeqCst);
        while context.asked().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(2 * GRACE).await;
        context.confirm().await.map(|()| None)
    }
}

#[test]
fn a_job_that_is_resumed_in_time_goes_on() {
    on(async {
        let (memory, work) = (Memory::new(), Arc::new(Patient::default()));
        let queue = queue(&memory);
        let id = submit(&queue, "a@1").await;
        let settings = WorkerSettings { lease: Duration::from_millis(900), stop_grace: GRACE, ..settings() };
        let (theirs, hands) = (queue.clone(), Arc::clone(&work));
        let worker = tokio::spawn(async move { work_on(&theirs, hands, settings).await });
        wait_until("graphing", async || work.began.load(Ordering::SeqCst) == 1).await;
        queue.control(id, Control::Pause).await.unwrap();
        wait_until("it is heard", async || work.paused.load(Ordering::SeqCst)).await;
        queue.control(id, Control::Resume).await.unwrap();
        let worked = worker.await.unwrap();
        assert_eq!((worked.lost, worked.became), (0, BTreeMap::from([(State::Done, 1)])));
        assert_eq!((work.began.load(Ordering::SeqCst), queue.get(id).await.unwrap().attempts), (1, 1));
    });
}

/// A queue that keeps everything. Each change takes as long as this says.
struct Calm<T>(T);

impl<T: Fn() -> Duration + Send + Sync + 'static> Weather for Calm<T> {
    fn arrives_in(&self) -> Duration {
        Duration::ZERO
    }

    fn request_lost(&self) -> bool {
        false
    }

    fn sync_takes(&self) -> Duration {
        (self.0)()
    }

    fn answer_lost(&self) -> bool {
        false
    }
}

/// Work that has news all the time, for longer than a lease.
struct Talkative;

#[async_trait]
impl Work for Talkative {
    async fn run(
        &self,
        stage: Stage,
        _: &Job,
        _: Option<Value>,
        context: &Context,
    ) -> Result<Option<Value>, Halt> {
        for done in 0..if stage == Stage::Graphing { 400 } else { 0 } {
            context.report(Report { done, total: Some(400), unit: "records", ..Report::default() });
            tokio::time::sleep(Duration::from_millis(10)).await;
            context.go_on()?;
        }
        Ok(None)
    }
}

/// Each answer takes a tenth of a lease, and there is something to say all the time. A heart that counts its sleeps,
/// and not the time, renews too late.
#[test]
fn a_slow_queue_costs_no_lease() {
    on(async {
        let memory = Memory::new().through(Arc::new(Calm(|| Duration::from_millis(150))));
        let queue = queue(&memory);
        let id = submit(&queue, "a@1").await;
        let settings = WorkerSettings { lease: Duration::from_millis(1_500), ..settings() };
        let worked = work_on(&queue, Arc::new(Talkative), settings).await;
        assert_eq!((worked.lost, worked.became), (0, BTreeMap::from([(State::Done, 1)])));
        assert_eq!(queue.get(id).await.unwrap().attempts, 1);
    });
}

/// Whoever has much to forget says meanwhile that it is alive, and hears that it should stop.
#[test]
fn forgetting_holds_nothing_up() {
    on(async {
        let (memory, stop, clock) = (Memory::new(), Stop::new(), Ticking::running());
        let ours = queue_at(&memory, Arc::clone(&clock));
        for number in 0..300 {
            let id = submit(&ours, &format!("f{number}@1")).await;
            ours.control(id, Control::Cancel).await.unwrap();
        }
        // With the first change that is made somebody asks for a stop.
        let asks = {
            let stop = stop.clone();
            move || {
                stop.ask();
                Duration::ZERO
            }
        };
        let theirs = queue_at(&memory.through(Arc::new(Calm(asks))), clock);
        let settings = WorkerSettings { keep_ended: Duration::ZERO, ..settings() };
        run_worker(&theirs, Arc::new(Talkative), &settings, &stop).await.unwrap();
        let left = ours.list(&Filter::default()).await.unwrap().jobs.len();
        assert!((1..300).contains(&left), "{left} are left");
        // The next one goes on with it.
        run_worker(&ours, Arc::new(Talkative), &settings, &Stop::new()).await.unwrap();
        assert!(ours.list(&Filter::default()).await.unwrap().jobs.len() < left);
    });
}
