//! Every way from one page to the next, with no page, one, some, and one record too many.

use serde_json::{Value, json};
use stele_testkit::server::{Reply, Request, Server};

use crate::rig::{Lake, ended, param, rig, say, say_with, try_rig};

/// Records of a page.
const SIZE: usize = 2;

/// A page of a list of so many records.
fn page(total: usize, from: usize) -> Vec<Value> {
    (from..total.min(from + SIZE)).map(|id| json!({"id": id})).collect()
}

fn at(request: &Request, name: &str) -> usize {
    param(request, name).map_or(0, |value| value.parse().unwrap())
}

/// Reads lists of several lengths by one way and counts requests; `answer` is a page of a list of so many records.
#[track_caller]
fn check(paginate: Value, answer: fn(&Request, usize) -> Reply, requests: [(usize, usize); 5]) {
    for (total, expect) in requests {
        let server = Server::new(move |_, request| answer(request, total));
        let mut rig = rig(json!({
            "base_url": server.url,
            "resources": [{"name": "items", "path": "items", "select": "$.items[*]", "key": "id", "paginate": paginate}],
        }));
        let mut lake = Lake::default();
        let collected = rig.collect(&mut lake).unwrap();
        assert_eq!(ended(&collected, "items"), "ok", "{paginate} {total}");
        let ids: Vec<Value> = (0..total).map(|id| json!(id)).collect();
        assert_eq!(lake.values("items", "id"), ids, "{paginate} {total}");
        assert_eq!((server.requests().len(), collected.calls), (expect, expect as u64), "{paginate} {total}");
        assert_eq!(collected.streams[0].records, total as u64);
    }
}

#[test]
fn rest_03_page_numbers() {
    let answer = |request: &Request, total: usize| {
        assert_eq!(param(request, "per_page").as_deref(), Some("2"));
        say(&json!({"items": page(total, (at(request, "page") - 1) * SIZE)}))
    };
    let settings = json!({"type": "page_number", "size_param": "per_page", "size": 2});
    // The empty page is the end: a short one may be all that the service gives.
    check(settings, answer, [(0, 1), (1, 2), (2, 2), (4, 3), (5, 4)]);
    let answer = |request: &Request, total: usize| {
        say(&json!({"items": page(total, at(request, "p") * SIZE), "pages": total.div_ceil(SIZE)}))
    };
    let settings = json!({"type": "page", "param": "p", "start": 0, "pages_path": "$.pages"});
    check(settings, answer, [(0, 1), (1, 1), (2, 1), (4, 2), (5, 3)]);
}

#[test]
fn rest_03_offsets() {
    let answer = |request: &Request, total: usize| say(&json!({"items": page(total, at(request, "offset"))}));
    // 2 came where 10 were asked for: the next begins behind those that came.
    check(json!({"type": "offset", "limit": 10}), answer, [(0, 1), (1, 2), (2, 2), (4, 3), (5, 4)]);
    let answer = |request: &Request, total: usize| {
        assert_eq!(param(request, "take").as_deref(), Some("2"));
        say(&json!({"items": page(total, at(request, "skip")), "meta": {"total": total}}))
    };
    let settings = json!({"type": "offset", "param": "skip", "limit_param": "take", "limit": 2, "total_path": "$.meta.total"});
    check(settings, answer, [(0, 1), (1, 1), (2, 1), (4, 2), (5, 3)]);
}

#[test]
fn rest_03_cursors_in_the_body() {
    let answer = |request: &Request, total: usize| {
        let from = at(request, "after");
        let next = (from + SIZE < total).then(|| (from + SIZE).to_string());
        say(&json!({"items": page(total, from), "meta": {"next_cursor": next}}))
    };
    let settings = json!({"type": "cursor", "path": "$.meta.next_cursor", "param": "after"});
    check(settings, answer, [(0, 1), (1, 1), (2, 1), (4, 2), (5, 3)]);
    // A service that always gives one, and says beside it whether there is more.
    let answer = |request: &Request, total: usize| {
        let from = at(request, "after");
        say(&json!({"items": page(total, from), "cursor": from + SIZE, "more": from + SIZE < total}))
    };
    let settings = json!({"type": "cursor", "path": "$.cursor", "param": "after", "more_path": "$.more"});
    check(settings, answer, [(0, 1), (1, 1), (2, 1), (4, 2), (5, 3)]);
}

