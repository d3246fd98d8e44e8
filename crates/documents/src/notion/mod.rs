//! Notion: blocks as its API returns them, and archives that it exports.

mod blocks;
mod export;

pub(crate) use blocks::{looks_like_blocks, parse as parse_blocks};
pub(crate) use export::parse as parse_export;
