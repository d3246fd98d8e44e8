//! Records in words that are the same for all help desks. What was said stays beside them, untouched.
//!
//! What is not known is `null`, never a word such as "None". Codes keep the type that they had. Times are UTC and end in `Z`.

use serde::Serialize;
use serde_json::Value;

use crate::ids::ObjectType;

/// Which way of writing these records has; raised when it changes.
pub const NORMALIZER_VERSION: u32 = 1;

/// A ticket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ticket {
    /// Such as `acme_freshdesk_123`.
    pub id: String,
    /// Whose it is.
    pub tenant_id: String,
    /// Such as `freshdesk`.
    pub platform: String,
    /// [`ObjectType::Ticket`].
    pub object_type: ObjectType,
    /// The id that it has there.
    pub original_id: String,
    /// Its title.
    pub subject: Option<String>,
    /// What it says, as text.
    pub content: Option<String>,
    /// What it says, as it was written.
    pub content_html: Option<String>,
    /// Its state as a word: `open`, `pending`, `resolved`, `closed`, the account's own, or `custom_` and the code;
    /// `spam` and `deleted` for what is no longer worked on.
    pub status: Option<String>,
    /// Its state as it was said.
    pub status_code: Value,
    /// Its state as the account shows it.
    pub status_label: Option<String>,
    /// How urgent it is, as a word.
    pub priority: Option<String>,
    /// How urgent it is, as it was said.
    pub priority_code: Value,
    /// Where it came in, as a word.
    pub source: Option<String>,
    /// Where it came in, as it was said.
    pub source_code: Value,
    /// The type that people gave it.
    #[serde(rename = "type")]
    pub kind: Value,
    /// Who asks for help.
    pub requester: Option<Person>,
    /// Who answers.
    pub responder_id: Value,
    /// The group that answers.
    pub group_id: Value,
    /// The company of who asks.
    pub company_id: Value,
    /// The product.
    pub product_id: Value,
    /// Words that people put on it.
    pub tags: Vec<String>,
    /// The account's own fields.
    pub custom_fields: Value,
    /// Whether it is spam.
    pub spam: bool,
    /// Whether it was deleted.
    pub deleted: bool,
    /// When it came.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// When it has to be resolved.
    pub due_by: Option<String>,
    /// When it has to be answered first.
    pub fr_due_by: Option<String>,
    /// Times of its life, as they were said.
    pub stats: Value,
    /// Its messages, the oldest first.
    pub conversations: Vec<Message>,
    /// Whether all messages are there: `complete`, `failed` or `unavailable`; `null` where none were asked for.
    pub conversations_status: Option<&'static str>,
    /// Its files and those of its messages.
    pub attachments: Vec<Attachment>,
    /// What was said, where it does not stand beside this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
    /// BLAKE3 of what was said.
    pub source_hash: String,
    /// [`NORMALIZER_VERSION`].
    pub normalizer_version: u32,
}

/// Who asks for help.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Person {
    /// Their id.
    pub id: Value,
    /// Their name.
    pub name: Option<String>,
    /// Their address.
    pub email: Option<String>,
}

/// A message of a ticket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// The id that it has there.
    pub id: Value,
    /// Whether it comes from who asks for help.
    pub incoming: Option<bool>,
    /// Whether only who answers sees it.
    pub private: Option<bool>,
    /// What it is, as a word: `reply`, `note` …
    pub kind: Option<String>,
    /// Who wrote it.
    pub author_id: Value,
    /// What it says, as text.
    pub text: Option<String>,
    /// What it says, as it was written.
    pub html: Option<String>,
    /// When it was written.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// Its files.
    pub attachments: Vec<Attachment>,
}

/// A page of the knowledge base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Article {
    /// Such as `acme_freshdesk_article-5`.
    pub id: String,
    /// Whose it is.
    pub tenant_id: String,
    /// Such as `freshdesk`.
    pub platform: String,
    /// [`ObjectType::Article`].
    pub object_type: ObjectType,
    /// The id that it has there.
    pub original_id: String,
    /// Its title.
    pub title: Option<String>,
    /// What it says, as text.
    pub content: Option<String>,
    /// What it says, as it was written.
    pub content_html: Option<String>,
    /// `draft` or `published`.
    pub status: Option<String>,
    /// Its state as it was said.
    pub status_code: Value,
    /// Its category.
    pub category_id: Value,
    /// What that is called.
    pub category_name: Option<String>,
    /// Its folder.
    pub folder_id: Value,
    /// What that is called.
    pub folder_name: Option<String>,
    /// Words that people put on it.
    pub tags: Vec<String>,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// Its files.
    pub attachments: Vec<Attachment>,
    /// BLAKE3 of what was said.
    pub source_hash: String,
    /// [`NORMALIZER_VERSION`].
    pub normalizer_version: u32,
}

/// A file that hangs on something. Its address is not here: it lets in whoever has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attachment {
    /// The id that it has there.
    pub id: String,
    /// Its name, as it was said.
    pub name: Option<String>,
    /// Its name, fit for a file.
    pub safe_name: String,
    /// What kind of content it claims to have.
    pub content_type: Option<String>,
    /// How long it claims to be.
    pub size: Option<u64>,
    /// What it hangs on: `ticket`, `conversation` or `article`.
    pub parent_type: &'static str,
    /// The id of that.
    pub parent_id: String,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What became of reading it: `extracted`, `too_large`, `unsupported`, `ocr_unavailable`, `unavailable` or
    /// `failed`; `null` if nobody tried.
    pub text_status: Option<&'static str>,
}
