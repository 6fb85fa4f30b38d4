//! Further commands in a running container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::PollTimeout;

use super::cgroup::{Groups, Layout};
use super::channel::{self, Channel, Received};
use super::child::{Child, Output, is_gone, lost, poll_timeout};
use super::notifier::Notifier;
use super::output::{self, Writer};
use super::spawn::{Opened, Started, header, open_streams, output_is_captured, started};
use super::stdio::Stream;
use super::terms::Terms;
use super::{diagnose, sys};
use crate::command::Command;
use crate::config::Stdio;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{self, Resource};
use crate::report::Report;
use crate::wire::{self, Record};

/// A command that runs beside the workload of a container: what [`Child::exec`] returns.
///
/// It is in everything that the workload is in, and confined as that is. What it leaves running when it ends goes on
/// until the container ends; when that ends first, so does the command, with
/// [`Cause::Killed`](crate::Cause::Killed). Dropped, it is killed, with its process group.
#[derive(Debug)]
pub struct Exec {
    /// The writing end of standard input, if it was [`piped`](crate::Stdio::piped).
    pub stdin: Option<ChildStdin>,
    /// The reading end of standard output, if it was piped.
    pub stdout: Option<ChildStdout>,
    /// The reading end of standard error, if it was piped.
    pub stderr: Option<ChildStderr>,
    /// As [`Child::notifier`], for this command.
    pub notifier: Option<Notifier>,
    pub(super) channel: Channel,
    /// Of init: with it goes the command.
    pub(super) init: Arc<OwnedFd>,
    process: OwnedFd,
    pid: u32,
    pub(super) terms: Terms,
    output_exceeded: bool,
    report: Option<Report>,
}

/// # Inside a running container
///
/// ```
/// use cofferdam::{Command, Container, Stdio};
/// let server = Container::new().command("sleep").arg("100").stdin(Stdio::null()).spawn()?;
/// let output = server.exec_output(&Command::new("cat").arg("/proc/2/comm"))?;
/// assert_eq!(output.stdout, b"sleep\n");
/// # Ok::<(), cofferdam::Error>(())
/// ```
impl Child {
    /// Starts a further command in the container. Standard streams are the host's unless the command says otherwise;
    /// descriptors that the container was given are not given again.
    ///
    /// It counts for the container's limits and figures. Its own report has what wait4(2) tells of its process and
    /// those that this has waited for.
    ///
    /// # Errors
    /// As [`Container::spawn`](crate::Container::spawn), for a limit that needs a cgroup of the command's own, for more
    /// than 64 commands at a time (`EAGAIN`), and when the container has ended.
    pub fn exec(&self, command: &Command) -> Result<Exec> {
        self.start_beside(command, &Stdio::inherit(), &Stdio::inherit())
    }

    /// Runs a further command to its end and collects what it writes. Standard input is empty and the other streams
    /// are collected unless set.
    ///
    /// # Errors
    /// As [`exec`](Self::exec) and [`Exec::wait_with_output`].
    pub fn exec_output(&self, command: &Command) -> Result<Output> {
        self.start_beside(command, &Stdio::null(), &Stdio::piped())?.wait_with_output()
    }

    fn start_beside(&self, command: &Command, input: &Stdio, output: &Stdio) -> Result<Exec> {
        let begun = self.begin_beside(command, input, output)?;
        begun.started()
    }

    /// Has init start a command.
    pub(super) fn begin_beside(&self, command: &Command, input: &Stdio, output: &Stdio) -> Result<Begun> {
        let template = &self.running.template;
        let link = self.running.link.as_ref().ok_or_else(has_ended)?;
        refuse_what_no_command_has(command)?;
        let merged = command.config.over_beside(&template.container);
        plan::validate(&merged)?;
        let (ours, theirs) = channel::pair().map_err(|error| Error::io("host", "a socket pair", &error))?;
        let socket = Resource::Given(Arc::new(theirs));
        let plan = plan::beside(&merged, &template.workload, socket)?;
        let body = plan.encode_for_room()?;
        let streams = open_streams(&merged.stdio, input, output)?;
        output_is_captured(&merged, &streams)?;
        let opened = Opened::open(&plan, Some(&streams), &link.groups)?;
        // A descriptor of its own: a runtime watches each only once.
        let init =
            link.init.try_clone().map_err(|error| Error::io("host", "a descriptor of init", &error))?;
        let header = header(&plan, &body, &opened.numbers);
        link.send_with(wire::Command::Exec, &header, &opened.numbers, &body).map_err(|error| {
            if matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET)) {
                has_ended()
            } else {
                error
            }
        })?;
        // The other end of the socket must be init's alone, or its end would not be seen.
        let plan = plan.without_descriptors();
        let terms = Terms::new(&merged, &Layout::default());
        Ok(Begun { channel: ours, init: Arc::new(init), plan, streams, terms })
    }
}

/// A command that init was told to start. Dropped, it is killed.
pub(super) struct Begun {
    pub channel: Channel,
    pub init: Arc<OwnedFd>,
    /// What may fail of it.
    plan: plan::Plan,
    streams: [Stream; 3],
    terms: Terms,
}

impl Begun {
    /// Waits until it has started.
    pub fn started(self) -> Result<Exec> {
        let Begun { channel, init, plan, streams, terms } = self;
        let Started { pidfd, pid, listener } = await_start(&channel, init.as_fd(), &plan)?;
        let [stdin, stdout, stderr] = streams.map(|stream| stream.ours);
        Ok(Exec {
            stdin: stdin.map(ChildStdin::from),
            stdout: stdout.map(ChildStdout::from),
            stderr: stderr.map(ChildStderr::from),
            notifier: listener.map(Notifier::new),
            channel,
            init,
            process: pidfd,
            pid,
            terms,
            output_exceeded: false,
            report: None,
        })
    }
}

