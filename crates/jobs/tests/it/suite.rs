//! What every home promises, as one list of tests that each of them has to pass.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use stele_jobs::{
    Asked, Checkpoint, Control, EVENTS_KEPT_MAX, Failure, Filter, Input, JobId, JobsError, KEPT_BYTES_MAX,
    LINE_MAX, Origin, Queue, Spec, Stage, State, TEXT_BYTES_MAX, WorkerId,
};
use stele_model::{ErrorKind, Micros};

use crate::rig::{LEASE, Rig, claim, input, on, spec, submit, suite};

suite! {
    a_job_goes_through,
    what_is_known_is_left_out,
    a_source_has_one_worker,
    a_source_of_the_configuration_waits_once,
    a_lost_lease_is_lost,
    attempts_end,
    controls_hold,
    lanes_take_turns,
    pages_are_whole,
    tenants_have_their_own,
    it_is_cleaned,
}

async fn a_source_of_the_configuration_waits_once(rig: &Rig) {
    let queue = rig.queue().await;
    let start = async || queue.submit(Spec::new([Input::of_source("desk")])).await.unwrap();
    let first = start().await.job.unwrap();
    // It asks when its turn comes, and finds what is new by then.
    let again = start().await;
    assert_eq!((again.job, again.duplicates[0].of, again.duplicates[0].in_flight), (None, first, true));
    assert_eq!(queue.line("default", "source://desk").await.unwrap(), [first]);
    let lease = claim(&queue, "w").await.unwrap();
    // It is at it already: what comes from now on is for the next one, of which there is one.
    let second = start().await.job.unwrap();
    assert_eq!(start().await.duplicates[0].of, second);
    assert_eq!(queue.line("default", "source://desk").await.unwrap(), [first, second]);
    assert!(claim(&queue, "v").await.is_none(), "never twice at once");
    let other = queue.submit(Spec::new([Input::of_source("shop")])).await.unwrap().job;
    assert_eq!(claim(&queue, "v").await.map(|lease| lease.job.id), other, "another source waits for nobody");
    queue.control(first, Control::Pause).await.unwrap();
    assert_eq!(queue.wanted(&lease).await.unwrap().asked, Some(Asked::Pause));
    queue.control(first, Control::Resume).await.unwrap();
    queue.finish(&lease, None).await.unwrap();
    assert!(queue.wanted(&lease).await.is_err(), "a lease that is over is fenced");
    assert_eq!(claim(&queue, "w").await.map(|lease| lease.job.id), Some(second));
    // Done as often as it is asked for, and queued once more where somebody insists.
    let options = stele_jobs::Options { force: true, ..Default::default() };
    let forced = Spec { options, ..Spec::new([Input::of_source("desk")]) };
    let third = queue.submit(forced.clone()).await.unwrap().job.unwrap();
    let fourth = queue.submit(forced).await.unwrap().job.unwrap();
    assert_eq!(queue.line("default", "source://desk").await.unwrap(), [second, third, fourth]);
}

