//! Everything that a group waits for, in one epoll(7).
//!
//! epoll keeps what has happened in the order in which it happened, and gives it out in that order: so the order of
//! the ends is known even if nobody looked while they came. poll(2) would show them all at once. Each event comes
//! once (`EPOLLET`), and what it said is kept by whoever receives it.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Something to wait for, with the place of its member or connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// A pidfd: the workload has ended.
    Workload(usize),
    /// A pidfd: init has ended, and with it all of the container.
    Init(usize),
    /// There is something to read, or the end of it.
    Source(usize),
    /// There is room to write.
    Sink(usize),
    /// Told of a sink only: nobody reads any more.
    Broken(usize),
}

const KINDS: [fn(usize) -> Watched; 4] = [Watched::Workload, Watched::Init, Watched::Source, Watched::Sink];

/// How many events are taken at once.
const EVENTS: usize = 32;

#[derive(Debug)]
pub(super) struct Watch(Epoll);

impl Watch {
    pub fn new() -> nix::Result<Self> {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map(Watch)
    }

    /// Watches a descriptor until it is closed.
    pub fn add(&self, fd: BorrowedFd<'_>, watched: Watched) -> nix::Result<()> {
        let (kind, place, flags) = match watched {
            Watched::Workload(place) => (0, place, EpollFlags::EPOLLIN),
            Watched::Init(place) => (1, place, EpollFlags::EPOLLIN),
            Watched::Source(place) => (2, place, EpollFlags::EPOLLIN),
            Watched::Sink(place) | Watched::Broken(place) => (3, place, EpollFlags::EPOLLOUT),
        };
        let data = (place * KINDS.len() + kind) as u64;
        self.0.add(fd, EpollEvent::new(flags | EpollFlags::EPOLLET, data))
    }

    /// What has happened, in its order; nothing when the time is over or a signal came.
    pub fn wait(&self, timeout: EpollTimeout) -> nix::Result<Vec<Watched>> {
        let mut events = [EpollEvent::empty(); EVENTS];
        match self.0.wait(&mut events, timeout) {
            Ok(count) => Ok(events[..count].iter().map(watched).collect()),
            Err(Errno::EINTR) => Ok(Vec::new()),
            Err(errno) => Err(errno),
        }
    }
}

fn watched(event: &EpollEvent) -> Watched {
    let data = event.data() as usize;
    match KINDS[data % KINDS.len()](data / KINDS.len()) {
        // The writing end of a pipe that nobody has open for reading.
        Watched::Sink(place) if event.events().contains(EpollFlags::EPOLLERR) => Watched::Broken(place),
        watched => watched,
    }
}
