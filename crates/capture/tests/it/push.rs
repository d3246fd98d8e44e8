//! Events that are pushed, and what is said when there is no room.

use serde_json::json;
use stele_capture::{CaptureConfig, Command, Event, PushError};

use crate::rig::{assert_sequence, config, lines, start, start_on, wait_until};

fn event(data: serde_json::Value) -> Event {
    serde_json::from_value(json!({"event": "e", "data": data})).unwrap()
}

#[test]
fn ok_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing else would make it durable: the time is long.
    let running = start(dir.path(), CaptureConfig { sync_ms: 600_000, ..config("events:") });
    let events = running.events.clone().unwrap();
    let odd: Event = serde_json::from_str(
        "{\"event\":\"trade\",\"id\":\"t-1\",\"ts\":\"2025-01-02T03:04:05Z\",\"data\":{\"a\":\n1.50}}",
    )
    .unwrap();
    let pushed = events.push(&[odd, event(json!([1]))]).unwrap();
    assert_eq!((pushed.events, pushed.epoch), (2, 1));
    assert!(running.control.status().durable_seq >= pushed.seq);
    let parts: Vec<_> =
        std::fs::read_dir(dir.path().join("feed")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let part =
        parts.iter().find(|path| path.extension().is_some_and(|extension| extension == "part")).unwrap();
    let text = std::fs::read_to_string(part).unwrap();
    // Its own time, and when it came.
    assert!(text.contains(r#""ts":"2025-01-02T03:04:05Z","received_at":"2023-11-14T22:"#), "{text}");
    let kept = r#""direction":"received","event":"trade","original_id":"t-1","data":{"a": 1.50}}"#;
    assert!(text.contains(kept), "{text}");
    // Many at once share a sync.
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let events = events.clone();
            std::thread::spawn(move || {
                for n in 0..20 {
                    events.push(&[event(json!([thread, n]))]).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    running.stop();
    let lines = lines(dir.path());
    assert_sequence(&lines);
    assert_eq!(lines.iter().filter(|line| line["event"] == "e").count(), 161);
}

#[test]
fn without_room_it_says_when_to_come_back() {
    use std::sync::{Arc, Mutex};
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(Mutex::new(()));
    let disk = Arc::new(Gated(Arc::clone(&gate)));
    let running =
        start_on(dir.path(), disk, CaptureConfig { queue_bytes_max: 64 << 10, ..config("events:") });
    let events = running.events.clone().unwrap();
    wait_until("it takes one", || events.push(&[event(json!(0))]).is_ok());
    let shut = gate.lock().unwrap();
    let big = json!("x".repeat(30_000));
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (events, big) = (events.clone(), big.clone());
            std::thread::spawn(move || events.push(&[event(big)]))
        })
        .collect();
    wait_until("both wait for the disk", || running.control.status().queued_bytes > 60_000);
    let Err(PushError::Busy { queued_bytes, retry_after_ms }) = events.push(&[event(big)]) else {
        panic!("it is taken")
    };
    assert!(queued_bytes > 60_000 && retry_after_ms >= 250);
    assert_eq!(running.control.status().counts.refused, 1);
    drop(shut);
    for thread in waiting {
        thread.join().unwrap().unwrap();
    }
    running.control.tell(Command::Pause);
    wait_until("it pauses", || events.push(&[event(json!(0))]) == Err(PushError::Paused));
    running.stop();
    assert_eq!(events.push(&[event(json!(0))]), Err(PushError::Ended));
}

#[test]
fn what_cannot_be_taken() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), CaptureConfig { frame_bytes_max: 2_000, ..config("events:") });
    let events = running.events.clone().unwrap();
    let reason = |batch: &[Event]| match events.push(batch) {
        Err(PushError::Invalid { reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason(&[]).contains("it has 0 events"));
    assert!(reason(&vec![event(json!(1)); 10_001]).contains("it has 10001 events"));
    assert!(reason(&[event(json!(1)), event(json!("x".repeat(3_000)))]).contains("the one at 1"));
    let unnamed: Event = serde_json::from_value(json!({"event": "", "data": 1})).unwrap();
    assert!(reason(&[unnamed]).contains("1 to 1024 bytes"));
    assert!(serde_json::from_value::<Event>(json!({"event": "e", "data": 1, "more": 2})).is_err());
    running.stop();
    assert_eq!(lines(dir.path()).iter().filter(|line| line["event"] == "e").count(), 0);
}

/// A disk whose syncs wait for a gate.
struct Gated(std::sync::Arc<std::sync::Mutex<()>>);

struct GatedFile(std::sync::Arc<std::sync::Mutex<()>>, Box<dyn stele_capture::DiskFile>);

impl stele_capture::Disk for Gated {
    fn create(&self, path: &std::path::Path) -> std::io::Result<Box<dyn stele_capture::DiskFile>> {
        Ok(Box::new(GatedFile(self.0.clone(), stele_capture::SystemDisk.create(path)?)))
    }

    fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
        stele_capture::SystemDisk.rename(from, to)
    }
}

impl stele_capture::DiskFile for GatedFile {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.1.append(bytes)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        drop(self.0.lock().unwrap());
        self.1.sync()
    }

    fn cut(&mut self, length: u64) -> std::io::Result<()> {
        self.1.cut(length)
    }
}
