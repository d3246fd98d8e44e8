//! From the counts to the view: sorted, named, complete.

use stele_model::path::{self, Segment};

use super::merge::Merger;
use super::place::Loc;
use super::tree::{PathId, Step as TreeStep, Tree};
use super::variants::{DISCRIMINATORS, Variants};
use super::{Catalogue, Event};
use crate::VALUES_MAX;
use crate::view::{
    CatalogueView, EventView, FoldView, PathView, Place, Step, ValueView, VariantView, VariantsView,
};

/// Samples shown for a path that is not an enumeration: enough to see the kind of thing it is.
const SAMPLES: usize = 5;

impl Catalogue {
    /// The catalogue rooted at the record.
    pub fn view(&self) -> CatalogueView {
        self.view_of(|event| Some(self.event_view(&event.name, &self.tree, event.root)))
    }

    /// The catalogue rooted at the payload. Events without payloads are left out.
    pub fn payload_view(&self) -> CatalogueView {
        self.view_of(|event| {
            let (tree, root) = self.payload_tree(event)?;
            Some(self.event_view(&event.name, &tree, root))
        })
    }

    fn view_of(&self, view: impl Fn(&Event) -> Option<EventView>) -> CatalogueView {
        let mut events: Vec<EventView> = self.events.iter().filter_map(view).collect();
        events.sort_by(|a, b| a.name.cmp(&b.name));
        let mut files: Vec<_> = self.files.iter().map(|file| file.view()).collect();
        files.sort_by(|a, b| a.uri.cmp(&b.uri));
        let nodes =
            events.iter().map(|event| event.tree[1..].iter().map(|path| path.nodes).sum::<u64>()).sum();
        CatalogueView { records: events.iter().map(|event| event.records).sum(), nodes, events, files }
    }

    /// A tree rooted at the payloads of `event`: those that stand in the record as they are, and
    /// those that were unwrapped.
    fn payload_tree(&self, event: &Event) -> Option<(Tree, PathId)> {
        let mut tree = Tree::default();
        let merger = Merger { other: &self.tree, ranks: self.files.ranks(), bounded: false };
        let holder =
            event.payload_key.as_ref().and_then(|key| self.tree.find_member(event.root, key, &mut 0));
        let first = holder.or(event.payload_root)?;
        let root = tree.push_root(self.tree.node(first).first);
        if let Some(holder) = holder {
            // Arrays were counted under `payload_root`, element by element as they should be.
            merger.run_without_arrays(&mut tree, root, holder);
        }
        if let Some(unwrapped) = event.payload_root {
            merger.run(&mut tree, root, unwrapped);
        }
        Some((tree, root))
    }

    fn event_view(&self, name: &str, tree: &Tree, root: PathId) -> EventView {
        let mut found = vec![(String::new(), root)];
        let mut at = 0;
        while at < found.len() {
            let (parent, id) = (found[at].0.clone(), found[at].1);
            for child in tree.node(id).children().filter(|&child| tree.node(child).nodes() > 0) {
                let mut path = parent.clone();
                path::push(&mut path, segment(&tree.node(child).step));
                found.push((path, child));
            }
            at += 1;
        }
        found[1..].sort();
        let mut index_of = std::collections::HashMap::new();
        for (index, (_, id)) in found.iter().enumerate() {
            index_of.insert(*id, index);
        }
        let paths = found
            .into_iter()
            .map(|(path, id)| {
                let node = tree.node(id);
                let mut children: Vec<usize> =
                    node.children().filter_map(|child| index_of.get(&child).copied()).collect();
                children.sort_unstable();
                let (values, enumerated) = self.values(tree, id);
                PathView {
                    fold: self.fold(tree, id, name, &path),
                    path,
                    step: step(&node.step),
                    parent: if id == root { 0 } else { index_of[&node.parent] },
                    children,
                    kinds: node.kinds,
                    nodes: node.nodes(),
                    records: node.records,
                    holders: node.holders,
                    empty: node.empty,
                    distinct: node.values.distinct().min(node.scalars()),
                    distinct_exact: node.values.is_exact(),
                    number_range: node.numbers.ends().map(|(low, high)| (low.to_owned(), high.to_owned())),
                    length_range: node.lengths.ends(),
                    items_range: node.items.ends(),
                    values,
                    enumerated,
                    first_seen: self.place(node.first),
                    last_seen: self.place(node.last),
                    variants: variants(tree, id),
                }
            })
            .collect::<Vec<_>>();
        EventView { name: name.to_owned(), records: tree.node(root).records, tree: paths }
    }

