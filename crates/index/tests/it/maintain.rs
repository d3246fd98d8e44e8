//! Upkeep: what it does, and that nothing is lost when it always fails.

use std::io;
use std::sync::Arc;

use stele_index::{Filter, IndexError, Upsert};
use stele_model::Faults;

use crate::fixture::{World, all_ids, bytes_below, chunk, ids, ids_of, many, spec, vector_of, with};

/// Upkeep never works.
struct NeverMaintained;

impl Faults for NeverMaintained {
    fn hit(&self, point: &'static str) -> io::Result<()> {
        if point.starts_with("index.maintain.") {
            return Err(io::Error::other(format!("on purpose at {point}")));
        }
        Ok(())
    }
}

#[test]
fn upkeep_covers_everything_and_changes_nothing() {
    let world = World::new();
    let mut writer = world.writer();
    for part in many(6_000, 1).chunks(500) {
        writer.apply(part.to_vec(), &[], Some(1)).unwrap();
    }
    let before = world.reader().status().unwrap();
    assert_eq!((before.lag, before.files), (6_000, 12));
    let done = writer.maintain().unwrap();
    assert!(!done.is_degraded(), "{done:?}");
    assert_eq!(done.lag, 0, "{done:?}");
    let after = world.reader().status().unwrap();
    assert_eq!((after.lag, after.files, after.dead_rows), (0, 1, 0));
    assert_eq!(after.pointer.logical_hash, before.pointer.logical_hash);
    assert_eq!(after.pointer.checkpoint, before.pointer.checkpoint);
    assert!(after.coverage.iter().all(|one| one.kind.is_some() && one.covered == 6_000), "{after:?}");
    world.clean();
    let again = writer.maintain().unwrap();
    assert_eq!(again.steps.iter().filter(|step| step.name != "prune").count(), 0, "{again:?}");
}

#[test]
fn a_growing_index_is_kept_covered() {
    let world = World::new();
    let mut writer = world.writer();
    let all = many(16_000, 5);
    for part in all.chunks(4_000) {
        writer.apply(part.to_vec(), &[], Some(1)).unwrap();
        let done = writer.maintain().unwrap();
        assert!(!done.is_degraded(), "{done:?}");
        assert_eq!(done.lag, 0, "{done:?}");
    }
    let reader = world.reader();
    for at in [0, 3_999, 8_000, 15_999] {
        let (chunk, vector) = &all[at];
        let found = reader.vector(vector.as_ref().unwrap(), &Filter::default(), 1).unwrap();
        assert_eq!(found[0].id, chunk.id, "{at}");
        let found = reader.text(&format!("number{at}"), &Filter::default(), 1).unwrap();
        assert_eq!(found[0].id, chunk.id, "{at}");
    }
    world.clean();
}

#[test]
fn a_build_leaves_nothing_that_nobody_reads() {
    let world = World::new();
    let mut writer = world.writer();
    for part in many(6_000, 1).chunks(500) {
        writer.apply(part.to_vec(), &[], None).unwrap();
    }
    assert!(!writer.finish(&[], 1).unwrap().is_degraded());
    let table = world.path.join("v-1/chunks.lance");
    let count = |dir: &str| std::fs::read_dir(table.join(dir)).unwrap().count();
    // The rows in one file, one directory an index, the manifest and the hint which it is.
    assert_eq!((count("data"), count("_indices")), (1, 5));
    assert!(count("_versions") <= 2);
    world.clean();
    let reader = world.reader();
    writer.apply(many(3_000, 2), &[], None).unwrap();
    writer.finish(&[], 2).unwrap();
    // What somebody reads stays.
    assert_eq!(all_ids(&reader).len(), 6_000);
}

#[test]
fn old_versions_are_pruned_and_a_reader_of_one_is_told() {
    let world = World::new();
    let mut writer = world.writer();
    writer.apply(many(50, 1), &[], Some(1)).unwrap();
    let old = world.reader();
    for round in 2..8 {
        writer.apply(many(50, round), &ids_of(&many(50, round - 1)), Some(round)).unwrap();
    }
    let last = world.reader();
    writer.maintain().unwrap();
    // The version before the newest is left to its readers.
    assert_eq!(all_ids(&last), ids_of(&many(50, 7)));
    let error = old.text("price", &Filter::default(), 5).unwrap_err();
    assert!(matches!(error, IndexError::Stale), "{error}");
    world.clean();
}

