//! What is common to the addresses of databases.

use crate::TablesError;
use crate::config::wrong;

/// A connection string that cannot be used. It is not repeated: it may hold a password.
pub(crate) fn wrong_address(why: &str) -> TablesError {
    wrong("connection_string", why)
}

/// A part of an address without its `%XX`.
pub(crate) fn decoded(part: &str) -> Result<String, TablesError> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let digits = (*first == b'%').then(|| after.get(..2)).flatten();
        match digits.and_then(|digits| std::str::from_utf8(digits).ok()) {
            Some(digits) => {
                let byte = u8::from_str_radix(digits, 16)
                    .map_err(|_| wrong_address("`%` has to be followed by two hexadecimal digits"))?;
                bytes.push(byte);
                rest = &after[2..];
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong_address("it is not UTF-8"))
}

/// `${NAME}` replaced by what `lookup` knows under that name.
pub(crate) fn resolved(
    text: &str,
    setting: &'static str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, TablesError> {
    let (mut whole, mut rest) = (String::new(), text);
    while let Some(from) = rest.find("${") {
        let Some(length) = rest[from..].find('}') else {
            return Err(wrong(setting, "a `${` is not closed by `}`"));
        };
        let name = &rest[from + 2..from + length];
        let Some(value) = lookup(name) else {
            return Err(wrong(setting, &format!("the environment variable {name} is not set")));
        };
        whole.push_str(&rest[..from]);
        whole.push_str(&value);
        rest = &rest[from + length + 1..];
    }
    whole.push_str(rest);
    Ok(whole)
}
