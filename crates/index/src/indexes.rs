//! The indexes of a table: which there are, how they are made, and how much they cover.
//!
//! Rows that an index does not cover are scanned by every question, so answers are complete whatever
//! state the indexes are in. They are for speed.

use lancedb::DistanceType;
use lancedb::index::scalar::{BTreeIndexBuilder, FtsIndexBuilder};
use lancedb::index::vector::IvfSqIndexBuilder;
use lancedb::index::{Index as LanceIndex, IndexConfig};

use crate::columns::{ID, TERMS, TEXT, TEXT_HASH, VECTOR};
use crate::error::IndexError;
use crate::pointer::Spec;
use crate::table::Table;

/// Rows from which vectors get an index. Below it all of them are compared, which is exact and takes
/// a few milliseconds.
pub(crate) const VECTOR_ROWS_MIN: u64 = 5_000;

/// Rows from which ids and text hashes get an index. Below it a scan is as fast.
const SCALAR_ROWS_MIN: u64 = 5_000;

/// Vectors of one partition. A question compares all vectors of the partitions that it looks into, so
/// up to some 100,000 vectors it compares nearly all of them, compressed, in 20 milliseconds.
const ROWS_PER_PARTITION: u32 = 4_096;

/// Longest word of the text index. Longer runs of letters are blobs and not words.
const WORD_BYTES_MAX: usize = 64;

/// Memory in which a text index is built, in MiB; what does not fit is written as a part of its own, which
/// a question asks besides. The library's own bound of two gigabytes a worker is none for an index that
/// is made beside everything else. Texts of 100,000 records take about this much.
const WORDS_BUILD_MEMORY_MB_MAX: u64 = 64;

/// How texts are cut: English stems, lower case, letters without accents, no stop words. Positions
/// are left out: they double the index, and no question here asks for phrases.
pub(crate) fn text_params() -> FtsIndexBuilder {
    FtsIndexBuilder::default()
        .with_position(false)
        .lower_case(true)
        .stem(true)
        .remove_stop_words(true)
        .ascii_folding(true)
        .max_token_length(Some(WORD_BYTES_MAX))
}

/// How terms are cut: at blanks, and nothing else is done to them, because that was done already.
pub(crate) fn terms_params() -> FtsIndexBuilder {
    FtsIndexBuilder::default()
        .base_tokenizer("whitespace".to_owned())
        .with_position(false)
        .lower_case(true)
        .stem(false)
        .remove_stop_words(false)
        .ascii_folding(true)
        .max_token_length(None)
}

/// One index that a table should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Text,
    Terms,
    Id,
    TextHash,
    Vector,
}

impl Wanted {
    /// Those of a table that is made so.
    pub(crate) fn of(spec: &Spec) -> Vec<Self> {
        let mut wanted = vec![Self::Text, Self::Terms, Self::Id];
        if spec.model.is_some() {
            wanted.extend([Self::TextHash, Self::Vector]);
        }
        wanted
    }

    /// Its name, which is that of its column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => TEXT,
            Self::Terms => TERMS,
            Self::Id => ID,
            Self::TextHash => TEXT_HASH,
            Self::Vector => VECTOR,
        }
    }

    /// Rows from which it is worth having.
    pub(crate) fn rows_min(self) -> u64 {
        match self {
            // They say how texts are cut, so the table has them from its first moment.
            Self::Text | Self::Terms => 0,
            Self::Id | Self::TextHash => SCALAR_ROWS_MIN,
            Self::Vector => VECTOR_ROWS_MIN,
        }
    }

    /// Rows that may be left uncovered before it is worth the work to add them.
    pub(crate) fn tail_max(self, rows: u64) -> u64 {
        // A scan of a twentieth costs no more than the search of the rest.
        (rows / 20).max(256)
    }

    /// Whether it is of words. What is added to such an index is built without the bound on memory that
    /// its making has.
    pub(crate) fn is_of_words(self) -> bool {
        matches!(self, Self::Text | Self::Terms)
    }

    /// The failpoint before it is made or added to.
    pub(crate) fn point(self) -> &'static str {
        match self {
            Self::Text => "index.maintain.text",
            Self::Terms => "index.maintain.terms",
            Self::Id => "index.maintain.id",
            Self::TextHash => "index.maintain.text_hash",
            Self::Vector => "index.maintain.vector",
        }
    }

    /// Makes it of all rows, in the place of an older one.
    pub(crate) fn create(self, table: &Table, rows: u64) -> Result<(), IndexError> {
        let index = match self {
            Self::Text => LanceIndex::FTS(text_params().memory_limit_mb(WORDS_BUILD_MEMORY_MB_MAX)),
            Self::Terms => LanceIndex::FTS(terms_params().memory_limit_mb(WORDS_BUILD_MEMORY_MB_MAX)),
            Self::Id | Self::TextHash => LanceIndex::BTree(BTreeIndexBuilder::default()),
            // Eight bits a number. A graph on top (HNSW) takes ten times as long to build and is not
            // faster at these sizes; the product quantiser takes a hundred times as long.
            Self::Vector => LanceIndex::IvfSq(
                IvfSqIndexBuilder::default()
                    .distance_type(DistanceType::Cosine)
                    .num_partitions(partitions(rows)),
            ),
        };
        let name = self.name();
        let build = table.lance.create_index(&[name], index).name(name.to_owned()).replace(true);
        table.home.call("build an index of", &table.dir, build.execute())
    }
}

fn partitions(rows: u64) -> u32 {
    u32::try_from(rows.div_ceil(u64::from(ROWS_PER_PARTITION))).unwrap_or(u32::MAX).max(1)
}

/// What is known of an index of a table.
pub(crate) fn find(table: &Table) -> Result<Vec<IndexConfig>, IndexError> {
    table.home.call("list the indexes of", &table.dir, table.lance.list_indices())
}
