//! A finished catalogue as plain data: what the renderers read.
//!
//! Everything here is sorted and complete, so two equal catalogues give equal views, and equal
//! views give equal files. Nothing in this module counts anything.

use serde::{Deserialize, Serialize};
use stele_model::Micros;
use stele_model::json::Kind;

/// Everything that was found out about a set of records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CatalogueView {
    /// Accepted records.
    pub records: u64,
    /// JSON values below the roots, over all events.
    pub nodes: u64,
    /// Events, sorted by name.
    pub events: Vec<EventView>,
    /// Inputs, sorted by URI.
    pub files: Vec<FileView>,
}

/// One event type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    /// The event's name, or `unknown`.
    pub name: String,
    /// Records of this event.
    pub records: u64,
    /// The tree of paths. `tree[0]` is the root, whose `path` is empty; the rest is sorted by
    /// `path`. Children refer to each other by index.
    pub tree: Vec<PathView>,
}

/// One path of one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathView {
    /// The path as written, see [`stele_model::path`]. Empty for the root.
    pub path: String,
    /// The last step of the path.
    pub step: Step,
    /// Index of the parent in [`EventView::tree`]; the root is its own parent.
    pub parent: usize,
    /// Indexes of the children in [`EventView::tree`], ascending.
    pub children: Vec<usize>,
    /// How often each kind occurred, indexed by `Kind as usize`.
    #[serde(with = "crate::render::json::kinds")]
    pub kinds: [u64; 7],
    /// All occurrences: the sum of `kinds`.
    pub nodes: u64,
    /// Records that hold the path at least once.
    pub records: u64,
    /// For a member: objects at the parent path that hold this name at least once. Equal to the
    /// parent's object count exactly when the member is always there.
    pub holders: u64,
    /// Empty strings, arrays and objects among the nodes.
    pub empty: u64,
    /// Distinct scalar values, as they are written. Exact up to [`crate::DISTINCT_EXACT_MAX`].
    pub distinct: u64,
    /// Whether `distinct` is exact.
    pub distinct_exact: bool,
    /// Smallest and largest number, spelled as in the input.
    pub number_range: Option<(String, String)>,
    /// Shortest and longest string, in characters.
    pub length_range: Option<(u64, u64)>,
    /// Fewest and most elements of an array.
    pub items_range: Option<(u64, u64)>,
    /// Scalar values with the first place of each, sorted by value: all of them if `enumerated`,
    /// otherwise a fixed choice of a few.
    pub values: Vec<ValueView>,
    /// Whether `values` is every value that occurred.
    pub enumerated: bool,
    /// First record that holds the path.
    pub first_seen: Place,
    /// Last record that holds the path.
    pub last_seen: Place,
    /// How the members differ by the value of a discriminator, where there is one.
    pub variants: Option<VariantsView>,
    /// For an object whose keys are data: what was folded, and why.
    pub fold: Option<FoldView>,
}

impl PathView {
    /// How often `kind` occurred.
    pub fn count(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize]
    }

    /// The kinds that occurred, in alphabetical order.
    pub fn kinds_seen(&self) -> impl Iterator<Item = Kind> + '_ {
        Kind::ALL.into_iter().filter(|kind| self.count(*kind) > 0)
    }

    /// The kinds that occurred, joined by `|` in alphabetical order.
    pub fn kinds_text(&self) -> String {
        self.kinds_seen().map(Kind::name).collect::<Vec<_>>().join("|")
    }
}

/// The last step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The record itself.
    Root,
    /// A member with this name.
    Member(String),
    /// Any element of an array.
    Element,
    /// Any member of an object whose keys are data.
    AnyKey,
}

/// A place in the input.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// URI of the input.
    pub file: String,
    /// Line, counted from 1.
    pub line: u64,
    /// When the record there says that it happened, in UTC if it says so and in wall-clock time
    /// otherwise.
    pub time: Option<Micros>,
}

/// One scalar value and the first place where it occurred.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueView {
    /// The value as JSON text, cut at [`crate::SAMPLE_BYTES_MAX`] bytes.
    pub json: String,
    /// Whether `json` was cut (it is then not valid JSON).
    pub cut: bool,
    /// Where it occurred first.
    pub place: Place,
}

/// How the members of an object differ by the value of one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantsView {
    /// The member whose value tells the variants apart.
    pub discriminator: String,
    /// One entry a value, sorted.
    pub variants: Vec<VariantView>,
}

/// Objects in which the discriminator has one value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantView {
    /// The discriminator's value.
    pub value: String,
    /// Objects with that value.
    pub objects: u64,
    /// The members seen in them, with the number of objects that hold each; sorted by name.
    pub members: Vec<(String, u64)>,
}

/// An object whose keys are data, not names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldView {
    /// Why it was folded, in words: `all keys are decimal digits`, or the evidence.
    pub reason: String,
    /// Folded members, repeated keys included.
    pub members: u64,
    /// Distinct keys. Exact up to [`crate::DISTINCT_EXACT_MAX`].
    pub distinct_keys: u64,
    /// A few of the keys, sorted.
    pub sample_keys: Vec<String>,
}

/// One input and the order of the records in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FileView {
    /// Where it was read from.
    pub uri: String,
    /// Format or profile that read it.
    pub format: String,
    /// Content bytes.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
    /// Accepted records.
    pub records: u64,
    /// Smallest and largest sequence number, where records state one.
    pub seq_range: Option<(i64, i64)>,
    /// Sequence numbers that are missing between neighbours: the line after the hole, the last
    /// number before it and the first after it. At most [`crate::HOLES_MAX`] are listed.
    pub holes: Vec<(u64, i64, i64)>,
    /// All holes.
    pub hole_count: u64,
    /// Lines whose time is earlier than the one before, at most [`crate::HOLES_MAX`].
    pub steps_back: Vec<u64>,
    /// All backward steps.
    pub step_back_count: u64,
    /// Lines whose wall-clock time was shown twice in the declared zone and is read as the first
    /// showing, at most [`crate::HOLES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times_repeated: Vec<u64>,
    /// All of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub times_repeated_count: u64,
    /// Lines whose wall-clock time was never shown in the declared zone and is read with the offset
    /// before the gap, at most [`crate::HOLES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times_skipped: Vec<u64>,
    /// All of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub times_skipped_count: u64,
    /// Of `bytes`, those whose rows are not in the lake any more: pruned, or lost with a damaged
    /// part. What is said about the order of the records leaves them out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_removed: u64,
    /// Rejected lines: line, content offset of the error, and reason. At most
    /// [`crate::HOLES_MAX`] are listed.
    pub rejected: Vec<(u64, u64, String)>,
    /// All rejected lines.
    pub rejected_count: u64,
    /// Whether the last line is rejected and has no `\n`: the file may still be growing.
    pub growing: bool,
}

/// Rare facts are written only where there is something to say.
fn is_zero(count: &u64) -> bool {
    *count == 0
}
