//! What a help desk has, as rows and as texts; taken away and brought back; summarised. Numbers 25, 26 and 30 of the tests
//! of help desks.

use std::path::Path;

use serde_json::{Value, json};
use stele_testkit::freshdesk::{File, Knobs, Place};
use stele_testkit::server::{Reply, Server};
use stele_testkit::{docx, pdf};

use crate::desk::Rig;

/// Tickets, with messages and files, and articles of the desks here.
const TICKETS: u64 = 12;

fn knobs() -> Knobs {
    Knobs { tickets: TICKETS, attachments: 1, articles: 3, inline_images: true, ..Knobs::default() }
}

/// All that has rows.
const STREAMS: &str = "streams = [\"tickets\", \"conversations\", \"attachments\", \"articles\"]\n";

fn rig(seed: u64, more: &str) -> Rig {
    Rig::of(seed, knobs(), &format!("{STREAMS}{more}"))
}

fn collect(rig: &Rig) {
    rig.run("ingest --source desk").is(0);
}

/// One cell.
#[track_caller]
fn one(rig: &Rig, query: &str) -> String {
    rig.world.sql(query).trim().to_owned()
}

/// Rows by what they are, and how many of them hold what they say.
fn rows(rig: &Rig) -> String {
    one(
        rig,
        "SELECT string_agg(told, ' ' ORDER BY told) FROM (SELECT object_type || '=' || count(*) || '/' || \
         count(integrated_content) || '/' || count(original_data) AS told FROM integrated_objects GROUP BY object_type)",
    )
}

fn first_article(rig: &Rig) -> u64 {
    one(rig, "SELECT min(original_id) FROM objects WHERE object_type = 'article'").parse().unwrap()
}

/// All of it has rows that hold what it says; and keys alone.
const WHOLE: &str = "attachment=12/12/12 integrated_article=6/6/6 integrated_ticket=12/12/12";
const KEYS: &str = "attachment=12/0/0 integrated_article=6/0/0 integrated_ticket=12/0/0";

#[test]
fn freshdesk_25_rows_hold_what_the_mode_says() {
    let rig = rig(131, "");
    collect(&rig);
    assert_eq!(rows(&rig), WHOLE);
    let unique = "SELECT count(*) = count(DISTINCT (tenant_id, platform, object_type, original_id)) FROM integrated_objects";
    assert_eq!(one(&rig, unique), "true");
    // A ticket that changes stays one row, in its new version; a ticket that goes to the spam and comes back is what it
    // is now; an article that is gone has no row.
    rig.mock.touch(3);
    rig.mock.put(4, Place::Spam);
    collect(&rig);
    let fourth = "SELECT original_data->>'$.status' = 'spam', tenant_metadata->>'$.spam' FROM integrated_objects \
                  WHERE object_type = 'integrated_ticket' AND original_id = '4'";
    assert_eq!(one(&rig, fourth), "true,true");
    rig.mock.put(4, Place::Live);
    let gone = first_article(&rig);
    rig.mock.set(|knobs| knobs.articles_removed = vec![gone]);
    collect(&rig);
    assert_eq!(rows(&rig), WHOLE.replace("article=6/6/6", "article=5/5/5"));
    assert_eq!(one(&rig, unique), "true");
    assert_eq!(one(&rig, fourth), "false,false");
    // What lets in whoever has it stands in no row.
    let signed = "SELECT count(*) FROM integrated_objects WHERE regexp_matches(concat(integrated_content, original_data, \
                  tenant_metadata), '(?i)(token|signature|sig)=[^&\"]')";
    assert_eq!(one(&rig, signed), "0");
    let first = "SELECT tenant_metadata->>'$.conversation_count', tenant_metadata->>'$.attachment_count', \
                 tenant_metadata->>'$.has_document_attachments', contains(integrated_content, '[requester, '), \
                 created_at IS NOT NULL, processed_at IS NOT NULL, summary, summary_generated_at \
                 FROM integrated_objects WHERE object_type = 'integrated_ticket' AND original_id = '1'";
    let told = one(&rig, first);
    assert!(
        told.starts_with("3,1,true,true,true,true") || told.starts_with("3,2,true,true,true,true"),
        "{told}"
    );
    assert!(told.ends_with(",,"), "{told}");

    for (mode, expect) in [("vector-only", KEYS), ("hybrid", WHOLE), ("adaptive", WHOLE), ("vectors", KEYS)] {
        let config = String::from_utf8(rig.world.read("stele.toml")).unwrap();
        let bare: String =
            config.lines().filter(|line| !line.starts_with("mode")).map(|line| format!("{line}\n")).collect();
        rig.world.write("stele.toml", format!("{bare}mode = \"{mode}\"\n"));
        assert_eq!(
            rows(&rig),
            expect.replace("article=6/6/6", "article=5/5/5").replace("article=6/0/0", "article=5/0/0"),
            "{mode}"
        );
        // Metadata and keys are there in any case, and so are the texts that are searched.
        assert_eq!(one(&rig, "SELECT count(*) FROM integrated_objects WHERE tenant_metadata IS NULL"), "0");
    }
    rig.world.covered();
}

