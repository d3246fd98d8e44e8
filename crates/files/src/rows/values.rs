//! Values of columns as JSON. What is kept of each type is in the crate's own documentation.

use arrow::array::{Array, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DecimalType, Field, Fields, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::FilesError;

/// The one key of an object that stands for bytes; its value is base64 with padding, as in what databases give.
const BYTES_MARK: &str = "$bytes";

/// A column, or a field within one.
pub(super) struct Member {
    /// As a member begins: a quoted name and a colon.
    begin: Vec<u8>,
}

/// Every column must have a name of its own.
pub(super) fn members(fields: &Fields) -> Result<Vec<Member>, FilesError> {
    let named = |field: &std::sync::Arc<Field>| Member { begin: begin(field.name()) };
    let members: Vec<Member> = fields.iter().map(named).collect();
    let mut names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|two| two[0] == two[1]) {
        Some(two) => Err(FilesError::Unknown { why: format!("two of its columns are called {}", two[0]) }),
        None => Ok(members),
    }
}

fn begin(name: &str) -> Vec<u8> {
    let mut begin = serde_json::to_vec(name).unwrap_or_default();
    begin.push(b':');
    begin
}

impl Member {
    pub(super) fn write(&self, column: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), FilesError> {
        out.extend_from_slice(&self.begin);
        value(column, row, out)
    }
}

fn value(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), FilesError> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => out.extend_from_slice(b"null"),
        DataType::Boolean => {
            out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" });
        }
        DataType::Int8 => integer(native::<Int8Type>(array, row), out),
        DataType::Int16 => integer(native::<Int16Type>(array, row), out),
        DataType::Int32 => integer(native::<Int32Type>(array, row), out),
        DataType::Int64 => integer(native::<Int64Type>(array, row), out),
        DataType::UInt8 => integer(native::<UInt8Type>(array, row), out),
        DataType::UInt16 => integer(native::<UInt16Type>(array, row), out),
        DataType::UInt32 => integer(native::<UInt32Type>(array, row), out),
        DataType::UInt64 => integer(native::<UInt64Type>(array, row), out),
        DataType::Float16 => float(native::<Float16Type>(array, row).to_f32(), out),
        DataType::Float32 => float(native::<Float32Type>(array, row), out),
        DataType::Float64 => float(native::<Float64Type>(array, row), out),
        DataType::Decimal32(..) => decimal::<Decimal32Type>(array, row, out),
        DataType::Decimal64(..) => decimal::<Decimal64Type>(array, row, out),
        DataType::Decimal128(..) => decimal::<Decimal128Type>(array, row, out),
        DataType::Decimal256(..) => decimal::<Decimal256Type>(array, row, out),
        DataType::Utf8 => text(array.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), out),
        DataType::Utf8View => text(array.as_string_view().value(row), out),
        DataType::Binary => bytes(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(row), out),
        DataType::BinaryView => bytes(array.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().value(row), out),
        DataType::Date32 => date(i64::from(native::<Date32Type>(array, row)) * 86_400, out),
        DataType::Date64 => date(native::<Date64Type>(array, row).div_euclid(1000), out),
        DataType::Timestamp(unit, zone) => {
            let (count, a_second) = match unit {
                TimeUnit::Second => (native::<TimestampSecondType>(array, row), 1),
                TimeUnit::Millisecond => (native::<TimestampMillisecondType>(array, row), 1_000),
                TimeUnit::Microsecond => (native::<TimestampMicrosecondType>(array, row), 1_000_000),
                TimeUnit::Nanosecond => (native::<TimestampNanosecondType>(array, row), 1_000_000_000),
            };
            timestamp(count, a_second, zone.is_some(), out);
        }
        DataType::Time32(TimeUnit::Second) => {
            time(i64::from(native::<Time32SecondType>(array, row)), 1, out);
        }
        DataType::Time32(_) => time(i64::from(native::<Time32MillisecondType>(array, row)), 1_000, out),
        DataType::Time64(TimeUnit::Microsecond) => {
            time(native::<Time64MicrosecondType>(array, row), 1_000_000, out);
        }
        DataType::Time64(_) => time(native::<Time64NanosecondType>(array, row), 1_000_000_000, out),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            return value(dictionary.values().as_ref(), index(dictionary.keys(), row), out);
        }
        DataType::List(_) => return list(array.as_list::<i32>(), row, out),
        DataType::LargeList(_) => return list(array.as_list::<i64>(), row, out),
        DataType::FixedSizeList(..) => return fixed(array.as_fixed_size_list(), row, out),
        DataType::Struct(fields) => {
            out.push(b'{');
            for (at, (field, column)) in fields.iter().zip(array.as_struct().columns()).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(&begin(field.name()));
                value(column.as_ref(), row, out)?;
            }
            out.push(b'}');
        }
        DataType::Map(..) => return map(array.as_map(), row, out),
        // Intervals and durations as their library writes them.
        _ => {
            let said = ArrayFormatter::try_new(array, &FormatOptions::default())
                .and_then(|formatter| formatter.value(row).try_to_string());
            match said {
                Ok(said) => text(&said, out),
                Err(error) => {
                    let why = format!("a column is of the type {}: {error}", array.data_type());
                    return Err(FilesError::Unknown { why });
                }
            }
        }
    }
    Ok(())
}

