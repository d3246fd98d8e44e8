//! Decisions without a desk: promises 25, 28 and 30.

use serde_json::json;
use stele_helpdesk::{
    Decided, HelpdeskError, IntegratedObject, Labels, Mode, Progress, normalise_ticket, purge,
};
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
    assert_eq!(Mode::Adaptive.decide(10_000), Decided::Hybrid);
    assert_eq!(Mode::Adaptive.decide(10_001), Decided::VectorOnly);
    assert_eq!(Mode::Hybrid.decide(10_001), Decided::Hybrid);
    assert_eq!(Mode::VectorOnly.decide(1), Decided::VectorOnly);
    assert!(Decided::Hybrid.summarises() && !Decided::VectorOnly.summarises());

    let raw = json!({ "id": 5, "subject": "Pump", "description_text": "It hums.", "priority": 4, "status": 2,
        "conversations": [{ "id": 1, "body_text": "Since?", "incoming": false, "private": false }],
        "attachments": [{ "id": 2, "name": "a.png", "content_type": "image/png", "size": 6_000_000 }] });
    let ticket = normalise_ticket(&raw, "acme", &Labels::default());
    let hybrid = IntegratedObject::of_ticket(&ticket, Decided::Hybrid);
    assert!(hybrid.integrated_content.unwrap().contains("Since?"));
    assert_eq!(hybrid.original_data.unwrap()["attachments"][0]["id"], "2");
    let keys = IntegratedObject::of_ticket(&ticket, Decided::VectorOnly);
    assert_eq!((&keys.integrated_content, &keys.original_data, &keys.summary), (&None, &None, &None));
    assert_eq!((keys.object_type, keys.original_id.as_str()), ("integrated_ticket", "5"));
    let metadata = &keys.tenant_metadata;
    assert_eq!(metadata["has_image_attachments"], true);
    assert_eq!(metadata["has_document_attachments"], false);
    assert_eq!(metadata["large_attachments"], true);
    assert_eq!(metadata["conversation_count"], 1);
    assert_eq!(metadata["complexity_level"], "low");
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
    use stele_helpdesk::ids::ObjectType::Ticket;
    assert!(purge::concerns(("acme", "freshdesk", Ticket), "acme", "freshdesk"));
    for (tenant, platform) in [("acme", "github_issues"), ("acme2", "freshdesk"), ("acm", "e_freshdesk")] {
        assert!(!purge::concerns((tenant, platform, Ticket), "acme", "freshdesk"), "{tenant} {platform}");
    }
}
