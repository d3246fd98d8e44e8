//! Numbers about a running service, in the text format of Prometheus.
//!
//! ```text
//! worker, watcher, search ─► Metrics ─► text ◄─ scrape
//!            lake, queue ──────┘ (read when they are asked for)
//! ```
//!
//! What the lake and the queue know is read from them at every scrape, so it outlives a restart. What only
//! happens (a search, the end of a job, a stage of it) is counted here. Labels come from closed lists or are bounded in
//! number: a name that a stranger makes up cannot grow the text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Series of one family: beyond it a label has become data, and what is new is counted under `other`.
const SERIES_MAX: usize = 100;

/// Bytes of the value of a label.
const LABEL_BYTES_MAX: usize = 120;

/// Upper bounds of the buckets for answers, in seconds: from what a cached page takes to the limit of a call.
const ANSWER_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Upper bounds of the buckets for stages of jobs, in seconds: from one small file to a night.
const STAGE_SECONDS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 36000.0];

/// How a family is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    /// A number whose name the conventions keep for others.
    Untyped,
    Histogram(Bounds),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bounds {
    Answer,
    Stage,
}

impl Bounds {
    fn seconds(self) -> &'static [f64] {
        match self {
            Self::Answer => ANSWER_SECONDS,
            Self::Stage => STAGE_SECONDS,
        }
    }
}

macro_rules! families {
    ($($variant:ident $name:literal $kind:expr, $labels:expr, $help:literal;)*) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each says in its help text what it is")]
        pub enum Family { $($variant),* }

        impl Family {
            /// All of them, in the order in which they are written.
            pub const ALL: &[Family] = &[$(Family::$variant),*];

            /// As Prometheus knows it.
            pub const fn name(self) -> &'static str {
                match self { $(Family::$variant => $name),* }
            }

            const fn kind(self) -> Kind {
                match self { $(Family::$variant => $kind),* }
            }

            /// The names of its labels.
            pub const fn labels(self) -> &'static [&'static str] {
                match self { $(Family::$variant => $labels),* }
            }

            const fn help(self) -> &'static str {
                match self { $(Family::$variant => $help),* }
            }
        }
    };
}

families! {
    QueueDepth "ingest_queue_depth" Kind::Gauge, &["state"], "Jobs in the queue by state.";
    OldestWaiting "ingest_queue_oldest_seconds" Kind::Gauge, &[], "How long the oldest job that a worker could take now has waited.";
    Watchers "ingest_watchers_count" Kind::Untyped, &[], "Watchers that run.";
    Paused "ingest_backpressure_paused" Kind::Gauge, &[], "1 while no new job starts because of back-pressure.";
    Jobs "ingest_jobs_total" Kind::Counter, &["status"], "Jobs that ended since the service started, by how they ended.";
    Stage "ingest_stage_seconds" Kind::Histogram(Bounds::Stage), &["stage"], "Time that jobs spent in a stage.";
    Records "ingest_records_total" Kind::Counter, &["outcome"], "Records and lines that were read, by what became of them.";
    Bytes "ingest_bytes_total" Kind::Counter, &[], "Content bytes that were read.";
    Quarantined "ingest_quarantined_total" Kind::Counter, &["reason"], "Rejected lines that are kept in quarantine, by reason.";
    Drift "ingest_index_drift_ratio" Kind::Gauge, &[], "Texts by which index and lake differ, as a share, as the last comparison found it.";
    IndexPending "ingest_index_pending_records" Kind::Gauge, &[], "Records that the lake has and the index does not know yet.";
    Sink "ingest_sink_latency_seconds" Kind::Histogram(Bounds::Answer), &["sink"], "Time of one batch that a copy outside was sent.";
    Search "search_seconds" Kind::Histogram(Bounds::Answer), &["arm"], "Time of a search by the arm that was asked.";
    Requests "http_requests_total" Kind::Counter, &["route", "status"], "Requests that were answered, by route and status.";
    RequestTime "http_request_seconds" Kind::Histogram(Bounds::Answer), &["route"], "Time until a request was answered.";
    Connections "http_connections" Kind::Gauge, &[], "Connections that are open.";
    LakeRecords "lake_records" Kind::Gauge, &[], "Records in the lake now.";
    LakeVersion "lake_version" Kind::Gauge, &[], "Version of the lake.";
    DiskFree "disk_free_bytes" Kind::Gauge, &[], "Bytes that are free where the lake is.";
    Ready "stele_ready" Kind::Gauge, &[], "1 while the service is ready for queries.";
    Uptime "stele_uptime_seconds" Kind::Gauge, &[], "Time since the service started.";
}

