//! Damage of every kind is found and named, and what can be put right is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use stele_lake::doctor::{Depth, Finding, Intact, Problem, Salvaged, TakeEnvelope, check, fix, salvage};
use stele_lake::sql::{Params, Sql, SqlOptions, Tables, output};
use stele_lake::{CommitNote, Lake, LakeError, SCHEMA_VERSION};
use stele_model::Faults;

use crate::fixture::{FailAt, Input, NOW, envelope, ingest, kind_of, lake_in};
use crate::replay::written_back;

fn input() -> Input {
    let lines: String = (0..400).map(|index| format!("{{\"index\":{index}}}\n")).collect();
    Input::new("/in/a.jsonl", lines + "\nhalf")
}

fn filled(dir: &Path) -> Lake {
    let lake = lake_in(dir);
    let input = input();
    ingest(&mut lake.writer(NOW).unwrap(), &input, 0, input.content.len()).unwrap();
    lake
}

fn problems(findings: &[Finding]) -> Vec<Problem> {
    findings.iter().map(|finding| finding.problem).collect()
}

#[test]
fn a_sound_lake_has_no_findings() {
    let dir = tempfile::tempdir().unwrap();
    let lake = filled(dir.path());
    assert_eq!(check(&lake, Depth::Full).unwrap(), []);
    assert!(matches!(check(&lake_in(&dir.path().join("none")), Depth::Quick), Err(LakeError::NoLake { .. })));
}

#[test]
fn what_a_crash_leaves_is_found_and_put_right() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let more = Input::new("/in/b.jsonl", "b\nb\n\n");
    let faulty = Lake::open(dir.path(), FailAt::nth("lake.commit.provisional", 1)).unwrap();
    ingest(&mut faulty.writer(NOW).unwrap(), &more, 0, more.content.len()).unwrap_err();
    std::fs::write(dir.path().join("lake/.writer.lock"), "4000000").unwrap();
    std::fs::remove_file(dir.path().join("manifests/schema_version.json")).unwrap();

    let lake = lake_in(dir.path());
    let found = check(&lake, Depth::Full).unwrap();
    let expect = [
        Problem::SchemaVersion,
        Problem::Provisional,
        Problem::Provisional,
        Problem::Provisional,
        Problem::UnnamedPart,
        Problem::UnnamedPart,
        Problem::StaleLock,
    ];
    assert_eq!(problems(&found), expect, "{found:#?}");
    assert!(found.iter().all(|finding| finding.fixable));
    let fixed = fix(&lake, NOW).unwrap();
    assert_eq!((fixed.findings, fixed.completed, fixed.set_aside), (found, Some(2), None));
    assert_eq!(check(&lake, Depth::Full).unwrap(), []);
    // Nothing but the anchor was missing, so nothing has to be read again.
    for input in [input(), more] {
        assert_eq!(written_back(&lake.snapshot().unwrap(), &input).unwrap(), input.content);
    }
}

fn newest_entry(dir: &Path, version: u64) -> PathBuf {
    dir.join(format!("lake/events/_delta_log/{version:020}.json"))
}

#[test]
fn a_lost_commit_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let lake = filled(dir.path());
    let more = Input::new("/in/b.jsonl", "b\nb\n\n");
    let whole = ingest(&mut lake.writer(NOW + 1).unwrap(), &more, 0, more.content.len()).unwrap();
    std::fs::remove_file(newest_entry(dir.path(), whole.version())).unwrap();
    assert_eq!(lake.snapshot().unwrap().files().unwrap().len(), 1);
    let fixed = fix(&lake, NOW + 2).unwrap();
    assert_eq!((fixed.completed, fixed.set_aside), (Some(2), None));
    assert_eq!(lake.snapshot().unwrap().totals(), whole.totals());
    assert_eq!(written_back(&lake.snapshot().unwrap(), &more).unwrap(), more.content);
    assert_eq!(check(&lake, Depth::Full).unwrap(), []);
}

