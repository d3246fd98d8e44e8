//! A workspace of Notion: pages that appear, change and go, lists in parts, blocks inside blocks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stele_http::{Secret, never};
use stele_testkit::server::{Reply, Request, Server};
use stele_watch::{ArrivalKind, Fetching, Watcher, WatcherConfig};

use crate::rig::Rig;

/// What the list of pages and each answer of blocks holds at most here, so that there are several.
const PAGE_SIZE: usize = 2;

#[derive(Default)]
struct Workspace {
    /// When each page was edited; `None` if it was thrown away.
    pages: BTreeMap<String, Option<String>>,
    /// Pages that the list leaves out.
    unlisted: Vec<String>,
    /// Blocks by what they are inside of.
    blocks: BTreeMap<String, Vec<Value>>,
    circle: bool,
}

impl Workspace {
    fn page(&self, id: &str) -> Option<Value> {
        let edited = self.pages.get(id)?;
        Some(json!({
            "object": "page", "id": id, "in_trash": edited.is_none(),
            "last_edited_time": edited.as_deref().unwrap_or("2023-11-14T20:00:00.000Z"),
            "properties": {"Name": {"title": [{"plain_text": format!("Page {id}")}]}},
        }))
    }

    fn answer(&self, request: &Request) -> Reply {
        assert_eq!(request.header("authorization"), Some("Bearer a-secret"));
        assert_eq!(request.header("notion-version"), Some("2022-06-28"));
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let part = |all: Vec<Value>, cursor: Option<&str>| {
            let from: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
            let to = (from + PAGE_SIZE).min(all.len());
            let next = if self.circle { 0 } else { to };
            let more = self.circle || to < all.len();
            let answer = json!({"object": "list", "results": &all[from..to], "has_more": more,
                "next_cursor": more.then(|| next.to_string())});
            Reply::Say(200, "", answer.to_string())
        };
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["v1", "search"]) => {
                let listed = self.pages.keys().filter(|id| !self.unlisted.contains(id));
                part(listed.filter_map(|id| self.page(id)).collect(), request.body["start_cursor"].as_str())
            }
            ("GET", ["v1", "pages", id]) => match self.page(id) {
                Some(page) => Reply::Say(200, "", page.to_string()),
                None => Reply::Say(404, "", r#"{"object":"error","code":"object_not_found"}"#.to_owned()),
            },
            ("GET", ["v1", "blocks", id, "children"]) => {
                let cursor = query.split('&').find_map(|pair| pair.strip_prefix("start_cursor="));
                part(self.blocks.get(*id).cloned().unwrap_or_default(), cursor)
            }
            other => panic!("nobody should ask for {other:?}"),
        }
    }
}

struct Notion {
    workspace: Arc<Mutex<Workspace>>,
    rig: Rig,
    config: WatcherConfig,
}

impl Notion {
    fn new() -> Notion {
        let workspace = Arc::new(Mutex::new(Workspace::default()));
        let asked = Arc::clone(&workspace);
        let server = Server::new(move |_, request| asked.lock().unwrap().answer(request));
        let config = format!("kind = \"notion\"\nurl = \"{}\"\n[http]\ntries_max = 1", server.url);
        let mut rig = Rig::default();
        rig.means.secrets = Arc::new(|name| (name == "NOTION_TOKEN").then(|| Secret::new("a-secret")));
        Notion { workspace, rig, config: toml::from_str(&config).unwrap() }
    }

    fn edit(&self, id: &str, at: &str) {
        let mut workspace = self.workspace.lock().unwrap();
        workspace.pages.insert(id.to_owned(), Some(format!("2023-11-14T{at}.000Z")));
    }

    /// Looks once, and says what was told since.
    fn look(&self, watcher: &mut Watcher) -> String {
        let already = self.rig.told.arrivals().len();
        watcher.step(&never);
        let arrivals = self.rig.told.arrivals();
        let said = arrivals[already..].iter().map(|arrival| match &arrival.kind {
            ArrivalKind::Appeared => format!("+{}", arrival.uri),
            ArrivalKind::Changed => format!("~{}", arrival.uri),
            ArrivalKind::Gone => format!("-{}", arrival.uri),
            ArrivalKind::Renamed { from } => format!("{from}>{}", arrival.uri),
        });
        said.collect::<Vec<_>>().join(" ").replace("notion://", "")
    }

    fn fetch(&self, id: &str) -> Result<Value, String> {
        let means = &self.rig.means;
        let (pace, secrets) = (Arc::clone(&means.pace), Arc::clone(&means.secrets));
        let fetching =
            Fetching { pace, secrets, runtime: means.runtime.clone(), configured: means.configured.clone() };
        let mut bytes = Vec::new();
        let uri = format!("notion://{id}");
        let size = fetching
            .fetch(&uri, Some(&self.config), &mut bytes, &never)
            .map_err(|error| stele_model::error::in_full(&error))?;
        assert_eq!(size, bytes.len() as u64);
        Ok(serde_json::from_slice(&bytes).unwrap())
    }
}

