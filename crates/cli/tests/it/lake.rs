//! From recordings to a lake and back.

use crate::world::{Ran, World};

#[test]
fn discovery_equals_the_oracle_line_for_line() {
    let world = World::new(11);
    let found = world.ok("discover sample/recordings --fold digits --format tsv --threads 2");
    let expected = String::from_utf8(world.read("sample/expected.paths.tsv")).unwrap();
    assert!(found == expected, "{}", first_difference(&found, &expected));
    assert_eq!(world.ok("discover sample/recordings --fold digits --format tsv --threads 1"), expected);
}

fn first_difference(found: &str, expected: &str) -> String {
    let pair = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    pair.map_or_else(
        || "one is longer".to_owned(),
        |(found, expected)| format!("found    {found}\nexpected {expected}"),
    )
}

#[test]
fn what_goes_in_comes_back() {
    let world = World::new(12);
    let summary = world.run("ingest sample/recordings --data-dir d --no-embed --json").is(0).last();
    let sample = &world.sample;
    for (key, expected) in [
        ("files", sample.files.len() as u64),
        ("records", sample.records()),
        ("quarantined", sample.quarantined()),
        ("bytes_in", sample.bytes()),
        ("bytes_lake", sample.bytes() - sample.bytes_quarantine()),
        ("bytes_quarantine", sample.bytes_quarantine()),
        ("duplicates", 0),
    ] {
        assert_eq!(summary[key], expected, "{key} of {summary}");
    }
    assert!(summary["seconds"].is_number());
    world.complete();
}

#[test]
fn every_record_meets_its_schema() {
    let world = World::new(13);
    world.ok("ingest sample/recordings --data-dir d");
    let report = world.run("validate --records --data-dir d --json").is(0).last();
    assert_eq!(
        (report["records"].as_u64(), report["invalid"].as_u64()),
        (Some(world.sample.records()), Some(0))
    );
}

#[test]
fn standard_input_is_an_input() {
    let world = World::new(14);
    let text = "{\"event\":\"a\",\"seq\":1}\n\nnot json\n{\"event\":\"b\"}";
    world.write("in.jsonl", text);
    let input = || std::fs::File::open(world.path("in.jsonl")).unwrap();
    let found = world.stele("discover - --format tsv --quiet").stdin(input()).output().unwrap();
    assert_eq!(
        String::from_utf8(found.stdout).unwrap(),
        "a\tevent\tstring\t1\t1\na\tseq\tinteger\t1\t1\nb\tevent\tstring\t1\t1\n"
    );
    let ingest = world.stele("ingest - --stdin-name feed --data-dir d -q").stdin(input()).output().unwrap();
    assert!(ingest.status.success());
    assert_eq!(world.ok("replay stdin:feed --data-dir d"), text);
    world.covered();
}

#[test]
fn a_dry_run_writes_nothing() {
    let world = World::new(15);
    let summary = world.run("ingest sample/recordings --data-dir d --dry-run --json").is(0).last();
    assert_eq!(summary["files"], world.sample.files.len());
    assert!(!world.path("d").exists());
}

#[test]
fn a_dry_run_says_what_the_run_will_do() {
    let world = World::new(21);
    std::fs::create_dir(world.path("in")).unwrap();
    let line = |n: u32| format!("{{\"event\":\"a\",\"seq\":{n}}}\n");
    world.write("in/grows.jsonl", format!("{}{{\"event\":\"a\",\"se", line(1)));
    world.ok("ingest in --data-dir d");
    // An unfinished line is whole now; two new files are equal; one file has damage.
    world.write("in/grows.jsonl", format!("{}{}{}", line(1), line(2), line(3)));
    world.write("in/one.jsonl", line(7));
    world.write("in/same.jsonl", line(7));
    world.write("in/bad.jsonl", format!("{}nonsense\n", line(8)));
    let dry = world.run("ingest in --data-dir d --dry-run --json").is(0).last();
    let run = world.run("ingest in --data-dir d --json").is(0).last();
    for name in ["files", "records", "quarantined", "duplicates", "resumed", "bytes_in", "bytes_lake"] {
        assert_eq!(dry[name], run[name], "{name}: {dry} {run}");
    }
    assert_eq!((&run["records"], &run["duplicates"], &run["resumed"]), (&4.into(), &1.into(), &1.into()));
}

