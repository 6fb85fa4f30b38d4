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

/// Families that belong to the network namespace; of netlink the routes, by which programs list interfaces.
fn sockets() -> Vec<SyscallRule> {
    let family = |family: i32| allow("socket").argument(0, Comparison::Equal(family as u64));
    let netlink = Comparison::Equal(libc::AF_NETLINK as u64);
    let route = Comparison::Equal(libc::NETLINK_ROUTE as u64);
    vec![
        SyscallRule::known(&["socket"], Errno(libc::EAFNOSUPPORT)),
        SyscallRule::known(&["socket"], Errno(libc::EPROTONOSUPPORT)).argument(0, netlink),
        allow("socket").argument(0, netlink).argument(2, route),
        family(libc::AF_INET6),
        family(libc::AF_INET),
        family(libc::AF_UNIX),
        SyscallRule::known(&["socketpair"], Errno(libc::EAFNOSUPPORT)),
        allow("socketpair").argument(0, Comparison::Equal(libc::AF_UNIX as u64)),
    ]
}

/// What a pair of sockets needs stays: runtimes use one to wake themselves up.
fn without_sockets() -> Vec<SyscallRule> {
    vec![deny(&["socket", "bind", "listen", "accept", "accept4", "connect"])]
}

fn compute_only() -> Vec<SyscallRule> {
    let groups = [SyscallGroup::Sockets, SyscallGroup::Ipc, SyscallGroup::Aio, SyscallGroup::Sandboxing];
    let mut rules: Vec<_> = groups.into_iter().map(|group| deny(group.syscalls())).collect();
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
