//! A process that is kept: one line goes in, one line comes out, and again.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, never, select};

use crate::limits::{COMPLAINT_BYTES_MAX, STOP_TIME_MAX};
use crate::process::{Pipes, Process, address_space, exceeded, how, start};
use crate::{IsolateError, Limits};

/// A process that answers one line with one line. It should end when its input does: that is how it is
/// asked to stop, and what it sees when this program is gone. Dropping this ends it.
pub struct Kept {
    process: Process,
    /// None once it was asked to stop.
    lines: Option<Sender<Vec<u8>>>,
    answers: Receiver<Vec<u8>>,
    complaint: Receiver<String>,
    limits: Limits,
    busy: Duration,
    ended: bool,
}

impl Kept {
    /// Starts a program.
    ///
    /// # Errors
    ///
    /// If that cannot be done.
    pub fn start(program: &OsStr, arguments: &[&OsStr], limits: &Limits) -> Result<Self, IsolateError> {
        // One answer's worth may be used up before it is spent, and the last one takes as much again.
        let processor_seconds_max = limits.seconds_max.saturating_mul(limits.threads_max).saturating_mul(2);
        let (process, pipes) = start(program, arguments, limits, processor_seconds_max, true)?;
        let Pipes { stdin, stdout, stderr } = pipes;
        // Each line waits for its answer, so one has room.
        let (lines, to_write) = bounded(1);
        let (answered, answers) = bounded(1);
        let (complained, complaint) = bounded(1);
        let output_bytes_max = limits.output_bytes_max;
        let kept = Self {
            process,
            lines: Some(lines),
            answers,
            complaint,
            limits: *limits,
            busy: Duration::ZERO,
            ended: false,
        };
        let named = |name: &str| thread::Builder::new().name(format!("stele-{name}"));
        named("child-in").spawn(move || write(stdin, &to_write))?;
        named("child-out").spawn(move || read(stdout, output_bytes_max, &answered))?;
        named("child-err").spawn(move || listen(stderr, &complained))?;
        Ok(kept)
    }

    /// Hands over a line, which holds no line feed, and waits for the answer. A message on `stop` closes
    /// the input, and what the process says then is the answer; it is spent afterwards.
    ///
    /// # Errors
    ///
    /// If the process ends, or goes past one of its limits. It is spent then.
    pub fn ask(&mut self, line: &[u8], stop: &Receiver<()>) -> Result<Vec<u8>, IsolateError> {
        let begin = Instant::now();
        let answer = self.answer(line, stop, begin);
        self.busy += begin.elapsed();
        self.ended |= answer.is_err();
        answer
    }

    /// Whether it should answer nothing more: it was stopped, it is gone, it has worked for as long as
    /// one answer may take, or it holds on to half of its address space. What is left may not be enough for
    /// an answer that a new process has.
    pub fn is_spent(&self) -> bool {
        let is_tired = self.busy >= Duration::from_secs(self.limits.seconds_max);
        let is_large =
            || address_space(self.id()).is_none_or(|bytes| bytes > self.limits.memory_bytes_max / 2);
        self.ended || self.lines.is_none() || is_tired || is_large()
    }

    /// The number that the system gave it.
    pub fn id(&self) -> u32 {
        self.process.pid().as_raw_nonzero().get().unsigned_abs()
    }

    /// Ends it, and waits until it has ended.
    pub fn end(&mut self) {
        self.ended = true;
        self.process.end();
    }

    fn answer(&mut self, line: &[u8], stop: &Receiver<()>, begin: Instant) -> Result<Vec<u8>, IsolateError> {
        let line = [line, b"\n"].concat();
        if self.lines.as_ref().is_none_or(|lines| lines.send(line).is_err()) {
            return Err(self.gone());
        }
        let mut deadline = begin + Duration::from_secs(self.limits.seconds_max);
        let (mut stop, deaf) = (stop, never());
        loop {
            select! {
                recv(self.answers) -> answer => {
                    let mut answer = answer.map_err(|_| self.gone())?;
                    if answer.pop() == Some(b'\n') {
                        return Ok(answer);
                    }
                    // The end came before the line's, or the line is longer than any may be.
                    if (answer.len() as u64) < self.limits.output_bytes_max {
                        return Err(self.gone());
                    }
                    self.process.kill();
                    return Err(IsolateError::Output { bytes_max: self.limits.output_bytes_max });
                }
                recv(stop) -> _ => {
                    self.lines = None;
                    deadline = deadline.min(Instant::now() + STOP_TIME_MAX);
                    stop = &deaf;
                }
                default(deadline.saturating_duration_since(Instant::now())) => {
                    self.process.kill();
                    return Err(IsolateError::Seconds { seconds_max: self.limits.seconds_max });
                }
            }
        }
    }

    /// Why a process that closed its output did.
    fn gone(&mut self) -> IsolateError {
        let status = self.process.end();
        // What it started may hold the pipe and was ended with it, so the end of the pipe is near.
        let complaint = self.complaint.recv_timeout(STOP_TIME_MAX).unwrap_or_default();
        let limit = status.and_then(|status| exceeded(status, &complaint, &self.limits));
        limit.unwrap_or_else(|| IsolateError::Ended { how: how(status, &complaint) })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.end();
    }
}

fn write(mut stdin: ChildStdin, lines: &Receiver<Vec<u8>>) {
    // A process that reads no more tells why by how it ends.
    while let Ok(line) = lines.recv()
        && stdin.write_all(&line).is_ok()
    {}
}

/// Hands over lines, the last one with what there is of it, and one byte more than `max` of a line that
/// is too long.
fn read(stdout: ChildStdout, max: u64, answered: &Sender<Vec<u8>>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let read = stdout.by_ref().take(max.saturating_add(1)).read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) || answered.send(line).is_err() {
            return;
        }
    }
}

/// Keeps the beginning of what a process complains of, and lets it go on complaining.
fn listen(mut stderr: ChildStderr, complained: &Sender<String>) {
    let mut bytes = Vec::new();
    let _ = stderr.by_ref().take(COMPLAINT_BYTES_MAX).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut stderr, &mut std::io::sink());
    let _ = complained.send(String::from_utf8_lossy(&bytes).trim().to_owned());
}
