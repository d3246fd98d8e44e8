//! What an end leaves behind, over each home: what is known of the inputs, from where a dead letter goes on, who still
//! waits, what is told of ends, and what is forgotten.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stele_jobs::{Checkpoint, Control, DEFAULT_TENANT, Failure, Input, JobId, Queue, Stage, State};
use stele_model::Micros;
use stele_model::time::FixedClock;

use crate::rig::{Rig, claim, on, spec, submit, suite};

suite! {
    what_was_not_read_is_not_known,
    what_was_begun_and_not_done_is_not_known,
    what_was_away_is_done_anew,
    only_who_could_begin_has_waited,
    each_end_is_told_once,
    ends_are_told_in_their_order,
}

/// The inputs that a job on these would do: what is known is left out.
async fn new_of(queue: &Queue, inputs: &str) -> Vec<String> {
    let known = queue.submit(spec(inputs)).await.unwrap();
    let Some(id) = known.job else { return Vec::new() };
    let job = queue.control(id, Control::Cancel).await.unwrap();
    job.spec.inputs.into_iter().map(|input: Input| input.uri).collect()
}

/// `c` was read in another state than the one that it was submitted in: whatever comes next of it is new.
async fn what_was_not_read_is_not_known(rig: &Rig) {
    let queue = rig.queue().await;
    submit(&queue, "a@1 c@1 d@gone").await;
    let lease = claim(&queue, "w").await.unwrap();
    // Numbers that are none, or those of no input, say nothing of the others.
    let result = json!({ "changed": [1, 7, "2", -1, 0.5] });
    assert_eq!(queue.finish(&lease, Some(result)).await.unwrap(), State::Done);
    assert_eq!(new_of(&queue, "a@1 c@1 d@gone").await, ["c"]);
    assert_eq!(new_of(&queue, "a@2 c@2").await, ["a", "c"]);
}

/// It was done as 1, and then begun as 2: nobody knows which of the two is in the lake.
async fn what_was_begun_and_not_done_is_not_known(rig: &Rig) {
    let queue = rig.queue().await;
    for end in [State::Failed, State::Cancelled] {
        submit(&queue, "a@1").await;
        let lease = claim(&queue, "w").await.unwrap();
        queue.finish(&lease, None).await.unwrap();
        let second = submit(&queue, "a@2").await;
        // Cancelled before anybody began, it changes nothing.
        queue.control(second, Control::Cancel).await.unwrap();
        assert_eq!(new_of(&queue, "a@1").await, Vec::<String>::new());
        let second = submit(&queue, "a@2").await;
        let lease = claim(&queue, "w").await.unwrap();
        assert_eq!(lease.job.id, second);
        if end == State::Cancelled {
            queue.control(second, Control::Cancel).await.unwrap();
            assert_eq!(queue.release(&lease, "asked to").await.unwrap(), end);
        } else {
            assert_eq!(queue.fail(&lease, &Failure::lasting("no file")).await.unwrap(), end);
        }
        assert_eq!(new_of(&queue, "a@1").await, ["a"], "after {end}");
    }
}

/// An input was away in every attempt, so the job is dead. Whoever tries it again wants the input to be looked for.
async fn what_was_away_is_done_anew(rig: &Rig) {
    let queue = rig.queue().await;
    let id = submit(&queue, "https://example.org/a").await;
    for attempt in 1..=3 {
        let lease = claim(&queue, "w").await.unwrap();
        assert_eq!((lease.stage, lease.job.attempts), (Stage::Parsing, attempt));
        let resume = Some(json!({ "away": "a" }));
        queue
            .checkpoint(&lease, Checkpoint { stage: Stage::Reporting, resume, progress: None })
            .await
            .unwrap();
        let became = queue.fail(&lease, &Failure::anew("it is not in the lake")).await.unwrap();
        assert_eq!(became, if attempt < 3 { State::Queued } else { State::Dead });
        rig.clock.pass(rig.limits.backoff_max);
    }
    let dead = queue.get(id).await.unwrap();
    assert_eq!(dead.cause, "3 of 3 attempts failed, the last at reporting: it is not in the lake");
    queue.control(id, Control::Retry).await.unwrap();
    let lease = claim(&queue, "w").await.unwrap();
    assert_eq!((lease.job.id, lease.stage, lease.resume), (id, Stage::Parsing, None));
}

/// What is held, what is behind another and what waits for its next attempt waits for no worker.
async fn only_who_could_begin_has_waited(rig: &Rig) {
    let queue = rig.queue().await;
    let oldest = async || -> Option<Micros> {
        let (all, own) = (queue.counts().await.unwrap(), queue.counts_of(DEFAULT_TENANT).await.unwrap());
        assert_eq!(all.oldest_waiting, own.oldest_waiting);
        assert_eq!(queue.counts_of("nobody").await.unwrap().oldest_waiting, None);
        all.oldest_waiting
    };
    let held = submit(&queue, "a@1").await;
    queue.control(held, Control::Pause).await.unwrap();
    submit(&queue, "a@2").await;
    assert_eq!(oldest().await, None);
    let free = submit(&queue, "b@1").await;
    let submitted = queue.get(free).await.unwrap().submitted;
    submit(&queue, "c@1").await;
    assert_eq!(oldest().await, Some(submitted));
    let lease = claim(&queue, "w").await.unwrap();
    assert_eq!(lease.job.id, free);
    assert!(oldest().await > Some(submitted));
    claim(&queue, "w2").await.unwrap();
    assert_eq!(oldest().await, None);
    assert_eq!(queue.fail(&lease, &Failure::passing("no luck")).await.unwrap(), State::Queued);
    assert_eq!(oldest().await, None);
    rig.clock.pass(rig.limits.backoff_max);
    assert_eq!(oldest().await, Some(submitted));
    queue.control(held, Control::Resume).await.unwrap();
    assert_eq!(oldest().await, Some(queue.get(held).await.unwrap().submitted));
}

