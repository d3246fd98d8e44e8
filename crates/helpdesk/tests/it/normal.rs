//! What is said becomes fields of one meaning: promises 19 to 22.

use serde_json::{Value, json};
use stele_helpdesk::freshdesk::{Choice, choices};
use stele_helpdesk::ids::{ObjectType, readable, store_key};
use stele_helpdesk::{Labels, Ticket, instant, normalise_ticket};
use stele_testkit::freshdesk::Knobs;

use crate::rig::{Kept, Rig};

fn normal(raw: &Value, labels: &Labels) -> Ticket {
    normalise_ticket(raw, "wedosoft", labels)
}

#[test]
fn freshdesk_19_maps() {
    let none = Labels::default();
    let fields = json!([{ "name": "status", "choices": { "6": ["Waiting on Customer", "Awaiting your Reply"] } },
        { "name": "source", "choices": { "Pigeon Post": 101 } }]);
    let named = Labels::read(&fields);
    let set = Labels { status_words: [(6, "waiting".to_owned())].into(), ..named.clone() };
    let status = |value: Value, labels: &Labels, expect: Option<&str>| {
        let ticket = normal(&json!({ "id": 1, "status": value }), labels);
        assert_eq!(ticket.status.as_deref(), expect, "{value}");
        assert_eq!(ticket.status_code, value);
    };
    for (code, word) in [(2, "open"), (3, "pending"), (4, "resolved"), (5, "closed"), (6, "custom_6")] {
        status(json!(code), &none, Some(word));
    }
    status(json!(6), &named, Some("waiting_on_customer"));
    status(json!(7), &named, Some("custom_7"));
    status(json!(6), &set, Some("waiting"));
    status(json!("2"), &none, Some("open"));
    status(Value::Null, &none, None);

    let priority = |value: Value, expect: Option<&str>| {
        let ticket = normal(&json!({ "id": 1, "priority": value }), &none);
        assert_eq!(ticket.priority.as_deref(), expect, "{value}");
    };
    for (code, word) in [(1, "low"), (2, "medium"), (3, "high"), (4, "urgent"), (5, "custom_5")] {
        priority(json!(code), Some(word));
    }
    priority(Value::Null, None);

    let source = |value: Value, expect: Option<&str>| {
        let ticket = normal(&json!({ "id": 1, "source": value }), &named);
        assert_eq!(ticket.source.as_deref(), expect, "{value}");
    };
    source(json!(1), Some("email"));
    source(json!(13), Some("whatsapp"));
    source(json!(101), Some("pigeon_post"));
    source(json!(102), Some("custom_102"));
}

#[test]
fn freshdesk_19_shapes_of_choices() {
    let choice = |code: Option<i64>, label: &str, below: Option<&str>| Choice {
        code,
        label: label.to_owned(),
        below: below.map(str::to_owned),
    };
    let check = |value: Value, expect: &[Choice]| assert_eq!(choices(&value), expect, "{value}");
    check(json!(["Question", "Problem"]), &[choice(None, "Question", None), choice(None, "Problem", None)]);
    check(
        json!({ "2": ["Open", "Being Processed"], "6": ["Waiting on Customer", "…"] }),
        &[choice(Some(2), "Open", None), choice(Some(6), "Waiting on Customer", None)],
    );
    check(json!({ "Low": 1, "High": 3 }), &[choice(Some(1), "Low", None), choice(Some(3), "High", None)]);
    check(
        json!([{ "id": 60, "value": "Quay", "position": 1, "choices": [{ "id": 61, "value": "North" }] }]),
        &[choice(Some(60), "Quay", None), choice(Some(61), "North", Some("Quay"))],
    );
    check(json!({ "Quay": ["North"], "7": 3 }), &[choice(Some(3), "7", None)]);
    check(Value::Null, &[]);
    // In the wrapping of the newer answers.
    let wrapped =
        json!([{ "ticket_field": { "name": "status", "choices": [{ "id": 6, "value": "Parked" }] } }]);
    assert_eq!(Labels::read(&wrapped).status, [(6, "Parked".to_owned())].into());
}

