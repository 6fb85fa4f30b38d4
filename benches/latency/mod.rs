//! The measurements of the bench `latency`.

pub mod contenders;
pub mod distributions;
pub mod hosts;
pub mod live;
pub mod oci;
pub mod peers;
pub mod setting;
pub mod targets;
pub mod throughput;
