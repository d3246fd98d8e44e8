//! Rules of the tree that a compiler does not know.
