//! Compaction, vacuum and prune: what they change, and what they may not.

use std::path::Path;

use stele_lake::maintain::{
    CompactOptions, KEEP_DEFAULT, Selection, compact, plan_prune, plan_vacuum, prune, vacuum,
};
use stele_lake::{Lake, LakeError, Snapshot, Table, Writer};
use stele_model::DocType;

use crate::fixture::{FailAt, Input, NOW, ingest, lake_in};
use crate::replay::written_back;

/// Long after [`NOW`], so that everything is old.
const LATER: i64 = NOW * 2;

fn inputs() -> Vec<Input> {
    let lines = |name: char| -> String {
        (0..30)
            .map(|index| format!("{name}{}\n", "x".repeat(index % 7)))
            .chain(["\n\u{fffd}".to_owned()])
            .collect()
    };
    ('a'..='e').map(|name| Input::new(&format!("/in/{name}.jsonl"), lines(name))).collect()
}

fn filled(dir: &Path) -> (Lake, Writer, Snapshot) {
    let lake = lake_in(dir);
    let mut writer = lake.writer(NOW).unwrap();
    for input in inputs() {
        let middle = input.content.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        ingest(&mut writer, &input, 0, middle).unwrap();
        ingest(&mut writer, &input, middle, input.content.len()).unwrap();
    }
    let snapshot = writer.snapshot().unwrap();
    (lake, writer, snapshot)
}

#[track_caller]
fn check_all_replay(snapshot: &Snapshot) {
    for input in inputs() {
        assert_eq!(written_back(snapshot, &input).unwrap(), input.content, "{}", input.uri);
    }
}

fn small() -> CompactOptions {
    CompactOptions { parts_min: 2, ..CompactOptions::default() }
}

#[test]
fn compaction_moves_rows_and_changes_none() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, mut writer, before) = filled(dir.path());
    let done = compact(&mut writer, &small(), NOW).unwrap();
    let after = lake.snapshot().unwrap();
    assert_eq!(after.version(), before.version() + 1);
    assert_eq!(done.parts_before, before.totals().parts);
    assert_eq!(done.parts_after, after.totals().parts);
    assert!(done.parts_after < done.parts_before / 3, "{done:?}");
    assert_eq!(after.totals().records, before.totals().records);
    assert_eq!(after.totals().residues, before.totals().residues);
    assert_eq!(after.files().unwrap(), before.files().unwrap());
    assert_eq!(after.catalogues().unwrap(), before.catalogues().unwrap());
    for table in Table::ALL {
        let partitions: Vec<_> = after.parts(table).iter().map(|part| &part.partitions).collect();
        assert!(partitions.windows(2).all(|pair| pair[0] != pair[1]), "one part a partition");
    }
    check_all_replay(&after);
    check_all_replay(&lake.snapshot_at(before.version()).unwrap());
    // There is nothing left to do, and the next commit goes on from there.
    assert_eq!(compact(&mut writer, &small(), NOW).unwrap().parts_before, 0);
    let more = Input::new("/in/more.jsonl", "more\n");
    let snapshot = ingest(&mut writer, &more, 0, 5).unwrap();
    assert_eq!(written_back(&snapshot, &more).unwrap(), b"more\n");
    check_all_replay(&snapshot);
}

#[test]
fn a_vacuum_removes_what_is_old_and_unused() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, mut writer, before) = filled(dir.path());
    assert_eq!(plan_vacuum(&writer, 0, LATER).unwrap().files.len(), 0);
    compact(&mut writer, &small(), NOW).unwrap();
    let orphan = dir.path().join("lake/events/doc_type=row/date=2025-01-01/part-0-0.parquet");
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, b"half a part").unwrap();

    let young = plan_vacuum(&writer, KEEP_DEFAULT, NOW).unwrap();
    assert_eq!((young.files.len(), young.kept), (0, before.totals().parts + 1));
    let plan = plan_vacuum(&writer, KEEP_DEFAULT, LATER).unwrap();
    assert_eq!(plan.files.len() as u64, before.totals().parts + 1);
    assert!(orphan.exists(), "a plan removes nothing");
    assert_eq!(vacuum(&mut writer, &plan).unwrap(), plan.files.len() as u64);
    assert!(!orphan.parent().unwrap().exists());
    check_all_replay(&lake.snapshot().unwrap());
    assert_eq!(vacuum(&mut writer, &plan).unwrap(), 0, "what is gone is gone");
    let error = lake.snapshot_at(before.version()).unwrap_err();
    assert!(matches!(error, LakeError::Vacuumed { .. }), "{error}");
}

#[test]
fn a_vacuum_that_stops_can_be_done_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let lake = Lake::open(dir.path(), FailAt::nth("lake.vacuum.remove", 4)).unwrap();
    let mut writer = lake.writer(NOW).unwrap();
    compact(&mut writer, &small(), NOW).unwrap();
    let plan = plan_vacuum(&writer, 0, LATER).unwrap();
    vacuum(&mut writer, &plan).unwrap_err();
    let rest = plan_vacuum(&writer, 0, LATER).unwrap();
    assert_eq!(rest.files.len(), plan.files.len() - 3);
    vacuum(&mut writer, &rest).unwrap();
    check_all_replay(&lake.snapshot().unwrap());
}

