//! Namespaces, mounts and the further interfaces of the kernel that have been ways into it.
//!
//! The rule: the filter knows no call for them. Acts are made with arguments of which the kernel would complain,
//! not by EPERM, so that they do no harm where there is no filter, and show that they have got there.

use cofferdam::{Capabilities, Container};
use libc::{E2BIG, EBADF, EFAULT, EINVAL, ENOENT, ENOSYS, EPERM, ESRCH};

use crate::check::{Answer, Check, Control};
use crate::sys::{at, at_mut, c, call, go_on_in_child};

/// Outside, as root of namespaces of its own.
pub const ADMIN: Control = Control::OwnNamespaces;

pub fn root_of_its_own(container: Container) -> Container {
    container.user(0, 0).capabilities(Capabilities::all())
}

/// A call that the filter denies; without one the kernel gets so far as to complain by one of these errnos.
macro_rules! call {
    ($name:literal, $call:ident, $arguments:expr, $complaints:expr) => {
        Check::new($name, |_| Answer::reached(call(libc::$call, &$arguments), &$complaints))
            .by_filter()
            .lacking(&[(ENOSYS, concat!("this call (", stringify!($call), ")"))])
    };
    ($name:literal, $call:ident, $arguments:expr) => {
        call!($name, $call, $arguments, [EFAULT, EINVAL, EBADF, E2BIG])
    };
}

/// A new namespace, by unshare(2) and by clone(2).
macro_rules! namespace {
    ($unshared:literal, $cloned:literal, $flag:expr) => {
        [
            Check::new($unshared, |_| unshare($flag)).by_filter().lacking(LACKING_NAMESPACE),
            Check::new($cloned, |_| clone($flag)).by_filter().forks().lacking(LACKING_NAMESPACE),
        ]
    };
}

const LACKING_NAMESPACE: &[(i32, &str)] =
    &[(EINVAL, "this kind of namespace"), (EPERM, "user namespaces for this user")];

/// No address that anything is mapped at.
const NOWHERE: usize = 8;
const NOTHING: usize = usize::MAX;
const MACHINE: &str = "the kernel itself answers EPERM to others";

const NAMESPACES: [[Check; 2]; 8] = [
    namespace!("user_namespace_unshared", "user_namespace_cloned", libc::CLONE_NEWUSER),
    namespace!("mounts_unshared", "mounts_cloned", libc::CLONE_NEWUSER | libc::CLONE_NEWNS),
    namespace!("processes_unshared", "processes_cloned", libc::CLONE_NEWUSER | libc::CLONE_NEWPID),
    namespace!("network_unshared", "network_cloned", libc::CLONE_NEWUSER | libc::CLONE_NEWNET),
    namespace!("ipc_unshared", "ipc_cloned", libc::CLONE_NEWUSER | libc::CLONE_NEWIPC),
    namespace!("names_unshared", "names_cloned", libc::CLONE_NEWUSER | libc::CLONE_NEWUTS),
    namespace!("groups_unshared", "groups_cloned", libc::CLONE_NEWUSER | libc::CLONE_NEWCGROUP),
    namespace!("clocks_unshared", "everything_cloned", libc::CLONE_NEWUSER | TIME_OR_ALL),
];

/// As CLONE_NEWTIME lies on bits of the exit signal, of clone(2) it is nothing new.
const TIME_OR_ALL: i32 = 0x80;

