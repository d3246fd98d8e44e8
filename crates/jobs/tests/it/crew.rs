//! Workers in real time, over each home: what they keep, how they stop, and how they share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use stele_jobs::{
    Context, Control, EventKind, Failure, Filter, Halt, Job, JobId, Memory, Queue, Report, Stage, State,
    Stop, Why, Work, Worked, WorkerSettings, run_worker,
};

use crate::rig::{Rig, Ticking, spec, suite, wait_until};

/// How many stages began, of each job.
type Begun = BTreeMap<(JobId, Stage), u32>;

/// Work that does what the tag of a job says.
#[derive(Default)]
struct Hands {
    begun: Mutex<Begun>,
    /// At the same time now, and at most.
    at_once: AtomicU64,
    at_most: AtomicU64,
    held_back: AtomicBool,
}

impl Hands {
    fn begun(&self, id: JobId, stage: Stage) -> u32 {
        self.begun.lock().unwrap().get(&(id, stage)).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Work for Hands {
    async fn run(
        &self,
        stage: Stage,
        job: &Job,
        resume: Option<Value>,
        context: &Context,
    ) -> Result<Option<Value>, Halt> {
        *self.begun.lock().unwrap().entry((job.id, stage)).or_default() += 1;
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_most.fetch_max(at_once, Ordering::SeqCst);
        let tag = job.spec.options.tag.as_deref().unwrap_or_default();
        let report = Report { done: 1, total: Some(2), unit: "records", ..Report::default() };
        context.report(Report { counts: BTreeMap::from([("records".to_owned(), 7)]), ..report });
        let end = match (tag, stage) {
            ("poison", Stage::Extracting) => Err(Failure::passing("it is poison").into()),
            ("panics", Stage::Extracting) => std::panic::panic_any("panics on purpose"),
            ("wrong", Stage::Parsing) => Err(Failure::lasting("it is no file").into()),
            ("large", Stage::Reporting) => Ok(Some(json!("x".repeat(300_000)))),
            // It goes on until it is asked to stop, from where it was before.
            ("endless", Stage::Graphing) if resume != Some(json!({ "kept": true })) => {
                context.checkpoint(Some(json!({ "kept": true }))).await?;
                Err(Halt::Asked(context.ended().await))
            }
            _ => {
                tokio::time::sleep(Duration::from_millis(2)).await;
                context.confirm().await.map(|()| Some(json!({ "records": 7 })))
            }
        };
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        end
    }

    async fn held_back(&self) -> Option<String> {
        self.held_back.load(Ordering::SeqCst).then(|| "the disk is full".to_owned())
    }
}

suite! {
    a_stop_gives_back,
    poison_dies_alone,
    many_hands_share,
    controls_reach_who_runs,
    pressure_holds_back,
}

fn on(rig: Option<Rig>, test: impl AsyncFn(&Rig)) {
    let Some(mut rig) = rig else { return };
    rig.clock = Ticking::running();
    rig.limits.backoff = Duration::from_millis(1);
    rig.limits.backoff_max = Duration::from_millis(2);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // A test that hangs fails.
        tokio::time::timeout(Duration::from_secs(120), test(&rig)).await.expect("it ends");
    });
}

fn settings(name: &str) -> WorkerSettings {
    WorkerSettings {
        poll: Duration::from_millis(5),
        progress_every: Duration::from_millis(5),
        until_idle: true,
        ..WorkerSettings::new(name)
    }
}

async fn submit(queue: &Queue, inputs: &str, tag: &str) -> JobId {
    let mut spec = spec(inputs);
    spec.options.tag = Some(tag.to_owned());
    queue.submit(spec).await.unwrap().job.unwrap()
}

async fn go(queue: &Queue, hands: &Arc<Hands>, name: &str) -> Worked {
    let work = Arc::clone(hands) as Arc<dyn Work>;
    run_worker(queue, work, &settings(name), &Stop::new()).await.unwrap()
}

async fn a_stop_gives_back(rig: &Rig) {
    let (queue, hands, stop) = (rig.queue().await, Arc::new(Hands::default()), Stop::new());
    let id = submit(&queue, "a@1", "endless").await;
    let (work, asked, theirs) = (Arc::clone(&hands) as Arc<dyn Work>, stop.clone(), rig.queue().await);
    let worker =
        tokio::spawn(async move { run_worker(&theirs, work, &settings("w"), &asked).await.unwrap() });
    wait_until("graphing", async || queue.get(id).await.unwrap().state == State::Graphing).await;
    wait_until("it is kept", async || {
        let events = queue.events(id, 0, 100).await.unwrap();
        events.iter().filter(|event| event.kind == EventKind::Checkpoint).count() == 3
    })
    .await;
    wait_until("the worker says what it does", async || {
        let workers = queue.workers().await.unwrap();
        workers.len() == 1 && workers[0].alive && workers[0].jobs == [id]
    })
    .await;
    stop.ask();
    assert_eq!(worker.await.unwrap().became, BTreeMap::from([(State::Queued, 1)]));
    assert_eq!(queue.workers().await.unwrap(), []);
    let job = queue.get(id).await.unwrap();
    assert_eq!((job.state, job.attempts, job.progress.stage), (State::Queued, 0, Stage::Graphing));
    // Whoever goes on does not begin at the beginning.
    let worked = go(&queue, &hands, "w2").await;
    assert_eq!(worked.became, BTreeMap::from([(State::Done, 1)]));
    let begun = Stage::ALL.map(|stage| hands.begun(id, stage));
    assert_eq!(begun, [1, 1, 2, 1, 1, 1, 1]);
    let job = queue.get(id).await.unwrap();
    assert_eq!((job.progress.percent, job.progress.counts["records"]), (100.0, 7));
    assert_eq!(job.result, Some(json!({ "records": 7 })));
}