#[derive(Debug, Clone)]
enum Value {
    Number(f64),
    Histogram { counts: Vec<u64>, sum: f64, count: u64 },
}

/// The numbers of one tenant. Every part of a service that does something tells it here.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<BTreeMap<Family, BTreeMap<Vec<String>, Value>>>);

impl Metrics {
    /// Adds to a counter.
    pub fn add(&self, family: Family, labels: &[&str], more: f64) {
        self.change(family, labels, |value| {
            if let Value::Number(number) = value {
                *number += more;
            }
        });
    }

    /// Sets a number that is known elsewhere.
    pub fn set(&self, family: Family, labels: &[&str], to: f64) {
        self.change(family, labels, |value| {
            if let Value::Number(number) = value {
                *number = to;
            }
        });
    }

    /// Adds a duration to a histogram.
    pub fn observe(&self, family: Family, labels: &[&str], time: Duration) {
        let Kind::Histogram(bounds) = family.kind() else { return };
        let seconds = time.as_secs_f64();
        self.change(family, labels, |value| {
            if let Value::Histogram { counts, sum, count } = value {
                *sum += seconds;
                *count += 1;
                for (bound, counted) in bounds.seconds().iter().zip(counts.iter_mut()) {
                    *counted += u64::from(seconds <= *bound);
                }
            }
        });
    }

    /// Forgets the series of a family: what is set next is all there is.
    pub fn clear(&self, family: Family) {
        self.lock().remove(&family);
    }

    /// The value of a counter or a gauge, or how often a histogram was added to; 0 where nothing was told.
    pub fn value(&self, family: Family, labels: &[&str]) -> f64 {
        let labels: Vec<String> = labels.iter().map(|label| label_of(label)).collect();
        match self.lock().get(&family).and_then(|series| series.get(&labels)) {
            Some(Value::Number(number)) => *number,
            Some(Value::Histogram { count, .. }) => *count as f64,
            None => 0.0,
        }
    }

    /// The sum over all series of a family; of a histogram, how often it was added to.
    pub fn total(&self, family: Family) -> f64 {
        let value = |value: &Value| match value {
            Value::Number(number) => *number,
            Value::Histogram { count, .. } => *count as f64,
        };
        self.lock().get(&family).into_iter().flat_map(|series| series.values()).map(value).sum()
    }

    /// The time below which a share of what a histogram was told lies, over all its series, as far as its
    /// buckets tell.
    pub fn quantile(&self, family: Family, share: f64) -> Option<Duration> {
        let Kind::Histogram(bounds) = family.kind() else { return None };
        let mut all = vec![0; bounds.seconds().len()];
        let mut total = 0;
        for value in self.lock().get(&family)?.values() {
            if let Value::Histogram { counts, count, .. } = value {
                all.iter_mut().zip(counts).for_each(|(sum, more)| *sum += more);
                total += count;
            }
        }
        let wanted = (total as f64 * share).ceil() as u64;
        let found = all.iter().position(|count| *count >= wanted.max(1))?;
        (total > 0).then(|| Duration::from_secs_f64(bounds.seconds()[found]))
    }