#[test]
fn rest_03_cursors_in_the_body_of_what_is_asked() {
    let server = Server::new(|_, request| {
        assert_eq!((request.method.as_str(), &request.body["q"]), ("POST", &json!("all")));
        let from = request.body["after"].as_u64().unwrap_or(0) as usize;
        let next = (from + SIZE < 5).then_some(from + SIZE);
        say(&json!({"items": page(5, from), "next": next}))
    });
    let mut rig = rig(json!({
        "endpoint": format!("{}/search", server.url), "name": "items", "method": "POST", "body": {"q": "all"},
        "select": "$.items[*]", "paginate": {"type": "cursor", "path": "$.next", "param": "after", "in_body": true},
    }));
    let mut lake = Lake::default();
    rig.collect(&mut lake).unwrap();
    assert_eq!((lake.ids("items"), server.requests().len()), (vec![0, 1, 2, 3, 4], 3));
}

#[test]
fn rest_03_cursors_in_a_header() {
    let answer = |request: &Request, total: usize| {
        let from = at(request, "token");
        let header = match from + SIZE < total {
            true => format!("X-Next-Token: {}\r\n", from + SIZE),
            false => String::new(),
        };
        say_with(200, header, &json!({"items": page(total, from)}))
    };
    let settings = json!({"type": "header_cursor", "header": "X-Next-Token", "param": "token"});
    check(settings, answer, [(0, 1), (1, 1), (2, 1), (4, 2), (5, 3)]);
}

/// A `Link` header beside others, with an address that is no whole one.
fn linked(request: &Request, total: usize) -> Reply {
    let from = at(request, "from");
    let mut header = "Link: </items?from=0>; rel=\"first\"".to_owned();
    if from + SIZE < total {
        header.push_str(&format!(", </items?from={},&x=1>; title=\"a, b\"; rel=\"next last\"", from + SIZE));
    }
    say_with(200, header + "\r\n", &json!({"items": page(total, from)}))
}

#[test]
fn rest_03_link_headers() {
    let answer = |request: &Request, total: usize| {
        let mut request = request.clone();
        request.path = request.path.replace(",&", "&").replace("%2C", "");
        linked(&request, total)
    };
    check(json!({"type": "link_header"}), answer, [(0, 1), (1, 1), (2, 1), (4, 2), (5, 3)]);
}

#[test]
fn rest_03_links_in_the_body() {
    let answer = |request: &Request, total: usize| {
        let from = at(request, "from");
        let next = if from + SIZE < total { json!(format!("?from={}", from + SIZE)) } else { json!("") };
        say(&json!({"items": page(total, from), "paging": [{"rel": "self"}, {"rel": "next", "href": next}]}))
    };
    let settings = json!({"type": "json_link", "path": "$.paging[?@.rel=='next'].href"});
    check(settings, answer, [(0, 1), (1, 1), (2, 1), (4, 2), (5, 3)]);
}

#[test]
fn rest_03_a_single_page() {
    let answer = |_: &Request, total: usize| {
        let all: Vec<Value> = (0..total).map(|id| json!({"id": id})).collect();
        say(&json!({"items": all, "next_cursor": "never looked at"}))
    };
    check(json!({"type": "single"}), answer, [(0, 1), (1, 1), (2, 1), (4, 1), (5, 1)]);
}

