//! Who the workload is: ids, groups, capabilities, resource limits and other attributes of a process.

use bitflags::bitflags;

/// The workload's user and group id inside, unless set.
pub(crate) const DEFAULT_ID: u32 = 1000;

/// A range of ids, as a line of `/proc/PID/uid_map`: see user_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    /// The first id inside.
    pub inside: u32,
    /// The id on the host that it stands for.
    pub outside: u32,
    /// How many ids follow each other.
    pub count: u32,
}

/// How ids inside the user namespace correspond to the host's.
///
/// ```
/// use cofferdam::{Container, IdMap, IdMapping};
/// let range = IdMap { inside: 0, outside: 100_000, count: 65_536 };
/// let container = Container::new().id_mapping(IdMapping::Ranges { uids: vec![range], gids: vec![range] });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdMapping {
    /// One id: the workload's. For an ordinary user it stands for the caller's own id. For root it
    /// stands for 0x70000000 plus the process id of init, which nobody else in the same PID namespace
    /// has: two containers at once have different ids, and files that the workload writes to the host
    /// belong to nobody. Where these ids do not exist it is `nobody`, or the caller's own.
    #[default]
    Single,
    /// One id, that of [`user`](crate::Container::user), standing for this user and group id of the host.
    /// Other than the caller's own it needs root, or a grant in `/etc/subuid` and `/etc/subgid`.
    Host {
        /// User id on the host.
        uid: u32,
        /// Group id on the host.
        gid: u32,
    },
    /// Id 0 inside is the caller, ids from 1 on are the ranges that `/etc/subuid` and `/etc/subgid` grant
    /// the caller (subuid(5)), written by newuidmap(1) and newgidmap(1). Root itself is never mapped: for
    /// root the ranges granted to it begin at id 0.
    Subordinate,
    /// These ranges. As root they are written directly, otherwise by newuidmap(1) and newgidmap(1).
    Ranges {
        /// User ids.
        uids: Vec<IdMap>,
        /// Group ids.
        gids: Vec<IdMap>,
    },
}

macro_rules! capabilities {
    ($($bit:literal $name:ident $kernel_name:literal,)*) => {
        bitflags! {
            /// A set of capabilities, see capabilities(7).
            ///
            /// ```
            /// use cofferdam::Capabilities;
            /// assert_eq!(Capabilities::named("net_bind_service"), Some(Capabilities::NET_BIND_SERVICE));
            /// assert_eq!(Capabilities::named("CAP_KILL"), Some(Capabilities::KILL));
            /// ```
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
            pub struct Capabilities: u64 {
                $(
                    #[doc = concat!("`", $kernel_name, "`.")]
                    const $name = 1 << $bit;
                )*
            }
        }

        impl Capabilities {
            /// The capability of a name, with or without `CAP_`, in either case.
            pub fn named(name: &str) -> Option<Self> {
                let name = name.to_ascii_uppercase();
                let name = name.strip_prefix("CAP_").unwrap_or(&name);
                Self::from_name(name)
            }
        }
    };
}

capabilities! {
    0 CHOWN "CAP_CHOWN",
    1 DAC_OVERRIDE "CAP_DAC_OVERRIDE",
    2 DAC_READ_SEARCH "CAP_DAC_READ_SEARCH",
    3 FOWNER "CAP_FOWNER",
    4 FSETID "CAP_FSETID",
    5 KILL "CAP_KILL",
    6 SETGID "CAP_SETGID",
    7 SETUID "CAP_SETUID",
    8 SETPCAP "CAP_SETPCAP",
    9 LINUX_IMMUTABLE "CAP_LINUX_IMMUTABLE",
    10 NET_BIND_SERVICE "CAP_NET_BIND_SERVICE",
    11 NET_BROADCAST "CAP_NET_BROADCAST",
    12 NET_ADMIN "CAP_NET_ADMIN",
    13 NET_RAW "CAP_NET_RAW",
    14 IPC_LOCK "CAP_IPC_LOCK",
    15 IPC_OWNER "CAP_IPC_OWNER",
    16 SYS_MODULE "CAP_SYS_MODULE",
    17 SYS_RAWIO "CAP_SYS_RAWIO",
    18 SYS_CHROOT "CAP_SYS_CHROOT",
    19 SYS_PTRACE "CAP_SYS_PTRACE",
    20 SYS_PACCT "CAP_SYS_PACCT",
    21 SYS_ADMIN "CAP_SYS_ADMIN",
    22 SYS_BOOT "CAP_SYS_BOOT",
    23 SYS_NICE "CAP_SYS_NICE",
    24 SYS_RESOURCE "CAP_SYS_RESOURCE",
    25 SYS_TIME "CAP_SYS_TIME",
    26 SYS_TTY_CONFIG "CAP_SYS_TTY_CONFIG",
    27 MKNOD "CAP_MKNOD",
    28 LEASE "CAP_LEASE",
    29 AUDIT_WRITE "CAP_AUDIT_WRITE",
    30 AUDIT_CONTROL "CAP_AUDIT_CONTROL",
    31 SETFCAP "CAP_SETFCAP",
    32 MAC_OVERRIDE "CAP_MAC_OVERRIDE",
    33 MAC_ADMIN "CAP_MAC_ADMIN",
    34 SYSLOG "CAP_SYSLOG",
    35 WAKE_ALARM "CAP_WAKE_ALARM",
    36 BLOCK_SUSPEND "CAP_BLOCK_SUSPEND",
    37 AUDIT_READ "CAP_AUDIT_READ",
    38 PERFMON "CAP_PERFMON",
    39 BPF "CAP_BPF",
    40 CHECKPOINT_RESTORE "CAP_CHECKPOINT_RESTORE",
}

