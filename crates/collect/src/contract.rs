//! What records of a source have to look like, and what happens to one that does not: it is taken as it is, it ends
//! the stream, it is left out, or the member is.
//!
//! Only the members of the record itself are looked at; what is inside of them is their own affair.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Reasons that are told one by one, each with its record's number: enough to see a pattern.
pub const REASONS_MAX: usize = 1_000;

/// Members of a record that are remembered: more are data and no names.
const COLUMNS_MAX: usize = 10_000;

/// What happens to a record, or a member, that is not as it has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is taken, and from now on it is right.
    #[default]
    Evolve,
    /// It ends the stream with an error.
    Freeze,
    /// The record is left out, with its reason.
    DiscardRow,
    /// The member is left out, with its reason.
    DiscardValue,
}

/// What is a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// `true` or `false`.
    Boolean,
    /// Without a point and without an exponent.
    Integer,
    /// Any number.
    Number,
    /// A text.
    String,
    /// An object.
    Object,
    /// A list.
    Array,
}

impl ValueType {
    /// `null` is of every type.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Bool(_) => Some(Self::Boolean),
            Value::Number(number) if number.to_string().contains(['.', 'e', 'E']) => Some(Self::Number),
            Value::Number(_) => Some(Self::Integer),
            Value::String(_) => Some(Self::String),
            Value::Object(_) => Some(Self::Object),
            Value::Array(_) => Some(Self::Array),
        }
    }

    fn takes(self, other: Self) -> bool {
        self == other || (self == Self::Number && other == Self::Integer)
    }
}

/// What records have to look like. Without any of it everything is taken as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contract {
    /// What happens to a member that no record had before and that is not in `fields`.
    pub columns: Action,
    /// What happens to a value of another type than before. An integer is a number, too.
    pub types: Action,
    /// Members that every record has to have, and not as `null`.
    pub required: Vec<String>,
    /// What happens to a record without one of them: `freeze` or `discard_row`.
    pub missing: Action,
    /// Members and their types that are known before anything is read.
    pub fields: BTreeMap<String, ValueType>,
}

impl Default for Contract {
    fn default() -> Self {
        Self {
            columns: Action::Evolve,
            types: Action::Evolve,
            required: Vec::new(),
            missing: Action::DiscardRow,
            fields: BTreeMap::new(),
        }
    }
}

/// Members and what they are; `None` was only `null` so far.
pub type Columns = BTreeMap<String, Option<ValueType>>;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept as it is.
    Kept,
    /// It is kept without the members that were taken out of it.
    Trimmed,
    /// It is left out.
    Left(String),
    /// The stream ends here.
    Frozen(String),
}

/// Holds records of one stream against their contract, and learns what they look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Judge {
    contract: Contract,
    columns: Columns,
    /// Whether a record was seen: the first one says which members there are.
    begun: bool,
    report: Report,
}

/// What became of all records, in numbers and in reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Records that were judged.
    pub records: u64,
    /// Kept, the trimmed ones among them.
    pub kept: u64,
    /// Left out.
    pub left: u64,
    /// Members that were taken out.
    pub values_left: u64,
    /// Members that are new, and members whose type is.
    pub columns_new: u64,
    /// See `columns_new`.
    pub types_new: u64,
    /// Number of the record, counted from 1, and why it was not kept as it was; at most [`REASONS_MAX`].
    pub reasons: Vec<(u64, String)>,
}

impl Judge {
    /// Of records that nothing is known of but their contract.
    pub fn new(contract: Contract) -> Self {
        let columns = contract.fields.iter().map(|(name, kind)| (name.clone(), Some(*kind))).collect();
        // Members that are listed are all that there are.
        let begun = !contract.fields.is_empty();
        Self { contract, columns, begun, report: Report::default() }
    }

    /// With what earlier runs have learnt.
    #[must_use]
    pub fn with_columns(mut self, columns: Columns) -> Self {
        self.begun |= !columns.is_empty();
        self.columns.extend(columns);
        self
    }

    /// What was learnt, for the next run.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Judges a record, and takes out of it what has to go.
    pub fn judge(&mut self, record: &mut Map<String, Value>) -> Verdict {
        self.report.records += 1;
        if let Some(name) =
            self.contract.required.iter().find(|name| record.get(*name).is_none_or(Value::is_null))
        {
            let why = format!("`{name}` is required and missing");
            match self.contract.missing {
                Action::Evolve | Action::DiscardValue => {}
                Action::Freeze => return self.frozen(why),
                Action::DiscardRow => return self.left(why),
            }
        }
        // Nothing is learnt from a record that is left out.
        let (mut learnt, mut out) = (Vec::new(), Vec::new());
        for (name, value) in record.iter() {
            let found = ValueType::of(value);
            let (action, why) = match (self.columns.get(name), found) {
                (None, _) if !self.begun => {
                    learnt.push((name.clone(), found));
                    continue;
                }
                (None, _) => (self.contract.columns, format!("`{name}` is a new member")),
                // A type that is not known yet is learnt; `null` says nothing.
                (Some(_), None) => continue,
                (Some(None), found) => {
                    learnt.push((name.clone(), found));
                    continue;
                }
                (Some(Some(known)), Some(found)) if known.takes(found) => continue,
                (Some(Some(known)), Some(found)) => {
                    (self.contract.types, format!("`{name}` is {found:?} and was {known:?} before"))
                }
            };
            match action {
                Action::Evolve => {
                    learnt.push((name.clone(), found));
                    match self.columns.contains_key(name) {
                        true => self.report.types_new += 1,
                        false => self.report.columns_new += 1,
                    }
                }
                Action::Freeze => return self.frozen(why),
                Action::DiscardRow => return self.left(why),
                Action::DiscardValue => out.push((name.clone(), why)),
            }
        }
        for (name, kind) in learnt {
            if self.columns.len() < COLUMNS_MAX || self.columns.contains_key(&name) {
                self.columns.insert(name, kind);
            }
        }
        self.begun = true;
        self.report.kept += 1;
        if out.is_empty() {
            return Verdict::Kept;
        }
        for (name, why) in out {
            // The others keep their order.
            record.shift_remove(&name);
            self.report.values_left += 1;
            self.reason(why);
        }
        Verdict::Trimmed
    }

    /// Whether every record is taken as it is, so that none needs to be looked at.
    pub fn takes_everything(&self) -> bool {
        let contract = &self.contract;
        contract.required.is_empty() && contract.columns == Action::Evolve && contract.types == Action::Evolve
    }

    /// What became of all records so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    fn left(&mut self, why: String) -> Verdict {
        self.report.left += 1;
        self.reason(why.clone());
        Verdict::Left(why)
    }

    fn frozen(&mut self, why: String) -> Verdict {
        self.reason(why.clone());
        Verdict::Frozen(format!(
            "record {}: {why}; allow it by `evolve` in `schema`, or leave it out by `discard_row` or `discard_value`",
            self.report.records
        ))
    }

    fn reason(&mut self, why: String) {
        if self.report.reasons.len() < REASONS_MAX {
            self.report.reasons.push((self.report.records, why));
        }
    }
}
