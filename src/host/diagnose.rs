//! From a failed step and an error number to an error that says what helps.

use std::fs;
use std::io;

use crate::config::{Namespaces, Proc};
use crate::error::{Error, ErrorKind};
use crate::plan::{Plan, Step};
use crate::wire::item;

/// The clone of init was refused.
pub(super) fn clone_failed(plan: &Plan, error: &io::Error) -> Error {
    let names: Vec<_> = Namespaces::from_bits_retain(plan.clone_flags).names().collect();
    let subject = format!("cannot create init in new namespaces ({})", names.join(" "));
    let failed = Error::io("clone", subject, error);
    match error.raw_os_error() {
        Some(libc::EPERM) => {
            failed.with_kind(ErrorKind::NamespacesForbidden).with_remedy(why_forbidden(plan.clone_flags))
        }
        Some(libc::ENOSPC | libc::EUSERS) => failed.with_remedy(which_limit(plan.clone_flags)),
        Some(libc::EAGAIN) => failed.with_remedy(PROCESSES),
        Some(libc::ENOMEM) => failed.with_remedy(MEMORY),
        Some(libc::EINVAL) => {
            failed.with_kind(ErrorKind::Unsupported).with_remedy(missing_kinds(plan.clone_flags))
        }
        Some(libc::EMFILE) => failed.with_remedy(OPEN_FILES),
        Some(libc::ENOSYS) => {
            failed.with_remedy("a seccomp filter on this program forbids the call; allow clone(2)")
        }
        _ => failed,
    }
}

fn sysctl(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned())
}

/// The known reasons for which the kernel refuses new user namespaces.
fn why_forbidden(kinds: u32) -> String {
    if kinds & Namespaces::USER.bits() == 0 && !super::facts::privileged() {
        return "without a new user namespace this needs root: do not share the user namespace".into();
    }
    if sysctl("kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return "user namespaces are for root only here: set the sysctl \
                kernel.unprivileged_userns_clone to 1, or run as root"
            .into();
    }
    if filtered() {
        return "a seccomp filter on this program forbids it, as in a container: allow clone(2) and \
                unshare(2) of namespaces (Docker: `--security-opt seccomp=…`)"
            .into();
    }
    if sysctl("kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        return apparmor();
    }
    "the caller lacks CAP_SYS_ADMIN, is in a chroot, or a security module forbids user namespaces: run as \
     root, or outside the chroot, or allow it there"
        .into()
}

fn apparmor() -> String {
    "AppArmor restricts user namespaces of programs without a profile: set the sysctl \
     kernel.apparmor_restrict_unprivileged_userns to 0, or give the program a profile with `userns,`, or run \
     as root"
        .into()
}

/// Whether this thread runs under a seccomp filter.
fn filtered() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"]))
}

/// ENOSPC and EUSERS: some limit on the number of namespaces is reached. The kernel does not say which; where one
/// of them is lower than the others, it is that one.
fn which_limit(kinds: u32) -> String {
    let kinds = Namespaces::from_bits_retain(kinds);
    let mut limits: Vec<(u64, &str)> =
        kinds.names().filter_map(|name| Some((most_namespaces(name)?, name))).collect();
    limits.sort_unstable();
    match limits[..] {
        [(0, name), ..] => format!("the sysctl user.max_{name}_namespaces is 0: raise it"),
        [(least, name), ref others @ ..] if others.iter().all(|(most, _)| *most > least) => format!(
            "as many namespaces exist as the sysctl user.max_{name}_namespaces allows, {least}: end other containers, \
             or raise it"
        ),
        _ => "a limit of namespaces is reached: end other containers, raise the sysctls user.max_*_namespaces, or \
              nest less deeply (32 levels)"
            .into(),
    }
}

/// How many namespaces of a kind a user may have in this user namespace.
fn most_namespaces(name: &str) -> Option<u64> {
    sysctl(&format!("user/max_{name}_namespaces"))?.parse().ok()
}

/// EINVAL: a kind of namespace is not built into the kernel.
fn missing_kinds(kinds: u32) -> String {
    let missing: Vec<_> = Namespaces::from_bits_retain(kinds)
        .names()
        .filter(|name| !std::path::Path::new("/proc/self/ns").join(name).exists())
        .collect();
    format!("this kernel has no {} namespaces: `share` them", missing.join(" or "))
}

