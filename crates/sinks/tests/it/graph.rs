//! Graphs in a real database that speaks Bolt.

use std::sync::{Arc, Mutex};

use stele_http::{ClientConfig, Secret, Still};
use stele_model::{
    DocumentId, Edge, EdgeKind, Entity, EntityKind, ErrorKind, Node, Provenance, RecordId, SectionId,
};
use stele_sinks::{
    GraphEdge, GraphNode, GraphParity, GraphSink, GraphSynced, Opening, PROPERTY_BYTES_MAX, Property,
    SinkConfig, SinkError, SinkKind, Step, WantedNodes, never, sync_graph, verify_graph,
};
use stele_testkit::stores::{GRAPH_DATABASE, GRAPH_PASSWORD, GRAPH_USER, Server, Store};

use crate::rig::config;

/// Sections: more than three batches of nodes, and six of edges.
const MANY: u32 = 1_600;

const ADOPT: Opening = Opening { adopt: true, recreate: false };
const RECREATE: Opening = Opening { adopt: false, recreate: true };

fn start() -> Option<Server> {
    Server::start(Store::ArcadeDb)
}

fn sink(server: &Server) -> GraphSink {
    let config = SinkConfig {
        collection: String::new(),
        user: Some(GRAPH_USER.to_owned()),
        database: Some(GRAPH_DATABASE.to_owned()),
        http: ClientConfig { tries_max: 2, ..ClientConfig::default() },
        ..config(SinkKind::Neo4j, &server.url)
    };
    GraphSink::open(&config, Some(Secret::new(GRAPH_PASSWORD)), Arc::new(Still::default())).unwrap()
}

fn document() -> Node {
    Node::Document(DocumentId::of("t", "a.md"))
}

fn section(number: u32) -> Node {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&number.to_le_bytes());
    Node::Section(SectionId(id))
}

fn thing(name: &str) -> Node {
    Node::Entity(Entity::new("t", EntityKind::Command, name, name).id)
}

fn node(node: Node, text: &str) -> GraphNode {
    GraphNode { node, properties: vec![("text", Property::Text(text.to_owned()))] }
}

fn edge(kind: EdgeKind, from: Node, to: Node) -> GraphEdge {
    let why = Provenance { source: document(), span: 3..7, confidence: 0.9, extractor: "rules/1".into() };
    GraphEdge { edge: Edge::new(kind, from, to, None, why), properties: Vec::new() }
}

/// A document with so many sections, each of which names one thing, and a record that is about it.
fn wanted_by(owner: &str, sections: u32) -> WantedNodes {
    let mut wanted = WantedNodes::new(owner);
    let record = Node::Record(RecordId([9; 16]));
    for (one, text) in [(document(), "a.md"), (thing("pull"), "pull"), (record, "")] {
        wanted.put(node(one, text));
    }
    wanted.join(edge(EdgeKind::About, record, thing("pull")));
    for number in 0..sections {
        wanted.put(node(section(number), &format!("section {number}")));
        wanted.join(edge(EdgeKind::HasSection, document(), section(number)));
        wanted.join(edge(EdgeKind::Mentions, section(number), thing("pull")));
    }
    wanted
}

fn wanted(sections: u32) -> WantedNodes {
    wanted_by("lake 7", sections)
}

fn run(server: &Server, wanted: &WantedNodes, opening: Opening) -> Result<GraphSynced, SinkError> {
    sync_graph(&sink(server), wanted, opening, &mut |_| {}, &never)
}

/// Syncs, and says how many were written and removed; afterwards everything is there, and so says the
/// database to whoever asks it.
#[track_caller]
fn copy_with(server: &Server, wanted: &WantedNodes, opening: Opening) -> (u64, u64) {
    let synced = run(server, wanted, opening).unwrap();
    assert!(synced.parity.holds(), "{synced:?}");
    assert_eq!(verify_graph(&sink(server), wanted, &never).unwrap(), synced.parity);
    let (nodes, edges) = wanted.counts();
    assert_eq!((synced.parity.nodes.counted, synced.parity.edges.counted), (nodes, edges));
    assert_eq!(count(server, "MATCH (n) WHERE n.stele_id IS NOT NULL RETURN count(n) AS found"), nodes);
    assert_eq!(
        count(server, "MATCH ()-[r]->() WHERE r.stele_id IS NOT NULL RETURN count(r) AS found"),
        edges
    );
    (synced.written, synced.removed)
}

