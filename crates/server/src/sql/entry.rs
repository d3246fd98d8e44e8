//! The side of the process that answers.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use stele_engine::lake::sql::{Sql, SqlOptions};
use stele_engine::{Engine, Environment, Settings};

use super::{Asked, OpenLake, Page, Told, temp_dir};
use crate::desk::Call;
use crate::limits::{BODY_BYTES_MAX, CALL_GRACE, SQL_MEMORY_BYTES, SQL_THREADS_MAX};
use crate::reply::Refusal;

/// Reads queries from `input`, a line each, and answers each with a line on `output`. The end of the
/// input ends the query that runs: whoever asked wants no more, or is gone.
///
/// # Errors
///
/// If a stream breaks.
pub fn answer_sql(input: impl Read, output: impl Write + Send + 'static) -> io::Result<()> {
    let call = Arc::new(Call::default());
    // The next line comes after the answer, so there is never more than one.
    let (lines, to_answer) = sync_channel(1);
    let (done, ended) = sync_channel(1);
    let of_worker = Arc::clone(&call);
    thread::Builder::new().name("stele-sql".to_owned()).spawn(move || {
        let _ = done.send(work(&of_worker, &to_answer, output));
    })?;
    let mut input = BufReader::new(input);
    loop {
        let mut line = Vec::new();
        // A query is part of a request, which has a limit; no line is longer than that.
        let read = input.by_ref().take(2 * BODY_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        if read == 0 || lines.send(line).is_err() {
            break;
        }
    }
    drop(lines);
    call.stop();
    // A function that cannot be interrupted ends with the process.
    ended.recv_timeout(CALL_GRACE).unwrap_or(Ok(()))
}

fn work(call: &Call, lines: &Receiver<Vec<u8>>, mut output: impl Write) -> io::Result<()> {
    let mut open = None;
    while let Ok(line) = lines.recv() {
        let told: Told = match serde_json::from_slice(&line) {
            Ok(asked) => answer(call, &mut open, &asked),
            Err(error) => Err(Refusal::new("The query was not understood.").why(error.to_string())),
        };
        let mut answer = serde_json::to_vec(&told)?;
        answer.push(b'\n');
        output.write_all(&answer)?;
        output.flush()?;
    }
    Ok(())
}

fn answer(call: &Call, open: &mut Option<(OpenLake, Sql)>, asked: &Asked) -> Told {
    if !matches!(open, Some((lake, _)) if *lake == asked.lake) {
        // The old one goes first: there is memory for one.
        *open = None;
        let sql = open_lake(&asked.lake)?;
        let canceller = sql.canceller();
        call.at_stop(move || canceller.cancel());
        *open = Some((asked.lake.clone(), sql));
    }
    let Some((_, sql)) = open else { return Err(Refusal::new("The lake cannot be opened for SQL.")) };
    Page::of(sql, &asked.query, asked.rows_max)
}

fn open_lake(lake: &OpenLake) -> Result<Sql, Refusal> {
    let mut settings = Settings::default();
    settings.data_dir.clone_from(&lake.data_dir);
    settings.tenant.clone_from(&lake.tenant);
    settings.object_rows = Some(lake.objects.clone());
    let engine = Engine::new(settings, Environment::default())?;
    let snapshot = engine.snapshot_at(lake.version)?;
    if snapshot.lake_id() != lake.lake_id {
        return Err(Refusal::new("The lake was made anew meanwhile.").hint("the same call again"));
    }
    let all = engine.sql_temp_dir();
    // The engine makes its own directory and none above it. Where nothing can be written, nothing is spilled.
    let _ = std::fs::create_dir(&all);
    let options = SqlOptions {
        memory_limit: SQL_MEMORY_BYTES,
        threads: lake.threads.min(SQL_THREADS_MAX),
        temp_dir: temp_dir(&all, std::process::id()),
    };
    Ok(engine.own_sql(&snapshot, &options)?)
}
