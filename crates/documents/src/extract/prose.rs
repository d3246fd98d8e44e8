//! Sentences and headings: ideas, parts of systems, errors and versions.

use std::ops::Range;

use stele_model::document::BlockKind;
use stele_model::{EdgeKind, EntityId, EntityKind, Node, Section};

use super::names::version_length;
use super::page::Page;
use super::{Collector, Why};

/// Of what a heading is about.
const HEADED: f32 = 0.60;
/// Of "**X** is a …".
const DEFINED: f32 = 0.75;
/// Of a version after the word.
const VERSION: f32 = 0.80;
/// Of what follows the word "error".
const AFTER_ERROR: f32 = 0.75;
/// Of a procedure beside an error below a title about trouble.
const RESOLVED: f32 = 0.70;

/// Longest heading that names an idea, in words; longer ones are sentences.
const IDEA_WORDS_MAX: usize = 5;

/// Headings that every other page has and that name nothing.
const COMMON: [&str; 40] = [
    "overview",
    "introduction",
    "description",
    "example",
    "examples",
    "options",
    "usage",
    "synopsis",
    "subcommands",
    "aliases",
    "related commands",
    "related",
    "see also",
    "notes",
    "note",
    "next steps",
    "prerequisites",
    "requirements",
    "installation",
    "getting started",
    "summary",
    "conclusion",
    "references",
    "reference",
    "contents",
    "table of contents",
    "license",
    "changelog",
    "faq",
    "commands",
    "arguments",
    "parameters",
    "flags",
    "syntax",
    "details",
    "background",
    "about",
    "output",
    "steps",
    "section",
];

/// Last words of names of parts of systems.
const PARTS: [&str; 24] = [
    "service",
    "server",
    "client",
    "daemon",
    "engine",
    "driver",
    "plugin",
    "module",
    "agent",
    "controller",
    "manager",
    "api",
    "gateway",
    "proxy",
    "scheduler",
    "worker",
    "broker",
    "registry",
    "database",
    "cache",
    "queue",
    "cluster",
    "component",
    "runtime",
];

/// Words of titles below which an error and what to do about it stand together.
const TROUBLE: [&str; 7] = ["troubleshoot", "error", "fix", "resolve", "problem", "recover", "solution"];

pub(super) fn extract(
    section: &Section,
    page: &Page,
    procedures: &[EntityId],
    collector: &mut Collector<'_>,
) {
    // A command is no idea.
    if !page.commands.contains_key(section.title.trim()) {
        heading(section, collector);
    }
    for block in section.blocks.iter().filter(|block| block.kind == BlockKind::Paragraph) {
        if let Some(text) = section.text.get(block.span.clone()) {
            definition(section, text, block.span.start, collector);
            versions(section, text, block.span.start, collector);
            errors(section, text, block.span.clone(), procedures, collector);
        }
    }
}

fn heading(section: &Section, collector: &mut Collector<'_>) {
    let title = section.title.trim();
    let lower = title.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let coded = section.inline_code.first().is_some_and(|code| code.span.start < section.body);
    let letters = lower.chars().filter(|c| c.is_alphabetic()).count();
    if !section.heading
        || coded
        || letters < 3
        || words.len() > IDEA_WORDS_MAX
        || COMMON.contains(&lower.as_str())
        || title.contains(['(', '?', '!', ':', '`', '/', '='])
    {
        return;
    }
    let part = words.len() > 1 && words.last().is_some_and(|last| PARTS.contains(last));
    let kind = if part { EntityKind::Component } else { EntityKind::Concept };
    let Some(entity) = collector.new_entity(kind, &lower, title) else { return };
    let id = collector.add(entity);
    let head = section.text.get(..section.body).unwrap_or_default();
    let at = head.find(title).map_or(0..head.trim_end().len(), |at| at..at + title.len());
    collector.mention(id, section, at.clone(), HEADED);
    let why = Why { section, span: at, confidence: HEADED };
    collector.edge(EdgeKind::Defines, [Node::Section(section.id), Node::Entity(id)], None, why);
}

