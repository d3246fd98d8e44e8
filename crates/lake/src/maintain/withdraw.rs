//! Residues that a commit takes back: the unfinished last line of an input that has grown since.
//!
//! What stood in quarantine as the beginning of a line comes again, as part of the whole line. The
//! parts that hold the beginning are written again without it, in the same anchored commit that
//! brings the line, so no reader ever sees both or neither.

use arrow::array::BooleanArray;
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
    let wanted: Vec<(String, u64)> = withdrawn.iter().map(|(file, from)| (file.to_string(), *from)).collect();
    let schema = Table::Quarantine.part_schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    for part in parts.iter().filter(|part| wanted.iter().any(|(file, _)| part.stats.may_hold(file))) {
        let reader = PartReader::open(&part.path)?;
        let mut kept = Vec::new();
        let mut gone = 0;
        for batch in reader.rows(&part.path, &names, 0..reader.row_count())? {
            let batch = batch.at("read", &part.path)?;
            let columns = Columns { batch: &batch, path: &part.path };
            let (files, offsets) = (columns.texts("file_id")?, columns.longs("byte_offset")?);
            let stays = |row| {
                let offset = offsets.value(row).max(0) as u64;
                !wanted.iter().any(|(file, from)| file == files.value(row) && offset >= *from)
            };
            let mask: BooleanArray = (0..batch.num_rows()).map(|row| Some(stays(row))).collect();
            gone += mask.false_count();
            kept.push(filter_record_batch(&batch, &mask).at("read", &part.path)?);
        }
        if gone == 0 {
            continue;
        }
        let mut rewriter = Rewriter::new(shop, Table::Quarantine, part);
        for batch in &kept {
            rewriter.take(batch, &part.path)?;
        }
        let rewritten: Vec<PartInfo> = rewriter.finish()?.into_iter().collect();
        sync_names(shop, &rewritten)?;
        change.removes.push(part.clone());
        change.adds.extend(rewritten);
    }
    Ok(())
}
