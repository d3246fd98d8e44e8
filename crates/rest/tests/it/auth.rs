//! Who asks: every kind, as the service sees it, and nothing of it anywhere else.

use std::time::Duration;

use serde_json::{Value, json};
use stele_collect::{CollectError, Collector};
use stele_http::Pace;
use stele_model::ErrorKind;
use stele_rest::Shared;
use stele_testkit::server::{Reply, Request, Server};

use crate::rig::{Lake, ended, param, path, rig, say, try_rig, try_rig_with};

/// A source with this `auth`, asked once.
#[track_caller]
fn check(auth: Value, expect: fn(&Request)) {
    let server = Server::new(|_, _| say(&json!([{"id": 1}])));
    let mut lake = Lake::default();
    rig(json!({"endpoint": server.url, "auth": auth})).collect(&mut lake).unwrap();
    assert_eq!(lake.ids("news"), [1], "{auth}");
    expect(&server.requests()[0]);
}

/// What is refused of a source whose key everybody on the way could read.
#[test]
fn a_key_goes_over_http_to_this_machine_alone() {
    let check = |settings: Value, refused: Option<&str>| {
        let mut settings = settings.as_object().unwrap().clone();
        let made = try_rig(Value::Object(settings.clone()), Shared::default());
        let told = made.err().map(|error| error.to_string());
        match (refused, &told) {
            (None, None) => {}
            (Some(refused), Some(told)) => {
                assert!(told.contains(refused) && told.contains("allow_insecure = true"), "{told}");
                assert!(!told.contains("geheim"), "{told}");
            }
            _ => panic!("{settings:?}: {told:?}"),
        }
        // Whoever says that it may has said it.
        settings.insert("allow_insecure".to_owned(), json!(true));
        try_rig(Value::Object(settings), Shared::default()).unwrap();
    };
    let bearer = json!({"type": "bearer", "token": "${API_KEY}"});
    check(json!({"endpoint": "http://api.example/v1", "auth": bearer}), Some("http://api.example,"));
    check(json!({"endpoint": "http://api.example/v1", "headers": {"x-key": "geheim"}}), Some("api.example"));
    check(json!({"endpoint": "http://api.example/v1", "params": {"key": "${API_KEY}"}}), Some("api.example"));
    check(json!({"endpoint": "http://ann:geheim@api.example/v1"}), Some("http://api.example,"));
    // Wherever it stands in the address, and under whatever name it is sent.
    check(json!({"endpoint": "http://api.example/v1?key=${API_KEY}"}), Some("http://api.example,"));
    check(json!({"endpoint": "http://api.example/${API_KEY}/v1"}), Some("http://api.example,"));
    check(json!({"endpoint": "http://api.example", "path": "items?key=${API_KEY}"}), Some("api.example"));
    let items = |more: Value| {
        let mut items = json!({"name": "items"});
        items.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([items])
    };
    check(
        json!({"base_url": "http://api.example/${API_KEY}", "resources": items(json!({}))}),
        Some("api.example"),
    );
    check(
        json!({"endpoint": "http://api.example/v1", "headers": {"x-who": "${API_KEY}"}}),
        Some("api.example"),
    );
    check(json!({"endpoint": "http://api.example/v1", "headers": {"Cookie": "geheim"}}), Some("api.example"));
    check(
        json!({"base_url": "http://api.example", "resources": items(json!({"headers": {"authorization": "geheim"}}))}),
        Some("api.example"),
    );
    check(
        json!({"endpoint": "http://127.0.0.1:1/v1", "hosts": ["api.example"], "auth": bearer}),
        Some("http://api.example"),
    );
    let login = json!({"type": "oauth2", "token_url": "http://login.example/t", "client_id": "a", "client_secret": "geheim"});
    check(json!({"endpoint": "https://api.example/v1", "auth": login}), Some("http://login.example,"));
    // Nothing is told, or nobody hears it.
    check(json!({"endpoint": "http://api.example/v1"}), None);
    let plain = json!({"accept": "text/csv", "user-agent": "stele"});
    check(json!({"endpoint": "http://api.example/v1", "headers": plain}), None);
    check(json!({"base_url": "http://api.example", "resources": items(json!({"headers": plain}))}), None);
    // Who is asked is no key.
    check(json!({"endpoint": "http://${API_KEY}.example:8080/v1?all=1"}), None);
    check(json!({"endpoint": "https://api.example/v1", "auth": bearer}), None);
    check(json!({"endpoint": "http://localhost:1/v1", "auth": bearer}), None);
}

