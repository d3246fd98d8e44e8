//! Runs one program on bytes, within limits: the only place of this crate that starts a process or
//! looks at how long something takes.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, kill_process_group, prlimit};
use serde::{Deserialize, Serialize};

use crate::limits::{
    CHILD_COMPLAINT_BYTES_MAX, CHILD_MEMORY_BYTES_MAX, CHILD_OUTPUT_BYTES_MAX, CHILD_SECONDS_MAX,
};

/// What a process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Seconds, of the clock and of the processor.
    pub seconds_max: u64,
    /// Bytes of address space.
    pub memory_bytes_max: u64,
    /// Bytes that it may answer with.
    pub output_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            seconds_max: CHILD_SECONDS_MAX,
            memory_bytes_max: CHILD_MEMORY_BYTES_MAX,
            output_bytes_max: CHILD_OUTPUT_BYTES_MAX,
        }
    }
}

/// A program that ran to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    /// What it answered.
    pub output: Vec<u8>,
    /// What it complained of, as far as it is kept.
    pub complaint: String,
    /// How it ended.
    pub status: ExitStatus,
    /// How long it took.
    pub took: Duration,
}

/// A program that did not.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It cannot be started, or its pipes broke.
    Io(io::Error),
    /// It took too long.
    Seconds,
    /// It needed too much memory.
    Memory,
    /// It answered too much.
    Output,
}

enum Event {
    Output(io::Result<Vec<u8>>),
    Complaint(Vec<u8>),
    Exit(io::Result<ExitStatus>),
}

/// Runs a program. With `group`, it leads a group of its own, so that what it starts ends with it; a
/// program that is inside such a group already stays in it.
pub(crate) fn run(
    program: &OsStr,
    arguments: &[&OsStr],
    input: &[u8],
    limits: &Limits,
    group: bool,
) -> Result<Ran, Stop> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if group {
        command.process_group(0);
    }
    let begin = Instant::now();
    let mut child = command.spawn().map_err(Stop::Io)?;
    let pid = Pid::from_child(&child);
    let kill = || {
        // It may be gone already, which is what is wanted.
        let _ = if group { kill_process_group(pid, Signal::KILL) } else { kill_process(pid, Signal::KILL) };
    };
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        kill();
        return Err(Stop::Io(io::Error::other("no pipe")));
    };
    // Until it is given its input it has done nothing, so the limits come in time.
    if let Err(error) = limit(pid, limits) {
        kill();
        let _ = child.wait();
        return Err(Stop::Io(error));
    }
    // As many as there are events.
    let (sender, events) = bounded::<Event>(3);
    thread::scope(|scope| {
        scope.spawn(move || {
            // A program that does not read to the end has its reasons, and tells them by how it ends.
            let _ = stdin.write_all(input);
        });
        spawn_reader(scope, stdout, limits.output_bytes_max, &sender, Event::Output);
        spawn_reader(scope, stderr, CHILD_COMPLAINT_BYTES_MAX, &sender, |read| {
            Event::Complaint(read.unwrap_or_default())
        });
        scope.spawn(move || {
            let _ = sender.send(Event::Exit(child.wait()));
        });
        let outcome = wait(&events, begin, limits);
        if outcome.is_err() {
            kill();
        }
        outcome
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

fn wait(events: &Receiver<Event>, begin: Instant, limits: &Limits) -> Result<Ran, Stop> {
    let deadline = begin + Duration::from_secs(limits.seconds_max);
    let (mut output, mut complaint, mut exit) = (None, None, None);
    while output.is_none() || complaint.is_none() || exit.is_none() {
        match events.recv_deadline(deadline) {
            Ok(Event::Output(bytes)) => {
                let bytes = bytes.map_err(Stop::Io)?;
                if bytes.len() as u64 > limits.output_bytes_max {
                    return Err(Stop::Output);
                }
                output = Some(bytes);
            }
            Ok(Event::Complaint(bytes)) => {
                complaint = Some(String::from_utf8_lossy(&bytes).trim().to_owned())
            }
            Ok(Event::Exit(status)) => exit = Some(status.map_err(Stop::Io)?),
            Err(RecvTimeoutError::Timeout) => return Err(Stop::Seconds),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Stop::Io(io::Error::other("a reader ended early")));
            }
        }
    }
    let (Some(output), Some(complaint), Some(status)) = (output, complaint, exit) else {
        return Err(Stop::Seconds);
    };
    // A limit of the processor ends a program by a signal, and so does an allocation that fails in Rust.
    let out_of_memory = ["memory allocation of", "out of memory", "Out of memory", "bad_alloc"];
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return Err(Stop::Seconds);
    }
    if !status.success() && out_of_memory.iter().any(|words| complaint.contains(words)) {
        return Err(Stop::Memory);
    }
    Ok(Ran { output, complaint, status, took: begin.elapsed() })
}

/// Sets limits on a process, none above our own.
fn limit(pid: Pid, limits: &Limits) -> io::Result<()> {
    let wanted = [
        // One second later than the signal that says why: at once, the system sends one that does not.
        (Resource::Cpu, limits.seconds_max, limits.seconds_max.saturating_add(1)),
        (Resource::As, limits.memory_bytes_max, limits.memory_bytes_max),
        // What is read here writes no files, and leaves none behind when it dies.
        (Resource::Fsize, 0, 0),
        (Resource::Core, 0, 0),
    ];
    for (resource, current, maximum) in wanted {
        let ours = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let value = |wanted: u64| Some(wanted.min(ours));
        prlimit(Some(pid), resource, Rlimit { current: value(current), maximum: value(maximum) })?;
    }
    Ok(())
}
