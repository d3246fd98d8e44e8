//! Views over Parquet files that are no part of the lake but follow from it, such as the graph's.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use duckdb::Connection;

use super::views::{literal, name};
use super::{SqlError, engine, utf8};

/// A table that follows from the lake.
#[derive(Debug, Clone)]
pub struct Derived {
    /// What the view is called.
    pub name: &'static str,
    /// Its columns, which it has before it has a row, too.
    pub schema: SchemaRef,
    /// Its files.
    pub parts: Vec<DerivedPart>,
    /// What keeps the files where they are for as long as it lives, in whatever way their owner does that.
    pub held: Held,
}

/// Something that is kept for as long as a query may read.
pub type Held = Option<Arc<dyn Any + Send + Sync>>;

/// One file of such a table.
#[derive(Debug, Clone)]
pub struct DerivedPart {
    /// Where it lies, as an absolute path.
    pub path: PathBuf,
    /// Values of the column `document_id` whose rows do not count any more.
    pub gone: Vec<String>,
}

const HELPERS: &str = include_str!("derived.sql");

/// The tables that [`HELPERS`] stands on.
const TABLES: [&str; 6] =
    ["document_rows", "sections", "entity_rows", "mentions", "edges", "document_references"];

/// Views of [`HELPERS`].
const ON_TOP: [&str; 2] = ["documents", "entities"];

/// Whether a name is that of a view which is there only together with what follows from the lake.
pub(super) fn is_derived(name: &str) -> bool {
    TABLES.iter().chain(&ON_TOP).any(|view| name.eq_ignore_ascii_case(view))
}

/// Creates the views, and those on top of them; returns the paths that they read. Without these tables
/// there are no views.
pub(super) fn create(connection: &Connection, tables: &[Derived]) -> Result<Vec<String>, SqlError> {
    let failed = engine("create the views of what follows from the lake");
    let mut paths = Vec::new();
    for table in tables {
        let mut selects = Vec::new();
        for part in &table.parts {
            let path = utf8(&part.path)?;
            let gone: Vec<String> = part.gone.iter().map(|id| literal(id)).collect();
            let condition = match gone.is_empty() {
                true => String::new(),
                // A row of no document counts as long as its file does.
                false => format!(" WHERE document_id IS NULL OR document_id NOT IN ({})", gone.join(", ")),
            };
            selects.push(format!(
                "SELECT {} FROM read_parquet({}, hive_partitioning = false){condition}",
                columns(table, &name),
                literal(path)
            ));
            paths.push(path.to_owned());
        }
        if selects.is_empty() {
            let typed = |column: &str| format!("NULL::{} AS {}", sql_type(table, column), name(column));
            selects.push(format!("SELECT {} WHERE false", columns(table, &typed)));
        }
        let text = format!("CREATE VIEW {} AS {}", name(table.name), selects.join(" UNION ALL "));
        connection.execute_batch(&text).map_err(&failed)?;
    }
    if TABLES.iter().all(|wanted| tables.iter().any(|table| table.name == *wanted)) {
        connection.execute_batch(HELPERS).map_err(&failed)?;
    }
    Ok(paths)
}

fn columns(table: &Derived, of: &dyn Fn(&str) -> String) -> String {
    table.schema.fields().iter().map(|field| of(field.name())).collect::<Vec<_>>().join(", ")
}

fn sql_type(table: &Derived, column: &str) -> &'static str {
    let field = table.schema.field_with_name(column);
    match field.map(|field| field.data_type()) {
        Ok(DataType::List(_)) => "VARCHAR[]",
        Ok(DataType::UInt32) => "UINTEGER",
        Ok(DataType::UInt64) => "UBIGINT",
        Ok(DataType::Boolean) => "BOOLEAN",
        Ok(DataType::Float32) => "FLOAT",
        Ok(DataType::Float64) => "DOUBLE",
        _ => "VARCHAR",
    }
}
