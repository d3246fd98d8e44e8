//! What was received and is not written yet: a queue that is bounded by bytes, so that a slow disk makes whoever
//! reads a socket wait, and with it the peer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;

/// What the bookkeeping of an item takes, about: many short lines are bounded too.
const ITEM_BYTES: usize = 128;

/// One thing for the writer.
pub(crate) enum Item {
    /// Lines that are written together.
    Lines(Lines),
    /// The segment ends here.
    Rotate,
}

/// Whole lines, each with its line feed.
pub(crate) struct Lines {
    pub bytes: Vec<u8>,
    /// How many.
    pub count: u64,
    /// The number of the last one.
    pub last_seq: u64,
    /// Whether the next line belongs into the same segment: what is put together later is looked for in one file.
    /// `None` leaves that as it was before these lines.
    pub joined: Option<bool>,
    /// Who waits until they are durable.
    pub done: Option<Sender<()>>,
}

#[derive(Default)]
struct Held {
    items: VecDeque<Item>,
    bytes: usize,
    ended: bool,
}

/// Items in their order.
pub(crate) struct Queue {
    held: Mutex<Held>,
    changed: Condvar,
    bytes_max: usize,
}

impl Queue {
    pub fn new(bytes_max: usize) -> Self {
        Queue { held: Mutex::default(), changed: Condvar::new(), bytes_max }
    }

    /// Puts an item behind the others if there is room, or becomes room within `wait`; else gives it back. One that
    /// is longer than all the room is taken when nothing else is there.
    pub fn push(&self, item: Item, wait: Duration) -> Result<(), Item> {
        let cost = cost(&item);
        let held = self.lock();
        let full = |held: &mut Held| !held.ended && held.bytes > 0 && held.bytes + cost > self.bytes_max;
        let (mut held, _) =
            self.changed.wait_timeout_while(held, wait, full).unwrap_or_else(PoisonError::into_inner);
        if held.ended || full(&mut held) {
            return Err(item);
        }
        held.bytes += cost;
        held.items.push_back(item);
        self.changed.notify_all();
        Ok(())
    }

    /// Everything that is there, once something is or `wait` is over, and whether that was the last of it. What is
    /// taken out counts until [`Self::written`] says that it is written.
    pub fn take(&self, wait: Duration) -> (VecDeque<Item>, bool) {
        let held = self.lock();
        let (mut held, _) = self
            .changed
            .wait_timeout_while(held, wait, |held| held.items.is_empty() && !held.ended)
            .unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut held.items), held.ended)
    }

    /// What was taken out is written: there is room again.
    pub fn written(&self, bytes: usize) {
        let mut held = self.lock();
        held.bytes = held.bytes.saturating_sub(bytes);
        self.changed.notify_all();
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Nothing more is taken in.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Whether nothing more is taken in.
    pub fn ended(&self) -> bool {
        self.lock().ended
    }

    /// The items are whole between any two statements, so a panic of another thread is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an item counts for.
pub(crate) fn cost(item: &Item) -> usize {
    match item {
        Item::Lines(lines) => lines.bytes.len() + ITEM_BYTES,
        Item::Rotate => ITEM_BYTES,
    }
}
