//! Decisions without a desk: promises 25, 28 and 30.

use stele_helpdesk::{HelpdeskError, Mode, Progress, purge};
use stele_model::time::FixedClock;

#[test]
fn freshdesk_25_modes() {
    let flag = |value: Option<&str>, expect: Mode| assert_eq!(Mode::of_flag(value), expect, "{value:?}");
    for value in [None, Some("true"), Some("TRUE"), Some("1"), Some("")] {
        flag(value, Mode::VectorOnly);
    }
    for value in [Some("false"), Some("False"), Some("0")] {
        flag(value, Mode::Hybrid);
    }
    for (mode, max) in
        [(Mode::VectorOnly, None), (Mode::Adaptive, Some(10_000)), (Mode::Hybrid, Some(u64::MAX))]
    {
        assert_eq!(mode.content_max(), max, "{mode:?}");
    }
}

#[test]
fn freshdesk_28_progress() {
    let mut progress = Progress::of(0);
    assert_eq!(
        (progress.percentage(), progress.remaining_s(0), progress.remaining_s(1_000)),
        (0, None, None)
    );
    let mut progress = Progress::of(200);
    let mut before = 0;
    for step in 0..40 {
        progress.add(3, u64::from(step % 2 == 0), u64::from(step % 3 == 0));
        if step == 20 {
            // More turn up: the share falls, what is shown does not.
            progress.found(1_000);
        }
        let now = progress.percentage();
        assert!(now >= before && now <= 100);
        before = now;
        let sum = progress.processed + progress.failed + progress.skipped + progress.remaining();
        assert_eq!(progress.total, sum);
    }
    assert_eq!(progress.remaining_s(0), None);
    let mut half = Progress::of(10);
    half.add(5, 0, 0);
    assert_eq!((half.percentage(), half.remaining_s(5_000)), (50, Some(5)));
    half.add(20, 0, 0);
    assert_eq!((half.percentage(), half.total, half.remaining()), (100, 25, 0));
}

#[test]
fn freshdesk_30_purge() {
    // 2031-03-08T12:00:00Z.
    let clock = FixedClock(1_930_737_600_000_000);
    let right = "DELETE_acme_freshdesk_20310308";
    assert!(purge::check(right, "acme", "freshdesk", &clock).is_ok());
    for wrong in [
        "",
        "DELETE_acme_freshdesk_20310307",
        "DELETE_other_freshdesk_20310308",
        "delete_acme_freshdesk_20310308",
    ] {
        let error = purge::check(wrong, "acme", "freshdesk", &clock).unwrap_err();
        assert!(matches!(error, HelpdeskError::NotConfirmed));
        assert!(!format!("{error} {error:?}").contains("20310308"), "{error}");
    }
}
