//! Files: fetched without the key, once, within bounds: promises 23 and 24.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use stele_collect::Outcome;
use stele_helpdesk::attachments::TEXT_BYTES_MAX;
use stele_helpdesk::{DiskTexts, Extract, Extracted, File, Known, PENDING_MAX, PlainText, Texts};
use stele_testkit::freshdesk::{Body, Fault, File as MockFile, Knobs, Wrong};

use crate::rig::{Kept, Rig, outcome, reason};

const STREAMS: [&str; 3] = ["tickets", "conversations", "attachments"];

fn with_files(tickets: u64, files: Vec<MockFile>) -> Knobs {
    let attachments = files.len() as u64;
    Knobs { tickets, conversations: 1, attachments, files, ..Knobs::default() }
}

fn text(name: &str) -> MockFile {
    MockFile::new(name, "text/plain", b"It says this.")
}

/// By name of the file.
fn told<'a>(kept: &'a Kept, name: &str) -> &'a Value {
    let of = |record: &&Value| record["stream"] == "attachments" && record["normalised"]["name"] == name;
    &kept.records.values().find(of).expect(name)["normalised"]
}

/// Reads what the program reads with its libraries, as far as a test needs it.
struct Reader {
    ocr: bool,
    /// Bytes in memory now, and the most there were.
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Reader {
    fn new(ocr: bool) -> Arc<Self> {
        Arc::new(Self { ocr, now: AtomicUsize::new(0), most: AtomicUsize::new(0) })
    }

    fn read(&self, file: &File<'_>) -> Extracted {
        match file.content_type.unwrap_or_default() {
            "application/pdf" if file.bytes == b"%PDF scanned" && !self.ocr => Extracted::OcrUnavailable,
            "application/pdf" => Extracted::Text("pages".to_owned()),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => {
                Extracted::Text("paragraphs".to_owned())
            }
            kind if kind.starts_with("image/") => match self.ocr {
                true => Extracted::Text("ORDER 48213".to_owned()),
                false => Extracted::OcrUnavailable,
            },
            _ => PlainText.extract(file),
        }
    }
}

impl Extract for Reader {
    fn extract(&self, file: &File<'_>) -> Extracted {
        let now = self.now.fetch_add(file.bytes.len(), Ordering::SeqCst) + file.bytes.len();
        self.most.fetch_max(now, Ordering::SeqCst);
        let extracted = self.read(file);
        self.now.fetch_sub(file.bytes.len(), Ordering::SeqCst);
        extracted
    }
}

fn fetched(rig: &Rig) -> usize {
    rig.mock.log().iter().filter(|asked| asked.files && asked.status == 200).count()
}

#[test]
fn freshdesk_23_the_key_stays_here() {
    for redirect in [false, true] {
        let knobs = Knobs { files_redirect: redirect, ..with_files(5, vec![text("a.txt"), text("b.txt")]) };
        let rig = Rig::new(knobs, &STREAMS);
        let mut kept = Kept::default();
        rig.run_well(&mut kept);
        let of_files: Vec<_> = rig.mock.log().into_iter().filter(|asked| asked.files).collect();
        assert_eq!(of_files.len(), if redirect { 20 } else { 10 });
        assert!(of_files.iter().all(|asked| asked.authorization.is_none() && asked.status != 400));
        assert_eq!((kept.count("attachments"), fetched(&rig)), (10, 10));
        assert_eq!(told(&kept, "a.txt")["text"], "It says this.");
        // No address that lets one in is kept.
        let all = serde_json::to_string(&kept.records.values().collect::<Vec<_>>()).unwrap();
        assert!(!all.contains("Signature") && !all.contains("geheim"));
        assert!(all.contains("/data/"), "what names the file stays");
    }
}

#[test]
fn freshdesk_23_an_address_that_expired_is_asked_for_again() {
    let knobs = Knobs {
        first_url_expired: true,
        conversation_attachments: 1,
        ..with_files(4, vec![text("a.txt"), text("b.txt")])
    };
    let rig = Rig::new(knobs, &STREAMS);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!((kept.count("attachments"), fetched(&rig)), (12, 12));
    let expired = rig.mock.log().iter().filter(|asked| asked.files && asked.status == 403).count();
    assert_eq!(expired, 12);
    for ticket in 1..=4 {
        // Read once, and once more for all of its files.
        assert_eq!(rig.asked(&format!("/tickets/{ticket}")), 4, "{ticket}");
        assert_eq!(rig.asked(&format!("/tickets/{ticket}/conversations")), 2, "{ticket}");
    }
}

#[test]
fn freshdesk_23_bounds() {
    let mut large = text("large.bin");
    large.body = Body::Zeros(21 << 20);
    let long = MockFile::new("long.txt", "text/plain", "ä".repeat(1 << 20).as_bytes());
    let odd = MockFile::new("macro.exe", "application/x-dosexec", b"MZ");
    let rig = Rig::new(with_files(1, vec![large, odd, text("../x"), long]), &STREAMS);
    let mut kept = Kept::default();
    let collected = rig.run_well(&mut kept);
    assert_eq!(told(&kept, "large.bin")["text_status"], "too_large");
    assert_eq!(fetched(&rig), 3);
    assert_eq!(told(&kept, "long.txt")["text"].as_str().unwrap().len(), TEXT_BYTES_MAX);
    assert_eq!(told(&kept, "macro.exe")["text_status"], "unsupported");
    // No sentence of ours stands where a text should be.
    assert!(told(&kept, "macro.exe")["text"].is_null() && told(&kept, "large.bin")["text"].is_null());
    assert_eq!(told(&kept, "../x")["safe_name"], "x");
    let unavailable = &outcome(&collected, "attachments").unavailable;
    assert_eq!(unavailable.len(), 1);
    assert!(unavailable[0].1.contains("more than 20971520 bytes"), "{unavailable:?}");

    // Many of 20 MiB, and eight threads: never more than three in memory.
    let reader = Reader::new(true);
    let mut heavy = MockFile::new("heavy.bin", "application/octet-stream", b"");
    heavy.body = Body::Zeros(20 << 20);
    let mut rig = Rig::new(with_files(16, vec![heavy]), &STREAMS);
    rig.config.rate.workers = 8;
    rig.extract = Arc::clone(&reader) as Arc<dyn Extract>;
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!(fetched(&rig), 16);
    let most = reader.most.load(Ordering::SeqCst);
    assert!((20 << 20..=64 << 20).contains(&most), "{most}");
}

/// What waits to be asked for again.
fn pending(kept: &Kept) -> Value {
    kept.cursors.get("tickets").unwrap()["pending"].clone()
}

#[test]
fn freshdesk_23_a_hundred_files_and_names_that_nobody_should_use() {
    let long = format!("{}.txt", "x".repeat(296));
    let files = vec![text("nul\0l.txt"), text(&long), text("../../etc/passwd"), text("a/b.txt")];
    let rig = Rig::new(Knobs { attachments: 100, ..with_files(2, files) }, &STREAMS);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!((kept.count("attachments"), fetched(&rig)), (200, 200));
    for record in kept.records.values().filter(|record| record["stream"] == "attachments") {
        let normal = &record["normalised"];
        assert_eq!(normal["text"], "It says this.", "{normal}");
        let safe = normal["safe_name"].as_str().unwrap();
        assert!(!safe.is_empty() && safe.len() <= 200 && !safe.contains(['/', '\\', '\0']), "{safe:?}");
        // What it was called stays known.
        assert_eq!(normal["name"], record["data"]["name"]);
    }
    let safe = |name: &str| told(&kept, name)["safe_name"].as_str().unwrap().to_owned();
    assert_eq!((safe("nul\0l.txt"), safe("../../etc/passwd")), ("null.txt".to_owned(), "passwd".to_owned()));
    assert_eq!((safe(&long).len(), safe("a/b.txt")), (200, "b.txt".to_owned()));
}

#[test]
fn freshdesk_23_a_file_that_fails_for_a_while_is_asked_for_again() {
    for wrong in [Wrong::Status(503), Wrong::Close] {
        let rig = Rig::new(with_files(30, vec![text("a.txt"), text("b.txt")]), &STREAMS);
        rig.mock.set(|knobs| knobs.faults = vec![Fault::always("/data/702", wrong)]);
        let mut kept = Kept::default();
        let collected = rig.run(&mut kept).unwrap();
        assert!(reason(&collected, "attachments").contains("1 tickets"), "{collected:?}");
        assert_eq!(outcome(&collected, "conversations").outcome, Outcome::Ok);
        assert_eq!(kept.get("attachments", 702)["normalised"]["text_status"], "failed");
        assert_eq!(pending(&kept)[0]["lacks"], "files");

        rig.run(&mut kept).unwrap();
        assert_eq!(pending(&kept)[0]["runs"], 2);
        rig.mock.set(|knobs| knobs.faults.clear());
        rig.mock.forget();
        rig.run_well(&mut kept);
        assert_eq!(kept.get("attachments", 702)["normalised"]["text"], "It says this.");
        assert!(pending(&kept).is_null());
        // Of the others nothing was asked for again.
        assert_eq!(fetched(&rig), 2);
    }

    // What does not get better waits for nothing.
    let mut large = text("large.bin");
    large.body = Body::Zeros(21 << 20);
    let odd = MockFile::new("macro.exe", "application/x-dosexec", b"MZ");
    let rig = Rig::new(with_files(1, vec![text("a.txt"), large, odd]), &STREAMS);
    rig.mock.set(|knobs| knobs.faults = vec![Fault::always("/data/103", Wrong::Status(404))]);
    let mut kept = Kept::default();
    let collected = rig.run_well(&mut kept);
    assert_eq!(told(&kept, "a.txt")["text_status"], "unavailable");
    assert_eq!(outcome(&collected, "attachments").unavailable.len(), 2);
    assert!(pending(&kept).is_null());
}

#[test]
fn freshdesk_23_once() {
    let knobs = Knobs { attachments_twice: true, ..with_files(3, vec![text("a.txt"), text("b.txt")]) };
    let directory = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(knobs, &STREAMS);
    rig.texts = Arc::new(DiskTexts::new(directory.path(), 1 << 20).unwrap());
    rig.run_well(&mut Kept::default());
    assert_eq!(fetched(&rig), 6);
    // Another run from the beginning, and another process: known by id and time.
    rig.texts = Arc::new(DiskTexts::new(directory.path(), 1 << 20).unwrap());
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!(fetched(&rig), 6);
    assert_eq!(told(&kept, "b.txt")["text"], "It says this.");
}

#[test]
fn freshdesk_23_texts_on_disk_are_bounded_and_may_be_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let texts = DiskTexts::new(directory.path(), 10_000).unwrap();
    let known = Known { text: Some("x".repeat(900)) };
    for id in 0..50 {
        texts.put(&id.to_string(), "2024", &known);
    }
    let held: u64 = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(held <= 10_000 && held > 8_000, "{held}");
    assert_eq!(texts.get("49", "2024"), Some(known.clone()));
    assert_eq!((texts.get("0", "2024"), texts.get("49", "2025")), (None, None));
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        std::fs::write(entry.unwrap().path(), "{\"text\": \"half").unwrap();
    }
    assert_eq!(texts.get("49", "2024"), None);
    texts.put("big", "2024", &Known { text: Some("x".repeat(20_000)) });
    assert_eq!(texts.get("big", "2024"), None);
}

