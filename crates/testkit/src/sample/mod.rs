//! A made-up Socket.IO protocol, recorded in many formats, with the answers.
//!
//! One seed gives the same bytes on every machine, at any size, in bounded memory. Beside the
//! recordings stand `expected.paths.tsv`, the catalogue that every correct reader arrives at, and
//! `expected.json`, the facts of each file; both are counted while writing, not by reading back.
//!
//! The protocol has what real ones bite with: traces, acknowledgements, several arguments, keys
//! that are data, unions, nulls that become objects, dotted and empty keys, variants in one array,
//! complete games repeated in every state, a key that the very last record shows first; and, on
//! request, every kind of damage.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! use stele_testkit::sample::{Plan, write};
//! let sample = write(&Plan { seed: 7, bytes: 100_000, damage: true }, dir.path())?;
//! assert!(sample.records() > 100);
//! assert!(sample.recordings.join("quay_raw.jsonl.gz").exists());
//! # Ok::<(), std::io::Error>(())
//! ```

mod auction;
mod book;
mod damage;
mod formats;
mod sheet;
pub(crate) mod time;
mod tree;
mod words;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

pub use book::Book;
pub use sheet::FileFacts;
pub use tree::{Style, Tree, decimal, map, object};

use auction::Auction;
use sheet::Sheet;
use time::{SECOND, file_stamp, noon};

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// Bytes of content in all files together, met within a few per cent above 1 MB.
    pub bytes: u64,
    /// Whether to add damaged files.
    pub damage: bool,
}

/// A sample that has been written, and what is to be found in it.
#[derive(Debug)]
pub struct Sample {
    /// The directory that holds the recordings and nothing else.
    pub recordings: PathBuf,
    /// Every file, in the order of its path.
    pub files: Vec<FileFacts>,
    /// The expected catalogue.
    pub book: Book,
}

/// Largest recording: a size at which real recorders turn over.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// Most tick recordings: more would measure the opening of files.
const GAME_FILES_MAX: u64 = 24;

/// Largest single document: documents are exports of something small.
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;

/// Bytes of the file with `\r\n` line ends.
const CRLF_BYTES: u64 = 20_000;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Raw { farewell: bool },
    RawGzip,
    Cdp,
    Games,
    Sink,
    Golden,
    Feed,
    Document,
    Har,
    Empty,
    Mixed,
    CarriageReturns,
}

impl Kind {
    fn format(self) -> &'static str {
        match self {
            Kind::Raw { .. } | Kind::RawGzip | Kind::Empty | Kind::Mixed | Kind::CarriageReturns => "F1",
            Kind::Cdp => "F2",
            Kind::Games => "F4",
            Kind::Sink => "F6",
            Kind::Golden => "F9",
            Kind::Feed => "F11",
            Kind::Document => "F15",
            Kind::Har => "har",
        }
    }
}

