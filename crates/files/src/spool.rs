//! Parquet is read from its end, so what is packed is unpacked to the disk first.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::Path;

use crate::FilesError;
use crate::error::At;
use crate::feed::Feed;
use crate::state::FileState;

/// The content of a file in one that nobody else sees and that is gone when it is closed, and what is known of it.
pub(crate) fn unpacked(mut feed: Feed, dir: &Path) -> Result<(File, FileState), FilesError> {
    std::fs::create_dir_all(dir).at("create", dir)?;
    let path = dir.join("unpacked.parquet");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .at("create", &path)?;
    std::fs::remove_file(&path).at("remove", &path)?;
    while !feed.ready().is_empty() || feed.more() {
        file.write_all(feed.ready()).at("write", &path)?;
        feed.consume(feed.ready().len());
    }
    feed.failure()?;
    file.rewind().at("read", &path)?;
    let mut state = FileState::default();
    feed.marks(&mut state);
    Ok((file, state))
}
