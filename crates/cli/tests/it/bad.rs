//! Bad input: each a clear error with its exit code, and nothing lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::world::{Ran, World};

#[test]
fn wrong_usage() {
    let world = World::new(51);
    world.run("discover --fromat tsv x").is(2).says(&["--fromat", "--format"]);
    world.run("ingst x").is(2).says(&["ingst", "ingest"]);
    world.run("discover x --fold sometimes").is(2).says(&["digits", "auto", "none"]);
    world.run("discover sample --timezone Mars/Olympus").is(2).says(&["Mars/Olympus", "America/New_York"]);
    world.run("ingest sample --timezone Mars/Olympus --data-dir d").is(2).says(&["--timezone"]);
    world.run("discover sample --json --format tsv").is(2).says(&["--json", "--format"]);
    world.run("replay x --json --data-dir d").is(2).says(&["--output"]);
    world.run("lake prune --data-dir d").is(2).says(&["--older-than"]);
    assert!(!world.path("d").exists());
    world.ok("ingest sample/recordings --data-dir d");
    world.run("export jsonl --from 2025-01-02 --to 2025-01-02 --data-dir d").is(2).says(&["not before --to"]);
    // Nothing is written, and it is said why.
    let nothing = world.run("export jsonl --event auctionStat --data-dir d").is(0);
    let nothing = nothing.says(&["no event is named auctionStat", "auctionState", "0 rows"]);
    assert!(nothing.stdout.is_empty());
}

#[test]
fn wrong_configuration() {
    let world = World::new(52);
    world.write("stele.toml", "data_dri = \"x\"\n");
    world.run("status").is(78).says(&["stele.toml", "data_dri", "hint:"]);
    world.write("stele.toml", "sample_queries = [\"data.price\", \" \"]\n");
    world.run("validate").is(78).says(&["stele.toml: sample_queries: question 2 is empty"]);
    world.write("stele.toml", "timezone = \"Mars/Olympus\"\n");
    world.run("discover sample").is(78).says(&["Mars/Olympus"]);
    world.run("validate").is(78);
    fs::remove_file(world.path("stele.toml")).unwrap();
    world.run("status --config none.toml").says(&["none.toml"]);
    world.write("p.toml", "name = \"x\"\nevnet = \"type\"\n");
    world.run("discover sample --profile p.toml").is(78).says(&["p.toml", "evnet"]);
    let ran = Ran::of(world.stele("status").env("STELE_THREADS", "many").output().unwrap());
    ran.is(78).says(&["STELE_THREADS", "many"]);
}

#[test]
fn a_directory_without_recordings() {
    let world = World::new(53);
    fs::create_dir(world.path("empty")).unwrap();
    world.run("ingest empty --data-dir d").is(1).says(&["nothing to read", "empty", "hint:"]);
    world.run("discover empty").is(1).says(&["nothing to read"]);
    world.write("pictures/a.db", b"SQLite format 3\0 and more");
    world.run("ingest pictures --data-dir d").is(1).says(&["a.db"]);
    world.run("ingest nope --data-dir d").is(1).says(&["no file or directory named nope"]);
    world.run_args(["ingest", "*.nope", "--data-dir", "d"]).is(1).says(&["no file matches"]);
}

#[test]
fn one_bad_input_does_not_stop_the_others() {
    let world = World::new(54);
    let mut cut = world.read("sample/recordings/quay_raw.jsonl.gz");
    cut.truncate(cut.len() / 2);
    world.write("in/cut.jsonl.gz", &cut);
    world.write("in/good.jsonl", "{\"event\":\"a\"}\n");
    world.write("in/picture.db", b"SQLite format 3\0 and more");
    let ran = world.run("ingest in --data-dir d --json").is(3);
    let summary = ran.last();
    assert_eq!(summary["failures"].as_array().map(Vec::len), Some(2), "{summary}");
    world.run("ingest in --data-dir d").is(3).says(&["cut.jsonl.gz", "picture.db"]);
    assert_eq!(world.sql("SELECT count(*) FROM events WHERE event_type = 'a'"), "1\n");
    world.covered();
}

