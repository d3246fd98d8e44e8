//! Writes JSON and YAML as a stream of keys and values; holds no document in memory.
//!
//! The YAML is block style with quoted strings, a subset that YAML 1.1 and 1.2 readers agree on.

use std::io;

use stele_model::json::quote;

use crate::view::ValueView;

/// Longest key that YAML readers must take without a leading `?` (YAML 1.2, section 7.4.2, allows
/// 1024 characters; the quotes and escapes count).
const YAML_KEY_CHARS_MAX: usize = 1000;

/// Words that some YAML reader takes for a boolean or null when they stand without quotes.
const YAML_WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// Which language is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Json,
    Yaml,
}

/// Where the next YAML value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Start,
    AfterKey,
    AfterDash,
}

struct Open {
    array: bool,
    empty: bool,
    indent: usize,
    position: Position,
}

/// The writer. The first error stops all writing and is returned by [`Emitter::finish`], so that
/// building a document reads as the document.
pub(crate) struct Emitter<'o> {
    out: &'o mut dyn io::Write,
    style: Style,
    open: Vec<Open>,
    position: Position,
    result: io::Result<()>,
}

impl<'o> Emitter<'o> {
    pub(crate) fn new(out: &'o mut dyn io::Write, style: Style) -> Self {
        Self { out, style, open: Vec::new(), position: Position::Start, result: Ok(()) }
    }

