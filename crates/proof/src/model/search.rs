//! The search: breadth first through every world, so that the way to a broken promise is a shortest one, then
//! back from the ends, so that a world without a way to an end is found.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use super::invariants;
use super::moves::Laws;
use super::rules::Rules;
use super::world::World;

/// How much was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Worlds that can be.
    pub states: usize,
    /// Moves between them.
    pub transitions: usize,
    /// Those in which the checkout has ended.
    pub ends: usize,
}

/// A promise that can be broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The promise.
    pub promise: &'static str,
    /// A shortest way there: each move, with the world after it in words.
    pub trace: Vec<(String, String)>,
}

/// Searches through every world that these rules allow.
///
/// # Errors
/// The first [`Violation`] on a shortest way.
pub fn check(rules: &Rules) -> Result<Counts, Box<Violation>> {
    let laws = Laws::of(rules);
    let mut graph = Graph::default();
    graph.add(laws.normal(World::start()).canonical(), 0);
    let mut transitions = 0;
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(world) = graph.worlds.get(at).copied() {
        if let Some(promise) = invariants::broken(&laws.tables, &world) {
            return Err(graph.violation(&laws, promise, at));
        }
        laws.followers(&world, &mut found);
        transitions += found.len();
        for follower in &found {
            let to = graph.add(follower.world.canonical(), at);
            if follower.untroubled {
                graph.untroubled.push((to, index(at)));
            }
        }
        at += 1;
    }
    let ends = graph.worlds.iter().filter(|world| world.row.is_end()).count();
    match graph.first_without_end() {
        Some(at) => Err(graph.violation(&laws, "L1: whatever happened, there is a way to an end", at)),
        None => Ok(Counts { states: graph.worlds.len(), transitions, ends }),
    }
}

#[derive(Default)]
struct Graph {
    worlds: Vec<World>,
    numbers: HashMap<World, u32, BuildHasherDefault<Fold>>,
    /// Of each world the one that it was found from.
    parents: Vec<u32>,
    /// The moves that need no trouble, as (to, from).
    untroubled: Vec<(u32, u32)>,
}

impl Graph {
    fn add(&mut self, world: World, from: usize) -> u32 {
        let next = index(self.worlds.len());
        let number = *self.numbers.entry(world).or_insert(next);
        if number == next {
            self.worlds.push(world);
            self.parents.push(index(from));
        }
        number
    }

    fn first_without_end(&mut self) -> Option<usize> {
        self.untroubled.sort_unstable();
        let mut ending: Vec<bool> = self.worlds.iter().map(|world| world.row.is_end()).collect();
        let mut open: Vec<u32> = (0..).zip(&ending).filter(|(_, ends)| **ends).map(|(at, _)| at).collect();
        while let Some(to) = open.pop() {
            let first = self.untroubled.partition_point(|edge| edge.0 < to);
            for (_, from) in self.untroubled[first..].iter().take_while(|edge| edge.0 == to) {
                let ends = &mut ending[*from as usize];
                if !*ends {
                    *ends = true;
                    open.push(*from);
                }
            }
        }
        ending.iter().position(|ends| !ends)
    }

    /// The way to a world, told again from the start with each worker under one name.
    fn violation(&self, laws: &Laws, promise: &'static str, mut at: usize) -> Box<Violation> {
        let mut way = Vec::new();
        while at != 0 {
            way.push(self.worlds[at]);
            at = self.parents[at] as usize;
        }
        let (mut world, mut trace, mut found) = (laws.normal(World::start()), Vec::new(), Vec::new());
        for wanted in way.into_iter().rev() {
            laws.followers(&world, &mut found);
            let step = found.iter().find(|follower| follower.world.canonical() == wanted);
            let step = step.expect("worlds that are one but for names have the same followers");
            world = step.world;
            trace.push((step.by.to_string(), world.told(&laws.tables).to_string()));
        }
        Box::new(Violation { promise, trace })
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("more worlds than memory")
}

/// Worlds are a few small numbers: this is enough to tell them apart, and is most of the search's time.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value.cast_unsigned() as u64);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, ends } = self;
        write!(f, "{states} states, {transitions} transitions, {ends} ends, 0 violations")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broken: {}", self.promise)?;
        for (number, (step, world)) in (1..).zip(&self.trace) {
            writeln!(f, "{number:3}. {step}\n     {world}")?;
        }
        Ok(())
    }
}
