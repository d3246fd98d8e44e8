//! Records in, Parquet parts out. One appender a thread; nothing is visible until a commit.
//!
//! Each (doc type, day) has its own open part. Rows gather in Arrow columns, go to the part's
//! encoders in batches, and leave memory as row groups. [`Appender::finish`] makes every part
//! durable and hands over the list that [`crate::Writer::commit`] takes.

mod columns;

use std::collections::HashMap;

use stele_model::{DocType, Envelope, FileId, Micros, Residue};

use crate::civil;
use crate::error::{At, LakeError};
use crate::part::{PartInfo, PartWriter, Workshop, sync_names};
use crate::tables::Table;
use columns::{Common, EventRows, Origin, ResidueRows};

/// Rows go to the encoders when a partition holds this many bytes of them: enough to make a
/// batch worth its overhead, little enough to stay in the second-level cache.
const BATCH_BYTES: usize = 1 << 20;

/// …or this many rows, which bounds the columns that `BATCH_BYTES` does not count.
const BATCH_ROWS: usize = 8192;

/// A row group ends at this many encoded bytes. A reader that wants one row decodes no more.
const GROUP_BYTES: usize = 16 << 20;

/// An appender holds no more than about this. Two of them, with what reads and parses, have to fit
/// into 400 MB.
const MEMORY_BYTES_MAX: usize = 48 << 20;

/// A part ends at this size, so that a compaction never has to touch a larger file.
const PART_BYTES_MAX: usize = 512 << 20;

/// Parts that are open at a time: each costs one file handle and its encoders' buffers. Data in
/// order of time needs one or two a doc type.
const OPEN_PARTS_MAX: usize = 32;

/// The longest record or residue. Arrow counts the bytes of a batch, and Parquet those of a page, in
/// 32 bits with a sign.
const ROW_BYTES_MAX: usize = 1 << 30;

/// What all rows of an appender have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendContext {
    /// Whose data it is.
    pub tenant: String,
    /// The time that the rows carry as `ingested_at`.
    pub ingested_at: Micros,
}

/// The input that the next rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// Identity by content.
    pub file_id: FileId,
    /// Where it is read from.
    pub uri: String,
}

/// Durable parts that no commit has named yet. Dropping them leaves orphans, which
/// [`crate::doctor`] finds.
#[derive(Debug, Default)]
#[must_use]
pub struct Parts {
    pub(crate) tenant: String,
    pub(crate) events: Vec<PartInfo>,
    pub(crate) quarantine: Vec<PartInfo>,
}

impl Parts {
    /// Rows of all parts.
    pub fn rows(&self) -> u64 {
        self.events.iter().chain(&self.quarantine).map(|part| part.rows).sum()
    }

    /// Bytes of all parts on disk.
    pub fn bytes(&self) -> u64 {
        self.events.iter().chain(&self.quarantine).map(|part| part.bytes).sum()
    }
}

/// The day of a partition, and its doc type.
type Key = (DocType, Option<i32>);

/// Writes rows of one thread.
pub struct Appender {
    shop: Workshop,
    common: Common,
    origin: Option<Origin>,
    slots: Vec<Slot>,
    by_key: HashMap<Key, usize>,
    last: usize,
    residue: Option<(ResidueRows, PartWriter)>,
    done: Parts,
}

/// An open partition.
struct Slot {
    key: Key,
    rows: EventRows,
    writer: PartWriter,
    encoded: usize,
}

impl Slot {
    fn memory(&self) -> usize {
        self.rows.bytes() + self.encoded
    }
}

impl Appender {
    pub(crate) fn new(shop: Workshop, context: AppendContext) -> Self {
        Self {
            shop,
            done: Parts { tenant: context.tenant.clone(), ..Parts::default() },
            common: Common { tenant: context.tenant, ingested_at: context.ingested_at },
            origin: None,
            slots: Vec::new(),
            by_key: HashMap::new(),
            last: 0,
            residue: None,
        }
    }

    /// Says which input the next rows come from.
    pub fn set_file(&mut self, file: &FileRef) {
        if self.origin.as_ref().is_some_and(|origin| origin.file_id == file.file_id && origin.uri == file.uri)
        {
            return;
        }
        self.origin =
            Some(Origin { file_id: file.file_id, file_hex: file.file_id.to_string(), uri: file.uri.clone() });
    }

    /// Takes one record. `raw` is its exact text, without the `\n` that ends a line.
    ///
    /// # Errors
    ///
    /// When a part cannot be written. The appender is then good for nothing but dropping, and
    /// nothing of it was committed.
    pub fn record(
        &mut self,
        envelope: &Envelope<'_>,
        raw: &str,
        line_no: u64,
        byte_offset: u64,
    ) -> Result<(), LakeError> {
        check_length(raw.len(), byte_offset)?;
        let key = (envelope.doc_type, envelope.time.micros.and_then(civil::day_of));
        let index = match self.slots.get(self.last) {
            Some(slot) if slot.key == key => self.last,
            _ => self.slot(key)?,
        };
        self.last = index;
        let Some(origin) = &self.origin else { return Err(no_file()) };
        let Some(slot) = self.slots.get_mut(index) else { return Err(no_file()) };
        slot.rows.push(origin, envelope, raw, line_no, byte_offset);
        if slot.rows.bytes() >= BATCH_BYTES || slot.rows.rows() >= BATCH_ROWS {
            self.encode(index)?;
            self.keep_bounds()?;
        }
        Ok(())
    }

