//! Index and search, as somebody who types them meets them.

use std::path::PathBuf;

use serde_json::Value;

use crate::world::{Ran, World};

/// Words alone: found on every machine.
const WORDS: &str = "[embedding]\nprovider = \"none\"\n";

/// Vectors without meaning, which need no model.
const DOUBLE: &str = "[embedding]\nprovider = \"test-double\"\ndimension = 32\n";

fn indexed(seed: u64, config: &str) -> World {
    let world = World::of_size(seed, 60_000);
    world.write("stele.toml", config);
    world.ok("ingest sample/recordings --data-dir d --no-embed");
    world.run("index build --data-dir d").is(0);
    world
}

#[track_caller]
fn search(world: &World, question: &str, more: &str) -> Value {
    let mut args = vec!["search", question, "--data-dir", "d", "--json"];
    args.extend(more.split_whitespace());
    world.run_args(args).is(0).last()
}

fn first(answer: &Value) -> &Value {
    &answer["results"][0]["metadata"]
}

#[test]
fn fields_and_events_are_found_by_name() {
    for config in [WORDS, DOUBLE] {
        let world = indexed(71, config);
        for question in ["data.price", "what is data.price?"] {
            let answer = search(&world, question, "--kind field --event auctionState");
            // Vectors without meaning may put something else before it, and not much.
            let places = if config == WORDS { 1 } else { 3 };
            let found = answer["results"].as_array().unwrap().iter().take(places);
            assert!(
                found.into_iter().any(|found| found["metadata"]["path"] == "data.price"),
                "{question}: {answer:#}"
            );
        }
        let answer = search(&world, "auctionState fields", "");
        if config == WORDS {
            assert_eq!(
                (&first(&answer)["kind"], &first(&answer)["event_type"]),
                (&"event".into(), &"auctionState".into())
            );
        }
        let found = &answer["results"][0];
        for part in ["id", "score", "text", "metadata", "evidence"] {
            assert!(!found[part].is_null(), "{part}");
        }
        assert_eq!((&answer["complete"], &answer["pending"]), (&true.into(), &0.into()));
        assert!(answer["semantic"] == false && answer["confidence"].as_f64() < Some(1.0));
    }
}

#[test]
fn filters_come_before_the_best_are_taken() {
    let world = indexed(72, WORDS);
    let answer = search(&world, "price", "--doc-type system_event --top 3");
    let types: Vec<&Value> =
        answer["results"].as_array().unwrap().iter().map(|found| &found["metadata"]["doc_type"]).collect();
    assert!(types.iter().all(|kind| *kind == "system_event"), "{types:?}");
    let all = search(&world, "price", "--kind field --top 50");
    let kinds = all["results"].as_array().unwrap().iter().map(|found| found["metadata"]["kind"].clone());
    assert!(kinds.collect::<Vec<_>>().iter().all(|kind| kind == "field"));
}

#[test]
fn the_index_follows_the_lake() {
    let world = indexed(73, DOUBLE);
    let before = world.run("index build --data-dir d --json").is(0).last();
    assert_eq!(
        (&before["inserted"], &before["embedded"], &before["deleted"]),
        (&0.into(), &0.into(), &0.into())
    );
    world.write("new.jsonl", "{\"event\":\"zeppelin\",\"data\":{\"hydrogenLevel\":7}}\n");
    world.ok("ingest new.jsonl --data-dir d --no-embed");
    let answer = search(&world, "hydrogenLevel", "");
    assert_eq!((&answer["complete"], &answer["pending"]), (&false.into(), &1.into()), "{answer:#}");
    let update = world.run("index build --data-dir d --json").is(0).last();
    assert!(update["embedded"].as_u64() < before["unchanged"].as_u64(), "{update}");
    let answer = search(&world, "hydrogenLevel", "--kind field");
    assert_eq!(first(&answer)["path"], "data.hydrogenLevel");
    assert!(first(&answer)["place"].as_str().unwrap().ends_with("new.jsonl"));
    assert!(world.ok("index verify --data-dir d").contains("what the lake comes to"));
    // What leaves the lake leaves the index.
    world.ok("lake prune --source new.jsonl --data-dir d --yes");
    world.run("index build --data-dir d").is(0);
    let answer = search(&world, "hydrogenLevel", "--kind field");
    assert_ne!(first(&answer)["path"], "data.hydrogenLevel");
    world.run("index verify --data-dir d").is(0);
}

