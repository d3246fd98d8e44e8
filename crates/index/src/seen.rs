//! Which keys a table may have, so that a build does not look up every new row in it.

use std::collections::HashSet;

use arrow::array::RecordBatch;

use crate::columns::Wrong;
use crate::error::IndexError;
use crate::table::{Of, Table};

/// What the keys of a column begin with. A key that is not among them is not in the table; one that is
/// may be. 16 bytes of memory a row.
#[derive(Debug)]
pub(crate) struct Seen {
    column: &'static str,
    keys: fn(&RecordBatch) -> Result<Vec<[u8; 16]>, Wrong>,
    /// Read from the table when it is first asked for.
    starts: Option<HashSet<u64>>,
}

impl Seen {
    /// Of this column, read by `keys`.
    pub(crate) fn of(column: &'static str, keys: fn(&RecordBatch) -> Result<Vec<[u8; 16]>, Wrong>) -> Self {
        Self { column, keys, starts: None }
    }

    /// Those of the asked that may be in the table.
    pub(crate) fn among<K: Copy>(
        &mut self,
        table: &Table,
        asked: &[K],
        key: impl Fn(K) -> [u8; 16],
    ) -> Result<Vec<K>, IndexError> {
        if self.starts.is_none() {
            let mut starts = HashSet::new();
            table.scan(&[self.column], None, &mut |batch| {
                starts.extend((self.keys)(&batch).of(table)?.into_iter().map(start));
                Ok(())
            })?;
            self.starts = Some(starts);
        }
        let may_be =
            |asked: &K| self.starts.as_ref().is_none_or(|starts| starts.contains(&start(key(*asked))));
        Ok(asked.iter().copied().filter(may_be).collect())
    }

    /// A row with this key was added.
    pub(crate) fn add(&mut self, key: [u8; 16]) {
        if let Some(starts) = &mut self.starts {
            starts.insert(start(key));
        }
    }
}

fn start(key: [u8; 16]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&key[..8]);
    u64::from_le_bytes(first)
}
