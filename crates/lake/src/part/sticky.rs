//! Columns whose value seldom changes from row to row, encoded as runs.
//!
//! Parquet stores such a column as a dictionary and run lengths. The library's encoder gets there
//! by hashing every value of every row, which for the dozen columns that are equal in thousands of
//! rows costs more than the compression of the record itself. This one compares a value with the one
//! before it. The page it writes is an ordinary one: a PLAIN dictionary and RLE_DICTIONARY indices.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// A value and how often it is repeated; no value is null.
type Run = (Option<u32>, u32);

/// What a distinct value takes in memory besides its bytes, which stand in the dictionary and in the
/// index: where it stands, and its slot in the index.
const VALUE_BYTES: usize = size_of::<std::ops::Range<usize>>() + 2 * size_of::<(Box<[u8]>, u32)>();

/// Values in one bit-packed run: as many as a header of one byte can count, which is what other
/// writers do and every reader has met.
const PACKED_VALUES: usize = 63 * 8;

/// Shorter runs than this, on average, are bit-packed.
const RUN_MIN: usize = 8;

/// Rows of one column and row group.
pub(super) struct Sticky {
    column: ColumnDescPtr,
    /// The values as PLAIN encodes them.
    dictionary: Vec<u8>,
    /// Where each value stands in `dictionary`.
    values: Vec<std::ops::Range<usize>>,
    index: HashMap<Box<[u8]>, u32>,
    runs: Vec<Run>,
    rows: u64,
    nulls: u64,
    bounded: bool,
}

impl Sticky {
    /// An empty column. `bounded` asks for its smallest and largest value.
    pub(super) fn new(column: ColumnDescPtr, bounded: bool) -> Self {
        Self {
            column,
            dictionary: Vec::new(),
            values: Vec::new(),
            index: HashMap::new(),
            runs: Vec::new(),
            rows: 0,
            nulls: 0,
            bounded,
        }
    }

    /// About how much memory it takes.
    pub(super) fn memory(&self) -> usize {
        2 * self.dictionary.len() + self.values.len() * VALUE_BYTES + self.runs.len() * size_of::<Run>()
    }

