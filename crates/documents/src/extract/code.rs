//! Code: what is typed, what is set, and what went wrong, in blocks and within sentences.

use std::ops::Range;

use stele_model::document::CodeBlock;
use stele_model::{EntityId, EntityKind, Section};

use super::Collector;
use super::names::{
    command_words, is_dotted_key, is_error_code, is_option, is_program, is_settings_file, variable,
};
use super::page::Page;

/// Of a command in a block of code.
const IN_BLOCK: f32 = 0.90;
/// Of code within a sentence.
const IN_SENTENCE: f32 = 0.85;
/// Of "the `x` command".
const CALLED_COMMAND: f32 = 0.80;
/// Of a key in a block of settings.
const KEY: f32 = 0.80;

/// Languages of blocks that are typed into a shell.
const SHELLS: [&str; 12] = [
    "sh",
    "bash",
    "shell",
    "zsh",
    "fish",
    "console",
    "shell-session",
    "shellsession",
    "terminal",
    "powershell",
    "ps1",
    "cmd",
];

/// Of these, those that show output too, so that only lines with a prompt are typed.
const SESSIONS: [&str; 4] = ["console", "shell-session", "shellsession", "terminal"];

/// Keys of a block of settings that are looked at; more tell about data, not about settings.
const KEYS_MAX: usize = 500;

pub(super) fn extract(section: &Section, page: &Page, collector: &mut Collector<'_>) {
    for block in &section.code_blocks {
        let found = Finder { section, page, block };
        found.commands(collector);
        found.errors(collector);
        found.settings(collector);
    }
    for code in &section.inline_code {
        sentence(section, page, &code.text, &code.span, collector);
    }
}

struct Finder<'a> {
    section: &'a Section,
    page: &'a Page,
    block: &'a CodeBlock,
}

impl Finder<'_> {
    /// Where `text`, which is in a line of the block, stands in the section; `from` is where to begin.
    fn place(&self, text: &str, from: &mut usize) -> Option<Range<usize>> {
        let end = self.block.span.end.min(self.section.text.len());
        let begin = (*from).max(self.block.span.start).min(end);
        let at = begin + self.section.text.get(begin..end)?.find(text)?;
        *from = at + text.len();
        Some(at..at + text.len())
    }

    fn commands(&self, collector: &mut Collector<'_>) {
        let language = self.block.language.as_str();
        let prompts = self.block.text.lines().any(|line| prompt(line).is_some());
        let typed = SHELLS.contains(&language) && !SESSIONS.contains(&language);
        if !(prompts || typed) {
            return;
        }
        let mut from = 0;
        let mut continued = false;
        for line in self.block.text.lines() {
            let was_continued = continued;
            continued = line.trim_end().ends_with(['\\', '`']);
            let content = match prompt(line) {
                Some(content) => content,
                None if prompts => {
                    if was_continued {
                        self.options(line, &mut from, collector);
                    }
                    continue;
                }
                None if was_continued => {
                    self.options(line, &mut from, collector);
                    continue;
                }
                None => line.trim(),
            };
            if content.starts_with('#') || content.starts_with('<') {
                continue;
            }
            for part in content.split(['|', ';']).flat_map(|part| part.split("&&")) {
                self.command(part, &mut from, collector);
            }
        }
    }

    fn command(&self, line: &str, from: &mut usize, collector: &mut Collector<'_>) {
        let words = command_words(line);
        let Some(program) = words.first().copied().filter(|word| is_program(word)) else { return };
        let Some(at) = self.place(program, from) else { return };
        match self.page.longest(&words) {
            Some((id, count)) => {
                let last = self.place(words[count - 1], &mut at.start.clone()).unwrap_or(at.clone());
                let span = at.start..last.end.max(at.end);
                collector.mention(id, self.section, span, IN_BLOCK);
                if count > 1 {
                    collector.named(EntityKind::Command, program, self.section, at, IN_BLOCK);
                }
            }
            None => {
                collector.named(EntityKind::Command, program, self.section, at, IN_BLOCK);
            }
        }
        self.options(line, from, collector);
        for word in words.iter().filter(|word| word.contains('=')) {
            if let Some(name) = variable(word) {
                let place = self.place(name, from);
                place.and_then(|at| {
                    collector.named(EntityKind::Configuration, name, self.section, at, IN_BLOCK)
                });
            }
        }
    }

    /// Options of the page's command in what is typed.
    fn options(&self, line: &str, from: &mut usize, collector: &mut Collector<'_>) {
        let mut at = *from;
        for word in line.split_whitespace() {
            let name = word.split('=').next().unwrap_or(word);
            if let Some(id) = self.page.options.get(name)
                && let Some(span) = self.place(name, &mut at)
            {
                collector.mention(*id, self.section, span, IN_BLOCK);
            }
        }
    }

    /// Messages and codes of errors.
    fn errors(&self, collector: &mut Collector<'_>) {
        let mut from = 0;
        for line in self.block.text.lines().filter(|line| line.len() < 1000) {
            let lower = line.to_ascii_lowercase();
            let Some(at) = lower.find("error") else { continue };
            let alone = at == 0 || !lower.as_bytes()[at - 1].is_ascii_alphanumeric();
            let Some(rest) = line.get(at..).filter(|_| alone) else { continue };
            let Some((head, message)) = rest.split_once(": ").filter(|(head, _)| head.len() < 40) else {
                continue;
            };
            let message = message.trim();
            if message.split_whitespace().count() < 2 || head.contains('"') || rest.contains("{{") {
                continue;
            }
            let place = self.place(message, &mut from);
            place.and_then(|at| collector.named(EntityKind::Error, message, self.section, at, IN_BLOCK));
        }
    }

    /// Keys of YAML, JSON, TOML and variables of settings.
    fn settings(&self, collector: &mut Collector<'_>) {
        let mut from = 0;
        for (key, last) in keys(&self.block.language, &self.block.text).into_iter().take(KEYS_MAX) {
            let place = self.place(&last, &mut from).or_else(|| self.place(&last, &mut 0));
            place.and_then(|at| collector.named(EntityKind::Configuration, &key, self.section, at, KEY));
        }
    }
}

