//! Every bound of this crate, and why that number.

/// Most bytes of one document. A text of that size is read in seconds; beyond it a file is data, and
/// `stele ingest` has other ways for data.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 256 << 20;

/// Longest line of Markdown whose marks are looked at. Nobody writes a line like that by hand, and
/// each mark in it costs a hundred times its size in memory.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 20;

/// Longest stretch of Markdown without a blank line whose marks are looked at, for the same reason.
/// Twice a line, because long tables are real.
pub(crate) const RUN_BYTES_MAX: usize = 2 << 20;

/// Size from which a piece of Markdown ends at the next heading or paragraph, and from twice that on
/// at the next blank line. The tree of a piece takes up to a few hundred times its size.
pub(crate) const PIECE_BYTES: usize = 512 << 10;

/// How often the rest of a document is gone over again because a fence was left open. Documents with
/// more such fences than that are not prose, and each time costs as long as reading the rest.
pub(crate) const RECOVERIES_MAX: usize = 64;

/// Most lines of front matter. The longest that were seen have about a hundred.
pub(crate) const FRONT_MATTER_LINES_MAX: usize = 1000;

/// Characters of text by which a language is told; more change nothing.
pub(crate) const LANGUAGE_CHARS_MAX: usize = 2000;

/// Fewest letters by which a language is told: below, names and code decide.
pub(crate) const LANGUAGE_CHARS_MIN: usize = 40;

/// Size from which HTML is read in a child process: its tree takes a few dozen times its size.
pub(crate) const HTML_BYTES_TRUSTED: usize = 8 << 20;

/// Nesting of elements from which HTML is read in a child process: what reads it looks at all that are
/// open for each that begins, so the time grows with the square. Pages have some dozens.
pub(crate) const HTML_DEPTH_TRUSTED: usize = 2_000;

/// Deepest nesting of HTML, XML or Notion blocks that is followed; what is deeper is kept as text.
/// Browsers stop at 512.
pub(crate) const DEPTH_MAX: usize = 512;

/// Most entries of an archive. The largest export that was heard of has some ten thousand pages.
pub(crate) const ARCHIVE_ENTRIES_MAX: usize = 50_000;

/// Most bytes that one entry of an archive unpacks to.
pub(crate) const ENTRY_BYTES_MAX: u64 = 64 << 20;

/// Most bytes that all entries of an archive that are looked at unpack to.
pub(crate) const ARCHIVE_BYTES_MAX: u64 = 256 << 20;

/// Most times that an entry may be larger than it is packed, once it is larger than
/// [`RATIO_BYTES_MIN`]. Deflate reaches 1030 at its best; honest XML stays below 50.
pub(crate) const ARCHIVE_RATIO_MAX: u64 = 200;

/// Entries up to this size may be packed as well as they like: short ones with one repeated line are.
pub(crate) const RATIO_BYTES_MIN: u64 = 4 << 20;

/// Most cells of all sheets. Beyond it, a workbook is data.
pub(crate) const CELLS_MAX: usize = 2_000_000;

/// Rows of a sheet or a CSV file that make one section: few enough to read, many enough that a file of
/// a million rows has no million sections.
pub(crate) const ROWS_A_SECTION: usize = 200;

/// Most pages of one document: as many as fit a shelf.
pub(crate) const PAGES_MAX: u32 = 20_000;

/// Most pages of one document that are read by OCR: each takes seconds.
pub(crate) const OCR_PAGES_MAX: u32 = 200;

/// Longest time that OCR may take for one document, in seconds: less than a child process has, so that
/// the pages that were read are not lost with those that were not.
pub(crate) const OCR_SECONDS_MAX: u64 = 60;

/// Resolution at which pages are drawn for OCR, in dots per inch: what Tesseract asks for.
pub(crate) const OCR_DPI: u32 = 300;

/// Longest name of an entity, in bytes; longer ones are sentences.
pub(crate) const NAME_BYTES_MAX: usize = 200;

/// Most mentions of one entity in one section: the first ones tell as much as all.
pub(crate) const MENTIONS_MAX: usize = 20;

/// Deepest nesting of messages in a mail.
pub(crate) const MAIL_DEPTH_MAX: usize = 8;
