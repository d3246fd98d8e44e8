//! Answers of services, kept on disk to be used again. It is a convenience: whatever is wrong with it, the service is asked.
//!
//! A file holds one answer: a line of JSON about it, and its words. Only answers of 2xx are kept.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stele_model::Micros;

/// Bytes of all answers at most, if nothing else is said.
pub const CACHE_BYTES_MAX: u64 = 256 << 20;

/// One answer may fill so much of it, as a part: one that is larger would push out all others.
const ANSWER_PART: u64 = 4;

/// How files of answers end, and those that are being written.
const ENDING: &str = "answer";

/// Holds when the last run came to its end. It is no answer and takes no room.
const ENDED: &str = "ended";

/// Answers of any number of services below one directory.
#[derive(Debug)]
pub struct ResponseCache {
    directory: PathBuf,
    ttl: Duration,
    /// What was kept before the end of a run is old after it.
    until_ended: bool,
    bytes_max: u64,
    /// Bytes that are there, about: they are counted again when it seems to be full.
    bytes: AtomicU64,
    number: AtomicU64,
}

/// What a request is told by. Who asks is part of it: others may be answered otherwise.
#[derive(Debug, Clone, Copy)]
pub struct CacheKey<'a> {
    /// `GET` …
    pub method: &'a str,
    /// With everything behind `?`.
    pub url: &'a str,
    /// What is sent.
    pub body: &'a [u8],
    /// Who asks: the secret itself, or what it is made from. Only a hash of all of it is kept.
    pub identity: &'a str,
}

/// An answer that was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// 200 to 299.
    pub status: u16,
    /// Headers that are needed to go on, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
    /// All of its words.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// What is known of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is as good as asked for.
    Fresh(Kept),
    /// It is old; the service can say whether it still holds.
    Stale(Kept),
    /// Nothing.
    Nothing,
}

#[derive(Serialize, Deserialize)]
struct About {
    at: Micros,
    hash: String,
    #[serde(flatten)]
    kept: Kept,
}

impl ResponseCache {
    /// Below this directory, which is made when something is kept.
    pub fn new(directory: impl Into<PathBuf>, ttl: Duration, bytes_max: u64) -> Self {
        let cache = Self {
            directory: directory.into(),
            ttl,
            until_ended: false,
            bytes_max,
            bytes: AtomicU64::new(0),
            number: AtomicU64::new(0),
        };
        cache.bytes.store(cache.files().iter().map(|(_, bytes, _)| bytes).sum(), Ordering::Relaxed);
        cache
    }

    /// What is kept serves a run that goes on where another was cut short. What is older than the last run that came to its
    /// [end](Self::ended) is old, whatever its age: a service may have something new at any time.
    pub fn until_ended(self) -> Self {
        Self { until_ended: true, ..self }
    }

    /// A run came to its end.
    pub fn ended(&self, now: Micros) {
        if !self.directory.is_dir() {
            return;
        }
        // Moved into place: half of a number would be another time.
        let beside = self.directory.join(format!("{ENDED}.{}", std::process::id()));
        let path = self.directory.join(ENDED);
        let written = fs::write(&beside, now.to_string()).and_then(|()| fs::rename(&beside, path));
        if let Err(error) = written {
            tracing::debug!(%error, "the end of a run cannot be noted; kept answers are forgotten");
            self.clear();
        }
    }

