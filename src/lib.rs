//! Draft.
mod config;
mod container;
mod error;
mod host;
mod plan;
mod report;
mod wire;

#[cfg(test)]
mod launcher;
#[cfg(test)]
mod wire_tests;

pub use config::{
    Bind, Capabilities, CapabilitySets, IdMap, IdMapping, NamespaceSource, Namespaces, Overlay, Proc,
    Resource, Stdio, Tmpfs,
};
pub use container::Container;
pub use error::{Error, ErrorKind, Result};
pub use host::{Child, Feature, Finding, Host, Output};
pub use report::{Cause, Enforcement, MemorySource, Report};
