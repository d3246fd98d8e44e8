//! The bytes of an input after decompression, read ahead just enough to know where they end.
//!
//! Compression is told by its magic bytes, never by a name. A stream that breaks hands over what
//! was decoded before; the error comes after the last byte.

use std::io::{BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::SourceError;

/// What is read from disk at a time below a decoder: large enough that calls do not count.
const DISK_BYTES: usize = 256 << 10;

/// First bytes by which a compression is told.
const MAGIC_BYTES: usize = 10;

/// How far reading looks beyond a block to learn whether the input ends there. One page.
const PROBE_BYTES: usize = 4 << 10;

/// Content that a compressed input may hold without being looked at twice.
const EXPANDED_BYTES_FREE: u64 = 1 << 30;

/// How many times larger than the file its content may be beyond that. Gzip reaches 1,032 at
/// most and repetitive logs in zstd about as much; what goes ten times beyond is an attack.
const EXPANSION_MAX: u64 = 10_000;

/// A stream of content bytes.
pub struct Content {
    uri: String,
    compression: &'static str,
    reader: Box<dyn Read + Send>,
    disk_at: Arc<AtomicU64>,
    /// Read ahead and not yet handed over.
    ahead: Vec<u8>,
    /// Bytes taken from `reader`.
    taken: u64,
    ended: bool,
    failure: Option<SourceError>,
}

impl Content {
    /// Looks at the first bytes of `reader` and unpacks what follows accordingly.
    ///
    /// # Errors
    ///
    /// If not even these can be read.
    pub fn new(uri: &str, reader: Box<dyn Read + Send>) -> Result<Self, SourceError> {
        let unreadable = |source| SourceError::Read { uri: uri.to_owned(), at: 0, source };
        let mut reader = reader;
        let mut magic = Vec::with_capacity(MAGIC_BYTES);
        reader.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut magic).map_err(unreadable)?;
        let compression = compression(&magic);
        let disk_at = Arc::new(AtomicU64::new(0));
        let disk = Cursor::new(magic).chain(reader);
        let reader: Box<dyn Read + Send> = if compression == "none" {
            Box::new(disk)
        } else {
            let counted = Counted { reader: Box::new(disk), count: Arc::clone(&disk_at) };
            let disk = BufReader::with_capacity(DISK_BYTES, counted);
            match compression {
                "gzip" => Box::new(flate2::bufread::MultiGzDecoder::new(disk)),
                "bzip2" => Box::new(bzip2::bufread::MultiBzDecoder::new(disk)),
                _ => Box::new(zstd::stream::read::Decoder::with_buffer(disk).map_err(unreadable)?),
            }
        };
        Ok(Self {
            uri: uri.to_owned(),
            compression,
            reader,
            disk_at,
            ahead: Vec::new(),
            taken: 0,
            ended: false,
            failure: None,
        })
    }

    /// `none`, `gzip`, `bzip2` or `zstd`.
    pub fn compression(&self) -> &'static str {
        self.compression
    }

    /// What it is called in errors.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether everything has been handed over.
    pub fn is_ended(&self) -> bool {
        self.ended && self.ahead.is_empty()
    }

    /// Why the stream ended too early, once.
    pub fn take_failure(&mut self) -> Option<SourceError> {
        self.failure.take()
    }

    /// The first bytes, `len` of them if there are so many, without handing them over.
    pub fn head(&mut self, len: usize) -> &[u8] {
        if self.ahead.len() < len {
            let mut ahead = std::mem::take(&mut self.ahead);
            let missing = len - ahead.len();
            self.pull(&mut ahead, missing);
            self.ahead = ahead;
        }
        &self.ahead[..len.min(self.ahead.len())]
    }

    /// Appends up to `limit` bytes to `out`, fewer only at the end. [`Content::is_ended`] is then
    /// exact.
    pub fn fill(&mut self, out: &mut Vec<u8>, limit: usize) {
        let ready = limit.min(self.ahead.len());
        out.extend_from_slice(&self.ahead[..ready]);
        self.ahead.drain(..ready);
        self.pull(out, limit - ready);
        if self.ahead.is_empty() && !self.ended {
            let mut ahead = std::mem::take(&mut self.ahead);
            self.pull(&mut ahead, PROBE_BYTES);
            self.ahead = ahead;
        }
    }

    fn pull(&mut self, out: &mut Vec<u8>, limit: usize) {
        if self.ended || limit == 0 {
            return;
        }
        out.reserve(limit);
        let before = out.len();
        let result = self.reader.by_ref().take(limit as u64).read_to_end(out);
        let got = out.len() - before;
        self.taken += got as u64;
        if let Err(source) = result {
            self.fail(source);
        } else if got < limit {
            self.ended = true;
        } else if self.compression != "none" && self.taken > EXPANDED_BYTES_FREE {
            let disk_at = self.disk_at.load(Ordering::Relaxed);
            if self.taken / EXPANSION_MAX > disk_at {
                let reason = format!("the content is more than {EXPANSION_MAX} times as large as the file");
                self.fail(std::io::Error::other(reason));
            }
        }
    }

    fn fail(&mut self, source: std::io::Error) {
        let (uri, at) = (self.uri.clone(), self.taken);
        self.ended = true;
        self.failure = Some(match self.compression {
            "none" => SourceError::Read { uri, at, source },
            // The library has no code for it.
            "zstd" if source.to_string().contains("too much memory") => SourceError::Window { uri },
            compression => {
                let disk_at = self.disk_at.load(Ordering::Relaxed);
                SourceError::Damaged { uri, compression, at, disk_at, source }
            }
        });
    }
}

/// Compression by the first bytes of a file.
fn compression(magic: &[u8]) -> &'static str {
    match magic {
        [0x1f, 0x8b, 8, ..] => "gzip",
        // A block, or the end of a stream that has none: digits of pi and of its root.
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59] => "bzip2",
        [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90] => "bzip2",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        // A skippable frame: parallel compressors put one in front.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => "zstd",
        _ => "none",
    }
}

/// Counts what is taken from disk.
struct Counted {
    reader: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let got = self.reader.read(buf)?;
        self.count.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// Content that has been handed over: how much, and its running SHA-256 if anybody wants it.
#[derive(Clone)]
pub(crate) struct Done {
    pub bytes: u64,
    hasher: Option<Sha256>,
}

impl Done {
    pub fn new(checksum: bool) -> Self {
        Self { bytes: 0, hasher: checksum.then(Sha256::new) }
    }

    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
    }

    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.hasher.clone().map(|hasher| hasher.finalize().into())
    }
}
