//! How a run ended and what it used.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// Why the workload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// It exited by itself.
    Exited,
    /// A signal ended it: its own, the kernel's, that of another process, or one that
    /// [`signal`](crate::Child::signal) sent.
    Signalled,
    /// It reached the limit of wall time.
    WallTime,
    /// It did not succeed, and the kernel killed it, or another process of the container, because the
    /// container reached its memory limit.
    Memory,
    /// The host ended it by [`kill`](crate::Child::kill).
    Killed,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Exited => "exited",
            Cause::Signalled => "signalled",
            Cause::WallTime => "wall_time",
            Cause::Memory => "memory",
            Cause::Killed => "killed",
        })
    }
}

/// Where the figure of peak memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemorySource {
    /// `ru_maxrss` of getrusage(2): the largest resident set of any *single* process of the container.
    MaxRss,
    /// `memory.peak` of the container's cgroup (v2, Linux 5.19): all processes together, with page cache
    /// and kernel memory.
    MemoryPeak,
    /// `memory.max_usage_in_bytes` of the container's cgroup (v1): all processes together, with page
    /// cache.
    MaxUsageInBytes,
}

impl fmt::Display for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MemorySource::MaxRss => "ru_maxrss",
            MemorySource::MemoryPeak => "memory.peak",
            MemorySource::MaxUsageInBytes => "memory.max_usage_in_bytes",
        })
    }
}

/// A limit that was in force, and what enforced it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enforcement {
    /// The limit: `memory`, `pids`, `cpus`, `wall_time`.
    pub limit: &'static str,
    /// The mechanism: a file of the cgroup such as `memory.max`, or `init` for a deadline kept by it.
    pub mechanism: &'static str,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub(crate) cause: Cause,
    pub(crate) status: ExitStatus,
    pub(crate) wall_time: Duration,
    pub(crate) user_time: Duration,
    pub(crate) system_time: Duration,
    pub(crate) memory_peak: u64,
    pub(crate) memory_source: MemorySource,
    pub(crate) enforced_by: Vec<Enforcement>,
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

    /// Whether it exited with code 0.
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

    /// From the `execve` of the workload to its end, on `CLOCK_MONOTONIC`. What it leaves behind is killed
    /// then, and that time is not counted.
    pub fn wall_time(&self) -> Duration {
        self.wall_time
    }

    /// User CPU time of the workload and all its descendants that were waited for, by their parents or, as
    /// orphans, by init. A parent that ignores `SIGCHLD` hides its children's time.
    pub fn user_time(&self) -> Duration {
        self.user_time
    }

    /// System CPU time, of the same processes as [`user_time`](Self::user_time).
    pub fn system_time(&self) -> Duration {
        self.system_time
    }

    /// User and system CPU time.
    pub fn cpu_time(&self) -> Duration {
        self.user_time + self.system_time
    }

    /// Peak memory in bytes; [`memory_source`](Self::memory_source) says what was measured.
    pub fn memory_peak(&self) -> u64 {
        self.memory_peak
    }

    /// What [`memory_peak`](Self::memory_peak) measures.
    pub fn memory_source(&self) -> MemorySource {
        self.memory_source
    }

    /// The limits that were in force, and by what mechanism.
    pub fn enforced_by(&self) -> &[Enforcement] {
        &self.enforced_by
    }
}
