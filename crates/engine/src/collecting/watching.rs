//! What is heard of a run while it goes on: how far it is, what it waits for, and how often it asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stele_collect::{Budget, Watch};
use stele_model::Clock;

use crate::progress::{Progress, Unit, Update};

/// Waits that are told: a shorter one is over before anybody has read of it.
const TOLD_FROM: Duration = Duration::from_secs(1);

/// One run of a source, for whoever watches it.
pub(super) struct Watching<'w> {
    source: &'w str,
    budget: &'w Budget,
    clock: &'w dyn Clock,
    progress: &'w dyn Progress,
    /// Records of the stream at hand.
    records: AtomicU64,
}

impl<'w> Watching<'w> {
    pub(super) fn of(
        source: &'w str,
        budget: &'w Budget,
        clock: &'w dyn Clock,
        progress: &'w dyn Progress,
    ) -> Self {
        Self { source, budget, clock, progress, records: AtomicU64::new(0) }
    }

    /// So many records of a stream were gathered.
    pub(super) fn gathered(&self, stream: &str, records: u64) {
        self.records.store(records, Ordering::Relaxed);
        self.tell(format!("{}: {stream}", self.source));
    }

    fn tell(&self, item: String) {
        let records = self.records.load(Ordering::Relaxed);
        self.progress.update(&Update {
            stage: "collect",
            item,
            done: records,
            total: None,
            unit: Unit::Records,
            records,
        });
    }
}

impl Watch for Watching<'_> {
    fn called(&self, calls: u64) {
        self.budget.called(self.source, calls, self.clock.now());
    }

    fn waits(&self, time: Duration) {
        if time >= TOLD_FROM {
            let seconds = time.as_millis().div_ceil(1_000);
            self.tell(format!("waiting {seconds} s for the limit of {}", self.source));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use stele_collect::{Budget, BudgetState, Watch};
    use stele_model::time::FixedClock;

    use super::Watching;
    use crate::progress::{Progress, Update};

    #[derive(Default)]
    struct Told(Mutex<Vec<(String, u64)>>);

    impl Progress for Told {
        fn update(&self, update: &Update) {
            self.0.lock().unwrap().push((update.item.clone(), update.done));
        }

        fn note(&self, _text: &str) {}
    }

    #[test]
    fn a_wait_is_told_beside_how_far_it_is() {
        let (told, budget) = (Told::default(), Budget::new(1.0, 1.0, BudgetState::default()));
        let watching = Watching::of("hd", &budget, &FixedClock(0), &told);
        watching.gathered("tickets", 7);
        for millis in [41_100, 1_000, 999] {
            watching.waits(Duration::from_millis(millis));
        }
        watching.called(3);
        let told = told.0.lock().unwrap().clone();
        let item = |item: &str| (item.to_owned(), 7);
        let waits = ["waiting 42 s for the limit of hd", "waiting 1 s for the limit of hd"];
        assert_eq!(told, [item("hd: tickets"), item(waits[0]), item(waits[1])]);
        assert_eq!(budget.state_now().spent("hd").calls, 3);
    }
}
