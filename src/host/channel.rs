//! The host's end of the control socket.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, Shutdown, SockFlag, SockType, send, sendmsg, setsockopt,
    shutdown, socketpair, sockopt,
};

use super::sys::{self, Attached};
use crate::wire::{Command, Header, Record};

/// The socket. When it waits, it watches the process at the other end too: the end of file fails to come
/// while a process that another thread forked holds a copy of that end.
#[derive(Debug)]
pub(crate) struct Channel {
    /// Shared with whatever watches it.
    socket: Arc<OwnedFd>,
}

/// What came.
pub(crate) enum Received {
    Record(Record, Attached),
    /// The other side is gone.
    End,
    /// Nothing in the given time.
    Nothing,
}

/// A connected pair: the host's end and the launcher's.
pub(crate) fn pair() -> io::Result<(Channel, OwnedFd)> {
    let (socket, other) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?;
    setsockopt(&socket, sockopt::PassCred, &true)?;
    Ok((Channel { socket: Arc::new(sys::set_aside(socket)) }, other))
}

/// How long to try where the kernel takes no descriptors.
const PATIENCE: Duration = Duration::from_secs(1);

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Channel {
    /// A socket over which plans go, and nothing else comes.
    pub fn of(socket: OwnedFd) -> Self {
        Channel { socket: Arc::new(socket) }
    }

    /// Sends the plan. A launcher that ends meanwhile is noticed when its answer is read.
    pub fn send_plan(
        &self,
        peer: BorrowedFd<'_>,
        header: &Header,
        fds: &[RawFd],
        body: &[u8],
    ) -> io::Result<()> {
        let mut sent = self.begin_when_possible(peer, header, fds, body)?;
        while sent < body.len() {
            self.wait_for_room(peer)?;
            sent += self.continue_plan(&body[sent..])?;
        }
        Ok(())
    }

    /// Also where the socket is full, and where so many descriptors of the user are under way (in other threads, or
    /// programs) that the kernel takes no more: they arrive soon.
    fn begin_when_possible(
        &self,
        peer: BorrowedFd<'_>,
        header: &Header,
        fds: &[RawFd],
        body: &[u8],
    ) -> io::Result<usize> {
        let last = Instant::now() + PATIENCE;
        loop {
            let begun = self.begin_plan(header, fds, body);
            match begun.as_ref().err().and_then(io::Error::raw_os_error) {
                Some(libc::EAGAIN) => self.wait_for_room(peer)?,
                Some(libc::ETOOMANYREFS) if Instant::now() < last => thread::sleep(Duration::from_millis(1)),
                _ => return begun,
            }
        }
    }

    /// Sends the header, the descriptors, and so much of the body as there is room for; how much that was.
    pub fn begin_plan(&self, header: &Header, fds: &[RawFd], body: &[u8]) -> io::Result<usize> {
        let header = header.encode();
        let iov = [IoSlice::new(&header), IoSlice::new(body)];
        let rights = [ControlMessage::ScmRights(fds)];
        let socket = self.socket.as_raw_fd();
        let sent = retry(|| {
            sendmsg::<()>(socket, &iov, &rights, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT, None)
        })?;
        // A large plan does not go at once. The header does: it is smaller than any socket buffer.
        Ok(sent.saturating_sub(header.len()))
    }

    /// Sends so much of the rest of the body as there is room for; how much that was.
    pub fn continue_plan(&self, rest: &[u8]) -> io::Result<usize> {
        match send(self.socket.as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            sent => Ok(sent?),
        }
    }

    /// Waits until the socket takes more, or the launcher has ended (EPIPE).
    fn wait_for_room(&self, peer: BorrowedFd<'_>) -> io::Result<()> {
        let mut fds =
            [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT), PollFd::new(peer, PollFlags::POLLIN)];
        retry(|| poll(&mut fds, PollTimeout::NONE))?;
        if fds[1].any().unwrap_or(false) { Err(Errno::EPIPE.into()) } else { Ok(()) }
    }

    /// Sends a command; fails where init is gone.
    pub fn send(&self, command: Command) -> io::Result<()> {
        retry(|| send(self.socket.as_raw_fd(), &command.encode(), MsgFlags::MSG_NOSIGNAL))?;
        Ok(())
    }

    /// To be watched.
    #[cfg(feature = "tokio")]
    pub fn socket(&self) -> Arc<OwnedFd> {
        self.socket.clone()
    }

    /// Shows init the end of file, even while a forked process holds a copy of this end.
    pub fn shut_down(&self) {
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
    }

    /// Waits for a record.
    pub fn receive(&self, peer: BorrowedFd<'_>, timeout: PollTimeout) -> io::Result<Received> {
        let mut fds =
            [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN), PollFd::new(peer, PollFlags::POLLIN)];
        if retry(|| poll(&mut fds, timeout))? == 0 {
            return Ok(Received::Nothing);
        }
        // What the peer sent before it ended is still there.
        Ok(match self.read()? {
            Received::Nothing => Received::End,
            received => received,
        })
    }

    /// Takes what is there.
    pub fn read(&self) -> io::Result<Received> {
        let mut bytes = [0; Record::SIZE];
        let (count, attached) = match sys::receive(self.socket.as_fd(), &mut bytes) {
            Err(Errno::EAGAIN) => return Ok(Received::Nothing),
            Err(Errno::ECONNRESET) => return Ok(Received::End),
            result => result?,
        };
        match (count, Record::decode(&bytes)) {
            (0, _) => Ok(Received::End),
            (Record::SIZE, Some(record)) => Ok(Received::Record(record, attached)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Repeats a call that a signal interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
