//! What is missing, and how much of it is known: silence between two connections, numbers that were skipped.
//!
//! A gap is known by its two ends in time. Where the feed numbers its messages it is also known by the last number
//! before it and the first one behind it, and then by how many messages it lacks.

use serde::Serialize;
use serde_json::Value;
use stele_model::Micros;

use crate::line::instant;

/// Why something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The peer ended the connection, and said so.
    Closed,
    /// The connection broke, perhaps in the middle of a message.
    Cut,
    /// Nothing was heard for too long.
    PingTimeout,
    /// There was no connection.
    Unreachable,
    /// The peer does not want us.
    Refused,
    /// The peer said something that its protocol does not allow.
    Protocol,
    /// A message was longer than may be kept.
    FrameTooLarge,
    /// Somebody asked for the pause.
    Paused,
    /// Somebody asked for the stop.
    Stopped,
    /// The process was not there; it had ended as it should.
    NotRunning,
    /// The process was not there; it had been killed.
    Killed,
    /// The feed's numbers have a hole, and the connection has none.
    NumbersSkipped,
    /// The feed's numbers begin anew, so how much is missing is not known.
    NumbersRestarted,
}

/// A stretch of which something may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Gap {
    pub reason: Reason,
    pub from: String,
    pub to: String,
    /// The last number before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_number: Option<i64>,
    /// The first number behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_number: Option<i64>,
    /// Messages that it lacks; `None` is not known.
    pub missing: Option<u64>,
    /// Messages that were there and were not kept.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Follows the numbers of a feed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracker {
    pointer: Option<String>,
    last_number: Option<i64>,
    last_at: Option<Micros>,
    open: Option<(Reason, Micros)>,
}

impl Tracker {
    /// Numbers are at `pointer` in a payload, if the feed has any.
    pub fn new(pointer: Option<String>) -> Self {
        Tracker { pointer, ..Tracker::default() }
    }

    /// Where the last run came to, and how it ended.
    pub fn resume(&mut self, last_number: Option<i64>, last_at: Micros, reason: Reason) {
        self.last_number = last_number;
        self.last_at = Some(last_at);
        self.open = Some((reason, last_at));
    }

    /// Whether messages have to be looked into.
    pub fn wants_numbers(&self) -> bool {
        self.pointer.is_some()
    }

    /// The number of a message.
    pub fn number_in(&self, payload: &Value) -> Option<i64> {
        payload.pointer(self.pointer.as_deref()?)?.as_i64()
    }

    /// A line was written at this time.
    pub fn heard(&mut self, at: Micros) {
        self.last_at = Some(at);
    }

    /// Nothing is heard from now on.
    pub fn lost(&mut self, reason: Reason, at: Micros) {
        if self.open.is_none() {
            self.open = Some((reason, self.last_at.unwrap_or(at)));
        }
    }

    /// There is a connection. Gives the gap before it, unless numbers will tell more about it.
    pub fn connected(&mut self, at: Micros) -> Option<Gap> {
        if self.wants_numbers() && self.last_number.is_some() {
            return None;
        }
        self.close(at)
    }

    /// The gap that is open, as far as it is known when the run ends.
    pub fn close(&mut self, at: Micros) -> Option<Gap> {
        let (reason, from) = self.open.take()?;
        Some(self.gap(reason, from, at, None, None))
    }

    /// A message with this number came. Gives what is missing before it.
    pub fn came(&mut self, number: i64, at: Micros) -> Option<Gap> {
        let last = self.last_number;
        let open = self.open.take();
        let gap = match (last, open) {
            (None, None) => None,
            (None, Some((reason, from))) => Some(self.gap(reason, from, at, Some(number), None)),
            (Some(last), Some((_, from))) if number <= last => {
                Some(self.gap(Reason::NumbersRestarted, from, at, Some(number), None))
            }
            (Some(last), Some((reason, from))) => {
                Some(self.gap(reason, from, at, Some(number), Some(between(last, number))))
            }
            // Said again, or late: nothing is missing, and the highest number stands.
            (Some(last), None) if number <= last => return None,
            (Some(last), None) if between(last, number) == 0 => None,
            (Some(last), None) => {
                let from = self.last_at.unwrap_or(at);
                Some(self.gap(Reason::NumbersSkipped, from, at, Some(number), Some(between(last, number))))
            }
        };
        self.last_number = Some(number);
        gap
    }

    /// A message was there and is not kept. In a feed with numbers one whose own cannot be read is told of by the next
    /// number, and would be counted twice if it were counted here too.
    pub fn dropped(&self, number: Option<i64>, at: Micros) -> Gap {
        Gap {
            reason: Reason::FrameTooLarge,
            from: instant(at),
            to: instant(at),
            after_number: number.map(|number| number.saturating_sub(1)),
            before_number: number.map(|number| number.saturating_add(1)),
            missing: (number.is_some() || !self.wants_numbers()).then_some(1),
            dropped: 1,
        }
    }

    fn gap(
        &self,
        reason: Reason,
        from: Micros,
        to: Micros,
        before_number: Option<i64>,
        missing: Option<u64>,
    ) -> Gap {
        let (from, to) = (instant(from), instant(to));
        Gap { reason, from, to, after_number: self.last_number, before_number, missing, dropped: 0 }
    }
}

/// Whole numbers between two, neither counted.
fn between(last: i64, next: i64) -> u64 {
    next.abs_diff(last).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers as they come, `lost` between them; gives reason, missing of each gap.
    #[track_caller]
    fn check(said: &[&str], expect: &[(Reason, Option<u64>)]) {
        let mut tracker = Tracker::new(Some("/n".to_owned()));
        let mut gaps = Vec::new();
        for (at, word) in said.iter().enumerate() {
            let at = at as Micros;
            match word.parse() {
                Ok(number) => gaps.extend(tracker.came(number, at)),
                Err(_) if *word == "back" => gaps.extend(tracker.connected(at)),
                Err(_) => tracker.lost(Reason::Cut, at),
            }
        }
        let found: Vec<_> = gaps.iter().map(|gap| (gap.reason, gap.missing)).collect();
        assert_eq!(found, expect, "{said:?}");
    }

    #[test]
    fn what_is_missing_is_between_two_numbers() {
        check(&["5", "6", "7"], &[]);
        check(&["5", "8"], &[(Reason::NumbersSkipped, Some(2))]);
        check(&["5", "lost", "back", "8"], &[(Reason::Cut, Some(2))]);
        check(&["5", "lost", "back", "6"], &[(Reason::Cut, Some(0))]);
        check(&["5", "lost", "back", "lost", "back", "9"], &[(Reason::Cut, Some(3))]);
        check(&["lost", "back", "9"], &[(Reason::Cut, None)]);
        check(&["5", "lost", "back", "1", "2"], &[(Reason::NumbersRestarted, None)]);
        check(&["5", "7", "6", "8"], &[(Reason::NumbersSkipped, Some(1))]);
        check(&["5", "5", "6"], &[]);
    }

    #[test]
    fn what_is_not_kept_is_missing_once() {
        let mut tracker = Tracker::new(Some("/n".to_owned()));
        assert_eq!(tracker.came(1, 0), None);
        // The one that had 2 cannot be read.
        let dropped = tracker.dropped(None, 1);
        assert_eq!((dropped.missing, dropped.dropped), (None, 1));
        assert_eq!(tracker.came(3, 2).and_then(|gap| gap.missing), Some(1));
        assert_eq!(tracker.dropped(Some(3), 2).missing, Some(1));
        // Where no number will tell, this is all that does.
        assert_eq!(Tracker::default().dropped(None, 3).missing, Some(1));
    }
}
