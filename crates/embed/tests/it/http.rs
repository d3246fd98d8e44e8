//! Services that answer, fail, limit, cut short and lie.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stele_embed::{
    Dialect, EmbedError, Embedder, HttpConfig, HttpEmbedder, Pace, Prefixes, Purpose, Secret, never,
};
use stele_http::HttpError;
use stele_http::Still;
use stele_model::ErrorKind;
use stele_testkit::server::{Reply, Request, Server};

fn config(dialect: Dialect, url: &str) -> HttpConfig {
    HttpConfig { dialect, url: url.to_owned(), model: "small".to_owned(), ..HttpConfig::default() }
}

fn embedder(config: HttpConfig) -> (HttpEmbedder, Arc<Still>) {
    let pace = Arc::new(Still::default());
    let key = Some(Secret::new("sk-geheim\n"));
    (HttpEmbedder::new(config, key, Arc::clone(&pace) as Arc<dyn Pace>).unwrap(), pace)
}

/// The vector that a good service has for a text: its length and a 4.
fn vector(text: &Value) -> Value {
    json!([text.as_str().unwrap().len(), 4])
}

/// A good answer in the dialect of the path.
fn good(request: &Request) -> Reply {
    let texts = |name: &str| request.body[name].as_array().unwrap().clone();
    let answer = match request.path.as_str() {
        "/v1/embeddings" => {
            // Backwards, because the index says where each belongs.
            let data: Vec<Value> = texts("input")
                .iter()
                .enumerate()
                .rev()
                .map(|(index, text)| json!({ "index": index, "embedding": vector(text) }))
                .collect();
            json!({ "data": data, "usage": { "prompt_tokens": 10, "total_tokens": 12 } })
        }
        "/api/embed" => {
            let vectors: Vec<Value> = texts("input").iter().map(vector).collect();
            json!({ "embeddings": vectors, "prompt_eval_count": 7 })
        }
        "/embed" => texts("inputs").iter().map(vector).collect(),
        path => return Reply::Say(404, "", format!("no {path} here")),
    };
    Reply::Say(200, "", answer.to_string())
}

const TEXTS: [&str; 4] = ["four", "a text of twenty-six signs", "abc", "four"];

#[test]
fn each_dialect_is_spoken() {
    for (dialect, suffix, tokens) in [
        (Dialect::OpenAi, "", 24),
        (Dialect::OpenAi, "/v1", 24),
        (Dialect::OpenAi, "/v1/embeddings", 24),
        (Dialect::Ollama, "/", 14),
        (Dialect::Ollama, "/api", 14),
        (Dialect::Tei, "", 22),
    ] {
        let server = Server::new(|_, request| good(request));
        let config = HttpConfig {
            batch_texts_max: 2,
            price_per_million_tokens: 2.0,
            ..config(dialect, &format!("{}{suffix}", server.url))
        };
        let (embedder, _) = embedder(config);
        assert_eq!(embedder.model_id(), format!("{}/small", dialect.name()));
        assert_eq!(embedder.dimension(), None);
        let embedded = embedder.embed(&TEXTS, Purpose::Passage, &never).unwrap();
        assert_eq!(embedder.dimension(), Some(2));
        for (text, vector) in TEXTS.iter().zip(embedded.vectors.iter()) {
            let length = ((text.len() * text.len() + 16) as f32).sqrt();
            assert!((vector[0] - text.len() as f32 / length).abs() < 1e-6, "{text}: {vector:?}");
            assert!((vector[1] - 4.0 / length).abs() < 1e-6, "{text}: {vector:?}");
        }
        assert_eq!(embedded.tokens, tokens, "{dialect:?}");
        let usage = embedder.usage();
        assert_eq!((usage.texts, usage.tokens, usage.requests, usage.retries), (4, tokens, 2, 0));
        assert!((usage.cost - tokens as f64 * 2e-6).abs() < 1e-12);
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        for request in requests {
            assert_eq!(request.header("authorization"), Some("Bearer sk-geheim"));
            if dialect != Dialect::Tei {
                assert_eq!(request.body["model"], "small");
            }
        }
    }
}

