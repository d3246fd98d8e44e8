//! The stream of articles: categories, folders, folders in folders, and the articles in each.
//!
//! The desk does not tell what changed, so all of it is read each time and compared with what was there.

use std::collections::BTreeSet;

use stele_collect::Batcher;

use crate::lists::KnownThings;
use crate::platform::List;
use crate::rate::Lane;
use crate::run::{Record, Run, Stop, Thing, erased};
use crate::text::string;

/// Levels of folders. Freshdesk has three; this ends a tree that goes in circles.
const LEVELS_MAX: usize = 16;

/// What stands in front of the hash of an article that lies in a folder of a folder: where these cannot be read,
/// nobody can say that it is gone.
const NESTED: &str = "n";

/// A folder that is to be read.
struct Folder {
    id: String,
    name: Option<String>,
    category: Option<String>,
    level: usize,
}

const fn list(path: &'static str) -> List {
    List { stream: "articles", path, doc_type: "article", since: None, lane: Lane::Other, usual: true }
}

impl Run<'_> {
    /// Every article.
    pub(crate) fn articles(&mut self) -> Result<(), Stop> {
        let from = self.from.get("articles");
        let mut known = KnownThings::read("articles", from.as_ref())?;
        let mut batcher = Batcher::new("articles");
        let mut folders = Vec::new();
        let mut categories = Vec::new();
        self.pages(list("/solutions/categories"), "/solutions/categories", |_, thing, id| {
            categories.push((id.to_owned(), string(thing.value.get("name"))));
            Ok(())
        })?;
        for (category, name) in categories {
            let path = format!("/solutions/categories/{category}/folders");
            self.pages(list("/solutions/categories"), &path, |_, thing, id| {
                folders.push(Folder {
                    id: id.to_owned(),
                    name: string(thing.value.get("name")),
                    category: name.clone(),
                    level: 1,
                });
                Ok(())
            })?;
        }
        let (mut seen, mut nested_known, mut complete, mut left) =
            (BTreeSet::new(), true, true, self.config.max_articles);
        while let Some(folder) = folders.pop() {
            if !seen.insert(folder.id.clone()) {
                continue;
            }
            if left == Some(0) {
                complete = false;
                break;
            }
            if folder.level < LEVELS_MAX && nested_known {
                nested_known = self.folders_of(&folder, &mut folders)?;
            }
            self.articles_of(&folder, &mut known, &mut batcher, &mut left)?;
        }
        if complete && left != Some(0) {
            let looked_for = |hash: &str| nested_known || !hash.starts_with(NESTED);
            for id in known.gone(looked_for) {
                self.write_gone(&mut batcher, "articles", "article", &id)?;
            }
            known.keep(|hash| !looked_for(hash));
        } else {
            self.notes
                .push("articles: stopped as `max_articles` says; what is gone was not looked for".to_owned());
            known.keep(|_| true);
        }
        if let Some(cursor) = known.cursor() {
            batcher.reached(cursor, self.sink)?;
        }
        batcher.flush(self.sink)?;
        self.tell("articles");
        Ok(())
    }

    /// Folders in a folder. Says whether the plan knows such.
    fn folders_of(&mut self, folder: &Folder, folders: &mut Vec<Folder>) -> Result<bool, Stop> {
        let path = format!("/solutions/folders/{}/subfolders", folder.id);
        let mut found = Vec::new();
        let result = self.pages(list("/solutions/folders"), &path, |_, thing, id| {
            found.push(Folder {
                id: id.to_owned(),
                name: string(thing.value.get("name")),
                category: folder.category.clone(),
                level: folder.level + 1,
            });
            Ok(())
        });
        match result {
            Ok(()) => {
                folders.extend(found);
                Ok(true)
            }
            Err(Stop::Stream(error)) if error.of_one_thing() => {
                self.notes.push(format!(
                    "articles: folders in folders cannot be read ({error}); those of the first level are complete"
                ));
                Ok(false)
            }
            Err(stop) => Err(stop),
        }
    }

    fn articles_of(
        &mut self,
        folder: &Folder,
        known: &mut KnownThings,
        batcher: &mut Batcher,
        left: &mut Option<u64>,
    ) -> Result<(), Stop> {
        let path = format!("/solutions/folders/{}/articles", folder.id);
        let nested = if folder.level > 1 { NESTED } else { "" };
        self.pages(list("/solutions/folders"), &path, |run, thing, id| {
            let article = run.platform.understand_article(&thing.value, &run.account);
            let Some(mut article) = article else { return Ok(()) };
            let draft = article.status.as_deref() == Some("draft");
            if (draft && !run.config.include_drafts) || *left == Some(0) {
                return Ok(());
            }
            if known.there(id, &format!("{nested}{}", thing.hash())) {
                article.folder_name.clone_from(&folder.name);
                article.category_name.clone_from(&folder.category);
                run.write_article(batcher, thing, id, &article)?;
                if let Some(left) = left {
                    *left -= 1;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    fn write_article(
        &mut self,
        batcher: &mut Batcher,
        thing: &Thing,
        id: &str,
        article: &dyn erased::Written,
    ) -> Result<(), Stop> {
        let ts = string(thing.value.get("updated_at"));
        let record = Record {
            stream: "articles",
            doc_type: "article",
            original_id: id,
            ts: ts.as_deref(),
            data: &thing.raw,
        };
        self.write(batcher, &record, Some(article))?;
        if batcher.is_full(self.sink) {
            batcher.flush(self.sink)?;
        }
        Ok(())
    }
}