#[test]
fn a_rebuilt_index_is_the_same() {
    let world = indexed(74, DOUBLE);
    let hash =
        |world: &World| world.run("index verify --data-dir d --json").is(0).last()["logical_hash"].clone();
    let before = hash(&world);
    world.run("index rebuild --data-dir d --threads 1").is(0);
    assert_eq!(hash(&world), before);
    std::fs::remove_dir_all(world.path("d/index")).unwrap();
    world.run("index verify --data-dir d").is(1).says(&["no index at", "stele index build"]);
    world.run("index build --data-dir d --threads 2").is(0);
    assert_eq!(hash(&world), before);
}

#[test]
fn chunks_are_exported_as_the_contract_says() {
    let world = indexed(75, WORDS);
    let text = world.ok("export chunks --data-dir d -q");
    let mut ids = std::collections::BTreeSet::new();
    for line in text.lines() {
        let chunk: Value = serde_json::from_str(line).unwrap();
        assert_eq!(chunk.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "text", "metadata"]);
        assert!(chunk["metadata"]["source"].is_string() && chunk["metadata"]["doc_type"].is_string());
        assert!(ids.insert(chunk["id"].as_str().unwrap().to_owned()), "{line}");
    }
    let status = world.run("index status --data-dir d --json").is(0).last();
    assert_eq!(status["indexes"][0]["pointer"]["rows"], ids.len());
}

#[test]
fn another_model_is_explained() {
    let world = indexed(76, DOUBLE);
    world.write("stele.toml", DOUBLE.replace("32", "16"));
    // Another model stands beside the first; nothing is mixed.
    world.run("index build --data-dir d").is(0);
    let status = world.run("index status --data-dir d --json").is(0).last();
    assert_eq!(status["indexes"].as_array().unwrap().len(), 2, "{status}");
    world.run("search price --arm vector --data-dir d --json").is(0);
}

#[test]
fn questions_that_make_no_sense() {
    let world = indexed(77, WORDS);
    world.run_args(["search", " ", "--data-dir", "d"]).is(2).says(&["the question is empty"]);
    for (wrong, says) in [
        ("--top 0", "1..=200"),
        ("--top 201", "1..=200"),
        ("--per-source 0", "0 is not in 1.."),
        ("--diversity 7", "from 0 to 1"),
        ("--diversity NaN", "from 0 to 1"),
        ("--diversity=-1", "from 0 to 1"),
    ] {
        world.run(&format!("search price {wrong} --data-dir d")).is(2).says(&[says]);
    }
    world.run("sql SELECT(1) --memory-limit 0 --data-dir d").is(2).says(&["1..="]);
    world.run("search price --arm vector --data-dir d").is(1).says(&["texts alone", "stele models pull"]);
    world.run("search price --data-dir nothing").is(1).says(&["no lake"]);
    for odd in ["\"", "price OR *", "a'); DROP TABLE x; --", "𝄞", "a:b^2 ~ [ ] { }"] {
        search(&world, odd, "");
    }
}

#[test]
fn a_filter_for_nothing_is_said() {
    let world = indexed(84, WORDS);
    let check = |filter: &str, says: &[&str]| {
        let ran = world.run(&format!("search price {filter} --data-dir d")).is(0);
        let notes = search(&world, "price", filter)["notes"].to_string();
        assert!(says.iter().all(|part| notes.contains(part)), "{filter}: {notes}");
        ran.says(says);
    };
    check("--event auctionStat", &["no event is named auctionStat", "near it are auctionState"]);
    check("--event auctionState --event NOSUCH", &["no event is named NOSUCH"]);
    check("--doc-type tick", &["no doc type is named tick", "game_tick"]);
    check("--game nosuch", &["no record belongs to a game nosuch", "SELECT game_id FROM games"]);
    check("--source nowhere", &["no source begins with nowhere"]);
    let silent = |filter: &str| {
        let notes = search(&world, "price", filter)["notes"].to_string();
        assert!(!notes.contains("is named") && !notes.contains("begins with"), "{filter}: {notes}");
    };
    silent("");
    silent("--event auctionState --doc-type catalogue");
    // Known, though nothing is found.
    silent("--source catalogue --doc-type ticket --event auctionState");
}

