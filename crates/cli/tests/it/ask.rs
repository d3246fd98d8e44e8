//! Questions to a lake: SQL, explain, schemas, exports, status.

use crate::world::World;

fn lake(seed: u64) -> World {
    let world = World::new(seed);
    world.ok("ingest sample/recordings --data-dir d");
    world
}

#[test]
fn sql_in_every_form() {
    let world = lake(31);
    let query = "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c, [1, 2] AS d";
    let ask =
        |format: &str| world.run_args(["sql", query, "--data-dir", "d", "--format", format]).is(0).stdout;
    assert_eq!(ask("csv"), "a,b,c,d\n1,\"x,\"\"y\",,\"[1,2]\"\n");
    assert_eq!(ask("jsonl"), "{\"a\":1,\"b\":\"x,\\\"y\",\"c\":null,\"d\":[1,2]}\n");
    assert_eq!(ask("json"), format!("[\n{}\n]\n", ask("jsonl").trim_end()));
    let table = ask("table");
    assert!(table.contains("x,\"y") && table.contains("NULL") && table.contains('─'), "{table}");
    world.run_args(["sql", query, "--data-dir", "d", "--format", "parquet", "--output", "out.parquet"]).is(0);
    assert!(world.read("out.parquet").starts_with(b"PAR1"));
    assert_eq!(world.ok("sql SELECT(1)WHERE(false) --data-dir d --format json"), "[]\n");
}

#[test]
fn sql_takes_parameters_limits_and_standard_input() {
    let world = lake(32);
    let with = |args: &[&str]| {
        let line = ["sql", "--data-dir", "d", "--format", "csv"].iter().chain(args).copied();
        world.run_args(line).is(0)
    };
    assert_eq!(with(&["SELECT ? || ? AS x", "-p", "1", "-p", "2=a=b"]).stdout, "x\n1a=b\n");
    assert_eq!(with(&["SELECT $a AS x", "-p", "a=it's"]).stdout, "x\nit's\n");
    let limited = with(&["SELECT * FROM range(10)", "--limit", "2"]);
    assert_eq!(limited.stdout, "range\n0\n1\n");
    assert!(limited.stderr.contains("--limit 0"), "{}", limited.stderr);
    world.write("q.sql", "SELECT 7 AS n");
    let input = std::fs::File::open(world.path("q.sql")).unwrap();
    let output = world.stele("sql - --data-dir d --format csv").stdin(input).output().unwrap();
    assert_eq!(output.stdout, b"n\n7\n");
}

#[test]
fn sql_only_reads() {
    let world = lake(33);
    for query in [
        "DROP VIEW events",
        "COPY (SELECT 1) TO 'x.csv'",
        "INSERT INTO events SELECT * FROM events",
        "ATTACH 'x.db'",
    ] {
        world.run_args(["sql", query, "--data-dir", "d"]).is(1).says(&["error: "]);
    }
    world
        .run_args(["sql", "SELECT * FROM read_text('/etc/hostname')", "--data-dir", "d"])
        .is(1)
        .says(&["not allowed"]);
    world.complete();
}

#[test]
fn an_earlier_version_can_be_asked() {
    let world = lake(34);
    world.write("more.jsonl", "{\"event\":\"late\"}\n");
    world.ok("ingest more.jsonl --data-dir d");
    let newest: u64 = world.run("status --data-dir d --json").is(0).last()["lake_version"].as_u64().unwrap();
    let count = |at: u64| {
        let at = at.to_string();
        let query = "SELECT count(*) FROM events WHERE event_type = 'late'";
        world.run_args(["sql", query, "--data-dir", "d", "--format", "csv", "--at", &at]).is(0).stdout
    };
    assert_eq!(
        (count(newest).as_str(), count(newest - 1).as_str()),
        ("count_star()\n1\n", "count_star()\n0\n")
    );
    world.run("sql SELECT(1) --data-dir d --at 99").is(1).says(&["no snapshot 99"]);
}

#[test]
fn a_field_is_explained_and_a_misspelt_one_is_guessed() {
    let world = lake(35);
    let text = world.ok("explain data.price --data-dir d");
    assert!(text.contains("data.price in ") && text.contains("first seen"), "{text}");
    let answer = world.run("explain data.price --data-dir d --json").is(0).last();
    assert_eq!((&answer["event"], &answer["found"]), (&"explain".into(), &true.into()));
    world.run("explain data.prce --data-dir d").is(1).says(&["data.prce", "near it: ", "data.price"]);
}

