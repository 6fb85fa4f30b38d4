//! What happens to a system call.

use crate::wire::listener;

/// What becomes of a system call: see seccomp(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SeccompAction {
    /// The kernel carries it out.
    Allow,
    /// It fails with this error number, 0 to 4095; with 0 it seems to succeed.
    Errno(i32),
    /// It ends the container: init kills everything, the cause is [`Cause::Seccomp`](crate::Cause::Seccomp), and
    /// the [`Report`](crate::Report::violation) names the call. The mechanism is seccomp's user notification
    /// (Linux 5.5), the only one by which somebody else learns the number. Where a policy has
    /// [`Notify`](Self::Notify) as well, which takes the one listener that a process can have, it acts as
    /// [`KillProcess`](Self::KillProcess). A filter that the program gives itself and that denies the call comes
    /// first: the call is not carried out then, and nobody is told. (`compute_only` lets no program have one.)
    Kill,
    /// The kernel kills the process with `SIGSYS`. If that is the workload's first one the cause is
    /// [`Cause::Seccomp`](crate::Cause::Seccomp); which call it was nobody learns.
    KillProcess,
    /// The kernel ends the thread, as if by `SIGSYS`. Which call it was nobody learns.
    KillThread,
    /// The thread gets the signal `SIGSYS`, which a program can handle and which tells it the number; without a
    /// handler it ends, and nobody else learns the number.
    Trap,
    /// The kernel carries it out and writes a line to the audit log.
    Log,
    /// It waits until a handler in the host program has decided: [`Child::notifier`](crate::Child::notifier).
    Notify,
}

/// Who is told of calls, and what for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Listener {
    #[default]
    None,
    /// Init, which ends the container.
    Kill,
    /// Init, which notes the call and lets it through.
    Report,
    /// The host program's handler.
    Host,
    /// Init, which notes that something is used that a slot must replace, and lets the call through.
    Watch,
}

impl Listener {
    /// As the launcher is told.
    pub fn wire(self) -> u64 {
        match self {
            Listener::None => listener::NONE,
            Listener::Kill => listener::KILL,
            Listener::Report => listener::REPORT,
            Listener::Host => listener::HOST,
            Listener::Watch => listener::WATCH,
        }
    }
}

impl SeccompAction {
    /// The number that a filter returns for it.
    pub(super) fn verdict(self, listener: Listener) -> u32 {
        // What is answered by ENOSYS is not there, and programs have their way around it: were clone3(2) carried out
        // for once, it would be listed, allowed, and open every namespace.
        let stays =
            matches!(self, SeccompAction::Allow | SeccompAction::Log | SeccompAction::Errno(libc::ENOSYS));
        if listener == Listener::Report && !stays {
            return libc::SECCOMP_RET_USER_NOTIF;
        }
        match self {
            SeccompAction::Allow => libc::SECCOMP_RET_ALLOW,
            SeccompAction::Errno(number) => libc::SECCOMP_RET_ERRNO | number as u32 & libc::SECCOMP_RET_DATA,
            SeccompAction::Kill if listener == Listener::Kill => libc::SECCOMP_RET_USER_NOTIF,
            SeccompAction::Kill | SeccompAction::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
            SeccompAction::KillThread => libc::SECCOMP_RET_KILL_THREAD,
            SeccompAction::Trap => libc::SECCOMP_RET_TRAP,
            SeccompAction::Log => libc::SECCOMP_RET_LOG,
            SeccompAction::Notify => libc::SECCOMP_RET_USER_NOTIF,
        }
    }
}
