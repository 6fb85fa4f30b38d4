//! The host's system calls that no crate wraps, each as a function with a safe signature. All unsafe
//! code of the parent's side is here.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int, c_void};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::ptr::{addr_of_mut, null, null_mut};
#[cfg(feature = "tokio")]
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

#[cfg(feature = "tokio")]
use ::tokio::io::{Interest, unix::AsyncFd};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::wire::{CONTROL_FD, HOST_FD};

/// The descriptors that the launcher starts with.
pub(crate) struct Inherited<'a> {
    pub launcher: BorrowedFd<'a>,
    pub control: BorrowedFd<'a>,
    /// A pidfd of this process.
    pub host: BorrowedFd<'a>,
}

/// What the child of [`clone_launcher`] needs, prepared before it exists.
struct ChildPlan {
    launcher: RawFd,
    control: RawFd,
    host: RawFd,
    /// Capabilities of the new user namespace, whose ids are not yet mapped, to keep through `execveat`.
    keep: u64,
    argv: [*const libc::c_char; 2],
    envp: [*const libc::c_char; 1],
    /// Where the child, which shares memory with its parent until exec, leaves the reason of a failure.
    errno: AtomicI32,
}

/// The processes made by [`clone_launcher`].
pub(crate) struct Launched {
    pub pid: libc::pid_t,
    pub pidfd: OwnedFd,
    /// The error of `execveat` or of what precedes it; the process has then ended.
    pub exec_error: Option<i32>,
}

/// Bytes of stack for the child, which calls a handful of system calls.
const STACK: usize = 16 << 10;

#[repr(C, align(16))]
struct Stack(MaybeUninit<[u8; STACK]>);

/// Creates a child in new namespaces and makes it the launcher. Like vfork(2), the child runs on the
/// parent's memory, so the cost does not grow with it, and this thread sleeps until the child has called
/// exec. Other threads go on. `keep` names the capabilities of a new user namespace that the launcher has.
///
/// The child starts with the parent's own table of descriptors, not with a copy, which in a host of thousands of
/// containers would have tens of thousands to copy and to close: see [`leave_the_hosts_table`].
pub(crate) fn clone_launcher(namespaces: u32, keep: u64, inherited: &Inherited<'_>) -> io::Result<Launched> {
    let mut stack = Stack(MaybeUninit::uninit());
    let mut pidfd: c_int = -1;
    let signals = BlockedSignals::new()?;
    let mut plan = ChildPlan {
        launcher: inherited.launcher.as_raw_fd(),
        control: inherited.control.as_raw_fd(),
        host: inherited.host.as_raw_fd(),
        keep,
        argv: [c"cofferdam-init".as_ptr(), null()],
        envp: [null()],
        errno: AtomicI32::new(0),
    };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::CLONE_PIDFD | libc::SIGCHLD;
    let flags = flags | namespaces as c_int;
    // SAFETY: the stack is `STACK` bytes of this frame, unused by anyone else, and the pointer is its
    // 16-byte aligned end. `plan`, `stack` and `pidfd` outlive the child's use of them: with CLONE_VFORK
    // this thread does not run before the child has called exec or exited. All signals are blocked, so
    // no handler of the host runs in the child. `child` itself meets the contract of a vfork child.
    let pid = unsafe {
        let top = addr_of_mut!(stack).cast::<u8>().add(STACK).cast::<c_void>();
        libc::clone(child, top, flags, addr_of_mut!(plan).cast(), addr_of_mut!(pidfd))
    };
    let error = io::Error::last_os_error();
    drop(signals);
    if pid < 0 {
        return Err(error);
    }
    // SAFETY: clone succeeded with CLONE_PIDFD, so `pidfd` is a new descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let exec_error = Some(plan.errno.load(Relaxed)).filter(|errno| *errno != 0);
    Ok(Launched { pid, pidfd, exec_error })
}

