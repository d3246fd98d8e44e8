//! Which files are read, and how: plain data, one table of the configuration a source.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use stele_model::Micros;

use crate::FilesError;
use crate::error::wrong;

/// What a source of files may say of its own.
pub const KEYS: &[&str] = &[
    "path",
    "file_pattern",
    "member_pattern",
    "stream",
    "format",
    "encoding",
    "csv",
    "key",
    "ts",
    "min_age",
    "modified_since",
    "after_ingest",
    "archive_after_ingestion",
    "archive_path",
    "archive_compress",
    "failed_path",
];

/// Columns that identify a row, at most: more is a row and no key.
const KEY_COLUMNS_MAX: usize = 16;

/// One source: a directory, and which of its files are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilesConfig {
    /// The directory, or one file.
    pub path: PathBuf,
    /// Which files below it: `*` and `?` stay in one name, `**` crosses directories, `{a,b}` is one of several. A
    /// pattern without `/` is for names at the top. Names that begin with a dot are left out unless the pattern
    /// says the dot.
    #[serde(default = "everything")]
    pub file_pattern: String,
    /// Which files of a zip archive are read; all of them if it is not set. It is for names in the archive, as `file_pattern`
    /// is for those in the directory. Not for archives that are deleted when they were read.
    #[serde(default)]
    pub member_pattern: Option<String>,
    /// What the rows are called in the lake; the name of the source if it is not set.
    #[serde(default)]
    pub stream: Option<String>,
    /// What the files hold, if it is not to be found out for each.
    #[serde(default)]
    pub format: Option<Format>,
    /// How text is encoded, by its name on the web, such as `windows-1252`. UTF-8 if it is not set, or what a mark at
    /// the beginning says.
    #[serde(default)]
    pub encoding: Option<String>,
    /// How separated values are read.
    #[serde(default)]
    pub csv: CsvConfig,
    /// Members that identify a row. A row that is in the lake in this very form is not kept again then, and one that
    /// changed is the newer form of the same thing.
    #[serde(default)]
    pub key: Vec<String>,
    /// The member that says when a row was made or changed.
    #[serde(default)]
    pub ts: Option<String>,
    /// A file that changed less than this ago may still be written and is left for the next run.
    #[serde(default, deserialize_with = "stele_collect::duration_if_set")]
    pub min_age: Option<Duration>,
    /// Files that were last changed before are left out: a date such as `2024-01-01`, a time, or a stretch of time
    /// such as `7d` before the run.
    #[serde(default)]
    pub modified_since: Option<String>,
    /// What becomes of a file when its rows are kept.
    #[serde(default)]
    pub after_ingest: After,
    /// The same as `after_ingest = "archive"`.
    #[serde(default)]
    pub archive_after_ingestion: bool,
    /// Where files are moved to, from the directory on; `archive` if it is not set. `%Y`, `%m`, `%d` and `%H` are of the time of
    /// the run, in UTC.
    #[serde(default = "archive")]
    pub archive_path: String,
    /// Whether a file is packed when it is moved: `gzip`, `zstd`, `true` (which is zstd) or `false`.
    #[serde(default, deserialize_with = "packing")]
    pub archive_compress: Packing,
    /// Where a file that cannot be read is moved to, with the reason beside it, from the directory on; `failed` if it is not
    /// set. Files are moved only where `after_ingest` moves or deletes them, or this is set. One that stays and has a line that
    /// is too long goes nowhere, since it is read on.
    #[serde(default)]
    pub failed_path: Option<String>,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One value, or several one after the other, or a list whose elements are the rows.
    Json,
    /// A value a line; `ndjson` is the same.
    #[serde(alias = "ndjson")]
    Jsonl,
    /// Separated values; `tsv` is the same.
    #[serde(alias = "tsv")]
    Csv,
    /// Columns.
    Parquet,
    /// Lines of text, each a row `{"line": …}`.
    Text,
}

/// How separated values are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvConfig {
    /// What is between values; the one of `,`, `;`, tab and `|` that fits the beginning best if it is not set.
    pub delimiter: Option<char>,
    /// What a value is wrapped in that holds a delimiter or a line break.
    pub quote: char,
    /// Whether the first row names the columns. If not, `columns` does, or they are `column_1`, `column_2` …
    pub header: bool,
    /// Names of the columns, whatever the header says.
    pub columns: Vec<String>,
    /// Values that are `null`, such as `""`, `NA` or `\N`. None if it is not set: nothing is an empty text.
    pub nulls: Vec<String>,
    /// Columns that are no texts. A value that is not of its type stays the text that it is.
    pub types: BTreeMap<String, CsvType>,
}

impl Default for CsvConfig {
    fn default() -> Self {
        Self {
            delimiter: None,
            quote: '"',
            header: true,
            columns: Vec::new(),
            nulls: Vec::new(),
            types: BTreeMap::new(),
        }
    }
}

