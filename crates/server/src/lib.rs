//! How do machines ask, and people in a browser? Over the Model Context Protocol: one list of tools, on standard
//! input and output ([`serve_stdio`]) or over HTTP ([`serve_http`]), which also serves plain HTTP for programs,
//! metrics, and the dashboard.
//!
//! ```text
//! stdio ───────────────┐
//! /mcp  ─┐             ▼
//! /api   ├─► guard ─► seats: so many calls at once, each on a thread of its own
//! pages ─┘             └► tools: typed arguments → desk of the tenant → engine → one page, within its budget
//! ```
//!
//! Every tool reads and none writes. What a tool returns was recorded by somebody else, so it goes
//! out as data with a mark around it, never among the words of this
//! program. Nothing here knows how a question is answered; that is the engine's part.

mod agents;
mod answers;
mod api;
mod cursor;
mod desk;
mod error;
mod http;
mod jobs;
mod limits;
mod lines;
mod message;
mod metrics;
mod pages;
mod rate;
mod ready;
mod recent;
mod reply;
mod roots;
mod seats;
mod service;
mod sources;
mod sql;
mod stdio;
mod stop;
mod tokens;
mod tools;

pub use agents::Agents;
pub use error::ServerError;
pub use http::{HttpOptions, Patience, serve_http};
pub use jobs::JobsOptions;
pub use limits::{
    CALL_TIME_MAX, PAGE_MAX, RESULT_BYTES_MAX, SEARCH_RESULTS_MAX, SQL_ROWS_MAX, TEXT_BYTES_MAX,
};
pub use metrics::{Family, Metrics};
pub use ready::DiskWanted;
pub use roots::Root;
pub use service::Meters;
pub use sources::Variables;
pub use sql::{SqlCommand, answer_sql};
pub use stdio::serve_stdio;
pub use stop::Stop;
pub use tokens::{Holder, Right, TENANTS_MAX, TOKEN_CHARS_MIN, TOKENS_MAX, Tokens, TokensError};
