//! What a person does with a source of each kind, whatever it is, and how a run of one ends.

use serde_json::{Value, json};
use stele_testkit::freshdesk::Knobs;

use crate::desk::Rig;

/// A help desk, files, and a database beside it: a queue of jobs is one like any other.
fn every_kind() -> Rig {
    let rig = Rig::of(
        131,
        Knobs { tickets: 7, ..Knobs::default() },
        "streams = [\"tickets\"]\n\
         [[sources]]\nsource_id = \"rows\"\nsource_type = \"file\"\npath = \"rows\"\nfile_pattern = \"*.jsonl\"\nkey = [\"id\"]\nmin_age = \"0s\"\n\
         [[sources]]\nsource_id = \"queue\"\nsource_type = \"database\"\nconnection_string = \"sqlite:d/state.db\"\ntable = \"jobs\"\n",
    );
    rig.world.write("rows/a.jsonl", "{\"id\":1}\n{\"id\":2,\"what\":\"rope\"}\n");
    rig.world.write("later/a.jsonl", "{\"event\":\"a\"}\n");
    rig.run("ingest later/a.jsonl --no-wait --json").is(0);
    rig
}

#[test]
fn sources_17_each_kind_is_tried_shown_described_and_begun_anew() {
    let rig = every_kind();
    for (id, stream, records) in [("desk", "tickets", 5), ("rows", "rows", 2), ("queue", "jobs", 1)] {
        let last = |line: &str| rig.run(&format!("{line} --json")).is(0).last();
        let checked = last(&format!("sources check {id}"));
        assert_eq!((&checked["source"], &checked["ok"]), (&json!(id), &json!(true)), "{checked}");
        let preview = last(&format!("sources preview {id} --limit 5"));
        assert_eq!(preview["records"].as_array().map(Vec::len), Some(records), "{preview}");
        let described = last(&format!("sources discover {id}"));
        let streams: Vec<&Value> =
            described["streams"].as_array().unwrap().iter().map(|stream| &stream["name"]).collect();
        assert!(streams.contains(&&json!(stream)), "{described}");
        let state = || last(&format!("sources state show {id}"))["cursors"].clone();
        let is_empty = |state: &Value| state.as_object().is_none_or(serde_json::Map::is_empty);
        assert!(is_empty(&state()), "a look moves no cursor: {}", state());
        last(&format!("ingest --source {id} --no-embed"));
        assert!(!is_empty(&state()), "{id}");
        let reset = last(&format!("sources state reset {id}"));
        assert!(reset["streams"].as_array().is_some_and(|streams| !streams.is_empty()), "{reset}");
        assert!(is_empty(&state()), "{}", state());
        // From its beginning again, and nothing is there twice.
        last(&format!("ingest --source {id} --no-embed"));
        let kept = format!(
            "SELECT count(*) = count(DISTINCT raw) AND count(*) > 0 FROM events \
             WHERE starts_with(source, 'collected://{id}/') AND doc_type <> 'system_event'"
        );
        assert_eq!(rig.world.sql(&kept).trim(), "true", "{id}");
    }
}

#[test]
fn freshdesk_14_credentials_that_are_refused_have_a_code_of_their_own() {
    let rig =
        Rig::of(132, Knobs { key: "another".to_owned(), ..Knobs::default() }, "streams = [\"tickets\"]\n");
    let refused = rig.run("ingest --source desk --no-embed --json").is(78);
    assert!(refused.stdout.contains("credentials are refused"), "{}", refused.stdout);
    assert_eq!(rig.mock.count(), 1);
}

#[test]
fn freshdesk_03_too_many_of_one_time_end_with_a_code_and_a_name() {
    let knobs = Knobs { tickets: 31_000, same_timestamp: Some((11, 30_500)), ..Knobs::default() };
    let rig = Rig::of(133, knobs, "streams = [\"tickets\"]\n");
    let config = String::from_utf8(rig.world.read("stele.toml")).unwrap();
    // Three hundred lists a minute are none that anybody waits for here.
    rig.world.write(
        "stele.toml",
        config.replace("credits_per_minute", "lists_per_minute = 90000, credits_per_minute"),
    );
    let ended = rig.run("ingest --source desk --no-embed --json").is(3);
    assert!(ended.stdout.contains("freshdesk_cap_same_timestamp"), "{}", ended.stdout);
    assert!(rig.mock.count() < 320, "{}", rig.mock.count());
}
