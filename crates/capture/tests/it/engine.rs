//! Against a real Socket.IO server that numbers its messages: whatever stands between, what was received and what is
//! recorded as missing is what was sent.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stele_capture::{CaptureConfig, CaptureError, Emit, Namespace, Template, Transport};

use crate::disk::bent;
use crate::node::Feed;
use crate::proxy::Proxy;
use crate::rig::{
    PATIENCE, Running, Sum, add_up, assert_sequence, config, lines, of_event, start, start_on, system,
    wait_until,
};

fn numbered(port: u16) -> CaptureConfig {
    let number = Some("/n".to_owned());
    CaptureConfig { number, ..config(&format!("socketio+http://127.0.0.1:{port}")) }
}

/// Whether a number is on disk before long. A segment is complete only after the disk's own time, and nobody says when.
fn is_kept(running: &Running, dir: &Path, number: i64) -> bool {
    let begun = Instant::now();
    running.control.tell(stele_capture::Command::Rotate);
    while begun.elapsed() < Duration::from_secs(2) {
        std::thread::park_timeout(Duration::from_millis(50));
        let last = lines(dir).iter().rev().find_map(|line| line["number"].as_i64());
        if last == Some(number) {
            return true;
        }
        running.control.tell(stele_capture::Command::Rotate);
    }
    false
}

/// Everything is as it should be again: the last message that was sent is received. Then stops, and adds up.
#[track_caller]
fn settle(running: Running, feed: &mut Feed, dir: &Path) -> (Sum, Vec<Value>) {
    feed.tell("still");
    let begun = Instant::now();
    loop {
        // A message that is sent while nobody listens is missing, so one more is.
        feed.tell("burst 1 0");
        let sent = feed.sent();
        if is_kept(&running, dir, sent) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not come back");
    }
    let summary = running.stop();
    let lines = lines(dir);
    assert_sequence(&lines);
    let sum = add_up(&lines);
    assert_eq!(sum.last, feed.sent(), "what was sent last is there");
    assert_eq!(summary.counts.missing, sum.missing);
    (sum, lines)
}

