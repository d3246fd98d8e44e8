//! What programs and people see: pure JSON, pipes that close, colours, generated pages.

use std::io::Read;
use std::process::Stdio;

use crate::world::World;

#[test]
fn json_is_all_there_is_on_standard_output() {
    let world = World::new(41);
    let ingest = world.run("ingest sample/recordings --data-dir d --json -v").is(0);
    let summary = ingest.last();
    assert_eq!(summary["event"], "summary");
    for line in [
        "discover sample/recordings --json",
        "coverage --data-dir d --json",
        "status --data-dir d --json",
        "lake status --data-dir d --json",
        "explain data.price --data-dir d --json",
        "sql SELECT/**/'x'AS/**/event --data-dir d --json",
        "doctor --data-dir d --json",
        "validate --json",
        "migrate sample/recordings --data-dir d --json",
    ] {
        assert!(!world.run(line).is(0).events().is_empty(), "{line}");
    }
}

#[test]
fn errors_are_events_too() {
    let world = World::new(42);
    for (line, code) in
        [("coverage --data-dir none --json", 1), ("discover nope --json", 1), ("ingest --jsno x --json", 2)]
    {
        let error = world.run(line).is(code).last();
        assert_eq!((&error["event"], &error["exit_code"]), (&"error".into(), &code.into()), "{line}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let world = World::of_size(43, 2_000_000);
    world.ok("ingest sample/recordings --data-dir d");
    let raw = world.sample.files.iter().max_by_key(|file| file.bytes).unwrap().path.clone();
    for line in [
        "discover sample/recordings --format json".to_owned(),
        "sql FROM/**/events --data-dir d --format jsonl".to_owned(),
        "sql FROM/**/events --data-dir d --format json".to_owned(),
        "export jsonl --data-dir d".to_owned(),
        format!("replay sample/{raw} --data-dir d"),
        "--help".to_owned(),
        "status --data-dir d".to_owned(),
    ] {
        let mut child = world.stele(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut some = [0; 64];
        let read = child.stdout.take().unwrap().read(&mut some).unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("0 rows"), "{line}: {stderr}");
        assert!(
            read > 0 && output.status.success() && !stderr.contains("error"),
            "{line}: {}\n{stderr}",
            output.status
        );
    }
}

#[test]
fn a_full_standard_output_is_an_error() {
    let world = World::new(44);
    world.ok("ingest sample/recordings --data-dir d");
    for line in [
        "status --data-dir d",
        "sql FROM/**/events --data-dir d --format csv",
        "discover sample --format tsv",
        "replay sink.jsonl --data-dir d",
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = world.stele(line).stdout(full).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {stderr}");
        assert!(stderr.contains("No space left"), "{line}: {stderr}");
    }
}

#[test]
fn no_colours_and_no_bars_where_nobody_looks() {
    let world = World::new(45);
    for line in [
        "ingest sample/recordings --data-dir d",
        "coverage --data-dir d",
        "coverage --data-dir none",
        "--help",
    ] {
        let ran = world.run(line);
        assert!(!ran.stdout.contains('\x1b') && !ran.stderr.contains('\x1b'), "{line}");
    }
}

#[test]
fn quiet_says_only_results() {
    let world = World::new(46);
    let ran = world.run("discover sample/recordings --format tsv -q").is(0);
    assert_eq!(ran.stderr, "");
    assert!(!world.ok("ingest sample/recordings --data-dir d -q").contains("Next:"));
    let page = world.ok("coverage --data-dir d -q");
    assert!(page.contains("written back byte for byte") && page.lines().count() <= 4, "{page}");
    let known = world.ok("explain data.price --data-dir d -q");
    assert!(known.contains("present in") && !known.contains(".jsonl"), "{known}");
}

#[test]
fn nothing_read_has_no_speed() {
    let world = World::new(50);
    world.ok("ingest sample/recordings --data-dir d");
    let again = world.ok("ingest sample/recordings --data-dir d");
    assert!(again.contains("duplicates") && !again.contains("B/s"), "{again}");
}

#[test]
fn completions_and_manual_pages() {
    let world = World::new(47);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(world.ok(&format!("completions {shell}")).contains("discover"), "{shell}");
    }
    assert!(world.ok("man").contains(".TH stele"));
    world.ok("man pages");
    for page in ["stele.1", "stele-ingest.1", "stele-schema-diff.1"] {
        assert!(!world.read(format!("pages/{page}")).is_empty(), "{page}");
    }
}

#[test]
fn every_command_has_help() {
    let world = World::new(48);
    let help = world.ok("--help");
    assert_eq!(world.run("help").code, Some(2), "there is one way to ask for help");
    for line in
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty())
    {
        let Some(command) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) else { continue };
        let command = command.split_whitespace().next().unwrap();
        assert!(world.ok(&format!("{command} --help")).contains("Usage: stele"), "{command}");
    }
}

#[test]
fn it_goes_by_another_name() {
    let world = World::new(49);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_stele"), world.path("ingestctl")).unwrap();
    let output = std::process::Command::new(world.path("ingestctl")).arg("ingest").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: ingestctl ingest"));
}
