//! When a record says that it happened.
//!
//! A time with an offset or an epoch is UTC. A naive time stays naive until a zone is declared;
//! then a wall clock that was shown twice means its first showing and one that was never shown
//! is read with the offset before the gap (RFC 5545's rule). The time of ingest never stands in.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};
use stele_model::civil::day_number;
use stele_model::json::{Kind, Value};
use stele_model::{ClockChange, EventTime, Micros, TimeQuality};

/// How the value of a time member is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeForm {
    /// A string is ISO 8601. A number is an epoch if its size leaves no doubt: seconds from 2001
    /// to 5138, or milliseconds from 2001 to 5138, or microseconds from 2001 to 5138. Any other
    /// number, such as a monotonic clock, is kept as written and gives no instant.
    Auto,
    /// ISO 8601 with or without offset.
    Iso,
    /// Seconds since 1970 UTC, whole or with decimals.
    EpochS,
    /// Milliseconds since 1970 UTC, whole or with decimals.
    EpochMs,
    /// Seconds of a clock that starts anywhere, as the Chrome DevTools Protocol has them: kept as
    /// written, no instant.
    Monotonic,
}

/// Numbers of seconds with ten or eleven digits lie between 2001 and 5138.
const EPOCH_S_CERTAIN: std::ops::Range<f64> = 1e9..1e11;

/// Reads the time in `value`; `None` if there is none in it.
pub(crate) fn read<'a>(value: Value<'a>, form: TimeForm, zone: Option<&TimeZone>) -> Option<EventTime<'a>> {
    match value.kind() {
        Kind::String if matches!(form, TimeForm::Auto | TimeForm::Iso) => {
            let text = value.as_str()?;
            let (micros, quality, change) = match iso(&text) {
                Some((micros, true)) => (Some(micros), TimeQuality::Utc, None),
                Some((micros, false)) => match zone.and_then(|zone| in_zone(micros, zone)) {
                    Some((micros, change)) => (Some(micros), TimeQuality::ZoneApplied, change),
                    None => (Some(micros), TimeQuality::Naive, None),
                },
                None => (None, TimeQuality::Ingest, None),
            };
            Some(EventTime { raw: Some(text), micros, quality, change })
        }
        // Epochs are also found in quotes.
        Kind::String => {
            let text = value.as_str()?;
            let micros = epoch(&text, form);
            Some(stated(text, micros))
        }
        Kind::Integer | Kind::Number => {
            let text = value.raw();
            let micros = epoch(text, form);
            Some(stated(Cow::Borrowed(text), micros))
        }
        _ => None,
    }
}

fn stated(raw: Cow<'_, str>, micros: Option<Micros>) -> EventTime<'_> {
    let quality = if micros.is_some() { TimeQuality::Utc } else { TimeQuality::Ingest };
    EventTime { raw: Some(raw), micros, quality, change: None }
}

fn epoch(text: &str, form: TimeForm) -> Option<Micros> {
    let factor = match form {
        TimeForm::EpochS => 6,
        TimeForm::EpochMs => 3,
        TimeForm::Auto => {
            let value: f64 = text.parse().ok()?;
            let certain = |scale: f64| EPOCH_S_CERTAIN.contains(&(value / scale));
            [(1.0, 6), (1e3, 3), (1e6, 0)].into_iter().find(|(scale, _)| certain(*scale))?.1
        }
        TimeForm::Iso | TimeForm::Monotonic => return None,
    };
    scaled(text, factor)
}

/// `text` times ten to the power of `shift`, cut to a whole number.
fn scaled(text: &str, shift: usize) -> Option<Micros> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) || whole.is_empty() {
        let value: f64 = text.parse().ok()?;
        let micros = value * 10f64.powi(i32::try_from(shift).ok()?);
        return (micros.abs() < 9e18).then_some(micros as Micros);
    }
    let mut micros: Micros = whole.parse().ok()?;
    for place in 0..shift {
        let digit = fraction.as_bytes().get(place).map_or(0, |b| b - b'0');
        micros = micros.checked_mul(10)?.checked_add(Micros::from(digit))?;
    }
    Some(if negative { -micros } else { micros })
}

/// An ISO 8601 time as microseconds, and whether it states its offset. What the usual spelling
/// does not cover is left to a complete parser.
fn iso(text: &str) -> Option<(Micros, bool)> {
    usual(text.as_bytes()).or_else(|| unusual(text))
}

