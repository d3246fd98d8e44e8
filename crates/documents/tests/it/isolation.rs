//! What nobody has to trust: bombs, loops and lies are bounded, and said.

use std::process::Command;

use stele_documents::{ChildProcess, DocumentError, Isolation, Limits, Request, Tools, parse};
use stele_model::ErrorKind;
use stele_testkit::pdf::{drawn, scanned, written};

use crate::archives::{docx, zip};
use crate::{one, parsed, request};

/// The reader of the examples as a child process.
fn child(limits: Limits) -> ChildProcess {
    let mut dir = std::env::current_exe().unwrap();
    dir.pop();
    dir.pop();
    let program = dir.join("examples/reader");
    assert!(program.exists(), "{} is built with the tests", program.display());
    ChildProcess { program: program.into(), arguments: Vec::new(), limits, tools: Tools::default() }
}

#[track_caller]
fn refused(uri: &str, bytes: &[u8], code: &str, words: &str) {
    let error = parsed(uri, bytes).expect_err("it is refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(error.kind(), ErrorKind::Fix);
    // A child says the same.
    assert_eq!(parse(&request(uri), bytes, &child(Limits::default())).expect_err("it is refused"), error);
}

#[test]
fn bombs_and_lies_are_refused() {
    let bomb = format!("<w:document>{}</w:document>", " ".repeat(40 << 20));
    refused("a.docx", &zip(&[("word/document.xml", bomb.as_bytes())]), "refused", "bomb");
    let mut laughs = String::from("<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY a \"lol\">");
    for (inner, outer) in ["a", "b", "c", "d", "e", "f", "g"].iter().zip(["b", "c", "d", "e", "f", "g", "h"])
    {
        laughs.push_str(&format!("<!ENTITY {outer} \"{}\">", format!("&{inner};").repeat(10)));
    }
    laughs.push_str("]><w:document>&h;</w:document>");
    refused("a.docx", &zip(&[("word/document.xml", laughs.as_bytes())]), "refused", "entities");
    refused("a.xlsx", &zip(&[("xl/workbook.xml", laughs.as_bytes())]), "refused", "entities");
    let deep = format!("{}{}", "<w:p>".repeat(100_000), "</w:p>".repeat(100_000));
    refused("a.docx", &docx(&deep, &[]), "refused", "deeper");
    let outside = zip(&[("word/document.xml", b"<w:document/>".as_slice()), ("../../etc/x", b"y")]);
    refused("a.docx", &outside, "refused", "leads out");
    refused("a.zip", &zip(&[("a.md", b"x".as_slice()), ("/etc/x.md", b"y")]), "refused", "leads out");
    refused("a.docx", &docx("<w:p>", &[]), "damaged", "document.xml");
    refused("a.docx", b"PK\x03\x04word/document.xml", "damaged", "archive");
    let mut locked = vec![0xd0, 0xcf, 0x11, 0xe0];
    locked.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    refused("a.docx", &locked, "locked", "password");
    refused("a.bin", b"\x7fELF\0", "unrecognised", "Markdown");
}

#[test]
fn a_bomb_within_an_export_does_not_stop_the_others() {
    let bomb = " ".repeat(40 << 20);
    let bytes = zip(&[("a.md", b"# A\n".as_slice()), ("b.md", bomb.as_bytes()), ("c.md", b"# C\n")]);
    let parsed = parsed("x.zip", &bytes).unwrap();
    assert_eq!((parsed.documents.len(), parsed.failed.len()), (2, 1));
    assert_eq!(parsed.failed[0].code(), "refused");
}

#[test]
fn a_child_reads_what_this_process_reads() {
    let bytes = docx("<w:p><w:r><w:t>hello</w:t></w:r></w:p>", &[]);
    let read = parse(&request("a.docx"), &bytes, &child(Limits::default())).unwrap();
    assert_eq!(read, parsed("a.docx", &bytes).unwrap());
}

/// Asks a child directly, whatever the format.
fn ask(isolation: &ChildProcess, uri: &str, bytes: &[u8]) -> DocumentError {
    let request = Request { tenant: "t".to_owned(), source_uri: uri.to_owned(), format: None };
    isolation.read(&request, bytes).expect_err("it takes more than it may")
}

#[test]
fn time_memory_and_output_are_limited() {
    let text = "some words and more words\n\n".repeat(400_000);
    let little_output = child(Limits { output_bytes_max: 1000, ..Limits::default() });
    let error = ask(&little_output, "a.md", text.as_bytes());
    assert!(matches!(&error, DocumentError::Limit { limit, .. } if limit.contains("output")), "{error}");
    let little_memory = child(Limits { memory_bytes_max: 32 << 20, ..Limits::default() });
    let error = ask(&little_memory, "a.md", text.as_bytes());
    assert!(matches!(&error, DocumentError::Limit { limit, .. } if limit.contains("memory")), "{error}");
    // A program that never answers.
    let mut endless = child(Limits { seconds_max: 1, ..Limits::default() });
    (endless.program, endless.arguments) = ("sleep".into(), vec!["1000".into()]);
    let error = ask(&endless, "a.md", b"x");
    assert!(matches!(&error, DocumentError::Limit { limit, .. } if limit == "1 s"), "{error}");
    // One that starts another and goes away, which would keep the pipes open.
    (endless.program, endless.arguments) = ("sh".into(), vec!["-c".into(), "sleep 1000 & exit 0".into()]);
    let error = ask(&endless, "a.md", b"x");
    assert!(matches!(&error, DocumentError::Limit { .. }), "{error}");
    // One that keeps the processor busy.
    (endless.program, endless.arguments) = ("sh".into(), vec!["-c".into(), "while :; do :; done".into()]);
    let error = ask(&endless, "a.md", b"x");
    assert!(matches!(&error, DocumentError::Limit { .. }), "{error}");
    let mut gone = child(Limits::default());
    gone.program = "no-such-program".into();
    assert_eq!(ask(&gone, "a.md", b"x").kind(), ErrorKind::Report);
}

/// Whether the programs that read PDF are here; without them a test says that it tested nothing.
#[allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test has no configuration and no log")]
fn have(test: &str, program: &str) -> bool {
    let found = Command::new(program).arg("-v").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{test}: {program} has to be installed in CI");
        eprintln!("SKIPPED, NOTHING TESTED: {test} needs {program}");
    }
    found
}

