//! Jobs, as people and programs use them: put into the queue, worked on, controlled, reported.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{Ran, World};

/// An index of words: what is tried here is the machinery.
const WORDS: &str = "[embedding]\nprovider = \"none\"\n";

/// A directory with a recording, a damaged one and a document.
fn inbox(world: &World) {
    world.write("stele.toml", format!("sample_queries = [\"tide level\"]\n{WORDS}"));
    world.write("in/tides.jsonl", "{\"event\":\"tide\",\"data\":{\"level\":3}}\n".repeat(20));
    world.write("in/damaged.jsonl", "{\"event\":\"wind\",\"data\":{\"force\":7}}\n{\"event\":\n");
    world.write(
        "in/harbour.md",
        "# Harbour\n\nThe tide level is read at the pier.\n\n## Pier\n\nIt is long.\n",
    );
}

/// Puts `targets` into the queue and gives the names of the jobs.
fn queue(world: &World, targets: &str) -> Vec<String> {
    let queued = world.run(&format!("ingest {targets} --data-dir d --no-wait --json")).is(0).last();
    assert_eq!(queued["event"], "queued");
    queued["job_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

fn one(world: &World, targets: &str) -> String {
    let [id] = queue(world, targets).try_into().expect("one job");
    id
}

/// Works until there is nothing left; what jobs are indexed with is the world's business.
fn work(world: &World) -> Ran {
    let mut worker = world.stele("worker --data-dir d --until-idle --lease 2s");
    Ran::of(worker.env("STELE_INDEX_ON_INGEST", "true").output().unwrap())
}

fn status(world: &World, id: &str) -> Value {
    world.run(&format!("status {id} --data-dir d --json")).is(0).last()
}

fn report(world: &World, id: &str) -> Value {
    world.run(&format!("report {id} --data-dir d --json")).last()
}

#[test]
fn a_job_from_the_queue_to_its_report() {
    let world = World::of_size(91, 20_000);
    inbox(&world);
    let id = one(&world, "in");
    let waiting = status(&world, &id);
    assert_eq!(
        (&waiting["state"], &waiting["progress"]["percent"]),
        (&"queued".into(), &0.0.into()),
        "{waiting}"
    );
    assert!(waiting["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{waiting}");
    work(&world).is(0);
    let done = status(&world, &id);
    assert_eq!((&done["state"], &done["progress"]["percent"]), (&"done".into(), &100.0.into()), "{done}");
    assert_eq!(done["result"]["ready_for_queries"], "yes", "{done}");
    // Of the lake, also after stages that count texts.
    assert_eq!(done["progress"]["counts"]["records"], 21, "{done}");

    let told = report(&world, &id);
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/formats/job_report.schema.json")).unwrap();
    let mut body = told.clone();
    body.as_object_mut().unwrap().remove("event");
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&body)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{told}");
    // Counted by nobody who counted before: lines of files, and rows in SQL.
    let bytes: u64 = ["tides.jsonl", "damaged.jsonl", "harbour.md"]
        .iter()
        .map(|name| fs::metadata(world.path(&format!("in/{name}"))).unwrap().len())
        .sum();
    assert_eq!(told["ledger"]["bytes_in"], bytes);
    assert_eq!((&told["ledger"]["records"], &told["ledger"]["quarantined"]), (&21.into(), &1.into()));
    for view in ["documents", "sections", "entities", "mentions", "edges"] {
        let rows = world.sql(&format!("SELECT count(*) FROM {view}"));
        assert_eq!(
            told["graph"]["counted"][view].to_string(),
            rows.trim().lines().last().unwrap(),
            "{view}: {told}"
        );
    }
    let chunks = world.run("export chunks --data-dir d").is(0).stdout.lines().count() as u64;
    assert_eq!((&told["vectors"]["texts"], &told["vectors"]["wanted"]), (&chunks.into(), &chunks.into()));
    assert_eq!((&told["drift"]["missing"], &told["drift"]["extra"]), (&0.into(), &0.into()));
    let stages: Vec<&str> =
        told["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(
        stages,
        ["parsing", "extracting", "graphing", "embedding", "indexing", "postchecks", "reporting"]
    );

    let page = world.run(&format!("report {id} --data-dir d")).is(0).stdout;
    assert!(page.contains("Ready for queries") && page.contains("harbour.md"), "{page}");
    let html = world.run(&format!("report {id} --data-dir d --format html")).is(0).stdout;
    assert!(
        html.starts_with("<!doctype html>") && !html.contains("<script") && !html.contains("http"),
        "{html}"
    );
    let events = world.run(&format!("tail {id} --data-dir d --json")).is(0).events();
    let percents: Vec<f64> =
        events.iter().filter_map(|event| event["progress"]["percent"].as_f64()).collect();
    assert!(percents.is_sorted() && percents.last() == Some(&100.0), "{percents:?}");
}

#[test]
fn what_was_done_is_not_done_again_unless_it_is_asked_for() {
    let world = World::of_size(92, 20_000);
    inbox(&world);
    world.write("other.toml", format!("tenant = \"other\"\n{WORDS}"));
    world.write("theirs.jsonl", "{\"event\":\"theirs\"}\n");
    world.ok("ingest theirs.jsonl --config other.toml --data-dir d --no-embed");
    let first = one(&world, "in/tides.jsonl");
    let again = world.run("ingest in/tides.jsonl --data-dir d --no-wait --json").is(0).last();
    assert_eq!(
        (again["job_ids"].as_array().unwrap().len(), &again["duplicates"][0]["in_flight"]),
        (0, &true.into())
    );
    work(&world).is(0);
    let told = report(&world, &first);
    assert_eq!(told["lake_ledger"], told["ledger"], "what another tenant has is no part of it: {told}");
    let again = world.run("ingest in/tides.jsonl --data-dir d --no-wait --json").is(0).last();
    assert_eq!(again["duplicates"][0]["of"], first, "{again}");
    assert_eq!(again["duplicates"][0]["in_flight"], false);
    let forced = world.run("ingest in/tides.jsonl --data-dir d --no-wait --force --json").is(0).last();
    assert_eq!(forced["job_ids"].as_array().unwrap().len(), 1);
    work(&world).is(0);
    world.write("in/tides.jsonl", "{\"event\":\"tide\",\"data\":{\"level\":4}}\n".repeat(21));
    assert_eq!(queue(&world, "in/tides.jsonl").len(), 1, "it holds something else now");
}

#[test]
fn a_worker_that_dies_at_any_boundary_leaves_nothing_undone_or_done_twice() {
    let points = ["begin", "done"].iter().flat_map(|end| {
        ["parsing", "extracting", "graphing", "embedding", "indexing", "postchecks", "reporting"]
            .map(|stage| format!("jobs.{stage}.{end}"))
    });
    let hashes = |world: &World| {
        let index = world.run("index verify --data-dir d --json").is(0).last();
        let graph = world.run("graph status --data-dir d --json").is(0).last();
        let rows = world.sql("SELECT raw_hash, line_no FROM events ORDER BY ALL");
        (index["logical_hash"].clone(), graph["logical_hash"].clone(), rows)
    };
    let undisturbed = World::of_size(93, 20_000);
    inbox(&undisturbed);
    one(&undisturbed, "in");
    work(&undisturbed).is(0);
    let expected = hashes(&undisturbed);
    for point in points {
        fs::remove_dir_all(undisturbed.path("d")).unwrap();
        let world = &undisturbed;
        let id = one(world, "in");
        let mut worker = world.stele("worker --data-dir d --until-idle --lease 1s");
        worker.env("STELE_FAILPOINT", format!("{point}:1:kill")).env("STELE_INDEX_ON_INGEST", "true");
        let ended = worker.output().unwrap();
        assert!(ended.status.code().is_none(), "{point} was not reached: {ended:?}");
        assert_ne!(status(world, &id)["state"], "done", "{point}");
        work(world).is(0);
        assert_eq!(status(world, &id)["state"], "done", "{point}");
        assert_eq!(hashes(world), expected, "{point}");
        assert_eq!(report(world, &id)["ready_for_queries"], "yes", "{point}");
    }
}

#[test]
fn jobs_are_held_and_given_up_on_request() {
    let world = World::of_size(94, 20_000);
    inbox(&world);
    let (tides, harbour) = (one(&world, "in/tides.jsonl"), one(&world, "in/harbour.md"));
    world.ok(&format!("cancel {tides} --data-dir d"));
    world.ok(&format!("pause {harbour} --data-dir d"));
    work(&world).is(0);
    assert_eq!(status(&world, &tides)["state"], "cancelled");
    let held = status(&world, &harbour);
    assert_eq!((&held["state"], &held["paused"]), (&"queued".into(), &true.into()), "{held}");
    assert!(held["next_action"].as_str().unwrap().contains("resume"), "{held}");
    // What was cancelled has a report that says so.
    let told = report(&world, &tides);
    assert_eq!((&told["state"], &told["ready_for_queries"]), (&"cancelled".into(), &"no".into()), "{told}");
    world.ok(&format!("resume {harbour} --data-dir d"));
    world.ok(&format!("retry {tides} --data-dir d"));
    work(&world).is(0);
    assert_eq!(
        (&status(&world, &tides)["state"], &status(&world, &harbour)["state"]),
        (&"done".into(), &"done".into())
    );
    let refused = world.run(&format!("cancel {tides} --data-dir d"));
    refused.is(1).says(&["it has ended"]);
    world
        .run("status j000000000000 --data-dir d")
        .is(1)
        .says(&["there is no job j000000000000", "lists them"]);
}

#[test]
fn what_cannot_be_done_ends_with_its_reason_and_keeps_nobody_waiting() {
    let world = World::of_size(95, 20_000);
    inbox(&world);
    world.write("stele.toml", format!("{WORDS}[jobs]\nattempts_max = 1\n"));
    let gone = one(&world, "in/tides.jsonl");
    let fine = one(&world, "in/harbour.md");
    fs::remove_file(world.path("in/tides.jsonl")).unwrap();
    work(&world).is(3);
    let failed = status(&world, &gone);
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(failed["last_error"]["message"].as_str().unwrap().contains("tides.jsonl"), "{failed}");
    assert_eq!(status(&world, &fine)["state"], "done");
    let told = report(&world, &gone);
    assert_eq!((&told["state"], &told["ready_for_queries"]), (&"failed".into(), &"no".into()), "{told}");
    assert_eq!(told["inputs"][0]["state"], "absent");

    // A file where the directory of reports should be: every attempt fails, and may work later.
    fs::remove_dir_all(world.path("d/manifests/jobs")).unwrap();
    world.write("d/manifests/jobs", "in the way");
    world.write("in/more.md", "# More\n\nWords.\n");
    let dead = one(&world, "in/more.md");
    work(&world).is(1);
    assert_eq!(status(&world, &dead)["state"], "dead");
    let letters = world.run("dlq list --data-dir d --json").is(0).last();
    assert_eq!(letters["jobs"][0]["id"], dead, "{letters}");
    fs::remove_file(world.path("d/manifests/jobs")).unwrap();
    world.ok("dlq retry --data-dir d");
    work(&world).is(0);
    assert_eq!(status(&world, &dead)["state"], "done");
    world.run("clean --older-than 0s --dry-run --data-dir d").is(0);
    world.ok("clean --older-than 0s --data-dir d");
    assert_eq!(world.run("jobs --data-dir d --json").is(0).last()["jobs"], Value::Array(Vec::new()));
    // What they wrote stays.
    assert_eq!(report(&world, &dead)["job"], dead);
}

#[test]
fn what_arrives_in_a_watched_directory_is_ingested_once() {
    let world = World::of_size(96, 20_000);
    inbox(&world);
    let mut watching = world.stele("ingest in --watch --data-dir d --json");
    let mut child = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    world.write("in/late.md.part", "# Late\n\nNot");
    world.write("in/late.md.part", "# Late\n\nThe crane is late.\n");
    fs::rename(world.path("in/late.md.part"), world.path("in/late.md.ready")).unwrap();
    let seen = |wanted: &dyn Fn(&str) -> bool| {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let ran = world.run_args(["sql", "SELECT source FROM documents ORDER BY ALL", "--data-dir", "d"]);
            if ran.code == Some(0) && wanted(&ran.stdout) {
                return ran.stdout;
            }
            assert!(Instant::now() < until, "{}{}", ran.stdout, ran.stderr);
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let both = seen(&|text| text.contains("harbour.md") && text.contains("late.md"));
    // The name is that of the document, not that of the file that said it was ready.
    assert!(!both.contains(".ready") && !both.contains(".part"), "{both}");
    fs::remove_file(world.path("in/harbour.md")).unwrap();
    seen(&|text| !text.contains("harbour.md") && text.contains("late.md"));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    let jobs = world.run("jobs --data-dir d --limit 1000 --json").is(0).last();
    let states: Vec<&Value> = jobs["jobs"].as_array().unwrap().iter().map(|job| &job["state"]).collect();
    assert!(states.iter().all(|state| *state == "done" || *state == "queued"), "{jobs}");
}

#[test]
fn an_input_that_was_away_is_tried_again() {
    let world = World::of_size(101, 20_000);
    world.write("stele.toml", WORDS);
    for name in ["a", "b"] {
        world.write(&format!("in/{name}.jsonl"), format!("{{\"event\":\"{name}\"}}\n"));
    }
    let id = one(&world, "in/a.jsonl in/b.jsonl");
    fs::rename(world.path("in/b.jsonl"), world.path("b.jsonl")).unwrap();
    let mut worker = world.stele("worker --data-dir d --until-idle");
    let worker = worker.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let waiting = loop {
        let job = status(&world, &id);
        if job["state"] == "queued" && job["attempts"] == 1 {
            break job;
        }
        assert!(Instant::now() < end, "{job}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let cause = waiting["cause"].as_str().unwrap();
    assert!(cause.contains("an input is not in the lake") && cause.contains("b.jsonl"), "{cause}");
    // What was there is in the lake, and is not held up.
    assert_eq!(world.sql("SELECT event_type FROM events").trim().lines().last(), Some("a"));
    fs::rename(world.path("b.jsonl"), world.path("in/b.jsonl")).unwrap();
    Ran::of(worker.wait_with_output().unwrap()).is(0);
    let done = status(&world, &id);
    assert_eq!((&done["state"], &done["cause"]), (&"done".into(), &"all stages are done".into()), "{done}");
    assert_eq!(report(&world, &id)["state"], "done");
    assert_eq!(world.sql("SELECT count(*) AS n FROM events").trim().lines().last(), Some("2"));
}

#[test]
fn a_worker_says_that_jobs_failed() {
    let world = World::of_size(102, 20_000);
    world.write("stele.toml", WORDS);
    world.write("in/a.jsonl", "{\"event\":\"a\"}\n");
    world.write("gone.jsonl", "{\"event\":\"b\"}\n");
    let gone = one(&world, "gone.jsonl");
    fs::remove_file(world.path("gone.jsonl")).unwrap();
    let ran = work(&world).is(1);
    assert!(
        ran.stdout.contains("1 became failed") && ran.stdout.contains("jobs --state failed"),
        "{}",
        ran.stdout
    );
    world.run(&format!("tail {gone} --data-dir d")).is(1);
    one(&world, "in/a.jsonl");
    world.run(&format!("retry {gone} --data-dir d")).is(0);
    work(&world).is(3);
}

#[test]
fn how_an_input_is_read_goes_with_its_job() {
    let world = World::of_size(103, 20_000);
    world.write("stele.toml", WORDS);
    world.write("t.jsonl", "{\"event\":\"a\",\"ts\":\"2026-01-01 00:00:00\"}\n");
    for (line, exit, says) in [
        ("ingest t.jsonl --no-wait --timezone Mars/X --data-dir d", 2, "--timezone"),
        ("ingest t.jsonl --no-wait --force-format zzz --data-dir d", 2, "zzz"),
        ("ingest t.jsonl --no-wait --profile p.toml --data-dir d", 2, "stele.toml"),
    ] {
        world.run(line).is(exit).says(&[says]);
    }
    one(&world, "t.jsonl --timezone America/New_York");
    work(&world).is(0);
    let told = world.sql("SELECT epoch(ts)::BIGINT AS at, ts_quality FROM events");
    assert!(told.contains("1767243600") && told.contains("zone_applied"), "{told}");
}

#[test]
fn a_directory_with_its_own_lake_in_it_is_watched_in_peace() {
    let world = World::of_size(104, 20_000);
    world.write("stele.toml", WORDS);
    world.write("w/a.jsonl", "{\"event\":\"a\"}\n");
    let mut watching = world.stele("ingest w --watch --no-embed --data-dir w/lake");
    let watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let jobs = || {
        let jobs = world.run("jobs --data-dir w/lake --json").last()["jobs"].clone();
        let states =
            jobs.as_array().into_iter().flatten().map(|job| job["state"].as_str().unwrap().to_owned());
        states.collect::<Vec<_>>()
    };
    while jobs() != ["done"] {
        assert!(Instant::now() < end, "{:?}", jobs());
        std::thread::sleep(Duration::from_millis(100));
    }
    // Longer than a file has to lie still before it is taken.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(jobs(), ["done"]);
    assert!(Command::new("kill").args(["-INT", &watching.id().to_string()]).status().unwrap().success());
    let ran = Ran::of(watching.wait_with_output().unwrap()).is(130);
    ran.says(&["with 1 input became done: all stages are done"]);
}
