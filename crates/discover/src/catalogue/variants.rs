//! How the members of an object differ by the value of a discriminator such as `type`.

use serde::{Deserialize, Serialize};

/// Names that tell variants apart in the protocols we know, best first.
pub(super) const DISCRIMINATORS: [&str; 6] = ["type", "kind", "event", "action", "status", "op"];

/// More values than this and the member is data, not a discriminator.
const VARIANTS_MAX: usize = 32;

/// Longer values than this are text, not the name of a variant.
const VALUE_BYTES_MAX: usize = 64;

/// The objects at one path, split by the value of one of their members.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Variants {
    /// Place in [`DISCRIMINATORS`].
    pub(super) discriminator: usize,
    /// In the order in which the values were first seen; empty for good once `spoiled`.
    pub(super) variants: Vec<Variant>,
    /// Whether the member turned out to be data: too many values, or too long ones.
    pub(super) spoiled: bool,
}

/// Objects with one value of the discriminator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Variant {
    pub(super) value: Box<str>,
    pub(super) objects: u64,
    /// Objects that hold each member, by the member's ordinal under the object's path.
    pub(super) members: Vec<u64>,
}

impl Variants {
    pub(super) fn new(discriminator: usize) -> Self {
        Self { discriminator, ..Self::default() }
    }

    /// Counts one object with this value of the discriminator and members with these ordinals.
    pub(super) fn offer(&mut self, value: &str, ordinals: impl Iterator<Item = u32>) {
        let Some(variant) = self.variant(value) else {
            return;
        };
        variant.objects += 1;
        for ordinal in ordinals {
            variant.add(ordinal, 1);
        }
    }

    /// The variant with this value; `None` if the member is data.
    fn variant(&mut self, value: &str) -> Option<&mut Variant> {
        if self.spoiled {
            return None;
        }
        let index = match self.variants.iter().position(|variant| *variant.value == *value) {
            Some(index) => index,
            None if self.variants.len() == VARIANTS_MAX || value.len() > VALUE_BYTES_MAX => {
                self.spoil();
                return None;
            }
            None => {
                self.variants.push(Variant { value: value.into(), objects: 0, members: Vec::new() });
                self.variants.len() - 1
            }
        };
        Some(&mut self.variants[index])
    }

    fn spoil(&mut self) {
        self.spoiled = true;
        self.variants.clear();
    }

    /// Adds `other`, whose ordinals mean what `ordinal` makes of them.
    pub(super) fn merge(&mut self, other: &Variants, ordinal: impl Fn(u32) -> u32) {
        if other.spoiled {
            return self.spoil();
        }
        for theirs in &other.variants {
            let Some(ours) = self.variant(&theirs.value) else {
                return;
            };
            ours.objects += theirs.objects;
            for (index, &count) in theirs.members.iter().enumerate() {
                ours.add(ordinal(index as u32), count);
            }
        }
    }
}

impl Variant {
    fn add(&mut self, ordinal: u32, count: u64) {
        let index = ordinal as usize;
        if self.members.len() <= index {
            self.members.resize(index + 1, 0);
        }
        self.members[index] += count;
    }
}
