//! The parts of one appender that are under way, one a (doc type, day), and the bounds on them.
//!
//! Records come in order of time as a rule, and then a few parts are open. Records whose days jump
//! about are gathered in memory by day, and only what is large enough goes to a file.

use std::collections::HashMap;

use stele_model::{DocType, Envelope};

use super::columns::{Common, EventRows, Origin};
use crate::error::{At, LakeError};
use crate::part::{GROUP_BYTES, PartInfo, PartWriter, Workshop};
use crate::tables::Table;
use stele_model::civil;

/// Rows go to the encoders when a partition holds this many bytes of them: enough to make a
/// batch worth its overhead, little enough to stay in the second-level cache.
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// …or this many rows, which bounds the columns that `BATCH_BYTES` does not count.
pub(super) const BATCH_ROWS: usize = 8192;

/// An appender holds no more than about this. Two of them, with what reads and parses, have to fit
/// into 400 MB.
const MEMORY_BYTES_MAX: usize = 48 << 20;

/// What a partition takes in memory without a row. It bounds the number of partitions too.
const SLOT_BYTES: usize = 16 << 10;

/// A part ends at this size, so that a compaction never has to touch a larger file.
const PART_BYTES_MAX: usize = 512 << 20;

/// Files that are open at a time: each costs a handle and its encoders' buffers. Data in order of
/// time needs one or two a doc type.
const OPEN_FILES_MAX: usize = 32;

/// A doc type and a day.
type Key = (DocType, Option<i32>);

/// A partition with rows in memory, in its file, or both.
struct Slot {
    key: Key,
    rows: EventRows,
    writer: Option<PartWriter>,
    encoded: usize,
}

impl Slot {
    fn memory(&self) -> usize {
        SLOT_BYTES + self.rows.bytes() + self.encoded
    }

    fn written(&self) -> usize {
        self.writer.as_ref().map_or(0, PartWriter::size)
    }
}

/// The partitions of one appender.
pub(super) struct Partitions {
    shop: Workshop,
    common: Common,
    slots: Vec<Slot>,
    by_key: HashMap<Key, usize>,
    /// The slot of the row before: mostly that of the next one too.
    last: usize,
    memory: usize,
    files: usize,
    done: Vec<PartInfo>,
}

impl Partitions {
    pub(super) fn new(shop: Workshop, common: Common) -> Self {
        Self {
            shop,
            common,
            slots: Vec::new(),
            by_key: HashMap::new(),
            last: 0,
            memory: 0,
            files: 0,
            done: Vec::new(),
        }
    }

    pub(super) fn push(
        &mut self,
        origin: &Origin,
        row: &Envelope<'_>,
        raw: &str,
        line_no: u64,
        byte_offset: u64,
    ) -> Result<(), LakeError> {
        let key = (row.doc_type, row.time.micros.and_then(civil::day_of));
        if self.slots.get(self.last).is_none_or(|slot| slot.key != key) {
            self.last = self.find(key);
        }
        let slot = &mut self.slots[self.last];
        self.memory += slot.rows.push(origin, row, raw, line_no, byte_offset);
        if slot.rows.bytes() >= BATCH_BYTES || slot.rows.rows() >= BATCH_ROWS {
            self.encode(self.last)?;
        }
        if self.memory > MEMORY_BYTES_MAX {
            self.free()?;
        }
        Ok(())
    }

    /// Ends every part and makes its bytes durable.
    pub(super) fn finish(mut self) -> Result<Vec<PartInfo>, LakeError> {
        while !self.slots.is_empty() {
            self.close(self.slots.len() - 1)?;
        }
        Ok(self.done)
    }

    fn find(&mut self, key: Key) -> usize {
        let next = self.slots.len();
        let index = *self.by_key.entry(key).or_insert(next);
        if index == next {
            self.slots.push(Slot { key, rows: EventRows::new(), writer: None, encoded: 0 });
            self.memory += SLOT_BYTES;
        }
        index
    }

    /// Hands the gathered rows of a partition to its encoders.
    fn encode(&mut self, index: usize) -> Result<(), LakeError> {
        let slot = &mut self.slots[index];
        self.memory -= slot.memory();
        let encoded = encode(&self.shop, &self.common, slot, &mut self.files);
        self.memory += slot.memory();
        encoded?;
        if slot.written() >= PART_BYTES_MAX {
            self.close(index)?;
        }
        if self.files > OPEN_FILES_MAX
            && let Some(largest) = (0..self.slots.len()).max_by_key(|&index| self.slots[index].written())
        {
            self.close(largest)?;
        }
        Ok(())
    }

    /// Frees memory, the largest partition first, until half of the bound is free: a search through
    /// all of them is then worth it.
    fn free(&mut self) -> Result<(), LakeError> {
        let mut by_size: Vec<(usize, Key)> =
            self.slots.iter().map(|slot| (slot.memory(), slot.key)).collect();
        by_size.sort_unstable();
        while self.memory > MEMORY_BYTES_MAX / 2
            && let Some((size, key)) = by_size.pop()
        {
            let Some(&index) = self.by_key.get(&key) else { continue };
            if size < 2 * SLOT_BYTES {
                self.close(index)?;
                continue;
            }
            self.encode(index)?;
            if let Some(&index) = self.by_key.get(&key) {
                let slot = &mut self.slots[index];
                self.memory -= slot.encoded;
                slot.encoded = 0;
                slot.writer.as_mut().map_or(Ok(()), PartWriter::flush)?;
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
        self.memory -= slot.memory();
        encode(&self.shop, &self.common, &mut slot, &mut self.files)?;
        if let Some(writer) = slot.writer {
            self.files -= 1;
            self.done.push(writer.finish()?);
        }
        Ok(())
    }
}

fn encode(shop: &Workshop, common: &Common, slot: &mut Slot, files: &mut usize) -> Result<(), LakeError> {
    if slot.rows.rows() == 0 {
        return Ok(());
    }
    let writer = match &mut slot.writer {
        Some(writer) => writer,
        none => {
            let (doc_type, day) = slot.key;
            let values = [Some(doc_type.name().to_owned()), day.map(civil::date)];
            *files += 1;
            none.insert(PartWriter::create(shop, Table::Events, &values)?)
        }
    };
    writer.write(&slot.rows.take(common).at("encode", &shop.data_dir)?)?;
    slot.encoded = writer.memory();
    if slot.encoded >= GROUP_BYTES {
        writer.flush()?;
        slot.encoded = 0;
    }
    Ok(())
}
