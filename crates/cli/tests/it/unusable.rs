//! Sources that cannot be used, and what asking sources takes: nothing of it is silent.

use serde_json::{Value, json};
use stele_testkit::freshdesk::{Fault, Knobs, RetryAfter, Wrong};
use stele_testkit::server::{Reply, Server};

use crate::desk::Rig;
use crate::world::World;

/// A kind that nobody has, and a key that is not there.
const BROKEN: &str = "[[sources]]\nsource_id = \"broken\"\nsource_type = \"teapot\"\n\
     [[sources]]\nsource_id = \"secret\"\nsource_type = \"api\"\nendpoint = \"https://api.example\"\n\
     auth = { type = \"bearer\", token = \"${NOBODY_SET_THIS}\" }\n";

/// What is said of them.
const SAID: [&str; 3] = [
    "stele.toml: entry 1 of the sources (broken) cannot be used: there is no `source_type` teapot",
    "stele.toml: entry 2 of the sources (secret) cannot be used: NOBODY_SET_THIS is not set",
    "stele sources list",
];

/// One that its kind refuses: a setting is misspelt.
const MISSPELT: &str = "[[sources]]\nsource_id = \"desk\"\nsource_type = \"freshdesk\"\ndomain = \"acme.freshdesk.com\"\n\
     api_key = \"k\"\nlook_back = \"1m\"\n";

fn world(seed: u64, sources: &str) -> World {
    let world = World::of_size(seed, 5_000);
    world.write("stele.toml", format!("[embedding]\nprovider = \"none\"\n{sources}"));
    world
}

#[test]
fn where_no_entry_can_be_used_each_is_named_and_nothing_is_as_if_done() {
    let world = world(161, BROKEN);
    for line in ["ingest --all-sources", "ingest --all-sources --dry-run"] {
        world.run(&format!("{line} --data-dir d")).is(78).says(&SAID).says(&["2 sources cannot be used"]);
    }
    // Keys are the worker's, who may have the one that is not here.
    world.run("ingest --all-sources --no-wait --data-dir d").is(3).says(&SAID[..1]);
    world.run("ingest --source broken --no-wait --data-dir d").is(78).says(&["teapot"]);
    let events = world.run("ingest --all-sources --json --data-dir d").is(78).events();
    let unusable: Vec<&Value> = events.iter().filter(|event| event["event"] == "unusable").collect();
    assert_eq!(unusable.len(), 2, "{events:?}");
    assert_eq!(
        (&unusable[0]["file"], &unusable[0]["index"], &unusable[0]["source_id"]),
        (&json!("stele.toml"), &json!(0), &json!("broken"))
    );
    assert!(unusable[1]["why"].as_str().unwrap().contains("NOBODY_SET_THIS"), "{unusable:?}");
    let checked = world.run("sources check --data-dir d").is(78);
    assert!(SAID[..2].iter().all(|said| checked.stdout.contains(said)), "{}", checked.stdout);
    let events = world.run("sources check --json --data-dir d").is(78).events();
    assert!(events.iter().all(|event| event["ok"] == false), "{events:?}");
    assert_eq!((events.len(), &events[1]["source"]), (2, &json!("secret")));
    // A list that is empty is told, too.
    world.write("stele.toml", "[embedding]\nprovider = \"none\"\n");
    world.run("sources check --data-dir d").is(78).says(&["no source is configured"]);
    let off = MISSPELT.replace("look_back = \"1m\"", "enabled = false");
    world.write("stele.toml", format!("[embedding]\nprovider = \"none\"\n{off}"));
    world.run("ingest --all-sources --data-dir d").is(0).says(&["no source is due"]);
}