/// Writes the sample below `dir`: `recordings/…`, `expected.paths.tsv` and `expected.json`.
///
/// # Errors
///
/// Whatever the file system reports.
pub fn write(plan: &Plan, dir: &Path) -> io::Result<Sample> {
    let recordings = dir.join("recordings");
    let mut book = Book::default();
    let mut files = Vec::new();
    for (index, (path, kind, budget)) in layout(plan).into_iter().enumerate() {
        files.push(write_file(plan, index as u64, &recordings, path, kind, budget, &mut book)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let sample = Sample { recordings, files, book };
    fs::write(dir.join("expected.paths.tsv"), sample.book.tsv())?;
    fs::write(dir.join("expected.json"), sample.json(plan))?;
    Ok(sample)
}

/// Which files there are and how large each is to be.
fn layout(plan: &Plan) -> Vec<(String, Kind, u64)> {
    let share = |percent: u64| plan.bytes * percent / 100;
    let parts = |bytes: u64, least: u64| bytes.div_ceil(FILE_BYTES_MAX).max(least);
    let mut files = Vec::new();
    let raws = parts(share(44), 2);
    for index in 0..raws {
        let name = format!("{}_raw.jsonl", file_stamp(start(files.len() as u64)));
        files.push((name, Kind::Raw { farewell: index + 1 == raws }, share(44) / raws));
    }
    let cdps = parts(share(22), 1);
    for _ in 0..cdps {
        let name = format!("{}_cdp.jsonl", file_stamp(start(files.len() as u64)));
        files.push((name, Kind::Cdp, share(22) / cdps));
    }
    let games = (share(14) / (256 << 10)).clamp(3, GAME_FILES_MAX);
    for index in 0..games {
        files.push((format!("games/game_{index:03}.jsonl"), Kind::Games, share(14) / games));
    }
    files.push(("quay_raw.jsonl.gz".to_owned(), Kind::RawGzip, share(8)));
    files.push(("golden/hour.jsonl".to_owned(), Kind::Golden, share(5)));
    files.push(("feed/export.jsonl".to_owned(), Kind::Feed, share(4)));
    files.push(("sink.jsonl".to_owned(), Kind::Sink, share(2)));
    files.push(("document.json".to_owned(), Kind::Document, share(1).min(DOCUMENT_BYTES_MAX)));
    files.push(("browser.har".to_owned(), Kind::Har, share(1).min(DOCUMENT_BYTES_MAX)));
    files.push(("empty_raw.jsonl".to_owned(), Kind::Empty, 0));
    if plan.damage {
        files.push(("damaged/mixed_raw.jsonl".to_owned(), Kind::Mixed, 0));
        files.push(("damaged/crlf_raw.jsonl".to_owned(), Kind::CarriageReturns, CRLF_BYTES));
    }
    files
}

/// When recording `index` starts: a week apart from the eve of a change of clocks.
fn start(index: u64) -> time::Micros {
    noon(2024, 3, 9) + index as i64 * 7 * 86_400 * SECOND
}

fn write_file(
    plan: &Plan,
    index: u64,
    recordings: &Path,
    path: String,
    kind: Kind,
    budget: u64,
    book: &mut Book,
) -> io::Result<FileFacts> {
    let target = recordings.join(&path);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = BufWriter::new(fs::File::create(&target)?);
    let gzip = matches!(kind, Kind::RawGzip);
    let facts = FileFacts {
        path: format!("recordings/{path}"),
        format: kind.format(),
        compression: if gzip { "gzip" } else { "none" },
        ..FileFacts::default()
    };
    let out: Box<dyn io::Write> = if gzip {
        Box::new(flate2::GzBuilder::new().mtime(0).write(file, flate2::Compression::fast()))
    } else {
        Box::new(file)
    };
    let mut sheet = Sheet::new(out, book, facts);
    let auction = &mut Auction::new(plan.seed, index, start(index));
    match kind {
        Kind::Raw { farewell } => formats::raw(&mut sheet, auction, budget, farewell)?,
        Kind::RawGzip => formats::raw(&mut sheet, auction, budget, false)?,
        Kind::Cdp => formats::cdp(&mut sheet, auction, budget)?,
        Kind::Games => formats::games(&mut sheet, auction, budget)?,
        Kind::Sink => formats::sink(&mut sheet, auction, budget)?,
        Kind::Golden => formats::golden(&mut sheet, auction, budget)?,
        Kind::Feed => formats::feed(&mut sheet, auction, budget)?,
        Kind::Document => formats::document(&mut sheet, auction, budget)?,
        Kind::Har => formats::har(&mut sheet, auction, budget)?,
        Kind::Empty => {}
        Kind::Mixed => damage::mixed(&mut sheet, auction)?,
        Kind::CarriageReturns => damage::carriage_returns(&mut sheet, auction, budget)?,
    }
    sheet.finish()
}

impl Sample {
    /// Accepted records of all files.
    pub fn records(&self) -> u64 {
        self.files.iter().map(|file| file.records).sum()
    }

    /// Rejected lines of all files.
    pub fn quarantined(&self) -> u64 {
        self.files.iter().map(|file| file.quarantined).sum()
    }

    /// Content bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Content bytes of rejected lines.
    pub fn bytes_quarantine(&self) -> u64 {
        self.files.iter().map(|file| file.bytes_quarantine).sum()
    }

    fn json(&self, plan: &Plan) -> String {
        let mut out = String::new();
        let _ = write!(
            out,
            "{{\n\"seed\": {}, \"damage\": {},\n\"records\": {}, \"quarantined\": {}, \"bytes\": {}, \
             \"bytes_quarantine\": {}, \"nodes\": {},\n\"events\": {},\n\"files\": [\n",
            plan.seed,
            plan.damage,
            self.records(),
            self.quarantined(),
            self.bytes(),
            self.bytes_quarantine(),
            self.files.iter().map(|file| file.nodes).sum::<u64>(),
            self.book.records_json(),
        );
        let files: Vec<String> = self.files.iter().map(|file| format!("  {}", file.json())).collect();
        let _ = writeln!(out, "{}\n]\n}}", files.join(",\n"));
        out
    }
}
