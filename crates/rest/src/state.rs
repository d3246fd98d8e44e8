//! Where a stream goes on: for itself, or for each of its parents.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stele_collect::CollectError;

use crate::cursor::State;
use crate::resource::Context;

/// Where a stream goes on. It lies in the lake as the cursor of its stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StreamState {
    /// Of a stream without parents.
    at: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    known: Vec<(Value, String)>,
    /// Of each parent, by what tells it from others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parents: BTreeMap<String, State>,
}

impl StreamState {
    /// Of a cursor as it lies in the lake.
    ///
    /// # Errors
    /// If it is none of ours.
    pub(crate) fn of(cursor: Option<&Value>, what: &str) -> Result<Self, CollectError> {
        let Some(cursor) = cursor else { return Ok(Self::default()) };
        let refuse = |why: String| CollectError::Answer {
            what: what.to_owned(),
            why: format!(
                "its cursor cannot be understood: {why}; `stele sources state reset ID` begins anew"
            ),
        };
        if !cursor.is_object() {
            return Err(refuse("it is no object".to_owned()));
        }
        Self::deserialize(cursor).map_err(|error| refuse(error.to_string()))
    }

    pub(crate) fn value(&self) -> Result<Value, CollectError> {
        serde_json::to_value(self).map_err(CollectError::Unwritable)
    }

    pub(crate) fn get(&self, context: &Context) -> State {
        match context.key.is_empty() {
            true => State { at: self.at.clone(), known: self.known.clone() },
            false => self.parents.get(&context.key).cloned().unwrap_or_default(),
        }
    }

    pub(crate) fn set(&mut self, context: &Context, state: State) {
        match context.key.is_empty() {
            true => (self.at, self.known) = (state.at, state.known),
            false => {
                self.parents.insert(context.key.clone(), state);
            }
        }
    }

    /// Forgets parents that are none of these. Says whether there were any.
    pub(crate) fn forget_others(&mut self, contexts: &[Context]) -> bool {
        let met: BTreeSet<&str> = contexts.iter().map(|context| context.key.as_str()).collect();
        let before = self.parents.len();
        self.parents.retain(|key, _| met.contains(key.as_str()));
        self.parents.len() < before
    }
}
