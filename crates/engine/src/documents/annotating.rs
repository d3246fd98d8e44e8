//! What a language model claims about documents, where the settings name one. It is asked about each section once;
//! what it said is kept beside the graph, because asking again costs.

use std::sync::{Arc, Mutex, PoisonError};

use stele_annotate::{AnnotateError, AnnotationConfig, Annotations, Passage, Service, Summary, Task};
use stele_documents::{Claimed, EXTRACTOR, Extracted, Extractor};
use stele_http::Secret;
use stele_model::Document;

use super::chunking::headings;
use crate::EngineError;
use crate::answering::{Paced, own_dir};
use crate::engine::Engine;
use crate::progress::Cancel;

/// What the directory of the answers is called.
const DIR: &str = "annotations";

/// Fewest tokens of a section that a model is asked about. What is shorter names what its heading names.
const SECTION_TOKENS_MIN: u32 = 24;

/// Added to the name of what finds things while the model has not been asked about all of it.
const UNFINISHED: &str = " (unfinished)";

/// What is asked in one run.
pub(super) struct Annotating {
    annotations: Annotations,
    /// The first answer that could not be kept: without it the next run would pay again.
    failed: Mutex<Option<AnnotateError>>,
}

impl Annotating {
    /// What the settings name; nothing if they name no model.
    pub(super) fn of(engine: &Engine) -> Result<Option<Self>, EngineError> {
        let settings = engine.settings();
        let Some(config) = &settings.annotation else { return Ok(None) };
        let key = model_key("annotation", settings.annotation_key.as_deref(), config)?;
        let service = Service::new(config, Task::Claims, key, Arc::new(Paced::new(engine.shared_clock())))?;
        let dir = own_dir(engine.data_dir(), DIR, &settings.tenant);
        let annotations = Annotations::open(&dir, Arc::new(service), config.budget())?;
        Ok(Some(Self { annotations, failed: Mutex::new(None) }))
    }

    /// Adds what is claimed about a document to what the rules found in it.
    pub(super) fn add(&self, document: &Document, found: &mut Extracted, cancel: &Cancel) {
        let mut claimed =
            Claimed { extractor: self.annotations.extractor().to_owned(), ..Claimed::default() };
        for section in document.sections.iter().filter(|section| section.tokens >= SECTION_TOKENS_MIN) {
            let headings = headings(&document.title, &section.parent_path, &section.title);
            let passage = Passage { headings: &headings, text: &section.text };
            match self.annotations.claims(&passage, &|| cancel.is_cancelled()) {
                Ok(Some(claims)) => {
                    claimed.by_section.insert(section.order, claims);
                }
                Ok(None) => {}
                Err(AnnotateError::Cancelled) => return,
                Err(error) => {
                    self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    return;
                }
            }
        }
        claimed.extract(document, found);
    }

    /// What came of it.
    ///
    /// # Errors
    ///
    /// If an answer could not be kept.
    pub(super) fn finish(self) -> Result<Summary, EngineError> {
        match self.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.into()),
            None => Ok(self.annotations.summary()),
        }
    }

    fn extractor(&self) -> &str {
        self.annotations.extractor()
    }
}

/// What a graph is found by if everything is asked: the rules, and the model if there is one.
pub(super) fn wanted(annotating: Option<&Annotating>) -> String {
    annotating.map_or_else(|| EXTRACTOR.to_owned(), |model| format!("{EXTRACTOR} {}", model.extractor()))
}

/// What it was found by in the end. One that is not finished is no graph that the next run leaves as it is.
pub(super) fn found_by(wanted: String, summary: Option<&Summary>) -> String {
    match summary {
        Some(summary) if summary.left > 0 => wanted + UNFINISHED,
        _ => wanted,
    }
}

/// The key of a language model: the one that the environment has, or the first line of a file.
///
/// # Errors
///
/// If that file cannot be read; the error names the setting.
pub(crate) fn model_key(
    table: &str,
    given: Option<&str>,
    config: &AnnotationConfig,
) -> Result<Option<Secret>, EngineError> {
    let path = match (given, &config.key_file) {
        (Some(key), _) => return Ok(Some(Secret::new(key))),
        (None, Some(path)) => path,
        (None, None) => return Ok(None),
    };
    let key = std::fs::read_to_string(path).map_err(|error| EngineError::Config {
        origin: format!("{table}.key_file"),
        reason: format!("{} cannot be read: {error}", path.display()),
    })?;
    Ok(Some(Secret::new(key.lines().next().unwrap_or_default())))
}
