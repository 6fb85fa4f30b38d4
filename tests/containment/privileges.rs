//! Privileges: none to begin with, and none to be gained.
//!
//! The rule: no capability in any set, `no_new_privs`, and ids that only one user has.

use cofferdam::{Capabilities, Container};
use libc::{EACCES, EINVAL, EPERM};

use crate::check::{Answer, Check, Control, Must};
use crate::files::status_field;
use crate::namespaces::root_of_its_own;
use crate::sys::{at, at_mut, c, call, call_at, call_path, open};

const ROOT: Control = Control::Loosened(root_of_its_own);

/// A set of capabilities that must be empty.
macro_rules! empty {
    ($name:literal, $field:literal) => {
        Check::new($name, |_| {
            Answer::seen(status_field($field).is_some_and(|set| set.chars().any(|digit| digit != '0')))
        })
        .hidden()
        .control(ROOT)
    };
}

/// A container with a capability.
macro_rules! with {
    ($capability:ident) => {
        Control::Loosened(|container: Container| container.capabilities(Capabilities::$capability))
    };
}

/// As [`with`], for what only root of the machine may do.
const MACHINE: &str = "the kernel allows it to nobody else, wherever";

pub const CHECKS: &[Check] = &[
    empty!("effective_capabilities", "CapEff"),
    empty!("permitted_capabilities", "CapPrm"),
    empty!("inheritable_capabilities", "CapInh"),
    empty!("bounding_capabilities", "CapBnd"),
    empty!("ambient_capabilities", "CapAmb"),
    Check::new("new_privileges", |_| Answer::seen(status_field("NoNewPrivs").as_deref() == Some("0")))
        .hidden()
        .control(Control::Loosened(|container| container.no_new_privs(false))),
    Check::new("new_privileges_again", |_| {
        let _ = call(libc::SYS_prctl, &[libc::PR_SET_NO_NEW_PRIVS as usize, 0, 0, 0, 0]);
        Answer::seen(call(libc::SYS_prctl, &[libc::PR_GET_NO_NEW_PRIVS as usize, 0, 0, 0, 0]) == Ok(0))
    })
    .hidden()
    .control(Control::Loosened(|container| container.no_new_privs(false))),
    Check::new("capabilities_taken", take_capabilities).refused(&[EPERM]).control(ROOT),
    Check::new("ambient_capability_raised", |_| {
        let raise = [libc::PR_CAP_AMBIENT as usize, libc::PR_CAP_AMBIENT_RAISE as usize, 10, 0, 0];
        call(libc::SYS_prctl, &raise).into()
    })
    .control(with!(NET_BIND_SERVICE)),
    Check::new("secure_bits", |_| {
        let bits = call(libc::SYS_prctl, &[libc::PR_GET_SECUREBITS as usize, 0, 0, 0, 0]).unwrap_or(0);
        call(libc::SYS_prctl, &[libc::PR_SET_SECUREBITS as usize, bits as usize | 1 << 4, 0, 0, 0]).into()
    })
    .control(with!(SETPCAP)),
    Check::new("root_by_setuid", |_| call(libc::SYS_setuid, &[0]).into())
        .refused(&[EPERM, EINVAL])
        .control(ROOT),
    Check::new("root_by_setresuid", |_| call(libc::SYS_setresuid, &[0, 0, 0]).into())
        .refused(&[EPERM, EINVAL])
        .control(ROOT),
    Check::new("group_of_root", |_| call(libc::SYS_setgid, &[0]).into())
        .refused(&[EPERM, EINVAL])
        .control(ROOT),
    Check::new("supplementary_groups", |_| call(libc::SYS_setgroups, &[1, at(&0u32)]).into())
        .control(ROOT)
        .needs_root("a user namespace of one id has no groups to set"),
    Check::new("file_given_away", |_| {
        let _ = open("/tmp/own", libc::O_WRONLY | libc::O_CREAT);
        call_at(libc::SYS_fchownat, "/tmp/own", &[0, 0, 0]).into()
    })
    .refused(&[EPERM, EINVAL])
    .control(ROOT),
    Check::new("hard_limit_raised", |_| {
        let mut limit = [0u64; 2];
        let number = libc::RLIMIT_NOFILE as usize;
        let get = call(libc::SYS_prlimit64, &[0, number, 0, at_mut(&mut limit)]);
        let above = [limit[0], limit[1] + 1];
        get.and_then(|_| call(libc::SYS_prlimit64, &[0, number, at(&above), 0])).into()
    })
    .lacking(&[(EPERM, "CAP_SYS_RESOURCE for root on this machine")])
    .needs_root("nobody else may raise it outside"),
    Check::new("nice_value_lowered", |_| call(libc::SYS_setpriority, &[0, 0, -5isize as usize]).into())
        .refused(&[EACCES, EPERM])
        .needs_root("nobody else may lower it outside"),
    Check::new("real_time_scheduler", |_| call(libc::SYS_sched_setscheduler, &[0, 1, at(&1i32)]).into())
        .needs_root("nobody else may have it outside"),
    Check::new("real_time_io", |_| call(libc::SYS_ioprio_set, &[1, 0, 1 << 13]).into())
        .needs_root("nobody else may have it outside"),
    Check::new("deadline_scheduler", |_| {
        // A sched_attr: its size, SCHED_DEADLINE, and runtime, deadline and period in nanoseconds.
        let attributes = [48u64 | 6 << 32, 0, 0, 1_000_000, 100_000_000, 100_000_000];
        call(libc::SYS_sched_setattr, &[0, at(&attributes), 0]).into()
    })
    .needs_root("nobody else may have it outside")
    .lacking(&[(libc::EBUSY, "room for deadlines")]),
    Check::new("change_of_root_directory", |_| call_path(libc::SYS_chroot, "/tmp", &[]).into())
        .control(with!(SYS_CHROOT)),
    Check::new("host_name", |_| call(libc::SYS_sethostname, &[at("x"), 1]).into())
        .with(|container| container.user(0, 0))
        .control(ROOT),
    Check::new("domain_name", |_| call(libc::SYS_setdomainname, &[at("x"), 1]).into()).control(ROOT),
    Check::new("wall_clock", |_| {
        // To what it is, and of it only the time zone.
        let mut timezone = [0i32; 2];
        let got = call(libc::SYS_gettimeofday, &[0, at_mut(&mut timezone)]);
        got.and_then(|_| call(libc::SYS_settimeofday, &[0, at(&timezone)])).into()
    })
    .needs_root(MACHINE),
    Check::new("swap", |_| {
        Answer::reached(call_path(libc::SYS_swapon, "/no/such/file", &[0]), &[libc::ENOENT])
    })
    .needs_root(MACHINE),
    Check::new("accounting", |_| {
        Answer::reached(call_path(libc::SYS_acct, "/no/such/file", &[]), &[libc::ENOENT])
    })
    .needs_root(MACHINE)
    .lacking(&[(libc::ENOSYS, "process accounting")]),
    Check::new("restart_of_the_machine", |_| {
        // Without the magic numbers: refused by everybody, and of who may not before.
        Answer::reached(call(libc::SYS_reboot, &[0, 0, 0, 0]), &[EINVAL])
    })
    .control(with!(SYS_BOOT)),
    Check::new("module", |_| {
        let empty = c("");
        let load = call(libc::SYS_init_module, &[at(&[0u8; 64]), 64, empty.as_ptr() as usize]);
        Answer::reached(load, &[libc::ENOEXEC, EINVAL])
    })
    .needs_root(MACHINE)
    .lacking(&[(libc::ENOSYS, "modules")]),
    Check::new("kernel_log", |_| {
        let mut buffer = [0u8; 64];
        const READ_ALL: usize = 3;
        call(libc::SYS_syslog, &[READ_ALL, at_mut(&mut buffer), buffer.len()]).into()
    })
    .needs_root("dmesg_restrict may keep others from it outside"),
    Check::new("memory_locked", |_| {
        let mut limit = [0u64; 2];
        let number = libc::RLIMIT_MEMLOCK as usize;
        let get = call(libc::SYS_prlimit64, &[0, number, 0, at_mut(&mut limit)]);
        let above = [limit[1].saturating_add(1); 2];
        get.and_then(|_| call(libc::SYS_prlimit64, &[0, number, at(&above), 0])).into()
    })
    .lacking(&[(EPERM, "CAP_SYS_RESOURCE for root on this machine")])
    .needs_root("nobody else may raise it outside"),
    Check::new("own_files_can_be_changed", |_| {
        let made = open("/tmp/own", libc::O_WRONLY | libc::O_CREAT);
        made.and_then(|_| call_at(libc::SYS_fchmodat, "/tmp/own", &[0o700])).into()
    })
    .must(Must::Done)
    .control(Control::Tightened(|container| container.tmp_size(0))),
];

/// capset(2) of everything.
fn take_capabilities(_: &[String]) -> Answer {
    let header = [0x2008_0522u32, 0];
    let sets = [1u32 << 7, 1 << 7, 0, 0, 0, 0];
    call(libc::SYS_capset, &[at(&header), at(&sets)]).into()
}
