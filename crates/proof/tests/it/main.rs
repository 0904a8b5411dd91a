//! The tests of the proof.
#![cfg(test)]

mod mutations;
mod participants;
mod rules;
mod simulation;