#[test]
fn frames_are_kept_as_they_came() {
    let Some(mut feed) = Feed::start(json!({})) else { return };
    let dir = tempfile::tempdir().unwrap();
    let namespaces = vec![
        Namespace { name: "/".into(), auth: None },
        Namespace { name: "/game".into(), auth: Some(Template::new(r#"{"token":"${FEED_TOKEN}"}"#)) },
    ];
    let hello = Emit { namespace: "/game".into(), event: "hello".into(), args: vec![json!("me")], ack: true };
    let emit = vec![hello];
    let running =
        start(dir.path(), CaptureConfig { namespaces, emit, answer_acks: true, ..numbered(feed.port) });
    wait_until("it listens", || running.control.status().counts.connections == 1);
    feed.tell("burst 2 3");
    feed.tell("binary");
    feed.tell("acks");
    let mut told = Value::Null;
    wait_until("its ack comes", || {
        told = feed.tell("told");
        told["acked"] != json!([])
    });
    assert_eq!(told["acked"], json!([1]), "the server has the ack of its one listener");
    assert_eq!(told["auth"], json!({"token": "geheim"}));
    let (sum, lines) = settle(running, &mut feed, dir.path());
    assert_eq!((sum.first, sum.missing), (1, 0));
    let raws: Vec<&str> = lines.iter().filter_map(|line| line["raw"].as_str()).collect();
    for raw in [
        "40/game,",
        r#"42/game,1["hello","me"]"#,
        r#"43/game,1[{"welcome":"me"}]"#,
        r#"42["tick",{"n":1,"pad":"xxx"}]"#,
        r#"452-["picture",{"n":3,"all":[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]}]"#,
        "bAQID",
        "b/w==",
    ] {
        assert!(raws.contains(&raw), "{raw} is not among {raws:?}");
    }
    // What let us in is nowhere.
    assert!(!lines.iter().any(|line| line.to_string().contains("geheim")));
    // The two attachments follow their message, and the ack was sent after its event was durable.
    let at = raws.iter().position(|raw| raw.starts_with("452-")).unwrap();
    assert_eq!(&raws[at + 1..at + 3], ["bAQID", "b/w=="]);
    let ack = lines.iter().find(|line| {
        line["direction"] == "sent" && line["raw"].as_str().is_some_and(|raw| raw.starts_with("430["))
    });
    assert!(ack.is_some(), "{raws:?}");
    assert_eq!(of_event(&lines, "ack_latency").len(), 1);
    assert_eq!(system(&lines)[..2], ["capture_started", "connected"]);
    assert_eq!(system(&lines).last().unwrap(), "capture_stopped");
}

#[test]
fn an_ack_means_that_it_is_durable() {
    let Some(mut feed) = Feed::start(json!({"pingTimeout": 20_000})) else { return };
    let dir = tempfile::tempdir().unwrap();
    let shut = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&shut);
    let disk = bent(false, move |step| {
        while step == "sync" && seen.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(())
    });
    let running = start_on(dir.path(), disk, CaptureConfig { answer_acks: true, ..numbered(feed.port) });
    wait_until("it listens", || running.control.status().counts.connections == 1);
    shut.store(true, Ordering::Relaxed);
    let before = running.received();
    feed.tell("acks");
    wait_until("it hears", || running.received() > before);
    std::thread::park_timeout(Duration::from_millis(400));
    assert_eq!(feed.tell("told")["acked"], json!([]), "it is acknowledged and the disk has said nothing");
    shut.store(false, Ordering::Relaxed);
    wait_until("its ack comes", || feed.tell("told")["acked"] == json!([1]));
    settle(running, &mut feed, dir.path());
}

#[test]
fn every_transport_hears_everything() {
    for (transport, bytes) in [(Transport::Websocket, 10), (Transport::Polling, 10), (Transport::Upgrade, 10)]
    {
        let Some(mut feed) = Feed::start(json!({})) else { return };
        let dir = tempfile::tempdir().unwrap();
        feed.tell(&format!("flow 2 {bytes}"));
        let running = start(dir.path(), CaptureConfig { transport, ..numbered(feed.port) });
        wait_until("it hears enough", || running.received() > 300);
        let (sum, lines) = settle(running, &mut feed, dir.path());
        // One session, from the first message to the last.
        assert_eq!((sum.missing, of_event(&lines, "connected").len()), (0, 1), "{transport:?} {sum:?}");
        assert_eq!(of_event(&lines, "upgraded").len(), usize::from(transport == Transport::Upgrade));
    }
}

#[test]
fn cuts_in_the_middle_of_frames() {
    let Some(mut feed) = Feed::start(json!({})) else { return };
    let (dir, proxy) = (tempfile::tempdir().unwrap(), Proxy::to(feed.port));
    feed.tell("flow 1 700");
    let running = start(dir.path(), numbered(proxy.port));
    // No frame ends where these do.
    for bytes in [9_001, 12_007, 15_013, 20_029, 7_019] {
        proxy.cut_after(bytes);
        let before = running.control.status().counts.connections;
        proxy.cut();
        wait_until("it was cut and came back", || running.control.status().counts.connections > before + 1);
    }
    proxy.cut_after(0);
    proxy.cut();
    let (sum, lines) = settle(running, &mut feed, dir.path());
    assert!(sum.missing > 0 && sum.received > 0, "{sum:?}");
    assert!(of_event(&lines, "disconnected").iter().any(|line| line["data"]["reason"] == "cut"));
}

#[test]
fn a_half_open_connection_is_given_up_for_want_of_pings() {
    for transport in [Transport::Websocket, Transport::Upgrade, Transport::Polling] {
        let Some(mut feed) = Feed::start(json!({})) else { return };
        let (dir, proxy) = (tempfile::tempdir().unwrap(), Proxy::to(feed.port));
        feed.tell("flow 5 10");
        // A request that hangs has to end before the next one can be made.
        let connect_timeout_ms_max = 1_000;
        let running =
            start(dir.path(), CaptureConfig { transport, connect_timeout_ms_max, ..numbered(proxy.port) });
        wait_until("it listens", || running.received() > 20);
        proxy.freeze(true);
        wait_until("it notices", || running.control.status().counts.failures > 0);
        proxy.freeze(false);
        let (sum, lines) = settle(running, &mut feed, dir.path());
        assert!(sum.missing > 0, "{transport:?} {sum:?}");
        let lost = of_event(&lines, "disconnected");
        assert_eq!(lost[0]["data"]["reason"], "ping_timeout", "{transport:?}: {}", lost[0]);
    }
}

#[test]
fn a_storm_of_reconnects_is_no_storm_here() {
    let Some(mut feed) = Feed::start(json!({})) else { return };
    let (dir, proxy) = (tempfile::tempdir().unwrap(), Proxy::to(feed.port));
    feed.tell("flow 2 10");
    let running = start(dir.path(), numbered(proxy.port));
    wait_until("it listens", || running.received() > 20);
    let before = proxy.connections();
    feed.tell("storm 1");
    std::thread::park_timeout(Duration::from_secs(2));
    let tries = proxy.connections() - before;
    feed.tell("storm 0");
    // Waits of 20, 40, 80, 160 and then 200 ms, half of each left to chance.
    assert!((6..=30).contains(&tries), "{tries} tries in two seconds");
    // The peer closes, leaves, and is not there at all.
    for command in ["kick", "leave"] {
        wait_until("it listens", || feed.tell("clients")["clients"] == 1);
        feed.tell(command);
    }
    proxy.close(true);
    wait_until("it finds nobody", || running.control.status().counts.failures > 2);
    proxy.close(false);
    let (sum, lines) = settle(running, &mut feed, dir.path());
    assert!(sum.missing > 0, "{sum:?}");
    let reasons: Vec<&Value> = of_event(&lines, "gap").iter().map(|gap| &gap["data"]["reason"]).collect();
    assert!(reasons.contains(&&json!("closed")), "{reasons:?}");
}

#[test]
fn a_disk_that_is_slower_than_the_servers_patience() {
    let Some(mut feed) = Feed::start(json!({})) else { return };
    let dir = tempfile::tempdir().unwrap();
    let slow = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&slow);
    let disk = bent(false, move |step| {
        if step == "sync" && seen.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(900));
        }
        Ok(())
    });
    feed.tell("flow 1 5000");
    let running =
        start_on(dir.path(), disk, CaptureConfig { queue_bytes_max: 64 << 10, ..numbered(feed.port) });
    wait_until("it listens", || feed.tell("clients")["clients"] == 1);
    // While nothing is read, no ping is answered, and the server gives us up.
    wait_until("the server gives it up", || feed.tell("clients")["clients"] == 0);
    assert!(running.control.status().queued_bytes < 80 << 10);
    // What it had sent until then is on this machine, and is read before the end of the connection is seen.
    slow.store(false, Ordering::Relaxed);
    wait_until("it comes back", || running.control.status().counts.connections > 1);
    let (sum, lines) = settle(running, &mut feed, dir.path());
    assert!(sum.missing > 0 && sum.received > 0, "{sum:?}");
    assert!(of_event(&lines, "disconnected").iter().any(|line| line["data"]["stalls"].as_u64().unwrap() > 0));
}

