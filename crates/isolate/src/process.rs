//! A process, its limits, and how it ended.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, kill_process_group, prlimit};

use crate::{IsolateError, Limits};

/// A process that was started.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) handle: Handle,
}

/// Its pipes.
pub(crate) struct Pipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

/// What ends it, from any thread.
#[derive(Clone, Copy)]
pub(crate) struct Handle {
    pid: Pid,
    group: bool,
}

impl Handle {
    pub(crate) fn kill(self) {
        // It may be gone already, which is what is wanted.
        let _ = match self.group {
            true => kill_process_group(self.pid, Signal::KILL),
            false => kill_process(self.pid, Signal::KILL),
        };
    }
}

/// Starts a program that gets so many seconds of the processor in all. With `group`, it leads a group of
/// its own, so that what it starts ends with it; a program that is inside such a group already stays in it.
pub(crate) fn start(
    program: &OsStr,
    arguments: &[&OsStr],
    limits: &Limits,
    processor_seconds_max: u64,
    group: bool,
) -> Result<(Process, Pipes), IsolateError> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Otherwise the C library sets aside 64 MiB of address space for each thread that allocates.
    command.env("MALLOC_ARENA_MAX", "2");
    if group {
        command.process_group(0);
    }
    let mut child = command.spawn()?;
    let handle = Handle { pid: Pid::from_child(&child), group };
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut process = Process { child, handle };
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        process.end();
        return Err(io::Error::other("no pipe").into());
    };
    // Until it is given its input it has done nothing, so the limits come in time.
    if let Err(error) = limit(handle.pid, limits, processor_seconds_max) {
        process.end();
        return Err(error.into());
    }
    Ok((process, Pipes { stdin, stdout, stderr }))
}

impl Process {
    /// Ends it, if it has not ended by itself, and says how it did.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        self.handle.kill();
        self.child.wait().ok()
    }
}

/// Address space of a process in bytes; none if it is gone.
pub(crate) fn address_space(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let kib: u64 = size.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Sets limits on a process, none above our own.
fn limit(pid: Pid, limits: &Limits, processor_seconds_max: u64) -> io::Result<()> {
    let wanted = [
        // One second later than the signal that says why: at once, the system sends one that does not.
        (Resource::Cpu, processor_seconds_max, processor_seconds_max.saturating_add(1)),
        (Resource::As, limits.memory_bytes_max, limits.memory_bytes_max),
        (Resource::Fsize, limits.file_bytes_max, limits.file_bytes_max),
        // It leaves nothing behind when it dies.
        (Resource::Core, 0, 0),
    ];
    for (resource, current, maximum) in wanted {
        let ours = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let value = |wanted: u64| Some(wanted.min(ours));
        prlimit(Some(pid), resource, Rlimit { current: value(current), maximum: value(maximum) })?;
    }
    Ok(())
}

/// The limit that ended a process, if one did.
pub(crate) fn exceeded(status: ExitStatus, complaint: &str, limits: &Limits) -> Option<IsolateError> {
    // A limit of the processor ends a program by a signal, and so does an allocation that fails in Rust.
    let out_of_memory = ["memory allocation of", "out of memory", "Out of memory", "bad_alloc"];
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return Some(IsolateError::Seconds { seconds_max: limits.seconds_max });
    }
    if !status.success() && out_of_memory.iter().any(|words| complaint.contains(words)) {
        return Some(IsolateError::Memory { bytes_max: limits.memory_bytes_max });
    }
    None
}

/// How a process ended, in words.
pub(crate) fn how(status: Option<ExitStatus>, complaint: &str) -> String {
    let how = match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => format!("it ended with {code}"),
        Some((None, Some(signal))) => format!("signal {signal} ended it"),
        _ => "it ended".to_owned(),
    };
    match complaint.lines().next().unwrap_or_default() {
        "" => how,
        said => format!("{how}: {said}"),
    }
}
