//! The launcher's system calls, each as a function with a safe signature. The only unsafe code of the
//! launcher beside its entry point.
#![allow(unsafe_code)]

use core::ffi::CStr;
use core::ptr::{null, null_mut};
use core::sync::atomic::AtomicU64;

use super::abi::{self, nr, nr_common};

/// A kernel error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

pub type Result<T> = core::result::Result<T, Errno>;

/// A file descriptor. Closing is explicit: most live until exec or exit closes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fd(pub i32);

/// Stands for the current directory in the `*at` calls; absolute paths ignore it.
pub const CWD: Fd = Fd(abi::AT_FDCWD);

/// # Safety
/// The arguments must be what the call of this number requires; memory it writes must be writable for
/// the duration of the call and not be relied upon by safe code to stay unchanged.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn syscall(number: usize, a: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the kernel clobbers rcx and r11 only; the rest is the caller's to vouch for.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    result
}

/// # Safety
/// The arguments must be what the call of this number requires; memory it writes must be writable for
/// the duration of the call and not be relied upon by safe code to stay unchanged.
#[cfg(target_arch = "aarch64")]
#[inline]
unsafe fn syscall(number: usize, a: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the kernel preserves all registers but x0; the rest is the caller's to vouch for.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a[0] as isize => result,
            in("x1") a[1], in("x2") a[2], in("x3") a[3], in("x4") a[4], in("x5") a[5],
            options(nostack)
        );
    }
    result
}

fn check(result: isize) -> Result<usize> {
    if (-4095..0).contains(&result) { Err(Errno(-result as i32)) } else { Ok(result as usize) }
}

/// A system call with up to six arguments, as a `Result`.
macro_rules! call {
    (@six $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr $(, $rest:expr)*) => {
        [$a as usize, $b as usize, $c as usize, $d as usize, $e as usize, $f as usize]
    };
    ($number:expr $(, $argument:expr)*) => {{
        let arguments = call!(@six $($argument,)* 0, 0, 0, 0, 0, 0);
        // SAFETY: numbers are passed by value; pointers come from references that outlive the call, with
        // the lengths that belong to them. Each wrapper passes what the man page of its call asks for.
        check(unsafe { syscall($number, arguments) })
    }};
}

pub fn read(fd: Fd, buffer: &mut [u8]) -> Result<usize> {
    call!(nr::READ, fd.0, buffer.as_mut_ptr(), buffer.len())
}

/// Reads from the start of a file, wherever its offset is.
pub fn read_from_start(fd: Fd, buffer: &mut [u8]) -> Result<usize> {
    call!(nr::PREAD64, fd.0, buffer.as_mut_ptr(), buffer.len(), 0)
}

pub fn write(fd: Fd, bytes: &[u8]) -> Result<usize> {
    call!(nr::WRITE, fd.0, bytes.as_ptr(), bytes.len())
}

/// Writes to the start of a file, wherever its offset is.
pub fn write_to_start(fd: Fd, bytes: &[u8]) -> Result<usize> {
    call!(nr::PWRITE64, fd.0, bytes.as_ptr(), bytes.len(), 0)
}

