//! A world that follows from a seed: its time, its weather, and a lake that notices what must not happen.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use stele_jobs::{
    Context, Failure, Filter, Halt, Job, JobId, Queue, Report, Stage, State, Weather, Why, Work,
};
use stele_model::{Clock, Micros};
use stele_testkit::rng::Rng;
use tokio::time::Instant;

/// The leases of this world.
pub const LEASE: Duration = Duration::from_secs(5);

/// The time of the runtime, with jumps.
pub struct Time {
    began: Instant,
    jumped: AtomicI64,
    looks: AtomicI64,
}

impl Time {
    pub fn new() -> Arc<Time> {
        let (jumped, looks) = (AtomicI64::new(1_800_000_000_000_000), AtomicI64::new(0));
        Arc::new(Time { began: Instant::now(), jumped, looks })
    }

    pub fn jump(&self, by: Micros) {
        self.jumped.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for Time {
    fn now(&self) -> Micros {
        let passed = Micros::try_from(self.began.elapsed().as_micros()).unwrap();
        // What comes later is later.
        self.jumped.load(Ordering::SeqCst) + passed + self.looks.fetch_add(1, Ordering::SeqCst) % 1_000
    }
}

/// What goes wrong between one worker and the home.
pub struct Sky {
    rng: Mutex<Rng>,
    /// One request in so many is lost, and one answer; 0 for fair weather.
    losses: AtomicI64,
    /// Until when nothing arrives.
    cut_off_until: Mutex<Option<Instant>>,
}

impl Sky {
    pub fn new(rng: Rng, losses: i64) -> Arc<Sky> {
        Arc::new(Sky {
            rng: Mutex::new(rng),
            losses: AtomicI64::new(losses),
            cut_off_until: Mutex::default(),
        })
    }

    pub fn clear(&self) {
        self.losses.store(0, Ordering::SeqCst);
        *self.cut_off_until.lock().unwrap() = None;
    }

    /// As a cable that is pulled, or a process that is stopped: what was under way arrives later.
    pub fn cut_off(&self, time: Duration) {
        *self.cut_off_until.lock().unwrap() = Some(Instant::now() + time);
    }

    fn one_lost(&self) -> bool {
        let losses = self.losses.load(Ordering::SeqCst);
        losses > 0 && self.rng.lock().unwrap().one_in(losses.cast_unsigned())
    }
}

impl Weather for Sky {
    fn arrives_in(&self) -> Duration {
        if self.losses.load(Ordering::SeqCst) == 0 {
            return Duration::ZERO;
        }
        let travel = Duration::from_micros(self.rng.lock().unwrap().below(2_000));
        let until = *self.cut_off_until.lock().unwrap();
        travel + until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn request_lost(&self) -> bool {
        self.one_lost()
    }

    fn sync_takes(&self) -> Duration {
        if self.losses.load(Ordering::SeqCst) == 0 {
            return Duration::ZERO;
        }
        Duration::from_micros(self.rng.lock().unwrap().below(20_000))
    }

    fn answer_lost(&self) -> bool {
        self.one_lost()
    }
}

/// What becomes of a job, as its tag says.
pub fn tag(rng: &mut Rng) -> &'static str {
    match rng.below(10) {
        0 => "poison",
        1 => "wrong",
        2 => "panics",
        3 | 4 => "slow",
        5 => "deaf",
        _ => "good",
    }
}

/// The work of this world, and what it leaves behind.
pub struct Lake {
    /// Past all weather: what the home really holds.
    pub truth: Queue,
    inner: Mutex<Inner>,
}

struct Inner {
    rng: Rng,
    /// The largest token that committed, of each job.
    tokens: HashMap<JobId, u64>,
    /// When each job took its place in line, counted.
    places: HashMap<JobId, u64>,
    /// The last place that committed, of each source.
    last: HashMap<String, u64>,
    /// What must not have happened. A panic would be taken for a fault of the work.
    wrong: Vec<String>,
    commits: u64,
}

impl Lake {
    pub fn new(truth: Queue, rng: Rng) -> Arc<Lake> {
        let inner = Inner {
            rng,
            tokens: HashMap::new(),
            places: HashMap::new(),
            last: HashMap::new(),
            wrong: Vec::new(),
            commits: 0,
        };
        Arc::new(Lake { truth, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn commits(&self) -> u64 {
        self.inner().commits
    }

    /// What must not have happened, and did.
    pub fn wrong(&self) -> Vec<String> {
        self.inner().wrong.clone()
    }

    /// New jobs take their places, also those whose submission was never answered. Between two submissions there is one
    /// at most.
    pub async fn look_for_new(&self) {
        // While the home is down nobody can look, and nothing new comes.
        let Ok(page) = self.truth.list(&Filter::default()).await else { return };
        for job in page.jobs.iter().rev() {
            self.seen(job.id);
        }
    }

    fn seen(&self, id: JobId) {
        if !self.inner().places.contains_key(&id) {
            self.in_line(id);
        }
    }

    /// A job has just taken its place in line: it is new, or it has its turn again.
    pub fn in_line(&self, id: JobId) {
        let mut inner = self.inner();
        let place = inner.places.len() as u64 + inner.places.values().max().copied().unwrap_or_default();
        inner.places.insert(id, place + 1);
    }

    fn must(&self, holds: bool, else_wrong: impl FnOnce() -> String) {
        if !holds {
            self.inner().wrong.push(else_wrong());
        }
    }

    /// What a worker does that is sure that it may: there is no wait between being sure and this.
    fn commit(&self, job: &Job, token: u64) {
        let mut inner = self.inner();
        inner.commits += 1;
        let newest = inner.tokens.get(&job.id).copied().unwrap_or_default();
        if token < newest {
            inner.wrong.push(format!("{}: holder {token} commits after holder {newest}", job.id));
        }
        inner.tokens.insert(job.id, token);
        let place = inner.places[&job.id];
        for input in &job.spec.inputs {
            // In the order in which they came, also if one died in between.
            let last = inner.last.insert(input.uri.clone(), place).unwrap_or_default();
            if place < last {
                let wrong = format!("{} ({place}) on {} after {last}", job.id, input.uri);
                inner.wrong.push(wrong);
            }
        }
    }

    /// No source is held twice, and nobody tries more often than allowed.
    pub async fn check(&self) {
        let running: Vec<State> = Stage::ALL.iter().map(|stage| stage.state()).collect();
        // While the home is down nobody can look.
        let Ok(page) = self.truth.list(&Filter { states: running, ..Filter::default() }).await else {
            return;
        };
        let mut held: HashMap<String, JobId> = HashMap::new();
        for job in &page.jobs {
            self.must(job.worker.is_some(), || format!("{job:?} runs and nobody is at it"));
            self.must(job.attempts <= job.attempts_max, || format!("{job:?} tries too often"));
            for input in &job.spec.inputs {
                let other = held.insert(input.uri.clone(), job.id);
                self.must(other.is_none(), || format!("{} and {other:?} both hold {}", job.id, input.uri));
            }
        }
    }
}

#[async_trait]
impl Work for Lake {
    async fn run(
        &self,
        stage: Stage,
        job: &Job,
        resume: Option<Value>,
        context: &Context,
    ) -> Result<Option<Value>, Halt> {
        self.seen(job.id);
        self.check().await;
        let expected = if stage == Stage::Parsing { None } else { Some(json!({ "for": stage })) };
        let mut step = 0;
        match &resume {
            Some(kept) if kept.get("step").is_some() => step = kept["step"].as_u64().unwrap(),
            other => self.must(*other == expected, || format!("{stage} of {} is left {other:?}", job.id)),
        }
        let tag = job.spec.options.tag.clone().unwrap_or_default();
        let steps = 1 + self.inner().rng.below(3);
        while step < steps {
            let wait = match tag.as_str() {
                "slow" => self.inner().rng.below(4_000),
                _ => self.inner().rng.below(400),
            };
            tokio::time::sleep(Duration::from_millis(wait)).await;
            step += 1;
            let counts = BTreeMap::from([("steps".to_owned(), step)]);
            context.report(Report {
                done: step,
                total: Some(steps),
                unit: "steps",
                counts,
                ..Report::default()
            });
            // One that hears nothing learns of it when it wants to commit.
            if tag != "deaf" {
                context.go_on()?;
            }
            if self.inner().rng.one_in(4) {
                context.checkpoint(Some(json!({ "step": step }))).await?;
            }
        }
        match tag.as_str() {
            "poison" if stage == Stage::Extracting => return Err(Failure::passing("poison").into()),
            "wrong" if stage == Stage::Graphing => return Err(Failure::lasting("wrong").into()),
            "panics" if stage == Stage::Embedding => std::panic::panic_any("panics on purpose"),
            _ => {}
        }
        context.confirm().await?;
        self.must(context.asked() != Some(Why::Fenced), || "sure and fenced".to_owned());
        self.commit(job, context.token());
        self.check().await;
        Ok(match stage.next() {
            Some(next) => Some(json!({ "for": next })),
            None => Some(json!({ "result": job.id })),
        })
    }
}
