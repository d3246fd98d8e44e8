//! Updates: what is in a graph after some.

use std::collections::BTreeSet;

use stele_graph::{GraphError, Piece, Table};
use stele_model::{Edge, EdgeKind, Entity, EntityKind, Node, RecordId};

use crate::fixture::{World, fill, follows, id_of, piece, three, why};

/// All sources that are there, after checking that every table speaks of the same documents.
#[track_caller]
fn sources(world: &World) -> BTreeSet<String> {
    let reader = world.reader();
    reader.verify().unwrap();
    let documents: Vec<_> = reader.documents().map(Result::unwrap).collect();
    let ids: BTreeSet<_> = documents.iter().map(|document| document.id).collect();
    assert_eq!(documents.len(), ids.len(), "a document is there twice");
    assert_eq!(reader.version().documents(), ids.len() as u64);
    for section in reader.sections().map(Result::unwrap) {
        assert!(ids.contains(&section.document), "a section of nobody");
    }
    for by in reader.edges().map(|edge| edge.unwrap().by).chain(reader.mentions().map(|row| row.unwrap().by))
    {
        assert!(by.is_none_or(|by| ids.contains(&by)), "said by nobody");
    }
    documents.into_iter().map(|document| document.source).collect()
}

/// Updates one after another: texts of documents (of `-name`: it is taken out), and what is there then.
#[track_caller]
fn check(updates: &[&[&str]], expect: &[&str]) {
    let world = World::new();
    for (lake_version, names) in (1..).zip(updates) {
        let (gone, given): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.starts_with('-'));
        let pieces: Vec<Piece> = given
            .iter()
            .map(|name| {
                let (uri, text) = name.split_once('=').unwrap_or((name, "text"));
                piece(uri, &[text], &["pull"], &["a"])
            })
            .collect();
        let gone: Vec<_> = gone.iter().map(|name| id_of(&name[1..])).collect();
        let done = world.update(&pieces, &gone, lake_version);
        assert_eq!(done.version, lake_version);
    }
    let reader = world.reader();
    let found: BTreeSet<String> = reader.sections().map(|row| row.unwrap().text).collect();
    assert_eq!(found, expect.iter().map(ToString::to_string).collect(), "{updates:?}");
    sources(&world);
    // A graph that is made at once from what is there is the same.
    let anew = World::new();
    let pieces: Vec<Piece> = reader
        .documents()
        .map(Result::unwrap)
        .map(|document| {
            let text = reader.sections_of(document.id).unwrap().remove(0).text;
            piece(&document.source, &[&text], &["pull"], &["a"])
        })
        .collect();
    anew.update(&pieces, &[], 1);
    let hashes = (anew.reader().logical_hash().unwrap(), reader.logical_hash().unwrap());
    assert_eq!(hashes.0, hashes.1, "{updates:?}");
}

#[test]
fn an_update_replaces_removes_and_reverts() {
    check(&[&[]], &[]);
    check(&[&["a=1", "b=2"]], &["1", "2"]);
    check(&[&["a=1", "b=2"], &["a=3"]], &["2", "3"]);
    check(&[&["a=1", "b=2"], &["a=3"], &["a=1"]], &["1", "2"]);
    check(&[&["a=1", "b=2"], &["-a"]], &["2"]);
    check(&[&["a=1", "b=2"], &["-a", "c=1"]], &["1", "2"]);
    check(&[&["a=1"], &["-a", "-b"]], &[]);
    check(&[&["a=1"], &["-a", "a=2"]], &["2"]);
    check(&[&["a=1"], &["-a"], &["a=1"]], &["1"]);
    check(&[&["a=1", "b=1"]], &["1"]);
}

#[test]
fn what_was_done_is_counted() {
    let world = World::with(&three());
    let done = world.update(&[three()[0].clone(), piece("d.md", &["d"], &[], &[])], &[id_of("c.md")], 2);
    assert_eq!((done.added, done.replaced, done.removed, done.documents), (1, 1, 1, 3));
}

#[test]
fn references_are_kept_until_their_target_comes_and_after_it_went() {
    let world = World::with(&three());
    let links = |world: &World| {
        let edges = world.reader().edges().map(|row| row.unwrap().what);
        edges.filter(|edge| edge.kind == EdgeKind::References).map(|edge| edge.to).collect::<BTreeSet<_>>()
    };
    let node = |uri| Node::Document(id_of(uri));
    assert_eq!(links(&world), BTreeSet::from([node("a.md"), node("b.md")]));
    world.update(&[piece("later.md", &["late"], &[], &[])], &[], 2);
    assert_eq!(links(&world), BTreeSet::from([node("a.md"), node("b.md"), node("later.md")]));
    world.update(&[], &[id_of("later.md")], 3);
    assert_eq!(links(&world), BTreeSet::from([node("a.md"), node("b.md")]));
}

