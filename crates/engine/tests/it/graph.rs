//! From documents in the lake to the graph and the index: what changes is read again, and nothing else;
//! what is gone is gone everywhere; what cannot be read leaves what was there.

use std::fs;

use stele_engine::graph::{Follow, GraphSummary};
use stele_engine::lake::sql::{Params, SqlOptions};
use stele_engine::retrieval::{Filter, Question, Scope};
use stele_engine::{Cancel, CheckState, EmbeddingConfig, Engine, IndexSummary, NoProgress, Ready};
use stele_model::EdgeKind;

use crate::place::Place;

const GUIDE: &str = "# crane\n\nLift things from ships.\n\n## Options\n\n| Option | Description |\n|---|---|\n\
    | `--load` | How much to lift |\n\n## Set-up\n\n1. Fix the crane.\n2. Run `crane --load 3`.\n\n\
    See [the harbour](harbour.md).\n";

pub const HARBOUR: &str = "---\ntags: [ports, cli]\n---\n# The harbour\n\nWhere ships lie at anchor.\n\n## Tides\n\nHigh water comes twice a day.\n";

/// Two documents and a recording, brought in by a test's double for a model.
pub fn place() -> Place {
    let mut place = Place::new();
    place.settings.embedding = EmbeddingConfig::TestDouble { dimension: 8 };
    place.write("docs/crane.md", GUIDE);
    place.write("docs/harbour.md", HARBOUR);
    place.write(
        "docs/ticks.jsonl",
        "{\"event\":\"tick\",\"data\":{\"price\":1}}\n{\"event\":\"tick\",\"data\":{\"price\":2}}\n",
    );
    place
}

/// Brings everything up to what is on disk.
pub fn bring_up(place: &Place) -> (GraphSummary, IndexSummary) {
    place.ingest("docs");
    let engine = place.engine();
    let graph = engine.graph_build(&NoProgress, &Cancel::default()).unwrap();
    let index = engine.index_build(&NoProgress, &Cancel::default()).unwrap();
    holds(&engine);
    (graph, index)
}

/// Graph and index are what the lake comes to.
fn holds(engine: &Engine) {
    let report = engine.verify().unwrap();
    let graph = report.graph.unwrap();
    assert!(graph.holds, "{graph:?}");
    let index = report.index.unwrap();
    assert!(index.holds, "{index:?}");
    assert_eq!(report.ready_for_queries, Ready::Unverified);
}

/// The graph is what the lake comes to.
#[track_caller]
pub fn holds_graph(engine: &Engine) {
    let graph = engine.graph_verify().unwrap();
    assert!(graph.holds, "{graph:?}");
}

/// Texts that stand in the first results for a question.
pub fn found(engine: &Engine, question: Question) -> Vec<String> {
    let answer = engine.search(&question, &Cancel::default()).unwrap();
    assert!(answer.complete);
    answer.answer.results.into_iter().map(|found| found.text).collect()
}

pub fn names(engine: &Engine, name: &str, kind: EdgeKind) -> Vec<String> {
    let follow = Follow { kinds: vec![kind], ..Follow::default() };
    let around = engine.neighbors(name, 1, 50, &follow).unwrap();
    around.nodes.into_iter().map(|node| node.name).collect()
}

pub fn sql(engine: &Engine, query: &str) -> String {
    let options = SqlOptions { memory_limit: 256 << 20, threads: 1, temp_dir: engine.sql_temp_dir() };
    let sql = engine.sql(&engine.snapshot().unwrap(), &options).unwrap();
    let mut all = Vec::new();
    sql.query(query, &Params::none())
        .unwrap()
        .each_text(|row| {
            all.push(row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(" "));
            Ok::<(), stele_engine::lake::sql::SqlError>(())
        })
        .unwrap();
    all.join("\n")
}

#[test]
fn documents_and_recordings_are_one_graph() {
    let place = place();
    let (graph, index) = bring_up(&place);
    assert_eq!((graph.documents, graph.read, graph.failures.len()), (2, 2, 0));
    assert_eq!(graph.characters_in, graph.characters_out);
    assert_eq!(index.embedded + index.reused, index.inserted);
    let engine = place.engine();
    assert_eq!(names(&engine, "crane", EdgeKind::HasParameter), ["--load"]);
    assert_eq!(names(&engine, "tick", EdgeKind::HasField), ["data", "data.price", "event"]);
    assert_eq!(sql(&engine, "SELECT count(*) FROM documents"), "2");
    assert_eq!(
        sql(&engine, "SELECT description FROM entities WHERE kind = 'parameter' AND name = '--load'"),
        "How much to lift"
    );
    assert_eq!(sql(&engine, "SELECT count(*) FROM edges WHERE kind = 'REFERENCES'"), "1");
    let thing = engine.thing("--load").unwrap();
    assert_eq!(thing.description.as_deref(), Some("How much to lift"));
    assert!(thing.mentions.iter().any(|mention| mention.at.ends_with("crane.md:5")), "{thing:?}");
    // The same again is nothing to do.
    let (graph, index) = bring_up(&place);
    assert_eq!((graph.read, graph.removed, index.inserted, index.deleted), (0, 0, 0, 0));
}

