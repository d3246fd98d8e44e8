//! A version that is built aside: the old one answers until the new one is whole.

use stele_index::TextHash;

use crate::fixture::{World, all_ids, chunk, ids_of, many, spec, spec_of};

#[test]
fn the_old_one_answers_until_the_new_one_is_whole() {
    let (old, new) = (many(20, 1), many(30, 2));
    let world = World::with(old.clone());
    let mut rebuild = world.index().rebuild(&spec()).unwrap();
    assert!(!rebuild.resumed());
    rebuild.apply(new.clone(), &[]).unwrap();
    assert_eq!(all_ids(&world.reader()), ids_of(&old));
    let (writer, maintenance) = rebuild.finish(9).unwrap();
    assert!(!maintenance.is_degraded());
    drop(writer);
    let reader = world.reader();
    assert_eq!(all_ids(&reader), ids_of(&new));
    assert_eq!((reader.pointer().checkpoint, reader.pointer().dir.as_str()), (Some(9), "v-2"));
    world.clean();
}

#[test]
fn a_pointer_that_cannot_be_read_costs_no_version() {
    let world = World::with(many(5, 1));
    let pointer = world.path.join("CURRENT.json");
    let whole = std::fs::read(&pointer).unwrap();
    std::fs::write(&pointer, b"{").unwrap();
    let rebuild = world.index().rebuild(&spec()).unwrap();
    assert_eq!(world.versions(), vec!["v-1", "v-2"]);
    drop(rebuild);
    // Somebody has put it back: what it names is there.
    std::fs::write(&pointer, whole).unwrap();
    assert_eq!(all_ids(&world.reader()).len(), 5);
    std::fs::write(&pointer, b"{").unwrap();
    drop(world.index().rebuild(&spec()).unwrap().finish(2).unwrap());
    assert_eq!(world.versions(), vec!["v-1", "v-2"]);
    drop(world.writer());
    assert_eq!(world.versions(), vec!["v-2"], "the next writer knows what is named");
    world.clean();
}

#[test]
fn the_old_directory_goes_when_nobody_reads_it() {
    let world = World::with(many(5, 1));
    let reading = world.reader();
    let rebuild = world.index().rebuild(&spec()).unwrap();
    drop(rebuild.finish(2).unwrap());
    assert_eq!(world.versions(), vec!["v-1", "v-2"]);
    drop(world.writer());
    assert_eq!(world.versions(), vec!["v-1", "v-2"], "somebody reads it");
    assert_eq!(all_ids(&reading).len(), 5);
    drop(reading);
    drop(world.writer());
    assert_eq!(world.versions(), vec!["v-2"]);
    assert!(all_ids(&world.reader()).is_empty());
}

#[test]
fn a_build_that_stopped_is_gone_on_with() {
    let all = many(60, 3);
    let undisturbed = World::with(all.clone());
    let world = World::with(many(5, 9));
    let mut rebuild = world.index().rebuild(&spec()).unwrap();
    rebuild.apply(all[..25].to_vec(), &[]).unwrap();
    drop(rebuild);
    // A writer in between leaves it alone.
    world.writer().apply(vec![chunk("in between")], &[], None).unwrap();
    let mut rebuild = world.index().rebuild(&spec()).unwrap();
    assert!(rebuild.resumed());
    assert_eq!(rebuild.pointer().rows, 25);
    let mut there = Vec::new();
    rebuild
        .hashes(&mut |hashes| {
            there.extend(hashes.iter().map(|(id, _)| *id));
            Ok(())
        })
        .unwrap();
    there.sort();
    assert_eq!(there, ids_of(&all[..25]));
    let texts: Vec<TextHash> = all.iter().map(|(chunk, _)| TextHash::of(&chunk.text)).collect();
    assert_eq!(rebuild.known_texts(&texts).unwrap().len(), 25, "nothing durable is embedded again");
    rebuild.apply(all[20..].to_vec(), &[]).unwrap();
    drop(rebuild.finish(4).unwrap());
    let (here, there) = (world.reader(), undisturbed.reader());
    assert_eq!(here.pointer().logical_hash, there.pointer().logical_hash);
    assert!(here.vector_difference(&there).unwrap().is_none());
    world.clean();
}

#[test]
fn half_a_build_of_another_kind_is_thrown_away() {
    let world = World::with(many(5, 1));
    let mut rebuild = world.index().rebuild(&spec()).unwrap();
    rebuild.apply(many(3, 2), &[]).unwrap();
    drop(rebuild);
    let other = spec_of("double-b", 4);
    let rebuild = world.index().rebuild(&other).unwrap();
    assert!(!rebuild.resumed());
    assert_eq!(rebuild.pointer().rows, 0);
    drop(rebuild);
    assert_eq!(world.versions(), vec!["v-1", "v-2"]);
}

#[test]
fn a_rebuild_ends_a_mismatch_and_answers_from_then_on() {
    let world = World::with(many(5, 1));
    let index = world.index();
    let other = spec_of("double-a", 4);
    assert!(index.writer(&other).is_err());
    let mut rebuild = index.rebuild(&other).unwrap();
    rebuild.apply(vec![(chunk("new").0, Some(vec![1.0; 4]))], &[]).unwrap();
    drop(rebuild.finish(2).unwrap());
    assert_eq!(index.reader().unwrap().pointer().spec, other);
    assert_eq!(index.pointers().unwrap().len(), 1);
    drop(index.writer(&other).unwrap());
    assert!(index.reader_of(&spec()).is_err());

    let beside = spec_of("double-c", 4);
    drop(index.rebuild(&beside).unwrap().finish(3).unwrap());
    assert_eq!(index.reader().unwrap().pointer().spec, beside);
    assert_eq!(index.pointers().unwrap().len(), 2);
}
