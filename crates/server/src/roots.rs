//! From where jobs may ingest. Whoever may start a job may read whatever the service may read, so what it
//! names has to lie below a directory that was allowed, to everybody or to its tenant, and must not be what the
//! service keeps for itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::ServerError;
use crate::reply::{Cause, Refusal, fact};

/// A directory from which jobs may ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The directory.
    pub dir: PathBuf,
    /// Whose jobs; those of every tenant where none is named.
    pub tenant: Option<String>,
}

impl Root {
    /// One for the jobs of every tenant.
    pub fn of_all(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), tenant: None }
    }

    /// As it is written on a command line: `DIR`, or `TENANT=DIR`. A directory with a `=` in its first part is
    /// written `./DIR`.
    pub fn parse(text: &Path) -> Self {
        let parts = text.to_str().and_then(|text| text.split_once('='));
        match parts.filter(|(tenant, _)| !tenant.is_empty() && !tenant.contains('/')) {
            Some((tenant, dir)) => Self { dir: dir.into(), tenant: Some(tenant.to_owned()) },
            None => Self::of_all(text),
        }
    }
}

/// The directories below which inputs may lie, and what is withheld all the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roots {
    roots: Vec<Root>,
    withheld: Arc<[PathBuf]>,
}

impl Roots {
    /// These directories, as the file system knows them.
    ///
    /// # Errors
    ///
    /// If one of them is not there, or is for none of the tenants.
    pub(crate) fn new(roots: &[Root], withheld: &[PathBuf], tenants: &[String]) -> Result<Self, ServerError> {
        let found = |root: &Root| {
            if let Some(tenant) = root.tenant.as_ref().filter(|tenant| !tenants.contains(tenant)) {
                return Err(ServerError::RootOfNobody { dir: root.dir.clone(), tenant: tenant.clone() });
            }
            let dir = root.dir.canonicalize();
            let dir = dir.map_err(|source| ServerError::Root { dir: root.dir.clone(), source })?;
            Ok(Root { dir, tenant: root.tenant.clone() })
        };
        let roots = roots.iter().map(found).collect::<Result<_, _>>()?;
        Ok(Self { roots, withheld: withheld.into() })
    }

    /// What of it is for the jobs of a tenant.
    pub(crate) fn of(&self, tenant: &str) -> Self {
        let is_for = |root: &&Root| root.tenant.as_deref().is_none_or(|theirs| theirs == tenant);
        Self {
            roots: self.roots.iter().filter(is_for).cloned().collect(),
            withheld: Arc::clone(&self.withheld),
        }
    }

    /// Whether a path is what the service keeps for itself, lies in it or holds it. Looked up each time: a data
    /// directory may be made later than the service.
    fn is_withheld(&self, found: &Path) -> bool {
        self.withheld
            .iter()
            .filter_map(|kept| kept.canonicalize().ok())
            .any(|kept| found.starts_with(&kept) || kept.starts_with(found))
    }

    /// Each of them.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(|root| root.dir.as_path())
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
                .hint(if self.roots.is_empty() {
                    "none is allowed: start the service with --allow-root DIR"
                } else {
                    "a path below a directory that --allow-root names"
                })
        };
        match path.canonicalize() {
            Ok(found) if self.roots.iter().any(|root| found.starts_with(&root.dir)) => {
                if self.is_withheld(&found) {
                    return Err(Refusal::new("The target is, or holds, what the service keeps for itself.")
                        .because(Cause::Forbidden)
                        .why(fact(target))
                        .hint("what lies beside it: the data directory, the configuration and the tokens are never ingested"));
                }
                Ok(found)
            }
            Ok(_) => Err(refused()),
            Err(_) if self.roots.iter().any(|root| is_plainly_below(path, &root.dir)) => {
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
    use std::path::Path;

    use super::{Root, Roots};
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
        let roots = Roots::new(&[Root::of_all(at("in"))], &[], &[]).unwrap();
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
        let error = Roots::new(&[Root::of_all(at("not there"))], &[], &[]).unwrap_err();
        assert!(error.to_string().contains("not there"), "{error}");
    }

    #[test]
    fn a_tenant_has_its_own_and_nobody_has_what_is_withheld() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["all", "one", "one/lake", "two"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        for name in ["all/a", "all/tokens.toml", "one/b", "one/lake/state.db-wal", "two/c"] {
            std::fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(at("all/tokens.toml"), at("all/link")).unwrap();
        let root = |tenant: &str, name: &str| Root { tenant: Some(tenant.to_owned()), dir: at(name) };
        let given = [Root::of_all(at("all")), root("one", "one"), root("two", "two")];
        let withheld = [at("all/tokens.toml"), at("one/lake"), at("not/there")];
        let tenants = ["one".to_owned(), "two".to_owned()];
        let roots = Roots::new(&given, &withheld, &tenants).unwrap();
        for (tenant, name, expect) in [
            ("one", "all/a", true),
            ("two", "all/a", true),
            ("one", "one/b", true),
            ("two", "one/b", false),
            ("one", "two/c", false),
            ("two", "two/c", true),
            ("one", "all/tokens.toml", false),
            ("one", "all/link", false),
            ("one", "all", false),
            ("one", "one/lake", false),
            ("one", "one/lake/state.db-wal", false),
            ("one", "one/../one/lake/state.db-wal", false),
            ("one", "one", false),
            ("two", "two", true),
        ] {
            let admitted = roots.of(tenant).admit(&at(name).display().to_string());
            assert_eq!(admitted.is_ok(), expect, "{tenant} {name}: {admitted:?}");
        }
        let error = Roots::new(&[root("three", "one")], &[], &tenants).unwrap_err();
        assert!(error.to_string().contains("for tenant three"), "{error}");
    }

    #[test]
    fn a_root_is_read_from_a_command_line() {
        let check = |text: &str, tenant: Option<&str>, dir: &str| {
            let root = Root { tenant: tenant.map(str::to_owned), dir: dir.into() };
            assert_eq!(Root::parse(Path::new(text)), root, "{text}");
        };
        check("/srv/a", None, "/srv/a");
        check("one=/srv/a", Some("one"), "/srv/a");
        check("one=a=b", Some("one"), "a=b");
        check("/srv/a=b", None, "/srv/a=b");
        check("./a=b", None, "./a=b");
        check("=a", None, "=a");
    }
}