#[test]
fn rest_03_as_the_first_answer_shows() {
    let auto = || json!({"type": "auto"});
    let answer = |request: &Request, total: usize| {
        let mut request = request.clone();
        request.path = request.path.replace(",&", "&").replace("%2C", "");
        linked(&request, total)
    };
    check(auto(), answer, [(0, 1), (1, 1), (2, 1), (4, 2), (5, 3)]);
    let answer = |request: &Request, total: usize| {
        let from = at(request, "from");
        let next = (from + SIZE < total).then(|| format!("/items?from={}", from + SIZE));
        say(&json!({"items": page(total, from), "_links": {"next": {"href": next}}}))
    };
    check(auto(), answer, [(0, 1), (1, 1), (2, 1), (4, 2), (5, 3)]);
    let answer = |request: &Request, total: usize| {
        let from = at(request, "pageToken");
        let next = if from + SIZE < total { (from + SIZE).to_string() } else { String::new() };
        say(&json!({"items": page(total, from), "nextPageToken": next}))
    };
    check(auto(), answer, [(0, 1), (1, 1), (2, 1), (4, 2), (5, 3)]);
    let answer = |_: &Request, total: usize| {
        let all: Vec<Value> = (0..total).map(|id| json!({"id": id})).collect();
        say(&json!({"items": all, "has_more": false}))
    };
    check(auto(), answer, [(0, 1), (1, 1), (2, 1), (4, 1), (5, 1)]);
}

#[test]
fn rest_03_a_page_of_which_nothing_is_wanted_is_no_end() {
    let check = |select: &str,
                 paginate: Value,
                 answer: fn(&Request) -> Reply,
                 expect: &str,
                 requests: usize| {
        let server = Server::new(move |_, request| answer(request));
        let mut rig = rig(json!({
            "base_url": server.url,
            "resources": [{"name": "items", "path": "items", "select": select, "key": "id", "paginate": paginate}],
        }));
        let mut lake = Lake::default();
        let collected = rig.collect(&mut lake).unwrap();
        let ended = ended(&collected, "items");
        assert!(ended.contains(expect), "{paginate}: {ended}");
        let ids: &[i64] = if expect == "ok" { &[4] } else { &[] };
        assert_eq!((lake.ids("items").as_slice(), server.requests().len()), (ids, requests), "{paginate}");
    };
    // Three pages, of which the last has what is wanted.
    let last = "$.items[?@.id>=4]";
    let numbered =
        |request: &Request| say(&json!({"items": page(5, (at(request, "page") - 1) * SIZE), "pages": 3}));
    check(last, json!({"type": "page_number"}), numbered, "ok", 4);
    check(last, json!({"type": "page_number", "pages_path": "$.pages"}), numbered, "ok", 3);
    let offset = |request: &Request| say(&json!({"items": page(5, at(request, "offset")), "total": 5}));
    check(last, json!({"type": "offset", "limit": 10}), offset, "ok", 4);
    check(last, json!({"type": "offset", "limit": 2, "total_path": "$.total"}), offset, "ok", 3);
    // Where nobody sees how many there are, the service has to say it.
    let nested = "$.by[*].items[?@.id>=4]";
    let numbered = |request: &Request| {
        let items = page(5, (at(request, "page") - 1) * SIZE);
        say(&json!({"by": [{"items": items}], "pages": 3}))
    };
    check(nested, json!({"type": "page_number", "pages_path": "$.pages"}), numbered, "ok", 3);
    let why = "the number of pages is not where `pages_path` says";
    check(nested, json!({"type": "page_number", "pages_path": "$.all"}), numbered, why, 1);
    // The same page for ever is still one.
    let same = |_: &Request| say(&json!({"items": page(2, 0)}));
    check(last, json!({"type": "page_number"}), same, "pagination_loop", 2);
}

#[test]
fn rest_03_the_number_of_all_says_where_the_end_is() {
    // A page with nothing on it in the middle, as services have it that leave out what one may not see.
    let check = |paginate: Value| {
        let server = Server::new(|_, request| {
            let from = param(request, "offset")
                .map_or_else(|| (at(request, "page") - 1) * SIZE, |offset| offset.parse().unwrap());
            let items = if from == SIZE { Vec::new() } else { page(6, from) };
            say(&json!({"items": items, "pages": 3, "total": 6}))
        });
        let settings =
            json!({"endpoint": server.url, "name": "items", "select": "$.items[*]", "paginate": paginate});
        let mut lake = Lake::default();
        rig(settings).collect(&mut lake).unwrap();
        assert_eq!((lake.ids("items"), server.requests().len()), (vec![0, 1, 4, 5], 3), "{paginate}");
    };
    check(json!({"type": "page_number", "pages_path": "$.pages"}));
    check(json!({"type": "offset", "limit": 2, "total_path": "$.total"}));
}

