//! Runs a program in a Linux container of its own, started from any Rust program: without a daemon,
//! without a set-user-ID helper of its own, as root or as an ordinary user.
//!
//! ```
//! use cofferdam::{Cause, Container};
//!
//! let output = Container::new().command("/bin/sh").args(["-c", "id -u; echo $$"]).output()?;
//! assert_eq!(output.stdout, b"1000\n2\n");
//! assert_eq!(output.report.cause(), Cause::Exited);
//! # Ok::<(), cofferdam::Error>(())
//! ```
//!
//! The shell saw the host's `/usr` read-only, a `/tmp` and a `/proc` of its own, no network but loopback,
//! and two processes: itself and init. When it ended, nothing of the container was left.
//!
//! # Terms
//!
//! - **Container**: the description ([`Container`]), and what runs by it (its handle is [`Child`]).
//! - **Host program**: the program that uses this library. **Host**: the machine it runs on.
//! - **Workload**: the program in the container, with everything that it starts.
//! - **Launcher**: the small program that the library brings along. It sets the container up and stays in
//!   it as **init**.
//! - **Plan**: the ordered list of **steps** that the launcher carries out. [`Container::explain`] prints
//!   it.
//! - **Inside** and **outside**: as the workload sees it, and as the host sees it. Paths, ids and process
//!   numbers can differ between the two.
//! - **Report**: how a run ended (its [`Cause`]), and what it used.
//!
//! # Theory of operation
//!
//! ```text
//! host program ── clone(2), execveat(2) of a sealed memfd
//!  │  control socket: the plan and descriptors in, records out
//!  └─ launcher, later init   PID 1 of the new PID namespace: sets up, reaps, reports
//!      └─ workload           PID 2: execve(2) of your program
//! ```
//!
//! A call of [`spawn`](Container::spawn) checks the description, looks at the host, and makes the plan.
//! All of that happens before any process exists. Then the thread clones a child in the manner of
//! vfork(2). The child makes a fixed list of system calls on memory that it shares with the host program,
//! and becomes the launcher: a static `no_std` program that has no allocator and does not link if it can
//! panic. So no code and no lock of the host program runs in the new process, which makes `spawn` safe in
//! programs with threads; nothing of its memory is there, and the cost does not grow with its size. The
//! calling thread sleeps until the program runs, a few milliseconds: async programs call it where they may
//! block, or await it (below, "Async programs"). `docs/performance.md` has figures.
//!
//! The launcher inherits two descriptors, the socket and a pidfd of the host program, and whenever it waits
//! it watches both: the host program may end at any moment, in whatever way, and then everything ends. Of
//! the capabilities that a new user namespace gives it has those that the plan needs. It receives the plan
//! and sets the container up. Then it makes itself non-dumpable, so that nothing of it can be inspected
//! from inside, creates the workload's process, and stays as init, with no capability but `CAP_KILL`. The
//! new process shares init's memory, as after vfork(2), until its execve(2). Init tells the host program the
//! workload's pidfd, vouches for its process id, and sends the report when the workload and all it started
//! have ended.
//!
//! The library starts no thread, installs no signal handler, and changes nothing of the host program's
//! environment, directory or limits. (Of its cgroup: see below, "Limits and the report".) It waits for its own children by pidfd, and gets results over the
//! socket: a host program that ignores `SIGCHLD`, or reaps every child, loses no report. A running
//! container costs the host program three descriptors and one for each pipe. One more holds the launcher
//! for all of them; a group takes one of its own.
//!
//! # Defaults
//!
//! [`Container::new`] isolates as far as the library can. Each loosening is a call.
//!
//! - Namespaces: user, mount, PID, network, IPC, UTS, cgroup and time are new ([`Namespaces`]).
//! - Files: a read-only tmpfs with the host's `/usr` bound read-only; `/bin`, `/lib` and so on as the host
//!   has them; of `/etc` the loader's cache, alternatives, certificates and time zone; `passwd`, `group`,
//!   `hosts` and `resolv.conf` made up (with the host's network shared, the host's own `resolv.conf`).
//! - `/proc`: new, with the paths that OCI runtimes mask masked, and the read-only ones read-only.
//! - `/dev`: `null`, `zero`, `full`, `random`, `urandom`, `tty`, `pts`, `shm` (64 MiB), `mqueue`.
//! - `/tmp`: 256 MiB and 65,536 inodes in memory. No `/sys`, no `/home`, no `/var` but `/var/tmp`.
//! - Ids: user and group 1000 inside. For an ordinary user they stand for the caller's own ids. For root
//!   they stand for an id made from the process number of init, which owns no file.
//! - No capability in any of the five sets, and none for being root; `no_new_privs`; no core dumps; umask 022; a
//!   new session.
//! - System calls: those that ordinary programs need ([`Seccomp`]).
//! - Descriptors: 0, 1 and 2 only.
//! - Environment: `PATH`, `HOME=/tmp`, `LANG=C.UTF-8` only. Working directory: `/`. Host name:
//!   `cofferdam`.
//! - Limits: **none**. Memory, number of processes, CPU, time and output are bounded only where you ask for
//!   it.
//!
//! # What is isolated
//!
//! Inside, a workload with the defaults cannot see or signal processes of the host; open its files, but
//! those of the host view that any user may read; reach its network, abstract sockets, System V IPC or
//! message queues; gain privileges by set-user-ID files; read the host program's memory, environment,
//! arguments or further descriptors; or outlive init.
//!
//! # What is not
//!
//! - The kernel is shared. The filter keeps a workload from calls that ordinary programs do without; a flaw in
//!   what is left can be a way out.
//! - Not covered by namespaces: the wall clock, `uname`, what `/proc` tells about the machine (`cpuinfo`,
//!   `meminfo`, `loadavg`, `stat`).
//! - Side channels: timing, caches, the speed of shared devices.
//! - Without limits a workload can use all memory, CPU time and processes that its user may have.
//! - What you hand in: a [writable bind](Bind::writable), an inherited terminal, or a descriptor. A
//!   descriptor of a *directory* lets the workload walk from there to every file of the host that its
//!   ids may open.
//! - An ordinary user's supplementary groups stay (the kernel forbids to drop them with a single mapped
//!   id) and count for files of the host that are bound into the container.
//! - What [`Seccomp::unconfined`], [`share`](Container::share), [`join`](Container::join),
//!   [`capabilities`](Container::capabilities) and their kin open.
//!
//! `docs/threat-model.md` has a table from each promise to its mechanism and its test, and what each loosening
//! opens.
//!
//! # System calls
//!
//! Each container has a seccomp filter, made from a policy ([`Seccomp`]) that is plain data: the default one,
//! stricter ones for judges, or one's own. A call that breaks it fails, or ends the container, or waits for the
//! host program's decision ([`Notifier`]).
//!
//! ```
//! use cofferdam::{Cause, Container, Seccomp, SeccompAction};
//!
//! // Files, memory, threads and time; whoever tries anything else is out.
//! let policy = Seccomp::compute_only().deny_by(SeccompAction::Kill);
//! let container = Container::new().command("sh").args(["-c", "echo here; (echo there)"]).seccomp(policy);
//! let output = container.output()?;
//! assert_eq!((output.stdout, output.report.cause()), (b"here\n".to_vec(), Cause::Seccomp));
//! println!("ended because of {}", output.report.violation().expect("a call"));
//! # Ok::<(), cofferdam::Error>(())
//! ```
//!
//! # Async programs
//!
//! With the cargo feature `tokio` (off by default) `Container::spawn_async` and its kin give the same handle for tasks of
//! the Tokio runtime, in the module `cofferdam::tokio`: waits are futures on pidfds and pipes, without a thread behind
//! them, and whatever is dropped ends its container. A handle of one kind can be made from the other.
//!
//! # The order of the steps
//!
//! The names are those of [`Container::explain`] and of [`Error::step`].
//!
//! 1. *Namespaces.* They come with the clone of init. Only where some are joined the launcher starts
//!    outside and takes `join-namespace`, `unshare`, `id-maps`, `fork-init`: what is joined is entered
//!    before what belongs to it is created. `host-proc` opens the host's `/proc` where a later step needs
//!    it.
//! 2. *Init's ids*: `init-identity`. A process whose ids are not mapped can create no file.
//! 3. *Files.* `private-mounts` comes first, so that no mount shows outside. Then the root (`tmpfs`,
//!    `bind` or `overlay`), `proc`, `read-only` and `mask`, `/dev`, `/tmp`, and your operations in the order
//!    of the calls. What is made of files and overlays is made on the `stage`, a tmpfs below the new root.
//!    `seal-mount` makes read-only what had to be written until then. `pivot-root` drops the host's mounts
//!    and the stage: it takes away whatever lies above the new root until nothing does.
//! 4. *Settings of the namespaces*: `hostname`, `loopback`, `unshare time`, `time-offsets`. The clocks
//!    come last, because a process enters a new time namespace only by fork.
//! 5. `start-workload` creates the workload's process. The steps that follow are the workload's; init sleeps
//!    until it has become your program, and then goes to its main loop.
//! 6. `cgroup` comes before all that costs memory or time. `unshare cgroup` follows, because the namespace
//!    shows the group of its creator as the root.
//! 7. `session-keyring` (only where the policy lets the workload use keys), `session`, `descriptor`, `nice`,
//!    `affinity`, `oom-score-adj`, `personality`, `umask`, `rlimit`: what needs privileges comes before they go.
//! 8. `bounding-set`, `securebits`, `groups`, `identity`, `capabilities`, `no-new-privs`: from the outer fence
//!    to the inner one. Each step needs a right that a later one drops.
//! 9. `working-directory` comes after the ids, so that it is checked as the workload.
//! 10. `parent-death` (only without a PID namespace), `default-signals`.
//! 11. `landlock-rule`, `landlock` (with the cargo feature): so late that nothing before them needs a rule.
//! 12. `seccomp`, because every step before it needs calls that a policy may deny, and `exec`.
//!
//! # Groups
//!
//! A [`Group`] starts several containers whose streams are connected to each other, as a judge needs whose own
//! program talks to the one that is judged. A connection is a pipe; with a tee the host program passes on what comes
//! and keeps its beginning. The order in which the members end is known, however late somebody looks.
//!
//! ```
//! use cofferdam::{Container, Group, Stream};
//!
//! let outcome = Group::new()
//!     .member("list", Container::new().command("seq").arg("1000"))
//!     .member("first", Container::new().command("head").arg("-n1"))
//!     .connect(("list", Stream::Stdout), ("first", Stream::Stdin))
//!     .collect(("first", Stream::Stdout), 100)
//!     .spawn()?
//!     .wait()?;
//! assert_eq!(outcome.tee("first", Stream::Stdout).expect("it was collected").bytes, b"1\n");
//! assert_eq!(outcome.ends.len(), 2);
//! # Ok::<(), cofferdam::Error>(())
//! ```
//!
//! # Landlock
//!
//! With the cargo feature `landlock` (off by default) `Container::landlock` restricts the workload's use of files,
//! TCP ports, signals and abstract Unix sockets by landlock(7): a further layer in a container, and, with
//! `namespaces(Namespaces::empty())`, what an ordinary user has on a host that forbids namespaces. The policy states
//! the kernel's Landlock ABI that it is written for; a kernel with less is an error, nothing is left out in silence,
//! and `Landlock::uncovered` tells what a policy leaves open.
//!
//! # Limits and the report
//!
//! ```no_run
//! use cofferdam::{Cause, Container};
//! use std::time::Duration;
//!
//! let output = Container::new()
//!     .command("/usr/bin/python3")
//!     .args(["-c", "while True: pass"])
//!     .memory_limit(256 << 20)
//!     .pids_limit(64)
//!     .cpus(1.0)
//!     .wall_time_limit(Duration::from_secs(2))
//!     .output()?;
//! assert_eq!(output.report.cause(), Cause::WallTime);
//! for limit in output.report.enforced_by() {
//!     println!("{}: {}", limit.limit, limit.mechanism);
//! }
//! # Ok::<(), cofferdam::Error>(())
//! ```
//!
//! Memory, processes and CPU are limited by a cgroup (v1 or v2) below the host program's own, which the
//! caller must be able to write. Wall time, CPU time over all processes, output, file size and the size of
//! writable file systems are kept by init, by the host program's side and by the kernel's rlimits and tmpfs.
//! A limit that cannot be enforced is an error ([`ErrorKind::LimitUnavailable`]);
//! [`best_effort`](Container::best_effort) accepts weaker ways, and the report tells which way served.
//!
//! The [`Cause`] of an end follows from what init did, and otherwise from the facts in a fixed order, so that
//! it never contradicts the figures. [`Usage`] names the source of each figure: from a cgroup it covers every
//! process; without one, those that were waited for. While the container runs, [`Child`] can show the figures
//! ([`stats`](Child::stats)), pause it, and change its limits.
//!
//! On cgroup v2 a group that has processes passes no controller on. A host program that is alone in its group, but
//! for its own children, moves with them, once, to a child of that group when a limit needs it: the one change that the library makes
//! to it. `docs/limits.md` has the tables: limits, mechanisms, kernels, figures.
//!
//! # Errors
//!
//! A program that did not start is always an [`Error`]; an exit status is always the program's own. An
//! error names the step, what the step worked on, the kernel's reason, and a remedy where one is known.
//!
//! ```
//! use cofferdam::{Container, ErrorKind};
//!
//! let error = Container::new().command("/bin/no-such-program").status().unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::NotFound);
//! assert_eq!(error.step(), "exec");
//! assert_eq!(error.raw_os_error(), Some(2));
//! assert_eq!(
//!     error.to_string(),
//!     "exec: /bin/no-such-program: No such file or directory (os error 2); the path is as seen inside; \
//!      a script's or program's interpreter must be inside too"
//! );
//! ```
//!
//! Errors that arise before or beside the steps use the names `rootfs`, `limits`, `host`, `clone`,
//! `launcher`, `group`, `pool`, `wait`, `output`, `collect`, `kill`, `signal`, `detach`, `pause`, `resume`, `disk`,
//! `landlock` and `runtime`. [`Host::probe`] tries in advance what this
//! host allows, and gives the same errors.
//!
//! # Root and ordinary users
//!
//! Both get the same container. The differences:
//!
//! | | root | ordinary user |
//! |---|---|---|
//! | the workload's id outside | a new one in each run, or as [`IdMapping`] says | the caller's own, or ranges of `/etc/subuid` through newuidmap(1) |
//! | files of the host | only what everybody may read or write, in binds and root file systems too | what the caller may |
//! | supplementary groups | dropped | kept, unless ranges are mapped |
//! | cgroups | writable | only where delegated |
//!
//! As root, a root file system or a bind must be open to that new id. To run as the owner of a directory,
//! choose the id with [`IdMapping::Host`]:
//!
//! ```no_run
//! use cofferdam::{Bind, Container, IdMapping};
//! use std::os::unix::fs::MetadataExt;
//!
//! let owner = std::fs::metadata("/srv/work")?;
//! let status = Container::new()
//!     .command("/usr/bin/make")
//!     .bind(Bind::writable("/srv/work", "/work"))
//!     .id_mapping(IdMapping::Host { uid: owner.uid(), gid: owner.gid() })
//!     .current_dir("/work")
//!     .status()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The same holds for overlays, whatever keeps their writes: a file that is changed is first copied with its
//! owner, and where the workload has another id only what is open to all can be changed. For a tree that
//! belongs to root, the host program must be root, map [`IdMapping::Host`] with both ids 0, and set
//! [`user(0, 0)`](Container::user): a loosening, because root inside is then root's id on the host, held only
//! by namespaces and the lack of capabilities.
//!
//! # Kernel features
//!
//! A new mount namespace needs Linux 5.12 at present, because every bind mount gets its attributes by
//! mount_setattr(2). The further needs:
//!
//! | feature | Linux | without it |
//! |---|---|---|
//! | `open_tree`, `move_mount`, `fsopen` | 5.2 | error |
//! | pidfd_open(2), `waitid(P_PIDFD)` | 5.3, 5.4 | error |
//! | openat2(2) | 5.6 | error |
//! | time namespaces | 5.6 | error; [`share`](Container::share) it |
//! | setns(2) of a pidfd | 5.8 | error when a [`Child`] is joined |
//! | `STATX_MNT_ID` of statx(2) | 5.8 | error |
//! | close_range(2) | 5.9 | error |
//! | overlayfs in a user namespace | 5.11 | error, only where an overlay is needed |
//! | `cgroup.freeze` (v2) | 5.2 | [`pause`](Child::pause) stops by `SIGSTOP` |
//! | `RLIMIT_NPROC` per user namespace | 5.14 | only where [`pids_limit`](Container::pids_limit) has no cgroup |
//! | Landlock, by its ABI (feature `landlock`) | 5.13 to 6.15 | error, where a policy asks for it |
//! | `memory.peak` (cgroup v2) | 5.19 | peak memory from `ru_maxrss` |
//! | vfork(2) into a new time namespace | 6.1 | the workload's process is forked with a copy of init's memory |
//! | seccomp's user notification, with `CONTINUE` | 5.5 | error, only for [`SeccompAction::Kill`], [`SeccompAction::Notify`] and [`Seccomp::report_only`] |
//! | `SECCOMP_IOCTL_NOTIF_ADDFD` | 5.9 | error of [`Notification::give`] |
//! | the kernel's memory of calls that are always allowed | 5.11 | each call runs through the filter |
//! | `ns_last_pid` of proc_sys_kernel(5), `CONFIG_CHECKPOINT_RESTORE` | 3.3 | a container of a [`Pool`] serves once |
//! | `MFD_EXEC` | 6.3 | not needed before |
//!
//! The whole table, with man pages, is in `docs/kernel-features.md`. x86_64 is tested, on Linux 6.18 and, in a
//! virtual machine, 6.1. The code for aarch64 is written, and has not been run.
mod command;
mod config;
mod container;
mod error;
mod group;
mod host;
mod plan;
mod probe;
mod report;
mod seccomp;
#[cfg(feature = "tokio")]
pub mod tokio;
mod usage;
mod wire;

#[cfg(test)]
mod launcher;
#[cfg(test)]
mod wire_tests;

pub use command::Command;
pub use config::{
    Bind, Capabilities, CapabilitySets, IdMap, IdMapping, IoLimit, Limit, NamespaceSource, Namespaces,
    Overlay, Proc, Resource, Securebits, Stdio, Stream, Tee, Tmpfs,
};
#[cfg(feature = "landlock")]
pub use config::{FileAccess, Landlock, LandlockAbi};
pub use container::Container;
pub use error::{Error, ErrorKind, Result};
pub use group::Group;
pub use host::{
    Child, Exec, GroupOutcome, MemberEnd, Notification, Notifier, Output, OutputFile, Pool, RunningGroup,
    Teed,
};
pub use probe::{Feature, Finding, Host};
pub use report::{Cause, Enforcement, Report};
pub use seccomp::{Comparison, Seccomp, SeccompAction, Syscall, SyscallGroup, SyscallRule};
pub use usage::{Figure, Pressure, Stall, Usage};
