//! The dashboard shows what is known of this world, whole without JavaScript, and nothing of a recording is ever
//! markup there.

use crate::client::get;
use crate::world::{World, local, service};

/// Every page, with what it shows of this world.
const SHOWN: [(&str, &[&str]); 18] = [
    ("/", &["Ready for queries", "tick", "<svg", "/coverage", "Damaged lines"]),
    ("/jobs", &["Queue", "No worker is alive"]),
    ("/sources", &["No source is configured", "Live captures", "Watchers"]),
    ("/coverage", &["Every byte is accounted for", "tick", "game.jsonl", "recount"]),
    ("/coverage?recount=true", &["Counted again: everything that was read is here"]),
    ("/coverage/event?name=tick", &["price", "100 %", "game.jsonl:1"]),
    ("/coverage/field?event=tick&path=data.price", &["Held by", "22.5", "game.jsonl"]),
    ("/coverage/drift?from=0", &["a new event", "tick"]),
    ("/excerpt?source=game.jsonl&line=277", &["broken", "rejected", "class=\"here"]),
    ("/search", &["A question in words"]),
    ("/search?query=price", &["Confidence", "<mark>", "data.price", "game.jsonl"]),
    ("/graph", &["A name, title"]),
    ("/graph?name=crane&depth=2", &["/graph/picture?name=crane", "HAS_SECTION", "crane.md"]),
    ("/sql", &["<textarea", "event_counts"]),
    ("/sql?query=SELECT+40%2B2+AS+answer", &["42", "answer", "1 row"]),
    ("/sql?query=SELEC", &["The query makes no sense", "SELEC"]),
    ("/quarantine", &["1 damaged line", "7b", "broken", "the text ends"]),
    ("/docs", &["/api/search", "needs may"]),
];

#[test]
fn every_page_shows_what_is_known() {
    let address = service().address;
    for (path, expect) in SHOWN {
        let response = get(address, path, "");
        assert_eq!(response.status, 200, "{path}: {}", response.body);
        for text in expect {
            assert!(response.body.contains(text), "{path} has no {text}:\n{}", response.body);
        }
        for needed in
            ["<main", "lang=\"en\"", "href=\"#main\"", "name=\"viewport\"", "aria-current", "<title>"]
        {
            assert!(response.body.contains(needed), "{path} has no {needed}");
        }
        // A strict policy would not let these work.
        for refused in [" style=\"", "<style", " onclick", "javascript:"] {
            assert!(!response.body.contains(refused), "{path} has {refused}");
        }
    }
    let picture = get(address, "/graph/picture?name=crane", "");
    assert_eq!((picture.status, picture.header("content-type").as_deref()), (200, Some("image/svg+xml")));
    assert!(picture.header("content-security-policy").unwrap().contains("sandbox"));
    let live = get(address, "/", "").body;
    assert!(live.contains("<noscript><meta http-equiv=\"refresh\""), "{live}");
}

#[test]
fn what_cannot_be_shown_is_said_on_a_page() {
    let address = service().address;
    for (path, status, expect) in [
        ("/coverage/event?name=nope", 404, "No event has that name"),
        ("/coverage/event", 400, "event is empty"),
        ("/graph?name=nope", 404, "Nothing in the graph has that name"),
        ("/excerpt?source=nope&line=1", 404, "No single input"),
        ("/jobs/j000000000000", 404, "no such job"),
        ("/jobs/x", 404, "no such job"),
        ("/nope", 404, "nothing at this address"),
    ] {
        let response = get(address, path, "");
        assert_eq!(response.status, status, "{path}: {}", response.body);
        assert!(
            response.body.contains(expect) && response.body.contains("Try: "),
            "{path}: {}",
            response.body
        );
    }
}

#[test]
fn recordings_are_never_markup() {
    let evil = "<script>alert(1)</script>";
    let quote = "\\\" onmouseover=alert(2) x=\\\"";
    let world = World::unserved();
    world.ingest(
        "<img src=x onerror=alert(3)>.jsonl",
        &format!(
            "{{\"event\":\"{evil}\",\"gameId\":\"{evil}\",\"data\":{{\"{evil}\":\"{evil}\",\"q\":\"{quote}\"}}}}\n\
             {{\"event\":\"{quote}\",\"data\":{{\"{quote}\":1}}}}\n{{\"{evil}\n"
        ),
    );
    world.ingest("evil.md", &format!("# {evil}\n\nSee `{evil}` and run `evil --{evil}`.\n"));
    world.index();
    let world = world.service(local());
    let encoded = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for path in [
        "/".to_owned(),
        "/coverage".to_owned(),
        "/coverage?recount=true".to_owned(),
        "/coverage/drift?from=0".to_owned(),
        format!("/coverage/event?name={encoded}"),
        format!("/coverage/field?event={encoded}&path=data.q"),
        "/excerpt?source=evil.md&line=1".to_owned(),
        "/excerpt?source=%3Cimg%20src%3Dx%20onerror%3Dalert(3)%3E.jsonl&line=3".to_owned(),
        format!("/search?query={encoded}&arm=text"),
        format!("/search?query=%22%20onfocus%3Dalert(4)&arm={encoded}"),
        format!("/graph?name={encoded}"),
        format!("/graph/picture?name={encoded}"),
        "/quarantine".to_owned(),
        format!("/quarantine?reason={encoded}"),
        format!("/sql?query=SELECT%20'{encoded}'%20AS%20%22{encoded}%22"),
        "/sql?query=SELECT%20raw,source%20FROM%20events".to_owned(),
        format!("/{encoded}"),
        format!("/jobs/{encoded}"),
        format!("/jobs?state={encoded}"),
    ] {
        let response = get(world.address, &path, "");
        assert!(response.status < 500, "{path}: {}", response.body);
        let body = &response.body;
        for markup in ["<script>alert", "<img src=x", "\" onmouseover", "\" onfocus"] {
            assert!(!body.contains(markup), "{path} has {markup}:\n{body}");
        }
    }
    // They are shown, though, or this would prove nothing.
    let shown = get(world.address, "/coverage", "").body;
    assert!(shown.contains("&lt;script&gt;alert(1)"), "{shown}");
}