/// What a stream says that comes to no end, after how many requests, and how many records are kept of it.
fn stopped(
    settings: Value,
    answer: impl Fn(usize, &Request) -> Reply + Send + 'static,
) -> (String, usize, usize) {
    let server = Server::new(answer);
    let mut resource = settings.as_object().unwrap().clone();
    resource.insert("name".to_owned(), json!("items"));
    resource.insert("path".to_owned(), json!("items"));
    let mut rig = rig(json!({"base_url": server.url, "resources": [resource]}));
    let mut lake = Lake::default();
    let collected = rig.collect(&mut lake).unwrap();
    (ended(&collected, "items"), server.requests().len(), lake.lines("items").len())
}

#[test]
fn rest_03_a_number_of_all_is_not_believed_for_ever() {
    // Three pages, so many empty ones, and perhaps one more.
    let read = |paginate: Value, gap: usize| {
        let settings = json!({"paginate": paginate, "select": "$.items[*]"});
        stopped(settings, move |_, request| {
            let from = param(request, "offset")
                .map_or_else(|| (at(request, "page") - 1) * SIZE, |offset| offset.parse().unwrap());
            let is_gap = (3..3 + gap).contains(&(from / SIZE));
            let items = if is_gap { Vec::new() } else { page(usize::MAX, from) };
            say(&json!({"items": items, "pages": 13, "total": 26}))
        })
    };
    let check = |paginate: Value, why: &str| {
        let (ended, requests, kept) = read(paginate.clone(), 9);
        assert_eq!((ended.as_str(), requests, kept), ("ok", 13, 8), "{paginate}");
        // The end of all is where it is said to be, whatever is on the last page.
        let (ended, requests, kept) = read(paginate.clone(), 10);
        assert_eq!((ended.as_str(), requests, kept), ("ok", 13, 6), "{paginate}");
        let settings = json!({"paginate": paginate, "select": "$.items[*]"});
        let (ended, requests, kept) = stopped(settings, |number, _| {
            let items = if number < 3 { page(usize::MAX, number * SIZE) } else { Vec::new() };
            say(&json!({"items": items, "pages": 500_000, "total": 1_000_000}))
        });
        let expect = format!("failed: pagination_empty: source news, items: {why}");
        assert!(ended.starts_with(&expect), "{paginate}: {ended}");
        // What was read is kept.
        assert_eq!((requests, kept), (13, 6), "{paginate}");
    };
    check(
        json!({"type": "page_number", "pages_path": "$.pages"}),
        "it says that there are 500000 pages, and gives nothing from page 4 on: 10 pages in a row are empty",
    );
    check(
        json!({"type": "offset", "limit": 2, "total_path": "$.total"}),
        "it says that there are 1000000 records, and gives nothing from offset 6 on: 10 pages in a row are empty",
    );
}

#[test]
fn rest_03_what_would_never_end_is_an_error() {
    let check = |paginate: Value, answer: fn(usize, &Request) -> Reply| {
        let (ended, requests, kept) = stopped(json!({"paginate": paginate, "select": "$.items[*]"}), answer);
        assert!(
            ended.starts_with("failed: pagination_loop: source news, items: page"),
            "{paginate}: {ended}"
        );
        // What was read is kept.
        assert_eq!((requests, kept), (2, 4), "{paginate}");
    };
    let body = |_: usize, _: &Request| {
        say_with(
            200,
            "X-Next: a\r\nLink: </items?p=2>; rel=next\r\n".to_owned(),
            &json!({"items": page(2, 0), "cursor": "a", "next": "/items?p=2"}),
        )
    };
    check(json!({"type": "cursor", "path": "$.cursor", "param": "after"}), body);
    check(json!({"type": "header_cursor", "header": "X-Next", "param": "after"}), body);
    check(json!({"type": "link_header"}), body);
    check(json!({"type": "json_link", "path": "$.next"}), body);
    // A service that does not know the name answers the same for ever.
    check(json!({"type": "page_number"}), body);
    check(json!({"type": "offset"}), body);
    check(json!({"type": "auto"}), body);
}