#[test]
fn pages_of_a_pdf() {
    if !have("pages_of_a_pdf", "pdftotext") {
        return;
    }
    let bytes = written(&[&["A page about boxes", "with two lines"], &[], &["The last one"]]);
    let read = parse(&request("a.pdf"), &bytes, &child(Limits::default())).unwrap();
    let document = &read.documents[0];
    let texts: Vec<&str> = document.sections.iter().map(|section| section.text.trim()).collect();
    assert_eq!(texts, ["A page about boxes\nwith two lines", "", "The last one"]);
    assert_eq!(document.sections[2].page, Some(3));
    let counts = document.conservation;
    assert_eq!((counts.pages_in, counts.pages_out, counts.pages_without_text), (3, 3, 1));
    assert!(counts.holds());
    assert_eq!((document.warnings[0].code.as_str(), document.warnings[0].place), ("page_without_text", 2));
    refused("a.pdf", b"%PDF-1.4 nonsense", "damaged", "PDF");
}

#[test]
fn a_page_that_is_repeated_is_no_bomb() {
    if !have("a_page_that_is_repeated_is_no_bomb", "pdftotext") {
        return;
    }
    let once = written(&[&["The page"]]);
    let repeated = |times: usize, count: &str| -> Vec<u8> {
        let text = String::from_utf8(once.clone()).unwrap();
        let kids = format!("/Kids [{}]", "4 0 R ".repeat(times));
        text.replace("/Kids [4 0 R ]", &kids).replace("/Count 1", count).into_bytes()
    };
    // Twice is what Poppler reads by itself.
    let document = one("twice.pdf", &repeated(2, "/Count 2"));
    assert_eq!((document.sections.len(), document.warnings.len()), (2, 0));
    // More often than there are objects.
    let document = one("often.pdf", &repeated(300, "/Count 300"));
    assert!(document.sections.iter().all(|section| section.text.trim() == "The page"), "{document:?}");
    assert!(!document.sections.is_empty() && document.conservation.holds());
    assert_eq!(document.warnings[0].code, "damaged_pages");
}

#[test]
fn pathological_pdfs_are_bounded() {
    if !have("pathological_pdfs_are_bounded", "pdftotext") {
        return;
    }
    // A form that draws itself, and a page tree that is its own child.
    let itself = drawn(
        &[("/Type /XObject /Subtype /Form /BBox [0 0 1 1]".to_owned(), b"/X Do".to_vec())],
        "/XObject << /X 5 0 R >>",
    );
    assert_eq!(one("loop.pdf", &itself).conservation.pages_in, 1);
    let tree = String::from_utf8(written(&[&["x"]])).unwrap().replace("/Kids [4 0 R ]", "/Kids [2 0 R ]");
    let _ = parsed("tree.pdf", tree.as_bytes());
    // A stream that unpacks to far more than it is packed: the answer is bounded, not the page.
    let mut drawing = Vec::new();
    for _ in 0..200_000 {
        drawing.extend_from_slice(b"(words and words and words) Tj ");
    }
    let large = drawn(
        &[(String::new(), [b"BT /F1 1 Tf ".to_vec(), drawing, b"ET".to_vec()].concat())],
        "/Font << /F1 3 0 R >>",
    );
    let bounded = child(Limits { seconds_max: 20, ..Limits::default() });
    let _ = parse(&request("large.pdf"), &large, &bounded);
}

#[test]
fn scanned_pages_are_read_where_that_is_possible() {
    if !have("scanned_pages_are_read_where_that_is_possible", "pdftotext")
        || !have("scanned pages", "tesseract")
    {
        return;
    }
    // A page that is drawn and printed again as a picture has no text of its own.
    let bytes = scanned(&written(&[&["SCANNED WORDS", "ABOUT BOXES"]]));
    let document = one("scan.pdf", &bytes);
    let text = document.sections[0].text.to_uppercase();
    assert!(text.contains("SCANNED WORDS") && text.contains("BOXES"), "{text}");
    assert_eq!(document.conservation.pages_without_text, 0);
    let without = stele_documents::SameProcess { tools: Tools { tesseract: None, ..Tools::default() } };
    let read = parse(&request("scan.pdf"), &bytes, &without).unwrap();
    let document = &read.documents[0];
    assert_eq!((document.conservation.pages_without_text, document.conservation.holds()), (1, true));
    assert_eq!(document.warnings[0].code, "page_without_text");
    let missing = stele_documents::SameProcess {
        tools: Tools { pdftotext: "no-such-program".into(), ..Tools::default() },
    };
    let error = parse(&request("scan.pdf"), &bytes, &missing).expect_err("nothing reads it");
    assert_eq!((error.code(), error.to_string().contains("poppler-utils")), ("tool_missing", true));
}
