//! What the help desk holds. Each thing is made from its number when it is asked for, so that a hundred thousand
//! tickets cost no memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::knobs::{File, Knobs};
use crate::rng::Rng;
use crate::sample::time::{self, SECOND};

/// Seconds for which an address of a file can be used.
const URL_LIFETIME_S: i64 = 300;

const THINGS: [&str; 8] = ["pump", "scale", "crate", "label", "invoice", "login", "cold room", "printer"];
const TROUBLES: [&str; 8] = [
    "stands still",
    "is late",
    "shows <b>0</b>",
    "hums & drips",
    "asks again",
    "is lost",
    "beeps",
    "überhitzt",
];

/// In which list a ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The normal one.
    Live,
    /// That of spam.
    Spam,
    /// That of what was deleted.
    Deleted,
}

/// A ticket that is no longer what its number says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    pub(super) updated_s: i64,
    pub(super) place: Place,
    pub(super) version: u32,
}

/// Tickets, and what became of some of them.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) moved: BTreeMap<u64, Moved>,
    /// How often the addresses of a parent's files were told.
    pub(super) told: BTreeMap<String, u64>,
}

/// `2031-03-08T12:00:00Z`, or the same instant with an offset.
pub(super) fn text(seconds: i64, offset: bool) -> String {
    match offset {
        false => format!("{}Z", time::naive(seconds * SECOND)),
        true => format!("{}+05:30", time::naive((seconds + 5 * 3600 + 1800) * SECOND)),
    }
}

impl Data {
    /// When a ticket was last changed if nobody touched it. Never goes back from one ticket to the next.
    fn untouched_s(knobs: &Knobs, ticket: u64) -> i64 {
        let alike = match knobs.same_timestamp {
            Some((first, count)) if (first..first + count).contains(&ticket) => first,
            _ => ticket,
        };
        knobs.first_update_s + knobs.step_s * (alike as i64 - 1)
    }

    fn untouched_place(knobs: &Knobs, ticket: u64) -> Place {
        let is = |every: u64| every > 0 && ticket.is_multiple_of(every);
        match (is(knobs.deleted_every), is(knobs.spam_every)) {
            (true, _) => Place::Deleted,
            (_, true) => Place::Spam,
            _ => Place::Live,
        }
    }

    pub(super) fn state(&self, knobs: &Knobs, ticket: u64) -> Moved {
        self.moved.get(&ticket).copied().unwrap_or_else(|| Moved {
            updated_s: Self::untouched_s(knobs, ticket),
            place: Self::untouched_place(knobs, ticket),
            version: 0,
        })
    }

    /// The end of all times that tickets have by themselves.
    pub(super) fn now_s(knobs: &Knobs, passed_s: i64) -> i64 {
        knobs.first_update_s + knobs.step_s * knobs.tickets as i64 + 3600 + passed_s
    }

