//! One request and what became of it. Nothing is tried again here.

use std::error::Error;
use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::address::{shown, without_passwords};
use crate::helpers::Helpers;
use crate::{Cancelled, ClientConfig, HttpError, Key};

/// Longest part of a refusal that is read, and that is shown.
const REFUSAL_BYTES_MAX: u64 = 64 << 10;
const SHOWN_CHARS_MAX: usize = 300;

/// Longest `ETag` that is kept and sent back. Services use some dozens of bytes.
const VERSION_BYTES_MAX: usize = 1024;

/// What is said of a request whose thread ended without a word.
const BROKE_OFF: &str = "the request broke off";

/// What is done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Asks with a body.
    Post,
    /// Puts something there.
    Put,
    /// Changes a part of what is there.
    Patch,
    /// Takes away what is there.
    Delete,
}

/// What a service said: a status of 2xx, and all of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 to 299; 304 where [`crate::Client::read_unless`] was told that nothing changed.
    pub status: u16,
    /// As it came.
    pub body: Vec<u8>,
    /// What tells this state of it from others.
    pub version: Version,
}

/// What a service said to a request that was made once: any status, with its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 100 to 599, redirects too: none is followed.
    pub status: u16,
    /// Names in lower case, in the order in which they came. One that is no text is left out.
    pub headers: Vec<(String, String)>,
    /// As it came. Of a refusal, the beginning.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of this name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What a refusal says, in the words of its service. [`crate::Client::clean`] it before it is shown.
    pub fn said(&self) -> String {
        message(&self.body).0
    }
}

/// What tells one state of a page from others, in the words of its service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// `ETag`, with its quotes and its `W/`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
    /// `Content-Length`.
    pub length: Option<u64>,
}

impl Version {
    /// Whether it tells nothing.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.modified.is_none()
    }

    fn of(response: &Response) -> Version {
        let header = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?.trim();
            (!value.is_empty() && value.len() <= VERSION_BYTES_MAX).then(|| value.to_owned())
        };
        let length = header("content-length").and_then(|length| length.parse().ok());
        Version { etag: header("etag"), modified: header("last-modified"), length }
    }
}

/// A request that is only answered in full if something changed.
#[derive(Debug, Clone, Default)]
pub struct Unless {
    /// What is known. Nothing in it: nothing is.
    pub version: Version,
    /// Whether the words are left unread where the service says which state they are.
    pub version_is_enough: bool,
}

/// A request as it is made, each time it is made.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) unless: Option<Unless>,
    /// Beside the key. A `content-type` replaces that of JSON.
    pub(crate) headers: HeaderMap,
}

/// What became of a request.
pub(crate) enum Asked {
    /// 2xx and all of the answer.
    Answer(Answer),
    /// It will be refused the next time too.
    Refused { status: u16, reason: String, explained: bool },
    /// It may be answered later.
    Busy { status: u16, reason: String, retry_after_ms: Option<u64> },
    /// There was no answer, or not all of it.
    Broken { reason: String },
    /// There is none that can be used, and would not be the next time.
    Unusable { reason: String },
}

/// A service's address, and the way to it.
pub(crate) struct Asker {
    base: String,
    shown: String,
    key: Option<Key>,
    header: Option<(HeaderName, HeaderValue)>,
    /// Those of the configuration.
    headers: HeaderMap,
    proxy: Option<reqwest::Proxy>,
    connect_timeout: Duration,
    timeout: Duration,
    answer_bytes_max: u64,
    client: OnceLock<Client>,
    helpers: Helpers,
}

impl Asker {
    pub(crate) fn new(url: &str, config: &ClientConfig, key: Option<Key>) -> Result<Asker, HttpError> {
        let base = url.trim_end_matches('/').to_owned();
        let proxy = match &config.proxy {
            None => None,
            Some(proxy) => Some(reqwest::Proxy::all(proxy).map_err(|_| HttpError::Config {
                setting: "proxy",
                reason: "it is not an address such as http://proxy:3128".to_owned(),
            })?),
        };
        let header = key.as_ref().map(Key::header).transpose()?.flatten();
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let (name, value) = header_line(name, value)?;
            headers.append(name, value);
        }
        let mut asker = Asker {
            base,
            shown: String::new(),
            key,
            header,
            headers,
            proxy,
            connect_timeout: Duration::from_millis(config.connect_timeout_ms_max),
            timeout: Duration::from_millis(config.timeout_ms_max),
            answer_bytes_max: config.answer_bytes_max,
            client: OnceLock::new(),
            helpers: Helpers::default(),
        };
        asker.shown = shown(&asker.url("")?);
        Ok(asker)
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> Result<Url, HttpError> {
        address(&format!("{}{path}", self.base))
    }

