//! Documents, slides and sheets of office suites: archives of XML.

mod archive;
mod beside;
mod count;
mod docx;
mod pptx;
mod xlsx;
mod xml;

pub(crate) use archive::Archive;
pub(crate) use docx::parse as parse_docx;
pub(crate) use pptx::parse as parse_pptx;
pub(crate) use xlsx::parse as parse_xlsx;

use crate::error::DocumentError;
use crate::outline::Outline;
use xml::Event;

/// Title, version and time of the last change, which all three formats keep in the same place.
fn properties(archive: &mut Archive<'_>, outline: &mut Outline) -> Result<(), DocumentError> {
    let Some(text) = archive.optional("docProps/core.xml")? else { return Ok(()) };
    let mut reader = xml::Reader::new(archive.source_uri(), "docProps/core.xml", &text);
    let mut open = String::new();
    while let Some(event) = reader.next()? {
        match event {
            Event::Open(element) => open = element.name,
            Event::Text(text) if !text.trim().is_empty() => match open.as_str() {
                "title" => outline.title = Some(text.trim().to_owned()),
                "version" => outline.version = Some(text.trim().to_owned()),
                "modified" => outline.last_edited = Some(text.trim().to_owned()),
                _ => {}
            },
            Event::Close(_) => open.clear(),
            Event::Text(_) => {}
        }
    }
    Ok(())
}

/// Targets of a part's relations by their id.
fn relations(archive: &mut Archive<'_>, part: &str) -> Result<Vec<Relation>, DocumentError> {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let path = format!("{folder}/_rels/{name}.rels");
    let Some(text) = archive.optional(&path)? else { return Ok(Vec::new()) };
    let mut reader = xml::Reader::new(archive.source_uri(), &path, &text);
    let mut found = Vec::new();
    while let Some(event) = reader.next()? {
        let Event::Open(element) = event else { continue };
        if let (Some(id), Some(target)) = (element.attribute("Id"), element.attribute("Target")) {
            let kind = element
                .attribute("Type")
                .unwrap_or_default()
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned();
            found.push(Relation { id: id.to_owned(), kind, target: target.to_owned() });
        }
    }
    Ok(found)
}

/// How one part of an archive leads to another, or out of it.
struct Relation {
    id: String,
    /// Last word of its type: `slide`, `hyperlink`, `notesSlide` …
    kind: String,
    target: String,
}

/// A target within the archive, seen from the folder of `part`. A part cannot be left by `..`.
fn within(part: &str, target: &str) -> String {
    let folder = part.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            step => parts.push(step),
        }
    }
    parts.join("/")
}
