//! Reading two pipes at once.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::channel::retry;

/// Collects everything from both pipes until each has ended. Neither can block the other.
pub(super) fn read_both(first: Option<OwnedFd>, second: Option<OwnedFd>) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut first = Collected::new(first)?;
    let mut second = Collected::new(second)?;
    loop {
        match (&mut first, &mut second) {
            (Collected { pipe: None, .. }, Collected { pipe: None, .. }) => break,
            (Collected { pipe: Some(_), .. }, Collected { pipe: Some(_), .. }) => {
                wait_for_either(&first, &second)?;
                first.read()?;
                second.read()?;
            }
            (one @ Collected { pipe: Some(_), .. }, _) | (_, one) => one.read_rest()?,
        }
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

    /// The other pipe has ended: this one may block.
    fn read_rest(&mut self) -> io::Result<()> {
        if let Some(pipe) = &self.pipe {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::empty()))?;
        }
        self.read()
    }
}

fn wait_for_either(first: &Collected, second: &Collected) -> io::Result<()> {
    let pipes = [first, second].map(|collected| collected.pipe.as_ref().map(AsFd::as_fd));
    let mut watched: Vec<_> =
        pipes.into_iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)).collect();
    retry(|| poll(&mut watched, PollTimeout::NONE))?;
    Ok(())
}
