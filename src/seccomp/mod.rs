//! Seccomp filters: from a policy, which is data, to a program for the kernel. Pure, and without a view of the
//! host: see seccomp(2).

mod action;
mod assembly;
mod group;
mod kernel;
#[cfg(feature = "seccomp-json")]
mod oci;
mod policy;
mod presets;
mod program;
mod resolve;
mod rule;
mod syscall;
mod table;

#[cfg(test)]
mod interpreter;
#[cfg(all(test, feature = "seccomp-json"))]
mod oci_tests;
#[cfg(test)]
mod tests;

pub use action::SeccompAction;
pub use group::SyscallGroup;
pub use policy::Seccomp;
pub use rule::{Comparison, SyscallRule};
pub use syscall::Syscall;

pub(crate) use action::Listener;
pub(crate) use kernel::KernelVersion;
pub(crate) use policy::SeccompConfig;
pub(crate) use program::Filter;
pub(crate) use resolve::{Circumstances, FilterOf};
pub(crate) use syscall::Architecture;
