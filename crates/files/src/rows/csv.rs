//! Separated values: what separates them, what the columns are called, and rows as objects.

use std::collections::HashSet;

use ::csv::{ByteRecord, Reader, ReaderBuilder};
use serde_json::value::RawValue;

use super::{Next, Rows};
use crate::FilesError;
use crate::config::{CsvConfig, CsvType};
use crate::feed::Feed;
use crate::state::{FileState, HEADS};

/// What may separate values if nothing is said, likeliest first.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// Rows that are looked at to find out: enough that a comma in a text does not decide.
const SNIFFED_ROWS: usize = 50;

/// Columns of a file, at most: more is a mistake about what separates them.
const COLUMNS_MAX: usize = 100_000;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// See the module.
pub(super) struct Separated {
    reader: Reader<Feed>,
    record: ByteRecord,
    columns: Vec<Column>,
    nulls: Vec<Vec<u8>>,
    quote: u8,
    /// Where the reader began, in content and in lines.
    base: u64,
    base_lines: u64,
    rows: u64,
    /// Columns are not known before the first row says how many there are.
    named: bool,
    /// The line that names the columns, where nothing else will: no row that is there, and none that may yet come.
    header: Option<Vec<u8>>,
    types: CsvConfig,
}

struct Column {
    /// As a member begins: a quoted name and a colon.
    member: Vec<u8>,
    kind: Option<CsvType>,
}

impl Separated {
    pub(super) fn new(
        mut feed: Feed,
        head: &[u8],
        from: &FileState,
        config: &CsvConfig,
        may_grow: bool,
    ) -> Result<Self, FilesError> {
        let marked = head.starts_with(BOM);
        let text = head.strip_prefix(BOM).unwrap_or(head);
        let delimiter = match config.delimiter {
            Some(sign) => sign as u8,
            // One column has no delimiter.
            None => delimiter_of(text, config, true).map_or(b',', |(delimiter, _)| delimiter),
        };
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(delimiter).quote(config.quote as u8);
        let (mut names, mut header_bytes, mut header_lines) = (config.columns.clone(), 0, 0);
        let mut header = None;
        if config.header && !text.is_empty() {
            let mut reader = builder.from_reader(text);
            let mut record = ByteRecord::new();
            reader.read_byte_record(&mut record).map_err(|error| malformed(0, &error))?;
            header_bytes = reader.position().byte();
            header_lines = reader.position().line() - 1;
            let longest = usize::try_from(HEADS[2]).unwrap_or(usize::MAX);
            if head.len() == longest && header_bytes as usize >= text.len() {
                let why =
                    format!("the header has more than {longest} bytes: perhaps a quote in it is not closed");
                return Err(FilesError::Malformed { at: 0, why });
            }
            if names.is_empty() {
                let name = |name: &[u8]| String::from_utf8(name.trim_ascii().to_vec());
                names =
                    record.iter().map(name).collect::<Result<_, _>>().map_err(|_| FilesError::Malformed {
                        at: 0,
                        why: "the header is no UTF-8; say in `encoding` what it is".to_owned(),
                    })?;
            }
        }
        if names.len() > COLUMNS_MAX {
            let why = format!("the header has {} columns, and {COLUMNS_MAX} are the most", names.len());
            return Err(FilesError::Malformed { at: 0, why });
        }
        let mut lines = from.lines;
        if from.at == 0 {
            header = text.get(..header_bytes as usize).map(|bytes| bytes.trim_ascii().to_vec());
            let skip = header_bytes + if marked { BOM.len() as u64 } else { 0 };
            feed.head(usize::try_from(skip).unwrap_or(usize::MAX));
            feed.consume(usize::try_from(skip).unwrap_or(usize::MAX).min(feed.ready().len()));
            lines = header_lines;
        }
        let base = feed.at();
        let mut separated = Self {
            reader: builder.from_reader(feed),
            record: ByteRecord::new(),
            columns: Vec::new(),
            nulls: config.nulls.iter().map(|null| null.clone().into_bytes()).collect(),
            quote: config.quote as u8,
            base,
            base_lines: lines,
            rows: from.rows,
            named: !names.is_empty(),
            header: header.filter(|header| !header.is_empty() && !may_grow),
            types: config.clone(),
        };
        separated.name(names);
        Ok(separated)
    }

    /// Every column has a name of its own.
    fn name(&mut self, names: Vec<String>) {
        let mut taken = HashSet::new();
        let types = &self.types.types;
        let column = |(at, name): (usize, String)| {
            let plain = if name.is_empty() { format!("column_{}", at + 1) } else { name };
            let mut name = plain.clone();
            let mut again = 2;
            while !taken.insert(name.clone()) {
                name = format!("{plain}_{again}");
                again += 1;
            }
            let mut member = serde_json::to_vec(&name).unwrap_or_default();
            member.push(b':');
            Column { member, kind: types.get(&name).copied() }
        };
        self.columns = names.into_iter().enumerate().map(column).collect();
    }

    /// The bytes of the record that was read last, and where they begin.
    fn raw(&self) -> &[u8] {
        let end = usize::try_from(self.base + self.reader.position().byte() - self.reader.get_ref().at());
        let bytes = self.reader.get_ref().ready();
        &bytes[..end.unwrap_or(usize::MAX).min(bytes.len())]
    }

