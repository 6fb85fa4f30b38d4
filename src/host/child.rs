//! The handle of a running container.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use super::berth::{Berth, OutputFile};
use super::cgroup::Groups;
use super::channel::{Channel, Received, retry};
use super::notifier::Notifier;
use super::output::Writer;
use super::spawn::{Started, header};
use super::stdio::Stream;
use super::sys::Attached;
use super::terms::Terms;
use super::{diagnose, output, sys};
use crate::config::namespaces::{NamespaceSource, SourceKind};
use crate::config::stdio::{Stdio, StdioConfig, StdioKind};
use crate::config::{Description, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Plan;
use crate::report::Report;
use crate::usage::Usage;
use crate::wire::{Command, Header, Record};

/// A running container.
///
/// Dropped, it ends: everything in it is killed and removed; [`end_all`](Self::end_all) ends many in less time.
/// [`detach`](Self::detach) lets it go on. If the host program ends, by whatever way, the container ends too.
///
/// As with [`std::process::Child`], [`wait`](Self::wait) closes standard input first.
///
/// ```
/// use cofferdam::{Cause, Container};
/// use std::time::Duration;
/// let mut child = Container::new().command("sleep").arg("100").spawn()?;
/// assert!(child.wait_timeout(Duration::from_millis(10))?.is_none());
/// child.kill()?;
/// let report = child.wait()?;
/// assert_eq!((report.cause(), report.signal()), (Cause::Killed, Some(9)));
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Debug)]
pub struct Child {
    /// The writing end of standard input, if it was [`piped`](crate::Stdio::piped).
    pub stdin: Option<ChildStdin>,
    /// The reading end of standard output, if it was piped.
    pub stdout: Option<ChildStdout>,
    /// The reading end of standard error, if it was piped.
    pub stderr: Option<ChildStderr>,
    /// The calls that wait for a handler, if the policy has a rule with
    /// [`SeccompAction::Notify`](crate::SeccompAction::Notify). Dropped, as [`wait`](Self::wait) and its kin do
    /// with one that was not taken out, such calls fail with `ENOSYS`.
    pub notifier: Option<Notifier>,
    pub(super) running: Running,
    pub(super) report: Option<Report>,
    files: Vec<OutputFile>,
}

/// A command that runs, and the container that it runs in.
#[derive(Debug)]
pub(super) struct Running {
    /// None any more once the end is known.
    pub link: Option<Link>,
    pub workload: OwnedFd,
    pub workload_pid: u32,
    pub terms: Terms,
    /// When it was known that the workload runs.
    pub started: Instant,
    /// It wrote more than may be captured.
    pub output_exceeded: bool,
    /// It was paused, and not resumed.
    pub paused: AtomicBool,
    pub template: Template,
    /// The report, while files are still to come.
    account: Option<Report>,
}

/// What a further command is made from.
#[derive(Debug)]
pub(super) struct Template {
    pub container: Shared<Description>,
    /// The steps by which the workload came to be.
    pub workload: Arc<Plan>,
}

/// What the library holds of a container: with the workload's pidfd, three descriptors. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Link {
    pub channel: Channel,
    /// The process that the host created: init, or the one that waits for init.
    /// Shared with whatever watches it.
    pub init: Arc<OwnedFd>,
    /// `init` is PID 1 of a PID namespace: its end is the end of everything.
    pub init_is_pid_1: bool,
    pub groups: Groups,
    /// Where it goes after the run, if it is a slot of a pool.
    pub berth: Option<Box<Berth>>,
    /// The process that the container belongs to: a fork of it has a copy of this handle.
    owner: u32,
    /// There is nothing left to end.
    is_over: bool,
    /// Held while a message is sent that has several parts, or that must not come between these.
    sending: Mutex<()>,
}

/// What a program wrote, and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output, if that was a pipe.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, if that was a pipe.
    pub stderr: Vec<u8>,
    /// The account of the run.
    pub report: Report,
    /// The files that a [`Command`](crate::Command::collect) of a pool asked for.
    pub files: Vec<OutputFile>,
}

