//! How many requests a help desk allows in a while, and when the next one may be made. Pure: time comes in as a
//! number, and nobody waits here.
//!
//! What counts is any stretch as long as the span, so a log of what was spent is kept, not a counter that is set to
//! zero now and then. Something is spent from the moment when the request begins until a span after its answer came:
//! in between nobody knows when the service counted it.

use std::collections::VecDeque;

/// Which limit a request falls under beside the common one. Help desks limit some lists more than the rest, and no
/// header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Lists of tickets.
    Tickets,
    /// Lists of contacts.
    Contacts,
    /// Everything else: only the common limit.
    Other,
}

/// What is known before the service has said anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// Credits in a span, of everything.
    pub credits: u32,
    /// Requests in a span for each of the lists.
    pub lists: u32,
    /// Whether `lists` was set by a person, and stays whatever the service allows.
    pub lists_set: bool,
    /// The part of what is allowed that is left to other programs, from 0 to 1.
    pub reserve: f64,
    /// Length of the span in milliseconds.
    pub span_ms: u64,
}

/// Whether a request may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Now,
    /// After so many milliseconds, or when a request comes back that is on its way, whichever is first.
    After(u64),
}

/// What was spent, and when. A desk without limits is asked thousands of times in a span, so nothing here goes over
/// all of it for each request, and what ended in one millisecond stands together.
#[derive(Debug, Default)]
struct Window {
    spent: VecDeque<(u64, u32)>,
    /// The sum of `spent`.
    used: u32,
    flying: u32,
}

impl Window {
    fn forget(&mut self, now_ms: u64, span_ms: u64) {
        while let Some((then, credits)) = self.spent.front().copied()
            && now_ms.saturating_sub(then) >= span_ms
        {
            self.spent.pop_front();
            self.used -= credits;
        }
    }

    fn spend(&mut self, now_ms: u64, credits: u32) {
        self.used += credits;
        match self.spent.back_mut() {
            Some((then, spent)) if *then == now_ms => *spent += credits,
            _ => self.spent.push_back((now_ms, credits)),
        }
    }

    /// How long until so many credits fit below the limit. A request that costs more than the limit has to be
    /// possible too: it fits when nothing else is spent.
    fn wait_ms(&self, now_ms: u64, span_ms: u64, credits: u32, limit: u32) -> u64 {
        let mut used = self.used + self.flying;
        let fits = |used: u32| used == 0 || used + credits <= limit;
        if fits(used) {
            return 0;
        }
        for (then, spent) in &self.spent {
            used -= spent;
            if fits(used) {
                return (then + span_ms).saturating_sub(now_ms).max(1);
            }
        }
        // What is on its way has to come back first, and counts for a span then.
        span_ms
    }
}

/// The limit of a list.
#[derive(Debug, Default)]
struct ListLimit {
    window: Window,
    /// What a refusal taught, and when.
    learned: Option<(u32, u64)>,
    blocked_until_ms: u64,
}

/// Spans for which a refusal of a list is remembered. Then more is tried again: it may have been another program that had
/// used up the list, and a refusal in five minutes costs little.
const LEARNED_SPANS: u64 = 5;

/// The limits of one account.
#[derive(Debug)]
pub struct Limits {
    start: Start,
    total: Option<u32>,
    /// What other programs use, and when that was heard, the most first: of what was heard in a span, the most counts,
    /// as an answer that crosses others says too little.
    others: VecDeque<(u32, u64)>,
    all: Window,
    lists: [ListLimit; 2],
    blocked_until_ms: u64,
}

impl Limits {
    /// Nothing was spent and nothing was heard.
    pub fn new(start: Start) -> Self {
        Self {
            start,
            total: None,
            others: VecDeque::new(),
            all: Window::default(),
            lists: [ListLimit::default(), ListLimit::default()],
            blocked_until_ms: 0,
        }
    }

    /// Whether requests are on their way.
    pub fn is_flying(&self) -> bool {
        self.all.flying > 0
    }

    /// Credits that may be spent in a span, of those that nobody else spends.
    pub fn budget(&self) -> u32 {
        let total = f64::from(self.total.unwrap_or(self.start.credits));
        let ours = (total * (1.0 - self.start.reserve.clamp(0.0, 1.0))).floor() as u32;
        ours.saturating_sub(self.others.front().map_or(0, |(others, _)| *others))
    }

