//! A process, its limits, and how it ended.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process, kill_process_group,
    prlimit, waitid,
};

use crate::{IsolateError, Limits};

/// A process that was started. It keeps its number until [`Process::end`] has asked how it ended: from then
/// on the system may give the number to another process, and no signal is sent to it any more.
pub(crate) struct Process {
    child: Child,
    pid: Pid,
    group: bool,
    /// Whether its number may be that of another process.
    is_reaped: bool,
}

/// Its pipes.
pub(crate) struct Pipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
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
    let pid = Pid::from_child(&child);
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut process = Process { child, pid, group, is_reaped: false };
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        process.end();
        return Err(io::Error::other("no pipe").into());
    };
    // Until it is given its input it has done nothing, so the limits come in time.
    if let Err(error) = limit(pid, limits, processor_seconds_max) {
        process.end();
        return Err(error.into());
    }
    Ok((process, Pipes { stdin, stdout, stderr }))
}

impl Process {
    /// The number that the system gave it.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends it the signal that nobody survives; says whether one was sent.
    pub(crate) fn kill(&self) -> bool {
        if self.is_reaped {
            return false;
        }
        // It may have ended by itself, which is what is wanted.
        let _ = match self.group {
            true => kill_process_group(self.pid, Signal::KILL),
            false => kill_process(self.pid, Signal::KILL),
        };
        true
    }

    /// Ends it, if it has not ended by itself, with all that is left of its group, and says how it did.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        self.kill();
        self.is_reaped = true;
        self.child.wait().ok()
    }
}

/// Waits until a process has ended, and leaves it its number.
pub(crate) fn wait_for_end(pid: Pid) -> io::Result<()> {
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(Errno::INTR) => {}
            ended => return Ok(ended.map(drop)?),
        }
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

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::process::ExitStatusExt;

    use super::{start, wait_for_end};
    use crate::Limits;

    const LIMITS: Limits = Limits {
        seconds_max: 60,
        threads_max: 1,
        memory_bytes_max: 256 << 20,
        output_bytes_max: 1 << 10,
        file_bytes_max: 0,
    };

    #[test]
    fn a_number_that_was_given_back_gets_no_signal() {
        for (program, signal) in [("cat", Some(9)), ("true", None)] {
            let (mut process, pipes) = start(OsStr::new(program), &[], &LIMITS, 60, true).unwrap();
            if signal.is_none() {
                wait_for_end(process.pid()).unwrap();
            }
            // One that has ended by itself keeps its number until it is asked how.
            assert!(process.kill(), "{program}");
            let status = process.end().unwrap();
            assert_eq!(status.signal(), signal, "{program}");
            assert!(!process.kill(), "{program}");
            assert_eq!(process.end(), Some(status), "{program}");
            drop(pipes);
        }
    }
}
