//! The handle of a running container.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use super::cgroup::Groups;
use super::channel::{Channel, Received, retry};
use super::notifier::Notifier;
use super::terms::Terms;
use super::{output, sys};
use crate::config::namespaces::{NamespaceSource, SourceKind};
use crate::error::{Error, ErrorKind, Result};
use crate::report::Report;
use crate::wire::{Command, Record};

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
}

/// What the library holds of a container: three descriptors.
#[derive(Debug)]
pub(super) struct Running {
    pub channel: Channel,
    /// The process that the host created: init, or the one that waits for init.
    pub init: OwnedFd,
    pub workload: OwnedFd,
    pub workload_pid: u32,
    /// `init` is PID 1 of a PID namespace: its end is the end of everything.
    pub init_is_pid_1: bool,
    pub groups: Groups,
    pub terms: Terms,
    /// When it was known that the workload runs.
    pub started: Instant,
    /// It wrote more than may be captured.
    pub output_exceeded: bool,
    /// It was paused, and not resumed.
    pub paused: AtomicBool,
    /// The process that the container belongs to: a fork of it has a copy of this handle.
    pub owner: u32,
    pub reaped: bool,
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
}

impl Child {
    /// The workload's process id, as the host program's PID namespace numbers it; 0 if it had ended before
    /// its number could be known. After the end it may be another process's: [`pidfd`](Self::pidfd) is safe
    /// to use then.
    pub fn id(&self) -> u32 {
        self.running.workload_pid
    }

    /// A pidfd of the workload: see pidfd_open(2). It becomes readable when the workload ends, so it can be
    /// given to poll(2) or an async runtime; [`wait`](Self::wait) then blocks only until the rest of the
    /// container has ended too.
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
        Ok(Output { status: report.status(), stdout, stderr, report })
    }

    /// Kills everything in the container: stopped, traced or deaf to signals, it ends. The report then
    /// says [`Cause::Killed`](crate::Cause::Killed). Nothing happens if it has ended.
    ///
    /// # Errors
    /// None that is known: the call fails only if the control socket does.
    pub fn kill(&self) -> Result<()> {
        let sent = self.running.channel.send(Command::Kill);
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
    /// If init is gone.
    pub fn detach(mut self) -> Result<()> {
        if self.running.paused.load(Relaxed) {
            self.resume()?;
        }
        let sent = self.running.channel.send(Command::Detach);
        sent.map_err(|error| Error::io("detach", "cannot tell init", &error))?;
        self.running.groups.keep();
        self.running.reaped = true;
        Ok(())
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
        children.iter().for_each(|child| child.running.begin_to_end());
        drop(children);
    }

    fn wait_for(&mut self, time: Option<Duration>) -> Result<Option<Report>> {
        if let Some(report) = &self.report {
            return Ok(Some(report.clone()));
        }
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        let end = match self.running.next_record(deadline)? {
            Some(Record::Ended(end)) => end,
            Some(_) => return Err(lost("init sent something else than its report")),
            None => return Ok(None),
        };
        self.running.reap();
        let running = &mut self.running;
        let report = running.terms.report(&end, &running.groups, running.output_exceeded);
        running.groups.remove();
        self.report = Some(report.clone());
        Ok(Some(report))
    }
}

pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN))
}

fn lost(what: &str) -> Error {
    let error = Error::new(ErrorKind::Failed, "wait", format!("there is no report: {what}"));
    error.with_remedy("init, the container's first process, was killed from outside or for want of memory")
}

impl Running {
    /// The next record, or `None` when the deadline has passed.
    fn next_record(&mut self, deadline: Option<Instant>) -> Result<Option<Record>> {
        loop {
            let timeout = self.patience(deadline);
            let received = self.channel.receive(self.init.as_fd(), timeout);
            match received.map_err(|error| Error::io("wait", "cannot hear from init", &error))? {
                Received::Record(record, _) => return Ok(Some(record)),
                Received::End => {
                    self.end();
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

    /// The workload wrote more than may be captured. Where it has ended already nobody is left to tell.
    pub fn end_for_its_output(&mut self) {
        self.output_exceeded = true;
        let _ = self.channel.send(Command::OutputExceeded);
        self.rouse_init();
    }

    fn reap(&mut self) {
        reap(self.init.as_fd());
        self.reaped = true;
    }

    /// How long to wait for a record before looking after init, or the clock.
    fn patience(&self, deadline: Option<Instant>) -> PollTimeout {
        let timeout = poll_timeout(deadline);
        let interval = PollTimeout::from(NUDGE_INTERVAL);
        let never = self.init_is_pid_1 || timeout.is_some() && timeout < interval;
        if never { timeout } else { interval }
    }

    /// Outside a PID namespace of its own init is an ordinary process, which the workload can stop.
    fn rouse_init(&self) {
        if !self.init_is_pid_1 {
            let _ = sys::pidfd_send_signal(self.workload.as_fd(), libc::SIGKILL);
            nudge(self.init.as_fd());
        }
    }

    /// Where init is not PID 1 only it can find what is to be ended; it does so when it sees that the host
    /// is gone. An init that does not, because the workload keeps it from running, is given up.
    fn init_ends_by_itself(&self) -> bool {
        self.rouse_init();
        let mut ended = [PollFd::new(self.init.as_fd(), PollFlags::POLLIN)];
        retry(|| poll(&mut ended, PollTimeout::from(INIT_PATIENCE))).is_ok_and(|count| count > 0)
    }

    /// What can be done for the end without waiting. Where init is not PID 1 it has to end by itself.
    fn begin_to_end(&self) {
        if self.reaped || std::process::id() != self.owner {
            return;
        }
        self.channel.shut_down();
        if self.init_is_pid_1 {
            let _ = sys::pidfd_send_signal(self.init.as_fd(), libc::SIGKILL);
        } else {
            self.rouse_init();
        }
    }

    /// Ends everything, without a report.
    fn end(&mut self) {
        if self.reaped {
            return;
        }
        self.channel.shut_down();
        if self.init_is_pid_1 || !self.init_ends_by_itself() {
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
const INIT_PATIENCE: u16 = 5_000;

impl Drop for Running {
    fn drop(&mut self) {
        if std::process::id() == self.owner {
            self.end();
        } else {
            self.groups.keep();
        }
    }
}

/// Takes an ended process off the host's hands. A host that ignores SIGCHLD, or that waits for any child,
/// has done it already: then there is nothing left to do (ECHILD), and the pidfd told of the end.
pub(super) fn reap(pidfd: BorrowedFd<'_>) {
    let _ = retry(|| waitid(Id::PIDFd(pidfd), WaitPidFlag::WEXITED));
}

/// Rounded up, so that the wait does not end early and spin.
fn poll_timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let left = deadline.saturating_duration_since(Instant::now());
    let milliseconds = left.as_micros().div_ceil(1000).min(i32::MAX as u128 / 2);
    PollTimeout::try_from(milliseconds as i32).unwrap_or(PollTimeout::MAX)
}

impl From<&Child> for NamespaceSource {
    /// The namespaces of a running container.
    fn from(child: &Child) -> Self {
        // A duplicate fails only at the limit of open files; joining then reports it as a bad descriptor.
        let duplicate = child.running.workload.try_clone();
        NamespaceSource(match duplicate {
            Ok(pidfd) => SourceKind::Fd(std::sync::Arc::new(pidfd)),
            Err(_) => SourceKind::Path(format!("/proc/{}/ns", child.id()).into()),
        })
    }
}
