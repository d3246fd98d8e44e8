//! A version that is built aside while the old one answers, and takes its place in one step.
//!
//! What it has got so far is named by a progress file in its own directory, so a build that stopped
//! is gone on with: whatever that file names is not embedded again.

use std::collections::HashMap;
use std::fs;

use stele_model::ChunkId;

use crate::columns::TextHash;
use crate::digest::Identified;
use crate::error::{At, IndexError};
use crate::home::Index;
use crate::maintain::Maintenance;
use crate::pointer::{Pointer, Progress, Spec};
use crate::versions;
use crate::writer::{Applied, Upsert, Writer, begin_anew};

/// A version on its way. Dropping it keeps what it has got.
#[derive(Debug)]
pub struct Rebuild {
    writer: Writer,
    resumed: bool,
}

impl Rebuild {
    pub(crate) fn open(index: &Index, spec: &Spec) -> Result<Self, IndexError> {
        let home = &index.home;
        let (lock, current) = begin_anew(home, spec)?;
        let half_built = versions::half_built(home, &current, spec)?;
        let resumed = half_built.is_some();
        let (table, pointer) = match half_built {
            Some(pointer) => (versions::recover(home, &pointer)?, pointer),
            None => {
                let (table, pointer) = versions::make(home, &current, spec)?;
                Progress { pointer: pointer.clone() }.store(&table.dir, &*home.faults)?;
                (table, pointer)
            }
        };
        Ok(Self { writer: Writer::of(home, lock, current, table, pointer, true)?, resumed })
    }

    /// Whether it goes on with one that was not finished.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// What it has got so far.
    pub fn pointer(&self) -> &Pointer {
        self.writer.pointer()
    }

    /// As [`Writer::apply`], aside: nobody sees it before [`Rebuild::finish`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn apply(&mut self, upserts: Vec<Upsert>, deletes: &[ChunkId]) -> Result<Applied, IndexError> {
        self.writer.apply(upserts, deletes, None)
    }

    /// As [`Writer::follow`].
    pub fn follow(&mut self, lake: &str) {
        self.writer.follow(lake);
    }

    /// As [`Writer::hashes`], of what it has got so far.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn hashes(
        &self,
        each: &mut dyn FnMut(&[Identified]) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        self.writer.hashes(each)
    }

    /// As [`Writer::known_texts`], of what it has got so far.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn known_texts(&mut self, hashes: &[TextHash]) -> Result<HashMap<TextHash, Vec<f32>>, IndexError> {
        self.writer.known_texts(hashes)
    }

    /// Builds the indexes and puts the version in the place of the old one. From then on it answers,
    /// also when nobody names a model. The old one's directory is removed by the next writer that
    /// finds it unread.
    ///
    /// # Errors
    ///
    /// What the disk says: then the old one answers, and this one can be gone on with. That an index
    /// could not be built is no error: see [`Maintenance`].
    pub fn finish(self, checkpoint: u64) -> Result<(Writer, Maintenance), IndexError> {
        let mut writer = self.writer;
        let maintenance = writer.maintain()?;
        writer.poison(true);
        writer.home.hit("index.swap")?;
        writer.pointer.checkpoint = Some(checkpoint);
        writer.aside = false;
        writer.current.answers = Some(writer.pointer.spec.key().to_owned());
        writer.publish()?;
        writer.home.hit("index.swap.done")?;
        let progress = Progress::path(&writer.table.dir);
        fs::remove_file(&progress).at("remove", &progress)?;
        writer.poison(false);
        Ok((writer, maintenance))
    }
}
