//! Whether new work may begin: marks that are apart, so that it does not flutter. Nothing here measures.
//!
//! ```
//! # use std::time::Duration;
//! # use stele_jobs::{Mark, Pressure, Signal};
//! let mark = Mark { signal: Signal::SearchP95, high: 5.0, low: 2.0 };
//! let mut pressure = Pressure::new(vec![mark], Duration::from_secs(10))?;
//! assert!(pressure.update(&[(Signal::SearchP95, 6.0)], 0).is_some());
//! // Below the high mark, and not below the low one: it stays.
//! assert!(pressure.update(&[(Signal::SearchP95, 3.5)], 60_000_000).is_some());
//! assert!(pressure.update(&[(Signal::SearchP95, 1.5)], 61_000_000).is_none());
//! # Ok::<(), stele_jobs::JobsError>(())
//! ```

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stele_model::Micros;

use crate::error::JobsError;

/// What is measured. How many jobs wait is not among them: a worker that stopped for that would never get below it, and
/// whoever submits is refused by the queue itself when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Seconds that 95 of 100 writes to the index took at most.
    IndexWriteP95,
    /// Seconds that 95 of 100 searches took at most.
    SearchP95,
    /// Free bytes of the disk with the lake. Too few of them are too much pressure.
    DiskFree,
    /// Bytes of memory in use.
    Memory,
    /// Seconds that 95 of 100 writes to a store outside took at most.
    SinkP95,
    /// How many of the calls to stores outside fail, 0 to 1.
    SinkErrors,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 6] = [
        Signal::IndexWriteP95,
        Signal::SearchP95,
        Signal::DiskFree,
        Signal::Memory,
        Signal::SinkP95,
        Signal::SinkErrors,
    ];

    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Signal::IndexWriteP95 => "index_write_p95",
            Signal::SearchP95 => "search_p95",
            Signal::DiskFree => "disk_free",
            Signal::Memory => "memory",
            Signal::SinkP95 => "sink_p95",
            Signal::SinkErrors => "sink_errors",
        }
    }

    /// Whether there is too little of it rather than too much.
    fn falls(self) -> bool {
        self == Signal::DiskFree
    }

    fn say(self, value: f64) -> String {
        match self {
            Signal::DiskFree | Signal::Memory => bytes(value),
            Signal::SinkErrors => format!("{:.1} %", value * 100.0),
            Signal::IndexWriteP95 | Signal::SearchP95 | Signal::SinkP95 => format!("{value:.2} s"),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::IndexWriteP95 => "the index's write latency (p95)",
            Signal::SearchP95 => "the search latency (p95)",
            Signal::DiskFree => "the free disk space",
            Signal::Memory => "the memory in use",
            Signal::SinkP95 => "the sinks' write latency (p95)",
            Signal::SinkErrors => "the sinks' error rate",
        })
    }
}

/// Where a signal holds new work back, and where it lets it go on. For what there can be too little of, `high` is
/// where it is short and `low` where there is enough again, so `high` is the smaller number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Which signal, in its unit.
    pub signal: Signal,
    /// At this and beyond it, nothing new begins.
    pub high: f64,
    /// At this and on the good side of it, work begins again.
    pub low: f64,
}

/// Why nothing new begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldBack {
    /// Because of what.
    pub signal: Signal,
    /// What it measures now, in its unit.
    pub value: f64,
    /// Where it has to come to.
    pub low: f64,
    /// Since when nothing new begins.
    pub since: Micros,
    /// In words.
    pub reason: String,
}

/// Whether new work may begin, over time.
#[derive(Debug, Clone)]
pub struct Pressure {
    marks: Vec<Mark>,
    hold: Micros,
    held: Option<HeldBack>,
    /// Which marks were passed and not come back from.
    beyond: Vec<bool>,
}

impl Pressure {
    /// Nothing is held back yet. Once it is, it stays for `hold` at least.
    ///
    /// # Errors
    ///
    /// [`JobsError::Config`] if marks lie the wrong way round, are no numbers, or two are of one signal.
    pub fn new(marks: Vec<Mark>, hold: Duration) -> Result<Self, JobsError> {
        for (place, mark) in marks.iter().enumerate() {
            let wrong = |reason: String| Err(JobsError::Config { setting: mark.signal.name(), reason });
            let in_order = if mark.signal.falls() { mark.high < mark.low } else { mark.low < mark.high };
            if !in_order
                || !mark.high.is_finite()
                || !mark.low.is_finite()
                || mark.high < 0.0
                || mark.low < 0.0
            {
                let order = if mark.signal.falls() { "above" } else { "below" };
                return wrong(format!(
                    "low is {} and high is {}; low has to be {order} high",
                    mark.low, mark.high
                ));
            }
            if marks[..place].iter().any(|earlier| earlier.signal == mark.signal) {
                return wrong("it has two pairs of marks; one does".to_owned());
            }
        }
        let beyond = vec![false; marks.len()];
        let hold = Micros::try_from(hold.as_micros()).unwrap_or(Micros::MAX / 4);
        Ok(Self { marks, hold, held: None, beyond })
    }

    /// Takes over what was measured at this time. A signal that was not measured stays where it was: no news is no
    /// good news. Gives why nothing new begins, if so.
    pub fn update(&mut self, measured: &[(Signal, f64)], now: Micros) -> Option<&HeldBack> {
        let mut worst: Option<(Mark, f64)> = None;
        for (mark, beyond) in self.marks.iter().zip(&mut self.beyond) {
            let value = measured.iter().find(|(signal, _)| *signal == mark.signal).map(|(_, value)| *value);
            // What is no number was not measured.
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            *beyond = match mark.signal.falls() {
                true => value <= mark.high || (*beyond && value < mark.low),
                false => value >= mark.high || (*beyond && value > mark.low),
            };
            if *beyond && worst.is_none() {
                worst = Some((*mark, value));
            }
        }
        let since = self.held.as_ref().map_or(now, |held| held.since.min(now));
        if let Some((mark, value)) = worst {
            let reason = format!(
                "{} is at {}; it goes on at {}",
                mark.signal,
                mark.signal.say(value),
                mark.signal.say(mark.low)
            );
            self.held = Some(HeldBack { signal: mark.signal, value, low: mark.low, since, reason });
        } else if !self.beyond.contains(&true) && now - since >= self.hold {
            self.held = None;
        }
        self.held.as_ref()
    }

    /// Why nothing new begins, as of the last update.
    pub fn held_back(&self) -> Option<&HeldBack> {
        self.held.as_ref()
    }
}

fn bytes(value: f64) -> String {
    let mut value = value;
    for unit in ["B", "KiB", "MiB"] {
        if value < 1024.0 {
            return format!("{value:.0} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} GiB")
}
