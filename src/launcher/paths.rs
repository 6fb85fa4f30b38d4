//! Finding and making places inside the new root, never outside it.
//!
//! The content of a root file system may be hostile: a symbolic link in it must not lead a mount or a
//! file to the host. Every path is resolved with `RESOLVE_IN_ROOT`, and what is created is created
//! relative to a directory resolved that way.

use core::ffi::CStr;

use super::sys::{self, Errno, Fd, Result};
use super::{abi, copy};

/// `PATH_MAX`: the host has checked that paths are shorter.
const BUFFER: usize = 4096;

/// What a missing place is made as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File,
}

/// Opens a place (`O_PATH`), made with its parents where it is missing. Most are, in a root of our own, so
/// that making it is tried first.
pub fn place(root: Fd, path: &CStr, kind: Kind) -> Result<Fd> {
    let made = in_parent(root, path, |parent, name| {
        match kind {
            Kind::Directory => sys::mkdirat(parent, name, 0o755)?,
            Kind::File => sys::mkfileat(parent, name, 0o644)?,
        }
        sys::openat(parent, name, abi::O_PATH | abi::O_NOFOLLOW, 0)
    });
    match made {
        // It exists, perhaps as a link, or behind one; then it is found by following it inside the root.
        Err(error @ Errno(abi::EEXIST | abi::EROFS | abi::EACCES | abi::EPERM)) => {
            sys::open_in_root(root, path, abi::O_PATH).map_err(|_| error)
        }
        result => result,
    }
}

/// Calls `act` with the directory that holds the last component of `path`, made with its parents where it
/// is missing, and the name of that component.
pub fn in_parent<T>(root: Fd, path: &CStr, act: impl FnOnce(Fd, &CStr) -> Result<T>) -> Result<T> {
    let bytes = trim_slashes(path.to_bytes());
    let Some(slash) = bytes.iter().rposition(|&byte| byte == b'/') else {
        return with_c_str(bytes, |name| act(root, name));
    };
    let (above, name) = (bytes.get(..slash).unwrap_or_default(), bytes.get(slash + 1..).unwrap_or_default());
    let parent = match with_c_str(above, |above| open_directory(root, above)) {
        Err(Errno(abi::ENOENT)) => make_directories(root, above)?,
        result => result?,
    };
    let result = with_c_str(name, |name| act(parent, name));
    sys::close(parent);
    result
}

fn open_directory(root: Fd, path: &CStr) -> Result<Fd> {
    sys::open_in_root(root, path, abi::O_PATH | abi::O_DIRECTORY)
}

/// Makes what is missing of a path, component by component, and opens the last.
fn make_directories(root: Fd, path: &[u8]) -> Result<Fd> {
    let mut current = open_directory(root, c"/")?;
    let mut start = 0;
    while start < path.len() {
        let rest = path.get(start..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
        let (prefix, name) = (path.get(..start + length), rest.get(..length));
        if let (Some(prefix), Some(name @ [_, ..])) = (prefix, name) {
            let next = directory(root, current, prefix, name)?;
            sys::close(current);
            current = next;
        }
        start += length + 1;
    }
    Ok(current)
}

/// Opens `prefix` below the root; where it is missing, makes it as `name` in `parent`.
fn directory(root: Fd, parent: Fd, prefix: &[u8], name: &[u8]) -> Result<Fd> {
    match with_c_str(prefix, |path| open_directory(root, path)) {
        Err(Errno(abi::ENOENT)) => {
            with_c_str(name, |name| sys::mkdirat(parent, name, 0o755))?;
            with_c_str(prefix, |path| open_directory(root, path))
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
fn with_c_str<T>(bytes: &[u8], use_it: impl FnOnce(&CStr) -> Result<T>) -> Result<T> {
    let mut buffer = [0u8; BUFFER];
    if bytes.is_empty() || bytes.len() >= BUFFER {
        return Err(Errno(abi::EINVAL));
    }
    copy(&mut buffer, bytes);
    match CStr::from_bytes_until_nul(&buffer) {
        Ok(text) => use_it(text),
        Err(_) => Err(Errno(abi::EINVAL)),
    }
}
