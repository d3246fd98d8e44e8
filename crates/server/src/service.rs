//! What a running service is made of: tenants, each with a desk, and those who may ask.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use stele_engine::jobs::{Manager, Queue};
use stele_engine::{Engine, EngineError};
use stele_model::Micros;
use tokio::runtime::Handle;

use crate::SqlCommand;
use crate::answers::Answers;
use crate::api::summary;
use crate::desk::{Call, Desk};
use crate::jobs::Jobs;
use crate::metrics::{Family, Metrics};
use crate::rate::Rates;
use crate::ready::{DiskWanted, Readiness, look, queue};
use crate::recent::Recent;
use crate::reply::Refusal;
use crate::roots::Roots;
use crate::seats::{Kind, Places};
use crate::sources::{Sources, Variables};
use crate::tokens::{Right, Tokens};

/// The numbers of every tenant, shared by the service and by whatever works beside it.
#[derive(Debug, Default)]
pub struct Meters(Mutex<BTreeMap<String, Arc<Metrics>>>);

impl Meters {
    /// The numbers of a tenant.
    pub fn of(&self, tenant: &str) -> Arc<Metrics> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(tenant.to_owned()).or_default())
    }
}

/// Everything that requests share.
pub(crate) struct Service {
    tenants: BTreeMap<String, Arc<Tenant>>,
    pub(crate) tokens: Tokens,
    pub(crate) rates: Rates,
    pub(crate) places: Places,
    /// Names of this host that requests may use.
    pub(crate) hosts: Vec<String>,
    /// When the disk counts as nearly full.
    pub(crate) disk: DiskWanted,
}

/// One tenant of a service.
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) desk: Arc<Desk>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) answers: Answers,
    ready: Recent<Arc<Readiness>>,
    /// That the numbers of queue and lake were told.
    measured: Recent<()>,
    started: Micros,
}

/// Who asks.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) right: Right,
}

impl Service {
    /// A service for the tenants that the tokens name, or for `own` where anybody may ask.
    pub(crate) fn new(
        engines: &dyn Fn(&str) -> Result<Engine, EngineError>,
        sql: &SqlCommand,
        meters: &Meters,
        tokens: Tokens,
        (own, hosts): (&str, Vec<String>),
        queue: Option<(Queue, Roots, Option<Arc<Manager>>)>,
        variables: &Variables,
    ) -> Result<Self, EngineError> {
        let runtime = Handle::current();
        let names = if tokens.is_open() { vec![own.to_owned()] } else { tokens.tenants() };
        let known = Arc::new(names.iter().cloned().collect());
        let mut tenants = BTreeMap::new();
        for name in names {
            let engine = engines(&name)?;
            let (metrics, started) = (meters.of(&name), engine.now());
            let jobs = queue.as_ref().map(|(queue, roots, watchers)| {
                // What watchers find is the service's own tenant's.
                let watchers = watchers.clone().filter(|_| name == own);
                Jobs::new(queue.clone(), roots.of(&name), (name.as_str(), watchers), runtime.clone())
            });
            let sources = Sources::of(&name, own, Arc::clone(&known), Arc::clone(variables));
            let desk = Desk::new(engine, sql.clone()).counting(Arc::clone(&metrics));
            let desk = Arc::new(desk.with_jobs(jobs).with_sources(sources));
            let tenant = Tenant {
                name: name.clone(),
                desk,
                metrics,
                answers: Answers::default(),
                ready: Recent::default(),
                measured: Recent::default(),
                started,
            };
            tenants.insert(name, Arc::new(tenant));
        }
        let rates = Rates::new(tokens.holders().map(|holder| holder.per_minute));
        Ok(Self { tenants, tokens, rates, places: Places::default(), hosts, disk: DiskWanted::default() })
    }

    /// Who asks without a token: nobody where tokens are needed.
    pub(crate) fn anybody(&self) -> Option<Visitor> {
        let tenant = self.tokens.is_open().then(|| self.tenants.values().next())??;
        Some(Visitor { tenant: Arc::clone(tenant), right: Right::Run })
    }

    /// Who has this token, and its number.
    pub(crate) fn visitor(&self, token: &str) -> Option<(usize, Visitor)> {
        let (number, holder) = self.tokens.holder(token)?;
        let tenant = Arc::clone(self.tenants.get(&holder.tenant)?);
        Some((number, Visitor { tenant, right: holder.right }))
    }

    /// Whether a tenant's data is ready for queries.
    pub(crate) async fn readiness(&self, tenant: &Arc<Tenant>) -> Result<Arc<Readiness>, Refusal> {
        let (asked, disk) = (Arc::clone(tenant), self.disk);
        let work = move |_: &Call| {
            let queue = asked.desk.jobs.as_ref().and_then(queue);
            let found = look(&asked.desk, disk, queue);
            asked.metrics.set(Family::Ready, &[], f64::from(u8::from(found.ready)));
            Ok(Arc::new(found))
        };
        tenant.ready.or_look(self.places.of(Kind::Probe).run("readiness", pending(), work)).await
    }

    /// Tells the numbers of a tenant's queue and lake.
    pub(crate) async fn measure(&self, tenant: &Arc<Tenant>) -> Result<(), Refusal> {
        let asked = Arc::clone(tenant);
        let work = move |call: &Call| {
            summary::refresh(&asked.desk, call);
            Ok(())
        };
        tenant.measured.or_look(self.places.of(Kind::Probe).run("measure", pending(), work)).await
    }

    /// All tenants.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }
}

impl Tenant {
    /// Seconds since the service started.
    pub(crate) fn uptime(&self) -> f64 {
        (self.desk.engine.now() - self.started).max(0) as f64 / 1e6
    }
}
