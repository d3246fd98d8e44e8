//! What is special about Redis: what others see of it, and that it may die at any moment.
//!
//! `STELE_REDIS_KILLS=50` kills it as often.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use redis::Commands;
use serde_json::{Value, json};
use stele_jobs::{
    Context, Control, DEFAULT_TENANT, EventKind, Failure, Filter, Halt, Job, JobId, JobsError, Limits, Queue,
    RedisConfig, Stage, State, Stop, Work, WorkerSettings, run_worker,
};
use stele_model::{Clock, ErrorKind};
use stele_testkit::rng::Rng;
use stele_testkit::stores::Server;

use crate::rig::{Home, LEASE, Rig, Ticking, claim, spec};
use crate::suite::tenants_have;

/// How often the server is killed in an ordinary run.
const KILLS: u64 = 5;

/// Jobs that come between two kills.
const JOBS_A_KILL: usize = 6;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn server(rig: &Rig) -> &Server {
    let Home::Redis(server) = &rig.home else { panic!("it is a rig of Redis") };
    server
}

/// Past the code under test.
fn behind(rig: &Rig) -> redis::Connection {
    redis::Client::open(server(rig).url.as_str()).unwrap().get_connection().unwrap()
}

fn xlen(redis: &mut redis::Connection, key: &str) -> u64 {
    redis::cmd("XLEN").arg(key).query(redis).unwrap()
}

#[test]
fn others_see_what_is_so() {
    let Some(rig) = Rig::redis() else { return };
    runtime().block_on(async {
        let queue = rig.queue().await;
        let first = queue.submit(spec("a@1")).await.unwrap().job.unwrap();
        let second = queue.submit(spec("a@2")).await.unwrap().job.unwrap();
        let mut redis = behind(&rig);
        let pending = |redis: &mut redis::Connection| -> BTreeMap<String, u64> {
            let said: (u64, Value0, Value0, Held) =
                redis::cmd("XPENDING").arg("ingest:jobs").arg("ingest:workers").query(redis).unwrap();
            said.3.unwrap_or_default().into_iter().collect()
        };
        let mut seen = |expect: &[(&str, u64)], length: u64| {
            let expect = expect.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
            assert_eq!(pending(&mut redis), expect);
            assert_eq!(xlen(&mut redis, "ingest:jobs"), length);
        };
        seen(&[("waiting", 2)], 2);
        let lease = claim(&queue, "w1").await.unwrap();
        seen(&[("waiting", 1), ("w1", 1)], 2);
        // Taken over by another, given back, and done: acknowledged only then.
        rig.clock.pass(LEASE);
        let lease_2 = claim(&queue, "w2").await.unwrap();
        assert_eq!((lease.job.id, lease_2.job.id), (first, first));
        seen(&[("waiting", 1), ("w2", 1)], 2);
        queue.release(&lease_2, "no time").await.unwrap();
        seen(&[("waiting", 2)], 2);
        let lease = claim(&queue, "w1").await.unwrap();
        queue.finish(&lease, None).await.unwrap();
        seen(&[("waiting", 1)], 1);
        queue.control(second, Control::Cancel).await.unwrap();
        seen(&[], 0);
        let mut redis = behind(&rig);
        let state: HashMap<String, String> = redis.hgetall(format!("ingest:state:{first}")).unwrap();
        assert_eq!((state["state"].as_str(), state["percent"].as_str()), ("done", "100"));
        // A week after its end it is gone; its history is, too.
        for key in [format!("ingest:state:{first}"), format!("ingest:events:{first}")] {
            let left: i64 = redis.ttl(key).unwrap();
            assert!((604_700..=604_800).contains(&left), "{left}");
        }
        let events = xlen(&mut redis, &format!("ingest:events:{first}"));
        assert_eq!(events, queue.events(first, 0, 100).await.unwrap().len() as u64);
    });
}

/// An answer of which nothing is needed.
type Value0 = redis::Value;

/// How many entries are pending for whom.
type Held = Option<Vec<(String, u64)>>;

