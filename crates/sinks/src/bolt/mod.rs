//! Bolt, the protocol of Neo4j and of what speaks like it: questions in Cypher, answers in rows.
//!
//! Versions 5.0 to 5.4 and 4.2 to 4.4 are spoken: the newest that every server of these years has. One
//! connection is held, each question is a transaction of its own, and nothing here knows what is asked.
//!
//! What is not here: TLS, routing in a cluster (`neo4j://`), transactions of several questions. A question
//! whose answer is lost is asked again, so ask only what may be asked twice.

mod address;
mod client;
mod connection;
mod packstream;

pub(crate) use address::Address;
pub(crate) use client::{Access, Client};
pub(crate) use packstream::Value;
