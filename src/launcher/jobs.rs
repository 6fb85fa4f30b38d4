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

/// The commands, and what their beginnings need, made when the first one comes.
pub struct Jobs {
    workshop: Option<Workshop>,
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
        Jobs { workshop: None }
    }

    /// Those that run.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Run> {
        self.workshop.iter_mut().flat_map(|workshop| workshop.runs.iter_mut().flatten())
    }

    /// Receives a command and starts it. An error is the end of the container: the socket has lost its order.
    pub fn start(&mut self, places: &Places) -> Result<()> {
        let (header, fds, body) = channel::receive_steps()?;
        let result = fds.get(0).map(|socket| {
            if let Err((step, failure)) = self.begin(places, &header, &fds, body, socket) {
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

    fn begin(
        &mut self,
        places: &Places,
        header: &Header,
        fds: &Descriptors,
        body: &[u8],
        socket: Fd,
    ) -> core::result::Result<(), (u32, Failure)> {
        let in_general = |errno: Errno| (u32::MAX, Failure { errno, item: item::FORK });
        if self.workshop.is_none() {
            self.workshop = Some(Workshop::new().map_err(in_general)?);
        }
        let Some(workshop) = &mut self.workshop else { return Err(in_general(Errno(abi::EAGAIN))) };
        let free = workshop.runs.iter_mut().find(|run| run.is_none());
        let free = free.ok_or(in_general(Errno(abi::EAGAIN)))?;
        let messages = Messages::new(header).map_err(in_general)?;
        let mut places = *places;
        places.messenger = messages.theirs;
        workshop.shared.clear();
        let job = Job { header, fds, body, places: &places, shared: workshop.shared };
        let process = job.spawn(&mut workshop.ground).map_err(|failure| (u32::MAX, failure));
        messages.close_theirs();
        let (process, offset) = process?;
        if let Some(failed) = workshop.shared.failure() {
            messages.close_ours();
            sys::close(process.pidfd);
            return Err(failed);
        }
        let listener = messages.take_listener().map_err(in_general)?;
        let is_the_hosts = header.listener == listener::HOST;
        let started = |vouched| Record::Started { vouched };
        channel::introduce(socket, started, &process, listener.filter(|_| is_the_hosts));
        sys::close(process.pidfd);
        let listener = Listener::new(listener.filter(|_| !is_the_hosts), header.listener);
        let mut run = Run::new(process, socket, Meter::new(Source::Process(process.pid), 0, 1, 0), listener);
        run.has_started(workshop.shared, offset);
        run.limit_wall_time(header.wall_limit);
        *free = Some(run);
        Ok(())
    }

    /// Notes that what still runs is ended with the container.
    pub fn end_with_the_container(&mut self) {
        self.iter_mut().for_each(|run| run.end(Ending::Killed));
    }

    /// Counts a reaped process in, and tells the host if it was one of the commands.
    pub fn settle(&mut self, reaped: &Reaped) {
        let Some(workshop) = &mut self.workshop else { return };
        let slot = workshop.runs.iter_mut().find(|slot| {
            slot.as_ref().is_some_and(|run| run.process.pid == reaped.pid)
        });
        if let Some(run) = slot.and_then(Option::take) {
            let mut run = run;
            run.settle(reaped);
            run.report();
            run.listener.close();
            sys::close(run.channel);
        }
    }
}

/// A command as it came.
struct Job<'a> {
    header: &'a Header,
    fds: &'a Descriptors,
    body: &'a [u8],
    places: &'a Places,
    shared: Shared,
}

impl Job<'_> {
    fn spawn(&self, ground: &mut Ground) -> Outcome<(Spawned, i64)> {
        // Its capabilities serve the steps of the command, and are out of force again afterwards.
        sys::raise_effective()?;
        let spawned = steps::spawn_shared(None, true, ground, |room| {
            let plan = Plan { header: *self.header, body: &[], fds: self.fds.clone() };
            steps::walk_through(plan, self.body, *self.places, Reporter::Init(self.shared), room)
        });
        sys::rely_on_one_capability(abi::CAP_KILL)?;
        let (process, shares) = spawned?;
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
        let listener = self.ours.map(channel::take_over).transpose()?.flatten();
        self.close_ours();
        Ok(listener)
    }

    pub fn close_theirs(&self) {
        self.theirs.map(sys::close);
    }

    pub fn close_ours(&self) {
        self.ours.map(sys::close);
    }
}
