//! Where a Markdown text is cut into pieces that are parsed on their own: at headings that an open
//! fence would swallow, and often enough that the tree of no piece grows without bound. One pass over
//! the lines; it knows fences, headings and blank lines, and nothing else of Markdown.

use std::ops::Range;

use crate::limits::{LINE_BYTES_MAX, PIECE_BYTES, RECOVERIES_MAX, RUN_BYTES_MAX};

/// A stretch of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Lines, counted from 0.
    pub lines: Range<usize>,
    /// Whether it is taken as one paragraph without looking at marks, because of its size.
    pub plain: bool,
}

/// How a text is cut.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The pieces, in order and without gaps.
    pub pieces: Vec<Piece>,
    /// Lines of fences that were left open and swallowed a heading, counted from 0.
    pub unclosed: Vec<usize>,
}

/// An open fence.
struct Fence {
    line: usize,
    mark: u8,
    length: usize,
    /// Whether its content may be Markdown, in which headings and fences mean nothing.
    markdown: bool,
    /// The first line in it that is very much like a heading.
    heading: Option<usize>,
    /// The first line in it that could be one.
    maybe: Option<usize>,
}

struct Scan<'a> {
    text: &'a str,
    lines: &'a [usize],
    /// First line of the current piece.
    begin: usize,
    plan: Plan,
}

/// Plans the lines from `first` on; `lines` is where each line begins, with the end of the text.
pub(super) fn plan(text: &str, lines: &[usize], first: usize) -> Plan {
    let mut scan = Scan { text, lines, begin: first, plan: Plan::default() };
    let mut at = first;
    for recovery in 0.. {
        match scan.run(at, recovery < RECOVERIES_MAX) {
            Some(heading) => {
                scan.end_piece(heading);
                at = heading;
            }
            None => break,
        }
    }
    scan.end_piece(scan.count());
    scan.plan
}

impl<'a> Scan<'a> {
    fn count(&self) -> usize {
        self.lines.len() - 1
    }

    fn line(&self, index: usize) -> &'a str {
        self.text[self.lines[index]..self.lines[index + 1]].trim_end_matches(['\n', '\r'])
    }

    fn blank(&self, index: usize) -> bool {
        self.line(index).trim().is_empty()
    }

    fn bytes(&self, lines: Range<usize>) -> usize {
        self.lines[lines.end] - self.lines[lines.start]
    }

    fn end_piece(&mut self, end: usize) {
        if self.begin < end {
            self.plan.pieces.push(Piece { lines: self.begin..end, plain: false });
            self.begin = end;
        }
    }

    /// Makes one piece of `lines`, whose marks nobody looks at.
    fn plain_piece(&mut self, lines: Range<usize>) {
        self.end_piece(lines.start);
        self.begin = lines.end;
        self.plan.pieces.push(Piece { lines, plain: true });
    }

    /// Scans from line `from` to the end. If a fence is still open there, says at which heading the
    /// text goes on.
    fn run(&mut self, from: usize, may_recover: bool) -> Option<usize> {
        let mut open: Option<Fence> = None;
        // Closed fences that hold a heading: if the fences turn out odd, the first one was the culprit.
        let mut suspects: Vec<(usize, usize)> = Vec::new();
        let mut run_begin = from;
        let mut at = from;
        while at < self.count() {
            let line = self.line(at);
            let mark = fence(line);
            if let Some(fence) = &mut open {
                match mark {
                    Some((mark, length, "")) if mark == fence.mark && length >= fence.length => {
                        if let Some(heading) = fence.heading.filter(|_| !fence.markdown) {
                            suspects.push((fence.line, heading));
                        }
                        open = None;
                        run_begin = at + 1;
                    }
                    // A fence with a language opens; so the one before it was meant to be over.
                    Some((mark, length, info)) if !info.is_empty() && mark == fence.mark => {
                        if let Some(heading) =
                            fence.heading.filter(|_| length >= fence.length && !fence.markdown)
                        {
                            self.plan.unclosed.push(fence.line);
                            self.end_piece(heading);
                            open = Some(Fence::new(at, mark, length, info));
                        }
                    }
                    _ => self.note_heading(at, line, &mut open),
                }
            } else if let Some((mark, length, info)) = mark {
                if !info.is_empty() {
                    suspects.clear();
                }
                open = Some(Fence::new(at, mark, length, info));
            } else {
                run_begin = self.bound(at, line, run_begin);
            }
            at += 1;
        }
        let fence = open.filter(|_| may_recover)?;
        let own =
            fence.heading.or(fence.maybe).filter(|_| !fence.markdown).map(|heading| (fence.line, heading));
        let (line, heading) = suspects.first().copied().or(own)?;
        if heading < self.begin {
            return None;
        }
        self.plan.unclosed.push(line);
        Some(heading)
    }

    fn note_heading(&self, at: usize, line: &str, open: &mut Option<Fence>) {
        let (Some(fence), Some(level)) = (open, heading_level(line)) else { return };
        // One # may be a comment of a shell or of Python; two hardly ever are.
        if level > 1 || self.blank(at - 1) {
            fence.heading.get_or_insert(at);
        }
        fence.maybe.get_or_insert(at);
    }

    /// Keeps pieces within their bounds at a line outside of fences; returns where the current run of
    /// lines without a blank one begins.
    fn bound(&mut self, at: usize, line: &str, run_begin: usize) -> usize {
        if line.len() > LINE_BYTES_MAX {
            self.plain_piece(at..at + 1);
            return at + 1;
        }
        let size = self.bytes(self.begin..at);
        if self.blank(at) {
            if size > 2 * PIECE_BYTES {
                self.end_piece(at);
            }
            return at + 1;
        }
        if self.bytes(run_begin..at + 1) > RUN_BYTES_MAX && run_begin >= self.begin {
            self.plain_piece(run_begin..at + 1);
            return at + 1;
        }
        let after_blank = at > self.begin && self.blank(at - 1);
        let begins = heading_level(line).is_some() && line.starts_with('#')
            || after_blank && line.starts_with(|c: char| c.is_alphabetic());
        if size > PIECE_BYTES && begins {
            self.end_piece(at);
        }
        run_begin
    }
}

impl Fence {
    fn new(line: usize, mark: u8, length: usize, info: &str) -> Self {
        let language = info.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty());
        let markdown = language.is_some_and(|word| ["markdown", "md", "mdx", "rmd"].contains(&word));
        Self { line, mark, length, markdown, heading: None, maybe: None }
    }
}

/// Mark, length and info of a line that opens or closes a fence.
fn fence(line: &str) -> Option<(u8, usize, &str)> {
    let content = unindented(line)?;
    let mark = content.bytes().next().filter(|mark| matches!(mark, b'`' | b'~'))?;
    let length = content.bytes().take_while(|byte| *byte == mark).count();
    let info = content[length..].trim();
    (length >= 3 && !(mark == b'`' && info.contains('`'))).then_some((mark, length, info))
}

/// Level of a line that is a heading with a text.
fn heading_level(line: &str) -> Option<usize> {
    let content = unindented(line)?;
    let level = content.bytes().take_while(|byte| *byte == b'#').count();
    let rest = &content[level..];
    ((1..=6).contains(&level) && rest.starts_with([' ', '\t']) && !rest.trim().is_empty()).then_some(level)
}

/// A line without its indentation, if that is not the one of code.
fn unindented(line: &str) -> Option<&str> {
    let content = line.trim_start_matches(' ');
    (line.len() - content.len() <= 3).then_some(content)
}