/// The child until exec. It shares the host's memory: no allocation, no locks, no change but to `errno`
/// of its plan; system calls only.
extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `clone_launcher` passes a pointer to its `ChildPlan`, alive until this process has called
    // exec or exited; the parent's thread sleeps, so there is no other access.
    let plan = unsafe { &*argument.cast::<ChildPlan>() };
    if plan.keep != 0 {
        keep_capabilities(plan.keep);
    }
    // SAFETY: plain system calls on numbers and on pointers from the plan; argv and envp end with null.
    // A failing `_exit` cannot happen.
    unsafe {
        let alone = leave_the_hosts_table(plan.launcher.max(plan.control).max(plan.host));
        // Out of the way of the two numbers first; before that nothing may be opened or closed.
        let lift = |fd| if alone { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, HOST_FD + 1) } else { -1 };
        let (launcher, control, host) = (lift(plan.launcher), lift(plan.control), lift(plan.host));
        let lifted = launcher >= 0 && control >= 0 && host >= 0;
        if lifted && libc::dup3(control, CONTROL_FD, 0) >= 0 && libc::dup3(host, HOST_FD, 0) >= 0 {
            let (path, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
            let (argv, envp) = (plan.argv.as_ptr(), plan.envp.as_ptr());
            libc::syscall(libc::SYS_execveat, launcher, path, argv, envp, flags);
        }
        plan.errno.store(*libc::__errno_location(), Relaxed);
        libc::_exit(127)
    }
}

/// Gives the child a table of descriptors of its own, which has those up to a number only: the kernel does not even
/// copy the others. See close_range(2), Linux 5.9, which the launcher needs too.
fn leave_the_hosts_table(last: RawFd) -> bool {
    let first = last as u32 + 1;
    // SAFETY: numbers only.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_UNSHARE) == 0 }
}

/// Puts all capabilities into the inheritable and ambient sets: the process is unmapped and so not root
/// inside, and only ambient capabilities survive its exec. A failure shows when the launcher lacks them.
fn keep_capabilities(keep: u64) {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let (low, high) = (keep as u32, (keep >> 32) as u32);
    let data = [u32::MAX, u32::MAX, low, u32::MAX, u32::MAX, high];
    // SAFETY: header and data have the layout of capset(2) version 3, two sets of three words.
    unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    for capability in (0..64).filter(|bit| keep >> bit & 1 == 1) {
        // SAFETY: prctl with numbers only.
        let result =
            unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0) };
        if result != 0 {
            break;
        }
    }
}

/// While it lives, the thread's signals are blocked; then the mask is what it was.
struct BlockedSignals {
    before: u64,
}

impl BlockedSignals {
    fn new() -> io::Result<Self> {
        let mut before = 0;
        set_signal_mask(u64::MAX, Some(&mut before))?;
        Ok(BlockedSignals { before })
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        let _ = set_signal_mask(self.before, None);
    }
}

/// While it lives, a write of this thread to a pipe that nobody reads is an error and nothing else, whatever the
/// host program does about SIGPIPE. Such a signal goes to the thread that writes, and stays with it.
pub(crate) struct BrokenPipesAreErrors {
    before: u64,
    /// One had been sent already, and is the host program's.
    was_pending: bool,
}

static SIGPIPE: u64 = 1 << (libc::SIGPIPE - 1);

impl BrokenPipesAreErrors {
    pub fn new() -> io::Result<Self> {
        let (mut before, mut pending) = (0, 0u64);
        change_signal_mask(libc::SIG_BLOCK, SIGPIPE, Some(&mut before))?;
        // SAFETY: the pointer is to a signal set of the size that is given.
        check(unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut pending, size_of::<u64>()) })?;
        Ok(BrokenPipesAreErrors { before, was_pending: pending & SIGPIPE != 0 })
    }
}

impl Drop for BrokenPipesAreErrors {
    fn drop(&mut self) {
        if !self.was_pending {
            let (no_time, size) = (libc::timespec { tv_sec: 0, tv_nsec: 0 }, size_of::<u64>());
            let nothing = null_mut::<libc::siginfo_t>();
            // SAFETY: pointers to a signal set of the size that is given and to a time, and null where siginfo is
            // optional. Without a signal it fails with EAGAIN, at once.
            unsafe {
                libc::syscall(
                    libc::SYS_rt_sigtimedwait,
                    &raw const SIGPIPE,
                    nothing,
                    &raw const no_time,
                    size,
                )
            };
        }
        let _ = set_signal_mask(self.before, None);
    }
}

fn set_signal_mask(mask: u64, before: Option<&mut u64>) -> io::Result<()> {
    change_signal_mask(libc::SIG_SETMASK, mask, before)
}

