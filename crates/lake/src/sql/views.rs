//! The views over the parts of a snapshot.
//!
//! The helper views of `views.sql` are created over empty stand-ins and the real views take their
//! place afterwards: binding a view reads the footer of every part it stands on, and forty views
//! over ten thousand parts would do that forty times.

use std::collections::BTreeMap;
use std::path::Path;

use duckdb::{Connection, params};
use stele_model::{DocType, FileEntry};

use super::{Part, SqlError, Tables, derived, engine, objects, utf8};
use crate::tables::{Column, ColumnKind, NULL_PARTITION, Table};

const MACROS: &str = include_str!("macros.sql");
const VIEWS: &str = include_str!("views.sql");

/// Creates every view and macro; returns the paths that they read.
pub(super) fn create(connection: &Connection, tables: &Tables) -> Result<Vec<String>, SqlError> {
    let failed = engine("create the views");
    let run = |text: &str| connection.execute_batch(text).map_err(&failed);
    run(MACROS)?;
    run(&stand_in("events", Table::Events))?;
    run(&stand_in("residue", Table::Quarantine))?;
    for doc_type in DocType::ALL {
        run(&format!(
            "CREATE VIEW {} AS SELECT * FROM events WHERE doc_type = {}",
            name(doc_type.name()),
            literal(doc_type.name())
        ))?;
    }
    files(connection, tables)?;
    run(VIEWS)?;
    let summaries = objects::create(connection, &tables.objects)?;

    let own = tables.tenant.as_deref();
    let events = Events::of(&tables.events)?;
    for (doc_type, paths) in &events.by_doc_type {
        if DocType::from_name(doc_type).is_some() {
            run(&events.view(doc_type, paths.iter().copied(), own))?;
        }
    }
    if !events.by_doc_type.is_empty() {
        run(&events.view("events", events.by_doc_type.values().flatten().copied(), own))?;
    }
    let quarantine: Vec<&str> = tables.quarantine.iter().map(|path| utf8(path)).collect::<Result<_, _>>()?;
    if !quarantine.is_empty() {
        let columns = select(Table::Quarantine, |_| None);
        run(&format!(
            "CREATE OR REPLACE VIEW residue AS SELECT {columns} FROM {}{}",
            read_parquet(quarantine.iter().copied()),
            of_tenant(own)
        ))?;
    }
    let derived = derived::create(connection, &tables.derived)?;
    let parts = events.by_doc_type.values().flatten().copied();
    Ok(parts.chain(quarantine.iter().copied()).map(str::to_owned).chain(derived).chain(summaries).collect())
}

/// The parts of `events`, in the order of their paths: a scan keeps it, so the same snapshot gives
/// the same rows in the same order.
struct Events<'a> {
    by_doc_type: BTreeMap<&'a str, Vec<&'a str>>,
    /// Length of the directory that holds all `doc_type=…` directories, in characters, with its slash.
    root_chars: usize,
}

impl<'a> Events<'a> {
    fn of(parts: &'a [Part]) -> Result<Self, SqlError> {
        let mut by_doc_type: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut root = None;
        for part in parts {
            let here = root_of(part)?;
            if *root.get_or_insert(here) != here {
                return Err(SqlError::Layout(format!(
                    "the part {} lies outside the lake",
                    part.path.display()
                )));
            }
            by_doc_type.entry(&part.doc_type).or_default().push(utf8(&part.path)?);
        }
        by_doc_type.values_mut().for_each(|paths| paths.sort_unstable());
        Ok(Self { by_doc_type, root_chars: root.map_or(0, |root| root.chars().count() + 1) })
    }

    /// The partition columns come from the path of the part below the root. The engine's own way
    /// reads every `key=value` of the path, also above the lake.
    fn view(&self, view: &str, paths: impl Iterator<Item = &'a str>, tenant: Option<&str>) -> String {
        let level = |n: usize, key: &str| {
            format!(
                "substr(split_part(substr(filename, {}), '/', {n}), {})",
                self.root_chars + 1,
                key.len() + "=".len() + 1
            )
        };
        let columns = select(Table::Events, |column| match column {
            "doc_type" => Some(level(1, column)),
            "date" => Some(format!("TRY_CAST({} AS DATE)", level(2, column))),
            _ => None,
        });
        let (parts, own) = (read_parquet(paths), of_tenant(tenant));
        format!("CREATE OR REPLACE VIEW {} AS SELECT {columns} FROM {parts}{own}", name(view))
    }
}

/// The condition that leaves out the rows of other tenants. A view is all that a query can name, so none
/// gets behind it.
fn of_tenant(tenant: Option<&str>) -> String {
    tenant.map_or_else(String::new, |tenant| format!(" WHERE tenant_id = {}", literal(tenant)))
}

