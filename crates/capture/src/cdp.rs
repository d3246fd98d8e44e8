//! Listens beside a browser: what its pages send and receive through WebSockets, by the DevTools protocol. The pages do
//! not notice.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::json;
use stele_http::{Client, ClientConfig, HttpError, Method};
use url::Url;

use crate::engine::looks_like;
use crate::gap::{Reason, Tracker};
use crate::line::{Body, Direction};
use crate::recorder::{About, Lost, Recorder, ms};
use crate::shared::Shared;
use crate::socket::{Said, Socket};
use crate::{CaptureError, link, plain};

/// Pages that are listened to at once; each takes a thread and a connection.
const PAGES_MAX: usize = 16;

/// Sockets of one page that are known by name. A page that opens more has closed the first ones.
const SOCKETS_MAX: usize = 1024;

/// How often it is looked for pages that are new.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a list of pages has at most, in bytes.
const LIST_BYTES_MAX: u64 = 4 << 20;

/// A page in the browser's list.
#[derive(Debug, Clone, Deserialize)]
struct Page {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    url: String,
    #[serde(rename = "webSocketDebuggerUrl")]
    debugger: Option<String>,
}

/// What the browser says of a page's sockets.
#[derive(Debug, Deserialize)]
struct Notice {
    #[serde(default)]
    method: String,
    #[serde(default)]
    params: Params,
    error: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Params {
    request_id: String,
    url: Option<String>,
    response: Option<Response>,
    error_message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    opcode: f64,
    payload_data: String,
}

/// A socket of a page.
#[derive(Debug, Default)]
struct Known {
    /// Without what is behind `?`.
    url: Option<String>,
    /// Whether it speaks Engine.IO; `None` until something tells.
    engine: Option<bool>,
    wanted: bool,
}

/// Listens to all pages that are wanted, those that come later too, until the run ends.
pub(crate) fn listen(recorder: &mut Recorder, browser: &Url) -> Result<(), CaptureError> {
    let shared = Arc::clone(&recorder.shared);
    let config = ClientConfig {
        tries_max: 1,
        connect_timeout_ms_max: shared.config.connect_timeout_ms_max,
        timeout_ms_max: shared.config.connect_timeout_ms_max,
        answer_bytes_max: LIST_BYTES_MAX,
        ..ClientConfig::default()
    };
    let pages_failed = |source| CaptureError::Pages {
        capture: shared.name.clone(),
        target: shared.resolved.shown.clone(),
        source: without_keys(&shared, source),
    };
    let client =
        Client::new(browser.as_str(), config, None, Arc::clone(&shared.means.pace)).map_err(pages_failed)?;
    let open: Mutex<BTreeSet<String>> = Mutex::default();
    let mut seen = false;
    std::thread::scope(|scope| {
        let mut listeners: BTreeMap<String, ScopedJoinHandle<'_, ()>> = BTreeMap::new();
        let mut failing = false;
        while !shared.stopping() && !shared.queue.ended() {
            let pages = match list(&client, &shared) {
                Ok(pages) => pages,
                Err(_) if shared.stopping() => break,
                // A browser that was never there is a wrong address.
                Err(error) if !seen => return Err(pages_failed(error)),
                Err(error) => {
                    if !failing {
                        let error = without_keys(&shared, error);
                        let data = json!({"error": stele_model::error::in_full(&error)});
                        let _ = recorder.system("error", &data);
                    }
                    failing = true;
                    Vec::new()
                }
            };
            if !pages.is_empty() {
                failing = false;
            }
            seen = true;
            *lock(&open) = pages.iter().map(|page| page.id.clone()).collect();
            listeners.retain(|_, listener| !listener.is_finished());
            for page in pages {
                if listeners.contains_key(&page.id) {
                    continue;
                }
                if listeners.len() >= PAGES_MAX {
                    tracing::warn!(capture = %shared.name, pages_max = PAGES_MAX, "there are more pages than are listened to");
                    break;
                }
                let (shared, open, id) = (Arc::clone(&shared), &open, page.id.clone());
                let listener = scope.spawn(move || {
                    let tracker = Tracker::new(shared.config.number.clone());
                    let mut recorder = Recorder::new(shared, tracker);
                    let wanted = || lock(open).contains(&page.id);
                    // A page that cannot be listened to is in the record; the others go on.
                    let _ = link::keep_up(
                        &mut recorder,
                        &mut |recorder| attach(recorder, browser, &page),
                        &wanted,
                    );
                });
                listeners.insert(id, listener);
            }
            shared.wait(LOOK_EVERY);
            link::sit_out_pause(&shared);
        }
        Ok(())
    })
}

/// The same error, without what of the browser's address may be a key.
fn without_keys(shared: &Shared, mut error: HttpError) -> HttpError {
    let (service, reason) = match &mut error {
        HttpError::Unreachable { service, reason, .. }
        | HttpError::Unusable { service, reason }
        | HttpError::Busy { service, reason, .. }
        | HttpError::Refused { service, reason, .. } => (Some(service), Some(reason)),
        HttpError::Config { reason, .. } => (None, Some(reason)),
        HttpError::Cancelled => (None, None),
    };
    for text in [service, reason].into_iter().flatten() {
        *text = shared.resolved.hide(text);
    }
    error
}

/// The pages that are wanted.
fn list(client: &Client, shared: &Shared) -> Result<Vec<Page>, HttpError> {
    let answer = client.send(Method::Get, "/json/list", None, &|| shared.stopping())?;
    let unusable = |reason: String| HttpError::Unusable { service: client.shown().to_owned(), reason };
    let pages: Vec<Page> =
        serde_json::from_slice(&answer.body).map_err(|error| unusable(error.to_string()))?;
    let wanted = |page: &Page| {
        page.kind == "page" && page.debugger.is_some() && is_wanted(&shared.config.pages, &page.url)
    };
    Ok(pages.into_iter().filter(wanted).collect())
}

fn is_wanted(texts: &[String], address: &str) -> bool {
    texts.is_empty() || texts.iter().any(|text| address.contains(text.as_str()))
}

/// Listens to one page, and says why it is over.
fn attach(recorder: &mut Recorder, browser: &Url, page: &Page) -> Lost {
    match try_attach(recorder, browser, page) {
        Ok(never) => match never {},
        Err(lost) => lost,
    }
}

fn try_attach(recorder: &mut Recorder, browser: &Url, page: &Page) -> Result<Infallible, Lost> {
    let shared = Arc::clone(&recorder.shared);
    let address = page.debugger.as_deref().and_then(|address| Url::parse(address).ok());
    let path = address.map(|url| url.path().to_owned()).unwrap_or_default();
    // The browser names the host as it sees itself; the configured one is the one that was reached.
    let mut url = browser.clone();
    url.set_path(&path);
    let mut socket = Socket::connect(&shared, &url)?;
    socket.say(r#"{"id":1,"method":"Network.enable"}"#)?;
    recorder.connected(json!({"page": stele_http::shown_address(&page.url), "page_id": page.id}))?;
    let mut sockets: BTreeMap<String, Known> = BTreeMap::new();
    let most = Duration::from_millis(shared.config.ping_timeout_ms_max);
    loop {
        let said = socket.read()?;
        let silence = socket.keep_alive(recorder)?;
        match said {
            Some(Said::Text(text)) => {
                let Ok(notice) = serde_json::from_str::<Notice>(&text) else { continue };
                if let Some(error) = notice.error {
                    let detail = format!("the browser does not tell of the page's network: {error}");
                    return Err(Lost::new(Reason::Refused, detail));
                }
                if notice.method.starts_with("Network.webSocket") {
                    hear(recorder, &mut sockets, &notice)?;
                }
            }
            Some(Said::Bytes(_)) => {}
            None => {
                // What waits to be read is read first: a slow disk here is no silence there.
                if let Some(silence) = silence.filter(|silence| *silence >= most) {
                    let detail = format!("the browser has said nothing for {} ms after a ping", ms(silence));
                    return Err(Lost::new(Reason::PingTimeout, detail));
                }
            }
        }
    }
}

fn hear(recorder: &mut Recorder, sockets: &mut BTreeMap<String, Known>, notice: &Notice) -> Result<(), Lost> {
    let Params { request_id, url, response, error_message } = &notice.params;
    let wants = recorder.shared.config.sockets.clone();
    match (notice.method.as_str(), response) {
        ("Network.webSocketCreated", _) => {
            let address = url.as_deref().unwrap_or_default();
            let known = Known {
                url: Some(stele_http::shown_address(address)),
                engine: Some(address.contains("EIO=")),
                wanted: is_wanted(&wants, address),
            };
            if sockets.len() >= SOCKETS_MAX {
                sockets.clear();
            }
            if known.wanted {
                let data = json!({"url": known.url, "request_id": request_id, "engine_io": known.engine});
                recorder.system("socket_opened", &data)?;
            }
            sockets.insert(request_id.clone(), known);
        }
        ("Network.webSocketClosed", _) => {
            if let Some(known) = sockets.remove(request_id).filter(|known| known.wanted) {
                recorder.system("socket_closed", &json!({"url": known.url, "request_id": request_id}))?;
            }
        }
        ("Network.webSocketFrameError", _) => {
            let data = json!({"error": error_message, "request_id": request_id});
            recorder.system("error", &data)?;
        }
        ("Network.webSocketFrameReceived", Some(response)) => {
            frame(recorder, sockets, request_id, Direction::Received, response)?;
        }
        ("Network.webSocketFrameSent", Some(response)) => {
            frame(recorder, sockets, request_id, Direction::Sent, response)?;
        }
        _ => {}
    }
    Ok(())
}

fn frame(
    recorder: &mut Recorder,
    sockets: &mut BTreeMap<String, Known>,
    request_id: &str,
    direction: Direction,
    response: &Response,
) -> Result<(), Lost> {
    let known =
        sockets.entry(request_id.to_owned()).or_insert_with(|| Known { wanted: true, ..Known::default() });
    if !known.wanted {
        return Ok(());
    }
    let said = response.payload_data.as_str();
    let (url, socket) = (known.url.as_deref(), Some(request_id));
    // Opcode 1 is text, 2 is bytes; the library of the page has put fragments together.
    if response.opcode as i64 == 1 {
        let engine = *known.engine.get_or_insert_with(|| looks_like(said));
        let (event, number) =
            if engine { (None, number(recorder, said)) } else { plain::look(recorder, said) };
        let about = About { url, socket, event: event.as_deref(), number, joined: false };
        let body = if engine { Body::Frame(said) } else { Body::Text(said) };
        recorder.message(direction, body, about)?;
    } else {
        let about = About { url, socket, ..About::default() };
        match BASE64.decode(said.as_bytes()) {
            Ok(bytes) if known.engine == Some(true) => {
                recorder.message(direction, Body::Attachment(&bytes), about)?
            }
            Ok(bytes) => recorder.message(direction, Body::Bytes(&bytes), about)?,
            Err(_) => recorder.message(direction, Body::Text(said), about)?,
        };
    }
    Ok(())
}

/// The number in a packet of Socket.IO.
fn number(recorder: &Recorder, text: &str) -> Option<i64> {
    if !recorder.tracker.wants_numbers() {
        return None;
    }
    recorder.tracker.number_in(&crate::engine::payload_of(text)?)
}

/// A set is whole between any two statements, so a panic of another thread is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
