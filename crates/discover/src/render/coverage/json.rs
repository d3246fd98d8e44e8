//! The report for programs.

use std::io;

use stele_model::json::Kind;

use super::super::emit::{Emitter, Style, is_scalar};
use super::super::facts;
use super::Coverage;
use crate::view::{CatalogueView, EventView, FileView, PathView};

/// Version of the document's form.
const VERSION: u64 = 1;

pub(super) fn write(out: &mut dyn io::Write, coverage: &Coverage<'_>) -> io::Result<()> {
    let mut emitter = Emitter::new(out, Style::Json);
    let e = &mut emitter;
    e.object();
    e.field_count("version", VERSION);
    e.key("complete");
    e.flag(coverage.is_complete());
    totals(e, coverage.view);
    ledger(e, coverage);
    e.key("files");
    e.array();
    for file in &coverage.view.files {
        emit_file(e, file);
    }
    e.end();
    e.key("events");
    e.array();
    for event in &coverage.view.events {
        emit_event(e, event, coverage.view.records);
    }
    e.end();
    folds(e, coverage);
    e.key("type_conflicts");
    e.array();
    for (event, path, union) in coverage.unions() {
        begin_path(e, event, path);
        e.field("union", union.name());
        types(e, path);
        e.end();
    }
    e.end();
    paths(e, "always_null", coverage.always_null());
    paths(e, "always_empty", coverage.always_empty());
    e.end();
    emitter.finish()
}

fn totals(e: &mut Emitter<'_>, view: &CatalogueView) {
    e.key("totals");
    e.object();
    e.field_count("files", view.files.len() as u64);
    e.field_count("records", view.records);
    e.field_count("bytes", view.files.iter().map(|file| file.bytes).sum());
    e.field_count("events", view.events.len() as u64);
    e.field_count("paths", view.events.iter().map(|event| facts::paths(event).len() as u64).sum());
    e.field_count("nodes", view.nodes);
    e.end();
}

fn ledger(e: &mut Emitter<'_>, coverage: &Coverage<'_>) {
    e.key("ledger");
    e.object();
    for (name, count) in coverage.ledger_totals() {
        e.field_count(name, count);
    }
    e.key("balances");
    e.flag(coverage.ledger.balances());
    e.end();
    e.key("checks");
    e.array();
    for check in coverage.checks {
        e.object();
        e.field("name", &check.name);
        e.field_count("counted", check.counted);
        for (key, count) in [("recounted", check.recounted), ("source", check.source)] {
            if let Some(count) = count {
                e.field_count(key, count);
            }
        }
        e.key("equal");
        e.flag(check.holds());
        e.end();
    }
    e.end();
}

fn emit_file(e: &mut Emitter<'_>, file: &FileView) {
    e.object();
    e.field("uri", &file.uri);
    e.field("format", &file.format);
    e.field_count("bytes", file.bytes);
    e.field_count("lines", file.lines);
    e.field_count("records", file.records);
    if let Some((low, high)) = file.seq_range {
        e.key("sequence");
        e.raws([low.to_string().as_str(), high.to_string().as_str()]);
    }
    e.field_count("rejected", file.rejected_count);
    e.key("growing");
    e.flag(file.growing);
    e.key("parse_errors");
    e.array();
    for (line, at, reason) in &file.rejected {
        e.object();
        e.field_count("line", *line);
        e.field_count("byte", *at);
        e.field("reason", reason);
        e.end();
    }
    e.end();
    e.field_count("holes", file.hole_count);
    e.key("sequence_holes");
    e.array();
    for (line, before, after) in &file.holes {
        e.object();
        e.field_count("line", *line);
        e.field_raw("before", &before.to_string());
        e.field_raw("after", &after.to_string());
        e.end();
    }
    e.end();
    e.field_count("steps_back", file.step_back_count);
    e.key("step_back_lines");
    let lines: Vec<String> = file.steps_back.iter().map(u64::to_string).collect();
    e.raws(lines.iter().map(String::as_str));
    e.field_count("times_repeated", file.times_repeated_count);
    e.field_count("times_skipped", file.times_skipped_count);
    e.field_count("bytes_removed", file.bytes_removed);
    e.end();
}

fn emit_event(e: &mut Emitter<'_>, event: &EventView, records: u64) {
    e.object();
    e.field("event", &event.name);
    e.field_count("records", event.records);
    e.field_raw("share", &facts::share(event.records, records));
    e.key("fields");
    e.array();
    for path in facts::paths(event) {
        e.object();
        e.field("path", &path.path);
        types(e, path);
        e.field_count("nodes", path.nodes);
        e.field_count("records", path.records);
        e.field_raw("presence", &facts::share(path.records, event.records));
        e.field_count("empty", path.empty);
        e.field_count("distinct", path.distinct);
        e.key("distinct_exact");
        e.flag(path.distinct_exact);
        if let Some((low, high)) = &path.number_range
            && is_scalar(low)
            && is_scalar(high)
        {
            e.key("range");
            e.raws([low.as_str(), high.as_str()]);
        }
        samples(e, path);
        e.field("first_seen", &facts::at(&path.first_seen));
        e.field("last_seen", &facts::at(&path.last_seen));
        e.end();
    }
    e.end();
    e.end();
}

fn samples(e: &mut Emitter<'_>, path: &PathView) {
    e.key("enumerated");
    e.flag(path.enumerated);
    e.key("values");
    e.array();
    path.values.iter().for_each(|value| e.sample(value));
    e.end();
}

fn folds(e: &mut Emitter<'_>, coverage: &Coverage<'_>) {
    e.key("folded_maps");
    e.array();
    for (event, path, fold) in coverage.folds() {
        begin_path(e, event, path);
        e.field_count("members", fold.members);
        e.field_count("distinct_keys", fold.distinct_keys);
        e.key("sample_keys");
        e.words(fold.sample_keys.iter().map(String::as_str));
        e.field("reason", &fold.reason);
        e.end();
    }
    e.end();
}

fn paths<'a>(e: &mut Emitter<'_>, key: &str, found: impl Iterator<Item = (&'a EventView, &'a PathView)>) {
    e.key(key);
    e.array();
    for (event, path) in found {
        begin_path(e, event, path);
        types(e, path);
        e.end();
    }
    e.end();
}

fn begin_path(e: &mut Emitter<'_>, event: &EventView, path: &PathView) {
    e.object();
    e.field("event", &event.name);
    e.field("path", &path.path);
    e.field("first_seen", &facts::at(&path.first_seen));
}

fn types(e: &mut Emitter<'_>, path: &PathView) {
    e.key("types");
    e.object();
    for kind in Kind::ALL.into_iter().filter(|kind| path.count(*kind) > 0) {
        e.field_count(kind.name(), path.count(kind));
    }
    e.end();
}
