//! The logical hash: one number for what an index holds, whatever order it was built in.
//!
//! It is the sum, modulo 2^256, of the BLAKE3 hashes of its rows. A sum does not depend on order,
//! and a row can be taken out again, so it is kept up to date with every write and costs nothing to
//! ask for; `verify` computes it anew from the table. It covers ids, texts and metadata. It does not
//! cover vectors, whose last bits depend on the number of threads that made them: those are compared
//! to [`crate::VECTOR_PRECISION`].

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stele_model::{Chunk, ChunkId};

/// Bytes of one row's hash.
pub(crate) const ROW_HASH_BYTES: usize = 32;

/// The hash of one row: its id, text and metadata, each part with its length in front.
pub(crate) type RowHash = [u8; ROW_HASH_BYTES];

/// Tells apart what is stored of two chunks with one id: half of the hash of id, text and metadata. That
/// much is enough for what nobody forges, and a build holds one for each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHash([u8; ROW_HASH_BYTES / 2]);

/// An id, and what stands under it.
pub type Identified = (ChunkId, ChunkHash);

impl ChunkHash {
    /// The hash of a chunk.
    pub fn of(chunk: &Chunk) -> Self {
        Self::of_row(&row_hash(chunk))
    }

    pub(crate) fn of_row(row: &RowHash) -> Self {
        let mut half = [0; ROW_HASH_BYTES / 2];
        half.copy_from_slice(&row[..ROW_HASH_BYTES / 2]);
        Self(half)
    }
}

/// Hashes what is stored of a chunk, apart from its vector and what follows from the rest.
pub(crate) fn row_hash(chunk: &Chunk) -> RowHash {
    let metadata = &chunk.metadata;
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: Option<&[u8]>| {
        // Absent and empty differ.
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        hasher.update(&length.to_le_bytes());
        hasher.update(bytes.unwrap_or_default());
    };
    part(Some(&chunk.id.0));
    part(Some(chunk.text.as_bytes()));
    for word in
        [metadata.kind.name(), &metadata.source, &metadata.doc_type, &metadata.tenant, &metadata.title]
    {
        part(Some(word.as_bytes()));
    }
    for word in [&metadata.event_type, &metadata.path, &metadata.game_id, &metadata.place] {
        part(word.as_deref().map(str::as_bytes));
    }
    part(metadata.ts.map(i64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
    part(metadata.line.map(u64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
    part(metadata.byte_offset.map(u64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
    if let Some(section) = &metadata.section {
        part(Some(section.as_bytes()));
        part(metadata.part.map(u64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
        metadata.tags.iter().for_each(|tag| part(Some(tag.as_bytes())));
    }
    *hasher.finalize().as_bytes()
}

/// A sum of row hashes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct LogicalHash([u64; 4]);

impl LogicalHash {
    /// Puts a row in.
    pub(crate) fn add(&mut self, row: &RowHash) {
        let mut carry = false;
        for (limb, more) in self.0.iter_mut().zip(limbs(row)) {
            let (sum, first) = limb.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }

    /// Takes a row out.
    pub(crate) fn remove(&mut self, row: &RowHash) {
        let mut borrow = false;
        for (limb, less) in self.0.iter_mut().zip(limbs(row)) {
            let (rest, first) = limb.overflowing_sub(less);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (rest, first || second);
        }
    }
}

fn limbs(row: &RowHash) -> impl Iterator<Item = u64> {
    row.chunks_exact(8).map(|bytes| {
        let mut limb = [0; 8];
        limb.copy_from_slice(bytes);
        u64::from_le_bytes(limb)
    })
}

impl fmt::Display for LogicalHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

impl fmt::Debug for LogicalHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LogicalHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogicalHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("expected 64 hexadecimal digits");
        let mut bytes = stele_model::id::from_hex::<ROW_HASH_BYTES>(&text).ok_or_else(wrong)?;
        bytes.reverse();
        let mut hash = Self::default();
        hash.add(&bytes);
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::{LogicalHash, RowHash};

    fn row(byte: u8) -> RowHash {
        [byte; 32]
    }

    #[test]
    fn a_sum_knows_no_order_and_a_row_can_be_taken_out() {
        let mut one = LogicalHash::default();
        let mut two = LogicalHash::default();
        [0xff, 0x01, 0xfe].iter().for_each(|byte| one.add(&row(*byte)));
        [0xfe, 0xff, 0x77, 0x01].iter().for_each(|byte| two.add(&row(*byte)));
        assert_ne!(one, two);
        two.remove(&row(0x77));
        assert_eq!(one, two);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<LogicalHash>(&text).unwrap(), one);
        [0xff, 0x01, 0xfe].iter().for_each(|byte| one.remove(&row(*byte)));
        assert_eq!(one, LogicalHash::default());
    }
}
