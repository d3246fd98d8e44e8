//! What can be done about an error, whatever crate it is from, and how one is told in full.

use std::error::Error;
use std::io;

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

/// Whether the file system, a quota or a limit of the process leaves no room to write.
pub fn is_disk_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), FileTooLarge | QuotaExceeded | StorageFull)
}

/// An error with all its causes. None of ours says its cause itself: that is what `source` is for.
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
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
    fn every_cause_is_said() {
        let cause = Because("no room", Some(Box::new(Because("disk 7", None))));
        assert_eq!(in_full(&Because("cannot write", Some(Box::new(cause)))), "cannot write: no room: disk 7");
        // However short: "7" occurs in the text before it and is a cause all the same.
        let cause = Because("7", None);
        assert_eq!(in_full(&Because("cannot write 17", Some(Box::new(cause)))), "cannot write 17: 7");
    }
}
