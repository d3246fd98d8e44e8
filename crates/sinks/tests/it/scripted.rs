//! Stores that are busy, refuse, lie and have limits: a small server plays them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stele_http::{Pace, Secret, Still};
use stele_model::ErrorKind;
use stele_sinks::{Opening, Sink, SinkError, SinkKind, Synced, WantedPoints, never, open, sync};
use stele_testkit::server::{Reply, Request, Server};

use crate::rig::{DIMENSION, config, point, sink_to, wanted};

/// Bytes of a body that both stores and most of what stands in front of them take.
const BODY_BYTES: usize = 9 << 20;

/// A store that knows ids only, and takes so many at once; its interface is that of the kind.
fn store(kind: SinkKind, batch_max: usize) -> impl Fn(&Request) -> Reply + Send {
    let held = Mutex::new(BTreeSet::<String>::new());
    let mark = json!({
        "stele_owner": "lake 7", "stele_model": "local/small", "stele_dimension": DIMENSION, "stele_schema": 1,
    });
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    move |request| {
        let mut held = held.lock().unwrap();
        let path = request.path.split('?').next().unwrap();
        let answer = match (kind, path.rsplit('/').next().unwrap()) {
            (SinkKind::Qdrant, "texts") => json!({ "config": {
                "params": { "vectors": { "size": DIMENSION, "distance": "Cosine" } }, "metadata": mark,
            } }),
            (SinkKind::Qdrant, "count") => json!({ "count": held.len() }),
            (SinkKind::Qdrant, "scroll") => {
                let points: Vec<Value> = held.iter().map(|id| json!({ "id": id })).collect();
                json!({ "points": points, "next_page_offset": null })
            }
            (SinkKind::Qdrant, "points") => {
                for point in request.body["points"].as_array().unwrap() {
                    held.insert(point["id"].as_str().unwrap().to_owned());
                }
                json!({ "status": "completed" })
            }
            (SinkKind::Chroma, "texts") => json!({
                "id": "7", "metadata": mark, "dimension": null,
                "configuration_json": { "hnsw": { "space": "cosine" } },
            }),
            (SinkKind::Chroma, "count") => json!(held.len()),
            (SinkKind::Chroma, "get") => json!({ "ids": held.iter().collect::<Vec<_>>() }),
            (SinkKind::Chroma, "pre-flight-checks") => json!({ "max_batch_size": batch_max }),
            (SinkKind::Chroma, "upsert" | "delete") => {
                let ids = strings(&request.body["ids"]);
                if ids.len() > batch_max {
                    return Reply::Say(413, "", "{}".to_owned());
                }
                match path.ends_with("upsert") {
                    true => held.extend(ids),
                    false => held.retain(|id| !ids.contains(id)),
                }
                json!({})
            }
            (_, other) => return Reply::Say(404, "", format!("no {other} here")),
        };
        let answer = if kind == SinkKind::Qdrant { json!({ "result": answer }) } else { answer };
        Reply::Say(200, "", answer.to_string())
    }
}

fn run(sink: &dyn Sink, wanted: &WantedPoints) -> Result<Synced, stele_sinks::SinkError> {
    sync(sink, wanted, Opening::default(), &mut |_| {}, &never)
}

const KINDS: [SinkKind; 2] = [SinkKind::Chroma, SinkKind::Qdrant];

#[test]
fn a_busy_store_is_asked_again() {
    for kind in KINDS {
        let store = store(kind, 1000);
        // Every other answer is 503, and the first of them asks for three seconds.
        let server = Server::new(move |number, request| match number {
            0 => Reply::Say(503, "retry-after: 3\r\n", "{}".to_owned()),
            number if number % 2 == 0 => Reply::Say(503, "", "{}".to_owned()),
            _ => store(request),
        });
        let pace = Arc::new(Still::default());
        let sink = sink_to(kind, &server.url, Arc::clone(&pace) as Arc<dyn Pace>);
        let synced = run(&*sink, &wanted(["a", "b"])).unwrap();
        assert!(synced.written == 2 && synced.parity.holds(), "{synced:?}");
        let requests = server.requests().len() as u128;
        assert_eq!(pace.now().as_millis(), 3000 + (requests / 2 - 1) * 500);
    }
}

