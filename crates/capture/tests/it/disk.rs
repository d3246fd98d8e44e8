//! A disk that is slow, full, or broken at its n-th step: nothing that was received is lost or doubled.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use stele_capture::{CaptureConfig, CaptureError, CaptureState, Disk, DiskFile, Segment, SystemDisk};

use crate::rig::{add_up, assert_sequence, config, lines, of_event, start_on, start_with, wait_until};

type Step = Box<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// Bends what the file system does.
struct Bent {
    /// Called before each step.
    step: Step,
    /// Whether a write that fails has written half.
    half: bool,
}

struct BentDisk(Arc<Bent>);

struct BentFile(Arc<Bent>, Box<dyn DiskFile>);

impl Disk for BentDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        (self.0.step)("create")?;
        Ok(Box::new(BentFile(Arc::clone(&self.0), SystemDisk.create(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0.step)("rename")?;
        SystemDisk.rename(from, to)
    }
}

impl DiskFile for BentFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = (self.0.step)("append") {
            if self.0.half {
                self.1.append(&bytes[..bytes.len() / 2])?;
            }
            return Err(error);
        }
        self.1.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        (self.0.step)("sync")?;
        self.1.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        (self.0.step)("cut")?;
        self.1.cut(length)
    }
}

/// A disk that does this before each step.
pub fn bent(half: bool, step: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static) -> Arc<dyn Disk> {
    Arc::new(BentDisk(Arc::new(Bent { step: Box::new(step), half })))
}

/// A feed on the standard input: so many numbered lines of so many bytes.
fn input(count: u64, bytes: usize) -> Box<dyn io::Read + Send> {
    let pad = "x".repeat(bytes);
    let text: String = (1..=count).map(|n| format!("{{\"n\":{n},\"pad\":\"{pad}\"}}\n")).collect();
    Box::new(io::Cursor::new(text))
}

fn numbered() -> CaptureConfig {
    // Small segments, so that each step comes often.
    CaptureConfig { number: Some("/n".into()), segment_bytes: 2_000, sync_ms: 1, ..config("stdin:") }
}

#[test]
fn every_step_fails_once() {
    for half in [false, true] {
        for nth in 1..=40 {
            let dir = tempfile::tempdir().unwrap();
            let steps = Arc::new(AtomicU64::new(0));
            let count = Arc::clone(&steps);
            let disk = bent(half, move |step| match count.fetch_add(1, Ordering::Relaxed) + 1 {
                n if n == nth => Err(io::Error::other(format!("{step} fails on purpose"))),
                _ => Ok(()),
            });
            let means = stele_capture::Means { disk, ..crate::rig::means(dir.path()) };
            let summary = start_with(means, numbered(), Some(input(60, 100))).end().unwrap();
            let lines = lines(dir.path());
            assert_sequence(&lines);
            let sum = add_up(&lines);
            assert_eq!((sum.first, sum.last, sum.received), (1, 60, 60), "step {nth}, half {half}");
            let failed = u64::from(steps.load(Ordering::Relaxed) >= nth);
            assert_eq!(summary.counts.disk_failures, failed, "step {nth}: {summary:?}");
            let said = summary.last_held.unwrap_or_default();
            assert_eq!(said.contains("fails on purpose"), failed == 1, "{said}");
            assert!(
                std::fs::read_dir(dir.path().join("feed"))
                    .unwrap()
                    .all(|entry| { !entry.unwrap().file_name().to_str().unwrap().ends_with(".part") })
            );
            if failed == 0 {
                // One run went through undisturbed: every step had its turn.
                assert!(nth > 20, "there are no more than {nth} steps");
                break;
            }
        }
    }
}

#[test]
fn nothing_is_acknowledged_before_it_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    // What was appended since the last sync that succeeded would be gone after a power cut.
    let volatile = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&volatile);
    let disk = bent(false, move |step| {
        match step {
            "append" => seen.store(true, Ordering::SeqCst),
            "sync" => seen.store(false, Ordering::SeqCst),
            "rename" => assert!(!seen.load(Ordering::SeqCst), "a segment is complete that is not durable"),
            _ => {}
        }
        Ok(())
    });
    let running = start_on(dir.path(), disk, CaptureConfig { segment_bytes: 2_000, ..config("events:") });
    let events = running.events.clone().unwrap();
    // Nothing else is written from then on.
    wait_until("it is there", || running.control.status().counts.connections == 1);
    for n in 0..200 {
        let event: stele_capture::Event = serde_json::from_value(json!({"event": "e", "data": n})).unwrap();
        let pushed = events.push(&[event]).unwrap();
        assert!(!volatile.load(Ordering::SeqCst), "push {n} is acknowledged and not durable");
        assert!(running.control.status().durable_seq >= pushed.seq);
    }
    let summary = running.stop();
    assert!(summary.counts.received == 200 && summary.counts.segments > 5, "{summary:?}");
}