/// Why id maps cannot be written.
pub(super) fn explain_id_maps(error: Error) -> Error {
    match error.raw_os_error() {
        Some(libc::EPERM)
            if sysctl("kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") =>
        {
            error.with_kind(ErrorKind::NamespacesForbidden).with_remedy(apparmor())
        }
        Some(libc::EPERM) => {
            error.with_remedy("the ids must exist in the caller's own user namespace, and be its own")
        }
        Some(libc::EINVAL) => error.with_remedy("the ranges must not overlap, and at most 340 are allowed"),
        Some(libc::ENOENT) => error.with_remedy("a /proc of the caller's PID namespace must be mounted"),
        _ => error,
    }
}

/// The kernel drops descriptors of a message that the receiver has no room for.
pub(super) fn no_room_for_the_workloads_pidfd() -> Error {
    let error = Error::errno("host", "cannot receive the workload's pidfd", libc::EMFILE);
    error.with_remedy(OPEN_FILES)
}

/// What EMFILE means, wherever it comes from.
pub(super) const OPEN_FILES: &str = "the limit of open files (RLIMIT_NOFILE) is reached";

/// What EAGAIN means where a process was to be made.
const PROCESSES: &str = "the limit of processes is reached (RLIMIT_NPROC, pids.max of the own cgroup, or the sysctl kernel.pid_max)";

/// What ENOMEM means.
pub(super) const MEMORY: &str =
    "no memory is left, or RLIMIT_AS or the memory limit of the own cgroup allows no more";

/// The launcher ended without a word.
pub(super) fn vanished() -> Error {
    let error = Error::new(ErrorKind::Failed, "launcher", "ended without an answer");
    error.with_remedy(
        "it was killed: from outside, by a seccomp filter on this program, or for want of memory",
    )
}

/// A step failed in the launcher.
pub(super) fn setup_failed(plan: &Plan, index: u32, errno: i32, part: u32) -> Error {
    let Some(step) = plan.steps.get(index as usize) else {
        let what = if part == item::PLAN { "cannot read the plan" } else { "cannot shed what it inherited" };
        let error = Error::errno("launcher", what, errno);
        return if errno == libc::ENOMEM { error.with_remedy(MEMORY) } else { error };
    };
    if part == item::VANISHED {
        let subject = format!("the process ended during this step ({})", step.describe());
        let error = Error::new(ErrorKind::ResourceExhausted, step.name(), subject);
        return error.with_remedy("it was killed: from outside, or because the memory limit is too low");
    }
    let error = Error::errno(step.name(), subject(step, part), errno);
    let error = kind(error, step, errno);
    match landlock_remedy(plan, step, errno).or_else(|| remedy(step, errno, part)) {
        Some(remedy) => error.with_remedy(remedy),
        None => error,
    }
}

/// A command beside a workload could not be started.
pub(super) fn command_failed(plan: &Plan, index: u32, errno: i32, part: u32) -> Error {
    if index != u32::MAX {
        return setup_failed(plan, index, errno, part);
    }
    let error = Error::errno("exec", "cannot create the process of the command", errno);
    match errno {
        libc::EAGAIN => error.with_kind(ErrorKind::ResourceExhausted).with_remedy(
            "64 commands can run beside a workload, and no more processes than RLIMIT_NPROC, pids.max or pid_max \
             allow: wait for one to end",
        ),
        _ => error,
    }
}

/// The rules of Landlock count for the program itself.
fn landlock_remedy(plan: &Plan, step: &Step, errno: i32) -> Option<String> {
    let rules = plan.steps.iter().any(|step| matches!(step, Step::LandlockRule { .. }));
    let denied = rules && errno == libc::EACCES && matches!(step, Step::Execute { .. });
    denied.then(|| {
        "the Landlock policy must let the program be read and executed, and its loader or interpreter too \
         (`read_execute`); the file, and every directory on its way, must allow it to the workload's user"
            .into()
    })
}

/// The step's own description, led by the part that failed.
fn subject(step: &Step, part: u32) -> String {
    let part = match part {
        item::SOURCE => "the source of ",
        item::SOURCE_CHANGED => "not the file that the host saw: the source of ",
        item::TARGET => "the place of ",
        item::ATTRIBUTES => "the attributes of ",
        item::ATTACH => "attaching ",
        item::GROUPS => "the groups of ",
        item::FORK if step.describe().is_empty() => "creating a process",
        item::FORK => "creating a process for ",
        item::LISTENER => "the listener of ",
        _ => "",
    };
    format!("{part}{}", step.describe())
}

