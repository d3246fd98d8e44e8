//! Exports and pictures: read back by other programs' rules.

use std::collections::BTreeSet;
use std::io;

use quick_xml::Reader as Xml;
use quick_xml::events::Event;
use stele_graph::{ExportFormat, Exported, Follow, GraphError, Piece};
use stele_model::{Edge, EdgeKind, Node, RecordId};

use crate::fixture::{World, command, follows, id_of, piece, three, why};

/// What tries to end a mark, an attribute or a string, and what no format can hold.
const HOSTILE: &str = "a\"b'c<d>&e\\\n]]>\u{0}\u{1b}\u{fffe}é</title><script>";

fn hostile() -> Vec<Piece> {
    let mut pieces = three();
    let document = &mut pieces[0].document;
    document.title = HOSTILE.to_owned();
    document.sections[0].title = HOSTILE.to_owned();
    pieces[0].entities[0].name = HOSTILE.to_owned();
    pieces[0].entities[0].description = Some(HOSTILE.to_owned());
    pieces
}

fn export(world: &World, format: ExportFormat) -> (Exported, String) {
    let mut out = Vec::new();
    let done = world.reader().export(format, &mut out).unwrap();
    (done, String::from_utf8(out).unwrap())
}

/// Names of elements, values of `id`, and pairs of `source` and `target`.
#[derive(Default)]
struct Seen {
    elements: Vec<String>,
    ids: BTreeSet<String>,
    ends: Vec<(String, String)>,
}

/// Reads XML to its end: tags that match, characters that are allowed, known references.
fn read_xml(text: &str) -> Seen {
    let allowed = |letter: char| matches!(letter, '\t' | '\n' | '\r') || letter >= ' ';
    assert!(text.chars().all(|letter| allowed(letter) && letter < '\u{fffe}' || letter > '\u{ffff}'));
    let mut xml = Xml::from_str(text);
    xml.config_mut().check_end_names = true;
    let mut seen = Seen::default();
    let mut open = 0;
    loop {
        let event = xml.read_event().unwrap();
        let element = match &event {
            Event::Eof => break,
            Event::Start(element) => {
                open += 1;
                element
            }
            Event::Empty(element) => element,
            Event::End(_) => {
                open -= 1;
                continue;
            }
            _ => continue,
        };
        let name = element.name().as_ref().to_owned();
        let (mut id, mut source, mut target) = (None, None, None);
        for attribute in element.attributes() {
            let attribute = attribute.unwrap();
            let value = attribute.value.into_owned();
            match attribute.key.as_ref() {
                "id" => id = Some(value),
                "source" => source = Some(value),
                "target" => target = Some(value),
                _ => {}
            }
        }
        if name == "node" {
            assert!(seen.ids.insert(id.unwrap()), "a node is there twice");
        }
        seen.ends.extend(source.zip(target));
        seen.elements.push(name);
    }
    assert_eq!(open, 0);
    seen
}

fn count(names: &[String], name: &str) -> u64 {
    names.iter().filter(|there| *there == name).count() as u64
}

#[test]
fn graphml_is_read_back() {
    let (done, text) = export(&World::with(&hostile()), ExportFormat::GraphMl);
    let seen = read_xml(&text);
    assert_eq!((count(&seen.elements, "node"), count(&seen.elements, "edge")), (done.nodes, done.edges));
    assert_eq!(seen.ends.len() as u64, done.edges);
    assert!(seen.ends.iter().all(|(from, to)| seen.ids.contains(from) && seen.ids.contains(to)));
    assert_eq!(count(&seen.elements, "script"), 0);
}

#[test]
fn json_is_read_back() {
    let world = World::with(&hostile());
    let (done, text) = export(&world, ExportFormat::Json);
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (nodes, edges) = (read["nodes"].as_array().unwrap(), read["edges"].as_array().unwrap());
    assert_eq!((nodes.len() as u64, edges.len() as u64), (done.nodes, done.edges));
    // Three documents, six sections, two commands.
    assert_eq!(done.nodes, 11);
    assert_eq!(done.edges, world.reader().edges().count() as u64);
    let ids: BTreeSet<&str> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), nodes.len());
    assert!(nodes.iter().any(|node| node["kind"] == "command" && node["label"] == HOSTILE));
    for edge in edges {
        assert!(ids.contains(edge["from"].as_str().unwrap()) && ids.contains(edge["to"].as_str().unwrap()));
        assert!(edge["extractor"] == "made-up 1" && edge["span_end"] == 6, "{edge}");
    }
    let (_, empty) = export(&World::with(&[]), ExportFormat::Json);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&empty).unwrap()["nodes"], serde_json::json!([]));
}