#[test]
fn a_full_disk_holds_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&full);
    let disk = bent(true, move |_| match seen.load(Ordering::Relaxed) {
        true => Err(io::ErrorKind::StorageFull.into()),
        false => Ok(()),
    });
    let means = stele_capture::Means { disk, ..crate::rig::means(dir.path()) };
    let running = start_with(means, numbered(), Some(input(60, 100)));
    wait_until("it says that it is held", || running.control.status().state == CaptureState::Held);
    let cause = running.control.status().cause.unwrap();
    assert!(cause.contains("cannot write in"), "{cause}");
    assert_eq!(running.control.status().durable_seq, 0);
    full.store(false, Ordering::Relaxed);
    running.end().unwrap();
    assert_eq!(add_up(&lines(dir.path())).received, 60);
}

#[test]
fn a_disk_that_stays_full_ends_a_stop_with_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&full);
    let disk = bent(false, move |_| match seen.load(Ordering::Relaxed) {
        true => Err(io::ErrorKind::StorageFull.into()),
        false => Ok(()),
    });
    let running = start_on(dir.path(), disk, config("events:"));
    let events = running.events.clone().unwrap();
    let event =
        |n: u64| serde_json::from_value::<stele_capture::Event>(json!({"event": "e", "data": n})).unwrap();
    wait_until("it takes one", || events.push(&[event(1)]).is_ok());
    let kept = running.control.status().durable_seq;
    full.store(true, Ordering::Relaxed);
    let pushing = std::thread::spawn(move || events.push(&[event(2)]));
    wait_until("it is held", || running.control.status().state == CaptureState::Held);
    running.control.tell(stele_capture::Command::Stop);
    let Err(error @ CaptureError::Unwritten { .. }) = running.end() else {
        panic!("it says that all is well")
    };
    assert!(error.to_string().contains(&format!("all before seq {} are kept", kept + 1)), "{error}");
    assert!(matches!(pushing.join().unwrap(), Err(stele_capture::PushError::Unconfirmed { .. })));
}

#[test]
fn a_slow_disk_makes_the_feed_wait_and_loses_nothing() {
    use std::net::TcpListener;
    use tungstenite::Message;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let total = 4_000;
    std::thread::spawn(move || {
        let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        let pad = "x".repeat(10_000);
        for n in 1..=total {
            socket.send(Message::text(format!("{{\"n\":{n},\"pad\":\"{pad}\"}}"))).unwrap();
            counted.store(n, Ordering::Relaxed);
        }
        while socket.read().is_ok() {}
    });
    let dir = tempfile::tempdir().unwrap();
    let (slow, syncs) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (seen, counted) = (Arc::clone(&slow), Arc::clone(&syncs));
    let disk = bent(false, move |step| {
        if step == "sync" && seen.load(Ordering::Relaxed) {
            counted.fetch_add(1, Ordering::Relaxed);
            std::thread::park_timeout(Duration::from_millis(400));
        }
        Ok(())
    });
    let config = CaptureConfig {
        number: Some("/n".into()),
        queue_bytes_max: 256 << 10,
        // Longer than it has to wait: it is the disk that is silent, not the feed.
        ping_ms: 100,
        ping_timeout_ms_max: 200,
        ..config(&format!("ws://127.0.0.1:{port}"))
    };
    let running = start_on(dir.path(), disk, config);
    wait_until("the disk has been slow for a while", || syncs.load(Ordering::Relaxed) >= 4);
    let status = running.control.status();
    assert!(status.counts.stalls > 0 && status.counts.stalled_ms > 100, "{status:?}");
    // What waits is bounded, and so is what was read: the rest is with the peer, which cannot send.
    assert!(status.queued_bytes <= 300 << 10, "{status:?}");
    assert!(sent.load(Ordering::Relaxed) < total, "the feed did not have to wait");
    slow.store(false, Ordering::Relaxed);
    wait_until("all is received", || running.received() == total);
    let summary = running.stop();
    let lines = lines(dir.path());
    assert_sequence(&lines);
    let sum = add_up(&lines);
    assert_eq!((sum.first, sum.last, sum.received, sum.missing), (1, total as i64, total, 0));
    assert_eq!(summary.counts.connections, 1);
    assert!(of_event(&lines, "disconnected")[0]["data"]["stalled_ms"].as_u64().unwrap() > 100);
}

#[test]
fn segments_that_nobody_takes_hold_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let config = CaptureConfig { waiting_bytes_max: 1 << 20, segment_bytes: 100_000, ..numbered() };
    let means = crate::rig::means(dir.path());
    let running = start_with(means, config, Some(input(3_000, 1_000)));
    wait_until("it is held", || running.control.status().state == CaptureState::Held);
    let cause = running.control.status().cause.unwrap();
    assert!(cause.contains("until somebody takes them"), "{cause}");
    // Somebody does: into memory here, and away.
    let kept = Mutex::new(Vec::new());
    let mut ended = 0;
    wait_until("all of it came", || {
        let segments: Vec<Segment> = running.told.lock().unwrap().drain(..).collect();
        for segment in segments {
            let text = std::fs::read_to_string(&segment.path).unwrap();
            assert_eq!((text.lines().count() as u64, text.len() as u64), (segment.lines, segment.bytes));
            ended += text.matches("\"event\":\"capture_stopped\"").count();
            kept.lock().unwrap().extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
            std::fs::remove_file(&segment.path).unwrap();
        }
        ended > 0
    });
    running.end().unwrap();
    let kept = kept.into_inner().unwrap();
    assert_sequence(&kept);
    assert_eq!(add_up(&kept).received, 3_000);
}
