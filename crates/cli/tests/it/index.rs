//! The index when something is wrong: what is said of it, what is kept, and what leads out.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::world::{Ran, World};

/// Vectors without meaning, which need no model.
const DOUBLE: &str = "[embedding]\nprovider = \"test-double\"\ndimension = 32\n";

/// Words alone: found on every machine.
const WORDS: &str = "[embedding]\nprovider = \"none\"\n";

fn indexed(seed: u64) -> World {
    let world = World::of_size(seed, 30_000);
    world.write("stele.toml", DOUBLE);
    world.ok("ingest sample/recordings --data-dir d");
    world.run("index build --data-dir d").is(0);
    world
}

/// The files below a directory that have this ending.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn what_is_gone_from_an_index_is_named_and_made_anew() {
    let world = indexed(121);
    assert!(world.ok("doctor --data-dir d").contains("every file and row is whole"));
    for ending in ["_invert.lance", "_tokens.lance", "data"] {
        let gone = match ending {
            "data" => files(&world.path("d/index/v-1/chunks.lance/data"), ".lance"),
            ending => files(&world.path("d/index"), ending),
        };
        assert!(!gone.is_empty(), "{ending}");
        gone.iter().for_each(|path| fs::remove_file(path).unwrap());
        let name = gone[0].file_name().unwrap().to_string_lossy().into_owned();
        let ran = world.run("index verify --data-dir d").is(4).says(&["stele index rebuild --data-dir d"]);
        assert!(ran.stdout.contains(&name) && ran.stdout.contains("is gone"), "{}", ran.stdout);
        let ran = world.run("doctor --data-dir d").is(1);
        assert!(ran.stdout.contains("FAILED   index") && ran.stdout.contains(&name), "{}", ran.stdout);
        assert!(ran.stdout.contains("stele index rebuild"), "{}", ran.stdout);
        let ran = world.run("search price --data-dir d").is(1).says(&["is damaged", "stele index rebuild"]);
        assert!(!ran.stderr.contains(".rs:"), "{}", ran.stderr);
        fs::remove_dir_all(world.path("d/index")).unwrap();
        world.run("index build --data-dir d").is(0);
    }
    let pointer = world.path("d/index/CURRENT.json");
    fs::write(&pointer, "{").unwrap();
    for line in ["search price --data-dir d", "index build --data-dir d"] {
        world.run(line).is(1).says(&["CURRENT.json is damaged", "stele index rebuild"]);
    }
    assert!(world.run("doctor --data-dir d").is(1).stdout.contains("CURRENT.json is damaged"));
    world.run("index rebuild --data-dir d").is(0);
    world.run("index verify --data-dir d").is(0);
    fs::remove_dir_all(world.path("d/index")).unwrap();
    assert!(world.ok("doctor --data-dir d").contains("index: there is none"));
}

#[test]
fn a_changed_place_under_an_unchanged_id_reaches_the_index() {
    let world = World::of_size(122, 1_000);
    world.write("stele.toml", DOUBLE);
    let tide = "{\"event\":\"tide\",\"data\":{\"level\":3}}\n";
    world.write("a.jsonl", tide);
    world.ok("ingest a.jsonl --data-dir d");
    world.run("index build --data-dir d").is(0);
    // The same record from another file: what is said of its fields stays, where they are seen does not.
    world.ok("lake prune --source a.jsonl --data-dir d --yes");
    world.write("b.jsonl", tide);
    world.ok("ingest b.jsonl --data-dir d");
    let verify = |code| world.run("index verify --data-dir d --json").is(code).last();
    let report = verify(4);
    assert!(report["differing"].as_u64() > Some(0), "{report}");
    let built = world.run("index build --data-dir d --json").is(0).last();
    assert_eq!(built["changed"], report["differing"], "{built}");
    assert_eq!(verify(0)["differing"], 0);
    let answer =
        world.run_args(["search", "level", "--kind", "field", "--data-dir", "d", "--json"]).is(0).last();
    let place = &answer["results"][0]["metadata"]["place"];
    assert!(place.as_str().unwrap().ends_with("b.jsonl"), "{answer}");
}

