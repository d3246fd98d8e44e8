//! `stele sql`: questions to the lake.

use std::io::{self, IsTerminal, Read, Write};

use stele_engine::Engine;
use stele_engine::lake::Snapshot;
use stele_engine::lake::sql::output::{self as rendered, End, Written};
use stele_engine::lake::sql::{Params, Rows, Sql, SqlOptions};

use super::Context;
use crate::args::{SqlArgs, SqlFormat};
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::file::NewFile;
use crate::output::{human, table};

/// Rows of a table unless told otherwise: more than anybody reads, and all of them are in memory.
const TABLE_ROWS: u64 = 1000;

/// Longest text in a cell of a table on a terminal; other formats never cut.
const CELL_CHARS_MAX: usize = 200;

/// Runs the command.
pub fn run(context: &Context, args: SqlArgs) -> Result<Exit, Failure> {
    let text = if args.query == "-" { read_stdin()? } else { args.query.clone() };
    if context.out.json && args.format.is_some() {
        return Err(Failure::usage("--json and --format exclude each other")
            .hint("--json is `--format jsonl`; drop one of them"));
    }
    let format = if context.out.json { SqlFormat::Jsonl } else { args.format.unwrap_or(SqlFormat::Table) };
    if format == SqlFormat::Parquet && args.output.is_none() && io::stdout().is_terminal() {
        return Err(
            Failure::usage("Parquet is binary and standard output is a terminal").hint("add --output FILE")
        );
    }
    let params = params(&args.param);
    let engine = context.engine()?;
    let interrupt = Interrupt::start()?;
    let snapshot = args.at.map_or_else(|| engine.snapshot(), |version| engine.snapshot_at(version))?;
    let sql = open(&engine, &snapshot, args.memory_limit)?;
    let canceller = sql.canceller();
    interrupt.also(move || canceller.cancel());
    let mut rows = sql.query(&text, &params)?;
    let default = if format == SqlFormat::Table { TABLE_ROWS } else { 0 };
    match args.limit.unwrap_or(default) {
        0 => {}
        limit => rows = rows.limit(limit),
    }
    let written = match &args.output {
        Some(path) => {
            let mut file = NewFile::create(path)?;
            let written = write(&mut rows, format, &mut file).map_err(|error| file.blame(error))?;
            file.finish()?;
            written
        }
        None => {
            let mut out = io::stdout();
            let written = write(&mut rows, format, &mut out)?;
            crate::output::closed_is_fine(out.flush())?;
            written
        }
    };
    if written.end == End::Limited {
        context
            .out
            .remark(&format!("only the first {}; --limit 0 gives all", human::many(written.rows, "row")));
    } else if args.output.is_some() {
        context.out.remark(&human::many(written.rows, "row"));
    }
    Ok(Exit::Done)
}

/// Opens a version of the lake for questions.
pub fn open(engine: &Engine, snapshot: &Snapshot, memory_limit_mb: u64) -> Result<Sql, Failure> {
    let options = SqlOptions {
        memory_limit: memory_limit_mb.saturating_mul(1_000_000),
        threads: engine.threads(),
        temp_dir: engine.sql_temp_dir(),
    };
    Ok(engine.sql(snapshot, &options)?)
}

/// `NAME=VALUE` is a parameter called NAME; anything else is the next one by number.
pub fn params(given: &[String]) -> Params {
    let mut params = Params::none();
    let mut position = 0;
    for text in given {
        let named = text.split_once('=').filter(|(name, _)| is_name(name));
        params = match named {
            Some((name, value)) => params.with(name, value),
            None => {
                position += 1;
                params.with(position.to_string(), text.as_str())
            }
        };
    }
    params
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().read_to_string(&mut text);
    read.map_err(|error| Failure::io("read", "standard input", &error))?;
    Ok(text)
}

fn write(rows: &mut Rows<'_>, format: SqlFormat, out: &mut (impl Write + Send)) -> Result<Written, Failure> {
    match format {
        SqlFormat::Csv => Ok(rendered::write(rows, rendered::Format::Csv, out)?),
        SqlFormat::Jsonl => Ok(rendered::write(rows, rendered::Format::Jsonl, out)?),
        SqlFormat::Json => {
            let mut array = JsonArray { out, begun: false };
            let written = rendered::write(rows, rendered::Format::Jsonl, &mut array)?;
            let end = array.end();
            crate::output::closed_is_fine(end)?;
            Ok(written)
        }
        SqlFormat::Parquet => Ok(rendered::write_parquet(rows, out)?),
        SqlFormat::Table => write_table(rows, out),
    }
}

fn write_table(rows: &mut Rows<'_>, out: &mut impl Write) -> Result<Written, Failure> {
    let columns = rows.columns().to_vec();
    let numbers: Vec<bool> =
        rows.schema().fields().iter().map(|field| field.data_type().is_numeric()).collect();
    let heads = columns.iter().zip(&numbers).map(|(column, number)| {
        let mark = if *number { ">" } else { "" };
        format!("{mark}{}", column.name)
    });
    let mut shown = table::Rows::new(heads);
    let mut count = 0;
    while let Some(batch) = rows.next_batch()? {
        for row in rendered::texts(&batch, &columns)? {
            shown.row(row.into_iter().map(|text| text.map_or_else(|| "NULL".to_owned(), |text| cut(&text))));
            count += 1;
        }
    }
    let end = match write!(out, "{shown}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => End::Closed,
        result => {
            crate::output::closed_is_fine(result)?;
            if rows.limited() { End::Limited } else { End::Complete }
        }
    };
    Ok(Written { rows: count, end })
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARS_MAX) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

/// Turns lines of objects into one array. Each write holds whole lines.
struct JsonArray<'a, W> {
    out: &'a mut W,
    begun: bool,
}

impl<W: Write> JsonArray<'_, W> {
    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(if self.begun { b"\n]\n" } else { b"[]\n" })?;
        self.out.flush()
    }
}

impl<W: Write> Write for JsonArray<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.out.write_all(if self.begun { b",\n" } else { b"[\n" })?;
            self.begun = true;
            self.out.write_all(line.strip_suffix(b"\n").unwrap_or(line))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
