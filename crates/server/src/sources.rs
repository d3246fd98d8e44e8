//! The sources of a configuration as one tenant sees them: its own, and no trace of others.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use stele_engine::collecting::{SourceDesk, SourceEntry, SourceProblem};
use stele_engine::{Engine, EngineError};

use crate::reply::{Cause, Refusal};

/// Looks up the values of variables, such as the keys of services. What it gives is told to nobody.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Which sources are a tenant's, and what it takes to ask them.
#[derive(Clone)]
pub(crate) struct Sources {
    variables: Variables,
    tenant: String,
    /// Whether it is the tenant of the service itself, whose is whatever is nobody else's.
    pub(crate) is_own: bool,
    /// Every tenant of the service.
    tenants: Arc<BTreeSet<String>>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Default for Sources {
    /// Those of a service that has none to ask.
    fn default() -> Self {
        Self { variables: nothing(), tenant: String::new(), is_own: false, tenants: Arc::default() }
    }
}

/// No variable is set.
pub(crate) fn nothing() -> Variables {
    Arc::new(|_: &str| None)
}

impl Sources {
    /// Those of `tenant`, where `own` is the service's.
    pub(crate) fn of(tenant: &str, own: &str, tenants: Arc<BTreeSet<String>>, variables: Variables) -> Self {
        Self { variables, tenant: tenant.to_owned(), is_own: tenant == own, tenants }
    }

    /// The list as it is now, with what it takes to ask.
    pub(crate) fn desk<'a>(&'a self, engine: &'a Engine) -> Result<SourceDesk<'a>, EngineError> {
        SourceDesk::open(engine, &*self.variables)
    }

    /// Whether a source is this tenant's: the one that it names where that is a tenant of this service, otherwise the
    /// service's own.
    fn is_theirs(&self, source: &SourceEntry) -> bool {
        match &source.tenant_id {
            Some(named) if self.tenants.contains(named) => *named == self.tenant,
            _ => self.is_own,
        }
    }

    /// The sources of this tenant, in the order in which they are collected.
    pub(crate) fn all<'d>(&self, desk: &'d SourceDesk<'_>) -> Vec<&'d SourceEntry> {
        let mut all: Vec<&SourceEntry> =
            desk.config().sources.iter().filter(|source| self.is_theirs(source)).collect();
        all.sort_by(|a, b| (a.priority, &a.id).cmp(&(b.priority, &b.id)));
        all
    }

    /// Entries of the configuration that this tenant has and that cannot be used. What is so broken that it is nobody's is the
    /// service's own.
    pub(crate) fn unusable(&self, desk: &SourceDesk<'_>) -> Vec<SourceProblem> {
        let mut all = desk.unusable();
        all.retain(|problem| {
            let source = desk.config().sources.iter().find(|source| source.index == problem.index);
            source.map_or(self.is_own, |source| self.is_theirs(source))
        });
        all
    }

    /// Those of them that are collected: enabled, and of this priority and lower numbers.
    pub(crate) fn due<'d>(
        &self,
        desk: &'d SourceDesk<'_>,
        threshold: Option<i64>,
    ) -> impl Iterator<Item = &'d SourceEntry> {
        desk.config().due(threshold).into_iter().filter(|source| self.is_theirs(source))
    }

    /// A source of this tenant. One of another is as unknown as one that is not there.
    pub(crate) fn one<'d>(&self, desk: &'d SourceDesk<'_>, id: &str) -> Result<&'d SourceEntry, Refusal> {
        let config = desk.config();
        let known = config.sources.iter().find(|source| source.id == id && self.is_theirs(source));
        known.ok_or_else(|| {
            let unknown = Refusal::new("There is no such source.").because(Cause::Missing);
            let problem = config.problems.iter().find(|problem| problem.source_id.as_deref() == Some(id));
            match problem.filter(|_| self.is_own) {
                Some(problem) => unknown.why(problem.why.clone()).hint("what the reason names, put right"),
                None => unknown.hint("an id that GET /api/sources lists"),
            }
        })
    }
}
