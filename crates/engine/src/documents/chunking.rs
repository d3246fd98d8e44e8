//! A section in parts that a model takes in whole, each with the headings that lead to it.
//!
//! Parts end where blocks end, if they can; code and tables are cut at line ends only, and a table that
//! goes on in another part takes its head along. Only a line that is too long by itself is cut inside.

use std::ops::Range;

use stele_documents::tokens;

/// Tokens, about, from which a part ends at the next end of a block: with its headings that is what fits
/// into the 256 of a small sentence model. Larger windows gain little: a part about one thing is found
/// better than one about three.
const PART_TOKENS: u32 = 140;

/// Tokens, about, at which a part ends in any case, at the next line end before it.
const PART_TOKENS_MAX: u32 = 190;

/// What is left over stays with the part before it, if it is less than this: a few words without what
/// they are about answer nothing.
const REST_TOKENS_MIN: u32 = 40;

/// Bytes of the headings in front of a part, at most; of longer ones the last are the nearest.
const HEADINGS_BYTES_MAX: usize = 200;

/// Bytes of a table's head that are repeated; the head of a wider table is no help.
const TABLE_HEAD_BYTES_MAX: usize = 300;

/// Stands between two headings.
const BETWEEN: &str = " › ";

/// A part of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its bytes in the section's text.
    pub(crate) span: Range<usize>,
    /// The head of the table that it goes on with.
    pub(crate) table_head: Option<Range<usize>>,
}

/// Cuts the text of a section from `body` on. `tables` are the bytes of its tables. A section without a
/// body is one part of no bytes, so that its heading is found all the same.
pub(crate) fn parts_of(text: &str, body: usize, tables: &[Range<usize>]) -> Vec<Part> {
    let mut ends = Vec::new();
    let mut start = skip_blank(text, body);
    // Tokens since the last end; and the last end of a block, with the tokens up to there.
    let (mut weight, mut block): (u32, Option<(usize, u32)>) = (0, None);
    for line in lines(text, start) {
        let own = tokens(&text[line.clone()]);
        let blank = text[line.clone()].trim().is_empty();
        if blank {
            block = Some((line.start, weight));
        }
        if weight + own > PART_TOKENS_MAX && line.start > start {
            // The last end of a block, unless that leaves the part nearly empty.
            let (end, done) =
                block.filter(|(_, done)| *done >= REST_TOKENS_MIN).unwrap_or((line.start, weight));
            ends.push(end);
            (start, weight, block) = (end, weight - done, None);
        } else if blank && weight >= PART_TOKENS {
            ends.push(line.start);
            (start, weight, block) = (line.start, 0, None);
        }
        weight += own;
        // A line that is too long by itself, or with what could not be cut off before it.
        while weight > PART_TOKENS_MAX {
            let end = end_within(text, start, line.end);
            if end >= line.end {
                break;
            }
            ends.push(end);
            weight -= tokens(&text[start..end]).min(weight);
            (start, block) = (end, None);
        }
    }
    cut_at(text, skip_blank(text, body), &ends, tables)
}

/// The parts between `ends`, without the blank lines around them; a rest that is too small stays with
/// the part before it.
fn cut_at(text: &str, start: usize, ends: &[usize], tables: &[Range<usize>]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut from = start;
    for end in ends.iter().copied().chain([text.len()]) {
        let begin = skip_blank(text, from);
        let stop = begin + text[begin..end.max(begin)].trim_end().len();
        from = end.max(from);
        if begin >= stop {
            continue;
        }
        match parts.last_mut() {
            Some(before)
                if end == text.len()
                    && tokens(&text[begin..stop]) < REST_TOKENS_MIN
                    && tokens(&text[before.span.start..stop]) <= PART_TOKENS_MAX =>
            {
                before.span.end = stop;
            }
            _ => parts.push(Part { span: begin..stop, table_head: head_at(text, begin, tables) }),
        }
    }
    if parts.is_empty() {
        parts.push(Part { span: text.len()..text.len(), table_head: None });
    }
    parts
}

/// The first two lines of the table that `at` is inside of, if it is not in them itself.
fn head_at(text: &str, at: usize, tables: &[Range<usize>]) -> Option<Range<usize>> {
    let table =
        tables.get(tables.partition_point(|table| table.end <= at)).filter(|table| table.contains(&at))?;
    let head = lines(text, table.start).take(2).last()?.end.min(table.end);
    (at >= head && head - table.start <= TABLE_HEAD_BYTES_MAX).then_some(table.start..head)
}

/// Where to cut inside a line: after a blank, or between two characters.
fn end_within(text: &str, start: usize, line_end: usize) -> usize {
    let (mut seen, mut counted, mut blank) = (0, start, None);
    for (at, letter) in text[start..line_end].char_indices() {
        let at = start + at;
        // Counted word by word, and every few letters of one that does not end.
        if letter.is_whitespace() || !letter.is_alphanumeric() || at - counted >= LETTERS_COUNTED {
            seen += tokens(&text[counted..at + letter.len_utf8()]);
            counted = at + letter.len_utf8();
            if seen > PART_TOKENS_MAX {
                return blank.filter(|blank| *blank > start).unwrap_or(at);
            }
            if letter.is_whitespace() && seen > PART_TOKENS_MAX / 2 {
                blank = Some(counted);
            }
        }
    }
    line_end
}

