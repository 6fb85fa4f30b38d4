//! The builder: the face of the library.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "landlock")]
use crate::config::Landlock;
use crate::config::limits::{DiskLimit, HugetlbLimit};
use crate::config::mounts::{Operation, Root};
use crate::config::{
    Bind, Capabilities, CapabilitySets, Description, IdMapping, IoLimit, Limit, NamespaceSource, Namespaces,
    Overlay, Proc, Resource, Securebits, Shared, Stdio, Tmpfs,
};
use crate::error::Result;
use crate::host::{self, Child, Output};
use crate::seccomp::{Seccomp, SeccompConfig};

/// A program and the container to run it in.
///
/// A `Container` is a description; nothing happens before [`spawn`](Self::spawn),
/// [`status`](Self::status) or [`output`](Self::output), each of which can be called many times, also from
/// several threads at once. Every run starts from the same state.
///
/// Without further calls a container has:
///
/// - new [namespaces](Namespaces) of every kind; of the network only loopback;
/// - a read-only root file system: the host's `/usr` and its links, of `/etc` what programs need to run;
/// - a private `/tmp` of 256 MiB, a `/proc` of its own with the paths that OCI runtimes mask masked, a
///   minimal `/dev`, no `/sys`;
/// - user and group id 1000 inside, no capabilities, `no_new_privs`, no core dumps;
/// - no descriptor but standard input, output and error;
/// - an environment of `PATH`, `HOME=/tmp` and `LANG=C.UTF-8`;
/// - `/` as working directory, a session of its own, umask 022;
/// - a seccomp filter, [`Seccomp::default`].
///
/// There are no limits unless set.
///
/// Setters take and return the value, so that they chain. None of them fails: errors in what they were
/// given are found before anything is created, and returned by the call that runs the program, as
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
///
/// ```no_run
/// use cofferdam::{Container, Namespaces};
/// let mut child = Container::new()
///     .command("/bin/sh")
///     .args(["-c", "echo hello"])
///     .namespaces(Namespaces::all())
///     .memory_limit(64 << 20)
///     .rootfs("/path")
///     .spawn()?;
/// let report = child.wait()?;
/// println!("{} after {:?}", report.cause(), report.wall_time());
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a container does nothing until it is spawned"]
pub struct Container {
    pub(crate) description: Shared<Description>,
}

/// # The program
///
/// ```
/// use cofferdam::Container;
/// let output = Container::new()
///     .command("sh")
///     .args(["-c", "pwd; echo $GREETING"])
///     .env("GREETING", "hello")
///     .current_dir("/tmp")
///     .output()?;
/// assert_eq!(output.stdout, b"/tmp\nhello\n");
/// # Ok::<(), cofferdam::Error>(())
/// ```
impl Container {
    /// A container with the defaults described above, and no program yet.
    pub fn new() -> Self {
        Container::default()
    }

    /// The program to run, as seen from inside; it is also the first argument, `argv[0]`. A name without
    /// `/` is looked up in the `PATH` that the workload will have, as execvp(3) does, but a file that is no
    /// program is not given to a shell.
    pub fn command(mut self, program: impl AsRef<OsStr>) -> Self {
        self.description.program.name = Some(program.as_ref().to_owned());
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.description.program.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        self.description.program.arguments.extend(arguments);
        self
    }

    /// Sets an environment variable. The name must not be empty or contain `=`.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (key, value) = (key.as_ref().to_owned(), value.as_ref().to_owned());
        self.description.program.environment.variables.insert(key, value);
        self
    }

    /// Sets environment variables.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(self, variables: impl IntoIterator<Item = (K, V)>) -> Self {
        variables.into_iter().fold(self, |container, (key, value)| container.env(key, value))
    }

    /// Removes an environment variable, be it one of the defaults.
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.description.program.environment.variables.remove(key.as_ref());
        self
    }

    /// Removes all environment variables, the defaults too. The host's are never passed on.
    pub fn env_clear(mut self) -> Self {
        self.description.program.environment.variables.clear();
        self
    }

    /// The working directory, an absolute path inside. The default is `/`. It must exist
    /// ([`directory`](Self::directory) makes one) and be open to the workload's user.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.description.program.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Standard input. The default is the host's for [`spawn`](Self::spawn) and
    /// [`status`](Self::status), and `/dev/null` for [`output`](Self::output).
    pub fn stdin(self, stdio: impl Into<Stdio>) -> Self {
        self.stream(0, stdio.into())
    }

    /// Standard output. The default is the host's for [`spawn`](Self::spawn) and
    /// [`status`](Self::status), and a pipe for [`output`](Self::output).
    pub fn stdout(self, stdio: impl Into<Stdio>) -> Self {
        self.stream(1, stdio.into())
    }

    /// Standard error. The defaults are those of [`stdout`](Self::stdout).
    pub fn stderr(self, stdio: impl Into<Stdio>) -> Self {
        self.stream(2, stdio.into())
    }

    fn stream(mut self, number: usize, stdio: Stdio) -> Self {
        self.description.stdio.streams[number] = Some(stdio);
        self
    }

    /// A further descriptor, which has `number` (3 to 1,048,576) in the workload. The `Container` and its
    /// clones keep it open; all runs share its file offset.
    ///
    /// ```
    /// use cofferdam::Container;
    /// use std::io::{Seek, Write};
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"a line\n")?;
    /// file.rewind()?;
    /// let output = Container::new().command("sh").args(["-c", "cat <&7"]).fd(7, file).output()?;
    /// assert_eq!(output.stdout, b"a line\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// A descriptor of a *directory* of the host lets the workload reach everything below it, and by `..`
    /// above it, that its user id may: a loosening.
    pub fn fd(mut self, number: u32, fd: impl Into<OwnedFd>) -> Self {
        self.description.stdio.extra.push((number, Arc::new(fd.into())));
        self
    }
}

