//! How a run ended.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use crate::config::Limit;
use crate::seccomp::Syscall;
use crate::usage::Usage;

/// Why the workload ended.
///
/// Where init ended it, the reason that init had counts: killed, wall time, CPU time, output or a system call. Where it ended
/// in any other way the facts decide, in the order in which the causes stand here, so that the same facts have
/// the same cause whichever of two events came first by a hair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The host ended it by [`kill`](crate::Child::kill).
    Killed,
    /// It did not succeed, and the kernel killed it, or another process of the container, because the
    /// container reached its memory limit. The status tells which: of a program whose child was killed, and
    /// that handled it by an exit with code 1, the code is 1.
    Memory,
    /// It wrote more than may be captured, or to a file beyond the largest size. If it had written everything
    /// and ended before the host program had read that much, the status is its own.
    Output,
    /// It used more CPU time than its limit. If it ended by itself within the
    /// [extra time](crate::Container::extra_time), or in the moment before init could end it, the status is its
    /// own.
    CpuTime,
    /// It used more wall time than its limit. The status is as with [`CpuTime`](Self::CpuTime).
    WallTime,
    /// A system call that its policy answers so: [`Report::violation`] names it where that can be known. Init
    /// ended the container, or `SIGSYS` the workload: by its filter, one of its own, or one that the host program
    /// runs under. (Or somebody sent that signal.)
    Seccomp,
    /// It did not succeed, and the kernel had refused it a process at its limit of pids.
    Pids,
    /// A signal ended it: its own, the kernel's, that of another process, or one that
    /// [`signal`](crate::Child::signal) sent.
    Signalled,
    /// It exited by itself.
    Exited,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Killed => "killed",
            Cause::WallTime => "wall_time",
            Cause::CpuTime => "cpu_time",
            Cause::Output => "output",
            Cause::Memory => "memory",
            Cause::Seccomp => "seccomp",
            Cause::Pids => "pids",
            Cause::Signalled => "signalled",
            Cause::Exited => "exited",
        })
    }
}

/// A limit that was in force, and what enforced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Enforcement {
    /// The limit.
    pub limit: Limit,
    /// The mechanism: a file of the cgroup such as `memory.max`, an rlimit such as `RLIMIT_NPROC`, `tmpfs`,
    /// `init` for what init watches, `host` for what the host program's side does.
    pub mechanism: &'static str,
    /// Whether it holds for the whole container, whatever the workload does. If not, it was accepted by
    /// [`best_effort`](crate::Container::best_effort).
    pub strict: bool,
}

/// The account of a finished run.
///
/// All times are the container's own: set-up is not counted.
///
/// ```
/// use cofferdam::{Cause, Container};
/// let output = Container::new().command("sh").args(["-c", "kill -TERM $$"]).output()?;
/// let report = output.report;
/// assert_eq!((report.cause(), report.code(), report.signal()), (Cause::Signalled, None, Some(15)));
/// assert!(report.cpu_time() <= report.wall_time() * 1000 && report.memory_peak() > 0);
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub(crate) cause: Cause,
    pub(crate) status: ExitStatus,
    pub(crate) usage: Usage,
    pub(crate) reached: Vec<Limit>,
    pub(crate) enforced_by: Vec<Enforcement>,
    pub(crate) violation: Option<Syscall>,
    pub(crate) would_be_denied: Vec<Syscall>,
}

impl Report {
    /// Why the workload ended.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The workload's exit status, as `std` has it.
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// Whether it exited with code 0. It may have reached a limit all the same: see [`cause`](Self::cause).
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// The exit code, if it exited.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// What it used, with the source of each figure.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// From the `execve` of the workload to its end, on `CLOCK_MONOTONIC`. What it leaves behind is killed
    /// then, and that time is not counted.
    pub fn wall_time(&self) -> Duration {
        self.usage.wall_time
    }

    /// User and system CPU time of all processes: [`Usage::cpu_time`].
    pub fn cpu_time(&self) -> Duration {
        self.usage.cpu_time.map(|figure| figure.value).unwrap_or_default()
    }

    /// User CPU time: [`Usage::user_time`].
    pub fn user_time(&self) -> Duration {
        self.usage.user_time.map(|figure| figure.value).unwrap_or_default()
    }

    /// System CPU time: [`Usage::system_time`].
    pub fn system_time(&self) -> Duration {
        self.usage.system_time.map(|figure| figure.value).unwrap_or_default()
    }

    /// Memory at the peak, in bytes: [`Usage::memory_peak`], whose source says what was measured.
    pub fn memory_peak(&self) -> u64 {
        self.usage.memory_peak.map(|figure| figure.value).unwrap_or_default()
    }

    /// The limits that the workload reached, whatever it did then: memory where the kernel killed a process
    /// or refused memory for it, pids where it refused a process. A program can reach a limit and succeed.
    pub fn reached(&self) -> &[Limit] {
        &self.reached
    }

    /// The limits that were in force, and by what mechanism.
    pub fn enforced_by(&self) -> &[Enforcement] {
        &self.enforced_by
    }

    /// The system call by which a process of the container broke the policy: of the first that met
    /// [`SeccompAction::Kill`](crate::SeccompAction::Kill). Where the kernel itself ended the process
    /// ([`KillProcess`](crate::SeccompAction::KillProcess), [`Trap`](crate::SeccompAction::Trap), another ABI)
    /// nobody learns which call it was: there is none here, though the cause is
    /// [`Cause::Seccomp`](crate::Cause::Seccomp).
    pub fn violation(&self) -> Option<Syscall> {
        self.violation
    }

    /// The system calls that were let through, and would not be but for
    /// [`Seccomp::report_only`](crate::Seccomp::report_only), each once, by number. Calls with numbers beyond 510,
    /// and those of other architectures, stand together as number 511.
    pub fn would_be_denied(&self) -> &[Syscall] {
        &self.would_be_denied
    }
}
