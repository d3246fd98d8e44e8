//! What is listened to, and within which bounds. Each field's comment is its manual.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stele_http::{Secret, without_passwords};
use url::Url;

use crate::CaptureError;
use crate::shown::{hidden, names, shown};

/// Longest name of a capture, and the characters that it may have: it names a directory.
const NAME_CHARS_MAX: usize = 64;

/// How much longer than a message that is kept one may be that is read and named before it is let go. Beyond that the
/// connection is given up: nobody reads over what does not fit into memory.
pub(crate) const READ_TIMES: usize = 4;

/// A text that may name variables, as in `Bearer ${FEED_TOKEN}`. It is not shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(String);

impl Template {
    /// A text as it stands in a configuration.
    pub fn new(text: impl Into<String>) -> Self {
        Template(text.into())
    }

    /// The text with the values of its variables; an error is the name of one that has none.
    pub(crate) fn resolve(&self, secrets: &dyn Fn(&str) -> Option<Secret>) -> Result<String, String> {
        let (mut text, mut rest) = (String::new(), self.0.as_str());
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else { break };
            text.push_str(before);
            text.push_str(secrets(name).ok_or_else(|| name.to_owned())?.reveal());
            rest = behind;
        }
        text.push_str(rest);
        Ok(text)
    }

    /// The values of its variables alone; one that has none is left out.
    fn values(&self, secrets: &dyn Fn(&str) -> Option<Secret>) -> Vec<Secret> {
        names(&self.0).filter_map(secrets).collect()
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(***)")
    }
}

/// How Engine.IO travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Over a WebSocket from the beginning.
    #[default]
    Websocket,
    /// Over requests of HTTP that wait for an answer.
    Polling,
    /// First over requests, then over a WebSocket, as browsers do.
    Upgrade,
}

/// A namespace of Socket.IO that is joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// Its name, such as `/` or `/game`.
    pub name: String,
    /// What it wants to know before it lets one in: JSON, such as `{"token":"${FEED_TOKEN}"}`. Not recorded.
    #[serde(default)]
    pub auth: Option<Template>,
}

/// An event of Socket.IO that is sent after each connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emit {
    /// Where, `/` unless given.
    #[serde(default = "main_namespace")]
    pub namespace: String,
    /// The event.
    pub event: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<Value>,
    /// Whether an ack is asked for; its latency is recorded.
    #[serde(default)]
    pub ack: bool,
}

fn main_namespace() -> String {
    "/".to_owned()
}

/// A live feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CaptureConfig {
    /// What is listened to: `wss://…` or `ws://…`; `socketio+https://…` or `socketio+http://…`, with the path
    /// `/socket.io/` unless it has another; `cdp+http://127.0.0.1:9222`, the debugging port of a browser; `stdin:`,
    /// lines of a stream; `events:`, what is pushed. May name variables as `${NAME}`: records and errors show their
    /// names, never their values.
    pub url: Template,
    /// Headers of the handshake, such as `Authorization = "Bearer ${FEED_TOKEN}"`. Transports `polling` and
    /// `upgrade` send `Authorization` only before the upgrade.
    pub headers: BTreeMap<String, Template>,
    /// Subprotocols that are offered.
    pub protocols: Vec<String>,
    /// Certificates in PEM that are trusted beside those of the system.
    pub ca_pem: Option<String>,
    /// How Engine.IO travels: `websocket`, `polling` or `upgrade`.
    pub transport: Transport,
    /// Namespaces that are joined; the main one unless any is given.
    pub namespaces: Vec<Namespace>,
    /// Events that are sent once all namespaces are joined, such as subscriptions.
    pub emit: Vec<Emit>,
    /// Texts that a plain WebSocket is sent after each connect, such as subscriptions. Not recorded if they name
    /// variables.
    pub send: Vec<Template>,
    /// Whether events that ask for an ack get an empty one, once they are durable here.
    pub answer_acks: bool,
    /// Where a plain message that is JSON names its event, such as `/type`; it is `message` otherwise.
    pub event: Option<String>,
    /// Where a message has the number that its feed gave it, such as `/seq`: a JSON pointer into the message, or for
    /// Socket.IO into the sole argument of an event, or the array of several. Gaps are counted by it. The numbers
    /// have to be whole, and to grow by one.
    pub number: Option<String>,
    /// Pages of the browser: all whose address holds one of these texts, every page if there are none.
    pub pages: Vec<String>,
    /// WebSockets of these pages, likewise. One that was open before is known by no address and is recorded.
    pub sockets: Vec<String>,
    /// Milliseconds after which the capture ends; it goes on until it is stopped unless given.
    pub for_ms: Option<u64>,
    /// Longest message that is kept, in bytes. Of a longer one an error is recorded, with its length.
    pub frame_bytes_max: usize,
    /// Bytes that may wait for the disk, in memory. Beyond it the socket is not read.
    pub queue_bytes_max: usize,
    /// Bytes of a segment after which the next one begins.
    pub segment_bytes: u64,
    /// Milliseconds after which the next segment begins.
    pub segment_ms: u64,
    /// Milliseconds that a line waits at most until it is durable.
    pub sync_ms: u64,
    /// Bytes of complete segments that may wait for whoever takes them; beyond it nothing is written.
    pub waiting_bytes_max: u64,
    /// Milliseconds until a connection has to stand, with all that belongs to it.
    pub connect_timeout_ms_max: u64,
    /// Milliseconds between pings that measure the latency; a plain WebSocket is kept alive by them too.
    pub ping_ms: u64,
    /// Milliseconds of silence after a ping that end a plain WebSocket. Socket.IO says its own.
    pub ping_timeout_ms_max: u64,
    /// Milliseconds until the second try to connect; doubled for each further one, with half of it left to chance.
    pub reconnect_ms: u64,
    /// Longest wait between two tries, in milliseconds.
    pub reconnect_ms_max: u64,
    /// Tries in a row that fail before the capture gives up; it never does unless given.
    pub connects_max: Option<u32>,
}

