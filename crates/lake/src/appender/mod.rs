//! Records in, Parquet parts out. One appender a thread; nothing is visible until a commit.
//!
//! Each (doc type, day) has its own part. Rows gather in Arrow columns, go to the part's encoders in
//! batches, and leave memory as row groups. [`Appender::finish`] makes every part durable and hands
//! over the list that [`crate::Writer::commit`] takes.

mod columns;
mod partitions;

use stele_model::{Envelope, FileId, Micros, Residue};

use crate::error::{At, LakeError};
use crate::part::{GROUP_BYTES, PartInfo, PartWriter, Workshop, sync_names};
use crate::tables::Table;
use columns::{Common, Origin, ResidueRows};
use partitions::{BATCH_BYTES, BATCH_ROWS, Partitions};

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

/// Writes rows of one thread.
pub struct Appender {
    shop: Workshop,
    common: Common,
    origin: Option<Origin>,
    events: Partitions,
    residue: Option<(ResidueRows, PartWriter)>,
}

impl Appender {
    pub(crate) fn new(shop: Workshop, context: AppendContext) -> Self {
        let common = Common { tenant: context.tenant, ingested_at: context.ingested_at };
        Self {
            events: Partitions::new(shop.clone(), common.clone()),
            shop,
            common,
            origin: None,
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
        let Some(origin) = &self.origin else { return Err(no_file()) };
        self.events.push(origin, envelope, raw, line_no, byte_offset)
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
                none.insert((ResidueRows::new(), PartWriter::create(&self.shop, Table::Quarantine, &[])?))
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

    /// Ends every part and makes it durable.
    ///
    /// # Errors
    ///
    /// As [`Appender::record`].
    pub fn finish(mut self) -> Result<Parts, LakeError> {
        let mut parts = Parts { events: self.events.finish()?, quarantine: Vec::new() };
        if let Some((mut rows, mut writer)) = self.residue.take() {
            writer.write(&rows.take(&self.common).at("encode", &self.shop.data_dir)?)?;
            parts.quarantine.push(writer.finish()?);
        }
        sync_names(&self.shop, &parts.events)?;
        sync_names(&self.shop, &parts.quarantine)?;
        Ok(parts)
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