#[test]
fn dead_letters_have_their_reasons() {
    let Some(rig) = Rig::redis() else { return };
    runtime().block_on(async {
        let queue = rig.queue().await;
        let mut redis = behind(&rig);
        let letters = |redis: &mut redis::Connection| -> Vec<HashMap<String, String>> {
            let said: Vec<(String, HashMap<String, String>)> =
                redis::cmd("XRANGE").arg("ingest:dead").arg("-").arg("+").query(redis).unwrap();
            said.into_iter().map(|(_, fields)| fields).collect()
        };
        // What somebody else puts there is no job, and harms none.
        for fields in [["colour", "green"], ["job", "j000000000000"]] {
            let _: String =
                redis::cmd("XADD").arg("ingest:jobs").arg("*").arg(&fields).query(&mut redis).unwrap();
        }
        let id = queue.submit(spec("a@1")).await.unwrap().job.unwrap();
        let found = letters(&mut redis);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["reason"], "malformed: it was not submitted as a job");
        assert_eq!(found[0]["said"], "colour green");
        for _ in 0..rig.limits.attempts_max {
            let lease = claim(&queue, "w").await.unwrap();
            queue.fail(&lease, &Failure::passing("no luck")).await.unwrap();
            rig.clock.pass(rig.limits.backoff_max);
        }
        let found = letters(&mut redis);
        assert_eq!((found.len(), found[2]["job"].as_str()), (3, id.to_string().as_str()));
        assert_eq!(found[2]["reason"], "3 of 3 attempts failed, the last at parsing: no luck");
        // It waits for somebody for as long as it takes.
        let left: i64 = redis.ttl(format!("ingest:state:{id}")).unwrap();
        assert_eq!(left, -1);
        queue.control(id, Control::Retry).await.unwrap();
        assert_eq!(letters(&mut redis).len(), 2);
    });
}

#[test]
fn what_is_wrong_is_said() {
    let Some(rig) = Rig::redis() else { return };
    runtime().block_on(async {
        let open = async |url: &str, namespace: &str| {
            let config = RedisConfig { url: url.to_owned(), namespace: namespace.to_owned() };
            Queue::redis(&config, Limits::default(), Ticking::still()).await
        };
        let url = &server(&rig).url;
        let mut redis = behind(&rig);
        let _: () = redis.set("theirs:jobs", "a string").unwrap();
        let _: () = redis.hset("newer:meta", "layout", "3").unwrap();
        let down = "redis://somebody:secret@127.0.0.1:1/";
        for (url, namespace, kind, says) in [
            (url.as_str(), "theirs", ErrorKind::Fix, "theirs:jobs is a string of another program"),
            (url, "newer", ErrorKind::Fix, "its layout is version 3"),
            (url, "", ErrorKind::Fix, "namespace"),
            ("http://127.0.0.1", "ingest", ErrorKind::Config, "no address of a Redis server"),
            ("rediss://127.0.0.1", "ingest", ErrorKind::Config, "redis://"),
            (down, "ingest", ErrorKind::Retry, "cannot open the queue ingest in Redis at 127.0.0.1:1/0"),
        ] {
            let error = open(url, namespace).await.unwrap_err();
            let text = stele_model::error::in_full(&error);
            assert!(error.kind() == kind && text.contains(says), "{:?} {text}", error.kind());
            assert!(!text.contains("secret"), "{text}");
        }
        assert_eq!(
            stele_model::error::in_full(&open(down, "ingest").await.unwrap_err()),
            "cannot open the queue ingest in Redis at 127.0.0.1:1/0: Connection refused",
            "each cause once, and no number"
        );
        // A password that is missing, and one that is wrong.
        let _: () =
            redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("right").query(&mut redis).unwrap();
        let wrong = url.replace("redis://", "redis://:wrong@");
        for (url, says) in [(url, "wants a password"), (&wrong, "does not know this user with this password")]
        {
            let error = open(url, "ingest").await.unwrap_err();
            let text = stele_model::error::in_full(&error);
            assert!(error.kind() == ErrorKind::Config && text.ends_with(says), "{:?} {text}", error.kind());
            assert!(error.hint().unwrap().contains("USER:PASSWORD"), "{:?}", error.hint());
        }
        let _: () = redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("").query(&mut redis).unwrap();
        // Two namespaces are two queues.
        let (one, two) = (open(url, "one").await.unwrap(), open(url, "two").await.unwrap());
        let id = one.submit(spec("a@1")).await.unwrap().job.unwrap();
        assert!(matches!(two.get(id).await, Err(JobsError::Unknown { .. })));
        // Somebody empties the server: nothing is there any more, and it goes on.
        let _: () = redis::cmd("FLUSHALL").query(&mut redis).unwrap();
        assert!(matches!(one.get(id).await, Err(JobsError::Unknown { .. })));
        let again = one.submit(spec("a@1")).await.unwrap().job.unwrap();
        assert_eq!(claim(&one, "w").await.unwrap().job.id, again);
    });
}

