//! Lines of a stream.

use std::io::Write;
use std::io::{Read, pipe};

use serde_json::json;
use stele_capture::{CaptureConfig, CaptureState, Command, Ended};

use crate::rig::{add_up, assert_sequence, config, lines, means, of_event, start_with, wait_until};

#[test]
fn lines_become_records() {
    let dir = tempfile::tempdir().unwrap();
    let input: Box<dyn Read + Send> =
        Box::new(std::io::Cursor::new(b"{\"a\": 1}\nwords\n\xff\xfe\n\nlast".to_vec()));
    let summary = start_with(means(dir.path()), config("stdin:"), Some(input)).end().unwrap();
    assert_eq!((summary.ended, summary.counts.received), (Ended::EndOfInput, 5));
    let lines = lines(dir.path());
    assert_sequence(&lines);
    let received: Vec<_> = lines.iter().filter(|line| line["direction"] == "received").collect();
    assert_eq!(received[0]["data"], json!({"a": 1}));
    assert_eq!((&received[1]["text"], &received[2]["base64"]), (&json!("words"), &json!("//4=")));
    assert_eq!((&received[3]["text"], &received[4]["text"]), (&json!(""), &json!("last")));
}

#[test]
fn a_line_that_is_too_long_is_told_of_and_the_next_one_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{}\n{}\nshort\n", "x".repeat(3_000), "y".repeat(100_000));
    let config = CaptureConfig { frame_bytes_max: 1_024, ..config("stdin:") };
    let summary =
        start_with(means(dir.path()), config, Some(Box::new(std::io::Cursor::new(text)))).end().unwrap();
    assert_eq!((summary.counts.dropped, summary.counts.gaps), (2, 2));
    let lines = lines(dir.path());
    assert_eq!(of_event(&lines, "error")[0]["data"]["bytes"], 100_000);
    assert_eq!(of_event(&lines, "frame_dropped")[0]["data"]["bytes"], 3_000);
    assert!(lines.iter().any(|line| line["text"] == "short"));
}

#[test]
fn a_line_whose_number_cannot_be_read_is_missing_once() {
    let dir = tempfile::tempdir().unwrap();
    let line = |n: u64, pad: usize| format!("{{\"n\":{n},\"pad\":\"{}\"}}\n", "x".repeat(pad));
    // The second one is read and not kept, the third one is cut, and its number with it.
    let text = [line(1, 0), line(2, 3_000), line(3, 100_000), line(4, 0)].concat();
    let config = CaptureConfig { frame_bytes_max: 1_024, number: Some("/n".to_owned()), ..config("stdin:") };
    let input: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(text));
    let summary = start_with(means(dir.path()), config, Some(input)).end().unwrap();
    let sum = add_up(&lines(dir.path()));
    assert_eq!((sum.received, sum.missing), (2, 2), "{sum:?}");
    assert_eq!((summary.counts.missing, summary.counts.dropped), (2, 2));
}

#[test]
fn a_stop_does_not_wait_for_a_stream_that_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, mut writer) = pipe().unwrap();
    let running = start_with(means(dir.path()), config("stdin:"), Some(Box::new(reader)));
    writer.write_all(b"one\n").unwrap();
    wait_until("it hears", || running.received() == 1);
    running.control.tell(Command::Pause);
    wait_until("it pauses", || running.control.status().state == CaptureState::Paused);
    writer.write_all(b"two\n").unwrap();
    running.control.tell(Command::Resume);
    // A pipe waits, so nothing is missing after a pause.
    wait_until("it hears the rest", || running.received() == 2);
    running.stop();
    assert_eq!(lines(dir.path()).iter().filter(|line| line["text"].is_string()).count(), 2);
}
