//! Zip archives: each file as one of its own, whatever is beside it.

use std::fs;

use serde_json::{Value, json};

use crate::rig::{Rig, gz, zip};

const NONE: [&str; 0] = [];

fn line(id: u32) -> String {
    format!("{{\"id\":{id}}}\n")
}

/// Changes a byte of what the list of an archive, which is behind everything, says of its last file.
fn in_list(archive: &mut [u8], at: usize, value: u8) {
    let entry = archive.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    archive[entry + at] = value;
}

/// What the files of an archive failed for, by name.
fn failed(rig: &mut Rig, archive: &[u8]) -> Vec<(String, String)> {
    rig.write("a.zip", archive);
    let told = rig.run().unwrap();
    told.into_iter().filter(|(_, why)| why != "ok").collect()
}

#[test]
fn sources_10_files_of_an_archive_are_files() {
    let mut rig = Rig::new(json!({}));
    let (one, two) = (line(1) + "bad\n", gz(line(2)));
    let files = [
        ("z.csv", &b"id,what\n9,tea\n"[..]),
        ("sub/b.jsonl.gz", &two),
        ("a.jsonl", one.as_bytes()),
        (".hidden.jsonl", b"{\"id\":100}\n"),
        ("__MACOSX/a.jsonl", b"no row"),
    ];
    rig.write("x.zip", zip(&files));
    // By name, whatever their order in the archive.
    assert_eq!(rig.good(), ["{\"id\":1}", "{\"id\":2}", "{\"id\":\"9\",\"what\":\"tea\"}"]);
    assert!(rig.kept.rejected[0].starts_with("x.zip!a.jsonl:2: "), "{:?}", rig.kept.rejected);
    let states: Vec<&str> = rig.kept.cursors.streams().collect();
    assert_eq!(states, ["x.zip", "x.zip!a.jsonl", "x.zip!sub/b.jsonl.gz", "x.zip!z.csv"]);
    assert_eq!(rig.good(), NONE);
    // The next delivery has one file more and one that grew; a copy, and one that was unpacked, hold nothing new.
    let grown = one + &line(3);
    let files = [("a.jsonl", grown.as_bytes()), ("c.jsonl", b"{\"id\":4}\n"), ("sub/b.jsonl.gz", &two)];
    rig.write_at("x.zip", zip(&files), 0);
    assert_eq!(rig.good(), ["{\"id\":3}", "{\"id\":4}"]);
    fs::copy(rig.path("x.zip"), rig.path("y.zip")).unwrap();
    rig.write("c.jsonl", line(4));
    assert_eq!(rig.good(), NONE);
}

#[test]
fn sources_10_of_an_archive_what_is_asked_for() {
    let mut rig = Rig::new(json!({"file_pattern": "*.zip", "member_pattern": "data/*.jsonl"}));
    let files =
        [("data/a.jsonl", &b"{\"id\":1}\n"[..]), ("README.txt", b"hello"), ("data/sub/b.jsonl", b"{}")];
    rig.write("a.zip", zip(&files));
    assert_eq!(rig.good(), ["{\"id\":1}"]);
    assert_eq!(rig.discover().unwrap()[0].fields, [("id".to_owned(), "number".to_owned())]);
}

