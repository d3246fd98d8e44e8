//! What is the matter with a home, as far as that can be told, and what helps.

use std::fmt;

use stele_model::ErrorKind;

/// Why a home could not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The disk, or the memory of a server, is full.
    Full,
    /// The file system takes no writes.
    ReadOnly,
    /// A server that copies another one, and takes no writes.
    Replica,
    /// This user may not read or write it.
    Forbidden,
    /// Its directory is not there.
    Absent,
    /// A directory stands where the file should be.
    Directory,
    /// What is there is no database, or one that is damaged.
    Garbage,
    /// Somebody else has it for himself, and for too long.
    Busy,
    /// A disk that does not do what it should.
    Disk,
    /// Nobody answers.
    Unreachable,
    /// The password, or the name of the user, is missing or wrong.
    Password,
    /// Something else: the cause says what.
    Other,
}

impl Trouble {
    /// What can be done about it.
    pub fn kind(self) -> ErrorKind {
        match self {
            Trouble::Full | Trouble::Replica | Trouble::Busy | Trouble::Disk | Trouble::Unreachable => {
                ErrorKind::Retry
            }
            Trouble::ReadOnly
            | Trouble::Forbidden
            | Trouble::Absent
            | Trouble::Directory
            | Trouble::Garbage => ErrorKind::Fix,
            Trouble::Password => ErrorKind::Config,
            Trouble::Other => ErrorKind::Report,
        }
    }

    /// What to try, for people.
    pub fn hint(self) -> &'static str {
        match self {
            Trouble::Full => "free some space: what waits goes on by itself, and no attempt is lost",
            Trouble::ReadOnly => {
                "reading works; to change something it has to be writable, or `--data-dir` or `--queue` has to \
                 name another place"
            }
            Trouble::Replica => {
                "name the server that takes writes; where another one takes over, this passes"
            }
            Trouble::Forbidden => "see who may read and write it and its directory: `ls -la`",
            Trouble::Absent => "make its directory, or name another one with `--data-dir`",
            Trouble::Directory => "move the directory away: the queue is a file, and is made anew",
            Trouble::Garbage => {
                "move the file away, and those beside it that end in -wal and -shm: a new one is made. Only the \
                 history of jobs is lost, and what still waited has to be submitted again"
            }
            Trouble::Busy => "the same again in a moment; another process has it",
            Trouble::Disk => "see whether the disk is in order; the system's log says more",
            Trouble::Unreachable => {
                "is the server running? `--queue` or STELE_QUEUE names it; `sqlite` needs no server"
            }
            Trouble::Password => {
                "give user and password with the address: redis://USER:PASSWORD@HOST:PORT/DATABASE, in STELE_QUEUE \
                 so that they stand in no list of processes"
            }
            Trouble::Other => "`stele doctor` looks at the queue",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::Full => "no space is left",
            Trouble::ReadOnly => "read-only file system",
            Trouble::Replica => "the server is a copy that takes no writes",
            Trouble::Forbidden => "permission denied",
            Trouble::Absent => "its directory is not there",
            Trouble::Directory => "it is a directory",
            Trouble::Garbage => "it is not a database, or damaged",
            Trouble::Busy => "another process has it",
            Trouble::Disk => "the disk does not read or write it",
            Trouble::Unreachable => "nobody answers",
            Trouble::Password => "user or password is missing or wrong",
            Trouble::Other => "something else is the matter",
        })
    }
}

/// The words of the operating system, without its number: that tells people nothing.
pub(crate) fn plain(text: &str) -> &str {
    text.split(" (os error ").next().unwrap_or(text)
}
