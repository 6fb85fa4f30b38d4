//! Containers that are ready before they are needed.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::berth::Berth;
use super::child::{Child, Output, Template};
use super::queue::{self, Ticket, Turn, Waiting};
use super::slot::{Applied, Renewal, Slot};
use super::spawn::{open_streams, output_is_captured};
use super::stdio::Stream;
use super::terms::Terms;
use crate::command::Command;
use crate::config::{Description, Shared, Stdio};
use crate::container::Container;
use crate::error::{Error, Result};
use crate::plan::{self, Plan};
use crate::report::Report;
use crate::usage::Usage;

/// Prepared containers that run command after command: what it takes to set a container up has been done before a
/// command comes, and is done again after it has ended.
///
/// Each run has what a run in a new container has: the same namespaces, file systems, limits and filter, its own
/// counters and its own report. Nothing of a run can be seen in the next one: its processes have ended, process ids
/// begin anew, its file systems, IPC objects and cgroup namespace are gone, and so is the network namespace if it
/// was used. What the container can write to on the host, by a writable bind or root file system, stays: that is
/// what it was asked for.
///
/// Not every container can be made as new. One with capabilities, without a seccomp filter or with one that lets keys be
/// used, without a new PID, mount or user namespace, with a writable overlay, a [`disk_limit`](Container::disk_limit)
/// or something mounted on a tmpfs serves once; the pool then has the next one ready.
///
/// A pool can be used from many threads. It has one thread of its own, which sees to slots that need more than init
/// can do. Dropped, it ends its free containers, and those in use when their run has ended.
///
/// ```
/// use cofferdam::{Command, Container, Pool};
/// let pool = Pool::new(&Container::new().pids_limit(32), 2)?;
/// for name in ["one", "two", "three"] {
///     let output = pool.output(&Command::new("sh").args(["-c", "echo $$ $0 >/tmp/file; cat /tmp/*", name]))?;
///     assert_eq!(output.stdout, format!("2 {name}\n").into_bytes());
/// }
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    pub(super) stock: Arc<Stock>,
    keeper: Option<JoinHandle<()>>,
}

/// What the pool, its runs and its keeper share.
#[derive(Debug)]
pub(super) struct Stock {
    pub container: Shared<Description>,
    least: usize,
    most: usize,
    /// The process that the pool belongs to: a fork of it has a copy, and neither the keeper nor a right to what is
    /// in the containers.
    owner: u32,
    state: Mutex<State>,
    chores: Mutex<mpsc::Sender<Chore>>,
}

#[derive(Debug)]
struct State {
    /// Slots that nobody uses, the last used last.
    free: VecDeque<Slot>,
    /// Who waits for one.
    queue: VecDeque<Arc<Ticket>>,
    /// All slots: free, in use, and being made.
    count: usize,
    closed: bool,
}

/// What the keeper does.
#[derive(Debug)]
enum Chore {
    /// Give it other groups.
    Regroup(Box<Slot>),
    /// End it, and have another one instead.
    Replace(Option<Box<Slot>>),
    Stop,
}

/// After so long without use a slot beyond the least number is ended.
const IDLE: Duration = Duration::from_secs(10);

impl Pool {
    /// A pool of so many containers, all of which are started. The program, its arguments and what they name come
    /// with each [`Command`].
    ///
    /// # Errors
    /// As [`Container::spawn`], and for no containers at all.
    pub fn new(container: &Container, slots: usize) -> Result<Self> {
        Pool::elastic(container, slots..=slots)
    }

