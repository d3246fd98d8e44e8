//! A report for people: as Markdown, which also reads well in a terminal, and as one page of HTML that
//! needs nothing beside itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use stele_model::Ledger;

use super::report::JobReport;
use crate::answering::Ready;

/// Inputs that a page shows: two screens. The JSON names more.
const INPUTS_SHOWN_MAX: usize = 50;

impl JobReport {
    /// The report as Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text =
            format!("# Job {}: {}\n\n{}\n\n", self.job, self.state, verdict(self.ready_for_queries));
        for reason in &self.reasons {
            let _ = writeln!(text, "- {}", line(reason));
        }
        if !self.reasons.is_empty() {
            text.push('\n');
        }
        for (name, value) in self.facts() {
            let _ = writeln!(text, "- {name}: {}", line(&value));
        }
        text.push_str("\n## Stages\n\n| stage | seconds | counts |\n|---|---:|---|\n");
        for stage in &self.stages {
            let _ = writeln!(
                text,
                "| {} | {:.2} | {} |",
                stage.stage,
                stage.seconds,
                cell(&listed(&stage.counts))
            );
        }
        text.push_str(
            "\n## Where the bytes are\n\n| | bytes in | lake | quarantine | records | rejected |\n",
        );
        text.push_str("|---|---:|---:|---:|---:|---:|\n");
        for (name, ledger) in [("these inputs", &self.ledger), ("the whole lake", &self.lake_ledger)] {
            let _ = writeln!(text, "| {name} | {} |", ledger_cells(ledger).join(" | "));
        }
        for (title, rows) in self.comparisons() {
            let _ = writeln!(text, "\n## {title}\n");
            for (name, value) in rows {
                let _ = writeln!(text, "- {name}: {}", line(&value));
            }
        }
        if !self.sample_queries.is_empty() {
            text.push_str("\n## Sample queries\n\n");
            for sample in &self.sample_queries {
                let _ = writeln!(text, "- {}: {}", line(&sample.query), line(&found(sample)));
            }
        }
        if !self.errors.is_empty() {
            let _ = writeln!(text, "\n## Errors ({})\n", self.errors_total);
            for error in &self.errors {
                let _ = writeln!(text, "- {}: {}", error.stage, line(&error.reason));
            }
        }
        let _ = writeln!(
            text,
            "\n## Inputs ({})\n\n| input | state | records | rejected | SHA-256 |",
            self.inputs_total
        );
        text.push_str("|---|---|---:|---:|---|\n");
        for input in self.inputs.iter().take(INPUTS_SHOWN_MAX) {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                cell(&input.uri),
                input.state,
                input.ledger.records,
                input.ledger.quarantined,
                input.sha256.as_deref().unwrap_or("–")
            );
        }
        if let Some(more) = self.more_inputs() {
            let _ = writeln!(text, "\n{more}");
        }
        text
    }

    /// The report as one page of HTML: no script, nothing that is fetched.
    pub fn to_html(&self) -> String {
        let mut body = format!(
            "<header><h1>Job {}</h1><p class=\"badge {}\">{}</p></header>\n",
            escaped(&self.job),
            match self.ready_for_queries {
                Ready::Yes => "yes",
                Ready::No => "no",
                Ready::Unverified => "unverified",
            },
            verdict(self.ready_for_queries)
        );
        if !self.reasons.is_empty() {
            list(&mut body, self.reasons.iter().map(|reason| escaped(reason)));
        }
        body.push_str("<dl>");
        for (name, value) in self.facts() {
            let _ = write!(body, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(&value));
        }
        body.push_str("</dl>\n<h2>Stages</h2>\n");
        body.push_str(&self.stages_drawn());
        body.push_str("<h2>Where the bytes are</h2>\n");
        let ledgers = [("these inputs", &self.ledger), ("the whole lake", &self.lake_ledger)];
        table(
            &mut body,
            &["", "bytes in", "lake", "quarantine", "records", "rejected"],
            ledgers
                .into_iter()
                .map(|(name, ledger)| std::iter::once(name.to_owned()).chain(ledger_cells(ledger)).collect()),
        );
        for (title, rows) in self.comparisons() {
            let _ = writeln!(body, "<h2>{}</h2>", escaped(title));
            table(&mut body, &["", ""], rows.into_iter().map(|(name, value)| vec![name, value]));
        }
        if !self.sample_queries.is_empty() {
            body.push_str("<h2>Sample queries</h2>\n");
            let row = |sample: &crate::SampleQuery| vec![sample.query.clone(), found(sample)];
            table(&mut body, &["asked", "found"], self.sample_queries.iter().map(row));
        }
        if !self.errors.is_empty() {
            let _ = writeln!(body, "<h2>Errors ({})</h2>", self.errors_total);
            let row = |error: &super::report::StageError| vec![error.stage.clone(), error.reason.clone()];
            table(&mut body, &["stage", "why, and what was kept"], self.errors.iter().map(row));
        }
        let _ = writeln!(body, "<h2>Inputs ({})</h2>", self.inputs_total);
        table(
            &mut body,
            &["input", "state", "records", "rejected", "SHA-256"],
            self.inputs.iter().take(INPUTS_SHOWN_MAX).map(|input| {
                vec![
                    input.uri.clone(),
                    input.state.clone(),
                    input.ledger.records.to_string(),
                    input.ledger.quarantined.to_string(),
                    input.sha256.clone().unwrap_or_else(|| "–".to_owned()),
                ]
            }),
        );
        if let Some(more) = self.more_inputs() {
            let _ = writeln!(body, "<p>{more}</p>");
        }
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>Job {}: {}</title><style>{}</style></head>\n<body><main>\n{body}</main></body></html>\n",
            escaped(&self.job),
            escaped(&self.state),
            include_str!("report.css")
        )
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("state", format!("{} after {} attempts", self.state, self.attempts))];
        if self.attempts == 1 {
            facts[0].1 = format!("{} at the first attempt", self.state);
        }
        facts.extend(self.tag.clone().map(|tag| ("tag", tag)));
        facts.push(("tenant", self.tenant.clone()));
        facts.push(("asked by", self.origin.clone()));
        facts.push(("submitted", self.submitted.clone()));
        facts.extend(self.started.clone().map(|started| ("started", started)));
        facts.push(("reported", self.reported.clone()));
        facts.extend(self.lake_version.map(|version| ("version of the lake", version.to_string())));
        facts
    }

    /// What was counted twice or compared, with its title.
    fn comparisons(&self) -> Vec<(&'static str, Vec<(String, String)>)> {
        let mut all = Vec::new();
        if let Some(source) = &self.source {
            let mut rows = vec![
                ("source".to_owned(), source.id.clone()),
                ("outcome".to_owned(), source.outcome.clone()),
            ];
            rows.extend(
                source.counts.iter().map(|(name, count)| (name.replace('_', " "), count.to_string())),
            );
            rows.push(("cost".to_owned(), format!("${:.6}", source.cost_usd)));
            rows.extend(source.streams.iter().map(|stream| {
                let why = stream.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                (
                    format!("stream {}", stream.stream),
                    format!("{}, {} records{why}", stream.outcome, stream.records),
                )
            }));
            rows.extend(
                source.unavailable.iter().map(|(what, why)| (format!("not to be had: {what}"), why.clone())),
            );
            rows.extend(source.notes.iter().map(|note| ("note".to_owned(), note.clone())));
            all.push(("What was collected", rows));
        }
        if let Some(graph) = &self.graph {
            let row = |(name, count): (&String, &u64)| {
                let again = graph.recounted.get(name).copied().unwrap_or_default();
                let counted = if again == *count {
                    format!("{count}, and SQL counts as many")
                } else {
                    format!("{count}, but SQL counts {again}")
                };
                (name.clone(), counted)
            };
            all.push(("Graph", graph.counted.iter().map(row).collect()));
        }
        if let Some(vectors) = &self.vectors {
            let mut rows = vec![
                ("texts that the lake comes to".to_owned(), vectors.wanted.to_string()),
                ("texts in the index".to_owned(), vectors.texts.to_string()),
                ("with a vector".to_owned(), vectors.vectors.to_string()),
            ];
            rows.extend(vectors.model.clone().map(|model| ("made by".to_owned(), model)));
            all.push(("Index", rows));
        }
        if let Some(drift) = &self.drift {
            let mut rows = vec![
                ("missing".to_owned(), drift.missing.to_string()),
                ("too many".to_owned(), drift.extra.to_string()),
                ("with other metadata".to_owned(), drift.differing.to_string()),
                (
                    "drift".to_owned(),
                    format!("{:.2} % of at most {:.1} %", 100.0 * drift.ratio, 100.0 * drift.ratio_max),
                ),
            ];
            if drift.pending > 0 {
                rows.push(("brought by others since, and on its way".to_owned(), drift.pending.to_string()));
            }
            let named = [("missing ids", &drift.missing_ids), ("ids too many", &drift.extra_ids)];
            let named = named.into_iter().filter(|(_, ids)| !ids.is_empty());
            rows.extend(named.map(|(name, ids)| (name.to_owned(), ids.join(", "))));
            all.push(("Drift", rows));
        }
        all
    }

    fn more_inputs(&self) -> Option<String> {
        let shown = self.inputs.len().min(INPUTS_SHOWN_MAX) as u64;
        let more = self.inputs_total.checked_sub(shown).filter(|more| *more > 0)?;
        Some(format!("and {more} more; `stele report {} --json` names {}", self.job, self.inputs.len()))
    }

    /// The stages as bars, as long as they took.
    fn stages_drawn(&self) -> String {
        let longest =
            self.stages.iter().map(|stage| stage.seconds).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let mut out = String::from("<table class=\"stages\"><tbody>\n");
        for stage in &self.stages {
            let width = 100.0 * stage.seconds / longest;
            let _ = writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td class=\"bar\"><svg viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" \
                 aria-hidden=\"true\"><rect width=\"{width:.2}\" height=\"6\" rx=\"1\"/></svg></td>\
                 <td class=\"number\">{:.2} s</td><td>{}</td></tr>",
                escaped(&stage.stage),
                stage.seconds,
                escaped(&listed(&stage.counts))
            );
        }
        out.push_str("</tbody></table>\n");
        out
    }
}

