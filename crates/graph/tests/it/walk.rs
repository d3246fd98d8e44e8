//! Walks: what is around a node, and how two hang together.

use stele_graph::{Direction, Follow, GraphError, LimitReason, Reader};
use stele_model::{EdgeKind, Node};

use crate::fixture::{World, command, id_of, piece, section_of, three};

/// A node in short: `a.md`, `a.md#0` or the name of a command.
fn node(name: &str) -> Node {
    match name.split_once('#') {
        Some((uri, nth)) => Node::Section(section_of(uri, nth.parse().unwrap())),
        None if name.contains('.') => Node::Document(id_of(name)),
        None => Node::Entity(command(name).id),
    }
}

const NAMES: [&str; 11] =
    ["a.md", "b.md", "c.md", "a.md#0", "a.md#1", "b.md#0", "c.md#0", "c.md#1", "c.md#2", "pull", "push"];

fn name(of: Node) -> &'static str {
    NAMES.into_iter().find(|name| node(name) == of).unwrap_or("?")
}

fn follow(kinds: &[EdgeKind], direction: Direction) -> Follow {
    Follow { kinds: kinds.to_vec(), direction }
}

/// What is reached at which depth, sorted, and the number of edges.
#[track_caller]
fn around(reader: &Reader, from: &str, depth: u32, follow: &Follow, expect: &[(u32, &str)], edges: usize) {
    let found = reader.neighbors(node(from), depth, 100, follow).unwrap();
    let mut nodes: Vec<_> = found.nodes.iter().map(|reached| (reached.depth, name(reached.node))).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, expect, "{from}");
    assert_eq!((found.edges.len(), found.limit_reason), (edges, None), "{from}");
}

#[test]
fn what_is_around_a_node() {
    let world = World::with(&three());
    let reader = world.reader();
    let all = Follow::default();
    around(&reader, "push", 1, &all, &[(0, "push"), (1, "b.md#0")], 1);
    let two = [(0, "push"), (1, "b.md#0"), (2, "a.md"), (2, "b.md"), (2, "pull")];
    around(&reader, "push", 2, &all, &two, 4);
    let mentions = follow(&[EdgeKind::Mentions], Direction::Both);
    let three = [(0, "push"), (1, "b.md#0"), (2, "pull"), (3, "a.md#0"), (3, "a.md#1")];
    around(&reader, "push", 3, &mentions, &three, 4);
    around(&reader, "push", 3, &follow(&[], Direction::Out), &[(0, "push")], 0);
    around(&reader, "push", 1, &follow(&[], Direction::In), &[(0, "push"), (1, "b.md#0")], 1);
    around(&reader, "nowhere", 3, &all, &[(0, "?")], 0);
}

#[test]
fn edges_come_surest_first_and_say_who_says_so() {
    let world = World::with(&three());
    let found = world.reader().neighbors(node("b.md#0"), 1, 100, &Follow::default()).unwrap();
    let kinds: Vec<EdgeKind> = found.edges.iter().map(|followed| followed.edge.what.kind).collect();
    assert_eq!(kinds, [EdgeKind::HasSection, EdgeKind::References, EdgeKind::Mentions, EdgeKind::Mentions]);
    for followed in &found.edges {
        assert_eq!((followed.depth, followed.edge.by), (1, Some(id_of("b.md"))));
        let why = &followed.edge.what.provenance;
        assert!(why.span == (2..6) && why.extractor == "made-up 1" && why.confidence > 0.8, "{why:?}");
    }
}

