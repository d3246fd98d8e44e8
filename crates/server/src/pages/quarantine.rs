//! Damaged lines with their bytes visible: a dump, as text and as numbers, with the place where reading failed.

use maud::{Markup, html};
use serde_json::Value;

use super::{Asked, address, chart, coverage, words};
use crate::api::quarantine::Quarantine;
use crate::reply::Refusal;

/// Bytes of a line of a dump: half of the usual sixteen fits a phone.
const BYTES_A_LINE: usize = 16;

pub(super) fn render(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let (source, reason) = (asked.get("source"), asked.get("reason"));
    let answer = asked.ask::<Quarantine>(&[
        ("source", asked.text("source")),
        ("reason", asked.text("reason")),
        ("cursor", asked.text("cursor")),
    ])?;
    let total = words::number(&answer["total"]);
    let source = source.unwrap_or_default();
    Ok(html! {
        h1 { "Quarantine" }
        p { (words::many(total, "damaged line")) @if !source.is_empty() { " of " (words::file(source)) }
            @if let Some(reason) = reason { " rejected for “" (reason) "”" }
            ". They are kept as they were found, and come back when an input is written back." }
        @if reason.is_some() || !source.is_empty() { p { a.button href="/quarantine" { "All damaged lines" } } }
        @if total == 0 {
            section.notice.good { h2 { "Nothing is damaged" } p { "Every line that was read is a record, or is known not to be one." } }
        } @else {
            section.card {
                h2 { "Why" }
                div.scroll { table { tbody { @for one in words::list(&answer["reasons"]) {
                    @let (name, lines) = (words::text(&one["reason"]), words::number(&one["lines"]));
                    tr {
                        td { a href=(address("/quarantine", &[("source", source), ("reason", name)])) { (name) } }
                        td.number { (words::count(lines)) }
                        td.wide { (chart::share(lines, total)) }
                        td.number { (words::bytes(words::number(&one["bytes"]))) }
                    }
                } } } }
            }
            @for line in words::list(&answer["lines"]) { (damaged(line)) }
            (coverage::next("/quarantine", &[("source", source), ("reason", reason.unwrap_or_default())], &answer))
        }
    })
}

fn damaged(line: &Value) -> Markup {
    let bytes = bytes_of(words::text(&line["hex"]));
    let error_at = line["error_at"].as_u64().and_then(|at| usize::try_from(at).ok());
    html! {
        article.card.damaged {
            h3 { (words::place(words::text(&line["at"]))) " " span.muted { (words::bytes(words::number(&line["bytes"]))) } }
            p.bad { (words::text(&line["reason"])) @if let Some(at) = error_at { " at byte " (at) " of the line" } }
            @if let Some(text) = line["text"].as_str() { pre.text { (visible(text)) } }
            details open[line["text"].is_null()] {
                summary { "Bytes" }
                pre.dump { @for (row, chunk) in bytes.chunks(BYTES_A_LINE).enumerate() { (dump(row * BYTES_A_LINE, chunk, error_at)) } }
                @if line["cut"] == true { p.muted { "The beginning of the line; it goes on." } }
            }
        }
    }
}

/// One line of a dump.
fn dump(offset: usize, bytes: &[u8], error_at: Option<usize>) -> Markup {
    let is_wrong = |place: usize| error_at == Some(offset + place);
    html! {
        span.no { (format!("{offset:04x}")) } "  "
        @for (place, byte) in bytes.iter().enumerate() {
            @if is_wrong(place) { mark { (format!("{byte:02x}")) } } @else { span.odd[is_odd(*byte)] { (format!("{byte:02x}")) } } " "
        }
        (" ".repeat(3 * (BYTES_A_LINE - bytes.len()))) " "
        @for (place, byte) in bytes.iter().enumerate() {
            @let shown = if is_odd(*byte) { "·".to_owned() } else { char::from(*byte).to_string() };
            @if is_wrong(place) { mark { (shown) } } @else { (shown) }
        }
        "\n"
    }
}

fn is_odd(byte: u8) -> bool {
    !(b' '..=b'~').contains(&byte)
}

/// A text with what cannot be seen made visible; many of the same are counted.
fn visible(text: &str) -> Markup {
    let is_odd = |c: char| !matches!(c, '\n' | '\t') && (c.is_control() || is_hidden(c));
    let chars: Vec<char> = text.chars().collect();
    html! {
        @for run in chars.chunk_by(|one, next| if is_odd(*one) { one == next } else { !is_odd(*next) }) {
            @match run {
                [c, ..] if is_odd(*c) => {
                    span.odd { (format!("U+{:04X}", u32::from(*c))) @if run.len() > 1 { "×" (run.len()) } }
                }
                plain => { (plain.iter().collect::<String>()) }
            }
        }
    }
}

/// Characters that change how others are shown, or that nobody sees.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::{bytes_of, dump, visible};

    #[test]
    fn bytes_are_shown_and_never_markup() {
        let bytes = bytes_of("3C623E00FF41");
        assert_eq!(bytes, b"<b>\0\xffA");
        let text = dump(16, &bytes, Some(19)).0;
        assert!(
            text.contains("0010") && text.contains("<mark>00</mark>") && text.contains("<mark>·</mark>"),
            "{text}"
        );
        assert!(text.contains("&lt;") && !text.contains("<b>"), "{text}");
        assert_eq!(visible("a\u{202e}<").0, "a<span class=\"odd\">U+202E</span>&lt;");
        let odd = |text: &str| format!("<span class=\"odd\">{text}</span>");
        assert_eq!(visible("\0\0\0\u{1}\tb\n").0, format!("{}{}\tb\n", odd("U+0000×3"), odd("U+0001")));
    }
}
