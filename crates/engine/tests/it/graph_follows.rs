//! The graph when not all goes well: pages that cannot be read, documents that are not whole, programs that
//! are missing, another lake in the place of the one before, and builders that come at once.

use std::fs;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use stele_documents::{DocumentError, Isolation, Parsed, Request, SameProcess};
use stele_engine::graph::GraphSummary;
use stele_engine::retrieval::Question;
use stele_engine::{Cancel, Engine, Environment, NoProgress, Progress, Ready, Update};
use stele_testkit::faults::{Blow, StrikeAt};

use crate::graph::{self, holds_graph, sql};
use crate::place::{Place, StopAt, lines};

fn build(place: &Place) -> GraphSummary {
    let summary = place.engine().graph_build(&NoProgress, &Cancel::default()).unwrap();
    holds_graph(&place.engine());
    summary
}

/// Texts of sections, those of each document in order.
fn texts(engine: &Engine) -> String {
    sql(engine, "SELECT text FROM sections ORDER BY document_id, section_order")
}

/// A member of an archive: its name, its content, and whether it is what its checksum says.
type Member<'a> = (&'a str, &'a [u8], bool);

/// An archive without compression.
fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content, is_whole) in members {
        let mut check = crc32(content);
        if !is_whole {
            check ^= 1;
        }
        // Version, flags, method, time and date; checksum, sizes and lengths.
        let mut fields = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fields.extend(check.to_le_bytes());
        fields.extend([u32::try_from(content.len()).unwrap().to_le_bytes(); 2].concat());
        fields.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        fields.extend([0, 0]);
        let offset = u32::try_from(bytes.len()).unwrap();
        directory.extend(b"PK\x01\x02\x14\x00".iter().chain(&fields).chain(&[0; 10]));
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
        bytes.extend(b"PK\x03\x04".iter().chain(&fields));
        bytes.extend(name.as_bytes());
        bytes.extend(*content);
    }
    let (count, offset) = (u16::try_from(members.len()).unwrap(), u32::try_from(bytes.len()).unwrap());
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count.to_le_bytes(); 2].concat());
    bytes.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn a_page_that_cannot_be_read_says_what_it_said() {
    let place = Place::new();
    let put = |members: &[Member<'_>]| {
        place.write("docs/export.zip", archive(members));
        place.ingest("docs");
        build(&place)
    };
    let inner = archive(&[("in.md", b"# In\n\nThe owl.\n", true)]);
    let first: [Member<'_>; 2] = [("a.md", b"# A\n\nThe auk.\n", true), ("b.md", b"# B\n\nThe bat.\n", true)];
    let summary = put(&first);
    assert_eq!((summary.documents, summary.failures.len()), (2, 0));

    // One page is damaged, the other one has changed.
    let second: [Member<'_>; 2] =
        [("a.md", b"# A\n\nThe ape.\n", true), ("b.md", b"# B\n\nThe bee.\n", false)];
    let summary = put(&second);
    assert_eq!((summary.documents, summary.read, summary.removed), (2, 1, 0));
    let failed: Vec<&str> = summary.failures.iter().map(|one| one.uri.rsplit('/').next().unwrap()).collect();
    assert_eq!(failed, ["b.md"]);
    let said = texts(&place.engine());
    assert!(said.contains("The ape.") && said.contains("The bat.") && !said.contains("The bee."), "{said}");
    let status = place.engine().graph_status().unwrap();
    assert!(status.unread[0].uri.ends_with("export.zip!/b.md"), "{:?}", status.unread);
    assert_eq!(place.engine().graph_verify().unwrap().unread_count, 1);

    // It is told as long as it is so, and not tried again.
    place.write("docs/other.md", "# Other\n");
    place.ingest("docs");
    let again = build(&place);
    assert_eq!((again.read, again.failures.len(), again.documents), (1, 1, 3));

    // What it was before is read again, although a page says just that.
    let summary = put(&first);
    assert_eq!((summary.read, summary.failures.len()), (1, 0));
    let said = texts(&place.engine());
    assert!(said.contains("The auk.") && said.contains("The bat.") && !said.contains("The ape."), "{said}");

    // A page that is gone is gone, and one that is not is kept beside it.
    let summary = put(&[("b.md", b"# B\n\nThe bee.\n", false)]);
    assert_eq!((summary.documents, summary.removed, summary.failures.len()), (2, 1, 1));
    assert!(texts(&place.engine()).contains("The bat."));

    // An archive inside stands for its pages.
    put(&[("part.zip", &inner, true)]);
    assert!(texts(&place.engine()).contains("The owl."));
    let summary = put(&[("part.zip", &inner, false), ("a.md", b"# A\n", true)]);
    assert_eq!((summary.documents, summary.removed, summary.failures.len()), (3, 0, 1));
    assert!(texts(&place.engine()).contains("The owl."));
}

/// Reads nothing as long as its program is missing.
struct Lacking {
    is_missing: Arc<AtomicBool>,
    same: SameProcess,
}

impl Isolation for Lacking {
    fn read(&self, request: &Request, bytes: &[u8]) -> Result<Parsed, DocumentError> {
        if self.is_missing.load(Ordering::Relaxed) {
            return Err(DocumentError::ToolMissing {
                source_uri: request.source_uri.clone(),
                program: "reader".to_owned(),
                package: "readers".to_owned(),
            });
        }
        self.same.read(request, bytes)
    }
}

#[test]
fn a_program_that_comes_is_tried_and_one_that_does_not_is_no_new_version() {
    let place = Place::new();
    let is_missing = Arc::new(AtomicBool::new(true));
    let engine = || {
        let reader = Lacking { is_missing: Arc::clone(&is_missing), same: SameProcess::default() };
        let environment = Environment { reader: Arc::new(reader), ..Environment::default() };
        Engine::new(place.settings.clone(), environment).unwrap()
    };
    place.write("docs/export.zip", archive(&[("a.md", b"# A\n\nThe auk.\n", true)]));
    place.write("docs/plain.md", "# Plain\n");
    place.ingest("docs");
    let build = || engine().graph_build(&NoProgress, &Cancel::default()).unwrap();
    let first = build();
    assert_eq!((first.documents, first.failures.len()), (1, 1));
    let version = || {
        let snapshot = engine().snapshot().unwrap();
        engine().graph(&snapshot).unwrap().unwrap().version().version
    };
    let before = version();
    let again = build();
    assert_eq!((again.documents, again.failures.len(), version()), (1, 1, before));
    is_missing.store(false, Ordering::Relaxed);
    let found = build();
    assert_eq!((found.documents, found.read, found.failures.len()), (2, 1, 0));
    assert_eq!((build().read, version()), (0, before + 1));
    holds_graph(&engine());
}

#[test]
fn a_document_that_is_being_read_says_what_it_said() {
    let place = Place::new();
    // Larger than one piece of the lake, so that reading can be stopped inside.
    let old = "The auk.\n\n".repeat(600_000);
    place.write("docs/large.md", format!("# Large\n\n{old}"));
    place.ingest("docs");
    build(&place);
    let count = |engine: &Engine| sql(engine, "SELECT count(*) FROM sections WHERE text LIKE '%The auk.%'");
    assert_eq!(count(&place.engine()), "1");
    let cancel = Cancel::default();
    place.write("docs/large.md", format!("# Large\n\n{}", "The bat.\n\n".repeat(2_000_000)));
    place.ingest_with(&place.engine(), "docs", &StopAt::update(1, &cancel), &cancel);
    let summary = build(&place);
    assert_eq!((summary.documents, summary.removed, summary.failures.len()), (1, 0, 1), "{summary:?}");
    assert!(summary.failures[0].reason.contains("so far"), "{summary:?}");
    assert_eq!(count(&place.engine()), "1");
    assert_eq!(place.engine().graph_verify().unwrap().unread_count, 1);
    assert_eq!(place.engine().graph_status().unwrap().unread.len(), 1);
    place.ingest("docs");
    assert_eq!((build(&place).failures.len(), count(&place.engine())), (0, "0".to_owned()));
}

#[test]
fn nothing_of_another_lake_is_kept() {
    let place = Place::new();
    place.write("docs/page.html", "<h1>Quay</h1><p>The auk.</p>");
    place.ingest("docs");
    build(&place);
    // Another lake in its place, in which the same name is nothing that can be read.
    let data = place.settings.data_dir.clone();
    fs::rename(data.join("graph"), place.path("graph")).unwrap();
    fs::remove_dir_all(&data).unwrap();
    let mut picture = b"%PDF-1.7\n".to_vec();
    picture.extend([0xff; 64]);
    place.write("docs/page.html", picture);
    place.ingest("docs");
    fs::rename(place.path("graph"), data.join("graph")).unwrap();
    let summary = build(&place);
    assert_eq!((summary.documents, summary.failures.len()), (0, 1), "{summary:?}");
    assert_eq!(texts(&place.engine()), "");
}

#[test]
fn progress_ends_at_its_total_and_what_points_nowhere_is_known_at_rest() {
    struct Within;
    impl Progress for Within {
        fn update(&self, update: &Update) {
            assert!(update.total.is_none_or(|total| update.done < total), "{update:?}");
        }
        fn note(&self, _: &str) {}
    }
    let place = Place::new();
    for number in 0..5 {
        place.write(&format!("docs/{number}.pdf"), [b"%PDF-1.7\n".as_slice(), &[0xff; 64]].concat());
    }
    place.write("docs/a.md", "# A\n\nSee [this](gone.md) and [that](b.md).\n");
    place.write("docs/b.md", "# B\n");
    place.ingest("docs");
    let update = || place.engine().graph_build(&Within, &Cancel::default()).unwrap();
    assert_eq!(update().pending_references, 1);
    assert_eq!(update().pending_references, 1);
    assert_eq!(place.engine().graph_status().unwrap().unresolved_references, Some(1));
    // What cannot be read is known by now, and what is new is all that there is to do.
    place.write("docs/c.md", "# C\n\nSee [nothing](nothing.md).\n");
    place.ingest("docs");
    assert_eq!(update().pending_references, 2);
    place.write("docs/more.jsonl", lines("a", 2));
    place.ingest("docs");
    assert_eq!(update().pending_references, 2);
}

#[test]
fn of_two_builders_one_waits_its_turn() {
    let place = Place::new();
    for number in 0..40 {
        place.write(&format!("docs/{number}.md"), format!("# {number}\n\nSee [next]({}.md).\n", number + 1));
    }
    place.ingest("docs");
    let barrier = Barrier::new(2);
    let results: Vec<_> = std::thread::scope(|scope| {
        let builders = [(); 2].map(|()| {
            scope.spawn(|| {
                let engine = place.engine();
                barrier.wait();
                engine.graph_build(&NoProgress, &Cancel::default())
            })
        });
        builders.into_iter().map(|builder| builder.join().unwrap()).collect()
    });
    let done: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert!(!done.is_empty() && done.iter().all(|summary| summary.documents == 40), "{results:?}");
    for refused in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(refused.kind(), stele_model::ErrorKind::Retry, "{refused}");
    }
    assert_eq!(build(&place).read, 0);
}

#[test]
fn an_index_that_stays_behind_its_graph_is_told_and_catches_up() {
    let place = graph::place();
    graph::bring_up(&place);
    place.write("docs/harbour.md", graph::HARBOUR.replace("twice a day", "every twelve hours"));
    place.ingest("docs");
    // The graph is committed, and then the machine stops before the index is.
    let strike = Arc::new(StrikeAt::new(Some("index.pointer.write"), 1, Blow::Error(ErrorKind::Other)));
    let environment = Environment { faults: strike.clone(), ..Environment::default() };
    let stopped = Engine::new(place.settings.clone(), environment).unwrap();
    assert!(stopped.index_build(&NoProgress, &Cancel::default()).is_err() && strike.struck());
    drop(stopped);
    let engine = place.engine();
    holds_graph(&engine);
    assert!(texts(&engine).contains("every twelve hours"));
    let report = engine.verify().unwrap();
    assert!(!report.index.unwrap().holds && report.ready_for_queries == Ready::No);
    // What answers is the index as it was, and it says that it is behind.
    let answer =
        engine.search(&Question { top: 20, ..Question::new("high water") }, &Cancel::default()).unwrap();
    assert!(!answer.complete);
    assert!(answer.answer.results.iter().any(|found| found.text.contains("twice a day")));
    let (summary, index) = graph::bring_up(&place);
    assert_eq!((summary.read, index.inserted, index.deleted), (0, 1, 1));
    let said = graph::found(&place.engine(), Question { top: 20, ..Question::new("high water") }).concat();
    assert!(said.contains("every twelve hours") && !said.contains("twice a day"), "{said}");
}