#[test]
fn doubts_are_said() {
    let Some(rig) = Rig::redis() else { return };
    runtime().block_on(async {
        let queue = rig.queue().await;
        let mut redis = behind(&rig);
        assert_eq!(queue.doubts().await.unwrap(), Vec::<String>::new());
        for (setting, value, says) in [
            ("appendfsync", "everysec", "last second"),
            ("appendonly", "no", "when it stops"),
            ("maxmemory-policy", "allkeys-lru", "when it stops"),
            ("maxmemory", "100mb", "when its memory is full"),
        ] {
            let _: () = redis::cmd("CONFIG").arg("SET").arg(setting).arg(value).query(&mut redis).unwrap();
            let doubts = queue.doubts().await.unwrap();
            assert!(doubts.last().unwrap().contains(says), "{setting} {value}: {doubts:?}");
        }
    });
}

/// Every key that there is stands on the page about the format.
#[test]
fn its_page_is_true() {
    let Some(rig) = Rig::redis() else { return };
    runtime().block_on(async {
        let queue = rig.queue().await;
        let page = include_str!("../../../../docs/formats/queue.md");
        for (number, inputs) in ["a@1", "b@1", "c@1", "d@1", "e@1"].iter().enumerate() {
            let id = queue.submit(spec(inputs)).await.unwrap().job.unwrap();
            let Some(lease) = claim(&queue, "w").await.filter(|_| number < 4) else { continue };
            match number {
                0 => assert_eq!(queue.finish(&lease, None).await.unwrap(), State::Done),
                1 => {
                    queue.fail(&lease, &Failure::passing("no luck")).await.unwrap();
                }
                2 => {
                    queue.control(id, Control::Cancel).await.unwrap();
                    queue.release(&lease, "no time").await.unwrap();
                }
                _ => {}
            }
        }
        let _: String = redis::cmd("XADD")
            .arg("ingest:jobs")
            .arg(&["*", "colour", "green"])
            .query(&mut behind(&rig))
            .unwrap();
        queue.submit(spec("f@1")).await.unwrap();
        let keys: Vec<String> = behind(&rig).keys("*").unwrap();
        for key in &keys {
            let named = key.split(':').map(|part| match part {
                "w" => "WORKER",
                DEFAULT_TENANT => "TENANT",
                part if part.parse::<JobId>().is_ok() => "ID",
                part if part.parse::<State>().is_ok() => "STATE",
                part if part.contains('/') => "LANE",
                part => part,
            });
            let named = named.collect::<Vec<_>>().join(":");
            let on_it = page.contains(&format!("`{key}`")) || page.contains(&format!("`{named}`"));
            assert!(on_it, "the page does not name {named} ({key})");
        }
        assert!(keys.len() > 15, "{keys:?}");
    });
}

/// Work that keeps who committed what, as a lake would.
#[derive(Default)]
struct Ledger {
    commits: Mutex<BTreeMap<(JobId, Stage), Vec<u64>>>,
}

#[async_trait]
impl Work for Ledger {
    async fn run(
        &self,
        stage: Stage,
        job: &Job,
        _: Option<Value>,
        context: &Context,
    ) -> Result<Option<Value>, Halt> {
        tokio::time::sleep(Duration::from_millis(u64::from(stage == Stage::Embedding) * 30 + 2)).await;
        context.confirm().await?;
        self.commits.lock().unwrap().entry((job.id, stage)).or_default().push(context.token());
        Ok(Some(json!({ "stage": stage })))
    }
}

