//! Fetching files: without the key, within bounds of memory, and again from a new address if the old one has expired.

use std::sync::{Condvar, Mutex, PoisonError};

use serde_json::Value;
use stele_http::{HttpError, Reply};
use stele_model::ErrorKind;

use super::{Extract, Extracted, FILE_BYTES_MAX, File, Known, TEXT_BYTES_MAX, Texts};
use crate::HelpdeskError;
use crate::caller::Caller;
use crate::normal::Attachment;

/// Files in memory at a time: with [`FILE_BYTES_MAX`] each, 60 MiB.
const AT_ONCE: usize = 3;

/// Times that an address sends on to another. A store of files does so once.
const REDIRECTS_MAX: usize = 3;

/// The state of a file that is a picture of text where nobody reads these.
pub(crate) const OCR_UNAVAILABLE: &str = "ocr_unavailable";

/// A file to be read.
pub(crate) struct Wanted {
    pub(crate) file: Attachment,
    /// As it was said, address and all.
    pub(crate) raw: Value,
    pub(crate) url: Option<String>,
    pub(crate) updated_at: String,
}

/// What it takes to fetch files.
pub(crate) struct Downloads<'a> {
    pub(crate) extract: &'a dyn Extract,
    pub(crate) texts: &'a dyn Texts,
    pub(crate) allow_insecure: bool,
    places: Mutex<usize>,
    freed: Condvar,
}

/// Why a file could not be had.
#[derive(Debug, Clone)]
pub(crate) struct Missing {
    pub(crate) why: String,
    /// Whether asking again later may help.
    pub(crate) may_pass: bool,
}

impl Missing {
    /// Asking again does not help.
    pub(crate) fn for_good(why: impl Into<String>) -> Self {
        Self { why: why.into(), may_pass: false }
    }
}

/// What came of an address.
enum Fetched {
    Bytes(Vec<u8>),
    TooLarge,
    /// The address is no longer good.
    Expired,
    /// It is not there, or cannot be had.
    Not {
        status: &'static str,
        missing: Missing,
    },
}

impl Fetched {
    fn not_there(why: &str) -> Self {
        Self::Not { status: "unavailable", missing: Missing::for_good(why) }
    }

    fn failed(why: String, may_pass: bool) -> Self {
        Self::Not { status: "failed", missing: Missing { why, may_pass } }
    }
}

impl<'a> Downloads<'a> {
    pub(crate) fn new(extract: &'a dyn Extract, texts: &'a dyn Texts, allow_insecure: bool) -> Self {
        Self { extract, texts, allow_insecure, places: Mutex::new(AT_ONCE), freed: Condvar::new() }
    }

    /// Finds out what a file says, and writes it into `wanted`. `again` gives a new address, or says why there is none.
    /// Says why if it could not be had.
    pub(crate) fn read(
        &self,
        caller: &Caller<'_>,
        wanted: &mut Wanted,
        again: &mut dyn FnMut() -> Result<Result<String, Missing>, HelpdeskError>,
    ) -> Result<Option<Missing>, HelpdeskError> {
        let file = &mut wanted.file;
        if let Some(known) = self.texts.get(&file.id, &wanted.updated_at) {
            file.text_status = Some(if known.text.is_some() { "extracted" } else { "unsupported" });
            file.text = known.text;
            return Ok(None);
        }
        if file.size.is_some_and(|size| size > FILE_BYTES_MAX) {
            file.text_status = Some("too_large");
            return Ok(Some(too_large()));
        }
        let _place = self.place();
        let mut fetched = match &wanted.url {
            Some(url) => self.fetch(caller, url)?,
            None => Fetched::not_there("it has no address"),
        };
        if matches!(fetched, Fetched::Expired) {
            fetched = match again()? {
                Ok(url) => self.fetch(caller, &url)?,
                Err(missing) => {
                    Fetched::Not { status: if missing.may_pass { "failed" } else { "unavailable" }, missing }
                }
            };
        }
        let bytes = match fetched {
            Fetched::Bytes(bytes) => bytes,
            Fetched::TooLarge => {
                file.text_status = Some("too_large");
                return Ok(Some(too_large()));
            }
            Fetched::Expired => {
                file.text_status = Some("failed");
                let why = "its address had expired, and so had the one that was asked for then";
                return Ok(Some(Missing::for_good(why)));
            }
            Fetched::Not { status, missing } => {
                file.text_status = Some(status);
                return Ok(Some(missing));
            }
        };
        let (name, content_type) = (file.safe_name.as_str(), file.content_type.as_deref());
        let (text, status, why) = match self.extract.extract(&File { name, content_type, bytes: &bytes }) {
            Extracted::Text(mut text) => {
                let mut end = text.len().min(TEXT_BYTES_MAX);
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                text.truncate(end);
                // What was cut off would stay in memory until the batch is written.
                text.shrink_to_fit();
                (Some(text), "extracted", None)
            }
            Extracted::Unsupported => (None, "unsupported", None),
            Extracted::OcrUnavailable => (None, OCR_UNAVAILABLE, None),
            Extracted::Failed(why) => (None, "failed", Some(Missing::for_good(why))),
        };
        // What another reader may make more of is read again whenever its ticket is.
        if ["extracted", "unsupported"].contains(&status) {
            self.texts.put(&file.id, &wanted.updated_at, &Known { text: text.clone() });
        }
        file.text = text;
        file.text_status = Some(status);
        Ok(why)
    }

    fn fetch(&self, caller: &Caller<'_>, url: &str) -> Result<Fetched, HelpdeskError> {
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS_MAX {
            if !self.allow_insecure && !url.starts_with("https://") {
                return Ok(Fetched::not_there("its address is not https"));
            }
            let reply: Reply = match caller.elsewhere(&url, FILE_BYTES_MAX) {
                Ok(reply) => reply,
                Err(HttpError::Cancelled) => return Err(HelpdeskError::Cancelled),
                Err(error) if error.is_too_long() => return Ok(Fetched::TooLarge),
                Err(error) => {
                    let may_pass = error.kind() == ErrorKind::Retry;
                    return Ok(Fetched::failed(error.to_string(), may_pass));
                }
            };
            match reply.status {
                200..=299 => return Ok(Fetched::Bytes(reply.body)),
                301 | 302 | 303 | 307 | 308 => match reply.header("location").map(|to| joined(&url, to)) {
                    Some(to) => url = to,
                    None => break,
                },
                400 | 401 | 403 => return Ok(Fetched::Expired),
                404 | 410 => {
                    return Ok(Fetched::not_there("it is no longer there"));
                }
                status => {
                    let why = format!("the store of files answered {status}");
                    return Ok(Fetched::failed(why, matches!(status, 408 | 425 | 429 | 500..=599)));
                }
            }
        }
        let why = format!("its address sends on to another more than {REDIRECTS_MAX} times, or to none");
        Ok(Fetched::failed(why, false))
    }

    fn place(&self) -> Place<'_> {
        let mut free = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Place { places: &self.places, freed: &self.freed }
    }
}

/// The right to have a file in memory.
struct Place<'a> {
    places: &'a Mutex<usize>,
    freed: &'a Condvar,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
    }
}

fn too_large() -> Missing {
    Missing::for_good(format!("it has more than {FILE_BYTES_MAX} bytes, the most that is read"))
}

/// Where an address sends on to: another address, or another path of the same host.
fn joined(url: &str, to: &str) -> String {
    let origin = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    match to {
        to if to.starts_with("//") => format!("{}:{to}", origin.split(':').next().unwrap_or("https")),
        to if to.starts_with('/') => origin + to,
        to => to.to_owned(),
    }
}
