//! Finding and making places inside the new root, never outside it.
//!
//! The content of a root file system may be hostile: a symbolic link in it must not lead a mount or a
//! file to the host. Every path is resolved with `RESOLVE_IN_ROOT`, and what is created is created
//! relative to a directory resolved that way.

use core::ffi::CStr;

use super::abi;
use super::sys::{self, Errno, Fd, Result};

/// `PATH_MAX`: the host has checked that paths are shorter.
const BUFFER: usize = 4096;

/// What a missing place is made as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File,
}

/// Opens a place (`O_PATH`), made with its parents where it is missing.
pub fn place(root: Fd, path: &CStr, kind: Kind) -> Result<Fd> {
    match sys::open_in_root(root, path, abi::O_PATH) {
        Err(Errno(abi::ENOENT)) => {}
        result => return result,
    }
    let (parent, name) = parent(root, path)?;
    with_c_str(name, |name| match kind {
        Kind::Directory => sys::mkdirat(parent, name, 0o755),
        Kind::File => {
            let flags = abi::O_CREAT | abi::O_EXCL | abi::O_WRONLY | abi::O_NOFOLLOW;
            sys::openat(parent, name, flags, 0o644).map(sys::close)
        }
    })?;
    sys::close(parent);
    sys::open_in_root(root, path, abi::O_PATH)
}

/// Opens the directory that holds the last component of `path`, made with its parents where it is
/// missing, and names that component.
pub fn parent<'p>(root: Fd, path: &'p CStr) -> Result<(Fd, &'p [u8])> {
    let bytes = trim_slashes(path.to_bytes());
    let mut current = sys::open_in_root(root, c"/", abi::O_PATH | abi::O_DIRECTORY)?;
    let mut done = 0;
    loop {
        let rest = bytes.get(done..).unwrap_or_default();
        let Some(slash) = rest.iter().position(|&byte| byte == b'/') else {
            return if rest.is_empty() { Err(Errno(abi::EINVAL)) } else { Ok((current, rest)) };
        };
        let name = rest.get(..slash).unwrap_or_default();
        let prefix = bytes.get(..done + slash).unwrap_or_default();
        if !name.is_empty() {
            let next = directory(root, current, prefix, name)?;
            sys::close(current);
            current = next;
        }
        done += slash + 1;
    }
}

/// Opens `prefix` below the root; where it is missing, makes it as `name` in `parent`.
fn directory(root: Fd, parent: Fd, prefix: &[u8], name: &[u8]) -> Result<Fd> {
    let open = |path: &CStr| sys::open_in_root(root, path, abi::O_PATH | abi::O_DIRECTORY);
    match with_c_str(prefix, open) {
        Err(Errno(abi::ENOENT)) => {
            with_c_str(name, |name| sys::mkdirat(parent, name, 0o755))?;
            with_c_str(prefix, open)
        }
        result => result,
    }
}

fn trim_slashes(mut bytes: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b'/'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Lends a copy of `bytes` that ends with a NUL.
pub fn with_c_str<T>(bytes: &[u8], use_it: impl FnOnce(&CStr) -> Result<T>) -> Result<T> {
    let mut buffer = [0u8; BUFFER];
    if bytes.len() >= BUFFER {
        return Err(Errno(abi::EINVAL));
    }
    for (to, from) in buffer.iter_mut().zip(bytes) {
        *to = *from;
    }
    match CStr::from_bytes_until_nul(&buffer) {
        Ok(text) => use_it(text),
        Err(_) => Err(Errno(abi::EINVAL)),
    }
}
