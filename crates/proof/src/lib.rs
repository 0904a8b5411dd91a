//! Whether the shop keeps its promise whatever happens: searched through, and simulated. In no program of the shop.

pub mod model;
pub mod simulation;
