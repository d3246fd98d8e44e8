//! Resources below others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use stele_collect::{CollectError, UNAVAILABLE_MAX};
use stele_testkit::server::{Reply, Request, Server};

use crate::rig::{Lake, ended, param, path, rig, say, say_with};

/// Posts 0, 1 and 2 with 0, 1 and 3 pages of two comments each.
fn blog(request: &Request) -> Reply {
    let page: usize = param(request, "page").map_or(1, |page| page.parse().unwrap());
    if path(request) == "/posts" {
        return say(&if page == 1 { json!([{"id": 0}, {"id": 1}, {"id": 2}]) } else { json!([]) });
    }
    let post: usize = path(request).split('/').nth(2).unwrap().parse().unwrap();
    let pages = [0, 1, 3][post];
    let comment = |n: usize| json!({"id": post * 100 + page * 10 + n, "text": "hi"});
    say(&if page <= pages { json!([comment(0), comment(1)]) } else { json!([]) })
}

fn settings(url: &str) -> Value {
    json!({"base_url": url, "workers": 3, "resources": [
        // Written in any order.
        {"name": "comments", "path": "posts/{resources.posts.id}/comments", "key": "id", "include_from_parent": ["id"],
         "paginate": {"type": "page_number"}},
        {"name": "posts", "path": "posts", "key": "id", "paginate": {"type": "page_number"}},
    ]})
}

#[test]
fn rest_03_children_of_every_parent_page_by_page() {
    let server = Server::new(|_, request| blog(request));
    let mut lake = Lake::default();
    let collected = rig(settings(&server.url)).collect(&mut lake).unwrap();
    assert_eq!(lake.ids("posts"), [0, 1, 2]);
    assert_eq!(lake.ids("comments"), [110, 111, 210, 211, 220, 221, 230, 231]);
    assert_eq!((ended(&collected, "posts"), ended(&collected, "comments")), ("ok".into(), "ok".into()));
    // 2 for the posts; 1, 2 and 4 for their comments.
    assert_eq!(server.requests().len(), 2 + 1 + 2 + 4);
    // Whose they are is beside what was said, which stays as it was.
    let line = lake.lines("comments").into_iter().find(|line| line["data"]["id"] == 230).unwrap();
    assert_eq!(line["data"], json!({"id": 230, "text": "hi"}));
    assert_eq!(line["normalised"], json!({"parent": {"id": 2}}));
    assert_eq!(line["original_id"], "2/230");
    // In order within each parent.
    let of_two: Vec<i64> =
        lake.values("comments", "id").iter().filter_map(Value::as_i64).filter(|id| *id >= 200).collect();
    assert_eq!(of_two, [210, 211, 220, 221, 230, 231]);
}

