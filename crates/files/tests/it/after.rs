//! What becomes of files, and when.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use stele_collect::{CollectError, Preview};

use crate::rig::{Rig, gz, zip};

const NONE: [&str; 0] = [];

#[test]
fn sources_12_a_file_is_moved_when_its_rows_are_kept_and_not_before() {
    let mut rig = Rig::new(json!({"archive_after_ingestion": true, "archive_path": "archive/%Y/%m"}));
    rig.write("sub/a.jsonl", "{\"a\":1}\n");
    rig.write("empty.csv", "");
    let before = rig.files();
    rig.kept.fails_at = Some(1);
    assert!(rig.run().is_err());
    assert_eq!(rig.files(), before, "the sink kept nothing");
    // A look moves nothing.
    rig.collect_into(&mut Preview::new(5)).unwrap();
    assert_eq!(rig.files(), before);
    assert_eq!(rig.good(), ["{\"a\":1}"]);
    assert_eq!(rig.files(), ["archive/2026/11/empty.csv", "archive/2026/11/sub/a.jsonl"]);
    // What lies in the archive is never read, though the pattern takes it.
    assert_eq!(rig.good(), NONE);
    rig.write("sub/a.jsonl", "{\"a\":2}\n");
    assert_eq!(rig.good(), ["{\"a\":2}"]);
    rig.write("sub/a.jsonl", "{\"a\":3}\n");
    assert_eq!(rig.good(), ["{\"a\":3}"]);
    let names =
        ["archive/2026/11/sub/a-1.jsonl", "archive/2026/11/sub/a-2.jsonl", "archive/2026/11/sub/a.jsonl"];
    assert_eq!(rig.files()[1..], names);
    assert_eq!(fs::read_to_string(rig.path(names[0])).unwrap(), "{\"a\":2}\n");
}

#[test]
fn sources_12_a_run_that_died_before_the_move_is_made_good() {
    for after in ["archive", "delete"] {
        let mut rig = Rig::new(json!({"after_ingest": "nothing"}));
        rig.write("a.jsonl", "{\"a\":1}\n");
        assert_eq!(rig.good().len(), 1);
        rig.settings = json!({"after_ingest": after});
        assert_eq!((rig.good().len(), rig.kept.records), (0, 1));
        let left = if after == "archive" { vec!["archive/a.jsonl"] } else { vec![] };
        assert_eq!(rig.files(), left);
    }
}

#[test]
fn sources_12_what_the_sink_did_not_take_stays() {
    // Between files, and in the middle of one; each batch in its turn.
    for (batch_records, stops_at) in [(None, 1), (Some(2), 1), (Some(2), 2), (Some(2), 3)] {
        let mut rig = Rig::new(json!({"after_ingest": "delete"}));
        rig.write("a.jsonl", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
        rig.write("b.jsonl", "{\"n\":4}\n{\"n\":5}\n");
        (rig.kept.batch_records, rig.kept.stops_at) = (batch_records, Some(stops_at));
        assert!(matches!(rig.run(), Err(CollectError::Cancelled)), "{stops_at}");
        rig.kept.stops_at = None;
        rig.run().unwrap();
        let mut rows = rig.taken();
        rows.sort();
        assert_eq!(rows, (1..=5).map(|n| format!("{{\"n\":{n}}}")).collect::<Vec<_>>(), "{stops_at}");
        assert_eq!(rig.files(), Vec::<String>::new());
    }
}

#[test]
fn sources_12_a_file_is_packed_on_its_way() {
    let mut rig = Rig::new(json!({"after_ingest": "archive", "archive_compress": "gzip"}));
    rig.write("a.jsonl", "{\"a\":1}\n");
    rig.write("b.jsonl.gz", gz("{\"a\":2}\n"));
    assert_eq!(rig.good().len(), 2);
    assert_eq!(rig.files(), ["archive/a.jsonl.gz", "archive/b.jsonl.gz"]);
    assert_eq!(fs::read(rig.path("archive/b.jsonl.gz")).unwrap(), gz("{\"a\":2}\n"), "once is enough");
    rig.write("a.jsonl", "{\"a\":4}\n");
    assert_eq!(rig.good().len(), 1);
    let mut text = String::new();
    let file = fs::File::open(rig.path("archive/a-1.jsonl.gz")).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text).unwrap();
    assert_eq!(text, "{\"a\":4}\n");
}

