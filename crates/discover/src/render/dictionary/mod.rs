//! `dictionary.md`: what each event means, how it looks and what to watch out for, for a person or
//! an agent who has to work with the protocol.
//!
//! What the data proves is written anew each time. What only people know comes from a side file
//! (see [`Notes`]), so regenerating the page loses nothing. A status above `observed` can only come
//! from there, and only with evidence.

mod notes;
mod page;

pub use notes::{EventNote, Notes, PathNote, ProtocolNote, Status};
pub use page::write;