    fn line(&self) -> u64 {
        self.base_lines + self.record.position().map_or(1, ::csv::Position::line)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (column, value)) in self.columns.iter().zip(self.record.iter()).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&column.member);
            if self.nulls.iter().any(|null| null == value) {
                out.extend_from_slice(b"null");
                continue;
            }
            let bare = value.trim_ascii();
            let typed = match column.kind {
                None => None,
                Some(CsvType::Number) => number(bare).map(<[u8]>::to_vec),
                Some(CsvType::Boolean) if bare.eq_ignore_ascii_case(b"true") => Some(b"true".to_vec()),
                Some(CsvType::Boolean) if bare.eq_ignore_ascii_case(b"false") => Some(b"false".to_vec()),
                Some(CsvType::Boolean) => None,
                Some(CsvType::Json) => {
                    let json = serde_json::from_slice::<&RawValue>(bare).ok();
                    json.map(|json| json.get().as_bytes().to_vec())
                }
            };
            match (typed, std::str::from_utf8(value)) {
                (Some(typed), _) => out.extend_from_slice(&typed),
                // A buffer takes everything; that it is UTF-8 was seen before.
                (None, text) => drop(serde_json::to_writer(&mut *out, text.unwrap_or_default())),
            }
        }
        out.push(b'}');
    }
}

impl Rows for Separated {
    fn next(&mut self, out: &mut Vec<u8>) -> Result<Next, FilesError> {
        let mut record = std::mem::take(&mut self.record);
        let read = self.reader.read_byte_record(&mut record);
        self.record = record;
        match read {
            Ok(true) => {}
            Ok(false) => {
                self.reader.get_mut().failure()?;
                if let Some(header) = self.header.take().filter(|_| self.rows == 0) {
                    out.extend_from_slice(&header);
                    return Ok(Next::Bad(1, "it names columns, and no row follows that has them".to_owned()));
                }
                // Line breaks at the end.
                let rest = self.reader.get_ref().lent();
                self.reader.get_mut().consume(rest);
                self.base = self.reader.get_ref().at() - self.reader.position().byte();
                return Ok(Next::End);
            }
            Err(error) => {
                self.reader.get_mut().failure()?;
                return Err(malformed(self.reader.get_ref().at(), &error));
            }
        }
        if !self.named {
            let names = (1..=self.record.len()).map(|at| format!("column_{at}")).collect();
            self.name(names);
            self.named = true;
        }
        let raw = self.raw();
        let taken = raw.len();
        // What ends within quotes ends within a row.
        let open = memchr::memchr_iter(self.quote, raw).count() % 2 == 1;
        let last = self.base + self.reader.position().byte()
            == self.reader.get_ref().at() + self.reader.get_ref().ready().len() as u64;
        if open && last {
            // Damage of what packs it is why.
            self.reader.get_mut().failure()?;
        }
        let line = self.line();
        let reason = if open && last {
            Some("the file ends within quotes".to_owned())
        } else if self.record.len() != self.columns.len() {
            Some(format!("it has {} values, and there are {} columns", self.record.len(), self.columns.len()))
        } else if self.record.iter().any(|value| simdutf8::basic::from_utf8(value).is_err()) {
            Some("it is no UTF-8; say in `encoding` what it is".to_owned())
        } else {
            None
        };
        let next = match reason {
            None => {
                self.write(out);
                self.rows += 1;
                Next::Row(line)
            }
            Some(why) => {
                out.extend_from_slice(self.raw().trim_ascii());
                Next::Bad(line, why)
            }
        };
        self.reader.get_mut().consume(taken);
        Ok(next)
    }

    fn mark(&mut self, state: &mut FileState) {
        self.reader.get_ref().marks(state);
        state.lines = self.base_lines + self.reader.position().line() - 1;
        state.rows = self.rows;
    }

    fn fields(&self) -> Vec<(String, String)> {
        let name = |column: &Column| serde_json::from_slice(&column.member[..column.member.len() - 1]).ok();
        let kind = |column: &Column| match column.kind {
            None => "text",
            Some(CsvType::Number) => "number",
            Some(CsvType::Boolean) => "boolean",
            Some(CsvType::Json) => "json",
        };
        self.columns.iter().filter_map(|column| Some((name(column)?, kind(column).to_owned()))).collect()
    }
}

/// The value as JSON writes numbers, if it is one.
fn number(value: &[u8]) -> Option<&[u8]> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let begins = digits.first().is_some_and(u8::is_ascii_digit);
    (begins && serde_json::from_slice::<serde_json::Number>(value).is_ok()).then_some(value)
}

/// What separates values: the sign that divides the first rows into the same number of values, and into the most;
/// with it how many rows there were. `cut` says that the last of them may not be whole.
pub(super) fn delimiter_of(text: &[u8], config: &CsvConfig, cut: bool) -> Option<(u8, usize)> {
    let mut best: Option<(u8, usize, usize)> = None;
    for delimiter in DELIMITERS {
        if config.quote as u32 == u32::from(delimiter) {
            continue;
        }
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(delimiter).quote(config.quote as u8);
        let mut reader = builder.from_reader(text);
        let (mut record, mut widths) = (ByteRecord::new(), Vec::new());
        while widths.len() < SNIFFED_ROWS && reader.read_byte_record(&mut record).is_ok_and(|more| more) {
            let last = reader.position().byte() as usize >= text.len();
            if last && cut && !widths.is_empty() {
                break;
            }
            widths.push(record.len());
        }
        let Some(width) = widths.first().copied().filter(|width| *width > 1) else { continue };
        // A damaged row or two are no reason to take another sign.
        let alike = widths.iter().filter(|other| **other == width).count();
        if alike * 10 >= widths.len() * 9 && best.is_none_or(|(_, most, _)| width > most) {
            best = Some((delimiter, width, widths.len()));
        }
    }
    best.map(|(delimiter, _, rows)| (delimiter, rows))
}

fn malformed(at: u64, error: &::csv::Error) -> FilesError {
    FilesError::Malformed { at, why: error.to_string() }
}
