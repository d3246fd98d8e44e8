//! Lists that are longer than the pages that the desk gives of them.

use stele_helpdesk::Span;
use stele_testkit::freshdesk::{Fault, Knobs, Wrong};

use crate::rig::{Kept, Rig, reason};

/// Pages that the desks here give of a list: 300 things.
const PAGES_MAX: u32 = 3;

fn with_contacts(contacts: u64, alike: u64) -> Rig {
    let knobs = Knobs { contacts, contacts_alike: alike, ..Knobs::default() };
    let mut rig = Rig::new(knobs, &["contacts"]);
    rig.list_pages_max = Some(PAGES_MAX);
    rig
}

/// Whether no page was asked for that there is not.
fn within_bounds(rig: &Rig) -> bool {
    let beyond = |path: &str| path.contains("?page=4&") || path.contains("&page=4&");
    !rig.mock.log().iter().any(|asked| beyond(&asked.path))
}

fn all() -> Vec<u64> {
    (9_000..10_000).collect()
}

#[test]
fn a_list_of_many_times_the_pages_is_whole_and_nothing_of_it_comes_twice() {
    // A time for each of them; and times that end amid the last page, with it, and far behind it.
    for (alike, lookback_s) in [1, 7, 100, 150, 299].into_iter().flat_map(|alike| [(alike, 0), (alike, 120)])
    {
        let mut rig = with_contacts(1_000, alike);
        rig.config.lookback = Span::seconds(lookback_s);
        let mut kept = Kept::default();
        rig.run_well(&mut kept);
        assert_eq!(kept.ids("contacts"), all(), "{alike} {lookback_s}");
        assert_eq!(kept.taken.len(), 1_000, "{alike} {lookback_s}");
        let batches = kept.batches.len();
        rig.run_well(&mut kept);
        assert_eq!((kept.taken.len(), kept.batches.len()), (1_000, batches), "{alike} {lookback_s}");
        assert!(within_bounds(&rig), "{alike} {lookback_s}");
    }
}

#[test]
fn a_run_that_fails_amid_such_a_list_does_not_begin_it_anew() {
    let rig = with_contacts(1_000, 7);
    let amid = Fault { path: "/contacts".to_owned(), after: 4, times: usize::MAX, wrong: Wrong::Status(500) };
    rig.mock.set(|knobs| knobs.faults = vec![amid]);
    let mut kept = Kept::default();
    let collected = rig.run(&mut kept).unwrap();
    assert!(reason(&collected, "contacts").contains("500 3 times"), "{collected:?}");
    rig.mock.set(|knobs| knobs.faults.clear());
    rig.mock.forget();
    rig.run_well(&mut kept);
    assert_eq!(kept.ids("contacts"), all());
    assert_eq!(rig.asked("/contacts?page="), 0, "from its beginning");
}

#[test]
fn more_of_one_time_than_there_are_pages_is_said() {
    let rig = with_contacts(1_000, 301);
    let mut kept = Kept::default();
    for _ in 0..2 {
        rig.mock.forget();
        let collected = rig.run(&mut kept).unwrap();
        let said = reason(&collected, "contacts");
        assert!(said.starts_with("freshdesk_cap_same_timestamp: "), "{said}");
        assert!(said.contains("2012-01-01T00:00:00Z"), "{said}");
        assert!(rig.asked("/contacts") <= 6 && within_bounds(&rig), "{}", rig.asked("/contacts"));
    }
    assert_eq!(kept.count("contacts"), 300);
}

#[test]
fn a_list_in_another_order_says_what_narrows_it() {
    let rig = with_contacts(1_000, 1);
    rig.mock.set(|knobs| knobs.contacts_newest_first = true);
    let mut kept = Kept::default();
    let collected = rig.run(&mut kept).unwrap();
    let said = reason(&collected, "contacts");
    assert!(said.starts_with("freshdesk_cap_pages: ") && said.contains("`start_date`"), "{said}");
    // Nobody knows what lies behind: it is not gone on from there.
    assert_eq!(kept.cursors.get("contacts"), None);
    assert!(within_bounds(&rig));
    // Where the pages do, the order does not matter.
    rig.mock.set(|knobs| knobs.contacts = 300);
    rig.run_well(&mut kept);
    assert_eq!(kept.ids("contacts").len(), 600);
}
