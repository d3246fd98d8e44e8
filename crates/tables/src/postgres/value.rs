//! Values of PostgreSQL, from the bytes that the server sends to JSON.

use super::link::{read_i16, read_i32};
use crate::{calendar, json};

/// Days and microseconds between 1970 and 2000, from which PostgreSQL counts.
const DAYS_TO_2000: i64 = 10_957;
const MICROS_TO_2000: i64 = DAYS_TO_2000 * 86_400_000_000;

/// Dimensions of an array, at most: PostgreSQL has no more.
const DIMENSIONS_MAX: usize = 6;

/// How the bytes of a type are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Json,
    Jsonb,
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    /// Of any of these: its bytes say which.
    Array,
}

/// How a type is read, by its number; `None` if the server has to write it as text.
pub(super) fn kind(oid: i32) -> Option<Kind> {
    Some(match oid {
        16 => Kind::Bool,
        17 => Kind::Bytea,
        18 | 19 | 25 | 1042 | 1043 | 705 => Kind::Text,
        20 => Kind::Int8,
        21 => Kind::Int2,
        23 => Kind::Int4,
        26 | 28 | 29 => Kind::Oid,
        114 => Kind::Json,
        700 => Kind::Float4,
        701 => Kind::Float8,
        1082 => Kind::Date,
        1083 => Kind::Time,
        1114 => Kind::Timestamp,
        1184 => Kind::TimestampTz,
        1700 => Kind::Numeric,
        2950 => Kind::Uuid,
        3802 => Kind::Jsonb,
        199 | 1000 | 1001 | 1002 | 1003 | 1005 | 1007 | 1009 | 1014 | 1015 | 1016 | 1021 | 1022 | 1028
        | 1115 | 1182 | 1183 | 1185 | 1231 | 2951 | 3807 => Kind::Array,
        _ => return None,
    })
}

/// Writes a value. `None` if its bytes are not what its type has.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, kind: Kind, bytes: &[u8]) -> Option<()> {
    match kind {
        Kind::Text => json::text(out, bytes),
        Kind::Int8 => json::integer(out, i64::from_be_bytes(bytes.try_into().ok()?)),
        Kind::Int4 => json::integer(out, i32::from_be_bytes(bytes.try_into().ok()?)),
        Kind::Int2 => json::integer(out, i16::from_be_bytes(bytes.try_into().ok()?)),
        Kind::Oid => json::integer(out, u32::from_be_bytes(bytes.try_into().ok()?)),
        Kind::Bool => out.extend_from_slice(if bytes == [0] { b"false" } else { b"true" }),
        Kind::Float8 => json::float(out, f64::from_be_bytes(bytes.try_into().ok()?)),
        Kind::Float4 => json::float(out, f32::from_be_bytes(bytes.try_into().ok()?)),
        Kind::Numeric => numeric(out, bytes)?,
        Kind::Json => json::verbatim(out, bytes),
        // The first byte is the version of the format.
        Kind::Jsonb => json::verbatim(out, bytes.strip_prefix(&[1])?),
        Kind::Bytea => json::bytes(out, bytes),
        Kind::Date => date(out, i32::from_be_bytes(bytes.try_into().ok()?)),
        Kind::Time => {
            out.push(b'"');
            calendar::time(out, i64::from_be_bytes(bytes.try_into().ok()?));
            out.push(b'"');
        }
        Kind::Timestamp => timestamp(out, i64::from_be_bytes(bytes.try_into().ok()?), b"\""),
        Kind::TimestampTz => timestamp(out, i64::from_be_bytes(bytes.try_into().ok()?), b"Z\""),
        Kind::Uuid => uuid(out, bytes.try_into().ok()?),
        Kind::Array => array(out, bytes)?,
    }
    Some(())
}

fn infinity(out: &mut Vec<u8>, positive: bool) {
    out.extend_from_slice(if positive { b"\"infinity\"" } else { b"\"-infinity\"" });
}

fn date(out: &mut Vec<u8>, days: i32) {
    if days == i32::MAX || days == i32::MIN {
        return infinity(out, days == i32::MAX);
    }
    out.push(b'"');
    calendar::date(out, i64::from(days) + DAYS_TO_2000);
    out.push(b'"');
}

