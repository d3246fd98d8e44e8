//! `stele report JOB`: what a job came to, and whether what it brought can be asked.

use std::io::Write;

use stele_engine::Ready;

use super::Context;
use super::jobs::job_id;
use crate::args::{ReportArgs, ReportFormat};
use crate::errors::{Exit, Failure};
use crate::output::file::NewFile;
use crate::output::{event_line, visible};

/// Runs the command.
pub fn run(context: &Context, args: &ReportArgs) -> Result<Exit, Failure> {
    let id = job_id(&args.job)?;
    let job = context.jobs_there(&args.home).and_then(|desk| Ok(desk.ask(|queue| queue.get(id))?));
    let engine = match &job {
        Ok(job) => context.engine_of_tenant(&job.spec.options.tenant)?,
        // A job, or the whole queue, may be gone and its report still be there.
        Err(_) => context.engine()?,
    };
    let report = match (engine.read_report(&id.to_string())?, job) {
        (Some(report), _) => report,
        (None, Ok(job)) => engine.report_now(&job)?,
        (None, Err(failure)) => return Err(failure),
    };
    let text = match args.format {
        _ if context.out.json => event_line("report", &report),
        ReportFormat::Text => report.to_markdown(),
        ReportFormat::Html => report.to_html(),
        ReportFormat::Json => serde_json::to_string_pretty(&report)
            .map(|text| text + "\n")
            .map_err(|error| Failure::new(error.to_string()))?,
    };
    match &args.output {
        Some(path) => {
            let mut file = NewFile::create(path)?;
            file.write_all(text.as_bytes()).map_err(|error| Failure::io("write", path, &error))?;
            file.finish()?;
            context.out.remark(&format!("written to {}", path.display()));
        }
        None if args.format == ReportFormat::Text && !context.out.json => {
            crate::output::write_stdout(|out| out.write_all(visible(&text).as_bytes()))?;
        }
        None => crate::output::write_stdout(|out| out.write_all(text.as_bytes()))?,
    }
    Ok(match report.ready_for_queries {
        Ready::No => Exit::NotMet,
        Ready::Yes | Ready::Unverified => Exit::Done,
    })
}
