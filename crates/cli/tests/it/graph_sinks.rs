//! The graph in a real database that speaks Bolt: as many nodes and edges as the graph has, whatever
//! happens to either.

use serde_json::Value;
use stele_testkit::stores::{GRAPH_DATABASE, GRAPH_PASSWORD, GRAPH_USER, Server, Store};

use crate::world::{Ran, World};

const DATA: &str = "--data-dir d --json";

const PULL: &str = "# docker pull\n\nPulls an image. See [push](push.md).\n\n## Options\n\n\
    | Name | Type | Default | Description |\n|---|---|---|---|\n| `--quiet` | `bool` | | Says nothing |\n";
const PUSH: &str = "# docker push\n\nPushes what `docker pull` pulled.\n\n## Examples\n\nOne.\n";

fn world(url: &str) -> World {
    let world = World::of_size(96, 5_000);
    world.write(
        "stele.toml",
        format!(
            "[embedding]\nprovider = \"none\"\n\n[sinks.graph]\nkind = \"neo4j\"\nurl = \"{url}\"\n\
             user = \"{GRAPH_USER}\"\ndatabase = \"{GRAPH_DATABASE}\"\n\
             http = {{ tries_max = 2, backoff_ms = 10 }}\n"
        ),
    );
    world.write("docs/pull.md", PULL);
    world.write("docs/push.md", PUSH);
    ingest(&world);
    world
}

/// Runs the program with a password.
#[track_caller]
fn run_as(world: &World, password: &str, line: &str) -> Ran {
    Ran::of(world.stele(line).env("STELE_SINK_KEY", password).output().unwrap())
}

#[track_caller]
fn run(world: &World, line: &str) -> Ran {
    run_as(world, GRAPH_PASSWORD, line)
}

/// Takes what is there, and misses what is gone.
fn ingest(world: &World) {
    world.ok("ingest docs --data-dir d --no-embed");
}

#[track_caller]
fn synced(world: &World) -> (u64, u64) {
    let report = run(world, &format!("sink sync {DATA}")).is(0).last();
    assert_eq!((&report["event"], &report["holds"]), (&"sink".into(), &true.into()), "{report}");
    (report["written"].as_u64().unwrap(), report["removed"].as_u64().unwrap())
}

/// The database has as much as the graph says that it has itself.
#[track_caller]
fn is_equal(world: &World, server: &Server) {
    let status = world.run(&format!("graph status {DATA}")).is(0).last();
    let ours = |name: &str| status[name].as_u64().unwrap();
    let there = |question: &str| server.cypher(question)[0]["found"].as_u64().unwrap();
    for (label, name) in [("Document", "documents"), ("Section", "sections"), ("Entity", "entities")] {
        assert_eq!(there(&format!("MATCH (n:{label}) RETURN count(n) AS found")), ours(name), "{name}");
    }
    assert_eq!(there("MATCH ()-[r]->() RETURN count(r) AS found"), ours("edges"));
}

#[test]
fn neo4j_follows_the_lake() {
    let Some(server) = Server::start(Store::ArcadeDb) else { return };
    let world = world(&server.url);
    let sync = format!("sink sync {DATA}");
    run(&world, &format!("sink verify {DATA}")).is(4);
    assert!(synced(&world).0 > 10);
    is_equal(&world, &server);
    assert_eq!(synced(&world), (0, 0));
    run(&world, &format!("sink verify {DATA}")).is(0);

    // Added; and recordings, whose events the graph knows too.
    world.write("docs/run.md", "# docker run\n\nRuns it. See [pull](pull.md).\n");
    ingest(&world);
    world.ok("ingest sample/recordings --data-dir d --no-embed");
    assert!(synced(&world).0 > 5);
    is_equal(&world, &server);

    // Edited: one section, the others stay as they are.
    world.write("docs/push.md", PUSH.replace("One.", "Two."));
    ingest(&world);
    let (written, removed) = synced(&world);
    assert!((1..8).contains(&written) && removed < 8, "{written} written, {removed} removed");
    is_equal(&world, &server);
    let texts = server.cypher("MATCH (s:Section {title: 'Examples'}) RETURN s.text AS text");
    assert!(texts.len() == 1 && texts[0]["text"].as_str().unwrap().contains("Two."), "{texts:?}");

    // Deleted, while the database is down: told, and done by the next run.
    std::fs::remove_file(world.path("docs/run.md")).unwrap();
    ingest(&world);
    server.kill();
    run(&world, &sync).is(1).says(&["does not answer", "2 tries"]);
    server.restart();
    let behind = run(&world, &format!("sink verify {DATA}")).is(4).last();
    assert!(behind["nodes"]["extra"]["count"].as_u64().unwrap() > 0, "{behind}");
    assert!(synced(&world).1 > 3);
    is_equal(&world, &server);
    assert_eq!(server.cypher("MATCH (d:Document {title: 'docker run'}) RETURN d"), Vec::<Value>::new());

    // Another lake may not take it over unasked.
    let other = self::world(&server.url);
    run(&other, &sync).is(1).says(&["another lake", "nothing was touched", "--adopt"]);
    is_equal(&world, &server);

    // The password is asked for, and never shown.
    let ran = run_as(&world, "geheimnis", &sync).is(1).says(&["the user and the password"]);
    assert!(!format!("{ran:?}").contains("geheimnis"), "{ran:?}");
}

#[test]
fn graph_sinks_are_validated() {
    let world = World::of_size(97, 1_000);
    let check = |rest: &str, says: &[&str]| {
        let kind = "[embedding]\nprovider = \"none\"\n[sinks.one]\nkind = \"neo4j\"\n";
        world.write("stele.toml", format!("{kind}{rest}"));
        let said = world.run("validate").is(78).stdout;
        assert!(says.iter().all(|part| said.contains(part)), "{rest}: {said}");
        assert!(!said.contains("geheim"), "{said}");
    };
    let url = "url = \"bolt://127.0.0.1:1\"\n";
    check("url = \"http://127.0.0.1:1\"\n", &["FAILED   sink one", "url", "bolt://127.0.0.1:7687"]);
    check("url = \"bolt://ann:geheim@127.0.0.1:1\"\n", &["sink one", "environment"]);
    check("url = \"bolt+s://127.0.0.1:1\"\n", &["sink one", "tunnel"]);
    check(&format!("{url}collection = \"texts\"\n"), &["sink one", "collection", "database"]);
    check(&format!("{url}tenant = \"abc\"\n"), &["sink one", "tenant"]);
    check(&format!("{url}http = {{ proxy = \"http://p:1\" }}\n"), &["sink one", "proxy"]);
    check(&format!("{url}http = {{ tries_max = 0 }}\n"), &["sink one", "tries_max"]);
    world.write(
        "stele.toml",
        format!("[embedding]\nprovider = \"none\"\n[sinks.one]\nkind = \"neo4j\"\n{url}"),
    );
    let said = world.run("validate").is(0).stdout;
    assert!(said.contains("sink one: the graph in its default database at bolt://127.0.0.1:1"), "{said}");
}
