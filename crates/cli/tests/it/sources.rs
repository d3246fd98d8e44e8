//! Sources: configured, tried, collected, and collected again.

use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stele_testkit::server::{Reply, Server};

use crate::world::{Ran, World};

/// An index of words: what is tried here is the way into the lake.
const WORDS: &str = "[embedding]\nprovider = \"none\"\n";

/// What a service has: articles, by their numbers, in pages of two.
struct News {
    articles: Arc<Mutex<Vec<Value>>>,
    server: Server,
}

impl News {
    fn new() -> News {
        let article =
            |number: u64| json!({"id": number, "title": format!("Article {number}"), "about": "harbour"});
        let articles: Arc<Mutex<Vec<Value>>> = Arc::new(Mutex::new((1..=5).map(article).collect()));
        let asked = Arc::clone(&articles);
        let server = Server::new(move |_, request| {
            if request.header("x-api-key") != Some("a-secret-key") {
                return Reply::Say(401, "", "{\"message\":\"who are you?\"}".to_owned());
            }
            let page = request.path.split(['?', '&']).find_map(|pair| pair.strip_prefix("page="));
            let page: usize = page.map_or(1, |page| page.parse().unwrap());
            let articles = asked.lock().unwrap();
            let part: Vec<&Value> = articles.iter().skip((page - 1) * 2).take(2).collect();
            Reply::Say(200, "", json!({ "data": part }).to_string())
        });
        News { articles, server }
    }

    fn world(&self, seed: u64) -> World {
        let world = World::of_size(seed, 20_000);
        let config = format!(
            "{WORDS}[source_defaults]\nenable_cache = false\n[[sources]]\nsource_id = \"news\"\nsource_type = \"api\"\n\
             endpoint = \"{}/articles\"\nauth = {{ type = \"api_key\", in = \"header\", name = \"X-API-KEY\", \
             value = \"${{NEWS_KEY}}\" }}\npaginate = {{ type = \"page_number\" }}\nselect = \"$.data[*]\"\n\
             key = [\"id\"]\ncost = {{ per_call_usd = 0.001 }}\n",
            self.server.url
        );
        world.write("stele.toml", config);
        world
    }

    fn run(&self, world: &World, line: &str) -> Ran {
        let mut command = world.stele(line);
        let ran = Ran::of(command.env("NEWS_KEY", "a-secret-key").output().unwrap());
        assert!(!ran.stdout.contains("a-secret") && !ran.stderr.contains("a-secret"), "{line}");
        ran
    }
}

fn articles(world: &World) -> String {
    let told = world
        .sql("SELECT count(*) || '/' || count(DISTINCT original_id) FROM events WHERE event_type = 'news'");
    told.trim().lines().last().unwrap().to_owned()
}