pub const CHECKS: &[Check] = &[
    NAMESPACES[0][0],
    NAMESPACES[0][1],
    NAMESPACES[1][0],
    NAMESPACES[1][1],
    NAMESPACES[2][0],
    NAMESPACES[2][1],
    NAMESPACES[3][0],
    NAMESPACES[3][1],
    NAMESPACES[4][0],
    NAMESPACES[4][1],
    NAMESPACES[5][0],
    NAMESPACES[5][1],
    NAMESPACES[6][0],
    NAMESPACES[6][1],
    NAMESPACES[7][0],
    Check::new("user_namespace_cloned_with_high_bits", |_| {
        clone_raw(libc::CLONE_NEWUSER as usize | 0xdead_beef << 32)
    })
    .by_filter()
    .forks()
    .lacking(LACKING_NAMESPACE),
    Check::new("user_namespace_by_clone3", |_| clone3(libc::CLONE_NEWUSER as u64))
        .refused(&[ENOSYS])
        .by_filter()
        .forks()
        .lacking(LACKING_NAMESPACE),
    Check::new("process_by_clone3", |_| clone3(0)).refused(&[ENOSYS]).by_filter().forks(),
    Check::new("join_of_own_namespace", |_| {
        let join = |fd| call(libc::SYS_setns, &[fd as usize, 0]);
        Answer::reached(crate::sys::open("/proc/self/ns/user", libc::O_RDONLY).and_then(join), &[EINVAL])
    })
    .by_filter(),
    call!("mount", SYS_mount, [NOWHERE, NOWHERE, NOWHERE, 0, 0]),
    call!("unmount", SYS_umount2, [NOWHERE, NOTHING]),
    Check::new("tmpfs_mounted", |_| {
        let (kind, target) = (c("tmpfs"), c("/tmp"));
        let kind = kind.as_ptr() as usize;
        call(libc::SYS_mount, &[kind, target.as_ptr() as usize, kind, 0, 0]).into()
    })
    .control(ADMIN),
    Check::new("overlay_mounted", |_| mount_other("overlay", "lowerdir=/usr:/etc"))
        .control(ADMIN)
        .lacking(&[(libc::ENODEV, "overlayfs"), (EPERM, "overlayfs in user namespaces")]),
    Check::new("system_files_mounted", |_| mount_other("sysfs", ""))
        .control(ADMIN)
        .lacking(&[(EPERM, "sysfs in user namespaces of this machine")]),
    Check::new("root_exchanged", |_| {
        let root = c("/");
        let root = root.as_ptr() as usize;
        Answer::reached(call(libc::SYS_pivot_root, &[root, root]), &[libc::EBUSY, EINVAL])
    })
    .control(ADMIN),
    Check::new("private_mounts", |_| {
        let root = c("/");
        call(libc::SYS_mount, &[0, root.as_ptr() as usize, 0, libc::MS_PRIVATE as usize, 0]).into()
    })
    .control(ADMIN),
    Check::new("tree_cloned", |_| {
        let root = c("/tmp");
        call(libc::SYS_open_tree, &[libc::AT_FDCWD as usize, root.as_ptr() as usize, 1]).into()
    })
    .control(ADMIN),
    call!("tree_opened", SYS_open_tree, [NOTHING, NOWHERE, 0]),
    call!("mount_moved", SYS_move_mount, [NOTHING, NOWHERE, NOTHING, NOWHERE, NOTHING]).control(ADMIN),
    call!("file_system_opened", SYS_fsopen, [NOWHERE, 0]).control(ADMIN),
    call!("file_system_configured", SYS_fsconfig, [NOTHING, 0, 0, 0, 0]),
    call!("file_system_mounted", SYS_fsmount, [NOTHING, 0, 0]).control(ADMIN),
    call!("file_system_picked", SYS_fspick, [NOTHING, NOWHERE, 0]).control(ADMIN),
    call!("mount_attributes", SYS_mount_setattr, [NOTHING, NOWHERE, NOTHING, 0, 0]),
    Check::new("mount_described", |_| {
        Answer::reached(call(STATMOUNT, &[0, 0, 0, NOTHING]), &[EINVAL, EFAULT])
    })
    .by_filter()
    .lacking(&[(ENOSYS, "statmount")]),
    Check::new("mounts_listed", |_| Answer::reached(call(LISTMOUNT, &[0, 0, 0, NOTHING]), &[EINVAL, EFAULT]))
        .by_filter()
        .lacking(&[(ENOSYS, "listmount")]),
    Check::new("tree_opened_with_attributes", |_| {
        Answer::reached(call(OPEN_TREE_ATTR, &[NOTHING, NOWHERE, NOTHING, 0, 0]), &[EINVAL, EFAULT, EBADF])
    })
    .by_filter()
    .lacking(&[(ENOSYS, "open_tree_attr")]),
    call!("handle_made", SYS_name_to_handle_at, [NOTHING, NOWHERE, NOWHERE, NOWHERE, 0]),
    call!("handle_opened", SYS_open_by_handle_at, [NOTHING, NOWHERE, 0]).needs_root(MACHINE),
    call!("trace_of_oneself", SYS_ptrace, [0, 0, 0, 0]),
    Check::new("memory_of_oneself_read", |_| vm(libc::SYS_process_vm_readv)).by_filter(),
    Check::new("memory_of_oneself_written", |_| vm(libc::SYS_process_vm_writev)).by_filter(),
    call!("descriptor_of_a_process", SYS_pidfd_getfd, [NOTHING, 0, NOTHING]),
    call!("advice_to_a_process", SYS_process_madvise, [NOTHING, NOWHERE, 1, 0, NOTHING]),
    call!("memory_of_a_dying_process", SYS_process_mrelease, [NOTHING, NOTHING]),
    Check::new("comparison_with_oneself", |_| {
        let own = std::process::id() as usize;
        call(libc::SYS_kcmp, &[own, own, 1, 0, 0]).into()
    })
    .by_filter()
    .lacking(&[(ENOSYS, "kcmp")]),
    Check::new("counters", |_| {
        Answer::reached(call(libc::SYS_perf_event_open, &[NOWHERE, 0, 0, 0, 0]), &[EFAULT, E2BIG, EINVAL])
    })
    .by_filter()
    .lacking(&[(ENOSYS, "perf_event_open")]),
    call!("programs_in_the_kernel", SYS_bpf, [NOTHING, NOWHERE, 8]).needs_root(MACHINE),
    Check::new("page_faults", |_| {
        // Those of user mode only, which everybody may handle.
        Answer::reached(call(libc::SYS_userfaultfd, &[1]), &[EINVAL])
    })
    .by_filter()
    .lacking(&[(ENOSYS, "userfaultfd")]),
    call!("rings", SYS_io_uring_setup, [1, NOWHERE])
        .lacking(&[(ENOSYS, "io_uring"), (EPERM, "io_uring for this user")]),
    call!("ring_entered", SYS_io_uring_enter, [NOTHING, 0, 0, 0, 0, 0], [EBADF, EINVAL, libc::EOPNOTSUPP]),
    call!(
        "ring_registered",
        SYS_io_uring_register,
        [NOTHING - 1, 0, 0, 0],
        [EBADF, EINVAL, libc::EOPNOTSUPP]
    ),
    call!("files_watched", SYS_fanotify_init, [NOTHING, 0]).needs_root(MACHINE),
    Check::new("files_of_the_user_watched", |_| call(libc::SYS_fanotify_init, &[0x200, 0]).into())
        .by_filter()
        .lacking(&[
            (ENOSYS, "fanotify"),
            (EPERM, "fanotify for this user"),
            (EINVAL, "fanotify for this user"),
        ]),
    call!("mark_of_a_watch", SYS_fanotify_mark, [NOTHING, 0, 0, 0, 0]),
    Check::new("pages_moved", |_| {
        Answer::reached(call(libc::SYS_move_pages, &[0, 0, 0, 0, 0, 0]), &[EINVAL, libc::ENODEV, ESRCH])
    })
    .by_filter()
    .lacking(&[(ENOSYS, "NUMA")]),
    Check::new("process_moved", |_| {
        Answer::reached(call(libc::SYS_migrate_pages, &[0, 64, NOWHERE, NOWHERE]), &[EFAULT, EINVAL])
    })
    .by_filter()
    .lacking(&[(ENOSYS, "NUMA")]),
    call!("clock_adjusted", SYS_adjtimex, [NOWHERE]),
    call!("clock_adjusted_by_its_name", SYS_clock_adjtime, [0, NOWHERE]),
    call!("clock_set", SYS_clock_settime, [0, NOWHERE]),
    call!("time_of_day_set", SYS_settimeofday, [NOWHERE, 0]),
    call!("swap_removed", SYS_swapoff, [NOWHERE]).needs_root(MACHINE),
    call!("module_removed", SYS_delete_module, [NOWHERE, 0]).needs_root(MACHINE),
    call!("module_from_a_file", SYS_finit_module, [NOTHING, NOWHERE, 0]).needs_root(MACHINE),
    call!("kernel_loaded", SYS_kexec_load, [0, 17, NOWHERE, NOTHING]).needs_root(MACHINE),
    call!("kernel_loaded_from_a_file", SYS_kexec_file_load, [NOTHING, NOTHING, 0, 0, NOTHING])
        .needs_root(MACHINE),
    call!("quotas", SYS_quotactl, [NOTHING, NOWHERE, 0, 0], [EFAULT, EINVAL, ENOENT]),
    call!("quotas_by_descriptor", SYS_quotactl_fd, [NOTHING, 0, 0, 0]),
    call!("log_of_the_kernel", SYS_syslog, [NOTHING, 0, 0]).needs_root(MACHINE),
    Check::new("pages_in_the_cache", |_| {
        Answer::reached(call(CACHESTAT, &[NOTHING, NOWHERE, NOWHERE, 0]), &[EFAULT, EBADF])
    })
    .by_filter()
    .lacking(&[(ENOSYS, "cachestat")]),
    Check::new("uncommon_personality", |_| call(libc::SYS_personality, &[0x040_0000]).into()).by_filter(),
    Check::new("personality_without_randomisation", |_| {
        call(libc::SYS_personality, &[libc::ADDR_NO_RANDOMIZE as usize]).into()
    })
    .by_filter(),
    #[cfg(target_arch = "x86_64")]
    Check::new("segments", |_| {
        let mut buffer = [0u8; 64];
        call(libc::SYS_modify_ldt, &[0, at_mut(&mut buffer), 64]).into()
    })
    .by_filter()
    .lacking(&[(ENOSYS, "modify_ldt")]),
    #[cfg(target_arch = "x86_64")]
    Check::new("file_systems_by_number", |_| call(libc::SYS_sysfs, &[3]).into())
        .by_filter()
        .lacking(&[(ENOSYS, "sysfs(2)")]),
    #[cfg(target_arch = "x86_64")]
    Check::new("state_of_a_file_system", |_| {
        Answer::reached(call(libc::SYS_ustat, &[NOTHING, NOWHERE]), &[EINVAL, EFAULT])
    })
    .by_filter()
    .lacking(&[(ENOSYS, "ustat")]),
    #[cfg(target_arch = "x86_64")]
    Check::new("call_of_32_bits", |_| crate::sys::call_of_32_bits().into())
        .must(crate::check::Must::Killed(libc::SIGSYS))
        .by_filter()
        .lacking(&[(ENOSYS, "programs of 32 bits")]),
    #[cfg(target_arch = "x86_64")]
    Check::new("call_of_x32", |_| call(0x4000_0000 | libc::SYS_getpid, &[]).into())
        .refused(&[ENOSYS])
        .by_filter()
        .lacking(&[(ENOSYS, "x32")]),
    #[cfg(target_arch = "x86_64")]
    Check::new("denied_call_of_x32", |_| {
        Answer::reached(call(0x4000_0000 | libc::SYS_mount, &[NOWHERE; 5]), &[EFAULT])
    })
    .refused(&[ENOSYS])
    .by_filter()
    .lacking(&[(ENOSYS, "x32")]),
];

