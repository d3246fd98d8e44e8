//! `list_events` and `describe_event`: which events there are, and which fields they have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::discovery::view::{CatalogueView, EventView};

use stele_engine::likeness;

use super::{Tool, arguments, facts};
use crate::desk::{Call, Desk};
use crate::reply::{Cause, Head, Refusal, fact};

/// Which events there are.
pub(crate) struct ListEvents;

/// Where to go on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListArguments {
    /// Events of a page, up to 100; 20 unless told otherwise.
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of events.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EventList {
    #[serde(flatten)]
    head: Head,
    /// Records of all events.
    records: u64,
    /// Events on all pages.
    events_total: usize,
    /// Those of this page, the most frequent first.
    events: Vec<EventLine>,
}

/// An event in one line.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EventLine {
    name: String,
    /// Its records.
    records: u64,
    /// Their share of all, from 0 to 1.
    share: f64,
    /// Its fields, objects and arrays included.
    fields: usize,
    /// `file:line` of the first record.
    first_seen: Option<String>,
}

impl Tool for ListEvents {
    const NAME: &'static str = "list_events";
    const TITLE: &'static str = "List the events";
    const SAYS: &'static str = "Every event type in the lake with its number of records and fields, the most frequent first. \
        A good first call.";
    type Arguments = ListArguments;
    type Result = EventList;

    fn run(desk: &Desk, call: &Call, arguments: ListArguments) -> Result<EventList, Refusal> {
        let size = arguments::page_size("limit", arguments.limit)?;
        let cursor = arguments::cursor_of(Self::NAME, &(), arguments.cursor.as_deref())?;
        let snapshot = desk.snapshot()?;
        let paging = arguments::paging(cursor, snapshot.version(), 0)?;
        let view = desk.view(&snapshot, call)?;
        let mut events: Vec<&EventView> = view.events.iter().collect();
        events.sort_by(|a, b| b.records.cmp(&a.records).then_with(|| a.name.cmp(&b.name)));
        let line = |event: &EventView| EventLine {
            name: fact(&event.name),
            records: event.records,
            share: event.records as f64 / view.records.max(1) as f64,
            fields: event.tree.len().saturating_sub(1),
            first_seen: event.tree.first().map(|root| facts::at(&root.first_seen)),
        };
        let events_total = events.len();
        let (events, more) = arguments::slice(events, &paging, size);
        let (events, head) = paging.page(events.into_iter().map(line).collect(), more);
        Ok(EventList { head, records: view.records, events_total, events })
    }
}

/// Which fields an event has.
pub(crate) struct DescribeEvent;

/// Which event.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DescribeArguments {
    /// The event, as list_events names it.
    event: String,
    /// Fields of a page, up to 100; 20 unless told otherwise.
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of its fields.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EventFields {
    #[serde(flatten)]
    head: Head,
    event: String,
    /// Its records.
    records: u64,
    /// Fields on all pages.
    fields_total: usize,
    /// Those of this page, in the order of their paths.
    fields: Vec<facts::FieldLine>,
}

impl Tool for DescribeEvent {
    const NAME: &'static str = "describe_event";
    const TITLE: &'static str = "Describe an event";
    const SAYS: &'static str = "Every field of one event type: path, JSON types, in how many records, whether it is always there, \
        an example. explain_field tells more about one of them.";
    type Arguments = DescribeArguments;
    type Result = EventFields;

    fn run(desk: &Desk, call: &Call, arguments: DescribeArguments) -> Result<EventFields, Refusal> {
        let name = arguments::said("event", &arguments.event)?;
        let size = arguments::page_size("limit", arguments.limit)?;
        let cursor = arguments::cursor_of(Self::NAME, &name, arguments.cursor.as_deref())?;
        let snapshot = desk.snapshot()?;
        let paging = arguments::paging(cursor, snapshot.version(), 0)?;
        let view = desk.view(&snapshot, call)?;
        let event = named(&view, name)?;
        let fields: Vec<_> = event.tree.iter().skip(1).collect();
        let fields_total = fields.len();
        let (fields, more) = arguments::slice(fields, &paging, size);
        let lines = fields.into_iter().map(|path| facts::FieldLine::of(event, path)).collect();
        let (fields, head) = paging.page(lines, more);
        Ok(EventFields { head, event: fact(&event.name), records: event.records, fields_total, fields })
    }
}

/// Events that are named where none has the name that was asked for.
const NEAR_MAX: usize = 10;

/// The event of that name.
pub(crate) fn named<'v>(view: &'v CatalogueView, name: &str) -> Result<&'v EventView, Refusal> {
    view.events.iter().find(|event| event.name == name).ok_or_else(|| {
        let mut near: Vec<&EventView> = view.events.iter().collect();
        near.sort_by_key(|event| std::cmp::Reverse((likeness(&event.name, name), event.records)));
        let names: Vec<String> = near.iter().take(NEAR_MAX).map(|event| fact(&event.name)).collect();
        Refusal::new("No event has that name.")
            .because(Cause::Missing)
            .why(format!("some that there are: {}", names.join(", ")))
            .hint("a name that list_events gives")
    })
}
