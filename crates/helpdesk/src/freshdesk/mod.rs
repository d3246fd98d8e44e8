//! Freshdesk: its addresses, what they cost, and what its headers say.

mod labels;
mod normalise;

use jiff::Timestamp;
use serde_json::Value;
use stele_http::{Key, Reply, Secret};

pub use labels::{Choice, Labels, choices};
pub(crate) use normalise::hash;
pub use normalise::normalise_ticket;

use crate::normal::{Article, Message, Ticket};
use crate::platform::{Account, Allowance, LIST_PAGES_MAX, List, PER_PAGE, Pass, Place, Platform, Question};
use crate::rate::{Lane, Start};
use crate::text::{id, string};

/// The least that any plan with an API allows in a minute, of everything and of the lists of tickets and of contacts.
const CREDITS_PER_MINUTE: u32 = 50;
const LISTS_PER_MINUTE: u32 = 20;

/// Pages that the list of tickets has at most; the 301st is refused.
const PAGES_MAX: u32 = 300;

/// What a list costs more for each thing that goes with its tickets.
const INCLUDE_CREDITS: u32 = 2;

/// The lists that all tickets are in: the first leaves out the others.
const PASSES: [Pass; 3] = [
    Pass { stream: "tickets", place: Place::Live },
    Pass { stream: "tickets.spam", place: Place::Spam },
    Pass { stream: "tickets.deleted", place: Place::Deleted },
];

const fn list(stream: &'static str, doc_type: &'static str, usual: bool) -> List {
    List { stream, path: "", doc_type, since: None, lane: Lane::Other, usual }
}

/// What is collected beside tickets and articles.
const LISTS: [List; 12] = [
    List {
        path: "/contacts",
        since: Some(("_updated_since", "updated_at")),
        lane: Lane::Contacts,
        ..list("contacts", "contact", true)
    },
    List { path: "/companies", ..list("companies", "company", true) },
    List { path: "/agents", ..list("agents", "agent", true) },
    List { path: "/groups", ..list("groups", "group", true) },
    List { path: "/products", ..list("products", "product", false) },
    List { path: "/roles", ..list("roles", "role", false) },
    List { path: "/surveys", ..list("surveys", "survey", false) },
    List {
        path: "/surveys/satisfaction_ratings",
        since: Some(("created_since", "created_at")),
        ..list("satisfaction_ratings", "satisfaction_rating", false)
    },
    List { path: "/time_entries", ..list("time_entries", "time_entry", false) },
    List { path: "/sla_policies", ..list("sla_policies", "sla_policy", false) },
    List { path: "/business_hours", ..list("business_hours", "business_hours", false) },
    List {
        path: "/canned_response_folders",
        ..list("canned_response_folders", "canned_response_folder", false)
    },
];

/// Freshdesk.
#[derive(Debug, Clone)]
pub struct Freshdesk {
    /// What goes with each ticket of a list.
    pub include: Vec<String>,
    /// Pages that lists beside tickets have at most.
    pub list_pages_max: u32,
}

impl Default for Freshdesk {
    fn default() -> Self {
        // Without the first, accounts made since 2018 say nothing of what a ticket is about.
        let include = ["description", "requester", "stats"].map(str::to_owned).to_vec();
        Self { include, list_pages_max: LIST_PAGES_MAX }
    }
}

impl Platform for Freshdesk {
    fn name(&self) -> &'static str {
        "freshdesk"
    }

    fn key(&self, secret: Secret) -> Key {
        Key::Basic(secret, Secret::new("X"))
    }

    fn start(&self) -> Start {
        Start {
            credits: CREDITS_PER_MINUTE,
            lists: LISTS_PER_MINUTE,
            lists_set: false,
            reserve: 0.0,
            span_ms: 60_000,
        }
    }

    fn allowance(&self, reply: &Reply) -> Allowance {
        // Whole numbers by the manual, but gateways write `100.0`.
        let number = |name: &str| reply.header(name)?.trim().parse::<f64>().ok();
        Allowance { total: number("x-ratelimit-total"), left: number("x-ratelimit-remaining") }
    }

    fn me(&self) -> Question {
        Question::new("/agents/me")
    }

    fn identity(&self, said: &Value) -> Option<String> {
        let contact = said.get("contact").unwrap_or(said);
        let (name, email) = (string(contact.get("name")), string(contact.get("email")));
        match (name, email) {
            (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
            (name, email) => name.or(email),
        }
    }

    fn passes(&self) -> &'static [Pass] {
        &PASSES
    }

    fn tickets(&self, pass: Pass, since: Timestamp, page: u32) -> Question {
        let filter = match pass.place {
            Place::Live => "",
            Place::Spam => "&filter=spam",
            Place::Deleted => "&filter=deleted",
        };
        let include = match self.include.is_empty() {
            true => String::new(),
            false => format!("&include={}", self.include.join(",")),
        };
        // Whole seconds are enough, as the desk's own times have no parts of them.
        let since = since.strftime("%Y-%m-%dT%H:%M:%SZ");
        Question {
            path: format!(
                "/tickets?updated_since={since}&order_by=updated_at&order_type=asc&per_page={PER_PAGE}&page={page}{filter}{include}"
            ),
            credits: 1 + INCLUDE_CREDITS * u32::try_from(self.include.len()).unwrap_or(u32::MAX / 4),
            lane: Lane::Tickets,
        }
    }

    fn pages_max(&self) -> u32 {
        PAGES_MAX
    }

    fn number(&self, ticket: &Value) -> Option<String> {
        id(ticket.get("id"))
    }

    fn ticket(&self, number: &str) -> Option<Question> {
        Some(Question::new(format!("/tickets/{number}")))
    }

    fn as_listed(&self, number: &str) -> Question {
        // Its description is always there, and may not be asked for.
        let include: Vec<&str> =
            self.include.iter().map(String::as_str).filter(|name| *name != "description").collect();
        let mut question = Question::new(match include.is_empty() {
            true => format!("/tickets/{number}"),
            false => format!("/tickets/{number}?include={}", include.join(",")),
        });
        question.credits += u32::try_from(include.len()).unwrap_or(u32::MAX / 4);
        question
    }

    fn messages(&self, number: &str, page: u32) -> Question {
        Question::page(&format!("/tickets/{number}/conversations"), page)
    }

    fn fields(&self) -> Option<Question> {
        Some(Question::new("/ticket_fields"))
    }

    fn lists(&self) -> &'static [List] {
        &LISTS
    }

    fn list_pages_max(&self) -> u32 {
        self.list_pages_max
    }

    fn has_articles(&self) -> bool {
        true
    }

    fn understand_ticket(&self, raw: &Value, messages: &[Value], place: Place, account: &Account) -> Ticket {
        normalise::ticket(self.name(), raw, messages, place, account)
    }

    fn understand_message(&self, raw: &Value, _account: &Account) -> Message {
        normalise::message(raw)
    }

    fn understand_article(&self, raw: &Value, account: &Account) -> Option<Article> {
        Some(normalise::article(self.name(), raw, account))
    }
}