    /// The service's address, for people.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// One line without the key, cut if it is long.
    pub(crate) fn clean(&self, text: &str) -> String {
        let line = without_passwords(&text.split_whitespace().collect::<Vec<_>>().join(" "));
        let mut line = match &self.key {
            Some(key) => key.hide_in(&line),
            None => line,
        };
        if let Some((end, _)) = line.char_indices().nth(SHOWN_CHARS_MAX) {
            line.truncate(end);
            line.push('…');
        }
        line
    }

    /// Makes the request, and says what became of it.
    pub(crate) fn ask(
        self: &Arc<Self>,
        request: &Arc<Request>,
        cancelled: Cancelled<'_>,
    ) -> Result<Asked, HttpError> {
        let (asker, request) = (Arc::clone(self), Arc::clone(request));
        let asked = self.helpers.aside(cancelled, move || {
            asker.ask_and_wait(&request).unwrap_or_else(|error| {
                let lasting = lasts(&error);
                let reason = asker.clean(&stele_model::error::in_full(&error.without_url()));
                if lasting { Asked::Unusable { reason } } else { Asked::Broken { reason } }
            })
        })?;
        Ok(asked.unwrap_or_else(|| Asked::Broken { reason: BROKE_OFF.to_owned() }))
    }

    /// Makes the request, and hands over what was said, whatever that was.
    pub(crate) fn once(
        self: &Arc<Self>,
        request: Request,
        with_key: bool,
        bytes_max: u64,
        cancelled: Cancelled<'_>,
    ) -> Result<Reply, HttpError> {
        let service = shown(&request.url);
        let asker = Arc::clone(self);
        let broken = |reason: String| HttpError::Unreachable { service: service.clone(), reason, tries: 1 };
        let said = self.helpers.aside(cancelled, move || {
            let response = asker.start(&request, with_key).map_err(|error| {
                let lasting = lasts(&error);
                (lasting, asker.clean(&stele_model::error::in_full(&error.without_url())))
            })?;
            let status = response.status().as_u16();
            let text = |(name, value): (&HeaderName, &HeaderValue)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            };
            let headers = response.headers().iter().filter_map(text).collect();
            let success = response.status().is_success();
            match read(response, if success { bytes_max } else { REFUSAL_BYTES_MAX }) {
                // The beginning of a refusal is enough, however it ended.
                (body, ended) if !success || matches!(ended, Ended::Whole) => {
                    Ok(Reply { status, headers, body })
                }
                (body, Ended::Broken(error)) => Err((
                    false,
                    asker.clean(&format!("the answer broke off after {} bytes: {error}", body.len())),
                )),
                _ => {
                    Err((true, format!("its answer has more than {bytes_max} bytes, the most that is read")))
                }
            }
        })?;
        match said {
            Some(Ok(reply)) => Ok(reply),
            Some(Err((true, reason))) => Err(HttpError::Unusable { service, reason }),
            Some(Err((false, reason))) => Err(broken(reason)),
            None => Err(broken(BROKE_OFF.to_owned())),
        }
    }

    fn client(&self) -> Result<&Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let builder = Client::builder()
            // A redirect would carry the texts to somebody who was not named.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            // What to do about a failure is decided by the caller alone.
            .retry(reqwest::retry::never())
            .no_proxy();
        let client = match &self.proxy {
            Some(proxy) => builder.proxy(proxy.clone()).build()?,
            None => builder.build()?,
        };
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends the request and waits for the beginning of what is said.
    fn start(&self, request: &Request, with_key: bool) -> Result<Response, reqwest::Error> {
        let client = self.client()?;
        let url = request.url.clone();
        let mut asking = match request.method {
            Method::Get => client.get(url),
            Method::Post => client.post(url),
            Method::Put => client.put(url),
            Method::Patch => client.patch(url),
            Method::Delete => client.delete(url),
        };
        // Set for the request, not for the client: there it would begin anew with each part of a body, and a
        // service that sends a byte a minute would never be done.
        asking = asking.timeout(self.timeout);
        if let Some(body) = &request.body {
            if !request.headers.contains_key(CONTENT_TYPE) {
                asking = asking.header(CONTENT_TYPE, "application/json");
            }
            asking = asking.body(body.clone());
        }
        asking = asking.headers(request.headers.clone());
        if with_key {
            asking = asking.headers(self.headers.clone());
            asking = match (&self.key, &self.header) {
                (Some(Key::Basic(name, password)), _) => {
                    asking.basic_auth(name.reveal(), Some(password.reveal()))
                }
                (_, Some((name, value))) => asking.header(name, value),
                _ => asking,
            };
        }
        if let Some(Unless { version, .. }) = &request.unless {
            for (name, value) in [("if-none-match", &version.etag), ("if-modified-since", &version.modified)]
            {
                if let Some(value) = value {
                    asking = asking.header(name, value);
                }
            }
        }
        asking.send()
    }

    fn ask_and_wait(&self, request: &Request) -> Result<Asked, reqwest::Error> {
        let response = self.start(request, true)?;
        let status = response.status().as_u16();
        let version = Version::of(&response);
        let enough = |unless: &Unless| unless.version_is_enough && !version.is_empty();
        let unchanged =
            status == 304 && request.unless.as_ref().is_some_and(|unless| !unless.version.is_empty());
        if unchanged || (status == 200 && request.unless.as_ref().is_some_and(enough)) {
            return Ok(Asked::Answer(Answer { status, body: Vec::new(), version }));
        }
        if response.status().is_success() {
            return Ok(match read(response, self.answer_bytes_max) {
                (body, Ended::Whole) => Asked::Answer(Answer { status, body, version }),
                (body, Ended::Broken(error)) => Asked::Broken {
                    reason: self.clean(&format!("the answer broke off after {} bytes: {error}", body.len())),
                },
                (_, Ended::TooLong) => Asked::Unusable {
                    reason: format!(
                        "its answer has more than {} bytes, the most that is read",
                        self.answer_bytes_max
                    ),
                },
            });
        }
        let retry_after_ms = retry_after_ms(&response);
        // Only the beginning of it is shown.
        let (said, _) = read(response, REFUSAL_BYTES_MAX);
        let (said, explained) = message(&said);
        let reason = self.clean(&said);
        Ok(match status {
            // The others of 5xx say what the service cannot do at all.
            408 | 425 | 429 | 500 | 502..=504 | 507 | 509 | 520..=599 => {
                Asked::Busy { status, reason, retry_after_ms }
            }
            _ => Asked::Refused { status, reason, explained },
        })
    }
}

