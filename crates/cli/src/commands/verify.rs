//! `stele verify`: is what answers questions what the lake comes to, and ready to be asked?

use stele_engine::{IndexVerification, Ready, VerifyReport};

use super::Context;
use crate::errors::{Exit, Failure};
use crate::output::human;

/// Runs the command.
pub fn run(context: &Context) -> Result<Exit, Failure> {
    let report = context.engine()?.verify()?;
    context.out.event("verify", &report)?;
    context.out.text(page(&report))?;
    Ok(match report.ready_for_queries {
        Ready::No => Exit::NotMet,
        Ready::Yes | Ready::Unverified => Exit::Done,
    })
}

fn indexed(index: &IndexVerification) -> String {
    let mut text = format!(
        "Index: {} wanted, {} missing, {} too many: drift {:.2} % of at most {:.1} %\n",
        human::many(index.wanted, "text"),
        human::count(index.missing),
        human::count(index.extra),
        100.0 * index.drift,
        100.0 * stele_engine::DRIFT_MAX,
    );
    for problem in &index.problems {
        text.push_str(&format!("  {problem}\n"));
    }
    text
}

fn page(report: &VerifyReport) -> String {
    let mut text = match &report.index {
        Some(index) => indexed(index),
        None => "There is no index yet: `stele index build` makes it.\n".to_owned(),
    };
    if let Some(graph) = &report.graph {
        text.push_str(&super::graph::verified(graph));
    }
    for sample in &report.sample_queries {
        let found = match &sample.evidence {
            Some(evidence) => format!("{evidence} (confidence {:.2})", sample.confidence),
            None => "nothing found".to_owned(),
        };
        text.push_str(&format!("Asked {:?}: {found}\n", sample.query));
    }
    text.push_str(match report.ready_for_queries {
        Ready::Yes => "Ready for queries.\n",
        Ready::No => "Not ready for queries: `stele index build` brings graph and index up to date.\n",
        Ready::Unverified => "Unverified: no sample queries are set (sample_queries in stele.toml).\n",
    });
    text
}
