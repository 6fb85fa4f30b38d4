//! A clock of the kernel, see timerfd_create(2): it works in runtimes without a timer, and goes on where a test
//! has paused the runtime's.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::io::Interest;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::watch::Watched;
use crate::host::sys;

/// It ticks until it is dropped; ticks that nobody awaits count as one.
#[derive(Debug)]
pub(super) struct Ticks(Watched);

impl Ticks {
    pub fn every(milliseconds: u16) -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let interval = Duration::from_millis(milliseconds.into());
        timer.set(Expiration::Interval(interval.into()), TimerSetTimeFlags::empty())?;
        sys::watch(Arc::new(timer.into()), Interest::READABLE).map(Ticks)
    }

    pub fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(context))?;
            let read = guard.try_io(|timer| Ok(nix::unistd::read(timer.get_ref(), &mut [0; 8])?));
            if let Ok(read) = read {
                return Poll::Ready(read.map(drop));
            }
        }
    }
}
