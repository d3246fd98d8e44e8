//! Sources that cannot be started, and what is said then.

use serde_json::{Value, json};

use crate::client::{get, post};
use crate::sources::{news, start, world};
use crate::world::{World, local};

#[test]
fn what_cannot_be_started_says_what_can() {
    let server = news();
    let world = world(&server);
    let refused = |world: &World, body: Value| {
        let refused = post(world.address, "/api/ingest/start", &body, "");
        assert_eq!(refused.status, 400, "{body}: {}", refused.body);
        refused.json().to_string()
    };
    for (body, next) in [
        (json!({ "source": "news", "dry_run": true }), "`next_run` of GET /api/sources/news"),
        (json!({ "all_sources": true, "dry_run": true }), "`next_run` of each source"),
        (json!({ "targets": ["/x"], "dry_run": true }), "stele ingest --dry-run"),
    ] {
        let told = refused(&world, body);
        assert!(told.contains("nothing was queued") && told.contains(next), "{told}");
    }
    assert!(start(&world, &json!({ "source": "news", "dry_run": false }))["job_ids"][0].is_string());
    // Where nothing can be used, that is not nothing to do.
    let broken = vec![
        json!({ "source_id": "broken", "source_type": "teapot" }),
        json!({ "source_id": "desk", "source_type": "freshdesk", "domain": "a.example", "api_key": "k",
                "look_back": 1, "enabled": false }),
    ];
    let broken = World::unserved().with_sources(broken).service(local());
    let told = refused(&broken, json!({ "all_sources": true }));
    assert!(told.contains("None of the sources can be used") && told.contains("teapot"), "{told}");
    // What its kind refuses is named where it is looked for.
    let misspelt = json!({ "source_id": "desk", "source_type": "freshdesk", "domain": "a.example",
                           "api_key": "k", "look_back": 1 });
    let good =
        json!({ "source_id": "good", "source_type": "freshdesk", "domain": "b.example", "api_key": "k" });
    let mixed = World::unserved().with_sources(vec![misspelt.clone(), good]).service(local());
    let all = json!({ "all_sources": true });
    assert_eq!(start(&mixed, &all)["job_ids"].as_array().map(Vec::len), Some(1), "the good one alone");
    // That none is due is not that none can be used.
    let none = json!({ "all_sources": true, "priority_threshold": 0 });
    assert_eq!(start(&mixed, &none)["job_ids"], json!([]));
    let misspelt = World::unserved().with_sources(vec![misspelt]).service(local());
    let list = get(misspelt.address, "/api/sources", "").json();
    assert_eq!(list["problems"][0]["source_id"], "desk", "{list}");
    let facts = get(misspelt.address, "/api/system", "").json();
    assert_eq!((&facts["active_sources"], &facts["unusable_sources"]), (&json!(0), &json!(1)), "{facts}");
}

/// A page asks for the list again and again, and a source may keep very many answers.
#[cfg(target_os = "linux")]
#[test]
fn a_list_looks_at_nothing_that_is_kept() {
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use std::fs;
    let source = json!({ "source_id": "news", "source_type": "api", "endpoint": "http://127.0.0.1:1/", "cache": "10m" });
    let world = World::unserved().with_sources(vec![source]).service(local());
    let kept = world.path("data/tmp/answers/news");
    fs::create_dir_all(&kept).unwrap();
    let watch = inotify::init(CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, &kept, WatchFlags::OPEN).unwrap();
    let was_opened = || rustix::io::read(&watch, &mut [0; 4096]).is_ok();
    let list = get(world.address, "/api/sources", "").json();
    assert_eq!((&list["sources"][0]["id"], &list["problems"]), (&json!("news"), &json!([])), "{list}");
    assert!(!was_opened());
    fs::read_dir(&kept).unwrap();
    assert!(was_opened(), "whoever looks is noticed");
}
