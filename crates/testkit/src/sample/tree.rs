//! A JSON value on its way out: what is written is exactly what was built, spelling included.
//!
//! It can say things that a parsed value cannot: a number with its spelling, a string literal that
//! is no text (a lone surrogate), the same key twice.

use std::borrow::Cow;

use stele_model::json::Kind;

/// A value to be written.
#[derive(Debug, Clone)]
pub enum Tree {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any number, spelled as it is to be written.
    Number(String),
    /// A string.
    Text(Cow<'static, str>),
    /// A string literal as it is to be written, quotes included.
    Literal(&'static str),
    /// An array.
    Array(Vec<Tree>),
    /// An object; keys may repeat.
    Object(Vec<(Cow<'static, str>, Tree)>),
}

/// How a value is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// No spaces, characters as they are.
    Compact,
    /// A space after `,` and `:`, everything outside ASCII as `\uXXXX`.
    Spaced,
    /// One member a line, two spaces a level.
    Pretty,
}

impl Tree {
    /// The value's type.
    pub fn kind(&self) -> Kind {
        match self {
            Tree::Null => Kind::Null,
            Tree::Bool(_) => Kind::Boolean,
            Tree::Int(_) => Kind::Integer,
            Tree::Number(spelling) if spelling.contains(['.', 'e', 'E']) => Kind::Number,
            Tree::Number(_) => Kind::Integer,
            Tree::Text(_) | Tree::Literal(_) => Kind::String,
            Tree::Array(_) => Kind::Array,
            Tree::Object(_) => Kind::Object,
        }
    }

    /// Appends the value to `out`.
    pub fn write(&self, out: &mut String, style: Style) {
        self.write_at(out, style, 0);
    }

    fn write_at(&self, out: &mut String, style: Style, depth: usize) {
        match self {
            Tree::Null => out.push_str("null"),
            Tree::Bool(true) => out.push_str("true"),
            Tree::Bool(false) => out.push_str("false"),
            Tree::Int(number) => out.push_str(&number.to_string()),
            Tree::Number(spelling) => out.push_str(spelling),
            Tree::Text(text) => write_text(out, text, style),
            Tree::Literal(literal) => out.push_str(literal),
            Tree::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    separate(out, style, depth, index == 0);
                    item.write_at(out, style, depth + 1);
                }
                close(out, style, depth, items.is_empty(), ']');
            }
            Tree::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    separate(out, style, depth, index == 0);
                    write_text(out, key, style);
                    out.push_str(if style == Style::Compact { ":" } else { ": " });
                    value.write_at(out, style, depth + 1);
                }
                close(out, style, depth, members.is_empty(), '}');
            }
        }
    }

    /// The value written out.
    pub fn to_text(&self, style: Style) -> String {
        let mut out = String::new();
        self.write(&mut out, style);
        out
    }

    /// Adds a member at the end of an object; anything else stays as it is.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Tree>) -> Tree {
        if let Tree::Object(members) = &mut self {
            members.push((Cow::Borrowed(key), value.into()));
        }
        self
    }
}

fn separate(out: &mut String, style: Style, depth: usize, first: bool) {
    if !first {
        out.push_str(if style == Style::Spaced { ", " } else { "," });
    }
    if style == Style::Pretty {
        indent(out, depth + 1);
    }
}

fn close(out: &mut String, style: Style, depth: usize, empty: bool, bracket: char) {
    if style == Style::Pretty && !empty {
        indent(out, depth);
    }
    out.push(bracket);
}

fn indent(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

fn write_text(out: &mut String, text: &str, style: Style) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || (style == Style::Spaced && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl From<bool> for Tree {
    fn from(value: bool) -> Self {
        Tree::Bool(value)
    }
}

impl From<i64> for Tree {
    fn from(value: i64) -> Self {
        Tree::Int(value)
    }
}

impl From<&'static str> for Tree {
    fn from(value: &'static str) -> Self {
        Tree::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Tree {
    fn from(value: String) -> Self {
        Tree::Text(Cow::Owned(value))
    }
}

impl From<Vec<Tree>> for Tree {
    fn from(items: Vec<Tree>) -> Self {
        Tree::Array(items)
    }
}

/// An object from its members.
pub fn object<const N: usize>(members: [(&'static str, Tree); N]) -> Tree {
    Tree::Object(members.into_iter().map(|(key, value)| (Cow::Borrowed(key), value)).collect())
}

/// An object whose keys are data.
pub fn map(members: impl IntoIterator<Item = (String, Tree)>) -> Tree {
    Tree::Object(members.into_iter().map(|(key, value)| (Cow::Owned(key), value)).collect())
}

/// `units` billionths as a number with as few decimals as it needs, but at least one if `point`.
/// Integer arithmetic, so that no platform's way of writing floats shows.
pub fn decimal(units: i64, point: bool) -> Tree {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    let fraction = format!("{:09}", units % 1_000_000_000);
    let fraction = fraction.trim_end_matches('0');
    let whole = units / 1_000_000_000;
    Tree::Number(match (fraction, point) {
        ("", false) => format!("{sign}{whole}"),
        ("", true) => format!("{sign}{whole}.0"),
        _ => format!("{sign}{whole}.{fraction}"),
    })
}

#[cfg(test)]
mod tests {
    use super::{Style, Tree, decimal, object};

    #[test]
    fn styles() {
        let tree = object([("a", vec![Tree::Int(1), Tree::Null].into()), ("é\n", object([]))]);
        assert_eq!(tree.to_text(Style::Compact), "{\"a\":[1,null],\"é\\n\":{}}");
        assert_eq!(tree.to_text(Style::Spaced), "{\"a\": [1, null], \"\\u00e9\\n\": {}}");
        assert_eq!(tree.to_text(Style::Pretty), "{\n  \"a\": [\n    1,\n    null\n  ],\n  \"é\\n\": {}\n}");
        assert_eq!(Tree::from("😀").to_text(Style::Spaced), "\"\\ud83d\\ude00\"");
    }

    #[test]
    fn decimals() {
        let text = |units, point| decimal(units, point).to_text(Style::Compact);
        assert_eq!(text(1_000_000_000, false), "1");
        assert_eq!(text(1_000_000_000, true), "1.0");
        assert_eq!(text(-20_500_000, false), "-0.0205");
        assert_eq!(text(3_141_592_653, false), "3.141592653");
    }
}