#[test]
fn an_edit_reads_one_document_and_embeds_one_section() {
    let place = place();
    bring_up(&place);
    let before = place.engine().graph_status().unwrap();
    place.write("docs/harbour.md", HARBOUR.replace("twice a day", "every twelve hours"));
    let (graph, index) = bring_up(&place);
    assert_eq!((graph.read, graph.unchanged), (1, 1));
    assert_eq!((index.embedded, index.inserted, index.deleted), (1, 1, 1));
    let engine = place.engine();
    let asked = |text: &str| found(&engine, Question { top: 20, ..Question::new(text) }).concat();
    assert!(asked("every twelve hours").contains("every twelve hours"));
    assert!(!asked("high water twice a day").contains("twice a day"));
    assert_eq!(sql(&engine, "SELECT count(*) FROM sections WHERE text LIKE '%twice a day%'"), "0");
    // Reverted: everything is what it was.
    place.write("docs/harbour.md", HARBOUR);
    bring_up(&place);
    assert_eq!(place.engine().graph_status().unwrap().logical_hash, before.logical_hash);
}

#[test]
fn what_is_gone_or_renamed_is_gone_everywhere() {
    let place = place();
    bring_up(&place);
    fs::rename(place.path("docs/crane.md"), place.path("docs/lift.md")).unwrap();
    let (graph, index) = bring_up(&place);
    assert_eq!((graph.documents, graph.read, graph.removed), (2, 1, 1));
    assert_eq!(index.embedded, 0, "equal texts have equal vectors");
    let engine = place.engine();
    assert_eq!(sql(&engine, "SELECT count(*) FROM documents WHERE source LIKE '%crane.md'"), "0");
    fs::remove_file(place.path("docs/lift.md")).unwrap();
    let (graph, _) = bring_up(&place);
    assert_eq!((graph.documents, graph.removed), (1, 1));
    let engine = place.engine();
    assert!(engine.thing("--load").is_err());
    assert_eq!(
        found(&engine, Question { top: 20, ..Question::new("--load") }).concat().matches("--load").count(),
        0
    );
    // It comes back, and finds its target again.
    place.write("docs/crane.md", GUIDE);
    bring_up(&place);
    assert_eq!(sql(&place.engine(), "SELECT count(*) FROM edges WHERE kind = 'REFERENCES'"), "1");
}

#[test]
fn what_cannot_be_read_leaves_what_was_there() {
    let place = place();
    place.write("docs/page.html", "<h1>Quay</h1><p>Bollards and rope.</p>");
    bring_up(&place);
    // The same name, and now a picture that nobody can read.
    let mut picture = b"%PDF-1.7\n".to_vec();
    picture.extend([0xff; 64]);
    place.write("docs/page.html", &picture);
    let (graph, _) = bring_up(&place);
    assert_eq!(graph.failures.len(), 1, "{:?}", graph.failures);
    assert!(graph.failures[0].uri.ends_with("page.html"));
    let engine = place.engine();
    assert!(found(&engine, Question::new("bollards and rope")).concat().contains("Bollards"));
    // It is told as long as it is so, and not tried again.
    let again = engine.graph_build(&NoProgress, &Cancel::default()).unwrap();
    assert_eq!((again.failures.len(), again.read), (1, 0));
    place.write("docs/page.html", "<h1>Quay</h1><p>Only rope.</p>");
    let (graph, _) = bring_up(&place);
    assert_eq!((graph.failures.len(), graph.read), (0, 1));
    assert!(
        !found(&place.engine(), Question { top: 20, ..Question::new("bollards") })
            .concat()
            .contains("Bollards")
    );
}

#[test]
fn a_graph_that_is_made_anew_is_the_same() {
    let place = place();
    bring_up(&place);
    place.write("docs/crane.md", GUIDE.replace("Lift things", "Lift and lower things"));
    fs::remove_file(place.path("docs/harbour.md")).unwrap();
    bring_up(&place);
    let hash = place.engine().graph_status().unwrap().logical_hash;
    place.engine().graph_rebuild(&NoProgress, &Cancel::default()).unwrap();
    assert_eq!(place.engine().graph_status().unwrap().logical_hash, hash);
    fs::remove_dir_all(place.settings.data_dir.join("graph")).unwrap();
    // Nobody is told that there are none.
    let engine = place.engine();
    let options = SqlOptions { memory_limit: 256 << 20, threads: 1, temp_dir: engine.sql_temp_dir() };
    let asked = engine.sql(&engine.snapshot().unwrap(), &options).unwrap();
    assert!(asked.query("SELECT count(*) FROM documents", &Params::none()).is_err());
    assert!(asked.query("SELECT count(*) FROM files", &Params::none()).is_ok());
    place.engine().graph_build(&NoProgress, &Cancel::default()).unwrap();
    assert_eq!(place.engine().graph_status().unwrap().logical_hash, hash);
    holds(&place.engine());
}

