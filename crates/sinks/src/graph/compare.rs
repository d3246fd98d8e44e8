//! What a database holds beside what it should hold, id by id and hash by hash.

use std::collections::{HashMap, HashSet};
use std::fmt;

use stele_model::id::{from_hex, to_hex};

use crate::parity::Parity;

/// 16 bytes, as ids and hashes have them.
pub(super) type Bytes = [u8; 16];

/// Every id that should be there, in order and each once, with its hash.
pub(super) struct Asked(Vec<(Bytes, Bytes)>);

impl Asked {
    /// Of two that have one id, the one counts whose hash comes first, in whatever order they were found.
    pub(super) fn new(mut all: Vec<(Bytes, Bytes)>) -> Self {
        all.sort_unstable();
        all.dedup_by_key(|(id, _)| *id);
        Asked(all)
    }

    pub(super) fn hash(&self, id: &Bytes) -> Option<Bytes> {
        let place = self.0.binary_search_by_key(id, |(id, _)| *id).ok()?;
        Some(self.0[place].1)
    }
}

/// An id as a database has it: a row of a listing takes a hundred bytes, and there may be millions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    /// 32 hexadecimal digits, as we write them.
    Ours(Bytes),
    /// Somebody else's idea of one.
    Other(String),
}

impl Name {
    pub(super) fn new(text: &str) -> Name {
        match from_hex(text).filter(|id| to_hex(id) == text) {
            Some(id) => Name::Ours(id),
            None => Name::Other(text.to_owned()),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Ours(id) => f.write_str(&to_hex(id)),
            Name::Other(text) => f.write_str(text),
        }
    }
}

/// One that a database holds.
pub(super) struct Held<T> {
    pub(super) id: Name,
    pub(super) hash: Option<Bytes>,
    /// Where to find it again.
    pub(super) place: T,
}

/// What has to be done, and how the two compare before it is.
pub(super) struct Difference<T> {
    /// With the hash that it has to have.
    pub(super) write: HashMap<Bytes, Bytes>,
    pub(super) remove: Vec<(Name, T)>,
    pub(super) parity: Parity,
}

/// Compares them.
pub(super) fn compare<T>(asked: &Asked, held: Vec<Held<T>>) -> Difference<T> {
    let mut parity = Parity { wanted: asked.0.len() as u64, counted: held.len() as u64, ..Parity::default() };
    let mut write = HashMap::new();
    let (mut seen, mut remove) = (HashSet::new(), Vec::new());
    for one in held {
        let known = match &one.id {
            Name::Ours(id) => asked.hash(id).map(|hash| (*id, hash)),
            Name::Other(_) => None,
        };
        match known {
            Some((id, hash)) => {
                if seen.insert(id) && one.hash != Some(hash) {
                    parity.changed.add(&one.id);
                    write.insert(id, hash);
                }
            }
            None => {
                parity.extra.add(&one.id);
                remove.push((one.id, one.place));
            }
        }
    }
    for (id, hash) in &asked.0 {
        if !seen.contains(id) {
            parity.missing.add(&to_hex(id));
            write.insert(*id, *hash);
        }
    }
    parity.listed = (seen.len() + remove.len()) as u64;
    Difference { write, remove, parity }
}
