//! From the fork of the workload to its `execve`.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::text::{c_path, c_string, digits};
use super::{Builder, Resource, Step};
use crate::config::identity::Capabilities;
use crate::config::{Namespaces, Resource as Limited};
use crate::error::Result;

/// Where programs are looked for when the workload has no `PATH`, as execvp(3) does.
const FALLBACK_PATH: &str = "/bin:/usr/bin";

/// `ADDR_NO_RANDOMIZE` of personality(2).
const NO_RANDOMISATION: u32 = libc::ADDR_NO_RANDOMIZE as u32;

impl Builder<'_> {
    /// The order of the last steps: what needs capabilities comes before they go, and what could be used
    /// against the steps after it comes late.
    pub(super) fn workload(&mut self) -> Result<()> {
        self.plan.wall_limit = self.container.limits.wall_time.map_or(0, |time| time.as_nanos() as u64);
        self.push(Step::StartWorkload {});
        self.cgroups()?;
        self.push(Step::Session {});
        self.descriptors();
        self.attributes();
        self.resource_limits();
        self.identity();
        self.push_if(self.container.identity.no_new_privs, Step::NoNewPrivs {});
        let directory = self.container.program.directory.as_deref().unwrap_or("/".as_ref());
        self.push(Step::WorkingDirectory { path: c_path("working-directory", directory)? });
        self.push_if(!self.plan.own_pid_namespace, Step::ParentDeath {});
        self.push(Step::DefaultSignals {});
        self.execute()
    }

    fn push_if(&mut self, wanted: bool, step: Step) {
        if wanted {
            self.push(step);
        }
    }

    /// A cgroup namespace made in the workload's own group shows that group as the root.
    fn cgroups(&mut self) -> Result<()> {
        for (index, directory) in self.facts.cgroups.iter().enumerate() {
            let fd = self.resource(Resource::CgroupProcs(index));
            self.push(Step::Cgroup { fd, path: c_path("cgroup", directory)? });
        }
        if self.container.namespaces.new.contains(Namespaces::CGROUP) {
            self.push(Step::Unshare { kinds: Namespaces::CGROUP.bits() });
        }
        Ok(())
    }

    fn descriptors(&mut self) {
        let extra = &self.container.stdio.extra;
        if let Some(highest) = extra.iter().map(|(number, _)| *number).max() {
            self.push(Step::LiftDescriptors { above: highest + 1 });
        }
        for number in 0..3 {
            let fd = self.resource(Resource::Stream(number));
            self.push(Step::Descriptor { fd, target: number as u32 });
        }
        for (number, given) in extra {
            let fd = self.resource(Resource::Given(given.clone()));
            self.push(Step::Descriptor { fd, target: *number });
        }
    }

    fn attributes(&mut self) {
        let identity = &self.container.identity;
        if let Some(value) = identity.nice {
            self.push(Step::Nice { value });
        }
        if let Some(cpus) = &identity.affinity {
            self.push(Step::Affinity { mask: cpu_mask(cpus) });
        }
        if let Some(value) = identity.oom_score_adj {
            self.push(Step::OomScoreAdj { value: digits(value) });
        }
        let persona = if identity.aslr { 0 } else { NO_RANDOMISATION };
        self.push(Step::Personality { persona });
        self.push(Step::Umask { mask: identity.umask });
    }

    fn resource_limits(&mut self) {
        let limits = &self.container.identity.rlimits;
        // The host's core_pattern may start a program on the host, and does so with a limit of 0. With 1 the
        // kernel starts none, and a file of one byte it does not write: core(5).
        if !limits.iter().any(|(resource, ..)| *resource == Limited::Core) {
            let none = self.facts.core_limit.min(1);
            self.push(Step::ResourceLimit { resource: Limited::Core.number(), soft: none, hard: none });
        }
        for (resource, soft, hard) in limits {
            self.push(Step::ResourceLimit { resource: resource.number(), soft: *soft, hard: *hard });
        }
    }

    fn identity(&mut self) {
        let sets = self.container.identity.capabilities;
        if self.has_capabilities() {
            self.push(Step::BoundingSet { keep: sets.bounding.bits() });
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
    }

    /// An ordinary user without a user namespace has none to drop, and may not drop them.
    fn has_capabilities(&self) -> bool {
        self.plan.id_maps.is_some() || self.facts.caller.privileged || self.joins_user_namespace()
    }

    fn joins_user_namespace(&self) -> bool {
        self.container.namespaces.joined_kinds().contains(Namespaces::USER)
    }

    fn execute(&mut self) -> Result<()> {
        let program = &self.container.program;
        let name = program.name.clone().unwrap_or_default();
        let mut strings = Vec::new();
        let mut add = |text: &OsStr| -> Result<()> {
            let text: CString = c_string("exec", text)?;
            strings.extend_from_slice(text.as_bytes_with_nul());
            Ok(())
        };
        let variables = &program.environment.variables;
        let candidates = candidates(&name, variables.get(OsStr::new("PATH")).map(OsString::as_os_str));
        candidates.iter().try_for_each(|candidate| add(candidate))?;
        add(&name)?;
        program.arguments.iter().try_for_each(|argument| add(argument))?;
        for (key, value) in variables {
            let mut entry = key.clone();
            entry.push("=");
            entry.push(value);
            add(&entry)?;
        }
        let (arguments, environment) = (1 + program.arguments.len(), variables.len());
        self.plan.scratch = (arguments + 1 + environment + 1) * size_of::<usize>();
        self.push(Step::Execute {
            candidates: candidates.len() as u32,
            arguments: arguments as u32,
            environment: environment as u32,
            strings,
        });
        Ok(())
    }
}

/// The paths at which a program may be, as execvp(3) has it.
fn candidates(name: &OsStr, path: Option<&OsStr>) -> Vec<OsString> {
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