/// rt_sigprocmask(2) itself: the C library's function leaves its own two signals unblocked.
fn change_signal_mask(how: c_int, mask: u64, before: Option<&mut u64>) -> io::Result<()> {
    let before = before.map_or(null_mut(), |before| before as *mut u64);
    // SAFETY: both pointers are to signal sets of the kernel's eight bytes, or null for no output.
    let result =
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const mask, before, size_of::<u64>()) };
    check(result).map(drop)
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn new_fd(result: libc::c_long) -> io::Result<OwnedFd> {
    // SAFETY: the callers pass the result of a call that returns a new descriptor.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// How many bytes a pipe holds: see ioctl_fionread(2).
pub(crate) fn readable(pipe: BorrowedFd<'_>) -> io::Result<u64> {
    let mut count: c_int = 0;
    // SAFETY: the call writes one int through the pointer.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    check(libc::c_long::from(result)).map(|_| count as u64)
}

/// A pidfd of this process.
pub(crate) fn own_pidfd() -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    new_fd(unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) })
}

/// Sends a signal to the very process that the pidfd was made for.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: c_int) -> io::Result<()> {
    // SAFETY: numbers, and a null pointer where siginfo is optional.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, null::<libc::siginfo_t>(), 0)
    };
    check(result).map(drop)
}

/// A detached copy of the mount at a path, with all mounts below it.
pub(crate) fn clone_tree(path: &Path) -> io::Result<OwnedFd> {
    use std::os::unix::ffi::OsStrExt;
    let path = CString::new(path.as_os_str().as_bytes())?;
    open_tree(libc::AT_FDCWD, &path, 0)
}

/// A detached copy of the mount that an open file lies on, rooted at that file.
pub(crate) fn clone_tree_of(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    open_tree(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

fn open_tree(directory: RawFd, path: &CStr, flags: c_int) -> io::Result<OwnedFd> {
    let flags = flags as u32 | libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as u32;
    // SAFETY: the path is NUL-ended and outlives the call.
    new_fd(unsafe { libc::syscall(libc::SYS_open_tree, directory, path.as_ptr(), flags) })
}

/// The highest ABI of Landlock that the kernel has: landlock_create_ruleset(2), Linux 5.13.
#[cfg(feature = "landlock")]
pub(crate) fn landlock_abi() -> io::Result<u32> {
    const VERSION: u32 = 1; // LANDLOCK_CREATE_RULESET_VERSION
    let no_attributes = std::ptr::null::<c_void>();
    // SAFETY: with this flag the kernel wants no attributes, of size 0, and returns a number.
    let number = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, no_attributes, 0, VERSION) };
    u32::try_from(number).map_err(|_| io::Error::last_os_error())
}

/// A file of memory with this content, to be read from its start.
pub(crate) fn file_of_memory(content: &[u8]) -> io::Result<OwnedFd> {
    // SAFETY: the name is NUL-ended and outlives the call.
    let fd = new_fd(unsafe {
        libc::syscall(libc::SYS_memfd_create, c"cofferdam-file".as_ptr(), libc::MFD_CLOEXEC)
    })?;
    let mut file = File::from(fd);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file.into())
}

/// memfd_create(2) for a file to be executed. The flag that says so exists since Linux 6.3.
pub(crate) fn executable_memfd(name: &CStr) -> io::Result<OwnedFd> {
    const MFD_EXEC: u32 = 0x10;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is NUL-ended and outlives the call.
    let create = |flags: u32| new_fd(unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags) });
    match create(flags | MFD_EXEC) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => create(flags),
        result => result,
    }
}

/// Borrows a descriptor by its number.
///
/// The number may have been closed or reused behind the library's back; every use must tolerate that.
pub(crate) fn borrow_number(number: RawFd) -> Option<BorrowedFd<'static>> {
    // SAFETY: not -1, as checked. The descriptor is one that the library never closes; where the program
    // did, calls on it fail or, as the caller checks, show another file.
    (number >= 0).then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

/// Below this number a descriptor is in nobody's way.
const FEW: RawFd = 32;
/// From this number on a descriptor is out of the way.
const LASTING: RawFd = 256;

