//! From the fork of the workload to its `execve`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::text::{c_path, digits};
use super::{Builder, IdMaps, Purpose, Resource, Step};
use crate::config::identity::Capabilities;
use crate::config::{Description, IdMap, Limit, Namespaces, Resource as Limited};
use crate::error::{Error, ErrorKind, Result};
use crate::seccomp::{Architecture, Circumstances, Filter, FilterOf, KernelVersion, Listener};
use crate::wire::NO_FD;

/// Where programs are looked for when the workload has no `PATH`, as execvp(3) does.
const FALLBACK_PATH: &str = "/bin:/usr/bin";

/// `ADDR_NO_RANDOMIZE` of personality(2).
const NO_RANDOMISATION: u32 = libc::ADDR_NO_RANDOMIZE as u32;

impl<'a> Builder<'a> {
    /// The order of the last steps: what needs capabilities comes before they go, and what could be used
    /// against the steps after it comes late.
    pub(super) fn workload(&mut self) -> Result<()> {
        let filter = self.filter()?;
        self.plan.listener = filter.map_or(Listener::None, |filter| filter.listener);
        self.limits_of_time();
        self.bounding_set();
        self.cgroups()?;
        // Where the filter denies what reads keys, those of the host program are out of reach as it is. A new
        // keyring costs a key of the user's quota, of which an ordinary user has 200.
        self.push_if(filter.is_none_or(|filter| filter.may_use_keys), Step::SessionKeyring {});
        self.push(Step::Session {});
        if self.purpose == Purpose::Container {
            self.plan.descriptors(&self.container.stdio);
        }
        self.attributes();
        let limits = self.resource_limits()?;
        let (late, early): (Vec<_>, _) = limits.into_iter().partition(|limit| self.comes_late(limit));
        self.plan.steps.extend(early);
        self.identity()?;
        self.push_if(self.container.identity.no_new_privs, Step::NoNewPrivs {});
        if self.purpose == Purpose::Container {
            self.plan.working_directory(&self.container.program)?;
        }
        self.push_if(!self.plan.own_pid_namespace, Step::ParentDeath {});
        self.push(Step::DefaultSignals {});
        #[cfg(feature = "landlock")]
        self.landlock()?;
        self.seccomp(filter);
        match self.purpose {
            Purpose::Container => {
                self.plan.steps.extend(late);
                self.plan.execute(&self.container.program)
            }
            // The rest comes with each run.
            Purpose::Slot { .. } => {
                self.push(Step::AwaitRun {});
                Ok(())
            }
        }
    }

    /// A listener needs a descriptor, and its way to init some more: the workload's limit of open files must not
    /// count before. In a new user namespace it can be lowered only, for which no capability is needed.
    fn comes_late(&self, limit: &Step) -> bool {
        let of_files =
            matches!(limit, Step::ResourceLimit { resource, .. } if *resource == Limited::OpenFiles.number());
        let needs_some = self.plan.listener != Listener::None || self.purpose != Purpose::Container;
        of_files && needs_some && self.plan.id_maps.is_some()
    }

