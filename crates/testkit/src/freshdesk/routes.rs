//! The addresses of the desk and of the host of its files.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::Answer;
use super::data::{self, Data, Place, Telling};
use super::knobs::Body;
use super::{Desk, wire::Asking};
use crate::sample::time::days_from_civil;

/// What the real one allows.
const PER_PAGE: usize = 30;
const PER_PAGE_MAX: usize = 100;
const PAGES_MAX: usize = 300;
const INCLUDED_MESSAGES_MAX: u64 = 10;
const RECENT_S: i64 = 30 * 86_400;

/// Folders have ids by level and place, articles by folder and place.
const CATEGORIES: [u64; 2] = [11, 12];

/// `name=value` pairs behind `?`.
fn values(path: &str) -> Vec<(&str, String)> {
    let pairs = path.split_once('?').map_or("", |(_, pairs)| pairs);
    let plain = |text: &str| text.replace("%3A", ":").replace("%2C", ",").replace("%2B", "+");
    pairs
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, plain(value)))
        .collect()
}

fn value(path: &str, name: &str) -> Option<String> {
    values(path).into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// What a request costs: a list two more for each `include`, a thing one more.
pub(super) fn credits(path: &str) -> u32 {
    let include = value(path, "include").map_or(0, |include| include.split(',').count() as u32);
    match path.starts_with("/tickets?") {
        true => 1 + 2 * include,
        false => 1 + include,
    }
}

/// What the service says with a status.
pub(super) fn refusal(status: u16) -> Answer {
    let said = match status {
        403 => r#"{"code":"access_denied","message":"You are not authorized to perform this action."}"#,
        404 => return Answer::empty(404),
        429 => return super::limits::refusal(super::RetryAfter::Absent, Duration::ZERO),
        500..=599 => r#"{"code":"internal_error","message":"We're sorry, but something went wrong."}"#,
        _ => r#"{"description":"Validation failed","errors":[]}"#,
    };
    Answer::json(status, said.to_owned())
}

fn invalid(field: &str, message: &str) -> Answer {
    let errors = json!([{ "field": field, "message": message, "code": "invalid_value" }]);
    Answer::json(400, json!({ "description": "Validation failed", "errors": errors }).to_string())
}

/// Seconds since 1970 of `2012-01-01T00:00:00Z`.
fn seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let days = days_from_civil(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let of_day =
        number(11, 13).unwrap_or(0) * 3600 + number(14, 16).unwrap_or(0) * 60 + number(17, 19).unwrap_or(0);
    Some(days * 86_400 + of_day)
}

/// Which stretch of a list is asked for.
struct Stretch {
    page: usize,
    per_page: usize,
}

impl Stretch {
    fn of(path: &str) -> Result<Self, Answer> {
        let number = |name: &str, default: usize| {
            value(path, name).map_or(Ok(default), |text| text.parse::<usize>().map_err(|_| name.to_owned()))
        };
        let page = number("page", 1).map_err(|name| invalid(&name, "It should be a/an Positive Integer"))?;
        let per_page = number("per_page", PER_PAGE)
            .map_err(|name| invalid(&name, "It should be a/an Positive Integer"))?;
        match (page, per_page) {
            (0, _) => Err(invalid("page", "It should be a/an Positive Integer")),
            (_, 1..=PER_PAGE_MAX) => Ok(Self { page, per_page }),
            _ => Err(invalid("per_page", "It should be a Positive Integer less than or equal to 100")),
        }
    }

    fn skip(&self) -> usize {
        (self.page - 1) * self.per_page
    }
}

impl Desk {
    pub(super) fn route(&mut self, path: &str, files_url: &str, at: Duration) -> Answer {
        let plain = path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = plain.split('/').filter(|part| !part.is_empty()).collect();
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        match parts.as_slice() {
            ["agents", "me"] => {
                let contact = json!({ "name": "Desk of tests", "email": "desk@harbour.example" });
                Answer::json(200, json!({ "id": 801, "contact": contact }).to_string())
            }
            ["tickets"] => self.tickets(path, files_url, at),
            ["tickets", id] => self.ticket(path, number(id), files_url, at),
            ["tickets", id, "conversations"] => {
                let id = number(id);
                if id == 0 || id > self.knobs.tickets {
                    return refusal(404);
                }
                let told = self.telling(&format!("m{id}"), files_url, at);
                let count = Data::messages(&self.knobs, id);
                self.listed(path, count as usize, |desk, n| {
                    desk.data.message(&desk.knobs, id, n as u64, &told)
                })
            }
            ["ticket_fields"] => Answer::json(200, fields()),
            ["solutions", "categories"] => self.listed(
                path,
                CATEGORIES.len(),
                |_, n| json!({ "id": CATEGORIES[n], "name": format!("Category {n}"), "description": null }),
            ),
            ["solutions", "categories", id, "folders"] => self.folders(path, number(id)),
            ["solutions", "folders", _, "subfolders"] if !self.knobs.subfolders => refusal(403),
            ["solutions", "folders", id, "subfolders"] => self.folders(path, number(id)),
            ["solutions", "folders", id, "articles"] => self.articles(path, number(id)),
            ["contacts"] => {
                let count = self.knobs.contacts as usize;
                let (first_s, newest_first) = (self.knobs.first_update_s, self.knobs.contacts_newest_first);
                let alike = self.knobs.contacts_alike.max(1) as usize;
                let since_s = value(path, "_updated_since").and_then(|text| seconds(&text)).unwrap_or(0);
                let minutes = usize::try_from((since_s - first_s + 59) / 60).unwrap_or(0);
                let earlier = minutes.saturating_mul(alike).min(count);
                self.listed(path, count - earlier, |_, n| {
                    let place = if newest_first { count - 1 - n } else { earlier + n };
                    let id = 9_000 + place;
                    let at = data::text(first_s + 60 * (place / alike) as i64, false);
                    json!({ "id": id, "name": format!("person {id}"), "updated_at": at, "created_at": at })
                })
            }
            [
                "groups"
                | "agents"
                | "companies"
                | "products"
                | "roles"
                | "surveys"
                | "sla_policies"
                | "business_hours"
                | "canned_response_folders"
                | "time_entries",
            ]
            | ["surveys", "satisfaction_ratings"] => {
                let (name, first_s) = (parts.join("/"), self.knobs.first_update_s);
                self.listed(path, self.knobs.entries as usize, |_, n| {
                    json!({ "id": 800 + n, "name": format!("{name} {n}"), "updated_at": data::text(first_s, false) })
                })
            }
            _ => refusal(404),
        }
    }

    /// A page of a list of so many things.
    fn listed(&self, path: &str, count: usize, one: impl Fn(&Self, usize) -> Value) -> Answer {
        let stretch = match Stretch::of(path) {
            Ok(stretch) => stretch,
            Err(refusal) => return refusal,
        };
        let things = (stretch.skip()..count).take(stretch.per_page).map(|n| one(self, n)).collect();
        self.page(path, &stretch, things, stretch.skip() + stretch.per_page < count)
    }

    fn page(&self, path: &str, stretch: &Stretch, things: Vec<Value>, more: bool) -> Answer {
        let mut answer = Answer::json(200, Value::Array(things).to_string());
        if more && self.knobs.link {
            let rest: Vec<String> = values(path)
                .into_iter()
                .filter(|(name, _)| *name != "page")
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let plain = path.split('?').next().unwrap_or_default();
            let next = format!(
                "<{}/api/v2{plain}?{}&page={}>; rel=\"next\"",
                self.url,
                rest.join("&"),
                stretch.page + 1
            );
            answer.headers.push(("link", next));
        }
        answer
    }

    fn tickets(&mut self, path: &str, files_url: &str, at: Duration) -> Answer {
        let stretch = match Stretch::of(path) {
            Ok(stretch) if stretch.page > PAGES_MAX => {
                let message =
                    "You cannot access tickets beyond the 300th page. Please provide a smaller page number.";
                return invalid("page", message);
            }
            Ok(stretch) => stretch,
            Err(refusal) => return refusal,
        };
        let place = match value(path, "filter").as_deref() {
            None => Place::Live,
            Some("spam") => Place::Spam,
            Some("deleted") => Place::Deleted,
            Some(_) => return invalid("filter", "It should be one of these values"),
        };
        let now_s = Data::now_s(&self.knobs, at.as_secs() as i64);
        let since_s = value(path, "updated_since").map(|text| seconds(&text));
        let since_s = match since_s {
            None => now_s - RECENT_S,
            Some(Some(since_s)) => since_s,
            Some(None) => {
                return invalid(
                    "updated_since",
                    "It should be in the 'combined date and time ISO8601' format",
                );
            }
        };
        let include = value(path, "include").unwrap_or_default();
        let include: Vec<&str> = include.split(',').collect();
        let ordered = value(path, "order_by").as_deref() == Some("updated_at")
            && value(path, "order_type").as_deref() == Some("asc");
        let (skip, take) = (stretch.skip(), stretch.per_page + 1);
        let mut tickets = match ordered {
            true => self.data.page(&self.knobs, place, since_s, skip, take),
            // What the service does by itself: the newest first.
            false => {
                let mut all = self.data.page(&self.knobs, place, since_s, 0, usize::MAX);
                all.sort_unstable_by(|a, b| b.cmp(a));
                all.into_iter().skip(skip).take(take).collect()
            }
        };
        let more = tickets.len() > stretch.per_page;
        tickets.truncate(stretch.per_page);
        let things =
            tickets.into_iter().map(|id| self.data.ticket(&self.knobs, id, &include, files_url)).collect();
        self.page(path, &stretch, things, more)
    }

    fn ticket(&mut self, path: &str, id: u64, files_url: &str, at: Duration) -> Answer {
        if id == 0 || id > self.knobs.tickets {
            return refusal(404);
        }
        let include = value(path, "include").unwrap_or_default();
        let mut include: Vec<&str> = include.split(',').collect();
        include.push("description");
        let told = self.telling(&format!("t{id}"), files_url, at);
        let mut ticket = self.data.ticket(&self.knobs, id, &include, files_url);
        ticket["attachments"] = Value::Array(told.of(&self.knobs, id, self.knobs.attachments));
        if include.contains(&"conversations") {
            let count = Data::messages(&self.knobs, id).min(INCLUDED_MESSAGES_MAX);
            let all = (0..count).map(|n| self.data.message(&self.knobs, id, n, &told)).collect();
            ticket["conversations"] = Value::Array(all);
        }
        Answer::json(200, ticket.to_string())
    }

    /// Addresses of files are new each time that a parent is read.
    fn telling<'a>(&mut self, parent: &str, files_url: &'a str, at: Duration) -> Telling<'a> {
        let told = self.data.told.entry(parent.to_owned()).or_insert(0);
        *told += 1;
        Telling {
            host: files_url,
            now_s: at.as_secs() as i64,
            expired: self.knobs.first_url_expired && *told == 1,
        }
    }

    /// The level of a category is 0, that of a folder is told by its id: `1` + level + place.
    fn folders(&self, path: &str, parent: u64) -> Answer {
        let level = if parent < 100 { 0 } else { parent / 1_000_000 };
        let below = match level < u64::from(self.knobs.folder_levels) {
            true => self.knobs.folder_breadth,
            false => 0,
        };
        self.listed(path, below as usize, |_, n| {
            let id = (level + 1) * 1_000_000 + (parent % 1_000_000) * 10 + n as u64;
            json!({ "id": id, "name": format!("Folder {id}"), "visibility": 1, "parent_folder_id": parent,
                "sub_folders_count": 0, "articles_count": self.knobs.articles })
        })
    }

    fn articles(&self, path: &str, folder: u64) -> Answer {
        let ids: Vec<u64> = (1..=self.knobs.articles)
            .map(|n| folder * 1_000 + n)
            .filter(|id| !self.knobs.articles_removed.contains(id))
            .collect();
        self.listed(path, ids.len(), |desk, n| {
            let (id, place) = (ids[n], ids[n] % 1_000);
            let draft = desk.knobs.draft_every > 0 && (place - 1).is_multiple_of(desk.knobs.draft_every);
            json!({ "id": id, "type": 1, "status": if draft { 1 } else { 2 }, "agent_id": 801, "category_id": 11,
                "folder_id": folder, "title": format!("How to mend {place}"), "tags": ["mend"], "attachments": [],
                "description": format!("<p>Turn it <b>{place}</b> times.</p>"),
                "description_text": format!("Turn it {place} times."), "hits": 0,
                "created_at": data::text(desk.knobs.first_update_s, false),
                "updated_at": data::text(desk.knobs.first_update_s + place as i64, false) })
        })
    }

    /// The host of the files.
    pub(super) fn file(&mut self, files_url: &str, asking: &Asking, at: Duration) -> Answer {
        let path = asking.path.as_str();
        if asking.header("authorization").is_some() {
            let said = "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>";
            return Answer { status: 400, headers: Vec::new(), body: said.as_bytes().to_vec() };
        }
        if self.knobs.files_redirect && !path.starts_with("/kept") {
            let mut answer = Answer::empty(302);
            answer.headers.push(("location", format!("{files_url}/kept{path}")));
            return answer;
        }
        if path.starts_with("/inline/attachment?token=") {
            return Answer::bytes("image/png", b"\x89PNG".to_vec());
        }
        let expires_s: i64 = value(path, "X-Amz-Expires").and_then(|text| text.parse().ok()).unwrap_or(0);
        if expires_s < at.as_secs() as i64 {
            let said = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
            return Answer { status: 403, headers: Vec::new(), body: said.as_bytes().to_vec() };
        }
        let id = path.split('/').rev().nth(1).and_then(|id| id.parse().ok()).unwrap_or(1);
        let file = data::file(&self.knobs, id);
        let body = match file.body {
            Body::Bytes(bytes) => bytes,
            Body::Zeros(length) => vec![0; usize::try_from(length).unwrap_or(0)],
        };
        Answer::bytes(&file.content_type, body)
    }

    /// What a person at the terminal asks the desk itself.
    pub(super) fn control(&mut self, asking: &Asking, at: Duration) -> Answer {
        let parts: Vec<&str> = asking.path.split('/').filter(|part| !part.is_empty()).collect();
        let passed_s = at.as_secs() as i64;
        match parts.as_slice() {
            ["_mock", "log"] => {
                let line = |asked: &super::Asked| {
                    json!({ "at_ms": asked.at.as_millis() as u64, "files": asked.files, "path": asked.path,
                        "status": asked.status, "credits": asked.credits })
                };
                Answer::json(200, Value::Array(self.log.iter().map(line).collect()).to_string())
            }
            ["_mock", "put", id, place] => {
                let place = match *place {
                    "spam" => Place::Spam,
                    "deleted" => Place::Deleted,
                    _ => Place::Live,
                };
                self.put(id.parse().unwrap_or(1), place, passed_s);
                Answer::json(200, "{}".to_owned())
            }
            _ => Answer::empty(404),
        }
    }
}

