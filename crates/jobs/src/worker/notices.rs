//! What a worker says aloud: that it begins nothing new and why, that its queue is away, and that it goes on. Once
//! each, since a line every few seconds is read by nobody.

use stele_model::error::in_full;

use crate::error::JobsError;

pub(super) struct Notices {
    home: String,
    held_back: bool,
    away: bool,
}

impl Notices {
    pub(super) fn new(home: String) -> Self {
        Self { home, held_back: false, away: false }
    }

    /// Why nothing new begins now, if so.
    pub(super) fn held_back(&mut self, why: Option<&str>) {
        match why {
            Some(why) if !self.held_back => tracing::warn!("no new job begins: {why}"),
            None if self.held_back => tracing::warn!("jobs begin again"),
            _ => {}
        }
        self.held_back = why.is_some();
    }

    /// Whether the queue answered when it was told something.
    pub(super) fn heard<T>(&mut self, answer: &Result<T, JobsError>) {
        match answer {
            Ok(_) if self.away => {
                tracing::warn!("goes on: {} answers again", self.home);
                self.away = false;
            }
            Err(error) if error.is_outage() && !self.away => {
                let hint = error.hint().unwrap_or_default();
                tracing::warn!("waits for its queue, and asks again: {}; {hint}", in_full(error));
                self.away = true;
            }
            _ => {}
        }
    }

    /// Whether the queue did not answer the last time.
    pub(super) fn is_away(&self) -> bool {
        self.away
    }
}