/// # Namespaces
impl Container {
    /// Which namespaces are new; the others are the host's, unless [`join`](Self::join)ed later. The default
    /// is [`Namespaces::all`]. It replaces what earlier calls of this and [`share`](Self::share) said.
    pub fn namespaces(mut self, new: Namespaces) -> Self {
        self.description.namespaces.new = new;
        self
    }

    /// Shares namespaces with the host: a loosening.
    ///
    /// An ordinary user can share others only along with a new [`USER`](Namespaces::USER), not that one
    /// itself while others are new.
    ///
    /// With [`MOUNT`](Namespaces::MOUNT) the workload sees the host's files, and the container can have
    /// no root file system of its own. With [`PID`](Namespaces::PID) the workload sees the host's
    /// processes; init is then an ordinary process of the same user, which the workload can stop or kill: what
    /// it leaves behind may survive, and limits of time may not be kept. A workload that forks on and on can
    /// outrun init. With a cgroup of v2 ([`accounting`](Self::accounting), Linux 5.14) the kernel ends all that
    /// is in it.
    pub fn share(mut self, kinds: Namespaces) -> Self {
        self.description.namespaces.new -= kinds;
        self
    }

    /// Enters existing namespaces, through a namespace file (open or by path) or those of a running
    /// [`Child`].
    ///
    /// An ordinary user must join the user namespace that owns the others along with them. All else is as
    /// in every container: with the network alone the two share ports and abstract sockets, but no files and
    /// no processes. With [`MOUNT`](Namespaces::MOUNT) the files are those of the other, and this container
    /// can have no root file system or mounts of its own. The other must still run when this one is started;
    /// the network then lasts until both have ended. Joining a [`Child`] needs Linux 5.8. See setns(2).
    ///
    /// ```
    /// use cofferdam::{Cause, Container, Namespaces, Stdio};
    /// let mut server = Container::new().command("sleep").arg("100").stdin(Stdio::null()).spawn()?;
    /// let client = Container::new()
    ///     .command("true")
    ///     .join(Namespaces::USER | Namespaces::NET, &server)
    ///     .status()?;
    /// assert!(client.success());
    /// server.kill()?;
    /// assert_eq!(server.wait()?.cause(), Cause::Killed);
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn join(mut self, kinds: Namespaces, source: impl Into<NamespaceSource>) -> Self {
        self.description.namespaces.new -= kinds;
        self.description.namespaces.joined.push((kinds, source.into()));
        self
    }

    /// The host name, up to 64 bytes. The default is `cofferdam`. It needs a new
    /// [`UTS`](Namespaces::UTS) namespace.
    pub fn hostname(mut self, name: impl AsRef<OsStr>) -> Self {
        self.description.namespaces.host_name = Some(name.as_ref().to_owned());
        self
    }

    /// Moves the workload's `CLOCK_MONOTONIC` ahead of the host's, or with a negative value back.
    /// Seconds; the sum must not be negative. See time_namespaces(7), Linux 5.6. It needs a new
    /// [`TIME`](Namespaces::TIME) namespace. The wall clock, `CLOCK_REALTIME`, cannot be moved.
    ///
    /// ```
    /// use cofferdam::Container;
    /// let container = Container::new().command("cat").arg("/proc/uptime").boottime_offset(1_000_000_000);
    /// let uptime = String::from_utf8(container.output()?.stdout).unwrap_or_default();
    /// assert!(uptime.starts_with("100"));
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn monotonic_offset(mut self, seconds: i64) -> Self {
        self.description.namespaces.clock.monotonic = seconds;
        self
    }

    /// Moves the workload's `CLOCK_BOOTTIME`, which is what `uptime` shows. Seconds; the sum must not be
    /// negative. As [`monotonic_offset`](Self::monotonic_offset) otherwise.
    pub fn boottime_offset(mut self, seconds: i64) -> Self {
        self.description.namespaces.clock.boottime = seconds;
        self
    }
}