    pub(super) fn filter(&self) -> Result<Option<&'a Filter>> {
        let mut circumstances = circumstances(self.container, self.facts.kernel, Some(self.facts.pass));
        circumstances.of = match self.purpose {
            Purpose::Container => FilterOf::Container,
            Purpose::Slot { watch: false } => FilterOf::Slot,
            Purpose::Slot { watch: true } => FilterOf::WatchedSlot,
        };
        self.container.seccomp.filter(&circumstances)
    }

    /// Last of all: the steps before it need calls that it denies.
    fn seccomp(&mut self, filter: Option<&Filter>) {
        let Some(filter) = filter else { return };
        let [pass_1, pass_2, pass_3] = filter.pass;
        let listener = filter.listener.wire() as u32;
        let program = filter.program.clone();
        self.push(Step::Seccomp { program, listener, pass_1, pass_2, pass_3 });
    }

    fn push_if(&mut self, wanted: bool, step: Step) {
        if wanted {
            self.push(step);
        }
    }

    /// Init keeps the limits of time.
    fn limits_of_time(&mut self) {
        let limits = &self.container.limits;
        self.plan.wall_limit = limits.deadline(limits.wall_time);
        self.plan.cpu_limit = limits.deadline(limits.cpu_time);
        let cpuset = limits.cpuset.as_ref().filter(|_| !self.does_without(Limit::Cpuset));
        self.plan.cpus = self.facts.cpus.min(cpuset.map_or(u64::MAX, |cpus| cpus.len() as u64));
        if let Some((index, file)) = self.facts.cpu_meter {
            self.plan.meter = self.resource(Resource::CgroupFile(index, file));
        }
    }

    /// Where the kernel lets init, the process is created in its group of v2: to move there would cost the
    /// waiting for all CPUs (RCU), milliseconds on a machine that has nothing else to do.
    ///
    /// A cgroup namespace made in the workload's own group shows that group as the root.
    fn cgroups(&mut self) -> Result<()> {
        let unified = self.facts.cgroups.iter().position(|group| group.v2);
        let cgroup = match unified.filter(|_| self.init_is_the_caller()) {
            Some(index) => self.resource(Resource::CgroupDirectory(index)),
            None => NO_FD,
        };
        // As PID 1 init reaches every process by a signal to -1. Elsewhere one that forks on and on could
        // outrun it, but not the kernel.
        if let (Some(index), false) = (unified, self.plan.own_pid_namespace) {
            self.plan.killer = self.resource(Resource::CgroupKill(index));
        }
        self.push(Step::StartWorkload { cgroup });
        for (index, group) in self.facts.cgroups.iter().enumerate() {
            let fd = self.resource(Resource::CgroupProcs(index));
            let path = c_path("cgroup", &group.directory)?;
            self.push(Step::Cgroup { fd, path, of_start: u32::from(group.v2) });
        }
        if self.container.namespaces.new.contains(Namespaces::CGROUP) {
            self.push(Step::Unshare { kinds: Namespaces::CGROUP.bits() });
        }
        Ok(())
    }

    fn attributes(&mut self) {
        let identity = &self.container.identity;
        if let Some(value) = identity.nice {
            self.push(Step::Nice { value });
        }
        let instead = self.container.limits.cpuset.as_ref().filter(|_| self.does_without(Limit::Cpuset));
        if let Some(cpus) = identity.affinity.as_ref().or(instead) {
            self.push(Step::Affinity { mask: cpu_mask(cpus) });
        }
        if let Some(value) = identity.oom_score_adj {
            self.push(Step::OomScoreAdj { value: digits(value) });
        }
        let persona = if identity.aslr { 0 } else { NO_RANDOMISATION };
        self.push(Step::Personality { persona });
        self.push(Step::Umask { mask: identity.umask });
    }

    /// Whether init has the caller's own id on the host, and so its rights to the groups.
    fn init_is_the_caller(&self) -> bool {
        let Some(maps) = &self.plan.id_maps else { return !self.joins_user_namespace() };
        let outside = IdMap::outside(&maps.uids, self.init_ids(maps).0);
        outside == Some(self.facts.caller.uid)
    }

    /// Whether no group holds this limit.
    fn does_without(&self, limit: Limit) -> bool {
        self.facts.fallbacks.contains(&limit)
    }

    /// The resource limits by which limits are held, with or without a group.
    fn limits_by_rlimit(&self) -> Result<Vec<(Limited, u64)>> {
        let limits = &self.container.limits;
        let mut list = Vec::new();
        list.extend(limits.file_size.map(|bytes| (Limited::FileSize, bytes)));
        if self.does_without(Limit::Memory) {
            list.extend(limits.memory.map(|bytes| (Limited::Data, bytes)));
        }
        if self.does_without(Limit::CpuTime) {
            // Init is exact for the processes it knows. Ticks, by which this one counts, must not be first.
            let seconds = self.plan.cpu_limit.div_ceil(1_000_000_000);
            list.push((Limited::Cpu, seconds.saturating_add(1)));
        }
        if let (true, Some(count)) = (self.does_without(Limit::Pids), limits.pids) {
            list.push((Limited::Processes, count + self.init_among_processes()?));
        }
        // A host program under a lower hard limit cannot raise it, and need not.
        let lowered =
            |(resource, most): (Limited, u64)| (resource, most.min(self.facts.hard_limit(resource)));
        Ok(list.into_iter().map(lowered).collect())
    }

    /// `RLIMIT_NPROC` counts the processes of a user in a user namespace. It does not hold for root of the host,
    /// nor for a workload that can take several ids.
    fn init_among_processes(&self) -> Result<u64> {
        let (uid, _) = self.workload_ids();
        let holds = |maps: &&IdMaps| {
            let is_root = IdMap::outside(&maps.uids, uid).is_none_or(|id| id == 0);
            let one_id = maps.uids.iter().map(|map| u64::from(map.count)).sum::<u64>() == 1;
            let can_change = self.container.identity.capabilities.bounding.contains(Capabilities::SETUID);
            !is_root && (one_id || !can_change)
        };
        let Some(maps) = self.plan.id_maps.as_ref().filter(holds) else {
            let what =
                "no cgroup with the controller `pids` is to be had, and RLIMIT_NPROC does not hold here";
            let error = Error::new(ErrorKind::LimitUnavailable, "rlimit", what);
            return Err(error.with_remedy(
                "have a cgroup delegated (with systemd: `Delegate=yes`), or give the workload a new user namespace, \
                 an id that is not root's on the host, and not both several ids and CAP_SETUID",
            ));
        };
        Ok(u64::from(self.init_ids(maps).0 == uid))
    }

    fn resource_limits(&self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        let mut push = |step| steps.push(step);
        let held = self.limits_by_rlimit()?;
        let limits = &self.container.identity.rlimits;
        // The host's core_pattern may start a program on the host, and does so with a limit of 0. With 1 the
        // kernel starts none, and a file of one byte it does not write: core(5).
        if !limits.iter().any(|(resource, ..)| *resource == Limited::Core) {
            let none = self.facts.hard_limit(Limited::Core).min(1);
            push(Step::ResourceLimit { resource: Limited::Core.number(), soft: none, hard: none });
        }
        // Of two limits of one resource the lower one counts.
        let bound =
            |resource| held.iter().filter(|(known, _)| *known == resource).map(|(_, most)| *most).min();
        for (resource, soft, hard) in limits {
            let most = bound(*resource).unwrap_or(u64::MAX);
            let (soft, hard) = ((*soft).min(most), (*hard).min(most));
            push(Step::ResourceLimit { resource: resource.number(), soft, hard });
        }
        for (resource, most) in held.iter().filter(|(held, _)| limits.iter().all(|(known, ..)| known != held))
        {
            // Of CPU time only the soft limit has a signal of its own, SIGXCPU.
            let hard = if *resource == Limited::Cpu { most.saturating_add(1) } else { *most };
            let hard = hard.min(self.facts.hard_limit(*resource));
            push(Step::ResourceLimit { resource: resource.number(), soft: *most, hard });
        }
        Ok(steps)
    }

    /// Init, which executes nothing any more, gives them up for all its processes at once.
    fn bounding_set(&mut self) {
        let keep = self.container.identity.capabilities.bounding.bits();
        self.push_if(self.has_capabilities(), Step::BoundingSet { keep });
    }

    fn identity(&mut self) -> Result<()> {
        let sets = self.container.identity.capabilities;
        if self.has_capabilities() {
            let bits = self.container.identity.securebits().bits();
            self.push_if(bits != 0, Step::Securebits { bits });
        } else if self.container.identity.securebits.is_some() {
            let what = "an ordinary user without a user namespace may not set them";
            return Err(
                Error::invalid("securebits", what).with_remedy("use a new user namespace, or leave them")
            );
        }
        let may_set_groups = match &self.plan.id_maps {
            Some(maps) => maps.may_set_groups(),
            None => self.has_capabilities() && !self.joins_user_namespace(),
        };
        if may_set_groups {
            let gids = self.container.identity.groups.iter().flat_map(|gid| gid.to_ne_bytes()).collect();
            self.push(Step::Groups { gids });
        }
        let (uid, gid) = self.workload_ids();
        self.push(Step::Identity { uid, gid });
        let bits = |set: Capabilities| set.bits();
        self.push(Step::Capabilities {
            effective: bits(sets.effective),
            permitted: bits(sets.permitted),
            inheritable: bits(sets.inheritable),
            ambient: bits(sets.ambient),
        });
        Ok(())
    }

    /// An ordinary user without a user namespace has none to drop, and may not drop them.
    fn has_capabilities(&self) -> bool {
        self.plan.id_maps.is_some() || self.facts.caller.privileged || self.joins_user_namespace()
    }

    fn joins_user_namespace(&self) -> bool {
        self.container.namespaces.joined_kinds().contains(Namespaces::USER)
    }
}