#[test]
fn a_finished_part_is_moved_and_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    let lake = filled(dir.path());
    let more = Input::new("/in/b.jsonl", "b\nb\n\n");
    let whole = ingest(&mut lake.writer(NOW + 1).unwrap(), &more, 0, more.content.len()).unwrap();
    let known = lake.snapshot_at(1).unwrap();
    let new = |part: &&stele_lake::PartInfo| !known.event_parts().iter().any(|old| old.path == part.path);
    let parts: Vec<_> = whole.event_parts().iter().filter(new).cloned().collect();
    assert!(!parts.is_empty());
    std::fs::remove_file(newest_entry(dir.path(), whole.version())).unwrap();
    // With a damaged part the commit cannot be proved, so nothing is guessed.
    let bytes: Vec<Vec<u8>> = parts.iter().map(|part| std::fs::read(&part.path).unwrap()).collect();
    let mut damaged = bytes[0].clone();
    damaged[20] ^= 1;
    std::fs::write(&parts[0].path, &damaged).unwrap();
    let fixed = fix(&lake, NOW + 2).unwrap();
    let aside = dir.path().join("lake/lost+found");
    assert_eq!((fixed.completed, fixed.set_aside), (None, Some(aside.clone())));
    for (index, part) in parts.iter().enumerate() {
        let kept = std::fs::read(aside.join("events").join(&part.relative)).unwrap();
        assert_eq!(&kept, if index == 0 { &damaged } else { &bytes[index] });
        assert!(!part.path.exists());
    }
    assert_eq!(check(&lake, Depth::Full).unwrap(), []);
    assert_eq!(written_back(&lake.snapshot().unwrap(), &input()).unwrap(), input().content);
}

/// Does something once, just before a writer takes the lock.
struct BeforeLock(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Faults for BeforeLock {
    fn hit(&self, point: &'static str) -> std::io::Result<()> {
        let act = if point == "lake.create" { self.0.lock().unwrap().take() } else { None };
        act.into_iter().for_each(|act| act());
        Ok(())
    }
}

#[test]
fn an_orphan_that_a_commit_names_meanwhile_stays() {
    let dir = tempfile::tempdir().unwrap();
    let lake = filled(dir.path());
    let more = Input::new("/in/b.jsonl", "b\nb\n\n");
    let parts = {
        let mut appender = lake.writer(NOW).unwrap().appender(crate::fixture::context());
        more.append(std::slice::from_mut(&mut appender), 0, more.content.len()).unwrap();
        appender.finish().unwrap()
    };
    let stray = dir.path().join("lake/files/.part-0-0.unfinished");
    std::fs::write(&stray, "x").unwrap();
    let found = check(&lake, Depth::Quick).unwrap();
    assert!(
        found.len() > 1
            && found
                .iter()
                .all(|it| it.fixable && it.problem <= Problem::UnnamedPart && it.problem >= Problem::Orphan),
        "{found:?}"
    );

    let (entry, home) = (more.entry(more.content.len()), dir.path().to_path_buf());
    let commit: Box<dyn FnOnce() + Send> = Box::new(move || {
        let mut writer = lake_in(&home).writer(NOW + 1).unwrap();
        writer.commit(vec![parts], vec![entry], &CommitNote::default()).unwrap();
    });
    let racing = Lake::open(dir.path(), Arc::new(BeforeLock(Mutex::new(Some(commit))))).unwrap();
    let fixed = fix(&racing, NOW + 2).unwrap();
    assert_eq!(fixed.findings.iter().map(|it| &it.path).collect::<Vec<_>>(), [&stray]);
    assert!(!stray.exists());
    assert_eq!(check(&lake, Depth::Full).unwrap(), []);
    assert_eq!(written_back(&lake.snapshot().unwrap(), &more).unwrap(), more.content);
}

#[test]
fn a_working_writer_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let lake = filled(dir.path());
    let writer = lake.writer(NOW).unwrap();
    let mut appender = writer.appender(crate::fixture::context());
    input().append(std::slice::from_mut(&mut appender), 0, input().content.len()).unwrap();
    let found = check(&lake, Depth::Quick).unwrap();
    assert!(found.iter().all(|finding| !finding.fixable), "{found:#?}");
    assert_eq!(problems(&found).last(), Some(&Problem::Writing));
    assert!(matches!(fix(&lake, NOW), Err(LakeError::Busy { .. })));
    drop(appender);
    drop(writer);
    assert_eq!(check(&lake, Depth::Quick).unwrap(), []);
}

fn first_part(lake: &Lake) -> PathBuf {
    lake.snapshot().unwrap().event_parts()[0].path.clone()
}

