//! Nothing is lost and nothing is doubled: promises 1 to 7.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use stele_collect::{Outcome, Preview};
use stele_http::{Client, ClientConfig, Key, Method, Secret, Still, never};
use stele_model::ErrorKind;
use stele_testkit::freshdesk::{Fault, Knobs, MockFreshdesk, Place, Wrong};
use stele_testkit::rng::Rng;

use crate::rig::{Kept, Rig, outcome, reason};

fn knobs(tickets: u64) -> Knobs {
    Knobs { tickets, ..Knobs::default() }
}

#[test]
fn freshdesk_01_complete_set() {
    let rig = Rig::new(knobs(31_250), &["tickets"]);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!(kept.ids("tickets"), (1..=31_250).collect::<Vec<_>>());
    // Pages overlap by one ticket, which is not taken twice.
    assert_eq!(kept.taken.len(), 31_250);
    let pages: BTreeSet<u32> = rig
        .mock
        .log()
        .iter()
        .filter_map(|asked| asked.path.split("&page=").nth(1)?.split('&').next()?.parse().ok())
        .collect();
    assert!(pages.iter().all(|page| *page <= 300), "{pages:?}");
    assert!((313..330).contains(&rig.lists()), "{}", rig.lists());
}

/// The walk that everybody writes first.
fn by_page_numbers(mock: &MockFreshdesk) -> BTreeSet<u64> {
    let key = Key::Basic(Secret::new("mock-key-1"), Secret::new("X"));
    let pace = Arc::new(Still::default());
    let client = Client::new(&mock.url, ClientConfig::default(), Some(key), pace).expect("an answer");
    let mut found = BTreeSet::new();
    for page in 1..=20 {
        let path = format!(
            "/api/v2/tickets?updated_since=1970-01-01T00:00:00Z&order_by=updated_at&order_type=asc&per_page=100&page={page}"
        );
        let answer = client.send(Method::Get, &path, None, &never).expect("an answer");
        let tickets: Vec<Value> = serde_json::from_slice(&answer.body).expect("an answer");
        found.extend(tickets.iter().map(|ticket| ticket["id"].as_u64().expect("an answer")));
        if tickets.is_empty() {
            return found;
        }
    }
    found
}

#[test]
fn freshdesk_02_drift() {
    let moved = vec![5, 17, 150, 200, 299];
    let drifting = || Knobs { drift: Some((3, moved.clone())), ..knobs(1_000) };
    let rig = Rig::new(drifting(), &["tickets"]);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!(kept.ids("tickets"), (1..=1_000).collect::<Vec<_>>());
    for id in 1..=1_000 {
        let version = u64::from(moved.contains(&id));
        assert_eq!(kept.get("tickets", id)["data"]["custom_fields"]["cf_version"], version, "{id}");
    }
    // The control: the same desk loses five to a walk by page numbers.
    let control = Rig::new(drifting(), &["tickets"]);
    let found = by_page_numbers(&control.mock);
    assert_eq!(found.len(), 995);
}

#[test]
fn freshdesk_03_same_timestamp() {
    let rig = Rig::new(Knobs { same_timestamp: Some((1, 450)), ..knobs(450) }, &["tickets"]);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!((kept.ids("tickets").len(), kept.taken.len()), (450, 450));

    // Tickets around the block, and one that changes while it is gone through.
    let block = Knobs { same_timestamp: Some((50, 450)), drift: Some((4, vec![60])), ..knobs(700) };
    let rig = Rig::new(block, &["tickets"]);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!(kept.ids("tickets"), (1..=700).collect::<Vec<_>>());

    let rig = Rig::new(Knobs { same_timestamp: Some((11, 30_500)), ..knobs(31_000) }, &["tickets"]);
    rig.mock.set(|knobs| knobs.conversations = 0);
    let mut kept = Kept::default();
    let collected = rig.run(&mut kept).unwrap();
    let said = reason(&collected, "tickets");
    assert!(said.starts_with("freshdesk_cap_same_timestamp: "), "{said}");
    assert!(said.contains("2012-01-01T01:40:00Z"), "{said}");
    assert!(rig.lists() < 320, "{}", rig.lists());
    assert_eq!(kept.cursors.get("tickets").unwrap()["since"], "2012-01-01T01:40:00Z");
    assert!(matches!(outcome(&collected, "tickets.spam").outcome, Outcome::Ok));
}

