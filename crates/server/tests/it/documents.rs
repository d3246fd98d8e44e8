//! Documents: found, read around, and how they hang together.

use serde_json::{Value, json};
use stele_engine::{Cancel, Engine, NoProgress};

use crate::client::{answered, refused};
use crate::world::World;

const GUIDE: &str = "# crane\n\nLift things.\n\n## Options\n\n| Name | Description |\n|---|---|\n\
    | `--load` | How much to lift |\n\n## Set-up\n\n1. Fix the crane.\n2. Run `crane --load 3`.\n\n\
    See [the harbour](harbour.md).\n";

const HARBOUR: &str = "# The harbour\n\nWhere ships lie.\n";

fn world() -> World {
    let world = World::new(false);
    world.ingest("crane.md", GUIDE);
    world.ingest("harbour.md", HARBOUR);
    world.index();
    world
}

#[test]
fn a_section_is_found_and_read_around() {
    let world = world();
    let found = answered(
        world.address,
        "search",
        json!({ "query": "how much to lift", "kind": "section", "arm": "text" }),
    );
    let first = &found["results"][0];
    assert!(first["text"].as_str().unwrap().contains("--load"), "{found}");
    assert!(first["at"].as_str().unwrap().ends_with("crane.md:7"), "{first}");
    let around = answered(world.address, "expand_excerpt", json!({ "section": first["section"] }));
    let relations: Vec<&Value> =
        around["sections"].as_array().unwrap().iter().map(|one| &one["relation"]).collect();
    assert_eq!(relations, ["above", "itself", "next"], "{around}");
    let small =
        answered(world.address, "expand_excerpt", json!({ "section": first["section"], "tokens": 1 }));
    assert_eq!(small["sections"].as_array().unwrap().len(), 1);
    assert_eq!(small["sections"][0]["text_cut"], true);
    let lines = answered(
        world.address,
        "read_excerpt",
        json!({ "source": "crane.md", "line": 9, "before": 0, "after": 1 }),
    );
    let texts: Vec<&Value> = lines["lines"].as_array().unwrap().iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, ["| `--load` | How much to lift |", ""]);
    let elsewhere =
        answered(world.address, "search", json!({ "query": "lift", "scope": "harbour.md", "arm": "text" }));
    assert_eq!(elsewhere["results"], json!([]));
    refused(world.address, "expand_excerpt", json!({ "section": "nothing" }));
}

#[test]
fn things_lead_to_each_other() {
    let world = world();
    let around =
        answered(world.address, "graph_expand", json!({ "name": "crane", "kinds": ["HAS_PARAMETER"] }));
    assert_eq!(around["of"]["kind"], "command", "{around}");
    let names: Vec<&Value> = around["nodes"].as_array().unwrap().iter().map(|node| &node["name"]).collect();
    assert_eq!(names, ["--load"], "{around}");
    assert!(around["edges"][0]["said_at"].as_str().unwrap().contains("crane.md:"), "{around}");
    let ways = answered(
        world.address,
        "graph_paths",
        json!({ "from": world.path("crane.md"), "to": world.path("harbour.md") }),
    );
    let kinds: Vec<Vec<&Value>> = ways["paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path["edges"].as_array().unwrap().iter().map(|edge| &edge["kind"]).collect())
        .collect();
    assert!(kinds.iter().any(|way| *way == ["HAS_SECTION", "REFERENCES"]), "{ways}");
    refused(world.address, "graph_expand", json!({ "name": "crane", "kinds": ["NOTHING"] }));
    refused(world.address, "graph_expand", json!({ "name": "nobody is called so" }));
    refused(world.address, "graph_paths", json!({ "from": "crane", "to": "crane", "depth": 7 }));
}

#[test]
fn what_was_asked_for_comes_whatever_stands_before_it() {
    let world = World::new(false);
    // Blanks are bytes and no tokens, so the budget of tokens lets all of these in.
    let before: String =
        (0..8).map(|n| format!("## Before {n}\n\n```\na{}b\n```\n\n", " ".repeat(9_000))).collect();
    world.ingest("wide.md", &format!("# Wide\n\n{before}## Asked\n\nThe pelican.\n"));
    let long: String = (0..60).map(|n| format!("line {n} {}\n", "x".repeat(3_000))).collect();
    world.ingest("long.md", &format!("# Long\n\n{long}"));
    world.index();
    let found = answered(world.address, "search", json!({ "query": "pelican", "arm": "text" }));
    let section = &found["results"][0]["section"];
    let around = answered(world.address, "expand_excerpt", json!({ "section": section, "tokens": 4000 }));
    let sections = around["sections"].as_array().unwrap();
    assert!(sections.len() > 2 && around["limit_reason"] == "bytes", "{}", sections.len());
    let itself = sections.iter().find(|one| one["relation"] == "itself").unwrap();
    assert!(itself["text"].as_str().unwrap().contains("The pelican."), "{itself}");
    let at: Vec<&str> = sections.iter().map(|one| one["headings"][1].as_str().unwrap_or_default()).collect();
    assert!(at.is_sorted_by_key(|heading| *heading == "Asked"), "in reading order: {at:?}");

    let arguments = json!({ "source": "long.md", "line": 52, "before": 49, "after": 10 });
    let lines = answered(world.address, "read_excerpt", arguments);
    let numbers: Vec<u64> =
        lines["lines"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert!(numbers.contains(&52) && numbers.is_sorted() && numbers.len() < 60, "{numbers:?}");
    assert_eq!(lines["limit_reason"], "bytes");
}

#[test]
fn a_server_answers_for_one_tenant() {
    let world = world();
    let other = world.engine_of("other");
    world.ingest_of(&other, "secret.md", "# crane\n\nThe walrus.\n\n## Set-up\n\nRun `walrus --tusk`.\n");
    world.ingest_of(&other, "secret.jsonl", "{\"event\":\"walrus_event\",\"data\":{\"tusk\":1}}\n");
    other.index_build(&NoProgress, &Cancel::default()).unwrap();
    // Ours follows the lake that has theirs in it now.
    world.index();
    let theirs = other.context(&section_of(&other), 100).unwrap().sections[0].id.clone();
    for (name, arguments) in [
        ("search", json!({ "query": "walrus", "arm": "text" })),
        ("graph_expand", json!({ "name": "crane", "depth": 3, "limit": 100 })),
        ("sql", json!({ "query": "SELECT title, text FROM sections" })),
        ("sql", json!({ "query": "SELECT name FROM entities" })),
        ("sql", json!({ "query": "SELECT source FROM documents" })),
    ] {
        let answer = answered(world.address, name, arguments);
        for word in ["walrus.", "tusk", "walrus_event", "secret"] {
            assert!(!answer.to_string().contains(word), "{name}: {word} in {answer}");
        }
    }
    refused(world.address, "expand_excerpt", json!({ "section": theirs }));
    refused(world.address, "graph_expand", json!({ "name": "walrus" }));
    refused(world.address, "graph_expand", json!({ "name": theirs }));
    refused(world.address, "read_excerpt", json!({ "source": "secret.md", "line": 1 }));
}

/// Any section of a tenant's documents.
fn section_of(engine: &Engine) -> String {
    let snapshot = engine.snapshot().unwrap();
    let graph = engine.graph(&snapshot).unwrap().unwrap();
    graph.sections().next().unwrap().unwrap().id.to_string()
}