#[test]
fn freshdesk_20_golden_record() {
    let raw = json!({
        "id": 123, "subject": "Login issues", "description": "<div>User cannot <b>log in</b></div>",
        "description_text": "User cannot log in", "status": 2, "priority": 1, "source": 1, "type": null,
        "requester": { "id": 9, "name": "A. Auk", "email": "auk@harbour.example" }, "responder_id": null,
        "created_at": "2024-01-01T10:00:00+05:30", "updated_at": "2024-01-02T00:00:00Z", "tags": ["a"],
        "custom_fields": { "cf_x": 1.50 }, "something_new": { "kept": [1, null] },
        "conversations": [{ "id": 7, "body": "<p>Hello</p>", "incoming": true, "private": false, "source": 0,
            "user_id": 9, "created_at": "2024-01-01T11:00:00Z",
            "attachments": [{ "id": 5, "name": "../x.pdf", "file_size": 12, "content_type": "application/pdf" }] }],
    });
    let ticket = normal(&raw, &Labels::default());
    let written = serde_json::to_value(&ticket).unwrap();
    for (field, expect) in [
        ("id", json!("wedosoft_freshdesk_123")),
        ("tenant_id", json!("wedosoft")),
        ("platform", json!("freshdesk")),
        ("object_type", json!("ticket")),
        ("original_id", json!("123")),
        ("subject", json!("Login issues")),
        ("content", json!("User cannot log in")),
        ("status", json!("open")),
        ("status_code", json!(2)),
        ("priority", json!("low")),
        ("priority_code", json!(1)),
        ("source", json!("email")),
        ("type", Value::Null),
        ("responder_id", Value::Null),
        ("company_id", Value::Null),
        ("spam", json!(false)),
        ("created_at", json!("2024-01-01T04:30:00Z")),
        ("updated_at", json!("2024-01-02T00:00:00Z")),
        ("custom_fields", json!({ "cf_x": 1.50 })),
        ("normalizer_version", json!(1)),
    ] {
        assert_eq!(written[field], expect, "{field}");
    }
    assert_eq!(written["requester"]["email"], "auk@harbour.example");
    let message = &written["conversations"][0];
    assert_eq!((&message["kind"], &message["text"]), (&json!("reply"), &json!("Hello")));
    let file = &written["attachments"][0];
    assert_eq!(
        (&file["safe_name"], &file["size"], &file["parent_type"]),
        (&json!("x.pdf"), &json!(12), &json!("conversation"))
    );
    // Nothing of what was said is lost, and to say it again says the same.
    assert_eq!(written["raw"], raw);
    assert_eq!(normal(ticket.raw.as_ref().unwrap(), &Labels::default()), ticket);
    assert!(!written.to_string().contains("None"));

    let bare = normal(&json!({ "id": 1, "description": "<p>a</p><p>b &amp; c</p>" }), &Labels::default());
    assert_eq!(bare.content.as_deref(), Some("a\nb & c"));
    assert_eq!((bare.subject, bare.requester, bare.due_by), (None, None, None));
}

#[test]
fn freshdesk_20_records_keep_what_was_said_byte_for_byte() {
    let rig = Rig::new(Knobs { tickets: 3, ..Knobs::default() }, &["tickets", "conversations"]);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    let record = kept.get("tickets", 2);
    assert_eq!((record["source"].as_str(), record["doc_type"].as_str()), (Some("support"), Some("ticket")));
    assert_eq!(record["data"]["custom_fields"]["cf_lot"], 2);
    assert_eq!(
        record["normalised"]["status_label"].is_string(),
        record["data"]["status"].as_u64() != Some(7)
    );
    let message = kept.get("conversations", 20_001);
    assert_eq!(message["normalised"]["ticket_id"], "acme_freshdesk_2");
    assert_eq!(message["normalised"]["id"], "acme_freshdesk_conv-20001");
    assert_eq!(message["data"]["body_text"], message["normalised"]["text"]);
}

#[test]
fn freshdesk_21_ids() {
    let (ticket, article) = (ObjectType::Ticket, ObjectType::Article);
    assert_eq!(readable("acme", "freshdesk", ticket, "5"), "acme_freshdesk_5");
    assert_eq!(readable("acme", "freshdesk", article, "5"), "acme_freshdesk_article-5");
    assert_eq!(readable("acme", "freshdesk", ObjectType::Conversation, "5"), "acme_freshdesk_conv-5");
    assert_eq!(readable("acme", "freshdesk", ObjectType::Attachment, "5"), "acme_freshdesk_att-5");
    assert_ne!(store_key("acme", "freshdesk", ticket, "5"), store_key("acme", "freshdesk", article, "5"));
    // The readable ones meet; what is stored under does not.
    assert_eq!(readable("a_b", "c", ticket, "1"), readable("a", "b_c", ticket, "1"));
    assert_ne!(store_key("a_b", "c", ticket, "1"), store_key("a", "b_c", ticket, "1"));
    assert_ne!(store_key("a/1:b", "c", ticket, "1"), store_key("a", "1:b/c", ticket, "1"));
}

#[test]
fn freshdesk_22_timestamps() {
    let same = [
        "2024-01-01T05:30:00+05:30",
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.000Z",
        "2023-12-31T19:00:00-05:00",
    ];
    for text in same {
        assert_eq!(instant(text), instant("2024-01-01T00:00:00Z"), "{text}");
        let ticket = normal(&json!({ "id": 1, "created_at": text }), &Labels::default());
        assert_eq!(ticket.created_at.as_deref(), Some("2024-01-01T00:00:00Z"));
    }
    // As texts these two stand in the other order.
    assert!(instant("2024-01-01T09:00:00+10:00") < instant("2024-01-01T00:00:00Z"));
    // A desk that writes offsets is gone through all the same.
    let rig = Rig::new(Knobs { tickets: 250, offset: true, ..Knobs::default() }, &["tickets"]);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!((kept.count("tickets"), kept.taken.len()), (250, 250));
    assert!(kept.cursors.get("tickets").unwrap()["since"].as_str().unwrap().ends_with('Z'));
    assert!(kept.get("tickets", 1)["ts"].as_str().unwrap().ends_with("+05:30"));
}
