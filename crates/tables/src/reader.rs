//! What every database can do for a stream.

use crate::TablesError;
use crate::dialect::{Column, Statement};
use crate::gather::Gather;

/// Rows are offered in portions of so many, at most: after each the stop is asked for, and there may be a batch.
pub(crate) const PORTION_ROWS: usize = 1_000;

/// Tables that are listed, at most: who has more names those that are wanted.
pub const TABLES_MAX: usize = 10_000;

/// A table or a view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// As `schema.table`, or without the schema where the connection has one only.
    pub(crate) name: String,
    pub(crate) columns: Vec<TableColumn>,
    /// The primary key, in its order.
    pub(crate) key: Vec<String>,
}

/// A column of a table, as its database says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) nullable: bool,
}

/// Makes tables of columns, which come table by table.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    tables: Vec<Table>,
    key: Vec<(i64, String)>,
}

impl Listing {
    /// The next column, and its place in the primary key. Says whether there is room for more.
    pub(crate) fn column(&mut self, table: String, column: TableColumn, place: Option<i64>) -> bool {
        if self.tables.last().is_none_or(|last| last.name != table) {
            if self.tables.len() == TABLES_MAX {
                return false;
            }
            self.key.clear();
            self.tables.push(Table { name: table, ..Table::default() });
        }
        let Some(table) = self.tables.last_mut() else { return false };
        if let Some(place) = place {
            self.key.push((place, column.name.clone()));
            self.key.sort_unstable();
            table.key = self.key.iter().map(|(_, name)| name.clone()).collect();
        }
        table.columns.push(column);
        true
    }

    /// Columns as servers list them: schema, table, column, type, whether it may be null (or, the other way round,
    /// must not), and the place in the key.
    pub(crate) fn of_rows(rows: Vec<Vec<Option<String>>>, nullable: &str) -> Vec<Table> {
        let mut listing = Listing::default();
        for row in rows {
            let mut row = row.into_iter();
            let mut next = || row.next().flatten();
            let (Some(schema), Some(table), Some(name)) = (next(), next(), next()) else { continue };
            let kind = next().unwrap_or_default();
            let nullable = next().as_deref() == Some(nullable);
            let place = next().and_then(|place| place.parse().ok());
            if !listing.column(format!("{schema}.{table}"), TableColumn { name, kind, nullable }, place) {
                break;
            }
        }
        listing.done()
    }

    pub(crate) fn done(self) -> Vec<Table> {
        self.tables
    }
}

/// A connection to one database. Dropping it ends it.
pub(crate) trait Reader {
    /// Who one is there, and on what.
    fn identity(&mut self) -> Result<String, TablesError>;

    /// Every table and view that the user may read, with at most [`TABLES_MAX`] of them; of `named`, just that
    /// one.
    fn tables(&mut self, named: Option<&str>) -> Result<Vec<Table>, TablesError>;

    /// Begins to read: what follows sees one state of the database, and changes nothing.
    fn begin(&mut self) -> Result<(), TablesError>;

    /// Ends what was begun.
    fn end(&mut self) -> Result<(), TablesError>;

    /// The columns of a statement, and how each is to be asked for.
    fn columns(&mut self, statement: &Statement) -> Result<Vec<Column>, TablesError>;

    /// Whether a statement has a row.
    fn any(&mut self, statement: &Statement) -> Result<bool, TablesError>;

    /// Reads rows into `rows` until there are no more or it wants no more. What is left of them then is in the way
    /// of everything else: the connection is of no use any more.
    fn read(
        &mut self,
        statement: &Statement,
        columns: &[Column],
        rows: &mut Gather<'_>,
    ) -> Result<(), TablesError>;
}
