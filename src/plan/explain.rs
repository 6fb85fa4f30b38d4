//! A plan in lines that people read.

use std::ffi::CStr;
use std::fmt::Write;

use super::{IdMaps, Plan, Step};
use crate::config::{Capabilities, IdMap, Namespaces, Securebits};
use crate::wire::{NO_FD, listener};
use libc::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};

impl Plan {
    /// One line for each step, with its number and name.
    pub fn explain(&self) -> String {
        let mut out = String::new();
        let names: Vec<_> = Namespaces::from_bits_retain(self.clone_flags).names().collect();
        let _ = writeln!(out, "init in new namespaces: {}", names.join(" "));
        if let Some(maps) = &self.id_maps {
            let _ = writeln!(out, "id maps written by {}: {}", maps.writer.text(), describe_maps(maps));
        }
        for (index, step) in self.steps.iter().enumerate() {
            let line = format!("{index:3} {:<17} {}", step.name(), step.describe());
            let _ = writeln!(out, "{}", line.trim_end());
        }
        for (limit, clock) in [(self.wall_limit, "wall"), (self.cpu_limit, "CPU")] {
            if limit != 0 {
                let time = std::time::Duration::from_nanos(limit);
                let _ = writeln!(out, "init ends the workload after {time:?} of {clock} time");
            }
        }
        out
    }
}

fn describe_maps(maps: &IdMaps) -> String {
    let list = |maps: &[IdMap]| {
        let one = |map: &IdMap| format!("{}→{}×{}", map.inside, map.outside, map.count);
        maps.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    format!("uid {}, gid {}", list(&maps.uids), list(&maps.gids))
}

fn text(value: &CStr) -> std::borrow::Cow<'_, str> {
    value.to_string_lossy()
}

fn mount_attributes(attributes: u64) -> String {
    let known = [
        (MOUNT_ATTR_RDONLY, "ro"),
        (MOUNT_ATTR_NOSUID, "nosuid"),
        (MOUNT_ATTR_NODEV, "nodev"),
        (MOUNT_ATTR_NOEXEC, "noexec"),
    ];
    let mut names: Vec<_> =
        known.iter().filter(|(bit, _)| attributes & bit != 0).map(|(_, name)| *name).collect();
    if attributes & MOUNT_ATTR_RDONLY == 0 {
        names.insert(0, "rw");
    }
    names.join(",")
}

fn capabilities(bits: u64) -> String {
    let names: Vec<_> = Capabilities::from_bits_truncate(bits).iter_names().map(|(name, _)| name).collect();
    if names.is_empty() { "none".into() } else { names.join(" ") }
}

fn securebits(bits: u32) -> String {
    Securebits::from_bits_retain(bits).iter_names().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
}

fn limit(value: u64) -> String {
    if value == u64::MAX { "unlimited".into() } else { value.to_string() }
}

fn namespaces(kinds: u32) -> String {
    Namespaces::from_bits_retain(kinds).names().collect::<Vec<_>>().join(" ")
}

