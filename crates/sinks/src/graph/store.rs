//! A graph database, asked over Bolt.

use std::sync::Arc;

use stele_http::{HttpError, Pace, Secret};
use stele_model::id::from_hex;

use super::batches::Batch;
use super::compare::{Held, Name};
use super::{LABELS, cypher};
use crate::bolt::{Access, Address, Client, Value};
use crate::{Cancelled, SinkConfig, SinkError, SinkKind};

/// Who asks, if there is a password and no name: the one that Neo4j begins with.
const USER: &str = "neo4j";

/// Nodes that are removed at once where all of them go: each takes its edges with it.
const CLEAR_NODES_MAX: i64 = 1000;

/// A graph database outside of this program, reached over Bolt: Neo4j, or what speaks like it.
///
/// The loop that calls it is [`crate::sync_graph`]. Each question may be asked twice with the same outcome.
pub struct GraphSink {
    client: Client,
}

/// One end of an edge: its label, if it is one of ours, and its id, if it has one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) label: Option<&'static str>,
    pub(super) id: Option<Name>,
}

/// Where an edge begins and ends.
pub(super) type Ends = [End; 2];

impl GraphSink {
    /// The sink of a configuration. Nothing is asked yet; `key` is the password that the environment has.
    ///
    /// # Errors
    /// If a setting cannot be used; the error names it.
    pub fn open(config: &SinkConfig, key: Option<Secret>, pace: Arc<dyn Pace>) -> Result<Self, SinkError> {
        let refuse = |setting, reason: &str| Err(SinkError::Config { setting, reason: reason.to_owned() });
        if config.kind != SinkKind::Neo4j {
            return refuse("kind", "it is a store of vectors, and no graph database");
        }
        if !config.collection.is_empty() {
            return refuse("collection", "a graph database has none; `database` says which one is meant");
        }
        if config.tenant.is_some() {
            return refuse("tenant", "only a Chroma server has one; leave it out");
        }
        if config.http.proxy.is_some() {
            return refuse("proxy", "Bolt goes through none; leave it out");
        }
        if config.http.requests_per_minute_max.is_some() {
            return refuse("requests_per_minute_max", "a graph database has no such limit; leave it out");
        }
        if config.database.as_deref().is_some_and(|name| name.trim().is_empty()) {
            return refuse(
                "database",
                "it is empty; leave it out for the one that the server has by default",
            );
        }
        config.http.check().map_err(|error| match error {
            HttpError::Config { setting, reason } => SinkError::Config { setting, reason },
            other => SinkError::Config { setting: "http", reason: other.to_string() },
        })?;
        let address = Address::parse(&config.url)?;
        let key = key.filter(|key| !key.reveal().is_empty());
        let login = match (key, &config.user) {
            (Some(key), user) => Some((user.clone().unwrap_or_else(|| USER.to_owned()), key)),
            (None, Some(user)) => Some((user.clone(), Secret::new(""))),
            (None, None) => None,
        };
        let database = config.database.as_ref();
        let which =
            database.map_or_else(|| "its default database".to_owned(), |name| format!("database {name}"));
        let shown = format!("the graph in {which} at {address}");
        let access = Access { address, login, database: config.database.clone() };
        Ok(GraphSink { client: Client::new(access, config.http.clone(), pace, shown) })
    }

    /// Which it is, for people: `the graph in database neo4j at bolt://127.0.0.1:7687`.
    pub fn shown(&self) -> &str {
        self.client.shown()
    }

    /// Whose nodes of our kind are there.
    pub(super) fn owners(&self, cancelled: Cancelled<'_>) -> Result<Vec<String>, SinkError> {
        let mut owners = Vec::new();
        for label in LABELS {
            let question = (&*cypher::owners(label), Value::map([]));
            let more = self.client.ask(
                "look at",
                question,
                Vec::new,
                |found, row| {
                    found.push(text(&row, 0)?.to_owned());
                    Ok(())
                },
                cancelled,
            )?;
            owners.extend(more);
        }
        owners.sort_unstable();
        owners.dedup();
        Ok(owners)
    }

