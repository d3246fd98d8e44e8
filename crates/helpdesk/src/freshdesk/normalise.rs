//! What Freshdesk says, in words that are the same for all help desks.

use serde_json::Value;

use super::Freshdesk;
use super::labels::message_kind;
use crate::attachments;
use crate::ids::{ObjectType, readable};
use crate::normal::{Article, Message, NORMALIZER_VERSION, Person, Ticket};
use crate::platform::{Account, Place, Platform};
use crate::text::{as_said, code, id, of_html, string, utc};

/// A ticket as its users know it, with what was said in `raw`. Messages are those that stand in the ticket.
///
/// To normalise what is in `raw` again gives the same.
pub fn normalise_ticket(ticket_data: &Value, tenant_id: &str, labels: &super::Labels) -> Ticket {
    let account = Account { tenant: tenant_id.to_owned(), labels: labels.clone() };
    let messages = ticket_data.get("conversations").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut ticket = Freshdesk::default().understand_ticket(ticket_data, &messages, Place::Live, &account);
    ticket.raw = Some(ticket_data.clone());
    ticket
}

/// What is taken for the text: the text if there is one, or what the HTML says.
fn content(raw: &Value, text: &str, html: &str) -> Option<String> {
    let said = string(raw.get(text)).filter(|text| !text.trim().is_empty());
    said.or_else(|| string(raw.get(html)).map(|html| of_html(&html)))
}

fn tags(raw: &Value) -> Vec<String> {
    let tags = raw.get("tags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
}

/// BLAKE3 of what was said, in hexadecimal digits.
pub(crate) fn hash(raw: &Value) -> String {
    blake3::hash(raw.to_string().as_bytes()).to_hex().to_string()
}

pub(super) fn ticket(
    platform: &str,
    raw: &Value,
    messages: &[Value],
    place: Place,
    account: &Account,
) -> Ticket {
    let flag = |name: &str| raw.get(name).and_then(Value::as_bool).unwrap_or(false);
    let deleted = flag("deleted") || place == Place::Deleted;
    let spam = flag("spam") || place == Place::Spam;
    let (status, status_label) = account.labels.status_of(raw.get("status"));
    let original_id = id(raw.get("id")).unwrap_or_default();
    let requester = raw.get("requester").filter(|requester| requester.is_object());
    let requester = match requester {
        Some(requester) => Some(Person {
            id: as_said(requester.get("id")),
            name: string(requester.get("name")),
            email: string(requester.get("email")),
        }),
        None => raw.get("requester_id").filter(|id| !id.is_null()).map(|id| Person {
            id: id.clone(),
            name: None,
            email: string(raw.get("email")),
        }),
    };
    let conversations: Vec<Message> = messages.iter().map(message).collect();
    let mut files = attachments::named(raw, "ticket", &original_id);
    files.extend(conversations.iter().flat_map(|message| message.attachments.clone()));
    Ticket {
        id: readable(&account.tenant, platform, ObjectType::Ticket, &original_id),
        tenant_id: account.tenant.clone(),
        platform: platform.to_owned(),
        object_type: ObjectType::Ticket,
        subject: string(raw.get("subject")),
        content: content(raw, "description_text", "description"),
        content_html: string(raw.get("description")),
        // What is no longer worked on is not open, whatever it was before.
        status: match (deleted, spam) {
            (true, _) => Some("deleted".to_owned()),
            (_, true) => Some("spam".to_owned()),
            _ => status,
        },
        status_code: as_said(raw.get("status")),
        status_label,
        priority: account.labels.priority_of(raw.get("priority")),
        priority_code: as_said(raw.get("priority")),
        source: account.labels.source_of(raw.get("source")),
        source_code: as_said(raw.get("source")),
        kind: as_said(raw.get("type")),
        requester,
        responder_id: as_said(raw.get("responder_id")),
        group_id: as_said(raw.get("group_id")),
        company_id: as_said(raw.get("company_id")),
        product_id: as_said(raw.get("product_id")),
        tags: tags(raw),
        custom_fields: as_said(raw.get("custom_fields")),
        spam,
        deleted,
        created_at: utc(raw.get("created_at")),
        updated_at: utc(raw.get("updated_at")),
        due_by: utc(raw.get("due_by")),
        fr_due_by: utc(raw.get("fr_due_by")),
        stats: as_said(raw.get("stats")),
        conversations,
        conversations_status: None,
        attachments: files,
        raw: None,
        source_hash: hash(raw),
        normalizer_version: NORMALIZER_VERSION,
        original_id,
    }
}

pub(super) fn message(raw: &Value) -> Message {
    let own = id(raw.get("id")).unwrap_or_default();
    Message {
        id: as_said(raw.get("id")),
        incoming: raw.get("incoming").and_then(Value::as_bool),
        private: raw.get("private").and_then(Value::as_bool),
        kind: message_kind(raw.get("source")),
        author_id: as_said(raw.get("user_id")),
        text: content(raw, "body_text", "body"),
        html: string(raw.get("body")),
        created_at: utc(raw.get("created_at")),
        updated_at: utc(raw.get("updated_at")),
        attachments: attachments::named(raw, "conversation", &own),
    }
}

pub(super) fn article(platform: &str, raw: &Value, account: &Account) -> Article {
    let original_id = id(raw.get("id")).unwrap_or_default();
    Article {
        id: readable(&account.tenant, platform, ObjectType::Article, &original_id),
        tenant_id: account.tenant.clone(),
        platform: platform.to_owned(),
        object_type: ObjectType::Article,
        title: string(raw.get("title")),
        content: content(raw, "description_text", "description"),
        content_html: string(raw.get("description")),
        status: match code(raw.get("status")) {
            Some(1) => Some("draft".to_owned()),
            Some(2) => Some("published".to_owned()),
            Some(other) => Some(format!("custom_{other}")),
            None => None,
        },
        status_code: as_said(raw.get("status")),
        category_id: as_said(raw.get("category_id")),
        category_name: None,
        folder_id: as_said(raw.get("folder_id")),
        folder_name: None,
        tags: tags(raw),
        created_at: utc(raw.get("created_at")),
        updated_at: utc(raw.get("updated_at")),
        attachments: attachments::named(raw, "article", &original_id),
        source_hash: hash(raw),
        normalizer_version: NORMALIZER_VERSION,
        original_id,
    }
}
