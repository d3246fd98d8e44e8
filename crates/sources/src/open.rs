//! From an input to a source: recognise the content, then read it in blocks.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::content::Content;
use crate::detect::{Detected, detect, foreign};
use crate::find::Input;
use crate::format::Format;
use crate::profile::Profiles;
use crate::source::Source;
use crate::whole::WholeFormats;
use crate::{BLOCK_BYTES, HEAD_BYTES, PIECE_BYTES_MAX, SourceError};

/// How an input is to be read.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Zone of times that state none. Takes precedence over the profile's.
    pub timezone: Option<TimeZone>,
    /// Format to use, whatever the content looks like.
    pub format: Option<String>,
    /// Where a run before this one stopped.
    pub resume: Option<Resume>,
    /// Content bytes in a block, more or less.
    pub block_bytes: usize,
    /// Whether a SHA-256 of the content is wanted.
    pub checksum: bool,
    /// Content that is kept as a whole; without it, every content is looked at for records.
    pub whole: Option<WholeFormats>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            timezone: None,
            format: None,
            resume: None,
            block_bytes: BLOCK_BYTES,
            checksum: true,
            whole: None,
        }
    }
}

/// Where a run stopped, and a proof that the content up to there is still the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Content bytes that were handed over.
    pub bytes_done: u64,
    /// Lines that were handed over.
    pub lines_done: u64,
    /// SHA-256 of these bytes.
    pub sha256: [u8; 32],
}

/// Opens `input` and recognises its format.
///
/// # Errors
///
/// If it cannot be opened, is recognisably something else, has changed below the point of
/// resumption, or if the options name a format that there is none of.
pub fn open(input: &Input, profiles: &Profiles, options: &OpenOptions) -> Result<Source, SourceError> {
    open_reader(&input.uri, reader(input)?, profiles, options)
}

/// Opens bytes that come from anywhere.
///
/// # Errors
///
/// As [`open`].
pub fn open_reader(
    uri: &str,
    reader: Box<dyn Read + Send>,
    profiles: &Profiles,
    options: &OpenOptions,
) -> Result<Source, SourceError> {
    let mut content = Content::new(uri, reader)?;
    let head = content.head(HEAD_BYTES + 1);
    let cut = head.len() > HEAD_BYTES;
    // What is gone on with looks as it did when it was begun.
    let known = options.resume.as_ref().filter(|_| options.format.is_some());
    let known = known.map_or(HEAD_BYTES, |resume| usize::try_from(resume.bytes_done).unwrap_or(HEAD_BYTES));
    let cut = cut && known >= HEAD_BYTES;
    let head = &head[..head.len().min(HEAD_BYTES).min(known)];
    let Detected { profile, shape, .. } = match &options.format {
        None => recognised(uri, head, cut, profiles, options)?,
        Some(name) => match options.whole.and_then(|whole| whole.named(name)) {
            Some(name) => Detected::whole(name, profiles),
            None => detect(head, cut, profiles).forced(profiles.named(name)?),
        },
    };
    let format = Arc::new(Format::new(profile, shape, options.timezone.clone()));
    Source::new(content, format, options)
}

/// What content is whose format nobody has named: records where it holds some, and else a whole that
/// its beginning or its name tells.
fn recognised(
    uri: &str,
    head: &[u8],
    cut: bool,
    profiles: &Profiles,
    options: &OpenOptions,
) -> Result<Detected, SourceError> {
    // What was packed is named after what it holds.
    let name = [".gz", ".bz2", ".zst"].iter().find_map(|ending| uri.strip_suffix(ending)).unwrap_or(uri);
    let whole = options.whole.and_then(|whole| (whole.recognise)(name, head));
    if let Some(whole) = whole.filter(|whole| whole.by_content) {
        return Ok(Detected::whole(whole.name, profiles));
    }
    if let Some(what) = foreign(head) {
        return Err(SourceError::Foreign { uri: uri.to_owned(), what });
    }
    let detected = detect(head, cut, profiles);
    Ok(match whole {
        Some(whole) if !detected.holds_records => Detected::whole(whole.name, profiles),
        _ => detected,
    })
}

