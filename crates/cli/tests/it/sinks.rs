//! Copies in real vector stores: they hold the ids of the lake's texts, whatever happens to either.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stele_testkit::stores::{Method, Server, Store};

use crate::world::World;

const DATA: &str = "--data-dir d --json";

fn world(server: &Server, kind: Store) -> World {
    let world = World::of_size(90, 60_000);
    let name = match kind {
        Store::Chroma => "chroma",
        _ => "qdrant",
    };
    let url = &server.url;
    world.write(
        "stele.toml",
        format!(
            "[embedding]\nprovider = \"test-double\"\ndimension = 32\n\n[sinks.copy]\nkind = \"{name}\"\n\
             url = \"{url}\"\ncollection = \"texts\"\nhttp = {{ tries_max = 2, backoff_ms = 10 }}\n"
        ),
    );
    world.ok("ingest sample/recordings --data-dir d");
    world
}

/// The ids of the lake's texts, as the contract has them.
fn texts(world: &World) -> BTreeSet<String> {
    let lines = world.ok("export chunks --data-dir d");
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    lines.lines().map(id).collect()
}

/// The ids that the store shows to anybody who asks it.
fn held(server: &Server, kind: Store) -> BTreeSet<String> {
    match kind {
        Store::Chroma => {
            let home = "/api/v2/tenants/default_tenant/databases/default_database/collections";
            let collection = server.ask(Method::Get, &format!("{home}/texts"), None);
            let path = format!("{home}/{}/get", collection["id"].as_str().unwrap());
            let found = server.ask(Method::Post, &path, Some(json!({ "include": [] })));
            found["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
        }
        _ => {
            let asked = json!({ "limit": 100_000, "with_payload": true });
            let found = server.ask(Method::Post, "/collections/texts/points/scroll", Some(asked));
            let points = found["result"]["points"].as_array().unwrap();
            points.iter().map(|point| point["payload"]["id"].as_str().unwrap().to_owned()).collect()
        }
    }
}

#[track_caller]
fn synced(world: &World) -> (u64, u64) {
    let report = world.run(&format!("sink sync {DATA}")).is(0).last();
    assert_eq!((&report["event"], &report["holds"]), (&"sink".into(), &true.into()), "{report}");
    (report["written"].as_u64().unwrap(), report["removed"].as_u64().unwrap())
}

fn follows_the_lake(kind: Store) {
    let Some(server) = Server::start(kind) else { return };
    let world = world(&server, kind);
    world.ok("index build --data-dir d");
    world.run(&format!("sink verify {DATA}")).is(1).says(&["does not exist", "stele sink sync"]);
    let (written, removed) = synced(&world);
    assert_eq!((written as usize, removed), (texts(&world).len(), 0));
    assert_eq!(held(&server, kind), texts(&world));
    assert_eq!(synced(&world), (0, 0));

    // Added: a new event, with which the texts about all events change.
    world.write("more.jsonl", "{\"event\":\"tide\",\"data\":{\"level\":3}}\n");
    world.ok("ingest more.jsonl --data-dir d --no-embed");
    let behind = world.run(&format!("sink verify {DATA}")).is(4).last();
    assert_eq!((&behind["holds"], &behind["pending"]), (&false.into(), &1.into()));
    let (written, removed) = synced(&world);
    assert!(written > 1 && removed > 0, "{written} written, {removed} removed");
    assert_eq!(held(&server, kind), texts(&world));

    // Edited: what stood there is taken out, what stands there now is put in.
    world.write("more.jsonl", "{\"event\":\"tide\",\"data\":{\"level\":4}}\n");
    world.ok("ingest more.jsonl --data-dir d --no-embed");
    assert!(synced(&world).0 > 0);
    assert_eq!(held(&server, kind), texts(&world));

    // Deleted.
    world.ok("lake prune --source more.jsonl --data-dir d --yes");
    assert!(synced(&world).1 > 0);
    assert_eq!(held(&server, kind), texts(&world));

    // Gone, then there again: nothing has to be remembered.
    world.write("last.jsonl", "{\"event\":\"ebb\",\"data\":{\"level\":1}}\n");
    world.ok("ingest last.jsonl --data-dir d --no-embed");
    server.kill();
    world.run(&format!("sink sync {DATA}")).is(1).says(&["texts at http://127.0.0.1", "2 tries"]);
    server.restart();
    assert!(synced(&world).0 > 0);
    assert_eq!(held(&server, kind), texts(&world));
    world.run(&format!("sink verify {DATA}")).is(0);

    // Another lake may not take it over unasked.
    let other = self::world(&server, kind);
    other.run(&format!("sink sync {DATA}")).is(1).says(&["nothing was touched", "--adopt"]);
    assert_eq!(held(&server, kind), texts(&world));
}

#[test]
fn chroma_follows_the_lake() {
    follows_the_lake(Store::Chroma);
}

#[test]
fn qdrant_follows_the_lake() {
    follows_the_lake(Store::Qdrant);
}

#[test]
fn what_is_set_is_listed_and_checked() {
    let world = World::of_size(91, 10_000);
    world.ok("ingest sample/recordings --data-dir d");
    assert!(world.ok("sink list --data-dir d").contains("[sinks.NAME]"));
    world.run("sink sync --data-dir d").is(2).says(&["no sinks are set"]);
    world.write(
        "stele.toml",
        "[embedding]\nprovider = \"none\"\n\n[sinks.one]\nkind = \"qdrant\"\nurl = \"http://127.0.0.1:1\"\n\
         collection = \"texts\"\nkey_variable = \"MY_KEY\"\n",
    );
    let listed = world.ok("sink list --data-dir d");
    assert!(listed.contains("one") && listed.contains("MY_KEY not set"), "{listed}");
    world.run("sink sync two --data-dir d").is(78).says(&["no sink is named two", "one"]);
    // Without vectors there is nothing to copy.
    world.run("sink sync --data-dir d").is(1).says(&["texts alone", "stele models pull"]);
    world.write("stele.toml", "[sinks.one]\nkind = \"milvus\"\n");
    world.run("sink list --data-dir d").is(78).says(&["milvus"]);
}

/// A lake with an index, and these sinks.
fn with_sinks(seed: u64, sinks: &str) -> World {
    let world = World::of_size(seed, 10_000);
    world.write("stele.toml", format!("[embedding]\nprovider = \"test-double\"\ndimension = 32\n\n{sinks}"));
    world.ok("ingest sample/recordings --data-dir d");
    world.ok("index build --data-dir d");
    world
}

#[test]
fn each_failure_is_told() {
    let sink = |name: &str, port: u16| {
        format!(
            "[sinks.{name}]\nkind = \"qdrant\"\nurl = \"http://127.0.0.1:{port}\"\ncollection = \"texts\"\n\
             http = {{ tries_max = 1 }}\n"
        )
    };
    let world = with_sinks(92, &format!("{}{}{}", sink("one", 1), sink("two", 2), sink("three", 3)));
    for command in ["verify", "sync"] {
        let ran = world.run(&format!("sink {command} {DATA}")).is(1).says(&["one: ", "two: ", "three: "]);
        let told: Vec<(Value, Value)> = ran
            .events()
            .iter()
            .filter(|event| event["event"] == "error")
            .map(|event| (event["sink"].clone(), event["exit_code"].clone()))
            .collect();
        assert_eq!(told, ["one", "three", "two"].map(|name| (name.into(), 1.into())), "{}", ran.stdout);
        let ran = world.run(&format!("sink {command} one nobody {DATA}")).is(1);
        assert_eq!(ran.events().iter().filter(|event| event["event"] == "error").count(), 2);
    }
    assert_eq!(world.run(&format!("sink verify two {DATA}")).is(1).events().len(), 1);
}

#[test]
fn passwords_of_addresses_are_never_shown() {
    let world = with_sinks(
        93,
        "[sinks.one]\nkind = \"qdrant\"\nurl = \"http://ann:geheim@127.0.0.1:1/base/?key=geheim\"\n\
         collection = \"texts\"\nhttp = { tries_max = 2, backoff_ms = 1 }\n",
    );
    let lines = [
        "sink list",
        "sink list --json",
        "sink verify -vvv",
        "sink sync --json",
        "validate",
        "doctor --json",
    ];
    for line in lines {
        let ran = world.run(&format!("{line} --data-dir d"));
        assert!(!format!("{ran:?}").contains("geheim"), "{line}: {ran:?}");
        assert!(format!("{ran:?}").contains("http://127.0.0.1:1/base"), "{line}: {ran:?}");
    }
    // The line at fault is quoted.
    world.write("stele.toml", "[sinks.one]\nurl = \"http://ann:geheim@127.0.0.1:1\" oops\n");
    let ran = world.run("sink list --data-dir d").is(78).says(&["***@127.0.0.1:1"]);
    assert!(!ran.stderr.contains("geheim"), "{}", ran.stderr);
}

#[test]
fn sinks_and_models_are_validated() {
    let world = World::of_size(94, 1_000);
    let check = |config: &str, says: &[&str]| {
        world.write("stele.toml", config);
        let said = world.run("validate").is(78).stdout;
        assert!(says.iter().all(|part| said.contains(part)), "{config}: {said}");
    };
    let sink =
        |rest: &str| format!("[embedding]\nprovider = \"none\"\n[sinks.one]\nkind = \"qdrant\"\n{rest}");
    let url = "url = \"http://127.0.0.1:1\"\n";
    check(&sink(&format!("{url}collection = \"x\"")), &["FAILED   sink one", "collection", "3 to 255"]);
    check(&sink("url = \"localhost\"\ncollection = \"texts\""), &["sink one", "url"]);
    check(&sink(&format!("{url}collection = \"texts\"\ntenant = \"abc\"")), &["sink one", "tenant"]);
    check(
        &sink(&format!("{url}collection = \"texts\"\nhttp = {{ tries_max = 0 }}")),
        &["sink one", "tries_max"],
    );
    check(
        "[embedding]\nprovider = \"local\"\nmodel = \"/nowhere/m\"\n",
        &["FAILED   embedding", "/nowhere/m"],
    );
    check(
        "[embedding]\nprovider = \"http\"\nurl = \"nowhere\"\nmodel = \"m\"\n",
        &["FAILED   embedding", "url"],
    );
    world.write("stele.toml", sink(&format!("{url}collection = \"texts\"")));
    let said = world.run("validate").is(0).stdout;
    assert!(said.contains("sink one: the Qdrant collection texts") && said.contains("words alone"), "{said}");
}
