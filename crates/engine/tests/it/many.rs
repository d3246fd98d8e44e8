//! Many inputs in one go.

use std::fs;

use stele_engine::{Cancel, NoProgress};

use crate::place::Place;

/// A little more than one commit takes.
const INPUTS: usize = 4_100;

#[test]
fn a_commit_is_bounded_by_the_number_of_inputs() {
    let place = Place::new();
    fs::create_dir(place.path("in")).unwrap();
    for n in 0..INPUTS {
        // The last ones are copies of the first.
        let text = format!("{{\"event\":\"a\",\"n\":{}}}\n", 100_000 + n % (INPUTS - 50));
        place.write(&format!("in/{n:05}"), text);
    }
    let summary = place.ingest("in");
    assert_eq!((summary.files, summary.duplicates), (INPUTS as u64, 50));
    assert_eq!(summary.records, INPUTS as u64 - 50);
    assert_eq!(summary.lake_version, Some(2), "one commit is too large, three are too small");
    let again = place.ingest_with(&place.engine(), "in", &NoProgress, &Cancel::default());
    assert_eq!((again.duplicates, again.records), (INPUTS as u64, 0));
    place.covered();
}