#[test]
fn a_missing_target_does_not_stop_the_others() {
    let world = World::new(58);
    world.write("in/good.jsonl", "{\"event\":\"a\"}\n");
    // Nobody can open a link to itself.
    std::os::unix::fs::symlink("self.jsonl", world.path("in/self.jsonl")).unwrap();
    for command in ["ingest in nope --dry-run", "ingest in nope", "migrate in nope", "discover in nope"] {
        let line = format!("{command} --data-dir d");
        world.run(&line).is(3).says(&[
            "no file or directory named nope",
            "in/self.jsonl",
            "cannot be opened",
        ]);
    }
    let summary = world.run("ingest in nope --data-dir d --json").is(3).last();
    assert_eq!(summary["failures"].as_array().map(Vec::len), Some(2), "{summary}");
    assert_eq!(world.sql("SELECT count(*) FROM events"), "1\n");
    world.run("ingest nope nor --data-dir d").is(1).says(&["no file or directory named nope"]);
    world.run("ingest in/self.jsonl --data-dir d").is(1).says(&["in/self.jsonl", "hint:"]);
}

#[test]
fn standard_input_that_cannot_be_read_leaves_nothing() {
    let world = World::new(59);
    let directory = fs::File::open(world.path("sample")).unwrap();
    let ran = Ran::of(world.stele("ingest - --data-dir d").stdin(directory).output().unwrap());
    ran.is(1).says(&["directory"]);
    assert_eq!(fs::read_dir(world.path("d/spool")).map_or(0, Iterator::count), 0);
}

#[test]
fn an_unreadable_file() {
    let world = World::new(55);
    let path = world.write("secret.jsonl", "{}\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        // Root reads everything: a directory in the place of a file stands in for it.
        world.run("ingest /proc/1/mem --data-dir d").says(&["/proc/1/mem"]);
        return;
    }
    world.run("ingest secret.jsonl --data-dir d").is(1).says(&[
        "cannot open",
        "secret.jsonl",
        "denied",
        "hint:",
    ]);
}

#[test]
fn questions_without_a_lake() {
    let world = World::new(56);
    for line in [
        "coverage",
        "status",
        "replay x",
        "sql SELECT(1)",
        "explain x",
        "schema show",
        "export jsonl",
        "lake status",
    ] {
        world.run(&format!("{line} --data-dir none")).is(1).says(&["no lake at", "hint:", "stele ingest"]);
    }
    assert!(!world.path("none").exists(), "asking leaves nothing behind");
}

#[test]
fn a_name_that_was_not_ingested() {
    let world = World::new(57);
    world.ok("ingest sample/recordings --data-dir d");
    world.run("replay snik.jsonl --data-dir d").is(1).says(&[
        "snik.jsonl",
        "Near it are",
        "sink.jsonl",
        "hint:",
    ]);
    for line in
        ["replay nope.jsonl", "export jsonl --source nope.jsonl", "export salvage --source nope.jsonl"]
    {
        let ran = world.run(&format!("{line} --data-dir d --output out")).is(1);
        ran.says(&["no ingested input is named nope.jsonl", "Near it are", "hint:"]);
        assert!(!world.path("out").exists());
    }
}

#[test]
fn a_name_means_the_same_to_every_command() {
    let world = World::new(62);
    world.write("one/a.jsonl", "{\"event\":\"a\"}\n");
    world.write("two/a.jsonl", "{\"event\":\"b\"}\n{\"event\":\"b\"}\n");
    world.ok("ingest one two --data-dir d");
    world.write("copy.jsonl", "{\"event\":\"a\"}\n");
    world.ok("ingest copy.jsonl --data-dir d");
    for line in ["replay a.jsonl", "export jsonl --source a.jsonl", "lake prune --source a.jsonl"] {
        let ran = world.run(&format!("{line} --data-dir d")).is(1);
        ran.says(&["a.jsonl is the end of several names", "one/a.jsonl", "two/a.jsonl", "hint:"]);
    }
    let id = world.sql("SELECT file_id FROM files WHERE ends_with(uri, 'one/a.jsonl')");
    for name in ["one/a.jsonl", "./one/a.jsonl", "copy.jsonl", id.trim()] {
        let rows = |line: &str| world.ok(&format!("{line} {name} --data-dir d"));
        assert_eq!(rows("replay"), "{\"event\":\"a\"}\n", "{name}");
        assert_eq!(rows("export jsonl --source"), "{\"event\":\"a\"}\n", "{name}");
        let plan = world.run(&format!("lake prune --source {name} --data-dir d --json")).is(0).last();
        // Another name of it needs its one record.
        assert_eq!(plan["plan"]["named"][0]["file_id"], id.trim(), "{name}");
        assert_eq!(plan["plan"]["records"], 0, "{name}");
    }
}

