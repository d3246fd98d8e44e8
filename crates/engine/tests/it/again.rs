//! What is there already is told by content, read to its end; what is not there comes back.

use std::fs;
use std::path::PathBuf;

use stele_engine::lake::maintain::Selection;
use stele_engine::{Cancel, EngineError, IngestOptions, IngestSummary, NoProgress};
use stele_testkit::sample::{Plan, write};

use crate::place::{Place, lines};

/// Inputs may fail here.
fn ingest(place: &Place, names: &[&str]) -> Result<IngestSummary, EngineError> {
    let targets: Vec<String> = names.iter().map(|name| place.path(name).display().to_string()).collect();
    place.engine().ingest(&targets, &IngestOptions::default(), &NoProgress, &Cancel::default())
}

fn records(place: &Place) -> u64 {
    place.engine().snapshot().unwrap().totals().records
}

fn prune(place: &Place, selection: Selection) {
    let engine = place.engine();
    let plan = engine.plan_prune(&selection).unwrap();
    assert!(!plan.is_empty());
    engine.prune(&plan).unwrap();
}

fn source(place: &Place, name: &str) -> Selection {
    Selection { sources: vec![place.uri(name)], ..Selection::default() }
}

/// The compressed recordings of a sample.
fn compressed(place: &Place) -> Vec<PathBuf> {
    write(&Plan { seed: 7, bytes: 200_000, damage: false }, &place.path("sample")).unwrap();
    let files = fs::read_dir(place.path("sample/recordings")).unwrap().map(|file| file.unwrap().path());
    let found: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "gz" || end == "zst")).collect();
    assert!(!found.is_empty());
    found
}

#[test]
fn what_is_damaged_is_no_duplicate() {
    let place = Place::new();
    for (n, path) in compressed(&place).into_iter().enumerate() {
        let good = fs::read(path).unwrap();
        let (name, other) = (format!("x{n}"), format!("damaged{n}"));
        place.write(&name, &good);
        place.ingest(&name);
        let before = records(&place);
        let junk = [&good[..], b"junk behind it"].concat();
        let mut checksum = good.clone();
        let at = good.len() - 6;
        checksum[at] ^= 1;
        for bad in [&junk, &checksum, &good[..good.len() - 3].to_vec()] {
            for name in [&other, &name] {
                place.write(name, bad);
                let summary = ingest(&place, &[name]).unwrap();
                assert_eq!((summary.failures.len(), summary.duplicates), (1, 0), "{:?}", summary.failures);
                assert_eq!((summary.records, records(&place)), (0, before));
            }
        }
        // A second member is a part of the stream.
        place.write(&name, [&good[..], &good[..]].concat());
        let summary = ingest(&place, &[&name]).unwrap();
        assert_eq!((summary.failures.len(), summary.resumed, summary.duplicates), (0, 1, 0));
        assert_eq!(records(&place), 2 * before);
        place.write(&name, &good);
        assert_eq!(ingest(&place, &[&name]).unwrap().records, before, "the shorter is another content");
        prune(&place, source(&place, &name));
        place.covered();
    }
}

#[test]
fn what_was_pruned_comes_back() {
    let place = Place::new();
    place.write("a", lines("a", 5));
    place.ingest("a");
    prune(&place, source(&place, "a"));
    assert_eq!(records(&place), 0);
    // Under another name, and then its own again.
    place.write("b", lines("a", 5));
    let summary = place.ingest("b");
    assert_eq!((summary.records, summary.duplicates), (5, 0));
    let summary = place.ingest("a");
    assert_eq!((summary.records, summary.duplicates), (0, 1));
    for name in ["a", "b"] {
        assert_eq!(place.replayed(&place.engine(), name), lines("a", 5).as_bytes());
    }
    place.write("a", lines("a", 9));
    assert_eq!((place.ingest("a").records, records(&place)), (4, 9));
    place.covered();
}

#[test]
fn what_was_pruned_by_age_comes_back() {
    let place = Place::new();
    let day =
        |day: u32, seq| format!("{{\"event\":\"a\",\"seq\":{seq},\"ts\":\"2024-01-0{day}T00:00:00Z\"}}\n");
    let content = [day(1, 0), day(2, 1), day(3, 2)].concat();
    place.write("a", &content);
    place.ingest("a");
    let before =
        |day: i64| Selection { before: Some((19_723 + day - 1) * 86_400_000_000), ..Selection::default() };
    prune(&place, before(3));
    assert_eq!(records(&place), 1);
    // One row is left: reading all would double it.
    let summary = ingest(&place, &["a"]).unwrap();
    assert_eq!((summary.duplicates, summary.records, summary.failures.len()), (0, 0, 1));
    let reason = &summary.failures[0].reason;
    assert!(reason.contains("older than 2024-01-03") && reason.contains(&place.uri("a")), "{reason}");
    // It still grows.
    place.write("a", [&*content, &day(4, 3)].concat());
    assert_eq!((place.ingest("a").records, records(&place)), (1, 2));
    // The way that the failure names.
    prune(&place, source(&place, "a"));
    assert_eq!((place.ingest("a").records, records(&place)), (4, 4));
    place.covered();
    // All rows by age: nothing is left that could be there twice.
    prune(&place, before(9));
    assert_eq!(records(&place), 0);
    assert_eq!((place.ingest("a").records, records(&place)), (4, 4));
    assert_eq!(place.ingest("a").duplicates, 1);
    place.covered();
}