#[test]
fn damaged_parts_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let lake = filled(dir.path());
    let part = first_part(&lake);
    let sound = std::fs::read(&part).unwrap();

    std::fs::write(&part, &sound[..sound.len() / 2]).unwrap();
    assert_eq!(problems(&check(&lake, Depth::Quick).unwrap()), [Problem::DamagedPart]);
    for at in (0..sound.len()).step_by(sound.len() / 40) {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        std::fs::write(&part, &damaged).unwrap();
        let found = check(&lake, Depth::Full).unwrap();
        assert_eq!(problems(&found), [Problem::DamagedPart], "byte {at}");
        assert_eq!(found[0].path, part);
    }
    std::fs::remove_file(&part).unwrap();
    assert_eq!(problems(&check(&lake, Depth::Quick).unwrap()), [Problem::MissingPart]);
    std::fs::write(&part, &sound).unwrap();
    assert_eq!(check(&lake, Depth::Full).unwrap(), []);
}

/// Reads a record of the fixture again.
fn reread(row: Intact<'_>, take: &mut TakeEnvelope<'_>) -> Result<bool, LakeError> {
    let (doc_type, micros) = kind_of(row.raw.as_bytes());
    take(&envelope(doc_type, "tick", micros)).map(|()| true)
}

fn give_up(lake: &Lake, act: bool) -> Salvaged {
    let mut writer = lake.writer(NOW + 1).unwrap();
    salvage(&mut writer, &mut reread, None, act, NOW + 1).unwrap()
}

/// Every column of every record, in order.
fn rows(lake: &Lake, dir: &Path) -> Vec<Vec<Option<String>>> {
    let options = SqlOptions { memory_limit: 64 << 20, threads: 1, temp_dir: dir.join("tmp") };
    let sql = Sql::open(&Tables::of(&lake.snapshot().unwrap()).unwrap(), &options).unwrap();
    let mut found = sql.query("SELECT * FROM events ORDER BY file_id, byte_offset", &Params::none()).unwrap();
    let columns = found.columns().to_vec();
    let mut rows = Vec::new();
    while let Some(batch) = found.next_batch().unwrap() {
        rows.extend(output::texts(&batch, &columns).unwrap());
    }
    rows
}

#[test]
fn salvage_keeps_what_is_intact_and_says_what_is_lost() {
    let template = tempfile::tempdir().unwrap();
    let lake = filled(template.path());
    let before = rows(&lake, template.path());
    let relative = first_part(&lake).strip_prefix(template.path()).unwrap().to_path_buf();
    let sound = std::fs::read(template.path().join(&relative)).unwrap();
    let version = lake.snapshot().unwrap().version();
    let mut without_loss = 0;
    for at in (4..sound.len()).step_by(sound.len() / 16) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path();
        copy(template.path(), dir);
        let lake = lake_in(dir);
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        std::fs::write(dir.join(&relative), &damaged).unwrap();
        // The plan changes nothing.
        let there = walk(&dir.join("lake/events"));
        let plan = give_up(&lake, false);
        assert_eq!((plan.parts, plan.done), (1, false), "byte {at}");
        assert_eq!((walk(&dir.join("lake/events")), lake.snapshot().unwrap().version()), (there, version));
        let done = give_up(&lake, true);
        assert_eq!(done, Salvaged { done: true, ..plan }, "byte {at}");
        // What is kept is what was there, column by column.
        let kept = rows(&lake, dir);
        assert!(kept.iter().all(|row| before.contains(row)), "byte {at}");
        let lost = done.rows_before - done.rows_kept;
        assert_eq!(kept.len() as u64, before.len() as u64 - lost);
        assert_eq!(check(&lake, Depth::Full).unwrap(), []);
        match written_back(&lake.snapshot().unwrap(), &input()) {
            Ok(bytes) => assert_eq!((bytes, lost, done.inputs), (input().content, 0, 0), "byte {at}"),
            Err(error) => {
                assert!(matches!(error, LakeError::Lost { rows, .. } if rows == lost), "{error}");
                assert_eq!((done.lost[0].rows, done.inputs), (lost, 1));
            }
        }
        without_loss += usize::from(lost == 0);
        // The second time there is nothing left to give up.
        assert_eq!(give_up(&lake, true), Salvaged::default());
    }
    assert!(without_loss >= 8, "{without_loss}");
}