fn timestamp(out: &mut Vec<u8>, micros: i64, end: &[u8]) {
    // Those are the server's infinities, and what it keeps beside them is within the sum.
    match micros.checked_add(MICROS_TO_2000).filter(|_| micros != i64::MIN) {
        Some(micros) => {
            out.push(b'"');
            calendar::date_time(out, micros);
            out.extend_from_slice(end);
        }
        None => infinity(out, micros > 0),
    }
}

fn uuid(out: &mut Vec<u8>, bytes: [u8; 16]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 38];
    text[0] = b'"';
    text[37] = b'"';
    let mut at = 1;
    for (place, byte) in bytes.iter().enumerate() {
        at += usize::from(matches!(place, 4 | 6 | 8 | 10));
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
    out.extend_from_slice(&text);
}

/// Groups of four decimal digits, how many of them stand before the point, and how many digits behind it are meant.
fn numeric(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    let (groups, weight) = (read_i16(bytes, 0)?, i32::from(read_i16(bytes, 2)?));
    let (sign, scale) = (read_i16(bytes, 4)? as u16, usize::try_from(read_i16(bytes, 6)?).ok()?);
    match sign {
        0 => {}
        0x4000 => out.push(b'-'),
        special => {
            out.extend_from_slice(match special {
                0xC000 => b"\"NaN\"".as_slice(),
                0xD000 => b"\"Infinity\"",
                0xF000 => b"\"-Infinity\"",
                _ => return None,
            });
            return Some(());
        }
    }
    let groups = bytes.get(8..8 + usize::try_from(groups).ok()? * 2)?;
    let group = |place: i32| -> u16 {
        let at = usize::try_from(place).ok().and_then(|place| groups.get(place * 2..place * 2 + 2));
        at.map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
    };
    let four = |number: u16| {
        let digit = |by: u16| b'0' + (number / by % 10) as u8;
        [digit(1000), digit(100), digit(10), digit(1)]
    };
    if weight < 0 {
        out.push(b'0');
    } else {
        json::integer(out, group(0));
        for place in 1..=weight {
            out.extend_from_slice(&four(group(place)));
        }
    }
    if scale > 0 {
        out.push(b'.');
        let end = out.len() + scale;
        let mut place = weight + 1;
        while out.len() < end {
            // Groups between the point and the first that is there are zero.
            out.extend_from_slice(&four(group(place)));
            place += 1;
        }
        out.truncate(end);
    }
    Some(())
}

/// Dimensions, whether there are nulls, the type of the elements; for each dimension its length and lower bound; and
/// the elements, each with its length.
fn array(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    let dimensions = usize::try_from(read_i32(bytes, 0)?).ok().filter(|count| *count <= DIMENSIONS_MAX)?;
    let kind = kind(read_i32(bytes, 8)?)?;
    let mut lengths = [0; DIMENSIONS_MAX];
    for (place, length) in lengths.iter_mut().take(dimensions).enumerate() {
        *length = usize::try_from(read_i32(bytes, 12 + place * 8)?).ok()?;
    }
    if dimensions == 0 {
        out.extend_from_slice(b"[]");
        return Some(());
    }
    let mut rest = bytes.get(12 + dimensions * 8..)?;
    nested(out, kind, &lengths[..dimensions], &mut rest)
}

fn nested(out: &mut Vec<u8>, kind: Kind, lengths: &[usize], rest: &mut &[u8]) -> Option<()> {
    let Some((length, inner)) = lengths.split_first() else { return element(out, kind, rest) };
    out.push(b'[');
    for place in 0..*length {
        if place > 0 {
            out.push(b',');
        }
        nested(out, kind, inner, rest)?;
    }
    out.push(b']');
    Some(())
}

fn element(out: &mut Vec<u8>, kind: Kind, rest: &mut &[u8]) -> Option<()> {
    let length = read_i32(rest, 0)?;
    *rest = &rest[4..];
    match usize::try_from(length) {
        Ok(length) => {
            let bytes = rest.get(..length)?;
            *rest = &rest[length..];
            write(out, kind, bytes)
        }
        Err(_) => {
            out.extend_from_slice(b"null");
            Some(())
        }
    }
}