impl Default for CaptureConfig {
    fn default() -> Self {
        CaptureConfig {
            url: Template::default(),
            headers: BTreeMap::new(),
            protocols: Vec::new(),
            ca_pem: None,
            transport: Transport::default(),
            namespaces: Vec::new(),
            emit: Vec::new(),
            send: Vec::new(),
            answer_acks: false,
            event: None,
            number: None,
            pages: Vec::new(),
            sockets: Vec::new(),
            for_ms: None,
            frame_bytes_max: 16 << 20,
            queue_bytes_max: 64 << 20,
            segment_bytes: 16 << 20,
            segment_ms: 60_000,
            sync_ms: 1_000,
            waiting_bytes_max: 4 << 30,
            connect_timeout_ms_max: 10_000,
            ping_ms: 20_000,
            ping_timeout_ms_max: 20_000,
            reconnect_ms: 500,
            reconnect_ms_max: 30_000,
            connects_max: None,
        }
    }
}

/// What kind of feed it is, with its address resolved.
#[derive(Clone)]
pub(crate) enum Target {
    Socket(Url),
    Engine(Url),
    Browser(Url),
    Stdin,
    Events,
}

/// A configuration that can be used, with its secrets.
#[derive(Clone)]
pub(crate) struct Resolved {
    pub target: Target,
    /// The address for people, without keys.
    pub shown: String,
    /// What of the address, and of what is sent beside it, is not for people.
    hidden: Vec<Secret>,
    pub headers: Vec<(String, Secret)>,
    /// Name and what is sent after it.
    pub namespaces: Vec<(String, Option<Secret>)>,
    /// Texts, and whether they may be recorded.
    pub send: Vec<(Secret, bool)>,
}

impl Resolved {
    /// A text that was written by somebody else, without what in it may be a key.
    pub fn hide(&self, text: &str) -> String {
        self.hidden.iter().fold(without_passwords(text), |text, secret| secret.hide_in(&text))
    }
}

impl CaptureConfig {
    /// Whether everything can be used.
    ///
    /// # Errors
    /// [`CaptureError::Config`] names the first that cannot; no value is in it.
    pub fn check(&self, capture: &str, secrets: &dyn Fn(&str) -> Option<Secret>) -> Result<(), CaptureError> {
        self.resolve(capture, secrets).map(|_| ())
    }

