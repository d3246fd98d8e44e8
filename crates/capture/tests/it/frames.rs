//! A server of Engine.IO that says what a test wants, and when: messages with attachments, and what may stand between.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crossbeam_channel::{Sender, bounded};
use serde_json::{Value, json};
use stele_capture::CaptureConfig;
use tungstenite::{Message, WebSocket};

use crate::rig::{PATIENCE, add_up, assert_sequence, config, lines, of_event, segments, start, wait_until};

/// Lines until a capture listens: its begin, the session, the join and its answer, and that it stands.
const BEFORE: u64 = 5;

/// A message with one attachment.
fn picture(n: i64) -> String {
    format!(r#"451-["picture",{{"n":{n},"all":{{"_placeholder":true,"num":0}}}}]"#)
}

fn tick(n: i64) -> String {
    format!(r#"42["tick",{{"n":{n}}}]"#)
}

/// Says to the first who joins what comes through the channel.
fn serve() -> (CaptureConfig, Sender<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("socketio+http://{}", listener.local_addr().unwrap());
    let (say, said) = bounded::<Message>(16);
    std::thread::spawn(move || {
        let mut socket: WebSocket<TcpStream> = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        let open = json!({"sid": "a", "upgrades": [], "pingInterval": 60_000, "pingTimeout": 60_000});
        socket.send(Message::text(format!("0{open}"))).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("40"));
        socket.send(Message::text(r#"40{"sid":"b"}"#)).unwrap();
        while let Ok(message) = said.recv_timeout(PATIENCE) {
            socket.send(message).unwrap();
        }
        while socket.read().is_ok() {}
    });
    (CaptureConfig { number: Some("/n".to_owned()), ..config(&url) }, say)
}

/// The frames of each segment.
fn frames(dir: &Path) -> Vec<Vec<String>> {
    let of = |path: &PathBuf| -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| line["raw"].as_str().map(str::to_owned)).collect()
    };
    segments(dir).iter().map(of).collect()
}

#[test]
fn a_segment_does_not_end_between_a_message_and_its_attachments() {
    let dir = tempfile::tempdir().unwrap();
    let (config, say) = serve();
    let running = start(dir.path(), config);
    let made = || running.control.status().counts.lines;
    say.send(Message::text(picture(1))).unwrap();
    wait_until("the message is on its way to the disk", || made() > BEFORE);
    // A line that is about something else stands between, and the end of the segment is asked for.
    let control = dir.path().join("feed/control");
    std::fs::write(control.with_extension("mine"), "nonsense\nrotate\n").unwrap();
    std::fs::rename(control.with_extension("mine"), &control).unwrap();
    wait_until("it is obeyed", || !control.exists());
    say.send(Message::binary(vec![1, 2, 3])).unwrap();
    wait_until("the attachment is too", || made() > BEFORE + 2);
    wait_until("the segment ends then", || !running.told.lock().unwrap().is_empty());
    running.stop();
    assert_sequence(&lines(dir.path()));
    let frames = frames(dir.path());
    assert!(frames.len() >= 2, "it is not ended when all is there: {frames:?}");
    assert_eq!(frames[0][frames[0].len() - 2..], [picture(1), "bAQID".to_owned()]);
}

#[test]
fn an_attachment_that_is_too_long_is_no_message_that_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (config, say) = serve();
    let running = start(dir.path(), CaptureConfig { frame_bytes_max: 1_024, ..config });
    let long = Message::binary(vec![0; 2_000]);
    for message in [Message::text(tick(1)), Message::text(picture(2)), long, Message::text(tick(3))] {
        say.send(message).unwrap();
    }
    // The session and the answer to the join are received too.
    wait_until("it hears all", || running.received() == 6);
    let counts = running.stop().counts;
    let lines = lines(dir.path());
    assert_sequence(&lines);
    let sum = add_up(&lines);
    assert_eq!((sum.received, sum.missing), (3, 0), "{sum:?}");
    assert_eq!((counts.missing, counts.gaps, counts.dropped), (0, 0, 1));
    assert_eq!(of_event(&lines, "attachment_dropped")[0]["data"]["bytes"], 2_000);
}
