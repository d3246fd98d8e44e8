//! A strict and simple JSON reader: the referee for the fast one.
//!
//! It accepts exactly the texts of RFC 8259 in valid UTF-8, at any depth, and keeps what other
//! readers throw away: order, duplicate keys, the spelling of numbers, lone surrogates. It shares
//! no code with `stele_model::json` on purpose, and is written to be believed, not to be fast.

/// One value of a text. Values stand in document order and carry their depth, so a tree needs no
/// boxes and no recursion.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// How many containers are around the value.
    pub depth: usize,
    /// Name of the member, unescaped; `None` for elements and the root.
    pub key: Option<String>,
    /// The value's type, by its name in a path catalogue.
    pub kind: &'static str,
    /// The text of a string, unescaped.
    pub text: Option<String>,
    /// For an object: it has members and all names are ASCII decimal digits.
    pub digit_keys: bool,
}

/// Why a text is not one JSON value, and the byte where that was found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Byte of the text.
    pub at: usize,
    /// What was expected there.
    pub why: &'static str,
}

/// Reads `bytes` as one JSON value with nothing but white space around it.
///
/// # Errors
///
/// [`Refusal`] at the first byte that does not fit.
pub fn read(bytes: &[u8]) -> Result<Vec<Item>, Refusal> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Refusal { at: error.valid_up_to(), why: "valid UTF-8" })?;
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, items: Vec::new() };
    reader.value()?;
    reader.space();
    if reader.at == reader.bytes.len() { Ok(reader.items) } else { reader.refuse("the end") }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    items: Vec<Item>,
}

/// A container that is still open: where its item stands and whether it is an object.
struct Open {
    item: usize,
    is_object: bool,
}

impl Reader<'_> {
    fn refuse<T>(&self, why: &'static str) -> Result<T, Refusal> {
        Err(Refusal { at: self.at, why })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<(), Refusal> {
        let mut open: Vec<Open> = Vec::new();
        let mut key = None;
        loop {
            // A value starts here.
            self.space();
            let depth = open.len();
            let mut item = Item { depth, key: key.take(), kind: "", text: None, digit_keys: false };
            match self.peek() {
                Some(b'{') => {
                    self.at += 1;
                    item.kind = "object";
                    self.items.push(item);
                    self.space();
                    if !self.take(b'}') {
                        let item = self.items.len() - 1;
                        self.items[item].digit_keys = true;
                        open.push(Open { item, is_object: true });
                        key = Some(self.key(item)?);
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    item.kind = "array";
                    self.items.push(item);
                    self.space();
                    if !self.take(b']') {
                        open.push(Open { item: self.items.len() - 1, is_object: false });
                        continue;
                    }
                }
                Some(b'"') => {
                    item.kind = "string";
                    item.text = Some(self.string()?);
                    self.items.push(item);
                }
                Some(b'-' | b'0'..=b'9') => {
                    item.kind = self.number()?;
                    self.items.push(item);
                }
                Some(b't') => self.word("true", "boolean", item)?,
                Some(b'f') => self.word("false", "boolean", item)?,
                Some(b'n') => self.word("null", "null", item)?,
                _ => return self.refuse("a value"),
            }
            // A value ends here; so may the containers around it.
            loop {
                let Some(Open { item, is_object }) = open.last() else {
                    return Ok(());
                };
                self.space();
                match (self.peek(), is_object) {
                    (Some(b','), true) => {
                        self.at += 1;
                        self.space();
                        key = Some(self.key(*item)?);
                        break;
                    }
                    (Some(b','), false) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return self.refuse("a comma or the end of the container"),
                }
            }
        }
    }

    fn key(&mut self, object: usize) -> Result<String, Refusal> {
        if self.peek() != Some(b'"') {
            return self.refuse("a member name");
        }
        let key = self.string()?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_digit()) {
            self.items[object].digit_keys = false;
        }
        self.space();
        if self.take(b':') { Ok(key) } else { self.refuse("a colon") }
    }

    fn word(&mut self, word: &str, kind: &'static str, mut item: Item) -> Result<(), Refusal> {
        for byte in word.bytes() {
            if !self.take(byte) {
                return self.refuse("true, false or null");
            }
        }
        item.kind = kind;
        self.items.push(item);
        Ok(())
    }

    fn number(&mut self) -> Result<&'static str, Refusal> {
        let mut kind = "integer";
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            kind = "number";
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            kind = "number";
            if !self.take(b'-') {
                self.take(b'+');
            }
            self.digits()?;
        }
        Ok(kind)
    }

    fn digits(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.refuse("a digit") } else { Ok(()) }
    }

    /// Reads a string literal. Characters are collected as bytes of valid UTF-8; a surrogate
    /// escape without its partner stays as the six bytes it is written with.
    fn string(&mut self) -> Result<String, Refusal> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(String::from_utf8_lossy(&out).into_owned());
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(byte) if byte >= 0x20 => {
                    out.push(byte);
                    self.at += 1;
                }
                _ => return self.refuse("a character of a string"),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let start = self.at;
        self.at += 1;
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.at += 1;
                let high = self.hex()?;
                let after_high = self.at;
                let mut code = u32::from(high);
                if (0xd800..0xdc00).contains(&high) && self.take(b'\\') && self.take(b'u') {
                    // The partner is only used if it is one; a malformed escape is met again below.
                    if let Ok(low @ 0xdc00..=0xdfff) = self.hex() {
                        code = 0x10000 + (u32::from(high - 0xd800) << 10) + u32::from(low - 0xdc00);
                    }
                }
                if code < 0x10000 {
                    self.at = after_high;
                }
                match char::from_u32(code) {
                    Some(character) => out.extend(character.encode_utf8(&mut [0; 4]).bytes()),
                    None => out.extend(&self.bytes[start..after_high]),
                }
                return Ok(());
            }
            _ => return self.refuse("an escape"),
        };
        out.push(plain);
        self.at += 1;
        Ok(())
    }

    fn hex(&mut self) -> Result<u16, Refusal> {
        let mut value = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.refuse("four hexadecimal digits");
            };
            value = value * 16 + digit as u16;
            self.at += 1;
        }
        Ok(value)
    }
}