#[test]
fn a_source_has_a_job_of_its_own() {
    let check = |inputs: Vec<Input>, expect: &str| {
        let error = Spec::new(inputs).check().unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let source = Input::of_source("desk");
    check(vec![source.clone(), input("a@1")], "a job of its own");
    check(vec![Input::new("source://desk", "1")], "what it holds");
    check(vec![Input::of_source("")], "empty");
    assert_eq!(Spec::new([source]).source_id(), Some("desk"));
}

/// On one home, since a thousand jobs take their time.
#[test]
fn lines_have_an_end() {
    on(Rig::memory(), async |rig| {
        let queue = rig.queue().await;
        for number in 0..LINE_MAX {
            submit(&queue, &format!("a@{number}")).await;
        }
        let error = queue.submit(spec("b@1 a@new")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry);
        assert!(
            error.to_string().starts_with("the line of one of its sources is full: 1000 jobs"),
            "{error}"
        );
        // Nothing of what was refused is left.
        assert!(queue.submit(spec("b@1")).await.unwrap().duplicates.is_empty());
        // And there is room again when one has ended.
        let lease = claim(&queue, "w").await.unwrap();
        queue.finish(&lease, None).await.unwrap();
        submit(&queue, "a@new").await;
    });
}

#[test]
fn what_is_kept_has_an_end() {
    on(Rig::memory(), async |rig| {
        let queue = rig.queue().await;
        let id = submit(&queue, "a@1").await;
        let lease = claim(&queue, "w").await.unwrap();
        let large = Some(json!("x".repeat(KEPT_BYTES_MAX)));
        let checkpoint = Checkpoint { stage: Stage::Graphing, resume: large.clone(), progress: None };
        for error in [
            queue.checkpoint(&lease, checkpoint).await.unwrap_err(),
            queue.finish(&lease, large).await.unwrap_err(),
        ] {
            assert!(matches!(error, JobsError::TooLarge { .. }), "{error}");
        }
        for _ in 0..EVENTS_KEPT_MAX + 10 {
            queue.progress(&lease, lease.job.progress.clone()).await.unwrap();
        }
        let events = queue.events(id, 0, usize::MAX).await.unwrap();
        assert_eq!((events.len() as u64, events[0].number), (EVENTS_KEPT_MAX, 13));
        let message = "é".repeat(TEXT_BYTES_MAX);
        queue.fail(&lease, &Failure::lasting(message)).await.unwrap();
        let error = queue.get(id).await.unwrap().last_error.unwrap();
        assert!(error.message.len() <= TEXT_BYTES_MAX + 3 && error.message.ends_with('…'));
    });
}

async fn state(queue: &Queue, id: JobId) -> (State, String) {
    let job = queue.get(id).await.unwrap();
    assert!(!job.cause.is_empty() && !job.next_action.is_empty(), "{job:?}");
    (job.state, job.cause)
}

fn is_fenced<T: std::fmt::Debug>(said: Result<T, JobsError>) -> bool {
    matches!(said, Err(JobsError::Fenced { .. }))
}

async fn a_job_goes_through(rig: &Rig) {
    let queue = rig.queue().await;
    let id = submit(&queue, "a@1 b@2").await;
    assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
    assert_eq!(state(&queue, id).await, (State::Queued, "queued (no worker is alive)".to_owned()));
    let lease = claim(&queue, "w").await.unwrap();
    assert_eq!((lease.job.id, lease.stage, lease.resume.clone()), (id, Stage::Parsing, None));
    for stage in Stage::ALL.into_iter().skip(1) {
        let checkpoint = Checkpoint { stage, resume: Some(json!({ "at": stage })), progress: None };
        queue.checkpoint(&lease, checkpoint).await.unwrap();
        assert_eq!(state(&queue, id).await.0, stage.state());
    }
    // Another process sees all of it.
    let other = rig.queue().await;
    assert_eq!(queue.finish(&lease, Some(json!({ "records": 7 }))).await.unwrap(), State::Done);
    let job = other.get(id).await.unwrap();
    assert_eq!((job.state, job.progress.percent), (State::Done, 100.0));
    assert_eq!(job.result, Some(json!({ "records": 7 })));
    assert!(job.finished > job.started && job.started > Some(job.submitted));
    let events = other.events(id, 0, 100).await.unwrap();
    assert_eq!(events.iter().map(|event| event.number).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
    assert_eq!(other.events(id, 8, 100).await.unwrap(), events[8..]);
    // Finishing twice is finishing once: the answer may have got lost.
    assert_eq!(queue.finish(&lease, None).await.unwrap(), State::Done);
    assert_eq!(queue.events(id, 9, 100).await.unwrap(), []);
}

async fn what_is_known_is_left_out(rig: &Rig) {
    let queue = rig.queue().await;
    let known = async |inputs: &str| {
        let said = queue.submit(spec(inputs)).await.unwrap();
        let known = said.duplicates.iter().map(|known| (known.input.uri.clone(), known.in_flight));
        (said.job, known.collect::<Vec<_>>())
    };
    submit(&queue, "a@1 b@1").await;
    assert_eq!(known("a@1").await, (None, vec![("a".to_owned(), true)]));
    let (second, left_out) = known("b@1 a@2").await;
    assert!(second.is_some());
    assert_eq!(left_out, [("b".to_owned(), true)]);
    // A, B, A: what counts is what comes last.
    let (third, left_out) = known("a@1").await;
    assert!(third.is_some() && left_out.is_empty());
    for _ in 0..3 {
        let lease = claim(&queue, "w").await.unwrap();
        queue.finish(&lease, None).await.unwrap();
    }
    assert_eq!(known("a@1 b@1").await, (None, vec![("a".to_owned(), false), ("b".to_owned(), false)]));
    assert!(known("a@2").await.0.is_some());
    // That a source is gone is a state as well; what was not read is never known.
    assert!(known("b@gone").await.0.is_some());
    assert_eq!(known("b@gone").await, (None, vec![("b".to_owned(), true)]));
    assert!(known("c").await.0.is_some() && known("c").await.0.is_some());
    let mut forced = spec("b@gone");
    forced.options.force = true;
    let said = queue.submit(forced.clone()).await.unwrap();
    assert!(said.job.is_some() && said.duplicates.is_empty());
    // Another tenant's is another source.
    let mut theirs = spec("a@1");
    theirs.options.tenant = "them".to_owned();
    assert!(queue.submit(theirs).await.unwrap().job.is_some());
    // And what cannot be a job is none.
    for (wrong, says) in [("", "there are none"), ("a@1 a@2", "named twice")] {
        let error = queue.submit(spec(wrong)).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

async fn a_source_has_one_worker(rig: &Rig) {
    let queue = rig.queue().await;
    let first = submit(&queue, "a@1 b@1").await;
    let second = submit(&queue, "b@2 c@1").await;
    let third = submit(&queue, "c@2").await;
    let free = submit(&queue, "d@1").await;
    let lease = claim(&queue, "w1").await.unwrap();
    assert_eq!(lease.job.id, first);
    let cause = format!("queued (behind {first}: same source)");
    assert_eq!(state(&queue, second).await, (State::Queued, cause));
    assert_eq!(claim(&queue, "w2").await.unwrap().job.id, free);
    assert_eq!(claim(&queue, "w3").await, None);
    // The one in the middle goes: the third is behind nobody then, though the first still runs.
    queue.control(second, Control::Cancel).await.unwrap();
    assert_eq!(claim(&queue, "w3").await.unwrap().job.id, third);
    // And one behind the first stays behind it when the one between them goes.
    let fourth = submit(&queue, "b@3").await;
    let fifth = submit(&queue, "b@4").await;
    queue.control(fourth, Control::Cancel).await.unwrap();
    assert_eq!(state(&queue, fifth).await.1, format!("queued (behind {first}: same source)"));
    assert_eq!(claim(&queue, "w4").await, None);
    queue.finish(&lease, None).await.unwrap();
    assert_eq!(claim(&queue, "w4").await.unwrap().job.id, fifth);
}

async fn a_lost_lease_is_lost(rig: &Rig) {
    let queue = rig.queue().await;
    let id = submit(&queue, "a@1").await;
    let first = claim(&queue, "w1").await.unwrap();
    let checkpoint = Checkpoint { stage: Stage::Graphing, resume: Some(json!(7)), progress: None };
    queue.checkpoint(&first, checkpoint.clone()).await.unwrap();
    assert_eq!(claim(&queue, "w2").await, None);
    rig.clock.pass(LEASE + Duration::from_secs(5));
    assert_eq!(
        state(&queue, id).await,
        (State::Graphing, "graphing (worker w1 was not heard of for 6 s past its lease)".to_owned())
    );
    // Whose lease ran out is refused, even while nobody else has it.
    assert!(is_fenced(queue.renew(&first, LEASE).await));
    let second = claim(&queue, "w2").await.unwrap();
    assert_eq!(
        (second.stage, second.resume.clone(), second.job.attempts),
        (Stage::Graphing, Some(json!(7)), 2)
    );
    assert!(second.token > first.token);
    assert!(is_fenced(queue.renew(&first, LEASE).await));
    assert!(is_fenced(queue.checkpoint(&first, checkpoint).await));
    assert!(is_fenced(queue.progress(&first, first.job.progress.clone()).await));
    assert!(is_fenced(queue.finish(&first, None).await));
    assert!(is_fenced(queue.fail(&first, &Failure::lasting("no")).await));
    assert!(is_fenced(queue.release(&first, "no").await));
    // A later run of the same worker goes on at once; an earlier one does not get it back.
    let later = WorkerId { name: "w2".to_owned(), run: 2 };
    let third = queue.claim(&later, &[], LEASE).await.unwrap().unwrap();
    assert_eq!(third.job.id, id);
    assert!(is_fenced(queue.renew(&second, LEASE).await));
    assert_eq!(claim(&queue, "w2").await, None);
    // The answer to a claim got lost: the same run gets the job again, and it does not count.
    let again = queue.claim(&later, &[], LEASE).await.unwrap().unwrap();
    assert_eq!((again.job.id, again.job.attempts), (id, third.job.attempts));
    assert_eq!(queue.claim(&later, &[id], LEASE).await.unwrap(), None);
    assert_eq!(queue.finish(&again, None).await.unwrap(), State::Done);
    assert!(is_fenced(queue.finish(&third, None).await));
}

async fn attempts_end(rig: &Rig) {
    let queue = rig.queue().await;
    let (poison, other) = (submit(&queue, "a@1").await, submit(&queue, "b@1").await);
    let lease = claim(&queue, "w").await.unwrap();
    assert_eq!(queue.fail(&lease, &Failure::passing("no luck")).await.unwrap(), State::Queued);
    let (_, cause) = state(&queue, poison).await;
    assert_eq!(cause, "queued (attempt 1 of 3 failed at parsing: no luck)");
    let lease = claim(&queue, "w").await.unwrap();
    assert_eq!(lease.job.id, other);
    queue.finish(&lease, None).await.unwrap();
    assert_eq!(claim(&queue, "w").await, None);
    rig.clock.pass(rig.limits.backoff);
    let lease = claim(&queue, "w").await.unwrap();
    assert_eq!((lease.job.id, lease.job.attempts), (poison, 2));
    // A worker that dies of it counts as well.
    rig.clock.pass(LEASE);
    let lease = claim(&queue, "w2").await.unwrap();
    assert_eq!(lease.job.attempts, 3);
    assert_eq!(queue.fail(&lease, &Failure::passing("no luck again")).await.unwrap(), State::Dead);
    rig.clock.pass(LEASE * 100);
    assert_eq!(claim(&queue, "w").await, None);
    let dead = queue.dead(None, 10).await.unwrap();
    assert_eq!(dead.jobs.len(), 1);
    assert_eq!(dead.jobs[0].cause, "3 of 3 attempts failed, the last at parsing: no luck again");
    assert_eq!(dead.jobs[0].last_error.as_ref().unwrap().message, "no luck again");
    // What is dead can be submitted again at once, or be tried again.
    assert!(queue.submit(spec("a@1")).await.unwrap().job.is_some());
    let retried = queue.control(poison, Control::Retry).await.unwrap();
    assert_eq!((retried.state, retried.attempts), (State::Queued, 0));
    let next = claim(&queue, "w").await.unwrap();
    assert_ne!(next.job.id, poison, "it is behind what was submitted meanwhile");
    // What is no use trying again has failed.
    assert_eq!(queue.fail(&next, &Failure::lasting("not a file")).await.unwrap(), State::Failed);
    // One that kills every worker is dead, too.
    for attempt in 1..=3 {
        let lease = claim(&queue, "w").await.unwrap();
        assert_eq!((lease.job.id, lease.job.attempts), (poison, attempt));
        rig.clock.pass(LEASE);
    }
    assert_eq!(claim(&queue, "w").await, None);
    let (found, cause) = state(&queue, poison).await;
    assert_eq!(found, State::Dead);
    assert!(
        cause.starts_with("its worker was not heard of any more in attempt 3 of 3, at parsing"),
        "{cause}"
    );
    queue.purge(poison).await.unwrap();
    assert!(matches!(queue.get(poison).await, Err(JobsError::Unknown { .. })));
}

async fn controls_hold(rig: &Rig) {
    let queue = rig.queue().await;
    let id = submit(&queue, "a@1").await;
    queue.control(id, Control::Pause).await.unwrap();
    assert_eq!(claim(&queue, "w").await, None);
    assert_eq!(state(&queue, id).await, (State::Queued, "queued (paused on request)".to_owned()));
    queue.control(id, Control::Resume).await.unwrap();
    let lease = claim(&queue, "w").await.unwrap();
    // Paused while it runs: given back without counting the attempt, and held.
    queue.control(id, Control::Pause).await.unwrap();
    assert_eq!(queue.renew(&lease, LEASE).await.unwrap().asked, Some(stele_jobs::Asked::Pause));
    assert_eq!(queue.release(&lease, "paused").await.unwrap(), State::Queued);
    assert_eq!(claim(&queue, "w").await, None);
    let job = queue.control(id, Control::Resume).await.unwrap();
    assert_eq!((job.attempts, job.paused), (0, false));
    // Cancelled while it runs: it sticks, whatever its worker says, and if it says nothing.
    let lease = claim(&queue, "w").await.unwrap();
    queue.control(id, Control::Cancel).await.unwrap();
    assert_eq!(queue.renew(&lease, LEASE).await.unwrap().asked, Some(stele_jobs::Asked::Cancel));
    assert_eq!(queue.finish(&lease, Some(json!(1))).await.unwrap(), State::Cancelled);
    assert!(matches!(queue.control(id, Control::Pause).await, Err(JobsError::State { .. })));
    queue.control(id, Control::Retry).await.unwrap();
    let lease = claim(&queue, "w").await.unwrap();
    queue.control(id, Control::Cancel).await.unwrap();
    rig.clock.pass(LEASE);
    assert_eq!(claim(&queue, "w2").await, None);
    assert_eq!(state(&queue, id).await.0, State::Cancelled);
    assert!(is_fenced(queue.finish(&lease, None).await));
    // Cancelled while it waits: at once.
    let waiting = submit(&queue, "b@1").await;
    assert_eq!(queue.control(waiting, Control::Cancel).await.unwrap().state, State::Cancelled);
    assert!(matches!(queue.control(waiting, Control::Resume).await, Err(JobsError::State { .. })));
    let unknown = "j000000000000".parse().unwrap();
    assert!(matches!(queue.control(unknown, Control::Cancel).await, Err(JobsError::Unknown { .. })));
}

async fn lanes_take_turns(rig: &Rig) {
    let queue = rig.queue().await;
    let from = |origin: Origin, uri: String| Spec { origin, ..Spec::new([input(&uri)]) };
    for number in 0..10 {
        let watched = from(Origin::Watcher("inbox".to_owned()), format!("w{number}@1"));
        queue.submit(watched).await.unwrap();
    }
    queue.submit(from(Origin::Cli, "c0@1".to_owned())).await.unwrap();
    queue.submit(from(Origin::Http, "h0@1".to_owned())).await.unwrap();
    queue.submit(from(Origin::Cli, "c1@1".to_owned())).await.unwrap();
    let mut order = Vec::new();
    for _ in 0..8 {
        let lease = claim(&queue, "w").await.unwrap();
        order.push(lease.job.spec.inputs[0].uri.clone());
        queue.finish(&lease, None).await.unwrap();
    }
    assert_eq!(order, ["c0", "h0", "w0", "c1", "w1", "w2", "w3", "w4"]);
}

async fn pages_are_whole(rig: &Rig) {
    let queue = rig.queue().await;
    let mut all = Vec::new();
    for number in 0..25 {
        all.push(submit(&queue, &format!("f{number}@1")).await);
    }
    all.reverse();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = queue.list(&Filter { before, limit: 10, ..Filter::default() }).await.unwrap();
        seen.extend(page.jobs.iter().map(|job| job.id));
        // What comes meanwhile is on no page that follows.
        submit(&queue, &format!("late{}@1", seen.len())).await;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.of(State::Queued), counts.of(State::Done), counts.in_flight()), (28, 0, 28));
    let oldest = queue.get(all[24]).await.unwrap().submitted;
    assert_eq!(counts.oldest_waiting, Some(oldest));
    let done =
        queue.list(&Filter { states: vec![State::Done, State::Dead], ..Filter::default() }).await.unwrap();
    assert_eq!(done.jobs, []);
}

/// Names that are the beginning of another, or look like a state or a key.
const TENANTS: [&str; 5] = ["a", "a/b", "queued:a", "a:queued", "é"];

async fn tenants_have_their_own(rig: &Rig) {
    let queue = rig.queue().await;
    let mut all: BTreeMap<&str, Vec<JobId>> = BTreeMap::new();
    for number in 0..3 {
        for (place, tenant) in TENANTS.into_iter().enumerate().filter(|(place, _)| number <= *place) {
            let mut spec = spec(&format!("f{number}@{place}"));
            tenant.clone_into(&mut spec.options.tenant);
            all.entry(tenant).or_default().push(queue.submit(spec).await.unwrap().job.unwrap());
        }
    }
    tenants_have(&queue, &all, 0).await;
    // The oldest of each is done.
    for _ in TENANTS {
        let lease = claim(&queue, "w").await.unwrap();
        queue.finish(&lease, None).await.unwrap();
    }
    tenants_have(&queue, &all, 1).await;
    let before = Some(all["a/b"][0]);
    let strange = queue.list(&Filter { tenant: Some("a".to_owned()), before, ..Filter::default() }).await;
    assert!(matches!(strange, Err(JobsError::Unknown { .. })), "{strange:?}");
    queue.clean(Micros::MAX, false).await.unwrap();
    for (tenant, ids) in &mut all {
        ids.remove(0);
        let listed = queue.list(&Filter { tenant: Some((*tenant).to_owned()), ..Filter::default() }).await;
        assert_eq!(listed.unwrap().jobs.len(), ids.len(), "{tenant}");
    }
    tenants_have(&queue, &all, 0).await;
}

/// Whether each tenant has these, the first of them done, in counts and in pages of one.
pub async fn tenants_have(queue: &Queue, all: &BTreeMap<&str, Vec<JobId>>, done: usize) {
    for (tenant, ids) in all {
        let counts = queue.counts_of(tenant).await.unwrap();
        let of = |state| usize::try_from(counts.of(state)).unwrap();
        assert_eq!((of(State::Done), of(State::Queued)), (done, ids.len() - done), "{tenant}");
        let oldest = match ids.get(done) {
            Some(id) => Some(queue.get(*id).await.unwrap().submitted),
            None => None,
        };
        assert_eq!(counts.oldest_waiting, oldest, "{tenant}");
        for (states, expect) in [
            (vec![], ids.clone()),
            (vec![State::Queued, State::Failed], ids[done..].to_vec()),
            (vec![State::Done], ids[..done].to_vec()),
        ] {
            let (mut seen, mut before) = (Vec::new(), None);
            loop {
                let tenant = Some((*tenant).to_owned());
                let filter = Filter { tenant, states: states.clone(), before, limit: 1 };
                let page = queue.list(&filter).await.unwrap();
                seen.extend(page.jobs.iter().map(|job| job.id));
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            seen.reverse();
            assert_eq!(seen, expect, "{tenant}: {states:?}");
        }
    }
}

async fn it_is_cleaned(rig: &Rig) {
    let queue = rig.queue().await;
    let id = submit(&queue, "a@1").await;
    let lease = claim(&queue, "w").await.unwrap();
    queue.finish(&lease, None).await.unwrap();
    let waiting = submit(&queue, "b@1").await;
    let ended = queue.get(id).await.unwrap().finished.unwrap();
    assert_eq!(queue.clean(ended, false).await.unwrap().jobs, []);
    assert_eq!(queue.clean(ended + 1, true).await.unwrap().jobs, [id]);
    assert!(queue.get(id).await.is_ok());
    assert_eq!(queue.clean(ended + 1, false).await.unwrap().jobs, [id]);
    assert!(matches!(queue.get(id).await, Err(JobsError::Unknown { .. })));
    assert!(queue.get(waiting).await.is_ok());
    // What is done stays known, until it is forgotten.
    assert_eq!(queue.submit(spec("a@1")).await.unwrap().job, None);
    assert_eq!(queue.forget("default", &["a".to_owned(), "b".to_owned()]).await.unwrap(), 1);
    assert!(queue.submit(spec("a@1")).await.unwrap().job.is_some());
}
