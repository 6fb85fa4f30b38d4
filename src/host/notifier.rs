//! System calls that the host program decides on, or carries out itself: see seccomp_unotify(2).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::channel::retry;
use super::sys;
use crate::error::{Error, Result};
use crate::seccomp::Syscall;

/// The calls of a container's processes that wait for a handler, by
/// [`SeccompAction::Notify`](crate::SeccompAction::Notify). Needs Linux 5.5.
///
/// The library starts no thread: a thread of the host program asks for one call after the other. A process whose
/// call nobody answers waits, until a limit or the end of the container. While it waits it can be killed, or a
/// signal can interrupt the call. When the notifier is dropped, all such calls fail with `ENOSYS`.
///
/// # What to mind
///
/// - What a pointer points to can be changed by another thread, or another process that shares the memory, after
///   the handler has looked at it. So never decide by it and then let the kernel carry the call out
///   ([`Notification::carry_out`]): the kernel reads it anew. Decide by the numbers of the arguments, or read it
///   once, carry the call out in the host program by what was read, and answer with the result.
/// - The process can end at any time, and its number be given to another. What was read of it counts only if
///   [`Notification::is_waiting`] says so afterwards; [`Notification::read_memory`] checks that itself.
/// - Before Linux 5.19 a signal that the process handles interrupts the call though a handler has heard of it, and it
///   may come once more.
/// - From Linux 5.19 on a process whose call was heard can only be killed until it is answered: no freezer stops it,
///   so [`Child::pause`](crate::Child::pause) needs every call answered that [`next`](Self::next) returned.
/// - `carry_out` is no protection by itself: other rules of the policy do not apply to the call any more.
///
/// ```
/// use cofferdam::{Container, Seccomp, Stdio};
/// // The program believes that it has been made root.
/// let policy = Seccomp::default().notify(["getuid", "geteuid"]);
/// let mut child =
///     Container::new().command("id").arg("-u").seccomp(policy).stdout(Stdio::piped()).spawn()?;
/// let notifier = child.notifier.take().expect("the policy has a rule with `Notify`");
/// while let Some(call) = notifier.next()? {
///     call.succeed(0)?;
/// }
/// assert_eq!(child.wait_with_output()?.stdout, b"0\n");
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Debug)]
pub struct Notifier {
    /// Shared with whatever watches it.
    listener: Arc<OwnedFd>,
    /// Of two threads that heard of one call, the second would wait in the kernel, before Linux 6.11 even when
    /// nobody is left to call.
    turn: Mutex<()>,
}

impl AsFd for Notifier {
    /// It is readable when a call waits, and hung up when no process is left that could call.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Notifier {
    pub(super) fn new(listener: OwnedFd) -> Self {
        Notifier { listener: Arc::new(listener), turn: Mutex::new(()) }
    }

    /// Waits for the next call; `None` when no process is left that could call. Several threads may share the work.
    ///
    /// # Errors
    /// None that is known.
    pub fn next(&self) -> Result<Option<Notification<'_>>> {
        match self.take(PollTimeout::NONE)? {
            Waiting::Call(call) => Ok(Some(call)),
            _ => Ok(None),
        }
    }

    /// To be watched.
    #[cfg(feature = "tokio")]
    pub(super) fn listener(&self) -> Arc<OwnedFd> {
        self.listener.clone()
    }

    /// The next call, waiting no longer than that.
    pub(super) fn take(&self, patience: PollTimeout) -> Result<Waiting<Notification<'_>>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
            if retry(|| poll(&mut fds, patience)).map_err(|errno| failed("cannot wait", &errno.into()))? == 0
            {
                return Ok(Waiting::Nothing);
            }
            if !fds[0].revents().unwrap_or(PollFlags::empty()).contains(PollFlags::POLLIN) {
                return Ok(Waiting::NeverAgain);
            }
            match sys::receive_notification(self.as_fd()) {
                Ok(notification) => return Ok(Waiting::Call(Notification { notifier: self, notification })),
                // The process was killed, or interrupted by a signal, before it was heard.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => {}
                Err(error) => return Err(failed("cannot receive a call", &error)),
            }
        }
    }
}

