//! The second help desk: what is Freshdesk's alone is not in the way of another.

use std::sync::Arc;

use serde_json::{Value, json};
use stele_collect::{Collector, Means, Outcome};
use stele_helpdesk::{Helpdesk, HelpdeskConfig, NoTexts, PlainText, PlatformKind};
use stele_http::{Pace, Still, never};
use stele_model::time::FixedClock;
use stele_testkit::server::{Reply, Request, Server};

use crate::rig::{Kept, outcome};

const ISSUES: u64 = 230;

fn parameter(request: &Request, name: &str) -> Option<String> {
    let pairs = request.path.split_once('?')?.1;
    pairs.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).map(str::to_owned)
}

fn issue(number: u64) -> Value {
    let at = format!("2024-01-01T{:02}:{:02}:00Z", number / 60, number % 60);
    json!({ "id": 90_000 + number, "number": number, "title": format!("Issue {number}"), "body": "It breaks.",
        "state": if number.is_multiple_of(2) { "open" } else { "closed" }, "labels": [{ "name": "bug" }],
        "user": { "id": 1, "login": "auk" }, "assignee": null, "created_at": at, "updated_at": at })
}

/// As much of the service as is asked.
fn reply(request: &Request) -> Reply {
    let page: usize = parameter(request, "page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let plain = request.path.split('?').next().unwrap_or_default();
    let all: Vec<Value> = match plain.rsplit('/').next() {
        Some("issues") => {
            let since = parameter(request, "since").unwrap_or_default();
            (1..=ISSUES)
                .map(issue)
                .filter(|issue| issue["updated_at"].as_str() >= Some(since.as_str()))
                .collect()
        }
        Some("comments") => {
            let number: u64 = plain.rsplit('/').nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
            let one = |n: u64| {
                json!({ "id": number * 1_000 + n, "body": "Me too.", "user": { "id": 2 },
                "author_association": if n == 0 { "MEMBER" } else { "NONE" }, "created_at": "2024-02-01T00:00:00Z" })
            };
            (0..number % 3).map(one).collect()
        }
        Some("milestones") => vec![json!({ "id": 1, "title": "v1" })],
        _ => return Reply::Say(200, "", json!({ "full_name": "harbour/pumps" }).to_string()),
    };
    let rest = all.len() > page * 100;
    let some: Vec<Value> = all.into_iter().skip((page - 1) * 100).take(100).collect();
    let headers = match rest {
        true => {
            "x-ratelimit-limit: 5000\r\nx-ratelimit-remaining: 4000\r\nlink: <http://next>; rel=\"next\"\r\n"
        }
        false => "x-ratelimit-limit: 5000\r\nx-ratelimit-remaining: 4000\r\n",
    };
    Reply::Say(200, headers, Value::Array(some).to_string())
}

#[test]
fn issues_are_tickets() {
    let server = Server::new(|_, request| reply(request));
    let mut config = HelpdeskConfig::new(&format!("{}/repos/harbour/pumps", server.url), "${TOKEN}", "acme");
    config.platform = PlatformKind::GithubIssues;
    config.allow_insecure = true;
    let lookup = |name: &str| (name == "TOKEN").then(|| "geheim".to_owned());
    let mut desk = Helpdesk::new("pumps", config, &lookup, Arc::new(PlainText), Arc::new(NoTexts)).unwrap();
    let pace: Arc<dyn Pace> = Arc::new(Still::default());
    let clock = FixedClock(1_900_000_000_000_000);
    let means = Means {
        clock: &clock,
        pace,
        cancelled: &never,
        progress: &|_, _| {},
        fetching: stele_collect::Stopwatch::default(),
        watch: &(),
    };
    assert_eq!(desk.check(&means).unwrap().identity.as_deref(), Some("harbour/pumps"));
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer geheim"));
    let names: Vec<String> = desk.discover(&means).unwrap().into_iter().map(|stream| stream.name).collect();
    assert_eq!(names, ["tickets", "conversations", "attachments", "milestones"]);

    let mut kept = Kept::default();
    let collected = desk.collect(&kept.cursors.clone(), &mut kept, &means).unwrap();
    for stream in ["tickets", "conversations", "milestones"] {
        assert_eq!(outcome(&collected, stream).outcome, Outcome::Ok);
    }
    assert_eq!(kept.ids("tickets"), (1..=ISSUES).collect::<Vec<_>>());
    assert_eq!(kept.count("conversations"), (1..=ISSUES).map(|number| number as usize % 3).sum::<usize>());
    let normal = &kept.get("tickets", 5)["normalised"];
    assert_eq!(normal["id"], "acme_github_issues_5");
    assert_eq!((&normal["status"], &normal["priority"]), (&json!("closed"), &Value::Null));
    assert_eq!((&normal["tags"], &normal["requester"]["name"]), (&json!(["bug"]), &json!("auk")));
    assert_eq!(normal["conversations"][0]["incoming"], false);
    assert_eq!(normal["conversations"][1]["incoming"], true);

    kept.taken.clear();
    let collected = desk.collect(&kept.cursors.clone(), &mut kept, &means).unwrap();
    assert!(kept.taken.is_empty());
    assert_eq!(collected.calls, 2);
}