#[test]
fn what_follows_from_the_whole_is_made_anew_or_kept() {
    let world = World::with(&three());
    let first = Node::Record(RecordId([7; 16]));
    let event = Entity::new("t", EntityKind::Event, "reel.spin", "reel.spin");
    let edge = Edge::new(EdgeKind::About, first, Node::Entity(event.id), None, why(first, 1.0));
    let edges =
        |world: &World| world.reader().edges().filter(|row| row.as_ref().unwrap().by.is_none()).count();
    let mut writer = world.home().writer().unwrap();
    writer.say_entity(&event).unwrap();
    writer.say_edge(None, &edge).unwrap();
    writer.commit(follows(2)).unwrap();
    assert_eq!((edges(&world), world.reader().entity(event.id).unwrap()), (1, Some(event.clone())));
    let mut writer = world.home().writer().unwrap();
    writer.keep_whole();
    writer.commit(follows(3)).unwrap();
    assert_eq!((edges(&world), world.reader().entity(event.id).unwrap()), (1, Some(event.clone())));
    assert_eq!(world.reader().version().follows, follows(3));
    world.home().writer().unwrap().commit(follows(4)).unwrap();
    assert_eq!((edges(&world), world.reader().entity(event.id).unwrap()), (0, None));
}

#[test]
fn a_rebuild_begins_with_nothing() {
    let world = World::with(&three());
    let mut writer = world.home().rebuild().unwrap();
    fill(&mut writer, &three()[..1], &[]).unwrap();
    assert_eq!(sources(&world).len(), 3, "the old one answers");
    writer.commit(follows(1)).unwrap();
    assert_eq!(sources(&world), BTreeSet::from(["a.md".to_owned()]));
}

#[test]
fn without_a_commit_nothing_has_happened() {
    let world = World::with(&three());
    let mut writer = world.home().writer().unwrap();
    fill(&mut writer, &[piece("d.md", &["d"], &[], &[])], &[id_of("a.md")]).unwrap();
    let busy = world.home().writer().unwrap_err();
    assert!(matches!(busy, GraphError::Busy { pid: Some(pid), .. } if pid == std::process::id()));
    drop(writer);
    assert_eq!(sources(&world).len(), 3);
    let left = world.parts().len();
    drop(world.home().writer().unwrap());
    assert!(world.parts().len() < left, "what was not finished is removed by the next writer");
}

#[test]
fn a_document_is_given_once() {
    let world = World::new();
    let mut writer = world.home().writer().unwrap();
    writer.put(&three()[0]).unwrap();
    let error = writer.put(&three()[0]).unwrap_err();
    assert!(error.to_string().contains("a.md"), "{error}");
}

#[test]
fn many_updates_leave_few_parts() {
    let world = World::new();
    for lake_version in 1..=60 {
        let uri = format!("{}.md", lake_version % 25);
        world.update(
            &[piece(&uri, &[&format!("text {lake_version}")], &["pull"], &["0.md"])],
            &[],
            lake_version,
        );
        let version = world.reader().version().clone();
        assert!(version.parts.len() <= 8, "{} parts", version.parts.len());
        let rows: u64 = version.parts.iter().map(|part| part.rows(Table::Documents)).sum();
        assert!(rows <= 2 * version.documents().max(4), "{rows} rows for {}", version.documents());
    }
    assert_eq!(sources(&world).len(), 25);
    // This version, the one before it, and nothing else.
    assert!(world.parts().len() <= 2 * 9, "{:?}", world.parts());
}

#[test]
fn a_reader_holds_its_version() {
    let world = World::with(&three());
    let old = world.reader();
    let hash = old.logical_hash().unwrap();
    for lake_version in 2..6 {
        world.update(&[piece("a.md", &["new"], &[], &[])], &[id_of("b.md"), id_of("c.md")], lake_version);
    }
    assert_eq!(old.documents().count(), 3);
    assert_eq!(old.logical_hash().unwrap(), hash);
    assert!(old.files(Table::Sections).iter().all(|file| file.path.exists()));
    let files = old.files(Table::Sections);
    drop(old);
    world.update(&[], &[], 6);
    world.update(&[], &[], 7);
    assert!(files.iter().any(|file| !file.path.exists()), "nobody reads it any more");
}

#[test]
fn the_version_before_stays_for_whoever_is_about_to_open_it() {
    let world = World::with(&three());
    let files = world.reader().files(Table::Sections);
    world.home().rebuild().unwrap().commit(follows(2)).unwrap();
    assert!(files.iter().all(|file| file.path.exists()));
    world.home().rebuild().unwrap().commit(follows(3)).unwrap();
    assert!(files.iter().all(|file| !file.path.exists()));
}
