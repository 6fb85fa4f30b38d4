//! A command for a container that exists already.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::limits::Limits;
use super::program::Environment;
use super::stdio::StdioConfig;
use super::{Description, Limit, Resource};

/// What a command says; where it says nothing the container's description counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandConfig {
    pub name: OsString,
    pub arguments: Vec<OsString>,
    pub environment: Vec<EnvironmentChange>,
    pub directory: Option<PathBuf>,
    pub stdio: StdioConfig,
    /// Only those that can be set for a command.
    pub limits: Limits,
    pub rlimits: Vec<(Resource, u64, u64)>,
    pub files: Vec<FileIn>,
    /// Paths of files to take out, and the most bytes that each may have.
    pub collected: Vec<(PathBuf, u64)>,
}

/// A change to the container's environment.
#[derive(Clone, Debug)]
pub(crate) enum EnvironmentChange {
    Set(OsString, OsString),
    Remove(OsString),
    Clear,
}

/// A file that is put in its place before the command starts.
#[derive(Clone, Debug)]
pub(crate) struct FileIn {
    pub path: PathBuf,
    pub mode: u32,
    pub content: FileContent,
}

/// What a file is to contain.
#[derive(Clone, Debug)]
pub(crate) enum FileContent {
    Bytes(Arc<[u8]>),
    /// What an open file has, from its start.
    Fd(Arc<OwnedFd>),
}

impl CommandConfig {
    /// The description of the container with this command in the place of its own.
    pub fn over(&self, container: &Description) -> Description {
        let mut merged = container.clone();
        merged.program.name = Some(self.name.clone());
        merged.program.arguments.clone_from(&self.arguments);
        self.environment.iter().for_each(|change| change.apply(&mut merged.program.environment));
        if let Some(directory) = &self.directory {
            merged.program.directory = Some(directory.clone());
        }
        for (own, stream) in merged.stdio.streams.iter_mut().zip(&self.stdio.streams) {
            if stream.is_some() {
                own.clone_from(stream);
            }
        }
        let is_replaced = |number: u32| self.stdio.extra.iter().any(|(own, _)| *own == number);
        merged.stdio.extra.retain(|(number, _)| !is_replaced(*number));
        merged.stdio.extra.extend(self.stdio.extra.iter().cloned());
        self.limit(&mut merged.limits);
        merged.identity.rlimits.retain(|(resource, ..)| self.rlimits.iter().all(|(own, ..)| own != resource));
        merged.identity.rlimits.extend(self.rlimits.iter().copied());
        merged
    }

    /// As [`over`](Self::over), for a command beside the workload: limits of time, output and file size are its own.
    pub fn over_beside(&self, container: &Description) -> Description {
        let mut merged = self.over(container);
        let own = &self.limits;
        merged.limits = Limits {
            wall_time: own.wall_time,
            extra_time: own.extra_time,
            output: own.output,
            file_size: own.file_size.or(container.limits.file_size),
            ..Limits::default()
        };
        merged
    }

    fn limit(&self, limits: &mut Limits) {
        let own = &self.limits;
        limits.memory = own.memory.or(limits.memory);
        limits.swap = own.swap.or(limits.swap);
        limits.pids = own.pids.or(limits.pids);
        limits.cpus = own.cpus.or(limits.cpus);
        limits.wall_time = own.wall_time.or(limits.wall_time);
        limits.cpu_time = own.cpu_time.or(limits.cpu_time);
        limits.output = own.output.or(limits.output);
        limits.file_size = own.file_size.or(limits.file_size);
        if !own.extra_time.is_zero() {
            limits.extra_time = own.extra_time;
        }
    }

    /// The limits that only a cgroup of the command's own could hold.
    pub fn limits_of_a_group(&self) -> impl Iterator<Item = Limit> + use<> {
        let own = &self.limits;
        let set = [
            (Limit::Memory, own.memory.is_some()),
            (Limit::Swap, own.swap.is_some()),
            (Limit::Pids, own.pids.is_some()),
            (Limit::Cpus, own.cpus.is_some()),
            (Limit::CpuTime, own.cpu_time.is_some()),
        ];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(limit, _)| limit)
    }
}

impl EnvironmentChange {
    fn apply(&self, environment: &mut Environment) {
        match self {
            EnvironmentChange::Set(key, value) => {
                environment.variables.insert(key.clone(), value.clone());
            }
            EnvironmentChange::Remove(key) => {
                environment.variables.remove(key);
            }
            EnvironmentChange::Clear => environment.variables.clear(),
        }
    }
}
