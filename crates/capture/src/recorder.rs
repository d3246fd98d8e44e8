//! Writes down what one connection after another says, and what is missing between them.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::gap::{Gap, Reason, Tracker};
use crate::line::{Body, Direction, Line, SYSTEM, begin_of, instant, json_of};
use crate::shared::{Put, Shared};
use crate::status::CaptureState;

/// How often latencies are written down, all of that time in one line.
const LATENCY_EVERY: Duration = Duration::from_secs(60);

/// Characters of a message that was too long that are shown.
const SHOWN_CHARS: usize = 200;

/// Why a connection is over, or none came about.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    pub reason: Reason,
    /// For people, without secrets.
    pub detail: String,
    /// The close code of the WebSocket, or the status of HTTP.
    pub code: Option<u16>,
    /// Whether the next try would be refused too.
    pub lasting: bool,
}

impl Lost {
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Lost { reason, detail: detail.into(), code: None, lasting: false }
    }

    /// What a run that ends or pauses is told.
    pub fn asked(shared: &Shared) -> Self {
        match shared.stopping() {
            true => Lost::new(Reason::Stopped, "the capture is stopped"),
            false => Lost::new(Reason::Paused, "the capture is paused"),
        }
    }
}

/// What is known of a message beside its words.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About<'a> {
    /// The socket of a page that it came through.
    pub url: Option<&'a str>,
    /// What tells sockets of one connection apart.
    pub socket: Option<&'a str>,
    /// The event that it is about, where its frame does not say.
    pub event: Option<&'a str>,
    /// The number that the feed gave it.
    pub number: Option<i64>,
    /// Whether the next message belongs to it.
    pub joined: bool,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Latency {
    count: u64,
    min_us: u64,
    mean_us: u64,
    max_us: u64,
}

/// One recorder for each feed, for all of its connections.
pub(crate) struct Recorder {
    pub shared: Arc<Shared>,
    pub tracker: Tracker,
    connection: String,
    begun: Duration,
    stands: bool,
    /// Whether any connection stood in this run.
    pub ever: bool,
    received: u64,
    latency: Latency,
    latency_since: Duration,
}

impl Recorder {
    pub fn new(shared: Arc<Shared>, tracker: Tracker) -> Self {
        Recorder {
            connection: format!("{}-0", shared.epoch),
            shared,
            tracker,
            begun: Duration::ZERO,
            stands: false,
            ever: false,
            received: 0,
            latency: Latency::default(),
            latency_since: Duration::ZERO,
        }
    }

    /// What follows is said through another connection.
    pub fn begin(&mut self) {
        self.connection = self.shared.next_connection();
        self.begun = self.shared.means.pace.now();
        self.latency_since = self.begun;
        (self.stands, self.received, self.latency) = (false, 0, Latency::default());
    }

    /// The connection stands, with all that belongs to it.
    pub fn connected(&mut self, about: Value) -> Result<(), Lost> {
        let at = self.shared.means.clock.now();
        let took = self.shared.means.pace.now().saturating_sub(self.begun);
        let data = json!({"target": self.shared.resolved.shown, "took_ms": ms(took), "about": about});
        self.system("connected", &data)?;
        if let Some(gap) = self.tracker.connected(at) {
            self.gap(&gap)?;
        }
        (self.stands, self.ever) = (true, true);
        self.shared.count(|counts| counts.connections += 1);
        self.shared.enter(CaptureState::Listening, None);
        Ok(())
    }

    /// The connection is over, or none came about.
    pub fn lost(&mut self, lost: &Lost) {
        let at = self.shared.means.clock.now();
        let lived = self.shared.means.pace.now().saturating_sub(self.begun);
        let (event, counts) =
            (if self.stands { "disconnected" } else { "connect_failed" }, self.shared.counts());
        if !self.stands && !matches!(lost.reason, Reason::Stopped | Reason::Paused) {
            self.shared.count(|counts| counts.failures += 1);
        }
        let data = json!({
            "reason": lost.reason, "detail": lost.detail, "code": lost.code, "lived_ms": ms(lived),
            "received": self.received, "stalls": counts.stalls, "stalled_ms": counts.stalled_ms,
            "latency": (self.latency.count > 0).then_some(self.latency),
        });
        // The next run says what was missed between the two.
        if lost.reason != Reason::Stopped {
            self.tracker.lost(lost.reason, at);
        }
        self.shared.set_last_loss(lost.reason);
        // Without it the gap says the same. It cannot be put where nothing is written any more. Attachments that were due
        // do not come any more either.
        let _ = self.system_line(event, &data, Some(false));
        self.stands = false;
    }

