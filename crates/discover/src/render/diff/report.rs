//! A diff for people and for programs.

use std::io;

use super::super::cell;
use super::super::emit::{Emitter, Style};
use super::compare::{Change, Diff};
use super::rules::{Rule, Severity};

/// Writes `diff_report.md`; `old` and `new` name the two sides.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write_md(out: &mut dyn io::Write, diff: &Diff, old: &str, new: &str) -> io::Result<()> {
    writeln!(out, "# Changes\n")?;
    writeln!(out, "From {} to {}: {}.\n", cell::code(old), cell::code(new), summary(diff))?;
    writeln!(out, "What the new side lacks was not seen there, which does not mean that it is gone.")?;
    for severity in Severity::ALL.into_iter().rev() {
        if diff.count(severity) == 0 {
            continue;
        }
        writeln!(out, "\n## {}\n", severity.name())?;
        cell::head(out, &["event", "path", "change", "before", "after", "why", "evidence"])?;
        for change in diff.changes.iter().filter(|change| change.rule.severity() == severity) {
            let span = |text: &str| if text.is_empty() { String::from("–") } else { cell::value(text) };
            cell::row(
                out,
                &[
                    cell::code(&change.event),
                    match change.path.as_deref() {
                        None => String::from("(event)"),
                        Some("") => String::from("(root)"),
                        Some(path) => cell::code(path),
                    },
                    change.rule.kind().name().to_owned(),
                    span(&change.before),
                    span(&change.after),
                    change.rule.text().to_owned(),
                    change.evidence.as_deref().map(cell::code).unwrap_or_default(),
                ],
            )?;
        }
    }
    writeln!(out, "\n## Rules\n")?;
    cell::head(out, &["severity", "change", "when"])?;
    for rule in Rule::ALL {
        cell::row(out, &[rule.severity().name(), rule.kind().name(), rule.text()])?;
    }
    Ok(())
}

fn summary(diff: &Diff) -> String {
    if diff.changes.is_empty() {
        return String::from("no changes");
    }
    let counts = Severity::ALL
        .into_iter()
        .rev()
        .map(|severity| format!("{} {}", diff.count(severity), severity.name()));
    counts.collect::<Vec<_>>().join(", ")
}

/// Writes `diff_report.json`; `old` and `new` name the two sides.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write_json(out: &mut dyn io::Write, diff: &Diff, old: &str, new: &str) -> io::Result<()> {
    let mut emitter = Emitter::new(out, Style::Json);
    let e = &mut emitter;
    e.object();
    e.field("old", old);
    e.field("new", new);
    e.field("worst", if diff.changes.is_empty() { "NONE" } else { diff.worst().name() });
    e.key("counts");
    e.object();
    for severity in Severity::ALL.into_iter().rev() {
        e.field_count(severity.name(), diff.count(severity) as u64);
    }
    e.end();
    e.key("changes");
    e.array();
    for Change { event, path, rule, before, after, evidence } in &diff.changes {
        e.object();
        e.field("event", event);
        if let Some(path) = path {
            e.field("path", path);
        }
        e.field("change", rule.kind().name());
        e.field("severity", rule.severity().name());
        e.field("why", rule.text());
        for (key, text) in [("before", before), ("after", after)] {
            if !text.is_empty() {
                e.field(key, text);
            }
        }
        if let Some(evidence) = evidence {
            e.field("evidence", evidence);
        }
        e.end();
    }
    e.end();
    e.end();
    emitter.finish()
}
