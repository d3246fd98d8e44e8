//! Numbers, times and places as people read them.

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;
use stele_model::Micros;

use super::address;

/// Digits of an id that tell it from others at a glance.
const SHORT_ID: usize = 10;

/// A number with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number of an answer.
pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// A text of an answer.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The entries of a list of an answer.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Bytes in the unit that keeps them short.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", units[unit]) }
}

/// A share as a percentage that is 100 only for all and 0 only for nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (_, 0) | (0, _) => "0 %".to_owned(),
        (part, whole) if part >= whole => "100 %".to_owned(),
        (part, whole) => match 100.0 * part as f64 / whole as f64 {
            share if share < 0.1 => "< 0.1 %".to_owned(),
            share if share > 99.9 => "> 99.9 %".to_owned(),
            share => format!("{share:.1} %"),
        },
    }
}

/// One or several of something.
pub(super) fn many(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", count(number)) }
}

/// A moment, with how long ago that is.
pub(super) fn moment(at: Micros, now: Micros) -> Markup {
    let Ok(stamp) = Timestamp::from_microsecond(at) else { return html! { "?" } };
    let words = ago(now.saturating_sub(at));
    html! { time datetime=(stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    title=(stamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()) { (words) } }
}

/// The hour of a moment in UTC.
pub(super) fn hour(at: Micros) -> String {
    Timestamp::from_microsecond(at)
        .map_or_else(|_| "?".to_owned(), |stamp| stamp.strftime("%H:%M").to_string())
}

/// The time of day of a moment in UTC.
pub(super) fn clock(at: Micros) -> String {
    Timestamp::from_microsecond(at)
        .map_or_else(|_| "?".to_owned(), |stamp| stamp.strftime("%H:%M:%S").to_string())
}

/// How long ago something was.
fn ago(micros: Micros) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        ..0 => "in a moment".to_owned(),
        0..5 => "just now".to_owned(),
        5..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// Seconds as a duration.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.9995 => format!("{:.0} ms", s * 1000.0),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// What a program says, with its `commands` as such.
pub(super) fn said(text: &str) -> Markup {
    html! { @for (number, part) in text.split('`').enumerate() {
        @if number % 2 == 1 { code { (part) } } @else { (part) }
    } }
}

/// How many bytes paths have in common at their beginning: whole directories, which need not be said of each.
pub(super) fn common<'a>(mut paths: impl Iterator<Item = &'a str>) -> usize {
    let directory = |path: &str| path.rfind('/').map_or(0, |at| at + 1);
    let Some(first) = paths.next() else { return 0 };
    paths.fold(directory(first), |length, path| {
        let same =
            first.bytes().zip(path.bytes()).take(length).take_while(|(one, other)| one == other).count();
        first.as_bytes()[..same].iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1)
    })
}

/// A path without its first bytes, breaking between its steps where it has to.
pub(super) fn rest(path: &str, from: usize) -> Markup {
    let shown = path.get(from..).filter(|rest| !rest.is_empty()).unwrap_or(path);
    html! { span title=(path) { @for part in shown.split_inclusive('/') { (part) wbr; } } }
}

/// The end of a path that tells it from others, with the whole of it where one points at it.
pub(super) fn file(path: &str) -> Markup {
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path);
    html! { span title=(path) { (name) } }
}

/// A path that breaks between its steps where it has to.
pub(super) fn path(path: &str) -> Markup {
    html! { @for part in path.split_inclusive(['.', ']']) { (part) wbr; } }
}

/// A place as a link to the lines around it: `file:line`.
pub(super) fn place(at: &str) -> Markup {
    match at.rsplit_once(':') {
        Some((source, line)) if line.parse::<u64>().is_ok() => {
            let name = source.rsplit('/').next().unwrap_or(source);
            html! { a.place href=(lines_at(source, line)) title=(at) {
            (name) ":" (line) } }
        }
        _ => match at.strip_prefix("record ").filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(id) => record(id),
            None => html! { span title=(at) { (file(at)) } },
        },
    }
}

/// The address of the lines around a place, which is shown in their midst.
pub(super) fn lines_at(source: &str, line: &str) -> String {
    format!("{}#here", address("/excerpt", &[("source", source), ("line", line)]))
}

/// A record by its id, which is hexadecimal, as a link to the query that shows it.
fn record(id: &str) -> Markup {
    let query = format!("SELECT source, line_no, raw FROM events WHERE record_id = '{id}'");
    let short = &id[..id.len().min(SHORT_ID)];
    html! { a.place href=(address("/sql", &[("query", &query)])) title=(id) { "record " (short) } }
}

#[cfg(test)]
mod tests {
    use super::{ago, bytes, common, count, percent, place, rest, said, seconds};

    #[test]
    fn numbers_are_told_shortly_and_truly() {
        assert_eq!(
            [count(7), count(1234), count(1_234_567)],
            ["7", "1\u{202f}234", "1\u{202f}234\u{202f}567"]
        );
        assert_eq!([bytes(12), bytes(2048), bytes(5 << 30)], ["12 B", "2.0 KiB", "5.0 GiB"]);
        for (part, whole, expect) in [
            (0, 10, "0 %"),
            (1, 100_000, "< 0.1 %"),
            (99_999, 100_000, "> 99.9 %"),
            (1, 2, "50.0 %"),
            (3, 3, "100 %"),
            (0, 0, "0 %"),
        ] {
            assert_eq!(percent(part, whole), expect);
        }
        assert_eq!([ago(0), ago(60_000_000), ago(7_200_000_000)], ["just now", "60 s ago", "2 h ago"]);
        assert_eq!([seconds(0.02), seconds(3.0), seconds(300.0)], ["20 ms", "3.0 s", "5 min"]);
    }

    #[test]
    fn places_are_links_and_nothing_of_them_is_markup() {
        let link = place("/a/<b>&\"c:12").0;
        assert!(link.contains("source=%2Fa%2F%3Cb%3E%26%22c&amp;line=12"), "{link}");
        assert!(!link.contains("<b>"), "{link}");
        assert!(!place("no place").0.contains("href"));
        assert!(place("record 0123456789abcdef").0.contains("record 0123456789<"));
        assert!(!place("record 0' OR 1").0.contains("href"));
        assert_eq!(said("do `a <b` or c").0, "do <code>a &lt;b</code> or c");
    }

    #[test]
    fn what_paths_have_in_common_ends_with_a_directory() {
        for (paths, expect) in [
            (&["/a/b/c.x", "/a/b/d.x"][..], "/a/b/"),
            (&["/a/bc/x", "/a/bd/x"], "/a/"),
            (&["/a/b", "c"], ""),
            (&["/a/b"], "/a/"),
            (&["/a/ä", "/a/ö"], "/a/"),
            (&[], ""),
        ] {
            assert_eq!(common(paths.iter().copied()), expect.len(), "{paths:?}");
        }
        assert!(rest("/a/b/c", 3).0.contains(">b/<wbr>c<wbr></span>"), "{}", rest("/a/b/c", 3).0);
        assert!(rest("ab", 9).0.contains(">ab<"), "too much is nothing");
    }
}
