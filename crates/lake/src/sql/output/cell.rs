//! One value of an Arrow array as text or as JSON.
//!
//! Integers and decimals keep every digit, instants end in `Z`, naive times do not, and what is
//! JSON already stays as it is. Not here: how a row puts values together.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray, MapArray, StructArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use stele_model::json::{Tape, quote};

use crate::sql::{Shape, SqlError};
use stele_model::civil::civil;

const LEAF: &Shape = &Shape { is_json: false, children: Vec::new() };

/// Appends the value as text; false for NULL. Nested values are JSON.
pub(super) fn text(array: &ArrayRef, row: usize, shape: &Shape, out: &mut String) -> Result<bool, SqlError> {
    if is_null(array, row) {
        return Ok(false);
    }
    match scalar(array, row, out)? {
        Some(_) => {}
        None => json(array, row, shape, out)?,
    }
    Ok(true)
}

/// Appends the value as JSON.
pub(super) fn json(array: &dyn Array, row: usize, shape: &Shape, out: &mut String) -> Result<(), SqlError> {
    if is_null(array, row) {
        out.push_str("null");
        return Ok(());
    }
    let start = out.len();
    match scalar(array, row, out)? {
        Some(Look::Plain) => Ok(()),
        Some(Look::Quoted) => {
            let value = out.split_off(start);
            if shape.is_json && is_one_json_value(&value) {
                // Line ends in JSON stand between its tokens only.
                out.push_str(&value.replace(['\n', '\r'], " "));
            } else {
                out.push_str(&quote(&value));
            }
            Ok(())
        }
        None => nested(array, row, shape, out),
    }
}

/// NULL in the array itself, or behind its dictionary.
fn is_null(array: &dyn Array, row: usize) -> bool {
    matches!(array.data_type(), DataType::Null) || array.is_null(row)
}

/// The engine calls more things JSON than the standard does.
fn is_one_json_value(text: &str) -> bool {
    Tape::default().parse(text).is_ok()
}

enum Look {
    /// The text is JSON.
    Plain,
    /// The text is the inside of a JSON string, before escapes.
    Quoted,
}

/// Appends a value that has no values inside; `None` if it has.
fn scalar(array: &dyn Array, row: usize, out: &mut String) -> Result<Option<Look>, SqlError> {
    macro_rules! plain {
        ($($kind:ty)*) => {{
            $(write_to(out, format_args!("{}", array.as_primitive::<$kind>().value(row)));)*
            Ok(Some(Look::Plain))
        }};
    }
    match array.data_type() {
        DataType::Boolean => {
            out.push_str(if array.as_boolean().value(row) { "true" } else { "false" });
            Ok(Some(Look::Plain))
        }
        DataType::Int8 => plain!(Int8Type),
        DataType::Int16 => plain!(Int16Type),
        DataType::Int32 => plain!(Int32Type),
        DataType::Int64 => plain!(Int64Type),
        DataType::UInt8 => plain!(UInt8Type),
        DataType::UInt16 => plain!(UInt16Type),
        DataType::UInt32 => plain!(UInt32Type),
        DataType::UInt64 => plain!(UInt64Type),
        DataType::Float32 => {
            let number = array.as_primitive::<Float32Type>().value(row);
            write_to(out, format_args!("{number:?}"));
            Ok(Some(if number.is_finite() { Look::Plain } else { Look::Quoted }))
        }
        DataType::Float64 => {
            let number = array.as_primitive::<Float64Type>().value(row);
            write_to(out, format_args!("{number:?}"));
            Ok(Some(if number.is_finite() { Look::Plain } else { Look::Quoted }))
        }
        DataType::Decimal128(_, scale) => {
            decimal(
                array.as_primitive::<Decimal128Type>().value(row),
                usize::try_from(*scale).unwrap_or(0),
                out,
            );
            Ok(Some(Look::Plain))
        }
        DataType::Utf8 => quoted(out, array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => quoted(out, array.as_string::<i64>().value(row)),
        DataType::Utf8View => quoted(out, array.as_string_view().value(row)),
        DataType::Binary => {
            bytes(array.as_binary::<i32>().value(row), out);
            Ok(Some(Look::Quoted))
        }
        DataType::LargeBinary => {
            bytes(array.as_binary::<i64>().value(row), out);
            Ok(Some(Look::Quoted))
        }
        DataType::Date32 => {
            day(i64::from(array.as_primitive::<Date32Type>().value(row)), out);
            Ok(Some(Look::Quoted))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            clock(i128::from(array.as_primitive::<Time64MicrosecondType>().value(row)) * 1000, out);
            Ok(Some(Look::Quoted))
        }
        DataType::Timestamp(unit, zone) => {
            let (value, nanos) = match unit {
                TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000),
                TimeUnit::Millisecond => {
                    (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000)
                }
                TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1000),
                TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(row), 1),
            };
            instant(value, nanos, zone.is_some(), out);
            Ok(Some(Look::Quoted))
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            let (sign, nanos) = if value.nanoseconds < 0 {
                ("-", value.nanoseconds.unsigned_abs())
            } else {
                ("", value.nanoseconds.unsigned_abs())
            };
            write_to(out, format_args!("P{}M{}DT{sign}{}", value.months, value.days, nanos / 1_000_000_000));
            fraction(u128::from(nanos % 1_000_000_000), out);
            out.push('S');
            Ok(Some(Look::Quoted))
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            scalar(dictionary.values(), dictionary.normalized_keys()[row], out)
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..)
        | DataType::Union(..) => Ok(None),
        other => Err(SqlError::Format {
            format: "text",
            detail: format!("a column has the type {other}; cast it to VARCHAR"),
        }),
    }
}