/// What ended since the mark, which is moved; two at a time.
async fn ends(queue: &Queue, mark: &mut u64) -> Vec<(JobId, State)> {
    let mut all = Vec::new();
    loop {
        let found = queue.endings(DEFAULT_TENANT, Some(*mark), 2).await.unwrap();
        *mark = found.mark;
        if found.endings.is_empty() {
            return all;
        }
        assert!(found.endings.len() <= 2, "{found:?}");
        all.extend(found.endings.iter().map(|ending| (ending.job, ending.state)));
    }
}

async fn cancel(queue: &Queue, id: JobId) {
    queue.control(id, Control::Cancel).await.unwrap();
}

async fn each_end_is_told_once(rig: &Rig) {
    let queue = rig.queue().await;
    let none = queue.endings(DEFAULT_TENANT, None, 10).await.unwrap();
    assert_eq!((none.endings, none.mark), (Vec::new(), 0));
    cancel(&queue, submit(&queue, "before@1").await).await;
    let mut mark = queue.endings(DEFAULT_TENANT, None, 10).await.unwrap().mark;
    assert_eq!(ends(&queue, &mut mark).await, []);
    // Every kind of end, and nothing else.
    let id = submit(&queue, "a@1").await;
    let lease = claim(&queue, "w").await.unwrap();
    assert_eq!(ends(&queue, &mut mark).await, []);
    queue.finish(&lease, None).await.unwrap();
    queue.finish(&lease, None).await.unwrap();
    assert_eq!(ends(&queue, &mut mark).await, [(id, State::Done)]);
    let id = submit(&queue, "b@1").await;
    let lease = claim(&queue, "w").await.unwrap();
    queue.fail(&lease, &Failure::lasting("no file")).await.unwrap();
    assert_eq!(ends(&queue, &mut mark).await, [(id, State::Failed)]);
    let id = submit(&queue, "c@1").await;
    for _ in 0..rig.limits.attempts_max {
        assert_eq!(ends(&queue, &mut mark).await, []);
        let lease = claim(&queue, "w").await.unwrap();
        queue.fail(&lease, &Failure::passing("no luck")).await.unwrap();
        rig.clock.pass(rig.limits.backoff_max);
    }
    assert_eq!(ends(&queue, &mut mark).await, [(id, State::Dead)]);
    // One that is taken up again ends again, also between two looks, and one that is forgotten by then has ended.
    for _ in 0..2 {
        queue.control(id, Control::Retry).await.unwrap();
        cancel(&queue, id).await;
    }
    queue.purge(id).await.unwrap();
    assert_eq!(ends(&queue, &mut mark).await, [(id, State::Cancelled); 2]);
    // Each who asks has a mark of its own; another tenant's are told to that one.
    let mut theirs = spec("d@1");
    theirs.options.tenant = "them".to_owned();
    let id = queue.submit(theirs).await.unwrap().job.unwrap();
    cancel(&queue, id).await;
    assert_eq!(ends(&queue, &mut mark).await, []);
    assert_eq!(ends(&rig.queue().await, &mut 0).await.len(), 6);
    let told = queue.endings("them", Some(0), 10).await.unwrap().endings;
    assert_eq!(told.iter().map(|ending| ending.job).collect::<Vec<_>>(), [id]);
    // A mark of a home that is no more, or has lost its last moments.
    let mut ahead = u64::MAX;
    assert_eq!(ends(&queue, &mut ahead).await, []);
    assert_eq!(ahead, mark);
    assert_eq!(queue.endings("nobody", Some(mark), 10).await.unwrap().mark, 0);
}

/// In the order in which they came about: not in that of submissions, and not as the clocks of hosts have it.
async fn ends_are_told_in_their_order(rig: &Rig) {
    let queue = rig.queue().await;
    let mut mark = queue.endings(DEFAULT_TENANT, None, 10).await.unwrap().mark;
    let oldest = submit(&queue, "oldest@1").await;
    let lease = claim(&queue, "w").await.unwrap();
    let mut expect = Vec::new();
    let now = queue.get(oldest).await.unwrap().submitted;
    for at in [now, now + 3_600_000_000, 1, now - 3_600_000_000] {
        let host = rig.queue_at(Arc::new(FixedClock(at))).await;
        let id = submit(&host, &format!("f{at}@1")).await;
        cancel(&host, id).await;
        expect.push((id, State::Cancelled));
    }
    assert_eq!(ends(&queue, &mut mark).await, expect);
    queue.finish(&lease, None).await.unwrap();
    assert_eq!(ends(&queue, &mut mark).await, [(oldest, State::Done)]);
}

/// Many at a time, and each once, also when there are more than fit a step.
#[test]
fn what_is_forgotten_goes_in_steps() {
    on(Rig::sqlite(), async |rig| {
        let queue = rig.queue().await;
        let mut ids = Vec::new();
        for number in 0..230 {
            let id = submit(&queue, &format!("f{number}@1")).await;
            queue.control(id, Control::Cancel).await.unwrap();
            ids.push(id);
        }
        let waiting = submit(&queue, "w@1").await;
        rig.clock.pass(Duration::from_secs(1));
        assert_eq!(queue.clean(Micros::MAX, true).await.unwrap().jobs, ids);
        assert_eq!(queue.clean(Micros::MAX, false).await.unwrap().jobs, ids);
        assert_eq!(queue.clean(Micros::MAX, false).await.unwrap().jobs, []);
        assert_eq!(queue.get(waiting).await.unwrap().state, State::Queued);
    });
}
