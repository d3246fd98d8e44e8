//! Socket.IO over Engine.IO 4: joins its namespaces, answers its pings, and writes down every packet.

mod packet;
mod polling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::config::Transport;
use crate::gap::Reason;
use crate::line::{Body, Direction, begin_of};
use crate::recorder::{About, Lost, Recorder, ms};
use crate::shared::{ASK_EVERY, Shared};
use crate::socket::{Said, Socket};

pub(crate) use packet::looks_like;
use packet::{Head, Kind, head, payload, prefix};
use polling::Polling;

/// Acks that wait until their event is durable. Beyond it nothing is read until one is.
const ACKS_MAX: usize = 10_000;

/// Characters of what the server said that an error shows.
const SHOWN_CHARS: usize = 200;

/// What the server says first.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    sid: String,
    #[serde(default)]
    upgrades: Vec<String>,
    ping_interval: u64,
    ping_timeout: u64,
}

impl Open {
    fn read(shared: &Shared, text: &str) -> Result<Self, Lost> {
        let open = text.strip_prefix('0').and_then(|body| serde_json::from_str(body).ok());
        open.ok_or_else(|| {
            // Hidden before it is cut or quoted: of half a key nobody knows that it is one.
            let detail = format!(
                "the server does not open a session of Engine.IO 4 but says {:?}",
                begin_of(&shared.resolved.hide(text), SHOWN_CHARS)
            );
            Lost { lasting: true, ..Lost::new(Reason::Protocol, detail) }
        })
    }

    /// How long the server is silent at most.
    fn patience(&self) -> Duration {
        Duration::from_millis(self.ping_interval.saturating_add(self.ping_timeout))
    }
}

/// The query of an address of Engine.IO; what the configuration has there stays.
fn query(url: &Url, transport: &str, sid: Option<&str>) -> String {
    let own = url.query().map_or(String::new(), |query| format!("{query}&"));
    let sid = sid.map_or(String::new(), |sid| {
        format!("&sid={}", url::form_urlencoded::byte_serialize(sid.as_bytes()).collect::<String>())
    });
    format!("{own}EIO=4&transport={transport}{sid}")
}

fn socket(shared: &Arc<Shared>, url: &Url, sid: Option<&str>) -> Result<Socket, Lost> {
    let mut url = url.clone();
    url.set_query(Some(&query(&url, "websocket", sid)));
    Socket::connect(shared, &url)
}

/// What an event is about, of a packet that is one.
pub(crate) fn payload_of(text: &str) -> Option<Value> {
    head(text).filter(|head| head.kind == Kind::Event).and_then(|head| payload(head.body))
}

/// By which way packets come.
enum Pipe {
    Socket(Box<Socket>),
    Polling(Box<Polling>),
}

/// A packet as it came.
enum Packet {
    Text(String),
    Bytes(Vec<u8>),
}

/// A message whose attachments have not all come.
struct Half {
    left: u32,
    ack: Option<String>,
}

struct Session<'r> {
    recorder: &'r mut Recorder,
    shared: Arc<Shared>,
    url: &'r Url,
    pipe: Pipe,
    backlog: VecDeque<Packet>,
    open: Open,
    joined: BTreeSet<String>,
    half: Option<Half>,
    /// Acks that we asked for, and since when.
    asked: BTreeMap<(String, u64), Duration>,
    /// Acks that we owe, with the line that has to be durable first.
    owed: VecDeque<(u64, String)>,
    last_packet: Duration,
}

/// Connects, listens, and says why it is over.
pub(crate) fn listen(recorder: &mut Recorder, url: &Url) -> Lost {
    match try_listen(recorder, url) {
        Ok(never) => match never {},
        Err(lost) => lost,
    }
}