#[test]
fn a_store_that_stays_busy_is_given_up() {
    for kind in KINDS {
        let store = store(kind, 1000);
        let server = Server::new(move |_, request| {
            let writes = request.path.contains("upsert") || request.method == "PUT";
            if writes { Reply::Say(503, "", "{}".to_owned()) } else { store(request) }
        });
        let sink = sink_to(kind, &server.url, Arc::new(Still::default()));
        let error = run(&*sink, &wanted(["a", "b"])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry);
        let said = stele_model::error::in_full(&error);
        assert!(said.contains("0 points were written"), "{said}");
        assert!(said.contains("503 after 2 tries"), "{said}");
        assert!(said.contains("collection texts at http://127.0.0.1"), "{said}");
    }
}

#[test]
fn bodies_are_bounded() {
    let long: Vec<String> = (0..20).map(|number| format!("{number}{}", "\"x".repeat(500_000))).collect();
    let huge = "y".repeat(10 << 20);
    for kind in KINDS {
        let store = store(kind, 1000);
        let server = Server::new(move |_, request| store(request));
        let sink = sink_to(kind, &server.url, Arc::new(Still::default()));
        let texts = long.iter().map(String::as_str).chain([huge.as_str()]);
        let synced = run(&*sink, &wanted(texts)).unwrap();
        assert!(synced.written == 21 && synced.parity.holds(), "{synced:?}");
        let requests = server.requests();
        let sizes: Vec<usize> = requests
            .iter()
            .filter(|request| request.path.contains("upsert") || request.method == "PUT")
            .map(|request| request.header("content-length").unwrap().parse().unwrap())
            .collect();
        // A text that is larger than the bound goes alone.
        assert_eq!(sizes.iter().filter(|size| **size > BODY_BYTES).count(), 1, "{sizes:?}");
        assert!(sizes.iter().all(|size| *size < BODY_BYTES + huge.len() / 8), "{sizes:?}");
        assert!(sizes.len() < 8, "{sizes:?}");
    }
}

#[test]
fn the_limit_of_a_chroma_server_is_kept() {
    let store = store(SinkKind::Chroma, 3);
    let server = Server::new(move |_, request| store(request));
    let sink = sink_to(SinkKind::Chroma, &server.url, Arc::new(Still::default()));
    let all = wanted(["a", "b", "c", "d", "e", "f", "g"]);
    assert!(run(&*sink, &all).unwrap().parity.holds());
    assert_eq!(run(&*sink, &wanted([])).unwrap().removed, 7);
    let asked = |verb: &str| -> Vec<usize> {
        let requests = server.requests();
        let of = requests.iter().filter(|request| request.path.ends_with(verb));
        of.map(|request| request.body["ids"].as_array().map_or(0, Vec::len)).collect()
    };
    assert_eq!(asked("upsert"), [3, 3, 1]);
    assert_eq!(asked("delete"), [3, 3, 1]);
    assert_eq!(asked("pre-flight-checks").len(), 1);
}