    /// Takes bytes that are no record.
    ///
    /// # Errors
    ///
    /// As [`Appender::record`].
    pub fn residue(&mut self, residue: &Residue<'_>) -> Result<(), LakeError> {
        check_length(residue.bytes.len(), residue.byte_offset)?;
        let Some(origin) = &self.origin else { return Err(no_file()) };
        let (rows, writer) = match &mut self.residue {
            Some(open) => open,
            none => {
                none.insert((ResidueRows::default(), PartWriter::create(&self.shop, Table::Quarantine, &[])?))
            }
        };
        rows.push(origin, residue);
        if rows.bytes() >= BATCH_BYTES || rows.rows() >= BATCH_ROWS {
            writer.write(&rows.take(&self.common).at("encode", &self.shop.data_dir)?)?;
            if writer.memory() >= GROUP_BYTES {
                writer.flush()?;
            }
        }
        Ok(())
    }

    /// About how much memory it holds.
    pub fn memory(&self) -> usize {
        let residue = self.residue.as_ref().map_or(0, |(rows, writer)| rows.bytes() + writer.memory());
        residue + self.slots.iter().map(Slot::memory).sum::<usize>()
    }

    /// Ends every part and makes it durable.
    ///
    /// # Errors
    ///
    /// As [`Appender::record`].
    pub fn finish(mut self) -> Result<Parts, LakeError> {
        while !self.slots.is_empty() {
            self.close(self.slots.len() - 1)?;
        }
        if let Some((mut rows, mut writer)) = self.residue.take() {
            writer.write(&rows.take(&self.common).at("encode", &self.shop.data_dir)?)?;
            self.done.quarantine.push(writer.finish()?);
        }
        sync_names(&self.shop, &self.done.events)?;
        sync_names(&self.shop, &self.done.quarantine)?;
        Ok(self.done)
    }

    fn slot(&mut self, key: Key) -> Result<usize, LakeError> {
        if let Some(&index) = self.by_key.get(&key) {
            return Ok(index);
        }
        if self.slots.len() >= OPEN_PARTS_MAX {
            let largest = (0..self.slots.len()).max_by_key(|&index| self.slots[index].writer.size());
            self.close(largest.unwrap_or_default())?;
        }
        let (doc_type, day) = key;
        let values = [Some(doc_type.name().to_owned()), day.map(civil::date)];
        let writer = PartWriter::create(&self.shop, Table::Events, &values)?;
        self.slots.push(Slot { key, rows: EventRows::default(), writer, encoded: 0 });
        self.by_key.insert(key, self.slots.len() - 1);
        Ok(self.slots.len() - 1)
    }

    /// Hands the gathered rows of a partition to its encoders.
    fn encode(&mut self, index: usize) -> Result<(), LakeError> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        if slot.rows.rows() > 0 {
            slot.writer.write(&slot.rows.take(&self.common).at("encode", &self.shop.data_dir)?)?;
        }
        slot.encoded = slot.writer.memory();
        if slot.encoded >= GROUP_BYTES {
            slot.writer.flush()?;
            slot.encoded = 0;
        }
        if slot.writer.size() >= PART_BYTES_MAX {
            self.close(index)?;
        }
        Ok(())
    }

    /// Frees memory until the bound holds, the largest partition first.
    fn keep_bounds(&mut self) -> Result<(), LakeError> {
        while self.memory() > MEMORY_BYTES_MAX {
            let Some(largest) = (0..self.slots.len()).max_by_key(|&index| self.slots[index].memory()) else {
                return Ok(());
            };
            self.encode(largest)?;
            let Some(slot) = self.slots.get_mut(largest) else { return Ok(()) };
            slot.writer.flush()?;
            slot.encoded = 0;
            if slot.memory() == 0 && self.slots.iter().all(|slot| slot.memory() == 0) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn close(&mut self, index: usize) -> Result<(), LakeError> {
        let mut slot = self.slots.swap_remove(index);
        self.by_key.remove(&slot.key);
        if let Some(moved) = self.slots.get(index) {
            self.by_key.insert(moved.key, index);
        }
        if slot.rows.rows() > 0 {
            slot.writer.write(&slot.rows.take(&self.common).at("encode", &self.shop.data_dir)?)?;
        }
        self.done.events.push(slot.writer.finish()?);
        Ok(())
    }
}

fn no_file() -> LakeError {
    LakeError::Invalid("an appender was given a row before it was told the file".to_owned())
}

fn check_length(bytes: usize, offset: u64) -> Result<(), LakeError> {
    if bytes > ROW_BYTES_MAX {
        let text = format!(
            "the line at byte {offset} has {bytes} bytes; the longest that a lake takes is {ROW_BYTES_MAX}"
        );
        return Err(LakeError::Invalid(text));
    }
    Ok(())
}