#[test]
fn sources_12_a_file_is_moved_to_another_disk() {
    // The system's directory in memory is another file system than the one of the tests; where there is none, or it is the
    // same, nothing can be tried.
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let mut rig = Rig::new(json!({"after_ingest": "archive", "archive_path": other.path()}));
    let device = |path: &Path| std::os::unix::fs::MetadataExt::dev(&fs::metadata(path).unwrap());
    assert_ne!(device(other.path()), device(rig.dir.path()), "nothing is tried on one disk");
    for content in ["{\"a\":1}\n", "{\"a\":2}\n"] {
        rig.write("a.jsonl", content);
        assert_eq!(rig.good().len(), 1);
    }
    assert_eq!(rig.files(), NONE);
    let read = |name: &str| fs::read_to_string(other.path().join(name)).unwrap();
    assert_eq!((read("a.jsonl"), read("a-1.jsonl")), ("{\"a\":1}\n".to_owned(), "{\"a\":2}\n".to_owned()));
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 2, "nothing is left aside");
}

#[test]
fn sources_12_an_archive_that_cannot_be_written_keeps_the_file() {
    let mut rig = Rig::new(json!({"after_ingest": "archive", "archive_path": "archive/sub"}));
    rig.write("a.jsonl", "{\"a\":1}\n");
    // A file where the directory would be; permissions hold nobody back who is root.
    rig.write("archive", "in the way");
    fs::set_permissions(rig.path("archive"), fs::Permissions::from_mode(0o644)).unwrap();
    rig.settings["file_pattern"] = json!("*.jsonl");
    let told = rig.run().unwrap();
    assert_eq!((told[0].1.as_str(), told[1].0.as_str()), ("ok", "a.jsonl"));
    assert!(
        told[1].1.starts_with("what was read of it is kept; what was to follow went wrong: cannot create"),
        "{told:?}"
    );
    assert_eq!((rig.taken().len(), rig.files()), (1, vec!["a.jsonl".to_owned(), "archive".to_owned()]));
    fs::remove_file(rig.path("archive")).unwrap();
    assert_eq!((rig.good().len(), rig.files()), (0, vec!["archive/sub/a.jsonl".to_owned()]));
}

#[test]
fn sources_12_what_failed_is_put_away_with_its_reason() {
    let mut rig = Rig::new(json!({"after_ingest": "archive"}));
    rig.write_at("a.json", "[{\"a\":1},{\"a\"", 2);
    rig.write_at("b.json", "[{\"a\":2}]", 1);
    let told = rig.run().unwrap();
    assert_eq!((told[0].1.as_str(), told[1].0.as_str()), ("ok", "a.json"));
    assert_eq!(rig.taken(), ["{\"a\":1}", "{\"a\":2}"], "what is sound of it is kept");
    assert_eq!(rig.files(), ["archive/b.json", "failed/a.json", "failed/a.json.reason.txt"]);
    let reason = fs::read_to_string(rig.path("failed/a.json.reason.txt")).unwrap();
    assert!(reason.contains("byte 9: the file ends within value 2"), "{reason}");
    assert_eq!(rig.good(), NONE);
}