#[test]
fn a_model_that_is_named_has_to_be_there() {
    let world = World::of_size(80, 60_000);
    world.ok("ingest sample/recordings --data-dir d --no-embed");
    world.write("stele.toml", "[embedding]\nprovider = \"local\"\nmodel = \"/nowhere/m\"\n");
    world.run("index build --data-dir d").is(78).says(&[
        "embedding.model",
        "/nowhere/m",
        "model.safetensors",
    ]);
    assert!(!world.path("d/index/CURRENT.json").exists(), "no index by words alone instead");
    world.write("stele.toml", "");
    let without = |line: &str| Ran::of(world.stele(line).env("STELE_MODELS", "none").output().unwrap());
    without("models check").is(1).says(&["models pull"]);
    // The default model may come later.
    without("index build --data-dir d").is(0).says(&["stele models pull"]);
}

#[test]
fn it_is_ready_only_if_somebody_said_what_has_to_be_found() {
    let world = indexed(79, WORDS);
    let verify = |world: &World| world.run("verify --data-dir d --json");
    assert_eq!(verify(&world).is(0).last()["ready_for_queries"], "unverified");
    world.write("stele.toml", format!("sample_queries = [\"data.price\"]\n{WORDS}"));
    let report = verify(&world).is(0).last();
    assert_eq!(
        (&report["ready_for_queries"], &report["index"]["holds"]),
        (&"yes".into(), &true.into()),
        "{report}"
    );
    world.write("new.jsonl", "{\"event\":\"zeppelin\",\"n\":1}\n".repeat(200));
    world.ok("ingest new.jsonl --data-dir d --no-embed");
    let report = verify(&world).is(4).last();
    assert!(report["ready_for_queries"] == "no" && report["index"]["missing"].as_u64() > Some(0), "{report}");
    let reason = report["reasons"][0].as_str().unwrap();
    assert!(reason.contains("drifts") && reason.contains("stele index build"), "{report}");
    let repaired = world.run("verify --repair --data-dir d --json").is(0).events();
    let repaired = repaired.iter().find(|event| event["event"] == "repair").unwrap();
    assert_eq!(repaired["before"]["ready_for_queries"], "no");
    assert!(repaired["done"][0].as_str().unwrap().contains("brought up to the lake"), "{repaired}");
    assert_eq!(repaired["after"]["ready_for_queries"], "yes");
    let again = world.run("verify --repair --data-dir d").is(0);
    assert!(again.stdout.contains("nothing to repair"), "{}", again.stdout);
}

#[test]
fn an_answer_knows_what_it_does_not_know() {
    let world = World::of_size(82, 60_000);
    world.write("stele.toml", WORDS);
    world.write("more.jsonl", "{\"event\":\"tide\",\"data\":{\"level\":3}}\n");
    world.ok("ingest sample/recordings more.jsonl --data-dir d");
    world.ok("index build --data-dir d");
    let told = |world: &World| {
        let answer = search(world, "tide level", "");
        (answer["complete"].clone(), answer["pending"].clone())
    };
    assert_eq!(told(&world), (true.into(), 0.into()));
    // What was pruned is still answered with, and that is said.
    world.ok("lake prune --source more.jsonl --data-dir d --yes");
    assert_eq!(told(&world), (false.into(), 1.into()));
    world.ok("index build --data-dir d");
    assert_eq!(told(&world), (true.into(), 0.into()));
    assert_ne!(first(&search(&world, "tide", ""))["event_type"], "tide");
    // Another lake in the place of this one, with as many commits.
    std::fs::remove_dir_all(world.path("d/lake")).unwrap();
    std::fs::remove_dir_all(world.path("d/manifests")).unwrap();
    world.ok("ingest more.jsonl --data-dir d");
    world.write("less.jsonl", "{\"event\":\"ebb\",\"data\":{\"level\":1}}\n");
    world.ok("ingest less.jsonl --data-dir d");
    assert_eq!(told(&world), (false.into(), Value::Null));
    world.ok("index build --data-dir d");
    assert_eq!(told(&world), (true.into(), 0.into()));
    assert_eq!(first(&search(&world, "tide", ""))["event_type"], "tide");
    world.run("index verify --data-dir d").is(0);
}