#[test]
fn sources_10_what_of_an_archive_cannot_be_read_is_named_and_the_rest_is_read() {
    let check = |files: &[(&str, &[u8])], change: &dyn Fn(&mut Vec<u8>), name: &str, says: &str| {
        let mut rig = Rig::new(json!({}));
        let mut archive = zip(files);
        change(&mut archive);
        let failed = failed(&mut rig, &archive);
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0].0 == name && failed[0].1.contains(says), "{says}: {failed:?}");
        assert_eq!(rig.taken(), ["{\"id\":1}"], "{says}");
        // It is named again as long as it lies there, and nothing is read twice.
        assert!(rig.run().unwrap().iter().any(|(_, why)| why.contains(says)));
        assert_eq!(rig.taken(), NONE);
    };
    let good = ("good.jsonl", &b"{\"id\":1}\n"[..]);
    let nothing = |_: &mut Vec<u8>| ();
    let inner = zip(&[good]);
    check(
        &[good, ("../up.jsonl", b"{\"id\":2}\n")],
        &nothing,
        "a.zip!../up.jsonl",
        "leads out of the archive",
    );
    check(
        &[good, ("/etc/up.jsonl", b"{\"id\":2}\n")],
        &nothing,
        "a.zip!/etc/up.jsonl",
        "leads out of the archive",
    );
    check(&[good, ("in.zip", &inner)], &nothing, "a.zip!in.zip", "an archive within an archive");
    check(
        &[good, ("x.jsonl", b"{}\n")],
        &|archive| in_list(archive, 8, 1),
        "a.zip!x.jsonl",
        "it is encrypted",
    );
    check(
        &[good, ("x.jsonl", b"{}\n")],
        &|archive| in_list(archive, 10, 14),
        "a.zip!x.jsonl",
        "a way that is not read",
    );
    check(
        &[good, ("x.jsonl", b"{}\n")],
        &|archive| in_list(archive, 16, 9),
        "a.zip!x.jsonl",
        "its checksum is not what",
    );
    check(
        &[good, ("x.jsonl", b"{}\n")],
        &|archive| in_list(archive, 24, 2),
        "a.zip!x.jsonl",
        "larger than the archive says",
    );
    check(
        &[good, ("x.jsonl", b"{}\n")],
        &|archive| in_list(archive, 24, 9),
        "a.zip!x.jsonl",
        "before the archive says",
    );
}

#[test]
fn sources_10_an_archive_that_is_a_bomb_is_not_unpacked() {
    let check = |files: &[(&str, &[u8])], change: &dyn Fn(&mut Vec<u8>), says: &str| {
        let mut rig = Rig::new(json!({"format": "text"}));
        let mut archive = zip(files);
        change(&mut archive);
        let failed = failed(&mut rig, &archive);
        assert!(failed.len() == 1 && failed[0].0 == "a.zip" && failed[0].1.contains(says), "{failed:?}");
        assert_eq!(rig.taken(), NONE);
    };
    // Of its one file it says that it has half a gigabyte.
    let zeros = [("a.txt", &[b'0'; 4096][..])];
    check(&zeros, &|archive| in_list(archive, 27, 0x20), "as a bomb does");
    let office = [("[Content_Types].xml", &b"<x/>"[..])];
    check(&office, &|_| (), "an office file");
    // Two entries that share the same bytes: each of them says that it is as long as both.
    let overlapping = |archive: &mut Vec<u8>| {
        let entries: Vec<usize> =
            (0..archive.len() - 4).filter(|at| archive[*at..].starts_with(b"PK\x01\x02")).collect();
        entries.iter().for_each(|entry| archive[entry + 21] = 9);
    };
    check(&[("a.txt", b"one\n"), ("b.txt", b"two\n")], &overlapping, "one over the other");
    check(&[("a.txt", b"one\n")], &|archive| archive.truncate(archive.len() - 9), "damaged or cut off");
}

#[test]
fn sources_12_an_archive_is_moved_when_all_of_it_is_read() {
    let settings = json!({"after_ingest": "archive", "file_pattern": "**/*.zip"});
    let mut rig = Rig::new(settings.clone());
    rig.write("a.zip", zip(&[("a.jsonl", line(1).as_bytes()), ("b.jsonl", line(2).as_bytes())]));
    // Whoever is killed between two files goes on with the second.
    (rig.kept.batch_records, rig.kept.fails_at) = (Some(1), Some(2));
    assert!(rig.run().is_err());
    assert_eq!((rig.taken(), rig.files()), (vec!["{\"id\":1}".to_owned()], vec!["a.zip".to_owned()]));
    rig.kept.fails_at = None;
    assert_eq!((rig.good(), rig.files()), (vec!["{\"id\":2}".to_owned()], vec!["archive/a.zip".to_owned()]));
    let mut rig = Rig::new(settings);
    let failed = failed(&mut rig, &zip(&[("a.jsonl", line(1).as_bytes()), ("../b.jsonl", b"")]));
    assert_eq!((failed.len(), rig.taken().len()), (1, 1));
    assert_eq!(rig.files(), ["failed/a.zip", "failed/a.zip.reason.txt"]);
    let why = fs::read_to_string(rig.path("failed/a.zip.reason.txt")).unwrap();
    assert!(why.starts_with("a.zip!../b.jsonl: its name leads out"), "{why}");
}