fn log_of(world: &World) -> std::path::PathBuf {
    let dir = world.path("d/lake/events/_delta_log");
    let mut logs: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    logs.sort();
    logs.pop().unwrap()
}

#[test]
fn a_damaged_log() {
    let world = World::new(58);
    world.ok("ingest sample/recordings --data-dir d");
    let log = log_of(&world);
    let sound = fs::read(&log).unwrap();
    fs::write(&log, &sound[..sound.len() / 2]).unwrap();
    let name = log.file_name().unwrap().to_str().unwrap();
    for line in ["status", "coverage", "ingest sample/recordings", "sql SELECT(1)"] {
        world.run(&format!("{line} --data-dir d")).is(1).says(&[name, "hint:", "doctor"]);
    }
    assert!(world.run("doctor --data-dir d").is(1).stdout.contains(name));
    fs::write(&log, &sound).unwrap();
    world.complete();
}

#[test]
fn a_newer_schema_version() {
    let world = World::new(59);
    world.ok("ingest sample/recordings --data-dir d");
    let dir = world.path("d/lake/events/_delta_log");
    let property = stele_engine::lake::SCHEMA_PROPERTY;
    let mut changed = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let version = stele_engine::lake::SCHEMA_VERSION;
        let newer = text.replace(&format!("\"{property}\":\"{version}\""), &format!("\"{property}\":\"99\""));
        changed += u64::from(newer != text);
        // A newer program would have written its own checksum; other programs write none.
        let newer = newer.replace("\"stele.checksum\"", "\"other.checksum\"");
        fs::write(&path, newer.replace("\"engineInfo\":\"stele/", "\"engineInfo\":\"other/")).unwrap();
    }
    assert!(changed > 0, "the version is in the log");
    for line in ["status", "ingest sample/recordings", "coverage"] {
        world.run(&format!("{line} --data-dir d")).is(1).says(&["schema version 99", "newer"]);
    }
}

#[test]
fn a_full_disk() {
    let world = World::new(60);
    for point in ["lake.part.write", "lake.part.sync", "lake.events.log.write", "catalogue.write"] {
        let full = |line: &str| {
            let mut command = world.stele(line);
            Ran::of(command.env("STELE_FAILPOINT", format!("{point}:1:enospc")).output().unwrap())
        };
        full("ingest sample/recordings --data-dir d").is(1).says(&["error:", "hint:", "space"]);
        fs::remove_dir_all(world.path("d")).unwrap();
    }
    // A limit of the operating system on the size of every file.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" ingest sample/recordings --data-dir d";
    let mut shell = Command::new("bash");
    shell.current_dir(world.path("")).args(["-c", script, env!("CARGO_BIN_EXE_stele")]);
    let ran = Ran::of(shell.output().unwrap());
    ran.is(1).says(&["error:", "kept:", "hint:"]);
    world.ok("ingest sample/recordings --data-dir d");
    world.complete();
}

#[test]
fn an_output_on_a_full_disk_is_named() {
    let world = World::new(63);
    world.ok("ingest sample/recordings --data-dir d");
    let replay =
        format!("replay sample/{}", world.sample.files.iter().find(|file| file.bytes > 0).unwrap().path);
    for line in [
        "export chunks",
        "export jsonl",
        "export slice --format csv",
        "export slice --format parquet",
        "sql FROM+events --format csv",
        "sql FROM+events --format table",
        "sql FROM+events --format json",
        &replay,
    ] {
        let words = line.split(' ').map(|word| if word == "FROM+events" { "FROM events" } else { word });
        let ran = world.run_args(words.chain(["--data-dir", "d", "--output", "/dev/full"])).is(1);
        ran.says(&["cannot write /dev/full", "No space left", "hint:  free some space"]);
    }
}

#[test]
fn a_data_directory_that_cannot_be_written() {
    let world = World::new(61);
    world.write("d", "a file");
    world.run("ingest sample/recordings --data-dir d").is(1).says(&["error:", "d"]);
}