/// `YYYY-MM-DD` `T` or space `HH:MM:SS`, up to nine decimals, then nothing, `Z` or `±HH:MM`.
fn usual(text: &[u8]) -> Option<(Micros, bool)> {
    let (head, mut rest) = text.split_at_checked(19)?;
    let two = |at: usize| {
        let (tens, ones) = (head[at].wrapping_sub(b'0'), head[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| (tens * 10 + ones) as i8)
    };
    let marks = [head[4], head[7], head[13], head[16]];
    if marks != *b"--::" || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = i16::from(two(0)?) * 100 + i16::from(two(2)?);
    let date = Date::new(year, two(5)?, two(8)?).ok()?;
    let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = 0;
    if let [b'.' | b',', decimals @ ..] = rest {
        let len = decimals.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(1..=9).contains(&len) {
            return None;
        }
        micros = (0..6).fold(0, |sum, place| {
            sum * 10 + if place < len { Micros::from(decimals[place] - b'0') } else { 0 }
        });
        rest = &decimals[len..];
    }
    let seconds = Micros::from(hour) * 3600 + Micros::from(minute) * 60 + Micros::from(second);
    let wall = (days(date) * 86_400 + seconds) * 1_000_000 + micros;
    match rest {
        [] => Some((wall, false)),
        [b'Z' | b'z'] => Some((wall, true)),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let digits = [*h1, *h2, *m1, *m2];
            if !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let digit = |at: usize| Micros::from(digits[at] - b'0');
            let (hours, minutes) = (digit(0) * 10 + digit(1), digit(2) * 10 + digit(3));
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = (hours * 60 + minutes) * 60_000_000;
            Some((if *sign == b'+' { wall - offset } else { wall + offset }, true))
        }
        _ => None,
    }
}

/// Offsets stay below a day (RFC 3339); the parser goes a little further.
const OFFSET_SECONDS_END: i32 = 24 * 60 * 60;

/// Days since 1970-01-01.
fn days(date: Date) -> i64 {
    day_number(date.year().into(), date.month().into(), date.day().into())
}

fn unusual(text: &str) -> Option<(Micros, bool)> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let offset = PARSER.parse_pieces(text).ok().and_then(|pieces| pieces.to_numeric_offset());
    if offset.is_some_and(|offset| offset.seconds().abs() >= OFFSET_SECONDS_END) {
        return None;
    }
    if let Ok(instant) = PARSER.parse_timestamp(text) {
        return Some((instant.as_microsecond(), true));
    }
    // A date alone is a day, not a moment.
    let pieces = PARSER.parse_pieces(text).ok()?;
    let wall = pieces.date().to_datetime(pieces.time()?);
    Some((wall_micros(wall), false))
}

fn wall_micros(wall: DateTime) -> Micros {
    let time = wall.time();
    let seconds =
        Micros::from(time.hour()) * 3600 + Micros::from(time.minute()) * 60 + Micros::from(time.second());
    (days(wall.date()) * 86_400 + seconds) * 1_000_000 + Micros::from(time.subsec_nanosecond()) / 1000
}

