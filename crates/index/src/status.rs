//! What there is: counts, coverage of the indexes, lag, bytes.

use crate::durable::bytes_below;
use crate::error::IndexError;
use crate::indexes::{self, Wanted};
use crate::maintain::lag;
use crate::pointer::Pointer;
use crate::reader::Reader;

/// One index of a table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Coverage {
    /// The column that it is of.
    pub column: String,
    /// What kind it is; none, if there are so few rows that scanning all of them is as fast.
    pub kind: Option<String>,
    /// Rows that it covers.
    pub covered: u64,
    /// Rows that questions scan.
    pub scanned: u64,
    /// Its bytes on disk.
    pub bytes: u64,
}

/// What a reader reads, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// Spec, checkpoint, rows, logical hash, versions.
    pub pointer: Pointer,
    /// Whether this is the index that answers when nobody names a model.
    pub answers: bool,
    /// One entry an index.
    pub coverage: Vec<Coverage>,
    /// Rows that some index should cover and does not.
    pub lag: u64,
    /// Rows that are deleted and still take room.
    pub dead_rows: u64,
    /// Files of rows.
    pub files: u64,
    /// Bytes of the version directory.
    pub bytes: u64,
}

impl Status {
    /// Whether the index holds vectors that mean something.
    pub fn is_semantic(&self) -> bool {
        self.pointer.spec.model.as_ref().is_some_and(|model| model.semantic)
    }
}

impl Reader {
    /// What this reader reads, in numbers.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub fn status(&self) -> Result<Status, IndexError> {
        let table = &self.table;
        let stats = table.home.call("read", &table.dir, table.lance.stats())?;
        let found = indexes::find(table)?;
        let wanted = Wanted::of(&self.pointer.spec);
        let coverage = wanted.iter().map(|wanted| {
            let index = found.iter().find(|index| index.name == wanted.name());
            let scanned = index.map_or(self.pointer.rows, |index| index.num_unindexed_rows.unwrap_or(0));
            Coverage {
                column: wanted.name().to_owned(),
                kind: index.map(|index| index.index_type.to_string()),
                covered: self.pointer.rows.saturating_sub(scanned),
                scanned,
                bytes: index.and_then(|index| index.size_bytes).unwrap_or(0),
            }
        });
        Ok(Status {
            answers: self.answers,
            coverage: coverage.collect(),
            lag: lag(&found, &wanted, self.pointer.rows),
            dead_rows: stats.num_deleted_rows.unwrap_or(0) as u64,
            files: stats.fragment_stats.num_fragments as u64,
            bytes: bytes_below(&table.dir)?,
            pointer: self.pointer.clone(),
        })
    }
}