#[cfg(target_arch = "x86_64")]
const _: () = ();
// Of Linux 6.5 to 6.15; the same on every architecture.
const CACHESTAT: i64 = 451;
const STATMOUNT: i64 = 457;
const LISTMOUNT: i64 = 458;
const OPEN_TREE_ATTR: i64 = 467;

fn unshare(flags: i32) -> Answer {
    call(libc::SYS_unshare, &[flags as usize]).into()
}

fn clone(flags: i32) -> Answer {
    clone_raw(flags as usize)
}

/// A child in new namespaces, which ends at once.
fn clone_raw(flags: usize) -> Answer {
    let cloned = call(libc::SYS_clone, &[flags | libc::SIGCHLD as usize, 0, 0, 0, 0]);
    end_child(cloned)
}

fn end_child(cloned: crate::sys::Outcome) -> Answer {
    if cloned == Ok(0) {
        let _ = call(libc::SYS_exit_group, &[0]);
    }
    if let Ok(child) = cloned {
        let _ = call(libc::SYS_wait4, &[child as usize, 0, 0, 0]);
    }
    cloned.into()
}

fn clone3(flags: u64) -> Answer {
    let arguments = [flags, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
    end_child(call(libc::SYS_clone3, &[at(&arguments), size_of_val(&arguments)]))
}

fn mount_other(kind: &str, options: &str) -> Answer {
    let (kind, target, options) = (c(kind), c("/tmp"), c(options));
    let kind = kind.as_ptr() as usize;
    call(libc::SYS_mount, &[kind, target.as_ptr() as usize, kind, 0, options.as_ptr() as usize]).into()
}

fn vm(number: i64) -> Answer {
    let mut buffer = [0u8; 8];
    let place = [at_mut(&mut buffer), 8];
    call(number, &[std::process::id() as usize, at(&place), 1, at(&place), 1, 0]).into()
}

/// Makes this process root of mounts, names, objects and processes of its own: an ordinary user by a new user
/// namespace. A child goes on, as the first process there; its parent ends as it does.
pub fn become_root_of_own() -> Result<(), i32> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let kinds = libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC | libc::CLONE_NEWPID;
    let kinds = if uid.is_root() { kinds } else { kinds | libc::CLONE_NEWUSER };
    call(libc::SYS_unshare, &[kinds as usize])?;
    if !uid.is_root() {
        let write = |file: &str, value: String| {
            let path = format!("/proc/self/{file}");
            std::fs::write(path, value).map_err(|error| error.raw_os_error().unwrap_or(0))
        };
        write("setgroups", "deny".into())?;
        write("uid_map", format!("0 {uid} 1"))?;
        write("gid_map", format!("0 {gid} 1"))?;
    }
    let root = c("/");
    let private = (libc::MS_PRIVATE | libc::MS_REC) as usize;
    call(libc::SYS_mount, &[0, root.as_ptr() as usize, 0, private, 0])?;
    go_on_in_child()
}
