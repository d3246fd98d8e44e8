//! The report for people.

use std::io;

use super::super::{cell, facts, md};
use super::Coverage;
use crate::view::{EventView, FileView, PathView};

/// Most values shown for one field.
const VALUES_MAX: usize = 5;

type Written = io::Result<()>;

pub(super) fn write(out: &mut dyn io::Write, coverage: &Coverage<'_>) -> Written {
    writeln!(out, "# Coverage report\n")?;
    let verdict =
        if coverage.is_complete() { "Every byte is accounted for." } else { "**It does not add up.**" };
    let view = coverage.view;
    let bytes = facts::many(coverage.ledger.bytes_in, "byte");
    writeln!(out, "{verdict} {}, {bytes}, {}.\n", md::size(view), facts::many(view.nodes, "value"))?;
    ledger(out, coverage)?;
    section(out, "Files")?;
    files(out, &view.files)?;
    section(out, "Events")?;
    md::event_table(out, view)?;
    folds(out, coverage)?;
    section(out, "Type conflicts")?;
    listed(
        out,
        &["event", "path", "union", "types", "first seen"],
        coverage.unions(),
        |(event, path, union)| {
            vec![
                cell::code(&event.name),
                cell::code(&path.path),
                union.name().to_owned(),
                facts::counted_types(path),
                cell::code(&facts::at(&path.first_seen)),
            ]
        },
    )?;
    section(out, "Always null")?;
    empties(out, coverage.always_null())?;
    section(out, "Always empty")?;
    empties(out, coverage.always_empty())?;
    damage(out, &view.files)?;
    for event in &view.events {
        writeln!(out, "\n## Fields of {}\n", cell::code(&event.name))?;
        fields(out, event)?;
    }
    Ok(())
}

fn section(out: &mut dyn io::Write, title: &str) -> Written {
    writeln!(out, "\n## {title}\n")
}

/// A table, or the word `None.` where it would have no rows.
fn listed<T>(
    out: &mut dyn io::Write,
    columns: &[&str],
    items: impl Iterator<Item = T>,
    row: impl Fn(T) -> Vec<String>,
) -> Written {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return writeln!(out, "None.");
    }
    cell::head(out, columns)?;
    for item in items {
        cell::row(out, &row(item))?;
    }
    Ok(())
}

fn ledger(out: &mut dyn io::Write, coverage: &Coverage<'_>) -> Written {
    writeln!(out, "## Ledger\n")?;
    cell::head(out, &["total", "count"])?;
    for (name, count) in coverage.ledger_totals() {
        cell::row(out, &[name.to_owned(), count.to_string()])?;
    }
    let sum = "bytes_in = bytes_lake + bytes_quarantine";
    let word = if coverage.ledger.balances() { "holds" } else { "**does not hold**" };
    writeln!(out, "\n{} {word}.", cell::code(sum))?;
    if coverage.checks.is_empty() {
        return Ok(());
    }
    section(out, "Recount")?;
    let known = |count: Option<u64>| count.map_or_else(|| String::from("–"), |count| count.to_string());
    listed(out, &["total", "counted", "recounted", "source", "equal"], coverage.checks.iter(), |check| {
        vec![
            cell::prose(&check.name),
            check.counted.to_string(),
            known(check.recounted),
            known(check.source),
            String::from(if check.holds() { "yes" } else { "**NO**" }),
        ]
    })
}

fn files(out: &mut dyn io::Write, files: &[FileView]) -> Written {
    let columns =
        ["file", "format", "bytes", "lines", "records", "rejected", "sequence", "holes", "steps back"];
    listed(out, &columns, files.iter(), |file| {
        let sequence = file.seq_range.map_or_else(String::new, |(low, high)| format!("{low} … {high}"));
        vec![
            cell::code(&file.uri),
            cell::prose(&file.format),
            file.bytes.to_string(),
            file.lines.to_string(),
            file.records.to_string(),
            file.rejected_count.to_string(),
            sequence,
            file.hole_count.to_string(),
            file.step_back_count.to_string(),
        ]
    })
}

fn folds(out: &mut dyn io::Write, coverage: &Coverage<'_>) -> Written {
    section(out, "Folded maps")?;
    let columns = ["event", "path", "members", "distinct keys", "some keys", "why"];
    listed(out, &columns, coverage.folds(), |(event, path, fold)| {
        vec![
            cell::code(&event.name),
            if path.path.is_empty() { String::from("(root)") } else { cell::code(&path.path) },
            fold.members.to_string(),
            fold.distinct_keys.to_string(),
            cell::values(fold.sample_keys.iter().map(String::as_str)),
            cell::prose(&fold.reason),
        ]
    })
}