/// An address that can be asked.
pub(crate) fn address(url: &str) -> Result<Url, HttpError> {
    // The address is not repeated: it may hold a password.
    let reason = "it is not an address such as http://127.0.0.1:8080";
    Url::parse(url)
        .ok()
        .filter(|url| ["http", "https"].contains(&url.scheme()) && url.host_str().is_some())
        .ok_or_else(|| HttpError::Config { setting: "url", reason: reason.to_owned() })
}

/// A header line of the configuration.
fn header_line(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HttpError> {
    let refuse = |what: &str| HttpError::Config { setting: "headers", reason: format!("{name:?}: {what}") };
    Ok((
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("it is not the name of a header"))?,
        HeaderValue::from_str(value)
            .map_err(|_| refuse("its value has characters that no header may have"))?,
    ))
}

/// How an answer ended.
enum Ended {
    Whole,
    Broken(std::io::Error),
    TooLong,
}

/// As much of an answer as may be read, and how it ended. One that says itself that it is too long is not
/// read at all, unless it is a refusal, of which the beginning is enough.
fn read(response: Response, bytes_max: u64) -> (Vec<u8>, Ended) {
    let mut answer = Vec::new();
    if response.status().is_success() && response.content_length().is_some_and(|bytes| bytes > bytes_max) {
        return (answer, Ended::TooLong);
    }
    match response.take(bytes_max.saturating_add(1)).read_to_end(&mut answer) {
        Err(error) => (answer, Ended::Broken(error)),
        Ok(length) if length as u64 > bytes_max => (answer, Ended::TooLong),
        Ok(_) => (answer, Ended::Whole),
    }
}

/// Whether it would fail the same way each time: a client that cannot be set up, something that speaks no
/// HTTP or no TLS, a certificate that nobody here trusts.
fn lasts(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let no_http = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse);
        let io = error.downcast_ref::<std::io::Error>();
        if no_http || io.is_some_and(|error| error.kind() == std::io::ErrorKind::InvalidData) {
            return true;
        }
        // What an I/O error holds is not its source.
        cause = match io.and_then(std::io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    error.is_builder()
}

/// The seconds of `Retry-After`. A date in it is not understood and leaves the wait to the backoff:
/// it would need both clocks to agree.
fn retry_after_ms(response: &Response) -> Option<u64> {
    let seconds: f64 = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    (seconds >= 0.0 && seconds.is_finite()).then_some((seconds * 1000.0).ceil() as u64)
}

/// What a refusal says: `{"error": {"message": …}}`, `{"error": …}`, `{"message": …}`, the same in
/// `{"status": …}`, or all of it; and whether it was one of those, or a text of its own. A message beside the
/// error is the longer of the two, so it goes first.
fn message(said: &[u8]) -> (String, bool) {
    let found = serde_json::from_slice::<Value>(said).ok().and_then(|value| {
        let value = value.get("status").filter(|status| status.is_object()).unwrap_or(&value);
        let error = value.get("error").filter(|error| error.is_object()).unwrap_or(value);
        let words = ["message", "error"].iter().find_map(|name| error.get(name));
        words.unwrap_or(error).as_str().map(str::to_owned)
    });
    let explained = found.is_some();
    match found.unwrap_or_else(|| String::from_utf8_lossy(said).into_owned()) {
        said if said.trim().is_empty() => ("it does not say why".to_owned(), false),
        said => (said, explained),
    }
}
