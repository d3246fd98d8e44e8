//! The service as it runs: what it reads again when it is told to, and how it ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use stele_testkit::server::{Reply, Server};

use crate::world::World;

const WORDS: &str = "[embedding]\nprovider = \"none\"\n";

/// Starts the service, and comes back when it takes requests.
fn serve(world: &World, variables: &[(&str, &str)]) -> Child {
    let mut serve = world.stele("serve --port 0 --data-dir d --json");
    serve.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = serve.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("serving"), "{line}");
    child
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_worker_that_cannot_work_is_said_before_anybody_is_served() {
    let world = World::of_size(112, 5_000);
    for (wrong, says) in [
        ("--lease 1ms", "setting lease"),
        ("--lease 0s", "setting lease"),
        ("--worker-name=", "setting name"),
    ] {
        let ran = world.run(&format!("serve --port 0 --data-dir d --json {wrong}")).is(78);
        assert!(ran.stdout.contains(says) && !ran.stdout.contains("serving"), "{wrong}: {}", ran.stdout);
    }
}

#[test]
fn a_watcher_that_comes_while_it_runs_is_fetched_as_it_is_configured() {
    let world = World::of_size(110, 5_000);
    let web = Server::new(|_, request| match (request.header("authorization"), request.path.as_str()) {
        (Some("Bearer sesame"), "/index.json") => {
            Reply::Say(200, "", r#"{"documents":[{"url":"/pier.md","checksum":"1"}]}"#.to_owned())
        }
        (Some("Bearer sesame"), "/pier.md") => Reply::Say(200, "", "# Pier\n\nWords.\n".to_owned()),
        _ => Reply::Say(401, "", "a key is needed".to_owned()),
    });
    world.write("stele.toml", WORDS);
    let mut child = serve(&world, &[("HARBOUR_KEY", "sesame")]);
    // Only where content is ready or is not would the newer file be another document's.
    world.write("in/crane.md", "# Crane\n\nWords.\n");
    world.write("in/crane.md.ready", "# Derrick\n\nOther words.\n");
    world.write(
        "stele.toml",
        format!(
            "{WORDS}[watchers.harbour]\nkind = \"http\"\nindex = \"{}/index.json\"\nkey_variable = \"HARBOUR_KEY\"\n\
             [watchers.inbox]\nkind = \"spool\"\npath = \"{}\"\nmode = \"direct\"\nsettle_ms = 100\n",
            web.url,
            world.path("in").display()
        ),
    );
    signal(&child, "-HUP");
    let until = Instant::now() + Duration::from_secs(120);
    let ended = loop {
        let listed = world.run("jobs --data-dir d --json").is(0).last();
        let jobs = listed["jobs"].as_array().unwrap().clone();
        let over = |job: &&Value| ["done", "failed", "dead"].iter().any(|state| job["state"] == *state);
        if jobs.iter().filter(over).count() == 2 {
            break jobs;
        }
        assert!(Instant::now() < until, "{listed}");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(ended.iter().all(|job| job["state"] == "done"), "{ended:?}");
    let titles = world.sql("SELECT title FROM documents ORDER BY ALL");
    assert_eq!(titles.split_whitespace().collect::<Vec<_>>(), ["Crane", "Pier"], "{titles}");
    signal(&child, "-INT");
    child.wait().unwrap();
}
