//! Questions to the index, with what one has to know about the answer: which snapshots it comes
//! from, and how much waits to be indexed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::PoisonError;

use serde::Serialize;
use stele_discover::render::chunks::CATALOGUE;
use stele_index::{Filter, IndexError, Model, Pointer, Scope};
use stele_lake::Snapshot;
use stele_lake::sql::{Params, SqlOptions};
use stele_model::{DocType, FileId};
use stele_search::{Answer, Question, SearchError, Searcher};

use super::config::{EmbeddingConfig, Meaning};
use crate::documents::Around;
use crate::engine::Engine;
use crate::names::likeness;
use crate::timings::Timed;
use crate::{Cancel, EngineError};

/// Names that are listed beside one that is not known.
const NEAR_MAX: usize = 3;

/// Memory of the look for a game, in bytes: it reads one column and keeps none of it.
const GAMES_SQL_MEMORY: u64 = 256 << 20;

/// Stretches of sources that a path is compared with where none is the same: enough to find a slip in a name.
const STRETCHES_MAX: usize = 20_000;

/// Times that a question is asked where the version that was asked is pruned meanwhile. An upkeep prunes
/// once, minutes after the one before, so twice in a row is strange already.
const ASKED_MAX: usize = 3;

/// Counts of what is pending that are kept: those of the index, of the graph and of a copy outside, and one to spare.
const PENDING_KEPT_MAX: usize = 4;

/// An answer, and how much of the lake it knows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchAnswer {
    /// Results and how they came about.
    #[serde(flatten)]
    pub answer: Answer,
    /// The newest version of the lake.
    pub lake_snapshot: u64,
    /// Records and documents that came to the lake or left it since the index was built; `None` if that
    /// cannot be told.
    pub pending: Option<u64>,
    /// Whether the index knows every record.
    pub complete: bool,
    /// A name for what the index held that answered: it differs whenever answers may, so that a list which is read in
    /// pages is compared with it.
    #[serde(skip)]
    pub index_version: String,
}

/// What an index holds, as [`SearchAnswer::index_version`] names it.
fn version_name(pointer: &Pointer) -> String {
    let model = pointer.spec.model.as_ref().map_or("texts", |model| &*model.id);
    format!("{model}/{}/{}/{}", pointer.dir, pointer.table_version, pointer.logical_hash)
}

impl Engine {
    /// Answers a question from the index.
    ///
    /// # Errors
    ///
    /// If there is no lake or no index, or the question makes no sense or is cancelled.
    pub fn search(&self, question: &Question, cancel: &Cancel) -> Result<SearchAnswer, EngineError> {
        let began = self.now();
        let answer = tracing::info_span!("search").in_scope(|| self.search_untimed(question, cancel));
        // One that fails for its words is quick, and says nothing; one that took too long says much.
        if answer.is_ok() || cancel.is_cancelled() {
            self.took(Timed::Search, began);
        }
        answer
    }

    fn search_untimed(&self, question: &Question, cancel: &Cancel) -> Result<SearchAnswer, EngineError> {
        let snapshot = self.snapshot()?;
        let graph = self.graph(&snapshot)?;
        let around = graph.as_ref().filter(|graph| graph.version().documents() > 0).map(Around);
        let cancelled = || cancel.is_cancelled();
        let mut tried = 1;
        let (answer, reader) = loop {
            let reader = self.index()?.reader()?;
            let meaning = self.meaning_of(reader.pointer().spec.model.as_ref())?;
            let searcher = Searcher::new(&reader, meaning.embedder()).because(meaning.why());
            let mut searcher = searcher.with_cancel(&cancelled);
            if let Some(around) = &around {
                searcher = searcher.with_structure(around);
            }
            match searcher.answer(question) {
                // It was pruned under a slow question: what took its place is asked.
                Err(SearchError::Index(IndexError::Stale)) if tried < ASKED_MAX => tried += 1,
                answer => break (answer?, reader),
            }
        };
        let unknown = self.unknown(&snapshot, &question.filter, &answer)?;
        let pending = self.pending(&snapshot, reader.pointer());
        let complete = pending == Some(0);
        let index_version = version_name(reader.pointer());
        let mut answer =
            SearchAnswer { answer, lake_snapshot: snapshot.version(), pending, complete, index_version };
        answer.answer.notes.extend(unknown);
        answer.answer.notes.extend(match pending {
            Some(0) => None,
            Some(pending) => Some(format!(
                "{pending} records or documents came or went since the index was built: `stele index build`"
            )),
            None => Some("the index does not follow this lake's history: `stele index build`".to_owned()),
        });
        Ok(answer)
    }

