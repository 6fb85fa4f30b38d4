//! The builder of a command for a container that exists already.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::command::{CommandConfig, EnvironmentChange, FileContent, FileIn};
use crate::config::{Resource, Stdio};

/// A program to run in a container that exists already: in one of a [`Pool`](crate::Pool), or beside the workload of a
/// running one, by [`Child::exec`](crate::Child::exec).
///
/// What a command does not say is as the container has it: environment, working directory, streams, limits.
///
/// ```
/// use cofferdam::{Command, Container, Pool};
/// let pool = Pool::new(&Container::new(), 1)?;
/// let output = pool.output(&Command::new("sh").args(["-c", "cat; pwd"]).current_dir("/tmp"))?;
/// assert_eq!(output.stdout, b"/tmp\n");
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a command does nothing until it is run"]
pub struct Command {
    pub(crate) config: CommandConfig,
}

impl Command {
    /// The program to run, as seen from inside; as with [`Container::command`](crate::Container::command).
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let name = program.as_ref().to_owned();
        Command { config: CommandConfig { name, ..CommandConfig::default() } }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.config.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        self.config.arguments.extend(arguments);
        self
    }

    /// Sets an environment variable, beside those of the container.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (key, value) = (key.as_ref().to_owned(), value.as_ref().to_owned());
        self.config.environment.push(EnvironmentChange::Set(key, value));
        self
    }

    /// Removes an environment variable of the container.
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.config.environment.push(EnvironmentChange::Remove(key.as_ref().to_owned()));
        self
    }

    /// Removes all environment variables of the container, and those set so far.
    pub fn env_clear(mut self) -> Self {
        self.config.environment.push(EnvironmentChange::Clear);
        self
    }

    /// The working directory, as seen from inside.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.config.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Standard input.
    pub fn stdin(self, stdio: impl Into<Stdio>) -> Self {
        self.stream(0, stdio.into())
    }

    /// Standard output.
    pub fn stdout(self, stdio: impl Into<Stdio>) -> Self {
        self.stream(1, stdio.into())
    }

    /// Standard error.
    pub fn stderr(self, stdio: impl Into<Stdio>) -> Self {
        self.stream(2, stdio.into())
    }

    fn stream(mut self, number: usize, stdio: Stdio) -> Self {
        self.config.stdio.streams[number] = Some(stdio);
        self
    }

    /// A further descriptor, with the number that it has in the command: as
    /// [`Container::fd`](crate::Container::fd).
    pub fn fd(mut self, number: u32, fd: impl Into<OwnedFd>) -> Self {
        self.config.stdio.extra.push((number, Arc::new(fd.into())));
        self
    }

    /// A resource limit of the command: see setrlimit(2). It cannot be over one that the container has.
    pub fn rlimit(mut self, resource: Resource, soft: u64, hard: u64) -> Self {
        self.config.rlimits.push((resource, soft, hard));
        self
    }
}

/// # Limits
///
/// Those of wall time, output and file size can be set for every command. The others are limits of a cgroup, which a
/// container of a pool has for each run, and a command beside a workload has not: there they are an error.
impl Command {
    /// The most wall time, in place of the container's
    /// [`wall_time_limit`](crate::Container::wall_time_limit). Of a command beside a workload its process group is
    /// ended.
    pub fn wall_time_limit(mut self, time: Duration) -> Self {
        self.config.limits.wall_time = Some(time);
        self
    }

    /// The most CPU time, in place of the container's [`cpu_time_limit`](crate::Container::cpu_time_limit).
    pub fn cpu_time_limit(mut self, time: Duration) -> Self {
        self.config.limits.cpu_time = Some(time);
        self
    }

    /// Time beyond the two limits of time before the command is ended, in place of the container's
    /// [`extra_time`](crate::Container::extra_time).
    pub fn extra_time(mut self, time: Duration) -> Self {
        self.config.limits.extra_time = time;
        self
    }

    /// The most memory in bytes, in place of the container's [`memory_limit`](crate::Container::memory_limit), which
    /// must have one.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.config.limits.memory = Some(bytes);
        self
    }

    /// The most processes and threads, in place of the container's [`pids_limit`](crate::Container::pids_limit), which
    /// must have one.
    pub fn pids_limit(mut self, count: u64) -> Self {
        self.config.limits.pids = Some(count);
        self
    }

    /// The most CPUs, in place of the container's [`cpus`](crate::Container::cpus), which must have a limit.
    pub fn cpus(mut self, cpus: f64) -> Self {
        self.config.limits.cpus = Some(cpus);
        self
    }

    /// The most bytes captured of standard output and standard error together, in place of the container's
    /// [`output_limit`](crate::Container::output_limit).
    pub fn output_limit(mut self, bytes: u64) -> Self {
        self.config.limits.output = Some(bytes);
        self
    }

    /// The largest file that can be written, in bytes, in place of the container's
    /// [`file_size_limit`](crate::Container::file_size_limit).
    pub fn file_size_limit(mut self, bytes: u64) -> Self {
        self.config.limits.file_size = Some(bytes);
        self
    }
}

/// # Files of a run in a pool
///
/// They are put in and taken out without a path of the host: compile in one run, have the program in the next.
///
/// ```
/// use cofferdam::{Command, Container, Pool};
/// let pool = Pool::new(&Container::new(), 1)?;
/// let build = Command::new("sh")
///     .args(["-c", "(echo '#!/bin/sh'; cat /tmp/source) >/tmp/program"])
///     .file("/tmp/source", "echo it runs\n")
///     .collect("/tmp/program", 1 << 20);
/// let output = pool.output(&build)?;
/// let run = Command::new("/tmp/program").file_of("/tmp/program", output.files[0].open()?, 0o755);
/// assert_eq!(pool.output(&run)?.stdout, b"it runs\n");
/// # Ok::<(), cofferdam::Error>(())
/// ```
impl Command {
    /// A file with this content and mode 0644, made before the command starts, with the directories above it. It must
    /// lie on a file system that is the run's own, such as `/tmp`: it is gone after the run.
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        self.file_with_mode(path, content, 0o644)
    }

    /// As [`file`](Self::file), with a mode.
    pub fn file_with_mode(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.add_file(path.as_ref(), FileContent::Bytes(content.as_ref().into()), mode)
    }

    /// As [`file`](Self::file), with what an open file has from its start, and a mode. The file is copied, by init.
    pub fn file_of(self, path: impl AsRef<Path>, content: impl Into<OwnedFd>, mode: u32) -> Self {
        self.add_file(path.as_ref(), FileContent::Fd(Arc::new(content.into())), mode)
    }

    fn add_file(mut self, path: &Path, content: FileContent, mode: u32) -> Self {
        self.config.files.push(FileIn { path: path.to_owned(), mode, content });
        self
    }

    /// A file to copy out when the command has ended, if it is an ordinary one of at most this many bytes: see
    /// [`Child::files`](crate::Child::files) and [`Output::files`](crate::Output::files). A symbolic link is not
    /// followed.
    pub fn collect(mut self, path: impl AsRef<Path>, most: u64) -> Self {
        self.config.collected.push((path.as_ref().to_owned(), most));
        self
    }
}
