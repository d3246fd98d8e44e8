//! `stele config`: what holds, by file and environment.

use serde_json::json;

use super::{Context, variable};
use crate::args::ConfigAction;
use crate::errors::{Exit, Failure};

/// Runs the command.
pub fn run(context: &Context, action: ConfigAction) -> Result<Exit, Failure> {
    let ConfigAction::Show = action;
    let shown = context.settings()?.shown(variable)?;
    context.out.event("config", &json!(shown))?;
    let file = shown.file.as_ref().map_or("none".to_owned(), |file| file.display().to_string());
    let mut page = format!("# file: {file}\n# data: {}\n", shown.data_dir.display());
    for (name, value) in &shown.variables {
        page.push_str(&format!("# {name}={value}\n"));
    }
    page.push_str(&shown.to_toml()?);
    context.out.text(page)?;
    Ok(Exit::Done)
}
