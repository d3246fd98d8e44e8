//! What becomes of a file when its rows are durable, or when it cannot be read: it is moved or deleted, and nothing of
//! another name is ever written over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::FilesError;
use crate::config::Packing;
use crate::error::At;
use crate::find::{Met, Stamp};
use crate::rows::unpacked_name;

/// Files of one name that a directory holds, at most: more is a mistake about where files are moved to.
const SAME_NAME_MAX: u32 = 10_000;

/// What is written at a time when a file is copied.
const COPY_BYTES: usize = 1 << 20;

/// How a file is called until it is whole.
const ASIDE: &str = ".stele-part";

/// Moves a file to `dir`, below which it has the name that it had, and says where it is now; `None` if it was changed
/// since it was read, and so has to be read again first.
///
/// # Errors
/// If it cannot be moved. Then it is where it was, whole.
pub(crate) fn move_to(dir: &Path, met: &Met, packing: Packing) -> Result<Option<PathBuf>, FilesError> {
    let relative = met.path.strip_prefix(root_of(met)).unwrap_or(&met.path);
    let wanted = dir.join(relative);
    let into = wanted.parent().unwrap_or(dir);
    fs::create_dir_all(into).at("create", into)?;
    if !untouched(met)? {
        return Ok(None);
    }
    // What is packed already would only grow.
    let packed = unpacked_name(&met.name).is_some() || met.name.to_lowercase().ends_with(".zip");
    let packing = if packed { Packing::None } else { packing };
    let moved = match packing {
        Packing::None => match renamed(&met.path, &wanted) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => None,
            moved => Some(moved.at("move", &met.path)?),
        },
        _ => None,
    };
    let target = match moved {
        Some(target) => {
            // Whoever wrote to it in this moment goes on writing to it where it is now.
            if Stamp::of(&fs::metadata(&target).at("look at", &target)?) != met.stamp {
                renamed(&target, &met.path).at("move back", &target)?;
                return Ok(None);
            }
            target
        }
        None => {
            let target = copied(&met.path, &packed_name(&wanted, packing), packing)?;
            synced(into)?;
            if !untouched(met)? {
                fs::remove_file(&target).at("remove", &target)?;
                return Ok(None);
            }
            fs::remove_file(&met.path).at("remove", &met.path)?;
            target
        }
    };
    synced(into)?;
    synced(met.path.parent().unwrap_or(dir))?;
    Ok(Some(target))
}

/// Deletes a file; says whether it did, which it does not if it was changed since it was read.
pub(crate) fn delete(met: &Met) -> Result<bool, FilesError> {
    if !untouched(met)? {
        return Ok(false);
    }
    fs::remove_file(&met.path).at("remove", &met.path)?;
    synced(met.path.parent().unwrap_or(Path::new("/")))?;
    Ok(true)
}

/// Writes beside a file that was moved why it could not be read.
pub(crate) fn write_reason(moved: &Path, reason: &str) -> Result<(), FilesError> {
    let mut name = moved.file_name().unwrap_or_default().to_owned();
    name.push(".reason.txt");
    let wanted = moved.with_file_name(name);
    for again in 0..SAME_NAME_MAX {
        let path = numbered(&wanted, again);
        // One that is there may be a file that was moved here.
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            file => file.at("create", &path)?,
        };
        file.write_all(format!("{reason}\n").as_bytes()).at("write", &path)?;
        file.sync_all().at("sync", &path)?;
        return synced(path.parent().unwrap_or(moved));
    }
    Err(too_many()).at("create", &wanted)
}

/// Whether it is still what was read.
fn untouched(met: &Met) -> Result<bool, FilesError> {
    Ok(Stamp::of(&fs::metadata(&met.path).at("look at", &met.path)?) == met.stamp)
}

/// The directory that the name of a file begins at.
fn root_of(met: &Met) -> &Path {
    let is_name = |part: &Component<'_>| !matches!(part, Component::CurDir);
    let depth = Path::new(&met.name).components().filter(is_name).count();
    met.path.ancestors().nth(depth).unwrap_or(Path::new("/"))
}

/// Renames, to the first name that is free.
fn renamed(from: &Path, wanted: &Path) -> io::Result<PathBuf> {
    for again in 0..SAME_NAME_MAX {
        let target = numbered(wanted, again);
        match renameat_with(CWD, from, CWD, &target, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(target),
            Err(Errno::EXIST) => {}
            // A file system that cannot do this can still make a second name, which fails if there is one.
            Err(Errno::INVAL | Errno::NOSYS) => match fs::hard_link(from, &target) {
                Ok(()) => return fs::remove_file(from).map(|()| target),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Err(too_many())
}

fn too_many() -> io::Error {
    io::Error::other(format!("{SAME_NAME_MAX} files of this name are there already"))
}

/// Writes a copy aside, makes it durable, and gives it the first name that is free.
fn copied(from: &Path, wanted: &Path, packing: Packing) -> Result<PathBuf, FilesError> {
    let mut name = wanted.file_name().unwrap_or_default().to_owned();
    name.push(ASIDE);
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let aside = wanted.with_file_name(hidden);
    let copy = || -> io::Result<()> {
        let mut source = File::open(from)?;
        let metadata = source.metadata()?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        // What a run that was killed has left.
        let target = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&aside)?;
        let target = match packing {
            Packing::None => copy_all(&mut source, target)?,
            Packing::Gzip => {
                let packer = flate2::write::GzEncoder::new(target, flate2::Compression::default());
                copy_all(&mut source, packer)?.finish()?
            }
            Packing::Zstd => {
                copy_all(&mut source, zstd::stream::write::Encoder::new(target, 0)?)?.finish()?
            }
        };
        target.set_modified(metadata.modified()?)?;
        target.sync_all()
    };
    let done = copy().and_then(|()| renamed(&aside, wanted));
    if done.is_err() {
        // What is left of it is of no use; that it is there is said by the error.
        let _ = fs::remove_file(&aside);
    }
    done.at("copy to the archive", from)
}

fn copy_all<W: Write>(from: &mut File, mut to: W) -> io::Result<W> {
    let mut reader = io::BufReader::with_capacity(COPY_BYTES, from);
    io::copy(&mut reader, &mut to)?;
    Ok(to)
}

fn packed_name(wanted: &Path, packing: Packing) -> PathBuf {
    let mut name = wanted.file_name().unwrap_or_default().to_owned();
    name.push(match packing {
        Packing::None => "",
        Packing::Gzip => ".gz",
        Packing::Zstd => ".zst",
    });
    wanted.with_file_name(name)
}

/// `orders.csv` for the first, then `orders-1.csv`, `orders-2.csv` …; what is behind the first dot stays together.
fn numbered(wanted: &Path, again: u32) -> PathBuf {
    if again == 0 {
        return wanted.to_owned();
    }
    let name = wanted.file_name().unwrap_or_default().to_string_lossy();
    let dot = name.char_indices().skip(1).find(|(_, sign)| *sign == '.').map_or(name.len(), |(at, _)| at);
    wanted.with_file_name(format!("{}-{again}{}", &name[..dot], &name[dot..]))
}

fn synced(dir: &Path) -> Result<(), FilesError> {
    File::open(dir).and_then(|dir| dir.sync_all()).at("sync", dir)
}
