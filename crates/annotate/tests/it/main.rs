//! Claims from a service that works, and from one that does not.

#![allow(clippy::unwrap_used, reason = "a test ends where it breaks")]

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use stele_annotate::{AnnotateError, AnnotationConfig, Annotations, Passage, Service, Task};
use stele_http::{Secret, Still, never};
use stele_testkit::server::{Reply, Request, Server};

const ANSWER: &str = r#"{"entities":[{"kind":"component","name":"crane"}]}"#;

/// What a service says, with what it took.
fn completion(content: &str, finish: &str) -> String {
    let choice = json!({ "message": { "role": "assistant", "content": content }, "finish_reason": finish });
    json!({ "choices": [choice], "usage": { "prompt_tokens": 100, "completion_tokens": 20 } }).to_string()
}

fn said(content: &str) -> Reply {
    Reply::Say(200, "", completion(content, "stop"))
}

fn config(server: &Server) -> AnnotationConfig {
    AnnotationConfig {
        url: server.url.clone(),
        model: "m".to_owned(),
        tries_max: 2,
        timeout_ms_max: 300,
        ..<_>::default()
    }
}

fn open(dir: &Path, config: &AnnotationConfig) -> Annotations {
    let service =
        Service::new(config, Task::Claims, Some(Secret::new("hush")), Arc::new(Still::default())).unwrap();
    Annotations::open(dir, Arc::new(service), config.budget()).unwrap()
}

/// Asks about so many texts; gives how many were answered.
fn ask(annotations: &Annotations, texts: std::ops::Range<usize>) -> usize {
    let claims =
        |n| annotations.claims(&Passage { headings: "h", text: &format!("text {n}") }, &never).unwrap();
    texts.filter_map(claims).count()
}

#[test]
fn each_text_is_asked_about_once() {
    let server = Server::new(|_, _| said(ANSWER));
    let dir = tempfile::tempdir().unwrap();
    let config = config(&server);
    let first = open(dir.path(), &config);
    assert_eq!(ask(&first, 0..3), 3);
    let summary = first.summary();
    assert_eq!((summary.asked, summary.known, summary.spent.calls), (3, 0, 3));
    assert_eq!((summary.spent.input_tokens, summary.spent.output_tokens), (300, 60));
    let request = &server.requests()[0];
    assert_eq!(
        (request.path.as_str(), request.header("authorization")),
        ("/v1/chat/completions", Some("Bearer hush"))
    );

    // In another run only what is new, and what another model was not asked.
    let again = open(dir.path(), &config);
    assert_eq!((ask(&again, 0..4), again.summary().asked, again.summary().known), (4, 1, 3));
    let other = open(dir.path(), &AnnotationConfig { model: "n".to_owned(), ..config.clone() });
    assert_eq!((ask(&other, 0..1), other.summary().asked), (1, 1));
    assert_eq!(server.requests().len(), 5);

    // A kept answer that is damaged is asked for again.
    for shelf in std::fs::read_dir(dir.path()).unwrap() {
        for file in std::fs::read_dir(shelf.unwrap().path()).unwrap() {
            std::fs::write(file.unwrap().path(), "{").unwrap();
        }
    }
    let mended = open(dir.path(), &config);
    assert_eq!((ask(&mended, 0..1), mended.summary().asked), (1, 1));
}

#[test]
fn a_budget_ends_the_asking_and_the_next_run_goes_on() {
    let server = Server::new(|_, _| said(ANSWER));
    let dir = tempfile::tempdir().unwrap();
    let most = config(&server);
    for (config, done, why) in [
        (AnnotationConfig { calls_max: 2, ..most.clone() }, 2, "calls_max = 2"),
        (AnnotationConfig { tokens_max: 1, ..most.clone() }, 0, "tokens_max = 1"),
        (
            AnnotationConfig { cost_max: Some(0.0001), price_per_million_input_tokens: 1.0, ..most.clone() },
            0,
            "cost_max = 0.0001",
        ),
        (AnnotationConfig { calls_max: 3, ..most.clone() }, 3, "calls_max = 3"),
    ] {
        let annotations = open(dir.path(), &config);
        let before = server.requests().len();
        ask(&annotations, 0..10);
        let summary = annotations.summary();
        assert!(summary.stopped.as_ref().is_some_and(|said| said.contains(why)), "{summary:?}");
        assert_eq!((summary.asked, server.requests().len() - before), (done, done as usize), "{why}");
        assert_eq!(summary.known + summary.asked + summary.left, 10);
    }
    let rest = open(dir.path(), &most);
    assert_eq!((ask(&rest, 0..10), rest.summary().known, rest.summary().stopped), (10, 5, None));
}

#[track_caller]
fn check(reply: impl Fn(usize, &Request) -> Reply + Send + 'static, requests: usize, why: &str) {
    let server = Server::new(reply);
    let dir = tempfile::tempdir().unwrap();
    let annotations = open(dir.path(), &config(&server));
    assert_eq!(ask(&annotations, 0..10), 0);
    let summary = annotations.summary();
    let stopped = summary.stopped.clone().unwrap_or_default();
    assert!(stopped.contains(why) && !stopped.contains("hush"), "{summary:?}");
    assert_eq!((summary.left, server.requests().len()), (10, requests), "{summary:?}");
    // Nothing of it is kept: the next run asks again.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_service_that_fails_is_not_asked_on_and_on() {
    check(|_, _| Reply::Say(401, "", json!({ "error": "the key hush is wrong" }).to_string()), 1, "401");
    check(|_, _| Reply::Say(503, "", String::new()), 2, "503");
    check(|_, _| Reply::Say(429, "retry-after: 86400\r\n", String::new()), 1, "429");
    check(|_, _| Reply::Close, 2, "does not answer");
    check(|_, _| Reply::Half("{".to_owned()), 2, "does not answer");
    check(|_, _| Reply::Hang, 2, "does not answer");
    check(|_, _| Reply::Say(200, "", "<html>a page</html>".to_owned()), 4, "chat completions");
    check(|_, _| Reply::Say(200, "", json!({ "choices": [] }).to_string()), 4, "no choice");
}

