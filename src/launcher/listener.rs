//! The listener of the workload's filter, where init is the one who is told.

use super::abi::{self, nr};
use super::sys::{self, Fd};
use crate::wire::{Calls, listener};

/// What init is told, and what it does about it.
pub struct Listener {
    fd: Option<Fd>,
    purpose: u64,
    pub seen: Seen,
    /// One more than the number of the call that was the end; 0 before.
    pub violation: u64,
    /// The calls that were let through.
    pub reported: Calls,
}

/// What a run has asked for that leaves traces nobody could find.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    /// Sockets that use the network.
    pub sockets: bool,
    /// IPC objects, or files without a name.
    pub objects: bool,
}

impl Seen {
    /// What has to be supposed where nobody watched.
    pub const ALL: Seen = Seen { sockets: true, objects: true };

    /// What one or the other has asked for.
    pub fn or(self, other: Seen) -> Seen {
        Seen { sockets: self.sockets || other.sockets, objects: self.objects || other.objects }
    }
}

impl Listener {
    pub fn new(fd: Option<Fd>, purpose: u64) -> Self {
        let seen = Seen::default();
        Listener { fd, purpose, seen, violation: 0, reported: Calls::default() }
    }

    /// None.
    pub fn none() -> Self {
        Listener::new(None, listener::NONE)
    }

    /// Gives the listener up: from now on the calls fail with ENOSYS.
    pub fn close(&mut self) {
        if let Some(fd) = self.fd.take() {
            sys::close(fd);
        }
    }

    /// What to poll; -1 where there is nothing.
    pub fn number(&self) -> i32 {
        self.fd.map_or(-1, |fd| fd.0)
    }

    /// Reacts to what poll(2) said; returns whether a call is the end of the container.
    pub fn heed(&mut self, events: i16) -> bool {
        let Some(fd) = self.fd else { return false };
        if events & abi::POLLIN == 0 {
            // No process is left that could call.
            self.close();
            return false;
        }
        // It fails where the process that called has been killed meanwhile.
        let Ok(call) = sys::receive_notification(fd) else { return false };
        // Only calls of this architecture can be told from each other.
        let number = if call.architecture == abi::AUDIT_ARCH { call.number as u32 } else { Calls::LAST };
        match self.purpose {
            listener::REPORT => self.reported.insert(number),
            listener::WATCH if number as usize == nr::SOCKET => {
                // Those of the family of names leave nothing once they are closed.
                self.seen.sockets |= call.arguments[0] as i32 != abi::AF_UNIX;
            }
            listener::WATCH => self.seen.objects = true,
            _ => {
                if self.violation == 0 {
                    self.violation = u64::from(number) + 1;
                }
                return true;
            }
        }
        sys::let_go_on(fd, &call);
        false
    }
}
