//! Making, changing and removing the groups of a container.

use std::fs;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

use super::hierarchy::{Controller, Version};
use super::layout::{GroupPlan, Layout};
use super::name::Maker;
use super::place::{is_root, processes_in};
use super::settings::Setting;
use super::sweep::sweep_once;
use super::{HOST_GROUP, STEP, has_word, read, settings, unavailable};
use crate::config::Limit;
use crate::error::{Error, ErrorKind, Result};
use crate::host::channel::retry;

/// The groups of a container. They go when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub(super) groups: Vec<GroupPlan>,
    /// CPU time, and system time of it, in microseconds, that `cpu.stat` has from earlier runs.
    pub(super) base: [u64; 2],
    /// What it had when it was last read.
    pub(super) seen: [AtomicU64; 2],
}

/// Creates the groups and sets their limits.
pub(crate) fn create(layout: &Layout) -> Result<Groups> {
    let mut groups = Groups::default();
    if layout.groups.is_empty() {
        return Ok(groups);
    }
    let this = Maker::this();
    for plan in &layout.groups {
        let base = plan.directory.parent().unwrap_or(Path::new("/"));
        sweep_once(base, &this);
        if plan.version == Version::V2 {
            pass_on(base, &plan.controllers)?;
        }
        fs::create_dir(&plan.directory).map_err(|error| {
            let subject = format!("cannot create the group {}", plan.directory.display());
            let limits =
                "too many groups exist (cgroup.max.descendants, or a limit of the kernel): remove some";
            let error = unavailable(Error::io(STEP, subject, &error));
            if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOSPC)) {
                error.with_kind(ErrorKind::ResourceExhausted).with_remedy(limits)
            } else {
                error
            }
        })?;
        groups.groups.push(plan.clone());
        plan.settings.iter().try_for_each(|setting| set(&plan.directory, setting))?;
    }
    Ok(groups)
}

/// In v2 a controller is there for children only if the parent passes it on.
fn pass_on(base: &Path, controllers: &[Controller]) -> Result<()> {
    let passed = read(base, "cgroup.subtree_control").unwrap_or_default();
    let names = controllers.iter().map(|controller| controller.name(Version::V2));
    let missing: Vec<_> =
        names.filter(|name| !has_word(&passed, name)).map(|name| format!("+{name}")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // Some controllers the kernel would pass on all the same, and then let no process into the children.
    if !is_root(base) {
        step_aside(base)?;
    }
    let (file, value) = (base.join("cgroup.subtree_control"), missing.join(" "));
    fs::write(&file, &value).map_err(|error| {
        let subject = format!("cannot write {value} to {}", file.display());
        unavailable(Error::io(STEP, subject, &error)).with_remedy(
            "the group must have no processes of its own: start this program alone in a group (`systemd-run \
             --scope -p Delegate=yes …`), or name an empty one with `cgroup_parent`",
        )
    })
}

/// Moves this process and its descendants to a child of their group, where it has no others.
fn step_aside(base: &Path) -> Result<()> {
    if processes_in(base).is_empty() {
        return Ok(());
    }
    let group = base.join(HOST_GROUP);
    let made = match fs::create_dir(&group) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    };
    made.and_then(|()| move_all(base, &group)).map_err(|error| {
        let subject = format!("cannot move this program to {}", group.display());
        unavailable(Error::io(STEP, subject, &error))
    })
}

/// What a process forked before it was moved has to be moved after it. Should others come meanwhile, the kernel's
/// answer to the next write tells.
fn move_all(from: &Path, to: &Path) -> io::Result<()> {
    const ROUNDS: usize = 100;
    let procs = to.join("cgroup.procs");
    for _ in 0..ROUNDS {
        let pids = processes_in(from);
        if pids.is_empty() {
            break;
        }
        for pid in pids {
            match fs::write(&procs, pid.to_string()) {
                // It has ended.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                written => written?,
            }
        }
    }
    Ok(())
}

fn set(directory: &Path, setting: &Setting) -> Result<()> {
    let file = directory.join(setting.file.as_ref());
    match fs::write(&file, &setting.value) {
        Err(error) if setting.optional && error.kind() == io::ErrorKind::NotFound => no_swap(setting),
        Err(error) => {
            let subject = format!("{}: cannot write {} to {}", setting.limit, setting.value, file.display());
            let error = unavailable(Error::io(STEP, subject, &error));
            Err(match remedy(setting, error.raw_os_error()) {
                Some(remedy) => error.with_remedy(remedy),
                None => error,
            })
        }
        Ok(()) => Ok(()),
    }
}