#[test]
fn a_source_is_tried_collected_and_followed() {
    let news = News::new();
    let world = news.world(111);
    let listed = news.run(&world, "sources list --json").is(0).last();
    assert_eq!(listed["sources"][0]["source_id"], "news");
    let checked = news.run(&world, "sources check news --json").is(0).last();
    assert_eq!(checked["ok"], true, "{checked}");
    let preview = news.run(&world, "sources preview news --limit 3 --json --data-dir d").is(0).last();
    let ids: Vec<&Value> =
        preview["records"].as_array().unwrap().iter().map(|record| &record["data"]["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2), &json!(3)]);
    assert!(!world.path("d/lake").exists(), "a look keeps nothing");
    let collect = |expect: (u64, &str)| {
        let events = news.run(&world, "ingest --source news --json --data-dir d").is(0).events();
        let run = events.iter().find(|event| event["event"] == "collected").unwrap();
        assert_eq!(
            (run["outcome"].as_str(), run["unchanged"].as_u64()),
            (Some("ok"), Some(expect.0)),
            "{run}"
        );
        assert_eq!(articles(&world), expect.1);
    };
    collect((0, "5/5"));
    // What is as it was is not kept once more; what changed is, and what became again what it was before.
    collect((5, "5/5"));
    news.articles.lock().unwrap()[2]["title"] = "Changed".into();
    collect((4, "6/5"));
    news.articles.lock().unwrap()[2]["title"] = "Article 3".into();
    collect((4, "7/5"));
    let newest = world.sql(
        "SELECT json_extract_string(raw, '$.data.title') AS title FROM events WHERE original_id = '3' \
         ORDER BY source DESC LIMIT 1",
    );
    assert_eq!(newest.trim().lines().last(), Some("Article 3"));
    world.ok("index build --data-dir d");
    let found = world.run("search harbour --data-dir d --json").is(0).last();
    assert!(found["results"].as_array().is_some_and(|results| !results.is_empty()), "{found}");
    world.run("coverage --data-dir d").is(0);
    let trust = world.sql("SELECT DISTINCT trust(raw) AS t FROM events WHERE event_type = 'news'");
    assert_eq!(trust.trim().lines().last(), Some("0.5"), "{trust}");
    let system = news.run(&world, "system --json --data-dir d").is(0).last();
    assert_eq!((&system["active_sources"], &system["tokens"]), (&json!(1), &json!(0)), "{system}");
    assert_eq!(system["token_usage"], system["tokens"]);
    assert!(world.run("system --data-dir d").is(0).stdout.contains("active sources"));
    let cost = news.run(&world, "sources cost news --json --data-dir d").is(0).last();
    assert_eq!(cost["total_api_calls"], system["api_call_count"]);
    let spent = &cost["by_source"]["news"];
    assert_eq!(spent["tokens"], spent["token_usage"], "{cost}");
    assert!(spent["api_calls"].as_u64().is_some_and(|calls| calls >= 12), "{cost}");
}

#[test]
fn sources_07_a_dry_run_tells_what_it_would_cost_and_asks_nothing() {
    let news = News::new();
    let world = news.world(116);
    let expect = |which: &str| {
        let asked = news.server.requests().len();
        let told = news.run(&world, &format!("ingest {which} --dry-run --json --data-dir d")).is(0).last();
        assert_eq!(news.server.requests().len(), asked, "nothing is asked");
        told
    };
    let told = expect("--source news");
    let run = &told["sources"][0];
    assert_eq!((&run["likely"], &run["cost_usd"]), (&Value::Null, &Value::Null), "nothing is made up: {run}");
    assert_eq!((&run["level"], &run["left_today_usd"]), (&json!("ok"), &json!(10.0)), "{run}");
    let page = news.run(&world, "ingest --source news --dry-run --data-dir d").is(0).stdout;
    assert!(page.contains("unknown") && page.contains("nothing was asked"), "{page}");
    assert!(!world.path("d/lake").exists());
    let events = news.run(&world, "ingest --source news --no-embed --json --data-dir d").is(0).events();
    let ran = events.iter().find(|event| event["event"] == "collected").unwrap();
    assert_eq!((&ran["records"], &ran["calls"]), (&json!(5), &json!(4)), "{ran}");
    let told = expect("--all-sources");
    let run = &told["sources"][0];
    assert_eq!(
        (&run["likely"]["calls"], &run["cost_usd"], &told["cost_usd"]),
        (&json!(4), &json!(0.004), &json!(0.004))
    );
    assert_eq!(
        (&run["likely"]["bytes"], &run["likely"]["records"]),
        (&ran["bytes_in"], &ran["records"]),
        "{run}"
    );
    // What was spent leaves less: by how much is told, and whether it is enough.
    let config = std::fs::read_to_string(world.path("stele.toml")).unwrap();
    for (max, level, says) in [
        (0.02, "ok", ""),
        (0.011, "warning", ""),
        (0.0083, "critical", ""),
        (0.006, "stop", "daily_cost_threshold_usd"),
    ] {
        let bound = format!("[source_defaults]\ndaily_cost_threshold_usd = {max}\n");
        world.write("stele.toml", config.replace("[source_defaults]\n", &bound));
        let told = expect("--source news");
        let run = &told["sources"][0];
        let why = run["why"].as_str().unwrap_or_default();
        assert!(
            run["level"] == level && why.contains(says) && why.is_empty() == says.is_empty(),
            "{max}: {run}"
        );
        assert_eq!(told["stopped"], json!(u8::from(level == "stop")));
    }
    let page = news.run(&world, "ingest --source news --dry-run --data-dir d").says(&["are the most"]).stdout;
    assert!(page.contains("stop") && page.contains("a run that read"), "{page}");
}

#[test]
fn what_is_wrong_with_a_source_is_said_and_the_others_go_on() {
    let news = News::new();
    let world = news.world(112);
    let more = format!(
        "{}[[sources]]\nsource_id = \"broken\"\nsource_type = \"teapot\"\n\
         [[sources]]\nsource_id = \"away\"\nsource_type = \"api\"\nendpoint = \"http://127.0.0.1:9/x\"\n\
         retry = {{ max = 1 }}\n",
        std::fs::read_to_string(world.path("stele.toml")).unwrap()
    );
    world.write("stele.toml", more);
    let listed = news.run(&world, "sources list --json").is(78).last();
    assert_eq!(
        (&listed["problems"][0]["index"], listed["sources"].as_array().unwrap().len()),
        (&json!(1), 2)
    );
    news.run(&world, "sources check nobody").says(&["there is no such source; there are news, away"]);
    // The variable is not set here.
    world.run("sources check news").says(&["NEWS_KEY", "hint:"]).is(78);
    let events = news.run(&world, "ingest --all-sources --no-embed --json --data-dir d").is(3).events();
    let outcome = |source: &str| {
        let run = events.iter().find(|event| event["event"] == "collected" && event["source"] == source);
        run.unwrap()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!((outcome("news").as_str(), outcome("away").as_str()), ("ok", "failed"));
    assert_eq!(articles(&world), "5/5");
}

#[test]
fn sources_16_what_holds_is_shown_without_secrets() {
    let news = News::new();
    let world = news.world(118);
    let config = String::from_utf8(world.read("stele.toml")).unwrap()
        + "[[sources]]\nsource_id = \"rows\"\nsource_type = \"database\"\n\
           connection_string = \"postgres://me:hunter2@db.example/shop\"\nqueries = [{ name = \"a\", query = \"SELECT 1\" }]\n\
           [[sources]]\nsource_id = \"more\"\nsource_type = \"api\"\nendpoint = \"https://api.example/x?a=1&api_key=hunter2\"\n\
           auth = { type = \"tokens\", tokens = [\"hunter2\"] }\nparams = { key = \"hunter2\", page = 3 }\ntokens_path = \"$.used\"\n\
           [sinks.points]\nkind = \"qdrant\"\nurl = \"http://u:hunter2@127.0.0.1:1\"\nkey_variable = \"POINTS_KEY\"\n";
    world.write("stele.toml", config);
    let run = |line: &str| {
        let mut command = world.stele(line);
        let set = [
            ("NEWS_KEY", "a-secret-key"),
            ("POINTS_KEY", "hunter2"),
            ("STELE_QUEUE", "redis://:hunter2@127.0.0.1:1"),
        ];
        let ran = Ran::of(command.envs(set).output().unwrap());
        assert!(!ran.stdout.contains("hunter2") && !ran.stdout.contains("a-secret"), "{}", ran.stdout);
        ran.is(0)
    };
    let shown = run("config show --json").last();
    assert_eq!(shown["settings"]["sources"][0]["auth"]["value"], "${NEWS_KEY}", "{shown}");
    assert_eq!(shown["settings"]["sources"][1]["connection_string"], "***", "{shown}");
    assert_eq!(shown["settings"]["sinks"]["points"]["key_variable"], "POINTS_KEY", "{shown}");
    assert_eq!(
        shown["settings"]["sources"][2]["endpoint"], "https://api.example/x?a=1&api_key=***",
        "{shown}"
    );
    assert_eq!(shown["settings"]["sources"][2]["params"], json!({"key": "***", "page": 3}), "{shown}");
    assert_eq!(shown["settings"]["sources"][2]["tokens_path"], "$.used", "{shown}");
    assert_eq!(shown["variables"]["POINTS_KEY"], "***", "{shown}");
    assert!(shown["variables"]["STELE_QUEUE"].as_str().unwrap().contains("127.0.0.1"), "{shown}");
    // The text is a configuration again.
    let text = run("config show").stdout;
    assert!(text.contains("per_call_usd = 0.001"), "{text}");
    world.write("again.toml", text);
    assert_eq!(run("config show --config again.toml --json").last()["settings"], shown["settings"]);
}

#[test]
fn what_cannot_be_begun_says_what_to_do() {
    let world = World::of_size(114, 20_000);
    world.write("stele.toml", WORDS);
    let check = |line: &str, exit: i32, says: &[&str]| {
        world.run(&format!("{line} --data-dir d")).is(exit).says(says).says(&["hint:"]);
    };
    check("ingest --all-sources", 78, &["no source is configured", "docs/guide/sources.md"]);
    check("sources check nobody", 78, &["none is configured", "stele sources list"]);
    check("capture ftp://x.example", 78, &["it has to be ws://", "docs/guide/sources.md"]);
    check("capture ws://127.0.0.1:9/x --for 1s --no-embed", 1, &["nobody answered", "is the address right"]);
    world.write("stele.toml", format!("sources_file = \"list.jsonc\"\n{WORDS}"));
    check("sources list", 78, &["list.jsonc", "No such file"]);
    world.write("list.jsonc", "{ // a comment\n\"data_sources\": [\n");
    check("sources list", 78, &["list.jsonc", "line 3"]);
}

#[test]
fn lines_of_a_stream_are_captured() {
    let world = World::of_size(113, 20_000);
    world.write("stele.toml", WORDS);
    let mut command = world.stele("capture - --name feed --json --data-dir d");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{{\"event\":\"tide\",\"data\":{{\"level\":3}}}}\nno JSON at all").unwrap();
    drop(input);
    let events = Ran::of(child.wait_with_output().unwrap()).is(0).events();
    let captured = events.iter().find(|event| event["event"] == "captured").unwrap();
    assert_eq!(
        (&captured["received"], &captured["missing"], &captured["left"]),
        (&json!(2), &json!(0), &json!([]))
    );
    let lines = world.sql("SELECT count(*) AS n FROM events WHERE direction = 'received'");
    assert_eq!(lines.trim().lines().last(), Some("2"), "{lines}");
    world.run("coverage --data-dir d").is(0);
}

/// The example of the guide, with its directory in this world.
fn guided(world: &World) -> String {
    let guide = include_str!("../../../../docs/guide/sources.md");
    let files = guide.split("\n## Files\n").nth(1).unwrap();
    let example = files.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let here = world.path("exports").display().to_string();
    format!("{WORDS}{}", example.replace("/srv/exports", &here))
}

#[test]
fn sources_12_the_files_of_the_guide() {
    let world = World::of_size(115, 20_000);
    world.write("stele.toml", guided(&world));
    world.write("exports/orders_1.csv", "id;what;amount\r\n1;\"tea;\r\ngreen\";1.50\r\n2;rope;2\r\n");
    world.write(
        "exports/sub/orders_2.jsonl",
        "{\"id\":3,\"what\":\"oar\",\"amount\":7.0}\n{bad\n{\"what\":\"no id\"}\n",
    );
    world.write("exports/orders_3.json.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae");
    world.write("exports/notes.txt", "not asked for");
    let young = world.run("ingest --source orders --json --data-dir d").is(0).events();
    let run = young.iter().find(|event| event["event"] == "collected").unwrap();
    assert_eq!((&run["records"], &run["outcome"]), (&json!(0), &json!("ok")), "{run}");
    for name in ["orders_1.csv", "sub/orders_2.jsonl", "orders_3.json.gz"] {
        let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        let file = std::fs::File::options().append(true).open(world.path(&format!("exports/{name}")));
        file.unwrap().set_modified(then).unwrap();
    }
    let checked = world.run("sources check orders --json --data-dir d").is(0).last();
    assert!(checked["identity"].as_str().unwrap().starts_with("3 files, "), "{checked}");
    let found = world.run("sources discover orders --json --data-dir d").is(0).last();
    assert_eq!(found["streams"][0]["key"], json!(["id"]), "{found}");
    let preview = world.run("sources preview orders --limit 2 --json --data-dir d").is(0).last();
    assert_eq!(preview["records"].as_array().unwrap().len(), 2, "{preview}");
    assert!(world.path("exports/orders_1.csv").exists(), "a look moves nothing");
    // Killed when the rows are durable and before the files are moved.
    let mut command = world.stele("ingest --all-sources --no-embed --data-dir d");
    let killed = command.env("STELE_FAILPOINT", "collect.kept:1:kill").output().unwrap();
    assert_eq!(killed.status.code(), None, "it was to be killed");
    assert!(world.path("exports/orders_1.csv").exists() && !world.path("exports/archive").exists());
    let rows = || {
        world.sql("SELECT original_id, json_extract_string(raw, '$.data.amount') AS amount FROM events WHERE event_type = 'orders' ORDER BY 1")
    };
    let stored = rows();
    assert_eq!(
        stored.lines().filter(|line| line.contains('.') || line.ends_with('2')).count(),
        3,
        "{stored}"
    );
    let events = world.run("ingest --all-sources --no-embed --json --data-dir d").is(3).events();
    let run = events.iter().find(|event| event["event"] == "collected").unwrap();
    assert_eq!((&run["outcome"], rows()), (&json!("partial"), stored), "{run}");
    assert!(run["streams"][1]["reason"].as_str().unwrap().contains("gzip data cannot be unpacked"), "{run}");
    let lies = |name: &str| std::fs::exists(world.path(&format!("exports/{name}"))).unwrap();
    assert!(
        lies("failed/orders_3.json.gz") && lies("failed/orders_3.json.gz.reason.txt") && lies("notes.txt")
    );
    assert!(!lies("orders_1.csv") && !lies("sub/orders_2.jsonl"));
    // What is no row, and what is not as it has to be, is kept aside.
    let dir = world.path("d/sources/rejected/orders");
    let text: String = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let mut told: Vec<(String, String)> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| (line["place"].as_str().unwrap().to_owned(), line["raw"].as_str().unwrap().to_owned()))
        .collect();
    told.sort();
    let expect = [("sub/orders_2.jsonl:2", "{bad"), ("sub/orders_2.jsonl:3", "{\"what\":\"no id\"}")];
    assert_eq!(told, expect.map(|(place, raw)| (place.to_owned(), raw.to_owned())));
    // The same order in another file is no other order.
    world.write("exports/orders_4.json", "[{\"amount\":7.0,\"what\":\"oar\",\"id\":3}]");
    let file = std::fs::File::options().append(true).open(world.path("exports/orders_4.json")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let events = world.run("ingest --source orders --no-embed --json --data-dir d").is(0).events();
    let run = events.iter().find(|event| event["event"] == "collected").unwrap();
    assert_eq!((&run["duplicates"], &run["outcome"]), (&json!(1), &json!("ok")), "{run}");
    let state = world.run("sources state show orders --json --data-dir d").is(0).last();
    let names: Vec<&String> = state["cursors"].as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 4, "{names:?}");
    world.run("coverage --data-dir d").is(0);
}