/// # Files
///
/// The root file system is made first, then `/proc`, `/dev` and `/tmp`, then everything else in the
/// order of the calls. An operation whose target is exactly `/proc`, `/dev`, `/dev/shm` or `/tmp` takes
/// the place of the default there.
///
/// Paths inside are absolute; links in them are followed, never out of the root file system. Paths of the
/// host are looked up anew in each run, links followed; a relative one starts at the host program's working
/// directory. A source that is missing is an error ([`ErrorKind::NotFound`](crate::ErrorKind::NotFound))
/// unless the bind is [`optional`](Bind::optional).
///
/// What lies below a root file system or a writable bind of the host is the host's: a mount point that is
/// missing there is made, empty, and stays. A place in what cannot be written must exist already.
///
/// ```
/// use cofferdam::{Container, Tmpfs};
/// let output = Container::new()
///     .file("/etc/motd", "welcome\n")
///     .file_with_mode("/app/run", "#!/bin/sh\ncat /etc/motd\necho x >/work/file && ls /work\n", 0o755)
///     .tmpfs(Tmpfs::new("/work").size(1 << 20))
///     .symlink("/app/run", "/start")
///     .command("/start")
///     .output()?;
/// assert_eq!(output.stdout, b"welcome\nfile\n");
/// # Ok::<(), cofferdam::Error>(())
/// ```
impl Container {
    /// A directory of the host is the root file system, read-only. Mount points that it lacks are added
    /// by an overlay (in a user namespace Linux 5.11), and the directory stays as it is.
    ///
    /// Programs find only what is in it: none of the host view is there.
    pub fn rootfs(mut self, directory: impl AsRef<Path>) -> Self {
        self.description.files.root =
            Root::Directory { path: directory.as_ref().to_owned(), writable: false };
        self
    }

    /// A directory of the host is the root file system, and what the workload writes stays in it.
    /// Mount points that it lacks are created in it.
    ///
    /// The workload of root has a user id that owns nothing on the host: to write, it needs a directory
    /// open to all, or an id chosen with [`IdMapping::Host`].
    pub fn rootfs_writable(mut self, directory: impl AsRef<Path>) -> Self {
        self.description.files.root = Root::Directory { path: directory.as_ref().to_owned(), writable: true };
        self
    }

    /// An overlay is the root file system; its own target is not looked at. Who may change what in it:
    /// see [`Overlay`].
    pub fn rootfs_overlay(mut self, overlay: Overlay) -> Self {
        self.description.files.root = Root::Overlay(overlay);
        self
    }

    /// A file or directory of the host appears inside. See [`Bind`].
    pub fn bind(self, bind: Bind) -> Self {
        self.operation(Operation::Bind(bind))
    }

    /// Short for [`bind`](Self::bind) of [`Bind::read_only`].
    pub fn bind_read_only(self, source: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        self.bind(Bind::read_only(source, target))
    }

    /// Short for [`bind`](Self::bind) of [`Bind::writable`].
    pub fn bind_writable(self, source: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        self.bind(Bind::writable(source, target))
    }

    /// A file system in memory. See [`Tmpfs`].
    pub fn tmpfs(self, tmpfs: Tmpfs) -> Self {
        self.operation(Operation::Tmpfs(tmpfs))
    }

    /// Several directories shown as one. See [`Overlay`].
    pub fn overlay(self, overlay: Overlay) -> Self {
        self.operation(Operation::Overlay(overlay))
    }

    /// A directory, with its parents, mode 755. Nothing happens if it exists. Below a writable bind it is
    /// made on the host, with the rights of the workload's user, and stays.
    pub fn directory(self, path: impl AsRef<Path>) -> Self {
        self.operation(Operation::Directory { path: path.as_ref().to_owned(), mode: 0o755 })
    }

    /// A file with this content, mode 644. On a file system of the container's own (the host view, `/tmp`, a
    /// tmpfs asked for) it is an ordinary file. Anywhere else (a root file system from the host, a bind, an
    /// overlay) it is bound over its place, and the host's file stays as it is: what the workload writes to it
    /// is gone with the run. In the host view it is read-only.
    ///
    /// It belongs to root inside where that is mapped, otherwise to the workload.
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        self.file_with_mode(path, content, 0o644)
    }

    /// A file with this content and these mode bits, such as 0o755 for a program. Otherwise as
    /// [`file`](Self::file).
    pub fn file_with_mode(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>, mode: u32) -> Self {
        let content = content.as_ref().into();
        self.operation(Operation::File { path: path.as_ref().to_owned(), mode, content })
    }

    /// A symbolic link at `path` to `target`, which is not checked. Nothing may exist at `path`, and the
    /// place must be writable: the host view, an overlay, a tmpfs, or a writable directory of the host, where
    /// the link stays. In a read-only [`rootfs`](Self::rootfs) it is an error.
    pub fn symlink(self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> Self {
        let (target, path) = (target.as_ref().to_owned(), path.as_ref().to_owned());
        self.operation(Operation::Symlink { target, path })
    }

    fn operation(mut self, operation: Operation) -> Self {
        self.description.files.operations.push(operation);
        self
    }

    /// What `/proc` is. The default is [`Proc::New`]. See proc(5).
    pub fn proc(mut self, proc: Proc) -> Self {
        self.description.files.proc = proc;
        self
    }

    /// Whether there is a minimal `/dev`: `null`, `zero`, `full`, `random`, `urandom`, `tty`, `pts`,
    /// `shm`, `mqueue` and the usual links. The default is yes.
    pub fn dev(mut self, wanted: bool) -> Self {
        self.description.files.dev = wanted;
        self
    }

    /// Size of the private `/tmp` in bytes; 0 for none. The default is 256 MiB. It holds 65,536 inodes; a
    /// [`tmpfs`](Self::tmpfs) at `/tmp` can have another number.
    pub fn tmp_size(mut self, bytes: u64) -> Self {
        self.description.files.tmp_size = bytes;
        self
    }
}

