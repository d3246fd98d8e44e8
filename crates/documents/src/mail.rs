//! Mails: who wrote to whom about what, what they wrote, and what they attached.

use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};
use stele_model::document::BlockKind;
use stele_model::{Document, DocumentFormat};

use crate::decode::{line_starts, warning};
use crate::error::DocumentError;
use crate::limits::MAIL_DEPTH_MAX;
use crate::outline::Outline;
use crate::parse::Request;
use crate::writer::{Run, Writer};
use crate::{html, measure, plain};

/// What a mail says, and the mails in it.
pub(crate) fn parse(request: &Request, bytes: &[u8]) -> Result<Document, DocumentError> {
    let message = MessageParser::default()
        .parse(bytes)
        .ok_or_else(|| DocumentError::damaged(&request.source_uri, "the mail", "it has no header"))?;
    let mut outline = Outline { title: message.subject().map(str::to_owned), ..Outline::default() };
    outline.last_edited = message.date().map(|date| date.to_rfc3339());
    let mut writer = Writer::default();
    let mut source = Vec::new();
    write(&message, 1, &mut writer, &mut source, &mut outline);
    outline.drafts = writer.finish();
    let mut document = outline.finish(request, DocumentFormat::Eml, bytes);
    document.conservation = measure::conservation(source.iter().map(String::as_str), &document.sections);
    Ok(document)
}

/// Writes one mail below a heading of this level and gathers the words that it has.
fn write(
    message: &Message<'_>,
    level: usize,
    writer: &mut Writer,
    source: &mut Vec<String>,
    outline: &mut Outline,
) {
    let subject = message.subject().unwrap_or("(no subject)").to_owned();
    source.push(subject.clone());
    writer.heading(level.min(6) as u8, Run::plain(subject), Vec::new());
    let mut head = String::new();
    for (name, value) in [("From", message.from()), ("To", message.to()), ("Cc", message.cc())] {
        if let Some(value) = value {
            head.push_str(&format!("{name}: {}\n", addresses(value)));
        }
    }
    if let Some(date) = message.date() {
        head.push_str(&format!("Date: {}\n", date.to_rfc3339()));
    }
    source.push(head.clone());
    writer.block(BlockKind::Paragraph, Run::plain(head));
    let as_text = message.text_bodies().any(|part| matches!(part.body, PartType::Text(_)));
    if as_text {
        for part in message.text_bodies() {
            if let PartType::Text(text) = &part.body {
                source.push(text.to_string());
                write_text(text, writer);
            }
        }
    } else {
        for part in message.html_bodies() {
            if let PartType::Html(text) = &part.body {
                write_html(text, level, writer, source);
            }
        }
    }
    for part in message.attachments() {
        let name = part.attachment_name().unwrap_or("attachment").to_owned();
        match &part.body {
            PartType::Message(inner) if level < MAIL_DEPTH_MAX => {
                write(inner, level + 1, writer, source, outline)
            }
            PartType::Text(text) => {
                source.push(name.clone());
                source.push(text.to_string());
                writer.heading((level + 1).min(6) as u8, Run::plain(name), Vec::new());
                write_text(text, writer);
            }
            _ => {
                let message = format!("the attachment {name} of {} bytes was not read", part.len());
                outline.warnings.push(warning("attachment", message, 0));
            }
        }
    }
}

fn addresses(value: &Address<'_>) -> String {
    let one = |address: &mail_parser::Addr<'_>| match (&address.name, &address.address) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.as_deref().or(address.as_deref()).unwrap_or_default().to_owned(),
    };
    value.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Paragraphs; those that begin with `>` are somebody else's words.
fn write_text(text: &str, writer: &mut Writer) {
    for block in plain::paragraphs(text, &line_starts(text)) {
        let text = &text[block.span];
        let kind = if text.starts_with('>') { BlockKind::Quote } else { BlockKind::Paragraph };
        writer.block(kind, Run::plain(text));
    }
}

/// The blocks of a page, without its headings becoming sections of their own.
fn write_html(text: &str, level: usize, writer: &mut Writer, source: &mut Vec<String>) {
    for draft in html::page(text).writer.finish() {
        source.push(draft.text.clone());
        if draft.level > 0 {
            let level = (level + usize::from(draft.level)).min(6) as u8;
            writer.heading(level, Run::plain(draft.title), draft.aliases);
        }
        let at = draft.body;
        let mut run = Run::plain(&draft.text[at..]);
        let inside = |span: &std::ops::Range<usize>| span.start >= at;
        let moved = |span: std::ops::Range<usize>| span.start - at..span.end - at;
        let links = draft.links.into_iter().filter(|link| inside(&link.span));
        run.links = links.map(|link| (moved(link.span), link.target)).collect();
        run.text = run.text.trim_end().to_owned();
        writer.block(BlockKind::Paragraph, run);
    }
}
