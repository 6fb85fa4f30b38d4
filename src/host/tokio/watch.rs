//! What the runtime watches of a container: the end of init.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;

use super::ticks::Ticks;
use crate::host::child::{NUDGE_INTERVAL, nudge};
use crate::host::sys;

/// A descriptor that the runtime watches.
pub(super) type Watched = AsyncFd<Arc<OwnedFd>>;

/// The pidfd of an init, the socket over which it reports, and a clock where a workload can stop init.
#[derive(Debug)]
pub(super) struct Watch {
    init: Watched,
    /// Not while a container is set up: then the socket has more to say than a report.
    socket: Option<Watched>,
    ticks: Option<Ticks>,
}

/// What has happened to an init.
pub(super) enum Event {
    Ended,
    /// Time to set it going again, should it have been stopped.
    Tick,
}

impl Watch {
    pub fn new(init: Arc<OwnedFd>, socket: Option<Arc<OwnedFd>>, init_is_pid_1: bool) -> io::Result<Self> {
        let ticks = if init_is_pid_1 { None } else { Some(Ticks::every(NUDGE_INTERVAL)?) };
        let socket = socket.map(|socket| sys::watch(socket, Interest::READABLE)).transpose()?;
        Ok(Watch { init: sys::watch(init, Interest::READABLE)?, socket, ticks })
    }

    /// The next event. An end stays: whoever asks again hears of it again.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        if self.init.poll_read_ready(context)?.is_ready() {
            return Poll::Ready(Ok(Event::Ended));
        }
        match &self.ticks {
            Some(ticks) => ticks.poll(context).map_ok(|()| Event::Tick),
            None => Poll::Pending,
        }
    }

    /// As [`poll`](Self::poll), where a report is an end too: nobody is left that ran.
    pub fn poll_report(&self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        match &self.socket {
            Some(socket) if socket.poll_read_ready(context)?.is_ready() => Poll::Ready(Ok(Event::Ended)),
            _ => self.poll(context),
        }
    }

    /// Waits until init has sent its report, or has ended.
    pub async fn reported(&self) -> io::Result<()> {
        while let Event::Tick = poll_fn(|context| self.poll_report(context)).await? {
            self.nudge();
        }
        Ok(())
    }

    /// Sets init going again, should it have been stopped.
    pub fn nudge(&self) {
        nudge(self.init.get_ref().as_fd());
    }

    pub async fn next(&self) -> io::Result<Event> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Waits until init has ended.
    pub async fn ended(&self, init: BorrowedFd<'_>) -> io::Result<()> {
        while let Event::Tick = self.next().await? {
            nudge(init);
        }
        Ok(())
    }
}