#[test]
fn discovery_writes_all_its_outputs() {
    let world = World::new(16);
    let listed = world.ok("discover sample/recordings --output out");
    for name in stele_engine::OUTPUTS {
        assert!(world.path("out").join(name).is_file() && listed.contains(name), "{name}");
    }
    let schemas = world.read("out/event_schemas.json");
    let schemas: serde_json::Value = serde_json::from_slice(&schemas).unwrap();
    for (event, schema) in schemas.as_object().unwrap() {
        assert!(jsonschema::draft202012::new(schema).is_ok(), "{event}");
    }
}

#[test]
fn an_old_directory_migrates_and_is_compared() {
    let world = World::new(17);
    let summary = world.run("migrate sample/recordings --data-dir d --json").is(0).last();
    assert_eq!(summary["differing"], 0, "{summary}");
    assert!(summary["groups"].as_u64() > Some(3));
    world.complete();
}

#[test]
fn pruning_shows_its_plan_first_and_does_what_it_says() {
    let world = World::new(18);
    world.ok("ingest sample/recordings --data-dir d");
    let count = |world: &World| world.sql("SELECT count(*) FROM events WHERE doc_type = 'game_tick'");
    let before = count(&world);
    let plan = world.run("lake prune --doc-type game_tick --data-dir d --json").is(0).last();
    assert_eq!(format!("{}\n", plan["plan"]["records"]), before);
    assert!(world.ok("lake prune --doc-type game_tick --data-dir d").contains("--yes"));
    world.complete();
    world.ok("lake prune --doc-type game_tick --data-dir d --yes");
    assert_eq!(count(&world), "0\n");
    world.run("replay sink.jsonl --data-dir d").is(1).says(&["pruned", "doc type game_tick"]);
    assert!(world.ok("lake prune --doc-type game_tick --data-dir d --yes").contains("Nothing to prune"));
    world.run("lake prune --doc-type tick --data-dir d").is(2).says(&["game_tick"]);
    world.run("lake prune --source nope --data-dir d").is(1).says(&["nope"]);
}

#[test]
fn upkeep_changes_no_row() {
    let world = World::new(19);
    for round in 0..5 {
        world.write(
            "part.jsonl",
            format!("{{\"event\":\"e\",\"round\":{round},\"ts\":\"2026-01-02T00:00:00Z\"}}\n"),
        );
        world.ok("ingest part.jsonl --data-dir d");
    }
    world.ok("ingest sample/recordings --data-dir d");
    let rows = |world: &World| world.sql("SELECT record_id, raw_hash FROM events ORDER BY ALL");
    let before = rows(&world);
    let done = world.run("lake compact --data-dir d --json").is(0).last();
    assert!(done["parts_before"].as_u64() > done["parts_after"].as_u64(), "{done}");
    let plan = world.run("lake vacuum --older-than 0s --data-dir d --json").is(0).last();
    assert_eq!(
        (&plan["removed"], plan["plan"]["files"].as_array().map(Vec::is_empty)),
        (&serde_json::Value::Null, Some(false))
    );
    world.ok("lake vacuum --older-than 0s --data-dir d --yes");
    assert_eq!(rows(&world), before);
    world.covered();
    world.run("doctor --data-dir d").is(0);
}

#[test]
fn upkeep_makes_no_lake() {
    let world = World::new(20);
    std::fs::create_dir(world.path("empty")).unwrap();
    for line in ["lake compact", "lake vacuum --yes", "lake prune --older-than 1d --yes", "doctor --salvage"]
    {
        for dir in ["none", "empty"] {
            let ran = world.run(&format!("{line} --data-dir {dir}"));
            ran.is(1).says(&["no lake at", "hint:", "stele ingest"]);
        }
    }
    for dir in ["none", "empty"] {
        assert!(world.ok(&format!("doctor --fix --data-dir {dir}")).contains("none yet"));
    }
    assert!(!world.path("none").exists());
    assert_eq!(std::fs::read_dir(world.path("empty")).unwrap().count(), 0);
}

#[test]
fn a_spool_is_reported_and_never_removed() {
    let world = World::new(21);
    world.ok("ingest sample/recordings --data-dir d");
    let spool = world.write("d/spool/stdin-4000000", "{\"event\":\"a\"}\n");
    for line in ["doctor --data-dir d", "doctor --fix --data-dir d"] {
        let said = world.ok(line);
        assert!(
            said.contains("/d/spool/stdin-4000000, then remove") || said.contains("stele ingest d/spool"),
            "{said}"
        );
    }
    assert!(spool.exists());
    world.sql("SELECT count(*) FROM events");
    assert!(spool.exists());
}

