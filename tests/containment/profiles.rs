//! The containers that every check is made in.

use cofferdam::{Container, Seccomp};

/// A way to make a container what it is.
#[derive(Clone, Copy)]
pub struct Profile {
    pub name: &'static str,
    pub apply: fn(Container) -> Container,
    /// Whether it filters system calls.
    pub filters: bool,
    /// Whether processes can be made in it.
    pub forks: bool,
    /// What its filter answers where it is stricter than the default one: an act may fail on its way.
    pub stricter: &'static [i32],
}

/// All of them. What else isolates must hold without a filter, too.
pub const ALL: &[Profile] = &[
    Profile { name: "default", apply: |container| container, filters: true, forks: true, stricter: &[] },
    Profile { name: "unconfined", apply: unfiltered, filters: false, forks: true, stricter: &[] },
    Profile {
        name: "without_sockets",
        apply: |container| container.seccomp(Seccomp::without_sockets()),
        filters: true,
        forks: true,
        stricter: &[libc::EPERM],
    },
    Profile {
        name: "compute_only",
        apply: |container| container.seccomp(Seccomp::compute_only()),
        filters: true,
        forks: false,
        stricter: &[libc::EPERM],
    },
];

pub fn unfiltered(container: Container) -> Container {
    container.seccomp(Seccomp::unconfined())
}