#[test]
fn frames_of_sixteen_megabytes_and_more() {
    let Some(mut feed) = Feed::start(json!({"pingTimeout": 5000})) else { return };
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), numbered(feed.port));
    wait_until("it listens", || running.control.status().counts.connections == 1);
    let most = 16 << 20;
    // With its frame around it the first one is as long as may be kept, the second one is longer.
    let around = r#"42["tick",{"n":1,"pad":""}]"#.len();
    feed.tell(&format!("burst 1 {}", most - around));
    feed.tell(&format!("burst 1 {}", most - around + 1));
    wait_until("both came", || running.control.status().counts.dropped == 1);
    let (sum, lines) = settle(running, &mut feed, dir.path());
    assert_eq!((sum.first, sum.missing), (1, 1), "{sum:?}");
    assert_eq!(lines.iter().filter_map(|line| line["raw"].as_str()).map(str::len).max(), Some(most));
    let dropped = of_event(&lines, "frame_dropped");
    assert_eq!(dropped.len(), 1);
    assert_eq!(
        (&dropped[0]["data"]["bytes"], &dropped[0]["data"]["bytes_max"]),
        (&json!(most + 1), &json!(most))
    );
    let gap = &of_event(&lines, "gap")[0]["data"];
    assert_eq!((&gap["reason"], &gap["dropped"]), (&json!("frame_too_large"), &json!(1)));
    assert_eq!(of_event(&lines, "disconnected").len(), 1, "nothing but the stop ended the connection");
}

#[test]
fn a_message_that_nobody_could_read_ends_the_connection() {
    let Some(mut feed) = Feed::start(json!({})) else { return };
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), CaptureConfig { frame_bytes_max: 1 << 10, ..numbered(feed.port) });
    wait_until("it listens", || running.control.status().counts.connections == 1);
    feed.tell("burst 1 10");
    feed.tell("burst 1 5000");
    wait_until("it comes back", || running.control.status().counts.connections == 2);
    let (sum, lines) = settle(running, &mut feed, dir.path());
    assert!(sum.missing >= 1, "{sum:?}");
    let gap = &of_event(&lines, "gap")[0]["data"];
    assert_eq!(gap["reason"], "frame_too_large");
    assert_eq!(of_event(&lines, "disconnected")[0]["data"]["code"], 1009);
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let Some(feed) = Feed::start(json!({})) else { return };
    let dir = tempfile::tempdir().unwrap();
    let namespaces =
        vec![Namespace { name: "/game".into(), auth: Some(Template::new(r#"{"token":"wrong"}"#)) }];
    let refused = start(dir.path(), CaptureConfig { namespaces, ..numbered(feed.port) }).end();
    let Err(error @ CaptureError::Refused { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("no such token"), "{error}");
    // No server of Socket.IO is at this path.
    let url = format!("socketio+http://127.0.0.1:{}/elsewhere/", feed.port);
    let dir = tempfile::tempdir().unwrap();
    let refused = start(
        dir.path(),
        CaptureConfig { connects_max: Some(2), connect_timeout_ms_max: 500, ..config(&url) },
    )
    .end();
    assert!(refused.is_err(), "{refused:?}");
}