fn try_listen(recorder: &mut Recorder, url: &Url) -> Result<Infallible, Lost> {
    let shared = Arc::clone(&recorder.shared);
    let begun = shared.means.pace.now();
    let deadline = begun + Duration::from_millis(shared.config.connect_timeout_ms_max);
    let (pipe, mut said) = match shared.config.transport {
        Transport::Websocket => {
            let mut socket = socket(&shared, url, None)?;
            let open = loop {
                match socket.read()? {
                    Some(Said::Text(text)) => break text,
                    Some(Said::Bytes(_)) => {
                        return Err(Lost::new(
                            Reason::Protocol,
                            "the server begins with bytes and opens no session",
                        ));
                    }
                    None if shared.means.pace.now() >= deadline => {
                        return Err(Lost::new(Reason::Unreachable, "the server opens no session"));
                    }
                    None => {}
                }
            };
            (Pipe::Socket(Box::new(socket)), vec![open])
        }
        Transport::Polling | Transport::Upgrade => {
            let (polling, said) = polling::open(&shared, url)?;
            (Pipe::Polling(Box::new(polling)), said)
        }
    };
    let first = said.remove(0);
    let open = Open::read(&shared, &first)?;
    recorder.message(Direction::Received, Body::Frame(&first), About::default())?;
    let backlog = said.into_iter().map(Packet::Text).collect();
    let mut session = Session {
        recorder,
        url,
        pipe,
        backlog,
        open,
        joined: BTreeSet::new(),
        half: None,
        asked: BTreeMap::new(),
        owed: VecDeque::new(),
        last_packet: shared.means.pace.now(),
        shared: Arc::clone(&shared),
    };
    session.join(deadline)?;
    session.emit()?;
    if shared.config.transport == Transport::Upgrade {
        session.upgrade()?;
    }
    loop {
        session.step()?;
    }
}

