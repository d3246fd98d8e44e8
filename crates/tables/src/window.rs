//! How far a stream has come, and which rows near there were handed over: that is what makes it possible to read a
//! little of what was read again, for rows that came late, and to hand nothing over twice.

use std::collections::{HashSet, VecDeque};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::TablesError;
use crate::calendar::Moment;
use crate::config::{Lag, wrong};

/// Rows that are remembered, at most: they travel with every batch, 16 bytes each. Of a window with more of them
/// the oldest are handed over again by the next run, which does no harm beside the work.
pub const REMEMBERED_MAX: usize = 50_000;

/// Bytes by which a row is remembered. Two different rows among a trillion share them by chance one time in a
/// hundred thousand.
const HASH_BYTES: usize = 12;

/// A row, short.
pub(crate) type RowHash = [u8; HASH_BYTES];

/// What is said for what identifies a row.
pub(crate) fn row_hash<'a>(parts: impl Iterator<Item = &'a [u8]>) -> RowHash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
        // Ends each part: no JSON has it.
        hasher.update(&[0]);
    }
    let mut short = [0; HASH_BYTES];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..HASH_BYTES]);
    short
}

/// What can be subtracted from: microseconds of a moment, or an integer.
pub(crate) fn ordinal(json: &[u8]) -> Option<i128> {
    match json {
        [b'"', inner @ .., b'"'] => {
            Moment::parse(std::str::from_utf8(inner).ok()?).map(|moment| i128::from(moment.micros))
        }
        number => std::str::from_utf8(number).ok()?.parse().ok(),
    }
}

/// The value that is so much less, spelled the same way; `None` if it is nothing that can be subtracted from.
pub(crate) fn less(value: &Value, by: i64) -> Option<Value> {
    if let Some(text) = value.as_str() {
        let moment = Moment::parse(text)?;
        return Some(Value::from(moment.spell(moment.micros.checked_sub(by)?)));
    }
    let number: i128 = value.as_number()?.to_string().parse().ok()?;
    serde_json::from_str(&(number - i128::from(by)).to_string()).ok()
}

/// Where a stream is, while it is read.
#[derive(Debug)]
pub(crate) struct Window {
    lag: i128,
    /// The cursor of the last row, as JSON; empty before the first one.
    at: Vec<u8>,
    at_ordinal: Option<i128>,
    /// Rows within the lag, by what they can be subtracted from.
    recent: VecDeque<(Option<i128>, RowHash)>,
    /// Some within the lag are not in `recent`.
    overflowed: bool,
    /// Rows that were handed over before this reading, and the cursor that it had reached.
    before: HashSet<RowHash>,
    reached: Vec<u8>,
    reached_ordinal: Option<i128>,
    began_behind: bool,
}

/// What is kept of a stream between two runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Saved {
    /// The greatest cursor that was handed over.
    pub(crate) cursor: Option<Value>,
    /// The key of the last row, where reading can only go on behind it.
    pub(crate) behind: Option<Vec<Value>>,
    pub(crate) seen: Vec<RowHash>,
    /// Rows without a cursor that were handed over.
    pub(crate) nulls: Vec<RowHash>,
}

impl Saved {
    /// Reads what [`Self::to_value`] wrote.
    pub(crate) fn parse(value: Option<&Value>) -> Result<Self, TablesError> {
        let Some(value) = value else { return Ok(Saved::default()) };
        let broken = || {
            let why = "it is none of this kind of source; `stele sources state reset ID` begins anew";
            wrong("the saved cursor", why)
        };
        let object = value.as_object().ok_or_else(broken)?;
        let hashes = |name: &str| -> Result<Vec<RowHash>, TablesError> {
            let Some(said) = object.get(name) else { return Ok(Vec::new()) };
            let bytes = STANDARD.decode(said.as_str().ok_or_else(broken)?).map_err(|_| broken())?;
            let hashes = bytes.chunks(HASH_BYTES).map(|hash| hash.try_into().map_err(|_| broken()));
            hashes.collect()
        };
        let behind = match object.get("behind") {
            Some(Value::Array(key)) => Some(key.clone()),
            Some(_) => return Err(broken()),
            None => None,
        };
        Ok(Saved {
            cursor: object.get("cursor").cloned(),
            behind,
            seen: hashes("seen")?,
            nulls: hashes("nulls")?,
        })
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut object = Map::new();
        if let Some(cursor) = &self.cursor {
            object.insert("cursor".to_owned(), cursor.clone());
        }
        if let Some(behind) = &self.behind {
            object.insert("behind".to_owned(), json!(behind));
        }
        for (name, hashes) in [("seen", &self.seen), ("nulls", &self.nulls)] {
            if !hashes.is_empty() {
                object.insert(name.to_owned(), Value::from(STANDARD.encode(hashes.concat())));
            }
        }
        Value::Object(object)
    }
}

