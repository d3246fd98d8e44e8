//! From where jobs may ingest. Whoever may start a job may read whatever the service may read, so what it
//! names has to lie below a directory that was allowed.

use std::io;
use std::path::{Path, PathBuf};

use crate::reply::{Cause, Refusal, fact};

/// The directories below which inputs may lie.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roots(Vec<PathBuf>);

impl Roots {
    /// These directories, as the file system knows them.
    ///
    /// # Errors
    ///
    /// If one of them is not there.
    pub(crate) fn new(directories: &[PathBuf]) -> io::Result<Self> {
        directories.iter().map(|directory| directory.canonicalize()).collect::<io::Result<_>>().map(Self)
    }

    /// Each of them.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }

    /// The path that a target means, if it may be read. Links are followed first, so none leads out.
    pub(crate) fn admit(&self, target: &str) -> Result<PathBuf, Refusal> {
        if target.contains("://") || target == "-" {
            return Err(Refusal::new("Only files and directories of this machine are ingested over HTTP.")
                .because(Cause::Forbidden)
                .why(fact(target))
                .hint("`stele ingest` on the command line, or a watcher"));
        }
        let path = Path::new(target);
        if !path.is_absolute() {
            return Err(Refusal::new("A target is no absolute path.")
                .why(fact(target))
                .hint("the whole path, from / on"));
        }
        // Outside what is allowed nobody is told what is there.
        let refused = || {
            Refusal::new("The target lies outside the directories from which jobs may ingest.")
                .because(Cause::Forbidden)
                .why(fact(target))
                .hint(if self.0.is_empty() {
                    "none is allowed: start the service with --allow-root DIR"
                } else {
                    "a path below a directory that --allow-root names"
                })
        };
        match path.canonicalize() {
            Ok(found) if self.0.iter().any(|root| found.starts_with(root)) => Ok(found),
            Ok(_) => Err(refused()),
            Err(_) if self.0.iter().any(|root| is_plainly_below(path, root)) => {
                Err(Refusal::new("There is no such file or directory, or it cannot be read.")
                    .because(Cause::Missing)
                    .why(fact(target))
                    .hint("check the spelling"))
            }
            Err(_) => Err(refused()),
        }
    }
}

/// Whether a path that is not there would lie below a directory, by its parts alone.
fn is_plainly_below(path: &Path, root: &Path) -> bool {
    let plain = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
    plain && path.starts_with(root)
}

#[cfg(test)]
mod tests {
    use super::Roots;
    use crate::reply::Cause;

    #[test]
    fn nothing_leads_out_of_the_roots() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["in", "in/deep", "inside"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        for name in ["in/a.jsonl", "in/deep/b.jsonl", "inside/c.jsonl", "secret"] {
            std::fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(at("secret"), at("in/link")).unwrap();
        std::os::unix::fs::symlink(dir.path(), at("in/up")).unwrap();
        let roots = Roots::new(&[at("in")]).unwrap();
        let check = |target: String, expect: Option<Cause>| match (roots.admit(&target), expect) {
            (Ok(_), None) => {}
            (Err(refusal), Some(cause)) => assert_eq!(refusal.cause, cause, "{target}"),
            (got, expect) => panic!("{target}: {got:?}, not {expect:?}"),
        };
        let root = at("in").display().to_string();
        check(root.clone(), None);
        check(format!("{root}/a.jsonl"), None);
        check(format!("{root}/deep/../a.jsonl"), None);
        check(format!("{root}/no"), Some(Cause::Missing));
        for outside in ["/../secret", "/link", "/up/secret", "side/c.jsonl", "/../no", "/./../../etc/passwd"]
        {
            check(format!("{root}{outside}"), Some(Cause::Forbidden));
        }
        for target in ["/etc/passwd", "/", "http://a.example/x", "s3://b/k", "-"] {
            check(target.to_owned(), Some(Cause::Forbidden));
        }
        for target in ["a.jsonl", "", "..", "%2e%2e/secret"] {
            check(target.to_owned(), Some(Cause::Asked));
        }
        assert!(Roots::default().admit("/etc/passwd").is_err());
        assert!(Roots::new(&[at("not there")]).is_err());
    }
}
