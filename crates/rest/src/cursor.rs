//! How far one has come in records that have a cursor, and which of them are new.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use stele_collect::{ContentId, Missing, content_id};
use stele_model::id::to_hex;

use crate::config::Incremental;
use crate::select::member;

/// Records that are remembered by what they are, within the lag and at its end. What is beyond is kept again, under the id
/// that it has.
const KNOWN_MAX: usize = 10_000;

/// Seconds and milliseconds since 1970 as numbers: what is larger than this is milliseconds, as seconds it would be the year 5138.
const SECONDS_MAX: f64 = 1e11;

/// Where a run over one resource, or one parent of it, goes on. A line of it lies in the lake.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// The greatest cursor of what is kept.
    pub(crate) at: Option<Value>,
    /// What is known from `at` less the lag: its cursor, and its content as a hash.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) known: Vec<(Value, String)>,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    New,
    /// It was kept by an earlier run, or it is older than what is asked for.
    Known,
    /// It is of a time that is not asked for yet.
    Later,
    /// It has no cursor and is left out for it.
    Left,
}

/// Tells new records from known ones, in one run.
#[derive(Debug)]
pub(crate) struct Track<'a> {
    incremental: &'a Incremental,
    /// Where this run begins.
    start: Option<Value>,
    known: HashSet<String>,
    at: Option<Value>,
    /// What is known and near enough to the end to be met again, by this run or by earlier ones.
    met: Vec<(Value, String)>,
}

impl<'a> Track<'a> {
    pub(crate) fn new(incremental: &'a Incremental, state: &State) -> Self {
        let start = match &state.at {
            Some(at) => Some(less(at, incremental.lag)),
            None => incremental.initial.clone(),
        };
        Self {
            incremental,
            start,
            known: state.known.iter().map(|(_, id)| id.clone()).collect(),
            at: state.at.clone(),
            met: state.known.clone(),
        }
    }

    /// Where this run begins, for the service.
    pub(crate) fn start(&self) -> Option<&Value> {
        self.start.as_ref()
    }

    /// What becomes of a record.
    ///
    /// # Errors
    /// If it has no cursor and that is not allowed.
    pub(crate) fn meet(&mut self, record: &Value) -> Result<Fate, String> {
        let incremental = self.incremental;
        let Some(cursor) = member(record, &incremental.cursor).filter(|cursor| !cursor.is_null()) else {
            return match incremental.missing {
                Missing::Include => Ok(Fate::New),
                Missing::Exclude => Ok(Fate::Left),
                Missing::Raise => Err(format!(
                    "a record has no `{}`, which is its cursor; set `missing` to \"include\" or \"exclude\", or correct `cursor`",
                    incremental.cursor
                )),
            };
        };
        let before = |a: &Value, b: &Value| compare(a, b) == Ordering::Less;
        if self.start.as_ref().is_some_and(|start| before(cursor, start)) {
            return Ok(Fate::Known);
        }
        if incremental.end.as_ref().is_some_and(|end| !before(cursor, end)) {
            return Ok(Fate::Later);
        }
        let id = hex(content_id(record));
        if self.at.as_ref().is_none_or(|at| before(at, cursor)) {
            self.at = Some(cursor.clone());
        }
        // What comes twice in one run, as a page that moved does, is known the second time.
        if !self.known.insert(id.clone()) {
            return Ok(Fate::Known);
        }
        self.met.push((cursor.clone(), id));
        if self.met.len() > 2 * KNOWN_MAX {
            self.forget();
        }
        Ok(Fate::New)
    }

    /// Where the next run goes on, once everything that was met is kept.
    pub(crate) fn reached(&mut self) -> State {
        self.forget();
        State { at: self.at.clone(), known: self.met.clone() }
    }

    /// Forgets what the next run will not meet.
    fn forget(&mut self) {
        let Some(at) = &self.at else { return };
        let from = less(at, self.incremental.lag);
        self.met.retain(|(cursor, _)| compare(cursor, &from) != Ordering::Less);
        let surplus = self.met.len().saturating_sub(KNOWN_MAX);
        self.met.drain(..surplus);
        self.known = self.met.iter().map(|(_, id)| id.clone()).collect();
    }
}

/// Earlier, the same or later: by size if both are numbers, as such or as texts, by the instant if both are times, else by
/// their letters.
pub(crate) fn compare(a: &Value, b: &Value) -> Ordering {
    if let (Value::Number(a), Value::Number(b)) = (a, b) {
        return match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => float(a).total_cmp(&float(b)),
        };
    }
    if let (Value::String(a), Value::String(b)) = (a, b) {
        // Numbers that some readers would spoil are sent as texts. By their letters "1000" would be before "999".
        if let (Some(a), Some(b)) = (Digits::of(a), Digits::of(b)) {
            return a.compare(&b);
        }
        return match (instant(a), instant(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.cmp(b),
        };
    }
    // The service changed the type: what is asked again is better than what is lost.
    Ordering::Equal
}

/// A number as a text writes it, however long it is: `-12.50`.
struct Digits<'a> {
    is_negative: bool,
    /// In front of the point, without zeros that say nothing, and behind it.
    whole: &'a str,
    part: &'a str,
}

