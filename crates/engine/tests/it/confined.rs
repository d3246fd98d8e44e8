//! What somebody else names is read where he may read, and nowhere else.

use std::os::unix::fs::symlink;

use stele_engine::{Cancel, IngestOptions, InputOptions, NoProgress};

use crate::place::{Place, lines};

#[test]
fn no_link_leads_out_of_a_confined_ingest() {
    let place = Place::new();
    place.write("in/a", lines("a", 3));
    place.write("in/deep/b", lines("b", 3));
    place.write("secret/c", lines("c", 3));
    symlink(place.path("secret/c"), place.path("in/link")).unwrap();
    symlink(place.path("secret"), place.path("in/deep/door")).unwrap();
    symlink(place.path("in/a"), place.path("in/again")).unwrap();
    let target = place.path("in").canonicalize().unwrap().display().to_string();
    let check = |confined: bool, expect: &[&str]| {
        let inputs = InputOptions { confined, ..InputOptions::default() };
        let options = IngestOptions { inputs, dry_run: true, ..IngestOptions::default() };
        let targets = std::slice::from_ref(&target);
        let summary = place.engine().ingest(targets, &options, &NoProgress, &Cancel::default()).unwrap();
        let out: Vec<&str> = summary
            .skipped
            .iter()
            .filter(|skipped| skipped.reason.contains("a link leads to it"))
            .map(|skipped| skipped.uri.strip_prefix(&format!("{target}/")).unwrap())
            .collect();
        assert_eq!(out, expect, "{:?}", summary.skipped);
    };
    check(false, &[]);
    check(true, &["deep/door/c", "link"]);
}

/// The queue is the program's own, as the lake is, under whatever name it is found.
#[test]
fn the_data_directory_is_no_input_of_itself() {
    let place = Place::new();
    place.write("in/a", lines("a", 3));
    place.ingest("in/a");
    for name in ["d/state.db", "d/state.db-wal"] {
        place.write(name, lines("queue", 3));
    }
    symlink(place.path("d"), place.path("in/door")).unwrap();
    for target in ["d/state.db-wal", "d", "in"] {
        let target = place.path(target).display().to_string();
        let summary =
            place.engine().ingest(&[target], &IngestOptions::default(), &NoProgress, &Cancel::default());
        let summary = summary.map_err(|error| error.to_string());
        let read = summary.as_ref().map_or(0, |summary| summary.files);
        assert!(read <= 1, "{summary:?}");
    }
    place.covered();
}
