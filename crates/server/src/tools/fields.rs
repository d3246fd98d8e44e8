//! `explain_field`: everything known about a field.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::discovery::render::explain::find;

use super::{Tool, arguments, facts};
use crate::desk::{Call, Desk};
use crate::reply::{Cause, Head, LimitReason, Refusal, fact, fitting};

/// Bytes of the fields in one result; the rest is the head.
const FIELDS_BYTES: usize = 40 << 10;

/// Suggestions where nothing was found.
const NEAR_MAX: usize = 10;

/// What a field holds.
pub(crate) struct ExplainField;

/// Which field.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// The field: a path such as `data.price`, or the end of one such as `price`.
    path: String,
    /// Only in this event.
    event: Option<String>,
}

/// What is known about it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Explained {
    #[serde(flatten)]
    head: Head,
    /// The fields that the question names, those nearest to the root first.
    fields: Vec<facts::Field>,
    /// Fields beyond those that are told; name the event or more of the path to see them.
    more: usize,
    /// Events that the question names instead of a field; `describe_event` tells their fields.
    events: Vec<String>,
}

impl Tool for ExplainField {
    const NAME: &'static str = "explain_field";
    const TITLE: &'static str = "Explain a field";
    const SAYS: &'static str = "Everything known about a field of the recorded events: types with counts, how many records hold \
        it, range, sample values with file:line, members. Counted over every record, nothing sampled. \
        Use it when the name of a field is known or guessed (`price` finds `data.price`).";
    type Arguments = Arguments;
    type Result = Explained;

    fn run(desk: &Desk, call: &Call, arguments: Arguments) -> Result<Explained, Refusal> {
        let path = arguments::said("path", &arguments.path)?;
        let event = arguments.event.as_deref().map(|event| arguments::said("event", event)).transpose()?;
        let snapshot = desk.snapshot()?;
        let view = desk.view(&snapshot, call)?;
        if let Some(event) = event {
            super::events::named(&view, event)?;
        }
        let question = event.map_or_else(|| path.to_owned(), |event| format!("{event} {path}"));
        let answer = find(&view, &question);
        // A name may be that of a field and begin like an event's; only the wanted event counts.
        let matches =
            answer.matches.iter().filter(|found| event.is_none_or(|event| found.event.name == event));
        let fields: Vec<_> = matches.map(|found| facts::Field::of(found.event, found.path)).collect();
        if fields.is_empty() && answer.events.is_empty() {
            let near: Vec<String> = answer.suggestions.iter().take(NEAR_MAX).map(|near| fact(near)).collect();
            return Err(Refusal::new("No field has that name.")
                .because(Cause::Missing)
                .why(if near.is_empty() {
                    "nothing is near it".to_owned()
                } else {
                    format!("near it: {}", near.join(", "))
                })
                .hint(
                    "one of the names near it, describe_event for all fields of an event, or search in words",
                ));
        }
        let found = fields.len();
        let fields = fitting(fields, FIELDS_BYTES);
        let more = answer.more + found - fields.len();
        let reason = match (found - fields.len(), answer.more) {
            (0, 0) => None,
            (0, _) => Some(LimitReason::Rows),
            _ => Some(LimitReason::Bytes),
        };
        Ok(Explained {
            head: Head::of(snapshot.version()).limited(reason),
            fields,
            more,
            events: answer.events.iter().map(|event| fact(&event.name)).collect(),
        })
    }
}