    /// When a request of this cost may be made.
    pub fn turn(&mut self, now_ms: u64, lane: Lane, credits: u32) -> Turn {
        let span_ms = self.start.span_ms;
        self.all.forget(now_ms, span_ms);
        // What was heard of others is true for a span: a service that says "nothing is left" once and is not asked
        // again would be waited for for ever.
        while self.others.front().is_some_and(|(_, heard_ms)| now_ms.saturating_sub(*heard_ms) >= span_ms) {
            self.others.pop_front();
        }
        let mut wait_ms = self.blocked_until_ms.saturating_sub(now_ms);
        let for_all_ms = self.all.wait_ms(now_ms, span_ms, credits, self.budget());
        let others_ms = self.others.front().map(|(_, heard_ms)| (heard_ms + span_ms).saturating_sub(now_ms));
        // Others may have stopped before all of ours is forgotten.
        wait_ms = wait_ms.max(match others_ms {
            Some(others_ms) if for_all_ms >= span_ms => others_ms.max(1),
            _ => for_all_ms,
        });
        let by_plan = self.lists_by_plan();
        if let Some(list) = self.list(lane) {
            list.window.forget(now_ms, span_ms);
            list.learned =
                list.learned.filter(|(_, at_ms)| now_ms.saturating_sub(*at_ms) < LEARNED_SPANS * span_ms);
            let limit = list.learned.map_or(by_plan, |(learned, _)| learned.min(by_plan));
            wait_ms = wait_ms.max(list.blocked_until_ms.saturating_sub(now_ms));
            wait_ms = wait_ms.max(list.window.wait_ms(now_ms, span_ms, 1, limit));
        }
        if wait_ms == 0 { Turn::Now } else { Turn::After(wait_ms) }
    }

    /// A request begins.
    pub fn begin(&mut self, lane: Lane, credits: u32) {
        self.all.flying += credits;
        if let Some(list) = self.list(lane) {
            list.window.flying += 1;
        }
    }

    /// It has come back, or will not.
    pub fn end(&mut self, now_ms: u64, lane: Lane, credits: u32) {
        self.all.flying = self.all.flying.saturating_sub(credits);
        self.all.spend(now_ms, credits);
        if let Some(list) = self.list(lane) {
            list.window.flying = list.window.flying.saturating_sub(1);
            list.window.spend(now_ms, 1);
        }
    }

    /// What the headers of an answer say; call it after [`Self::end`].
    pub fn heard(&mut self, now_ms: u64, total: Option<f64>, left: Option<f64>) {
        let whole = |number: f64| (number.is_finite() && number >= 0.0).then_some(number.floor() as u32);
        if let Some(total) = total.and_then(whole).filter(|total| *total > 0) {
            self.total = Some(total);
        }
        let (Some(total), Some(left)) = (self.total, left.and_then(whole)) else { return };
        self.all.forget(now_ms, self.start.span_ms);
        let gone = total.saturating_sub(left);
        // Whether the service had counted those on their way cannot be known. Only if there is more than they can
        // explain there are others, and then all of it is theirs: better too slow than refused.
        let others = match gone.saturating_sub(self.all.used + self.all.flying) {
            0 => 0,
            _ => gone.saturating_sub(self.all.used),
        };
        while self.others.back().is_some_and(|(before, _)| *before <= others) {
            self.others.pop_back();
        }
        if others > 0 {
            self.others.push_back((others, now_ms));
        }
    }

    /// The service refuses for now. If something is left of the common limit, it was that of the list.
    pub fn refused(&mut self, now_ms: u64, lane: Lane, left: Option<f64>, wait_ms: u64) {
        let until_ms = now_ms + wait_ms;
        if left.is_some_and(|left| left > 0.0)
            && let Some(list) = self.list(lane)
        {
            list.blocked_until_ms = until_ms.max(list.blocked_until_ms);
            // As many as went well before: the refused one is in the log and does not count.
            let went_well = list.window.used.saturating_sub(1).max(1);
            list.learned =
                Some((list.learned.map_or(went_well, |(before, _)| before.min(went_well)), now_ms));
            return;
        }
        self.blocked_until_ms = until_ms.max(self.blocked_until_ms);
    }

    fn list(&mut self, lane: Lane) -> Option<&mut ListLimit> {
        match lane {
            Lane::Tickets => Some(&mut self.lists[0]),
            Lane::Contacts => Some(&mut self.lists[1]),
            Lane::Other => None,
        }
    }

