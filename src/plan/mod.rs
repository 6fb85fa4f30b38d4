//! From the description of a container to an ordered list of steps. Pure: the same container and facts
//! give the same plan.

mod command;
mod devices;
mod explain;
mod facts;
mod files;
mod host_view;
mod identity;
#[cfg(feature = "landlock")]
mod landlock;
mod namespaces;
mod overlay;
mod slot;
mod text;
mod validate;
mod workload;

#[cfg(test)]
mod tests;

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;

pub(crate) use command::{beside, files_in, files_out, run_of_slot};
#[cfg(all(test, feature = "landlock"))]
pub(crate) use explain::file_rights;
pub(crate) use facts::{Caller, Facts, FileFact, Group, ViewEntry};
pub(crate) use files::mount_targets;
pub(crate) use identity::{IdMaps, MapWriter, NOBODY};
pub(crate) use slot::{Serving, SlotPlan};
pub(crate) use validate::{validate, validate_count, validate_cpus, validate_time, validate_weight};
pub(crate) use workload::circumstances;

use crate::config::Description;
use crate::config::mounts::BindSource;
use crate::config::namespaces::SourceKind;
use crate::error::{Error, Result};
use crate::seccomp::Listener;
use crate::wire;

/// A step as the host holds it.
pub(crate) type Step = wire::Step<CString, Vec<u8>>;

/// Something of the host that the launcher gets as a descriptor.
#[derive(Clone, Debug)]
pub(crate) enum Resource {
    /// What was needed once: `/dev/null` in its place.
    Nothing,
    /// A standard stream, by number.
    Stream(usize),
    /// A descriptor of the caller's.
    Given(Arc<OwnedFd>),
    /// A namespace to join.
    Namespace(SourceKind),
    /// A detached copy of a mount, of a path or of an open file.
    Tree(BindSource),
    /// A file of memory with this content.
    Content(Arc<[u8]>),
    /// `cgroup.procs` of the container's group in the hierarchy of this index.
    CgroupProcs(usize),
    /// The directory of that group.
    CgroupDirectory(usize),
    /// Its `cgroup.kill`, or `/dev/null` before Linux 5.14.
    CgroupKill(usize),
    /// Another file of that group, for reading.
    CgroupFile(usize, &'static str),
    /// A counter of that group, for writing.
    CgroupCounter(usize, &'static str),
    /// A Landlock ruleset, to which the launcher adds the paths.
    #[cfg(feature = "landlock")]
    Landlock(crate::config::Landlock),
}

impl Resource {
    /// Whether a further command needs it as the workload did.
    fn is_needed_again(&self) -> bool {
        match self {
            Resource::CgroupProcs(_) => true,
            #[cfg(feature = "landlock")]
            Resource::Landlock(_) => true,
            _ => false,
        }
    }

    /// Whether it is part of the cgroups, and so another one after these have been replaced.
    pub fn is_of_cgroup(&self) -> bool {
        matches!(
            self,
            Resource::CgroupProcs(_)
                | Resource::CgroupDirectory(_)
                | Resource::CgroupKill(_)
                | Resource::CgroupFile(..)
                | Resource::CgroupCounter(..)
        )
    }
}

/// Everything that is needed to start a container, decided.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub steps: Vec<Step>,
    /// What the descriptor indexes in the steps mean.
    pub resources: Vec<Resource>,
    /// `CLONE_NEW*` flags with which init is created.
    pub clone_flags: u32,
    /// The capabilities that init keeps through its exec, where they come with a new user namespace.
    pub init_capabilities: u64,
    /// The id maps of the new user namespace, if there is one.
    pub id_maps: Option<IdMaps>,
    /// Init is PID 1 of a PID namespace of its own.
    pub own_pid_namespace: bool,
    /// Nanoseconds of wall time until the workload is ended; 0 for no limit.
    pub wall_limit: u64,
    /// Nanoseconds of CPU time until the workload is ended; 0 for no limit.
    pub cpu_limit: u64,
    /// CPUs that the workload can use at once.
    pub cpus: u64,
    /// The resource that tells the CPU time of the workload's group, or `NO_FD`.
    pub meter: u32,
    /// The resource through which init kills everything in the group, or `NO_FD`.
    pub killer: u32,
    /// Nanoseconds that the workload's monotonic clock is ahead of init's.
    pub clock_offset: i64,
    /// Bytes for the pointer tables of `execve`.
    pub scratch: usize,
    /// Who listens to the workload's filter.
    pub listener: Listener,
}

/// A plan in the making.
struct Builder<'a> {
    container: &'a Description,
    facts: &'a Facts,
    purpose: Purpose,
    plan: Plan,
}