#[test]
fn qdrant_says_yes_when_readers_see_it() {
    let store = store(SinkKind::Qdrant, 1000);
    let server = Server::new(move |_, request| match request.path.split_once("/delete") {
        Some(_) => Reply::Say(200, "", r#"{"result": {}}"#.to_owned()),
        None => store(request),
    });
    let sink = sink_to(SinkKind::Qdrant, &server.url, Arc::new(Still::default()));
    run(&*sink, &wanted(["a", "b"])).unwrap();
    run(&*sink, &wanted(["a"])).unwrap();
    let asked = server.requests();
    let writes = |request: &&Request| request.method == "PUT" || request.path.contains("/delete");
    assert_eq!(asked.iter().filter(writes).count(), 2);
    assert!(asked.iter().filter(writes).all(|request| request.path.ends_with("?wait=true")));
}

#[test]
fn a_key_is_sent_and_never_shown() {
    for (kind, name) in [(SinkKind::Chroma, "x-chroma-token"), (SinkKind::Qdrant, "api-key")] {
        let server = Server::new(|_, _| Reply::Say(401, "", r#"{"error": "geheim is wrong"}"#.to_owned()));
        let key = Some(Secret::new("geheim"));
        let sink = open(&config(kind, &server.url), key, Arc::new(Still::default())).unwrap();
        let error = run(&*sink, &wanted(["a"])).unwrap_err();
        assert_eq!(server.requests()[0].header(name), Some("geheim"));
        assert_eq!((server.requests().len(), error.kind()), (1, ErrorKind::Fix));
        let said = format!("{error} {error:?}");
        assert!(said.contains("401: *** is wrong; is the key right"), "{said}");
        assert!(!said.contains("geheim"), "{said}");
    }
}

#[test]
fn answers_that_are_none() {
    for kind in KINDS {
        for answer in ["<html>welcome</html>", "[]", "{}", "null"] {
            let server = Server::new(move |_, _| Reply::Say(200, "", answer.to_owned()));
            let sink = sink_to(kind, &server.url, Arc::new(Still::default()));
            let error = run(&*sink, &wanted(["a"])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Report, "{error}");
            assert!(error.to_string().contains("is it the right service"), "{error}");
        }
    }
}

#[test]
fn another_service_is_told_from_a_missing_collection() {
    let check = |status: u16, body: &'static str, missing: bool| {
        for kind in KINDS {
            let server = Server::new(move |_, _| Reply::Say(status, "", body.to_owned()));
            let sink = sink_to(kind, &server.url, Arc::new(Still::default()));
            for error in [
                stele_sinks::verify(&*sink, &wanted(["a"]), &never).unwrap_err(),
                run(&*sink, &wanted(["a"])).unwrap_err(),
            ] {
                assert!(
                    error.to_string().contains("is it the right service") != missing
                        || matches!(error, SinkError::Refused { .. }),
                    "{error}"
                );
                assert!(!missing || !matches!(error, SinkError::BadAnswer { .. }), "{error}");
            }
        }
    };
    check(404, "<html>Not Found</html>", false);
    check(404, r#"{"detail":"Not Found"}"#, false);
    check(404, "", false);
    check(405, "<html>Method Not Allowed</html>", false);
    check(404, r#"{"status":{"error":"Not found: Collection `texts` doesn't exist!"}}"#, true);
    check(404, r#"{"error":"NotFoundError","message":"Collection [texts] does not exist"}"#, true);
}

/// A store whose pages leave out one text's point, whatever it holds.
fn without(kind: SinkKind, text: &str) -> Server {
    let (store, lost) = (store(kind, 1000), point(text).chunk.id.to_string());
    Server::new(move |_, request| match store(request) {
        Reply::Say(200, headers, answer)
            if request.path.ends_with("get") || request.path.ends_with("scroll") =>
        {
            let mut answer: Value = serde_json::from_str(&answer).unwrap();
            let is_lost = |id: &Value| id.as_str().is_some_and(|id| id.replace('-', "") == lost);
            if let Some(ids) = answer["ids"].as_array_mut() {
                ids.retain(|id| !is_lost(id));
            }
            if let Some(points) = answer["result"]["points"].as_array_mut() {
                points.retain(|point| !is_lost(&point["id"]));
            }
            Reply::Say(200, headers, answer.to_string())
        }
        other => other,
    })
}

#[test]
fn a_store_that_hides_points_is_found_out() {
    for kind in KINDS {
        let server = without(kind, "b");
        let sink = sink_to(kind, &server.url, Arc::new(Still::default()));
        let parity = run(&*sink, &wanted(["a", "b", "c"])).unwrap().parity;
        assert!(!parity.holds(), "{parity:?}");
        assert_eq!((parity.listed, parity.counted), (2, 3));
        assert_eq!(parity.missing.ids, [point("b").chunk.id.to_string()]);
        // It is not wanted any more and on no page; the count tells.
        let parity = run(&*sink, &wanted(["a", "c"])).unwrap().parity;
        assert_eq!((parity.missing.count, parity.extra.count), (0, 0));
        assert!(!parity.holds(), "{parity:?}");
    }
}