    /// A message. Gives the number of its line.
    pub fn message(&mut self, direction: Direction, body: Body<'_>, about: About<'_>) -> Result<u64, Lost> {
        let at = self.shared.means.clock.now();
        let received = direction == Direction::Received;
        if received {
            self.received += 1;
            let bytes = body.len() as u64;
            self.shared.count(|counts| {
                counts.received += 1;
                counts.received_bytes += bytes;
            });
        } else {
            self.shared.count(|counts| counts.sent += 1);
        }
        if let Some(gap) = about.number.filter(|_| received).and_then(|number| self.tracker.came(number, at))
        {
            self.gap(&gap)?;
        }
        if received && body.len() > self.shared.config.frame_bytes_max {
            return self.too_long(body, about);
        }
        self.tracker.heard(at);
        let connection = match about.socket {
            Some(socket) => format!("{}:{socket}", self.connection),
            None => self.connection.clone(),
        };
        let number = about.number.filter(|_| received);
        let mut line = Line {
            connection: &connection,
            ts: instant(at),
            direction: Some(direction),
            number,
            url: about.url,
            ..Line::default()
        };
        let text;
        match body {
            Body::Frame(frame) => line.raw = Some(frame),
            Body::Attachment(bytes) => {
                text = format!("b{}", BASE64.encode(bytes));
                line.raw = Some(&text);
            }
            Body::Text(said) => {
                line.event = Some(about.event.unwrap_or("message"));
                line.data = json_of(said);
                line.text = line.data.is_none().then_some(said);
            }
            Body::Bytes(bytes) => {
                text = BASE64.encode(bytes);
                line.event = Some("binary");
                line.base64 = Some(&text);
            }
        }
        // What is sent meanwhile does not part a message from what belongs to it.
        put(&self.shared, line, received.then_some(about.joined))
    }

    /// What is said about the connection.
    pub fn system(&mut self, event: &str, data: &impl Serialize) -> Result<u64, Lost> {
        self.system_line(event, data, None)
    }

    /// The same, where it changes whether the next message belongs to the one before.
    fn system_line(&self, event: &str, data: &impl Serialize, joined: Option<bool>) -> Result<u64, Lost> {
        let (connection, ts) = (self.connection.as_str(), instant(self.shared.means.clock.now()));
        let Ok(data) = to_raw_value(data) else { return Ok(0) };
        let (event, doc_type, data) = (Some(event), Some(SYSTEM), Some(&*data));
        put(&self.shared, Line { connection, ts, doc_type, event, data, ..Line::default() }, joined)
    }

    /// What is missing.
    pub fn gap(&mut self, gap: &Gap) -> Result<(), Lost> {
        self.system("gap", gap)?;
        self.shared.count(|counts| {
            counts.gaps += 1;
            counts.missing += gap.missing.unwrap_or(0);
            counts.dropped += gap.dropped;
        });
        Ok(())
    }

    /// The gap that is open when the run ends.
    pub fn close_gap(&mut self) -> Result<(), Lost> {
        let gap = self.tracker.close(self.shared.means.clock.now());
        gap.map_or(Ok(()), |gap| self.gap(&gap))
    }

    /// A message that is not kept: its length and its beginning are, and that it is missing. An attachment is only a part
    /// of one, which was received.
    fn too_long(&mut self, body: Body<'_>, about: About<'_>) -> Result<u64, Lost> {
        let at = self.shared.means.clock.now();
        let begin = match body {
            Body::Frame(text) | Body::Text(text) => Some(begin_of(text, SHOWN_CHARS)),
            Body::Attachment(_) | Body::Bytes(_) => None,
        };
        let data = json!({
            "error": "frame_too_large", "bytes": body.len(), "bytes_max": self.shared.config.frame_bytes_max,
            "begin": begin, "url": about.url,
        });
        if body.is_attachment() {
            self.system_line("attachment_dropped", &data, Some(about.joined))?;
            self.shared.count(|counts| counts.dropped += 1);
            return Ok(0);
        }
        self.system_line("frame_dropped", &data, Some(about.joined))?;
        let gap = self.tracker.dropped(about.number, at);
        self.gap(&gap)?;
        Ok(0)
    }

    /// How long the peer took to answer.
    pub fn latency(&mut self, took: Duration) -> Result<(), Lost> {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.shared.latency(us);
        let Latency { count, min_us, mean_us, max_us } = self.latency;
        self.latency = Latency {
            count: count + 1,
            min_us: if count == 0 { us } else { min_us.min(us) },
            mean_us: (mean_us.saturating_mul(count).saturating_add(us)) / (count + 1),
            max_us: max_us.max(us),
        };
        let now = self.shared.means.pace.now();
        if now.saturating_sub(self.latency_since) >= LATENCY_EVERY {
            let latency = std::mem::take(&mut self.latency);
            self.latency_since = now;
            self.system("latency", &latency)?;
        }
        Ok(())
    }
}

/// Waits for room as long as somebody writes: what was read is never let go.
fn put(shared: &Shared, line: Line<'_>, joined: Option<bool>) -> Result<u64, Lost> {
    let put = Put { lines: &[line], joined, done: None };
    shared
        .put(put, &mut |_| true)
        .ok_or_else(|| Lost::new(Reason::Stopped, "nothing is written down any more"))
}

pub(crate) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
