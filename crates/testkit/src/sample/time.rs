//! Instants as the recorders write them. Plain integer arithmetic on the Gregorian calendar.

/// Microseconds since 1970-01-01T00:00:00.
pub type Micros = i64;

/// One second.
pub const SECOND: Micros = 1_000_000;

/// Noon of a day, for a start: `2031-03-08` and so on.
pub fn noon(year: i64, month: i64, day: i64) -> Micros {
    (days_from_civil(year, month, day) * 24 + 12) * 3600 * SECOND
}

/// `2031-03-08T12:00:00.000250`, without a zone; no fraction on the full second, as Python has it.
pub fn naive(at: Micros) -> String {
    let second = at.div_euclid(SECOND);
    let (year, month, day) = civil_from_days(second.div_euclid(86_400));
    let of_day = second.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    match at.rem_euclid(SECOND) {
        0 => text,
        micros => format!("{text}.{micros:06}"),
    }
}

/// `2031-03-08_12-00-00`, for file names.
pub fn file_stamp(at: Micros) -> String {
    naive(at - at.rem_euclid(SECOND)).replace('T', "_").replace(':', "-")
}

/// Days since 1970-01-01 (Howard Hinnant's algorithm).
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{SECOND, file_stamp, naive, noon};

    #[test]
    fn calendar() {
        assert_eq!(naive(0), "1970-01-01T00:00:00");
        assert_eq!(naive(noon(2024, 2, 29) + 1), "2024-02-29T12:00:00.000001");
        assert_eq!(noon(2000, 1, 1), 946_728_000 * SECOND);
        assert_eq!(file_stamp(noon(2031, 12, 31) + 61 * SECOND + 5), "2031-12-31_12-01-01");
        for day in -800_000..800_000 {
            let (year, month, day_of) = super::civil_from_days(day);
            assert_eq!(super::days_from_civil(year, month, day_of), day);
        }
    }
}