#[test]
fn nothing_to_do_asks_nobody() {
    let (embedder, _) = embedder(config(Dialect::OpenAi, "http://127.0.0.1:9"));
    assert!(embedder.embed(&[], Purpose::Passage, &never).unwrap().vectors.is_empty());
}

#[test]
fn prefixes_are_sent() {
    let server = Server::new(|_, request| good(request));
    let prefixes = Prefixes { passage: "passage: ".to_owned(), query: "query: ".to_owned() };
    let (embedder, _) = embedder(HttpConfig { prefixes, ..config(Dialect::Tei, &server.url) });
    embedder.embed(&["a"], Purpose::Passage, &never).unwrap();
    embedder.embed(&["b"], Purpose::Query, &never).unwrap();
    let sent: Vec<Value> =
        server.requests().iter().map(|request| request.body["inputs"][0].clone()).collect();
    assert_eq!(sent, ["passage: a", "query: b"]);
}

#[test]
fn token_limits_cut_batches() {
    let server = Server::new(|_, request| good(request));
    let (embedder, _) = embedder(HttpConfig { batch_tokens_max: 30, ..config(Dialect::Tei, &server.url) });
    let long = "x".repeat(300);
    embedder.embed(&["a", &long, "b", "c"], Purpose::Passage, &never).unwrap();
    let sizes: Vec<usize> =
        server.requests().iter().map(|request| request.body["inputs"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [3, 1]);
}

/// A service that fails in the given ways, one after another, and then answers; how long was waited,
/// and what became of it.
fn after(
    replies: Vec<Reply>,
    config: impl Fn(HttpConfig) -> HttpConfig,
) -> (Result<(), EmbedError>, u128, usize) {
    let replies = Mutex::new(replies.into_iter());
    let server =
        Server::new(move |_, request| replies.lock().unwrap().next().unwrap_or_else(|| good(request)));
    let (embedder, pace) = embedder(config(self::config(Dialect::Tei, &server.url)));
    let result = embedder.embed(&["text"], Purpose::Passage, &never).map(drop);
    (result, pace.now().as_millis(), server.requests().len())
}

fn say(status: u16, headers: &'static str) -> Reply {
    Reply::Say(status, headers, r#"{"error": {"message": "sk-geheim is too eager"}}"#.to_owned())
}

#[test]
fn what_the_client_says_keeps_its_words() {
    // How patient it is, is tested where the client is; here, that its settings and its errors arrive.
    let tight = |config| HttpConfig { tries_max: 3, backoff_ms_max: 600, ..config };
    let (result, waited, requests) = after(vec![say(503, ""), Reply::Close], tight);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!((waited, requests), (500 + 600, 3));

    let (result, waited, requests) = after((0..9).map(|_| say(503, "")).collect(), tight);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), waited, requests), (ErrorKind::Retry, 500 + 600, 3));
    assert!(error.to_string().contains("503 after 3 tries: *** is too eager"), "{error}");

    let (embedder, _) =
        embedder(HttpConfig { tries_max: 2, ..config(Dialect::OpenAi, "http://127.0.0.1:9") });
    let error = embedder.embed(&["a"], Purpose::Passage, &never).unwrap_err();
    assert!(matches!(&error, EmbedError::Service(HttpError::Unreachable { tries: 2, .. })), "{error}");
    assert_eq!(error.kind(), ErrorKind::Retry);
    assert!(error.to_string().contains("http://127.0.0.1:9/v1/embeddings does not answer"), "{error}");
    assert_eq!(embedder.usage().retries, 1);
    let error = embedder.embed(&["a"], Purpose::Passage, &|| true).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Cancelled, "embedding was stopped on request")
    );
}

#[test]
fn requests_are_spread_over_the_minute() {
    let server = Server::new(|_, request| good(request));
    let (embedder, pace) = embedder(HttpConfig {
        requests_per_minute_max: Some(20),
        batch_texts_max: 1,
        ..config(Dialect::Tei, &server.url)
    });
    embedder.embed(&["a", "b", "c", "d"], Purpose::Passage, &never).unwrap();
    assert_eq!(pace.now().as_millis(), 3 * 3000);
}

