//! The counts: every JSON value of every record, by event type and path.
//!
//! `observe` → [`walk`] goes over a record's tape once and adds it to the [`tree`] of paths.
//! Everything kept beside a path (sketches, ranges, first and last places) is independent of the
//! order of arrival, which is what makes [`Catalogue::merge`] exact.

mod files;
mod finish;
mod fold;
mod merge;
mod number;
mod place;
mod sequence;
mod sketch;
mod store;
mod tree;
mod variants;
mod walk;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use stele_model::json::{Kind, Tape};
use stele_model::{ClockChange, Micros};

use files::Files;
use fold::Rules;
pub use fold::{FoldRule, Folding};
use place::{Loc, Now};
use sequence::Segment;
pub use store::StoreError;
use tree::{PathId, Tree};
use walk::{Walk, Walker};

/// One accepted record, parsed.
pub struct Observed<'a> {
    /// Its event type.
    pub event: &'a str,
    /// Its exact text.
    pub text: &'a str,
    /// The tape of that text.
    pub tape: &'a Tape,
    /// Its line in the file given to [`Catalogue::begin`].
    pub line: u64,
    /// The sequence number that it states.
    pub seq: Option<i64>,
    /// The time that it states, UTC or wall clock.
    pub time: Option<Micros>,
    /// What a change of the clocks makes of that time.
    pub change: Option<ClockChange>,
    /// Its payload on the same tape.
    pub payload: Option<stele_model::record::Payload>,
    /// Its payload, if that is written inside a string of the record.
    pub frame: Option<Frame<'a>>,
}

/// A payload that was decoded from a string of the record.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The decoded text.
    pub text: &'a str,
    /// Its tape.
    pub tape: &'a Tape,
    /// The payload's node on that tape.
    pub node: u32,
}

/// Everything that was found out about the records seen so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Catalogue {
    folding: Folding,
    rules: Rules,
    tree: Tree,
    events: Vec<Event>,
    files: Files,
    nodes: u64,
    #[serde(skip)]
    state: State,
}

/// One event type.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Event {
    name: Box<str>,
    root: PathId,
    /// Payloads that the record's own tree does not show as they are: traced, wrapped in an
    /// array, or decoded from a frame.
    payload_root: Option<PathId>,
    /// The member that holds the payload.
    payload_key: Option<Box<str>>,
}

/// What is not worth storing.
#[derive(Debug, Default)]
struct State {
    by_name: HashMap<Box<str>, usize>,
    last_event: usize,
    latest: Option<Loc>,
    record: u64,
    walker: Walker,
    file: u32,
    segment: Segment,
}

impl Clone for State {
    /// A copy goes on counting by itself, from the same numbers.
    fn clone(&self) -> Self {
        Self {
            by_name: self.by_name.clone(),
            latest: self.latest,
            record: self.record,
            walker: self.walker.fork(),
            ..Self::default()
        }
    }
}

impl Catalogue {
    /// An empty catalogue. The rules apply only under [`Folding::Auto`].
    pub fn new(folding: Folding, rules: Vec<FoldRule>) -> Self {
        Self {
            folding,
            rules: Rules::new(rules),
            tree: Tree::default(),
            events: Vec::new(),
            files: Files::default(),
            nodes: 0,
            state: State::default(),
        }
    }

    /// How dynamic keys are treated.
    pub fn folding(&self) -> Folding {
        self.folding
    }

    /// The rules that were given.
    pub fn rules(&self) -> &[FoldRule] {
        self.rules.all()
    }

    /// JSON values below the roots, over all records.
    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    /// A catalogue with the same folding and rules that has counted nothing.
    pub fn empty_copy(&self) -> Self {
        Self::new(self.folding, self.rules.all().to_vec())
    }

    /// A catalogue under other rules that has counted nothing yet but knows the same files: what
    /// was found out about their lines does not depend on the rules. Count all records into it
    /// with [`Catalogue::revisit`] and [`Catalogue::observe`].
    pub fn under(&self, rules: Vec<FoldRule>) -> Self {
        Self { files: self.files.clone(), ..Self::new(self.folding, rules) }
    }

    /// The records that follow stand in `uri`, and their lines have been noted before.
    pub fn revisit(&mut self, uri: &str, format: &str) {
        self.state.file = self.file(uri, format);
    }

    /// Starts a run of neighbouring lines of the file `uri`. Lines of one file may come in several
    /// runs and in any order.
    pub fn begin(&mut self, uri: &str, format: &str, first_line: u64) {
        self.state.file = self.file(uri, format);
        self.state.segment = Segment::at(first_line);
    }

