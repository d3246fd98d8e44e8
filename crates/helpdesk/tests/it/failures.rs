//! What fails is told from what is refused and from what is not there: promises 13 to 15, 29 and 31.

use std::time::Duration;

use stele_collect::{Batch, CollectError, Cursors, Outcome, Sink, UNAVAILABLE_MAX};
use stele_helpdesk::{RetryConfig, Span};
use stele_http::{Pace, never};
use stele_model::ErrorKind;
use stele_model::error::in_full;
use stele_testkit::freshdesk::{Fault, Knobs, Wrong};

use crate::rig::{Kept, Rig, outcome, reason};

fn with_faults(tickets: u64, streams: &[&str], faults: Vec<Fault>) -> Rig {
    Rig::new(Knobs { tickets, faults, ..Knobs::default() }, streams)
}

#[test]
fn freshdesk_13_server_errors() {
    let tries = |faults: Vec<Fault>, works: bool| {
        let rig = with_faults(10, &["agents"], faults);
        let result = rig.check();
        assert_eq!(result.is_ok(), works, "{result:?}");
        (rig.asked("/agents/me"), result.err().map(|error| in_full(&error)).unwrap_or_default())
    };
    assert_eq!(tries(vec![Fault::times("/agents/me", 2, Wrong::Status(503))], true).0, 3);
    assert_eq!(tries(vec![Fault::times("/agents/me", 1, Wrong::Close)], true).0, 2);
    let (asked, said) = tries(vec![Fault::always("/agents/me", Wrong::Status(500))], false);
    assert_eq!(asked, 3);
    assert!(said.contains("answered 500 after 3 tries: internal_error: We're sorry"), "{said}");
    let (asked, said) = tries(vec![Fault::always("/agents/me", Wrong::Html(502))], false);
    assert_eq!(asked, 3);
    assert!(said.contains("a page of HTML"), "{said}");
    // A page of HTML with 200, as a captive portal sends it.
    let (asked, said) = tries(vec![Fault::always("/agents/me", Wrong::Html(200))], false);
    assert_eq!(asked, 1);
    assert!(said.contains("is the domain that of a help desk?"), "{said}");
}

#[test]
fn freshdesk_14_credentials() {
    let mut rig = with_faults(10, &["tickets", "conversations", "agents"], Vec::new());
    rig.mock.set(|knobs| knobs.key = "another-key".to_owned());
    let mut kept = Kept::default();
    let error = rig.run(&mut kept).unwrap_err();
    assert_eq!((error.kind(), rig.mock.count()), (ErrorKind::Config, 1));
    let said = error.to_string();
    assert!(said.contains("set FRESHDESK_API_KEY anew"), "{said}");
    assert!(said.contains("You have to be logged in"), "{said}");
    let shown = format!("{error:?} {said} {:?} {}", rig.config, serde_json::to_string(&rig.config).unwrap());
    assert!(!shown.contains("mock-key-1"), "{shown}");
    // A key that stands in the file itself is not shown either.
    rig.config.api_key = stele_helpdesk::Written::new("mock-key-1");
    let shown = format!("{:?} {}", rig.config, serde_json::to_string(&rig.config).unwrap());
    assert!(shown.contains("***") && !shown.contains("mock-key-1"), "{shown}");

    // Taken away in the middle of a run: it ends there.
    let rig = with_faults(
        50,
        &["tickets", "conversations"],
        vec![Fault::always("/tickets/20", Wrong::Status(401))],
    );
    let error = rig.run(&mut Kept::default()).unwrap_err();
    assert!(matches!(error, CollectError::Credentials { .. }), "{error:?}");
    let other = rig.mock.log().iter().filter(|asked| asked.path.contains("/tickets/40/")).count();
    assert_eq!(other, 0);
}

#[test]
fn freshdesk_15_one_thing_is_refused() {
    let faults = vec![
        Fault::always("/tickets/7", Wrong::Status(403)),
        Fault::always("/tickets/9", Wrong::Status(404)),
        Fault::always("/surveys", Wrong::Status(403)),
    ];
    let rig = with_faults(50, &["tickets", "conversations", "attachments", "surveys", "agents"], faults);
    let mut kept = Kept::default();
    let collected = rig.run(&mut kept).unwrap();
    // Both stay as the list has them.
    assert_eq!(kept.count("tickets"), 50);
    assert_eq!(kept.get("tickets", 7)["normalised"]["conversations_status"], "unavailable");
    let unavailable = &outcome(&collected, "conversations").unavailable;
    let named: Vec<&str> = unavailable.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(named, ["ticket 7", "ticket 9"]);
    assert!(unavailable[0].1.contains("403: access_denied"), "{unavailable:?}");
    assert_eq!(outcome(&collected, "tickets").unavailable.len(), 2);
    assert!(matches!(outcome(&collected, "surveys").outcome, Outcome::Unavailable { .. }));
    for stream in ["tickets", "conversations", "attachments", "agents"] {
        assert_eq!(outcome(&collected, stream).outcome, Outcome::Ok, "{stream}");
    }
    assert_eq!(kept.count("agents"), 3);
}

