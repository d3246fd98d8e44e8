//! SQL and export, asked over a lake that was written by the lake itself.

mod export;
mod golden;
mod guide;
mod harbour;
mod locked;
mod query;