fn remedy(setting: &Setting, errno: Option<i32>) -> Option<&'static str> {
    Some(match (setting.limit, errno?) {
        (Limit::Swap, libc::ENOENT) => "boot with `swapaccount=1`, or leave the limit of swap out",
        (Limit::Io, libc::ENODEV | libc::EINVAL) => {
            "limits are for whole disks: name the disk, not a partition"
        }
        (Limit::Cpuset, libc::EINVAL | libc::EACCES | libc::ERANGE | libc::ENOSPC) => {
            "the CPUs must exist, and be those of the parent group"
        }
        (Limit::Hugetlb, libc::ENOENT) => "this machine has no huge pages of that size",
        (Limit::Cpus, libc::EINVAL) => "the parent group may have less CPU time: ask for no more than it has",
        (Limit::Memory, libc::EBUSY) => "more is in use: a limit cannot go below that",
        (_, libc::ENOENT) => "this kernel has no such limit",
        _ => return None,
    })
}

/// Without swap accounting a memory limit holds only where there is no swap.
fn no_swap(setting: &Setting) -> Result<()> {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    if swaps.lines().count() <= 1 {
        return Ok(());
    }
    let subject = format!("there is swap, and no {} to limit it", setting.file);
    let error = Error::new(ErrorKind::LimitUnavailable, STEP, subject);
    Err(error.with_remedy("boot with `swapaccount=1`, or turn swap off"))
}

impl Groups {
    /// `cgroup.procs` of a group, open for writing.
    pub fn open_procs(&self, index: usize) -> Result<OwnedFd> {
        self.open(index, "cgroup.procs", OFlag::O_WRONLY)
    }

    /// `cgroup.kill` of a group. Before Linux 5.14 there is none, and what is written to it goes nowhere.
    pub fn open_kill(&self, index: usize) -> Result<OwnedFd> {
        self.open_or_null(index, "cgroup.kill")
    }