#[test]
fn freshdesk_15_what_comes_with_tickets_is_refused_with_them() {
    let all = ["tickets", "conversations", "attachments"];
    let mut rig = with_faults(5, &all, vec![Fault::always("/tickets?", Wrong::Status(403))]);
    rig.config.include_removed = false;
    let mut kept = Kept::default();
    let collected = rig.run(&mut kept).unwrap();
    assert_eq!(kept.taken.len(), 0);
    assert!(matches!(outcome(&collected, "tickets").outcome, Outcome::Unavailable { .. }), "{collected:?}");
    let expect = Outcome::Unavailable { reason: "tickets are not given".to_owned() };
    for stream in ["conversations", "attachments"] {
        assert_eq!(outcome(&collected, stream).outcome, expect, "{stream}");
    }
}

#[test]
fn freshdesk_29_recovery() {
    // Twice, and then it works: after one second, and two more.
    let rig = with_faults(
        20,
        &["tickets", "conversations"],
        vec![Fault::times("/tickets/4", 2, Wrong::Status(500))],
    );
    rig.run_well(&mut Kept::default());
    let at: Vec<f64> = rig
        .mock
        .log()
        .iter()
        .filter(|asked| asked.path.contains("/tickets/4/"))
        .map(|asked| asked.at.as_secs_f64())
        .collect();
    assert_eq!(at.len(), 3);
    assert!((1.0..1.3).contains(&(at[1] - at[0])) && (2.0..2.5).contains(&(at[2] - at[1])), "{at:?}");

    // Three times: it is told, the others are there, and the next run asks again for this one alone.
    let faults = vec![Fault::always("/tickets/104", Wrong::Status(500))];
    let mut rig = with_faults(450, &["tickets", "conversations"], faults);
    rig.config.checkpoint = Span::seconds(0);
    let mut kept = Kept::default();
    let collected = rig.run(&mut kept).unwrap();
    assert_eq!(outcome(&collected, "tickets").outcome, Outcome::Ok);
    assert!(reason(&collected, "conversations").contains("1 tickets"));
    let unavailable = &outcome(&collected, "conversations").unavailable;
    assert_eq!(unavailable[0].0, "ticket 104");
    assert_eq!((kept.count("tickets"), kept.count("conversations")), (450, 3 * 449));
    // Every hundred tickets were kept at once, whichever failed.
    assert!(kept.batches.len() >= 5, "{:?}", kept.batches);
    let pending = |kept: &Kept| kept.cursors.get("tickets").unwrap()["pending"].clone();
    assert_eq!(pending(&kept)[0]["number"], "104");
    let run_again = |kept: &mut Kept| {
        rig.mock.forget();
        kept.taken.clear();
        rig.run(kept).unwrap()
    };
    run_again(&mut kept);
    assert_eq!(pending(&kept)[0]["runs"], 2);
    assert!(kept.taken.is_empty());
    rig.mock.set(|knobs| knobs.faults.clear());
    let collected = run_again(&mut kept);
    assert_eq!(outcome(&collected, "conversations").outcome, Outcome::Ok);
    assert_eq!((kept.taken.len(), kept.count("conversations")), (4, 3 * 450));
    assert_eq!(kept.get("tickets", 104)["normalised"]["conversations_status"], "complete");
    assert!(pending(&kept).is_null());
    assert_eq!(rig.asked("/tickets/104"), 2);
}

/// Refuses a batch in this way when the desk has refused the key, and keeps the others.
struct Refusing<'a> {
    kept: &'a mut Kept,
    rig: &'a Rig,
    refusal: Option<CollectError>,
}

impl Sink for Refusing<'_> {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        self.kept.cursors()
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        let Some(refusal) = self.refusal.take() else { return self.kept.take(batch) };
        while !self.rig.mock.log().iter().any(|asked| asked.status == 401) {
            std::thread::yield_now();
        }
        Err(refusal)
    }

    fn batch_records(&self) -> u64 {
        1
    }
}

