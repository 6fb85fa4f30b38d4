//! The policies that come with the library.

use super::action::SeccompAction::{Allow, Errno};
use super::group::SyscallGroup;
use super::rule::{Comparison, SyscallRule};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    Default,
    WithoutSockets,
    ComputeOnly,
}

/// `CLONE_NEW*` as clone(2) takes them: `CLONE_NEWTIME` lies on the bits of the exit signal there, and is none.
const NEW_NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// `PER_LINUX` and `PER_LINUX32`, each also with an old version number, and the question what it is.
const HARMLESS_PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

impl Preset {
    /// The rules, of which the last is tried first. What none of them allows is denied.
    pub fn rules(self) -> Vec<SyscallRule> {
        let mut rules = default();
        match self {
            Preset::Default => {}
            Preset::WithoutSockets => rules.extend(without_sockets()),
            Preset::ComputeOnly => rules.extend(compute_only()),
        }
        rules
    }
}

/// The rules by which a policy allows a group.
pub(super) fn allow_group(group: SyscallGroup) -> Vec<SyscallRule> {
    if group.is_allowed_by_default() {
        return default().into_iter().filter_map(|rule| rule.only(group.syscalls())).collect();
    }
    let mut rules = vec![SyscallRule::known(group.syscalls(), Allow)];
    if group == SyscallGroup::Namespaces {
        rules.push(allow("clone"));
    }
    rules
}

/// The rules by which a policy denies a group.
pub(super) fn deny_group(group: SyscallGroup) -> Vec<SyscallRule> {
    let mut rules = vec![deny(group.syscalls())];
    if group == SyscallGroup::Namespaces {
        rules.push(SyscallRule::known(&["clone3"], Errno(libc::ENOSYS)));
        rules.extend(
            (0..64).map(|bit| 1 << bit).filter(|flag| NEW_NAMESPACES & flag != 0).map(|flag| {
                deny(&["clone"]).argument(0, Comparison::MaskedEqual { mask: flag, value: flag })
            }),
        );
    }
    rules
}