/// What follows a prompt.
fn prompt(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("$ ").or_else(|| line.strip_prefix("PS> ")).map(str::trim)
}

/// Keys of a block of settings with those above them, and the last word of each.
fn keys(language: &str, text: &str) -> Vec<(String, String)> {
    match language {
        "yaml" | "yml" => yaml_keys(text),
        "json" | "jsonc" => match serde_json::from_str(text) {
            Ok(value) => {
                let mut keys = Vec::new();
                json_keys("", &value, &mut keys, 0);
                keys
            }
            Err(_) => Vec::new(),
        },
        "toml" | "ini" | "conf" | "properties" => flat_keys(text),
        "env" | "dotenv" => variables(text),
        _ => Vec::new(),
    }
}

fn yaml_keys(text: &str) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    let mut above: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let content = line.trim_start().trim_start_matches("- ").trim_start();
        let Some((key, rest)) = content.split_once(':').filter(|_| !content.starts_with('#')) else {
            continue;
        };
        let key = key.trim_matches(['"', '\'']);
        let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-./$".contains(c));
        if !plain || !(rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            continue;
        }
        let indent = line.len() - content.len();
        while above.last().is_some_and(|(outer, _)| *outer >= indent) {
            above.pop();
        }
        let full = above.last().map_or_else(|| key.to_owned(), |(_, outer)| format!("{outer}.{key}"));
        keys.push((full.clone(), key.to_owned()));
        above.push((indent, full));
    }
    keys
}

/// Deeper keys are data.
const KEY_DEPTH_MAX: usize = 8;

fn json_keys(above: &str, value: &serde_json::Value, keys: &mut Vec<(String, String)>, depth: usize) {
    if depth > KEY_DEPTH_MAX || keys.len() > KEYS_MAX {
        return;
    }
    match value {
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                let full = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
                keys.push((full.clone(), key.clone()));
                json_keys(&full, value, keys, depth + 1);
            }
        }
        serde_json::Value::Array(items) => {
            items.iter().for_each(|item| json_keys(above, item, keys, depth + 1))
        }
        _ => {}
    }
}

fn flat_keys(text: &str) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    let mut table = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name.trim_matches(['[', ']', ' ']).to_owned();
        } else if let Some((key, _)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) {
            let key = key.trim().trim_matches('"');
            let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
            if plain {
                let full = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
                keys.push((full, key.to_owned()));
            }
        }
    }
    keys
}

fn variables(text: &str) -> Vec<(String, String)> {
    let names = text.lines().filter_map(|line| variable(line.trim().trim_start_matches("export ")));
    names.map(|name| (name.to_owned(), name.to_owned())).collect()
}

/// Code within a sentence.
fn sentence(section: &Section, page: &Page, text: &str, span: &Range<usize>, collector: &mut Collector<'_>) {
    let text = text.trim();
    let typed = text.strip_prefix("$ ").unwrap_or(text);
    let words = command_words(typed);
    let Some(first) = words.first().copied() else {
        // Nothing is left of what only sets a variable.
        if let Some(name) = variable(typed) {
            collector.named(EntityKind::Configuration, name, section, span.clone(), IN_SENTENCE);
        }
        return;
    };
    let mut known = |id: EntityId, confidence| collector.mention(id, section, span.clone(), confidence);
    if let Some((id, _)) = page.longest(&words) {
        return known(id, IN_SENTENCE);
    }
    if let Some(id) = page.options.get(first.split('=').next().unwrap_or(first)) {
        return known(*id, IN_SENTENCE);
    }
    let mut named = |kind, name: &str, confidence| {
        collector.named(kind, name, section, span.clone(), confidence);
    };
    let program = is_program(first)
        && (page.programs.iter().any(|program| program == first) || typed.len() < text.len());
    let after = section.text.get(span.end..).unwrap_or_default();
    let called = after.strip_prefix(" command").is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    if program {
        named(EntityKind::Command, first, IN_SENTENCE);
    } else if called && is_program(first) {
        named(EntityKind::Command, first, CALLED_COMMAND);
    } else if is_option(first) && first.starts_with("--") {
        named(EntityKind::Configuration, first.split('=').next().unwrap_or(first), IN_SENTENCE);
    } else if words.len() > 1 {
        // A sentence in code is nothing that the rules below know.
    } else if is_error_code(first) {
        named(EntityKind::Error, first, IN_SENTENCE);
    } else if let Some(name) = variable(first) {
        named(EntityKind::Configuration, name, IN_SENTENCE);
    } else if is_settings_file(first) || is_dotted_key(first) {
        named(EntityKind::Configuration, first, IN_SENTENCE);
    }
}