fn has_ended() -> Error {
    Error::errno("exec", "the container has ended", libc::ESRCH)
}

/// A command beside a workload has no cgroup of its own, and its files are those of the container.
fn refuse_what_no_command_has(command: &Command) -> Result<()> {
    if let Some(limit) = command.config.limits_of_a_group().next() {
        let what = format!("a limit of {limit} for a command beside a workload");
        let error = Error::new(ErrorKind::LimitUnavailable, "limits", what);
        return Err(error.with_remedy("it shares the container's limits: set it there, or use a `Pool`"));
    }
    if !command.config.files.is_empty() || !command.config.collected.is_empty() {
        let error = Error::invalid("exec", "files of a command beside a workload");
        return Err(error.with_remedy("pass them by a stream or a descriptor, or use a `Pool`"));
    }
    Ok(())
}

fn await_start(channel: &Channel, init: BorrowedFd<'_>, plan: &plan::Plan) -> Result<Started> {
    let received = channel.receive(init, PollTimeout::NONE);
    match received.map_err(|error| Error::io("exec", "cannot hear from init", &error))? {
        Received::Record(Record::Started { vouched }, message) => {
            started(message, vouched)?.ok_or_else(diagnose::no_room_for_the_workloads_pidfd)
        }
        Received::Record(Record::SetupFailed { step, errno, item }, _) => {
            Err(diagnose::command_failed(plan, step, errno, item))
        }
        _ => Err(has_ended()),
    }
}

impl Exec {
    /// The command's process id, as the host program's PID namespace numbers it: see [`Child::id`].
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// A pidfd of the command: see [`Child::pidfd`].
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }

    /// Closes standard input and the notifier, waits until the command has ended, and says how. Again called, it
    /// returns the same report.
    ///
    /// # Errors
    /// If init was killed from outside, so that there is no report.
    pub fn wait(&mut self) -> Result<Report> {
        drop(self.stdin.take());
        drop(self.notifier.take());
        self.wait_until(None)?.ok_or_else(|| lost("init sent nothing"))
    }

    /// The report, if the command has ended; does not wait.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<Report>> {
        self.wait_until(Some(Instant::now()))
    }

    /// Waits, but not longer than this; the command goes on if it has not ended.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, time: Duration) -> Result<Option<Report>> {
        self.wait_until(Instant::now().checked_add(time))
    }

    /// Closes standard input and the notifier, collects what is written to the pipes, and waits: see
    /// [`Child::wait_with_output`]. What the command left running can hold the pipes open; what is in them when the
    /// command has ended is all that is collected.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), or when reading fails.
    pub fn wait_with_output(mut self) -> Result<Output> {
        drop(self.stdin.take());
        drop(self.notifier.take());
        let pipes = [self.stdout.take().map(OwnedFd::from), self.stderr.take().map(OwnedFd::from)];
        let limit = self.terms.output;
        let captured = output::read_both(pipes, limit, &mut self)
            .map_err(|error| Error::io("output", "cannot read from the command", &error))?;
        let report = self.wait()?;
        let [stdout, stderr] = captured.map(output::Collected::into_bytes);
        Ok(Output { status: report.status(), stdout, stderr, report, files: Vec::new() })
    }

    /// Kills the command and its process group. The report then says [`Cause::Killed`](crate::Cause::Killed). What has
    /// left the group goes on until the container ends.
    ///
    /// # Errors
    /// None that is known: the call fails only if the socket does.
    pub fn kill(&self) -> Result<()> {
        match self.channel.send(wire::Command::Kill) {
            Err(error) if !is_gone(&error) => Err(Error::io("kill", "cannot tell init", &error)),
            _ => Ok(()),
        }
    }

    /// Sends a signal to the command alone: see [`Child::signal`].
    ///
    /// # Errors
    /// As [`Child::signal`].
    pub fn signal(&self, signal: i32) -> Result<()> {
        sys::pidfd_send_signal(self.pidfd(), signal)
            .map_err(|error| Error::io("signal", format!("signal {signal}"), &error))
    }

    /// Whether no call on the handle waits any more.
    #[cfg(feature = "tokio")]
    pub(super) fn has_last_word(&self) -> bool {
        use super::child::has_ended;
        self.report.is_some() || has_ended(self.channel.as_fd()) || has_ended(self.init.as_fd())
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<Option<Report>> {
        if let Some(report) = &self.report {
            return Ok(Some(report.clone()));
        }
        let received = self.channel.receive(self.init.as_fd(), poll_timeout(deadline));
        match received.map_err(|error| Error::io("wait", "cannot hear from init", &error))? {
            Received::Record(Record::Ended(end), _) => {
                let report = self.terms.report(&end, &Groups::default(), self.output_exceeded);
                self.report = Some(report.clone());
                Ok(Some(report))
            }
            Received::Nothing => Ok(None),
            _ => Err(lost("init has vanished")),
        }
    }
}

impl Writer for Exec {
    fn signs_of_the_end(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.channel.as_fd(), self.init.as_fd()]
    }

    fn end_for_its_output(&mut self) {
        self.output_exceeded = true;
        let _ = self.channel.send(wire::Command::OutputExceeded);
    }
}