    /// What a filter asks for and the lake does not have, in words: it excludes everything, which looks
    /// like a question without an answer. A name that a result bears is not looked up.
    fn unknown(
        &self,
        snapshot: &Snapshot,
        filter: &Filter,
        answer: &Answer,
    ) -> Result<Vec<String>, EngineError> {
        let mut notes = Vec::new();
        let seen =
            |name: &String| answer.results.iter().any(|one| one.metadata.event_type.as_ref() == Some(name));
        let events: Vec<String> = filter.event_types.iter().filter(|name| !seen(name)).cloned().collect();
        notes.extend(self.unknown_events(snapshot, &events)?);
        if answer.results.is_empty() {
            notes.extend(self.unknown_games(snapshot, &filter.game_ids)?);
        }
        let known: Vec<&str> = DocType::ALL.map(DocType::name).into_iter().chain([CATALOGUE]).collect();
        let unknown = filter.doc_types.iter().filter(|name| !known.contains(&name.as_str()));
        notes.extend(
            unknown.map(|name| format!("no doc type is named {name}; there are {}", known.join(", "))),
        );
        if let (Some(prefix), true) = (&filter.source_prefix, answer.results.is_empty()) {
            let files = self.own(snapshot.files()?);
            let known: Vec<&str> = files.iter().map(|file| &*file.uri).chain([CATALOGUE]).collect();
            if !known.iter().any(|source| source.starts_with(prefix.as_str())) {
                notes.push(format!("no source begins with {prefix}{}", near(&known, prefix)));
            }
        }
        // Of several, those that are there answer for the others.
        if answer.results.is_empty() || filter.scopes.len() > 1 {
            let missing =
                filter.scopes.iter().filter_map(|scope| self.missing_scope(snapshot, scope).transpose());
            notes.extend(missing.collect::<Result<Vec<String>, EngineError>>()?);
        }
        Ok(notes)
    }

    /// What to say about names that no event of the lake has.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn unknown_events(&self, snapshot: &Snapshot, names: &[String]) -> Result<Vec<String>, EngineError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let view = self.own_catalogue(snapshot, &Cancel::default())?.view();
        let known: Vec<&str> = view.events.iter().map(|event| &*event.name).collect();
        let unknown = names.iter().filter(|name| !known.contains(&name.as_str()));
        Ok(unknown.map(|name| format!("no event is named {name}{}", near(&known, name))).collect())
    }

    /// What to say about games that no record of the lake belongs to.
    fn unknown_games(&self, snapshot: &Snapshot, names: &[String]) -> Result<Vec<String>, EngineError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let options = SqlOptions {
            memory_limit: GAMES_SQL_MEMORY,
            threads: self.threads(),
            temp_dir: self.sql_temp_dir(),
        };
        let sql = self.own_lake_sql(snapshot, &options)?;
        let mut notes = Vec::new();
        for name in names {
            let params = Params::none().with("game", name.as_str());
            let mut found = false;
            let rows = sql.query("SELECT 1 FROM events WHERE game_id = $game LIMIT 1", &params)?;
            rows.each_text(|_| {
                found = true;
                Ok::<(), EngineError>(())
            })?;
            if !found {
                notes.push(format!(
                    "no record belongs to a game {name}; `stele sql \"SELECT game_id FROM games\"` lists them"
                ));
            }
        }
        Ok(notes)
    }

    /// What to say about a scope that no document is in; nothing about one that has some.
    fn missing_scope(&self, snapshot: &Snapshot, scope: &Scope) -> Result<Option<String>, EngineError> {
        let (what, known) = match scope {
            Scope::Path(path) => {
                let asked = path.trim_start_matches("./").trim_matches('/');
                let files = self.own(snapshot.files()?);
                let there = files.iter().filter(|file| file.gone_at.is_none());
                match like(there.map(|file| &*file.uri), asked) {
                    Some(like) => {
                        (format!("nothing that was ingested is path:{asked} or lies below it"), like)
                    }
                    None => return Ok(None),
                }
            }
            Scope::Tag(tag) => {
                let known = self.known_tags(snapshot)?;
                if known.contains(&tag.to_lowercase()) {
                    return Ok(None);
                }
                (format!("no document is filed under tag:{tag}"), known.into_iter().collect())
            }
        };
        let asked = match scope {
            Scope::Path(name) | Scope::Tag(name) => name,
        };
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Ok(Some(format!("{what}{}", near(&known, asked))))
    }

    /// What is needed to ask an index that was made with `model`.
    pub(crate) fn meaning_of(&self, model: Option<&Model>) -> Result<Meaning, EngineError> {
        match model {
            // The index says of itself that its vectors mean nothing: a test's double made them, whatever
            // the settings say.
            Some(model) if !model.semantic => {
                let double = stele_embed::TestDouble::new(model.dimension as usize);
                Ok(Meaning::Of(std::sync::Arc::new(double)))
            }
            Some(_) if self.settings().embedding == EmbeddingConfig::None => {
                Ok(Meaning::None(Some("`provider = \"none\"` is set under [embedding]".to_owned())))
            }
            Some(_) => self.meaning(),
            None => Ok(Meaning::None(None)),
        }
    }

    /// Whether the index lacks something of the lake, as where a run was killed between the two.
    ///
    /// # Errors
    ///
    /// If there is a lake or an index and it cannot be read.
    pub fn is_index_behind(&self) -> Result<bool, EngineError> {
        if self.is_without_lake() {
            return Ok(false);
        }
        let snapshot = self.snapshot()?;
        let pointers = self.index()?.pointers()?;
        Ok(!pointers.iter().any(|pointer| self.pending(&snapshot, pointer) == Some(0)))
    }

    /// Records and documents by which a snapshot and what an index follows differ: those that it does not know, and
    /// those that it still knows. Parts that were written anew count on both sides. `None` if it cannot be
    /// told, as where the index follows another lake.
    pub(crate) fn pending(&self, snapshot: &Snapshot, pointer: &Pointer) -> Option<u64> {
        let Some(version) = pointer.checkpoint else { return Some(snapshot.totals().records) };
        if pointer.lake.as_deref() != Some(snapshot.lake_id()) {
            return None;
        }
        self.pending_since(snapshot, version)
    }

    /// The same, since a version of this very lake.
    pub(crate) fn pending_since(&self, snapshot: &Snapshot, version: u64) -> Option<u64> {
        if version == snapshot.version() {
            return Some(0);
        }
        let between = (snapshot.lake_id().to_owned(), snapshot.version(), version);
        // Whoever comes while it is counted waits instead of counting, too.
        let mut kept = self.kept.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pending)) = kept.iter().find(|(known, _)| *known == between) {
            return Some(*pending);
        }
        let pending = self.count_pending(snapshot, version)?;
        kept.truncate(PENDING_KEPT_MAX - 1);
        kept.push_front((between, pending));
        Some(pending)
    }

    fn count_pending(&self, snapshot: &Snapshot, version: u64) -> Option<u64> {
        let before = self.snapshot_at(version).ok()?;
        if !self.is_alone(snapshot).ok()? {
            return self.pending_of_own(snapshot, &before).ok();
        }
        let only_in = |some: &Snapshot, other: &Snapshot| -> u64 {
            let there: HashSet<&Path> = other.event_parts().iter().map(|part| &*part.path).collect();
            let parts = some.event_parts().iter().filter(|part| !there.contains(&*part.path));
            parts.map(|part| part.rows).sum()
        };
        let documents = |snapshot: &Snapshot| -> Option<HashSet<(String, String, Vec<String>)>> {
            let entries = self.documents_in(snapshot).ok()?.into_values();
            Some(entries.map(|entry| (entry.sha256, entry.uri, entry.tags)).collect())
        };
        let changed = documents(snapshot)?.symmetric_difference(&documents(&before)?).count() as u64;
        Some(only_in(snapshot, &before) + only_in(&before, snapshot) + changed)
    }

    /// The same where others write to the lake, too, in parts that may hold rows of several: by what is
    /// known about each input of this engine's tenant.
    fn pending_of_own(&self, now: &Snapshot, before: &Snapshot) -> Result<u64, EngineError> {
        let records = |snapshot: &Snapshot| -> Result<HashMap<FileId, u64>, EngineError> {
            let mut records = HashMap::new();
            for entry in self.own(snapshot.contents()?) {
                let known: &mut u64 = records.entry(entry.file_id).or_default();
                *known = entry.ledger.records.max(*known);
            }
            for one in snapshot.pruned()? {
                if let Some(known) = records.get_mut(&one.file_id) {
                    *known = known.saturating_sub(one.rows);
                }
            }
            Ok(records)
        };
        let (now, mut before) = (records(now)?, records(before)?);
        let came_or_went =
            now.iter().map(|(file, records)| records.abs_diff(before.remove(file).unwrap_or(0))).sum::<u64>();
        Ok(came_or_went + before.values().sum::<u64>())
    }
}