#[test]
fn it_may_die_at_any_moment() {
    let Some(mut rig) = Rig::redis() else { return };
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
    let kills = std::env::var("STELE_REDIS_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    rig.clock = Ticking::running();
    runtime().block_on(async {
        let queue = rig.queue().await;
        let (ledger, stop) = (Arc::new(Ledger::default()), Stop::new());
        let mut workers = tokio::task::JoinSet::new();
        for number in 0..3 {
            let (theirs, work, stop) = (rig.queue().await, Arc::clone(&ledger), stop.clone());
            let settings = WorkerSettings {
                capacity: 2,
                lease: Duration::from_secs(90),
                poll: Duration::from_millis(10),
                progress_every: Duration::from_millis(20),
                ..WorkerSettings::new(format!("w{number}"))
            };
            workers.spawn(async move { run_worker(&theirs, work, &settings, &stop).await.unwrap() });
        }
        let killed = AtomicBool::new(false);
        let mut rng = Rng::new(5);
        let mut wanted = Vec::new();
        for kill in 0..kills {
            let submitting = async {
                for number in 0..JOBS_A_KILL {
                    // One source in three comes again and again.
                    let inputs = format!("{}@{kill}-{number} n{kill}-{number}@1", number % 3);
                    submit_surely(&queue, &inputs).await;
                    wanted.push(inputs);
                }
            };
            let wait = Duration::from_micros(rng.below(150_000));
            let killing = async {
                tokio::time::sleep(wait).await;
                server(&rig).kill();
                tokio::time::sleep(Duration::from_micros(wait.subsec_micros().into()) / 2).await;
                tokio::task::block_in_place(|| server(&rig).restart());
                killed.store(true, Ordering::SeqCst);
            };
            tokio::join!(submitting, killing);
        }
        assert!(killed.load(Ordering::SeqCst));
        let began = rig.clock.now();
        loop {
            let counts = queue.counts().await;
            if counts.as_ref().is_ok_and(|counts| counts.in_flight() == 0) {
                break;
            }
            assert!(rig.clock.now() - began < 100_000_000, "it never ends: {counts:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.ask();
        let lost: u64 = workers.join_all().await.into_iter().map(|worked| worked.lost).sum();

        // No job lost, and none done twice.
        let jobs = queue.list(&Filter::default()).await.unwrap().jobs;
        let mut done: BTreeMap<String, u32> = BTreeMap::new();
        for job in &jobs {
            assert_eq!(job.state, State::Done, "{job:?}");
            let events = queue.events(job.id, 0, 1000).await.unwrap();
            assert_eq!(events.iter().filter(|event| event.kind == EventKind::Ended).count(), 1, "{job:?}");
            job.spec.inputs.iter().for_each(|input| {
                let checksum = input.checksum.as_deref().unwrap();
                *done.entry(format!("{}@{checksum}", input.uri)).or_default() += 1;
            });
        }
        for input in wanted.iter().flat_map(|inputs| inputs.split(' ')) {
            assert_eq!(done.get(input), Some(&1), "{input} was acknowledged");
        }
        // What was committed again was so by a later holder, since the first one's checkpoint was lost.
        let commits = ledger.commits.lock().unwrap();
        assert_eq!(commits.len(), jobs.len() * Stage::ALL.len());
        for (what, tokens) in commits.iter() {
            assert!(tokens.is_sorted_by(|a, b| a < b), "{what:?} was committed by {tokens:?}");
        }
        // Whose answer got lost asked again, and heard what had become of it.
        assert_eq!(lost, 0, "leases were lost, and all of them were long enough");
        println!("{kills} kills, {} jobs", jobs.len());
    });
}

/// As somebody does it who was told that it is not known whether it was done.
async fn submit_surely(queue: &Queue, inputs: &str) {
    for _ in 0..1_000 {
        match queue.submit(spec(inputs)).await {
            Ok(_) => return,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Retry, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server never comes back");
}

/// Names of the layout before it are brought up to it when they are opened.
#[test]
fn a_layout_without_tenants_gets_them() {
    let Some(rig) = Rig::redis() else { return };
    runtime().block_on(async {
        let queue = rig.queue().await;
        let mut all: BTreeMap<&str, Vec<JobId>> = BTreeMap::new();
        for tenant in ["a", "a/b"] {
            for number in 0..2 {
                let mut spec = spec(&format!("f{number}@1"));
                tenant.clone_into(&mut spec.options.tenant);
                all.entry(tenant).or_default().push(queue.submit(spec).await.unwrap().job.unwrap());
            }
        }
        for _ in 0..2 {
            let lease = claim(&queue, "w").await.unwrap();
            queue.finish(&lease, None).await.unwrap();
        }
        let mut redis = behind(&rig);
        let made: Vec<String> = redis.keys("ingest:of*").unwrap();
        assert!(made.len() > 2, "{made:?}");
        let _: i64 = redis.del(made).unwrap();
        let _: i64 = redis.del("ingest:tenants").unwrap();
        let _: i64 = redis.hset("ingest:meta", "layout", "1").unwrap();
        // Which job is done is a matter of turns: one of each tenant.
        tenants_have(&rig.queue().await, &all, 1).await;
        let layout: String = redis.hget("ingest:meta", "layout").unwrap();
        assert_eq!(layout, "2");
    });
}

/// Several programs that begin on a server that nobody used before: each finds what it needs, whoever was first.
#[test]
fn several_begin_at_once() {
    let Some(rig) = Rig::redis() else { return };
    runtime().block_on(async {
        for round in 0..30 {
            let mut begun = tokio::task::JoinSet::new();
            for _ in 0..12 {
                let config =
                    RedisConfig { namespace: format!("n{round}"), ..RedisConfig::new(&server(&rig).url) };
                let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
                begun.spawn(async move { Queue::redis(&config, Limits::default(), clock).await.map(|_| ()) });
            }
            for done in begun.join_all().await {
                done.unwrap_or_else(|error| panic!("round {round}: {error}"));
            }
        }
    });
}