#[test]
fn an_entry_that_its_kind_refuses_is_no_active_source() {
    let server = Server::new(|_, _| Reply::Say(200, "", "[{\"id\": 1}]".to_owned()));
    let news = format!(
        "[[sources]]\nsource_id = \"news\"\nsource_type = \"api\"\nendpoint = \"{}\"\nendpoint_ = \"x\"\nkey = [\"id\"]\n",
        server.url
    );
    let world = world(162, &format!("{news}{MISSPELT}"));
    let listed = world.run("sources list --data-dir d").is(78).says(&["`endpoint_` has no effect"]);
    let row = |id: &str| listed.stdout.lines().find(|line| line.trim_start().starts_with(id)).unwrap();
    assert!(row("news").contains("yes") && row("desk").contains("cannot be used"), "{}", listed.stdout);
    let told = "stele.toml: entry 2 of the sources (desk) cannot be used: ";
    assert!(listed.stdout.contains(told) && listed.stdout.contains("look_back"), "{}", listed.stdout);
    let listed = world.run("sources list --json --data-dir d").is(78).last();
    assert_eq!(
        (&listed["sources"][0]["usable"], &listed["sources"][1]["usable"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(listed["problems"][0]["source_id"], "desk");
    // The others are asked, and the code says that not all can be.
    let checked = world.run("sources check --data-dir d").is(78).says(&["`endpoint_` has no effect"]);
    assert!(checked.stdout.contains("news: ok") && checked.stdout.contains(told), "{}", checked.stdout);
    let all = "ingest --all-sources --no-embed --data-dir d";
    world.run(all).is(3).says(&[told, "look_back", "`endpoint_` has no effect"]);
    let facts = |world: &World| {
        let facts = world.run("system --json --data-dir d").is(0).last();
        ["active_sources", "source_count", "unusable_sources", "api_call_count"]
            .map(|name| facts[name].as_u64().unwrap())
    };
    // A check and a run, at a page each.
    assert_eq!(facts(&world), [1, 1, 1, 2]);
    let page = world.run("system --data-dir d").is(0).stdout;
    assert!(page.contains("1 cannot, and `stele sources list` says why"), "{page}");
    // So it is when they are named; where none of those can be used, that is what went wrong.
    let named = "ingest --source desk --source news --no-embed --json --data-dir d";
    let events = world.run(named).is(3).events();
    let of = |event: &str, id: &str| {
        let all: Vec<&Value> =
            events.iter().filter(|told| told["event"] == event).map(|told| &told[id]).collect();
        json!(all)
    };
    assert_eq!((of("unusable", "source_id"), of("collected", "source")), (json!(["desk"]), json!(["news"])));
    world.run("ingest --source desk --data-dir d").is(78).says(&["look_back"]);
    world.run("ingest --source desk --no-wait --data-dir q").is(0);
    world.run("ingest --source news --source nobody --data-dir d").is(78).says(&["there is no such source"]);
    // Whose key is not there is none either, and what it has spent stays spent: a check, and a run twice.
    let config = String::from_utf8(world.read("stele.toml")).unwrap();
    world.write(
        "stele.toml",
        config.replace("key = [\"id\"]", "key = [\"id\"]\nheaders = { x = \"${NOBODY_SET_THIS}\" }"),
    );
    assert_eq!(facts(&world), [0, 0, 2, 3]);
}

/// What a source has cost, by the account of all.
fn spent(rig: &Rig) -> Value {
    rig.run("sources cost --json").is(0).last()["by_source"]["desk"].clone()
}

#[test]
fn calls_are_counted_that_have_no_price() {
    let knobs = Knobs { tickets: 20, ..Knobs::default() };
    let rig = Rig::of(163, knobs, "streams = [\"tickets\", \"conversations\", \"agents\"]\n");
    let checked = rig.mock.count();
    rig.run("sources check").is(0);
    let checked = (rig.mock.count() - checked) as u64;
    assert!(checked > 0);
    assert_eq!(spent(&rig)["api_calls"], checked);
    let events = rig.run("ingest --source desk --no-embed --json").is(0).events();
    let run = events.iter().find(|event| event["event"] == "collected").unwrap();
    assert_eq!(rig.mock.count() as u64, checked + run["calls"].as_u64().unwrap());
    let all = spent(&rig);
    assert_eq!((&all["api_calls"], &all["cost_usd"]), (&json!(rig.mock.count()), &json!(0.0)));
    let system = rig.run("system --json").is(0).last();
    assert_eq!(system["api_call_count"], all["api_calls"]);
    // Those of a run that breaks off are known, too.
    rig.mock.set(|knobs| knobs.faults = vec![Fault::always("/tickets", Wrong::Status(401))]);
    rig.run("ingest --source desk --no-embed").says(&["refused"]);
    assert_eq!(spent(&rig)["api_calls"], rig.mock.count());
}

#[test]
fn who_waits_for_a_limit_says_so_and_counts_it_as_that() {
    let knobs = Knobs {
        tickets: 3,
        faults: vec![Fault::times("/agents", 1, Wrong::Limited(RetryAfter::Seconds(2)))],
        ..Knobs::default()
    };
    let rig = Rig::of(164, knobs, "streams = [\"tickets\", \"agents\"]\n");
    let events = rig.run("ingest --source desk --no-embed --json").is(0).events();
    let items: Vec<&str> = events.iter().filter_map(|event| event["item"].as_str()).collect();
    let is_told = |item: &&str| item.starts_with("waiting ") && item.ends_with(" s for the limit of desk");
    assert!(items.iter().any(is_told), "{items:?}");
    let run = events.iter().find(|event| event["event"] == "collected").unwrap();
    let seconds = |name: &str| run[name].as_f64().unwrap_or_else(|| panic!("no {name} in {run}"));
    assert!(seconds("limit_seconds") >= 1.9, "{run}");
    let parts = ["fetch_seconds", "limit_seconds", "normalise_seconds", "store_seconds"].map(seconds);
    assert!((parts.iter().sum::<f64>() - seconds("seconds")).abs() < 0.01, "{run}");
}
