//! What a writer needs does not grow with what it is given.

use std::fs;

use crate::fixture::{World, follows, piece};

/// The most memory that this process has had, in bytes.
fn most() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Sections of one document, and bytes of the text of each.
const SECTIONS: usize = 50;
const TEXT_BYTES: usize = 4 << 10;

/// Writes `documents` documents of texts that do not compress well; says how much more memory it took.
fn grown(documents: usize) -> u64 {
    let world = World::new();
    let before = most();
    let mut writer = world.home().writer().unwrap();
    let mut state = 1_u64;
    for number in 0..documents {
        let texts: Vec<String> = (0..SECTIONS)
            .map(|_| {
                let letter = |_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    char::from(b'!' + u8::try_from(state >> 58).unwrap())
                };
                (0..TEXT_BYTES).map(letter).collect()
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        writer.put(&piece(&format!("{number}.md"), &texts, &["pull", "push"], &["0.md"])).unwrap();
    }
    let done = writer.commit(follows(1)).unwrap();
    assert_eq!(done.documents, documents as u64);
    let grown = most() - before;
    let reader = world.reader();
    assert_eq!(reader.sections().count(), documents * SECTIONS);
    grown
}

#[test]
fn fifty_thousand_sections_need_no_more_than_five_thousand() {
    let few = grown(100);
    let many = grown(1_000);
    // 200 MB of texts went through the second; what is left over is what the allocator keeps.
    assert!(many < 48 << 20, "{} MiB more for ten times as much, after {} MiB", many >> 20, few >> 20);
}