    fn file(&mut self, uri: &str, format: &str) -> u32 {
        if self.files.get(self.state.file).is_some_and(|file| file.uri == uri) {
            return self.state.file;
        }
        self.files.number(uri, format)
    }

    /// Counts one record and returns the JSON values counted below its root.
    pub fn observe(&mut self, record: &Observed<'_>) -> u64 {
        let at = Loc { file: self.state.file, line: record.line, time: record.time };
        let event = self.event(record.event, at);
        self.state.segment.record(record.line, record.seq, record.time, record.change);
        self.state.record += 1;
        let in_order = self.state.latest.is_none_or(|latest| !self.files.ranks().earlier(at, latest));
        if in_order {
            self.state.latest = Some(at);
        }
        let now = || Now { at, in_order, ranks: self.files.ranks() };
        let walk = Walk {
            text: record.text,
            tape: record.tape,
            now: now(),
            event: record.event,
            folding: self.folding,
            rules: &self.rules,
            record: self.state.record,
            ascii: record.text.is_ascii(),
        };
        let root = self.events[event].root;
        let nodes = self.state.walker.walk(&mut self.tree, &walk, root, 0);
        self.nodes += nodes;

        if let Some(frame) = record.frame {
            let root = payload_root(&mut self.events[event], &mut self.tree, at);
            let walk =
                Walk { text: frame.text, tape: frame.tape, now: now(), ascii: frame.text.is_ascii(), ..walk };
            self.state.walker.walk(&mut self.tree, &walk, root, frame.node);
        } else if let Some(payload) = record.payload {
            let holder = record.tape.value(record.text, payload.holder);
            let event = &mut self.events[event];
            if let Some(key) = holder.key()
                && event.payload_key.as_ref().is_none_or(|known| *key < **known)
            {
                event.payload_key = Some(key.into());
            }
            if payload.traced || holder.kind() == Kind::Array {
                let root = payload_root(event, &mut self.tree, at);
                self.state.walker.walk(&mut self.tree, &walk, root, payload.node);
            }
        }
        nodes
    }

    fn event(&mut self, name: &str, at: Loc) -> usize {
        if let Some(event) = self.events.get(self.state.last_event)
            && *event.name == *name
        {
            return self.state.last_event;
        }
        let index = match self.state.by_name.get(name) {
            Some(&index) => index,
            None => {
                let root = self.tree.push_root(at);
                if self.folding == Folding::Auto {
                    self.tree.node_mut(root).rule = self.rules.find(name, "").map(|rule| rule.fold);
                }
                let event = Event { name: name.into(), root, payload_root: None, payload_key: None };
                self.events.push(event);
                self.state.by_name.insert(name.into(), self.events.len() - 1);
                self.events.len() - 1
            }
        };
        self.state.last_event = index;
        index
    }

    /// Notes a rejected line of the current run; `error_at` is a content offset.
    pub fn reject(&mut self, line: u64, error_at: u64, reason: &str) {
        self.state.segment.reject(line, error_at, reason);
    }

    /// Passes over content of the current run whose rows are not in the lake any more.
    pub fn pass_over(&mut self, bytes: u64) {
        self.state.segment.pass_over(bytes);
    }

    /// Ends the current run. `tail`: the bytes of its last line, if that is rejected and has no
    /// `\n`. A later run that begins at that line takes its place.
    pub fn end(&mut self, lines: u64, bytes: u64, tail: Option<u64>) {
        let mut segment = std::mem::take(&mut self.state.segment);
        segment.close(lines, bytes, tail);
        self.files.get_mut(self.state.file).add(segment);
    }

    /// Paths whose keys are data by the evidence of everything that was counted, beyond the rules
    /// that apply already. When there are any, count the input again with them: the counts below
    /// such paths are provisional until then.
    pub fn propose_folds(&self) -> Vec<FoldRule> {
        if self.folding != Folding::Auto {
            return Vec::new();
        }
        let mut rules = Vec::new();
        for event in &self.events {
            let mut open = vec![event.root];
            while let Some(id) = open.pop() {
                let forbidden = self.tree.node(id).rule == Some(false);
                match fold::evidence(&self.tree, id).filter(|_| !forbidden) {
                    Some(reason) => rules.push(FoldRule {
                        event: Some(event.name.to_string()),
                        path: self.tree.path(id),
                        fold: true,
                        reason,
                    }),
                    // Below a path that is to be folded everything will look different.
                    None => open.extend(self.tree.node(id).children()),
                }
            }
        }
        rules.sort();
        rules
    }
}

fn payload_root(event: &mut Event, tree: &mut Tree, at: Loc) -> PathId {
    *event.payload_root.get_or_insert_with(|| tree.push_root(at))
}