    /// When the last run came to its end. A time that cannot be read makes everything old.
    fn ended_at(&self) -> Option<Micros> {
        match fs::read_to_string(self.directory.join(ENDED)) {
            Ok(text) => Some(text.parse().unwrap_or(Micros::MAX)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(_) => Some(Micros::MAX),
        }
    }

    /// What is known of a request. A file that is damaged is removed.
    pub fn get(&self, key: &CacheKey<'_>, now: Micros) -> Known {
        let path = self.path(key);
        let Ok(bytes) = fs::read(&path) else { return Known::Nothing };
        let Some((at, kept)) = understood(&bytes) else {
            tracing::debug!(file = %path.display(), "a kept answer is damaged; the service is asked");
            // It is written anew in a moment, and read as nothing until then.
            let _ = fs::remove_file(&path);
            return Known::Nothing;
        };
        // A clock that went back makes nothing fresh.
        let age = u64::try_from(now - at).map(Duration::from_micros);
        let is_over = self.until_ended && self.ended_at().is_some_and(|ended| at <= ended);
        match age.is_ok_and(|age| age < self.ttl) && !is_over {
            true => Known::Fresh(kept),
            false if kept.etag.is_some() || kept.modified.is_some() => Known::Stale(kept),
            false => Known::Nothing,
        }
    }

    /// Keeps an answer, if it is one of 2xx and not too large. Nothing is said if that fails: it is asked again then.
    pub fn put(&self, key: &CacheKey<'_>, kept: &Kept, now: Micros) {
        if !(200..300).contains(&kept.status) || kept.body.len() as u64 > self.bytes_max / ANSWER_PART {
            return;
        }
        match self.write(&self.path(key), kept, now) {
            Ok(bytes) => {
                if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.bytes_max {
                    self.make_room();
                }
            }
            Err(error) => tracing::debug!(%error, "an answer cannot be kept"),
        }
    }

    /// The service says that an old answer still holds: it is fresh again.
    pub fn holds(&self, key: &CacheKey<'_>, kept: &Kept, now: Micros) {
        self.put(key, kept, now);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for (path, ..) in self.files() {
            let _ = fs::remove_file(path);
        }
        self.bytes.store(0, Ordering::Relaxed);
    }

    fn path(&self, key: &CacheKey<'_>) -> PathBuf {
        let mut hasher = blake3::Hasher::new();
        for part in [key.method.as_bytes(), key.url.as_bytes(), key.body, key.identity.as_bytes()] {
            // With its length, so that no two keys are one text.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        self.directory.join(format!("{}.{ENDING}", hasher.finalize().to_hex()))
    }

    fn write(&self, path: &Path, kept: &Kept, now: Micros) -> std::io::Result<u64> {
        fs::create_dir_all(&self.directory)?;
        let hash = blake3::hash(&kept.body).to_hex().to_string();
        let mut bytes = serde_json::to_vec(&About { at: now, hash, kept: kept.clone() })?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&kept.body);
        // Written beside and moved: nobody reads half of it. It need not survive a crash, so it is not synced.
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_extension(format!("{}-{number}.{ENDING}", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        let written = file.write_all(&bytes).and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written.map(|()| bytes.len() as u64)
    }

    /// Removes the oldest until three quarters of the room are left filled, so that not every answer has to make room.
    fn make_room(&self) {
        let mut files = self.files();
        files.sort_by_key(|(_, _, written)| *written);
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (path, size, _) in files {
            if bytes <= self.bytes_max / 4 * 3 {
                break;
            }
            if fs::remove_file(path).is_ok() {
                bytes -= size;
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Files of answers, their bytes, and when they were written.
    fn files(&self) -> Vec<(PathBuf, u64, std::time::SystemTime)> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let of = |entry: fs::DirEntry| {
            let metadata = entry.metadata().ok()?;
            let is_answer = entry.path().extension().is_some_and(|ending| ending == ENDING);
            Some((entry.path(), metadata.len(), metadata.modified().ok()?)).filter(|_| is_answer)
        };
        entries.flatten().filter_map(of).collect()
    }
}

/// A file as it was written, or nothing.
fn understood(bytes: &[u8]) -> Option<(Micros, Kept)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (about, body) = (serde_json::from_slice::<About>(&bytes[..end]).ok()?, &bytes[end + 1..]);
    (blake3::hash(body).to_hex().as_str() == about.hash)
        .then(|| (about.at, Kept { body: body.to_vec(), ..about.kept }))
}