/// The instant at which a clock in `zone` shows the wall-clock time `wall`, and whether it shows it
/// twice or never.
fn in_zone(wall: Micros, zone: &TimeZone) -> Option<(Micros, Option<ClockChange>)> {
    let shown = TimeZone::UTC.to_datetime(jiff::Timestamp::from_microsecond(wall).ok()?);
    let instant = zone.to_ambiguous_timestamp(shown);
    let change = match instant.offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Fold { .. } => Some(ClockChange::Repeated),
        AmbiguousOffset::Gap { .. } => Some(ClockChange::Skipped),
    };
    Some((instant.compatible().ok()?.as_microsecond(), change))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use stele_model::ClockChange;
    use stele_model::json::Tape;

    use super::{TimeForm, read};

    #[track_caller]
    fn check(json: &str, form: TimeForm, zone: Option<&str>, expect: &str) {
        let mut tape = Tape::default();
        tape.parse(json).expect("valid JSON");
        let zone = zone.map(|name| TimeZone::get(name).expect("a zone"));
        let got = match read(tape.value(json, 0), form, zone.as_ref()) {
            None => "none".to_owned(),
            Some(time) => {
                let shown = time.micros.map_or("-".to_owned(), |micros| {
                    jiff::Timestamp::from_microsecond(micros).expect("in range").to_string()
                });
                let change = match time.change {
                    None => "",
                    Some(ClockChange::Repeated) => " repeated",
                    Some(ClockChange::Skipped) => " skipped",
                };
                format!("{} {shown}{change}", time.quality.name())
            }
        };
        assert_eq!(got, expect, "{json}");
    }

    #[test]
    fn iso_with_offset_is_utc() {
        use TimeForm::{Auto, Iso};
        check(r#""2025-12-12T17:16:58.624285Z""#, Auto, None, "utc 2025-12-12T17:16:58.624285Z");
        check(r#""2025-12-12T17:16:58+00:00""#, Iso, None, "utc 2025-12-12T17:16:58Z");
        check(r#""2025-12-12T17:16:58.5-05:00""#, Iso, None, "utc 2025-12-12T22:16:58.5Z");
        check(r#""2025-12-12T17:16:58.123456789+0530""#, Iso, None, "utc 2025-12-12T11:46:58.123456Z");
        check(r#""1969-12-31T23:59:59.5Z""#, Iso, None, "utc 1969-12-31T23:59:59.5Z");
        check(r#""20251212T171658Z""#, Iso, None, "utc 2025-12-12T17:16:58Z");
        check(r#""2025-12-12T17:16:58+23:59""#, Iso, None, "utc 2025-12-11T17:17:58Z");
        check(r#""2025-12-12T17:16:58+25:00""#, Iso, None, "ingest -");
        check(r#""2025-12-12T17:16:58Z""#, Iso, Some("America/New_York"), "utc 2025-12-12T17:16:58Z");
    }

    #[test]
    fn naive_stays_naive_until_a_zone_is_declared() {
        use TimeForm::Auto;
        let ny = Some("America/New_York");
        check(r#""2025-12-12T17:16:58""#, Auto, None, "naive 2025-12-12T17:16:58Z");
        check(r#""2025-12-12 17:16:58.000001""#, Auto, None, "naive 2025-12-12T17:16:58.000001Z");
        check(r#""2025-12-12T17:16:58.624285""#, Auto, ny, "zone_applied 2025-12-12T22:16:58.624285Z");
        check(r#""2025-07-01T12:00:00""#, Auto, ny, "zone_applied 2025-07-01T16:00:00Z");
        // Shown twice: the first showing. Never shown: the offset before the gap.
        check(r#""2025-11-02T01:30:00""#, Auto, ny, "zone_applied 2025-11-02T05:30:00Z repeated");
        check(r#""2025-11-02T02:00:00""#, Auto, ny, "zone_applied 2025-11-02T07:00:00Z");
        check(r#""2025-03-09T02:30:00""#, Auto, ny, "zone_applied 2025-03-09T07:30:00Z skipped");
    }

    #[test]
    fn epochs_are_exact() {
        use TimeForm::{Auto, EpochMs, EpochS, Monotonic};
        check("1765577802974", EpochMs, None, "utc 2025-12-12T22:16:42.974Z");
        check("1765577802974.25", EpochMs, None, "utc 2025-12-12T22:16:42.97425Z");
        check("1765577802.974123", EpochS, None, "utc 2025-12-12T22:16:42.974123Z");
        check("1.765577802e9", EpochS, None, "utc 2025-12-12T22:16:42Z");
        check("-1.5", EpochS, None, "utc 1969-12-31T23:59:58.5Z");
        check("\"1765577802974\"", EpochMs, None, "utc 2025-12-12T22:16:42.974Z");
        check("1765577802974", Auto, None, "utc 2025-12-12T22:16:42.974Z");
        check("1765577802", Auto, None, "utc 2025-12-12T22:16:42Z");
        check("8123.456789", Auto, None, "ingest -");
        check("8123.456789", Monotonic, None, "ingest -");
        check("99999999999999999999", EpochMs, None, "ingest -");
    }

    #[test]
    fn nothing_is_invented() {
        use TimeForm::Auto;
        check(r#""yesterday""#, Auto, None, "ingest -");
        check(r#""2025-02-30T00:00:00""#, Auto, None, "ingest -");
        check(r#""2025-12-12""#, Auto, None, "ingest -");
        check("null", Auto, None, "none");
        check("{}", Auto, None, "none");
    }
}
