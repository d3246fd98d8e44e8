//! Blocks of the API: `{"object":"list","results":[…]}`, a list of such answers, or a page with its
//! blocks. Blocks inside a block stand in its `children`; what the API has not been asked for is said.

use serde_json::Value;
use stele_model::document::BlockKind;
use stele_model::{Document, DocumentFormat};

use crate::decode::{decode, warning};
use crate::error::DocumentError;
use crate::measure;
use crate::outline::Outline;
use crate::parse::Request;
use crate::writer::{Run, Writer};

/// Whether a text begins like an answer of the API.
pub(crate) fn looks_like_blocks(text: &str) -> bool {
    /// The first keys tell.
    const HEAD: usize = 4096;
    let mut end = text.len().min(HEAD);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head: String = text[..end].chars().filter(|c| !c.is_whitespace()).collect();
    let object = head.starts_with(['{', '[']);
    object
        && ["\"object\":\"block\"", "\"object\":\"list\"", "\"object\":\"page\""]
            .iter()
            .any(|mark| head.contains(mark))
}

/// What blocks say.
pub(crate) fn parse(request: &Request, bytes: &[u8]) -> Result<Document, DocumentError> {
    let mut outline = Outline::default();
    let text = decode(bytes, None, &mut outline.warnings);
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| DocumentError::damaged(&request.source_uri, "the JSON", error))?;
    let mut walker = Walker { writer: Writer::default(), outline, in_steps: false };
    walker.answer(&value);
    walker.end_steps();
    let Walker { writer, mut outline, .. } = walker;
    outline.drafts = writer.finish();
    let mut document = outline.finish(request, DocumentFormat::NotionBlocks, bytes);
    let mut source = Vec::new();
    plain_texts(&value, &mut source);
    let source: Vec<&str> = source.iter().map(String::as_str).collect();
    document.conservation = measure::conservation(source, &document.sections);
    Ok(document)
}

struct Walker {
    writer: Writer,
    outline: Outline,
    in_steps: bool,
}