/// # Identity
///
/// ```
/// use cofferdam::{Container, Resource};
/// let output = Container::new()
///     .command("sh")
///     .args(["-c", "id -u; id -g; umask; ulimit -n"])
///     .user(0, 0)
///     .umask(0o077)
///     .rlimit(Resource::OpenFiles, 64, 64)
///     .output()?;
/// assert_eq!(output.stdout, b"0\n0\n0077\n64\n");
/// # Ok::<(), cofferdam::Error>(())
/// ```
impl Container {
    /// User and group id inside. The default is 1000 and 1000; where the host's user namespace is shared it
    /// is 65534 (`nobody`) for root, and the caller's for others.
    ///
    /// Id 0 gives no right to files of the host by itself: what counts there is the id that it stands for
    /// ([`id_mapping`](Self::id_mapping)), and it comes without [`capabilities`](Self::capabilities).
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        self.description.identity.user = Some((uid, gid));
        self
    }

    /// Supplementary groups inside. The default is none; ids must be mapped, which needs ranges.
    ///
    /// With a single mapped id and without root the kernel forbids to drop the caller's own
    /// supplementary groups: they show as `nogroup` and still count for access to files of the host.
    pub fn groups(mut self, gids: impl IntoIterator<Item = u32>) -> Self {
        self.description.identity.groups = gids.into_iter().collect();
        self
    }

    /// How ids inside correspond to the host's. The default is [`IdMapping::Single`]. It needs a new
    /// [`USER`](Namespaces::USER) namespace.
    pub fn id_mapping(mut self, mapping: IdMapping) -> Self {
        self.description.identity.mapping = mapping;
        self
    }

    /// The umask, up to 0o777. The default is 0o022. See umask(2).
    pub fn umask(mut self, mask: u32) -> Self {
        self.description.identity.umask = mask;
        self
    }

    /// Whether set-user-ID files and the like are kept from giving the workload more privileges (prctl(2),
    /// `PR_SET_NO_NEW_PRIVS`). `false` is a loosening; the default is `true`.
    pub fn no_new_privs(mut self, wanted: bool) -> Self {
        self.description.identity.no_new_privs = wanted;
        self
    }

    /// Gives the workload capabilities, in all five sets: a loosening. `SYS_ADMIN` lets it change mounts, and
    /// so make read-only binds writable; `SYS_PTRACE` lets it take init over.
    pub fn capabilities(self, capabilities: Capabilities) -> Self {
        self.capability_sets(CapabilitySets::all_five(capabilities))
    }

    /// Gives the workload these capability sets: a loosening. The [`seccomp`](Self::seccomp) policy does not follow
    /// them, unless it is a profile that says so: for `SYS_ADMIN` to be of use, groups such as [`SyscallGroup::Mounts`](crate::SyscallGroup::Mounts)
    /// must be allowed, too.
    pub fn capability_sets(mut self, sets: CapabilitySets) -> Self {
        self.description.identity.capabilities = sets;
        self.description.seccomp.forget();
        self
    }

    /// What being root inside is worth. The default is [`Securebits::ROOT_IS_NOBODY`] for a workload without
    /// capabilities. For one with some it is nothing, so that there root gains by `execve` what the bounding set
    /// has, as far as [`no_new_privs`](Self::no_new_privs) lets it gain anything.
    pub fn securebits(mut self, bits: Securebits) -> Self {
        self.description.identity.securebits = Some(bits);
        self
    }

    /// Which system calls the workload may make. The default is [`Seccomp::default`].
    pub fn seccomp(mut self, policy: Seccomp) -> Self {
        self.description.seccomp = SeccompConfig::new(policy);
        self
    }

    /// A resource limit, soft and hard, in the unit that [`Resource`] says; `u64::MAX` for none. It holds for
    /// each process. The default is the host's, and for
    /// [`Resource::Core`] 1, with which the kernel neither writes a file nor starts a program of core_pattern. A hard limit over the host
    /// program's own is an error in a new user namespace. See setrlimit(2).
    pub fn rlimit(mut self, resource: Resource, soft: u64, hard: u64) -> Self {
        self.description.identity.rlimits.retain(|(known, ..)| *known != resource);
        self.description.identity.rlimits.push((resource, soft, hard));
        self
    }

    /// The nice value, -20 to 19. The default is the host's. A value below that is an error in a new user
    /// namespace. See setpriority(2).
    pub fn nice(mut self, value: i32) -> Self {
        self.description.identity.nice = Some(value);
        self
    }

    /// The CPUs that the workload starts on, by number, 0 to 8191 (sched_setaffinity(2)). The default is the
    /// host's. The workload can change it; what it cannot change is a [`cpuset`](Self::cpuset).
    pub fn affinity(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        self.description.identity.affinity = Some(cpus.into_iter().collect());
        self
    }

    /// How eagerly the out-of-memory killer picks the workload, -1000 to 1000; see
    /// proc_pid_oom_score_adj(5). The default is the host's; a value below that is an error in a new user
    /// namespace.
    pub fn oom_score_adj(mut self, value: i32) -> Self {
        self.description.identity.oom_score_adj = Some(value);
        self
    }

    /// Whether addresses are randomised. `false` makes runs reproducible and attacks easier; the default
    /// is `true`.
    pub fn aslr(mut self, wanted: bool) -> Self {
        self.description.identity.aslr = wanted;
        self
    }
}

