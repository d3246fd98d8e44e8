//! Who else holds a copy?
