//! `stele schema`: the shape of each event, shown, written and compared.

use std::path::{Path, PathBuf};

use stele_engine::discovery::render::diff::{self, Shape};
use stele_engine::discovery::render::schema::{self, SchemaOptions};
use stele_engine::discovery::render::to_text;

use super::Context;
use crate::args::{Drift, SchemaAction};
use crate::errors::{Exit, Failure};
use crate::output::{human, write_page, write_stdout};

/// Where a directory may hold a shape, nearest first.
const INSIDE: [&str; 4] =
    ["catalogue.json", "event_schemas.json", "manifests/catalogue.json", "manifests/event_schemas.json"];

/// Runs the command.
pub fn run(context: &Context, action: SchemaAction) -> Result<Exit, Failure> {
    match action {
        SchemaAction::Show { event } => show(context, event.as_deref()),
        SchemaAction::Export { output, redact } => {
            let written = context.engine()?.write_lake_outputs(&output, &[], redact)?;
            let names: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
            context.out.event("schema_export", &serde_json::json!({ "outputs": names }))?;
            context.out.text(names.iter().map(|name| format!("{name}\n")).collect::<String>())?;
            Ok(Exit::Done)
        }
        SchemaAction::Diff { old, new, fail_on_drift } => compare(context, &old, &new, fail_on_drift),
    }
}

fn show(context: &Context, event: Option<&str>) -> Result<Exit, Failure> {
    let mut view = context.engine()?.catalogue()?.view();
    let options = SchemaOptions::default();
    if let Some(name) = event
        && !view.events.iter().any(|event| event.name == name)
    {
        let names: Vec<&str> = view.events.iter().map(|event| event.name.as_str()).collect();
        return Err(Failure::new(format!("no event is named {name}. Events are {}", names.join(", "))));
    }
    view.events.retain(|one| event.is_none_or(|name| one.name == name));
    if context.out.json {
        let schemas = parsed(&to_text(|out| schema::write(out, &view, &options)))?;
        context.out.event("schema", &serde_json::json!({ "schemas": schemas }))?;
        return Ok(Exit::Done);
    }
    match (event, view.events.as_slice()) {
        (Some(_), [only]) => write_stdout(|out| schema::write_event(out, only, &options))?,
        _ => write_stdout(|out| schema::write(out, &view, &options))?,
    }
    Ok(Exit::Done)
}

/// What a renderer wrote, as part of an answer on one line.
pub fn parsed(text: &str) -> Result<serde_json::Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::new(format!("the answer cannot be written as JSON: {error}")))
}

fn compare(context: &Context, old: &Path, new: &Path, fail_on: Option<Drift>) -> Result<Exit, Failure> {
    let diff = diff::compare(&load(old)?, &load(new)?);
    let (old, new) = (old.display().to_string(), new.display().to_string());
    if context.out.json {
        let value = parsed(&to_text(|out| diff::write_json(out, &diff, &old, &new)))?;
        context.out.event("schema_diff", &value)?;
    } else {
        write_page(|out| diff::write_md(out, &diff, &old, &new))?;
    }
    match fail_on {
        Some(level) if diff.reaches(level.into()) => {
            context.out.remark(&format!(
                "drift: {}, the worst is {}",
                human::many(diff.changes.len() as u64, "change"),
                diff.worst().name()
            ));
            Ok(Exit::NotMet)
        }
        _ => Ok(Exit::Done),
    }
}

/// Reads the shape that a file, or a directory with discovery's outputs, holds.
pub fn load(path: &Path) -> Result<Shape, Failure> {
    let file = locate(path)?;
    let text = std::fs::read_to_string(&file).map_err(|error| Failure::io("read", &file, &error))?;
    Shape::parse(&text).map_err(|error| {
        let mut failure = Failure::from(error);
        failure.what = format!("{}: {}", file.display(), failure.what);
        failure.hint("`stele discover PATH --output DIR` writes catalogue.json and event_schemas.json, which can be compared")
    })
}

fn locate(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let inside = INSIDE.iter().map(|name| path.join(name)).find(|file| file.is_file());
    inside.ok_or_else(|| Failure::new(format!("{} holds none of {}", path.display(), INSIDE.join(", "))))
}
