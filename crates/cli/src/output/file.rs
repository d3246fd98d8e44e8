//! A file that a user asked for: it appears whole or not at all. A device or a named pipe is
//! written as it is.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::errors::Failure;

/// A file being written beside its final name.
pub struct NewFile {
    target: PathBuf,
    /// `None` for a device.
    part: Option<PathBuf>,
    /// `None` after it was finished.
    out: Option<BufWriter<File>>,
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
            return Ok(Self { target: target.to_path_buf(), part: None, out: Some(BufWriter::new(file)) });
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".part-{}", std::process::id()));
        let part = target.with_file_name(name);
        let file = File::create(&part).map_err(failed)?;
        Ok(Self { target: target.to_path_buf(), part: Some(part), out: Some(BufWriter::new(file)) })
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
        match &mut self.out {
            Some(out) => out.write(bytes),
            None => Ok(0),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
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
