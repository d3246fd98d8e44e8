//! What a thing of a help desk is called here.
//!
//! The id that people read joins its parts by `_`, as its users know it; two tenants can come to the same one
//! (`a_b` + `c` and `a` + `b_c`). What is stored under is [`store_key`], which cannot.

use serde::Serialize;

/// What kind of thing an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectType {
    /// A ticket.
    Ticket,
    /// A message of a ticket.
    Conversation,
    /// A page of the knowledge base.
    Article,
    /// A file that hangs on one of them.
    Attachment,
}

impl ObjectType {
    /// As it stands in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Conversation => "conversation",
            Self::Article => "article",
            Self::Attachment => "attachment",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Ticket => "",
            Self::Conversation => "conv-",
            Self::Article => "article-",
            Self::Attachment => "att-",
        }
    }
}

/// The id that people read: `acme_freshdesk_123`, `acme_freshdesk_article-5`, `…_conv-7`, `…_att-9`.
pub fn readable(tenant: &str, platform: &str, object: ObjectType, original_id: &str) -> String {
    format!("{tenant}_{platform}_{}{original_id}", object.prefix())
}

/// A key that two different things never share: each part goes behind its length.
pub fn store_key(tenant: &str, platform: &str, object: ObjectType, original_id: &str) -> String {
    let parts = [tenant, platform, object.name(), original_id];
    parts.map(|part| format!("{}:{part}", part.len())).join("/")
}
