//! Numbers, sizes and times as people read them.

/// A count with a separator every three digits: `150,252`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 file`, `2 files`.
pub fn many(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A size in powers of 1000: `9.8 MB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A span of time: `0.12 s`, `42 s`, `3 min 20 s`, `2 h 5 min`.
pub fn seconds(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.2} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A span of time that is only a guess: whole seconds.
pub fn rough(span: f64) -> String {
    if span < 10.0 { format!("{:.0} s", span.ceil()) } else { seconds(span) }
}

/// Bytes a second.
pub fn rate(amount: u64, seconds: f64) -> String {
    // A run shorter than a millisecond has no meaningful rate.
    if seconds < 0.001 {
        return String::from("–");
    }
    format!("{}/s", bytes((amount as f64 / seconds) as u64))
}

/// Dollars, with the digits that tell a tenth of a cent from nothing.
pub fn usd(dollars: f64) -> String {
    match dollars {
        whole if whole >= 1.0 || whole == 0.0 => format!("{whole:.2}"),
        part => format!("{part:.6}").trim_end_matches('0').to_owned(),
    }
}

/// A share in percent; `100 %` only if it is all, `0 %` only if it is none.
pub fn share(part: u64, whole: u64) -> String {
    if part == whole {
        return "100 %".to_owned();
    }
    if part == 0 || whole == 0 {
        return "0 %".to_owned();
    }
    match part as f64 * 100.0 / whole as f64 {
        percent if percent < 0.1 => "<0.1 %".to_owned(),
        percent if percent > 99.9 => ">99.9 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

/// The word in quotes where a shell needs them.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, many, rate, seconds, share, shell_word, usd};

    #[test]
    fn numbers() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)].join(" "), "0 999 1,000 1,234,567");
        assert_eq!([many(1, "file"), many(0, "file")].join(" "), "1 file 0 files");
        assert_eq!(
            [bytes(999), bytes(1000), bytes(999_950), bytes(u64::MAX)].join(" "),
            "999 B 1.0 kB 1.0 MB 18446.7 PB"
        );
        assert_eq!(rate(1_000_000, 2.0), "500.0 kB/s");
        assert_eq!([usd(0.0), usd(12.5), usd(0.005), usd(0.000_001)].join(" "), "0.00 12.50 0.005 0.000001");
    }

    #[test]
    fn spans_and_shares() {
        assert_eq!(
            [seconds(0.1234), seconds(59.4), seconds(200.0), seconds(7500.0)].join(" "),
            "0.12 s 59 s 3 min 20 s 2 h 5 min"
        );
        assert_eq!(
            [share(1, 1), share(0, 9), share(1, 100_000), share(99_999, 100_000)].join(" "),
            "100 % 0 % <0.1 % >99.9 %"
        );
    }

    #[test]
    fn words_for_a_shell() {
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word("/tmp/x.jsonl"), "/tmp/x.jsonl");
    }
}