    fn place(&self, at: Loc) -> Place {
        Place { file: self.files.uri(at.file).to_owned(), line: at.line, time: at.time }
    }

    fn values(&self, tree: &Tree, id: PathId) -> (Vec<ValueView>, bool) {
        let (kept, all) = tree.node(id).values.values();
        let shown = if all { VALUES_MAX } else { SAMPLES };
        let mut values: Vec<ValueView> = kept
            .iter()
            .take(shown)
            .map(|kept| ValueView {
                json: kept.text.to_string(),
                cut: kept.cut,
                place: self.place(kept.first),
            })
            .collect();
        values.sort();
        (values, all && !kept.is_empty())
    }

    fn fold(&self, tree: &Tree, id: PathId, event: &str, path: &str) -> Option<FoldView> {
        let node = tree.node(id);
        let rule = self.rules.find(event, path).filter(|rule| rule.fold);
        let reason = match rule {
            Some(rule) => rule.reason.clone(),
            None if node.has_too_many_names() => "too many different keys; counts are provisional".to_owned(),
            None => "all keys are decimal digits".to_owned(),
        };
        let folded = node.folded.as_ref()?;
        let (keys, _) = folded.keys.values();
        let mut sample_keys: Vec<String> =
            keys.iter().take(SAMPLES).map(|key| unquoted(&key.text).to_owned()).collect();
        sample_keys.sort();
        Some(FoldView { reason, members: folded.members, distinct_keys: folded.keys.distinct(), sample_keys })
    }
}

fn unquoted(literal: &str) -> &str {
    let inside = literal.strip_prefix('"').unwrap_or(literal);
    inside.strip_suffix('"').unwrap_or(inside)
}

fn segment(step: &TreeStep) -> Segment<'_> {
    match step {
        TreeStep::Member(name) => Segment::Member(name),
        TreeStep::Element | TreeStep::Root => Segment::Element,
        TreeStep::AnyKey => Segment::AnyKey,
    }
}

fn step(step: &TreeStep) -> Step {
    match step {
        TreeStep::Root => Step::Root,
        TreeStep::Member(name) => Step::Member(name.to_string()),
        TreeStep::Element => Step::Element,
        TreeStep::AnyKey => Step::AnyKey,
    }
}

/// The best discriminator that has at least two values, with its variants.
fn variants(tree: &Tree, id: PathId) -> Option<VariantsView> {
    let node = tree.node(id);
    let useful = |variants: &&Variants| !variants.spoiled && variants.variants.len() > 1;
    let best = node.variants.iter().filter(useful).min_by_key(|variants| variants.discriminator)?;
    let names: Vec<&str> = node.members().map(|member| tree.key(member)).collect();
    let mut variants: Vec<VariantView> = best
        .variants
        .iter()
        .map(|variant| {
            let counts = names.iter().zip(&variant.members).filter(|(_, count)| **count > 0);
            let mut members: Vec<_> = counts.map(|(name, count)| ((*name).to_owned(), *count)).collect();
            members.sort();
            VariantView { value: variant.value.to_string(), objects: variant.objects, members }
        })
        .collect();
    variants.sort_by(|a, b| a.value.cmp(&b.value));
    Some(VariantsView { discriminator: DISCRIMINATORS[best.discriminator].to_owned(), variants })
}