    /// Tickets of a list by the time of their change, from `since_s` on.
    pub(super) fn page(
        &self,
        knobs: &Knobs,
        place: Place,
        since_s: i64,
        skip: usize,
        take: usize,
    ) -> Vec<u64> {
        let (mut low, mut high) = (1, knobs.tickets + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match Self::untouched_s(knobs, middle) < since_s {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let quiet = (low..=knobs.tickets)
            .filter(|ticket| {
                !self.moved.contains_key(ticket) && Self::untouched_place(knobs, *ticket) == place
            })
            .map(|ticket| (Self::untouched_s(knobs, ticket), ticket));
        let mut touched: Vec<(i64, u64)> = self
            .moved
            .iter()
            .filter(|(_, moved)| moved.place == place && moved.updated_s >= since_s)
            .map(|(ticket, moved)| (moved.updated_s, *ticket))
            .collect();
        touched.sort_unstable();
        let mut touched = touched.into_iter().peekable();
        let mut quiet = quiet.peekable();
        let merged = std::iter::from_fn(|| match (quiet.peek(), touched.peek()) {
            (Some(a), Some(b)) if b < a => touched.next(),
            (None, _) => touched.next(),
            _ => quiet.next(),
        });
        merged.skip(skip).take(take).map(|(_, ticket)| ticket).collect()
    }

    /// A ticket as a list or its own page shows it.
    pub(super) fn ticket(&self, knobs: &Knobs, ticket: u64, include: &[&str], files_url: &str) -> Value {
        let state = self.state(knobs, ticket);
        let mut rng = Rng::fork(knobs.seed, ticket);
        let (thing, trouble) = (*rng.pick(&THINGS), *rng.pick(&TROUBLES));
        let created_s = Self::untouched_s(knobs, ticket) - rng.within(0, 86_400);
        let when = |seconds| text(seconds, knobs.offset);
        let requester = 9_000 + rng.below(500);
        let mut value = json!({
            "cc_emails": [], "fwd_emails": [], "reply_cc_emails": [], "fr_escalated": false,
            "spam": state.place == Place::Spam, "email_config_id": null,
            "group_id": rng.one_in(3).then_some(700), "priority": 1 + rng.below(4),
            "requester_id": requester, "responder_id": rng.one_in(2).then_some(801),
            "source": *rng.pick(&[1, 2, 3, 7, 10, 13]), "company_id": null, "status": 2 + rng.below(5),
            "subject": format!("The {thing} {}", trouble.replace("<b>", "").replace("</b>", "")),
            "association_type": null, "support_email": null, "to_emails": null, "product_id": null,
            "id": ticket, "type": rng.one_in(4).then_some("Question"),
            "due_by": when(created_s + 3 * 86_400), "fr_due_by": when(created_s + 86_400), "is_escalated": false,
            "custom_fields": { "cf_lot": ticket % 97, "cf_version": state.version },
            "created_at": when(created_s), "updated_at": when(state.updated_s),
            "tags": match rng.one_in(2) { true => vec!["harbour"], false => vec![] },
        });
        if state.place == Place::Deleted {
            value["deleted"] = json!(true);
        }
        if include.contains(&"description") {
            let picture = match knobs.inline_images {
                true => {
                    format!("<img src=\"{files_url}/inline/attachment?token=eyJ{ticket}\">")
                }
                false => String::new(),
            };
            value["description"] = json!(format!(
                "<div>Since a while the {thing} <i>{trouble}</i>.<br>Ticket {ticket}.{picture}</div>"
            ));
            value["description_text"] =
                json!(format!("Since a while the {thing} {trouble}. Ticket {ticket}."));
        }
        if include.contains(&"requester") {
            value["requester"] = json!({
                "id": requester, "name": format!("person {requester}"),
                "email": format!("p{requester}@harbour.example"), "mobile": null, "phone": null
            });
        }
        if include.contains(&"stats") {
            value["stats"] = json!({ "agent_responded_at": null, "closed_at": null, "resolved_at": null });
        }
        value
    }

    /// How many messages a ticket has.
    pub(super) fn messages(knobs: &Knobs, ticket: u64) -> u64 {
        knobs.conversations_of.get(&ticket).copied().unwrap_or(knobs.conversations)
    }

    /// The n-th message of a ticket, counted from 0.
    pub(super) fn message(&self, knobs: &Knobs, ticket: u64, n: u64, files: &Telling<'_>) -> Value {
        let mut rng = Rng::fork(knobs.seed ^ 0xc0_17e5, ticket * 10_000 + n);
        let id = ticket * 10_000 + n + 1;
        let at = text(Self::untouched_s(knobs, ticket) - 3600 + n as i64, knobs.offset);
        let words = format!("Message {n} about the {} of ticket {ticket}.", rng.pick(&THINGS));
        json!({
            "body": format!("<div>{words}</div>"), "body_text": words, "id": id, "incoming": n.is_multiple_of(2),
            "private": n % 3 == 2, "user_id": (!rng.one_in(9)).then_some(9_000 + n % 7), "support_email": null,
            "source": if n % 3 == 2 { 2 } else { 0 }, "category": 1, "to_emails": [], "from_email": null,
            "cc_emails": [], "bcc_emails": [], "email_failure_count": null, "outgoing_failures": null,
            "thread_id": null, "created_at": at, "updated_at": at, "last_edited_at": null, "ticket_id": ticket,
            "attachments": files.of(knobs, id, knobs.conversation_attachments),
        })
    }
}

/// What is said about files: where they are, and until when.
pub(super) struct Telling<'a> {
    pub(super) host: &'a str,
    pub(super) now_s: i64,
    pub(super) expired: bool,
}

impl Telling<'_> {
    /// The files of the parent with this id.
    pub(super) fn of(&self, knobs: &Knobs, parent: u64, count: u64) -> Vec<Value> {
        let expires_s = if self.expired { self.now_s - 1 } else { self.now_s + URL_LIFETIME_S };
        let one = |n: u64| {
            let (id, file) = (parent * 100 + n + 1, file(knobs, parent * 100 + n + 1));
            json!({
                "id": id, "content_type": file.content_type, "size": file.body.len(), "name": file.name,
                "attachment_url": format!(
                    "{}/data/{id}/original?X-Amz-Expires={expires_s}&X-Amz-Signature=geheim{id}",
                    self.host
                ),
                "created_at": text(knobs.first_update_s, knobs.offset),
                "updated_at": text(knobs.first_update_s, knobs.offset),
            })
        };
        let mut told: Vec<Value> = (0..count).map(one).collect();
        if knobs.attachments_twice {
            told.extend(told.clone());
        }
        told
    }
}

/// The file with this id.
pub(super) fn file(knobs: &Knobs, id: u64) -> File {
    let turn = (id as usize + knobs.files.len() - 1) % knobs.files.len().max(1);
    knobs.files[turn].clone()
}
