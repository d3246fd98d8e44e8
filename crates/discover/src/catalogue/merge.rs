//! Two catalogues into one, exactly.

use stele_model::json::Kind;

use super::Catalogue;
use super::fold::Folding;
use super::place::{Loc, Ranks};
use super::tree::{PathId, PathNode, Span, Step, Tree};
use super::variants::Variants;

impl Catalogue {
    /// Takes in everything that `other` has counted. Both must have been made with the same
    /// folding and rules; the result is what one catalogue over all records would be.
    pub fn merge(&mut self, mut other: Catalogue) {
        let files: Vec<u32> = other.files.iter().map(|file| self.file(&file.uri, &file.format)).collect();
        other.tree.relocate(|at| at.file = files[at.file as usize]);
        for (facts, &file) in other.files.into_facts().into_iter().zip(&files) {
            self.files.get_mut(file).merge(facts);
        }
        let bounded = self.folding == Folding::Auto;
        for theirs in &other.events {
            let at = other.tree.node(theirs.root).first;
            let index = self.event(&theirs.name, at);
            let merger = Merger { other: &other.tree, ranks: self.files.ranks(), bounded };
            let ours = &mut self.events[index];
            merger.run(&mut self.tree, ours.root, theirs.root);
            if let Some(their_root) = theirs.payload_root {
                let root = *ours.payload_root.get_or_insert_with(|| self.tree.push_root(at));
                merger.run(&mut self.tree, root, their_root);
            }
            if let Some(key) = &theirs.payload_key
                && ours.payload_key.as_ref().is_none_or(|known| key < known)
            {
                ours.payload_key = Some(key.clone());
            }
        }
        self.nodes += other.nodes;
        self.state.latest = match (self.state.latest, other.state.latest.map(|at| moved(at, &files))) {
            (Some(ours), Some(theirs)) if self.files.ranks().earlier(ours, theirs) => Some(theirs),
            (ours, theirs) => ours.or(theirs),
        };
    }
}

fn moved(at: Loc, files: &[u32]) -> Loc {
    Loc { file: files[at.file as usize], ..at }
}

impl Tree {
    fn relocate(&mut self, change: impl Fn(&mut Loc)) {
        for node in self.nodes_mut() {
            change(&mut node.first);
            change(&mut node.last);
            node.values.relocate(&change);
            if let Some(folded) = &mut node.folded {
                folded.keys.relocate(&change);
            }
        }
    }
}

/// Adds subtrees of one tree to another.
pub(super) struct Merger<'a> {
    pub(super) other: &'a Tree,
    pub(super) ranks: &'a Ranks,
    /// Whether the number of names in one object is bounded.
    pub(super) bounded: bool,
}

impl Merger<'_> {
    /// Adds the subtree at `theirs` of the other tree to the one at `ours`.
    pub(super) fn run(&self, tree: &mut Tree, ours: PathId, theirs: PathId) {
        let mut pending = vec![(ours, theirs)];
        while let Some((ours, theirs)) = pending.pop() {
            let ordinals = self.children(tree, ours, theirs, &mut pending);
            self.add(tree.node_mut(ours), self.other.node(theirs), &ordinals);
        }
    }

    /// Like [`Merger::run`], but leaves out the arrays at `theirs` itself and their elements.
    pub(super) fn run_without_arrays(&self, tree: &mut Tree, ours: PathId, theirs: PathId) {
        let mut pending = Vec::new();
        let ordinals = self.children(tree, ours, theirs, &mut pending);
        self.add(tree.node_mut(ours), self.other.node(theirs), &ordinals);
        let root = tree.node_mut(ours);
        let arrays = std::mem::take(&mut root.kinds[Kind::Array as usize]);
        root.records -= arrays;
        root.items = Span::default();
        let element = root.element();
        pending.retain(|(mine, _)| Some(*mine) != element);
        for (mine, theirs) in pending {
            self.run(tree, mine, theirs);
        }
    }

    /// Pairs up the children; returns our ordinal for each of their ordinals.
    fn children(
        &self,
        tree: &mut Tree,
        ours: PathId,
        theirs: PathId,
        pending: &mut Vec<(PathId, PathId)>,
    ) -> Vec<u32> {
        let mut ordinals = Vec::new();
        let mut expected = 0;
        let rule = self.other.node(theirs).rule;
        let mine = tree.node_mut(ours);
        mine.rule = mine.rule.or(rule);
        if self.other.node(theirs).has_too_many_names() {
            tree.mark_too_many_names(ours);
        }
        for child in self.other.node(theirs).children() {
            let at = self.other.node(child).first;
            let mine = match &self.other.node(child).step {
                Step::Member(name) => {
                    let known = tree.find_member(ours, name, &mut expected);
                    let bounded = self.bounded && tree.node(ours).rule != Some(false);
                    let mine = known.or_else(|| tree.add_member(ours, name, at, bounded));
                    ordinals.push(mine.map_or(0, |id| tree.node(id).ordinal));
                    mine.unwrap_or_else(|| tree.any_key_of(ours, at).0)
                }
                Step::Element => tree.element_of(ours, at).0,
                Step::AnyKey | Step::Root => tree.any_key_of(ours, at).0,
            };
            pending.push((mine, child));
        }
        ordinals
    }

    fn add(&self, ours: &mut PathNode, theirs: &PathNode, ordinals: &[u32]) {
        for (count, more) in ours.kinds.iter_mut().zip(theirs.kinds) {
            *count += more;
        }
        ours.records += theirs.records;
        ours.holders += theirs.holders;
        ours.empty += theirs.empty;
        if self.ranks.earlier(theirs.first, ours.first) {
            ours.first = theirs.first;
        }
        if self.ranks.earlier(ours.last, theirs.last) {
            ours.last = theirs.last;
        }
        ours.values.merge(&theirs.values, self.ranks);
        ours.numbers.merge(&theirs.numbers);
        ours.lengths.merge(theirs.lengths);
        ours.items.merge(theirs.items);
        if let Some(folded) = &theirs.folded {
            let mine = ours.folded.get_or_insert_default();
            mine.members += folded.members;
            mine.keys.merge(&folded.keys, self.ranks);
        }
        for variants in &theirs.variants {
            let place = ours.variants.iter().position(|mine| mine.discriminator == variants.discriminator);
            let place = place.unwrap_or_else(|| {
                ours.variants.push(Variants::new(variants.discriminator));
                ours.variants.len() - 1
            });
            ours.variants[place].merge(variants, |ordinal| ordinals[ordinal as usize]);
        }
    }
}