#[test]
fn freshdesk_23_kinds_of_files_and_inline_pictures() {
    let files = vec![
        MockFile::new("a.pdf", "application/pdf", b"%PDF"),
        MockFile::new(
            "b.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            b"PK",
        ),
        text("c.txt"),
        MockFile::new("d.csv", "text/csv", b"a,b\n1,2\n"),
    ];
    let mut rig = Rig::new(with_files(1, files), &STREAMS);
    rig.extract = Reader::new(true);
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    for (name, expect) in
        [("a.pdf", "pages"), ("b.docx", "paragraphs"), ("c.txt", "It says this."), ("d.csv", "a,b\n1,2\n")]
    {
        let normal = told(&kept, name);
        assert_eq!(
            (&normal["text"], &normal["text_status"]),
            (&Value::from(expect), &Value::from("extracted"))
        );
        assert_eq!(
            (&normal["parent_type"], &normal["parent_id"]),
            (&Value::from("ticket"), &Value::from("1"))
        );
    }

    let mut rig = Rig::new(Knobs { inline_images: true, ..with_files(2, Vec::new()) }, &STREAMS);
    rig.extract = Reader::new(true);
    rig.config.inline_images = vec![format!("{}/inline/attachment?", rig.mock.files_url)];
    let mut kept = Kept::default();
    rig.run_well(&mut kept);
    assert_eq!((kept.count("attachments"), fetched(&rig)), (2, 2));
    let picture = kept.records.values().find(|record| record["stream"] == "attachments").unwrap();
    assert_eq!(picture["normalised"]["text"], "ORDER 48213");
    assert!(!serde_json::to_string(&kept.records.values().collect::<Vec<_>>()).unwrap().contains("eyJ"));
}