impl Window {
    pub(crate) fn new(lag: Option<Lag>, saved: &Saved) -> Self {
        let lag = match lag {
            Some(Lag::Time(micros)) => i128::from(micros),
            Some(Lag::Count(count)) => i128::from(count),
            None => 0,
        };
        let reached = saved.cursor.as_ref().map(|cursor| cursor.to_string().into_bytes()).unwrap_or_default();
        Window {
            lag,
            at: Vec::new(),
            at_ordinal: None,
            recent: VecDeque::new(),
            overflowed: false,
            before: saved.seen.iter().copied().collect(),
            reached_ordinal: ordinal(&reached),
            reached,
            began_behind: saved.behind.is_some(),
        }
    }

    /// The next row and its cursor as JSON. Says whether it was handed over before.
    pub(crate) fn passes(&mut self, cursor: &[u8], hash: RowHash) -> bool {
        if cursor != self.at {
            self.at.clear();
            self.at.extend_from_slice(cursor);
            self.at_ordinal = ordinal(cursor);
            self.forget();
        }
        if self.recent.len() == REMEMBERED_MAX {
            self.recent.pop_front();
            self.overflowed = true;
        }
        self.recent.push_back((self.at_ordinal, hash));
        !self.before.is_empty() && self.before.contains(&hash)
    }

    /// Whether this is the row before again, by cursor and key.
    pub(crate) fn repeats(&self, hash: &RowHash) -> bool {
        self.recent.back().is_some_and(|(_, last)| last == hash)
    }

    /// Forgets what is outside of the lag now.
    fn forget(&mut self) {
        let Some(at) = self.at_ordinal else {
            self.recent.clear();
            self.overflowed = false;
            return;
        };
        let from = at - self.lag;
        while self.recent.front().is_some_and(|(then, _)| then.is_none_or(|then| then < from)) {
            self.recent.pop_front();
            // Those that did not fit in were older than all of these.
            self.overflowed = false;
        }
        if self.past_reached() {
            self.before.clear();
        }
    }

    /// Whether everything that an earlier run handed over lies behind.
    fn past_reached(&self) -> bool {
        match (self.at_ordinal, self.reached_ordinal) {
            (Some(at), Some(reached)) => at > reached,
            _ => self.at != self.reached,
        }
    }

    /// What is to be kept now, with the key of the last row. `more` is whether rows may follow that were not read:
    /// then the end of a window that does not fit is where reading goes on, or it would never get past it.
    pub(crate) fn saved(&self, more: bool, key: Option<Vec<Value>>) -> Saved {
        let begun = !self.at.is_empty();
        let passed = begun && (self.reached.is_empty() || self.past_reached());
        let cursor = if passed { &self.at } else { &self.reached };
        let mut seen: Vec<RowHash> = self.recent.iter().map(|(_, hash)| *hash).collect();
        if !passed {
            let known: HashSet<RowHash> = seen.iter().copied().collect();
            seen.extend(self.before.iter().filter(|hash| !known.contains(*hash)));
            seen.truncate(REMEMBERED_MAX);
        }
        // In order, so that the same state is the same text.
        seen.sort_unstable();
        let at_the_end = passed || (begun && self.at == self.reached);
        let behind =
            key.filter(|key| more && at_the_end && !key.is_empty() && (self.overflowed || self.began_behind));
        Saved { cursor: serde_json::from_slice(cursor).ok(), behind, seen, nulls: Vec::new() }
    }

    /// Whether rows of the window are not remembered.
    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed
    }
}
