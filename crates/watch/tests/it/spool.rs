//! What a spool directory means: one line a case.

use std::time::Duration;

use stele_watch::{Mode, NoEvents, SpoolConfig, WatcherConfig, content_of};

use crate::rig::Rig;

/// Longer than anything takes to settle, and shorter than the wait for a rename.
const A_WHILE: Duration = Duration::from_secs(10);

/// Each part between `|` is done at once: `NAME=TEXT` writes, `A>B` renames, `-NAME` removes. After each of them time
/// passes, and what is said meanwhile has to be what stands in the same place of `expect`.
#[track_caller]
fn check(mode: Mode, script: &str, expect: &str) {
    // With the events of the system, by looking alone, and with a watcher that is started anew each time.
    for (events, anew) in [(true, false), (false, false), (true, true)] {
        let mut rig = Rig::default();
        if !events {
            rig = rig.with_events(|| Box::new(NoEvents));
        }
        let spool = SpoolConfig {
            mode,
            events,
            rescan_s: if events { 3600 } else { 1 },
            ..SpoolConfig::new(rig.inbox())
        };
        let config = WatcherConfig::Spool(spool);
        let mut watcher = Some(rig.open(&config));
        let (mut already, mut said) = (0, Vec::new());
        for part in script.split('|') {
            part.split_whitespace().for_each(|action| act(&rig, action));
            if anew {
                drop(watcher.take());
            }
            let watcher = watcher.get_or_insert_with(|| rig.open(&config));
            let status = rig.run(watcher, A_WHILE);
            assert_eq!(status.error, None, "{script}");
            said.push(rig.said(&mut already));
        }
        assert_eq!(said.join(" | "), expect, "{script} in {mode:?}, events: {events}, anew: {anew}");
        rig.told.world();
    }
}

fn act(rig: &Rig, action: &str) {
    if let Some(name) = action.strip_prefix('-') {
        let path = rig.path(name);
        return if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
            .unwrap();
    }
    if let Some((name, text)) = action.split_once('=') {
        return rig.put(name, &text.replace("\\n", "\n"));
    }
    let (from, to) = action.split_once('>').unwrap();
    std::fs::create_dir_all(rig.path(to).parent().unwrap()).unwrap();
    std::fs::rename(rig.path(from), rig.path(to)).unwrap();
}

#[test]
fn markers() {
    for mode in [Mode::Ready, Mode::Auto] {
        let check = |script: &str, expect: &str| check(mode, script, expect);
        // Never a part; the content inside.
        check("x.md.part=one", "");
        check("x.md.part=one | x.md.part>x.md.ready", " | +x.md=one@x.md.ready");
        check("x.md.part=one x.md.part>x.md.ready | x.md.ready>x.md.ready", "+x.md=one@x.md.ready | ");
        check("a/b/x.md.part=one | a/b/x.md.part>a/b/x.md.ready", " | +a/b/x.md=one@a/b/x.md.ready");
        // Both at once, and a marker that comes first.
        check("x.md=one x.md.ready=", "+x.md=one");
        check("x.md.ready= | x.md=one", " | +x.md=one");
        check("x.md.ready= | x.md.part=one | x.md.part>x.md", " |  | +x.md=one");
        // As `echo` makes one; and something that is longer than it looks.
        check("x.md=one x.md.ready=\\n", "+x.md=one");
        check("x.md.ready=\\n\\n | x.md=one", " | +x.md=one");
        // Again, by either way.
        check("x.md=one x.md.ready= | x.md=other", "+x.md=one | ~x.md=other");
        check("x.md.ready=one | x.md.ready=other", "+x.md=one@x.md.ready | ~x.md=other@x.md.ready");
        check(
            "x.md=one x.md.ready= | x.md.part=other x.md.part>x.md.ready",
            "+x.md=one | ~x.md=other@x.md.ready",
        );
        // Written anew with what it said.
        check("x.md=one x.md.ready= | x.md=one", "+x.md=one | ");
        check("x.md.ready=one | x.md.ready>x.md x.md.ready=", "+x.md=one@x.md.ready | ");
        // There and back again.
        check(
            "x.md.ready=A | x.md.ready=BB | x.md.ready=A",
            "+x.md=A@x.md.ready | ~x.md=BB@x.md.ready | ~x.md=A@x.md.ready",
        );
        // Two names, one content.
        check("x.md.ready=one y.md.ready=one", "+x.md=one@x.md.ready +y.md=one@y.md.ready");
        // Gone, whichever way it came.
        check("x.md=one x.md.ready= | -x.md", "+x.md=one | -x.md");
        check("x.md=one x.md.ready= | -x.md -x.md.ready", "+x.md=one | -x.md");
        check("x.md.ready=one | -x.md.ready", "+x.md=one@x.md.ready | -x.md");
        check("x.md=one x.md.ready= | -x.md.ready", "+x.md=one | ");
        check(
            "x.md.ready=one | -x.md.ready | x.md.ready=one",
            "+x.md=one@x.md.ready | -x.md | +x.md=one@x.md.ready",
        );
        // Renamed, with marker or without.
        check("x.md=one x.md.ready= | x.md>y.md x.md.ready>y.md.ready", "+x.md=one | x.md>y.md=one");
        check("x.md.ready=one | x.md.ready>y.md.ready", "+x.md=one@x.md.ready | x.md>y.md=one@y.md.ready");
        check(
            "a/x.md.ready=1 a/y.md.ready=22 | a>b",
            "+a/x.md=1@a/x.md.ready +a/y.md=22@a/y.md.ready | a/x.md>b/x.md=1@b/x.md.ready a/y.md>b/y.md=22@b/y.md.ready",
        );
        // Nobody's.
        check("x.md.ready.ready=one x.md.part.ready=one .x.md.ready=one .a/x.md.ready=one", "");
    }
}

