//! Which format a head of content has. Names play no part, and neither does a single line:
//! damage at the front must not turn a capture into something else.

use std::sync::Arc;

use memchr::memchr;
use stele_model::json::{SyntaxProblem, Tape};

use crate::document::{Scanner, first_record};
use crate::frame;
use crate::lines::BYTE_ORDER_MARK;
use crate::profile::{Plan, Profiles, Shape, Step};

/// How many records decide. Formats that begin alike differ within the first few.
const RECORDS_MAX: usize = 64;

/// What a head was recognised as.
pub(crate) struct Detected {
    pub profile: Arc<Plan>,
    pub shape: Shape,
    /// Whether the head looks like records for the most part, whatever damage there is between them.
    pub holds_records: bool,
}

impl Detected {
    /// Content that is kept as a whole.
    pub fn whole(name: &'static str, profiles: &Profiles) -> Self {
        Self { profile: Arc::clone(profiles.base()), shape: Shape::Whole(name), holds_records: false }
    }

    /// The same content read with another profile.
    pub fn forced(self, plan: &Arc<Plan>) -> Self {
        let shape = match (&plan.records, self.shape) {
            (Some(records), _) => Shape::Document(records.clone()),
            _ if plan.profile.name == crate::profile::DOCUMENTS => Shape::Document(vec![Step::Element]),
            _ if plan.profile.name == crate::profile::FRAMES => Shape::Frames,
            (None, Shape::Document(_)) => Shape::Document(vec![Step::Element]),
            (None, Shape::Lines | Shape::Frames | Shape::Whole(_)) => Shape::Lines,
        };
        Self { profile: Arc::clone(plan), shape, ..self }
    }
}

/// Recognises the format of the content that begins with `head`; `cut` if there is more of it.
pub(crate) fn detect(head: &[u8], cut: bool, profiles: &Profiles) -> Detected {
    let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let seen = Lines::of(head, cut, profiles.base());
    if let Some(start) = seen.document {
        let head = &head[start..];
        for plan in profiles.plans() {
            if let Some(records) = plan.records.as_ref().filter(|records| is_container(head, records)) {
                let shape = Shape::Document(records.clone());
                return Detected { profile: Arc::clone(plan), shape, holds_records: true };
            }
        }
        if seen.spans {
            let mut tape = Tape::default();
            let shape = Shape::Document(vec![Step::Element]);
            let record = first_record(head, !cut).and_then(|bytes| str::from_utf8(bytes).ok());
            let best = record.filter(|text| tape.parse(text).is_ok()).and_then(|text| {
                profiles.plans().iter().find(|plan| plan.records.is_none() && plan.fits(tape.value(text, 0)))
            });
            let profile = Arc::clone(best.unwrap_or(profiles.documents()));
            return Detected { profile, shape, holds_records: true };
        }
    }
    if seen.frames > 0 && seen.containers == 0 {
        let profile = Arc::clone(profiles.frames());
        return Detected { profile, shape: Shape::Frames, holds_records: 2 * seen.frames >= seen.others };
    }
    let holds_records = seen.containers > 0 && seen.containers >= seen.others;
    Detected { profile: best(&seen.records, profiles), shape: Shape::Lines, holds_records }
}

/// The profile that most of the records fit, if that is half of them.
fn best(records: &[&str], profiles: &Profiles) -> Arc<Plan> {
    let plans = profiles.plans();
    let mut scores = vec![0; plans.len()];
    let mut tape = Tape::default();
    for text in records {
        if tape.parse(text).is_ok() {
            for (score, plan) in scores.iter_mut().zip(plans) {
                *score += usize::from(plan.records.is_none() && plan.fits(tape.value(text, 0)));
            }
        }
    }
    let most = scores.iter().copied().max().unwrap_or(0);
    if most == 0 || 2 * most < records.len() {
        return Arc::clone(profiles.base());
    }
    let first = scores.iter().position(|score| *score == most).unwrap_or(0);
    Arc::clone(&plans[first])
}

/// What the lines of a head look like.
struct Lines<'a> {
    /// Lines that are one JSON object or array, the first [`RECORDS_MAX`] of them.
    records: Vec<&'a str>,
    /// How many there are in all.
    containers: usize,
    /// Whole lines that hold something else, or something more.
    others: usize,
    /// Lines that are frames with JSON in them.
    frames: usize,
    /// Where a value begins that may be a document.
    document: Option<usize>,
    /// Whether that value spans several lines.
    spans: bool,
}

