//! The graph as it is asked: the same answer in SQL and by the reader, counts that are true, a tenant's own
//! names, and queries that take longer than an update.

use stele_engine::lake::sql::{Params, SqlError, SqlOptions};
use stele_engine::{Cancel, Engine, NoProgress};
use stele_model::EdgeKind;

use crate::graph::{holds_graph, names, sql};
use crate::place::Place;

fn build(place: &Place, engine: &Engine) {
    let targets = [place.path("docs").display().to_string()];
    engine
        .ingest(&targets, &stele_engine::IngestOptions::default(), &NoProgress, &Cancel::default())
        .unwrap();
    engine.graph_build(&NoProgress, &Cancel::default()).unwrap();
    holds_graph(engine);
}

#[test]
fn sql_and_the_reader_put_things_together_alike() {
    let place = Place::new();
    // More names than one, so that ids in the order of sources are none by chance.
    for (name, says) in [("a", "First"), ("b", "Second"), ("c", "Third"), ("d", "Fourth"), ("e", "Fifth")] {
        let rows: String = (0..6).map(|n| format!("| `--load{n}` | {says} of {n} |\n")).collect();
        let text = format!("# crane\n\n## Options\n\n| Option | Description |\n|---|---|\n{rows}");
        place.write(&format!("docs/{name}.md"), text);
    }
    let engine = place.engine();
    build(&place, &engine);
    for number in 0..6 {
        let name = format!("--load{number}");
        let thing = engine.thing(&name).unwrap();
        assert_eq!(thing.description, Some(format!("First of {number}")));
        let of = |column: &str| {
            sql(&engine, &format!("SELECT {column} FROM entities WHERE entity_id = '{}'", thing.of.id))
        };
        assert_eq!((of("description"), of("name")), (format!("First of {number}"), name));
        let properties = of("properties");
        for (key, value) in &thing.properties {
            assert!(properties.contains(&format!("\"{key}\":\"{value}\"")), "{key}: {properties}");
        }
    }
}

#[test]
fn counts_are_of_all_and_lists_of_some() {
    let place = Place::new();
    let all: String =
        (0..1_100).map(|n| format!("## Part {n}\n\n```console\n$ crane --load {n}\n```\n\n")).collect();
    place.write("docs/a.md", format!("# crane\n\n{all}"));
    let engine = place.engine();
    build(&place, &engine);
    let edges = sql(&engine, "SELECT count(*) FROM edges WHERE kind = 'HAS_SECTION'");
    let page = engine.thing(&place.uri("docs/a.md")).unwrap();
    assert_eq!(page.edges[EdgeKind::HasSection.name()].to_string(), edges);
    assert_eq!(edges, "1101");
    let most =
        sql(&engine, "SELECT entity_id, count(*) FROM mentions GROUP BY ALL ORDER BY count(*) DESC LIMIT 1");
    let (id, count) = most.split_once(' ').unwrap();
    let thing = engine.thing(id).unwrap();
    assert_eq!(thing.mention_count.to_string(), count);
    assert!(thing.mention_count > 1_000 && thing.mentions.len() == 10, "{}", thing.mention_count);
}

#[test]
fn names_and_fields_are_those_of_the_tenant() {
    let place = Place::new();
    let (own, other) = (place.engine_of("own"), place.engine_of("other"));
    let player = |name: &str, at: u64, field: &str| {
        format!(
            "{{\"event\":\"join\",\"timestamp\":{at},\"gameId\":\"g\",\"data\":{{\"playerId\":\"p1\",\"username\":\"{name}\",\"{field}\":1}}}}\n"
        )
    };
    place.write("docs/r.jsonl", player("ours", 1_700_000_000_000, "our_field"));
    build(&place, &own);
    place.write("docs/r.jsonl", player("zz theirs", 1_800_000_000_000, "their_field").repeat(2));
    build(&place, &other);
    // Ours is brought up once more, with theirs beside it in the lake.
    place.write(
        "docs/r.jsonl",
        player("ours", 1_700_000_000_000, "our_field") + &player("ours", 1_700_000_000_000, "our_field"),
    );
    build(&place, &own);
    let fields = names(&own, "join", EdgeKind::HasField);
    assert!(fields.contains(&"data.our_field".to_owned()), "{fields:?}");
    assert!(!fields.iter().any(|field| field.contains("their")), "{fields:?}");
    let said = sql(&own, "SELECT concat_ws(' ', name, aliases, properties) FROM entities");
    assert!(said.contains("ours") && !said.contains("theirs"), "{said}");
    let fields = names(&other, "join", EdgeKind::HasField);
    assert!(!fields.iter().any(|field| field.contains("our_field")), "{fields:?}");
}

#[test]
fn a_query_keeps_its_files_whatever_is_written() {
    let place = Place::new();
    place.write("docs/a.md", "# A\n\nVersion 0.\n");
    let engine = place.engine();
    build(&place, &engine);
    let options = SqlOptions { memory_limit: 256 << 20, threads: 1, temp_dir: engine.sql_temp_dir() };
    let open = engine.sql(&engine.snapshot().unwrap(), &options).unwrap();
    let other = open.try_clone().unwrap();
    drop(open);
    for version in 1..5 {
        place.write("docs/a.md", format!("# A\n\nVersion {version}.\n"));
        build(&place, &engine);
    }
    let mut texts = Vec::new();
    let rows = other.query("SELECT text FROM sections", &Params::none()).unwrap();
    rows.each_text(|row| {
        texts.extend(row.into_iter().flatten());
        Ok::<(), SqlError>(())
    })
    .unwrap();
    assert!(texts.concat().contains("Version 0."), "{texts:?}");
}