    /// Ends the document.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if self.style == Style::Json {
            self.put("\n");
        }
        self.result
    }

    pub(crate) fn object(&mut self) {
        self.begin(false);
    }

    pub(crate) fn array(&mut self) {
        self.begin(true);
    }

    /// Ends the innermost object or array.
    pub(crate) fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        let brackets = if open.array { ["[]", "]"] } else { ["{}", "}"] };
        match (self.style, open.empty) {
            (Style::Json, empty) => {
                if !empty {
                    self.line(open.indent - 1);
                }
                self.put(brackets[1]);
            }
            (Style::Yaml, true) => {
                self.position = open.position;
                self.yaml_value(brackets[0]);
            }
            (Style::Yaml, false) => {}
        }
    }

    /// Names the next value of an object.
    pub(crate) fn key(&mut self, key: &str) {
        self.entry();
        match self.style {
            Style::Json => {
                self.put(&quote(key));
                self.put(": ");
            }
            Style::Yaml => {
                let written = yaml_key(key);
                if written.chars().count() > YAML_KEY_CHARS_MAX {
                    let indent = self.open.last().map_or(0, |open| open.indent);
                    self.put("? ");
                    self.put(&written);
                    self.put("\n");
                    self.spaces(indent - 1);
                } else {
                    self.put(&written);
                }
                self.put(":");
                self.position = Position::AfterKey;
            }
        }
    }

    /// A string.
    pub(crate) fn text(&mut self, text: &str) {
        match self.style {
            Style::Json => self.scalar(&quote(text)),
            Style::Yaml => self.scalar(&yaml_quote(text)),
        }
    }

    /// A non-negative integer.
    pub(crate) fn count(&mut self, count: u64) {
        self.scalar(&count.to_string());
    }

    /// A boolean.
    pub(crate) fn flag(&mut self, flag: bool) {
        self.scalar(if flag { "true" } else { "false" });
    }

    /// A scalar that is already JSON; see [`is_scalar`].
    pub(crate) fn raw(&mut self, json: &str) {
        let written = self.respell(json);
        self.scalar(&written);
    }

    /// An array of scalars that are already JSON, on one line.
    pub(crate) fn raws<'a>(&mut self, scalars: impl IntoIterator<Item = &'a str>) {
        let items: Vec<String> = scalars.into_iter().map(|json| self.respell(json)).collect();
        self.scalar(&format!("[{}]", items.join(", ")));
    }

    /// An array of strings, on one line.
    pub(crate) fn words<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        let quoted: Vec<String> = words.into_iter().map(quote).collect();
        self.raws(quoted.iter().map(String::as_str));
    }

    /// A member with a string.
    pub(crate) fn field(&mut self, key: &str, text: &str) {
        self.key(key);
        self.text(text);
    }

    /// A member with a count.
    pub(crate) fn field_count(&mut self, key: &str, count: u64) {
        self.key(key);
        self.count(count);
    }

    /// A member with a scalar that is already JSON.
    pub(crate) fn field_raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.raw(json);
    }

    /// A value with its place. A text that is not JSON by itself, because it was cut or hidden, is
    /// given as `text`.
    pub(crate) fn sample(&mut self, value: &ValueView) {
        self.object();
        if !value.cut && is_scalar(&value.json) {
            self.field_raw("value", &value.json);
        } else {
            self.field("text", &value.json);
        }
        self.field("at", &format!("{}:{}", value.place.file, value.place.line));
        self.end();
    }

    fn respell(&self, json: &str) -> String {
        if self.style == Style::Yaml
            && json.starts_with('"')
            && let Ok(text) = serde_json::from_str::<String>(json)
        {
            return yaml_quote(&text);
        }
        json.to_owned()
    }

    fn begin(&mut self, array: bool) {
        self.element();
        let indent = self.open.last().map_or(0, |open| open.indent) + 1;
        self.open.push(Open { array, empty: true, indent, position: self.position });
        if self.style == Style::Json {
            self.put(if array { "[" } else { "{" });
        }
    }

    fn scalar(&mut self, written: &str) {
        self.element();
        match self.style {
            Style::Json => self.put(written),
            Style::Yaml => self.yaml_value(written),
        }
    }

    fn yaml_value(&mut self, written: &str) {
        if self.position != Position::Start {
            self.put(" ");
        }
        self.put(written);
        self.put("\n");
    }

    /// A value inside an array begins an entry; a value in an object had its key.
    fn element(&mut self) {
        if self.open.last().is_some_and(|open| open.array) {
            self.entry();
            if self.style == Style::Yaml {
                self.put("-");
                self.position = Position::AfterDash;
            }
        }
    }

    fn entry(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        let (first, indent, position) = (open.empty, open.indent, open.position);
        open.empty = false;
        match (self.style, first, position) {
            (Style::Json, first, _) => {
                if !first {
                    self.put(",");
                }
                self.line(indent);
            }
            (Style::Yaml, true, Position::AfterKey) => self.line(indent - 1),
            (Style::Yaml, true, Position::AfterDash) => self.put(" "),
            (Style::Yaml, true, Position::Start) => {}
            (Style::Yaml, false, _) => self.spaces(indent - 1),
        }
    }

    fn line(&mut self, indent: usize) {
        self.put("\n");
        self.spaces(indent);
    }

    fn spaces(&mut self, indent: usize) {
        for _ in 0..indent {
            self.put("  ");
        }
    }

    fn put(&mut self, text: &str) {
        if self.result.is_ok() {
            self.result = self.out.write_all(text.as_bytes());
        }
    }
}

/// Whether `json` is one JSON scalar that any reader takes. A string with a lone surrogate escape
/// is JSON by the letter, but most readers refuse the whole file for it.
pub(crate) fn is_scalar(json: &str) -> bool {
    let starts = json.bytes().next().is_some_and(|byte| !matches!(byte, b'{' | b'['));
    starts && serde_json::from_str::<serde_json::Value>(json).is_ok()
}

fn yaml_key(key: &str) -> String {
    let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'$'))
        && key.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$'))
        && !YAML_WORDS.contains(&key.to_ascii_lowercase().as_str());
    if plain { key.to_owned() } else { yaml_quote(key) }
}

/// `text` in double quotes, with everything escaped that YAML does not call printable or takes for
/// a line break. Characters beyond U+FFFF stay as they are: YAML has no surrogate pairs.
fn yaml_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for character in quote(text).chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
    out
}
