//! What a person does with a source of each kind, whatever it is, and how a run of one ends.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use stele_testkit::freshdesk::Knobs;

use crate::desk::{KEY, Rig};

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

/// All that a data directory has of the desk: each version of each thing, as it lies there.
fn kept(rig: &Rig, dir: &str) -> String {
    let query = "SELECT event_type, original_id, raw FROM events WHERE starts_with(source, 'collected://desk/') \
                 AND doc_type <> 'system_event' ORDER BY ALL";
    rig.world.run_args(["sql", query, "--data-dir", dir, "--format", "csv"]).is(0).stdout
}

#[test]
fn freshdesk_06_twenty_kills_leave_what_an_undisturbed_run_leaves() {
    let knobs = Knobs { tickets: 150, latency_ms: 5, ..Knobs::default() };
    let rig = Rig::of(134, knobs, "streams = [\"tickets\", \"conversations\"]\ncheckpoint = \"0s\"\n");
    let collect = |dir: &str| {
        let mut command = rig.world.stele(&format!("ingest --source desk --no-embed --data-dir {dir}"));
        command.env("FRESHDESK_API_KEY", KEY).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    assert!(collect("undisturbed").wait().unwrap().success());
    // From before the first request until after the first batches; the numbers are as good as drawn.
    let mut died_at_work = 0;
    for kill in 0..20_u64 {
        let mut child = collect("d");
        std::thread::sleep(Duration::from_millis(60 + kill * 7_919 % 700));
        child.kill().unwrap();
        died_at_work += u32::from(!child.wait().unwrap().success());
    }
    // Once everything is there, a fast machine has ended before most of them.
    assert!(died_at_work >= 3, "{died_at_work} of 20 runs were killed before they ended");
    assert!(collect("d").wait().unwrap().success());
    let (killed, undisturbed) = (kept(&rig, "d"), kept(&rig, "undisturbed"));
    assert_eq!(killed.lines().count(), 1 + 150 + 3 * 150, "{killed}");
    assert!(killed == undisturbed, "what was killed differs");
    rig.world.covered();
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

/// The most memory that a process has had, in KiB; none once it is gone.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A tenth of the volume; `make bench-helpdesk` collects all of it, and fails beyond the same bound.
#[test]
fn freshdesk_32_many_tickets_take_little_memory() {
    let knobs = Knobs { tickets: 10_000, ..Knobs::default() };
    let streams = "streams = [\"tickets\", \"conversations\"]\ninclude_removed = false\n";
    let rig = Rig::of(135, knobs, streams);
    let config = String::from_utf8(rig.world.read("stele.toml")).unwrap();
    let fast = "lists_per_minute = 9000000, credits_per_minute = 9000000 }";
    rig.world.write("stele.toml", config.replace("credits_per_minute = 90000 }", fast));
    let mut command = rig.world.stele("ingest --source desk --no-embed --json --data-dir d");
    let command = command.env("FRESHDESK_API_KEY", KEY).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut most = 0;
    let ended = loop {
        most = most.max(peak(child.id()).unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(ended.success(), "{ended}");
    let kept = "SELECT count(*) FROM events WHERE event_type IN ('tickets', 'conversations')";
    assert_eq!(rig.world.sql(kept).trim(), "40000");
    assert!((20_000..300_000).contains(&most), "{most} KiB");
}
