//! What a container has used, each figure with its source.

use std::time::Duration;

/// A figure, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Figure<T> {
    /// The value, in bytes where it is memory or I/O.
    pub value: T,
    /// The kernel's name of the source: a file of the container's cgroup, such as `memory.peak`, or a field of
    /// getrusage(2), such as `ru_maxrss`, which counts only processes that have ended and were waited for.
    pub source: &'static str,
}

impl<T> Figure<T> {
    pub(crate) fn new(value: T, source: &'static str) -> Self {
        Figure { value, source }
    }
}

/// What a container has used: at its end ([`Report::usage`](crate::Report::usage)), or up to now
/// ([`Child::stats`](crate::Child::stats)).
///
/// A figure is `None` where nothing measures it: most come from the container's cgroup, which it has when a
/// limit needs one or [`accounting`](crate::Container::accounting) asks for it.
///
/// ```
/// use cofferdam::Container;
/// let report = Container::new().command("/bin/true").output()?.report;
/// let usage = report.usage();
/// println!("{:?} of wall time", usage.wall_time);
/// if let Some(peak) = usage.memory_peak {
///     println!("{} bytes at the peak ({})", peak.value, peak.source);
/// }
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// From the `execve` of the workload on, on `CLOCK_MONOTONIC`.
    pub wall_time: Duration,
    /// CPU time of all processes, without set-up. From a cgroup it is complete; otherwise a process that
    /// ignores `SIGCHLD` hides the time of its children.
    pub cpu_time: Option<Figure<Duration>>,
    /// CPU time in user mode.
    pub user_time: Option<Figure<Duration>>,
    /// CPU time in the kernel.
    pub system_time: Option<Figure<Duration>>,
    /// Memory in use now. Not in a report: then it is none.
    pub memory: Option<Figure<u64>>,
    /// Memory at the peak. From a cgroup it is that of all processes, with page cache and (v2) kernel
    /// memory; `ru_maxrss` is the largest resident set of any single process.
    pub memory_peak: Option<Figure<u64>>,
    /// Processes and threads now. Not in a report.
    pub pids: Option<Figure<u64>>,
    /// Processes and threads at the peak: `pids.peak`, Linux 6.1.
    pub pids_peak: Option<Figure<u64>>,
    /// Bytes read from block devices. What the page cache had is not read.
    pub io_read: Option<Figure<u64>>,
    /// Bytes written to block devices. What is written back after the end does not count.
    pub io_written: Option<Figure<u64>>,
    /// Context switches because a process waited for something.
    pub voluntary_switches: Option<Figure<u64>>,
    /// Context switches because a process's turn was over.
    pub involuntary_switches: Option<Figure<u64>>,
    /// Page faults served without I/O.
    pub minor_faults: Option<Figure<u64>>,
    /// Page faults that needed I/O.
    pub major_faults: Option<Figure<u64>>,
    /// Processes that the kernel killed for want of memory: because the container had reached its limit, or a
    /// group above it, or the machine.
    pub oom_kills: Option<Figure<u64>>,
    /// How often memory had to be reclaimed or refused at the limit. A program that reads large files does so
    /// without harm.
    pub memory_limit_hits: Option<Figure<u64>>,
    /// How often a new process or thread was refused at the limit.
    pub pids_limit_hits: Option<Figure<u64>>,
    /// In how many periods the limit of CPUs slowed the container down.
    pub throttled_periods: Option<Figure<u64>>,
    /// For how long that was, summed over CPUs.
    pub throttled_time: Option<Figure<Duration>>,
    /// For how long processes waited for a CPU, for memory, for I/O: pressure stall information, cgroup v2,
    /// Linux 4.20, where it is turned on. Not in a report.
    pub pressure: Option<Pressure>,
}

/// Pressure stall information of a container: see the kernel's `accounting/psi`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Pressure {
    /// Waiting for a CPU.
    pub cpu: Stall,
    /// Waiting for memory: reclaim, refaults, swap.
    pub memory: Stall,
    /// Waiting for I/O.
    pub io: Stall,
}

/// For how long processes were stalled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stall {
    /// The share of the last ten seconds in which at least one process was, in percent.
    pub some_avg10: f64,
    /// The time in which at least one process was.
    pub some_total: Duration,
    /// The time in which all were.
    pub full_total: Duration,
}
