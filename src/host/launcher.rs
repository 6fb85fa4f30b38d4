//! The launcher as an executable file: a sealed memfd, made once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use super::sys;
use crate::error::{Error, Result};

/// The program that `build.rs` compiled.
static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/launcher"));

/// The number and the inode of the memfd once it is made. Atomics, because a lock held by another thread
/// at the moment of a fork of the host would never be released in the child.
static NUMBER: AtomicI32 = AtomicI32::new(-1);
static INODE: AtomicU64 = AtomicU64::new(0);

/// The launcher's file: shared, or for this call only.
pub(crate) enum Launcher {
    Shared(BorrowedFd<'static>),
    Own(OwnedFd),
}

impl AsFd for Launcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Launcher::Shared(fd) => *fd,
            Launcher::Own(fd) => fd.as_fd(),
        }
    }
}

/// The launcher, ready for `execveat`.
pub(crate) fn launcher() -> Result<Launcher> {
    if let Some(fd) = shared() {
        return Ok(Launcher::Shared(fd));
    }
    let fd =
        make().map_err(|error| Error::io("launcher", "cannot make an executable file in memory", &error))?;
    // Only the first becomes the shared one. A host that closed the shared one gets a new one each time.
    let inode = inode_of(fd.as_fd()).unwrap_or_default();
    let first = INODE.compare_exchange(0, inode, Relaxed, Relaxed).is_ok();
    if !first {
        return Ok(Launcher::Own(fd));
    }
    let number = fd.into_raw_fd();
    NUMBER.store(number, Relaxed);
    match sys::borrow_number(number) {
        Some(fd) => Ok(Launcher::Shared(fd)),
        None => Err(Error::errno("launcher", "the executable file", libc::EBADF)),
    }
}

/// The shared file, if it still is the one: a host may close descriptors that it does not know, and open
/// something else under the number.
fn shared() -> Option<BorrowedFd<'static>> {
    let fd = sys::borrow_number(NUMBER.load(Relaxed))?;
    (inode_of(fd)? == INODE.load(Relaxed)).then_some(fd)
}

fn inode_of(fd: BorrowedFd<'_>) -> Option<u64> {
    nix::sys::stat::fstat(fd).ok().filter(|stat| stat.st_size as usize == IMAGE.len()).map(|stat| stat.st_ino)
}

fn make() -> io::Result<OwnedFd> {
    match make_memfd() {
        // `vm.memfd_noexec=2` forbids executable memfds.
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => make_unlinked_file(),
        result => result,
    }
}

fn make_memfd() -> io::Result<OwnedFd> {
    let mut file = File::from(sys::executable_memfd(c"cofferdam")?);
    file.write_all(IMAGE)?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}

/// A file without a name, opened again read-only: one that is open for writing cannot be executed.
fn make_unlinked_file() -> io::Result<OwnedFd> {
    let mut last = io::Error::from_raw_os_error(libc::EACCES);
    for directory in ["/dev/shm", "/tmp", "/var/tmp"] {
        let unnamed = OpenOptions::new()
            .write(true)
            .mode(0o500)
            .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
            .open(directory);
        match unnamed.and_then(fill_and_reopen) {
            Ok(file) => return Ok(file.into()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn fill_and_reopen(mut file: File) -> io::Result<File> {
    file.write_all(IMAGE)?;
    fs::set_permissions(format!("/proc/self/fd/{}", file.as_raw_fd()), fs::Permissions::from_mode(0o500))?;
    let reopened = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    debug_assert_eq!(reopened.metadata()?.nlink(), 0);
    Ok(reopened)
}