/// Copies a directory with everything below it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn damage_beside_the_text_costs_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let lake = filled(dir.path());
    let before = rows(&lake, dir.path());
    let part = first_part(&lake);
    let mut damaged = std::fs::read(&part).unwrap();
    // The first column is record_id.
    damaged[60] ^= 1;
    std::fs::write(&part, &damaged).unwrap();
    let done = give_up(&lake, true);
    assert_eq!((done.rows_kept, done.inputs), (done.rows_before, 0));
    assert_eq!(rows(&lake, dir.path()), before);
    assert_eq!(written_back(&lake.snapshot().unwrap(), &input()).unwrap(), input().content);
}

/// The files below a directory, sorted.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(if path.ends_with("_delta_log") { Vec::new() } else { walk(&path) });
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_damaged_log_names_its_file_and_line() {
    for (text, line, expect) in [
        ("", 1, "the file is empty"),
        ("{\"commitInfo\":{}}\n{\"add\":{\"path\":", 2, "EOF while parsing"),
        ("not json\n", 1, "expected ident"),
        ("{\"commitInfo\":{}}\n[]\n", 2, "not an object with one action"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let lake = filled(dir.path());
        let entry = dir.path().join("lake/events/_delta_log/00000000000000000001.json");
        std::fs::write(&entry, text).unwrap();
        for error in [lake.snapshot().unwrap_err(), lake.writer(NOW).unwrap_err()] {
            let said = error.to_string();
            assert!(
                matches!(&error, LakeError::CorruptLog { path, line: at, .. } if *path == entry && *at == Some(line)),
                "{said}"
            );
            assert!(said.contains(expect), "{said}");
        }
        let found = check(&lake, Depth::Quick).unwrap();
        assert_eq!(problems(&found), [Problem::DamagedLog]);
        let error = fix(&lake, NOW).unwrap_err();
        assert!(error.to_string().contains("nothing can be put right before the log is"), "{error}");
    }
}

#[test]
fn any_changed_bit_of_a_commit_is_noticed_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let lake = filled(dir.path());
    let sound = lake.snapshot().unwrap().totals();
    let path = dir.path().join("lake/events/_delta_log/00000000000000000001.json");
    let entry = std::fs::read(&path).unwrap();
    for at in (0..entry.len()).step_by(23) {
        let mut damaged = entry.clone();
        damaged[at] ^= 1 << (at % 7);
        std::fs::write(&path, &damaged).unwrap();
        if let Ok(snapshot) = lake.snapshot() {
            assert_eq!(snapshot.totals(), sound, "byte {at}");
        }
    }
    // Cut at a line end, what is left is good JSON.
    let lines = entry.iter().rposition(|byte| *byte == b'\n').unwrap();
    std::fs::write(&path, &entry[..lines]).unwrap();
    let error = lake.snapshot().unwrap_err();
    assert!(error.to_string().contains("the lines after it are not those that were written"), "{error}");
}

#[test]
fn a_hole_in_a_log_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let lake = filled(dir.path());
    let more = Input::new("/in/b.jsonl", "b\n");
    ingest(&mut lake.writer(NOW).unwrap(), &more, 0, 2).unwrap();
    std::fs::remove_file(dir.path().join("lake/events/_delta_log/00000000000000000001.json")).unwrap();
    let error = lake.snapshot().unwrap_err();
    assert!(error.to_string().contains("version 1 is missing before it"), "{error}");
}

#[test]
fn a_newer_lake_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    set_version(dir.path(), "7");
    let lake = lake_in(dir.path());
    for error in [lake.snapshot().unwrap_err(), lake.writer(NOW).unwrap_err()] {
        assert!(matches!(error, LakeError::NewerSchema { found: 7, known: SCHEMA_VERSION, .. }), "{error}");
        assert!(error.to_string().ends_with("use a newer stele"), "{error}");
    }
    assert_eq!(problems(&check(&lake, Depth::Quick).unwrap()), [Problem::SchemaVersion]);
}

