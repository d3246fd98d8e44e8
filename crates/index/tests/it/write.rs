//! What is written is there, once, and what is taken out is not.

use std::collections::HashSet;

use stele_index::{Applied, IndexError, Pointer, Spec, TextHash};
use stele_model::{ChunkId, ErrorKind};

use crate::fixture::{
    World, all_ids, chunk, direction, field, ids_of, many, said, spec, spec_of, vector_of, with,
};

#[test]
fn what_is_written_is_read_back_as_it_was() {
    let everything = with("All of it, \"quoted\", größer\nand more", |metadata| {
        metadata.kind = stele_model::ChunkKind::Game;
        metadata.event_type = Some("gameStateUpdate".to_owned());
        metadata.path = Some("data.price".to_owned());
        metadata.game_id = Some("20251212-abc".to_owned());
        metadata.ts = Some(-5);
        metadata.line = Some(u64::MAX);
        metadata.byte_offset = Some(0);
        metadata.place = Some(String::new());
        metadata.title = String::new();
    });
    let world = World::with(vec![everything.clone(), chunk("nothing known")]);
    let reader = world.reader();
    assert_eq!(reader.get(&[everything.0.id]).unwrap(), vec![everything.0.clone()]);
    assert_eq!(reader.vectors(&[everything.0.id]).unwrap()[&everything.0.id], everything.1.unwrap());
    world.clean();
}

#[test]
fn get_keeps_the_order_asked_and_leaves_out_what_is_not_there() {
    let (one, two) = (chunk("one"), chunk("two"));
    let world = World::with(vec![one.clone(), two.clone()]);
    let got = world.reader().get(&[two.0.id, ChunkId([0; 16]), one.0.id, two.0.id]).unwrap();
    assert_eq!(got, vec![two.0.clone(), one.0, two.0]);
}

#[test]
fn doing_it_twice_is_doing_it_once() {
    let chunks = many(40, 1);
    let world = World::with(chunks.clone());
    let before = world.reader().pointer().clone();
    let again = world.writer().apply(chunks, &[], Some(1)).unwrap();
    assert_eq!(again, Applied { unchanged: 40, ..Applied::default() });
    assert_eq!(world.reader().pointer(), &before, "nothing was written");
}

#[test]
fn deletes_follow_exactly() {
    let chunks = many(30, 2);
    let world = World::with(chunks.clone());
    let gone: Vec<ChunkId> = ids_of(&chunks[10..15]);
    let mut asked = gone.clone();
    asked.push(ChunkId([9; 16]));
    asked.push(gone[0]);
    let applied = world.writer().apply(Vec::new(), &asked, Some(2)).unwrap();
    assert_eq!(applied, Applied { deleted: 5, absent: 1, ..Applied::default() });
    let left: HashSet<ChunkId> = all_ids(&world.reader()).into_iter().collect();
    assert_eq!(left.len(), 25);
    assert!(gone.iter().all(|id| !left.contains(id)));
    world.clean();
}

#[test]
fn a_to_b_to_a_ends_with_a() {
    let a = many(20, 3);
    let b = many(20, 4);
    let world = World::with(a.clone());
    let first = world.reader().pointer().logical_hash;
    let mut writer = world.writer();
    writer.apply(b.clone(), &ids_of(&a), Some(2)).unwrap();
    assert_eq!(all_ids(&world.reader()), ids_of(&b));
    writer.apply(a.clone(), &ids_of(&b), Some(3)).unwrap();
    assert_eq!(all_ids(&world.reader()), ids_of(&a));
    assert_eq!(world.reader().pointer().logical_hash, first);
    world.clean();
}

#[test]
fn new_metadata_or_another_vector_under_one_id_replace_the_row() {
    let (chunk, vector) = chunk("the text");
    let world = World::with(vec![(chunk.clone(), vector.clone())]);
    // A title is no part of the id.
    let mut renamed = chunk.clone();
    renamed.metadata.title = "another title".to_owned();
    let mut writer = world.writer();
    let applied = writer.apply(vec![(renamed.clone(), vector)], &[], None).unwrap();
    assert_eq!(applied, Applied { replaced: 1, ..Applied::default() });
    let turned = direction(99, 16);
    let applied = writer.apply(vec![(renamed.clone(), Some(turned.clone()))], &[], Some(2)).unwrap();
    assert_eq!(applied, Applied { replaced: 1, ..Applied::default() });
    let reader = world.reader();
    assert_eq!(reader.get(&[chunk.id]).unwrap(), vec![renamed]);
    assert_eq!(reader.vectors(&[chunk.id]).unwrap()[&chunk.id], turned);
    assert_eq!(reader.pointer().rows, 1);
    world.clean();
}

