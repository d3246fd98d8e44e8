//! Documents on the command line: brought in, asked about, walked, verified, changed.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::{Ran, World};

const GUIDE: &str = "# crane\n\nLift things from ships.\n\n## Options\n\n| Option | Description |\n|---|---|\n\
    | `--load` | How much to lift |\n\n## Set-up\n\n1. Fix the crane.\n2. Run `crane --load 3`.\n\n\
    See [the harbour](deep/harbour.md).\n";

const HARBOUR: &str = "# The harbour\n\nWhere ships lie at anchor.\n";

fn world(seed: u64) -> World {
    let world = World::new(seed);
    world.write("docs/crane.md", GUIDE);
    world.write("docs/deep/harbour.md", HARBOUR);
    world.write("docs/ticks.jsonl", "{\"event\":\"tick\",\"data\":{\"price\":1}}\n");
    world
}

fn event<'a>(events: &'a [Value], name: &str) -> &'a Value {
    events.iter().find(|event| event["event"] == name).unwrap_or_else(|| panic!("no {name} in {events:?}"))
}

#[test]
fn a_directory_of_documents_is_brought_in_and_asked() {
    let world = world(81);
    let events = world.run("ingest docs --data-dir d --no-embed --json").is(0).events();
    let (graph, summary) = (event(&events, "graph"), event(&events, "summary"));
    assert_eq!((&graph["documents"], &graph["failures"]), (&2.into(), &Value::Array(vec![])));
    assert_eq!((&summary["documents"], &summary["records"]), (&2.into(), &1.into()));
    assert_eq!(graph["characters_in"], graph["characters_out"]);

    let around = world.run("graph neighbors crane --kind HAS_PARAMETER --data-dir d --json").is(0).last();
    assert_eq!(around["nodes"][0]["name"], "--load");
    assert!(around["edges"][0]["said_at"].as_str().unwrap().ends_with("crane.md:5"), "{around}");
    let shown = world.run("graph show --load --data-dir d").is(0).stdout;
    assert!(shown.contains("How much to lift") && shown.contains("crane.md:"), "{shown}");
    let ways = world.run("graph path crane.md harbour.md --data-dir d --json");
    assert_eq!(ways.is(1).last()["event"], "error", "a name is all of a name");
    let (from, to) = (world.path("docs/crane.md"), world.path("docs/deep/harbour.md"));
    let line = ["graph", "path", from.to_str().unwrap(), to.to_str().unwrap(), "--data-dir", "d", "--json"];
    let ways = world.run_args(line).is(0).last();
    let kinds: Vec<&Value> =
        ways["paths"][0]["edges"].as_array().unwrap().iter().map(|e| &e["kind"]).collect();
    assert_eq!(kinds, ["HAS_SECTION", "REFERENCES"], "{ways}");

    assert_eq!(world.sql("SELECT count(*) FROM documents"), "2\n");
    assert_eq!(
        world.sql("SELECT name FROM entities WHERE kind = 'field' ORDER BY name"),
        "data\ndata.price\nevent\n"
    );
    let verify = world.run("verify --data-dir d --json").is(0).last();
    assert_eq!((&verify["graph"]["holds"], &verify["index"]), (&true.into(), &Value::Null), "{verify}");
    world.covered();

    world.ok("index build --data-dir d");
    let found = world.run("search ships --scope path:docs/deep --data-dir d --json").is(0).last();
    let sources: Vec<&str> = found["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["metadata"]["source"].as_str().unwrap())
        .collect();
    assert!(
        !sources.is_empty() && sources.iter().all(|source| source.ends_with("deep/harbour.md")),
        "{sources:?}"
    );
    world.run("search ships --scope deep --data-dir d").is(2).says(&["path:DIRECTORY"]);
    world.run("graph neighbors nobody --data-dir d").is(1).says(&["nobody", "entities"]);
    world.run("graph neighbors crane --depth 4 --data-dir d").is(2);
}

#[test]
fn a_document_that_cannot_be_read_is_told_and_the_rest_is_done() {
    let world = world(82);
    world.write("docs/broken.pdf", b"%PDF-1.7\nand nothing of one");
    let ran = world.run("ingest docs --data-dir d --no-embed --json").is(3);
    let events = ran.events();
    let failures = &event(&events, "graph")["failures"];
    assert!(failures[0]["uri"].as_str().unwrap().ends_with("broken.pdf"), "{failures}");
    assert_eq!(event(&events, "graph")["documents"], 2);
    // Its bytes are kept, and it is accounted for.
    let verify = world.run("verify --data-dir d --json").is(0).last();
    assert_eq!(verify["graph"]["unread_count"], 1);
    let replayed = world.run("replay docs/broken.pdf --data-dir d --output back.pdf").is(0);
    assert!(replayed.stderr.is_empty() || !replayed.stderr.contains("error"), "{}", replayed.stderr);
    assert_eq!(world.read("back.pdf"), world.read("docs/broken.pdf"));
    std::fs::remove_file(world.path("docs/broken.pdf")).unwrap();
    world.run("ingest docs --data-dir d --no-embed").is(0).stdout.contains("removed").then_some(()).unwrap();
    assert_eq!(world.run("graph status --data-dir d --json").is(0).last()["unread"], Value::Array(vec![]));
}

/// A documentation set of this machine and the models, if there are any.
#[expect(clippy::print_stderr, reason = "what was not tested has to be seen")]
fn docker(test: &str) -> Option<(PathBuf, PathBuf)> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let found = named("STELE_DOCUMENTS").map(|dir| dir.join("docker-cli")).zip(named("STELE_MODELS"));
    let found = found.filter(|(docs, models)| docs.is_dir() && models.is_dir());
    if found.is_none() {
        eprintln!(
            "SKIPPED, NOTHING TESTED: {test} needs STELE_DOCUMENTS with docker-cli in it, and STELE_MODELS"
        );
    }
    found
}

