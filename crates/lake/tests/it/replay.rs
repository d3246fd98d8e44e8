//! What went in comes out, byte for byte; what cannot is said.

use proptest::collection::vec;
use proptest::prelude::*;
use stele_lake::replay::replay;
use stele_lake::{CommitNote, LakeError, Snapshot};

use crate::fixture::{Input, NOW, context, ingest, lake_in, sha256};

pub fn written_back(snapshot: &Snapshot, input: &Input) -> Result<Vec<u8>, LakeError> {
    let entry = snapshot.files()?.into_iter().find(|entry| entry.uri == input.uri).unwrap();
    let mut out = Vec::new();
    let replayed = replay(snapshot, &entry, &mut out)?;
    assert_eq!((replayed.bytes, replayed.sha256), (out.len() as u64, sha256(&out)));
    Ok(out)
}

#[track_caller]
fn check(content: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let input = Input::new("/in/a.jsonl", content);
    let mut writer = lake_in(dir.path()).writer(NOW).unwrap();
    let snapshot = ingest(&mut writer, &input, 0, content.len()).unwrap();
    assert_eq!(written_back(&snapshot, &input).unwrap(), content);
}

#[test]
fn every_kind_of_line_end() {
    check(b"");
    check(b"\n");
    check(b"\n\n\n");
    check(b"{}\n{}\n");
    check(b"{}\n{}");
    check(b"{}\r\n\r\n{}\r\n");
    check(b" \t\n{}\n\xff\xfe\n\0\0\0{}\n");
    check("\u{feff}{\"a\":\"ä\"}\n".as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any bytes, cut into commits at any line ends, in two appenders and several partitions.
    #[test]
    fn any_bytes(
        lines in vec(prop_oneof![
            4 => "[a-z{}\":0-9]{1,40}".prop_map(String::into_bytes),
            1 => vec(any::<u8>(), 0..30),
            1 => Just(b"\r".to_vec()),
            1 => Just(Vec::new()),
        ], 1..60),
        cuts in vec(0..60usize, 0..3),
        final_newline in any::<bool>(),
    ) {
        let mut content = lines.join(&b'\n');
        if final_newline {
            content.push(b'\n');
        }
        let mut ends: Vec<usize> = (1..=content.len()).filter(|end| content[end - 1] == b'\n').collect();
        let mut commits: Vec<usize> = cuts.iter().filter_map(|cut| ends.get(*cut).copied()).collect();
        commits.push(content.len());
        commits.sort_unstable();
        commits.dedup();
        ends.clear();

        let dir = tempfile::tempdir().unwrap();
        let input = Input::new("/in/any.jsonl", content.clone());
        let other = Input::new("/in/other.jsonl", "{\"other\":true}\n".repeat(5));
        let mut writer = lake_in(dir.path()).writer(NOW).unwrap();
        let mut from = 0;
        for to in commits {
            let snapshot = ingest(&mut writer, &input, from, to).unwrap();
            prop_assert_eq!(&written_back(&snapshot, &input).unwrap(), &content[..to]);
            from = to;
        }
        ingest(&mut writer, &other, 0, other.content.len()).unwrap();
        let snapshot = lake_in(dir.path()).snapshot().unwrap();
        prop_assert_eq!(&written_back(&snapshot, &input).unwrap(), &content);
        prop_assert_eq!(&written_back(&snapshot, &other).unwrap(), &other.content);
    }
}

/// Commits what `append` leaves of the lines, and replays.
fn replay_of(append: &[(u64, &str)], content: &str) -> Result<Vec<u8>, LakeError> {
    let dir = tempfile::tempdir().unwrap();
    let input = Input::new("/in/a.jsonl", content);
    let mut writer = lake_in(dir.path()).writer(NOW).unwrap();
    let mut appender = writer.appender(context());
    appender.set_file(&input.file_ref());
    for (offset, raw) in append {
        let row = crate::fixture::envelope(stele_model::DocType::Row, "x", Some(NOW));
        appender.record(&row, raw, 1, *offset)?;
    }
    let parts = vec![appender.finish()?];
    let snapshot = writer.commit(parts, vec![input.entry(content.len())], &CommitNote::default())?;
    written_back(&snapshot, &input)
}

#[track_caller]
fn check_refused(append: &[(u64, &str)], content: &str, expect: &str) {
    let error = replay_of(append, content).unwrap_err();
    assert!(matches!(error, LakeError::Replay { .. }), "{error}");
    assert!(error.to_string().contains(expect), "{error}");
}

#[test]
fn what_is_not_what_was_read_is_refused() {
    assert_eq!(replay_of(&[(0, "aa"), (3, "bb")], "aa\nbb\n").unwrap(), b"aa\nbb\n");
    // Rows out of order are put in order.
    assert_eq!(replay_of(&[(3, "bb"), (0, "aa"), (6, "c")], "aa\nbb\nc").unwrap(), b"aa\nbb\nc");
    check_refused(&[(0, "aa"), (6, "cc")], "aa\nbb\ncc\n", "4 bytes are missing at byte 2");
    check_refused(&[(0, "aa"), (0, "aa"), (3, "bb")], "aa\nbb\n", "from 0 to 2 are there twice");
    check_refused(&[(0, "aa"), (3, "bX")], "aa\nbb\n", "SHA-256");
    check_refused(&[(0, "aa")], "aa\nbb\n", "4 bytes are missing at byte 2");
    check_refused(&[(0, "aa"), (3, "bcbb")], "aa\nbb\n", "SHA-256");
}

#[test]
fn a_changed_byte_in_a_part_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let content: String = (0..500).map(|index| format!("{{\"index\":{index}}}\n")).collect();
    let input = Input::new("/in/a.jsonl", content.as_str());
    let mut writer = lake_in(dir.path()).writer(NOW).unwrap();
    let snapshot = ingest(&mut writer, &input, 0, content.len()).unwrap();
    let part = &snapshot.event_parts()[0].path;
    let sound = std::fs::read(part).unwrap();
    for at in (0..sound.len()).step_by(61) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x10;
        std::fs::write(part, &damaged).unwrap();
        // A bit in a column that replay does not read may go unnoticed here; wrong bytes may not.
        if let Ok(bytes) = written_back(&snapshot, &input) {
            assert_eq!(bytes, content.as_bytes(), "byte {at}");
        }
    }
    std::fs::remove_file(part).unwrap();
    let error = written_back(&snapshot, &input).unwrap_err();
    assert!(matches!(error, LakeError::MissingPart { .. }), "{error}");
}