async fn poison_dies_alone(rig: &Rig) {
    let (queue, hands) = (rig.queue().await, Arc::new(Hands::default()));
    let mut ids = Vec::new();
    for (number, tag) in ["good", "poison", "good", "panics", "wrong", "large", "good"].iter().enumerate() {
        ids.push(submit(&queue, &format!("f{number}@1"), tag).await);
    }
    go(&queue, &hands, "w").await;
    let found = async |number: usize| {
        let job = queue.get(ids[number]).await.unwrap();
        (job.state, job.attempts, job.cause)
    };
    for good in [0, 2, 6] {
        assert_eq!(found(good).await, (State::Done, 1, "all stages are done".to_owned()));
    }
    let cause = "3 of 3 attempts failed, the last at extracting: it is poison";
    assert_eq!(found(1).await, (State::Dead, 3, cause.to_owned()));
    // What it did before is not done again.
    assert_eq!([Stage::Parsing, Stage::Extracting].map(|stage| hands.begun(ids[1], stage)), [1, 3]);
    let (state, attempts, cause) = found(3).await;
    assert_eq!((state, attempts), (State::Dead, 3));
    assert!(cause.contains("extracting ended by a fault of the program"), "{cause}");
    assert_eq!(found(4).await, (State::Failed, 1, "parsing failed: it is no file".to_owned()));
    let (state, _, cause) = found(5).await;
    assert_eq!(state, State::Failed);
    assert!(cause.contains("cannot keep the result"), "{cause}");
}

