//! `/proc`: what it tells about the machine is masked where it helps an attacker, and what changes the machine
//! cannot be written.
//!
//! The rule: a new `/proc`, with what OCI runtimes mask masked, and what they make read-only read-only, by mounts
//! that the workload cannot take away.

use std::fs;

use cofferdam::{Capabilities, Container, IdMapping};
use libc::{EACCES, ENOENT, EPERM, EROFS};

use crate::check::{Answer, Check, Control, Must, Place, Scene};
use crate::namespaces::root_of_its_own;
use crate::scenes::{open_directory, set_mode};
use crate::sys::{c, call, call_path, open};

/// A file whose content must not show.
macro_rules! masked {
    ($name:literal, $path:literal) => {
        Check::new($name, |_| content($path))
            .must(Must::HiddenOr(&[ENOENT]))
            .lacking(&[(ENOENT, concat!("a file ", $path))])
    };
    ($name:literal, $path:literal, root) => {
        masked!($name, $path).needs_root("a file that only root may read outside")
    };
}

/// A file that changes the machine, as the workload's best chance sees it: root's own id of the host.
macro_rules! unwritable {
    ($name:literal, $path:literal) => {
        Check::new($name, |_| open($path, libc::O_WRONLY).into())
            .with(as_root_of_the_host)
            .refused(&[EROFS, EACCES])
            .lacking(&[
                (ENOENT, concat!("a file ", $path)),
                (EACCES, "CAP_SYS_RESOURCE for root on this machine"),
            ])
            .needs_root("a file that only root may write outside")
    };
}

pub const CHECKS: &[Check] = &[
    masked!("kernel_memory", "/proc/kcore", root),
    masked!("kernel_symbols", "/proc/kallsyms"),
    masked!("interrupts", "/proc/interrupts"),
    masked!("timers", "/proc/timer_list", root),
    masked!("timer_statistics", "/proc/timer_stats", root),
    masked!("latencies", "/proc/latency_stats", root),
    masked!("scheduler", "/proc/sched_debug", root),
    masked!("keys", "/proc/keys"),
    masked!("kernel_log", "/proc/kmsg", root).must(Must::Refused(&[EACCES, EPERM])),
    masked!("page_counts", "/proc/kpagecount", root).must(Must::Refused(&[EACCES, EPERM])),
    masked!("page_flags", "/proc/kpageflags", root).must(Must::Refused(&[EACCES, EPERM])),
    masked!("slabs", "/proc/slabinfo", root).must(Must::Refused(&[EACCES, EPERM])),
    masked!("virtual_memory_of_the_kernel", "/proc/vmallocinfo", root).must(Must::Refused(&[EACCES, EPERM])),
    Check::new("acpi", |_| entries("/proc/acpi"))
        .scene(|_| match fs::read_dir("/proc/acpi").is_ok_and(|mut entries| entries.next().is_some()) {
            true => Ok(Scene::new()),
            false => Err("entries of /proc/acpi".into()),
        })
        .must(Must::HiddenOr(&[ENOENT])),
    Check::new("scsi", |_| entries("/proc/scsi"))
        .must(Must::HiddenOr(&[ENOENT]))
        .lacking(&[(ENOENT, "a directory /proc/scsi")]),
    Check::new("asound", |_| entries("/proc/asound"))
        .must(Must::HiddenOr(&[ENOENT]))
        .lacking(&[(ENOENT, "a directory /proc/asound")]),
    Check::new("kernel_symbols_by_another_way", |_| content("/proc/self/root/proc/self/../kallsyms"))
        .hidden(),
    Check::new("kernel_symbols_of_a_tree_opened_before", |_| {
        let symbols = open("/proc", libc::O_PATH)
            .and_then(|directory| crate::sys::open_at(directory as i32, "kallsyms", libc::O_RDONLY));
        symbols.map(|fd| content(&format!("/proc/self/fd/{fd}"))).into()
    })
    .hidden(),
    Check::new("mask_removed", |_| call_path(libc::SYS_umount2, "/proc/kallsyms", &[0]).into())
        .refused(&[EPERM, libc::EINVAL])
        .control(Control::Loosened(root_of_its_own)),
    Check::new("mask_removed_lazily", |_| {
        call_path(libc::SYS_umount2, "/proc/kallsyms", &[libc::MNT_DETACH as usize]).into()
    })
    .refused(&[EPERM, libc::EINVAL])
    .control(Control::Loosened(root_of_its_own)),
    Check::new("another_proc", |_| {
        let (kind, target) = (c("proc"), c("/tmp"));
        let kind = kind.as_ptr() as usize;
        call(libc::SYS_mount, &[kind, target.as_ptr() as usize, kind, 0, 0]).into()
    })
    .control(Control::OwnNamespaces)
    .lacking(&[(EPERM, "a /proc that shows everything, of which another could be made")]),
    unwritable!("core_pattern", "/proc/sys/kernel/core_pattern"),
    unwritable!("module_loader", "/proc/sys/kernel/modprobe"),
    unwritable!("hotplug_helper", "/proc/sys/kernel/hotplug"),
    unwritable!("panic", "/proc/sys/kernel/panic"),
    unwritable!("log_level", "/proc/sys/kernel/printk"),
    unwritable!("memory_of_the_machine", "/proc/sys/vm/overcommit_memory"),
    unwritable!("caches", "/proc/sys/vm/drop_caches"),
    unwritable!("open_files_of_the_machine", "/proc/sys/fs/file-max"),
    unwritable!("binary_formats", "/proc/sys/fs/binfmt_misc/register"),
    unwritable!("system_requests", "/proc/sysrq-trigger"),
    unwritable!("interrupt_affinity", "/proc/irq/default_smp_affinity"),
    unwritable!("number_of_user_namespaces", "/proc/sys/user/max_user_namespaces"),
    unwritable!("shared_memory_limits", "/proc/sys/kernel/shmmax"),
    unwritable!("host_name", "/proc/sys/kernel/hostname"),
    unwritable!("forwarding", "/proc/sys/net/ipv4/ip_forward"),
    Check::new("tunables_inside", |_| writable_below("/proc/sys"))
        .hidden()
        .with(as_root_if_root)
        .needs_root("files that only root may write outside"),
    Check::new("memory_of_processes_protected", |_| {
        let value = "-1000";
        let write = |fd| call(libc::SYS_write, &[fd as usize, value.as_ptr() as usize, value.len()]);
        open("/proc/self/oom_score_adj", libc::O_WRONLY).and_then(write).into()
    })
    .refused(&[EACCES, EPERM])
    .lacking(&[(EACCES, "CAP_SYS_RESOURCE for root on this machine")])
    .needs_root("only root may lower it"),
    Check::new("what_a_workload_may_ask", |_| open("/proc/self/status", libc::O_RDONLY).into())
        .must(Must::Done)
        .control(Control::Tightened(|container| container.proc(cofferdam::Proc::None))),
    Check::new("command_line_of_the_kernel", |_| content("/proc/cmdline"))
        .must(Must::Open("/proc/cmdline tells how the machine was started")),
    Check::new("identity_of_the_boot", |a| {
        Answer::seen(fs::read_to_string("/proc/sys/kernel/random/boot_id").is_ok_and(|id| id.trim() == a[0]))
    })
    .scene(|_| {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(|error| error.to_string())?;
        Ok(Scene::new().arg(id.trim()))
    })
    .must(Must::Open("/proc tells which machine it is, and since when it runs")),
    Check::new("path_of_the_control_group", |_| {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Answer::seen(groups.lines().any(|line| !line.ends_with(":/")))
    })
    .with(|container| container.accounting(true))
    .hidden()
    .control(Control::Loosened(|container| container.accounting(true).share(cofferdam::Namespaces::CGROUP)))
    .scene(with_groups),
    Check::new("mount_paths_of_the_host", |_| {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let of_the_host = ["/home", "/root", "/mnt", "/boot", "/sys", "/media", "/run", "/var"];
        let shows = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            !line.contains(" - proc ")
                && fields[3..5].iter().any(|path| of_the_host.iter().any(|known| path.starts_with(known)))
        };
        Answer::seen(mounts.lines().any(shows))
    })
    .hidden()
    .without_binds(),
    Check::new("source_of_a_bind", |a| {
        Answer::seen(fs::read_to_string("/proc/self/mountinfo").is_ok_and(|text| text.contains(&a[0])))
    })
    .scene(bound_directory)
    .must(Must::Open("the kernel says where in its file system a mount begins"))
    .without_binds(),
];

