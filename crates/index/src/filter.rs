//! Which chunks may answer. A filter is applied before the best `k` are taken, in every arm.

use lancedb::expr::{DfExpr, col, contains, func, is_in, lit};
use stele_model::{ChunkId, ChunkKind, Micros};

use crate::columns::{
    DOC_TYPE, EVENT_TYPE, GAME_ID, ID, KIND, ROW, SOURCE, TAG_MARK, TAGS, TENANT, TEXT_HASH, TS, TextHash,
};
use crate::error::IndexError;
use crate::reader::Row;

/// Values of one list of a filter. Nobody types more; a program that has more should ask twice.
pub const FILTER_VALUES_MAX: usize = 1_000;

/// Conditions that all hold. An empty list or `None` asks for nothing. Values are compared as they
/// are and never read as a language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these kinds.
    pub kinds: Vec<ChunkKind>,
    /// Any of these event types.
    pub event_types: Vec<String>,
    /// Any of these games.
    pub game_ids: Vec<String>,
    /// Any of these doc types.
    pub doc_types: Vec<String>,
    /// Any of these tenants.
    pub tenants: Vec<String>,
    /// The source begins with this.
    pub source_prefix: Option<String>,
    /// Any of these stretches of what was read.
    pub scopes: Vec<Scope>,
    /// Not before this time. Chunks without a time do not match.
    pub from: Option<Micros>,
    /// Before this time. Chunks without a time do not match.
    pub until: Option<Micros>,
}

/// A stretch of what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The source is this file or lies below this directory; the beginning of its path may be missing.
    Path(String),
    /// The document is filed under this.
    Tag(String),
}

impl Scope {
    fn expr(&self) -> Result<DfExpr, IndexError> {
        Ok(match self {
            Self::Path(path) => {
                // With a `/` on both sides, a name is met as a whole.
                let path = path.trim_start_matches("./").trim_matches('/');
                let ended = func("concat", vec![col(SOURCE), lit("/")])
                    .map_err(|error| IndexError::Invalid(error.to_string()))?;
                contains(ended, lit(format!("/{path}/")))
            }
            Self::Tag(tag) => contains(col(TAGS), lit(format!("{TAG_MARK}{}{TAG_MARK}", tag.to_lowercase()))),
        })
    }
}

impl Filter {
    /// Whether every chunk matches.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The filter as the library's expression; values are bound as literals.
    pub(crate) fn expr(&self) -> Result<Option<DfExpr>, IndexError> {
        let kinds: Vec<String> = self.kinds.iter().map(|kind| kind.name().to_owned()).collect();
        let mut all = Vec::new();
        for (column, values) in [
            (KIND, &kinds),
            (EVENT_TYPE, &self.event_types),
            (GAME_ID, &self.game_ids),
            (DOC_TYPE, &self.doc_types),
            (TENANT, &self.tenants),
        ] {
            if values.len() > FILTER_VALUES_MAX {
                return Err(IndexError::Invalid(format!(
                    "the filter names {} values of {column}; at most {FILTER_VALUES_MAX} are possible",
                    values.len()
                )));
            }
            match values.as_slice() {
                [] => {}
                [one] => all.push(col(column).eq(lit(one.clone()))),
                many => all.push(is_in(col(column), many.iter().cloned().map(lit).collect())),
            }
        }
        if let Some(prefix) = self.source_prefix.as_ref().filter(|prefix| !prefix.is_empty()) {
            all.push(begins_with(prefix));
        }
        let scopes: Vec<DfExpr> = self.scopes.iter().map(Scope::expr).collect::<Result<_, _>>()?;
        all.extend(scopes.into_iter().reduce(DfExpr::or));
        if let Some(from) = self.from {
            all.push(col(TS).gt_eq(lit(from)));
        }
        if let Some(until) = self.until {
            all.push(col(TS).lt(lit(until)));
        }
        Ok(all.into_iter().reduce(DfExpr::and))
    }
}

/// A range, because a pattern would give `%` and `_` a meaning. Texts compare by their bytes, so
/// everything that begins with the prefix lies between it and its successor.
fn begins_with(prefix: &str) -> DfExpr {
    let from = col(SOURCE).gt_eq(lit(prefix.to_owned()));
    match successor(prefix) {
        Some(until) => from.and(col(SOURCE).lt(lit(until))),
        None => from,
    }
}

/// The least text after all texts that begin with `prefix`; none if it is all of the last letter.
fn successor(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        // The code points of surrogates are no letters.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

/// Rows with one of these ids.
pub(crate) fn with_ids(ids: &[ChunkId]) -> DfExpr {
    is_in(col(ID), ids.iter().map(|id| lit(id.to_string())).collect())
}

/// These rows, which the library takes without a search. It wants the name of its own column.
pub(crate) fn with_rows(rows: &[Row]) -> DfExpr {
    is_in(col(ROW), rows.iter().map(|row| lit(row.0)).collect())
}

/// Rows with one of these texts.
pub(crate) fn with_texts(hashes: &[TextHash]) -> DfExpr {
    is_in(col(TEXT_HASH), hashes.iter().map(|hash| lit(hash.hex())).collect())
}

#[cfg(test)]
mod tests {
    use super::successor;

    #[test]
    fn the_successor_comes_right_after_all_that_begin_so() {
        for (prefix, expect) in [
            ("abc", Some("abd")),
            ("a%", Some("a&")),
            ("\u{D7FF}", Some("\u{E000}")),
            ("a\u{10FFFF}", Some("b")),
            ("\u{10FFFF}", None),
        ] {
            assert_eq!(successor(prefix).as_deref(), expect, "{prefix}");
        }
    }
}