/// Writes everything, also through interruptions.
pub fn write_all(fd: Fd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match write(fd, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno(abi::EINTR)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Copies a whole file with sendfile(2), not through this process's memory. Where its offset is does not count, and
/// does not change.
pub fn copy_file(from: Fd, to: Fd) -> Result<()> {
    let mut offset = 0i64;
    loop {
        match call!(nr::SENDFILE, to.0, from.0, &raw mut offset, 1 << 30) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno(abi::EINTR)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sets the offset of a file to its start.
pub fn rewind(fd: Fd) -> Result<()> {
    call!(nr::LSEEK, fd.0, 0, abi::SEEK_SET).map(drop)
}

pub fn close(fd: Fd) {
    close_with(fd, Pass::default());
}

pub fn close_if_any(fd: Option<Fd>) {
    if let Some(fd) = fd {
        close(fd);
    }
}

pub fn close_with(fd: Fd, Pass([a, b, c]): Pass) {
    let _ = call!(nr::CLOSE, fd.0, 0, 0, a, b, c);
}

/// Closes all descriptors from `first` to `last`.
pub fn close_range(first: u32, last: u32) -> Result<()> {
    call!(nr_common::CLOSE_RANGE, first, last, 0).map(drop)
}

pub fn openat(dir: Fd, path: &CStr, flags: i32, mode: u32) -> Result<Fd> {
    call!(nr::OPENAT, dir.0, path.as_ptr(), flags | abi::O_CLOEXEC, mode).map(fd)
}

/// Opens a path as seen from `root`: neither `..` nor a symbolic link leads out of it.
pub fn open_in_root(root: Fd, path: &CStr, flags: i32) -> Result<Fd> {
    let how = abi::OpenHow {
        flags: (flags | abi::O_CLOEXEC) as u64,
        mode: 0,
        resolve: abi::RESOLVE_IN_ROOT | abi::RESOLVE_NO_MAGICLINKS,
    };
    call!(nr_common::OPENAT2, root.0, path.as_ptr(), &raw const how, size_of::<abi::OpenHow>()).map(fd)
}

fn fd(number: usize) -> Fd {
    Fd(number as i32)
}

pub fn fstat(fd: Fd) -> Result<abi::Stat> {
    let mut stat = abi::Stat::default();
    call!(nr::FSTAT, fd.0, &raw mut stat)?;
    Ok(stat)
}

/// Whether the file system itself is read-only, not only the mount.
pub fn is_read_only(fd: Fd) -> Result<bool> {
    let mut status = abi::Statfs::default();
    call!(nr::FSTATFS, fd.0, &raw mut status)?;
    Ok(status.flags & abi::ST_RDONLY != 0)
}

/// When a file was last read, written and changed, in nanoseconds as far as they go.
pub fn times(directory: Fd, path: &CStr) -> Result<[(i64, u32); 3]> {
    let mut status = abi::Statx::default();
    call!(nr::STATX, directory.0, path.as_ptr(), 0, abi::STATX_BASIC_STATS, &raw mut status)?;
    let time = |stamp: &abi::StatxTimestamp| (stamp.sec, stamp.nsec);
    Ok([time(&status.accessed), time(&status.modified), time(&status.changed)])
}

/// The size of a file.
pub fn size(file: Fd) -> Result<u64> {
    let mut status = abi::Statx::default();
    let flags = abi::AT_EMPTY_PATH;
    call!(nr::STATX, file.0, c"".as_ptr(), flags, abi::STATX_BASIC_STATS, &raw mut status)?;
    Ok(status.size)
}

/// A file of memory.
pub fn memfd(name: &CStr) -> Result<Fd> {
    call!(nr::MEMFD_CREATE, name.as_ptr(), abi::MFD_CLOEXEC).map(fd)
}

/// The number of the mount that a file lies on: statx(2), Linux 5.8.
pub fn mount_id(file: Fd) -> Result<u64> {
    let mut status = abi::Statx::default();
    let (flags, mask) = (abi::AT_EMPTY_PATH, abi::STATX_MNT_ID);
    call!(nr::STATX, file.0, c"".as_ptr(), flags, mask, &raw mut status)?;
    if status.mask & mask == 0 { Err(Errno(abi::ENOSYS)) } else { Ok(status.mount_id) }
}

pub fn fchmod(fd: Fd, mode: u32) -> Result<()> {
    call!(nr::FCHMOD, fd.0, mode).map(drop)
}

pub fn mkdirat(dir: Fd, name: &CStr, mode: u32) -> Result<()> {
    call!(nr::MKDIRAT, dir.0, name.as_ptr(), mode).map(drop)
}

/// mknodat(2) of an empty ordinary file.
pub fn mkfileat(dir: Fd, name: &CStr, mode: u32) -> Result<()> {
    call!(nr::MKNODAT, dir.0, name.as_ptr(), abi::S_IFREG | mode, 0).map(drop)
}

pub fn symlinkat(target: &CStr, dir: Fd, name: &CStr) -> Result<()> {
    call!(nr::SYMLINKAT, target.as_ptr(), dir.0, name.as_ptr()).map(drop)
}

pub fn unlinkat(dir: Fd, name: &CStr) -> Result<()> {
    call!(nr::UNLINKAT, dir.0, name.as_ptr(), 0).map(drop)
}

pub fn chdir(path: &CStr) -> Result<()> {
    chdir_with(path, Pass::default())
}

pub fn chdir_with(path: &CStr, Pass([a, b, c]): Pass) -> Result<()> {
    call!(nr::CHDIR, path.as_ptr(), 0, 0, a, b, c).map(drop)
}

pub fn fchdir(fd: Fd) -> Result<()> {
    call!(nr::FCHDIR, fd.0).map(drop)
}

pub fn chroot(path: &CStr) -> Result<()> {
    call!(nr::CHROOT, path.as_ptr()).map(drop)
}

pub fn pivot_root(new: &CStr, old: &CStr) -> Result<()> {
    call!(nr::PIVOT_ROOT, new.as_ptr(), old.as_ptr()).map(drop)
}

pub fn umount_detach(path: &CStr) -> Result<()> {
    call!(nr::UMOUNT2, path.as_ptr(), abi::MNT_DETACH).map(drop)
}

/// Detaches what is mounted at a path; nothing need be.
pub fn unmount_if_mounted(path: &CStr) -> Result<()> {
    match call!(nr::UMOUNT2, path.as_ptr(), abi::MNT_DETACH | abi::UMOUNT_NOFOLLOW) {
        Err(Errno(abi::EINVAL)) => Ok(()),
        result => result.map(drop),
    }
}

/// mount(2) that changes no option of a file system; the kernel forgets what has been looked up in it.
pub fn remount(path: &CStr, flags: u64) -> Result<()> {
    let flags = flags | abi::MS_REMOUNT;
    call!(nr::MOUNT, null::<u8>(), path.as_ptr(), null::<u8>(), flags, null::<u8>()).map(drop)
}

/// mount(2) that changes the propagation of `/` and all below it to private.
pub fn make_mounts_private() -> Result<()> {
    let flags = abi::MS_REC | abi::MS_PRIVATE;
    call!(nr::MOUNT, null::<u8>(), c"/".as_ptr(), null::<u8>(), flags, null::<u8>()).map(drop)
}

/// mount(2) of a new file system.
pub fn mount(kind: &CStr, target: &CStr, options: &CStr) -> Result<()> {
    call!(nr::MOUNT, kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr()).map(drop)
}

/// A detached copy of the mount at a path, with all mounts below it.
pub fn clone_tree(dir: Fd, path: &CStr) -> Result<Fd> {
    let flags = abi::OPEN_TREE_CLONE | abi::OPEN_TREE_CLOEXEC | abi::AT_RECURSIVE | abi::AT_EMPTY_PATH;
    call!(nr_common::OPEN_TREE, dir.0, path.as_ptr(), flags).map(fd)
}

/// Attaches a detached or attached mount at an opened place.
pub fn move_mount(tree: Fd, target_dir: Fd, target: &CStr) -> Result<()> {
    let flags = abi::MOVE_MOUNT_F_EMPTY_PATH | abi::MOVE_MOUNT_T_EMPTY_PATH;
    call!(nr_common::MOVE_MOUNT, tree.0, c"".as_ptr(), target_dir.0, target.as_ptr(), flags).map(drop)
}

pub fn fsopen(kind: &CStr) -> Result<Fd> {
    call!(nr_common::FSOPEN, kind.as_ptr(), abi::FSOPEN_CLOEXEC).map(fd)
}

pub fn fsconfig_string(context: Fd, key: &CStr, value: &CStr) -> Result<()> {
    let set = abi::FSCONFIG_SET_STRING;
    call!(nr_common::FSCONFIG, context.0, set, key.as_ptr(), value.as_ptr(), 0).map(drop)
}

pub fn fsconfig_create(context: Fd) -> Result<()> {
    let create = abi::FSCONFIG_CMD_CREATE;
    call!(nr_common::FSCONFIG, context.0, create, null::<u8>(), null::<u8>(), 0).map(drop)
}

pub fn fsmount(context: Fd, attributes: u64) -> Result<Fd> {
    call!(nr_common::FSMOUNT, context.0, abi::FSMOUNT_CLOEXEC, attributes).map(fd)
}

/// Adds attributes to a mount and, where asked, to all below it, and cuts it off from propagation.
pub fn mount_setattr(tree: Fd, attributes: u64, recursive: bool) -> Result<()> {
    let attr = abi::MountAttr { set: attributes, clear: 0, propagation: abi::MS_PRIVATE, userns_fd: 0 };
    let flags = abi::AT_EMPTY_PATH | if recursive { abi::AT_RECURSIVE } else { 0 };
    let size = size_of::<abi::MountAttr>();
    call!(nr_common::MOUNT_SETATTR, tree.0, c"".as_ptr(), flags, &raw const attr, size).map(drop)
}

/// Gives rights below a file or directory, in a ruleset: landlock_add_rule(2), Linux 5.13.
pub fn landlock_add_path(ruleset: Fd, parent: Fd, access: u64) -> Result<()> {
    let rule = abi::LandlockPathBeneath { access, parent: parent.0 };
    let kind = abi::LANDLOCK_RULE_PATH_BENEATH;
    call!(nr_common::LANDLOCK_ADD_RULE, ruleset.0, kind, &raw const rule, 0).map(drop)
}

/// landlock_restrict_self(2), Linux 5.13.
pub fn landlock_restrict_self(ruleset: Fd) -> Result<()> {
    call!(nr_common::LANDLOCK_RESTRICT_SELF, ruleset.0, 0).map(drop)
}

pub fn unshare(kinds: u32) -> Result<()> {
    call!(nr::UNSHARE, kinds).map(drop)
}

pub fn setns(fd: Fd, kinds: u32) -> Result<()> {
    call!(nr::SETNS, fd.0, kinds).map(drop)
}

pub fn sethostname(name: &CStr) -> Result<()> {
    call!(nr::SETHOSTNAME, name.as_ptr(), name.to_bytes().len()).map(drop)
}

/// Which side of a fork this is.
pub enum Fork {
    Child,
    Parent,
}

/// Forks. The child gets a copy of all memory.
pub fn fork() -> Result<Fork> {
    // Without CLONE_VM the child runs on its own copy of this very stack, as after fork(2).
    match call!(nr::CLONE, abi::SIGCHLD, 0, null_mut::<u8>(), 0, 0)? {
        0 => Ok(Fork::Child),
        _ => Ok(Fork::Parent),
    }
}

/// A process made by [`spawn`].
#[derive(Clone, Copy)]
pub struct Spawned {
    pub pid: i32,
    pub pidfd: Fd,
}

/// How a process is made by [`spawn`].
#[derive(Clone, Copy)]
pub struct How {
    /// It works on this process's memory, which spares the copying.
    pub share: bool,
    /// The cgroup (v2) that it is created in: clone3(2), Linux 5.7.
    pub cgroup: Option<Fd>,
    /// This process sleeps until the new one has called exec or has ended.
    pub wait: bool,
}

/// Memory on which one process after another begins: its argument, room for what it reads, and its stack.
pub struct Ground {
    address: *mut u8,
    length: usize,
    /// The process that may still be using it.
    tenant: Option<i32>,
}

impl Ground {
    /// Bytes of stack. Above and below lie other parts of the same mapping; the steps need a tenth of it.
    const STACK: usize = 64 << 10;

    /// Ground with this much room.
    pub fn new(room: usize) -> Result<Self> {
        let length = Self::ARGUMENT + room + Self::STACK;
        let length = length.checked_next_multiple_of(4096).ok_or(Errno(abi::EINVAL))?;
        Ok(Ground { address: map(length, abi::MAP_PRIVATE | abi::MAP_NORESERVE)?, length, tenant: None })
    }

    /// Bytes for the argument of the process.
    const ARGUMENT: usize = 4096;

    /// Notes that a process was reaped.
    pub fn forget(&mut self, reaped: &Reaped) {
        if self.tenant == Some(reaped.pid) {
            self.tenant = None;
        }
    }

    /// Notes that its process has called exec, as the end of a descriptor shows that is closed by it.
    pub fn tenant_has_left(&mut self) {
        self.tenant = None;
    }

    /// Gives back the memory of the room; it is zeroed when it is used again.
    pub fn clear(&self) {
        if self.tenant.is_none() {
            let _ = call!(nr::MADVISE, self.address, self.length, abi::MADV_DONTNEED);
        }
    }
}

/// Runs `entry` in a new process, on the ground given, with what `make` makes of the room on it.
pub fn spawn<T, E: From<Errno>>(
    how: How,
    ground: &mut Ground,
    entry: extern "C" fn(&'static mut T) -> !,
    make: impl FnOnce(&'static mut [u8]) -> core::result::Result<T, E>,
) -> core::result::Result<Spawned, E> {
    const { assert!(size_of::<T>() <= Ground::ARGUMENT && align_of::<T>() <= 4096) }
    if ground.tenant.is_some() {
        return Err(Errno(abi::EAGAIN).into());
    }
    let room = ground.length - Ground::ARGUMENT - Ground::STACK;
    // SAFETY: the ground is a mapping of this length that is never unmapped, and has no tenant: the process that
    // had these references before was reaped or has called exec, or worked on a copy.
    let (place, room, stack) = unsafe {
        let room_start = ground.address.add(Ground::ARGUMENT);
        let stack_start = room_start.add(room);
        (
            ground.address.cast::<T>(),
            core::slice::from_raw_parts_mut(room_start, room),
            core::slice::from_raw_parts_mut(stack_start, Ground::STACK),
        )
    };
    let value = make(room)?;
    // SAFETY: the start of the ground is aligned to a page and large enough, and nobody else's.
    let argument = unsafe {
        place.write(value);
        &mut *place
    };
    let spawned = clone_process(how, stack, entry, argument)?;
    // Who waited knows that it has called exec or ended, and a process that does not share works on a copy.
    ground.tenant = (!how.wait && how.share).then_some(spawned.pid);
    Ok(spawned)
}

/// Creates the process of [`spawn`].
fn clone_process<T>(
    how: How,
    stack: &'static mut [u8],
    entry: extern "C" fn(&'static mut T) -> !,
    argument: &'static mut T,
) -> Result<Spawned> {
    let mut flags = abi::CLONE_PIDFD;
    if how.share {
        flags |= abi::CLONE_VM;
    }
    if how.wait {
        flags |= abi::CLONE_VFORK;
    }
    let (entry, argument) = (entry as usize, argument as *mut T);
    let mut pidfd = -1;
    // SAFETY: the stack is memory of its own, and its end is aligned: a mapping, or cut to a multiple of 16.
    // `entry` never returns and gets the only reference to `argument`. On shared memory the child works on
    // nothing but its stack, its argument and the room in it, atomics, and the plan, which nobody changes; so this
    // process may go on meanwhile.
    let result = unsafe {
        match how.cgroup {
            None => {
                let top = stack.as_mut_ptr_range().end as usize & !15;
                let flags = flags | abi::SIGCHLD as u64;
                let arguments = [flags as usize, top, &raw mut pidfd as usize];
                clone_and_call(&Clone { number: nr::CLONE, arguments, entry, argument })
            }
            Some(cgroup) => {
                let request = abi::CloneArgs {
                    flags: flags | abi::CLONE_INTO_CGROUP,
                    pidfd: &raw mut pidfd as u64,
                    exit_signal: abi::SIGCHLD as u64,
                    stack: stack.as_mut_ptr() as u64,
                    stack_size: stack.len() as u64 & !15,
                    cgroup: cgroup.0 as u64,
                    ..abi::CloneArgs::default()
                };
                let arguments = [&raw const request as usize, size_of::<abi::CloneArgs>(), 0];
                clone_and_call(&Clone { number: nr_common::CLONE3, arguments, entry, argument })
            }
        }
    };
    Ok(Spawned { pid: check(result)? as i32, pidfd: Fd(pidfd) })
}

/// The arguments of [`clone_and_call`].
struct Clone<T> {
    /// That of clone(2) or of clone3(2).
    number: usize,
    arguments: [usize; 3],
    entry: usize,
    argument: *mut T,
}

/// # Safety
/// The arguments must name a stack that nobody uses, with an aligned end; `entry` must be a function that takes
/// `argument` and never returns; and with CLONE_VM in the flags the child must keep to memory of its own.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_and_call<T>(call: &Clone<T>) -> isize {
    let result: isize;
    let [first, second, third] = call.arguments;
    // SAFETY: the child, which starts with a copy of the registers and the new stack, calls `entry` at once;
    // the parent goes on as after any system call.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") call.number as isize => result,
            in("rdi") first, in("rsi") second, in("rdx") third, in("r10") 0, in("r8") 0,
            in("r12") call.argument, in("r13") call.entry,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// # Safety
/// As on the other architecture.
#[cfg(target_arch = "aarch64")]
unsafe fn clone_and_call<T>(call: &Clone<T>) -> isize {
    let result: isize;
    let [first, second, third] = call.arguments;
    // SAFETY: as on the other architecture.
    unsafe {
        core::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, 0",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            in("x8") call.number,
            inlateout("x0") first => result,
            in("x1") second, in("x2") third, in("x3") 0, in("x4") 0,
            in("x20") call.argument, in("x21") call.entry,
            lateout("x30") _,
        );
    }
    result
}

/// A table of pointers to strings, ended by a null: what `execve` takes.
pub struct PointerTable {
    first: *const *const u8,
}

impl PointerTable {
    /// Writes the table for `count` of the strings into the memory given, and returns what is left of it.
    /// `None` where there are fewer strings, or too little memory.
    pub fn write(
        memory: &'static mut [u8],
        strings: &mut impl Iterator<Item = &'static CStr>,
        count: usize,
    ) -> Option<(PointerTable, &'static mut [u8])> {
        let bytes = count.checked_add(1)?.checked_mul(size_of::<usize>())?;
        let (table, left) = memory.split_at_mut_checked(bytes)?;
        let (pointers, null) = table.split_at_mut_checked(bytes - size_of::<usize>())?;
        for slot in pointers.chunks_exact_mut(size_of::<usize>()) {
            let slot: &mut [u8; size_of::<usize>()] = slot.try_into().ok()?;
            *slot = (strings.next()?.as_ptr() as usize).to_ne_bytes();
        }
        null.fill(0);
        Some((PointerTable { first: table.as_ptr().cast() }, left))
    }
}

/// By what a filter that denies them to the workload knows the launcher's last calls: numbers that nobody else
/// knows, in the three argument registers that these calls do not use. The program that is executed does not
/// get to see them: the kernel clears the registers.
#[derive(Clone, Copy, Default)]
pub struct Pass(pub [u64; 3]);

/// Replaces the program. Returns only the error.
pub fn execve(
    program: &CStr,
    arguments: &PointerTable,
    environment: &PointerTable,
    Pass([a, b, c]): Pass,
) -> Errno {
    match call!(nr::EXECVE, program.as_ptr(), arguments.first, environment.first, a, b, c) {
        Ok(_) => Errno(abi::EINVAL),
        Err(error) => error,
    }
}

pub fn exit(code: i32) -> ! {
    exit_with(code, Pass::default())
}

/// Should a filter forbid even that, an instruction that is none ends the process.
pub fn exit_with(code: i32, Pass([a, b, c]): Pass) -> ! {
    let _ = call!(nr::EXIT_GROUP, code, 0, 0, a, b, c);
    trap()
}

#[cfg(target_arch = "x86_64")]
fn trap() -> ! {
    // SAFETY: it raises an exception and does not go on.
    unsafe { core::arch::asm!("ud2", options(noreturn, nomem, nostack)) }
}

#[cfg(target_arch = "aarch64")]
fn trap() -> ! {
    // SAFETY: it raises an exception and does not go on.
    unsafe { core::arch::asm!("udf #0", options(noreturn, nomem, nostack)) }
}

pub fn getpid() -> i32 {
    call!(nr::GETPID).unwrap_or_default() as i32
}

pub fn kill(pid: i32, signal: i32) -> Result<()> {
    call!(nr::KILL, pid, signal).map(drop)
}

/// pidfd_send_signal(2), to the process of a pidfd or of a directory of /proc.
pub fn kill_by_fd(process: Fd, signal: i32) -> Result<()> {
    call!(nr_common::PIDFD_SEND_SIGNAL, process.0, signal, null::<u8>(), 0).map(drop)
}

/// A child that was reaped, and what it and the children it waited for have used.
pub struct Reaped {
    pub pid: i32,
    pub status: i32,
    pub usage: abi::Rusage,
}

/// wait4(2) for any child; `Ok(None)` where `block` is false and none has ended.
pub fn reap(block: bool) -> Result<Option<Reaped>> {
    let mut status = 0i32;
    let mut usage = abi::Rusage::default();
    let options = abi::WALL | if block { 0 } else { abi::WNOHANG };
    loop {
        match call!(nr::WAIT4, -1isize, &raw mut status, options, &raw mut usage) {
            Ok(0) => return Ok(None),
            Ok(pid) => return Ok(Some(Reaped { pid: pid as i32, status, usage })),
            Err(Errno(abi::EINTR)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a child has ended and waits to be reaped: waitid(2), which leaves it as it is.
pub fn has_ended(pid: i32) -> bool {
    // `siginfo_t` begins with the number of the signal, which stays 0 where nothing has ended.
    let mut information = [0i32; 32];
    let options = abi::WEXITED | abi::WNOHANG | abi::WNOWAIT;
    let waited = call!(nr::WAITID, abi::P_PID, pid, information.as_mut_ptr(), options, null_mut::<u8>());
    waited.is_ok() && information[0] != 0
}

/// What all reaped descendants have used.
pub fn usage_of_children() -> abi::Rusage {
    let mut usage = abi::Rusage::default();
    let _ = call!(nr::GETRUSAGE, abi::RUSAGE_CHILDREN as isize, &raw mut usage);
    usage
}

/// Nanoseconds of the monotonic clock.
pub fn now() -> u64 {
    now_with(Pass::default())
}

pub fn now_with(pass: Pass) -> u64 {
    clock(abi::CLOCK_MONOTONIC, pass).unwrap_or_default()
}

/// The clock from which files get their times, in seconds and nanoseconds.
pub fn clock_of_files() -> (i64, u32) {
    let mut time = abi::Timespec::default();
    let _ = call!(nr::CLOCK_GETTIME, abi::CLOCK_REALTIME_COARSE, &raw mut time);
    (time.sec, time.nsec as u32)
}

/// Nanoseconds of CPU time that this process has used.
pub fn own_cpu_time(pass: Pass) -> u64 {
    clock(abi::CLOCK_PROCESS_CPUTIME_ID, pass).unwrap_or_default()
}

/// Nanoseconds of CPU time that all threads of a process have used: clock_getcpuclockid(3).
pub fn cpu_time_of(pid: i32) -> Result<u64> {
    clock(!pid << 3 | abi::CPUCLOCK_SCHED, Pass::default())
}

fn clock(number: i32, Pass([a, b, c]): Pass) -> Result<u64> {
    let mut time = abi::Timespec::default();
    call!(nr::CLOCK_GETTIME, number as isize, &raw mut time, 0, a, b, c)?;
    Ok((time.sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.nsec as u64))
}

/// Waits for events; `None` waits without end. An interruption counts as no event.
pub fn poll(fds: &mut [abi::PollFd], timeout_ns: Option<u64>) -> Result<()> {
    match poll_call(fds, timeout_ns) {
        Ok(_) | Err(Errno(abi::EINTR)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether a descriptor has something to be read now, or has ended.
pub fn has_input(fd: Fd) -> bool {
    let mut fds = [abi::PollFd { fd: fd.0, events: abi::POLLIN, revents: 0 }];
    poll(&mut fds, Some(0)).is_ok() && fds[0].revents != 0
}

fn poll_call(fds: &mut [abi::PollFd], timeout_ns: Option<u64>) -> Result<usize> {
    let limit = timeout_ns
        .map(|ns| abi::Timespec { sec: (ns / 1_000_000_000) as i64, nsec: (ns % 1_000_000_000) as i64 });
    let limit_pointer = limit.as_ref().map_or(null(), |limit| limit as *const abi::Timespec);
    call!(nr::PPOLL, fds.as_mut_ptr(), fds.len(), limit_pointer, null::<u8>(), 0)
}

/// A descriptor that is readable while SIGCHLD is pending. The signal must be blocked.
pub fn signalfd_for_children() -> Result<Fd> {
    let set: u64 = 1 << (abi::SIGCHLD - 1);
    let flags = abi::SFD_CLOEXEC | abi::SFD_NONBLOCK;
    call!(nr::SIGNALFD4, -1isize, &raw const set, abi::SIGSET_SIZE, flags).map(fd)
}

/// Sets the mask of blocked signals.
pub fn set_signal_mask(mask: u64) -> Result<()> {
    let how = abi::SIG_SETMASK;
    call!(nr::RT_SIGPROCMASK, how, &raw const mask, null_mut::<u8>(), abi::SIGSET_SIZE).map(drop)
}

/// Takes every signal that waits for this process off it.
pub fn forget_signals() {
    let (all, at_once) = (u64::MAX, abi::Timespec::default());
    let taken =
        || call!(nr::RT_SIGTIMEDWAIT, &raw const all, null_mut::<u8>(), &raw const at_once, abi::SIGSET_SIZE);
    while taken().is_ok() {}
}

/// Sets a signal to its default action.
pub fn default_signal(signal: i32) -> Result<()> {
    let action = abi::SigAction::default();
    call!(nr::RT_SIGACTION, signal, &raw const action, null_mut::<u8>(), abi::SIGSET_SIZE).map(drop)
}

pub fn setsid() -> Result<()> {
    call!(nr::SETSID).map(drop)
}

pub fn umask(mask: u32) {
    let _ = call!(nr::UMASK, mask);
}

/// `gids` holds group ids of four bytes each.
pub fn setgroups(gids: &[u8]) -> Result<()> {
    call!(nr::SETGROUPS, gids.len() / 4, gids.as_ptr()).map(drop)
}

pub fn setresgid(gid: u32) -> Result<()> {
    call!(nr::SETRESGID, gid, gid, gid).map(drop)
}

pub fn setresuid(uid: u32) -> Result<()> {
    call!(nr::SETRESUID, uid, uid, uid).map(drop)
}

/// Makes every permitted capability effective.
pub fn raise_effective() -> Result<()> {
    change_capabilities(|half, _| half.effective = half.permitted)
}

/// Puts all capabilities but one, which may be missing too, out of force until they are raised again.
pub fn rely_on_one_capability(capability: u32) -> Result<()> {
    change_capabilities(|half, shift| {
        half.effective = half.permitted & (1u64 << capability >> shift) as u32;
        half.inheritable = 0;
    })
}

/// Calls `change` for the lower and the upper half of the sets, with the number of the half's first bit.
fn change_capabilities(change: impl Fn(&mut abi::CapData, u32)) -> Result<()> {
    let header = abi::CapHeader { version: abi::CAP_VERSION_3, pid: 0 };
    let mut data = [abi::CapData::default(); 2];
    call!(nr::CAPGET, &raw const header, &raw mut data)?;
    let [low, high] = &mut data;
    change(low, 0);
    change(high, 32);
    call!(nr::CAPSET, &raw const header, &raw const data).map(drop)
}

pub fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    let header = abi::CapHeader { version: abi::CAP_VERSION_3, pid: 0 };
    let half = |shift: u32| abi::CapData {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    call!(nr::CAPSET, &raw const header, &raw const data).map(drop)
}

/// The real user and group id.
pub fn user_and_group() -> (u32, u32) {
    let id = |number| call!(number).unwrap_or_default() as u32;
    (id(nr::GETUID), id(nr::GETGID))
}

pub fn prctl(option: i32, argument: usize) -> Result<()> {
    call!(nr::PRCTL, option, argument, 0, 0, 0).map(drop)
}

pub fn set_name(name: &CStr) {
    let _ = call!(nr::PRCTL, abi::PR_SET_NAME, name.as_ptr(), 0, 0, 0);
}

pub fn ambient(operation: i32, capability: u32) -> Result<()> {
    call!(nr::PRCTL, abi::PR_CAP_AMBIENT, operation, capability, 0, 0).map(drop)
}

pub fn personality(persona: u32) -> Result<()> {
    call!(nr::PERSONALITY, persona).map(drop)
}

/// setpriority(2) of the calling process.
pub fn set_nice(value: i32) -> Result<()> {
    call!(nr::SETPRIORITY, 0, 0, value as isize).map(drop)
}

/// The CPUs that this process may run on now; returns the length of the mask.
pub fn affinity(mask: &mut [u8]) -> Result<usize> {
    call!(nr::SCHED_GETAFFINITY, 0, mask.len(), mask.as_mut_ptr())
}

/// How this process is scheduled: sched_getattr(2).
pub fn scheduling() -> Result<abi::SchedAttr> {
    let mut attributes = abi::SchedAttr::default();
    let size = size_of::<abi::SchedAttr>();
    call!(nr::SCHED_GETATTR, 0, &raw mut attributes, size, 0)?;
    Ok(attributes)
}

/// Has this process scheduled so again, with turns of the usual length.
pub fn restore_scheduling(attributes: &abi::SchedAttr) {
    let size = size_of::<abi::SchedAttr>() as u32;
    let attributes = abi::SchedAttr { size, runtime: 0, ..*attributes };
    let _ = call!(nr::SCHED_SETATTR, 0, &raw const attributes, 0);
}

/// The class and level of this process's input and output: ioprio_get(2).
pub fn io_priority() -> usize {
    call!(nr::IOPRIO_GET, abi::IOPRIO_WHO_PROCESS, 0).unwrap_or_default()
}

/// The soft and the hard limit of a resource.
pub fn rlimit(resource: u32) -> (u64, u64) {
    let mut limit = abi::RLimit { soft: 0, hard: 0 };
    let _ = call!(nr::PRLIMIT64, 0, resource, null::<u8>(), &raw mut limit);
    (limit.soft, limit.hard)
}

/// Asks for short turns on the CPU: on Linux 6.12 and newer a process with short ones gets its turn sooner
/// when it wakes up.
pub fn ask_for_short_turns() {
    let size = size_of::<abi::SchedAttr>() as u32;
    let attributes = abi::SchedAttr { size, runtime: 100_000, ..abi::SchedAttr::default() };
    let _ = call!(nr::SCHED_SETATTR, 0, &raw const attributes, 0);
}

pub fn set_affinity(mask: &[u8]) -> Result<()> {
    call!(nr::SCHED_SETAFFINITY, 0, mask.len(), mask.as_ptr()).map(drop)
}

/// By setrlimit(2) itself, which leaves room for the pass: prlimit(2) has an argument more.
pub fn set_rlimit(resource: u32, soft: u64, hard: u64, Pass([a, b, c]): Pass) -> Result<()> {
    let limit = abi::RLimit { soft, hard };
    call!(nr::SETRLIMIT, resource, &raw const limit, 0, a, b, c).map(drop)
}

/// Puts a duplicate on a number, in place of what is there; it stays open at exec.
pub fn give_number(from: Fd, to: i32, Pass([a, b, c]): Pass) -> Result<()> {
    call!(nr::DUP3, from.0, to, 0, a, b, c).map(drop)
}

/// Puts a duplicate on a number, in place of what is there; it is closed at exec.
pub fn keep_as(from: Fd, to: i32) -> Result<Fd> {
    call!(nr::DUP3, from.0, to, abi::O_CLOEXEC).map(fd)
}

/// Duplicates a descriptor to the lowest free number from `lowest` on, closed at exec.
pub fn duplicate(from: Fd, lowest: u32) -> Result<Fd> {
    duplicate_with(from, lowest, Pass::default())
}

pub fn duplicate_with(from: Fd, lowest: u32, Pass([a, b, c]): Pass) -> Result<Fd> {
    call!(nr::FCNTL, from.0, abi::F_DUPFD_CLOEXEC, lowest, a, b, c).map(fd)
}

pub fn close_at_exec(fd: Fd) -> Result<()> {
    call!(nr::FCNTL, fd.0, abi::F_SETFD, abi::FD_CLOEXEC).map(drop)
}

pub fn inet_socket() -> Result<Fd> {
    call!(nr::SOCKET, abi::AF_INET, abi::SOCK_DGRAM | abi::SOCK_CLOEXEC, 0).map(fd)
}

/// Two sockets that are connected to each other.
pub fn socket_pair() -> Result<(Fd, Fd)> {
    let mut pair = [0i32; 2];
    call!(nr::SOCKETPAIR, abi::AF_UNIX, abi::SOCK_STREAM | abi::SOCK_CLOEXEC, 0, pair.as_mut_ptr())?;
    let [one, other] = pair;
    Ok((Fd(one), Fd(other)))
}

/// Leaves the session keyring for a new one without a name.
pub fn join_new_session_keyring() -> Result<()> {
    call!(nr::KEYCTL, abi::KEYCTL_JOIN_SESSION_KEYRING, null::<u8>()).map(drop)
}

/// Attaches a seccomp filter, given as the bytes of its instructions; returns its listener if it has one.
pub fn set_filter(program: &[u8], listener: bool) -> Result<Option<Fd>> {
    let length = (program.len() / size_of::<abi::SockFilter>()) as u16;
    let program = abi::SockFprog { length, filter: program.as_ptr() };
    let attach = |flags: u32| call!(nr::SECCOMP, abi::SECCOMP_SET_MODE_FILTER, flags, &raw const program);
    if !listener {
        return attach(0).map(|_| None);
    }
    // Once somebody has heard of a call, a signal that does not kill must not start it anew. Before Linux 5.19 the
    // kernel does not know the flag.
    let listening = abi::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    match attach(listening | abi::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno(abi::EINVAL)) => attach(listening).map(fd).map(Some),
        result => result.map(fd).map(Some),
    }
}

/// The next call that waits at a listener. None may wait any more, as its process has been killed.
pub fn receive_notification(listener: Fd) -> Result<abi::Notification> {
    let mut notification = abi::Notification::default();
    call!(nr::IOCTL, listener.0, abi::SECCOMP_IOCTL_NOTIF_RECV, &raw mut notification)?;
    Ok(notification)
}

/// Lets a call that waits be carried out.
pub fn let_go_on(listener: Fd, notification: &abi::Notification) {
    let answer = abi::NotificationAnswer {
        id: notification.id,
        flags: abi::SECCOMP_USER_NOTIF_FLAG_CONTINUE,
        ..abi::NotificationAnswer::default()
    };
    let _ = call!(nr::IOCTL, listener.0, abi::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer);
}

pub fn set_interface_flags(socket: Fd, request: &abi::IfReq) -> Result<()> {
    call!(nr::IOCTL, socket.0, abi::SIOCSIFFLAGS, request as *const abi::IfReq).map(drop)
}

/// Bytes of the header of a control message.
pub const CMSG_HEADER: usize = size_of::<abi::CmsgHdr>();

/// Room for control messages, aligned as the kernel wants them: one header and [`MAX_FDS`] descriptors.
///
/// [`MAX_FDS`]: crate::wire::MAX_FDS
#[repr(C, align(8))]
pub struct Control {
    pub bytes: [u8; 1040],
}

impl Control {
    pub fn new() -> Self {
        Control { bytes: [0; 1040] }
    }

    /// Writes a message at an offset that is a multiple of 8; returns the room it takes.
    pub fn write<const N: usize>(&mut self, offset: usize, kind: i32, values: [i32; N]) -> usize {
        let length = CMSG_HEADER + 4 * N;
        let header =
            length.to_ne_bytes().into_iter().chain(abi::SOL_SOCKET.to_ne_bytes()).chain(kind.to_ne_bytes());
        let content = header.chain(values.into_iter().flat_map(i32::to_ne_bytes));
        for (to, from) in self.bytes.iter_mut().skip(offset).zip(content) {
            *to = from;
        }
        length.next_multiple_of(8)
    }
}

fn message(iov: &mut abi::IoVec, control: &mut Control, control_length: usize) -> abi::MsgHdr {
    abi::MsgHdr {
        name: null_mut(),
        name_length: 0,
        iov,
        iov_count: 1,
        control: control.bytes.as_mut_ptr(),
        control_length,
        flags: 0,
    }
}

/// Receives exactly `buffer`, and control messages; returns the length of the latter.
pub fn receive(socket: Fd, buffer: &mut [u8], control: &mut Control) -> Result<usize> {
    receive_with(socket, buffer, control, Pass::default())
}

pub fn receive_with(
    socket: Fd,
    buffer: &mut [u8],
    control: &mut Control,
    Pass([a, b, c]): Pass,
) -> Result<usize> {
    let mut iov = abi::IoVec { base: buffer.as_mut_ptr(), length: buffer.len() };
    let mut header = message(&mut iov, control, size_of::<Control>());
    let flags = abi::MSG_CMSG_CLOEXEC | abi::MSG_WAITALL;
    let count = call!(nr::RECVMSG, socket.0, &raw mut header, flags, a, b, c)?;
    if count == buffer.len() { Ok(header.control_length) } else { Err(Errno(abi::EINVAL)) }
}

/// Sends bytes with control messages of the given length.
pub fn send(socket: Fd, bytes: &[u8], control: &mut Control, control_length: usize) -> Result<usize> {
    send_with(socket, bytes, control, control_length, Pass::default())
}

pub fn send_with(
    socket: Fd,
    bytes: &[u8],
    control: &mut Control,
    control_length: usize,
    Pass([a, b, c]): Pass,
) -> Result<usize> {
    let mut iov = abi::IoVec { base: bytes.as_ptr().cast_mut(), length: bytes.len() };
    let mut header = message(&mut iov, control, control_length);
    if control_length == 0 {
        header.control = null_mut();
    }
    call!(nr::SENDMSG, socket.0, &raw mut header, abi::MSG_NOSIGNAL, a, b, c)
}

fn map(length: usize, sharing: i32) -> Result<*mut u8> {
    let protection = abi::PROT_READ | abi::PROT_WRITE;
    let flags = sharing | abi::MAP_ANONYMOUS;
    call!(nr::MMAP, 0, length, protection, flags, -1isize, 0).map(|address| address as *mut u8)
}

/// Fresh zeroed memory that lives as long as the process.
pub fn allocate(length: usize) -> Result<&'static mut [u8]> {
    if length == 0 {
        return Ok(&mut []);
    }
    let address = map(length, abi::MAP_PRIVATE)?;
    // SAFETY: the mapping is new, zeroed, `length` bytes long, and nobody else's. It is unmapped only by
    // `release`, which takes the one reference to it.
    Ok(unsafe { core::slice::from_raw_parts_mut(address, length) })
}

/// Unmaps memory that [`allocate`] has made.
pub fn release(memory: &'static mut [u8]) {
    if !memory.is_empty() {
        let _ = call!(nr::MUNMAP, memory.as_mut_ptr(), memory.len());
    }
}

/// Moves a value into memory that lives as long as the process.
pub fn allocate_value<T>(value: T) -> Result<&'static mut T> {
    let place = map(size_of::<T>(), abi::MAP_PRIVATE)?.cast::<T>();
    // SAFETY: the mapping is new, nobody else's, never unmapped, and large enough; a page is aligned for
    // any type used here.
    unsafe {
        place.write(value);
        Ok(&mut *place)
    }
}

/// Numbers, zero at first, in memory that a forked child shares with its parent.
pub fn allocate_shared<const N: usize>() -> Result<&'static [AtomicU64; N]> {
    let address = map(size_of::<[AtomicU64; N]>(), abi::MAP_SHARED)?;
    // SAFETY: the mapping is new, zeroed, page-aligned and never unmapped; all access is atomic.
    Ok(unsafe { &*address.cast::<[AtomicU64; N]>() })
}