#[test]
fn sources_12_a_file_that_changed_meanwhile_stays() {
    let mut rig = Rig::new(json!({}));
    rig.write("a.jsonl", "{\"a\":1}\n");
    rig.good();
    rig.settings = json!({"after_ingest": "delete"});
    rig.append("a.jsonl", "{\"a\":2}\n");
    assert_eq!((rig.good(), rig.files()), (vec!["{\"a\":2}".to_owned()], vec![]));
    // What was delivered as a whole is no beginning of what comes next.
    rig.write("b.jsonl", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    assert_eq!(rig.good().len(), 3);
}

#[test]
fn sources_12_settings_that_would_eat_themselves_are_refused() {
    for (settings, says) in [
        (json!({"after_ingest": "archive", "archive_path": "."}), "holds the files that are read"),
        (json!({"after_ingest": "archive", "archive_path": ".."}), "holds the files that are read"),
        (json!({"after_ingest": "delete", "archive_after_ingestion": true}), "deletes what"),
        (json!({"after_ingest": "delete", "member_pattern": "*.csv"}), "files that the pattern leaves out"),
        (json!({"file_pattern": "a{b"}), "file_pattern"),
        (json!({"encoding": "klingon"}), "klingon is no encoding"),
        (json!({"modified_since": "yesterday"}), "yesterday is neither"),
        (json!({"path": "/nowhere/at/all"}), "/nowhere/at/all"),
    ] {
        let mut rig = Rig::new(settings.clone());
        rig.write("a.jsonl", "{\"a\":1}\n");
        let error = rig.run().unwrap_err();
        let told = stele_model::error::in_full(&error);
        assert!(told.contains(says), "{settings}: {told}");
    }
}

/// What lies at the end of a source that moves or deletes, after so many runs, of a file with a line that is too long.
fn not_whole(name: &str, bytes: &[u8], first: &str, after: &str) -> (Rig, Vec<(String, String)>) {
    let mut rig = Rig::new(json!({"after_ingest": first}));
    rig.write(name, bytes);
    let mut told = rig.run().unwrap();
    if first != after {
        assert_eq!(rig.files(), [name]);
        rig.settings = json!({"after_ingest": after});
        told = rig.run().unwrap();
    }
    (rig, told)
}

#[test]
fn sources_12_a_file_of_which_not_all_is_kept_is_none_that_is_done() {
    let long = format!("{{\"a\":1}}\n{{\"a\":\"{}\"}}\n{{\"a\":2}}\n", "x".repeat(17 << 20));
    let archive = zip(&[("a.jsonl", long.as_bytes()), ("b.jsonl", b"{\"a\":3}\n")]);
    for (name, bytes) in [("a.jsonl", long.as_bytes()), ("a.zip", &archive)] {
        for (first, after) in
            [("delete", "delete"), ("archive", "archive"), ("nothing", "delete"), ("nothing", "archive")]
        {
            let (mut rig, told) = not_whole(name, bytes, first, after);
            let says = told.iter().any(|(_, why)| why.contains("the line has 17825801 bytes"));
            assert!(says, "{name} {first} {after}: {told:?}");
            let left = [format!("failed/{name}"), format!("failed/{name}.reason.txt")];
            assert_eq!(rig.files(), left, "{first} {after}");
            assert!(fs::read(rig.path(&left[0])).unwrap() == bytes, "not a byte is lost");
            let reason = fs::read_to_string(rig.path(&left[1])).unwrap();
            assert!(reason.contains("a.jsonl:2:8: the line has 17825801 bytes"), "{reason}");
            assert_eq!(rig.taken()[..2], ["{\"a\":1}", "{\"a\":2}"]);
            // A copy lacks the same.
            rig.write(&format!("copy-{name}"), bytes);
            rig.run().unwrap();
            assert!(rig.files().contains(&format!("failed/copy-{name}")), "{:?}", rig.files());
        }
    }
}

#[test]
fn sources_12_a_file_that_grows_stays_whatever_it_lacks() {
    let mut rig = Rig::new(json!({"after_ingest": "nothing", "failed_path": "failed"}));
    rig.write("a.jsonl", format!("{{\"a\":1}}\n{{\"a\":\"{}\"}}\n", "x".repeat(17 << 20)));
    let told = rig.run().unwrap();
    assert!(told.iter().any(|(_, why)| why.contains("the line has 17825801 bytes")), "{told:?}");
    assert_eq!((rig.taken().len(), rig.files()), (1, vec!["a.jsonl".to_owned()]));
    // Whoever writes to it goes on.
    rig.append("a.jsonl", "{\"a\":2}\n");
    assert_eq!(rig.good(), ["{\"a\":2}"]);
    assert_eq!(rig.files(), ["a.jsonl"]);
    // What cannot be read on is another matter.
    rig.write("b.json", "[{\"a\":3},{\"a\"");
    rig.run().unwrap();
    assert_eq!(rig.files(), ["a.jsonl", "failed/b.json", "failed/b.json.reason.txt"]);
}

#[test]
fn sources_12_what_is_no_row_is_kept_whole_before_its_file_is_deleted() {
    let bad = "x".repeat(3 << 20);
    for (name, content) in [
        ("a.jsonl", format!("{{\"a\":1}}\n{{{bad}\n")),
        ("a.json", format!("[{{\"a\":1}},{{{bad}}}]")),
        ("a.csv", format!("a,b\n1,2\n{bad}\n")),
    ] {
        let mut rig = Rig::new(json!({"after_ingest": "delete"}));
        rig.write(name, content);
        rig.good();
        assert_eq!((rig.kept.rejected.len(), rig.files()), (1, Vec::new()), "{name}");
        assert!(rig.kept.rejected[0].contains(&bad), "{name}: {} bytes", rig.kept.rejected[0].len());
    }
}

#[test]
fn sources_12_a_reason_is_written_over_no_file() {
    let mut rig = Rig::new(json!({"after_ingest": "delete"}));
    rig.write_at("a.json.reason.txt", "neither JSON nor anything else", 2);
    rig.write_at("a.json", "[{\"a\"", 1);
    rig.run().unwrap();
    let names = ["a-1.json.reason.txt", "a.json", "a.json.reason.txt", "a.json.reason.txt.reason.txt"];
    assert_eq!(rig.files(), names.map(|name| format!("failed/{name}")));
    let kept = fs::read_to_string(rig.path("failed/a.json.reason.txt")).unwrap();
    assert_eq!(kept, "neither JSON nor anything else");
}
