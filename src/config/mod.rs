//! The vocabulary of a container: pure data, validated when the plan is made, without I/O.

pub(crate) mod identity;
pub(crate) mod limits;
pub(crate) mod mounts;
pub(crate) mod namespaces;
pub(crate) mod program;
pub(crate) mod stdio;

pub use identity::{Capabilities, CapabilitySets, IdMap, IdMapping, Resource};
pub use mounts::{Bind, Overlay, Proc, Tmpfs};
pub use namespaces::{NamespaceSource, Namespaces};
pub use stdio::Stdio;
