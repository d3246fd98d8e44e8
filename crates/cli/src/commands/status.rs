//! `stele status`: the lake on one page.

use serde_json::json;
use stele_engine::Removed;
use stele_engine::discovery::view::EventView;
use stele_engine::lake::{Pruned, Totals};
use stele_model::{FileEntry, FileState, Ledger};

use super::Context;
use crate::args::StatusArgs;
use crate::errors::{Exit, Failure};
use crate::output::human;
use crate::output::table::Rows;

/// Events and inputs that are shown: each list fits half a page.
const SHOWN_MAX: usize = 15;

/// Runs the command.
pub fn run(context: &Context, args: &StatusArgs) -> Result<Exit, Failure> {
    if let Some(job) = &args.job {
        return super::jobs::show(context, job, &args.home);
    }
    let engine = context.engine()?;
    let snapshot = engine.snapshot()?;
    let entries = snapshot.files()?;
    let view = engine.catalogue()?.view();
    let page = Page {
        data_dir: engine.settings().data_dir.display().to_string(),
        version: snapshot.version(),
        totals: snapshot.totals(),
        ledger: engine.ledger(&snapshot)?,
        removed: engine.removed(&snapshot)?,
        gone: snapshot.pruned()?,
        entries: &entries,
        events: &view.events,
    };
    context.out.event("status", &page.json())?;
    context.out.text(page.text(context, args.files))?;
    Ok(Exit::Done)
}

struct Page<'a> {
    data_dir: String,
    version: u64,
    totals: Totals,
    ledger: Ledger,
    removed: Removed,
    gone: Vec<Pruned>,
    entries: &'a [FileEntry],
    events: &'a [EventView],
}

impl Page<'_> {
    fn json(&self) -> serde_json::Value {
        let events: Vec<_> = self
            .events
            .iter()
            .map(|event| json!({ "event": event.name, "records": event.records, "paths": event.tree.len() - 1 }))
            .collect();
        let file = |entry: &FileEntry| {
            let mut file = json!(entry);
            file["rows_pruned"] = self.rows_gone(entry, false).into();
            file["rows_lost"] = self.rows_gone(entry, true).into();
            file
        };
        let files: Vec<_> = self.entries.iter().map(file).collect();
        json!({
            "data_dir": self.data_dir,
            "lake_version": self.version,
            "totals": self.totals,
            "ledger": self.ledger,
            "removed": self.removed,
            "files": files,
            "events": events,
        })
    }

    fn text(&self, context: &Context, all_files: bool) -> String {
        let count =
            |state: FileState| self.entries.iter().filter(|entry| entry.state == state).count() as u64;
        let mut text = format!("Lake {} at version {}\n", self.data_dir, self.version);
        text.push_str(&format!(
            "  {} in {} on disk\n",
            human::many(self.totals.parts, "part"),
            human::bytes(self.totals.bytes_on_disk)
        ));
        text.push_str(&format!(
            "  {}: {} complete, {} partial, {} duplicate\n",
            human::many(self.entries.len() as u64, "input"),
            human::count(count(FileState::Complete)),
            human::count(count(FileState::Partial)),
            human::count(count(FileState::Duplicate)),
        ));
        let ledger = &self.ledger;
        let equal = if ledger.balances() { "=" } else { "≠" };
        text.push_str(&format!(
            "  {} bytes read {equal} {} in the lake + {} in quarantine\n",
            human::count(ledger.bytes_in),
            human::count(ledger.bytes_lake),
            human::count(ledger.bytes_quarantine),
        ));
        text.push_str(&format!(
            "  {}, {} rejected, {} below their roots\n",
            human::many(ledger.records, "record"),
            human::many(ledger.quarantined, "line"),
            human::many(ledger.nodes, "value"),
        ));
        let Removed { pruned, lost } = self.removed;
        if pruned + lost > 0 {
            text.push_str(&format!(
                "  Of what was read, {} are in the lake now: {} pruned on request, {} LOST with damaged parts\n",
                human::many(self.totals.records, "record"),
                human::many(pruned, "row"),
                human::many(lost, "row"),
            ));
        }
        text.push('\n');
        text.push_str(&self.event_table());
        text.push('\n');
        text.push_str(&self.input_table(context, all_files));
        text
    }

    /// Rows of an input that are gone from the lake.
    fn rows_gone(&self, entry: &FileEntry, lost: bool) -> u64 {
        let of_it = self.gone.iter().filter(|one| one.lost == lost && one.affects(entry));
        of_it.map(|one| one.rows).sum()
    }

    fn state(&self, entry: &FileEntry) -> String {
        let mut state = entry.state.name().to_owned();
        for (rows, how) in [(self.rows_gone(entry, false), "pruned"), (self.rows_gone(entry, true), "LOST")] {
            if rows > 0 {
                state.push_str(&format!(", {} {how}", human::many(rows, "row")));
            }
        }
        state
    }

    fn event_table(&self) -> String {
        let mut events: Vec<&EventView> = self.events.iter().collect();
        events.sort_by(|a, b| b.records.cmp(&a.records).then_with(|| a.name.cmp(&b.name)));
        let mut rows = Rows::new(["event", ">records", ">share", ">fields"]);
        for event in events.iter().take(SHOWN_MAX) {
            rows.row([
                event.name.as_str(),
                &human::count(event.records),
                &human::share(event.records, self.ledger.records),
                &human::count(event.tree.len().saturating_sub(1) as u64),
            ]);
        }
        let more = events.len().saturating_sub(SHOWN_MAX) as u64;
        if more > 0 { format!("{rows} and {}\n", human::many(more, "more event")) } else { rows.to_string() }
    }

    fn input_table(&self, context: &Context, all: bool) -> String {
        let shown = if all { usize::MAX } else { SHOWN_MAX };
        let mut rows = Rows::new(["input", "format", ">bytes", ">records", "state"]);
        for entry in self.entries.iter().take(shown) {
            rows.row([
                entry.uri.as_str(),
                &entry.format,
                &human::count(entry.bytes_done),
                &human::count(entry.ledger.records),
                &self.state(entry),
            ]);
        }
        let more = self.entries.len().saturating_sub(shown) as u64;
        if more == 0 {
            return rows.to_string();
        }
        format!("{rows} and {}: {}\n", human::many(more, "more input"), context.command("status --files"))
    }
}
