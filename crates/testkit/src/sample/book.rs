//! The bookkeeping of what is emitted: the expected catalogue, counted on the way out.
//!
//! It counts the trees that are about to be written, never the text, so it knows nothing of
//! parsing: together with [`crate::oracle`], which knows nothing of trees, it makes two answers
//! that have to agree.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use stele_model::json::{Kind, quote};
use stele_model::path::{Segment, push};

use super::Tree;

/// Expected paths of everything emitted so far. Memory follows the number of distinct paths.
#[derive(Debug, Default)]
pub struct Book {
    events: BTreeMap<String, Event>,
}

#[derive(Debug, Default)]
struct Event {
    places: Vec<Place>,
    records: u64,
}

#[derive(Debug, Default)]
struct Place {
    members: HashMap<String, usize>,
    element: Option<usize>,
    any_key: Option<usize>,
    kinds: [bool; 7],
    nodes: u64,
    records: u64,
    /// The last record that was counted here, so that each counts once.
    last_record: u64,
}

impl Book {
    /// Counts one record and returns how many values stand below its root.
    pub fn count(&mut self, event: &str, tree: &Tree) -> u64 {
        if !self.events.contains_key(event) {
            self.events.insert(event.to_owned(), Event { places: vec![Place::default()], records: 0 });
        }
        let Some(event) = self.events.get_mut(event) else {
            return 0;
        };
        event.records += 1;
        event.children(0, tree)
    }

    /// Records by event.
    pub fn records(&self) -> impl Iterator<Item = (&str, u64)> {
        self.events.iter().map(|(name, event)| (name.as_str(), event.records))
    }

    /// Event, path, types, nodes and records of each row, separated by tabs; sorted by event,
    /// then by path.
    pub fn tsv(&self) -> String {
        let mut out = String::new();
        for (name, event) in &self.events {
            let mut rows = BTreeMap::new();
            event.rows(0, "", &mut rows);
            for (path, place) in rows {
                let types: Vec<&str> = Kind::ALL
                    .into_iter()
                    .filter(|kind| place.kinds[*kind as usize])
                    .map(Kind::name)
                    .collect();
                let types = types.join("|");
                let _ = writeln!(out, "{name}\t{path}\t{types}\t{}\t{}", place.nodes, place.records);
            }
        }
        out
    }

    /// Records by event as a JSON object.
    pub fn records_json(&self) -> String {
        let members: Vec<String> =
            self.records().map(|(name, records)| format!("{}: {records}", quote(name))).collect();
        format!("{{{}}}", members.join(", "))
    }
}

impl Event {
    fn children(&mut self, at: usize, tree: &Tree) -> u64 {
        let mut nodes = 0;
        match tree {
            Tree::Array(items) => {
                for item in items {
                    let child = match self.places[at].element {
                        Some(child) => child,
                        None => {
                            let child = self.place();
                            self.places[at].element = Some(child);
                            child
                        }
                    };
                    nodes += self.value(child, item);
                }
            }
            Tree::Object(members) => {
                let folded = !members.is_empty()
                    && members
                        .iter()
                        .all(|(key, _)| !key.is_empty() && key.chars().all(|c| c.is_ascii_digit()));
                for (key, value) in members {
                    let known = if folded {
                        self.places[at].any_key
                    } else {
                        self.places[at].members.get(key.as_ref()).copied()
                    };
                    let child = known.unwrap_or_else(|| {
                        let child = self.place();
                        if folded {
                            self.places[at].any_key = Some(child);
                        } else {
                            self.places[at].members.insert(key.clone().into_owned(), child);
                        }
                        child
                    });
                    nodes += self.value(child, value);
                }
            }
            _ => {}
        }
        nodes
    }

    fn value(&mut self, at: usize, tree: &Tree) -> u64 {
        let record = self.records;
        let place = &mut self.places[at];
        place.kinds[tree.kind() as usize] = true;
        place.nodes += 1;
        if place.last_record != record {
            place.last_record = record;
            place.records += 1;
        }
        1 + self.children(at, tree)
    }

    fn place(&mut self) -> usize {
        self.places.push(Place::default());
        self.places.len() - 1
    }

    fn rows<'a>(&'a self, at: usize, path: &str, rows: &mut BTreeMap<String, &'a Place>) {
        let place = &self.places[at];
        let members = place.members.iter().map(|(key, child)| (Segment::Member(key), child));
        let element = place.element.iter().map(|child| (Segment::Element, child));
        let any_key = place.any_key.iter().map(|child| (Segment::AnyKey, child));
        for (segment, child) in members.chain(element).chain(any_key) {
            let mut path = path.to_owned();
            push(&mut path, segment);
            self.rows(*child, &path, rows);
            rows.insert(path, &self.places[*child]);
        }
    }
}