#[test]
fn of_several_with_one_id_the_last_counts_and_an_upsert_wins_over_a_delete() {
    let (chunk, vector) = chunk("twice");
    let mut other = chunk.clone();
    other.metadata.title = "the last".to_owned();
    let world = World::new();
    let upserts = vec![(chunk.clone(), vector.clone()), (other.clone(), vector)];
    let applied = world.writer().apply(upserts, &[chunk.id], Some(1)).unwrap();
    assert_eq!(applied, Applied { inserted: 1, ..Applied::default() });
    assert_eq!(world.reader().get(&[chunk.id]).unwrap(), vec![other]);
}

#[test]
fn the_checkpoint_moves_when_it_is_said_and_not_before() {
    let world = World::new();
    let mut writer = world.writer();
    let at = || world.reader().pointer().checkpoint;
    assert_eq!(at(), None);
    writer.apply(vec![chunk("one")], &[], None).unwrap();
    assert_eq!(at(), None);
    writer.apply(vec![chunk("two")], &[], Some(7)).unwrap();
    assert_eq!(at(), Some(7));
    writer.apply(vec![chunk("three")], &[], None).unwrap();
    assert_eq!(at(), Some(7));
    // Nothing changed but the lake: that is a new checkpoint too.
    writer.apply(Vec::new(), &[], Some(8)).unwrap();
    assert_eq!(at(), Some(8));
}

#[test]
fn an_update_is_seen_as_a_whole_and_gone_on_with() {
    let world = World::with(vec![chunk("one"), chunk("two")]);
    let before = world.reader().pointer().clone();
    let (one, two, three) = (chunk("one").0.id, chunk("two").0.id, chunk("three").0.id);
    let seen = || all_ids(&world.reader());
    let sorted = |mut ids: Vec<ChunkId>| {
        ids.sort();
        ids
    };
    let mut writer = world.writer();
    assert!(!writer.is_unfinished());
    writer.apply(vec![chunk("three")], &[], None).unwrap();
    writer.apply(Vec::new(), &[one], None).unwrap();
    // Durable, and seen by nobody.
    assert_eq!((writer.pointer().rows, seen()), (2, sorted(vec![one, two])));
    assert_eq!(Pointer { staged: None, ..world.reader().pointer().clone() }, before);
    world.clean();
    // Upkeep in between leaves readers what they see.
    writer.maintain().unwrap();
    assert_eq!(seen(), sorted(vec![one, two]));
    drop(writer);
    let mut writer = world.writer();
    assert!(writer.is_unfinished());
    assert_eq!(writer.known_texts(&[TextHash::of("three")]).unwrap().len(), 1, "not embedded again");
    let again = writer.apply(vec![chunk("three")], &[one], None).unwrap();
    assert!(!again.changed() && writer.is_unfinished(), "{again:?}");
    writer.apply(Vec::new(), &[], Some(1)).unwrap();
    assert!(!writer.is_unfinished());
    assert_eq!(seen(), sorted(vec![two, three]));
    world.clean();
}

#[test]
fn known_texts_are_not_embedded_again() {
    let world = World::with(vec![chunk("known"), with("known", |metadata| metadata.source = "b".to_owned())]);
    let asked = [TextHash::of("known"), TextHash::of("unknown")];
    for known in [world.reader().known_texts(&asked).unwrap(), world.writer().known_texts(&asked).unwrap()] {
        assert_eq!(known.len(), 1);
        assert_eq!(known[&asked[0]], vector_of("known"));
    }
    // What a writer itself puts in is known to it at once.
    let mut writer = world.writer();
    assert!(writer.known_texts(&asked[1..]).unwrap().is_empty());
    writer.apply(vec![chunk("unknown")], &[], None).unwrap();
    assert_eq!(writer.known_texts(&asked).unwrap().len(), 2);
}

#[test]
fn a_bad_vector_is_refused_before_anything_is_done() {
    let world = World::with(vec![chunk("good")]);
    let before = world.reader().pointer().clone();
    let mut writer = world.writer();
    for (vector, expect) in [
        (None, "is missing"),
        (Some(vec![1.0; 3]), "has 3 dimensions, and those of double-a have 16"),
        (Some(vec![f32::NAN; 16]), "holds a number that is none"),
        (Some(vec![f32::INFINITY; 16]), "holds a number that is none"),
        (Some(vec![0.0; 16]), "points nowhere"),
    ] {
        let bad = (chunk("bad").0, vector);
        let error = writer.apply(vec![chunk("fine"), bad.clone()], &[], Some(9)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fix);
        assert!(error.to_string().contains(expect), "{error}");
        assert!(error.to_string().contains(&bad.0.id.to_string()), "{error}");
    }
    assert_eq!(world.reader().pointer(), &before);
    writer.apply(vec![chunk("fine")], &[], Some(9)).unwrap();
}

