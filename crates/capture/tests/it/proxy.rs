//! What stands between a capture and its feed, and spoils it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct Mode {
    /// Takes no connection.
    closed: AtomicBool,
    /// Holds what is said, in both directions, and says nothing of it.
    frozen: AtomicBool,
    /// Bytes to the capture after which its connection is cut; 0 is never.
    cut_after: AtomicU64,
    ended: AtomicBool,
    connections: AtomicU64,
    live: Mutex<Vec<TcpStream>>,
}

pub struct Proxy {
    pub port: u16,
    mode: Arc<Mode>,
}

impl Proxy {
    pub fn to(upstream: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = Arc::new(Mode::default());
        let shared = Arc::clone(&mode);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                shared.connections.fetch_add(1, Ordering::Relaxed);
                if shared.closed.load(Ordering::Relaxed) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], upstream))) else {
                    continue;
                };
                shared
                    .live
                    .lock()
                    .unwrap()
                    .extend([stream.try_clone().unwrap(), server.try_clone().unwrap()]);
                pump(&shared, stream.try_clone().unwrap(), server.try_clone().unwrap(), false);
                pump(&shared, server, stream, true);
            }
        });
        Proxy { port, mode }
    }

    /// Each connection from now on is cut when so many bytes have come from the feed.
    pub fn cut_after(&self, bytes: u64) {
        self.mode.cut_after.store(bytes, Ordering::Relaxed);
    }

    pub fn freeze(&self, frozen: bool) {
        self.mode.frozen.store(frozen, Ordering::Relaxed);
    }

    pub fn close(&self, closed: bool) {
        self.mode.closed.store(closed, Ordering::Relaxed);
        if closed {
            self.cut();
        }
    }

    /// Cuts what is open.
    pub fn cut(&self) {
        for stream in self.mode.live.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn connections(&self) -> u64 {
        self.mode.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.mode.ended.store(true, Ordering::Relaxed);
        self.cut();
        let _ = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.port)));
    }
}

fn pump(mode: &Arc<Mode>, mut from: TcpStream, mut to: TcpStream, down: bool) {
    let mode = Arc::clone(mode);
    std::thread::spawn(move || {
        let cut_after = mode.cut_after.load(Ordering::Relaxed);
        let (mut buffer, mut passed) = ([0; 4096], 0);
        loop {
            let length = from.read(&mut buffer).unwrap_or(0);
            while mode.frozen.load(Ordering::Relaxed) && !mode.ended.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            let mut end = length;
            if down && cut_after > 0 {
                end = length.min((cut_after - passed) as usize);
                passed += end as u64;
            }
            let done = length == 0
                || to.write_all(&buffer[..end]).is_err()
                || (down && cut_after > 0 && passed == cut_after);
            if done {
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    });
}
