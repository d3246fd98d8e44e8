//! Every article once, and what is gone is told: promise 18. And the short lists.

use stele_collect::Outcome;
use stele_testkit::freshdesk::{Fault, Knobs, Wrong};

use crate::rig::{Kept, Rig, outcome, reason};

#[test]
fn freshdesk_18_knowledge_base() {
    // 2 categories of 2 folders of 2 of 2, with 3 articles each.
    let tree = || Knobs { folder_levels: 3, folder_breadth: 2, ..Knobs::default() };
    let rig = Rig::new(tree(), &["articles"]);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    let folders = 2 * (2 + 4 + 8);
    assert_eq!((kept.count("articles"), kept.taken.len()), (3 * folders, 3 * folders));
    let some = kept.records.iter().find(|((stream, _), _)| stream == "articles").unwrap().1;
    assert_eq!(some["doc_type"], "article");
    let normal = &some["normalised"];
    assert_eq!(
        (normal["status"].as_str(), normal["platform"].as_str()),
        (Some("published"), Some("freshdesk"))
    );
    assert!(normal["folder_name"].as_str().unwrap().starts_with("Folder "), "{normal}");
    assert!(normal["id"].as_str().unwrap().starts_with("acme_freshdesk_article-"), "{normal}");

    // Nothing new, and then one that is gone.
    kept.taken.clear();
    rig.run_well(&mut kept);
    assert!(kept.taken.is_empty());
    let removed = kept.ids("articles")[4];
    rig.mock.set(|knobs| knobs.articles_removed = vec![removed]);
    rig.run_well(&mut kept);
    assert_eq!(kept.taken, [("articles".to_owned(), removed.to_string())]);
    assert_eq!(kept.get("articles", removed)["normalised"]["deleted"], true);

    // A folder that fails is no reason to take articles for gone.
    let before = kept.cursors.clone();
    rig.mock.set(|knobs| knobs.faults = vec![Fault::always("/solutions/folders", Wrong::Status(500))]);
    kept.taken.clear();
    let collected = rig.run(&mut kept).unwrap();
    assert!(reason(&collected, "articles").contains("500"));
    assert!(kept.taken.is_empty());
    assert_eq!(kept.cursors, before);
}

#[test]
fn freshdesk_18_drafts() {
    let drafts = || Knobs { articles: 250, draft_every: 1_000, ..Knobs::default() };
    let mut rig = Rig::new(drafts(), &["articles"]);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    // One folder in each of two categories; the draft is on the first of three pages.
    assert_eq!(kept.count("articles"), 2 * 249);
    rig.config.include_drafts = true;
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!(kept.count("articles"), 2 * 250);
}

#[test]
fn freshdesk_18_a_plan_without_folders_in_folders() {
    let rig = Rig::new(
        Knobs { folder_levels: 2, folder_breadth: 2, subfolders: false, ..Knobs::default() },
        &["articles"],
    );
    let mut kept = Kept::default();
    let collected = rig.run_well(&mut kept);
    assert_eq!(kept.count("articles"), 2 * 2 * 3);
    assert!(collected.notes.iter().any(|note| note.contains("folders in folders")), "{:?}", collected.notes);

    // They come, and go again with the plan: nobody knows whether they are gone, so nobody says so.
    rig.mock.set(|knobs| knobs.subfolders = true);
    rig.run_well(&mut kept);
    assert_eq!(kept.count("articles"), 2 * (2 + 4) * 3);
    rig.mock.set(|knobs| knobs.subfolders = false);
    kept.taken.clear();
    rig.run_well(&mut kept);
    assert!(kept.taken.is_empty(), "{:?}", kept.taken);
    let top = kept.ids("articles").into_iter().min().unwrap();
    rig.mock.set(|knobs| knobs.articles_removed = vec![top]);
    rig.run_well(&mut kept);
    assert_eq!(kept.taken, [("articles".to_owned(), top.to_string())]);
}

#[test]
fn lists_give_what_is_new_and_what_is_gone() {
    let streams = ["contacts", "companies", "agents", "groups", "satisfaction_ratings"];
    let rig = Rig::new(Knobs { contacts: 250, entries: 130, ..Knobs::default() }, &streams);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!(kept.count("contacts"), 250);
    for stream in &streams[1..] {
        assert_eq!(kept.count(stream), 130, "{stream}");
    }
    kept.taken.clear();
    rig.mock.forget();
    rig.run_well(&mut kept);
    assert!(kept.taken.is_empty(), "{:?}", kept.taken);
    // Contacts are asked for from where the last run came to.
    assert_eq!(rig.asked("/contacts?_updated_since=2012-01-01T04:07:00Z"), 1);

    rig.mock.set(|knobs| {
        knobs.entries = 129;
        knobs.contacts = 252;
    });
    rig.run_well(&mut kept);
    assert_eq!(kept.get("agents", 929)["normalised"]["deleted"], true);
    assert_eq!(kept.taken.iter().filter(|(stream, _)| stream == "contacts").count(), 2);
    assert_eq!(kept.taken.iter().filter(|(stream, _)| stream == "agents").count(), 1);
}

#[test]
fn one_list_that_fails_leaves_the_others() {
    let rig = Rig::new(
        Knobs { faults: vec![Fault::always("/companies", Wrong::Status(500))], ..Knobs::default() },
        &["companies", "agents"],
    );
    let collected = rig.run(&mut Kept::default()).unwrap();
    assert!(reason(&collected, "companies").contains("500"));
    assert_eq!(outcome(&collected, "agents").outcome, Outcome::Ok);
    assert_eq!(outcome(&collected, "agents").records, 3);
}
