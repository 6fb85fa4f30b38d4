//! The measurements of the bench `limits`.

pub mod clock;
pub mod cost;
pub mod cpu;
pub mod group;
pub mod memory;
pub mod programs;
pub mod spread;
pub mod wall;