/// Writes another schema version into the first commit of `events`.
pub fn set_version(dir: &Path, version: &str) {
    let current = format!("\"stele.schema_version\":\"{SCHEMA_VERSION}\"");
    edit_first_commit(dir, "events", &current, &format!("\"stele.schema_version\":\"{version}\""));
}

/// Changes the first commit of a table, and takes the checksum off it that would tell.
fn edit_first_commit(dir: &Path, table: &str, from: &str, to: &str) {
    let entry = dir.join(format!("lake/{table}/_delta_log/00000000000000000000.json"));
    let text = std::fs::read_to_string(&entry).unwrap();
    assert!(text.contains(from), "{text}");
    let text = text.replace(from, to);
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(&entry, format!("{{\"commitInfo\":{{}}}}\n{rest}")).unwrap();
}

#[test]
fn an_older_lake_is_read_and_migrated() {
    let dir = tempfile::tempdir().unwrap();
    drop(lake_in(dir.path()).writer(NOW).unwrap());
    // Version 1 had no table of notes, and so no pin of it.
    set_version(dir.path(), "1");
    std::fs::remove_dir_all(dir.path().join("lake/notes")).unwrap();
    let entry = dir.path().join("lake/events/_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&entry).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("stele.notes")).collect();
    std::fs::write(&entry, lines.join("\n")).unwrap();

    let lake = lake_in(dir.path());
    let old = lake.snapshot().unwrap();
    assert_eq!((old.schema_version(), old.catalogues().unwrap().len()), (1, 0));
    assert_eq!(problems(&check(&lake, Depth::Quick).unwrap()), [Problem::SchemaVersion]);
    // A migration that is cut off goes on where it stopped.
    let faulty = Lake::open(dir.path(), FailAt::nth("lake.events.log.sync", 1)).unwrap();
    faulty.writer(NOW).unwrap_err();
    assert_eq!(lake.snapshot().unwrap().schema_version(), 1);
    let input = input();
    let snapshot = ingest(&mut lake.writer(NOW).unwrap(), &input, 0, input.content.len()).unwrap();
    assert_eq!((snapshot.schema_version(), snapshot.catalogues().unwrap().len()), (SCHEMA_VERSION, 1));
    assert_eq!(written_back(&snapshot, &input).unwrap(), input.content);
    assert_eq!(check(&lake, Depth::Full).unwrap(), []);
}

#[test]
fn a_lake_without_tail_offsets_is_read_and_migrated() {
    let dir = tempfile::tempdir().unwrap();
    // The old program was killed with a cursor that has no anchor: a migration must not give it one.
    let input = input();
    let killed = Lake::open(dir.path(), FailAt::nth("lake.commit.provisional", 1)).unwrap();
    ingest(&mut killed.writer(NOW).unwrap(), &input, 0, input.content.len()).unwrap_err();
    set_version(dir.path(), "2");
    let column = r#"{\"name\":\"tail_offset\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}},"#;
    edit_first_commit(dir.path(), "files", column, "");

    let lake = lake_in(dir.path());
    assert_eq!(lake.snapshot().unwrap().schema_version(), 2);
    assert_eq!(problems(&check(&lake, Depth::Quick).unwrap())[0], Problem::SchemaVersion);
    // A migration that is cut off between the two tables goes on where it stopped.
    let faulty = Lake::open(dir.path(), FailAt::nth("lake.events.log.sync", 1)).unwrap();
    faulty.writer(NOW).unwrap_err();
    assert_eq!(lake.snapshot().unwrap().schema_version(), 2);
    drop(lake.writer(NOW).unwrap());
    let migrated = lake.snapshot().unwrap();
    assert_eq!((migrated.schema_version(), migrated.files().unwrap().len()), (SCHEMA_VERSION, 0));
    // Created, the lost cursor, taken back, migrated: once.
    let entry = |version: u64| dir.path().join(format!("lake/files/_delta_log/{version:020}.json"));
    assert!(std::fs::read_to_string(entry(3)).unwrap().contains("tail_offset"));
    assert!(!entry(4).exists());
    let snapshot = ingest(&mut lake.writer(NOW).unwrap(), &input, 0, input.content.len()).unwrap();
    assert_eq!(written_back(&snapshot, &input).unwrap(), input.content);
    fix(&lake, NOW).unwrap();
    assert_eq!(check(&lake, Depth::Full).unwrap(), []);
}