    /// Takes the rows of an array.
    pub(super) fn extend(&mut self, array: &ArrayRef) -> Result<()> {
        self.rows += array.len() as u64;
        self.nulls += array.null_count() as u64;
        if array.null_count() == array.len() {
            self.repeat(None, array.len() as u32);
            return Ok(());
        }
        match array.data_type() {
            DataType::Utf8 => {
                for value in array.as_string::<i32>() {
                    self.push(value.map(str::as_bytes));
                }
            }
            DataType::Int32 => {
                for value in array.as_primitive::<Int32Type>() {
                    self.push(value.map(i32::to_le_bytes).as_ref().map(<[u8; 4]>::as_slice));
                }
            }
            DataType::Int64 => {
                for value in array.as_primitive::<Int64Type>() {
                    self.push(value.map(i64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
                }
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                for value in array.as_primitive::<TimestampMicrosecondType>() {
                    self.push(value.map(i64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
                }
            }
            other => return Err(ParquetError::NYI(format!("runs of {other}"))),
        }
        Ok(())
    }

    fn push(&mut self, value: Option<&[u8]>) {
        let Some(value) = value else { return self.repeat(None, 1) };
        if let Some((Some(last), count)) = self.runs.last_mut()
            && self.dictionary[self.values[*last as usize].clone()] == *value
        {
            *count += 1;
            return;
        }
        let key = match self.index.get(value) {
            Some(key) => *key,
            None => self.learn(value),
        };
        self.runs.push((Some(key), 1));
    }

    fn learn(&mut self, value: &[u8]) -> u32 {
        if self.column.physical_type() == Type::BYTE_ARRAY {
            self.dictionary.extend_from_slice(&(value.len() as u32).to_le_bytes());
        }
        let start = self.dictionary.len();
        self.dictionary.extend_from_slice(value);
        let key = self.values.len() as u32;
        self.values.push(start..self.dictionary.len());
        self.index.insert(value.into(), key);
        key
    }

    fn repeat(&mut self, key: Option<u32>, times: u32) {
        match self.runs.last_mut() {
            Some((last, count)) if *last == key => *count += times,
            _ => self.runs.push((key, times)),
        }
    }

    /// The column chunk, as it goes into a row group.
    pub(super) fn close(self) -> Result<(Bytes, ColumnCloseResult)> {
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        let mut sizes = (0, 0);
        let mut dictionary_at = None;
        let mut encodings = vec![Encoding::RLE];
        if !self.values.is_empty() {
            let page = Page::DictionaryPage {
                buf: compress(&self.dictionary)?,
                num_values: self.values.len() as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let written = pages.write_page(CompressedPage::new(page, self.dictionary.len()))?;
            sizes = (written.compressed_size, written.uncompressed_size);
            dictionary_at = Some(written.offset as i64);
            encodings.push(Encoding::PLAIN);
        }
        let encoding = if self.values.is_empty() { Encoding::PLAIN } else { Encoding::RLE_DICTIONARY };
        encodings.push(encoding);
        let body = self.body();
        let page = Page::DataPage {
            buf: compress(&body)?,
            num_values: self.rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let data = pages.write_page(CompressedPage::new(page, body.len()))?;
        pages.close()?;
        let mut offsets = OffsetIndexBuilder::new();
        offsets.append_row_count(self.rows as i64);
        offsets.append_offset_and_size(data.offset as i64, data.compressed_size as i32);
        let mut metadata = ColumnChunkMetaData::builder(self.column.clone())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_encodings(encodings)
            .set_total_compressed_size((sizes.0 + data.compressed_size) as i64)
            .set_total_uncompressed_size((sizes.1 + data.uncompressed_size) as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(data.offset as i64)
            .set_dictionary_page_offset(dictionary_at);
        if let Some(statistics) = self.statistics() {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: (sizes.0 + data.compressed_size) as u64,
            rows_written: self.rows,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(offsets.build()),
        };
        Ok((sink.into_inner()?.into(), close))
    }

    /// Levels and indices of the one data page.
    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        if self.column.max_def_level() > 0 {
            let levels = self.runs.iter().map(|(key, count)| (u32::from(key.is_some()), *count));
            let levels = hybrid(levels, 1);
            body.extend_from_slice(&(levels.len() as u32).to_le_bytes());
            body.extend_from_slice(&levels);
        }
        if !self.values.is_empty() {
            let highest = self.values.len() as u32 - 1;
            // Some readers take a width of no bits for an error.
            let width = (u32::BITS - highest.leading_zeros()).max(1) as u8;
            body.push(width);
            let present = self.runs.iter().filter_map(|(key, count)| key.map(|key| (key, *count)));
            body.extend_from_slice(&hybrid(present, width));
        }
        body
    }

    fn statistics(&self) -> Option<Statistics> {
        if !self.bounded || self.values.is_empty() {
            return None;
        }
        let values = || self.values.iter().map(|range| &self.dictionary[range.clone()]);
        let nulls = Some(self.nulls);
        match self.column.physical_type() {
            Type::BYTE_ARRAY => {
                let owned = |value: Option<&[u8]>| value.map(|value| ByteArray::from(value.to_vec()));
                Some(Statistics::byte_array(owned(values().min()), owned(values().max()), None, nulls, false))
            }
            Type::INT64 => {
                let numbers =
                    || values().filter_map(|value| Some(i64::from_le_bytes(value.try_into().ok()?)));
                Some(Statistics::int64(numbers().min(), numbers().max(), None, nulls, false))
            }
            _ => None,
        }
    }
}

fn compress(bytes: &[u8]) -> Result<Bytes> {
    let level = ZstdLevel::default().compression_level();
    Ok(zstd::bulk::compress(bytes, level)?.into())
}

/// Values with repetitions in Parquet's hybrid of run lengths and bit packing. Neighbours may be
/// equal.
fn hybrid(values: impl Iterator<Item = (u32, u32)>, width: u8) -> Vec<u8> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (value, count) in values {
        match runs.last_mut() {
            Some((last, total)) if *last == value => *total += count,
            _ => runs.push((value, count)),
        }
    }
    let total: usize = runs.iter().map(|(_, count)| *count as usize).sum();
    if runs.len() * RUN_MIN > total { packed(&runs, total, width) } else { lengths(&runs, width) }
}

fn lengths(runs: &[(u32, u32)], width: u8) -> Vec<u8> {
    let bytes = usize::from(width.div_ceil(8));
    let mut out = Vec::with_capacity(runs.len() * (bytes + 2));
    for (value, count) in runs {
        let mut header = u64::from(*count) << 1;
        while header >= 0x80 {
            out.push((header as u8) | 0x80);
            header >>= 7;
        }
        out.push(header as u8);
        out.extend_from_slice(&value.to_le_bytes()[..bytes]);
    }
    out
}

fn packed(runs: &[(u32, u32)], total: usize, width: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(total * usize::from(width) / 8 + total / PACKED_VALUES + 16);
    let mut values = runs.iter().flat_map(|(value, count)| std::iter::repeat_n(*value, *count as usize));
    let mut left = total;
    while left > 0 {
        let here = left.min(PACKED_VALUES);
        let groups = here.div_ceil(8);
        out.push(((groups << 1) | 1) as u8);
        let (mut bits, mut held) = (0u64, 0);
        for _ in 0..groups * 8 {
            // The last group is filled up with anything.
            let value = values.next().unwrap_or_default();
            bits |= u64::from(value) << held;
            held += u32::from(width);
            while held >= 8 {
                out.push(bits as u8);
                bits >>= 8;
                held -= 8;
            }
        }
        left -= here;
    }
    out
}