impl Template {
    /// What is kept has none of the descriptors that the workload was given: who reads from a pipe must see its end
    /// when the workload has closed it.
    pub fn new(container: &Shared<Description>, workload: Arc<Plan>) -> Self {
        let mut container = container.clone();
        let stdio = &container.stdio;
        let is_given = |stream: &Option<Stdio>| matches!(stream, Some(Stdio(StdioKind::Fd(_))));
        if stdio.streams.iter().any(is_given) || !stdio.extra.is_empty() {
            container.stdio = StdioConfig::default();
        }
        Template { container, workload }
    }
}

impl Child {
    pub(super) fn new(
        link: Link,
        workload: Started,
        streams: [Stream; 3],
        terms: Terms,
        template: Template,
    ) -> Self {
        let [stdin, stdout, stderr] = streams.map(|stream| stream.ours);
        Child {
            stdin: stdin.map(ChildStdin::from),
            stdout: stdout.map(ChildStdout::from),
            stderr: stderr.map(ChildStderr::from),
            notifier: workload.listener.map(Notifier::new),
            running: Running {
                link: Some(link),
                workload: workload.pidfd,
                workload_pid: workload.pid,
                terms,
                started: Instant::now(),
                output_exceeded: false,
                paused: AtomicBool::new(false),
                template,
                account: None,
            },
            report: None,
            files: Vec::new(),
        }
    }

    /// The workload's process id, as the host program's PID namespace numbers it; 0 if it had ended before
    /// its number could be known. After the end it may be another process's: [`pidfd`](Self::pidfd) is safe
    /// to use then.
    pub fn id(&self) -> u32 {
        self.running.workload_pid
    }