#[test]
fn what_is_not_kept_is_not_collected_whatever_else_goes_wrong() {
    let frozen = CollectError::Frozen {
        stream: "tickets".to_owned(),
        why: "`new` is a new member".to_owned(),
        record: 0,
        batch: Box::default(),
    };
    for refusal in [CollectError::Sink("the disk is full".into()), CollectError::Cancelled, frozen] {
        // A thread that is ahead hears it while the first ticket is handed over.
        let ahead = Fault::always("/tickets/3", Wrong::Status(401));
        let rig = with_faults(20, &["tickets", "conversations"], vec![ahead]);
        let mut kept = Kept::default();
        let mut sink = Refusing { kept: &mut kept, rig: &rig, refusal: Some(refusal) };
        let result = rig.run_into(&mut sink, &never);
        assert!(!matches!(result, Err(CollectError::Credentials { .. })), "{result:?}");
        assert_eq!(kept.cursors.get("tickets"), None, "{result:?}");
        rig.mock.set(|knobs| knobs.faults.clear());
        rig.run_well(&mut kept);
        assert_eq!(kept.ids("tickets"), (1..=20).collect::<Vec<_>>(), "{result:?}");
    }
}

#[test]
fn a_ticket_that_waits_and_is_answered_with_nothing_goes_on_waiting() {
    let faults = vec![Fault::always("/tickets/4/conversations", Wrong::Status(500))];
    let rig = with_faults(20, &["tickets", "conversations"], faults);
    let mut kept = Kept::default();
    rig.run(&mut kept).unwrap();
    rig.mock.set(|knobs| knobs.faults = vec![Fault::always("/tickets/4", Wrong::Nothing)]);
    let collected = rig.run(&mut kept).unwrap();
    let pending = kept.cursors.get("tickets").unwrap()["pending"].clone();
    assert_eq!(pending[0]["number"], "4", "{pending}");
    assert_eq!(pending[0]["runs"], 2, "{pending}");
    assert!(pending[0]["reason"].as_str().unwrap().contains("no number"), "{pending}");
    assert_eq!(outcome(&collected, "tickets").unavailable[0].0, "ticket 4");
    assert!(reason(&collected, "conversations").contains("1 tickets"));
    rig.mock.set(|knobs| knobs.faults.clear());
    rig.run_well(&mut kept);
    assert_eq!(kept.count("conversations"), 3 * 20);
    assert!(kept.cursors.get("tickets").unwrap()["pending"].is_null());
}

#[test]
fn what_is_named_no_more_is_counted() {
    let refused = |id: u64| Fault::always(&format!("/tickets/{id}"), Wrong::Status(403));
    let rig = with_faults(1_003, &["tickets", "conversations"], (1..=1_003).map(refused).collect());
    let collected = rig.run_well(&mut Kept::default());
    assert_eq!(outcome(&collected, "conversations").unavailable.len(), UNAVAILABLE_MAX);
    assert_eq!(collected.unavailable_more, 3);
    let noted =
        |note: &String| note.starts_with("conversations: ") && note.contains("3 more could not be had");
    assert!(collected.notes.iter().any(noted), "{:?}", collected.notes);
}

#[test]
fn freshdesk_31_circuit_breaker() {
    let mut rig = with_faults(30, &["tickets", "conversations"], Vec::new());
    rig.config.rate.workers = 1;
    // Requests for messages of tickets 1 to 4 fail ten times in all.
    rig.mock.set(|knobs| {
        knobs.faults = [1, 2, 3].map(|id| Fault::always(&format!("/tickets/{id}"), Wrong::Close)).to_vec();
        knobs.faults.push(Fault::times("/tickets/4", 1, Wrong::Close));
    });
    let mut kept = Kept::default();
    rig.run(&mut kept).unwrap();
    let log = rig.mock.log();
    let failed: Vec<Duration> = log.iter().filter(|asked| asked.status == 0).map(|asked| asked.at).collect();
    assert_eq!(failed.len(), 10);
    let opened = failed[9];
    let after = log.iter().find(|asked| asked.at > opened).unwrap();
    let rest = (after.at - opened).as_secs_f64();
    assert!((60.0..62.5).contains(&rest), "{rest}");
    // The probe went well, so everything else is there at once.
    assert!(after.path.contains("/tickets/4/"), "{}", after.path);
    assert_eq!(kept.count("conversations"), 3 * 27);

    // A desk that stays away is given up, and no stream behind it is tried.
    let mut rig = with_faults(30, &["tickets", "agents", "groups"], Vec::new());
    rig.config.retry = RetryConfig { max_retries: 50, ..RetryConfig::default() };
    rig.mock.set(|knobs| knobs.faults = vec![Fault::always("/agents", Wrong::Close)]);
    let mut kept = Kept::default();
    let collected = rig.run(&mut kept).unwrap();
    assert!(reason(&collected, "agents").contains("did not answer 10 times in a row"));
    assert!(reason(&collected, "groups").starts_with("it was not tried"));
    // Ten, and one probe after each of three rests.
    assert_eq!((rig.asked("/agents"), rig.asked("/groups")), (13, 0));
    assert_eq!(kept.count("tickets"), 30);
}

