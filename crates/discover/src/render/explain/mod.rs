//! Everything known about one path, for a question such as `data.price`, `price`,
//! `tick data.price`, `what is data.price?` or `tick fields`.
//!
//! A question is matched exactly first, then by the end of a path, then without regard to case and
//! to the marks of arrays and maps. The first way that finds anything decides, so an exact answer
//! is never buried under near ones.

mod near;
mod write;

use stele_model::path::{self, Segment};

use super::facts;
use crate::view::{CatalogueView, EventView, PathView};

pub use write::{Detail, write_json, write_text};

/// Most paths that are answered in full: about three screens.
const MATCHES_MAX: usize = 20;

/// Words in front of a question that are not part of the path.
const LEADS: [&str; 5] = ["what is ", "what are ", "explain ", "describe ", "show "];

/// Words behind a question that are not part of the path.
const TAILS: [&str; 2] = [" fields", " field"];

/// One path of one event.
#[derive(Debug, Clone, Copy)]
pub struct Match<'v> {
    /// The event.
    pub event: &'v EventView,
    /// The path in it.
    pub path: &'v PathView,
}

/// What was found for a question.
#[derive(Debug, Clone)]
pub struct Answer<'v> {
    /// The question as asked.
    pub query: String,
    /// Events that the question names, to be shown whole.
    pub events: Vec<&'v EventView>,
    /// Paths that the question names, those nearest to the root first.
    pub matches: Vec<Match<'v>>,
    /// Matches beyond those that are answered in full.
    pub more: usize,
    /// Where nothing was found: paths and events with a similar name, nearest first.
    pub suggestions: Vec<String>,
}

impl Answer<'_> {
    /// Whether anything was found.
    pub fn is_found(&self) -> bool {
        !self.events.is_empty() || !self.matches.is_empty()
    }
}

/// Finds what `query` asks for.
pub fn find<'v>(view: &'v CatalogueView, query: &str) -> Answer<'v> {
    let mut answer = Answer {
        query: query.to_owned(),
        events: Vec::new(),
        matches: Vec::new(),
        more: 0,
        suggestions: Vec::new(),
    };
    let asked = query.trim();
    for text in [asked, core(asked)] {
        answer.events = view.events.iter().filter(|event| event.name == text).collect();
        answer.matches = all(view, text);
        if answer.is_found() {
            break;
        }
    }
    if !answer.is_found() {
        answer.suggestions = near::suggest(view, core(asked));
    }
    answer.more = answer.matches.len().saturating_sub(MATCHES_MAX);
    answer.matches.truncate(MATCHES_MAX);
    answer
}

/// The question without the words around it.
fn core(asked: &str) -> &str {
    let mut text = asked.trim_end_matches(['?', ' ']);
    for lead in LEADS {
        if text.get(..lead.len()).is_some_and(|start| start.eq_ignore_ascii_case(lead)) {
            text = &text[lead.len()..];
        }
    }
    for tail in TAILS {
        text = text.strip_suffix(tail).unwrap_or(text);
    }
    text.trim()
}

fn all<'v>(view: &'v CatalogueView, text: &str) -> Vec<Match<'v>> {
    if text.is_empty() {
        return Vec::new();
    }
    let everywhere: Vec<&EventView> = view.events.iter().collect();
    // `tick data.price` asks for a path of one event.
    let within: Vec<(&EventView, &str)> = view
        .events
        .iter()
        .filter_map(|event| Some((event, text.strip_prefix(event.name.as_str())?.strip_prefix(' ')?.trim())))
        .collect();
    for way in [is_path, ends_path, resembles_path] {
        let mut found = search(&everywhere, text, way);
        for (event, rest) in &within {
            found.extend(search(&[event], rest, way));
        }
        if !found.is_empty() {
            // `price` asks for `data.price` rather than for a price deep inside a history.
            found.sort_by_key(|found| found.path.path.matches(['.', '[']).count());
            return found;
        }
    }
    Vec::new()
}

fn search<'v>(events: &[&'v EventView], text: &str, way: fn(&str, &str) -> bool) -> Vec<Match<'v>> {
    let paths =
        events.iter().flat_map(|event| facts::paths(event).iter().map(move |path| Match { event, path }));
    paths.filter(|found| way(&found.path.path, text)).collect()
}

fn is_path(path: &str, text: &str) -> bool {
    path == text || path == path::render([Segment::Member(text)])
}

/// Whether the path ends with whole steps that read `text`, or with one member of that name.
fn ends_path(path: &str, text: &str) -> bool {
    let ends = |text: &str| {
        path.strip_suffix(text).is_some_and(|before| {
            !text.is_empty() && (before.is_empty() || before.ends_with('.') || text.starts_with('['))
        })
    };
    ends(text) || ends(&path::render([Segment::Member(text)]))
}

/// As [`ends_path`], without regard to case, and to those of `[]` and `{}` that the text does not name.
fn resembles_path(path: &str, text: &str) -> bool {
    let bare = |path: &str| {
        let path = if text.contains("[]") { path.to_owned() } else { path.replace("[]", "") };
        if text.contains("{}") { path.to_lowercase() } else { path.replace(".{}", "").to_lowercase() }
    };
    ends_path(&bare(path), &bare(text))
}
