//! Pages of Notion that are shared with an integration: which there are, and what one says.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use stele_http::{Cancelled, Client, HttpError, Key, Method, Pace, Secret};
use stele_model::Micros;
use stele_model::civil::parse_iso;

use crate::handed::{Entry, Handed};
use crate::watch::{Change, Look, Now, Thing, Watch, compare};
use crate::{NotionConfig, WatchError};

/// What stands before the id of a page.
pub(crate) const SCHEME: &str = "notion://";

/// The API that is spoken. Its answers keep their form as long as it is asked for.
const API_VERSION: &str = "2022-06-28";

/// Things that one request asks for: the most that is given.
const PAGE_SIZE: usize = 100;

/// Blocks of a page that are read: ten times the longest page that anybody would scroll through. One with more
/// is refused and not cut.
const BLOCKS_MAX: usize = 100_000;

/// Blocks inside blocks that are followed. Editing stops far before that.
const DEPTH_MAX: usize = 64;

/// What times of edits are rounded down to.
const MINUTE: Micros = 60_000_000;

/// Asks the API.
pub(crate) struct Notion {
    client: Client,
    config: NotionConfig,
    target: String,
}

impl Notion {
    /// Checks the configuration; nothing is asked yet.
    ///
    /// # Errors
    /// If a setting cannot be used, or there is no key.
    pub(crate) fn new(
        watcher: &str,
        config: NotionConfig,
        secret: &dyn Fn(&str) -> Option<Secret>,
        pace: &Arc<dyn Pace>,
    ) -> Result<Self, WatchError> {
        let refuse = |setting, reason| WatchError::Config { watcher: watcher.to_owned(), setting, reason };
        let Some(key) = secret(&config.key_variable) else {
            let reason = format!("the variable {} is not set", config.key_variable);
            return Err(refuse("key_variable", reason));
        };
        let mut http = config.http.clone();
        http.headers.entry("notion-version".to_owned()).or_insert_with(|| API_VERSION.to_owned());
        let client =
            Client::new(&config.url, http, Some(Key::Bearer(key)), Arc::clone(pace)).map_err(|error| {
                match error {
                    HttpError::Config { setting, reason } => refuse(setting, reason),
                    other => refuse("url", other.to_string()),
                }
            })?;
        Ok(Self { target: client.shown().to_owned(), client, config })
    }

    /// Every page that the list names, by its address, and when it was last edited.
    fn pages(&self, cancelled: Cancelled<'_>) -> Result<BTreeMap<String, Thing>, WatchError> {
        let mut present = BTreeMap::new();
        let ask = |cursor: Option<&str>| {
            let mut asked = json!({
                "filter": {"property": "object", "value": "page"},
                "sort": {"timestamp": "last_edited_time", "direction": "ascending"},
                "page_size": PAGE_SIZE,
            });
            if let Some(cursor) = cursor {
                asked["start_cursor"] = cursor.into();
            }
            self.ask(Method::Post, "/v1/search", Some(&asked), cancelled)
        };
        self.each("the list of pages", &ask, &mut |page| {
            let thing = self.thing(&page)?;
            if present.len() == self.config.entries_max {
                let entries_max = self.config.entries_max;
                return Err(WatchError::TooMany { target: self.target.clone(), entries_max });
            }
            present.extend(thing.map(|thing| (thing.uri.clone(), thing)));
            Ok(())
        })?;
        Ok(present)
    }

    /// A page as it is watched; nothing if it was thrown away.
    fn thing(&self, page: &Value) -> Result<Option<Thing>, WatchError> {
        let (Some(id), Some(edited)) = (page["id"].as_str(), page["last_edited_time"].as_str()) else {
            return Err(self.bad("a page has no id, or does not say when it was edited"));
        };
        let gone = page["in_trash"] == true || page["archived"] == true;
        let uri = format!("{SCHEME}{id}");
        let entry =
            Entry { size: None, modified: parse_iso(edited), inode: 0, checksum: format!("{id} {edited}") };
        Ok((!gone).then(|| Thing { location: uri.clone(), uri, entry }))
    }

