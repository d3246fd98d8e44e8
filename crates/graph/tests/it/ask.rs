//! Questions: what was put in is what comes out.

use std::fs;

use stele_graph::{Fit, GraphError, Table};
use stele_model::{EntityKind, Node};

use crate::fixture::{World, command, id_of, piece, section_of, three};

#[test]
fn every_row_comes_back() {
    let world = World::with(&three());
    let reader = world.reader();
    for piece in three() {
        let (document, id) = (&piece.document, piece.document.id);
        let row = reader.document(id).unwrap().unwrap();
        assert_eq!(
            (&row.source, &row.tenant, row.format, &row.title, &row.version, &row.checksum),
            (
                &document.source_uri,
                &document.tenant,
                document.format,
                &document.title,
                &document.version,
                &document.checksum
            )
        );
        assert_eq!((&row.language, &row.last_edited), (&document.language, &document.last_edited));
        assert_eq!((&row.front_matter, &row.warnings), (&document.front_matter, &document.warnings));
        assert_eq!((row.conservation, row.file_id), (document.conservation, piece.file_id));
        let sections = reader.sections_of(id).unwrap();
        assert_eq!(sections.len(), document.sections.len());
        for (row, section) in sections.iter().zip(&document.sections) {
            assert_eq!(reader.section(section.id).unwrap().as_ref(), Some(row));
            assert_eq!((row.id, row.document, row.order), (section.id, id, section.order));
            assert_eq!((row.level, row.heading, row.page), (section.level, section.heading, section.page));
            assert_eq!(
                (&row.title, &row.anchor, &row.text),
                (&section.title, &section.anchor, &section.text)
            );
            assert_eq!((&row.aliases, &row.heading_path), (&section.aliases, &section.parent_path));
            assert_eq!((row.parent, row.body, row.tokens), (section.parent, section.body, section.tokens));
            assert_eq!((row.checksum, row.body_text()), (section.checksum, section.body_text()));
            assert_eq!((row.line_start, row.line_end), (section.line_start, section.line_end));
            assert_eq!(row.block_types, ["paragraph", "code"]);
        }
        let references: Vec<_> = reader.references_of(id).unwrap().into_iter().map(|row| row.what).collect();
        assert_eq!(references, piece.references);
        for mention in &piece.mentions {
            assert!(reader.mentions_in(mention.section).unwrap().contains(mention));
            assert!(reader.mentions_of(mention.entity).unwrap().contains(mention));
        }
        let by = |by: Option<_>| by == Some(id);
        let edges: Vec<_> = reader.edges().map(Result::unwrap).filter(|row| by(row.by)).collect();
        assert!(piece.edges.iter().all(|edge| edges.iter().any(|row| row.what == *edge)));
        let entities = reader.entities().map(Result::unwrap).filter(|row| by(row.by));
        assert_eq!(entities.map(|row| row.what).collect::<Vec<_>>(), piece.entities);
    }
    assert_eq!(reader.document(id_of("z.md")).unwrap(), None);
    assert_eq!(reader.section(section_of("z.md", 0)).unwrap(), None);
    assert_eq!(reader.mentions_of(command("none").id).unwrap(), []);
}

#[test]
fn what_documents_say_of_a_thing_is_put_together_in_the_order_of_sources() {
    for pieces in [three(), three().into_iter().rev().collect()] {
        let world = World::with(&pieces);
        let pull = world.reader().entity(command("pull").id).unwrap().unwrap();
        assert_eq!(pull.description.as_deref(), Some("What pull does, by a.md"));
        assert_eq!(pull.aliases, ["tool pull"]);
        // When the first is gone, the next one speaks.
        world.update(&[], &[id_of("a.md")], 2);
        let pull = world.reader().entity(command("pull").id).unwrap().unwrap();
        assert_eq!(pull.description.as_deref(), Some("What pull does, by b.md"));
    }
}