    fn change(&self, family: Family, labels: &[&str], change: impl FnOnce(&mut Value)) {
        debug_assert_eq!(labels.len(), family.labels().len(), "{}", family.name());
        let mut all = self.lock();
        let series = all.entry(family).or_default();
        let mut labels: Vec<String> = labels.iter().map(|label| label_of(label)).collect();
        if series.len() >= SERIES_MAX && !series.contains_key(&labels) {
            labels.iter_mut().for_each(|label| *label = "other".to_owned());
        }
        change(series.entry(labels).or_insert_with(|| match family.kind() {
            Kind::Histogram(bounds) => {
                Value::Histogram { counts: vec![0; bounds.seconds().len()], sum: 0.0, count: 0 }
            }
            _ => Value::Number(0.0),
        }));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Family, BTreeMap<Vec<String>, Value>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything in the text format. Families that were told nothing have their head all the same, so
    /// that a dashboard finds their names.
    pub fn text(&self) -> String {
        let all = self.lock();
        let mut text = String::new();
        for family in Family::ALL.iter().copied() {
            let kind = match family.kind() {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Untyped => "untyped",
                Kind::Histogram(_) => "histogram",
            };
            let name = family.name();
            // Writing to a text does not fail.
            let _ = write!(text, "# HELP {name} {}\n# TYPE {name} {kind}\n", family.help());
            let series = all.get(&family);
            if series.is_none() && family.labels().is_empty() && !matches!(family.kind(), Kind::Histogram(_))
            {
                let _ = writeln!(text, "{name} 0");
            }
            for (labels, value) in series.into_iter().flatten() {
                write_series(&mut text, family, labels, value);
            }
        }
        text
    }
}

fn write_series(text: &mut String, family: Family, labels: &[String], value: &Value) {
    let name = family.name();
    let own = pairs(family, labels);
    let braces = if own.is_empty() { String::new() } else { format!("{{{own}}}") };
    match value {
        Value::Number(number) => {
            let _ = writeln!(text, "{name}{braces} {number}");
        }
        Value::Histogram { counts, sum, count } => {
            let Kind::Histogram(bounds) = family.kind() else { return };
            let comma = if own.is_empty() { "" } else { "," };
            for (bound, counted) in bounds.seconds().iter().zip(counts) {
                let _ = writeln!(text, "{name}_bucket{{{own}{comma}le=\"{bound}\"}} {counted}");
            }
            let _ = write!(
                text,
                "{name}_bucket{{{own}{comma}le=\"+Inf\"}} {count}\n{name}_sum{braces} {sum}\n{name}_count{braces} {count}\n"
            );
        }
    }
}

/// The labels of a series as they stand between its braces, made once for all its lines.
fn pairs(family: Family, labels: &[String]) -> String {
    let mut text = String::new();
    for (name, value) in family.labels().iter().zip(labels) {
        let comma = if text.is_empty() { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{comma}{name}=\"{value}\"");
    }
    text
}

/// A value of a label: what came from a recording is cut, and stays on its line.
fn label_of(value: &str) -> String {
    let mut end = value.len().min(LABEL_BYTES_MAX);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Family, Metrics, SERIES_MAX};

    #[test]
    fn numbers_are_written_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        metrics.add(Family::Jobs, &["done"], 2.0);
        metrics.add(Family::Jobs, &["done"], 1.0);
        metrics.set(Family::Quarantined, &["a \"b\"\\\n"], 4.0);
        metrics.observe(Family::Search, &["hybrid"], Duration::from_millis(20));
        let text = metrics.text();
        for line in [
            "# TYPE ingest_jobs_total counter",
            "ingest_jobs_total{status=\"done\"} 3",
            "ingest_quarantined_total{reason=\"a \\\"b\\\"\\\\ \"} 4",
            "search_seconds_bucket{arm=\"hybrid\",le=\"0.01\"} 0",
            "search_seconds_bucket{arm=\"hybrid\",le=\"0.025\"} 1",
            "search_seconds_bucket{arm=\"hybrid\",le=\"+Inf\"} 1",
            "search_seconds_sum{arm=\"hybrid\"} 0.02",
            "search_seconds_count{arm=\"hybrid\"} 1",
            "ingest_watchers_count 0",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
        assert_eq!(metrics.quantile(Family::Search, 0.95), Some(Duration::from_millis(25)));
        assert_eq!(metrics.quantile(Family::Stage, 0.95), None);
    }

    #[test]
    fn made_up_labels_do_not_grow_it() {
        let metrics = Metrics::default();
        for number in 0..10_000 {
            metrics.add(Family::Quarantined, &[&format!("reason {number}")], 1.0);
        }
        let lines =
            metrics.text().lines().filter(|line| line.starts_with("ingest_quarantined_total{")).count();
        assert_eq!(lines, SERIES_MAX + 1);
        assert_eq!(metrics.value(Family::Quarantined, &["other"]), (10_000 - SERIES_MAX) as f64);
    }
}
