//! A sliding window: no more than so many in any stretch of this length.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::duration;

/// Parts of a window in which requests are counted together: what leaves it is late by a part at most, and an
/// account of a million requests a day still fits a page of memory.
const PARTS: u32 = 600;

/// So many requests in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// How many, or how many credits where a request costs several.
    pub requests: u32,
    /// In how long.
    #[serde(deserialize_with = "duration")]
    pub per: Duration,
}

impl Window {
    /// So many in a minute.
    pub fn minute(requests: u32) -> Self {
        Self { requests, per: Duration::from_secs(60) }
    }

    /// So many in an hour.
    pub fn hour(requests: u32) -> Self {
        Self { requests, per: Duration::from_secs(3_600) }
    }

    /// So many in a day.
    pub fn day(requests: u32) -> Self {
        Self { requests, per: Duration::from_secs(86_400) }
    }
}

/// `50` is so many in a minute; `{"requests": 50, "per": "1m"}` says it; a list has several.
pub(crate) fn windows_of(value: &Value) -> Result<Vec<Window>, String> {
    let one = |value: &Value| -> Result<Window, String> {
        let window = match value.as_u64() {
            Some(requests) => {
                Window::minute(u32::try_from(requests).map_err(|_| format!("{requests} is too many"))?)
            }
            None => serde_json::from_value(value.clone()).map_err(|error| {
                format!("{error}; write a number for each minute, or {{\"requests\": 50, \"per\": \"1m\"}}")
            })?,
        };
        match window.requests == 0 || window.per.is_zero() {
            true => Err("0 would be no request at all; set `enabled` to false for that".to_owned()),
            false => Ok(window),
        }
    };
    match value {
        Value::Array(windows) => windows.iter().map(one).collect(),
        Value::Null => Ok(Vec::new()),
        value => Ok(vec![one(value)?]),
    }
}

/// What was spent in a window.
#[derive(Debug)]
pub(super) struct Spent {
    pub(super) per: Duration,
    /// What the configuration allows, and what is allowed now.
    pub(super) configured: f64,
    pub(super) max: f64,
    /// What others have spent as of some moment. It is believed for one window.
    pub(super) others: Option<(Duration, f64)>,
    parts: VecDeque<Part>,
}

#[derive(Debug)]
struct Part {
    first: Duration,
    last: Duration,
    credits: f64,
}

impl Spent {
    pub(super) fn new(window: Window) -> Self {
        let max = f64::from(window.requests);
        Self { per: window.per, configured: max, max, others: None, parts: VecDeque::new() }
    }

    /// How long until so many more fit; nothing if they do. More than the whole window fit when it is empty.
    pub(super) fn wait(&mut self, now: Duration, credits: f64, share: f64) -> Duration {
        let mut sum = self.sum(now);
        let mut leaving: Vec<(Duration, f64)> =
            self.parts.iter().map(|part| (part.last, part.credits)).collect();
        if let Some((at, others)) = self.others {
            sum += others;
            let place = leaving.partition_point(|(time, _)| *time <= at);
            leaving.insert(place, (at, others));
        }
        let max = (self.max * share).floor().max(1.0);
        for (time, credits_then) in leaving {
            if sum + credits <= max {
                break;
            }
            sum -= credits_then;
            if sum + credits <= max || sum < 0.5 {
                return (time + self.per).saturating_sub(now);
            }
        }
        Duration::ZERO
    }

    pub(super) fn spend(&mut self, now: Duration, credits: f64) {
        match self.parts.back_mut() {
            Some(part) if now.saturating_sub(part.first) < self.per / PARTS => {
                part.last = part.last.max(now);
                part.credits += credits;
            }
            _ => self.parts.push_back(Part { first: now, last: now, credits }),
        }
    }

    /// What is in the window that ends now; what left it is forgotten.
    pub(super) fn sum(&mut self, now: Duration) -> f64 {
        // What was spent exactly a window ago has left it.
        while self.parts.front().is_some_and(|part| part.last + self.per <= now) {
            self.parts.pop_front();
        }
        if self.others.is_some_and(|(at, _)| at + self.per <= now) {
            self.others = None;
        }
        self.parts.iter().map(|part| part.credits).sum()
    }
}