#[track_caller]
fn copy(server: &Server, wanted: &WantedNodes) -> (u64, u64) {
    copy_with(server, wanted, Opening::default())
}

fn count(server: &Server, question: &str) -> u64 {
    server.cypher(question)[0]["found"].as_u64().unwrap()
}

#[test]
fn a_graph_is_made_kept_and_left_alone() {
    let Some(server) = start() else { return };
    // Others have sections, too.
    server.cypher("CREATE (:Section {text: 'theirs'})-[:NEXT]->(:Section {text: 'theirs'})");
    let theirs = "MATCH (a:Section {text: 'theirs'})-[r:NEXT]->(b) RETURN count(r) AS found";

    let parity = verify_graph(&sink(&server), &wanted(3), &never).unwrap();
    assert_eq!((parity.nodes.missing.count, parity.edges.missing.count), (6, 7));
    assert_eq!(copy(&server, &wanted(3)), (13, 0));
    assert_eq!(copy(&server, &wanted(3)), (0, 0), "a second run has nothing to do");
    let found = server.cypher(
        "MATCH (s:Section {text: 'section 1'})-[r:MENTIONS]->(e:Entity) \
         RETURN r.confidence AS c, r.span_end AS e, r.source_kind AS k, r.stele_owner AS o, e.text AS t",
    );
    let found = &found[0];
    assert_eq!((&found["c"], &found["e"], &found["t"]), (&0.9.into(), &7.into(), &"pull".into()));
    assert_eq!((&found["k"], &found["o"]), (&"document".into(), &"lake 7".into()));

    // Added: a section with two edges.
    assert_eq!(copy(&server, &wanted(4)), (3, 0));
    // Edited: what a node says under its id.
    let mut edited = wanted(4);
    edited.put(node(section(1), "edited"));
    assert_eq!(copy(&server, &edited), (1, 0));
    assert_eq!(count(&server, "MATCH (n:Section {text: 'edited'})-[r]-() RETURN count(r) AS found"), 2);
    // What an edge says under its id.
    let mut surer = edge(EdgeKind::Mentions, section(0), thing("pull"));
    surer.edge.provenance.confidence = 1.0;
    edited.join(surer);
    assert_eq!(copy(&server, &edited), (1, 0));
    // Deleted: a node with its edges, then one edge alone.
    edited.take(section(1));
    assert_eq!(copy(&server, &edited), (0, 3));
    let mut fewer = edited.clone();
    fewer.take(thing("pull"));
    fewer.put(node(thing("pull"), "pull"));
    assert_eq!(copy(&server, &fewer), (0, 4));
    assert_eq!(copy(&server, &WantedNodes::new("lake 7")), (0, 6 + 3));
    assert_eq!(count(&server, theirs), 1);
}

#[test]
fn what_is_drifting_is_seen_and_mended() {
    let Some(server) = start() else { return };
    let all = wanted(30);
    copy(&server, &all);
    let drift = |question: &str, expect: fn(&GraphParity) -> bool, mends: (u64, u64)| {
        server.cypher(question);
        let parity = verify_graph(&sink(&server), &all, &never).unwrap();
        assert!(!parity.holds() && expect(&parity), "{question}: {parity:?}");
        assert_eq!(copy(&server, &all), mends, "{question}");
    };
    drift(
        "MATCH (n:Section {text: 'section 3'}) DETACH DELETE n",
        |parity| (parity.nodes.missing.count, parity.edges.missing.count) == (1, 2),
        (3, 0),
    );
    drift(
        "MATCH (n:Section {text: 'section 4'}) SET n.stele_hash = 'other'",
        |parity| parity.nodes.changed.count == 1,
        (1, 0),
    );
    // As many as there should be, and yet another.
    drift(
        "MATCH (n:Section {text: 'section 5'}) SET n.stele_id = 'nobody'",
        |parity| {
            (parity.nodes.missing.count, &*parity.nodes.extra.ids) == (1, &["nobody".to_owned()])
                && parity.nodes.counted == parity.nodes.wanted
        },
        // Its edges are there and hang on the wrong node: they go with it, and come again.
        (3, 1),
    );
}