/// Many workers, each with its own way to the home: every job is done, each once, and no two at once on one source.
async fn many_hands_share(rig: &Rig) {
    let (queue, hands) = (rig.queue().await, Arc::new(Hands::default()));
    let mut ids = Vec::new();
    for number in 0..60 {
        ids.push(submit(&queue, &format!("f{}@{number} g{number}@1", number % 7), "good").await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..6 {
        let (theirs, hands) = (rig.queue().await, Arc::clone(&hands));
        tasks.spawn(async move { go(&theirs, &hands, &format!("w{number}")).await });
    }
    let mut became: BTreeMap<State, u64> = BTreeMap::new();
    for worked in tasks.join_all().await {
        worked.became.into_iter().for_each(|(state, count)| *became.entry(state).or_default() += count);
        assert_eq!(worked.lost, 0);
    }
    assert_eq!(became, BTreeMap::from([(State::Done, 60)]));
    for id in &ids {
        assert_eq!(Stage::ALL.map(|stage| hands.begun(*id, stage)), [1; 7]);
        let events = queue.events(*id, 0, 100).await.unwrap();
        assert_eq!(events.iter().filter(|event| event.kind == EventKind::Ended).count(), 1);
    }
    assert!(hands.at_most.load(Ordering::SeqCst) > 1, "nobody shared");
    // In the order of submission on each source: each began when the one before it had ended.
    for source in 0..7 {
        let mut ended = 0;
        for id in ids.iter().skip(source).step_by(7) {
            let job = queue.get(*id).await.unwrap();
            assert!(job.started.unwrap() > ended, "{id} began early");
            ended = job.finished.unwrap();
        }
    }
}

async fn controls_reach_who_runs(rig: &Rig) {
    let (queue, hands) = (rig.queue().await, Arc::new(Hands::default()));
    for (control, expect) in [(Control::Pause, State::Queued), (Control::Cancel, State::Cancelled)] {
        let id = submit(&queue, &format!("{control}@1"), "endless").await;
        let (theirs, hands) = (rig.queue().await, Arc::clone(&hands));
        // Beats come at a third of the lease, and that is when it hears of it.
        let settings =
            WorkerSettings { lease: Duration::from_millis(600), ..settings(&format!("w-{control}")) };
        let worker = tokio::spawn(async move {
            let work = hands as Arc<dyn Work>;
            run_worker(&theirs, work, &settings, &Stop::new()).await.unwrap()
        });
        wait_until("graphing", async || queue.get(id).await.unwrap().state == State::Graphing).await;
        queue.control(id, control).await.unwrap();
        wait_until("it stops", async || queue.get(id).await.unwrap().state == expect).await;
        worker.await.unwrap();
        let job = queue.get(id).await.unwrap();
        assert_eq!((job.state, job.paused), (expect, control == Control::Pause));
        assert!(job.cause.contains("on request"), "{}", job.cause);
    }
    assert_eq!(Why::Cancel.text(), "cancelled on request");
}

async fn pressure_holds_back(rig: &Rig) {
    let (queue, hands, stop) = (rig.queue().await, Arc::new(Hands::default()), Stop::new());
    hands.held_back.store(true, Ordering::SeqCst);
    let id = submit(&queue, "a@1", "good").await;
    let (work, asked, theirs) = (Arc::clone(&hands) as Arc<dyn Work>, stop.clone(), rig.queue().await);
    let worker =
        tokio::spawn(async move { run_worker(&theirs, work, &settings("w"), &asked).await.unwrap() });
    let expect = "queued (nothing new begins: the disk is full)";
    wait_until("it says why", async || queue.get(id).await.unwrap().cause == expect).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(hands.begun(id, Stage::Parsing), 0);
    hands.held_back.store(false, Ordering::SeqCst);
    assert_eq!(worker.await.unwrap().became, BTreeMap::from([(State::Done, 1)]));
    stop.ask();
    assert_eq!(queue.list(&Filter::default()).await.unwrap().jobs.len(), 1);
}

/// Percent, rate, seconds that are left.
type Seen = (f64, Option<f64>, Option<f64>);

/// Reports what it is told to, while its clock goes on.
struct Measured {
    clock: Arc<Ticking>,
    queue: Queue,
    seen: Mutex<Vec<Seen>>,
}

#[async_trait]
impl Work for Measured {
    async fn run(
        &self,
        stage: Stage,
        job: &Job,
        _: Option<Value>,
        context: &Context,
    ) -> Result<Option<Value>, Halt> {
        if stage != Stage::Embedding {
            return Ok(None);
        }
        for (done, total, seconds) in
            [(10, Some(100), 0), (20, Some(100), 0), (40, Some(100), 3), (40, None, 0), (30, Some(100), 3)]
        {
            self.clock.pass(Duration::from_secs(seconds));
            context.report(Report { done, total, unit: "texts", ..Report::default() });
            context.checkpoint(None).await?;
            let progress = self.queue.get(job.id).await.unwrap().progress;
            assert_eq!((progress.done, progress.total, progress.unit.as_str()), (done, total, "texts"));
            let rounded = |number: f64| (number * 10.0).round() / 10.0;
            let (rate, eta) = (progress.rate.map(rounded), progress.eta_s.map(rounded));
            self.seen.lock().unwrap().push((rounded(progress.percent), rate, eta));
        }
        Ok(None)
    }
}

#[test]
fn a_rate_is_told_when_there_is_one() {
    on(Rig::memory(), async |rig| {
        let clock = Ticking::still();
        let rig = Rig {
            clock: Arc::clone(&clock),
            limits: rig.limits,
            home: crate::rig::Home::Memory(Memory::new()),
        };
        let queue = rig.queue().await;
        let id = submit(&queue, "a@1", "good").await;
        let work = Arc::new(Measured { clock, queue: queue.clone(), seen: Mutex::default() });
        run_worker(&queue, work.clone(), &settings("w"), &Stop::new()).await.unwrap();
        // Embedding is 55 to 85 of 100. From 10 to 40 in three seconds; 60 are left. It never falls.
        let expect = [
            (58.0, None, None),
            (61.0, None, None),
            (67.0, Some(10.0), Some(6.0)),
            (67.0, Some(10.0), None),
            (67.0, Some(3.3), Some(21.0)),
        ];
        assert_eq!(*work.seen.lock().unwrap(), expect);
        let progress = queue.get(id).await.unwrap().progress;
        assert_eq!((progress.percent, progress.rate, progress.eta_s), (100.0, None, None));
    });
}

/// A queue that is away for longer than a lease ends the attempt, since somebody else may have begun another; but nobody
/// is to blame, so it does not count.
#[test]
fn an_outage_costs_no_attempt() {
    on(Rig::memory(), async |rig| {
        let crate::rig::Home::Memory(memory) = &rig.home else { panic!("it is in memory") };
        let (queue, hands, stop) = (rig.queue().await, Arc::new(Hands::default()), Stop::new());
        let id = submit(&queue, "a@1", "endless").await;
        let (work, asked, theirs) = (Arc::clone(&hands) as Arc<dyn Work>, stop.clone(), rig.queue().await);
        let settings = WorkerSettings { lease: Duration::from_millis(200), ..settings("w") };
        let worker = tokio::spawn(async move { run_worker(&theirs, work, &settings, &asked).await.unwrap() });
        wait_until("it is kept", async || {
            let events = queue.events(id, 0, 100).await.unwrap();
            events.iter().filter(|event| event.kind == EventKind::Checkpoint).count() == 3
        })
        .await;
        memory.crash();
        tokio::time::sleep(Duration::from_millis(600)).await;
        memory.restart();
        worker.await.unwrap();
        let job = queue.get(id).await.unwrap();
        assert_eq!((job.state, job.attempts), (State::Done, 1), "{job:?}");
        let events = queue.events(id, 0, 100).await.unwrap();
        assert!(
            events.iter().any(|event| event.message.contains("its queue could not be reached")),
            "{events:?}"
        );
    });
}
