//! An output that is counted and hashed on its way.

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

use super::Exported;
use crate::sql::output::Written;

pub(super) struct Digest<W> {
    out: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Digest<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, hash: Sha256::new(), bytes: 0 }
    }

    pub(super) fn finish(self, written: Written) -> Exported {
        Exported {
            rows: written.rows,
            bytes: self.bytes,
            sha256: self.hash.finalize().into(),
            end: written.end,
        }
    }
}

impl<W: Write> Write for Digest<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.hash.update(&bytes[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
