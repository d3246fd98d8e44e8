//! `stele replay`: an ingested file, byte for byte.

use std::io::{self, Write};

use serde_json::json;
use stele_engine::EngineError;
use stele_engine::lake::LakeError;

use super::{Context, absolute};
use crate::args::ReplayArgs;
use crate::errors::{Exit, Failure};
use crate::output::file::NewFile;
use crate::output::human;

/// Runs the command.
pub fn run(context: &Context, args: &ReplayArgs) -> Result<Exit, Failure> {
    if context.out.json && args.output.is_none() {
        return Err(Failure::usage(
            "--json needs --output, because standard output would hold the file itself",
        ));
    }
    let engine = context.engine()?;
    let mut file = args.output.as_deref().map(NewFile::create).transpose()?;
    let result = match &mut file {
        None => engine.replay(&args.file, &mut io::stdout().lock()),
        Some(file) => engine.replay(&args.file, file),
    };
    let (entry, replayed) = match result {
        Ok(done) => done,
        Err(EngineError::Lake(LakeError::Output { source }))
            if source.kind() == io::ErrorKind::BrokenPipe =>
        {
            return Ok(Exit::Done);
        }
        Err(error) => {
            return Err(match &mut file {
                Some(file) => file.blame(error),
                None => error.into(),
            });
        }
    };
    if let Some(file) = file {
        file.finish()?;
    }
    let flushed = io::stdout().lock().flush();
    crate::output::closed_is_fine(flushed)?;
    let body = json!({
        "source": entry.uri,
        "output": args.output.as_deref().map(|path| absolute(path).display().to_string()),
        "bytes": replayed.bytes,
        "sha256": replayed.sha256,
        "compression": entry.compression,
    });
    context.out.event("replay", &body)?;
    let unpacked = match entry.compression.as_str() {
        "none" => String::new(),
        compression => format!(" (the content; the file itself was {compression} compressed)"),
    };
    context.out.remark(&format!(
        "{} of {}, SHA-256 {}{unpacked}",
        human::many(replayed.bytes, "byte"),
        entry.uri,
        replayed.sha256
    ));
    Ok(Exit::Done)
}
