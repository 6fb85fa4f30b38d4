//! Control groups: one directory for each hierarchy that a limit needs, below the host program's own
//! group, so that limits from outside keep holding. cgroups(7).

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::config::limits::Limits;
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Enforcement, MemorySource};

const STEP: &str = "cgroup";
/// The period in which CPU time is portioned out, in microseconds: the kernel's default.
const CPU_PERIOD: u64 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// A value to be written to a file of a group.
#[derive(Clone, Debug)]
struct Setting {
    limit: &'static str,
    file: &'static str,
    value: String,
    /// The file need not exist: without swap accounting there is none.
    optional: bool,
}

/// A group to be created.
#[derive(Clone, Debug)]
pub(super) struct GroupPlan {
    pub directory: PathBuf,
    version: Version,
    settings: Vec<Setting>,
}

impl GroupPlan {
    /// The limits that it enforces.
    pub fn enforcement(&self) -> impl Iterator<Item = Enforcement> + '_ {
        let main = self.settings.iter().filter(|setting| !setting.optional);
        main.map(|setting| Enforcement { limit: setting.limit, mechanism: setting.file })
    }

    pub fn explain(&self) -> String {
        let line = |setting: &Setting| {
            format!("cgroup {}: {} = {}\n", self.directory.display(), setting.file, setting.value)
        };
        self.settings.iter().map(line).collect()
    }
}

/// A mounted hierarchy, and the host program's place in it.
#[derive(Debug)]
struct Hierarchy {
    version: Version,
    controllers: Vec<String>,
    own_group: PathBuf,
}

/// The groups that the limits need; nothing is created.
pub(super) fn plan(limits: &Limits) -> Result<Vec<GroupPlan>> {
    if !limits.need_cgroup() {
        return Ok(Vec::new());
    }
    let hierarchies = hierarchies();
    let mut groups: Vec<GroupPlan> = Vec::new();
    let name = unique_name();
    let wanted = [
        ("memory", limits.memory.is_some()),
        ("pids", limits.pids.is_some()),
        ("cpu", limits.cpus.is_some()),
    ];
    for (controller, _) in wanted.into_iter().filter(|(_, wanted)| *wanted) {
        let hierarchy = find(&hierarchies, controller)?;
        let directory = hierarchy.own_group.join(&name);
        let settings = settings(limits, controller, hierarchy.version);
        match groups.iter_mut().find(|group| group.directory == directory) {
            Some(group) => group.settings.extend(settings),
            None => groups.push(GroupPlan { directory, version: hierarchy.version, settings }),
        }
    }
    Ok(groups)
}

/// Unique among all runs of all programs: the process, a counter, and the time, because process ids come
/// again.
fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let count = COUNTER.fetch_add(1, Relaxed);
    format!("cofferdam-{}-{count}-{:x}", std::process::id(), time.as_nanos())
}

fn find<'h>(hierarchies: &'h [Hierarchy], controller: &str) -> Result<&'h Hierarchy> {
    let has = |hierarchy: &&Hierarchy| hierarchy.controllers.iter().any(|known| known == controller);
    hierarchies.iter().find(has).ok_or_else(|| {
        let subject = format!("no mounted cgroup hierarchy has the controller `{controller}`");
        Error::new(ErrorKind::LimitUnavailable, STEP, subject).with_remedy(
            "mount one (cgroup2 at /sys/fs/cgroup), or have the controller delegated to the program's \
             own group (with systemd: a service or scope with `Delegate=yes`)",
        )
    })
}

fn settings(limits: &Limits, controller: &str, version: Version) -> Vec<Setting> {
    let setting = |limit, file, value, optional| Setting { limit, file, value, optional };
    match (controller, version) {
        ("memory", Version::V1) => {
            let bytes = limits.memory.unwrap_or_default().to_string();
            vec![
                setting("memory", "memory.limit_in_bytes", bytes.clone(), false),
                setting("memory", "memory.memsw.limit_in_bytes", bytes, true),
            ]
        }
        ("memory", Version::V2) => {
            let bytes = limits.memory.unwrap_or_default().to_string();
            vec![
                setting("memory", "memory.max", bytes, false),
                setting("memory", "memory.swap.max", "0".into(), true),
            ]
        }
        ("pids", _) => vec![setting("pids", "pids.max", limits.pids.unwrap_or_default().to_string(), false)],
        (_, version) => {
            let quota = (limits.cpus.unwrap_or_default() * CPU_PERIOD as f64).round() as u64;
            match version {
                Version::V1 => vec![
                    setting("cpus", "cpu.cfs_period_us", CPU_PERIOD.to_string(), true),
                    setting("cpus", "cpu.cfs_quota_us", quota.to_string(), false),
                ],
                Version::V2 => vec![setting("cpus", "cpu.max", format!("{quota} {CPU_PERIOD}"), false)],
            }
        }
    }
}

/// All hierarchies that the program is in and can reach.
fn hierarchies() -> Vec<Hierarchy> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().filter_map(|mount| hierarchy(mount, &own)).collect()
}