    /// Requests of a list in a span: what a person set, or what goes with the total in the known plans of Freshdesk.
    fn lists_by_plan(&self) -> u32 {
        match self.total {
            _ if self.start.lists_set => self.start.lists,
            Some(700..) => 200,
            Some(400..) => 100,
            _ => self.start.lists,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lane, Limits, Start, Turn};

    fn limits(credits: u32, lists: u32) -> Limits {
        Limits::new(Start { credits, lists, lists_set: false, reserve: 0.0, span_ms: 60_000 })
    }

    fn spend(limits: &mut Limits, now_ms: u64, lane: Lane, credits: u32) {
        assert_eq!(limits.turn(now_ms, lane, credits), Turn::Now);
        limits.begin(lane, credits);
        limits.end(now_ms, lane, credits);
    }

    #[test]
    fn any_sixty_seconds_count() {
        let mut limits = limits(3, 9);
        for now_ms in [0, 10_000, 20_000] {
            spend(&mut limits, now_ms, Lane::Other, 1);
        }
        assert_eq!(limits.turn(20_000, Lane::Other, 1), Turn::After(40_000));
        assert_eq!(limits.turn(20_000, Lane::Other, 2), Turn::After(50_000));
        spend(&mut limits, 60_000, Lane::Other, 1);
        assert_eq!(limits.turn(60_000, Lane::Other, 1), Turn::After(10_000));
    }

    #[test]
    fn what_costs_more_than_there_is_goes_alone() {
        let mut limits = limits(5, 9);
        spend(&mut limits, 0, Lane::Other, 7);
        assert_eq!(limits.turn(1, Lane::Other, 7), Turn::After(59_999));
    }

    #[test]
    fn what_is_on_its_way_counts_until_a_span_after_its_answer() {
        let mut limits = limits(1, 9);
        limits.begin(Lane::Other, 1);
        assert_eq!(limits.turn(90_000, Lane::Other, 1), Turn::After(60_000));
        limits.end(90_000, Lane::Other, 1);
        assert_eq!(limits.turn(90_001, Lane::Other, 1), Turn::After(59_999));
    }

    #[test]
    fn nothing_left_is_believed_for_a_span() {
        let mut limits = limits(50, 9);
        spend(&mut limits, 0, Lane::Other, 1);
        limits.heard(0, Some(100.0), Some(0.0));
        assert_eq!((limits.budget(), limits.turn(0, Lane::Other, 1)), (1, Turn::After(60_000)));
        assert_eq!(limits.turn(60_000, Lane::Other, 1), Turn::Now);
        assert_eq!(limits.budget(), 100);
    }

    #[test]
    fn others_are_told_from_what_is_ours() {
        let check = |left: f64, expect: u32| {
            let mut limits = limits(50, 9);
            (0..4).for_each(|_| spend(&mut limits, 0, Lane::Other, 1));
            limits.begin(Lane::Other, 1);
            limits.heard(0, Some(100.0), Some(left));
            assert_eq!(limits.budget(), expect, "{left}");
        };
        check(96.0, 100);
        // The one on its way explains it.
        check(95.0, 100);
        check(94.0, 98);
        check(36.0, 40);
        check(f64::NAN, 100);
    }

    #[test]
    fn a_list_that_is_refused_slows_alone() {
        let mut limits = limits(500, 20);
        (0..6).for_each(|_| spend(&mut limits, 0, Lane::Tickets, 1));
        limits.refused(0, Lane::Tickets, Some(494.0), 7_000);
        assert_eq!(limits.turn(0, Lane::Other, 1), Turn::Now);
        assert_eq!(limits.turn(0, Lane::Tickets, 1), Turn::After(60_000));
        (0..5).for_each(|n| spend(&mut limits, 60_000 + n, Lane::Tickets, 1));
        assert_eq!(limits.turn(60_005, Lane::Tickets, 1), Turn::After(59_995));
        limits.refused(60_005, Lane::Other, None, 7_000);
        assert_eq!(limits.turn(60_005, Lane::Other, 1), Turn::After(7_000));
        // After five minutes more is tried again.
        (0..6).for_each(|n| spend(&mut limits, 300_000 + n, Lane::Tickets, 1));
    }

    #[test]
    fn a_reserve_is_left() {
        let mut limits =
            Limits::new(Start { credits: 50, lists: 9, lists_set: false, reserve: 0.2, span_ms: 60_000 });
        assert_eq!(limits.budget(), 40);
        limits.heard(0, Some(700.0), None);
        assert_eq!(limits.budget(), 560);
    }
}