/// Letters of a word without an end that are counted at a time: a token or two.
const LETTERS_COUNTED: usize = 6;

/// The first byte from `at` on of a line that is not blank.
fn skip_blank(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let blank = rest.len() - rest.trim_start().len();
    // Indentation belongs to the line.
    at + rest[..blank].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The lines from `start` on, each with its end.
fn lines(text: &str, start: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = start;
    text[start..].split_inclusive('\n').map(move |line| {
        let range = at..at + line.len();
        at = range.end;
        range
    })
}

/// The bytes of the tables in a text: lines next to each other that begin with a bar.
pub(crate) fn tables_in(text: &str) -> Vec<Range<usize>> {
    let mut tables: Vec<Range<usize>> = Vec::new();
    for line in lines(text, 0).filter(|line| text[line.clone()].trim_start().starts_with('|')) {
        match tables.last_mut() {
            Some(table) if table.end == line.start => table.end = line.end,
            _ => tables.push(line),
        }
    }
    tables
}

/// Headings from the outermost to the section's own, in one line.
pub(crate) fn headings(document: &str, above: &[String], own: &str) -> String {
    let mut all: Vec<&str> = Vec::new();
    for heading in [document].into_iter().chain(above.iter().map(String::as_str)).chain([own]) {
        let heading = heading.trim();
        if !heading.is_empty() && all.last() != Some(&heading) {
            all.push(heading);
        }
    }
    while all.len() > 1
        && all.iter().map(|heading| heading.len() + BETWEEN.len()).sum::<usize>() > HEADINGS_BYTES_MAX
    {
        all.remove(0);
    }
    all.join(BETWEEN)
}

#[cfg(test)]
mod tests {
    use stele_documents::tokens;

    use super::{PART_TOKENS_MAX, headings, parts_of};

    fn texts<'a>(text: &'a str, parts: &[super::Part]) -> Vec<&'a str> {
        parts.iter().map(|part| &text[part.span.clone()]).collect()
    }

    #[test]
    fn a_short_section_is_one_part() {
        let text = "## Set-up\n\nRun it.\n\n\nThen wait.\n";
        assert_eq!(texts(text, &parts_of(text, 10, &[])), ["Run it.\n\n\nThen wait."]);
        assert_eq!(texts("## Alone\n", &parts_of("## Alone\n", 9, &[])), [""]);
    }

    #[test]
    fn parts_end_with_paragraphs() {
        let paragraph = "Some words about one thing. ".repeat(12);
        let text = [&paragraph, "\n\n", &paragraph, "\n\n", &paragraph, "\n\n", &paragraph].concat();
        let parts = parts_of(&text, 0, &[]);
        assert!(parts.len() > 1);
        for part in texts(&text, &parts) {
            assert!(
                tokens(part) <= PART_TOKENS_MAX && part.starts_with("Some") && part.ends_with("thing."),
                "{part}"
            );
        }
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_twice() {
        let long = "x".repeat(5000);
        let code = (0..200).map(|n| format!("    line {n}\n")).collect::<String>();
        for text in
            [long.as_str(), &code, &format!("é{long}"), &"wörter ".repeat(700), &"\n\n a\n".repeat(900)]
        {
            let parts = parts_of(text, 0, &[]);
            let said: String = texts(text, &parts).concat().split_whitespace().collect();
            let whole: String = text.split_whitespace().collect();
            assert_eq!(said, whole);
            assert!(texts(text, &parts).into_iter().all(|part| tokens(part) <= PART_TOKENS_MAX));
        }
    }

    #[test]
    fn code_is_cut_at_line_ends() {
        let code = (0..200).map(|n| format!("line {n} does something\n")).collect::<String>();
        for part in texts(&code, &parts_of(&code, 0, &[])) {
            assert!(part.starts_with("line ") && part.ends_with("something"), "{part}");
        }
    }

    #[test]
    fn a_table_takes_its_head_along() {
        let rows =
            (0..100).map(|n| format!("| --option-{n} | what it does, number {n} |\n")).collect::<String>();
        let text = format!("| Name | Says |\n|---|---|\n{rows}");
        let parts = parts_of(&text, 0, std::slice::from_ref(&(0..text.len())));
        assert!(parts.len() > 2 && parts[0].table_head.is_none());
        for part in &parts[1..] {
            assert_eq!(part.table_head.clone().map(|head| &text[head]), Some("| Name | Says |\n|---|---|\n"));
        }
    }

    #[test]
    fn headings_lead_to_a_part() {
        let above = ["docker run".to_owned(), "Options".to_owned()];
        assert_eq!(headings("docker run", &above, "--rm"), "docker run › Options › --rm");
        assert_eq!(headings("", &[], "Alone"), "Alone");
        let many: Vec<String> = (0..30).map(|n| format!("heading number {n}")).collect();
        assert!(headings("Title", &many, "Own").len() <= 200);
    }
}
