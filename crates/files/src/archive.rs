//! Zip archives: which files are in one, and the content of each, unpacked as it is read. Nothing is ever written under a
//! name that stands in an archive.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use globset::GlobMatcher;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::FilesError;
use crate::error::At;
use crate::find::Met;

/// What is written between the name of an archive and that of a file in it.
pub(crate) const IN: char = '!';

/// Whether a file of this name is in this archive.
pub(crate) fn is_within(name: &str, archive: &str) -> bool {
    name.strip_prefix(archive).is_some_and(|rest| rest.starts_with(IN))
}

/// Files of one archive, at most: each has a state of its own, of some 300 bytes.
const MEMBERS_MAX: usize = 100_000;

/// Bytes that one archive unpacks to, at most: an export of a day is a tenth of it.
const UNPACKED_BYTES_MAX: u64 = 64 << 30;

/// Bytes that an archive may unpack to whatever its size: short files of one repeated line are packed as well as one likes.
const UNPACKED_BYTES_FREE: u64 = 256 << 20;

/// How many times larger than the archive all of it may be beyond that. Deflate reaches 1,030 with nothing but zeros; logs that
/// repeat themselves stay below 100.
const EXPANSION_MAX: u64 = 500;

/// How an archive begins, and one that is empty, of which there is nothing but the end.
const BEGINS: [&[u8]; 2] = [b"PK\x03\x04", &END_BEGINS];

/// How the end of an archive begins.
const END_BEGINS: [u8; 4] = *b"PK\x05\x06";

/// Files that an office file has, which is an archive, too.
const OFFICE: [&str; 2] = ["[Content_Types].xml", "mimetype"];

/// Bytes behind the content of a file in an archive that say its lengths once more, at most.
const DESCRIPTOR_BYTES: u64 = 24;

/// Bytes of the end of an archive, before its comment.
const END_BYTES: u64 = 22;

/// Bytes of what stands before the content of a file in an archive, of which the last four are lengths of what follows.
const HEADER_BYTES: u64 = 30;

/// Where a file lies in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Where its header begins.
    header: u64,
    /// Bytes, packed and not.
    packed: u64,
    size: u64,
    /// Of its content.
    crc: u32,
    is_deflated: bool,
}

/// What is in an archive.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// By name.
    pub members: Vec<Met>,
    /// What cannot be read, by its name with that of the archive, and why.
    pub refused: Vec<(String, String)>,
    /// How many files nobody asked for, such as hidden ones, and the name of the first. What the Finder adds by itself is none.
    pub left_out: Option<(u64, String)>,
}

/// Whether content that begins so is an archive.
pub(crate) fn is_archive(head: &[u8]) -> bool {
    BEGINS.iter().any(|begins| head.starts_with(begins))
}

/// Whether a file is one. What cannot be opened is none; whoever reads it says why.
pub(crate) fn is_one(met: &Met) -> bool {
    let mut head = Vec::new();
    let read = met.open().map(|file| file.take(4).read_to_end(&mut head));
    matches!(read, Ok(Ok(_))) && is_archive(&head)
}

/// The files in an archive that a pattern takes, those whose names are hidden left out.
///
/// # Errors
/// If it cannot be read, or is made to be more than anybody has room for.
pub(crate) fn list(met: &Met, pattern: Option<&GlobMatcher>) -> Result<Listed, FilesError> {
    let mut zip = ZipArchive::new(BufReader::new(met.open()?)).map_err(|error| broken(error, &met.path))?;
    if zip.len() > MEMBERS_MAX {
        return Err(refuse(format!("it holds {} files, and {MEMBERS_MAX} are the most", zip.len())));
    }
    if zip.has_duplicate_names() {
        let why =
            "several files in it have one name, and which of them is meant cannot be said; pack it anew";
        return Err(refuse(why.to_owned()));
    }
    let mut listed = Listed::default();
    let mut unpacked = 0_u64;
    // Where each file lies, with what is said of it there.
    let mut spans = Vec::new();
    for at in 0..zip.len() {
        let entry = zip.by_index_raw(at).map_err(|error| broken(error, &met.path))?;
        let end = entry.data_start().and_then(|start| start.checked_add(entry.compressed_size()));
        spans.push((entry.header_start(), end.unwrap_or(u64::MAX)));
        unpacked = unpacked.saturating_add(entry.size());
        let name = match entry.name() {
            Ok(name) => name.into_owned(),
            Err(_) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
        };
        if OFFICE.contains(&name.as_str()) {
            return Err(refuse(
                "it is an office file, which is read as a document and has no rows".to_owned(),
            ));
        }
        let is_hidden = name.split('/').any(|part| part.starts_with('.') && part != "." && part != "..");
        let is_wanted = pattern.is_none_or(|pattern| pattern.is_match(&name));
        if entry.is_dir() || entry.is_symlink() || is_hidden || name.starts_with("__MACOSX/") || !is_wanted {
            if entry.size() > 0 && !is_of_finder(&name) {
                listed.left_out.get_or_insert((0, name)).0 += 1;
            }
            continue;
        }
        let full = format!("{}{IN}{name}", met.name);
        let is_deflated = entry.compression() == CompressionMethod::Deflated;
        let why = match () {
            () if leaves(&name) => "its name leads out of the archive",
            () if entry.encrypted() => "it is encrypted; unpack the archive before",
            () if !is_deflated && entry.compression() != CompressionMethod::Stored => {
                "it is packed in a way that is not read here; pack it anew by deflate, as every program can"
            }
            () => "",
        };
        if !why.is_empty() {
            listed.refused.push((full, why.to_owned()));
            continue;
        }
        let member = Member {
            header: entry.header_start(),
            packed: entry.compressed_size(),
            size: entry.size(),
            crc: entry.crc32(),
            is_deflated,
        };
        listed.members.push(Met { name: full, member: Some(Arc::new(member)), ..met.clone() });
    }
    let most = UNPACKED_BYTES_FREE.max(met.stamp.size.saturating_mul(EXPANSION_MAX)).min(UNPACKED_BYTES_MAX);
    if unpacked > most {
        let why = format!("it would unpack to {unpacked} bytes, as a bomb does, and {most} are the most");
        return Err(refuse(format!("{why}; if it is right, unpack it before")));
    }
    if let Some((at, bytes)) = gap(spans, zip.central_directory_start())? {
        let why = format!(
            "byte {at}: the {bytes} bytes from here on are of no file that its list names, such as of another archive before \
             it or of a file that was taken off the list; they are not read"
        );
        listed.refused.push((met.name.clone(), why));
    } else if let Some(at) = behind(met, zip.comment().len())? {
        let why = format!("byte {at}: something stands behind the end of the archive; it is not read");
        listed.refused.push((met.name.clone(), why));
    }
    listed.members.sort_by(|a, b| a.name.cmp(&b.name));
    listed.refused.sort();
    Ok(listed)
}

