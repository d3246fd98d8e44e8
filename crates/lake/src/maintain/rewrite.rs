//! A part made from rows of other parts.

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, sum};

use crate::error::{At, LakeError};
use crate::part::{GROUP_BYTES, PartInfo, PartWriter, Workshop};
use crate::rows::Columns;
use crate::tables::Table;

/// Rows that are gathered before they go to the encoders…
const BATCH_ROWS: usize = 1024;

/// …or bytes of their texts, which may be long.
const BATCH_BYTES: i64 = 1 << 20;

/// Takes rows of one partition and writes them as one part. No row, no part.
pub(crate) struct Rewriter<'a> {
    shop: &'a Workshop,
    table: Table,
    values: Vec<Option<String>>,
    gathered: Vec<RecordBatch>,
    rows: usize,
    bytes: i64,
    writer: Option<PartWriter>,
}

impl<'a> Rewriter<'a> {
    /// Starts a part of the partition that `like` is in.
    pub(crate) fn new(shop: &'a Workshop, table: Table, like: &PartInfo) -> Self {
        let values = table.partitions().iter().map(|name| like.partition(name).map(str::to_owned)).collect();
        Self { shop, table, values, gathered: Vec::new(), rows: 0, bytes: 0, writer: None }
    }

    /// Takes rows that were read from `path`.
    pub(crate) fn take(&mut self, batch: &RecordBatch, path: &Path) -> Result<(), LakeError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = conform(self.table, batch, path)?;
        self.rows += batch.num_rows();
        self.bytes += sum(Columns { batch: &batch, path }.longs("byte_len")?).unwrap_or_default();
        self.gathered.push(batch);
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.encode() } else { Ok(()) }
    }

    fn encode(&mut self) -> Result<(), LakeError> {
        let batch =
            concat_batches(&self.table.part_schema(), &self.gathered).at("encode", &self.shop.data_dir)?;
        self.gathered.clear();
        (self.rows, self.bytes) = (0, 0);
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(PartWriter::create(self.shop, self.table, &self.values)?),
        };
        writer.write(&batch)?;
        if writer.memory() >= GROUP_BYTES {
            writer.flush()?;
        }
        Ok(())
    }

    /// Ends the part and makes its bytes durable.
    pub(crate) fn finish(mut self) -> Result<Option<PartInfo>, LakeError> {
        self.encode()?;
        self.writer.map(PartWriter::finish).transpose()
    }
}

/// The columns of a batch as the table has them: another program may have put them in another order.
fn conform(table: Table, batch: &RecordBatch, path: &Path) -> Result<RecordBatch, LakeError> {
    let schema = table.part_schema();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column = batch.column_by_name(field.name()).cloned();
        columns.push(column.ok_or_else(|| LakeError::CorruptPart {
            path: path.to_path_buf(),
            detail: format!("there is no column {}", field.name()),
        })?);
    }
    RecordBatch::try_new(schema, columns).at("read", path)
}
