//! Recordings: events with their fields, games and players, from facts that were counted elsewhere.
//!
//! An edge for every record would be as large as the records; the first record of each fact is enough
//! to look at, and the lake has the others.

use std::collections::{BTreeMap, BTreeSet};

use stele_model::{Edge, EdgeId, EdgeKind, Entity, EntityId, EntityKind, Node, Provenance, RecordId};

use super::{EXTRACTOR, Extracted};
use crate::limits::NAME_BYTES_MAX;

/// An event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFacts {
    /// Its name.
    pub name: String,
    /// The first record of it.
    pub first: RecordId,
    /// Paths in its payload, each with what was seen there and the first record that has it.
    pub fields: Vec<(String, String, RecordId)>,
}

/// A game.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GameFacts {
    /// The id that its own system gave it.
    pub id: String,
    /// The first record about it.
    pub first: RecordId,
}

/// A player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerFacts {
    /// The id that its own system gave it.
    pub id: String,
    /// The name that records give it.
    pub username: Option<String>,
    /// The first record about it.
    pub first: RecordId,
    /// Games that it is seen in, each with the first record that shows it.
    pub games: Vec<(String, RecordId)>,
}

/// What is known about recordings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordingFacts {
    /// Event types.
    pub events: Vec<EventFacts>,
    /// Games.
    pub games: Vec<GameFacts>,
    /// Players.
    pub players: Vec<PlayerFacts>,
}

/// Things and edges of recordings. What has no name is left out, and with it what hangs on it.
pub fn extract_recordings(tenant: &str, facts: &RecordingFacts) -> Extracted {
    let mut found = Found { tenant, entities: BTreeMap::new(), edges: Vec::new(), known: BTreeSet::new() };
    for event in &facts.events {
        let Some(of) = found.add(EntityKind::Event, &event.name, &event.name, None) else { continue };
        found.edge(EdgeKind::About, Node::Record(event.first), of, event.first);
        for (path, seen, first) in &event.fields {
            // The same path of two events is two fields.
            let key = format!("{} {path}", event.name);
            if let Some(field) = found.add(EntityKind::Field, &key, path, Some(("seen", seen))) {
                found.edge(EdgeKind::HasField, Node::Entity(of), field, *first);
            }
        }
    }
    for game in &facts.games {
        if let Some(id) = found.add(EntityKind::Game, &game.id, &game.id, None) {
            found.edge(EdgeKind::About, Node::Record(game.first), id, game.first);
        }
    }
    for player in &facts.players {
        let name = player.username.as_deref().unwrap_or(&player.id);
        let Some(id) = found.add(EntityKind::Player, &player.id, name, Some(("id", &player.id))) else {
            continue;
        };
        found.edge(EdgeKind::About, Node::Record(player.first), id, player.first);
        for (game, first) in &player.games {
            if let Some(game) = found.add(EntityKind::Game, game, game, None) {
                found.edge(EdgeKind::RelatedTo, Node::Entity(id), game, *first);
            }
        }
    }
    let entities = found.entities.into_values().collect();
    Extracted { entities, edges: found.edges, ..Extracted::default() }
}

struct Found<'a> {
    tenant: &'a str,
    entities: BTreeMap<EntityId, Entity>,
    edges: Vec<Edge>,
    known: BTreeSet<EdgeId>,
}

impl Found<'_> {
    fn add(
        &mut self,
        kind: EntityKind,
        key: &str,
        name: &str,
        stated: Option<(&str, &str)>,
    ) -> Option<EntityId> {
        if key.trim().is_empty() || name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
            return None;
        }
        let mut entity = Entity::new(self.tenant, kind, key, name);
        entity.properties.extend(stated.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let id = entity.id;
        match self.entities.get_mut(&id) {
            Some(known) => known.merge(entity),
            None => drop(self.entities.insert(id, entity)),
        }
        Some(id)
    }

    fn edge(&mut self, kind: EdgeKind, from: Node, to: EntityId, first: RecordId) {
        let provenance = Provenance {
            source: Node::Record(first),
            span: 0..0,
            confidence: 1.0,
            extractor: EXTRACTOR.to_owned(),
        };
        let edge = Edge::new(kind, from, Node::Entity(to), None, provenance);
        if self.known.insert(edge.id) {
            self.edges.push(edge);
        }
    }
}
