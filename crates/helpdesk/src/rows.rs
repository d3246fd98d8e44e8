//! What a record of a help desk is as a row: integrated objects. A description only; who has tables writes them.

use serde::Serialize;
use serde_json::{Value, json};

use crate::ids::{ObjectType, store_key};
use crate::mode::Decided;
use crate::normal::{Article, Attachment, Ticket};

/// A file from which on it counts as large: 5 MiB.
const LARGE_BYTES: u64 = 5 << 20;

/// A row. Unique by (`tenant_id`, `platform`, `object_type`, `original_id`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IntegratedObject {
    /// What the four columns that make it unique come to, as one.
    pub key: String,
    /// Whose it is.
    pub tenant_id: String,
    /// Such as `freshdesk`.
    pub platform: String,
    /// The id that it has there.
    pub original_id: String,
    /// `integrated_ticket`, `integrated_article` or `attachment`.
    pub object_type: &'static str,
    /// All of it as one text; `None` where rows hold keys only.
    pub integrated_content: Option<String>,
    /// Filled in later, by whoever summarises.
    pub summary: Option<String>,
    /// What it is, with messages and files; `None` where rows hold keys only.
    pub original_data: Option<Value>,
    /// What is told by it without its text.
    pub tenant_metadata: Value,
    /// When it came.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
}

impl IntegratedObject {
    /// The row of a ticket.
    pub fn of_ticket(ticket: &Ticket, decided: Decided) -> Self {
        let keeps = decided.keeps_content();
        Self {
            key: store_key(&ticket.tenant_id, &ticket.platform, ObjectType::Ticket, &ticket.original_id),
            tenant_id: ticket.tenant_id.clone(),
            platform: ticket.platform.clone(),
            original_id: ticket.original_id.clone(),
            object_type: "integrated_ticket",
            integrated_content: keeps.then(|| ticket.text()),
            summary: None,
            original_data: keeps.then(|| serde_json::to_value(ticket).unwrap_or(Value::Null)),
            tenant_metadata: ticket_metadata(ticket),
            created_at: ticket.created_at.clone(),
            updated_at: ticket.updated_at.clone(),
        }
    }

    /// The row of an article.
    pub fn of_article(article: &Article, decided: Decided) -> Self {
        let keeps = decided.keeps_content();
        let text = [article.title.as_deref(), article.content.as_deref()];
        let text = text.into_iter().flatten().collect::<Vec<_>>().join("\n\n");
        Self {
            key: store_key(&article.tenant_id, &article.platform, ObjectType::Article, &article.original_id),
            tenant_id: article.tenant_id.clone(),
            platform: article.platform.clone(),
            original_id: article.original_id.clone(),
            object_type: "integrated_article",
            integrated_content: keeps.then_some(text),
            summary: None,
            original_data: keeps.then(|| serde_json::to_value(article).unwrap_or(Value::Null)),
            tenant_metadata: json!({
                "status": article.status, "category_id": article.category_id, "folder_id": article.folder_id,
                "tags": article.tags, "metadata_version": "1.0",
            }),
            created_at: article.created_at.clone(),
            updated_at: article.updated_at.clone(),
        }
    }

    /// The row of a file.
    pub fn of_attachment(file: &Attachment, tenant: &str, platform: &str, decided: Decided) -> Self {
        Self {
            key: store_key(tenant, platform, ObjectType::Attachment, &file.id),
            tenant_id: tenant.to_owned(),
            platform: platform.to_owned(),
            original_id: file.id.clone(),
            object_type: "attachment",
            integrated_content: file.text.clone().filter(|_| decided.keeps_content()),
            summary: None,
            original_data: None,
            tenant_metadata: json!({
                "parent_type": file.parent_type, "parent_original_id": file.parent_id, "name": file.name,
                "content_type": file.content_type, "size": file.size, "text_status": file.text_status,
            }),
            created_at: None,
            updated_at: None,
        }
    }
}

/// What is told by a ticket without its text.
pub fn ticket_metadata(ticket: &Ticket) -> Value {
    let kinds = ticket.attachments.iter().filter_map(|file| file.content_type.as_deref());
    let main: std::collections::BTreeSet<&str> = kinds.filter_map(|kind| kind.split('/').next()).collect();
    let messages = ticket.conversations.len();
    let files = ticket.attachments.len();
    json!({
        "status": ticket.status_code, "priority": ticket.priority_code,
        "has_attachments": files > 0, "attachment_count": files, "attachment_types": main,
        "has_image_attachments": main.contains("image"),
        "has_document_attachments": main.contains("application") || main.contains("text"),
        "large_attachments": ticket.attachments.iter().any(|file| file.size.is_some_and(|size| size > LARGE_BYTES)),
        "has_conversations": messages > 0, "conversation_count": messages,
        "complexity_level": complexity(ticket), "metadata_version": "1.0",
    })
}

/// `low`, `medium` or `high`, by how many messages and files there are, how urgent it is, and how long.
fn complexity(ticket: &Ticket) -> &'static str {
    let step = |number: usize, steps: &[(usize, u32)]| {
        steps.iter().find(|(above, _)| number > *above).map_or(0, |(_, points)| *points)
    };
    let priority = crate::text::code(Some(&ticket.priority_code)).unwrap_or(1).max(0);
    let length = ticket.content.as_ref().map_or(0, |content| content.chars().count());
    let points = step(ticket.conversations.len(), &[(10, 3), (5, 2), (2, 1)])
        + step(ticket.attachments.len(), &[(5, 2), (2, 1)])
        + step(usize::try_from(priority).unwrap_or(0), &[(3, 2), (2, 1)])
        + step(length, &[(1000, 2), (500, 1)]);
    match points {
        6.. => "high",
        3.. => "medium",
        _ => "low",
    }
}
