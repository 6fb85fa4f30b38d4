//! Init itself, the process that sets the container up and keeps its limits.
//!
//! The rule: init is not dumpable, holds a capability that the workload lacks, and nothing of the host but a
//! socket; all that reads or changes another process asks for one of these.

use cofferdam::{Capabilities, Container};
use libc::{EACCES, EPERM};

use crate::check::{Answer, Check, Control, Place, Scene};
use crate::sys::{at, at_mut, call, open};

/// What lets a workload into init, as the documentation says.
const WITH_PTRACE: Control = Control::Loosened(|container| {
    let sets = Capabilities::SYS_PTRACE | Capabilities::KILL;
    container.user(0, 0).capabilities(sets)
});
const WITH_NICE: Control =
    Control::Loosened(|container| container.capabilities(Capabilities::SYS_NICE | Capabilities::KILL));
const WITH_RESOURCE: Control =
    Control::Loosened(|container| container.capabilities(Capabilities::SYS_RESOURCE | Capabilities::KILL));

const NOT_PERMITTED: &[i32] = &[EPERM, EACCES];

/// Opening a file of init.
macro_rules! file {
    ($name:literal, $file:literal) => {
        Check::new($name, |_| open(concat!("/proc/1/", $file), libc::O_RDONLY).into())
            .refused(NOT_PERMITTED)
            .control(WITH_PTRACE)
    };
}

/// Reading a link of init.
macro_rules! link {
    ($name:literal, $link:literal) => {
        Check::new($name, |_| {
            std::fs::read_link(concat!("/proc/1/", $link))
                .map_or_else(|error| Answer::Refused(error.raw_os_error().unwrap_or(0)), |_| Answer::Done)
        })
        .refused(NOT_PERMITTED)
        .control(WITH_PTRACE)
    };
}

pub const CHECKS: &[Check] = &[
    file!("memory", "mem"),
    file!("environment", "environ"),
    file!("maps", "maps"),
    file!("mapped_files", "map_files"),
    file!("page_map", "pagemap"),
    file!("auxiliary_vector", "auxv"),
    file!("descriptors", "fd"),
    file!("descriptor_details", "fdinfo"),
    link!("program", "exe"),
    link!("root_directory", "root"),
    link!("working_directory", "cwd"),
    link!("mount_namespace", "ns/mnt"),
    link!("user_namespace", "ns/user"),
    file!("through_its_root", "root/etc"),
    file!("program_opened", "exe"),
    Check::new("memory_of_its_thread", |_| open("/proc/1/task/1/mem", libc::O_RDONLY).into())
        .refused(NOT_PERMITTED)
        .control(WITH_PTRACE),
    Check::new("ptrace", |_| call(libc::SYS_ptrace, &[PTRACE_SEIZE, 1, 0, 0]).into()).control(WITH_PTRACE),
    Check::new("memory_read", |_| memory(libc::SYS_process_vm_readv)).control(WITH_PTRACE),
    Check::new("memory_write", |_| memory(libc::SYS_process_vm_writev)).control(WITH_PTRACE),
    Check::new("descriptor_taken", take_descriptor).control(WITH_PTRACE),
    Check::new("comparison", |_| call(libc::SYS_kcmp, &[1, std::process::id() as usize, 1, 0, 0]).into())
        .control(WITH_PTRACE)
        .lacking(&[(libc::ENOSYS, "kcmp")]),
    Check::new("join_of_its_namespaces", join_namespaces).control(Control::Loosened(everything)),
    Check::new("killed", |_| killed(libc::SIGKILL)).hidden().control(Control::Outside),
    Check::new("terminated", |_| killed(libc::SIGTERM)).hidden().control(Control::Outside),
    Check::new("stopped", |_| killed(libc::SIGSTOP)).hidden().control(Control::Outside),
    Check::new("killed_with_all", |_| killed_with_all()).hidden().control(Control::Outside).forks(),
    Check::new("nice_value", |_| call(libc::SYS_setpriority, &[0, 1, 19]).into()).control(WITH_NICE),
    Check::new("cpu_affinity", |_| call(libc::SYS_sched_setaffinity, &[1, 8, at(&1u64)]).into())
        .control(WITH_NICE),
    Check::new("scheduler", |_| call(libc::SYS_sched_setscheduler, &[1, SCHED_IDLE, at(&0i32)]).into())
        .control(WITH_NICE),
    Check::new("io_priority", |_| call(libc::SYS_ioprio_set, &[1, 1, 3 << 13]).into()).control(WITH_NICE),
    // Init has the workload's ids, of which alone the kernel asks.
    Check::new("resource_limit_set", set_limit).by_filter().control(WITH_RESOURCE),
    Check::new("timer_slack", |_| {
        let write = |fd| call(libc::SYS_write, &[fd as usize, at("50000"), 5]);
        open("/proc/1/timerslack_ns", libc::O_WRONLY).and_then(write).into()
    })
    .refused(NOT_PERMITTED)
    .control(WITH_NICE),
    Check::new("files_written", writable_files)
        .scene(init_or_oneself)
        .hidden()
        .control(Control::Loosened(everything)),
    // Root inside owns them, but the mount is read-only.
    Check::new("files_written_as_root_inside", writable_files)
        .scene(init_or_oneself)
        .with(|container| container.user(0, 0))
        .hidden()
        .control(Control::Loosened(everything)),
    Check::new("what_it_is_waiting_for", |_| {
        std::fs::read_to_string("/proc/1/syscall").map_or_else(
            |error| Answer::Refused(error.raw_os_error().unwrap_or(0)),
            |text| Answer::seen(!text.is_empty()),
        )
    })
    .refused(NOT_PERMITTED)
    .control(WITH_PTRACE)
    .lacking(&[(libc::ENOENT, "/proc/PID/syscall")]),
];