    /// Makes ids unique, and the way to what they stand for short.
    pub(super) fn constrain(&self, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        LABELS.into_iter().try_for_each(|label| {
            let question = (&*cypher::constraint(label), Value::map([]));
            self.client.ask("make a constraint in", question, || (), ignore, cancelled)
        })
    }

    /// Whether rows can stand apart ([`cypher::write_edges`]).
    pub(super) fn knows_apart(&self, cancelled: Cancelled<'_>) -> Result<bool, SinkError> {
        let question = (cypher::APART, Value::map([]));
        match self.client.ask("look at", question, || (), ignore, cancelled) {
            Ok(()) => Ok(true),
            Err(SinkError::Failed { code, .. }) if code.contains(".SyntaxError") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes all nodes that any lake of ours wrote.
    pub(super) fn clear(&self, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        for label in LABELS {
            let question = cypher::clear(label);
            loop {
                let most = Value::map([("most", Value::Int(CLEAR_NODES_MAX))]);
                let removed = self.client.ask(
                    "clear",
                    (&question, most),
                    || 0,
                    |found, row| {
                        *found = number(&row, 0)?;
                        Ok(())
                    },
                    cancelled,
                )?;
                if removed == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Every node of an owner, with its label.
    pub(super) fn nodes(
        &self,
        owner: &str,
        told: &mut dyn FnMut(u64),
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Held<&'static str>>, SinkError> {
        let mut held = Vec::new();
        for label in LABELS {
            let question = (&*cypher::list_nodes(label), Value::map([("owner", Value::text(owner))]));
            let more = self.client.ask(
                "list",
                question,
                Vec::new,
                |found, row| {
                    found.push(Held { id: Name::new(text(&row, 0)?), hash: hash(&row), place: label });
                    Ok(())
                },
                cancelled,
            )?;
            held.extend(more);
            told(held.len() as u64);
        }
        Ok(held)
    }

    /// Every edge of an owner, with where it begins and ends.
    pub(super) fn edges(&self, owner: &str, cancelled: Cancelled<'_>) -> Result<Vec<Held<Ends>>, SinkError> {
        let question = (&*cypher::list_edges(), Value::map([("owner", Value::text(owner))]));
        let each = |found: &mut Vec<Held<Ends>>, row: Vec<Value>| {
            let ends = [end(&row, 2), end(&row, 4)];
            found.push(Held { id: Name::new(text(&row, 0)?), hash: hash(&row), place: ends });
            Ok(())
        };
        self.client.ask("list", question, Vec::new, each, cancelled)
    }

    /// Asks a question about some rows that has no answer.
    pub(super) fn change(
        &self,
        what: &'static str,
        owner: &str,
        batch: Batch,
        cancelled: Cancelled<'_>,
    ) -> Result<(), SinkError> {
        let parameters = Value::map([("rows", Value::List(batch.rows)), ("owner", Value::text(owner))]);
        self.client.ask(what, (&batch.question, parameters), || (), ignore, cancelled)
    }
}

fn ignore(_: &mut (), _: Vec<Value>) -> Result<(), String> {
    Ok(())
}

fn text(row: &[Value], place: usize) -> Result<&str, String> {
    let value = row.get(place).and_then(Value::as_text);
    value.ok_or_else(|| format!("column {place} of a row is no text; who wrote it?"))
}

fn number(row: &[Value], place: usize) -> Result<i64, String> {
    match row.get(place) {
        Some(Value::Int(number)) => Ok(*number),
        _ => Err(format!("column {place} of a row is no number")),
    }
}

/// An end of an edge: its labels stand at a place, and its id behind it.
fn end(row: &[Value], place: usize) -> End {
    let labels = match row.get(place) {
        Some(Value::List(labels)) => &labels[..],
        _ => &[],
    };
    let ours = |label: &&str| labels.iter().any(|there| there.as_text() == Some(label));
    let id = row.get(place + 1).and_then(Value::as_text).map(Name::new);
    End { label: LABELS.into_iter().find(ours), id }
}

/// The hash of a row, if it has one that we can have written.
fn hash(row: &[Value]) -> Option<[u8; 16]> {
    from_hex(row.get(1)?.as_text()?)
}