#[test]
fn dot_keeps_every_text_in_its_quotes() {
    let (done, text) = export(&World::with(&hostile()), ExportFormat::Dot);
    let lines: Vec<&str> = text.lines().collect();
    // The opening, what nodes look like, the closing: no text brought a line of its own.
    assert_eq!(lines.len() as u64, done.nodes + done.edges + 3);
    for line in &lines[2..lines.len() - 1] {
        let mut quoted = false;
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' if quoted => drop(letters.next()),
                '"' => quoted = !quoted,
                other => assert!(!other.is_control(), "{line}"),
            }
        }
        assert!(!quoted && line.ends_with("];"), "{line}");
    }
}

#[test]
fn the_order_of_writing_changes_no_export() {
    let one = World::with(&three());
    let two = World::new();
    for (version, piece) in (1..).zip(three().into_iter().rev()) {
        two.update(&[piece], &[], version);
    }
    let lines = |world: &World, format| {
        let (_, text) = export(world, format);
        text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect::<BTreeSet<_>>()
    };
    for format in ExportFormat::ALL {
        assert_eq!(lines(&one, format), lines(&two, format), "{}", format.name());
        assert_eq!(ExportFormat::from_name(format.name()), Some(format));
    }
}

#[test]
fn records_are_nodes_too() {
    let world = World::with(&three());
    let mut writer = world.home().writer().unwrap();
    let record = Node::Record(RecordId([7; 16]));
    let pull = Node::Entity(command("pull").id);
    let edge = Edge::new(EdgeKind::About, record, pull, None, why(record, 1.0));
    writer.say_edge(None, &edge).unwrap();
    writer.commit(follows(2)).unwrap();
    let (_, text) = export(&world, ExportFormat::GraphMl);
    let seen = read_xml(&text);
    let id = format!("record:{}", "07".repeat(16));
    assert!(seen.ids.contains(&id));
    assert!(seen.ends.iter().any(|(from, _)| *from == id));
}

#[test]
fn what_is_around_a_node_is_exported_alone() {
    let world = World::with(&hostile());
    let reader = world.reader();
    let around = reader.neighbors(Node::Entity(command("push").id), 2, 100, &Follow::default()).unwrap();
    let mut out = Vec::new();
    let done = reader.export_around(&around, ExportFormat::GraphMl, &mut out).unwrap();
    assert_eq!((done.nodes, done.edges), (around.nodes.len() as u64, around.edges.len() as u64));
    let seen = read_xml(&String::from_utf8(out).unwrap());
    assert!(seen.ends.iter().all(|(from, to)| seen.ids.contains(from) && seen.ids.contains(to)));
}

#[test]
fn an_output_that_refuses_is_told() {
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = World::with(&three()).reader().export(ExportFormat::Dot, &mut Closed).unwrap_err();
    assert!(matches!(&error, GraphError::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe));
}

#[test]
fn a_picture_shows_every_node_and_edge() {
    let world = World::with(&hostile());
    let reader = world.reader();
    for (node, depth) in [
        (Node::Entity(command("pull").id), 2),
        (Node::Document(id_of("a.md")), 3),
        (Node::Entity(command("none").id), 1),
    ] {
        let around = reader.neighbors(node, depth, 100, &Follow::default()).unwrap();
        let svg = reader.picture(&around).unwrap();
        assert_eq!(svg, reader.picture(&around).unwrap());
        let seen = read_xml(&svg);
        assert_eq!(count(&seen.elements, "g"), around.nodes.len() as u64);
        // One more is the tip of the arrows.
        assert_eq!(count(&seen.elements, "path"), around.edges.len() as u64 + 1);
        assert!(seen.elements.contains(&"desc".to_owned()) && !seen.elements.contains(&"script".to_owned()));
        assert!(svg.contains("prefers-color-scheme:dark") && !svg.contains("NaN") && !svg.contains("inf"));
    }
}

#[test]
fn a_picture_of_many_nodes_is_bounded() {
    let commands: Vec<String> =
        (0..150).map(|number| format!("a command with a long name {number}")).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let world = World::with(&[piece("a.md", &["text"], &commands, &[])]);
    let reader = world.reader();
    let around = reader.neighbors(Node::Document(id_of("a.md")), 2, 100, &Follow::default()).unwrap();
    let svg = reader.picture(&around).unwrap();
    assert!(svg.contains("There is more than is shown.") && svg.len() < 100_000, "{} bytes", svg.len());
}
