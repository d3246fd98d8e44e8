//! Blocks to workers and back: a bounded queue, some threads, and a flush that waits for all.

use crossbeam_channel::{Receiver, Sender, bounded};
use stele_lake::LakeError;

use crate::EngineError;
use crate::worker::{Task, Worker, Yield};

enum Order {
    Block(Task),
    /// Say that you are ready, then wait for a [`Renewal`].
    Flush,
}

enum Reply {
    /// The worker has taken the order to flush, and takes no other until it is renewed.
    Ready,
    Flushed(Result<Box<Yield>, LakeError>),
    /// The worker ended in the middle of its work.
    Lost,
}

/// Makes a worker hand over what it has, and tells it what to go on with.
pub(crate) type Renewal = Box<dyn FnOnce(&mut Worker) -> Result<Yield, LakeError> + Send>;

/// The workers, seen from the thread that reads.
pub(crate) struct Crew {
    orders: Sender<Order>,
    renewals: Sender<Renewal>,
    replies: Receiver<Reply>,
    /// Memory of blocks that are done with.
    spent: Receiver<Vec<u8>>,
    threads: usize,
}

/// Runs `body` with these workers at its service, each on its thread; they end when it returns.
pub(crate) fn with_crew<T>(
    workers: Vec<Worker>,
    body: impl FnOnce(&mut Crew) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let threads = workers.len();
    // One waiting block for each worker hides the reader's pauses, and there is room for one order
    // to flush for each, so that giving them never waits for a worker that is lost.
    let (orders, order_queue) = bounded(threads);
    let (renewals, renewal_queue) = bounded(threads);
    // Between two flushes a worker says that it is ready, hands over, and at worst is lost.
    let (answers, replies) = bounded(3 * threads);
    let (worn, spent) = bounded(2 * threads);
    std::thread::scope(|scope| {
        let mut handles = Vec::new();
        let mut refused = None;
        for worker in workers {
            let post = Post {
                orders: order_queue.clone(),
                renewals: renewal_queue.clone(),
                replies: answers.clone(),
                spent: worn.clone(),
            };
            match std::thread::Builder::new().spawn_scoped(scope, move || post.work(worker)) {
                Ok(handle) => handles.push(handle),
                Err(error) => refused = Some(error),
            }
        }
        // Only the workers hold the far ends now.
        drop((order_queue, renewal_queue, answers, worn));
        let mut crew = Crew { orders, renewals, replies, spent, threads };
        let result = match refused {
            Some(error) => Err(EngineError::Thread(error)),
            None => body(&mut crew),
        };
        // Without orders the workers end.
        drop(crew);
        let lost = handles.into_iter().filter_map(|handle| handle.join().err()).count();
        if lost > 0 { Err(EngineError::WorkerLost) } else { result }
    })
}

/// A worker's ends of the channels.
struct Post {
    orders: Receiver<Order>,
    renewals: Receiver<Renewal>,
    replies: Sender<Reply>,
    spent: Sender<Vec<u8>>,
}

impl Post {
    fn work(&self, mut worker: Worker) {
        let mut failed = None;
        for order in &self.orders {
            match order {
                // After an error the rest of the batch cannot be committed; take it and drop it,
                // so that nobody waits.
                Order::Block(_) if failed.is_some() => {}
                Order::Block(task) => {
                    failed = worker.process(&task).err();
                    // A full queue means that the reader has enough; the memory is then freed.
                    let _ = self.spent.try_send(task.block.bytes);
                }
                Order::Flush => {
                    let _ = self.replies.send(Reply::Ready);
                    let Ok(renew) = self.renewals.recv() else { return };
                    let result = failed.take().map_or_else(|| renew(&mut worker).map(Box::new), Err);
                    let _ = self.replies.send(Reply::Flushed(result));
                }
            }
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.replies.send(Reply::Lost);
        }
    }
}

impl Crew {
    /// Hands a block to the next free worker; waits while all are busy and the queue is full.
    pub(crate) fn send(&self, task: Task) -> Result<(), EngineError> {
        self.orders.send(Order::Block(task)).map_err(|_| EngineError::WorkerLost)
    }

    /// Memory of a block that is done with, for the next one.
    pub(crate) fn spent(&self) -> Option<Vec<u8>> {
        self.spent.try_recv().ok()
    }

    /// Waits for all blocks, and collects what the workers have. `renewal` is called once a worker.
    pub(crate) fn flush(
        &mut self,
        mut renewal: impl FnMut() -> Result<Renewal, EngineError>,
    ) -> Result<Vec<Yield>, EngineError> {
        for _ in 0..self.threads {
            self.orders.send(Order::Flush).map_err(|_| EngineError::WorkerLost)?;
        }
        // Renewed too early, a fast worker could take the order that is meant for a slow one.
        for _ in 0..self.threads {
            match self.replies.recv() {
                Ok(Reply::Ready) => {}
                Ok(Reply::Flushed(_) | Reply::Lost) | Err(_) => return Err(EngineError::WorkerLost),
            }
        }
        for _ in 0..self.threads {
            self.renewals.send(renewal()?).map_err(|_| EngineError::WorkerLost)?;
        }
        let mut all = Vec::with_capacity(self.threads);
        let mut failed = None;
        for _ in 0..self.threads {
            match self.replies.recv() {
                Ok(Reply::Flushed(Ok(one))) => all.push(*one),
                Ok(Reply::Flushed(Err(error))) => failed = failed.or(Some(error)),
                Ok(Reply::Ready | Reply::Lost) | Err(_) => return Err(EngineError::WorkerLost),
            }
        }
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(all),
        }
    }
}
