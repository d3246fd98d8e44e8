//! Issues of a repository on GitHub, as tickets: the second help desk, which shows what of the first is Freshdesk's alone.
//!
//! It has no lists of spam and of what was deleted, no articles, words in place of codes, and limits by the hour.

use jiff::Timestamp;
use serde_json::{Value, json};
use stele_http::{Key, Reply, Secret};

use crate::freshdesk::hash;
use crate::ids::{ObjectType, readable};
use crate::normal::{Article, Message, NORMALIZER_VERSION, Person, Ticket};
use crate::platform::{Account, Allowance, List, PER_PAGE, Pass, Place, Platform, Question};
use crate::rate::{Lane, Start};
use crate::text::{as_said, id, string, utc};

/// Requests in an hour with a key, and without one.
const CREDITS_PER_HOUR: u32 = 60;

/// Pages of a list. There is no bound in the manual; this one ends a walk that goes nowhere.
const PAGES_MAX: u32 = 1_000;

const PASSES: [Pass; 1] = [Pass { stream: "tickets", place: Place::Live }];

/// Issues of a repository.
#[derive(Debug, Clone, Copy, Default)]
pub struct GithubIssues;

impl Platform for GithubIssues {
    fn name(&self) -> &'static str {
        "github_issues"
    }

    fn key(&self, secret: Secret) -> Key {
        Key::Bearer(secret)
    }

    fn start(&self) -> Start {
        Start {
            credits: CREDITS_PER_HOUR,
            lists: CREDITS_PER_HOUR,
            // Lists have no limit of their own, so nothing is learned about one.
            lists_set: false,
            reserve: 0.0,
            span_ms: 3_600_000,
        }
    }

    fn allowance(&self, reply: &Reply) -> Allowance {
        let number = |name: &str| reply.header(name)?.trim().parse::<f64>().ok();
        Allowance { total: number("x-ratelimit-limit"), left: number("x-ratelimit-remaining") }
    }

    fn me(&self) -> Question {
        Question::new("")
    }

    fn identity(&self, said: &Value) -> Option<String> {
        string(said.get("full_name"))
    }

    fn passes(&self) -> &'static [Pass] {
        &PASSES
    }

    fn tickets(&self, _pass: Pass, since: Timestamp, page: u32) -> Question {
        let since = since.strftime("%Y-%m-%dT%H:%M:%SZ");
        Question::new(format!(
            "/issues?state=all&sort=updated&direction=asc&since={since}&per_page={PER_PAGE}&page={page}"
        ))
    }

    fn pages_max(&self) -> u32 {
        PAGES_MAX
    }

    fn number(&self, ticket: &Value) -> Option<String> {
        id(ticket.get("number"))
    }

    fn ticket(&self, _number: &str) -> Option<Question> {
        // Lists leave out nothing.
        None
    }

    fn as_listed(&self, number: &str) -> Question {
        Question::new(format!("/issues/{number}"))
    }

    fn messages(&self, number: &str, page: u32) -> Question {
        Question::page(&format!("/issues/{number}/comments"), page)
    }

    fn fields(&self) -> Option<Question> {
        None
    }

    fn lists(&self) -> &'static [List] {
        const LISTS: [List; 1] = [List {
            stream: "milestones",
            path: "/milestones?state=all",
            doc_type: "milestone",
            since: None,
            lane: Lane::Other,
            usual: true,
        }];
        &LISTS
    }

    fn has_articles(&self) -> bool {
        false
    }

    fn understand_ticket(&self, raw: &Value, messages: &[Value], _place: Place, account: &Account) -> Ticket {
        let original_id = self.number(raw).unwrap_or_default();
        let state = string(raw.get("state"));
        let labels = raw.get("labels").and_then(Value::as_array).into_iter().flatten();
        let person = |user: &Value| Person {
            id: as_said(user.get("id")),
            name: string(user.get("login")),
            email: string(user.get("email")),
        };
        Ticket {
            id: readable(&account.tenant, self.name(), ObjectType::Ticket, &original_id),
            tenant_id: account.tenant.clone(),
            platform: self.name().to_owned(),
            object_type: ObjectType::Ticket,
            subject: string(raw.get("title")),
            content: string(raw.get("body")),
            content_html: None,
            status: state.clone(),
            status_code: as_said(raw.get("state")),
            status_label: state,
            priority: None,
            priority_code: Value::Null,
            source: None,
            source_code: Value::Null,
            kind: json!(if raw.get("pull_request").is_some() { "pull_request" } else { "issue" }),
            requester: raw.get("user").filter(|user| user.is_object()).map(person),
            responder_id: as_said(raw.get("assignee").and_then(|assignee| assignee.get("id"))),
            group_id: Value::Null,
            company_id: Value::Null,
            product_id: Value::Null,
            tags: labels
                .filter_map(|label| string(label.get("name")).or_else(|| string(Some(label))))
                .collect(),
            custom_fields: Value::Null,
            spam: false,
            deleted: false,
            created_at: utc(raw.get("created_at")),
            updated_at: utc(raw.get("updated_at")),
            due_by: None,
            fr_due_by: None,
            stats: json!({ "closed_at": as_said(raw.get("closed_at")) }),
            conversations: messages.iter().map(|message| self.understand_message(message, account)).collect(),
            conversations_status: None,
            attachments: Vec::new(),
            raw: None,
            source_hash: hash(raw),
            normalizer_version: NORMALIZER_VERSION,
            original_id,
        }
    }

    fn understand_message(&self, raw: &Value, _account: &Account) -> Message {
        let association = string(raw.get("author_association"));
        let ours = ["OWNER", "MEMBER", "COLLABORATOR"];
        Message {
            id: as_said(raw.get("id")),
            incoming: association.map(|association| !ours.contains(&association.as_str())),
            private: Some(false),
            kind: Some("reply".to_owned()),
            author_id: as_said(raw.get("user").and_then(|user| user.get("id"))),
            text: string(raw.get("body")),
            html: None,
            created_at: utc(raw.get("created_at")),
            updated_at: utc(raw.get("updated_at")),
            attachments: Vec::new(),
        }
    }

    fn understand_article(&self, _raw: &Value, _account: &Account) -> Option<Article> {
        None
    }
}
