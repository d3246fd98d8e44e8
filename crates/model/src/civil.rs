//! Days and dates of the proleptic Gregorian calendar, in UTC: arithmetic without tables, and the
//! texts that the lake uses. Text knows the years 1 to 9999 only.

use crate::Micros;

/// Microseconds of one day.
pub const DAY: Micros = 86_400_000_000;

/// First and last day that have a four-digit year, counted from 1970-01-01. Other readers of the
/// lake know no others.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

/// The day of an instant, if its year has four digits.
pub fn day_of(micros: Micros) -> Option<i32> {
    let day = micros.div_euclid(DAY);
    DAYS.contains(&day).then_some(day as i32)
}

/// `YYYY-MM-DD`.
pub fn date(day: i32) -> String {
    let (year, month, day) = civil(i64::from(day));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
pub fn iso(micros: Micros) -> String {
    let (year, month, day) = civil(micros.div_euclid(DAY));
    let rest = micros.rem_euclid(DAY);
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:06}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Reads `YYYY-MM-DD`.
pub fn parse_date(text: &str) -> Option<i32> {
    let mut parts = text.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = day_number(year, month, day) as i32;
    (date(days) == text).then_some(days)
}

/// Reads what [`iso`] writes, with any number of digits of a second.
pub fn parse_iso(text: &str) -> Option<Micros> {
    let (day, time) = text.trim_end_matches('Z').split_once('T')?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = clock.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let seconds = hour * 3600 + minute * 60 + second;
    Some(i64::from(parse_date(day)?) * DAY + seconds * 1_000_000 + digits.parse::<i64>().ok()?)
}

/// Year, month and day of a day number (Howard Hinnant's `civil_from_days`).
pub fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Day number of a date (`days_from_civil`). Years begin in March here, so that the leap day is
/// the last of its year.
pub fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::{DAY, date, day_of, iso, parse_date, parse_iso};

    #[track_caller]
    fn check(micros: i64, expect: &str) {
        assert_eq!(iso(micros), expect);
        assert_eq!(parse_iso(expect), Some(micros));
        assert_eq!(day_of(micros).map(date).as_deref(), expect.get(..10));
    }

    #[test]
    fn instants_round_trip() {
        check(0, "1970-01-01T00:00:00.000000Z");
        check(-1, "1969-12-31T23:59:59.999999Z");
        check(951_782_400_000_000, "2000-02-29T00:00:00.000000Z");
        check(1_765_560_000_123_456, "2025-12-12T17:20:00.123456Z");
    }

    #[test]
    fn odd_dates() {
        assert_eq!(parse_date("2025-02-30"), None);
        assert_eq!(parse_date("0001-01-01"), Some(-719_162));
        assert_eq!(parse_date("9999-12-31"), Some(2_932_896));
        assert_eq!(day_of(2_932_897 * DAY), None);
        assert_eq!(parse_iso("2025-12-12T17:20:00.5Z"), Some(1_765_560_000_500_000));
        for day in (-719_162..=2_932_896).step_by(997) {
            assert_eq!(parse_date(&date(day)), Some(day));
        }
    }
}
