//! Init's life once there is something to run: it reaps, enforces the limits of time, obeys and watches the
//! host, and reports. Where it is a slot it does so again and again.

use super::abi::{self, PollFd};
use super::channel;
use super::jobs::{self, Jobs};
use super::listener::Listener;
use super::messages::Messages;
use super::meter::{Meter, Source};
use super::processes::Processes;
use super::run::Run;
use super::shared::Shared;
use super::slot::Slot;
use super::state::{Outcome, Places, Plan};
use super::sys::{self, Fd, Reaped, Spawned};
use crate::wire::{CONTROL_FD, Command, End, Ending, HOST_FD, Record, listener};

/// What init watches and knows.
struct Init {
    /// The workload; in a slot none between the runs.
    main: Option<Run>,
    jobs: Jobs,
    slot: Option<Slot>,
    host: Option<Fd>,
    children: Fd,
    processes: Processes,
    places: Places,
}

/// What has to be before the first process exists.
pub fn prepare() -> Outcome {
    // As PID 1 init gets all orphans; elsewhere it must ask for them before there can be any.
    if sys::getpid() != 1 {
        sys::prctl(abi::PR_SET_CHILD_SUBREAPER, 1)?;
    }
    // What init has open and in memory is nobody's business, from the workload's first moment on.
    Ok(sys::prctl(abi::PR_SET_DUMPABLE, 0)?)
}

/// Takes over when the child has become the workload, or has failed. Its clock is ahead by `offset`. The listener
/// of its filter waits in `messages`.
pub fn main(
    plan: &Plan,
    places: &Places,
    shared: Shared,
    offset: i64,
    workload: &Spawned,
    messages: Messages,
) -> ! {
    if let Some((step, failure)) = shared.failure() {
        let _ = sys::reap(true);
        channel::send(&channel::setup_failed(step, failure));
        sys::exit(1);
    }
    let Ok(listener) = messages.take_listener() else { sys::exit(1) };
    let is_the_hosts = plan.header.listener == listener::HOST;
    let started = |vouched| Record::Started { vouched };
    channel::introduce(Fd(CONTROL_FD), started, workload, listener.filter(|_| is_the_hosts));
    match Init::new(plan, places, workload, listener.filter(|_| !is_the_hosts)) {
        Ok((mut init, mut run)) => {
            run.has_started(shared, offset);
            run.limit_cpu_time(plan.header.cpu_limit);
            run.limit_wall_time(plan.header.wall_limit);
            init.main = Some(run);
            init.live()
        }
        // Cannot watch, so must not go on: the end of PID 1 is the end of all.
        Err(_) => sys::exit(1),
    }
}