/// Stretches of sources that are as long as `asked`, to be compared with it; `None` if one of them is it.
fn like<'a>(sources: impl Iterator<Item = &'a str>, asked: &str) -> Option<Vec<String>> {
    let steps = asked.split('/').count();
    let mut known = BTreeSet::new();
    for source in sources {
        let parts: Vec<&str> = source.split('/').filter(|part| !part.is_empty()).collect();
        for stretch in parts.windows(steps.min(parts.len().max(1))) {
            let stretch = stretch.join("/");
            if stretch == asked {
                return None;
            }
            if known.len() < STRETCHES_MAX {
                known.insert(stretch);
            }
        }
    }
    Some(known.into_iter().collect())
}

/// The known names that are most like one that is not, as the end of a sentence.
fn near(known: &[&str], name: &str) -> String {
    let mut near = known.to_vec();
    near.sort_by_key(|other| std::cmp::Reverse(likeness(other, name)));
    near.truncate(NEAR_MAX);
    if near.is_empty() { String::new() } else { format!("; near it are {}", near.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn stretches_of_sources_are_as_long_as_what_is_asked_for() {
        let sources = ["/d/docs/guide/a.md", "/d/docs/api/b.md"];
        let known = |asked: &str| like(sources.into_iter(), asked);
        assert_eq!(known("docs/guide"), None);
        assert_eq!(known("a.md"), None);
        let near = known("docs/gide").unwrap();
        assert!(
            near.contains(&"docs/guide".to_owned()) && near.iter().all(|one| one.matches('/').count() == 1)
        );
        // Longer than any source.
        assert_eq!(like(["a"].into_iter(), "x/y"), Some(vec!["a".to_owned()]));
        assert_eq!(like([].into_iter(), "x"), Some(Vec::new()));
    }
}