    pub(crate) fn resolve(
        &self,
        capture: &str,
        secrets: &dyn Fn(&str) -> Option<Secret>,
    ) -> Result<Resolved, CaptureError> {
        let wrong = |setting: &'static str, reason: String| CaptureError::Config {
            capture: capture.to_owned(),
            setting,
            reason,
        };
        let letters = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        if capture.is_empty() || capture.len() > NAME_CHARS_MAX || !capture.chars().all(letters) {
            let reason =
                format!("a name has 1 to {NAME_CHARS_MAX} letters, digits, - and _, and this one has not");
            return Err(wrong("name", reason));
        }
        let text = |setting, template: &Template| {
            let missing = |name| wrong(setting, format!("the variable {name} is not set"));
            template.resolve(secrets).map_err(missing)
        };
        let address = text("url", &self.url)?;
        let target = target(&address).ok_or_else(|| {
            let known = "ws://, wss://, socketio+http://, socketio+https:// or cdp+http:// and a host, stdin: or events:";
            wrong("url", format!("it has to be {known}"))
        })?;
        for (setting, pointer) in [("number", &self.number), ("event", &self.event)] {
            if pointer.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
                return Err(wrong(
                    setting,
                    "it is no JSON pointer; one begins with /, such as /seq".to_owned(),
                ));
            }
        }
        for (setting, value, least) in [
            ("frame_bytes_max", self.frame_bytes_max as u64, 1 << 10),
            ("queue_bytes_max", self.queue_bytes_max as u64, 64 << 10),
            ("segment_bytes", self.segment_bytes, 1 << 10),
            ("segment_ms", self.segment_ms, 100),
            ("sync_ms", self.sync_ms, 1),
            ("waiting_bytes_max", self.waiting_bytes_max, 1 << 20),
            ("connect_timeout_ms_max", self.connect_timeout_ms_max, 1),
            ("ping_ms", self.ping_ms, 100),
            ("ping_timeout_ms_max", self.ping_timeout_ms_max, 100),
            ("reconnect_ms", self.reconnect_ms, 1),
            ("reconnect_ms_max", self.reconnect_ms_max, self.reconnect_ms),
            ("connects_max", u64::from(self.connects_max.unwrap_or(1)), 1),
        ] {
            if value < least {
                return Err(wrong(setting, format!("it is {value}; it has to be {least} at least")));
            }
        }
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            let value = text("headers", value)?;
            let usable = |text: &str| !text.is_empty() && text.chars().all(|char| !char.is_control());
            if !usable(name) || !usable(&value) {
                let reason = "a header has a name and a value, and neither has line breaks";
                return Err(wrong("headers", reason.to_owned()));
            }
            headers.push((name.clone(), Secret::new(value)));
        }
        let mut namespaces = Vec::new();
        for Namespace { name, auth } in &self.namespaces {
            if !name.starts_with('/') || name.contains(',') {
                return Err(wrong(
                    "namespaces",
                    format!("{name:?} is none; one begins with /, such as /game"),
                ));
            }
            let auth = auth.as_ref().map(|auth| text("namespaces", auth)).transpose()?;
            if auth.as_ref().is_some_and(|auth| serde_json::from_str::<Value>(auth).is_err()) {
                let reason = format!("auth of {name} is no JSON; it has to be such as {{\"token\":\"…\"}}");
                return Err(wrong("namespaces", reason));
            }
            namespaces.push((name.clone(), auth.map(Secret::new)));
        }
        if namespaces.is_empty() {
            namespaces.push((main_namespace(), None));
        }
        let joined = |emit: &Emit| namespaces.iter().any(|(name, _)| *name == emit.namespace);
        if let Some(emit) = self.emit.iter().find(|emit| !joined(emit)) {
            return Err(wrong("emit", format!("the namespace {} is not joined", emit.namespace)));
        }
        let mut send = Vec::new();
        for template in &self.send {
            send.push((Secret::new(text("send", template)?), !template.0.contains("${")));
        }
        let (shown, url) = match &target {
            Target::Socket(url) | Target::Engine(url) | Target::Browser(url) => {
                (shown(&self.url.0, url), Some(url))
            }
            Target::Stdin => ("stdin:".to_owned(), None),
            Target::Events => ("events:".to_owned(), None),
        };
        let hidden = hidden(&self.url.0, url, secrets, &self.sent(secrets));
        Ok(Resolved { target, shown, hidden, headers, namespaces, send })
    }

    /// The values of variables that are sent beside the address: a server may repeat them as well.
    fn sent(&self, secrets: &dyn Fn(&str) -> Option<Secret>) -> Vec<Secret> {
        let auths = self.namespaces.iter().filter_map(|namespace| namespace.auth.as_ref());
        let templates = self.headers.values().chain(auths).chain(&self.send);
        templates.flat_map(|template| template.values(secrets)).collect()
    }
}

/// What an address stands for.
fn target(address: &str) -> Option<Target> {
    let url = |text: &str, schemes: [&str; 2]| {
        Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.host_str().is_some())
    };
    match address {
        "stdin:" => return Some(Target::Stdin),
        "events:" => return Some(Target::Events),
        _ => {}
    }
    if let Some(rest) = address.strip_prefix("socketio+") {
        let mut url = url(rest, ["http", "https"])?;
        if url.path() == "/" {
            url.set_path("/socket.io/");
        }
        return Some(Target::Engine(url));
    }
    if let Some(rest) = address.strip_prefix("cdp+") {
        return Some(Target::Browser(url(rest, ["http", "https"])?));
    }
    Some(Target::Socket(url(address, ["ws", "wss"])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_part_of_another_leaves_nothing_of_it() {
        let secrets = |name: &str| match name {
            "KEY" => Some(Secret::new("geheim")),
            "TOKEN" => Some(Secret::new("geheim-long")),
            "WORD" => Some(Secret::new("a/b cd")),
            "SHORT" => Some(Secret::new("abc")),
            _ => None,
        };
        let check = |url: &str, said: &str, expect: &str| {
            let config = CaptureConfig {
                url: Template::new(url),
                headers: BTreeMap::from([("authorization".to_owned(), Template::new("Bearer ${TOKEN}"))]),
                namespaces: vec![Namespace {
                    name: "/".to_owned(),
                    auth: Some(Template::new("{\"word\":\"${WORD}\"}")),
                }],
                send: vec![Template::new("key ${KEY}"), Template::new("${SHORT}")],
                ..CaptureConfig::default()
            };
            let resolved = config.resolve("feed", &secrets).unwrap();
            assert_eq!(resolved.hide(said), expect, "{url}");
        };
        for url in ["wss://a.example/feed?key=${KEY}", "wss://a.example/feed", "stdin:", "events:"] {
            check(url, "no geheim-long, no geheim", "no ***, no ***");
            // What is sent beside the address may come back encoded, and what is too short is left as it is.
            check(url, "a/b cd, a%2Fb%20cd, a%2fb+cd, abc", "***, ***, ***, abc");
        }
    }
}
