//! How many descriptors this process may have: each connection and each open file is one.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of this process to what it may raise it to by itself, `most` at most, and gives what it is
/// then. It is never lowered. Processes that are started later inherit it.
///
/// # Errors
///
/// If the operating system refuses; nothing has changed then.
pub fn raise_descriptors(most: u64) -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(most, |maximum| maximum.min(most));
    match current {
        Some(current) if current < wanted => {
            setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
            Ok(wanted)
        }
        current => Ok(current.unwrap_or(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::raise_descriptors;

    #[test]
    fn a_limit_is_raised_and_never_lowered() {
        let now = raise_descriptors(0).unwrap();
        let raised = raise_descriptors(now + 1).unwrap();
        assert!(raised == now || raised == now + 1, "{now} {raised}");
        assert_eq!(raise_descriptors(1).unwrap(), raised);
    }
}
