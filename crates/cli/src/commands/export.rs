//! `stele export`: records and slices, the same bytes every time.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;
use stele_engine::lake::export::{self, Exported, Line, Order, Selection, Slice};
use stele_engine::lake::sql::{Sql, SqlError, output::Format};

use super::{Context, absolute, sql};
use crate::args::{ExportAction, JsonlArgs, OrderArg, SelectionArgs, SliceArgs, SliceFormat};
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::file::NewFile;
use crate::output::human;

/// Memory of the engine in megabytes; a sort of what does not fit goes to disk.
const MEMORY_MB: u64 = 1024;

/// Runs the command.
pub fn run(context: &Context, action: ExportAction) -> Result<Exit, Failure> {
    let output = match &action {
        ExportAction::Jsonl(args) => args.output.clone(),
        ExportAction::Slice(args) => args.output.clone(),
    };
    if context.out.json && output.is_none() {
        return Err(Failure::usage(
            "--json needs --output, because standard output would hold the export itself",
        ));
    }
    let engine = context.engine()?;
    let interrupt = Interrupt::start()?;
    let sql = sql::open(&engine, None, MEMORY_MB)?;
    let canceller = sql.canceller();
    interrupt.also(move || canceller.cancel());
    let exported = match &output {
        Some(path) => {
            let mut file = NewFile::create(path)?;
            let exported = write(&action, &sql, &mut file)?;
            file.finish()?;
            exported
        }
        None => {
            let mut out = io::stdout();
            let exported = write(&action, &sql, &mut out)?;
            crate::output::closed_is_fine(out.flush())?;
            exported
        }
    };
    report(context, &exported, output.as_deref())
}

fn report(context: &Context, exported: &Exported, output: Option<&Path>) -> Result<Exit, Failure> {
    let sha256: String = exported.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let body = json!({
        "rows": exported.rows,
        "bytes": exported.bytes,
        "sha256": sha256,
        "output": output.map(|path| absolute(path).display().to_string()),
    });
    context.out.event("export", &body)?;
    context.out.remark(&format!(
        "{}, {}, SHA-256 {sha256}",
        human::many(exported.rows, "row"),
        human::many(exported.bytes, "byte")
    ));
    Ok(Exit::Done)
}

fn write(action: &ExportAction, sql: &Sql, out: &mut (impl Write + Send)) -> Result<Exported, SqlError> {
    match action {
        ExportAction::Jsonl(JsonlArgs { selection: chosen, envelope, .. }) => {
            let line = if *envelope { Line::Envelope } else { Line::Record };
            export::jsonl(sql, &selection(chosen), line, out)
        }
        ExportAction::Slice(args) => {
            let slice = slice(args);
            match args.format {
                SliceFormat::Csv => export::slice(sql, &slice, Format::Csv, out),
                SliceFormat::Jsonl => export::slice(sql, &slice, Format::Jsonl, out),
                SliceFormat::Parquet => export::slice_parquet(sql, &slice, out),
            }
        }
    }
}

fn slice(args: &SliceArgs) -> Slice {
    match &args.query {
        Some(text) => Slice::Query { text: text.clone(), params: sql::params(&args.param) },
        None => Slice::Records(selection(&args.selection)),
    }
}

fn selection(chosen: &SelectionArgs) -> Selection {
    Selection {
        doc_types: chosen.doc_type.clone(),
        events: chosen.event.clone(),
        games: chosen.game.clone(),
        players: chosen.player.clone(),
        sessions: chosen.session.clone(),
        sources: chosen.source.iter().map(|name| absolute(Path::new(name)).display().to_string()).collect(),
        from: chosen.from,
        to: chosen.to,
        order: match chosen.order {
            OrderArg::Place => Order::Place,
            OrderArg::Time => Order::Time,
        },
        limit: chosen.limit,
    }
}
