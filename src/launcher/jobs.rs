//! Further commands in the container of the workload.

use super::abi;
use super::channel::{self, Reporter};
use super::listener::Listener;
use super::meter::{Meter, Source};
use super::run::Run;
use super::shared::Shared;
use super::state::{Descriptors, Failure, Outcome, Places, Plan};
use super::steps::{self, ROOM};
use super::sys::{self, Errno, Fd, Ground, Reaped, Result, Spawned};
use crate::wire::{Ending, Header, Record, item, listener};

/// The most that run at a time.
pub const MOST: usize = 64;

/// Nanoseconds after which a process that has not called `execve` is set going, and those after which it is given up.
const NUDGE: u64 = 10_000_000;
const PATIENCE: u64 = 5_000_000_000;

/// The commands, and what their beginnings need, made when the first one comes.
pub struct Jobs {
    workshop: Option<Workshop>,
    /// What was heard by the listeners of those that have ended.
    pub saw_sockets: bool,
    pub saw_objects: bool,
}

struct Workshop {
    runs: &'static mut [Option<Run>; MOST],
    ground: Ground,
    shared: Shared,
}

impl Workshop {
    fn new() -> Result<Self> {
        Ok(Workshop {
            runs: sys::allocate_value([const { None }; MOST])?,
            ground: Ground::new(ROOM)?,
            shared: Shared::new()?,
        })
    }
}

impl Jobs {
    pub fn new() -> Self {
        Jobs { workshop: None, saw_sockets: false, saw_objects: false }
    }

    /// Those that run.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Run> {
        self.workshop.iter_mut().flat_map(|workshop| workshop.runs.iter_mut().flatten())
    }

    /// Receives a command and starts it beside the workload. Where that has ended, what is in a slot by now is the
    /// next run's: the end of the socket tells the host so. An error is the end of the container: the socket of
    /// init has lost its order.
    pub fn start(
        &mut self,
        places: &Places,
        host: Fd,
        keeps_capabilities: bool,
        workload: &mut Option<Run>,
    ) -> Result<()> {
        let (header, fds, body) = channel::receive_steps(host)?;
        let result = fds.get(0).map(|socket| {
            let Some(workload) = workload else { return sys::close(socket) };
            let job = Job { header: &header, fds: &fds, body, places, host };
            let begun = self.begin_with_capabilities(&job, socket, workload, keeps_capabilities);
            if let Err((step, failure)) = begun {
                channel::send_to(socket, &channel::setup_failed(step, failure));
                sys::close(socket);
            }
        });
        for fd in fds.iter().skip(1) {
            sys::close(fd);
        }
        sys::release(body);
        result
    }

    /// Init's capabilities serve the steps of the command, and are out of force again afterwards, unless it needs
    /// them for other things.
    fn begin_with_capabilities(
        &mut self,
        job: &Job<'_>,
        socket: Fd,
        workload: &mut Run,
        keeps_them: bool,
    ) -> Begun {
        sys::raise_effective().map_err(in_general)?;
        let begun = self.begin(job, socket, workload);
        if !keeps_them {
            sys::rely_on_one_capability(abi::CAP_KILL).map_err(in_general)?;
        }
        begun
    }

    fn begin(&mut self, job: &Job<'_>, socket: Fd, workload: &mut Run) -> Begun {
        if self.workshop.is_none() {
            self.workshop = Some(Workshop::new().map_err(in_general)?);
        }
        let Some(workshop) = &mut self.workshop else { return Err(in_general(Errno(abi::EAGAIN))) };
        let free = workshop.runs.iter_mut().find(|run| run.is_none());
        let free = free.ok_or(in_general(Errno(abi::EAGAIN)))?;
        let messages = Messages::always().map_err(in_general)?;
        let shared = workshop.shared;
        shared.clear();
        let process = job.spawn(&mut workshop.ground, shared, messages.theirs);
        messages.close_theirs();
        let process = process.inspect_err(|_| messages.close_ours());
        let (process, offset) = process.map_err(|failure| (u32::MAX, failure))?;
        messages.await_execve(&process, job.host, workload);
        workshop.ground.tenant_has_left();
        if let Some(failed) = shared.failure() {
            messages.close_ours();
            sys::close(process.pidfd);
            return Err(failed);
        }
        let purpose = job.header.listener;
        let listener = match purpose {
            listener::NONE => None,
            _ => messages.listener().map_err(in_general)?,
        };
        messages.close_ours();
        let (theirs, ours) = if purpose == listener::HOST { (listener, None) } else { (None, listener) };
        // To vouch for it takes capabilities.
        channel::introduce(socket, |vouched| Record::Started { vouched }, &process, theirs);
        sys::close_if_any(theirs);
        sys::close(process.pidfd);
        let meter = Meter::new(Source::Process(process.pid), 0, 1, 0);
        let mut run = Run::new(process, socket, meter, Listener::new(ours, purpose));
        run.has_started(shared, offset);
        run.limit_wall_time(job.header.wall_limit);
        *free = Some(run);
        Ok(())
    }

    /// Notes that what still runs is ended with the container.
    pub fn end_with_the_container(&mut self) {
        self.iter_mut().for_each(|run| run.end(Ending::Killed));
    }

    /// Counts a reaped process in, and tells the host if it was one of the commands.
    pub fn settle(&mut self, reaped: &Reaped) {
        for run in self.iter_mut().filter(|run| run.process.pid == reaped.pid) {
            run.settle(reaped);
            run.report();
            run.is_over();
        }
        self.forget_finished();
    }

    /// Lets go of commands of which nothing is left: what a command has left running needs its listener.
    pub fn forget_finished(&mut self) {
        let Some(workshop) = &mut self.workshop else { return };
        for slot in workshop.runs.iter_mut() {
            let Some(run) = slot.as_ref().filter(|run| run.process.pid == 0) else { continue };
            self.saw_sockets |= run.listener.saw_sockets;
            self.saw_objects |= run.listener.saw_objects;
            if run.listener.number() < 0 {
                *slot = None;
            }
        }
    }
}

/// Whether a command has begun, or which step failed.
type Begun = core::result::Result<(), (u32, Failure)>;

/// What fails is no step.
fn in_general(errno: Errno) -> (u32, Failure) {
    (u32::MAX, Failure { errno, item: item::FORK })
}

/// A command as it came.
struct Job<'a> {
    header: &'a Header,
    fds: &'a Descriptors,
    body: &'a [u8],
    places: &'a Places,
    host: Fd,
}

impl Job<'_> {
    fn spawn(&self, ground: &mut Ground, shared: Shared, messenger: Option<Fd>) -> Outcome<(Spawned, i64)> {
        // It does not wait for a run.
        let places = Places { messenger, runs: None, ..*self.places };
        let (process, shares) = steps::spawn_shared(None, false, ground, |room| {
            let plan = Plan { header: *self.header, body: &[], fds: self.fds.clone() };
            steps::walk_through(plan, self.body, places, Reporter::Init(shared), room)
        })?;
        Ok((process, if shares { 0 } else { self.header.clock_offset }))
    }
}

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

    fn listener(&self) -> Result<Option<Fd>> {
        Ok(self.ours.map(channel::take_over).transpose()?.flatten())
    }

    /// Waits until a process has called `execve`, or is gone. A workload of the same user may stop it on its way,
    /// again and again: it is set going again, and given up where the workload's time is over, or init's patience.
    fn await_execve(&self, process: &Spawned, host: Fd, workload: &mut Run) {
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
