//! A record that was collected, as it goes into the lake: what was said, untouched, and who said it beside it.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::CollectError;

/// One record of a stream. Becomes one line of JSON; what is `None` is left out.
#[derive(Debug, Clone, Serialize)]
pub struct Collectable<'a> {
    /// The source that it comes from, by the name that its configuration has.
    pub source: &'a str,
    /// The stream, such as `tickets`: the event type of the record in the lake.
    pub stream: &'a str,
    /// What the lake files it under, such as `ticket` or `row`.
    pub doc_type: &'a str,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<&'a str>,
    /// The platform, such as `freshdesk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<&'a str>,
    /// The id that it has where it comes from, unique in its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_id: Option<&'a str>,
    /// When it last changed where it comes from, as it is said there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts: Option<&'a str>,
    /// Fields of one name and meaning for every platform, where the collector makes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalised: Option<&'a RawValue>,
    /// What was said, byte for byte but for line feeds between its parts, which become blanks.
    pub data: &'a RawValue,
}

impl Collectable<'_> {
    /// Appends the record as one line.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<(), CollectError> {
        let start = to.len();
        serde_json::to_writer(&mut *to, self).map_err(CollectError::Unwritable)?;
        // A service may write its JSON in lines. No text of JSON has a line feed in it, so these are between parts.
        for byte in &mut to[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        to.push(b'\n');
        Ok(())
    }
}
