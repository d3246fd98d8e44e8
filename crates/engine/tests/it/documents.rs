//! Documents in the lake: which inputs are some, and what becomes of them when they change.

use std::fs;

use stele_engine::{Cancel, IngestOptions, IngestSummary, NoProgress};
use stele_model::FileEntry;

use crate::place::Place;

fn ingest(place: &Place, name: &str) -> IngestSummary {
    let targets = [place.path(name).display().to_string()];
    place.engine().ingest(&targets, &IngestOptions::default(), &NoProgress, &Cancel::default()).unwrap()
}

/// The entries of names, as they are now.
fn entry(place: &Place, name: &str) -> FileEntry {
    let files = place.engine().snapshot().unwrap().files().unwrap();
    files.into_iter().find(|entry| entry.uri.ends_with(&format!("/{name}"))).unwrap()
}

fn covered(place: &Place) {
    let report = place.engine().coverage(&NoProgress, &Cancel::default()).unwrap();
    assert!(report.holds, "{:?}", report.differences);
}

#[test]
fn what_holds_records_is_no_document_whatever_its_name() {
    let place = Place::new();
    for (name, content, format, records) in [
        ("docs/a.md", "# A\n\nSome words.\n", "markdown", 0),
        ("docs/records.md", "{\"event\":\"a\"}\n{\"event\":\"b\"}\nnoise\n", "", 2),
        ("docs/quoted.md", "# Quoted\n\nLike this:\n\n{\"event\":\"c\"}\n\nand so on\n", "markdown", 0),
        ("docs/frames.txt", "42[\"a\",{}]\n42[\"b\",{}]\n", "frames", 2),
        ("docs/notes.txt", "only words\n", "text", 0),
        ("docs/list.csv", "name,says\na,b\n", "csv", 0),
        ("docs/page.html", "<h1>A</h1><p>Words.</p>\n", "html", 0),
        ("docs/words.log", "only words\nof nobody\n", "", 0),
        ("docs/doc.json", "{\"a\":\n1}\n", "F15", 1),
    ] {
        place.write(name, content.as_bytes());
        let summary = ingest(&place, name);
        assert_eq!(summary.records, records, "{name}");
        let entry = entry(&place, name.trim_start_matches("docs/"));
        assert_eq!(entry.ledger.bytes_in, content.len() as u64, "{name}");
        match format {
            "" => assert_eq!(summary.documents, 0, "{name} is {}", entry.format),
            format => assert_eq!(entry.format, format, "{name}"),
        }
    }
    covered(&place);
}

#[test]
fn a_document_that_changes_goes_or_comes_back_is_told() {
    let place = Place::new();
    place.write("docs/a.md", b"# A\n\nOne.\n");
    place.write("docs/b.md", b"# B\n\nTwo.\n");
    place.write("docs/record.jsonl", b"{\"event\":\"a\"}\n");
    assert_eq!(ingest(&place, "docs").documents, 2);
    assert_eq!(ingest(&place, "docs").duplicates, 3);
    let first = entry(&place, "a.md");

    place.write("docs/a.md", b"# A\n\nOne.\n\nAnd more.\n");
    assert_eq!(ingest(&place, "docs").documents, 1);
    assert_eq!(entry(&place, "a.md").ledger.lines, 5);

    // Reverted: it stands for what it stood for.
    place.write("docs/a.md", b"# A\n\nOne.\n");
    ingest(&place, "docs");
    let back = entry(&place, "a.md");
    assert_eq!((back.bytes_done, &back.sha256), (first.bytes_done, &first.sha256));

    // Renamed, and a recording removed, which stays true.
    fs::rename(place.path("docs/b.md"), place.path("docs/c.md")).unwrap();
    fs::remove_file(place.path("docs/record.jsonl")).unwrap();
    let summary = ingest(&place, "docs");
    assert_eq!((summary.removed, summary.documents, summary.duplicates), (1, 0, 2));
    assert!(entry(&place, "b.md").gone_at.is_some() && entry(&place, "c.md").gone_at.is_none());
    assert!(entry(&place, "record.jsonl").gone_at.is_none());
    assert_eq!(ingest(&place, "docs").removed, 0);

    fs::rename(place.path("docs/c.md"), place.path("docs/b.md")).unwrap();
    assert_eq!(ingest(&place, "docs").removed, 1);
    assert!(entry(&place, "b.md").gone_at.is_none() && entry(&place, "c.md").gone_at.is_some());
    covered(&place);
}

