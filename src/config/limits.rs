//! Limits on resources.

use std::time::Duration;

/// The limits of a container; `None` where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Bytes of memory, swap not included: there is none.
    pub memory: Option<u64>,
    /// Number of processes and threads, init not among them.
    pub pids: Option<u64>,
    /// CPUs' worth of time.
    pub cpus: Option<f64>,
    /// Time from `execve` to the end.
    pub wall_time: Option<Duration>,
}

impl Limits {
    /// Whether any of them needs a cgroup.
    pub fn need_cgroup(&self) -> bool {
        self.memory.is_some() || self.pids.is_some() || self.cpus.is_some()
    }
}
