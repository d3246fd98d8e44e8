//! Lines of a stream, such as what another program prints.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use crossbeam_channel::{RecvTimeoutError, bounded};
use serde_json::json;

use crate::config::READ_TIMES;
use crate::line::{Body, Direction};
use crate::recorder::{About, Lost, Recorder};
use crate::shared::ASK_EVERY;
use crate::{CaptureError, link, plain};

/// Lines that are read ahead: enough to read without a pause, and few of the longest.
const AHEAD: usize = 4;

/// What is read.
enum Piece {
    /// A line without its end; how long it was, if that is longer than what was read of it.
    Line(Vec<u8>, usize),
    /// It cannot be read further.
    Broken(String),
}

/// Listens until the stream or the run ends.
pub(crate) fn listen(
    recorder: &mut Recorder,
    input: Option<Box<dyn Read + Send>>,
) -> Result<(), CaptureError> {
    let shared = Arc::clone(&recorder.shared);
    let Some(input) = input else {
        let (capture, reason) = (shared.name.clone(), "no stream was handed in for stdin:".to_owned());
        return Err(CaptureError::Config { capture, setting: "url", reason });
    };
    let (pieces, read) = bounded(AHEAD);
    let bytes_max = shared.config.frame_bytes_max.saturating_mul(READ_TIMES);
    // Left to itself when the run ends before the stream: nothing can end a read.
    std::thread::spawn(move || {
        let mut input = BufReader::new(input);
        loop {
            let piece = match line(&mut input, bytes_max) {
                Ok(None) => return,
                Ok(Some((bytes, length))) => Piece::Line(bytes, length),
                Err(error) => Piece::Broken(error.to_string()),
            };
            let broken = matches!(piece, Piece::Broken(_));
            if pieces.send(piece).is_err() || broken {
                return;
            }
        }
    });
    while !shared.stopping() && !shared.queue.ended() {
        recorder.begin();
        let lost = loop {
            if !recorder.ever
                && let Err(lost) = recorder.connected(json!({"transport": "stream"}))
            {
                break lost;
            }
            if shared.stopping() || shared.paused() {
                break Lost::asked(&shared);
            }
            let said = match read.recv_timeout(ASK_EVERY) {
                Ok(Piece::Line(bytes, length)) => take(recorder, &bytes, length),
                Ok(Piece::Broken(error)) => recorder.system("error", &json!({"error": error})).map(drop),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            if let Err(lost) = said {
                break lost;
            }
        };
        recorder.lost(&lost);
        recorder.ever = false;
        link::sit_out_pause(&shared);
    }
    Ok(())
}

fn take(recorder: &mut Recorder, bytes: &[u8], length: usize) -> Result<(), Lost> {
    if length > bytes.len() {
        let data = json!({"error": "line_too_long", "bytes": length, "bytes_read": bytes.len()});
        recorder.system("error", &data)?;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let (event, number) = plain::look(recorder, text);
            let about = About { event: event.as_deref(), number, ..About::default() };
            recorder.message(Direction::Received, Body::Text(text), about)?;
        }
        Err(_) => {
            recorder.message(Direction::Received, Body::Bytes(bytes), About::default())?;
        }
    }
    Ok(())
}

/// The next line, no more of it than `bytes_max`, and its length; `None` at the end.
fn line(input: &mut impl BufRead, bytes_max: usize) -> std::io::Result<Option<(Vec<u8>, usize)>> {
    let (mut line, mut length) = (Vec::new(), 0);
    loop {
        let ready = input.fill_buf()?;
        if ready.is_empty() {
            return Ok((length > 0).then_some((line, length)));
        }
        let end = ready.iter().position(|byte| *byte == b'\n');
        let part = &ready[..end.unwrap_or(ready.len())];
        length += part.len();
        line.extend_from_slice(&part[..part.len().min(bytes_max.saturating_sub(line.len()))]);
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(Some((line, length)));
        }
    }
}