    /// A pidfd of the workload: see pidfd_open(2). It becomes readable when the workload ends, so it can be
    /// given to poll(2) or an async runtime; [`wait`](Self::wait) then blocks only until the rest of the
    /// container has ended too. With the cargo feature `tokio`, `cofferdam::tokio` has a handle that does not block.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.running.workload.as_fd()
    }

    /// Closes standard input and the [`notifier`](Self::notifier), waits until everything in the container has
    /// ended, and says how.
    ///
    /// Again called, it returns the same report. It does not read from pipes: a workload that fills one
    /// that nobody reads waits for ever, and so does this call.
    /// [`wait_with_output`](Self::wait_with_output) reads.
    ///
    /// # Errors
    /// If init was killed from outside, so that there is no report.
    pub fn wait(&mut self) -> Result<Report> {
        drop(self.stdin.take());
        drop(self.notifier.take());
        match self.wait_for(None)? {
            Some(report) => Ok(report),
            None => Err(lost("init sent nothing")),
        }
    }

    /// The report, if the container has ended; does not wait.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<Report>> {
        self.wait_for(Some(Duration::ZERO))
    }

    /// Waits, but not longer than this. The container goes on if it has not ended; see
    /// [`wall_time_limit`](crate::Container::wall_time_limit) for a limit that ends it. Standard input
    /// stays open.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, time: Duration) -> Result<Option<Report>> {
        self.wait_for(Some(time))
    }

    /// Closes standard input and the notifier, collects what is written to the pipes, and waits. It reads both pipes at
    /// once, so that no order of writes can block. What is written is kept in memory, up to the
    /// [`output_limit`](crate::Container::output_limit) if there is one.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), or when reading fails.
    pub fn wait_with_output(mut self) -> Result<Output> {
        drop(self.stdin.take());
        drop(self.notifier.take());
        let stdout = self.stdout.take().map(OwnedFd::from);
        let stderr = self.stderr.take().map(OwnedFd::from);
        let limit = self.running.terms.output;
        let running = &mut self.running;
        let captured = output::read_both([stdout, stderr], limit, running)
            .map_err(|error| Error::io("output", "cannot read from the workload", &error))?;
        let report = self.wait()?;
        // Until here: a workload that writes on must find its limit, not a broken pipe.
        let [stdout, stderr] = captured.map(output::Collected::into_bytes);
        Ok(Output { status: report.status(), stdout, stderr, report, files: self.files })
    }

    /// The files that the [`Command`](crate::Command::collect) of a pool asked for, in that order; none before the
    /// end.
    pub fn files(&self) -> &[OutputFile] {
        &self.files
    }

    /// Kills everything in the container: stopped, traced or deaf to signals, it ends. The report then
    /// says [`Cause::Killed`](crate::Cause::Killed). Nothing happens if it has ended.
    ///
    /// # Errors
    /// None that is known: the call fails only if the control socket does.
    pub fn kill(&self) -> Result<()> {
        let sent = self.running.send(Command::Kill);
        // Only then, or init could take the end of the workload for its own.
        self.running.rouse_init();
        match sent {
            Err(error) if !is_gone(&error) => Err(Error::io("kill", "cannot tell init", &error)),
            _ => Ok(()),
        }
    }

    /// Sends a signal (such as `libc::SIGTERM`) to the workload alone, not to what it has started: see
    /// pidfd_send_signal(2), Linux 5.1. If it ends by that, the report says
    /// [`Cause::Signalled`](crate::Cause::Signalled).
    ///
    /// # Errors
    /// `ESRCH` when it has ended, `EINVAL` for a signal that does not exist, `EPERM` when the workload
    /// has taken ids that the caller has no power over.
    pub fn signal(&self, signal: i32) -> Result<()> {
        sys::pidfd_send_signal(self.pidfd(), signal)
            .map_err(|error| Error::io("signal", format!("signal {signal}"), &error))
    }

    /// Gives up the handle and lets the container go on, also after the end of the host program. One that is
    /// paused is resumed. Its limits stay in force. Pipes that were not taken out of the handle are closed.
    ///
    /// Nobody gets the report; cgroups of the container stay behind, empty, and the host program has an
    /// ended child until it waits for it or ends.
    ///
    /// # Errors
    /// If init is gone, and for a run in a [`Pool`](crate::Pool).
    pub fn detach(mut self) -> Result<()> {
        if self.running.paused.load(Relaxed) {
            self.resume()?;
        }
        if self.running.link.as_ref().is_some_and(|link| link.berth.is_some()) {
            let error = Error::invalid("detach", "a run in a pool cannot outlive the pool");
            return Err(error.with_remedy("start it by `Container::spawn`"));
        }
        let sent = self.running.send(Command::Detach);
        sent.map_err(|error| Error::io("detach", "cannot tell init", &error))?;
        if let Some(link) = &mut self.running.link {
            link.let_go();
        }
        Ok(())
    }

    /// Whether init has said its last word on this run: then no call on the handle waits.
    #[cfg(feature = "tokio")]
    pub(super) fn has_last_word(&self) -> bool {
        let Some(link) = &self.running.link else { return true };
        has_ended(link.init.as_fd()) || link.berth.is_some() && has_ended(link.channel.as_fd())
    }

    /// Waits until a run in a pool has called `execve`.
    pub(super) fn await_start(&mut self) -> Result<()> {
        match self.running.next_record(None)? {
            Some(Record::Started { .. }) => Ok(()),
            Some(Record::SetupFailed { step, errno, item }) => {
                Err(self.running.has_failed(step, errno, item))
            }
            _ => Err(lost("init sent something else than the start")),
        }
    }

    /// Ends many containers, as dropping each of them does, but all at once: what the kernel has to take away for one
    /// overlaps with the others. Returns when nothing is left of any.
    ///
    /// ```
    /// use cofferdam::{Child, Container, Stdio};
    /// let sleeper = Container::new().command("sleep").arg("100").stdin(Stdio::null());
    /// let children = (0..10).map(|_| sleeper.spawn()).collect::<Result<Vec<_>, _>>()?;
    /// Child::end_all(children);
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn end_all(children: impl IntoIterator<Item = Child>) {
        let children: Vec<Child> = children.into_iter().collect();
        children.iter().for_each(|child| child.running.tell_to_end());
        drop(children);
    }

    fn wait_for(&mut self, time: Option<Duration>) -> Result<Option<Report>> {
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        loop {
            match self.hear(deadline)? {
                Heard::All(report) => return Ok(Some(*report)),
                Heard::Part => {}
                Heard::Nothing => return Ok(None),
            }
        }
    }

    /// Takes what init says next of the end: the report, then one file after the other that was asked for.
    pub(super) fn hear(&mut self, deadline: Option<Instant>) -> Result<Heard> {
        if let Some(report) = &self.report {
            return Ok(Heard::All(Box::new(report.clone())));
        }
        let Some((record, attached)) = self.running.next(deadline)? else { return Ok(Heard::Nothing) };
        if let Record::SetupFailed { step, errno, item } = record {
            return Err(self.running.has_failed(step, errno, item));
        }
        // What has gone wrong here does not get better: a container of a pool is replaced.
        self.running.take_in(&record, attached).inspect_err(|_| drop(self.running.link.take()))?;
        let Some((report, files)) = self.running.conclude() else { return Ok(Heard::Part) };
        self.files = files;
        self.report = Some(report.clone());
        Ok(Heard::All(Box::new(report)))
    }
}

