//! Values of MySQL and MariaDB, from the bytes that the server sends to JSON.

use sqlx::mysql::MySqlTypeInfo;
use sqlx::{MySql, Type, TypeInfo};

use crate::{calendar, json};

/// How the bytes of a type are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Signed,
    Unsigned,
    Float,
    Double,
    Decimal,
    Date,
    DateTime,
    /// An instant: the connection's time zone is UTC.
    Timestamp,
    Time,
    Bit,
    Json,
    /// A text that may be JSON.
    PerhapsJson,
    Text,
    Bytes,
}

impl Kind {
    /// Whether it has a zero that is no date and not null either.
    pub(super) fn has_zero(self) -> bool {
        matches!(self, Kind::Date | Kind::DateTime | Kind::Timestamp)
    }
}

/// How a type is read. `json` is whether the table says that its texts are JSON.
pub(super) fn kind(info: &MySqlTypeInfo, json: bool) -> Kind {
    match info.name() {
        "YEAR" => Kind::Unsigned,
        "FLOAT" => Kind::Float,
        "DOUBLE" => Kind::Double,
        "DECIMAL" => Kind::Decimal,
        "DATE" => Kind::Date,
        "DATETIME" => Kind::DateTime,
        "TIMESTAMP" => Kind::Timestamp,
        "TIME" => Kind::Time,
        "BIT" => Kind::Bit,
        "JSON" => Kind::Json,
        "GEOMETRY" => Kind::Bytes,
        // `TINYINT(1) UNSIGNED` is called like a boolean, and is none.
        name if name == "BOOLEAN" || name.contains("INT") => match <u64 as Type<MySql>>::compatible(info) {
            true => Kind::Unsigned,
            false => Kind::Signed,
        },
        "ENUM" | "SET" => Kind::Text,
        // By the character set: the flag that says so is set for texts that are compared by bytes, too.
        _ if !<str as Type<MySql>>::compatible(info) => Kind::Bytes,
        _ if json => Kind::PerhapsJson,
        _ => Kind::Text,
    }
}

/// Writes a value. `None` if its bytes are not what its type has.
pub(super) fn write(out: &mut Vec<u8>, kind: Kind, bytes: &[u8]) -> Option<()> {
    match kind {
        Kind::Text => json::text(out, bytes),
        Kind::Signed => match *bytes {
            [a] => json::integer(out, a as i8),
            [a, b] => json::integer(out, i16::from_le_bytes([a, b])),
            [a, b, c, d] => json::integer(out, i32::from_le_bytes([a, b, c, d])),
            _ => json::integer(out, i64::from_le_bytes(bytes.try_into().ok()?)),
        },
        Kind::Unsigned => match *bytes {
            [a] => json::integer(out, a),
            [a, b] => json::integer(out, u16::from_le_bytes([a, b])),
            [a, b, c, d] => json::integer(out, u32::from_le_bytes([a, b, c, d])),
            _ => json::integer(out, u64::from_le_bytes(bytes.try_into().ok()?)),
        },
        Kind::Float => json::float(out, f32::from_le_bytes(bytes.try_into().ok()?)),
        Kind::Double => json::float(out, f64::from_le_bytes(bytes.try_into().ok()?)),
        Kind::Decimal => json::decimal(out, bytes),
        Kind::Date => quoted(out, bytes, date)?,
        Kind::DateTime => quoted(out, bytes, |out, parts| date_time(out, parts, b""))?,
        Kind::Timestamp => quoted(out, bytes, |out, parts| date_time(out, parts, b"Z"))?,
        Kind::Time => quoted(out, bytes, time)?,
        Kind::Bit => {
            let number = bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            json::integer(out, number);
        }
        Kind::Json => json::verbatim(out, bytes),
        Kind::PerhapsJson => json::perhaps_json(out, bytes),
        Kind::Bytes => json::bytes(out, bytes),
    }
    Some(())
}

/// Dates and times have their length before them; what is zero at their end is left out by the server.
fn quoted(out: &mut Vec<u8>, bytes: &[u8], write: impl FnOnce(&mut Vec<u8>, &[u8; 12])) -> Option<()> {
    let (length, parts) = bytes.split_first()?;
    let mut whole = [0; 12];
    whole.get_mut(..usize::from(*length))?.copy_from_slice(parts.get(..usize::from(*length))?);
    out.push(b'"');
    write(out, &whole);
    out.push(b'"');
    Some(())
}

/// The zero date and dates with a zero in them are written as they are: what they mean is the application's.
fn date(out: &mut Vec<u8>, parts: &[u8; 12]) {
    let year = u16::from_le_bytes([parts[0], parts[1]]);
    calendar::ymd(out, i64::from(year), i64::from(parts[2]), i64::from(parts[3]));
}

fn date_time(out: &mut Vec<u8>, parts: &[u8; 12], zone: &[u8]) {
    date(out, parts);
    out.push(b'T');
    let micros = u32::from_le_bytes([parts[7], parts[8], parts[9], parts[10]]);
    let [hour, minute, second] = [parts[4], parts[5], parts[6]].map(i64::from);
    calendar::hms(out, hour, minute, second, i64::from(micros));
    out.extend_from_slice(zone);
}

/// From -838:59:59 to 838:59:59: more than a time of the day.
fn time(out: &mut Vec<u8>, parts: &[u8; 12]) {
    let days = u32::from_le_bytes([parts[1], parts[2], parts[3], parts[4]]);
    let hours = i64::from(days) * 24 + i64::from(parts[5]);
    let micros = u32::from_le_bytes([parts[8], parts[9], parts[10], parts[11]]);
    if parts[0] != 0 {
        out.push(b'-');
    }
    if hours > 99 {
        json::integer(out, hours / 100);
    }
    calendar::hms(out, hours, i64::from(parts[6]), i64::from(parts[7]), i64::from(micros));
}
