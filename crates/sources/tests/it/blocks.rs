//! Bytes are conserved: through any block size, any content, compression, breaks and resumption.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use stele_sources::{Block, OpenOptions, PieceKind, RECORD_BYTES_MAX, Resume, SourceError};

use crate::{check, drain, rebuild, source};

fn sized(block_bytes: usize) -> OpenOptions {
    OpenOptions { block_bytes, ..OpenOptions::default() }
}

#[track_caller]
fn conserved(content: &[u8], options: &OpenOptions) {
    let mut source = source(content, options).expect("opens");
    let (blocks, error) = drain(&mut source);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rebuild(&blocks), content);
    assert_eq!(source.bytes_done(), content.len() as u64);
    assert_eq!(source.sha256(), Some(sha256(content)));
    let newlines = content.iter().filter(|byte| **byte == b'\n').count() as u64;
    let open = !content.is_empty() && content.last() != Some(&b'\n');
    assert_eq!(blocks.iter().map(|block| block.lines).sum::<u64>(), newlines + u64::from(open));
    for (index, block) in blocks.iter().enumerate() {
        assert_eq!(block.last, index + 1 == blocks.len());
        let before = &content[..block.byte_offset as usize];
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        assert_eq!(block.line_no, line);
    }
}

fn sha256(content: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(content).into()
}

/// Bytes that look like recordings often enough to reach every branch.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let chunk = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"{\"event\":\"e\",\"data\":[1,2]}\n".to_vec()),
        Just(b"[\n  {\"a\":\"}\"},\n  {\"a\":2}\n]\n".to_vec()),
        Just(b"{\n\"a\":\n".to_vec()),
        Just(b"{\"log\":{\"entries\":[{\"_webSocketMessages\":[{\"type\":\"send\"},\n".to_vec()),
        Just(b"42[\"e\",{}]\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
        prop::collection::vec(prop::sample::select(&b"{}[]\",:\\ \n1a"[..]), 0..12),
    ];
    prop::collection::vec(chunk, 0..24).prop_map(|chunks| chunks.concat())
}

proptest! {
    #[test]
    fn no_text_upsets_the_frame_decoder(text in "[0-6]{0,3}[-/,a0-9]{0,4}[\\[{\"\\]}:a1é]{0,12}") {
        let mut tape = stele_model::json::Tape::default();
        if let Ok(frame) = stele_sources::frame::decode(&text, &mut tape) {
            prop_assert_eq!(stele_sources::frame::body(&text), Ok(frame.body));
        }
    }

    #[test]
    fn every_byte_is_kept(content in content(), block_bytes in 1usize..200) {
        // Not what a test of recordings is about: compressed data and archives.
        prop_assume!(source(&content, &sized(block_bytes)).is_ok());
        conserved(&content, &sized(block_bytes));
        for format in ["F1", "F15", "har", "frames"] {
            let format = Some(format.to_owned());
            conserved(&content, &OpenOptions { format, ..sized(block_bytes) });
        }
    }

    #[test]
    fn resumption_gives_the_rest(content in content(), block_bytes in 1usize..64, stop in 0usize..8) {
        prop_assume!(source(&content, &sized(block_bytes)).is_ok());
        let mut whole = source(&content, &sized(block_bytes)).expect("opens");
        let mut lines_done = 0;
        for _ in 0..stop {
            lines_done += whole.next_block().expect("reads").map_or(0, |block| block.lines);
        }
        let resume = Resume { bytes_done: whole.bytes_done(), lines_done, sha256: whole.sha256().expect("a checksum was asked for") };
        let options = OpenOptions {
            resume: Some(resume),
            format: Some(whole.format().name().to_owned()),
            ..sized(block_bytes)
        };
        let expect = drain(&mut whole).0;
        let mut rest = source(&content, &options).expect("opens");
        let got = drain(&mut rest).0;
        // Lines may be shared out to blocks in another way.
        let pieces = |blocks: &[Block]| {
            let pieces = blocks.iter().flat_map(Block::pieces);
            pieces.map(|piece| format!("{piece:?}")).collect::<Vec<_>>()
        };
        prop_assert_eq!(pieces(&got), pieces(&expect));
        let lines = |blocks: &[Block]| blocks.iter().map(|block| block.lines).sum::<u64>();
        prop_assert_eq!(lines(&got), lines(&expect));
        prop_assert_eq!(rest.sha256(), Some(sha256(&content)));
    }
}

