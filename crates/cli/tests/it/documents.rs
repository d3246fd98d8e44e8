//! Documents on the command line: brought in, asked about, walked, verified, changed.

use std::path::{Path, PathBuf};

use serde_json::Value;
use stele_testkit::pdf::{scanned, written};

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

/// Names of the documents that a question finds.
fn sources(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().unwrap().iter();
    let mut names: Vec<String> = results
        .map(|one| one["metadata"]["source"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn documents_are_filed_and_found_by_their_tags() {
    let world = World::new(85);
    world.write("stele.toml", "[embedding]\nprovider = \"test-double\"\ndimension = 32\n");
    world.write("docs/crane.md", format!("---\ntags: [Machines, port]\n---\n{GUIDE}"));
    world.write("docs/deep/harbour.md", HARBOUR);
    world.ok("ingest docs --tag Handbook,ships --tag handbook --data-dir d --no-embed");
    world.ok("index build --data-dir d");
    let found = |scope: &str| {
        let args = ["search", "ships", "--kind", "section", "--scope", scope, "--data-dir", "d", "--json"];
        sources(&world.run_args(args).is(0).last())
    };
    assert_eq!(found("tag:handbook"), ["crane.md", "harbour.md"]);
    assert_eq!(found("tag:Port"), ["crane.md"]);
    let tags = "SELECT array_to_string(tags, '+') FROM documents ORDER BY source";
    assert_eq!(world.sql(tags), "handbook+machines+port+ships\nhandbook+ships\n");
    assert_eq!(world.sql("SELECT DISTINCT array_to_string(tags, '+') FROM files"), "handbook+ships\n");

    // Filed anew: what is stated in the file stays, no text is embedded again, and graph and index need not be
    // there for the lake to know.
    let args = ["ingest", "docs/crane.md", "--tag", "old", "--data-dir", "d", "--no-embed", "--json"];
    assert_eq!(world.run_args(args).is(0).last()["tagged"], 1);
    let late = world.run("search ships --data-dir d --json").is(0).last();
    assert_eq!((&late["complete"], &late["pending"]), (&false.into(), &2.into()), "one came, one went");
    let built = world.run("index build --data-dir d --json").is(0).last();
    assert_eq!((&built["embedded"], built["changed"].as_u64() > Some(0)), (&0.into(), true), "{built}");
    assert_eq!(
        (found("tag:handbook"), found("tag:old")),
        (vec!["harbour.md".into()], vec!["crane.md".into()])
    );
    assert_eq!(found("tag:port"), ["crane.md"]);
    for derived in ["d/graph", "d/index"] {
        std::fs::remove_dir_all(world.path(derived)).unwrap();
    }
    world.ok("graph build --data-dir d");
    world.ok("index build --data-dir d");
    assert_eq!(
        (found("tag:handbook"), found("tag:old")),
        (vec!["harbour.md".into()], vec!["crane.md".into()])
    );

    world.ok("ingest docs --no-tags --data-dir d --no-embed");
    assert_eq!(world.sql(tags), "machines+port\n\"\"\n");
    world.run("ingest docs --tag , --data-dir d").is(2).says(&["--tag", "a word"]);
    world.run("ingest docs --tag a --no-tags --data-dir d").is(2);
    world.covered();
}

#[test]
fn what_is_not_there_is_said_and_what_comes_near() {
    let world = World::new(87);
    world.write("stele.toml", "[embedding]\nprovider = \"none\"\n");
    world.write("docs/crane.md", format!("---\ntags: [machines]\n---\n{GUIDE}"));
    world.write("docs/deep/harbour.md", HARBOUR);
    world.ok("ingest docs --data-dir d --no-embed");
    world.ok("index build --data-dir d");
    for (scope, says) in [
        (
            "path:docs/dep",
            "nothing that was ingested is path:docs/dep or lies below it; near it are docs/deep",
        ),
        ("tag:machine", "no document is filed under tag:machine; near it are machines"),
    ] {
        let args = ["search", "ships", "--scope", scope, "--data-dir", "d"];
        let ran = world.run_args(args).is(0);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
        let args = ["search", "ships", "--scope", scope, "--scope", "path:docs", "--data-dir", "d", "--json"];
        let answer = world.run_args(args).is(0).last();
        assert!(answer["notes"].to_string().contains(says) && !sources(&answer).is_empty(), "{answer}");
    }
    // What is there and does not answer is another matter.
    let args = ["search", "nowhere", "--arm", "text", "--scope", "path:docs/deep", "--data-dir", "d"];
    assert!(!world.run_args(args).is(0).stderr.contains("nothing that was ingested"));

    std::fs::remove_dir_all(world.path("d/graph")).unwrap();
    let args = ["sql", "SELECT count(*) FROM documents", "--data-dir", "d"];
    world.run_args(args).is(1).says(&["documents", "stele graph build"]);
    // A failure names its file once.
    world.write("docs/broken.pdf", "%PDF-1.7\nand nothing of one");
    let ran = world.run("ingest docs --data-dir d --no-embed").is(3);
    let said = ran.stderr.lines().filter(|line| line.contains("error:")).collect::<Vec<_>>();
    assert!(said.len() == 1 && said[0].matches("broken.pdf").count() == 1, "{}", ran.stderr);
}

/// The programs that read PDF, each where it is; nothing if one of them is not here.
#[expect(clippy::print_stderr, reason = "what was not tested has to be seen")]
fn programs(names: &[&str]) -> Option<Vec<PathBuf>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |name: &&str| {
        let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
        if found.is_none() {
            assert!(std::env::var_os("CI").is_none(), "{name} has to be installed in CI");
            eprintln!("SKIPPED, NOTHING TESTED: scanned pages need {name}");
        }
        found
    };
    names.iter().map(find).collect()
}

#[test]
fn a_scanned_page_is_found_by_its_words_and_without_ocr_is_a_finding() {
    let Some(programs) = programs(&["pdfinfo", "pdftotext", "pdftoppm", "tesseract"]) else { return };
    let world = World::new(88);
    world.write("stele.toml", "[embedding]\nprovider = \"none\"\n");
    world.write("docs/scan.pdf", scanned(&written(&[&["THE HARBOUR MASTER", "COUNTS ANCHORS"]])));
    world.write("docs/crane.md", GUIDE);
    // Everything but the one that reads pictures.
    std::fs::create_dir(world.path("bin")).unwrap();
    for program in programs.iter().filter(|program| !program.ends_with("tesseract")) {
        std::os::unix::fs::symlink(program, world.path("bin").join(program.file_name().unwrap())).unwrap();
    }
    let run = |line: &str, path: Option<PathBuf>| {
        let mut command = world.stele(line);
        if let Some(path) = path {
            command.env("PATH", path);
        }
        Ran::of(command.output().unwrap())
    };
    let blank = "SELECT pages_without_text FROM documents WHERE source LIKE '%scan.pdf'";
    let said = run("ingest docs --data-dir without --no-embed", Some(world.path("bin"))).is(0).stdout;
    assert!(said.contains("1 warning about what was read"), "{said}");
    let sql = ["sql", blank, "--data-dir", "without", "--format", "csv"];
    assert_eq!(world.run_args(sql).is(0).stdout, "pages_without_text\n1\n");
    let why =
        ["sql", "SELECT warnings FROM documents WHERE source LIKE '%scan.pdf'", "--data-dir", "without"];
    assert!(world.run_args(why).is(0).stdout.contains("page_without_text"));
    world.run("verify --data-dir without").is(0);

    run("ingest docs --data-dir d --no-embed", None).is(0);
    assert_eq!(world.sql(blank), "0\n");
    run("index build --data-dir d", None).is(0);
    let found = world.run("search anchors --arm text --data-dir d --json").is(0).last();
    assert_eq!(sources(&found), ["scan.pdf"], "{found}");
    assert!(found["results"][0]["evidence"]["at"].as_str().unwrap().ends_with("scan.pdf#page=1"), "{found}");
}

#[test]
fn an_answer_comes_with_what_stands_around_it_as_far_as_a_budget_goes() {
    let world = World::new(86);
    world.write("stele.toml", "[embedding]\nprovider = \"none\"\n");
    let long = |word: &str| format!("Some {word} words about one thing and nothing else.\n\n").repeat(30);
    let page = format!(
        "# Page\n\nIntroduction.\n\n## First\n\n{}## Second\n\n{}The anchor chain is heavy.\n\n{}## Third\n\nShort.\n",
        long("first"),
        long("second"),
        long("later")
    );
    world.write("docs/page.md", &page);
    world.write("docs/ticks.jsonl", "{\"event\":\"tick\",\"data\":{\"anchor\":1}}\n");
    world.ok("ingest docs --data-dir d --no-embed");
    world.ok("index build --data-dir d");
    let ask = |question: &str, tokens: &str| {
        let args = ["search", question, "--context", tokens, "--top", "3", "--data-dir", "d", "--json"];
        world.run_args(args).is(0).last()
    };
    let around = |answer: &Value| answer["results"][0]["context"].clone();
    let relations = |context: &Value| -> Vec<String> {
        let sections = context["sections"].as_array().unwrap_or_else(|| panic!("{context}")).iter();
        sections.map(|one| one["relation"].as_str().unwrap().to_owned()).collect()
    };

    // Too little for the section: the stretch that answers is kept, and says which lines it is.
    let answer = ask("heavy chain", "60");
    let context = around(&answer);
    assert_eq!(
        (relations(&context), &context["limit_reason"]),
        (vec!["itself".to_owned()], &"tokens".into())
    );
    let (section, text) = (&context["sections"][0], context["sections"][0]["text"].as_str().unwrap());
    assert!(text.contains("anchor chain") && section["cut"] == true, "{context}");
    let lines = page.lines().collect::<Vec<_>>();
    let first = section["lines"]["start"].as_u64().unwrap() as usize;
    assert!(text.starts_with(lines[first - 1]) && !lines[first - 1].is_empty(), "{first}: {context}");
    assert!(context["tokens"].as_u64() <= Some(60));
    // Enough for it and the short ones near it, not for the long one before it.
    let context = around(&ask("heavy chain", "850"));
    assert_eq!(relations(&context), ["above", "itself", "next"], "{context}");
    // All of it.
    let context = around(&ask("heavy chain", "4000"));
    assert_eq!(relations(&context), ["above", "before", "itself", "next"]);
    assert_eq!((&context["limit_reason"], &context["more"]), (&Value::Null, &false.into()));
    // A section is given once, and a field of a recording stands in no section.
    let answer = ask("second words", "500");
    assert_eq!(answer["results"][1]["context"]["same_as"], 1, "{answer}");
    assert_eq!(around(&ask("data.anchor", "500")), Value::Null);

    let page = world.run("search anchor --kind section --context 60 --data-dir d").is(0).stdout;
    assert!(page.contains("(itself, a part), ") && page.contains("a larger --context"), "{page}");
    world.run("search anchor --context 0 --data-dir d").is(2).says(&["--context"]);
    // Without a graph there are answers, and a word on what is missing.
    std::fs::remove_dir_all(world.path("d/graph")).unwrap();
    let args = "search anchor --kind section --context 60 --data-dir d --json";
    let answer = world.run(args).is(0).last();
    assert_eq!(around(&answer), Value::Null);
    assert!(answer["notes"].to_string().contains("index build"), "{answer}");
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