#[test]
fn the_longer_name_comes_back_behind_the_shorter() {
    let content = lines("a", 1_000);
    let middle = content.len() / 2;
    let end_of_line = middle + content[middle..].find('\n').unwrap() + 1;
    for (cut, refused) in [(end_of_line, false), (end_of_line - 5, true)] {
        let place = Place::new();
        place.write("short", &content[..cut]);
        place.ingest("short");
        place.write("long", &content);
        assert_eq!(place.ingest("long").resumed, 1);
        prune(&place, source(&place, "long"));
        assert!(records(&place) < 1_000);
        if refused {
            // The line in which the shorter ends is there as a whole, and would be read again.
            let summary = ingest(&place, &["long"]).unwrap();
            assert!(summary.failures[0].reason.contains(&place.uri("short")), "{:?}", summary.failures);
            prune(&place, source(&place, "short"));
        }
        place.ingest("long");
        assert_eq!(records(&place), 1_000);
        assert_eq!(place.replayed(&place.engine(), "long"), content.as_bytes());
        place.covered();
    }
}

#[test]
fn a_log_that_grows_and_is_rotated_is_read_on() {
    let place = Place::new();
    fs::create_dir(place.path("in")).unwrap();
    place.write("in/app.log", lines("a", 3));
    place.ingest("in");
    // It grows beyond the head by which it is known, and once in the middle of a line.
    let mut known = 3;
    for (grown, rotated) in [(5, "app.log.1"), (40_000, "app-2.log"), (40_100, "app.log.3")] {
        place.write("in/app.log", [lines("a", grown).as_bytes(), b"{\"event\":\"a"].concat());
        assert_eq!(place.ingest("in").records, grown as u64 - known);
        let grown = grown + 2;
        place.write("in/app.log", lines("a", grown));
        fs::rename(place.path("in/app.log"), place.path(&format!("in/{rotated}"))).unwrap();
        place.write("in/app.log", lines(rotated, 4));
        let summary = place.ingest("in");
        assert_eq!((summary.records, summary.resumed), (2 + 4, 1), "{rotated}");
        place.covered();
        known = grown as u64;
        fs::rename(place.path(&format!("in/{rotated}")), place.path("in/app.log")).unwrap();
    }
    assert_eq!(records(&place), 40_102 + 3 * 4);
}

#[test]
fn a_common_beginning_makes_no_growth() {
    let place = Place::new();
    place.write("one", "{\"event\":\"hello\"}\n");
    place.ingest("one");
    place.write("two", "{\"event\":\"hello\"}\n{\"event\":\"a\"}\n");
    assert_eq!((place.ingest("two").resumed, records(&place)), (0, 3));
    place.covered();
}

#[test]
fn what_is_asked_for_in_vain_is_said() {
    let mut place = Place::new();
    place.write("a", "{\"event\":\"a\",\"ts\":\"2024-01-01T00:00:00\"}\n");
    place.write("b", "{\"event\":\"b\",\"ts\":\"2024-01-01T00:00:00\"}\n");
    assert_eq!(ingest(&place, &["a", "b"]).unwrap().notes, Vec::<String>::new());
    assert_eq!(ingest(&place, &["a"]).unwrap().notes, Vec::<String>::new());
    place.settings.timezone = Some("America/New_York".to_owned());
    let notes = ingest(&place, &["a", "b"]).unwrap().notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    for part in [&place.uri("a"), "and 1 more", "none, not America/New_York", "lake prune --source"] {
        assert!(notes[0].contains(part), "{part} in {notes:?}");
    }
    prune(&place, source(&place, "a"));
    let summary = ingest(&place, &["a"]).unwrap();
    assert_eq!((summary.records, summary.notes), (1, Vec::new()));

    place.write("c", lines("c", 3));
    let mut options = IngestOptions::default();
    options.inputs.format = Some("har".to_owned());
    let target = place.path("c").display().to_string();
    let summary = place.engine().ingest(&[target], &options, &NoProgress, &Cancel::default()).unwrap();
    assert_eq!((summary.records, summary.quarantined, summary.notes.len()), (0, 0, 1));
    assert!(summary.notes[0].contains("read as har"), "{:?}", summary.notes);
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_are_two_inputs() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    fs::create_dir(place.path("in")).unwrap();
    let names: [&[u8]; 2] = [b"in/a\xff", b"in/a\\xff"];
    for (n, name) in names.into_iter().enumerate() {
        let path = place.path("").join(OsStr::from_bytes(name));
        fs::write(path, lines(&format!("n{n}"), 2)).unwrap();
    }
    assert_eq!(place.ingest("in").records, 4);
    assert_eq!(place.ingest("in").duplicates, 2);
    let report = place.engine().coverage(&NoProgress, &Cancel::default()).unwrap();
    assert_eq!(report.files.iter().map(|file| file.source).collect::<Vec<_>>(), ["unchanged"; 2]);
}