/// The workload's five capability sets, all empty by default. Within a user namespace of its own they
/// hold only for what belongs to that namespace.
///
/// Through `execve` a program that is not root inside keeps only its ambient set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilitySets {
    /// What the kernel checks.
    pub effective: Capabilities,
    /// What can be made effective.
    pub permitted: Capabilities,
    /// What survives `execve` of files with matching capabilities.
    pub inheritable: Capabilities,
    /// What can ever be had again.
    pub bounding: Capabilities,
    /// What survives `execve` of ordinary files.
    pub ambient: Capabilities,
}

impl CapabilitySets {
    /// The same capabilities in all five sets.
    pub fn all_five(capabilities: Capabilities) -> Self {
        CapabilitySets {
            effective: capabilities,
            permitted: capabilities,
            inheritable: capabilities,
            bounding: capabilities,
            ambient: capabilities,
        }
    }
}

bitflags! {
    /// What being root, id 0, is worth: see capabilities(7), "The securebits flags". Each has a second bit that
    /// locks it.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Securebits: u32 {
        /// Root gains no capabilities by `execve`.
        const NOROOT = 1;
        /// Locks [`NOROOT`](Self::NOROOT).
        const NOROOT_LOCKED = 1 << 1;
        /// A change of ids between root and others leaves the capability sets as they are.
        const NO_SETUID_FIXUP = 1 << 2;
        /// Locks [`NO_SETUID_FIXUP`](Self::NO_SETUID_FIXUP).
        const NO_SETUID_FIXUP_LOCKED = 1 << 3;
        /// No capability can be added to the ambient set.
        const NO_CAP_AMBIENT_RAISE = 1 << 6;
        /// Locks [`NO_CAP_AMBIENT_RAISE`](Self::NO_CAP_AMBIENT_RAISE).
        const NO_CAP_AMBIENT_RAISE_LOCKED = 1 << 7;
    }
}

impl Securebits {
    /// For a workload that has no capabilities: being root inside is worth nothing, for good.
    pub const ROOT_IS_NOBODY: Securebits = Securebits::NOROOT
        .union(Securebits::NOROOT_LOCKED)
        .union(Securebits::NO_CAP_AMBIENT_RAISE)
        .union(Securebits::NO_CAP_AMBIENT_RAISE_LOCKED);
}

macro_rules! resources {
    ($($variant:ident $constant:ident $name:literal $unit:literal,)*) => {
        /// A resource of setrlimit(2), for [`Container::rlimit`](crate::Container::rlimit).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Resource {
            $(
                #[doc = concat!("`", stringify!($constant), "`, in ", $unit, ".")]
                $variant,
            )*
        }

        /// All of them.
        pub(crate) const ALL_RESOURCES: &[Resource] = &[$(Resource::$variant,)*];

        impl Resource {
            pub(crate) fn number(self) -> u32 {
                match self { $(Resource::$variant => libc::$constant as u32,)* }
            }

            /// The name as in `/etc/security/limits.conf`.
            pub fn name(self) -> &'static str {
                match self { $(Resource::$variant => $name,)* }
            }
        }
    };
}

resources! {
    AddressSpace RLIMIT_AS "as" "bytes",
    Core RLIMIT_CORE "core" "bytes",
    Cpu RLIMIT_CPU "cpu" "seconds, per process",
    Data RLIMIT_DATA "data" "bytes",
    FileSize RLIMIT_FSIZE "fsize" "bytes",
    Locks RLIMIT_LOCKS "locks" "locks (without effect)",
    LockedMemory RLIMIT_MEMLOCK "memlock" "bytes",
    MessageQueues RLIMIT_MSGQUEUE "msgqueue" "bytes",
    Nice RLIMIT_NICE "nice" "20 less the nice value",
    OpenFiles RLIMIT_NOFILE "nofile" "one more than the highest number",
    Processes RLIMIT_NPROC "nproc" "processes and threads of the user",
    ResidentSet RLIMIT_RSS "rss" "bytes (without effect)",
    RealTimePriority RLIMIT_RTPRIO "rtprio" "priority",
    RealTimeTime RLIMIT_RTTIME "rttime" "microseconds",
    PendingSignals RLIMIT_SIGPENDING "sigpending" "signals",
    Stack RLIMIT_STACK "stack" "bytes",
}

/// Who the workload is.
#[derive(Clone, Debug)]
pub(crate) struct IdentityConfig {
    pub user: Option<(u32, u32)>,
    pub groups: Vec<u32>,
    pub mapping: IdMapping,
    pub umask: u32,
    pub no_new_privs: bool,
    pub capabilities: CapabilitySets,
    pub securebits: Option<Securebits>,
    pub rlimits: Vec<(Resource, u64, u64)>,
    pub nice: Option<i32>,
    pub affinity: Option<Vec<usize>>,
    pub oom_score_adj: Option<i32>,
    pub aslr: bool,
}

impl IdentityConfig {
    /// The securebits to be set, if any.
    pub fn securebits(&self) -> Securebits {
        let without = self.capabilities == CapabilitySets::default();
        self.securebits.unwrap_or(if without { Securebits::ROOT_IS_NOBODY } else { Securebits::empty() })
    }
}

impl Default for IdentityConfig {
    fn default() -> Self {
        IdentityConfig {
            user: None,
            groups: Vec::new(),
            mapping: IdMapping::Single,
            umask: 0o022,
            no_new_privs: true,
            capabilities: CapabilitySets::default(),
            securebits: None,
            rlimits: Vec::new(),
            nice: None,
            affinity: None,
            oom_score_adj: None,
            aslr: true,
        }
    }
}
