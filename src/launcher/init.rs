//! Init's life after the workload has started: it reaps, enforces the wall-time limit, notices the
//! host's end, and reports when nothing is left.

use super::abi::{self, PollFd};
use super::channel;
use super::processes::Processes;
use super::shared::Shared;
use super::state::Places;
use super::sys::{self, Fd, Spawned};
use crate::wire::{CONTROL_FD, Command, End, Ending, HOST_FD, Header, Record};

/// What init watches and knows.
struct Init {
    workload: i32,
    host: Option<Fd>,
    children: Fd,
    started: u64,
    deadline: Option<u64>,
    ending: Ending,
    processes: Processes,
}

/// Takes over when the child has become the workload, or has failed. Its clock is ahead by `offset`.
pub fn main(header: &Header, places: &Places, shared: Shared, offset: i64, workload: &Spawned) -> ! {
    if let Some((step, failure)) = shared.failure() {
        let _ = sys::reap(true);
        channel::send(&channel::setup_failed(step, failure));
        sys::exit(1);
    }
    channel::send_started(workload);
    let started = shared.started().wrapping_sub(offset as u64);
    match Init::new(header, places, workload.pid, started) {
        Ok(mut init) => init.run(),
        // Cannot watch, so must not go on: the end of PID 1 is the end of all.
        Err(_) => sys::exit(1),
    }
}

/// Ends a plan that had no workload.
pub fn finish_without_workload() -> ! {
    channel::send(&Record::Started { vouched: false });
    channel::send(&Record::Ended(End::default()));
    sys::exit(0)
}

impl Init {
    fn new(header: &Header, places: &Places, workload: i32, started: u64) -> sys::Result<Self> {
        // What init goes on using moves to the low numbers. All else is closed: a pipe of the workload
        // must end when the workload ends it.
        let host = sys::keep_as(Fd(HOST_FD), 0)?;
        let children = sys::keep_as(sys::signalfd_for_children()?, 1)?;
        let processes = Processes::new(places.host_proc, 2)?;
        sys::close_range(CONTROL_FD as u32 + 1, u32::MAX)?;
        // Of its capabilities init still needs only the one to end processes of other users.
        sys::keep_one_capability(abi::CAP_KILL)?;
        let limit = header.wall_limit;
        let deadline = (limit != 0).then(|| started.saturating_add(limit));
        Ok(Init { workload, host: Some(host), children, started, deadline, ending: Ending::Own, processes })
    }

    fn run(&mut self) -> ! {
        let status = loop {
            self.watch();
            if let Some(status) = self.reap_ended() {
                break status;
            }
        };
        let wall = sys::now().saturating_sub(self.started);
        self.heed_what_preceded_the_end();
        self.processes.end_all();
        channel::send(&Record::Ended(self.end(status, wall)));
        sys::exit(0)
    }

    /// Sleeps until something happens, and reacts to all but ended children.
    fn watch(&mut self) {
        let watched = |fd: i32| PollFd { fd, events: abi::POLLIN, revents: 0 };
        let control = if self.host.is_some() { CONTROL_FD } else { -1 };
        let host = self.host.map_or(-1, |fd| fd.0);
        let mut fds = [watched(control), watched(host), watched(self.children.0)];
        let timeout = self.deadline.map(|deadline| deadline.saturating_sub(sys::now()));
        if sys::poll(&mut fds, timeout).is_err() {
            self.end_workload(Ending::Killed);
        }
        let [control, host, _] = fds;
        if control.revents != 0 {
            self.obey();
        }
        // A host that has detached the container may end.
        if host.revents != 0 && self.host.is_some() {
            self.end_workload(Ending::Killed);
        }
        if self.deadline.is_some_and(|deadline| sys::now() >= deadline) {
            self.deadline = None;
            self.end_workload(Ending::WallTime);
        }
    }

    /// The host may have said that it ends the workload, and done so, since init last looked.
    fn heed_what_preceded_the_end(&mut self) {
        let mut control = [PollFd { fd: CONTROL_FD, events: abi::POLLIN, revents: 0 }];
        if self.host.is_some() && sys::poll(&mut control, Some(0)).is_ok() && control[0].revents != 0 {
            self.obey();
        }
    }

    fn obey(&mut self) {
        match channel::read_command().ok().flatten() {
            Some(Command::Detach) => self.host = None,
            Some(Command::IdMapsWritten) => {}
            // Also at end of file: the host, or its handle, is gone.
            Some(Command::Kill) | None => self.end_workload(Ending::Killed),
        }
    }

    /// Sends SIGKILL to everything. The first reason counts.
    fn end_workload(&mut self, why: Ending) {
        if self.ending == Ending::Own {
            self.ending = why;
        }
        // A host that has ended stays readable; it has been heard.
        if why == Ending::Killed {
            self.host = None;
        }
        self.processes.kill_all();
    }

    /// Reaps all that have ended; the workload's status if it was among them.
    fn reap_ended(&self) -> Option<i32> {
        let mut information = [0u8; 128];
        let _ = sys::read(self.children, &mut information);
        let mut status = None;
        while let Ok(Some(reaped)) = sys::reap(false) {
            if reaped.pid == self.workload {
                status = Some(reaped.status);
            }
        }
        status
    }

    fn end(&self, status: i32, wall: u64) -> End {
        let usage = sys::usage_of_children();
        let microseconds = |time: abi::Timeval| (time.sec as u64).wrapping_mul(1_000_000) + time.usec as u64;
        End {
            // A workload that ended in another way than by init's SIGKILL ended by itself, just before.
            ending: if status & 0x7f == abi::SIGKILL { self.ending } else { Ending::Own },
            status,
            wall,
            user: microseconds(usage.user),
            system: microseconds(usage.system),
            max_rss: usage.max_rss as u64,
        }
    }
}