/// What init has said of the end.
pub(super) enum Heard {
    Nothing,
    /// More is to come.
    Part,
    All(Box<Report>),
}

pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN))
}

pub(super) fn lost(what: &str) -> Error {
    let error = Error::new(ErrorKind::Failed, "wait", format!("there is no report: {what}"));
    error.with_remedy("init, the container's first process, was killed from outside or for want of memory")
}

impl Running {
    /// Sends a command to init; a broken pipe once the end is known.
    pub fn send(&self, command: Command) -> io::Result<()> {
        match &self.link {
            Some(link) => link.send(command),
            None => Err(io::Error::from_raw_os_error(libc::EPIPE)),
        }
    }

    /// The groups of the container, as long as it runs.
    pub fn groups(&self) -> Option<&Groups> {
        self.link.as_ref().map(|link| &link.groups)
    }

    /// The next record, or `None` when the deadline has passed.
    fn next_record(&mut self, deadline: Option<Instant>) -> Result<Option<Record>> {
        self.next(deadline).map(|received| received.map(|(record, _)| record))
    }

    /// The next record, with what is attached to it.
    fn next(&mut self, deadline: Option<Instant>) -> Result<Option<(Record, Attached)>> {
        let Some(link) = &mut self.link else { return Err(lost("init has vanished")) };
        link.next(deadline)
    }

    /// Init's report, or a file that was asked for.
    fn take_in(&mut self, record: &Record, attached: Attached) -> Result<()> {
        let Some(link) = &mut self.link else { return Err(lost("it was given already")) };
        match (record, &mut link.berth) {
            (Record::Ended(end), berth) if self.account.is_none() => {
                let is_pooled = berth.is_some();
                if !is_pooled {
                    link.reap();
                }
                self.account = Some(self.terms.report(end, &link.groups, self.output_exceeded));
                link.berth.as_ref().map_or(Ok(()), |berth| berth.begin_to_collect(link))
            }
            (Record::Collected { errno }, Some(berth)) => berth.take_file(*errno, attached),
            _ => Err(lost("init sent something else than its report")),
        }
    }

    /// The report of a run that has ended, once all its files are here. Its container goes with it, or back to its
    /// pool.
    fn conclude(&mut self) -> Option<(Report, Vec<OutputFile>)> {
        let berth = self.link.as_ref().and_then(|link| link.berth.as_ref());
        if berth.is_some_and(|berth| berth.next_file().is_some()) {
            return None;
        }
        let (report, mut link) = self.account.take().zip(self.link.take())?;
        let Some(mut berth) = link.berth.take() else {
            link.groups.remove();
            return Some((report, Vec::new()));
        };
        let files = std::mem::take(&mut berth.files);
        berth.leave(link, report.usage());
        Some((report, files))
    }

    /// The command of a run in a pool could not be started.
    pub(super) fn has_failed(&mut self, step: u32, errno: i32, item: u32) -> Error {
        let berth = self.link.as_mut().and_then(|link| link.berth.take());
        match (self.link.take(), berth) {
            (Some(link), Some(berth)) => {
                let error = diagnose::setup_failed(&berth.plan, step, errno, item);
                berth.leave(link, &Usage::default());
                error
            }
            _ => lost("the command could not be started"),
        }
    }

