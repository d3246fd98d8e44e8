//! The content of one file, unpacked and as UTF-8, with what is known of everything that was taken from it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use stele_sources::{Content, SourceError};

use crate::error::At;
use crate::find::Met;
use crate::rows::PARQUET;
use crate::state::{FileState, Tracker};
use crate::{FilesError, archive};

/// What is read at a time: large enough that calls do not count.
const CHUNK_BYTES: usize = 256 << 10;

/// Longest row, in bytes of content: what is gathered for a batch is as much.
pub const ROW_BYTES_MAX: usize = 16 << 20;

/// What is read at a time to see what stands before a place: blanks are few.
const LOOK_BACK_BYTES: usize = 4 << 10;

/// Bytes of UTF-8 that a byte of another encoding becomes, at most.
const GROWTH_MAX: usize = 3;

/// See the module.
pub(crate) struct Feed {
    content: Content,
    decoder: Option<Decoder>,
    buffer: Vec<u8>,
    /// Before it in `buffer` everything was taken.
    start: usize,
    /// Behind `start`, what a reader has that says only later how much of it was a row.
    lent: usize,
    ended: bool,
    failure: Option<FilesError>,
    tracker: Tracker,
    packed: bool,
    /// Whether positions of content are positions in the file.
    plain: bool,
    /// The last byte that is no blank of what was read before this feed.
    before: Option<u8>,
}

impl Feed {
    /// From the beginning.
    pub(crate) fn open(met: &Met, encoding: Option<&'static Encoding>) -> Result<Self, FilesError> {
        let file = met.open()?;
        let raw: Box<dyn Read + Send> = match &met.member {
            Some(member) => archive::content(file, member).map_err(|source| SourceError::Read {
                uri: met.name.clone(),
                at: 0,
                source,
            })?,
            None => Box::new(file),
        };
        let mut content = Content::new(&met.name, raw)?;
        let said = Encoding::for_bom(content.head(3)).map(|(encoding, _)| encoding).or(encoding);
        // Parquet is no text, in whatever encoding the text beside it is.
        let said =
            said.filter(|encoding| *encoding != UTF_8 && !content.head(PARQUET.len()).starts_with(PARQUET));
        let decoder = said.map(Encoding::new_decoder);
        let packed = content.compression() != "none" || met.member.is_some();
        Ok(Self {
            packed,
            plain: !packed && decoder.is_none(),
            content,
            decoder,
            buffer: Vec::new(),
            start: 0,
            lent: 0,
            ended: false,
            failure: None,
            tracker: Tracker::new(),
            before: None,
        })
    }

    /// Goes on behind what was read of it before. `from` must have been found to be the same up to there.
    pub(crate) fn behind(self, met: &Met, state: &FileState) -> Result<Self, FilesError> {
        let mut feed = self;
        if feed.plain {
            let mut file = met.open()?;
            feed.before = sign_before(&mut file, state.at).at("read", &met.path)?;
            file.seek(SeekFrom::Start(state.at)).at("read", &met.path)?;
            feed.content = Content::new(&met.name, Box::new(file))?;
            (feed.buffer, feed.start, feed.ended) = (Vec::new(), 0, false);
        } else {
            feed.discard(state.at)?;
        }
        feed.tracker = Tracker::behind(state);
        Ok(feed)
    }

    /// Whether it is packed, and so is not appended to.
    pub(crate) fn is_packed(&self) -> bool {
        self.packed
    }

    /// Whether a part of it can be had without what is before.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Bytes of content that were taken.
    pub(crate) fn at(&self) -> u64 {
        self.tracker.at()
    }

    /// What it goes on behind: the last byte that is no blank; none at the beginning.
    pub(crate) fn before(&self) -> Option<u8> {
        self.before
    }

