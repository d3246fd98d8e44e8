//! Answers that are used again, and files that somebody broke.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use stele_collect::{CacheKey, Kept, Known, ResponseCache};

const TTL: Duration = Duration::from_secs(60);
const MINUTE: i64 = 60_000_000;

fn key(url: &str) -> CacheKey<'_> {
    CacheKey { method: "GET", url, body: b"", identity: "ann" }
}

fn kept(body: &str, etag: Option<&str>) -> Kept {
    Kept {
        status: 200,
        headers: vec![("link".to_owned(), "<x>; rel=next".to_owned())],
        etag: etag.map(str::to_owned),
        modified: None,
        body: body.as_bytes().to_vec(),
    }
}

fn cache(bytes_max: u64) -> (tempfile::TempDir, ResponseCache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = ResponseCache::new(directory.path().join("answers"), TTL, bytes_max);
    (directory, cache)
}

fn files(directory: &tempfile::TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.path().join("answers")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn sources_08_an_answer_is_fresh_then_stale_then_fresh_again() {
    let (_directory, cache) = cache(1 << 20);
    let answer = kept("[1]\nand more", Some("\"v1\""));
    assert_eq!(cache.get(&key("/a"), 0), Known::Nothing);
    cache.put(&key("/a"), &answer, 0);
    assert_eq!(cache.get(&key("/a"), MINUTE - 1), Known::Fresh(answer.clone()));
    assert_eq!(cache.get(&key("/a"), MINUTE), Known::Stale(answer.clone()));
    cache.holds(&key("/a"), &answer, MINUTE);
    assert_eq!(cache.get(&key("/a"), MINUTE + 1), Known::Fresh(answer));
    // One that nothing tells from another state is old when it is old.
    cache.put(&key("/b"), &kept("x", None), 0);
    assert_eq!(cache.get(&key("/b"), MINUTE), Known::Nothing);
    // A clock that went back.
    assert_eq!(cache.get(&key("/b"), -1), Known::Nothing);
}

#[test]
fn sources_08_an_answer_from_before_the_end_of_a_run_is_old() {
    let (directory, cache) = cache(1 << 20);
    let cache = cache.until_ended();
    let (told, untold) = (kept("[1]", Some("\"v1\"")), kept("[2]", None));
    // Nothing is there that could be old.
    cache.ended(0);
    cache.put(&key("/a"), &told, 1);
    cache.put(&key("/b"), &untold, 1);
    assert_eq!(cache.get(&key("/a"), 2), Known::Fresh(told.clone()));
    cache.ended(2);
    assert_eq!(cache.get(&key("/a"), 3), Known::Stale(told.clone()));
    assert_eq!(cache.get(&key("/b"), 3), Known::Nothing);
    // The next run may be cut short, and go on from what it was told.
    cache.holds(&key("/a"), &told, 3);
    assert_eq!(cache.get(&key("/a"), 4), Known::Fresh(told.clone()));
    // Another program on the same directory; one to which somebody gave a time; and a mark that nobody can read.
    let of = || ResponseCache::new(directory.path().join("answers"), TTL, 1 << 20);
    assert_eq!(of().until_ended().get(&key("/b"), 4), Known::Nothing);
    assert_eq!(of().get(&key("/b"), 4), Known::Fresh(untold));
    fs::write(directory.path().join("answers/ended"), "soon").unwrap();
    assert_eq!(cache.get(&key("/a"), 4), Known::Stale(told));
}

#[test]
fn sources_08_every_part_of_a_request_tells_it_from_others() {
    let (directory, cache) = cache(1 << 20);
    cache.put(&key("/a?x=1"), &kept("x", None), 0);
    let check = |key: CacheKey<'_>| assert_eq!(cache.get(&key, 0), Known::Nothing, "{key:?}");
    check(CacheKey { method: "POST", ..key("/a?x=1") });
    check(key("/a?x=2"));
    check(CacheKey { body: b"{}", ..key("/a?x=1") });
    check(CacheKey { identity: "ben", ..key("/a?x=1") });
    // Nothing of the key is written down.
    assert!(!fs::read_to_string(&files(&directory)[0]).unwrap().contains("ann"));
}

#[test]
fn sources_08_failures_are_not_kept() {
    let (_directory, cache) = cache(1 << 20);
    for status in [199, 304, 400, 429, 500, 503] {
        cache.put(&key("/a"), &Kept { status, ..kept("x", None) }, 0);
        assert_eq!(cache.get(&key("/a"), 0), Known::Nothing, "{status}");
    }
    // Nor is it a failure when nothing can be kept.
    let nowhere = ResponseCache::new("/proc/nowhere", TTL, 1 << 20);
    nowhere.put(&key("/a"), &kept("x", None), 0);
    assert_eq!(nowhere.get(&key("/a"), 0), Known::Nothing);
}

#[test]
fn sources_08_a_damaged_file_is_as_none() {
    let check = |damage: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let (directory, cache) = cache(1 << 20);
        cache.put(&key("/a"), &kept("[1,2,3]", None), 0);
        let file = &files(&directory)[0];
        fs::write(file, damage(fs::read(file).unwrap())).unwrap();
        assert_eq!(cache.get(&key("/a"), 0), Known::Nothing);
        assert!(!file.exists());
        cache.put(&key("/a"), &kept("[1,2,3]", None), 0);
        assert!(matches!(cache.get(&key("/a"), 0), Known::Fresh(_)));
    };
    check(&|_| Vec::new());
    check(&|bytes| bytes[..bytes.len() - 1].to_vec());
    check(&|mut bytes| {
        let last = bytes.len() - 2;
        bytes[last] ^= 1;
        bytes
    });
    check(&|bytes| bytes[1..].to_vec());
    check(&|_| b"{}\n".to_vec());
}

#[test]
fn sources_08_the_oldest_makes_room() {
    let (directory, cache) = cache(10_000);
    for number in 0..20 {
        cache.put(&key(&format!("/{number}")), &kept(&"x".repeat(1_000), None), 0);
    }
    let bytes: u64 = files(&directory).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!((2_000..=10_000).contains(&bytes), "{bytes}");
    assert!(matches!(cache.get(&key("/19"), 0), Known::Fresh(_)));
    assert_eq!(cache.get(&key("/0"), 0), Known::Nothing);
    // One that is larger than a quarter of it is not kept at all.
    cache.put(&key("/large"), &kept(&"x".repeat(3_000), None), 0);
    assert_eq!(cache.get(&key("/large"), 0), Known::Nothing);
    cache.clear();
    assert_eq!(files(&directory).len(), 0);
}