#[test]
fn rest_04_every_kind_is_as_the_service_wants_it() {
    check(json!({"type": "none"}), |request| assert_eq!(request.header("authorization"), None));
    check(json!({"type": "api_key", "name": "X-API-KEY", "value": "${API_KEY}"}), |request| {
        assert_eq!(request.header("x-api-key"), Some("sk-geheim"));
    });
    check(json!({"type": "api_key", "in": "query", "name": "key", "value": "${API_KEY}"}), |request| {
        assert_eq!(param(request, "key").as_deref(), Some("sk-geheim"));
    });
    check(json!({"type": "api_key", "in": "cookie", "name": "session", "value": "${API_KEY}"}), |request| {
        assert_eq!(request.header("cookie"), Some("session=sk-geheim"));
    });
    check(json!({"type": "basic", "username": "${API_KEY}", "password": "X"}), |request| {
        assert_eq!(request.header("authorization"), Some("Basic c2stZ2VoZWltOlg="));
    });
    check(json!({"type": "bearer", "token": "${API_KEY}"}), |request| {
        assert_eq!(request.header("authorization"), Some("Bearer sk-geheim"));
    });
    // The form of other programs.
    let server = Server::new(|_, _| say(&json!([{"id": 1}])));
    let headers = json!({"X-API-KEY": "${API_KEY}", "Accept": "application/vnd.x+json"});
    let mut lake = Lake::default();
    rig(json!({"endpoint": server.url, "auth_type": "api_key", "headers": headers}))
        .collect(&mut lake)
        .unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.header("x-api-key"), Some("sk-geheim"));
    assert_eq!(request.header("accept"), Some("application/vnd.x+json"));
}

