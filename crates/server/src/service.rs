//! What a running service is made of: tenants, each with a desk, and those who may ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stele_engine::jobs::{Manager, Queue};
use stele_engine::{Engine, EngineError};
use stele_model::Micros;
use tokio::runtime::Handle;

use crate::SqlCommand;
use crate::answers::Answers;
use crate::desk::Desk;
use crate::jobs::Jobs;
use crate::limits::READY_KEPT;
use crate::metrics::{Family, Metrics};
use crate::rate::Rates;
use crate::ready::{DiskWanted, Readiness, look, queue};
use crate::roots::Roots;
use crate::seats::Places;
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
    ready: Mutex<Option<(Micros, Arc<Readiness>)>>,
    /// Held by the one who looks: a crowd of probes waits here, where it takes no place from anybody.
    looking: tokio::sync::Mutex<()>,
    /// When the numbers of queue and lake were told last.
    measured: Mutex<Micros>,
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
            let (answers, ready, measured) = (Answers::default(), Mutex::default(), Mutex::default());
            let looking = tokio::sync::Mutex::default();
            let tenant =
                Tenant { name: name.clone(), desk, metrics, answers, ready, looking, measured, started };
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

    /// All tenants.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }
}

impl Tenant {
    /// Whether this tenant's data is ready for queries; what was found a moment ago is believed.
    pub(crate) fn readiness(&self, disk: DiskWanted) -> Arc<Readiness> {
        if let Some(known) = self.known_readiness(&self.ready.lock().unwrap_or_else(PoisonError::into_inner))
        {
            return known;
        }
        // Not under the lock: a queue that hangs would keep everybody waiting for it.
        let queue = self.desk.jobs.as_ref().and_then(queue);
        // Whoever comes while the lake is looked at waits instead of looking, too.
        let mut kept = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.known_readiness(&kept) {
            return known;
        }
        let now = self.desk.engine.now();
        let found = Arc::new(look(&self.desk, disk, queue));
        self.metrics.set(Family::Ready, &[], f64::from(u8::from(found.ready)));
        *kept = Some((now, Arc::clone(&found)));
        found
    }

    /// Comes when readiness is known, or it is this one's turn to look, which lasts as long as what is given.
    pub(crate) async fn turn_to_look(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        // While somebody looks it is locked, and this thread must not block.
        let known = || self.ready.try_lock().is_ok_and(|kept| self.known_readiness(&kept).is_some());
        if known() {
            return None;
        }
        let turn = self.looking.lock().await;
        (!known()).then_some(turn)
    }

    /// Whether the numbers of queue and lake are to be told anew, by the one who asks: they were not a moment ago.
    pub(crate) fn is_to_measure(&self) -> bool {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.desk.engine.now();
        let is_due = !(0..READY_KEPT.as_micros() as Micros).contains(&(now - *measured));
        if is_due {
            *measured = now;
        }
        is_due
    }

    /// What was found out a moment ago.
    fn known_readiness(&self, kept: &Option<(Micros, Arc<Readiness>)>) -> Option<Arc<Readiness>> {
        let (at, known) = kept.as_ref()?;
        let age = self.desk.engine.now() - at;
        (0..READY_KEPT.as_micros() as Micros).contains(&age).then(|| Arc::clone(known))
    }

    /// Seconds since the service started.
    pub(crate) fn uptime(&self) -> f64 {
        (self.desk.engine.now() - self.started).max(0) as f64 / 1e6
    }
}