/// What waits at a listener.
pub(super) enum Waiting<T> {
    Call(T),
    Nothing,
    /// Nobody is left that could call.
    NeverAgain,
}

fn failed(what: &str, error: &io::Error) -> Error {
    Error::io("notifier", what, error)
}

/// A call that waits. Dropped without an answer, it waits on.
pub struct Notification<'a> {
    notifier: &'a Notifier,
    notification: libc::seccomp_notif,
}

impl std::fmt::Debug for Notification<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notification")
            .field("syscall", &self.syscall())
            .field("arguments", &self.arguments())
            .field("process", &self.process())
            .finish()
    }
}

/// Each answer returns whether it has been heard: not where the process has been killed, or a signal has interrupted
/// the call. That is the workload's to bring about at any moment, and no error.
impl Notification<'_> {
    /// Which call.
    pub fn syscall(&self) -> Syscall {
        Syscall::from_number(self.notification.data.nr as u32)
    }

    /// The six argument registers, of which the call uses the first ones.
    pub fn arguments(&self) -> [u64; 6] {
        self.notification.data.args
    }

    /// The thread that calls, as the host program's PID namespace numbers it.
    pub fn process(&self) -> u32 {
        self.notification.pid
    }

    /// Whether it still waits, so that [`process`](Self::process) is the number of that very thread.
    pub fn is_waiting(&self) -> bool {
        sys::check_notification(self.notifier.as_fd(), self.notification.id).is_ok()
    }

    /// Reads from the memory of the process, at an address that is among the arguments. Returns how much was
    /// there to be read. Needs a `/proc` of the host program's PID namespace.
    ///
    /// # Errors
    /// `ENOENT` where the call does not wait any more; else as reading `/proc/PID/mem` (proc_pid_mem(5)).
    pub fn read_memory(&self, address: u64, buffer: &mut [u8]) -> Result<usize> {
        let read = File::open(format!("/proc/{}/mem", self.process()))
            .and_then(|memory| memory.read_at(buffer, address));
        // Only now it is known whose memory that was.
        sys::check_notification(self.notifier.as_fd(), self.notification.id)
            .map_err(|error| failed("the call does not wait any more", &error))?;
        read.map_err(|error| failed("cannot read the memory of the process", &error))
    }

    /// The call fails with this error number, 1 to 4095.
    ///
    /// # Errors
    /// `EINVAL` for another number.
    pub fn fail(self, errno: i32) -> Result<bool> {
        if !(1..=4095).contains(&errno) {
            return Err(Error::errno("notifier", format!("the error number {errno}"), libc::EINVAL));
        }
        self.answer(0, -errno, 0)
    }

    /// The call succeeds with this value, and the kernel does nothing: the handler may have.
    ///
    /// # Errors
    /// None that is known.
    pub fn succeed(self, value: i64) -> Result<bool> {
        self.answer(value, 0, 0)
    }

    /// The kernel carries the call out: see above, "What to mind".
    ///
    /// # Errors
    /// None that is known.
    pub fn carry_out(self) -> Result<bool> {
        self.answer(0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32)
    }

    /// Gives the process a duplicate of a descriptor, closed at exec; returns its number there, with which the call
    /// may then succeed. Linux 5.9.
    ///
    /// # Errors
    /// `ENOENT` where the call does not wait any more, `EMFILE` where the process may have no more descriptors.
    pub fn give(&self, fd: BorrowedFd<'_>) -> Result<i32> {
        let request = libc::seccomp_notif_addfd {
            id: self.notification.id,
            flags: 0,
            srcfd: fd.as_raw_fd() as u32,
            newfd: 0,
            newfd_flags: libc::O_CLOEXEC as u32,
        };
        sys::add_descriptor(self.notifier.as_fd(), request)
            .map_err(|error| failed("cannot give the process a descriptor", &error))
    }

    fn answer(self, val: i64, error: i32, flags: u32) -> Result<bool> {
        let answer = libc::seccomp_notif_resp { id: self.notification.id, val, error, flags };
        match sys::answer_notification(self.notifier.as_fd(), answer) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            answered => answered.map(|()| true).map_err(|error| failed("cannot answer the call", &error)),
        }
    }
}