/// The first stretch of an archive before its list, with its length, that is of none of its files.
///
/// # Errors
/// If files lie one over the other.
fn gap(mut spans: Vec<(u64, u64)>, list: u64) -> Result<Option<(u64, u64)>, FilesError> {
    spans.sort_unstable();
    let (mut at, mut found) = (0, None);
    for (start, end) in spans.into_iter().chain([(list, list)]) {
        let Some(bytes) = start.checked_sub(at) else {
            return Err(refuse("files in it lie one over the other, as in a bomb".to_owned()));
        };
        let most = if at == 0 { 0 } else { DESCRIPTOR_BYTES };
        if bytes > most {
            found.get_or_insert((at, bytes));
        }
        at = end;
    }
    Ok(found)
}

/// Where an archive ends that has a comment of this length, if something is behind it.
fn behind(met: &Met, comment: usize) -> Result<Option<u64>, FilesError> {
    let mut file = met.open()?;
    let tail = END_BYTES + comment as u64;
    let Some(end) = met.stamp.size.checked_sub(tail) else { return Ok(Some(met.stamp.size)) };
    file.seek(SeekFrom::Start(end)).at("read", &met.path)?;
    let mut begins = [0; 4];
    file.read_exact(&mut begins).at("read", &met.path)?;
    Ok((begins != END_BEGINS).then_some(end))
}

/// The content of a file in an archive.
///
/// # Errors
/// If the archive cannot be read there.
pub(crate) fn content(mut archive: File, member: &Member) -> io::Result<Box<dyn Read + Send>> {
    archive.seek(SeekFrom::Start(member.header))?;
    let mut header = Vec::new();
    archive.by_ref().take(HEADER_BYTES).read_to_end(&mut header)?;
    let &[.., name_low, name_high, extra_low, extra_high] = header.as_slice() else {
        return Err(damaged("the archive ends before it"));
    };
    if header.len() as u64 != HEADER_BYTES || !header.starts_with(BEGINS[0]) {
        return Err(damaged("it is not where the archive says"));
    }
    let behind =
        [[name_low, name_high], [extra_low, extra_high]].map(|length| i64::from(u16::from_le_bytes(length)));
    archive.seek_relative(behind.iter().sum())?;
    let packed = archive.take(member.packed);
    let reader: Box<dyn Read + Send> = match member.is_deflated {
        true => Box::new(DeflateDecoder::new(packed)),
        false => Box::new(packed),
    };
    Ok(Box::new(Unpacking { reader, left: member.size, crc: Crc::new(), expect: member.crc, is_over: false }))
}

/// Content that has to be what the archive says of it.
struct Unpacking {
    reader: Box<dyn Read + Send>,
    left: u64,
    crc: Crc,
    expect: u32,
    is_over: bool,
}

impl Read for Unpacking {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.is_over || out.is_empty() {
            return Ok(0);
        }
        let got = self.reader.read(out).map_err(|error| match error.raw_os_error() {
            Some(_) => error,
            None => damaged(&error.to_string()),
        })?;
        let Some(left) = self.left.checked_sub(got as u64) else {
            return Err(damaged("it is larger than the archive says"));
        };
        self.left = left;
        self.crc.update(&out[..got]);
        if got == 0 {
            self.is_over = true;
            if self.left > 0 {
                return Err(damaged(&format!("it ends {} bytes before the archive says", self.left)));
            }
            if self.crc.sum() != self.expect {
                return Err(damaged("its checksum is not what the archive says"));
            }
        }
        Ok(got)
    }
}

/// What lasts, whoever reads it again.
fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive is damaged: {why}"))
}

fn refuse(why: String) -> FilesError {
    FilesError::Unknown { why: format!("the archive is not read: {why}") }
}

fn broken(error: ZipError, path: &Path) -> FilesError {
    match error {
        ZipError::Io(source) if source.raw_os_error().is_some() => {
            FilesError::Io { what: "read", path: path.to_owned(), source }
        }
        error => FilesError::Archive { source: error },
    }
}

/// Whether the Finder of macOS has put a file there: how a directory looks, and what else the system knows of a file that is
/// in the archive, too.
fn is_of_finder(name: &str) -> bool {
    let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
    last == ".DS_Store" || (name.starts_with("__MACOSX/") && last.starts_with("._"))
}

/// Whether a name leads out of the archive.
fn leaves(name: &str) -> bool {
    let drive = name.as_bytes().get(1) == Some(&b':');
    name.starts_with(['/', '\\']) || drive || name.split(['/', '\\']).any(|part| part == "..")
}
