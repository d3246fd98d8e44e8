//! Texts of anybody within the marks of a format.

use std::fmt;

/// What stands in the place of a character that a format cannot hold.
const REPLACED: char = '\u{fffd}';

/// Whether XML 1.0 can hold a character.
fn in_xml(letter: char) -> bool {
    match letter {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        // Control characters of the second kind are allowed, and show in no program as anything.
        _ => !letter.is_control(),
    }
}

/// A text within XML, between tags or in an attribute. Characters that XML cannot hold are replaced.
pub(crate) struct Xml<'a>(pub(crate) &'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                // As they are, a reader would take them for another kind of blank.
                '\t' | '\n' | '\r' => write!(f, "&#{};", u32::from(letter))?,
                letter if in_xml(letter) => f.write_char(letter)?,
                _ => f.write_char(REPLACED)?,
            }
        }
        Ok(())
    }
}

/// A text in quotes as Graphviz reads them: a backslash would begin an escape of its own.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_char(' ')?,
                letter if letter.is_control() => f.write_char(REPLACED)?,
                letter => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::{Quoted, Xml};

    #[test]
    fn texts_cannot_end_their_marks() {
        for (text, xml, dot) in [
            ("plain", "plain", "\"plain\""),
            ("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&apos;", "\"a<b>&\\\"'\""),
            ("\0\u{1b}\u{ffff}", "\u{fffd}\u{fffd}\u{fffd}", "\"\u{fffd}\u{fffd}\u{ffff}\""),
            ("1\n2\\", "1&#10;2\\", "\"1\\n2\\\\\""),
        ] {
            assert_eq!((Xml(text).to_string(), Quoted(text).to_string()), (xml.into(), dot.into()));
        }
    }
}