/// "**X** is a …", "`x` is the …" and "A *x* is …" at the beginning of a paragraph.
fn definition(section: &Section, text: &str, offset: usize, collector: &mut Collector<'_>) {
    let begin = ["A ", "An ", "The "]
        .iter()
        .find(|article| text.starts_with(**article))
        .map_or(0, |article| article.len());
    let rest = &text[begin..];
    let Some(mark) = ["**", "__", "*", "_"].iter().find(|mark| rest.starts_with(**mark)) else { return };
    let inner = &rest[mark.len()..];
    let Some(length) = inner.find(mark).filter(|length| *length > 1) else { return };
    let (term, after) = (&inner[..length], &inner[length + mark.len()..]);
    let says = [" is a ", " is an ", " is the ", " are ", " means ", " refers to "];
    if !says.iter().any(|verb| after.starts_with(verb))
        || term.contains('\n')
        || term.split_whitespace().count() > IDEA_WORDS_MAX
    {
        return;
    }
    let Some(mut entity) = collector.new_entity(EntityKind::Concept, &term.to_lowercase(), term) else {
        return;
    };
    let sentence = text.split(". ").next().unwrap_or(text);
    entity.description = Some(sentence.split_whitespace().collect::<Vec<_>>().join(" "));
    let id = collector.add(entity);
    let at = offset + begin + mark.len();
    let span = at..at + term.len();
    collector.mention(id, section, span.clone(), DEFINED);
    let why = Why { section, span, confidence: DEFINED };
    collector.edge(EdgeKind::Defines, [Node::Section(section.id), Node::Entity(id)], None, why);
}

/// Versions: behind the word, or with a `v` in front and a dot inside.
fn versions(section: &Section, text: &str, offset: usize, collector: &mut Collector<'_>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr_digit(bytes, at) {
        // Only where a word begins.
        let with_v = found > 0 && matches!(bytes[found - 1], b'v' | b'V');
        let start = found - usize::from(with_v);
        let inside = start > 0
            && (bytes[start - 1].is_ascii_alphanumeric()
                || matches!(bytes[start - 1], b'.' | b'_' | b'-' | b'/'));
        let length = if inside { None } else { version_length(&text[start..]) };
        let Some(length) = length
            .filter(|length| with_v_and_dot(&text[start..start + length]) || after_word(&text[..start]))
        else {
            at = found
                + bytes[found..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
            continue;
        };
        let span = offset + start..offset + start + length;
        let name = text[start..start + length].trim_start_matches(['v', 'V']);
        collector.named(EntityKind::Version, name, section, span, VERSION);
        at = start + length;
    }
}

fn memchr_digit(bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.iter().position(u8::is_ascii_digit).map(|at| at + from)
}

fn with_v_and_dot(text: &str) -> bool {
    text.starts_with(['v', 'V']) && text.contains('.')
}

fn after_word(before: &str) -> bool {
    let word = before.trim_end().rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    before.ends_with(' ')
        && ["version", "versions", "release", "since"].contains(&word.to_lowercase().as_str())
}

/// "error" with code behind it: "the error `no such host`".
fn errors(
    section: &Section,
    text: &str,
    span: Range<usize>,
    procedures: &[EntityId],
    collector: &mut Collector<'_>,
) {
    let lower_title = section.title.to_lowercase();
    let trouble = TROUBLE.iter().any(|word| lower_title.contains(word));
    let codes =
        section.inline_code.iter().filter(|code| code.span.start >= span.start && code.span.end <= span.end);
    for code in codes {
        let before = text.get(..code.span.start - span.start).unwrap_or_default();
        let words = before.trim_end().trim_end_matches([':', ',', '"']);
        let last = words.rsplit(char::is_whitespace).next().unwrap_or_default().to_lowercase();
        if !["error", "message", "exception", "errors"].contains(&last.as_str()) {
            continue;
        }
        let Some(id) =
            collector.named(EntityKind::Error, code.text.trim(), section, code.span.clone(), AFTER_ERROR)
        else {
            continue;
        };
        for procedure in procedures.iter().filter(|_| trouble) {
            let why = Why { section, span: code.span.clone(), confidence: RESOLVED };
            collector.edge(EdgeKind::Resolves, [Node::Entity(*procedure), Node::Entity(id)], None, why);
        }
    }
}
