//! Pruning a name takes only what no other name needs.

use stele_engine::lake::maintain::Selection;
use stele_engine::{Cancel, EngineError, lake::LakeError};

use crate::place::{Place, StopAt, lines};

#[track_caller]
fn prune(place: &Place, name: &str) -> u64 {
    let engine = place.engine();
    let selection = Selection { sources: vec![place.uri(name)], ..Selection::default() };
    let plan = engine.plan_prune(&selection).unwrap();
    assert!(!plan.is_empty());
    engine.prune(&plan).unwrap();
    assert!(engine.plan_prune(&selection).unwrap().is_empty(), "a name is given up once");
    plan.records + plan.residues
}

fn records(place: &Place) -> u64 {
    place.engine().snapshot().unwrap().totals().records
}

#[track_caller]
fn is_pruned(place: &Place, name: &str) {
    let error = place.engine().replay(&place.uri(name), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, EngineError::Lake(LakeError::Pruned { .. })), "{error}");
}

#[test]
fn the_old_name_of_a_recording_that_was_cut_off() {
    let place = Place::new();
    let content = lines("a", 400_000);
    place.write("old", &content);
    let cancel = Cancel::default();
    let summary = place.ingest_with(&place.engine(), "old", &StopAt::update(1, &cancel), &cancel);
    assert!(summary.cancelled && summary.bytes_in > 0 && summary.bytes_in < content.len() as u64);
    place.covered();

    std::fs::rename(place.path("old"), place.path("new")).unwrap();
    assert_eq!(place.ingest("new").resumed, 1);
    assert_eq!(prune(&place, "old"), 0);
    assert_eq!(records(&place), 400_000);
    assert_eq!(place.replayed(&place.engine(), "new"), content.as_bytes());
    place.covered();

    // Now nobody else needs them.
    assert_eq!(prune(&place, "new"), 400_000);
    assert_eq!(records(&place), 0);
    is_pruned(&place, "new");
    place.covered();
}

#[test]
fn the_longer_name_leaves_what_the_shorter_needs() {
    let place = Place::new();
    let content = lines("a", 80_000);
    place.write("short", &content[..1_500_003]);
    place.ingest("short");
    place.write("long", &content);
    place.ingest("long");
    assert!(prune(&place, "long") > 0);
    assert_eq!(place.replayed(&place.engine(), "short"), &content.as_bytes()[..1_500_003]);
    is_pruned(&place, "long");
    place.covered();
    prune(&place, "short");
    assert_eq!(records(&place), 0);
    place.covered();
}

#[test]
fn a_copy_needs_the_rows_of_the_first() {
    let place = Place::new();
    for name in ["first", "copy"] {
        place.write(name, lines("a", 3));
        place.ingest(name);
    }
    assert_eq!(prune(&place, "first"), 0);
    assert_eq!(place.replayed(&place.engine(), "copy"), lines("a", 3).as_bytes());
    place.covered();
    assert_eq!(prune(&place, "copy"), 3);
    is_pruned(&place, "copy");
    place.covered();
}
