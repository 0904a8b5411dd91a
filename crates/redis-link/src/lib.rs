//! A link to Redis that may go away at any moment.
//!
//! Redis makes things faster or fairer here, and nothing depends on it: whoever calls can do without. So a
//! [`Link`] promises to answer within 100 ms, and while Redis is gone or hangs, at once. It finds out by itself
//! when that begins and when it ends, says each once in the log, and lets nobody wait for it.
//!
//! Commands that were given up may still be carried out, at any later time: Redis reads them when it goes on.
//! Scripts have to be right even then.

mod gate;
mod keeper;
mod link;

pub use link::{Error, Link, Standing};
pub use redis::{FromRedisValue, Script, ScriptInvocation};
