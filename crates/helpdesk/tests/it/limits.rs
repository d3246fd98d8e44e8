//! What the account allows is kept to: promises 8 to 12.

use std::sync::atomic::Ordering;
use std::time::Duration;

use stele_helpdesk::rate::{Lane, Limits, Start, Turn};
use stele_helpdesk::{RateConfig, RetryConfig};
use stele_http::Pace;
use stele_model::ErrorKind;
use stele_model::error::in_full;
use stele_testkit::freshdesk::{Fault, Knobs, RetryAfter, Wrong};

use crate::rig::{Kept, Rig};

/// A desk with a limit, asked by somebody who knows no limit yet.
fn limited(knobs: Knobs, streams: &[&str], workers: usize) -> Rig {
    let mut rig = Rig::new(knobs, streams);
    rig.config.rate = RateConfig { workers, ..RateConfig::default() };
    rig.config.include = Some(Vec::new());
    rig
}

fn refused(rig: &Rig) -> usize {
    rig.mock.log().iter().filter(|asked| asked.status == 429).count()
}

#[test]
fn freshdesk_08_rate() {
    for workers in [1, 5] {
        let knobs = Knobs { tickets: 590, limit_per_minute: Some(50), ..Knobs::default() };
        let rig = limited(knobs, &["tickets", "conversations"], workers);
        let mut kept = Kept::default();
        let collected = rig.run_well(&mut kept);
        assert_eq!(kept.count("conversations"), 3 * 590);
        assert!(collected.calls >= 599, "{}", collected.calls);
        assert_eq!(refused(&rig), 0, "{workers} workers");
        assert!(rig.busiest_minute(None) <= 50, "{workers} workers: {}", rig.busiest_minute(None));
        // The first fifty cost no time.
        let ideal = Duration::from_secs(60 * (collected.calls - 1).div_euclid(50));
        let took = rig.pace.now();
        assert!(took >= ideal && took <= ideal.mul_f64(1.1), "{workers} workers: {took:?} and not {ideal:?}");
    }
}

#[test]
fn a_wait_for_the_limit_is_told_and_is_no_work() {
    // Each list in a minute of its own: of tickets, which are gathered side by side, and of what is read page by page.
    for streams in [&["tickets", "conversations"][..], &["agents", "groups", "contacts"], &["articles"]] {
        let knobs = Knobs { tickets: 5, limit_per_minute: Some(1), ..Knobs::default() };
        let rig = limited(knobs, streams, 1);
        let collected = rig.run_well(&mut Kept::default());
        assert_eq!(rig.heard.calls.load(Ordering::Relaxed), collected.calls);
        let waits = rig.heard.waits.lock().unwrap().clone();
        // As long as it takes, and then less and less.
        assert!(waits.iter().max() <= Some(&Duration::from_secs(60)), "{streams:?}: {waits:?}");
        assert!(waits.windows(2).any(|two| two[0] > two[1]), "{streams:?}: {waits:?}");
        let passed = rig.pace.now();
        assert!(passed >= Duration::from_secs(60 * (collected.calls - 1)), "{streams:?}: {passed:?}");
        // No time passes but in waits, and all of it is counted as that.
        assert_eq!(
            (rig.fetching.total(), rig.fetching.limited_total()),
            (Duration::ZERO, passed),
            "{streams:?}"
        );
    }
}

#[test]
fn freshdesk_09_credits() {
    let knobs = Knobs { tickets: 5_000, limit_per_minute: Some(100), ..Knobs::default() };
    let mut rig = limited(knobs, &["tickets"], 1);
    rig.config.include = None;
    rig.run_well(&mut Kept::default());
    assert_eq!(refused(&rig), 0);
    // Seven credits each.
    assert_eq!(rig.busiest_minute(Some("/tickets?")), 14);
    assert!(rig.busiest_minute(None) <= 100);
}

