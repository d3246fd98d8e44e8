//! What belongs to a ticket and has to be asked for: its messages and its files. Several tickets at a time, each by a
//! thread, and handed over in their order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use stele_collect::Stopwatch;

use crate::HelpdeskError;
use crate::ahead::{Ahead, Over};
use crate::attachments::{self, Downloads, Missing, Wanted, inline_images};
use crate::caller::{Caller, not_json};
use crate::normal::Attachment;
use crate::platform::{Platform, Question};
use crate::run::{Thing, things};
use crate::text::{id, string};
use crate::walk::{Lacking, State};

/// Pages of messages of one ticket: 100,000 messages. A desk that goes on behind that sends the same page for ever.
const MESSAGE_PAGES_MAX: u32 = 1_000;

/// Tickets that are gathered ahead for each thread: what belongs to them is in memory until it is taken.
const TICKETS_A_WORKER: usize = 4;

/// A ticket of a list.
pub(crate) struct Row {
    pub(crate) state: State,
    pub(crate) thing: Thing,
    /// Pictures in its text, by the addresses that let one in.
    pub(crate) pictures: Vec<String>,
}

/// Why a ticket has to be asked for again.
#[derive(Clone)]
pub(crate) struct Again {
    pub(crate) lacks: Lacking,
    pub(crate) reason: String,
}

/// What belongs to a ticket.
#[derive(Default)]
pub(crate) struct Whole {
    pub(crate) messages: Vec<Thing>,
    /// `complete`, `unavailable` or `failed`; `None` if nobody asked.
    pub(crate) messages_status: Option<&'static str>,
    pub(crate) files: Vec<(Attachment, Box<RawValue>)>,
    /// Streams, things of them that could not be had, and why.
    pub(crate) unavailable: Vec<(&'static str, String, String)>,
    /// Why it has to be asked for again: of all that it lacks, what weighs most.
    pub(crate) again: Option<Again>,
}

impl Whole {
    fn lacks(&mut self, lacks: Lacking, reason: String) {
        if self.again.as_ref().is_none_or(|again| lacks < again.lacks) {
            self.again = Some(Again { lacks, reason });
        }
    }

    /// Whether nobody here reads the pictures of text that hang on it.
    pub(crate) fn found_no_ocr(&self) -> bool {
        self.files.iter().any(|(file, _)| file.text_status == Some(attachments::OCR_UNAVAILABLE))
    }
}

/// What it takes to gather.
pub(crate) struct Gatherer<'a> {
    pub(crate) caller: &'a Caller<'a>,
    pub(crate) platform: &'a dyn Platform,
    pub(crate) downloads: &'a Downloads<'a>,
    pub(crate) prefixes: &'a [String],
    pub(crate) messages: bool,
    pub(crate) files: bool,
    pub(crate) workers: usize,
}

