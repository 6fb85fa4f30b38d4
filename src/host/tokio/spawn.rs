//! Starting a container without blocking the executor: the same start, with its answers awaited.

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFdReadyGuard;
use nix::errno::Errno;

use super::child::Child;
use super::tended::{Ends, Tended};
use super::watch::{Event, Watch, Watched};
use super::{runtime, unwatched};
use crate::config::stdio::Stdio;
use crate::config::{Description, Shared};
use crate::error::Result;
use crate::host::channel::Received;
use crate::host::child::nudge;
use crate::host::slot::{Blank, Slot};
use crate::host::spawn::{
    Opened, Prepared, Started, Starting, clone_init, complete, header, unheard, was_sent,
};
use crate::host::{diagnose, sys};
use crate::plan::Plan;
use crate::wire::Header;

/// As the blocking `spawn`. What it does before the clone, and the clone, it does in place.
pub(crate) async fn spawn(container: &Shared<Description>, input: Stdio, output: Stdio) -> Result<Child> {
    runtime()?;
    let prepared = Prepared::new(container, &input, &output, false)?;
    let (prepared, starting, started) = bring_up(prepared).await?;
    Child::try_from(prepared.child(starting, started))
}

/// As the blocking `Slot::start`.
pub(super) async fn start_slot(container: &Description) -> Result<Slot> {
    let started = match bring_up(Blank::new(container, true)?).await {
        // A program that itself runs under a filter with a listener can have no other one.
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            bring_up(Blank::new(container, false)?).await
        }
        started => started,
    };
    started.map(|(blank, starting, waiting)| blank.slot(starting, waiting))
}

/// What is to be started, with its groups.
trait Planned: Send + Sync + 'static {
    fn plan(&self) -> &Plan;
    fn open(&self) -> Result<Opened>;
}

impl Planned for Prepared {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn open(&self) -> Result<Opened> {
        Prepared::open(self)
    }
}

impl Planned for Blank {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn open(&self) -> Result<Opened> {
        Blank::open(self)
    }
}

/// Starts init and follows the set-up to its end.
async fn bring_up<P: Planned>(prepared: P) -> Result<(P, Starting, Started)> {
    let opened = prepared.open()?;
    let starting = clone_init(prepared.plan())?;
    let half_made = Tended::new(HalfMade { starting, prepared, owner: std::process::id() })?;
    match set_up(&half_made, &opened).await {
        Ok(started) => {
            let HalfMade { starting, prepared, .. } = half_made.into_container();
            Ok((prepared, starting, started))
        }
        Err(error) => {
            half_made.end().await;
            Err(error)
        }
    }
}

/// A container that is being set up, with its groups.
struct HalfMade<P> {
    starting: Starting,
    prepared: P,
    owner: u32,
}

impl<P: Planned> Ends for HalfMade<P> {
    fn init(&self) -> Option<BorrowedFd<'_>> {
        Some(self.starting.pidfd.as_fd())
    }

    fn watch(&self) -> io::Result<Option<Watch>> {
        Watch::new(self.starting.pidfd.clone(), None, self.init_is_pid_1()).map(Some)
    }

    /// A fork of the host program has a copy.
    fn goes_on(&self) -> bool {
        std::process::id() == self.owner
    }

    fn tell_to_end(&self) {
        self.starting.tell_to_end(self.init_is_pid_1());
    }

    fn end(self) {
        if self.goes_on() {
            let init_is_pid_1 = self.init_is_pid_1();
            self.starting.abandon(init_is_pid_1);
        }
    }
}

impl<P: Planned> HalfMade<P> {
    fn init_is_pid_1(&self) -> bool {
        self.prepared.plan().init_is_pid_1()
    }
}

async fn set_up<P: Planned>(half_made: &Tended<HalfMade<P>>, opened: &Opened) -> Result<Started> {
    let HalfMade { starting, prepared, .. } = half_made.container();
    let Some(watch) = half_made.watch() else { return Err(diagnose::vanished()) };
    let talk = Talk::new(starting, watch)?;
    let plan = prepared.plan();
    starting.write_maps_of_the_clone(plan)?;
    let body = plan.encode();
    let header = header(plan, &body, &opened.numbers);
    was_sent(talk.send_plan(&header, opened, &body).await)?;
    talk.follow(plan).await
}

/// What is said over the control socket until the workload runs.
struct Talk<'a> {
    socket: Watched,
    starting: &'a Starting,
    watch: &'a Watch,
}

/// The socket has something, or room; or init has ended.
type Readiness<'a> = Option<AsyncFdReadyGuard<'a, Arc<OwnedFd>>>;

impl<'a> Talk<'a> {
    fn new(starting: &'a Starting, watch: &'a Watch) -> Result<Self> {
        let socket = sys::watch(starting.channel.socket(), Interest::READABLE | Interest::WRITABLE);
        Ok(Talk { socket: socket.map_err(unwatched)?, starting, watch })
    }

    async fn send_plan(&self, header: &Header, opened: &Opened, body: &[u8]) -> io::Result<()> {
        let mut sent = self.starting.channel.begin_plan(header, &opened.numbers, body)?;
        while sent < body.len() {
            let Some(mut guard) = poll_fn(|context| self.poll_writable(context)).await? else {
                return Err(Errno::EPIPE.into());
            };
            match self.starting.channel.continue_plan(&body[sent..])? {
                0 => guard.clear_ready(),
                count => sent += count,
            }
        }
        Ok(())
    }

    async fn follow(&self, plan: &Plan) -> Result<Started> {
        loop {
            let received = self.receive().await.map_err(unheard)?;
            if let ControlFlow::Break(started) = self.starting.answer(received, plan)? {
                return complete(plan, started);
            }
        }
    }

    async fn receive(&self) -> io::Result<Received> {
        loop {
            let readiness = poll_fn(|context| self.poll_readable(context)).await?;
            match (self.starting.channel.read()?, readiness) {
                (Received::Nothing, Some(mut guard)) => guard.clear_ready(),
                // What init sent before it ended would still be there.
                (Received::Nothing, None) => return Ok(Received::End),
                (received, _) => return Ok(received),
            }
        }
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<Readiness<'_>>> {
        if let Poll::Ready(guard) = self.socket.poll_read_ready(context) {
            return Poll::Ready(guard.map(Some));
        }
        self.poll_init(context).map_ok(|()| None)
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<Readiness<'_>>> {
        if let Poll::Ready(guard) = self.socket.poll_write_ready(context) {
            return Poll::Ready(guard.map(Some));
        }
        self.poll_init(context).map_ok(|()| None)
    }

    /// Ready when init has ended.
    fn poll_init(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Event::Tick = ready!(self.watch.poll(context))? {
            nudge(self.starting.pidfd.as_fd());
        }
        Poll::Ready(Ok(()))
    }
}
