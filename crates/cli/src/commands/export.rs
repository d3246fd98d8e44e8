//! `stele export`: records and slices, the same bytes every time.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::json;
use stele_engine::lake::Snapshot;
use stele_engine::lake::export::{self, Exported, Line, Order, Selection, Slice};
use stele_engine::lake::sql::output::{End, Format};
use stele_engine::lake::sql::{Sql, SqlError};
use stele_engine::{Engine, EngineError};
use stele_model::FileId;
use stele_model::id::to_hex;

use super::{Context, absolute, sql};
use crate::args::{ExportAction, OrderArg, SelectionArgs, SliceFormat};
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
        ExportAction::Salvage(args) => args.output.clone(),
        ExportAction::Chunks(args) => args.output.clone(),
    };
    if context.out.json && output.is_none() {
        return Err(Failure::usage(
            "--json needs --output, because standard output would hold the export itself",
        ));
    }
    let engine = context.engine()?;
    let interrupt = Interrupt::start()?;
    let snapshot = engine.snapshot()?;
    let events = match &action {
        ExportAction::Jsonl(args) => args.selection.event.clone(),
        ExportAction::Slice(args) => args.selection.event.clone(),
        ExportAction::Salvage(_) | ExportAction::Chunks(_) => Vec::new(),
    };
    // A name that stands for nothing looks like an event without records.
    for note in engine.unknown_events(&snapshot, &events)? {
        context.out.remark(&note);
    }
    let job = match action {
        ExportAction::Chunks(_) => return chunks(context, &engine, &snapshot, output.as_deref()),
        ExportAction::Jsonl(args) => {
            let line = if args.envelope { Line::Envelope } else { Line::Record };
            Job::Records(selection(&args.selection, &engine, &snapshot)?, line)
        }
        ExportAction::Slice(args) => {
            let slice = match args.query {
                Some(text) => Slice::Query { text, params: sql::params(&args.param) },
                None => Slice::Records(selection(&args.selection, &engine, &snapshot)?),
            };
            Job::Slice(slice, args.format)
        }
        ExportAction::Salvage(args) => Job::Salvage(inputs(&args.source, &engine, &snapshot)?),
    };
    let sql = sql::open(&engine, &snapshot, MEMORY_MB)?;
    let canceller = sql.canceller();
    interrupt.also(move || canceller.cancel());
    let exported = match &output {
        Some(path) => {
            let mut file = NewFile::create(path)?;
            let exported = job.write(&sql, &mut file).map_err(|error| file.blame(error))?;
            file.finish()?;
            exported
        }
        None => {
            let mut out = io::stdout();
            let exported = job.write(&sql, &mut out)?;
            crate::output::closed_is_fine(out.flush())?;
            exported
        }
    };
    report(context, &exported, output.as_deref())
}

/// The texts of the snapshot, one a line, in the order in which they are made.
fn chunks(
    context: &Context,
    engine: &Engine,
    snapshot: &Snapshot,
    output: Option<&Path>,
) -> Result<Exit, Failure> {
    let mut rows = 0;
    let mut write = |out: &mut dyn Write| -> Result<(), Failure> {
        let mut refused = None;
        let done = engine.chunks(snapshot, &mut |chunk| {
            let line = serde_json::to_string(&chunk).unwrap_or_default();
            let written = out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n"));
            if let Err(error) = written {
                refused = Some(error);
                return Err(EngineError::Cancelled("every text was written"));
            }
            rows += 1;
            Ok(())
        });
        match refused {
            Some(error) => crate::output::closed_is_fine(Err(error)),
            None => Ok(done?),
        }
    };
    match output {
        Some(path) => {
            let mut file = NewFile::create(path)?;
            write(&mut file).map_err(|error| file.blame(error))?;
            file.finish()?;
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out)?;
            crate::output::closed_is_fine(out.flush())?;
        }
    }
    let path = output.map(|path| absolute(path).display().to_string());
    context.out.event("export", &json!({ "rows": rows, "output": path }))?;
    context.out.remark(&human::many(rows, "text"));
    Ok(Exit::Done)
}

fn report(context: &Context, exported: &Exported, output: Option<&Path>) -> Result<Exit, Failure> {
    if exported.end == End::Closed {
        // The reader had enough; how much of it that was, nobody knows.
        return Ok(Exit::Done);
    }
    let sha256 = to_hex(&exported.sha256);
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

/// What is to be written, with its names resolved.
enum Job {
    Records(Selection, Line),
    Slice(Slice, SliceFormat),
    Salvage(Vec<(FileId, u64)>),
}

impl Job {
    fn write(&self, sql: &Sql, out: &mut (impl Write + Send)) -> Result<Exported, SqlError> {
        match self {
            Self::Records(selection, line) => export::jsonl(sql, selection, *line, out),
            Self::Slice(slice, SliceFormat::Csv) => export::slice(sql, slice, Format::Csv, out),
            Self::Slice(slice, SliceFormat::Jsonl) => export::slice(sql, slice, Format::Jsonl, out),
            Self::Slice(slice, SliceFormat::Parquet) => export::slice_parquet(sql, slice, out),
            Self::Salvage(inputs) => export::salvage(sql, inputs, out),
        }
    }
}

/// The contents that names stand for. A name that stands for none is an error: an export of
/// nothing would look like an input without records.
fn inputs(names: &[String], engine: &Engine, snapshot: &Snapshot) -> Result<Vec<(FileId, u64)>, Failure> {
    let input = |name: &String| -> Result<_, Failure> {
        let entry = engine.input(snapshot, name)?;
        Ok((entry.file_id, entry.bytes_done))
    };
    names.iter().map(input).collect()
}

fn selection(chosen: &SelectionArgs, engine: &Engine, snapshot: &Snapshot) -> Result<Selection, Failure> {
    if let (Some(from), Some(to)) = (chosen.from, chosen.to)
        && from >= to
    {
        return Err(Failure::usage("--from is not before --to, so that no record can be meant"));
    }
    Ok(Selection {
        doc_types: chosen.doc_type.clone(),
        events: chosen.event.clone(),
        games: chosen.game.clone(),
        players: chosen.player.clone(),
        sessions: chosen.session.clone(),
        inputs: inputs(&chosen.source, engine, snapshot)?,
        from: chosen.from,
        to: chosen.to,
        order: match chosen.order {
            OrderArg::Place => Order::Place,
            OrderArg::Time => Order::Time,
        },
        limit: chosen.limit,
    })
}