/// What a column of separated values holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CsvType {
    /// A number, spelled as it is there.
    Number,
    /// `true` or `false`, in any case.
    Boolean,
    /// JSON.
    Json,
}

/// What becomes of a file whose rows are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    /// It stays, and what is appended to it is read next time.
    #[default]
    Nothing,
    /// It is moved to the archive.
    Archive,
    /// It is deleted.
    Delete,
}

/// How a file is packed on its way into the archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// Not at all.
    #[default]
    None,
    /// As `gzip` does.
    Gzip,
    /// As `zstd` does.
    Zstd,
}

fn everything() -> String {
    "**/*".to_owned()
}

fn archive() -> String {
    "archive".to_owned()
}

fn packing<'de, D: Deserializer<'de>>(from: D) -> Result<Packing, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Yes(bool),
        How(Packing),
    }
    Ok(match Said::deserialize(from)? {
        Said::Yes(true) => Packing::Zstd,
        Said::Yes(false) => Packing::None,
        Said::How(how) => how,
    })
}

impl FilesConfig {
    /// That directory, with everything else as it is by default.
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            file_pattern: everything(),
            member_pattern: None,
            stream: None,
            format: None,
            encoding: None,
            csv: CsvConfig::default(),
            key: Vec::new(),
            ts: None,
            min_age: None,
            modified_since: None,
            after_ingest: After::Nothing,
            archive_after_ingestion: false,
            archive_path: archive(),
            archive_compress: Packing::None,
            failed_path: None,
        }
    }

    /// What becomes of files whose rows are kept.
    pub(crate) fn after(&self) -> After {
        match (self.after_ingest, self.archive_after_ingestion) {
            (After::Nothing, true) => After::Archive,
            (after, _) => after,
        }
    }

    /// What can be found wrong before anything is read.
    pub(crate) fn check(&self) -> Result<(), FilesError> {
        if self.path.as_os_str().is_empty() {
            return Err(wrong("path", "it is empty; it has to be a directory or a file"));
        }
        if self.key.len() > KEY_COLUMNS_MAX {
            return Err(wrong("key", "it has more than 16 members"));
        }
        if let Some(name) = &self.encoding
            && encoding_rs::Encoding::for_label(name.as_bytes()).is_none()
        {
            let why = format!("{name} is no encoding; `utf-8`, `utf-16le`, `windows-1252`, `shift_jis` are");
            return Err(wrong("encoding", why));
        }
        for (setting, sign) in [("csv.quote", Some(self.csv.quote)), ("csv.delimiter", self.csv.delimiter)] {
            if sign.is_some_and(|sign| !sign.is_ascii()) {
                return Err(wrong(setting, "it has to be one ASCII character"));
            }
        }
        if self.csv.delimiter == Some(self.csv.quote) {
            return Err(wrong("csv.delimiter", "it is the same as the quote"));
        }
        if self.after_ingest == After::Delete && self.archive_after_ingestion {
            return Err(wrong("after_ingest", "it deletes what archive_after_ingestion would move"));
        }
        if self.after() == After::Delete && self.member_pattern.is_some() {
            let why = "`after_ingest = \"delete\"` deletes an archive with the files that the pattern leaves out; read all of it, \
                       or move it by `after_ingest = \"archive\"`";
            return Err(wrong("member_pattern", why));
        }
        self.archive_dir(0)?;
        self.modified_after(0)?;
        Ok(())
    }

    /// Where files go that are moved at this time.
    pub(crate) fn archive_dir(&self, now: Micros) -> Result<String, FilesError> {
        let bad = |why: String| {
            wrong("archive_path", format!("{why}; `archive/%Y/%m/%d` would do, `%%` is a percent sign"))
        };
        let time = jiff::Timestamp::from_microsecond(now).map_err(|error| bad(error.to_string()))?;
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC);
        jiff::fmt::strtime::format(&self.archive_path, &zoned).map_err(|error| bad(error.to_string()))
    }

    /// The time before which a file has to be left out.
    pub(crate) fn modified_after(&self, now: Micros) -> Result<Option<Micros>, FilesError> {
        let Some(said) = &self.modified_since else { return Ok(None) };
        if let Ok(time) = said.parse::<jiff::Timestamp>() {
            return Ok(Some(time.as_microsecond()));
        }
        if let Ok(date) = said.parse::<jiff::civil::DateTime>()
            && let Ok(zoned) = date.to_zoned(jiff::tz::TimeZone::UTC)
        {
            return Ok(Some(zoned.timestamp().as_microsecond()));
        }
        let stretch = stele_collect::duration(serde_json::Value::from(said.as_str())).map_err(|_| {
            wrong(
                "modified_since",
                format!("{said} is neither a date such as 2024-01-01, nor a time, nor a stretch of time such as 7d"),
            )
        })?;
        Ok(Some(now.saturating_sub(i64::try_from(stretch.as_micros()).unwrap_or(i64::MAX))))
    }
}
