//! The rules of the tree hold, and the checks see it when they do not.

mod rules;