/// Replaces a part of what is there, again and again.
fn churn(world: &World, faults: Arc<dyn Faults>, rounds: u64) -> (Vec<Upsert>, u64, u64) {
    let index = world.failing(faults);
    let mut there = many(400, 0);
    let mut lag = 0;
    let mut bytes = 0;
    let mut writer = index.writer(&spec()).unwrap();
    writer.apply(there.clone(), &[], Some(0)).unwrap();
    for round in 1..=rounds {
        let new = many(300, round);
        // A hundred of the oldest stay, so that no file of rows is ever wholly dead at once.
        let gone: Vec<Upsert> = there.drain(100..).collect();
        there.extend(new.clone());
        writer.apply(new, &ids_of(&gone), Some(round)).unwrap();
        let done = writer.maintain().unwrap();
        lag = done.lag;
        bytes = bytes_below(&world.path).max(bytes);
        drop(writer);
        writer = index.writer(&spec()).unwrap();
    }
    (there, lag, bytes)
}

#[test]
fn where_upkeep_always_fails_answers_stay_complete_and_the_disk_bounded() {
    let world = World::new();
    let (there, lag, _) = churn(&world, Arc::new(NeverMaintained), 20);
    assert!(lag > 0);
    assert_eq!(world.reader().pointer().dir, "v-1", "so few rounds are borne");
    let reader = world.reader();
    assert_eq!(all_ids(&reader), ids_of(&there));
    for (chunk, vector) in there.iter().step_by(37) {
        let found = reader.vector(vector.as_ref().unwrap(), &Filter::default(), 1).unwrap();
        assert_eq!(found[0].id, chunk.id);
        let word = chunk.text.split(' ').rev().take(3).collect::<Vec<_>>().join(" ");
        let found = reader.text(&word, &Filter::default(), 400).unwrap();
        assert!(ids(&found).contains(&chunk.id));
    }
    world.clean();
    // Twice the rounds do not take twice the room.
    let (short, long) = (World::new(), World::new());
    let (_, _, few) = churn(&short, Arc::new(NeverMaintained), 60);
    let (_, _, more) = churn(&long, Arc::new(NeverMaintained), 120);
    assert!(more < few * 3 / 2, "{few} bytes after 60 rounds, {more} after 120");
    assert_ne!(long.reader().pointer().dir, "v-1", "the living rows were copied");
    long.clean();
}

/// Upkeep never works, and neither does a copy.
struct NothingWorks(&'static str);

impl Faults for NothingWorks {
    fn hit(&self, point: &'static str) -> io::Result<()> {
        if point == self.0 { Err(io::Error::other("on purpose")) } else { NeverMaintained.hit(point) }
    }
}

#[test]
fn where_a_copy_fails_too_the_old_version_answers() {
    for point in ["index.copy", "index.copy.rows"] {
        let world = World::new();
        let (there, _, _) = churn(&world, Arc::new(NothingWorks(point)), 40);
        assert_eq!(all_ids(&world.reader()), ids_of(&there));
        assert_eq!(world.reader().pointer().dir, "v-1", "{point}");
        world.clean();
        // Once it works it is made good, and what the attempts left is gone.
        let done = world.writer().maintain().unwrap();
        assert!(!done.is_degraded(), "{done:?}");
        drop(world.writer());
        assert_eq!(world.versions(), vec!["v-1"]);
        world.clean();
    }
}

#[test]
fn a_failure_is_said_and_the_next_run_makes_good() {
    let world = World::new();
    let failing = world.failing(Arc::new(NeverMaintained));
    let mut writer = failing.writer(&spec()).unwrap();
    writer.apply(many(2_000, 1), &[], Some(1)).unwrap();
    let done = writer.maintain().unwrap();
    assert!(done.is_degraded());
    assert!(done.steps.iter().all(|step| step.failed.as_ref().is_some_and(|why| why.contains("on purpose"))));
    assert_eq!(done.lag, 2_000);
    drop(writer);
    let done = world.writer().maintain().unwrap();
    assert!(!done.is_degraded());
    assert_eq!(done.lag, 0);
}

#[test]
fn few_rows_need_no_vector_index() {
    let world = World::with(vec![chunk("one"), with("two", |metadata| metadata.line = Some(2))]);
    world.writer().maintain().unwrap();
    let status = world.reader().status().unwrap();
    // Two rows are not worth an index either; they are scanned, and said to be.
    assert_eq!(status.lag, 2, "{status:?}");
    let vector = status.coverage.iter().find(|one| one.column == "vector").unwrap();
    assert_eq!((vector.kind.as_deref(), vector.scanned), (None, 2));
    assert_eq!(world.reader().vector(&vector_of("two"), &Filter::default(), 1).unwrap().len(), 1);
}