/// Becomes the init of a slot. Returns only the failure to do so.
pub fn serve(slot: Slot) -> Outcome {
    let mut init = Init {
        main: None,
        jobs: Jobs::new(),
        slot: Some(slot),
        host: Some(Fd(HOST_FD)),
        children: sys::signalfd_for_children()?,
        processes: Processes::new(None, None),
        places: Places::default(),
    };
    init.renew();
    init.live()
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

/// The descriptors that are polled: four of init's own, and two of each command.
struct Watched {
    fds: [PollFd; 4 + 2 * (1 + jobs::MOST)],
    count: usize,
}

impl Watched {
    fn new() -> Self {
        let none = PollFd { fd: -1, events: abi::POLLIN, revents: 0 };
        Watched { fds: [none; 4 + 2 * (1 + jobs::MOST)], count: 0 }
    }

    fn push(&mut self, fd: i32) {
        if let Some(slot) = self.fds.get_mut(self.count) {
            slot.fd = fd;
            self.count += 1;
        }
    }

    fn poll(&mut self, timeout: Option<u64>) -> sys::Result<()> {
        let count = self.count;
        self.count = 0;
        sys::poll(self.fds.get_mut(..count).unwrap_or_default(), timeout)
    }

    /// What happened on the next descriptor, in the order in which they were pushed.
    fn next(&mut self) -> i16 {
        let events = self.fds.get(self.count).map_or(0, |fd| fd.revents);
        self.count += 1;
        events
    }
}

impl Init {
    fn new(
        plan: &Plan,
        places: &Places,
        workload: &Spawned,
        listener: Option<Fd>,
    ) -> sys::Result<(Self, Run)> {
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
        let source = meter.map_or(Source::Process(workload.pid), Source::Cgroup);
        // Of its capabilities init still needs only the one to end processes of other users, and all of them where
        // a further command comes.
        sys::rely_on_one_capability(abi::CAP_KILL)?;
        let meter = Meter::new(source, 0, header.cpus, 0);
        let listener = Listener::new(listener, header.listener);
        let places = Places { host_proc: proc, ..Places::default() };
        let (main, jobs, slot) = (None, Jobs::new(), None);
        let init = Init { main, jobs, slot, host: Some(host), children, processes, places };
        Ok((init, Run::new(*workload, Fd(CONTROL_FD), meter, listener)))
    }

    fn live(&mut self) -> ! {
        loop {
            self.watch();
            self.reap_ended();
            if self.main.as_ref().is_some_and(Run::has_ended) {
                self.end();
            }
        }
    }

    /// Sleeps until something happens, and reacts to all but ended children.
    fn watch(&mut self) {
        let timeout = self.until_a_limit_is_reached();
        let mut watched = Watched::new();
        watched.push(if self.host.is_some() { CONTROL_FD } else { -1 });
        watched.push(self.host.map_or(-1, |fd| fd.0));
        watched.push(self.children.0);
        watched.push(self.messages().map_or(-1, |fd| fd.0));
        for run in self.main.iter_mut().chain(self.jobs.iter_mut()) {
            watched.push(run.listener.number());
            watched.push(if run.channel.0 == CONTROL_FD { -1 } else { run.channel.0 });
        }
        if watched.poll(timeout).is_err() {
            self.end_workload(Ending::Killed);
        }
        let (control, host, _, messages) = (watched.next(), watched.next(), watched.next(), watched.next());
        self.heed_runs(&mut watched);
        if messages != 0 {
            self.heed_messages(messages);
        }
        if control != 0 {
            self.obey();
        }
        // A host that has detached the container may end.
        if host != 0 && self.host.is_some() {
            self.end_without_host();
        }
    }

    /// Reacts to forbidden calls, and to hosts that give a command up.
    fn heed_runs(&mut self, watched: &mut Watched) {
        let mut violation = 0;
        for run in self.main.iter_mut().chain(self.jobs.iter_mut()) {
            let (listener, channel) = (watched.next(), watched.next());
            if listener != 0 && run.listener.heed(listener) {
                violation = run.listener.violation;
                run.end(Ending::Seccomp);
            }
            if channel != 0 {
                run.obey();
            }
        }
        self.jobs.forget_finished();
        if let (Some(run), true) = (&mut self.main, violation != 0) {
            run.listener.violation = violation;
            self.end_workload(Ending::Seccomp);
        }
    }

    fn messages(&self) -> Option<Fd> {
        self.slot.as_ref()?.messages
    }

    /// The process that waits in a slot is ready, or has called `execve`, or is gone.
    fn heed_messages(&mut self, events: i16) {
        let (Some(slot), Some(run)) = (&mut self.slot, &mut self.main) else { return };
        // It fails where the process has gone between the one and the other.
        if events & abi::POLLIN != 0 && slot.take_over(run).is_ok() {
            let ready = |vouched| Record::Ready { vouched };
            let listener = slot.for_the_host.take();
            channel::introduce(Fd(CONTROL_FD), ready, &run.process, listener);
            sys::close_if_any(listener);
            return;
        }
        slot.has_left();
        if slot.shared.failure().is_some() {
            return;
        }
        let shared = slot.shared;
        run.has_started(shared, slot.offset);
        run.limit_cpu_time(shared.cpu_limit());
        run.limit_wall_time(shared.wall_limit());
        if shared.is_to_be_announced() {
            channel::send(&Record::Started { vouched: false });
        }
    }

    /// How long nothing needs to be done for the limits of time; what has reached one is ended.
    fn until_a_limit_is_reached(&mut self) -> Option<u64> {
        let mut least = None;
        let mut reached = None;
        if let Some(run) = &mut self.main {
            match run.until_a_limit_is_reached() {
                Ok(time) => least = time,
                Err(why) => reached = Some(why),
            }
        }
        for job in self.jobs.iter_mut() {
            match job.until_a_limit_is_reached() {
                Ok(time) => least = [least, time].into_iter().flatten().min(),
                Err(why) => job.end(why),
            }
        }
        if let Some(why) = reached {
            self.end_workload(why);
        }
        least.map(less_the_slack)
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
        let command = channel::read_command().ok().flatten();
        match (command, &mut self.main, &mut self.slot) {
            (Some(Command::Detach), ..) => self.host = None,
            (Some(Command::OutputExceeded), ..) => self.end_workload(Ending::Output),
            (Some(Command::WallLimit(limit)), Some(run), _) => run.limit_wall_time(limit),
            (Some(Command::CpuLimit(limit)), Some(run), _) => run.limit_cpu_time(limit),
            (Some(Command::Stop), ..) => self.processes.signal_all(abi::SIGSTOP),
            (Some(Command::Continue), ..) => self.processes.signal_all(abi::SIGCONT),
            (Some(Command::Exec), ..) => {
                let places = self.slot.as_ref().map_or(self.places, |slot| *slot.places());
                let host = self.host.unwrap_or(Fd(-1));
                if self.jobs.start(&places, host, self.slot.is_some(), &mut self.main).is_err() {
                    sys::exit(1);
                }
            }
            (Some(Command::Prepare), _, Some(slot)) => channel::send(&slot.prepare()),
            (Some(Command::Collect), _, Some(slot)) => slot.collect(),
            (Some(Command::Renew(count)), None, Some(slot)) => {
                slot.change_groups(count);
                self.renew();
            }
            (Some(Command::Kill), ..) => self.end_workload(Ending::Killed),
            (None, ..) => self.end_without_host(),
            // The run that it was about has ended.
            _ => {}
        }
    }

    /// The host, or its handle, is gone. A slot has nobody left to wait for.
    fn end_without_host(&mut self) {
        self.end_workload(Ending::Killed);
        if self.slot.is_some() {
            self.processes.end_all(|_| {});
            sys::exit(0);
        }
    }

    /// Has the slot wait for its next run.
    fn renew(&mut self) {
        let Some(slot) = &mut self.slot else { return };
        match slot.renew() {
            Ok(run) => self.main = Some(run),
            // A host that has other groups for it may try again.
            Err(stop) => channel::send(&stop.record()),
        }
    }

    /// Sends SIGKILL to everything. The first reason counts, and none that comes after the end.
    fn end_workload(&mut self, why: Ending) {
        let as_pid_1 = matches!(self.processes, Processes::Namespace);
        if let Some(run) = &mut self.main {
            if run.ending == Ending::Own && !(as_pid_1 && sys::has_ended(run.process.pid)) {
                run.ending = why;
            }
        }
        // A host that has ended stays readable; it has been heard. That of a slot goes on.
        if why == Ending::Killed && self.slot.is_none() {
            self.host = None;
        }
        self.processes.signal_all(abi::SIGKILL);
    }

    /// Reaps all that have ended.
    fn reap_ended(&mut self) {
        let mut information = [0u8; 128];
        let _ = sys::read(self.children, &mut information);
        while let Ok(Some(reaped)) = sys::reap(false) {
            self.settle(&reaped);
        }
    }

    /// A process of a further command counts for the container as well.
    fn settle(&mut self, reaped: &Reaped) {
        settle(&mut self.main, &mut self.jobs, &mut self.slot, reaped);
    }

    /// The workload has ended, and with it all else. Init ends with it, but for that of a slot.
    fn end(&mut self) {
        self.heed_what_preceded_the_end();
        if self.messages().is_some() {
            self.heed_messages(0);
        }
        let Init { main, jobs, slot, processes, .. } = self;
        jobs.end_with_the_container();
        processes.end_all(|reaped| settle(main, jobs, slot, reaped));
        let Some(run) = main.take() else { return };
        let Some(slot) = slot else {
            run.report();
            sys::exit(0)
        };
        slot.tell_the_end(run, jobs);
    }
}

fn settle(main: &mut Option<Run>, jobs: &mut Jobs, slot: &mut Option<Slot>, reaped: &Reaped) {
    jobs.settle(reaped);
    if let Some(run) = main {
        run.settle(reaped);
    }
    if let Some(slot) = slot {
        slot.settle(reaped);
    }
}
