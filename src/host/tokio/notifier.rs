//! System calls that the host program decides on, awaited.

use std::os::fd::{AsFd, BorrowedFd};

use ::tokio::io::Interest;
use nix::poll::PollTimeout;

use super::watch::Watched;
use super::{runtime, unwatched};
use crate::error::{Error, Result};
use crate::host::notifier::{self as blocking, Notification, Waiting};
use crate::host::sys;

/// The calls of a container's processes that wait for a handler: [`cofferdam::Notifier`](crate::Notifier), where it is
/// said what to mind, for programs on the Tokio runtime.
///
/// ```
/// use cofferdam::{Container, Seccomp, Stdio};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cofferdam::Error> {
/// let policy = Seccomp::default().notify(["getuid", "geteuid"]);
/// let container = Container::new().command("id").arg("-u").seccomp(policy).stdout(Stdio::piped());
/// let mut child = container.spawn_async().await?;
/// let notifier = child.notifier.take().expect("the policy has a rule with `Notify`");
/// while let Some(call) = notifier.next().await? {
///     call.succeed(0)?;
/// }
/// assert_eq!(child.wait_with_output().await?.stdout, b"0\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Notifier {
    registration: Watched,
    notifier: blocking::Notifier,
}

impl Notifier {
    /// The next call; `None` when no process is left that could call. Several tasks may share the work.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future takes no call.
    ///
    /// # Errors
    /// If the runtime shuts down.
    pub async fn next(&self) -> Result<Option<Notification<'_>>> {
        loop {
            let mut guard = self.registration.readable().await.map_err(unwatched)?;
            match self.notifier.take(PollTimeout::ZERO)? {
                Waiting::Call(call) => return Ok(Some(call)),
                Waiting::NeverAgain => return Ok(None),
                Waiting::Nothing => guard.clear_ready(),
            }
        }
    }

    /// The notifier for threads that block. No call is lost.
    pub fn into_blocking(self) -> blocking::Notifier {
        drop(self.registration);
        self.notifier
    }
}

impl TryFrom<blocking::Notifier> for Notifier {
    type Error = Error;

    /// Fails outside a runtime, and where the kernel has no room. Then the notifier is dropped.
    fn try_from(notifier: blocking::Notifier) -> Result<Self> {
        runtime()?;
        let registration = sys::watch(notifier.listener(), Interest::READABLE).map_err(unwatched)?;
        Ok(Notifier { registration, notifier })
    }
}

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notifier.as_fd()
    }
}
