//! The handle of a running container, for tasks.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ::tokio::net::unix::pipe::{Receiver, Sender};

use super::exec::{self, Exec};
use super::notifier::Notifier;
use super::tended::{Ends, Tended};
use super::watch::Watch;
use super::{output, pause, runtime, unwatched};
use crate::command::Command;
use crate::config::Stdio;
use crate::config::namespaces::NamespaceSource;
use crate::error::{Error, Result};
use crate::host::berth::OutputFile;
use crate::host::child::{self as blocking, Heard, Link, Output};
use crate::host::output::Collected;
use crate::report::Report;
use crate::usage::Usage;

/// A running container: [`cofferdam::Child`](crate::Child), for programs on the Tokio runtime.
///
/// Dropped, it ends: everything in it is killed at once, and a task of the runtime clears away what is left (init's
/// entry in the table of processes, cgroups) when the kernel has taken it down. If the runtime is shut down before,
/// or the handle is dropped outside of it, the drop waits for that. [`detach`](Self::detach) lets it go on. If the
/// host program ends, by whatever way, the container ends too.
///
/// As with the blocking handle, [`wait`](Self::wait) closes standard input first.
///
/// ```
/// use cofferdam::{Cause, Container};
/// use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cofferdam::Error> {
/// let mut child = Container::new().command("sleep").arg("100").spawn_async().await?;
/// assert!(tokio::time::timeout(Duration::from_millis(10), child.wait()).await.is_err());
/// child.kill()?;
/// assert_eq!(child.wait().await?.cause(), Cause::Killed);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Child {
    /// The writing end of standard input, if it was [`piped`](crate::Stdio::piped).
    pub stdin: Option<Sender>,
    /// The reading end of standard output, if it was piped.
    pub stdout: Option<Receiver>,
    /// The reading end of standard error, if it was piped.
    pub stderr: Option<Receiver>,
    /// The calls that wait for a handler, if the policy has a rule with
    /// [`SeccompAction::Notify`](crate::SeccompAction::Notify). Dropped, as [`wait`](Self::wait) and its kin do
    /// with one that was not taken out, such calls fail with `ENOSYS`.
    pub notifier: Option<Notifier>,
    container: Tended<blocking::Child>,
}

impl Ends for blocking::Child {
    fn init(&self) -> Option<BorrowedFd<'_>> {
        self.running.link.as_ref().map(|link| link.init.as_fd())
    }

    fn watch(&self) -> io::Result<Option<Watch>> {
        let link = self.running.link.as_ref();
        let watch =
            |link: &Link| Watch::new(link.init.clone(), Some(link.channel.socket()), link.init_is_pid_1);
        link.map(watch).transpose()
    }

    fn goes_on(&self) -> bool {
        self.running.link.as_ref().is_some_and(Link::goes_on)
    }

    fn tell_to_end(&self) {
        self.running.tell_to_end();
    }

    fn can_be_handed_over(&self) -> bool {
        self.running.link.as_ref().is_some_and(|link| link.berth.is_some())
    }

    /// A run in a pool is ended by the pool's thread, which replaces the slot.
    fn hand_over(mut self) -> Option<Self> {
        self.tell_to_end();
        if let Some(mut link) = self.running.link.take() {
            self.running.link = match link.berth.take() {
                Some(berth) => berth.abandon(link),
                None => Some(link),
            };
        }
        self.running.link.is_some().then_some(self)
    }

    /// The drop does it.
    fn end(self) {}
}

impl TryFrom<blocking::Child> for Child {
    type Error = Error;

    /// From the handle for threads that block, with its pipes and its notifier. Fails outside a runtime, and where
    /// the kernel has no room. Then the container is dropped and ends.
    ///
    /// ```
    /// use cofferdam::Container;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cofferdam::Error> {
    /// let child = Container::new().command("true").spawn()?;
    /// let mut child = cofferdam::tokio::Child::try_from(child)?;
    /// assert!(child.wait().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    fn try_from(mut child: blocking::Child) -> Result<Self> {
        runtime()?;
        let stdin = child.stdin.take().map(|pipe| Sender::from_owned_fd(pipe.into()));
        let stdout = child.stdout.take().map(|pipe| Receiver::from_owned_fd(pipe.into()));
        let stderr = child.stderr.take().map(|pipe| Receiver::from_owned_fd(pipe.into()));
        let notifier = child.notifier.take().map(Notifier::try_from);
        Ok(Child {
            stdin: stdin.transpose().map_err(unwatched)?,
            stdout: stdout.transpose().map_err(unwatched)?,
            stderr: stderr.transpose().map_err(unwatched)?,
            notifier: notifier.transpose()?,
            container: Tended::new(child)?,
        })
    }
}

