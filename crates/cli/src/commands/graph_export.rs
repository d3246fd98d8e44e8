//! `stele graph export`: the graph for other programs, or a picture of a part of it.

use std::io::Write;
use std::path::Path;

use serde_json::json;
use stele_engine::graph::{ExportFormat, GraphError};
use stele_engine::{Engine, EngineError};

use super::Context;
use crate::args::GraphFormat;
use crate::errors::{Exit, Failure};
use crate::output::file::NewFile;
use crate::output::human;

/// Runs the command.
pub fn run(
    context: &Context,
    engine: &Engine,
    name: Option<&str>,
    format: GraphFormat,
    output: Option<&Path>,
    depth: u32,
) -> Result<Exit, Failure> {
    if context.out.json && output.is_none() {
        return Err(Failure::usage(
            "--json needs --output, because standard output would hold the export itself",
        ));
    }
    let around = name.map(|name| (name, depth));
    let write = |out: &mut dyn Write| -> Result<(u64, u64), EngineError> {
        let format = match format {
            GraphFormat::Graphml => ExportFormat::GraphMl,
            GraphFormat::Json => ExportFormat::Json,
            GraphFormat::Dot => ExportFormat::Dot,
            GraphFormat::Svg => {
                let picture = engine.picture(name.unwrap_or_default(), depth)?;
                out.write_all(picture.as_bytes()).map_err(GraphError::Output)?;
                return Ok((0, 0));
            }
        };
        let exported = engine.export_graph(around, format, out)?;
        Ok((exported.nodes, exported.edges))
    };
    if format == GraphFormat::Svg && name.is_none() {
        return Err(Failure::usage("a picture is of what is around one thing: name it"));
    }
    let Some(path) = output else {
        let mut outcome = Ok((0, 0));
        crate::output::write_stdout(|out| match write(out) {
            Err(EngineError::Graph(GraphError::Output(error))) => Err(error),
            other => {
                outcome = other;
                Ok(())
            }
        })?;
        outcome?;
        return Ok(Exit::Done);
    };
    let mut file = NewFile::create(path)?;
    let (nodes, edges) = write(&mut file).map_err(|error| file.blame(error))?;
    file.finish()?;
    context.out.event("graph_export", &json!({ "output": path, "nodes": nodes, "edges": edges }))?;
    context.out.text(match format {
        GraphFormat::Svg => format!("Drew {}\n", path.display()),
        _ => format!(
            "Wrote {} and {} to {}\n",
            human::many(nodes, "node"),
            human::many(edges, "edge"),
            path.display()
        ),
    })?;
    Ok(Exit::Done)
}
