//! What several threads gather ahead of one who takes it, in its order: no further than a bound, and no further than the first
//! thing that ends the run.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::HelpdeskError;
use crate::gather::Whole;

/// What threads have gathered and nobody has taken yet.
pub(crate) struct Ahead {
    /// How far threads may be ahead of who takes.
    max: usize,
    places: Mutex<Places>,
    /// Something came for who takes.
    came: Condvar,
    /// Something was taken, so there is room for more.
    room: Condvar,
}

#[derive(Default)]
struct Places {
    next: usize,
    taken: usize,
    done: BTreeMap<usize, Result<Whole, HelpdeskError>>,
    /// Nothing more is begun.
    over: bool,
    /// A thread broke off, and what it was at does not come.
    broke: bool,
}

impl Ahead {
    /// Threads go on until so many are gathered.
    pub(crate) fn of(max: usize) -> Self {
        Self { max, places: Mutex::default(), came: Condvar::new(), room: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place that is gathered next; waits until who takes is near enough.
    pub(crate) fn next(&self, end: usize) -> Option<usize> {
        let mut places = self.lock();
        loop {
            if places.over || places.next >= end {
                return None;
            }
            if places.next < places.taken + self.max {
                places.next += 1;
                return Some(places.next - 1);
            }
            places = self.room.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// This place is gathered, or cannot be; behind one that cannot nothing more is begun.
    pub(crate) fn done(&self, place: usize, whole: Result<Whole, HelpdeskError>) {
        let mut places = self.lock();
        places.over |= whole.is_err();
        places.done.insert(place, whole);
        drop(places);
        self.came.notify_one();
    }

    /// What belongs to this place; `None` if a thread broke off over it, which says so itself.
    pub(crate) fn take(&self, place: usize) -> Option<Result<Whole, HelpdeskError>> {
        let mut places = self.lock();
        loop {
            if let Some(whole) = places.done.remove(&place) {
                places.taken = place + 1;
                drop(places);
                self.room.notify_one();
                return Some(whole);
            }
            if places.broke {
                return None;
            }
            places = self.came.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing more is taken.
    pub(crate) fn end(&self) {
        self.lock().over = true;
        self.room.notify_all();
    }

    /// A refusal of the key among what nobody took.
    pub(crate) fn refused(self) -> Option<HelpdeskError> {
        let places = self.places.into_inner().unwrap_or_else(PoisonError::into_inner);
        let errors = places.done.into_values().filter_map(Result::err);
        errors.into_iter().find(|error| matches!(error, HelpdeskError::Refused { status: 401, .. }))
    }
}

/// Ends the work of all when one breaks off, or nothing more is taken.
pub(crate) struct Over<'a>(pub(crate) &'a Ahead);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut places = self.0.lock();
            (places.over, places.broke) = (true, true);
        }
        self.0.came.notify_all();
        self.0.room.notify_all();
    }
}