const PTRACE_SEIZE: usize = 0x4206;
const SCHED_IDLE: usize = 5;

fn everything(container: Container) -> Container {
    container.capabilities(Capabilities::all())
}

/// No loosening makes the files of init writable. The control is that of the prober's own some are.
fn init_or_oneself(place: &Place) -> Result<Scene, String> {
    Ok(Scene::new().arg(if place.is_control() { "/proc/self" } else { "/proc/1" }))
}

/// Whether any file of a process can be opened for writing, but for one that everybody may open, and is asked only
/// by write(2).
fn writable_files(arguments: &[String]) -> Answer {
    let entries = std::fs::read_dir(&arguments[0]).into_iter().flatten().flatten();
    let files = entries.into_iter().filter(|entry| {
        entry.file_type().is_ok_and(|kind| kind.is_file()) && entry.file_name() != "timerslack_ns"
    });
    let mut paths = files.map(|entry| entry.path().display().to_string());
    Answer::seen(paths.any(|path| open(&path, libc::O_WRONLY).is_ok()))
}

/// Reads or writes what lies at no address: the check of permission comes first.
fn memory(number: i64) -> Answer {
    let mut buffer = [0u8; 8];
    let (own, other) = ([at_mut(&mut buffer), buffer.len()], [16usize, 8]);
    Answer::reached(call(number, &[1, at(&own), 1, at(&other), 1, 0]), &[libc::EFAULT])
}

fn take_descriptor(_: &[String]) -> Answer {
    let taken = call(libc::SYS_pidfd_open, &[1, 0])
        .and_then(|pidfd| call(libc::SYS_pidfd_getfd, &[pidfd as usize, 3, 0]));
    Answer::reached(taken, &[libc::EBADF])
}

fn join_namespaces(_: &[String]) -> Answer {
    let all = libc::CLONE_NEWNS | libc::CLONE_NEWIPC;
    let outcome = call(libc::SYS_pidfd_open, &[1, 0])
        .and_then(|pidfd| call(libc::SYS_setns, &[pidfd as usize, all as usize]));
    outcome.into()
}

/// Sends a signal to process 1; whether it no longer runs. Outside that is a
/// process like any other: a child.
fn killed(signal: i32) -> Answer {
    if std::process::id() == 2 {
        let _ = call(libc::SYS_kill, &[1, signal as usize]);
        return Answer::seen(!runs(1));
    }
    let status = crate::sys::in_child(|| {
        let own = std::process::id() as usize;
        let _ = call(libc::SYS_kill, &[own, if signal == libc::SIGSTOP { 9 } else { signal as usize }]);
        0
    });
    Answer::seen(status != Ok(0))
}

/// As [`killed`], by the signal that all processes in the namespace get but the caller.
fn killed_with_all() -> Answer {
    if std::process::id() == 2 {
        let _ = call(libc::SYS_kill, &[usize::MAX, libc::SIGKILL as usize]);
        return Answer::seen(!runs(1));
    }
    killed(libc::SIGKILL)
}

/// Whether a process neither has ended nor is stopped.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    matches!(state, Some("S" | "R" | "D"))
}

/// Sets a limit to what it is.
fn set_limit(_: &[String]) -> Answer {
    let mut limit = [0u64; 2];
    let number = libc::RLIMIT_NOFILE as usize;
    let own = call(libc::SYS_prlimit64, &[0, number, 0, at_mut(&mut limit)]);
    own.and_then(|_| call(libc::SYS_prlimit64, &[1, number, at(&limit), 0])).into()
}
