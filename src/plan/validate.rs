//! Input that cannot work on any host is refused here, before anything is looked at or created.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use super::text::{c_path, c_string};
use crate::config::Description;
use crate::config::identity::{IdMap, IdMapping, IdentityConfig};
use crate::config::limits::Limits;
use crate::config::mounts::{BindSource, FileConfig, Operation, Overlay, Root, Tmpfs, Upper};
use crate::config::namespaces::{NamespaceConfig, Namespaces};
use crate::config::program::Program;
use crate::config::stdio::StdioConfig;
use crate::error::{Error, Result};

/// The longest host name, `__NEW_UTS_LEN`.
const HOST_NAME_MAX: usize = 64;
/// Descriptors that one message carries, less those that the library itself sends at most.
const EXTRA_FDS: usize = crate::wire::MAX_FDS - 100;
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
    limits(&container.limits)
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
fn target(step: &'static str, path: &Path) -> Result<()> {
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
        let what = "a tmpfs of no bytes or no inodes (the kernel would take 0 as no bound)";
        return Err(Error::invalid(step, what));
    }
    byte_count(step, "its number of inodes", inodes)?;
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
    match config.affinity.as_deref() {
        Some([]) => Err(Error::invalid("affinity", "no CPU was named")),
        Some(cpus) if cpus.iter().any(|cpu| *cpu >= 8192) => {
            Err(Error::invalid("affinity", "a CPU number is over 8191"))
        }
        _ => Ok(()),
    }
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

fn limits(limits: &Limits) -> Result<()> {
    for (what, value) in [("memory", limits.memory), ("pids", limits.pids)] {
        if value == Some(0) {
            return Err(Error::invalid("limits", format!("a {what} limit of zero")));
        }
        byte_count("limits", what, value.unwrap_or(0))?;
    }
    if limits.cpus.is_some_and(|cpus| !(0.01..=10_000.0).contains(&cpus)) {
        return Err(Error::invalid("limits", "the number of CPUs is not between 0.01 and 10000"));
    }
    match limits.wall_time {
        Some(time) if time.is_zero() => Err(Error::invalid("limits", "a wall time limit of zero")),
        Some(time) if u64::try_from(time.as_nanos()).is_err() => {
            Err(Error::invalid("limits", "the wall time limit is over 584 years"))
        }
        _ => Ok(()),
    }
}