    /// A page that the list does not name: the list is known to leave some out, so it is asked for itself.
    fn still_there(&self, uri: &str, cancelled: Cancelled<'_>) -> Result<Option<Thing>, WatchError> {
        let Some(id) = uri.strip_prefix(SCHEME).and_then(path_part) else { return Ok(None) };
        match self.ask(Method::Get, &format!("/v1/pages/{id}"), None, cancelled) {
            Ok(page) => self.thing(&page),
            Err(WatchError::Service { source, .. }) if source.refused_with() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page with all its blocks, as the JSON of `{"page":…,"blocks":[…]}`. Blocks inside a block are its
    /// `children`; pages inside a page are pages of their own.
    ///
    /// # Errors
    /// If the API does not give it, or it is too much.
    pub(crate) fn page(&self, id: &str, cancelled: Cancelled<'_>) -> Result<Vec<u8>, WatchError> {
        let id =
            path_part(id).ok_or_else(|| self.bad("what stands behind notion:// is not the id of a page"))?;
        let page = self.ask(Method::Get, &format!("/v1/pages/{id}"), None, cancelled)?;
        let mut left = BLOCKS_MAX;
        let blocks = self.blocks(id, 0, &mut left, cancelled)?;
        let whole = json!({"page": page, "blocks": blocks});
        serde_json::to_vec(&whole).map_err(|error| self.bad(&error.to_string()))
    }

    fn blocks(
        &self,
        parent: &str,
        depth: usize,
        left: &mut usize,
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Value>, WatchError> {
        if depth == DEPTH_MAX {
            return Err(self.bad(&format!("a page has blocks inside blocks more than {DEPTH_MAX} deep")));
        }
        let mut blocks = Vec::new();
        let ask = |cursor: Option<&str>| {
            let cursor = cursor.map_or(String::new(), |cursor| format!("&start_cursor={cursor}"));
            let path = format!("/v1/blocks/{parent}/children?page_size={PAGE_SIZE}{cursor}");
            self.ask(Method::Get, &path, None, cancelled)
        };
        self.each("the list of blocks", &ask, &mut |block| {
            *left = left
                .checked_sub(1)
                .ok_or_else(|| self.bad(&format!("the page has more than {BLOCKS_MAX} blocks")))?;
            blocks.push(block);
            Ok(())
        })?;
        for block in &mut blocks {
            let own_page = ["child_page", "child_database"].iter().any(|kind| block["type"] == *kind);
            if block["has_children"] != true || own_page {
                continue;
            }
            let id = block["id"].as_str().and_then(path_part);
            let id = id.ok_or_else(|| self.bad("a block with blocks inside has no id"))?.to_owned();
            let children = self.blocks(&id, depth + 1, left, cancelled)?;
            if let Value::Object(members) = block {
                members.insert("children".to_owned(), children.into());
            }
        }
        Ok(blocks)
    }

    /// Everything of a list that comes in pages.
    fn each(
        &self,
        what: &str,
        ask: &dyn Fn(Option<&str>) -> Result<Value, WatchError>,
        each: &mut dyn FnMut(Value) -> Result<(), WatchError>,
    ) -> Result<(), WatchError> {
        let (mut cursor, mut seen) = (None::<String>, HashSet::new());
        loop {
            let mut answer = ask(cursor.as_deref())?;
            let results = answer.get_mut("results").map(Value::take);
            let Some(Value::Array(results)) = results else {
                return Err(self.bad(&format!("{what} has no results")));
            };
            results.into_iter().try_for_each(&mut *each)?;
            if answer["has_more"] != true {
                return Ok(());
            }
            let next = answer["next_cursor"].as_str().and_then(path_part).map(str::to_owned);
            let next = next.ok_or_else(|| self.bad(&format!("{what} has more, and does not say where")))?;
            if !seen.insert(next.clone()) {
                return Err(self.bad(&format!("{what} goes round in a circle")));
            }
            cursor = Some(next);
        }
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        cancelled: Cancelled<'_>,
    ) -> Result<Value, WatchError> {
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = self.client.send(method, path, body, cancelled).map_err(|source| match source {
            HttpError::Cancelled => WatchError::Cancelled,
            source => WatchError::Service { target: self.target.clone(), source },
        })?;
        let answer: Map<String, Value> = serde_json::from_slice(&answer.body)
            .map_err(|error| self.bad(&format!("{path} is no JSON object: {error}")))?;
        Ok(Value::Object(answer))
    }

    fn bad(&self, reason: &str) -> WatchError {
        WatchError::BadAnswer { target: self.target.clone(), reason: reason.to_owned() }
    }
}

/// An id or a cursor that can stand in an address as it is; those of the API can.
fn path_part(text: &str) -> Option<&str> {
    /// An id with its dashes has 36.
    const CHARS_MAX: usize = 200;
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!text.is_empty() && text.len() <= CHARS_MAX && text.chars().all(good)).then_some(text)
}

impl Watch for Notion {
    fn look(&mut self, handed: &Handed, now: Now, cancelled: Cancelled<'_>) -> Result<Look, WatchError> {
        let mut present = self.pages(cancelled)?;
        for (uri, _) in handed.entries() {
            if !present.contains_key(uri)
                && let Some(thing) = self.still_there(uri, cancelled)?
            {
                present.insert(uri.to_owned(), thing);
            }
        }
        let seen = present.len() as u64;
        // Times of edits are whole minutes. What was edited in this one may be edited once more in it, which
        // nobody could tell: it is handed over when the minute is over.
        let minute = now.at.div_euclid(MINUTE);
        let mut waiting = 0;
        present.retain(|uri, thing| {
            let known = handed.get(uri);
            let fresh = thing.entry.modified.is_some_and(|edited| edited.div_euclid(MINUTE) >= minute);
            if !fresh || known == Some(&thing.entry) {
                return true;
            }
            waiting += 1;
            known.map(|known| thing.entry = known.clone()).is_some()
        });
        let itself = |name: &str| name.to_owned();
        let changes = compare(handed, &present, &|_| true, &itself, now);
        Ok(Look { changes, scanned: true, seen, waiting, ..Look::default() })
    }

    fn done(&mut self, _changes: &[Change]) {}

    fn pause(&self) -> Duration {
        Duration::from_secs(self.config.interval_s)
    }
}