#[test]
fn mentions_come_in_the_order_of_sources_whatever_part_they_are_in() {
    let world = World::new();
    let uris: Vec<String> = (0..150).map(|number| format!("{number:03}.md")).collect();
    for (version, first) in (1..).zip([2, 0, 1]) {
        let some = uris.iter().skip(first).step_by(3);
        let pieces: Vec<_> = some.map(|uri| piece(uri, &["one", "two"], &["pull", "push"], &[])).collect();
        world.update(&pieces, &[], version);
    }
    let reader = world.reader();
    assert_eq!(reader.version().parts.len(), 3);
    let expect: Vec<_> = uris.iter().flat_map(|uri| [section_of(uri, 0), section_of(uri, 1)]).collect();
    let found = reader.mentions_of(command("push").id).unwrap();
    assert_eq!(found.iter().map(|mention| mention.section).collect::<Vec<_>>(), expect);
    let push = reader.entity(command("push").id).unwrap().unwrap();
    assert_eq!(push.description.as_deref(), Some("What push does, by 000.md"));
}

#[track_caller]
fn names(world: &World, name: &str, expect: &[(&str, Fit)]) {
    let found = world.reader().resolve(name).unwrap();
    let found: Vec<_> = found.iter().map(|named| (named.name.as_str(), named.fit)).collect();
    assert_eq!(found, expect, "{name}");
}

#[test]
fn a_name_is_resolved() {
    let world = World::with(&three());
    names(&world, "pull", &[("pull", Fit::Key)]);
    names(&world, " tool push ", &[("push", Fit::Alias)]);
    names(&world, "PULL", &[("pull", Fit::Folded)]);
    names(&world, "pu", &[("pull", Fit::Prefix), ("push", Fit::Prefix)]);
    names(&world, "TOOL PU", &[("pull", Fit::Prefix), ("push", Fit::Prefix)]);
    names(&world, "b.md", &[("Title of b.md", Fit::Key)]);
    names(&world, "title of B.md", &[("Title of b.md", Fit::Folded)]);
    names(&world, "ull", &[]);
    names(&world, &command("pull").id.to_string(), &[("pull", Fit::Id)]);
    names(&world, &section_of("a.md", 1).to_string(), &[("Part 1", Fit::Id)]);
    let found = world.reader().resolve("push").unwrap();
    assert_eq!(found[0].node, Node::Entity(command("push").id));
    assert_eq!(found[0].kind, Some(EntityKind::Command));
    assert!(matches!(world.reader().resolve("  "), Err(GraphError::Invalid(_))));
    // What is gone has no name.
    world.update(&[], &[id_of("b.md")], 2);
    names(&world, "push", &[]);
}

#[test]
fn names_are_bounded_and_the_best_stay() {
    let commands: Vec<String> = (0..300).map(|number| format!("run-{number:03}")).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let world = World::with(&[piece("a.md", &["text"], &commands, &[])]);
    let found = world.reader().resolve("RUN").unwrap();
    assert_eq!((found.len(), found[0].name.as_str(), found[99].name.as_str()), (100, "run-000", "run-099"));
    assert_eq!(world.reader().resolve("run-299").unwrap().len(), 1);
}

#[test]
fn there_is_no_graph_where_none_was_made() {
    let world = World::new();
    assert!(!world.home().exists());
    assert!(matches!(world.home().reader(), Err(GraphError::NoGraph { .. })));
}

#[test]
fn damage_is_told_with_its_file() {
    for table in Table::ALL {
        let world = World::with(&three());
        let path = world.reader().files(table)[0].path.clone();
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] ^= 0x40;
        fs::write(&path, &bytes).unwrap();
        let error = world.reader().verify().unwrap_err();
        assert!(error.to_string().starts_with(&format!("{} is damaged", path.display())), "{error}");
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = world.reader().logical_hash().unwrap_err();
        assert!(matches!(&error, GraphError::Damaged { path: about, .. } if *about == path), "{error}");
    }
    let world = World::with(&three());
    fs::remove_dir_all(world.path.join(&world.parts()[0])).unwrap();
    assert!(matches!(world.home().reader(), Err(GraphError::Damaged { .. })));
    fs::write(world.path.join("CURRENT.json"), "{\"format\": 99, \"check\": \"\", \"body\": {}}").unwrap();
    assert!(matches!(world.home().reader(), Err(GraphError::NewerFormat { found: 99, .. })));
}