/// A service with a login: gives `token-1`, `token-2` …, and takes the newest only.
fn login(number: usize, request: &Request, expires_in: u64, revoked_at: usize) -> Reply {
    if path(request) == "/token" {
        let body = request.body.as_str().unwrap();
        assert!(body.contains("client_id=me") && body.contains("client_secret=sk-geheim"), "{body}");
        let granted = json!({"access_token": format!("token-{number}"), "expires_in": expires_in, "refresh_token": "refresh-next"});
        return say(&granted);
    }
    if number == revoked_at {
        return Reply::Say(401, "", r#"{"error": "token-0 is revoked"}"#.to_owned());
    }
    say(&json!([{"id": number, "token": request.header("authorization")}]))
}

fn oauth2(url: &str) -> Value {
    json!({
        "base_url": url, "auth": {"type": "oauth2", "token_url": format!("{url}/token"), "client_id": "me",
                                  "client_secret": "${API_KEY}", "scope": "read"},
        "resources": [{"name": "items", "path": "items", "paginate": {"type": "single"}}],
    })
}

#[test]
fn rest_04_tokens_are_fetched_and_renewed() {
    let server = Server::new(|number, request| login(number, request, 3_600, usize::MAX));
    let (mut rig, mut lake) = (rig(oauth2(&server.url)), Lake::default());
    rig.collect(&mut lake).unwrap();
    rig.collect(&mut lake).unwrap();
    // Half a minute before its end it is renewed, with what the service gave for that.
    rig.pace.wait(Duration::from_secs(3_571));
    rig.collect(&mut lake).unwrap();
    let tokens = lake.values("items", "token");
    assert_eq!(tokens, ["Bearer token-0", "Bearer token-0", "Bearer token-3"]);
    let asked: Vec<String> = server
        .requests()
        .iter()
        .filter(|request| path(request) == "/token")
        .map(|request| request.body.as_str().unwrap().to_owned())
        .collect();
    assert!(asked[0].starts_with("grant_type=client_credentials&scope=read&"), "{}", asked[0]);
    assert!(asked[1].starts_with("grant_type=refresh_token&refresh_token=refresh-next&"), "{}", asked[1]);
}

#[test]
fn rest_04_a_token_that_is_refused_is_renewed_once() {
    // 0 the token, 1 refused, 2 another token, 3 taken.
    let server = Server::new(|number, request| login(number, request, 3_600, 1));
    let mut lake = Lake::default();
    let collected = rig(oauth2(&server.url)).collect(&mut lake).unwrap();
    assert_eq!(
        (ended(&collected, "items"), lake.values("items", "token")),
        ("ok".into(), vec![json!("Bearer token-2")])
    );
    assert_eq!(server.requests().len(), 4);
    // Refused again: nothing that helps.
    let server = Server::new(|_, request| match path(request) {
        "/token" => say(&json!({"access_token": "token-secret"})),
        _ => Reply::Say(401, "", r#"{"message": "token-secret is not good"}"#.to_owned()),
    });
    let error = rig(oauth2(&server.url)).collect(&mut Lake::default()).unwrap_err();
    assert!(matches!(error, CollectError::Credentials { .. }));
    assert!(
        error.to_string().contains("*** is not good") && error.to_string().contains("set API_KEY anew"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn rest_04_a_login_that_fails_is_told() {
    let check = |reply: fn() -> Reply, kind: ErrorKind, why: &str| {
        let server = Server::new(move |_, _| reply());
        let error = rig(oauth2(&server.url)).collect(&mut Lake::default());
        let told = match error {
            Err(error) => {
                assert_eq!(error.kind(), kind);
                stele_model::error::in_full(&error)
            }
            Ok(collected) => ended(&collected, "items"),
        };
        assert!(told.contains(why) && !told.contains("geheim"), "{told}");
        assert_eq!(server.requests().len(), 1);
    };
    check(
        || Reply::Say(401, "", r#"{"error": "sk-geheim is unknown"}"#.to_owned()),
        ErrorKind::Config,
        "401: *** is unknown",
    );
    check(
        || Reply::Say(200, "", r#"{"token": "sk-geheim"}"#.to_owned()),
        ErrorKind::Report,
        "no `access_token`",
    );
    check(|| Reply::Say(503, "", String::new()), ErrorKind::Retry, "503");
}

#[test]
fn rest_04_several_tokens_take_turns() {
    // Each may ask twice, then it is refused for a minute.
    let server = Server::new(|_, request| {
        let token = request.header("authorization").unwrap().to_owned();
        let page: i64 = param(request, "page").unwrap().parse().unwrap();
        let of = |token: &str| if token.ends_with("one") { [1, 2] } else { [3, 4] };
        match page {
            6.. => say(&json!([])),
            5 if token.ends_with("one") => say(&json!([{"id": page, "token": token}])),
            _ if of(&token).contains(&page) => say(&json!([{"id": page, "token": token}])),
            _ => Reply::Say(429, "Retry-After: 60\r\n", String::new()),
        }
    });
    let mut rig = rig(json!({
        "endpoint": server.url, "auth": {"type": "tokens", "tokens": ["secret-one", "secret-two"]},
        "paginate": {"type": "page_number"},
    }));
    let mut lake = Lake::default();
    let collected = rig.collect(&mut lake).unwrap();
    assert_eq!(ended(&collected, "news"), "ok");
    let turns: Vec<String> =
        lake.values("news", "token").iter().map(|t| t.as_str().unwrap()[14..].to_owned()).collect();
    assert_eq!(turns, ["one", "one", "two", "two", "one"]);
    // Only when both are refused is there a wait.
    assert_eq!(rig.pace.now().as_secs(), 60);
}

#[test]
fn rest_16_no_secret_is_in_any_error_or_text() {
    let check = |auth: Value, reply: fn() -> Reply| {
        let server = Server::new(move |_, _| reply());
        let mut rig = rig(
            json!({"endpoint": format!("{}/hooks/${{API_KEY}}/?key=wort-geheim", server.url), "auth": auth, "retry": {"max": 2}}),
        );
        let mut lake = Lake::default();
        let told = match rig.collect(&mut lake) {
            Err(error) => format!("{error:?} {}", stele_model::error::in_full(&error)),
            Ok(collected) => format!("{collected:?} {}", serde_json::to_string(&collected).unwrap()),
        };
        assert!(!told.contains("geheim"), "{told}");
        let checked = rig.with(|collector, means| collector.check(means));
        assert!(!format!("{checked:?}").contains("geheim"), "{checked:?}");
        told
    };
    let bearer = || json!({"type": "bearer", "token": "${API_KEY}"});
    let told = check(bearer(), || Reply::Say(401, "", r#"{"message": "who is sk-geheim?"}"#.to_owned()));
    assert!(told.contains("set API_KEY anew and run `stele sources check news`"), "{told}");
    check(bearer(), || Reply::Say(500, "", r#"{"message": "who is sk-geheim?"}"#.to_owned()));
    check(bearer(), || Reply::Say(403, "", r#"{"message": "who is sk-geheim?"}"#.to_owned()));
    check(bearer(), || Reply::Say(400, "", "who is sk-geheim?".to_owned()));
    check(bearer(), || Reply::Say(400, "", "who is wort-geheim?".to_owned()));
    check(bearer(), || Reply::Close);
    check(bearer(), || Reply::Raw("sk-geheim"));
    check(json!({"type": "api_key", "in": "query", "name": "k", "value": "${API_KEY}"}), || Reply::Close);
    // What a service says to be well is told without it, too.
    check(json!({"type": "none"}), || Reply::Say(200, "", "[]".to_owned()));
    // What is refused is asked once.
    let server = Server::new(|_, _| Reply::Say(401, "", String::new()));
    let error =
        rig(json!({"endpoint": server.url, "auth": bearer()})).collect(&mut Lake::default()).unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Config, 1));
}

#[test]
fn rest_16_an_address_that_is_looked_up_is_shown_by_its_host() {
    let server = Server::new(|_, _| {
        Reply::Say(
            400,
            "",
            "no pfad-geheim with frage-geheim/1 or frage-geheim%2f1 of wort-geheim".to_owned(),
        )
    });
    let host = server.url.replace("http://127.0.0.1", "http://localhost");
    let whole = host.replace("http://localhost", "http://ann:wort-geheim@LocalHost");
    let whole = format!("{whole}/T0/pfad-geheim?key=frage-geheim%2F1");
    let lookup = |name: &str| (name == "WEBHOOK_URL").then(|| whole.clone());
    let settings = json!({"endpoint": "${WEBHOOK_URL}", "name": "items"});
    let mut rig = try_rig_with(settings, Shared::default(), &lookup).unwrap();
    let collected = rig.collect(&mut Lake::default()).unwrap();
    let told = format!("{} {collected:?}", ended(&collected, "items"));
    assert!(
        told.contains(&format!("{host} refused the request with 400: no *** with *** or *** of ***")),
        "{told}"
    );
    assert!(!told.contains("geheim") && !told.contains("/T0"), "{told}");
    // It was asked where it is.
    assert_eq!(server.requests()[0].path, "/T0/pfad-geheim?key=frage-geheim%2F1");
}

#[test]
fn rest_16_what_is_a_key_by_its_name_is_shown_nowhere() {
    let check = |sent: Value| {
        let server = Server::new(|_, request| {
            Reply::Say(400, "", format!("who is {} {}", request.path, request.body))
        });
        let mut settings = sent.as_object().unwrap().clone();
        settings.insert("endpoint".to_owned(), json!(server.url));
        let collected = rig(Value::Object(settings)).collect(&mut Lake::default()).unwrap();
        let told = ended(&collected, "news");
        assert!(told.contains("who is /") && told.contains("***"), "{sent}: {told}");
        assert!(!told.contains("geheim"), "{sent}: {told}");
    };
    check(json!({"params": {"key": "geheim/1", "q": "all"}}));
    check(json!({"params": {"api_key": ["a-geheim", "b-geheim"]}}));
    check(json!({"path": "items?q=all&access_token=geheim-1"}));
    check(json!({"method": "POST", "body": {"who": {"Client_Secret": "geheim-1"}}}));
    check(json!({"method": "POST", "form": true, "body": {"password": "das geheim"}}));
}

#[test]
fn rest_16_where_a_token_is_fetched_is_shown_without_secrets() {
    let check = |token_url: &str, reply: fn() -> Reply| {
        let server = Server::new(move |_, _| reply());
        let mut settings = oauth2(&server.url);
        settings["auth"]["token_url"] = json!(format!("{}{token_url}", server.url));
        let collected = rig(settings).collect(&mut Lake::default()).unwrap();
        let told = ended(&collected, "items");
        assert!(told.contains("the token") && told.contains(&server.url), "{told}");
        assert!(!told.contains("geheim"), "{told}");
    };
    // Looked up, or the same as what is.
    for token_url in ["/login/${API_KEY}/token", "/login/sk-geheim/token"] {
        check(token_url, || Reply::Say(503, "", "sk-geheim".to_owned()));
        check(token_url, || Reply::Close);
        check(token_url, || Reply::Raw("sk-geheim"));
    }
}
