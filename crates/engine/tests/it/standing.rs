//! What an answer is as good as, for as long as it is the same.

use crate::place::{Place, lines};

#[test]
fn how_things_stand_is_told_without_the_lake_being_read_anew() {
    let place = Place::new();
    place.write("a.jsonl", lines("a", 3));
    place.ingest("a.jsonl");
    let engine = place.engine();
    assert_eq!(engine.standing(), None, "nothing was read yet");
    engine.snapshot().unwrap();
    let before = engine.standing();
    assert!(before.is_some());
    assert_eq!(engine.standing(), before);
    place.write("b.jsonl", lines("b", 3));
    place.ingest("b.jsonl");
    let after = engine.standing();
    assert!(after.is_some() && after != before, "{before:?}, {after:?}");
    engine.snapshot().unwrap();
    assert_eq!(engine.standing(), after);
}
