//! Processes of the host: not to be seen, signalled, inspected or slowed down.
//!
//! The rule: every container has a PID namespace of its own, and a `/proc` of its own that belongs to it.

use libc::{EPERM, ESRCH};

use crate::check::{Answer, Check};
use crate::scenes::{SECRET, host_process};
use crate::sys::{at, at_mut, call, open};

const NOT_THERE: &[i32] = &[ESRCH];
/// The filter comes first where there is one.
const NOT_THERE_OR_FILTERED: &[i32] = &[ESRCH, EPERM];

pub const CHECKS: &[Check] = &[
    Check::new("signal", |a| call(libc::SYS_kill, &[pid(a), 0]).into())
        .scene(host_process)
        .refused(NOT_THERE),
    Check::new("signal_to_its_thread", |a| call(libc::SYS_tgkill, &[pid(a), pid(a), 0]).into())
        .scene(host_process)
        .refused(NOT_THERE),
    Check::new("signal_with_a_value", queue_signal).scene(host_process).refused(&[ESRCH]),
    Check::new("signal_to_its_group", |a| call(libc::SYS_kill, &[group_of(pid(a)), 0]).into())
        .scene(host_process)
        .refused(NOT_THERE),
    Check::new("pidfd", |a| call(libc::SYS_pidfd_open, &[pid(a), 0]).into())
        .scene(host_process)
        .refused(NOT_THERE),
    Check::new("signal_by_descriptor_owner", set_owner).scene(host_process).refused(NOT_THERE),
    Check::new("directory_in_proc", |a| open(&format!("/proc/{}", a[0]), libc::O_PATH).into())
        .scene(host_process)
        .refused(&[libc::ENOENT]),
    Check::new("environment", |a| open(&format!("/proc/{}/environ", a[0]), libc::O_RDONLY).into())
        .scene(host_process)
        .refused(&[libc::ENOENT]),
    Check::new("memory_file", |a| open(&format!("/proc/{}/mem", a[0]), libc::O_RDONLY).into())
        .scene(host_process)
        .refused(&[libc::ENOENT]),
    Check::new("listed_in_proc", others_in_proc).hidden(),
    Check::new("ptrace", |a| call(libc::SYS_ptrace, &[PTRACE_SEIZE, pid(a), 0, 0]).into())
        .scene(host_process)
        .refused(NOT_THERE_OR_FILTERED),
    Check::new("memory_read", read_memory).scene(host_process).refused(NOT_THERE_OR_FILTERED),
    Check::new("memory_write", write_memory).scene(host_process).refused(NOT_THERE_OR_FILTERED),
    Check::new("comparison", |a| call(libc::SYS_kcmp, &[own_pid(), pid(a), KCMP_VM, 0, 0]).into())
        .scene(host_process)
        .refused(NOT_THERE_OR_FILTERED)
        .lacking(&[(libc::ENOSYS, "kcmp")]),
    Check::new("session", |a| call(libc::SYS_getsid, &[pid(a)]).into())
        .scene(host_process)
        .refused(NOT_THERE),
    Check::new("process_group", |a| call(libc::SYS_getpgid, &[pid(a)]).into())
        .scene(host_process)
        .refused(NOT_THERE),
    Check::new("nice_value", |a| call(libc::SYS_setpriority, &[0, pid(a), 5]).into())
        .scene(host_process)
        .refused(NOT_THERE),
    Check::new("cpu_affinity", affinity).scene(host_process).refused(NOT_THERE),
    Check::new("scheduler", |a| call(libc::SYS_sched_setscheduler, &[pid(a), 0, at(&0i32)]).into())
        .scene(host_process)
        .refused(NOT_THERE),
    Check::new("io_priority", |a| call(libc::SYS_ioprio_set, &[1, pid(a), 2 << 13 | 7]).into())
        .scene(host_process)
        .refused(NOT_THERE),
    Check::new("resource_limit", |a| call(libc::SYS_prlimit64, &[pid(a), 7, 0, 0]).into())
        .scene(host_process)
        .refused(NOT_THERE_OR_FILTERED),
    Check::new("robust_list", robust_list).scene(host_process).refused(NOT_THERE_OR_FILTERED),
    Check::new("numbers_of_the_host", numbers_of_the_host).hidden(),
];

const PTRACE_SEIZE: usize = 0x4206;
const KCMP_VM: usize = 1;

/// The process in question is the first argument.
pub fn pid(arguments: &[String]) -> usize {
    arguments[0].parse().expect("a process id")
}

fn own_pid() -> usize {
    std::process::id() as usize
}

/// The group, for kill(2): of a process that cannot be seen, what it would be.
fn group_of(pid: usize) -> usize {
    let group = call(libc::SYS_getpgid, &[pid]).map_or(pid, |group| group as usize);
    group.wrapping_neg()
}

fn queue_signal(arguments: &[String]) -> Answer {
    // Of a siginfo_t: the signal, no errno, SI_QUEUE.
    let mut info = [0i32; 32];
    info[2] = -1;
    call(libc::SYS_rt_sigqueueinfo, &[pid(arguments), 0, at(&info)]).into()
}

fn set_owner(arguments: &[String]) -> Answer {
    call(libc::SYS_fcntl, &[0, libc::F_SETOWN as usize, pid(arguments)]).into()
}

/// Looks for any process but this one and init.
fn others_in_proc(_: &[String]) -> Answer {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Answer::Hidden };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Answer::seen(numbers.into_iter().any(|number| number != 1 && number != std::process::id()))
}

/// An iovec for the secret: at this address, as long as it is.
fn place_of_secret(address: usize) -> [usize; 2] {
    [address, SECRET.len()]
}

fn read_memory(arguments: &[String]) -> Answer {
    let mut buffer = [0u8; SECRET.len()];
    let own = place_of_secret(at_mut(&mut buffer));
    let other = place_of_secret(arguments[1].parse().expect("an address"));
    let outcome = call(libc::SYS_process_vm_readv, &[pid(arguments), at(&own), 1, at(&other), 1, 0]);
    match outcome {
        Ok(_) => Answer::seen(buffer == *SECRET.as_bytes()),
        refused => refused.into(),
    }
}

fn write_memory(arguments: &[String]) -> Answer {
    let own = place_of_secret(at(SECRET));
    let other = place_of_secret(arguments[1].parse().expect("an address"));
    call(libc::SYS_process_vm_writev, &[pid(arguments), at(&own), 1, at(&other), 1, 0]).into()
}

fn affinity(arguments: &[String]) -> Answer {
    let mut mask = [0u64; 128];
    let size = size_of_val(&mask);
    let own = call(libc::SYS_sched_getaffinity, &[own_pid(), size, at_mut(&mut mask)]);
    let set = |_| call(libc::SYS_sched_setaffinity, &[pid(arguments), size, at(&mask)]);
    own.and_then(set).into()
}

fn robust_list(arguments: &[String]) -> Answer {
    let (mut head, mut length) = (0usize, 0usize);
    let pid = pid(arguments);
    call(libc::SYS_get_robust_list, &[pid, at_mut(&mut head), at_mut(&mut length)]).into()
}

/// The nice value of a process of the host.
pub fn nice_value(pid: &str) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
}

/// Whether this process knows itself by a number of the host: by one large enough.
fn numbers_of_the_host(_: &[String]) -> Answer {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let all = status.lines().filter(|line| line.starts_with("NSpid:") || line.starts_with("PPid:"));
    let numbers = all.flat_map(|line| line.split_whitespace().skip(1)).filter_map(|n| n.parse::<u32>().ok());
    Answer::seen(numbers.into_iter().any(|number| number > 9))
}