    /// Ends everything, without a report and without waiting for it.
    pub fn tell_to_end(&self) {
        if let Some(link) = self.link.as_ref().filter(|link| link.goes_on()) {
            link.tell_to_end();
            // A workload that keeps init from running must not keep it from ending all.
            self.rouse_init();
        }
    }

    /// Outside a PID namespace of its own init is an ordinary process, which the workload can stop.
    pub fn rouse_init(&self) {
        if let Some(link) = self.link.as_ref().filter(|link| !link.init_is_pid_1) {
            let _ = sys::pidfd_send_signal(self.workload.as_fd(), libc::SIGKILL);
            nudge(link.init.as_fd());
        }
    }
}

impl Writer for Running {
    fn signs_of_the_end(&self) -> Vec<BorrowedFd<'_>> {
        self.link.iter().flat_map(|link| [link.init.as_fd(), link.channel.as_fd()]).collect()
    }

    /// Where the workload has ended already nobody is left to tell.
    fn end_for_its_output(&mut self) {
        self.output_exceeded = true;
        let _ = self.send(Command::OutputExceeded);
        self.rouse_init();
    }
}

impl Link {
    pub fn new(channel: Channel, init: Arc<OwnedFd>, init_is_pid_1: bool, groups: Groups) -> Self {
        let owner = std::process::id();
        Link {
            channel,
            init,
            init_is_pid_1,
            groups,
            berth: None,
            owner,
            is_over: false,
            sending: Mutex::new(()),
        }
    }

    /// The next record, or `None` when the deadline has passed.
    pub fn next_record(&mut self, deadline: Option<Instant>) -> Result<Option<Record>> {
        self.next(deadline).map(|received| received.map(|(record, _)| record))
    }

    /// The next record, with what is attached to it.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Option<(Record, Attached)>> {
        loop {
            let timeout = self.patience(deadline);
            let received = self.channel.receive(self.init.as_fd(), timeout);
            match received.map_err(|error| Error::io("wait", "cannot hear from init", &error))? {
                Received::Record(record, attached) => return Ok(Some((record, attached))),
                Received::End => {
                    self.end();
                    self.leave_the_pool();
                    return Err(lost("init has vanished"));
                }
                Received::Nothing if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Ok(None);
                }
                Received::Nothing if self.init_is_pid_1 => {}
                Received::Nothing => nudge(self.init.as_fd()),
            }
        }
    }

    /// A message of one part.
    pub fn send(&self, command: Command) -> io::Result<()> {
        let _turn = self.turn();
        self.channel.send(command)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a command that a plan follows.
    pub fn send_with_plan(&self, command: Command, plan: &Plan, fds: &[RawFd]) -> Result<()> {
        let body = plan.encode();
        self.send_with(command, &header(plan, &body, fds), fds, &body)
    }

    /// Sends a command that a header, descriptors and bytes follow.
    pub fn send_with(&self, command: Command, header: &Header, fds: &[RawFd], body: &[u8]) -> Result<()> {
        let _turn = self.turn();
        let sent = self.channel.send(command);
        let sent = sent.and_then(|()| {
            let rest = self.channel.send_plan(self.init.as_fd(), header, fds, body);
            // Init waits for the rest; it must not take what is sent next for it.
            rest.inspect_err(|_| self.channel.shut_down())
        });
        sent.map_err(|error| Error::io("host", "cannot tell init", &error))
    }

    fn reap(&mut self) {
        reap(self.init.as_fd());
        self.is_over = true;
    }

    /// Leaves the container to itself.
    fn let_go(&mut self) {
        self.groups.keep();
        self.is_over = true;
    }

    /// How long to wait for a record before looking after init, or the clock.
    fn patience(&self, deadline: Option<Instant>) -> PollTimeout {
        let timeout = poll_timeout(deadline);
        let interval = PollTimeout::from(NUDGE_INTERVAL);
        let never = self.init_is_pid_1 || timeout.is_some() && timeout < interval;
        if never { timeout } else { interval }
    }

    /// Where init is not PID 1 only it can find what is to be ended; it does so when it sees that the host
    /// is gone. An init that does not, because the workload keeps it from running, is given up.
    fn init_ends_by_itself(&self) -> bool {
        let mut ended = [PollFd::new(self.init.as_fd(), PollFlags::POLLIN)];
        retry(|| poll(&mut ended, PollTimeout::from(INIT_PATIENCE))).is_ok_and(|count| count > 0)
    }

    /// Whether it is this handle's to end it, and that has not happened.
    pub fn goes_on(&self) -> bool {
        !self.is_over && std::process::id() == self.owner
    }

    /// Ends everything, without a report and without waiting for it. Nothing more can be said to init.
    pub fn tell_to_end(&self) {
        self.channel.shut_down();
        if self.init_is_pid_1 {
            let _ = sys::pidfd_send_signal(self.init.as_fd(), libc::SIGKILL);
        } else {
            nudge(self.init.as_fd());
        }
    }

    /// Who waits for a container of the pool must not wait for one that has ended.
    fn leave_the_pool(&mut self) {
        if let Some(berth) = self.berth.take() {
            berth.report_the_loss();
        }
    }

    /// Ends everything, without a report.
    fn end(&mut self) {
        if self.is_over {
            return;
        }
        self.tell_to_end();
        if !self.init_is_pid_1 && !self.init_ends_by_itself() {
            let _ = sys::pidfd_send_signal(self.init.as_fd(), libc::SIGKILL);
        }
        if !self.init_is_pid_1 {
            self.groups.kill();
        }
        self.reap();
        self.groups.remove();
    }
}

