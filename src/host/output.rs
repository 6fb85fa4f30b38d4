//! Reading two pipes at once.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::channel::retry;

/// Collects everything from both pipes until each has ended, or the container has: then what is in them is
/// all that comes, even while a process that another thread forked holds a copy of a writing end.
pub(super) fn read_both(
    first: Option<OwnedFd>,
    second: Option<OwnedFd>,
    container: BorrowedFd<'_>,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut first = Collected::new(first)?;
    let mut second = Collected::new(second)?;
    let mut ended = false;
    while !ended && (first.pipe.is_some() || second.pipe.is_some()) {
        ended = wait_for_any(&first, &second, container)?;
        first.read()?;
        second.read()?;
    }
    Ok((first.bytes, second.bytes))
}

struct Collected {
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Collected {
    fn new(pipe: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Collected { pipe: pipe.map(File::from), bytes: Vec::new() })
    }

    /// Reads what is there; at the end of the file the pipe is closed.
    fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        match pipe.read_to_end(&mut self.bytes) {
            Ok(_) => self.pipe = None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Waits until one of the pipes has something to say, or the container has ended, and tells whether it has.
fn wait_for_any(first: &Collected, second: &Collected, container: BorrowedFd<'_>) -> io::Result<bool> {
    let pipes = [first, second].map(|collected| collected.pipe.as_ref().map(AsFd::as_fd));
    let watched = pipes.into_iter().flatten().chain([container]);
    let mut watched: Vec<_> = watched.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    retry(|| poll(&mut watched, PollTimeout::NONE))?;
    Ok(watched.last().and_then(PollFd::any).unwrap_or(false))
}