#[test]
fn rest_03_children_of_children_and_values_in_every_place() {
    let server = Server::new(|_, request| match path(request) {
        "/orgs" => say(&json!([{"slug": "a/b", "n": 1}, {"slug": "c", "n": 2}])),
        "/orgs/a%2Fb/repos" => say(&json!([{"id": 10}, {"id": 11}])),
        "/orgs/c/repos" => say(&json!([{"id": 10}])),
        "/issues" => {
            assert_eq!(request.method, "POST");
            say(&json!([{"id": 1, "of": request.body}]))
        }
        other => panic!("{other}"),
    });
    let mut lake = Lake::default();
    rig(json!({"base_url": server.url, "resources": [
        {"name": "orgs", "path": "orgs"},
        {"name": "repos", "path": "orgs/{resources.orgs.slug}/repos", "key": "id"},
        {"name": "issues", "path": "issues", "method": "POST", "key": "id",
         "body": {"org": "{resources.orgs.n}", "q": "repo:{resources.repos.id}"}},
    ]}))
    .collect(&mut lake)
    .unwrap();
    let mut asked: Vec<String> = lake.values("issues", "of").iter().map(Value::to_string).collect();
    asked.sort();
    assert_eq!(
        asked,
        [r#"{"org":1,"q":"repo:10"}"#, r#"{"org":1,"q":"repo:11"}"#, r#"{"org":2,"q":"repo:10"}"#]
    );
}

#[test]
fn rest_03_a_parent_that_went_is_told_and_the_others_are_read() {
    let server = Server::new(|_, request| match path(request) {
        "/posts/1/comments" => Reply::Say(404, "", String::new()),
        "/posts/2/comments" => Reply::Say(403, "", r#"{"message": "not yours"}"#.to_owned()),
        "/posts" => say(&json!([{"id": 0}, {"id": 1}, {"id": 2}, {"id": null}])),
        _ => say(&json!([{"id": 5}])),
    });
    let mut settings = settings(&server.url);
    settings["resources"][0]["paginate"] = json!({"type": "single"});
    settings["resources"][1]["paginate"] = json!({"type": "single"});
    let mut lake = Lake::default();
    let collected = rig(settings).collect(&mut lake).unwrap();
    assert_eq!((ended(&collected, "comments"), lake.ids("comments")), ("ok".to_owned(), vec![5]));
    let mut told: Vec<String> = collected
        .streams
        .iter()
        .flat_map(|s| &s.unavailable)
        .map(|(what, why)| format!("{what}: {why}"))
        .collect();
    told.sort();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("1: ") && told[0].contains("404"), "{}", told[0]);
    assert!(told[1].starts_with("2: ") && told[1].contains("not yours"), "{}", told[1]);
    assert!(told[2].contains("a record of posts has no `id`"), "{}", told[2]);
}

#[test]
fn rest_03_what_is_below_one_that_is_not_given_is_not_given_either() {
    let server = Server::new(|_, request| match path(request) {
        "/posts" => Reply::Say(403, "", r#"{"message": "not yours"}"#.to_owned()),
        "/tags" => say(&json!([])),
        other => panic!("{other}"),
    });
    let collected = rig(json!({"base_url": server.url, "resources": [
        {"name": "posts", "path": "posts", "key": "id"},
        {"name": "comments", "path": "posts/{resources.posts.id}/comments", "key": "id"},
        {"name": "replies", "path": "comments/{resources.comments.id}/replies", "key": "id"},
        {"name": "tags", "path": "tags", "key": "id"},
        {"name": "uses", "path": "tags/{resources.tags.id}/uses", "key": "id"},
    ]}))
    .collect(&mut Lake::default())
    .unwrap();
    assert!(ended(&collected, "posts").starts_with("unavailable: "), "{}", ended(&collected, "posts"));
    assert_eq!(ended(&collected, "comments"), "unavailable: posts is not given");
    assert_eq!(ended(&collected, "replies"), "unavailable: comments is not given");
    // That there is none is no refusal.
    assert_eq!((ended(&collected, "tags"), ended(&collected, "uses")), ("ok".into(), "ok".into()));
}

#[test]
fn rest_05_a_parent_is_not_done_before_its_children_are() {
    let fails = Arc::new(AtomicUsize::new(1));
    let failing = Arc::clone(&fails);
    let server = Server::new(move |_, request| match path(request) {
        "/posts" => say(&json!([{"id": 1, "at": 5}, {"id": 2, "at": 6}])),
        "/posts/2/comments" if failing.load(Ordering::SeqCst) > 0 => Reply::Say(400, "", "no".to_owned()),
        _ => say(&json!([{"id": 9}])),
    });
    let settings = json!({"base_url": server.url, "resources": [
        {"name": "posts", "path": "posts", "incremental": {"cursor": "at"}},
        {"name": "comments", "path": "posts/{resources.posts.id}/comments"},
    ]});
    let mut lake = Lake::default();
    let collected = rig(settings.clone()).collect(&mut lake).unwrap();
    let ended_as = ended(&collected, "comments");
    assert!(
        ended_as.starts_with("failed: 1 records of posts were asked for in vain; the first: "),
        "{ended_as}"
    );
    assert!(collected.notes.iter().any(|note| note.starts_with("posts is read again by the next run")));
    assert!(lake.cursors.get("posts").is_none());
    // The next run meets them again, and then they are done.
    fails.store(0, Ordering::SeqCst);
    rig(settings.clone()).collect(&mut lake).unwrap();
    assert_eq!(lake.cursors.get("posts").unwrap()["at"], 6);
    let before = server.requests().len();
    rig(settings).collect(&mut lake).unwrap();
    assert_eq!(server.requests().len(), before + 1);
}

#[test]
fn rest_05_cursors_of_parents_are_their_own() {
    let server = Server::new(|_, request| {
        let since: i64 = param(request, "since").map_or(0, |since| since.parse().unwrap());
        match path(request) {
            "/posts" => say(&json!([{"id": 1}, {"id": 2}])),
            // The comments of one are much newer than those of the other.
            "/posts/1/comments" => say(&json!([{"id": 11, "at": 1_000}])),
            _ if since <= 5 => say(&json!([{"id": 21, "at": 5}, {"id": 22, "at": 4}])),
            _ => panic!("asked from {since}, which is the cursor of another post"),
        }
    });
    let settings = json!({"base_url": server.url, "resources": [
        {"name": "posts", "path": "posts"},
        {"name": "comments", "path": "posts/{resources.posts.id}/comments",
         "incremental": {"cursor": "at", "param": "since"}},
    ]});
    let mut lake = Lake::default();
    for _ in 0..2 {
        rig(settings.clone()).collect(&mut lake).unwrap();
    }
    assert_eq!(lake.ids("comments"), [11, 21, 22]);
    let parents = &lake.cursors.get("comments").unwrap()["parents"];
    assert_eq!((&parents["1"]["at"], &parents["2"]["at"]), (&json!(1_000), &json!(5)));
}

#[test]
fn rest_05_parents_that_went_are_forgotten() {
    let check = |incremental: Value, then: fn() -> Reply, kept: &[&str]| {
        let server = Server::new(move |number, request| match path(request) {
            "/posts" if number == 0 => say(&json!([{"id": 1, "at": 1}, {"id": 2, "at": 2}])),
            "/posts" => then(),
            "/more" => Reply::Say(400, "", "no".to_owned()),
            _ => say(&json!([{"id": 9, "at": 9}])),
        });
        let settings = json!({"base_url": server.url, "resources": [
            {"name": "posts", "path": "posts", "incremental": incremental},
            {"name": "comments", "path": "posts/{resources.posts.id}/comments", "incremental": {"cursor": "at"}},
        ]});
        let mut lake = Lake::default();
        for _ in 0..2 {
            rig(settings.clone()).collect(&mut lake).unwrap();
        }
        let cursor = lake.cursors.get("comments").unwrap();
        let parents: Vec<&String> = cursor["parents"].as_object().unwrap().keys().collect();
        assert_eq!(parents, kept, "{incremental}");
    };
    let others = || say(&json!([{"id": 2, "at": 2}, {"id": 3, "at": 3}]));
    check(Value::Null, others, &["2", "3"]);
    // What is not new did not go.
    check(json!({"cursor": "at"}), others, &["1", "2", "3"]);
    // Nobody knows that they went.
    check(Value::Null, || say(&json!([])), &["1", "2"]);
    check(Value::Null, || Reply::Say(403, "", String::new()), &["1", "2"]);
    let half = || say_with(200, "Link: </more>; rel=next\r\n".to_owned(), &json!([{"id": 2}]));
    check(Value::Null, half, &["1", "2"]);
}

#[test]
fn rest_05_a_stop_while_a_batch_is_handed_over_moves_no_parent() {
    let server = Server::new(|_, request| match path(request) {
        "/posts" => say(&json!([{"id": 1}, {"id": 2}, {"id": 3}])),
        path => {
            let id: i64 = path.split('/').nth(2).unwrap().parse().unwrap();
            say(&json!([{"id": id, "at": 5}]))
        }
    });
    let settings = json!({"base_url": server.url, "workers": 1, "dedup": "content", "resources": [
        {"name": "posts", "path": "posts"},
        {"name": "comments", "path": "posts/{resources.posts.id}/comments", "incremental": {"cursor": "at"}},
    ]});
    // The posts, the comment of the first, and no further.
    let mut lake = Lake { stops: Some(2), size: Some(1), ..Lake::default() };
    let error = rig(settings.clone()).collect(&mut lake).unwrap_err();
    assert!(matches!(error, CollectError::Cancelled), "{error}");
    assert_eq!((lake.ids("comments"), lake.batches.len()), (vec![1], 2));
    assert!(lake.cursors.get("comments").is_none());
    rig(settings).collect(&mut lake).unwrap();
    assert_eq!(lake.ids("comments"), [1, 2, 3]);
    assert_eq!(lake.cursors.get("comments").unwrap()["parents"].as_object().unwrap().len(), 3);
}

#[test]
fn rest_03_what_cannot_be_had_is_counted_beyond_what_is_named() {
    let server = Server::new(|_, _| say(&(0..UNAVAILABLE_MAX + 3).map(|n| json!({"n": n})).collect()));
    let collected = rig(json!({"base_url": server.url, "resources": [
        {"name": "posts", "path": "posts"}, {"name": "comments", "path": "posts/{resources.posts.id}/comments"},
    ]}))
    .collect(&mut Lake::default())
    .unwrap();
    assert_eq!((collected.streams[0].unavailable.len(), collected.unavailable_more), (UNAVAILABLE_MAX, 3));
    let note = "posts: beside the 1000 things that are named, 3 more could not be had";
    assert!(collected.notes.iter().any(|said| said == note), "{:?}", collected.notes);
}

#[test]
fn rest_14_a_parent_that_froze_is_read_again() {
    let server = Server::new(|_, request| match path(request) {
        "/posts" => say(
            &json!([{"id": 1, "at": "2026-01-01T00:00:00Z"}, {"id": 2, "at": "2026-01-02T00:00:00Z", "new": 1}]),
        ),
        _ => say(&json!([])),
    });
    let settings = |columns: &str| {
        json!({"base_url": server.url, "schema": {"columns": columns}, "resources": [
            {"name": "posts", "path": "posts", "key": "id", "incremental": {"cursor": "at", "param": "since"}},
            {"name": "comments", "path": "posts/{resources.posts.id}/comments", "key": "id"},
        ]})
    };
    let mut lake = Lake::default();
    let collected = rig(settings("freeze")).collect(&mut lake).unwrap();
    assert!(ended(&collected, "posts").contains("`new` is a new member"));
    assert_eq!(lake.ids("posts"), [0; 0]);
    // Nobody has to know which records were refused: where they are allowed, they come.
    assert_eq!(ended(&rig(settings("evolve")).collect(&mut lake).unwrap(), "posts"), "ok");
    assert_eq!(lake.ids("posts"), [1, 2]);
}

#[test]
fn rest_03_children_are_streamed_and_bounded() {
    // 500 parents of one record each, read by 8: all of them, once.
    let server = Server::new(|_, request| match path(request) {
        "/posts" => say(&(0..500).map(|id| json!({"id": id})).collect()),
        path => say(&json!([{"id": path.split('/').nth(2).unwrap().parse::<i64>().unwrap()}])),
    });
    let mut lake = Lake::default();
    let collected = rig(json!({"base_url": server.url, "workers": 8, "resources": [
        {"name": "posts", "path": "posts"}, {"name": "comments", "path": "posts/{resources.posts.id}/comments"},
    ]}))
    .collect(&mut lake)
    .unwrap();
    assert_eq!(lake.ids("comments"), (0..500).collect::<Vec<i64>>());
    assert_eq!(collected.calls, 501);
}
