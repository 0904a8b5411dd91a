//! A link to Redis that may go away at any moment.
