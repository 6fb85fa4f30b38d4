//! Init's life after the workload has started: it reaps, enforces the limits of time, obeys and watches the
//! host, and reports when nothing is left.

use super::abi::{self, PollFd};
use super::channel;
use super::listener::Listener;
use super::meter::{Meter, Source};
use super::processes::Processes;
use super::shared::Shared;
use super::state::{Places, Plan};
use super::sys::{self, Fd, Spawned};
use crate::wire::{CONTROL_FD, Command, End, Ending, HOST_FD, Record, listener};

/// What init watches and knows.
struct Init {
    workload: i32,
    host: Option<Fd>,
    children: Fd,
    started: u64,
    /// Nanoseconds of CPU time that belong to the set-up.
    setup: u64,
    deadline: Option<u64>,
    meter: Meter,
    ending: Ending,
    processes: Processes,
    listener: Listener,
}

/// Takes over when the child has become the workload, or has failed. Its clock is ahead by `offset`. The listener
/// of its filter waits in `messages`.
pub fn main(
    plan: &Plan,
    places: &Places,
    shared: Shared,
    offset: i64,
    workload: &Spawned,
    messages: Option<Fd>,
) -> ! {
    if let Some((step, failure)) = shared.failure() {
        let _ = sys::reap(true);
        channel::send(&channel::setup_failed(step, failure));
        sys::exit(1);
    }
    let listener = match messages.map(channel::take_over).transpose() {
        Ok(listener) => listener,
        Err(_) => sys::exit(1),
    };
    let is_the_hosts = plan.header.listener == listener::HOST;
    channel::send_started(workload, listener.filter(|_| is_the_hosts));
    let started = shared.started().wrapping_sub(offset as u64);
    let used = shared.used_before();
    match Init::new(plan, places, workload.pid, started, used, listener.filter(|_| !is_the_hosts)) {
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

/// The kernel lets a long poll sleep longer than asked, by a thousandth: 1 ms in a second. Init looks before that,
/// and the last sleep is short.
fn less_the_slack(time: u64) -> u64 {
    const SHORT: u64 = 10_000_000;
    if time > SHORT { time - time / 64 } else { time }
}

/// Moves a descriptor, if there is one, to a number.
fn keep(fd: Option<Fd>, number: i32) -> sys::Result<Option<Fd>> {
    match fd {
        // A descriptor of the plan is closed at exec as it is.
        Some(fd) if fd.0 != number => sys::keep_as(fd, number).map(Some),
        fd => Ok(fd),
    }
}

impl Init {
    fn new(
        plan: &Plan,
        places: &Places,
        workload: i32,
        started: u64,
        setup: u64,
        listener: Option<Fd>,
    ) -> sys::Result<Self> {
        // What init goes on using moves to the low numbers. All else is closed: a pipe of the workload
        // must end when the workload ends it. The order matters: what comes later may lie on a number that an
        // earlier one takes only if that is the number of something that has moved.
        let header = &plan.header;
        let host = sys::keep_as(Fd(HOST_FD), 0)?;
        let children = sys::keep_as(sys::signalfd_for_children()?, 1)?;
        let proc = keep(places.host_proc, 2)?;
        let meter = keep(plan.fds.find(header.meter as u32)?, CONTROL_FD + 1)?;
        let killer = keep(plan.fds.find(header.killer as u32)?, CONTROL_FD + 2)?;
        let listener = keep(listener, CONTROL_FD + 3)?;
        for (number, is_used) in
            (CONTROL_FD + 1..).zip([meter.is_some(), killer.is_some(), listener.is_some()])
        {
            if !is_used {
                sys::close(Fd(number));
            }
        }
        sys::close_range(CONTROL_FD as u32 + 4, u32::MAX)?;
        let processes = Processes::new(proc, killer);
        let source = meter.map_or(Source::Process(workload), Source::Cgroup);
        // Of its capabilities init still needs only the one to end processes of other users.
        sys::keep_one_capability(abi::CAP_KILL)?;
        let meter = Meter::new(source, setup, header.cpus, header.cpu_limit);
        let mut init = Init {
            workload,
            host: Some(host),
            children,
            started,
            setup,
            deadline: None,
            meter,
            ending: Ending::Own,
            processes,
            listener: Listener::new(listener, header.listener),
        };
        init.limit_wall_time(header.wall_limit);
        Ok(init)
    }

    fn limit_wall_time(&mut self, limit: u64) {
        self.deadline = (limit != 0).then(|| self.started.saturating_add(limit));
        self.be_punctual();
    }

    fn limit_cpu_time(&mut self, limit: u64) {
        self.meter.limit = limit;
        self.be_punctual();
    }

    /// Where there is a time to keep, the timer is exact to the microsecond, and the CPU is given soon. The
    /// workload, which exists by now, does not inherit it.
    fn be_punctual(&self) {
        if self.deadline.is_some() || self.meter.limit != 0 {
            let _ = sys::prctl(abi::PR_SET_TIMERSLACK, 1);
            sys::ask_for_short_turns();
        }
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
        let mut fds =
            [watched(control), watched(host), watched(self.children.0), watched(self.listener.number())];
        let timeout = self.until_a_limit_is_reached();
        if sys::poll(&mut fds, timeout).is_err() {
            self.end_workload(Ending::Killed);
        }
        let [control, host, _, listener] = fds;
        if listener.revents != 0 && self.listener.heed(listener.revents) {
            self.end_workload(Ending::Seccomp);
        }
        if control.revents != 0 {
            self.obey();
        }
        // A host that has detached the container may end.
        if host.revents != 0 && self.host.is_some() {
            self.end_workload(Ending::Killed);
        }
    }

    /// How long nothing needs to be done for the limits of time; what has reached one is ended.
    fn until_a_limit_is_reached(&mut self) -> Option<u64> {
        if self.ending != Ending::Own {
            return None;
        }
        // In this order: the first can take a while.
        let cpu = self.meter.remaining();
        let wall = self.deadline.map(|deadline| deadline.saturating_sub(sys::now()));
        match (wall, cpu) {
            (Some(0), _) => self.end_workload(Ending::WallTime),
            (_, Some(0)) => self.end_workload(Ending::CpuTime),
            (wall, cpu) => return [wall, cpu].into_iter().flatten().min().map(less_the_slack),
        }
        None
    }

    /// Where init is not PID 1 the host ends the workload itself, after it has said so; init may not have looked
    /// since.
    fn heed_what_preceded_the_end(&mut self) {
        if matches!(self.processes, Processes::Namespace) {
            return;
        }
        while self.host.is_some() && sys::has_input(Fd(CONTROL_FD)) {
            self.obey();
        }
    }

    fn obey(&mut self) {
        match channel::read_command().ok().flatten() {
            Some(Command::Detach) => self.host = None,
            Some(Command::IdMapsWritten) => {}
            Some(Command::OutputExceeded) => self.end_workload(Ending::Output),
            Some(Command::WallLimit(limit)) => self.limit_wall_time(limit),
            Some(Command::CpuLimit(limit)) => self.limit_cpu_time(limit),
            Some(Command::Stop) => self.processes.signal_all(abi::SIGSTOP),
            Some(Command::Continue) => self.processes.signal_all(abi::SIGCONT),
            // Also at end of file: the host, or its handle, is gone.
            Some(Command::Kill) | None => self.end_workload(Ending::Killed),
        }
    }

    /// Sends SIGKILL to everything. The first reason counts, and none that comes after the end.
    fn end_workload(&mut self, why: Ending) {
        let as_pid_1 = matches!(self.processes, Processes::Namespace);
        if self.ending == Ending::Own && !(as_pid_1 && sys::has_ended(self.workload)) {
            self.ending = why;
        }
        // A host that has ended stays readable; it has been heard.
        if why == Ending::Killed {
            self.host = None;
        }
        self.processes.signal_all(abi::SIGKILL);
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
        End {
            // A workload that ended in another way than by init's SIGKILL ended by itself, just before.
            ending: if status & 0x7f == abi::SIGKILL { self.ending } else { Ending::Own },
            status,
            wall,
            setup: self.setup,
            user: usage.user.nanoseconds(),
            system: usage.system.nanoseconds(),
            max_rss: usage.max_rss as u64,
            minor_faults: usage.minor_faults as u64,
            major_faults: usage.major_faults as u64,
            blocks_read: usage.blocks_read as u64,
            blocks_written: usage.blocks_written as u64,
            voluntary_switches: usage.voluntary_switches as u64,
            involuntary_switches: usage.involuntary_switches as u64,
            violation: self.listener.violation,
            reported: self.listener.reported,
        }
    }
}