#[test]
fn schemas_are_shown_written_and_compared() {
    let world = lake(36);
    let all: serde_json::Value = serde_json::from_str(&world.ok("schema show --data-dir d")).unwrap();
    let (event, _) = all.as_object().unwrap().iter().next().unwrap();
    let one: serde_json::Value =
        serde_json::from_str(&world.run_args(["schema", "show", event, "--data-dir", "d"]).is(0).stdout)
            .unwrap();
    assert_eq!(&one, &all[event]);
    let shown = world.run("schema show --data-dir d --json").is(0).events();
    assert_eq!((shown.len(), &shown[0]["schemas"]), (1, &all));
    let shown = world.run_args(["schema", "show", event, "--data-dir", "d", "--json"]).is(0).last();
    assert_eq!(shown["schemas"], serde_json::json!({ event: one }));
    world.run("schema show nope --data-dir d").is(1).says(&["no event is named nope", event]);
    world.ok("schema export --output old --data-dir d");
    world.write("new.jsonl", "{\"event\":\"late\",\"x\":1}\n");
    world.ok("discover new.jsonl --output new");
    let same = world.ok("schema diff old old/event_schemas.json --fail-on-drift safe");
    assert!(!same.is_empty());
    world.run("schema diff old new --fail-on-drift safe").is(4);
    let ran = world.run("schema diff old new/catalogue.json --json").is(0);
    assert_eq!(ran.last()["event"], "schema_diff");
    world.write("junk", "{\"a\": [");
    world.run("schema diff junk new").is(1).says(&["junk", "hint:"]);
    world.run("schema diff sample new").is(1).says(&["holds none of"]);
}

#[test]
fn drift_has_its_exit_code() {
    let world = World::new(37);
    world.write("old.jsonl", "{\"event\":\"e\",\"n\":1}\n");
    world.write("new.jsonl", "{\"event\":\"e\",\"n\":\"one\"}\n");
    world.ok("discover old.jsonl --output old");
    let line = "discover new.jsonl --previous old --fail-on-drift breaking";
    let ran = world.run(line).is(4);
    assert!(ran.stdout.contains('n') && ran.stdout.to_lowercase().contains("breaking"), "{}", ran.stdout);
    world.run("discover old.jsonl --previous old --fail-on-drift safe").is(0);
}

#[test]
fn exports_are_the_same_every_time() {
    let world = lake(38);
    for line in [
        "jsonl",
        "jsonl --envelope",
        "slice --order time",
        "slice --format csv --limit 5",
        "slice --format parquet",
    ] {
        let done = |name: &str, threads: &str| {
            let line = format!("export {line} --output {name} --json --data-dir d --threads {threads}");
            world.run(&line).is(0).last()["sha256"].clone()
        };
        assert_eq!(done("a", "1"), done("b", "2"), "{line}");
        assert_eq!(world.read("a"), world.read("b"), "{line}");
    }
    let records = world.ok("export jsonl --data-dir d").lines().count() as u64;
    assert_eq!(records, world.sample.records());
    let query = [
        "export",
        "slice",
        "--query",
        "SELECT event_type, count(*) n FROM events GROUP BY 1",
        "--data-dir",
        "d",
    ];
    assert_eq!(world.run_args(query).is(0).stdout, world.run_args(query).is(0).stdout);
}

#[test]
fn whole_records_are_saved_from_damaged_lines_and_marked() {
    let world = World::new(40);
    let record = |n: u32| format!("{{\"event\":\"a\",\"n\":{n},\"data\":{{\"event\":{n}}}}}");
    let (clean, torn) = (record(1), record(2)[..25].to_owned());
    let content =
        format!("{clean}\n{torn}{}{}\n\0\0{}\n{}\n", record(3), record(4), record(5), &record(6)[12..]);
    world.write("in.jsonl", &content);
    world.ok("ingest in.jsonl --data-dir d");
    let before = world.sql("SELECT count(*) FROM events");
    let saved: Vec<serde_json::Value> = world
        .ok("export salvage --data-dir d")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let raws: Vec<&str> = saved.iter().map(|line| line["raw"].as_str().unwrap()).collect();
    assert_eq!(raws, [record(3), record(4), record(5)]);
    let source = world.path("in.jsonl").display().to_string();
    for (line, line_no) in saved.iter().zip([2, 2, 3]) {
        assert_eq!((&line["salvaged"], &line["source"]), (&true.into(), &source.as_str().into()));
        assert_eq!(line["line_no"], line_no);
        let number = |name: &str| line[name].as_u64().unwrap() as usize;
        let at = number("byte_offset");
        assert_eq!(&content[at..at + number("byte_len")], line["raw"].as_str().unwrap());
    }
    // Nothing of it is mixed with what is clean.
    assert_eq!((world.sql("SELECT count(*) FROM events"), before.as_str()), (before.clone(), "1\n"));
    assert_eq!(world.sql("SELECT count(*) FROM quarantine"), "3\n");
    assert_eq!(world.ok("replay in.jsonl --data-dir d"), content);
    world.covered();
    let done = world.run("export salvage --source in.jsonl --output s --json --data-dir d").is(0).last();
    assert_eq!((&done["rows"], world.read("s").is_empty()), (&3.into(), false));
}

#[test]
fn status_is_one_page() {
    let world = lake(39);
    let page = world.ok("status --data-dir d");
    assert!(page.lines().count() <= 50, "{page}");
    let status = world.run("status --data-dir d --json").is(0).last();
    assert_eq!(status["ledger"]["bytes_in"], world.sample.bytes());
    assert_eq!(status["ledger"]["records"], world.sample.records());
    assert!(world.ok("lake status --data-dir d").contains("quarantine"));
}
