//! What an account calls its states, priorities and sources: `GET /ticket_fields`, in each of the shapes that choices
//! have.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::text::{code, slug};

/// One choice of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The code that stands in tickets, where it has one.
    pub code: Option<i64>,
    /// As people see it.
    pub label: String,
    /// The label of the choice that it stands below.
    pub below: Option<String>,
}

/// Codes and what they are called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// States, as the account shows them.
    pub status: BTreeMap<i64, String>,
    /// Priorities, as the account shows them.
    pub priority: BTreeMap<i64, String>,
    /// Sources, as the account shows them.
    pub source: BTreeMap<i64, String>,
    /// Words for states that a person set.
    pub status_words: BTreeMap<i64, String>,
    /// Words for priorities that a person set.
    pub priority_words: BTreeMap<i64, String>,
}

const STATUS: [(i64, &str); 4] = [(2, "open"), (3, "pending"), (4, "resolved"), (5, "closed")];
const PRIORITY: [(i64, &str); 4] = [(1, "low"), (2, "medium"), (3, "high"), (4, "urgent")];
const SOURCE: [(i64, &str); 13] = [
    (1, "email"),
    (2, "portal"),
    (3, "phone"),
    (4, "forum"),
    (5, "twitter"),
    (6, "facebook"),
    (7, "chat"),
    (8, "mobihelp"),
    (9, "feedback_widget"),
    (10, "outbound_email"),
    (11, "ecommerce"),
    (12, "bot"),
    (13, "whatsapp"),
];
const MESSAGE: [(i64, &str); 9] = [
    (0, "reply"),
    (2, "note"),
    (5, "tweet"),
    (6, "survey_feedback"),
    (7, "facebook"),
    (8, "forwarded_email"),
    (9, "phone"),
    (10, "mobihelp"),
    (11, "ecommerce"),
];

impl Labels {
    /// From the answer of the desk. What is not understood is left out: a code has a word all the same.
    pub fn read(fields: &Value) -> Self {
        let mut labels = Self::default();
        for field in fields.as_array().into_iter().flatten() {
            let field = field.get("ticket_field").unwrap_or(field);
            let Some(name) = field.get("name").and_then(Value::as_str) else { continue };
            let kept = match name {
                "status" => &mut labels.status,
                "priority" => &mut labels.priority,
                "source" => &mut labels.source,
                _ => continue,
            };
            let choices = field.get("choices").map(choices).unwrap_or_default();
            kept.extend(choices.into_iter().filter_map(|choice| Some((choice.code?, choice.label))));
        }
        labels
    }

    /// The word and the label of a state.
    pub(crate) fn status_of(&self, value: Option<&Value>) -> (Option<String>, Option<String>) {
        words(value, &self.status_words, &STATUS, &self.status)
    }

    /// The word of a priority.
    pub(crate) fn priority_of(&self, value: Option<&Value>) -> Option<String> {
        words(value, &self.priority_words, &PRIORITY, &self.priority).0
    }

    /// The word of a source.
    pub(crate) fn source_of(&self, value: Option<&Value>) -> Option<String> {
        words(value, &BTreeMap::new(), &SOURCE, &self.source).0
    }
}

/// What a message is.
pub(crate) fn message_kind(value: Option<&Value>) -> Option<String> {
    words(value, &BTreeMap::new(), &MESSAGE, &BTreeMap::new()).0
}

/// The word that a person set, or that everybody knows, or that is made of the label, or of the code.
fn words(
    value: Option<&Value>,
    set: &BTreeMap<i64, String>,
    known: &[(i64, &str)],
    labels: &BTreeMap<i64, String>,
) -> (Option<String>, Option<String>) {
    let Some(code) = code(value) else {
        // A text that is no number is a word already.
        let text = value.and_then(Value::as_str).filter(|text| !text.is_empty());
        return (text.and_then(slug), text.map(str::to_owned));
    };
    let label = labels.get(&code).cloned();
    let known = || known.iter().find(|(known, _)| *known == code).map(|(_, word)| (*word).to_owned());
    let word = set.get(&code).cloned().or_else(known).or_else(|| label.as_deref().and_then(slug));
    (Some(word.unwrap_or_else(|| format!("custom_{code}"))), label)
}

/// The choices of a field, whichever shape they have: a list of labels, labels by code, codes by label, or a list
/// of objects with choices below them.
pub fn choices(value: &Value) -> Vec<Choice> {
    let mut found = Vec::new();
    gather(value, None, 0, &mut found);
    found
}

/// Levels of choices below choices. Freshdesk has three.
const LEVELS_MAX: usize = 16;

fn gather(value: &Value, below: Option<&str>, level: usize, found: &mut Vec<Choice>) {
    let mut add = |code: Option<i64>, label: &str| {
        found.push(Choice { code, label: label.to_owned(), below: below.map(str::to_owned) });
    };
    match value {
        Value::Array(items) if level < LEVELS_MAX => {
            for item in items {
                match item {
                    Value::String(label) => found.push(Choice {
                        code: None,
                        label: label.clone(),
                        below: below.map(str::to_owned),
                    }),
                    Value::Object(object) => {
                        let label = ["value", "label"].iter().find_map(|name| object.get(*name)?.as_str());
                        let Some(label) = label else { continue };
                        let own = ["id", "choice_id"].iter().find_map(|name| code(object.get(*name)));
                        found.push(Choice {
                            code: own,
                            label: label.to_owned(),
                            below: below.map(str::to_owned),
                        });
                        if let Some(more) = object.get("choices") {
                            gather(more, Some(label), level + 1, found);
                        }
                    }
                    _ => {}
                }
            }
        }
        Value::Object(object) => {
            for (name, item) in object {
                match item {
                    // The first label is for who answers, the second for who asks.
                    Value::Array(labels) if name.parse::<i64>().is_ok() => {
                        if let Some(label) = labels.first().and_then(Value::as_str) {
                            add(name.parse().ok(), label);
                        }
                    }
                    Value::String(label) if name.parse::<i64>().is_ok() => add(name.parse().ok(), label),
                    Value::Number(number) => add(number.as_i64(), name),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}
