//! What processes have used, added up as they are reaped.

use super::abi::Rusage;
use crate::wire::End;

/// The figures of getrusage(2), of all processes that were reaped for one run.
#[derive(Clone, Copy, Default)]
pub struct Account {
    sum: Rusage,
}

impl Account {
    /// Adds a process, with the children that it had waited for.
    pub fn add(&mut self, usage: &Rusage) {
        let sum = &mut self.sum;
        sum.user = sum.user.plus(usage.user);
        sum.system = sum.system.plus(usage.system);
        sum.max_rss = sum.max_rss.max(usage.max_rss);
        sum.minor_faults = sum.minor_faults.wrapping_add(usage.minor_faults);
        sum.major_faults = sum.major_faults.wrapping_add(usage.major_faults);
        sum.blocks_read = sum.blocks_read.wrapping_add(usage.blocks_read);
        sum.blocks_written = sum.blocks_written.wrapping_add(usage.blocks_written);
        sum.voluntary_switches = sum.voluntary_switches.wrapping_add(usage.voluntary_switches);
        sum.involuntary_switches = sum.involuntary_switches.wrapping_add(usage.involuntary_switches);
    }

    /// Puts the figures into a report.
    pub fn fill_in(&self, end: End) -> End {
        let sum = &self.sum;
        End {
            user: sum.user.nanoseconds(),
            system: sum.system.nanoseconds(),
            max_rss: sum.max_rss as u64,
            minor_faults: sum.minor_faults as u64,
            major_faults: sum.major_faults as u64,
            blocks_read: sum.blocks_read as u64,
            blocks_written: sum.blocks_written as u64,
            voluntary_switches: sum.voluntary_switches as u64,
            involuntary_switches: sum.involuntary_switches as u64,
            ..end
        }
    }
}
