//! Input that cannot work on any host is refused here, before anything is looked at or created.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::time::Duration;

use super::text::{c_path, c_string};
use crate::config::identity::{IdMap, IdMapping, IdentityConfig};
use crate::config::limits::Limits;
use crate::config::mounts::{BindSource, FileConfig, Operation, Overlay, Root, Tmpfs, Upper};
use crate::config::namespaces::{NamespaceConfig, Namespaces};
use crate::config::program::Program;
use crate::config::stdio::StdioConfig;
use crate::config::{Capabilities, Description, IoLimit, Securebits};
use crate::error::{Error, Result};

/// The longest host name, `__NEW_UTS_LEN`.
const HOST_NAME_MAX: usize = 64;
/// Descriptors that one message carries, less those that the library itself sends at most.
const EXTRA_FDS: usize = crate::wire::MAX_FDS - 100;
/// The kernel multiplies the number of inodes of a tmpfs.
const MAX_INODES: u64 = 1 << 48;
/// A limit of memory or of a tmpfs beyond this is a mistake, and would overflow the kernel's counters.
const MAX_BYTES: u64 = 1 << 60;

/// Checks everything that can be checked without looking at the host.
pub(crate) fn validate(container: &Description) -> Result<()> {
    program(&container.program)?;
    namespaces(&container.namespaces)?;
    host_name(&container.host_name())?;
    files(&container.files, container.namespaces.new)?;
    identity(&container.identity)?;
    groups(container)?;
    stdio(&container.stdio)?;
    limits(&container.limits)?;
    #[cfg(feature = "landlock")]
    super::landlock::validate(container)?;
    seccomp(container)?;
    if container.limits.disk.is_some() && !container.namespaces.new.contains(Namespaces::MOUNT) {
        return Err(Error::invalid("disk", "a limit of disk needs a new mount namespace"));
    }
    Ok(())
}

/// The kernel takes a filter from a process that can gain no privileges, or may do everything.
fn seccomp(container: &Description) -> Result<()> {
    let identity = &container.identity;
    let may = identity.no_new_privs || identity.capabilities.effective.contains(Capabilities::SYS_ADMIN);
    if may || !container.seccomp.is_confined() {
        return Ok(());
    }
    let error = Error::invalid("seccomp", "a filter without no_new_privs needs the capability SYS_ADMIN");
    Err(error.with_remedy("leave `no_new_privs` on, or do without a filter by `Seccomp::unconfined`"))
}

fn program(program: &Program) -> Result<()> {
    let Some(name) = &program.name else {
        return Err(Error::invalid("exec", "no program was given").with_remedy("call `command`"));
    };
    if name.is_empty() {
        return Err(Error::invalid("exec", "the program's name is empty"));
    }
    c_string("exec", name)?;
    for argument in &program.arguments {
        c_string("exec", argument)?;
    }
    for (key, value) in &program.environment.variables {
        if key.is_empty() || key.as_bytes().contains(&b'=') {
            return Err(Error::invalid("exec", format!("{key:?} cannot name an environment variable")));
        }
        c_string("exec", key)?;
        c_string("exec", value)?;
    }
    program.directory.as_deref().map_or(Ok(()), |path| target("working-directory", path))
}

/// A path inside: absolute, without `..`.
pub(super) fn target(step: &'static str, path: &Path) -> Result<()> {
    c_path(step, path)?;
    let wrong = |what| Err(Error::invalid(step, format!("the path inside, {path:?}, {what}")));
    if !path.is_absolute() {
        return wrong("is not absolute");
    }
    if path.components().any(|component| component == Component::ParentDir) {
        return wrong("contains `..`");
    }
    Ok(())
}

fn source(step: &'static str, path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Err(Error::invalid(step, "the path on the host is empty"));
    }
    c_path(step, path).map(drop)
}

fn namespaces(config: &NamespaceConfig) -> Result<()> {
    let mut joined = Namespaces::empty();
    for (kinds, _) in &config.joined {
        if kinds.is_empty() {
            return Err(Error::invalid("join-namespace", "no kind of namespace was named"));
        }
        let twice = joined & *kinds;
        if let Some(name) = twice.names().next() {
            return Err(Error::invalid("join-namespace", format!("{name} is joined twice")));
        }
        joined |= *kinds;
    }
    if let Some(name) = (joined & config.new).names().next() {
        let what = format!("{name} is to be both new and joined");
        return Err(Error::invalid("join-namespace", what).with_remedy("call `join` after `namespaces`"));
    }
    let offsets = [config.clock.monotonic, config.clock.boottime];
    if offsets != [0, 0] && !config.new.contains(Namespaces::TIME) {
        return Err(Error::invalid("time-offsets", "clock offsets need a new time namespace"));
    }
    // The kernel's own bound is 146 years.
    if offsets.iter().any(|seconds| seconds.unsigned_abs() > 4_000_000_000) {
        return Err(Error::invalid("time-offsets", "a clock offset is over 4,000,000,000 seconds"));
    }
    if config.host_name.is_some() && !config.new.contains(Namespaces::UTS) {
        return Err(Error::invalid("hostname", "a host name needs a new UTS namespace"));
    }
    Ok(())
}