#[test]
fn a_text_that_the_service_says_nothing_about_holds_up_no_other() {
    // Such as one that its filter takes out.
    let server = Server::new(|_, request| match request.body.to_string().contains("text 1") {
        true => Reply::Say(200, "", json!({ "choices": [] }).to_string()),
        false => said(ANSWER),
    });
    let dir = tempfile::tempdir().unwrap();
    for (asked, known) in [(4, 0), (0, 4)] {
        let annotations = open(dir.path(), &config(&server));
        assert_eq!(ask(&annotations, 0..5), 4);
        let summary = annotations.summary();
        assert_eq!((summary.asked, summary.known, summary.left), (asked, known, 1), "{summary:?}");
        assert_eq!(summary.stopped, None);
    }
}

#[test]
fn an_answer_that_says_nothing_is_paid_for_once() {
    for (content, finish) in
        [("As a model, I cannot", "stop"), ("{\"entities\":[{\"ki", "length"), ("", "stop")]
    {
        let server = Server::new(move |_, _| Reply::Say(200, "", completion(content, finish)));
        let dir = tempfile::tempdir().unwrap();
        let config = config(&server);
        for asked in [2, 0] {
            let annotations = open(dir.path(), &config);
            assert_eq!(ask(&annotations, 0..2), 2);
            let summary = annotations.summary();
            assert_eq!((summary.asked, summary.unusable, summary.stopped), (asked, 2, None));
            assert!(summary.unusable_why.is_some_and(|why| why.starts_with("it ")), "{content}");
        }
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_service_that_recovers_is_asked_on() {
    // Busy once, then garbage now and then, of which each is asked for once more.
    let server = Server::new(|n, _| match n {
        0 => Reply::Say(503, "", String::new()),
        1 | 4 => Reply::Say(200, "", "garbage".to_owned()),
        _ => said(ANSWER),
    });
    let dir = tempfile::tempdir().unwrap();
    let annotations = open(dir.path(), &config(&server));
    assert_eq!(ask(&annotations, 0..5), 5);
    let summary = annotations.summary();
    assert_eq!((summary.left, summary.asked, summary.spent.calls, summary.stopped), (0, 5, 7, None));
}

#[test]
fn an_answer_without_its_tokens_is_an_answer_and_they_are_estimated() {
    for (usage, expect) in [
        (json!({ "prompt_tokens": 100, "completion_tokens": 20 }), (Some(100), Some(20), 0)),
        (json!({ "prompt_tokens": 100 }), (Some(100), None, 2)),
        (json!({ "completion_tokens": 20 }), (None, Some(20), 2)),
        (json!({ "prompt_tokens": "many", "completion_tokens": 1.5 }), (None, None, 2)),
        (json!({ "total_tokens": 120 }), (None, None, 2)),
        (json!(null), (None, None, 2)),
        (json!("none of your business"), (None, None, 2)),
    ] {
        let body = json!({ "choices": [{ "message": { "content": ANSWER } }], "usage": usage }).to_string();
        let server = Server::new(move |_, _| Reply::Say(200, "", body.clone()));
        let dir = tempfile::tempdir().unwrap();
        let annotations = open(dir.path(), &config(&server));
        assert_eq!(ask(&annotations, 0..2), 2, "{usage}");
        let summary = annotations.summary();
        assert_eq!((summary.asked, summary.estimated), (2, expect.2), "{usage}");
        let bytes = serde_json::to_vec(&server.requests()[0].body).unwrap().len() as u64;
        let (input, output) = (summary.spent.input_tokens / 2, summary.spent.output_tokens / 2);
        match expect.0 {
            Some(tokens) => assert_eq!(input, tokens, "{usage}"),
            None => assert!((bytes / 4..bytes).contains(&input), "{usage}: {input} of {bytes} bytes"),
        }
        // By what was said, not by the most that might have been.
        assert_eq!(output, expect.1.unwrap_or(ANSWER.len() as u64 / 3 + 1), "{usage}");
    }
}

#[test]
fn a_stop_is_a_stop_and_a_wrong_setting_is_named() {
    let server = Server::new(|_, _| said(ANSWER));
    let dir = tempfile::tempdir().unwrap();
    let annotations = open(dir.path(), &config(&server));
    let stopped = annotations.claims(&Passage { headings: "", text: "a" }, &|| true);
    assert!(matches!(stopped, Err(AnnotateError::Cancelled)));
    let good = config(&server);
    for (config, setting) in [
        (AnnotationConfig { url: String::new(), ..good.clone() }, "url"),
        (AnnotationConfig { model: " ".to_owned(), ..good.clone() }, "model"),
        (AnnotationConfig { cost_max: Some(1.0), ..good.clone() }, "cost_max"),
        (AnnotationConfig { cost_max: Some(-1.0), ..good.clone() }, "cost_max"),
        (AnnotationConfig { price_per_million_input_tokens: f64::NAN, ..good.clone() }, "price_per_million"),
        (AnnotationConfig { answer_tokens_max: 0, ..good.clone() }, "answer_tokens_max"),
        (AnnotationConfig { tries_max: 0, ..good }, "tries_max"),
    ] {
        let error =
            Service::new(&config, Task::Claims, None, Arc::new(Still::default())).err().unwrap().to_string();
        assert!(error.contains(setting), "{error}");
    }
}