fn empties<'a>(
    out: &mut dyn io::Write,
    found: impl Iterator<Item = (&'a EventView, &'a PathView)>,
) -> Written {
    listed(out, &["event", "path", "types", "times", "first seen"], found, |(event, path)| {
        vec![
            cell::code(&event.name),
            cell::code(&path.path),
            facts::counted_types(path),
            path.nodes.to_string(),
            cell::code(&facts::at(&path.first_seen)),
        ]
    })
}

fn damage(out: &mut dyn io::Write, files: &[FileView]) -> Written {
    section(out, "Parse errors")?;
    let each = files.iter().flat_map(|file| {
        let last = file.rejected.len().saturating_sub(1);
        file.rejected
            .iter()
            .enumerate()
            .map(move |(index, rejected)| (file, rejected, file.growing && index == last))
    });
    listed(out, &["place", "byte", "reason"], each, |(file, (line, at, reason), growing)| {
        let note = if growing { " (last line: the file may still be growing)" } else { "" };
        vec![
            cell::code(&format!("{}:{line}", file.uri)),
            at.to_string(),
            format!("{}{note}", cell::prose(reason)),
        ]
    })?;
    unlisted(out, files, |file| (file.rejected.len(), file.rejected_count))?;

    section(out, "Sequence holes")?;
    let each = files.iter().flat_map(|file| file.holes.iter().map(move |hole| (file, hole)));
    listed(
        out,
        &["place", "last before", "first after", "missing"],
        each,
        |(file, (line, before, after))| {
            let missing = i128::from(*after) - i128::from(*before) - 1;
            vec![
                cell::code(&format!("{}:{line}", file.uri)),
                before.to_string(),
                after.to_string(),
                missing.to_string(),
            ]
        },
    )?;
    unlisted(out, files, |file| (file.holes.len(), file.hole_count))?;

    section(out, "Time steps backward")?;
    let each = files.iter().filter(|file| file.step_back_count > 0);
    listed(out, &["file", "times", "lines"], each, |file| {
        let lines: Vec<String> = file.steps_back.iter().map(u64::to_string).collect();
        let more = if file.step_back_count > lines.len() as u64 { ", …" } else { "" };
        vec![cell::code(&file.uri), file.step_back_count.to_string(), format!("{}{more}", lines.join(", "))]
    })?;

    section(out, "Times at a change of the clocks")?;
    let each = files.iter().flat_map(|file| {
        let repeated = (file.times_repeated_count, &file.times_repeated, "shown twice; read as the first");
        let skipped =
            (file.times_skipped_count, &file.times_skipped, "never shown; read with the offset before");
        [repeated, skipped].into_iter().filter(|(count, ..)| *count > 0).map(move |one| (file, one))
    });
    listed(out, &["first place", "times", "in the declared zone"], each, |(file, (count, lines, words))| {
        let place = format!("{}:{}", file.uri, lines.first().copied().unwrap_or_default());
        vec![cell::code(&place), count.to_string(), words.to_owned()]
    })?;

    section(out, "Removed from the lake")?;
    let each = files.iter().filter(|file| file.bytes_removed > 0);
    listed(out, &["file", "bytes"], each, |file| {
        vec![cell::code(&file.uri), format!("{} of {}", file.bytes_removed, file.bytes)]
    })
}

/// Says how many are counted but not listed, so that a short list is never taken for all.
fn unlisted(
    out: &mut dyn io::Write,
    files: &[FileView],
    counts: impl Fn(&FileView) -> (usize, u64),
) -> Written {
    for file in files {
        let (listed, counted) = counts(file);
        let more = counted.saturating_sub(listed as u64);
        if more > 0 {
            writeln!(out, "\nAnd {more} more in {}.", cell::code(&file.uri))?;
        }
    }
    Ok(())
}

fn fields(out: &mut dyn io::Write, event: &EventView) -> Written {
    let columns = ["path", "types", "in records", "times", "distinct", "range", "values", "first seen"];
    listed(out, &columns, facts::paths(event).iter(), |path| {
        vec![
            cell::code(&path.path),
            facts::counted_types(path),
            format!("{} ({})", path.records, facts::percent(path.records, event.records)),
            path.nodes.to_string(),
            facts::distinct(path),
            cell::prose(&facts::ranges(path)),
            md::some_values(path, VALUES_MAX),
            cell::code(&facts::at(&path.first_seen)),
        ]
    })
}
