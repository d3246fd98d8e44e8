//! Things of help desks as rows: the views of `objects.sql`, and what they take from outside the lake.

use std::collections::BTreeMap;
use std::path::PathBuf;

use duckdb::{Connection, params};
use serde::{Deserialize, Serialize};

use super::views::literal;
use super::{SqlError, engine, utf8};

const VIEWS: &str = include_str!("objects.sql");

/// What rows of `integrated_objects` hold beside keys and metadata. By default all of it, and no summaries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRows {
    /// Up to how many things of a source, by its name, their rows hold what they say; 0 is never.
    pub content_max: BTreeMap<String, u64>,
    /// The same for sources that are not named.
    pub content_max_else: u64,
    /// Files of JSON lines with summaries, which lie beside the lake: `tenant_id`, `platform`, `object_type`,
    /// `original_id`, `source_hash`, `model`, `summary`, `generated_at` in microseconds.
    pub summaries: Vec<PathBuf>,
}

impl Default for ObjectRows {
    fn default() -> Self {
        Self { content_max: BTreeMap::new(), content_max_else: u64::MAX, summaries: Vec::new() }
    }
}

/// Columns of the summaries, with their types.
const SUMMARY_COLUMNS: &str = "{tenant_id: 'VARCHAR', platform: 'VARCHAR', object_type: 'VARCHAR', original_id: 'VARCHAR', \
     source_hash: 'VARCHAR', model: 'VARCHAR', summary: 'VARCHAR', generated_at: 'BIGINT'}";

/// Creates the views; returns the paths that they read beside the parts of the lake.
pub(super) fn create(connection: &Connection, rows: &ObjectRows) -> Result<Vec<String>, SqlError> {
    let failed = engine("create the views of help desks");
    let run = |text: &str| connection.execute_batch(text).map_err(&failed);
    run("CREATE TABLE stele_internal.row_rules (source_id VARCHAR, content_max BIGINT)")?;
    let named = rows.content_max.iter().map(|(source, max)| (Some(source.as_str()), *max));
    for (source, max) in named.chain([(None, rows.content_max_else)]) {
        // More than any lake has things.
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        connection
            .execute("INSERT INTO stele_internal.row_rules VALUES (?, ?)", params![source, max])
            .map_err(&failed)?;
    }
    let paths: Vec<&str> = rows.summaries.iter().map(|path| utf8(path)).collect::<Result<_, _>>()?;
    match paths.is_empty() {
        true => run(
            "CREATE TABLE stele_internal.summaries (tenant_id VARCHAR, platform VARCHAR, object_type VARCHAR, original_id VARCHAR, \
             source_hash VARCHAR, model VARCHAR, summary VARCHAR, generated_at BIGINT)",
        )?,
        false => {
            let files: Vec<String> = paths.iter().map(|path| literal(path)).collect();
            run(&format!(
                "CREATE VIEW stele_internal.summaries AS SELECT * FROM read_json([{}], format = 'newline_delimited', columns = {SUMMARY_COLUMNS})",
                files.join(", ")
            ))?;
        }
    }
    run(VIEWS)?;
    Ok(paths.into_iter().map(str::to_owned).collect())
}
