//! Ctrl-C: the first asks for a stop at the next safe place, the second ends the process at once.
//! A command that does not listen is ended by the first.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use stele_engine::Cancel;

use crate::errors::Failure;

type Stop = Box<dyn Fn() + Send>;

/// Listens for Ctrl-C and for a polite request to end.
#[derive(Clone)]
pub struct Interrupt {
    /// Set by the first signal.
    pub cancel: Arc<Cancel>,
    stops: Arc<Mutex<Vec<Stop>>>,
}

impl Interrupt {
    /// Begins to listen, as the first thing of a command.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn start() -> Result<Self, Failure> {
        Self::listen().map_err(|error| Failure::new(format!("cannot listen for Ctrl-C: {error}")))
    }

    /// Makes a limit on the size of files an error like a full disk, and no sudden end.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn outlive_limits() -> io::Result<()> {
        signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
    }

    fn listen() -> io::Result<Self> {
        let interrupt = Self { cancel: Arc::default(), stops: Arc::default() };
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Acts inside the handler, so that even a stuck program ends at the second signal.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, asked.clone())?;
            signal_hook::flag::register(signal, asked.clone())?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let listener = interrupt.clone();
        std::thread::Builder::new().name("stele-signals".to_owned()).spawn(move || {
            if signals.forever().next().is_some() {
                crate::output::tell("stopping at the next safe place; press Ctrl-C again to stop at once");
                listener.cancel.cancel();
                let stops = listener.stops.lock().unwrap_or_else(PoisonError::into_inner);
                stops.iter().for_each(|stop| stop());
                asked.store(true, Ordering::SeqCst);
            }
        })?;
        Ok(interrupt)
    }

    /// Also calls `stop` at the first signal.
    pub fn also(&self, stop: impl Fn() + Send + 'static) {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(stop));
    }
}