#[test]
fn a_damaged_part_is_given_up() {
    let world = World::new(22);
    world.ok("ingest sample/recordings --data-dir d");
    assert!(world.ok("doctor --salvage --data-dir d").contains("Nothing to salvage"));
    world.complete();
    let before: u64 = world.sql("SELECT count(*) FROM events").trim().parse().unwrap();
    let part = part_of(&world.path("d/lake/events"));
    let sound = std::fs::read(&part).unwrap();
    let mut bytes = sound.clone();
    bytes[60] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    // Replay reads other columns; the part is damaged all the same.
    let report = world.run("coverage --data-dir d --json").is(4).events()[0].clone();
    let name = part.file_name().unwrap().to_str().unwrap();
    assert!(report["differences"][0].as_str().unwrap().contains(name), "{report}");
    assert!(world.run("doctor --fix --data-dir d").is(1).stdout.contains("stele doctor --salvage"));
    let done = world.run("doctor --salvage --yes --data-dir d --json").is(0).events()[0].clone();
    assert_eq!((&done["rows_kept"], &done["inputs"]), (&done["rows_before"], &0.into()), "{done}");
    world.complete();
    world.ok("lake vacuum --older-than 0s --yes --data-dir d");

    let part = part_of(&world.path("d/lake/events"));
    let bytes = std::fs::read(&part).unwrap();
    std::fs::write(&part, &bytes[..bytes.len() / 2]).unwrap();
    let version = || world.run("status --data-dir d --json").is(0).last()["lake_version"].clone();
    let was = version();
    let plan = world.run("doctor --salvage --data-dir d");
    assert!(plan.stdout.contains("Would give up 1 damaged part") && plan.stdout.contains("--salvage --yes"));
    assert_eq!(version(), was);
    let events = world.run("doctor --salvage --yes --data-dir d --json").is(0).events();
    let (done, checks) = (&events[0], &events[1]);
    assert_eq!((&done["parts"], &done["done"], &checks["ok"]), (&1.into(), &true.into(), &true.into()));
    let lost = done["rows_before"].as_u64().unwrap() - done["rows_kept"].as_u64().unwrap();
    assert!(lost > 0, "{done}");
    assert_eq!(world.sql("SELECT count(*) FROM events"), format!("{}\n", before - lost));
    // From now on every report says so.
    let ran = world.run("coverage --data-dir d").is(4);
    assert!(ran.stdout.contains("rows were lost with a damaged part") && ran.stdout.contains("LOST ROWS"));
    assert!(!ran.stdout.contains("Everything that was read"));
    assert!(world.ok("status --data-dir d").contains("LOST with damaged parts"));
    assert!(world.ok("doctor --data-dir d").contains("were lost with damaged parts"));
    assert_ne!(world.sql("SELECT sum(rows_lost) FROM files"), "0\n");
}

#[test]
fn what_was_pruned_is_said() {
    let world = World::of_size(28, 60_000);
    world.write("a", "{\"event\":\"a\"}\n{\"event\":\"b\"}\n");
    world.ok("ingest a --data-dir d");
    assert!(world.ok("coverage --data-dir d").contains("Everything that was read is in the lake"));
    world.ok("lake prune --source a --data-dir d --yes");
    let said = world.ok("coverage --data-dir d");
    assert!(said.contains("but for 2 rows pruned on request"), "{said}");
    let said = world.ok("status --data-dir d");
    assert!(said.contains("0 records are in the lake now: 2 rows pruned"), "{said}");
    assert_eq!(world.sql("SELECT records, rows_pruned, rows_lost FROM files"), "2,2,0\n");
}

/// A part that some row is in.
fn part_of(dir: &std::path::Path) -> std::path::PathBuf {
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let of = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "parquet");
    match paths.iter().find(|path| of(path)) {
        Some(part) => part.clone(),
        None => part_of(paths.iter().find(|path| path.is_dir() && !path.ends_with("_delta_log")).unwrap()),
    }
}