/// # Limits
///
/// There are none unless set. A limit that cannot be enforced here is an error
/// ([`ErrorKind::LimitUnavailable`](crate::ErrorKind::LimitUnavailable)), with the reason and the remedy;
/// [`Host::probe`](crate::Host::probe) tells in advance, and [`best_effort`](Self::best_effort) accepts
/// something weaker. The [`Report`](crate::Report) lists what enforced each limit.
///
/// Memory, processes and CPU are limited by a cgroup (cgroups(7)), v1 or v2, that is made below the host
/// program's own ([`cgroup_parent`](Self::cgroup_parent) names another place): the caller must be able to
/// write there. `docs/limits.md` has a table of limits, mechanisms and kernels.
///
/// ```
/// use cofferdam::{Cause, Container};
/// use std::time::Duration;
/// let output = Container::new()
///     .command("sleep")
///     .arg("100")
///     .wall_time_limit(Duration::from_millis(100))
///     .output()?;
/// assert_eq!(output.report.cause(), Cause::WallTime);
/// # Ok::<(), cofferdam::Error>(())
/// ```
impl Container {
    /// The most memory that the container can use, in bytes: page cache, tmpfs and kernel memory count.
    /// There is no swap beside it unless [`swap_limit`](Self::swap_limit) gives some. When it is reached
    /// the kernel kills a process of the container ([`Cause::Memory`](crate::Cause::Memory)). Setting the
    /// container up is not charged to it. The least is 512 KiB, with which `/bin/true` starts.
    ///
    /// Needs a writable cgroup with the memory controller. Without, [`best_effort`](Self::best_effort) sets
    /// `RLIMIT_DATA` for each process.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.description.limits.memory = Some(bytes);
        self
    }

    /// The most swap beside the [`memory_limit`](Self::memory_limit), in bytes; the default is none. It needs
    /// swap accounting, and is an error without a memory limit.
    pub fn swap_limit(mut self, bytes: u64) -> Self {
        self.description.limits.swap = Some(bytes);
        self
    }

    /// The most processes and threads at one time, the program itself among them, init not. Beyond it
    /// fork(2) fails with `EAGAIN`.
    ///
    /// Held by a cgroup with the pids controller (Linux 4.3); then the report shows whether it was reached. Where
    /// there is none to be had, and [`cgroup_parent`](Self::cgroup_parent) names none, `RLIMIT_NPROC` serves (per
    /// user namespace from Linux 5.14 on). It needs a new [`USER`](Namespaces::USER) namespace, and is an error for
    /// a workload that is root of the host or can take several ids.
    pub fn pids_limit(mut self, count: u64) -> Self {
        self.description.limits.pids = Some(count);
        self
    }

    /// The most CPU time per time, in CPUs: 1.5 is one and a half, 0.01 the least. It slows the workload
    /// down and never ends it. Needs a writable cgroup with the cpu controller (v2: Linux 4.15).
    pub fn cpus(mut self, cpus: f64) -> Self {
        self.description.limits.cpus = Some(cpus);
        self
    }

    /// The container's share of CPU time where others want it too, 1 to 10,000; the kernel gives a group 100.
    /// Needs a writable cgroup with the cpu controller.
    pub fn cpu_weight(mut self, weight: u64) -> Self {
        self.description.limits.cpu_weight = Some(weight);
        self
    }

    /// The CPUs that the container can run on, by number; the workload cannot leave them. See cpuset(7).
    /// Needs a writable cgroup with the cpuset controller. Without,
    /// [`best_effort`](Self::best_effort) sets the [`affinity`](Self::affinity), which a workload can change.
    pub fn cpuset(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        self.description.limits.cpuset = Some(cpus.into_iter().collect());
        self
    }

    /// Bounds the reading and writing of one block device; call it again for others. It slows the workload
    /// down and never ends it. On cgroup v1 writes that go through the page cache are not bounded. Needs a
    /// writable cgroup with the io (v1: blkio) controller.
    pub fn io_limit(mut self, limit: IoLimit) -> Self {
        self.description.limits.io.push(limit);
        self
    }

    /// The container's share of the disks' time where others want it too, 1 to 10,000, of which 100 is usual.
    /// Needs a writable cgroup with the io (v1: blkio) controller, and disks under the scheduler BFQ, where the
    /// largest weight is 1000, or with `io.cost` turned on.
    pub fn io_weight(mut self, weight: u64) -> Self {
        self.description.limits.io_weight = Some(weight);
        self
    }

    /// The most huge pages of one size, in bytes each: a limit of 0 allows none. Beyond it a workload that
    /// touches one gets `SIGBUS`. Needs a writable cgroup with the hugetlb controller (v2: Linux 5.6).
    pub fn hugetlb_limit(mut self, page_size: u64, bytes: u64) -> Self {
        self.description.limits.hugetlb.push(HugetlbLimit { page_size, bytes });
        self
    }

    /// The most time from the start of the workload to its end. Then everything in the container is killed
    /// ([`Cause::WallTime`](crate::Cause::WallTime)). Init enforces it, whatever the host does, and needs no
    /// cgroup for it. The clock stands still while the machine sleeps (`CLOCK_MONOTONIC`), and goes on while
    /// the container is [paused](Child::pause).
    pub fn wall_time_limit(mut self, time: Duration) -> Self {
        self.description.limits.wall_time = Some(time);
        self
    }

    /// The most CPU time, user and system, of all processes in the container together. Then everything in it
    /// is killed ([`Cause::CpuTime`](crate::Cause::CpuTime)). Init enforces it, whatever the host does: it
    /// computes the earliest moment at which the limit can be reached, looks then, and computes again.
    ///
    /// Needs a writable cgroup: any of v2, or one with the cpuacct controller. Without,
    /// [`best_effort`](Self::best_effort) counts the workload's first process and the orphans that have ended,
    /// and sets `RLIMIT_CPU` for each process, a second or two later. What the workload's own children use counts
    /// only when it has ended.
    pub fn cpu_time_limit(mut self, time: Duration) -> Self {
        self.description.limits.cpu_time = Some(time);
        self
    }

    /// Lets a workload run so much beyond its limits of wall and CPU time before it is ended; the default is
    /// nothing. What exceeds a limit has its cause all the same, and the report then tells the true time of
    /// a program that was a little late.
    ///
    /// ```
    /// use cofferdam::{Cause, Container};
    /// use std::time::Duration;
    /// let container = Container::new().command("sleep").arg("0.1");
    /// let container = container.wall_time_limit(Duration::from_millis(50)).extra_time(Duration::from_secs(9));
    /// let report = container.output()?.report;
    /// assert_eq!((report.cause(), report.code()), (Cause::WallTime, Some(0)));
    /// assert!(report.wall_time() >= Duration::from_millis(100));
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn extra_time(mut self, time: Duration) -> Self {
        self.description.limits.extra_time = time;
        self
    }

    /// The most bytes that [`output`](Self::output) and [`Child::wait_with_output`] take from standard output
    /// and standard error together. They return so many, each stream from its beginning, and everything in the
    /// container is killed ([`Cause::Output`](crate::Cause::Output)) when there are more. A stream that is a file
    /// is bounded by [`file_size_limit`](Self::file_size_limit), and one that the caller reads by the caller. It is
    /// an error where neither stream is [`piped`](Stdio::piped).
    ///
    /// ```
    /// use cofferdam::{Cause, Container};
    /// let output = Container::new().command("yes").output_limit(1000).output()?;
    /// assert_eq!((output.report.cause(), output.stdout.len()), (Cause::Output, 1000));
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn output_limit(mut self, bytes: u64) -> Self {
        self.description.limits.output = Some(bytes);
        self
    }

    /// The largest file that the workload can write, in bytes (`RLIMIT_FSIZE`). A process that goes beyond is
    /// ended by `SIGXFSZ`, or, if it ignores that, gets `EFBIG`. If it is the workload's first one, the cause is
    /// [`Cause::Output`](crate::Cause::Output).
    pub fn file_size_limit(mut self, bytes: u64) -> Self {
        self.description.limits.file_size = Some(bytes);
        self
    }

    /// The most bytes and inodes (files, directories, links) that the workload can have on the container's own
    /// file systems together; beyond it a write fails with `ENOSPC`. `/tmp` and `/dev/shm` share what is left
    /// when the sizes of every [`tmpfs`](Self::tmpfs) and overlay in memory are taken off, and
    /// [`tmp_size`](Self::tmp_size) does not count but for 0, which means none.
    ///
    /// What is writable on the host cannot be bounded: with a writable bind, root file system or upper
    /// directory the limit is an error unless [`best_effort`](Self::best_effort) leaves them out of it. A
    /// [`file`](Self::file) over a place of the host's is read-only. Message queues have a limit of their own,
    /// [`Resource::MessageQueues`].
    pub fn disk_limit(mut self, bytes: u64, inodes: u64) -> Self {
        self.description.limits.disk = Some(DiskLimit { bytes, inodes });
        self
    }

    /// Accepts a weaker way of holding these limits where the strict one is not to be had, as for an ordinary
    /// user without a cgroup: a loosening. The [`Report`](crate::Report) says which way served. It has an
    /// effect on memory, CPU time, cpuset and disk; each of these setters says what is weaker.
    ///
    /// ```
    /// use cofferdam::{Container, Limit};
    /// let container = Container::new().command("/bin/true").memory_limit(256 << 20).best_effort([Limit::Memory]);
    /// assert!(container.status()?.success());
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn best_effort(mut self, limits: impl IntoIterator<Item = Limit>) -> Self {
        self.description.limits.best_effort.extend(limits);
        self
    }

    /// Whether the container gets a cgroup for its figures (CPU time that no process can hide) and for
    /// [`pause`](Child::pause), even if no limit needs one. The default is no. Where none is to be had it is
    /// an error.
    pub fn accounting(mut self, wanted: bool) -> Self {
        self.description.limits.accounting = wanted;
        self
    }

    /// The group below which the container's groups are made, in each hierarchy: from the root of the
    /// mounted hierarchy if it starts with `/`, otherwise below the host program's own. It must exist, and be
    /// writable to the caller; on v2 it must have no processes of its own, or be the root. The default is the
    /// host program's own group, so that limits set on it hold for its containers too.
    pub fn cgroup_parent(mut self, group: impl AsRef<Path>) -> Self {
        self.description.limits.cgroup_parent = Some(group.as_ref().to_owned());
        self
    }
}

