//! Connections: a bounded number at once, none of which can be held by doing nothing.
//!
//! Whoever sends no head is cut off by the HTTP library, whoever sends no body by the time limit of a
//! request, and whoever does not read by [`Patient`]. Where the bound is reached, the connection that has
//! been idle for longest makes room, so a crowd that only connects keeps nobody out.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Sleep;

use super::Patience;
use crate::Stop;
use crate::limits::{CONNECTIONS_MAX, STOP_TIME_MAX};

/// Time after which it is tried again to take a connection, where the operating system gave none.
const BREATH: Duration = Duration::from_millis(50);

/// Takes connections until it is told to stop.
pub(super) async fn accept(
    listener: &TcpListener,
    router: Router,
    patience: Patience,
    stop: &Stop,
    open: impl Fn(usize) + Send + Sync + 'static,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // Counted and told in one: of two that end at once, the later says what holds.
    let room_left = Arc::clone(&room);
    let turn = Mutex::new(());
    let tell = Arc::new(move || {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        open(CONNECTIONS_MAX - room_left.available_permits());
    });
    let crowd = Arc::new(Crowd::default());
    let graceful = GracefulShutdown::new();
    for number in 0u64.. {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.asked() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, or a client that went: the next one may do better, after a breath.
                tracing::warn!(%error, "cannot take a connection");
                crowd.let_one_go();
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let permit = match Arc::clone(&room).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                crowd.let_one_go();
                // Never closed, so there is always a permit in the end.
                tokio::select! {
                    permit = Arc::clone(&room).acquire_owned() => match permit { Ok(permit) => permit, Err(_) => break },
                    () = stop.asked() => break,
                }
            }
        };
        let one = crowd.enter(number);
        tell();
        // Small answers are sent at once; where that cannot be set they come a moment later.
        let _ = stream.set_nodelay(true);
        let service =
            Counted { router: router.clone(), one: Arc::clone(&one), turns: Arc::clone(&crowd.turns) };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.head)
            .serve_connection(
                TokioIo::new(Patient::new(stream, patience.write)),
                TowerToHyperService::new(service),
            );
        let connection = graceful.watch(connection);
        let (crowd, tell) = (Arc::clone(&crowd), Arc::clone(&tell));
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = one.leave.notified() => {}
            }
            crowd.leave(number);
            drop(permit);
            tell();
        });
    }
    let _ = tokio::time::timeout(STOP_TIME_MAX, graceful.shutdown()).await;
}

/// The connections that are open.
#[derive(Default)]
struct Crowd {
    all: Mutex<BTreeMap<u64, Arc<One>>>,
    /// Counts up when a connection begins to do nothing: the smaller the number, the longer ago.
    turns: Arc<AtomicU64>,
}

/// One of them.
#[derive(Default)]
struct One {
    /// Requests that are being answered, until the last byte of the body is on its way.
    busy: AtomicUsize,
    /// Since which turn it does nothing.
    idle_since: AtomicU64,
    leave: Notify,
}

impl Crowd {
    fn enter(&self, number: u64) -> Arc<One> {
        let one = Arc::new(One::default());
        one.idle_since.store(self.turns.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        self.lock().insert(number, Arc::clone(&one));
        one
    }

    fn leave(&self, number: u64) {
        self.lock().remove(&number);
    }

    /// Ends the connection on which nothing has been answered for longest, if there is one on which nothing is.
    fn let_one_go(&self) {
        let mut all = self.lock();
        let idle = all.iter().filter(|(_, one)| one.busy.load(Ordering::SeqCst) == 0);
        let longest = idle.min_by_key(|(_, one)| one.idle_since.load(Ordering::SeqCst));
        let number = longest.map(|(number, _)| *number);
        if let Some(one) = number.and_then(|number| all.remove(&number)) {
            one.leave.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<One>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The router, with a note of what is being answered.
#[derive(Clone)]
struct Counted {
    router: Router,
    one: Arc<One>,
    turns: Arc<AtomicU64>,
}

impl tower_service::Service<Request<Incoming>> for Counted {
    type Response = axum::response::Response;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        tower_service::Service::<Request<Incoming>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let busy = Busy::new(&self.one, &self.turns);
        let answer = self.router.call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Body::new(Answering { body, _busy: busy }))) })
    }
}

/// The body of an answer, during which its connection is busy: it may be long, or go on for an hour.
struct Answering {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct Busy {
    one: Arc<One>,
    turns: Arc<AtomicU64>,
}

impl Busy {
    fn new(one: &Arc<One>, turns: &Arc<AtomicU64>) -> Self {
        one.busy.fetch_add(1, Ordering::SeqCst);
        Self { one: Arc::clone(one), turns: Arc::clone(turns) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // First, so that nobody who sees it idle takes it for one that has long been.
        let turn = self.turns.fetch_add(1, Ordering::SeqCst);
        self.one.idle_since.store(turn, Ordering::SeqCst);
        self.one.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A stream that fails where the other side takes nothing for so long: an answer that nobody reads
/// would be held for ever.
struct Patient {
    stream: TcpStream,
    time_max: Duration,
    /// Set while a write waits.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream, time_max: Duration) -> Self {
        Self { stream, time_max, stuck: None }
    }

    /// What a write came to, in time.
    fn in_time<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let time_max = self.time_max;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(time_max)));
        match stuck.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.in_time(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
