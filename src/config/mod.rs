//! The vocabulary of a container: pure data, validated when the plan is made, without I/O.

pub(crate) mod command;
pub(crate) mod identity;
#[cfg(feature = "landlock")]
pub(crate) mod landlock;
pub(crate) mod limits;
pub(crate) mod mounts;
pub(crate) mod namespaces;
pub(crate) mod program;
mod shared;
pub(crate) mod stdio;

pub use identity::{Capabilities, CapabilitySets, IdMap, IdMapping, Resource, Securebits};
#[cfg(feature = "landlock")]
pub use landlock::{FileAccess, Landlock, LandlockAbi};
pub use limits::{IoLimit, Limit};
pub use mounts::{Bind, Overlay, Proc, Tmpfs};
pub use namespaces::{NamespaceSource, Namespaces};
pub(crate) use shared::Shared;
pub use stdio::Stdio;

use std::ffi::OsString;

use crate::seccomp::SeccompConfig;

/// All that a [`Container`](crate::Container) says: what plans are made from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Description {
    pub program: program::Program,
    pub namespaces: namespaces::NamespaceConfig,
    pub files: mounts::FileConfig,
    pub identity: identity::IdentityConfig,
    pub stdio: stdio::StdioConfig,
    pub limits: limits::Limits,
    #[cfg(feature = "landlock")]
    pub landlock: Option<Landlock>,
    pub seccomp: SeccompConfig,
}

impl Description {
    /// The name of the host inside.
    pub fn host_name(&self) -> OsString {
        self.namespaces.host_name.clone().unwrap_or_else(|| "cofferdam".into())
    }
}