/// # Landlock
///
/// With the cargo feature `landlock`.
#[cfg(feature = "landlock")]
impl Container {
    /// Restricts the workload, and all that it starts, to a [`Landlock`] policy: landlock(7), Linux 5.13. The
    /// default is none; a later call takes the place of an earlier one.
    ///
    /// In a container with namespaces of its own it is a further layer. Without them it holds files, TCP ports,
    /// signals and abstract sockets where the host forbids namespaces, for an ordinary user too:
    ///
    /// ```
    /// use cofferdam::{Container, Landlock, LandlockAbi, Namespaces, Resource};
    /// let policy = Landlock::new(LandlockAbi::V6)
    ///     .read_execute("/usr")
    ///     .read("/etc")
    ///     .deny_tcp()
    ///     .scope_signals()
    ///     .scope_abstract_sockets();
    /// let output = Container::new()
    ///     .command("/usr/bin/env")
    ///     .args(["ls", "/proc"])
    ///     .namespaces(Namespaces::empty())
    ///     .rlimit(Resource::OpenFiles, 64, 64)
    ///     .landlock(policy)
    ///     .output()?;
    /// assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"));
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    ///
    /// There the workload is a process of the host like any other: it sees the names and attributes of the host's
    /// processes and files, and has whatever else the policy does not cover. Started by root, it runs as `nobody`.
    ///
    /// # Errors
    /// Of the calls that run the program, with the step `landlock` or `landlock-rule`: a kernel without Landlock,
    /// or with a lower ABI than the policy's ([`Unsupported`](crate::ErrorKind::Unsupported)); a policy that
    /// restricts nothing, has rules that its ABI does not know, or comes with
    /// [`no_new_privs(false)`](Self::no_new_privs) ([`InvalidInput`](crate::ErrorKind::InvalidInput)); a path that
    /// is not there ([`NotFound`](crate::ErrorKind::NotFound)). A program that the policy does not let be executed
    /// is an error of the step `exec`.
    pub fn landlock(mut self, policy: Landlock) -> Self {
        self.description.landlock = Some(policy);
        self
    }
}

