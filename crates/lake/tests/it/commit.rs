//! Write, commit, open again, read.

use stele_lake::{CommitNote, Lake, LakeError};
use stele_model::ErrorKind;

use crate::fixture::{Input, NOW, context, ingest, lake_in};

const LINES: &str = "{\"a\":1}\n{\"b\":22}\n\n{\"c\":333}\r\nlast";

#[test]
fn what_is_committed_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let input = Input::new("/in/a.jsonl", LINES);
    let written = {
        let mut writer = lake_in(dir.path()).writer(NOW).unwrap();
        ingest(&mut writer, &input, 0, LINES.len()).unwrap()
    };
    let snapshot = Lake::open_existing(dir.path()).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.version(), written.version());
    assert_eq!(snapshot.totals(), written.totals());
    assert_eq!((snapshot.totals().records, snapshot.totals().residues), (4, 1));
    assert_eq!(snapshot.files().unwrap(), vec![input.entry(LINES.len())]);
    assert_eq!(snapshot.catalogues().unwrap(), vec![format!("/in/a.jsonl:0..{}", LINES.len())]);
    for part in snapshot.event_parts() {
        assert!(part.path.is_file());
        assert!(part.relative.starts_with(&format!("doc_type={}/", part.partition("doc_type").unwrap())));
        assert!(part.stats.byte_offset.is_some());
    }
}

#[test]
fn the_newest_entry_of_an_input_wins_and_older_snapshots_stay() {
    let dir = tempfile::tempdir().unwrap();
    let input = Input::new("/in/a.jsonl", LINES);
    let lake = lake_in(dir.path());
    let mut writer = lake.writer(NOW).unwrap();
    let first = ingest(&mut writer, &input, 0, 8).unwrap();
    let second = ingest(&mut writer, &input, 8, LINES.len()).unwrap();
    assert_eq!(second.files().unwrap(), vec![input.entry(LINES.len())]);
    assert_eq!(second.catalogues().unwrap().len(), 2);
    let before = lake.snapshot_at(first.version()).unwrap();
    assert_eq!(before.files().unwrap(), vec![input.entry(8)]);
    assert_eq!(before.totals(), first.totals());
    let error = lake.snapshot_at(99).unwrap_err();
    assert!(matches!(error, LakeError::NoSnapshot { asked: 99, .. }), "{error}");
}

#[test]
fn a_snapshot_knows_whether_it_is_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let input = Input::new("/in/a.jsonl", LINES);
    let write = |from, to| ingest(&mut lake_in(dir.path()).writer(NOW).unwrap(), &input, from, to).unwrap();
    let first = write(0, 8);
    assert!(first.is_newest() && first.clone().is_newest());
    let second = write(8, LINES.len());
    assert_eq!((first.is_newest(), second.is_newest()), (false, true));
    // Where the lake is by now is told without reading it.
    assert_eq!(
        (first.newest_version(), second.newest_version()),
        (Some(second.version()), Some(second.version()))
    );
    assert!(lake_in(dir.path()).snapshot().unwrap().is_newest());
    // Another lake in its place has a commit of the same number, and is another lake.
    std::fs::remove_dir_all(dir.path().join("lake")).unwrap();
    assert!(!second.is_newest());
    assert_eq!(second.newest_version(), None);
    write(0, 8);
    let again = write(8, LINES.len());
    assert_eq!(again.version(), second.version());
    assert_eq!((second.is_newest(), again.is_newest()), (false, true));
}

#[test]
fn a_snapshot_reads_what_is_known_of_inputs_once() {
    let dir = tempfile::tempdir().unwrap();
    let input = Input::new("/in/a.jsonl", LINES);
    ingest(&mut lake_in(dir.path()).writer(NOW).unwrap(), &input, 0, 8).unwrap();
    let [asked, clone, unasked] = {
        let snapshot = lake_in(dir.path()).snapshot().unwrap();
        let other = lake_in(dir.path()).snapshot().unwrap();
        [snapshot.clone(), snapshot, other]
    };
    let history = asked.history().unwrap();
    assert_eq!(history, vec![input.entry(8)]);
    let files = std::fs::read_dir(dir.path().join("lake/files")).unwrap().map(|entry| entry.unwrap().path());
    let parts: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "parquet")).collect();
    assert!(!parts.is_empty());
    parts.iter().for_each(|part| std::fs::remove_file(part).unwrap());
    assert_eq!(clone.history().unwrap(), history);
    assert_eq!(clone.files().unwrap(), history);
    assert!(unasked.history().is_err(), "nothing is left to be read");
}

#[test]
fn a_commit_without_rows_moves_the_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let input = Input::new("/in/copy.jsonl", LINES);
    let mut writer = lake_in(dir.path()).writer(NOW).unwrap();
    let empty = writer.appender(context()).finish().unwrap();
    let snapshot = writer.commit(vec![empty], vec![input.entry(0)], &CommitNote::default()).unwrap();
    assert_eq!(snapshot.files().unwrap(), vec![input.entry(0)]);
    assert_eq!(snapshot.totals().records, 0);
    let more = CommitNote { catalogue: Some("x".to_owned()), ..CommitNote::default() };
    let snapshot = writer.commit(vec![], vec![], &more).unwrap();
    assert_eq!(snapshot.catalogues().unwrap(), ["x"]);
}

#[test]
fn checkpoints_do_not_change_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_in(dir.path());
    let mut writer = lake.writer(NOW).unwrap();
    for index in 0..40 {
        let input = Input::new(&format!("/in/{index:02}.jsonl"), format!("{{\"i\":{index}}}\n"));
        let end = input.content.len();
        ingest(&mut writer, &input, 0, end).unwrap();
    }
    assert!(dir.path().join("lake/events/_delta_log/00000000000000000031.checkpoint.parquet").exists());
    let snapshot = lake.snapshot().unwrap();
    assert_eq!(snapshot.totals().records, 40);
    assert_eq!(snapshot.files().unwrap().len(), 40);
    let notes = snapshot.catalogues().unwrap();
    assert_eq!(notes.len(), 40);
    assert!(notes.is_sorted(), "{notes:?}");
    assert_eq!(lake.snapshot_at(20).unwrap().files().unwrap().len(), 20);
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_in(dir.path());
    let writer = lake.writer(NOW).unwrap();
    let error = lake_in(dir.path()).writer(NOW).unwrap_err();
    assert!(matches!(error, LakeError::Busy { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    assert_eq!(error.kind(), ErrorKind::Retry);
    drop(writer);
    lake.writer(NOW).unwrap();
}

#[test]
fn no_lake_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let error = Lake::open_existing(dir.path()).unwrap_err();
    assert!(matches!(error, LakeError::NoLake { .. }));
    assert!(error.to_string().starts_with("no lake at "), "{error}");
}

#[test]
fn a_lake_names_no_place_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let input = Input::new("/in/a.jsonl", LINES);
    ingest(&mut lake_in(dir.path()).writer(NOW).unwrap(), &input, 0, LINES.len()).unwrap();
    let place = dir.path().to_str().unwrap();
    for table in ["events", "quarantine", "files", "notes"] {
        for entry in std::fs::read_dir(dir.path().join("lake").join(table).join("_delta_log")).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(!text.contains(place), "{text}");
        }
    }
    let moved = tempfile::tempdir().unwrap();
    let to = moved.path().join("else where ü");
    std::fs::rename(dir.path(), &to).unwrap();
    let snapshot = Lake::open_existing(&to).unwrap().snapshot().unwrap();
    assert_eq!(crate::replay::written_back(&snapshot, &input).unwrap(), LINES.as_bytes());
}
