//! Sources as jobs, against a help desk that counts what it is asked: number 27 of the tests of help desks, and what
//! follows from it.

use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stele_testkit::freshdesk::{Fault, Knobs, MockFreshdesk, Real, Wrong};

use crate::world::{Ran, World};

/// The key of the desk, which stands nowhere but in an environment.
pub const KEY: &str = "mock-key-1";

/// Tickets of the desk: some seconds of work.
const TICKETS: u64 = 200;

fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// A desk, a configuration that names it, and the program.
pub struct Rig {
    pub mock: MockFreshdesk,
    pub world: World,
}

impl Rig {
    fn new(seed: u64, knobs: Knobs) -> Rig {
        Self::of(seed, knobs, "streams = [\"tickets\", \"conversations\"]\n")
    }

    /// With more lines of its configuration: of the desk first, and tables behind them.
    pub fn of(seed: u64, knobs: Knobs, more: &str) -> Rig {
        let mock = MockFreshdesk::start(knobs, Arc::new(Real::default()));
        let world = World::of_size(seed, 5_000);
        let config = format!(
            "[embedding]\nprovider = \"none\"\n[jobs]\nattempts_max = 2\n\
             [[sources]]\nsource_id = \"desk\"\nsource_type = \"freshdesk\"\ndomain = \"{}\"\nallow_insecure = true\n\
             api_key = \"${{FRESHDESK_API_KEY}}\"\nlookback = \"0s\"\nrate = {{ credits_per_minute = 90000 }}\nretry = {{ max_retries = 1 }}\n{more}",
            mock.url
        );
        world.write("stele.toml", config);
        Rig { mock, world }
    }

    pub fn run(&self, line: &str) -> Ran {
        self.run_with(line, &[])
    }

    /// The same, with more variables.
    pub fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Ran {
        let mut command = self.world.stele(&format!("{line} --data-dir d"));
        command.envs(variables.iter().copied());
        let ran = Ran::of(command.env("FRESHDESK_API_KEY", KEY).output().unwrap());
        assert!(!ran.stdout.contains(KEY) && !ran.stderr.contains(KEY), "{line} tells the key");
        ran
    }

    fn queue(&self) -> Value {
        self.run("ingest --source desk --no-wait --json").is(0).last()
    }

    fn queued(&self) -> String {
        let queued = self.queue();
        queued["job_ids"][0].as_str().unwrap_or_else(|| panic!("no job: {queued}")).to_owned()
    }

    /// A worker that goes on until it is killed. With a lease so long that renewing it is too late for whoever waits for
    /// an end; the other one is soon known to be dead.
    fn worker(&self) -> Worker {
        self.worker_with("30s")
    }

    fn worker_with(&self, lease: &str) -> Worker {
        let mut command = self.world.stele(&format!("worker --name one --lease {lease} --data-dir d"));
        command.env("FRESHDESK_API_KEY", KEY).stdout(Stdio::null()).stderr(Stdio::null());
        Worker(command.spawn().unwrap())
    }

    fn job(&self, id: &str) -> Value {
        self.run(&format!("status {id} --json")).is(0).last()
    }

    #[track_caller]
    fn until(&self, what: &str, mut is: impl FnMut(&Rig) -> bool) {
        let began = Instant::now();
        while !is(self) {
            assert!(began.elapsed() < Duration::from_secs(90), "{what} never happened");
            wait(Duration::from_millis(50));
        }
    }

    /// Nobody asks the desk any more after this time.
    #[track_caller]
    fn falls_silent_within(&self, time: Duration) {
        wait(time);
        let asked = self.mock.count();
        wait(Duration::from_millis(1_500));
        assert_eq!(self.mock.count(), asked, "requests after {time:?}");
    }

    /// Tickets that are in the lake, and how many of them are different ones.
    fn tickets(&self) -> (u64, u64) {
        let told = self.world.sql(
            "SELECT count(*) || '/' || count(DISTINCT original_id) FROM events WHERE event_type = 'tickets'",
        );
        let (all, different) = told.trim().lines().last().unwrap().split_once('/').unwrap();
        (all.parse().unwrap(), different.parse().unwrap())
    }

