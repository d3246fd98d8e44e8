//! From one record's tape into the counts: the loop that every JSON value goes through.

use std::borrow::Cow;

use stele_model::json::{Kind, Node, Tape, unescape};

use super::fold::{Folding, Rules};
use super::place::Now;
use super::tree::{PathId, Step, Tree};
use super::variants::{DISCRIMINATORS, Variants};

/// What a walk needs to know beside the tape.
pub(super) struct Walk<'a> {
    pub(super) text: &'a str,
    pub(super) tape: &'a Tape,
    pub(super) now: Now<'a>,
    pub(super) event: &'a str,
    pub(super) folding: Folding,
    pub(super) rules: &'a Rules,
    /// Number of this record, from 1; different for every record.
    pub(super) record: u64,
    /// Whether the text holds no byte above 0x7f, so that characters are bytes.
    pub(super) ascii: bool,
}

/// A container that is being walked.
struct Open {
    path: PathId,
    /// Tape index of the container.
    index: u32,
    /// Tape index after its last descendant.
    end: u32,
    inside: Inside,
    /// Number of this container, different for every one.
    instance: u64,
    /// Whether names are given up when there are too many.
    bounded: bool,
    /// Where the next member is expected among the known ones.
    expected: u32,
    items: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Array,
    Object,
    FoldedObject,
}

/// Reused between walks.
#[derive(Debug, Default)]
pub(super) struct Walker {
    open: Vec<Open>,
    instances: u64,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("path", &self.path).field("index", &self.index).finish_non_exhaustive()
    }
}

impl Walker {
    /// A walker that gives its containers other numbers than any before this moment.
    pub(super) fn fork(&self) -> Self {
        Self { open: Vec::new(), instances: self.instances }
    }

    /// Counts the value at `start` of the tape as `root`, and everything inside it. Returns the
    /// values counted below the root.
    pub(super) fn walk(&mut self, tree: &mut Tree, walk: &Walk<'_>, root: PathId, start: u32) -> u64 {
        let nodes = walk.tape.nodes();
        let first = &nodes[start as usize];
        let end = first.next;
        self.open.clear();
        self.visit(tree, walk, root, start, first);
        let mut index = start + 1;
        while index < end {
            while let Some(open) = self.open.last()
                && open.end <= index
            {
                self.close(tree, walk);
            }
            let node = &nodes[index as usize];
            let path = self.step(tree, walk, node);
            self.visit(tree, walk, path, index, node);
            index += 1;
        }
        while !self.open.is_empty() {
            self.close(tree, walk);
        }
        u64::from(end - start - 1)
    }

    /// The path of `node`, a child of the innermost open container.
    #[inline(always)]
    fn step(&mut self, tree: &mut Tree, walk: &Walk<'_>, node: &Node) -> PathId {
        let Some(open) = self.open.last_mut() else {
            return 0;
        };
        open.items += 1;
        let at = walk.now.at;
        let (path, new) = match open.inside {
            Inside::Array => tree.element_of(open.path, at),
            Inside::FoldedObject => {
                count_folded_key(tree, walk, open.path, node);
                tree.any_key_of(open.path, at)
            }
            Inside::Object => {
                let key = key_of(walk.text, node);
                match tree.find_member(open.path, &key, &mut open.expected) {
                    Some(path) => (path, false),
                    None => match tree.add_member(open.path, &key, at, open.bounded) {
                        Some(path) => {
                            open.expected = tree.node(path).ordinal + 1;
                            (path, true)
                        }
                        None => tree.any_key_of(open.path, at),
                    },
                }
            }
        };
        if new {
            tree.node_mut(path).rule = rule_for(tree, walk, path);
        }
        let parent = open.instance;
        let seen = tree.node_mut(path);
        if seen.parent_seen != parent {
            seen.parent_seen = parent;
            seen.holders += 1;
        }
        path
    }