#[test]
fn an_index_is_one_tenants_and_no_input() {
    let world = World::of_size(83, 10_000);
    world.write("one.toml", format!("tenant = \"one\"\n{WORDS}"));
    world.write("two.toml", format!("tenant = \"two\"\n{WORDS}"));
    world.write("in/a.jsonl", "{\"event\":\"tide\",\"data\":{\"level\":3}}\n");
    world.write("in/b.jsonl", "{\"event\":\"ebb\",\"data\":{\"depth\":1}}\n");
    for (tenant, input) in [("one", "in/a.jsonl"), ("two", "in/b.jsonl")] {
        world.ok(&format!("ingest {input} --data-dir d --config {tenant}.toml"));
        world.ok(&format!("index build --data-dir d --config {tenant}.toml"));
    }
    for (tenant, own) in [("one", "tide"), ("two", "ebb")] {
        world.ok(&format!("index build --data-dir d --config {tenant}.toml"));
        let answer = search(&world, "tide ebb level depth", &format!("--kind record --config {tenant}.toml"));
        let events: Vec<&Value> = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| &found["metadata"]["event_type"])
            .collect();
        assert_eq!(events, [own]);
        world.run(&format!("index verify --data-dir d --config {tenant}.toml")).is(0);
    }
    // The data directory lies among the inputs, and only they are read.
    std::fs::rename(world.path("d"), world.path("in/d")).unwrap();
    world.ok("ingest in --data-dir in/d --config one.toml");
    assert!(!world.ok("status --files --data-dir in/d --config one.toml").contains("CURRENT"));
}

/// A question, and what has to come first: kind, event (`*` is any) and the paths of which one will
/// do, without the brackets of lists, which depend on the recorder.
struct Labelled<'a> {
    question: &'a str,
    kind: &'a str,
    event: &'a str,
    paths: Vec<&'a str>,
}

fn labelled(table: &str) -> Vec<Labelled<'_>> {
    let of = |line| {
        let cells: Vec<&str> = str::split(line, '\t').collect();
        let [question, kind, event, paths] = cells[..] else { panic!("four cells: {line}") };
        Labelled { question, kind, event, paths: paths.split(' ').collect() }
    };
    table.lines().map(of).collect()
}

impl Labelled<'_> {
    fn is_met_by(&self, metadata: &Value) -> bool {
        let path = metadata["path"].as_str().unwrap_or("-").replace("[]", "");
        metadata["kind"] == self.kind
            && (self.event == "*" || metadata["event_type"].as_str().unwrap_or("-") == self.event)
            && self.paths.contains(&&*path)
    }
}

/// Shares of first results, and of first three, that are right, and what came instead.
fn hits(world: &World, questions: &[Labelled<'_>]) -> (f64, f64, String) {
    let (mut first, mut three, mut missed) = (0, 0, String::new());
    for asked in questions {
        let answer = search(world, asked.question, "--top 3");
        let results = answer["results"].as_array().unwrap();
        let place = results.iter().position(|found| asked.is_met_by(&found["metadata"]));
        if place != Some(0) {
            let titles: Vec<&Value> = results.iter().map(|found| &found["metadata"]["title"]).collect();
            missed += &format!("{}: {place:?} in {titles:?}\n", asked.question);
        }
        first += usize::from(place == Some(0));
        three += usize::from(place.is_some());
    }
    (first as f64 / questions.len() as f64, three as f64 / questions.len() as f64, missed)
}

#[test]
fn labelled_questions_are_answered() {
    let questions = labelled(include_str!("questions.tsv"));
    assert!(questions.len() > 50);
    let world = World::of_size(81, 400_000);
    world.ok("ingest sample/recordings --data-dir d --no-embed");
    let model = std::env::var_os("STELE_MODELS").map(PathBuf::from).filter(|dir| dir.is_dir());
    assert!(model.is_some() || std::env::var_os("CI").is_none(), "the set-up fetches the model");
    let check = |first_min: f64, three_min: f64| {
        world.run("index rebuild --data-dir d").is(0);
        let (first, three, missed) = hits(&world, &questions);
        assert!(first >= first_min && three >= three_min, "hit@1 {first:.3}, hit@3 {three:.3}\n{missed}");
    };
    if model.is_some() {
        check(0.9, 1.0);
    }
    world.write("stele.toml", WORDS);
    check(0.85, 0.95);
}
