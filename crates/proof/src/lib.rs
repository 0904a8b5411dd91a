//! Whether the shop keeps its promise whatever happens, searched through: in no program of the shop.

pub mod model;
