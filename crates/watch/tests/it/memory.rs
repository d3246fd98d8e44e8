//! What was handed over before: a batch that was accepted is never lost and rarely repeated.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use stele_http::never;
use stele_model::{ErrorKind, Faults};
use stele_watch::{SpoolConfig, WatchError, Watcher, WatcherConfig, WatcherState};

use crate::rig::Rig;

const A_WHILE: Duration = Duration::from_secs(10);

fn config(rig: &Rig) -> WatcherConfig {
    WatcherConfig::Spool(SpoolConfig::new(rig.inbox()))
}

fn state(rig: &Rig) -> std::path::PathBuf {
    rig.means.state_dir.join("test.jsonl")
}

/// Fails at the named point as often as it is told.
#[derive(Default)]
struct Failing(Mutex<Vec<&'static str>>);

impl Faults for Failing {
    fn hit(&self, point: &'static str) -> io::Result<()> {
        let mut failing = self.0.lock().unwrap();
        match failing.iter().position(|name| *name == point) {
            None => Ok(()),
            Some(index) => {
                failing.remove(index);
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }
}

#[test]
fn what_cannot_be_written_down_is_repeated() {
    let check = |point: &'static str| {
        let faults = Arc::new(Failing::default());
        let rig = Rig::new(Arc::clone(&faults) as Arc<dyn Faults>);
        let mut watcher = rig.open(&config(&rig));
        rig.put("x.md", "one");
        rig.run(&mut watcher, Duration::from_secs(2));
        faults.0.lock().unwrap().push(point);
        let mut already = 0;
        while rig.said(&mut already).is_empty() {
            rig.run(&mut watcher, Duration::from_millis(500));
        }
        let status = watcher.status();
        assert_eq!((status.state, status.known), (WatcherState::Failing, 0));
        let error = status.error.unwrap();
        assert!(error.cause.contains("cannot write to"), "{error:?}");
        assert!(error.next_action.starts_with("make room"), "{error:?}");
        // The same once more, and then no more.
        rig.run(&mut watcher, A_WHILE);
        assert_eq!(rig.said(&mut already), "+x.md=one", "{point}");
        assert_eq!((watcher.status().state, watcher.status().known), (WatcherState::Watching, 1));
        drop(watcher);
        rig.run(&mut rig.open(&config(&rig)), A_WHILE);
        assert_eq!(rig.said(&mut already), "", "{point}");
    };
    check("watch.record");
    check("watch.sync");
}

#[test]
fn what_is_refused_is_offered_again() {
    let check = |kind: ErrorKind, state: WatcherState| {
        let rig = Rig::default();
        let mut watcher = rig.open(&config(&rig));
        rig.put("x.md", "one");
        rig.told.refusals.lock().unwrap().extend([kind; 3]);
        let status = rig.run(&mut watcher, Duration::from_secs(4));
        let mut already = 0;
        assert_eq!((rig.said(&mut already).as_str(), status.state, status.known), ("", state, 0));
        assert_eq!(status.error.map(|error| error.cause).as_deref(), Some("the queue is full"));
        let status = rig.run(&mut watcher, A_WHILE);
        assert_eq!(rig.said(&mut already), "+x.md=one");
        assert_eq!((status.state, status.known, status.failures), (WatcherState::Watching, 1, 0));
    };
    check(ErrorKind::Retry, WatcherState::Held);
    check(ErrorKind::Report, WatcherState::Failing);
}

/// It was read and not taken, and says something else by the time that it is.
#[test]
fn nothing_stale_is_told() {
    let rig = Rig::default();
    let spool = SpoolConfig { events: false, rescan_s: 30, ..SpoolConfig::new(rig.inbox()) };
    let mut watcher = rig.open(&WatcherConfig::Spool(spool));
    rig.put("x.md", "one");
    rig.told.refusals.lock().unwrap().push(ErrorKind::Retry);
    while watcher.status().failures == 0 {
        rig.run(&mut watcher, Duration::from_millis(500));
    }
    rig.put("x.md", "other");
    rig.run(&mut watcher, A_WHILE);
    assert_eq!(rig.said(&mut 0), "+x.md=other");
    let checksum = &rig.told.arrivals()[0].checksum;
    assert_eq!(checksum, "sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa");
}

#[test]
fn waits_grow_and_are_bounded() {
    let rig = Rig::default();
    std::fs::remove_dir(rig.inbox()).unwrap();
    let mut watcher = rig.open(&config(&rig));
    let waits: Vec<u64> = (0..12).map(|_| watcher.step(&never).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
}

/// The file as it would be after a crash: cut anywhere, or with a line that was damaged.
#[test]
fn a_file_that_is_cut_repeats_and_loses_nothing() {
    let rig = Rig::default();
    for number in 0..5 {
        rig.put(&format!("{number}.md"), &number.to_string());
    }
    rig.run(&mut rig.open(&config(&rig)), A_WHILE);
    let whole = std::fs::read(state(&rig)).unwrap();
    let first_line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    // Each third place, and the last.
    for length in (first_line..whole.len()).step_by(3).chain([whole.len()]) {
        std::fs::write(state(&rig), &whole[..length]).unwrap();
        let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count() as u64 - 1;
        let mut watcher = rig.open(&config(&rig));
        assert_eq!(watcher.status().known, lines, "{length} bytes");
        let mut already = rig.told.arrivals().len();
        let status = rig.run(&mut watcher, A_WHILE);
        assert_eq!(rig.said(&mut already).split_whitespace().count() as u64, 5 - lines, "{length} bytes");
        assert_eq!(status.known, 5);
        drop(watcher);
        assert_eq!(rig.open(&config(&rig)).status().known, 5, "{length} bytes");
    }
    let mut damaged = whole.clone();
    damaged[first_line + 10] = b'\0';
    std::fs::write(state(&rig), &damaged).unwrap();
    assert_eq!(rig.open(&config(&rig)).status().known, 4);
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let rig = Rig::default();
    std::fs::create_dir(&rig.means.state_dir).unwrap();
    let check = |text: &str| {
        std::fs::write(state(&rig), text).unwrap();
        let error = Watcher::open("test", &config(&rig), &rig.means).err().unwrap();
        assert!(matches!(error, WatchError::Memory { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Report);
        assert_eq!(std::fs::read_to_string(state(&rig)).unwrap(), text);
    };
    check("my diary\n");
    check("{\"watch\":{\"version\":2,\"kind\":\"spool\",\"target\":\"/\"}}\n");
}

#[test]
fn two_processes_do_not_share_a_watcher() {
    let rig = Rig::default();
    let first = rig.open(&config(&rig));
    let error = Watcher::open("test", &config(&rig), &rig.means).err().unwrap();
    assert!(matches!(error, WatchError::Taken { .. }), "{error}");
    drop(first);
    rig.open(&config(&rig));
}

#[test]
fn another_target_is_another_story() {
    let rig = Rig::default();
    rig.put("a/x.md", "one");
    let at = |name: &str| WatcherConfig::Spool(SpoolConfig::new(rig.path(name)));
    rig.run(&mut rig.open(&at("a")), A_WHILE);
    std::fs::create_dir(rig.path("b")).unwrap();
    // Nothing is gone: it is not watched any more.
    rig.run(&mut rig.open(&at("b")), A_WHILE);
    assert_eq!(rig.said(&mut 0), "+a/x.md=one");
}

/// As many changes as a year brings leave a small file.
#[test]
fn the_file_does_not_grow_forever() {
    let rig = Rig::default();
    let mut watcher = rig.open(&config(&rig));
    let mut bytes_max = 0;
    for round in 0..30 {
        for number in 0..100 {
            rig.put(&format!("{number}.md"), &"x".repeat(round + 1));
        }
        rig.run(&mut watcher, Duration::from_secs(4));
        bytes_max = bytes_max.max(state(&rig).metadata().unwrap().len());
    }
    assert_eq!(rig.told.arrivals().len(), 3_000);
    // 100 things, twice, and the spare lines, of some 200 bytes each.
    assert!(bytes_max < 300_000, "{bytes_max}");
    drop(watcher);
    assert_eq!(rig.open(&config(&rig)).status().known, 100);
    // And it goes on where it was cut.
    std::fs::OpenOptions::new().append(true).open(state(&rig)).unwrap().write_all(b"{\"put").unwrap();
    assert_eq!(rig.open(&config(&rig)).status().known, 100);
}