#[test]
fn scopes_are_directories_files_and_tags() {
    let place = place();
    place.write("docs/deep/crane.md", "# Another crane\n\nIt lifts as well.\n");
    bring_up(&place);
    let engine = place.engine();
    let within = |scope: Scope| -> Vec<String> {
        let filter = Filter { scopes: vec![scope], ..Filter::default() };
        let question = Question { top: 50, filter, ..Question::new("crane") };
        let answer = engine.search(&question, &Cancel::default()).unwrap();
        let mut names: Vec<String> = answer
            .answer
            .results
            .iter()
            .map(|one| one.metadata.source.rsplit("docs/").next().unwrap_or_default().to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(within(Scope::Path("docs/deep".to_owned())), ["deep/crane.md"]);
    assert_eq!(within(Scope::Path("deep/crane.md".to_owned())), ["deep/crane.md"]);
    assert_eq!(within(Scope::Path("crane.md".to_owned())), ["crane.md", "deep/crane.md"]);
    assert_eq!(within(Scope::Path("dee".to_owned())), Vec::<String>::new());
    assert_eq!(within(Scope::Path("%".to_owned())), Vec::<String>::new());
    assert_eq!(within(Scope::Tag("Ports".to_owned())), ["harbour.md"]);
    assert_eq!(within(Scope::Tag("port".to_owned())), Vec::<String>::new());
}

#[test]
fn documents_of_one_tenant_are_not_those_of_another() {
    let place = place();
    bring_up(&place);
    let other = place.engine_of("other");
    let targets = [place.path("docs/harbour.md").display().to_string()];
    other.ingest(&targets, &stele_engine::IngestOptions::default(), &NoProgress, &Cancel::default()).unwrap();
    other.graph_build(&NoProgress, &Cancel::default()).unwrap();
    assert_eq!(sql(&other, "SELECT count(*) FROM documents"), "1");
    assert!(other.thing("--load").is_err());
    place.engine().graph_build(&NoProgress, &Cancel::default()).unwrap();
    assert_eq!(sql(&place.engine(), "SELECT count(*) FROM documents"), "2");
}

#[test]
fn whether_it_is_a_document_is_for_each_name_to_say() {
    let place = Place::new();
    place.write("docs/note.dat", "Plain words.\n");
    place.write("docs/issue #12.md", "# Twelve\n\nWhat is wrong.\n");
    place.write("docs/empty.md", "");
    place.ingest("docs");
    place.engine().graph_build(&NoProgress, &Cancel::default()).unwrap();
    assert_eq!(sql(&place.engine(), "SELECT title FROM documents ORDER BY title"), "Twelve\nempty");
    // Cut into lines under one name, and a document under the next.
    fs::rename(place.path("docs/note.dat"), place.path("docs/note.md")).unwrap();
    fs::copy(place.path("docs/issue #12.md"), place.path("docs/twelve.log")).unwrap();
    place.ingest("docs");
    let engine = place.engine();
    engine.graph_build(&NoProgress, &Cancel::default()).unwrap();
    assert_eq!(sql(&engine, "SELECT title FROM documents ORDER BY title"), "Twelve\nempty\nnote");
    let verified = engine.graph_verify().unwrap();
    assert!(verified.holds, "{verified:?}");
    assert!(engine.coverage(&NoProgress, &Cancel::default()).unwrap().holds);
}

#[test]
fn a_damaged_graph_is_told_and_made_anew() {
    let place = place();
    bring_up(&place);
    let hash = place.engine().graph_status().unwrap().logical_hash;
    let graph = place.settings.data_dir.join("graph");
    let check = || {
        let checks = place.engine().doctor(false, &NoProgress).unwrap();
        match checks.iter().find(|check| check.name == "graph").unwrap().state {
            CheckState::Ok => "ok",
            CheckState::Fixed | CheckState::Warning => "warning",
            CheckState::Failed => "failed",
        }
    };
    assert_eq!(check(), "ok");
    let part = fs::read_dir(graph.join("p-1")).unwrap().map(|entry| entry.unwrap().path());
    let edges = part.into_iter().find(|path| path.ends_with("edges.parquet")).unwrap();
    let whole = fs::read(&edges).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&edges, &flipped).unwrap();
    assert_eq!(check(), "failed");
    fs::write(&edges, &whole[..whole.len() / 2]).unwrap();
    place.engine().graph_build(&NoProgress, &Cancel::default()).unwrap();
    assert_eq!((check(), place.engine().graph_status().unwrap().logical_hash), ("ok", hash.clone()));
    fs::write(graph.join("CURRENT.json"), "{").unwrap();
    assert_eq!(check(), "failed");
    assert_eq!(sql(&place.engine(), "SELECT count(*) FROM events"), "2");
    place.engine().graph_build(&NoProgress, &Cancel::default()).unwrap();
    assert_eq!(place.engine().graph_status().unwrap().logical_hash, hash);
    fs::remove_dir_all(&graph).unwrap();
    assert_eq!(check(), "failed");
}
