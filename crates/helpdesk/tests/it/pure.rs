//! Decisions without a desk: promises 25 and 30.

use stele_helpdesk::{HelpdeskError, Mode, purge};
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