/// Waiting. A task of the runtime does it; no thread is blocked.
impl Child {
    /// Closes standard input and the [`notifier`](Self::notifier), waits until everything in the container has
    /// ended, and says how.
    ///
    /// Again called, it returns the same report. It does not read from pipes: a workload that fills one that nobody
    /// reads waits for ever, and so does this call. [`wait_with_output`](Self::wait_with_output) reads.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future loses nothing: the container goes on, and `wait` can be called again.
    /// So `tokio::time::timeout` bounds the wait; [`wall_time_limit`](crate::Container::wall_time_limit) bounds the
    /// container.
    ///
    /// # Errors
    /// If init was killed from outside, so that there is no report, or if the runtime shuts down.
    pub async fn wait(&mut self) -> Result<Report> {
        drop(self.stdin.take());
        drop(self.notifier.take());
        loop {
            self.last_word().await.map_err(unwatched)?;
            if let Some(report) = self.hear()? {
                return Ok(report);
            }
        }
    }

    /// Takes what init has said; the report, if it has said all. When it has, its slot may be another's at once, and
    /// nobody may watch it.
    fn hear(&mut self) -> Result<Option<Report>> {
        match self.container.unwatched().hear(None)? {
            Heard::All(report) => Ok(Some(*report)),
            Heard::Part | Heard::Nothing => self.container.watch_again().map(|()| None),
        }
    }

    /// Waits until init has sent its report and, but for a slot of a pool, has ended.
    async fn last_word(&self) -> io::Result<()> {
        let link = self.container.container().running.link.as_ref();
        match (self.container.watch(), link) {
            (Some(watch), Some(link)) if link.berth.is_some() => watch.reported().await,
            (Some(watch), Some(link)) => watch.ended(link.init.as_fd()).await,
            _ => Ok(()),
        }
    }

    /// The report, if the container has ended; does not wait.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<Report>> {
        while self.container.container().has_last_word() {
            if let Some(report) = self.hear()? {
                return Ok(Some(report));
            }
        }
        Ok(None)
    }

    /// Closes standard input and the notifier, collects what is written to the pipes, and waits. It reads both pipes
    /// at once, so that no order of writes can block. What is written is kept in memory, up to the
    /// [`output_limit`](crate::Container::output_limit) if there is one.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future drops the handle: the container ends, and what was read is lost.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), or when reading fails.
    pub async fn wait_with_output(mut self) -> Result<Output> {
        drop(self.stdin.take());
        drop(self.notifier.take());
        let pipes = [self.stdout.take(), self.stderr.take()];
        let (watch, container) = self.container.parts();
        let limit = container.running.terms.output;
        let captured = output::read_both(pipes, limit, watch, &mut container.running).await;
        let captured =
            captured.map_err(|error| Error::io("output", "cannot read from the workload", &error))?;
        let report = self.wait().await?;
        // Until here: a workload that writes on must find its limit, not a broken pipe.
        let [stdout, stderr] = captured.map(Collected::into_bytes);
        let files = self.files().to_vec();
        Ok(Output { status: report.status(), stdout, stderr, report, files })
    }

    /// As [`cofferdam::Child::files`](crate::Child::files).
    pub fn files(&self) -> &[OutputFile] {
        self.container.container().files()
    }
}

/// # Ending, watching and changing
///
/// What does not wait is as with the blocking handle: a message to init, or a few files of the container's cgroups.
impl Child {
    /// As [`cofferdam::Child::id`](crate::Child::id).
    pub fn id(&self) -> u32 {
        self.container.container().id()
    }

