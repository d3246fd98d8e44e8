//! The tools: each a name, typed arguments, a typed result, and one question to the engine.
//!
//! | tool | what it answers |
//! |---|---|
//! | `search` | a question in words, with evidence |
//! | `explain_field` | what is a field, in every event that has it |
//! | `list_events` | which events there are |
//! | `describe_event` | which fields an event has |
//! | `find_examples` | which records hold something, at file:line |
//! | `read_excerpt` | what stands around a place |
//! | `expand_excerpt` | what stands around a section of a document |
//! | `graph_expand` | what a thing leads to |
//! | `graph_paths` | how two things hang together |
//! | `sql` | anything that can be counted |
//! | `ingest_status` | what was read, and whether all of it is here |

pub(crate) mod arguments;
mod events;
mod examples;
mod excerpt;
pub(crate) mod facts;
mod fields;
pub(crate) mod graph;
mod search;
mod sql;
mod status;

pub(crate) use events::{DescribeEvent, ListEvents, named as event_named};
pub(crate) use examples::FindExamples;
pub(crate) use excerpt::ReadExcerpt;
pub(crate) use fields::ExplainField;
pub(crate) use graph::{ExpandExcerpt, GraphExpand, GraphPaths};
pub(crate) use search::Search;
pub(crate) use sql::SqlQuery;
pub(crate) use status::IngestStatus;

use std::sync::Arc;

use rmcp::handler::server::common::{schema_for_output, schema_for_type};
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::desk::{Call, Desk};
use crate::reply::Refusal;

/// One tool. The server checks the arguments against limits and type, calls `run`, and puts its
/// result on the wire.
pub(crate) trait Tool {
    /// As agents call it.
    const NAME: &'static str;
    /// As people see it.
    const TITLE: &'static str;
    /// What it answers and when to use it, for the agent that has to choose.
    const SAYS: &'static str;
    /// What it is asked with.
    type Arguments: DeserializeOwned + JsonSchema + 'static;
    /// What it answers.
    type Result: Serialize + JsonSchema + 'static;

    /// Answers.
    fn run(desk: &Desk, call: &Call, arguments: Self::Arguments) -> Result<Self::Result, Refusal>;
}

/// A tool without its types.
#[derive(Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) says: &'static str,
    pub(crate) input: fn() -> Arc<JsonObject>,
    pub(crate) output: fn() -> Arc<JsonObject>,
    pub(crate) run: fn(&Desk, &Call, JsonObject) -> Result<Value, Refusal>,
    /// The same for who only hands it on: nothing is built that is taken apart again.
    pub(crate) write: fn(&Desk, &Call, JsonObject) -> Result<String, Refusal>,
}

/// Every tool, in the order in which agents see them.
pub(crate) fn all() -> Vec<Spec> {
    vec![
        spec::<search::Search>(),
        spec::<fields::ExplainField>(),
        spec::<events::ListEvents>(),
        spec::<events::DescribeEvent>(),
        spec::<examples::FindExamples>(),
        spec::<excerpt::ReadExcerpt>(),
        spec::<graph::ExpandExcerpt>(),
        spec::<graph::GraphExpand>(),
        spec::<graph::GraphPaths>(),
        spec::<sql::SqlQuery>(),
        spec::<status::IngestStatus>(),
    ]
}

/// A tool as the transports know it.
pub(crate) fn spec<T: Tool>() -> Spec {
    Spec {
        name: T::NAME,
        title: T::TITLE,
        says: T::SAYS,
        input: schema_for_arguments::<T::Arguments>,
        output: schema_for_output::<T::Result>,
        run: |desk, call, arguments| {
            let result = T::run(desk, call, arguments::read(arguments)?)?;
            serde_json::to_value(result).map_err(unwritable)
        },
        write: |desk, call, arguments| {
            let result = T::run(desk, call, arguments::read(arguments)?)?;
            serde_json::to_string(&result).map_err(unwritable)
        },
    }
}

fn unwritable(error: serde_json::Error) -> Refusal {
    Refusal::new("The result cannot be written as JSON.").why(error.to_string())
}

/// The schema without the name of the Rust type, which says nothing to an agent.
fn schema_for_arguments<A: JsonSchema + 'static>() -> Arc<JsonObject> {
    let mut schema = (*schema_for_type::<A>()).clone();
    schema.remove("title");
    schema.remove("description");
    schema.entry("properties").or_insert_with(|| Value::Object(JsonObject::new()));
    Arc::new(schema)
}
