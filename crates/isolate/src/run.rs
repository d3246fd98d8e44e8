//! Runs one program on bytes, within limits.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::limits::COMPLAINT_BYTES_MAX;
use crate::process::{Pipes, exceeded, how, start, wait_for_end};
use crate::{IsolateError, Limits};

/// A program that ran to its end.
#[derive(Debug)]
pub struct Ran {
    /// What it answered.
    pub output: Vec<u8>,
    /// What it complained of, as far as it is kept.
    pub complaint: String,
    /// How it ended.
    pub status: ExitStatus,
    /// How long it took.
    pub took: Duration,
}

impl Ran {
    /// How it ended, in words, with the first line of what it complained of.
    pub fn how(&self) -> String {
        how(Some(self.status), &self.complaint)
    }
}

enum Event {
    Output(io::Result<Vec<u8>>),
    Complaint(Vec<u8>),
    Exit(io::Result<()>),
}

/// Runs a program. With `group`, it leads a group of its own, so that what it starts ends with it; a
/// program that is inside such a group already stays in it.
///
/// # Errors
///
/// If it cannot be started, or goes past one of its limits. A program that fails is no error.
pub fn run(
    program: &OsStr,
    arguments: &[&OsStr],
    input: &[u8],
    limits: &Limits,
    group: bool,
) -> Result<Ran, IsolateError> {
    let begin = Instant::now();
    let processor_seconds_max = limits.seconds_max.saturating_mul(limits.threads_max);
    let (mut process, pipes) = start(program, arguments, limits, processor_seconds_max, group)?;
    let Pipes { mut stdin, stdout, stderr } = pipes;
    let pid = process.pid();
    // As many as there are events.
    let (sender, events) = bounded::<Event>(3);
    thread::scope(|scope| {
        scope.spawn(move || {
            // A program that does not read to the end has its reasons, and tells them by how it ends.
            let _ = stdin.write_all(input);
        });
        spawn_reader(scope, stdout, limits.output_bytes_max, &sender, Event::Output);
        spawn_reader(scope, stderr, COMPLAINT_BYTES_MAX, &sender, |read| {
            Event::Complaint(read.unwrap_or_default())
        });
        scope.spawn(move || {
            let _ = sender.send(Event::Exit(wait_for_end(pid)));
        });
        let outcome = wait(&events, begin, limits);
        // Nobody has asked how it ended before this, so what gets the signal is this process and no other.
        let status = process.end();
        let (output, complaint) = outcome?;
        let status = status.ok_or_else(|| io::Error::other("nobody knows how the process ended"))?;
        match exceeded(status, &complaint, limits) {
            Some(error) => Err(error),
            None => Ok(Ran { output, complaint, status, took: begin.elapsed() }),
        }
    })
}

/// Reads to the end or to one byte more than `max`, and says what it read. The pipe closes afterwards,
/// so a program that goes on writing ends.
fn spawn_reader<'s>(
    scope: &'s thread::Scope<'s, '_>,
    pipe: impl Read + Send + 's,
    max: u64,
    sender: &Sender<Event>,
    event: impl Fn(io::Result<Vec<u8>>) -> Event + Send + 's,
) {
    let sender = sender.clone();
    scope.spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.take(max + 1).read_to_end(&mut bytes);
        let _ = sender.send(event(read.map(|_| bytes)));
    });
}

/// Waits for all three events; gives what the program answered, and what it complained of.
fn wait(
    events: &Receiver<Event>,
    begin: Instant,
    limits: &Limits,
) -> Result<(Vec<u8>, String), IsolateError> {
    let late = || IsolateError::Seconds { seconds_max: limits.seconds_max };
    let deadline = begin + Duration::from_secs(limits.seconds_max);
    let (mut output, mut complaint, mut has_ended) = (None, None, false);
    while output.is_none() || complaint.is_none() || !has_ended {
        match events.recv_deadline(deadline) {
            Ok(Event::Output(bytes)) => {
                let bytes = bytes?;
                if bytes.len() as u64 > limits.output_bytes_max {
                    return Err(IsolateError::Output { bytes_max: limits.output_bytes_max });
                }
                output = Some(bytes);
            }
            Ok(Event::Complaint(bytes)) => {
                complaint = Some(String::from_utf8_lossy(&bytes).trim().to_owned())
            }
            Ok(Event::Exit(ended)) => {
                ended?;
                has_ended = true;
            }
            Err(RecvTimeoutError::Timeout) => return Err(late()),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("a reader ended early").into());
            }
        }
    }
    output.zip(complaint).ok_or_else(late)
}
