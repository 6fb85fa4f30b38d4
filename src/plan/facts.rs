//! What the host told before the plan is made, so that making it needs no I/O.

use std::path::{Path, PathBuf};

use crate::config::{IdMap, Limit, Resource};
use crate::seccomp::KernelVersion;

/// The state of the host, as far as the plan depends on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Where relative paths of the host start.
    pub current_dir: PathBuf,
    pub caller: Caller,
    /// The host program's hard limits of some resources, which a container cannot raise.
    pub hard_limits: Vec<(Resource, u64)>,
    /// The parts of the host view.
    pub view: Vec<ViewEntry>,
    /// The device nodes of a minimal /dev.
    pub devices: Vec<FileFact>,
    /// The directory given as root file system.
    pub rootfs: Option<FileFact>,
    /// Mount points that this directory lacks, in order, and whether they are directories.
    pub missing: Vec<(PathBuf, bool)>,
    /// For each operation its source; `None` where it has none or an optional one does not exist.
    pub sources: Vec<Option<FileFact>>,
    /// One group for each cgroup hierarchy that a limit needs.
    pub cgroups: Vec<Group>,
    /// The group that tells the CPU time, and its file.
    pub cpu_meter: Option<(usize, &'static str)>,
    /// Limits that no group holds.
    pub fallbacks: Vec<Limit>,
    /// CPUs of the machine.
    pub cpus: u64,
    /// Numbers that nobody else knows, by which a filter lets the launcher's last calls pass.
    pub pass: [u64; 3],
    /// For seccomp profiles that ask for it.
    pub kernel: Option<KernelVersion>,
}

impl Facts {
    /// The hard limit of a resource; none where it was not looked at.
    pub fn hard_limit(&self, resource: Resource) -> u64 {
        self.hard_limits.iter().find(|(known, _)| *known == resource).map_or(u64::MAX, |(_, hard)| *hard)
    }

    /// A path of the host from the root on.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.current_dir.join(path)
    }
}

/// A group to be made.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub directory: PathBuf,
    pub v2: bool,
}

/// Who calls, and which ids it can hand out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub uid: u32,
    pub gid: u32,
    /// Has the capabilities to write any id map and to mount.
    pub privileged: bool,
    /// First of a range of ids, one for each possible process id, that nobody else has.
    pub per_run_ids: Option<u32>,
    /// The ids of `nobody` exist in its user namespace.
    pub nobody: bool,
    /// Ranges from /etc/subuid and /etc/subgid; `inside` is not set.
    pub subordinate_uids: Vec<IdMap>,
    pub subordinate_gids: Vec<IdMap>,
}

/// A file of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileFact {
    /// Absolute.
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    pub directory: bool,
}

/// A part of the host view, at the same path inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ViewEntry {
    Link { path: PathBuf, target: PathBuf },
    File(FileFact),
}
