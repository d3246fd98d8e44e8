//! A WebSocket without frames of its own: each message is one.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use crate::gap::Reason;
use crate::line::{Body, Direction};
use crate::recorder::{About, Lost, Recorder, ms};
use crate::socket::{Said, Socket};

/// Connects, listens, and says why it is over.
pub(crate) fn listen(recorder: &mut Recorder, url: &Url) -> Lost {
    match try_listen(recorder, url) {
        Ok(never) => match never {},
        Err(lost) => lost,
    }
}

fn try_listen(recorder: &mut Recorder, url: &Url) -> Result<std::convert::Infallible, Lost> {
    let shared = std::sync::Arc::clone(&recorder.shared);
    let mut socket = Socket::connect(&shared, url)?;
    recorder.connected(json!({"transport": "websocket"}))?;
    for (text, recorded) in &shared.resolved.send {
        socket.say(text.reveal())?;
        if *recorded {
            recorder.message(Direction::Sent, Body::Text(text.reveal()), About::default())?;
        }
    }
    let most = Duration::from_millis(shared.config.ping_timeout_ms_max);
    loop {
        let said = socket.read()?;
        let silence = socket.keep_alive(recorder)?;
        match said {
            Some(Said::Text(text)) => {
                let looked = look(recorder, &text);
                let about = About { event: looked.0.as_deref(), number: looked.1, ..About::default() };
                recorder.message(Direction::Received, Body::Text(&text), about)?;
            }
            Some(Said::Bytes(bytes)) => {
                recorder.message(Direction::Received, Body::Bytes(&bytes), About::default())?;
            }
            None => {
                // What waits to be read is read first: a slow disk here is no silence there.
                if let Some(silence) = silence.filter(|silence| *silence >= most) {
                    let detail = format!("nothing was heard for {} ms after a ping", ms(silence));
                    return Err(Lost::new(Reason::PingTimeout, detail));
                }
            }
        }
    }
}

/// Event and number of a message, where they are asked for.
pub(crate) fn look(recorder: &Recorder, text: &str) -> (Option<String>, Option<i64>) {
    let pointer = recorder.shared.config.event.as_deref();
    if pointer.is_none() && !recorder.tracker.wants_numbers() {
        return (None, None);
    }
    let Ok(value) = serde_json::from_str::<Value>(text) else { return (None, None) };
    let event = pointer.and_then(|pointer| value.pointer(pointer)?.as_str().map(str::to_owned));
    (event, recorder.tracker.number_in(&value))
}
