//! What does it mean? Text to vectors.
