//! The process dies without a word, again and again: what was acknowledged is there, and the gaps say the rest.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use stele_capture::{Capture, CaptureConfig, Event, Segment};

use crate::node::Feed;
use crate::rig::{add_up, assert_sequence, config, lines, means, of_event, start, wait_until};

const DIR: &str = "STELE_CAPTURE_TEST_DIR";
const URL: &str = "STELE_CAPTURE_TEST_URL";

fn killed(url: &str) -> CaptureConfig {
    CaptureConfig { number: Some("/n".into()), segment_bytes: 20_000, sync_ms: 20, ..config(url) }
}

/// Not a test by itself: the capture that is killed. Says each push that was acknowledged.
#[test]
#[expect(clippy::disallowed_methods, reason = "a child is told by its environment, and answers")]
fn child() {
    let (Ok(dir), Ok(url)) = (std::env::var(DIR), std::env::var(URL)) else { return };
    let capture = Capture::open("feed", killed(&url), means(Path::new(&dir))).unwrap();
    if let Some(events) = capture.events() {
        std::thread::spawn(move || {
            for n in 0.. {
                let id = format!("{}-{n}", std::process::id());
                let event: Event =
                    serde_json::from_value(json!({"event": "e", "id": id, "data": {"n": n}})).unwrap();
                match events.push(&[event]) {
                    Ok(_) => println!("\nacknowledged {id}"),
                    Err(_) => std::thread::park_timeout(Duration::from_millis(5)),
                }
                std::io::stdout().flush().unwrap();
            }
        });
    }
    capture.run(&stele_http::never, &|_: &Segment| ()).unwrap();
}

fn spawn(dir: &Path, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture"])
        .env(DIR, dir)
        .env(URL, url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for after in [1, 7, 30, 60] {
        let mut child = spawn(dir.path(), "events:");
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut here = 0;
        for line in output.lines() {
            let line = line.unwrap();
            if let Some(id) = line.strip_prefix("acknowledged ") {
                acknowledged.push(id.to_owned());
                here += 1;
            }
            if here == after {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(here >= after, "the child ended by itself");
    }
    // Picked up, with the last one torn on purpose.
    let parts: Vec<_> = std::fs::read_dir(dir.path().join("feed"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "part"))
        .collect();
    assert_eq!(parts.len(), 1, "each run completed what the one before it left: {parts:?}");
    let mut file = std::fs::OpenOptions::new().append(true).open(&parts[0]).unwrap();
    file.write_all(b"{\"capture\":\"feed\",\"seq\":99").unwrap();
    let running = start(dir.path(), killed("events:"));
    wait_until("it is there", || running.control.status().counts.connections == 1);
    let found = running.told.lock().unwrap().clone();
    running.stop();
    assert!(found.iter().all(|segment| segment.found) && found.len() >= 4, "{found:?}");
    let lines = lines(dir.path());
    assert_sequence(&lines);
    let ids: Vec<&str> = lines.iter().filter_map(|line| line["original_id"].as_str()).collect();
    for id in &acknowledged {
        assert_eq!(ids.iter().filter(|known| *known == id).count(), 1, "{id}");
    }
    assert!(acknowledged.len() >= 98, "{}", acknowledged.len());
    let completed = of_event(&lines, "segment_completed");
    assert_eq!(completed.last().unwrap()["data"]["bytes_cut"], 26);
    let reasons: Vec<_> = of_event(&lines, "gap").iter().map(|gap| gap["data"]["reason"].clone()).collect();
    assert_eq!(reasons, ["killed", "killed", "killed", "killed"]);
    // And the next one finds an orderly end.
    let running = start(dir.path(), killed("events:"));
    wait_until("it is there", || running.control.status().counts.connections == 1);
    running.stop();
    assert_eq!(
        of_event(&crate::rig::lines(dir.path()), "gap").last().unwrap()["data"]["reason"],
        "not_running"
    );
}

#[test]
fn what_a_killed_capture_missed_is_counted() {
    let Some(mut feed) = Feed::start(json!({})) else { return };
    let dir = tempfile::tempdir().unwrap();
    let url = format!("socketio+http://127.0.0.1:{}", feed.port);
    feed.tell("flow 2 100");
    for _ in 0..3 {
        let before = feed.sent();
        let mut child = spawn(dir.path(), &url);
        wait_until("it has been heard for a while", || {
            feed.tell("clients")["clients"] == 1 && feed.sent() > before + 400
        });
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // A segment that was taken away does not take the count with it.
    let first = crate::rig::segments(dir.path())[0].clone();
    let taken: Vec<serde_json::Value> = std::fs::read_to_string(&first)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    std::fs::remove_file(&first).unwrap();
    let running = start(dir.path(), killed(&url));
    wait_until("it listens", || running.received() > 10);
    feed.tell("still");
    let sent = feed.sent();
    wait_until("all came", || {
        running.control.tell(stele_capture::Command::Rotate);
        lines(dir.path()).iter().rev().find_map(|line| line["number"].as_i64()) == Some(sent)
    });
    running.stop();
    let mut all = taken;
    // Whoever takes the segments takes all of them, and what was said meanwhile is counted all the same.
    all.extend(lines(dir.path()));
    for segment in crate::rig::segments(dir.path()) {
        std::fs::remove_file(segment).unwrap();
    }
    feed.tell("burst 5 0");
    let running = start(dir.path(), killed(&url));
    wait_until("it listens", || running.control.status().counts.connections == 1);
    feed.tell("burst 1 0");
    wait_until("it hears", || running.control.status().counts.gaps == 1);
    assert_eq!(running.stop().counts.missing, 5);
    all.extend(lines(dir.path()));
    assert_sequence(&all);
    let sum = add_up(&all);
    assert_eq!(sum.last, sent + 6);
    let reasons: Vec<_> = of_event(&all, "gap").iter().map(|gap| gap["data"]["reason"].clone()).collect();
    assert!(
        reasons.contains(&json!("killed")) && reasons.last() == Some(&json!("not_running")),
        "{reasons:?}"
    );
}

#[test]
fn damage_inside_a_segment_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("feed");
    std::fs::create_dir_all(&home).unwrap();
    let whole = r#"{"capture":"feed","seq":1,"connection":"4-1","ts":"2025-01-02T03:04:05Z","number":5}"#;
    std::fs::write(home.join("000004-000001.jsonl.part"), format!("{whole}\n\0\0\0\n{whole}\n")).unwrap();
    // Nothing in it at all, and something that is none of ours.
    std::fs::write(home.join("000004-000002.jsonl.part"), "{\"cap").unwrap();
    std::fs::write(home.join("notes.txt"), "mine").unwrap();
    let running = start(dir.path(), config("events:"));
    wait_until("it is there", || running.control.status().counts.connections == 1);
    assert_eq!(running.control.status().epoch, 5);
    running.stop();
    assert_eq!(std::fs::read_to_string(home.join("000004-000001.jsonl")).unwrap(), format!("{whole}\n"));
    assert_eq!(
        std::fs::read(home.join("000004-000001.damaged")).unwrap(),
        format!("\0\0\0\n{whole}\n").as_bytes()
    );
    assert!(!home.join("000004-000002.jsonl").exists() && home.join("notes.txt").exists());
}
