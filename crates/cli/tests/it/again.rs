//! The same content again: twice, renamed, grown, in halves, by two processes at once.

use std::fs;

use crate::world::{Ran, World};

#[test]
fn the_second_time_adds_nothing() {
    let world = World::new(21);
    world.ok("ingest sample/recordings --data-dir d");
    for _ in 0..2 {
        let summary = world.run("ingest sample/recordings --data-dir d --json").is(0).last();
        assert_eq!(summary["records"], 0);
        let with_content = world.sample.files.iter().filter(|file| file.bytes > 0).count();
        assert_eq!(summary["duplicates"], with_content, "{summary}");
    }
    world.complete();
}

#[test]
fn a_renamed_copy_is_known() {
    let world = World::new(22);
    world.ok("ingest sample/recordings --data-dir d");
    fs::copy(world.path("sample/recordings/sink.jsonl"), world.path("other_name.jsonl")).unwrap();
    let summary = world.run("ingest other_name.jsonl --data-dir d --json").is(0).last();
    assert_eq!((summary["records"].as_u64(), summary["duplicates"].as_u64()), (Some(0), Some(1)));
    assert_eq!(
        world.ok("replay other_name.jsonl --data-dir d").into_bytes(),
        world.read("sample/recordings/sink.jsonl")
    );
    world.complete();
}

#[test]
fn a_grown_file_goes_on_where_it_stopped() {
    let world = World::new(23);
    let whole = world.read("sample/recordings/sink.jsonl");
    // In the middle of a line, as a recorder leaves it.
    let cut = whole.len() / 2 + 3;
    world.write("live.jsonl", &whole[..cut]);
    world.ok("ingest live.jsonl --data-dir d");
    world.covered();
    world.write("live.jsonl", &whole);
    let summary = world.run("ingest live.jsonl --data-dir d --json").is(0).last();
    assert_eq!(summary["resumed"], 1, "{summary}");
    world.covered();
    assert_eq!(world.ok("replay live.jsonl --data-dir d").into_bytes(), whole);
}

#[test]
fn a_name_may_hold_something_else_later() {
    let world = World::new(26);
    let contents = ["{\"event\":\"a\",\"n\":1}\n", "{\"event\":\"b\"}\n# note\n", "{\"event\":\"c\"}\n"];
    for content in contents {
        world.write("today.jsonl", content);
        world.ok("ingest today.jsonl --data-dir d");
        world.covered();
        assert_eq!(world.ok("replay today.jsonl --data-dir d"), content);
    }
    // What the name held before is still known by its content, and can be had by its id.
    world.write("yesterday.jsonl", contents[0]);
    let summary = world.run("ingest yesterday.jsonl --data-dir d --json").is(0).last();
    assert_eq!((summary["records"].as_u64(), summary["duplicates"].as_u64()), (Some(0), Some(1)));
    let id = world.sql("SELECT file_id FROM events WHERE event_type = 'b'");
    assert_eq!(world.ok(&format!("replay {} --data-dir d", id.trim())), contents[1]);
    assert_eq!(world.sql("SELECT count(*), count(DISTINCT record_id) FROM events"), "3,3\n");
    world.covered();
    world.run("doctor --data-dir d").is(0);
}

#[test]
fn two_halves_are_two_inputs() {
    let world = World::new(24);
    let whole = world.read("sample/recordings/sink.jsonl");
    let middle = whole.iter().take(whole.len() / 2).rposition(|byte| *byte == b'\n').unwrap() + 1;
    world.write("a.jsonl", &whole[..middle]);
    world.write("b.jsonl", &whole[middle..]);
    let summary = world.run("ingest a.jsonl b.jsonl --data-dir d --json").is(0).last();
    let facts = world.sample.files.iter().find(|file| file.path.ends_with("sink.jsonl")).unwrap();
    assert_eq!(summary["records"], facts.records);
    assert_eq!(
        [world.ok("replay a.jsonl --data-dir d"), world.ok("replay b.jsonl --data-dir d")]
            .concat()
            .into_bytes(),
        whole
    );
    world.covered();
}

#[test]
fn two_processes_at_once_lose_and_double_nothing() {
    let world = World::new(25);
    let start = || {
        let mut command = world.stele("ingest sample/recordings --data-dir d --json");
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let both = [start(), start()];
    let ended = both.map(|child| Ran::of(child.wait_with_output().unwrap()));
    assert!(ended.iter().any(|ran| ran.code == Some(0)), "{ended:?}");
    for ran in ended.into_iter().filter(|ran| ran.code != Some(0)) {
        // The one that comes second while the first writes is told so, and may simply try again.
        ran.is(1).says(&["another process", "hint:", "nothing was changed"]);
    }
    world.ok("ingest sample/recordings --data-dir d");
    world.complete();
}
