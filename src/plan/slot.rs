//! From the plan of a container to that of a slot, which runs one command after another.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::{MOUNT_ATTR_RDONLY, MS_NODEV, MS_NOEXEC, MS_NOSUID};

use super::{Builder, Plan, Resource, Step};
use crate::config::Namespaces;
use crate::wire::NO_FD;

/// What a slot is about beside its steps.
pub(crate) struct SlotPlan {
    pub plan: Plan,
    /// Whether it can be made as new after a run.
    pub renewable: bool,
}

/// What the step `serve` says.
pub(crate) struct Serving {
    /// The resource on which runs come.
    pub runs: Resource,
    /// The file that tells what the memory group is charged for.
    pub charge: Option<Resource>,
    /// What a group without processes may be charged for.
    pub residue: u64,
    /// Counters to set to zero.
    pub counters: Vec<Resource>,
    /// Whether init is to hear of what leaves no trace that it could find.
    pub watch: bool,
}

impl Builder<'_> {
    /// Rearranges the steps: those of the container that a round repeats come behind the others.
    pub(super) fn into_slot(mut self, serving: Serving) -> SlotPlan {
        let renewable = self.can_be_renewed();
        let runs = self.resource(serving.runs);
        let charge = serving.charge.map_or(NO_FD, |file| self.resource(file));
        let network = u32::from(self.container.namespaces.new.contains(Namespaces::NET));
        let has_own_ipc = self.container.namespaces.new.contains(Namespaces::IPC);
        let mut steps = std::mem::take(&mut self.plan.steps).into_iter();
        let mut base: Vec<Step> = Vec::new();
        let mut cgroup = NO_FD;
        for step in steps.by_ref() {
            if let Step::StartWorkload { cgroup: group } = step {
                cgroup = group;
                break;
            }
            base.push(step);
        }
        let own: Vec<Step> = steps.collect();
        let (base, again) = if renewable { split(base, has_own_ipc) } else { (base, Vec::new()) };
        self.plan.steps = base;
        self.push(Step::Serve { runs, charge, residue: serving.residue, network });
        for counter in serving.counters {
            let fd = self.resource(counter);
            self.push(Step::SetToZero { fd });
        }
        self.plan.steps.extend(again);
        self.push(Step::Park { cgroup });
        self.plan.steps.extend(own);
        SlotPlan { plan: self.plan, renewable }
    }

    /// Only what is known to be undone is used again. Without capabilities and with a filter that denies what reads
    /// keys, a run leaves nothing but processes, files, IPC objects, use of the network, and settings of init.
    fn can_be_renewed(&self) -> bool {
        let private = Namespaces::USER | Namespaces::PID | Namespaces::MOUNT;
        let container = self.container;
        let is_private = container.namespaces.new.contains(private);
        let is_confined = self.filter().ok().flatten().is_some_and(|filter| !filter.may_use_keys);
        let has_capabilities = !container.identity.capabilities.bounding.is_empty();
        is_private && is_confined && !has_capabilities && self.file_systems_can_be_replaced()
    }

    /// Whether all that the workload can write to, and that is not the host's, is a tmpfs with nothing mounted in it.
    fn file_systems_can_be_replaced(&self) -> bool {
        let steps = &self.plan.steps;
        let sealed = sealed(steps);
        let is_whole = |target: &CStr| {
            let inner = steps.iter().filter_map(mount_point).any(|other| lies_below(other, target));
            target != c"/" && !inner
        };
        steps.iter().all(|step| match step {
            Step::Tmpfs { target, attributes, .. } => {
                !is_writable(*attributes) || sealed.contains(target.as_c_str()) || is_whole(target)
            }
            Step::Overlay { attributes, memory, .. } => !is_writable(*attributes) || memory.is_empty(),
            Step::PooledDirectory { .. } => false,
            _ => true,
        })
    }
}

fn is_writable(attributes: u64) -> bool {
    attributes & MOUNT_ATTR_RDONLY == 0
}

fn sealed(steps: &[Step]) -> BTreeSet<&CStr> {
    fn path(step: &Step) -> Option<&CStr> {
        if let Step::SealMount { path } = step { Some(path) } else { None }
    }
    steps.iter().filter_map(path).collect()
}

/// Where a step mounts something.
fn mount_point(step: &Step) -> Option<&CStr> {
    match step {
        Step::Bind { target, .. }
        | Step::Tmpfs { target, .. }
        | Step::PooledDirectory { target, .. }
        | Step::Overlay { target, .. }
        | Step::Proc { target, .. }
        | Step::Devpts { target }
        | Step::Mqueue { target } => Some(target),
        _ => None,
    }
}

/// The path at which a step makes something in a file system.
fn made(step: &Step) -> Option<&CStr> {
    match step {
        Step::File { path, .. } | Step::Directory { path, .. } | Step::Symlink { path, .. } => Some(path),
        _ => None,
    }
}

fn path(text: &CStr) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(text.to_bytes()))
}

fn lies_below(inner: &CStr, outer: &CStr) -> bool {
    inner != outer && path(inner).starts_with(path(outer))
}

/// Parts the steps that a round repeats from those that are carried out once.
fn split(steps: Vec<Step>, has_own_ipc: bool) -> (Vec<Step>, Vec<Step>) {
    let sealed: BTreeSet<CString> = sealed(&steps).into_iter().map(CStr::to_owned).collect();
    let mut fresh: Vec<CString> = Vec::new();
    let (mut base, mut again, mut forget) = (Vec::new(), Vec::new(), None);
    for step in steps {
        match &step {
            Step::Tmpfs { target, attributes, .. }
                if is_writable(*attributes) && !sealed.contains(target) =>
            {
                base.push(mount_point_of(target));
                fresh.push(target.clone());
                again.push(step);
            }
            Step::Mqueue { target } => {
                base.push(mount_point_of(target));
                fresh.push(target.clone());
                again.push(step);
            }
            step_in_it if made(step_in_it).is_some_and(|path| lies_in(path, &fresh)) => again.push(step),
            Step::Proc { target, .. } => {
                let flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
                forget = Some(Step::Forget { path: target.clone(), flags });
                base.push(step);
                // What init has used, and since when it runs, tells of earlier runs.
                base.push(Step::Mask { path: c"1".into() });
            }
            _ => base.push(step),
        }
    }
    // What lies in a file system can be changed without a trace on its root.
    let are_empty = u32::from(!again.iter().any(|step| made(step).is_some()));
    let paths = fresh.iter().map(CString::as_c_str).flat_map(CStr::to_bytes_with_nul).copied().collect();
    let look = Step::Used { paths, are_empty };
    let unmounts = fresh.into_iter().map(|path| Step::Unmount { path });
    let ipc = has_own_ipc.then_some(Step::Unshare { kinds: Namespaces::IPC.bits() });
    (base, forget.into_iter().chain([look]).chain(unmounts).chain(ipc).chain(again).collect())
}

fn lies_in(path: &CStr, file_systems: &[CString]) -> bool {
    file_systems.iter().any(|outer| lies_below(path, outer))
}

fn mount_point_of(target: &CStr) -> Step {
    Step::Directory { path: target.into(), mode: 0o755 }
}
