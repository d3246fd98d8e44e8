//! What tells one help desk from another: how it is asked, and what its words mean.

use jiff::Timestamp;
use serde_json::Value;
use stele_http::{Key, Reply, Secret};

use crate::normal::{Article, Message, Ticket};
use crate::rate::{Lane, Start};

/// Things of a page, in every list. The most that these services give; fewer cost more requests.
pub const PER_PAGE: usize = 100;

/// Pages of a list beside tickets: 50,000 things, where Freshdesk ends the list of contacts.
pub const LIST_PAGES_MAX: u32 = 500;

/// A question to a help desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The path behind the base address, with what stands behind `?`.
    pub path: String,
    /// What it costs.
    pub credits: u32,
    /// Which limit it falls under beside the common one.
    pub lane: Lane,
}

impl Question {
    /// One that costs one credit and falls under the common limit.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), credits: 1, lane: Lane::Other }
    }

    /// The page of a list.
    pub fn page(path: &str, page: u32) -> Self {
        let joint = if path.contains('?') { '&' } else { '?' };
        Self::new(format!("{path}{joint}page={page}&per_page={PER_PAGE}"))
    }
}

/// What the headers of an answer say about what may be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Allowance {
    /// Credits of a span.
    pub total: Option<f64>,
    /// Those that are left.
    pub left: Option<f64>,
}

/// One of the lists that all tickets are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// The stream whose cursor it has.
    pub stream: &'static str,
    /// Which tickets are in it.
    pub place: Place,
}

/// Which tickets are in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Those that are worked on.
    Live,
    /// Those that are spam.
    Spam,
    /// Those that were deleted.
    Deleted,
}

/// A list that is read whole, or from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List {
    /// The stream.
    pub stream: &'static str,
    /// Its address.
    pub path: &'static str,
    /// What a record of it is.
    pub doc_type: &'static str,
    /// The parameter that leaves out what is older, and the field that it looks at.
    pub since: Option<(&'static str, &'static str)>,
    /// Which limit it falls under.
    pub lane: Lane,
    /// Whether it is collected if nobody says what is to be.
    pub usual: bool,
}

/// What is known of an account when a record is understood.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Whose data it is.
    pub tenant: String,
    /// What the account calls its states, priorities and sources.
    pub labels: crate::freshdesk::Labels,
}

/// A help desk.
pub trait Platform: Send + Sync {
    /// Its name, a part of every id.
    fn name(&self) -> &'static str;

    /// Where a request carries the key.
    fn key(&self, secret: Secret) -> Key;

    /// What may be asked before it has said anything.
    fn start(&self) -> Start;

    /// What the headers of an answer say.
    fn allowance(&self, reply: &Reply) -> Allowance;

    /// Who one is there: a question that any key may ask.
    fn me(&self) -> Question;

    /// Who that is, for people.
    fn identity(&self, said: &Value) -> Option<String>;

    /// The lists that all tickets are in.
    fn passes(&self) -> &'static [Pass];

    /// A page of tickets that changed at `since` or later, those that changed first before the others.
    fn tickets(&self, pass: Pass, since: Timestamp, page: u32) -> Question;

    /// Pages that a list of tickets has at most.
    fn pages_max(&self) -> u32;

    /// The number that a ticket is asked for with.
    fn number(&self, ticket: &Value) -> Option<String>;

    /// A ticket by itself, with what lists leave out; `None` if they leave out nothing.
    fn ticket(&self, number: &str) -> Option<Question>;

    /// A ticket by itself, with what lists show of it.
    fn as_listed(&self, number: &str) -> Question;

    /// A page of the messages of a ticket, the oldest first.
    fn messages(&self, number: &str, page: u32) -> Question;

    /// What the account calls its states, priorities and sources.
    fn fields(&self) -> Option<Question>;

    /// Everything else that is collected.
    fn lists(&self) -> &'static [List];

    /// Pages that these lists have at most.
    fn list_pages_max(&self) -> u32 {
        LIST_PAGES_MAX
    }

    /// Whether it has articles in folders, as [`crate::freshdesk`] has.
    fn has_articles(&self) -> bool;

    /// A ticket in words that are the same for all help desks.
    fn understand_ticket(&self, raw: &Value, messages: &[Value], place: Place, account: &Account) -> Ticket;

    /// A message of a ticket, likewise.
    fn understand_message(&self, raw: &Value, account: &Account) -> Message;

    /// An article, likewise; `None` if there are none.
    fn understand_article(&self, raw: &Value, account: &Account) -> Option<Article>;
}
