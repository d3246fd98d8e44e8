//! The files of a catalogue: found by URI, ordered by URI, whatever the order of their arrival.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::place::Ranks;
use super::sequence::FileFacts;

/// Every file with what is known about it.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    facts: Vec<FileFacts>,
    by_uri: BTreeMap<String, u32>,
    ranks: Ranks,
}

impl Files {
    /// The number of the file `uri`, which is new if need be.
    pub(super) fn number(&mut self, uri: &str, format: &str) -> u32 {
        if let Some(&known) = self.by_uri.get(uri) {
            return known;
        }
        let number = self.facts.len() as u32;
        let before = self.by_uri.range::<str, _>((Unbounded, Excluded(uri))).next_back();
        let after = self.by_uri.range::<str, _>((Excluded(uri), Unbounded)).next();
        let fits = self.ranks.insert(before.map(|(_, file)| *file), after.map(|(_, file)| *file));
        self.facts.push(FileFacts::new(uri, format));
        self.by_uri.insert(uri.to_owned(), number);
        if !fits {
            self.ranks = Ranks::of(self.by_uri.values().copied());
        }
        number
    }

    pub(super) fn ranks(&self) -> &Ranks {
        &self.ranks
    }

    pub(super) fn get(&self, file: u32) -> Option<&FileFacts> {
        self.facts.get(file as usize)
    }

    pub(super) fn get_mut(&mut self, file: u32) -> &mut FileFacts {
        &mut self.facts[file as usize]
    }

    pub(super) fn uri(&self, file: u32) -> &str {
        &self.facts[file as usize].uri
    }

    /// The files in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &FileFacts> {
        self.facts.iter()
    }

    pub(super) fn into_facts(self) -> Vec<FileFacts> {
        self.facts
    }

    fn of(facts: Vec<FileFacts>) -> Self {
        let by_uri: BTreeMap<String, u32> = facts.iter().map(|file| file.uri.clone()).zip(0..).collect();
        Self { ranks: Ranks::of(by_uri.values().copied()), by_uri, facts }
    }
}

/// Stored as the list of facts; the rest follows from it.
impl Serialize for Files {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.facts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::of)
    }
}