/// Moves a descriptor that will be kept for long out of the low numbers, so that those which the next child is
/// given get low ones: the child copies all up to the highest of these. A host with few of them is spared the
/// move. Where the limit of open files allows no such number, it stays.
pub(crate) fn set_aside(fd: OwnedFd) -> OwnedFd {
    if !(FEW..LASTING).contains(&fd.as_raw_fd()) {
        return fd;
    }
    // SAFETY: numbers only.
    let number = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, LASTING) };
    new_fd(libc::c_long::from(number)).unwrap_or(fd)
}

/// What came with a message beside its bytes.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    pub fd: Option<OwnedFd>,
    /// A second descriptor, if there was one.
    pub listener: Option<OwnedFd>,
    /// The process of the message's credentials, as this PID namespace numbers it.
    pub pid: Option<u32>,
}

/// Receives what is there of a message, and what is attached to it. Does not block.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<(usize, Attached)> {
    let mut space = nix::cmsg_space!([RawFd; 2], libc::ucred);
    let mut iov = [io::IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut space), flags)?;
    let mut attached = Attached::default();
    for control in message.cmsgs()? {
        match control {
            ControlMessageOwned::ScmRights(numbers) => {
                // SAFETY: the kernel has just installed these descriptors, and nobody else knows them.
                let mut owned = numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) });
                (attached.fd, attached.listener) = (owned.next(), owned.next());
            }
            ControlMessageOwned::ScmCredentials(credentials) => {
                attached.pid = u32::try_from(credentials.pid()).ok();
            }
            _ => {}
        }
    }
    Ok((message.bytes, attached))
}

/// Has the Tokio runtime watch a descriptor, which stays open for as long.
#[cfg(feature = "tokio")]
pub(crate) fn watch(fd: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the result has a share of the descriptor, which so stays open, and always has the same number.
    let watched = unsafe { AsyncFd::register_with_interest(fd, interest) };
    watched.map_err(|error| error.into_parts().1)
}

/// Whether the kernel has filters, and an action of them: see seccomp(2), `SECCOMP_GET_ACTION_AVAIL`, Linux 4.14.
pub(crate) fn seccomp_has(action: u32) -> io::Result<()> {
    // SAFETY: the call reads one number through the pointer.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    check(result).map(drop)
}

/// Numbers from the kernel's generator: see getrandom(2).
pub(crate) fn random_numbers<const N: usize>() -> io::Result<[u64; N]> {
    let mut numbers = [0u64; N];
    let size = size_of_val(&numbers);
    // SAFETY: the buffer is `size` bytes long, and any bytes are valid numbers.
    let filled = check(unsafe { libc::getrandom(numbers.as_mut_ptr().cast(), size, 0) } as libc::c_long)?;
    if filled as usize == size { Ok(numbers) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Calls ioctl(2) of a filter's listener with a structure that belongs to the request.
fn listener_ioctl<T>(
    listener: BorrowedFd<'_>,
    request: libc::Ioctl,
    argument: &mut T,
) -> io::Result<libc::c_long> {
    // SAFETY: the callers pair each request with the structure that seccomp_unotify(2) gives for it, which the
    // kernel reads and writes within its size.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), request, argument as *mut T) };
    check(libc::c_long::from(result))
}

/// The next call that waits: see seccomp_unotify(2).
pub(crate) fn receive_notification(listener: BorrowedFd<'_>) -> io::Result<libc::seccomp_notif> {
    // SAFETY: the structure is plain numbers; the kernel wants it zeroed.
    let mut notification: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    listener_ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV as libc::Ioctl, &mut notification)?;
    Ok(notification)
}

/// What becomes of a call that waits.
pub(crate) fn answer_notification(
    listener: BorrowedFd<'_>,
    mut answer: libc::seccomp_notif_resp,
) -> io::Result<()> {
    listener_ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND as libc::Ioctl, &mut answer).map(drop)
}

/// Fails with ENOENT where the call does not wait any more.
pub(crate) fn check_notification(listener: BorrowedFd<'_>, mut id: u64) -> io::Result<()> {
    listener_ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID as libc::Ioctl, &mut id).map(drop)
}

/// Puts a duplicate of a descriptor into the process whose call waits; returns its number there.
pub(crate) fn add_descriptor(
    listener: BorrowedFd<'_>,
    mut request: libc::seccomp_notif_addfd,
) -> io::Result<i32> {
    listener_ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD as libc::Ioctl, &mut request)
        .map(|number| number as i32)
}
