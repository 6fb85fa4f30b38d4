//! The bare program: what a container costs when nothing but the container is made.
//!
//! It has no plan to receive, no report to send, no paths to distrust and no errors to describe. The
//! bench writes the steps that `Container::explain` lists as straight-line calls (`PLAN`, included
//! below), each with the cheapest system calls that do it: mount(2) on paths relative to the new root
//! where the library resolves every place inside it, mknod(2) where it opens and closes. The processes
//! are as many as the library's: this one, and the one that becomes the workload. It ends with the
//! workload's exit status, or, where step N of `explain` failed, with N + 1.
#![no_std]
#![no_main]

use core::ffi::CStr;

use abi::{nr, nr_common};

#[path = "../../src/launcher/abi.rs"]
#[allow(dead_code)]
mod abi;

// `NAMESPACES`, `UID_MAP`, `GID_MAP`, `PROGRAM`, `FILTER` and `set_up`.
include!(env!("PLAN"));

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(".globl _start", "_start:", "xor ebp, ebp", "call {entry}", "ud2", entry = sym entry);
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(".globl _start", "_start:", "mov x29, 0", "mov x30, 0", "bl {entry}", "brk 1", entry = sym entry);

/// Exit status when the namespaces or their id maps cannot be had; a step fails with its number.
const NO_NAMESPACES: usize = 255;
/// Exit status when the workload cannot be started.
const NO_WORKLOAD: usize = 254;

/// A result of the kernel: negative for an error.
type Outcome = isize;

extern "C" fn entry() -> ! {
    must(NO_NAMESPACES, call(nr::UNSHARE, [NAMESPACES, 0, 0, 0, 0]));
    must(NO_NAMESPACES, write_to(c"/proc/self/setgroups", b"deny"));
    must(NO_NAMESPACES, write_to(c"/proc/self/uid_map", UID_MAP));
    must(NO_NAMESPACES, write_to(c"/proc/self/gid_map", GID_MAP));
    let pid = call(nr::CLONE, [abi::SIGCHLD as usize, 0, 0, 0, 0]);
    must(NO_WORKLOAD, pid);
    if pid == 0 {
        set_up();
        execute(PROGRAM);
    }
    exit(wait(pid as usize))
}

/// Waits for the child; its exit status, or 255 when a signal ended it.
fn wait(pid: usize) -> usize {
    let mut status = 0i32;
    must(NO_WORKLOAD, call(nr::WAIT4, [pid, &raw mut status as usize, 0, 0, 0]));
    if status & 0x7f == 0 { status as usize >> 8 } else { 255 }
}

fn execute(program: &CStr) -> ! {
    let arguments = [program.as_ptr(), core::ptr::null()];
    let environment = [core::ptr::null::<u8>()];
    call(nr::EXECVE, [text(program), arguments.as_ptr() as usize, environment.as_ptr() as usize, 0, 0]);
    exit(NO_WORKLOAD)
}

fn exit(status: usize) -> ! {
    loop {
        call(nr::EXIT_GROUP, [status, 0, 0, 0, 0]);
    }
}

/// Ends the program where something failed.
fn must(status: usize, outcome: Outcome) {
    if outcome < 0 {
        exit(status);
    }
}

/// A step of the plan that is one system call with numbers only.
fn numbers(number: usize, a: usize, b: usize) -> Outcome {
    call(number, [a, b, 0, 0, 0])
}

/// The instructions need not be aligned: the kernel copies them.
fn filter(instructions: &[u8]) -> Outcome {
    let length = (instructions.len() / size_of::<abi::SockFilter>()) as u16;
    let program = abi::SockFprog { length, filter: instructions.as_ptr() };
    call(nr::SECCOMP, [abi::SECCOMP_SET_MODE_FILTER as usize, 0, &raw const program as usize, 0, 0])
}

fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: usize, options: &CStr) -> Outcome {
    call(nr::MOUNT, [text(source), text(target), text(kind), flags, text(options)])
}

fn private_mounts() -> Outcome {
    mount(c"", c"/", c"", (abi::MS_REC | abi::MS_PRIVATE) as usize, c"")
}

/// The new root is mounted over the old one; `/..` is how a path gets from the covered root to what
/// covers it.
fn root(flags: usize, options: &CStr) -> Outcome {
    must(NO_WORKLOAD, mount(c"tmpfs", c"/", c"tmpfs", flags, options));
    call(nr::CHDIR, [text(c"/.."), 0, 0, 0, 0])
}

fn bind(source: &CStr, target: &CStr, attributes: u64) -> Outcome {
    const MS_BIND: u64 = 0x1000;
    match mount(source, target, c"", (MS_BIND | abi::MS_REC) as usize, c"") {
        0 => attribute(target, attributes, abi::AT_RECURSIVE),
        error => error,
    }
}

fn attribute(target: &CStr, attributes: u64, flags: u32) -> Outcome {
    let change = abi::MountAttr { set: attributes, clear: 0, propagation: 0, userns_fd: 0 };
    let size = size_of::<abi::MountAttr>();
    let change = &raw const change as usize;
    call(nr_common::MOUNT_SETATTR, [CWD, text(target), flags as usize, change, size])
}

