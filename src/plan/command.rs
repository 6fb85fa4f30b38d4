//! From a command for a container that exists to its plan.

use std::ffi::{CString, OsStr};

use super::text::{c_path, c_string};
use super::validate::target;
use super::workload::candidates;
use super::{Plan, Resource, Step};
use crate::config::command::{CommandConfig, FileContent};
use crate::config::program::Program;
use crate::config::stdio::StdioConfig;
use crate::config::{Description, Resource as Limited};
use crate::error::{Error, Result};
use crate::wire::ROOM;

/// Steps with what they need, in the making.
impl Plan {
    /// The steps as the launcher reads them where it has made room for them before they came.
    pub fn encode_for_room(&self) -> Result<Vec<u8>> {
        let body = self.encode();
        if body.len() + self.scratch > ROOM {
            return Err(Error::invalid("exec", "arguments and environment are too long"));
        }
        Ok(body)
    }

    /// The index of a new resource.
    pub(super) fn resource(&mut self, resource: Resource) -> u32 {
        self.resources.push(resource);
        self.resources.len() as u32 - 1
    }

    pub(super) fn descriptors(&mut self, stdio: &StdioConfig) {
        if let Some(highest) = stdio.extra.iter().map(|(number, _)| *number).max() {
            self.steps.push(Step::LiftDescriptors { above: highest + 1 });
        }
        for number in 0..3 {
            let fd = self.resource(Resource::Stream(number));
            self.steps.push(Step::Descriptor { fd, target: number as u32 });
        }
        for (number, given) in &stdio.extra {
            let fd = self.resource(Resource::Given(given.clone()));
            self.steps.push(Step::Descriptor { fd, target: *number });
        }
    }

    pub(super) fn working_directory(&mut self, program: &Program) -> Result<()> {
        let directory = program.directory.as_deref().unwrap_or("/".as_ref());
        self.steps.push(Step::WorkingDirectory { path: c_path("working-directory", directory)? });
        Ok(())
    }

    pub(super) fn execute(&mut self, program: &Program) -> Result<()> {
        let name = program.name.clone().unwrap_or_default();
        let mut strings = Vec::new();
        let mut add = |text: &OsStr| -> Result<()> {
            let text: CString = c_string("exec", text)?;
            strings.extend_from_slice(text.as_bytes_with_nul());
            Ok(())
        };
        let variables = &program.environment.variables;
        let candidates = candidates(&name, variables.get(OsStr::new("PATH")).map(|path| path.as_os_str()));
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
        self.scratch = (arguments + 1 + environment + 1) * size_of::<usize>();
        self.steps.push(Step::Execute {
            candidates: candidates.len() as u32,
            arguments: arguments as u32,
            environment: environment as u32,
            strings,
        });
        Ok(())
    }
}

/// The steps of a run in a slot, whose process has carried out `own` and waits. `merged` is the container's
/// description with the command in it.
pub(crate) fn run_of_slot(merged: &Description, own: &[Step]) -> Result<Plan> {
    let mut plan = Plan::empty();
    plan.descriptors(&merged.stdio);
    plan.limits_of_time(merged);
    plan.working_directory(&merged.program)?;
    plan.steps.extend(rlimits(merged, own));
    plan.execute(&merged.program)?;
    plan.check_size()?;
    Ok(plan)
}

/// The steps of a command beside a workload, from those of the workload.
pub(crate) fn beside(merged: &Description, workload: &Plan, socket: Resource) -> Result<Plan> {
    let mut plan = Plan { listener: workload.listener, clock_offset: workload.clock_offset, ..Plan::empty() };
    // The first one is the command's own socket.
    plan.resource(socket);
    let again = |plan: &mut Plan, fd: u32| plan.resource(workload.resources[fd as usize].clone());
    plan.limits_of_time(merged);
    let mut has_descriptors = false;
    #[cfg(feature = "landlock")]
    let mut ruleset = None;
    for step in &workload.steps {
        match step {
            Step::LiftDescriptors { .. } | Step::Descriptor { .. } if has_descriptors => {}
            Step::LiftDescriptors { .. } | Step::Descriptor { .. } => {
                has_descriptors = true;
                plan.descriptors(&merged.stdio);
            }
            Step::Cgroup { fd, path, .. } => {
                let fd = again(&mut plan, *fd);
                plan.steps.push(Step::Cgroup { fd, path: path.clone(), of_start: 0 });
            }
            #[cfg(feature = "landlock")]
            Step::LandlockRule { fd, path, access } => {
                let fd = *ruleset.get_or_insert_with(|| again(&mut plan, *fd));
                plan.steps.push(Step::LandlockRule { fd, path: path.clone(), access: *access });
            }
            #[cfg(feature = "landlock")]
            Step::LandlockRestrict { fd, policy } => {
                let fd = *ruleset.get_or_insert_with(|| again(&mut plan, *fd));
                plan.steps.push(Step::LandlockRestrict { fd, policy: policy.clone() });
            }
            Step::WorkingDirectory { .. } => {
                plan.working_directory(&merged.program)?;
                plan.steps.extend(rlimits(merged, &workload.steps));
            }
            Step::Execute { .. } => plan.execute(&merged.program)?,
            Step::AwaitRun {} => {
                plan.descriptors(&merged.stdio);
                plan.working_directory(&merged.program)?;
                plan.steps.extend(rlimits(merged, &workload.steps));
                plan.execute(&merged.program)?;
            }
            step => plan.steps.push(step.clone()),
        }
    }
    plan.check_size()?;
    Ok(plan)
}

/// What a run needs before it starts.
pub(crate) fn files_in(command: &CommandConfig) -> Result<Plan> {
    let mut plan = Plan::empty();
    for file in &command.files {
        let fd = match &file.content {
            FileContent::Fd(fd) => plan.resource(Resource::Given(fd.clone())),
            FileContent::Bytes(bytes) => plan.resource(Resource::Content(bytes.clone())),
        };
        target("file", &file.path)?;
        let path = c_path("file", &file.path)?;
        plan.steps.push(Step::File { path, mode: file.mode, fd, content: Vec::new(), bound: 0 });
    }
    plan.check_size()?;
    Ok(plan)
}

/// What is copied out after a run.
pub(crate) fn files_out(command: &CommandConfig) -> Result<Plan> {
    let mut plan = Plan::empty();
    for (path, most) in &command.collected {
        target("collect", path)?;
        plan.steps.push(Step::Collect { path: c_path("collect", path)?, most: *most });
    }
    Ok(plan)
}

/// The limits of the command that differ from those that its process has: none is over those.
fn rlimits<'a>(merged: &'a Description, own: &'a [Step]) -> impl Iterator<Item = Step> + 'a {
    let most = move |number: u32| {
        let hard = own.iter().filter_map(move |step| match step {
            Step::ResourceLimit { resource, hard, .. } if *resource == number => Some(*hard),
            _ => None,
        });
        hard.min().unwrap_or(u64::MAX)
    };
    let file_size = merged.limits.file_size.map(|bytes| (Limited::FileSize, bytes, bytes));
    let wanted = merged.identity.rlimits.iter().copied().chain(file_size);
    wanted.map(move |(resource, soft, hard)| {
        let (resource, most) = (resource.number(), most(resource.number()));
        Step::ResourceLimit { resource, soft: soft.min(most), hard: hard.min(most) }
    })
}

impl Plan {
    fn limits_of_time(&mut self, merged: &Description) {
        let limits = &merged.limits;
        self.wall_limit = limits.deadline(limits.wall_time);
        self.cpu_limit = limits.deadline(limits.cpu_time);
    }
}