/// The first [`HEAD_BYTES`] of content, or all of it where there is less.
#[derive(Debug)]
pub struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// If the input cannot be opened, or is standard input. Damage ends the content.
    pub fn of(input: &Input) -> Result<Self, SourceError> {
        Ok(Self { bytes: Content::new(&input.uri, file(input)?)?.head(HEAD_BYTES).to_vec() })
    }

    /// SHA-256 of it.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    /// Where lines begin in it and where they end, its own end included.
    pub fn line_bounds(&self) -> impl Iterator<Item = u64> {
        let newlines = memchr::memchr_iter(b'\n', &self.bytes).flat_map(|at| [at as u64, at as u64 + 1]);
        std::iter::once(0).chain(newlines).chain([self.bytes.len() as u64])
    }

    /// SHA-256 of its first `lengths[i]` bytes, for each of `lengths` that it has so many bytes for.
    /// They have to rise.
    pub fn hashes(&self, lengths: &[u64]) -> Vec<[u8; 32]> {
        let (mut hasher, mut done) = (Sha256::new(), 0);
        let within = lengths.iter().map_while(|length| usize::try_from(*length).ok());
        within
            .map_while(|length| {
                hasher.update(self.bytes.get(done..length)?);
                done = length;
                Some(hasher.clone().finalize().into())
            })
            .collect()
    }
}

/// What one pass over an input came to.
#[derive(Debug)]
pub struct Prefixes {
    /// SHA-256 of the first bytes, for each of the lengths that were asked for.
    pub hashes: Vec<[u8; 32]>,
    /// Why reading ended before the input did: what was read is not all of it.
    pub failure: Option<SourceError>,
}

/// SHA-256 of the first `lengths[i]` bytes of content, for each of `lengths`, in one pass. Where
/// the content is shorter, the hash is that of all there is, which no longer content has. Damage
/// ends the content.
///
/// # Errors
///
/// If the input cannot be opened, or is standard input.
pub fn prefix_hashes(input: &Input, lengths: &[u64]) -> Result<Vec<[u8; 32]>, SourceError> {
    Ok(prefixes(input, lengths)?.hashes)
}

/// As [`prefix_hashes`], together with the damage that ended the content.
///
/// # Errors
///
/// If the input cannot be opened, or is standard input.
pub fn prefixes(input: &Input, lengths: &[u64]) -> Result<Prefixes, SourceError> {
    let mut content = Content::new(&input.uri, file(input)?)?;
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|index| lengths[*index]);
    let mut hashes = vec![[0; 32]; lengths.len()];
    let (mut hasher, mut done) = (Sha256::new(), 0);
    let mut buffer = Vec::new();
    for index in order {
        while done < lengths[index] && !content.is_ended() {
            let missing = usize::try_from(lengths[index] - done).unwrap_or(usize::MAX);
            buffer.clear();
            content.fill(&mut buffer, missing.min(PIECE_BYTES_MAX));
            done += buffer.len() as u64;
            hasher.update(&buffer);
        }
        hashes[index] = hasher.clone().finalize().into();
    }
    Ok(Prefixes { hashes, failure: content.take_failure() })
}

fn reader(input: &Input) -> Result<Box<dyn Read + Send>, SourceError> {
    if input.path.is_none() { Ok(Box::new(std::io::stdin())) } else { file(input) }
}

fn file(input: &Input) -> Result<Box<dyn Read + Send>, SourceError> {
    let Some(path) = &input.path else {
        return Err(SourceError::Stream { uri: input.uri.clone() });
    };
    let file =
        File::open(path).map_err(|source| SourceError::Unreadable { uri: input.uri.clone(), source })?;
    Ok(Box::new(file))
}
