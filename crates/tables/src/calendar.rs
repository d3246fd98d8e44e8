//! Dates and times as text, and back: ISO 8601 in the proleptic Gregorian calendar.
//!
//! Fractions have six digits or none. Years beyond four digits have a sign and six digits, and the year before 1 is
//! 0, as ISO 8601 has it.

use stele_model::civil::{civil, day_number};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// `00` to `99`, two bytes each: dates are written for every row.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[number * 2] = b'0' + (number / 10) as u8;
        pairs[number * 2 + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
};

fn pair(out: &mut Vec<u8>, number: i64) {
    let at = number.rem_euclid(100) as usize * 2;
    out.extend_from_slice(&PAIRS[at..at + 2]);
}

/// A day, counted from 1970-01-01.
pub(crate) fn date(out: &mut Vec<u8>, day: i64) {
    let (year, month, day) = civil(day);
    ymd(out, year, month, day);
}

/// A date from its parts, which need not be one: MySQL has `0000-00-00`.
pub(crate) fn ymd(out: &mut Vec<u8>, year: i64, month: i64, day: i64) {
    if (0..=9999).contains(&year) {
        pair(out, year / 100);
        pair(out, year % 100);
    } else {
        out.extend_from_slice(format!("{year:+07}").as_bytes());
    }
    out.push(b'-');
    pair(out, month);
    out.push(b'-');
    pair(out, day);
}

/// A time of the day in microseconds. 24:00:00 is one, too.
pub(crate) fn time(out: &mut Vec<u8>, micros: i64) {
    let seconds = micros / 1_000_000;
    hms(out, seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1_000_000);
}

/// A time from its parts.
pub(crate) fn hms(out: &mut Vec<u8>, hour: i64, minute: i64, second: i64, micros: i64) {
    pair(out, hour);
    out.push(b':');
    pair(out, minute);
    out.push(b':');
    pair(out, second);
    fraction(out, micros);
}

/// Microseconds as `.ffffff`, or nothing if there are none.
pub(crate) fn fraction(out: &mut Vec<u8>, micros: i64) {
    if micros != 0 {
        out.push(b'.');
        pair(out, micros / 10_000);
        pair(out, micros / 100 % 100);
        pair(out, micros % 100);
    }
}

/// An instant in microseconds since 1970-01-01T00:00:00.
pub(crate) fn date_time(out: &mut Vec<u8>, micros: i64) {
    date(out, micros.div_euclid(DAY));
    out.push(b'T');
    time(out, micros.rem_euclid(DAY));
}

/// A date, or a date and a time, and how it was spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment<'a> {
    /// Microseconds since 1970-01-01T00:00:00, in UTC if there is a zone.
    pub(crate) micros: i64,
    /// What stands between date and time; `None` is a date alone.
    between: Option<u8>,
    /// Digits of the fraction of the second.
    digits: usize,
    /// `Z`, an offset such as `+02:00`, or nothing, as it is spelled.
    zone: &'a str,
    /// What that is, in microseconds.
    offset: i64,
}

