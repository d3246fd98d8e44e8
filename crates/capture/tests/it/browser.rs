//! Beside a browser: one that is real, and one that is made up of what the protocol says.
