//! What answers the question? Plan, fan out, fuse, hydrate.
