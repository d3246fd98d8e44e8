//! What a running service is made of: tenants, each with a desk, and those who may ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stele_engine::jobs::{Manager, Queue};
use stele_engine::{Engine, EngineError};
use stele_model::Micros;
use tokio::runtime::Handle;

use crate::SqlCommand;
use crate::desk::Desk;
use crate::jobs::Jobs;
use crate::limits::REQUESTS_WAITING_MAX;
use crate::metrics::{Family, Metrics};
use crate::rate::Rates;
use crate::ready::{DiskWanted, Readiness, look};
use crate::roots::Roots;
use crate::seats::Seats;
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
    pub(crate) seats: Seats,
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
    ready: Mutex<Option<(Micros, Arc<Readiness>)>>,
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
                Jobs::new(
                    queue.clone(),
                    roots.of(&name),
                    (name.as_str(), watchers),
                    (runtime.clone(), started),
                )
            });
            let sources = Sources::of(&name, own, Arc::clone(&known), Arc::clone(variables));
            let desk = Desk::new(engine, sql.clone()).counting(Arc::clone(&metrics));
            let desk = Arc::new(desk.with_jobs(jobs).with_sources(sources));
            let tenant = Tenant { name: name.clone(), desk, metrics, ready: Mutex::default(), started };
            tenants.insert(name, Arc::new(tenant));
        }
        let rates = Rates::new(tokens.holders().map(|holder| holder.per_minute));
        Ok(Self {
            tenants,
            tokens,
            rates,
            seats: Seats::new(REQUESTS_WAITING_MAX),
            hosts,
            disk: DiskWanted::default(),
        })
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

    /// All tenants.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }
}

impl Tenant {
    /// Whether this tenant's data is ready for queries; what was found a moment ago is believed.
    pub(crate) fn readiness(&self, disk: DiskWanted) -> Arc<Readiness> {
        let now = self.desk.engine.now();
        // Whoever comes while it is looked at waits instead of looking, too.
        let mut kept = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |at: Micros| (0..crate::limits::READY_KEPT.as_micros() as Micros).contains(&(now - at));
        if let Some((at, known)) = &*kept
            && fresh(*at)
        {
            return Arc::clone(known);
        }
        let found = Arc::new(look(&self.desk, disk));
        self.metrics.set(Family::Ready, &[], f64::from(u8::from(found.ready)));
        *kept = Some((now, Arc::clone(&found)));
        found
    }

    /// Seconds since the service started.
    pub(crate) fn uptime(&self) -> f64 {
        (self.desk.engine.now() - self.started).max(0) as f64 / 1e6
    }
}