#[test]
fn an_empty_directory_has_lost_its_documents_and_a_missing_one_has_not() {
    let place = Place::new();
    place.write("docs/a.md", b"# A\n");
    ingest(&place, "docs");
    fs::rename(place.path("docs"), place.path("elsewhere")).unwrap();
    let targets = [place.path("docs").display().to_string()];
    let gone = place.engine().ingest(&targets, &IngestOptions::default(), &NoProgress, &Cancel::default());
    assert!(gone.is_err());
    assert!(entry(&place, "a.md").gone_at.is_none());
    fs::create_dir(place.path("docs")).unwrap();
    assert_eq!(ingest(&place, "docs").removed, 1);
    assert!(entry(&place, "a.md").gone_at.is_some());
    covered(&place);
}

#[test]
fn large_documents_are_kept_in_pieces() {
    let place = Place::new();
    let large = "a line of a large document\n".repeat(400_000);
    place.write("docs/large.md", large.as_bytes());
    ingest(&place, "docs");
    let grown = format!("{large}without an end");
    place.write("docs/large.md", grown.as_bytes());
    ingest(&place, "docs");
    let entry = entry(&place, "large.md");
    assert_eq!((entry.ledger.bytes_in, entry.ledger.lines), (grown.len() as u64, 400_001));
    covered(&place);
}

/// Ingests what `name` names under `tags`; `None` says nothing about tags.
fn filed(place: &Place, name: &str, tags: Option<&[&str]>) -> IngestSummary {
    let targets = [place.path(name).display().to_string()];
    let tags = tags.map(|tags| tags.iter().map(|tag| (*tag).to_owned()).collect());
    let options = IngestOptions { tags, ..IngestOptions::default() };
    place.engine().ingest(&targets, &options, &NoProgress, &Cancel::default()).unwrap()
}

#[test]
fn an_input_is_filed_under_the_tags_that_were_said_last() {
    let place = Place::new();
    place.write("docs/a.md", b"# A\n\nOne.\n");
    place.write("docs/b.md", b"# B\n\nTwo.\n");
    place.write("docs/empty.md", b"");
    let tags = |name: &str| entry(&place, name).tags;
    filed(&place, "docs", Some(&["two", "one", "two"]));
    for name in ["a.md", "b.md", "empty.md"] {
        assert_eq!(tags(name), ["one", "two"], "{name}");
    }
    let version = || place.engine().snapshot().unwrap().version();
    let before = version();
    // Said again, or nothing said: nothing is written.
    for again in [Some(&["one", "two"][..]), None] {
        assert_eq!(filed(&place, "docs", again).tagged, 0);
        assert_eq!(version(), before);
    }
    // Others, for one of them and for an empty one.
    assert_eq!(filed(&place, "docs/a.md", Some(&["three"])).tagged, 1);
    assert_eq!(filed(&place, "docs/empty.md", Some(&["three"])).tagged, 1);
    assert_eq!((tags("a.md"), tags("empty.md")), (vec!["three".to_owned()], vec!["three".to_owned()]));
    assert_eq!(tags("b.md"), ["one", "two"]);
    // What grows, changes or goes and comes back stays filed.
    place.write("docs/b.md", b"# B\n\nTwo.\n\nMore.\n");
    place.write("docs/a.md", b"# A\n\nAnother.\n");
    filed(&place, "docs", None);
    assert_eq!(
        (tags("a.md"), tags("b.md")),
        (vec!["three".to_owned()], vec!["one".to_owned(), "two".to_owned()])
    );
    fs::rename(place.path("docs/b.md"), place.path("b.md")).unwrap();
    filed(&place, "docs", None);
    fs::rename(place.path("b.md"), place.path("docs/b.md")).unwrap();
    filed(&place, "docs", None);
    assert_eq!(tags("b.md"), ["one", "two"]);
    // The same content under another name is filed by itself.
    place.write("docs/copy.md", b"# A\n\nAnother.\n");
    filed(&place, "docs", None);
    assert_eq!(tags("copy.md"), [""; 0]);
    assert_eq!(filed(&place, "docs", Some(&[])).tagged, 3);
    assert_eq!((tags("a.md"), tags("b.md")), (Vec::new(), Vec::new()));
    covered(&place);
}
