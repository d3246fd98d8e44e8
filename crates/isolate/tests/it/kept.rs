//! A program that answers one line after the other.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, never};
use stele_isolate::{IsolateError, Kept, Limits};

const LIMITS: Limits = Limits {
    seconds_max: 2,
    threads_max: 1,
    memory_bytes_max: 1 << 30,
    output_bytes_max: 1024,
    file_bytes_max: 0,
};

/// A script of the shell that is kept.
fn kept(script: &str) -> Kept {
    Kept::start("sh".as_ref(), &["-c".as_ref(), script.as_ref()], &LIMITS).unwrap()
}

fn ask(kept: &mut Kept, line: &str) -> Result<String, IsolateError> {
    kept.ask(line.as_bytes(), &never()).map(|answer| String::from_utf8(answer).unwrap())
}

/// One line; the error that it comes to, after which nothing more is asked.
fn check(script: &str, expect: &str) {
    let mut kept = kept(script);
    assert_eq!(ask(&mut kept, "a").unwrap_err().to_string(), expect, "{script}");
    assert!(kept.is_spent(), "{script}");
}

#[test]
fn one_program_answers_many_lines() {
    let mut kept = kept("while read line; do echo \"<$line>\"; done");
    for line in ["a", "", "a line of words"] {
        assert_eq!(ask(&mut kept, line).unwrap(), format!("<{line}>"));
        assert!(!kept.is_spent());
    }
    // As much as an answer may have.
    let long = "x".repeat(1022);
    assert_eq!(ask(&mut kept, &long).unwrap().len(), 1024);
}

#[test]
fn what_goes_past_a_limit_is_ended_and_said() {
    check("read line; sleep 100", "it takes longer than 2 s");
    check("read line; while :; do :; done", "it takes longer than 2 s");
    check("read line; head -c 1025 /dev/zero; sleep 100", "its answer has more than 1 KiB");
    check(
        "read line; echo 'memory allocation of 8 bytes failed' >&2; exit 9",
        "it needs more than 1024 MiB of memory",
    );
    check("read line; kill -9 $$", "the process ended before it answered: signal 9 ended it");
    check("read line; printf half; exit 3", "the process ended before it answered: it ended with 3");
    check("exit 3", "the process ended before it answered: it ended with 3");
}

#[test]
fn a_program_that_complains_at_length_is_not_held_up() {
    let mut kept = kept("read line; head -c 1000000 /dev/zero >&2; echo done");
    assert_eq!(ask(&mut kept, "a").unwrap(), "done");
}

#[test]
fn who_is_asked_to_stop_says_what_there_is() {
    let stop = |after: Duration| -> Receiver<()> {
        let (tell, told) = bounded(1);
        std::thread::spawn(move || {
            // Nobody sends, so this is a wait.
            let _ = never::<()>().recv_timeout(after);
            tell.send(()).unwrap();
        });
        told
    };
    // The end of its input is how it is told.
    let mut polite = kept("read line; cat; echo so far");
    assert_eq!(polite.ask(b"a", &stop(Duration::from_millis(100))).unwrap(), b"so far");
    assert!(polite.is_spent());
    let begin = Instant::now();
    let mut stubborn = kept("read line; sleep 100");
    stubborn.ask(b"a", &stop(Duration::ZERO)).unwrap_err();
    assert!(begin.elapsed() < Duration::from_millis(1900), "{:?}", begin.elapsed());
}

#[test]
fn who_worked_for_long_or_keeps_much_memory_is_spent() {
    let mut slow = kept("while read line; do sleep 1.1; echo; done");
    assert!(ask(&mut slow, "a").is_ok() && !slow.is_spent());
    assert!(ask(&mut slow, "a").is_ok() && slow.is_spent());
    // What `cat` takes by itself is less than half of the one limit, and more than half of the other.
    let cat = |memory_bytes_max: u64| {
        let mut cat = Kept::start("cat".as_ref(), &[], &Limits { memory_bytes_max, ..LIMITS }).unwrap();
        assert_eq!(ask(&mut cat, "a").unwrap(), "a");
        cat
    };
    let small = cat(LIMITS.memory_bytes_max);
    assert!(!small.is_spent());
    let status = std::fs::read_to_string(format!("/proc/{}/status", small.id())).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let kib: u64 = size.trim().trim_end_matches("kB").trim().parse().unwrap();
    assert!(cat((kib << 10) * 3 / 2).is_spent());
}
