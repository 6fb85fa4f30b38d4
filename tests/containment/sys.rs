//! System calls as a hostile program makes them: by number, past the C library and what it checks. The only
//! unsafe code of this test.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// What the kernel answered: a value, or an errno.
pub type Outcome = Result<i64, i32>;

/// Makes a system call. Addresses among the arguments are those of [`at`] and [`at_mut`], or of nothing.
pub fn call(number: i64, arguments: &[usize]) -> Outcome {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: the kernel writes only where an argument points. Callers pass addresses of values that live
    // until the call has returned and are as large as the call has it, or addresses that nothing is mapped at.
    let answer = unsafe {
        libc::syscall(number, argument(0), argument(1), argument(2), argument(3), argument(4), argument(5))
    };
    if answer == -1 { Err(errno()) } else { Ok(answer) }
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// The address of a value that a call reads.
pub fn at<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>() as usize
}

/// The address of a value that a call writes.
pub fn at_mut<T: ?Sized>(value: &mut T) -> usize {
    std::ptr::from_mut(value).cast::<u8>() as usize
}

/// A string for the kernel, which must not hold a zero byte.
pub fn c(text: &str) -> CString {
    CString::new(text).expect("no zero byte")
}

/// openat(2), from the working directory.
pub fn open(path: &str, flags: i32) -> Outcome {
    open_at(libc::AT_FDCWD, path, flags)
}

/// openat(2) with the mode of a file that everybody may read and write.
pub fn open_at(directory: i32, path: &str, flags: i32) -> Outcome {
    let path = c(path);
    let flags = (flags | libc::O_CLOEXEC) as usize;
    call(libc::SYS_openat, &[directory as usize, path.as_ptr() as usize, flags, 0o666])
}

/// A system call that takes a path as its first argument.
pub fn call_path(number: i64, path: &str, rest: &[usize]) -> Outcome {
    let path = c(path);
    call(number, &[&[path.as_ptr() as usize], rest].concat())
}

/// A system call that takes a directory and a path below it, as those whose names end with `at`.
pub fn call_at(number: i64, path: &str, rest: &[usize]) -> Outcome {
    let path = c(path);
    call(number, &[&[libc::AT_FDCWD as usize, path.as_ptr() as usize], rest].concat())
}

/// A descriptor that the kernel has just given, to be closed with its owner.
pub fn owned(fd: i64) -> OwnedFd {
    // SAFETY: it comes from a call that made it, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// Runs code in a child, and waits for its end; the status as waitpid(2) has it. For programs with one thread.
pub fn in_child(code: impl FnOnce() -> i32) -> Outcome {
    // SAFETY: this process has one thread, so the child may do whatever it could.
    match unsafe { libc::fork() } {
        -1 => Err(errno()),
        0 => {
            let status = code();
            // SAFETY: ends the process.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = 0;
            call(libc::SYS_wait4, &[child as usize, at_mut(&mut status)]).map(|_| i64::from(status))
        }
    }
}

/// An open terminal pair: its controlling side, and the other one with its path.
pub fn terminal() -> Result<(OwnedFd, OwnedFd, String), i32> {
    let flags = libc::O_RDWR | libc::O_NOCTTY;
    let master = open("/dev/ptmx", flags)?;
    let (mut number, unlocked) = (0u32, 0u32);
    call(libc::SYS_ioctl, &[master as usize, libc::TIOCSPTLCK as usize, at(&unlocked)])?;
    call(libc::SYS_ioctl, &[master as usize, libc::TIOCGPTN as usize, at_mut(&mut number)])?;
    let path = format!("/dev/pts/{number}");
    let slave = open(&path, flags)?;
    Ok((owned(master), owned(slave), path))
}

/// A system call of the 32-bit interface, getpid(2), which a 64-bit program can make, too.
#[cfg(target_arch = "x86_64")]
pub fn call_of_32_bits() -> Outcome {
    const GETPID: i64 = 20;
    let answer: i64;
    // SAFETY: getpid(2) of the 32-bit interface has no argument and writes no memory; the kernel keeps all
    // registers but those named.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("rax") GETPID => answer,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    if answer < 0 { Err(-answer as i32) } else { Ok(answer) }
}

/// What a careless host program has, for children to inherit: a variable of the environment, a signal that it
/// ignores, and one that it blocks. Before it has threads.
pub fn be_careless(variable: &str, value: &str, signal: i32, blocked: i32) {
    // SAFETY: nobody else reads the environment: there is one thread.
    unsafe { std::env::set_var(variable, value) };
    // SAFETY: it is ignored; no code runs.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
    let mask = 1u64 << (blocked - 1);
    let _ = call(libc::SYS_rt_sigprocmask, &[libc::SIG_BLOCK as usize, at(&mask), 0, 8]);
}

/// A child that does nothing until it is killed.
pub fn fork_sleeper() -> Outcome {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        -1 => Err(errno()),
        0 => loop {
            // SAFETY: it waits.
            unsafe { libc::pause() };
        },
        child => Ok(i64::from(child)),
    }
}

/// A child of this process goes on in its place; this one ends when it does, as successfully.
pub fn go_on_in_child() -> Result<(), i32> {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        -1 => Err(errno()),
        0 => Ok(()),
        child => {
            let mut status = 0;
            let _ = call(libc::SYS_wait4, &[child as usize, at_mut(&mut status)]);
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(status != 0)) }
        }
    }
}