impl Step {
    /// What the step works on: also the subject of its errors.
    pub fn describe(&self) -> String {
        match self {
            Step::JoinNamespace { kinds, .. } | Step::Unshare { kinds } => namespaces(*kinds),
            Step::InitIdentity { uid, gid, .. } | Step::Identity { uid, gid } => {
                format!("uid {uid}, gid {gid}")
            }
            Step::TimeOffsets { lines } => text(lines).trim().replace('\n', ", "),
            Step::Bind { source, fd, target, attributes, .. } => {
                let how = if *fd == NO_FD { "" } else { ", as a detached mount" };
                format!("{} at {} ({}{how})", text(source), text(target), mount_attributes(*attributes))
            }
            Step::Tmpfs { target, mode, size, inodes, attributes } => {
                let (target, mode, size, inodes) = (text(target), text(mode), text(size), text(inodes));
                let attributes = mount_attributes(*attributes);
                format!("{target} ({size} bytes, {inodes} inodes, mode {mode}, {attributes})")
            }
            Step::OverlayLayer { name, source, .. } => format!("{} as {}", text(source), text(name)),
            Step::Pool { size, inodes } => format!("{} bytes, {} inodes", text(size), text(inodes)),
            Step::PooledDirectory { target, mode, attributes, .. } => {
                format!("{} (mode {mode:o}, {})", text(target), mount_attributes(*attributes))
            }
            Step::StartWorkload { cgroup: NO_FD } | Step::Park { cgroup: NO_FD } => String::new(),
            Step::StartWorkload { .. } | Step::Park { .. } => {
                "in its cgroup of v2, where the kernel allows it".into()
            }
            Step::Overlay { target, options, .. } => format!("{} ({})", text(target), text(options)),
            Step::Proc { target, outer } => {
                let outer = if *outer == 0 { "" } else { " (or the caller's)" };
                format!("{}{outer}", text(target))
            }
            Step::Symlink { target, path } => format!("{} -> {}", text(path), text(target)),
            Step::Mask { path } | Step::ReadOnly { path } => format!("/proc/{}", text(path)),
            Step::Used { paths, .. } => {
                let paths = paths.split(|byte| *byte == 0).filter(|path| !path.is_empty());
                paths.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
            }
            Step::Collect { path, most } => format!("{} (at most {most} bytes)", text(path)),
            Step::SealMount { path }
            | Step::Unmount { path }
            | Step::Forget { path, .. }
            | Step::Skeleton { path, .. }
            | Step::Cgroup { path, .. }
            | Step::WorkingDirectory { path } => text(path).into_owned(),
            Step::Stage { size } => format!("{} bytes", text(size)),
            Step::Devpts { target } | Step::Mqueue { target } => text(target).into_owned(),
            Step::Directory { path, mode } => format!("{} (mode {mode:o})", text(path)),
            Step::File { path, mode, fd: NO_FD, content, .. } => {
                format!("{} ({} bytes, mode {mode:o})", text(path), content.len())
            }
            Step::File { path, mode, .. } => format!("{} (a file of memory, mode {mode:o})", text(path)),
            Step::HostName { name } => text(name).into_owned(),
            Step::LiftDescriptors { above } => format!("to {above} and above"),
            Step::Descriptor { target, .. } => target.to_string(),
            Step::ResourceLimit { resource, soft, hard } => {
                format!("{} {} {}", resource_name(*resource), limit(*soft), limit(*hard))
            }
            Step::Nice { value } => value.to_string(),
            Step::Affinity { mask } => format!("cpus {}", cpus(mask)),
            Step::OomScoreAdj { value } => text(value).into_owned(),
            Step::Personality { persona: 0 } => "0 (addresses randomised)".into(),
            Step::Personality { persona } => format!("{persona:#x} (addresses not randomised)"),
            Step::Umask { mask } => format!("{mask:03o}"),
            Step::BoundingSet { keep } => format!("keep {}", capabilities(*keep)),
            Step::Securebits { bits } => securebits(*bits),
            Step::Seccomp { program, listener, .. } => {
                let purpose = match u64::from(*listener) {
                    listener::KILL => ", init ends the container",
                    listener::REPORT => ", denies nothing and reports",
                    listener::HOST => ", the host program decides",
                    listener::WATCH => ", init hears of what has to be replaced",
                    _ => "",
                };
                format!("{} instructions{purpose}", program.len() / size_of::<libc::sock_filter>())
            }
            Step::Groups { gids } => match gids.len() / 4 {
                0 => "none".into(),
                count => format!("{count} supplementary"),
            },
            Step::Capabilities { effective, permitted, inheritable, ambient } => format!(
                "effective {}, permitted {}, inheritable {}, ambient {}",
                capabilities(*effective),
                capabilities(*permitted),
                capabilities(*inheritable),
                capabilities(*ambient)
            ),
            Step::LandlockRule { path, access, .. } => format!("{} ({})", text(path), file_rights(*access)),
            Step::LandlockRestrict { policy, .. } => text(policy).into_owned(),
            Step::Execute { .. } => self.program().unwrap_or_default(),
            Step::Serve { .. }
            | Step::AwaitRun {}
            | Step::SetToZero { .. }
            | Step::IdMaps {}
            | Step::ForkInit {}
            | Step::PrivateMounts {}
            | Step::EnterRoot {}
            | Step::Loopback {}
            | Step::HostProc {}
            | Step::SessionKeyring {}
            | Step::Session {}
            | Step::NoNewPrivs {}
            | Step::ParentDeath {}
            | Step::DefaultSignals {} => String::new(),
        }
    }

    /// The program of an exec step, as seen inside, and where a name without slash is looked up.
    fn program(&self) -> Option<String> {
        let Step::Execute { candidates, strings, .. } = self else { return None };
        let mut strings = strings.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let paths: Vec<_> = strings.by_ref().take(*candidates as usize).collect();
        let name = strings.next()?;
        if paths.len() == 1 && paths[0] == name {
            return Some(name.into_owned());
        }
        let directory = |path: &std::borrow::Cow<'_, str>| match path.strip_suffix(name.as_ref()) {
            Some("" | "/") | None => path.to_string(),
            Some(directory) => directory.trim_end_matches('/').to_owned(),
        };
        let directories: Vec<_> = paths.iter().map(directory).collect();
        Some(format!("{name} in {}", directories.join(":")))
    }
}

fn resource_name(number: u32) -> String {
    crate::config::identity::ALL_RESOURCES
        .iter()
        .find(|resource| resource.number() == number)
        .map_or_else(|| number.to_string(), |resource| resource.name().into())
}

/// The names of Landlock's rights to files, in the order of their bits.
const FILE_RIGHTS: [&str; 16] = [
    "execute",
    "write-file",
    "read-file",
    "read-dir",
    "remove-dir",
    "remove-file",
    "make-char",
    "make-dir",
    "make-reg",
    "make-sock",
    "make-fifo",
    "make-block",
    "make-sym",
    "refer",
    "truncate",
    "ioctl-dev",
];

pub(crate) fn file_rights(bits: u64) -> String {
    let named = FILE_RIGHTS.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    named.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

fn cpus(mask: &[u8]) -> String {
    let set = |cpu: &usize| mask[cpu / 8] >> (cpu % 8) & 1 == 1;
    (0..mask.len() * 8).filter(set).map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(",")
}