impl<'a> Digits<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(part) {
            return None;
        }
        let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
        let is_zero = whole.is_empty() && part.is_empty();
        Some(Self { is_negative: is_negative && !is_zero, whole, part })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let size = (self.whole.len(), self.whole, self.part);
        let sizes = size.cmp(&(other.whole.len(), other.whole, other.part));
        match (self.is_negative, other.is_negative) {
            (false, false) => sizes,
            (true, true) => sizes.reverse(),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

/// The cursor that is this much earlier, in the form that it has. A text that is no time stays what it is.
pub(crate) fn less(at: &Value, lag: Duration) -> Value {
    if lag.is_zero() {
        return at.clone();
    }
    match at {
        Value::Number(number) => {
            let value = float(number);
            let unit = if value.abs() < SECONDS_MAX { 1.0 } else { 1_000.0 };
            let earlier = lag.as_secs_f64() * unit;
            match number.as_i64() {
                Some(whole) => Value::from(whole.saturating_sub(earlier.ceil() as i64)),
                None => Number::from_f64(value - earlier).map_or_else(|| at.clone(), Value::Number),
            }
        }
        Value::String(text) => {
            let earlier = instant(text).and_then(|instant| instant.checked_sub(lag).ok());
            earlier.map_or_else(|| at.clone(), |earlier| Value::from(in_form_of(text, earlier)))
        }
        other => other.clone(),
    }
}

/// A date, a time without an offset, or an instant: what a service wrote, it understands.
fn in_form_of(text: &str, instant: Timestamp) -> String {
    if text.parse::<Timestamp>().is_ok() {
        return instant.to_string();
    }
    let utc = instant.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    match text.contains(['T', ' ']) {
        true if text.contains(' ') => utc.to_string().replacen('T', " ", 1),
        true => utc.to_string(),
        false => utc.date().to_string(),
    }
}

/// The instant of a text; without an offset, as if it were UTC, which is good for order.
fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    // A plain number is no year.
    if !text.contains('-') {
        return None;
    }
    let civil =
        text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0))).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

fn hex(id: ContentId) -> String {
    // Half of it tells ten thousand records apart.
    to_hex(&id[..8])
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{compare, less};

    #[test]
    fn cursors_are_compared_by_what_they_mean() {
        let check = |a: Value, b: Value, expect: Ordering| {
            assert_eq!(compare(&a, &b), expect, "{a} {b}");
            assert_eq!(compare(&b, &a), expect.reverse(), "{b} {a}");
        };
        check(json!("2024-01-01T02:00:00+02:00"), json!("2024-01-01T00:00:00Z"), Ordering::Equal);
        check(json!("2024-01-01T00:00:00.5Z"), json!("2024-01-01T00:00:00Z"), Ordering::Greater);
        check(json!("2024-01-02"), json!("2024-01-01T23:59:59Z"), Ordering::Greater);
        check(json!(9), json!(10), Ordering::Less);
        check(json!(9.5), json!(10), Ordering::Less);
        check(json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), Ordering::Greater);
        check(json!("b"), json!("a"), Ordering::Greater);
        check(json!("a"), json!(1), Ordering::Equal);
        // Numbers in texts, with a sign, a point, zeros in front, and more digits than any type has.
        check(json!("1000"), json!("999"), Ordering::Greater);
        check(json!("-1000"), json!("-999"), Ordering::Less);
        check(json!("-1"), json!("1"), Ordering::Less);
        check(json!("-0"), json!("+0"), Ordering::Equal);
        check(json!("0100"), json!("99"), Ordering::Greater);
        check(json!("10.5"), json!("9.75"), Ordering::Greater);
        check(json!("9.50"), json!("9.5"), Ordering::Equal);
        check(json!("-9.45"), json!("-9.5"), Ordering::Greater);
        check(json!("1".repeat(41)), json!("9".repeat(40)), Ordering::Greater);
        check(json!("1700000000.2"), json!("1700000000"), Ordering::Greater);
        // One that is none: by letters, as before.
        check(json!("1000"), json!("99a"), Ordering::Less);
        check(json!("1.2.10"), json!("1.2.9"), Ordering::Less);
        check(json!(""), json!("1"), Ordering::Less);
    }

    #[test]
    fn a_lag_keeps_the_form() {
        let check = |at: Value, seconds: u64, expect: Value| {
            assert_eq!(less(&at, Duration::from_secs(seconds)), expect);
        };
        check(json!("2024-01-01T00:05:00Z"), 300, json!("2024-01-01T00:00:00Z"));
        check(json!("2024-01-01T02:05:00+02:00"), 300, json!("2024-01-01T00:00:00Z"));
        check(json!("2024-01-02"), 86_400, json!("2024-01-01"));
        check(json!("2024-01-01T00:05:00"), 300, json!("2024-01-01T00:00:00"));
        check(json!("2024-01-01 00:05:00"), 300, json!("2024-01-01 00:00:00"));
        check(json!(1_704_067_500), 300, json!(1_704_067_200));
        check(json!(1_704_067_500_000_i64), 300, json!(1_704_067_200_000_i64));
        check(json!("abc"), 300, json!("abc"));
        check(json!("2024-01-01T00:05:00Z"), 0, json!("2024-01-01T00:05:00Z"));
    }
}