#[test]
fn sources_11_what_takes_the_place_of_a_file_is_not_read_as_that_file() {
    let mut rig = Rig::new(Value::Object(serde_json::Map::new()));
    rig.write_at("app.log", line(1) + &line(2), 5);
    rig.write_at("b.log", line(7), 1);
    assert_eq!(rig.good().len(), 3);
    rig.append("app.log", &line(3));
    // Between the look at the directory and that into the file, it is rotated.
    let (old, new, moved) = (rig.path("app.log"), line(100) + &line(101) + &line(102), rig.path("app.log.1"));
    rig.at_look = Some((
        1,
        Box::new(move || {
            if !moved.exists() {
                fs::rename(&old, &moved).unwrap();
                fs::write(&old, &new).unwrap();
            }
        }),
    ));
    assert_eq!(rig.good(), NONE);
    assert!(rig.notes.iter().any(|note| note.starts_with("exchanged for other files")), "{:?}", rig.notes);
    rig.at_look = None;
    let mut rows = rig.good();
    rows.sort();
    assert_eq!(rows, ["{\"id\":100}", "{\"id\":101}", "{\"id\":102}", "{\"id\":3}"]);
}

/// What came of an archive where archives are deleted: what it failed for, what it gave, and what is left.
fn deleted(archive: &[u8]) -> (Vec<(String, String)>, Vec<String>, Vec<String>) {
    let mut rig = Rig::new(json!({"after_ingest": "delete"}));
    let failed = failed(&mut rig, archive);
    let (taken, files) = (rig.taken(), rig.files());
    if let Some(kept) = files.first() {
        assert!(fs::read(rig.path(kept)).unwrap() == archive, "not a byte is lost");
    }
    (failed, taken, files)
}

#[test]
fn sources_12_an_archive_of_which_not_all_is_read_is_not_deleted() {
    let check = |archive: &[u8], says: &str, rows: &[&str]| {
        let (failed, taken, files) = deleted(archive);
        assert!(
            failed.len() == 1 && failed[0].0 == "a.zip" && failed[0].1.contains(says),
            "{says}: {failed:?}"
        );
        assert_eq!(taken, rows, "{says}");
        assert_eq!(files, ["failed/a.zip", "failed/a.zip.reason.txt"], "{says}");
    };
    let (one, two) = (("a.jsonl", &b"{\"id\":1}\n"[..]), ("b.jsonl", &b"{\"id\":2}\n"[..]));
    // Two files of one name.
    let mut twice = zip(&[one, two]);
    for at in 0..twice.len() - 7 {
        if twice[at..].starts_with(two.0.as_bytes()) {
            twice[at] = b'a';
        }
    }
    check(&twice, "several files in it have one name", &NONE);
    // Two archives, one after the other; a file that is not in the list; something behind the end.
    let listed = zip(&[two]);
    check(&[zip(&[one]), listed.clone()].concat(), "byte 0: the ", &["{\"id\":2}"]);
    let mut unlisted = zip(&[one, two]);
    let end = unlisted.len() - 22;
    let entry = unlisted.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    let length = (end - entry) as u8;
    unlisted.drain(entry..end);
    let end = unlisted.len() - 22;
    (unlisted[end + 8], unlisted[end + 10]) = (1, 1);
    unlisted[end + 12] -= length;
    check(&unlisted, "are of no file that its list names", &["{\"id\":1}"]);
    // What nobody asked for is not lost for it.
    check(
        &zip(&[one, (".b.jsonl", two.1)]),
        "1 files in it are not read, the first is .b.jsonl",
        &["{\"id\":1}"],
    );
    check(&zip(&[one, ("__MACOSX/b.jsonl", two.1)]), "the first is __MACOSX/b.jsonl", &["{\"id\":1}"]);
    // What the Finder adds is nobody's.
    let finder: [(&str, &[u8]); 4] =
        [one, (".DS_Store", b"Bud1"), ("sub/.DS_Store", b"Bud1"), ("__MACOSX/._a.jsonl", b"attributes")];
    let (failed, taken, files) = deleted(&zip(&finder));
    assert_eq!((failed.len(), taken.len(), files.len()), (0, 1, 0), "{failed:?}");
    let (failed, _, files) = deleted(&zip(&[one, ("sub/", b""), (".nothing", b"")]));
    assert_eq!((failed.len(), files.len()), (0, 0), "what has no bytes loses none");
}
