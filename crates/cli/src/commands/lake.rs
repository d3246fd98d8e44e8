//! `stele lake`: sizes, compaction and retention.

use serde_json::json;
use stele_engine::lake::Table;

use super::Context;
use crate::args::LakeAction;
use crate::errors::{Exit, Failure};
use crate::output::human;
use crate::output::table::Rows;

/// Runs the command.
pub fn run(context: &Context, action: LakeAction) -> Result<Exit, Failure> {
    match action {
        LakeAction::Status => status(context),
        _ => Err(Failure::new("not yet")),
    }
}

fn status(context: &Context) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let snapshot = engine.snapshot()?;
    let mut tables = Vec::new();
    let mut rows = Rows::new(["table", ">parts", ">rows", ">on disk"]);
    for table in Table::ALL {
        let parts = snapshot.parts(table);
        let (count, bytes) = (parts.iter().map(|part| part.rows).sum(), parts.iter().map(|part| part.bytes).sum());
        rows.row([table.name(), &human::count(parts.len() as u64), &human::count(count), &human::bytes(bytes)]);
        tables.push(json!({ "table": table.name(), "parts": parts.len(), "rows": count, "bytes_on_disk": bytes }));
    }
    let body = json!({
        "lake_version": snapshot.version(),
        "schema_version": snapshot.schema_version(),
        "tables": tables,
        "totals": snapshot.totals(),
    });
    context.out.event("lake", &body)?;
    context.out.text(format!(
        "Lake version {}, schema version {}\n{rows}",
        snapshot.version(),
        snapshot.schema_version()
    ))?;
    Ok(Exit::Done)
}
