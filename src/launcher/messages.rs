//! What a process hands to init on its way to `execve`, and how init hears that it is there.

use super::abi;
use super::channel;
use super::run::Run;
use super::sys::{self, Fd, Result, Spawned};
use crate::wire::{Header, listener};

/// Nanoseconds after which a process that has not called `execve` is set going, and those after which it is given up.
const NUDGE: u64 = 10_000_000;
const PATIENCE: u64 = 5_000_000_000;

/// The socket at which init gets the listener of a process's filter, if that is to have one.
pub struct Messages {
    pub ours: Option<Fd>,
    pub theirs: Option<Fd>,
}

impl Messages {
    pub fn new(header: &Header) -> Result<Self> {
        if header.listener == listener::NONE {
            return Ok(Messages { ours: None, theirs: None });
        }
        Messages::always()
    }

    /// One that also tells, by its end, when the process has called `execve`.
    pub fn always() -> Result<Self> {
        let (ours, theirs) = sys::socket_pair()?;
        Ok(Messages { ours: Some(ours), theirs: Some(theirs) })
    }

    /// What was handed over, once the process has called `execve`.
    pub fn take_listener(self) -> Result<Option<Fd>> {
        let listener = self.listener()?;
        self.close_ours();
        Ok(listener)
    }

    pub fn listener(&self) -> Result<Option<Fd>> {
        Ok(self.ours.map(channel::take_over).transpose()?.flatten())
    }

    /// Waits until a process has called `execve`, or is gone. A workload of the same user may stop it on its way,
    /// again and again: it is set going again, and given up where the workload's time is over, or init's patience.
    pub fn await_execve(&self, process: &Spawned, host: Fd, workload: &mut Run) {
        let watched = |fd, events| abi::PollFd { fd, events, revents: 0 };
        let mut fds = [watched(self.ours.map_or(-1, |fd| fd.0), 0), watched(host.0, abi::POLLIN)];
        let last = sys::now().saturating_add(PATIENCE);
        let (mut timeout, mut signal) = (NUDGE / 10, abi::SIGCONT);
        loop {
            let polled = sys::poll(&mut fds, Some(timeout));
            let [ours, host] = &fds;
            if ours.revents != 0 || ours.fd < 0 {
                return;
            }
            let has_time = workload.until_a_limit_is_reached();
            if host.revents != 0 || polled.is_err() || has_time.is_err() || sys::now() >= last {
                signal = abi::SIGKILL;
            }
            timeout = has_time.ok().flatten().unwrap_or(NUDGE).min(NUDGE);
            fds[1].fd = if signal == abi::SIGKILL { -1 } else { fds[1].fd };
            let _ = sys::kill(process.pid, signal);
        }
    }

    pub fn close_theirs(&self) {
        sys::close_if_any(self.theirs);
    }

    pub fn close_ours(&self) {
        sys::close_if_any(self.ours);
    }
}