impl Walker {
    /// One answer, several of them, or a page with its blocks.
    fn answer(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.answer(item)),
            Value::Object(members) => {
                match value["object"].as_str() {
                    Some("block") => return self.block(value),
                    Some("page") => self.page(value),
                    _ => {}
                }
                for key in ["page", "results", "blocks", "children"] {
                    if let Some(inner) = members.get(key) {
                        self.answer(inner);
                    }
                }
                if value["has_more"] == Value::Bool(true) && value["next_cursor"].is_string() {
                    self.missing("the API has more blocks than were asked for");
                }
            }
            _ => {}
        }
    }

    fn missing(&mut self, message: &str) {
        self.outline.warnings.push(warning("incomplete", message, 0));
    }

    fn page(&mut self, page: &Value) {
        let properties =
            page["properties"].as_object().into_iter().flat_map(|properties| properties.values());
        let title = properties.filter_map(|property| property["title"].as_array()).next();
        if let Some(title) = title {
            let run = rich(title);
            self.outline.title = Some(run.text.clone());
            self.writer.heading(1, run, Vec::new());
        }
        self.outline.last_edited = page["last_edited_time"].as_str().map(str::to_owned);
    }

    fn block(&mut self, block: &Value) {
        let kind = block["type"].as_str().unwrap_or_default();
        let content = &block[kind];
        let text =
            content["rich_text"].as_array().or_else(|| content["text"].as_array()).map(|text| rich(text));
        let run = text.unwrap_or_default();
        if kind != "numbered_list_item" {
            self.end_steps();
        }
        match kind {
            "heading_1" => self.writer.heading(1, run, Vec::new()),
            "heading_2" => self.writer.heading(2, run, Vec::new()),
            "heading_3" => self.writer.heading(3, run, Vec::new()),
            "code" => self.writer.code(content["language"].as_str().unwrap_or_default(), &run.text),
            "bulleted_list_item" | "to_do" | "toggle" => self.writer.block(BlockKind::List, run),
            "quote" | "callout" => self.writer.block(BlockKind::Quote, run),
            "numbered_list_item" => {
                if !self.in_steps {
                    self.writer.begin_steps();
                    self.in_steps = true;
                }
                self.writer.plain_step(run);
            }
            "table" => return self.table(block),
            "child_page" | "child_database" => {
                let title = content["title"].as_str().unwrap_or_default();
                self.writer.block(BlockKind::Paragraph, Run::plain(title));
            }
            "equation" => {
                let expression = content["expression"].as_str().unwrap_or_default();
                self.writer.block(BlockKind::Paragraph, Run::plain(expression));
            }
            _ => self.writer.block(BlockKind::Paragraph, run),
        }
        if let Some(caption) = content["caption"].as_array() {
            self.writer.block(BlockKind::Image, rich(caption));
        }
        let target = ["url", "external", "file"].iter().find_map(|key| match &content[*key] {
            Value::String(url) => Some(url.as_str()),
            inner => inner["url"].as_str(),
        });
        if let Some(target) = target {
            let links = vec![(0..target.len(), target.to_owned())];
            self.writer.block(BlockKind::Paragraph, Run { text: target.to_owned(), links, ..Run::default() });
        }
        self.children(block, content);
    }

    /// Blocks inside a block.
    fn children(&mut self, block: &Value, content: &Value) {
        let inside = std::mem::take(&mut self.in_steps);
        match children(block, content) {
            Some(children) => children.iter().for_each(|child| self.answer(child)),
            None if block["has_children"] == Value::Bool(true) => {
                self.missing("the API was not asked for the blocks inside a block");
            }
            None => {}
        }
        self.end_steps();
        self.in_steps = inside;
    }

    fn table(&mut self, block: &Value) {
        let content = &block["table"];
        let Some(rows) = children(block, content) else {
            return self.missing("the API was not asked for the rows of a table");
        };
        let cells = |row: &Value| -> Vec<_> {
            let cells = row["table_row"]["cells"].as_array().into_iter().flatten();
            cells.map(|cell| rich(cell.as_array().map_or(&[], Vec::as_slice)).cell()).collect()
        };
        let mut rows: Vec<_> = rows.iter().map(cells).collect();
        let mut head = Vec::new();
        if content["has_column_header"] == Value::Bool(true) && !rows.is_empty() {
            head = rows.remove(0).into_iter().map(|cell| cell.text).collect();
        }
        self.writer.table(head, rows);
    }

    fn end_steps(&mut self) {
        if std::mem::take(&mut self.in_steps) {
            self.writer.end_steps();
        }
    }
}

/// Blocks inside a block stand beside its content or in it.
fn children<'v>(block: &'v Value, content: &'v Value) -> Option<&'v Vec<Value>> {
    let beside = &block["children"];
    let list = beside.as_array().or_else(|| beside["results"].as_array());
    list.or_else(|| content["children"].as_array())
}

/// Text with its code and links.
fn rich(parts: &[Value]) -> Run {
    let mut run = Run::default();
    for part in parts {
        let text =
            part["plain_text"].as_str().or_else(|| part["text"]["content"].as_str()).unwrap_or_default();
        let span = run.text.len()..run.text.len() + text.len();
        run.text.push_str(text);
        if part["annotations"]["code"] == Value::Bool(true) {
            run.code.push(span.clone());
        }
        if let Some(target) = part["href"].as_str() {
            run.links.push((span, target.to_owned()));
        }
    }
    run
}

/// Every `plain_text`, wherever it stands, and each list of them as one text: what conservation is
/// measured against.
fn plain_texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            let texts: String = items.iter().filter_map(|item| item["plain_text"].as_str()).collect();
            found.push(texts);
            items.iter().for_each(|item| plain_texts(item, found));
        }
        Value::Object(members) => members.values().for_each(|inner| plain_texts(inner, found)),
        _ => {}
    }
}
