//! Reads a table whole and says how fast that was: `measure URL TABLE CURSOR|- [FILE]`. Records go to a file, if one is
//! named, as they would go into a lake. One line of JSON comes out.

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use stele_collect::{Batch, CollectError, Collector, Cursors, Means, Sink};
use stele_http::{Still, never};
use stele_model::time::FixedClock;
use stele_tables::{TableCollector, TablesConfig};

/// Ticks of a second in `/proc/self/stat`, on every Linux that there is.
const TICKS: f64 = 100.0;

#[derive(Default)]
struct Counted {
    records: u64,
    bytes: u64,
    file: Option<File>,
}

impl Sink for Counted {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        Ok(Cursors::default())
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        self.records += batch.records;
        self.bytes += batch.lines.len() as u64;
        match &mut self.file {
            Some(file) => file.write_all(&batch.lines).map_err(|error| CollectError::Sink(error.into())),
            None => Ok(()),
        }
    }
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "it is what the example is for")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, table, cursor, rest @ ..] = arguments.as_slice() else {
        eprintln!("measure URL TABLE CURSOR|- [FILE]");
        return ExitCode::FAILURE;
    };
    match measured(url, table, cursor, rest.first().map(String::as_str)) {
        Ok(said) => println!("{said}"),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measured(
    url: &str,
    table: &str,
    cursor: &str,
    file: Option<&str>,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut settings = json!({"connection_string": url, "table": table});
    if cursor != "-" {
        settings["incremental"] = json!({"cursor": cursor, "missing": "exclude"});
    }
    let config: TablesConfig = serde_json::from_value(settings)?;
    let mut collector = TableCollector::new("measure", config, &|_| None)?;
    let mut sink = Counted { file: file.map(File::create).transpose()?, ..Counted::default() };
    let clock = FixedClock(0);
    let means = Means {
        clock: &clock,
        pace: Arc::new(Still::default()),
        cancelled: &never,
        progress: &|_, _| (),
        fetching: stele_collect::Stopwatch::default(),
        watch: &(),
    };
    let (started, cpu_before) = (Instant::now(), cpu_seconds()?);
    let collected = collector.collect(&Cursors::default(), &mut sink, &means)?;
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds()? - cpu_before);
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let outcome: Vec<String> =
        collected.streams.iter().map(|stream| format!("{:?}", stream.outcome)).collect();
    let rows = sink.records as f64;
    Ok(json!({
        "outcome": outcome.join(" "),
        "rows": sink.records,
        "bytes": sink.bytes,
        "seconds": wall,
        "cpu_seconds": cpu,
        "rows_per_second": (rows / wall) as u64,
        "rows_per_cpu_second": (rows / cpu) as u64,
        "peak_rss": peak.trim(),
    })
    .to_string())
}

/// Seconds that all threads of this process have worked, in the system, too.
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may have anything in it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(12) + ticks(13)) / TICKS)
}