/// What a plan is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// One workload.
    Container,
    /// One command after another, that come later.
    Slot {
        /// Whether init hears of what it has to replace.
        watch: bool,
    },
}

impl Builder<'_> {
    fn push(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    /// The index of a new resource.
    fn resource(&mut self, resource: Resource) -> u32 {
        self.plan.resource(resource)
    }
}

/// Makes the plan of a container that has been validated.
pub(crate) fn build(container: &Description, facts: &Facts) -> Result<Plan> {
    let plan = build_for(Purpose::Container, container, facts)?.plan;
    plan.check_size()?;
    Ok(plan)
}

/// Makes the plan of a slot for commands in a container that has been validated.
pub(crate) fn build_slot(container: &Description, facts: &Facts, serving: Serving) -> Result<SlotPlan> {
    let slot = build_for(Purpose::Slot { watch: serving.watch }, container, facts)?.into_slot(serving);
    slot.plan.check_size()?;
    Ok(slot)
}

fn build_for<'a>(purpose: Purpose, container: &'a Description, facts: &'a Facts) -> Result<Builder<'a>> {
    let mut builder = Builder { container, facts, purpose, plan: Plan::empty() };
    builder.enter_namespaces()?;
    builder.files()?;
    builder.namespace_settings()?;
    builder.workload()?;
    Ok(builder)
}

impl Plan {
    pub fn empty() -> Self {
        Plan {
            steps: Vec::new(),
            resources: Vec::new(),
            clone_flags: 0,
            init_capabilities: 0,
            id_maps: None,
            own_pid_namespace: false,
            wall_limit: 0,
            cpu_limit: 0,
            cpus: 1,
            meter: wire::NO_FD,
            killer: wire::NO_FD,
            clock_offset: 0,
            scratch: 0,
            listener: Listener::None,
        }
    }

    /// All descriptors go with one message.
    fn check_size(&self) -> Result<()> {
        let count = self.resources.len();
        if count <= wire::MAX_FDS {
            return Ok(());
        }
        let most = wire::MAX_FDS;
        let what = format!("{count} descriptors, binds, layers and large files in all; {most} are possible");
        Err(Error::invalid("plan", what))
    }

    /// The steps alone, for what is said about them.
    pub fn without_descriptors(self) -> Plan {
        Plan { resources: Vec::new(), ..self }
    }

    /// What is left of the plan once its workload runs: the steps by which that came to be, and what they need.
    pub fn of_the_workload(mut self) -> Plan {
        let is_start = |step: &Step| matches!(step, Step::StartWorkload { .. } | Step::Park { .. });
        let start = self.steps.iter().position(is_start);
        self.steps.drain(..start.map_or(0, |start| start + 1));
        for resource in &mut self.resources {
            if !resource.is_needed_again() {
                *resource = Resource::Nothing;
            }
        }
        self
    }

    /// Whether the process that the host creates is PID 1 of a new PID namespace, so that its end is the
    /// end of everything.
    pub fn init_is_pid_1(&self) -> bool {
        self.clone_flags & crate::config::Namespaces::PID.bits() != 0
    }

    /// The steps as the launcher reads them.
    pub fn encode(&self) -> Vec<u8> {
        struct Bytes(Vec<u8>);
        impl wire::Sink for Bytes {
            fn put(&mut self, bytes: &[u8]) {
                self.0.extend_from_slice(bytes);
            }
        }
        let mut out = Bytes(Vec::with_capacity(4096));
        for step in &self.steps {
            step.encode(&mut out);
        }
        out.0
    }
}