fn kind(error: Error, step: &Step, errno: i32) -> Error {
    match (step, errno) {
        // The ids, the ranges and the cgroup are not files that are missing.
        (Step::Unshare { .. } | Step::JoinNamespace { .. }, libc::EPERM) => {
            error.with_kind(ErrorKind::NamespacesForbidden)
        }
        (Step::Unshare { .. }, libc::EINVAL) => error.with_kind(ErrorKind::Unsupported),
        (Step::LandlockRestrict { .. }, libc::E2BIG) => error.with_kind(ErrorKind::ResourceExhausted),
        (Step::Execute { .. }, libc::ENOEXEC) => error.with_kind(ErrorKind::PermissionDenied),
        _ => error,
    }
}

fn remedy(step: &Step, errno: i32, part: u32) -> Option<String> {
    let fixed = |text: &str| Some(text.to_owned());
    match (step, errno, part) {
        (Step::Execute { .. }, libc::ENOENT, _) => {
            fixed("the path is as seen inside; a script's or program's interpreter must be inside too")
        }
        (Step::Execute { .. }, libc::EACCES, _) => {
            fixed("the file, and every directory on its way, must allow it to the workload's user")
        }
        (Step::Execute { .. }, libc::ENOEXEC, _) => fixed("not a program: a script needs a line `#!` first"),
        (Step::Unshare { kinds }, libc::EINVAL, _) => Some(missing_kinds(*kinds)),
        (Step::Unshare { kinds }, libc::ENOSPC | libc::EUSERS, _) => Some(which_limit(*kinds)),
        (Step::Unshare { kinds }, libc::EPERM, _) => Some(why_forbidden(*kinds)),
        (Step::JoinNamespace { .. }, libc::EPERM, _) => {
            fixed("join the user namespace that owns the others along with them, or run as root")
        }
        (Step::JoinNamespace { .. }, libc::EINVAL, _) => {
            fixed("a namespace file is of one kind; the user namespace must not be the caller's own")
        }
        (Step::JoinNamespace { .. }, libc::ESRCH, _) => fixed("the process, or the container, has ended"),
        (Step::PrivateMounts {}, libc::EPERM | libc::EACCES, _) => fixed(
            "the user namespace gives no capabilities: with AppArmor set the sysctl \
             kernel.apparmor_restrict_unprivileged_userns to 0, or run as root",
        ),
        (Step::Proc { .. }, libc::EPERM, _) => Some(format!(
            "the caller's own /proc is partly hidden, as in a container, so the kernel forbids a new one: \
             make it visible there, or use `Proc::{:?}` or `Proc::{:?}`",
            Proc::NewOrOuter,
            Proc::None
        )),
        (_, libc::ENOSYS, item::ATTRIBUTES) => fixed("needs mount_setattr(2): Linux 5.12"),
        (Step::Overlay { .. }, libc::EPERM | libc::ENODEV, item::WHOLE) => fixed(
            "overlays in a user namespace need Linux 5.11 and the module `overlay`; a root file system that \
             has all its mount points (/proc, /dev, /tmp and those asked for) needs none",
        ),
        (Step::Overlay { .. }, libc::EACCES, _) => {
            fixed("the upper and work directories must be writable by the workload's user id on the host")
        }
        (Step::Symlink { .. }, libc::EROFS | libc::EACCES | libc::EPERM, _) => {
            fixed("a link can be made only in a root file system that the workload's user may write")
        }
        (Step::Symlink { .. }, libc::EEXIST, _) => fixed("something is there already"),
        (_, libc::EROFS | libc::EACCES | libc::EPERM, item::TARGET) => fixed(
            "the place does not exist and cannot be made there: create it in the root file system; in one \
             that is writable the workload's user id on the host must be allowed to (`IdMapping::Host` \
             chooses it)",
        ),
        (_, libc::ELOOP, item::TARGET) => fixed("a symbolic link in the root file system leads to its top"),
        (_, libc::EACCES, item::SOURCE) => {
            fixed("every directory on its way must be open to the workload's user id on the host")
        }
        (Step::Mqueue { .. } | Step::Devpts { .. }, libc::ENODEV, _) => {
            fixed("this kernel has no such file system: leave /dev out with `dev(false)`")
        }
        (Step::Nice { .. }, _, _) => {
            fixed("in a user namespace the kernel allows no value below the host program's own: lower that")
        }
        (Step::OomScoreAdj { .. }, libc::EACCES, _) => {
            fixed("in a user namespace the kernel allows no score below the host program's own: lower that")
        }
        (Step::Affinity { .. }, libc::EINVAL, _) => fixed("none of these CPUs is there for this program"),
        (Step::ResourceLimit { .. }, libc::EPERM, _) => fixed(
            "in a user namespace the kernel allows no hard limit over the host program's own: raise that",
        ),
        (Step::Identity { .. } | Step::Groups { .. }, libc::EPERM | libc::EINVAL, _) => {
            fixed("the ids must be mapped in the user namespace, or the caller be root")
        }
        (Step::WorkingDirectory { .. }, libc::ENOENT, _) => fixed("create it, for example with `directory`"),
        (Step::TimeOffsets { .. }, libc::ERANGE, _) => fixed("the clock would be negative, or too far ahead"),
        (Step::Cgroup { .. }, libc::ENOSPC, _) => fixed("the cpuset of the group is empty"),
        (Step::LandlockRule { .. }, libc::ENOENT, _) => {
            fixed("the path is as seen inside: make it, bind it, or leave the rule out")
        }
        (Step::LandlockRule { .. }, libc::ENOTDIR, _) => {
            fixed("it is no directory, and rights of directories are all that the rule gives")
        }
        (Step::LandlockRule { .. }, libc::EACCES, _) => {
            fixed("every directory on its way must be open to the workload's user")
        }
        (Step::LandlockRule { .. }, libc::EMFILE, _) => fixed(
            "the path is opened under the workload's own limit of open files (`Resource::OpenFiles`): 32, and one \
             for each descriptor handed in, are enough",
        ),
        (Step::LandlockRestrict { .. }, libc::E2BIG, _) => {
            fixed("this program is itself below 16 policies of Landlock, the most that there can be")
        }
        (Step::Execute { .. }, libc::E2BIG, _) => fixed(
            "one argument or variable is over 128 KiB, or all together are over a quarter of the stack limit",
        ),
        (Step::File { .. }, libc::ENOSPC, _) => fixed("the file system that it lies on is too small"),
        (Step::Seccomp { .. }, libc::EBUSY, _) => fixed(
            "the host program runs under a filter with a listener, and there can be only one: do without \
             `SeccompAction::Kill`, `SeccompAction::Notify` and `report_only`",
        ),
        (Step::Seccomp { .. }, libc::EMFILE, _) => fixed(
            "the listener needs a descriptor: raise the limit of open files, the container's own or the host \
             program's",
        ),
        (Step::Seccomp { .. }, libc::ETOOMANYREFS, _) => fixed(
            "the user has more descriptors under way than the limit of open files allows: raise that, in the \
             container or of the host program",
        ),
        (Step::Seccomp { .. }, libc::ENOSYS | libc::EINVAL, item::WHOLE) => {
            fixed("this kernel is built without seccomp filters: do without by `Seccomp::unconfined`")
        }
        (Step::Seccomp { .. }, libc::EPERM | libc::EACCES, item::WHOLE) => fixed(
            "a filter on the host program forbids seccomp(2), as in a container: allow it there, or do without \
             by `Seccomp::unconfined`",
        ),
        (Step::SessionKeyring {}, libc::EDQUOT, _) => fixed(
            "the user has as many keys as it may (the sysctl kernel.keys.maxkeys): raise that, end other \
             containers, or deny `SyscallGroup::Keyrings`, so that none is needed",
        ),
        (_, libc::ENOSPC, item::ATTACH) => fixed(
            "a mount namespace has as many mounts as the sysctl fs.mount-max allows: the host program's, and those of the \
             container",
        ),
        // A file system that is not attached yet is in a mount namespace of its own.
        (step, libc::ENOSPC, item::WHOLE | item::SOURCE) if makes_a_mount(step) => {
            Some(which_limit(Namespaces::MOUNT.bits()))
        }
        (_, libc::EAGAIN, item::FORK) => fixed(PROCESSES),
        (_, libc::ENOMEM, _) => fixed(MEMORY),
        (_, libc::EMFILE, _) => fixed(OPEN_FILES),
        _ => None,
    }
}

fn makes_a_mount(step: &Step) -> bool {
    matches!(
        step,
        Step::Tmpfs { .. }
            | Step::Stage { .. }
            | Step::Pool { .. }
            | Step::PooledDirectory { .. }
            | Step::Overlay { .. }
            | Step::OverlayLayer { .. }
            | Step::Bind { .. }
            | Step::Proc { .. }
            | Step::Devpts { .. }
            | Step::Mqueue { .. }
            | Step::Mask { .. }
            | Step::ReadOnly { .. }
    )
}
