//! Everything of a tenant on a help desk, taken away: a plan first, then, with the right words, the lake, what follows
//! from it, and what was kept beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

use serde::Serialize;
use stele_collect::{CollectError, Source};
use stele_helpdesk::purge;
use stele_index::Filter;
use stele_lake::LakeError;
use stele_lake::maintain::{PrunePlan, Selection};
use stele_lake::sql::Params;

use super::backup::{Backup, back_up, left_by_another, rejected};
use super::kinds::TEXTS_DIR;
use super::rows::is_desk;
use super::sink::{DIR, REJECTED_DIR, SCHEME, taken};
use super::{CACHE_DIR, SourceDesk, last, lock, summaries_dir, summaries_lock};
use crate::EngineError;
use crate::error::At;
use crate::progress::{Cancel, Progress};

/// How the words are formed that a purge needs. They stand nowhere as a whole: whoever gives them has looked at what
/// goes.
const CONFIRMATION: &str =
    "DELETE_{tenant}_{platform}_{YYYYMMDD}: the tenant and the platform of the plan, and today's day in UTC";

/// How often a plan is made again that somebody's commit has overtaken.
const PLANS_MAX: u32 = 5;

/// Inputs that sources were collected into: how many records of this tenant and platform are in each, and how many of
/// others.
const INPUTS: &str = "SELECT source, split_part(source, '/', 3), \
     count(*) FILTER (WHERE platform = $platform AND coalesce(text_at(raw, '$.tenant_id'), tenant_id) = $tenant), \
     count(*) FILTER (WHERE event_type IS DISTINCT FROM 'stele_cursor' \
         AND NOT coalesce(platform = $platform AND coalesce(text_at(raw, '$.tenant_id'), tenant_id) = $tenant, false)) \
     FROM events WHERE tenant_id = $lake AND starts_with(source, 'collected://') GROUP BY ALL ORDER BY ALL";

/// Things of this tenant and platform, by what they are.
const OBJECTS: &str = "SELECT object_type, count(*) FROM objects WHERE tenant_id = $tenant AND platform = $platform GROUP BY 1 ORDER BY 1";

/// What a purge takes away.
#[derive(Debug, Clone, Serialize)]
pub struct PurgePlan {
    /// The source that was named.
    pub source: String,
    /// Whose records go.
    pub tenant: String,
    /// Of which help desk.
    pub platform: String,
    /// Every source that such records came from: all of them begin anew.
    pub sources: Vec<String>,
    /// Things that are gone then, by what they are.
    pub objects: BTreeMap<String, u64>,
    /// Inputs of the lake that go: batches.
    pub inputs: u64,
    /// Their records, those that hold cursors with them.
    pub records: u64,
    /// Their rows in quarantine.
    pub quarantined: u64,
    /// Content bytes of both.
    pub bytes: u64,
    /// Texts of these sources in the index.
    pub texts: u64,
    /// Inputs that stay, because the same bytes were ingested under another name, which is beside them.
    pub kept_for: Vec<(String, String)>,
    /// How the words are formed that carry it out.
    pub confirmation: &'static str,
    #[serde(skip)]
    pub(super) prune: Option<PrunePlan>,
}

/// What a purge has taken away.
#[derive(Debug, Serialize)]
pub struct Purged {
    /// What went.
    #[serde(flatten)]
    pub plan: PurgePlan,
    /// The lake without it.
    pub lake_version: Option<u64>,
    /// What was written before, where somebody asked for it.
    pub backup: Option<Backup>,
    /// Why something of it is still there beside the lake, in index or graph, if it is.
    pub behind: Option<String>,
    /// Copies outside, which have not heard of it.
    pub copies: Vec<String>,
}

