//! Using the groups of a container for the next run in it.

use std::sync::atomic::Ordering::Relaxed;

use super::group::Groups;
use super::hierarchy::{Controller, Version};
use super::layout::{GroupPlan, Layout};
use super::name::Maker;
use crate::usage::{Figure, Usage};

/// What the kernel charges to a group at once, for each CPU: 64 pages.
const CHARGED_AT_ONCE: u64 = 64 * 4096;
/// What else of a group without processes may be charged: structures of the kernel that go in their own time.
const STRUCTURES: u64 = 512 << 10;
/// Of a limit no more than this part may be taken by what is charged before a run.
const PART: u64 = 16;

/// What a memory group without processes may be charged for, on so many CPUs, when nothing of a run is left.
pub(crate) fn residue(cpus: u64, limit: Option<u64>) -> u64 {
    let usual = CHARGED_AT_ONCE * cpus + STRUCTURES;
    limit.map_or(usual, |limit| usual.min(limit / PART))
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

impl Layout {
    /// The counters that init sets to zero before each run: the number of the group, and the file.
    pub fn counters(&self) -> Vec<(usize, &'static str)> {
        const OF_MEMORY: [&str; 3] =
            ["memory.max_usage_in_bytes", "memory.failcnt", "memory.memsw.max_usage_in_bytes"];
        let mut counters = Vec::new();
        for (index, group) in self.groups.iter().enumerate().filter(|(_, group)| !group.is_v2()) {
            for controller in &group.controllers {
                match controller {
                    Controller::Memory => counters.extend(OF_MEMORY.map(|file| (index, file))),
                    Controller::Cpuacct => counters.push((index, "cpuacct.usage")),
                    _ => {}
                }
            }
        }
        counters
    }
}

impl Groups {
    /// Whether the groups count anew after a run that used so much, once init has set to zero what can be set.
    pub fn count_anew(&mut self, usage: &Usage) -> bool {
        self.base = [self.seen[0].load(Relaxed), self.seen[1].load(Relaxed)];
        self.groups
            .iter()
            .all(|group| group.controllers.iter().all(|controller| counts_anew(group, *controller, usage)))
    }
}

/// Whether the counters of a controller can be set to zero, or are.
fn counts_anew(group: &GroupPlan, controller: Controller, usage: &Usage) -> bool {
    let none = |figure: Option<Figure<u64>>| figure.is_none_or(|figure| figure.value == 0);
    match (controller, group.version) {
        // What a group of v2 has counted stays.
        (_, Version::V2) => false,
        (Controller::Memory, _) => none(usage.oom_kills),
        // The peak can only rise. One process has been there at least.
        (Controller::Pids, _) => {
            none(usage.pids_limit_hits) && usage.pids_peak.is_none_or(|figure| figure.value <= 1)
        }
        (Controller::Cpu, _) => none(usage.throttled_periods),
        (Controller::Io, _) => none(usage.io_read) && none(usage.io_written),
        (Controller::Cpuacct | Controller::Cpuset, _) => true,
        (Controller::Hugetlb, _) => false,
    }
}
