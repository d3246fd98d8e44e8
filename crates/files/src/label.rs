//! What stands around each row on its way into the lake.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::config::FilesConfig;

/// The platform that rows of files are of.
const PLATFORM: &str = "file";

/// What is the same for all rows of a source, and how the rest is found in a row. What it writes is what
/// [`stele_collect::Collectable`] writes.
pub(crate) struct Label<'c> {
    pub stream: &'c str,
    /// A line up to where rows differ.
    begin: Vec<u8>,
    key: &'c [String],
    ts: Option<&'c str>,
    /// Of the file at hand, as it stands in a line.
    file: Vec<u8>,
}

impl<'c> Label<'c> {
    pub(crate) fn of(
        source: &'c str,
        stream: &'c str,
        tenant_id: Option<&str>,
        config: &'c FilesConfig,
    ) -> Self {
        let mut begin = Vec::new();
        let tenant = tenant_id.map(|tenant| ("tenant_id", tenant));
        let members = [("source", source), ("stream", stream), ("doc_type", "row")];
        for (name, value) in members.into_iter().chain(tenant).chain([("platform", PLATFORM)]) {
            begin.push(if begin.is_empty() { b'{' } else { b',' });
            text(&mut begin, name);
            begin.push(b':');
            text(&mut begin, value);
        }
        Self { stream, begin, key: &config.key, ts: config.ts.as_deref(), file: Vec::new() }
    }

    /// The rows that follow are of this file.
    pub(crate) fn file(&mut self, name: &str) {
        self.file.clear();
        text(&mut self.file, name);
    }

    /// Appends a row as one line.
    pub(crate) fn write(&self, number: u64, row: &[u8], to: &mut Vec<u8>) {
        to.extend_from_slice(&self.begin);
        if !self.key.is_empty() || self.ts.is_some() {
            let members: HashMap<String, &RawValue> = serde_json::from_slice(row).unwrap_or_default();
            let plain = |name: &str| {
                let said = members.get(name).map(|value| value.get()).filter(|said| *said != "null")?;
                Some(serde_json::from_str::<String>(said).unwrap_or_else(|_| said.to_owned()))
            };
            let id: Option<Vec<String>> = self.key.iter().map(|name| plain(name)).collect();
            let id = id.filter(|id| !id.is_empty()).map(|id| id.join(":"));
            for (name, value) in [("original_id", id), ("ts", self.ts.and_then(plain))] {
                if let Some(value) = value {
                    to.push(b',');
                    text(to, name);
                    to.push(b':');
                    text(to, &value);
                }
            }
        }
        // A thing is the same wherever it is read; what has no name of its own is known by its place.
        if self.key.is_empty() {
            to.extend_from_slice(b",\"normalised\":{\"file\":");
            to.extend_from_slice(&self.file);
            to.extend_from_slice(b",\"row\":");
            to.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            to.push(b'}');
        }
        to.extend_from_slice(b",\"data\":");
        let from = to.len();
        to.extend_from_slice(row);
        // No text of JSON has a line break in it, so these are between its parts.
        for byte in &mut to[from..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        to.extend_from_slice(b"}\n");
    }
}

fn text(to: &mut Vec<u8>, said: &str) {
    // A buffer takes everything.
    let _ = serde_json::to_writer(to, said);
}