/// Milliseconds after which an init that is not PID 1, and so can be stopped by the workload, is set going
/// again.
pub(super) const NUDGE_INTERVAL: u16 = 100;

/// Lets init go on if it was stopped.
pub(super) fn nudge(init: BorrowedFd<'_>) {
    let _ = sys::pidfd_send_signal(init, libc::SIGCONT);
}

/// Milliseconds that an init that is not PID 1 has for ending the container.
pub(super) const INIT_PATIENCE: u16 = 5_000;

impl Drop for Running {
    fn drop(&mut self) {
        self.tell_to_end();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if std::process::id() != self.owner {
            self.groups.keep();
            return;
        }
        self.end();
        self.leave_the_pool();
    }
}

/// Whether the process of a pidfd has ended.
pub(super) fn has_ended(pidfd: BorrowedFd<'_>) -> bool {
    let mut ended = [PollFd::new(pidfd, PollFlags::POLLIN)];
    poll(&mut ended, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

/// Takes an ended process off the host's hands. A host that ignores SIGCHLD, or that waits for any child,
/// has done it already: then there is nothing left to do (ECHILD), and the pidfd told of the end.
pub(super) fn reap(pidfd: BorrowedFd<'_>) {
    let _ = retry(|| waitid(Id::PIDFd(pidfd), WaitPidFlag::WEXITED));
}

pub(super) fn poll_timeout(deadline: Option<Instant>) -> PollTimeout {
    let milliseconds = deadline.map(milliseconds_until);
    milliseconds.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))
}

/// Rounded up, so that the wait does not end early and spin.
pub(super) fn milliseconds_until(deadline: Instant) -> i32 {
    let left = deadline.saturating_duration_since(Instant::now());
    left.as_micros().div_ceil(1000).min(i32::MAX as u128 / 2) as i32
}

impl From<&Child> for NamespaceSource {
    /// The namespaces of a running container.
    fn from(child: &Child) -> Self {
        if let Some(berth) = child.running.link.as_ref().and_then(|link| link.berth.as_ref()) {
            berth.is_shared.store(true, Relaxed);
        }
        // A duplicate fails only at the limit of open files; joining then reports it as a bad descriptor.
        let duplicate = child.running.workload.try_clone();
        NamespaceSource(match duplicate {
            Ok(pidfd) => SourceKind::Fd(Arc::new(pidfd)),
            Err(_) => SourceKind::Path(format!("/proc/{}/ns", child.id()).into()),
        })
    }
}
