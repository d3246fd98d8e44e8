//! What stands in front of a text between `---` or `+++`: YAML or TOML.
//!
//! Of YAML only what front matter is made of is read: keys, keys below keys, lists and quoted texts.
//! Anchors and tags are text, so nothing can unfold into something large.

use stele_model::document::FrontMatterEntry;

use crate::limits::FRONT_MATTER_LINES_MAX;

/// Front matter and where it ends.
pub(super) struct Front {
    /// What it says, or why it cannot be read.
    pub entries: Result<Vec<FrontMatterEntry>, String>,
    /// Where the text behind it begins.
    pub body: usize,
}

/// The front matter of a text. A rule between two headings is none: what stands there has to look like
/// keys and values.
pub(super) fn split(text: &str) -> Option<Front> {
    let first = text.lines().next()?.trim_end();
    let ends: &[&str] = match first {
        "---" => &["---", "..."],
        "+++" => &["+++"],
        _ => return None,
    };
    let mut at = text.find('\n')? + 1;
    let begin = at;
    for _ in 0..FRONT_MATTER_LINES_MAX {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        if ends.contains(&line.trim_end()) {
            let inner = &text[begin..at];
            let body = at + line.len();
            return match first {
                "+++" => Some(Front { entries: toml_entries(inner), body }),
                _ if looks_like_yaml(inner) => Some(Front { entries: Ok(yaml_entries(inner)), body }),
                _ => None,
            };
        }
        at += line.len();
    }
    None
}

/// Whether every line that begins at the margin is a key, an item, a comment or the end of a list.
fn looks_like_yaml(text: &str) -> bool {
    let mut keys = 0;
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with([' ', '\t', '#', ']', '}']) || line.starts_with("- ") {
            continue;
        }
        match key_and_value(line) {
            Some(_) => keys += 1,
            None => return false,
        }
    }
    keys > 0
}

fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let at = line.find(": ").or_else(|| line.trim_end().ends_with(':').then(|| line.trim_end().len() - 1))?;
    let key = unquoted(line[..at].trim());
    let plain = |c: char| c.is_alphanumeric() || "_-. /".contains(c);
    (!key.is_empty() && key.chars().all(plain)).then(|| (key, line[at + 1..].trim()))
}

fn yaml_entries(text: &str) -> Vec<FrontMatterEntry> {
    let mut entries: Vec<FrontMatterEntry> = Vec::new();
    // Keys above the current line, with their indentation.
    let mut above: Vec<(usize, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start().len();
        let content = line.trim();
        if content.starts_with('#') {
            continue;
        }
        if let Some(item) = content.strip_prefix("- ").or_else(|| (content == "-").then_some("")) {
            if let Some(last) = entries.last_mut() {
                last.values.push(unquoted(item.trim()).to_owned());
            }
            continue;
        }
        let Some((key, value)) = key_and_value(content) else {
            // A text that goes on in the next line.
            if let Some(last) = entries.last_mut() {
                match last.values.last_mut() {
                    Some(value) if !value.is_empty() => {
                        value.push(' ');
                        value.push_str(content);
                    }
                    _ => last.values = vec![content.to_owned()],
                }
            }
            continue;
        };
        while above.last().is_some_and(|(outer, _)| *outer >= indent) {
            above.pop();
        }
        let full = match above.last() {
            Some((_, outer)) => format!("{outer}.{key}"),
            None => key.to_owned(),
        };
        entries.push(FrontMatterEntry { key: full.clone(), values: yaml_values(value) });
        above.push((indent, full));
    }
    entries
}

/// The values after a key: none, one, or those of `[a, b]`.
fn yaml_values(value: &str) -> Vec<String> {
    if value.is_empty() || value == "|" || value == ">" || value == "|-" || value == ">-" {
        return Vec::new();
    }
    let list = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let quoted = value.starts_with(['"', '\'']);
    match list {
        Some(items) => items
            .split(',')
            .map(|item| unquoted(item.trim()).to_owned())
            .filter(|item| !item.is_empty())
            .collect(),
        None if quoted => vec![unquoted(value).to_owned()],
        None => vec![value.split(" #").next().unwrap_or(value).trim().to_owned()],
    }
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    value
}

fn toml_entries(text: &str) -> Result<Vec<FrontMatterEntry>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let mut entries = Vec::new();
    flatten("", &table, &mut entries);
    Ok(entries)
}

fn flatten(above: &str, table: &toml::Table, entries: &mut Vec<FrontMatterEntry>) {
    for (key, value) in table {
        let key = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, entries),
            toml::Value::Array(items) => {
                entries.push(FrontMatterEntry { key, values: items.iter().map(toml_text).collect() });
            }
            value => entries.push(FrontMatterEntry { key, values: vec![toml_text(value)] }),
        }
    }
}

fn toml_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
