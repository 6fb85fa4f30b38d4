//! Reading two pipes at once, up to a limit.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::channel::retry;

/// Who writes to the pipes.
pub(super) trait Writer {
    /// Descriptors one of which is readable when nobody is left that writes.
    fn signs_of_the_end(&self) -> Vec<BorrowedFd<'_>>;

    /// Ends it because it wrote more than may be captured.
    fn end_for_its_output(&mut self);
}

/// Collects everything from both pipes until each has ended, or the container has: then what is in them is
/// all that comes, even while a process that another thread forked holds a copy of a writing end.
///
/// With a limit, at most so many bytes are collected from both together. When there is one more the container
/// is ended.
pub(super) fn read_both(
    pipes: [Option<OwnedFd>; 2],
    limit: Option<u64>,
    writer: &mut impl Writer,
) -> io::Result<[Collected; 2]> {
    let [first, second] = pipes;
    let mut first = Collected::new(nonblocking(first)?);
    let mut second = Collected::new(nonblocking(second)?);
    let mut left = limit.unwrap_or(u64::MAX);
    let mut ended = false;
    while !ended && (first.pipe.is_some() || second.pipe.is_some()) {
        ended = wait_for_any(&first, &second, writer)?;
        if first.read(&mut left)? || second.read(&mut left)? {
            writer.end_for_its_output();
            break;
        }
    }
    Ok([first, second])
}

fn nonblocking(pipe: Option<OwnedFd>) -> io::Result<Option<File>> {
    if let Some(pipe) = &pipe {
        fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    Ok(pipe.map(File::from))
}

/// A pipe that does not block, until it has ended, and what was read from it.
pub(super) struct Collected<P = File> {
    pub pipe: Option<P>,
    bytes: Vec<u8>,
}

impl<P: Read> Collected<P> {
    pub fn new(pipe: Option<P>) -> Self {
        Collected { pipe, bytes: Vec::new() }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Reads what is there, as far as the limit goes, and tells whether there is more than that. At the end of
    /// the file the pipe is closed.
    pub fn read(&mut self, left: &mut u64) -> io::Result<bool> {
        let Some(pipe) = &mut self.pipe else { return Ok(false) };
        let before = self.bytes.len();
        // One byte more than is left would show that there is more.
        let result = pipe.take(left.saturating_add(1)).read_to_end(&mut self.bytes);
        let count = (self.bytes.len() - before) as u64;
        let exceeded = count > *left;
        if exceeded {
            self.bytes.pop();
        }
        *left = left.saturating_sub(count);
        match result {
            Ok(_) if !exceeded => self.pipe = None,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        Ok(exceeded)
    }
}

/// Waits until one of the pipes has something to say, or the writer has ended, and tells whether it has.
fn wait_for_any(first: &Collected, second: &Collected, writer: &impl Writer) -> io::Result<bool> {
    let pipes = [first, second].map(|collected| collected.pipe.as_ref().map(AsFd::as_fd));
    let signs = writer.signs_of_the_end();
    let watched = signs.iter().copied().chain(pipes.into_iter().flatten());
    let mut watched: Vec<_> = watched.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    retry(|| poll(&mut watched, PollTimeout::NONE))?;
    Ok(watched[..signs.len()].iter().any(|sign| sign.any().unwrap_or(false)))
}