fn host_name(name: &OsStr) -> Result<()> {
    c_string("hostname", name)?;
    if name.is_empty() || name.len() > HOST_NAME_MAX {
        return Err(Error::invalid("hostname", format!("{name:?} has not between 1 and 64 bytes")));
    }
    Ok(())
}

fn files(config: &FileConfig, new: Namespaces) -> Result<()> {
    match &config.root {
        Root::HostView => {}
        Root::Directory { path, .. } => source("rootfs", path)?,
        Root::Overlay(root) => overlay(root)?,
    }
    let changed = !matches!(config.root, Root::HostView) || !config.operations.is_empty();
    if changed && !new.contains(Namespaces::MOUNT) {
        let what = "a root file system or mounts were asked for without a new mount namespace";
        return Err(Error::invalid("rootfs", what));
    }
    byte_count("tmpfs", "the size of /tmp", config.tmp_size)?;
    config.operations.iter().try_for_each(operation)
}

fn operation(operation: &Operation) -> Result<()> {
    match operation {
        Operation::Bind(bind) => {
            if let BindSource::Path(path) = &bind.source {
                source("bind", path)?;
            }
            not_root("bind", &bind.target)
        }
        Operation::Tmpfs(options) => {
            tmpfs_bounds(options)?;
            not_root("tmpfs", &options.target)
        }
        Operation::Overlay(options) => {
            overlay(options)?;
            not_root("overlay", &options.target)
        }
        Operation::Directory { path, mode } => mode_bits("directory", *mode).and(target("directory", path)),
        Operation::File { path, mode, .. } => mode_bits("file", *mode).and(not_root("file", path)),
        Operation::Symlink { target: to, path } => {
            c_path("symlink", to)?;
            if to.as_os_str().is_empty() {
                return Err(Error::invalid("symlink", format!("the link {path:?} points to nothing")));
            }
            not_root("symlink", path)
        }
    }
}

fn not_root(step: &'static str, path: &Path) -> Result<()> {
    target(step, path)?;
    if path.parent().is_none() {
        let error = Error::invalid(step, "the path inside is `/`");
        return Err(error.with_remedy("the root file system is set by `rootfs` and its kin"));
    }
    Ok(())
}

fn mode_bits(step: &'static str, mode: u32) -> Result<()> {
    if mode & !0o7777 == 0 { Ok(()) } else { Err(Error::invalid(step, format!("{mode:o} is no file mode"))) }
}

fn tmpfs_bounds(options: &Tmpfs) -> Result<()> {
    mode_bits("tmpfs", options.mode)?;
    bounds("tmpfs", options.size, options.inodes)
}

/// For a tmpfs the kernel takes 0 as "no bound".
fn bounds(step: &'static str, size: u64, inodes: u64) -> Result<()> {
    if size == 0 || inodes == 0 {
        let what = "a size of no bytes or no inodes (the kernel would take 0 as no bound)";
        return Err(Error::invalid(step, what));
    }
    if inodes > MAX_INODES {
        return Err(Error::invalid(step, format!("its number of inodes, {inodes}, is too large")));
    }
    byte_count(step, "its size", size)
}

fn byte_count(step: &'static str, what: &str, count: u64) -> Result<()> {
    if count <= MAX_BYTES {
        Ok(())
    } else {
        Err(Error::invalid(step, format!("{what}, {count}, is too large")))
    }
}

fn overlay(overlay: &Overlay) -> Result<()> {
    target("overlay", &overlay.target)?;
    if overlay.lower.is_empty() {
        return Err(Error::invalid("overlay", "no lower directory").with_remedy("call `lower`"));
    }
    overlay.lower.iter().try_for_each(|path| source("overlay", path))?;
    match &overlay.upper {
        Upper::Memory { size, inodes } => bounds("overlay", *size, *inodes),
        Upper::Directory { upper, work } => source("overlay", upper).and(source("overlay", work)),
        Upper::None => Ok(()),
    }
}