#[test]
fn freshdesk_24_ocr() {
    let files = || {
        vec![
            MockFile::new("order.png", "image/png", b"\x89PNG"),
            MockFile::new("scan.pdf", "application/pdf", b"%PDF scanned"),
        ]
    };
    for ocr in [true, false] {
        let mut rig = Rig::new(with_files(1, files()), &STREAMS);
        rig.extract = Reader::new(ocr);
        let directory = tempfile::tempdir().unwrap();
        rig.texts = Arc::new(DiskTexts::new(directory.path(), 1 << 20).unwrap());
        let mut kept = Kept::default();
        let collected = rig.run_well(&mut kept);
        let noted = collected.notes.iter().any(|note| note.contains("there is no OCR here"));
        assert_eq!(noted, !ocr, "{:?}", collected.notes);
        let (status, said) = match ocr {
            true => ("extracted", Value::from("ORDER 48213")),
            false => ("ocr_unavailable", Value::Null),
        };
        assert_eq!(
            (&told(&kept, "order.png")["text_status"], &told(&kept, "order.png")["text"]),
            (&Value::from(status), &said)
        );
        assert_eq!(told(&kept, "scan.pdf")["text_status"], status);
        // As long as nobody reads it nothing is new, and once somebody does the next run has it.
        kept.taken.clear();
        rig.run_well(&mut kept);
        assert!(kept.taken.is_empty(), "{:?}", kept.taken);
        rig.extract = Reader::new(true);
        rig.run_well(&mut kept);
        assert_eq!(told(&kept, "order.png")["text"], "ORDER 48213");
        assert_eq!(told(&kept, "scan.pdf")["text_status"], "extracted");
        assert!(pending(&kept).is_null());
        // So has a run from the beginning.
        let mut kept = Kept::default();
        rig.run_well(&mut kept);
        assert_eq!(told(&kept, "order.png")["text"], "ORDER 48213");
    }
}