fn native<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

/// Which of its values a row of a dictionary has.
fn index(keys: &dyn Array, row: usize) -> usize {
    let key = match keys.data_type() {
        DataType::Int8 => native::<Int8Type>(keys, row).try_into().ok(),
        DataType::Int16 => native::<Int16Type>(keys, row).try_into().ok(),
        DataType::Int32 => native::<Int32Type>(keys, row).try_into().ok(),
        DataType::Int64 => native::<Int64Type>(keys, row).try_into().ok(),
        DataType::UInt8 => Some(usize::from(native::<UInt8Type>(keys, row))),
        DataType::UInt16 => Some(usize::from(native::<UInt16Type>(keys, row))),
        DataType::UInt32 => native::<UInt32Type>(keys, row).try_into().ok(),
        _ => native::<UInt64Type>(keys, row).try_into().ok(),
    };
    key.unwrap_or_default()
}

fn integer(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The shortest text that is this very number; what JSON has no number for is a text.
fn float<F: ryu::Float + Into<f64> + Copy>(number: F, out: &mut Vec<u8>) {
    let wide: f64 = number.into();
    match wide {
        wide if wide.is_finite() => {
            out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
        }
        wide if wide.is_nan() => out.extend_from_slice(b"\"NaN\""),
        wide if wide > 0.0 => out.extend_from_slice(b"\"Infinity\""),
        _ => out.extend_from_slice(b"\"-Infinity\""),
    }
}

/// With all digits that its type has.
fn decimal<T: DecimalType>(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(array.as_primitive::<T>().value_as_string(row).as_bytes());
}

fn text(said: &str, out: &mut Vec<u8>) {
    // A buffer takes everything.
    let _ = serde_json::to_writer(out, said);
}

fn bytes(said: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"{BYTES_MARK}\":\"{}\"}}", STANDARD.encode(said)).as_bytes());
}

fn date(seconds: i64, out: &mut Vec<u8>) {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => {
            let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
            out.extend_from_slice(format!("\"{date}\"").as_bytes());
        }
        // Beyond the calendar: days since 1970.
        Err(_) => integer(seconds.div_euclid(86_400), out),
    }
}

/// In UTC with a `Z` if it is a moment, and without one if it is what a clock on a wall says.
fn timestamp(count: i64, a_second: i64, moment: bool, out: &mut Vec<u8>) {
    let (seconds, rest) = (count.div_euclid(a_second), count.rem_euclid(a_second));
    let Ok(time) = jiff::Timestamp::from_second(seconds) else {
        // Beyond the calendar: as it is stored.
        return integer(count, out);
    };
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let zone = if moment { "Z" } else { "" };
    out.extend_from_slice(format!("\"{time}{}{zone}\"", fraction(rest, a_second)).as_bytes());
}

fn time(count: i64, a_second: i64, out: &mut Vec<u8>) {
    let (seconds, rest) = (count.div_euclid(a_second), count.rem_euclid(a_second));
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = fraction(rest, a_second);
    out.extend_from_slice(format!("\"{hours:02}:{minutes:02}:{seconds:02}{fraction}\"").as_bytes());
}

/// With as many digits as its unit has, and not at all if it is 0.
fn fraction(rest: i64, a_second: i64) -> String {
    let digits = a_second.ilog10() as usize;
    if rest == 0 { String::new() } else { format!(".{rest:0digits$}") }
}

fn list<O: OffsetSizeTrait>(
    lists: &GenericListArray<O>,
    row: usize,
    out: &mut Vec<u8>,
) -> Result<(), FilesError> {
    let bounds = lists.value_offsets();
    elements(lists.values().as_ref(), bounds[row].as_usize(), bounds[row + 1].as_usize(), out)
}

fn fixed(lists: &FixedSizeListArray, row: usize, out: &mut Vec<u8>) -> Result<(), FilesError> {
    let from = usize::try_from(lists.value_offset(row)).unwrap_or(0);
    let len = usize::try_from(lists.value_length()).unwrap_or(0);
    elements(lists.values().as_ref(), from, from + len, out)
}

fn elements(values: &dyn Array, from: usize, to: usize, out: &mut Vec<u8>) -> Result<(), FilesError> {
    out.push(b'[');
    for at in from..to {
        if at > from {
            out.push(b',');
        }
        value(values, at, out)?;
    }
    out.push(b']');
    Ok(())
}

/// An object if its keys are texts, and else a list of pairs.
fn map(maps: &MapArray, row: usize, out: &mut Vec<u8>) -> Result<(), FilesError> {
    let bounds = maps.value_offsets();
    let (keys, values) = (maps.keys(), maps.values());
    let texts = matches!(keys.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let range = bounds[row] as usize..bounds[row + 1] as usize;
    out.push(if texts { b'{' } else { b'[' });
    for at in range.clone() {
        if at > range.start {
            out.push(b',');
        }
        if !texts {
            out.push(b'[');
        }
        value(keys.as_ref(), at, out)?;
        out.push(if texts { b':' } else { b',' });
        value(values.as_ref(), at, out)?;
        if !texts {
            out.push(b']');
        }
    }
    out.push(if texts { b'}' } else { b']' });
    Ok(())
}