#[test]
fn questions_about_a_real_set_of_documents_are_answered() {
    let Some((docs, models)) = docker("questions_about_a_real_set_of_documents_are_answered") else { return };
    let world = World::new(83);
    let run = |line: &[&str]| {
        let output = world.stele_args(line.iter().copied()).env("STELE_MODELS", &models).output().unwrap();
        Ran::of(output).is(0)
    };
    run(&["ingest", docs.to_str().unwrap(), "--data-dir", "d", "--no-embed"]);
    run(&["index", "build", "--data-dir", "d"]);
    let (with, without) = (answered(&run, &[]), answered(&run, &["--no-graph"]));
    let said = format!("hit@1 and hit@3, with the graph {with:?}, without {without:?}");
    assert!(with.0 >= 0.8 && with.1 >= 0.95, "{said}");
    assert!(with.0 >= without.0 && with.1 >= without.1, "{said}");
}

/// Shares of the labelled questions whose answer is first, and among the first three.
fn answered(run: &dyn Fn(&[&str]) -> Ran, flags: &[&str]) -> (f64, f64) {
    let questions: Vec<&str> = include_str!("documents.tsv").lines().collect();
    let (mut first, mut third) = (0, 0);
    for line in &questions {
        let fields: Vec<&str> = line.split('\t').collect();
        let [question, pages, headings] = fields[..] else { panic!("{line}") };
        let mut command = vec!["search", question, "--top", "3", "--data-dir", "d", "--json"];
        command.extend(flags);
        let answer = run(&command).last();
        let right = |one: &&Value| {
            let page = Path::new(one["metadata"]["source"].as_str().unwrap())
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let title = one["metadata"]["title"].as_str().unwrap().rsplit(" › ").next().unwrap().to_owned();
            let text = one["text"].as_str().unwrap();
            pages.split(',').any(|wanted| is_page(&page, wanted))
                && headings.split('|').any(|heading| match heading.split_once('~') {
                    Some((heading, option)) => title == heading && text.contains(option),
                    None => title.starts_with(heading),
                })
        };
        let results = answer["results"].as_array().unwrap();
        first += usize::from(results.iter().take(1).any(|one| right(&one)));
        third += usize::from(results.iter().any(|one| right(&one)));
    }
    (first as f64 / questions.len() as f64, third as f64 / questions.len() as f64)
}

/// A page, or the page of the same command without its group: `container run` is `run`, too.
fn is_page(page: &str, wanted: &str) -> bool {
    let short = wanted.split_once('_').filter(|(group, _)| ["container", "image", "system"].contains(group));
    page == wanted || short.is_some_and(|(_, short)| page == short)
}