#[test]
fn a_cut_is_told() {
    let world = World::with(&three());
    let reader = world.reader();
    let full = reader.neighbors(node("pull"), 3, 100, &Follow::default()).unwrap();
    assert_eq!(full.limit_reason, None);
    for rows in 1..full.edges.len() {
        let cut = reader.neighbors(node("pull"), 3, rows, &Follow::default()).unwrap();
        assert_eq!(cut.limit_reason, Some(LimitReason::Rows), "{rows}");
        assert_eq!(cut.edges, full.edges[..rows], "a cut is the beginning of the whole");
    }
    let exact = reader.neighbors(node("pull"), 3, full.edges.len(), &Follow::default()).unwrap();
    assert_eq!((exact.limit_reason, &exact.edges), (None, &full.edges));
    for (depth, rows) in [(0, 1), (4, 1), (1, 0), (1, 101)] {
        let error = reader.neighbors(node("pull"), depth, rows, &Follow::default()).unwrap_err();
        assert!(matches!(error, GraphError::Invalid(_)), "{error}");
    }
}

#[test]
fn the_order_of_writing_changes_no_answer() {
    let one = World::with(&three());
    let two = World::new();
    for (version, piece) in (1..).zip(three().into_iter().rev()) {
        two.update(&[piece], &[], version);
    }
    let ask = |world: &World| world.reader().neighbors(node("pull"), 3, 100, &Follow::default()).unwrap();
    assert_eq!(ask(&one), ask(&two));
}

#[track_caller]
fn ways(reader: &Reader, from: &str, to: &str, depth: u32, follow: &Follow, expect: &[&str]) {
    let found = reader.paths(node(from), node(to), depth, 20, follow).unwrap();
    let path = |path: &stele_graph::Path| {
        assert_eq!(path.nodes.len(), path.edges.len() + 1);
        path.nodes.iter().map(|node| name(*node)).collect::<Vec<_>>().join(" ")
    };
    let mut found: Vec<_> = found.paths.iter().map(path).collect();
    found.sort_by_key(|path| (path.len(), path.clone()));
    assert_eq!(found, expect, "{from} to {to}");
}

#[test]
fn how_two_nodes_hang_together() {
    let world = World::with(&three());
    let reader = world.reader();
    let (all, out) = (Follow::default(), follow(&[], Direction::Out));
    ways(&reader, "pull", "push", 2, &all, &["pull b.md#0 push"]);
    ways(&reader, "pull", "push", 1, &all, &[]);
    let hierarchy = follow(&[EdgeKind::HasSection, EdgeKind::Mentions], Direction::Out);
    ways(&reader, "a.md", "pull", 3, &hierarchy, &["a.md a.md#0 pull", "a.md a.md#1 pull"]);
    ways(&reader, "a.md", "push", 4, &out, &["a.md a.md#0 b.md b.md#0 push"]);
    ways(&reader, "push", "a.md", 6, &out, &[]);
    ways(&reader, "c.md", "pull", 6, &all, &[]);
    ways(&reader, "pull", "pull", 3, &all, &[]);
}

#[test]
fn paths_are_bounded() {
    let texts: Vec<String> = (0..30).map(|nth| format!("text {nth}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let world = World::with(&[piece("a.md", &texts, &["pull", "push"], &[])]);
    let found = world.reader().paths(node("pull"), node("push"), 6, 20, &Follow::default()).unwrap();
    assert_eq!((found.paths.len(), found.limit_reason), (20, Some(LimitReason::Rows)));
    assert!(found.paths.iter().all(|path| path.nodes.len() == 3), "the shortest come first");
    let error = world.reader().paths(node("pull"), node("push"), 7, 20, &Follow::default());
    assert!(matches!(error, Err(GraphError::Invalid(_))));
}

#[test]
fn no_path_passes_a_node_twice() {
    let world = World::with(&three());
    let found = world.reader().paths(node("a.md"), node("push"), 6, 20, &Follow::default()).unwrap();
    assert!(found.paths.iter().any(|path| path.nodes.len() > 4), "{found:?}");
    for path in &found.paths {
        let different: std::collections::BTreeSet<Node> = path.nodes.iter().copied().collect();
        assert_eq!(different.len(), path.nodes.len(), "{path:?}");
    }
}
