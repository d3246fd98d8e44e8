//! A program that is run to its end.

use stele_isolate::{IsolateError, Limits, run};
use stele_model::ErrorKind;

/// Runs a script of the shell; gives its output, or the error.
fn check(script: &str, limits: Limits, expect: Result<&str, &str>) {
    let ran = run("sh".as_ref(), &["-c".as_ref(), script.as_ref()], b"input", &limits, true);
    match (ran, expect) {
        (Ok(ran), Ok(expect)) => assert_eq!(String::from_utf8_lossy(&ran.output), expect, "{script}"),
        (Err(error), Err(expect)) => {
            assert_eq!(error.kind(), ErrorKind::Fix, "{script}");
            assert_eq!(error.to_string(), expect, "{script}");
        }
        (ran, _) => panic!("{script}: {ran:?}"),
    }
}

#[test]
fn what_goes_past_a_limit_is_ended_and_said() {
    let limits = Limits { seconds_max: 1, output_bytes_max: 1024, ..Limits::default() };
    check("cat", limits, Ok("input"));
    check("head -c 2000 /dev/zero", limits, Err("its answer has more than 1 KiB"));
    check("sleep 100", limits, Err("it takes longer than 1 s"));
    check("while :; do :; done", limits, Err("it takes longer than 1 s"));
    check(
        "echo 'memory allocation of 8 bytes failed' >&2; exit 9",
        limits,
        Err("it needs more than 2048 MiB of memory"),
    );
    // It writes no files, and one that may writes short ones. It waits for its input, as its limits do not.
    let file = format!("{}/file-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let write =
        format!("trap '' XFSZ; cat >&2; head -c 100 /dev/zero 2>/dev/null >{file}; wc -c <{file}; rm {file}");
    check(&write, limits, Ok("0\n"));
    check(&write, Limits { file_bytes_max: 60, ..limits }, Ok("60\n"));
}

#[test]
fn a_program_that_is_not_there_is_an_error_of_its_own() {
    let error = run("no-such-program".as_ref(), &[], b"", &Limits::default(), true).unwrap_err();
    assert!(matches!(error, IsolateError::Io(_)), "{error}");
    assert_eq!(error.kind(), ErrorKind::Report);
}

#[test]
fn a_program_that_fails_says_how() {
    let ran =
        run("sh".as_ref(), &["-c".as_ref(), "echo oh >&2; exit 3".as_ref()], b"", &Limits::default(), true);
    assert_eq!(ran.unwrap().how(), "it ended with 3: oh");
}
