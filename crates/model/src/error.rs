//! What can be done about an error, whatever crate it is from, and how one is told in full.

use std::error::Error;

/// What a caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call may succeed later; nothing needs to change.
    Retry,
    /// Somebody has to change an input, an argument or the machine first; the text says what.
    Fix,
    /// The configuration is wrong.
    Config,
    /// Nothing is wrong: somebody asked for the stop.
    Cancelled,
    /// The program or its data are not what they should be; somebody should know.
    Report,
}

/// An error with all its causes, each said once.
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt;

    use super::in_full;

    #[derive(Debug)]
    struct Because(&'static str, Option<Box<Because>>);

    impl fmt::Display for Because {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Because {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as &dyn Error)
        }
    }

    #[test]
    fn each_cause_is_said_once() {
        let cause = Because("no room", Some(Box::new(Because("disk 7", None))));
        assert_eq!(in_full(&Because("cannot write", Some(Box::new(cause)))), "cannot write: no room: disk 7");
        let cause = Because("no room", None);
        assert_eq!(
            in_full(&Because("cannot write: no room", Some(Box::new(cause)))),
            "cannot write: no room"
        );
    }
}