#[test]
fn freshdesk_24_many_that_wait_for_ocr_stop_nobody() {
    let picture = MockFile::new("order.png", "image/png", b"\x89PNG");
    let mut rig = Rig::new(with_files(1_005, vec![picture]), &STREAMS);
    rig.extract = Reader::new(false);
    let fault = Fault::always("/tickets/1004/conversations", Wrong::Status(500));
    rig.mock.set(|knobs| knobs.faults = vec![fault]);
    let mut kept = Kept::default();
    let collected = rig.run(&mut kept).unwrap();
    assert_eq!((kept.count("tickets"), kept.count("attachments")), (1_005, 1_005));
    assert!(reason(&collected, "conversations").contains("to 1 tickets"), "{collected:?}");
    assert_eq!(pending(&kept).as_array().map(Vec::len), Some(PENDING_MAX));
    let notes = collected.notes.join(" ");
    assert!(
        notes.contains("999 tickets have pictures")
            && notes.contains("5 tickets with pictures of text are not kept"),
        "{notes}"
    );

    // That there is none still is found out with the first; who lacks its messages is not kept waiting by that.
    rig.mock.set(|knobs| knobs.faults.clear());
    rig.mock.forget();
    rig.run_well(&mut kept);
    let asked = |ticket: u64| rig.asked(&format!("/tickets/{ticket}?"));
    assert_eq!((asked(1), asked(2), asked(1_004)), (1, 0, 1));
    assert_eq!(kept.count("conversations"), 1_005);
}
