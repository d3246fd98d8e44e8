//! The paths of all events as one arena of nodes, and the way down from a node to its child.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};
use stele_model::json::Kind;
use stele_model::path;

use super::fold::NAMES_MAX;
use super::number::NumberRange;
use super::place::Loc;
use super::sketch::Sketch;
use super::variants::Variants;

/// Index of a path in the arena.
pub(super) type PathId = u32;

/// Beyond this many names a hash table is kept; below it, looking at the neighbours is faster.
const SCAN_MAX: usize = 8;

/// The last step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    Root,
    Member(Box<str>),
    Element,
    AnyKey,
}

/// What is counted for one path.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PathNode {
    pub(super) step: Step,
    pub(super) parent: PathId,
    /// Named members in the order in which they were first seen.
    members: Vec<PathId>,
    /// Place of this node among its parent's members.
    pub(super) ordinal: u32,
    /// The member's name in short, which decides nearly every comparison.
    #[serde(skip)]
    brief: Brief,
    element: Option<PathId>,
    any_key: Option<PathId>,
    #[serde(skip)]
    by_name: HashMap<Box<str>, PathId, FixedState>,

    pub(super) kinds: [u64; 7],
    pub(super) records: u64,
    pub(super) holders: u64,
    pub(super) empty: u64,
    pub(super) first: Loc,
    pub(super) last: Loc,
    pub(super) values: Sketch,
    pub(super) numbers: NumberRange,
    pub(super) lengths: Span,
    pub(super) items: Span,
    pub(super) variants: Vec<Variants>,
    /// Keys that were folded away under this object.
    pub(super) folded: Option<Box<Folded>>,

    /// The last record and the last parent object in which this path was counted.
    #[serde(skip)]
    pub(super) record_seen: u64,
    #[serde(skip)]
    pub(super) parent_seen: u64,
    /// Tape index of the last value counted here.
    #[serde(skip)]
    pub(super) value_seen: u32,
    /// What a rule says about the keys of the object here.
    pub(super) rule: Option<bool>,
    /// Whether names were given up because there were too many; the counts are then provisional.
    too_many_names: bool,
}

/// Length, first and last eight bytes of a name. Names of up to sixteen bytes are equal if these
/// are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Brief {
    head: u64,
    tail: u64,
    length: usize,
}

impl Brief {
    #[inline(always)]
    fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let (head, tail) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => (bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
        };
        Self { head, tail, length: bytes.len() }
    }
}

/// The keys of a folded object.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Folded {
    pub(super) members: u64,
    pub(super) keys: Sketch,
}

/// A range of lengths; empty when `low > high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) low: u64,
    pub(super) high: u64,
}

impl Default for Span {
    fn default() -> Self {
        Self { low: u64::MAX, high: 0 }
    }
}

impl Span {
    #[inline(always)]
    pub(super) fn offer(&mut self, length: u64) {
        self.low = self.low.min(length);
        self.high = self.high.max(length);
    }

    pub(super) fn merge(&mut self, other: Span) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    pub(super) fn ends(self) -> Option<(u64, u64)> {
        (self.low <= self.high).then_some((self.low, self.high))
    }
}

impl PathNode {
    fn new(step: Step, parent: PathId, ordinal: u32, at: Loc) -> Self {
        Self {
            step,
            parent,
            members: Vec::new(),
            ordinal,
            brief: Brief::default(),
            element: None,
            any_key: None,
            by_name: HashMap::default(),
            kinds: [0; 7],
            records: 0,
            holders: 0,
            empty: 0,
            first: at,
            last: at,
            values: Sketch::default(),
            numbers: NumberRange::default(),
            lengths: Span::default(),
            items: Span::default(),
            variants: Vec::new(),
            folded: None,
            record_seen: 0,
            parent_seen: 0,
            value_seen: 0,
            rule: None,
            too_many_names: false,
        }
    }

    pub(super) fn nodes(&self) -> u64 {
        self.kinds.iter().sum()
    }

    /// Occurrences of the kinds that have values to tell apart.
    pub(super) fn scalars(&self) -> u64 {
        let kinds = [Kind::Boolean, Kind::Integer, Kind::Number, Kind::String];
        kinds.into_iter().map(|kind| self.kinds[kind as usize]).sum()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = PathId> + '_ {
        self.members.iter().copied()
    }

    /// Members, then the element, then the folded member.
    pub(super) fn children(&self) -> impl Iterator<Item = PathId> + '_ {
        self.members().chain(self.element).chain(self.any_key)
    }

    pub(super) fn element(&self) -> Option<PathId> {
        self.element
    }

    pub(super) fn has_too_many_names(&self) -> bool {
        self.too_many_names
    }

    /// One bit a kind that occurred, null left out.
    pub(super) fn kinds_bits_without_null(&self) -> u8 {
        let seen = |kind: Kind| u8::from(kind != Kind::Null && self.kinds[kind as usize] > 0) << kind as u8;
        Kind::ALL.into_iter().map(seen).sum()
    }
}

/// All paths of all events.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tree {
    nodes: Vec<PathNode>,
}

impl Tree {
    #[inline(always)]
    pub(super) fn node(&self, id: PathId) -> &PathNode {
        &self.nodes[id as usize]
    }

