//! Damaged recordings: everything that real files were found to contain.
//!
//! Each line is labelled with what a reader has to make of it. What looks damaged but is legal
//! JSON (repeated keys, huge numbers, lone surrogates, odd roots) is a record like any other.

use std::io;

use super::auction::Auction;
use super::formats::raw_record;
use super::sheet::{Fate, Sheet};
use super::tree::{Style, Tree, object};

/// Depth of the deepest record.
const DEPTH: usize = 64;

/// Length of the longest line's text.
const LONG_TEXT: usize = 500_000;

/// How many clean records stand between two pieces of damage.
const CLEAN_RUN: usize = 7;

/// A raw recording (F1) with a byte order mark, one of each kind of damage between clean records,
/// and a last line that is cut off.
pub(super) fn mixed(sheet: &mut Sheet<'_>, auction: &mut Auction) -> io::Result<()> {
    sheet.put(b"\xef\xbb\xbf")?;
    let mut seq = 0;
    let mut next = |auction: &mut Auction| loop {
        let message = auction.message();
        if message.ack.is_none() {
            seq += 1;
            break (message.event, raw_record(seq, &message));
        }
    };
    for kind in 0..KINDS {
        for _ in 0..CLEAN_RUN {
            let (event, tree) = next(auction);
            sheet.record(event, &tree, Style::Spaced)?;
        }
        let (first, second) = (next(auction).1, next(auction).1);
        damage(sheet, kind, &first.to_text(Style::Spaced), &second.to_text(Style::Spaced))?;
    }
    for tree in legal_oddities() {
        let event =
            if matches!(&tree, Tree::Object(members) if !members.is_empty()) { "oddity" } else { "unknown" };
        sheet.record(event, &tree, Style::Compact)?;
    }
    let text = next(auction).1.to_text(Style::Spaced);
    sheet.line_ending(Fate::Rejected, cut(&text, text.len() / 2).as_bytes(), "")
}

const KINDS: usize = 12;

fn damage(sheet: &mut Sheet<'_>, kind: usize, first: &str, second: &str) -> io::Result<()> {
    let head = cut(first, first.len() / 3);
    match kind {
        // The tail is missing.
        0 => sheet.line(Fate::Rejected, head.as_bytes()),
        // The head is missing.
        1 => sheet.line(Fate::Rejected, &first.as_bytes()["{\"seq\"".len()..]),
        // Two writers, one inside the other.
        2 => sheet.line(Fate::Rejected, format!("{head}{second}{}", &first[head.len()..]).as_bytes()),
        // Two records on one line.
        3 => sheet.line(Fate::Rejected, format!("{first}{second}").as_bytes()),
        4 => sheet.line(Fate::Rejected, b"## the recorder was restarted here"),
        // Space that a file system reserved, then a record.
        5 => sheet.line(Fate::Rejected, &[&[0; 4096], second.as_bytes()].concat()),
        6 => sheet.line(Fate::Rejected, b"{\"seq\": 1, \"event\": \"chatLine\", \"data\": \"\xff\xfe\"}"),
        7 => sheet
            .line(Fate::Rejected, b"{\"seq\": 1, \"event\": \"auctionState\", \"data\": {\"price\": NaN}}"),
        8 => sheet.line(Fate::Rejected, b"{\"seq\": 1, \"event\": \"auctionState\", \"data\": [1, 2,]}"),
        9 => sheet.line(Fate::Blank, b""),
        10 => sheet.line(Fate::Blank, b" \t \r"),
        _ => sheet.line(Fate::Rejected, b"{\"seq\": 01}"),
    }
}

/// The first `at` bytes of `text`, or fewer to end on a character.
fn cut(text: &str, at: usize) -> &str {
    &text[..text.floor_char_boundary(at)]
}

fn legal_oddities() -> Vec<Tree> {
    let odd = |value: Tree| object([("event", "oddity".into()), ("value", value)]);
    let number = |spelling: &str| odd(Tree::Number(spelling.to_owned()));
    let mut deep = Tree::Array(vec![]);
    for level in 0..DEPTH {
        deep = if level % 2 == 0 { object([("in", deep)]) } else { vec![deep].into() };
    }
    vec![
        object([("event", "oddity".into()), ("twice", 1.into()), ("twice", "two".into())]),
        number("9223372036854775808"),
        number("-9223372036854775809"),
        number("123456789012345678901234567890"),
        number("1e400"),
        number("-0"),
        number("1E-7"),
        number("0.10000000000000000555"),
        odd(Tree::Literal("\"\\ud800 alone\"")),
        odd(Tree::Literal("\"\\u0000\"")),
        odd("x".repeat(LONG_TEXT).into()),
        odd(deep),
        Tree::Array(vec![1.into(), object([("a", Tree::Null)])]),
        Tree::Array(vec![]),
        Tree::Int(42),
        Tree::Null,
        "only text".into(),
        object([]),
    ]
}

/// A raw recording with `\r\n` at its line ends and none at its end.
pub(super) fn carriage_returns(sheet: &mut Sheet<'_>, auction: &mut Auction, budget: u64) -> io::Result<()> {
    sheet.line_end = "\r\n";
    super::formats::raw(sheet, auction, budget, false)?;
    sheet.record_inline("closing", &object([("event", "closing".into())]), Style::Compact)
}