/// # Looking
impl Container {
    /// The program that the policy of system calls becomes: `struct sock_filter` after `struct sock_filter`, in the
    /// machine's byte order, as disassemblers and other sandboxes take it. `None` where there is no filter. In a run
    /// calls that the launcher still makes have one more rule, where the policy does not allow them anyway.
    ///
    /// ```
    /// use cofferdam::{Container, Seccomp, SeccompAction};
    /// let container = Container::new().seccomp(Seccomp::new(SeccompAction::Allow));
    /// let program = container.seccomp_program()?.expect("a filter");
    /// assert_eq!(program.len() % 8, 0);
    /// assert_eq!(container.seccomp(Seccomp::unconfined()).seccomp_program()?, None);
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    ///
    /// # Errors
    /// For a policy that cannot be compiled, as [`spawn`](Self::spawn).
    pub fn seccomp_program(&self) -> Result<Option<Vec<u8>>> {
        host::seccomp_program(&self.description)
    }
}

/// # Running
impl Container {
    /// Starts the program and returns a handle as soon as it runs, which takes some milliseconds: the
    /// calling thread sleeps for them. Standard streams are the host's unless set.
    ///
    /// ```
    /// use cofferdam::{Container, Stdio};
    /// use std::io::Write;
    /// let mut child =
    ///     Container::new().command("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// child.stdin.take().expect("a pipe").write_all(b"hello")?;
    /// assert_eq!(child.wait_with_output()?.stdout, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Anything that keeps the program from running as described: see [`Error`](crate::Error). A program
    /// that cannot be executed is one of them, with the step `exec`. No process, mount or cgroup is left
    /// behind; mount points made in writable directories of the host are.
    pub fn spawn(&self) -> Result<Child> {
        host::spawn(&self.description, Stdio::inherit(), Stdio::inherit())
    }

