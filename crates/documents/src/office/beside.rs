//! What stands beside the body of an office file: headers and footers, comments, the words of charts and
//! diagrams. It is no part of the text that is read from beginning to end, so it has a place of its own.

use stele_model::document::BlockKind;

use super::xml::{Event, Reader};
use super::{Archive, count};
use crate::decode::warning;
use crate::error::DocumentError;
use crate::outline::Outline;
use crate::writer::{Run, Writer};

/// Elements whose text people wrote, in drawings and in comments of either age.
pub(super) const WORDS: [&str; 2] = ["t", "text"];

/// Names of files inside that are shown.
const SHOWN_MAX: usize = 3;

/// What stands beside the body in one place of its own.
pub(super) struct Beside<'a> {
    /// What its section is called.
    pub(super) title: &'a str,
    /// Elements that hold its text.
    pub(super) names: &'a [&'a str],
    /// Takes marks out of a text that are no words.
    pub(super) clean: fn(&str) -> String,
}

/// What a part says, a paragraph each.
pub(super) struct Said {
    /// The words as a scanner finds them that knows no tree.
    pub(super) source: String,
    pub(super) paragraphs: Vec<String>,
}

/// The text of the elements called `names` in a part.
pub(super) fn read(archive: &mut Archive<'_>, part: &str, names: &[&str]) -> Result<Said, DocumentError> {
    let Some(text) = archive.optional(part)? else {
        return Ok(Said { source: String::new(), paragraphs: Vec::new() });
    };
    let mut reader = Reader::new(archive.source_uri(), part, &text);
    let (mut paragraphs, mut open, mut depth) = (Vec::new(), String::new(), 0usize);
    while let Some(event) = reader.next()? {
        match event {
            Event::Open(element) if names.contains(&element.name.as_str()) => depth += 1,
            Event::Open(element) if element.name == "br" => open.push('\n'),
            Event::Open(_) => {}
            Event::Text(text) if depth > 0 => open.push_str(&text),
            Event::Text(_) => {}
            Event::Close(name) => {
                depth -= usize::from(depth > 0 && names.contains(&name.as_str()));
                // A run of a comment is no paragraph, the whole comment is.
                if depth == 0 && !matches!(name.as_str(), "r" | "t" | "br") {
                    paragraphs.extend(Some(std::mem::take(&mut open)).filter(|said| !said.trim().is_empty()));
                }
            }
        }
    }
    Ok(Said { source: count::inside(&text, names), paragraphs })
}

/// Writes what `parts` say below a heading of its own; nothing if they say nothing. What several of them say
/// alike, as the headers of sheets do, is written once.
pub(super) fn write(
    archive: &mut Archive<'_>,
    beside: &Beside<'_>,
    parts: &[String],
    writer: &mut Writer,
    source: &mut Vec<String>,
) -> Result<(), DocumentError> {
    let mut seen: Vec<Vec<String>> = Vec::new();
    for part in parts {
        let Said { source: words, paragraphs } = read(archive, part, beside.names)?;
        if paragraphs.is_empty() || seen.contains(&paragraphs) {
            continue;
        }
        if seen.is_empty() {
            begin(beside.title, writer, source);
        }
        source.push((beside.clean)(&words));
        for paragraph in &paragraphs {
            writer.block(BlockKind::Paragraph, Run::plain((beside.clean)(paragraph).trim()));
        }
        seen.push(paragraphs);
    }
    Ok(())
}

/// Begins the section for what stands beside.
pub(super) fn begin(title: &str, writer: &mut Writer, source: &mut Vec<String>) {
    source.push(title.to_owned());
    writer.off_pages();
    writer.heading(1, Run::plain(title), Vec::new());
}

/// Names of the parts in a folder whose file begins with one of `beginnings`.
pub(super) fn parts(archive: &Archive<'_>, folder: &str, beginnings: &[&str]) -> Vec<String> {
    let is_part = |name: &&String| {
        let file = name.strip_prefix(folder).filter(|file| file.ends_with(".xml") && !file.contains('/'));
        file.is_some_and(|file| beginnings.iter().any(|beginning| file.starts_with(beginning)))
    };
    archive.names().iter().filter(is_part).cloned().collect()
}

/// Says which files inside of it are not read.
pub(super) fn embedded(archive: &Archive<'_>, folder: &str, outline: &mut Outline) {
    let inside: Vec<&str> = archive.names().iter().filter_map(|name| name.strip_prefix(folder)).collect();
    if !inside.is_empty() {
        let more = if inside.len() > SHOWN_MAX { " …" } else { "" };
        let shown = inside.iter().take(SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
        let message = format!(
            "{} files inside of it are not read: {shown}{more}; save them as files of their own to have them read",
            inside.len()
        );
        outline.warnings.push(warning("embedded_left_out", message, 0));
    }
}
