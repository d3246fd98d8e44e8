//! PackStream, in which Bolt writes its messages: values to bytes and back.
//!
//! Only what this crate sends and asks for is here. What a server sends is read with care: a length that the
//! message does not have, and lists within lists without end, are refused before anything is made of them.

/// Values within one another that are read. Ours have four; the answer to a question of ours has no more.
const DEPTH_MAX: usize = 32;

/// The longest text and list that the format has a length for.
const LENGTH_MAX: usize = i32::MAX as usize;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    /// In the order in which it is written.
    Map(Vec<(String, Value)>),
    /// A message, by its tag, and its fields.
    Struct(u8, Vec<Value>),
    /// What was written before, byte for byte.
    Written(Vec<u8>),
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    pub(crate) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
        Value::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What a map holds under a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Map(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Writes it.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        match self {
            Value::Null => to.push(0xc0),
            Value::Bool(no_or_yes) => to.push(if *no_or_yes { 0xc3 } else { 0xc2 }),
            Value::Int(number) => write_int(*number, to),
            Value::Float(number) => {
                to.push(0xc1);
                to.extend_from_slice(&number.to_be_bytes());
            }
            Value::Text(text) => {
                write_length(text.len(), (0x80, 0xd0), to);
                to.extend_from_slice(text.as_bytes());
            }
            Value::List(values) => {
                write_length(values.len(), (0x90, 0xd4), to);
                values.iter().for_each(|value| value.write(to));
            }
            Value::Map(entries) => {
                write_length(entries.len(), (0xa0, 0xd8), to);
                for (name, value) in entries {
                    write_length(name.len(), (0x80, 0xd0), to);
                    to.extend_from_slice(name.as_bytes());
                    value.write(to);
                }
            }
            Value::Struct(tag, fields) => {
                // No message has sixteen fields.
                to.push(0xb0 | (fields.len() as u8 & 15));
                to.push(*tag);
                fields.iter().for_each(|field| field.write(to));
            }
            Value::Written(bytes) => to.extend_from_slice(bytes),
        }
    }

    /// Reads one value that is all of the bytes.
    pub(crate) fn read(bytes: &[u8]) -> Result<Value, String> {
        let mut input = Input(bytes);
        let value = input.value(DEPTH_MAX)?;
        if input.0.is_empty() {
            return Ok(value);
        }
        Err(format!("{} bytes are left behind a value", input.0.len()))
    }
}

fn write_int(number: i64, to: &mut Vec<u8>) {
    if (-16..128).contains(&number) {
        to.push(number as i8 as u8);
    } else if let Ok(number) = i8::try_from(number) {
        to.push(0xc8);
        to.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        to.push(0xc9);
        to.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        to.push(0xca);
        to.extend_from_slice(&number.to_be_bytes());
    } else {
        to.push(0xcb);
        to.extend_from_slice(&number.to_be_bytes());
    }
}

