//! How a list of tickets is gone through without losing one. Pure: it says which page is read next, and is told what
//! stood on it.
//!
//! Going from page to page loses tickets: one that changes meanwhile goes to the end, and all behind it move up by one,
//! the first of the next page onto the page that was read already. So each page is the first page, of what changed
//! since the last ticket of the page before. Only where a whole page shares one time the next page is read, and then
//! that time is gone through again until nothing new turns up. The end of a list of 300 pages is never reached,
//! and a run that goes on later needs nothing but a time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::HelpdeskError;
use crate::text::instant;

/// Tickets that are asked for again in the next run. More of them, and it is not the tickets that are broken.
pub const PENDING_MAX: usize = 1_000;

/// Tickets that a cursor remembers by their state. What is beyond is collected again, which makes it no other record.
const SEEN_MAX: usize = 50_000;

/// What a ticket lacks for which it is asked for again; what weighs most first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lacking {
    /// Itself, or its messages.
    #[default]
    Messages,
    /// Files that could not be had then.
    Files,
    /// What pictures of text say: nobody here read them.
    Ocr,
}

impl Lacking {
    fn is_messages(&self) -> bool {
        matches!(self, Self::Messages)
    }
}

/// A ticket that could not be had whole, and is asked for again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The number that it is asked for with.
    pub number: String,
    /// Why it was not had.
    pub reason: String,
    /// In how many runs.
    pub runs: u32,
    /// What it lacks. Cursors of before there was a choice have none.
    #[serde(default, skip_serializing_if = "Lacking::is_messages")]
    pub lacks: Lacking,
}

/// Where a walk goes on: what stands in the lake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// The latest change that was collected.
    since: String,
    /// Tickets since shortly before, and in which state they were collected.
    seen: Vec<(String, i64, String)>,
    /// Tickets that are asked for again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pending: Vec<Pending>,
}

/// What a walk looks at in a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// The number that it is asked for with.
    pub(crate) number: String,
    /// When it last changed, in milliseconds since 1970.
    pub(crate) updated_ms: i64,
    /// A hash of what was said: two changes in one second have one time.
    pub(crate) hash: String,
}

/// A walk.
#[derive(Debug)]
pub(crate) struct Walk {
    lookback_ms: i64,
    since_ms: i64,
    page: u32,
    pages_max: u32,
    mark_ms: i64,
    seen: BTreeMap<String, (i64, String)>,
    /// Tickets that turned up since page 1 of this time was read last.
    turned_up: usize,
    pub(crate) pending: Vec<Pending>,
}

impl Walk {
    /// From where the last run came, or from `start`. `again_from` is a time since which everything is taken again.
    pub(crate) fn resume(
        stream: &str,
        cursor: Option<&Value>,
        start: Timestamp,
        lookback_ms: u64,
        pages_max: u32,
        again_from: Option<Timestamp>,
    ) -> Result<Self, HelpdeskError> {
        let lookback_ms = i64::try_from(lookback_ms).unwrap_or(i64::MAX / 4);
        let start_ms = start.as_millisecond();
        let mut walk = Self {
            lookback_ms,
            since_ms: start_ms,
            page: 1,
            pages_max,
            mark_ms: start_ms,
            seen: BTreeMap::new(),
            turned_up: 0,
            pending: Vec::new(),
        };
        let Some(cursor) = cursor else { return Ok(walk) };
        let cursor: Cursor =
            serde_json::from_value(cursor.clone()).map_err(|error| HelpdeskError::Answer {
                path: format!("the cursor of {stream}"),
                why: format!("it cannot be read ({error}); reset it with `stele sources state reset ID`"),
            })?;
        let since = instant(&cursor.since).ok_or_else(|| HelpdeskError::Answer {
            path: format!("the cursor of {stream}"),
            why: format!("{:?} is no time; reset it with `stele sources state reset ID`", cursor.since),
        })?;
        walk.mark_ms = since.as_millisecond().max(start_ms);
        walk.since_ms = walk.mark_ms.saturating_sub(lookback_ms).max(start_ms);
        walk.seen = cursor.seen.into_iter().map(|(number, ms, hash)| (number, (ms, hash))).collect();
        walk.pending = cursor.pending;
        if let Some(again) = again_from.map(Timestamp::as_millisecond) {
            walk.since_ms = walk.since_ms.min(again).max(start_ms);
            walk.seen.clear();
        }
        Ok(walk)
    }

