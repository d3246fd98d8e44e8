//! 20,000 files at once, a watcher that starts in the middle, and a system that loses most of what happens.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stele_http::{Pace, never};
use stele_watch::{ArrivalKind, FileEvents, Inotify, Mode, Noticed, SpoolConfig, WatcherConfig};

use crate::rig::Rig;

const FILES: usize = 20_000;

/// A queue that holds this many names at a time, and drops what comes then. Whether it says so is another matter.
struct Small {
    inner: Inotify,
    names_max: usize,
    says_so: bool,
    dropped: Arc<AtomicU64>,
}

impl FileEvents for Small {
    fn watch(&mut self, path: &Path, name: &str) -> io::Result<()> {
        self.inner.watch(path, name)
    }

    fn drain(&mut self) -> io::Result<Noticed> {
        let mut noticed = self.inner.drain()?;
        let count = noticed.names.len();
        if count > self.names_max {
            self.dropped.fetch_add((count - self.names_max) as u64, Ordering::Relaxed);
            noticed.names = noticed.names.into_iter().take(self.names_max).collect();
            noticed.lost |= self.says_so;
        }
        Ok(noticed)
    }
}

fn small(names_max: usize, says_so: bool) -> (Rig, Arc<AtomicU64>) {
    let dropped = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&dropped);
    let rig = Rig::default().with_events(move || {
        let (inner, dropped) = (Inotify::new().unwrap(), Arc::clone(&counted));
        Box::new(Small { inner, names_max, says_so, dropped })
    });
    (rig, dropped)
}

/// Puts a file where it is seen whole or not at all, by each of the ways there are.
fn drop_in(dir: &Path, number: usize) -> String {
    let sub = format!("{}", number % 7);
    let name = format!("{sub}/{number:05}.md");
    let (path, text) = (dir.join(&name), format!("document {number}"));
    std::fs::create_dir_all(dir.join(&sub)).unwrap();
    let part = dir.join(format!("{name}.part"));
    std::fs::write(&part, text).unwrap();
    match number % 3 {
        0 => std::fs::rename(part, dir.join(format!("{name}.ready"))).unwrap(),
        1 => std::fs::rename(part, path).unwrap(),
        _ => {
            std::fs::write(dir.join(format!("{name}.ready")), "").unwrap();
            std::fs::rename(part, path).unwrap();
        }
    }
    name
}

/// Drops them in while a watcher starts, and lets time pass until it is quiet. All are told once, in few batches.
fn burst(rig: &Rig, spool: SpoolConfig) {
    let dir = rig.inbox();
    let (half, begun) = std::sync::mpsc::sync_channel(1);
    let writer = std::thread::spawn(move || {
        let mut names = Vec::new();
        for number in 0..FILES {
            if number == FILES / 2 {
                half.send(()).unwrap();
            }
            names.push(drop_in(&dir, number));
        }
        names
    });
    begun.recv().unwrap();
    let mut watcher = rig.open(&WatcherConfig::Spool(spool));
    while !writer.is_finished() {
        watcher.step(&never);
        rig.pace.wait(Duration::from_millis(100));
    }
    let names = writer.join().unwrap();
    let status = rig.run(&mut watcher, Duration::from_secs(130));
    let world = rig.told.world();
    let expect: BTreeMap<_, _> = names.iter().map(|name| (rig.uri(name), ())).collect();
    assert_eq!(world.keys().collect::<Vec<_>>(), expect.keys().collect::<Vec<_>>());
    let arrivals = rig.told.arrivals();
    assert_eq!(arrivals.len(), FILES);
    assert!(arrivals.iter().all(|arrival| arrival.kind == ArrivalKind::Appeared));
    assert_eq!((status.known, status.waiting, status.problems_count), (FILES as u64, 0, 0), "{status:?}");
    let batches = rig.told.batches.lock().unwrap().len();
    assert!(batches < 200, "{batches} batches: what settles together goes together");
}

#[test]
fn a_burst_with_the_queue_of_the_system() {
    let rig = Rig::default();
    burst(&rig, SpoolConfig { rescan_s: 3600, ..SpoolConfig::new(rig.inbox()) });
}

#[test]
fn a_burst_with_a_small_queue() {
    let (rig, dropped) = small(64, true);
    burst(&rig, SpoolConfig { rescan_s: 3600, ..SpoolConfig::new(rig.inbox()) });
    assert!(dropped.load(Ordering::Relaxed) > 0, "nothing was dropped, so nothing was tested");
}

#[test]
fn a_burst_with_a_queue_that_loses_in_silence() {
    let (rig, dropped) = small(0, false);
    burst(&rig, SpoolConfig::new(rig.inbox()));
    assert!(dropped.load(Ordering::Relaxed) > 0, "nothing was dropped, so nothing was tested");
}

/// As many events as the system keeps, and one that says that there were more.
#[test]
fn a_full_queue_says_that_it_was() {
    let kept: usize =
        std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    // A machine that is set to keep more of them would take too long to fill.
    if kept > 200_000 {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut events = Inotify::new().unwrap();
    events.watch(dir.path(), "").unwrap();
    // Names of a length of which no number fills what is read at once.
    let [one, other] = ["one-name-of-a-file.md", "another-name-of-it.md"].map(|name| dir.path().join(name));
    std::fs::write(&one, "").unwrap();
    // Two events each.
    for _ in 0..kept / 4 + 50 {
        std::fs::rename(&one, &other).unwrap();
        std::fs::rename(&other, &one).unwrap();
    }
    let drained: Vec<Noticed> = (0..100).map(|_| events.drain().unwrap()).collect();
    assert_eq!(drained.iter().filter(|noticed| noticed.lost).count(), 1);
    assert!(drained[0].names.contains("one-name-of-a-file.md"), "{:?}", drained[0]);
    assert_eq!(drained[99], Noticed::default());
}

/// One after the other, and for each the event that says so is lost.
#[test]
fn what_is_lost_is_found_by_looking() {
    let check = |says_so: bool, after: Duration| {
        let (rig, _) = small(0, says_so);
        let spool = SpoolConfig { mode: Mode::Direct, ..SpoolConfig::new(rig.inbox()) };
        let mut watcher = rig.open(&WatcherConfig::Spool(spool));
        let mut already = 0;
        rig.run(&mut watcher, Duration::from_secs(1));
        rig.put("a/x.md", "one");
        rig.run(&mut watcher, after);
        assert_eq!(rig.said(&mut already), "+a/x.md=one");
        rig.put("a/x.md", "other");
        rig.run(&mut watcher, after);
        assert_eq!(rig.said(&mut already), "~a/x.md=other");
        std::fs::rename(rig.path("a"), rig.path("b")).unwrap();
        rig.run(&mut watcher, after);
        assert_eq!(rig.said(&mut already), "a/x.md>b/x.md=other");
        std::fs::remove_dir_all(rig.path("b")).unwrap();
        rig.run(&mut watcher, after);
        assert_eq!(rig.said(&mut already), "-b/x.md");
    };
    check(true, Duration::from_secs(4));
    // Never said: the look that comes every minute finds it.
    check(false, Duration::from_secs(64));
}
