//! What lies in a directory and is no document: left alone, named, and never in the way of the others.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode as Rights, mknodat};
use stele_http::never;
use stele_watch::{PROBLEMS_MAX, Problem, SpoolConfig, WatcherConfig, WatcherState, WatcherStatus};

use crate::rig::Rig;

const A_WHILE: Duration = Duration::from_secs(10);

fn run(rig: &Rig) -> WatcherStatus {
    rig.put("good.md", "good");
    let mut watcher = rig.open(&WatcherConfig::Spool(SpoolConfig::new(rig.inbox())));
    rig.run(&mut watcher, A_WHILE)
}

fn problem<'a>(status: &'a WatcherStatus, name: &str) -> &'a Problem {
    status
        .problems
        .iter()
        .find(|problem| problem.name == name)
        .unwrap_or_else(|| panic!("{name} in {status:?}"))
}

/// One thing that `make` puts there beside a good one. The good one is told, and the other one is named.
#[track_caller]
fn check(name: &str, cause: &str, make: impl Fn(&Rig)) {
    let rig = Rig::default();
    make(&rig);
    let status = run(&rig);
    assert_eq!(rig.said(&mut 0), "+good.md=good", "{name}");
    assert_eq!((status.state, status.known), (WatcherState::Watching, 1), "{name}");
    let problem = problem(&status, name);
    assert!(problem.cause.contains(cause), "{problem:?}");
    assert!(!problem.next_action.is_empty());
}

#[test]
fn what_is_no_file() {
    let pipe = |rig: &Rig, name: &str| {
        mknodat(CWD, rig.path(name), FileType::Fifo, Rights::from_raw_mode(0o600), 0).unwrap();
    };
    check("pipe.md", "a pipe, a socket or a device", |rig| pipe(rig, "pipe.md"));
    check("pipe.md.ready", "a pipe, a socket or a device", |rig| pipe(rig, "pipe.md.ready"));
    check("socket", "a pipe, a socket or a device", |rig| {
        drop(UnixListener::bind(rig.path("socket")).unwrap())
    });
    check("bad\u{fffd}.md", "not UTF-8", |rig| {
        std::fs::write(rig.inbox().join(OsStr::from_bytes(b"bad\xff.md")), "x").unwrap();
    });
    check("dir/bad\u{fffd}", "not UTF-8", |rig| {
        std::fs::create_dir_all(rig.path("dir").join(OsStr::from_bytes(b"bad\xff"))).unwrap();
        std::fs::write(rig.path("dir").join(OsStr::from_bytes(b"bad\xff/x.md")), "x").unwrap();
    });
    let deep = "d/".repeat(64) + "d";
    check(&deep, "more than 64 directories deep", |rig| {
        std::fs::create_dir_all(rig.path(&deep)).unwrap();
        std::fs::write(rig.path(&deep).join("x.md"), "x").unwrap();
    });
}

#[test]
fn links() {
    let outside = |rig: &Rig, name: &str| {
        std::fs::create_dir_all(rig.dir.path().join("out")).unwrap();
        std::fs::write(rig.dir.path().join("out/secret.md"), "geheim").unwrap();
        rig.dir.path().join(name)
    };
    check("link.md", "leads out of the directory", |rig| {
        symlink(outside(rig, "out/secret.md"), rig.path("link.md")).unwrap();
    });
    check("link.md", "leads out of the directory", |rig| {
        outside(rig, "");
        symlink("../out/secret.md", rig.path("link.md")).unwrap();
    });
    check("link", "leads out of the directory", |rig| {
        symlink(outside(rig, "out"), rig.path("link")).unwrap()
    });
    check("loop", "leads nowhere", |rig| symlink("loop", rig.path("loop")).unwrap());
    check("loop", "no file", |rig| symlink(".", rig.path("loop")).unwrap());
    check("a/b/up", "no file", |rig| {
        std::fs::create_dir_all(rig.path("a/b")).unwrap();
        symlink("../..", rig.path("a/b/up")).unwrap();
    });
    check("link.md", "leads nowhere", |rig| symlink("nothing", rig.path("link.md")).unwrap());

    // One that stays inside is as good as a file, as in the volumes of Kubernetes.
    let rig = Rig::default();
    rig.put("..data/x.md", "one");
    symlink("..data/x.md", rig.path("x.md")).unwrap();
    let mut watcher =
        rig.open(&WatcherConfig::Spool(SpoolConfig { rescan_s: 1, ..SpoolConfig::new(rig.inbox()) }));
    let mut already = 0;
    rig.run(&mut watcher, A_WHILE);
    assert_eq!(rig.said(&mut already), "+x.md=one");
    rig.put("..new/x.md", "other");
    symlink("..new/x.md", rig.path("..x.md")).unwrap();
    std::fs::rename(rig.path("..x.md"), rig.path("x.md")).unwrap();
    rig.run(&mut watcher, A_WHILE);
    assert_eq!(rig.said(&mut already), "~x.md=other");
}

/// The file is what it was when it was seen, and something else when it is read.
#[test]
fn what_becomes_something_else_before_it_is_read() {
    for turn in ["pipe", "link", "directory"] {
        let rig = Rig::default();
        let spool = SpoolConfig { events: false, rescan_s: 3600, ..SpoolConfig::new(rig.inbox()) };
        let mut watcher = rig.open(&WatcherConfig::Spool(spool));
        rig.put("x.md", "one");
        watcher.step(&never);
        std::fs::remove_file(rig.path("x.md")).unwrap();
        match turn {
            "pipe" => {
                mknodat(CWD, rig.path("x.md"), FileType::Fifo, Rights::from_raw_mode(0o600), 0).unwrap()
            }
            "link" => symlink("/etc/hostname", rig.path("x.md")).unwrap(),
            _ => std::fs::create_dir(rig.path("x.md")).unwrap(),
        }
        let status = rig.run(&mut watcher, A_WHILE);
        assert_eq!(rig.said(&mut 0), "", "{turn}");
        assert_eq!(status.problems_count, 1, "{turn}: {status:?}");
        problem(&status, "x.md");
    }
}

#[test]
fn problems_are_counted_and_the_first_are_named() {
    let rig = Rig::default();
    for number in 0..250 {
        symlink("nothing", rig.path(&format!("{number:03}"))).unwrap();
    }
    let status = run(&rig);
    assert_eq!((status.problems.len(), status.problems_count, status.ignored), (PROBLEMS_MAX, 250, 250));
}

#[test]
fn what_waits_is_named() {
    let rig = Rig::default();
    rig.put("lost.md.ready", "");
    let status = run(&rig);
    assert_eq!((status.waiting, status.problems_count), (1, 0));
    assert!(problem(&status, "lost.md").cause.contains("its marker is there"));
}

#[test]
fn too_many_files_are_said_and_nothing_is_gone() {
    let rig = Rig::default();
    let config =
        |entries_max| WatcherConfig::Spool(SpoolConfig { entries_max, ..SpoolConfig::new(rig.inbox()) });
    for number in 0..20 {
        rig.put(&format!("{number}.md"), "x");
    }
    let status = rig.run(&mut rig.open(&config(20)), A_WHILE);
    assert_eq!((status.known, status.error), (20, None));
    rig.put("one.md", "more");
    let status = rig.run(&mut rig.open(&config(20)), A_WHILE);
    assert_eq!((status.known, status.state), (20, WatcherState::Failing));
    let error = status.error.unwrap();
    assert!(error.cause.contains("more than 20 entries"), "{error:?}");
    assert!(error.next_action.contains("entries_max"), "{error:?}");
    assert_eq!(rig.told.arrivals().len(), 20);
}