impl Gatherer<'_> {
    /// Hands over what belongs to each of these tickets, in their order, up to the first at which the run has to stop. While
    /// one is taken, threads go on with those behind it, a few of them ahead.
    pub(crate) fn each<E: From<HelpdeskError>>(
        &self,
        rows: &[Row],
        fetching: &Stopwatch,
        mut take: impl FnMut(&Row, Whole) -> Result<(), E>,
    ) -> Result<(), E> {
        let workers = self.workers.min(rows.len());
        if workers <= 1 {
            return rows.iter().try_for_each(|row| take(row, fetching.time(|| self.whole(row))?));
        }
        let ahead = Ahead::of(workers * TICKETS_A_WORKER);
        let mut asked_in_vain = false;
        let taken = std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    // However it ends: nobody waits for what it leaves.
                    let _over = Over(&ahead);
                    while let Some(place) = ahead.next(rows.len()) {
                        let Some(row) = rows.get(place) else { return };
                        ahead.done(place, self.whole(row));
                    }
                });
            }
            let _over = Over(&ahead);
            let mut taken = Ok(());
            for (place, row) in rows.iter().enumerate() {
                taken = match fetching.time(|| ahead.take(place)) {
                    Some(Ok(whole)) => take(row, whole),
                    Some(Err(error)) => {
                        asked_in_vain = true;
                        Err(E::from(error))
                    }
                    // A thread broke off, which ends the scope. What is behind that place is not taken: the cursor would
                    // go past it.
                    None => break,
                };
                if taken.is_err() {
                    break;
                }
            }
            ahead.end();
            taken
        });
        match ahead.refused() {
            // The refusal of the key explains what else was asked for in vain. It explains nothing of what became of that which
            // was had: who hears that it was not kept must not take it for collected.
            Some(error) if asked_in_vain => Err(E::from(error)),
            _ => taken,
        }
    }

    /// What belongs to a ticket.
    pub(crate) fn whole(&self, row: &Row) -> Result<Whole, HelpdeskError> {
        let mut whole = Whole::default();
        let number = row.state.number.as_str();
        let mut wanted = Vec::new();
        if self.files {
            self.own_files(number, &row.pictures, &mut wanted, &mut whole)?;
        }
        if self.messages {
            match self.said(number) {
                Ok(said) => {
                    for (raw, value, question) in said {
                        if self.files {
                            self.files_of(&value, "conversation", &mut wanted);
                        }
                        whole.messages.push(Thing { value, raw }.unsigned(&question)?);
                    }
                    whole.messages_status = Some("complete");
                }
                Err(error) if error.of_one_thing() => {
                    whole.messages_status = Some("unavailable");
                    whole.unavailable.push(("conversations", format!("ticket {number}"), error.in_full()));
                }
                Err(error) if error.may_pass() => {
                    let why = error.in_full();
                    whole.messages_status = Some("failed");
                    whole.unavailable.push(("conversations", format!("ticket {number}"), why.clone()));
                    whole.lacks(Lacking::Messages, why);
                }
                Err(error) => return Err(error),
            }
        }
        let mut seen = BTreeSet::new();
        wanted.retain(|wanted| seen.insert(wanted.file.id.clone()));
        let mut renewed = BTreeMap::new();
        for mut wanted in wanted {
            let (kind, id) = (wanted.file.parent_type, wanted.file.id.clone());
            let mut again = || self.renewed(number, kind, &id, &mut renewed);
            let missing = self.downloads.read(self.caller, &mut wanted, &mut again)?;
            let what = format!("attachment {id} of {kind} {number}");
            if wanted.file.text_status == Some(attachments::OCR_UNAVAILABLE) {
                whole.lacks(Lacking::Ocr, format!("{what}: there is no OCR"));
            }
            if let Some(Missing { why, may_pass }) = missing {
                if may_pass {
                    whole.lacks(Lacking::Files, format!("{what}: {why}"));
                }
                whole.unavailable.push(("attachments", what, why));
            }
            attachments::unsign(&mut wanted.raw);
            let raw =
                to_raw_value(&wanted.raw).map_err(|error| not_json(&Question::new("attachments"), &error))?;
            whole.files.push((wanted.file, raw));
        }
        Ok(whole)
    }

    /// All messages of a ticket, as they were said.
    fn said(&self, number: &str) -> Result<Vec<(Box<RawValue>, Value, Question)>, HelpdeskError> {
        let mut all = Vec::new();
        let mut first_of_page = None;
        for page in 1..=MESSAGE_PAGES_MAX {
            let question = self.platform.messages(number, page);
            let said = self.caller.ask(&question)?;
            let raws = things(&said.body, &question)?;
            let goes_on = said.goes_on(raws.len());
            let first = raws.first().map(|raw| raw.get().to_owned());
            if first.is_some() && first == first_of_page {
                let why = "it sends the same page for each number of a page".to_owned();
                return Err(HelpdeskError::Answer { path: crate::caller::shown(&question.path), why });
            }
            first_of_page = first;
            for raw in raws {
                let value = serde_json::from_str(raw.get()).map_err(|error| not_json(&question, &error))?;
                all.push((raw, value, question.clone()));
            }
            if !goes_on {
                return Ok(all);
            }
        }
        Err(HelpdeskError::Pages {
            path: format!("the messages of ticket {number}"),
            pages: MESSAGE_PAGES_MAX,
        })
    }

    /// The files of the ticket itself, which lists leave out.
    fn own_files(
        &self,
        number: &str,
        pictures: &[String],
        wanted: &mut Vec<Wanted>,
        whole: &mut Whole,
    ) -> Result<(), HelpdeskError> {
        for url in pictures {
            wanted.push(picture(url, "ticket", number));
        }
        let Some(question) = self.platform.ticket(number) else { return Ok(()) };
        match self.caller.value(&question) {
            Ok(value) => self.files_of(&value, "ticket", wanted),
            Err(error) if error.of_one_thing() => {
                whole.unavailable.push(("tickets", format!("ticket {number}"), error.in_full()));
            }
            Err(error) if error.may_pass() => {
                let why = error.in_full();
                whole.unavailable.push(("attachments", format!("those of ticket {number}"), why.clone()));
                whole.lacks(Lacking::Files, why);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The files that a ticket or a message names, and the pictures in it.
    fn files_of(&self, value: &Value, kind: &'static str, wanted: &mut Vec<Wanted>) {
        let parent = id(value.get("id")).unwrap_or_default();
        for raw in value.get("attachments").and_then(Value::as_array).into_iter().flatten() {
            let Some(file) = attachments::one(raw, kind, &parent) else { continue };
            wanted.push(Wanted {
                file,
                url: string(raw.get("attachment_url")),
                updated_at: string(raw.get("updated_at")).unwrap_or_default(),
                raw: raw.clone(),
            });
        }
        let html = value.get("body").or_else(|| value.get("description")).and_then(Value::as_str);
        for url in inline_images(html.unwrap_or_default(), self.prefixes) {
            wanted.push(picture(&url, kind, &parent));
        }
    }

    /// A new address of a file: its parent is read again, once for all of its files.
    fn renewed(
        &self,
        number: &str,
        kind: &str,
        file: &str,
        renewed: &mut BTreeMap<String, Result<BTreeMap<String, String>, Missing>>,
    ) -> Result<Result<String, Missing>, HelpdeskError> {
        if !renewed.contains_key(kind) {
            let found = match self.addresses(number, kind) {
                Ok(found) => Ok(found),
                Err(error) if error.of_one_thing() || error.may_pass() => Err(Missing {
                    why: format!("its address had expired, and there is no other: {}", error.in_full()),
                    may_pass: error.may_pass(),
                }),
                Err(error) => return Err(error),
            };
            renewed.insert(kind.to_owned(), found);
        }
        let unnamed = || Missing::for_good("it is no longer named by its parent");
        Ok(match renewed.get(kind) {
            Some(Ok(found)) => found.get(file).cloned().ok_or_else(unnamed),
            Some(Err(missing)) => Err(missing.clone()),
            None => Err(unnamed()),
        })
    }

    /// Addresses of the files of a ticket, or of its messages, by their ids.
    fn addresses(&self, number: &str, kind: &str) -> Result<BTreeMap<String, String>, HelpdeskError> {
        let parents: Vec<Value> = match (kind, self.platform.ticket(number)) {
            ("conversation", _) => self.said(number)?.into_iter().map(|(_, value, _)| value).collect(),
            (_, Some(question)) => vec![self.caller.value(&question)?],
            (_, None) => Vec::new(),
        };
        let files = parents.iter().filter_map(|parent| parent.get("attachments")?.as_array()).flatten();
        Ok(files.filter_map(|raw| Some((id(raw.get("id"))?, string(raw.get("attachment_url"))?))).collect())
    }
}

/// A picture that stands in a text. It has no id, so it gets one from its address.
fn picture(url: &str, kind: &'static str, parent: &str) -> Wanted {
    let id = format!("inline-{}", &blake3::hash(url.as_bytes()).to_hex()[..16]);
    let raw = serde_json::json!({ "id": id, "inline": true, "attachment_url": url });
    Wanted {
        file: Attachment {
            safe_name: format!("{id}.image"),
            name: None,
            content_type: Some("image/*".to_owned()),
            size: None,
            parent_type: kind,
            parent_id: parent.to_owned(),
            text: None,
            text_status: None,
            id,
        },
        url: Some(url.to_owned()),
        updated_at: String::new(),
        raw,
    }
}