    /// A pool that has at least and at most so many containers: beyond the least number they are started when they
    /// are needed, and ended when they have not been used for ten seconds.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn elastic(container: &Container, slots: RangeInclusive<usize>) -> Result<Self> {
        let (least, most) = slots.into_inner();
        if most == 0 || least > most {
            return Err(Error::invalid("pool", format!("{least} to {most} containers are none to run in")));
        }
        let (sender, receiver) = mpsc::channel();
        let container = container.description.clone();
        let free = (0..least).map(|_| Slot::start(&container)).collect::<Result<VecDeque<_>>>()?;
        let owner = std::process::id();
        let state = Mutex::new(State { count: free.len(), free, queue: VecDeque::new(), closed: false });
        let chores = Mutex::new(sender);
        let stock = Arc::new(Stock { container, least, most, owner, state, chores });
        let keeper = thread::Builder::new().name("cofferdam-pool".into()).spawn({
            let stock = stock.clone();
            move || stock.keep(&receiver)
        });
        let keeper = keeper.map_err(|error| Error::io("pool", "a thread", &error))?;
        Ok(Pool { stock, keeper: Some(keeper) })
    }

    /// Starts a command in a container that is free, and waits for one if none is. Standard streams are the host's
    /// unless the command or the container says otherwise.
    ///
    /// The handle is that of any container: what it says and does is about this run.
    ///
    /// # Errors
    /// As [`Container::spawn`]. The container is free again.
    pub fn spawn(&self, command: &Command) -> Result<Child> {
        self.start(command, &Stdio::inherit(), &Stdio::inherit(), true)
    }

    /// Runs a command to its end.
    ///
    /// ```
    /// use cofferdam::{Cause, Command, Container, Pool};
    /// use std::time::Duration;
    /// let pool = Pool::new(&Container::new(), 1)?;
    /// let report = pool.run(&Command::new("sleep").arg("100").wall_time_limit(Duration::from_millis(50)))?;
    /// assert_eq!(report.cause(), Cause::WallTime);
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait`].
    pub fn run(&self, command: &Command) -> Result<Report> {
        self.start(command, &Stdio::inherit(), &Stdio::inherit(), false)?.wait()
    }

    /// Runs a command to its end and collects what it writes. Standard input is empty and the other streams are
    /// collected unless set: see [`Container::output`].
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    pub fn output(&self, command: &Command) -> Result<Output> {
        self.start(command, &Stdio::null(), &Stdio::piped(), false)?.wait_with_output()
    }

    fn start(&self, command: &Command, input: &Stdio, output: &Stdio, announce: bool) -> Result<Child> {
        let stock = &self.stock;
        let order = Order::new(stock, command, input, output)?;
        let mut slot = stock.take()?;
        let fitted = order
            .fit(&mut slot)
            .and_then(|awaited| if awaited { slot.prepared(&order.files) } else { Ok(()) });
        if let Err(error) = fitted {
            stock.replace(slot);
            return Err(error);
        }
        let mut child = order.launch(stock, slot, announce)?;
        if announce {
            child.await_start()?;
        }
        Ok(child)
    }
}

/// A command with all that can be found out about it before there is a slot.
pub(super) struct Order {
    merged: Description,
    pub files: Plan,
    collected: Plan,
    streams: [Stream; 3],
}

impl Order {
    pub fn new(stock: &Stock, command: &Command, input: &Stdio, output: &Stdio) -> Result<Self> {
        if !stock.is_own() {
            return Err(Error::invalid("pool", "a forked process has none of the containers"));
        }
        let config = &command.config;
        let merged = config.over(&stock.container);
        plan::validate(&merged)?;
        let (files, collected) = (plan::files_in(config)?, plan::files_out(config)?);
        let streams = open_streams(&merged.stdio, input, output)?;
        output_is_captured(&merged, &streams)?;
        Ok(Order { merged, files, collected, streams })
    }

    /// Gives a slot the limits, and has init put the files in their places; whether its answer is to be awaited.
    pub fn fit(&self, slot: &mut Slot) -> Result<bool> {
        slot.limit(Applied::of(&self.merged))?;
        slot.begin_to_prepare(&self.files)
    }

    /// Has the command run. A slot in which it cannot is replaced.
    pub fn launch(self, stock: &Arc<Stock>, mut slot: Slot, announce: bool) -> Result<Child> {
        let Order { merged, collected, streams, .. } = self;
        let terms = Terms::new(&merged, &slot.terms.layout);
        let begun = plan::run_of_slot(&merged, &slot.terms.own.steps)
            .and_then(|run| slot.send_run(&run, &streams, announce).map(|()| run));
        let run = match begun {
            Ok(run) => run,
            Err(error) => {
                stock.replace(slot);
                return Err(error);
            }
        };
        let workload = slot.terms.own.clone();
        let (mut link, waiting, slot) = slot.vacate();
        link.berth = Some(Box::new(Berth::new(stock.clone(), slot, run, collected)));
        let Some(waiting) = waiting else {
            return Err(Error::errno("pool", "a slot without process", libc::ESRCH));
        };
        let template = Template::new(&merged.into(), workload);
        Ok(Child::new(link, waiting, streams, terms, template))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if !self.stock.is_own() {
            // Locks may be held by threads that are not here, and the keeper never ends.
            std::mem::forget(self.keeper.take());
            return;
        }
        let free = {
            let mut state = self.stock.state();
            state.closed = true;
            std::mem::take(&mut state.free)
        };
        self.stock.chore(Chore::Stop);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
        drop(free);
    }
}

impl Stock {
    /// What a thread that panicked left is whole: nothing is changed in two steps.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_own(&self) -> bool {
        self.owner == std::process::id()
    }

    fn chore(&self, chore: Chore) {
        let _ = self.chores.lock().unwrap_or_else(PoisonError::into_inner).send(chore);
    }

    /// A slot that is as new. Where none is free, and there may be more, it is started here.
    fn take(&self) -> Result<Slot> {
        loop {
            match self.turn().unwrap_or_else(queue::block_on) {
                Turn::Slot(mut slot) => match slot.await_ready() {
                    Renewal::Ready => return Ok(*slot),
                    renewal => self.mend(slot, &renewal),
                },
                Turn::Room => return Slot::start(&self.container).inspect_err(|_| self.is_one_less()),
            }
        }
    }

    /// The turn of whoever asks, or a place in the queue. While somebody is in the queue, no slot is free.
    pub fn turn(&self) -> std::result::Result<Turn, Waiting<'_>> {
        let mut state = self.state();
        if let Some(slot) = state.pick() {
            return Ok(Turn::Slot(Box::new(slot)));
        }
        if state.count < self.most {
            state.count += 1;
            return Ok(Turn::Room);
        }
        let ticket = Arc::new(Ticket::default());
        state.queue.push_back(ticket.clone());
        Err(Waiting { stock: self, ticket })
    }

    /// Tickets are given turns only under this lock: after it no turn comes any more.
    pub fn leave_queue(&self, ticket: &Arc<Ticket>) {
        self.state().queue.retain(|other| !Arc::ptr_eq(other, ticket));
        if let Some(turn) = ticket.take() {
            self.pass_on(turn);
        }
    }

    /// Gives a turn to whoever is next.
    fn pass_on(&self, turn: Turn) {
        let mut state = self.state();
        if state.closed {
            drop(state);
            return drop(turn);
        }
        match (state.queue.pop_front(), turn) {
            (Some(ticket), turn) => {
                let waker = ticket.give(turn);
                drop(state);
                waker.into_iter().for_each(Waker::wake);
            }
            (None, Turn::Slot(slot)) => state.free.push_back(*slot),
            (None, Turn::Room) => state.count -= 1,
        }
    }

    /// Sees to a slot that did not become as new.
    pub fn mend(&self, slot: Box<Slot>, renewal: &Renewal) {
        match renewal {
            Renewal::Charged => self.chore(Chore::Regroup(slot)),
            _ => self.chore(Chore::Replace(Some(slot))),
        }
    }

    /// Takes a slot back after a run that used so much.
    pub fn take_back(&self, mut slot: Slot, usage: &Usage) {
        if !slot.terms.renewable {
            return self.replace(slot);
        }
        if !slot.link.groups.count_anew(usage) {
            return self.chore(Chore::Regroup(Box::new(slot)));
        }
        match slot.renew() {
            Ok(()) => self.put(slot),
            Err(_) => self.replace(slot),
        }
    }

    pub fn put(&self, slot: Slot) {
        self.pass_on(Turn::Slot(Box::new(slot)));
    }

    pub fn replace(&self, slot: Slot) {
        self.chore(Chore::Replace(Some(Box::new(slot))));
    }

    /// A slot has ended in the hands of a run.
    pub fn has_lost_one(&self) {
        self.chore(Chore::Replace(None));
    }

    /// Who waits for a slot starts another one, and may find out why there is one less.
    pub fn is_one_less(&self) {
        self.pass_on(Turn::Room);
    }

    /// Whether the keeper is there.
    #[cfg(feature = "tokio")]
    pub fn is_open(&self) -> bool {
        !self.state().closed
    }

    /// The keeper's life.
    fn keep(&self, chores: &mpsc::Receiver<Chore>) {
        loop {
            match chores.recv_timeout(IDLE) {
                Ok(Chore::Regroup(mut slot)) => match slot.regroup() {
                    Ok(()) => self.put(*slot),
                    Err(_) => self.start_another(Some(*slot)),
                },
                Ok(Chore::Replace(slot)) => self.start_another(slot.map(|slot| *slot)),
                Ok(Chore::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.end_idle();
        }
    }

    fn start_another(&self, slot: Option<Slot>) {
        drop(slot);
        if self.state().closed {
            return;
        }
        match Slot::start(&self.container) {
            Ok(slot) => self.put(slot),
            // Who needs a slot next starts it, and gets the error.
            Err(_) => self.is_one_less(),
        }
    }

    /// Ends slots beyond the least number that nobody has used for a while.
    fn end_idle(&self) {
        loop {
            let mut state = self.state();
            let is_idle = state.free.front().is_some_and(|slot| slot.since.elapsed() >= IDLE);
            if state.count <= self.least || !is_idle {
                return;
            }
            state.count -= 1;
            let slot = state.free.pop_front();
            drop(state);
            drop(slot);
        }
    }
}

impl State {
    /// The slot to use next: of those that are ready the last used; else the first, which is ready soonest.
    fn pick(&mut self) -> Option<Slot> {
        match self.free.iter().rposition(Slot::is_ready) {
            Some(index) => self.free.remove(index),
            None => self.free.pop_front(),
        }
    }
}
