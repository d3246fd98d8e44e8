//! A file that a user asked for: it appears whole or not at all. A device or a named pipe is
//! written as it is.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::errors::Failure;

/// A file being written beside its final name.
pub struct NewFile {
    target: PathBuf,
    /// `None` for a device.
    part: Option<PathBuf>,
    /// `None` after it was finished.
    out: Option<BufWriter<File>>,
    /// The first write that failed.
    failed: Option<Failure>,
}

impl NewFile {
    /// Begins the file.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn create(target: &Path) -> Result<Self, Failure> {
        if target.is_dir() {
            return Err(Failure::usage(format!("{} is a directory; name a file", target.display())));
        }
        let failed = |error| Failure::io("create", target, &error);
        if target.exists() && !target.is_file() {
            let file = File::options().write(true).open(target).map_err(failed)?;
            return Ok(Self::of(target, None, file));
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".part-{}", std::process::id()));
        let part = target.with_file_name(name);
        let file = File::create(&part).map_err(failed)?;
        Ok(Self::of(target, Some(part), file))
    }

    fn of(target: &Path, part: Option<PathBuf>, file: File) -> Self {
        Self { target: target.to_path_buf(), part, out: Some(BufWriter::new(file)), failed: None }
    }

    /// What is to be said where something that was written here failed: that the file cannot be written,
    /// if that is why. Whoever writes does not know which file it is.
    pub fn blame(&mut self, error: impl Into<Failure>) -> Failure {
        self.failed.take().unwrap_or_else(|| error.into())
    }

    fn noted<T>(&mut self, result: std::io::Result<T>) -> std::io::Result<T> {
        if let Err(error) = &result
            && ![ErrorKind::Interrupted, ErrorKind::BrokenPipe].contains(&error.kind())
        {
            self.failed.get_or_insert_with(|| Failure::io("write", &self.target, error));
        }
        result
    }

    /// Gives the file its name.
    ///
    /// # Errors
    ///
    /// If the last bytes cannot be written.
    pub fn finish(mut self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::io("write", &self.target, &error);
        let Some(mut out) = self.out.take() else {
            return Ok(());
        };
        out.flush().map_err(failed)?;
        let Some(part) = &self.part else {
            return Ok(());
        };
        out.get_ref().sync_all().map_err(failed)?;
        fs::rename(part, &self.target).map_err(failed)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.as_mut().map_or(Ok(0), |out| out.write(bytes));
        self.noted(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let flushed = self.out.as_mut().map_or(Ok(()), Write::flush);
        self.noted(flushed)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Gone after `finish`; otherwise half a file that nobody wants.
        if let Some(part) = &self.part {
            let _ = fs::remove_file(part);
        }
    }
}
