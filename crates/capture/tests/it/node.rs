//! The real Socket.IO server, a child that is told what to do.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

pub struct Feed {
    pub port: u16,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Feed {
    /// Nothing where its library is not installed, which is said loudly, and where it must not be missing is a failure.
    pub fn start(options: Value) -> Option<Feed> {
        let library = library()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/feed.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(library)
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut feed = Feed { port: 0, child, input, output };
        feed.port = feed.answer()["port"].as_u64().unwrap() as u16;
        Some(feed)
    }

    /// Does it, and gives what was done so far.
    pub fn tell(&mut self, command: &str) -> Value {
        writeln!(self.input, "{command}").unwrap();
        self.answer()
    }

    pub fn sent(&mut self) -> i64 {
        self.tell("sent")["sent"].as_i64().unwrap()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test has no configuration and no log")]
fn library() -> Option<PathBuf> {
    let path = std::env::var_os("STELE_TEST_SOCKETIO")
        .map(PathBuf::from)
        .filter(|path| path.join("node_modules").is_dir());
    if path.is_none() {
        let missing = "STELE_TEST_SOCKETIO has to name the directory that `make setup-test` brings";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        eprintln!("SKIPPED, NOTHING TESTED: {missing}");
    }
    path
}