fn directory(path: &CStr, mode: usize) -> Outcome {
    call(nr::MKDIRAT, [CWD, text(path), mode, 0, 0])
}

/// An empty file to bind over.
fn place(path: &CStr) -> Outcome {
    #[cfg(target_arch = "x86_64")]
    const MKNODAT: usize = 259;
    #[cfg(target_arch = "aarch64")]
    const MKNODAT: usize = 33;
    const S_IFREG: usize = 0o100_000;
    call(MKNODAT, [CWD, text(path), S_IFREG | 0o644, 0, 0])
}

fn symlink(target: &CStr, path: &CStr) -> Outcome {
    call(nr::SYMLINKAT, [text(target), CWD, text(path), 0, 0])
}

fn file(path: &CStr, mode: usize, content: &[u8]) -> Outcome {
    let flags = abi::O_CREAT | abi::O_WRONLY;
    let file = call(nr::OPENAT, [CWD, text(path), flags as usize, mode, 0]);
    write_and_close(file, content)
}

fn write_to(path: &CStr, content: &[u8]) -> Outcome {
    let file = call(nr::OPENAT, [CWD, text(path), abi::O_WRONLY as usize, 0, 0]);
    write_and_close(file, content)
}

fn write_and_close(file: Outcome, content: &[u8]) -> Outcome {
    if file < 0 {
        return file;
    }
    let written = call(nr::WRITE, [file as usize, content.as_ptr() as usize, content.len(), 0, 0]);
    call(nr::CLOSE, [file as usize, 0, 0, 0, 0]);
    written
}

fn pivot_root() -> Outcome {
    let here = text(c".");
    must(NO_WORKLOAD, call(nr::PIVOT_ROOT, [here, here, 0, 0, 0]));
    must(NO_WORKLOAD, call(nr::UMOUNT2, [here, abi::MNT_DETACH as usize, 0, 0, 0]));
    call(nr::CHDIR, [text(c"/"), 0, 0, 0, 0])
}

fn host_name(name: &CStr) -> Outcome {
    call(nr::SETHOSTNAME, [text(name), name.count_bytes(), 0, 0, 0])
}

fn loopback() -> Outcome {
    let kind = (abi::SOCK_DGRAM | abi::SOCK_CLOEXEC) as usize;
    let socket = call(nr::SOCKET, [abi::AF_INET as usize, kind, 0, 0, 0]);
    must(NO_WORKLOAD, socket);
    let mut name = [0; 16];
    (name[0], name[1]) = (b'l', b'o');
    let request = abi::IfReq { name, flags: abi::IFF_UP | abi::IFF_RUNNING, rest: [0; 22] };
    let request = &raw const request as usize;
    let outcome = call(nr::IOCTL, [socket as usize, abi::SIOCSIFFLAGS as usize, request, 0, 0]);
    call(nr::CLOSE, [socket as usize, 0, 0, 0, 0]);
    outcome
}

fn resource_limit(resource: usize, soft: u64, hard: u64) -> Outcome {
    let limit = abi::RLimit { soft, hard };
    call(nr::SETRLIMIT, [resource, &raw const limit as usize, 0, 0, 0])
}

/// Drops every capability that the kernel knows from the bounding set; beyond the last it says EINVAL.
fn empty_bounding_set() -> Outcome {
    let drop = |capability| numbers(nr::PRCTL, abi::PR_CAPBSET_DROP as usize, capability);
    (0..64).take_while(|capability| drop(*capability) == 0).count() as Outcome
}

fn no_capabilities() -> Outcome {
    let header = abi::CapHeader { version: abi::CAP_VERSION_3, pid: 0 };
    let none = [abi::CapData::default(); 2];
    call(nr::CAPSET, [&raw const header as usize, none.as_ptr() as usize, 0, 0, 0])
}

/// The current directory, which is the new root while it is filled.
const CWD: usize = abi::AT_FDCWD as usize;

fn text(value: &CStr) -> usize {
    value.as_ptr() as usize
}

/// The one door to the kernel. Five arguments are enough for every call here.
#[cfg(target_arch = "x86_64")]
fn call(number: usize, a: [usize; 5]) -> Outcome {
    let result;
    // SAFETY: the callers pass what the man page of their call asks for; every pointer among it is of a
    // value that outlives the call. The kernel clobbers rcx and r11 only. The clone shares no memory.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3], in("r8") a[4],
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    result
}

/// The one door to the kernel. Five arguments are enough for every call here.
#[cfg(target_arch = "aarch64")]
fn call(number: usize, a: [usize; 5]) -> Outcome {
    let result;
    // SAFETY: as on x86_64; the kernel preserves all registers but x0.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a[0] as isize => result,
            in("x1") a[1], in("x2") a[2], in("x3") a[3], in("x4") a[4],
            options(nostack)
        );
    }
    result
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(NO_WORKLOAD)
}

/// Compiled functions of core refer to it for unwinding, of which there is none.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