    /// As [`cofferdam::Child::pidfd`](crate::Child::pidfd).
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.container.container().pidfd()
    }

    /// Kills everything in the container, as [`cofferdam::Child::kill`](crate::Child::kill). It does not wait for
    /// the end; [`wait`](Self::wait) does.
    ///
    /// # Errors
    /// As with the blocking handle.
    pub fn kill(&self) -> Result<()> {
        self.container.container().kill()
    }

    /// Sends a signal to the workload alone, as [`cofferdam::Child::signal`](crate::Child::signal).
    ///
    /// # Errors
    /// As with the blocking handle.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.container.container().signal(signal)
    }

    /// What the container has used up to now, as [`cofferdam::Child::stats`](crate::Child::stats).
    ///
    /// # Errors
    /// None that is known.
    pub fn stats(&self) -> Result<Usage> {
        self.container.container().stats()
    }

    /// Stops everything in the container until [`resume`](Self::resume), as
    /// [`cofferdam::Child::pause`](crate::Child::pause), and is ready when it stands still.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future leaves a container that stops, or has stopped; `resume` lets it go on.
    ///
    /// # Errors
    /// As with the blocking handle.
    pub async fn pause(&self) -> Result<()> {
        let child = self.container.container();
        let paused = match child.begin_to_pause() {
            Ok(Some(freezing)) => pause::done(freezing).await,
            told => told.map(drop),
        };
        child.settle_pause(paused)
    }

    /// Lets everything in the container go on, as [`cofferdam::Child::resume`](crate::Child::resume).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future leaves a container that goes on, or is about to.
    ///
    /// # Errors
    /// As with the blocking handle.
    pub async fn resume(&self) -> Result<()> {
        let child = self.container.container();
        if let Some(freezing) = child.begin_to_resume()? {
            pause::done(freezing).await?;
        }
        child.settle_resume();
        Ok(())
    }

    /// As [`cofferdam::Child::set_wall_time_limit`](crate::Child::set_wall_time_limit), with its errors.
    pub fn set_wall_time_limit(&mut self, time: Duration) -> Result<()> {
        self.container.parts().1.set_wall_time_limit(time)
    }

    /// As [`cofferdam::Child::set_cpu_time_limit`](crate::Child::set_cpu_time_limit), with its errors.
    pub fn set_cpu_time_limit(&mut self, time: Duration) -> Result<()> {
        self.container.parts().1.set_cpu_time_limit(time)
    }

    /// As [`cofferdam::Child::set_memory_limit`](crate::Child::set_memory_limit), with its errors. A limit below what
    /// is in use keeps the thread while the kernel takes memory back.
    pub fn set_memory_limit(&mut self, bytes: u64) -> Result<()> {
        self.container.parts().1.set_memory_limit(bytes)
    }

    /// As [`cofferdam::Child::set_pids_limit`](crate::Child::set_pids_limit), with its errors.
    pub fn set_pids_limit(&mut self, count: u64) -> Result<()> {
        self.container.parts().1.set_pids_limit(count)
    }

    /// As [`cofferdam::Child::set_cpus`](crate::Child::set_cpus), with its errors.
    pub fn set_cpus(&mut self, cpus: f64) -> Result<()> {
        self.container.parts().1.set_cpus(cpus)
    }

    /// As [`cofferdam::Child::set_cpu_weight`](crate::Child::set_cpu_weight), with its errors.
    pub fn set_cpu_weight(&mut self, weight: u64) -> Result<()> {
        self.container.parts().1.set_cpu_weight(weight)
    }

    /// Gives up the handle and lets the container go on, as [`cofferdam::Child::detach`](crate::Child::detach).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future drops the handle: the container ends.
    ///
    /// # Errors
    /// If init is gone.
    pub async fn detach(self) -> Result<()> {
        if self.container.container().running.paused.load(Relaxed) {
            self.resume().await?;
        }
        self.container.into_container().detach()
    }

    /// The handle for threads that block, with its pipes, which block again, and its notifier. It needs no runtime.
    ///
    /// # Errors
    /// If a pipe cannot be made to block, which is not known to happen. Then the container ends.
    pub fn into_blocking(self) -> Result<blocking::Child> {
        let Child { stdin, stdout, stderr, notifier, container } = self;
        let mut child = container.into_container();
        let failed = |error| Error::io("runtime", "cannot make a pipe block", &error);
        let receive =
            |pipe: Option<Receiver>| pipe.map(Receiver::into_blocking_fd).transpose().map_err(failed);
        let stdin: Option<OwnedFd> = stdin.map(Sender::into_blocking_fd).transpose().map_err(failed)?;
        child.stdin = stdin.map(ChildStdin::from);
        child.stdout = receive(stdout)?.map(ChildStdout::from);
        child.stderr = receive(stderr)?.map(ChildStderr::from);
        child.notifier = notifier.map(Notifier::into_blocking);
        Ok(child)
    }
}

/// # Inside a running container
impl Child {
    /// Starts a further command in the container: as [`cofferdam::Child::exec`](crate::Child::exec), with its start
    /// awaited.
    ///
    /// ```
    /// use cofferdam::{Command, Container, Stdio};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cofferdam::Error> {
    /// let server = Container::new().command("sleep").arg("100").stdin(Stdio::null()).spawn_async().await?;
    /// let mut command = server.exec_async(&Command::new("sleep").arg("100")).await?;
    /// command.kill()?;
    /// assert_eq!(command.wait().await?.cause(), cofferdam::Cause::Killed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future kills the command.
    ///
    /// # Errors
    /// As with the blocking handle, and outside a runtime.
    pub async fn exec_async(&self, command: &Command) -> Result<Exec> {
        exec::start(self.container.container(), command, Stdio::inherit(), Stdio::inherit()).await
    }

    /// Runs a further command to its end and collects what it writes. Standard input is empty and the other streams
    /// are collected unless set.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future kills the command, and what was read is lost.
    ///
    /// # Errors
    /// As [`exec_async`](Self::exec_async) and [`Exec::wait_with_output`].
    pub async fn exec_output_async(&self, command: &Command) -> Result<Output> {
        let command = exec::start(self.container.container(), command, Stdio::null(), Stdio::piped()).await?;
        command.wait_with_output().await
    }
}

impl From<&Child> for NamespaceSource {
    /// The namespaces of a running container.
    fn from(child: &Child) -> Self {
        child.container.container().into()
    }
}
