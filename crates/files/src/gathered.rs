//! What goes with the next batch, and of which file each of it is: one that is frozen takes nothing of the others along.

use std::sync::Arc;

use serde_json::Value;
use stele_collect::{BATCH_BYTES, Batch, CollectError, Rejected, Sink};

use crate::archive::is_within;

/// See the module.
#[derive(Default)]
pub(crate) struct Gathered {
    batch: Batch,
    rejected_bytes: usize,
    /// The file at hand.
    file: Arc<str>,
    /// Of which file each of `batch.rejected` and `batch.others` is.
    rejected_of: Vec<Arc<str>>,
    others_of: Vec<Arc<str>>,
}

impl Gathered {
    /// What follows is of this file; of none if it has no name.
    pub(crate) fn file(&mut self, name: &str) {
        self.file = name.into();
    }

    pub(crate) fn row(&mut self, number: u64, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.batch.lines);
        self.batch.places.push(&self.file, number);
        self.batch.records += 1;
    }

    pub(crate) fn set_aside(&mut self, rejected: Rejected) {
        self.rejected_bytes += rejected.raw.len();
        self.batch.rejected.push(rejected);
        self.rejected_of.push(Arc::clone(&self.file));
    }

    /// Where something goes on when the batch is kept; `null` begins it anew.
    pub(crate) fn goes_on(&mut self, name: String, cursor: Value) {
        self.batch.others.push((name, cursor));
        self.others_of.push(Arc::clone(&self.file));
    }

    pub(crate) fn records(&self) -> u64 {
        self.batch.records
    }

    /// How many cursors there are.
    pub(crate) fn others(&self) -> usize {
        self.batch.others.len()
    }

    /// Whether a cursor of this file is here.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.others_of.iter().any(|of| **of == *name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.records == 0 && self.batch.others.is_empty() && self.batch.rejected.is_empty()
    }

    pub(crate) fn is_full(&self, records: u64) -> bool {
        self.batch.records + self.batch.rejected.len() as u64 >= records
            || self.batch.lines.len() + self.rejected_bytes >= BATCH_BYTES
    }

    /// All of it; what follows is of the same file.
    pub(crate) fn take(&mut self) -> Self {
        let next = Self { file: Arc::clone(&self.file), ..Self::default() };
        std::mem::replace(self, next)
    }

    /// Hands over what there is; gives how many records that were. If one of them is not as its schema has it, nothing is
    /// kept and all of it is here again.
    pub(crate) fn hand_over(&mut self, stream: &str, sink: &mut dyn Sink) -> Result<u64, CollectError> {
        let records = self.batch.records;
        let batch = Batch { stream: stream.to_owned(), ..std::mem::take(&mut self.batch) };
        sink.take(batch).map(|()| records).map_err(|mut error| {
            if let CollectError::Frozen { batch, .. } = &mut error {
                self.batch = std::mem::take(&mut **batch);
            }
            error
        })
    }

    /// Takes out everything of the file that a record is of, also how far the archive has come that it is in; gives the name
    /// of the file, and the place of the record.
    pub(crate) fn remove_file_of(&mut self, record: usize) -> Option<(String, String)> {
        let place = self.batch.places.of(record)?;
        let (name, records) = self.batch.places.file_of(record)?;
        let name = name.to_owned();
        let mut ends =
            self.batch.lines.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let start = records.start.checked_sub(1).map_or(Some(0), |before| ends.nth(before))?;
        let end = ends.nth(records.len() - 1)?;
        self.batch.lines.drain(start..end);
        self.batch.records -= records.len() as u64;
        self.batch.places.remove(records);
        let is_of_it = |of: &str| of == name || is_within(&name, of);
        let mut others = self.others_of.iter();
        self.batch.others.retain(|_| others.next().is_none_or(|of| !is_of_it(of)));
        self.others_of.retain(|of| !is_of_it(of));
        let mut rejected = self.rejected_of.iter();
        self.batch.rejected.retain(|_| rejected.next().is_none_or(|of| !is_of_it(of)));
        self.rejected_of.retain(|of| !is_of_it(of));
        Some((name, place))
    }
}