#[test]
fn freshdesk_10_shared_account() {
    let knobs = Knobs { tickets: 300, limit_per_minute: Some(100), external_percent: 60, ..Knobs::default() };
    for workers in [1, 5] {
        let rig = limited(knobs.clone(), &["tickets", "conversations"], workers);
        rig.run_well(&mut Kept::default());
        assert!(refused(&rig) <= 1, "{workers} workers: {}", refused(&rig));
        assert!(rig.busiest_minute(None) <= 40);
    }
    // "Nothing is left", once: that is believed for a minute, and not for ever.
    let knobs = Knobs { tickets: 30, limit_per_minute: Some(100), ..Knobs::default() };
    let rig = limited(knobs, &["tickets", "conversations"], 1);
    rig.mock
        .set(|knobs| knobs.faults = vec![Fault::times("/tickets/5/conversations", 1, Wrong::NothingLeft)]);
    rig.run_well(&mut Kept::default());
    let took = rig.pace.now();
    assert!(took >= Duration::from_secs(59) && took <= Duration::from_secs(61), "{took:?}");
}

#[test]
fn freshdesk_11_limit_of_one_list() {
    // Against the desk: it lets four lists a minute through and says nothing of it in its headers.
    let knobs = Knobs {
        tickets: 1_500,
        limit_per_minute: Some(500),
        list_limit_per_minute: Some(4),
        contacts: 250,
        ..Knobs::default()
    };
    let rig = limited(knobs, &["tickets", "contacts", "agents"], 1);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!((kept.count("tickets"), kept.count("contacts")), (1_500, 250));
    assert!(refused(&rig) <= 2, "{}", refused(&rig));
    assert!(rig.busiest_minute(Some("/tickets?")) <= 5);

    // And while the list is held back, everything else goes on.
    let start = Start { credits: 500, lists: 20, lists_set: false, reserve: 0.0, span_ms: 60_000 };
    let mut limits = Limits::new(start);
    limits.begin(Lane::Tickets, 1);
    limits.end(0, Lane::Tickets, 1);
    limits.heard(0, Some(700.0), Some(500.0));
    limits.refused(0, Lane::Tickets, Some(500.0), 30_000);
    assert_eq!(limits.turn(0, Lane::Other, 1), Turn::Now);
    assert!(matches!(limits.turn(0, Lane::Tickets, 1), Turn::After(30_000..)));
}

#[test]
fn freshdesk_12_retry_after() {
    let check = |after: RetryAfter, times: usize, expect_s: std::ops::RangeInclusive<f64>| {
        let rig = limited(Knobs::default(), &["agents"], 1);
        rig.mock.set(|knobs| knobs.faults = vec![Fault::times("/agents/me", times, Wrong::Limited(after))]);
        rig.check().unwrap();
        let took = rig.pace.now().as_secs_f64();
        assert!(expect_s.contains(&took), "{after:?}, {times} times: {took}");
        assert_eq!(rig.asked("/agents/me"), times + 1);
    };
    check(RetryAfter::Seconds(7), 1, 6.0..=8.0);
    check(RetryAfter::Seconds(0), 1, 1.0..=1.1);
    check(RetryAfter::Seconds(0), 4, 15.0..=16.0);
    check(RetryAfter::Date(9), 1, 8.0..=10.0);
    check(RetryAfter::Absent, 2, 3.0..=3.3);
    // Never counted as a failure, of which three are too many.
    check(RetryAfter::Seconds(7), 20, 139.0..=142.0);

    let mut rig = limited(Knobs::default(), &["agents"], 1);
    rig.config.retry = RetryConfig { max_total_wait_s: 60, ..RetryConfig::default() };
    rig.mock.set(|knobs| {
        knobs.faults = vec![Fault::always("/agents/me", Wrong::Limited(RetryAfter::Seconds(7)))];
    });
    let error = rig.check().unwrap_err();
    let said = in_full(&error);
    assert!(said.contains("beyond the 60 s of `max_total_wait`"), "{said}");
    assert!(rig.pace.now() <= Duration::from_secs(60));
    assert_eq!(error.kind(), ErrorKind::Retry);
}
