//! XML as office files have it: elements, attributes and text, without entities of its own, nested no
//! deeper than anybody writes.

use quick_xml::events::{BytesStart, Event as Raw};

use crate::error::DocumentError;
use crate::limits::DEPTH_MAX;

/// An element that opens.
#[derive(Debug)]
pub(crate) struct Element {
    /// Its name without its prefix.
    pub name: String,
    /// Its attributes, without their prefixes, in order.
    pub attributes: Vec<(String, String)>,
}

impl Element {
    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What comes next. An element without content opens and closes.
#[derive(Debug)]
pub(crate) enum Event {
    Open(Element),
    Close(String),
    Text(String),
}

/// Reads events one by one.
pub(crate) struct Reader<'t> {
    reader: quick_xml::Reader<&'t [u8]>,
    source_uri: String,
    part: String,
    depth: usize,
    /// An element without content that still has to close.
    close: Option<String>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(source_uri: &str, part: &str, text: &'t str) -> Self {
        Self {
            reader: quick_xml::Reader::from_str(text),
            source_uri: source_uri.to_owned(),
            part: part.to_owned(),
            depth: 0,
            close: None,
        }
    }

    /// The next event; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, DocumentError> {
        if let Some(name) = self.close.take() {
            return Ok(Some(Event::Close(name)));
        }
        loop {
            let raw = self.reader.read_event().map_err(|error| self.damaged(&error.to_string()))?;
            return Ok(Some(match raw {
                Raw::Eof if self.depth > 0 => return Err(self.damaged("it ends in the middle")),
                Raw::Eof => return Ok(None),
                Raw::Start(start) => {
                    self.depth += 1;
                    if self.depth > DEPTH_MAX {
                        let reason = format!("elements are nested deeper than {DEPTH_MAX}");
                        return Err(DocumentError::refused(&self.source_uri, &self.part, reason));
                    }
                    Event::Open(self.element(&start)?)
                }
                Raw::Empty(start) => {
                    let element = self.element(&start)?;
                    self.close = Some(element.name.clone());
                    Event::Open(element)
                }
                Raw::End(end) => {
                    self.depth = self.depth.saturating_sub(1);
                    Event::Close(utf8(end.local_name().as_ref()))
                }
                Raw::Text(text) => Event::Text(text.to_string()),
                Raw::CData(text) => Event::Text(text.to_string()),
                Raw::GeneralRef(entity) => {
                    let name = entity.to_string();
                    let text =
                        quick_xml::escape::unescape(&format!("&{name};")).map(|text| text.into_owned());
                    // One that is not of XML itself would have to be declared, and none may be.
                    Event::Text(text.unwrap_or_else(|_| format!("&{name};")))
                }
                // No office file declares anything; bombs do.
                Raw::DocType(_) => {
                    let reason = "it declares entities of its own, as a bomb does";
                    return Err(DocumentError::refused(&self.source_uri, &self.part, reason));
                }
                Raw::Comment(_) | Raw::Decl(_) | Raw::PI(_) => continue,
            }));
        }
    }

    fn damaged(&self, reason: &str) -> DocumentError {
        DocumentError::damaged(&self.source_uri, &self.part, reason)
    }

    fn element(&self, start: &BytesStart<'_>) -> Result<Element, DocumentError> {
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.damaged(&error.to_string()))?;
            let value = attribute.value.to_string();
            let value = quick_xml::escape::unescape(&value).map(|text| text.into_owned()).unwrap_or(value);
            attributes.push((utf8(attribute.key.local_name().as_ref()), value));
        }
        Ok(Element { name: utf8(start.local_name().as_ref()), attributes })
    }
}

/// The text was checked when it was decoded.
fn utf8(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}