fn quoted(out: &mut String, value: &str) -> Result<Option<Look>, SqlError> {
    out.push_str(value);
    Ok(Some(Look::Quoted))
}

fn nested(array: &dyn Array, row: usize, shape: &Shape, out: &mut String) -> Result<(), SqlError> {
    let child = |index: usize| shape.children.get(index).unwrap_or(LEAF);
    match array.data_type() {
        DataType::List(_) => list(&array.as_list::<i32>().value(row), child(0), out),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row), child(0), out),
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row), child(0), out),
        DataType::Struct(_) => object(array.as_struct(), row, shape, out),
        DataType::Map(..) => map(array.as_map(), row, [child(0), child(1)], out),
        _ => {
            let union = array.as_union();
            let id = union.type_id(row);
            json(union.child(id), union.value_offset(row), child(usize::try_from(id).unwrap_or(0)), out)
        }
    }
}

fn list(elements: &ArrayRef, shape: &Shape, out: &mut String) -> Result<(), SqlError> {
    out.push('[');
    for index in 0..elements.len() {
        if index > 0 {
            out.push(',');
        }
        json(elements, index, shape, out)?;
    }
    out.push(']');
    Ok(())
}

fn object(members: &StructArray, row: usize, shape: &Shape, out: &mut String) -> Result<(), SqlError> {
    out.push('{');
    for (index, (name, member)) in members.column_names().iter().zip(members.columns()).enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&quote(name));
        out.push(':');
        json(member, row, shape.children.get(index).unwrap_or(LEAF), out)?;
    }
    out.push('}');
    Ok(())
}

/// An object, with keys as text.
fn map(
    map: &MapArray,
    row: usize,
    [key_shape, value_shape]: [&Shape; 2],
    out: &mut String,
) -> Result<(), SqlError> {
    let entries = map.value(row);
    out.push('{');
    for index in 0..entries.len() {
        if index > 0 {
            out.push(',');
        }
        let mut key = String::new();
        text(entries.column(0), index, key_shape, &mut key)?;
        out.push_str(&quote(&key));
        out.push(':');
        json(entries.column(1), index, value_shape, out)?;
    }
    out.push('}');
    Ok(())
}

/// All digits: the engine's HUGEINT comes as a decimal and may have one digit more than decimals do.
fn decimal(value: i128, scale: usize, out: &mut String) {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    write_to(out, format_args!("{sign}{whole}"));
    if scale > 0 {
        write_to(out, format_args!(".{fraction}"));
    }
}

/// Printable ASCII as it is, every other byte and the backslash as `\xNN`.
fn bytes(value: &[u8], out: &mut String) {
    for byte in value {
        match byte {
            b' '..=b'~' if *byte != b'\\' => out.push(char::from(*byte)),
            _ => write_to(out, format_args!("\\x{byte:02X}")),
        }
    }
}

/// Writing to a `String` does not fail.
fn write_to(out: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}

const DAY_NANOS: i128 = 86_400_000_000_000;

fn instant(value: i64, unit_nanos: i128, is_utc: bool, out: &mut String) {
    // The engine's infinities.
    match value {
        i64::MAX => return out.push_str("infinity"),
        value if value <= -i64::MAX => return out.push_str("-infinity"),
        _ => {}
    }
    let nanos = i128::from(value) * unit_nanos;
    day(i64::try_from(nanos.div_euclid(DAY_NANOS)).unwrap_or(i64::MAX), out);
    out.push('T');
    clock(nanos.rem_euclid(DAY_NANOS), out);
    if is_utc {
        out.push('Z');
    }
}

fn day(days: i64, out: &mut String) {
    match i32::try_from(days) {
        Ok(i32::MAX) => return out.push_str("infinity"),
        Ok(days) if days <= -i32::MAX => return out.push_str("-infinity"),
        _ => {}
    }
    let (year, month, day) = civil(days);
    write_to(out, format_args!("{year:04}-{month:02}-{day:02}"));
}

fn clock(nanos: i128, out: &mut String) {
    let seconds = nanos / 1_000_000_000;
    write_to(out, format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    fraction((nanos % 1_000_000_000).unsigned_abs(), out);
}

/// A fraction of a second in 3, 6 or 9 digits; nothing for none.
fn fraction(nanos: u128, out: &mut String) {
    if nanos == 0 {
        return;
    }
    let (value, digits) = match nanos {
        nanos if nanos.is_multiple_of(1_000_000) => (nanos / 1_000_000, 3),
        nanos if nanos.is_multiple_of(1000) => (nanos / 1000, 6),
        nanos => (nanos, 9),
    };
    write_to(out, format_args!(".{value:0digits$}"));
}

#[cfg(test)]
mod tests {
    use super::{decimal, instant};

    #[test]
    fn decimals_keep_every_digit() {
        for (value, scale, expect) in [
            (i128::MAX, 0, "170141183460469231731687303715884105727"),
            (i128::MIN, 2, "-1701411834604692317316873037158841057.28"),
            (-5, 3, "-0.005"),
            (0, 2, "0.00"),
        ] {
            let mut text = String::new();
            decimal(value, scale, &mut text);
            assert_eq!(text, expect);
        }
    }

    #[test]
    fn instants_in_iso_form() {
        for (micros, expect) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (1_765_552_618_620_000, "2025-12-12T15:16:58.620Z"),
            (4_107_542_399_000_000, "2100-02-28T23:59:59Z"),
            (i64::MAX, "infinity"),
        ] {
            let mut text = String::new();
            instant(micros, 1000, true, &mut text);
            assert_eq!(text, expect);
        }
    }
}
