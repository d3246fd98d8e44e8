//! One Lance table at one version: everything that calls the library for rows.
//!
//! It knows nothing of pointers. The library's calls are asynchronous; these block on the index's
//! own runtime.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use lancedb::expr::DfExpr;
use lancedb::query::{ExecutableQuery, QueryBase, Select};
use lancedb::table::Predicate;
use stele_model::ChunkId;

use crate::columns::{Wrong, schema};
use crate::error::{At, IndexError};
use crate::filter::with_ids;
use crate::home::Home;

/// The table in a version directory.
const TABLE: &str = "chunks";

/// Where the table is, in a version directory.
pub(crate) const TABLE_DIR: &str = "chunks.lance";

/// Ids of one look-up. An expression of this size takes milliseconds to plan; ten times more takes
/// seconds.
pub(crate) const IDS_PER_LOOKUP: usize = 1_000;

/// An open table.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) lance: lancedb::Table,
    pub(crate) home: Home,
    /// The version directory.
    pub(crate) dir: PathBuf,
}

impl Table {
    /// Creates a table without rows.
    pub(crate) fn create(home: &Home, dir: &Path, dimension: Option<u32>) -> Result<Self, IndexError> {
        let lance = home.call("create", dir, async {
            let connection = connect(home, dir).await?;
            connection.create_empty_table(TABLE, schema(dimension)).execute().await
        })?;
        Ok(Self { lance, home: home.clone(), dir: dir.to_path_buf() })
    }

    /// Opens a table at its newest version, for writing.
    pub(crate) fn open(home: &Home, dir: &Path) -> Result<Self, IndexError> {
        let lance =
            home.call("open", dir, async { connect(home, dir).await?.open_table(TABLE).execute().await })?;
        Ok(Self { lance, home: home.clone(), dir: dir.to_path_buf() })
    }

    /// Opens a table at a version, for reading.
    pub(crate) fn open_at(home: &Home, dir: &Path, version: u64) -> Result<Self, IndexError> {
        let lance = home.call("open", dir, async {
            connect(home, dir).await?.open_table(TABLE).version(version).execute().await
        })?;
        Ok(Self { lance, home: home.clone(), dir: dir.to_path_buf() })
    }

    pub(crate) fn version(&self) -> Result<u64, IndexError> {
        self.home.call("read the version of", &self.dir, self.lance.version())
    }

    /// Adds rows.
    pub(crate) fn append(&self, batch: RecordBatch) -> Result<(), IndexError> {
        self.home.call("add rows to", &self.dir, self.lance.add(batch).execute())?;
        Ok(())
    }

    /// Removes the rows with these ids, and says how many there were.
    pub(crate) fn delete(&self, ids: &[ChunkId]) -> Result<u64, IndexError> {
        let mut gone = 0;
        for ids in ids.chunks(IDS_PER_LOOKUP) {
            let rows = with_ids(ids);
            let result = self.lance.delete(Predicate::Expr(&rows));
            gone += self.home.call("delete rows from", &self.dir, result)?.num_deleted_rows;
        }
        Ok(gone)
    }

    /// Those of `columns` that the table has: one of an earlier version has fewer.
    pub(crate) fn present<'a>(&self, columns: &[&'a str]) -> Result<Vec<&'a str>, IndexError> {
        let schema = self.home.call("read the columns of", &self.dir, self.lance.schema())?;
        Ok(columns.iter().copied().filter(|name| schema.column_with_name(name).is_some()).collect())
    }

    /// Hands over the rows that match, in batches of the library's 1,024, in no order. `each` must
    /// not come back to the index: this thread drives the scan.
    pub(crate) fn scan(
        &self,
        columns: &[&str],
        rows: Option<DfExpr>,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let mut query = self.lance.query().select(Select::columns(columns));
        if let Some(rows) = rows {
            query = query.only_if_expr(rows);
        }
        self.home.call("read", &self.dir, async {
            let mut batches = query.execute().await.at("read", &self.dir)?;
            while let Some(batch) = batches.try_next().await.at("read", &self.dir)? {
                each(batch)?;
            }
            Ok::<(), IndexError>(())
        })
    }

    /// Rows.
    pub(crate) fn count(&self) -> Result<u64, IndexError> {
        Ok(self.home.call("count the rows of", &self.dir, self.lance.count_rows(None))? as u64)
    }

    /// Says that the table is not what it should be.
    pub(crate) fn wrong(&self, detail: &str) -> IndexError {
        IndexError::Damaged { path: self.dir.join(TABLE_DIR), detail: detail.to_owned() }
    }
}

/// Says of a table that its columns are not what they should be.
pub(crate) trait Of<T> {
    fn of(self, table: &Table) -> Result<T, IndexError>;
}

impl<T> Of<T> for Result<T, Wrong> {
    fn of(self, table: &Table) -> Result<T, IndexError> {
        self.map_err(|detail| table.wrong(&detail))
    }
}

async fn connect(home: &Home, dir: &Path) -> Result<lancedb::Connection, lancedb::Error> {
    lancedb::connect(&dir.to_string_lossy()).session(Arc::clone(&home.session)).execute().await
}