#[test]
fn a_query_that_needs_the_disk() {
    let world = World::new(23);
    world.ok("ingest sample/recordings --data-dir d");
    let sorted = "SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY md5(i::VARCHAR)) AS n FROM range(1000000) t(i))";
    let line = ["sql", sorted, "--data-dir", "d", "--format", "csv", "--memory-limit", "40"];
    assert!(world.run_args(line).is(0).stdout.ends_with("1000000\n"));
    let left = std::fs::read_dir(world.path("d/tmp")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "what was put aside is gone");
}

#[test]
fn discovery_does_not_hold_standard_input() {
    use std::io::Write as _;
    use std::process::Stdio;

    const RECORDS: usize = 1_200_000;
    let world = World::of_size(24, 60_000);
    let mut command = world.stele("discover - --format tsv --quiet");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = std::io::BufWriter::new(child.stdin.take().unwrap());
    let padding = "x".repeat(80);
    for n in 0..RECORDS {
        writeln!(stdin, "{{\"event\":\"a\",\"n\":{},\"text\":\"{padding}\"}}", n % 10).unwrap();
    }
    stdin.flush().unwrap();
    // All of it but what is in the pipe has been read, and none of it counted.
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!(
            "a\tevent\tstring\t{RECORDS}\t{RECORDS}\na\tn\tinteger\t{RECORDS}\t{RECORDS}\na\ttext\tstring\t{RECORDS}\t{RECORDS}\n"
        )
    );
    assert!(peak << 10 < RECORDS * 60, "{peak} kB at peak for {} kB of input", (RECORDS * 110) >> 10);
    assert!(!world.path(".stele").exists(), "it leaves nothing behind");
}

#[test]
fn times_at_a_change_of_the_clocks_are_counted() {
    let world = World::of_size(25, 60_000);
    let at = |time: &str| format!("{{\"event\":\"e\",\"ts\":\"{time}\"}}\n");
    world.write("in", ["2025-11-02T01:30:00", "2025-03-09T02:30:00", "2025-07-01T00:00:00"].map(at).concat());
    let ran = world.run("ingest in --data-dir d --timezone America/New_York --json").is(0);
    let summary = ran.last();
    assert_eq!((&summary["times_repeated"], &summary["times_skipped"]), (&1.into(), &1.into()), "{summary}");
    let report = String::from_utf8(world.read("d/manifests/coverage_report.md")).unwrap();
    assert!(report.contains("/in:1` | 1 | shown twice; read as the first"), "{report}");
    assert!(report.contains("/in:2` | 1 | never shown"), "{report}");
    let ran = world.run("discover in --timezone America/New_York --format tsv").is(0);
    assert!(ran.stderr.contains("1 twice, read as the first showing; 1 never"), "{}", ran.stderr);
    let ran = world.run("discover in --format tsv").is(0);
    assert!(!ran.stderr.contains("twice"), "{}", ran.stderr);
}

#[test]
fn what_killed_runs_left_is_one_warning() {
    let world = World::of_size(26, 60_000);
    world.ok("ingest sample/recordings --data-dir d");
    for n in 0..30 {
        world.write(&format!("d/lake/events/doc_type=row/date=2026-01-02/.part-0-{n}.unfinished"), "half");
    }
    world.write("d/lake/events/_delta_log/00000000000000000009.json#1", "{");
    let warnings = |line: &str| world.ok(line).lines().filter(|line| line.starts_with("warning")).count();
    assert_eq!(warnings("doctor --data-dir d"), 1);
    let said = world.ok("doctor --fix --data-dir d");
    assert!(said.contains("fixed") && said.contains("31 files that no commit names"), "{said}");
    assert_eq!(warnings("doctor --data-dir d"), 0);
    assert!(!world.path("d/lake/events/_delta_log/00000000000000000009.json#1").exists());
    world.complete();
}

#[test]
fn a_variable_that_is_empty_is_none() {
    let world = World::of_size(27, 60_000);
    let mut command = world.stele("ingest sample/recordings/sink.jsonl");
    for name in ["STELE_DATA_DIR", "STELE_CONFIG", "STELE_TIMEZONE", "STELE_THREADS", "STELE_FAILPOINT"] {
        command.env(name, "");
    }
    Ran::of(command.output().unwrap()).is(0);
    assert!(world.path(".stele/lake").is_dir());
    world.run_args(["status", "--data-dir", ""]).is(2);
    world.write("stele.toml", "data_dir = \"\"\n");
    world.run("status").is(78).says(&["stele.toml", "data_dir"]);
}
