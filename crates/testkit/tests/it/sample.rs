//! The sample protocol: two independent counts of it agree, and one seed is one sample.

use std::fs;
use std::io::Read;
use std::path::Path;

use stele_testkit::oracle::Count;
use stele_testkit::sample::{FileFacts, Plan, Sample, write};

fn content(dir: &Path, facts: &FileFacts) -> Vec<u8> {
    let bytes = fs::read(dir.join(&facts.path)).expect("file of the sample");
    if facts.compression == "none" {
        return bytes;
    }
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut out).expect("gzip");
    out
}

/// The messages of a web archive, as the one per line that the generator writes, with the event
/// that each frame stands for.
fn count_har(count: &mut Count, content: &[u8]) {
    let text = std::str::from_utf8(content).expect("UTF-8");
    assert!(stele_testkit::oracle::read(content).is_ok());
    for line in text.lines().filter(|line| line.starts_with("{\"type\"")) {
        let line = line.trim_end_matches(',');
        let items = stele_testkit::oracle::read(line.as_bytes()).expect("a message");
        let frame = items.last().and_then(|item| item.text.clone()).expect("a frame");
        let event = match &frame.as_bytes()[..2.min(frame.len())] {
            b"42" => frame.split('"').nth(1).expect("an event"),
            b"43" => "ack",
            b"40" => "connect",
            b"0{" => "open",
            b"2" => "ping",
            b"3" => "pong",
            other => panic!("frame {other:?}"),
        };
        count.record_of(event, line.as_bytes()).expect("a message");
    }
}

fn recount(dir: &Path, sample: &Sample) -> Count {
    let mut total = Count::default();
    for facts in &sample.files {
        let content = content(dir, facts);
        let mut count = Count::default();
        match facts.format {
            "F15" => count.document(&content).expect("a document"),
            "har" => count_har(&mut count, &content),
            _ => count.lines(&content),
        }
        assert_eq!(content.len() as u64, facts.bytes, "{}", facts.path);
        assert_eq!(count.records, facts.records, "{}", facts.path);
        assert_eq!(count.nodes, facts.nodes, "{}", facts.path);
        assert_eq!(count.blank, facts.blank, "{}", facts.path);
        assert_eq!(count.refused.len() as u64, facts.quarantined + facts.control, "{}", facts.path);
        let lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len() as u64, facts.lines, "{}", facts.path);
        let refused: usize = count.refused.iter().map(|line| lines[line.line as usize - 1].len()).sum();
        if facts.control == 0 {
            assert_eq!(refused as u64, facts.bytes_quarantine, "{}", facts.path);
        }
        total.merge(count);
    }
    total
}

#[test]
fn two_counts_agree() {
    let dir = tempfile::tempdir().expect("directory");
    let sample = write(&Plan { seed: 3, bytes: 1_500_000, damage: true }, dir.path()).expect("sample");
    let count = recount(dir.path(), &sample);
    let expected = fs::read_to_string(dir.path().join("expected.paths.tsv")).expect("expected");
    assert_eq!(count.tsv(), expected);
    assert_eq!(
        count.events.iter().map(|(name, n)| (name.as_str(), *n)).collect::<Vec<_>>(),
        sample.book.records().collect::<Vec<_>>()
    );
    for must in [
        "auctionState\tdata.farewell.note\tstring\t1\t1\n",
        "auctionState\tdata.weather\tnull|object\t",
        "auctionState\tdata.weather[\"tide.level\"]\tnumber\t",
        "auctionState\tdata.recentPrices.at.{}\tnumber\t",
        "auctionState\tdata.price\tinteger|number\t",
        "auctionState\tdata.gameHistory[].wagers[].payout\tnumber\t",
        "harbourNotice\tdata.berthFee\tinteger|number|string\t",
        "harbourNotice\tdata[\"\"]\tstring\t",
        "harbourNotice\tdata[\"odd [key]\"][\"say \\\"ahoy\\\"\"]\tinteger\t",
        "standard/newBid\tdata[].amount\tinteger|number|string\t",
        "standard/newBid\tdata[].__trace\tboolean\t",
        "placeBid\traw\tstring\t",
        "oddity\ttwice\tinteger|string\t2\t1\n",
        "unknown\t[]\tinteger|object\t2\t1\n",
    ] {
        assert!(expected.contains(must), "{must} is not in the sample");
    }
}

/// The bytes of this sample are promised: the demo, the documentation and old lakes refer to them.
#[test]
fn one_seed_is_one_sample() {
    let hashes = |seed| {
        let dir = tempfile::tempdir().expect("directory");
        let sample = write(&Plan { seed, bytes: 200_000, damage: true }, dir.path()).expect("sample");
        sample.files.iter().map(|file| format!("{} {}", &file.sha256[..16], file.path)).collect::<Vec<_>>()
    };
    let first = hashes(1);
    assert_eq!(first, hashes(1));
    assert_ne!(first, hashes(2));
    assert_eq!(first.join("\n"), PROMISED.trim());
}

const PROMISED: &str = "
25cc47a9fdae36d8 recordings/2024-03-09_12-00-00_raw.jsonl
20d456db1ba5a823 recordings/2024-03-16_12-00-00_raw.jsonl
183ce5fcefc86329 recordings/2024-03-23_12-00-00_cdp.jsonl
345775fa00f1b231 recordings/browser.har
d947a544d3d5d613 recordings/damaged/crlf_raw.jsonl
1132e3aa68d0b289 recordings/damaged/mixed_raw.jsonl
848423612666744e recordings/document.json
e3b0c44298fc1c14 recordings/empty_raw.jsonl
47d59004f61ee1a9 recordings/feed/export.jsonl
be21cd7661e56f1a recordings/games/game_000.jsonl
d1b930a303f31330 recordings/games/game_001.jsonl
bc5adfaa6106763b recordings/games/game_002.jsonl
c0f6b748741f4da9 recordings/golden/hour.jsonl
baa4a7934e17be52 recordings/quay_raw.jsonl.gz
7e7f20f498acd5cd recordings/sink.jsonl
";

#[test]
fn size_is_met() {
    let dir = tempfile::tempdir().expect("directory");
    let plan = Plan { seed: 5, bytes: 3_000_000, damage: false };
    let sample = write(&plan, dir.path()).expect("sample");
    assert!(sample.bytes().abs_diff(plan.bytes) < plan.bytes / 20, "{} bytes", sample.bytes());
    assert_eq!(sample.quarantined(), 0);
}