fn identity(config: &IdentityConfig) -> Result<()> {
    let ids = config.user.iter().flat_map(|(uid, gid)| [*uid, *gid]).chain(config.groups.iter().copied());
    // To the kernel it means "no change".
    if ids.into_iter().any(|id| id == u32::MAX) {
        return Err(Error::invalid("identity", format!("{} is no user or group id", u32::MAX)));
    }
    if let IdMapping::Ranges { uids, gids } = &config.mapping {
        id_maps("user", uids)?;
        id_maps("group", gids)?;
    }
    if config.umask & !0o777 != 0 {
        return Err(Error::invalid("umask", format!("{:o} is no umask", config.umask)));
    }
    let sets = &config.capabilities;
    if !sets.permitted.contains(sets.effective) {
        return Err(Error::invalid("capabilities", "the effective set exceeds the permitted one"));
    }
    if !(sets.permitted & sets.inheritable).contains(sets.ambient) {
        let what = "the ambient set exceeds the permitted or the inheritable one";
        return Err(Error::invalid("capabilities", what));
    }
    securebits(config)?;
    for (resource, soft, hard) in &config.rlimits {
        if soft > hard {
            let what = format!("{}: the soft limit {soft} is over the hard limit {hard}", resource.name());
            return Err(Error::invalid("rlimit", what));
        }
    }
    if config.nice.is_some_and(|nice| !(-20..=19).contains(&nice)) {
        return Err(Error::invalid("nice", "the nice value is not between -20 and 19"));
    }
    if config.oom_score_adj.is_some_and(|value| !(-1000..=1000).contains(&value)) {
        return Err(Error::invalid("oom-score-adj", "the value is not between -1000 and 1000"));
    }
    cpu_list("affinity", config.affinity.as_deref())
}

fn securebits(config: &IdentityConfig) -> Result<()> {
    let bits = config.securebits();
    let unknown = bits.bits() & !Securebits::all().bits();
    if unknown != 0 {
        return Err(Error::invalid("securebits", format!("{unknown:#x} are none that this library knows")));
    }
    if bits.contains(Securebits::NO_CAP_AMBIENT_RAISE) && !config.capabilities.ambient.is_empty() {
        return Err(Error::invalid(
            "securebits",
            "NO_CAP_AMBIENT_RAISE forbids the ambient set that was asked for",
        ));
    }
    Ok(())
}

/// The workload takes the ids it is given in a user namespace that it joins, but no groups.
fn groups(container: &Description) -> Result<()> {
    let joins = container.namespaces.joined_kinds().contains(Namespaces::USER);
    if joins && !container.identity.groups.is_empty() {
        return Err(Error::invalid("groups", "supplementary groups in a user namespace that is joined"));
    }
    Ok(())
}

/// The kernel's rules for id maps: not empty, no overlap on either side.
fn id_maps(kind: &str, maps: &[IdMap]) -> Result<()> {
    let wrong = |what: String| Err(Error::invalid("id-maps", what));
    if maps.is_empty() {
        return wrong(format!("no {kind} id is mapped"));
    }
    if maps.len() > 340 {
        return wrong(format!("{} ranges of {kind} ids; the kernel takes 340", maps.len()));
    }
    for (index, map) in maps.iter().enumerate() {
        let ends = [map.inside.checked_add(map.count), map.outside.checked_add(map.count)];
        if map.count == 0 || ends.contains(&None) {
            return wrong(format!("the {kind} range {map:?} is empty or goes beyond the last id"));
        }
        let overlaps = |a: u32, b: u32, other: &IdMap| a < b + other.count && b < a + map.count;
        for other in &maps[..index] {
            if overlaps(map.inside, other.inside, other) || overlaps(map.outside, other.outside, other) {
                return wrong(format!("the {kind} ranges {other:?} and {map:?} overlap"));
            }
        }
    }
    Ok(())
}

fn stdio(config: &StdioConfig) -> Result<()> {
    if config.extra.len() > EXTRA_FDS {
        return Err(Error::invalid("descriptor", format!("more than {EXTRA_FDS} descriptors")));
    }
    for (index, (number, _)) in config.extra.iter().enumerate() {
        if *number < 3 {
            let error = Error::invalid("descriptor", format!("descriptor {number} is a standard stream"));
            return Err(error.with_remedy("use `stdin`, `stdout` or `stderr`"));
        }
        if *number > 1 << 20 {
            return Err(Error::invalid("descriptor", format!("descriptor {number} is over 1048576")));
        }
        if config.extra[..index].iter().any(|(other, _)| other == number) {
            return Err(Error::invalid("descriptor", format!("descriptor {number} was given twice")));
        }
    }
    Ok(())
}

/// With less than this no program starts, not even a static one that does nothing: the kernel takes memory from
/// a group's limit 64 pages at a time, and the filter of system calls is charged to the group, too.
const MIN_MEMORY: u64 = 512 << 10;

