//! What discovery leaves for people and programs: schemas, index, reports, dictionary.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stele_discover::Catalogue;
use stele_discover::render::asyncapi::AsyncApiOptions;
use stele_discover::render::coverage::{Coverage, LedgerCheck};
use stele_discover::render::dictionary::Notes;
use stele_discover::render::schema::SchemaOptions;
use stele_discover::render::{asyncapi, coverage, dictionary, field_index, json, redact, schema};
use stele_discover::view::CatalogueView;
use stele_lake::Snapshot;
use stele_model::Ledger;

use crate::EngineError;
use crate::durable::write_durably;
use crate::engine::Engine;
use crate::error::At;

/// The file in which people keep what no program can know about the events.
pub const NOTES_FILE: &str = "dictionary_notes.toml";

/// The files that [`Engine::write_outputs`] makes.
pub const OUTPUTS: [&str; 7] = [
    "catalogue.json",
    "event_schemas.json",
    "field_index.json",
    "asyncapi.yaml",
    "coverage_report.md",
    "coverage_report.json",
    "dictionary.md",
];

/// What the outputs are made from.
pub struct OutputSource<'a> {
    /// The catalogue rooted at the records.
    pub view: CatalogueView,
    /// Where every byte went.
    pub ledger: &'a Ledger,
    /// What a recount said, if there was one.
    pub checks: &'a [LedgerCheck],
    /// Whether values of identity-like fields are hidden.
    pub redact: bool,
}

impl Engine {
    /// Writes all outputs of discovery into `dir` and returns their paths. The notes of people in
    /// `dir/dictionary_notes.toml` are read, never written.
    ///
    /// # Errors
    ///
    /// If a file cannot be written, or the notes cannot be understood.
    pub fn write_outputs(&self, source: OutputSource<'_>, dir: &Path) -> Result<Vec<PathBuf>, EngineError> {
        fs::create_dir_all(dir).at("create", dir)?;
        let mut written = Vec::new();
        render(source, dir, &mut |path, text| {
            write_durably(path, text)?;
            written.push(path.to_path_buf());
            Ok(())
        })?;
        Ok(written)
    }

    /// Writes the outputs of the lake's catalogue into `manifests/`.
    pub(crate) fn write_manifests(
        &self,
        catalogue: &Catalogue,
        snapshot: &Snapshot,
    ) -> Result<(), EngineError> {
        let ledger = self.ledger(snapshot)?;
        self.write_outputs(whole(catalogue, &ledger), &self.manifests_dir()).map(drop)
    }

    /// The files in `manifests/` that are missing, or not what the lake's catalogue comes to.
    pub(crate) fn stale_manifests(
        &self,
        catalogue: &Catalogue,
        snapshot: &Snapshot,
    ) -> Result<Vec<PathBuf>, EngineError> {
        let ledger = self.ledger(snapshot)?;
        let mut stale = Vec::new();
        render(whole(catalogue, &ledger), &self.manifests_dir(), &mut |path, text| {
            if fs::read(path).ok().as_deref() != Some(text) {
                stale.push(path.to_path_buf());
            }
            Ok(())
        })?;
        Ok(stale)
    }

    fn manifests_dir(&self) -> PathBuf {
        self.data_dir().join("manifests")
    }
}

/// All of a lake's catalogue.
fn whole<'a>(catalogue: &Catalogue, ledger: &'a Ledger) -> OutputSource<'a> {
    OutputSource { view: catalogue.view(), ledger, checks: &[], redact: false }
}

/// Takes one output: its path and its text.
type Take<'a> = dyn FnMut(&Path, &[u8]) -> Result<(), EngineError> + 'a;

/// Hands over the text of each output and its path in `dir`.
fn render(source: OutputSource<'_>, dir: &Path, take: &mut Take<'_>) -> Result<(), EngineError> {
    let OutputSource { mut view, ledger, checks, redact } = source;
    if redact {
        redact::apply(&mut view);
    }
    let notes = notes(dir)?;
    let covered = Coverage { view: &view, ledger, checks };
    for name in OUTPUTS {
        let mut text = Vec::new();
        let out = &mut text as &mut dyn io::Write;
        let path = dir.join(name);
        match name {
            "catalogue.json" => json::write(out, &view),
            "event_schemas.json" => schema::write(out, &view, &SchemaOptions::default()),
            "field_index.json" => field_index::write(out, &view),
            "asyncapi.yaml" => asyncapi::write(out, &view, &AsyncApiOptions::default()),
            "coverage_report.md" => coverage::write_md(out, &covered),
            "coverage_report.json" => coverage::write_json(out, &covered),
            _ => dictionary::write(out, &view, &notes),
        }
        .at("write", &path)?;
        take(&path, &text)?;
    }
    Ok(())
}

/// What people noted about the events.
fn notes(dir: &Path) -> Result<Notes, EngineError> {
    let path = dir.join(NOTES_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Notes::parse(&text).map_err(|error| EngineError::Config {
            origin: path.display().to_string(),
            reason: error.to_string(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Notes::default()),
        Err(error) => Err(error).at("read", &path),
    }
}