fn deny(calls: &[&'static str]) -> SyscallRule {
    SyscallRule::known(calls, Errno(libc::EPERM))
}

fn allow(call: &'static str) -> SyscallRule {
    SyscallRule::known(&[call], Allow)
}

fn default() -> Vec<SyscallRule> {
    let mut rules = Vec::new();
    for group in SyscallGroup::all() {
        let action = if group.is_allowed_by_default() { Allow } else { Errno(libc::EPERM) };
        rules.push(SyscallRule::known(group.syscalls(), action));
    }
    rules.extend(processes());
    rules.extend(terminals());
    rules.extend(leases());
    rules.extend(sockets());
    rules.extend(limits_of_others());
    rules.push(deny(&["personality"]));
    rules.extend(
        HARMLESS_PERSONALITIES.map(|persona| allow("personality").argument(0, Comparison::Equal(persona))),
    );
    rules
}

/// The flags of clone3(2) are in memory, where no filter sees them. C libraries use clone(2) instead.
fn processes() -> Vec<SyscallRule> {
    let without_namespaces = Comparison::MaskedEqual { mask: NEW_NAMESPACES, value: 0 };
    vec![
        SyscallRule::known(&["clone3"], Errno(libc::ENOSYS)),
        deny(&["clone"]),
        allow("clone").argument(0, without_namespaces),
    ]
}

/// Init has the workload's id where no other is mapped, and nothing else is asked of whoever changes its resource
/// limits: with too little CPU time it would end, and no report be given.
fn limits_of_others() -> [SyscallRule; 3] {
    let oneself = Comparison::Equal(0);
    let no_new_limit = Comparison::Equal(0);
    [
        deny(&["prlimit64"]),
        allow("prlimit64").argument(0, oneself),
        allow("prlimit64").argument(2, no_new_limit),
    ]
}

/// A terminal can be shared with whoever started the host program: what is typed into it (`TIOCSTI`), or pasted
/// on a console (`TIOCLINUX`), that user's shell reads. A line discipline (`TIOCSETD`) is kernel code, of drivers
/// that few have use for.
fn terminals() -> impl Iterator<Item = SyscallRule> {
    let commands = [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD];
    commands.into_iter().map(|command| {
        let command = Comparison::Equal(u64::from(command as u32));
        deny(&["ioctl"]).argument(1, command)
    })
}

/// Whoever opens a file that somebody holds a lease of waits until that is given up, for 45 seconds at most: the
/// host, too. Notes of changes in a directory (`F_NOTIFY`) go beyond a container as well.
fn leases() -> impl Iterator<Item = SyscallRule> {
    const F_SETDELEG: i32 = 1040;
    let commands = [libc::F_SETLEASE, libc::F_NOTIFY, F_SETDELEG];
    commands.into_iter().map(|command| deny(&["fcntl"]).argument(1, Comparison::Equal(command as u64)))
}

/// Families that belong to the network namespace; of netlink the routes, by which programs list interfaces; of the
/// inet families the protocols that every kernel has, as it loads modules for the others.
fn sockets() -> Vec<SyscallRule> {
    let is = |family: i32| Comparison::Equal(family as u64);
    let fails = |errno| SyscallRule::known(&["socket"], Errno(errno));
    let protocols = [
        is(libc::IPPROTO_ICMPV6),
        is(libc::IPPROTO_RAW),
        is(libc::IPPROTO_MPTCP),
        Comparison::LessOrEqual(libc::IPPROTO_UDP as u64),
    ];
    // 2 and 10: one comparison serves both.
    let inet = Comparison::MaskedEqual { mask: !8, value: libc::AF_INET as u64 };
    let mut rules = vec![
        fails(libc::EAFNOSUPPORT),
        fails(libc::EPROTONOSUPPORT).argument(0, is(libc::AF_NETLINK)),
        allow("socket").argument(0, is(libc::AF_NETLINK)).argument(2, is(libc::NETLINK_ROUTE)),
        fails(libc::EPROTONOSUPPORT).argument(0, inet),
    ];
    rules.extend(protocols.map(|protocol| allow("socket").argument(0, inet).argument(2, protocol)));
    // For the inet family the kernel makes of it a socket of the family packet.
    const SOCK_PACKET: u64 = 10;
    let packet = Comparison::MaskedEqual { mask: 0xf, value: SOCK_PACKET };
    rules.push(fails(libc::EAFNOSUPPORT).argument(0, inet).argument(1, packet));
    rules.extend([
        allow("socket").argument(0, is(libc::AF_UNIX)),
        SyscallRule::known(&["socketpair"], Errno(libc::EAFNOSUPPORT)),
        allow("socketpair").argument(0, is(libc::AF_UNIX)),
    ]);
    rules
}

/// What a pair of sockets needs stays.
fn without_sockets() -> Vec<SyscallRule> {
    let mut rules = vec![deny(&["socket", "bind", "listen", "accept", "accept4", "connect"])];
    rules.extend(only_pairs());
    rules
}

/// Runtimes use a pair of sockets as a pipe: to wake themselves up, or, as Java does, to have a descriptor in hand
/// that reads as ended. From one for datagrams (for unix, raw is the same) a message could be sent to any other
/// socket.
fn only_pairs() -> [SyscallRule; 3] {
    let pair = |kind: i32| {
        allow("socketpair")
            .argument(0, Comparison::Equal(libc::AF_UNIX as u64))
            .argument(1, Comparison::MaskedEqual { mask: 0xf, value: kind as u64 })
    };
    [deny(&["socketpair"]), pair(libc::SOCK_STREAM), pair(libc::SOCK_SEQPACKET)]
}

fn compute_only() -> Vec<SyscallRule> {
    let groups = [SyscallGroup::Sockets, SyscallGroup::Ipc, SyscallGroup::Aio, SyscallGroup::Sandboxing];
    let mut rules: Vec<_> = groups.into_iter().map(|group| deny(group.syscalls())).collect();
    rules.extend(only_pairs());
    rules.extend([
        deny(&["fork", "vfork", "clone", "execve", "execveat"]),
        // A thread, which shares everything with its process.
        allow("clone").argument(
            0,
            Comparison::MaskedEqual {
                mask: NEW_NAMESPACES | libc::CLONE_THREAD as u64,
                value: libc::CLONE_THREAD as u64,
            },
        ),
        // A filter of its own that denies a call would come before one that ends the container for it.
        deny(&["prctl"]).argument(0, Comparison::Equal(libc::PR_SET_SECCOMP as u64)),
        deny(&["ptrace", "pidfd_open", "pidfd_send_signal", "setpgid", "setsid"]),
        deny(&["inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch"]),
        deny(&["sched_setparam", "sched_setscheduler", "sched_setattr", "sched_setaffinity"]),
        deny(&["setpriority", "ioprio_set", "setrlimit", "personality"]),
        deny(&["setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid"]),
        deny(&["setgroups", "setfsuid", "setfsgid", "capset"]),
        deny(&["mknod", "mknodat", "prlimit64"]),
        // Without new limits it asks for the present ones.
        allow("prlimit64").argument(2, Comparison::Equal(0)),
    ]);
    rules
}