#[test]
fn a_name_stands_for_what_it_holds_now() {
    let place = Place::new();
    let (one, other) = ("{\"event\":\"one\"}\n", "{\"event\":\"other\"}\n");
    for content in [one, other, one, one] {
        place.write("a", content);
        place.ingest("a");
        assert_eq!(String::from_utf8(place.replayed(&place.engine(), "a")).unwrap(), content);
    }
    assert_eq!(records(&place), 2);
    place.covered();
}

#[test]
fn what_grows_keeps_its_format() {
    let place = Place::new();
    let frames =
        |range: std::ops::Range<u32>| range.map(|n| format!("42[\"e\",{{\"x\":{n}}}]\n")).collect::<String>();
    let mut content = frames(0..50);
    for more in
        ["{\"event\":\"a\",\"ts\":\"2025-01-01T00:00:00Z\",\"data\":{\"x\":1}}\n".repeat(15), frames(50..55)]
    {
        place.write("a", &content);
        place.ingest("a");
        content += &more;
    }
    place.write("a", &content);
    let summary = place.ingest("a");
    assert_eq!((summary.records, summary.quarantined), (5, 0));
    assert_eq!(records(&place), 55);
    place.covered();
}

#[test]
fn a_document_that_grows_is_counted_line_by_line() {
    for (content, cuts) in [
        ("[{\"e\":1},\n{\"e\":2}]\n\n", vec![5, 11, 15, 18, 19]),
        ("{\n\"e\":1\n}\n{\n\"e\":2\n}", vec![1, 4, 10, 12, 15]),
    ] {
        let place = Place::new();
        for end in cuts.into_iter().chain([content.len()]) {
            place.write("a", &content[..end]);
            place.ingest("a");
            place.covered();
        }
        assert_eq!(place.replayed(&place.engine(), "a"), content.as_bytes());
    }
}

#[test]
fn a_document_that_was_cut_in_two_is_said_to_be() {
    let place = Place::new();
    let content = "[\n{\"event\":\"e\",\"n\":1},\n{\"event\":\"e\",\"n\":2}\n]\n";
    place.write("a", &content[..40]);
    assert_eq!(place.ingest("a").notes, [""; 0]);
    place.write("a", content);
    let notes = place.ingest("a").notes;
    assert!(
        notes[0].contains("before it was whole") && notes[0].contains("lake prune --source"),
        "{notes:?}"
    );
    prune(&place, source(&place, "a"));
    assert_eq!(place.ingest("a").records, 2);
}

#[test]
fn migrating_compares_what_the_names_hold_now() {
    let place = Place::new();
    let migrate = |content: &str| {
        place.write("a", content);
        let targets = [place.path("a").display().to_string()];
        let report = place
            .engine()
            .migrate(&targets, &IngestOptions::default(), &NoProgress, &Cancel::default())
            .unwrap();
        assert_eq!((report.differing, report.compared), (0, 1), "{:#?}", report.rows);
        report.rows.iter().map(|row| row.source.rows).sum::<u64>()
    };
    let (one, two) = ("{\"event\":\"b\",\"seq\":1}\n", "{\"event\":\"t\"}\n{\"event\":\"t\"}\n");
    assert_eq!(migrate(one), 1);
    assert_eq!(migrate(two), 2);
    prune(&place, source(&place, "a"));
    assert_eq!(migrate(two), 2);
    // A copy that ends sooner is compared as far as it goes.
    place.write("longer", format!("{two}{}", "{\"event\":\"more\"}\n".repeat(400)));
    place.ingest("longer");
    assert_eq!(migrate(two), 2);
}

#[test]
fn an_acknowledged_commit_that_is_gone_is_missed() {
    let place = Place::new();
    place.write("a", "{\"event\":\"a\"}\n");
    place.ingest("a");
    prune(&place, source(&place, "a"));
    place.covered();
    place.write("b", "{\"event\":\"b\"}\n");
    place.ingest("b");
    place.covered();
    let log = place.path("d/lake/events/_delta_log");
    let mut entries: Vec<PathBuf> = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    fs::remove_file(entries.last().unwrap()).unwrap();
    let report = place.engine().coverage(&NoProgress, &Cancel::default()).unwrap();
    assert!(!report.holds && report.differences[0].contains("acknowledged"), "{report:#?}");
    // The commit is found again by what is left of it.
    place.engine().doctor(true, &NoProgress).unwrap();
    assert_eq!(records(&place), 1);
    place.covered();
}

#[test]
fn names_are_told_apart_as_the_lake_spells_them() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    fs::create_dir(place.path("in")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"in/x\xff.jsonl").to_owned();
    fs::write(place.path("").join(odd), "{\"v\":\"odd\"}\n").unwrap();
    place.write("in/x\\xff.jsonl", "{\"v\":\"literal\"}\n");
    place.ingest("in");
    let engine = place.engine();
    for entry in engine.snapshot().unwrap().files().unwrap() {
        let found = engine.input(&engine.snapshot().unwrap(), &entry.uri).unwrap();
        assert_eq!(found, entry);
    }
}