#[test]
fn what_recordings_hold_commands_no_terminal() {
    let world = World::of_size(123, 1_000);
    world.write("stele.toml", WORDS);
    let wild = r"\u001b[2J\u001b]0;gone\u0007 \r \u202e evil \u009b31m";
    world.write("a.jsonl", format!("{{\"event\":\"t{wild}\",\"data\":{{\"k{wild}\":\"tide {wild}\"}}}}\n"));
    world.ok("ingest a.jsonl --data-dir d");
    world.run("index build --data-dir d").is(0);
    let wild = ['\u{1b}', '\u{7}', '\r', '\u{202e}', '\u{9b}'];
    for args in [
        &["search", "tide"][..],
        &["search", "tide", "--explain"],
        &["sql", "SELECT event_type, raw FROM events"],
        &["sql", "SELECT json_extract_string(raw, '$.event') AS e FROM events"],
        &["explain", "data"],
        &["status"],
        &["schema", "list"],
        &["index", "status"],
        &["discover", "a.jsonl"],
        &["discover", "a.jsonl", "--format", "md"],
    ] {
        let ran = world.run_args(args.iter().copied().chain(["--data-dir", "d"]));
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(wild), "{args:?}: {text:?}");
        }
    }
    let shown = world.run_args(["search", "tide", "--data-dir", "d"]).is(0).stdout;
    assert!(shown.contains(r"\u{1b}[2J") && shown.contains(r"\u{202e}"), "{shown}");
    // What programs read is exact.
    let query = "SELECT json_extract_string(raw, '$.event') AS e FROM events";
    let row = world.run_args(["sql", query, "--data-dir", "d", "--json"]).is(0).stdout;
    let row: serde_json::Value = serde_json::from_str(row.lines().next().unwrap()).unwrap();
    assert!(row["e"].as_str().unwrap().contains("\u{1b}[2J"), "{row}");
}

/// An ingest that also indexes, as it does unless told otherwise.
fn ingest(world: &World, line: &str) -> Command {
    let mut command = world.stele(line);
    command.env("STELE_INDEX_ON_INGEST", "true");
    command
}

#[test]
fn an_ingest_says_what_became_of_its_records_when_the_index_is_taken() {
    let world = World::of_size(124, 10_000);
    world.write("stele.toml", DOUBLE);
    fs::create_dir_all(world.path("d/index")).unwrap();
    let lock = File::create(world.path("d/index/.write.lock")).unwrap();
    lock.lock().unwrap();
    let ran = Ran::of(ingest(&world, "ingest sample/recordings --data-dir d").output().unwrap());
    let ran = ran.is(3).says(&["is writing to the index", "what was ingested is in the lake", "index build"]);
    assert!(!ran.stderr.contains("untouched"), "{}", ran.stderr);
    world.write("a.jsonl", "{\"event\":\"tide\"}\n");
    let ran = Ran::of(ingest(&world, "ingest a.jsonl --data-dir d --json").output().unwrap()).is(3);
    let events = ran.events();
    let error = events.iter().find(|event| event["event"] == "error").unwrap();
    assert_eq!(error["exit_code"], 3);
    assert!(error["message"].as_str().unwrap().contains("is writing to the index"), "{error}");
    assert_eq!(ran.last()["event"], "summary");
    // What a source has is no different from what files have.
    world.write("in/b.jsonl", "{\"event\":\"tide\"}\n");
    let source =
        "[[sources]]\nsource_id = \"drop\"\nsource_type = \"file\"\npath = \"in\"\nmin_age = \"0s\"\n";
    world.write("stele.toml", format!("{DOUBLE}{source}"));
    let ran = Ran::of(ingest(&world, "ingest --source drop --data-dir d").output().unwrap());
    ran.is(3).says(&["is writing to the index", "what was ingested is in the lake", "index build"]);
    // Where nothing was indexed, nothing is said to be kept.
    let ran = world.run("index build --data-dir d").is(1);
    assert!(!ran.stderr.contains("kept"), "{}", ran.stderr);
}

#[test]
fn a_stop_while_the_index_is_made_is_told_as_one() {
    let world = World::of_size(125, 10_000);
    // A service that is too busy, so that the client waits.
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = service.local_addr().unwrap();
    world.write(
        "stele.toml",
        format!(
            "[embedding]\nprovider = \"http\"\ndialect = \"openai\"\nurl = \"http://{address}\"\nmodel = \"m\"\n\
             dimension = 4\ntries_max = 50\nbackoff_ms = 20000\nbackoff_ms_max = 20000\n"
        ),
    );
    let mut child = ingest(&world, "ingest sample/recordings --data-dir d")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut connection, _) = service.accept().unwrap();
    let _ = connection.read(&mut [0; 4096]).unwrap();
    let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    connection.write_all(busy.as_bytes()).unwrap();
    drop(connection);
    let stopped = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130));
}

#[test]
fn a_damaged_model_leaves_words() {
    let world = World::of_size(126, 10_000);
    world.write("models/all-MiniLM-L6-v2/model.safetensors", "not a model");
    world.write("models/all-MiniLM-L6-v2/tokenizer.json", "{}");
    let with =
        |command: &mut Command| Ran::of(command.env("STELE_MODELS", world.path("models")).output().unwrap());
    let ran = with(&mut ingest(&world, "ingest sample/recordings --data-dir d")).is(0);
    let ran = ran.says(&["words alone", "model.safetensors", "stele models pull"]);
    assert!(ran.stdout.contains("by words alone"), "{}", ran.stdout);
    with(&mut world.stele("search price --data-dir d")).is(0);
}