#[test]
fn freshdesk_23_files_are_read_as_documents_are() {
    let kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    let files = vec![
        File::new(
            "berth.pdf",
            "application/pdf",
            &pdf::written(&[&["The crane of berth seven stands still."]]),
        ),
        File::new("berth.docx", kind, &docx::written(&["The pump of berth nine hums."])),
    ];
    let rig = Rig::of(139, Knobs { tickets: 1, attachments: 2, files, ..Knobs::default() }, STREAMS);
    collect(&rig);
    for said in ["crane of berth seven", "pump of berth nine"] {
        let found = format!(
            "SELECT count(*) FROM integrated_objects WHERE object_type = 'attachment' AND \
             contains(integrated_content, '{said}')"
        );
        assert_eq!(one(&rig, &found), "1", "{said}");
    }
}

/// Objects that have no text in the index, which is all that the lake comes to and nothing else.
fn without_text(rig: &Rig) -> Vec<String> {
    rig.run("index verify --json").is(0);
    let wanted = rig.world.sql("SELECT id FROM objects ORDER BY id");
    wanted.lines().filter(|id| told_of(rig, id).is_empty()).map(str::to_owned).collect()
}

/// The inputs in which the texts stand that are found of an object.
fn told_of(rig: &Rig, id: &str) -> Vec<String> {
    let said = rig.run(&format!("search {id} --kind object --top 50 --json")).is(0).last();
    let results = said["results"].as_array().unwrap().iter().map(|result| &result["metadata"]);
    let of_it =
        results.filter(|said| said["title"].as_str().is_some_and(|title| title.ends_with(&format!(" {id}"))));
    of_it.map(|said| said["source"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn freshdesk_26_every_row_has_a_text_and_a_kill_between_the_two_is_repaired() {
    let rig = rig(132, "");
    let indexed = [("STELE_INDEX_ON_INGEST", "true")];
    // The lake has all of it, and the process is gone before the index hears of any.
    let killed = rig.run_with(
        "ingest --source desk",
        &[("STELE_INDEX_ON_INGEST", "true"), ("STELE_FAILPOINT", "index.rows.append:1:kill")],
    );
    assert_eq!(killed.code, None, "{}", killed.stderr);
    assert_eq!(rows(&rig), WHOLE);
    rig.run("index verify --json").is(4);
    // Nothing is new, and the index follows all the same.
    let again = rig.run_with("ingest --source desk --json", &indexed).is(0).events();
    let run = again.iter().find(|event| event["event"] == "collected").unwrap();
    assert_eq!(run["records"], 0, "{run}");
    assert_eq!(without_text(&rig), Vec::<String>::new());

    // What changed is there once, as it is now; what is gone is not found.
    let (fifth, gone) = ("default_freshdesk_5", first_article(&rig));
    let before = told_of(&rig, fifth);
    rig.mock.touch(5);
    rig.mock.set(|knobs| knobs.articles_removed = vec![gone]);
    rig.run_with("ingest --source desk", &indexed).is(0);
    assert_eq!(without_text(&rig), Vec::<String>::new());
    let after = told_of(&rig, fifth);
    let newest = one(&rig, "SELECT source FROM objects WHERE id = 'default_freshdesk_5'");
    assert!(!after.contains(&before[0]) && after.iter().all(|source| *source == newest), "{after:?}");
    assert_eq!(told_of(&rig, &format!("default_freshdesk_article-{gone}")), Vec::<String>::new());
    // What a file says is found by its words.
    let file = rig.run("search Monday --kind object --json").is(0).last();
    let top = file["results"][0]["metadata"]["title"].as_str().unwrap();
    assert!(top.starts_with("attachment "), "{file}");
}

/// The words for this tenant on this day.
fn words(tenant: &str) -> String {
    let day = std::process::Command::new("date").args(["-u", "+%Y%m%d"]).output().unwrap().stdout;
    format!("DELETE_{tenant}_freshdesk_{}", String::from_utf8(day).unwrap().trim())
}

/// Everything that records say, whatever they are called in the lake.
fn records(rig: &Rig, of: &str) -> String {
    rig.world.sql(&format!(
        "SELECT count(*), md5(string_agg(raw_hash, '' ORDER BY raw_hash)) FROM events WHERE {of}"
    ))
}

const OF_DESK: &str = "starts_with(source, 'collected://desk/')";
const OF_OTHERS: &str = "NOT starts_with(source, 'collected://desk/')";

#[test]
fn freshdesk_30_a_purge_takes_what_it_says_and_its_backup_brings_it_back() {
    // Another tenant on the same platform, and recordings.
    let rig = rig(133, "");
    let config = String::from_utf8(rig.world.read("stele.toml")).unwrap();
    let desk = &config[config.find("[[sources]]").unwrap()..];
    let other = desk.replace("source_id = \"desk\"", "source_id = \"other\"\ntenant_id = \"other\"");
    rig.world.write("stele.toml", format!("{config}{other}"));
    rig.run_with("ingest --source desk", &[("STELE_INDEX_ON_INGEST", "true")]).is(0);
    rig.run("ingest --source other").is(0);
    rig.run_with("ingest sample", &[("STELE_INDEX_ON_INGEST", "true")]).is(0);
    let (own, others) = (records(&rig, OF_DESK), records(&rig, OF_OTHERS));
    let state = rig.run("sources state show desk").is(0).stdout;
    assert!(state.contains("tickets"), "{state}");
    let (rejected, no_record) =
        ("d/sources/rejected/desk/0123456789abcdef.jsonl", "{\"reason\":\"no object\"}\n");
    rig.world.write(rejected, no_record);

    let plan = rig.run("sources purge desk --json").is(0).last();
    assert_eq!((&plan["done"], &plan["plan"]["sources"]), (&json!(false), &json!(["desk"])), "{plan}");
    let objects = json!({ "article": 6, "attachment": 12, "conversation": 36, "ticket": 12 });
    assert_eq!(plan["plan"]["objects"], objects, "{plan}");
    let count = |name: &str| plan["plan"][name].as_u64().unwrap();
    assert!(count("records") > 66 && count("bytes") > 10_000 && count("texts") >= 66, "{plan}");
    let page = rig.run("sources purge desk").is(0).stdout;
    let right = words("default");
    assert!(page.contains("DELETE_{tenant}_{platform}_{YYYYMMDD}") && page.contains("--confirm"), "{page}");
    assert!(
        !page.contains(&right) && !plan.to_string().contains(&right),
        "the words are for a person to form"
    );

    for wrong in ["yes", "DELETE_default_freshdesk_19990101", &words("other"), &right.to_lowercase()] {
        let refused = rig.run(&format!("sources purge desk --confirm {wrong} --json")).is(1);
        assert!(!refused.stdout.contains(&right) && !refused.stderr.contains(&right), "{}", refused.stdout);
        assert!(refused.stdout.contains("nothing was removed"), "{}", refused.stdout);
    }
    assert_eq!(records(&rig, OF_DESK), own);
    rig.run("sources purge desk --backup b").is(2).says(&["--confirm"]);
    rig.world.write("full/there", "x");
    rig.run(&format!("sources purge desk --confirm {right} --backup full")).is(1).says(&["not empty"]);
    // Whoever removes the data directory some day keeps the copy.
    rig.run(&format!("sources purge desk --confirm {right} --backup d/b")).is(1).says(&["data directory"]);
    assert!(!rig.world.path("d/b").exists());
    assert_eq!(records(&rig, OF_DESK), own);

    let done = rig.run(&format!("sources purge desk --confirm {right} --backup b --json")).is(0).last();
    assert_eq!((&done["done"], &done["purged"]["behind"]), (&json!(true), &Value::Null), "{done}");
    assert!(records(&rig, OF_DESK).starts_with("0,"), "{}", records(&rig, OF_DESK));
    assert_eq!(records(&rig, OF_OTHERS), others);
    rig.world.covered();
    let told = one(&rig, "SELECT sum(rows_pruned) FROM files WHERE starts_with(uri, 'collected://desk/')");
    assert_eq!(told, plan["plan"]["records"].to_string());
    assert_eq!(one(&rig, "SELECT count(*) FROM integrated_objects WHERE tenant_id = 'default'"), "0");
    assert_eq!(one(&rig, "SELECT count(*) FROM integrated_objects WHERE tenant_id = 'other'"), "30");
    rig.run("index verify --json").is(0);
    assert_eq!(rig.run("sources purge desk --json").is(0).last()["plan"]["texts"], 0);
    assert!(rig.run("sources state show desk").is(0).stdout.contains("Nothing was collected"));
    for kept in ["sources/runs/desk.json", "sources/rejected/desk", "tmp/attachments/desk"] {
        assert!(!rig.world.path("d").join(kept).exists(), "{kept}");
    }
    assert!(Path::new(&rig.world.path("d/sources/runs/other.json")).exists());

    // Back, to the same records; and the desk goes on where it was. One that is damaged changes nothing.
    let kept = rig.world.read("b/rejected-0000000.jsonl");
    rig.world.write("b/rejected-0000000.jsonl", "{\"reason\":\"no objects\"}");
    rig.run("sources restore b").is(1).says(&["rejected-0000000.jsonl"]);
    assert!(records(&rig, OF_DESK).starts_with("0,"), "{}", records(&rig, OF_DESK));
    rig.world.write("b/rejected-0000000.jsonl", kept);
    rig.run("sources restore b").is(0);
    assert_eq!(rig.world.read(rejected), no_record.as_bytes());
    assert_eq!((records(&rig, OF_DESK), records(&rig, OF_OTHERS)), (own.clone(), others.clone()));
    assert_eq!(rig.run("sources state show desk").is(0).stdout, state);
    rig.world.covered();
    let again = rig.run("ingest --source desk --json").is(0).events();
    let run = again.iter().find(|event| event["event"] == "collected").unwrap();
    assert_eq!(run["records"], 0, "{run}");
    let again = rig.run("sources restore b").is(0).stdout;
    assert!(again.contains("in the lake already"), "{again}");
    assert_eq!(records(&rig, OF_DESK), own);

    // Gone once more, it is collected anew, as if it had never been there; what was written aside would be mixed up
    // with that.
    rig.run(&format!("sources purge desk --confirm {right}")).is(0);
    let nothing = rig.run(&format!("sources purge desk --confirm {right} --backup none")).is(0);
    nothing.says(&["none was not written"]);
    assert!(!rig.world.path("none").exists());
    rig.world.write(rejected, no_record);
    rig.run(&format!("sources purge desk --confirm {right} --backup refused")).is(0);
    assert!(!rig.world.path(rejected).exists());
    let back = rig.run("sources restore refused").is(0).stdout;
    assert!(back.contains("1 file with what was rejected"), "{back}");
    assert_eq!(rig.world.read(rejected), no_record.as_bytes());
    rig.mock.touch(1);
    collect(&rig);
    assert_eq!(one(&rig, "SELECT count(*) FROM integrated_objects WHERE tenant_id = 'default'"), "30");
    rig.mock.touch(2);
    collect(&rig);
    rig.run("sources restore b").is(1).says(&["collected since"]);
    rig.world.covered();
}

#[test]
fn freshdesk_30_a_purge_that_dies_is_done_again_and_a_damaged_backup_is_none() {
    let rig = rig(134, "");
    collect(&rig);
    let right = words("default");
    let line = format!("sources purge desk --confirm {right} --backup b");
    let rejected = "d/sources/rejected/desk/0123456789abcdef.jsonl";
    rig.world.write(rejected, "{}\n");
    let killed = rig.run_with(&line, &[("STELE_FAILPOINT", "lake.events.log.sync:1:kill")]);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    // Whatever of it was done, once more does the rest.
    let done = rig.run(&format!("sources purge desk --confirm {right}")).is(0);
    assert!(!done.stdout.contains("A copy of"), "{}", done.stdout);
    assert_eq!(one(&rig, "SELECT count(*) FROM events"), "0");
    rig.world.covered();
    rig.run("sources restore d").is(1).says(&["it has no backup.json"]);
    let first = rig.world.read("b/0000000.jsonl");
    rig.world.write("b/0000000.jsonl", &first[1..]);
    rig.run("sources restore b").is(1).says(&["0000000.jsonl"]);
    // As long as it was, and another one.
    let mut other = first.clone();
    other[20] ^= 1;
    rig.world.write("b/0000000.jsonl", &other);
    rig.run("sources restore b").is(1).says(&["0000000.jsonl"]);
    assert_eq!(one(&rig, "SELECT count(*) FROM events"), "0");
    rig.world.write("b/0000000.jsonl", &first);
    // A list from elsewhere leads nowhere; one of the first version knew of no rejected records.
    let list = String::from_utf8(rig.world.read("b/backup.json")).unwrap();
    rig.world.write("b/backup.json", list.replace("\"desk/0123456789abcdef.jsonl\"", "\"desk/../x.jsonl\""));
    rig.run("sources restore b").is(1).says(&["none of its files"]);
    let mut older: Value = serde_json::from_str(&list).unwrap();
    older["version"] = json!(1);
    assert!(older.as_object_mut().unwrap().remove("rejected").is_some());
    rig.world.write("b/backup.json", older.to_string());
    rig.run("sources restore b").is(0);
    assert!(!rig.world.path(rejected).exists());
    assert_eq!(rows(&rig), WHOLE);
    // Sources that are no help desks have nothing that a platform tells apart.
    rig.run("sources purge nobody --confirm x").is(78).says(&["there is no such source"]);
}

/// A model that says what it is told to, or nothing.
fn model(ok: bool) -> Server {
    Server::new(move |_, request| {
        if !ok {
            return Reply::Say(400, "", "{\"error\":{\"message\":\"no such model\"}}".to_owned());
        }
        let passage = request.body["messages"][1]["content"].as_str().unwrap_or_default();
        let passage: Value = serde_json::from_str(passage).unwrap();
        let said =
            json!({ "summary": format!("About {}.", passage["headings"].as_str().unwrap()) }).to_string();
        let choice = json!({ "message": { "content": said }, "finish_reason": "stop" });
        Reply::Say(
            200,
            "",
            json!({ "choices": [choice], "usage": { "prompt_tokens": 50, "completion_tokens": 9 } })
                .to_string(),
        )
    })
}

fn summaries(server: &Server, more: &str) -> String {
    format!("[summaries]\nurl = \"{}\"\nmodel = \"m\"\ntries_max = 1\n{more}", server.url)
}

/// With a summary, marked as a model's words, and when it was written.
const SUMMARISED: &str = "SELECT count(summary), count(summary_generated_at), count(DISTINCT summary_model), \
     any_value(summary_model) FROM integrated_objects";

#[test]
fn freshdesk_25_summaries_are_asked_for_once_and_never_where_rows_hold_keys_alone() {
    let server = model(true);
    let rig = rig(135, &format!("mode = \"vector-only\"\n{}", summaries(&server, "calls_max = 10\n")));
    collect(&rig);
    rig.run("sources summarise desk").is(0);
    assert_eq!(server.requests().len(), 0, "vectors alone ask nobody");
    assert_eq!(one(&rig, SUMMARISED), "0,0,0,");

    let config = String::from_utf8(rig.world.read("stele.toml")).unwrap();
    rig.world.write("stele.toml", config.replace("vector-only", "hybrid"));
    collect(&rig);
    assert_eq!(server.requests().len(), 0, "nobody is asked unless somebody says so");
    let first = rig.run("sources summarise desk --json").is(3).last();
    assert_eq!(
        (&first["objects"], &first["summaries"], &first["left"]),
        (&json!(30), &json!(10), &json!(20)),
        "{first}"
    );
    assert!(first["stopped"].as_str().unwrap().contains("calls_max"), "{first}");
    assert_eq!(one(&rig, SUMMARISED), "10,10,1,summary/m/1");
    // The next runs go on with what is left.
    rig.run("sources summarise desk").is(3);
    let last = rig.run("sources summarise desk --json").is(0).last();
    assert_eq!((&last["summaries"], &last["known"]), (&json!(30), &json!(20)), "{last}");
    let asked = server.requests().len();
    assert!(asked <= 30, "{asked}");
    rig.run("sources summarise desk").is(0);
    assert_eq!(server.requests().len(), asked, "everything is known");
    assert_eq!(
        one(
            &rig,
            "SELECT summary FROM integrated_objects WHERE object_type = 'integrated_ticket' AND original_id = '7'"
        ),
        "About default_freshdesk_7."
    );

    // A ticket that changed has none until the model has seen it as it is.
    rig.mock.touch(7);
    collect(&rig);
    assert_eq!(one(&rig, SUMMARISED), "29,29,1,summary/m/1");
    rig.run("sources summarise desk").is(0);
    assert_eq!(one(&rig, SUMMARISED), "30,30,1,summary/m/1");
    // They go with what they are about.
    rig.run(&format!("sources purge desk --confirm {}", words("default"))).is(0);
    let mut grep = std::process::Command::new("grep");
    let found = grep
        .args(["-rlF", "About default_freshdesk_", "d"])
        .current_dir(rig.world.path("."))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
fn freshdesk_25_a_model_that_fails_fails_no_run() {
    let server = model(false);
    let rig = rig(136, &format!("mode = \"hybrid\"\n{}", summaries(&server, "")));
    collect(&rig);
    let told = rig.run("sources summarise desk --json").is(3).last();
    assert_eq!((&told["summaries"], &told["objects"]), (&json!(0), &json!(30)), "{told}");
    assert_eq!(server.requests().len(), 1, "one that refuses is not asked again");
    collect(&rig);
    assert_eq!(rows(&rig), WHOLE);
    // Without one nothing is asked, and everything else is there.
    let config = String::from_utf8(rig.world.read("stele.toml")).unwrap();
    rig.world.write("stele.toml", &config[..config.find("[summaries]").unwrap()]);
    rig.run("sources summarise desk").is(78).says(&["[summaries]", "no model is named"]);
}