#[test]
fn freshdesk_04_older_than_thirty_days() {
    let rig = Rig::new(Knobs { step_s: 86_400, ..knobs(300) }, &["tickets"]);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!(kept.ids("tickets").len(), 300);
    assert!(kept.get("tickets", 1)["ts"].as_str().unwrap().starts_with("2012-01-01"));
    // A start that is set is kept to.
    let mut rig = Rig::new(Knobs { step_s: 86_400, ..knobs(300) }, &["tickets"]);
    rig.config.start_date = Some("2012-10-01".to_owned());
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!(kept.ids("tickets"), (275..=300).collect::<Vec<_>>());
}

#[test]
fn freshdesk_05_incremental() {
    let rig = Rig::new(knobs(250), &["tickets", "conversations"]);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    let again = |kept: &mut Kept| {
        rig.mock.forget();
        kept.taken.clear();
        rig.run_well(kept);
        let passes = ["&filter=spam", "&filter=deleted"];
        let log = rig.mock.log();
        let lists = log.iter().filter(|asked| asked.path.starts_with("/api/v2/tickets?"));
        for pass in passes {
            assert!(lists.clone().filter(|asked| asked.path.contains(pass)).count() <= 2);
        }
        assert!(lists.filter(|asked| !asked.path.contains("filter=")).count() <= 2);
        kept.taken.iter().map(|(stream, id)| format!("{stream} {id}")).collect::<Vec<_>>()
    };
    let batches = kept.batches.len();
    assert_eq!(again(&mut kept), Vec::<String>::new());
    // Nothing new is no batch either.
    assert_eq!(kept.batches.len(), batches);

    rig.mock.touch(7);
    let expect = ["tickets 7", "conversations 70001", "conversations 70002", "conversations 70003"];
    assert_eq!(again(&mut kept), expect);
    assert_eq!(rig.asked("/tickets/7/conversations"), 1);
    assert_eq!(again(&mut kept), Vec::<String>::new());

    assert_ne!(kept.get("tickets", 8)["normalised"]["status"], "spam");
    rig.mock.put(8, Place::Spam);
    rig.mock.put(9, Place::Deleted);
    assert_eq!(again(&mut kept).iter().filter(|taken| taken.starts_with("tickets")).count(), 2);
    let normal = |id| &kept.get("tickets", id)["normalised"];
    assert_eq!((&normal(8)["status"], &normal(8)["spam"]), (&Value::from("spam"), &Value::from(true)));
    assert_eq!((&normal(9)["status"], &normal(9)["deleted"]), (&Value::from("deleted"), &Value::from(true)));
}

#[test]
fn freshdesk_06_killed_anywhere() {
    let some = || Knobs { spam_every: 40, deleted_every: 35, ..knobs(230) };
    let whole = Rig::new(some(), &["tickets", "conversations", "agents"]);
    let mut undisturbed = Kept::default();
    whole.run_well(&mut undisturbed);
    let requests = whole.mock.count();
    // One list, its tickets' messages, and what every run asks first.
    let batch_requests = 1 + 100 + 1;
    let mut rng = Rng::new(6);
    for _ in 0..20 {
        let rig = Rig::new(some(), &["tickets", "conversations", "agents"]);
        let mut kept = Kept::default();
        let killed_at = 1 + rng.below(requests as u64 - 1) as usize;
        let killed = || rig.mock.count() >= killed_at;
        let mut dying = Dying { kept: &mut kept, killed: &killed };
        let error = rig.run_into(&mut dying, &killed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry, "killed after {killed_at}: {error}");
        rig.run_well(&mut kept);
        assert_eq!(kept.records, undisturbed.records, "killed after {killed_at}");
        assert_eq!(kept.taken.len(), undisturbed.records.len(), "killed after {killed_at}");
        let more = rig.mock.count() - requests;
        // Passes that were through ask once more whether anything is new.
        assert!(more < batch_requests + 6, "{more} requests more, killed after {killed_at}");
    }
}