fn as_root_of_the_host(container: Container) -> Container {
    container
        .user(0, 0)
        .id_mapping(IdMapping::Host { uid: 0, gid: 0 })
        .capabilities(Capabilities::DAC_OVERRIDE)
}

fn as_root_if_root(container: Container) -> Container {
    if crate::check::is_root() { as_root_of_the_host(container) } else { container }
}

/// Whether a file has any content.
fn content(path: &str) -> Answer {
    let fd = match open(path, libc::O_RDONLY | libc::O_NONBLOCK) {
        Ok(fd) => fd as usize,
        Err(errno) => return Answer::Refused(errno),
    };
    let mut buffer = [0u8; 64];
    match call(libc::SYS_read, &[fd, crate::sys::at_mut(&mut buffer), buffer.len()]) {
        Ok(length) => Answer::seen(length > 0),
        // There is something, of which nothing is new.
        Err(libc::EAGAIN) => Answer::Done,
        Err(errno) => Answer::Refused(errno),
    }
}

/// Whether a directory has any entry.
fn entries(path: &str) -> Answer {
    match fs::read_dir(path) {
        Ok(mut entries) => Answer::seen(entries.next().is_some()),
        Err(error) => Answer::Refused(error.raw_os_error().unwrap_or(0)),
    }
}

/// Whether any file below a directory can be opened for writing.
fn writable_below(directory: &str) -> Answer {
    fn any(directory: &std::path::Path) -> bool {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => any(&path),
                Ok(kind) if kind.is_file() => open(&path.display().to_string(), libc::O_WRONLY).is_ok(),
                _ => false,
            }
        })
    }
    Answer::seen(any(directory.as_ref()))
}

/// Only where there are groups for this user.
fn with_groups(_: &Place) -> Result<Scene, String> {
    let trial = Container::new().command("/bin/true").accounting(true).status();
    trial.map(|_| Scene::new()).map_err(|_| "control groups for this user".into())
}

fn bound_directory(_: &Place) -> Result<Scene, String> {
    let directory = open_directory();
    let inner = directory.path().join("telling-name");
    fs::create_dir(&inner).map_err(|error| error.to_string())?;
    set_mode(&inner, 0o755);
    let scene = Scene::new().arg("telling-name").keep(directory);
    Ok(scene.container(move |container| container.bind_read_only(&inner, "/box")))
}