    /// What is there and was not taken.
    pub(crate) fn ready(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The first bytes, `len` of them if there are so many, without taking them.
    pub(crate) fn head(&mut self, len: usize) -> &[u8] {
        while self.ready().len() < len && self.more() {}
        &self.ready()[..len.min(self.ready().len())]
    }

    /// Reads on; says whether anything came.
    pub(crate) fn more(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        match self.decoder.is_some() {
            false => self.content.fill(&mut self.buffer, CHUNK_BYTES),
            true => self.decode(),
        }
        if self.content.is_ended() {
            self.ended = true;
            if let Some(error) = self.content.take_failure() {
                self.failure.get_or_insert(error.into());
            }
        }
        // A decoder may have to see more before it says anything.
        self.buffer.len() > before || (!self.ended && self.more())
    }

    fn decode(&mut self) {
        let Some(decoder) = self.decoder.as_mut() else { return };
        let mut raw = Vec::new();
        self.content.fill(&mut raw, CHUNK_BYTES);
        let from = self.buffer.len();
        self.buffer.resize(from + raw.len() * GROWTH_MAX + GROWTH_MAX * 4, 0);
        let last = self.content.is_ended();
        let (result, _, written) =
            decoder.decode_to_utf8_without_replacement(&raw, &mut self.buffer[from..], last);
        self.buffer.truncate(from + written);
        if let DecoderResult::Malformed(..) = result {
            let name = decoder.encoding().name().to_lowercase();
            let at = self.tracker.at() + self.ready().len() as u64;
            let why = format!("what follows is no {name}; say in `encoding` what it is");
            self.failure = Some(FilesError::Malformed { at, why });
            self.ended = true;
        }
    }

    /// Why the content ended too early, once; asked for when nothing more comes.
    pub(crate) fn failure(&mut self) -> Result<(), FilesError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The next `len` bytes are done with.
    pub(crate) fn consume(&mut self, len: usize) {
        let end = self.start + len;
        self.tracker.add(&self.buffer[self.start..end]);
        self.start = end;
        self.lent = self.lent.saturating_sub(len);
    }

    /// Goes over content without taking it: it is not hashed.
    pub(crate) fn discard(&mut self, len: u64) -> Result<(), FilesError> {
        let mut left = len;
        while left > 0 {
            let ready = self.ready().len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.before = last_sign(&self.ready()[..ready]).or(self.before);
            self.start += ready;
            left -= ready as u64;
            if left > 0 && ready == 0 && !self.more() {
                self.failure()?;
                break;
            }
        }
        Ok(())
    }

    /// Everything up to here, for whoever goes on later.
    pub(crate) fn marks(&self, state: &mut FileState) {
        self.tracker.marks(state);
    }

    /// What was lent and was not taken yet.
    pub(crate) fn lent(&self) -> usize {
        self.lent
    }
}

fn last_sign(bytes: &[u8]) -> Option<u8> {
    bytes.iter().rev().copied().find(|byte| !byte.is_ascii_whitespace())
}

/// The last byte before a place in a file that is no blank.
fn sign_before(file: &mut File, mut at: u64) -> io::Result<Option<u8>> {
    let mut buffer = [0; LOOK_BACK_BYTES];
    while at > 0 {
        let len = LOOK_BACK_BYTES.min(usize::try_from(at).unwrap_or(LOOK_BACK_BYTES));
        at -= len as u64;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut buffer[..len])?;
        if let Some(found) = last_sign(&buffer[..len]) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// For readers that read ahead: what they get is lent until somebody takes it.
impl Read for Feed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.lent > ROW_BYTES_MAX + CHUNK_BYTES {
            return Err(io::Error::other(format!(
                "a row has more than {ROW_BYTES_MAX} bytes: perhaps a quote in it is not closed"
            )));
        }
        if self.ready().len() == self.lent && !self.more() {
            return Ok(0);
        }
        let ready = &self.buffer[self.start + self.lent..];
        let len = ready.len().min(out.len());
        out[..len].copy_from_slice(&ready[..len]);
        self.lent += len;
        Ok(len)
    }
}
