//! Residues that a commit takes back: the unfinished last line of an input that has grown since.
//!
//! What stood in quarantine as the beginning of a line comes again, as part of the whole line. The
//! parts that hold the beginning are written again without it, in the same anchored commit that
//! brings the line, so no reader ever sees both or neither.

use std::collections::HashMap;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use stele_model::FileId;

use super::rewrite::Rewriter;
use crate::delta::Change;
use crate::error::{At, LakeError};
use crate::part::{PartInfo, Workshop, sync_names};
use crate::reader::PartReader;
use crate::rows::Columns;
use crate::tables::Table;

/// Takes back the rows of these inputs that begin at these content offsets or after them.
pub(crate) fn withdraw(
    shop: &Workshop,
    parts: &[PartInfo],
    withdrawn: &[(FileId, u64)],
    change: &mut Change,
) -> Result<(), LakeError> {
    let mut wanted: HashMap<String, u64> = HashMap::new();
    for (file, from) in withdrawn {
        let least = wanted.entry(file.to_string()).or_insert(*from);
        *least = (*least).min(*from);
    }
    let schema = Table::Quarantine.part_schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    for part in parts.iter().filter(|part| wanted.keys().any(|file| part.stats.may_hold(file))) {
        let reader = PartReader::open(&part.path)?;
        // Few parts that may hold such a row do, and residues can be long: their bytes are read
        // only if the part has to be written again.
        let mut gone = 0;
        for batch in reader.rows(&part.path, &["file_id", "byte_offset"], 0..reader.row_count())? {
            gone += staying(&batch.at("read", &part.path)?, part, &wanted)?.false_count();
        }
        if gone == 0 {
            continue;
        }
        let mut rewriter = Rewriter::new(shop, Table::Quarantine, part);
        for batch in reader.rows(&part.path, &names, 0..reader.row_count())? {
            let batch = batch.at("read", &part.path)?;
            let stays = staying(&batch, part, &wanted)?;
            let kept = filter_record_batch(&batch, &stays).at("read", &part.path)?;
            rewriter.take(&kept, &part.path)?;
        }
        let rewritten: Vec<PartInfo> = rewriter.finish()?.into_iter().collect();
        sync_names(shop, &rewritten)?;
        change.removes.push(part.clone());
        change.adds.extend(rewritten);
    }
    Ok(())
}

/// Which rows of a batch are not taken back.
fn staying(
    batch: &RecordBatch,
    part: &PartInfo,
    wanted: &HashMap<String, u64>,
) -> Result<BooleanArray, LakeError> {
    let columns = Columns { batch, path: &part.path };
    let (files, offsets) = (columns.texts("file_id")?, columns.longs("byte_offset")?);
    let stays = |row| {
        let offset = offsets.value(row).max(0) as u64;
        wanted.get(files.value(row)).is_none_or(|from| offset < *from)
    };
    Ok((0..batch.num_rows()).map(|row| Some(stays(row))).collect())
}
