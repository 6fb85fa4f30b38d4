//! Device nodes: a documented few, and none can be made.
//!
//! The rule: `/dev` is made of the few that tell nothing about the machine, bound one by one; every other mount
//! of the container ignores device nodes, and `mknod` needs a capability of the machine.

use std::fs;

use cofferdam::Bind;
use libc::{EACCES, ENOENT, EPERM};

use crate::check::{Answer, Check, Control, Must, Scene};
use crate::namespaces::root_of_its_own;
use crate::scenes::open_directory;
use crate::sys::{call, call_at, open};

/// A node of the host that must not be there.
macro_rules! absent {
    ($name:literal, $path:literal) => {
        Check::new($name, |_| open($path, libc::O_PATH).into())
            .refused(&[ENOENT])
            .lacking(&[(ENOENT, concat!("a node ", $path))])
    };
}

/// A node that must work, as long as there is a `/dev`.
macro_rules! works {
    ($name:literal, $path:literal, $flags:expr) => {
        Check::new($name, |_| open($path, $flags).into())
            .must(Must::Done)
            .control(Control::Tightened(|container| container.dev(false)))
    };
}

const DEV: [&str; 14] = [
    "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
    "urandom", "zero",
];

pub const CHECKS: &[Check] = &[
    absent!("memory", "/dev/mem"),
    absent!("kernel_log", "/dev/kmsg"),
    absent!("virtual_machines", "/dev/kvm"),
    absent!("user_space_file_systems", "/dev/fuse"),
    absent!("loop_control", "/dev/loop-control"),
    absent!("loop_device", "/dev/loop0"),
    absent!("first_disk", "/dev/vda"),
    absent!("other_disk", "/dev/nvme0n1"),
    absent!("tunnels", "/dev/net/tun"),
    absent!("page_faults", "/dev/userfaultfd"),
    absent!("serial_line", "/dev/ttyS0"),
    absent!("console", "/dev/console"),
    absent!("first_virtual_console", "/dev/tty1"),
    absent!("screen_content", "/dev/vcs"),
    absent!("sockets_of_virtual_machines", "/dev/vsock"),
    absent!("hardware_random_numbers", "/dev/hwrng"),
    absent!("cpu_latency", "/dev/cpu_dma_latency"),
    absent!("memory_disk", "/dev/zram0"),
    absent!("ports", "/dev/port"),
    absent!("file_systems_control", "/dev/btrfs-control"),
    Check::new("anything_else", |_| {
        let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
        Answer::seen(entries.into_iter().any(|entry| !DEV.iter().any(|known| entry.file_name() == *known)))
    })
    .hidden(),
    Check::new("node_made_in_tmp", |_| make_node("/tmp/null"))
        .with(root_of_its_own)
        .needs_root("nobody else may make one outside"),
    Check::new("node_made_by_the_workload", |_| make_node("/tmp/null"))
        .needs_root("nobody else may make one outside"),
    Check::new("node_made_in_shared_memory", |_| make_node("/dev/shm/null-made"))
        .with(root_of_its_own)
        .needs_root("nobody else may make one outside"),
    Check::new("node_of_a_bind", |_| open("/host-dev/null", libc::O_RDWR).into())
        .scene(|_| Ok(Scene::new().container(|container| container.bind_read_only("/dev", "/host-dev"))))
        .refused(&[EACCES])
        .control(Control::Loosened(|container| {
            container.bind(Bind::read_only("/dev", "/host-dev").allow_devices())
        })),
    Check::new("node_of_the_host_in_a_writable_bind", |a| open(&a[0], libc::O_RDWR).into())
        .scene(|place| {
            let directory = open_directory();
            let path = directory.path().join("null");
            let name = path.display().to_string();
            let node = [(libc::S_IFCHR | 0o666) as usize, libc::makedev(1, 3) as usize];
            call_at(libc::SYS_mknodat, &name, &node).map_err(|errno| format!("device nodes: {errno}"))?;
            crate::scenes::set_mode(&path, 0o666);
            let seen = if place.is_control() { name } else { "/box/null".into() };
            let bound = directory.path().to_owned();
            let scene = Scene::new().arg(seen).keep(directory);
            Ok(scene.container(move |container| container.bind_writable(&bound, "/box")))
        })
        .refused(&[EACCES])
        .needs_root("nobody else may make one outside"),
    Check::new("mode_of_a_shared_node", |_| call_at(libc::SYS_fchmodat, "/dev/null", &[0o666]).into())
        .refused(&[EPERM, libc::EROFS])
        .needs_root("the node is root's"),
    Check::new("mode_of_a_shared_node_as_root_of_the_host", |_| {
        call_at(libc::SYS_fchmodat, "/dev/null", &[0o666]).into()
    })
    .with(|container| container.user(0, 0).id_mapping(cofferdam::IdMapping::Host { uid: 0, gid: 0 }))
    .refused(&[EPERM, libc::EROFS])
    .needs_root("the node is root's"),
    works!("null_works", "/dev/null", libc::O_RDWR),
    works!("zero_works", "/dev/zero", libc::O_RDWR),
    works!("full_works", "/dev/full", libc::O_RDWR),
    works!("random_works", "/dev/random", libc::O_RDONLY),
    works!("urandom_works", "/dev/urandom", libc::O_RDONLY),
    works!("new_terminals_work", "/dev/ptmx", libc::O_RDWR | libc::O_NOCTTY),
    Check::new("port_of_the_machine", |_| {
        #[cfg(target_arch = "x86_64")]
        let outcome = call(libc::SYS_ioperm, &[0x80, 1, 1]);
        #[cfg(not(target_arch = "x86_64"))]
        let outcome = Err::<i64, i32>(libc::ENOSYS);
        outcome.into()
    })
    .lacking(&[(libc::ENOSYS, "ports of the machine")])
    .needs_root("nobody else may use them outside"),
    Check::new("level_of_the_machine", |_| {
        #[cfg(target_arch = "x86_64")]
        let outcome = call(libc::SYS_iopl, &[3]);
        #[cfg(not(target_arch = "x86_64"))]
        let outcome = Err::<i64, i32>(libc::ENOSYS);
        outcome.into()
    })
    .lacking(&[(libc::ENOSYS, "ports of the machine")])
    .needs_root("nobody else may use them outside"),
];

/// Makes a node like `/dev/null`, which it removes.
fn make_node(path: &str) -> Answer {
    // Outside too, where no other process makes this one at the same time.
    let path = format!("{path}-{}", std::process::id());
    let node = [(libc::S_IFCHR | 0o666) as usize, libc::makedev(1, 3) as usize];
    let made = call_at(libc::SYS_mknodat, &path, &node);
    if made.is_ok() {
        let _ = call_at(libc::SYS_unlinkat, &path, &[0]);
    }
    made.into()
}
