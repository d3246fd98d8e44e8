//! Binary packets put together again: the text, then as many binary frames as it announces.

use stele_model::json::Tape;

use super::{Frame, FrameError, decode};

/// Most attachments of one message that are waited for. Real messages have one or two.
pub const ATTACHMENTS_MAX: u32 = 1_024;

/// Most bytes of attachments that are kept for one message: as much as the longest record.
pub const ATTACHMENT_BYTES_MAX: usize = crate::RECORD_BYTES_MAX;

/// What a frame meant for the message that was being put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembled {
    /// A message with everything that belongs to it; no attachments for a plain frame.
    Complete {
        /// The text frame.
        text: String,
        /// The attachments in order.
        attachments: Vec<Vec<u8>>,
    },
    /// A message whose attachments did not all come.
    Incomplete {
        /// The text frame.
        text: String,
        /// The attachments that came.
        attachments: Vec<Vec<u8>>,
        /// What is missing, in words.
        reason: String,
    },
    /// A binary frame that no message announced.
    Stray(Vec<u8>),
}

/// Puts the frames of one direction of one connection together, in the order in which they came.
#[derive(Debug, Default)]
pub struct Assembler {
    pending: Option<Pending>,
    tape: Tape,
}

#[derive(Debug)]
struct Pending {
    text: String,
    expected: u32,
    attachments: Vec<Vec<u8>>,
    bytes: usize,
}

impl Assembler {
    /// Takes a text frame. Gives a message that it leaves incomplete, then its own if that is
    /// whole already.
    ///
    /// # Errors
    ///
    /// If `text` is not a frame; what was pending stays pending.
    pub fn text(&mut self, text: &str) -> Result<Vec<Assembled>, FrameError> {
        let Frame { attachments, placeholders, packet, .. } = decode(text, &mut self.tape)?;
        // Pings and pongs may come between a message and its attachments.
        if packet.is_system() && self.pending.is_some() {
            return Ok(vec![Assembled::Complete { text: text.to_owned(), attachments: Vec::new() }]);
        }
        let mut out: Vec<_> = self.end().into_iter().collect();
        let expected = attachments.unwrap_or(0);
        let text = text.to_owned();
        if expected != placeholders {
            let reason = format!("{expected} attachments are announced and {placeholders} are placed");
            out.push(Assembled::Incomplete { text, attachments: Vec::new(), reason });
        } else if expected > ATTACHMENTS_MAX {
            let reason = format!("more than {ATTACHMENTS_MAX} attachments are announced");
            out.push(Assembled::Incomplete { text, attachments: Vec::new(), reason });
        } else if expected == 0 {
            out.push(Assembled::Complete { text, attachments: Vec::new() });
        } else {
            self.pending = Some(Pending { text, expected, attachments: Vec::new(), bytes: 0 });
        }
        Ok(out)
    }

    /// Takes a binary frame; gives the message that it completes.
    pub fn binary(&mut self, bytes: &[u8]) -> Option<Assembled> {
        let Some(mut pending) = self.pending.take() else {
            return Some(Assembled::Stray(bytes.to_vec()));
        };
        pending.bytes += bytes.len();
        if pending.bytes > ATTACHMENT_BYTES_MAX {
            let reason = format!("the attachments are longer than {ATTACHMENT_BYTES_MAX} bytes");
            let Pending { text, attachments, .. } = pending;
            return Some(Assembled::Incomplete { text, attachments, reason });
        }
        pending.attachments.push(bytes.to_vec());
        if pending.attachments.len() < pending.expected as usize {
            self.pending = Some(pending);
            return None;
        }
        Some(Assembled::Complete { text: pending.text, attachments: pending.attachments })
    }

    /// Ends the connection; gives the message that was still waiting.
    pub fn end(&mut self) -> Option<Assembled> {
        let Pending { text, expected, attachments, .. } = self.pending.take()?;
        let reason = format!("{} of {expected} attachments came", attachments.len());
        Some(Assembled::Incomplete { text, attachments, reason })
    }
}