/// The test's day begins at 22:13:20.
#[test]
fn pages_appear_change_and_go() {
    let notion = Notion::new();
    for (id, at) in
        [("a", "20:00:00"), ("b", "20:00:00"), ("c", "21:00:00"), ("d-1", "21:00:00"), ("e", "21:00:00")]
    {
        notion.edit(id, at);
    }
    let mut watcher = notion.rig.open(&notion.config);
    assert_eq!(notion.look(&mut watcher), "+a +b +c +d-1 +e");
    assert_eq!(notion.look(&mut watcher), "");
    notion.edit("b", "22:12:00");
    notion.workspace.lock().unwrap().pages.insert("c".to_owned(), None);
    notion.workspace.lock().unwrap().pages.remove("d-1");
    // The list leaves it out, and it is there all the same.
    notion.workspace.lock().unwrap().unlisted.push("e".to_owned());
    assert_eq!(notion.look(&mut watcher), "~b -c -d-1");
    assert_eq!(watcher.status().seen, 3);
}

#[test]
fn an_edit_of_this_minute_waits_for_its_end() {
    let notion = Notion::new();
    notion.edit("old", "20:00:00");
    let mut watcher = notion.rig.open(&notion.config);
    assert_eq!(notion.look(&mut watcher), "+old");
    notion.edit("old", "22:13:00");
    notion.edit("new", "22:13:00");
    assert_eq!(notion.look(&mut watcher), "");
    let status = watcher.status();
    assert_eq!((status.waiting, status.seen), (2, 2));
    stele_http::wait(notion.rig.means.pace.as_ref(), 60_000, &never).unwrap();
    assert_eq!(notion.look(&mut watcher), "+new ~old");
    assert_eq!(watcher.status().waiting, 0);
}

#[test]
fn a_page_comes_with_its_blocks() {
    let notion = Notion::new();
    notion.edit("a", "20:00:00");
    let block = |id: &str, kind: &str, inside: bool| json!({"object": "block", "id": id, "type": kind, "has_children": inside});
    {
        let mut workspace = notion.workspace.lock().unwrap();
        let blocks = vec![
            block("1", "toggle", true),
            block("2", "paragraph", false),
            block("3", "child_page", true),
            block("4", "paragraph", false),
            block("5", "paragraph", false),
        ];
        workspace.blocks.insert("a".to_owned(), blocks);
        let inside = vec![block("6", "bulleted_list_item", true)];
        workspace.blocks.insert("1".to_owned(), inside);
        workspace.blocks.insert("6".to_owned(), vec![block("7", "paragraph", false)]);
        workspace.blocks.insert("3".to_owned(), vec![block("8", "paragraph", false)]);
    }
    let page = notion.fetch("a").unwrap();
    assert_eq!(page["page"]["id"], "a");
    let ids = |blocks: &Value| -> Vec<String> {
        blocks.as_array().unwrap().iter().map(|block| block["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&page["blocks"]), ["1", "2", "3", "4", "5"]);
    assert_eq!(ids(&page["blocks"][0]["children"]), ["6"]);
    assert_eq!(ids(&page["blocks"][0]["children"][0]["children"]), ["7"]);
    assert_eq!(page["blocks"][2].get("children"), None, "a page inside is a page of its own");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let notion = Notion::new();
    notion.edit("a", "20:00:00");
    let blocks =
        |id: &str| vec![json!({"object": "block", "id": id, "type": "toggle", "has_children": true})];
    let cases: [(&str, &str, bool, &str); 4] = [
        ("nobody", "x", false, "object_not_found"),
        ("a/../search", "x", false, "not the id of a page"),
        ("a", "a", false, "64 deep"),
        ("a", "x", true, "goes round in a circle"),
    ];
    for (page, inside, circle, expect) in cases {
        {
            let mut workspace = notion.workspace.lock().unwrap();
            workspace.blocks = BTreeMap::from([("a".to_owned(), blocks(inside))]);
            workspace.circle = circle;
        }
        let error = notion.fetch(page).unwrap_err();
        assert!(error.contains(expect), "{page} {inside} {circle}: {error}");
        assert!(!error.contains("a-secret"));
    }
}

#[test]
fn without_a_key_it_is_not_opened() {
    let mut notion = Notion::new();
    notion.rig.means.secrets = Arc::new(|_| None);
    let error = Watcher::open("test", &notion.config, &notion.rig.means).err().unwrap().to_string();
    assert!(error.contains("the variable NOTION_TOKEN is not set"), "{error}");
}
