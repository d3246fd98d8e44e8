//! How many there are. Nothing is read for it but the columns that tell what is counted.

use std::collections::BTreeMap;
use std::ops::Range;

use stele_model::{EdgeKind, EntityId, Node};

use crate::decode::{self, Columns};
use crate::error::GraphError;
use crate::reader::Reader;
use crate::tables::{DOCUMENT, Table};

impl Reader {
    /// Rows of a table that count.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn count(&self, table: Table) -> Result<u64, GraphError> {
        let mut count = 0;
        for open in &self.shared.parts {
            if open.part.gone.is_empty() {
                count += open.part.rows(table);
                continue;
            }
            for batch in open.batches(table, &[DOCUMENT], None)? {
                count += open.living(table, batch?)?.num_rows() as u64;
            }
        }
        Ok(count)
    }

    /// Things, each once, however many documents speak of it.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn entity_count(&self) -> Result<u64, GraphError> {
        Ok(self.directory()?.entity_ids().count() as u64)
    }

    /// How many edges of each kind a node has, whichever way they lead. One that leads from the node to
    /// itself is one.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn edge_counts(&self, node: Node) -> Result<BTreeMap<EdgeKind, u64>, GraphError> {
        Ok(self.adjacency()?.counts(node))
    }

    /// How many places name a thing: all of them, where [`Reader::mentions_of`] gives the first.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn mention_count(&self, entity: EntityId) -> Result<u64, GraphError> {
        let directory = self.directory()?;
        let mut ranges: BTreeMap<u32, Vec<Range<usize>>> = BTreeMap::new();
        for (doc, _) in directory.entity(entity) {
            let rows = doc.rows(Table::Mentions);
            if !rows.is_empty() {
                ranges.entry(doc.part).or_default().push(rows);
            }
        }
        let mut count = 0;
        for (part, mut rows) in ranges {
            rows.sort_by_key(|rows| rows.start);
            let open = &self.shared.parts[part as usize];
            for batch in open.batches(Table::Mentions, &["entity_id"], Some(&rows))? {
                let bad = |bad: String| open.damaged(Table::Mentions, &bad);
                let batch = batch?;
                for id in Columns(&batch).text("entity_id").map_err(bad)?.iter().flatten() {
                    count += u64::from(decode::id(id).map_err(bad)? == entity.0);
                }
            }
        }
        Ok(count)
    }
}
