//! A directory with a sample in it, and the program to run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use stele_testkit::sample::{Plan, Sample, write};

/// Content of the usual sample: every format and damage, still read in a moment.
const SAMPLE_BYTES: u64 = 300_000;

/// A temporary directory, in which the program runs.
pub struct World {
    dir: tempfile::TempDir,
    /// What was generated below `sample/`.
    pub sample: Sample,
}

impl World {
    /// A sample from `seed`, damage included.
    pub fn new(seed: u64) -> Self {
        Self::of_size(seed, SAMPLE_BYTES)
    }

    pub fn of_size(seed: u64, bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sample = write(&Plan { seed, bytes, damage: true }, &dir.path().join("sample")).unwrap();
        Self { dir, sample }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        std::fs::read(self.dir.path().join(name)).unwrap()
    }

    /// The program in this directory, not yet started. Knows nothing of the caller's settings.
    pub fn stele(&self, line: &str) -> Command {
        self.stele_args(line.split_whitespace())
    }

    /// The same, for arguments with spaces in them.
    pub fn stele_args<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stele"));
        command.current_dir(self.dir.path()).args(args).stdin(Stdio::null());
        for name in ["STELE_DATA_DIR", "STELE_CONFIG", "STELE_TIMEZONE", "STELE_THREADS", "STELE_FAILPOINT"] {
            command.env_remove(name);
        }
        // Most of what is tested here has nothing to do with the index.
        command.env("STELE_INDEX_ON_INGEST", "false");
        command
    }

    /// Runs the program and hands over everything.
    #[track_caller]
    pub fn run(&self, line: &str) -> Ran {
        Ran::of(self.stele(line).output().unwrap())
    }

    #[track_caller]
    pub fn run_args<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Ran {
        Ran::of(self.stele_args(args).output().unwrap())
    }

    /// Runs the program, which has to succeed, and gives its standard output.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        self.run(line).is(0).stdout
    }

    /// The answer to a query, one row a line.
    #[track_caller]
    pub fn sql(&self, query: &str) -> String {
        let ran = self.run_args(["sql", query, "--data-dir", "d", "--format", "csv"]).is(0);
        ran.stdout.split_once('\n').map(|(_, rows)| rows.to_owned()).unwrap_or_default()
    }

    /// Coverage of the lake, which has to hold.
    #[track_caller]
    pub fn covered(&self) {
        let report = self.run("coverage --data-dir d --json").is(0).last();
        assert_eq!(report["holds"], true, "{report}");
    }

    /// Every file of the sample comes back as it was, and every one is in the lake once.
    #[track_caller]
    pub fn complete(&self) {
        self.covered();
        assert_eq!(self.sql("SELECT count(*) FROM events"), format!("{}\n", self.sample.records()));
        assert_eq!(
            self.sql("SELECT count(DISTINCT record_id) FROM events"),
            format!("{}\n", self.sample.records())
        );
        assert_eq!(self.sql("SELECT count(*) FROM quarantine"), format!("{}\n", self.sample.quarantined()));
        for file in &self.sample.files {
            if file.bytes == 0 {
                continue;
            }
            let path = format!("sample/{}", file.path);
            let done = self.run(&format!("replay {path} --data-dir d --output back --json")).is(0).last();
            assert_eq!(done["sha256"], file.sha256.as_str(), "{path}");
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }

    #[track_caller]
    pub fn is(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard error holds all of these, and nothing that is meant for programmers.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in standard error:\n{}", self.stderr);
        }
        for debug in ["Some(", "Err(", "Os {", "panicked", "Error {", "kind:"] {
            assert!(!self.stderr.contains(debug), "{debug:?} in standard error:\n{}", self.stderr);
        }
        self
    }

    /// Every line of standard output, each of which has to be a JSON object with an event.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let parse =
            |line: &str| -> Value { serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")) };
        let events: Vec<Value> = self.stdout.lines().map(parse).collect();
        assert!(events.iter().all(|event| event["event"].is_string()), "{}", self.stdout);
        events
    }

    #[track_caller]
    pub fn last(&self) -> Value {
        self.events().pop().expect("at least one event")
    }
}