#[test]
fn without_a_marker() {
    check(Mode::Ready, "x.md=one", "");
    check(Mode::Ready, "x.md=one | x.md.ready=", " | +x.md=one");
    check(Mode::Ready, "x.md.ready=one | x.md=other", "+x.md=one@x.md.ready | ");
    for mode in [Mode::Direct, Mode::Auto] {
        let check = |script: &str, expect: &str| check(mode, script, expect);
        check("x.md=one", "+x.md=one");
        check("x.md.part=one | x.md.part>x.md", " | +x.md=one");
        check("x.md=one | x.md=other", "+x.md=one | ~x.md=other");
        check("x.md=A | x.md=BB | x.md=A", "+x.md=A | ~x.md=BB | ~x.md=A");
        check("x.md=one | -x.md", "+x.md=one | -x.md");
        check("x.md=one | x.md>y.md", "+x.md=one | x.md>y.md=one");
        check("x.md=one | x.md>y.md x.md=other", "+x.md=one | ~x.md=other +y.md=one");
        check("x.md=1 y.md=22 | x.md>z y.md>x.md z>y.md", "+x.md=1 +y.md=22 | ~x.md=22 ~y.md=1");
        check(
            "a/x.md=1 b/x.md=1 | a/x.md>c/x.md b/x.md>c/y.md",
            "+a/x.md=1 +b/x.md=1 | a/x.md>c/x.md=1 b/x.md>c/y.md=1",
        );
        check("a/b/c/x.md=1 | -a", "+a/b/c/x.md=1 | -a/b/c/x.md");
        check("a/x.md=1 | a>.a | .a>b", "+a/x.md=1 | -a/x.md | +b/x.md=1");
        // What has no content is nothing renamed.
        check("x.md= | x.md>y.md", "+x.md= | +y.md= -x.md");
        // As editors save.
        check("x.md=one | .x.swp=other x.md>x.md~ .x.swp>x.md -x.md~", "+x.md=one | ~x.md=other");
        check("x.md=one | .x.md.swp=1 .git/config=1 | ", "+x.md=one |  | ");
    }
    check(Mode::Direct, "x.md.ready=one", "");
    check(Mode::Direct, "x.md=one x.md.ready=", "+x.md=one");
    check(Mode::Auto, "x.md=one | x.md.ready=", "+x.md=one | ");
    // The newer one of two counts.
    check(Mode::Auto, "x.md.ready=one | x.md=other", "+x.md=one@x.md.ready | ~x.md=other");
}

#[test]
fn what_still_changes_is_left_alone() {
    let rig = Rig::default();
    let mut watcher = rig.open(&WatcherConfig::Spool(SpoolConfig::new(rig.inbox())));
    let mut already = 0;
    let second = Duration::from_secs(1);
    // It grows every two seconds, which is never long enough.
    for length in 1..=10 {
        rig.put("x.md", &"x".repeat(length));
        let status = rig.run(&mut watcher, 2 * second);
        assert_eq!((rig.said(&mut already).as_str(), status.waiting), ("", 1));
    }
    let status = rig.run(&mut watcher, second);
    assert_eq!((rig.said(&mut already).as_str(), status.waiting), ("+x.md=xxxxxxxxxx", 0));

    // A time that is set anew, with nothing new, is no change either.
    rig.run(&mut watcher, second);
    rig.set_time(&rig.path("x.md"));
    assert_eq!(rig.run(&mut watcher, 10 * second).known, 1);
    assert_eq!(rig.said(&mut already), "");

    // It has to be gone for as long as it has to be there.
    std::fs::remove_file(rig.path("x.md")).unwrap();
    rig.run(&mut watcher, 2 * second);
    assert_eq!(rig.said(&mut already), "");
    rig.put("x.md", "xxxxxxxxxx");
    rig.run(&mut watcher, 10 * second);
    assert_eq!(rig.said(&mut already), "");
}