#[track_caller]
fn check_prune(selection: &Selection, words: &str, keeps: impl Fn(DocType, Option<&str>, &str) -> bool) {
    let dir = tempfile::tempdir().unwrap();
    let (lake, mut writer, before) = filled(dir.path());
    compact(&mut writer, &small(), NOW).unwrap();
    let compacted = lake.snapshot().unwrap();
    let kept = rows(&before)
        .into_iter()
        .filter(|(doc_type, date, source, ..)| keeps(*doc_type, date.as_deref(), source));
    let mut kept: Vec<_> = kept.collect();

    let plan = plan_prune(&compacted, selection).unwrap();
    assert_eq!(lake.snapshot().unwrap().version(), compacted.version(), "a plan changes nothing");
    assert_eq!(plan.records, before.totals().records - kept.len() as u64);
    assert!(plan.records > 0);
    let after = prune(&mut writer, &plan, Some("rest"), NOW).unwrap();
    let mut left = rows(&after);
    kept.sort();
    left.sort();
    assert_eq!(left, kept);
    assert_eq!(after.totals().records, before.totals().records - plan.records);
    assert_eq!(after.totals().residues, before.totals().residues - plan.residues);
    assert_eq!(after.catalogues().unwrap(), ["rest"]);
    for input in inputs() {
        let loses = plan.sources.iter().find(|source| source.uri == input.uri);
        match (written_back(&after, &input), loses) {
            (Ok(bytes), None) => assert_eq!(bytes, input.content),
            (Err(LakeError::Pruned { uri, rows, reason, .. }), Some(source)) => {
                assert_eq!((&uri, rows, reason.as_str()), (&source.uri, source.rows, words));
            }
            (result, loses) => panic!("{result:?} {loses:?}"),
        }
    }
    check_all_replay(&lake.snapshot_at(before.version()).unwrap());
    let error = prune(&mut writer, &plan, Some("rest"), NOW).unwrap_err();
    assert!(error.to_string().contains("plan again"), "{error}");
}

type Row = (DocType, Option<String>, String, u64);

fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let mut rows = Vec::new();
    for part in snapshot.event_parts() {
        let doc_type = DocType::from_name(part.partition("doc_type").unwrap()).unwrap();
        let date = part.partition("date").map(str::to_owned);
        let scanned = stele_lake::scan::scan_part(part, &mut |batch| {
            rows.extend(
                batch.iter().map(|row| (doc_type, date.clone(), row.source.to_owned(), row.byte_offset)),
            );
            Ok::<(), LakeError>(())
        });
        scanned.unwrap();
    }
    rows
}

#[test]
fn prune_by_source() {
    let source = "/in/b.jsonl".to_owned();
    let selection = Selection { sources: vec![source.clone()], ..Selection::default() };
    check_prune(&selection, "source /in/b.jsonl", |_, _, row| row != source);
}

#[test]
fn prune_by_doc_type() {
    let doc_type = DocType::ALL[1];
    let selection = Selection { doc_type: Some(doc_type), ..Selection::default() };
    check_prune(&selection, "doc type game_tick", |row, _, _| row != doc_type);
}

#[test]
fn prune_by_age() {
    // The day after NOW: records of the day of NOW go, and so do those without a day.
    let selection = Selection { before: Some(NOW + 86_400_000_000), ..Selection::default() };
    check_prune(&selection, "older than 2025-12-13", |_, date, _| date == Some("2025-12-13"));
}

#[test]
fn prune_by_everything_at_once() {
    let selection = Selection {
        before: Some(NOW + 86_400_000_000),
        doc_type: Some(DocType::ALL[2]),
        sources: vec!["/in/b.jsonl".to_owned()],
        ..Selection::default()
    };
    check_prune(
        &selection,
        "older than 2025-12-13, doc type player_action, source /in/b.jsonl",
        |doc_type, date, source| {
            doc_type != DocType::ALL[2] || date == Some("2025-12-13") || source != "/in/b.jsonl"
        },
    );
    let dir = tempfile::tempdir().unwrap();
    let (_, writer, _) = filled(dir.path());
    let error = plan_prune(&writer.snapshot().unwrap(), &Selection::default()).unwrap_err();
    assert!(error.to_string().starts_with("say what to prune"), "{error}");
}

#[test]
fn maintenance_that_fails_changes_nothing() {
    for point in
        ["lake.part.rename", "lake.quarantine.log.link", "lake.commit.provisional", "lake.events.log.sync"]
    {
        let dir = tempfile::tempdir().unwrap();
        let (_, writer, before) = filled(dir.path());
        drop(writer);
        let lake = Lake::open(dir.path(), FailAt::nth(point, 1)).unwrap();
        compact(&mut lake.writer(NOW).unwrap(), &small(), NOW).unwrap_err();
        assert_eq!(lake.snapshot().unwrap().totals(), before.totals(), "{point}");
        let mut writer = lake.writer(NOW).unwrap();
        check_all_replay(&writer.snapshot().unwrap());
        compact(&mut writer, &small(), NOW).unwrap();
        check_all_replay(&lake.snapshot().unwrap());
    }
}