impl Session<'_> {
    /// Joins the namespaces, and comes back when the server has let us into all of them.
    fn join(&mut self, deadline: Duration) -> Result<(), Lost> {
        let shared = Arc::clone(&self.shared);
        for (name, auth) in &shared.resolved.namespaces {
            let packet = format!("40{}", prefix(name));
            let secret = auth.as_ref().map(|auth| format!("{packet}{}", auth.reveal()));
            // What lets us in is sent and not recorded.
            self.pipe_say(secret.as_deref().unwrap_or(&packet))?;
            self.recorder.message(Direction::Sent, Body::Frame(&packet), About::default())?;
        }
        while self.joined.len() < shared.resolved.namespaces.len() {
            if shared.means.pace.now() >= deadline {
                let missing = shared.resolved.namespaces.iter().find(|(name, _)| !self.joined.contains(name));
                let name = missing.map(|(name, _)| name.as_str()).unwrap_or_default();
                let detail = format!("the server does not answer to joining the namespace {name}");
                return Err(Lost::new(Reason::Unreachable, detail));
            }
            self.step()?;
        }
        let transport = match self.pipe {
            Pipe::Socket(_) => "websocket",
            Pipe::Polling(_) => "polling",
        };
        self.recorder.connected(json!({"transport": transport, "namespaces": self.joined}))
    }

    fn emit(&mut self) -> Result<(), Lost> {
        let shared = Arc::clone(&self.shared);
        for (id, emit) in (1..).zip(&shared.config.emit) {
            let mut body = vec![Value::from(emit.event.as_str())];
            body.extend(emit.args.iter().cloned());
            let id_text = if emit.ack { format!("{id}") } else { String::new() };
            if emit.ack {
                self.asked.insert((emit.namespace.clone(), id), shared.means.pace.now());
            }
            self.say(&format!("42{}{id_text}{}", prefix(&emit.namespace), Value::Array(body)))?;
        }
        Ok(())
    }

    /// Goes over to a WebSocket. What the last request brings is read first, so that nothing is out of order.
    fn upgrade(&mut self) -> Result<(), Lost> {
        if !self.open.upgrades.iter().any(|name| name == "websocket") {
            return self
                .recorder
                .system("error", &json!({"error": "the server offers no WebSocket"}))
                .map(drop);
        }
        let shared = Arc::clone(&self.shared);
        let deadline = shared.means.pace.now() + Duration::from_millis(shared.config.connect_timeout_ms_max);
        let late = || Lost::new(Reason::Unreachable, "the server does not answer to the upgrade");
        let mut socket = socket(&shared, self.url, Some(&self.open.sid))?;
        socket.say("2probe")?;
        self.recorder.message(Direction::Sent, Body::Frame("2probe"), About::default())?;
        loop {
            match socket.read()? {
                Some(Said::Text(text)) if text == "3probe" => break,
                Some(_) => {
                    return Err(Lost::new(
                        Reason::Protocol,
                        "the server answers the probe with something else",
                    ));
                }
                None if shared.means.pace.now() >= deadline => return Err(late()),
                None => {}
            }
        }
        self.recorder.message(Direction::Received, Body::Frame("3probe"), About::default())?;
        if let Pipe::Polling(polling) = &mut self.pipe {
            polling.pause();
            while let Some(packets) = polling.read()? {
                self.backlog.extend(packets.into_iter().map(Packet::Text));
                if shared.means.pace.now() >= deadline {
                    return Err(late());
                }
            }
        }
        socket.say("5")?;
        self.recorder.message(Direction::Sent, Body::Frame("5"), About::default())?;
        self.pipe = Pipe::Socket(Box::new(socket));
        self.recorder.system("upgraded", &json!({"transport": "websocket"})).map(drop)
    }

    /// One packet, if there is one; else what the time asks for.
    fn step(&mut self) -> Result<(), Lost> {
        self.answer()?;
        match self.next()? {
            Some(packet) => {
                self.last_packet = self.shared.means.pace.now();
                self.take(packet)
            }
            None => {
                let silence = match &self.pipe {
                    // A packet that comes slowly is no silence.
                    Pipe::Socket(socket) => socket.silence(),
                    Pipe::Polling(_) => self.shared.means.pace.now().saturating_sub(self.last_packet),
                };
                if silence > self.open.patience() {
                    let detail = format!("the server has sent no ping for {} ms", ms(silence));
                    return Err(Lost::new(Reason::PingTimeout, detail));
                }
                Ok(())
            }
        }
    }

    fn next(&mut self) -> Result<Option<Packet>, Lost> {
        if let Some(packet) = self.backlog.pop_front() {
            return Ok(Some(packet));
        }
        match &mut self.pipe {
            Pipe::Socket(socket) => {
                let said = socket.read()?;
                // Its own pings measure; whether the server lives is told by those of Engine.IO.
                socket.keep_alive(self.recorder)?;
                Ok(said.map(|said| match said {
                    Said::Text(text) => Packet::Text(text),
                    Said::Bytes(bytes) => Packet::Bytes(bytes),
                }))
            }
            Pipe::Polling(polling) => {
                let packets = polling.read()?;
                let ended = || Lost::new(Reason::Cut, "the requests have ended");
                self.backlog.extend(packets.ok_or_else(ended)?.into_iter().map(Packet::Text));
                Ok(self.backlog.pop_front())
            }
        }
    }

    /// Writes a packet down, and does what it asks for.
    fn take(&mut self, packet: Packet) -> Result<(), Lost> {
        match packet {
            Packet::Bytes(bytes) => self.attachment(Body::Attachment(&bytes)),
            Packet::Text(text) if text.starts_with('b') => self.attachment(Body::Frame(&text)),
            Packet::Text(text) if text.starts_with('4') => self.message(&text),
            Packet::Text(text) => {
                // A ping between a message and its attachments does not part them.
                let about = About { joined: self.half.is_some(), ..About::default() };
                self.recorder.message(Direction::Received, Body::Frame(&text), about)?;
                match text.as_str() {
                    "2" => self.say("3"),
                    "1" => Err(Lost::new(Reason::Closed, "the server closed the session")),
                    _ => Ok(()),
                }
            }
        }
    }

    fn message(&mut self, text: &str) -> Result<(), Lost> {
        self.half = None;
        let Some(head) = head(text) else {
            return self.recorder.message(Direction::Received, Body::Frame(text), About::default()).map(drop);
        };
        let number = if head.kind == Kind::Event && self.recorder.tracker.wants_numbers() {
            payload(head.body).and_then(|payload| self.recorder.tracker.number_in(&payload))
        } else {
            None
        };
        let about = About { number, joined: head.attachments > 0, ..About::default() };
        let seq = self.recorder.message(Direction::Received, Body::Frame(text), about)?;
        self.obey(&head, seq)
    }

    fn obey(&mut self, head: &Head<'_>, seq: u64) -> Result<(), Lost> {
        let namespace = head.namespace;
        match head.kind {
            Kind::Connect => {
                self.joined.insert(namespace.to_owned());
            }
            Kind::Disconnect => {
                return Err(Lost::new(Reason::Closed, format!("the server left the namespace {namespace}")));
            }
            Kind::ConnectError => {
                let said = begin_of(&self.shared.resolved.hide(head.body), SHOWN_CHARS);
                let detail = format!("the server does not let us into the namespace {namespace}: {said}");
                return Err(Lost { lasting: true, ..Lost::new(Reason::Refused, detail) });
            }
            Kind::Ack => {
                let asked = head.ack_id.and_then(|id| self.asked.remove(&(namespace.to_owned(), id)));
                if let Some(asked) = asked {
                    let took = self.shared.means.pace.now().saturating_sub(asked);
                    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                    self.recorder.system(
                        "ack_latency",
                        &json!({"namespace": namespace, "ack_id": head.ack_id, "us": us}),
                    )?;
                }
            }
            Kind::Event => {
                let id = head.ack_id.filter(|_| self.shared.config.answer_acks && seq > 0);
                let ack = id.map(|id| format!("43{}{id}[]", prefix(namespace)));
                if head.attachments > 0 {
                    self.half = Some(Half { left: head.attachments, ack });
                } else if let Some(ack) = ack {
                    self.owed.push_back((seq, ack));
                }
            }
        }
        Ok(())
    }

    fn attachment(&mut self, body: Body<'_>) -> Result<(), Lost> {
        let left = self.half.as_ref().map_or(0, |half| half.left.saturating_sub(1));
        let about = About { joined: left > 0, ..About::default() };
        let seq = self.recorder.message(Direction::Received, body, about)?;
        match &mut self.half {
            Some(half) if left > 0 => half.left = left,
            _ => {
                if let Some(ack) = self.half.take().and_then(|half| half.ack).filter(|_| seq > 0) {
                    self.owed.push_back((seq, ack));
                }
            }
        }
        Ok(())
    }

    /// Acks whose events are durable by now.
    fn answer(&mut self) -> Result<(), Lost> {
        loop {
            let durable = self.shared.durable();
            while let Some((_, ack)) = self.owed.pop_front_if(|(seq, _)| *seq <= durable) {
                self.say(&ack)?;
            }
            if self.owed.len() < ACKS_MAX {
                return Ok(());
            }
            if !self.shared.wait(ASK_EVERY) {
                return Err(Lost::asked(&self.shared));
            }
        }
    }

    fn say(&mut self, text: &str) -> Result<(), Lost> {
        self.pipe_say(text)?;
        self.recorder.message(Direction::Sent, Body::Frame(text), About::default()).map(drop)
    }

    fn pipe_say(&mut self, text: &str) -> Result<(), Lost> {
        match &mut self.pipe {
            Pipe::Socket(socket) => socket.say(text),
            Pipe::Polling(polling) => polling.say(text),
        }
    }
}
