//! What watchers find becomes jobs.

use std::collections::BTreeMap;

use async_trait::async_trait;
use stele_jobs::{INPUTS_MAX, Input, JobsError, Options, Origin, Queue, Spec};
use stele_model::ErrorKind;
use stele_model::error::in_full;
use stele_watch::{Arrival, ArrivalKind, Arrivals, Batch, Refused};

/// Puts what watchers find into a queue.
pub struct ToQueue {
    queue: Queue,
    options: Options,
}

impl ToQueue {
    /// For jobs that are all to be treated like this; the tag is that of the watcher.
    pub fn new(queue: Queue, options: Options) -> Self {
        Self { queue, options }
    }
}

#[async_trait]
impl Arrivals for ToQueue {
    async fn submit(&self, batch: &Batch) -> Result<(), Refused> {
        let inputs = inputs_of(&batch.arrivals);
        let options = Options { tag: batch.tag.clone(), ..self.options.clone() };
        // A batch with renames is two inputs an arrival. What was taken before a refusal is known as a
        // duplicate when the batch comes again.
        for inputs in inputs.chunks(INPUTS_MAX) {
            let spec = Spec {
                inputs: inputs.to_vec(),
                options: options.clone(),
                origin: Origin::Watcher(batch.watcher.clone()),
            };
            self.queue.submit(spec).await.map_err(|error| refused(&error))?;
        }
        Ok(())
    }
}

/// Each name once, in the last of its states.
fn inputs_of(arrivals: &[Arrival]) -> Vec<Input> {
    let mut inputs: BTreeMap<&str, Input> = BTreeMap::new();
    for arrival in arrivals {
        match &arrival.kind {
            ArrivalKind::Gone => {
                inputs.insert(&arrival.uri, Input::removed(arrival.uri.as_str()));
                continue;
            }
            ArrivalKind::Renamed { from } => {
                inputs.insert(from, Input::removed(from.as_str()));
            }
            ArrivalKind::Appeared | ArrivalKind::Changed => {}
        }
        inputs.insert(&arrival.uri, Input::new(arrival.uri.as_str(), arrival.checksum.as_str()));
    }
    inputs.into_values().collect()
}

fn refused(error: &JobsError) -> Refused {
    let next_action = match error.kind() {
        ErrorKind::Retry => "it is handed over again in a moment",
        _ => "`stele doctor` looks at the queue; it is handed over again then",
    };
    Refused { kind: error.kind(), reason: in_full(error), next_action: next_action.to_owned() }
}

#[cfg(test)]
mod tests {
    use stele_watch::{Arrival, ArrivalKind};

    use super::{Input, inputs_of};

    fn arrival(uri: &str, checksum: &str, kind: ArrivalKind) -> Arrival {
        Arrival {
            uri: uri.to_owned(),
            name: uri.to_owned(),
            location: uri.to_owned(),
            checksum: checksum.to_owned(),
            kind,
            size: None,
            modified: None,
            time: 0,
        }
    }

    #[test]
    fn arrivals_are_inputs_each_name_once() {
        let inputs = inputs_of(&[
            arrival("/b", "1", ArrivalKind::Appeared),
            arrival("/a", "2", ArrivalKind::Renamed { from: "/c".to_owned() }),
            arrival("/b", "3", ArrivalKind::Changed),
            arrival("/d", "4", ArrivalKind::Gone),
        ]);
        let expected =
            [Input::new("/a", "2"), Input::new("/b", "3"), Input::removed("/c"), Input::removed("/d")];
        assert_eq!(inputs, expected);
    }
}
