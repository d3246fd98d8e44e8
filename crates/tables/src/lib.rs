//! What does a database hold, and what changed? Tables and queries of PostgreSQL, MySQL, MariaDB and SQLite.
//!
//! ```no_run
//! # use stele_collect::{Collector, CollectError, Collected, Cursors, Means, Sink};
//! # use stele_tables::{TableCollector, TablesConfig};
//! # fn run(lake: &mut dyn Sink, means: &Means<'_>) -> Result<Collected, CollectError> {
//! let config = TablesConfig::of("postgresql://reader:${DB_PASSWORD}@db.example/shop");
//! let environment = |name: &str| (name == "DB_PASSWORD").then(|| "…".to_owned());
//! let mut shop = TableCollector::new("shop", config, &environment)?; // every table
//! shop.collect(&lake.cursors()?, lake, means)
//! # }
//! ```
//!
//! A row becomes a record whose `data` has a member for each column, in their order. Rows are read in one read-only
//! transaction a stream, in the order of cursor and key, and written as JSON out of what the server sends. What was
//! handed over and how far that is becomes durable together; a connection that is lost goes on from there.
//!
//! # What becomes of a value
//!
//! | type | JSON |
//! |---|---|
//! | integers of every size, `numeric`, `decimal` | a number, every digit and every zero at its end as the database has them |
//! | `real`, `double precision` | the shortest number that reads back as the same; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | texts, enums, sets | a string; bytes that are no UTF-8 are bytes |
//! | bytes (`bytea`, `BLOB`, `BINARY`, geometry of MySQL) | `{"$bytes":"…"}`, in base64 with padding |
//! | booleans of PostgreSQL | `true`, `false`; those of MySQL and SQLite are the integers that they are there |
//! | `date` | `"2024-02-29"`; `"infinity"`, `"-infinity"` |
//! | `timestamp`, `DATETIME` | `"2024-02-29T12:00:00"`, with six digits of a fraction if there is one |
//! | `timestamptz`, `TIMESTAMP` of MySQL | the same in UTC, and a `Z` |
//! | MySQL's zero dates | `"0000-00-00"`, `"2024-00-10"`: what they mean is the application's |
//! | `time` | `"12:00:00"`; MySQL's may be `"-838:59:59"` |
//! | `json`, `jsonb` | as it is spelled; line breaks between its values become blanks |
//! | `uuid` | a string in lower case |
//! | arrays of PostgreSQL | arrays, also of arrays |
//! | `BIT` of MySQL | an unsigned integer; `bit` of PostgreSQL a string of 0 and 1 |
//! | rows within rows of PostgreSQL | an object |
//! | everything else of PostgreSQL (`interval` in ISO 8601, `inet`, ranges, …) | the text that PostgreSQL writes for it |
//! | values of SQLite | by the type that each of them has; JSON where the column is declared as `JSON` |
//!
//! What is not here: nothing is written to a database, no deletion is noticed, and no clock, environment or
//! configuration file is read.

mod address;
mod calendar;
mod collector;
mod config;
mod dialect;
mod error;
mod gather;
mod json;
mod mysql;
mod order;
mod params;
mod plan;
mod postgres;
mod reader;
mod sqlite;
mod waiting;
mod window;

pub use collector::TableCollector;
pub use config::{Incremental, KEY_COLUMNS_MAX, Lag, OneOrMore, STREAMS_MAX, StreamConfig, TablesConfig};
pub use error::TablesError;
pub use json::BYTES_MARK;
pub use reader::TABLES_MAX;
pub use window::REMEMBERED_MAX;
