//! What a document is about: commands, options, settings, steps, errors, ideas, and what it points to.
//!
//! Everything here is found by rules, so the same text says the same thing on every machine, and every
//! finding keeps the place that it rests on. No rule looks inside a word: `service` is not found in
//! `services`.

mod claims;
mod code;
mod names;
mod page;
mod prose;
mod recordings;
mod references;
mod steps;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use foldhash::fast::RandomState;
use stele_model::{
    Document, Edge, EdgeKind, Entity, EntityId, EntityKind, Mention, Node, Provenance, Reference, Section,
};

use crate::limits::{MENTIONS_MAX, NAME_BYTES_MAX};

pub use claims::Claimed;
pub use recordings::{EventFacts, GameFacts, PlayerFacts, RecordingFacts, extract_recordings};

/// What finds all this, with the version of its rules. Other rules give another version, so that a
/// graph can be told to be of old ones.
pub const EXTRACTOR: &str = "rules/1";

/// What was found in one document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extracted {
    /// Things, sorted by id. Another document may say more about the same ones: [`Entity::merge`].
    pub entities: Vec<Entity>,
    /// Where they are named, in reading order of the sections.
    pub mentions: Vec<Mention>,
    /// How they hang together, but for the references.
    pub edges: Vec<Edge>,
    /// What the document points to; [`crate::resolve`] makes edges of those whose target is there.
    pub references: Vec<Reference>,
}

/// Somebody who finds things in documents. Whoever reads one calls them one after the other: first the rules,
/// then those who claim something beside them.
///
/// ```
/// # use stele_documents::{Claimed, Extracted, Extractor, Rules};
/// # fn read(document: &stele_model::Document, claimed: &Claimed) -> Extracted {
/// let mut found = Extracted::default();
/// let extractors: [&dyn Extractor; 2] = [&Rules, claimed];
/// for extractor in extractors {
///     extractor.extract(document, &mut found);
/// }
/// # found
/// # }
/// ```
pub trait Extractor {
    /// Who finds it, with the version: what marks mentions and edges.
    fn name(&self) -> &str;

    /// Adds what is found in `document`. The rules come first; what they found stays as it is.
    fn extract(&self, document: &Document, found: &mut Extracted);
}

/// The rules of this crate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules;

impl Extractor for Rules {
    fn name(&self) -> &str {
        EXTRACTOR
    }

    fn extract(&self, document: &Document, found: &mut Extracted) {
        *found = extract(document);
    }
}

/// Finds everything that the rules find in `document`.
pub fn extract(document: &Document) -> Extracted {
    let mut collector = Collector::new(document);
    let page = page::extract(document, &mut collector);
    for section in &document.sections {
        code::extract(section, &page, &mut collector);
        let procedures = steps::extract(section, &mut collector);
        prose::extract(section, &page, &procedures, &mut collector);
    }
    collector.mention_edges();
    let mut extracted = collector.finish();
    extracted.references = references::extract(document);
    extracted
}

/// Gathers what the rules find, each thing once.
struct Collector<'d> {
    document: &'d Document,
    entities: BTreeMap<EntityId, Entity>,
    mentions: Vec<Mention>,
    counts: HashMap<(EntityId, u32), usize, RandomState>,
    edges: Vec<Edge>,
    known_edges: BTreeSet<stele_model::EdgeId>,
}

impl<'d> Collector<'d> {
    fn new(document: &'d Document) -> Self {
        Self {
            document,
            entities: BTreeMap::new(),
            mentions: Vec::new(),
            counts: HashMap::default(),
            edges: Vec::new(),
            known_edges: BTreeSet::new(),
        }
    }

    /// An entity of this kind, ready to be told more about. None if the name is none.
    fn new_entity(&self, kind: EntityKind, key: &str, name: &str) -> Option<Entity> {
        let name = name.trim();
        let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !key.is_empty();
        fits.then(|| Entity::new(&self.document.tenant, kind, key, name))
    }

    fn add(&mut self, entity: Entity) -> EntityId {
        let id = entity.id;
        match self.entities.get_mut(&id) {
            Some(known) => known.merge(entity),
            None => {
                self.entities.insert(id, entity);
            }
        }
        id
    }

    /// Notes a place that names `entity`, unless the section has enough of them.
    fn mention(&mut self, entity: EntityId, section: &Section, span: Range<usize>, confidence: f32) {
        let count = self.counts.entry((entity, section.order)).or_default();
        let fits = span.start < span.end && section.text.get(span.clone()).is_some();
        if !fits || *count >= MENTIONS_MAX {
            return;
        }
        *count += 1;
        let extractor = EXTRACTOR.to_owned();
        self.mentions.push(Mention { entity, section: section.id, span, confidence, extractor });
    }

    /// A thing that is known by its name alone, named here.
    fn named(
        &mut self,
        kind: EntityKind,
        name: &str,
        section: &Section,
        span: Range<usize>,
        confidence: f32,
    ) -> Option<EntityId> {
        let entity = self.new_entity(kind, name, name)?;
        let id = self.add(entity);
        self.mention(id, section, span, confidence);
        Some(id)
    }

    fn edge(&mut self, kind: EdgeKind, ends: [Node; 2], order: Option<u32>, why: Why<'_>) {
        let provenance = Provenance {
            source: Node::Section(why.section.id),
            span: why.span,
            confidence: why.confidence,
            extractor: EXTRACTOR.to_owned(),
        };
        let [from, to] = ends;
        let edge = Edge::new(kind, from, to, order, provenance);
        if self.known_edges.insert(edge.id) {
            self.edges.push(edge);
        }
    }

    /// An edge from each section to each thing that it names, as sure as its surest mention.
    fn mention_edges(&mut self) {
        let mut best: BTreeMap<(stele_model::SectionId, EntityId), usize> = BTreeMap::new();
        for (index, mention) in self.mentions.iter().enumerate() {
            let surest = best.entry((mention.section, mention.entity)).or_insert(index);
            if self.mentions[*surest].confidence < mention.confidence {
                *surest = index;
            }
        }
        for ((section, entity), index) in best {
            let mention = &self.mentions[index];
            let provenance = Provenance {
                source: Node::Section(section),
                span: mention.span.clone(),
                confidence: mention.confidence,
                extractor: EXTRACTOR.to_owned(),
            };
            let ends = (Node::Section(section), Node::Entity(entity));
            self.edges.push(Edge::new(EdgeKind::Mentions, ends.0, ends.1, None, provenance));
        }
    }

    fn finish(self) -> Extracted {
        Extracted {
            entities: self.entities.into_values().collect(),
            mentions: self.mentions,
            edges: self.edges,
            references: Vec::new(),
        }
    }
}

/// The place that an edge rests on.
struct Why<'s> {
    section: &'s Section,
    span: Range<usize>,
    confidence: f32,
}
