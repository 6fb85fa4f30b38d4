//! Further commands in the container of the workload.

use super::abi;
use super::channel::{self, Reporter};
use super::listener::{Listener, Seen};
use super::messages::Messages;
use super::meter::{Meter, Source};
use super::run::Run;
use super::shared::Shared;
use super::state::{Descriptors, Failure, Outcome, Places, Plan};
use super::steps;
use super::sys::{self, Errno, Fd, Ground, Reaped, Result, Spawned};
use crate::wire::{Ending, Header, ROOM, Record, item, listener};

/// The most that run at a time.
pub const MOST: usize = 64;

/// The commands, and what their beginnings need, made when the first one comes.
pub struct Jobs {
    workshop: Option<Workshop>,
    /// What those that have ended have asked for.
    pub seen: Seen,
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
        Jobs { workshop: None, seen: Seen::default() }
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
            self.seen = self.seen.or(run.listener.seen);
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
