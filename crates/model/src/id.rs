//! Identifiers that follow from content, so that doing a thing twice is doing it once.

use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// Hashes the parts of an identifier, each with its length in front, so that ("a", "b:c") and
/// ("a:b", "c") never meet. BLAKE3, cut to 128 bits.
#[derive(Clone, Default)]
pub struct IdHasher(blake3::Hasher);

impl IdHasher {
    /// Starts an identifier of the given kind; the kind keeps families of ids apart.
    pub fn new(kind: &str) -> Self {
        Self::default().part(kind.as_bytes())
    }

    /// Adds one part.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The first 16 bytes of the hash.
    pub fn finish(self) -> [u8; 16] {
        first_16(&self.0.finalize())
    }
}

fn first_16(hash: &blake3::Hash) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    id
}

/// Lower-case hexadecimal digits of 16 bytes.
pub fn hex(bytes: &[u8; 16]) -> [u8; 32] {
    let mut out = [0; 32];
    HEXLOWER.encode_mut(bytes, &mut out);
    out
}

/// Lower-case hexadecimal digits of any bytes, such as a SHA-256.
pub fn to_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Reads back what [`to_hex`] writes of `N` bytes, in upper case, too.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut out).ok()?;
    Some(out)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// Reads back what `Display` writes: 32 hexadecimal digits.
            pub fn from_hex(text: &str) -> Option<Self> {
                from_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("expected 32 hexadecimal digits"))
            }
        }
    };
}

id! {
    /// One input, by the beginning of its content. A renamed copy has the same id; an input that
    /// grew keeps the one it had.
    FileId
}

id! {
    /// One record: the input it stands in and where.
    RecordId
}

id! {
    /// BLAKE3 of a record's exact text, cut to 128 bits.
    RawHash
}

id! {
    /// One chunk: its text and its origin.
    ChunkId
}

id! {
    /// One document: whose it is and where it is from.
    DocumentId
}

id! {
    /// One section: its document and its path of headings.
    SectionId
}

id! {
    /// One thing that texts are about.
    EntityId
}

id! {
    /// One edge of the graph.
    EdgeId
}

impl FileId {
    /// The id of an input of `tenant` from the SHA-256 of the beginning of its content.
    pub fn of(tenant: &str, sha256: &[u8; 32]) -> Self {
        Self(IdHasher::new("file").part(tenant.as_bytes()).part(sha256).finish())
    }

    /// The id for the `n`-th different content that begins like this one; the 0-th is `self`.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        if n == 0 {
            return self;
        }
        Self(IdHasher::new("file-nth").part(&self.0).part(&n.to_le_bytes()).finish())
    }
}

impl RawHash {
    /// Hashes the exact text of a record.
    pub fn of(raw: &[u8]) -> Self {
        Self(first_16(&blake3::hash(raw)))
    }
}

impl RecordId {
    /// The id of the record at `byte_offset` of an input. The three parts have fixed lengths, so
    /// one buffer holds them and no length prefix is needed; one hash block covers it.
    pub fn of(file: FileId, byte_offset: u64, raw: RawHash) -> Self {
        let mut parts = [0; 40];
        parts[..16].copy_from_slice(&file.0);
        parts[16..24].copy_from_slice(&byte_offset.to_le_bytes());
        parts[24..].copy_from_slice(&raw.0);
        Self(first_16(&blake3::hash(&parts)))
    }
}

#[cfg(test)]
mod tests {
    use super::{FileId, IdHasher, RawHash, from_hex, hex, to_hex};

    #[test]
    fn parts_do_not_run_together() {
        let id = |a: &str, b: &str| IdHasher::new("t").part(a.as_bytes()).part(b.as_bytes()).finish();
        assert_ne!(id("a", "b:c"), id("a:b", "c"));
        assert_ne!(id("ab", ""), id("a", "b"));
        assert_eq!(id("a", "b"), id("a", "b"));
    }

    #[test]
    fn hexadecimal_round_trip() {
        let id = FileId::of("t", &[7; 32]);
        assert_eq!(FileId::from_hex(&id.to_string()), Some(id));
        assert_eq!(id.to_string().as_bytes(), hex(&id.0));
        assert_eq!(RawHash::from_hex("zz"), None);
        assert_eq!(from_hex::<3>(&to_hex(&[0, 10, 255])), Some([0, 10, 255]));
        assert_eq!(from_hex::<3>("000affff"), None);
        assert_eq!(from_hex::<2>("FFff"), Some([255, 255]));
        assert_eq!(from_hex::<1>("+f"), None, "a sign is no digit");
    }
}
