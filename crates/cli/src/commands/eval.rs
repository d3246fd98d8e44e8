//! `stele eval`: how good search is on a labelled collection.

use stele_engine::retrieval::Metrics;
use stele_engine::{Asked, EvalOptions, EvalReport};

use super::Context;
use crate::args::EvalArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::output::table::Rows;
use crate::progress::Reporter;

/// Runs the command.
pub fn run(context: &Context, args: EvalArgs) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let interrupt = Interrupt::start()?;
    let reporter = Reporter::events(context.out);
    let options = EvalOptions { dir: args.dir, keep: args.keep, fusion: args.fusion.into() };
    let mut refused = Ok(());
    let mut each = |asked: &Asked| {
        if refused.is_ok() {
            refused = context.out.event("question", asked);
        }
    };
    let outcome = engine.eval(&options, &mut each, &reporter, &interrupt.cancel);
    reporter.clear();
    let report = outcome?;
    refused?;
    context.out.event("summary", &report)?;
    context.out.text(page(&report))?;
    for note in &report.notes {
        context.out.remark(note);
    }
    Ok(Exit::Done)
}

fn page(report: &EvalReport) -> String {
    let mut rows = Rows::new(["arm", ">nDCG@10", ">recall@100", ">MRR"]);
    let mut row = |arm: &str, metrics: &Metrics| {
        let figure = |value: f64| format!("{value:.3}");
        rows.row([arm, &figure(metrics.ndcg), &figure(metrics.recall), &figure(metrics.mrr)]);
    };
    row("words (BM25)", &report.bm25);
    if let Some(dense) = &report.dense {
        row("meaning", dense);
    }
    row("hybrid", &report.hybrid);
    format!(
        "{rows}{}, {} of {}, {}; with {} in {}\nFirst result right {:.1} %; confidence is off by {:.1} % on average\n",
        human::many(report.docs, "document"),
        human::count(report.queries),
        human::many(report.collection.queries, "question"),
        human::many(report.collection.judgements, "judgement"),
        report.model.as_deref().unwrap_or("words alone"),
        human::seconds(report.seconds),
        100.0 * report.hit_at_1,
        100.0 * report.calibration_error,
    )
}
