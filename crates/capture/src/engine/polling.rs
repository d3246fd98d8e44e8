//! Engine.IO over HTTP: one request after another that the server answers when it has something to say, and one for
//! each thing that is said to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use stele_http::{Client, ClientConfig, HttpError, Key, Method};
use url::Url;

use super::Open;
use crate::config::READ_TIMES;
use crate::gap::Reason;
use crate::recorder::Lost;
use crate::shared::{ASK_EVERY, Shared};

/// Answers that are read ahead. The server gathers what it has to say, so one is much already.
const AHEAD: usize = 2;

/// What stands between packets of one answer.
const BETWEEN: char = '\u{1e}';

/// A session over requests.
pub(super) struct Polling {
    shared: Arc<Shared>,
    client: Client,
    path: String,
    answers: Receiver<Result<Vec<u8>, HttpError>>,
    /// No further request is made; the one that is out is waited for.
    pausing: Arc<AtomicBool>,
    ending: Arc<AtomicBool>,
}

/// Opens a session. Gives what the server said to it, as it was said.
pub(super) fn open(shared: &Arc<Shared>, url: &Url) -> Result<(Polling, Vec<String>), Lost> {
    let path = format!("{}?{}", url.path(), super::query(url, "polling", None));
    let asks = client(shared, url, shared.config.connect_timeout_ms_max)?;
    let cancelled = || shared.stopping() || shared.paused();
    let answer = asks.send(Method::Get, &path, None, &cancelled).map_err(|error| lost(shared, &error))?;
    let packets = packets(&answer.body)?;
    let opened = packets.first().map(String::as_str).unwrap_or_default();
    let open = Open::read(shared, opened)?;
    let patience = open.patience() + Duration::from_millis(shared.config.connect_timeout_ms_max);
    let polls = client(shared, url, crate::recorder::ms(patience))?;
    let path = format!("{}?{}", url.path(), super::query(url, "polling", Some(&open.sid)));
    let (send, answers) = bounded(AHEAD);
    let (pausing, ending) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let polling = Polling {
        shared: Arc::clone(shared),
        client: asks,
        path: path.clone(),
        answers,
        pausing: Arc::clone(&pausing),
        ending: Arc::clone(&ending),
    };
    // Ends with the session: its request is given up when that ends.
    std::thread::spawn(move || {
        while !pausing.load(Ordering::Relaxed) && !ending.load(Ordering::Relaxed) {
            let cancelled = || ending.load(Ordering::Relaxed);
            let answer = polls.send(Method::Get, &path, None, &cancelled).map(|answer| answer.body);
            let broken = answer.is_err();
            if send.send(answer).is_err() || broken {
                return;
            }
        }
    });
    Ok((polling, packets))
}

impl Polling {
    /// What the server said next, or nothing for a moment; `None` when the last request was answered.
    pub fn read(&mut self) -> Result<Option<Vec<String>>, Lost> {
        if self.shared.stopping() || self.shared.paused() {
            // The server would find out by itself.
            let _ = self.say("1");
            return Err(Lost::asked(&self.shared));
        }
        match self.answers.recv_timeout(ASK_EVERY) {
            Ok(Ok(body)) => packets(&body).map(Some),
            Ok(Err(error)) => Err(lost(&self.shared, &error)),
            Err(RecvTimeoutError::Timeout) => Ok(Some(Vec::new())),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    /// Says something.
    pub fn say(&mut self, text: &str) -> Result<(), Lost> {
        let said =
            self.client.send(Method::Post, &self.path, Some(text.as_bytes().to_vec()), &stele_http::never);
        said.map(drop).map_err(|error| lost(&self.shared, &error))
    }

    /// Makes no further request.
    pub fn pause(&self) {
        self.pausing.store(true, Ordering::Relaxed);
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
    }
}

fn client(shared: &Shared, url: &Url, timeout_ms_max: u64) -> Result<Client, Lost> {
    let config = ClientConfig {
        // What an answer that was lost had said is not said again: that is a gap, and a session of its own.
        tries_max: 1,
        connect_timeout_ms_max: shared.config.connect_timeout_ms_max,
        timeout_ms_max,
        // Binary frames travel as base64.
        answer_bytes_max: (shared.config.frame_bytes_max as u64).saturating_mul(2 * READ_TIMES as u64),
        ..ClientConfig::default()
    };
    let authorization =
        shared.resolved.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let key = authorization.map(|(_, value)| Key::Header("authorization", value.clone()));
    let mut base = url.clone();
    base.set_path("");
    base.set_query(None);
    let client = Client::new(base.as_str(), config, key, Arc::clone(&shared.means.pace));
    client.map_err(|error| lost(shared, &error))
}

fn packets(body: &[u8]) -> Result<Vec<String>, Lost> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Lost::new(Reason::Protocol, "the server answered with what is no text"))?;
    Ok(text.split(BETWEEN).map(str::to_owned).collect())
}

fn lost(shared: &Shared, error: &HttpError) -> Lost {
    let detail = stele_model::error::in_full(error);
    match error {
        HttpError::Cancelled => Lost::asked(shared),
        HttpError::Refused { status, .. } => {
            Lost { code: Some(*status), lasting: true, ..Lost::new(Reason::Refused, detail) }
        }
        HttpError::Unusable { .. } => Lost { lasting: true, ..Lost::new(Reason::Protocol, detail) },
        _ => Lost::new(Reason::Cut, detail),
    }
}