/// The directory above `doc_type=…/date=…/part`, after a check that the two are what the log says.
fn root_of(part: &Part) -> Result<&str, SqlError> {
    let wrong = || SqlError::Layout(format!("the part {} lies outside its partition", part.path.display()));
    let date_dir = part.path.parent().ok_or_else(wrong)?;
    let doc_type_dir = date_dir.parent().ok_or_else(wrong)?;
    let root = doc_type_dir.parent().ok_or_else(wrong)?;
    let is = |dir: &Path, expect: String| dir.file_name().is_some_and(|found| *found == *expect);
    let date = part.date.as_deref().unwrap_or(NULL_PARTITION);
    if !is(doc_type_dir, format!("doc_type={}", part.doc_type)) || !is(date_dir, format!("date={date}")) {
        return Err(wrong());
    }
    utf8(root)
}

/// All parts of a lake have the same columns, so the footer of the first one is enough to know them:
/// with `union_by_name` the engine would hold the footers of all.
fn read_parquet<'a>(paths: impl Iterator<Item = &'a str>) -> String {
    let paths: Vec<String> = paths.map(literal).collect();
    format!("read_parquet([{}], hive_partitioning = false, filename = true)", paths.join(", "))
}

/// The columns of a table, in their order and with their types, of which some may be computed.
fn select(table: Table, computed: impl Fn(&str) -> Option<String>) -> String {
    let columns: Vec<String> = table
        .columns()
        .iter()
        .map(|column| {
            let value = computed(column.name).unwrap_or_else(|| name(column.name));
            format!("({value})::{} AS {}", sql_type(column), name(column.name))
        })
        .collect();
    columns.join(", ")
}

fn stand_in(view: &str, table: Table) -> String {
    format!("CREATE VIEW {} AS SELECT {} WHERE false", name(view), select(table, |_| Some("NULL".to_owned())))
}

fn sql_type(column: &Column) -> &'static str {
    match column.kind {
        ColumnKind::Text => "VARCHAR",
        ColumnKind::Bytes => "BLOB",
        ColumnKind::Int => "INTEGER",
        ColumnKind::Long => "BIGINT",
        ColumnKind::Double => "DOUBLE",
        ColumnKind::Timestamp => "TIMESTAMPTZ",
        ColumnKind::Date => "DATE",
    }
}

const FILES: &str = "CREATE SCHEMA stele_internal; CREATE TABLE stele_internal.files (
    tenant_id VARCHAR, file_id VARCHAR, uri VARCHAR, format VARCHAR, compression VARCHAR, timezone VARCHAR, state VARCHAR,
    bytes_done BIGINT, lines_done BIGINT, sha256 VARCHAR, size_on_disk BIGINT,
    bytes_in BIGINT, bytes_lake BIGINT, bytes_quarantine BIGINT,
    lines BIGINT, records BIGINT, quarantined BIGINT, control BIGINT, blank BIGINT, nodes BIGINT,
    rows_pruned BIGINT, rows_lost BIGINT, tags_json VARCHAR, gone_at_micros BIGINT,
    updated_at_micros BIGINT);
CREATE VIEW files AS
    SELECT * EXCLUDE (tenant_id, tags_json, gone_at_micros, updated_at_micros),
        from_json(tags_json, '[\"VARCHAR\"]') AS tags, make_timestamptz(gone_at_micros) AS gone_at,
        make_timestamptz(updated_at_micros) AS updated_at FROM stele_internal.files ORDER BY uri;";

/// The newest entry of every input is already known, so it is copied instead of read again.
fn files(connection: &Connection, tables: &Tables) -> Result<(), SqlError> {
    let failed = engine("list the inputs");
    connection.execute_batch(FILES).map_err(&failed)?;
    let mut rows = connection.appender_to_db("files", "stele_internal").map_err(&failed)?;
    // What the lake stores as 64-bit integers came from there; a number beyond is no real size.
    let long = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let gone = |file: &FileEntry, lost: bool| {
        let of_it = tables.pruned.iter().filter(|one| one.lost == lost && one.affects(file));
        long(of_it.map(|one| one.rows).sum())
    };
    for file in &tables.files {
        let ledger = &file.ledger;
        rows.append_row(params![
            file.tenant,
            file.file_id.to_string(),
            file.uri,
            file.format,
            file.compression,
            file.timezone,
            file.state.name(),
            long(file.bytes_done),
            long(file.lines_done),
            file.sha256,
            long(file.size_on_disk),
            long(ledger.bytes_in),
            long(ledger.bytes_lake),
            long(ledger.bytes_quarantine),
            long(ledger.lines),
            long(ledger.records),
            long(ledger.quarantined),
            long(ledger.control),
            long(ledger.blank),
            long(ledger.nodes),
            gone(file, false),
            gone(file, true),
            serde_json::Value::from(&*file.tags).to_string(),
            file.gone_at,
            file.updated_at,
        ])
        .map_err(&failed)?;
    }
    rows.flush().map_err(failed)
}

/// A string in SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in SQL.
pub(super) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
