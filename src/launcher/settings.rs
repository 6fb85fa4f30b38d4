//! What processes inherit of init, and what a workload of the same user could change of it.

use super::abi;
use super::sys;

/// The settings of init at a moment.
#[derive(PartialEq)]
pub struct Settings {
    scheduling: abi::SchedAttr,
    cpus: [u8; abi::CPU_MASK],
    io_priority: usize,
    rlimits: [(u64, u64); abi::RLIM_NLIMITS],
}

impl Settings {
    pub fn now() -> Self {
        let mut cpus = [0; abi::CPU_MASK];
        let _ = sys::affinity(&mut cpus);
        let mut rlimits = [(0, 0); abi::RLIM_NLIMITS];
        for (resource, limit) in (0..).zip(&mut rlimits) {
            *limit = sys::rlimit(resource);
        }
        let scheduling = sys::scheduling().unwrap_or_default();
        Settings { scheduling, cpus, io_priority: sys::io_priority(), rlimits }
    }

    /// Undoes what init itself changes to keep time. Signals that a workload of the same user has sent, which init
    /// blocks, count for that user for as long as they wait.
    pub fn restore(&self) {
        sys::forget_signals();
        let _ = sys::prctl(abi::PR_SET_TIMERSLACK, 0);
        sys::restore_scheduling(&self.scheduling);
    }
}
