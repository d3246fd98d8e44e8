//! Messages are complete, and nothing is asked for that is not needed: promises 16 and 17.

use std::collections::BTreeMap;

use stele_testkit::freshdesk::Knobs;

use crate::rig::{Kept, Rig};

#[test]
fn freshdesk_16_conversations() {
    let counts = BTreeMap::from([(1, 1), (2, 30), (3, 31), (4, 100), (5, 101), (6, 1_750), (7, 0)]);
    for link in [true, false] {
        let knobs = Knobs { tickets: 7, conversations_of: counts.clone(), link, ..Knobs::default() };
        let rig = Rig::new(knobs, &["tickets", "conversations"]);
        let mut kept = Kept::default();
        rig.run_well(&mut kept);
        for (ticket, count) in &counts {
            let in_ticket = kept.get("tickets", *ticket)["normalised"]["conversations"].as_array().unwrap();
            let ids: Vec<u64> = in_ticket.iter().map(|message| message["id"].as_u64().unwrap()).collect();
            let expect: Vec<u64> = (1..=*count).map(|n| ticket * 10_000 + n).collect();
            assert_eq!(ids, expect, "{ticket}");
            let own: Vec<u64> =
                kept.ids("conversations").into_iter().filter(|id| id / 10_000 == *ticket).collect();
            assert_eq!(own, expect, "{ticket}");
            assert!(in_ticket.iter().all(|message| message["text"].as_str().is_some()));
        }
        assert!(!rig.mock.log().iter().any(|asked| asked.path.contains("include=conversations")));
    }
}

#[test]
fn freshdesk_17_call_economy() {
    let counts = BTreeMap::from([(3, 100), (5, 101), (6, 250), (7, 0)]);
    let knobs = Knobs { tickets: 120, conversations_of: counts, ..Knobs::default() };
    let rig = Rig::new(knobs.clone(), &["tickets", "conversations"]);
    rig.run_well(&mut Kept::default());
    let log = rig.mock.log();
    let messages = |ticket: u64| {
        let path = format!("/tickets/{ticket}/conversations");
        log.iter().filter(|asked| asked.path.contains(&path)).count()
    };
    for (ticket, expect) in [(3, 1), (5, 2), (6, 3), (7, 1), (8, 1), (120, 1)] {
        assert_eq!(messages(ticket), expect, "{ticket}");
    }
    let details = |rig: &Rig| {
        rig.mock
            .log()
            .iter()
            .filter(|asked| {
                let plain = asked.path.split('?').next().unwrap();
                plain.strip_prefix("/api/v2/tickets/").is_some_and(|rest| !rest.contains('/'))
            })
            .count()
    };
    assert_eq!(details(&rig), 0);
    // 2 + 1 + 1 lists, 117 + 1 + 2 + 3 of messages less one for ticket 3 that is in the 117, and the fields.
    assert_eq!(log.len(), 4 + (120 + 1 + 2) + 1);

    let with_files = Rig::new(Knobs { tickets: 40, ..knobs }, &["tickets", "conversations", "attachments"]);
    with_files.run_well(&mut Kept::default());
    assert_eq!(details(&with_files), 40);
}
