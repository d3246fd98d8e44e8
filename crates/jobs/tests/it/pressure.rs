//! When new work is held back, and when it goes on.

use std::time::Duration;

use stele_jobs::{Mark, Pressure, Signal};
use stele_model::Micros;

/// Marks, then what is measured second by second, then what comes of it: `.` goes on, and a letter holds back.
fn check(marks: &[Mark], hold_s: u64, measured: &[&[(Signal, f64)]], expect: &str) {
    let mut pressure = Pressure::new(marks.to_vec(), Duration::from_secs(hold_s)).unwrap();
    let mut found = String::new();
    for (second, measured) in measured.iter().enumerate() {
        let now = 1_000_000 * second as Micros;
        found.push(match pressure.update(measured, now).map(|held| held.signal) {
            None => '.',
            Some(Signal::DiskFree) => 'd',
            Some(Signal::Memory) => 'm',
            Some(_) => '?',
        });
    }
    assert_eq!(found, expect, "{measured:?}");
}

const MEMORY: Mark = Mark { signal: Signal::Memory, high: 10.0, low: 5.0 };
const DISK: Mark = Mark { signal: Signal::DiskFree, high: 100.0, low: 200.0 };

fn memory(values: &[f64]) -> Vec<Vec<(Signal, f64)>> {
    values.iter().map(|value| vec![(Signal::Memory, *value)]).collect()
}

fn check_memory(hold_s: u64, values: &[f64], expect: &str) {
    let measured = memory(values);
    let measured: Vec<&[(Signal, f64)]> = measured.iter().map(Vec::as_slice).collect();
    check(&[MEMORY], hold_s, &measured, expect);
}

#[test]
fn marks_are_apart() {
    check_memory(0, &[9.0, 10.0, 9.0, 6.0, 5.0, 9.0, 11.0], ".mmm..m");
    check_memory(0, &[0.0, f64::NAN, 12.0, f64::NAN, 4.0], "..mm.");
    // Held for three seconds at least, from when it began, and not from when it was last bad.
    check_memory(3, &[10.0, 1.0, 1.0, 1.0, 1.0], "mmm..");
    check_memory(3, &[10.0, 1.0, 10.0, 7.0, 5.0], "mmmm.");
}

#[test]
fn there_can_be_too_little() {
    let disk = |value| vec![(Signal::DiskFree, value)];
    let measured = [disk(150.0), disk(100.0), disk(150.0), vec![], disk(200.0), disk(101.0)];
    let measured: Vec<&[(Signal, f64)]> = measured.iter().map(Vec::as_slice).collect();
    check(&[DISK], 0, &measured, ".ddd..");
}

#[test]
fn one_of_several_is_enough() {
    let both = |used, free| vec![(Signal::Memory, used), (Signal::DiskFree, free)];
    let measured = [both(1.0, 500.0), both(20.0, 50.0), both(20.0, 500.0), both(1.0, 50.0), both(1.0, 500.0)];
    let measured: Vec<&[(Signal, f64)]> = measured.iter().map(Vec::as_slice).collect();
    check(&[DISK, MEMORY], 0, &measured, ".dmd.");
}

#[test]
fn it_says_why() {
    let mut pressure =
        Pressure::new(vec![Mark { signal: Signal::DiskFree, high: 1e9, low: 2e9 }], Duration::ZERO).unwrap();
    let held = pressure.update(&[(Signal::DiskFree, 5e8)], 7).unwrap().clone();
    assert_eq!(held.reason, "the free disk space is at 477 MiB; it goes on at 1.9 GiB");
    assert_eq!((held.value, held.low, held.since), (5e8, 2e9, 7));
    let held = pressure.update(&[(Signal::DiskFree, 6e8)], 9).unwrap().clone();
    assert_eq!((held.value, held.since), (6e8, 7));
    // A clock that was put back makes it no longer than it was.
    assert_eq!(pressure.update(&[(Signal::DiskFree, 6e8)], 3).unwrap().since, 3);
    assert_eq!(pressure.held_back().unwrap().since, 3);
}

#[test]
fn marks_have_an_order() {
    let wrong = [
        vec![Mark { high: 5.0, low: 10.0, ..MEMORY }],
        vec![Mark { high: 5.0, low: 5.0, ..MEMORY }],
        vec![Mark { high: 5.0, low: f64::NAN, ..MEMORY }],
        vec![Mark { high: 200.0, low: 100.0, ..DISK }],
        vec![MEMORY, MEMORY],
    ];
    for marks in wrong {
        let error = Pressure::new(marks.clone(), Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), stele_model::ErrorKind::Config, "{marks:?}");
    }
}

/// A mark that nothing ever reaches would be taken for one that holds.
#[test]
fn what_nobody_measures_is_no_signal() {
    for name in ["queue_depth", "oldest_waiting"] {
        let mark = format!("{{\"signal\": {name:?}, \"high\": 10, \"low\": 5}}");
        let error = serde_json::from_str::<Mark>(&mark).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("`index_write_p95`, `search_p95`"), "{error}");
    }
}