/// A length: in the marker itself if it is small, and otherwise behind the first marker of a row of three.
fn write_length(length: usize, (small, first): (u8, u8), to: &mut Vec<u8>) {
    debug_assert!(length <= LENGTH_MAX, "longer than the format has a length for");
    match length {
        0..16 => to.push(small | length as u8),
        16..0x100 => to.extend_from_slice(&[first, length as u8]),
        0x100..0x1_0000 => {
            to.push(first + 1);
            to.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            to.push(first + 2);
            to.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("a value is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "a value is cut off".to_owned())
    }

    fn length(&mut self, bytes: u8) -> Result<usize, String> {
        Ok(match bytes {
            0 => usize::from(u8::from_be_bytes(self.array()?)),
            1 => usize::from(u16::from_be_bytes(self.array()?)),
            _ => u32::from_be_bytes(self.array()?) as usize,
        })
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        let depth = depth.checked_sub(1).ok_or("values are within one another too deep")?;
        let [marker] = self.array()?;
        Ok(match marker {
            0x00..=0x7f | 0xf0..=0xff => Value::Int(i64::from(marker as i8)),
            0xc0 => Value::Null,
            0xc1 => Value::Float(f64::from_be_bytes(self.array()?)),
            0xc2 | 0xc3 => Value::Bool(marker == 0xc3),
            0xc8 => Value::Int(i64::from(i8::from_be_bytes(self.array()?))),
            0xc9 => Value::Int(i64::from(i16::from_be_bytes(self.array()?))),
            0xca => Value::Int(i64::from(i32::from_be_bytes(self.array()?))),
            0xcb => Value::Int(i64::from_be_bytes(self.array()?)),
            0x80..=0x8f => self.text(usize::from(marker & 15))?,
            0xd0..=0xd2 => {
                let length = self.length(marker - 0xd0)?;
                self.text(length)?
            }
            0x90..=0x9f => Value::List(self.values(usize::from(marker & 15), depth)?),
            0xd4..=0xd6 => {
                let length = self.length(marker - 0xd4)?;
                Value::List(self.values(length, depth)?)
            }
            0xa0..=0xaf => self.entries(usize::from(marker & 15), depth)?,
            0xd8..=0xda => {
                let length = self.length(marker - 0xd8)?;
                self.entries(length, depth)?
            }
            0xb0..=0xbf => {
                let [tag] = self.array()?;
                Value::Struct(tag, self.values(usize::from(marker & 15), depth)?)
            }
            // Bytes (0xcc to 0xce) are never asked for, and the rest has no meaning.
            _ => return Err(format!("a value begins with {marker:#04x}")),
        })
    }

    fn text(&mut self, length: usize) -> Result<Value, String> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "a text is not UTF-8")?;
        Ok(Value::Text(text.to_owned()))
    }

    /// Room is made for what comes, not for what was announced.
    fn values(&mut self, count: usize, depth: usize) -> Result<Vec<Value>, String> {
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.value(depth)?);
        }
        Ok(values)
    }

    fn entries(&mut self, count: usize, depth: usize) -> Result<Value, String> {
        let mut entries = Vec::new();
        for _ in 0..count {
            let Value::Text(name) = self.value(depth)? else {
                return Err("the name of an entry is not a text".to_owned());
            };
            entries.push((name, self.value(depth)?));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn what_is_written_is_read() {
        let check = |value: Value, begins: &[u8]| {
            let mut bytes = Vec::new();
            value.write(&mut bytes);
            assert_eq!(&bytes[..begins.len()], begins, "{value:?}");
            assert_eq!(Value::read(&bytes), Ok(value));
            for end in 0..bytes.len() {
                assert!(Value::read(&bytes[..end]).is_err(), "{end} of {bytes:?}");
            }
        };
        check(Value::Null, &[0xc0]);
        check(Value::Bool(true), &[0xc3]);
        for (number, begins) in [
            (0, &[0x00][..]),
            (127, &[0x7f]),
            (-16, &[0xf0]),
            (-17, &[0xc8, 0xef]),
            (128, &[0xc9, 0, 128]),
            (-32_769, &[0xca, 0xff, 0xff, 0x7f, 0xff]),
            (1 << 40, &[0xcb, 0, 0, 1]),
        ] {
            check(Value::Int(number), begins);
        }
        check(Value::Float(1.25), &[0xc1, 0x3f, 0xf4]);
        check(Value::text("Größe"), &[0x87, b'G']);
        check(Value::text("x".repeat(16)), &[0xd0, 16, b'x']);
        check(Value::text("x".repeat(300)), &[0xd1, 1, 44, b'x']);
        check(Value::List(vec![Value::Null; 300]), &[0xd5, 1, 44, 0xc0]);
        check(Value::map([("n", Value::Int(1))]), &[0xa1, 0x81, b'n', 1]);
        check(Value::Struct(0x70, vec![Value::map([])]), &[0xb1, 0x70, 0xa0]);
    }

    #[test]
    fn what_is_long_has_a_long_length() {
        let mut bytes = Vec::new();
        let long = Value::text("x".repeat(70_000));
        long.write(&mut bytes);
        assert_eq!(&bytes[..5], &[0xd2, 0, 1, 0x11, 0x70]);
        assert_eq!(Value::read(&bytes), Ok(long));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |bytes: &[u8], says: &str| {
            let said = Value::read(bytes).unwrap_err();
            assert!(said.contains(says), "{said}");
        };
        check(&[], "cut off");
        check(&[0xd6, 0xff, 0xff, 0xff, 0xff], "cut off");
        check(&[0x91; 10_000], "too deep");
        check(&[0xcc, 0], "begins with 0xcc");
        check(&[0x81, 0xff], "not UTF-8");
        check(&[0xa1, 0x01, 0x01], "not a text");
        check(&[0xc0, 0xc0], "1 bytes are left");
    }
}