/// The fields of tickets, in each of the shapes that choices have.
fn fields() -> String {
    json!([
        { "id": 1, "name": "ticket_type", "label": "Type", "choices": ["Question", "Problem"] },
        { "id": 2, "name": "status", "label": "Status", "choices": {
            "2": ["Open", "Being Processed"], "3": ["Pending", "Awaiting your Reply"], "4": ["Resolved", "Resolved"],
            "5": ["Closed", "Closed"], "6": ["Waiting on Customer", "Awaiting your Reply"] } },
        { "id": 3, "name": "priority", "label": "Priority", "choices": { "Low": 1, "Medium": 2, "High": 3, "Urgent": 4 } },
        { "id": 4, "name": "source", "label": "Source", "choices": { "Email": 1, "Portal": 2, "Pigeon": 101 } },
        { "id": 5, "name": "group", "label": "Group", "choices": { "Harbour": 700 } },
        { "ticket_field": { "id": 6, "name": "cf_place", "label": "Place", "choices": [
            { "id": 60, "value": "Quay", "position": 1, "parent_choice_id": null, "choices": [
                { "id": 61, "value": "North", "position": 1, "parent_choice_id": 60, "choices": [] } ] } ],
            "dependent_fields": [] } }
    ])
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::{credits, seconds};

    #[test]
    fn includes_cost() {
        let check = |path: &str, expect: u32| assert_eq!(credits(path), expect);
        check("/tickets?include=description,requester,stats&page=1", 7);
        check("/tickets?include=description%2Crequester", 5);
        check("/tickets?page=1", 1);
        check("/tickets/1?include=conversations", 2);
        check("/agents/me", 1);
    }

    #[test]
    fn times_are_read() {
        assert_eq!(seconds("2012-01-01T00:00:10Z"), Some(1_325_376_010));
        assert_eq!(seconds("yesterday"), None);
    }
}