/// Reads a line of mountinfo: `36 35 98:0 /root /mount/point options - cgroup source super,options`.
fn hierarchy(mount: &str, own: &str) -> Option<Hierarchy> {
    let (front, back) = mount.split_once(" - ")?;
    let mut front = front.split(' ').skip(3);
    let (root, point) = (front.next()?, front.next()?);
    let mut back = back.split(' ');
    let (kind, options) = (back.next()?, back.nth(1)?);
    // `5:memory:/path` for v1, `0::/path` for v2.
    let mut groups = own.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let (version, controllers, path) = match kind {
        "cgroup" => {
            let shared = |list: &str| list.split(',').any(|name| options.split(',').any(|o| o == name));
            let (list, path) = groups.find(|(list, _)| !list.is_empty() && shared(list))?;
            (Version::V1, list.split(',').map(String::from).collect(), path)
        }
        "cgroup2" => {
            let (_, path) = groups.find(|(list, _)| list.is_empty())?;
            (Version::V2, Vec::new(), path)
        }
        _ => return None,
    };
    let below_root = Path::new(path).strip_prefix(root).ok()?;
    let own_group = Path::new(point).join(below_root);
    let controllers = match version {
        Version::V1 => controllers,
        Version::V2 => {
            let text = fs::read_to_string(own_group.join("cgroup.controllers")).ok()?;
            text.split_whitespace().map(String::from).collect()
        }
    };
    Some(Hierarchy { version, controllers, own_group })
}

/// The groups of a container. They go when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<GroupPlan>,
}

/// Creates the groups and sets their limits.
pub(super) fn create(plans: Vec<GroupPlan>) -> Result<Groups> {
    let mut groups = Groups::default();
    for plan in plans {
        if plan.version == Version::V2 {
            enable_controllers(&plan)?;
        }
        fs::create_dir(&plan.directory).map_err(|error| {
            let subject = format!("cannot create the group {}", plan.directory.display());
            unavailable(Error::io(STEP, subject, &error)).with_remedy(
                "run as root, or have a group delegated to the user (with systemd: `Delegate=yes`), or \
                 leave the limit out",
            )
        })?;
        groups.groups.push(plan.clone());
        plan.settings.iter().try_for_each(|setting| set(&plan.directory, setting))?;
    }
    Ok(groups)
}

fn unavailable(error: Error) -> Error {
    error.with_kind(ErrorKind::LimitUnavailable)
}

fn set(directory: &Path, setting: &Setting) -> Result<()> {
    let file = directory.join(setting.file);
    match fs::write(&file, &setting.value) {
        Err(error) if setting.optional && error.kind() == io::ErrorKind::NotFound => no_swap(setting),
        Err(error) => {
            let subject = format!("cannot write {} to {}", setting.value, file.display());
            Err(unavailable(Error::io(STEP, subject, &error)))
        }
        Ok(()) => Ok(()),
    }
}

/// Without swap accounting a memory limit holds only where there is no swap.
fn no_swap(setting: &Setting) -> Result<()> {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    if setting.limit != "memory" || swaps.lines().count() <= 1 {
        return Ok(());
    }
    let subject = format!("there is swap, and no {} to limit it", setting.file);
    let error = Error::new(ErrorKind::LimitUnavailable, STEP, subject);
    Err(error.with_remedy("boot with `swapaccount=1`, or turn swap off"))
}

/// In v2 a controller is there for children only if the parent passes it on, and a group that does so
/// must have no processes, unless it is the root.
fn enable_controllers(plan: &GroupPlan) -> Result<()> {
    let parent = plan.directory.parent().unwrap_or(Path::new("/"));
    let file = parent.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&file).unwrap_or_default();
    for setting in &plan.settings {
        let controller = setting.file.split('.').next().unwrap_or_default();
        if enabled.split_whitespace().any(|name| name == controller) {
            continue;
        }
        fs::write(&file, format!("+{controller}")).map_err(|error| {
            let subject = format!("cannot enable the controller {controller} in {}", file.display());
            let busy = error.raw_os_error() == Some(libc::EBUSY);
            let error = unavailable(Error::io(STEP, subject, &error));
            error.with_remedy(if busy {
                "cgroup v2 lets a group with processes of its own pass nothing on, except the root group: \
                 start the program in the root group, or leave the limit out"
            } else {
                "run as root, or in a group delegated to the user (with systemd: `Delegate=yes`)"
            })
        })?;
    }
    Ok(())
}

impl Groups {
    /// `cgroup.procs` of a group, open for writing.
    pub fn open_procs(&self, index: usize) -> Result<OwnedFd> {
        let directory = self.groups.get(index).map(|group| group.directory.as_path());
        let file = directory.unwrap_or(Path::new("/")).join("cgroup.procs");
        let opened = fs::OpenOptions::new().write(true).open(&file);
        let opened =
            opened.map_err(|error| Error::io(STEP, format!("cannot open {}", file.display()), &error))?;
        Ok(opened.into())
    }

    fn memory(&self) -> Option<&GroupPlan> {
        self.groups.iter().find(|group| group.settings.iter().any(|setting| setting.limit == "memory"))
    }

    /// The kernel's figure of peak memory. `memory.peak` exists since Linux 5.19.
    pub fn memory_peak(&self) -> Option<(MemorySource, u64)> {
        let group = self.memory()?;
        let (source, file) = match group.version {
            Version::V1 => (MemorySource::MaxUsageInBytes, "memory.max_usage_in_bytes"),
            Version::V2 => (MemorySource::MemoryPeak, "memory.peak"),
        };
        let text = fs::read_to_string(group.directory.join(file)).ok()?;
        Some((source, text.trim().parse().ok()?))
    }

    /// Whether the kernel killed a process of the container for want of memory.
    pub fn out_of_memory(&self) -> bool {
        let Some(group) = self.memory() else { return false };
        let file = match group.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = fs::read_to_string(group.directory.join(file)).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        count.is_some_and(|count: u64| count > 0)
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

/// A group can stay busy for a moment after its last process was reaped.
fn remove(directory: &Path) {
    debug_assert!(directory.as_os_str().as_bytes().len() > 1);
    for _ in 0..200 {
        match fs::remove_dir(directory) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            _ => return,
        }
    }
}