#[test]
fn lines_are_cut_at_newlines_only() {
    let pieces = |content: &str| {
        let (blocks, _) = drain(&mut source(content.as_bytes(), &sized(4)).expect("opens"));
        let pieces = blocks.iter().flat_map(Block::pieces);
        pieces
            .map(|piece| format!("{}@{}:{}", piece.line_no, piece.byte_offset, piece.bytes.escape_ascii()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(pieces("a\r\n\nb\rc\n"), r"1@0:a\r 2@3: 3@4:b\rc");
    assert_eq!(pieces("a\n\n\nb"), "1@0:a 2@2: 3@3: 4@4:b");
    assert_eq!(pieces("abcdefgh\ni"), "1@0:abcdefgh 2@9:i");
    assert_eq!(pieces(""), "");
    assert_eq!(pieces("\n"), "1@0:");
    assert_eq!(pieces("\u{feff}a\n"), r"1@0:\xef\xbb\xbf 1@3:a");
}

#[test]
fn a_byte_order_mark_is_filler() {
    check("\u{feff}{\"event\":\"e\"}\n", "lines\n1: filler \"\\u{feff}\"\n1: row e");
    conserved("\u{feff}".as_bytes(), &sized(8));
    conserved("\u{feff}\n".as_bytes(), &sized(1));
}

#[test]
fn lines_beyond_every_bound_are_rejected_in_pieces() {
    let mut content = b"{\"event\":\"a\"}\n\"".to_vec();
    content.resize(content.len() + RECORD_BYTES_MAX + (9 << 20), b'x');
    content.extend_from_slice(b"\"\n{\"event\":\"b\"}\n");
    let mut source = source(&content, &OpenOptions::default()).expect("opens");
    let (blocks, error) = drain(&mut source);
    assert!(error.is_none());
    assert!(rebuild(&blocks) == content);
    assert_eq!(blocks.iter().map(|block| block.lines).sum::<u64>(), 3);
    let mut kinds: Vec<(u64, String)> = Vec::new();
    for piece in blocks.iter().flat_map(Block::pieces) {
        assert!(piece.bytes.len() <= stele_sources::PIECE_BYTES_MAX);
        let kind = match piece.kind {
            PieceKind::Rejected(reason) => reason.to_owned(),
            kind => format!("{kind:?}"),
        };
        kinds.push((piece.line_no, kind));
    }
    kinds.dedup();
    let expect = [(1, "Line"), (2, "longer than 64 MiB"), (3, "Line")];
    assert_eq!(kinds, expect.map(|(line, kind)| (line, kind.to_owned())));
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// In blocks of 100 kB, so that one is whole before the next is cut.
fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// Lines that do not compress to nothing.
fn lines(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state
    };
    (0..count).flat_map(|n| format!("{{\"seq\":{n},\"x\":{}}}\n", next()).into_bytes()).collect()
}

#[test]
fn compressed_content_is_unpacked() {
    let content = lines(5_000);
    let (front, back) = content.split_at(70_001);
    let members = [gzip(front), gzip(back)].concat();
    let frames = [front, back].map(|part| zstd::encode_all(part, 1).expect("memory")).concat();
    let streams = [bzip2(front), bzip2(back), bzip2(b"")].concat();
    for (name, packed) in [("gzip", members), ("zstd", frames), ("bzip2", streams)] {
        let mut source = source(&packed, &sized(10_000)).expect("opens");
        assert_eq!(source.compression(), name);
        let (blocks, error) = drain(&mut source);
        assert!(error.is_none(), "{error:?}");
        assert!(rebuild(&blocks) == content);
        assert_eq!(source.sha256(), Some(sha256(&content)));
    }
}

#[test]
fn truncated_compression_keeps_what_was_unpacked() {
    let content = lines(5_000);
    for (name, packed) in [
        ("gzip", gzip(&content)),
        ("zstd", zstd::encode_all(&content[..], 1).expect("memory")),
        ("bzip2", bzip2(&content)),
    ] {
        let cut = &packed[..packed.len() * 3 / 4];
        let mut source = source(cut, &sized(10_000)).expect("opens");
        let (blocks, error) = drain(&mut source);
        let kept = rebuild(&blocks);
        assert!(!kept.is_empty() && content.starts_with(&kept), "{name}");
        let Some(SourceError::Damaged { compression, at, .. }) = error else {
            panic!("{name}: {error:?}");
        };
        assert_eq!((compression, at), (name, kept.len() as u64));
        assert!(matches!(source.next_block(), Ok(None)));
    }
}

#[test]
fn a_changed_input_is_not_continued() {
    let before = b"{\"event\":\"a\"}\n{\"event\":\"b\"}\n";
    let resume = |bytes_done: u64| Resume {
        bytes_done,
        lines_done: 1,
        sha256: sha256(&before[..bytes_done as usize]),
    };
    let open = |content: &[u8], bytes_done: u64| {
        source(content, &OpenOptions { resume: Some(resume(bytes_done)), ..OpenOptions::default() })
    };
    let changed = |result: Result<stele_sources::Source, SourceError>| {
        matches!(result, Err(SourceError::Changed { .. }))
    };
    assert!(!changed(open(before, 14)));
    assert!(changed(open(b"{\"event\":\"X\"}\n{\"event\":\"b\"}\n", 14)));
    assert!(changed(open(b"{\"event\"", 14)));
    assert!(changed(open(b"", 14)));
}

#[test]
fn a_line_that_grew_is_not_taken_for_a_new_one() {
    let rest = |before: &str, after: &str, counted: bool| {
        let resume = Resume {
            bytes_done: before.len() as u64,
            lines_done: before.lines().count() as u64 - u64::from(!counted),
            sha256: sha256(before.as_bytes()),
        };
        let options = OpenOptions { resume: Some(resume), ..OpenOptions::default() };
        let mut source = source(format!("{before}{after}").as_bytes(), &options).expect("opens");
        let (blocks, _) = drain(&mut source);
        assert_eq!(rebuild(&blocks), after.as_bytes());
        let lines: u64 = blocks.iter().map(|block| block.lines).sum();
        let pieces: Vec<_> = blocks
            .iter()
            .flat_map(Block::pieces)
            .map(|piece| {
                let rejected = matches!(piece.kind, PieceKind::Rejected(_));
                format!("{}{}{}", piece.line_no, if rejected { "!" } else { ":" }, piece.bytes.escape_ascii())
            })
            .collect();
        format!("{lines} {}", pieces.join(" "))
    };
    assert_eq!(rest("{}\n{}", "\n{\"a\":1}\n", true), "1 3:{\\\"a\\\":1}");
    assert_eq!(rest("{}\n{\"a\"", ":1}\n{}\n", true), "1 2!:1} 3:{}");
    assert_eq!(rest("{}\n{\"a\"", ":1}\n{}\n", false), "2 2!:1} 3:{}");
    assert_eq!(rest("{}\n", "{}\n", true), "1 2:{}");
}

#[test]
fn other_files_are_named() {
    check(
        "PK\u{3}\u{4}...",
        "stdin:test is a ZIP archive, which holds no records as it is; unpack or convert it first",
    );
}