#[test]
fn a_run_can_be_stopped_and_keeps_what_it_has() {
    let rig = with_faults(500, &["tickets", "conversations"], Vec::new());
    let mut kept = Kept::default();
    let stop = || rig.mock.count() >= 250;
    let error = rig.run_until(&mut kept, &stop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let kept_of = kept.count("tickets");
    assert!((200..260).contains(&kept_of), "{kept_of}");
    rig.run_well(&mut kept);
    assert_eq!((kept.count("tickets"), kept.count("conversations")), (500, 1_500));
    assert_eq!(kept.taken.len(), 2_000);
}

/// Keeps everything but the groups, of which it says that they break their contract.
struct NoGroups(Kept);

impl Sink for NoGroups {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        self.0.cursors()
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        match batch.stream.as_str() {
            "groups" => {
                let (stream, why) = (batch.stream.clone(), "`new` is a new member".to_owned());
                Err(CollectError::Frozen { stream, why, record: 0, batch: Box::new(batch) })
            }
            _ => self.0.take(batch),
        }
    }
}

#[test]
fn sources_14_a_stream_that_freezes_ends_alone() {
    let rig = with_faults(30, &["agents", "groups", "tickets"], Vec::new());
    let mut kept = NoGroups(Kept::default());
    let collected = rig.run_into(&mut kept, &never).unwrap();
    assert_eq!(reason(&collected, "groups"), "`new` is a new member");
    assert_eq!((kept.0.count("tickets"), kept.0.count("groups")), (30, 0));
    assert!(kept.0.count("agents") > 0 && kept.0.cursors.get("groups").is_none());
}

#[test]
fn what_cannot_be_used_is_said_before_anything_is_asked() {
    let check = |change: &dyn Fn(&mut stele_helpdesk::HelpdeskConfig), expect: &str| {
        let mut config = stele_helpdesk::HelpdeskConfig::new("acme.freshdesk.com", "${KEY}", "acme");
        change(&mut config);
        let lookup = |name: &str| (name == "KEY").then(|| "geheim".to_owned());
        let texts = std::sync::Arc::new(stele_helpdesk::NoTexts);
        let extract = std::sync::Arc::new(stele_helpdesk::PlainText);
        let error = stele_helpdesk::Helpdesk::new("support", config, &lookup, extract, texts).err();
        let said = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains(expect), "{expect}: {said}");
        assert!(!said.contains("geheim"), "{said}");
    };
    check(&|_| {}, "");
    check(&|config| config.domain = "http://acme.freshdesk.com".to_owned(), "allow_insecure");
    check(&|config| config.domain = "${DOMAIN}".to_owned(), "variable DOMAIN, which is not set");
    check(&|config| config.api_key = stele_helpdesk::Written::new("${NO}"), "variable NO");
    check(&|config| config.start_date = Some("soon".to_owned()), "\"soon\" is no date");
    check(&|config| config.streams = Some(vec!["tikets".to_owned()]), "there are tickets, conversations");
    check(&|config| config.streams = Some(vec!["conversations".to_owned()]), "add \"tickets\"");
    check(&|config| config.rate.workers = 0, "rate.workers is 0");
    check(&|config| config.rate.reserve = 1.5, "rate.reserve is 1.5");
    check(&|config| config.tenant_id = " ".to_owned(), "tenant_id is empty");
    check(&|config| config.status = [("six".to_owned(), "x".to_owned())].into(), "\"six\" is no code");
}

#[test]
fn a_configuration_is_read_from_a_table() {
    let text = r#"
        domain = "${FRESHDESK_DOMAIN}"
        api_key = "${FRESHDESK_API_KEY}"
        tenant_id = "acme"
        streams = ["tickets", "conversations", "articles", "agents"]
        start_date = "2015-01-01"
        include = ["description", "requester", "stats"]
        lookback = "120s"
        mode = "vector-only"
        rate = { reserve = 0.2 }
        status = { 6 = "waiting" }
    "#;
    let config: stele_helpdesk::HelpdeskConfig = toml::from_str(text).unwrap();
    assert_eq!((config.lookback, config.rate.reserve), (Span::seconds(120), 0.2));
    let error =
        toml::from_str::<stele_helpdesk::HelpdeskConfig>(&format!("{text}\nlookbak = 1")).unwrap_err();
    assert!(error.to_string().contains("lookbak"), "{error}");
    let error = toml::from_str::<stele_helpdesk::HelpdeskConfig>(&text.replace("120s", "soon")).unwrap_err();
    assert!(error.to_string().contains("write 120s"), "{error}");
}

#[test]
fn time_of_a_run_without_limits_is_nothing() {
    let rig = with_faults(50, &["tickets", "conversations"], Vec::new());
    rig.run_well(&mut Kept::default());
    assert_eq!(rig.pace.now(), Duration::ZERO);
}