    /// Runs the program to its end. Standard streams are the host's unless set. A program that a limit
    /// ended has the status of its signal; the cause is in the [`Report`](crate::Report), which
    /// [`output`](Self::output) and [`Child::wait`] give.
    ///
    /// ```
    /// use cofferdam::Container;
    /// assert_eq!(Container::new().command("sh").args(["-c", "exit 7"]).status()?.code(), Some(7));
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), and as [`Child::wait`].
    pub fn status(&self) -> Result<ExitStatus> {
        self.spawn()?.wait().map(|report| report.status())
    }

    /// Runs the program to its end and collects what it writes. Standard input is empty and the other
    /// streams are collected unless set.
    ///
    /// What it writes is kept in the host program's memory, **without a bound** unless
    /// [`output_limit`](Self::output_limit) sets one.
    ///
    /// ```
    /// use cofferdam::Container;
    /// let output = Container::new().command("/bin/sh").args(["-c", "echo $0 $HOME", "hello"]).output()?;
    /// assert_eq!(output.stdout, b"hello /tmp\n");
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), or when reading fails.
    pub fn output(&self) -> Result<Output> {
        host::spawn(&self.description, Stdio::null(), Stdio::piped())?.wait_with_output()
    }

    /// The steps that a run would take here, one a line, with the names that errors use. Nothing is
    /// created.
    ///
    /// ```
    /// use cofferdam::Container;
    /// let plan = Container::new().command("/bin/true").hostname("box").explain()?;
    /// assert!(plan.lines().any(|line| line.contains("hostname") && line.contains("box")));
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), for what is found before anything is created.
    pub fn explain(&self) -> Result<String> {
        host::explain(&self.description)
    }
}

/// # Running on the Tokio runtime
///
/// With the cargo feature `tokio`; [`cofferdam::tokio`](crate::tokio) says what a runtime must have.
#[cfg(feature = "tokio")]
impl Container {
    /// As [`spawn`](Self::spawn), for tasks: what is done inside the container until the program runs is awaited. What
    /// precedes it, up to the clone of init, takes about a millisecond of the calling thread.
    ///
    /// ```
    /// use cofferdam::{Container, Stdio};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cofferdam::Error> {
    /// let child = Container::new().command("echo").arg("hello").stdout(Stdio::piped()).spawn_async().await?;
    /// assert_eq!(child.wait_with_output().await?.stdout, b"hello\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future ends what was begun; nothing is left.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), and outside a runtime.
    ///
    /// # Panics
    /// In a runtime without I/O.
    pub async fn spawn_async(&self) -> Result<crate::tokio::Child> {
        host::tokio::spawn(&self.description, Stdio::inherit(), Stdio::inherit()).await
    }

    /// As [`status`](Self::status), for tasks.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future ends the container.
    ///
    /// # Errors
    /// As [`spawn_async`](Self::spawn_async), and as [`wait`](crate::tokio::Child::wait).
    ///
    /// # Panics
    /// As [`spawn_async`](Self::spawn_async).
    pub async fn status_async(&self) -> Result<ExitStatus> {
        self.spawn_async().await?.wait().await.map(|report| report.status())
    }

    /// As [`output`](Self::output), for tasks.
    ///
    /// ```
    /// use cofferdam::{Cause, Container};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cofferdam::Error> {
    /// let (one, two) = (Container::new().command("echo"), Container::new().command("yes").output_limit(1000));
    /// let (one, two) = tokio::try_join!(one.output_async(), two.output_async())?;
    /// assert_eq!((one.stdout.len(), two.stdout.len()), (1, 1000));
    /// assert_eq!(two.report.cause(), Cause::Output);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future ends the container; what was read is lost.
    ///
    /// # Errors
    /// As [`spawn_async`](Self::spawn_async), or when reading fails.
    ///
    /// # Panics
    /// As [`spawn_async`](Self::spawn_async).
    pub async fn output_async(&self) -> Result<Output> {
        host::tokio::spawn(&self.description, Stdio::null(), Stdio::piped()).await?.wait_with_output().await
    }
}