/// A process that is gone from some moment on.
struct Dying<'a> {
    kept: &'a mut Kept,
    killed: &'a (dyn Fn() -> bool + Sync),
}

impl stele_collect::Sink for Dying<'_> {
    fn cursors(&self) -> Result<stele_collect::Cursors, stele_collect::CollectError> {
        self.kept.cursors()
    }

    fn take(&mut self, batch: stele_collect::Batch) -> Result<(), stele_collect::CollectError> {
        if (self.killed)() {
            return Err(stele_collect::CollectError::Sink("nobody is there any more".into()));
        }
        self.kept.take(batch)
    }
}

#[test]
fn freshdesk_07_error_in_the_middle() {
    let rig = Rig::new(knobs(5_000), &["tickets"]);
    let broken = Fault {
        path: "/tickets?updated_since".to_owned(),
        after: 39,
        times: usize::MAX,
        wrong: Wrong::Status(500),
    };
    rig.mock.set(|knobs| knobs.faults = vec![broken]);
    let mut kept = Kept::default();
    let collected = rig.run(&mut kept).unwrap();
    assert!(reason(&collected, "tickets").contains("500 3 times"), "{collected:?}");
    // 100 of the first page, 99 new ones of each further one.
    assert_eq!(kept.ids("tickets"), (1..=100 + 38 * 99).collect::<Vec<_>>());
    let last = kept.ids("tickets").pop().unwrap();
    assert_eq!(
        kept.cursors.get("tickets").unwrap()["since"],
        kept.get("tickets", last)["normalised"]["updated_at"]
    );
    assert_eq!(kept.cursors.get("tickets.spam"), None);

    rig.mock.set(|knobs| knobs.faults.clear());
    rig.run_well(&mut kept);
    assert_eq!(kept.ids("tickets"), (1..=5_000).collect::<Vec<_>>());
    assert_eq!(kept.taken.len(), 5_000);
}

#[test]
fn a_preview_is_a_run_that_has_enough() {
    let rig = Rig::new(knobs(1_000), &["tickets"]);
    let mut kept = Kept { enough: Some(5), ..Kept::default() };
    let collected = rig.run(&mut kept).unwrap();
    assert_eq!(outcome(&collected, "tickets").outcome, Outcome::Ok);
    assert_eq!(rig.lists(), 1);
}

#[test]
fn a_preview_asks_for_what_it_shows() {
    let check = |streams: &[&str], limit: u64, requests: usize, first: &str| {
        let mut rig = Rig::new(Knobs { articles: 1_000, contacts: 1_000, ..knobs(1_000) }, streams);
        rig.config.rate.workers = 4;
        let mut preview = Preview::new(limit);
        rig.run_into(&mut preview, &never).unwrap();
        let lines: Vec<Value> =
            preview.lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len() as u64, lines[0]["stream"].as_str()), (limit, Some(first)));
        let log: Vec<String> = rig.mock.log().into_iter().map(|asked| asked.path).collect();
        assert_eq!(log.len(), requests, "{log:?}");
    };
    // What its states are called, a page of the list, and the messages of as many tickets as are shown.
    check(&["tickets", "conversations"], 2, 3, "tickets");
    check(&["tickets", "conversations"], 9, 5, "tickets");
    check(&["tickets"], 2, 2, "tickets");
    check(&["contacts"], 2, 1, "contacts");
    // The way to the first folder (both categories are looked through first), and a page of it.
    check(&["articles"], 2, 5, "articles");
}

#[test]
fn a_bound_of_tickets_is_kept_to_and_goes_on() {
    let mut rig = Rig::new(knobs(250), &["tickets"]);
    rig.config.max_tickets = Some(120);
    let mut kept = Kept::default();
    for expect in [120, 240, 250] {
        let collected = rig.run(&mut kept).unwrap();
        assert_eq!(kept.ids("tickets"), (1..=expect).collect::<Vec<_>>());
        assert_eq!(collected.notes.is_empty(), expect == 250, "{:?}", collected.notes);
    }
}
