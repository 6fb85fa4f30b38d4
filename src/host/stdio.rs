//! The three standard streams of one run.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::pipe2;

use super::sys;
use crate::config::stdio::{Stdio, StdioKind};
use crate::error::{Error, Result};

/// The workload's end of a stream, and the host's if it is a pipe.
pub(super) struct Stream {
    theirs: Theirs,
    pub ours: Option<OwnedFd>,
}

enum Theirs {
    Owned(OwnedFd),
    Shared(Arc<OwnedFd>),
    Number(RawFd),
}

impl Stream {
    /// Prepares stream `number` (0, 1 or 2).
    pub fn open(number: usize, stdio: &Stdio) -> Result<Self> {
        Stream::try_open(number, stdio)
            .map_err(|error| Error::io("descriptor", format!("standard stream {number}"), &error))
    }

    fn try_open(number: usize, stdio: &Stdio) -> io::Result<Self> {
        let stream = |theirs| Stream { theirs, ours: None };
        match &stdio.0 {
            StdioKind::Inherit if is_open(number) => Ok(stream(Theirs::Number(number as RawFd))),
            StdioKind::Inherit | StdioKind::Null => {
                let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
                Ok(stream(Theirs::Owned(null.into())))
            }
            StdioKind::Fd(fd) => Ok(stream(Theirs::Shared(fd.clone()))),
            StdioKind::Piped => {
                let (read, write) = pipe()?;
                let (theirs, ours) = if number == 0 { (read, write) } else { (write, read) };
                Ok(Stream { theirs: Theirs::Owned(theirs), ours: Some(sys::set_aside(ours)) })
            }
        }
    }

    /// The number to send.
    pub fn number(&self) -> RawFd {
        match &self.theirs {
            Theirs::Owned(fd) => fd.as_raw_fd(),
            Theirs::Shared(fd) => fd.as_raw_fd(),
            Theirs::Number(number) => *number,
        }
    }
}

/// A pipe for workloads: its reading and its writing end.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    // A workload of root has another user id, and may still open /dev/stdout by name.
    fchmod(&read, Mode::from_bits_truncate(0o666))?;
    Ok((read, write))
}

/// Whether the host has this standard stream.
fn is_open(number: usize) -> bool {
    let stat = match number {
        0 => nix::sys::stat::fstat(io::stdin().as_fd()),
        1 => nix::sys::stat::fstat(io::stdout().as_fd()),
        _ => nix::sys::stat::fstat(io::stderr().as_fd()),
    };
    stat.is_ok()
}