/// What the filter of a container depends on.
pub(crate) fn circumstances(
    container: &Description,
    kernel: Option<KernelVersion>,
    pass: Option<[u64; 3]>,
) -> Circumstances {
    let capabilities = container.identity.capabilities.bounding;
    Circumstances { architecture: Architecture::NATIVE, pass, of: FilterOf::Container, capabilities, kernel }
}

/// The paths at which a program may be, as execvp(3) has it.
pub(super) fn candidates(name: &OsStr, path: Option<&OsStr>) -> Vec<OsString> {
    if name.as_bytes().contains(&b'/') {
        return vec![name.to_owned()];
    }
    let path = path.unwrap_or(OsStr::new(FALLBACK_PATH));
    let join = |directory: &[u8]| {
        let mut candidate = directory.to_vec();
        if !candidate.is_empty() {
            candidate.push(b'/');
        }
        candidate.extend(name.as_bytes());
        OsString::from_vec(candidate)
    };
    path.as_bytes().split(|byte| *byte == b':').map(join).collect()
}

/// A `cpu_set_t` as long as it needs to be.
fn cpu_mask(cpus: &[usize]) -> Vec<u8> {
    let highest = cpus.iter().copied().max().unwrap_or(0);
    let mut mask = vec![0; (highest / 64 + 1) * 8];
    for cpu in cpus {
        mask[cpu / 8] |= 1 << (cpu % 8);
    }
    mask
}