    #[inline(always)]
    pub(super) fn node_mut(&mut self, id: PathId) -> &mut PathNode {
        &mut self.nodes[id as usize]
    }

    pub(super) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut PathNode> {
        self.nodes.iter_mut()
    }

    pub(super) fn is_root(&self, id: PathId) -> bool {
        self.node(id).step == Step::Root
    }

    /// The name of a member; empty for other steps.
    pub(super) fn key(&self, id: PathId) -> &str {
        match &self.node(id).step {
            Step::Member(name) => name,
            _ => "",
        }
    }

    pub(super) fn push_root(&mut self, at: Loc) -> PathId {
        self.push(Step::Root, 0, 0, at)
    }

    fn push(&mut self, step: Step, parent: PathId, ordinal: u32, at: Loc) -> PathId {
        let id = self.nodes.len() as PathId;
        self.nodes.push(PathNode::new(step, parent, ordinal, at));
        self.brief_name(id);
        id
    }

    fn brief_name(&mut self, id: PathId) {
        self.node_mut(id).brief = Brief::of(self.key(id));
    }

    /// Whether `id` is the member `name`, which is `brief` in short.
    #[inline(always)]
    fn is_named(&self, id: PathId, name: &str, brief: Brief) -> bool {
        self.node(id).brief == brief && (brief.length <= 16 || self.key(id) == name)
    }

    /// The element of the array at `parent`, and whether it is new.
    #[inline(always)]
    pub(super) fn element_of(&mut self, parent: PathId, at: Loc) -> (PathId, bool) {
        if let Some(id) = self.node(parent).element {
            return (id, false);
        }
        let id = self.push(Step::Element, parent, 0, at);
        self.node_mut(parent).element = Some(id);
        (id, true)
    }

    /// The folded member of the object at `parent`, and whether it is new.
    #[inline(always)]
    pub(super) fn any_key_of(&mut self, parent: PathId, at: Loc) -> (PathId, bool) {
        if let Some(id) = self.node(parent).any_key {
            return (id, false);
        }
        let id = self.push(Step::AnyKey, parent, 0, at);
        self.node_mut(parent).any_key = Some(id);
        (id, true)
    }

    /// The member `name` of `parent`. Members mostly come in the order of the object before, so
    /// `expected` is tried first and moved on.
    #[inline(always)]
    pub(super) fn find_member(&self, parent: PathId, name: &str, expected: &mut u32) -> Option<PathId> {
        let node = self.node(parent);
        let brief = Brief::of(name);
        if let Some(&id) = node.members.get(*expected as usize)
            && self.is_named(id, name, brief)
        {
            *expected += 1;
            return Some(id);
        }
        self.search_member(node, name, brief, expected)
    }

    #[inline(never)]
    fn search_member(&self, node: &PathNode, name: &str, brief: Brief, expected: &mut u32) -> Option<PathId> {
        // An optional member was left out: the right one is close behind.
        let near = node.members.iter().skip(*expected as usize + 1).take(3);
        let id = match near.copied().find(|&id| self.is_named(id, name, brief)) {
            Some(id) => id,
            None if node.members.len() <= SCAN_MAX => {
                node.members.iter().copied().find(|&id| self.is_named(id, name, brief))?
            }
            None => *node.by_name.get(name)?,
        };
        *expected = self.node(id).ordinal + 1;
        Some(id)
    }

    /// Adds the member `name` to `parent`; `None` when `bounded` and there are too many names.
    pub(super) fn add_member(
        &mut self,
        parent: PathId,
        name: &str,
        at: Loc,
        bounded: bool,
    ) -> Option<PathId> {
        let ordinal = self.node(parent).members.len();
        if bounded && ordinal >= NAMES_MAX {
            self.node_mut(parent).too_many_names = true;
            return None;
        }
        let id = self.push(Step::Member(name.into()), parent, ordinal as u32, at);
        self.node_mut(parent).members.push(id);
        if ordinal >= SCAN_MAX {
            if self.node(parent).by_name.is_empty() {
                self.index_names(parent);
            }
            self.node_mut(parent).by_name.insert(name.into(), id);
        }
        Some(id)
    }

    fn index_names(&mut self, parent: PathId) {
        let names = self.node(parent).members().map(|id| (self.key(id).into(), id)).collect();
        self.node_mut(parent).by_name = names;
    }

    /// Rebuilds what is not stored.
    pub(super) fn restore(&mut self) {
        for id in 0..self.nodes.len() as PathId {
            self.brief_name(id);
            if self.node(id).members.len() > SCAN_MAX {
                self.index_names(id);
            }
        }
    }

    pub(super) fn mark_too_many_names(&mut self, id: PathId) {
        self.node_mut(id).too_many_names = true;
    }
}

impl Tree {
    /// The written path of `id`.
    pub(super) fn path(&self, id: PathId) -> String {
        let mut steps = Vec::new();
        let mut at = id;
        while self.node(at).step != Step::Root {
            steps.push(at);
            at = self.node(at).parent;
        }
        path::render(steps.iter().rev().map(|&id| match &self.node(id).step {
            Step::Member(name) => path::Segment::Member(name),
            Step::Element | Step::Root => path::Segment::Element,
            Step::AnyKey => path::Segment::AnyKey,
        }))
    }
}
