//! Which namespaces are new, shared with the host, or joined.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bitflags::bitflags;

bitflags! {
    /// Kinds of Linux namespaces, see namespaces(7).
    ///
    /// ```
    /// use cofferdam::Namespaces;
    /// let without_network = Namespaces::all() - Namespaces::NET;
    /// assert!(!without_network.contains(Namespaces::NET));
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Namespaces: u32 {
        /// User and group ids, capabilities: user_namespaces(7), Linux 3.8.
        const USER = libc::CLONE_NEWUSER as u32;
        /// Mount points: mount_namespaces(7), Linux 2.4.19.
        const MOUNT = libc::CLONE_NEWNS as u32;
        /// Process ids: pid_namespaces(7), Linux 2.6.24.
        const PID = libc::CLONE_NEWPID as u32;
        /// Network devices, addresses, ports, abstract sockets: network_namespaces(7), Linux 2.6.29.
        const NET = libc::CLONE_NEWNET as u32;
        /// System V IPC and POSIX message queues: ipc_namespaces(7), Linux 2.6.30.
        const IPC = libc::CLONE_NEWIPC as u32;
        /// Host name and NIS domain name: uts_namespaces(7), Linux 2.6.19.
        const UTS = libc::CLONE_NEWUTS as u32;
        /// The root of the cgroup tree that is visible: cgroup_namespaces(7), Linux 4.6.
        const CGROUP = libc::CLONE_NEWCGROUP as u32;
        /// Offsets of the monotonic and boot-time clocks: time_namespaces(7), Linux 5.6.
        const TIME = libc::CLONE_NEWTIME as u32;
    }
}

impl Namespaces {
    /// The names of the kinds in the set, as in `/proc/PID/ns` (`mnt`, `net` …).
    ///
    /// ```
    /// use cofferdam::Namespaces;
    /// let names: Vec<_> = (Namespaces::NET | Namespaces::PID).names().collect();
    /// assert_eq!(names, ["pid", "net"]);
    /// ```
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(kind, _)| self.contains(*kind)).map(|(_, name)| *name)
    }

    /// The kind of a name as in `/proc/PID/ns`; `mount` and `network` are understood too.
    ///
    /// ```
    /// use cofferdam::Namespaces;
    /// assert_eq!(Namespaces::named("net"), Some(Namespaces::NET));
    /// assert_eq!(Namespaces::named("disk"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        let name = match name {
            "mount" => "mnt",
            "network" => "net",
            name => name,
        };
        NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

const NAMES: [(Namespaces, &str); 8] = [
    (Namespaces::USER, "user"),
    (Namespaces::MOUNT, "mnt"),
    (Namespaces::PID, "pid"),
    (Namespaces::NET, "net"),
    (Namespaces::IPC, "ipc"),
    (Namespaces::UTS, "uts"),
    (Namespaces::CGROUP, "cgroup"),
    (Namespaces::TIME, "time"),
];

/// Where a namespace to join is found: a descriptor, a path, or a running container.
///
/// Made by `into()` from an [`OwnedFd`] of a namespace file, from a path such as `/run/netns/blue`, or
/// from a reference to a running [`Child`](crate::Child) (Linux 5.8).
///
/// ```no_run
/// use cofferdam::{Container, Namespaces};
/// let status = Container::new().command("ip").arg("addr").join(Namespaces::NET, "/run/netns/blue").status()?;
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NamespaceSource(pub(crate) SourceKind);

#[derive(Clone, Debug)]
pub(crate) enum SourceKind {
    /// A namespace file, or the pidfd of a process (setns(2), Linux 5.8).
    Fd(Arc<OwnedFd>),
    Path(PathBuf),
}

impl From<OwnedFd> for NamespaceSource {
    fn from(fd: OwnedFd) -> Self {
        NamespaceSource(SourceKind::Fd(Arc::new(fd)))
    }
}

impl From<PathBuf> for NamespaceSource {
    fn from(path: PathBuf) -> Self {
        NamespaceSource(SourceKind::Path(path))
    }
}

impl From<&Path> for NamespaceSource {
    fn from(path: &Path) -> Self {
        path.to_path_buf().into()
    }
}

impl From<&str> for NamespaceSource {
    fn from(path: &str) -> Self {
        PathBuf::from(path).into()
    }
}

/// The namespaces of a container.
#[derive(Clone, Debug)]
pub(crate) struct NamespaceConfig {
    pub new: Namespaces,
    pub joined: Vec<(Namespaces, NamespaceSource)>,
    pub host_name: Option<std::ffi::OsString>,
    pub clock: ClockOffsets,
}

/// Offsets of the time namespace, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClockOffsets {
    pub monotonic: i64,
    pub boottime: i64,
}

impl Default for NamespaceConfig {
    fn default() -> Self {
        NamespaceConfig {
            new: Namespaces::all(),
            joined: Vec::new(),
            host_name: None,
            clock: ClockOffsets::default(),
        }
    }
}

impl NamespaceConfig {
    /// The kinds that are joined.
    pub fn joined_kinds(&self) -> Namespaces {
        self.joined.iter().fold(Namespaces::empty(), |all, (kinds, _)| all | *kinds)
    }
}
