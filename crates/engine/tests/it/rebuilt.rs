//! The catalogue, counted again from nothing but the lake, is the one that was lost.

use std::fs;

use stele_engine::lake::maintain::Selection;
use stele_engine::{CheckState, NoProgress, OUTPUTS};
use stele_testkit::sample::{Plan, write};

use crate::place::{Place, lines};

/// Every kind of input that has facts of its own: damage, growth in the middle of a line, a longer
/// copy, a name that holds something else later, clocks that were changed, holes and steps back.
fn filled() -> Place {
    let mut place = Place::new();
    place.settings.timezone = Some("America/New_York".to_owned());
    write(&Plan { seed: 31, bytes: 200_000, damage: true }, &place.path("sample")).unwrap();
    place.ingest("sample/recordings");
    let whole = "{\"event\":\"grown\",\"seq\":1}\n{\"event\":\"grown\",\"seq\":5}\nbad\n{\"event\":\"gr";
    for end in [12, 30, 55, whole.len()] {
        place.write("live", &whole[..end]);
        place.ingest("live");
    }
    let long = lines("long", 60_000);
    place.write("short", &long[..1_500_003]);
    place.ingest("short");
    place.write("longer", &long);
    assert_eq!(place.ingest("longer").resumed, 1);
    for content in ["{\"event\":\"held\",\"seq\":1}\n", "oops\n{\"event\":\"held\",\"seq\":9}\n"] {
        place.write("today", content);
        place.ingest("today");
    }
    let at = |time: &str| format!("{{\"event\":\"clock\",\"seq\":0,\"ts\":\"{time}\"}}\n");
    let times = ["2025-11-02T00:30:00", "2025-11-02T01:30:00", "2025-11-02T01:10:00", "2025-03-09T02:30:00"];
    place.write("clocks", times.map(at).concat());
    let summary = place.ingest("clocks");
    assert_eq!((summary.times_repeated, summary.times_skipped), (2, 1));
    place
}

fn outputs(place: &Place) -> Vec<(&'static str, Vec<u8>)> {
    OUTPUTS.map(|name| (name, fs::read(place.path("d/manifests").join(name)).unwrap())).into()
}

#[track_caller]
fn count_again(place: &Place) {
    fs::remove_dir_all(place.path("d/manifests/catalogue")).unwrap();
    let checks = place.engine().doctor(true, &NoProgress).unwrap();
    let catalogue = checks.iter().find(|check| check.name == "catalogue").unwrap();
    assert_eq!(catalogue.state, CheckState::Fixed, "{catalogue:?}");
}

#[test]
fn nothing_is_forgotten() {
    let place = filled();
    let before = outputs(&place);
    for (name, growing) in [("live", true), ("short", true), ("longer", false)] {
        assert_eq!(place.facts(name)["growing"], growing, "{name}");
    }
    let clocks = place.facts("clocks");
    assert_eq!((&clocks["times_repeated"], &clocks["times_skipped"]), (&2.into(), &1.into()));
    count_again(&place);
    for ((name, before), (_, after)) in before.iter().zip(outputs(&place)) {
        if *before != after {
            let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(&after));
            let differ = before.lines().zip(after.lines()).find(|(one, other)| one != other);
            panic!("{name}: {differ:#?}");
        }
    }
    place.covered();
    // What was counted again is a basis to go on from.
    let whole =
        "{\"event\":\"grown\",\"seq\":1}\n{\"event\":\"grown\",\"seq\":5}\nbad\n{\"event\":\"grown\"}\n";
    place.write("live", whole);
    place.ingest("live");
    let live = place.facts("live");
    assert_eq!((&live["lines"], &live["rejected"], &live["growing"]), (&4.into(), &1.into(), &false.into()));
    place.covered();
}

#[test]
fn what_was_pruned_is_said_and_the_rest_is_as_it_was() {
    let place = filled();
    place.write("holes", "{\"event\":\"h\",\"seq\":1}\n{\"event\":\"h\",\"seq\":4}\n");
    place.ingest("holes");
    let before = ["live", "longer", "clocks", "holes"].map(|name| place.facts(name));
    let engine = place.engine();
    let selection = Selection { sources: vec![place.uri("holes")], ..Selection::default() };
    engine.prune(&engine.plan_prune(&selection).unwrap()).unwrap();
    let after = ["live", "longer", "clocks", "holes"].map(|name| place.facts(name));
    assert_eq!(before[..3], after[..3]);
    let (was, is) = (&before[3], &after[3]);
    assert_eq!((&was["holes"], &is["holes"]), (&1.into(), &0.into()));
    assert_eq!((&is["records"], &is["bytes"]), (&0.into(), &was["bytes"]));
    assert_eq!((&was["bytes_removed"], &is["bytes_removed"]), (&0.into(), &was["bytes"]));
    place.covered();
}

#[test]
fn manifests_that_are_damaged_are_written_anew() {
    let place = Place::new();
    place.write("a", "{\"event\":\"a\"}\n");
    place.ingest("a");
    let before = outputs(&place);
    fs::write(place.path("d/manifests/event_schemas.json"), "{").unwrap();
    fs::remove_file(place.path("d/manifests/dictionary.md")).unwrap();
    let state = |fix| {
        let checks = place.engine().doctor(fix, &NoProgress).unwrap();
        checks.into_iter().find(|check| check.name == "manifests").unwrap().state
    };
    assert_eq!(
        [state(false), state(true), state(false)],
        [CheckState::Warning, CheckState::Fixed, CheckState::Ok]
    );
    assert_eq!(outputs(&place), before);
}

#[test]
fn keys_that_are_data_are_folded_at_every_level() {
    let place = Place::new();
    // More keys at each level than an object of names has, and none of them a number.
    let record = |n: u32| {
        let nested = (0..6).fold("1".to_owned(), |inner, level| format!("{{\"k{n}-{level}\":{inner}}}"));
        format!("{{\"event\":\"deep\",\"data\":{nested}}}\n")
    };
    place.write("deep", (0..1_500).map(record).collect::<String>());
    place.ingest("deep");
    let index = fs::read_to_string(place.path("d/manifests/field_index.json")).unwrap();
    assert!(index.contains("\"data.{}.{}.{}.{}.{}.{}\""), "{}", &index[..index.len().min(2_000)]);
    place.covered();
}
