//! One input being read, block by block: what is the same however its content is cut.

use std::sync::Arc;

use crate::block::Block;
use crate::content::{Content, Done};
use crate::document::Documents;
use crate::format::Format;
use crate::lines::Lines;
use crate::profile::Shape;
use crate::whole::Whole;
use crate::{OpenOptions, Resume, SourceError};

/// One input being read. The caller asks for blocks until there is none, and may stop after any
/// of them: `bytes_done`, `sha256` and the lines of the blocks so far are all that [`Resume`]
/// needs to go on.
pub struct Source {
    content: Content,
    format: Arc<Format>,
    /// What was handed over.
    done: Done,
    /// Cut and not handed over yet: the rest of the block in which a run before this one ended.
    pending: Option<Block>,
    cut: Box<dyn Cut>,
}

/// Divides content into blocks. It is called until it gives none; before the first call it may be
/// asked to go over what a run before this one has handed over.
pub(crate) trait Cut: Send {
    /// The next block, or `None` where the content ends.
    fn next(&mut self, content: &mut Content) -> Option<Block>;

    /// Reads again up to where `resume` says and adds that to `done`. Gives what was cut off
    /// beyond it.
    fn resume(&mut self, content: &mut Content, resume: &Resume, done: &mut Done) -> Option<Block>;

    /// Takes back the memory of a block.
    fn recycle(&mut self, _bytes: Vec<u8>) {}
}

impl Source {
    pub(crate) fn new(
        mut content: Content,
        format: Arc<Format>,
        options: &OpenOptions,
    ) -> Result<Self, SourceError> {
        let block_bytes = options.block_bytes.max(1);
        let mut cut: Box<dyn Cut> = match format.shape() {
            Shape::Lines | Shape::Frames => Box::new(Lines::new(block_bytes)),
            Shape::Whole(_) => Box::new(Whole::new(block_bytes)),
            Shape::Document(steps) => Box::new(Documents::new(&mut content, steps.clone(), block_bytes)),
        };
        let mut done = Done::new(options.checksum || options.resume.is_some());
        let mut pending = None;
        if let Some(resume) = &options.resume {
            pending = cut.resume(&mut content, resume, &mut done);
            if done.bytes != resume.bytes_done || done.sha256() != Some(resume.sha256) {
                let uri = content.uri().to_owned();
                let changed = SourceError::Changed { uri, bytes_done: resume.bytes_done };
                return Err(content.take_failure().unwrap_or(changed));
            }
        }
        Ok(Self { content, format, done, pending, cut })
    }

    /// How records of this input are read.
    pub fn format(&self) -> &Arc<Format> {
        &self.format
    }

    /// `none`, `gzip` or `zstd`.
    pub fn compression(&self) -> &'static str {
        self.content.compression()
    }

    /// The next stretch of content, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Where reading breaks off. All content before it has been handed over by then; the call
    /// after it returns `None`.
    pub fn next_block(&mut self) -> Result<Option<Block>, SourceError> {
        let pending = self.pending.take();
        let Some(block) = pending.or_else(|| self.cut.next(&mut self.content)) else {
            return self.content.take_failure().map_or(Ok(None), Err);
        };
        self.done.add(&block.bytes);
        Ok(Some(block))
    }

    /// Content bytes in the blocks so far, what was skipped on resumption included.
    pub fn bytes_done(&self) -> u64 {
        self.done.bytes
    }

    /// SHA-256 of these bytes; `None` if [`OpenOptions::checksum`] was off.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.done.sha256()
    }

    /// Gives back the memory of a block that is done with. Fresh memory has to be cleared by the
    /// operating system, which costs as much as reading into it.
    pub fn recycle(&mut self, bytes: Vec<u8>) {
        self.cut.recycle(bytes);
    }
}
