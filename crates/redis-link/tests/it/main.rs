//! The link to a Redis that is frozen, killed and started again.

#![cfg(test)]

mod link;
