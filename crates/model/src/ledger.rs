//! Where every byte and every line went.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Totals that must add up. A line's `\n` belongs to the line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Content bytes read.
    pub bytes_in: u64,
    /// Of these, bytes of records, of the control lines, blank lines and fillers around them, and of
    /// documents.
    pub bytes_lake: u64,
    /// Of these, bytes of rejected lines.
    pub bytes_quarantine: u64,
    /// Lines read. A last line without `\n` is a line.
    pub lines: u64,
    /// Accepted records.
    pub records: u64,
    /// Rejected lines or document parts.
    pub quarantined: u64,
    /// Control lines.
    pub control: u64,
    /// Blank lines.
    pub blank: u64,
    /// JSON values below the root, over all records: what the catalogue counts.
    pub nodes: u64,
}

impl Ledger {
    /// Whether every byte is accounted for.
    pub fn balances(&self) -> bool {
        self.bytes_in == self.bytes_lake + self.bytes_quarantine
    }
}

impl AddAssign for Ledger {
    fn add_assign(&mut self, other: Self) {
        self.bytes_in += other.bytes_in;
        self.bytes_lake += other.bytes_lake;
        self.bytes_quarantine += other.bytes_quarantine;
        self.lines += other.lines;
        self.records += other.records;
        self.quarantined += other.quarantined;
        self.control += other.control;
        self.blank += other.blank;
        self.nodes += other.nodes;
    }
}
