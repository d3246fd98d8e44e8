//! The pieces of an input in the order in which they stand there: records, and what is none.
//!
//! Whatever goes over an input again starts here: replay, which puts the pieces together, and
//! counting, which looks into them.

use std::collections::HashMap;
use std::path::Path;

use arrow::array::{AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use stele_model::{FileId, ResidueClass};

use crate::error::LakeError;
use crate::part::PartInfo;
use crate::rows::Columns;
use crate::runs::{self, Merge, Run};
use crate::snapshot::Snapshot;

/// A piece of an input, as the lake holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Line of the first byte, counted from 1.
    pub line_no: u64,
    /// Content offset of the first byte.
    pub byte_offset: u64,
    /// The bytes, without the `\n` that ends a line.
    pub bytes: &'a [u8],
    /// What they are.
    pub kind: PieceKind<'a>,
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind<'a> {
    /// A record.
    Record {
        /// Its event type.
        event_type: &'a str,
    },
    /// Bytes that are none.
    Residue {
        /// Why they are kept.
        class: ResidueClass,
        /// What is wrong, for a rejected line.
        reason: &'a str,
        /// Content offset where reading stopped, for a rejected line.
        error_at: Option<u64>,
    },
}

/// Where the pieces of inputs are.
pub struct PieceIndex {
    parts: Vec<PartInfo>,
    runs: HashMap<String, Vec<Run>>,
}

/// The columns that a piece is made from. Those that only one of the two tables has are looked for
/// where they are.
const COLUMNS: &[&str] =
    &["line_no", "byte_offset", "byte_len", "event_type", "raw", "class", "reason", "error_at", "bytes"];

/// The columns that are needed where only the bytes matter.
const BYTES: &[&str] = &["byte_offset", "byte_len", "raw", "bytes"];

impl PieceIndex {
    /// The pieces of one input.
    ///
    /// # Errors
    ///
    /// When a part cannot be read.
    pub fn of_one(snapshot: &Snapshot, input: FileId) -> Result<Self, LakeError> {
        Self::search(snapshot, Some(&input.to_string()))
    }

    /// The pieces of all inputs, found in one pass.
    ///
    /// # Errors
    ///
    /// When a part cannot be read.
    pub fn of_all(snapshot: &Snapshot) -> Result<Self, LakeError> {
        Self::search(snapshot, None)
    }

    fn search(snapshot: &Snapshot, only: Option<&str>) -> Result<Self, LakeError> {
        let parts: Vec<PartInfo> =
            snapshot.event_parts().iter().chain(snapshot.quarantine_parts()).cloned().collect();
        let mut found: HashMap<String, Vec<Run>> = HashMap::new();
        for index in 0..parts.len() {
            for run in runs::find(&parts, index, only)? {
                match found.get_mut(&run.file_id) {
                    Some(runs) => runs.push(run),
                    None => drop(found.insert(run.file_id.clone(), vec![run])),
                }
            }
        }
        Ok(Self { parts, runs: found })
    }

    /// Hands the pieces of an input to `take`, in order.
    ///
    /// # Errors
    ///
    /// When a part cannot be read or is not what a part should be, or whatever `take` returns.
    pub fn each<E: From<LakeError>>(
        &self,
        input: FileId,
        mut take: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.merge(input, COLUMNS).each(|batch, rows, part| {
            let stretch = Stretch::of(batch, self.path(part))?;
            for row in rows {
                let (byte_offset, bytes) = stretch.at(row)?;
                let line_no = stretch.columns.long("line_no", row)?;
                take(Piece { line_no, byte_offset, bytes, kind: stretch.kind(row)? })?;
            }
            Ok(())
        })
    }

    /// Hands offset and bytes of the pieces of an input to `take`, in order.
    pub(crate) fn each_bytes(
        &self,
        input: FileId,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        self.merge(input, BYTES).each(|batch, rows, part| {
            let stretch = Stretch::of(batch, self.path(part))?;
            for row in rows {
                let (offset, bytes) = stretch.at(row)?;
                take(offset, bytes)?;
            }
            Ok(())
        })
    }

    fn merge(&self, input: FileId, columns: &'static [&'static str]) -> Merge<'_> {
        Merge::new(&self.parts, columns, self.runs.get(&input.to_string()).cloned().unwrap_or_default())
    }

    fn path(&self, part: usize) -> &Path {
        self.parts.get(part).map_or(Path::new(""), |part| part.path.as_path())
    }
}

/// Where pieces are, and their bytes: `raw` of events, `bytes` of residues.
struct Stretch<'a> {
    columns: Columns<'a>,
    offsets: &'a Int64Array,
    lengths: &'a Int64Array,
    raw: Option<&'a StringArray>,
    bytes: Option<&'a BinaryArray>,
}

impl<'a> Stretch<'a> {
    fn of(batch: &'a RecordBatch, path: &'a Path) -> Result<Self, LakeError> {
        let columns = Columns { batch, path };
        let bytes = batch.column_by_name("bytes").and_then(|bytes| bytes.as_binary_opt());
        let raw = if bytes.is_some() { None } else { Some(columns.texts("raw")?) };
        let (offsets, lengths) = (columns.longs("byte_offset")?, columns.longs("byte_len")?);
        Ok(Self { columns, offsets, lengths, raw, bytes })
    }

    /// Offset and bytes of a piece.
    fn at(&self, row: usize) -> Result<(u64, &'a [u8]), LakeError> {
        let offset = self.offsets.value(row).max(0) as u64;
        let bytes = match (self.raw, self.bytes) {
            (Some(raw), _) => raw.value(row).as_bytes(),
            (None, Some(bytes)) => bytes.value(row),
            (None, None) => &[],
        };
        if self.lengths.value(row) != bytes.len() as i64 {
            return Err(self.columns.bad(&format!("the row at byte {offset} is not as long as it says")));
        }
        Ok((offset, bytes))
    }

    /// What a piece is.
    fn kind(&self, row: usize) -> Result<PieceKind<'a>, LakeError> {
        if self.bytes.is_none() {
            return Ok(PieceKind::Record { event_type: self.columns.text("event_type", row)? });
        }
        let class = self.columns.text("class", row)?;
        let unknown = || self.columns.bad(&format!("there is no class {class}"));
        Ok(PieceKind::Residue {
            class: ResidueClass::from_name(class).ok_or_else(unknown)?,
            reason: self.columns.maybe_text("reason", row)?.unwrap_or_default(),
            error_at: self.columns.maybe_long("error_at", row)?,
        })
    }
}
