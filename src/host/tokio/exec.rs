//! Further commands in a running container, awaited.

use std::os::fd::BorrowedFd;

use ::tokio::net::unix::pipe::{Receiver, Sender};

use super::notifier::Notifier;
use super::watch::Watch;
use super::{output, runtime, unwatched};
use crate::command::Command;
use crate::config::Stdio;
use crate::error::{Error, Result};
use crate::host::child::{self, Output};
use crate::host::exec as blocking;
use crate::host::output::Collected;
use crate::report::Report;

/// A command that runs beside the workload of a container: [`cofferdam::Exec`](crate::Exec), for programs on the Tokio
/// runtime.
///
/// Dropped, it is killed, with its process group; init does that, and nobody waits for it.
///
/// ```
/// use cofferdam::{Command, Container, Stdio};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cofferdam::Error> {
/// let server = Container::new().command("sleep").arg("100").stdin(Stdio::null()).spawn_async().await?;
/// let output = server.exec_output_async(&Command::new("cat").arg("/proc/2/comm")).await?;
/// assert_eq!(output.stdout, b"sleep\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Exec {
    /// The writing end of standard input, if it was [`piped`](crate::Stdio::piped).
    pub stdin: Option<Sender>,
    /// The reading end of standard output, if it was piped.
    pub stdout: Option<Receiver>,
    /// The reading end of standard error, if it was piped.
    pub stderr: Option<Receiver>,
    /// As [`Child::notifier`](super::Child::notifier), for this command.
    pub notifier: Option<Notifier>,
    watch: Watch,
    command: blocking::Exec,
}

pub(super) async fn start(
    container: &child::Child,
    command: &Command,
    input: Stdio,
    output: Stdio,
) -> Result<Exec> {
    runtime()?;
    let begun = container.begin_beside(command, &input, &output)?;
    let init_is_pid_1 = container.running.link.as_ref().is_none_or(|link| link.init_is_pid_1);
    let watch = || Watch::new(begun.init.clone(), Some(begun.channel.socket()), init_is_pid_1);
    watch().map_err(unwatched)?.reported().await.map_err(unwatched)?;
    let init = begun.init.clone();
    let mut command = begun.started()?;
    let watch = Watch::new(init, Some(command.channel.socket()), init_is_pid_1).map_err(unwatched)?;
    let stdin = command.stdin.take().map(|pipe| Sender::from_owned_fd(pipe.into()));
    let stdout = command.stdout.take().map(|pipe| Receiver::from_owned_fd(pipe.into()));
    let stderr = command.stderr.take().map(|pipe| Receiver::from_owned_fd(pipe.into()));
    let notifier = command.notifier.take().map(Notifier::try_from);
    Ok(Exec {
        stdin: stdin.transpose().map_err(unwatched)?,
        stdout: stdout.transpose().map_err(unwatched)?,
        stderr: stderr.transpose().map_err(unwatched)?,
        notifier: notifier.transpose()?,
        watch,
        command,
    })
}

impl Exec {
    /// As [`cofferdam::Exec::id`](crate::Exec::id).
    pub fn id(&self) -> u32 {
        self.command.id()
    }

    /// As [`cofferdam::Exec::pidfd`](crate::Exec::pidfd).
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.command.pidfd()
    }

    /// Closes standard input and the notifier, waits until the command has ended, and says how. Again called, it
    /// returns the same report.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future loses nothing: the command goes on, and `wait` can be called again.
    ///
    /// # Errors
    /// If init was killed from outside, so that there is no report, or if the runtime shuts down.
    pub async fn wait(&mut self) -> Result<Report> {
        drop(self.stdin.take());
        drop(self.notifier.take());
        if !self.command.has_last_word() {
            self.watch.reported().await.map_err(unwatched)?;
        }
        self.command.wait()
    }

    /// The report, if the command has ended; does not wait.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<Report>> {
        self.command.try_wait()
    }

    /// Closes standard input and the notifier, collects what is written to the pipes, and waits: see
    /// [`cofferdam::Exec::wait_with_output`](crate::Exec::wait_with_output).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future drops the handle: the command is killed, and what was read is lost.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), or when reading fails.
    pub async fn wait_with_output(mut self) -> Result<Output> {
        drop(self.stdin.take());
        drop(self.notifier.take());
        let pipes = [self.stdout.take(), self.stderr.take()];
        let limit = self.command.terms.output;
        let captured = output::read_both(pipes, limit, Some(&self.watch), &mut self.command).await;
        let captured =
            captured.map_err(|error| Error::io("output", "cannot read from the command", &error))?;
        let report = self.wait().await?;
        let [stdout, stderr] = captured.map(Collected::into_bytes);
        Ok(Output { status: report.status(), stdout, stderr, report, files: Vec::new() })
    }

    /// Kills the command and its process group, as [`cofferdam::Exec::kill`](crate::Exec::kill). It does not wait for
    /// the end.
    ///
    /// # Errors
    /// As with the blocking handle.
    pub fn kill(&self) -> Result<()> {
        self.command.kill()
    }

    /// Sends a signal to the command alone, as [`cofferdam::Exec::signal`](crate::Exec::signal).
    ///
    /// # Errors
    /// As with the blocking handle.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.command.signal(signal)
    }
}
