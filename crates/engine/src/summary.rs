//! What an ingest came to, as plain data.

use std::collections::BTreeMap;

use serde::Serialize;
use stele_model::error::in_full;
use stele_model::{ErrorKind, FileEntry, Ledger};
use stele_sources::SourceError;

use crate::worker::ClockChanges;

/// What an ingest came to. The first fields are the totals of the command line's last line.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct IngestSummary {
    /// Inputs that were met.
    pub files: u64,
    /// Records that were added.
    pub records: u64,
    /// Lines that were rejected and are kept in quarantine.
    pub quarantined: u64,
    /// Content bytes that were read into the lake.
    pub bytes_in: u64,
    /// Of these, bytes of records and what stands around them.
    pub bytes_lake: u64,
    /// Of these, bytes of rejected lines.
    pub bytes_quarantine: u64,
    /// Of the inputs, documents that were read.
    pub documents: u64,
    /// Documents that are not there any more: what they said is kept, and is not shown.
    pub removed: u64,
    /// Inputs whose content was in the lake already.
    pub duplicates: u64,
    /// Inputs whose content was there and that are filed under other tags than before.
    pub tagged: u64,
    /// Inputs that went on where an earlier run stopped.
    pub resumed: u64,
    /// Control lines, such as comments that the format defines.
    pub control: u64,
    /// Blank lines.
    pub blank: u64,
    /// JSON values below the roots of the records.
    pub nodes: u64,
    /// Records whose time the clocks of the declared zone showed twice; it is read as the first
    /// showing.
    pub times_repeated: u64,
    /// Records whose time they never showed; it is read with the offset before the gap.
    pub times_skipped: u64,
    /// Time from start to end.
    pub seconds: f64,
    /// The lake's version after the run; `None` if there is no lake.
    pub lake_version: Option<u64>,
    /// Whether somebody asked to stop before the end.
    pub cancelled: bool,
    /// Inputs that could not be read to their end.
    pub failures: Vec<InputFailure>,
    /// Things in the directories that are not inputs, with the reason.
    pub skipped: Vec<InputFailure>,
    /// What was asked for and had no effect, in words.
    pub notes: Vec<String>,
}

/// An input that failed, with the reason and what was kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InputFailure {
    /// The input.
    pub uri: String,
    /// Why, and what was kept.
    pub reason: String,
    /// Whether the same may work later although nobody changes an input: a disk or a service that did not answer,
    /// a file that was away.
    #[serde(skip)]
    pub passing: bool,
}

impl InputFailure {
    pub(crate) fn of(uri: &str, error: &SourceError) -> Self {
        let passing = error.kind() == ErrorKind::Retry;
        Self { uri: uri.to_owned(), reason: in_full(error), passing }
    }
}

impl IngestSummary {
    pub(crate) fn add(&mut self, ledger: &Ledger) {
        self.records += ledger.records;
        self.quarantined += ledger.quarantined;
        self.bytes_in += ledger.bytes_in;
        self.bytes_lake += ledger.bytes_lake;
        self.bytes_quarantine += ledger.bytes_quarantine;
        self.control += ledger.control;
        self.blank += ledger.blank;
        self.nodes += ledger.nodes;
    }

    /// Takes over what a worker counted besides the ledgers.
    pub(crate) fn add_changes(&mut self, changes: ClockChanges) {
        self.times_repeated += changes.repeated;
        self.times_skipped += changes.skipped;
    }
}

/// What is to be noted about inputs: each note once, with the first of its inputs and their number.
#[derive(Debug, Default)]
pub(crate) struct Notes(BTreeMap<String, (String, u64)>);

impl Notes {
    /// Notes that `entry` is in the lake and was not read in the way that is asked for now.
    pub(crate) fn read_before(&mut self, entry: &FileEntry, zone: Option<&str>, format: Option<&str>) {
        let mut was = |what: &str, asked: Option<&str>, known: Option<&str>| {
            let Some(asked) = asked.filter(|asked| Some(*asked) != known) else { return };
            let known = known.unwrap_or("none");
            self.add(
                &entry.uri,
                format!(
                    "what was ingested before keeps its {what} ({known}, not {asked}); to read it with \
                     {asked}, remove it with lake prune --source and ingest it again"
                ),
            );
        };
        was("time zone", zone, entry.timezone.as_deref());
        was("format", format, Some(&entry.format));
    }

    /// Notes that a document had been read before it was written to its end.
    pub(crate) fn was_in_part(&mut self, before: &FileEntry) {
        if before.ledger.quarantined > 0 {
            let note = "it was read before it was whole, and what was cut in two then stays in quarantine; to \
                        read it as a whole, remove it with lake prune --source and ingest it again";
            self.add(&before.uri, note.to_owned());
        }
    }

    /// Notes that a format that was asked for has found nothing in `entry`.
    pub(crate) fn nothing_found(&mut self, entry: &FileEntry, format: &str) {
        let Ledger { records, quarantined, control, .. } = entry.ledger;
        if entry.bytes_done > 0 && records + quarantined + control == 0 {
            let note = format!(
                "read as {format}, it holds no record; its bytes are kept as they are; without \
                 --force-format the format is recognised"
            );
            self.add(&entry.uri, note);
        }
    }

    fn add(&mut self, uri: &str, note: String) {
        self.0.entry(note).or_insert_with(|| (uri.to_owned(), 0)).1 += 1;
    }

    pub(crate) fn texts(self) -> Vec<String> {
        let text = |(note, (uri, count)): (String, (String, u64))| match count {
            1 => format!("{uri}: {note}"),
            count => format!("{uri} and {} more: {note}", count - 1),
        };
        self.0.into_iter().map(text).collect()
    }
}