#[test]
fn rest_03_pages_have_a_bound() {
    let settings = json!({"paginate": {"type": "page_number"}, "pages_max": 3});
    let (ended, requests, kept) = stopped(settings, |number, _| say(&json!([{"id": number}])));
    assert!(
        ended.starts_with("failed: pages_max: source news, items: 3 pages were read and there are more"),
        "{ended}"
    );
    assert_eq!((requests, kept), (3, 3));
}

#[test]
fn rest_03_more_without_a_way_to_it_is_an_error() {
    let (ended, requests, kept) =
        stopped(json!({}), |_, _| say(&json!({"items": [{"id": 1}], "has_more": true})));
    assert!(ended.contains("says that there is more, and not in a way that is known where"), "{ended}");
    assert_eq!((requests, kept), (1, 1));
}

#[test]
fn rest_03_a_next_page_elsewhere_gets_no_key() {
    let settings = json!({"paginate": {"type": "json_link", "path": "$.next"}});
    let (ended, ..) =
        stopped(settings, |_, _| say(&json!({"items": [{"id": 1}], "next": "http://elsewhere.example/p"})));
    assert!(
        ended.contains("its next page is at elsewhere.example, to which the key would be sent"),
        "{ended}"
    );
}

#[test]
fn rest_03_mistakes_of_the_configuration_are_named() {
    let check = |settings: Value, why: &str| {
        let error = try_rig(settings, Default::default()).err().unwrap().to_string();
        assert!(error.starts_with("source news: ") && error.contains(why), "{error}");
    };
    let resource = |extra: Value| {
        let mut resource = extra.as_object().unwrap().clone();
        resource.entry("name").or_insert(json!("a"));
        json!({"base_url": "http://x", "resources": [resource]})
    };
    check(json!({}), "`endpoint`, or `base_url` with `resources`, is missing");
    check(json!({"base_url": "http://x", "resources": []}), "0 `resources`");
    check(json!({"base_url": "geheim", "resources": [{"name": "a"}]}), "no address such as");
    check(
        json!({"base_url": "http://x", "select": "$", "resources": [{"name": "a"}]}),
        "`select` is of a resource",
    );
    check(json!({"endpoint": "http://x", "auth_type": "kerberos"}), "says too little");
    check(resource(json!({"select": "data["})), "resource a: `data[` is no JSONPath");
    check(resource(json!({"paginate": {"type": "guess"}})), "unknown variant `guess`");
    check(resource(json!({"paginate": {"type": "page_number", "size": 5}})), "belong together");
    for (paginate, would) in
        [("offset", "such as `$.data[?@.open]`"), ("page_number", "or say by `pages_path`")]
    {
        let settings = json!({"select": "$..[?@.open]", "paginate": {"type": paginate}});
        check(resource(settings.clone()), "let the condition be the last of the path");
        check(resource(settings), would);
    }
    check(resource(json!({"path": "{incremental.start}"})), "`incremental` is missing");
    check(resource(json!({"path": "b/{resources.b.id}"})), "there is no resource b; there are a");
    check(resource(json!({"path": "a/{resources.a.id}"})), "it is below itself");
    check(resource(json!({"include_from_parent": ["id"]})), "no parent");
    check(resource(json!({"incremental": {"cursor": "t", "lag": "soon"}})), "no stretch of time");
    check(
        json!({"base_url": "http://x", "resources": [{"name": "a"}, {"name": "a"}]}),
        "another has the same name",
    );
}