impl<'a> Lines<'a> {
    fn of(head: &'a [u8], cut: bool, base: &Plan) -> Self {
        let mut seen =
            Self { records: Vec::new(), containers: 0, others: 0, frames: 0, document: None, spans: false };
        let mut tape = Tape::default();
        let (mut at, mut first, mut comments) = (0, None, false);
        while at < head.len() && seen.containers < RECORDS_MAX {
            let start = at;
            let end = memchr(b'\n', &head[start..]).map(|len| start + len);
            let line = &head[start..end.unwrap_or(head.len())];
            at = end.map_or(head.len(), |end| end + 1);
            let control = base.profile.control.iter().any(|prefix| line.starts_with(prefix.as_bytes()));
            if control || line.trim_ascii().is_empty() {
                comments |= control;
                continue;
            }
            let whole = end.is_some() || !cut;
            if first.is_none() {
                first = Some((start, line, whole));
            }
            let text = str::from_utf8(line).unwrap_or_default();
            let at_margin = matches!(line.first(), Some(b'{' | b'['));
            if at_margin && tape.parse(text).is_ok() {
                seen.records.push(text);
                seen.containers += 1;
                continue;
            }
            seen.others += usize::from(whole);
            let frame = frame::decode(text.trim_end(), &mut tape);
            seen.frames += usize::from(frame.is_ok_and(|frame| frame.body.is_some()));
        }
        // Comments stand between lines, never in a document.
        let Some((start, line, whole)) = first.filter(|_| !comments) else {
            return seen;
        };
        let sole = seen.containers + seen.others <= 1 && at >= head.len();
        if tape.parse(str::from_utf8(line).unwrap_or_default()).is_ok() {
            // One value on one line: a record, or an archive if it is the only one.
            seen.document = sole.then_some(start);
            return seen;
        }
        if !matches!(line.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return seen;
        }
        if !whole {
            // A first line longer than the head: a long record, unless it is an archive.
            seen.document = Some(start);
            return seen;
        }
        seen.spans = match reading(&head[start..], cut, &mut tape) {
            Reading::Ends(at) => at > line.len(),
            Reading::GoesOn => true,
            // Damage in a document, or a damaged line in front of others. No line that was cut
            // off fits the one after it, and only a document begins with a lone bracket.
            Reading::Breaks(at) => {
                let rest = head.get(start + line.len() + 1..).unwrap_or_default();
                let second = memchr(b'\n', rest).unwrap_or(rest.len());
                let alone = matches!(line.trim_ascii(), b"[" | b"{");
                seen.containers < seen.others && seen.others > 1 && (alone || at > line.len() + 1 + second)
            }
        };
        seen.document = seen.spans.then_some(start);
        seen
    }
}

/// How reading the first value of a head comes out.
enum Reading {
    /// It ends here.
    Ends(usize),
    /// It is well as far as it is known.
    GoesOn,
    /// It breaks here.
    Breaks(usize),
}

fn reading(head: &[u8], cut: bool, tape: &mut Tape) -> Reading {
    let text = match str::from_utf8(head) {
        Ok(text) => text,
        // The cut may go through a character.
        Err(error) => str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    match tape.parse_prefix(text) {
        Ok(end) => Reading::Ends(end),
        Err(error) if cut && error.problem == SyntaxProblem::Truncated => Reading::GoesOn,
        Err(error) => Reading::Breaks(error.at),
    }
}

/// Whether the list is there in which the records are, or the first of several lists.
fn is_container(head: &[u8], records: &[Step]) -> bool {
    let list = records.iter().position(|step| *step == Step::Element).unwrap_or(records.len());
    Scanner::reach(head, records) > list
}

/// What a file is that is certainly not JSON; by the signatures that archives, images and tables
/// begin with.
pub(crate) fn foreign(head: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 12] = [
        (b"PK\x03\x04", "a ZIP archive"),
        (b"PAR1", "a Parquet file"),
        (b"%PDF-", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "an image"),
        (b"\xff\xd8\xff", "an image"),
        (b"GIF8", "an image"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\xfd7zXZ\0", "an xz archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"BZh", "a bzip2 archive"),
        (b"\x04\x22\x4d\x18", "an LZ4 archive"),
        (b"\x7fELF", "a program"),
    ];
    SIGNATURES.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, what)| what)
}