    /// The page that is read next: of what changed since then, this one.
    pub(crate) fn next(&self) -> (Timestamp, u32) {
        (Timestamp::from_millisecond(self.since_ms).unwrap_or(Timestamp::UNIX_EPOCH), self.page)
    }

    /// Whether a ticket is not collected yet in this state.
    pub(crate) fn is_new(&self, state: &State) -> bool {
        self.seen.get(&state.number).is_none_or(|(ms, hash)| *ms != state.updated_ms || *hash != state.hash)
    }

    /// A ticket was collected, and every one before it in its list.
    pub(crate) fn collected(&mut self, state: &State) {
        self.seen.insert(state.number.clone(), (state.updated_ms, state.hash.clone()));
        self.mark_ms = self.mark_ms.max(state.updated_ms);
    }

    /// A page was read: the times of its tickets in their order, how many were new, and whether the list goes on behind it.
    /// Says whether another page is to be read.
    pub(crate) fn turn(
        &mut self,
        times_ms: &[i64],
        new: usize,
        goes_on: bool,
    ) -> Result<bool, HelpdeskError> {
        let latest_ms = times_ms.iter().copied().max().unwrap_or(self.since_ms);
        let mut before_ms = i64::MIN;
        for time_ms in times_ms {
            // Where a list is in another order, tickets between would be passed by.
            if time_ms.saturating_add(self.lookback_ms.max(1000)) < before_ms {
                return Err(HelpdeskError::Answer {
                    path: "the list of tickets".to_owned(),
                    why: "it is not in the order of the last change, so it cannot be gone through safely"
                        .to_owned(),
                });
            }
            before_ms = before_ms.max(*time_ms);
        }
        self.turned_up += new;
        let moves_on = goes_on && latest_ms > self.since_ms;
        if goes_on && !moves_on {
            self.page += 1;
            if self.page > self.pages_max {
                return Err(HelpdeskError::Cap { at: self.next().0.to_string(), pages: self.pages_max });
            }
            return Ok(true);
        }
        // Behind page 1 a ticket that changed may have moved others onto pages that were read already.
        if self.page > 1 && self.turned_up > 0 {
            (self.page, self.turned_up) = (1, 0);
            return Ok(true);
        }
        (self.page, self.turned_up) = (1, 0);
        self.since_ms = self.since_ms.max(latest_ms);
        self.forget();
        Ok(moves_on)
    }

    /// All pages of a list that there are for where it began were read, and it goes on behind them. Where it is in the order of
    /// the last change, it goes on from the latest that was met. Says whether that is later than where it began.
    pub(crate) fn go_on_from(&mut self, latest_ms: i64) -> bool {
        // Whole seconds are all that an address says.
        let latest_ms = latest_ms.div_euclid(1000) * 1000;
        let moves_on = latest_ms > self.since_ms;
        self.since_ms = self.since_ms.max(latest_ms);
        self.forget();
        moves_on
    }

    /// Forgets what no later page can show again.
    fn forget(&mut self) {
        let from_ms = self.mark_ms.min(self.since_ms).saturating_sub(self.lookback_ms);
        self.seen.retain(|_, (ms, _)| *ms >= from_ms);
    }

    /// Whether nothing was collected, of a list of which nothing was ever collected.
    pub(crate) fn came_nowhere(&self) -> bool {
        self.seen.is_empty() && self.pending.is_empty()
    }

    /// Where to go on once everything that was collected is kept.
    pub(crate) fn cursor(&self) -> Value {
        let from_ms = self.mark_ms.saturating_sub(self.lookback_ms);
        let mut seen: Vec<(String, i64, String)> = self
            .seen
            .iter()
            .filter(|(_, (ms, _))| *ms >= from_ms)
            .map(|(number, (ms, hash))| (number.clone(), *ms, hash.clone()))
            .collect();
        seen.sort_by(|a, b| (b.1, &b.0).cmp(&(a.1, &a.0)));
        seen.truncate(SEEN_MAX);
        let since = Timestamp::from_millisecond(self.mark_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_string();
        serde_json::to_value(Cursor { since, seen, pending: self.pending.clone() }).unwrap_or(Value::Null)
    }
}
