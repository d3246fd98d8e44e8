//! PPTX: one section a slide, in the order in which they are shown.

use stele_model::document::{BlockKind, Cell};
use stele_model::{Document, DocumentFormat};

use super::xml::{Event, Reader};
use super::{Archive, beside, count, properties, relations, within};
use crate::decode::warning;
use crate::error::DocumentError;
use crate::limits::PAGES_MAX;
use crate::measure;
use crate::outline::{Outline, pages};
use crate::parse::Request;
use crate::writer::{Run, Writer};

/// The part that says which slides there are.
const INDEX: &str = "ppt/presentation.xml";

/// What a slide leads to that has words of its own beside its notes.
const BESIDE: [&str; 3] = ["comments", "chart", "diagramData"];

/// What slides say.
pub(crate) fn parse(request: &Request, bytes: &[u8]) -> Result<Document, DocumentError> {
    let mut archive = Archive::open(&request.source_uri, bytes)?;
    let mut outline = Outline::default();
    properties(&mut archive, &mut outline)?;
    let slides = slides(&mut archive)?;
    let mut writer = Writer::default();
    let mut source = Vec::new();
    let mut blank = 0;
    for (index, part) in slides.iter().enumerate() {
        let number = index as u32 + 1;
        writer.page(number, format!("Slide {number}"));
        let text = archive.text(part)?;
        let words = count::words(&text, "a:");
        let mut found = shapes(&archive, part, &text)?;
        let links = relations(&mut archive, part)?;
        let mut notes = String::new();
        let mut beside = Vec::new();
        for relation in links.iter().filter(|relation| BESIDE.contains(&relation.kind.as_str())) {
            let said = beside::read(&mut archive, &within(part, &relation.target), &beside::WORDS)?;
            source.push(said.source);
            beside.extend(said.paragraphs);
        }
        if let Some(relation) = links.iter().find(|relation| relation.kind == "notesSlide") {
            let part = within(part, &relation.target);
            if let Some(text) = archive.optional(&part)? {
                source.push(count::words(&text, "a:"));
                let shapes = shapes(&archive, &part, &text)?;
                notes = shapes.into_iter().flat_map(|shape| shape.paragraphs).collect::<Vec<_>>().join("\n");
            }
        }
        if words.trim().is_empty() {
            blank += 1;
            outline.warnings.push(warning(
                "page_without_text",
                format!("slide {number} has no text"),
                number,
            ));
        }
        source.push(words);
        if let Some(title) = found.iter().position(|shape| shape.title) {
            let shape = found.remove(title);
            writer.heading(1, Run::plain(shape.paragraphs.join(" ")), Vec::new());
        }
        for shape in found {
            for paragraph in shape.paragraphs {
                writer.block(BlockKind::Paragraph, Run::plain(paragraph));
            }
            writer.table(Vec::new(), shape.rows);
        }
        writer.block(BlockKind::Paragraph, Run::plain(notes));
        for paragraph in beside {
            writer.block(BlockKind::Paragraph, Run::plain(paragraph.trim()));
        }
    }
    beside::embedded(&archive, "ppt/embeddings/", &mut outline);
    outline.drafts = writer.finish();
    let mut document = outline.finish(request, DocumentFormat::Pptx, bytes);
    let mut conservation = measure::conservation(source.iter().map(String::as_str), &document.sections);
    conservation.pages_in = slides.len() as u32;
    conservation.pages_out = pages(&document.sections);
    conservation.pages_without_text = blank;
    document.conservation = conservation;
    Ok(document)
}

/// Parts of the slides, in order.
fn slides(archive: &mut Archive<'_>) -> Result<Vec<String>, DocumentError> {
    let text = archive.text(INDEX)?;
    let relations = relations(archive, INDEX)?;
    let mut reader = Reader::new(archive.source_uri(), INDEX, &text);
    let mut slides = Vec::new();
    while let Some(event) = reader.next()? {
        let Event::Open(element) = event else { continue };
        // Two attributes are called id; the one of the relation comes with a prefix and is a word.
        let ids = element.attributes.iter().filter(|(name, _)| name == "id").map(|(_, value)| value);
        let found = ids.filter_map(|id| relations.iter().find(|relation| relation.id == *id)).next();
        if let Some(relation) = found.filter(|_| element.name == "sldId") {
            slides.push(within(INDEX, &relation.target));
        }
        if slides.len() > PAGES_MAX as usize {
            let max = u64::from(PAGES_MAX);
            let what = "the list of slides".to_owned();
            return Err(DocumentError::TooLarge { source_uri: archive.source_uri().to_owned(), what, max });
        }
    }
    Ok(slides)
}

/// A box on a slide.
#[derive(Default)]
struct Shape {
    title: bool,
    paragraphs: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

fn shapes(archive: &Archive<'_>, part: &str, text: &str) -> Result<Vec<Shape>, DocumentError> {
    let mut reader = Reader::new(archive.source_uri(), part, text);
    let mut shapes = Vec::new();
    let mut shape = Shape::default();
    let mut run = String::new();
    let mut cell: Option<String> = None;
    let (mut in_text, mut fallback) = (false, 0usize);
    while let Some(event) = reader.next()? {
        match event {
            Event::Open(element) if element.name == "Fallback" => fallback += 1,
            Event::Close(name) if name == "Fallback" => fallback = fallback.saturating_sub(1),
            _ if fallback > 0 => {}
            Event::Open(element) => match element.name.as_str() {
                "sp" | "graphicFrame" => shape = Shape::default(),
                "ph" => shape.title = matches!(element.attribute("type"), Some("title" | "ctrTitle")),
                "t" => in_text = true,
                "br" => run.push('\n'),
                "tr" => shape.rows.push(Vec::new()),
                "tc" => cell = Some(String::new()),
                _ => {}
            },
            Event::Text(text) if in_text => run.push_str(&text),
            Event::Text(_) => {}
            Event::Close(name) => match name.as_str() {
                "t" => in_text = false,
                "p" => {
                    let paragraph = std::mem::take(&mut run);
                    match &mut cell {
                        Some(cell) => {
                            if !cell.is_empty() {
                                cell.push('\n');
                            }
                            cell.push_str(&paragraph);
                        }
                        None if !paragraph.trim().is_empty() => shape.paragraphs.push(paragraph),
                        None => {}
                    }
                }
                "tc" => {
                    let text = cell.take().unwrap_or_default();
                    if let Some(row) = shape.rows.last_mut() {
                        row.push(Run::plain(text).cell());
                    }
                }
                "sp" | "graphicFrame" => shapes.push(std::mem::take(&mut shape)),
                _ => {}
            },
        }
    }
    Ok(shapes)
}
