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
        Store::Qdrant => "qdrant",
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
        Store::Qdrant => {
            let asked = json!({ "limit": 100_000, "with_payload": true });
            let found = server.ask(Method::Post, "/collections/texts/points/scroll", Some(asked));
            let points = found["result"]["points"].as_array().unwrap();
            points.iter().map(|point| point["payload"]["id"].as_str().unwrap().to_owned()).collect()
        }
        Store::Chroma => {
            let home = "/api/v2/tenants/default_tenant/databases/default_database/collections";
            let collection = server.ask(Method::Get, &format!("{home}/texts"), None);
            let path = format!("{home}/{}/get", collection["id"].as_str().unwrap());
            let found = server.ask(Method::Post, &path, Some(json!({ "include": [] })));
            found["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
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
