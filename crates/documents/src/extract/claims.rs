//! Claims of somebody who follows no rules, taken for what they are worth.
//!
//! Only what stands in the text is taken, as a whole word, so that whoever is shown a claim can look. All that is
//! taken is marked with who says so and is less sure than anything that a rule finds; what a rule found stays as
//! it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use stele_model::{
    Claims, Document, Edge, EdgeKind, Entity, EntityId, EntityKind, Mention, Node, Provenance, Section,
};

use super::{Extracted, Extractor};
use crate::limits::{MENTIONS_MAX, NAME_BYTES_MAX};

/// How sure a claim is: less than the least sure rule, which has 0.60, whatever is said about it.
const CONFIDENCE: f32 = 0.50;

/// Name of the property that says who claims that there is such a thing.
const CLAIMED_BY: &str = "claimed_by";

/// Claims about sections of one document, by the order of the section.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// Who says so, with the version.
    pub extractor: String,
    /// What is said about each section.
    pub by_section: BTreeMap<u32, Claims>,
}

impl Extractor for Claimed {
    fn name(&self) -> &str {
        &self.extractor
    }

    fn extract(&self, document: &Document, found: &mut Extracted) {
        let mut taken = Taken::new(document, &self.extractor, found);
        for section in &document.sections {
            if let Some(claims) = self.by_section.get(&section.order) {
                taken.section(section, claims);
            }
        }
        let Taken { entities, mentions, edges, .. } = taken;
        found.entities.extend(entities.into_values());
        found.entities.sort_by_key(|entity| entity.id);
        found.mentions.extend(mentions);
        found.edges.extend(edges);
    }
}

/// What is taken of the claims about a document.
struct Taken<'a> {
    document: &'a Document,
    extractor: &'a str,
    /// Things that rules found.
    known: BTreeSet<EntityId>,
    known_edges: BTreeSet<stele_model::EdgeId>,
    entities: BTreeMap<EntityId, Entity>,
    mentions: Vec<Mention>,
    edges: Vec<Edge>,
}

impl<'a> Taken<'a> {
    fn new(document: &'a Document, extractor: &'a str, found: &Extracted) -> Self {
        Self {
            document,
            extractor,
            known: found.entities.iter().map(|entity| entity.id).collect(),
            known_edges: found.edges.iter().map(|edge| edge.id).collect(),
            entities: BTreeMap::new(),
            mentions: Vec::new(),
            edges: Vec::new(),
        }
    }

    fn section(&mut self, section: &Section, claims: &Claims) {
        let mut here: BTreeMap<&str, (EntityId, EntityKind, Range<usize>)> = BTreeMap::new();
        for claim in &claims.entities {
            let name = claim.name.trim();
            let spans = places(&section.text, name);
            let Some(first) = spans.first().filter(|_| name.len() <= NAME_BYTES_MAX).cloned() else {
                continue;
            };
            if here.contains_key(name) {
                continue;
            }
            let mut entity = Entity::new(&self.document.tenant, claim.kind, name, name);
            entity.properties.push((CLAIMED_BY.to_owned(), self.extractor.to_owned()));
            let id = entity.id;
            if !self.known.contains(&id) {
                self.entities.entry(id).or_insert(entity);
            }
            here.insert(name, (id, claim.kind, first.clone()));
            for span in spans {
                let extractor = self.extractor.to_owned();
                self.mentions.push(Mention {
                    entity: id,
                    section: section.id,
                    span,
                    confidence: CONFIDENCE,
                    extractor,
                });
            }
            self.edge(EdgeKind::Mentions, [Node::Section(section.id), Node::Entity(id)], section, first);
        }
        for relation in &claims.relations {
            let ends = here.get(relation.from.trim()).zip(here.get(relation.to.trim()));
            let Some(((from, from_kind, span), (to, to_kind, _))) = ends else { continue };
            let fits = match relation.kind {
                EdgeKind::HasParameter => {
                    (*from_kind, *to_kind) == (EntityKind::Command, EntityKind::Parameter)
                }
                EdgeKind::HasSubcommand => {
                    (*from_kind, *to_kind) == (EntityKind::Command, EntityKind::Command)
                }
                EdgeKind::RelatedTo => true,
                _ => false,
            };
            if fits && from != to {
                self.edge(relation.kind, [Node::Entity(*from), Node::Entity(*to)], section, span.clone());
            }
        }
    }

    /// An edge, unless a rule or an earlier claim says the same of the same section.
    fn edge(&mut self, kind: EdgeKind, [from, to]: [Node; 2], section: &Section, span: Range<usize>) {
        let (source, extractor) = (Node::Section(section.id), self.extractor.to_owned());
        let provenance = Provenance { source, span, confidence: CONFIDENCE, extractor };
        let edge = Edge::new(kind, from, to, None, provenance);
        if self.known_edges.insert(edge.id) {
            self.edges.push(edge);
        }
    }
}

/// Where a name stands in a text as a whole: not inside a longer word.
fn places(text: &str, name: &str) -> Vec<Range<usize>> {
    if name.is_empty() {
        return Vec::new();
    }
    let in_word =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let (first, last) = (name.chars().next(), name.chars().next_back());
    let whole = |at: &usize| {
        let joined_before = in_word(first) && in_word(text[..*at].chars().next_back());
        let joined_after = in_word(last) && in_word(text[*at + name.len()..].chars().next());
        !joined_before && !joined_after
    };
    let found = text.match_indices(name).map(|(at, _)| at).filter(whole);
    found.take(MENTIONS_MAX).map(|at| at..at + name.len()).collect()
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one place is a list of places")]
mod tests {
    use super::places;

    #[test]
    fn a_name_is_found_as_a_whole() {
        for (text, name, expect) in [
            ("the crane, a crane.", "crane", vec![4..9, 13..18]),
            ("cranes and scrane", "crane", vec![]),
            ("crane_2 crane-2", "crane", vec![8..13]),
            ("über, Übergang", "über", vec![0..5]),
            ("use --load=3", "--load", vec![4..10]),
            ("anything", "", vec![]),
        ] {
            assert_eq!(places(text, name), expect, "{name} in {text}");
        }
    }
}