    /// Counts one value at `path` and opens it if it has something inside.
    #[inline(always)]
    fn visit(&mut self, tree: &mut Tree, walk: &Walk<'_>, path: PathId, index: u32, node: &Node) {
        let now = &walk.now;
        let counts = tree.node_mut(path);
        counts.kinds[node.kind as usize] += 1;
        counts.value_seen = index;
        if counts.record_seen != walk.record {
            counts.record_seen = walk.record;
            counts.records += 1;
            if now.in_order {
                counts.last = now.at;
            } else {
                if now.ranks.earlier(now.at, counts.first) {
                    counts.first = now.at;
                }
                if !now.ranks.earlier(now.at, counts.last) {
                    counts.last = now.at;
                }
            }
        }
        let literal = &walk.text[node.start as usize..node.end as usize];
        match node.kind {
            Kind::Null => {}
            Kind::Boolean => counts.values.offer(literal, now),
            Kind::Integer | Kind::Number => {
                counts.numbers.offer(literal);
                counts.values.offer(literal, now);
            }
            Kind::String => {
                let length = node.characters(literal, walk.ascii) as u64;
                counts.lengths.offer(length);
                counts.empty += u64::from(length == 0);
                counts.values.offer(literal, now);
            }
            Kind::Array | Kind::Object => {
                let empty = node.next == index + 1;
                counts.empty += u64::from(empty);
                if empty {
                    if node.kind == Kind::Array {
                        counts.items.offer(0);
                    }
                    return;
                }
                self.instances += 1;
                let inside = if node.kind == Kind::Array {
                    Inside::Array
                } else if folds(walk, counts.rule, node) {
                    Inside::FoldedObject
                } else {
                    Inside::Object
                };
                let bounded = walk.folding == Folding::Auto && counts.rule != Some(false);
                let (end, instance) = (node.next, self.instances);
                self.open.push(Open { path, index, end, inside, instance, bounded, expected: 0, items: 0 });
            }
        }
    }

    /// Counts what is known only at the end of a container.
    #[inline(always)]
    fn close(&mut self, tree: &mut Tree, walk: &Walk<'_>) {
        let Some(open) = self.open.pop() else {
            return;
        };
        match open.inside {
            Inside::Array => tree.node_mut(open.path).items.offer(open.items),
            Inside::Object if !tree.node(open.path).variants.is_empty() => {
                count_variants(tree, walk, &open);
            }
            Inside::Object | Inside::FoldedObject => {}
        }
    }
}

fn key_of<'a>(text: &'a str, node: &Node) -> Cow<'a, str> {
    let written = &text[node.key_start as usize..(node.key_start + node.key_len) as usize];
    if node.key_escaped() { unescape(written.as_bytes()) } else { Cow::Borrowed(written) }
}

/// Whether the keys of this very object are data.
#[inline(always)]
fn folds(walk: &Walk<'_>, rule: Option<bool>, node: &Node) -> bool {
    match walk.folding {
        Folding::None => false,
        Folding::Digits => node.digit_keys(),
        Folding::Auto => rule.unwrap_or_else(|| node.digit_keys()),
    }
}

#[inline(never)]
fn count_folded_key(tree: &mut Tree, walk: &Walk<'_>, path: PathId, node: &Node) {
    let start = node.key_start as usize - 1;
    let key = &walk.text[start..start + node.key_len as usize + 2];
    let folded = tree.node_mut(path).folded.get_or_insert_default();
    folded.members += 1;
    folded.keys.offer(key, &walk.now);
}

/// Looks up the rule for a path that is new, and prepares variants if it is a discriminator.
#[cold]
fn rule_for(tree: &mut Tree, walk: &Walk<'_>, path: PathId) -> Option<bool> {
    let parent = tree.node(path).parent;
    if !tree.is_root(parent)
        && let Some(known) = DISCRIMINATORS.iter().position(|name| *name == tree.key(path))
        && matches!(tree.node(path).step, Step::Member(_))
    {
        tree.node_mut(parent).variants.push(Variants::new(known));
    }
    if walk.folding != Folding::Auto || walk.rules.all().is_empty() {
        return None;
    }
    walk.rules.find(walk.event, &tree.path(path)).map(|rule| rule.fold)
}

/// Counts the members of an object under the values of its discriminators.
fn count_variants(tree: &mut Tree, walk: &Walk<'_>, open: &Open) {
    let mut all = std::mem::take(&mut tree.node_mut(open.path).variants);
    for variants in all.iter_mut().filter(|variants| !variants.spoiled) {
        let name = DISCRIMINATORS[variants.discriminator];
        let held = |id: PathId| tree.node(id).parent_seen == open.instance;
        let members = || tree.node(open.path).members().filter(|&id| held(id));
        let Some(discriminator) = members().find(|&id| tree.key(id) == name) else {
            continue;
        };
        let value = walk.tape.value(walk.text, tree.node(discriminator).value_seen);
        if let Some(value) = value.as_str() {
            variants.offer(&value, members().map(|id| tree.node(id).ordinal));
        }
    }
    tree.node_mut(open.path).variants = all;
}
