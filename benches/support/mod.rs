//! What the bench is made of.

pub mod bystander;
pub mod floor;
pub mod measure;
pub mod peers;
pub mod steps;
