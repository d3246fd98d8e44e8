//! What somebody who follows no rules, such as a language model, says about a text: names and relations
//! between them, and nothing of where they stand.

use serde::{Deserialize, Serialize};

use crate::{EdgeKind, EntityKind};

/// A name, and what it is said to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What kind of thing.
    pub kind: EntityKind,
    /// What it is called.
    pub name: String,
}

/// Two names, and how one is said to lead to the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// From where.
    pub from: String,
    /// How.
    pub kind: EdgeKind,
    /// To where.
    pub to: String,
}

/// Everything that is said about one text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Names.
    pub entities: Vec<Claim>,
    /// Relations between them.
    pub relations: Vec<Relation>,
}