fn limits(limits: &Limits) -> Result<()> {
    memory(limits)?;
    limits.pids.map_or(Ok(()), |count| validate_count("pids", count))?;
    limits.cpus.map_or(Ok(()), validate_cpus)?;
    limits.cpu_weight.map_or(Ok(()), |weight| validate_weight("CPU", weight))?;
    limits.io_weight.map_or(Ok(()), |weight| validate_weight("I/O", weight))?;
    cpu_list("limits", limits.cpuset.as_deref())?;
    limits.io.iter().try_for_each(io)?;
    for huge in &limits.hugetlb {
        if !huge.page_size.is_power_of_two() || huge.page_size < 1 << 12 {
            return Err(Error::invalid("limits", format!("{} is no size of huge pages", huge.page_size)));
        }
        byte_count("limits", "huge pages", huge.bytes)?;
    }
    limits.wall_time.map_or(Ok(()), |time| validate_time("wall time", time))?;
    limits.cpu_time.map_or(Ok(()), |time| validate_time("CPU time", time))?;
    if !limits.extra_time.is_zero() && limits.wall_time.or(limits.cpu_time).is_none() {
        return Err(Error::invalid("limits", "extra time without a limit of wall or CPU time"));
    }
    limits.disk.map_or(Ok(()), |disk| bounds("disk", disk.bytes, disk.inodes))?;
    limits.cgroup_parent.as_deref().map_or(Ok(()), cgroup_parent)
}

fn memory(limits: &Limits) -> Result<()> {
    let Some(memory) = limits.memory else {
        let swap = limits.swap.map_or(Ok(()), |_| Err("a limit of swap without one of memory"));
        return swap.map_err(|what| Error::invalid("limits", what));
    };
    validate_count("memory", memory)?;
    if memory < MIN_MEMORY {
        let error = Error::invalid(
            "limits",
            format!("a memory limit of {memory} bytes: no program starts with that"),
        );
        return Err(
            error.with_remedy(format!("the least is {MIN_MEMORY} bytes; most programs need some MiB"))
        );
    }
    byte_count("limits", "swap", limits.swap.unwrap_or(0))
}

/// A limit that is a number.
pub(crate) fn validate_count(what: &str, count: u64) -> Result<()> {
    if count == 0 {
        return Err(Error::invalid("limits", format!("a {what} limit of zero")));
    }
    byte_count("limits", what, count)
}

pub(crate) fn validate_cpus(cpus: f64) -> Result<()> {
    if (0.01..=10_000.0).contains(&cpus) {
        return Ok(());
    }
    Err(Error::invalid("limits", format!("{cpus}: the number of CPUs is not between 0.01 and 10000")))
}

pub(crate) fn validate_weight(what: &str, weight: u64) -> Result<()> {
    if (1..=10_000).contains(&weight) {
        return Ok(());
    }
    Err(Error::invalid("limits", format!("{weight}: the {what} weight is not between 1 and 10000")))
}

pub(crate) fn validate_time(what: &str, time: Duration) -> Result<()> {
    if time.is_zero() {
        return Err(Error::invalid("limits", format!("a {what} limit of zero")));
    }
    if u64::try_from(time.as_nanos()).is_err() {
        return Err(Error::invalid("limits", format!("the {what} limit is over 584 years")));
    }
    Ok(())
}

fn io(limit: &IoLimit) -> Result<()> {
    source("limits", &limit.device)?;
    let wrong = |what: &str| Err(Error::invalid("limits", format!("{}: {what}", limit.device.display())));
    let mut set = limit.bounds().into_iter().filter_map(|(_, value)| value).peekable();
    if set.peek().is_none() {
        return wrong("a limit of I/O that limits nothing");
    }
    if set.any(|value| value == 0) { wrong("a limit of I/O of zero") } else { Ok(()) }
}

fn cgroup_parent(path: &Path) -> Result<()> {
    c_path("cgroup", path)?;
    let parts = path.components().any(|part| part == Component::ParentDir);
    if parts || path.as_os_str().is_empty() {
        return Err(Error::invalid(
            "cgroup",
            format!("{path:?} cannot name a group: it is empty or contains `..`"),
        ));
    }
    Ok(())
}

fn cpu_list(step: &'static str, cpus: Option<&[usize]>) -> Result<()> {
    match cpus {
        Some([]) => Err(Error::invalid(step, "no CPU was named")),
        Some(cpus) if cpus.iter().any(|cpu| *cpu >= 8192) => {
            Err(Error::invalid(step, "a CPU number is over 8191"))
        }
        _ => Ok(()),
    }
}