#[test]
fn what_happened_while_nobody_looked_is_said() {
    let rig = Rig::default();
    let config = WatcherConfig::Spool(SpoolConfig::new(rig.inbox()));
    let mut already = 0;
    for (name, text) in [("same", "1"), ("other", "22"), ("old", "333"), ("gone", "4444")] {
        rig.put(name, text);
    }
    rig.run(&mut rig.open(&config), A_WHILE);
    assert_eq!(rig.said(&mut already), "+gone=4444 +old=333 +other=22 +same=1");
    rig.put("other", "changed");
    std::fs::rename(rig.path("old"), rig.path("new")).unwrap();
    std::fs::remove_file(rig.path("gone")).unwrap();
    let mut watcher = rig.open(&config);
    assert_eq!(watcher.status().known, 4);
    let status = rig.run(&mut watcher, A_WHILE);
    assert_eq!(rig.said(&mut already), "old>new=333 ~other=changed -gone");
    assert_eq!((status.known, status.seen, status.handed_over), (3, 3, 3));
}

#[test]
fn a_directory_that_is_missing_says_nothing() {
    let rig = Rig::default();
    let config = WatcherConfig::Spool(SpoolConfig::new(rig.inbox()));
    let mut watcher = rig.open(&config);
    let mut already = 0;
    rig.put("x.md", "one");
    rig.run(&mut watcher, A_WHILE);
    assert_eq!(rig.said(&mut already), "+x.md=one");
    let aside = rig.dir.path().join("aside");
    std::fs::rename(rig.inbox(), &aside).unwrap();
    let status = rig.run(&mut watcher, A_WHILE);
    let error = status.error.unwrap();
    assert!(error.cause.contains("cannot be watched: No such file"), "{error:?}");
    assert!(error.next_action.contains("nothing counts as gone"), "{error:?}");
    assert_eq!((status.failures > 1, status.known, rig.said(&mut already).as_str()), (true, 1, ""));

    // It comes back as another one, with something else in it.
    std::fs::create_dir(rig.inbox()).unwrap();
    rig.put("y.md", "other");
    let status = rig.run(&mut watcher, 3 * A_WHILE);
    assert_eq!((rig.said(&mut already).as_str(), status.error), ("+y.md=other -x.md", None));
    // And what says what changes says it about the new one: the next look at all of it is far away.
    rig.put("z.md", "another");
    rig.run(&mut watcher, Duration::from_secs(5));
    assert_eq!(rig.said(&mut already), "+z.md=another");
}

/// Whoever reads a document later finds it where the watcher did.
#[test]
fn a_document_is_read_where_it_was_found() {
    let check = |mode: Mode, plain: Option<(&str, u64)>, ready: Option<(&str, u64)>, expect: &str| {
        let rig = Rig::default();
        for (name, file) in [("x.md", plain), ("x.md.ready", ready)] {
            let Some((text, age_s)) = file else { continue };
            rig.put(name, text);
            let path = rig.path(name);
            let then = std::fs::metadata(&path).unwrap().modified().unwrap() - Duration::from_secs(age_s);
            std::fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
        }
        let read = content_of(&rig.path("x.md"), mode);
        assert_eq!(read, rig.path(expect), "{mode:?} {plain:?} {ready:?}");
        // As the watcher has it, where it has something.
        let mut watcher =
            rig.open(&WatcherConfig::Spool(SpoolConfig { mode, ..SpoolConfig::new(rig.inbox()) }));
        rig.run(&mut watcher, Duration::from_secs(10));
        for arrival in rig.told.arrivals() {
            assert_eq!((arrival.location, arrival.uri), (rig.uri(expect), rig.uri("x.md")));
        }
    };
    let (old, new) = (Some(("old", 100)), Some(("new", 10)));
    for mode in [Mode::Auto, Mode::Ready, Mode::Direct] {
        check(mode, None, None, "x.md");
        check(mode, old, None, "x.md");
        check(mode, old, Some(("", 10)), "x.md");
        // As `echo` writes it, after the document.
        check(mode, old, Some(("\n", 10)), "x.md");
    }
    for mode in [Mode::Auto, Mode::Ready] {
        check(mode, None, new, "x.md.ready");
        check(mode, old, new, "x.md.ready");
        check(mode, Some(("one", 10)), Some(("other", 10)), "x.md.ready");
    }
    check(Mode::Auto, new, old, "x.md");
    check(Mode::Ready, new, old, "x.md.ready");
    check(Mode::Direct, old, new, "x.md");
}
