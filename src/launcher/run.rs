//! One command that init watches over: the workload, or one that was added to it.

use super::abi;
use super::account::Account;
use super::channel;
use super::listener::Listener;
use super::meter::Meter;
use super::shared::Shared;
use super::sys::{self, Fd, Reaped, Spawned};
use crate::wire::{Command, End, Ending, Record};

/// The command, from the moment its process exists.
pub struct Run {
    pub process: Spawned,
    /// Where the host hears of it.
    pub channel: Fd,
    /// The moment of its `execve`; 0 before.
    pub started: u64,
    /// Nanoseconds of CPU time that belong to the set-up.
    pub setup: u64,
    /// The limit of wall time, as a moment.
    pub deadline: Option<u64>,
    pub meter: Meter,
    pub ending: Ending,
    pub listener: Listener,
    pub account: Account,
    /// How and when its process has ended.
    ended: Option<(i32, u64)>,
}

impl Run {
    pub fn new(process: Spawned, channel: Fd, meter: Meter, listener: Listener) -> Self {
        Run {
            process,
            channel,
            started: 0,
            setup: 0,
            deadline: None,
            meter,
            ending: Ending::Own,
            listener,
            account: Account::default(),
            ended: None,
        }
    }

    /// Notes that its process has called `execve`. The clock it had then was ahead by `offset`.
    pub fn has_started(&mut self, shared: Shared, offset: i64) {
        self.started = shared.started().wrapping_sub(offset as u64);
        self.setup = shared.used_before();
        self.meter.leave_out(self.setup);
    }

    pub fn limit_wall_time(&mut self, limit: u64) {
        self.deadline = (limit != 0).then(|| self.started.saturating_add(limit));
        self.be_punctual();
    }

    pub fn limit_cpu_time(&mut self, limit: u64) {
        self.meter.limit = limit;
        self.be_punctual();
    }

    /// Where there is a time to keep, the timer is exact to the microsecond, and the CPU is given soon. The
    /// workload, which exists by now, does not inherit it.
    fn be_punctual(&self) {
        if self.has_limits_of_time() {
            let _ = sys::prctl(abi::PR_SET_TIMERSLACK, 1);
            sys::ask_for_short_turns();
        }
    }

    pub fn has_limits_of_time(&self) -> bool {
        self.deadline.is_some() || self.meter.limit != 0
    }

    /// How long nothing needs to be done for the limits of time, or the limit that is reached.
    pub fn until_a_limit_is_reached(&mut self) -> Result<Option<u64>, Ending> {
        if self.ending != Ending::Own || self.ended.is_some() || self.started == 0 {
            return Ok(None);
        }
        // In this order: the first can take a while.
        let cpu = self.meter.remaining();
        let wall = self.deadline.map(|deadline| deadline.saturating_sub(sys::now()));
        match (wall, cpu) {
            (Some(0), _) => Err(Ending::WallTime),
            (_, Some(0)) => Err(Ending::CpuTime),
            (wall, cpu) => Ok([wall, cpu].into_iter().flatten().min()),
        }
    }

    /// Counts a reaped process in, and notes the end if it was the command's own.
    pub fn settle(&mut self, reaped: &Reaped) {
        self.account.add(&reaped.usage);
        if reaped.pid == self.process.pid {
            // Of a short run init may hear of the end before it has heard of the start.
            self.ended = Some((reaped.status, sys::now()));
        }
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Ends the process of a further command, and its process group.
    pub fn end(&mut self, why: Ending) {
        if self.ending == Ending::Own && !sys::has_ended(self.process.pid) {
            self.ending = why;
        }
        if self.process.pid == 0 {
            return;
        }
        // It leads a session, and so a group.
        let _ = sys::kill(-self.process.pid, abi::SIGKILL);
        let _ = sys::kill(self.process.pid, abi::SIGKILL);
    }

    /// What the host says about a further command. At end of file its handle is gone.
    pub fn obey(&mut self) {
        match channel::read_command_from(self.channel).ok().flatten() {
            Some(Command::OutputExceeded) => self.end(Ending::Output),
            Some(Command::WallLimit(limit)) => self.limit_wall_time(limit),
            Some(Command::Kill) => self.end(Ending::Killed),
            None => {
                self.end(Ending::Killed);
                sys::close(self.channel);
                self.channel = Fd(-1);
            }
            Some(_) => {}
        }
    }

    /// Nobody is to hear of it any more, and its number may become another process's.
    pub fn is_over(&mut self) {
        self.process.pid = 0;
        sys::close(self.channel);
        self.channel = Fd(-1);
    }

    /// Tells the host how it ended.
    pub fn report(&self) {
        let Some((status, moment)) = self.ended else { return };
        let end = End {
            // A workload that ended in another way than by init's SIGKILL ended by itself, just before.
            ending: if status & 0x7f == abi::SIGKILL { self.ending } else { Ending::Own },
            status,
            // Before its `execve` no time has passed.
            wall: if self.started == 0 { 0 } else { moment.saturating_sub(self.started) },
            setup: self.setup,
            violation: self.listener.violation,
            reported: self.listener.reported,
            ..End::default()
        };
        channel::send_to(self.channel, &Record::Ended(self.account.fill_in(end)));
    }
}