#[test]
fn texts_of_every_kind() {
    let Some(server) = start() else { return };
    let long = "ä".repeat(PROPERTY_BYTES_MAX);
    let mut wanted = WantedNodes::new("lake 7");
    let texts = ["Preis: 7 €, 価格, سعر, 🦀", "\" ' \\ \n \u{1} ') DETACH DELETE n //", &long];
    for (number, text) in (0..).zip(texts) {
        let mut one = node(section(number), text);
        one.properties.extend([
            ("level", Property::Number(i64::from(number) - 1)),
            ("tags", Property::Texts(vec!["a".to_owned(), "b c".to_owned()])),
            ("none", Property::Texts(Vec::new())),
            ("real", Property::Real(0.25)),
            ("heading", Property::Flag(true)),
        ]);
        wanted.put(one);
    }
    // Ten of the longest texts: more than goes into one question.
    (10..20).for_each(|number| wanted.put(node(section(number), &long)));
    assert_eq!(copy(&server, &wanted), (13, 0));
    let found = server.cypher(
        "MATCH (n:Section) WHERE n.level IS NOT NULL RETURN n.text AS t, n.tags AS tags, n.heading AS h \
         ORDER BY n.level",
    );
    let shown: Vec<&str> = found.iter().map(|row| row["t"].as_str().unwrap()).collect();
    assert_eq!(shown, [texts[0], texts[1], &long[..PROPERTY_BYTES_MAX]]);
    assert_eq!((&found[0]["tags"], &found[0]["h"]), (&serde_json::json!(["a", "b c"]), &true.into()));
    assert_eq!(copy(&server, &wanted), (0, 0));
}

#[test]
fn the_graph_of_another_lake_is_left_alone() {
    let Some(server) = start() else { return };
    copy(&server, &wanted_by("lake 1", 3));
    for opening in [Opening::default(), RECREATE] {
        let error = run(&server, &wanted_by("lake 2", 2), opening).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fix);
        let said = error.to_string();
        assert!(said.contains("another lake (lake 1)") && said.contains("--adopt"), "{said}");
    }
    assert!(verify_graph(&sink(&server), &wanted_by("lake 2", 2), &never).is_err());
    assert_eq!(copy(&server, &wanted_by("lake 1", 3)), (0, 0));
    server.cypher("CREATE (:Entity {name: 'theirs'})");
    assert_eq!(copy_with(&server, &wanted_by("lake 2", 2), ADOPT), (10, 0));
    assert_eq!(copy_with(&server, &wanted_by("lake 2", 2), RECREATE), (10, 0));
    assert_eq!(count(&server, "MATCH (n:Entity {name: 'theirs'}) RETURN count(n) AS found"), 1);
}

#[test]
fn a_killed_database_is_healed_by_the_next_run() {
    let Some(server) = start() else { return };
    let all = wanted(MANY);
    copy(&server, &wanted_by("lake 7", 1));
    // A person who stops it is heard, and told how far it came.
    let stop = Mutex::new(false);
    let mut once = |progress: stele_sinks::Progress| {
        *stop.lock().unwrap() = progress.step == Step::Writing;
    };
    let asked = || *stop.lock().unwrap();
    let error = sync_graph(&sink(&server), &all, Opening::default(), &mut once, &asked).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let before = verify_graph(&sink(&server), &all, &never).unwrap();
    assert!(matches!(&error, SinkError::Stopped { written, .. } if before.nodes.counted == 4 + written));

    // Between nodes and edges.
    let mut kill = |progress: stele_sinks::Progress| {
        if progress.step == Step::Writing && progress.done > u64::from(MANY) {
            server.kill();
        }
    };
    let error = sync_graph(&sink(&server), &all, Opening::default(), &mut kill, &never).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retry);
    let said = stele_model::error::in_full(&error);
    assert!(said.contains("nodes and edges were written and 0 removed"), "{said}");
    assert!(said.contains("the same command goes on") && said.contains("does not answer"), "{said}");
    server.restart();
    let parity = verify_graph(&sink(&server), &all, &never).unwrap();
    assert!(!parity.holds() && parity.edges.missing.count > 0, "{parity:?}");
    let missing = parity.nodes.missing.count + parity.edges.missing.count;
    assert_eq!(copy(&server, &all), (missing, 0));
    assert_eq!(copy(&server, &wanted(1)), (0, u64::from(MANY - 1) * 3));
}