fn verdict(ready: Ready) -> &'static str {
    match ready {
        Ready::Yes => "Ready for queries",
        Ready::No => "Not ready for queries",
        Ready::Unverified => "Unverified: nobody knows whether it is ready for queries",
    }
}

fn found(sample: &crate::SampleQuery) -> String {
    match (&sample.evidence, &sample.unavailable) {
        (Some(evidence), _) => format!("{evidence} (confidence {:.2})", sample.confidence),
        (None, Some(why)) => format!("could not be asked: {why}"),
        (None, None) => "nothing".to_owned(),
    }
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    let one = |(name, count): (&String, &u64)| format!("{count} {}", name.replace('_', " "));
    counts.iter().filter(|(_, count)| **count > 0).map(one).collect::<Vec<_>>().join(", ")
}

fn ledger_cells(ledger: &Ledger) -> Vec<String> {
    let cells =
        [ledger.bytes_in, ledger.bytes_lake, ledger.bytes_quarantine, ledger.records, ledger.quarantined];
    cells.iter().map(u64::to_string).collect()
}

/// A text of one line.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A text of one cell of a Markdown table.
fn cell(text: &str) -> String {
    line(text).replace('|', "\\|")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn list(body: &mut String, items: impl Iterator<Item = String>) {
    body.push_str("<ul>");
    for item in items {
        let _ = write!(body, "<li>{item}</li>");
    }
    body.push_str("</ul>\n");
}

fn table(body: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    body.push_str("<div class=\"wide\"><table>");
    if head.iter().any(|title| !title.is_empty()) {
        body.push_str("<thead><tr>");
        for title in head {
            let _ = write!(body, "<th scope=\"col\">{title}</th>");
        }
        body.push_str("</tr></thead>");
    }
    body.push_str("<tbody>\n");
    for row in rows {
        body.push_str("<tr>");
        for cell in row {
            let class = if cell.parse::<u64>().is_ok() { " class=\"number\"" } else { "" };
            let _ = write!(body, "<td{class}>{}</td>", escaped(&cell));
        }
        body.push_str("</tr>\n");
    }
    body.push_str("</tbody></table></div>\n");
}
