//! How is it found again? Vectors and text in LanceDB.
