//! The smallest and the largest number of a path, without parsing most numbers exactly.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// Smallest and largest literal, spelled as in the input. Literals of equal value are ordered by
/// length and then by text, so the choice does not depend on the order of arrival.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct NumberRange {
    ends: Option<Box<Ends>>,
    /// An approximate value strictly inside these cannot move an end.
    #[serde(skip)]
    quiet: Option<(f64, f64)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ends {
    low: Box<str>,
    high: Box<str>,
}

impl NumberRange {
    /// Takes in one literal.
    #[inline(always)]
    pub(super) fn offer(&mut self, literal: &str) {
        let about = approximate(literal.as_bytes());
        if let Some((low, high)) = self.quiet
            && about > low
            && about < high
        {
            return;
        }
        self.offer_exactly(literal);
    }

    fn offer_exactly(&mut self, literal: &str) {
        match &mut self.ends {
            None => self.ends = Some(Box::new(Ends { low: literal.into(), high: literal.into() })),
            Some(ends) => {
                if *ends.low == *literal || *ends.high == *literal {
                    return;
                }
                if compare(literal, &ends.low) == Ordering::Less {
                    ends.low = literal.into();
                }
                if compare(literal, &ends.high) == Ordering::Greater {
                    ends.high = literal.into();
                }
            }
        }
        self.quiet = self.ends.as_ref().map(|ends| {
            let (low, high) = (value(&ends.low), value(&ends.high));
            // Far wider than the error of `approximate`, which is a few units in the last place.
            (low + low.abs() * 1e-9, high - high.abs() * 1e-9)
        });
    }

    pub(super) fn merge(&mut self, other: &NumberRange) {
        if let Some(ends) = &other.ends {
            self.offer_exactly(&ends.low);
            self.offer_exactly(&ends.high);
        }
    }

    /// Smallest and largest literal.
    pub(super) fn ends(&self) -> Option<(&str, &str)> {
        self.ends.as_ref().map(|ends| (&*ends.low, &*ends.high))
    }
}

fn value(literal: &str) -> f64 {
    literal.parse().unwrap_or(f64::NAN)
}

fn compare(a: &str, b: &str) -> Ordering {
    let digits = |text: &str| (text.len(), text.to_owned());
    value(a).total_cmp(&value(b)).then_with(|| {
        if a.starts_with('-') && b.starts_with('-') {
            digits(b).cmp(&digits(a))
        } else {
            digits(a).cmp(&digits(b))
        }
    })
}

/// The powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// A value within a few units in the last place of a plain literal; NaN for anything with an
/// exponent or too long, which sends the caller to the exact comparison.
#[inline(always)]
fn approximate(literal: &[u8]) -> f64 {
    if literal.len() > 19 {
        return approximate_long(literal);
    }
    let mut digits: u64 = 0;
    let mut fraction = usize::MAX;
    for (index, &byte) in literal.iter().enumerate() {
        match byte {
            b'0'..=b'9' => digits = digits.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
            b'.' => fraction = literal.len() - index - 1,
            b'-' if index == 0 => {}
            _ => return f64::NAN,
        }
    }
    let mut about = digits as f64;
    if fraction != usize::MAX {
        about /= POWERS[fraction.min(22)];
    }
    if literal[0] == b'-' { -about } else { about }
}

/// Like [`approximate`] for literals with more digits than fit: the first 18 are enough.
fn approximate_long(literal: &[u8]) -> f64 {
    let negative = literal[0] == b'-';
    let mut digits: u64 = 0;
    let mut taken = 0;
    let mut scale: i32 = 0;
    let mut after_point = false;
    for &byte in &literal[usize::from(negative)..] {
        match byte {
            b'0'..=b'9' if taken < 18 => {
                digits = digits * 10 + u64::from(byte - b'0');
                taken += i32::from(digits != 0);
                scale -= i32::from(after_point);
            }
            b'0'..=b'9' => scale += i32::from(!after_point),
            b'.' => after_point = true,
            _ => return f64::NAN,
        }
    }
    let about = match usize::try_from(scale) {
        Ok(up) if up <= 22 => digits as f64 * POWERS[up],
        Err(_) if scale >= -22 => digits as f64 / POWERS[(-scale) as usize],
        _ => f64::NAN,
    };
    if negative { -about } else { about }
}

#[cfg(test)]
mod tests {
    use super::NumberRange;

    #[track_caller]
    fn check(literals: &[&str], expect: (&str, &str)) {
        for order in [literals.to_vec(), literals.iter().rev().copied().collect()] {
            let mut range = NumberRange::default();
            order.iter().for_each(|literal| range.offer(literal));
            assert_eq!(range.ends(), Some(expect), "{order:?}");
        }
    }

    #[test]
    fn ends_do_not_depend_on_order() {
        check(&["1", "1.0", "3", "2"], ("1", "3"));
        check(&["-1.5", "0", "1.5"], ("-1.5", "1.5"));
        check(&["9007199254740992", "9007199254740993"], ("9007199254740992", "9007199254740993"));
        check(&["-9007199254740992", "-9007199254740993"], ("-9007199254740993", "-9007199254740992"));
        check(&["1e400", "5", "-1e400"], ("-1e400", "1e400"));
        check(
            &["0.00000000000000000000000001", "0.1", "12345678901234567890123"],
            ("0.00000000000000000000000001", "12345678901234567890123"),
        );
        check(
            &["1.0211779393570963", "1.0211779393570964", "1.0211779393570962"],
            ("1.0211779393570962", "1.0211779393570964"),
        );
        check(&["0", "0", "0.0"], ("0", "0.0"));
    }
}
