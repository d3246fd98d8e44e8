//! A writer that stops anywhere leaves a lake that the next one can go on with.
//!
//! The oracle is simple: what was acknowledged before is there exactly once, what was under way is
//! there whole or not at all, and after the next writer has done the rest everything replays.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use stele_lake::{FAILPOINTS, Lake, LakeError, Snapshot};
use stele_model::Faults;

use crate::fixture::{FailAt, Input, NOW, ingest, lake_in};
use crate::replay::written_back;

fn inputs() -> [Input; 3] {
    let lines = |name: &str, count: usize| {
        let text: String = (0..count).map(|index| format!("{{\"{name}\":{index}}}\n")).collect();
        Input::new(&format!("/in/{name}.jsonl"), text + "\n\u{1}half")
    };
    [lines("first", 40), lines("second", 60), lines("third", 50)]
}

/// Ingests the inputs that the lake does not have yet, each in two commits, the way an engine does:
/// it asks the lake how far it has come.
fn ingest_rest(lake: &Lake) -> Result<(), LakeError> {
    let mut writer = lake.writer(NOW)?;
    for input in inputs() {
        let middle =
            input.content[..input.content.len() / 2].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for end in [middle, input.content.len()] {
            let done = writer.snapshot()?.files()?.into_iter().find(|entry| entry.uri == input.uri);
            let from = done.map_or(0, |entry| entry.bytes_done as usize);
            if from < end {
                ingest(&mut writer, &input, from, end)?;
            }
        }
    }
    Ok(())
}

/// Every record of the lake with the number of times it is there.
fn records(snapshot: &Snapshot) -> BTreeMap<(String, u64, String), usize> {
    let mut all = BTreeMap::new();
    let counted = snapshot.scan_records(|batch| {
        for record in batch.iter() {
            let key = (record.source.to_owned(), record.byte_offset, record.raw.to_owned());
            *all.entry(key).or_default() += 1;
        }
        Ok::<(), LakeError>(())
    });
    counted.unwrap();
    all
}

#[track_caller]
fn check_whole(dir: &Path) {
    let snapshot = lake_in(dir).snapshot().unwrap();
    for input in inputs() {
        assert_eq!(written_back(&snapshot, &input).unwrap(), input.content, "{}", input.uri);
    }
    let records = records(&snapshot);
    assert!(records.values().all(|count| *count == 1));
    assert_eq!(records.len(), 153);
    assert_eq!(snapshot.totals().records, 153);
    assert_eq!(snapshot.totals().residues, 3);
    let ranges: Vec<String> = snapshot.catalogues().unwrap();
    assert_eq!(ranges.len(), 6, "{ranges:?}");
}

#[test]
fn an_undisturbed_run_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let faults = FailAt::never();
    ingest_rest(&Lake::open(dir.path(), Arc::clone(&faults) as Arc<dyn Faults>).unwrap()).unwrap();
    check_whole(dir.path());
    for point in FAILPOINTS {
        let elsewhere = ["lake.checkpoint", "lake.vacuum.remove"].contains(point);
        assert!(elsewhere || faults.hits(point) > 0, "{point} is never reached");
    }
}

#[test]
fn failure_at_every_point_loses_and_doubles_nothing() {
    // Most of the time goes into waiting for the disk, so points are tried side by side.
    std::thread::scope(|scope| {
        for points in FAILPOINTS.chunks(FAILPOINTS.len().div_ceil(4)) {
            scope.spawn(|| points.iter().for_each(|point| fail_at(point)));
        }
    });
}

fn fail_at(point: &'static str) {
    for nth in [1, 2, 7] {
        let dir = tempfile::tempdir().unwrap();
        let faults = FailAt::nth(point, nth);
        let failed = ingest_rest(&Lake::open(dir.path(), Arc::clone(&faults) as Arc<dyn Faults>).unwrap());
        if faults.hits(point) < nth {
            failed.unwrap();
            break;
        }
        if point != "lake.checkpoint" {
            let error = failed.unwrap_err();
            assert!(error.is_disk_full(), "{point} {nth}: {error:?}");
        }
        // What a reader sees in between is a snapshot that replays.
        if let Ok(snapshot) = lake_in(dir.path()).snapshot() {
            for entry in snapshot.files().unwrap() {
                let input = inputs().into_iter().find(|input| input.uri == entry.uri).unwrap();
                let done = entry.bytes_done as usize;
                assert_eq!(written_back(&snapshot, &input).unwrap(), input.content[..done], "{point} {nth}");
            }
        }
        ingest_rest(&lake_in(dir.path())).unwrap();
        check_whole(dir.path());
    }
}

#[test]
fn a_failed_commit_refuses_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path(), FailAt::nth("lake.files.log.sync", 2)).unwrap();
    let [first, second, _] = inputs();
    let mut writer = lake.writer(NOW).unwrap();
    ingest(&mut writer, &first, 0, first.content.len()).unwrap_err();
    let error = ingest(&mut writer, &second, 0, second.content.len()).unwrap_err();
    assert!(matches!(error, LakeError::Poisoned), "{error}");
    drop(writer);
    ingest_rest(&lake).unwrap();
    check_whole(dir.path());
}

#[test]
fn recovery_that_is_cut_off_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let [first, ..] = inputs();
    {
        let lake = Lake::open(dir.path(), FailAt::nth("lake.commit.provisional", 1)).unwrap();
        ingest(&mut lake.writer(NOW).unwrap(), &first, 0, first.content.len()).unwrap_err();
    }
    for point in ["lake.quarantine.log.link", "lake.quarantine.log.dir_sync", "lake.files.log.sync"] {
        let lake = Lake::open(dir.path(), FailAt::nth(point, 1)).unwrap();
        lake.writer(NOW).unwrap_err();
        assert_eq!(lake_in(dir.path()).snapshot().unwrap().totals().parts, 0);
    }
    ingest_rest(&lake_in(dir.path())).unwrap();
    check_whole(dir.path());
}
