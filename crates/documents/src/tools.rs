//! Programs that read what this crate does not read itself.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stele_isolate::{IsolateError, Limits, Ran, run};

use crate::error::DocumentError;
use crate::isolate::stopped;

/// Where those programs are. A bare name is looked for where the system looks for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// Says how many pages a PDF has, and what it is called. From `poppler-utils`.
    pub pdfinfo: PathBuf,
    /// Gives the text of a PDF. From `poppler-utils`.
    pub pdftotext: PathBuf,
    /// Draws pages of a PDF for OCR. From `poppler-utils`.
    pub pdftoppm: PathBuf,
    /// Reads pictures. From `tesseract-ocr`. None switches OCR off.
    pub tesseract: Option<PathBuf>,
    /// Languages that OCR looks for, as Tesseract writes them: `eng`, `eng+deu`.
    pub languages: String,
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            pdfinfo: "pdfinfo".into(),
            pdftotext: "pdftotext".into(),
            pdftoppm: "pdftoppm".into(),
            tesseract: Some("tesseract".into()),
            languages: "eng".to_owned(),
        }
    }
}

/// Runs one of them; a program that is not there is an error that says what brings it.
pub(crate) fn use_tool(
    source_uri: &str,
    program: &std::path::Path,
    package: &str,
    arguments: &[&str],
    input: &[u8],
) -> Result<Ran, DocumentError> {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let limits = Limits::default();
    let name = program.display().to_string();
    run(program.as_os_str(), &arguments, input, &limits, false).map_err(|error| match error {
        IsolateError::Io(error) if error.kind() == io::ErrorKind::NotFound => DocumentError::ToolMissing {
            source_uri: source_uri.to_owned(),
            program: name,
            package: package.to_owned(),
        },
        error => stopped(error, source_uri, &name),
    })
}
