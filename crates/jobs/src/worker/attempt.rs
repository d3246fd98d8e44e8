//! One attempt at a job: stage after stage, each begun only when what the one before leaves is kept.

use std::sync::Arc;
use std::time::Duration;

use crate::job::{Job, State};
use crate::queue::Failure;
use crate::worker::context::{Context, Halt, Why};
use crate::worker::{End, Work, WorkerSettings};

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The job is in this state now.
    Became(State),
    /// The lease is lost, and the job somebody else's.
    Lost,
    /// The lease ran out since the queue could not be reached; the work has stopped.
    CutOff,
}

/// Works on a job until there is nothing more to do, with a heart that beats meanwhile.
pub(crate) async fn attempt(work: Arc<dyn Work>, context: Context, settings: WorkerSettings) -> Outcome {
    // The first beat says that the answer to the claim arrived; without it nothing is begun.
    if context.confirm().await.is_err() && context.asked() == Some(Why::Fenced) {
        return lost(&context);
    }
    let job = context.lease().job.clone();
    work.began(&job, &context).await;
    let end = tokio::select! {
        biased;
        end = stages(Arc::clone(&work), &context, settings.stop_grace) => end,
        () = heart(&context, &settings) => Err(Halt::Asked(Why::Fenced)),
    };
    let (mut result, mut failed) = (None, None);
    let mut became = match end {
        Ok(left) => {
            result = left;
            context.insist(|queue, lease| Box::pin(queue.finish(lease, result.clone()))).await
        }
        Err(Halt::Failed(failure)) => {
            let became = fail(&context, &failure).await;
            failed = Some(failure.message);
            became
        }
        Err(Halt::Asked(Why::Fenced)) => return lost(&context),
        Err(Halt::Asked(why)) => {
            context.insist(|queue, lease| Box::pin(queue.release(lease, why.text()))).await
        }
    };
    // The result is refused, as too large: that will be so in every attempt.
    if let Err(Halt::Failed(failure)) = became {
        became = fail(&context, &failure).await;
        failed = Some(failure.message);
    }
    let Ok(state) = became else { return lost(&context) };
    let result = result.as_ref().filter(|_| state == State::Done);
    work.became(&job, &context, End { state, result, failure: failed.as_deref() }).await;
    Outcome::Became(state)
}

fn lost(context: &Context) -> Outcome {
    if context.is_cut_off() { Outcome::CutOff } else { Outcome::Lost }
}

async fn fail(context: &Context, failure: &Failure) -> Result<State, Halt> {
    context
        .insist(|queue, lease| {
            let failure = failure.clone();
            Box::pin(async move { queue.fail(lease, &failure).await })
        })
        .await
}

/// Beats for ever: as soon as a third of the lease is over, and for news more often.
async fn heart(context: &Context, settings: &WorkerSettings) {
    let beat = (settings.lease / 3).min(settings.progress_every);
    loop {
        tokio::time::sleep(beat).await;
        context.beat().await;
    }
}

async fn stages(
    work: Arc<dyn Work>,
    context: &Context,
    grace: Duration,
) -> Result<Option<serde_json::Value>, Halt> {
    let job = Arc::new(context.lease().job.clone());
    let (mut stage, mut resume) = (context.lease().stage, context.lease().resume.clone());
    loop {
        context.go_on()?;
        let left = one_stage(&work, stage, &job, resume.take(), context, grace).await?;
        let Some(next) = stage.next() else { return Ok(left) };
        context.enter(next, left.clone()).await?;
        (stage, resume) = (next, left);
    }
}

/// Runs a stage in a task of its own, so that one that panics fails alone.
async fn one_stage(
    work: &Arc<dyn Work>,
    stage: crate::job::Stage,
    job: &Arc<Job>,
    resume: Option<serde_json::Value>,
    context: &Context,
    grace: Duration,
) -> Result<Option<serde_json::Value>, Halt> {
    let (work, job, inside) = (Arc::clone(work), Arc::clone(job), context.clone());
    let mut task = Abort(tokio::spawn(async move { work.run(stage, &job, resume, &inside).await }));
    let done = tokio::select! {
        biased;
        done = &mut task.0 => done,
        why = unheard(context, grace) => {
            tracing::warn!(job = %context.job(), %stage, "the stage does not stop; its lease is left to run out");
            context.own_fault();
            // A worker that stops claims nothing any more, so nobody begins beside the thread that is still at it.
            if why == Why::Shutdown {
                return Err(Halt::Asked(Why::Fenced));
            }
            // Somebody may still be at it in a thread, so the job is not given back before that has stopped: until
            // its lease has run out it is this worker's, and nobody begins it or what is behind it.
            context.let_run_out(true);
            let done = tokio::select! {
                biased;
                done = &mut task.0 => done,
                () = context.over() => return Err(Halt::Asked(Why::Fenced)),
            };
            context.let_run_out(false);
            done
        }
    };
    match done {
        Ok(done) => done,
        Err(error) => {
            Err(Failure::passing(format!("{stage} ended by a fault of the program: {error}")).into())
        }
    }
}

/// Waits until the work should have ended for as long as it may take to do so. A pause that was taken back meanwhile is
/// none. Gives why it should.
async fn unheard(context: &Context, grace: Duration) -> Why {
    loop {
        context.ended().await;
        tokio::time::sleep(grace).await;
        if let Some(why) = context.asked() {
            return why;
        }
    }
}

/// A task that does not outlive who waits for it.
struct Abort(tokio::task::JoinHandle<Result<Option<serde_json::Value>, Halt>>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}
