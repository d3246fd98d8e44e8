//! Pause, resume, rotate and stop, by handle and by file.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use stele_capture::{
    Capture, CaptureConfig, CaptureError, CaptureState, Command, Ended, Told, captures, tell,
};

use crate::node::Feed;
use crate::rig::{add_up, config, lines, means, of_event, segments, start, wait_until};

/// As another program does it.
fn write(dir: &Path, words: &str) {
    let path = dir.join("feed/control");
    std::fs::write(path.with_extension("mine"), words).unwrap();
    std::fs::rename(path.with_extension("mine"), &path).unwrap();
    wait_until("it is obeyed", || !path.exists());
}

#[test]
fn a_pause_is_a_gap_that_says_so() {
    let Some(mut feed) = Feed::start(json!({})) else { return };
    let dir = tempfile::tempdir().unwrap();
    let url = format!("socketio+http://127.0.0.1:{}", feed.port);
    let running = start(dir.path(), CaptureConfig { number: Some("/n".into()), ..config(&url) });
    wait_until("it listens", || running.control.status().counts.connections == 1);
    feed.tell("burst 3 0");
    // What the server says first, and to the join, and these.
    wait_until("it hears", || running.received() >= 5);
    write(dir.path(), "pause\n");
    wait_until("it pauses", || running.control.status().state == CaptureState::Paused);
    wait_until("it is gone", || feed.tell("clients")["clients"] == 0);
    feed.tell("burst 4 0");
    let status = dir.path().join("feed/status.json");
    wait_until("it says so", || std::fs::read_to_string(&status).unwrap().contains("\"paused\""));
    write(dir.path(), "# on again\nrotate\n\nresume\nnonsense\n");
    wait_until("it listens again", || running.control.status().counts.connections == 2);
    assert_eq!(running.control.status().state, CaptureState::Listening);
    feed.tell("burst 1 0");
    wait_until("all came", || {
        running.control.tell(Command::Rotate);
        lines(dir.path()).iter().any(|line| line["number"] == 8)
    });
    write(dir.path(), "stop");
    let summary = running.end().unwrap();
    assert_eq!(summary.ended, Ended::Stopped);
    let lines = lines(dir.path());
    let sum = add_up(&lines);
    assert_eq!((sum.first, sum.last, sum.received, sum.missing), (1, 8, 4, 4));
    assert_eq!(of_event(&lines, "gap")[0]["data"]["reason"], "paused");
    assert_eq!(of_event(&lines, "control_refused")[0]["data"]["word"], "nonsense");
    assert_eq!(of_event(&lines, "capture_stopped")[0]["data"]["ended"], "stopped");
    assert!(segments(dir.path()).len() >= 2);
}

#[test]
fn it_is_seen_and_told_from_outside() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(captures(&dir.path().join("nothing")).unwrap(), []);
    let running = start(dir.path(), config("events:"));
    let seen = || captures(dir.path()).unwrap().remove(0);
    wait_until("it says what it does", || seen().status.is_some_and(|status| status.counts.connections == 1));
    assert_eq!((seen().name.as_str(), seen().is_running), ("feed", true));
    assert_eq!(tell(dir.path(), "nobody", Command::Stop).unwrap(), Told::Unknown);
    assert_eq!(tell(dir.path(), "../feed", Command::Stop).unwrap(), Told::Unknown);
    assert_eq!(tell(dir.path(), "feed", Command::Pause).unwrap(), Told::Yes);
    wait_until("it pauses", || seen().status.is_some_and(|status| status.state == CaptureState::Paused));
    wait_until("it has obeyed", || !seen().is_told);
    assert_eq!(tell(dir.path(), "feed", Command::Stop).unwrap(), Told::Yes);
    assert_eq!(running.end().unwrap().ended, Ended::Stopped);
    assert_eq!(tell(dir.path(), "feed", Command::Stop).unwrap(), Told::NotRunning);
    let ended = seen();
    assert!(!ended.is_running && ended.status.unwrap().state == CaptureState::Ended);
}

#[test]
fn it_ends_when_its_time_is_up() {
    let dir = tempfile::tempdir().unwrap();
    let begun = std::time::Instant::now();
    let summary = start(dir.path(), CaptureConfig { for_ms: Some(600), ..config("events:") }).end().unwrap();
    assert_eq!(summary.ended, Ended::TimeUp);
    assert!((Duration::from_millis(600)..Duration::from_secs(5)).contains(&begun.elapsed()));
    let status = std::fs::read_to_string(dir.path().join("feed/status.json")).unwrap();
    assert!(status.contains("\"ended\""), "{status}");
}

#[test]
fn segments_end_with_time_and_size() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), CaptureConfig { segment_ms: 200, ..config("events:") });
    wait_until("one is told of", || running.told.lock().unwrap().len() == 1);
    assert_eq!(running.told.lock().unwrap()[0].path, segments(dir.path())[0]);
    // Nothing was said since, so there is none of nothing.
    std::thread::park_timeout(Duration::from_millis(500));
    assert_eq!(running.told.lock().unwrap().len(), 1);
    running.stop();
}

#[test]
fn one_process_writes() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Capture::open("feed", config("events:"), means(dir.path())).unwrap();
    let second = Capture::open("feed", config("events:"), means(dir.path()));
    assert!(matches!(second.map(|_| ()), Err(CaptureError::Taken { .. })));
}