    fn open_or_null(&self, index: usize, name: &str) -> Result<OwnedFd> {
        match self.open(index, name, OFlag::O_WRONLY) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                let null = fs::OpenOptions::new().write(true).open("/dev/null");
                Ok(null.map_err(|error| Error::io(STEP, "/dev/null", &error))?.into())
            }
            opened => opened,
        }
    }

    /// The directory of a group.
    pub fn open_directory(&self, index: usize) -> Result<OwnedFd> {
        self.open(index, "", OFlag::O_RDONLY | OFlag::O_DIRECTORY)
    }

    /// A counter of a group, open for writing. Where the kernel has none, what is written goes nowhere.
    pub fn open_counter(&self, index: usize, name: &str) -> Result<OwnedFd> {
        self.open_or_null(index, name)
    }

    /// A file of a group, open for reading.
    pub fn open_file(&self, index: usize, name: &str) -> Result<OwnedFd> {
        self.open(index, name, OFlag::O_RDONLY)
    }

    fn open(&self, index: usize, name: &str, flags: OFlag) -> Result<OwnedFd> {
        let directory = self.groups.get(index).map(|group| group.directory.as_path());
        let file = directory.unwrap_or(Path::new("/")).join(name);
        open(&file, flags | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| Error::errno(STEP, format!("cannot open {}", file.display()), errno as i32))
    }

    pub(super) fn with(&self, controller: Controller) -> Option<&GroupPlan> {
        self.groups.iter().find(|group| group.controllers.contains(&controller))
    }

    fn with_or_error(&self, controller: Controller) -> Result<&GroupPlan> {
        self.with(controller).ok_or_else(|| {
            let name = controller.name(Version::V2);
            let subject = format!("the container has no group with the controller {name}");
            let error = Error::new(ErrorKind::LimitUnavailable, STEP, subject);
            error.with_remedy("start it with some limit of that kind, which can then be changed")
        })
    }

    /// Changes the memory limit. What is in use stays: the kernel takes back what it can.
    pub fn set_memory(&self, bytes: u64, swap: Option<u64>) -> Result<()> {
        let group = self.with_or_error(Controller::Memory)?;
        let mut settings = settings::memory(bytes, swap, group.version);
        // On v1 the limit of memory and swap together must never be below that of memory alone.
        let raised = read(&group.directory, "memory.limit_in_bytes")
            .and_then(|text| text.trim().parse().ok())
            .is_some_and(|now: u64| bytes > now);
        if raised {
            settings.reverse();
        }
        settings.iter().try_for_each(|setting| set(&group.directory, setting))
    }

    pub fn set_pids(&self, count: u64) -> Result<()> {
        let group = self.with_or_error(Controller::Pids)?;
        set(&group.directory, &settings::pids(count))
    }

    pub fn set_cpus(&self, cpus: f64) -> Result<()> {
        let group = self.with_or_error(Controller::Cpu)?;
        settings::cpus(cpus, group.version).iter().try_for_each(|setting| set(&group.directory, setting))
    }

    pub fn set_cpu_weight(&self, weight: u64) -> Result<()> {
        let group = self.with_or_error(Controller::Cpu)?;
        set(&group.directory, &settings::cpu_weight(weight, group.version))
    }

    /// The file of a group that tells the CPU time of the container.
    pub fn cpu_meter(&self) -> Result<&'static str> {
        self.groups.iter().find_map(GroupPlan::cpu_meter).ok_or_else(|| {
            let what = "the container has no group that counts CPU time";
            let error = Error::new(ErrorKind::LimitUnavailable, STEP, what);
            error.with_remedy("start it with `accounting(true)`")
        })
    }

    /// Tells the freezer of v2 to stop or release all processes; `None` where there is none.
    pub fn freeze(&self, frozen: bool) -> Result<Option<Freezing>> {
        let Some(group) = self.groups.iter().find(|group| group.is_v2()) else { return Ok(None) };
        let file = group.directory.join("cgroup.freeze");
        match fs::write(&file, if frozen { "1" } else { "0" }) {
            // Before Linux 5.2.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            written => written
                .map_err(|error| Error::io(STEP, format!("cannot write to {}", file.display()), &error))?,
        }
        Freezing::new(&group.directory, frozen).map(Some)
    }

    /// Ends what is left in groups of v2 (Linux 5.14).
    pub fn kill(&self) {
        for group in self.groups.iter().filter(|group| group.is_v2()) {
            let _ = fs::write(group.directory.join("cgroup.kill"), "1");
        }
    }

    /// Leaves the directories where they are.
    pub fn keep(&mut self) {
        self.groups.clear();
    }

    /// Removes the directories, of which all processes are gone.
    pub fn remove(&mut self) {
        for group in self.groups.drain(..) {
            remove(&group.directory);
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The longest wait for the freezer.
const FREEZER_PATIENCE: Duration = Duration::from_secs(10);

/// What the freezer was told to do, until it is done.
pub(crate) struct Freezing {
    directory: PathBuf,
    /// `cgroup.events`, of which the kernel marks a change by POLLPRI.
    events: fs::File,
    frozen: bool,
    since: Instant,
}

impl Freezing {
    fn new(directory: &Path, frozen: bool) -> Result<Self> {
        let events = fs::File::open(directory.join("cgroup.events")).map_err(unwatched)?;
        Ok(Freezing { directory: directory.to_owned(), events, frozen, since: Instant::now() })
    }

    /// Waits until it is done.
    pub fn wait(mut self) -> Result<()> {
        while !self.is_done()? {
            let mut watched = [PollFd::new(self.events.as_fd(), PollFlags::POLLPRI)];
            // Not every reason to look again is marked.
            retry(|| poll(&mut watched, PollTimeout::from(100u8)))
                .map_err(|errno| unwatched(errno.into()))?;
        }
        Ok(())
    }

    /// Whether `cgroup.events` says so, or another thread has asked for the contrary.
    pub fn is_done(&mut self) -> Result<bool> {
        let (asked, event) = if self.frozen { ("1", "frozen 1") } else { ("0", "frozen 0") };
        let mut text = String::new();
        self.events.rewind().and_then(|()| self.events.read_to_string(&mut text)).map_err(unwatched)?;
        let has = |line: &str| text.lines().any(|known| known == line);
        let overruled = read(&self.directory, "cgroup.freeze").is_some_and(|now| now.trim() != asked);
        if has(event) || has("populated 0") || overruled {
            return Ok(true);
        }
        if self.since.elapsed() > FREEZER_PATIENCE {
            let error =
                Error::new(ErrorKind::Failed, STEP, format!("{} does not freeze", self.directory.display()));
            return Err(
                error.with_remedy("a process in it waits for a device, or for the answer of a notifier")
            );
        }
        Ok(false)
    }
}

fn unwatched(error: io::Error) -> Error {
    Error::io(STEP, "cannot wait for the freezer", &error)
}

/// A group can stay busy for a moment after its last process was reaped.
fn remove(directory: &Path) {
    for _ in 0..200 {
        match remove_tree(directory) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(Duration::from_millis(1));
            }
            _ => return,
        }
    }
}

/// Whether nothing runs in a group and those below it.
pub(super) fn is_unpopulated(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return true };
    let inner = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    processes_in(directory).is_empty() && inner.map(|entry| entry.path()).all(|path| is_unpopulated(&path))
}

/// Removes a group, with those that a workload with rights of its own may have made in it.
pub(super) fn remove_tree(directory: &Path) -> io::Result<()> {
    match fs::remove_dir(directory) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            let mut inner = false;
            for entry in fs::read_dir(directory)?.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    inner = true;
                    remove_tree(&entry.path())?;
                }
            }
            if inner { fs::remove_dir(directory) } else { Err(error) }
        }
        result => result,
    }
}
