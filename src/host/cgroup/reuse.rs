//! Using the groups of a container for the next run in it.

use std::fs;
use std::time::Duration;

use super::group::Groups;
use super::hierarchy::{Controller, Version};
use super::layout::{GroupPlan, Layout};
use super::name::Maker;
use crate::usage::Usage;

/// What the kernel charges to a group at once, for each CPU: 64 pages.
const CHARGED_AT_ONCE: u64 = 64 * 4096;
/// What else of a group without processes may be charged: structures of the kernel.
const STRUCTURES: u64 = 128 << 10;

/// What a memory group without processes may be charged for, on so many CPUs, when nothing of a run is left.
pub(crate) fn residue(cpus: u64) -> u64 {
    CHARGED_AT_ONCE * cpus + STRUCTURES
}

impl Layout {
    /// The same groups with other names.
    pub fn renamed(&self) -> Layout {
        let name = Maker::this().new_name();
        let mut layout = self.clone();
        for group in &mut layout.groups {
            group.directory.set_file_name(&name);
        }
        layout
    }

    /// The group that memory is charged to, by number, and the file that tells how much.
    pub fn charge(&self) -> Option<(usize, &'static str)> {
        let index = self.groups.iter().position(|group| group.controllers.contains(&Controller::Memory))?;
        Some(match self.groups[index].version {
            Version::V1 => (index, "memory.usage_in_bytes"),
            Version::V2 => (index, "memory.current"),
        })
    }
}

impl Groups {
    /// Sets to zero what was counted, after a run that used so much; `false` where something cannot be.
    pub fn count_anew(&mut self, usage: &Usage) -> bool {
        let as_new = self
            .groups
            .iter()
            .all(|group| group.controllers.iter().all(|controller| counts_anew(group, *controller, usage)));
        if as_new {
            self.remember_cpu_time();
        }
        as_new
    }

    /// The CPU time of v2 counts on; what there is now is left out from now on.
    fn remember_cpu_time(&mut self) {
        let mut usage = Usage::default();
        self.base = [Duration::ZERO; 2];
        self.fill_in(&mut usage, Duration::ZERO);
        let [cpu, system] = [usage.cpu_time, usage.system_time]
            .map(|figure| figure.map(|figure| figure.value).unwrap_or_default());
        let is_v2 = usage.cpu_time.is_some_and(|figure| figure.source == "cpu.stat");
        if is_v2 {
            self.base = [cpu, system];
        }
    }
}

/// Sets the counters of a controller to zero, where they are not.
fn counts_anew(group: &GroupPlan, controller: Controller, usage: &Usage) -> bool {
    let none = |figure: Option<crate::usage::Figure<u64>>| figure.is_none_or(|figure| figure.value == 0);
    let reset = |files: &[&str]| files.iter().all(|file| zero(group, file));
    match (controller, group.version) {
        // What a group of v2 has counted stays.
        (_, Version::V2) => false,
        (Controller::Memory, _) => {
            none(usage.oom_kills)
                && reset(&["memory.max_usage_in_bytes", "memory.failcnt", "memory.memsw.max_usage_in_bytes"])
        }
        // The peak can only rise. One process has been there at least.
        (Controller::Pids, _) => {
            none(usage.pids_limit_hits) && usage.pids_peak.is_none_or(|figure| figure.value <= 1)
        }
        (Controller::Cpu, _) => none(usage.throttled_periods),
        (Controller::Cpuacct, _) => reset(&["cpuacct.usage"]),
        (Controller::Io, _) => none(usage.io_read) && none(usage.io_written),
        (Controller::Cpuset, _) => true,
        (Controller::Hugetlb, _) => false,
    }
}

/// A kernel without a counter has none to set.
fn zero(group: &GroupPlan, file: &str) -> bool {
    match fs::write(group.directory.join(file), "0") {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(()) => true,
    }
}
