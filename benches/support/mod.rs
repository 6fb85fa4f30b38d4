//! What the benches are made of. Not every one uses all of it.
#![allow(dead_code)]

pub mod bystander;
pub mod c;
pub mod floor;
pub mod measure;
pub mod options;
pub mod peers;
pub mod plot;
pub mod run;
pub mod steps;
pub mod system;
pub mod worker;