impl<'a> Moment<'a> {
    /// Reads `YYYY-MM-DD`, and `YYYY-MM-DD[T ]HH:MM:SS[.f…][Z|±HH[:]MM|±HH]`.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = bytes.get(from..to)?;
            digits
                .iter()
                .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
        };
        let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let in_range = (1..=12).contains(&month) && (1..=31).contains(&day);
        if !is(4, b'-') || !is(7, b'-') || !in_range {
            return None;
        }
        let days = day_number(year, month, day) * DAY;
        if bytes.len() == 10 {
            return Some(Moment { micros: days, between: None, digits: 0, zone: "", offset: 0 });
        }
        let between = *bytes.get(10).filter(|byte| matches!(byte, b'T' | b' '))?;
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !is(13, b':') || !is(16, b':') || hour > 24 || minute > 59 || second > 60 {
            return None;
        }
        let digits = match is(19, b'.') {
            true => bytes[20..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
            false => 0,
        };
        let end = if is(19, b'.') { 20 + digits } else { 19 };
        // Below a microsecond it is cut: whoever looks for what is not before this finds it.
        let mut micros = 0;
        for at in 20..26 {
            let digit = if at < end { bytes.get(at).map_or(0, |byte| i64::from(byte - b'0')) } else { 0 };
            micros = micros * 10 + digit;
        }
        let zone = text.get(end..)?;
        let offset = match zone.as_bytes() {
            [] | [b'Z'] => 0,
            [sign @ (b'+' | b'-'), rest @ ..] => {
                let from = end + 1;
                let hours = number(from, from + 2)?;
                let minutes = match rest.len() {
                    2 => 0,
                    4 => number(from + 2, from + 4)?,
                    5 if rest[2] == b':' => number(from + 3, from + 5)?,
                    _ => return None,
                };
                (hours * 60 + minutes) * 60_000_000 * if *sign == b'-' { -1 } else { 1 }
            }
            _ => return None,
        };
        let micros = days + (hour * 3600 + minute * 60 + second) * 1_000_000 + micros - offset;
        Some(Moment { micros, between: Some(between), digits, zone, offset })
    }

    /// Another moment, spelled as this one is; what its spelling has no room for is cut, to an earlier moment.
    pub(crate) fn spell(&self, micros: i64) -> String {
        let local = micros.saturating_add(self.offset);
        let mut out = Vec::new();
        date(&mut out, local.div_euclid(DAY));
        if let Some(between) = self.between {
            out.push(between);
            let of_day = local.rem_euclid(DAY);
            time(&mut out, of_day - of_day % 1_000_000);
            if self.digits > 0 {
                let digits = format!("{:06}", of_day % 1_000_000);
                out.push(b'.');
                out.extend(digits.bytes().chain(std::iter::repeat(b'0')).take(self.digits));
            }
            out.extend_from_slice(self.zone.as_bytes());
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The same moment as databases without zones want it: a blank between, and no zone.
    pub(crate) fn plain(&self) -> String {
        let blank = self.between.map(|_| b' ');
        Moment { between: blank, digits: 6, zone: "", offset: 0, ..*self }.spell(self.micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spelled_as_they_were() {
        let check = |text: &str, earlier: i64, expect: Option<&str>| {
            let moment = Moment::parse(text);
            let spelled = moment.map(|moment| moment.spell(moment.micros - earlier));
            assert_eq!(spelled.as_deref(), expect, "{text}");
        };
        check("2024-02-29", 0, Some("2024-02-29"));
        check("2024-03-01", 1, Some("2024-02-29"));
        check("2024-03-01T00:00:00Z", 1, Some("2024-02-29T23:59:59Z"));
        check("2024-03-01 00:00:00.000001", 1, Some("2024-03-01 00:00:00.000000"));
        check("2024-03-01T00:00:00.5+05:30", 0, Some("2024-03-01T00:00:00.5+05:30"));
        check("2024-03-01T00:00:00-0800", 60_000_000, Some("2024-02-29T23:59:00-0800"));
        check("2024-03-01T00:00:00.123456789Z", 0, Some("2024-03-01T00:00:00.123456000Z"));
        check("1969-12-31T23:59:59.999999Z", 1, Some("1969-12-31T23:59:59.999998Z"));
        for wrong in ["", "2024", "2024-13-01", "2024-01-01T", "2024-01-01Tab:00:00", "2024-01-01T00:00:00X"]
        {
            check(wrong, 0, None);
        }
        let with_zone = Moment::parse("2024-03-01T02:00:00+02:00").unwrap();
        assert_eq!(with_zone.plain(), "2024-03-01 00:00:00.000000");
    }

    #[test]
    fn days() {
        let check = |day: i64, expect: &str| {
            let mut out = Vec::new();
            date(&mut out, day);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(0, "1970-01-01");
        check(-719_468, "0000-03-01");
        check(-719_529, "-000001-12-31");
        check(2_932_897, "+010000-01-01");
        let mut at = -800_000;
        while at < 3_000_000 {
            let (year, month, day) = civil(at);
            assert_eq!(day_number(year, month, day), at);
            at += 97;
        }
    }
}
