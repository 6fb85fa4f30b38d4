//! Limits on resources.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A resource that can be limited. Displayed, it has the name of the setter, without `_limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Limit {
    /// [`memory_limit`](crate::Container::memory_limit).
    Memory,
    /// [`swap_limit`](crate::Container::swap_limit).
    Swap,
    /// [`pids_limit`](crate::Container::pids_limit).
    Pids,
    /// [`cpus`](crate::Container::cpus).
    Cpus,
    /// [`cpu_weight`](crate::Container::cpu_weight).
    CpuWeight,
    /// [`cpuset`](crate::Container::cpuset).
    Cpuset,
    /// [`io_limit`](crate::Container::io_limit).
    Io,
    /// [`io_weight`](crate::Container::io_weight).
    IoWeight,
    /// [`hugetlb_limit`](crate::Container::hugetlb_limit).
    Hugetlb,
    /// [`wall_time_limit`](crate::Container::wall_time_limit).
    WallTime,
    /// [`cpu_time_limit`](crate::Container::cpu_time_limit).
    CpuTime,
    /// [`output_limit`](crate::Container::output_limit).
    Output,
    /// [`file_size_limit`](crate::Container::file_size_limit).
    FileSize,
    /// [`disk_limit`](crate::Container::disk_limit).
    Disk,
}

impl Limit {
    /// The name, such as `memory` or `cpu_time`.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Memory => "memory",
            Limit::Swap => "swap",
            Limit::Pids => "pids",
            Limit::Cpus => "cpus",
            Limit::CpuWeight => "cpu_weight",
            Limit::Cpuset => "cpuset",
            Limit::Io => "io",
            Limit::IoWeight => "io_weight",
            Limit::Hugetlb => "hugetlb",
            Limit::WallTime => "wall_time",
            Limit::CpuTime => "cpu_time",
            Limit::Output => "output",
            Limit::FileSize => "file_size",
            Limit::Disk => "disk",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The most that the container can do on one block device, per second. What is not set is not limited.
///
/// ```
/// use cofferdam::{Container, IoLimit};
/// let slow = IoLimit::new("/dev/sda").read_bytes(10 << 20).write_bytes(1 << 20).write_operations(100);
/// let container = Container::new().command("/bin/true").io_limit(slow);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoLimit {
    pub(crate) device: PathBuf,
    pub(crate) read_bytes: Option<u64>,
    pub(crate) write_bytes: Option<u64>,
    pub(crate) read_operations: Option<u64>,
    pub(crate) write_operations: Option<u64>,
}

impl IoLimit {
    /// For this block device, given by its node, such as `/dev/sda`: a whole disk, not a partition.
    pub fn new(device: impl AsRef<Path>) -> Self {
        IoLimit {
            device: device.as_ref().to_owned(),
            read_bytes: None,
            write_bytes: None,
            read_operations: None,
            write_operations: None,
        }
    }

    /// Bytes read in a second.
    pub fn read_bytes(mut self, bytes: u64) -> Self {
        self.read_bytes = Some(bytes);
        self
    }

    /// Bytes written in a second.
    pub fn write_bytes(mut self, bytes: u64) -> Self {
        self.write_bytes = Some(bytes);
        self
    }

    /// Reads in a second.
    pub fn read_operations(mut self, count: u64) -> Self {
        self.read_operations = Some(count);
        self
    }

    /// Writes in a second.
    pub fn write_operations(mut self, count: u64) -> Self {
        self.write_operations = Some(count);
        self
    }

    /// The four bounds, with the names that `io.max` gives them.
    pub(crate) fn bounds(&self) -> [(&'static str, Option<u64>); 4] {
        [
            ("rbps", self.read_bytes),
            ("wbps", self.write_bytes),
            ("riops", self.read_operations),
            ("wiops", self.write_operations),
        ]
    }
}

/// A limit of huge pages of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HugetlbLimit {
    pub page_size: u64,
    pub bytes: u64,
}

/// Bounds of what can be written to the container's own file systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskLimit {
    pub bytes: u64,
    pub inodes: u64,
}

/// The limits of a container; `None` where there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of swap beside a memory limit; none where not set.
    pub swap: Option<u64>,
    /// Number of processes and threads, init not among them.
    pub pids: Option<u64>,
    /// CPUs' worth of time.
    pub cpus: Option<f64>,
    /// Share of CPU time where several compete, 1 to 10,000; 100 is the default of the kernel.
    pub cpu_weight: Option<u64>,
    /// CPUs by number.
    pub cpuset: Option<Vec<usize>>,
    pub io: Vec<IoLimit>,
    /// Share of the disks' time, 1 to 10,000.
    pub io_weight: Option<u64>,
    pub hugetlb: Vec<HugetlbLimit>,
    /// Time from `execve` to the end.
    pub wall_time: Option<Duration>,
    /// CPU time of all processes.
    pub cpu_time: Option<Duration>,
    /// Time beyond the two limits of time before the container is ended.
    pub extra_time: Duration,
    /// Bytes captured of standard output and standard error.
    pub output: Option<u64>,
    /// Size of any file written.
    pub file_size: Option<u64>,
    pub disk: Option<DiskLimit>,
    /// Limits that may be held in a weaker way where the strict one is not to be had.
    pub best_effort: Vec<Limit>,
    /// A cgroup is wanted for its figures, whatever is limited.
    pub accounting: bool,
    /// Where the container's groups are made.
    pub cgroup_parent: Option<PathBuf>,
}

impl Limits {
    /// Whether a weaker mechanism may serve.
    pub fn may_degrade(&self, limit: Limit) -> bool {
        self.best_effort.contains(&limit)
    }

    /// Nanoseconds of a limit of time with the extra time; 0 for none.
    pub fn deadline(&self, limit: Option<Duration>) -> u64 {
        limit.map_or(0, |limit| end_of(limit, self.extra_time))
    }
}

/// Nanoseconds after which init acts on a limit of time.
pub(crate) fn end_of(limit: Duration, extra: Duration) -> u64 {
    u64::try_from(limit.saturating_add(extra).as_nanos()).unwrap_or(u64::MAX)
}