    /// Requests for the messages of tickets, and for how many different ones.
    fn asked_for_messages(&self) -> (usize, usize) {
        let log = self.mock.log();
        let mut paths: Vec<&str> = log
            .iter()
            .filter(|asked| asked.status == 200 && asked.path.contains("/conversations"))
            .map(|asked| asked.path.as_str())
            .collect();
        let all = paths.len();
        paths.sort_unstable();
        paths.dedup();
        (all, paths.len())
    }
}

/// A worker, which ends with the test.
struct Worker(Child);

impl Worker {
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn slow() -> Knobs {
    Knobs { tickets: TICKETS, latency_ms: 200, ..Knobs::default() }
}

#[test]
fn desk_27_a_pause_is_heard_within_two_seconds_and_the_job_goes_on_at_the_next_item() {
    let rig = Rig::new(121, slow());
    let id = rig.queued();
    let _worker = rig.worker();
    rig.until("the first tickets", |rig| rig.asked_for_messages().0 >= 20);
    rig.run(&format!("pause {id}")).is(0);
    rig.falls_silent_within(Duration::from_secs(2));
    let before = rig.asked_for_messages().0;
    assert!(before < TICKETS as usize, "it was over before it was paused");
    rig.until("it is held", |rig| rig.job(&id)["state"] == "queued");
    let held = rig.job(&id);
    assert_eq!((&held["paused"], &held["attempts"]), (&json!(true), &json!(0)), "{held}");
    let kept = held["progress"]["counts"]["records"].as_u64().unwrap_or_default();
    assert!(kept >= 10, "what was gathered is kept: {held}");
    rig.run(&format!("resume {id}")).is(0);
    rig.until("it is done", |rig| rig.job(&id)["state"] == "done");
    assert_eq!(rig.tickets(), (TICKETS, TICKETS));
    // What was on its way when the pause came is asked for again, and nothing else.
    let (all, different) = rig.asked_for_messages();
    assert_eq!(different, TICKETS as usize);
    assert!(all <= different + 16, "{all} requests for {different} tickets");
    let report = rig.run(&format!("report {id} --json")).last();
    let source = &report["source"];
    assert_eq!((&source["id"], &source["outcome"]), (&json!("desk"), &json!("ok")), "{report}");
    let rows = rig
        .world
        .sql("SELECT count(*) FROM events WHERE event_type <> 'stele_cursor'")
        .trim()
        .parse::<u64>()
        .unwrap();
    assert_eq!(source["counts"]["records"], rows, "both attempts together: {report}");
}

#[test]
fn desk_27_what_is_cancelled_stays_so_and_asks_nothing_more() {
    let rig = Rig::new(122, slow());
    let id = rig.queued();
    let _worker = rig.worker();
    rig.until("the first tickets", |rig| rig.asked_for_messages().0 >= 10);
    rig.run(&format!("cancel {id}")).is(0);
    rig.falls_silent_within(Duration::from_secs(2));
    rig.until("it is cancelled", |rig| rig.job(&id)["state"] == "cancelled");
    rig.run(&format!("resume {id}")).is(1).says(&["retry"]);
    wait(Duration::from_secs(2));
    assert_eq!(rig.job(&id)["state"], "cancelled");
    let (all, different) = rig.tickets();
    assert!(all == different && all < TICKETS, "{all}");
    rig.run("cancel j000000000000").is(1).says(&["j000000000000"]);
}

#[test]
fn desk_27_a_job_that_waits_for_its_desk_hears_of_its_end() {
    // The first answer says that the rest of the minute is for others.
    let rig = Rig::new(128, Knobs { limit_per_minute: Some(3), ..slow() });
    let id = rig.queued();
    let _worker = rig.worker();
    rig.until("it asks", |rig| rig.mock.count() >= 1);
    wait(Duration::from_secs(2));
    let asked = rig.mock.count();
    assert!(asked <= 3, "{asked} requests of 3");
    rig.run(&format!("cancel {id}")).is(0);
    let began = Instant::now();
    rig.until("it is cancelled", |rig| rig.job(&id)["state"] == "cancelled");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(rig.mock.count(), asked, "it waited, and was not at work");
}

#[test]
fn desk_27_a_source_never_runs_twice_at_once() {
    let rig = Rig::new(123, slow());
    let first = rig.queued();
    // It has asked nothing yet, and will find whatever is new by then.
    let again = rig.queue();
    assert_eq!((&again["job_ids"], &again["duplicates"][0]["of"]), (&json!([]), &json!(first)), "{again}");
    let _worker = rig.worker();
    rig.until("it began", |rig| rig.mock.count() > 5);
    let second = rig.queued();
    assert!(rig.job(&second)["cause"].as_str().is_some_and(|why| why.contains(&first)), "behind the first");
    let third = rig.queue();
    assert_eq!((&third["job_ids"], &third["duplicates"][0]["of"]), (&json!([]), &json!(second)), "{third}");
    // Whoever collects it meanwhile by hand is told so, and nothing is asked.
    let taken = rig.run("ingest --source desk --json").is(1);
    assert!(taken.stdout.contains("source_taken"), "{}", taken.stdout);
    rig.until("both are done", |rig| [&first, &second].iter().all(|id| rig.job(id)["state"] == "done"));
    assert_eq!(rig.tickets(), (TICKETS, TICKETS));
    // Two runs, two whole histories.
    for id in [&first, &second] {
        let events = rig.run(&format!("tail {id} --json")).is(0).events();
        let percents: Vec<f64> =
            events.iter().filter_map(|event| event["progress"]["percent"].as_f64()).collect();
        assert!(percents.is_sorted() && percents.last() == Some(&100.0), "{id}: {percents:?}");
    }
}

#[test]
fn desk_27_a_job_outlives_its_worker() {
    let rig = Rig::new(124, slow());
    let id = rig.queued();
    let mut worker = rig.worker_with("3s");
    rig.until("the first tickets", |rig| rig.asked_for_messages().0 >= 20);
    worker.kill();
    let killed = rig.job(&id);
    assert_eq!(killed["state"], "parsing", "{killed}");
    let _worker = rig.worker_with("3s");
    rig.until("it is done", |rig| rig.job(&id)["state"] == "done");
    let done = rig.job(&id);
    assert!(done["progress"]["percent"].as_f64() == Some(100.0) && done["attempts"] == 2, "{done}");
    assert_eq!(rig.tickets(), (TICKETS, TICKETS));
    rig.world.covered();
}

#[test]
fn desk_27_a_source_that_fails_is_none_that_is_empty() {
    let rig = Rig::new(125, Knobs { tickets: 0, ..Knobs::default() });
    let work = |rig: &Rig| {
        let mut worker = rig.world.stele("worker --until-idle --lease 2s --data-dir d");
        Ran::of(worker.env("FRESHDESK_API_KEY", KEY).output().unwrap())
    };
    let empty = rig.queued();
    work(&rig).is(0);
    let done = rig.job(&empty);
    assert_eq!(
        (&done["state"], &done["progress"]["counts"]["unavailable"]),
        (&json!("done"), &json!(0)),
        "{done}"
    );

    // It refuses the key: no attempt mends that.
    rig.mock.set(|knobs| knobs.key = "another".to_owned());
    let refused = rig.queued();
    work(&rig).is(1);
    let failed = rig.job(&refused);
    assert_eq!((&failed["state"], &failed["attempts"]), (&json!("failed"), &json!(1)), "{failed}");
    let why = failed["last_error"]["message"].as_str().unwrap();
    assert!(why.contains("credentials are refused") && why.contains("stele sources check desk"), "{why}");

    // It is not well: tried again, and then a dead letter.
    rig.mock.set(|knobs| {
        knobs.key = KEY.to_owned();
        knobs.tickets = 30;
        knobs.faults = vec![Fault::always("/tickets", Wrong::Status(500))];
    });
    let unwell = rig.queued();
    rig.until("it was tried as often as it may be", |rig| {
        work(rig);
        rig.job(&unwell)["state"] == "dead"
    });
    assert_eq!(rig.job(&unwell)["attempts"], 2);

    // Well again, what was given up is taken up where it was.
    rig.mock.set(|knobs| knobs.faults.clear());
    rig.run(&format!("retry {unwell}")).is(0);
    work(&rig).is(0);
    assert_eq!(rig.job(&unwell)["state"], "done");
    assert_eq!(rig.tickets(), (30, 30));

    // Nobody who reads the data directory learns the key.
    let mut grep = std::process::Command::new("grep");
    let found = grep.args(["-rlF", KEY, "d"]).current_dir(rig.world.path(".")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the key is kept somewhere");
}

#[test]
fn desk_28_progress_never_falls_and_says_nothing_that_nobody_knows() {
    let rig = Rig::new(127, slow());
    // One thing of it cannot be had.
    rig.mock.set(|knobs| knobs.faults = vec![Fault::always("/tickets/7", Wrong::Status(403))]);
    let id = rig.queued();
    let waiting = rig.job(&id);
    assert_eq!(waiting["progress"]["percent"], 0.0, "{waiting}");
    let _worker = rig.worker();
    let (mut percent, mut records, mut looks) = (0.0, 0, 0);
    rig.until("it is done", |rig| {
        let job = rig.job(&id);
        let progress = &job["progress"];
        let (far, counted) = (
            progress["percent"].as_f64().unwrap(),
            progress["counts"]["records"].as_u64().unwrap_or_default(),
        );
        assert!(far >= percent && counted >= records, "{job}");
        (percent, records) = (far, counted);
        // Where it is known how much there is, what is done is a part of it, and the others remain.
        let (done, total) = (progress["done"].as_u64().unwrap(), progress["total"].as_u64());
        assert!(total.is_none_or(|total| done <= total), "{job}");
        if job["state"] == "parsing" {
            looks += 1;
            // No help desk says how many tickets there will be.
            assert!(progress["total"].is_null() && progress["eta_s"].is_null() && far == 0.0, "{job}");
        }
        job["state"] == "done"
    });
    assert!(looks >= 3 && percent == 100.0, "{looks} looks while it was collected");
    let rows = rig
        .world
        .sql("SELECT count(*) FROM events WHERE event_type <> 'stele_cursor'")
        .trim()
        .parse::<u64>()
        .unwrap();
    assert_eq!(records, rows, "what was counted is what is there");

    // The counts add up: each thing that the desk has was kept, was there already, or could not be had, and none remains. Once
    // as it was new, and once as it was known.
    let has = TICKETS + 3 * (TICKETS - 1) + 1;
    let parts = |job: &Value| {
        let of = |name: &str| job["progress"]["counts"][name].as_u64().unwrap_or_default();
        (of("records"), of("unchanged"), of("unavailable"))
    };
    assert_eq!(parts(&rig.job(&id)), (has - 1, 0, 1));
    rig.mock.set(|knobs| knobs.latency_ms = 0);
    // Its worker may have the lake for a moment still.
    rig.until("it begins anew", |rig| rig.run("sources state reset desk").code == Some(0));
    let again = rig.queued();
    rig.until("it is done again", |rig| rig.job(&again)["state"] == "done");
    assert_eq!(parts(&rig.job(&again)), (0, has - 1, 1));
}

#[test]
fn what_cannot_be_queued_is_said_before_anything_is() {
    let rig = Rig::new(126, Knobs::default());
    rig.run("ingest --source nobody --no-wait").is(78).says(&["there is no such source; there are desk"]);
    rig.run("ingest --source desk --watch").is(2).says(&["--watch is for directories"]);
    assert!(!rig.world.path("d/state.db").exists(), "no queue is made for it");
    let all = rig.run("ingest --all-sources --priority-threshold 0 --no-wait --json").is(0).last();
    assert_eq!(all["job_ids"], json!([]));
    let all = rig.run("ingest --all-sources --no-wait --json").is(0).last();
    assert_eq!(all["job_ids"].as_array().map(Vec::len), Some(1), "{all}");
    // Whoever queues it needs no key: that is the worker's.
    let queued = rig.world.run("ingest --source desk --no-wait --force --json --data-dir d").is(0).last();
    assert_eq!(queued["job_ids"].as_array().map(Vec::len), Some(1), "{queued}");
    let listed = rig.run("jobs").is(0).stdout;
    assert!(listed.contains("source desk"), "{listed}");
}
