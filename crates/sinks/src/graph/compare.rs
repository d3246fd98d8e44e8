//! What a database holds beside what it should hold, id by id and hash by hash.

use std::collections::{HashMap, HashSet};

use stele_model::id::to_hex;

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

/// One that a database holds.
pub(super) struct Held<T> {
    /// As it is written there; one of ours has 32 hexadecimal digits.
    pub(super) id: String,
    pub(super) hash: Option<Bytes>,
    /// Where to find it again.
    pub(super) place: T,
}

/// What has to be done, and how the two compare before it is.
pub(super) struct Difference<T> {
    /// With the hash that it has to have.
    pub(super) write: HashMap<Bytes, Bytes>,
    pub(super) remove: Vec<(String, T)>,
    pub(super) parity: Parity,
}

/// Compares them.
pub(super) fn compare<T>(asked: &Asked, held: Vec<Held<T>>) -> Difference<T> {
    let mut parity = Parity { wanted: asked.0.len() as u64, counted: held.len() as u64, ..Parity::default() };
    let mut write = HashMap::new();
    let (mut seen, mut remove) = (HashSet::new(), Vec::new());
    for one in held {
        let id = stele_model::id::from_hex::<16>(&one.id).filter(|id| to_hex(id) == one.id);
        match id.and_then(|id| asked.hash(&id).map(|hash| (id, hash))) {
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