#[test]
fn an_index_of_texts_alone_answers_in_words() {
    let world = World::new();
    let texts = Spec::new(None);
    let index = world.index();
    let (found, _) = chunk("the multiplier crashed");
    index.writer(&texts).unwrap().apply(vec![(found.clone(), None)], &[], Some(1)).unwrap();
    let reader = index.reader().unwrap();
    assert_eq!(reader.text("crash", &Default::default(), 3).unwrap()[0].id, found.id);
    let status = reader.status().unwrap();
    assert!(status.pointer.spec.model.is_none() && !status.is_semantic());
    assert!(said(reader.vector(&[1.0; 16], &Default::default(), 3)).contains("texts alone"));
    let refused = index.writer(&texts).unwrap().apply(vec![chunk("x")], &[], None);
    assert!(said(refused).contains("has no place"));
    assert!(reader.known_texts(&[TextHash::of("x")]).unwrap().is_empty());
    world.clean();
}

#[test]
fn models_stand_side_by_side_and_each_has_its_own_checkpoint() {
    let world = World::with(vec![chunk("one")]);
    let other = spec_of("double-b", 4);
    let index = world.index();
    let (two, _) = chunk("two");
    index.writer(&other).unwrap().apply(vec![(two, Some(vec![1.0, 0.0, 0.0, 0.0]))], &[], Some(5)).unwrap();
    let pointers = index.pointers().unwrap();
    let seen: Vec<_> = pointers.iter().map(|one| (one.spec.key(), one.checkpoint, one.rows)).collect();
    assert_eq!(seen, vec![("double-a", Some(1), 1), ("double-b", Some(5), 1)]);
    // The first one answers when nobody names a model.
    assert_eq!(index.reader().unwrap().pointer().spec, spec());
    assert_eq!(index.reader_of(&other).unwrap().pointer().spec, other);
    assert_eq!(world.versions(), vec!["v-1", "v-2"]);
    // Until another takes over.
    let mut writer = index.writer(&other).unwrap();
    writer.take_over().unwrap();
    assert_eq!(index.reader().unwrap().pointer().spec, other);
    assert!(said(writer.forget("double-b")).contains("is what this writer writes"));
    drop(writer);
    let mut writer = world.writer();
    writer.forget("double-b").unwrap();
    drop(writer);
    assert_eq!(index.reader().unwrap().pointer().spec, spec());
    assert!(matches!(index.reader_of(&other).unwrap_err(), IndexError::NoModel { .. }));
    drop(world.writer());
    assert_eq!(world.versions(), vec!["v-1"]);
    world.clean();
}

#[test]
fn a_mismatch_says_what_is_there_what_was_asked_and_what_to_do() {
    let world = World::with(vec![chunk("one")]);
    let index = world.index();
    let mut policy = spec();
    policy.chunk_policy += 1;
    let mut schema = spec();
    schema.schema += 1;
    for asked in [spec_of("double-a", 8), policy, schema] {
        for error in [index.reader_of(&asked).unwrap_err(), index.writer(&asked).unwrap_err()] {
            assert!(matches!(error, IndexError::Mismatch { .. }), "{error}");
            let words = error.to_string();
            assert!(words.contains("double-a (16 dimensions), chunk policy 1, table schema 3"), "{words}");
            assert!(words.contains("`stele index rebuild`"), "{words}");
        }
    }
    let error = index.reader_of(&spec_of("double-z", 8)).unwrap_err();
    assert!(matches!(error, IndexError::NoModel { .. }));
    assert!(error.to_string().contains("double-z") && error.to_string().contains("double-a"), "{error}");
    assert!(said(world.reader().vector(&[1.0; 8], &Default::default(), 3)).contains("8 dimensions"));
}

#[test]
fn one_writes_at_a_time_and_readers_are_not_kept_waiting() {
    let world = World::with(vec![chunk("one")]);
    let mut writer = world.writer();
    let error = world.index().writer(&spec()).unwrap_err();
    assert!(matches!(error, IndexError::Busy { .. }) && error.kind() == ErrorKind::Retry, "{error}");
    assert!(matches!(world.index().rebuild(&spec()).unwrap_err(), IndexError::Busy { .. }));
    let old = world.reader();
    writer.apply(vec![field("tick", "data.price", "two")], &[], Some(2)).unwrap();
    assert_eq!(old.pointer().rows, 1);
    assert_eq!(all_ids(&old).len(), 1, "a reader sees what it was opened at");
    assert_eq!(all_ids(&world.reader()).len(), 2);
    drop(writer);
    world.writer();
}

#[test]
fn there_is_no_index_until_one_is_built() {
    let world = World::new();
    assert!(!world.index().exists());
    assert!(matches!(world.index().reader().unwrap_err(), IndexError::NoIndex { .. }));
    assert!(matches!(
        stele_index::Index::open_existing(&world.path).unwrap_err(),
        IndexError::NoIndex { .. }
    ));
    world.writer();
    assert!(world.index().exists());
    assert!(all_ids(&world.reader()).is_empty());
    assert!(world.reader().text("anything", &Default::default(), 5).unwrap().is_empty());
    assert!(world.reader().vector(&vector_of("x"), &Default::default(), 5).unwrap().is_empty());
    world.clean();
}