impl SourceDesk<'_> {
    /// What a purge of the tenant and the platform of a source would take away.
    ///
    /// # Errors
    ///
    /// If there is no such source, it is no help desk, or the lake cannot be read.
    pub fn plan_purge(&self, id: &str) -> Result<PurgePlan, EngineError> {
        let source = self.desk_of(id)?;
        let (tenant, platform) = (self.tenant(source).to_owned(), source.kind.name().to_owned());
        let mut plan = PurgePlan {
            source: source.id.clone(),
            sources: Vec::new(),
            objects: BTreeMap::new(),
            inputs: 0,
            records: 0,
            quarantined: 0,
            bytes: 0,
            texts: 0,
            kept_for: Vec::new(),
            confirmation: CONFIRMATION,
            prune: None,
            tenant,
            platform,
        };
        // Configured for the same, whether anything came of them or not. Where tenants share a configuration, a source that
        // names none is of another than one that does.
        let same = |other: &&Source| other.kind == source.kind && other.tenant_id == source.tenant_id;
        let is_of_others = |id: &str| {
            self.config.sources.iter().any(|other| other.id == id && other.tenant_id != source.tenant_id)
        };
        let mut sources: BTreeSet<String> =
            self.config.sources.iter().filter(same).map(|other| other.id.clone()).collect();
        if let Some(sql) = self.engine.collected_sql()? {
            let own = Params::none().with("tenant", &*plan.tenant).with("platform", &*plan.platform);
            let lake = self.engine.settings().tenant.as_str();
            let mut inputs = Vec::new();
            sql.query(INPUTS, &own.clone().with("lake", lake))?.each_text(|row| {
                let mut cells = row.into_iter().map(Option::unwrap_or_default);
                let [uri, id, own, others] = [(); 4].map(|()| cells.next().unwrap_or_default());
                let count = |text: String| text.parse().unwrap_or(0_u64);
                inputs.push((uri, id, count(own), count(others)));
                Ok::<(), EngineError>(())
            })?;
            let came = |(_, id, own, _): &&(String, String, u64, u64)| *own > 0 && !is_of_others(id);
            sources.extend(inputs.iter().filter(came).map(|(_, id, ..)| id.clone()));
            sql.query(OBJECTS, &own)?.each_text(|row| {
                if let [Some(kind), Some(count)] = row.as_slice() {
                    plan.objects.insert(kind.clone(), count.parse().unwrap_or(0));
                }
                Ok::<(), EngineError>(())
            })?;
            // Cursors lie in inputs of their own, too, in which nobody's records are.
            let goes = |(_, id, own, others): &&(String, String, u64, u64)| {
                *own > 0 || (*others == 0 && sources.contains(id))
            };
            let uris: Vec<String> = inputs.iter().filter(goes).map(|(uri, ..)| uri.clone()).collect();
            if !uris.is_empty() {
                let reason = Some(format!("purge of {} on {}", plan.tenant, plan.platform));
                let selection = Selection { sources: uris, reason, ..Selection::default() };
                let prune = self.engine.plan_prune(&selection)?;
                plan.inputs = prune.named.iter().filter(|name| name.gives_up).count() as u64;
                (plan.records, plan.quarantined, plan.bytes) = (prune.records, prune.residues, prune.bytes);
                let kept =
                    prune.named.iter().filter_map(|name| Some((name.uri.clone(), name.kept_for.clone()?)));
                plan.kept_for = kept.collect();
                plan.prune = Some(prune).filter(|prune| !prune.is_empty());
            }
        }
        plan.sources = sources.into_iter().collect();
        plan.texts = self.texts_of(&plan.sources)?;
        Ok(plan)
    }

    /// Takes away everything of the tenant and the platform of a source, and nothing else. With `backup`, a copy is
    /// written there first, which [`SourceDesk::restore`] brings back.
    ///
    /// # Errors
    ///
    /// [`EngineError::Helpdesk`] without the right words; the text does not say them. If a source of it is being
    /// collected, or the lake or the backup cannot be written: nothing is gone then. A backup that was whole by that time
    /// stays, since a commit that fails late may have come into effect. What index and graph could not follow is in the
    /// outcome.
    pub fn purge(
        &self,
        id: &str,
        confirm: &str,
        backup: Option<&Path>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Purged, EngineError> {
        let source = self.desk_of(id)?;
        purge::check(confirm, self.tenant(source), source.kind.name(), self.engine.clock())?;
        let mut plan = self.plan_purge(id)?;
        // Whoever collected meanwhile would write behind it.
        let _locks =
            plan.sources.iter().map(|id| taken(self.engine, id)).collect::<Result<Vec<File>, _>>()?;
        let _summaries = taken(self.engine, &summaries_lock(&plan.tenant, &plan.platform))?;
        let _turn = lock(&self.turn);
        let mut written = None;
        let mut lake_version = None;
        for tries in 1..=PLANS_MAX {
            plan = self.plan_purge(id)?;
            let Some(prune) = &plan.prune else { break };
            if let (Some(dir), None) = (backup, &written) {
                written = Some(back_up(self.engine, &plan, dir, progress, cancel)?);
            }
            match self.engine.prune(prune) {
                // Somebody wrote something else into the lake, after the plan was made.
                Err(EngineError::Lake(LakeError::Changed(_))) if tries < PLANS_MAX => {}
                pruned => {
                    lake_version = Some(pruned?.version());
                    break;
                }
            }
        }
        // It may have come to nothing but records that were rejected.
        if let (Some(dir), None) = (backup, &written)
            && !rejected(self.engine, &plan)?.is_empty()
        {
            // One that was killed behind the commit has written it.
            written = match left_by_another(dir, &plan) {
                Some(whole) => Some(whole),
                None => Some(back_up(self.engine, &plan, dir, progress, cancel)?),
            };
        }
        // The rows are gone: whatever fails from here on is told beside that.
        let followed = self.forget_all(&plan).and_then(|()| self.follow(progress, cancel));
        let behind = followed.err().map(|error| stele_model::error::in_full(&error));
        let copies = self.engine.settings().sinks.keys().cloned().collect();
        Ok(Purged { plan, lake_version, backup: written, behind, copies })
    }

    /// Whether a source is a help desk, whose records are of a tenant and a platform.
    pub fn is_help_desk(&self, source: &Source) -> bool {
        is_desk(source.kind)
    }

    /// A source that is a help desk.
    pub(super) fn desk_of(&self, id: &str) -> Result<&Source, EngineError> {
        let source = self.config.source(id)?;
        if is_desk(source.kind) {
            return Ok(source);
        }
        let why = "it is no help desk, so its records are of no platform; `stele lake prune --source` removes inputs";
        Err(CollectError::Config { source_id: source.id.clone(), why: why.to_owned() }.into())
    }

    /// Texts of these sources in the index that answers.
    fn texts_of(&self, sources: &[String]) -> Result<u64, EngineError> {
        let index = self.engine.index()?;
        if !index.exists() {
            return Ok(0);
        }
        let reader = index.reader()?;
        let mut texts = 0;
        for source in sources {
            let source_prefix = Some(format!("{SCHEME}{source}/"));
            reader.hashes(&Filter { source_prefix, ..Filter::default() }, &mut |hashes| {
                texts += hashes.len() as u64;
                Ok(())
            })?;
        }
        Ok(texts)
    }

    /// Removes what is kept beside the lake of what a plan takes away.
    fn forget_all(&self, plan: &PurgePlan) -> Result<(), EngineError> {
        let forgotten = plan.sources.iter().map(|id| self.forget(id));
        let removed = remove(&summaries_dir(self.engine, &plan.tenant, &plan.platform));
        // One that cannot be removed keeps none of the others.
        forgotten.chain([removed]).fold(Ok(()), Result::and)
    }

    /// Removes what is kept of a source beside the lake.
    fn forget(&self, id: &str) -> Result<(), EngineError> {
        for dir in [DIR, REJECTED_DIR, TEXTS_DIR, CACHE_DIR] {
            remove(&self.engine.data_dir().join(dir).join(id))?;
        }
        last::forget(self.engine, id)
    }

    /// Has index and graph follow.
    fn follow(&self, progress: &dyn Progress, cancel: &Cancel) -> Result<(), EngineError> {
        let engine = self.engine;
        if engine.is_without_lake() {
            return Ok(());
        }
        if !engine.index()?.exists() {
            return engine.graph_follow(progress, cancel).map(drop);
        }
        match engine.index_build(progress, cancel)?.cancelled {
            true => Err(EngineError::Cancelled("every text of it was taken out of the index")),
            false => Ok(()),
        }
    }
}

fn remove(dir: &Path) -> Result<(), EngineError> {
    match dir.exists() {
        true => fs::remove_dir_all(dir).at("remove", dir),
        false => Ok(()),
    }
}
