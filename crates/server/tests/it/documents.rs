//! Documents: found, read around, and how they hang together.

use serde_json::{Value, json};

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