#[test]
fn refusals_are_final_and_say_what_to_look_at() {
    for (status, advice) in [
        (401, "is the key right"),
        (404, "name of the model"),
        (413, "lower batch_texts_max"),
        (400, "do the texts fit"),
        (302, "the address that it points to"),
        (501, "log"),
    ] {
        let (result, waited, requests) = after(vec![say(status, "")], |config| config);
        let error = result.unwrap_err();
        let said = error.to_string();
        assert_eq!((error.kind(), waited, requests), (ErrorKind::Fix, 0, 1), "{said}");
        assert!(
            said.contains(&format!("with {status}: *** is too eager")) && said.contains(advice),
            "{said}"
        );
        assert!(!format!("{said}{error:?}").contains("geheim"));
    }
}

#[test]
fn answers_that_are_none() {
    let check = |config: HttpConfig, answer: &str, says: &str| {
        let answer = answer.to_owned();
        let server = Server::new(move |_, _| Reply::Say(200, "", answer.clone()));
        let (embedder, _) = embedder(HttpConfig { url: server.url.clone(), ..config });
        let error = embedder.embed(&["a", "b"], Purpose::Passage, &never).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Report, "{error}");
        assert!(error.to_string().contains(says), "{says:?} is not in {error}");
        assert_eq!(server.requests().len(), 1, "asking again would not help");
    };
    let tei = config(Dialect::Tei, "");
    check(tei.clone(), "[[1, 2]]", "1 vectors for 2 texts");
    check(tei.clone(), "[[1, 2], [3]]", "vector 1 has 1 numbers instead of 2");
    check(tei.clone(), "[[], []]", "vector 0 has 0 numbers instead of 0");
    check(tei.clone(), "[[1, 2], [3, null]]", "cannot be read");
    check(tei.clone(), "[[1, 2], [3, 1e39]]", "gave an answer that cannot be used");
    check(tei.clone(), "[[1, 2], [0, 0]]", "vector 1 is all zero");
    check(tei.clone(), "<html>welcome</html>", "cannot be read");
    check(HttpConfig { dimension: Some(3), ..tei }, "[[1, 2], [3, 4]]", "2 numbers instead of 3");
    let openai = config(Dialect::OpenAi, "");
    let two = |index| {
        format!(r#"{{"data": [{{"index": 0, "embedding": [1]}}, {{"index": {index}, "embedding": [2]}}]}}"#)
    };
    check(openai.clone(), &two(0), "two vectors with the index 0");
    check(openai, &two(2), "the index 2, which no text has");
}

#[test]
fn settings_are_checked_and_secrets_kept() {
    let check = |change: fn(&mut HttpConfig), setting: &str| {
        let mut config = config(Dialect::OpenAi, "http://127.0.0.1:9");
        change(&mut config);
        let error = HttpEmbedder::new(config, None, Arc::new(Still::default())).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(setting), "{error}");
    };
    check(|config| config.url = "localhost".to_owned(), "the setting url");
    check(|config| config.url = "ftp://127.0.0.1".to_owned(), "the setting url");
    check(|config| config.model.clear(), "the setting model");
    check(|config| config.tries_max = 0, "the setting tries_max");
    check(|config| config.dimension = Some(0), "the setting dimension");
    check(|config| config.price_per_million_tokens = f64::NAN, "the setting price_per_million_tokens");
    check(|config| config.proxy = Some("::".to_owned()), "the setting proxy");

    let secret = Secret::new("sk-geheim");
    assert_eq!(format!("{secret:?}"), "Secret(***)");
    let config =
        HttpConfig { tries_max: 1, ..config(Dialect::Tei, "http://user:geheim@127.0.0.1:9?key=geheim") };
    let (embedder, _) = embedder(config);
    let error = embedder.embed(&["a"], Purpose::Passage, &never).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
}
